//! The time now, and time zones.

use std::time::{SystemTime, UNIX_EPOCH};

use types::Type::*;
use types::text::TimeZone;
use types::{Datum, Interval, Result, SqlError, SqlState};

use crate::Scalar;
use crate::argument::{float8, interval, text, timestamp, timestamptz};
use crate::scalar::math::general;
use crate::time::{self, SECOND, checked_timestamp, is_finite};

pub(crate) static SCALARS: &[Scalar] = &[
    Scalar::new("now", &[], Timestamptz, |env, _| {
        Ok(Datum::Timestamptz(env.transaction_timestamp()))
    })
    .stable(),
    Scalar::new("transaction_timestamp", &[], Timestamptz, |env, _| {
        Ok(Datum::Timestamptz(env.transaction_timestamp()))
    })
    .stable(),
    Scalar::new("statement_timestamp", &[], Timestamptz, |env, _| {
        Ok(Datum::Timestamptz(env.statement_timestamp()))
    })
    .stable(),
    Scalar::new("clock_timestamp", &[], Timestamptz, |env, _| env.clock().map(Datum::Timestamptz)).volatile(),
    Scalar::new("timeofday", &[], Text, |env, _| {
        let now = env.clock()?;
        let template = "Dy Mon DD HH24:MI:SS.US YYYY TZ";
        crate::scalar::to_char::timestamptz_to_char(env, now, template).map(Datum::Text)
    })
    .volatile(),
    // What CURRENT_DATE, LOCALTIME and LOCALTIMESTAMP mean.
    Scalar::new("current_date", &[], Date, |env, _| {
        Ok(Datum::Date(time::timestamp_to_date(local_now(env))))
    })
    .stable(),
    Scalar::new("localtime", &[], Time, |env, _| Ok(time::timestamp_to_time(local_now(env)))).stable(),
    Scalar::new("localtimestamp", &[], Timestamp, |env, _| Ok(Datum::Timestamp(local_now(env)))).stable(),
    Scalar::new("current_timestamp", &[], Timestamptz, |env, _| {
        Ok(Datum::Timestamptz(env.transaction_timestamp()))
    })
    .stable(),
    Scalar::new("to_timestamp", &[Float8], Timestamptz, |_, a| {
        from_epoch(float8(a, 0)?).map(Datum::Timestamptz)
    }),
    Scalar::new("timezone", &[Text, Timestamp], Timestamptz, |_, a| {
        to_utc(&zone_named(text(a, 0)?)?, timestamp(a, 1)?)
    }),
    Scalar::new("timezone", &[Text, Timestamptz], Timestamp, |_, a| {
        to_local(&zone_named(text(a, 0)?)?, timestamptz(a, 1)?)
    }),
    Scalar::new("timezone", &[Interval, Timestamp], Timestamptz, |_, a| {
        to_utc(&zone_of(interval(a, 0)?)?, timestamp(a, 1)?)
    }),
    Scalar::new("timezone", &[Interval, Timestamptz], Timestamp, |_, a| {
        to_local(&zone_of(interval(a, 0)?)?, timestamptz(a, 1)?)
    }),
];

/// Microseconds since 1970 by the machine's clock.
pub fn system_clock() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX - 1))
}

fn local_now(env: &dyn crate::Environment) -> i64 {
    env.text_style().time_zone.to_local(env.transaction_timestamp())
}

fn from_epoch(seconds: f64) -> Result<i64> {
    if seconds.is_infinite() {
        return Ok(if seconds > 0.0 { time::INFINITY } else { time::NEG_INFINITY });
    }
    if seconds.is_nan() {
        return Err(SqlError::new(SqlState::DatetimeFieldOverflow, "timestamp cannot be NaN"));
    }
    let out_of_range = || {
        SqlError::new(
            SqlState::DatetimeFieldOverflow,
            format!("timestamp out of range: \"{}\"", general(seconds)),
        )
    };
    let micros = (seconds * SECOND as f64).round_ties_even();
    if !(time::MIN_TIMESTAMP as f64..time::END_TIMESTAMP as f64).contains(&micros) {
        return Err(out_of_range());
    }
    checked_timestamp(Some(micros as i64)).map_err(|_| out_of_range())
}

pub(super) fn zone_named(name: &str) -> Result<TimeZone> {
    TimeZone::from_name(name).ok_or_else(|| SqlError::new(SqlState::InvalidParameterValue, format!("time zone \"{name}\" not recognized")))
}

fn zone_of(offset: Interval) -> Result<TimeZone> {
    if offset.months != 0 || offset.days != 0 {
        let mut shown = String::new();
        types::text::format(Interval, &Datum::Interval(offset), &Default::default(), &mut shown);
        let message = format!("interval time zone \"{shown}\" must not include months or days");
        return Err(SqlError::new(SqlState::InvalidParameterValue, message));
    }
    i32::try_from(offset.micros / SECOND)
        .map(TimeZone::Fixed)
        .map_err(|_| time::timestamp_out_of_range())
}

fn to_utc(zone: &TimeZone, local: i64) -> Result<Datum> {
    if !is_finite(local) {
        return Ok(Datum::Timestamptz(local));
    }
    checked_timestamp(Some(zone.to_utc(local))).map(Datum::Timestamptz)
}

fn to_local(zone: &TimeZone, utc: i64) -> Result<Datum> {
    if !is_finite(utc) {
        return Ok(Datum::Timestamp(utc));
    }
    checked_timestamp(Some(zone.to_local(utc))).map(Datum::Timestamp)
}
