//! `pg_tablespace`: everything is in `pg_default`.

use types::Type;

use crate::SystemTable;
use crate::builtin::SUPERUSER_OID;
use crate::row::*;

pub const TABLE: SystemTable = SystemTable {
    oid: 1213,
    schema: "pg_catalog",
    name: "pg_tablespace",
    columns: &[
        ("oid", Type::Oid),
        ("spcname", Type::Name),
        ("spcowner", Type::Oid),
        ("spcacl", TEXT_ARRAY),
        ("spcoptions", TEXT_ARRAY),
    ],
    rows: |_| {
        let row = |space: u32, name: &str| vec![oid(space), text(name), oid(SUPERUSER_OID), NULL, NULL];
        vec![row(DEFAULT, "pg_default"), row(1664, "pg_global")]
    },
    finders: &[],
};

pub(crate) const DEFAULT: u32 = 1663;
