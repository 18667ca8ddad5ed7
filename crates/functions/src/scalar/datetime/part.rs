//! `extract` (numeric) and `date_part` (double precision).

use bigdecimal::BigDecimal;
use types::Type::*;
use types::{Datum, Interval, Numeric, Result, SqlError, Type};

use super::units::{Unit, not_recognized, not_supported};
use crate::argument::{date, interval, text, time as time_at, timestamp, timestamptz};
use crate::time::{self, DAY, Fields, HOUR, INFINITY, MINUTE, SECOND, is_finite};
use crate::{Environment, Scalar};

pub(crate) static SCALARS: &[Scalar] = &[
    Scalar::new("extract", &[Text, Date], Numeric, |_, a| of_date(text(a, 0)?, date(a, 1)?)),
    Scalar::new("extract", &[Text, Time], Numeric, |_, a| {
        of_time(text(a, 0)?, time_at(a, 1)?).map(Part::numeric)
    }),
    Scalar::new("extract", &[Text, Timestamp], Numeric, |_, a| {
        of_timestamp(text(a, 0)?, timestamp(a, 1)?).map(Part::numeric)
    }),
    Scalar::new("extract", &[Text, Timestamptz], Numeric, |env, a| {
        of_timestamptz(env, a).map(Part::numeric)
    })
    .stable(),
    Scalar::new("extract", &[Text, Interval], Numeric, |_, a| {
        of_interval(text(a, 0)?, interval(a, 1)?).map(Part::numeric)
    }),
    Scalar::new("date_part", &[Text, Date], Float8, |_, a| {
        of_timestamp(text(a, 0)?, time::date_to_timestamp(date(a, 1)?)?)?.float()
    }),
    Scalar::new("date_part", &[Text, Time], Float8, |_, a| {
        of_time(text(a, 0)?, time_at(a, 1)?)?.float()
    }),
    Scalar::new("date_part", &[Text, Timestamp], Float8, |_, a| {
        of_timestamp(text(a, 0)?, timestamp(a, 1)?)?.float()
    }),
    Scalar::new("date_part", &[Text, Timestamptz], Float8, |env, a| of_timestamptz(env, a)?.float()).stable(),
    Scalar::new("date_part", &[Text, Interval], Float8, |_, a| {
        of_interval(text(a, 0)?, interval(a, 1)?)?.float()
    }),
];

/// A part, as an integer over a power of ten.
enum Part {
    Null,
    Infinite { negative: bool },
    Number { value: i128, scale: i64 },
}

impl Part {
    fn whole(value: i64) -> Part {
        Part::Number {
            value: value.into(),
            scale: 0,
        }
    }

    fn scaled(value: i64, scale: i64) -> Part {
        Part::Number {
            value: value.into(),
            scale,
        }
    }

    fn numeric(self) -> Datum {
        match self {
            Part::Null => Datum::Null,
            Part::Infinite { negative: false } => Datum::Numeric(Numeric::Infinity),
            Part::Infinite { negative: true } => Datum::Numeric(Numeric::NegInfinity),
            Part::Number { value, scale } => Datum::Numeric(Numeric::Finite(BigDecimal::new(value.into(), scale))),
        }
    }

    fn float(self) -> Result<Datum> {
        match self {
            Part::Null => Ok(Datum::Null),
            Part::Infinite { negative: false } => Ok(Datum::Float8(f64::INFINITY)),
            Part::Infinite { negative: true } => Ok(Datum::Float8(f64::NEG_INFINITY)),
            part @ Part::Number { .. } => match part.numeric() {
                Datum::Numeric(number) => number.to_f64().map(Datum::Float8),
                _ => Err(SqlError::internal("a number is numeric")),
            },
        }
    }
}

/// Seconds and smaller: `None` for other units.
fn of_seconds(unit: Unit, micros_of_minute: i64) -> Option<Part> {
    match unit {
        Unit::Microseconds => Some(Part::whole(micros_of_minute)),
        Unit::Milliseconds => Some(Part::scaled(micros_of_minute, 3)),
        Unit::Second => Some(Part::scaled(micros_of_minute, 6)),
        _ => None,
    }
}

/// Centuries and millennia begin with a year 1; there is no century 0.
fn group_of_years(year: i64, size: i64) -> i64 {
    if year > 0 {
        (year + size - 1) / size
    } else {
        -((size - 1 - (year - 1)) / size)
    }
}

fn decade(year: i64) -> i64 {
    year.div_euclid(10)
}

fn of_timestamp(name: &str, micros: i64) -> Result<Part> {
    let unit = Unit::parse(name).ok_or_else(|| not_recognized(name, Timestamp))?;
    if matches!(unit, Unit::Timezone | Unit::TimezoneHour | Unit::TimezoneMinute) {
        return Err(not_supported(name, Timestamp));
    }
    of_moment(unit, micros, micros, Timestamp, name)
}

fn of_timestamptz(env: &dyn Environment, args: &[Datum]) -> Result<Part> {
    let (name, micros) = (text(args, 0)?, timestamptz(args, 1)?);
    let unit = Unit::parse(name).ok_or_else(|| not_recognized(name, Timestamptz))?;
    let zone = &env.text_style().time_zone;
    if is_finite(micros) {
        let offset = i64::from(zone.offset_at(micros));
        match unit {
            Unit::Timezone => return Ok(Part::whole(offset)),
            Unit::TimezoneHour => return Ok(Part::whole(offset / 3600)),
            Unit::TimezoneMinute => return Ok(Part::whole(offset % 3600 / 60)),
            _ => {}
        }
    }
    of_moment(unit, zone.to_local(micros), micros, Timestamptz, name)
}

/// `local` is the wall clock, `absolute` what the epoch counts.
fn of_moment(unit: Unit, local: i64, absolute: i64, ty: Type, name: &str) -> Result<Part> {
    if !is_finite(local) {
        return Ok(match unit {
            // What goes up and down has no value at the end of time.
            Unit::Microseconds
            | Unit::Milliseconds
            | Unit::Second
            | Unit::Minute
            | Unit::Hour
            | Unit::Day
            | Unit::Month
            | Unit::Quarter
            | Unit::Week
            | Unit::DayOfWeek
            | Unit::IsoDayOfWeek
            | Unit::DayOfYear
            | Unit::Timezone
            | Unit::TimezoneHour
            | Unit::TimezoneMinute => Part::Null,
            Unit::Year | Unit::Decade | Unit::Century | Unit::Millennium | Unit::Julian | Unit::IsoYear | Unit::Epoch => Part::Infinite {
                negative: local != INFINITY,
            },
        });
    }
    let fields = Fields::of_timestamp(local);
    let days = local.div_euclid(DAY);
    if let Some(part) = of_seconds(unit, fields.second * SECOND + fields.micros) {
        return Ok(part);
    }
    Ok(match unit {
        Unit::Minute => Part::whole(fields.minute),
        Unit::Hour => Part::whole(fields.hour),
        Unit::Epoch => Part::scaled(absolute, 6),
        Unit::Julian => julian(days, local.rem_euclid(DAY)),
        other => of_day(other, days).ok_or_else(|| not_supported(name, ty))?,
    })
}

/// The Julian day and the fraction of it that has passed.
fn julian(days: i64, micros: i64) -> Part {
    let day = days + time::UNIX_JULIAN_DAY;
    if micros == 0 {
        return Part::whole(day);
    }
    let fraction = Numeric::from(micros)
        .div(&Numeric::from(DAY))
        .and_then(|fraction| fraction.add(&Numeric::from(day)));
    match fraction {
        Ok(Numeric::Finite(value)) => {
            let (digits, scale) = value.into_bigint_and_exponent();
            match i128::try_from(digits) {
                Ok(value) => Part::Number { value, scale },
                Err(_) => Part::whole(day),
            }
        }
        _ => Part::whole(day),
    }
}

/// Days and larger.
fn of_day(unit: Unit, days: i64) -> Option<Part> {
    let (year, month, day) = time::civil(days);
    Some(Part::whole(match unit {
        Unit::Day => day,
        Unit::Month => month,
        Unit::Quarter => (month - 1) / 3 + 1,
        Unit::Week => time::iso_week(days).1,
        Unit::Year => time::written_year(year),
        Unit::Decade => decade(year),
        Unit::Century => group_of_years(year, 100),
        Unit::Millennium => group_of_years(year, 1000),
        Unit::IsoYear => time::written_year(time::iso_week(days).0),
        Unit::DayOfWeek => time::day_of_week(days),
        Unit::IsoDayOfWeek => (time::day_of_week(days) + 6) % 7 + 1,
        Unit::DayOfYear => time::day_of_year(days),
        _ => return None,
    }))
}

fn of_date(name: &str, days: i32) -> Result<Datum> {
    let unit = Unit::parse(name).ok_or_else(|| not_recognized(name, Date))?;
    match unit {
        Unit::Microseconds
        | Unit::Milliseconds
        | Unit::Second
        | Unit::Minute
        | Unit::Hour
        | Unit::Timezone
        | Unit::TimezoneHour
        | Unit::TimezoneMinute => return Err(not_supported(name, Date)),
        _ => {}
    }
    let days = i64::from(days);
    if days == i64::from(time::DATE_INFINITY) || days == i64::from(time::DATE_NEG_INFINITY) {
        let infinity = if days > 0 { INFINITY } else { time::NEG_INFINITY };
        return of_moment(unit, infinity, infinity, Date, name).map(Part::numeric);
    }
    Ok(match unit {
        Unit::Julian => Part::whole(days + time::UNIX_JULIAN_DAY),
        Unit::Epoch => Part::whole(days * 86_400),
        other => of_day(other, days).ok_or_else(|| not_supported(name, Date))?,
    }
    .numeric())
}

fn of_time(name: &str, micros: i64) -> Result<Part> {
    let unit = Unit::parse(name).ok_or_else(|| not_recognized(name, Time))?;
    if let Some(part) = of_seconds(unit, micros % MINUTE) {
        return Ok(part);
    }
    match unit {
        Unit::Minute => Ok(Part::whole(micros % HOUR / MINUTE)),
        Unit::Hour => Ok(Part::whole(micros / HOUR)),
        Unit::Epoch => Ok(Part::scaled(micros, 6)),
        _ => Err(not_supported(name, Time)),
    }
}

fn of_interval(name: &str, interval: Interval) -> Result<Part> {
    let unit = Unit::parse(name).ok_or_else(|| not_recognized(name, Type::Interval))?;
    let (years, months) = (i64::from(interval.months / 12), i64::from(interval.months % 12));
    if let Some(part) = of_seconds(unit, interval.micros % MINUTE) {
        return Ok(part);
    }
    Ok(match unit {
        Unit::Minute => Part::whole(interval.micros % HOUR / MINUTE),
        Unit::Hour => Part::whole(interval.micros / HOUR),
        Unit::Day => Part::whole(interval.days.into()),
        Unit::Month => Part::whole(months),
        Unit::Quarter => Part::whole(months / 3 + 1),
        Unit::Year => Part::whole(years),
        Unit::Decade => Part::whole(years / 10),
        Unit::Century => Part::whole(years / 100),
        Unit::Millennium => Part::whole(years / 1000),
        Unit::Epoch => {
            // A year is 365.25 days here, a month of the rest 30.
            let quarter_days = i128::from(years) * 1461 + (i128::from(months) * 30 + i128::from(interval.days)) * 4;
            Part::Number {
                value: quarter_days * i128::from(DAY / 4) + i128::from(interval.micros),
                scale: 6,
            }
        }
        _ => return Err(not_supported(name, Type::Interval)),
    })
}
