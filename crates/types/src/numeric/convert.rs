//! Numerics from and to machine numbers.

use bigdecimal::BigDecimal;

use crate::{Result, SqlError};

use super::Numeric;

macro_rules! from_integer {
    ($($int:ty),*) => {$(
        impl From<$int> for Numeric {
            fn from(value: $int) -> Numeric {
                Numeric::Finite(BigDecimal::new(value.into(), 0))
            }
        }
    )*};
}

from_integer!(i16, i32, i64, i128, u32, u64, usize);

impl Numeric {
    /// PostgreSQL's cast float8 -> numeric: 15 significant digits.
    pub fn from_f64(value: f64) -> Result<Numeric> {
        let _ = value;
        Err(SqlError::unsupported("numeric conversion"))
    }

    /// PostgreSQL's cast float4 -> numeric: 6 significant digits.
    pub fn from_f32(value: f32) -> Result<Numeric> {
        Numeric::from_f64(f64::from(value))
    }

    /// Rounded to an integer, halves away from zero; "smallint out of range" beyond the type.
    pub fn to_i16(&self) -> Result<i16> {
        Err(SqlError::unsupported("numeric conversion"))
    }

    /// Rounded to an integer, halves away from zero; "integer out of range" beyond the type.
    pub fn to_i32(&self) -> Result<i32> {
        Err(SqlError::unsupported("numeric conversion"))
    }

    /// Rounded to an integer, halves away from zero; "bigint out of range" beyond the type.
    pub fn to_i64(&self) -> Result<i64> {
        Err(SqlError::unsupported("numeric conversion"))
    }

    pub fn to_f64(&self) -> Result<f64> {
        Err(SqlError::unsupported("numeric conversion"))
    }

    pub fn to_f32(&self) -> Result<f32> {
        Err(SqlError::unsupported("numeric conversion"))
    }

    /// Rounds to a declared `numeric(precision, scale)`: 22003 "numeric field overflow" beyond it.
    pub fn apply_typmod(self, typmod: i32) -> Result<Numeric> {
        let _ = typmod;
        Ok(self)
    }
}
