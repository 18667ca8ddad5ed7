//! `information_schema.triggers`: one row for each event of a trigger.

use types::Type;

use super::access;
use crate::row::*;
use crate::{Row, SystemContext, SystemTable, Table, Trigger, TriggerEvent, describe};

pub const TABLE: SystemTable = SystemTable {
    oid: 13440,
    schema: "information_schema",
    name: "triggers",
    columns: &[
        ("trigger_catalog", Type::Name),
        ("trigger_schema", Type::Name),
        ("trigger_name", Type::Name),
        ("event_manipulation", Type::Varchar),
        ("event_object_catalog", Type::Name),
        ("event_object_schema", Type::Name),
        ("event_object_table", Type::Name),
        ("action_order", Type::Int4),
        ("action_condition", Type::Varchar),
        ("action_statement", Type::Varchar),
        ("action_orientation", Type::Varchar),
        ("action_timing", Type::Varchar),
        ("action_reference_old_table", Type::Name),
        ("action_reference_new_table", Type::Name),
        ("action_reference_old_row", Type::Name),
        ("action_reference_new_row", Type::Name),
        ("created", Type::Timestamptz),
    ],
    rows: |context| {
        let tables = context
            .snapshot
            .user_tables()
            .filter(|table| access::sees_constraints(context, table));
        tables.flat_map(|table| of_table(context, table)).collect()
    },
    finders: &[],
};

fn of_table(context: &SystemContext, table: &Table) -> Vec<Row> {
    let each = |trigger: &Trigger| -> Vec<Row> {
        let mut events = trigger.events.clone();
        events.sort();
        events.into_iter().map(|event| row(context, table, trigger, event)).collect()
    };
    table.triggers.iter().flat_map(each).collect()
}

fn row(context: &SystemContext, table: &Table, trigger: &Trigger, event: TriggerEvent) -> Row {
    // Among the triggers that fire at the same point.
    let same = |other: &&Trigger| other.events.contains(&event) && other.level == trigger.level && other.timing == trigger.timing;
    let order = table
        .triggers
        .iter()
        .filter(same)
        .position(|other| other.oid == trigger.oid)
        .unwrap_or(0);
    vec![
        text(context.database),
        text(&table.schema),
        text(&trigger.name),
        text(event.word()),
        text(context.database),
        text(&table.schema),
        text(&table.name),
        int4(i32::try_from(order).unwrap_or(i32::MAX).saturating_add(1)),
        opt_text(trigger.condition.as_ref().map(|condition| format!("({condition})"))),
        text(describe::trigger_action(context, trigger)),
        text(trigger.level.word()),
        text(trigger.timing.word()),
        NULL,
        NULL,
        NULL,
        NULL,
        NULL,
    ]
}
