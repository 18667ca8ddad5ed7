//! SQL values.

use crate::{Numeric, Type};

/// One SQL value. The type of a column stands beside it: text, varchar, name and unknown share
/// `Text`; oid and the `reg*` types share `Oid`; json and jsonb share `Json`.
#[derive(Clone, Debug, Default)]
pub enum Datum {
    #[default]
    Null,
    Bool(bool),
    Int2(i16),
    Int4(i32),
    Int8(i64),
    Float4(f32),
    Float8(f64),
    Numeric(Numeric),
    Text(String),
    Bytea(Vec<u8>),
    /// Days since 1970-01-01; i32::MAX and i32::MIN are infinity and -infinity.
    Date(i32),
    /// Microseconds since midnight, 0..=86_400_000_000.
    Time(i64),
    /// Microseconds since 1970-01-01 00:00 of no zone; i64::MAX and i64::MIN are the infinities.
    Timestamp(i64),
    /// Microseconds since 1970-01-01 00:00 UTC; i64::MAX and i64::MIN are the infinities.
    Timestamptz(i64),
    Interval(Interval),
    Uuid([u8; 16]),
    /// json: the text as it was given. jsonb: its canonical text, as PostgreSQL prints it.
    Json(String),
    Oid(u32),
    Array(Box<Array>),
    Record(Vec<Datum>),
}

/// PostgreSQL's interval: the three fields do not convert into each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Interval {
    pub months: i32,
    pub days: i32,
    pub micros: i64,
}

/// An array value: elements in row-major order.
#[derive(Clone, Debug)]
pub struct Array {
    pub element: Type,
    /// (length, lower bound) per dimension; empty for `'{}'`.
    pub dims: Vec<(i32, i32)>,
    pub values: Vec<Datum>,
}

impl Array {
    /// A one-dimensional array with lower bound 1; of no elements: the empty array.
    pub fn from_values(element: Type, values: Vec<Datum>) -> Array {
        let dims = if values.is_empty() {
            vec![]
        } else {
            vec![(values.len() as i32, 1)]
        };
        Array { element, dims, values }
    }
}

impl Datum {
    pub fn is_null(&self) -> bool {
        matches!(self, Datum::Null)
    }

    pub fn text(value: impl Into<String>) -> Datum {
        Datum::Text(value.into())
    }

    pub fn array(element: Type, values: Vec<Datum>) -> Datum {
        Datum::Array(Box::new(Array::from_values(element, values)))
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Datum::Bool(value) => Some(*value),
            _ => None,
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Datum::Text(value) | Datum::Json(value) => Some(value),
            _ => None,
        }
    }

    /// The value of any integer type, and of oid.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Datum::Int2(value) => Some(i64::from(*value)),
            Datum::Int4(value) => Some(i64::from(*value)),
            Datum::Int8(value) => Some(*value),
            Datum::Oid(value) => Some(i64::from(*value)),
            _ => None,
        }
    }
}
