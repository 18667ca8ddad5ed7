//! Booleans, integers and oid as text.

use crate::{Result, SqlError, SqlState, Type};

/// What C's `isspace` takes for white space.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

pub(super) fn trim(text: &str) -> &str {
    match text.as_bytes() {
        // Nothing to trim is the rule.
        [first, .., last] if !is_space(*first) && !is_space(*last) => text,
        _ => text.trim_matches(|c: char| c.is_ascii() && is_space(c as u8)),
    }
}

pub(super) fn invalid(ty: Type, text: &str) -> SqlError {
    SqlError::new(
        SqlState::InvalidTextRepresentation,
        format!("invalid input syntax for type {ty}: \"{text}\""),
    )
}

/// Any unambiguous beginning of true, false, yes, no, on, off; or 1 or 0.
pub(super) fn parse_bool(text: &str) -> Result<bool> {
    let word = trim(text).as_bytes();
    let begins = |full: &str, least: usize| {
        word.len() >= least && word.len() <= full.len() && full.as_bytes()[..word.len()].eq_ignore_ascii_case(word)
    };
    if begins("true", 1) || begins("yes", 1) || begins("on", 2) || word == b"1" {
        Ok(true)
    } else if begins("false", 1) || begins("no", 1) || begins("off", 2) || word == b"0" {
        Ok(false)
    } else {
        Err(invalid(Type::Bool, text))
    }
}

/// A decimal integer of an integer type; 22003 beyond its range.
pub(super) fn parse_integer<T: TryFrom<i64>>(ty: Type, text: &str) -> Result<T> {
    let digits = trim(text).as_bytes();
    let (value, rest) = leading_integer(digits);
    // PostgreSQL sees the overflow before it sees what follows the digits.
    match value.map(T::try_from) {
        Some(Ok(value)) if rest.is_empty() => Ok(value),
        Some(Err(_)) => Err(out_of_range(ty, text)),
        None if rest.len() < digits.len() => Err(out_of_range(ty, text)),
        Some(Ok(_)) | None => Err(invalid(ty, text)),
    }
}

fn out_of_range(ty: Type, text: &str) -> SqlError {
    SqlError::new(
        SqlState::NumericValueOutOfRange,
        format!("value \"{text}\" is out of range for type {ty}"),
    )
}

/// Like C's `strtoul`: a negative number counts from the top.
pub(super) fn parse_oid(text: &str) -> Result<u32> {
    let digits = trim(text).as_bytes();
    let (value, rest) = leading_integer(digits);
    if !rest.is_empty() || digits.is_empty() {
        return Err(invalid(Type::Oid, text));
    }
    let oid = value.and_then(|value| {
        u32::try_from(value)
            .ok()
            .or_else(|| i32::try_from(value).ok().map(|negative| negative as u32))
    });
    oid.ok_or_else(|| out_of_range(Type::Oid, text))
}

/// The integer at the beginning and what follows it. None: beyond 64 bits, or, where nothing was read, no digits.
fn leading_integer(text: &[u8]) -> (Option<i64>, &[u8]) {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let count = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    if count == 0 {
        return (None, text);
    }
    let (digits, rest) = digits.split_at(count);
    // Downwards, because the most negative number has no positive twin.
    let step = |value: i64, digit: &u8| value.checked_mul(10)?.checked_sub(i64::from(digit - b'0'));
    let value = digits.iter().try_fold(0i64, step);
    (
        value.and_then(|value| if negative { Some(value) } else { value.checked_neg() }),
        rest,
    )
}

const DIGIT_PAIRS: &[u8; 200] = b"00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

/// Appends a number without going through the formatting machinery.
pub(crate) fn push_u64(mut value: u64, out: &mut String) {
    let mut buffer = [0u8; 20];
    let mut at = buffer.len();
    while value >= 100 {
        let pair = (value % 100) as usize * 2;
        value /= 100;
        at -= 2;
        buffer[at..at + 2].copy_from_slice(&DIGIT_PAIRS[pair..pair + 2]);
    }
    if value >= 10 {
        let pair = value as usize * 2;
        at -= 2;
        buffer[at..at + 2].copy_from_slice(&DIGIT_PAIRS[pair..pair + 2]);
    } else {
        at -= 1;
        buffer[at] = b'0' + value as u8;
    }
    push_ascii(&buffer[at..], out);
}

/// Appends bytes that are ASCII.
pub(crate) fn push_ascii(bytes: &[u8], out: &mut String) {
    out.push_str(std::str::from_utf8(bytes).unwrap_or_default());
}

pub(crate) fn push_i64(value: i64, out: &mut String) {
    if value < 0 {
        out.push('-');
    }
    push_u64(value.unsigned_abs(), out);
}

/// Two digits; of a larger number more.
pub(super) fn push_two(value: u64, out: &mut String) {
    match DIGIT_PAIRS.get(value as usize * 2..value as usize * 2 + 2) {
        Some(pair) if value < 100 => push_ascii(pair, out),
        _ => push_u64(value, out),
    }
}

/// At least `width` digits, with zeros in front.
pub(super) fn push_padded(value: u64, width: usize, out: &mut String) {
    let digits = value.checked_ilog10().map_or(1, |log| log as usize + 1);
    for _ in digits..width {
        out.push('0');
    }
    push_u64(value, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_read_and_print() {
        for value in [0, 1, -1, 9, 10, 99, 100, 101, 12345, -67890, i64::MAX, i64::MIN] {
            let mut text = String::new();
            push_i64(value, &mut text);
            assert_eq!(text, value.to_string());
            assert_eq!(parse_integer::<i64>(Type::Int8, &format!(" {text}\t")).unwrap(), value);
        }
        assert_eq!(parse_integer::<i16>(Type::Int2, "+007").unwrap(), 7);
    }

    #[test]
    fn what_is_no_integer_is_refused() {
        for text in ["", " ", "-", "1a", "0x10", "1 2", "1.0", "--1", "\u{a0}1", "1_0"] {
            let error = parse_integer::<i32>(Type::Int4, text).unwrap_err();
            assert_eq!(error.state(), SqlState::InvalidTextRepresentation);
            assert_eq!(error.message(), format!("invalid input syntax for type integer: \"{text}\""));
        }
        for text in ["32768", "-32769", "99999999999999999999999"] {
            let error = parse_integer::<i16>(Type::Int2, text).unwrap_err();
            assert_eq!(error.state(), SqlState::NumericValueOutOfRange);
            assert_eq!(error.message(), format!("value \"{text}\" is out of range for type smallint"));
        }
        assert_eq!(parse_integer::<i64>(Type::Int8, "-9223372036854775808").unwrap(), i64::MIN);
        assert!(parse_integer::<i64>(Type::Int8, "9223372036854775808").is_err());
    }

    #[test]
    fn booleans() {
        for text in ["t", "TRUE", "tru", "y", "yes", "on", "1", " true "] {
            assert!(parse_bool(text).unwrap(), "{text}");
        }
        for text in ["f", "False", "n", "no", "of", "OFF", "0"] {
            assert!(!parse_bool(text).unwrap(), "{text}");
        }
        for text in ["", "o", "2", "truex", "10", "-"] {
            assert_eq!(
                parse_bool(text).unwrap_err().message(),
                format!("invalid input syntax for type boolean: \"{text}\"")
            );
        }
    }

    #[test]
    fn oids() {
        assert_eq!(parse_oid("4294967295").unwrap(), u32::MAX);
        assert_eq!(parse_oid("-5").unwrap(), u32::MAX - 4);
        assert_eq!(parse_oid("4294967296").unwrap_err().state(), SqlState::NumericValueOutOfRange);
        assert_eq!(parse_oid("x").unwrap_err().message(), "invalid input syntax for type oid: \"x\"");
    }
}
