//! `make_date` and its kin.

use types::Type::*;
use types::text::TimeZone;
use types::{Datum, Result, SqlError, SqlState};

use super::clock::zone_named;
use super::interval::out_of_range;
use crate::Scalar;
use crate::argument::{float8, int4, text};
use crate::time::{self, DAY, Fields, SECOND, checked_timestamp};

const FIELDS: &[&str] = &["year", "month", "mday", "hour", "min", "sec"];
const FIELDS_AND_ZONE: &[&str] = &["year", "month", "mday", "hour", "min", "sec", "timezone"];
const INTERVAL: &[&str] = &["years", "months", "weeks", "days", "hours", "mins", "secs"];

pub(crate) static SCALARS: &[Scalar] = &[
    Scalar::new("make_date", &[Int4, Int4, Int4], Date, |_, a| date(a).map(Datum::Date)).named(&["year", "month", "day"]),
    Scalar::new("make_time", &[Int4, Int4, Float8], Time, |_, a| time_of_day(a, 0).map(Datum::Time)).named(&["hour", "min", "sec"]),
    Scalar::new("make_timestamp", &[Int4, Int4, Int4, Int4, Int4, Float8], Timestamp, |_, a| {
        timestamp(a).map(Datum::Timestamp)
    })
    .named(FIELDS),
    Scalar::new(
        "make_timestamptz",
        &[Int4, Int4, Int4, Int4, Int4, Float8],
        Timestamptz,
        |env, a| zoned(a, &env.text_style().time_zone),
    )
    .named(FIELDS)
    .stable(),
    Scalar::new(
        "make_timestamptz",
        &[Int4, Int4, Int4, Int4, Int4, Float8, Text],
        Timestamptz,
        |_, a| zoned(a, &zone_named(text(a, 6)?)?),
    )
    .named(FIELDS_AND_ZONE)
    .stable(),
    Scalar::new("make_interval", &[], Interval, |_, a| interval(a)),
    Scalar::new("make_interval", &[Int4], Interval, |_, a| interval(a)),
    Scalar::new("make_interval", &[Int4, Int4], Interval, |_, a| interval(a)),
    Scalar::new("make_interval", &[Int4, Int4, Int4], Interval, |_, a| interval(a)),
    Scalar::new("make_interval", &[Int4, Int4, Int4, Int4], Interval, |_, a| interval(a)),
    Scalar::new("make_interval", &[Int4, Int4, Int4, Int4, Int4], Interval, |_, a| interval(a)),
    Scalar::new("make_interval", &[Int4, Int4, Int4, Int4, Int4, Int4], Interval, |_, a| interval(a)),
    Scalar::new("make_interval", &[Int4, Int4, Int4, Int4, Int4, Int4, Float8], Interval, |_, a| {
        interval(a)
    })
    .named(INTERVAL)
    .defaults(&["0", "0", "0", "0", "0", "0", "0"]),
];

/// A negative year is BC.
fn date(args: &[Datum]) -> Result<i32> {
    let (year, month, day) = (int4(args, 0)?, int4(args, 1)?, int4(args, 2)?);
    let refused = || {
        SqlError::new(
            SqlState::DatetimeFieldOverflow,
            format!("date field value out of range: {year}-{month:02}-{day:02}"),
        )
    };
    let astronomical = i64::from(year) + i64::from(year < 0);
    let (month, day) = (i64::from(month), i64::from(day));
    if year == 0 || !(1..=12).contains(&month) || day < 1 || day > time::days_in_month(astronomical, month) {
        return Err(refused());
    }
    let days = time::days_of_civil(astronomical, month, day);
    time::checked_date(i32::try_from(days).ok()).map_err(|_| {
        SqlError::new(
            SqlState::DatetimeFieldOverflow,
            format!("date out of range: {year}-{month:02}-{day:02}"),
        )
    })
}

fn time_of_day(args: &[Datum], at: usize) -> Result<i64> {
    let (hour, minute, seconds) = (int4(args, at)?, int4(args, at + 1)?, float8(args, at + 2)?);
    let refused = || {
        let message = format!("time field value out of range: {hour}:{minute:02}:{seconds:02}");
        SqlError::new(SqlState::DatetimeFieldOverflow, message)
    };
    if !(0.0..=60.0).contains(&seconds) || !(0..60).contains(&minute) || !(0..=24).contains(&hour) {
        return Err(refused());
    }
    let whole = (i64::from(hour) * 60 + i64::from(minute)) * 60 * SECOND;
    let micros = whole + (seconds * SECOND as f64).round_ties_even() as i64;
    if micros > DAY { Err(refused()) } else { Ok(micros) }
}

fn timestamp(args: &[Datum]) -> Result<i64> {
    let midnight = time::date_to_timestamp(date(args)?).map_err(|_| {
        let (year, month, day) = (int4(args, 0).unwrap_or(0), int4(args, 1).unwrap_or(0), int4(args, 2).unwrap_or(0));
        SqlError::new(
            SqlState::DatetimeFieldOverflow,
            format!("date out of range: {year}-{month:02}-{day:02}"),
        )
    })?;
    checked_timestamp(midnight.checked_add(time_of_day(args, 3)?))
}

fn zoned(args: &[Datum], zone: &TimeZone) -> Result<Datum> {
    checked_timestamp(Some(zone.to_utc(timestamp(args)?))).map(Datum::Timestamptz)
}

fn interval(args: &[Datum]) -> Result<Datum> {
    let part = |index| if args.len() > index { int4(args, index) } else { Ok(0) };
    let seconds = if args.len() > 6 { float8(args, 6)? } else { 0.0 };
    if !seconds.is_finite() {
        return Err(out_of_range());
    }
    let months = part(0)?
        .checked_mul(12)
        .and_then(|months| months.checked_add(part(1).unwrap_or(0)))
        .ok_or_else(out_of_range)?;
    let days = part(2)?
        .checked_mul(7)
        .and_then(|days| days.checked_add(part(3).unwrap_or(0)))
        .ok_or_else(out_of_range)?;
    let micros = (seconds * SECOND as f64).round_ties_even();
    if !(-9223372036854775808.0..9223372036854775808.0).contains(&micros) {
        return Err(out_of_range());
    }
    let whole = Fields {
        year: 0,
        month: 0,
        day: 0,
        hour: part(4)?.into(),
        minute: part(5)?.into(),
        second: 0,
        micros: 0,
    }
    .time();
    let micros = whole.checked_add(micros as i64).ok_or_else(out_of_range)?;
    Ok(Datum::Interval(types::Interval { months, days, micros }))
}
