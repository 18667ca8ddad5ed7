//! PostgreSQL's numeric: an exact decimal that remembers how many digits to show.
//!
//! The life of a numeric: it is read from text ([`parse`]) or converted from a machine number
//! ([`convert`]), keeps the scale it was written with, takes PostgreSQL's result scale at each
//! operation ([`arithmetic`], [`transcendental`]), and prints with exactly that many digits.
//! Equality, order and hash look at the value alone: 1.0 equals 1.00.

mod arithmetic;
mod convert;
mod order;
mod parse;
mod transcendental;

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::{BigInt, Sign};

use crate::{Result, SqlError, SqlState};

/// PostgreSQL's `NUMERIC_DSCALE_MAX`: digits after the point that a value can carry.
pub const MAX_SCALE: i64 = 0x3fff;
/// Digits before the point that a value can carry: `NUMERIC_WEIGHT_MAX + 1` groups of four.
pub const MAX_INTEGER_DIGITS: i64 = 4 * (0x7fff + 1);
/// PostgreSQL's `NUMERIC_MIN_SIG_DIGITS`: what division, roots and logarithms show at least.
pub(crate) const MIN_SIG_DIGITS: i64 = 16;
/// PostgreSQL's `NUMERIC_MAX_DISPLAY_SCALE`: where those stop adding digits.
pub(crate) const MAX_DISPLAY_SCALE: i64 = 1000;

/// A numeric value. The scale of `Finite` is the display scale: never negative, at most [`MAX_SCALE`].
#[derive(Clone, Debug)]
pub enum Numeric {
    NegInfinity,
    Finite(BigDecimal),
    Infinity,
    NaN,
}

impl Numeric {
    /// `coefficient` / 10^`scale`; a negative scale is multiplied out.
    pub fn new(coefficient: BigInt, scale: i64) -> Result<Numeric> {
        let value = if scale < 0 { BigDecimal::new(coefficient, scale).with_scale(0) } else { BigDecimal::new(coefficient, scale) };
        Numeric::checked(value)
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

    /// Refuses what PostgreSQL's storage format cannot hold.
    fn checked(value: BigDecimal) -> Result<Numeric> {
        Ok(Numeric::Finite(value))
    }
}

pub(crate) fn overflow() -> SqlError {
    SqlError::new(SqlState::NumericValueOutOfRange, "value overflows numeric format")
}
