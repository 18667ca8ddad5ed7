//! Arithmetic of intervals.

use types::Type::*;
use types::{Datum, Interval, Result, SqlError, SqlState};

use crate::Scalar;
use crate::argument::{float8, interval};
use crate::scalar::arithmetic::division_by_zero;
use crate::time::{DAY, SECOND};

/// As everywhere in PostgreSQL's intervals.
const DAYS_PER_MONTH: i32 = 30;
const SECONDS_PER_DAY: f64 = 86_400.0;

pub(crate) static SCALARS: &[Scalar] = &[
    Scalar::new("interval_pl", &[Interval, Interval], Interval, |_, a| {
        sum(interval(a, 0)?, interval(a, 1)?).map(Datum::Interval)
    }),
    Scalar::new("interval_mi", &[Interval, Interval], Interval, |_, a| {
        difference(interval(a, 0)?, interval(a, 1)?).map(Datum::Interval)
    }),
    Scalar::new("interval_um", &[Interval], Interval, |_, a| {
        negated(interval(a, 0)?).map(Datum::Interval)
    }),
    Scalar::new("interval_mul", &[Interval, Float8], Interval, |_, a| {
        scaled(interval(a, 0)?, |x| x * a1(a)).map(Datum::Interval)
    }),
    Scalar::new("mul_d_interval", &[Float8, Interval], Interval, |_, a| {
        let factor = float8(a, 0)?;
        scaled(interval(a, 1)?, |x| x * factor).map(Datum::Interval)
    }),
    Scalar::new("interval_div", &[Interval, Float8], Interval, |_, a| {
        divided(interval(a, 0)?, float8(a, 1)?).map(Datum::Interval)
    }),
    Scalar::new("justify_days", &[Interval], Interval, |_, a| {
        justify_days(interval(a, 0)?).map(Datum::Interval)
    }),
    Scalar::new("justify_hours", &[Interval], Interval, |_, a| {
        justify_hours(interval(a, 0)?).map(Datum::Interval)
    }),
    Scalar::new("justify_interval", &[Interval], Interval, |_, a| {
        justify_interval(interval(a, 0)?).map(Datum::Interval)
    }),
];

fn a1(args: &[Datum]) -> f64 {
    float8(args, 1).unwrap_or(f64::NAN)
}

pub(crate) fn out_of_range() -> SqlError {
    SqlError::new(SqlState::DatetimeFieldOverflow, "interval out of range")
}

pub(crate) fn sum(a: Interval, b: Interval) -> Result<Interval> {
    checked(
        a.months.checked_add(b.months),
        a.days.checked_add(b.days),
        a.micros.checked_add(b.micros),
    )
}

pub(crate) fn difference(a: Interval, b: Interval) -> Result<Interval> {
    checked(
        a.months.checked_sub(b.months),
        a.days.checked_sub(b.days),
        a.micros.checked_sub(b.micros),
    )
}

pub(crate) fn negated(a: Interval) -> Result<Interval> {
    checked(a.months.checked_neg(), a.days.checked_neg(), a.micros.checked_neg())
}

fn checked(months: Option<i32>, days: Option<i32>, micros: Option<i64>) -> Result<Interval> {
    match (months, days, micros) {
        (Some(months), Some(days), Some(micros)) => Ok(Interval { months, days, micros }),
        _ => Err(out_of_range()),
    }
}

/// Rounded to microseconds.
fn to_micros(x: f64) -> f64 {
    (x * 1e6).round_ties_even() / 1e6
}

fn to_i32(x: f64) -> Result<i32> {
    if x > -2147483649.0 && x < 2147483648.0 {
        Ok(x as i32)
    } else {
        Err(out_of_range())
    }
}

/// Each field is multiplied (or divided) on its own; fractions of months become days of 30 to the month, fractions
/// of days become time.
fn scaled(a: Interval, operation: impl Fn(f64) -> f64) -> Result<Interval> {
    let exact_months = operation(f64::from(a.months));
    let exact_days = operation(f64::from(a.days));
    let months = to_i32(exact_months)?;
    let mut days = to_i32(exact_days)?;
    let month_days = to_micros((exact_months - f64::from(months)) * f64::from(DAYS_PER_MONTH));
    let mut seconds = to_micros((exact_days - f64::from(days) + month_days - month_days.trunc()) * SECONDS_PER_DAY);
    if seconds.abs() >= SECONDS_PER_DAY {
        let whole = (seconds / SECONDS_PER_DAY).trunc();
        days = days.checked_add(whole as i32).ok_or_else(out_of_range)?;
        seconds -= whole * SECONDS_PER_DAY;
    }
    days = days.checked_add(month_days as i32).ok_or_else(out_of_range)?;
    let micros = (operation(a.micros as f64) + seconds * SECOND as f64).round_ties_even();
    if !(-9223372036854775808.0..9223372036854775808.0).contains(&micros) {
        return Err(out_of_range());
    }
    Ok(Interval {
        months,
        days,
        micros: micros as i64,
    })
}

pub(crate) fn divided(a: Interval, divisor: f64) -> Result<Interval> {
    if divisor == 0.0 {
        return Err(division_by_zero());
    }
    scaled(a, |x| x / divisor)
}

/// An interval times a fraction, for `percentile_cont`.
pub(crate) fn times(a: Interval, factor: f64) -> Result<Interval> {
    scaled(a, |x| x * factor)
}

fn justify_days(mut a: Interval) -> Result<Interval> {
    let months = a.days / DAYS_PER_MONTH;
    a.days -= months * DAYS_PER_MONTH;
    a.months = a.months.checked_add(months).ok_or_else(out_of_range)?;
    if a.months > 0 && a.days < 0 {
        a.days += DAYS_PER_MONTH;
        a.months -= 1;
    } else if a.months < 0 && a.days > 0 {
        a.days -= DAYS_PER_MONTH;
        a.months += 1;
    }
    Ok(a)
}

fn justify_hours(mut a: Interval) -> Result<Interval> {
    let days = (a.micros / DAY) as i32; // at most 107 million
    a.micros %= DAY;
    a.days = a.days.checked_add(days).ok_or_else(out_of_range)?;
    if a.days > 0 && a.micros < 0 {
        a.micros += DAY;
        a.days -= 1;
    } else if a.days < 0 && a.micros > 0 {
        a.micros -= DAY;
        a.days += 1;
    }
    Ok(a)
}

fn justify_interval(a: Interval) -> Result<Interval> {
    // Time first, without settling its sign: days may still become months.
    let days = a.days.checked_add((a.micros / DAY) as i32).ok_or_else(out_of_range)?;
    let mut a = Interval {
        days,
        micros: a.micros % DAY,
        ..a
    };
    let months = a.days / DAYS_PER_MONTH;
    a.days -= months * DAYS_PER_MONTH;
    a.months = a.months.checked_add(months).ok_or_else(out_of_range)?;
    if a.months > 0 && (a.days < 0 || (a.days == 0 && a.micros < 0)) {
        a.days += DAYS_PER_MONTH;
        a.months -= 1;
    } else if a.months < 0 && (a.days > 0 || (a.days == 0 && a.micros > 0)) {
        a.days -= DAYS_PER_MONTH;
        a.months += 1;
    }
    if a.days > 0 && a.micros < 0 {
        a.micros += DAY;
        a.days -= 1;
    } else if a.days < 0 && a.micros > 0 {
        a.micros -= DAY;
        a.days += 1;
    }
    Ok(a)
}
