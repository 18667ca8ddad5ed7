//! SQL values as keys: comparing the bytes compares the values, as PostgreSQL's btree would.
//!
//! The life of a key: the values of its columns are encoded one after the other; each says itself
//! where it ends, so a longer key is in order after a shorter one that begins the same, and
//! [`prefix_range`] finds all of them. Equal values have equal bytes, so a unique key is unique,
//! and what equal values may differ in (1.0 and 1.00, '1 month' and '30 days') is not in the key:
//! where [`is_lossless`] says no, the row has to keep the value too.
//!
//! The bytes are described in `docs/storage-format.md`. They are stored, so they never change.

mod jsonb;
mod numeric;

use std::ops::Bound;

use types::{Array, Datum, Interval, Type};

use crate::Error;

/// Before a value.
const VALUE: u8 = 0x01;
/// Instead of a value: sorts after all of them.
const NULL: u8 = 0x02;
/// After the last element of an array: sorts before any element.
const END: u8 = 0x00;

/// A zero byte inside a string is followed by this...
const ESCAPED_ZERO: u8 = 0xff;
/// ...and the zero byte that ends it by this, which sorts before anything that could go on there.
const STRING_END: u8 = 0x01;

const MICROS_PER_DAY: i128 = 86_400_000_000;
const DAYS_PER_MONTH: i128 = 30;

/// PostgreSQL's `MAXDIM`.
const MAX_DIMENSIONS: usize = 6;

/// Appends the key bytes of a value of this type. Fails for types that have no order, as json has
/// none in PostgreSQL, and for a datum that is not of the type.
pub fn encode(datum: &Datum, ty: Type, out: &mut Vec<u8>) -> Result<(), Error> {
    if datum.is_null() {
        out.push(NULL);
        return Ok(());
    }
    out.push(VALUE);
    match (ty, datum) {
        (Type::Bool, Datum::Bool(value)) => out.push(u8::from(*value)),
        (Type::Int2, Datum::Int2(value)) => out.extend_from_slice(&(value ^ i16::MIN).to_be_bytes()),
        (Type::Int4, Datum::Int4(value)) => put_i32(*value, out),
        (Type::Int8, Datum::Int8(value)) => put_i64(*value, out),
        (Type::Float4, Datum::Float4(value)) => out.extend_from_slice(&float4_bits(*value).to_be_bytes()),
        (Type::Float8, Datum::Float8(value)) => out.extend_from_slice(&float8_bits(*value).to_be_bytes()),
        (Type::Numeric, Datum::Numeric(value)) => numeric::encode(value, out)?,
        (Type::Text | Type::Varchar | Type::Char | Type::Name | Type::Unknown, Datum::Text(value)) => put_string(value.as_bytes(), out),
        // Trailing blanks don't count in character(n).
        (Type::Bpchar, Datum::Text(value)) => put_string(value.trim_end_matches(' ').as_bytes(), out),
        (Type::Bytea, Datum::Bytea(value)) => put_string(value, out),
        (Type::Date, Datum::Date(value)) => put_i32(*value, out),
        (Type::Time, Datum::Time(value)) => put_i64(*value, out),
        (Type::Timestamp, Datum::Timestamp(value)) => put_i64(*value, out),
        (Type::Timestamptz, Datum::Timestamptz(value)) => put_i64(*value, out),
        (Type::Interval, Datum::Interval(value)) => out.extend_from_slice(&(interval_span(*value) ^ i128::MIN).to_be_bytes()),
        (Type::Uuid, Datum::Uuid(value)) => out.extend_from_slice(value),
        (Type::Jsonb, Datum::Json(value)) => jsonb::encode(value, out)?,
        (Type::Oid | Type::Regclass | Type::Regtype | Type::Regproc | Type::Regnamespace | Type::Regrole, Datum::Oid(value)) => {
            out.extend_from_slice(&value.to_be_bytes());
        }
        (Type::Array(element), Datum::Array(array)) => put_array(array, *element, out)?,
        (
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
            | Type::Unknown
            | Type::Bytea
            | Type::Date
            | Type::Time
            | Type::Timestamp
            | Type::Timestamptz
            | Type::Interval
            | Type::Uuid
            | Type::Jsonb
            | Type::Oid
            | Type::Regclass
            | Type::Regtype
            | Type::Regproc
            | Type::Regnamespace
            | Type::Regrole
            | Type::Array(_),
            _,
        ) => return Err(Error::NotAKey(format!("a value of another type than {ty}"))),
        (Type::Json | Type::Record | Type::Void | Type::Trigger | Type::Any | Type::AnyElement | Type::AnyArray, _) => {
            return Err(no_order(ty));
        }
    }
    Ok(())
}

/// Takes one value of this type off the front of `input`.
pub fn decode(ty: Type, input: &mut &[u8]) -> Result<Datum, Error> {
    match take(input)? {
        [NULL] => return Ok(Datum::Null),
        [VALUE] => {}
        [other] => return Err(Error::corrupt(format!("byte {other:#04x} where a key column begins"))),
    }
    Ok(match ty {
        Type::Bool => match take(input)? {
            [0] => Datum::Bool(false),
            [1] => Datum::Bool(true),
            [other] => return Err(Error::corrupt(format!("boolean {other:#04x} in a key"))),
        },
        Type::Int2 => Datum::Int2(i16::from_be_bytes(take(input)?) ^ i16::MIN),
        Type::Int4 => Datum::Int4(take_i32(input)?),
        Type::Int8 => Datum::Int8(take_i64(input)?),
        Type::Float4 => Datum::Float4(float4_of_bits(u32::from_be_bytes(take(input)?))),
        Type::Float8 => Datum::Float8(float8_of_bits(u64::from_be_bytes(take(input)?))),
        Type::Numeric => Datum::Numeric(numeric::decode(input)?),
        Type::Text | Type::Varchar | Type::Bpchar | Type::Char | Type::Name | Type::Unknown => Datum::Text(take_text(input)?),
        Type::Bytea => Datum::Bytea(take_string(input)?),
        Type::Date => Datum::Date(take_i32(input)?),
        Type::Time => Datum::Time(take_i64(input)?),
        Type::Timestamp => Datum::Timestamp(take_i64(input)?),
        Type::Timestamptz => Datum::Timestamptz(take_i64(input)?),
        Type::Interval => Datum::Interval(interval_of_span(i128::from_be_bytes(take(input)?) ^ i128::MIN)?),
        Type::Uuid => Datum::Uuid(take(input)?),
        Type::Jsonb => Datum::Json(jsonb::decode(input)?),
        Type::Oid | Type::Regclass | Type::Regtype | Type::Regproc | Type::Regnamespace | Type::Regrole => {
            Datum::Oid(u32::from_be_bytes(take(input)?))
        }
        Type::Array(element) => Datum::Array(Box::new(take_array(*element, input)?)),
        Type::Json | Type::Record | Type::Void | Type::Trigger | Type::Any | Type::AnyElement | Type::AnyArray => return Err(no_order(ty)),
    })
}

/// Whether `decode(encode(x))` is `x` to the last digit that is shown. Otherwise it is a value equal
/// to `x`, and a row has to keep `x` beside the key.
pub fn is_lossless(ty: Type) -> bool {
    match ty {
        Type::Bool
        | Type::Int2
        | Type::Int4
        | Type::Int8
        | Type::Text
        | Type::Varchar
        | Type::Char
        | Type::Name
        | Type::Unknown
        | Type::Bytea
        | Type::Date
        | Type::Time
        | Type::Timestamp
        | Type::Timestamptz
        | Type::Uuid
        | Type::Oid
        | Type::Regclass
        | Type::Regtype
        | Type::Regproc
        | Type::Regnamespace
        | Type::Regrole => true,
        // -0 and 0; 1.0 and 1.00; 'a' and 'a '; 1 month and 30 days; {"a": 1.0} and {"a": 1.00}.
        Type::Float4 | Type::Float8 | Type::Numeric | Type::Bpchar | Type::Interval | Type::Jsonb => false,
        Type::Array(element) => is_lossless(*element),
        Type::Json | Type::Record | Type::Void | Type::Trigger | Type::Any | Type::AnyElement | Type::AnyArray => false,
    }
}

/// All keys that begin with `prefix`.
pub fn prefix_range(prefix: &[u8]) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let mut after = prefix.to_vec();
    while let Some(last) = after.pop() {
        if let Some(next) = last.checked_add(1) {
            after.push(next);
            return (Bound::Included(prefix.to_vec()), Bound::Excluded(after));
        }
    }
    (Bound::Included(prefix.to_vec()), Bound::Unbounded)
}

fn no_order(ty: Type) -> Error {
    Error::NotAKey(format!("a value of type {ty}"))
}

fn take<const N: usize>(input: &mut &[u8]) -> Result<[u8; N], Error> {
    let (taken, rest) = input.split_first_chunk::<N>().ok_or_else(truncated)?;
    *input = rest;
    Ok(*taken)
}

fn truncated() -> Error {
    Error::corrupt("a key ends in the middle of a value")
}

fn put_i32(value: i32, out: &mut Vec<u8>) {
    out.extend_from_slice(&(value ^ i32::MIN).to_be_bytes());
}

fn take_i32(input: &mut &[u8]) -> Result<i32, Error> {
    Ok(i32::from_be_bytes(take(input)?) ^ i32::MIN)
}

fn put_i64(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(&(value ^ i64::MIN).to_be_bytes());
}

fn take_i64(input: &mut &[u8]) -> Result<i64, Error> {
    Ok(i64::from_be_bytes(take(input)?) ^ i64::MIN)
}

/// Negative numbers have all bits flipped, others the sign; 0 and -0 are one value and so are all
/// NaNs, which come last.
fn float8_bits(value: f64) -> u64 {
    let bits = if value.is_nan() {
        f64::NAN.to_bits() & !(1 << 63)
    } else if value == 0.0 {
        0
    } else {
        value.to_bits()
    };
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

fn float8_of_bits(bits: u64) -> f64 {
    f64::from_bits(if bits >> 63 == 1 { bits & !(1 << 63) } else { !bits })
}

fn float4_bits(value: f32) -> u32 {
    let bits = if value.is_nan() {
        f32::NAN.to_bits() & !(1 << 31)
    } else if value == 0.0 {
        0
    } else {
        value.to_bits()
    };
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

fn float4_of_bits(bits: u32) -> f32 {
    f32::from_bits(if bits >> 31 == 1 { bits & !(1 << 31) } else { !bits })
}

fn put_string(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len() + 2);
    let mut rest = bytes;
    while let Some(zero) = rest.iter().position(|byte| *byte == 0) {
        out.extend_from_slice(&rest[..=zero]);
        out.push(ESCAPED_ZERO);
        rest = &rest[zero + 1..];
    }
    out.extend_from_slice(rest);
    out.extend_from_slice(&[0, STRING_END]);
}

fn take_string(input: &mut &[u8]) -> Result<Vec<u8>, Error> {
    let mut string = Vec::new();
    loop {
        let zero = input.iter().position(|byte| *byte == 0).ok_or_else(truncated)?;
        string.extend_from_slice(&input[..zero]);
        let follower = input.get(zero + 1).ok_or_else(truncated)?;
        let ends = match *follower {
            STRING_END => true,
            ESCAPED_ZERO => false,
            other => return Err(Error::corrupt(format!("byte {other:#04x} after a zero byte in a key"))),
        };
        *input = &input[zero + 2..];
        if ends {
            return Ok(string);
        }
        string.push(0);
    }
}

fn take_text(input: &mut &[u8]) -> Result<String, Error> {
    String::from_utf8(take_string(input)?).map_err(|_| Error::corrupt("text in a key is not UTF-8"))
}

/// PostgreSQL compares intervals as if a month had 30 days and a day 24 hours.
fn interval_span(value: Interval) -> i128 {
    (i128::from(value.months) * DAYS_PER_MONTH + i128::from(value.days)) * MICROS_PER_DAY + i128::from(value.micros)
}

/// The interval of this length with as many months and then days as fit.
fn interval_of_span(span: i128) -> Result<Interval, Error> {
    let within = |value: i128| value.clamp(i128::from(i32::MIN), i128::from(i32::MAX));
    let months = within(span / (DAYS_PER_MONTH * MICROS_PER_DAY));
    let rest = span.checked_sub(months * DAYS_PER_MONTH * MICROS_PER_DAY);
    let fields = rest.and_then(|rest| {
        let days = within(rest / MICROS_PER_DAY);
        let micros = i64::try_from(rest - days * MICROS_PER_DAY).ok()?;
        Some(Interval {
            months: i32::try_from(months).ok()?,
            days: i32::try_from(days).ok()?,
            micros,
        })
    });
    fields.ok_or_else(|| Error::corrupt("an interval in a key is out of range"))
}

/// The elements, then what PostgreSQL compares if those are equal: the number of dimensions, their
/// lengths, their lower bounds.
fn put_array(array: &Array, element: Type, out: &mut Vec<u8>) -> Result<(), Error> {
    for value in &array.values {
        encode(value, element, out)?;
    }
    out.push(END);
    let dimensions = u8::try_from(array.dims.len()).ok().filter(|n| usize::from(*n) <= MAX_DIMENSIONS);
    out.push(dimensions.ok_or_else(|| Error::NotAKey(format!("an array of {} dimensions", array.dims.len())))?);
    array.dims.iter().for_each(|(length, _)| put_i32(*length, out));
    array.dims.iter().for_each(|(_, lower)| put_i32(*lower, out));
    Ok(())
}

fn take_array(element: Type, input: &mut &[u8]) -> Result<Array, Error> {
    let mut values = Vec::new();
    while input.first() != Some(&END) {
        values.push(decode(element, input)?);
    }
    let [_, dimensions] = take(input)?;
    if usize::from(dimensions) > MAX_DIMENSIONS {
        return Err(Error::corrupt(format!("an array of {dimensions} dimensions in a key")));
    }
    let lengths = (0..dimensions).map(|_| take_i32(input)).collect::<Result<Vec<i32>, Error>>()?;
    let dims = lengths
        .into_iter()
        .map(|length| Ok((length, take_i32(input)?)))
        .collect::<Result<Vec<(i32, i32)>, Error>>()?;
    Ok(Array { element, dims, values })
}

#[cfg(test)]
mod tests;
