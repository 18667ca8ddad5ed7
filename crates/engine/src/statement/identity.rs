//! `SET ROLE`, `SET SESSION AUTHORIZATION`, and `RESET` of both.

use std::sync::Arc;

use types::{Notice, Result, SqlError, SqlState};

use super::complete;
use crate::context::StatementContext;
use crate::identity::{Identity, Named};
use crate::parse::NewIdentity;
use crate::session::{Outcome, Session};

pub fn set(session: &mut Session, context: &Arc<StatementContext>, new: &NewIdentity, local: bool, reset: bool) -> Result<Outcome> {
    let tag = if reset { "RESET" } else { "SET" };
    if local && !session.in_explicit_transaction() {
        context.notice(Notice::warning(
            SqlState::NoActiveSqlTransaction,
            "SET LOCAL can only be used in transaction blocks",
        ));
        return Ok(complete(tag));
    }
    let identity = session.identity();
    let identity = match new {
        NewIdentity::Role(None) => Identity { role: None, ..identity },
        NewIdentity::Role(Some(name)) => {
            let role = named(context, name)?;
            let session_user = identity.session.oid;
            // Whoever the session is now, it is the session user's memberships that count.
            if !(context.catalog.is_superuser(session_user) || context.catalog.is_member(session_user, role.oid)) {
                return Err(SqlError::new(
                    SqlState::InsufficientPrivilege,
                    format!("permission denied to set role \"{name}\""),
                ));
            }
            Identity {
                role: Some(role),
                ..identity
            }
        }
        NewIdentity::Session(None) => Identity::session(identity.authenticated.clone(), identity.authenticated),
        NewIdentity::Session(Some(name)) => {
            let role = named(context, name)?;
            let authenticated = identity.authenticated;
            if role.oid != authenticated.oid && !context.catalog.is_superuser(authenticated.oid) {
                return Err(SqlError::new(
                    SqlState::InsufficientPrivilege,
                    "permission denied to set session authorization",
                ));
            }
            Identity::session(authenticated, role)
        }
    };
    session.become_identity(identity, local)?;
    Ok(complete(tag))
}

fn named(context: &StatementContext, name: &str) -> Result<Named> {
    let role = context
        .catalog
        .role(name)
        .ok_or_else(|| SqlError::new(SqlState::InvalidParameterValue, format!("role \"{name}\" does not exist")))?;
    Ok(Named::of(role))
}
