//! The fast road for `2024-01-02[ 03:04[:05[.678]][+02[:30]]]`: what clients send all the time.
//! Anything else, errors too, is left to the general decoder.

use crate::calendar::{MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND, days_from_civil, days_in_month};
use crate::text::zone::MAX_OFFSET_HOURS;

pub(super) struct Iso {
    pub days: i32,
    /// Microseconds since midnight.
    pub time: i64,
    /// Seconds east of UTC.
    pub offset: Option<i32>,
}

pub(super) fn read(text: &[u8]) -> Option<Iso> {
    let (date, rest) = text.split_first_chunk::<10>()?;
    let &[a, b, c, d, b'-', e, f, b'-', g, h] = date else { return None };
    let year = i64::from(pair(a, b)? * 100 + pair(c, d)?);
    let (month, day) = (pair(e, f)?, pair(g, h)?);
    if year == 0 || !(1..=12).contains(&month) || day == 0 || day > days_in_month(year, month) {
        return None;
    }
    let days = i32::try_from(days_from_civil(year, month, day.into())).ok()?;
    let rest = match rest {
        [] => {
            return Some(Iso {
                days,
                time: 0,
                offset: None,
            });
        }
        [b' ' | b'T', rest @ ..] => rest,
        _ => return None,
    };
    let (time, rest) = clock(rest)?;
    Some(Iso {
        days,
        time,
        offset: offset(rest)?,
    })
}

/// A time of day alone: `03:04:05.678`.
pub(super) fn read_time(text: &[u8]) -> Option<i64> {
    clock(text).filter(|(_, rest)| rest.is_empty()).map(|(micros, _)| micros)
}

fn clock(text: &[u8]) -> Option<(i64, &[u8])> {
    let (&[a, b, b':', c, d], rest) = text.split_first_chunk::<5>()? else {
        return None;
    };
    let (hour, minute) = (pair(a, b)?, pair(c, d)?);
    if hour > 23 || minute > 59 {
        return None;
    }
    let minutes = i64::from(hour) * MICROS_PER_HOUR + i64::from(minute) * MICROS_PER_MINUTE;
    let [b':', rest @ ..] = rest else { return Some((minutes, rest)) };
    let (&[e, f], rest) = rest.split_first_chunk::<2>()?;
    let second = pair(e, f).filter(|second| *second <= 59)?;
    let seconds = minutes + i64::from(second) * MICROS_PER_SECOND;
    let [b'.', rest @ ..] = rest else { return Some((seconds, rest)) };
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    // More than six digits need rounding.
    if !(1..=6).contains(&digits) {
        return None;
    }
    let fraction = rest[..digits].iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
    Some((seconds + fraction * 10i64.pow(6 - digits as u32), &rest[digits..]))
}

/// None: not in this form; Some(None): there is no offset.
fn offset(text: &[u8]) -> Option<Option<i32>> {
    let (sign, hours, minutes) = match *text {
        [] => return Some(None),
        [b'Z'] => return Some(Some(0)),
        [sign @ (b'+' | b'-'), a, b] => (sign, pair(a, b)?, 0),
        [sign @ (b'+' | b'-'), a, b, b':', c, d] => (sign, pair(a, b)?, pair(c, d)?),
        _ => return None,
    };
    let (hours, minutes) = (i32::try_from(hours).ok()?, i32::try_from(minutes).ok()?);
    if hours > MAX_OFFSET_HOURS || minutes > 59 {
        return None;
    }
    let seconds = (hours * 60 + minutes) * 60;
    Some(Some(if sign == b'-' { -seconds } else { seconds }))
}

fn pair(tens: u8, ones: u8) -> Option<u32> {
    (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| u32::from(tens - b'0') * 10 + u32::from(ones - b'0'))
}
