//! Time zones: names, and the offset from UTC at an instant.

use std::collections::HashMap;
use std::fmt;
use std::sync::OnceLock;

use chrono::{NaiveDate, NaiveDateTime, Offset, TimeDelta, TimeZone as _};
use chrono_tz::{OffsetName, TZ_VARIANTS, Tz};

use crate::calendar::{
    MICROS_PER_DAY, MICROS_PER_SECOND, TIMESTAMP_INFINITY, TIMESTAMP_NEG_INFINITY, civil_from_days, day_of_week, days_from_civil,
    days_in_month, is_leap_year, split_timestamp,
};

use super::abbreviations::{self, Abbreviation};

/// Beyond this year the zone tables end; each later year is looked up as one of the 28 up to here
/// that has the same calendar.
const LAST_TABLE_YEAR: i64 = 2090;
/// PostgreSQL's `MAX_TZDISP_HOUR` of numeric offsets.
pub(super) const MAX_OFFSET_HOURS: i32 = 15;

/// A time zone: a name of the IANA database, or a fixed offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeZone {
    Named(Tz),
    /// Seconds east of UTC.
    Fixed(i32),
}

impl TimeZone {
    pub const UTC: TimeZone = TimeZone::Named(Tz::UTC);

    /// A zone as `AT TIME ZONE` names it: an abbreviation, an IANA name in any case, or an offset in
    /// POSIX's form, whose sign is west of UTC (`UTC+3`). None where there is no such zone: 22023
    /// `time zone "x" not recognized`.
    pub fn from_name(name: &str) -> Option<TimeZone> {
        match abbreviations::find(&name.to_ascii_lowercase()) {
            Some(Abbreviation::Standard(offset) | Abbreviation::Daylight(offset)) => Some(TimeZone::Fixed(offset)),
            Some(Abbreviation::Zone(zone)) => TimeZone::named(zone),
            None => TimeZone::named(name),
        }
    }

    /// A zone as the setting `TimeZone` takes it: a number of hours east of UTC, an IANA name in any
    /// case, or POSIX's form; abbreviations that are no names of their own are refused.
    pub fn from_setting(value: &str) -> Option<TimeZone> {
        if let Ok(hours) = value.trim().parse::<f64>() {
            let seconds = hours * 3600.0;
            return (seconds.abs() <= f64::from(MAX_OFFSET_HOURS + 1) * 3600.0).then_some(TimeZone::Fixed(seconds as i32));
        }
        TimeZone::named(value)
    }

    /// An IANA name in any case, or POSIX's form.
    pub(super) fn named(name: &str) -> Option<TimeZone> {
        static BY_NAME: OnceLock<HashMap<String, Tz>> = OnceLock::new();
        let zones = BY_NAME.get_or_init(|| TZ_VARIANTS.iter().map(|tz| (tz.name().to_ascii_lowercase(), *tz)).collect());
        zones
            .get(&name.to_ascii_lowercase())
            .map(|tz| TimeZone::Named(*tz))
            .or_else(|| posix(name))
    }

    /// Seconds east of UTC at an instant (microseconds since 1970 UTC).
    pub fn offset_at(&self, utc_micros: i64) -> i32 {
        match self {
            TimeZone::Fixed(offset) => *offset,
            TimeZone::Named(Tz::UTC) => 0,
            TimeZone::Named(tz) => tz.offset_from_utc_datetime(&naive(utc_micros)).fix().local_minus_utc(),
        }
    }

    /// The abbreviation in force at an instant, as `to_char`'s TZ prints it.
    pub fn abbreviation_at(&self, utc_micros: i64) -> String {
        match self {
            TimeZone::Fixed(offset) => iso_offset(*offset),
            TimeZone::Named(tz) => {
                let offset = tz.offset_from_utc_datetime(&naive(utc_micros));
                offset
                    .abbreviation()
                    .map_or_else(|| iso_offset(offset.fix().local_minus_utc()), str::to_string)
            }
        }
    }

    /// Seconds east of UTC at a time of the zone's own clocks (microseconds since 1970 as they show it). A time
    /// that clocks skip counts with the offset before the change, one that they show twice is the second
    /// (PostgreSQL's `DetermineTimeZoneOffset`).
    pub fn offset_of_local(&self, local_micros: i64) -> i32 {
        match self {
            TimeZone::Fixed(offset) => *offset,
            TimeZone::Named(Tz::UTC) => 0,
            TimeZone::Named(tz) => {
                let local = naive(local_micros);
                let found = tz.offset_from_local_datetime(&local);
                // Skipped: ask the day before, which no zone skips too.
                let offset = found
                    .latest()
                    .or_else(|| tz.offset_from_local_datetime(&(local - TimeDelta::days(1))).latest());
                offset.map_or(0, |offset| offset.fix().local_minus_utc())
            }
        }
    }

    /// What an abbreviation meant in this zone at a time of its clocks: the last meaning before it, or else the first after
    /// it (PostgreSQL's `DetermineTimeZoneAbbrevOffset`). A zone that never used it answers for itself.
    pub(super) fn offset_of_abbreviation(&self, abbreviation: &str, local_micros: i64) -> i32 {
        /// Zones keep an abbreviation for a season at least, and have had any for less than 200 years.
        const STEP: i64 = 30 * MICROS_PER_DAY;
        const STEPS: i64 = 200 * 365 / 30;
        let here = self.offset_of_local(local_micros);
        let utc = local_micros.saturating_sub(i64::from(here) * MICROS_PER_SECOND);
        let means = |instant: &i64| self.abbreviation_at(*instant).eq_ignore_ascii_case(abbreviation);
        let back = (0..STEPS).map(|n| utc.saturating_sub(n * STEP)).find(means);
        let found = back.or_else(|| (1..STEPS).map(|n| utc.saturating_add(n * STEP)).find(means));
        found.map_or(here, |instant| self.offset_at(instant))
    }

    /// timestamptz to the zone's clocks, `timezone(zone, timestamptz)`. Infinities stay; what leaves
    /// 64 bits becomes one, which the caller's check of the range refuses.
    pub fn to_local(&self, utc_micros: i64) -> i64 {
        if matches!(utc_micros, TIMESTAMP_INFINITY | TIMESTAMP_NEG_INFINITY) {
            return utc_micros;
        }
        utc_micros.saturating_add(i64::from(self.offset_at(utc_micros)) * MICROS_PER_SECOND)
    }

    /// The zone's clocks to timestamptz, `timezone(zone, timestamp)`; the ends as in [`TimeZone::to_local`].
    pub fn to_utc(&self, local_micros: i64) -> i64 {
        if matches!(local_micros, TIMESTAMP_INFINITY | TIMESTAMP_NEG_INFINITY) {
            return local_micros;
        }
        local_micros.saturating_sub(i64::from(self.offset_of_local(local_micros)) * MICROS_PER_SECOND)
    }
}

/// As `SHOW TimeZone` prints it: a fixed offset in POSIX's form.
impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TimeZone::Named(tz) => f.write_str(tz.name()),
            TimeZone::Fixed(offset) => write!(f, "<{}>{}", iso_offset(*offset), iso_offset(-offset)),
        }
    }
}

/// `+hh`, with `:mm` and `:ss` where they are not zero.
fn iso_offset(seconds: i32) -> String {
    let mut text = String::new();
    super::datetime::write_offset(seconds, &mut text);
    text
}

/// The moment for chrono, with a far year replaced by an equivalent one.
fn naive(micros: i64) -> NaiveDateTime {
    let (days, time) = split_timestamp(micros);
    let (mut year, month, mut day) = civil_from_days(days);
    if year > LAST_TABLE_YEAR {
        let like = |y: &i64| {
            is_leap_year(*y) == is_leap_year(year) && day_of_week(days_from_civil(*y, 1, 1)) == day_of_week(days_from_civil(year, 1, 1))
        };
        year = (LAST_TABLE_YEAR - 27..=LAST_TABLE_YEAR).find(like).unwrap_or(LAST_TABLE_YEAR);
    }
    day = day.min(days_in_month(year, month));
    let date = i32::try_from(year)
        .ok()
        .and_then(|year| NaiveDate::from_ymd_opt(year, month, day))
        .unwrap_or_default();
    debug_assert!((0..MICROS_PER_DAY).contains(&time));
    date.and_time(chrono::NaiveTime::MIN) + TimeDelta::microseconds(time)
}

/// POSIX's `std offset`: letters or `<...>`, then up to a week of hours west of UTC. Without daylight rules.
fn posix(text: &str) -> Option<TimeZone> {
    let rest = match text.strip_prefix('<') {
        Some(quoted) => quoted.split_once('>')?.1,
        None => text.trim_start_matches(|c: char| c.is_ascii_alphabetic()),
    };
    let (sign, digits) = match rest.as_bytes().first()? {
        b'-' => (1, &rest[1..]),
        b'+' => (-1, &rest[1..]),
        _ => (-1, rest),
    };
    let mut seconds = 0;
    for (part, (unit, limit)) in digits.split(':').zip([(3600, 167), (60, 59), (1, 59)]) {
        if part.is_empty() || part.len() > 3 || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let value: i32 = part.parse().ok().filter(|value| *value <= limit)?;
        seconds += value * unit;
    }
    (digits.split(':').count() <= 3).then_some(TimeZone::Fixed(sign * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(year: i64, month: u32, day: i64, hour: i64) -> i64 {
        days_from_civil(year, month, day) * MICROS_PER_DAY + hour * 3600 * MICROS_PER_SECOND
    }

    #[test]
    fn zones_by_name() {
        assert_eq!(TimeZone::from_name("europe/berlin"), Some(TimeZone::Named(Tz::Europe__Berlin)));
        assert_eq!(TimeZone::from_name("PST"), Some(TimeZone::Fixed(-8 * 3600)));
        assert_eq!(TimeZone::from_name("UTC+3"), Some(TimeZone::Fixed(-3 * 3600)));
        assert_eq!(TimeZone::from_name("<+0530>-5:30"), Some(TimeZone::Fixed(19_800)));
        assert_eq!(TimeZone::from_name("+02:00"), Some(TimeZone::Fixed(-7200)));
        assert_eq!(TimeZone::from_setting("2"), Some(TimeZone::Fixed(7200)));
        assert_eq!(TimeZone::from_setting("-3.5"), Some(TimeZone::Fixed(-12_600)));
        for name in ["", "Mars/Olympus", "PSTX", "UTC+", "UTC+168", "+1:2:3:4"] {
            assert_eq!(TimeZone::from_name(name), None, "{name}");
        }
        assert_eq!(TimeZone::from_setting("PST"), None);
        assert_eq!(TimeZone::Fixed(7200).to_string(), "<+02>-02");
    }

    #[test]
    fn offsets_change_with_the_seasons() {
        let zone = TimeZone::Named(Tz::America__New_York);
        for year in [2024, 2090, 2091, 2500, 294_000] {
            assert_eq!(zone.offset_at(micros(year, 7, 1, 0)), -4 * 3600, "{year}");
            assert_eq!(zone.offset_at(micros(year, 1, 1, 0)), -5 * 3600, "{year}");
        }
        assert_eq!(zone.offset_at(micros(1800, 1, 1, 0)), -17_762);
        assert_eq!(zone.abbreviation_at(micros(2024, 7, 1, 0)), "EDT");
        // 2024-03-10 02:30 is skipped, 2024-11-03 01:30 happens twice.
        let half = 1800 * MICROS_PER_SECOND;
        assert_eq!(zone.offset_of_local(micros(2024, 3, 10, 2) + half), -5 * 3600);
        assert_eq!(zone.offset_of_local(micros(2024, 11, 3, 1) + half), -5 * 3600);
        assert_eq!(zone.offset_of_local(micros(2024, 11, 3, 0) + half), -4 * 3600);
        assert_eq!(zone.to_utc(i64::MAX), i64::MAX);
    }
}
