//! Cuts a date, time or interval into fields, as PostgreSQL's `ParseDateTime` does.

use super::Failure;

/// PostgreSQL's `MAXDATEFIELDS`.
const MAX_FIELDS: usize = 25;
/// PostgreSQL's `MAXDATELEN` and a byte for each field: what the fields of a date hold together.
const MAX_LENGTH: usize = 128 + MAX_FIELDS;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::text) enum Kind {
    Number,
    /// Letters.
    Word,
    /// Digits with separators, a month's name among them, or a time zone's name.
    Date,
    /// Digits with colons.
    Time,
    /// A sign and digits: an offset, or a signed number of an interval.
    Signed,
    /// A sign and letters: `-infinity`.
    Special,
}

/// A field, in lower case.
#[derive(Clone, Debug)]
pub(in crate::text) struct Field {
    pub kind: Kind,
    pub text: String,
}

pub(in crate::text) fn split(text: &str) -> Result<Vec<Field>, Failure> {
    let mut length = 0;
    let mut cursor = Cursor { rest: text.as_bytes() };
    let mut fields = Vec::with_capacity(4);
    while let Some(byte) = cursor.peek() {
        if byte.is_ascii_whitespace() || byte == 0x0b {
            cursor.rest = &cursor.rest[1..];
            continue;
        }
        if fields.len() >= MAX_FIELDS {
            return Err(Failure::BadFormat);
        }
        let mut text = String::new();
        let kind = match byte {
            b'0'..=b'9' => cursor.starting_with_digit(&mut text),
            b'.' => {
                cursor.take_one(&mut text);
                cursor.take(&mut text, |b| b.is_ascii_digit());
                Kind::Number
            }
            b'a'..=b'z' | b'A'..=b'Z' => cursor.starting_with_letter(&mut text),
            b'+' | b'-' => cursor.starting_with_sign(&mut text)?,
            // Other punctuation separates.
            _ if byte.is_ascii_punctuation() => {
                cursor.rest = &cursor.rest[1..];
                continue;
            }
            _ => return Err(Failure::BadFormat),
        };
        length += text.len() + 1;
        if length > MAX_LENGTH {
            return Err(Failure::BadFormat);
        }
        fields.push(Field { kind, text });
    }
    Ok(fields)
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn take_one(&mut self, into: &mut String) {
        if let [first, rest @ ..] = self.rest {
            into.push(first.to_ascii_lowercase() as char);
            self.rest = rest;
        }
    }

    fn take(&mut self, into: &mut String, wanted: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&wanted) {
            self.take_one(into);
        }
    }

    fn starting_with_digit(&mut self, text: &mut String) -> Kind {
        let digit = |b: u8| b.is_ascii_digit();
        self.take(text, digit);
        match self.peek() {
            Some(b':') => {
                self.take(text, |b| b.is_ascii_digit() || b == b':' || b == b'.');
                Kind::Time
            }
            Some(delimiter @ (b'-' | b'/' | b'.')) => {
                self.take_one(text);
                if !self.peek().is_some_and(digit) {
                    // A month in letters.
                    self.take(text, |b| b.is_ascii_alphanumeric() || b == delimiter);
                    return Kind::Date;
                }
                self.take(text, digit);
                // Two delimiters that match make a date of three fields.
                if self.peek() == Some(delimiter) {
                    self.take(text, |b| b.is_ascii_digit() || b == delimiter);
                    return Kind::Date;
                }
                if delimiter == b'.' { Kind::Number } else { Kind::Date }
            }
            _ => Kind::Number,
        }
    }

    fn starting_with_letter(&mut self, text: &mut String) -> Kind {
        self.take(text, |b| b.is_ascii_alphabetic());
        let goes_on = match self.peek() {
            Some(b'-' | b'/' | b'.') => true,
            // "t" of an ISO time, "j" of a Julian day and so on end here; an unknown word is part of a zone's name.
            Some(b'+' | b'0'..=b'9') => keyword(text).is_none(),
            _ => false,
        };
        if !goes_on {
            return Kind::Word;
        }
        self.take(text, |b| {
            b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'/' | b'_' | b'.' | b':')
        });
        Kind::Date
    }

    fn starting_with_sign(&mut self, text: &mut String) -> Result<Kind, Failure> {
        self.take_one(text);
        while self.peek().is_some_and(|b| b.is_ascii_whitespace()) {
            self.rest = &self.rest[1..];
        }
        match self.peek() {
            Some(b'0'..=b'9') => {
                self.take(text, |b| b.is_ascii_digit() || matches!(b, b':' | b'.' | b'-'));
                Ok(Kind::Signed)
            }
            Some(b) if b.is_ascii_alphabetic() => {
                self.take(text, |b| b.is_ascii_alphabetic());
                Ok(Kind::Special)
            }
            _ => Err(Failure::BadFormat),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyword {
    Now,
    Yesterday,
    Today,
    Tomorrow,
    AllBalls,
    Epoch,
    Infinity,
    NegInfinity,
    Month(u32),
    Weekday,
    Am,
    Pm,
    Ad,
    Bc,
    /// The label of the number that follows: `y2001m02d04`.
    Label(Label),
    /// The `T` before an ISO time.
    IsoTime,
    /// An hour more than the zone before it says.
    DaylightModifier,
    Ignored,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Julian,
    Time,
    /// Known to PostgreSQL, but of no use in input: `dow`, `isoyear`.
    Useless,
}

/// PostgreSQL's `datetktbl`. Words count up to their tenth letter.
pub(super) fn keyword(word: &str) -> Option<Keyword> {
    Some(match word.get(..10).unwrap_or(word) {
        "now" => Keyword::Now,
        "yesterday" => Keyword::Yesterday,
        "today" => Keyword::Today,
        "tomorrow" => Keyword::Tomorrow,
        "allballs" => Keyword::AllBalls,
        "epoch" => Keyword::Epoch,
        "infinity" => Keyword::Infinity,
        "-infinity" => Keyword::NegInfinity,
        "jan" | "january" => Keyword::Month(1),
        "feb" | "february" => Keyword::Month(2),
        "mar" | "march" => Keyword::Month(3),
        "apr" | "april" => Keyword::Month(4),
        "may" => Keyword::Month(5),
        "jun" | "june" => Keyword::Month(6),
        "jul" | "july" => Keyword::Month(7),
        "aug" | "august" => Keyword::Month(8),
        "sep" | "sept" | "september" => Keyword::Month(9),
        "oct" | "october" => Keyword::Month(10),
        "nov" | "november" => Keyword::Month(11),
        "dec" | "december" => Keyword::Month(12),
        "sun" | "sunday" | "mon" | "monday" | "tue" | "tues" | "tuesday" | "wed" | "weds" | "wednesday" | "thu" | "thur" | "thurs"
        | "thursday" | "fri" | "friday" | "sat" | "saturday" => Keyword::Weekday,
        "am" => Keyword::Am,
        "pm" => Keyword::Pm,
        "ad" => Keyword::Ad,
        "bc" => Keyword::Bc,
        "y" => Keyword::Label(Label::Year),
        "m" => Keyword::Label(Label::Month),
        "d" => Keyword::Label(Label::Day),
        "h" => Keyword::Label(Label::Hour),
        "mm" => Keyword::Label(Label::Minute),
        "s" => Keyword::Label(Label::Second),
        "j" | "jd" | "julian" => Keyword::Label(Label::Julian),
        "dow" | "doy" | "isodow" | "isoyear" => Keyword::Label(Label::Useless),
        "t" => Keyword::IsoTime,
        "dst" => Keyword::DaylightModifier,
        "at" | "on" => Keyword::Ignored,
        _ => return None,
    })
}
