//! Triggers on `heliosdb.audit_log`: CREATE, DROP, and ALTER TABLE ... ENABLE | DISABLE TRIGGER. A superuser's, because they see the
//! whole log and act with their owner's rights; each is recorded, because who silences an alarm is to be known.

use std::sync::Arc;

use audit::{Event, EventType};
use catalog::{AuditAction, AuditTrigger, Change, Function, Role, Table, TriggerEvent, TriggerLevel};
use sqlparser::ast;
use types::{Notice, Result, SqlError, SqlState};

use super::complete;
use super::trigger::{function_named, switches, table_named, undefined};
use crate::alerts::body;
use crate::context::StatementContext;
use crate::parse::{CreateTrigger, DropTrigger, TriggerAction, TriggerTiming, check_trigger_body, fold};
use crate::session::{Outcome, Session};
use crate::trigger::Condition;

/// Whether a name means the audit log.
pub fn is_audit_log(context: &StatementContext, name: &(Option<String>, String)) -> bool {
    table_named(context, name).is_ok_and(|table| table.oid == catalog::heliosdb::AUDIT_LOG_OID)
}

pub fn create(session: &mut Session, context: &Arc<StatementContext>, create: &CreateTrigger) -> Result<Outcome> {
    must_be_superuser(context, "create")?;
    action(context, create)?;
    if let TriggerAction::Body { ended: false, .. } = &create.action {
        session.begin_trigger(create);
        return Ok(Outcome::Empty);
    }
    context.lock_catalog()?;
    let context = &context.renewed();
    let action = action(context, create)?;
    let existing = context.catalog.audit_trigger(&create.name);
    if existing.is_some() && !create.or_replace {
        return Err(SqlError::new(
            SqlState::DuplicateObject,
            format!("trigger \"{}\" for relation \"audit_log\" already exists", create.name),
        ));
    }
    let mut trigger = AuditTrigger {
        oid: existing.map_or_else(|| context.catalog.next_oid(), |old| old.oid),
        name: create.name.clone(),
        owner: context.actor.role,
        search_path: context.search_path.clone(),
        condition: create.condition.clone(),
        action,
        enabled: true,
        since: 0,
        comment: existing.and_then(|old| old.comment.clone()),
    };
    let event_type = match existing {
        Some(_) => EventType::TriggerAltered,
        None => EventType::TriggerCreated,
    };
    record(context, event_type, &trigger)?;
    // One that was there goes on where it was; a new one begins after its own creation.
    trigger.since = match existing {
        Some(old) if old.enabled => old.since,
        Some(_) | None => context.db.audit.next_id(),
    };
    context.change(vec![Change::PutAuditTrigger(trigger), Change::OidMark(context.catalog.next_oid())])?;
    Ok(complete("CREATE TRIGGER"))
}

/// Everything that can be wrong with it, and what it does.
fn action(context: &StatementContext, create: &CreateTrigger) -> Result<AuditAction> {
    let kind = (create.timing, create.events.as_slice(), create.level);
    if kind != (TriggerTiming::After, &[TriggerEvent::Insert], TriggerLevel::Row) {
        return Err(
            SqlError::unsupported("a trigger on heliosdb.audit_log that is not AFTER INSERT ... FOR EACH ROW")
                .detail("The server alone adds rows to the audit log, and nobody changes or removes any."),
        );
    }
    let log = table_named(context, &create.table)?;
    if let Some(condition) = &create.condition {
        let (_, old) = Condition::bind(context, &log, condition, &context.search_path)?.uses();
        if old {
            return Err(SqlError::new(
                SqlState::InvalidObjectDefinition,
                "INSERT trigger's WHEN condition cannot reference OLD values",
            ));
        }
    }
    match &create.action {
        TriggerAction::Body { statements, .. } => {
            check_trigger_body(statements)?;
            for statement in statements {
                body::bind(context, &log, statement, None)?;
            }
            Ok(AuditAction::Body(statements.clone()))
        }
        TriggerAction::Function { name, args } => {
            let function = function_named(context, name)?;
            must_be_superusers(context, &function)?;
            Ok(AuditAction::Function {
                oid: function.oid,
                args: args.clone(),
            })
        }
    }
}

/// Whoever owns the function decides what it does, and the trigger lends it a superuser's powers and sight of the log. Asked when
/// the trigger is made and at each firing, because owners change.
pub fn must_be_superusers(context: &StatementContext, function: &Function) -> Result<()> {
    if context.catalog.is_superuser(function.owner) {
        return Ok(());
    }
    Err(SqlError::new(
        SqlState::InsufficientPrivilege,
        format!(
            "function {} cannot be executed by a trigger on heliosdb.audit_log",
            function.signature()
        ),
    )
    .detail("The owner of such a trigger's function must be a superuser."))
}

pub fn drop(context: &Arc<StatementContext>, drop: &DropTrigger) -> Result<Outcome> {
    must_be_superuser(context, "drop")?;
    context.lock_catalog()?;
    let context = &context.renewed();
    let log = table_named(context, &drop.table)?;
    match context.catalog.audit_trigger(&drop.name) {
        Some(trigger) => drop_one(context, trigger)?,
        None if drop.if_exists => context.notice(Notice::notice(format!(
            "trigger \"{}\" for relation \"{}\" does not exist, skipping",
            drop.name, log.name
        ))),
        None => return Err(undefined(&drop.name, &log)),
    }
    Ok(complete("DROP TRIGGER"))
}

fn drop_one(context: &StatementContext, trigger: &AuditTrigger) -> Result<()> {
    record(context, EventType::TriggerDropped, trigger)?;
    context.change(vec![
        Change::DropAuditTrigger(trigger.oid),
        Change::OidMark(context.catalog.next_oid()),
    ])
}

/// Those that execute a function which is to be dropped.
pub fn drop_dependents(context: &Arc<StatementContext>, function: &Function, cascade: bool) -> Result<()> {
    let triggers: Vec<Arc<AuditTrigger>> = context
        .catalog
        .audit_triggers()
        .into_iter()
        .filter(|trigger| trigger.function() == Some(function.oid))
        .cloned()
        .collect();
    for trigger in triggers {
        if !cascade {
            return Err(SqlError::new(
                SqlState::DependentObjectsStillExist,
                format!("cannot drop function {} because other objects depend on it", function.signature()),
            )
            .detail(format!(
                "trigger {} on table heliosdb.audit_log depends on function {}",
                trigger.name,
                function.signature()
            ))
            .hint("Use DROP ... CASCADE to drop the dependent objects too."));
        }
        // The function is its owner's, the trigger a superuser's.
        must_be_superuser(context, "drop")?;
        context.notice(Notice::notice(format!(
            "drop cascades to trigger {} on table heliosdb.audit_log",
            trigger.name
        )));
        drop_one(context, &trigger)?;
    }
    Ok(())
}

/// REASSIGN OWNED: those of some roles become another's, who has to be a superuser.
pub fn reassign(context: &StatementContext, from: &[Arc<Role>], to: &Role) -> Result<()> {
    for trigger in owned(context, from) {
        must_be_superuser(context, "alter")?;
        if !to.superuser {
            return Err(SqlError::new(
                SqlState::InsufficientPrivilege,
                format!("role \"{}\" cannot own trigger \"{}\" on heliosdb.audit_log", to.name, trigger.name),
            )
            .detail("Triggers on the audit log belong to superusers."));
        }
        let mut trigger = AuditTrigger::clone(&trigger);
        trigger.owner = to.oid;
        record(context, EventType::TriggerAltered, &trigger)?;
        context.change(vec![Change::PutAuditTrigger(trigger)])?;
    }
    Ok(())
}

/// DROP OWNED.
pub fn drop_owned(context: &StatementContext, roles: &[Arc<Role>]) -> Result<()> {
    for trigger in owned(context, roles) {
        must_be_superuser(context, "drop")?;
        drop_one(context, &trigger)?;
    }
    Ok(())
}

fn owned(context: &StatementContext, roles: &[Arc<Role>]) -> Vec<Arc<AuditTrigger>> {
    let catalog = context.renewed().catalog.clone();
    let triggers = catalog.audit_triggers().into_iter();
    triggers
        .filter(|trigger| roles.iter().any(|role| role.oid == trigger.owner))
        .cloned()
        .collect()
}

pub fn switch(context: &Arc<StatementContext>, alter: &ast::AlterTable) -> Result<Outcome> {
    must_be_superuser(context, "alter")?;
    context.lock_catalog()?;
    let context = &context.renewed();
    let log: Arc<Table> = table_named(context, &crate::parse::object_name(&alter.name)?)?;
    for (ident, enabled) in switches(alter).unwrap_or_default() {
        let name = fold(ident);
        let all = ident.quote_style.is_none() && matches!(name.as_str(), "all" | "user");
        if !all && context.catalog.audit_trigger(&name).is_none() {
            return Err(undefined(&name, &log));
        }
        let catalog = context.renewed().catalog.clone();
        let switched = catalog
            .audit_triggers()
            .into_iter()
            .filter(|trigger| (all || trigger.name == name) && trigger.enabled != enabled);
        for trigger in switched {
            let mut trigger = AuditTrigger::clone(trigger);
            trigger.enabled = enabled;
            record(context, EventType::TriggerAltered, &trigger)?;
            if enabled {
                // What was recorded while it was off does not fire it.
                trigger.since = context.db.audit.next_id();
            }
            context.change(vec![Change::PutAuditTrigger(trigger)])?;
        }
    }
    Ok(complete("ALTER TABLE"))
}

fn must_be_superuser(context: &StatementContext, verb: &str) -> Result<()> {
    crate::system::refuse_in_function(context, &format!("{verb} a trigger on the audit log"))?;
    if context.catalog.is_superuser(context.actor.role) {
        return Ok(());
    }
    Err(SqlError::new(
        SqlState::InsufficientPrivilege,
        format!("permission denied to {verb} trigger on heliosdb.audit_log"),
    )
    .hint(format!("Must be superuser to {verb} a trigger on the audit log.")))
}

fn record(context: &StatementContext, event_type: EventType, trigger: &AuditTrigger) -> Result<()> {
    let owner = context.catalog.role_by_oid(trigger.owner);
    let mut event = Event::new(event_type);
    event.resource = Some(trigger.name.clone());
    event.details = Some(serde_json::json!({
        "table": "heliosdb.audit_log",
        "condition": trigger.condition,
        "action": trigger.action,
        "enabled": trigger.enabled,
        "owner": owner.map(|owner| owner.name.as_str()),
    }));
    context.audit(event)
}
