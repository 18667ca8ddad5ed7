//! `information_schema.triggers`: one row for each event of a trigger.

use types::Type;

use super::access;
use crate::heliosdb::AUDIT_LOG_OID;
use crate::row::*;
use crate::{Row, SystemContext, SystemTable, Table, Trigger, TriggerEvent, TriggerLevel, TriggerTiming, describe};

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
        let sees = |table: &Table| access::sees_constraints(context, table);
        let tables = context.snapshot.user_tables().filter(|table| sees(table));
        let mut rows: Vec<Row> = tables.flat_map(|table| of_table(context, table)).collect();
        if let Some(log) = context.snapshot.table_by_oid(AUDIT_LOG_OID)
            && sees(log)
        {
            rows.extend(of_audit_log(context, log));
        }
        rows
    },
    finders: &[],
};

fn of_table(context: &SystemContext, table: &Table) -> Vec<Row> {
    let each = |trigger: &Trigger| -> Vec<Row> {
        let mut events = trigger.events.clone();
        events.sort();
        events.into_iter().map(|event| of_trigger(context, table, trigger, event)).collect()
    };
    table.triggers.iter().flat_map(each).collect()
}

fn of_audit_log(context: &SystemContext, log: &Table) -> Vec<Row> {
    let triggers = context.snapshot.audit_triggers();
    let shown = triggers.into_iter().zip(0..).map(|(trigger, order)| Shown {
        name: &trigger.name,
        event: TriggerEvent::Insert,
        order,
        condition: trigger.condition.as_deref(),
        action: describe::audit_trigger_action(context, trigger),
        level: TriggerLevel::Row,
        timing: TriggerTiming::After,
    });
    shown.map(|shown| row(context, log, shown)).collect()
}

fn of_trigger(context: &SystemContext, table: &Table, trigger: &Trigger, event: TriggerEvent) -> Row {
    // Among the triggers that fire at the same point.
    let same = |other: &&Trigger| other.events.contains(&event) && other.level == trigger.level && other.timing == trigger.timing;
    let order = table
        .triggers
        .iter()
        .filter(same)
        .position(|other| other.oid == trigger.oid)
        .unwrap_or(0);
    let shown = Shown {
        name: &trigger.name,
        event,
        order,
        condition: trigger.condition.as_deref(),
        action: describe::trigger_action(context, trigger),
        level: trigger.level,
        timing: trigger.timing,
    };
    row(context, table, shown)
}

/// What a row shows.
struct Shown<'a> {
    name: &'a str,
    event: TriggerEvent,
    /// Among the triggers that fire at the same point, from 0.
    order: usize,
    condition: Option<&'a str>,
    action: String,
    level: TriggerLevel,
    timing: TriggerTiming,
}

fn row(context: &SystemContext, table: &Table, trigger: Shown<'_>) -> Row {
    vec![
        text(context.database),
        text(&table.schema),
        text(trigger.name),
        text(trigger.event.word()),
        text(context.database),
        text(&table.schema),
        text(&table.name),
        int4(i32::try_from(trigger.order).unwrap_or(i32::MAX).saturating_add(1)),
        opt_text(trigger.condition.map(|condition| format!("({condition})"))),
        text(trigger.action),
        text(trigger.level.word()),
        text(trigger.timing.word()),
        NULL,
        NULL,
        NULL,
        NULL,
        NULL,
    ]
}
