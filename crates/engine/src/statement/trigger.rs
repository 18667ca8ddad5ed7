//! `CREATE TRIGGER`, `DROP TRIGGER`, `ALTER TABLE ... ENABLE | DISABLE TRIGGER`.

use std::sync::Arc;

use catalog::{Change, Function, Privilege, Returns, Table, TableKind, Trigger, TriggerEvent, TriggerLevel, TriggerTiming};
use sqlparser::ast::{self, AlterTableOperation};
use types::{Notice, Result, SqlError, SqlState};

use super::{audit_trigger, complete, must_be_owner, permission_denied};
use crate::bind::{Names, undefined_function};
use crate::context::StatementContext;
use crate::parse::{CreateTrigger, DropTrigger, TriggerAction, TriggerTiming as WrittenTiming, fold, object_name};
use crate::session::{Outcome, Session};
use crate::trigger::Condition;

pub fn create(session: &mut Session, context: &Arc<StatementContext>, create: &CreateTrigger) -> Result<Outcome> {
    if audit_trigger::is_audit_log(context, &create.table) {
        return audit_trigger::create(session, context, create);
    }
    let TriggerAction::Function { name: function, args } = &create.action else {
        return Err(SqlError::unsupported("a body of a trigger on anything but heliosdb.audit_log").hint("Use EXECUTE FUNCTION."));
    };
    may_create(context, create)?;
    session.lock_catalog()?;
    let context = &session.context(vec![], crate::call::Calls::at(&context.calls))?;
    let table = may_create(context, create)?;
    let kind = match (&table.kind, create.timing) {
        (TableKind::Table, WrittenTiming::Before) => TriggerTiming::Before,
        (TableKind::Table, WrittenTiming::After) => TriggerTiming::After,
        (TableKind::Table, WrittenTiming::InsteadOf) => {
            return Err(wrong_type(&table, "is a table").detail("Tables cannot have INSTEAD OF triggers."));
        }
        (TableKind::View { .. }, WrittenTiming::InsteadOf) => return Err(SqlError::unsupported("INSTEAD OF triggers")),
        (TableKind::View { .. }, WrittenTiming::Before | WrittenTiming::After) => {
            return Err(wrong_type(&table, "is a view").detail("Views cannot have row-level BEFORE or AFTER triggers."));
        }
        (TableKind::System(_), _) => return Err(crate::bind::dml::system_table_error(&table)),
        (TableKind::Sequence(_), _) => {
            return Err(SqlError::new(
                SqlState::WrongObjectType,
                format!("relation \"{}\" cannot have triggers", table.name),
            )
            .detail("This operation is not supported for sequences."));
        }
    };
    let mut columns = vec![];
    for name in &create.columns {
        let index = table.column_index(name).ok_or_else(|| {
            SqlError::new(
                SqlState::UndefinedColumn,
                format!("column \"{name}\" of relation \"{}\" does not exist", table.name),
            )
        })?;
        if columns.contains(&index) {
            return Err(SqlError::new(
                SqlState::DuplicateColumn,
                format!("column \"{name}\" specified more than once"),
            ));
        }
        columns.push(index);
    }
    if let Some(condition) = &create.condition {
        check_condition(context, &table, create, condition)?;
    }
    let function = function_named(context, function)?;
    let existing = table.triggers.iter().find(|trigger| trigger.name == create.name);
    if existing.is_some() && !create.or_replace {
        return Err(SqlError::new(
            SqlState::DuplicateObject,
            format!("trigger \"{}\" for relation \"{}\" already exists", create.name, table.name),
        ));
    }
    let trigger = Trigger {
        oid: existing.map_or_else(|| context.catalog.next_oid(), |old| old.oid),
        name: create.name.clone(),
        timing: kind,
        level: create.level,
        events: create.events.clone(),
        columns,
        condition: create.condition.clone(),
        search_path: context.search_path.clone(),
        function: function.oid,
        args: args.clone(),
        enabled: true,
        comment: existing.and_then(|old| old.comment.clone()),
    };
    change(context, &table, |triggers| {
        triggers.retain(|other| other.name != trigger.name);
        triggers.push(trigger);
        triggers.sort_by(|a, b| a.name.cmp(&b.name));
    })?;
    Ok(complete("CREATE TRIGGER"))
}

/// The table, which the actor may give triggers.
fn may_create(context: &StatementContext, create: &CreateTrigger) -> Result<Arc<Table>> {
    let table = table_named(context, &create.table)?;
    let refused = matches!(table.kind, TableKind::Table | TableKind::View { .. })
        && !context.catalog.has_table_privilege(context.actor.role, &table, Privilege::Trigger);
    match refused {
        true => Err(permission_denied("table", &table.name)),
        false => Ok(table),
    }
}

fn check_condition(context: &StatementContext, table: &Arc<Table>, create: &CreateTrigger, text: &str) -> Result<()> {
    let condition = Condition::bind(context, table, text, &context.search_path)?;
    let (new, old) = condition.uses();
    let invalid = |message: &str| Err(SqlError::new(SqlState::InvalidObjectDefinition, message.to_string()));
    if create.level == TriggerLevel::Statement && (new || old) {
        return invalid("statement trigger's WHEN condition cannot reference column values");
    }
    if old && create.events.contains(&TriggerEvent::Insert) {
        return invalid("INSERT trigger's WHEN condition cannot reference OLD values");
    }
    if new && create.events.contains(&TriggerEvent::Delete) {
        return invalid("DELETE trigger's WHEN condition cannot reference NEW values");
    }
    Ok(())
}

/// A function for a trigger, which the actor may call.
pub fn function_named(context: &StatementContext, (schema, name): &(Option<String>, String)) -> Result<Arc<Function>> {
    let names = Names {
        snapshot: &context.catalog,
        search_path: &context.search_path,
    };
    let function = names
        .functions(schema.as_deref(), name)
        .into_iter()
        .find(|function| function.args.is_empty() && !function.is_procedure)
        .ok_or_else(|| undefined_function(schema.as_deref(), name, &[]))?;
    if function.returns != Returns::Trigger {
        return Err(SqlError::new(
            SqlState::InvalidObjectDefinition,
            format!("function {name} must return type trigger"),
        ));
    }
    if !context.catalog.has_function_privilege(context.actor.role, &function) {
        return Err(permission_denied("function", name));
    }
    Ok(function)
}

pub fn drop(session: &mut Session, context: &Arc<StatementContext>, drop: &DropTrigger) -> Result<Outcome> {
    if audit_trigger::is_audit_log(context, &drop.table) {
        return audit_trigger::drop(context, drop);
    }
    if droppable(context, drop)?.is_some() {
        session.lock_catalog()?;
    }
    let context = &session.context(vec![], crate::call::Calls::at(&context.calls))?;
    if let Some(table) = droppable(context, drop)? {
        session.lock_catalog()?;
        change(context, &table, |triggers| triggers.retain(|trigger| trigger.name != drop.name))?;
        return Ok(complete("DROP TRIGGER"));
    }
    context.notice(Notice::notice(match table_named(context, &drop.table) {
        Err(error) => format!("{}, skipping", error.message()),
        Ok(table) => format!("trigger \"{}\" for relation \"{}\" does not exist, skipping", drop.name, table.name),
    }));
    Ok(complete("DROP TRIGGER"))
}

/// The table with the trigger, whose owner the actor is; None where there is no such trigger and that is no error.
fn droppable(context: &StatementContext, drop: &DropTrigger) -> Result<Option<Arc<Table>>> {
    let table = match table_named(context, &drop.table) {
        Err(error) if drop.if_exists && error.state() == SqlState::UndefinedTable => return Ok(None),
        found => found?,
    };
    if !table.triggers.iter().any(|trigger| trigger.name == drop.name) {
        return match drop.if_exists {
            true => Ok(None),
            false => Err(undefined(&drop.name, &table)),
        };
    }
    match context.catalog.owns(context.actor.role, table.owner) {
        true => Ok(Some(table)),
        false => Err(must_be_owner("relation", &table.name)),
    }
}

/// The triggers that an ALTER TABLE switches on or off, if that is all that it does.
pub fn switches(alter: &ast::AlterTable) -> Option<Vec<(&ast::Ident, bool)>> {
    alter
        .operations
        .iter()
        .map(|operation| match operation {
            AlterTableOperation::EnableTrigger { name } => Some((name, true)),
            AlterTableOperation::DisableTrigger { name } => Some((name, false)),
            _ => None,
        })
        .collect()
}

pub fn switch(session: &mut Session, context: &Arc<StatementContext>, alter: &ast::AlterTable) -> Result<Outcome> {
    let name = object_name(&alter.name)?;
    if audit_trigger::is_audit_log(context, &name) {
        return audit_trigger::switch(context, alter);
    }
    let owned = |context: &StatementContext| {
        let table = table_named(context, &name)?;
        match table.kind {
            TableKind::System(_) => Err(crate::bind::dml::system_table_error(&table)),
            TableKind::Table | TableKind::View { .. } | TableKind::Sequence(_)
                if !context.catalog.owns(context.actor.role, table.owner) =>
            {
                Err(must_be_owner("table", &table.name))
            }
            TableKind::Table | TableKind::View { .. } | TableKind::Sequence(_) => Ok(table),
        }
    };
    owned(context)?;
    session.lock_catalog()?;
    let context = &session.context(vec![], crate::call::Calls::at(&context.calls))?;
    let table = owned(context)?;
    let mut triggers = table.triggers.clone();
    for (ident, enabled) in switches(alter).unwrap_or_default() {
        let name = fold(ident);
        let all = ident.quote_style.is_none() && matches!(name.as_str(), "all" | "user");
        if !all && !triggers.iter().any(|trigger| trigger.name == name) {
            return Err(undefined(&name, &table));
        }
        for trigger in triggers.iter_mut().filter(|trigger| all || trigger.name == name) {
            trigger.enabled = enabled;
        }
    }
    change(context, &table, |all| *all = triggers)?;
    Ok(complete("ALTER TABLE"))
}

/// Writes a table's triggers, once no statement is at work on it.
pub fn change(context: &StatementContext, table: &Table, edit: impl FnOnce(&mut Vec<Trigger>)) -> Result<()> {
    context.lock_definition(table, "ALTER TABLE")?;
    // Privileges may have been granted and revoked while this waited.
    let mut changed = Table::clone(context.renewed().catalog.table_by_oid(table.oid).map_or(table, |now| now));
    changed.version += 1;
    edit(&mut changed.triggers);
    context.change(vec![Change::PutTable(changed), Change::OidMark(context.catalog.next_oid())])
}

pub fn table_named(context: &StatementContext, (schema, name): &(Option<String>, String)) -> Result<Arc<Table>> {
    Names {
        snapshot: &context.catalog,
        search_path: &context.search_path,
    }
    .table(schema.as_deref(), name)
}

fn wrong_type(table: &Table, what: &str) -> SqlError {
    SqlError::new(SqlState::WrongObjectType, format!("\"{}\" {what}", table.name))
}

pub fn undefined(name: &str, table: &Table) -> SqlError {
    SqlError::new(
        SqlState::UndefinedObject,
        format!("trigger \"{name}\" for table \"{}\" does not exist", table.name),
    )
}
