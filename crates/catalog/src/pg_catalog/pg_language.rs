//! `pg_language`: what functions can be written in.

use types::Type;

use crate::builtin::SUPERUSER_OID;
use crate::row::*;
use crate::{Language, Row, SystemContext, SystemTable};

pub const TABLE: SystemTable = SystemTable {
    oid: 2612,
    schema: "pg_catalog",
    name: "pg_language",
    columns: &[
        ("oid", Type::Oid),
        ("lanname", Type::Name),
        ("lanowner", Type::Oid),
        ("lanispl", Type::Bool),
        ("lanpltrusted", Type::Bool),
        ("lanplcallfoid", Type::Oid),
        ("laninline", Type::Oid),
        ("lanvalidator", Type::Oid),
        ("lanacl", TEXT_ARRAY),
    ],
    rows,
    finders: &[],
};

fn rows(_: &SystemContext) -> Vec<Row> {
    let row = |language: u32, name: &str, procedural: bool, trusted: bool, validator: u32| {
        vec![
            oid(language),
            text(name),
            oid(SUPERUSER_OID),
            boolean(procedural),
            boolean(trusted),
            oid(0), // lanplcallfoid
            oid(0), // laninline
            oid(validator),
            NULL, // lanacl
        ]
    };
    let mut rows = vec![row(12, "internal", false, false, 2246), row(13, "c", false, false, 2247)];
    rows.extend(Language::ALL.map(|language| match language {
        Language::Sql => row(language.oid(), language.name(), false, true, 2248),
        Language::JavaScript | Language::Python | Language::Wasm => row(language.oid(), language.name(), true, true, 0),
    }));
    rows
}
