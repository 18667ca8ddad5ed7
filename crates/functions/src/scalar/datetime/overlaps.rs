//! `(a, b) OVERLAPS (c, d)`.

use types::Type::*;
use types::{Datum, Result, SqlError};

use super::arithmetic;
use crate::{Environment, Scalar};

macro_rules! overlaps {
    ($($t:ident $volatility:ident;)*) => {
        &[$(
            Scalar::new("overlaps", &[$t, $t, $t, $t], Bool, overlaps).lax().$volatility(),
            Scalar::new("overlaps", &[$t, Interval, $t, $t], Bool, overlaps).lax().$volatility(),
            Scalar::new("overlaps", &[$t, $t, $t, Interval], Bool, overlaps).lax().$volatility(),
            Scalar::new("overlaps", &[$t, Interval, $t, Interval], Bool, overlaps).lax().$volatility(),
        )*]
    };
}

pub(crate) static SCALARS: &[Scalar] = overlaps! {
    Time immutable;
    Timestamp immutable;
    Timestamptz stable;
};

/// One end of a period as a number; an interval counts from the period's start.
fn end(env: &dyn Environment, start: &Datum, end: &Datum) -> Result<Option<i64>> {
    let interval = match end {
        Datum::Null => return Ok(None),
        Datum::Time(micros) | Datum::Timestamp(micros) | Datum::Timestamptz(micros) => return Ok(Some(*micros)),
        Datum::Interval(interval) => *interval,
        _ => return Err(SqlError::internal("overlaps takes times and intervals")),
    };
    Ok(match start {
        Datum::Null => None,
        Datum::Time(micros) => Some((micros + interval.micros % crate::time::DAY).rem_euclid(crate::time::DAY)),
        Datum::Timestamp(micros) => Some(arithmetic::add(*micros, interval)?),
        Datum::Timestamptz(micros) => Some(arithmetic::add_zoned(&env.text_style().time_zone, *micros, interval)?),
        _ => return Err(SqlError::internal("overlaps takes times and intervals")),
    })
}

/// A period in order; with one end unknown, only the known one as the start. None: nothing is known.
fn period(a: Option<i64>, b: Option<i64>) -> Option<(i64, Option<i64>)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.min(b), Some(a.max(b)))),
        (Some(a), None) | (None, Some(a)) => Some((a, None)),
        (None, None) => None,
    }
}

/// Start-inclusive, end-exclusive; true, false, or NULL where an unknown end would decide.
fn overlaps(env: &dyn Environment, args: &[Datum]) -> Result<Datum> {
    let [a, b, c, d] = args else {
        return Err(SqlError::internal("overlaps takes four arguments"));
    };
    let first = period(end(env, &Datum::Null, a)?, end(env, a, b)?);
    let second = period(end(env, &Datum::Null, c)?, end(env, c, d)?);
    let (Some(first), Some(second)) = (first, second) else {
        return Ok(Datum::Null);
    };
    let (earlier, later) = if first.0 > second.0 { (second, first) } else { (first, second) };
    if earlier.0 == later.0 {
        // The same start: they share it, unless an end is unknown.
        return Ok(if earlier.1.is_none() || later.1.is_none() {
            Datum::Null
        } else {
            Datum::Bool(true)
        });
    }
    Ok(match earlier.1 {
        None => Datum::Null,
        Some(end) if later.0 < end => Datum::Bool(true),
        // An unknown end of the later one may still reach back to nothing: it starts too late.
        Some(_) if later.1.is_none() => Datum::Null,
        Some(_) => Datum::Bool(false),
    })
}
