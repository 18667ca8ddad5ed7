//! `generate_series`.

use types::{Datum, Result, SqlError, SqlState, Type};

use super::{Rows, SetFunction};
use crate::argument::{int4, int8};

const INT4: Type = Type::Int4;
const INT8: Type = Type::Int8;

pub(crate) static SET_FUNCTIONS: &[SetFunction] = &[
    SetFunction::new("generate_series", &[INT4, INT4], &[("generate_series", INT4)], |_, a| {
        integers(int4(a, 0)?.into(), int4(a, 1)?.into(), 1, |v| Datum::Int4(v as i32))
    }),
    SetFunction::new("generate_series", &[INT4, INT4, INT4], &[("generate_series", INT4)], |_, a| {
        integers(int4(a, 0)?.into(), int4(a, 1)?.into(), int4(a, 2)?.into(), |v| Datum::Int4(v as i32))
    }),
    SetFunction::new("generate_series", &[INT8, INT8], &[("generate_series", INT8)], |_, a| {
        integers(int8(a, 0)?, int8(a, 1)?, 1, Datum::Int8)
    }),
    SetFunction::new("generate_series", &[INT8, INT8, INT8], &[("generate_series", INT8)], |_, a| {
        integers(int8(a, 0)?, int8(a, 1)?, int8(a, 2)?, Datum::Int8)
    }),
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
