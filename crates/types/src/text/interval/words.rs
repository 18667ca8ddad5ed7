//! `1 year 2 mons -3 days 04:05:06 ago`, and SQL's `1-2 3 4:05:06` (PostgreSQL's `DecodeInterval`).

use crate::calendar::{MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND};
use crate::text::datetime::tokens::{Kind, split};
use crate::text::datetime::{Failure, leading_i64, leading_int, read_clock};
use crate::text::style::IntervalStyle;

use super::typmod::field;
use super::{Parts, Unit};

/// Reads from right to left: units come before their numbers that way.
pub(super) fn read(text: &str, range: i32, style: IntervalStyle) -> Result<Parts, Failure> {
    let fields = split(text)?;
    let mut parts = Parts::default();
    // SQL's -1 1:00:00 means minus one day and minus one hour, PostgreSQL's plus one hour.
    let all_negative = style == IntervalStyle::SqlStandard
        && fields.first().is_some_and(|field| field.text.starts_with('-'))
        && !fields.iter().skip(1).any(|field| field.text.starts_with(['-', '+']));
    let mut unit = None;
    let mut ago = false;
    let mut given = Given::default();
    for field in fields.iter().rev() {
        match field.kind {
            Kind::Time => {
                parts.micros = read_time(&field.text, range)?;
                if all_negative {
                    parts.micros = -parts.micros.abs();
                }
                given.add(Given::TIME)?;
                unit = Some(Named::Unit(Unit::Day));
            }
            Kind::Signed if field.text[1..].contains(':') && read_time(&field.text[1..], range).is_ok() => {
                let micros = read_time(&field.text[1..], range)?;
                parts.micros = if field.text.starts_with('-') || all_negative {
                    -micros
                } else {
                    micros
                };
                given.add(Given::TIME)?;
                unit = Some(Named::Unit(Unit::Day));
            }
            Kind::Signed | Kind::Date | Kind::Number => {
                let unit_here = match unit {
                    None => default_unit(range),
                    Some(Named::Unit(unit)) => unit,
                    Some(Named::Useless) => return Err(Failure::BadFormat),
                };
                let next = number(&field.text, unit_here, all_negative, &mut parts, &mut given)?;
                unit = Some(Named::Unit(next));
            }
            Kind::Word | Kind::Special => match word(&field.text)? {
                Word::Named(named) => unit = Some(named),
                Word::Ago => {
                    // A number before it has no unit.
                    ago = true;
                    unit = Some(Named::Useless);
                }
            },
        }
    }
    if given.bits == 0 {
        return Err(Failure::BadFormat);
    }
    if ago {
        parts.negated().ok_or(Failure::FieldOverflow)
    } else {
        Ok(parts)
    }
}

/// One number of a unit, or SQL's `years-months`; the unit for the number before it.
fn number(text: &str, unit: Unit, all_negative: bool, parts: &mut Parts, given: &mut Given) -> Result<Unit, Failure> {
    let negative = text.starts_with('-');
    let (mut value, rest) = leading_i64(text).ok_or(Failure::FieldOverflow)?;
    let mut unit = unit;
    let mut fraction = 0.0;
    if let Some(months) = rest.strip_prefix('-') {
        let (months, rest) = leading_int(months).ok_or(Failure::FieldOverflow)?;
        if !(0..12).contains(&months) {
            return Err(Failure::FieldOverflow);
        }
        if !rest.is_empty() {
            return Err(Failure::BadFormat);
        }
        unit = Unit::Month;
        let months = i64::from(if negative { -months } else { months });
        value = value
            .checked_mul(12)
            .and_then(|value| value.checked_add(months))
            .ok_or(Failure::FieldOverflow)?;
    } else if !rest.is_empty() {
        fraction = read_fraction(rest)?;
        if negative {
            fraction = -fraction;
        }
    }
    if all_negative {
        value = if value > 0 { -value } else { value };
        fraction = -f64::abs(fraction);
    }
    parts.add(unit, value, fraction)?;
    given.add(match unit {
        Unit::Second if fraction != 0.0 => Given::SECONDS,
        Unit::Microsecond => 1,
        Unit::Millisecond => 1 << 1,
        Unit::Second => 1 << 2,
        Unit::Minute => 1 << 3,
        Unit::Hour => 1 << 4,
        Unit::Day => 1 << 5,
        Unit::Week => 1 << 6,
        Unit::Month => 1 << 7,
        Unit::Year => 1 << 8,
        Unit::Decade => 1 << 9,
        Unit::Century => 1 << 10,
        Unit::Millennium => 1 << 11,
    })?;
    // A number before hours, without a unit of its own, is of days.
    Ok(if unit == Unit::Hour { Unit::Day } else { unit })
}

/// Each unit may stand once.
#[derive(Default)]
struct Given {
    bits: u32,
}

impl Given {
    const SECONDS: u32 = 0b111;
    const TIME: u32 = 0b11111;

    fn add(&mut self, bits: u32) -> Result<(), Failure> {
        if self.bits & bits != 0 {
            return Err(Failure::BadFormat);
        }
        self.bits |= bits;
        Ok(())
    }
}

/// `.5`; `.` alone is nothing.
pub(super) fn read_fraction(text: &str) -> Result<f64, Failure> {
    let digits = text.strip_prefix('.').ok_or(Failure::BadFormat)?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Failure::BadFormat);
    }
    if digits.is_empty() {
        Ok(0.0)
    } else {
        format!("0.{digits}").parse().map_err(|_| Failure::BadFormat)
    }
}

/// `hh:mm:ss` in microseconds; hours have no limit but the type's.
fn read_time(text: &str, range: i32) -> Result<i64, Failure> {
    let mut clock = read_clock(text)?;
    if clock.two_parts && range == (field::MINUTE | field::SECOND) {
        clock.second = clock.minute;
        clock.minute = i32::try_from(clock.hour).map_err(|_| Failure::FieldOverflow)?;
        clock.hour = 0;
        if clock.minute > 59 {
            return Err(Failure::FieldOverflow);
        }
    }
    let hours = clock.hour.checked_mul(MICROS_PER_HOUR);
    let rest = i64::from(clock.minute) * MICROS_PER_MINUTE + i64::from(clock.second) * MICROS_PER_SECOND + clock.micros;
    hours.and_then(|hours| hours.checked_add(rest)).ok_or(Failure::FieldOverflow)
}

/// The unit of a number without one: the smallest that was declared.
fn default_unit(range: i32) -> Unit {
    if range == field::ALL || range & field::SECOND != 0 {
        Unit::Second
    } else if range & field::MINUTE != 0 {
        Unit::Minute
    } else if range & field::HOUR != 0 {
        Unit::Hour
    } else if range & field::DAY != 0 {
        Unit::Day
    } else if range & field::MONTH != 0 {
        Unit::Month
    } else if range & field::YEAR != 0 {
        Unit::Year
    } else {
        Unit::Second
    }
}

#[derive(Clone, Copy)]
enum Named {
    Unit(Unit),
    /// Known to PostgreSQL, but nothing that an interval is made of: `quarter`.
    Useless,
}

enum Word {
    Named(Named),
    Ago,
}

/// PostgreSQL's `deltatktbl`. Words count up to their tenth letter.
fn word(text: &str) -> Result<Word, Failure> {
    let unit = match text.get(..10).unwrap_or(text) {
        "ago" => return Ok(Word::Ago),
        "us" | "usec" | "usecond" | "useconds" | "usecs" | "microsecon" => Unit::Microsecond,
        "ms" | "msec" | "msecond" | "mseconds" | "msecs" | "millisecon" => Unit::Millisecond,
        "s" | "sec" | "second" | "seconds" | "secs" => Unit::Second,
        "m" | "min" | "mins" | "minute" | "minutes" => Unit::Minute,
        "h" | "hour" | "hours" | "hr" | "hrs" => Unit::Hour,
        "d" | "day" | "days" => Unit::Day,
        "w" | "week" | "weeks" => Unit::Week,
        "mon" | "mons" | "month" | "months" => Unit::Month,
        "y" | "year" | "years" | "yr" | "yrs" => Unit::Year,
        "dec" | "decs" | "decade" | "decades" => Unit::Decade,
        "c" | "cent" | "century" | "centuries" => Unit::Century,
        "mil" | "mils" | "millennia" | "millennium" => Unit::Millennium,
        "qtr" | "quarter" | "timezone" | "timezone_h" | "timezone_m" => return Ok(Word::Named(Named::Useless)),
        _ => return Err(Failure::BadFormat),
    };
    Ok(Word::Named(Named::Unit(unit)))
}
