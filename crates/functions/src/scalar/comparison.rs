//! Comparison operators' functions, within one type and across related ones.

use std::cmp::Ordering;

use types::Type::*;
use types::{Datum, Result, SqlError};

use crate::argument::{float4, float8, int2, int4, int8, text};
use crate::{Native, Scalar, time};

type Compare = fn(&[Datum]) -> Result<Ordering>;

/// The six functions of one pair of types. `$row` makes the entry of one.
macro_rules! sixes {
    ($row:ident: $(($l:ident, $r:ident) $eq:literal $ne:literal $lt:literal $le:literal $gt:literal $ge:literal by $compare:expr;)*) => {
        &[$(
            $row!($eq, $l, $r, $compare, Native::Eq, is_eq),
            $row!($ne, $l, $r, $compare, Native::NotEq, is_ne),
            $row!($lt, $l, $r, $compare, Native::Lt, is_lt),
            $row!($le, $l, $r, $compare, Native::LtEq, is_le),
            $row!($gt, $l, $r, $compare, Native::Gt, is_gt),
            $row!($ge, $l, $r, $compare, Native::GtEq, is_ge),
        )*]
    };
}

macro_rules! native {
    ($name:literal, $l:ident, $r:ident, $compare:expr, $native:expr, $is:ident) => {
        plain!($name, $l, $r, $compare, $native, $is).native($native)
    };
}

macro_rules! plain {
    ($name:literal, $l:ident, $r:ident, $compare:expr, $native:expr, $is:ident) => {
        Scalar::new($name, &[$l, $r], Bool, |_, a| {
            const COMPARE: Compare = $compare;
            Ok(Datum::Bool(COMPARE(a)?.$is()))
        })
    };
}

/// Types whose order is also the query library's.
pub(crate) static NATIVE: &[Scalar] = sixes! { native:
    (Bool, Bool) "booleq" "boolne" "boollt" "boolle" "boolgt" "boolge" by values;
    (Bytea, Bytea) "byteaeq" "byteane" "bytealt" "byteale" "byteagt" "byteage" by values;
    (Date, Date) "date_eq" "date_ne" "date_lt" "date_le" "date_gt" "date_ge" by values;
    (Int2, Int2) "int2eq" "int2ne" "int2lt" "int2le" "int2gt" "int2ge" by |a| Ok(int2(a, 0)?.cmp(&int2(a, 1)?));
    (Int4, Int4) "int4eq" "int4ne" "int4lt" "int4le" "int4gt" "int4ge" by |a| Ok(int4(a, 0)?.cmp(&int4(a, 1)?));
    (Int8, Int8) "int8eq" "int8ne" "int8lt" "int8le" "int8gt" "int8ge" by |a| Ok(int8(a, 0)?.cmp(&int8(a, 1)?));
    (Text, Text) "texteq" "textne" "text_lt" "text_le" "text_gt" "text_ge" by |a| Ok(text(a, 0)?.cmp(text(a, 1)?));
    (Time, Time) "time_eq" "time_ne" "time_lt" "time_le" "time_gt" "time_ge" by values;
    (Timestamp, Timestamp) "timestamp_eq" "timestamp_ne" "timestamp_lt" "timestamp_le" "timestamp_gt" "timestamp_ge" by values;
    (Timestamptz, Timestamptz) "timestamptz_eq" "timestamptz_ne" "timestamptz_lt" "timestamptz_le" "timestamptz_gt" "timestamptz_ge" by values;
};

pub(crate) static PLAIN: &[Scalar] = sixes! { plain:
    (AnyArray, AnyArray) "array_eq" "array_ne" "array_lt" "array_le" "array_gt" "array_ge" by values;
    (Bpchar, Bpchar) "bpchareq" "bpcharne" "bpcharlt" "bpcharle" "bpchargt" "bpcharge" by blank_padded;
    (Char, Char) "chareq" "charne" "charlt" "charle" "chargt" "charge" by values;
    (Float4, Float4) "float4eq" "float4ne" "float4lt" "float4le" "float4gt" "float4ge" by values;
    (Float4, Float8) "float48eq" "float48ne" "float48lt" "float48le" "float48gt" "float48ge" by floats;
    (Float8, Float4) "float84eq" "float84ne" "float84lt" "float84le" "float84gt" "float84ge" by floats;
    (Float8, Float8) "float8eq" "float8ne" "float8lt" "float8le" "float8gt" "float8ge" by values;
    (Int2, Int4) "int24eq" "int24ne" "int24lt" "int24le" "int24gt" "int24ge" by integers;
    (Int2, Int8) "int28eq" "int28ne" "int28lt" "int28le" "int28gt" "int28ge" by integers;
    (Int4, Int2) "int42eq" "int42ne" "int42lt" "int42le" "int42gt" "int42ge" by integers;
    (Int4, Int8) "int48eq" "int48ne" "int48lt" "int48le" "int48gt" "int48ge" by integers;
    (Int8, Int2) "int82eq" "int82ne" "int82lt" "int82le" "int82gt" "int82ge" by integers;
    (Int8, Int4) "int84eq" "int84ne" "int84lt" "int84le" "int84gt" "int84ge" by integers;
    (Interval, Interval) "interval_eq" "interval_ne" "interval_lt" "interval_le" "interval_gt" "interval_ge" by values;
    (Jsonb, Jsonb) "jsonb_eq" "jsonb_ne" "jsonb_lt" "jsonb_le" "jsonb_gt" "jsonb_ge" by values;
    (Name, Name) "nameeq" "namene" "namelt" "namele" "namegt" "namege" by values;
    (Name, Text) "nameeqtext" "namenetext" "namelttext" "nameletext" "namegttext" "namegetext" by values;
    (Numeric, Numeric) "numeric_eq" "numeric_ne" "numeric_lt" "numeric_le" "numeric_gt" "numeric_ge" by values;
    (Oid, Oid) "oideq" "oidne" "oidlt" "oidle" "oidgt" "oidge" by values;
    (Record, Record) "record_eq" "record_ne" "record_lt" "record_le" "record_gt" "record_ge" by values;
    (Text, Name) "texteqname" "textnename" "textltname" "textlename" "textgtname" "textgename" by values;
    (Uuid, Uuid) "uuid_eq" "uuid_ne" "uuid_lt" "uuid_le" "uuid_gt" "uuid_ge" by values;
};

macro_rules! zoned {
    ($(($l:ident, $r:ident) $eq:literal $ne:literal $lt:literal $le:literal $gt:literal $ge:literal $volatility:ident;)*) => {
        &[$(
            Scalar::new($eq, &[$l, $r], Bool, |env, a| Ok(Datum::Bool(time::compare_moments(env, a)?.is_eq()))).$volatility(),
            Scalar::new($ne, &[$l, $r], Bool, |env, a| Ok(Datum::Bool(time::compare_moments(env, a)?.is_ne()))).$volatility(),
            Scalar::new($lt, &[$l, $r], Bool, |env, a| Ok(Datum::Bool(time::compare_moments(env, a)?.is_lt()))).$volatility(),
            Scalar::new($le, &[$l, $r], Bool, |env, a| Ok(Datum::Bool(time::compare_moments(env, a)?.is_le()))).$volatility(),
            Scalar::new($gt, &[$l, $r], Bool, |env, a| Ok(Datum::Bool(time::compare_moments(env, a)?.is_gt()))).$volatility(),
            Scalar::new($ge, &[$l, $r], Bool, |env, a| Ok(Datum::Bool(time::compare_moments(env, a)?.is_ge()))).$volatility(),
        )*]
    };
}

/// Dates and timestamps; with a time zone on one side the session's zone decides.
pub(crate) static ZONED: &[Scalar] = zoned! {
    (Date, Timestamp) "date_eq_timestamp" "date_ne_timestamp" "date_lt_timestamp" "date_le_timestamp" "date_gt_timestamp" "date_ge_timestamp" immutable;
    (Date, Timestamptz) "date_eq_timestamptz" "date_ne_timestamptz" "date_lt_timestamptz" "date_le_timestamptz" "date_gt_timestamptz" "date_ge_timestamptz" stable;
    (Timestamp, Date) "timestamp_eq_date" "timestamp_ne_date" "timestamp_lt_date" "timestamp_le_date" "timestamp_gt_date" "timestamp_ge_date" immutable;
    (Timestamp, Timestamptz) "timestamp_eq_timestamptz" "timestamp_ne_timestamptz" "timestamp_lt_timestamptz" "timestamp_le_timestamptz" "timestamp_gt_timestamptz" "timestamp_ge_timestamptz" stable;
    (Timestamptz, Date) "timestamptz_eq_date" "timestamptz_ne_date" "timestamptz_lt_date" "timestamptz_le_date" "timestamptz_gt_date" "timestamptz_ge_date" stable;
    (Timestamptz, Timestamp) "timestamptz_eq_timestamp" "timestamptz_ne_timestamp" "timestamptz_lt_timestamp" "timestamptz_le_timestamp" "timestamptz_gt_timestamp" "timestamptz_ge_timestamp" stable;
};

fn pair(args: &[Datum]) -> Result<(&Datum, &Datum)> {
    match args {
        [left, right] => Ok((left, right)),
        _ => Err(SqlError::internal("a comparison takes two arguments")),
    }
}

fn values(args: &[Datum]) -> Result<Ordering> {
    let (left, right) = pair(args)?;
    Ok(types::compare::compare(left, right))
}

/// `character(n)`: trailing blanks don't count.
fn blank_padded(args: &[Datum]) -> Result<Ordering> {
    Ok(text(args, 0)?.trim_end_matches(' ').cmp(text(args, 1)?.trim_end_matches(' ')))
}

fn integers(args: &[Datum]) -> Result<Ordering> {
    let (left, right) = pair(args)?;
    match (left.as_i64(), right.as_i64()) {
        (Some(left), Some(right)) => Ok(left.cmp(&right)),
        _ => Err(SqlError::internal("an integer comparison takes integers")),
    }
}

fn floats(args: &[Datum]) -> Result<Ordering> {
    let wide = |index| match &args[index] {
        Datum::Float4(_) => float4(args, index).map(f64::from),
        _ => float8(args, index),
    };
    pair(args)?;
    Ok(compare_floats(wide(0)?, wide(1)?))
}

/// NaN equals itself and is greater than everything else; -0 equals 0.
pub(crate) fn compare_floats(left: f64, right: f64) -> Ordering {
    left.partial_cmp(&right).unwrap_or_else(|| left.is_nan().cmp(&right.is_nan()))
}
