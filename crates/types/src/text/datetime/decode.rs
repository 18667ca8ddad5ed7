//! Gives the fields of a date or time their meaning, as PostgreSQL's `DecodeDateTime` and
//! `DecodeTimeOnly` do.

use crate::calendar::{MICROS_PER_DAY, MIN_DATE, days_from_civil, days_in_month, split_timestamp};
use crate::text::abbreviations::{self, Abbreviation};
use crate::text::style::{DateOrder, TextStyle};
use crate::text::zone::TimeZone;

use super::Failure;
use super::fields::{Fields, given};
use super::parts::{leading_int, read_clock, read_fraction, read_offset, small_int};
use super::tokens::{Field, Keyword, Kind, Label, keyword, split};

/// A timestamp's text, decoded.
pub(super) enum Decoded {
    Fields(Fields),
    Epoch,
    Infinity,
    NegInfinity,
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
