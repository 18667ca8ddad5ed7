//! Arithmetic with PostgreSQL's result scales.

use crate::{Result, SqlError};

use super::Numeric;

impl Numeric {
    pub fn add(&self, other: &Numeric) -> Result<Numeric> {
        let _ = other;
        Err(SqlError::unsupported("numeric arithmetic"))
    }
    pub fn sub(&self, other: &Numeric) -> Result<Numeric> {
        self.add(other)
    }
    pub fn mul(&self, other: &Numeric) -> Result<Numeric> {
        self.add(other)
    }
    /// 22012 "division by zero".
    pub fn div(&self, other: &Numeric) -> Result<Numeric> {
        self.add(other)
    }
    /// `div(a, b)`: the quotient truncated to an integer.
    pub fn div_trunc(&self, other: &Numeric) -> Result<Numeric> {
        self.add(other)
    }
    pub fn rem(&self, other: &Numeric) -> Result<Numeric> {
        self.add(other)
    }
    pub fn neg(&self) -> Numeric {
        self.clone()
    }
    pub fn abs(&self) -> Numeric {
        self.clone()
    }
    /// -1, 0 or 1; NaN gives NaN.
    pub fn sign(&self) -> Numeric {
        self.clone()
    }
    /// Halves away from zero; a negative scale rounds before the point.
    pub fn round(&self, scale: i32) -> Result<Numeric> {
        let _ = scale;
        self.add(self)
    }
    pub fn trunc(&self, scale: i32) -> Result<Numeric> {
        let _ = scale;
        self.add(self)
    }
    pub fn ceil(&self) -> Result<Numeric> {
        self.add(self)
    }
    pub fn floor(&self) -> Result<Numeric> {
        self.add(self)
    }
    pub fn gcd(&self, other: &Numeric) -> Result<Numeric> {
        self.add(other)
    }
    pub fn lcm(&self, other: &Numeric) -> Result<Numeric> {
        self.add(other)
    }
    /// Digits after the point; None for NaN and the infinities.
    pub fn scale(&self) -> Option<i32> {
        None
    }
    /// The fewest digits after the point that lose nothing; None for NaN and the infinities.
    pub fn min_scale(&self) -> Option<i32> {
        None
    }
    pub fn trim_scale(&self) -> Numeric {
        self.clone()
    }
}
