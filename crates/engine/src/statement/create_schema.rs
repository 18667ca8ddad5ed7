//! `CREATE SCHEMA`.

use std::sync::Arc;

use catalog::{Change, Schema};
use sqlparser::ast;
use types::{Notice, Result, SqlError, SqlState};

use super::{complete, permission_denied};
use crate::context::StatementContext;
use crate::parse::{fold, object_name};
use crate::session::Outcome;

pub fn run(context: &Arc<StatementContext>, name: &ast::SchemaName, if_not_exists: bool) -> Result<Outcome> {
    context.lock_catalog()?;
    let context = &context.renewed();
    let name = match name {
        ast::SchemaName::Simple(name) => object_name(name)?.1,
        ast::SchemaName::UnnamedAuthorization(role) | ast::SchemaName::NamedAuthorization(_, role) => {
            return Err(SqlError::unsupported(format!("CREATE SCHEMA AUTHORIZATION {}", fold(role))));
        }
    };
    if name.starts_with("pg_") {
        return Err(
            SqlError::new(SqlState::ReservedName, format!("unacceptable schema name \"{name}\""))
                .detail("The prefix \"pg_\" is reserved for system schemas."),
        );
    }
    if !context.catalog.is_superuser(context.actor.role) {
        return Err(permission_denied("database", crate::database::DATABASE_NAME));
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
        owner: context.actor.role,
        acl: None,
        comment: None,
    };
    context.change(vec![Change::PutSchema(schema)])?;
    Ok(complete("CREATE SCHEMA"))
}
