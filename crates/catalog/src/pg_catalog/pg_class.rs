//! `pg_class`: tables, indexes, views, sequences.

use types::{Datum, Type};

use crate::row::*;
use crate::{ConstraintKind, Finder, Index, Relation, Row, SystemContext, SystemTable, Table, TableKind};

pub const TABLE: SystemTable = SystemTable {
    oid: 1259,
    schema: "pg_catalog",
    name: "pg_class",
    columns: &[
        ("oid", Type::Oid),
        ("relname", Type::Name),
        ("relnamespace", Type::Oid),
        ("reltype", Type::Oid),
        ("reloftype", Type::Oid),
        ("relowner", Type::Oid),
        ("relam", Type::Oid),
        ("relfilenode", Type::Oid),
        ("reltablespace", Type::Oid),
        ("relpages", Type::Int4),
        ("reltuples", Type::Float4),
        ("relallvisible", Type::Int4),
        ("reltoastrelid", Type::Oid),
        ("relhasindex", Type::Bool),
        ("relisshared", Type::Bool),
        ("relpersistence", Type::Char),
        ("relkind", Type::Char),
        ("relnatts", Type::Int2),
        ("relchecks", Type::Int2),
        ("relhasrules", Type::Bool),
        ("relhastriggers", Type::Bool),
        ("relhassubclass", Type::Bool),
        ("relrowsecurity", Type::Bool),
        ("relforcerowsecurity", Type::Bool),
        ("relispopulated", Type::Bool),
        ("relreplident", Type::Char),
        ("relispartition", Type::Bool),
        ("relrewrite", Type::Oid),
        ("relfrozenxid", Type::Oid),
        ("relminmxid", Type::Oid),
        ("relacl", TEXT_ARRAY),
        ("reloptions", TEXT_ARRAY),
        ("relpartbound", Type::Text),
    ],
    rows,
    finders: &[
        Finder {
            column: "oid",
            rows: by_oid,
        },
        Finder {
            column: "relname",
            rows: by_name,
        },
    ],
};

fn rows(context: &SystemContext) -> Vec<Row> {
    context
        .snapshot
        .tables()
        .flat_map(|table| table_and_indexes(context, table))
        .collect()
}

fn by_oid(context: &SystemContext, value: &Datum) -> Vec<Row> {
    let Some(relation) = oid_of(value).and_then(|oid| context.snapshot.relation_by_oid(oid)) else {
        return vec![];
    };
    relation_row(context, &relation).into_iter().collect()
}

fn by_name(context: &SystemContext, value: &Datum) -> Vec<Row> {
    let Some(name) = value.as_str() else { return vec![] };
    let schemas = context.snapshot.schemas();
    let relations = schemas.filter_map(|schema| context.snapshot.relation(&schema.name, name));
    relations.filter_map(|relation| relation_row(context, &relation)).collect()
}

fn relation_row(context: &SystemContext, relation: &Relation) -> Option<Row> {
    match relation {
        Relation::Table(table) => Some(table_row(context, table)),
        Relation::Index(table, oid) => table
            .all_indexes()
            .iter()
            .find(|index| index.oid == *oid)
            .map(|index| index_row(context, table, index)),
    }
}

fn table_and_indexes(context: &SystemContext, table: &Table) -> Vec<Row> {
    let mut rows = vec![table_row(context, table)];
    rows.extend(table.all_indexes().iter().map(|index| index_row(context, table, index)));
    rows
}

fn table_row(context: &SystemContext, table: &Table) -> Row {
    let relkind = table.relkind();
    let is_user_table = table.is_table();
    let checks = table
        .constraints
        .iter()
        .filter(|constraint| matches!(constraint.kind, ConstraintKind::Check { .. }))
        .count();
    let foreign_keys = table
        .constraints
        .iter()
        .any(|constraint| matches!(constraint.kind, ConstraintKind::ForeignKey { .. }));
    let columns = match table.kind {
        // last_value, log_cnt, is_called.
        TableKind::Sequence(_) => 3,
        TableKind::Table | TableKind::View { .. } | TableKind::System(_) => table.columns.len(),
    };
    vec![
        oid(table.oid),
        text(&table.name),
        oid(schema_oid(context, &table.schema)),
        oid(0), // reltype: no row types
        oid(0), // reloftype
        oid(table.owner),
        oid(if relkind == 'r' { super::pg_am::HEAP } else { 0 }),
        oid(if relkind == 'v' { 0 } else { table.oid }), // relfilenode
        oid(0),                                          // reltablespace
        int4(0),                                         // relpages
        Datum::Float4(-1.0),                             // reltuples: never analyzed
        int4(0),                                         // relallvisible
        oid(0),                                          // reltoastrelid
        boolean(table.index_names().next().is_some()),
        boolean(false), // relisshared
        letter('p'),
        letter(relkind),
        count(columns),
        count(checks),
        boolean(relkind == 'v'),                                       // relhasrules
        boolean(foreign_keys || context.snapshot.has_triggers(table)), // relhastriggers
        boolean(false),                                                // relhassubclass
        boolean(false),                                                // relrowsecurity
        boolean(false),                                                // relforcerowsecurity
        boolean(true),                                                 // relispopulated
        letter(if is_user_table { 'd' } else { 'n' }),
        boolean(false), // relispartition
        oid(0),         // relrewrite
        oid(0),         // relfrozenxid
        oid(0),         // relminmxid
        acl(context.snapshot, table.acl.as_ref()),
        NULL, // reloptions
        NULL, // relpartbound
    ]
}

fn index_row(context: &SystemContext, table: &Table, index: &Index) -> Row {
    vec![
        oid(index.oid),
        text(&index.name),
        oid(schema_oid(context, &table.schema)),
        oid(0),
        oid(0),
        oid(table.owner),
        oid(super::pg_am::BTREE),
        oid(index.oid),
        oid(0),
        int4(0),
        Datum::Float4(0.0),
        int4(0),
        oid(0),
        boolean(false),
        boolean(false),
        letter('p'),
        letter('i'),
        count(index.keys.len() + index.include.len()),
        int2(0),
        boolean(false),
        boolean(false),
        boolean(false),
        boolean(false),
        boolean(false),
        boolean(true),
        letter('n'),
        boolean(false),
        oid(0),
        oid(0),
        oid(0),
        NULL,
        NULL,
        NULL,
    ]
}

/// 0 where the schema is gone.
pub(super) fn schema_oid(context: &SystemContext, name: &str) -> u32 {
    context.snapshot.schema(name).map_or(0, |schema| schema.oid)
}

pub(super) fn oid_of(value: &Datum) -> Option<u32> {
    value.as_i64().and_then(|oid| u32::try_from(oid).ok())
}
