//! `information_schema.table_constraints`: keys and checks, with a CHECK for each NOT NULL as the standard has it.

use types::Type;

use super::access::constrained_tables;
use crate::row::*;
use crate::{ConstraintKind, Row, SystemContext, SystemTable, Table};

pub const TABLE: SystemTable = SystemTable {
    oid: 13411,
    schema: "information_schema",
    name: "table_constraints",
    columns: &[
        ("constraint_catalog", Type::Name),
        ("constraint_schema", Type::Name),
        ("constraint_name", Type::Name),
        ("table_catalog", Type::Name),
        ("table_schema", Type::Name),
        ("table_name", Type::Name),
        ("constraint_type", Type::Varchar),
        ("is_deferrable", Type::Varchar),
        ("initially_deferred", Type::Varchar),
        ("enforced", Type::Varchar),
        ("nulls_distinct", Type::Varchar),
    ],
    rows,
    finders: &[],
};

fn rows(context: &SystemContext) -> Vec<Row> {
    let mut rows = vec![];
    for table in constrained_tables(context) {
        let mut push = |name: &str, kind: &str, nulls_distinct: Option<bool>| {
            rows.push(vec![
                text(context.database),
                text(&table.schema),
                text(name),
                text(context.database),
                text(&table.schema),
                text(&table.name),
                text(kind),
                yes(false), // is_deferrable
                yes(false), // initially_deferred
                yes(true),  // enforced
                nulls_distinct.map_or(NULL, yes),
            ]);
        };
        if let Some(key) = &table.primary_key {
            push(&key.name, "PRIMARY KEY", None);
        }
        for constraint in &table.constraints {
            match &constraint.kind {
                ConstraintKind::Check { .. } => push(&constraint.name, "CHECK", None),
                ConstraintKind::Unique { nulls_not_distinct, .. } => push(&constraint.name, "UNIQUE", Some(!nulls_not_distinct)),
                ConstraintKind::ForeignKey { .. } => push(&constraint.name, "FOREIGN KEY", None),
            }
        }
        for (_, column) in table.live_columns().filter(|(_, column)| column.not_null) {
            push(&not_null_name(context, table, column.attnum), "CHECK", None);
        }
    }
    rows
}

/// The name that PostgreSQL makes up for a NOT NULL.
pub(super) fn not_null_name(context: &SystemContext, table: &Table, attnum: i16) -> String {
    let schema = context.snapshot.schema(&table.schema).map_or(0, |schema| schema.oid);
    format!("{schema}_{}_{attnum}_not_null", table.oid)
}
