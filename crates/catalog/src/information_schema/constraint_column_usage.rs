//! `information_schema.constraint_column_usage`: the columns that constraints use, for foreign keys the referenced ones.

use types::Type;

use crate::row::*;
use crate::{ConstraintKind, Row, SystemContext, SystemTable, Table};

pub const TABLE: SystemTable = SystemTable {
    oid: 13300,
    schema: "information_schema",
    name: "constraint_column_usage",
    columns: &[
        ("table_catalog", Type::Name),
        ("table_schema", Type::Name),
        ("table_name", Type::Name),
        ("column_name", Type::Name),
        ("constraint_catalog", Type::Name),
        ("constraint_schema", Type::Name),
        ("constraint_name", Type::Name),
    ],
    rows,
    finders: &[],
};

fn rows(context: &SystemContext) -> Vec<Row> {
    let mut rows = vec![];
    // Shown to the owner of the table whose columns are used.
    let mut push = |used: &Table, columns: &[usize], owner: &Table, name: &str| {
        if !context.snapshot.owns(context.current_user, used.owner) {
            return;
        }
        for column in columns.iter().filter_map(|column| used.columns.get(*column)) {
            rows.push(vec![
                text(context.database),
                text(&used.schema),
                text(&used.name),
                text(&column.name),
                text(context.database),
                text(&owner.schema),
                text(name),
            ]);
        }
    };
    for table in context.snapshot.user_tables() {
        if let Some(key) = &table.primary_key {
            push(table, &key.columns, table, &key.name);
        }
        for constraint in &table.constraints {
            match &constraint.kind {
                ConstraintKind::Check { .. } | ConstraintKind::Unique { .. } => push(table, &constraint.columns, table, &constraint.name),
                ConstraintKind::ForeignKey {
                    table: target, columns, ..
                } => {
                    if let Some(target) = context.snapshot.table_by_oid(*target) {
                        push(target, columns, table, &constraint.name);
                    }
                }
            }
        }
    }
    rows
}
