//! `CREATE FUNCTION` and `CREATE PROCEDURE`.

use std::sync::Arc;

use audit::{Event, EventType};
use catalog::{Argument, Change, Function, Language, Returns, Volatility};
use policy::Rights;
use types::{NO_TYPMOD, Result, SqlError, SqlState, Type};

use super::{alter_function, complete, creation_schema, module_file, must_be_owner};
use crate::bind::{Binder, Names, type_names};
use crate::context::StatementContext;
use crate::parse::Returns as WrittenReturns;
use crate::parse::{Body, CreateFunction};
use crate::session::{LastFunction, Outcome, Session};

/// PostgreSQL's FUNC_MAX_ARGS.
const MAX_ARGUMENTS: usize = 100;

pub fn run(session: &mut Session, context: &Arc<StatementContext>, create: &CreateFunction) -> Result<Outcome> {
    // Where this fails, a bare GRANT CAPABILITY after it must not reach the function before.
    session.last_function = None;
    creation_schema(context, create.schema.as_deref())?;
    session.lock_catalog()?;
    let context = &session.context(vec![], crate::call::Calls::at(&context.calls))?;
    let schema = creation_schema(context, create.schema.as_deref())?;
    let function = describe(context, create, schema)?;
    let find = |catalog: &catalog::Snapshot| catalog.function(&function.schema, &function.name, &function.arg_types()).cloned();
    let existing = match find(&context.catalog) {
        None => None,
        Some(old) => {
            replace(context, create, &old, function.clone())?;
            session.lock_function(old.oid)?;
            find(&session.visible_catalog())
        }
    };
    let replaced = existing.is_some();
    let mut function = match existing {
        None => function,
        Some(old) => replace(context, create, &old, function)?,
    };
    // Loaded now: errors of the body show here, not at the first call.
    match function.language {
        Language::Sql => check_sql(context, &function)?,
        Language::JavaScript | Language::Python | Language::Wasm => {
            let prepared = session.db.functions.prepare_new(&function, &context.cancel)?;
            function.strict |= prepared.is_strict() && !function.is_procedure;
        }
    }
    let event = if replaced {
        EventType::FunctionAltered
    } else {
        EventType::FunctionCreated
    };
    let mut event = Event::new(event);
    event.function_name = Some(Arc::from(function.name.as_str()));
    event.details = Some(serde_json::json!({
        "signature": function.signature(),
        "schema": function.schema,
        "language": function.language.name(),
        "policy": function.rights.policy,
        "capability_mode": function.rights.mode.name(),
        "security_definer": function.security_definer,
        "search_path": function.own_path(),
    }));
    session.audit(event)?;
    let oid = function.oid;
    session.change(vec![Change::PutFunction(function)])?;
    session.last_function = Some(LastFunction::now(oid));
    Ok(complete(if create.procedure { "CREATE PROCEDURE" } else { "CREATE FUNCTION" }))
}

fn check_sql(context: &Arc<StatementContext>, function: &Function) -> Result<()> {
    let check = context.session.settings.lock().get("check_function_bodies");
    if check.as_deref() == Some("off") {
        return Ok(());
    }
    crate::call::check_sql_body(context, function)
}

/// The descriptor of a new function: it holds nothing yet.
fn describe(context: &Arc<StatementContext>, create: &CreateFunction, schema: String) -> Result<Function> {
    let invalid = |message: String| SqlError::new(SqlState::InvalidFunctionDefinition, message);
    let language = create.language.as_deref().ok_or_else(|| invalid("no language specified".into()))?;
    let language = Language::from_name(language)
        .ok_or_else(|| SqlError::new(SqlState::UndefinedObject, format!("language \"{language}\" does not exist")))?;
    let body = match &create.body {
        Some(Body::Text(text)) => text.clone(),
        Some(Body::File(path)) => match language {
            Language::Wasm => module_file::read(context, path)?,
            Language::JavaScript | Language::Python | Language::Sql => {
                return Err(
                    invalid(format!("a function in language {} has its body in the statement", language.name()))
                        .hint("AS FILE is for LANGUAGE wasm."),
                );
            }
        },
        None => return Err(invalid("no function body specified".into())),
    };
    if create.args.len() > MAX_ARGUMENTS {
        return Err(SqlError::new(
            SqlState::TooManyArguments,
            format!("functions cannot have more than {MAX_ARGUMENTS} arguments"),
        ));
    }
    let returns = match &create.returns {
        Some(WrittenReturns::Scalar(ty)) => Returns::Scalar(value_type(ty)?),
        Some(WrittenReturns::Void) => Returns::Void,
        Some(WrittenReturns::SetOf(ty)) => Returns::SetOf(value_type(ty)?),
        Some(WrittenReturns::Table(columns)) => Returns::Table(
            columns
                .iter()
                .map(|(name, ty)| Ok((name.clone(), value_type(ty)?)))
                .collect::<Result<_>>()?,
        ),
        Some(WrittenReturns::Trigger) if language == Language::Sql => {
            return Err(invalid("SQL functions cannot return type trigger".into()));
        }
        Some(WrittenReturns::Trigger) if !create.args.is_empty() => {
            return Err(invalid("trigger functions cannot have declared arguments".into())
                .hint("The arguments of the trigger can be accessed through TG_NARGS and TG_ARGV instead."));
        }
        Some(WrittenReturns::Trigger) => Returns::Trigger,
        None if create.procedure => Returns::Void,
        None => return Err(invalid("function result type must be specified".into())),
    };
    let names = Names {
        snapshot: &context.catalog,
        search_path: &context.search_path,
    };
    let mut args: Vec<Argument> = vec![];
    for arg in &create.args {
        let ty = value_type(&arg.data_type)?;
        if let Some(name) = &arg.name
            && args.iter().any(|other| other.name.as_ref() == Some(name))
        {
            return Err(invalid(format!("parameter name \"{name}\" used more than once")));
        }
        match &arg.default {
            Some(text) => {
                let mut binder = Binder::new(names, &**context, crate::parse::Source::new(text.as_str()), &[]);
                binder.value(&crate::parse::parse_expression(text)?, ty)?;
            }
            None if args.last().is_some_and(|last| last.default.is_some()) => {
                return Err(invalid(
                    "input parameters after one with a default value must also have defaults".into(),
                ));
            }
            None => {}
        }
        args.push(Argument {
            name: arg.name.clone(),
            ty,
            default: arg.default.clone(),
        });
    }
    if let Returns::Table(columns) = &returns {
        for (index, (name, _)) in columns.iter().enumerate() {
            let earlier = columns[..index].iter().any(|(other, _)| other == name);
            if earlier || args.iter().any(|arg| arg.name.as_ref() == Some(name)) {
                return Err(invalid(format!("parameter name \"{name}\" used more than once")));
            }
        }
    }
    let mut search_path = None;
    for setting in &create.settings {
        search_path = alter_function::own_path(context, setting)?;
    }
    Ok(Function {
        oid: context.catalog.next_oid(),
        schema,
        name: create.name.clone(),
        owner: context.actor.role,
        language,
        args,
        returns,
        body,
        volatility: match create.volatility {
            'i' => Volatility::Immutable,
            's' => Volatility::Stable,
            _ => Volatility::Volatile,
        },
        strict: create.strict,
        security_definer: create.security_definer,
        search_path,
        created_path: context.search_path.clone(),
        purpose: create.purpose.clone(),
        version: 1,
        rights: Rights::default(),
        enabled: true,
        forgiven_violations: 0,
        storage_consent: false,
        is_procedure: create.procedure,
        aggregate: None,
        acl: None,
        comment: None,
    })
}

/// What of the old function a replaced one keeps: its identity and its rights.
fn replace(context: &StatementContext, create: &CreateFunction, old: &Function, new: Function) -> Result<Function> {
    if !create.or_replace {
        return Err(SqlError::new(
            SqlState::DuplicateFunction,
            format!("function \"{}\" already exists with same argument types", old.name),
        ));
    }
    if !context.catalog.owns(context.actor.role, old.owner) {
        return Err(must_be_owner("function", &old.name));
    }
    let unchangeable = |message: String| {
        let types: Vec<String> = old.args.iter().map(|arg| arg.ty.to_string()).collect();
        let name = types::ident::quote_ident(&old.name);
        let word = if old.is_procedure { "PROCEDURE" } else { "FUNCTION" };
        SqlError::new(SqlState::InvalidFunctionDefinition, message).hint(format!("Use DROP {word} {name}({}) first.", types.join(",")))
    };
    if old.kind() != new.kind() {
        let kind = old.kind();
        return Err(SqlError::new(SqlState::WrongObjectType, "cannot change routine kind").detail(format!("\"{}\" is a {kind}.", old.name)));
    }
    if old.returns != new.returns {
        return Err(unchangeable("cannot change return type of existing function".into()));
    }
    for (before, after) in old.args.iter().zip(&new.args) {
        if let Some(name) = &before.name
            && after.name.as_ref() != Some(name)
        {
            return Err(unchangeable(format!("cannot change name of input parameter \"{name}\"")));
        }
        if before.default.is_some() && after.default.is_none() {
            return Err(unchangeable("cannot remove parameter defaults from existing function".into()));
        }
    }
    alter_function::may_repoint(context, old, new.own_path())?;
    // Another body is another function to try out: who lets it record has to say so again.
    let mut rights = old.rights.clone();
    rights.mode = policy::Mode::Enforce;
    Ok(Function {
        oid: old.oid,
        owner: old.owner,
        version: old.version + 1,
        rights,
        enabled: old.enabled,
        forgiven_violations: old.forgiven_violations,
        storage_consent: old.storage_consent,
        acl: old.acl.clone(),
        comment: old.comment.clone(),
        ..new
    })
}

pub(super) fn value_type(data_type: &sqlparser::ast::DataType) -> Result<Type> {
    let (ty, typmod) = type_names::resolve(data_type)?;
    // As in PostgreSQL, a length on an argument or result is parsed and not kept.
    let _ = typmod != NO_TYPMOD;
    match ty {
        Type::Record | Type::Unknown | Type::Any | Type::AnyElement | Type::AnyArray | Type::Trigger | Type::Void => Err(SqlError::new(
            SqlState::InvalidFunctionDefinition,
            format!("functions cannot take or return type {ty}"),
        )),
        _ => Ok(ty),
    }
}
