//! `heliosdb.call`: another function by name, as `SELECT name(arguments)` would call it. CALL_FUNCTION of that name is
//! asked for by the backend, which knows what the name means.

use serde_json::Value;
use types::text::TextStyle;
use types::{Array, Datum, Type};

use super::arguments::Arguments;
use super::{Answer, Failure, State};

pub fn call(state: &mut State, mut arguments: Arguments) -> Result<Answer, Failure> {
    let name = arguments.text("a function's name")?;
    let given = arguments.rest();
    let result = state.rights()?.backend.call(&name, &readings(given))?;
    Ok(Answer::Value(result))
}

/// What the arguments may mean in SQL, the likeliest first: an array of values is an SQL array before it is JSON, and what fits no
/// function as the type that it brings along may fit one as a literal does.
fn readings(given: Vec<Datum>) -> Vec<Vec<Datum>> {
    let arrays: Vec<Datum> = given
        .iter()
        .map(|value| sql_array(value).unwrap_or_else(|| value.clone()))
        .collect();
    let literals: Vec<Datum> = arrays.iter().map(literal).collect();
    vec![arrays, given, literals]
}

/// An array of one kind of scalars that came as JSON.
fn sql_array(value: &Datum) -> Option<Datum> {
    let Datum::Json(text) = value else { return None };
    if !text.starts_with('[') {
        return None;
    }
    let Ok(Value::Array(elements)) = serde_json::from_str(text) else {
        return None;
    };
    let numbers = elements.iter().all(|element| element.is_number() || element.is_null());
    let integers = numbers && elements.iter().all(|element| element.as_i64().is_some() || element.is_null());
    let small = |element: &Value| element.as_i64().is_none_or(|number| i32::try_from(number).is_ok());
    let (element, read): (Type, fn(&Value) -> Option<Datum>) = if integers && elements.iter().all(small) {
        (Type::Int4, |element| i32::try_from(element.as_i64()?).ok().map(Datum::Int4))
    } else if integers {
        (Type::Int8, |element| element.as_i64().map(Datum::Int8))
    } else if numbers {
        (Type::Float8, |element| element.as_f64().map(Datum::Float8))
    } else if elements.iter().all(|element| element.is_boolean() || element.is_null()) {
        (Type::Bool, |element| element.as_bool().map(Datum::Bool))
    } else if elements.iter().all(|element| element.is_string() || element.is_null()) {
        (Type::Text, |element| element.as_str().map(Datum::text))
    } else {
        return None;
    };
    let values = elements
        .iter()
        .map(|element| if element.is_null() { Some(Datum::Null) } else { read(element) })
        .collect::<Option<Vec<Datum>>>()?;
    let dims = match i32::try_from(values.len()) {
        Ok(0) => vec![],
        Ok(length) => vec![(length, 1)],
        Err(_) => return None,
    };
    Some(Datum::Array(Box::new(Array { element, dims, values })))
}

/// As a quoted literal: text, whose place says what it is.
fn literal(value: &Datum) -> Datum {
    match value {
        Datum::Bool(value) => Datum::text(value.to_string()),
        Datum::Int4(value) => Datum::text(value.to_string()),
        Datum::Int8(value) => Datum::text(value.to_string()),
        Datum::Float8(value) => Datum::text(value.to_string()),
        Datum::Json(text) => Datum::text(text.clone()),
        Datum::Array(array) => {
            let mut text = String::new();
            match array.element.array_of() {
                Some(ty) => types::text::format(ty, value, &TextStyle::default(), &mut text),
                None => return value.clone(),
            }
            Datum::text(text)
        }
        other => other.clone(),
    }
}
