//! `pg_stat_user_tables`: users' tables. Nothing is counted yet, and the counts say so by being 0.

use types::Type;

use crate::row::*;
use crate::{Row, SystemContext, SystemTable};

pub const TABLE: SystemTable = SystemTable {
    oid: 12161,
    schema: "pg_catalog",
    name: "pg_stat_user_tables",
    columns: &[
        ("relid", Type::Oid),
        ("schemaname", Type::Name),
        ("relname", Type::Name),
        ("seq_scan", Type::Int8),
        ("seq_tup_read", Type::Int8),
        ("idx_scan", Type::Int8),
        ("idx_tup_fetch", Type::Int8),
        ("n_tup_ins", Type::Int8),
        ("n_tup_upd", Type::Int8),
        ("n_tup_del", Type::Int8),
        ("n_tup_hot_upd", Type::Int8),
        ("n_live_tup", Type::Int8),
        ("n_dead_tup", Type::Int8),
        ("n_mod_since_analyze", Type::Int8),
        ("n_ins_since_vacuum", Type::Int8),
        ("last_vacuum", Type::Timestamptz),
        ("last_autovacuum", Type::Timestamptz),
        ("last_analyze", Type::Timestamptz),
        ("last_autoanalyze", Type::Timestamptz),
        ("vacuum_count", Type::Int8),
        ("autovacuum_count", Type::Int8),
        ("analyze_count", Type::Int8),
        ("autoanalyze_count", Type::Int8),
    ],
    rows,
    finders: &[],
};

fn rows(context: &SystemContext) -> Vec<Row> {
    let tables = context.snapshot.user_tables().filter(|table| table.is_table());
    tables
        .map(|table| {
            let mut row = vec![oid(table.oid), text(&table.schema), text(&table.name)];
            row.extend((0..12).map(|_| int8(0)));
            row.extend((0..4).map(|_| NULL)); // last vacuum and analyze times
            row.extend((0..4).map(|_| int8(0)));
            row
        })
        .collect()
}
