//! `information_schema.check_constraints`: CHECK and NOT NULL.

use types::Type;
use types::ident::quote_ident;

use super::access::constrained_tables;
use super::table_constraints::not_null_name;
use crate::row::*;
use crate::{ConstraintKind, Row, SystemContext, SystemTable};

pub const TABLE: SystemTable = SystemTable {
    oid: 13260,
    schema: "information_schema",
    name: "check_constraints",
    columns: &[
        ("constraint_catalog", Type::Name),
        ("constraint_schema", Type::Name),
        ("constraint_name", Type::Name),
        ("check_clause", Type::Varchar),
    ],
    rows,
    finders: &[],
};

fn rows(context: &SystemContext) -> Vec<Row> {
    let mut rows = vec![];
    for table in constrained_tables(context) {
        let mut push = |name: &str, clause: String| rows.push(vec![text(context.database), text(&table.schema), text(name), text(clause)]);
        for constraint in &table.constraints {
            match &constraint.kind {
                ConstraintKind::Check { expression } => push(&constraint.name, format!("(({expression}))")),
                ConstraintKind::Unique { .. } | ConstraintKind::ForeignKey { .. } => {}
            }
        }
        for (_, column) in table.live_columns().filter(|(_, column)| column.not_null) {
            push(
                &not_null_name(context, table, column.attnum),
                format!("{} IS NOT NULL", quote_ident(&column.name)),
            );
        }
    }
    rows
}
