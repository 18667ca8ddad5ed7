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

pub(crate) use types::calendar::{DATE_INFINITY, DATE_NEG_INFINITY, MAX_DATE, MIN_DATE, MIN_TIMESTAMP};
/// Counted from 1970, the last moments of PostgreSQL's year 294276 don't fit: ours end in January 294247.
pub(crate) const END_TIMESTAMP: i64 = i64::MAX;

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
    micros
        .filter(|micros| (MIN_TIMESTAMP..END_TIMESTAMP).contains(micros))
        .ok_or_else(timestamp_out_of_range)
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
    if is_finite(micros) {
        Datum::Time(micros.rem_euclid(DAY))
    } else {
        Datum::Null
    }
}

/// Orders two dates or timestamps of any kind. A date beyond the timestamps is beyond them all.
pub(crate) fn compare_moments(env: &dyn Environment, args: &[Datum]) -> Result<Ordering> {
    let [left, right] = args else {
        return Err(SqlError::internal("a comparison takes two arguments"));
    };
    let zoned = matches!(left, Datum::Timestamptz(_)) || matches!(right, Datum::Timestamptz(_));
    let moment = |datum: &Datum| -> Result<i64> {
        let local = match datum {
            Datum::Timestamptz(micros) => return Ok(*micros),
            Datum::Timestamp(micros) => *micros,
            Datum::Date(days) => date_to_timestamp(*days).unwrap_or(if *days > 0 { INFINITY - 1 } else { NEG_INFINITY + 1 }),
            _ => return Err(SqlError::internal("a comparison of moments got something else")),
        };
        let in_range = (MIN_TIMESTAMP..END_TIMESTAMP).contains(&local);
        Ok(if zoned && in_range {
            env.text_style().time_zone.to_utc(local)
        } else {
            local
        })
    };
    Ok(moment(left)?.cmp(&moment(right)?))
}

/// A moment taken apart. Year 0 is 1 BC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fields {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    pub(crate) micros: i64,
}

impl Fields {
    pub(crate) fn of_timestamp(micros: i64) -> Fields {
        let (year, month, day) = civil(micros.div_euclid(DAY));
        Fields {
            year,
            month,
            day,
            ..Fields::of_time(micros.rem_euclid(DAY))
        }
    }

    /// Of a time of day, on no date.
    pub(crate) fn of_time(micros: i64) -> Fields {
        Fields {
            year: 0,
            month: 0,
            day: 0,
            hour: micros / HOUR,
            minute: micros % HOUR / MINUTE,
            second: micros % MINUTE / SECOND,
            micros: micros % SECOND,
        }
    }

    pub(crate) fn time(&self) -> i64 {
        self.hour * HOUR + self.minute * MINUTE + self.second * SECOND + self.micros
    }

    pub(crate) fn timestamp(&self) -> Result<i64> {
        let days = days_of_civil(self.year, self.month, self.day);
        checked_timestamp(days.checked_mul(DAY).and_then(|micros| micros.checked_add(self.time())))
    }
}

/// Days since 1970 of a date of the Gregorian calendar, extended to all times; the month may lie
/// outside 1..=12. (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".)
pub(crate) fn days_of_civil(year: i64, month: i64, day: i64) -> i64 {
    let months = year * 12 + (month - 1);
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// (year, month, day) of a day since 1970.
pub(crate) fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted_month + 2) / 5 + 1)
}

pub(crate) fn days_in_month(year: i64, month: i64) -> i64 {
    days_of_civil(year, month + 1, 1) - days_of_civil(year, month, 1)
}

/// 0 is Sunday.
pub(crate) fn day_of_week(days: i64) -> i64 {
    (days + 4).rem_euclid(7)
}

/// 1 is January 1st.
pub(crate) fn day_of_year(days: i64) -> i64 {
    let (year, _, _) = civil(days);
    days - days_of_civil(year, 1, 1) + 1
}

/// The Monday that begins ISO week 1 of a year: the one whose week has January 4th.
pub(crate) fn first_iso_monday(year: i64) -> i64 {
    let fourth = days_of_civil(year, 1, 4);
    fourth - (day_of_week(fourth) + 6) % 7
}

/// The ISO year and week of a day.
pub(crate) fn iso_week(days: i64) -> (i64, i64) {
    let (year, _, _) = civil(days);
    let iso_year = if days >= first_iso_monday(year + 1) {
        year + 1
    } else if days < first_iso_monday(year) {
        year - 1
    } else {
        year
    };
    (iso_year, (days - first_iso_monday(iso_year)) / 7 + 1)
}

/// The Julian day number of 1970-01-01.
pub(crate) const UNIX_JULIAN_DAY: i64 = 2_440_588;

/// A year as it is written: there is no year 0, 1 BC is -1.
pub(crate) fn written_year(year: i64) -> i64 {
    if year > 0 { year } else { year - 1 }
}
