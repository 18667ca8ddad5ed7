//! `CREATE AGGREGATE`: an aggregate out of functions of any language.

use std::sync::Arc;

use audit::{Event, EventType};
use catalog::{Aggregate, Argument, Change, Function, Language, Returns, Volatility};
use policy::Rights;
use types::{Datum, NO_TYPMOD, Result, SqlError, SqlState, Type};

use super::create_function::value_type;
use super::{complete, creation_schema, must_be_owner, permission_denied};
use crate::bind::{Names, undefined_function};
use crate::context::StatementContext;
use crate::parse::CreateAggregate;
use crate::session::{Outcome, Session};

pub fn run(session: &mut Session, context: &Arc<StatementContext>, create: &CreateAggregate) -> Result<Outcome> {
    creation_schema(context, create.schema.as_deref())?;
    session.lock_catalog()?;
    let context = &session.context(vec![], crate::call::Calls::at(&context.calls))?;
    let schema = creation_schema(context, create.schema.as_deref())?;
    let new = describe(context, create, schema)?;
    let function = match context.catalog.function(&new.schema, &new.name, &new.arg_types()).cloned() {
        None => new,
        Some(old) => {
            replace(context, create, &old, new.clone())?;
            context.lock_function(old.oid)?;
            let old = context.newest_catalog().function_by_oid(old.oid).cloned().unwrap_or(old);
            replace(context, create, &old, new)?
        }
    };
    let mut event = Event::new(if function.version == 1 {
        EventType::FunctionCreated
    } else {
        EventType::FunctionAltered
    });
    event.function_name = Some(Arc::from(function.name.as_str()));
    event.details = Some(serde_json::json!({
        "signature": function.signature(),
        "schema": function.schema,
        "kind": function.kind(),
    }));
    session.audit(event)?;
    session.change(vec![Change::PutFunction(function)])?;
    Ok(complete("CREATE AGGREGATE"))
}

fn describe(context: &StatementContext, create: &CreateAggregate, schema: String) -> Result<Function> {
    let invalid = |message: &str| SqlError::new(SqlState::InvalidFunctionDefinition, message.to_string());
    let transition = create
        .transition
        .as_ref()
        .ok_or_else(|| invalid("aggregate sfunc must be specified"))?;
    let state = create.state.as_ref().ok_or_else(|| invalid("aggregate stype must be specified"))?;
    let state = value_type(state)?;
    let mut args = vec![];
    for arg in &create.args {
        if arg.default.is_some() {
            return Err(invalid("aggregates cannot have default arguments"));
        }
        args.push(Argument {
            name: arg.name.clone(),
            ty: value_type(&arg.data_type)?,
            default: None,
        });
    }
    let mut types = vec![state];
    types.extend(args.iter().map(|arg| arg.ty));
    let transition = part(context, transition, &types)?;
    if transition.returns != Returns::Scalar(state) {
        return Err(SqlError::new(
            SqlState::DatatypeMismatch,
            format!("return type of transition function {} is not {state}", transition.name),
        ));
    }
    if transition.strict && create.initial.is_none() && args.first().is_none_or(|arg| arg.ty != state) {
        return Err(invalid(
            "must not omit initial value when transition function is strict and transition type is not compatible with input type",
        ));
    }
    if let Some(text) = &create.initial {
        functions::cast::cast(context, Datum::text(text), Type::Unknown, state, NO_TYPMOD, false)?;
    }
    let finalizer = create.finalizer.as_ref().map(|name| part(context, name, &[state])).transpose()?;
    let result = match finalizer.as_ref().map(|function| &function.returns) {
        None => state,
        Some(Returns::Scalar(ty)) => *ty,
        Some(other) => {
            return Err(SqlError::new(
                SqlState::DatatypeMismatch,
                format!("an aggregate cannot return type {}", other.ty()),
            ));
        }
    };
    Ok(Function {
        oid: context.catalog.next_oid(),
        schema,
        name: create.name.clone(),
        owner: context.actor.role,
        language: Language::Sql,
        args,
        returns: Returns::Scalar(result),
        body: String::new(),
        volatility: Volatility::Volatile,
        strict: false,
        security_definer: false,
        search_path: None,
        created_path: context.search_path.clone(),
        purpose: None,
        version: 1,
        rights: Rights::default(),
        enabled: true,
        forgiven_violations: 0,
        storage_consent: false,
        is_procedure: false,
        aggregate: Some(Aggregate {
            transition: transition.oid,
            state,
            finalizer: finalizer.map(|function| function.oid),
            initial: create.initial.clone(),
        }),
        acl: None,
        comment: None,
    })
}

/// A function that the aggregate is made of, by exactly these argument types.
fn part(context: &StatementContext, (schema, name): &(Option<String>, String), types: &[Type]) -> Result<Arc<Function>> {
    let names = Names {
        snapshot: &context.catalog,
        search_path: &context.search_path,
    };
    let function = names
        .functions(schema.as_deref(), name)
        .into_iter()
        .find(|function| function.arg_types() == types && !function.is_procedure && function.aggregate.is_none())
        .ok_or_else(|| undefined_function(schema.as_deref(), name, types).without_hint())?;
    if function.returns.is_set() {
        return Err(SqlError::new(
            SqlState::DatatypeMismatch,
            format!("function {} returns a set", function.signature()),
        ));
    }
    if !context.catalog.has_function_privilege(context.actor.role, &function) {
        return Err(permission_denied("function", name));
    }
    Ok(function)
}

/// What of the old aggregate a replaced one keeps.
fn replace(context: &StatementContext, create: &CreateAggregate, old: &Function, new: Function) -> Result<Function> {
    if !create.or_replace {
        return Err(SqlError::new(
            SqlState::DuplicateFunction,
            format!("function \"{}\" already exists with same argument types", old.name),
        ));
    }
    if !context.catalog.owns(context.actor.role, old.owner) {
        return Err(must_be_owner(old.kind(), &old.name));
    }
    if old.aggregate.is_none() {
        return Err(
            SqlError::new(SqlState::WrongObjectType, "cannot change routine kind").detail(format!("\"{}\" is a {}.", old.name, old.kind())),
        );
    }
    if old.returns != new.returns {
        let types: Vec<String> = old.args.iter().map(|arg| arg.ty.to_string()).collect();
        return Err(SqlError::new(
            SqlState::InvalidFunctionDefinition,
            "cannot change return type of existing function",
        )
        .hint(format!("Use DROP AGGREGATE {}({}) first.", old.name, types.join(","))));
    }
    Ok(Function {
        oid: old.oid,
        owner: old.owner,
        version: old.version + 1,
        acl: old.acl.clone(),
        comment: old.comment.clone(),
        ..new
    })
}
