//! `pg_attribute`: columns of tables, views and indexes.

use types::{Datum, NO_TYPMOD, Type};

use super::pg_class::oid_of;
use super::pg_type::layout;
use crate::row::*;
use crate::{Column, Finder, Generated, Index, IndexTarget, Relation, Row, SystemContext, SystemTable, Table, TableKind};

pub const TABLE: SystemTable = SystemTable {
    oid: 1249,
    schema: "pg_catalog",
    name: "pg_attribute",
    columns: &[
        ("attrelid", Type::Oid),
        ("attname", Type::Name),
        ("atttypid", Type::Oid),
        ("attstattarget", Type::Int4),
        ("attlen", Type::Int2),
        ("attnum", Type::Int2),
        ("attndims", Type::Int4),
        ("attcacheoff", Type::Int4),
        ("atttypmod", Type::Int4),
        ("attbyval", Type::Bool),
        ("attalign", Type::Char),
        ("attstorage", Type::Char),
        ("attcompression", Type::Char),
        ("attnotnull", Type::Bool),
        ("atthasdef", Type::Bool),
        ("atthasmissing", Type::Bool),
        ("attidentity", Type::Char),
        ("attgenerated", Type::Char),
        ("attisdropped", Type::Bool),
        ("attislocal", Type::Bool),
        ("attinhcount", Type::Int4),
        ("attcollation", Type::Oid),
        ("attacl", TEXT_ARRAY),
        ("attoptions", TEXT_ARRAY),
        ("attfdwoptions", TEXT_ARRAY),
        ("attmissingval", Type::Text),
    ],
    rows,
    finders: &[Finder {
        column: "attrelid",
        rows: by_relation,
    }],
};

fn rows(context: &SystemContext) -> Vec<Row> {
    let mut rows = vec![];
    for table in context.snapshot.tables() {
        table_columns(table, &mut rows);
        table.all_indexes().iter().for_each(|index| index_columns(table, index, &mut rows));
    }
    rows
}

fn by_relation(context: &SystemContext, value: &Datum) -> Vec<Row> {
    let mut rows = vec![];
    match oid_of(value).and_then(|oid| context.snapshot.relation_by_oid(oid)) {
        Some(Relation::Table(table)) => table_columns(&table, &mut rows),
        Some(Relation::Index(table, oid)) => {
            table
                .all_indexes()
                .iter()
                .filter(|index| index.oid == oid)
                .for_each(|index| index_columns(&table, index, &mut rows));
        }
        None => {}
    }
    rows
}

fn table_columns(table: &Table, rows: &mut Vec<Row>) {
    if let TableKind::Sequence(_) = table.kind {
        let columns = [("last_value", Type::Int8), ("log_cnt", Type::Int8), ("is_called", Type::Bool)];
        rows.extend(columns.into_iter().zip(1..).map(|((name, ty), attnum)| {
            let column = Column {
                not_null: true,
                ..Column::new(name, ty, attnum)
            };
            column_row(table.oid, &column, attnum)
        }));
        return;
    }
    rows.extend(table.columns.iter().map(|column| column_row(table.oid, column, column.attnum)));
}

/// An index's columns have the names and types of what they index.
fn index_columns(table: &Table, index: &Index, rows: &mut Vec<Row>) {
    let include = index.include.iter().map(|column| IndexTarget::Column(*column));
    let targets = index.keys.iter().map(|key| key.target.clone()).chain(include);
    for (target, attnum) in targets.zip(1..) {
        let column = match target {
            IndexTarget::Column(column) => {
                let Some(column) = table.columns.get(column) else { continue };
                Column {
                    typmod: column.typmod,
                    ..Column::new(&column.name, column.ty, attnum)
                }
            }
            IndexTarget::Expression(_, ty) => Column::new("expr", ty, attnum),
        };
        rows.push(column_row(index.oid, &column, attnum));
    }
}

fn column_row(relation: u32, column: &Column, attnum: i16) -> Row {
    let layout = layout(column.ty);
    let (identity, generated) = match &column.generated {
        None => ("", ""),
        Some(Generated::Identity { always: true, .. }) => ("a", ""),
        Some(Generated::Identity { always: false, .. }) => ("d", ""),
        Some(Generated::Stored(_)) => ("", "s"),
    };
    let has_default = column.default.is_some() || generated == "s";
    let live = !column.dropped;
    let vector = types::vector_oid(column.ty, column.typmod);
    vec![
        oid(relation),
        text(if live {
            column.name.clone()
        } else {
            format!("........pg.dropped.{attnum}........")
        }),
        oid(if live { vector.unwrap_or(column.ty.oid()) } else { 0 }),
        int4(-1), // attstattarget
        int2(layout.length),
        int2(attnum),
        int4(if live && column.ty.element().is_some() { 1 } else { 0 }),
        int4(-1), // attcacheoff
        int4(if live && vector.is_none() { column.typmod } else { NO_TYPMOD }),
        boolean(layout.by_value),
        letter(layout.align),
        letter(layout.storage),
        text(""), // attcompression
        boolean(live && column.not_null),
        boolean(live && has_default),
        boolean(false), // atthasmissing
        text(identity),
        text(generated),
        boolean(!live),
        boolean(true), // attislocal
        int4(0),       // attinhcount
        oid(if live { layout.collation } else { 0 }),
        NULL, // attacl
        NULL, // attoptions
        NULL, // attfdwoptions
        NULL, // attmissingval
    ]
}
