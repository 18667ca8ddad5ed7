//! Numerics from and to machine numbers, and the declared precision.

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;
use bigdecimal::num_traits::{ToPrimitive, Zero};

use crate::{NO_TYPMOD, Result, SqlError, SqlState, numeric_typmod_parts};

use super::{Numeric, decimal, parts};

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
        from_float(value, 15)
    }

    /// PostgreSQL's cast float4 -> numeric: 6 significant digits.
    pub fn from_f32(value: f32) -> Result<Numeric> {
        from_float(f64::from(value), 6)
    }

    /// Rounded to an integer, halves away from zero; "smallint out of range" beyond the type.
    pub fn to_i16(&self) -> Result<i16> {
        self.to_integer("smallint")?.to_i16().ok_or_else(|| out_of_range("smallint"))
    }

    /// Rounded to an integer, halves away from zero; "integer out of range" beyond the type.
    pub fn to_i32(&self) -> Result<i32> {
        self.to_integer("integer")?.to_i32().ok_or_else(|| out_of_range("integer"))
    }

    /// Rounded to an integer, halves away from zero; "bigint out of range" beyond the type.
    pub fn to_i64(&self) -> Result<i64> {
        self.to_integer("bigint")?.to_i64().ok_or_else(|| out_of_range("bigint"))
    }

    /// The nearest double; 22003 where it would be infinite, or zero without being zero.
    pub fn to_f64(&self) -> Result<f64> {
        let value = self.to_f64_lossy();
        if matches!(self, Numeric::Finite(_)) && (value.is_infinite() || value == 0.0 && !self.is_zero()) {
            return Err(float_out_of_range(self, "double precision"));
        }
        Ok(value)
    }

    /// The nearest real; 22003 where it would be infinite, or zero without being zero.
    pub fn to_f32(&self) -> Result<f32> {
        let value = match self {
            Numeric::NaN => f32::NAN,
            Numeric::Infinity => f32::INFINITY,
            Numeric::NegInfinity => f32::NEG_INFINITY,
            Numeric::Finite(value) => scientific(value).parse().unwrap_or(f32::NAN),
        };
        if matches!(self, Numeric::Finite(_)) && (value.is_infinite() || value == 0.0 && !self.is_zero()) {
            return Err(float_out_of_range(self, "real"));
        }
        Ok(value)
    }

    /// The nearest double, infinite or zero where it does not fit.
    pub fn to_f64_lossy(&self) -> f64 {
        match self {
            Numeric::NaN => f64::NAN,
            Numeric::Infinity => f64::INFINITY,
            Numeric::NegInfinity => f64::NEG_INFINITY,
            Numeric::Finite(value) => {
                let (coefficient, scale) = parts(value);
                if scale == 0
                    && let Some(small) = coefficient.to_i64()
                {
                    return small as f64;
                }
                scientific(value).parse().unwrap_or(f64::NAN)
            }
        }
    }

    /// Rounds to a declared `numeric(precision, scale)`: 22003 "numeric field overflow" beyond it.
    pub fn apply_typmod(self, typmod: i32) -> Result<Numeric> {
        if typmod == NO_TYPMOD {
            return Ok(self);
        }
        let (precision, scale) = numeric_typmod_parts(typmod);
        let overflow = |detail: String| {
            Err(SqlError::new(SqlState::NumericValueOutOfRange, "numeric field overflow")
                .detail(format!("A field with precision {precision}, scale {scale} {detail}")))
        };
        let value = match &self {
            Numeric::NaN => return Ok(self),
            Numeric::Infinity | Numeric::NegInfinity => return overflow("cannot hold an infinite value.".to_string()),
            Numeric::Finite(value) => value,
        };
        let (coefficient, from) = parts(value);
        let scale_to = i64::from(scale);
        let rounded = decimal::rescale(&coefficient, from, scale_to);
        if decimal::digits(&rounded) > i64::from(precision) {
            return overflow(match precision - scale {
                0 => "must round to an absolute value less than 1.".to_string(),
                digits => format!("must round to an absolute value less than 10^{digits}."),
            });
        }
        if from == scale_to {
            Ok(self)
        } else {
            Numeric::new(rounded, scale_to)
        }
    }

    fn to_integer(&self, ty: &str) -> Result<BigInt> {
        match self {
            Numeric::Finite(value) => {
                let (coefficient, scale) = parts(value);
                Ok(decimal::rescale(&coefficient, scale, 0))
            }
            Numeric::NaN => Err(SqlError::new(SqlState::FeatureNotSupported, format!("cannot convert NaN to {ty}"))),
            Numeric::Infinity | Numeric::NegInfinity => Err(SqlError::new(
                SqlState::FeatureNotSupported,
                format!("cannot convert infinity to {ty}"),
            )),
        }
    }
}

/// C's `%.<digits>g`, read back.
fn from_float(value: f64, digits: usize) -> Result<Numeric> {
    if value.is_nan() {
        return Ok(Numeric::NaN);
    }
    if value.is_infinite() {
        return Ok(if value > 0.0 { Numeric::Infinity } else { Numeric::NegInfinity });
    }
    let text = format!("{value:.*e}", digits - 1);
    let broken = || SqlError::internal("a float that does not print");
    let (mantissa, exponent) = text.split_once('e').ok_or_else(broken)?;
    let exponent: i64 = exponent.parse().map_err(|_| broken())?;
    let mut coefficient: i64 = mantissa.replace('.', "").parse().map_err(|_| broken())?;
    let mut scale = digits as i64 - 1 - exponent;
    while coefficient != 0 && coefficient % 10 == 0 {
        coefficient /= 10;
        scale -= 1;
    }
    if coefficient.is_zero() {
        Ok(Numeric::zero())
    } else {
        Numeric::new(coefficient.into(), scale)
    }
}

fn scientific(value: &BigDecimal) -> String {
    let (coefficient, scale) = parts(value);
    format!("{coefficient}e-{scale}")
}

fn out_of_range(ty: &str) -> SqlError {
    SqlError::new(SqlState::NumericValueOutOfRange, format!("{ty} out of range"))
}

fn float_out_of_range(value: &Numeric, ty: &str) -> SqlError {
    SqlError::new(
        SqlState::NumericValueOutOfRange,
        format!("\"{value}\" is out of range for type {ty}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric_typmod;

    fn numeric(text: &str) -> Numeric {
        text.parse().unwrap()
    }

    #[test]
    fn integers_round_away_from_zero() {
        assert_eq!(numeric("2.5").to_i32().unwrap(), 3);
        assert_eq!(numeric("-2.5").to_i32().unwrap(), -3);
        assert_eq!(numeric("2.4999").to_i64().unwrap(), 2);
        assert_eq!(numeric("32767.4").to_i16().unwrap(), 32767);
        assert_eq!(numeric("32767.5").to_i16().unwrap_err().message(), "smallint out of range");
        assert_eq!(numeric("1e10").to_i32().unwrap_err().message(), "integer out of range");
        assert_eq!(numeric("NaN").to_i64().unwrap_err().message(), "cannot convert NaN to bigint");
        assert_eq!(numeric("inf").to_i32().unwrap_err().message(), "cannot convert infinity to integer");
    }

    #[test]
    fn floats_convert_with_their_safe_digits() {
        for (value, text) in [
            (0.1, "0.1"),
            (1e20, "100000000000000000000"),
            (1.0 / 3.0, "0.333333333333333"),
            (-0.0, "0"),
            (1.5e-10, "0.00000000015"),
        ] {
            assert_eq!(Numeric::from_f64(value).unwrap().to_string(), text);
        }
        assert_eq!(Numeric::from_f32(0.1).unwrap().to_string(), "0.1");
        assert_eq!(Numeric::from_f64(f64::NAN).unwrap().to_string(), "NaN");
        assert_eq!(numeric("0.1").to_f64().unwrap(), 0.1);
        assert_eq!(numeric("1e400").to_f64().unwrap_err().state(), SqlState::NumericValueOutOfRange);
        assert_eq!(numeric("1e-400").to_f64().unwrap_err().state(), SqlState::NumericValueOutOfRange);
        assert_eq!(numeric("1e40").to_f32().unwrap_err().state(), SqlState::NumericValueOutOfRange);
    }

    #[test]
    fn declared_precision_rounds_or_refuses() {
        let typmod = numeric_typmod(5, 2);
        assert_eq!(numeric("1.005").apply_typmod(typmod).unwrap().to_string(), "1.01");
        assert_eq!(numeric("1").apply_typmod(typmod).unwrap().to_string(), "1.00");
        let error = numeric("999.995").apply_typmod(typmod).unwrap_err();
        assert_eq!(error.message(), "numeric field overflow");
        assert_eq!(
            error.fields().detail.as_deref(),
            Some("A field with precision 5, scale 2 must round to an absolute value less than 10^3.")
        );
        assert_eq!(numeric("12345").apply_typmod(numeric_typmod(3, -2)).unwrap().to_string(), "12300");
        assert!(numeric("inf").apply_typmod(typmod).is_err());
        assert_eq!(numeric("nan").apply_typmod(typmod).unwrap().to_string(), "NaN");
    }
}
