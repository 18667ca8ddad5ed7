//! `DROP FUNCTION`.

use std::sync::Arc;

use audit::{Event, EventType};
use catalog::{Change, Function, Table};
use types::{Notice, Result, SqlError, SqlState, Type};

use super::{complete, must_be_owner};
use crate::bind::{Names, type_names};
use crate::context::StatementContext;
use crate::parse::{DropFunction, FunctionName, RoutineKind};
use crate::session::{Outcome, Session};

pub fn run(session: &mut Session, context: &Arc<StatementContext>, drop: &DropFunction) -> Result<Outcome> {
    // Nobody waits for who may drop nothing.
    let mut any = false;
    for name in &drop.names {
        any |= droppable(context, drop, name)?.is_some();
    }
    if any {
        session.lock_catalog()?;
    }
    for name in &drop.names {
        let context = &session.context(vec![], crate::call::Calls::at(&context.calls))?;
        let Some(function) = droppable(context, drop, name)? else {
            let list = match &name.args {
                None => String::new(),
                Some(args) => args.iter().map(|ty| ty.to_string().to_lowercase()).collect::<Vec<_>>().join(","),
            };
            let word = drop.kind.word();
            context.notice(Notice::notice(format!("{word} {}({list}) does not exist, skipping", name.name)));
            continue;
        };
        if !any {
            // It has come meanwhile.
            session.lock_catalog()?;
        }
        drop_dependents(context, &function, drop.cascade)?;
        drop_one(context, &function)?;
        if session.last_function.is_some_and(|last| last.oid == function.oid) {
            session.last_function = None;
        }
    }
    Ok(complete(match drop.kind {
        RoutineKind::Function => "DROP FUNCTION",
        RoutineKind::Procedure => "DROP PROCEDURE",
        RoutineKind::Aggregate => "DROP AGGREGATE",
        RoutineKind::Routine => "DROP ROUTINE",
    }))
}

/// The function that a name means, which the actor may drop; None where there is none and that is no error.
fn droppable(context: &StatementContext, drop: &DropFunction, name: &FunctionName) -> Result<Option<Arc<Function>>> {
    let function = match find(context, name, drop.kind) {
        Ok(function) => function,
        Err(error) if drop.if_exists && error.state() == SqlState::UndefinedFunction => return Ok(None),
        Err(error) => return Err(error),
    };
    // The owner of the schema may clear it.
    let schema_owner = context
        .catalog
        .schema(&function.schema)
        .map_or(function.owner, |schema| schema.owner);
    match [function.owner, schema_owner]
        .iter()
        .any(|owner| context.catalog.owns(context.actor.role, *owner))
    {
        true => Ok(Some(function)),
        false => Err(must_be_owner(function.kind(), &function.name)),
    }
}

/// The triggers and stored expressions that call the function, and the aggregates that are made of it.
pub fn drop_dependents(context: &Arc<StatementContext>, function: &Function, cascade: bool) -> Result<()> {
    let depends = |aggregate: &catalog::Aggregate| aggregate.transition == function.oid || aggregate.finalizer == Some(function.oid);
    let aggregates: Vec<Arc<Function>> = context
        .catalog
        .functions()
        .filter(|other| other.aggregate.as_ref().is_some_and(depends))
        .cloned()
        .collect();
    for aggregate in aggregates {
        if !cascade {
            return Err(SqlError::new(
                SqlState::DependentObjectsStillExist,
                format!("cannot drop function {} because other objects depend on it", function.signature()),
            )
            .detail(format!(
                "function {} depends on function {}",
                aggregate.signature(),
                function.signature()
            ))
            .hint("Use DROP ... CASCADE to drop the dependent objects too."));
        }
        context.notice(Notice::notice(format!("drop cascades to function {}", aggregate.signature())));
        super::drop_callers::drop_callers(context, &aggregate, true)?;
        drop_one(&context.renewed(), &aggregate)?;
    }
    super::drop_callers::drop_callers(context, function, cascade)?;
    super::audit_trigger::drop_dependents(context, function, cascade)?;
    // A trigger may have gone for its condition.
    let context = &context.renewed();
    let tables: Vec<Arc<Table>> = context.catalog.user_tables().cloned().collect();
    for table in tables {
        for trigger in table.triggers.iter().filter(|trigger| trigger.function == function.oid) {
            if !cascade {
                return Err(SqlError::new(
                    SqlState::DependentObjectsStillExist,
                    format!("cannot drop function {} because other objects depend on it", function.signature()),
                )
                .detail(format!(
                    "trigger {} on table {} depends on function {}",
                    trigger.name,
                    table.name,
                    function.signature()
                ))
                .hint("Use DROP ... CASCADE to drop the dependent objects too."));
            }
            context.notice(Notice::notice(format!(
                "drop cascades to trigger {} on table {}",
                trigger.name, table.name
            )));
        }
        if table.triggers.iter().any(|trigger| trigger.function == function.oid) {
            super::trigger::change(context, &table, |triggers| {
                triggers.retain(|trigger| trigger.function != function.oid);
            })?;
        }
    }
    Ok(())
}

pub fn drop_one(context: &Arc<StatementContext>, function: &Function) -> Result<()> {
    let mut event = Event::new(EventType::FunctionDropped);
    event.function_name = Some(Arc::from(function.name.as_str()));
    event.details = Some(serde_json::json!({ "signature": function.signature(), "schema": function.schema }));
    context.lock_function(function.oid)?;
    context.audit(event)?;
    crate::call::forget_storage(&context.txn, function.oid)?;
    context.change(vec![
        Change::DropFunction(function.oid),
        Change::OidMark(context.catalog.next_oid()),
    ])
}

/// The routine of this name and kind: by its argument types, or the only one where none are given (else 42725).
pub fn find(context: &StatementContext, name: &FunctionName, kind: RoutineKind) -> Result<Arc<Function>> {
    let names = Names {
        snapshot: &context.catalog,
        search_path: &context.search_path,
    };
    let candidates = names.functions(name.schema.as_deref(), &name.name);
    let word = kind.word();
    let is_kind = |function: &Function| match kind {
        RoutineKind::Function => function.kind() == "function",
        RoutineKind::Procedure => function.kind() == "procedure",
        RoutineKind::Aggregate => function.kind() == "aggregate",
        RoutineKind::Routine => true,
    };
    match &name.args {
        Some(args) => {
            let types = args
                .iter()
                .map(|ty| Ok(type_names::resolve(ty)?.0))
                .collect::<Result<Vec<Type>>>()?;
            let list: Vec<String> = types.iter().map(Type::to_string).collect();
            let signature = format!("{}({})", name.name, list.join(", "));
            let found = candidates
                .into_iter()
                .find(|function| function.arg_types() == types)
                .ok_or_else(|| SqlError::new(SqlState::UndefinedFunction, format!("{word} {signature} does not exist")))?;
            match is_kind(&found) {
                true => Ok(found),
                false if found.aggregate.is_some() => Err(SqlError::new(
                    SqlState::WrongObjectType,
                    format!("\"{}\" is an aggregate function", found.name),
                )
                .hint("Use DROP AGGREGATE to drop aggregate functions.")),
                false if kind == RoutineKind::Aggregate => Err(SqlError::new(
                    SqlState::WrongObjectType,
                    format!("function {signature} is not an aggregate"),
                )),
                false => Err(SqlError::new(SqlState::WrongObjectType, format!("{signature} is not a {word}"))),
            }
        }
        None => {
            let mut of_kind = candidates.into_iter().filter(|function| is_kind(function));
            match (of_kind.next(), of_kind.next()) {
                (None, _) => Err(SqlError::new(
                    SqlState::UndefinedFunction,
                    format!("could not find a {word} named \"{}\"", name.name),
                )),
                (Some(only), None) => Ok(only),
                (Some(_), Some(_)) => Err(SqlError::new(
                    SqlState::AmbiguousFunction,
                    format!("{word} name \"{}\" is not unique", name.name),
                )
                .hint(format!("Specify the argument list to select the {word} unambiguously."))),
            }
        }
    }
}
