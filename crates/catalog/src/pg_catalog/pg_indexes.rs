//! `pg_indexes`: indexes with the statements that make them.

use types::Type;

use crate::row::*;
use crate::{Row, SystemContext, SystemTable, describe};

pub const TABLE: SystemTable = SystemTable {
    oid: 12043,
    schema: "pg_catalog",
    name: "pg_indexes",
    columns: &[
        ("schemaname", Type::Name),
        ("tablename", Type::Name),
        ("indexname", Type::Name),
        ("tablespace", Type::Name),
        ("indexdef", Type::Text),
    ],
    rows,
    finders: &[],
};

fn rows(context: &SystemContext) -> Vec<Row> {
    let mut rows = vec![];
    for table in context.snapshot.user_tables() {
        for index in table.all_indexes() {
            let definition = describe::index(context, table, &index, false);
            rows.push(vec![
                text(&table.schema),
                text(&table.name),
                text(&index.name),
                NULL,
                text(definition),
            ]);
        }
    }
    rows
}
