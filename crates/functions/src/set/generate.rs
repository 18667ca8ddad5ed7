//! `generate_series`.

use types::text::TimeZone;
use types::{Datum, Interval, Numeric, Result, SqlError, SqlState, Type};

use super::{Rows, SetFunction};
use crate::argument::{int4, int8, interval, numeric, timestamp, timestamptz};
use crate::scalar::datetime::arithmetic::{add, add_zoned};
use crate::time::DAY;

const INT4: Type = Type::Int4;
const INT8: Type = Type::Int8;

pub(crate) static SET_FUNCTIONS: &[SetFunction] = &[
    SetFunction::new("generate_series", &[INT4, INT4], &[("generate_series", INT4)], |_, a| {
        integers(int4(a, 0)?.into(), int4(a, 1)?.into(), 1, |v| Datum::Int4(v as i32))
    }),
    SetFunction::new("generate_series", &[INT4, INT4, INT4], &[("generate_series", INT4)], |_, a| {
        integers(int4(a, 0)?.into(), int4(a, 1)?.into(), int4(a, 2)?.into(), |v| {
            Datum::Int4(v as i32)
        })
    }),
    SetFunction::new("generate_series", &[INT8, INT8], &[("generate_series", INT8)], |_, a| {
        integers(int8(a, 0)?, int8(a, 1)?, 1, Datum::Int8)
    }),
    SetFunction::new("generate_series", &[INT8, INT8, INT8], &[("generate_series", INT8)], |_, a| {
        integers(int8(a, 0)?, int8(a, 1)?, int8(a, 2)?, Datum::Int8)
    }),
    SetFunction::new(
        "generate_series",
        &[Type::Numeric, Type::Numeric],
        &[("generate_series", Type::Numeric)],
        |_, a| numerics(numeric(a, 0)?, numeric(a, 1)?, &Numeric::one()),
    ),
    SetFunction::new(
        "generate_series",
        &[Type::Numeric, Type::Numeric, Type::Numeric],
        &[("generate_series", Type::Numeric)],
        |_, a| numerics(numeric(a, 0)?, numeric(a, 1)?, numeric(a, 2)?),
    ),
    SetFunction::new(
        "generate_series",
        &[Type::Timestamp, Type::Timestamp, Type::Interval],
        &[("generate_series", Type::Timestamp)],
        |_, a| moments(timestamp(a, 0)?, timestamp(a, 1)?, interval(a, 2)?, None),
    ),
    SetFunction::new(
        "generate_series",
        &[Type::Timestamptz, Type::Timestamptz, Type::Interval],
        &[("generate_series", Type::Timestamptz)],
        |env, a| {
            moments(
                timestamptz(a, 0)?,
                timestamptz(a, 1)?,
                interval(a, 2)?,
                Some(env.text_style().time_zone),
            )
        },
    ),
];

fn step_zero() -> SqlError {
    SqlError::new(SqlState::InvalidParameterValue, "step size cannot equal zero")
}

/// Every value lies between `start` and `stop`, so a cast back to their type is exact.
fn integers(start: i64, stop: i64, step: i64, datum: fn(i64) -> Datum) -> Result<Rows> {
    if step == 0 {
        return Err(step_zero());
    }
    let mut next = Some(start);
    Ok(Box::new(std::iter::from_fn(move || {
        let value = next?;
        if (step > 0 && value > stop) || (step < 0 && value < stop) {
            return None;
        }
        next = value.checked_add(step);
        Some(Ok(vec![datum(value)]))
    })))
}

fn numerics(start: &Numeric, stop: &Numeric, step: &Numeric) -> Result<Rows> {
    for (name, value) in [("start", start), ("stop", stop), ("step size", step)] {
        let what = match value {
            Numeric::Finite(_) => continue,
            Numeric::NaN => "NaN",
            Numeric::Infinity | Numeric::NegInfinity => "infinity",
        };
        let name = if name == "step size" {
            name.to_string()
        } else {
            format!("{name} value")
        };
        return Err(SqlError::new(SqlState::InvalidParameterValue, format!("{name} cannot be {what}")));
    }
    if step.is_zero() {
        return Err(step_zero());
    }
    let rises = *step > Numeric::zero();
    let (stop, step) = (stop.clone(), step.clone());
    let mut next = Some(Ok(start.clone()));
    Ok(Box::new(std::iter::from_fn(move || {
        let value = match next.take()? {
            Ok(value) => value,
            Err(error) => return Some(Err(error)),
        };
        if (rises && value > stop) || (!rises && value < stop) {
            return None;
        }
        next = Some(value.add(&step));
        Some(Ok(vec![Datum::Numeric(value)]))
    })))
}

/// With a zone, steps of days and months follow its wall clock.
fn moments(start: i64, stop: i64, step: Interval, zone: Option<TimeZone>) -> Result<Rows> {
    // The sign of the step by PostgreSQL's measure: months of 30 days, days of 24 hours.
    let size = (i128::from(step.months) * 30 + i128::from(step.days)) * i128::from(DAY) + i128::from(step.micros);
    if size == 0 {
        return Err(step_zero());
    }
    let mut next = Some(Ok(start));
    Ok(Box::new(std::iter::from_fn(move || {
        let value = match next.take()? {
            Ok(value) => value,
            Err(error) => return Some(Err(error)),
        };
        if (size > 0 && value > stop) || (size < 0 && value < stop) {
            return None;
        }
        // A series from infinity is its first value over and over, as in PostgreSQL; cancelling ends it.
        next = Some(match &zone {
            None => add(value, step),
            Some(zone) => add_zoned(zone, value, step),
        });
        Some(Ok(vec![if zone.is_some() {
            Datum::Timestamptz(value)
        } else {
            Datum::Timestamp(value)
        }]))
    })))
}
