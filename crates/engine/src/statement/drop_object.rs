//! `DROP TABLE`, `DROP VIEW`, `DROP SCHEMA`.

use std::sync::Arc;

use catalog::{Change, Table, TableKind};
use sqlparser::ast::{self, ObjectType};
use types::{Notice, Result, SqlError, SqlState};

use super::{complete, must_be_owner, permission_denied};
use crate::bind::{Binder, Names};
use crate::catalog_lock::Lockable;
use crate::context::StatementContext;
use crate::parse::object_name;
use crate::session::Outcome;
use crate::table::{self, Space};

pub fn run(
    context: &Arc<StatementContext>,
    object_type: ObjectType,
    if_exists: bool,
    names: &[ast::ObjectName],
    cascade: bool,
) -> Result<Outcome> {
    let (wanted, word) = match object_type {
        ObjectType::Table => ('r', "table"),
        ObjectType::View => ('v', "view"),
        ObjectType::Schema => return drop_schemas(context, if_exists, names, cascade),
        other => return Err(SqlError::unsupported(format!("DROP {other}"))),
    };
    // Nobody waits for who may drop nothing.
    let mut any = false;
    for name in names {
        any |= droppable(context, wanted, word, if_exists, name)?.is_some();
    }
    if any {
        context.lock_catalog()?;
    }
    for name in names {
        let context = &context.renewed();
        match droppable(context, wanted, word, if_exists, name)? {
            Some(table) => {
                context.lock_catalog()?;
                drop_table(context, &table, cascade)?;
            }
            None => {
                let name = object_name(name)?.1;
                context.notice(Notice::notice(format!("{word} \"{name}\" does not exist, skipping")));
            }
        }
    }
    Ok(complete(if wanted == 'r' { "DROP TABLE" } else { "DROP VIEW" }))
}

/// The relation that a name means, which the actor may drop; None where there is none and that is no error.
fn droppable(context: &StatementContext, wanted: char, word: &str, if_exists: bool, name: &ast::ObjectName) -> Result<Option<Arc<Table>>> {
    let (schema, name) = object_name(name)?;
    if let Some(schema) = &schema {
        crate::authorize::schema(&context.catalog, context.actor.role, schema)?;
    }
    let found = Names {
        snapshot: &context.catalog,
        search_path: &context.search_path,
    }
    .find_table(schema.as_deref(), &name);
    let Some(table) = found else {
        return match if_exists {
            true => Ok(None),
            false => Err(SqlError::new(SqlState::UndefinedTable, format!("{word} \"{name}\" does not exist"))),
        };
    };
    if let TableKind::System(_) = table.kind {
        return Err(crate::bind::dml::system_table_error(&table));
    }
    if table.relkind() != wanted {
        let hint = match table.kind {
            TableKind::View { .. } => "Use DROP VIEW to remove a view.",
            TableKind::Table => "Use DROP TABLE to remove a table.",
            TableKind::Sequence(_) => "Use DROP SEQUENCE to remove a sequence.",
            TableKind::System(_) => "System tables stay.",
        };
        return Err(SqlError::new(SqlState::WrongObjectType, format!("\"{name}\" is not a {word}")).hint(hint));
    }
    // The owner of the schema may clear it.
    let schema_owner = context.catalog.schema(&table.schema).map_or(table.owner, |schema| schema.owner);
    match [table.owner, schema_owner]
        .iter()
        .any(|owner| context.catalog.owns(context.actor.role, *owner))
    {
        true => Ok(Some(table)),
        false => Err(must_be_owner(word, &name)),
    }
}

/// Drops a table or view, with the views over it where CASCADE was said.
pub fn drop_table(context: &Arc<StatementContext>, table: &Arc<Table>, cascade: bool) -> Result<()> {
    for view in dependents(context, table)? {
        if !cascade {
            return Err(SqlError::new(
                SqlState::DependentObjectsStillExist,
                format!("cannot drop {} {} because other objects depend on it", word_of(table), table.name),
            )
            .detail(format!("view {} depends on {} {}", view.name, word_of(table), table.name))
            .hint("Use DROP ... CASCADE to drop the dependent objects too."));
        }
        let context = &context.renewed();
        if context.catalog.table_by_oid(view.oid).is_some() {
            context.notice(Notice::notice(format!("drop cascades to view {}", view.name)));
            drop_table(context, &view, true)?;
        }
    }
    if !table.triggers.is_empty() {
        crate::system::refuse_in_function(context, "drop triggers")?;
    }
    context.lock_definition(table, if table.is_table() { "DROP TABLE" } else { "DROP VIEW" })?;
    if table.is_table() {
        remove_rows(context, table)?;
    }
    context.change(vec![Change::DropTable(table.oid), Change::OidMark(context.catalog.next_oid())])
}

fn word_of(table: &Table) -> &'static str {
    if table.is_table() { "table" } else { "view" }
}

/// The views whose query reads this relation directly.
fn dependents(context: &Arc<StatementContext>, table: &Table) -> Result<Vec<Arc<Table>>> {
    let mut found = vec![];
    for view in context.catalog.user_tables() {
        let TableKind::View { definition } = &view.kind else { continue };
        let names = Names {
            snapshot: &context.catalog,
            search_path: &view.search_path,
        };
        let mut binder = Binder::new(names, &**context, crate::parse::Source::new(definition.as_str()), &[]);
        // A view that no longer binds depends on nothing.
        let reads = binder.view_reads(definition).unwrap_or_default();
        if reads.contains(&table.oid) {
            found.push(view.clone());
        }
    }
    Ok(found)
}

/// Deletes every row of a table and every entry of its unique keys.
pub fn remove_rows(context: &Arc<StatementContext>, table: &Table) -> Result<()> {
    let mut prefixes = vec![table::prefix(Space::Row, table.oid)];
    prefixes.extend(
        table::unique_keys(table)
            .filter_map(|key| key.index)
            .map(|index| table::prefix(Space::Unique, index)),
    );
    for prefix in prefixes {
        for item in context.txn.scan(table::range_of(&prefix))? {
            context.cancel.check()?;
            let (key, _) = item?;
            context.txn.delete(key)?;
        }
    }
    Ok(())
}

fn drop_schemas(context: &Arc<StatementContext>, if_exists: bool, names: &[ast::ObjectName], cascade: bool) -> Result<Outcome> {
    let mut any = false;
    for name in names {
        any |= droppable_schema(context, if_exists, name)?.is_some();
    }
    if any {
        context.lock_catalog()?;
    }
    for name in names {
        let context = &context.renewed();
        match droppable_schema(context, if_exists, name)? {
            Some(schema) => {
                context.lock_catalog()?;
                drop_schema(context, &schema, cascade)?;
            }
            None => {
                let name = object_name(name)?.1;
                context.notice(Notice::notice(format!("schema \"{name}\" does not exist, skipping")));
            }
        }
    }
    Ok(complete("DROP SCHEMA"))
}

fn droppable_schema(context: &StatementContext, if_exists: bool, name: &ast::ObjectName) -> Result<Option<Arc<catalog::Schema>>> {
    let (_, name) = object_name(name)?;
    let Some(schema) = context.catalog.schema(&name).cloned() else {
        return match if_exists {
            true => Ok(None),
            false => Err(SqlError::new(
                SqlState::InvalidSchemaName,
                format!("schema \"{name}\" does not exist"),
            )),
        };
    };
    if matches!(name.as_str(), "pg_catalog" | "information_schema" | "heliosdb") {
        return Err(permission_denied("schema", &name).detail("System schemas stay."));
    }
    match context.catalog.owns(context.actor.role, schema.owner) {
        true => Ok(Some(schema)),
        false => Err(must_be_owner("schema", &name)),
    }
}

/// Drops a schema, with what is in it where CASCADE was said.
pub fn drop_schema(context: &Arc<StatementContext>, schema: &catalog::Schema, cascade: bool) -> Result<()> {
    let name = &schema.name;
    context.lock_object(Lockable::Schema(schema.oid))?;
    let tables: Vec<Arc<Table>> = context
        .catalog
        .user_tables()
        .filter(|table| table.schema == *name)
        .cloned()
        .collect();
    let functions: Vec<Arc<catalog::Function>> = context
        .catalog
        .functions()
        .filter(|function| function.schema == *name)
        .cloned()
        .collect();
    if !cascade && (!tables.is_empty() || !functions.is_empty()) {
        return Err(SqlError::new(
            SqlState::DependentObjectsStillExist,
            format!("cannot drop schema {name} because other objects depend on it"),
        )
        .hint("Use DROP ... CASCADE to drop the dependent objects too."));
    }
    for table in tables {
        let context = &context.renewed();
        if context.catalog.table_by_oid(table.oid).is_some() {
            drop_table(context, &table, true)?;
        }
    }
    if !functions.is_empty() {
        crate::system::refuse_in_function(context, "drop functions")?;
    }
    for function in functions {
        let context = &context.renewed();
        super::drop_function::drop_dependents(context, &function, true)?;
        super::drop_function::drop_one(context, &function)?;
    }
    context.change(vec![Change::DropSchema(schema.oid), Change::OidMark(context.catalog.next_oid())])
}
