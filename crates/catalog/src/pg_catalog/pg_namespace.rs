//! `pg_namespace`: schemas.

use types::{Datum, Type};

use super::pg_class::oid_of;
use crate::row::*;
use crate::{Finder, Row, Schema, SystemContext, SystemTable};

pub const TABLE: SystemTable = SystemTable {
    oid: 2615,
    schema: "pg_catalog",
    name: "pg_namespace",
    columns: &[
        ("oid", Type::Oid),
        ("nspname", Type::Name),
        ("nspowner", Type::Oid),
        ("nspacl", TEXT_ARRAY),
    ],
    rows: |context| context.snapshot.schemas().map(|schema| row(context, schema)).collect(),
    finders: &[
        Finder {
            column: "oid",
            rows: by_oid,
        },
        Finder {
            column: "nspname",
            rows: by_name,
        },
    ],
};

fn by_oid(context: &SystemContext, value: &Datum) -> Vec<Row> {
    let schema = oid_of(value).and_then(|oid| context.snapshot.schema_by_oid(oid));
    schema.map(|schema| row(context, schema)).into_iter().collect()
}

fn by_name(context: &SystemContext, value: &Datum) -> Vec<Row> {
    let schema = value.as_str().and_then(|name| context.snapshot.schema(name));
    schema.map(|schema| row(context, schema)).into_iter().collect()
}

fn row(context: &SystemContext, schema: &Schema) -> Row {
    vec![
        oid(schema.oid),
        text(&schema.name),
        oid(schema.owner),
        acl(context.snapshot, schema.acl.as_ref()),
    ]
}
