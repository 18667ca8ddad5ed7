//! Names and OIDs: the input and output of the `reg*` types, and `to_reg*`.

use types::ident::quote_ident;
use types::{Datum, NO_TYPMOD, Result, SqlError, SqlState, Type};

use super::{Answer, oid, text};
use crate::pg_catalog::pg_proc::SUPPORT;
use crate::{Function, SystemContext, name};

pub(super) const ANSWERS: &[(&str, Answer)] = &[
    ("regclassin", |context, args| {
        input(text("regclassin", args, 0)?, |text| {
            Ok(name::of_relation(&name::relation(context, text)?).2)
        })
    }),
    ("regclassout", |context, args| {
        Ok(output(context, oid("regclassout", args, 0)?, shown_relation))
    }),
    ("regtypein", |context, args| {
        input(text("regtypein", args, 0)?, |text| named_type(context, text))
    }),
    ("regtypeout", |context, args| {
        Ok(output(context, oid("regtypeout", args, 0)?, shown_type))
    }),
    ("regprocin", |context, args| {
        input(text("regprocin", args, 0)?, |text| function_named(context, text))
    }),
    ("regprocout", |context, args| {
        Ok(output(context, oid("regprocout", args, 0)?, shown_function))
    }),
    ("regnamespacein", |context, args| {
        input(text("regnamespacein", args, 0)?, |text| schema_named(context, text))
    }),
    ("regnamespaceout", |context, args| {
        Ok(output(context, oid("regnamespaceout", args, 0)?, shown_schema))
    }),
    ("regrolein", |context, args| {
        input(text("regrolein", args, 0)?, |text| role_named(context, text))
    }),
    ("regroleout", |context, args| {
        Ok(output(context, oid("regroleout", args, 0)?, shown_role))
    }),
    ("to_regclass", |context, args| {
        lookup(name::relation(context, text("to_regclass", args, 0)?).map(|found| name::of_relation(&found).2))
    }),
    ("to_regtype", |context, args| {
        lookup(named_type(context, text("to_regtype", args, 0)?))
    }),
    ("to_regproc", |context, args| {
        lookup(function_named(context, text("to_regproc", args, 0)?))
    }),
    ("to_regprocedure", |context, args| {
        lookup(procedure(context, text("to_regprocedure", args, 0)?))
    }),
    ("to_regnamespace", |context, args| {
        lookup(schema_named(context, text("to_regnamespace", args, 0)?))
    }),
    ("to_regrole", |context, args| {
        lookup(role_named(context, text("to_regrole", args, 0)?))
    }),
];

/// `-` is 0, digits are an OID, everything else a name.
fn input(text: &str, find: impl Fn(&str) -> Result<u32>) -> Result<Datum> {
    if text == "-" {
        return Ok(Datum::Oid(0));
    }
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let out_of_range = |_| {
            SqlError::new(
                SqlState::NumericValueOutOfRange,
                format!("value \"{text}\" is out of range for type oid"),
            )
        };
        return text.parse().map(Datum::Oid).map_err(out_of_range);
    }
    find(text).map(Datum::Oid)
}

/// An OID without an object prints as a number.
fn output(context: &SystemContext, oid: u32, shown: fn(&SystemContext, u32) -> Option<String>) -> Datum {
    let text = match oid {
        0 => "-".to_string(),
        oid => shown(context, oid).unwrap_or_else(|| oid.to_string()),
    };
    Datum::Text(text)
}

/// What is not there is NULL; a name that is no name stays an error.
fn lookup(found: Result<u32>) -> Result<Datum> {
    match found {
        Ok(oid) => Ok(Datum::Oid(oid)),
        Err(error) => match error.state() {
            SqlState::UndefinedTable
            | SqlState::UndefinedObject
            | SqlState::UndefinedFunction
            | SqlState::InvalidSchemaName
            | SqlState::AmbiguousFunction => Ok(Datum::Null),
            _ => Err(error),
        },
    }
}

fn shown_relation(context: &SystemContext, oid: u32) -> Option<String> {
    context
        .snapshot
        .relation_by_oid(oid)
        .map(|relation| name::shown(context, &relation))
}

fn shown_type(_: &SystemContext, oid: u32) -> Option<String> {
    let known = Type::from_oid(oid).map(|ty| ty.format(NO_TYPMOD));
    known.or_else(|| types::vector_name(oid).map(str::to_string))
}

fn shown_schema(context: &SystemContext, oid: u32) -> Option<String> {
    context.snapshot.schema_by_oid(oid).map(|schema| quote_ident(&schema.name))
}

fn shown_role(context: &SystemContext, oid: u32) -> Option<String> {
    context.snapshot.role_by_oid(oid).map(|role| quote_ident(&role.name))
}

/// Bare where the name alone finds just this function.
fn shown_function(context: &SystemContext, oid: u32) -> Option<String> {
    if let Some(function) = context.snapshot.function_by_oid(oid) {
        let alone = matches!(candidates(context, None, &function.name).as_slice(), [only] if *only == oid);
        return Some(if alone {
            quote_ident(&function.name)
        } else {
            name::qualified(&function.schema, &function.name)
        });
    }
    if let Some(support) = SUPPORT.iter().find(|support| support.oid == oid) {
        return Some(support.name.to_string());
    }
    context
        .live
        .builtin_functions()
        .iter()
        .find(|function| function.oid == oid)
        .map(|function| quote_ident(function.name))
}

/// A type's name in any spelling, with or without `pg_catalog.` and a length.
fn named_type(context: &SystemContext, text: &str) -> Result<u32> {
    let missing = || SqlError::new(SqlState::UndefinedObject, format!("type \"{text}\" does not exist"));
    let plain = without_modifier(text.trim());
    let lower = plain.to_lowercase();
    let unqualified = lower.strip_prefix("pg_catalog.").unwrap_or(&lower);
    let ty = match unqualified.strip_prefix('"') {
        // A quoted name is the catalog's own, never an SQL spelling.
        Some(_) => match name::parse(unqualified)?.as_slice() {
            [only] => crate::pg_catalog::pg_type::all_types().find(|ty| ty.catalog_name() == *only),
            [schema, _] => {
                name::require_schema(context, schema)?;
                None
            }
            _ => None,
        },
        None if unqualified == "char" && lower.starts_with("pg_catalog.") => Some(Type::Char),
        None if unqualified == "char" => Some(Type::Bpchar),
        None => Type::from_name(unqualified),
    };
    ty.map(Type::oid).ok_or_else(missing)
}

/// `numeric(5,2)[]` -> `numeric[]`, `timestamp(3) with time zone` -> `timestamp with time zone`.
fn without_modifier(text: &str) -> String {
    match (text.find('('), text.find(')')) {
        (Some(open), Some(close)) if open < close => {
            let (before, after) = (text[..open].trim_end(), text[close + 1..].trim());
            match after {
                "" => before.to_string(),
                after if after.starts_with('[') => format!("{before}{after}"),
                after => format!("{before} {after}"),
            }
        }
        _ => text.split_whitespace().collect::<Vec<_>>().join(" "),
    }
}

fn schema_named(context: &SystemContext, text: &str) -> Result<u32> {
    let [schema] = one_part(text)?;
    let missing = || SqlError::new(SqlState::InvalidSchemaName, format!("schema \"{schema}\" does not exist"));
    context.snapshot.schema(&schema).map(|schema| schema.oid).ok_or_else(missing)
}

fn role_named(context: &SystemContext, text: &str) -> Result<u32> {
    let [role] = one_part(text)?;
    let missing = || SqlError::new(SqlState::UndefinedObject, format!("role \"{role}\" does not exist"));
    context.snapshot.role(&role).map(|role| role.oid).ok_or_else(missing)
}

fn one_part(text: &str) -> Result<[String; 1]> {
    <[String; 1]>::try_from(name::parse(text)?).map_err(|_| SqlError::new(SqlState::InvalidName, "invalid name syntax"))
}

/// The one function of a name.
pub(super) fn function_named(context: &SystemContext, text: &str) -> Result<u32> {
    let (schema, name) = name::schema_and_name(context, name::parse(text)?)?;
    match candidates(context, schema.as_deref(), &name).as_slice() {
        [] => Err(SqlError::new(
            SqlState::UndefinedFunction,
            format!("function \"{text}\" does not exist"),
        )),
        [oid] => Ok(*oid),
        _ => Err(SqlError::new(
            SqlState::AmbiguousFunction,
            format!("more than one function named \"{text}\""),
        )),
    }
}

/// The OIDs of the functions that a name can mean: users', built-in, and the types' support functions.
fn candidates(context: &SystemContext, schema: Option<&str>, name: &str) -> Vec<u32> {
    let users: Vec<std::sync::Arc<Function>> = match schema {
        Some(schema) => context.snapshot.functions_named(schema, name).to_vec(),
        None => context.snapshot.functions_on_path(context.search_path, name),
    };
    let mut oids: Vec<u32> = users.iter().map(|function| function.oid).collect();
    if schema.is_none_or(|schema| schema == "pg_catalog") {
        oids.extend(
            context
                .live
                .builtin_functions()
                .iter()
                .filter(|function| function.name == name)
                .map(|function| function.oid),
        );
        oids.extend(SUPPORT.iter().filter(|support| support.name == name).map(|support| support.oid));
        oids.sort_unstable();
        oids.dedup();
    }
    oids
}

/// `f(integer, text)`.
pub(super) fn procedure(context: &SystemContext, text: &str) -> Result<u32> {
    let missing = || SqlError::new(SqlState::UndefinedFunction, format!("function \"{text}\" does not exist"));
    let syntax = |message: &str| SqlError::new(SqlState::InvalidTextRepresentation, message);
    let (function, rest) = text.split_once('(').ok_or_else(|| syntax("expected a left parenthesis"))?;
    let list = rest
        .trim_end()
        .strip_suffix(')')
        .ok_or_else(|| syntax("expected a right parenthesis"))?;
    let (schema, function) = name::schema_and_name(context, name::parse(function)?)?;
    let mut types = vec![];
    for part in split_list(list) {
        types.push(named_type(context, part)?);
    }
    if let Some(schema) = &schema {
        name::require_schema(context, schema)?;
    }
    let path: Vec<String> = schema.clone().map_or_else(|| context.search_path.to_vec(), |schema| vec![schema]);
    let matches = |function: &Function| function.args.iter().map(|arg| arg.ty.oid()).eq(types.iter().copied());
    let user = path
        .iter()
        .flat_map(|schema| context.snapshot.functions_named(schema, &function))
        .find(|function| matches(function));
    if let Some(user) = user {
        return Ok(user.oid);
    }
    if schema.is_some_and(|schema| schema != "pg_catalog") {
        return Err(missing());
    }
    let builtin = context.live.builtin_functions();
    let found = builtin
        .iter()
        .find(|builtin| builtin.name == function && builtin.args.iter().map(|ty| ty.oid()).eq(types.iter().copied()));
    found.map(|builtin| builtin.oid).ok_or_else(missing)
}

/// The parts between commas that are in no parentheses.
fn split_list(list: &str) -> Vec<&str> {
    if list.trim().is_empty() {
        return vec![];
    }
    let mut depth = 0i32;
    let parts = list.split(|c: char| {
        depth = depth.saturating_add(i32::from(c == '(')).saturating_sub(i32::from(c == ')'));
        c == ',' && depth == 0
    });
    parts.map(str::trim).collect()
}
