//! Intervals as text: PostgreSQL's words (`1 year 2 mons 3 days 04:05:06`), SQL's (`1-2 3 4:05:06`)
//! and ISO 8601's (`P1Y2M3DT4H5M6S`) in, the four interval styles out.

mod iso;
mod output;
mod typmod;
mod words;

use crate::calendar::{DAYS_PER_MONTH, MICROS_PER_DAY};
use crate::{Interval, Result, SqlError, SqlState};

use super::datetime::Failure;
use super::style::TextStyle;

pub(super) use output::write_interval;
pub use typmod::{apply_typmod, declared};

pub(super) fn parse_interval(text: &str, typmod: i32, style: &TextStyle) -> Result<Interval> {
    let parts = match words::read(text, typmod::range(typmod), style.interval_style) {
        Err(Failure::BadFormat) => iso::read(text),
        other => other,
    };
    let parts = parts.map_err(|failure| match failure {
        Failure::FieldOverflow => Failure::IntervalOverflow.into_error(text, "interval"),
        other => other.into_error(text, "interval"),
    })?;
    let months = parts.years.checked_mul(12).and_then(|months| months.checked_add(parts.months));
    let months = months.ok_or_else(|| SqlError::new(SqlState::DatetimeFieldOverflow, "interval out of range"))?;
    apply_typmod(
        Interval {
            months,
            days: parts.days,
            micros: parts.micros,
        },
        typmod,
    )
}

/// What has been added up so far. Each step is checked: 22015 beyond a field's range.
#[derive(Clone, Copy, Debug, Default)]
struct Parts {
    years: i32,
    months: i32,
    days: i32,
    micros: i64,
}

impl Parts {
    /// `value` and `fraction` of a unit of so many microseconds.
    fn add_micros(&mut self, value: i64, fraction: f64, unit: i64) -> Option<()> {
        self.micros = self.micros.checked_add(value.checked_mul(unit)?)?;
        self.add_fraction_of_micros(fraction, unit)
    }

    /// Rounds to the nearest microsecond.
    fn add_fraction_of_micros(&mut self, fraction: f64, unit: i64) -> Option<()> {
        let scaled = fraction * unit as f64;
        let mut whole = scaled as i64;
        let rest = scaled - whole as f64;
        if rest > 0.5 {
            whole += 1;
        } else if rest < -0.5 {
            whole -= 1;
        }
        self.micros = self.micros.checked_add(whole)?;
        Some(())
    }

    fn add_days(&mut self, value: i64, unit: i32) -> Option<()> {
        self.days = self.days.checked_add(i32::try_from(value).ok()?.checked_mul(unit)?)?;
        Some(())
    }

    /// A fraction of so many days: whole days, and the rest as time.
    fn add_fraction_of_days(&mut self, fraction: f64, unit: i64) -> Option<()> {
        let scaled = fraction * unit as f64;
        let whole = scaled as i32;
        self.days = self.days.checked_add(whole)?;
        self.add_fraction_of_micros(scaled - f64::from(whole), MICROS_PER_DAY)
    }

    fn add_months(&mut self, value: i64) -> Option<()> {
        self.months = self.months.checked_add(i32::try_from(value).ok()?)?;
        Some(())
    }

    fn add_years(&mut self, value: i64, unit: i32) -> Option<()> {
        self.years = self.years.checked_add(i32::try_from(value).ok()?.checked_mul(unit)?)?;
        Some(())
    }

    /// Rounds to whole months.
    fn add_fraction_of_years(&mut self, fraction: f64, unit: i32) -> Option<()> {
        let months = (fraction * f64::from(unit) * 12.0).round_ties_even() as i32;
        self.months = self.months.checked_add(months)?;
        Some(())
    }

    fn add(&mut self, unit: Unit, value: i64, fraction: f64) -> Result<(), Failure> {
        let added = match unit {
            Unit::Microsecond => self.add_micros(value, fraction, 1),
            Unit::Millisecond => self.add_micros(value, fraction, 1000),
            Unit::Second => self.add_micros(value, fraction, crate::calendar::MICROS_PER_SECOND),
            Unit::Minute => self.add_micros(value, fraction, crate::calendar::MICROS_PER_MINUTE),
            Unit::Hour => self.add_micros(value, fraction, crate::calendar::MICROS_PER_HOUR),
            Unit::Day => self
                .add_days(value, 1)
                .and_then(|()| self.add_fraction_of_micros(fraction, MICROS_PER_DAY)),
            Unit::Week => self.add_days(value, 7).and_then(|()| self.add_fraction_of_days(fraction, 7)),
            Unit::Month => self
                .add_months(value)
                .and_then(|()| self.add_fraction_of_days(fraction, DAYS_PER_MONTH)),
            Unit::Year => self.add_years(value, 1).and_then(|()| self.add_fraction_of_years(fraction, 1)),
            Unit::Decade => self.add_years(value, 10).and_then(|()| self.add_fraction_of_years(fraction, 10)),
            Unit::Century => self.add_years(value, 100).and_then(|()| self.add_fraction_of_years(fraction, 100)),
            Unit::Millennium => self
                .add_years(value, 1000)
                .and_then(|()| self.add_fraction_of_years(fraction, 1000)),
        };
        added.ok_or(Failure::FieldOverflow)
    }

    fn negated(self) -> Option<Parts> {
        Some(Parts {
            years: self.years.checked_neg()?,
            months: self.months.checked_neg()?,
            days: self.days.checked_neg()?,
            micros: self.micros.checked_neg()?,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
    Decade,
    Century,
    Millennium,
}
