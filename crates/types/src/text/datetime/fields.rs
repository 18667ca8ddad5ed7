//! The parts of a date and time, and which of them a text has given.

use crate::calendar::{MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND, MIN_DATE, civil_from_days, days_from_civil};

use super::Failure;

/// What has been given so far: a set of these bits.
pub(super) mod given {
    pub const YEAR: u32 = 1;
    pub const MONTH: u32 = 1 << 1;
    pub const DAY: u32 = 1 << 2;
    pub const HOUR: u32 = 1 << 3;
    pub const MINUTE: u32 = 1 << 4;
    pub const SECOND: u32 = 1 << 5;
    pub const FRACTION: u32 = 1 << 6;
    pub const ZONE: u32 = 1 << 7;
    pub const DAYLIGHT: u32 = 1 << 8;
    pub const DAYLIGHT_MODIFIER: u32 = 1 << 9;
    pub const DAY_OF_YEAR: u32 = 1 << 10;
    pub const WEEKDAY: u32 = 1 << 11;
    pub const MERIDIAN: u32 = 1 << 12;
    pub const ERA: u32 = 1 << 13;
    /// `epoch`, `infinity`: beside them PostgreSQL ignores what else is given.
    pub const SPECIAL: u32 = 1 << 14;
    pub const YEAR_AND_MONTH: u32 = YEAR | MONTH;
    pub const MONTH_AND_DAY: u32 = MONTH | DAY;
    pub const DATE: u32 = YEAR | MONTH | DAY;
    pub const SECONDS: u32 = SECOND | FRACTION;
    pub const TIME: u32 = HOUR | MINUTE | SECONDS;
}

/// The parts of a date and time as they were written; checked for their own range, not for that of a type.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    pub year: i32,
    pub month: i32,
    pub day: i32,
    pub day_of_year: i32,
    pub hour: i32,
    pub minute: i32,
    pub second: i32,
    pub micros: i64,
    /// Seconds east of UTC, where the text says so.
    pub offset: Option<i32>,
}

impl Fields {
    /// Days since 1970; None beyond what PostgreSQL's calendar covers.
    pub fn days(&self) -> Option<i64> {
        let month = u32::try_from(self.month).ok()?;
        let in_calendar = (self.year, self.month) >= (-4713, 11) && (self.year, self.month) < (5_874_898, 6);
        let days = days_from_civil(self.year.into(), month, self.day.into());
        (in_calendar && days >= i64::from(MIN_DATE)).then_some(days)
    }

    /// Microseconds since midnight; more than a day of hours is possible.
    pub fn time_micros(&self) -> i64 {
        i64::from(self.hour) * MICROS_PER_HOUR
            + i64::from(self.minute) * MICROS_PER_MINUTE
            + i64::from(self.second) * MICROS_PER_SECOND
            + self.micros
    }

    pub fn local_micros(&self) -> Option<i64> {
        self.days()?.checked_mul(MICROS_PER_DAY)?.checked_add(self.time_micros())
    }

    /// PostgreSQL's `time_overflows`: up to 24:00:00, and a 60th second.
    pub fn time_is_valid(&self) -> bool {
        (0..=24).contains(&self.hour)
            && (0..=59).contains(&self.minute)
            && (0..=60).contains(&self.second)
            && (0..=MICROS_PER_SECOND).contains(&self.micros)
            && self.time_micros() <= MICROS_PER_DAY
    }

    pub fn set_day(&mut self, days: i64) -> Result<(), Failure> {
        let (year, month, day) = civil_from_days(days);
        self.year = i32::try_from(year).map_err(|_| Failure::FieldOverflow)?;
        (self.month, self.day) = (month as i32, day as i32);
        Ok(())
    }

    pub fn set_time(&mut self, micros: i64) {
        self.hour = (micros / MICROS_PER_HOUR) as i32;
        self.minute = (micros / MICROS_PER_MINUTE % 60) as i32;
        self.second = (micros / MICROS_PER_SECOND % 60) as i32;
        self.micros = micros % MICROS_PER_SECOND;
    }
}
