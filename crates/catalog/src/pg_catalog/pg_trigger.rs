//! `pg_trigger`: users' triggers, on their tables and on the audit log. Foreign keys are checked without triggers, so there are no internal ones.

use types::{Datum, Type};

use super::pg_class::oid_of;
use crate::heliosdb::AUDIT_LOG_OID;
use crate::row::*;
use crate::{AuditTrigger, Finder, Row, SystemContext, SystemTable, Table};

pub const TABLE: SystemTable = SystemTable {
    oid: 2620,
    schema: "pg_catalog",
    name: "pg_trigger",
    columns: &[
        ("oid", Type::Oid),
        ("tgrelid", Type::Oid),
        ("tgparentid", Type::Oid),
        ("tgname", Type::Name),
        ("tgfoid", Type::Oid),
        ("tgtype", Type::Int2),
        ("tgenabled", Type::Char),
        ("tgisinternal", Type::Bool),
        ("tgconstrrelid", Type::Oid),
        ("tgconstrindid", Type::Oid),
        ("tgconstraint", Type::Oid),
        ("tgdeferrable", Type::Bool),
        ("tginitdeferred", Type::Bool),
        ("tgnargs", Type::Int2),
        ("tgattr", INT2_ARRAY),
        ("tgargs", Type::Bytea),
        ("tgqual", Type::Text),
        ("tgoldtable", Type::Name),
        ("tgnewtable", Type::Name),
    ],
    rows,
    finders: &[Finder {
        column: "tgrelid",
        rows: by_table,
    }],
};

fn rows(context: &SystemContext) -> Vec<Row> {
    let mut rows = of_audit_log(context);
    rows.extend(context.snapshot.user_tables().flat_map(|table| of_table(table)));
    rows
}

fn by_table(context: &SystemContext, value: &Datum) -> Vec<Row> {
    match oid_of(value) {
        Some(AUDIT_LOG_OID) => of_audit_log(context),
        Some(oid) => context.snapshot.table_by_oid(oid).map(|table| of_table(table)).unwrap_or_default(),
        None => vec![],
    }
}

fn of_audit_log(context: &SystemContext) -> Vec<Row> {
    let triggers = context.snapshot.audit_triggers();
    let shown = triggers.into_iter().map(|trigger| Shown {
        oid: trigger.oid,
        table: AUDIT_LOG_OID,
        name: &trigger.name,
        // A body is no function.
        function: trigger.function().unwrap_or(0),
        type_bits: AuditTrigger::TYPE_BITS,
        enabled: trigger.enabled,
        columns: vec![],
        args: trigger.args(),
        condition: trigger.condition.as_deref(),
    });
    shown.map(row).collect()
}

fn of_table(table: &Table) -> Vec<Row> {
    let shown = table.triggers.iter().map(|trigger| Shown {
        oid: trigger.oid,
        table: table.oid,
        name: &trigger.name,
        function: trigger.function,
        type_bits: trigger.type_bits(),
        enabled: trigger.enabled,
        columns: trigger
            .columns
            .iter()
            .filter_map(|column| table.columns.get(*column))
            .map(|column| column.attnum)
            .collect(),
        args: &trigger.args,
        condition: trigger.condition.as_deref(),
    });
    shown.map(row).collect()
}

/// What a row shows.
struct Shown<'a> {
    oid: u32,
    table: u32,
    name: &'a str,
    function: u32,
    type_bits: i16,
    enabled: bool,
    columns: Vec<i16>,
    args: &'a [String],
    condition: Option<&'a str>,
}

fn row(trigger: Shown<'_>) -> Row {
    // Each argument ends with a zero byte.
    let args: Vec<u8> = trigger.args.iter().flat_map(|arg| arg.bytes().chain([0])).collect();
    vec![
        oid(trigger.oid),
        oid(trigger.table),
        oid(0), // tgparentid
        text(trigger.name),
        oid(trigger.function),
        int2(trigger.type_bits),
        letter(if trigger.enabled { 'O' } else { 'D' }),
        boolean(false), // tgisinternal
        oid(0),         // tgconstrrelid
        oid(0),         // tgconstrindid
        oid(0),         // tgconstraint
        boolean(false), // tgdeferrable
        boolean(false), // tginitdeferred
        count(trigger.args.len()),
        vector(Type::Int2, trigger.columns.into_iter().map(int2)),
        Datum::Bytea(args),
        opt_text(trigger.condition),
        NULL, // tgoldtable
        NULL, // tgnewtable
    ]
}
