//! `heliosdb.function_stats`: what users' functions have used since the server started. A call is one statement's use of a
//! function, however many rows it served, as in the audit log.

use types::{Datum, Type};

use crate::row::*;
use crate::{Finder, Function, Row, SystemContext, SystemTable, describe};

pub const TABLE: SystemTable = SystemTable {
    oid: 9105,
    schema: "heliosdb",
    name: "function_stats",
    columns: &[
        ("function_oid", Type::Oid),
        ("schema_name", Type::Name),
        ("function_name", Type::Name),
        ("arguments", Type::Text),
        ("calls", Type::Int8),
        ("failures", Type::Int8),
        ("limits_hit", Type::Int8),
        ("total_duration_us", Type::Int8),
        ("max_duration_us", Type::Int8),
        ("total_fuel", Type::Int8),
        ("max_memory_bytes", Type::Int8),
        ("last_call", Type::Timestamptz),
    ],
    rows: |context| context.snapshot.functions().map(|function| row(context, function)).collect(),
    finders: &[Finder {
        column: "function_name",
        rows: by_name,
    }],
};

fn by_name(context: &SystemContext, value: &Datum) -> Vec<Row> {
    super::functions_named(context, value)
        .iter()
        .map(|function| row(context, function))
        .collect()
}

fn row(context: &SystemContext, function: &Function) -> Row {
    let stats = context.live.function_stats(function.oid);
    let count = |value: u64| int8(i64::try_from(value).unwrap_or(i64::MAX));
    vec![
        oid(function.oid),
        text(&function.schema),
        text(&function.name),
        text(describe::arguments(function, false)),
        count(stats.calls),
        count(stats.failures),
        count(stats.limits_hit),
        count(stats.total_duration_us),
        count(stats.max_duration_us),
        count(stats.total_fuel),
        count(stats.max_memory_bytes),
        stats.last_call.map_or(NULL, Datum::Timestamptz),
    ]
}
