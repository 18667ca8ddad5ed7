//! `pg_sequence`: the parameters of sequences.

use types::{Datum, Type};

use super::pg_class::oid_of;
use crate::row::*;
use crate::{Finder, Row, SystemContext, SystemTable, Table};

pub const TABLE: SystemTable = SystemTable {
    oid: 2224,
    schema: "pg_catalog",
    name: "pg_sequence",
    columns: &[
        ("seqrelid", Type::Oid),
        ("seqtypid", Type::Oid),
        ("seqstart", Type::Int8),
        ("seqincrement", Type::Int8),
        ("seqmax", Type::Int8),
        ("seqmin", Type::Int8),
        ("seqcache", Type::Int8),
        ("seqcycle", Type::Bool),
    ],
    rows: |context| context.snapshot.user_tables().filter_map(|table| row(table)).collect(),
    finders: &[Finder {
        column: "seqrelid",
        rows: by_oid,
    }],
};

fn by_oid(context: &SystemContext, value: &Datum) -> Vec<Row> {
    oid_of(value)
        .and_then(|oid| context.snapshot.table_by_oid(oid))
        .and_then(|table| row(table))
        .into_iter()
        .collect()
}

fn row(table: &Table) -> Option<Row> {
    let sequence = table.sequence()?;
    Some(vec![
        oid(table.oid),
        oid(sequence.ty.oid()),
        int8(sequence.start),
        int8(sequence.increment),
        int8(sequence.max),
        int8(sequence.min),
        int8(sequence.cache),
        boolean(sequence.cycle),
    ])
}
