//! ISO 8601 durations: `P1Y2M3DT4H5M6S`, and the alternative forms `P0001-02-03T04:05:06` and
//! `P00010203T040506` (PostgreSQL's `DecodeISO8601Interval`).

use crate::text::datetime::Failure;

use super::{Parts, Unit};

pub(super) fn read(text: &str) -> Result<Parts, Failure> {
    let mut parts = Parts::default();
    let mut rest = text.strip_prefix('P').filter(|rest| !rest.is_empty()).ok_or(Failure::BadFormat)?;
    let mut in_date = true;
    // Whether this half, date or time, has a field with a unit: the alternative forms have none.
    let mut units_used = false;
    while !rest.is_empty() {
        if let Some(time) = rest.strip_prefix('T') {
            (in_date, units_used, rest) = (false, false, time);
            continue;
        }
        let (number, after) = read_number(rest)?;
        let unit = after.chars().next();
        let named = match (in_date, unit) {
            (true, Some('Y')) => Some(Unit::Year),
            (true, Some('M')) => Some(Unit::Month),
            (true, Some('W')) => Some(Unit::Week),
            (true, Some('D')) => Some(Unit::Day),
            (false, Some('H')) => Some(Unit::Hour),
            (false, Some('M')) => Some(Unit::Minute),
            (false, Some('S')) => Some(Unit::Second),
            (true, None | Some('T' | '-')) | (false, None | Some(':')) => None,
            (_, Some(_)) => return Err(Failure::BadFormat),
        };
        if let Some(named) = named {
            parts.add(named, number.whole, number.fraction)?;
            units_used = true;
            rest = &after[1..];
            continue;
        }
        if units_used {
            return Err(Failure::BadFormat);
        }
        rest = if in_date {
            alternative_date(&mut parts, number, after)?
        } else {
            alternative_time(&mut parts, number, after)?
        };
    }
    Ok(parts)
}

/// What follows the date: nothing, or the `T` of the time.
fn alternative_date<'a>(parts: &mut Parts, number: Number, after: &'a str) -> Result<&'a str, Failure> {
    let ends = |rest: &str| rest.is_empty() || rest.starts_with('T');
    if number.digits == 8 && !after.starts_with('-') {
        parts.add(Unit::Year, number.whole / 10_000, 0.0)?;
        parts.add(Unit::Month, number.whole / 100 % 100, 0.0)?;
        parts.add(Unit::Day, number.whole % 100, number.fraction)?;
        return Ok(after);
    }
    parts.add(Unit::Year, number.whole, number.fraction)?;
    let mut rest = after;
    for unit in [Unit::Month, Unit::Day] {
        if ends(rest) {
            return Ok(rest);
        }
        let (number, after) = read_number(rest.strip_prefix('-').ok_or(Failure::BadFormat)?)?;
        parts.add(unit, number.whole, number.fraction)?;
        rest = after;
    }
    if ends(rest) { Ok(rest) } else { Err(Failure::BadFormat) }
}

/// Nothing may follow the time.
fn alternative_time<'a>(parts: &mut Parts, number: Number, after: &'a str) -> Result<&'a str, Failure> {
    if number.digits == 6 && after.is_empty() {
        parts.add(Unit::Hour, number.whole / 10_000, 0.0)?;
        parts.add(Unit::Minute, number.whole / 100 % 100, 0.0)?;
        parts.add(Unit::Second, number.whole % 100, number.fraction)?;
        return Ok(after);
    }
    parts.add(Unit::Hour, number.whole, number.fraction)?;
    let mut rest = after;
    for unit in [Unit::Minute, Unit::Second] {
        if rest.is_empty() {
            return Ok(rest);
        }
        let (number, after) = read_number(rest.strip_prefix(':').ok_or(Failure::BadFormat)?)?;
        parts.add(unit, number.whole, number.fraction)?;
        rest = after;
    }
    if rest.is_empty() { Ok(rest) } else { Err(Failure::BadFormat) }
}

#[derive(Clone, Copy)]
struct Number {
    whole: i64,
    fraction: f64,
    /// Digits before the point.
    digits: usize,
}

fn read_number(text: &str) -> Result<(Number, &str), Failure> {
    let bytes = text.as_bytes();
    let sign = usize::from(bytes.first() == Some(&b'-'));
    let digits = bytes[sign..].iter().take_while(|b| b.is_ascii_digit()).count();
    let mut end = sign + digits;
    if bytes.get(end) == Some(&b'.') {
        end += 1 + bytes[end + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
    }
    // C's strtod takes an exponent too.
    if let Some(b'e' | b'E') = bytes.get(end) {
        let signed = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = bytes
            .get(signed..)
            .unwrap_or_default()
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count();
        if exponent > 0 {
            end = signed + exponent;
        }
    }
    let value: f64 = text[..end].parse().map_err(|_| Failure::BadFormat)?;
    if !(-1.0e15..=1.0e15).contains(&value) {
        return Err(Failure::FieldOverflow);
    }
    let whole = value.trunc();
    Ok((
        Number {
            whole: whole as i64,
            fraction: value - whole,
            digits,
        },
        &text[end..],
    ))
}
