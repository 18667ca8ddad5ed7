//! PostgreSQL's numeric: an exact decimal that remembers how many digits to show.
//!
//! The life of a numeric: it is read from text (`parse.rs`) or converted from a machine number
//! (`convert.rs`), keeps the scale it was written with, takes PostgreSQL's result scale at each
//! operation (`arithmetic.rs`, `transcendental.rs`), and prints with exactly that many digits.
//! Equality, order and hash look at the value alone (`order.rs`): 1.0 equals 1.00.

mod arithmetic;
mod binary;
mod convert;
mod decimal;
mod fixed;
mod order;
mod parse;
mod transcendental;

use std::borrow::Cow;

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::{BigInt, Sign};

use crate::{Result, SqlError, SqlState};

/// PostgreSQL's `NUMERIC_DSCALE_MAX`: digits after the point that a value can carry.
pub const MAX_SCALE: i64 = 0x3fff;
/// Digits before the point that a value can carry: `NUMERIC_WEIGHT_MAX + 1` groups of four.
pub const MAX_INTEGER_DIGITS: i64 = 4 * (0x7fff + 1);
/// PostgreSQL's `NUMERIC_MIN_SIG_DIGITS`: what division, roots and logarithms show at least.
const MIN_SIG_DIGITS: i64 = 16;
/// PostgreSQL's `NUMERIC_MAX_DISPLAY_SCALE`: where those stop adding digits.
const MAX_DISPLAY_SCALE: i64 = 1000;
/// PostgreSQL's `NUMERIC_MAX_RESULT_SCALE`: the scale that `round` and `trunc` take at most.
const MAX_RESULT_SCALE: i64 = 2000;

/// A numeric value. The scale of `Finite` is the display scale: 0 to [`MAX_SCALE`].
#[derive(Clone, Debug)]
pub enum Numeric {
    NegInfinity,
    Finite(BigDecimal),
    Infinity,
    NaN,
}

impl Numeric {
    /// `coefficient` / 10^`scale`; a negative scale is multiplied out. 22003 where PostgreSQL's
    /// storage format could not hold the value.
    pub fn new(coefficient: BigInt, scale: i64) -> Result<Numeric> {
        if coefficient.sign() == Sign::NoSign {
            return match scale {
                ..=0 => Ok(Numeric::zero()),
                1..=MAX_SCALE => Ok(Numeric::from_parts(coefficient, scale)),
                _ => Err(overflow()),
            };
        }
        if !(-MAX_INTEGER_DIGITS..=MAX_SCALE).contains(&scale) {
            return Err(overflow());
        }
        if decimal::digits(&coefficient) - scale > MAX_INTEGER_DIGITS {
            return Err(overflow());
        }
        if scale < 0 {
            return Ok(Numeric::from_parts(coefficient * decimal::pow10(scale.unsigned_abs()), 0));
        }
        Ok(Numeric::from_parts(coefficient, scale))
    }

    pub fn zero() -> Numeric {
        Numeric::from(0i64)
    }

    pub fn one() -> Numeric {
        Numeric::from(1i64)
    }

    pub fn is_nan(&self) -> bool {
        matches!(self, Numeric::NaN)
    }

    pub fn is_infinite(&self) -> bool {
        matches!(self, Numeric::Infinity | Numeric::NegInfinity)
    }

    pub fn is_zero(&self) -> bool {
        matches!(self, Numeric::Finite(value) if value.sign() == Sign::NoSign)
    }

    /// Below zero; false for NaN.
    pub fn is_negative(&self) -> bool {
        match self {
            Numeric::NegInfinity => true,
            Numeric::Finite(value) => value.sign() == Sign::Minus,
            Numeric::Infinity | Numeric::NaN => false,
        }
    }

    /// The caller knows that `scale` is in range and that the value fits.
    fn from_parts(coefficient: BigInt, scale: i64) -> Numeric {
        Numeric::Finite(BigDecimal::new(coefficient, scale))
    }
}

/// (coefficient, scale) of a finite value.
fn parts(value: &BigDecimal) -> (Cow<'_, BigInt>, i64) {
    value.as_bigint_and_scale()
}

fn overflow() -> SqlError {
    SqlError::new(SqlState::NumericValueOutOfRange, "value overflows numeric format")
}

fn division_by_zero() -> SqlError {
    SqlError::new(SqlState::DivisionByZero, "division by zero")
}
