//! `pg_sequences`: sequences with their last values.

use types::Type;

use crate::row::*;
use crate::{Privilege, Row, SystemContext, SystemTable, Table};

pub const TABLE: SystemTable = SystemTable {
    oid: 12048,
    schema: "pg_catalog",
    name: "pg_sequences",
    columns: &[
        ("schemaname", Type::Name),
        ("sequencename", Type::Name),
        ("sequenceowner", Type::Name),
        ("data_type", Type::Regtype),
        ("start_value", Type::Int8),
        ("min_value", Type::Int8),
        ("max_value", Type::Int8),
        ("increment_by", Type::Int8),
        ("cycle", Type::Bool),
        ("cache_size", Type::Int8),
        ("last_value", Type::Int8),
    ],
    rows: |context| context.snapshot.user_tables().filter_map(|table| row(context, table)).collect(),
    finders: &[],
};

fn row(context: &SystemContext, table: &Table) -> Option<Row> {
    let sequence = table.sequence()?;
    let readable = [Privilege::Select, Privilege::Usage]
        .into_iter()
        .any(|privilege| context.snapshot.has_table_privilege(context.current_user, table, privilege));
    let last = if readable { context.live.sequence_last_value(table) } else { None };
    Some(vec![
        text(&table.schema),
        text(&table.name),
        text(role_name(context.snapshot, table.owner)),
        oid(sequence.ty.oid()),
        int8(sequence.start),
        int8(sequence.min),
        int8(sequence.max),
        int8(sequence.increment),
        boolean(sequence.cycle),
        int8(sequence.cache),
        last.map_or(NULL, int8),
    ])
}
