//! `ALTER ... OWNER TO`, `REASSIGN OWNED`, `DROP OWNED`.
//!
//! An owner gives a thing to a role that they could become, and that could have made it where it is. What the old owner held and
//! granted is the new one's then.

use std::sync::Arc;

use audit::{Event, EventType};
use catalog::{Acl, Change, Function, Privilege, Role, Schema, SecurityPolicy, Snapshot, Table, TableKind};
use types::{Notice, Result, SqlError, SqlState};

use super::grant::{self, Object};
use super::role::resolve;
use super::{audit_trigger, complete, drop_function, drop_object, must_be_owner, permission_denied};
use crate::context::StatementContext;
use crate::parse::{OwnedName, RoleName};
use crate::session::Outcome;

pub fn alter(context: &Arc<StatementContext>, name: &OwnedName, if_exists: bool, owner: &RoleName, command: &str) -> Result<Outcome> {
    match find(context, name) {
        Err(error) if if_exists && error.state() == SqlState::UndefinedTable => {
            context.notice(Notice::notice(format!("{}, skipping", error.message())));
            return Ok(complete(command));
        }
        found => may_give(context, &found?, resolve(context, &context.catalog, owner)?.oid)?,
    }
    context.lock_catalog()?;
    let context = &context.renewed();
    let object = find(context, name)?.lock(context)?;
    let new = resolve(context, &context.catalog, owner)?.oid;
    may_give(context, &object, new)?;
    if new != object.owner() {
        context.change(vec![given(&object, new)])?;
    }
    Ok(complete(command))
}

fn find(context: &StatementContext, name: &OwnedName) -> Result<Object> {
    match name {
        OwnedName::Table(name) => Ok(Object::Table(ordinary(grant::relation(context, name)?)?)),
        OwnedName::View(name) => {
            let table = ordinary(grant::relation(context, name)?)?;
            match table.kind {
                TableKind::View { .. } => Ok(Object::Table(table)),
                TableKind::Table | TableKind::Sequence(_) | TableKind::System(_) => Err(SqlError::new(
                    SqlState::WrongObjectType,
                    format!("\"{}\" is not a view", table.name),
                )),
            }
        }
        OwnedName::Schema(name) => {
            let schema = context
                .catalog
                .schema(name)
                .ok_or_else(|| SqlError::new(SqlState::InvalidSchemaName, format!("schema \"{name}\" does not exist")))?;
            match grant::is_system(name) {
                true => Err(permission_denied("schema", name).detail("System schemas stay.")),
                false => Ok(Object::Schema(schema.clone())),
            }
        }
        OwnedName::Database(_) => Err(SqlError::unsupported("ALTER DATABASE")),
    }
}

fn ordinary(table: Arc<Table>) -> Result<Arc<Table>> {
    match table.kind {
        TableKind::System(_) => Err(crate::bind::dml::system_table_error(&table)),
        TableKind::Table | TableKind::View { .. } | TableKind::Sequence(_) => Ok(table),
    }
}

/// Whether the actor may give an object to another role.
fn may_give(context: &StatementContext, object: &Object, new: u32) -> Result<()> {
    let catalog = &context.catalog;
    let actor = context.actor.role;
    let (word, name, schema) = match object {
        Object::Table(table) => (table.kind.word(), table.name.clone(), Some(&table.schema)),
        Object::Function(function) => (function.kind(), function.name.clone(), Some(&function.schema)),
        Object::Schema(schema) => ("schema", schema.name.clone(), None),
        Object::Database(_) => ("database", crate::database::DATABASE_NAME.to_string(), None),
    };
    if !catalog.owns(actor, object.owner()) {
        return Err(must_be_owner(word, &name));
    }
    if catalog.is_superuser(actor) || new == object.owner() {
        return Ok(());
    }
    if !catalog.is_member(actor, new) {
        let new = catalog.role_by_oid(new).map_or("", |role| &role.name);
        return Err(SqlError::new(
            SqlState::InsufficientPrivilege,
            format!("must be member of role \"{new}\""),
        ));
    }
    match schema.map(|schema| (schema, catalog.schema(schema))) {
        Some((_, Some(schema))) if catalog.has_schema_privilege(new, schema, Privilege::Create) => Ok(()),
        Some((schema, _)) => Err(permission_denied("schema", schema)),
        None if catalog.has_database_privilege(actor, Privilege::Create) => Ok(()),
        None => Err(permission_denied("database", crate::database::DATABASE_NAME)),
    }
}

/// `ALTER FUNCTION ... OWNER TO`: the function, changed.
pub fn give_function(context: &StatementContext, function: &mut Function, owner: &RoleName) -> Result<()> {
    let new = resolve(context, &context.catalog, owner)?;
    if new.oid != function.owner {
        may_give(context, &Object::Function(Arc::new(function.clone())), new.oid)?;
        if let Some(acl) = &mut function.acl {
            acl.change_owner(function.owner, new.oid);
        }
        function.owner = new.oid;
    }
    Ok(())
}

/// The change that gives an object to another role.
fn given(object: &Object, new: u32) -> Change {
    let acl = object.acl().cloned().map(|mut acl| {
        acl.change_owner(object.owner(), new);
        acl
    });
    object.with(new, acl)
}

pub fn reassign(context: &Arc<StatementContext>, from: &[RoleName], to: &RoleName) -> Result<Outcome> {
    let to_now = acted_for(context, std::slice::from_ref(to), "reassign objects");
    if !has_any(context, &acted_for(context, from, "reassign objects")?) {
        to_now?;
        return Ok(complete("REASSIGN OWNED"));
    }
    context.lock_catalog()?;
    let context = &context.renewed();
    let from = acted_for(context, from, "reassign objects")?;
    if let Some(system) = from.iter().find(|role| role.oid < catalog::FIRST_USER_OID) {
        return Err(SqlError::new(
            SqlState::DependentObjectsStillExist,
            format!(
                "cannot reassign ownership of objects owned by role {} because they are required by the database system",
                system.name
            ),
        ));
    }
    let to = acted_for(context, std::slice::from_ref(to), "reassign objects")?;
    let Some(to) = to.first() else {
        return Err(SqlError::internal("REASSIGN OWNED names a role"));
    };
    for object in owned(&context.catalog, &from) {
        let object = object.lock(context)?;
        if let Object::Function(function) = &object {
            let mut event = Event::new(EventType::FunctionAltered);
            event.function_name = Some(Arc::from(function.name.as_str()));
            event.details = Some(serde_json::json!({ "owner": to.name }));
            context.audit(event)?;
        }
        context.change(vec![given(&object, to.oid)])?;
    }
    audit_trigger::reassign(context, &from, to)?;
    context.keep_role(to.oid)?;
    let policies: Vec<Change> = context
        .catalog
        .policies()
        .filter(|policy| from.iter().any(|role| role.oid == policy.owner))
        .map(|policy| {
            Change::PutPolicy(SecurityPolicy {
                owner: to.oid,
                ..SecurityPolicy::clone(policy)
            })
        })
        .collect();
    if !policies.is_empty() {
        context.change(policies)?;
    }
    Ok(complete("REASSIGN OWNED"))
}

/// Drops what the roles own, and takes away what they were granted and have granted.
pub fn drop(context: &Arc<StatementContext>, roles: &[RoleName], cascade: bool) -> Result<Outcome> {
    if !has_any(context, &acted_for(context, roles, "drop objects")?) {
        return Ok(complete("DROP OWNED"));
    }
    context.lock_catalog()?;
    let context = &context.renewed();
    let roles = acted_for(context, roles, "drop objects")?;
    if let Some(system) = roles.iter().find(|role| role.oid < catalog::FIRST_USER_OID) {
        return Err(SqlError::new(
            SqlState::DependentObjectsStillExist,
            format!(
                "cannot drop objects owned by role {} because they are required by the database system",
                system.name
            ),
        ));
    }
    // Views before the tables that they read, what is in a schema before the schema.
    let mut objects = owned(&context.catalog, &roles);
    objects.sort_by_key(|object| match object {
        Object::Table(table) if !table.is_table() => 0,
        Object::Table(_) => 1,
        Object::Function(_) => 2,
        Object::Schema(_) => 3,
        Object::Database(_) => 4,
    });
    for object in objects {
        let context = &context.renewed();
        match &object {
            // A view over a view may have gone with it.
            Object::Table(table) if context.catalog.table_by_oid(table.oid).is_some() => {
                drop_object::drop_table(context, table, cascade)?;
            }
            Object::Function(function) if context.catalog.function_by_oid(function.oid).is_some() => {
                drop_function::drop_dependents(context, function, cascade)?;
                drop_function::drop_one(context, function)?;
            }
            Object::Schema(schema) => drop_object::drop_schema(context, schema, cascade)?,
            Object::Table(_) | Object::Function(_) | Object::Database(_) => {}
        }
    }
    audit_trigger::drop_owned(context, &roles)?;
    for role in &roles {
        take_all(context, role.oid)?;
    }
    Ok(complete("DROP OWNED"))
}

/// Whether there is anything that the roles own or were granted. Nobody waits for those who have nothing.
fn has_any(context: &StatementContext, roles: &[Arc<Role>]) -> bool {
    let catalog = &context.catalog;
    roles.iter().any(|role| {
        role.oid < catalog::FIRST_USER_OID
            || every(catalog)
                .iter()
                .any(|object| object.owner() == role.oid || object.acl().is_some_and(|acl| acl.names(role.oid)))
            || catalog.audit_triggers().iter().any(|trigger| trigger.owner == role.oid)
            || catalog.policies().any(|policy| policy.owner == role.oid)
    })
}

/// The roles, all of which the actor may act as.
fn acted_for(context: &StatementContext, names: &[RoleName], what: &str) -> Result<Vec<Arc<Role>>> {
    let mut roles = vec![];
    for name in names {
        let role = resolve(context, &context.catalog, name)?.clone();
        if !context.catalog.acts_as(context.actor.role, role.oid) {
            return Err(SqlError::new(
                SqlState::InsufficientPrivilege,
                format!("permission denied to {what}"),
            ));
        }
        roles.push(role);
    }
    Ok(roles)
}

/// Users' tables, views, functions and schemas of these owners, in the order of their OIDs.
fn owned(catalog: &Snapshot, roles: &[Arc<Role>]) -> Vec<Object> {
    let is_theirs = |owner: u32| roles.iter().any(|role| role.oid == owner);
    every(catalog).into_iter().filter(|object| is_theirs(object.owner())).collect()
}

/// Everything with an ACL that statements can change.
fn every(catalog: &Snapshot) -> Vec<Object> {
    let mut tables: Vec<&Arc<Table>> = catalog.user_tables().collect();
    tables.sort_by_key(|table| table.oid);
    let mut functions: Vec<&Arc<Function>> = catalog.functions().collect();
    functions.sort_by_key(|function| function.oid);
    let mut schemas: Vec<&Arc<Schema>> = catalog.schemas().filter(|schema| !grant::is_system(&schema.name)).collect();
    schemas.sort_by_key(|schema| schema.oid);
    let tables = tables.into_iter().cloned().map(Object::Table);
    let functions = functions.into_iter().cloned().map(Object::Function);
    let schemas = schemas.into_iter().cloned().map(Object::Schema);
    let database = std::iter::once(Object::Database(catalog.database().clone()));
    tables.chain(functions).chain(schemas).chain(database).collect()
}

/// Takes a role out of every ACL.
fn take_all(context: &StatementContext, role: u32) -> Result<()> {
    let catalog = context.newest_catalog();
    for object in every(&catalog) {
        if !object.acl().is_some_and(|acl| acl.names(role)) {
            continue;
        }
        let object = object.lock(context)?;
        let mut acl: Acl = object.acl().cloned().unwrap_or_default();
        acl.forget_role(object.owner(), role, &|role, of| catalog.acts_as(role, of));
        context.change(vec![object.with(object.owner(), Some(acl))])?;
    }
    Ok(())
}
