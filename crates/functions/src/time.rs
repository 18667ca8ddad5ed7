//! The arithmetic of days and microseconds behind the date and time functions.
//!
//! Days and microseconds count from 1970 here; PostgreSQL's limits are 4713 BC and the years 5874897
//! (date) and 294276 (timestamp).

use std::cmp::Ordering;

use types::{Datum, Result, SqlError, SqlState};

use crate::Environment;

/// Microseconds in a day, an hour, a minute, a second.
pub(crate) const DAY: i64 = 86_400_000_000;
pub(crate) const HOUR: i64 = 3_600_000_000;
pub(crate) const MINUTE: i64 = 60_000_000;
pub(crate) const SECOND: i64 = 1_000_000;

/// 4714-11-24 BC, the first day of all.
pub(crate) const MIN_DATE: i32 = -2_440_588;
/// 5874897-12-31.
pub(crate) const MAX_DATE: i32 = 2_145_031_948;
pub(crate) const MIN_TIMESTAMP: i64 = -210_866_803_200_000_000;
/// The first moment after 294276-12-31.
pub(crate) const END_TIMESTAMP: i64 = 9_224_318_016_000_000_000;

pub(crate) const DATE_INFINITY: i32 = i32::MAX;
pub(crate) const DATE_NEG_INFINITY: i32 = i32::MIN;
pub(crate) const INFINITY: i64 = i64::MAX;
pub(crate) const NEG_INFINITY: i64 = i64::MIN;

pub(crate) fn is_finite(micros: i64) -> bool {
    micros != INFINITY && micros != NEG_INFINITY
}

pub(crate) fn timestamp_out_of_range() -> SqlError {
    SqlError::new(SqlState::DatetimeFieldOverflow, "timestamp out of range")
}

/// The value if a timestamp can be it.
pub(crate) fn checked_timestamp(micros: Option<i64>) -> Result<i64> {
    micros.filter(|micros| (MIN_TIMESTAMP..END_TIMESTAMP).contains(micros)).ok_or_else(timestamp_out_of_range)
}

pub(crate) fn checked_date(days: Option<i32>) -> Result<i32> {
    days.filter(|days| (MIN_DATE..=MAX_DATE).contains(days))
        .ok_or_else(|| SqlError::new(SqlState::DatetimeFieldOverflow, "date out of range"))
}

/// Midnight of a date; infinities stay.
pub(crate) fn date_to_timestamp(days: i32) -> Result<i64> {
    match days {
        DATE_INFINITY => Ok(INFINITY),
        DATE_NEG_INFINITY => Ok(NEG_INFINITY),
        days => checked_timestamp(i64::from(days).checked_mul(DAY))
            .map_err(|_| SqlError::new(SqlState::DatetimeFieldOverflow, "date out of range for timestamp")),
    }
}

pub(crate) fn timestamp_to_date(micros: i64) -> i32 {
    match micros {
        INFINITY => DATE_INFINITY,
        NEG_INFINITY => DATE_NEG_INFINITY,
        // At most 107 million days.
        micros => micros.div_euclid(DAY) as i32,
    }
}

/// The time of day; NULL for the infinities.
pub(crate) fn timestamp_to_time(micros: i64) -> Datum {
    if is_finite(micros) { Datum::Time(micros.rem_euclid(DAY)) } else { Datum::Null }
}

/// Orders two dates or timestamps of any kind. A date beyond the timestamps is beyond them all.
pub(crate) fn compare_moments(env: &dyn Environment, args: &[Datum]) -> Result<Ordering> {
    let [left, right] = args else { return Err(SqlError::internal("a comparison takes two arguments")) };
    let zoned = matches!(left, Datum::Timestamptz(_)) || matches!(right, Datum::Timestamptz(_));
    let moment = |datum: &Datum| -> Result<i64> {
        let local = match datum {
            Datum::Timestamptz(micros) => return Ok(*micros),
            Datum::Timestamp(micros) => *micros,
            Datum::Date(days) => date_to_timestamp(*days).unwrap_or(if *days > 0 { INFINITY - 1 } else { NEG_INFINITY + 1 }),
            _ => return Err(SqlError::internal("a comparison of moments got something else")),
        };
        let in_range = (MIN_TIMESTAMP..END_TIMESTAMP).contains(&local);
        Ok(if zoned && in_range { env.text_style().time_zone.to_utc(local) } else { local })
    };
    Ok(moment(left)?.cmp(&moment(right)?))
}
