//! `CREATE`, `ALTER` and `DROP SECURITY POLICY`: a superuser's, because a policy's content is what all its functions may do.

use std::sync::Arc;

use audit::{Event, EventType};
use catalog::{Change, SecurityPolicy};
use policy::{Definition, Policy};
use types::{Notice, Result, SqlError, SqlState};

use super::complete;
use crate::context::StatementContext;
use crate::parse::{DefinitionText, PolicyStatement};
use crate::session::{Outcome, Session};

pub fn run(session: &mut Session, context: &Arc<StatementContext>, statement: &PolicyStatement) -> Result<Outcome> {
    let may = |context: &StatementContext| {
        must_be_superuser(
            context,
            match statement {
                PolicyStatement::Create { .. } => "create",
                PolicyStatement::Alter { .. } => "alter",
                PolicyStatement::Drop { .. } => "drop",
            },
        )
    };
    may(context)?;
    session.lock_catalog()?;
    let context = &session.context(vec![], crate::call::Calls::at(&context.calls))?;
    may(context)?;
    match statement {
        PolicyStatement::Create {
            or_replace,
            name,
            definition,
        } => {
            create(session, context, name, definition, *or_replace)?;
            Ok(complete("CREATE SECURITY POLICY"))
        }
        PolicyStatement::Alter { name, definition } => {
            alter(session, context, name, definition)?;
            Ok(complete("ALTER SECURITY POLICY"))
        }
        PolicyStatement::Drop { if_exists, names } => {
            for name in names {
                let context = &session.context(vec![], crate::call::Calls::at(&context.calls))?;
                drop_one(session, context, name, *if_exists)?;
            }
            Ok(complete("DROP SECURITY POLICY"))
        }
    }
}

fn create(session: &mut Session, context: &StatementContext, name: &str, definition: &DefinitionText, or_replace: bool) -> Result<()> {
    let policy = Policy::new(name, read(definition)?)?;
    let (oid, event_type) = match context.catalog.policy(name) {
        Some(existing) if or_replace => (existing.oid, EventType::PolicyAltered),
        Some(_) => {
            return Err(SqlError::new(
                SqlState::DuplicateObject,
                format!("security policy \"{name}\" already exists"),
            ));
        }
        None => (context.catalog.next_oid(), EventType::PolicyCreated),
    };
    session.audit(event(event_type, &policy))?;
    session.change(vec![Change::PutPolicy(SecurityPolicy {
        oid,
        owner: context.actor.role,
        policy,
    })])
}

fn alter(session: &mut Session, context: &StatementContext, name: &str, definition: &DefinitionText) -> Result<()> {
    let mut changed = SecurityPolicy::clone(find(context, name)?);
    refuse_predefined(name, "altered")?;
    changed.policy.alter(read(definition)?);
    session.audit(event(EventType::PolicyAltered, &changed.policy))?;
    session.change(vec![Change::PutPolicy(changed)])
}

fn drop_one(session: &mut Session, context: &StatementContext, name: &str, if_exists: bool) -> Result<()> {
    if if_exists && context.catalog.policy(name).is_none() {
        context.notice(Notice::notice(format!("security policy \"{name}\" does not exist, skipping")));
        return Ok(());
    }
    let stored = find(context, name)?;
    refuse_predefined(name, "dropped")?;
    let mut users: Vec<String> = context
        .catalog
        .functions_with_policy(&stored.policy.name)
        .map(|function| format!("function {} uses security policy {name}", function.signature()))
        .collect();
    users.sort();
    if !users.is_empty() {
        return Err(SqlError::new(
            SqlState::DependentObjectsStillExist,
            format!("cannot drop security policy {name} because other objects depend on it"),
        )
        .detail(users.join("\n"))
        .hint("Give those functions another policy first: ALTER FUNCTION ... SET SECURITY POLICY ..."));
    }
    session.audit(event(EventType::PolicyDropped, &stored.policy))?;
    session.change(vec![Change::DropPolicy(stored.oid), Change::OidMark(context.catalog.next_oid())])
}

fn find<'c>(context: &'c StatementContext, name: &str) -> Result<&'c Arc<SecurityPolicy>> {
    context
        .catalog
        .policy(name)
        .ok_or_else(|| SqlError::new(SqlState::UndefinedObject, format!("security policy \"{name}\" does not exist")))
}

fn refuse_predefined(name: &str, done: &str) -> Result<()> {
    match Policy::predefined(name) {
        Some(policy) => Err(SqlError::new(
            SqlState::ObjectNotInPrerequisiteState,
            format!("security policy {} is predefined and cannot be {done}", policy.name),
        )),
        None => Ok(()),
    }
}

fn must_be_superuser(context: &StatementContext, verb: &str) -> Result<()> {
    if context.catalog.is_superuser(context.actor.role) {
        return Ok(());
    }
    Err(SqlError::new(
        SqlState::InsufficientPrivilege,
        format!("permission denied to {verb} security policy"),
    )
    .hint(format!("Must be superuser to {verb} a security policy.")))
}

/// The definition's own errors stand at a byte of its text; the client wants a character of the statement.
fn read(definition: &DefinitionText) -> Result<Definition> {
    Definition::parse(&definition.text).map_err(|located| {
        let before = definition.text.get(..located.at).map_or(0, |text| text.chars().count());
        let error = SqlError::from(located);
        match definition.position {
            Some(start) => error.position(start + before),
            None => error,
        }
    })
}

/// A policy's whole content goes into the log: it is what an auditor wants to see of a change.
fn event(event_type: EventType, policy: &Policy) -> Event {
    let mut event = Event::new(event_type);
    event.resource = Some(policy.name.clone());
    event.details = serde_json::to_value(policy).ok();
    event
}
