//! SQL values on their way to a guest.

use serde_json::Value;
use types::text::TextStyle;
use types::{Datum, SqlError, SqlState, Type};

use super::{Exchange, json};
use crate::abi::{shape, tag};

pub fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// Lengths fit in 32 bits: a value larger than a guest's whole memory never gets this far.
fn put_length(out: &mut Vec<u8>, length: usize) -> Result<(), SqlError> {
    let length =
        u32::try_from(length).map_err(|_| SqlError::new(SqlState::ProgramLimitExceeded, "a value is too large for a function's memory"))?;
    put_u32(out, length);
    Ok(())
}

pub fn put_text(out: &mut Vec<u8>, text: &str) -> Result<(), SqlError> {
    put_length(out, text.len())?;
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// How a guest is to look at results of this type.
pub fn put_shape(out: &mut Vec<u8>, ty: Type, columns: &[(String, Type)]) -> Result<(), SqlError> {
    match ty {
        Type::Json | Type::Jsonb => out.push(shape::JSON),
        Type::Array(element) => {
            out.push(shape::ARRAY);
            put_shape(out, *element, &[])?;
        }
        Type::Record if !columns.is_empty() => {
            out.push(shape::RECORD);
            put_length(out, columns.len())?;
            for (name, ty) in columns {
                put_text(out, name)?;
                put_shape(out, *ty, &[])?;
            }
        }
        Type::Void => out.push(shape::VOID),
        Type::Record | Type::Trigger => out.push(shape::JSON),
        Type::Bool
        | Type::Int2
        | Type::Int4
        | Type::Int8
        | Type::Float4
        | Type::Float8
        | Type::Numeric
        | Type::Text
        | Type::Varchar
        | Type::Bpchar
        | Type::Char
        | Type::Name
        | Type::Bytea
        | Type::Date
        | Type::Time
        | Type::Timestamp
        | Type::Timestamptz
        | Type::Interval
        | Type::Uuid
        | Type::Oid
        | Type::Regclass
        | Type::Regtype
        | Type::Regproc
        | Type::Regnamespace
        | Type::Regrole
        | Type::Unknown
        | Type::Any
        | Type::AnyElement
        | Type::AnyArray => out.push(shape::SCALAR),
    }
    Ok(())
}

/// Appends one value. What it is says how; its declared type adds nothing that a guest could use.
pub fn put_value(out: &mut Vec<u8>, datum: &Datum, exchange: &mut Exchange) -> Result<(), SqlError> {
    match datum {
        Datum::Null => out.push(tag::NULL),
        Datum::Bool(value) => out.push(if *value { tag::TRUE } else { tag::FALSE }),
        Datum::Int2(value) => put_int(out, i32::from(*value)),
        Datum::Int4(value) => put_int(out, *value),
        Datum::Int8(value) => put_long(out, tag::LONG, *value),
        Datum::Oid(value) => put_long(out, tag::LONG, i64::from(*value)),
        Datum::Float4(value) => put_float(out, f64::from(*value)),
        Datum::Float8(value) => put_float(out, *value),
        Datum::Text(text) => {
            out.push(tag::TEXT);
            put_text(out, text)?;
        }
        Datum::Bytea(bytes) => {
            out.push(tag::BYTES);
            put_length(out, bytes.len())?;
            out.extend_from_slice(bytes);
        }
        Datum::Timestamptz(micros) => put_long(out, tag::TIMESTAMPTZ, *micros),
        Datum::Timestamp(micros) => put_long(out, tag::TIMESTAMP, *micros),
        Datum::Date(days) => {
            out.push(tag::DATE);
            out.extend_from_slice(&days.to_le_bytes());
        }
        Datum::Numeric(_) => put_printed(out, tag::DECIMAL, Type::Numeric, datum)?,
        Datum::Time(_) => put_printed(out, tag::TIME, Type::Time, datum)?,
        Datum::Interval(_) => put_printed(out, tag::INTERVAL, Type::Interval, datum)?,
        Datum::Uuid(_) => put_printed(out, tag::UUID, Type::Uuid, datum)?,
        Datum::Json(text) => put_json_text(out, text, exchange)?,
        Datum::Array(array) => put_array(out, &mut array.values.iter(), &array.dims, exchange)?,
        Datum::Record(fields) => {
            out.push(tag::ARRAY);
            put_length(out, fields.len())?;
            for field in fields {
                put_value(out, field, exchange)?;
            }
        }
    }
    Ok(())
}

fn put_int(out: &mut Vec<u8>, value: i32) {
    out.push(tag::INT);
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_long(out: &mut Vec<u8>, tag: u8, value: i64) {
    out.push(tag);
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_float(out: &mut Vec<u8>, value: f64) {
    out.push(tag::FLOAT);
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_printed(out: &mut Vec<u8>, tag: u8, ty: Type, datum: &Datum) -> Result<(), SqlError> {
    let mut text = String::new();
    types::text::format(ty, datum, &TextStyle::default(), &mut text);
    out.push(tag);
    put_text(out, &text)
}

/// Row-major values as nested arrays.
fn put_array<'a>(
    out: &mut Vec<u8>,
    values: &mut impl Iterator<Item = &'a Datum>,
    dims: &[(i32, i32)],
    exchange: &mut Exchange,
) -> Result<(), SqlError> {
    out.push(tag::ARRAY);
    let Some(((length, _), inner)) = dims.split_first() else {
        put_u32(out, 0);
        return Ok(());
    };
    let length = usize::try_from(*length).unwrap_or(0);
    put_length(out, length)?;
    for _ in 0..length {
        if inner.is_empty() {
            let value = values
                .next()
                .ok_or_else(|| SqlError::internal("an array is shorter than its dimensions say"))?;
            put_value(out, value, exchange)?;
        } else {
            put_array(out, values, inner, exchange)?;
        }
    }
    Ok(())
}

/// JSON becomes values here, so that no guest needs a parser that can be tampered with, and integers
/// keep all their digits.
fn put_json_text(out: &mut Vec<u8>, text: &str, exchange: &mut Exchange) -> Result<(), SqlError> {
    let value: Value = serde_json::from_str(text).map_err(|error| {
        SqlError::new(SqlState::ProgramLimitExceeded, "a JSON value cannot be passed to the function").detail(format!("{error}."))
    })?;
    if exchange.rounds() {
        exchange.note(&value);
    }
    put_json(out, &value, exchange.rounds())
}

fn put_json(out: &mut Vec<u8>, value: &Value, rounds: bool) -> Result<(), SqlError> {
    match value {
        Value::Null => out.push(tag::NULL),
        Value::Bool(value) => out.push(if *value { tag::TRUE } else { tag::FALSE }),
        Value::Number(number) => put_json_number(out, number, rounds)?,
        Value::String(text) => {
            out.push(tag::TEXT);
            put_text(out, text)?;
        }
        Value::Array(elements) => {
            out.push(tag::ARRAY);
            put_length(out, elements.len())?;
            for element in elements {
                put_json(out, element, rounds)?;
            }
        }
        Value::Object(members) => {
            out.push(tag::OBJECT);
            put_length(out, members.len())?;
            for (name, member) in members {
                put_text(out, name)?;
                put_json(out, member, rounds)?;
            }
        }
    }
    Ok(())
}

/// As a float where that is the same number; a guest that has no decimals gets the nearest float, if there is one.
fn put_json_number(out: &mut Vec<u8>, number: &serde_json::Number, rounds: bool) -> Result<(), SqlError> {
    let text = number.as_str();
    if let Ok(integer) = text.parse::<i32>()
        && text != "-0"
    {
        put_int(out, integer);
    } else if let Ok(integer) = text.parse::<i64>()
        && text != "-0"
    {
        put_long(out, tag::LONG, integer);
    } else if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') && text != "-0" {
        out.push(tag::BIG);
        put_text(out, text)?;
    } else {
        let float: f64 = text.parse().unwrap_or(f64::NAN);
        let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
        let beyond = !float.is_finite() || (float == 0.0 && mantissa.contains(|c| matches!(c, '1'..='9')));
        if !beyond && (rounds || json::is_exact(text, float)) {
            put_float(out, float);
        } else if rounds {
            return Err(SqlError::new(
                SqlState::NumericValueOutOfRange,
                "a number of a JSON value is out of range for the function's language",
            )
            .hint("Pass the value as text."));
        } else {
            out.push(tag::DECIMAL);
            put_text(out, text)?;
        }
    }
    Ok(())
}
