//! Roots, powers and logarithms, with PostgreSQL's choice of digits.

use crate::{Result, SqlError};

use super::Numeric;

impl Numeric {
    pub fn sqrt(&self) -> Result<Numeric> {
        Err(SqlError::unsupported("numeric function"))
    }
    pub fn pow(&self, exponent: &Numeric) -> Result<Numeric> {
        let _ = exponent;
        self.sqrt()
    }
    pub fn exp(&self) -> Result<Numeric> {
        self.sqrt()
    }
    pub fn ln(&self) -> Result<Numeric> {
        self.sqrt()
    }
    /// The logarithm of `self` to `base`; `log(x)` is base 10.
    pub fn log(&self, base: &Numeric) -> Result<Numeric> {
        let _ = base;
        self.sqrt()
    }
    /// `n!` (PostgreSQL's `factorial(bigint)`).
    pub fn factorial(n: i64) -> Result<Numeric> {
        Numeric::from(n).sqrt()
    }
}
