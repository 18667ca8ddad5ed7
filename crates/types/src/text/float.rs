//! real and double precision as text.
//!
//! With `extra_float_digits` above zero a float prints as the shortest decimal that reads back as
//! the same float. PostgreSQL leaves out decimals that lie exactly between two floats, because not
//! every reader rounds those alike; Rust's shortest does not, so they are recognised here:
//! 1e23 prints `9.999999999999999e+22`.

use std::fmt::{self, Write};

use crate::{Result, SqlError, SqlState, Type};

use super::numbers::{invalid, push_ascii, push_two, trim};

pub(super) fn parse_f64(text: &str) -> Result<f64> {
    let value: f64 = read(text, Type::Float8)?;
    if out_of_range(text, value == 0.0, value.is_infinite()) {
        return Err(range_error(text, Type::Float8));
    }
    Ok(value)
}

pub(super) fn parse_f32(text: &str) -> Result<f32> {
    let value: f32 = read(text, Type::Float4)?;
    if out_of_range(text, value == 0.0, value.is_infinite()) {
        return Err(range_error(text, Type::Float4));
    }
    Ok(value)
}

/// Rust's grammar is C's, without hexadecimal floats.
fn read<T: std::str::FromStr>(text: &str, ty: Type) -> Result<T> {
    trim(text).parse().map_err(|_| invalid(ty, text))
}

/// An infinity that was not written as one, or a zero whose text has a digit other than 0.
fn out_of_range(text: &str, zero: bool, infinite: bool) -> bool {
    let mantissa = || trim(text).bytes().take_while(|b| !matches!(b, b'e' | b'E'));
    zero && mantissa().any(|b| matches!(b, b'1'..=b'9')) || infinite && mantissa().any(|b| b.is_ascii_digit())
}

/// The message shows the whole input for a real, the number for a double.
fn range_error(text: &str, ty: Type) -> SqlError {
    let shown = if ty == Type::Float4 { text } else { trim(text) };
    SqlError::new(
        SqlState::NumericValueOutOfRange,
        format!("\"{shown}\" is out of range for type {ty}"),
    )
}

pub(super) fn write_f64(value: f64, extra_digits: i32, out: &mut String) {
    if write_special(value, out) {
        return;
    }
    if extra_digits <= 0 {
        return write_digits(value, 15 + extra_digits, out);
    }
    let bits = value.to_bits();
    let float = Float::of(bits & ((1 << 52) - 1), (bits << 1 >> 53) as i32, 52, 1075);
    let shortest = Decimal::read(zmij::Buffer::new().format_finite(value));
    let exact = |text: &mut Text, decimals: usize| write!(text, "{value:.decimals$e}");
    place(&float.choose(shortest, 17, exact, |text| text.parse() == Ok(value)), 15, out);
}

pub(super) fn write_f32(value: f32, extra_digits: i32, out: &mut String) {
    if write_special(f64::from(value), out) {
        return;
    }
    if extra_digits <= 0 {
        return write_digits(f64::from(value), 6 + extra_digits, out);
    }
    let bits = value.to_bits();
    let float = Float::of(u64::from(bits & ((1 << 23) - 1)), (bits << 1 >> 24) as i32, 23, 150);
    let shortest = Decimal::read(zmij::Buffer::new().format_finite(value));
    let exact = |text: &mut Text, decimals: usize| write!(text, "{value:.decimals$e}");
    place(&float.choose(shortest, 9, exact, |text| text.parse() == Ok(value)), 6, out);
}

/// significand * 2^exponent, without its sign.
struct Float {
    significand: u64,
    exponent: i32,
    /// A power of two, whose lower neighbour is half as far as the upper one.
    power: bool,
}

impl Float {
    fn of(fraction: u64, biased_exponent: i32, fraction_bits: u32, bias: i32) -> Float {
        let implicit = u64::from(biased_exponent != 0) << fraction_bits;
        Float {
            significand: fraction | implicit,
            exponent: biased_exponent.max(1) - bias,
            power: fraction == 0,
        }
    }

    /// PostgreSQL's choice among the shortest decimals that read back as this float.
    fn choose(
        &self,
        shortest: Decimal,
        most_digits: usize,
        exact: impl Fn(&mut Text, usize) -> fmt::Result,
        reads_back: impl Fn(&str) -> bool,
    ) -> Decimal {
        let try_exact = |digits: usize| {
            let mut text = Text::default();
            exact(&mut text, digits - 1).ok()?;
            let decimal = Decimal::read(text.as_str());
            (reads_back(text.as_str()) && !self.is_next_to(&decimal)).then_some(decimal)
        };
        let digits = shortest.digits().len();
        if self.is_next_to(&shortest) {
            return (digits + 1..=most_digits).find_map(try_exact).unwrap_or(shortest);
        }
        // Two decimals of this length are equally near only if the float ends in a 5 one place further on.
        // PostgreSQL takes the even one, and so does the exact printing.
        let last_place = shortest.exponent - (digits as i32 - 1);
        if self.exponent + self.significand.trailing_zeros() as i32 == last_place - 1 {
            return try_exact(digits).unwrap_or(shortest);
        }
        shortest
    }

    /// Whether the decimal lies exactly in the middle between this float and a neighbour: then its
    /// odd part is that of the middle.
    fn is_next_to(&self, decimal: &Decimal) -> bool {
        let digits = decimal.digits();
        let tens = decimal.exponent - (digits.len() as i32 - 1);
        // Outside of these no decimal of 17 digits hits a middle of two floats.
        if !(-2..=23).contains(&tens) {
            return false;
        }
        let value = digits.iter().fold(0u128, |value, digit| value * 10 + u128::from(digit - b'0'));
        if value == 0 {
            return false;
        }
        let five = 5u128.pow(tens.unsigned_abs());
        let significand = u128::from(self.significand);
        let (decimal, scale) = if tens >= 0 { (value * five, 1) } else { (value, five) };
        let odd = decimal >> decimal.trailing_zeros();
        let upper = odd == (2 * significand + 1) * scale;
        let lower = odd == (2 * significand - 1) * scale;
        upper || lower || self.power && odd == (4 * significand - 1) * scale
    }
}

fn write_special(value: f64, out: &mut String) -> bool {
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "Infinity" } else { "-Infinity" });
    } else {
        return false;
    }
    true
}

/// C's `%.<digits>g`.
fn write_digits(value: f64, digits: i32, out: &mut String) {
    let digits = digits.max(1);
    let mut text = Text::default();
    // The buffer holds any float of 18 digits: writing to it does not fail.
    let _ = write!(text, "{value:.*e}", (digits as usize - 1).min(17));
    place(&Decimal::read(text.as_str()), digits, out);
}

/// Appends d.ddde<x> as C's `%g` does: with an exponent below -4 and from `limit` on, without trailing zeros.
fn place(decimal: &Decimal, limit: i32, out: &mut String) {
    let exponent = decimal.exponent;
    let digits = decimal.digits();
    let count = digits.len();
    if decimal.negative {
        out.push('-');
    }
    if exponent < -4 || exponent >= limit {
        push_ascii(&digits[..1], out);
        if count > 1 {
            out.push('.');
            push_ascii(&digits[1..], out);
        }
        out.push_str(if exponent < 0 { "e-" } else { "e+" });
        return push_two(exponent.unsigned_abs().into(), out);
    }
    if exponent < 0 {
        out.push_str("0.");
        push_ascii(&b"000"[..(-exponent - 1) as usize], out);
        return push_ascii(digits, out);
    }
    let before = exponent as usize + 1;
    push_ascii(&digits[..before.min(count)], out);
    for _ in count..before {
        out.push('0');
    }
    if count > before {
        out.push('.');
        push_ascii(&digits[before..], out);
    }
}

/// A decimal's digits, without zeros at either end, and the place of the first.
struct Decimal {
    negative: bool,
    buffer: [u8; 20],
    length: usize,
    exponent: i32,
}

impl Decimal {
    /// Reads `-12.5e-7`, `0.00012` and the like.
    fn read(text: &str) -> Decimal {
        let mut decimal = Decimal {
            negative: false,
            buffer: [b'0'; 20],
            length: 0,
            exponent: 0,
        };
        let (mut before_point, mut seen_point, mut exponent) = (0, false, 0);
        for (at, byte) in text.bytes().enumerate() {
            match byte {
                b'-' => decimal.negative = true,
                b'.' => seen_point = true,
                b'e' => {
                    exponent = text[at + 1..].parse().unwrap_or(0);
                    break;
                }
                _ => {
                    if byte != b'0' || decimal.length > 0 {
                        if let Some(place) = decimal.buffer.get_mut(decimal.length) {
                            *place = byte;
                        }
                        decimal.length += 1;
                        before_point += i32::from(!seen_point);
                    } else if seen_point {
                        before_point -= 1;
                    }
                }
            }
        }
        decimal.length = decimal.length.min(decimal.buffer.len());
        while decimal.length > 0 && decimal.buffer[decimal.length - 1] == b'0' {
            decimal.length -= 1;
        }
        if decimal.length > 0 {
            decimal.exponent = exponent + before_point - 1;
        }
        decimal
    }

    /// At least one.
    fn digits(&self) -> &[u8] {
        &self.buffer[..self.length.max(1)]
    }
}

/// Text on the stack.
#[derive(Default)]
struct Text {
    buffer: [u8; 32],
    length: usize,
}

impl Text {
    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.buffer[..self.length]).unwrap_or_default()
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        self.buffer
            .get_mut(self.length..end)
            .ok_or(fmt::Error)?
            .copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(value: f64) -> String {
        let mut out = String::new();
        write_f64(value, 1, &mut out);
        out
    }

    #[test]
    fn doubles_print_as_postgresql_prints_them() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (100.0, "100"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e14, "100000000000000"),
            (1e15, "1e+15"),
            (123456789012345.0, "123456789012345"),
            (9007199254740992.0, "9.007199254740992e+15"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.5e-7, "1.5e-07"),
            (1e20, "1e+20"),
            (1e23, "9.999999999999999e+22"),
            (8.41e21, "8.409999999999999e+21"),
            (2e22, "2e+22"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (-1.25, "-1.25"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(print(value), text);
        }
    }

    #[test]
    fn fewer_digits_on_request() {
        for (extra, text) in [(0, "0.333333333333333"), (-5, "0.3333333333"), (-20, "0.3")] {
            let mut out = String::new();
            write_f64(1.0 / 3.0, extra, &mut out);
            assert_eq!(out, text);
        }
    }

    #[test]
    fn reals_print_as_postgresql_prints_them() {
        for (value, text) in [
            (0.1f32, "0.1"),
            (1e5, "100000"),
            (1e6, "1e+06"),
            (123456.7, "123456.7"),
            (1475650.3, "1.4756502e+06"),
            (16777216.0, "1.6777216e+07"),
            (1e-5, "1e-05"),
            (3.4028235e38, "3.4028235e+38"),
        ] {
            let mut out = String::new();
            write_f32(value, 1, &mut out);
            assert_eq!(out, text);
        }
    }

    #[test]
    fn what_is_no_float_is_refused() {
        assert_eq!(parse_f64(" -inf ").unwrap(), f64::NEG_INFINITY);
        assert!(parse_f64("nan").unwrap().is_nan());
        assert_eq!(parse_f64("1e-310").unwrap(), 1e-310);
        for text in ["", "abc", "1e", "1 2", "."] {
            assert_eq!(
                parse_f64(text).unwrap_err().message(),
                format!("invalid input syntax for type double precision: \"{text}\"")
            );
        }
        for text in ["1e400", "-1e400", "1e-400"] {
            assert_eq!(
                parse_f64(text).unwrap_err().message(),
                format!("\"{text}\" is out of range for type double precision")
            );
        }
        assert_eq!(parse_f32("1e40").unwrap_err().message(), "\"1e40\" is out of range for type real");
        assert_eq!(parse_f64("0e999").unwrap(), 0.0);
    }
}
