//! `+` and `-` of dates, times, timestamps and intervals; `age`; `isfinite`.

use types::Type::*;
use types::{Datum, Interval, Result, SqlError, SqlState};

use super::interval;
use crate::argument::{date, int4, interval as interval_at, time as time_at, timestamp, timestamptz};
use crate::time::{self, DATE_INFINITY, DATE_NEG_INFINITY, DAY, Fields, checked_date, checked_timestamp, is_finite};
use crate::{Environment, Scalar};

type TimeZone = types::text::TimeZone;

pub(crate) static SCALARS: &[Scalar] = &[
    Scalar::new("date_pli", &[Date, Int4], Date, |_, a| {
        add_days(date(a, 0)?, i64::from(int4(a, 1)?))
    }),
    Scalar::new("integer_pl_date", &[Int4, Date], Date, |_, a| {
        add_days(date(a, 1)?, i64::from(int4(a, 0)?))
    }),
    Scalar::new("date_mii", &[Date, Int4], Date, |_, a| {
        add_days(date(a, 0)?, -i64::from(int4(a, 1)?))
    }),
    Scalar::new("date_mi", &[Date, Date], Int4, |_, a| date_difference(date(a, 0)?, date(a, 1)?)),
    Scalar::new("date_pl_interval", &[Date, Interval], Timestamp, |_, a| {
        local(time::date_to_timestamp(date(a, 0)?)?, interval_at(a, 1)?)
    }),
    Scalar::new("interval_pl_date", &[Interval, Date], Timestamp, |_, a| {
        local(time::date_to_timestamp(date(a, 1)?)?, interval_at(a, 0)?)
    }),
    Scalar::new("date_mi_interval", &[Date, Interval], Timestamp, |_, a| {
        local(time::date_to_timestamp(date(a, 0)?)?, interval::negated(interval_at(a, 1)?)?)
    }),
    Scalar::new("datetime_pl", &[Date, Time], Timestamp, |_, a| {
        at_time(date(a, 0)?, time_at(a, 1)?).map(Datum::Timestamp)
    }),
    Scalar::new("timestamp", &[Date, Time], Timestamp, |_, a| {
        at_time(date(a, 0)?, time_at(a, 1)?).map(Datum::Timestamp)
    }),
    Scalar::new("timedate_pl", &[Time, Date], Timestamp, |_, a| {
        at_time(date(a, 1)?, time_at(a, 0)?).map(Datum::Timestamp)
    }),
    Scalar::new("timestamptz", &[Date, Time], Timestamptz, |env, a| {
        Ok(Datum::Timestamptz(
            env.text_style().time_zone.to_utc(at_time(date(a, 0)?, time_at(a, 1)?)?),
        ))
    })
    .stable(),
    Scalar::new("timestamp_pl_interval", &[Timestamp, Interval], Timestamp, |_, a| {
        local(timestamp(a, 0)?, interval_at(a, 1)?)
    }),
    Scalar::new("interval_pl_timestamp", &[Interval, Timestamp], Timestamp, |_, a| {
        local(timestamp(a, 1)?, interval_at(a, 0)?)
    }),
    Scalar::new("timestamp_mi_interval", &[Timestamp, Interval], Timestamp, |_, a| {
        local(timestamp(a, 0)?, interval::negated(interval_at(a, 1)?)?)
    }),
    Scalar::new("timestamptz_pl_interval", &[Timestamptz, Interval], Timestamptz, |env, a| {
        zoned(env, timestamptz(a, 0)?, interval_at(a, 1)?)
    })
    .stable(),
    Scalar::new("interval_pl_timestamptz", &[Interval, Timestamptz], Timestamptz, |env, a| {
        zoned(env, timestamptz(a, 1)?, interval_at(a, 0)?)
    })
    .stable(),
    Scalar::new("timestamptz_mi_interval", &[Timestamptz, Interval], Timestamptz, |env, a| {
        zoned(env, timestamptz(a, 0)?, interval::negated(interval_at(a, 1)?)?)
    })
    .stable(),
    Scalar::new("timestamp_mi", &[Timestamp, Timestamp], Interval, |_, a| {
        difference(timestamp(a, 0)?, timestamp(a, 1)?)
    }),
    Scalar::new("timestamptz_mi", &[Timestamptz, Timestamptz], Interval, |_, a| {
        difference(timestamptz(a, 0)?, timestamptz(a, 1)?)
    }),
    Scalar::new("time_pl_interval", &[Time, Interval], Time, |_, a| {
        Ok(turn(time_at(a, 0)?, interval_at(a, 1)?.micros))
    }),
    Scalar::new("interval_pl_time", &[Interval, Time], Time, |_, a| {
        Ok(turn(time_at(a, 1)?, interval_at(a, 0)?.micros))
    }),
    Scalar::new("time_mi_interval", &[Time, Interval], Time, |_, a| {
        Ok(turn(time_at(a, 0)?, -(interval_at(a, 1)?.micros % DAY)))
    }),
    Scalar::new("time_mi_time", &[Time, Time], Interval, |_, a| {
        Ok(Datum::Interval(types::Interval {
            months: 0,
            days: 0,
            micros: time_at(a, 0)? - time_at(a, 1)?,
        }))
    }),
    Scalar::new("age", &[Timestamp, Timestamp], Interval, |_, a| {
        age(timestamp(a, 0)?, timestamp(a, 1)?)
    }),
    Scalar::new("age", &[Timestamptz, Timestamptz], Interval, |env, a| {
        let zone = env.text_style().time_zone;
        age(zone.to_local(timestamptz(a, 0)?), zone.to_local(timestamptz(a, 1)?))
    }),
    Scalar::new("age", &[Timestamp], Interval, |env, a| age(today(env), timestamp(a, 0)?)).stable(),
    Scalar::new("age", &[Timestamptz], Interval, |env, a| {
        age(today(env), env.text_style().time_zone.to_local(timestamptz(a, 0)?))
    })
    .stable(),
    Scalar::new("isfinite", &[Date], Bool, |_, a| {
        Ok(Datum::Bool(!matches!(date(a, 0)?, DATE_INFINITY | DATE_NEG_INFINITY)))
    }),
    Scalar::new("isfinite", &[Timestamp], Bool, |_, a| Ok(Datum::Bool(is_finite(timestamp(a, 0)?)))),
    Scalar::new("isfinite", &[Timestamptz], Bool, |_, a| {
        Ok(Datum::Bool(is_finite(timestamptz(a, 0)?)))
    }),
    Scalar::new("isfinite", &[Interval], Bool, |_, _| Ok(Datum::Bool(true))),
];

fn add_days(days: i32, more: i64) -> Result<Datum> {
    if matches!(days, DATE_INFINITY | DATE_NEG_INFINITY) {
        return Ok(Datum::Date(days));
    }
    checked_date(i32::try_from(i64::from(days) + more).ok()).map(Datum::Date)
}

fn date_difference(left: i32, right: i32) -> Result<Datum> {
    let infinite = |days| matches!(days, DATE_INFINITY | DATE_NEG_INFINITY);
    if infinite(left) || infinite(right) {
        return Err(SqlError::new(SqlState::DatetimeFieldOverflow, "cannot subtract infinite dates"));
    }
    // The range of dates is smaller than that of i32.
    Ok(Datum::Int4(left.wrapping_sub(right)))
}

fn at_time(days: i32, micros: i64) -> Result<i64> {
    match time::date_to_timestamp(days)? {
        midnight if is_finite(midnight) => checked_timestamp(midnight.checked_add(micros)),
        infinite => Ok(infinite),
    }
}

fn turn(time: i64, micros: i64) -> Datum {
    Datum::Time((time + micros % DAY).rem_euclid(DAY))
}

fn local(micros: i64, interval: Interval) -> Result<Datum> {
    add(micros, interval).map(Datum::Timestamp)
}

/// Months by the calendar (the day is cut to the month's length), then days, then microseconds.
pub(crate) fn add(micros: i64, interval: Interval) -> Result<i64> {
    if !is_finite(micros) {
        return Ok(micros);
    }
    let mut micros = micros;
    if interval.months != 0 {
        micros = add_months(micros, interval.months)?;
    }
    if interval.days != 0 {
        micros = checked_timestamp(i64::from(interval.days).checked_mul(DAY).and_then(|days| micros.checked_add(days)))?;
    }
    checked_timestamp(micros.checked_add(interval.micros))
}

fn add_months(micros: i64, months: i32) -> Result<i64> {
    let mut fields = Fields::of_timestamp(micros);
    let total = fields.year * 12 + (fields.month - 1) + i64::from(months);
    fields.year = total.div_euclid(12);
    fields.month = total.rem_euclid(12) + 1;
    fields.day = fields.day.min(time::days_in_month(fields.year, fields.month));
    fields.timestamp()
}

fn zoned(env: &dyn Environment, micros: i64, interval: Interval) -> Result<Datum> {
    add_zoned(&env.text_style().time_zone, micros, interval).map(Datum::Timestamptz)
}

/// Months and days on the wall clock of the zone; microseconds as they pass.
pub(crate) fn add_zoned(zone: &TimeZone, micros: i64, interval: Interval) -> Result<i64> {
    if !is_finite(micros) {
        return Ok(micros);
    }
    let mut micros = micros;
    if interval.months != 0 {
        micros = checked_timestamp(Some(zone.to_utc(add_months(zone.to_local(micros), interval.months)?)))?;
    }
    if interval.days != 0 {
        let local = i64::from(interval.days)
            .checked_mul(DAY)
            .and_then(|days| zone.to_local(micros).checked_add(days));
        micros = checked_timestamp(Some(zone.to_utc(checked_timestamp(local)?)))?;
    }
    checked_timestamp(micros.checked_add(interval.micros))
}

/// Days and microseconds, no months.
pub(crate) fn difference(left: i64, right: i64) -> Result<Datum> {
    if !is_finite(left) || !is_finite(right) {
        return Err(SqlError::new(
            SqlState::DatetimeFieldOverflow,
            "cannot subtract infinite timestamps",
        ));
    }
    let micros = left.checked_sub(right).ok_or_else(interval::out_of_range)?;
    Ok(Datum::Interval(types::Interval {
        months: 0,
        days: (micros / DAY) as i32,
        micros: micros % DAY,
    }))
}

/// Midnight of the transaction's day on the session's clock.
fn today(env: &dyn Environment) -> i64 {
    let local = env.text_style().time_zone.to_local(env.transaction_timestamp());
    local.div_euclid(DAY) * DAY
}

/// The difference in years, months, days and so on, as people count it.
fn age(later: i64, earlier: i64) -> Result<Datum> {
    if !is_finite(later) || !is_finite(earlier) {
        return Err(time::timestamp_out_of_range());
    }
    let (a, b) = (Fields::of_timestamp(later), Fields::of_timestamp(earlier));
    let negative = later < earlier;
    let sign = if negative { -1 } else { 1 };
    let mut micros = (a.time() - b.time()) * sign;
    let mut days = (a.day - b.day) * sign;
    let mut months = ((a.year - b.year) * 12 + (a.month - b.month)) * sign;
    if micros < 0 {
        micros += DAY;
        days -= 1;
    }
    // Days are borrowed from the month of the earlier moment.
    let borrowed = if negative { a } else { b };
    while days < 0 {
        days += time::days_in_month(borrowed.year, borrowed.month);
        months -= 1;
    }
    let months = i32::try_from(months * sign).map_err(|_| interval::out_of_range())?;
    Ok(Datum::Interval(types::Interval {
        months,
        days: (days * sign) as i32,
        micros: micros * sign,
    }))
}
