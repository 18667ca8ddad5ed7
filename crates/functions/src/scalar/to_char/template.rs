//! Templates of dates and times, taken apart.

use types::{Result, SqlError, SqlState};

/// One piece of a template.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Node {
    Field {
        key: &'static Key,
        modifiers: Modifiers,
    },
    /// A character that is copied; `quoted` ones never count as separators.
    Char(char),
    Separator(char),
    Space(char),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Modifiers {
    /// FM: no padding.
    pub(super) fill: bool,
    /// TM: names in the locale's language, which is English here, without padding.
    pub(super) translated: bool,
    /// TH and th: an ordinal's ending.
    pub(super) ordinal: Option<Case>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Case {
    Upper,
    Lower,
    Title,
}

/// Which calendar a field belongs to; they don't mix in input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Calendar {
    None,
    Gregorian,
    IsoWeek,
}

#[derive(PartialEq, Eq, Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) id: Id,
    /// A number in the input.
    pub(super) is_digit: bool,
    pub(super) calendar: Calendar,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Id {
    Era { dots: bool, case: Case },
    Meridiem { dots: bool, case: Case },
    Century,
    Day(Case),
    DayShort(Case),
    DayOfYear,
    IsoDayOfYear,
    DayOfMonth,
    DayOfWeek,
    IsoDayOfWeek,
    Fraction(usize),
    Fixed,
    Hour24,
    Hour12,
    Julian,
    Minute,
    Month,
    MonthName(Case),
    MonthShort(Case),
    Milliseconds,
    Offset,
    Quarter,
    Roman(Case),
    SecondsOfDay,
    Second,
    ZoneHour,
    ZoneMinute,
    Zone(Case),
    Microseconds,
    Week,
    IsoWeek,
    WeekOfMonth,
    YearComma,
    Year(u32),
    IsoYear(u32),
}

const fn key(name: &'static str, id: Id, is_digit: bool, calendar: Calendar) -> Key {
    Key {
        name,
        id,
        is_digit,
        calendar,
    }
}

use Calendar::{Gregorian, IsoWeek, None as Any};
use Case::{Lower, Title, Upper};

/// A longer name stands before its prefixes.
static KEYS: &[Key] = &[
    key("A.D.", Id::Era { dots: true, case: Upper }, false, Any),
    key("A.M.", Id::Meridiem { dots: true, case: Upper }, false, Any),
    key("AD", Id::Era { dots: false, case: Upper }, false, Any),
    key("AM", Id::Meridiem { dots: false, case: Upper }, false, Any),
    key("B.C.", Id::Era { dots: true, case: Upper }, false, Any),
    key("BC", Id::Era { dots: false, case: Upper }, false, Any),
    key("CC", Id::Century, true, Any),
    key("DAY", Id::Day(Upper), false, Any),
    key("DDD", Id::DayOfYear, true, Gregorian),
    key("DD", Id::DayOfMonth, true, Gregorian),
    key("DY", Id::DayShort(Upper), false, Any),
    key("Day", Id::Day(Title), false, Any),
    key("Dy", Id::DayShort(Title), false, Any),
    key("D", Id::DayOfWeek, true, Gregorian),
    key("FF1", Id::Fraction(1), true, Any),
    key("FF2", Id::Fraction(2), true, Any),
    key("FF3", Id::Fraction(3), true, Any),
    key("FF4", Id::Fraction(4), true, Any),
    key("FF5", Id::Fraction(5), true, Any),
    key("FF6", Id::Fraction(6), true, Any),
    key("FX", Id::Fixed, false, Any),
    key("HH24", Id::Hour24, true, Any),
    key("HH12", Id::Hour12, true, Any),
    key("HH", Id::Hour12, true, Any),
    key("IDDD", Id::IsoDayOfYear, true, IsoWeek),
    key("ID", Id::IsoDayOfWeek, true, IsoWeek),
    key("IW", Id::IsoWeek, true, IsoWeek),
    key("IYYY", Id::IsoYear(4), true, IsoWeek),
    key("IYY", Id::IsoYear(3), true, IsoWeek),
    key("IY", Id::IsoYear(2), true, IsoWeek),
    key("I", Id::IsoYear(1), true, IsoWeek),
    key("J", Id::Julian, true, Any),
    key("MI", Id::Minute, true, Any),
    key("MM", Id::Month, true, Gregorian),
    key("MONTH", Id::MonthName(Upper), false, Gregorian),
    key("MON", Id::MonthShort(Upper), false, Gregorian),
    key("MS", Id::Milliseconds, true, Any),
    key("Month", Id::MonthName(Title), false, Gregorian),
    key("Mon", Id::MonthShort(Title), false, Gregorian),
    key("OF", Id::Offset, false, Any),
    key("P.M.", Id::Meridiem { dots: true, case: Upper }, false, Any),
    key("PM", Id::Meridiem { dots: false, case: Upper }, false, Any),
    key("Q", Id::Quarter, true, Any),
    key("RM", Id::Roman(Upper), false, Gregorian),
    key("SSSSS", Id::SecondsOfDay, true, Any),
    key("SSSS", Id::SecondsOfDay, true, Any),
    key("SS", Id::Second, true, Any),
    key("TZH", Id::ZoneHour, false, Any),
    key("TZM", Id::ZoneMinute, true, Any),
    key("TZ", Id::Zone(Upper), false, Any),
    key("US", Id::Microseconds, true, Any),
    key("WW", Id::Week, true, Gregorian),
    key("W", Id::WeekOfMonth, true, Gregorian),
    key("Y,YYY", Id::YearComma, true, Gregorian),
    key("YYYY", Id::Year(4), true, Gregorian),
    key("YYY", Id::Year(3), true, Gregorian),
    key("YY", Id::Year(2), true, Gregorian),
    key("Y", Id::Year(1), true, Gregorian),
    key("a.d.", Id::Era { dots: true, case: Lower }, false, Any),
    key("a.m.", Id::Meridiem { dots: true, case: Lower }, false, Any),
    key("ad", Id::Era { dots: false, case: Lower }, false, Any),
    key("am", Id::Meridiem { dots: false, case: Lower }, false, Any),
    key("b.c.", Id::Era { dots: true, case: Lower }, false, Any),
    key("bc", Id::Era { dots: false, case: Lower }, false, Any),
    key("cc", Id::Century, true, Any),
    key("day", Id::Day(Lower), false, Any),
    key("ddd", Id::DayOfYear, true, Gregorian),
    key("dd", Id::DayOfMonth, true, Gregorian),
    key("dy", Id::DayShort(Lower), false, Any),
    key("d", Id::DayOfWeek, true, Gregorian),
    key("ff1", Id::Fraction(1), true, Any),
    key("ff2", Id::Fraction(2), true, Any),
    key("ff3", Id::Fraction(3), true, Any),
    key("ff4", Id::Fraction(4), true, Any),
    key("ff5", Id::Fraction(5), true, Any),
    key("ff6", Id::Fraction(6), true, Any),
    key("fx", Id::Fixed, false, Any),
    key("hh24", Id::Hour24, true, Any),
    key("hh12", Id::Hour12, true, Any),
    key("hh", Id::Hour12, true, Any),
    key("iddd", Id::IsoDayOfYear, true, IsoWeek),
    key("id", Id::IsoDayOfWeek, true, IsoWeek),
    key("iw", Id::IsoWeek, true, IsoWeek),
    key("iyyy", Id::IsoYear(4), true, IsoWeek),
    key("iyy", Id::IsoYear(3), true, IsoWeek),
    key("iy", Id::IsoYear(2), true, IsoWeek),
    key("i", Id::IsoYear(1), true, IsoWeek),
    key("j", Id::Julian, true, Any),
    key("mi", Id::Minute, true, Any),
    key("mm", Id::Month, true, Gregorian),
    key("month", Id::MonthName(Lower), false, Gregorian),
    key("mon", Id::MonthShort(Lower), false, Gregorian),
    key("ms", Id::Milliseconds, true, Any),
    key("of", Id::Offset, false, Any),
    key("p.m.", Id::Meridiem { dots: true, case: Lower }, false, Any),
    key("pm", Id::Meridiem { dots: false, case: Lower }, false, Any),
    key("q", Id::Quarter, true, Any),
    key("rm", Id::Roman(Lower), false, Gregorian),
    key("sssss", Id::SecondsOfDay, true, Any),
    key("ssss", Id::SecondsOfDay, true, Any),
    key("ss", Id::Second, true, Any),
    key("tzh", Id::ZoneHour, false, Any),
    key("tzm", Id::ZoneMinute, true, Any),
    key("tz", Id::Zone(Lower), false, Any),
    key("us", Id::Microseconds, true, Any),
    key("ww", Id::Week, true, Gregorian),
    key("w", Id::WeekOfMonth, true, Gregorian),
    key("y,yyy", Id::YearComma, true, Gregorian),
    key("yyyy", Id::Year(4), true, Gregorian),
    key("yyy", Id::Year(3), true, Gregorian),
    key("yy", Id::Year(2), true, Gregorian),
    key("y", Id::Year(1), true, Gregorian),
];

pub(super) fn parse(template: &str) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut rest = template;
    while !rest.is_empty() {
        let mut modifiers = Modifiers::default();
        if let Some(after) = rest.strip_prefix("FM").or_else(|| rest.strip_prefix("fm")) {
            modifiers.fill = true;
            rest = after;
        } else if let Some(after) = rest.strip_prefix("TM").or_else(|| rest.strip_prefix("tm")) {
            modifiers.translated = true;
            rest = after;
        }
        if let Some(key) = KEYS.iter().find(|key| rest.starts_with(key.name)) {
            rest = &rest[key.name.len()..];
            for (suffix, case) in [("TH", Some(Case::Upper)), ("th", Some(Case::Lower)), ("SP", None)] {
                if let Some(after) = rest.strip_prefix(suffix) {
                    modifiers.ordinal = case;
                    rest = after;
                    break;
                }
            }
            nodes.push(Node::Field { key, modifiers });
            continue;
        }
        let mut chars = rest.chars();
        match chars.next() {
            None => break,
            Some('"') => {
                while let Some(c) = chars.next() {
                    match c {
                        '"' => break,
                        '\\' => nodes.extend(chars.next().map(Node::Char)),
                        c => nodes.push(Node::Char(c)),
                    }
                }
            }
            Some('\\') if chars.as_str().starts_with('"') => {
                chars.next();
                nodes.push(Node::Char('"'));
            }
            Some(c) if c.is_whitespace() => nodes.push(Node::Space(c)),
            Some(c) if is_separator(c) => nodes.push(Node::Separator(c)),
            Some(c) => nodes.push(Node::Char(c)),
        }
        rest = chars.as_str();
    }
    nodes
}

/// ASCII that is neither a letter nor a digit.
pub(super) fn is_separator(c: char) -> bool {
    c.is_ascii_graphic() && !c.is_ascii_alphanumeric()
}

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(super) const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
pub(super) const ROMAN_MONTHS: [&str; 12] = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];

impl Case {
    pub(super) fn of(self, text: &str) -> String {
        match self {
            Case::Upper => text.to_ascii_uppercase(),
            Case::Lower => text.to_ascii_lowercase(),
            Case::Title => text.to_string(),
        }
    }
}

/// `st`, `nd`, `rd` or `th` for a number's text.
pub(super) fn ordinal_ending(number: &str) -> Result<&'static str> {
    let digits = number.as_bytes();
    let last = digits.last().copied().unwrap_or(b'0');
    if !last.is_ascii_digit() {
        return Err(SqlError::new(
            SqlState::InvalidTextRepresentation,
            format!("\"{number}\" is not a number"),
        ));
    }
    let is_teen = digits.len() > 1 && digits[digits.len() - 2] == b'1';
    Ok(match last {
        _ if is_teen => "th",
        b'1' => "st",
        b'2' => "nd",
        b'3' => "rd",
        _ => "th",
    })
}
