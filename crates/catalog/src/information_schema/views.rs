//! `information_schema.views`.

use types::Type;

use super::access;
use crate::row::*;
use crate::{Row, SystemContext, SystemTable, describe};

pub const TABLE: SystemTable = SystemTable {
    oid: 13483,
    schema: "information_schema",
    name: "views",
    columns: &[
        ("table_catalog", Type::Name),
        ("table_schema", Type::Name),
        ("table_name", Type::Name),
        ("view_definition", Type::Varchar),
        ("check_option", Type::Varchar),
        ("is_updatable", Type::Varchar),
        ("is_insertable_into", Type::Varchar),
        ("is_trigger_updatable", Type::Varchar),
        ("is_trigger_deletable", Type::Varchar),
        ("is_trigger_insertable_into", Type::Varchar),
    ],
    rows,
    finders: &[],
};

fn rows(context: &SystemContext) -> Vec<Row> {
    let views = context
        .snapshot
        .tables()
        .filter(|table| table.relkind() == 'v' && access::sees(context, table));
    views
        .map(|view| {
            let is_owner = context.snapshot.owns(context.current_user, view.owner);
            vec![
                text(context.database),
                text(&view.schema),
                text(&view.name),
                opt_text(describe::view(view).filter(|_| is_owner)),
                text("NONE"),
                yes(false), // is_updatable
                yes(false), // is_insertable_into
                yes(false), // is_trigger_updatable
                yes(false), // is_trigger_deletable
                yes(false), // is_trigger_insertable_into
            ]
        })
        .collect()
}
