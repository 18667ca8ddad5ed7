//! `pg_trigger`: users' triggers. Foreign keys are checked without triggers, so there are no internal ones.

use types::{Datum, Type};

use super::pg_class::oid_of;
use crate::row::*;
use crate::{Finder, Row, SystemContext, SystemTable, Table};

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
    rows: |context| context.snapshot.user_tables().flat_map(|table| of_table(table)).collect(),
    finders: &[Finder {
        column: "tgrelid",
        rows: by_table,
    }],
};

fn by_table(context: &SystemContext, value: &Datum) -> Vec<Row> {
    oid_of(value)
        .and_then(|oid| context.snapshot.table_by_oid(oid))
        .map(|table| of_table(table))
        .unwrap_or_default()
}

fn of_table(table: &Table) -> Vec<Row> {
    table
        .triggers
        .iter()
        .map(|trigger| {
            let attnums = trigger.columns.iter().filter_map(|column| table.columns.get(*column));
            // Each argument ends with a zero byte.
            let args: Vec<u8> = trigger.args.iter().flat_map(|arg| arg.bytes().chain([0])).collect();
            vec![
                oid(trigger.oid),
                oid(table.oid),
                oid(0), // tgparentid
                text(&trigger.name),
                oid(trigger.function),
                int2(trigger.type_bits()),
                letter(if trigger.enabled { 'O' } else { 'D' }),
                boolean(false), // tgisinternal
                oid(0),         // tgconstrrelid
                oid(0),         // tgconstrindid
                oid(0),         // tgconstraint
                boolean(false), // tgdeferrable
                boolean(false), // tginitdeferred
                count(trigger.args.len()),
                vector(Type::Int2, attnums.map(|column| int2(column.attnum))),
                Datum::Bytea(args),
                opt_text(trigger.condition.as_deref()),
                NULL, // tgoldtable
                NULL, // tgnewtable
            ]
        })
        .collect()
}
