//! Numerics as text.

use std::fmt;
use std::str::FromStr;

use crate::{Result, SqlError, SqlState};

use super::Numeric;

impl FromStr for Numeric {
    type Err = SqlError;

    /// PostgreSQL's `numeric_in` without a typmod.
    fn from_str(text: &str) -> Result<Numeric> {
        let value = text.trim().parse().map_err(|_| {
            SqlError::new(SqlState::InvalidTextRepresentation, format!("invalid input syntax for type numeric: \"{text}\""))
        })?;
        Ok(Numeric::Finite(value))
    }
}

impl fmt::Display for Numeric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Numeric::NaN => f.write_str("NaN"),
            Numeric::Infinity => f.write_str("Infinity"),
            Numeric::NegInfinity => f.write_str("-Infinity"),
            Numeric::Finite(value) => f.write_str(&value.to_plain_string()),
        }
    }
}
