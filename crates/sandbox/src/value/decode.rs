//! A guest's values, checked against the SQL type that was declared.
//!
//! | declared | accepted |
//! |---|---|
//! | boolean | booleans |
//! | smallint, integer, bigint | numbers without a fraction, BigInts and ints, in range |
//! | real, double precision | numbers, BigInts, ints, Decimals; real rounds |
//! | numeric | numbers (their shortest decimal form), BigInts, ints, Decimals, strings that read as numeric |
//! | text, varchar, char, name | strings; objects, arrays, dicts and lists become their JSON text |
//! | bytea | Uint8Array, ArrayBuffer; bytes, bytearray, memoryview |
//! | date, timestamp, timestamptz | Date, date, datetime, strings that read as one; what says no zone is the session's |
//! | time, interval, uuid | time, timedelta, UUID, strings that read as one |
//! | json, jsonb | everything that has a JSON form; null is SQL NULL |
//! | arrays | arrays, typed arrays; nested ones must be rectangular |
//!
//! Anything else is an error that says what came and what was declared.

use types::text::TextStyle;
use types::{Array, Datum, NO_TYPMOD, Numeric, SqlError, SqlState, Type};

use std::borrow::Cow;

use super::Exchange;
use super::json;
use super::reader::Reader;
use super::sent::{Returned, Sent, sent};

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Whose value it is, and how texts in it read.
pub(super) struct Reading<'a> {
    pub origin: Origin<'a>,
    /// The session's, as for a literal in SQL.
    pub style: &'a TextStyle,
    /// What the guest was handed before.
    pub exchange: Option<&'a Exchange>,
}

#[derive(Clone, Copy)]
pub(super) enum Origin<'a> {
    /// What the function of this name returned.
    Result(&'a str),
    /// What was passed to a statement: texts take the type of their place.
    Parameter,
}

/// Reads one result of `function`, declared as `ty`.
pub fn returned(
    input: &mut Reader<'_>,
    function: &str,
    ty: Type,
    columns: &[(String, Type)],
    exchange: &Exchange,
) -> Result<Datum, Returned> {
    let sent = sent(input)?;
    let reading = &Reading {
        origin: Origin::Result(function),
        style: &exchange.style,
        exchange: Some(exchange),
    };
    if let (Sent::Row(values), Type::Record) = (&sent, ty) {
        if values.len() != columns.len() {
            return Err(Returned::Malformed);
        }
        let fields = values
            .iter()
            .zip(columns)
            .map(|(value, (_, ty))| typed(value, *ty, reading))
            .collect::<Result<_, _>>()?;
        return Ok(Datum::Record(fields));
    }
    // Of a table of one column the value may stand for the row.
    if let (Type::Record, [(_, column)]) = (ty, columns)
        && !matches!(sent, Sent::Null)
    {
        return Ok(Datum::Record(vec![typed(&sent, *column, reading)?]));
    }
    Ok(typed(&sent, ty, reading)?)
}

pub(super) fn typed(sent: &Sent<'_>, ty: Type, reading: &Reading<'_>) -> Result<Datum, SqlError> {
    match (sent, reading.origin) {
        (Sent::Null, _) => return Ok(Datum::Null),
        (Sent::Text(text), Origin::Parameter) if !matches!(ty, Type::Json | Type::Jsonb | Type::Array(_) | Type::Record) => {
            return read(ty, text, reading);
        }
        _ => {}
    }
    let mismatch = || mismatch(sent, ty, reading);
    match ty {
        Type::Bool => match sent {
            Sent::Bool(value) => Ok(Datum::Bool(*value)),
            _ => Err(mismatch()),
        },
        Type::Int2 => {
            integer(sent, ty, reading).and_then(|value| Ok(Datum::Int2(i16::try_from(value).map_err(|_| out_of_range(sent, ty, reading))?)))
        }
        Type::Int4 => {
            integer(sent, ty, reading).and_then(|value| Ok(Datum::Int4(i32::try_from(value).map_err(|_| out_of_range(sent, ty, reading))?)))
        }
        Type::Int8 => integer(sent, ty, reading).map(Datum::Int8),
        Type::Oid | Type::Regclass | Type::Regtype | Type::Regproc | Type::Regnamespace | Type::Regrole => {
            integer(sent, ty, reading).and_then(|value| Ok(Datum::Oid(u32::try_from(value).map_err(|_| out_of_range(sent, ty, reading))?)))
        }
        Type::Float8 => float(sent).map(Datum::Float8).ok_or_else(mismatch),
        Type::Float4 => {
            let wide = float(sent).ok_or_else(mismatch)?;
            let narrow = wide as f32;
            if narrow.is_infinite() && wide.is_finite() {
                Err(out_of_range(sent, ty, reading))
            } else {
                Ok(Datum::Float4(narrow))
            }
        }
        Type::Numeric => match sent {
            Sent::Int(value) => Ok(Datum::Numeric(Numeric::from(*value))),
            Sent::Float(value) => Ok(Datum::Numeric(Numeric::from_f64(*value)?)),
            Sent::Big(text) | Sent::Decimal(text) | Sent::Text(text) => read(ty, text, reading),
            _ => Err(mismatch()),
        },
        Type::Text | Type::Varchar | Type::Bpchar | Type::Char | Type::Name | Type::Unknown => match sent {
            Sent::Text(text) if text.contains('\0') => Err(SqlError::new(
                SqlState::CharacterNotInRepertoire,
                format!("{} a string with a zero character, which text cannot hold", reading.origin.verb()),
            )),
            Sent::Text(text) if matches!(ty, Type::Char | Type::Name) => read(ty, text, reading),
            Sent::Text(text) | Sent::Json(text) => Ok(Datum::text(text.as_ref())),
            _ => Err(mismatch()),
        },
        Type::Bytea => match sent {
            Sent::Bytes(bytes) => Ok(Datum::Bytea(bytes.to_vec())),
            _ => Err(mismatch()),
        },
        Type::Date => match sent {
            Sent::Instant(micros) | Sent::Local(micros) => {
                if matches!(reading.origin, Origin::Parameter) && micros.rem_euclid(MICROS_PER_DAY) != 0 {
                    return Err(mismatch());
                }
                let days = i32::try_from(micros.div_euclid(MICROS_PER_DAY)).map_err(|_| out_of_range(sent, ty, reading))?;
                Ok(Datum::Date(days))
            }
            Sent::Day(days) => Ok(Datum::Date(*days)),
            Sent::Zoned(text) => match (reading.origin, read(Type::Timestamp, text, reading)?) {
                (Origin::Parameter, Datum::Timestamp(micros)) if micros.rem_euclid(MICROS_PER_DAY) != 0 => Err(mismatch()),
                _ => read(ty, text, reading),
            },
            Sent::Text(text) => read(ty, text, reading),
            _ => Err(mismatch()),
        },
        Type::Timestamp => match sent {
            Sent::Instant(micros) | Sent::Local(micros) => Ok(Datum::Timestamp(*micros)),
            Sent::Day(days) => Ok(Datum::Timestamp(midnight(*days))),
            Sent::Zoned(text) | Sent::Text(text) => read(ty, text, reading),
            _ => Err(mismatch()),
        },
        Type::Timestamptz => match sent {
            Sent::Instant(micros) => Ok(Datum::Timestamptz(*micros)),
            Sent::Local(micros) => Ok(Datum::Timestamptz(reading.style.time_zone.to_utc(*micros))),
            Sent::Day(days) => Ok(Datum::Timestamptz(reading.style.time_zone.to_utc(midnight(*days)))),
            Sent::Zoned(text) | Sent::Text(text) => read(ty, text, reading),
            _ => Err(mismatch()),
        },
        Type::Time | Type::Interval | Type::Uuid => match sent {
            Sent::Text(text) => read(ty, text, reading),
            _ => Err(mismatch()),
        },
        Type::Json | Type::Jsonb => match (sent, reading.origin) {
            (Sent::Json(text), Origin::Result(_)) => match reading.exchange {
                Some(exchange) => read(ty, &exchange.restored(Cow::Borrowed(text)), reading),
                None => read(ty, text, reading),
            },
            (Sent::Json(text), Origin::Parameter) => read(ty, text, reading),
            (sent, Origin::Parameter) => read(ty, &json::text(sent).ok_or_else(mismatch)?, reading),
            (_, Origin::Result(_)) => Err(mismatch()),
        },
        Type::Array(element) => match sent {
            // JSON has arrays of its own.
            Sent::Array(values) if matches!((element, reading.origin), (Type::Json | Type::Jsonb, Origin::Parameter)) => {
                let elements = values.iter().map(|value| typed(value, *element, reading));
                Ok(one_dimension(*element, elements.collect::<Result<_, _>>()?)?)
            }
            Sent::Array(values) => array(values, *element, reading),
            _ => Err(mismatch()),
        },
        Type::Void => Ok(Datum::Null),
        Type::Record | Type::Trigger => match sent {
            Sent::Json(text) => read(Type::Jsonb, text, reading),
            _ => Err(mismatch()),
        },
        Type::Any | Type::AnyElement | Type::AnyArray => Err(SqlError::unsupported(format!("a function that returns {ty}"))),
    }
}

impl Origin<'_> {
    fn verb(self) -> String {
        match self {
            Origin::Result(function) => format!("function {function} returned"),
            Origin::Parameter => "a parameter holds".to_string(),
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Origin::Result(_) => "declared",
            Origin::Parameter => "expected",
        }
    }
}

fn midnight(days: i32) -> i64 {
    i64::from(days).saturating_mul(MICROS_PER_DAY)
}

fn integer(sent: &Sent<'_>, ty: Type, reading: &Reading<'_>) -> Result<i64, SqlError> {
    match sent {
        Sent::Int(value) => Ok(*value),
        // Each such number is exact: beyond 2^53 they are integers anyway.
        Sent::Float(value) if value.fract() == 0.0 && (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(value) => {
            Ok(*value as i64)
        }
        Sent::Float(value) if value.fract() == 0.0 || !value.is_finite() => Err(out_of_range(sent, ty, reading)),
        Sent::Float(value) => Err(not_whole(&value.to_string(), ty, reading)),
        Sent::Big(text) => text.parse().map_err(|_| out_of_range(sent, ty, reading)),
        Sent::Decimal(text) => {
            let Datum::Numeric(value) = read(Type::Numeric, text, reading)? else {
                return Err(mismatch(sent, ty, reading));
            };
            if value.trim_scale().scale().is_some_and(|scale| scale > 0) {
                return Err(not_whole(&shortened(text), ty, reading));
            }
            value.to_i64().map_err(|_| out_of_range(sent, ty, reading))
        }
        _ => Err(mismatch(sent, ty, reading)),
    }
}

fn not_whole(value: &str, ty: Type, reading: &Reading<'_>) -> SqlError {
    let (verb, expected) = (reading.origin.verb(), reading.origin.expected());
    let message = format!("{verb} {value}, which is not a whole number, where {ty} is {expected}");
    let error = SqlError::new(SqlState::DatatypeMismatch, message);
    match reading.origin {
        Origin::Result(_) => error.hint("Round it, or declare the function RETURNS double precision or numeric."),
        Origin::Parameter => error,
    }
}

fn float(sent: &Sent<'_>) -> Option<f64> {
    match sent {
        Sent::Int(value) => Some(*value as f64),
        Sent::Float(value) => Some(*value),
        Sent::Big(text) | Sent::Decimal(text) => text.parse().ok(),
        _ => None,
    }
}

/// Reads a string as PostgreSQL's input function would.
fn read(ty: Type, text: &str, reading: &Reading<'_>) -> Result<Datum, SqlError> {
    types::text::parse(ty, NO_TYPMOD, text, reading.style).map_err(|error| {
        let error = SqlError::new(error.state(), error.message());
        match reading.origin {
            Origin::Result(function) => error.detail(format!("This is what function {function} returned.")),
            Origin::Parameter => error,
        }
    })
}

pub(super) fn array(values: &[Sent<'_>], element: Type, reading: &Reading<'_>) -> Result<Datum, SqlError> {
    let mut dims = Vec::new();
    let mut level = values;
    while let Some(first) = level.first() {
        dims.push((
            i32::try_from(level.len()).map_err(|_| SqlError::new(SqlState::ProgramLimitExceeded, "an array is too large"))?,
            1,
        ));
        match first {
            Sent::Array(inner) => level = inner,
            _ => break,
        }
    }
    if dims.len() > 6 {
        return Err(SqlError::new(
            SqlState::ProgramLimitExceeded,
            format!("number of array dimensions ({}) exceeds the maximum allowed (6)", dims.len()),
        ));
    }
    let mut flat = Vec::new();
    flatten(values, &dims, element, reading, &mut flat)?;
    if flat.is_empty() {
        dims.clear();
    }
    Ok(Datum::Array(Box::new(Array {
        element,
        dims,
        values: flat,
    })))
}

fn flatten(values: &[Sent<'_>], dims: &[(i32, i32)], element: Type, reading: &Reading<'_>, out: &mut Vec<Datum>) -> Result<(), SqlError> {
    let Some(((_, _), inner)) = dims.split_first() else {
        return Ok(());
    };
    for value in values {
        match (value, inner.first()) {
            (Sent::Array(nested), Some((length, _))) if usize::try_from(*length) == Ok(nested.len()) => {
                flatten(nested, inner, element, reading, out)?
            }
            // `[[], []]`, like `[]`, is the empty array.
            (Sent::Array(_), None) if values.iter().all(is_empty) => {}
            (Sent::Array(_), _) | (_, Some(_)) => {
                return Err(SqlError::new(
                    SqlState::ArrayElementError,
                    format!(
                        "{} nested arrays of different lengths, which no SQL array can hold",
                        reading.origin.verb()
                    ),
                ));
            }
            (value, None) => out.push(typed(value, element, reading)?),
        }
    }
    Ok(())
}

pub(super) fn one_dimension(element: Type, values: Vec<Datum>) -> Result<Datum, SqlError> {
    let length = i32::try_from(values.len()).map_err(|_| SqlError::new(SqlState::ProgramLimitExceeded, "an array is too large"))?;
    let dims = if length == 0 { vec![] } else { vec![(length, 1)] };
    Ok(Datum::Array(Box::new(Array { element, dims, values })))
}

fn is_empty(value: &Sent<'_>) -> bool {
    matches!(value, Sent::Array(nested) if nested.is_empty())
}

fn out_of_range(sent: &Sent<'_>, ty: Type, reading: &Reading<'_>) -> SqlError {
    let value = match sent {
        Sent::Int(value) => value.to_string(),
        Sent::Float(value) => value.to_string(),
        Sent::Big(text) | Sent::Decimal(text) | Sent::Text(text) => shortened(text),
        _ => return SqlError::new(SqlState::NumericValueOutOfRange, format!("{ty} out of range")),
    };
    let error = SqlError::new(SqlState::NumericValueOutOfRange, format!("{ty} out of range"));
    match reading.origin {
        Origin::Result(_) => error.detail(format!("The function returned {value}.")),
        Origin::Parameter => error.detail(format!("A parameter holds {value}.")),
    }
}

fn mismatch(sent: &Sent<'_>, ty: Type, reading: &Reading<'_>) -> SqlError {
    let (what, hint) = match sent {
        Sent::Null => ("null".to_string(), None),
        Sent::Bool(value) => (value.to_string(), None),
        Sent::Int(value) => (format!("the number {value}"), None),
        Sent::Float(value) => (format!("the number {value}"), None),
        Sent::Big(text) => (format!("the integer {}", shortened(text)), None),
        Sent::Decimal(text) => (format!("the number {}", shortened(text)), None),
        Sent::Text(text) => (format!("the string \"{}\"", shortened(text)), None),
        Sent::Bytes(bytes) => (format!("{} bytes", bytes.len()), None),
        Sent::Instant(_) | Sent::Zoned(_) | Sent::Local(_) | Sent::Day(_) => ("a date".to_string(), None),
        Sent::Array(values) => (format!("an array of {}", values.len()), None),
        Sent::Row(_) => ("a row".to_string(), None),
        Sent::Json(text) => (
            format!("an object: {}", shortened(text)),
            Some("Declare the function RETURNS jsonb to return objects."),
        ),
    };
    let (verb, expected) = (reading.origin.verb(), reading.origin.expected());
    let error = SqlError::new(SqlState::DatatypeMismatch, format!("{verb} {what} where {ty} is {expected}"));
    if let Origin::Parameter = reading.origin {
        return error;
    }
    match (hint, ty) {
        (Some(hint), _) => error.hint(hint),
        (None, Type::Text | Type::Varchar | Type::Bpchar) => error.hint("Convert it in the function, or declare the type that it returns."),
        (None, _) => error,
    }
}

/// Values in messages are for people.
fn shortened(text: &str) -> String {
    const MAX_CHARS: usize = 60;
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::tag;
    use crate::value::Param;
    use crate::value::sent::MAX_ELEMENTS;

    /// A guest that lies: whatever it writes, it gets an error or a value of the declared type.
    #[test]
    fn no_bytes_of_a_guest_can_do_harm() {
        let types = types::SCALARS
            .iter()
            .map(|scalar| scalar.ty)
            .filter(|ty| ty.category() != 'P' || *ty == Type::Record);
        let types: Vec<Type> = types.flat_map(|ty| std::iter::once(ty).chain(ty.array_type())).collect();
        let columns = [("a".to_string(), Type::Int4), ("b".to_string(), Type::Text)];
        let mut state = 42u64;
        let mut random = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize
        };
        for round in 0..100_000 {
            let mut bytes: Vec<u8> = (0..random() % 40).map(|_| random() as u8).collect();
            // Mostly tags and small lengths, or nothing would get beyond the first byte.
            for byte in bytes.iter_mut().filter(|byte| **byte % 4 != 0) {
                *byte %= 19;
            }
            if let Some(first) = bytes.get_mut(1) {
                *first %= 4;
            }
            let ty = types[round % types.len()];
            let exchange = Exchange::default();
            let _ = returned(&mut Reader::new(&bytes), "f()", ty, &columns, &exchange);
            if let Ok(param) = Param::read(&mut Reader::new(&bytes), &exchange) {
                let _ = param.placed(ty, &exchange.style);
                let _ = param.by_itself(Some(ty));
            }
        }
    }

    #[test]
    fn one_value_cannot_fill_the_host() {
        let mut bytes = vec![tag::ARRAY];
        bytes.extend_from_slice(&(MAX_ELEMENTS as u32 + 1).to_le_bytes());
        bytes.resize(bytes.len() + MAX_ELEMENTS + 1, tag::NULL);
        let outcome = returned(&mut Reader::new(&bytes), "f()", Type::Array(&Type::Int4), &[], &Exchange::default());
        assert!(matches!(outcome, Err(Returned::Unfit(error)) if error.state() == SqlState::ProgramLimitExceeded));
    }
}
