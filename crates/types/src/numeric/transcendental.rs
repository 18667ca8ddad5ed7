//! Roots, powers and logarithms, with PostgreSQL's choice of digits.

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::{BigInt, BigUint, Sign};
use bigdecimal::num_traits::{One, ToPrimitive, Zero};

use crate::{Result, SqlError, SqlState};

use super::arithmetic::divide;
use super::{
    MAX_DISPLAY_SCALE, MAX_INTEGER_DIGITS, MAX_RESULT_SCALE, MIN_SIG_DIGITS, Numeric, decimal, division_by_zero, fixed, overflow, parts,
};

/// log10(e), as precise as PostgreSQL's estimates take it.
#[allow(clippy::approx_constant)] // PostgreSQL's digits: one more could choose another scale
const LOG10_E: f64 = 0.434294481903252;
/// Digits that are computed and then rounded away.
const GUARD_DIGITS: i64 = 20;

impl Numeric {
    pub fn sqrt(&self) -> Result<Numeric> {
        let Numeric::Finite(value) = self else {
            return if matches!(self, Numeric::NegInfinity) {
                Err(root_of_negative())
            } else {
                Ok(self.clone())
            };
        };
        if value.sign() == Sign::Minus {
            return Err(root_of_negative());
        }
        let (coefficient, from) = parts(value);
        // PostgreSQL's estimate of the root's weight, from the input's base-10000 digits.
        let weight = if coefficient.is_zero() {
            0
        } else {
            decimal::nbase_head(&coefficient, from).0
        };
        let scale = (MIN_SIG_DIGITS - ((weight + 1) * 4 / 2 - 1)).max(from).clamp(0, MAX_DISPLAY_SCALE);
        // One digit more, so that a floor can be rounded.
        let wide = decimal::rescale(&coefficient, from, 2 * (scale + 1).max(from));
        let root = BigInt::from(wide.magnitude().sqrt());
        Numeric::new(decimal::rescale(&root, (scale + 1).max(from), scale), scale)
    }

    pub fn exp(&self) -> Result<Numeric> {
        let value = match self {
            Numeric::Finite(value) => value,
            Numeric::NegInfinity => return Ok(Numeric::zero()),
            Numeric::Infinity | Numeric::NaN => return Ok(self.clone()),
        };
        let approximate = self.to_f64_lossy();
        let limit = MAX_RESULT_SCALE as f64;
        let weight = (approximate * LOG10_E).clamp(-limit, limit) as i64;
        let (coefficient, from) = parts(value);
        let scale = (MIN_SIG_DIGITS - weight).max(from).clamp(0, MAX_DISPLAY_SCALE);
        if approximate.abs() >= limit * 3.0 {
            return if approximate > 0.0 {
                Err(overflow())
            } else {
                Numeric::new(BigInt::zero(), scale)
            };
        }
        let bits = fixed::bits_of(scale + (approximate * LOG10_E) as i64 + GUARD_DIGITS);
        let (mantissa, exponent) = fixed::exp(&fixed::from_decimal(&coefficient, from, bits), bits);
        Numeric::new(fixed::to_decimal(&mantissa, exponent, scale), scale)
    }

    /// 2201E for zero and below.
    pub fn ln(&self) -> Result<Numeric> {
        self.check_logarithm()?;
        let Numeric::Finite(value) = self else { return Ok(self.clone()) };
        let (coefficient, from) = parts(value);
        let scale = (MIN_SIG_DIGITS - ln_weight(&coefficient, from))
            .max(from)
            .clamp(0, MAX_DISPLAY_SCALE);
        ln_at(value, scale)
    }

    /// The logarithm of `self` to `base`; SQL's `log(x)` has base 10. 2201E for zero and below.
    pub fn log(&self, base: &Numeric) -> Result<Numeric> {
        if self.is_nan() || base.is_nan() {
            return Ok(Numeric::NaN);
        }
        if self.is_negative() || base.is_negative() {
            return Err(logarithm_of("a negative number"));
        }
        if self.is_zero() || base.is_zero() {
            return Err(logarithm_of("zero"));
        }
        let (value, base) = match (self, base) {
            (Numeric::Finite(value), Numeric::Finite(base)) => (value, base),
            (Numeric::Finite(_), _) => return Ok(Numeric::zero()),
            (_, Numeric::Finite(_)) => return Ok(Numeric::Infinity),
            (_, _) => return Ok(Numeric::NaN),
        };
        let ((x, x_scale), (b, b_scale)) = (parts(value), parts(base));
        let (x_weight, b_weight) = (ln_weight(&x, x_scale), ln_weight(&b, b_scale));
        let weight = x_weight - b_weight;
        let scale = (MIN_SIG_DIGITS - weight).max(x_scale).max(b_scale).clamp(0, MAX_DISPLAY_SCALE);
        let bits = fixed::bits_of(scale + weight.abs() + x_weight.abs() + b_weight.abs() + GUARD_DIGITS);
        let ln_base = fixed::ln(&b, b_scale, bits);
        if ln_base.is_zero() {
            return Err(division_by_zero());
        }
        Numeric::new(divide(&fixed::ln(&x, x_scale, bits), 0, &ln_base, 0, scale), scale)
    }

    /// 2201F where the result would be complex or infinite.
    pub fn pow(&self, exponent: &Numeric) -> Result<Numeric> {
        if self.is_nan() || exponent.is_nan() {
            // As pow(3): NaN ^ 0 and 1 ^ NaN are 1.
            let is_one = exponent.is_zero() || *self == Numeric::one();
            return Ok(if is_one { Numeric::one() } else { Numeric::NaN });
        }
        if self.is_zero() && exponent.is_negative() {
            return Err(power_error("zero raised to a negative power is undefined"));
        }
        if self.is_negative() && !exponent.is_integral() {
            return Err(power_error(
                "a negative number raised to a non-integer power yields a complex result",
            ));
        }
        match (self, exponent) {
            (Numeric::Finite(base), Numeric::Finite(exponent)) => power(base, exponent),
            _ => Ok(self.infinite_power(exponent)),
        }
    }

    /// `n!` (PostgreSQL's `factorial(bigint)`).
    pub fn factorial(n: i64) -> Result<Numeric> {
        if n < 0 {
            return Err(SqlError::new(
                SqlState::NumericValueOutOfRange,
                "factorial of a negative number is undefined",
            ));
        }
        // The first whose factorial PostgreSQL cannot store.
        if n > 32_177 {
            return Err(overflow());
        }
        Numeric::new(product(1, n.unsigned_abs()), 0)
    }

    fn check_logarithm(&self) -> Result<()> {
        if self.is_negative() {
            return Err(logarithm_of("a negative number"));
        }
        if self.is_zero() {
            return Err(logarithm_of("zero"));
        }
        Ok(())
    }

    /// pow(3)'s rules; at least one side is infinite, neither is NaN.
    fn infinite_power(&self, exponent: &Numeric) -> Numeric {
        if *self == Numeric::one() || exponent.is_zero() {
            return Numeric::one();
        }
        if self.is_zero() {
            return Numeric::zero();
        }
        if exponent.is_infinite() {
            let size = self.abs();
            if size == Numeric::one() {
                return Numeric::one();
            }
            let grows = (size > Numeric::one()) != exponent.is_negative();
            return if grows { Numeric::Infinity } else { Numeric::zero() };
        }
        if exponent.is_negative() {
            return Numeric::zero();
        }
        if self.is_negative() && is_odd(exponent) {
            Numeric::NegInfinity
        } else {
            Numeric::Infinity
        }
    }
}

/// Both finite; zero to a negative power and a negative base to a fraction have been refused.
fn power(base: &BigDecimal, exponent: &BigDecimal) -> Result<Numeric> {
    let ((b, b_scale), (e, e_scale)) = (parts(base), parts(exponent));
    let whole = decimal::rescale_cut(&e, e_scale, 0);
    let is_whole = decimal::rescale(&whole, 0, e_scale) == *e;
    if let (true, Some(n)) = (is_whole, whole.to_i32()) {
        return integer_power(&b, b_scale, n);
    }
    if b.is_zero() {
        return Numeric::new(BigInt::zero(), MIN_SIG_DIGITS);
    }
    let negative = b.sign() == Sign::Minus && whole.bit(0);
    let base = BigDecimal::new(BigInt::from(b.magnitude().clone()), b_scale);
    let b = BigInt::from(b.magnitude().clone());
    // PostgreSQL's estimate of the result's size, to 8 digits, decides the scale.
    let ln_weight = ln_weight(&b, b_scale);
    let rough_scale = (8 - ln_weight).max(0);
    let rough_product = match ln_at(&base, rough_scale)? {
        Numeric::Finite(rough) => BigDecimal::new(&*parts(&rough).0 * &*e, 0),
        Numeric::NaN | Numeric::Infinity | Numeric::NegInfinity => return Err(SqlError::internal("a logarithm that is not finite")),
    };
    let rough_product = decimal::rescale(&parts(&rough_product).0, rough_scale + e_scale, rough_scale);
    let rough = Numeric::from_parts(rough_product, rough_scale).to_f64_lossy();
    if rough.abs() > MAX_RESULT_SCALE as f64 * 3.01 {
        return if rough > 0.0 {
            Err(overflow())
        } else {
            Numeric::new(BigInt::zero(), MAX_DISPLAY_SCALE)
        };
    }
    let weight = (rough * LOG10_E) as i64;
    let scale = (MIN_SIG_DIGITS - weight).max(b_scale).max(e_scale).clamp(0, MAX_DISPLAY_SCALE);
    // An error in the logarithm is multiplied by the exponent.
    let e_digits = (decimal::digits(&e) - e_scale).max(0);
    let bits = fixed::bits_of(scale + weight + e_digits + GUARD_DIGITS);
    let logarithm = fixed::ln(&b, b_scale, bits) * &*e / decimal::pow10(e_scale.unsigned_abs());
    if logarithm.is_zero() {
        let one = decimal::pow10(scale.unsigned_abs());
        return Numeric::new(if negative { -one } else { one }, scale);
    }
    let (mantissa, binary_exponent) = fixed::exp(&logarithm, bits);
    let result = fixed::to_decimal(&mantissa, binary_exponent, scale);
    Numeric::new(if negative { -result } else { result }, scale)
}

fn integer_power(base: &BigInt, base_scale: i64, n: i32) -> Result<Numeric> {
    let weight = if base.is_zero() {
        0.0
    } else {
        let (head, power) = decimal::leading(base, base_scale);
        f64::from(n) * (head.abs().log10() + power as f64)
    };
    if weight > MAX_INTEGER_DIGITS as f64 {
        return Err(overflow());
    }
    // PostgreSQL 15 takes no account of the result's size here (16 does).
    let scale = MIN_SIG_DIGITS.max(base_scale).min(MAX_DISPLAY_SCALE);
    if weight + 1.0 < -(scale as f64) {
        return Numeric::new(BigInt::zero(), scale);
    }
    match n {
        0 => return Numeric::new(decimal::pow10(scale.unsigned_abs()), scale),
        1 => return Numeric::new(decimal::rescale(base, base_scale, scale), scale),
        2 => return Numeric::new(decimal::rescale(&(base * base), 2 * base_scale, scale), scale),
        _ if base.is_zero() => return Numeric::new(BigInt::zero(), scale),
        _ => {}
    }
    // base^n = coefficient^n / (10^scale)^n, each with bits enough: errors grow with n, hence 96 more.
    let bits = fixed::bits_of(scale + weight.abs() as i64 + GUARD_DIGITS) + 96;
    let above = fixed::pow(base.magnitude(), n.unsigned_abs(), bits);
    let below = fixed::pow(decimal::pow10(base_scale.unsigned_abs()).magnitude(), n.unsigned_abs(), bits);
    let (above, below) = if n < 0 { (below, above) } else { (above, below) };
    let numerator = BigInt::from(above.0 << above.1.saturating_sub(below.1)) * decimal::pow10(scale.unsigned_abs());
    let denominator = BigInt::from(below.0 << below.1.saturating_sub(above.1));
    let result = decimal::div_round(&numerator, &denominator);
    Numeric::new(
        if base.sign() == Sign::Minus && n % 2 != 0 {
            -result
        } else {
            result
        },
        scale,
    )
}

/// ln of a positive value at `scale`, which may go beyond what a numeric shows.
fn ln_at(value: &BigDecimal, scale: i64) -> Result<Numeric> {
    let (coefficient, from) = parts(value);
    let bits = fixed::bits_of(scale + GUARD_DIGITS);
    let logarithm = fixed::ln(&coefficient, from, bits);
    Ok(Numeric::from_parts(fixed::to_decimal(&logarithm, -(bits as i64), scale), scale))
}

/// PostgreSQL's `estimate_ln_dweight`: the position of ln's first digit.
fn ln_weight(coefficient: &BigInt, scale: i64) -> i64 {
    let (head, power) = decimal::leading(coefficient, scale);
    let approximate = if power.abs() < 300 { head * 10f64.powi(power as i32) } else { 0.0 };
    if (0.9..=1.1).contains(&approximate) {
        let distance = coefficient - decimal::pow10(scale.unsigned_abs());
        return if distance.is_zero() {
            0
        } else {
            decimal::digits(&distance) - scale - 1
        };
    }
    let logarithm = head.ln() + power as f64 * std::f64::consts::LN_10;
    logarithm.abs().log10() as i64
}

fn is_odd(value: &Numeric) -> bool {
    match value {
        Numeric::Finite(value) => {
            let (coefficient, scale) = parts(value);
            decimal::rescale_cut(&coefficient, scale, 0).bit(0)
        }
        Numeric::NaN | Numeric::Infinity | Numeric::NegInfinity => false,
    }
}

/// The product of `first..=last`, halved down: long factors meet long ones.
fn product(first: u64, last: u64) -> BigInt {
    if last < first {
        return BigInt::one();
    }
    if last - first < 8 {
        return (first..=last).fold(BigUint::one(), |product, factor| product * factor).into();
    }
    let middle = first + (last - first) / 2;
    product(first, middle) * product(middle + 1, last)
}

fn root_of_negative() -> SqlError {
    power_error("cannot take square root of a negative number")
}

fn power_error(message: &str) -> SqlError {
    SqlError::new(SqlState::InvalidArgumentForPowerFunction, message)
}

fn logarithm_of(what: &str) -> SqlError {
    SqlError::new(SqlState::InvalidArgumentForLog, format!("cannot take logarithm of {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric(text: &str) -> Numeric {
        text.parse().unwrap()
    }

    #[test]
    fn results_are_postgresqls() {
        for (value, root) in [
            ("2", "1.414213562373095"),
            ("4.00", "2.000000000000000"),
            ("0", "0.000000000000000"),
            ("1e20", "10000000000.00000"),
            ("0.0001", "0.01000000000000000"),
        ] {
            assert_eq!(numeric(value).sqrt().unwrap().to_string(), root, "sqrt {value}");
        }
        for (value, result) in [
            ("0", "1.0000000000000000"),
            ("1", "2.7182818284590452"),
            ("-1", "0.3678794411714423"),
            ("-inf", "0"),
        ] {
            assert_eq!(numeric(value).exp().unwrap().to_string(), result, "exp {value}");
        }
        for (value, result) in [
            ("1", "0.0000000000000000"),
            ("2", "0.6931471805599453"),
            ("10", "2.3025850929940457"),
            ("0.5", "-0.6931471805599453"),
        ] {
            assert_eq!(numeric(value).ln().unwrap().to_string(), result, "ln {value}");
        }
        for (base, exponent, result) in [
            ("2", "10", "1024.0000000000000000"),
            ("2", "0.5", "1.4142135623730950"),
            ("2", "-2", "0.2500000000000000"),
            ("-2", "3", "-8.0000000000000000"),
            ("0", "0", "1.0000000000000000"),
            ("10", "3", "1000.0000000000000000"),
        ] {
            assert_eq!(
                numeric(base).pow(&numeric(exponent)).unwrap().to_string(),
                result,
                "{base} ^ {exponent}"
            );
        }
        assert_eq!(numeric("100").log(&numeric("10")).unwrap().to_string(), "2.0000000000000000");
        assert_eq!(numeric("8").log(&numeric("2")).unwrap().to_string(), "3.0000000000000000");
        assert_eq!(Numeric::factorial(20).unwrap().to_string(), "2432902008176640000");
    }

    #[test]
    fn what_has_no_result_is_refused() {
        assert_eq!(
            numeric("-1").sqrt().unwrap_err().message(),
            "cannot take square root of a negative number"
        );
        assert_eq!(numeric("0").ln().unwrap_err().message(), "cannot take logarithm of zero");
        assert_eq!(
            numeric("-1").ln().unwrap_err().message(),
            "cannot take logarithm of a negative number"
        );
        assert_eq!(numeric("2").log(&numeric("1")).unwrap_err().message(), "division by zero");
        assert_eq!(
            numeric("0").pow(&numeric("-1")).unwrap_err().state(),
            SqlState::InvalidArgumentForPowerFunction
        );
        assert_eq!(
            numeric("-1").pow(&numeric("0.5")).unwrap_err().state(),
            SqlState::InvalidArgumentForPowerFunction
        );
        assert_eq!(numeric("1e6").exp().unwrap_err().message(), "value overflows numeric format");
        assert_eq!(
            numeric("10").pow(&numeric("200000")).unwrap_err().message(),
            "value overflows numeric format"
        );
        assert!(Numeric::factorial(-1).is_err() && Numeric::factorial(40_000).is_err());
    }
}
