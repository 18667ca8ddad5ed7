//! `DROP FUNCTION`.

use std::sync::Arc;

use audit::{Event, EventType};
use catalog::{Change, Function};
use types::{Notice, Result, SqlError, SqlState, Type};

use super::{complete, must_be_owner};
use crate::bind::{Names, type_names};
use crate::context::StatementContext;
use crate::parse::{DropFunction, FunctionName};
use crate::session::{Outcome, Session};

pub fn run(session: &mut Session, context: &Arc<StatementContext>, drop: &DropFunction) -> Result<Outcome> {
    session.lock_catalog()?;
    for name in &drop.names {
        let context = &session.context(vec![], crate::call::Calls::at(&context.calls))?;
        let function = match find(context, name) {
            Ok(function) => function,
            Err(error) if drop.if_exists && error.state() == SqlState::UndefinedFunction => {
                context.notice(Notice::notice(format!("{}, skipping", error.message())));
                continue;
            }
            Err(error) => return Err(error),
        };
        if !context.catalog.owns(context.actor.role, function.owner) {
            return Err(must_be_owner("function", &function.name));
        }
        drop_one(session, context, &function)?;
    }
    Ok(complete(if drop.procedure { "DROP PROCEDURE" } else { "DROP FUNCTION" }))
}

pub fn drop_one(session: &mut Session, context: &Arc<StatementContext>, function: &Function) -> Result<()> {
    let mut event = Event::new(EventType::FunctionDropped);
    event.function_name = Some(Arc::from(function.name.as_str()));
    event.details = Some(serde_json::json!({ "signature": function.signature(), "schema": function.schema }));
    session.audit(event)?;
    if session.last_function == Some(function.oid) {
        session.last_function = None;
    }
    session.change(vec![
        Change::DropFunction(function.oid),
        Change::OidMark(context.catalog.next_oid()),
    ])
}

/// The function of this name: by its argument types, or the only one where none are given (else 42725).
pub fn find(context: &StatementContext, name: &FunctionName) -> Result<Arc<Function>> {
    let names = Names {
        snapshot: &context.catalog,
        search_path: &context.search_path,
    };
    let candidates = names.functions(name.schema.as_deref(), &name.name);
    match &name.args {
        Some(args) => {
            let types = args
                .iter()
                .map(|ty| Ok(type_names::resolve(ty)?.0))
                .collect::<Result<Vec<Type>>>()?;
            candidates
                .into_iter()
                .find(|function| function.arg_types() == types)
                .ok_or_else(|| {
                    let list: Vec<String> = types.iter().map(Type::to_string).collect();
                    SqlError::new(
                        SqlState::UndefinedFunction,
                        format!("function {}({}) does not exist", name.name, list.join(", ")),
                    )
                })
        }
        None => match candidates.as_slice() {
            [] => Err(SqlError::new(
                SqlState::UndefinedFunction,
                format!("could not find a function named \"{}\"", name.name),
            )),
            [only] => Ok(only.clone()),
            _ => Err(SqlError::new(
                SqlState::AmbiguousFunction,
                format!("function name \"{}\" is not unique", name.name),
            )
            .hint("Specify the argument list to select the function unambiguously.")),
        },
    }
}
