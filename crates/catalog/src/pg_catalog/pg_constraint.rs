//! `pg_constraint`: primary keys, UNIQUE, CHECK, FOREIGN KEY. NOT NULL is a column's, as in PostgreSQL 15.

use types::{Datum, Type};

use super::pg_class::{oid_of, schema_oid};
use crate::row::*;
use crate::{Constraint, ConstraintKind, Finder, ForeignKeyAction, Key, Row, Snapshot, SystemContext, SystemTable, Table};

pub const TABLE: SystemTable = SystemTable {
    oid: 2606,
    schema: "pg_catalog",
    name: "pg_constraint",
    columns: &[
        ("oid", Type::Oid),
        ("conname", Type::Name),
        ("connamespace", Type::Oid),
        ("contype", Type::Char),
        ("condeferrable", Type::Bool),
        ("condeferred", Type::Bool),
        ("convalidated", Type::Bool),
        ("conrelid", Type::Oid),
        ("contypid", Type::Oid),
        ("conindid", Type::Oid),
        ("conparentid", Type::Oid),
        ("confrelid", Type::Oid),
        ("confupdtype", Type::Char),
        ("confdeltype", Type::Char),
        ("confmatchtype", Type::Char),
        ("conislocal", Type::Bool),
        ("coninhcount", Type::Int4),
        ("connoinherit", Type::Bool),
        ("conkey", INT2_ARRAY),
        ("confkey", INT2_ARRAY),
        ("conpfeqop", OID_ARRAY),
        ("conppeqop", OID_ARRAY),
        ("conffeqop", OID_ARRAY),
        ("confdelsetcols", INT2_ARRAY),
        ("conexclop", OID_ARRAY),
        ("conbin", Type::Text),
    ],
    rows,
    finders: &[Finder {
        column: "conrelid",
        rows: by_table,
    }],
};

fn rows(context: &SystemContext) -> Vec<Row> {
    context.snapshot.user_tables().flat_map(|table| of_table(context, table)).collect()
}

fn by_table(context: &SystemContext, value: &Datum) -> Vec<Row> {
    oid_of(value)
        .and_then(|oid| context.snapshot.table_by_oid(oid))
        .map(|table| of_table(context, table))
        .unwrap_or_default()
}

fn of_table(context: &SystemContext, table: &Table) -> Vec<Row> {
    let key = table.primary_key.iter().map(|key| {
        let parts = Parts {
            oid: key.oid,
            name: &key.name,
            kind: 'p',
            index: key.index_oid,
            columns: &key.columns,
            foreign: None,
            check: None,
        };
        row(context, table, parts)
    });
    key.chain(
        table
            .constraints
            .iter()
            .map(|constraint| row(context, table, parts(context.snapshot, constraint))),
    )
    .collect()
}

struct Parts<'a> {
    oid: u32,
    name: &'a str,
    kind: char,
    /// The index behind it; for a foreign key, the referenced table's.
    index: u32,
    columns: &'a [usize],
    foreign: Option<Foreign<'a>>,
    check: Option<&'a str>,
}

struct Foreign<'a> {
    table: u32,
    columns: &'a [usize],
    on_update: ForeignKeyAction,
    on_delete: ForeignKeyAction,
    match_full: bool,
}

fn parts<'a>(snapshot: &Snapshot, constraint: &'a Constraint) -> Parts<'a> {
    let (kind, index, foreign, check) = match &constraint.kind {
        ConstraintKind::Check { expression } => ('c', 0, None, Some(expression.as_str())),
        ConstraintKind::Unique { index_oid, .. } => ('u', *index_oid, None, None),
        ConstraintKind::ForeignKey {
            table,
            columns,
            on_update,
            on_delete,
            match_full,
        } => {
            let foreign = Foreign {
                table: *table,
                columns,
                on_update: *on_update,
                on_delete: *on_delete,
                match_full: *match_full,
            };
            (
                'f',
                referenced_key(snapshot, *table, columns).map_or(0, |key| key.index_oid),
                Some(foreign),
                None,
            )
        }
    };
    Parts {
        oid: constraint.oid,
        name: &constraint.name,
        kind,
        index,
        columns: &constraint.columns,
        foreign,
        check,
    }
}

/// The primary key or UNIQUE constraint over exactly these columns of a table, in its own order.
pub(crate) fn referenced_key(snapshot: &Snapshot, table: u32, columns: &[usize]) -> Option<Key> {
    let table = snapshot.table_by_oid(table)?;
    let same = |other: &[usize]| other.len() == columns.len() && columns.iter().all(|column| other.contains(column));
    if let Some(key) = table.primary_key.as_ref().filter(|key| same(&key.columns)) {
        return Some(key.clone());
    }
    table
        .constraints
        .iter()
        .filter(|constraint| same(&constraint.columns))
        .find_map(|constraint| match constraint.kind {
            ConstraintKind::Unique { index_oid, .. } => Some(Key {
                oid: constraint.oid,
                index_oid,
                name: constraint.name.clone(),
                columns: constraint.columns.clone(),
            }),
            ConstraintKind::Check { .. } | ConstraintKind::ForeignKey { .. } => None,
        })
}

fn row(context: &SystemContext, table: &Table, parts: Parts) -> Row {
    let numbers = |columns: &[usize]| array(Type::Int2, columns.iter().map(|column| int2(attnum(*column))));
    let foreign = parts.foreign.as_ref();
    let equals = foreign.map_or(NULL, |foreign| equality_operators(context.snapshot, foreign));
    vec![
        oid(parts.oid),
        text(parts.name),
        oid(schema_oid(context, &table.schema)),
        letter(parts.kind),
        boolean(false), // condeferrable
        boolean(false), // condeferred
        boolean(true),  // convalidated
        oid(table.oid),
        oid(0), // contypid
        oid(parts.index),
        oid(0), // conparentid
        oid(foreign.map_or(0, |foreign| foreign.table)),
        letter(foreign.map_or(' ', |foreign| action_letter(foreign.on_update))),
        letter(foreign.map_or(' ', |foreign| action_letter(foreign.on_delete))),
        letter(foreign.map_or(' ', |foreign| if foreign.match_full { 'f' } else { 's' })),
        boolean(true),              // conislocal
        int4(0),                    // coninhcount
        boolean(parts.kind != 'c'), // connoinherit
        if parts.columns.is_empty() { NULL } else { numbers(parts.columns) },
        foreign.map_or(NULL, |foreign| numbers(foreign.columns)),
        equals.clone(),
        equals.clone(),
        equals,
        NULL, // confdelsetcols
        NULL, // conexclop
        opt_text(parts.check),
    ]
}

fn action_letter(action: ForeignKeyAction) -> char {
    match action {
        ForeignKeyAction::NoAction => 'a',
        ForeignKeyAction::Restrict => 'r',
        ForeignKeyAction::Cascade => 'c',
        ForeignKeyAction::SetNull => 'n',
        ForeignKeyAction::SetDefault => 'd',
    }
}

/// The `=` operators of the referenced columns' types, by their OIDs in `pg_operator`; 0 for types that few keys have.
fn equality_operators(snapshot: &Snapshot, foreign: &Foreign) -> Datum {
    let columns = snapshot.table_by_oid(foreign.table).map_or(&[][..], |table| &table.columns);
    let operator = |column: &usize| match columns.get(*column).map(|column| column.ty) {
        Some(Type::Int2) => 94,
        Some(Type::Int4) => 96,
        Some(Type::Int8) => 410,
        Some(Type::Text | Type::Varchar) => 98,
        Some(Type::Bpchar) => 1054,
        Some(Type::Numeric) => 1752,
        Some(Type::Uuid) => 2972,
        Some(Type::Date) => 1093,
        Some(Type::Timestamp) => 2060,
        Some(Type::Timestamptz) => 1320,
        Some(Type::Bool) => 91,
        _ => 0,
    };
    array(Type::Oid, foreign.columns.iter().map(|column| oid(operator(column))))
}
