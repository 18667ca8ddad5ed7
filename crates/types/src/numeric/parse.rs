//! Numerics as text.

use std::fmt;
use std::str::FromStr;

use bigdecimal::num_bigint::{BigInt, BigUint, Sign};
use bigdecimal::num_traits::ToPrimitive;

use crate::text::numbers::{push_ascii, push_u64};
use crate::{Result, SqlError, SqlState};

use super::{MAX_INTEGER_DIGITS, MAX_SCALE, Numeric, overflow, parts};

impl FromStr for Numeric {
    type Err = SqlError;

    /// PostgreSQL's `numeric_in` without a typmod.
    fn from_str(text: &str) -> Result<Numeric> {
        let trimmed = text.trim_matches(|c: char| matches!(c, ' ' | '\t'..='\r'));
        if let Some(special) = special(trimmed) {
            return Ok(special);
        }
        match finite(trimmed) {
            Some(result) => result,
            None => Err(SqlError::new(
                SqlState::InvalidTextRepresentation,
                format!("invalid input syntax for type numeric: \"{text}\""),
            )),
        }
    }
}

fn special(text: &str) -> Option<Numeric> {
    if text.eq_ignore_ascii_case("nan") {
        return Some(Numeric::NaN);
    }
    let (negative, word) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    (word.eq_ignore_ascii_case("infinity") || word.eq_ignore_ascii_case("inf")).then_some(if negative {
        Numeric::NegInfinity
    } else {
        Numeric::Infinity
    })
}

/// None: not a number at all; an error: a number that does not fit.
fn finite(text: &str) -> Option<Result<Numeric>> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if integer.is_empty() && fraction.is_empty() || !all_digits(integer) || !all_digits(fraction) {
        return None;
    }
    let exponent = match exponent {
        None => 0,
        Some(digits) => match parse_exponent(digits)? {
            Some(exponent) => exponent,
            None => return Some(Err(overflow())),
        },
    };
    Some(assemble(negative, integer, fraction, exponent))
}

/// None: no integer; Some(None): one so large that nothing can be done with it.
fn parse_exponent(text: &str) -> Option<Option<i64>> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // PostgreSQL's own bound: INT_MAX / 2.
    Some(text.parse().ok().filter(|e: &i64| e.abs() < i64::from(i32::MAX / 2)))
}

/// Checks the size before it builds anything: the text may be megabytes of digits.
fn assemble(negative: bool, integer: &str, fraction: &str, exponent: i64) -> Result<Numeric> {
    let integer = integer.trim_start_matches('0');
    let scale = fraction.len() as i64 - exponent;
    if scale > MAX_SCALE {
        return Err(overflow());
    }
    let significant = if integer.is_empty() {
        fraction.trim_start_matches('0').len()
    } else {
        integer.len() + fraction.len()
    };
    if significant == 0 {
        return Numeric::new(BigInt::default(), scale);
    }
    if significant as i64 - scale > MAX_INTEGER_DIGITS {
        return Err(overflow());
    }
    let sign = if negative { Sign::Minus } else { Sign::Plus };
    if significant <= 18 {
        let value = integer
            .bytes()
            .chain(fraction.bytes())
            .fold(0u64, |value, digit| value * 10 + u64::from(digit - b'0'));
        return Numeric::new(BigInt::from_biguint(sign, value.into()), scale);
    }
    let digits = [integer, fraction].concat();
    let value = BigUint::parse_bytes(digits.as_bytes(), 10).ok_or_else(|| SqlError::internal("digits that are no number"))?;
    Numeric::new(BigInt::from_biguint(sign, value), scale)
}

impl Numeric {
    /// Appends the text that PostgreSQL prints.
    pub fn write(&self, out: &mut String) {
        let value = match self {
            Numeric::NaN => return out.push_str("NaN"),
            Numeric::Infinity => return out.push_str("Infinity"),
            Numeric::NegInfinity => return out.push_str("-Infinity"),
            Numeric::Finite(value) => value,
        };
        let (coefficient, scale) = parts(value);
        let scale = usize::try_from(scale).unwrap_or(0);
        if coefficient.sign() == Sign::Minus {
            out.push('-');
        }
        match coefficient.magnitude().to_u64() {
            Some(small) if scale == 0 => push_u64(small, out),
            Some(small) => {
                let mut buffer = [0u8; 20];
                let mut at = buffer.len();
                let mut rest = small;
                while rest > 0 {
                    at -= 1;
                    buffer[at] = b'0' + (rest % 10) as u8;
                    rest /= 10;
                }
                place_point(&buffer[at..], scale, out);
            }
            None => place_point(coefficient.magnitude().to_str_radix(10).as_bytes(), scale, out),
        }
    }
}

/// `digits` without leading zeros, with the point `scale` digits from the right.
fn place_point(digits: &[u8], scale: usize, out: &mut String) {
    let before = digits.len().saturating_sub(scale);
    if before == 0 {
        out.push('0');
    }
    push_ascii(&digits[..before], out);
    if scale > 0 {
        out.push('.');
        out.extend(std::iter::repeat_n('0', scale.saturating_sub(digits.len())));
        push_ascii(&digits[before..], out);
    }
}

impl fmt::Display for Numeric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write(&mut text);
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_keeps_its_scale() {
        for (input, output) in [
            ("1.10", "1.10"),
            (" 007.50\n", "7.50"),
            ("-.5", "-0.5"),
            ("+5.", "5"),
            ("0.00", "0.00"),
            ("-0", "0"),
            ("1e3", "1000"),
            ("1.5E-3", "0.0015"),
            ("1.50e1", "15.0"),
            ("0e1000000", "0"),
            ("123456789012345678901234567890.5", "123456789012345678901234567890.5"),
            ("0.000000000000000000000000000001", "0.000000000000000000000000000001"),
            ("nan", "NaN"),
            ("-Infinity", "-Infinity"),
            ("+inf", "Infinity"),
        ] {
            assert_eq!(input.parse::<Numeric>().unwrap().to_string(), output, "{input}");
        }
    }

    #[test]
    fn what_is_no_numeric_is_refused() {
        for input in [
            "", " ", ".", "-", "1e", "1e+", "e5", "1.2.3", "0x1", "1 2", "--1", "infinit", "-nan", "1_000",
        ] {
            let error = input.parse::<Numeric>().unwrap_err();
            assert_eq!(error.message(), format!("invalid input syntax for type numeric: \"{input}\""));
            assert_eq!(error.state(), SqlState::InvalidTextRepresentation);
        }
        for input in ["1e131072", "1e-16384", "1e999999999999", "1e-999999999999", "1e2000000000"] {
            let error = input.parse::<Numeric>().unwrap_err();
            assert_eq!(error.message(), "value overflows numeric format", "{input}");
        }
        assert_eq!("1e131071".parse::<Numeric>().unwrap().to_string().len(), 131_072);
    }
}
