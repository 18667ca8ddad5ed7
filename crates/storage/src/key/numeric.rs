//! numeric in keys: a class, the exponent, and the digits without zeros at either end, so that
//! 1.0 and 1.00 are the same bytes.

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::{BigInt, Sign};
use types::Numeric;

use super::take;
use crate::Error;

const NEGATIVE_INFINITY: u8 = 0x00;
const NEGATIVE: u8 = 0x01;
const ZERO: u8 = 0x02;
const POSITIVE: u8 = 0x03;
const INFINITY: u8 = 0x04;
const NAN: u8 = 0x05;

/// Two digits are one byte, 1 to 100; this ends them, and sorts before any.
const DIGITS_END: u8 = 0x00;

/// No numeric has more digits before or after its point than this; a key that says otherwise is
/// corrupt, and following it would allocate without bounds.
const MAX_EXPONENT: i64 = 200_000;

pub(super) fn encode(value: &Numeric, out: &mut Vec<u8>) -> Result<(), Error> {
    match value {
        Numeric::NegInfinity => out.push(NEGATIVE_INFINITY),
        Numeric::Infinity => out.push(INFINITY),
        Numeric::NaN => out.push(NAN),
        Numeric::Finite(value) => encode_finite(value, out)?,
    }
    Ok(())
}

/// The value is 0.d1d2d3... * 10^exponent with d1 not 0. Of a negative one, all bytes after the
/// class are flipped: larger magnitudes come first.
fn encode_finite(value: &BigDecimal, out: &mut Vec<u8>) -> Result<(), Error> {
    let (coefficient, scale) = value.as_bigint_and_scale();
    let sign = coefficient.sign();
    let flip = match sign {
        Sign::NoSign => {
            out.push(ZERO);
            return Ok(());
        }
        Sign::Plus => 0x00,
        Sign::Minus => 0xff,
    };
    out.push(if sign == Sign::Plus { POSITIVE } else { NEGATIVE });
    let digits = coefficient.magnitude().to_str_radix(10);
    let length = i64::try_from(digits.len()).ok();
    let exponent = length
        .and_then(|length| length.checked_sub(scale))
        .filter(|e| e.abs() <= MAX_EXPONENT);
    let exponent = exponent
        .and_then(|e| i32::try_from(e).ok())
        .ok_or_else(|| Error::NotAKey("a numeric of this magnitude".into()))?;
    out.extend((exponent ^ i32::MIN).to_be_bytes().map(|byte| byte ^ flip));
    for pair in digits.trim_end_matches('0').as_bytes().chunks(2) {
        let tens = pair[0] - b'0';
        let ones = pair.get(1).map_or(0, |digit| digit - b'0');
        out.push((tens * 10 + ones + 1) ^ flip);
    }
    out.push(DIGITS_END ^ flip);
    Ok(())
}

/// The value with as few digits after the point as it needs.
pub(super) fn decode(input: &mut &[u8]) -> Result<Numeric, Error> {
    let [class] = take(input)?;
    let flip = match class {
        NEGATIVE_INFINITY => return Ok(Numeric::NegInfinity),
        INFINITY => return Ok(Numeric::Infinity),
        NAN => return Ok(Numeric::NaN),
        ZERO => return Ok(Numeric::Finite(BigDecimal::from(0))),
        POSITIVE => 0x00,
        NEGATIVE => 0xff,
        other => return Err(Error::corrupt(format!("numeric class {other:#04x} in a key"))),
    };
    let exponent = i64::from(i32::from_be_bytes(take::<4>(input)?.map(|byte| byte ^ flip)) ^ i32::MIN);
    let mut digits = Vec::new();
    loop {
        let [byte] = take(input)?;
        match byte ^ flip {
            DIGITS_END => break,
            pair @ 1..=100 => digits.extend([b'0' + (pair - 1) / 10, b'0' + (pair - 1) % 10]),
            other => return Err(Error::corrupt(format!("numeric digits {other:#04x} in a key"))),
        }
    }
    let significant = digits.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
    digits.truncate(significant);
    let malformed = || Error::corrupt("a numeric in a key");
    if exponent.abs() > MAX_EXPONENT {
        return Err(malformed());
    }
    let mut scale = i64::try_from(digits.len()).map_err(|_| malformed())? - exponent;
    // PostgreSQL has no negative scale: 1e3 is 1000.
    while scale < 0 {
        digits.push(b'0');
        scale += 1;
    }
    let sign = if class == POSITIVE { Sign::Plus } else { Sign::Minus };
    let magnitude = BigInt::parse_bytes(&digits, 10).ok_or_else(malformed)?;
    Ok(Numeric::Finite(BigDecimal::new(
        if sign == Sign::Plus { magnitude } else { -magnitude },
        scale,
    )))
}
