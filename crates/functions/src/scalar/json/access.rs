//! Looking into json and jsonb: `->`, `->>`, `#>`, and taking documents apart into rows.

use types::Type::*;
use types::{Array as ArrayValue, Datum, Result, SqlError, SqlState};

use super::scan::{Kind, element, elements, member, members, unquote};
use crate::Scalar;
use crate::argument::{array, int4, json, text};
use crate::limit::check_elements;
use crate::set::{Rows, SetFunction, column};

const TEXTS: types::Type = Array(&Text);

/// The same functions of json and of jsonb.
macro_rules! twice {
    ($($t:ident: $field:literal $field_text:literal $element:literal $element_text:literal $path:literal $path_text:literal $typeof:literal $length:literal;)*) => {
        &[$(
            Scalar::new($field, &[$t, Text], $t, |_, a| Ok(as_json(field(json(a, 0)?, text(a, 1)?)?))),
            Scalar::new($field_text, &[$t, Text], Text, |_, a| as_text(field(json(a, 0)?, text(a, 1)?)?)),
            Scalar::new($element, &[$t, Int4], $t, |_, a| Ok(as_json(item(json(a, 0)?, int4(a, 1)?, $t)))),
            Scalar::new($element_text, &[$t, Int4], Text, |_, a| as_text(item(json(a, 0)?, int4(a, 1)?, $t))),
            Scalar::new($path, &[$t, TEXTS], $t, |_, a| Ok(as_json(at_path(json(a, 0)?, &array(a, 1)?.values)?))),
            Scalar::new($path_text, &[$t, TEXTS], Text, |_, a| as_text(at_path(json(a, 0)?, &array(a, 1)?.values)?)),
            Scalar::new($path, &[$t, Text], $t, |_, a| Ok(as_json(at_path(json(a, 0)?, &a[1..])?))).variadic(),
            Scalar::new($path_text, &[$t, Text], Text, |_, a| as_text(at_path(json(a, 0)?, &a[1..])?)).variadic(),
            Scalar::new($typeof, &[$t], Text, |_, a| Ok(Datum::text(Kind::of(json(a, 0)?).name()))),
            Scalar::new($length, &[$t], Int4, |_, a| array_length(json(a, 0)?)),
        )*]
    };
}

pub(crate) static SCALARS: &[Scalar] = twice! {
    Json: "json_object_field" "json_object_field_text" "json_array_element" "json_array_element_text"
        "json_extract_path" "json_extract_path_text" "json_typeof" "json_array_length";
    Jsonb: "jsonb_object_field" "jsonb_object_field_text" "jsonb_array_element" "jsonb_array_element_text"
        "jsonb_extract_path" "jsonb_extract_path_text" "jsonb_typeof" "jsonb_array_length";
};

pub(crate) static SET_FUNCTIONS: &[SetFunction] = &[
    SetFunction::new("json_array_elements", &[Json], &[("value", Json)], |_, a| {
        array_elements(json(a, 0)?, "json_array_elements", false)
    }),
    SetFunction::new("json_array_elements_text", &[Json], &[("value", Text)], |_, a| {
        array_elements(json(a, 0)?, "json_array_elements_text", true)
    }),
    SetFunction::new("jsonb_array_elements", &[Jsonb], &[("value", Jsonb)], |_, a| {
        array_elements(json(a, 0)?, "jsonb_array_elements", false)
    }),
    SetFunction::new("jsonb_array_elements_text", &[Jsonb], &[("value", Text)], |_, a| {
        array_elements(json(a, 0)?, "jsonb_array_elements_text", true)
    }),
    SetFunction::new("json_each", &[Json], &[("key", Text), ("value", Json)], |_, a| {
        each(json(a, 0)?, "json_each", false)
    }),
    SetFunction::new("json_each_text", &[Json], &[("key", Text), ("value", Text)], |_, a| {
        each(json(a, 0)?, "json_each_text", true)
    }),
    SetFunction::new("jsonb_each", &[Jsonb], &[("key", Text), ("value", Jsonb)], |_, a| {
        each(json(a, 0)?, "jsonb_each", false)
    }),
    SetFunction::new("jsonb_each_text", &[Jsonb], &[("key", Text), ("value", Text)], |_, a| {
        each(json(a, 0)?, "jsonb_each_text", true)
    }),
    SetFunction::new("json_object_keys", &[Json], &[("json_object_keys", Text)], |_, a| {
        object_keys(json(a, 0)?, "json_object_keys")
    }),
    SetFunction::new("jsonb_object_keys", &[Jsonb], &[("jsonb_object_keys", Text)], |_, a| {
        object_keys(json(a, 0)?, "jsonb_object_keys")
    }),
];

fn field<'t>(document: &'t str, key: &str) -> Result<Option<&'t str>> {
    if Kind::of(document) == Kind::Object {
        member(document, key)
    } else {
        Ok(None)
    }
}

/// To jsonb a scalar that stands alone is an array of one.
fn item(document: &str, index: i32, ty: types::Type) -> Option<&str> {
    match Kind::of(document) {
        Kind::Array => element(document, index.into()),
        Kind::Object => None,
        _ => (ty == Jsonb && matches!(index, 0 | -1)).then_some(document),
    }
}

fn at_path<'t>(document: &'t str, path: &[Datum]) -> Result<Option<&'t str>> {
    let mut at = document;
    for step in path {
        let Some(step) = step.as_str() else { return Ok(None) };
        let next = match Kind::of(at) {
            Kind::Object => member(at, step)?,
            Kind::Array => step.trim().parse::<i32>().ok().and_then(|index| element(at, index.into())),
            Kind::String | Kind::Number | Kind::Boolean | Kind::Null => None,
        };
        match next {
            Some(value) => at = value,
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}

fn as_json(value: Option<&str>) -> Datum {
    value.map_or(Datum::Null, |value| Datum::Json(value.to_string()))
}

/// JSON's null is SQL's NULL, and strings lose their quotes.
fn as_text(value: Option<&str>) -> Result<Datum> {
    let Some(value) = value else { return Ok(Datum::Null) };
    Ok(match Kind::of(value) {
        Kind::Null => Datum::Null,
        Kind::String => Datum::text(unquote(value)?),
        Kind::Object | Kind::Array | Kind::Number | Kind::Boolean => Datum::text(value),
    })
}

fn refused(message: String) -> SqlError {
    SqlError::new(SqlState::InvalidParameterValue, message)
}

fn array_length(document: &str) -> Result<Datum> {
    match Kind::of(document) {
        Kind::Array => Ok(Datum::Int4(elements(document).count() as i32)),
        Kind::Object => Err(refused("cannot get array length of a non-array".to_string())),
        Kind::String | Kind::Number | Kind::Boolean | Kind::Null => Err(refused("cannot get array length of a scalar".to_string())),
    }
}

fn one(value: &str, wants_text: bool) -> Result<Datum> {
    if wants_text {
        as_text(Some(value))
    } else {
        Ok(Datum::Json(value.to_string()))
    }
}

fn array_elements(document: &str, function: &str, wants_text: bool) -> Result<Rows> {
    let is_jsonb = function.starts_with("jsonb");
    match Kind::of(document) {
        Kind::Array => {}
        Kind::Object if is_jsonb => return Err(refused("cannot extract elements from an object".to_string())),
        Kind::Object => return Err(refused(format!("cannot call {function} on a non-array"))),
        Kind::String | Kind::Number | Kind::Boolean | Kind::Null if is_jsonb => {
            return Err(refused("cannot extract elements from a scalar".to_string()));
        }
        Kind::String | Kind::Number | Kind::Boolean | Kind::Null => return Err(refused(format!("cannot call {function} on a scalar"))),
    }
    let values: Vec<Datum> = elements(document).map(|value| one(value, wants_text)).collect::<Result<_>>()?;
    check_elements(values.len())?;
    Ok(column(values))
}

fn each(document: &str, function: &str, wants_text: bool) -> Result<Rows> {
    match Kind::of(document) {
        Kind::Object => {}
        _ if function.starts_with("jsonb") => return Err(refused(format!("cannot call {function} on a non-object"))),
        Kind::Array => return Err(refused("cannot deconstruct an array as an object".to_string())),
        Kind::String | Kind::Number | Kind::Boolean | Kind::Null => return Err(refused("cannot deconstruct a scalar".to_string())),
    }
    let row = |(key, value): (&str, &str)| Ok(vec![Datum::text(unquote(key)?), one(value, wants_text)?]);
    let rows: Vec<Vec<Datum>> = members(document).map(row).collect::<Result<_>>()?;
    check_elements(rows.len())?;
    Ok(Box::new(rows.into_iter().map(Ok)))
}

fn object_keys(document: &str, function: &str) -> Result<Rows> {
    match Kind::of(document) {
        Kind::Object => {}
        Kind::Array => return Err(refused(format!("cannot call {function} on an array"))),
        Kind::String | Kind::Number | Kind::Boolean | Kind::Null => return Err(refused(format!("cannot call {function} on a scalar"))),
    }
    let keys: Vec<Datum> = members(document)
        .map(|(key, _)| unquote(key).map(Datum::text))
        .collect::<Result<_>>()?;
    Ok(column(keys))
}

/// The steps of a path argument; a NULL among them is an error.
pub(super) fn steps(path: &ArrayValue) -> Result<Vec<&str>> {
    if path.dims.len() > 1 {
        return Err(SqlError::new(SqlState::ArrayElementError, "wrong number of array subscripts"));
    }
    let mut out = Vec::with_capacity(path.values.len());
    for (i, step) in path.values.iter().enumerate() {
        match step.as_str() {
            Some(step) => out.push(step),
            None => {
                return Err(SqlError::new(
                    SqlState::NullValueNotAllowed,
                    format!("path element at position {} is null", i + 1),
                ));
            }
        }
    }
    Ok(out)
}
