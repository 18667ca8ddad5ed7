//! PostgreSQL 15's `pg_cast` over our types, and the conversions behind it.

use std::sync::LazyLock;

use types::Type::{self, *};
use types::{Datum, Numeric, Result, SqlError, SqlState};

use super::Context::{self, *};
use crate::scalar::arithmetic::{out_of_range, overflow, underflow};
use crate::time;
use crate::{Environment, argument};

pub(super) type Convert = fn(&dyn Environment, Datum) -> Result<Datum>;

/// One cast between two types.
#[derive(Debug)]
pub struct Row {
    pub from: Type,
    pub to: Type,
    /// The least that is needed for it to happen.
    pub context: Context,
    /// By printing and reading.
    pub by_text: bool,
    /// None: the values are represented alike (or the cast is by text).
    pub(super) convert: Option<Convert>,
}

const fn by(from: Type, to: Type, context: Context, convert: Convert) -> Row {
    Row {
        from,
        to,
        context,
        by_text: false,
        convert: Some(convert),
    }
}

const fn relabel(from: Type, to: Type, context: Context) -> Row {
    Row {
        from,
        to,
        context,
        by_text: false,
        convert: None,
    }
}

const fn by_text(from: Type, to: Type, context: Context) -> Row {
    Row {
        from,
        to,
        context,
        by_text: true,
        convert: None,
    }
}

/// The catalog as a square: a cast is looked up for every value converted.
static INDEX: LazyLock<Vec<Option<&'static Row>>> = LazyLock::new(|| {
    let mut square = vec![None; TYPES * TYPES];
    for row in CATALOG {
        if let (Some(from), Some(to)) = (place(row.from), place(row.to)) {
            square[from * TYPES + to] = Some(row);
        }
    }
    square
});

pub(super) fn find(from: Type, to: Type) -> Option<&'static Row> {
    INDEX[place(from)? * TYPES + place(to)?]
}

const TYPES: usize = 27;

/// A row and column of the square; None for types that have no casts of their own.
fn place(ty: Type) -> Option<usize> {
    Some(match ty {
        Bool => 0,
        Int2 => 1,
        Int4 => 2,
        Int8 => 3,
        Float4 => 4,
        Float8 => 5,
        Numeric => 6,
        Text => 7,
        Varchar => 8,
        Bpchar => 9,
        Char => 10,
        Name => 11,
        Bytea => 12,
        Date => 13,
        Time => 14,
        Timestamp => 15,
        Timestamptz => 16,
        Interval => 17,
        Uuid => 18,
        Json => 19,
        Jsonb => 20,
        Oid => 21,
        Regclass => 22,
        Regtype => 23,
        Regproc => 24,
        Regnamespace => 25,
        Regrole => 26,
        Array(_) | Record | Void | Trigger | Unknown | Any | AnyElement | AnyArray => return None,
    })
}

/// Casts between different types, arrays aside.
pub static CATALOG: &[Row] = &[
    by(Bool, Bpchar, Assignment, bool_to_text),
    by(Bool, Int4, Explicit, bool_to_int4),
    by(Bool, Text, Assignment, bool_to_text),
    by(Bool, Varchar, Assignment, bool_to_text),
    by(Bpchar, Char, Assignment, to_char),
    by(Bpchar, Name, Implicit, bpchar_to_name),
    by(Bpchar, Text, Implicit, strip_blanks),
    by(Bpchar, Varchar, Implicit, strip_blanks),
    relabel(Char, Bpchar, Assignment),
    by(Char, Int4, Explicit, char_to_int4),
    relabel(Char, Text, Implicit),
    relabel(Char, Varchar, Assignment),
    by(Date, Timestamp, Implicit, date_to_timestamp),
    by(Date, Timestamptz, Implicit, date_to_timestamptz),
    by(Float4, Float8, Implicit, float_to_float8),
    by(Float4, Int2, Assignment, float_to_int2),
    by(Float4, Int4, Assignment, float_to_int4),
    by(Float4, Int8, Assignment, float_to_int8),
    by(Float4, Numeric, Assignment, to_numeric),
    by(Float8, Float4, Assignment, float_to_float4),
    by(Float8, Int2, Assignment, float_to_int2),
    by(Float8, Int4, Assignment, float_to_int4),
    by(Float8, Int8, Assignment, float_to_int8),
    by(Float8, Numeric, Assignment, to_numeric),
    by(Int2, Float4, Implicit, integer_to_float4),
    by(Int2, Float8, Implicit, integer_to_float8),
    by(Int2, Int4, Implicit, to_int4),
    by(Int2, Int8, Implicit, to_int8),
    by(Int2, Numeric, Implicit, to_numeric),
    by(Int2, Oid, Implicit, to_oid),
    by(Int2, Regclass, Implicit, to_oid),
    by(Int2, Regnamespace, Implicit, to_oid),
    by(Int2, Regproc, Implicit, to_oid),
    by(Int2, Regrole, Implicit, to_oid),
    by(Int2, Regtype, Implicit, to_oid),
    by(Int4, Bool, Explicit, int4_to_bool),
    by(Int4, Char, Explicit, int4_to_char),
    by(Int4, Float4, Implicit, integer_to_float4),
    by(Int4, Float8, Implicit, integer_to_float8),
    by(Int4, Int2, Assignment, to_int2),
    by(Int4, Int8, Implicit, to_int8),
    by(Int4, Numeric, Implicit, to_numeric),
    by(Int4, Oid, Implicit, to_oid),
    by(Int4, Regclass, Implicit, to_oid),
    by(Int4, Regnamespace, Implicit, to_oid),
    by(Int4, Regproc, Implicit, to_oid),
    by(Int4, Regrole, Implicit, to_oid),
    by(Int4, Regtype, Implicit, to_oid),
    by(Int8, Float4, Implicit, integer_to_float4),
    by(Int8, Float8, Implicit, integer_to_float8),
    by(Int8, Int2, Assignment, to_int2),
    by(Int8, Int4, Assignment, to_int4),
    by(Int8, Numeric, Implicit, to_numeric),
    by(Int8, Oid, Implicit, to_oid),
    by(Int8, Regclass, Implicit, to_oid),
    by(Int8, Regnamespace, Implicit, to_oid),
    by(Int8, Regproc, Implicit, to_oid),
    by(Int8, Regrole, Implicit, to_oid),
    by(Int8, Regtype, Implicit, to_oid),
    by(Interval, Time, Assignment, interval_to_time),
    by_text(Json, Jsonb, Assignment),
    by(Jsonb, Bool, Explicit, jsonb_to_bool),
    by(Jsonb, Float4, Explicit, jsonb_to_float4),
    by(Jsonb, Float8, Explicit, jsonb_to_float8),
    by(Jsonb, Int2, Explicit, jsonb_to_int2),
    by(Jsonb, Int4, Explicit, jsonb_to_int4),
    by(Jsonb, Int8, Explicit, jsonb_to_int8),
    by_text(Jsonb, Json, Assignment),
    by(Jsonb, Numeric, Explicit, jsonb_to_numeric),
    relabel(Name, Bpchar, Assignment),
    relabel(Name, Text, Implicit),
    relabel(Name, Varchar, Assignment),
    by(Numeric, Float4, Implicit, numeric_to_float4),
    by(Numeric, Float8, Implicit, numeric_to_float8),
    by(Numeric, Int2, Assignment, numeric_to_int2),
    by(Numeric, Int4, Assignment, numeric_to_int4),
    by(Numeric, Int8, Assignment, numeric_to_int8),
    by(Oid, Int4, Assignment, oid_to_int4),
    by(Oid, Int8, Assignment, oid_to_int8),
    relabel(Oid, Regclass, Implicit),
    relabel(Oid, Regnamespace, Implicit),
    relabel(Oid, Regproc, Implicit),
    relabel(Oid, Regrole, Implicit),
    relabel(Oid, Regtype, Implicit),
    by(Regclass, Int4, Assignment, oid_to_int4),
    by(Regclass, Int8, Assignment, oid_to_int8),
    relabel(Regclass, Oid, Implicit),
    by(Regnamespace, Int4, Assignment, oid_to_int4),
    by(Regnamespace, Int8, Assignment, oid_to_int8),
    relabel(Regnamespace, Oid, Implicit),
    by(Regproc, Int4, Assignment, oid_to_int4),
    by(Regproc, Int8, Assignment, oid_to_int8),
    relabel(Regproc, Oid, Implicit),
    by(Regrole, Int4, Assignment, oid_to_int4),
    by(Regrole, Int8, Assignment, oid_to_int8),
    relabel(Regrole, Oid, Implicit),
    by(Regtype, Int4, Assignment, oid_to_int4),
    by(Regtype, Int8, Assignment, oid_to_int8),
    relabel(Regtype, Oid, Implicit),
    relabel(Text, Bpchar, Implicit),
    by(Text, Char, Assignment, to_char),
    by(Text, Name, Implicit, to_name),
    by(Text, Regclass, Implicit, text_to_regclass),
    relabel(Text, Varchar, Implicit),
    by(Time, Interval, Implicit, time_to_interval),
    by(Timestamp, Date, Assignment, timestamp_to_date),
    by(Timestamp, Time, Assignment, timestamp_to_time),
    by(Timestamp, Timestamptz, Implicit, timestamp_to_timestamptz),
    by(Timestamptz, Date, Assignment, timestamptz_to_date),
    by(Timestamptz, Time, Assignment, timestamptz_to_time),
    by(Timestamptz, Timestamp, Assignment, timestamptz_to_timestamp),
    relabel(Varchar, Bpchar, Implicit),
    by(Varchar, Char, Assignment, to_char),
    by(Varchar, Name, Implicit, to_name),
    by(Varchar, Regclass, Implicit, text_to_regclass),
    relabel(Varchar, Text, Implicit),
];

fn integer(datum: &Datum) -> Result<i64> {
    datum
        .as_i64()
        .ok_or_else(|| SqlError::internal("a cast from an integer or oid got something else"))
}

fn to_int2(_: &dyn Environment, datum: Datum) -> Result<Datum> {
    i16::try_from(integer(&datum)?)
        .map(Datum::Int2)
        .map_err(|_| out_of_range("smallint"))
}

fn to_int4(_: &dyn Environment, datum: Datum) -> Result<Datum> {
    i32::try_from(integer(&datum)?)
        .map(Datum::Int4)
        .map_err(|_| out_of_range("integer"))
}

fn to_int8(_: &dyn Environment, datum: Datum) -> Result<Datum> {
    integer(&datum).map(Datum::Int8)
}

fn integer_to_float4(_: &dyn Environment, datum: Datum) -> Result<Datum> {
    integer(&datum).map(|value| Datum::Float4(value as f32))
}

fn integer_to_float8(_: &dyn Environment, datum: Datum) -> Result<Datum> {
    integer(&datum).map(|value| Datum::Float8(value as f64))
}

/// From integers and floats.
fn to_numeric(_: &dyn Environment, datum: Datum) -> Result<Datum> {
    Ok(Datum::Numeric(match datum {
        Datum::Float4(value) => Numeric::from_f32(value)?,
        Datum::Float8(value) => Numeric::from_f64(value)?,
        other => Numeric::from(integer(&other)?),
    }))
}

fn float(datum: &Datum) -> Result<f64> {
    match datum {
        Datum::Float4(value) => Ok(f64::from(*value)),
        Datum::Float8(value) => Ok(*value),
        _ => Err(SqlError::internal("a cast from a float got something else")),
    }
}

/// Rounds half to even, as `rint` does; None beyond `low..high`.
fn rounded(datum: &Datum, low: f64, high: f64) -> Result<Option<f64>> {
    let value = float(datum)?.round_ties_even();
    Ok((value >= low && value < high).then_some(value))
}

fn float_to_int2(_: &dyn Environment, datum: Datum) -> Result<Datum> {
    rounded(&datum, -32768.0, 32768.0)?
        .map(|value| Datum::Int2(value as i16))
        .ok_or_else(|| out_of_range("smallint"))
}

fn float_to_int4(_: &dyn Environment, datum: Datum) -> Result<Datum> {
    rounded(&datum, -2147483648.0, 2147483648.0)?
        .map(|value| Datum::Int4(value as i32))
        .ok_or_else(|| out_of_range("integer"))
}

fn float_to_int8(_: &dyn Environment, datum: Datum) -> Result<Datum> {
    let (low, high) = (-9223372036854775808.0, 9223372036854775808.0);
    rounded(&datum, low, high)?
        .map(|value| Datum::Int8(value as i64))
        .ok_or_else(|| out_of_range("bigint"))
}

fn float_to_float4(_: &dyn Environment, datum: Datum) -> Result<Datum> {
    let wide = float(&datum)?;
    let narrow = wide as f32;
    if narrow.is_infinite() && !wide.is_infinite() {
        return Err(overflow());
    }
    if narrow == 0.0 && wide != 0.0 {
        return Err(underflow());
    }
    Ok(Datum::Float4(narrow))
}

fn float_to_float8(_: &dyn Environment, datum: Datum) -> Result<Datum> {
    float(&datum).map(Datum::Float8)
}

fn numeric(datum: &Datum) -> Result<&Numeric> {
    match datum {
        Datum::Numeric(value) => Ok(value),
        _ => Err(SqlError::internal("a cast from numeric got something else")),
    }
}

fn numeric_to_int2(_: &dyn Environment, datum: Datum) -> Result<Datum> {
    numeric(&datum)?.to_i16().map(Datum::Int2)
}

fn numeric_to_int4(_: &dyn Environment, datum: Datum) -> Result<Datum> {
    numeric(&datum)?.to_i32().map(Datum::Int4)
}

fn numeric_to_int8(_: &dyn Environment, datum: Datum) -> Result<Datum> {
    numeric(&datum)?.to_i64().map(Datum::Int8)
}

fn numeric_to_float4(_: &dyn Environment, datum: Datum) -> Result<Datum> {
    numeric(&datum)?.to_f32().map(Datum::Float4)
}

fn numeric_to_float8(_: &dyn Environment, datum: Datum) -> Result<Datum> {
    numeric(&datum)?.to_f64().map(Datum::Float8)
}

fn to_oid(_: &dyn Environment, datum: Datum) -> Result<Datum> {
    match datum {
        // The same 32 bits, read without a sign.
        Datum::Int2(value) => Ok(Datum::Oid(i32::from(value) as u32)),
        Datum::Int4(value) => Ok(Datum::Oid(value as u32)),
        other => u32::try_from(integer(&other)?).map(Datum::Oid).map_err(|_| out_of_range("OID")),
    }
}

fn oid_to_int4(_: &dyn Environment, datum: Datum) -> Result<Datum> {
    integer(&datum).map(|value| Datum::Int4(value as u32 as i32))
}

fn oid_to_int8(_: &dyn Environment, datum: Datum) -> Result<Datum> {
    integer(&datum).map(Datum::Int8)
}

fn bool_to_text(_: &dyn Environment, datum: Datum) -> Result<Datum> {
    match datum {
        Datum::Bool(true) => Ok(Datum::text("true")),
        Datum::Bool(false) => Ok(Datum::text("false")),
        _ => Err(SqlError::internal("a cast from boolean got something else")),
    }
}

fn bool_to_int4(_: &dyn Environment, datum: Datum) -> Result<Datum> {
    match datum {
        Datum::Bool(value) => Ok(Datum::Int4(value.into())),
        _ => Err(SqlError::internal("a cast from boolean got something else")),
    }
}

fn int4_to_bool(_: &dyn Environment, datum: Datum) -> Result<Datum> {
    integer(&datum).map(|value| Datum::Bool(value != 0))
}

/// `"char"` is one byte; ASCII is all that our text can hold of it.
fn int4_to_char(_: &dyn Environment, datum: Datum) -> Result<Datum> {
    match u8::try_from(integer(&datum)?) {
        Ok(0) => Ok(Datum::text("")),
        Ok(byte) if byte.is_ascii() => Ok(Datum::text(char::from(byte))),
        _ => Err(SqlError::new(SqlState::NumericValueOutOfRange, "\"char\" out of range")),
    }
}

fn char_to_int4(_: &dyn Environment, datum: Datum) -> Result<Datum> {
    let text = into_text(datum)?;
    Ok(Datum::Int4(text.bytes().next().map_or(0, |byte| i32::from(byte as i8))))
}

fn into_text(datum: Datum) -> Result<String> {
    match datum {
        Datum::Text(text) | Datum::Json(text) => Ok(text),
        _ => Err(SqlError::internal("a cast from a string got something else")),
    }
}

fn to_char(_: &dyn Environment, datum: Datum) -> Result<Datum> {
    let text = into_text(datum)?;
    Ok(Datum::Text(text.chars().next().map(String::from).unwrap_or_default()))
}

/// Names are cut to 63 bytes.
fn to_name(_: &dyn Environment, datum: Datum) -> Result<Datum> {
    let mut text = into_text(datum)?;
    text.truncate(text.floor_char_boundary(63));
    Ok(Datum::Text(text))
}

fn strip_blanks(_: &dyn Environment, datum: Datum) -> Result<Datum> {
    let mut text = into_text(datum)?;
    text.truncate(text.trim_end_matches(' ').len());
    Ok(Datum::Text(text))
}

fn bpchar_to_name(env: &dyn Environment, datum: Datum) -> Result<Datum> {
    to_name(env, strip_blanks(env, datum)?)
}

fn text_to_regclass(env: &dyn Environment, datum: Datum) -> Result<Datum> {
    env.catalog_call("regclassin", &[datum])
}

fn moment(datum: &Datum) -> Result<i64> {
    match datum {
        Datum::Timestamp(micros) | Datum::Timestamptz(micros) | Datum::Time(micros) => Ok(*micros),
        _ => Err(SqlError::internal("a cast from a time got something else")),
    }
}

fn date_to_timestamp(_: &dyn Environment, datum: Datum) -> Result<Datum> {
    time::date_to_timestamp(argument::date(&[datum], 0)?).map(Datum::Timestamp)
}

fn date_to_timestamptz(env: &dyn Environment, datum: Datum) -> Result<Datum> {
    let local = time::date_to_timestamp(argument::date(&[datum], 0)?)?;
    Ok(Datum::Timestamptz(env.text_style().time_zone.to_utc(local)))
}

fn timestamp_to_date(_: &dyn Environment, datum: Datum) -> Result<Datum> {
    Ok(Datum::Date(time::timestamp_to_date(moment(&datum)?)))
}

fn timestamp_to_time(_: &dyn Environment, datum: Datum) -> Result<Datum> {
    Ok(time::timestamp_to_time(moment(&datum)?))
}

fn timestamp_to_timestamptz(env: &dyn Environment, datum: Datum) -> Result<Datum> {
    Ok(Datum::Timestamptz(env.text_style().time_zone.to_utc(moment(&datum)?)))
}

fn timestamptz_to_date(env: &dyn Environment, datum: Datum) -> Result<Datum> {
    Ok(Datum::Date(time::timestamp_to_date(
        env.text_style().time_zone.to_local(moment(&datum)?),
    )))
}

fn timestamptz_to_time(env: &dyn Environment, datum: Datum) -> Result<Datum> {
    Ok(time::timestamp_to_time(env.text_style().time_zone.to_local(moment(&datum)?)))
}

fn timestamptz_to_timestamp(env: &dyn Environment, datum: Datum) -> Result<Datum> {
    Ok(Datum::Timestamp(env.text_style().time_zone.to_local(moment(&datum)?)))
}

fn time_to_interval(_: &dyn Environment, datum: Datum) -> Result<Datum> {
    Ok(Datum::Interval(types::Interval {
        months: 0,
        days: 0,
        micros: moment(&datum)?,
    }))
}

fn interval_to_time(_: &dyn Environment, datum: Datum) -> Result<Datum> {
    let interval = argument::interval(&[datum], 0)?;
    Ok(Datum::Time(interval.micros.rem_euclid(time::DAY)))
}

/// The number in a jsonb scalar, or what else is there, as the message names it.
fn jsonb_number(datum: &Datum, target: &str) -> Result<Numeric> {
    let text = argument::json(std::slice::from_ref(datum), 0)?;
    match jsonb_kind(text) {
        "numeric" => text.parse(),
        other => Err(jsonb_mismatch(other, target)),
    }
}

/// What kind of value a canonical jsonb text is, by its first character.
fn jsonb_kind(text: &str) -> &'static str {
    match text.bytes().next() {
        Some(b'"') => "string",
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b't' | b'f') => "boolean",
        Some(b'n') => "null",
        _ => "numeric",
    }
}

fn jsonb_mismatch(kind: &str, target: &str) -> SqlError {
    SqlError::new(
        SqlState::InvalidParameterValue,
        format!("cannot cast jsonb {kind} to type {target}"),
    )
}

fn jsonb_to_bool(_: &dyn Environment, datum: Datum) -> Result<Datum> {
    match argument::json(std::slice::from_ref(&datum), 0)? {
        "true" => Ok(Datum::Bool(true)),
        "false" => Ok(Datum::Bool(false)),
        other => Err(jsonb_mismatch(jsonb_kind(other), "boolean")),
    }
}

fn jsonb_to_numeric(_: &dyn Environment, datum: Datum) -> Result<Datum> {
    jsonb_number(&datum, "numeric").map(Datum::Numeric)
}

macro_rules! jsonb_to {
    ($($name:ident, $target:literal, $then:ident;)*) => {
        $(fn $name(env: &dyn Environment, datum: Datum) -> Result<Datum> {
            $then(env, Datum::Numeric(jsonb_number(&datum, $target)?))
        })*
    };
}

jsonb_to! {
    jsonb_to_int2, "smallint", numeric_to_int2;
    jsonb_to_int4, "integer", numeric_to_int4;
    jsonb_to_int8, "bigint", numeric_to_int8;
    jsonb_to_float4, "real", numeric_to_float4;
    jsonb_to_float8, "double precision", numeric_to_float8;
}
