//! Gives the fields of a date or time their meaning, as PostgreSQL's `DecodeDateTime` and
//! `DecodeTimeOnly` do.

use crate::calendar::{
    MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND, MIN_DATE, civil_from_days, days_from_civil, days_in_month,
    split_timestamp,
};
use crate::text::abbreviations::{self, Abbreviation};
use crate::text::style::{DateOrder, TextStyle};
use crate::text::zone::{MAX_OFFSET_HOURS, TimeZone};

use super::Failure;
use super::tokens::{Field, Keyword, Kind, Label, keyword, split};

/// What has been given so far: a set of these bits.
mod given {
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

/// A timestamp's text, decoded.
pub(super) enum Decoded {
    Fields(Fields),
    Epoch,
    Infinity,
    NegInfinity,
}

/// The parts of a date and time as they were written; checked for their own range, not for that of a type.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    year: i32,
    month: i32,
    day: i32,
    day_of_year: i32,
    hour: i32,
    minute: i32,
    second: i32,
    micros: i64,
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
    fn time_is_valid(&self) -> bool {
        (0..=24).contains(&self.hour)
            && (0..=59).contains(&self.minute)
            && (0..=60).contains(&self.second)
            && (0..=MICROS_PER_SECOND).contains(&self.micros)
            && self.time_micros() <= MICROS_PER_DAY
    }

    fn set_day(&mut self, days: i64) -> Result<(), Failure> {
        let (year, month, day) = civil_from_days(days);
        self.year = i32::try_from(year).map_err(|_| Failure::FieldOverflow)?;
        (self.month, self.day) = (month as i32, day as i32);
        Ok(())
    }

    fn set_time(&mut self, micros: i64) {
        self.hour = (micros / MICROS_PER_HOUR) as i32;
        self.minute = (micros / MICROS_PER_MINUTE % 60) as i32;
        self.second = (micros / MICROS_PER_SECOND % 60) as i32;
        self.micros = micros % MICROS_PER_SECOND;
    }
}

pub(super) fn decode_timestamp(text: &str, style: &TextStyle) -> Result<Decoded, Failure> {
    let fields = split(text)?;
    let mut decoder = Decoder::new(style, &fields, false);
    decoder.read_fields()?;
    decoder.finish_values()?;
    if let Some(special) = decoder.special {
        return Ok(special);
    }
    if decoder.given & given::DATE != given::DATE {
        return Err(Failure::BadFormat);
    }
    decoder.finish_zone()?;
    Ok(Decoded::Fields(decoder.fields))
}

pub(super) fn decode_time(text: &str, style: &TextStyle) -> Result<Fields, Failure> {
    let fields = split(text)?;
    let mut decoder = Decoder::new(style, &fields, true);
    decoder.read_fields()?;
    decoder.finish_values()?;
    if !decoder.fields.time_is_valid() {
        return Err(Failure::FieldOverflow);
    }
    if decoder.given & given::TIME != given::TIME {
        return Err(Failure::BadFormat);
    }
    if decoder.given & given::DAYLIGHT_MODIFIER != 0 && decoder.given & given::ZONE == 0 {
        return Err(Failure::BadFormat);
    }
    if let Some(TimeZone::Named(_)) = decoder.zone
        && decoder.given & given::DATE != given::DATE
        && !has_one_offset(decoder.zone)
    {
        // A zone whose offset changes, or ever did, means nothing without a date.
        return Err(Failure::BadFormat);
    }
    Ok(decoder.fields)
}

fn has_one_offset(zone: Option<TimeZone>) -> bool {
    let Some(zone) = zone else { return true };
    let first = zone.offset_at(0);
    (1850..2030).all(|year| {
        [1, 7]
            .iter()
            .all(|month| zone.offset_at(days_from_civil(year, *month, 1) * MICROS_PER_DAY) == first)
    })
}

struct Decoder<'a> {
    style: &'a TextStyle,
    input: &'a [Field],
    /// Reads a `time`: a date is an extra.
    time_only: bool,
    fields: Fields,
    given: u32,
    special: Option<Decoded>,
    /// A zone whose offset waits for the date.
    zone: Option<TimeZone>,
    /// An abbreviation whose meaning in a zone waits for the date.
    abbreviation: Option<(TimeZone, String)>,
    /// The label before the field at hand.
    label: Option<Label>,
    text_month: bool,
    two_digit_year: bool,
    julian: bool,
    before_christ: bool,
    /// Some(true) is PM.
    afternoon: Option<bool>,
}

impl<'a> Decoder<'a> {
    fn new(style: &'a TextStyle, input: &'a [Field], time_only: bool) -> Decoder<'a> {
        Decoder {
            style,
            input,
            time_only,
            fields: Fields::default(),
            given: 0,
            special: None,
            zone: None,
            abbreviation: None,
            label: None,
            text_month: false,
            two_digit_year: false,
            julian: false,
            before_christ: false,
            afternoon: None,
        }
    }

    fn read_fields(&mut self) -> Result<(), Failure> {
        for (i, field) in self.input.iter().enumerate() {
            let found = match field.kind {
                Kind::Date if self.time_only => self.date_of_time(i, &field.text)?,
                Kind::Date => self.date(&field.text)?,
                Kind::Time => self.time(&field.text)?,
                Kind::Signed => {
                    self.fields.offset = Some(read_offset(&field.text)?);
                    given::ZONE
                }
                Kind::Number => match self.label.take() {
                    Some(label) => self.labelled(label, &field.text)?,
                    None if self.time_only => self.number_of_time(i, &field.text)?,
                    None => self.number(&field.text)?,
                },
                Kind::Word | Kind::Special => match self.word(i, &field.text)? {
                    Some(found) => found,
                    None => continue,
                },
            };
            if found & self.given != 0 {
                return Err(Failure::BadFormat);
            }
            self.given |= found;
        }
        Ok(())
    }

    fn date(&mut self, text: &str) -> Result<u32, Failure> {
        if self.label == Some(Label::Julian) {
            // A Julian day with an offset right behind it.
            self.label = None;
            let (days, rest) = leading_int(text).ok_or(Failure::FieldOverflow)?;
            self.set_julian(days)?;
            self.fields.offset = Some(read_offset(rest)?);
            return Ok(given::DATE | given::TIME | given::ZONE);
        }
        if self.label.is_none() && self.given & given::MONTH_AND_DAY != given::MONTH_AND_DAY {
            return self.separated_date(text);
        }
        // After the date: a zone's name, or a time run together with an offset.
        if text.starts_with(|c: char| c.is_ascii_digit()) || self.label.is_some() {
            if !matches!(self.label.take(), None | Some(Label::Time)) || self.given & given::TIME == given::TIME {
                return Err(Failure::BadFormat);
            }
            return self.time_with_offset(text, self.given);
        }
        self.named_zone(text)
    }

    fn date_of_time(&mut self, i: usize, text: &str) -> Result<u32, Failure> {
        let last_is_date = self.input.last().is_some_and(|field| field.kind == Kind::Date);
        let next_is_time = self.input.get(1).is_some_and(|field| field.kind == Kind::Time);
        if i == 0 && self.input.len() >= 2 && (last_is_date || next_is_time) {
            return self.separated_date(text);
        }
        if !text.starts_with(|c: char| c.is_ascii_digit()) {
            return self.named_zone(text);
        }
        if self.given & given::TIME == given::TIME {
            return Err(Failure::BadFormat);
        }
        self.time_with_offset(text, self.given | given::DATE)
    }

    /// `040506-08`.
    fn time_with_offset(&mut self, text: &str, given: u32) -> Result<u32, Failure> {
        let at = text.find('-').ok_or(Failure::BadFormat)?;
        self.fields.offset = Some(read_offset(&text[at..])?);
        Ok(self.run_together(&text[..at], given)? | given::ZONE)
    }

    fn named_zone(&mut self, text: &str) -> Result<u32, Failure> {
        self.zone = Some(TimeZone::named(text).ok_or_else(|| Failure::UnknownZone(text.to_string()))?);
        Ok(given::ZONE)
    }

    fn time(&mut self, text: &str) -> Result<u32, Failure> {
        if !self.time_only && !matches!(self.label.take(), None | Some(Label::Time)) {
            return Err(Failure::BadFormat);
        }
        let clock = read_clock(text)?;
        self.fields.hour = i32::try_from(clock.hour).map_err(|_| Failure::FieldOverflow)?;
        (self.fields.minute, self.fields.second, self.fields.micros) = (clock.minute, clock.second, clock.micros);
        if !self.time_only && !self.fields.time_is_valid() {
            return Err(Failure::FieldOverflow);
        }
        Ok(given::TIME)
    }

    /// A number behind its label: `y2001m02d04`.
    fn labelled(&mut self, label: Label, text: &str) -> Result<u32, Failure> {
        let (value, rest) = leading_int(text).ok_or(Failure::FieldOverflow)?;
        let fraction_allowed = matches!(label, Label::Julian | Label::Time | Label::Second);
        let fits = rest.is_empty() || rest.starts_with('.') && fraction_allowed;
        if !fits {
            return Err(Failure::BadFormat);
        }
        if !self.time_only {
            self.special = None;
        }
        let fields = &mut self.fields;
        Ok(match label {
            Label::Year => {
                fields.year = value;
                given::YEAR
            }
            Label::Month if self.given & given::MONTH != 0 && self.given & given::HOUR != 0 => {
                fields.minute = value;
                given::MINUTE
            }
            Label::Month => {
                fields.month = value;
                given::MONTH
            }
            Label::Day => {
                fields.day = value;
                given::DAY
            }
            Label::Hour => {
                fields.hour = value;
                given::HOUR
            }
            Label::Minute => {
                fields.minute = value;
                given::MINUTE
            }
            Label::Second => {
                fields.second = value;
                if rest.is_empty() {
                    given::SECOND
                } else {
                    fields.micros = read_fraction(rest)?;
                    given::SECONDS
                }
            }
            Label::Julian => {
                self.set_julian(value)?;
                if rest.is_empty() {
                    given::DATE
                } else {
                    let fraction: f64 = format!("0{rest}").parse().map_err(|_| Failure::BadFormat)?;
                    self.fields.set_time((fraction * MICROS_PER_DAY as f64) as i64);
                    given::DATE | given::TIME
                }
            }
            Label::Time => match self.run_together(text, self.given | given::DATE)? {
                given::TIME => given::TIME,
                _ => return Err(Failure::BadFormat),
            },
            Label::Useless => return Err(Failure::BadFormat),
        })
    }

    fn set_julian(&mut self, day: i32) -> Result<(), Failure> {
        if day < 0 {
            return Err(Failure::FieldOverflow);
        }
        self.julian = true;
        self.fields.set_day(i64::from(day) + i64::from(MIN_DATE))
    }

    fn number(&mut self, text: &str) -> Result<u32, Failure> {
        match text.find('.') {
            Some(_) if self.given & given::DATE == 0 => self.separated_date(text),
            Some(at) if at > 2 => self.run_together(text, self.given),
            // Six digits and more are a date or a time run together, as long as either is missing.
            None if text.len() >= 6 && (self.given & given::DATE == 0 || self.given & given::TIME == 0) => {
                self.run_together(text, self.given)
            }
            _ => self.single_number(text, self.text_month, self.given),
        }
    }

    fn number_of_time(&mut self, i: usize, text: &str) -> Result<u32, Failure> {
        let last_is_date = self.input.last().is_some_and(|field| field.kind == Kind::Date);
        match text.find('.') {
            Some(_) if i == 0 && self.input.len() >= 2 && last_is_date => self.separated_date(text),
            Some(at) if at > 2 => self.run_together(text, self.given | given::DATE),
            Some(_) => Err(Failure::BadFormat),
            None if text.len() > 4 => self.run_together(text, self.given | given::DATE),
            None => self.single_number(text, false, self.given | given::DATE),
        }
    }

    /// `2024-01-02`, `2/1/2024`, `2-jan-2024`.
    fn separated_date(&mut self, text: &str) -> Result<u32, Failure> {
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            rest = rest.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
            let same = match rest.chars().next() {
                None => return Err(Failure::BadFormat),
                Some(c) if c.is_ascii_digit() => |c: char| c.is_ascii_digit(),
                Some(_) => |c: char| c.is_ascii_alphabetic(),
            };
            let part = &rest[..rest.find(|c| !same(c)).unwrap_or(rest.len())];
            parts.push(part);
            // The character that ends a part is dropped, whatever it is.
            rest = rest[part.len()..].get(1..).unwrap_or("");
        }
        let mut found = 0;
        let mut text_month = false;
        for part in parts.iter().filter(|part| part.starts_with(|c: char| c.is_ascii_alphabetic())) {
            match keyword(part) {
                Some(Keyword::Ignored) => {}
                Some(Keyword::Month(month)) if (self.given | found) & given::MONTH == 0 => {
                    self.fields.month = month as i32;
                    text_month = true;
                    found |= given::MONTH;
                }
                _ => return Err(Failure::BadFormat),
            }
        }
        for part in parts.iter().filter(|part| part.starts_with(|c: char| c.is_ascii_digit())) {
            let one = self.single_number(part, text_month, self.given | found)?;
            if (self.given | found) & one != 0 {
                return Err(Failure::BadFormat);
            }
            found |= one;
        }
        if (self.given | found) & !(given::DAY_OF_YEAR | given::ZONE) != given::DATE {
            return Err(Failure::BadFormat);
        }
        Ok(found)
    }

    /// A number that is one part of a date: which one, the parts before it tell (`DecodeNumber`).
    fn single_number(&mut self, text: &str, text_month: bool, given: u32) -> Result<u32, Failure> {
        let (value, rest) = leading_int(text).ok_or(Failure::FieldOverflow)?;
        if rest.len() == text.len() {
            return Err(Failure::BadFormat);
        }
        if rest.starts_with('.') {
            if text.len() - rest.len() > 2 {
                return self.run_together(text, given | given::DATE);
            }
            self.fields.micros = read_fraction(rest)?;
        } else if !rest.is_empty() {
            return Err(Failure::BadFormat);
        }
        let length = text.len();
        if length == 3 && given & given::DATE == given::YEAR && (1..=366).contains(&value) {
            self.fields.day_of_year = value;
            return Ok(given::DAY_OF_YEAR | given::MONTH | given::DAY);
        }
        let order = self.style.date_order;
        let year_first = length >= 3 || order == DateOrder::Ymd;
        let part = match given & given::DATE {
            0 if year_first => given::YEAR,
            0 if order == DateOrder::Dmy => given::DAY,
            0 => given::MONTH,
            given::YEAR => given::MONTH,
            given::MONTH if text_month && year_first => given::YEAR,
            given::MONTH => given::DAY,
            given::YEAR_AND_MONTH if text_month && length >= 3 && self.two_digit_year => {
                // The two digits before the month were the day after all.
                self.fields.day = self.fields.year;
                self.fields.year = value;
                self.two_digit_year = false;
                return Ok(given::DAY);
            }
            given::YEAR_AND_MONTH => given::DAY,
            given::DAY => given::MONTH,
            given::MONTH_AND_DAY => given::YEAR,
            given::DATE => return self.run_together(text, given),
            _ => return Err(Failure::BadFormat),
        };
        match part {
            given::YEAR => {
                self.fields.year = value;
                self.two_digit_year = length <= 2;
            }
            given::MONTH => self.fields.month = value,
            _ => self.fields.day = value,
        }
        Ok(part)
    }

    /// `20240102`, `030405` or `030405.678` (`DecodeNumberField`).
    fn run_together(&mut self, text: &str, given: u32) -> Result<u32, Failure> {
        let digits = match text.find('.') {
            Some(at) => {
                self.fields.micros = read_fraction(&text[at..]).map_err(|_| Failure::BadFormat)?;
                &text[..at]
            }
            None => {
                if given & given::DATE != given::DATE && text.len() >= 6 {
                    let at = text.len() - 4;
                    self.fields.day = small_int(&text[at + 2..])?;
                    self.fields.month = small_int(&text[at..at + 2])?;
                    self.fields.year = small_int(&text[..at])?;
                    if at == 2 {
                        self.two_digit_year = true;
                    }
                    return Ok(given::DATE);
                }
                text
            }
        };
        if given & given::TIME == given::TIME || !matches!(digits.len(), 4 | 6) {
            return Err(Failure::BadFormat);
        }
        self.fields.hour = small_int(&digits[..2])?;
        self.fields.minute = small_int(&digits[2..4])?;
        self.fields.second = if digits.len() == 6 { small_int(&digits[4..])? } else { 0 };
        Ok(given::TIME)
    }

    /// None: a word without meaning.
    fn word(&mut self, i: usize, text: &str) -> Result<Option<u32>, Failure> {
        match abbreviations::find(text) {
            Some(Abbreviation::Standard(offset)) => {
                self.fields.offset = Some(offset);
                return Ok(Some(given::ZONE));
            }
            Some(Abbreviation::Daylight(offset)) => {
                self.fields.offset = Some(offset);
                return Ok(Some(given::ZONE | given::DAYLIGHT));
            }
            Some(Abbreviation::Zone(zone)) => {
                let zone = TimeZone::named(zone).ok_or_else(|| Failure::UnknownZone(text.to_string()))?;
                self.abbreviation = Some((zone, text.to_string()));
                return Ok(Some(given::ZONE));
            }
            None => {}
        }
        let Some(keyword) = keyword(text) else {
            self.zone = Some(TimeZone::named(text).ok_or(Failure::BadFormat)?);
            return Ok(Some(given::ZONE));
        };
        self.keyword(i, keyword)
    }

    fn keyword(&mut self, i: usize, keyword: Keyword) -> Result<Option<u32>, Failure> {
        Ok(Some(match keyword {
            Keyword::Ignored => return Ok(None),
            Keyword::Now => {
                let local = self.local_now();
                let (days, time) = split_timestamp(local);
                self.fields.set_time(time);
                if self.time_only {
                    return Ok(Some(given::TIME));
                }
                self.fields.set_day(days)?;
                let now = self.style.now_micros();
                self.fields.offset = Some(self.style.time_zone.offset_at(now));
                self.special = None;
                given::DATE | given::TIME | given::ZONE
            }
            Keyword::AllBalls => {
                self.fields.set_time(0);
                self.fields.offset = Some(0);
                given::TIME | given::ZONE
            }
            Keyword::Yesterday | Keyword::Today | Keyword::Tomorrow | Keyword::Epoch | Keyword::Infinity | Keyword::NegInfinity
                if self.time_only =>
            {
                return Err(Failure::BadFormat);
            }
            Keyword::Yesterday => self.day_from_today(-1)?,
            Keyword::Today => self.day_from_today(0)?,
            Keyword::Tomorrow => self.day_from_today(1)?,
            Keyword::Epoch => {
                self.special = Some(Decoded::Epoch);
                given::SPECIAL
            }
            Keyword::Infinity => {
                self.special = Some(Decoded::Infinity);
                given::SPECIAL
            }
            Keyword::NegInfinity => {
                self.special = Some(Decoded::NegInfinity);
                given::SPECIAL
            }
            Keyword::Month(_) if self.time_only => return Err(Failure::BadFormat),
            Keyword::Month(month) => {
                let found = given::MONTH;
                let day_taken_for_month = self.given & given::MONTH != 0 && !self.text_month && self.given & given::DAY == 0;
                let found = if day_taken_for_month && (1..=31).contains(&self.fields.month) {
                    self.fields.day = self.fields.month;
                    given::DAY
                } else {
                    found
                };
                self.text_month = true;
                self.fields.month = month as i32;
                found
            }
            Keyword::Weekday if self.time_only => return Err(Failure::BadFormat),
            Keyword::Weekday => given::WEEKDAY,
            Keyword::Am | Keyword::Pm => {
                self.afternoon = Some(keyword == Keyword::Pm);
                given::MERIDIAN
            }
            Keyword::Ad | Keyword::Bc => {
                self.before_christ = keyword == Keyword::Bc;
                given::ERA
            }
            Keyword::Label(label) => {
                self.label = Some(label);
                0
            }
            Keyword::IsoTime => {
                let after_date = self.time_only || self.given & given::DATE == given::DATE;
                let next = self.input.get(i + 1).map(|field| field.kind);
                if !after_date || !matches!(next, Some(Kind::Number | Kind::Time | Kind::Date)) {
                    return Err(Failure::BadFormat);
                }
                self.label = Some(Label::Time);
                0
            }
            Keyword::DaylightModifier => {
                self.fields.offset = Some(self.fields.offset.unwrap_or(0) + 3600);
                given::DAYLIGHT_MODIFIER | given::DAYLIGHT
            }
        }))
    }

    fn local_now(&self) -> i64 {
        let now = self.style.now_micros();
        self.style.time_zone.to_local(now)
    }

    fn day_from_today(&mut self, days: i64) -> Result<u32, Failure> {
        self.special = None;
        let today = split_timestamp(self.local_now()).0;
        self.fields.set_day(today + days)?;
        Ok(given::DATE)
    }

    /// Completes year, month and day, AM and PM (`ValidateDate`).
    fn finish_values(&mut self) -> Result<(), Failure> {
        let fields = &mut self.fields;
        let has = |part: u32| self.given & part == part;
        if has(given::YEAR) && !self.julian {
            let lowest = if self.two_digit_year && !self.before_christ { 0 } else { 1 };
            if fields.year < lowest {
                return Err(Failure::FieldOverflow);
            }
            if self.before_christ {
                fields.year = 1 - fields.year;
            } else if self.two_digit_year {
                fields.year += match fields.year {
                    ..70 => 2000,
                    70..100 => 1900,
                    _ => 0,
                };
            }
        }
        if has(given::DAY_OF_YEAR) {
            let days = days_from_civil(fields.year.into(), 1, fields.day_of_year.into());
            fields.set_day(days)?;
        }
        if has(given::MONTH) && !(1..=12).contains(&fields.month) || has(given::DAY) && !(1..=31).contains(&fields.day) {
            return Err(Failure::MonthDayOverflow);
        }
        if has(given::DATE) && fields.day > days_in_month(fields.year.into(), fields.month as u32) as i32 {
            return Err(Failure::FieldOverflow);
        }
        match self.afternoon {
            Some(_) if fields.hour > 12 => return Err(Failure::FieldOverflow),
            Some(false) if fields.hour == 12 => fields.hour = 0,
            Some(true) if fields.hour != 12 => fields.hour += 12,
            Some(_) | None => {}
        }
        Ok(())
    }

    fn finish_zone(&mut self) -> Result<(), Failure> {
        let modified = self.given & given::DAYLIGHT_MODIFIER != 0;
        if modified && (self.zone.is_some() || self.given & given::ZONE == 0) {
            return Err(Failure::BadFormat);
        }
        if let Some((zone, name)) = &self.abbreviation {
            self.fields.offset = self.fields.local_micros().map(|local| zone.offset_of_abbreviation(name, local));
        }
        if let Some(zone) = self.zone {
            // A day beyond the range is refused later.
            self.fields.offset = self.fields.local_micros().map(|local| zone.offset_of_local(local));
        }
        Ok(())
    }
}

/// A time of day or of an interval.
pub(in crate::text) struct Clock {
    pub hour: i64,
    pub minute: i32,
    pub second: i32,
    pub micros: i64,
    /// `12:34`, without seconds.
    pub two_parts: bool,
}

/// `hh:mm`, `hh:mm:ss[.fff]`, or `mm:ss.fff` (`DecodeTimeCommon`).
pub(in crate::text) fn read_clock(text: &str) -> Result<Clock, Failure> {
    let (first, rest) = leading_i64(text).ok_or(Failure::FieldOverflow)?;
    let rest = rest.strip_prefix(':').ok_or(Failure::BadFormat)?;
    let (second, rest) = leading_int(rest).ok_or(Failure::FieldOverflow)?;
    let clock = if rest.is_empty() {
        Clock {
            hour: first,
            minute: second,
            second: 0,
            micros: 0,
            two_parts: true,
        }
    } else if rest.starts_with('.') {
        let minute = i32::try_from(first).map_err(|_| Failure::FieldOverflow)?;
        Clock {
            hour: 0,
            minute,
            second,
            micros: read_fraction(rest)?,
            two_parts: false,
        }
    } else {
        let rest = rest.strip_prefix(':').ok_or(Failure::BadFormat)?;
        let (third, rest) = leading_int(rest).ok_or(Failure::FieldOverflow)?;
        let micros = if rest.is_empty() { 0 } else { read_fraction(rest)? };
        Clock {
            hour: first,
            minute: second,
            second: third,
            micros,
            two_parts: false,
        }
    };
    let valid = clock.hour >= 0 && (0..60).contains(&clock.minute) && (0..=60).contains(&clock.second);
    if valid { Ok(clock) } else { Err(Failure::FieldOverflow) }
}

/// `+hh`, `+hh:mm`, `+hh:mm:ss`, `+hhmm`: seconds east of UTC (`DecodeTimezone`).
fn read_offset(text: &str) -> Result<i32, Failure> {
    let (sign, unsigned) = match text.as_bytes().first() {
        Some(b'+') => (1, &text[1..]),
        Some(b'-') => (-1, &text[1..]),
        _ => return Err(Failure::BadFormat),
    };
    let int = |text| leading_int(text).ok_or(Failure::OffsetOverflow);
    let (mut hours, mut rest) = int(unsigned)?;
    let (mut minutes, mut seconds) = (0, 0);
    if let Some(after) = rest.strip_prefix(':') {
        (minutes, rest) = int(after)?;
        if let Some(after) = rest.strip_prefix(':') {
            (seconds, rest) = int(after)?;
        }
    } else if rest.is_empty() && text.len() > 3 {
        (hours, minutes) = (hours / 100, hours % 100);
    }
    if !(0..=MAX_OFFSET_HOURS).contains(&hours) || !(0..60).contains(&minutes) || !(0..60).contains(&seconds) {
        return Err(Failure::OffsetOverflow);
    }
    if !rest.is_empty() {
        return Err(Failure::BadFormat);
    }
    Ok(sign * ((hours * 60 + minutes) * 60 + seconds))
}

/// `.678` in microseconds, halves to even; `.` alone is 0.
fn read_fraction(text: &str) -> Result<i64, Failure> {
    let digits = text.strip_prefix('.').ok_or(Failure::BadFormat)?;
    if digits.is_empty() {
        return Ok(0);
    }
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Failure::BadFormat);
    }
    let fraction: f64 = format!("0.{digits}").parse().map_err(|_| Failure::BadFormat)?;
    Ok((fraction * 1e6).round_ties_even() as i64)
}

/// C's `strtol` into an int: the number at the beginning (0 where there is none) and what follows. None beyond the range.
pub(in crate::text) fn leading_int(text: &str) -> Option<(i32, &str)> {
    let (value, rest) = leading_i64(text)?;
    Some((i32::try_from(value).ok()?, rest))
}

pub(in crate::text) fn leading_i64(text: &str) -> Option<(i64, &str)> {
    let sign = usize::from(text.starts_with(['-', '+']));
    let digits = text[sign..].bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return Some((0, text));
    }
    let (number, rest) = text.split_at(sign + digits);
    Some((number.parse().ok()?, rest))
}

/// C's `atoi` of digits.
fn small_int(digits: &str) -> Result<i32, Failure> {
    leading_int(digits).map(|(value, _)| value).ok_or(Failure::FieldOverflow)
}
