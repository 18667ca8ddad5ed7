//! `pg_collation`: text is ordered by its bytes, under every name.

use types::Type;

use crate::builtin::{PG_CATALOG_OID, SUPERUSER_OID};
use crate::row::*;
use crate::{Row, SystemTable};

pub const TABLE: SystemTable = SystemTable {
    oid: 3456,
    schema: "pg_catalog",
    name: "pg_collation",
    columns: &[
        ("oid", Type::Oid),
        ("collname", Type::Name),
        ("collnamespace", Type::Oid),
        ("collowner", Type::Oid),
        ("collprovider", Type::Char),
        ("collisdeterministic", Type::Bool),
        ("collencoding", Type::Int4),
        ("collcollate", Type::Text),
        ("collctype", Type::Text),
        ("colliculocale", Type::Text),
        ("collversion", Type::Text),
    ],
    rows: |_| {
        vec![
            row(DEFAULT, "default", 'd', None),
            row(950, "C", 'c', Some("C")),
            row(951, "POSIX", 'c', Some("POSIX")),
        ]
    },
    finders: &[],
};

pub(crate) const DEFAULT: u32 = 100;

fn row(collation: u32, name: &str, provider: char, locale: Option<&str>) -> Row {
    vec![
        oid(collation),
        text(name),
        oid(PG_CATALOG_OID),
        oid(SUPERUSER_OID),
        letter(provider),
        boolean(true), // collisdeterministic
        int4(-1),      // collencoding: any
        opt_text(locale),
        opt_text(locale),
        NULL, // colliculocale
        NULL, // collversion
    ]
}
