//! `pg_description`: comments on everything but roles and databases.

use types::{Datum, Type};

use super::pg_class::oid_of;
use super::{pg_class, pg_constraint, pg_namespace, pg_proc};
use crate::row::*;
use crate::{Finder, Function, Relation, Row, SystemContext, SystemTable, Table};

pub const TABLE: SystemTable = SystemTable {
    oid: 2609,
    schema: "pg_catalog",
    name: "pg_description",
    columns: &[
        ("objoid", Type::Oid),
        ("classoid", Type::Oid),
        ("objsubid", Type::Int4),
        ("description", Type::Text),
    ],
    rows,
    finders: &[Finder {
        column: "objoid",
        rows: by_object,
    }],
};

fn rows(context: &SystemContext) -> Vec<Row> {
    let schemas = context
        .snapshot
        .schemas()
        .filter_map(|schema| comment(schema.oid, pg_namespace::TABLE.oid, 0, schema.comment.as_ref()));
    let tables = context.snapshot.user_tables().flat_map(|table| of_table(table));
    let functions = context.snapshot.functions().filter_map(|function| of_function(function));
    schemas.chain(tables).chain(functions).collect()
}

fn by_object(context: &SystemContext, value: &Datum) -> Vec<Row> {
    let Some(wanted) = oid_of(value) else { return vec![] };
    match context.snapshot.relation_by_oid(wanted) {
        Some(Relation::Table(table)) => return of_table(&table),
        Some(Relation::Index(table, _)) => return of_table(&table).into_iter().filter(|row| oid_of(&row[0]) == Some(wanted)).collect(),
        None => {}
    }
    if let Some(function) = context.snapshot.function_by_oid(wanted) {
        return of_function(function).into_iter().collect();
    }
    // Schemas and constraints: few enough to look through.
    rows(context).into_iter().filter(|row| oid_of(&row[0]) == Some(wanted)).collect()
}

fn comment(object: u32, class: u32, column: i16, comment: Option<&String>) -> Option<Row> {
    comment.map(|comment| vec![oid(object), oid(class), int4(i32::from(column)), text(comment)])
}

fn of_table(table: &Table) -> Vec<Row> {
    let own = comment(table.oid, pg_class::TABLE.oid, 0, table.comment.as_ref());
    let columns = table
        .live_columns()
        .filter_map(|(_, column)| comment(table.oid, pg_class::TABLE.oid, column.attnum, column.comment.as_ref()));
    let indexes = table
        .indexes
        .iter()
        .filter_map(|index| comment(index.oid, pg_class::TABLE.oid, 0, index.comment.as_ref()));
    let constraints = table.constraints.iter();
    let constraints =
        constraints.filter_map(|constraint| comment(constraint.oid, pg_constraint::TABLE.oid, 0, constraint.comment.as_ref()));
    own.into_iter().chain(columns).chain(indexes).chain(constraints).collect()
}

/// A function without a comment is described by its PURPOSE.
fn of_function(function: &Function) -> Option<Row> {
    comment(
        function.oid,
        pg_proc::TABLE.oid,
        0,
        function.comment.as_ref().or(function.purpose.as_ref()),
    )
}
