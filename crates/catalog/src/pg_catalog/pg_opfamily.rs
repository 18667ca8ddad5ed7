//! `pg_opfamily`: the families of `pg_opclass`.

use types::Type;

use super::pg_am::BTREE;
use crate::SystemTable;
use crate::builtin::{PG_CATALOG_OID, SUPERUSER_OID};
use crate::row::*;

pub const TABLE: SystemTable = SystemTable {
    oid: 2753,
    schema: "pg_catalog",
    name: "pg_opfamily",
    columns: &[
        ("oid", Type::Oid),
        ("opfmethod", Type::Oid),
        ("opfname", Type::Name),
        ("opfnamespace", Type::Oid),
        ("opfowner", Type::Oid),
    ],
    rows: |_| {
        let row = |(family, name): &(u32, &str)| vec![oid(*family), oid(BTREE), text(*name), oid(PG_CATALOG_OID), oid(SUPERUSER_OID)];
        FAMILIES.iter().map(row).collect()
    },
    finders: &[],
};

/// Source: PostgreSQL 15's `pg_opfamily`.
const FAMILIES: &[(u32, &str)] = &[
    (397, "array_ops"),
    (424, "bool_ops"),
    (426, "bpchar_ops"),
    (428, "bytea_ops"),
    (429, "char_ops"),
    (434, "datetime_ops"),
    (1970, "float_ops"),
    (1976, "integer_ops"),
    (1982, "interval_ops"),
    (1988, "numeric_ops"),
    (1989, "oid_ops"),
    (1994, "text_ops"),
    (1996, "time_ops"),
    (2968, "uuid_ops"),
    (2994, "record_ops"),
    (4033, "jsonb_ops"),
];
