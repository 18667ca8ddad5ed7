//! Numerics in PostgreSQL's binary format: digits of base 10000, the weight of the first, a sign and a scale.

use bigdecimal::num_bigint::{BigInt, BigUint, Sign};
use bigdecimal::num_traits::ToPrimitive;

use crate::Result;
use crate::binary::{Reader, malformed};

use super::{MAX_SCALE, Numeric, decimal, parts};

const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xc000;
const INFINITY: u16 = 0xd000;
const NEG_INFINITY: u16 = 0xf000;

impl Numeric {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let value = match self {
            Numeric::NaN => return push_header(0, 0, NAN, 0, out),
            Numeric::Infinity => return push_header(0, 0, INFINITY, 0, out),
            Numeric::NegInfinity => return push_header(0, 0, NEG_INFINITY, 0, out),
            Numeric::Finite(value) => value,
        };
        let (coefficient, scale) = parts(value);
        let digits = base_10000(&coefficient, scale);
        // The value's range, checked when it was made, keeps all of these in 16 bits.
        let before_point = digits.len() as i64 - (scale + 3) / 4;
        let leading = digits.iter().take_while(|digit| **digit == 0).count();
        let significant = &digits[leading..];
        let count = significant.iter().rposition(|digit| *digit != 0).map_or(0, |last| last + 1);
        let weight = if count == 0 { 0 } else { before_point - leading as i64 - 1 };
        let sign = if coefficient.sign() == Sign::Minus { NEGATIVE } else { POSITIVE };
        push_header(count as u16, weight as i16, sign, scale as u16, out);
        for digit in &significant[..count] {
            out.extend(digit.to_be_bytes());
        }
    }

    pub(crate) fn decode(reader: &mut Reader) -> Result<Numeric> {
        let count = u16::from_be_bytes(reader.take()?);
        let weight = i64::from(i16::from_be_bytes(reader.take()?));
        let sign = u16::from_be_bytes(reader.take()?);
        let scale = i64::from(u16::from_be_bytes(reader.take()?));
        if !matches!(sign, POSITIVE | NEGATIVE | NAN | INFINITY | NEG_INFINITY) {
            return Err(malformed("invalid sign in external \"numeric\" value"));
        }
        if scale > MAX_SCALE {
            return Err(malformed("invalid scale in external \"numeric\" value"));
        }
        // Up to four digits fit in 64 bits; the rest goes through text.
        let (mut small, mut text) = (0u64, Vec::new());
        for _ in 0..count {
            let digit = u16::from_be_bytes(reader.take()?);
            if digit > 9999 {
                return Err(malformed("invalid digit in external \"numeric\" value"));
            }
            if count <= 4 {
                small = small * 10_000 + u64::from(digit);
                continue;
            }
            text.extend([digit / 1000, digit / 100 % 10, digit / 10 % 10, digit % 10].map(|d| b'0' + d as u8));
        }
        let sign = match sign {
            NAN => return Ok(Numeric::NaN),
            INFINITY => return Ok(Numeric::Infinity),
            NEG_INFINITY => return Ok(Numeric::NegInfinity),
            NEGATIVE => Sign::Minus,
            _ => Sign::Plus,
        };
        let magnitude = if count <= 4 {
            BigUint::from(small)
        } else {
            BigUint::parse_bytes(&text, 10).unwrap_or_default()
        };
        let coefficient = BigInt::from_biguint(sign, magnitude);
        // Digits beyond the scale are cut off, as PostgreSQL does.
        let written = 4 * (i64::from(count) - weight - 1);
        if written < 0 {
            let value = Numeric::new(coefficient, written)?;
            return match value {
                Numeric::Finite(value) => Numeric::new(decimal::rescale(&parts(&value).0, 0, scale), scale),
                Numeric::NaN | Numeric::Infinity | Numeric::NegInfinity => Ok(value),
            };
        }
        Numeric::new(decimal::rescale_cut(&coefficient, written, scale), scale)
    }
}

fn push_header(count: u16, weight: i16, sign: u16, scale: u16, out: &mut Vec<u8>) {
    out.extend(count.to_be_bytes());
    out.extend(weight.to_be_bytes());
    out.extend(sign.to_be_bytes());
    out.extend(scale.to_be_bytes());
}

/// The digits of base 10000, the last of them ending a group of four after the point.
fn base_10000(coefficient: &BigInt, scale: i64) -> Vec<i16> {
    let padding = scale.rem_euclid(4);
    let small = coefficient
        .magnitude()
        .to_u64()
        .and_then(|small| small.checked_mul([1, 1000, 100, 10][padding as usize]));
    if let Some(mut rest) = small {
        let mut digits = Vec::with_capacity(5);
        while rest > 0 {
            digits.push((rest % 10_000) as i16);
            rest /= 10_000;
        }
        digits.reverse();
        return digits;
    }
    let padded = if padding == 0 {
        coefficient.clone()
    } else {
        coefficient * decimal::pow10((4 - padding).unsigned_abs())
    };
    let text = padded.magnitude().to_str_radix(10);
    let bytes = text.as_bytes();
    let first = bytes.len() % 4;
    let number = |group: &[u8]| group.iter().fold(0i16, |value, digit| value * 10 + i16::from(digit - b'0'));
    let head = (first > 0).then(|| number(&bytes[..first]));
    head.into_iter().chain(bytes[first..].chunks(4).map(number)).collect()
}
