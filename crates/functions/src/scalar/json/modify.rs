//! New jsonb from old: `||`, `-`, `#-`, `jsonb_set`, `jsonb_insert`.

use types::Type::*;
use types::{Datum, Result, SqlError, SqlState};

use super::access::steps;
use super::scan::{Kind, elements, members, unquote};
use super::write::{jsonb_array, jsonb_object};
use crate::argument::{array, boolean, int4, json, present, text};
use crate::limit::check_size;
use crate::{Environment, Scalar};

const TEXTS: types::Type = Array(&Text);

pub(crate) static SCALARS: &[Scalar] = &[
    Scalar::new("jsonb_concat", &[Jsonb, Jsonb], Jsonb, |_, a| {
        concat(json(a, 0)?, json(a, 1)?).map(Datum::Json)
    }),
    Scalar::new("jsonb_delete", &[Jsonb, Text], Jsonb, |_, a| {
        delete_keys(json(a, 0)?, &[text(a, 1)?]).map(Datum::Json)
    }),
    Scalar::new("jsonb_delete", &[Jsonb, TEXTS], Jsonb, |_, a| {
        let keys: Vec<&str> = array(a, 1)?.values.iter().filter_map(Datum::as_str).collect();
        delete_keys(json(a, 0)?, &keys).map(Datum::Json)
    }),
    Scalar::new("jsonb_delete", &[Jsonb, Int4], Jsonb, |_, a| {
        delete_index(json(a, 0)?, int4(a, 1)?.into()).map(Datum::Json)
    }),
    Scalar::new("jsonb_delete_path", &[Jsonb, TEXTS], Jsonb, |_, a| {
        let document = json(a, 0)?;
        if Kind::of(document).is_scalar() {
            return Err(refused("cannot delete path in scalar"));
        }
        change(document, &steps(array(a, 1)?)?, "", Change::Delete)
    }),
    Scalar::new("jsonb_set", &[Jsonb, TEXTS, Jsonb], Jsonb, |_, a| set(a, Change::Create)),
    Scalar::new("jsonb_set", &[Jsonb, TEXTS, Jsonb, Bool], Jsonb, |_, a| {
        set(a, if boolean(a, 3)? { Change::Create } else { Change::Replace })
    })
    .named(&["jsonb_in", "path", "replacement", "create_if_missing"])
    .defaults(&["true"]),
    Scalar::new("jsonb_set_lax", &[Jsonb, TEXTS, Jsonb], Jsonb, set_lax).lax(),
    Scalar::new("jsonb_set_lax", &[Jsonb, TEXTS, Jsonb, Bool], Jsonb, set_lax).lax(),
    Scalar::new("jsonb_set_lax", &[Jsonb, TEXTS, Jsonb, Bool, Text], Jsonb, set_lax)
        .lax()
        .named(&["jsonb_in", "path", "replacement", "create_if_missing", "null_value_treatment"])
        .defaults(&["true", "use_json_null"]),
    Scalar::new("jsonb_insert", &[Jsonb, TEXTS, Jsonb], Jsonb, |_, a| set(a, Change::InsertBefore)),
    Scalar::new("jsonb_insert", &[Jsonb, TEXTS, Jsonb, Bool], Jsonb, |_, a| {
        set(
            a,
            if boolean(a, 3)? {
                Change::InsertAfter
            } else {
                Change::InsertBefore
            },
        )
    })
    .named(&["jsonb_in", "path", "replacement", "insert_after"])
    .defaults(&["false"]),
];

fn refused(message: &str) -> SqlError {
    SqlError::new(SqlState::InvalidParameterValue, message)
}

/// The members of an object, keys without quotes.
fn owned_members(object: &str) -> Result<Vec<(String, String)>> {
    members(object)
        .map(|(key, value)| Ok((unquote(key)?.into_owned(), value.to_string())))
        .collect()
}

/// Two objects merge; everything else is an array, or one element of it.
fn concat(left: &str, right: &str) -> Result<String> {
    check_size(left.len() + right.len())?;
    if Kind::of(left) == Kind::Object && Kind::of(right) == Kind::Object {
        let mut all = owned_members(left)?;
        all.extend(owned_members(right)?);
        return Ok(jsonb_object(all));
    }
    let parts = |text| -> Vec<&str> {
        if Kind::of(text) == Kind::Array {
            elements(text).collect()
        } else {
            vec![text]
        }
    };
    Ok(jsonb_array(parts(left).into_iter().chain(parts(right))))
}

fn delete_keys(document: &str, keys: &[&str]) -> Result<String> {
    match Kind::of(document) {
        Kind::Object => {
            let mut all = owned_members(document)?;
            all.retain(|(key, _)| !keys.contains(&key.as_str()));
            Ok(jsonb_object(all))
        }
        Kind::Array => {
            let mut kept = Vec::new();
            for value in elements(document) {
                if Kind::of(value) != Kind::String || !keys.contains(&unquote(value)?.as_ref()) {
                    kept.push(value);
                }
            }
            Ok(jsonb_array(kept))
        }
        Kind::String | Kind::Number | Kind::Boolean | Kind::Null => Err(refused("cannot delete from scalar")),
    }
}

fn delete_index(document: &str, index: i64) -> Result<String> {
    match Kind::of(document) {
        Kind::Object => Err(refused("cannot delete from object using integer index")),
        Kind::Array => {
            let index = if index < 0 {
                elements(document).count() as i64 + index
            } else {
                index
            };
            let kept = elements(document)
                .enumerate()
                .filter(|(i, _)| *i as i64 != index)
                .map(|(_, value)| value);
            Ok(jsonb_array(kept))
        }
        Kind::String | Kind::Number | Kind::Boolean | Kind::Null => Err(refused("cannot delete from scalar")),
    }
}

fn is_empty(document: &str) -> bool {
    matches!(document, "[]" | "{}")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    /// Sets what is there, or adds it.
    Create,
    Replace,
    InsertBefore,
    InsertAfter,
    Delete,
}

impl Change {
    fn adds(self) -> bool {
        matches!(self, Change::Create | Change::InsertBefore | Change::InsertAfter)
    }
}

fn set(args: &[Datum], how: Change) -> Result<Datum> {
    let document = json(args, 0)?;
    if Kind::of(document).is_scalar() {
        return Err(refused("cannot set path in scalar"));
    }
    if !how.adds() && is_empty(document) {
        return Ok(Datum::Json(document.to_string()));
    }
    change(document, &steps(array(args, 1)?)?, json(args, 2)?, how)
}

fn set_lax(_: &dyn Environment, args: &[Datum]) -> Result<Datum> {
    let is_present = |index: usize| args.len() <= index || present(args, index).is_some();
    if !(is_present(0) && is_present(1) && is_present(3)) {
        return Ok(Datum::Null);
    }
    if !is_present(4) {
        return Err(refused(
            "null_value_treatment must be \"delete_key\", \"return_target\", \"use_json_null\", or \"raise_exception\"",
        ));
    }
    let how = if args.len() > 3 && !boolean(args, 3)? {
        Change::Replace
    } else {
        Change::Create
    };
    if present(args, 2).is_some() {
        return set(args, how);
    }
    match if args.len() > 4 { text(args, 4)? } else { "use_json_null" } {
        "raise_exception" => Err(SqlError::new(SqlState::NullValueNotAllowed, "JSON value must not be null")
            .detail("Exception was raised because null_value_treatment is \"raise_exception\".")
            .hint("To avoid, either change the null_value_treatment argument or ensure that an SQL NULL is not passed.")),
        "use_json_null" => {
            let mut args = args.to_vec();
            args[2] = Datum::Json("null".to_string());
            set(&args, how)
        }
        "delete_key" => {
            let document = json(args, 0)?;
            if Kind::of(document).is_scalar() {
                return Err(refused("cannot delete path in scalar"));
            }
            change(document, &steps(array(args, 1)?)?, "", Change::Delete)
        }
        "return_target" => Ok(args[0].clone()),
        _ => Err(refused(
            "null_value_treatment must be \"delete_key\", \"return_target\", \"use_json_null\", or \"raise_exception\"",
        )),
    }
}

fn change(document: &str, path: &[&str], new: &str, how: Change) -> Result<Datum> {
    check_size(document.len() + new.len())?;
    if path.is_empty() || (how == Change::Delete && is_empty(document)) {
        return Ok(Datum::Json(document.to_string()));
    }
    at_level(document, path, 0, new, how).map(Datum::Json)
}

/// Follows the path down and rewrites only what lies on it. A path is an argument's array, so its
/// length bounds the recursion; a scalar in the way ends it.
fn at_level(document: &str, path: &[&str], level: usize, new: &str, how: Change) -> Result<String> {
    const MAX_LEVEL: usize = 2000;
    if level > MAX_LEVEL {
        return Err(SqlError::new(SqlState::StatementTooComplex, "stack depth limit exceeded"));
    }
    match Kind::of(document) {
        Kind::Object => in_object(document, path, level, new, how),
        Kind::Array => in_array(document, path, level, new, how),
        Kind::String | Kind::Number | Kind::Boolean | Kind::Null => Ok(document.to_string()),
    }
}

fn in_object(document: &str, path: &[&str], level: usize, new: &str, how: Change) -> Result<String> {
    let is_last = level + 1 == path.len();
    let mut all = Vec::new();
    let mut found = false;
    for (key, value) in owned_members(document)? {
        if key != path[level] {
            all.push((key, value));
            continue;
        }
        found = true;
        match (is_last, how) {
            (true, Change::InsertBefore | Change::InsertAfter) => {
                return Err(refused("cannot replace existing key").hint("Try using the function jsonb_set to replace key value."));
            }
            (true, Change::Delete) => {}
            (true, Change::Create | Change::Replace) => all.push((key, new.to_string())),
            (false, _) => all.push((key, at_level(&value, path, level + 1, new, how)?)),
        }
    }
    if !found && is_last && how.adds() {
        all.push((path[level].to_string(), new.to_string()));
    }
    Ok(jsonb_object(all))
}

fn in_array(document: &str, path: &[&str], level: usize, new: &str, how: Change) -> Result<String> {
    let is_last = level + 1 == path.len();
    let index: i32 = path[level].trim().parse().map_err(|_| {
        let message = format!("path element at position {} is not an integer: \"{}\"", level + 1, path[level]);
        SqlError::new(SqlState::InvalidTextRepresentation, message)
    })?;
    let values: Vec<&str> = elements(document).collect();
    let count = values.len() as i64;
    // None: before the first.
    let index = match i64::from(index) {
        index if index < -count => None,
        index if index < 0 => Some(count + index),
        index => Some(index.min(count)),
    };
    let mut all: Vec<String> = Vec::with_capacity(values.len() + 1);
    let mut found = false;
    if is_last && how.adds() && (index.is_none() || values.is_empty()) {
        all.push(new.to_string());
        found = true;
    }
    for (i, value) in values.into_iter().enumerate() {
        if index != Some(i as i64) || (found && is_last) {
            all.push(value.to_string());
            continue;
        }
        found = true;
        match (is_last, how) {
            (false, _) => all.push(at_level(value, path, level + 1, new, how)?),
            (true, Change::Create | Change::Replace) => all.push(new.to_string()),
            (true, Change::InsertBefore) => all.extend([new.to_string(), value.to_string()]),
            (true, Change::InsertAfter) => all.extend([value.to_string(), new.to_string()]),
            (true, Change::Delete) => {}
        }
    }
    if !found && is_last && how.adds() {
        all.push(new.to_string());
    }
    Ok(jsonb_array(all.iter().map(String::as_str)))
}
