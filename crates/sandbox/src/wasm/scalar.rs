//! SQL values as numbers of WebAssembly.
//!
//! | SQL | WebAssembly |
//! |---|---|
//! | boolean | i32, 0 or 1 |
//! | smallint, integer | i32 |
//! | bigint | i64 |
//! | real | f32 |
//! | double precision | f64 |
//! | date | i32: days since 1970-01-01 |
//! | timestamp, timestamptz | i64: microseconds since 1970-01-01 |

use types::{Datum, SqlError, SqlState, Type, calendar};
use wasmtime::ValRaw;

/// A type that a number can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Date,
    Timestamp,
    Timestamptz,
}

impl Scalar {
    pub fn of(ty: Type) -> Option<Scalar> {
        Some(match ty {
            Type::Bool => Scalar::Bool,
            Type::Int2 => Scalar::Int2,
            Type::Int4 => Scalar::Int4,
            Type::Int8 => Scalar::Int8,
            Type::Float4 => Scalar::Float4,
            Type::Float8 => Scalar::Float8,
            Type::Date => Scalar::Date,
            Type::Timestamp => Scalar::Timestamp,
            Type::Timestamptz => Scalar::Timestamptz,
            _ => return None,
        })
    }

    pub fn letter(self) -> char {
        match self {
            Scalar::Bool | Scalar::Int2 | Scalar::Int4 | Scalar::Date => 'i',
            Scalar::Int8 | Scalar::Timestamp | Scalar::Timestamptz => 'I',
            Scalar::Float4 => 'f',
            Scalar::Float8 => 'F',
        }
    }

    /// None: NULL, or a value of another type than was declared.
    #[inline]
    pub fn lower(self, value: &Datum) -> Option<ValRaw> {
        Some(match (self, value) {
            (Scalar::Bool, Datum::Bool(value)) => ValRaw::i32(i32::from(*value)),
            (Scalar::Int2, Datum::Int2(value)) => ValRaw::i32(i32::from(*value)),
            (Scalar::Int4, Datum::Int4(value)) | (Scalar::Date, Datum::Date(value)) => ValRaw::i32(*value),
            (Scalar::Int8, Datum::Int8(value))
            | (Scalar::Timestamp, Datum::Timestamp(value))
            | (Scalar::Timestamptz, Datum::Timestamptz(value)) => ValRaw::i64(*value),
            (Scalar::Float4, Datum::Float4(value)) => ValRaw::f32(value.to_bits()),
            (Scalar::Float8, Datum::Float8(value)) => ValRaw::f64(value.to_bits()),
            _ => return None,
        })
    }

    /// What came back, if the type has such a value.
    #[inline]
    pub fn lift(self, raw: ValRaw) -> Result<Datum, SqlError> {
        Ok(match self {
            Scalar::Bool => match raw.get_i32() {
                0 => Datum::Bool(false),
                1 => Datum::Bool(true),
                other => return Err(out_of_range(Type::Bool, other)),
            },
            Scalar::Int2 => Datum::Int2(i16::try_from(raw.get_i32()).map_err(|_| out_of_range(Type::Int2, raw.get_i32()))?),
            Scalar::Int4 => Datum::Int4(raw.get_i32()),
            Scalar::Int8 => Datum::Int8(raw.get_i64()),
            Scalar::Float4 => Datum::Float4(f32::from_bits(raw.get_f32())),
            Scalar::Float8 => Datum::Float8(f64::from_bits(raw.get_f64())),
            Scalar::Date => match raw.get_i32() {
                days if calendar::is_valid_date(i64::from(days))
                    || days == calendar::DATE_INFINITY
                    || days == calendar::DATE_NEG_INFINITY =>
                {
                    Datum::Date(days)
                }
                other => return Err(out_of_range(Type::Date, other)),
            },
            Scalar::Timestamp => Datum::Timestamp(instant(raw.get_i64(), Type::Timestamp)?),
            Scalar::Timestamptz => Datum::Timestamptz(instant(raw.get_i64(), Type::Timestamptz)?),
        })
    }
}

fn instant(micros: i64, ty: Type) -> Result<i64, SqlError> {
    if calendar::is_valid_timestamp(micros) || micros == calendar::TIMESTAMP_INFINITY || micros == calendar::TIMESTAMP_NEG_INFINITY {
        Ok(micros)
    } else {
        Err(out_of_range(ty, micros))
    }
}

#[cold]
fn out_of_range(ty: Type, value: impl std::fmt::Display) -> SqlError {
    let state = match ty {
        Type::Date | Type::Timestamp | Type::Timestamptz => SqlState::DatetimeFieldOverflow,
        _ => SqlState::NumericValueOutOfRange,
    };
    SqlError::new(state, format!("{ty} out of range")).detail(format!("The function returned {value}."))
}
