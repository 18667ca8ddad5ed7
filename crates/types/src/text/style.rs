//! The session settings that the text form of a value depends on.

use std::time::{SystemTime, UNIX_EPOCH};

use super::zone::TimeZone;

/// What `TimeZone`, `DateStyle`, `IntervalStyle`, `bytea_output` and `extra_float_digits` say,
/// and what time the inputs `now` and `today` mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextStyle {
    pub time_zone: TimeZone,
    /// How `01/02/03` reads; output is always ISO.
    pub date_order: DateOrder,
    pub interval_style: IntervalStyle,
    pub bytea_output: ByteaOutput,
    /// Above 0: the shortest text that reads back the same. 0 and below: 15 (real: 6) digits plus this.
    pub extra_float_digits: i32,
    /// The transaction's start, microseconds since 1970 UTC; None asks the clock.
    pub now: Option<i64>,
}

impl Default for TextStyle {
    fn default() -> TextStyle {
        TextStyle {
            time_zone: TimeZone::UTC,
            date_order: DateOrder::Mdy,
            interval_style: IntervalStyle::Postgres,
            bytea_output: ByteaOutput::Hex,
            extra_float_digits: 1,
            now: None,
        }
    }
}

impl TextStyle {
    /// What `now` means, in microseconds since 1970 UTC.
    pub fn now_micros(&self) -> i64 {
        self.now.unwrap_or_else(|| {
            let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since_1970.as_micros()).unwrap_or(0)
        })
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
