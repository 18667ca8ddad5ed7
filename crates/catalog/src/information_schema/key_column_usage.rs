//! `information_schema.key_column_usage`: columns of primary, unique and foreign keys.

use types::Type;

use super::access::constrained_tables;
use crate::pg_catalog::pg_constraint::referenced_key;
use crate::row::*;
use crate::{ConstraintKind, Row, SystemContext, SystemTable, Table};

pub const TABLE: SystemTable = SystemTable {
    oid: 13329,
    schema: "information_schema",
    name: "key_column_usage",
    columns: &[
        ("constraint_catalog", Type::Name),
        ("constraint_schema", Type::Name),
        ("constraint_name", Type::Name),
        ("table_catalog", Type::Name),
        ("table_schema", Type::Name),
        ("table_name", Type::Name),
        ("column_name", Type::Name),
        ("ordinal_position", Type::Int4),
        ("position_in_unique_constraint", Type::Int4),
    ],
    rows,
    finders: &[],
};

fn rows(context: &SystemContext) -> Vec<Row> {
    let mut rows = vec![];
    for table in constrained_tables(context) {
        if let Some(key) = &table.primary_key {
            of_key(context, table, &key.name, &key.columns, None, &mut rows);
        }
        for constraint in &table.constraints {
            match &constraint.kind {
                ConstraintKind::Check { .. } => {}
                ConstraintKind::Unique { .. } => of_key(context, table, &constraint.name, &constraint.columns, None, &mut rows),
                ConstraintKind::ForeignKey {
                    table: target, columns, ..
                } => {
                    let referenced = referenced_key(context.snapshot, *target, columns).map(|key| key.columns);
                    // Where in the referenced key each column's counterpart stands.
                    let place = |column: &usize| referenced.as_ref().and_then(|key| key.iter().position(|key| key == column));
                    let places: Vec<Option<usize>> = columns.iter().map(place).collect();
                    of_key(context, table, &constraint.name, &constraint.columns, Some(&places), &mut rows);
                }
            }
        }
    }
    rows
}

fn of_key(context: &SystemContext, table: &Table, name: &str, columns: &[usize], places: Option<&[Option<usize>]>, rows: &mut Vec<Row>) {
    for (at, column) in columns.iter().enumerate() {
        let place = places.and_then(|places| places.get(at).copied().flatten());
        let ordinal = |at: usize| int4(i32::from(attnum(at)));
        rows.push(vec![
            text(context.database),
            text(&table.schema),
            text(name),
            text(context.database),
            text(&table.schema),
            text(&table.name),
            opt_text(table.columns.get(*column).map(|column| column.name.clone())),
            ordinal(at),
            place.map_or(NULL, ordinal),
        ]);
    }
}
