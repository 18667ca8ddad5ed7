//! `CREATE SCHEMA`.

use std::sync::Arc;

use catalog::{Change, Privilege, Schema};
use sqlparser::ast;
use types::{Notice, Result, SqlError, SqlState};

use super::{complete, permission_denied, role};
use crate::context::StatementContext;
use crate::parse::{RoleName, fold, object_name};
use crate::session::Outcome;

pub fn run(context: &Arc<StatementContext>, name: &ast::SchemaName, if_not_exists: bool) -> Result<Outcome> {
    if !context.catalog.has_database_privilege(context.actor.role, Privilege::Create) {
        return Err(permission_denied("database", crate::database::DATABASE_NAME));
    }
    context.lock_catalog()?;
    let context = &context.renewed();
    let (name, owner) = match name {
        ast::SchemaName::Simple(name) => (object_name(name)?.1, None),
        ast::SchemaName::UnnamedAuthorization(role) => (fold(role), Some(role)),
        ast::SchemaName::NamedAuthorization(name, role) => (object_name(name)?.1, Some(role)),
    };
    let actor = context.actor.role;
    let (name, owner) = match owner.map(named_role) {
        None => (name, actor),
        Some(role) => {
            let owner = role::resolve(context, &context.catalog, &role)?;
            let unnamed = RoleName::Named(name.clone()) != role && name == role.describe();
            (if unnamed { owner.name.clone() } else { name }, owner.oid)
        }
    };
    if name.starts_with("pg_") {
        return Err(
            SqlError::new(SqlState::ReservedName, format!("unacceptable schema name \"{name}\""))
                .detail("The prefix \"pg_\" is reserved for system schemas."),
        );
    }
    if !context.catalog.has_database_privilege(actor, Privilege::Create) {
        return Err(permission_denied("database", crate::database::DATABASE_NAME));
    }
    if !(context.catalog.is_superuser(actor) || context.catalog.is_member(actor, owner)) {
        let owner = context.catalog.role_by_oid(owner).map_or("", |role| &role.name);
        return Err(SqlError::new(
            SqlState::InsufficientPrivilege,
            format!("must be member of role \"{owner}\""),
        ));
    }
    if context.catalog.schema(&name).is_some() {
        if if_not_exists {
            context.notice(Notice {
                state: SqlState::DuplicateSchema,
                ..Notice::notice(format!("schema \"{name}\" already exists, skipping"))
            });
            return Ok(complete("CREATE SCHEMA"));
        }
        return Err(SqlError::new(
            SqlState::DuplicateSchema,
            format!("schema \"{name}\" already exists"),
        ));
    }
    let schema = Schema {
        oid: context.catalog.next_oid(),
        name,
        owner,
        acl: None,
        comment: None,
    };
    context.change(vec![Change::PutSchema(schema)])?;
    Ok(complete("CREATE SCHEMA"))
}

fn named_role(ident: &ast::Ident) -> RoleName {
    match (ident.quote_style, fold(ident).as_str()) {
        (None, "current_user" | "current_role") => RoleName::CurrentUser,
        (None, "session_user") => RoleName::SessionUser,
        (_, name) => RoleName::Named(name.to_string()),
    }
}
