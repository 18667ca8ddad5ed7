//! Sizes and statistics, as far as the engine knows them.

use types::{Datum, Result};

use super::{Answer, oid};
use crate::{Relation, SystemContext};

pub(super) const ANSWERS: &[(&str, Answer)] = &[
    ("pg_relation_size", |context, args| relation("pg_relation_size", context, args)),
    ("pg_table_size", |context, args| relation("pg_table_size", context, args)),
    ("pg_total_relation_size", |context, args| {
        relation("pg_total_relation_size", context, args)
    }),
    // Unique indexes are their tables' keys.
    ("pg_indexes_size", |_, _| Ok(Datum::Int8(0))),
    ("pg_database_size", |context, _| Ok(total(context))),
    ("pg_tablespace_size", |context, _| Ok(total(context))),
    ("pg_relation_filenode", |context, args| filenode(context, args)),
    ("pg_relation_filepath", |_, _| Ok(Datum::Null)),
    ("pg_stat_get_numscans", zero),
    ("pg_stat_get_live_tuples", zero),
    ("pg_stat_get_dead_tuples", zero),
];

fn zero(_: &SystemContext, _: &[Datum]) -> Result<Datum> {
    Ok(Datum::Int8(0))
}

fn relation(name: &str, context: &SystemContext, args: &[Datum]) -> Result<Datum> {
    Ok(match context.snapshot.relation_by_oid(oid(name, args, 0)?) {
        Some(Relation::Table(table)) => Datum::Int8(context.live.table_size(&table)),
        Some(Relation::Index(..)) => Datum::Int8(0),
        None => Datum::Null,
    })
}

fn total(context: &SystemContext) -> Datum {
    Datum::Int8(
        context
            .snapshot
            .user_tables()
            .fold(0i64, |sum, table| sum.saturating_add(context.live.table_size(table))),
    )
}

fn filenode(context: &SystemContext, args: &[Datum]) -> Result<Datum> {
    let wanted = oid("pg_relation_filenode", args, 0)?;
    Ok(match context.snapshot.relation_by_oid(wanted) {
        Some(Relation::Table(table)) if table.relkind() == 'v' => Datum::Null,
        Some(Relation::Table(_) | Relation::Index(..)) => Datum::Oid(wanted),
        None => Datum::Null,
    })
}
