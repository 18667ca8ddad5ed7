//! `pg_settings`: what SHOW ALL shows, from the engine.

use types::Type;

use crate::row::*;
use crate::{Row, Setting, SystemTable};

pub const TABLE: SystemTable = SystemTable {
    oid: 12104,
    schema: "pg_catalog",
    name: "pg_settings",
    columns: &[
        ("name", Type::Text),
        ("setting", Type::Text),
        ("unit", Type::Text),
        ("category", Type::Text),
        ("short_desc", Type::Text),
        ("extra_desc", Type::Text),
        ("context", Type::Text),
        ("vartype", Type::Text),
        ("source", Type::Text),
        ("min_val", Type::Text),
        ("max_val", Type::Text),
        ("enumvals", TEXT_ARRAY),
        ("boot_val", Type::Text),
        ("reset_val", Type::Text),
        ("sourcefile", Type::Text),
        ("sourceline", Type::Int4),
        ("pending_restart", Type::Bool),
    ],
    rows: |context| context.live.settings().iter().map(row).collect(),
    finders: &[],
};

fn row(setting: &Setting) -> Row {
    vec![
        text(&setting.name),
        text(&setting.value),
        opt_text(setting.unit),
        text(setting.category),
        text(setting.description),
        NULL, // extra_desc
        text(setting.context),
        text(setting.vartype),
        text(setting.source),
        NULL, // min_val
        NULL, // max_val
        if setting.enum_values.is_empty() {
            NULL
        } else {
            text_array(setting.enum_values.iter().copied())
        },
        opt_text(setting.boot_value.clone()),
        opt_text(setting.reset_value.clone()),
        NULL,           // sourcefile
        NULL,           // sourceline
        boolean(false), // pending_restart
    ]
}
