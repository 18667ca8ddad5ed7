//! `information_schema.character_sets`: UTF-8.

use types::Type;

use crate::SystemTable;
use crate::row::*;

pub const TABLE: SystemTable = SystemTable {
    oid: 13250,
    schema: "information_schema",
    name: "character_sets",
    columns: &[
        ("character_set_catalog", Type::Name),
        ("character_set_schema", Type::Name),
        ("character_set_name", Type::Name),
        ("character_repertoire", Type::Name),
        ("form_of_use", Type::Name),
        ("default_collate_catalog", Type::Name),
        ("default_collate_schema", Type::Name),
        ("default_collate_name", Type::Name),
    ],
    rows: |context| {
        vec![vec![
            NULL,
            NULL,
            text("UTF8"),
            text("UCS"),
            text("UTF8"),
            text(context.database),
            NULL,
            NULL,
        ]]
    },
    finders: &[],
};
