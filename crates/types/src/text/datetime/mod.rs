//! Dates, times and timestamps as text.
//!
//! The common form, `2024-01-02 03:04:05.678+02`, is read straight from the bytes ([`iso`]).
//! Everything else that PostgreSQL takes is cut into fields ([`tokens`]) which are then given
//! their meaning one by one ([`decode`]), step by step as PostgreSQL's `datetime.c` does, because the
//! meaning of `01 02 03` is nothing but the order of those steps.

mod decode;
mod fields;
mod iso;
mod parts;
pub(super) mod tokens;

use crate::calendar::{
    DATE_INFINITY, DATE_NEG_INFINITY, MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND, TIMESTAMP_INFINITY,
    TIMESTAMP_NEG_INFINITY, civil_from_days, is_valid_date, is_valid_timestamp, split_timestamp,
};
use crate::{Result, SqlError, SqlState};

use super::numbers::{push_padded, push_two};
use super::style::TextStyle;
use decode::{Decoded, decode_time, decode_timestamp};
pub(super) use parts::{leading_i64, leading_int, read_clock};

/// PostgreSQL's `MAX_TIMESTAMP_PRECISION`.
const MAX_PRECISION: i32 = 6;

/// Why a text is no date or time: PostgreSQL's `DTERR_` codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    BadFormat,
    FieldOverflow,
    /// A month or day that another order of fields would allow.
    MonthDayOverflow,
    IntervalOverflow,
    OffsetOverflow,
    UnknownZone(String),
}

impl Failure {
    pub(super) fn into_error(self, text: &str, ty: &str) -> SqlError {
        match self {
            Failure::BadFormat => SqlError::new(
                SqlState::InvalidDatetimeFormat,
                format!("invalid input syntax for type {ty}: \"{text}\""),
            ),
            Failure::FieldOverflow => out_of_range("date/time field value", text),
            Failure::MonthDayOverflow => {
                out_of_range("date/time field value", text).hint("Perhaps you need a different \"datestyle\" setting.")
            }
            Failure::IntervalOverflow => SqlError::new(
                SqlState::IntervalFieldOverflow,
                format!("interval field value out of range: \"{text}\""),
            ),
            Failure::OffsetOverflow => SqlError::new(
                SqlState::InvalidTimeZoneDisplacementValue,
                format!("time zone displacement out of range: \"{text}\""),
            ),
            Failure::UnknownZone(zone) => SqlError::new(SqlState::InvalidParameterValue, format!("time zone \"{zone}\" not recognized")),
        }
    }
}

fn out_of_range(what: &str, text: &str) -> SqlError {
    SqlError::new(SqlState::DatetimeFieldOverflow, format!("{what} out of range: \"{text}\""))
}

pub(super) fn parse_date(text: &str, style: &TextStyle) -> Result<i32> {
    if let Some(iso) = iso::read(text.as_bytes()) {
        return Ok(iso.days);
    }
    let fields = match decode_timestamp(text, style).map_err(|failure| failure.into_error(text, "date"))? {
        Decoded::Fields(fields) => fields,
        Decoded::Epoch => return Ok(0),
        Decoded::Infinity => return Ok(DATE_INFINITY),
        Decoded::NegInfinity => return Ok(DATE_NEG_INFINITY),
    };
    let days = fields
        .days()
        .filter(|days| is_valid_date(*days))
        .ok_or_else(|| out_of_range("date", text))?;
    i32::try_from(days).map_err(|_| out_of_range("date", text))
}

pub(super) fn parse_time(text: &str, typmod: i32, style: &TextStyle) -> Result<i64> {
    let micros = match iso::read_time(text.as_bytes()) {
        Some(micros) => micros,
        None => decode_time(text, style)
            .map_err(|failure| failure.into_error(text, "time"))?
            .time_micros(),
    };
    Ok(round_time(micros, typmod))
}

pub(super) fn parse_timestamp(text: &str, typmod: i32, style: &TextStyle) -> Result<i64> {
    let micros = match iso::read(text.as_bytes()) {
        Some(iso) => i64::from(iso.days)
            .checked_mul(MICROS_PER_DAY)
            .and_then(|days| days.checked_add(iso.time)),
        None => match decode_timestamp(text, style).map_err(|failure| failure.into_error(text, "timestamp"))? {
            Decoded::Fields(fields) => fields.local_micros(),
            Decoded::Epoch => Some(0),
            Decoded::Infinity => return Ok(TIMESTAMP_INFINITY),
            Decoded::NegInfinity => return Ok(TIMESTAMP_NEG_INFINITY),
        },
    };
    checked_timestamp(micros, typmod, text)
}

pub(super) fn parse_timestamptz(text: &str, typmod: i32, style: &TextStyle) -> Result<i64> {
    let (local, offset) = match iso::read(text.as_bytes()) {
        Some(iso) => (
            i64::from(iso.days)
                .checked_mul(MICROS_PER_DAY)
                .and_then(|days| days.checked_add(iso.time)),
            iso.offset,
        ),
        None => match decode_timestamp(text, style).map_err(|failure| failure.into_error(text, "timestamp with time zone"))? {
            Decoded::Fields(fields) => (fields.local_micros(), fields.offset),
            Decoded::Epoch => return Ok(0),
            Decoded::Infinity => return Ok(TIMESTAMP_INFINITY),
            Decoded::NegInfinity => return Ok(TIMESTAMP_NEG_INFINITY),
        },
    };
    let micros = local.and_then(|local| match offset {
        Some(offset) => local.checked_sub(i64::from(offset) * MICROS_PER_SECOND),
        None => Some(style.time_zone.to_utc(local)),
    });
    checked_timestamp(micros, typmod, text)
}

fn checked_timestamp(micros: Option<i64>, typmod: i32, text: &str) -> Result<i64> {
    let micros = micros
        .filter(|micros| is_valid_timestamp(*micros))
        .ok_or_else(|| out_of_range("timestamp", text))?;
    Ok(round_timestamp(micros, typmod))
}

/// Rounds a time to its declared precision.
pub fn round_time(micros: i64, typmod: i32) -> i64 {
    match step(typmod) {
        Some(step) => (micros + step / 2) / step * step,
        None => micros,
    }
}

/// Rounds a timestamp (of either type) to its declared precision.
pub fn round_timestamp(micros: i64, typmod: i32) -> i64 {
    let Some(step) = step(typmod) else { return micros };
    if matches!(micros, TIMESTAMP_INFINITY | TIMESTAMP_NEG_INFINITY) {
        return micros;
    }
    // PostgreSQL rounds halves away from its own epoch.
    let from_2000 = micros - crate::calendar::MICROS_TO_2000;
    let half = if from_2000 >= 0 { step / 2 } else { -(step / 2) };
    (from_2000 + half) / step * step + crate::calendar::MICROS_TO_2000
}

/// Microseconds of the last digit kept; None where all are.
fn step(typmod: i32) -> Option<i64> {
    (0..MAX_PRECISION)
        .contains(&typmod)
        .then(|| 10i64.pow((MAX_PRECISION - typmod).unsigned_abs()))
}

pub(super) fn write_date(days: i32, out: &mut String) {
    match days {
        DATE_INFINITY => out.push_str("infinity"),
        DATE_NEG_INFINITY => out.push_str("-infinity"),
        _ => {
            let before_christ = write_day(days.into(), out);
            push_era(before_christ, out);
        }
    }
}

pub(super) fn write_time(micros: i64, out: &mut String) {
    let part = |unit: i64| (micros / unit).unsigned_abs();
    push_two(part(MICROS_PER_HOUR), out);
    out.push(':');
    push_two(part(MICROS_PER_MINUTE) % 60, out);
    out.push(':');
    push_two(part(MICROS_PER_SECOND) % 60, out);
    write_fraction((micros % MICROS_PER_SECOND).unsigned_abs(), out);
}

/// `.123`, without trailing zeros; nothing of zero.
pub(super) fn write_fraction(micros: u64, out: &mut String) {
    if micros == 0 {
        return;
    }
    let (mut digits, mut width) = (micros, 6);
    while digits % 10 == 0 {
        digits /= 10;
        width -= 1;
    }
    out.push('.');
    push_padded(digits, width, out);
}

pub(super) fn write_timestamp(micros: i64, out: &mut String) {
    write_local(micros, None, out);
}

pub(super) fn write_timestamptz(micros: i64, style: &TextStyle, out: &mut String) {
    if matches!(micros, TIMESTAMP_INFINITY | TIMESTAMP_NEG_INFINITY) {
        return write_local(micros, None, out);
    }
    let offset = style.time_zone.offset_at(micros);
    // Next to the end of the range an offset could lead out of it; the last hours show in UTC.
    match micros.checked_add(i64::from(offset) * MICROS_PER_SECOND) {
        Some(local) => write_local(local, Some(offset), out),
        None => write_local(micros, Some(0), out),
    }
}

fn write_local(micros: i64, offset: Option<i32>, out: &mut String) {
    match micros {
        TIMESTAMP_INFINITY => return out.push_str("infinity"),
        TIMESTAMP_NEG_INFINITY => return out.push_str("-infinity"),
        _ => {}
    }
    let (days, time) = split_timestamp(micros);
    let before_christ = write_day(days, out);
    out.push(' ');
    write_time(time, out);
    if let Some(offset) = offset {
        write_offset(offset, out);
    }
    push_era(before_christ, out);
}

/// `2024-01-02`; whether the year is before Christ.
fn write_day(days: i64, out: &mut String) -> bool {
    let (year, month, day) = civil_from_days(days);
    let before_christ = year <= 0;
    let shown = if before_christ { 1 - year } else { year };
    push_padded(shown.unsigned_abs(), 4, out);
    out.push('-');
    push_two(month.into(), out);
    out.push('-');
    push_two(day.into(), out);
    before_christ
}

fn push_era(before_christ: bool, out: &mut String) {
    if before_christ {
        out.push_str(" BC");
    }
}

/// `+hh`, with `:mm` and `:ss` where they are not zero.
pub(super) fn write_offset(seconds: i32, out: &mut String) {
    out.push(if seconds < 0 { '-' } else { '+' });
    let seconds = u64::from(seconds.unsigned_abs());
    push_two(seconds / 3600, out);
    if seconds % 3600 != 0 {
        out.push(':');
        push_two(seconds / 60 % 60, out);
    }
    if seconds % 60 != 0 {
        out.push(':');
        push_two(seconds % 60, out);
    }
}
