//! `pg_attrdef`: column defaults and the expressions of generated columns, as SQL text.

use types::{Datum, Type};

use super::pg_class::oid_of;
use crate::row::*;
use crate::{Column, Finder, Generated, Row, SystemContext, SystemTable, Table};

pub const TABLE: SystemTable = SystemTable {
    oid: 2604,
    schema: "pg_catalog",
    name: "pg_attrdef",
    columns: &[
        ("oid", Type::Oid),
        ("adrelid", Type::Oid),
        ("adnum", Type::Int2),
        ("adbin", Type::Text),
    ],
    rows: |context| context.snapshot.user_tables().flat_map(|table| of_table(table)).collect(),
    finders: &[Finder {
        column: "adrelid",
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
    let row = |column: &Column| {
        Some(vec![
            oid(default_oid(table, column.attnum)),
            oid(table.oid),
            int2(column.attnum),
            text(expression(column)?),
        ])
    };
    table.live_columns().filter_map(|(_, column)| row(column)).collect()
}

/// The SQL text that `pg_get_expr` gives back.
pub(crate) fn expression(column: &Column) -> Option<&str> {
    match &column.generated {
        Some(Generated::Stored(expression)) => Some(expression),
        Some(Generated::Identity { .. }) | None => column.default.as_deref(),
    }
}

/// Defaults have no OIDs of their own: one is made of the table's and the column's number, above what objects get.
pub(super) fn default_oid(table: &Table, attnum: i16) -> u32 {
    0x8000_0000 | (table.oid.wrapping_shl(11) ^ u32::from(attnum.unsigned_abs()))
}
