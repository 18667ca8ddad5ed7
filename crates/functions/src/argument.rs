//! Taking arguments out of their slice.
//!
//! The resolver and the casts before a call guarantee the variants, so a mismatch is a bug of
//! ours: an internal error, never a panic.

use types::{Array, Datum, Interval, Numeric, Result, SqlError, Type};

macro_rules! getters {
    ($($name:ident -> $ty:ty: $pattern:pat => $value:expr;)*) => {
        $(pub(crate) fn $name(args: &[Datum], index: usize) -> Result<$ty> {
            match args.get(index) {
                $pattern => Ok($value),
                other => Err(mismatch(stringify!($name), index, other)),
            }
        })*
    };
}

#[cold]
fn mismatch(expected: &str, index: usize, found: Option<&Datum>) -> SqlError {
    let found = match found {
        Some(datum) => format!("{:?}", type_of(datum)),
        None => "nothing".to_string(),
    };
    SqlError::internal(format!("argument {} should be {expected}, found {found}", index + 1))
}

getters! {
    boolean -> bool: Some(Datum::Bool(v)) => *v;
    int2 -> i16: Some(Datum::Int2(v)) => *v;
    int4 -> i32: Some(Datum::Int4(v)) => *v;
    int8 -> i64: Some(Datum::Int8(v)) => *v;
    float4 -> f32: Some(Datum::Float4(v)) => *v;
    float8 -> f64: Some(Datum::Float8(v)) => *v;
    date -> i32: Some(Datum::Date(v)) => *v;
    time -> i64: Some(Datum::Time(v)) => *v;
    timestamp -> i64: Some(Datum::Timestamp(v)) => *v;
    timestamptz -> i64: Some(Datum::Timestamptz(v)) => *v;
    interval -> Interval: Some(Datum::Interval(v)) => *v;
    oid -> u32: Some(Datum::Oid(v)) => *v;
}

macro_rules! borrowers {
    ($($name:ident -> $ty:ty: $pattern:pat => $value:expr;)*) => {
        $(pub(crate) fn $name(args: &[Datum], index: usize) -> Result<&$ty> {
            match args.get(index) {
                $pattern => Ok($value),
                other => Err(mismatch(stringify!($name), index, other)),
            }
        })*
    };
}

borrowers! {
    text -> str: Some(Datum::Text(v)) => v;
    json -> str: Some(Datum::Json(v)) => v;
    bytea -> [u8]: Some(Datum::Bytea(v)) => v;
    numeric -> Numeric: Some(Datum::Numeric(v)) => v;
    array -> Array: Some(Datum::Array(v)) => v;
}

/// The argument, or None if it is NULL or absent.
pub(crate) fn present(args: &[Datum], index: usize) -> Option<&Datum> {
    args.get(index).filter(|datum| !datum.is_null())
}

/// The most likely type of a value that stands alone.
pub(crate) fn type_of(datum: &Datum) -> Type {
    match datum {
        Datum::Null => Type::Unknown,
        Datum::Bool(_) => Type::Bool,
        Datum::Int2(_) => Type::Int2,
        Datum::Int4(_) => Type::Int4,
        Datum::Int8(_) => Type::Int8,
        Datum::Float4(_) => Type::Float4,
        Datum::Float8(_) => Type::Float8,
        Datum::Numeric(_) => Type::Numeric,
        Datum::Text(_) => Type::Text,
        Datum::Bytea(_) => Type::Bytea,
        Datum::Date(_) => Type::Date,
        Datum::Time(_) => Type::Time,
        Datum::Timestamp(_) => Type::Timestamp,
        Datum::Timestamptz(_) => Type::Timestamptz,
        Datum::Interval(_) => Type::Interval,
        Datum::Uuid(_) => Type::Uuid,
        Datum::Json(_) => Type::Jsonb,
        Datum::Oid(_) => Type::Oid,
        Datum::Array(array) => array.element.array_of().unwrap_or(Type::Array(&Type::Text)),
        Datum::Record(_) => Type::Record,
    }
}
