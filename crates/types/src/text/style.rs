//! The session settings that the text form of a value depends on.

use chrono_tz::Tz;

/// What `TimeZone`, `DateStyle`, `IntervalStyle`, `bytea_output` and `extra_float_digits` say,
/// and what time the inputs `now` and `today` mean.
#[derive(Clone, Debug)]
pub struct TextStyle {
    pub time_zone: TimeZone,
    /// How `01/02/03` reads; output is always ISO.
    pub date_order: DateOrder,
    pub interval_style: IntervalStyle,
    pub bytea_output: ByteaOutput,
    /// Above 0: the shortest text that reads back the same. 0 and below: 15 (real: 6) digits plus this.
    pub extra_float_digits: i32,
    /// The transaction's start, microseconds since 1970 UTC; None reads the system clock.
    pub now: Option<i64>,
}

impl Default for TextStyle {
    fn default() -> TextStyle {
        TextStyle {
            time_zone: TimeZone::Named(Tz::UTC),
            date_order: DateOrder::Mdy,
            interval_style: IntervalStyle::Postgres,
            bytea_output: ByteaOutput::Hex,
            extra_float_digits: 1,
            now: None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateOrder {
    Mdy,
    Dmy,
    Ymd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntervalStyle {
    Postgres,
    PostgresVerbose,
    SqlStandard,
    Iso8601,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteaOutput {
    Hex,
    Escape,
}

/// A time zone: a name of the IANA database, or a fixed offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeZone {
    Named(Tz),
    /// Seconds east of UTC.
    Fixed(i32),
}

impl TimeZone {
    /// A zone as `SET TIME ZONE` and `AT TIME ZONE` name it: IANA names in any case, abbreviations,
    /// `+02:00` in POSIX's sign; None where there is no such zone.
    pub fn from_name(name: &str) -> Option<TimeZone> {
        let _ = name;
        None
    }

    /// Seconds east of UTC at an instant (microseconds since 1970 UTC).
    pub fn offset_at(&self, utc_micros: i64) -> i32 {
        let _ = utc_micros;
        0
    }

    /// Seconds east of UTC at a local wall time (microseconds since 1970 of that wall clock). In a gap the
    /// offset before it, in a fold the offset of standard time, as PostgreSQL's `DetermineTimeZoneOffset`.
    pub fn offset_of_local(&self, local_micros: i64) -> i32 {
        let _ = local_micros;
        0
    }

    /// `timestamptz` -> wall clock: `timezone(zone, timestamptz)`. Infinities stay.
    pub fn to_local(&self, utc_micros: i64) -> i64 {
        utc_micros
    }

    /// Wall clock -> `timestamptz`: `timezone(zone, timestamp)`. Infinities stay.
    pub fn to_utc(&self, local_micros: i64) -> i64 {
        local_micros
    }
}

impl std::fmt::Display for TimeZone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TimeZone::Named(tz) => f.write_str(tz.name()),
            TimeZone::Fixed(seconds) => write!(f, "{seconds}"),
        }
    }
}
