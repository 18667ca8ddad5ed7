//! `pg_opclass`: how the types that indexes can hold are ordered.

use types::Type;

use super::pg_am::BTREE;
use crate::SystemTable;
use crate::builtin::{PG_CATALOG_OID, SUPERUSER_OID};
use crate::row::*;

pub const TABLE: SystemTable = SystemTable {
    oid: 2616,
    schema: "pg_catalog",
    name: "pg_opclass",
    columns: &[
        ("oid", Type::Oid),
        ("opcmethod", Type::Oid),
        ("opcname", Type::Name),
        ("opcnamespace", Type::Oid),
        ("opcowner", Type::Oid),
        ("opcfamily", Type::Oid),
        ("opcintype", Type::Oid),
        ("opcdefault", Type::Bool),
        ("opckeytype", Type::Oid),
    ],
    rows: |_| {
        let row = |class: &OperatorClass| {
            vec![
                oid(class.oid),
                oid(BTREE),
                text(class.name),
                oid(PG_CATALOG_OID),
                oid(SUPERUSER_OID),
                oid(class.family),
                oid(class.ty.oid()),
                boolean(true), // opcdefault
                oid(0),        // opckeytype
            ]
        };
        CLASSES.iter().map(row).collect()
    },
    finders: &[],
};

pub(super) struct OperatorClass {
    oid: u32,
    name: &'static str,
    pub family: u32,
    ty: Type,
}

const fn class(oid: u32, name: &'static str, family: u32, ty: Type) -> OperatorClass {
    OperatorClass { oid, name, family, ty }
}

/// Source: PostgreSQL 15's `pg_opclass`, the default ones of btree.
pub(super) const CLASSES: &[OperatorClass] = &[
    class(10003, "bool_ops", 424, Type::Bool),
    class(10006, "bytea_ops", 428, Type::Bytea),
    class(10007, "char_ops", 429, Type::Char),
    class(10028, "name_ops", 1994, Type::Name),
    class(3124, "int8_ops", 1976, Type::Int8),
    class(1979, "int2_ops", 1976, Type::Int2),
    class(1978, "int4_ops", 1976, Type::Int4),
    class(3126, "text_ops", 1994, Type::Text),
    class(1981, "oid_ops", 1989, Type::Oid),
    class(10012, "float4_ops", 1970, Type::Float4),
    class(3123, "float8_ops", 1970, Type::Float8),
    class(10004, "bpchar_ops", 426, Type::Bpchar),
    class(3122, "date_ops", 434, Type::Date),
    class(10038, "time_ops", 1996, Type::Time),
    class(3128, "timestamp_ops", 434, Type::Timestamp),
    class(3127, "timestamptz_ops", 434, Type::Timestamptz),
    class(10022, "interval_ops", 1982, Type::Interval),
    class(3125, "numeric_ops", 1988, Type::Numeric),
    class(10034, "record_ops", 2994, Type::Record),
    class(10000, "array_ops", 397, Type::AnyArray),
    class(10065, "uuid_ops", 2968, Type::Uuid),
    class(10088, "jsonb_ops", 4033, Type::Jsonb),
];

/// The class that an index over a type uses; 0 where the type has no order.
pub(super) fn default_for(ty: Type) -> u32 {
    let ty = match ty {
        Type::Varchar => Type::Text,
        Type::Array(_) => Type::AnyArray,
        Type::Regclass | Type::Regtype | Type::Regproc | Type::Regnamespace | Type::Regrole => Type::Oid,
        other => other,
    };
    CLASSES.iter().find(|class| class.ty == ty).map_or(0, |class| class.oid)
}
