//! `information_schema.tables`: tables and views.

use types::Type;

use super::access;
use crate::row::*;
use crate::{Row, SystemContext, SystemTable};

pub const TABLE: SystemTable = SystemTable {
    oid: 13425,
    schema: "information_schema",
    name: "tables",
    columns: &[
        ("table_catalog", Type::Name),
        ("table_schema", Type::Name),
        ("table_name", Type::Name),
        ("table_type", Type::Varchar),
        ("self_referencing_column_name", Type::Name),
        ("reference_generation", Type::Varchar),
        ("user_defined_type_catalog", Type::Name),
        ("user_defined_type_schema", Type::Name),
        ("user_defined_type_name", Type::Name),
        ("is_insertable_into", Type::Varchar),
        ("is_typed", Type::Varchar),
        ("commit_action", Type::Varchar),
    ],
    rows,
    finders: &[],
};

fn rows(context: &SystemContext) -> Vec<Row> {
    let relations = context
        .snapshot
        .tables()
        .filter(|table| matches!(table.relkind(), 'r' | 'v') && access::sees(context, table));
    relations
        .map(|table| {
            vec![
                text(context.database),
                text(&table.schema),
                text(&table.name),
                text(if table.relkind() == 'r' { "BASE TABLE" } else { "VIEW" }),
                NULL, // self_referencing_column_name
                NULL, // reference_generation
                NULL, // user_defined_type_catalog
                NULL, // user_defined_type_schema
                NULL, // user_defined_type_name
                yes(table.is_table()),
                yes(false), // is_typed
                NULL,       // commit_action
            ]
        })
        .collect()
}
