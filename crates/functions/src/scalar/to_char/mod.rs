//! `to_char`, `to_date`, `to_timestamp` and `to_number`: values by template, both ways.

mod datetime;
mod datetime_in;
mod number;
mod number_in;
mod number_template;
mod template;

use types::Type::*;
use types::{Datum, Result};

use crate::argument::{date, float4, float8, int4, int8, interval, numeric, text, timestamp, timestamptz};
use crate::{Environment, Scalar};
pub(crate) use datetime::timestamptz_to_char;

pub(crate) static SCALARS: &[Scalar] = &[
    Scalar::new("to_char", &[Timestamp, Text], Text, |_, a| {
        datetime::timestamp_to_char(timestamp(a, 0)?, text(a, 1)?)
    })
    .stable(),
    Scalar::new("to_char", &[Timestamptz, Text], Text, |env, a| {
        let (micros, template) = (timestamptz(a, 0)?, text(a, 1)?);
        if template.is_empty() || !crate::time::is_finite(micros) {
            return Ok(Datum::Null);
        }
        timestamptz_to_char(env, micros, template).map(Datum::Text)
    })
    .stable(),
    Scalar::new("to_char", &[Interval, Text], Text, |_, a| {
        datetime::interval_to_char(interval(a, 0)?, text(a, 1)?)
    })
    .stable(),
    Scalar::new("to_char", &[Int4, Text], Text, |_, a| {
        number::integer(int4(a, 0)?.into(), text(a, 1)?)
    })
    .stable(),
    Scalar::new("to_char", &[Int8, Text], Text, |_, a| number::integer(int8(a, 0)?, text(a, 1)?)).stable(),
    Scalar::new("to_char", &[Float4, Text], Text, |_, a| {
        number::float(f64::from(float4(a, 0)?), 6, text(a, 1)?)
    })
    .stable(),
    Scalar::new("to_char", &[Float8, Text], Text, |_, a| {
        number::float(float8(a, 0)?, 15, text(a, 1)?)
    })
    .stable(),
    Scalar::new("to_char", &[Numeric, Text], Text, |_, a| {
        number::numeric(numeric(a, 0)?, text(a, 1)?)
    })
    .stable(),
    Scalar::new("to_number", &[Text, Text], Numeric, |_, a| {
        number_in::to_number(text(a, 0)?, text(a, 1)?)
    })
    .stable(),
    Scalar::new("to_date", &[Text, Text], Date, to_date).stable(),
    Scalar::new("to_timestamp", &[Text, Text], Timestamptz, |env, a| {
        datetime_in::to_timestamp(env, text(a, 0)?, text(a, 1)?)
    })
    .stable(),
];

fn to_date(_: &dyn Environment, a: &[Datum]) -> Result<Datum> {
    let parsed = datetime_in::to_date(text(a, 0)?, text(a, 1)?)?;
    date(&[Datum::Date(parsed)], 0).map(Datum::Date)
}
