//! `date_trunc` and `date_bin`.

use types::Type::*;
use types::{Datum, Interval, Result, SqlError, SqlState, Type};

use super::clock::zone_named;
use super::units::{Unit, not_recognized, not_supported};
use crate::Scalar;
use crate::argument::{interval, text, timestamp, timestamptz};
use crate::time::{self, DAY, Fields, HOUR, MINUTE, SECOND, checked_timestamp, is_finite};

pub(crate) static SCALARS: &[Scalar] = &[
    Scalar::new("date_trunc", &[Text, Timestamp], Timestamp, |_, a| {
        truncate(text(a, 0)?, timestamp(a, 1)?, Timestamp).map(Datum::Timestamp)
    }),
    Scalar::new("date_trunc", &[Text, Timestamptz], Timestamptz, |env, a| {
        zoned(a, &env.text_style().time_zone)
    })
    .stable(),
    Scalar::new("date_trunc", &[Text, Timestamptz, Text], Timestamptz, |_, a| {
        zoned(a, &zone_named(text(a, 2)?)?)
    })
    .stable(),
    Scalar::new("date_trunc", &[Text, Interval], Interval, |_, a| {
        truncate_interval(text(a, 0)?, interval(a, 1)?).map(Datum::Interval)
    }),
    Scalar::new("date_bin", &[Interval, Timestamp, Timestamp], Timestamp, |_, a| {
        bin(interval(a, 0)?, timestamp(a, 1)?, timestamp(a, 2)?).map(Datum::Timestamp)
    }),
    Scalar::new("date_bin", &[Interval, Timestamptz, Timestamptz], Timestamptz, |_, a| {
        bin(interval(a, 0)?, timestamptz(a, 1)?, timestamptz(a, 2)?).map(Datum::Timestamptz)
    }),
];

fn truncate(name: &str, micros: i64, ty: Type) -> Result<i64> {
    if !is_finite(micros) {
        return Ok(micros);
    }
    let unit = Unit::parse(name).ok_or_else(|| not_recognized(name, ty))?;
    let floor = |size: i64| micros.div_euclid(size) * size;
    let days = micros.div_euclid(DAY);
    let fields = Fields::of_timestamp(micros);
    let first_of = |year: i64, month: i64| checked_timestamp(time::days_of_civil(year, month, 1).checked_mul(DAY));
    let year = fields.year;
    match unit {
        Unit::Microseconds => Ok(micros),
        Unit::Milliseconds => Ok(floor(1000)),
        Unit::Second => Ok(floor(SECOND)),
        Unit::Minute => Ok(floor(MINUTE)),
        Unit::Hour => Ok(floor(HOUR)),
        Unit::Day => Ok(floor(DAY)),
        Unit::Week => checked_timestamp((days - (time::day_of_week(days) + 6) % 7).checked_mul(DAY)),
        Unit::Month => first_of(year, fields.month),
        Unit::Quarter => first_of(year, (fields.month - 1) / 3 * 3 + 1),
        Unit::Year => first_of(year, 1),
        Unit::Decade => first_of(if year > 0 { year / 10 * 10 } else { -((8 - (year - 1)) / 10 * 10) }, 1),
        Unit::Century => first_of(
            if year > 0 {
                (year + 99) / 100 * 100 - 99
            } else {
                -((99 - (year - 1)) / 100 * 100) + 1
            },
            1,
        ),
        Unit::Millennium => first_of(
            if year > 0 {
                (year + 999) / 1000 * 1000 - 999
            } else {
                -((999 - (year - 1)) / 1000 * 1000) + 1
            },
            1,
        ),
        Unit::Julian | Unit::IsoYear | Unit::DayOfWeek | Unit::IsoDayOfWeek | Unit::DayOfYear | Unit::Epoch => {
            Err(not_recognized(name, ty))
        }
        Unit::Timezone | Unit::TimezoneHour | Unit::TimezoneMinute => Err(not_supported(name, ty)),
    }
}

/// Truncated on the zone's wall clock. Below a day the offset is kept, so that an hour which the
/// clock shows twice stays the one it was.
fn zoned(args: &[Datum], zone: &types::text::TimeZone) -> Result<Datum> {
    let (name, micros) = (text(args, 0)?, timestamptz(args, 1)?);
    let local = truncate(name, if is_finite(micros) { zone.to_local(micros) } else { micros }, Timestamptz)?;
    if !is_finite(micros) {
        return Ok(Datum::Timestamptz(micros));
    }
    let keeps_offset = matches!(
        Unit::parse(name),
        Some(Unit::Microseconds | Unit::Milliseconds | Unit::Second | Unit::Minute | Unit::Hour)
    );
    let utc = if keeps_offset {
        local.checked_sub(i64::from(zone.offset_at(micros)) * SECOND)
    } else {
        Some(zone.to_utc(local))
    };
    checked_timestamp(utc).map(Datum::Timestamptz)
}

fn truncate_interval(name: &str, interval: Interval) -> Result<Interval> {
    let unit = Unit::parse(name).ok_or_else(|| not_recognized(name, Type::Interval))?;
    let Interval { months, days, micros } = interval;
    let whole = |months: i32| Interval {
        months,
        days: 0,
        micros: 0,
    };
    let below = |size: i64| Interval {
        months,
        days,
        micros: micros / size * size,
    };
    Ok(match unit {
        Unit::Microseconds => interval,
        Unit::Milliseconds => below(1000),
        Unit::Second => below(SECOND),
        Unit::Minute => below(MINUTE),
        Unit::Hour => below(HOUR),
        Unit::Day => Interval { months, days, micros: 0 },
        Unit::Month => whole(months),
        Unit::Quarter => whole(months / 3 * 3),
        Unit::Year => whole(months / 12 * 12),
        Unit::Decade => whole(months / 120 * 120),
        Unit::Century => whole(months / 1200 * 1200),
        Unit::Millennium => whole(months / 12_000 * 12_000),
        Unit::Week => return Err(not_supported(name, Type::Interval).detail("Months usually have fractional weeks.")),
        Unit::Julian | Unit::IsoYear | Unit::DayOfWeek | Unit::IsoDayOfWeek | Unit::DayOfYear | Unit::Epoch => {
            return Err(not_recognized(name, Type::Interval));
        }
        Unit::Timezone | Unit::TimezoneHour | Unit::TimezoneMinute => return Err(not_supported(name, Type::Interval)),
    })
}

/// The start of the stride, counted from `origin`, that the moment lies in.
fn bin(stride: Interval, moment: i64, origin: i64) -> Result<i64> {
    if !is_finite(moment) {
        return Ok(moment);
    }
    if !is_finite(origin) {
        return Err(SqlError::new(SqlState::DatetimeFieldOverflow, "origin out of range"));
    }
    if stride.months != 0 {
        return Err(SqlError::new(
            SqlState::FeatureNotSupported,
            "timestamps cannot be binned into intervals containing months or years",
        ));
    }
    let out_of_range = super::interval::out_of_range;
    let width = i64::from(stride.days)
        .checked_mul(DAY)
        .and_then(|days| days.checked_add(stride.micros))
        .ok_or_else(out_of_range)?;
    if width <= 0 {
        return Err(SqlError::new(SqlState::DatetimeFieldOverflow, "stride must be greater than zero"));
    }
    let distance = moment.checked_sub(origin).ok_or_else(out_of_range)?;
    checked_timestamp(
        distance
            .div_euclid(width)
            .checked_mul(width)
            .and_then(|steps| origin.checked_add(steps)),
    )
}
