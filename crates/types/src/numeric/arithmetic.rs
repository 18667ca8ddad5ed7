//! Arithmetic with PostgreSQL's result scales.

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::{BigInt, Sign};
use bigdecimal::num_traits::{Signed, Zero};

use crate::Result;

use super::{MAX_DISPLAY_SCALE, MAX_RESULT_SCALE, MAX_SCALE, MIN_SIG_DIGITS, Numeric, decimal, division_by_zero, parts};

impl Numeric {
    pub fn add(&self, other: &Numeric) -> Result<Numeric> {
        match (self, other) {
            (Numeric::Finite(a), Numeric::Finite(b)) => {
                let (a, b, scale) = aligned(a, b);
                Numeric::new(a + b, scale)
            }
            (Numeric::NaN, _) | (_, Numeric::NaN) => Ok(Numeric::NaN),
            (Numeric::Infinity, Numeric::NegInfinity) | (Numeric::NegInfinity, Numeric::Infinity) => Ok(Numeric::NaN),
            (Numeric::Infinity, _) | (_, Numeric::Infinity) => Ok(Numeric::Infinity),
            (Numeric::NegInfinity, _) | (_, Numeric::NegInfinity) => Ok(Numeric::NegInfinity),
        }
    }

    pub fn sub(&self, other: &Numeric) -> Result<Numeric> {
        match (self, other) {
            (Numeric::Finite(a), Numeric::Finite(b)) => {
                let (a, b, scale) = aligned(a, b);
                Numeric::new(a - b, scale)
            }
            _ => self.add(&other.neg()),
        }
    }

    pub fn mul(&self, other: &Numeric) -> Result<Numeric> {
        match (self, other) {
            (Numeric::Finite(a), Numeric::Finite(b)) => {
                let ((a, a_scale), (b, b_scale)) = (parts(a), parts(b));
                let product = a.as_ref() * b.as_ref();
                let scale = a_scale + b_scale;
                if scale > MAX_SCALE {
                    return Numeric::new(decimal::rescale(&product, scale, MAX_SCALE), MAX_SCALE);
                }
                Numeric::new(product, scale)
            }
            (Numeric::NaN, _) | (_, Numeric::NaN) => Ok(Numeric::NaN),
            // An infinity times zero is no number.
            (a, b) => Ok(infinity(a.signum() * b.signum())),
        }
    }

    /// With at least 16 significant digits, PostgreSQL's `select_div_scale`; 22012 "division by zero".
    pub fn div(&self, other: &Numeric) -> Result<Numeric> {
        let (a, b) = match (self, other) {
            (Numeric::Finite(a), Numeric::Finite(b)) => (a, b),
            (Numeric::NaN, _) | (_, Numeric::NaN) => return Ok(Numeric::NaN),
            (a, b) => return divide_infinite(a, b),
        };
        let ((a, a_scale), (b, b_scale)) = (parts(a), parts(b));
        if b.is_zero() {
            return Err(division_by_zero());
        }
        let scale = quotient_scale(&a, a_scale, &b, b_scale);
        Numeric::new(divide(&a, a_scale, &b, b_scale, scale), scale)
    }

    /// `div(a, b)`: the quotient truncated to an integer.
    pub fn div_trunc(&self, other: &Numeric) -> Result<Numeric> {
        match (self, other) {
            (Numeric::Finite(a), Numeric::Finite(b)) => {
                let (a, b, _) = aligned(a, b);
                if b.is_zero() {
                    return Err(division_by_zero());
                }
                Numeric::new(a / b, 0)
            }
            (Numeric::NaN, _) | (_, Numeric::NaN) => Ok(Numeric::NaN),
            (a, b) => divide_infinite(a, b),
        }
    }

    /// The remainder has the dividend's sign.
    pub fn rem(&self, other: &Numeric) -> Result<Numeric> {
        match (self, other) {
            (Numeric::Finite(a), Numeric::Finite(b)) => {
                let (a, b, scale) = aligned(a, b);
                if b.is_zero() {
                    return Err(division_by_zero());
                }
                Numeric::new(a % b, scale)
            }
            (Numeric::NaN, _) | (_, Numeric::NaN) => Ok(Numeric::NaN),
            (Numeric::Infinity | Numeric::NegInfinity, b) if b.is_zero() => Err(division_by_zero()),
            (Numeric::Infinity | Numeric::NegInfinity, _) => Ok(Numeric::NaN),
            (a @ Numeric::Finite(_), Numeric::Infinity | Numeric::NegInfinity) => Ok(a.clone()),
        }
    }

    pub fn neg(&self) -> Numeric {
        match self {
            Numeric::Finite(value) => Numeric::Finite(-value),
            Numeric::NaN => Numeric::NaN,
            Numeric::Infinity => Numeric::NegInfinity,
            Numeric::NegInfinity => Numeric::Infinity,
        }
    }

    pub fn abs(&self) -> Numeric {
        match self {
            Numeric::Finite(value) => Numeric::Finite(value.abs()),
            Numeric::NaN => Numeric::NaN,
            Numeric::Infinity | Numeric::NegInfinity => Numeric::Infinity,
        }
    }

    /// -1, 0 or 1; NaN gives NaN.
    pub fn sign(&self) -> Numeric {
        if self.is_nan() {
            Numeric::NaN
        } else {
            Numeric::from(self.signum())
        }
    }

    /// Halves away from zero; a negative scale rounds before the point.
    pub fn round(&self, scale: i32) -> Result<Numeric> {
        self.at_scale(scale, decimal::rescale)
    }

    /// Towards zero; a negative scale cuts before the point.
    pub fn trunc(&self, scale: i32) -> Result<Numeric> {
        self.at_scale(scale, decimal::rescale_cut)
    }

    pub fn ceil(&self) -> Result<Numeric> {
        let whole = self.trunc(0)?;
        if whole < *self { whole.add(&Numeric::one()) } else { Ok(whole) }
    }

    pub fn floor(&self) -> Result<Numeric> {
        let whole = self.trunc(0)?;
        if whole > *self { whole.sub(&Numeric::one()) } else { Ok(whole) }
    }

    /// NaN unless both are finite.
    pub fn gcd(&self, other: &Numeric) -> Result<Numeric> {
        let (Numeric::Finite(a), Numeric::Finite(b)) = (self, other) else {
            return Ok(Numeric::NaN);
        };
        let (a, b, scale) = aligned(a, b);
        Numeric::new(greatest_divisor(a, b), scale)
    }

    /// NaN unless both are finite.
    pub fn lcm(&self, other: &Numeric) -> Result<Numeric> {
        let (Numeric::Finite(a), Numeric::Finite(b)) = (self, other) else {
            return Ok(Numeric::NaN);
        };
        let (a, b, scale) = aligned(a, b);
        if a.is_zero() || b.is_zero() {
            return Numeric::new(BigInt::zero(), scale);
        }
        let divisor = greatest_divisor(a.clone(), b.clone());
        Numeric::new((a / divisor * b).abs(), scale)
    }

    /// Digits after the point; None for NaN and the infinities.
    pub fn scale(&self) -> Option<i32> {
        match self {
            Numeric::Finite(value) => i32::try_from(parts(value).1).ok(),
            Numeric::NaN | Numeric::Infinity | Numeric::NegInfinity => None,
        }
    }

    /// The fewest digits after the point that lose nothing; None for NaN and the infinities.
    pub fn min_scale(&self) -> Option<i32> {
        self.trim_scale().scale()
    }

    /// The same value without trailing zeros after the point.
    pub fn trim_scale(&self) -> Numeric {
        let Numeric::Finite(value) = self else { return self.clone() };
        let (coefficient, scale) = parts(value);
        if coefficient.is_zero() {
            return Numeric::zero();
        }
        let mut trimmed = coefficient.into_owned();
        let mut scale_left = scale;
        // In halving steps, so that thousands of zeros don't cost thousands of divisions.
        let mut step = scale;
        while step > 0 {
            if step <= scale_left {
                let power = decimal::pow10(step.unsigned_abs());
                if (&trimmed % &power).is_zero() {
                    trimmed /= power;
                    scale_left -= step;
                    continue;
                }
            }
            step /= 2;
        }
        Numeric::from_parts(trimmed, scale_left)
    }

    /// The infinities count as integers, NaN does not.
    pub(super) fn is_integral(&self) -> bool {
        match self {
            Numeric::NaN => false,
            Numeric::Infinity | Numeric::NegInfinity => true,
            Numeric::Finite(_) => self.min_scale() == Some(0),
        }
    }

    /// NaN counts as positive here; callers have dealt with it.
    pub(super) fn signum(&self) -> i32 {
        if self.is_zero() {
            0
        } else if self.is_negative() {
            -1
        } else {
            1
        }
    }

    fn at_scale(&self, scale: i32, rescale: fn(&BigInt, i64, i64) -> BigInt) -> Result<Numeric> {
        let Numeric::Finite(value) = self else { return Ok(self.clone()) };
        let scale = i64::from(scale).clamp(-MAX_RESULT_SCALE, MAX_RESULT_SCALE);
        let (coefficient, from) = parts(value);
        Numeric::new(rescale(&coefficient, from, scale), scale)
    }
}

/// The coefficients at the larger of the two scales.
fn aligned(a: &BigDecimal, b: &BigDecimal) -> (BigInt, BigInt, i64) {
    let ((a, a_scale), (b, b_scale)) = (parts(a), parts(b));
    let scale = a_scale.max(b_scale);
    (decimal::rescale(&a, a_scale, scale), decimal::rescale(&b, b_scale, scale), scale)
}

/// PostgreSQL's `select_div_scale`: enough digits for 16 significant ones, counted in its base-10000 digits.
fn quotient_scale(a: &BigInt, a_scale: i64, b: &BigInt, b_scale: i64) -> i64 {
    let (a_weight, a_first) = if a.is_zero() { (0, 0) } else { decimal::nbase_head(a, a_scale) };
    let (b_weight, b_first) = decimal::nbase_head(b, b_scale);
    let mut weight = a_weight - b_weight;
    if a_first <= b_first {
        weight -= 1;
    }
    (MIN_SIG_DIGITS - weight * 4).max(a_scale).max(b_scale).clamp(0, MAX_DISPLAY_SCALE)
}

/// a / b at `scale`, halves away from zero. `b` is not zero.
pub(super) fn divide(a: &BigInt, a_scale: i64, b: &BigInt, b_scale: i64, scale: i64) -> BigInt {
    let shift = scale - a_scale + b_scale;
    let power = decimal::pow10(shift.unsigned_abs());
    if shift >= 0 {
        decimal::div_round(&(a * power), b)
    } else {
        decimal::div_round(a, &(b * power))
    }
}

/// At least one side is infinite, neither is NaN.
fn divide_infinite(a: &Numeric, b: &Numeric) -> Result<Numeric> {
    match (a.is_infinite(), b.is_infinite()) {
        (true, true) => Ok(Numeric::NaN),
        (false, _) => Ok(Numeric::zero()),
        (true, false) if b.is_zero() => Err(division_by_zero()),
        (true, false) => Ok(infinity(a.signum() * b.signum())),
    }
}

/// The infinity of that sign; of sign 0 there is none.
fn infinity(sign: i32) -> Numeric {
    match sign {
        0 => Numeric::NaN,
        1.. => Numeric::Infinity,
        _ => Numeric::NegInfinity,
    }
}

fn greatest_divisor(a: BigInt, b: BigInt) -> BigInt {
    let (mut a, mut b) = (a.abs(), b.abs());
    while b.sign() != Sign::NoSign {
        let rest = &a % &b;
        a = b;
        b = rest;
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    type Operation = fn(&Numeric, &Numeric) -> Result<Numeric>;

    fn check(a: &str, operation: Operation, b: &str, result: &str) {
        let (x, y): (Numeric, Numeric) = (a.parse().unwrap(), b.parse().unwrap());
        assert_eq!(operation(&x, &y).unwrap().to_string(), result, "{a}, {b}");
    }

    #[test]
    fn scales_are_postgresqls() {
        check("0.1", Numeric::add, "0.20", "0.30");
        check("1.10", Numeric::mul, "1.10", "1.2100");
        check("1", Numeric::div, "3", "0.33333333333333333333");
        check("10", Numeric::div, "3", "3.3333333333333333");
        check("1", Numeric::div, "3.0", "0.33333333333333333333");
        check("10.00", Numeric::div, "2", "5.0000000000000000");
        check("123456789", Numeric::div, "7", "17636684.142857142857");
        check("0", Numeric::div, "5", "0.00000000000000000000");
        check("-7", Numeric::rem, "3", "-1");
        check("7.5", Numeric::rem, "-2", "1.5");
        check("-7.5", Numeric::div_trunc, "2", "-3");
        check("12", Numeric::gcd, "18.0", "6.0");
        check("0.4", Numeric::lcm, "0.6", "1.2");
    }

    #[test]
    fn infinities_follow_the_rules() {
        check("inf", Numeric::add, "-inf", "NaN");
        check("inf", Numeric::sub, "1", "Infinity");
        check("inf", Numeric::mul, "0", "NaN");
        check("-inf", Numeric::mul, "-2", "Infinity");
        check("1", Numeric::div, "inf", "0");
        check("inf", Numeric::div, "-3", "-Infinity");
        check("5", Numeric::rem, "inf", "5");
        check("nan", Numeric::div, "0", "NaN");
        for (a, b) in [("1", "0"), ("inf", "0.0")] {
            let (a, b): (Numeric, Numeric) = (a.parse().unwrap(), b.parse().unwrap());
            assert_eq!(a.div(&b).unwrap_err().message(), "division by zero");
            assert_eq!(a.rem(&b).unwrap_err().message(), "division by zero");
        }
    }

    #[test]
    fn rounding() {
        let numeric = |text: &str| text.parse::<Numeric>().unwrap();
        for (value, scale, rounded, cut) in [
            ("1.235", 2, "1.24", "1.23"),
            ("-1.235", 2, "-1.24", "-1.23"),
            ("155", -1, "160", "150"),
            ("1.5", 4, "1.5000", "1.5000"),
            ("4", -1, "0", "0"),
            ("5", -1, "10", "0"),
        ] {
            assert_eq!(numeric(value).round(scale).unwrap().to_string(), rounded);
            assert_eq!(numeric(value).trunc(scale).unwrap().to_string(), cut);
        }
        for (value, ceil, floor) in [
            ("1.1", "2", "1"),
            ("-1.1", "-1", "-2"),
            ("3.0", "3", "3"),
            ("inf", "Infinity", "Infinity"),
        ] {
            assert_eq!(numeric(value).ceil().unwrap().to_string(), ceil);
            assert_eq!(numeric(value).floor().unwrap().to_string(), floor);
        }
        assert_eq!(numeric("1.5000").trim_scale().to_string(), "1.5");
        assert_eq!(numeric("1000").trim_scale().to_string(), "1000");
        assert_eq!(numeric("0.00").trim_scale().to_string(), "0");
    }

    #[test]
    fn a_product_that_postgresql_could_not_store_is_refused() {
        let large: Numeric = "1e100000".parse().unwrap();
        assert_eq!(large.mul(&large).unwrap_err().message(), "value overflows numeric format");
    }
}
