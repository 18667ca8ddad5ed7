//! `information_schema.information_schema_catalog_name`: the database.

use types::Type;

use crate::SystemTable;
use crate::row::*;

pub const TABLE: SystemTable = SystemTable {
    oid: 13227,
    schema: "information_schema",
    name: "information_schema_catalog_name",
    columns: &[("catalog_name", Type::Name)],
    rows: |context| vec![vec![text(context.database)]],
    finders: &[],
};
