//! Text to dates and timestamps, by template (`DCH_from_char`, `do_to_timestamp`).

use types::text::TimeZone;
use types::{Datum, Result, SqlError, SqlState};

use super::template::{Calendar, DAYS, Id, Key, MONTHS, Modifiers, Node, ROMAN_MONTHS, is_separator, parse};
use crate::Environment;
use crate::time::{self, Fields, checked_date, checked_timestamp};

/// What the fields of the input said.
#[derive(Default)]
struct Found {
    calendar: Option<Calendar>,
    hour: Option<i64>,
    minute: Option<i64>,
    second: Option<i64>,
    seconds_of_day: Option<i64>,
    /// 0 is Sunday + 1: Sunday is 1.
    day_of_week: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    month: Option<i64>,
    millis: Option<i64>,
    micros: Option<i64>,
    year: Option<i64>,
    /// Digits that the year's field has.
    year_size: u32,
    is_bc: Option<i64>,
    is_pm: Option<i64>,
    week: Option<i64>,
    week_of_month: Option<i64>,
    century: Option<i64>,
    julian: Option<i64>,
    has_12_hours: bool,
    /// Sign, hours, minutes.
    zone_sign: i64,
    zone_hour: Option<i64>,
    zone_minute: Option<i64>,
}

pub(super) fn to_date(text: &str, template: &str) -> Result<i32> {
    let (fields, _) = scan(text, template)?;
    let days = time::days_of_civil(fields.year, fields.month, fields.day);
    checked_date(i32::try_from(days).ok())
        .map_err(|_| SqlError::new(SqlState::DatetimeFieldOverflow, format!("date out of range: \"{text}\"")))
}

pub(super) fn to_timestamp(env: &dyn Environment, text: &str, template: &str) -> Result<Datum> {
    let (fields, offset) = scan(text, template)?;
    let local = fields.timestamp()?;
    let zone = offset.map_or(env.text_style().time_zone, TimeZone::Fixed);
    checked_timestamp(Some(zone.to_utc(local))).map(Datum::Timestamptz)
}

fn malformed(message: String) -> SqlError {
    SqlError::new(SqlState::InvalidDatetimeFormat, message)
}

const WIDTH_HINT: &str = "If your source string is not fixed-width, try using the \"FM\" modifier.";

/// The input from some place on.
struct Source<'t> {
    rest: &'t str,
    /// The character just skipped.
    last: Option<char>,
}

impl<'t> Source<'t> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next();
        if c.is_some() {
            self.last = c;
        }
        self.rest = chars.as_str();
        c
    }

    fn skip_spaces(&mut self) -> i32 {
        let mut skipped = 0;
        while self.peek().is_some_and(char::is_whitespace) {
            self.next();
            skipped += 1;
        }
        skipped
    }
}

fn scan(text: &str, template: &str) -> Result<(Fields, Option<i32>)> {
    let nodes = parse(template);
    let mut source = Source { rest: text, last: None };
    let mut found = Found::default();
    let mut fixed = false;
    // Characters skipped beyond what the template says.
    let mut extra = 0;
    for (i, node) in nodes.iter().enumerate() {
        if source.rest.is_empty() {
            break;
        }
        let is_field = matches!(node, Node::Field { .. });
        let is_fixed_mark = matches!(node, Node::Field { key, .. } if key.id == Id::Fixed);
        if !fixed && !is_fixed_mark && (is_field || i == 0) {
            extra += source.skip_spaces();
        }
        match node {
            Node::Space(_) | Node::Separator(_) if fixed => {
                source.next();
            }
            Node::Space(_) | Node::Separator(_) => {
                extra -= 1;
                if source.peek().is_some_and(|c| c.is_whitespace() || is_separator(c)) {
                    source.next();
                    extra += 1;
                }
            }
            Node::Char(_) if !fixed && extra > 0 => extra -= 1,
            Node::Char(_) => {
                source.next();
            }
            Node::Field { key, modifiers } => {
                found.set_calendar(key.calendar)?;
                if key.id == Id::Fixed {
                    fixed = true;
                } else {
                    let fills = modifiers.fill || is_before_separator(&nodes, i);
                    found.read(&mut source, key, *modifiers, fills, extra)?;
                }
                if !fixed {
                    extra = source.skip_spaces();
                }
            }
        }
    }
    found.finish(text)
}

/// Does something follow that is no digit, so that a number may have any length?
fn is_before_separator(nodes: &[Node], at: usize) -> bool {
    if matches!(nodes[at], Node::Field { modifiers, .. } if modifiers.ordinal.is_some()) {
        return true;
    }
    match nodes.get(at + 1) {
        None => true,
        Some(Node::Field { key, .. }) => !key.is_digit,
        Some(Node::Char(c) | Node::Separator(c) | Node::Space(c)) => !c.is_ascii_digit(),
    }
}

/// `strtol`: the number and how many bytes it takes.
fn leading_integer(text: &str) -> Option<(Option<i64>, usize)> {
    let trimmed = text.trim_start();
    let unsigned = trimmed.strip_prefix(['-', '+']).unwrap_or(trimmed);
    let digits = unsigned.len() - unsigned.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if digits == 0 {
        return None;
    }
    let used = text.len() - unsigned.len() + digits;
    Some((text[..used].trim_start().parse().ok(), used))
}

/// A number of at most `width` characters; longer or shorter where it fills. Also how many characters it took.
fn integer(source: &mut Source, key: &Key, width: usize, fills: bool) -> Result<(i64, usize)> {
    let invalid = |shown: &str| malformed(format!("invalid value \"{shown}\" for \"{}\"", key.name));
    let before = source.rest;
    let trimmed = source.rest.trim_start();
    let cut = trimmed.char_indices().nth(width).map_or(trimmed.len(), |(at, _)| at);
    let copy = &trimmed[..cut];
    let (value, used) = if fills {
        match leading_integer(before) {
            Some((value, used)) => (value, used),
            None => return Err(invalid(copy).detail("Value must be an integer.")),
        }
    } else {
        let length = copy.chars().count();
        if length < width {
            return Err(malformed(format!("source string too short for \"{}\" formatting field", key.name))
                .detail(format!("Field requires {width} characters, but only {length} remain."))
                .hint(WIDTH_HINT));
        }
        match leading_integer(copy) {
            None => return Err(invalid(copy).detail("Value must be an integer.")),
            Some((_, used)) if used < copy.len() => {
                return Err(invalid(copy)
                    .detail(format!("Field requires {width} characters, but only {used} could be parsed."))
                    .hint(WIDTH_HINT));
            }
            Some((value, used)) => (value, before.len() - trimmed.len() + used),
        }
    };
    source.last = before[..used].chars().last();
    source.rest = &before[used..];
    match value.and_then(|value| i32::try_from(value).ok()) {
        Some(value) => Ok((value.into(), used)),
        None => Err(SqlError::new(
            SqlState::DatetimeFieldOverflow,
            format!("value for \"{}\" in source string is out of range", key.name),
        )
        .detail(format!("Value must be in the range {} to {}.", i32::MIN, i32::MAX))),
    }
}

/// Which of some words comes next, in any case.
fn word(source: &mut Source, key: &Key, words: &[&str]) -> Result<i64> {
    let matching = words
        .iter()
        .enumerate()
        .filter(|(_, word)| source.rest.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word)));
    match matching.max_by_key(|(_, word)| word.len()) {
        Some((index, word)) => {
            source.last = source.rest[..word.len()].chars().last();
            source.rest = &source.rest[word.len()..];
            Ok(index as i64)
        }
        None => {
            let shown = source.rest.split(char::is_whitespace).next().unwrap_or_default();
            Err(malformed(format!("invalid value \"{shown}\" for \"{}\"", key.name))
                .detail("The given value did not match any of the allowed values for this field."))
        }
    }
}

/// Two digits of a year near 2020.
fn near_2020(year: i64) -> i64 {
    match year {
        ..70 => year + 2000,
        70..100 => year + 1900,
        100..520 => year + 2000,
        520..1000 => year + 1000,
        _ => year,
    }
}

fn set(slot: &mut Option<i64>, value: i64, key: &Key) -> Result<()> {
    if slot.is_some_and(|known| known != 0 && known != value) {
        return Err(
            malformed(format!("conflicting values for \"{}\" field in formatting string", key.name))
                .detail("This value contradicts a previous setting for the same field type."),
        );
    }
    *slot = Some(value);
    Ok(())
}

impl Found {
    fn set_calendar(&mut self, calendar: Calendar) -> Result<()> {
        match (self.calendar, calendar) {
            (_, Calendar::None) => Ok(()),
            (Some(known), new) if known != new => Err(malformed("invalid combination of date conventions".to_string())
                .hint("Do not mix Gregorian and ISO week date conventions in a formatting template.")),
            _ => {
                self.calendar = Some(calendar);
                Ok(())
            }
        }
    }

    fn read(&mut self, source: &mut Source, key: &Key, modifiers: Modifiers, fills: bool, extra: i32) -> Result<()> {
        let mut plain = |width| integer(source, key, width, fills).map(|(value, _)| value);
        match key.id {
            Id::Fixed => {}
            Id::Meridiem { dots, .. } => {
                let words: &[&str] = if dots { &["a.m.", "p.m."] } else { &["am", "pm"] };
                set(&mut self.is_pm, word(source, key, words)?, key)?;
                self.has_12_hours = true;
            }
            Id::Era { dots, .. } => {
                // 0 is AD: as in PostgreSQL's tables, where "a.d." and "b.c." alternate.
                let words: &[&str] = if dots { &["a.d.", "b.c."] } else { &["ad", "bc"] };
                set(&mut self.is_bc, word(source, key, words)?, key)?;
            }
            Id::Hour12 => {
                set(&mut self.hour, plain(2)?, key)?;
                self.has_12_hours = true;
            }
            Id::Hour24 => set(&mut self.hour, plain(2)?, key)?,
            Id::Minute => set(&mut self.minute, plain(2)?, key)?,
            Id::Second => set(&mut self.second, plain(2)?, key)?,
            Id::Milliseconds => {
                let (value, length) = integer(source, key, 3, fills)?;
                set(&mut self.millis, value * 10_i64.pow(3_u32.saturating_sub(length as u32)), key)?;
            }
            Id::Fraction(digits) => {
                let (value, length) = integer(source, key, digits, fills)?;
                set(&mut self.micros, value * 10_i64.pow(6_u32.saturating_sub(length as u32)), key)?;
            }
            Id::Microseconds => {
                let (value, length) = integer(source, key, 6, fills)?;
                set(&mut self.micros, value * 10_i64.pow(6_u32.saturating_sub(length as u32)), key)?;
            }
            Id::SecondsOfDay => set(&mut self.seconds_of_day, plain(key.name.len())?, key)?,
            Id::Zone(_) | Id::Offset => {
                let message = format!("formatting field \"{}\" is only supported in to_char", key.name);
                return Err(SqlError::new(SqlState::FeatureNotSupported, message));
            }
            Id::ZoneHour => {
                self.zone_sign = match source.peek() {
                    Some(sign @ ('+' | '-' | ' ')) => {
                        source.next();
                        if sign == '-' { -1 } else { 1 }
                    }
                    // The sign may have been skipped as a separator.
                    _ if extra > 0 && source.last == Some('-') => -1,
                    _ => 1,
                };
                let (value, _) = integer(source, key, 2, fills)?;
                set(&mut self.zone_hour, value, key)?;
            }
            Id::ZoneMinute => {
                if self.zone_sign == 0 {
                    self.zone_sign = 1;
                }
                set(&mut self.zone_minute, plain(2)?, key)?;
            }
            Id::MonthName(_) => set(&mut self.month, word(source, key, &MONTHS)? + 1, key)?,
            Id::MonthShort(_) => set(&mut self.month, word(source, key, &MONTHS.map(|name| &name[..3]))? + 1, key)?,
            Id::Month => set(&mut self.month, plain(2)?, key)?,
            Id::Day(_) => set(&mut self.day_of_week, word(source, key, &DAYS)? + 1, key)?,
            Id::DayShort(_) => set(&mut self.day_of_week, word(source, key, &DAYS.map(|name| &name[..3]))? + 1, key)?,
            Id::DayOfYear | Id::IsoDayOfYear => set(&mut self.day_of_year, plain(3)?, key)?,
            Id::DayOfMonth => set(&mut self.day, plain(2)?, key)?,
            Id::DayOfWeek => set(&mut self.day_of_week, plain(1)?, key)?,
            Id::IsoDayOfWeek => {
                let day = plain(1)? + 1;
                set(&mut self.day_of_week, if day > 7 { 1 } else { day }, key)?;
            }
            Id::Week | Id::IsoWeek => set(&mut self.week, plain(2)?, key)?,
            Id::Quarter => {
                plain(1)?;
            }
            Id::Century => set(&mut self.century, plain(2)?, key)?,
            Id::YearComma => {
                let (millennia, used) =
                    leading_integer(source.rest).ok_or_else(|| malformed("invalid input string for \"Y,YYY\"".to_string()))?;
                let rest = source.rest[used..]
                    .strip_prefix(',')
                    .ok_or_else(|| malformed("invalid input string for \"Y,YYY\"".to_string()))?;
                let end = rest.char_indices().take(3).take_while(|(_, c)| c.is_ascii_digit()).count();
                let years: i64 = rest[..end]
                    .parse()
                    .map_err(|_| malformed("invalid input string for \"Y,YYY\"".to_string()))?;
                let year = millennia.and_then(|m| m.checked_mul(1000)).and_then(|m| m.checked_add(years));
                let year = year.filter(|year| i32::try_from(*year).is_ok()).ok_or_else(|| {
                    SqlError::new(
                        SqlState::DatetimeFieldOverflow,
                        "value for \"Y,YYY\" in source string is out of range",
                    )
                })?;
                source.rest = &rest[end..];
                set(&mut self.year, year, key)?;
                self.year_size = 4;
            }
            Id::Year(digits) | Id::IsoYear(digits) => {
                let (value, length) = integer(source, key, digits as usize, fills)?;
                let value = if digits < 4 && length < 4 { near_2020(value) } else { value };
                set(&mut self.year, value, key)?;
                self.year_size = digits;
            }
            Id::Roman(_) => set(&mut self.month, word(source, key, &ROMAN_MONTHS)? + 1, key)?,
            Id::WeekOfMonth => set(&mut self.week_of_month, plain(1)?, key)?,
            Id::Julian => set(&mut self.julian, plain(1)?, key)?,
        }
        if modifiers.ordinal.is_some() && key.is_digit {
            source.next();
            source.next();
        }
        Ok(())
    }

    /// The fields of the moment, and the zone's offset if there was one.
    fn finish(mut self, text: &str) -> Result<(Fields, Option<i32>)> {
        let overflow = || {
            SqlError::new(
                SqlState::DatetimeFieldOverflow,
                format!("date/time field value out of range: \"{text}\""),
            )
        };
        let mut f = Fields {
            year: 0,
            month: 1,
            day: 1,
            hour: 0,
            minute: 0,
            second: 0,
            micros: 0,
        };
        let nonzero = |value: Option<i64>| value.filter(|value| *value != 0);
        if let Some(seconds) = nonzero(self.seconds_of_day) {
            (f.hour, f.minute, f.second) = (seconds / 3600, seconds % 3600 / 60, seconds % 60);
        }
        f.second = nonzero(self.second).unwrap_or(f.second);
        f.minute = nonzero(self.minute).unwrap_or(f.minute);
        f.hour = nonzero(self.hour).unwrap_or(f.hour);
        if self.has_12_hours {
            if !(1..=12).contains(&f.hour) {
                return Err(malformed(format!("hour \"{}\" is invalid for the 12-hour clock", f.hour))
                    .hint("Use the 24-hour clock, or give an hour between 1 and 12."));
            }
            let pm = self.is_pm == Some(1);
            if pm && f.hour < 12 {
                f.hour += 12;
            } else if !pm && f.hour == 12 {
                f.hour = 0;
            }
        }
        let is_bc = self.is_bc == Some(1);
        let century = nonzero(self.century).map(|century| if is_bc { -century } else { century });
        match (nonzero(self.year), century) {
            (Some(year), Some(century)) if self.year_size <= 2 => {
                f.year = match year % 100 {
                    0 => century * 100 + i64::from(century < 0),
                    part if century < 0 => part + (century + 1) * 100,
                    part => part + (century - 1) * 100,
                };
            }
            (Some(year), _) => {
                let year = if is_bc { -year } else { year };
                f.year = if year < 0 { year + 1 } else { year };
            }
            (None, Some(century)) => f.year = if century >= 0 { (century - 1) * 100 + 1 } else { century * 100 + 1 },
            (None, None) => {}
        }
        let take_day = |f: &mut Fields, days: i64| (f.year, f.month, f.day) = time::civil(days);
        if let Some(julian) = nonzero(self.julian) {
            take_day(&mut f, julian - time::UNIX_JULIAN_DAY);
        }
        if let Some(week) = nonzero(self.week) {
            if self.calendar == Some(Calendar::IsoWeek) {
                let monday = time::first_iso_monday(f.year) + (week - 1) * 7;
                let day = match nonzero(self.day_of_week) {
                    // Sunday is 1 here and the last day there.
                    Some(day) if day > 1 => day - 2,
                    Some(_) => 6,
                    None => 0,
                };
                take_day(&mut f, monday + day);
            } else {
                self.day_of_year = Some((week - 1) * 7 + 1);
            }
        }
        if let Some(week) = nonzero(self.week_of_month) {
            self.day = Some((week - 1) * 7 + 1);
        }
        f.day = nonzero(self.day).unwrap_or(f.day);
        f.month = nonzero(self.month).unwrap_or(f.month);
        if let Some(day_of_year) = nonzero(self.day_of_year)
            && (f.month <= 1 || f.day <= 1)
        {
            if f.year == 0 && !is_bc {
                return Err(malformed("cannot calculate day of year without year information".to_string()));
            }
            if self.calendar == Some(Calendar::IsoWeek) {
                let first = time::first_iso_monday(f.year);
                take_day(&mut f, first + day_of_year - 1);
            } else {
                let (_, month, day) = time::civil(time::days_of_civil(f.year, 1, 1) + day_of_year - 1);
                if f.month <= 1 {
                    f.month = month;
                }
                if f.day <= 1 {
                    f.day = day;
                }
            }
        }
        f.micros = self.millis.unwrap_or(0) * 1000 + self.micros.unwrap_or(0);
        if !(1..=12).contains(&f.month) || f.day < 1 || f.day > time::days_in_month(f.year, f.month) {
            return Err(overflow());
        }
        let in_range =
            (0..24).contains(&f.hour) && (0..60).contains(&f.minute) && (0..60).contains(&f.second) && (0..1_000_000).contains(&f.micros);
        if !in_range {
            return Err(overflow());
        }
        if self.zone_sign == 0 {
            return Ok((f, None));
        }
        let (hours, minutes) = (self.zone_hour.unwrap_or(0), self.zone_minute.unwrap_or(0));
        if !(0..=15).contains(&hours) || !(0..60).contains(&minutes) {
            return Err(overflow());
        }
        Ok((f, Some((self.zone_sign * (hours * 3600 + minutes * 60)) as i32)))
    }
}
