//! The numbers that dates, times and intervals are made of.

use crate::text::zone::MAX_OFFSET_HOURS;

use super::Failure;

/// A time of day or of an interval.
pub(in crate::text) struct Clock {
    pub hour: i64,
    pub minute: i32,
    pub second: i32,
    pub micros: i64,
    /// `12:34`, without seconds.
    pub two_parts: bool,
}

/// `hh:mm`, `hh:mm:ss[.fff]`, or `mm:ss.fff` (`DecodeTimeCommon`).
pub(in crate::text) fn read_clock(text: &str) -> Result<Clock, Failure> {
    let (first, rest) = leading_i64(text).ok_or(Failure::FieldOverflow)?;
    let rest = rest.strip_prefix(':').ok_or(Failure::BadFormat)?;
    let (second, rest) = leading_int(rest).ok_or(Failure::FieldOverflow)?;
    let clock = if rest.is_empty() {
        Clock {
            hour: first,
            minute: second,
            second: 0,
            micros: 0,
            two_parts: true,
        }
    } else if rest.starts_with('.') {
        let minute = i32::try_from(first).map_err(|_| Failure::FieldOverflow)?;
        Clock {
            hour: 0,
            minute,
            second,
            micros: read_fraction(rest)?,
            two_parts: false,
        }
    } else {
        let rest = rest.strip_prefix(':').ok_or(Failure::BadFormat)?;
        let (third, rest) = leading_int(rest).ok_or(Failure::FieldOverflow)?;
        let micros = if rest.is_empty() { 0 } else { read_fraction(rest)? };
        Clock {
            hour: first,
            minute: second,
            second: third,
            micros,
            two_parts: false,
        }
    };
    let valid = clock.hour >= 0 && (0..60).contains(&clock.minute) && (0..=60).contains(&clock.second);
    if valid { Ok(clock) } else { Err(Failure::FieldOverflow) }
}

/// `+hh`, `+hh:mm`, `+hh:mm:ss`, `+hhmm`: seconds east of UTC (`DecodeTimezone`).
pub(super) fn read_offset(text: &str) -> Result<i32, Failure> {
    let (sign, unsigned) = match text.as_bytes().first() {
        Some(b'+') => (1, &text[1..]),
        Some(b'-') => (-1, &text[1..]),
        _ => return Err(Failure::BadFormat),
    };
    let int = |text| leading_int(text).ok_or(Failure::OffsetOverflow);
    let (mut hours, mut rest) = int(unsigned)?;
    let (mut minutes, mut seconds) = (0, 0);
    if let Some(after) = rest.strip_prefix(':') {
        (minutes, rest) = int(after)?;
        if let Some(after) = rest.strip_prefix(':') {
            (seconds, rest) = int(after)?;
        }
    } else if rest.is_empty() && text.len() > 3 {
        (hours, minutes) = (hours / 100, hours % 100);
    }
    if !(0..=MAX_OFFSET_HOURS).contains(&hours) || !(0..60).contains(&minutes) || !(0..60).contains(&seconds) {
        return Err(Failure::OffsetOverflow);
    }
    if !rest.is_empty() {
        return Err(Failure::BadFormat);
    }
    Ok(sign * ((hours * 60 + minutes) * 60 + seconds))
}

/// `.678` in microseconds, halves to even; `.` alone is 0.
pub(super) fn read_fraction(text: &str) -> Result<i64, Failure> {
    let digits = text.strip_prefix('.').ok_or(Failure::BadFormat)?;
    if digits.is_empty() {
        return Ok(0);
    }
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Failure::BadFormat);
    }
    let fraction: f64 = format!("0.{digits}").parse().map_err(|_| Failure::BadFormat)?;
    Ok((fraction * 1e6).round_ties_even() as i64)
}

/// C's `strtol` into an int: the number at the beginning (0 where there is none) and what follows. None beyond the range.
pub(in crate::text) fn leading_int(text: &str) -> Option<(i32, &str)> {
    let (value, rest) = leading_i64(text)?;
    Some((i32::try_from(value).ok()?, rest))
}

pub(in crate::text) fn leading_i64(text: &str) -> Option<(i64, &str)> {
    let sign = usize::from(text.starts_with(['-', '+']));
    let digits = text[sign..].bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return Some((0, text));
    }
    let (number, rest) = text.split_at(sign + digits);
    Some((number.parse().ok()?, rest))
}

/// C's `atoi` of digits.
pub(super) fn small_int(digits: &str) -> Result<i32, Failure> {
    leading_int(digits).map(|(value, _)| value).ok_or(Failure::FieldOverflow)
}
