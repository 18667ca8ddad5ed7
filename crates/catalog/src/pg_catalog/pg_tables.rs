//! `pg_tables`: tables by name.

use types::Type;

use crate::row::*;
use crate::{ConstraintKind, Row, SystemContext, SystemTable, Table};

pub const TABLE: SystemTable = SystemTable {
    oid: 12033,
    schema: "pg_catalog",
    name: "pg_tables",
    columns: &[
        ("schemaname", Type::Name),
        ("tablename", Type::Name),
        ("tableowner", Type::Name),
        ("tablespace", Type::Name),
        ("hasindexes", Type::Bool),
        ("hasrules", Type::Bool),
        ("hastriggers", Type::Bool),
        ("rowsecurity", Type::Bool),
    ],
    rows,
    finders: &[],
};

fn rows(context: &SystemContext) -> Vec<Row> {
    context
        .snapshot
        .tables()
        .filter(|table| table.relkind() == 'r')
        .map(|table| row(context, table))
        .collect()
}

fn row(context: &SystemContext, table: &Table) -> Row {
    let foreign_keys = table
        .constraints
        .iter()
        .any(|constraint| matches!(constraint.kind, ConstraintKind::ForeignKey { .. }));
    vec![
        text(&table.schema),
        text(&table.name),
        text(role_name(context.snapshot, table.owner)),
        NULL, // tablespace
        boolean(table.index_names().next().is_some()),
        boolean(false), // hasrules
        boolean(foreign_keys || context.snapshot.has_triggers(table)),
        boolean(false), // rowsecurity
    ]
}
