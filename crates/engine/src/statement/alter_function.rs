//! `ALTER FUNCTION`: capabilities, policy, limits, the switch. And the bare `GRANT CAPABILITY`.

use std::borrow::Cow;
use std::sync::Arc;

use audit::{Event, EventType};
use catalog::{Change, Function, Privilege, Table};
use policy::{Capability, NamePattern, ObjectName, Policy, Rights};
use types::{Notice, Result, SqlError, SqlState};

use super::{complete, drop_function, must_be_owner, owner, permission_denied};
use crate::call::find_policy;
use crate::context::StatementContext;
use crate::parse::{AlterAction, AlterFunction, FunctionSetting, FunctionSettingValue, RoutineKind};
use crate::session::{LastFunction, Outcome, Session};

pub fn run(session: &mut Session, context: &Arc<StatementContext>, alter: &AlterFunction) -> Result<Outcome> {
    must_own(context, &*drop_function::find(context, &alter.name, alter.kind)?)?;
    if alter.actions.iter().any(refers_to_others) {
        session.lock_catalog()?;
    }
    let mut context = session.context(vec![], crate::call::Calls::at(&context.calls))?;
    let mut function = drop_function::find(&context, &alter.name, alter.kind)?;
    loop {
        must_own(&context, &function)?;
        session.lock_function(function.oid)?;
        context = session.context(vec![], crate::call::Calls::at(&context.calls))?;
        let found = drop_function::find(&context, &alter.name, alter.kind)?;
        // While this waited the name may have become another function's.
        let same = found.oid == function.oid;
        function = found;
        if same {
            break;
        }
    }
    apply(session, &context, &function, &alter.actions)?;
    Ok(complete(match alter.kind {
        RoutineKind::Function => "ALTER FUNCTION",
        RoutineKind::Procedure => "ALTER PROCEDURE",
        RoutineKind::Aggregate => "ALTER AGGREGATE",
        RoutineKind::Routine => "ALTER ROUTINE",
    }))
}

/// Whether an action names something else in the catalog, which must stay there until it is done.
fn refers_to_others(action: &AlterAction) -> bool {
    match action {
        AlterAction::SetPolicy(_) | AlterAction::OwnerTo(_) | AlterAction::RenameTo(_) => true,
        AlterAction::Grant(_)
        | AlterAction::Revoke(_)
        | AlterAction::SetEnabled(_)
        | AlterAction::SetStorage(_)
        | AlterAction::SetMode(_)
        | AlterAction::SetLimit(..)
        | AlterAction::SetSetting(_)
        | AlterAction::ResetSettings => false,
    }
}

/// `GRANT CAPABILITY c` without a function: the one that this session created or altered last.
pub fn run_bare_grant(session: &mut Session, context: &Arc<StatementContext>, list: &str, revoke: bool) -> Result<Outcome> {
    if let Some(last) = session.last_function {
        if let Some(function) = context.catalog.function_by_oid(last.oid) {
            must_own(context, function)?;
        }
        session.lock_function(last.oid)?;
    }
    let context = &session.context(vec![], crate::call::Calls::at(&context.calls))?;
    let function = session
        .last_function
        .and_then(|last| context.catalog.function_by_oid(last.oid))
        .cloned()
        .ok_or_else(|| {
            SqlError::new(SqlState::UndefinedFunction, "there is no function to grant the capability to")
                .detail("This session has not created or altered a function yet.")
                .hint("Name it: ALTER FUNCTION f GRANT CAPABILITY ...")
        })?;
    let action = if revoke {
        AlterAction::Revoke(list.to_string())
    } else {
        AlterAction::Grant(list.to_string())
    };
    apply(session, context, &function, &[action])?;
    Ok(complete(if revoke { "REVOKE" } else { "GRANT" }))
}

fn must_own(context: &StatementContext, function: &Function) -> Result<()> {
    match context.catalog.owns(context.actor.role, function.owner) {
        true => Ok(()),
        false => Err(must_be_owner(function.kind(), &function.name)),
    }
}

fn apply(session: &mut Session, context: &Arc<StatementContext>, function: &Arc<Function>, actions: &[AlterAction]) -> Result<()> {
    must_own(context, function)?;
    let mut changed = Function::clone(function);
    changed.version += 1;
    for action in actions {
        let policy = find_policy(&context.catalog, &changed.rights.policy)
            .ok_or_else(|| SqlError::internal(format!("the security policy \"{}\" of a function is gone", changed.rights.policy)))?;
        refuse_for_sql(&changed, action)?;
        match action {
            AlterAction::Grant(list) => grant(session, context, &mut changed, &policy, list)?,
            AlterAction::Revoke(list) => revoke(session, context, &mut changed, &policy, list)?,
            AlterAction::SetPolicy(name) => set_policy(session, context, &mut changed, name)?,
            AlterAction::SetEnabled(enabled) => {
                let mut event = event(
                    if *enabled {
                        EventType::FunctionEnabled
                    } else {
                        EventType::FunctionDisabled
                    },
                    &changed,
                );
                let violations = session.db.violations.since_forgiven(&changed);
                event.details = Some(serde_json::json!({ "violations": violations }));
                changed.enabled = *enabled;
                if *enabled {
                    changed.forgiven_violations = session.db.violations.total(changed.oid);
                }
                session.audit(event)?;
            }
            AlterAction::SetStorage(consent) => {
                changed.storage_consent = *consent;
                let mut event = event(EventType::FunctionAltered, &changed);
                event.details = Some(serde_json::json!({ "storage": consent }));
                session.audit(event)?;
            }
            AlterAction::SetMode(mode) => {
                if !context.catalog.is_superuser(context.actor.role) {
                    return Err(SqlError::new(
                        SqlState::InsufficientPrivilege,
                        format!("must be superuser to set the capability mode of function {}", changed.name),
                    ));
                }
                changed.rights.mode = *mode;
                let mut event = event(EventType::FunctionAltered, &changed);
                event.details = Some(serde_json::json!({
                    "capability_mode": mode.name(),
                    "signature": changed.signature(),
                    "schema": changed.schema,
                }));
                session.audit(event)?;
            }
            AlterAction::SetLimit(key, value) => {
                let key = changed.rights.limits.set(key, value)?;
                let mut event = event(EventType::FunctionAltered, &changed);
                event.details = Some(serde_json::json!({ "limit": key.name(), "value": value }));
                session.audit(event)?;
            }
            AlterAction::SetSetting(setting) => {
                let path = own_path(context, setting)?;
                set_path(session, context, &mut changed, path)?;
            }
            AlterAction::ResetSettings => set_path(session, context, &mut changed, None)?,
            AlterAction::OwnerTo(owner) => {
                owner::give_function(context, &mut changed, owner)?;
                let mut event = event(EventType::FunctionAltered, &changed);
                let name = context.catalog.role_by_oid(changed.owner).map(|role| role.name.clone());
                event.details = Some(serde_json::json!({ "owner": name }));
                session.audit(event)?;
            }
            AlterAction::RenameTo(name) => {
                return Err(SqlError::unsupported(format!("renaming a function to {name}"))
                    .detail("The body defines a function of the old name.")
                    .hint("Create the function under its new name and drop the old one."));
            }
        }
    }
    session.last_function = Some(LastFunction::now(changed.oid));
    session.change(vec![Change::PutFunction(changed)])
}

/// A function of LANGUAGE sql runs in no sandbox.
fn refuse_for_sql(function: &Function, action: &AlterAction) -> Result<()> {
    match action {
        AlterAction::Grant(_)
        | AlterAction::Revoke(_)
        | AlterAction::SetPolicy(_)
        | AlterAction::SetLimit(..)
        | AlterAction::SetMode(_)
        | AlterAction::SetStorage(_)
            if function.language == catalog::Language::Sql =>
        {
            Err(SqlError::new(
                SqlState::WrongObjectType,
                format!("function {} is written in SQL and holds no capabilities", function.name),
            )
            .detail("A function of LANGUAGE sql may do what its caller may, or its owner if it is SECURITY DEFINER."))
        }
        AlterAction::Grant(_)
        | AlterAction::Revoke(_)
        | AlterAction::SetPolicy(_)
        | AlterAction::SetLimit(..)
        | AlterAction::SetMode(_)
        | AlterAction::SetStorage(_)
        | AlterAction::SetEnabled(_)
        | AlterAction::SetSetting(_)
        | AlterAction::ResetSettings
        | AlterAction::OwnerTo(_)
        | AlterAction::RenameTo(_) => Ok(()),
    }
}

fn event(event_type: EventType, function: &Function) -> Event {
    let mut event = Event::new(event_type);
    event.function_name = Some(Arc::from(function.name.as_str()));
    event
}

fn grant(session: &Session, context: &StatementContext, function: &mut Function, policy: &Policy, list: &str) -> Result<()> {
    for capability in parse_list(list)? {
        may_grant(context, &capability)?;
        let mut event = event(EventType::CapabilityGranted, function);
        event.capability = Some(Cow::Owned(capability.to_string()));
        if function.rights.grant_by(capability, policy, grantor(context)) {
            session.audit(event)?;
        }
    }
    Ok(())
}

fn revoke(session: &Session, context: &StatementContext, function: &mut Function, policy: &Policy, list: &str) -> Result<()> {
    for capability in parse_list(list)? {
        match function.rights.revoke(&capability, policy) {
            Ok(revocation) => {
                for removed in &revocation.removed {
                    let mut event = event(EventType::CapabilityRevoked, function);
                    event.capability = Some(Cow::Owned(removed.to_string()));
                    session.audit(event)?;
                }
                if !revocation.still_held.is_empty() {
                    let held: Vec<String> = revocation.still_held.iter().map(Capability::to_string).collect();
                    context.notice(Notice::warning(
                        SqlState::Warning,
                        format!(
                            "function {} still holds {}, which allows some of it",
                            function.name,
                            held.join(", ")
                        ),
                    ));
                }
            }
            Err(error) => context.notice(Notice::warning(SqlState::WarningPrivilegeNotRevoked, error.to_string())),
        }
    }
    Ok(())
}

fn set_policy(session: &Session, context: &StatementContext, function: &mut Function, name: &str) -> Result<()> {
    let policy = find_policy(&context.catalog, name)
        .ok_or_else(|| SqlError::new(SqlState::UndefinedObject, format!("security policy \"{name}\" does not exist")))?;
    for capability in &policy.capabilities {
        may_grant(context, capability)?;
    }
    function.rights = Rights::chosen_by(&policy, grantor(context));
    let mut event = event(EventType::PolicyApplied, function);
    event.resource = Some(policy.name.clone());
    session.audit(event)
}

/// Whose privileges bound what is granted, at the grant and ever after; None: a superuser's do not.
fn grantor(context: &StatementContext) -> Option<u32> {
    let role = context.actor.role;
    (!context.catalog.is_superuser(role)).then_some(role)
}

/// The grantor's own rights bound what can be granted: some capabilities are a superuser's to give, and a table's is for who may
/// read or write the table. What a pattern covers later, and what the grantor loses, is asked at each check.
pub(super) fn may_grant(context: &StatementContext, capability: &Capability) -> Result<()> {
    let catalog = &context.catalog;
    let role = context.actor.role;
    if catalog.is_superuser(role) {
        return Ok(());
    }
    if capability.is_superuser_only() {
        return Err(SqlError::new(
            SqlState::InsufficientPrivilege,
            format!("must be superuser to grant capability {capability}"),
        ));
    }
    let (pattern, privileges, words): (&NamePattern, &[Privilege], &str) = match capability {
        Capability::DatabaseRead(pattern) => (pattern, &[Privilege::Select], "SELECT"),
        Capability::DatabaseWrite(pattern) => (
            pattern,
            &[Privilege::Insert, Privilege::Update, Privilege::Delete],
            "INSERT, UPDATE and DELETE",
        ),
        Capability::DatabaseExecute
        | Capability::FileRead(_)
        | Capability::FileWrite(_)
        | Capability::NetworkAccess(_)
        | Capability::EnvAccess
        | Capability::TimeAccess
        | Capability::RandomAccess
        | Capability::CryptoAccess
        | Capability::HttpClient
        | Capability::CallFunction(_) => return Ok(()),
    };
    // A pattern without a schema means other tables along another search path, which neither the grantor nor their function's caller shall
    // choose: it may be given by who holds the privileges on all that it could ever mean.
    let covered = |table: &Table| pattern.matches(&ObjectName::new(&*table.schema, &*table.name, true));
    // Without it nobody reaches the table, whatever privileges on it they hold.
    let reached = |table: &Table| {
        let schema = catalog.schema(&table.schema);
        schema.is_some_and(|schema| catalog.has_schema_privilege(role, schema, Privilege::Usage))
    };
    let held = |table: &Table| {
        let holds = |privilege: &Privilege| catalog.has_table_privilege(role, table, *privilege);
        reached(table) && privileges.iter().all(holds)
    };
    match catalog.tables().find(|table| covered(table) && !held(table)) {
        None => Ok(()),
        Some(table) => {
            let without = match reached(table) {
                true => format!("{words} on it"),
                false => "USAGE of its schema".to_string(),
            };
            let refusal = permission_denied(table.kind.word(), &table.name).detail(format!(
                "Role \"{}\" cannot grant {capability}, which covers {}.{}, without {without}.",
                context.actor.name, table.schema, table.name
            ));
            Err(match qualified(context, capability, pattern, held) {
                Some(qualified) => refusal.hint(format!(
                    "A name without a schema means the tables of that name in every schema. Grant {qualified} instead."
                )),
                None => refusal,
            })
        }
    }
}

/// The capability that means the same tables along the grantor's own search path and names their schema, if there are any that the
/// grantor may give.
fn qualified(
    context: &StatementContext,
    capability: &Capability,
    pattern: &NamePattern,
    held: impl Fn(&Table) -> bool,
) -> Option<Capability> {
    if !pattern.follows_search_path() {
        return None;
    }
    let narrowed = context
        .search_path
        .iter()
        .map(|schema| pattern.in_schema(schema))
        .find(|narrowed| {
            let covered = |table: &&Table| narrowed.matches(&ObjectName::new(&*table.schema, &*table.name, true));
            let mut tables = context.catalog.tables().map(|table| &**table).filter(covered).peekable();
            tables.peek().is_some() && tables.all(&held)
        })?;
    match capability {
        Capability::DatabaseRead(_) => Some(Capability::DatabaseRead(narrowed)),
        Capability::DatabaseWrite(_) => Some(Capability::DatabaseWrite(narrowed)),
        Capability::DatabaseExecute
        | Capability::FileRead(_)
        | Capability::FileWrite(_)
        | Capability::NetworkAccess(_)
        | Capability::EnvAccess
        | Capability::TimeAccess
        | Capability::RandomAccess
        | Capability::CryptoAccess
        | Capability::HttpClient
        | Capability::CallFunction(_) => None,
    }
}

/// What SET of a function means for its search path; no other setting can be a function's.
pub(super) fn own_path(context: &StatementContext, setting: &FunctionSetting) -> Result<Option<Vec<String>>> {
    let Some(info) = crate::settings::info(&setting.name) else {
        return Err(SqlError::new(
            SqlState::UndefinedObject,
            format!("unrecognized configuration parameter \"{}\"", setting.name),
        ));
    };
    if info.name != "search_path" {
        return Err(SqlError::unsupported(format!("setting parameter \"{}\" for a function", info.name))
            .detail("search_path is the one parameter that can be set for a function."));
    }
    Ok(match &setting.value {
        FunctionSettingValue::To(schemas) => Some(schemas.iter().filter(|schema| !schema.is_empty()).cloned().collect()),
        FunctionSettingValue::FromCurrent => Some(context.path_in_force()),
        FunctionSettingValue::Default => None,
    })
}

fn set_path(session: &Session, context: &StatementContext, function: &mut Function, path: Option<Vec<String>>) -> Result<()> {
    let mut changed = function.clone();
    changed.search_path = path;
    may_repoint(context, function, changed.own_path())?;
    let mut event = event(EventType::FunctionAltered, &changed);
    event.details = Some(serde_json::json!({
        "search_path": changed.own_path(),
        "signature": changed.signature(),
        "schema": changed.schema,
    }));
    session.audit(event)?;
    *function = changed;
    Ok(())
}

/// Another search path gives other tables to what a function already holds without a schema: whoever puts it in force has to be one who
/// may grant that.
pub(super) fn may_repoint(context: &StatementContext, function: &Function, path: Option<&[String]>) -> Result<()> {
    if function.own_path() == path {
        return Ok(());
    }
    for held in &context.catalog.effective_rights(function).capabilities {
        let follows = match &held.capability {
            Capability::DatabaseRead(pattern) | Capability::DatabaseWrite(pattern) => pattern.follows_search_path(),
            Capability::DatabaseExecute
            | Capability::FileRead(_)
            | Capability::FileWrite(_)
            | Capability::NetworkAccess(_)
            | Capability::EnvAccess
            | Capability::TimeAccess
            | Capability::RandomAccess
            | Capability::CryptoAccess
            | Capability::HttpClient
            | Capability::CallFunction(_) => false,
        };
        if follows {
            may_grant(context, &held.capability)?;
        }
    }
    Ok(())
}

fn parse_list(list: &str) -> Result<Vec<Capability>> {
    Ok(Capability::parse_list(list)?)
}
