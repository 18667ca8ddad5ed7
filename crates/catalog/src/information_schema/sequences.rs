//! `information_schema.sequences`: but those of identity columns, which are part of their tables.

use types::Type;

use super::access::{data_type, lengths, sees_by};
use crate::row::*;
use crate::{Generated, Privilege, Row, SystemContext, SystemTable, Table};

pub const TABLE: SystemTable = SystemTable {
    oid: 13386,
    schema: "information_schema",
    name: "sequences",
    columns: &[
        ("sequence_catalog", Type::Name),
        ("sequence_schema", Type::Name),
        ("sequence_name", Type::Name),
        ("data_type", Type::Varchar),
        ("numeric_precision", Type::Int4),
        ("numeric_precision_radix", Type::Int4),
        ("numeric_scale", Type::Int4),
        ("start_value", Type::Varchar),
        ("minimum_value", Type::Varchar),
        ("maximum_value", Type::Varchar),
        ("increment", Type::Varchar),
        ("cycle_option", Type::Varchar),
    ],
    rows: |context| context.snapshot.user_tables().filter_map(|table| row(context, table)).collect(),
    finders: &[],
};

fn row(context: &SystemContext, table: &Table) -> Option<Row> {
    let sequence = table.sequence()?;
    let owner = sequence
        .owned_by
        .and_then(|(owner, attnum)| context.snapshot.table_by_oid(owner)?.columns.get(usize::try_from(attnum - 1).ok()?));
    let internal = owner.is_some_and(|column| matches!(column.generated, Some(Generated::Identity { .. })));
    if internal || !sees_by(context, table, &[Privilege::Select, Privilege::Update, Privilege::Usage]) {
        return None;
    }
    let lengths = lengths(sequence.ty, -1);
    Some(vec![
        text(context.database),
        text(&table.schema),
        text(&table.name),
        data_type(sequence.ty),
        lengths.precision,
        lengths.radix,
        lengths.scale,
        text(sequence.start.to_string()),
        text(sequence.min.to_string()),
        text(sequence.max.to_string()),
        text(sequence.increment.to_string()),
        yes(sequence.cycle),
    ])
}
