//! `CREATE ROLE`, `ALTER ROLE`, `DROP ROLE` (and `USER`).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use catalog::{Change, Role, Snapshot};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use types::{Notice, Result, SqlError, SqlState};

use super::complete;
use crate::context::StatementContext;
use crate::parse::{AlterRole, RoleOptions};
use crate::session::{Outcome, Session};

/// Rounds of PBKDF2: PostgreSQL's `SCRAM_SHA_256_DEFAULT_ITERATIONS`.
const ITERATIONS: u32 = 4096;
/// Bytes of salt: PostgreSQL's `SCRAM_DEFAULT_SALT_LEN`.
const SALT_LENGTH: usize = 16;

pub fn create(
    session: &mut Session,
    context: &Arc<StatementContext>,
    name: &str,
    options: &RoleOptions,
    if_not_exists: bool,
) -> Result<Outcome> {
    session.lock_catalog()?;
    let context = &session.context(vec![], crate::call::Calls::at(&context.calls))?;
    may_manage(context, options.superuser == Some(true))?;
    if name.starts_with("pg_") || name == "public" || name == "none" {
        return Err(SqlError::new(SqlState::ReservedName, format!("role name \"{name}\" is reserved")));
    }
    if context.catalog.role(name).is_some() {
        if if_not_exists {
            context.notice(Notice::notice(format!("role \"{name}\" already exists, skipping")));
            return Ok(complete("CREATE ROLE"));
        }
        return Err(SqlError::new(SqlState::DuplicateObject, format!("role \"{name}\" already exists")));
    }
    let mut role = Role::new(context.catalog.next_oid(), name);
    apply(&mut role, options)?;
    session.change(vec![Change::PutRole(role)])?;
    refuse_lockout(session, &context.catalog)?;
    Ok(complete("CREATE ROLE"))
}

pub fn alter(session: &mut Session, context: &Arc<StatementContext>, alter: &AlterRole) -> Result<Outcome> {
    session.lock_catalog()?;
    let context = &session.context(vec![], crate::call::Calls::at(&context.calls))?;
    let name = match alter.name.as_str() {
        "current_user" | "session_user" | "current_role" => context.actor.name.to_string(),
        other => other.to_string(),
    };
    let mut role = Role::clone(find(context, &name)?);
    let options = &alter.options;
    // Everybody may change the own password, and nothing else.
    let only_password =
        options.superuser.is_none() && options.login.is_none() && options.createrole.is_none() && options.createdb.is_none();
    if !(role.oid == context.actor.role && only_password) {
        may_manage(context, role.superuser || options.superuser.is_some())?;
    }
    if role.oid == catalog::SUPERUSER_OID && (options.superuser == Some(false) || options.login == Some(false)) {
        return Err(SqlError::new(SqlState::FeatureNotSupported, "the first superuser keeps its rights"));
    }
    apply(&mut role, options)?;
    session.change(vec![Change::PutRole(role)])?;
    refuse_lockout(session, &context.catalog)?;
    Ok(complete("ALTER ROLE"))
}

pub fn drop(session: &mut Session, context: &Arc<StatementContext>, names: &[String], if_exists: bool) -> Result<Outcome> {
    session.lock_catalog()?;
    let before = session.visible_catalog();
    for name in names {
        let context = &session.context(vec![], crate::call::Calls::at(&context.calls))?;
        if if_exists && context.catalog.role(name).is_none() {
            context.notice(Notice::notice(format!("role \"{name}\" does not exist, skipping")));
            continue;
        }
        let role = find(context, name)?.clone();
        may_manage(context, role.superuser)?;
        if role.oid == context.actor.role {
            return Err(SqlError::new(SqlState::ObjectInUse, "current user cannot be dropped"));
        }
        let owns = context.catalog.user_tables().any(|table| table.owner == role.oid)
            || context.catalog.functions().any(|function| function.owner == role.oid)
            || context.catalog.schemas().any(|schema| schema.owner == role.oid)
            || context.catalog.audit_triggers().iter().any(|trigger| trigger.owner == role.oid);
        // Roles below the first user OID are the system's own.
        if owns || role.oid < catalog::FIRST_USER_OID {
            return Err(SqlError::new(
                SqlState::DependentObjectsStillExist,
                format!("role \"{name}\" cannot be dropped because some objects depend on it"),
            ));
        }
        session.change(vec![Change::DropRole(role.oid), Change::OidMark(context.catalog.next_oid())])?;
    }
    refuse_lockout(session, &before)?;
    Ok(complete("DROP ROLE"))
}

/// From the first password on, everybody needs one to log in. So a superuser has to have one as long as anybody has:
/// otherwise nobody could log in who may change passwords. A catalog that is in that state already may stay in it, so
/// that it can be left step by step.
fn refuse_lockout(session: &Session, before: &Snapshot) -> Result<()> {
    if !locks_superusers_out(&session.visible_catalog()) || locks_superusers_out(before) {
        return Ok(());
    }
    let had_one = before.roles().any(|role| role.password.is_some());
    let error = match had_one {
        false => SqlError::new(
            SqlState::ObjectNotInPrerequisiteState,
            "the first password has to be that of a superuser who can log in",
        )
        .hint("Give ALTER ROLE postgres PASSWORD '...' first."),
        true => SqlError::new(
            SqlState::ObjectNotInPrerequisiteState,
            "the last superuser who can log in with a password cannot be without one while other roles have passwords",
        )
        .hint("Give another superuser a password first, or take the other roles' passwords away with PASSWORD NULL."),
    };
    Err(error.detail("Once any role has a password, nobody logs in without one."))
}

fn locks_superusers_out(catalog: &Snapshot) -> bool {
    let mut with_password = catalog.roles().filter(|role| role.password.is_some()).peekable();
    with_password.peek().is_some() && with_password.all(|role| !(role.superuser && role.login))
}

fn find<'c>(context: &'c StatementContext, name: &str) -> Result<&'c Arc<Role>> {
    context
        .catalog
        .role(name)
        .ok_or_else(|| SqlError::new(SqlState::UndefinedObject, format!("role \"{name}\" does not exist")))
}

fn may_manage(context: &StatementContext, superuser: bool) -> Result<()> {
    if context.catalog.is_superuser(context.actor.role) {
        return Ok(());
    }
    if superuser {
        return Err(SqlError::new(
            SqlState::InsufficientPrivilege,
            "must be superuser to alter superuser roles or change superuser attribute",
        ));
    }
    let role = context.catalog.role_by_oid(context.actor.role);
    if role.is_some_and(|role| role.createrole) {
        return Ok(());
    }
    Err(SqlError::new(
        SqlState::InsufficientPrivilege,
        "permission denied to create or change roles",
    ))
}

fn apply(role: &mut Role, options: &RoleOptions) -> Result<()> {
    role.superuser = options.superuser.unwrap_or(role.superuser);
    role.login = options.login.unwrap_or(role.login);
    role.createrole = options.createrole.unwrap_or(role.createrole);
    role.createdb = options.createdb.unwrap_or(role.createdb);
    match &options.password {
        None => {}
        Some(None) => role.password = None,
        Some(Some(password)) => role.password = Some(verifier(password)?),
    }
    Ok(())
}

/// The SCRAM-SHA-256 verifier of a password (RFC 5803, as PostgreSQL stores it); one that is given is kept.
fn verifier(password: &str) -> Result<String> {
    if password.starts_with("SCRAM-SHA-256$") {
        let parts: Vec<&str> = password.split(['$', ':']).collect();
        if parts.len() == 5 && parts[1].parse::<u32>().is_ok() && parts[2..].iter().all(|part| STANDARD.decode(part).is_ok()) {
            return Ok(password.to_string());
        }
    }
    if password.is_empty() {
        return Err(SqlError::new(SqlState::InvalidPassword, "empty string is not a valid password"));
    }
    let mut salt = [0u8; SALT_LENGTH];
    getrandom::fill(&mut salt).map_err(|error| SqlError::internal(format!("no randomness: {error}")))?;
    let prepared = stringprep::saslprep(password).map_or_else(|_| password.to_string(), |text| text.into_owned());
    let mut salted = [0u8; 32];
    pbkdf2::pbkdf2::<Hmac<Sha256>>(prepared.as_bytes(), &salt, ITERATIONS, &mut salted)
        .map_err(|_| SqlError::internal("PBKDF2 takes any key"))?;
    let key = |text: &[u8]| -> Result<Vec<u8>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&salted).map_err(|_| SqlError::internal("HMAC takes any key"))?;
        mac.update(text);
        Ok(mac.finalize().into_bytes().to_vec())
    };
    let stored = Sha256::digest(key(b"Client Key")?);
    let server = key(b"Server Key")?;
    Ok(format!(
        "SCRAM-SHA-256${ITERATIONS}:{}${}:{}",
        STANDARD.encode(salt),
        STANDARD.encode(stored),
        STANDARD.encode(server)
    ))
}
