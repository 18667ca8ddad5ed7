//! `pg_index`: the part of an index that is not in `pg_class`.

use types::{Datum, Type};

use super::pg_class::oid_of;
use super::{pg_opclass, pg_type};
use crate::row::*;
use crate::{Finder, Index, IndexKey, IndexTarget, Relation, Row, SystemContext, SystemTable, Table};

pub const TABLE: SystemTable = SystemTable {
    oid: 2610,
    schema: "pg_catalog",
    name: "pg_index",
    columns: &[
        ("indexrelid", Type::Oid),
        ("indrelid", Type::Oid),
        ("indnatts", Type::Int2),
        ("indnkeyatts", Type::Int2),
        ("indisunique", Type::Bool),
        ("indnullsnotdistinct", Type::Bool),
        ("indisprimary", Type::Bool),
        ("indisexclusion", Type::Bool),
        ("indimmediate", Type::Bool),
        ("indisclustered", Type::Bool),
        ("indisvalid", Type::Bool),
        ("indcheckxmin", Type::Bool),
        ("indisready", Type::Bool),
        ("indislive", Type::Bool),
        ("indisreplident", Type::Bool),
        ("indkey", INT2_ARRAY),
        ("indcollation", OID_ARRAY),
        ("indclass", OID_ARRAY),
        ("indoption", INT2_ARRAY),
        ("indexprs", Type::Text),
        ("indpred", Type::Text),
    ],
    rows,
    finders: &[
        Finder {
            column: "indrelid",
            rows: by_table,
        },
        Finder {
            column: "indexrelid",
            rows: by_index,
        },
    ],
};

fn rows(context: &SystemContext) -> Vec<Row> {
    context.snapshot.user_tables().flat_map(|table| of_table(table)).collect()
}

fn by_table(context: &SystemContext, value: &Datum) -> Vec<Row> {
    oid_of(value)
        .and_then(|oid| context.snapshot.table_by_oid(oid))
        .map(|table| of_table(table))
        .unwrap_or_default()
}

fn by_index(context: &SystemContext, value: &Datum) -> Vec<Row> {
    match oid_of(value).and_then(|oid| context.snapshot.relation_by_oid(oid)) {
        Some(Relation::Index(table, oid)) => table
            .all_indexes()
            .iter()
            .filter(|index| index.oid == oid)
            .map(|index| row(&table, index))
            .collect(),
        Some(Relation::Table(_)) | None => vec![],
    }
}

fn of_table(table: &Table) -> Vec<Row> {
    table.all_indexes().iter().map(|index| row(table, index)).collect()
}

fn row(table: &Table, index: &Index) -> Row {
    let is_primary = table.primary_key.as_ref().is_some_and(|key| key.index_oid == index.oid);
    let target_type = |target: &IndexTarget| match target {
        IndexTarget::Column(column) => table.columns.get(*column).map_or(Type::Unknown, |column| column.ty),
        IndexTarget::Expression(_, ty) => *ty,
    };
    // 0 stands for an expression.
    let number = |target: &IndexTarget| match target {
        IndexTarget::Column(column) => attnum(*column),
        IndexTarget::Expression(..) => 0,
    };
    let key_types: Vec<Type> = index.keys.iter().map(|key| target_type(&key.target)).collect();
    let numbers = index
        .keys
        .iter()
        .map(|key| number(&key.target))
        .chain(index.include.iter().map(|column| attnum(*column)));
    let expressions: Vec<&str> = index
        .keys
        .iter()
        .filter_map(|key| match &key.target {
            IndexTarget::Column(_) => None,
            IndexTarget::Expression(sql, _) => Some(sql.as_str()),
        })
        .collect();
    vec![
        oid(index.oid),
        oid(table.oid),
        count(index.keys.len() + index.include.len()),
        count(index.keys.len()),
        boolean(index.unique),
        boolean(index.nulls_not_distinct),
        boolean(is_primary),
        boolean(false), // indisexclusion
        boolean(true),  // indimmediate
        boolean(false), // indisclustered
        boolean(true),  // indisvalid
        boolean(false), // indcheckxmin
        boolean(true),  // indisready
        boolean(true),  // indislive
        boolean(false), // indisreplident
        vector(Type::Int2, numbers.map(int2)),
        vector(Type::Oid, key_types.iter().map(|ty| oid(pg_type::layout(*ty).collation))),
        vector(Type::Oid, key_types.iter().map(|ty| oid(pg_opclass::default_for(*ty)))),
        vector(Type::Int2, index.keys.iter().map(|key| int2(options(key)))),
        if expressions.is_empty() {
            NULL
        } else {
            text(expressions.join(", "))
        },
        opt_text(index.predicate.clone()),
    ]
}

/// `indoption`: 1 descending, 2 nulls first.
fn options(key: &IndexKey) -> i16 {
    i16::from(key.descending) | (i16::from(key.nulls_first) << 1)
}
