//! JSON from SQL values: `to_json`, `json_build_object`, `json_object`, `row_to_json`.

use types::Type::*;
use types::{Datum, Result, SqlError, SqlState};

use super::write::{quote, value, value_in_lines};
use crate::argument::{array, boolean};
use crate::entry::{Shape, split_shapes};
use crate::limit::check_size;
use crate::{Environment, Scalar};

const TEXTS: types::Type = Array(&Text);

pub(crate) static SCALARS: &[Scalar] = &[
    Scalar::new("to_json", &[AnyElement], Json, |env, a| to_json(env, a).map(Datum::Json))
        .stable()
        .typed(),
    Scalar::new("to_jsonb", &[AnyElement], Jsonb, |env, a| canonical(to_json(env, a)?))
        .stable()
        .typed(),
    Scalar::new("row_to_json", &[Record], Json, in_lines).stable().typed(),
    Scalar::new("row_to_json", &[Record, Bool], Json, in_lines).stable().typed(),
    Scalar::new("array_to_json", &[AnyArray], Json, in_lines).stable().typed(),
    Scalar::new("array_to_json", &[AnyArray, Bool], Json, in_lines).stable().typed(),
    Scalar::new("json_build_array", &[], Json, |_, _| Ok(Datum::Json("[]".to_string())))
        .lax()
        .stable(),
    Scalar::new("json_build_array", &[Any], Json, |env, a| build_array(env, a).map(Datum::Json))
        .variadic()
        .lax()
        .stable()
        .typed(),
    Scalar::new("jsonb_build_array", &[], Jsonb, |_, _| Ok(Datum::Json("[]".to_string())))
        .lax()
        .stable(),
    Scalar::new("jsonb_build_array", &[Any], Jsonb, |env, a| canonical(build_array(env, a)?))
        .variadic()
        .lax()
        .stable()
        .typed(),
    Scalar::new("json_build_object", &[], Json, |_, _| Ok(Datum::Json("{}".to_string())))
        .lax()
        .stable(),
    Scalar::new("json_build_object", &[Any], Json, |env, a| {
        build_object(env, a, false).map(Datum::Json)
    })
    .variadic()
    .lax()
    .stable()
    .typed(),
    Scalar::new("jsonb_build_object", &[], Jsonb, |_, _| Ok(Datum::Json("{}".to_string())))
        .lax()
        .stable(),
    Scalar::new("jsonb_build_object", &[Any], Jsonb, |env, a| canonical(build_object(env, a, true)?))
        .variadic()
        .lax()
        .stable()
        .typed(),
    Scalar::new("json_object", &[TEXTS], Json, |_, a| object_of_array(a).map(Datum::Json)),
    Scalar::new("json_object", &[TEXTS, TEXTS], Json, |_, a| object_of_two(a).map(Datum::Json)),
    Scalar::new("jsonb_object", &[TEXTS], Jsonb, |_, a| canonical(object_of_array(a)?)),
    Scalar::new("jsonb_object", &[TEXTS, TEXTS], Jsonb, |_, a| canonical(object_of_two(a)?)),
];

pub(super) fn canonical(text: String) -> Result<Datum> {
    types::text::json::canonical(&text).map(Datum::Json)
}

fn to_json(env: &dyn Environment, args: &[Datum]) -> Result<String> {
    let (values, shapes) = split_shapes(args);
    let mut out = String::new();
    value(env, &values[0], &shapes[0], &mut out)?;
    Ok(out)
}

fn in_lines(env: &dyn Environment, args: &[Datum]) -> Result<Datum> {
    let (values, shapes) = split_shapes(args);
    let mut out = String::new();
    if values.len() > 1 && boolean(values, 1)? {
        value_in_lines(env, &values[0], &shapes[0], &mut out)?;
    } else {
        value(env, &values[0], &shapes[0], &mut out)?;
    }
    Ok(Datum::Json(out))
}

fn build_array(env: &dyn Environment, args: &[Datum]) -> Result<String> {
    let (values, shapes) = split_shapes(args);
    let mut out = String::from("[");
    for (i, (datum, shape)) in values.iter().zip(&shapes).enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        value(env, datum, shape, &mut out)?;
        check_size(out.len())?;
    }
    out.push(']');
    Ok(out)
}

/// A key: scalars are quoted whatever their type.
pub(crate) fn key(env: &dyn Environment, datum: &Datum, shape: &Shape, out: &mut String) -> Result<()> {
    match datum {
        Datum::Array(_) | Datum::Record(_) | Datum::Json(_) => Err(SqlError::new(
            SqlState::InvalidParameterValue,
            "key value must be scalar, not array, composite, or json",
        )),
        Datum::Bool(value) => {
            quote(if *value { "true" } else { "false" }, out);
            Ok(())
        }
        other => {
            let mut text = String::new();
            value(env, other, shape, &mut text)?;
            // A timestamp has its quotes already, a number has none.
            if text.starts_with('"') {
                out.push_str(&text)
            } else {
                quote(&text, out)
            }
            Ok(())
        }
    }
}

fn build_object(env: &dyn Environment, args: &[Datum], is_jsonb: bool) -> Result<String> {
    let (values, shapes) = split_shapes(args);
    if values.len() % 2 != 0 {
        let function = if is_jsonb { "jsonb_build_object" } else { "json_build_object" };
        return Err(
            SqlError::new(SqlState::InvalidParameterValue, "argument list must have even number of elements").hint(format!(
                "The arguments of {function}() must consist of alternating keys and values."
            )),
        );
    }
    let mut out = String::from("{");
    for (i, (pair, shapes)) in values.chunks(2).zip(shapes.chunks(2)).enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        if pair[0].is_null() {
            let position = i * 2 + 1;
            return Err(if is_jsonb {
                SqlError::new(
                    SqlState::InvalidParameterValue,
                    format!("argument {position}: key must not be null"),
                )
            } else {
                SqlError::new(SqlState::InvalidParameterValue, format!("argument {position} cannot be null"))
                    .hint("Object keys should be text.")
            });
        }
        key(env, &pair[0], &shapes[0], &mut out)?;
        out.push_str(" : ");
        value(env, &pair[1], &shapes[1], &mut out)?;
        check_size(out.len())?;
    }
    out.push('}');
    Ok(out)
}

fn subscripts(message: &str) -> SqlError {
    SqlError::new(SqlState::ArrayElementError, message)
}

fn pairs<'d>(pairs: impl Iterator<Item = (&'d Datum, &'d Datum)>) -> Result<String> {
    let mut out = String::from("{");
    for (key, value) in pairs {
        if out.len() > 1 {
            out.push_str(", ");
        }
        let key = key
            .as_str()
            .ok_or_else(|| SqlError::new(SqlState::NullValueNotAllowed, "null value not allowed for object key"))?;
        quote(key, &mut out);
        out.push_str(" : ");
        match value.as_str() {
            Some(value) => quote(value, &mut out),
            None => out.push_str("null"),
        }
        check_size(out.len())?;
    }
    out.push('}');
    Ok(out)
}

/// Keys and values in turn, or in pairs of a second dimension.
fn object_of_array(args: &[Datum]) -> Result<String> {
    let array = array(args, 0)?;
    match array.dims.as_slice() {
        [] => Ok("{}".to_string()),
        [(length, _)] if length % 2 != 0 => Err(subscripts("array must have even number of elements")),
        [_] => pairs(array.values.chunks(2).map(|pair| (&pair[0], &pair[1]))),
        [_, (2, _)] => pairs(array.values.chunks(2).map(|pair| (&pair[0], &pair[1]))),
        [_, _] => Err(subscripts("array must have two columns")),
        _ => Err(subscripts("wrong number of array subscripts")),
    }
}

fn object_of_two(args: &[Datum]) -> Result<String> {
    let (keys, values) = (array(args, 0)?, array(args, 1)?);
    if keys.dims.len() > 1 || keys.dims.len() != values.dims.len() {
        return Err(subscripts("wrong number of array subscripts"));
    }
    if keys.values.len() != values.values.len() {
        return Err(subscripts("mismatched array dimensions"));
    }
    pairs(keys.values.iter().zip(&values.values))
}
