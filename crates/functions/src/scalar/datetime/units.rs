//! The names of units of time, in all of PostgreSQL's spellings.

use types::{SqlError, SqlState, Type};

use crate::scalar::string::lower;

/// What `extract`, `date_part` and `date_trunc` can be asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unit {
    Microseconds,
    Milliseconds,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    Decade,
    Century,
    Millennium,
    Julian,
    IsoYear,
    DayOfWeek,
    IsoDayOfWeek,
    DayOfYear,
    Epoch,
    Timezone,
    TimezoneHour,
    TimezoneMinute,
}

/// Names are compared by their first ten characters.
const TOKEN_LENGTH: usize = 10;

impl Unit {
    pub(super) fn parse(name: &str) -> Option<Unit> {
        let lower = lower(name);
        let token: String = lower.chars().take(TOKEN_LENGTH).collect();
        Some(match token.as_str() {
            "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecon" => Unit::Microseconds,
            "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisecon" => Unit::Milliseconds,
            "s" | "sec" | "secs" | "second" | "seconds" => Unit::Second,
            "m" | "min" | "mins" | "minute" | "minutes" => Unit::Minute,
            "h" | "hr" | "hrs" | "hour" | "hours" => Unit::Hour,
            "d" | "day" | "days" => Unit::Day,
            "w" | "week" | "weeks" => Unit::Week,
            "mon" | "mons" | "month" | "months" => Unit::Month,
            "qtr" | "quarter" => Unit::Quarter,
            "y" | "yr" | "yrs" | "year" | "years" => Unit::Year,
            "dec" | "decs" | "decade" | "decades" => Unit::Decade,
            "c" | "cent" | "century" | "centuries" => Unit::Century,
            "mil" | "mils" | "millennium" | "millennia" => Unit::Millennium,
            "j" | "jd" | "julian" => Unit::Julian,
            "isoyear" => Unit::IsoYear,
            "dow" => Unit::DayOfWeek,
            "isodow" => Unit::IsoDayOfWeek,
            "doy" => Unit::DayOfYear,
            "epoch" => Unit::Epoch,
            "timezone" => Unit::Timezone,
            "timezone_h" => Unit::TimezoneHour,
            "timezone_m" => Unit::TimezoneMinute,
            _ => return None,
        })
    }
}

pub(super) fn not_recognized(name: &str, ty: Type) -> SqlError {
    SqlError::new(
        SqlState::InvalidParameterValue,
        format!("unit \"{}\" not recognized for type {ty}", lower(name)),
    )
}

pub(super) fn not_supported(name: &str, ty: Type) -> SqlError {
    SqlError::new(
        SqlState::FeatureNotSupported,
        format!("unit \"{}\" not supported for type {ty}", lower(name)),
    )
}
