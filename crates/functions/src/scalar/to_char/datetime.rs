//! Dates, times and intervals to text.

use types::text::TimeZone;
use types::{Datum, Interval, Result, SqlError, SqlState};

use super::template::{Case, DAYS, Id, MONTHS, Modifiers, Node, ROMAN_MONTHS, ordinal_ending, parse};
use crate::Environment;
use crate::limit::check_size;
use crate::time::{self, DAY, Fields, HOUR, MINUTE, SECOND};

/// What a template can show.
struct Subject<'z> {
    fields: Fields,
    /// Days since 1970; None for an interval.
    day: Option<i64>,
    /// The zone, and seconds east of UTC at this moment.
    zone: Option<(&'z TimeZone, i64, i64)>,
}

pub(super) fn timestamp_to_char(micros: i64, template: &str) -> Result<Datum> {
    if template.is_empty() || !time::is_finite(micros) {
        return Ok(Datum::Null);
    }
    let subject = Subject {
        fields: Fields::of_timestamp(micros),
        day: Some(micros.div_euclid(DAY)),
        zone: None,
    };
    render(&subject, template).map(Datum::Text)
}

/// A finite moment on the session's clock.
pub(crate) fn timestamptz_to_char(env: &dyn Environment, micros: i64, template: &str) -> Result<String> {
    let zone = &env.text_style().time_zone;
    let offset = i64::from(zone.offset_at(micros));
    let local = zone.to_local(micros);
    let subject = Subject {
        fields: Fields::of_timestamp(local),
        day: Some(local.div_euclid(DAY)),
        zone: Some((zone, offset, micros)),
    };
    render(&subject, template)
}

pub(super) fn interval_to_char(interval: Interval, template: &str) -> Result<Datum> {
    if template.is_empty() {
        return Ok(Datum::Null);
    }
    let fields = Fields {
        year: i64::from(interval.months / 12),
        month: i64::from(interval.months % 12),
        day: interval.days.into(),
        hour: interval.micros / HOUR,
        minute: interval.micros % HOUR / MINUTE,
        second: interval.micros % MINUTE / SECOND,
        micros: interval.micros % SECOND,
    };
    render(
        &Subject {
            fields,
            day: None,
            zone: None,
        },
        template,
    )
    .map(Datum::Text)
}

fn render(subject: &Subject, template: &str) -> Result<String> {
    let mut out = String::new();
    for node in parse(template) {
        match node {
            Node::Char(c) | Node::Separator(c) | Node::Space(c) => out.push(c),
            Node::Field { key, modifiers } => subject.field(key.id, modifiers, &mut out)?,
        }
        check_size(out.len())?;
    }
    Ok(out)
}

/// A number, zero-padded unless FM, with its ordinal's ending if asked for.
fn number(out: &mut String, value: i64, width: usize, modifiers: Modifiers) {
    let width = match (modifiers.fill, value < 0) {
        (true, _) => 0,
        (false, true) => width + 1,
        (false, false) => width,
    };
    let text = format!("{value:0width$}");
    out.push_str(&text);
    ordinal(out, &text, modifiers);
}

/// As [`number`], without room for a sign.
fn unsigned(out: &mut String, value: i64, width: usize, modifiers: Modifiers) {
    number(out, value, if value < 0 { width.saturating_sub(1) } else { width }, modifiers);
}

fn ordinal(out: &mut String, number: &str, modifiers: Modifiers) {
    if let Some(case) = modifiers.ordinal {
        // What a date shows ends in a digit.
        out.push_str(&case.of(ordinal_ending(number).unwrap_or("th")));
    }
}

fn name(out: &mut String, text: &str, case: Case, width: usize, modifiers: Modifiers) {
    let text = case.of(text);
    let width = if modifiers.fill || modifiers.translated { 0 } else { width };
    out.push_str(&format!("{text:<width$}"));
}

impl Subject<'_> {
    fn day(&self) -> Result<i64> {
        self.day.ok_or_else(|| {
            SqlError::new(
                SqlState::InvalidDatetimeFormat,
                "invalid format specification for an interval value",
            )
            .hint("Intervals are not tied to specific calendar dates.")
        })
    }

    /// The day, or for an interval the one that its fields would name.
    fn some_day(&self) -> i64 {
        self.day
            .unwrap_or_else(|| time::days_of_civil(self.fields.year, self.fields.month, self.fields.day))
    }

    /// Years count on through 0 in an interval; elsewhere BC counts down to 1.
    fn shown_year(&self, year: i64) -> i64 {
        if self.day.is_none() || year > 0 { year } else { 1 - year }
    }

    fn offset(&self) -> i64 {
        self.zone.map_or(0, |(_, offset, _)| offset)
    }

    fn field(&self, id: Id, modifiers: Modifiers, out: &mut String) -> Result<()> {
        let f = &self.fields;
        match id {
            Id::Fixed => {}
            Id::Meridiem { dots, case } => {
                let text = match (f.hour % 24 >= 12, dots) {
                    (true, true) => "P.M.",
                    (true, false) => "PM",
                    (false, true) => "A.M.",
                    (false, false) => "AM",
                };
                out.push_str(&case.of(text));
            }
            Id::Era { dots, case } => {
                self.day()?;
                let text = match (f.year <= 0, dots) {
                    (true, true) => "B.C.",
                    (true, false) => "BC",
                    (false, true) => "A.D.",
                    (false, false) => "AD",
                };
                out.push_str(&case.of(text));
            }
            Id::Hour12 => number(out, if f.hour % 12 == 0 { 12 } else { f.hour % 12 }, 2, modifiers),
            Id::Hour24 => number(out, f.hour, 2, modifiers),
            Id::Minute => number(out, f.minute, 2, modifiers),
            Id::Second => number(out, f.second, 2, modifiers),
            Id::Fraction(digits) => self.fraction(digits, modifiers, out),
            Id::Milliseconds => self.fraction(3, modifiers, out),
            Id::Microseconds => self.fraction(6, modifiers, out),
            Id::SecondsOfDay => number(out, f.hour * 3600 + f.minute * 60 + f.second, 0, modifiers),
            Id::Zone(case) => {
                self.day()?;
                let abbreviation = self.abbreviation();
                out.push_str(&if case == Case::Lower {
                    abbreviation.to_ascii_lowercase()
                } else {
                    abbreviation
                });
            }
            Id::ZoneHour => {
                self.day()?;
                let sign = if self.offset() >= 0 { '+' } else { '-' };
                out.push_str(&format!("{sign}{:02}", self.offset().abs() / 3600));
            }
            Id::ZoneMinute => {
                self.day()?;
                out.push_str(&format!("{:02}", self.offset().abs() % 3600 / 60));
            }
            Id::Offset => {
                self.day()?;
                let sign = if self.offset() >= 0 { '+' } else { '-' };
                let (hours, minutes) = (self.offset().abs() / 3600, self.offset().abs() % 3600 / 60);
                let width = if modifiers.fill { 0 } else { 2 };
                out.push_str(&format!("{sign}{hours:0width$}"));
                if minutes != 0 {
                    out.push_str(&format!(":{minutes:02}"));
                }
            }
            Id::MonthName(case) => {
                self.day()?;
                name(out, self.month_name(), case, 9, modifiers);
            }
            Id::MonthShort(case) => {
                self.day()?;
                name(out, &self.month_name()[..3], case, 0, modifiers);
            }
            Id::Month => number(out, f.month, 2, modifiers),
            Id::Day(case) => name(out, self.day_name()?, case, 9, modifiers),
            Id::DayShort(case) => name(out, &self.day_name()?[..3], case, 0, modifiers),
            Id::DayOfYear => {
                let day = match self.day {
                    Some(day) => time::day_of_year(day),
                    None => (f.year * 12 + f.month) * 30 + f.day,
                };
                unsigned(out, day, 3, modifiers);
            }
            Id::IsoDayOfYear => {
                let day = self.some_day();
                unsigned(out, day - time::first_iso_monday(time::iso_week(day).0) + 1, 3, modifiers);
            }
            Id::DayOfMonth => unsigned(out, f.day, 2, modifiers),
            Id::DayOfWeek => number(out, time::day_of_week(self.day()?) + 1, 0, modifiers),
            Id::IsoDayOfWeek => number(out, (time::day_of_week(self.day()?) + 6) % 7 + 1, 0, modifiers),
            Id::Week => {
                let day = match self.day {
                    Some(day) => time::day_of_year(day),
                    None => (f.year * 12 + f.month) * 30 + f.day,
                };
                unsigned(out, (day - 1) / 7 + 1, 2, modifiers);
            }
            Id::IsoWeek => unsigned(out, time::iso_week(self.some_day()).1, 2, modifiers),
            Id::WeekOfMonth => number(out, (f.day - 1) / 7 + 1, 0, modifiers),
            Id::Quarter => {
                if f.month != 0 {
                    number(out, (f.month - 1) / 3 + 1, 0, modifiers);
                }
            }
            Id::Century => {
                let century = if self.day.is_none() {
                    f.year / 100
                } else if f.year > 0 {
                    (f.year - 1) / 100 + 1
                } else {
                    f.year / 100 - 1
                };
                number(out, century, if (-99..=99).contains(&century) { 2 } else { 0 }, modifiers);
            }
            Id::YearComma => {
                let year = self.shown_year(f.year);
                let text = format!("{},{:03}", year / 1000, year % 1000);
                out.push_str(&text);
                ordinal(out, &text, modifiers);
            }
            Id::Year(digits) => self.year(self.shown_year(f.year), digits, modifiers, out),
            Id::IsoYear(digits) => {
                let year = self.shown_year(time::iso_week(self.some_day()).0);
                self.year(year, digits, modifiers, out);
            }
            Id::Roman(case) => {
                if f.month != 0 || f.year != 0 {
                    let index = match f.month {
                        0 if f.year >= 0 => 11,
                        0 => 0,
                        month if month < 0 => 12 + month,
                        month => month - 1,
                    };
                    let roman = ROMAN_MONTHS.get(usize::try_from(index).unwrap_or(0)).copied().unwrap_or_default();
                    name(out, roman, case, 4, modifiers);
                }
            }
            Id::Julian => {
                let day = match self.day {
                    Some(day) => day,
                    None => time::days_of_civil(f.year, f.month, f.day),
                };
                number(out, day + time::UNIX_JULIAN_DAY, 0, modifiers);
            }
        }
        Ok(())
    }

    fn fraction(&self, digits: usize, modifiers: Modifiers, out: &mut String) {
        let micros = self.fields.micros;
        let value = micros / 10_i64.pow(6 - digits as u32);
        let width = if value < 0 { digits + 1 } else { digits };
        let text = format!("{value:0width$}");
        out.push_str(&text);
        ordinal(out, &text, modifiers);
    }

    fn year(&self, year: i64, digits: u32, modifiers: Modifiers, out: &mut String) {
        let shown = if digits == 4 { year } else { year % 10_i64.pow(digits) };
        number(out, shown, digits as usize, modifiers);
    }

    fn month_name(&self) -> &'static str {
        usize::try_from(self.fields.month - 1)
            .ok()
            .and_then(|index| MONTHS.get(index))
            .copied()
            .unwrap_or("   ")
    }

    fn day_name(&self) -> Result<&'static str> {
        Ok(DAYS[time::day_of_week(self.day()?) as usize])
    }

    /// `UTC`, `CEST`; an offset where the zone has no letters.
    fn abbreviation(&self) -> String {
        match self.zone {
            None => String::new(),
            Some((TimeZone::Named(zone), _, micros)) => {
                use chrono::TimeZone as _;
                let instant = chrono::DateTime::from_timestamp_micros(micros).unwrap_or_default().naive_utc();
                zone.offset_from_utc_datetime(&instant).to_string()
            }
            Some((TimeZone::Fixed(_), offset, _)) => {
                let sign = if offset >= 0 { '+' } else { '-' };
                let (hours, minutes) = (offset.abs() / 3600, offset.abs() % 3600 / 60);
                if minutes == 0 {
                    format!("{sign}{hours:02}")
                } else {
                    format!("{sign}{hours:02}:{minutes:02}")
                }
            }
        }
    }
}
