//! Decimal digits of big integers.

use bigdecimal::num_bigint::{BigInt, BigUint, Sign};
use bigdecimal::num_traits::{ToPrimitive, Zero};

/// 10^`exponent`.
pub(super) fn pow10(exponent: u64) -> BigInt {
    match u32::try_from(exponent).ok().and_then(|e| 10u64.checked_pow(e)) {
        Some(small) => BigInt::from(small),
        None => BigInt::from(BigUint::from(10u32).pow(u32::try_from(exponent).unwrap_or(u32::MAX))),
    }
}

/// How many decimal digits the number has; 0 has none.
pub(super) fn digits(value: &BigInt) -> i64 {
    let magnitude = value.magnitude();
    if let Some(small) = magnitude.to_u64() {
        return small.checked_ilog10().map_or(0, |log| i64::from(log) + 1);
    }
    // A number of `bits` bits has this many digits, or one less.
    let most = (magnitude.bits() as f64 * std::f64::consts::LOG10_2).floor() as u64 + 1;
    if *magnitude < *pow10(most - 1).magnitude() {
        most as i64 - 1
    } else {
        most as i64
    }
}

/// `numerator` / `denominator`, halves away from zero.
pub(super) fn div_round(numerator: &BigInt, denominator: &BigInt) -> BigInt {
    let quotient = numerator / denominator;
    let remainder = numerator - &quotient * denominator;
    if (remainder.magnitude() << 1u8) < *denominator.magnitude() {
        return quotient;
    }
    if (numerator.sign() == Sign::Minus) == (denominator.sign() == Sign::Minus) {
        quotient + 1
    } else {
        quotient - 1
    }
}

/// The coefficient at another scale: multiplied out, or rounded with halves away from zero.
pub(super) fn rescale(coefficient: &BigInt, from: i64, to: i64) -> BigInt {
    match to - from {
        0 => coefficient.clone(),
        more @ 1.. => coefficient * pow10(more.unsigned_abs()),
        // Beyond the last digit there is only zero: no power that large is needed.
        less if -less > digits(coefficient) => BigInt::zero(),
        less => div_round(coefficient, &pow10(less.unsigned_abs())),
    }
}

/// As [`rescale`], but digits that don't fit are cut off.
pub(super) fn rescale_cut(coefficient: &BigInt, from: i64, to: i64) -> BigInt {
    match to - from {
        more @ 0.. => coefficient * pow10(more.unsigned_abs()),
        less if -less > digits(coefficient) => BigInt::zero(),
        less => coefficient / pow10(less.unsigned_abs()),
    }
}

/// The number's first decimal digits as a float, and the power of ten to multiply it by:
/// `value` is about `f * 10^p`, with `f` accurate to 17 digits. Of zero: (0, 0).
pub(super) fn leading(value: &BigInt, scale: i64) -> (f64, i64) {
    let cut = (digits(value) - 17).max(0);
    let head = value / pow10(cut.unsigned_abs());
    (head.to_f64().unwrap_or(0.0), cut - scale)
}

/// Where PostgreSQL's base-10000 digits of a non-zero value begin: (weight of the first, that digit).
pub(super) fn nbase_head(value: &BigInt, scale: i64) -> (i64, u16) {
    let exponent = digits(value) - scale - 1;
    let weight = exponent.div_euclid(4);
    // The first base-10000 digit holds the decimal digits down to 10^(4 * weight).
    let head = rescale_cut(value, scale, -4 * weight);
    (weight, head.magnitude().to_u16().unwrap_or(0))
}
