//! `CREATE ROLE`, `ALTER ROLE`, `DROP ROLE` (and `USER`).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use catalog::{AUDITOR_OID, Acl, Change, Role, Snapshot};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use types::{Notice, Result, SqlError, SqlState};

use super::{complete, membership};
use crate::catalog_lock::Lockable;
use crate::context::StatementContext;
use crate::parse::{AlterRole, RoleName, RoleOptions};
use crate::session::Outcome;

/// Rounds of PBKDF2: PostgreSQL's `SCRAM_SHA_256_DEFAULT_ITERATIONS`.
const ITERATIONS: u32 = 4096;
/// Bytes of salt: PostgreSQL's `SCRAM_DEFAULT_SALT_LEN`.
const SALT_LENGTH: usize = 16;

pub fn create(context: &Arc<StatementContext>, name: &str, options: &RoleOptions, if_not_exists: bool) -> Result<Outcome> {
    let may = |context: &StatementContext| match options.superuser {
        Some(true) if !context.catalog.is_superuser(context.actor.role) => Err(refused("must be superuser to create superusers")),
        _ => may_create(context, "permission denied to create role"),
    };
    may(context)?;
    context.lock_catalog()?;
    let context = &context.renewed();
    may(context)?;
    if name.starts_with("pg_") {
        return Err(reserved(name).detail("Role names starting with \"pg_\" are reserved."));
    }
    if name == "public" || name == "none" {
        return Err(reserved(name));
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
    context.change(vec![Change::PutRole(role)])?;
    membership::of_new_role(context, name, &options.in_roles, &options.members, &options.admins)?;
    refuse_lockout(context, &context.catalog)?;
    Ok(complete("CREATE ROLE"))
}

pub fn alter(context: &Arc<StatementContext>, alter: &AlterRole) -> Result<Outcome> {
    alterable(context, alter)?;
    // Everybody has a password to change: nobody else's work waits for that.
    if !only_password(alter) {
        context.lock_catalog()?;
    }
    context.lock_object(Lockable::Role(resolve(context, &context.newest_catalog(), &alter.name)?.oid))?;
    let context = &context.renewed();
    let mut role = alterable(context, alter)?;
    apply(&mut role, &alter.options)?;
    context.change(vec![Change::PutRole(role)])?;
    refuse_lockout(context, &context.catalog)?;
    Ok(complete("ALTER ROLE"))
}

fn only_password(alter: &AlterRole) -> bool {
    let options = &alter.options;
    options.superuser.is_none()
        && options.login.is_none()
        && options.createrole.is_none()
        && options.createdb.is_none()
        && options.inherit.is_none()
}

/// The role as it is, which the actor may alter so.
fn alterable(context: &StatementContext, alter: &AlterRole) -> Result<Role> {
    let role = Role::clone(resolve(context, &context.catalog, &alter.name)?);
    if role.oid == AUDITOR_OID {
        return Err(reserved(&role.name).detail("Cannot alter reserved roles."));
    }
    let options = &alter.options;
    // Everybody may change the own password, and nothing else.
    if !(role.oid == context.actor.role && only_password(alter)) {
        may_alter(context, &role, options.superuser.is_some())?;
    }
    if role.oid == catalog::SUPERUSER_OID && (options.superuser == Some(false) || options.login == Some(false)) {
        return Err(SqlError::new(SqlState::FeatureNotSupported, "the first superuser keeps its rights"));
    }
    Ok(role)
}

pub fn drop(context: &Arc<StatementContext>, names: &[RoleName], if_exists: bool) -> Result<Outcome> {
    may_create(context, "permission denied to drop role")?;
    context.lock_catalog()?;
    let before = context.newest_catalog();
    let session_user = context.session.settings.lock().identity().session.oid;
    for name in names {
        let context = &context.renewed();
        let role = match resolve(context, &context.catalog, name) {
            Err(error) if if_exists && error.state() == SqlState::UndefinedObject => {
                context.notice(Notice::notice(format!("{}, skipping", error.message())));
                continue;
            }
            found => found?.clone(),
        };
        if role.oid == context.actor.role {
            return Err(SqlError::new(SqlState::ObjectInUse, "current user cannot be dropped"));
        }
        if role.oid == session_user {
            return Err(SqlError::new(SqlState::ObjectInUse, "session user cannot be dropped"));
        }
        if !context.catalog.is_superuser(context.actor.role) && context.catalog.is_trusted(role.oid) {
            return Err(refused("must be superuser to drop superusers"));
        }
        // Roles below the first user OID are the system's own.
        if role.oid < catalog::FIRST_USER_OID {
            return Err(SqlError::new(
                SqlState::DependentObjectsStillExist,
                format!("cannot drop role {} because it is required by the database system", role.name),
            ));
        }
        may_create(context, "permission denied to drop role")?;
        context.lock_object(Lockable::Presence(role.oid))?;
        context.lock_object(Lockable::Role(role.oid))?;
        for member in membership::of(&context.newest_catalog(), role.oid) {
            context.lock_object(Lockable::Role(member))?;
        }
        // What was granted to it while this waited counts.
        let context = &context.renewed();
        let dependents = dependents(&context.catalog, role.oid, &context.search_path);
        if !dependents.is_empty() {
            return Err(SqlError::new(
                SqlState::DependentObjectsStillExist,
                format!("role \"{}\" cannot be dropped because some objects depend on it", role.name),
            )
            .detail(dependents.join("\n")));
        }
        let mut changes = membership::without(&context.catalog, role.oid);
        changes.extend([Change::DropRole(role.oid), Change::OidMark(context.catalog.next_oid())]);
        context.change(changes)?;
    }
    refuse_lockout(context, &before)?;
    Ok(complete("DROP ROLE"))
}

/// What a role owns and what it was granted or has granted, in PostgreSQL's words.
fn dependents(catalog: &Snapshot, role: u32, search_path: &[String]) -> Vec<String> {
    let shown = |schema: &str, name: &str| match search_path.iter().any(|on_path| on_path == schema) {
        true => name.to_string(),
        false => format!("{schema}.{name}"),
    };
    let mut objects: Vec<(String, u32, Option<&Acl>)> = vec![];
    for table in catalog.user_tables() {
        let name = format!("{} {}", table.kind.word(), shown(&table.schema, &table.name));
        objects.push((name, table.owner, table.acl.as_ref()));
    }
    for function in catalog.functions() {
        let name = format!("function {}", shown(&function.schema, &function.signature()));
        objects.push((name, function.owner, function.acl.as_ref()));
    }
    for schema in catalog.schemas() {
        objects.push((format!("schema {}", schema.name), schema.owner, schema.acl.as_ref()));
    }
    for policy in catalog.policies() {
        objects.push((format!("security policy {}", policy.policy.name), policy.owner, None));
    }
    for trigger in catalog.audit_triggers() {
        objects.push((format!("trigger {} on table heliosdb.audit_log", trigger.name), trigger.owner, None));
    }
    let database = catalog.database();
    objects.push((
        format!("database {}", crate::database::DATABASE_NAME),
        database.owner,
        database.acl.as_ref(),
    ));
    let describe = |(name, owner, acl): (String, u32, Option<&Acl>)| match acl {
        _ if owner == role => Some(format!("owner of {name}")),
        Some(acl) if acl.names(role) => Some(format!("privileges for {name}")),
        Some(_) | None => None,
    };
    let mut found: Vec<String> = objects.into_iter().filter_map(describe).collect();
    found.sort();
    found
}

/// From the first password on, everybody needs one to log in. So a superuser has to have one as long as anybody has:
/// otherwise nobody could log in who may change passwords. A catalog that is in that state already may stay in it, so
/// that it can be left step by step.
fn refuse_lockout(context: &StatementContext, before: &Snapshot) -> Result<()> {
    if !locks_superusers_out(&context.newest_catalog()) || locks_superusers_out(before) {
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

pub fn find<'c>(catalog: &'c Snapshot, name: &str) -> Result<&'c Arc<Role>> {
    catalog
        .role(name)
        .ok_or_else(|| SqlError::new(SqlState::UndefinedObject, format!("role \"{name}\" does not exist")))
}

/// The role that a statement names; PUBLIC is none.
pub fn resolve<'c>(context: &StatementContext, catalog: &'c Snapshot, name: &RoleName) -> Result<&'c Arc<Role>> {
    match name {
        RoleName::Named(name) => find(catalog, name),
        RoleName::CurrentUser => find(catalog, &context.actor.name),
        RoleName::SessionUser => find(catalog, &context.actor.session_user),
        RoleName::Public => find(catalog, "public"),
    }
}

fn refused(message: &str) -> SqlError {
    SqlError::new(SqlState::InsufficientPrivilege, message)
}

fn reserved(name: &str) -> SqlError {
    SqlError::new(SqlState::ReservedName, format!("role name \"{name}\" is reserved"))
}

/// Superusers and roles with CREATEROLE.
fn may_create(context: &StatementContext, message: &str) -> Result<()> {
    let createrole = context.catalog.role_by_oid(context.actor.role).is_some_and(|role| role.createrole);
    match createrole || context.catalog.is_superuser(context.actor.role) {
        true => Ok(()),
        false => Err(refused(message)),
    }
}

/// Whoever may change a role's password may become it: so whoever is no superuser leaves alone those who can come to a superuser's
/// rights or read the audit log.
fn may_alter(context: &StatementContext, role: &Role, superuser: bool) -> Result<()> {
    if context.catalog.is_superuser(context.actor.role) {
        return Ok(());
    }
    if superuser || context.catalog.is_trusted(role.oid) {
        return Err(refused("must be superuser to alter superuser roles or change superuser attribute"));
    }
    may_create(context, "permission denied")
}

fn apply(role: &mut Role, options: &RoleOptions) -> Result<()> {
    role.superuser = options.superuser.unwrap_or(role.superuser);
    role.login = options.login.unwrap_or(role.login);
    role.createrole = options.createrole.unwrap_or(role.createrole);
    role.createdb = options.createdb.unwrap_or(role.createdb);
    role.inherit = options.inherit.unwrap_or(role.inherit);
    match &options.password {
        None => {}
        Some(None) => role.password = None,
        Some(Some(password)) => role.password = Some(verifier(password)?),
    }
    Ok(())
}

/// Whether a password is given as its verifier, one that somebody can log in with. Any other text is a password itself, as in PostgreSQL.
fn is_verifier(text: &str) -> bool {
    let parts = || {
        let (cost, keys) = text.strip_prefix("SCRAM-SHA-256$")?.split_once('$')?;
        let (iterations, salt) = cost.split_once(':')?;
        let (stored, server) = keys.split_once(':')?;
        let plain = iterations.bytes().all(|byte| byte.is_ascii_digit());
        let iterations = iterations
            .parse::<u32>()
            .ok()
            .filter(|count| plain && *count > 0 && i32::try_from(*count).is_ok())?;
        Some((
            iterations,
            STANDARD.decode(salt).ok()?,
            STANDARD.decode(stored).ok()?,
            STANDARD.decode(server).ok()?,
        ))
    };
    parts().is_some_and(|(_, salt, stored, server)| !salt.is_empty() && stored.len() == 32 && server.len() == 32)
}

/// The SCRAM-SHA-256 verifier of a password (RFC 5803, as PostgreSQL stores it); one that is given is kept.
fn verifier(password: &str) -> Result<String> {
    if is_verifier(password) {
        return Ok(password.to_string());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_verifier_that_somebody_can_use_is_kept() {
        let (salt, key) = (STANDARD.encode([7; 16]), STANDARD.encode([9; 32]));
        let good = format!("SCRAM-SHA-256$4096:{salt}${key}:{key}");
        assert_eq!(verifier(&good).ok(), Some(good));
        let short = STANDARD.encode([9; 31]);
        let bad = [
            format!("SCRAM-SHA-256$0:{salt}${key}:{key}"),
            format!("SCRAM-SHA-256$+1:{salt}${key}:{key}"),
            format!("SCRAM-SHA-256$4294967295:{salt}${key}:{key}"),
            format!("SCRAM-SHA-256$4096:${key}:{key}"),
            format!("SCRAM-SHA-256$4096:{salt}${short}:{key}"),
            format!("SCRAM-SHA-256$4096:{salt}${key}:{short}"),
            format!("SCRAM-SHA-256$4096:{salt}${key}"),
            format!("SCRAM-SHA-256:4096${salt}:{key}${key}"),
            "SCRAM-SHA-256$".to_string(),
        ];
        for text in bad {
            let kept = verifier(&text).unwrap();
            assert_ne!(kept, text);
            assert!(is_verifier(&kept), "{kept}");
        }
    }
}
