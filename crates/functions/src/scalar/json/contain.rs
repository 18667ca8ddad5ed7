//! `@>`, `<@`, `?`, `?|`, `?&` of jsonb.

use types::Type::*;
use types::{Datum, Result, SqlError, SqlState};

use super::scan::{Kind, elements, member, members, unquote};
use crate::Scalar;
use crate::argument::{array, json, text};

const TEXTS: types::Type = Array(&Text);
/// Containers inside containers that a comparison follows.
const MAX_DEPTH: usize = 2000;

pub(crate) static SCALARS: &[Scalar] = &[
    Scalar::new("jsonb_contains", &[Jsonb, Jsonb], Bool, |_, a| {
        contains(json(a, 0)?, json(a, 1)?, 0).map(Datum::Bool)
    }),
    Scalar::new("jsonb_contained", &[Jsonb, Jsonb], Bool, |_, a| {
        contains(json(a, 1)?, json(a, 0)?, 0).map(Datum::Bool)
    }),
    Scalar::new("jsonb_exists", &[Jsonb, Text], Bool, |_, a| {
        exists(json(a, 0)?, text(a, 1)?).map(Datum::Bool)
    }),
    Scalar::new("jsonb_exists_any", &[Jsonb, TEXTS], Bool, |_, a| {
        let mut keys = array(a, 1)?.values.iter().filter_map(Datum::as_str);
        let document = json(a, 0)?;
        keys.try_fold(false, |found, key| Ok(found || exists(document, key)?))
            .map(Datum::Bool)
    }),
    Scalar::new("jsonb_exists_all", &[Jsonb, TEXTS], Bool, |_, a| {
        let mut keys = array(a, 1)?.values.iter().filter_map(Datum::as_str);
        let document = json(a, 0)?;
        keys.try_fold(true, |all, key| Ok(all && exists(document, key)?)).map(Datum::Bool)
    }),
    Scalar::new("jsonb_cmp", &[Jsonb, Jsonb], Int4, |_, a| {
        Ok(Datum::Int4(types::text::json::compare(json(a, 0)?, json(a, 1)?) as i32))
    }),
];

/// A key of an object, a string among an array's elements, or the string itself.
fn exists(document: &str, key: &str) -> Result<bool> {
    let is_key = |value: &str| Ok(Kind::of(value) == Kind::String && unquote(value)? == key);
    match Kind::of(document) {
        Kind::Object => Ok(member(document, key)?.is_some()),
        Kind::Array => elements(document).try_fold(false, |found, value| Ok(found || is_key(value)?)),
        Kind::String | Kind::Number | Kind::Boolean | Kind::Null => is_key(document),
    }
}

/// Canonical texts of equal scalars differ only in the zeros at the end of a number.
fn same_scalar(a: &str, b: &str) -> bool {
    a == b || types::text::json::compare(a, b).is_eq()
}

fn contains(left: &str, right: &str, depth: usize) -> Result<bool> {
    if depth > MAX_DEPTH {
        return Err(SqlError::new(SqlState::StatementTooComplex, "stack depth limit exceeded"));
    }
    match (Kind::of(left), Kind::of(right)) {
        (Kind::Object, Kind::Object) => {
            for (key, wanted) in members(right) {
                let Some(value) = member(left, &unquote(key)?)? else {
                    return Ok(false);
                };
                let (have, want) = (Kind::of(value), Kind::of(wanted));
                let found = if want.is_scalar() {
                    have == want && same_scalar(value, wanted)
                } else {
                    have == want && contains(value, wanted, depth + 1)?
                };
                if !found {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Kind::Array, Kind::Array) => {
            for wanted in elements(right) {
                let want = Kind::of(wanted);
                let mut found = false;
                for value in elements(left) {
                    let have = Kind::of(value);
                    if have == want
                        && (if want.is_scalar() {
                            same_scalar(value, wanted)
                        } else {
                            contains(value, wanted, depth + 1)?
                        })
                    {
                        found = true;
                        break;
                    }
                }
                if !found {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        // An array may contain a scalar that stands alone - but only at the top.
        (Kind::Array, want) if want.is_scalar() && depth == 0 => {
            Ok(elements(left).any(|value| Kind::of(value) == want && same_scalar(value, right)))
        }
        (have, want) if have.is_scalar() && want.is_scalar() => Ok(have == want && same_scalar(left, right)),
        _ => Ok(false),
    }
}
