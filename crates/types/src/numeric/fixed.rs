//! Logarithm and exponential in binary fixed point.
//!
//! A fixed-point number is an integer that stands for itself / 2^bits. Shifts replace the long
//! divisions that a decimal fixed point would need. Each function works with some bits more than
//! it is asked for and is wrong by less than a few units in the last place that it returns.

use bigdecimal::num_bigint::{BigInt, BigUint, Sign};
use bigdecimal::num_traits::{One, Signed, ToPrimitive, Zero};

use super::decimal;

/// Bits that hold `digits` decimal digits.
pub(super) fn bits_of(digits: i64) -> u64 {
    digits.max(0).unsigned_abs() * 3322 / 1000 + 1
}

/// coefficient / 10^scale.
pub(super) fn from_decimal(coefficient: &BigInt, scale: i64, bits: u64) -> BigInt {
    (coefficient << bits) / decimal::pow10(scale.unsigned_abs())
}

/// `mantissa` * 2^`exponent` as a coefficient at `scale`, halves away from zero.
pub(super) fn to_decimal(mantissa: &BigInt, exponent: i64, scale: i64) -> BigInt {
    let scaled = mantissa * decimal::pow10(scale.unsigned_abs());
    if exponent >= 0 {
        return scaled << exponent.unsigned_abs();
    }
    decimal::div_round(&scaled, &(BigInt::one() << exponent.unsigned_abs()))
}

/// The natural logarithm of coefficient / 10^scale, which is above zero.
pub(super) fn ln(coefficient: &BigInt, scale: i64, bits: u64) -> BigInt {
    // Each square root halves the logarithm: roots are dear, and so are terms of the series.
    let roots = (bits as f64).sqrt() as u64 / 2 + 4;
    let work = bits + roots + 64;
    let power = decimal::pow10(scale.unsigned_abs());
    // value = m * 2^exponent, with m between 1/2 and 2.
    let exponent = coefficient.bits() as i64 - power.bits() as i64;
    let shift = work as i64 - exponent;
    let mut m = match shift {
        0.. => (coefficient << shift.unsigned_abs()) / &power,
        _ => (coefficient >> shift.unsigned_abs()) / &power,
    };
    let one = BigInt::one() << work;
    for _ in 0..roots {
        m = BigInt::from((m << work).magnitude().sqrt());
    }
    let y: BigInt = ((&m - &one) << work) / (&m + &one);
    let ln_m = atanh(&y, work) << (roots + 1);
    let ln_2 = if exponent == 0 { BigInt::zero() } else { ln_2(work) * exponent };
    (ln_m + ln_2) >> (work - bits)
}

/// e^x as (mantissa, exponent of two); the mantissa has about `bits` significant bits. `x` is a
/// fixed-point number of that many bits, below 2^32.
pub(super) fn exp(x: &BigInt, bits: u64) -> (BigInt, i64) {
    let halvings = (bits as f64).sqrt() as u64 / 2 + 4;
    let work = bits + halvings + 96;
    let x = x << (work - bits);
    let ln_2 = ln_2(work);
    // x = k * ln 2 + r with 0 <= r < ln 2.
    let mut k = &x / &ln_2;
    if (&x - &k * &ln_2).is_negative() {
        k -= 1;
    }
    let r: BigInt = (&x - &k * &ln_2) >> halvings;
    let mut term = BigInt::one() << work;
    let mut sum = term.clone();
    let mut n = 1u32;
    while !term.is_zero() {
        term = ((&term * &r) >> work) / n;
        sum += &term;
        n += 1;
    }
    for _ in 0..halvings {
        sum = (&sum * &sum) >> work;
    }
    // An x below 2^32 has a k below 2^33.
    (sum, k.to_i64().unwrap_or(0) - work as i64)
}

/// base^n with the first `bits` bits, as (mantissa, exponent of two); exact where it fits.
pub(super) fn pow(base: &BigUint, n: u32, bits: u64) -> (BigUint, u64) {
    let cut = |(mantissa, exponent): (BigUint, u64)| {
        let excess = mantissa.bits().saturating_sub(bits);
        (mantissa >> excess, exponent + excess)
    };
    let mut result = (BigUint::one(), 0u64);
    for bit in (0..u32::BITS - n.leading_zeros()).rev() {
        result = cut((&result.0 * &result.0, result.1 * 2));
        if n >> bit & 1 == 1 {
            result = cut((&result.0 * base, result.1));
        }
    }
    result
}

/// Machin's formula for ln 2: 18 atanh(1/26) - 2 atanh(1/4801) + 8 atanh(1/8749).
fn ln_2(bits: u64) -> BigInt {
    let work = bits + 32;
    let sum = atanh_inverse(26, work) * 18 - atanh_inverse(4801, work) * 2 + atanh_inverse(8749, work) * 8;
    sum >> 32u8
}

/// atanh(1/n), by divisions with small numbers only.
fn atanh_inverse(n: u32, bits: u64) -> BigInt {
    let square = n * n;
    let mut term = (BigInt::one() << bits) / n;
    let mut sum = BigInt::zero();
    let mut k = 1u32;
    while !term.is_zero() {
        sum += &term / k;
        term /= square;
        k += 2;
    }
    sum
}

/// The series y + y^3/3 + y^5/5 ...; fast for the small y that the roots leave.
fn atanh(y: &BigInt, bits: u64) -> BigInt {
    let negative = y.sign() == Sign::Minus;
    let y = y.abs();
    let square: BigInt = (&y * &y) >> bits;
    let mut term = y;
    let mut sum = BigInt::zero();
    let mut k = 1u32;
    while !term.is_zero() {
        sum += &term / k;
        term = (&term * &square) >> bits;
        k += 2;
    }
    if negative { -sum } else { sum }
}
