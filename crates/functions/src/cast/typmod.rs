//! Lengths and precisions: what `varchar(3)`, `numeric(5,2)`, `timestamp(0)` do to a value.

use types::{Array, Datum, Interval, Result, SqlError, SqlState, Type};

use crate::time;

/// Applies a declared length or precision. On assignment text that is too long is refused unless
/// the rest is blanks; an explicit cast cuts it.
pub fn apply_typmod(datum: Datum, ty: Type, typmod: i32, explicit: bool) -> Result<Datum> {
    if typmod < 0 {
        return Ok(datum);
    }
    match (ty, datum) {
        (Type::Varchar, Datum::Text(text)) => limit_length(text, typmod, explicit, "character varying").map(Datum::Text),
        (Type::Bpchar, Datum::Text(text)) => {
            let mut text = limit_length(text, typmod, explicit, "character")?;
            let missing = length_of(typmod).saturating_sub(text.chars().count());
            text.extend(std::iter::repeat_n(' ', missing));
            Ok(Datum::Text(text))
        }
        (Type::Numeric, Datum::Numeric(value)) => value.apply_typmod(typmod).map(Datum::Numeric),
        (Type::Time, Datum::Time(micros)) => Ok(Datum::Time(round_micros(micros, typmod))),
        (Type::Timestamp, Datum::Timestamp(micros)) if time::is_finite(micros) => Ok(Datum::Timestamp(round_micros(micros, typmod))),
        (Type::Timestamptz, Datum::Timestamptz(micros)) if time::is_finite(micros) => Ok(Datum::Timestamptz(round_micros(micros, typmod))),
        (Type::Interval, Datum::Interval(interval)) => Ok(Datum::Interval(limit_interval(interval, typmod))),
        (Type::Array(element), Datum::Array(array)) => {
            let values = array
                .values
                .into_iter()
                .map(|value| apply_typmod(value, *element, typmod, explicit));
            Ok(Datum::Array(Box::new(Array {
                element: array.element,
                dims: array.dims,
                values: values.collect::<Result<_>>()?,
            })))
        }
        (_, datum) => Ok(datum),
    }
}

/// A string's typmod counts a header of 4 bytes.
fn length_of(typmod: i32) -> usize {
    usize::try_from(typmod.saturating_sub(4)).unwrap_or(0)
}

fn limit_length(mut text: String, typmod: i32, explicit: bool, type_name: &str) -> Result<String> {
    let length = length_of(typmod);
    if text.len() <= length {
        return Ok(text);
    }
    let Some((cut, _)) = text.char_indices().nth(length) else {
        return Ok(text);
    };
    if !explicit && text[cut..].contains(|c| c != ' ') {
        let message = format!("value too long for type {type_name}({length})");
        return Err(SqlError::new(SqlState::StringDataRightTruncation, message));
    }
    text.truncate(cut);
    Ok(text)
}

/// Rounds to `precision` digits of a second, halves away from zero.
pub(crate) fn round_micros(micros: i64, precision: i32) -> i64 {
    const SCALE: [i64; 7] = [1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];
    let Some(&unit) = usize::try_from(precision).ok().and_then(|precision| SCALE.get(precision)) else {
        return micros;
    };
    let half = unit / 2;
    if unit == 1 {
        micros
    } else if micros >= 0 {
        micros.saturating_add(half) / unit * unit
    } else {
        -(half.saturating_sub(micros) / unit * unit)
    }
}

/// An interval's typmod: which fields it keeps (`interval hour to minute`) above the precision.
fn limit_interval(mut interval: Interval, typmod: i32) -> Interval {
    const MONTH: i32 = 1 << 1;
    const DAY: i32 = 1 << 3;
    const HOUR: i32 = 1 << 10;
    const MINUTE: i32 = 1 << 11;
    const SECOND: i32 = 1 << 12;
    const FULL_RANGE: i32 = 0x7fff;
    const FULL_PRECISION: i32 = 0xffff;

    let range = (typmod >> 16) & FULL_RANGE;
    if range != FULL_RANGE {
        if range & (MONTH | DAY | HOUR | MINUTE | SECOND) == 0 {
            interval.months -= interval.months % 12;
        }
        if range & (DAY | HOUR | MINUTE | SECOND) == 0 {
            interval.days = 0;
        }
        if range & (HOUR | MINUTE | SECOND) == 0 {
            interval.micros = 0;
        } else if range & (MINUTE | SECOND) == 0 {
            interval.micros -= interval.micros % time::HOUR;
        } else if range & SECOND == 0 {
            interval.micros -= interval.micros % time::MINUTE;
        }
    }
    let precision = typmod & FULL_PRECISION;
    if precision != FULL_PRECISION {
        interval.micros = round_micros(interval.micros, precision);
    }
    interval
}
