//! `information_schema.referential_constraints`: foreign keys.

use types::Type;

use super::access::constrained_tables;
use crate::pg_catalog::pg_constraint::referenced_key;
use crate::row::*;
use crate::{ConstraintKind, Row, SystemContext, SystemTable, describe};

pub const TABLE: SystemTable = SystemTable {
    oid: 13339,
    schema: "information_schema",
    name: "referential_constraints",
    columns: &[
        ("constraint_catalog", Type::Name),
        ("constraint_schema", Type::Name),
        ("constraint_name", Type::Name),
        ("unique_constraint_catalog", Type::Name),
        ("unique_constraint_schema", Type::Name),
        ("unique_constraint_name", Type::Name),
        ("match_option", Type::Varchar),
        ("update_rule", Type::Varchar),
        ("delete_rule", Type::Varchar),
    ],
    rows,
    finders: &[],
};

fn rows(context: &SystemContext) -> Vec<Row> {
    let mut rows = vec![];
    for table in constrained_tables(context) {
        for constraint in &table.constraints {
            let ConstraintKind::ForeignKey {
                table: target,
                columns,
                on_update,
                on_delete,
                match_full,
            } = &constraint.kind
            else {
                continue;
            };
            let key = referenced_key(context.snapshot, *target, columns);
            let schema = key
                .as_ref()
                .and_then(|_| context.snapshot.table_by_oid(*target))
                .map(|target| target.schema.clone());
            rows.push(vec![
                text(context.database),
                text(&table.schema),
                text(&constraint.name),
                opt_text(key.as_ref().map(|_| context.database)),
                opt_text(schema),
                opt_text(key.map(|key| key.name)),
                text(if *match_full { "FULL" } else { "NONE" }),
                text(describe::action_name(*on_update)),
                text(describe::action_name(*on_delete)),
            ]);
        }
    }
    rows
}
