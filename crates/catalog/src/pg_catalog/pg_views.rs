//! `pg_views`: views with their definitions.

use types::Type;

use crate::row::*;
use crate::{Row, SystemContext, SystemTable, Table, TableKind};

pub const TABLE: SystemTable = SystemTable {
    oid: 12028,
    schema: "pg_catalog",
    name: "pg_views",
    columns: &[
        ("schemaname", Type::Name),
        ("viewname", Type::Name),
        ("viewowner", Type::Name),
        ("definition", Type::Text),
    ],
    rows: |context| context.snapshot.tables().filter_map(|table| row(context, table)).collect(),
    finders: &[],
};

fn row(context: &SystemContext, table: &Table) -> Option<Row> {
    let definition = match &table.kind {
        TableKind::View { definition } => text(format!("{definition};")),
        TableKind::System(system) if system.relkind() == 'v' => NULL,
        TableKind::Table | TableKind::Sequence(_) | TableKind::System(_) => return None,
    };
    Some(vec![
        text(&table.schema),
        text(&table.name),
        text(role_name(context.snapshot, table.owner)),
        definition,
    ])
}
