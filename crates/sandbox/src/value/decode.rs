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
//! | date, timestamp, timestamptz | Date, date, datetime, strings that read as one |
//! | time, interval, uuid | time, timedelta, UUID, strings that read as one |
//! | json, jsonb | everything that has a JSON form; null is SQL NULL |
//! | arrays | arrays, typed arrays; nested ones must be rectangular |
//!
//! Anything else is an error that says what came and what was declared.

use types::text::TextStyle;
use types::{Array, Datum, NO_TYPMOD, Numeric, SqlError, SqlState, Type};

use super::reader::{Malformed, Reader};
use crate::abi::tag;

/// Why a value is refused.
#[derive(Debug)]
pub enum Returned {
    Malformed,
    Unfit(SqlError),
}

impl From<Malformed> for Returned {
    fn from(_: Malformed) -> Returned {
        Returned::Malformed
    }
}

impl From<SqlError> for Returned {
    fn from(error: SqlError) -> Returned {
        Returned::Unfit(error)
    }
}

/// What a guest sent, before it has a type.
enum Sent<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// Decimal digits of any length.
    Big(&'a str),
    /// A decimal number, as text.
    Decimal(&'a str),
    Text(&'a str),
    Bytes(&'a [u8]),
    /// Microseconds since 1970 UTC.
    Instant(i64),
    /// The same without a zone.
    Local(i64),
    /// Days since 1970.
    Day(i32),
    Array(Vec<Sent<'a>>),
    Row(Vec<Sent<'a>>),
    Json(&'a str),
}

/// Deeper nesting is no SQL array; and reading it must not exhaust our stack.
const MAX_DEPTH: u32 = 8;
/// Elements of one value, on all its levels: a NULL is one byte in the guest's memory and some forty
/// here, so the guest's memory limit alone does not bound ours.
const MAX_ELEMENTS: usize = 4 << 20;

fn sent<'a>(input: &mut Reader<'a>) -> Result<Sent<'a>, Returned> {
    let mut room = MAX_ELEMENTS;
    sent_nested(input, 0, &mut room)
}

fn sent_nested<'a>(input: &mut Reader<'a>, depth: u32, room: &mut usize) -> Result<Sent<'a>, Returned> {
    let tag = input.u8()?;
    Ok(match tag {
        tag::NULL => Sent::Null,
        tag::FALSE => Sent::Bool(false),
        tag::TRUE => Sent::Bool(true),
        tag::INT => Sent::Int(i64::from(input.i32()?)),
        tag::LONG => Sent::Int(input.i64()?),
        tag::FLOAT => Sent::Float(input.f64()?),
        tag::BIG => Sent::Big(input.text()?),
        tag::DECIMAL => Sent::Decimal(input.text()?),
        tag::TEXT | tag::TIME | tag::INTERVAL | tag::UUID => Sent::Text(input.text()?),
        tag::BYTES => Sent::Bytes(input.bytes()?),
        tag::TIMESTAMPTZ => Sent::Instant(input.i64()?),
        tag::TIMESTAMP => Sent::Local(input.i64()?),
        tag::DATE => Sent::Day(input.i32()?),
        tag::JSON => Sent::Json(input.text()?),
        tag::ARRAY | tag::OBJECT => {
            if depth == MAX_DEPTH {
                return Err(Returned::Malformed);
            }
            let count = input.count()?;
            *room = room.checked_sub(count).ok_or_else(|| {
                SqlError::new(
                    SqlState::ProgramLimitExceeded,
                    format!("a function's value has more than {MAX_ELEMENTS} elements"),
                )
            })?;
            let mut values = Vec::new();
            for _ in 0..count {
                values.push(sent_nested(input, depth + 1, room)?);
            }
            if tag == tag::ARRAY {
                Sent::Array(values)
            } else {
                Sent::Row(values)
            }
        }
        _ => return Err(Returned::Malformed),
    })
}

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Reads one result of `function`, declared as `ty`.
pub fn returned(input: &mut Reader<'_>, function: &str, ty: Type, columns: &[(String, Type)]) -> Result<Datum, Returned> {
    let sent = sent(input)?;
    if let (Sent::Row(values), Type::Record) = (&sent, ty) {
        if values.len() != columns.len() {
            return Err(Returned::Malformed);
        }
        let fields = values
            .iter()
            .zip(columns)
            .map(|(value, (_, ty))| typed(value, *ty, function))
            .collect::<Result<_, _>>()?;
        return Ok(Datum::Record(fields));
    }
    // Of a table of one column the value may stand for the row.
    if let (Type::Record, [(_, column)]) = (ty, columns)
        && !matches!(sent, Sent::Null)
    {
        return Ok(Datum::Record(vec![typed(&sent, *column, function)?]));
    }
    Ok(typed(&sent, ty, function)?)
}

fn typed(sent: &Sent<'_>, ty: Type, function: &str) -> Result<Datum, SqlError> {
    if let Sent::Null = sent {
        return Ok(Datum::Null);
    }
    let mismatch = || mismatch(sent, ty, function);
    match ty {
        Type::Bool => match sent {
            Sent::Bool(value) => Ok(Datum::Bool(*value)),
            _ => Err(mismatch()),
        },
        Type::Int2 => {
            integer(sent, ty, function).and_then(|value| Ok(Datum::Int2(i16::try_from(value).map_err(|_| out_of_range(sent, ty))?)))
        }
        Type::Int4 => {
            integer(sent, ty, function).and_then(|value| Ok(Datum::Int4(i32::try_from(value).map_err(|_| out_of_range(sent, ty))?)))
        }
        Type::Int8 => integer(sent, ty, function).map(Datum::Int8),
        Type::Oid | Type::Regclass | Type::Regtype | Type::Regproc | Type::Regnamespace | Type::Regrole => {
            integer(sent, ty, function).and_then(|value| Ok(Datum::Oid(u32::try_from(value).map_err(|_| out_of_range(sent, ty))?)))
        }
        Type::Float8 => float(sent).map(Datum::Float8).ok_or_else(mismatch),
        Type::Float4 => {
            let wide = float(sent).ok_or_else(mismatch)?;
            let narrow = wide as f32;
            if narrow.is_infinite() && wide.is_finite() {
                Err(out_of_range(sent, ty))
            } else {
                Ok(Datum::Float4(narrow))
            }
        }
        Type::Numeric => match sent {
            Sent::Int(value) => Ok(Datum::Numeric(Numeric::from(*value))),
            Sent::Float(value) => Ok(Datum::Numeric(Numeric::from_f64(*value)?)),
            Sent::Big(text) | Sent::Decimal(text) | Sent::Text(text) => read(ty, text, function),
            _ => Err(mismatch()),
        },
        Type::Text | Type::Varchar | Type::Bpchar | Type::Char | Type::Name | Type::Unknown => match sent {
            Sent::Text(text) if text.contains('\0') => Err(SqlError::new(
                SqlState::CharacterNotInRepertoire,
                format!("function {function} returned a string with a zero character, which text cannot hold"),
            )),
            Sent::Text(text) if matches!(ty, Type::Char | Type::Name) => read(ty, text, function),
            Sent::Text(text) | Sent::Json(text) => Ok(Datum::text(*text)),
            _ => Err(mismatch()),
        },
        Type::Bytea => match sent {
            Sent::Bytes(bytes) => Ok(Datum::Bytea(bytes.to_vec())),
            _ => Err(mismatch()),
        },
        Type::Date => match sent {
            Sent::Instant(micros) | Sent::Local(micros) => {
                let days = i32::try_from(micros.div_euclid(MICROS_PER_DAY)).map_err(|_| out_of_range(sent, ty))?;
                Ok(Datum::Date(days))
            }
            Sent::Day(days) => Ok(Datum::Date(*days)),
            Sent::Text(text) => read(ty, text, function),
            _ => Err(mismatch()),
        },
        Type::Timestamp => match sent {
            Sent::Instant(micros) | Sent::Local(micros) => Ok(Datum::Timestamp(*micros)),
            Sent::Day(days) => Ok(Datum::Timestamp(midnight(*days))),
            Sent::Text(text) => read(ty, text, function),
            _ => Err(mismatch()),
        },
        Type::Timestamptz => match sent {
            Sent::Instant(micros) | Sent::Local(micros) => Ok(Datum::Timestamptz(*micros)),
            Sent::Day(days) => Ok(Datum::Timestamptz(midnight(*days))),
            Sent::Text(text) => read(ty, text, function),
            _ => Err(mismatch()),
        },
        Type::Time | Type::Interval | Type::Uuid => match sent {
            Sent::Text(text) => read(ty, text, function),
            _ => Err(mismatch()),
        },
        Type::Json | Type::Jsonb => match sent {
            Sent::Json(text) => read(ty, text, function),
            _ => Err(mismatch()),
        },
        Type::Array(element) => match sent {
            Sent::Array(values) => array(values, *element, function),
            _ => Err(mismatch()),
        },
        Type::Void => Ok(Datum::Null),
        Type::Record | Type::Trigger => match sent {
            Sent::Json(text) => read(Type::Jsonb, text, function),
            _ => Err(mismatch()),
        },
        Type::Any | Type::AnyElement | Type::AnyArray => Err(SqlError::unsupported(format!("a function that returns {ty}"))),
    }
}

fn midnight(days: i32) -> i64 {
    i64::from(days).saturating_mul(MICROS_PER_DAY)
}

fn integer(sent: &Sent<'_>, ty: Type, function: &str) -> Result<i64, SqlError> {
    match sent {
        Sent::Int(value) => Ok(*value),
        // Each such number is exact: beyond 2^53 they are integers anyway.
        Sent::Float(value) if value.fract() == 0.0 && (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(value) => {
            Ok(*value as i64)
        }
        Sent::Float(value) if value.fract() == 0.0 || !value.is_finite() => Err(out_of_range(sent, ty)),
        Sent::Float(value) => Err(not_whole(&value.to_string(), ty, function)),
        Sent::Big(text) => text.parse().map_err(|_| out_of_range(sent, ty)),
        Sent::Decimal(text) => {
            let Datum::Numeric(value) = read(Type::Numeric, text, function)? else {
                return Err(mismatch(sent, ty, function));
            };
            if value.trim_scale().scale().is_some_and(|scale| scale > 0) {
                return Err(not_whole(&shortened(text), ty, function));
            }
            value.to_i64().map_err(|_| out_of_range(sent, ty))
        }
        _ => Err(mismatch(sent, ty, function)),
    }
}

fn not_whole(value: &str, ty: Type, function: &str) -> SqlError {
    SqlError::new(
        SqlState::DatatypeMismatch,
        format!("function {function} returned {value}, which is not a whole number, where {ty} is declared"),
    )
    .hint("Round it, or declare the function RETURNS double precision or numeric.")
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
fn read(ty: Type, text: &str, function: &str) -> Result<Datum, SqlError> {
    types::text::parse(ty, NO_TYPMOD, text, &TextStyle::default()).map_err(|error| {
        let error = SqlError::new(error.state(), error.message());
        error.detail(format!("This is what function {function} returned."))
    })
}

fn array(values: &[Sent<'_>], element: Type, function: &str) -> Result<Datum, SqlError> {
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
    flatten(values, &dims, element, function, &mut flat)?;
    if flat.is_empty() {
        dims.clear();
    }
    Ok(Datum::Array(Box::new(Array {
        element,
        dims,
        values: flat,
    })))
}

fn flatten(values: &[Sent<'_>], dims: &[(i32, i32)], element: Type, function: &str, out: &mut Vec<Datum>) -> Result<(), SqlError> {
    let Some(((_, _), inner)) = dims.split_first() else {
        return Ok(());
    };
    for value in values {
        match (value, inner.first()) {
            (Sent::Array(nested), Some((length, _))) if usize::try_from(*length) == Ok(nested.len()) => {
                flatten(nested, inner, element, function, out)?
            }
            // `[[], []]`, like `[]`, is the empty array.
            (Sent::Array(_), None) if values.iter().all(is_empty) => {}
            (Sent::Array(_), _) | (_, Some(_)) => {
                return Err(SqlError::new(
                    SqlState::ArrayElementError,
                    format!("function {function} returned nested arrays of different lengths, which no SQL array can hold"),
                ));
            }
            (value, None) => out.push(typed(value, element, function)?),
        }
    }
    Ok(())
}

fn is_empty(value: &Sent<'_>) -> bool {
    matches!(value, Sent::Array(nested) if nested.is_empty())
}

/// A parameter that a guest passed to a statement: its type follows from what it is. Strings stay of
/// unknown type, so that the statement decides.
pub fn param(input: &mut Reader<'_>) -> Result<Datum, Returned> {
    let sent = sent(input)?;
    Ok(untyped(&sent)?)
}

fn untyped(sent: &Sent<'_>) -> Result<Datum, SqlError> {
    Ok(match sent {
        Sent::Null => Datum::Null,
        Sent::Bool(value) => Datum::Bool(*value),
        Sent::Int(value) => i32::try_from(*value).map_or(Datum::Int8(*value), Datum::Int4),
        Sent::Float(value) => Datum::Float8(*value),
        Sent::Big(text) => match text.parse() {
            Ok(value) => Datum::Int8(value),
            Err(_) => types::text::parse(Type::Numeric, NO_TYPMOD, text, &TextStyle::default())?,
        },
        Sent::Decimal(text) => types::text::parse(Type::Numeric, NO_TYPMOD, text, &TextStyle::default())?,
        Sent::Text(text) => Datum::text(*text),
        Sent::Bytes(bytes) => Datum::Bytea(bytes.to_vec()),
        Sent::Instant(micros) => Datum::Timestamptz(*micros),
        Sent::Local(micros) => Datum::Timestamp(*micros),
        Sent::Day(days) => Datum::Date(*days),
        Sent::Json(text) => Datum::Json((*text).to_string()),
        Sent::Array(values) | Sent::Row(values) => {
            let element = common_element(values);
            array(values, element, "heliosdb.query")?
        }
    })
}

/// The type that all elements of a parameter share.
fn common_element(values: &[Sent<'_>]) -> Type {
    let mut common = None;
    for value in values {
        let ty = match value {
            Sent::Null => continue,
            Sent::Bool(_) => Type::Bool,
            Sent::Int(_) => Type::Int8,
            Sent::Float(_) => Type::Float8,
            Sent::Big(_) | Sent::Decimal(_) => Type::Numeric,
            Sent::Bytes(_) => Type::Bytea,
            Sent::Instant(_) => Type::Timestamptz,
            Sent::Local(_) => Type::Timestamp,
            Sent::Day(_) => Type::Date,
            Sent::Json(_) => Type::Jsonb,
            Sent::Text(_) | Sent::Row(_) => Type::Text,
            Sent::Array(inner) => common_element(inner),
        };
        common = Some(match (common, ty) {
            (Some(Type::Int8), Type::Float8) | (Some(Type::Float8), Type::Int8) => Type::Float8,
            (None, ty) | (Some(_), ty) => ty,
        });
    }
    common.unwrap_or(Type::Text)
}

fn out_of_range(sent: &Sent<'_>, ty: Type) -> SqlError {
    let value = match sent {
        Sent::Int(value) => value.to_string(),
        Sent::Float(value) => value.to_string(),
        Sent::Big(text) | Sent::Decimal(text) | Sent::Text(text) => shortened(text),
        _ => return SqlError::new(SqlState::NumericValueOutOfRange, format!("{ty} out of range")),
    };
    SqlError::new(SqlState::NumericValueOutOfRange, format!("{ty} out of range")).detail(format!("The function returned {value}."))
}

fn mismatch(sent: &Sent<'_>, ty: Type, function: &str) -> SqlError {
    let (what, hint) = match sent {
        Sent::Null => ("null".to_string(), None),
        Sent::Bool(value) => (value.to_string(), None),
        Sent::Int(value) => (format!("the number {value}"), None),
        Sent::Float(value) => (format!("the number {value}"), None),
        Sent::Big(text) => (format!("the integer {}", shortened(text)), None),
        Sent::Decimal(text) => (format!("the number {}", shortened(text)), None),
        Sent::Text(text) => (format!("the string \"{}\"", shortened(text)), None),
        Sent::Bytes(bytes) => (format!("{} bytes", bytes.len()), None),
        Sent::Instant(_) | Sent::Local(_) | Sent::Day(_) => ("a date".to_string(), None),
        Sent::Array(values) => (format!("an array of {}", values.len()), None),
        Sent::Row(_) => ("a row".to_string(), None),
        Sent::Json(text) => (
            format!("an object: {}", shortened(text)),
            Some("Declare the function RETURNS jsonb to return objects."),
        ),
    };
    let error = SqlError::new(
        SqlState::DatatypeMismatch,
        format!("function {function} returned {what} where {ty} is declared"),
    );
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
            let _ = returned(&mut Reader::new(&bytes), "f()", ty, &columns);
            let _ = param(&mut Reader::new(&bytes));
        }
    }

    #[test]
    fn one_value_cannot_fill_the_host() {
        let mut bytes = vec![tag::ARRAY];
        bytes.extend_from_slice(&(MAX_ELEMENTS as u32 + 1).to_le_bytes());
        bytes.resize(bytes.len() + MAX_ELEMENTS + 1, tag::NULL);
        let outcome = returned(&mut Reader::new(&bytes), "f()", Type::Array(&Type::Int4), &[]);
        assert!(matches!(outcome, Err(Returned::Unfit(error)) if error.state() == SqlState::ProgramLimitExceeded));
    }
}
