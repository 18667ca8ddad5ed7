//! `information_schema.schemata`: the schemas that the current user owns or may use.

use types::Type;

use crate::row::*;
use crate::{Privilege, Row, SystemContext, SystemTable};

pub const TABLE: SystemTable = SystemTable {
    oid: 13382,
    schema: "information_schema",
    name: "schemata",
    columns: &[
        ("catalog_name", Type::Name),
        ("schema_name", Type::Name),
        ("schema_owner", Type::Name),
        ("default_character_set_catalog", Type::Name),
        ("default_character_set_schema", Type::Name),
        ("default_character_set_name", Type::Name),
        ("sql_path", Type::Varchar),
    ],
    rows,
    finders: &[],
};

fn rows(context: &SystemContext) -> Vec<Row> {
    let holds = |schema: &crate::Schema, privilege| context.snapshot.has_schema_privilege(context.current_user, schema, privilege);
    let visible = context.snapshot.schemas().filter(|schema| {
        context.snapshot.owns(context.current_user, schema.owner) || holds(schema, Privilege::Usage) || holds(schema, Privilege::Create)
    });
    visible
        .map(|schema| {
            vec![
                text(context.database),
                text(&schema.name),
                text(role_name(context.snapshot, schema.owner)),
                NULL, // default_character_set_catalog
                NULL, // default_character_set_schema
                NULL, // default_character_set_name
                NULL, // sql_path
            ]
        })
        .collect()
}
