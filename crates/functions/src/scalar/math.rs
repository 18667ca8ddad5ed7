//! Mathematics of floats, and number theory of integers.

use types::Type::*;
use types::{Datum, Result, SqlError, SqlState};

use crate::Scalar;
use crate::argument::{array, float8, int4, int8, numeric};
use crate::scalar::arithmetic::{out_of_range, overflow, underflow};
use crate::scalar::comparison::compare_floats;

pub(crate) static SCALARS: &[Scalar] = &[
    Scalar::new("ceil", &[Float8], Float8, |_, a| plain(a, f64::ceil)),
    Scalar::new("ceiling", &[Float8], Float8, |_, a| plain(a, f64::ceil)),
    Scalar::new("floor", &[Float8], Float8, |_, a| plain(a, f64::floor)),
    Scalar::new("round", &[Float8], Float8, |_, a| plain(a, f64::round_ties_even)),
    Scalar::new("dround", &[Float8], Float8, |_, a| plain(a, f64::round_ties_even)),
    Scalar::new("trunc", &[Float8], Float8, |_, a| plain(a, f64::trunc)),
    Scalar::new("dtrunc", &[Float8], Float8, |_, a| plain(a, f64::trunc)),
    Scalar::new("sign", &[Float8], Float8, |_, a| {
        plain(a, |x| {
            if x > 0.0 {
                1.0
            } else if x < 0.0 {
                -1.0
            } else {
                0.0
            }
        })
    }),
    Scalar::new("degrees", &[Float8], Float8, |_, a| {
        quotient(float8(a, 0)?, std::f64::consts::PI / 180.0)
    }),
    Scalar::new("radians", &[Float8], Float8, |_, a| {
        product(float8(a, 0)?, std::f64::consts::PI / 180.0)
    }),
    Scalar::new("pi", &[], Float8, |_, _| Ok(Datum::Float8(std::f64::consts::PI))),
    Scalar::new("sqrt", &[Float8], Float8, |_, a| sqrt(float8(a, 0)?)),
    Scalar::new("dsqrt", &[Float8], Float8, |_, a| sqrt(float8(a, 0)?)),
    Scalar::new("cbrt", &[Float8], Float8, |_, a| plain(a, f64::cbrt)),
    Scalar::new("dcbrt", &[Float8], Float8, |_, a| plain(a, f64::cbrt)),
    Scalar::new("power", &[Float8, Float8], Float8, |_, a| power(float8(a, 0)?, float8(a, 1)?)),
    Scalar::new("pow", &[Float8, Float8], Float8, |_, a| power(float8(a, 0)?, float8(a, 1)?)),
    Scalar::new("dpow", &[Float8, Float8], Float8, |_, a| power(float8(a, 0)?, float8(a, 1)?)),
    Scalar::new("exp", &[Float8], Float8, |_, a| exp(float8(a, 0)?)),
    Scalar::new("dexp", &[Float8], Float8, |_, a| exp(float8(a, 0)?)),
    Scalar::new("ln", &[Float8], Float8, |_, a| logarithm(float8(a, 0)?, f64::ln)),
    Scalar::new("dlog1", &[Float8], Float8, |_, a| logarithm(float8(a, 0)?, f64::ln)),
    Scalar::new("log", &[Float8], Float8, |_, a| logarithm(float8(a, 0)?, f64::log10)),
    Scalar::new("log10", &[Float8], Float8, |_, a| logarithm(float8(a, 0)?, f64::log10)),
    Scalar::new("dlog10", &[Float8], Float8, |_, a| logarithm(float8(a, 0)?, f64::log10)),
    Scalar::new("sin", &[Float8], Float8, |_, a| finite(a, f64::sin)),
    Scalar::new("cos", &[Float8], Float8, |_, a| finite(a, f64::cos)),
    Scalar::new("tan", &[Float8], Float8, |_, a| finite(a, f64::tan)),
    Scalar::new("cot", &[Float8], Float8, |_, a| finite(a, |x| 1.0 / x.tan())),
    Scalar::new("asin", &[Float8], Float8, |_, a| arc(a, f64::asin)),
    Scalar::new("acos", &[Float8], Float8, |_, a| arc(a, f64::acos)),
    Scalar::new("atan", &[Float8], Float8, |_, a| plain(a, f64::atan)),
    Scalar::new("atan2", &[Float8, Float8], Float8, |_, a| {
        Ok(Datum::Float8(float8(a, 0)?.atan2(float8(a, 1)?)))
    }),
    Scalar::new("sinh", &[Float8], Float8, |_, a| plain(a, f64::sinh)),
    Scalar::new("cosh", &[Float8], Float8, |_, a| plain(a, f64::cosh)),
    Scalar::new("tanh", &[Float8], Float8, |_, a| plain(a, f64::tanh)),
    Scalar::new("asinh", &[Float8], Float8, |_, a| plain(a, f64::asinh)),
    Scalar::new("acosh", &[Float8], Float8, |_, a| {
        if float8(a, 0)? < 1.0 {
            Err(input_out_of_range())
        } else {
            plain(a, f64::acosh)
        }
    }),
    Scalar::new("atanh", &[Float8], Float8, |_, a| atanh(float8(a, 0)?)),
    Scalar::new("sind", &[Float8], Float8, |_, a| finite(a, degrees::sin)),
    Scalar::new("cosd", &[Float8], Float8, |_, a| finite(a, degrees::cos)),
    Scalar::new("tand", &[Float8], Float8, |_, a| finite(a, degrees::tan)),
    Scalar::new("cotd", &[Float8], Float8, |_, a| finite(a, degrees::cot)),
    Scalar::new("asind", &[Float8], Float8, |_, a| arc(a, degrees::asin)),
    Scalar::new("acosd", &[Float8], Float8, |_, a| arc(a, degrees::acos)),
    Scalar::new("atand", &[Float8], Float8, |_, a| plain(a, degrees::atan)),
    Scalar::new("atan2d", &[Float8, Float8], Float8, |_, a| {
        Ok(Datum::Float8(degrees::atan2(float8(a, 0)?, float8(a, 1)?)))
    }),
    Scalar::new("gcd", &[Int4, Int4], Int4, |_, a| gcd_int4(int4(a, 0)?, int4(a, 1)?)),
    Scalar::new("gcd", &[Int8, Int8], Int8, |_, a| gcd_int8(int8(a, 0)?, int8(a, 1)?)),
    Scalar::new("lcm", &[Int4, Int4], Int4, |_, a| lcm_int4(int4(a, 0)?, int4(a, 1)?)),
    Scalar::new("lcm", &[Int8, Int8], Int8, |_, a| lcm_int8(int8(a, 0)?, int8(a, 1)?)),
    Scalar::new("width_bucket", &[Float8, Float8, Float8, Int4], Int4, |_, a| width_bucket_float(a)),
    Scalar::new("width_bucket", &[Numeric, Numeric, Numeric, Int4], Int4, |_, a| {
        width_bucket_numeric(a)
    }),
    Scalar::new("width_bucket", &[AnyElement, AnyArray], Int4, |_, a| width_bucket_array(a)).family(crate::Family::Compatible),
];

fn plain(args: &[Datum], f: fn(f64) -> f64) -> Result<Datum> {
    let x = float8(args, 0)?;
    let result = f(x);
    if result.is_infinite() && x.is_finite() {
        return Err(overflow());
    }
    Ok(Datum::Float8(result))
}

fn input_out_of_range() -> SqlError {
    SqlError::new(SqlState::NumericValueOutOfRange, "input is out of range")
}

/// A function without a value at infinity.
fn finite(args: &[Datum], f: fn(f64) -> f64) -> Result<Datum> {
    if float8(args, 0)?.is_infinite() {
        return Err(input_out_of_range());
    }
    Ok(Datum::Float8(f(float8(args, 0)?)))
}

/// A function on -1..=1.
fn arc(args: &[Datum], f: fn(f64) -> f64) -> Result<Datum> {
    let x = float8(args, 0)?;
    if !x.is_nan() && !(-1.0..=1.0).contains(&x) {
        return Err(input_out_of_range());
    }
    Ok(Datum::Float8(f(x)))
}

fn product(a: f64, b: f64) -> Result<Datum> {
    let result = a * b;
    if result.is_infinite() && a.is_finite() {
        return Err(overflow());
    }
    if result == 0.0 && a != 0.0 {
        return Err(underflow());
    }
    Ok(Datum::Float8(result))
}

fn quotient(a: f64, b: f64) -> Result<Datum> {
    let result = a / b;
    if result.is_infinite() && a.is_finite() {
        return Err(overflow());
    }
    Ok(Datum::Float8(result))
}

fn sqrt(x: f64) -> Result<Datum> {
    if x < 0.0 {
        return Err(power_error("cannot take square root of a negative number"));
    }
    Ok(Datum::Float8(x.sqrt()))
}

fn power_error(message: &str) -> SqlError {
    SqlError::new(SqlState::InvalidArgumentForPowerFunction, message)
}

fn power(x: f64, y: f64) -> Result<Datum> {
    if x.is_nan() || y.is_nan() {
        // 1 to any power and anything to the power 0 are 1.
        return Ok(Datum::Float8(if x == 1.0 || y == 0.0 { 1.0 } else { f64::NAN }));
    }
    if x == 0.0 && y < 0.0 {
        return Err(power_error("zero raised to a negative power is undefined"));
    }
    if x < 0.0 && y.is_finite() && y.fract() != 0.0 {
        return Err(power_error(
            "a negative number raised to a non-integer power yields a complex result",
        ));
    }
    let result = x.powf(y);
    if x.is_finite() && y.is_finite() {
        if result.is_infinite() {
            return Err(overflow());
        }
        if result == 0.0 && x != 0.0 {
            return Err(underflow());
        }
    }
    Ok(Datum::Float8(result))
}

fn exp(x: f64) -> Result<Datum> {
    let result = x.exp();
    if x.is_finite() && result.is_infinite() {
        return Err(overflow());
    }
    if x.is_finite() && result == 0.0 {
        return Err(underflow());
    }
    Ok(Datum::Float8(result))
}

fn logarithm(x: f64, f: fn(f64) -> f64) -> Result<Datum> {
    let refused = |message| Err(SqlError::new(SqlState::InvalidArgumentForLog, message));
    if x == 0.0 {
        return refused("cannot take logarithm of zero");
    }
    if x < 0.0 {
        return refused("cannot take logarithm of a negative number");
    }
    Ok(Datum::Float8(f(x)))
}

fn atanh(x: f64) -> Result<Datum> {
    if !x.is_nan() && !(-1.0..=1.0).contains(&x) {
        return Err(input_out_of_range());
    }
    Ok(Datum::Float8(if x == 1.0 {
        f64::INFINITY
    } else if x == -1.0 {
        f64::NEG_INFINITY
    } else {
        x.atanh()
    }))
}

/// Trigonometry in degrees, exact at the multiples of 30 and 45 where exact values exist.
mod degrees {
    const RADIANS: f64 = std::f64::consts::PI / 180.0;

    fn sin_30() -> f64 {
        (30.0 * RADIANS).sin()
    }

    fn one_minus_cos_60() -> f64 {
        1.0 - (60.0 * RADIANS).cos()
    }

    /// 0..=30 degrees.
    fn sin_to_30(x: f64) -> f64 {
        (x * RADIANS).sin() / sin_30() / 2.0
    }

    /// 0..=60 degrees.
    fn cos_to_60(x: f64) -> f64 {
        1.0 - (1.0 - (x * RADIANS).cos()) / one_minus_cos_60() / 2.0
    }

    fn sin_q1(x: f64) -> f64 {
        if x <= 30.0 { sin_to_30(x) } else { cos_to_60(90.0 - x) }
    }

    fn cos_q1(x: f64) -> f64 {
        if x <= 60.0 { cos_to_60(x) } else { sin_to_30(90.0 - x) }
    }

    pub(super) fn sin(x: f64) -> f64 {
        let mut x = x % 360.0;
        let mut sign = 1.0;
        if x < 0.0 {
            x = -x;
            sign = -sign;
        }
        if x > 180.0 {
            x = 360.0 - x;
            sign = -sign;
        }
        if x > 90.0 {
            x = 180.0 - x;
        }
        sign * sin_q1(x)
    }

    pub(super) fn cos(x: f64) -> f64 {
        let mut x = (x % 360.0).abs();
        let mut sign = 1.0;
        if x > 180.0 {
            x = 360.0 - x;
        }
        if x > 90.0 {
            x = 180.0 - x;
            sign = -sign;
        }
        sign * cos_q1(x)
    }

    fn fold(x: f64) -> (f64, f64) {
        let mut x = x % 360.0;
        let mut sign = 1.0;
        if x < 0.0 {
            x = -x;
            sign = -sign;
        }
        if x > 180.0 {
            x = 360.0 - x;
            sign = -sign;
        }
        if x > 90.0 {
            x = 180.0 - x;
            sign = -sign;
        }
        (x, sign)
    }

    pub(super) fn tan(x: f64) -> f64 {
        let (x, sign) = fold(x);
        let result = sign * ((sin_q1(x) / cos_q1(x)) / (sin_q1(45.0) / cos_q1(45.0)));
        if result == 0.0 { 0.0 } else { result }
    }

    pub(super) fn cot(x: f64) -> f64 {
        let (x, sign) = fold(x);
        let result = sign * ((cos_q1(x) / sin_q1(x)) / (cos_q1(45.0) / sin_q1(45.0)));
        if result == 0.0 { 0.0 } else { result }
    }

    fn asin_q1(x: f64) -> f64 {
        if x <= 0.5 {
            (x.asin() / 0.5_f64.asin()) * 30.0
        } else {
            90.0 - (x.acos() / 0.5_f64.acos()) * 60.0
        }
    }

    fn acos_q1(x: f64) -> f64 {
        if x <= 0.5 {
            90.0 - (x.asin() / 0.5_f64.asin()) * 30.0
        } else {
            (x.acos() / 0.5_f64.acos()) * 60.0
        }
    }

    pub(super) fn asin(x: f64) -> f64 {
        if x >= 0.0 { asin_q1(x) } else { -asin_q1(-x) }
    }

    pub(super) fn acos(x: f64) -> f64 {
        if x >= 0.0 { acos_q1(x) } else { 90.0 + asin_q1(-x) }
    }

    pub(super) fn atan(x: f64) -> f64 {
        (x.atan() / 1.0_f64.atan()) * 45.0
    }

    pub(super) fn atan2(y: f64, x: f64) -> f64 {
        (y.atan2(x) / 1.0_f64.atan()) * 45.0
    }
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn gcd_int4(a: i32, b: i32) -> Result<Datum> {
    let result = gcd(a.unsigned_abs().into(), b.unsigned_abs().into());
    i32::try_from(result).map(Datum::Int4).map_err(|_| out_of_range("integer"))
}

fn gcd_int8(a: i64, b: i64) -> Result<Datum> {
    i64::try_from(gcd(a.unsigned_abs(), b.unsigned_abs()))
        .map(Datum::Int8)
        .map_err(|_| out_of_range("bigint"))
}

fn lcm(a: u64, b: u64) -> Option<u64> {
    if a == 0 || b == 0 {
        Some(0)
    } else {
        (a / gcd(a, b)).checked_mul(b)
    }
}

fn lcm_int4(a: i32, b: i32) -> Result<Datum> {
    let result = lcm(a.unsigned_abs().into(), b.unsigned_abs().into());
    result
        .and_then(|n| i32::try_from(n).ok())
        .map(Datum::Int4)
        .ok_or_else(|| out_of_range("integer"))
}

fn lcm_int8(a: i64, b: i64) -> Result<Datum> {
    let result = lcm(a.unsigned_abs(), b.unsigned_abs());
    result
        .and_then(|n| i64::try_from(n).ok())
        .map(Datum::Int8)
        .ok_or_else(|| out_of_range("bigint"))
}

fn bucket_error(message: &str) -> SqlError {
    SqlError::new(SqlState::InvalidArgumentForWidthBucketFunction, message)
}

fn bucket_count(args: &[Datum]) -> Result<i32> {
    match int4(args, 3)? {
        count if count <= 0 => Err(bucket_error("count must be greater than zero")),
        count => Ok(count),
    }
}

fn width_bucket_float(args: &[Datum]) -> Result<Datum> {
    let (operand, low, high) = (float8(args, 0)?, float8(args, 1)?, float8(args, 2)?);
    let count = bucket_count(args)?;
    if operand.is_nan() || low.is_nan() || high.is_nan() {
        return Err(bucket_error("operand, lower bound, and upper bound cannot be NaN"));
    }
    if low.is_infinite() || high.is_infinite() {
        return Err(bucket_error("lower and upper bounds must be finite"));
    }
    let beyond = || count.checked_add(1).map(Datum::Int4).ok_or_else(|| out_of_range("integer"));
    // Halved first, so that the difference of huge bounds stays finite.
    let share = |from: f64, to: f64| {
        let position = if (to - from).is_finite() {
            (operand - from) / (to - from)
        } else {
            (operand / 2.0 - from / 2.0) / (to / 2.0 - from / 2.0)
        };
        Datum::Int4(((f64::from(count) * position) as i32).min(count - 1) + 1)
    };
    if low < high {
        if operand < low {
            Ok(Datum::Int4(0))
        } else if operand >= high {
            beyond()
        } else {
            Ok(share(low, high))
        }
    } else if low > high {
        if operand > low {
            Ok(Datum::Int4(0))
        } else if operand <= high {
            beyond()
        } else {
            Ok(share(low, high))
        }
    } else {
        Err(bucket_error("lower bound cannot equal upper bound"))
    }
}

fn width_bucket_numeric(args: &[Datum]) -> Result<Datum> {
    let (operand, low, high) = (numeric(args, 0)?, numeric(args, 1)?, numeric(args, 2)?);
    let count = bucket_count(args)?;
    if operand.is_nan() || low.is_nan() || high.is_nan() {
        return Err(bucket_error("operand, lower bound, and upper bound cannot be NaN"));
    }
    if low.is_infinite() || high.is_infinite() {
        return Err(bucket_error("lower and upper bounds must be finite"));
    }
    if low == high {
        return Err(bucket_error("lower bound cannot equal upper bound"));
    }
    let rising = low < high;
    if (rising && operand < low) || (!rising && operand > low) {
        return Ok(Datum::Int4(0));
    }
    if (rising && operand >= high) || (!rising && operand <= high) {
        return count.checked_add(1).map(Datum::Int4).ok_or_else(|| out_of_range("integer"));
    }
    let share = operand.sub(low)?.mul(&types::Numeric::from(count))?.div_trunc(&high.sub(low)?)?;
    share
        .to_i32()?
        .checked_add(1)
        .map(Datum::Int4)
        .ok_or_else(|| out_of_range("integer"))
}

/// How many of the sorted thresholds are at or below the operand.
fn width_bucket_array(args: &[Datum]) -> Result<Datum> {
    let thresholds = array(args, 1)?;
    if thresholds.dims.len() > 1 {
        return Err(SqlError::new(
            SqlState::ArrayElementError,
            "thresholds must be one-dimensional array",
        ));
    }
    if thresholds.values.iter().any(Datum::is_null) {
        return Err(SqlError::new(
            SqlState::NullValueNotAllowed,
            "thresholds array must not contain NULLs",
        ));
    }
    let reached = |threshold: &Datum| match (&args[0], threshold) {
        (Datum::Float8(operand), Datum::Float8(threshold)) => compare_floats(*threshold, *operand).is_le(),
        (operand, threshold) => types::compare::compare(threshold, operand).is_le(),
    };
    Ok(Datum::Int4(thresholds.values.partition_point(reached) as i32))
}

/// C's `%g`, as PostgreSQL's messages print floats: six significant digits at most.
pub(crate) fn general(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_string();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_string();
    }
    let scientific = format!("{value:.5e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |text: &str| {
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_string()
        } else {
            text.to_string()
        }
    };
    if (-4..6).contains(&exponent) {
        trim(&format!("{value:.*}", usize::try_from(5 - exponent).unwrap_or(0)))
    } else {
        format!("{}e{}{:02}", trim(mantissa), if exponent < 0 { '-' } else { '+' }, exponent.abs())
    }
}
