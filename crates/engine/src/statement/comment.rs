//! `COMMENT ON`.

use std::sync::Arc;

use audit::{Event, EventType};
use catalog::{Change, Function, Schema, Table, TableKind};
use types::{Result, SqlError, SqlState};

use super::{complete, drop_function, must_be_owner, permission_denied};
use crate::bind::Names;
use crate::catalog_lock::Lockable;
use crate::context::StatementContext;
use crate::parse::{Comment, Commented, FunctionName, RelationName, RoutineKind};
use crate::session::Outcome;

pub fn run(context: &Arc<StatementContext>, comment: &Comment) -> Result<Outcome> {
    may_comment(context, comment)?;
    context.lock_catalog()?;
    let context = &context.renewed();
    let text = comment.text.clone();
    match &comment.on {
        Commented::Table(name) => on_relation(context, name, false, text)?,
        Commented::View(name) => on_relation(context, name, true, text)?,
        Commented::Column(name, column) => on_column(context, name, column, text)?,
        Commented::Schema(name) => on_schema(context, name, text)?,
        Commented::Routine(kind, name) => on_routine(context, &routine(context, *kind, name)?, text)?,
        Commented::Other(kind) => return Err(SqlError::unsupported(format!("COMMENT ON {kind}"))),
    }
    Ok(complete("COMMENT"))
}

/// Nobody waits for who may comment on nothing.
fn may_comment(context: &StatementContext, comment: &Comment) -> Result<()> {
    match &comment.on {
        Commented::Table(name) | Commented::View(name) | Commented::Column(name, _) => owned(context, name).map(|_| ()),
        Commented::Schema(name) => schema(context, name).map(|_| ()),
        Commented::Routine(kind, name) => routine(context, *kind, name).map(|_| ()),
        Commented::Other(kind) => Err(SqlError::unsupported(format!("COMMENT ON {kind}"))),
    }
}

fn on_relation(context: &StatementContext, name: &RelationName, view: bool, text: Option<String>) -> Result<()> {
    let table = locked(context, name)?;
    if matches!(table.kind, TableKind::View { .. }) != view {
        let what = if view { "view" } else { "table" };
        return Err(SqlError::new(
            SqlState::WrongObjectType,
            format!("\"{}\" is not a {what}", table.name),
        ));
    }
    let changed = Table {
        comment: text,
        version: table.version + 1,
        ..Table::clone(&table)
    };
    context.change(vec![Change::PutTable(changed)])
}

fn on_column(context: &StatementContext, name: &RelationName, column: &str, text: Option<String>) -> Result<()> {
    let table = locked(context, name)?;
    let mut changed = Table::clone(&table);
    let index = changed.column_index(column).ok_or_else(|| {
        SqlError::new(
            SqlState::UndefinedColumn,
            format!("column \"{column}\" of relation \"{}\" does not exist", table.name),
        )
    })?;
    if let Some(column) = changed.columns.get_mut(index) {
        column.comment = text;
    }
    changed.version += 1;
    context.change(vec![Change::PutTable(changed)])
}

/// A user's relation that the actor owns.
fn owned(context: &StatementContext, (schema, name): &RelationName) -> Result<Arc<Table>> {
    let table = Names {
        snapshot: &context.catalog,
        search_path: &context.search_path,
    }
    .table(schema.as_deref(), name)?;
    if let TableKind::System(_) = table.kind {
        return Err(crate::bind::dml::system_table_error(&table));
    }
    if !context.catalog.owns(context.actor.role, table.owner) {
        return Err(must_be_owner(table.kind.word(), name));
    }
    Ok(table)
}

/// The same, to be changed.
fn locked(context: &StatementContext, name: &RelationName) -> Result<Arc<Table>> {
    let table = owned(context, name)?;
    // A change of its privileges needs no lock of the catalog: one may have happened meanwhile.
    context.lock_object(Lockable::Relation(table.oid))?;
    Ok(context.newest_catalog().table_by_oid(table.oid).cloned().unwrap_or(table))
}

/// A user's schema that the actor owns.
fn schema<'c>(context: &'c StatementContext, name: &str) -> Result<&'c Arc<Schema>> {
    let schema = context
        .catalog
        .schema(name)
        .ok_or_else(|| SqlError::new(SqlState::InvalidSchemaName, format!("schema \"{name}\" does not exist")))?;
    if matches!(name, "pg_catalog" | "information_schema" | "heliosdb") {
        return Err(permission_denied("schema", name).detail("System schemas stay as they are."));
    }
    if !context.catalog.owns(context.actor.role, schema.owner) {
        return Err(must_be_owner("schema", name));
    }
    Ok(schema)
}

/// A routine that the actor owns.
fn routine(context: &StatementContext, kind: RoutineKind, name: &FunctionName) -> Result<Arc<Function>> {
    let function = drop_function::find(context, name, kind)?;
    match context.catalog.owns(context.actor.role, function.owner) {
        true => Ok(function),
        false => Err(must_be_owner(function.kind(), &function.name)),
    }
}

fn on_schema(context: &StatementContext, name: &str, text: Option<String>) -> Result<()> {
    let schema = schema(context, name)?;
    context.lock_object(Lockable::Schema(schema.oid))?;
    let newest = context.newest_catalog();
    let changed = Schema {
        comment: text,
        ..Schema::clone(newest.schema_by_oid(schema.oid).unwrap_or(schema))
    };
    context.change(vec![Change::PutSchema(changed)])
}

fn on_routine(context: &Arc<StatementContext>, function: &Arc<Function>, text: Option<String>) -> Result<()> {
    context.lock_function(function.oid)?;
    // A change of its rights needs no lock of the catalog: one may have happened meanwhile.
    let context = context.renewed();
    let Some(function) = context.catalog.function_by_oid(function.oid) else {
        return Err(SqlError::new(
            SqlState::UndefinedFunction,
            format!("function {} does not exist", function.signature()),
        ));
    };
    if !context.catalog.owns(context.actor.role, function.owner) {
        return Err(must_be_owner(function.kind(), &function.name));
    }
    let changed = Function {
        comment: text,
        version: function.version + 1,
        ..Function::clone(function)
    };
    let mut event = Event::new(EventType::FunctionAltered);
    event.function_name = Some(Arc::from(function.name.as_str()));
    event.details = Some(serde_json::json!({ "comment": changed.comment.is_some() }));
    context.audit(event)?;
    context.change(vec![Change::PutFunction(changed)])
}
