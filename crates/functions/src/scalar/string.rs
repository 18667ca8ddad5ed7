//! Functions of text, by characters: lengths, parts, padding, searching, case.

use types::Type::*;
use types::{Datum, Result, SqlError, SqlState};

use crate::Scalar;
use crate::argument::{bytea, int4, int8, text};
use crate::limit::check_size;
use crate::scalar::arithmetic::out_of_range;

pub(crate) static SCALARS: &[Scalar] = &[
    Scalar::new("textcat", &[Text, Text], Text, |_, a| {
        check_size(text(a, 0)?.len() + text(a, 1)?.len())?;
        Ok(Datum::text([text(a, 0)?, text(a, 1)?].concat()))
    }),
    Scalar::new("lower", &[Text], Text, |_, a| Ok(Datum::text(lower(text(a, 0)?)))),
    Scalar::new("upper", &[Text], Text, |_, a| Ok(Datum::text(upper(text(a, 0)?)))),
    Scalar::new("initcap", &[Text], Text, |_, a| Ok(Datum::text(capitals(text(a, 0)?)))),
    Scalar::new("length", &[Text], Int4, |_, a| Ok(count(text(a, 0)?))),
    Scalar::new("char_length", &[Text], Int4, |_, a| Ok(count(text(a, 0)?))),
    Scalar::new("character_length", &[Text], Int4, |_, a| Ok(count(text(a, 0)?))),
    Scalar::new("textlen", &[Text], Int4, |_, a| Ok(count(text(a, 0)?))),
    Scalar::new("length", &[Bpchar], Int4, |_, a| Ok(count(text(a, 0)?.trim_end_matches(' ')))),
    Scalar::new("char_length", &[Bpchar], Int4, |_, a| Ok(count(text(a, 0)?.trim_end_matches(' ')))),
    Scalar::new("character_length", &[Bpchar], Int4, |_, a| {
        Ok(count(text(a, 0)?.trim_end_matches(' ')))
    }),
    Scalar::new("octet_length", &[Text], Int4, |_, a| Ok(size(text(a, 0)?.len()))),
    Scalar::new("octet_length", &[Bpchar], Int4, |_, a| Ok(size(text(a, 0)?.len()))),
    Scalar::new("octet_length", &[Bytea], Int4, |_, a| Ok(size(bytea(a, 0)?.len()))),
    Scalar::new("bit_length", &[Text], Int4, |_, a| Ok(size(text(a, 0)?.len().saturating_mul(8)))),
    Scalar::new("bit_length", &[Bytea], Int4, |_, a| Ok(size(bytea(a, 0)?.len().saturating_mul(8)))),
    Scalar::new("substr", &[Text, Int4], Text, |_, a| substring(text(a, 0)?, int4(a, 1)?, None)),
    Scalar::new("substr", &[Text, Int4, Int4], Text, |_, a| {
        substring(text(a, 0)?, int4(a, 1)?, Some(int4(a, 2)?))
    }),
    Scalar::new("substring", &[Text, Int4], Text, |_, a| substring(text(a, 0)?, int4(a, 1)?, None)),
    Scalar::new("substring", &[Text, Int4, Int4], Text, |_, a| {
        substring(text(a, 0)?, int4(a, 1)?, Some(int4(a, 2)?))
    }),
    Scalar::new("left", &[Text, Int4], Text, |_, a| Ok(left(text(a, 0)?, int4(a, 1)?))),
    Scalar::new("right", &[Text, Int4], Text, |_, a| Ok(right(text(a, 0)?, int4(a, 1)?))),
    Scalar::new("strpos", &[Text, Text], Int4, |_, a| Ok(position(text(a, 0)?, text(a, 1)?))),
    Scalar::new("position", &[Text, Text], Int4, |_, a| Ok(position(text(a, 0)?, text(a, 1)?))),
    Scalar::new("starts_with", &[Text, Text], Bool, |_, a| {
        Ok(Datum::Bool(text(a, 0)?.starts_with(text(a, 1)?)))
    }),
    Scalar::new("overlay", &[Text, Text, Int4], Text, |_, a| overlay(a, count_of(text(a, 1)?))),
    Scalar::new("overlay", &[Text, Text, Int4, Int4], Text, |_, a| overlay(a, int4(a, 3)?)),
    Scalar::new("lpad", &[Text, Int4], Text, |_, a| pad(text(a, 0)?, int4(a, 1)?, " ", true)),
    Scalar::new("lpad", &[Text, Int4, Text], Text, |_, a| {
        pad(text(a, 0)?, int4(a, 1)?, text(a, 2)?, true)
    }),
    Scalar::new("rpad", &[Text, Int4], Text, |_, a| pad(text(a, 0)?, int4(a, 1)?, " ", false)),
    Scalar::new("rpad", &[Text, Int4, Text], Text, |_, a| {
        pad(text(a, 0)?, int4(a, 1)?, text(a, 2)?, false)
    }),
    Scalar::new("btrim", &[Text], Text, |_, a| Ok(Datum::text(text(a, 0)?.trim_matches(' ')))),
    Scalar::new("ltrim", &[Text], Text, |_, a| Ok(Datum::text(text(a, 0)?.trim_start_matches(' ')))),
    Scalar::new("rtrim", &[Text], Text, |_, a| Ok(Datum::text(text(a, 0)?.trim_end_matches(' ')))),
    Scalar::new("btrim", &[Text, Text], Text, |_, a| {
        Ok(Datum::text(text(a, 0)?.trim_matches(set(text(a, 1)?).as_slice())))
    }),
    Scalar::new("ltrim", &[Text, Text], Text, |_, a| {
        Ok(Datum::text(text(a, 0)?.trim_start_matches(set(text(a, 1)?).as_slice())))
    }),
    Scalar::new("rtrim", &[Text, Text], Text, |_, a| {
        Ok(Datum::text(text(a, 0)?.trim_end_matches(set(text(a, 1)?).as_slice())))
    }),
    Scalar::new("repeat", &[Text, Int4], Text, |_, a| repeat(text(a, 0)?, int4(a, 1)?)),
    Scalar::new("replace", &[Text, Text, Text], Text, |_, a| {
        replace(text(a, 0)?, text(a, 1)?, text(a, 2)?)
    }),
    Scalar::new("translate", &[Text, Text, Text], Text, |_, a| {
        translate(text(a, 0)?, text(a, 1)?, text(a, 2)?)
    }),
    Scalar::new("reverse", &[Text], Text, |_, a| {
        Ok(Datum::Text(text(a, 0)?.chars().rev().collect()))
    }),
    Scalar::new("split_part", &[Text, Text, Int4], Text, |_, a| {
        split_part(text(a, 0)?, text(a, 1)?, int4(a, 2)?)
    }),
    Scalar::new("ascii", &[Text], Int4, |_, a| {
        Ok(Datum::Int4(text(a, 0)?.chars().next().map_or(0, |c| c as i32)))
    }),
    Scalar::new("chr", &[Int4], Text, |_, a| chr(int4(a, 0)?)),
    Scalar::new("to_hex", &[Int4], Text, |_, a| Ok(Datum::text(format!("{:x}", int4(a, 0)?)))),
    Scalar::new("to_hex", &[Int8], Text, |_, a| Ok(Datum::text(format!("{:x}", int8(a, 0)?)))),
    Scalar::new("text_larger", &[Text, Text], Text, |_, a| {
        Ok(Datum::text(text(a, 0)?.max(text(a, 1)?)))
    }),
    Scalar::new("text_smaller", &[Text, Text], Text, |_, a| {
        Ok(Datum::text(text(a, 0)?.min(text(a, 1)?)))
    }),
    Scalar::new("text_pattern_lt", &[Text, Text], Bool, |_, a| {
        Ok(Datum::Bool(text(a, 0)? < text(a, 1)?))
    }),
    Scalar::new("text_pattern_le", &[Text, Text], Bool, |_, a| {
        Ok(Datum::Bool(text(a, 0)? <= text(a, 1)?))
    }),
    Scalar::new("text_pattern_ge", &[Text, Text], Bool, |_, a| {
        Ok(Datum::Bool(text(a, 0)? >= text(a, 1)?))
    }),
    Scalar::new("text_pattern_gt", &[Text, Text], Bool, |_, a| {
        Ok(Datum::Bool(text(a, 0)? > text(a, 1)?))
    }),
    Scalar::new("bpchar_pattern_lt", &[Bpchar, Bpchar], Bool, |_, a| {
        Ok(Datum::Bool(text(a, 0)?.trim_end_matches(' ') < text(a, 1)?.trim_end_matches(' ')))
    }),
    Scalar::new("bpchar_pattern_le", &[Bpchar, Bpchar], Bool, |_, a| {
        Ok(Datum::Bool(text(a, 0)?.trim_end_matches(' ') <= text(a, 1)?.trim_end_matches(' ')))
    }),
    Scalar::new("bpchar_pattern_ge", &[Bpchar, Bpchar], Bool, |_, a| {
        Ok(Datum::Bool(text(a, 0)?.trim_end_matches(' ') >= text(a, 1)?.trim_end_matches(' ')))
    }),
    Scalar::new("bpchar_pattern_gt", &[Bpchar, Bpchar], Bool, |_, a| {
        Ok(Datum::Bool(text(a, 0)?.trim_end_matches(' ') > text(a, 1)?.trim_end_matches(' ')))
    }),
    Scalar::new("bttextcmp", &[Text, Text], Int4, |_, a| {
        Ok(Datum::Int4(text(a, 0)?.cmp(text(a, 1)?) as i32))
    }),
];

/// Case changes character by character: one that would become several stays.
fn map_case<I: ExactSizeIterator<Item = char>>(text: &str, case: fn(char) -> I) -> String {
    let single = |c| {
        let mut mapped = case(c);
        match (mapped.next(), mapped.next()) {
            (Some(mapped), None) => mapped,
            _ => c,
        }
    };
    text.chars().map(single).collect()
}

pub(crate) fn lower(text: &str) -> String {
    if text.is_ascii() {
        text.to_ascii_lowercase()
    } else {
        map_case(text, char::to_lowercase)
    }
}

pub(crate) fn upper(text: &str) -> String {
    if text.is_ascii() {
        text.to_ascii_uppercase()
    } else {
        map_case(text, char::to_uppercase)
    }
}

/// A capital at the start of each run of letters and digits, small letters after it.
pub(crate) fn capitals(text: &str) -> String {
    let mut inside = false;
    let mut out = String::with_capacity(text.len());
    let mut buffer = [0; 4];
    for c in text.chars() {
        let one = c.encode_utf8(&mut buffer);
        out.push_str(&if inside { lower(one) } else { upper(one) });
        inside = c.is_alphanumeric();
    }
    out
}

/// No value is larger than a limit far below `i32::MAX`.
fn count_of(text: &str) -> i32 {
    text.chars().count() as i32
}

fn count(text: &str) -> Datum {
    Datum::Int4(count_of(text))
}

fn size(bytes: usize) -> Datum {
    Datum::Int4(i32::try_from(bytes).unwrap_or(i32::MAX))
}

/// The characters that a trim function removes.
fn set(text: &str) -> Vec<char> {
    text.chars().collect()
}

pub(crate) fn negative_length() -> SqlError {
    SqlError::new(SqlState::SubstringError, "negative substring length not allowed")
}

/// What positions and lengths of substring mean: (how many to skip, how many to take). Positions count
/// from 1 and may lie outside; only a negative length is an error.
pub(crate) fn substring_range(start: i32, count: Option<i32>) -> Result<(usize, usize)> {
    let start = i64::from(start);
    let end = match count {
        Some(count) if count < 0 => return Err(negative_length()),
        Some(count) => start + i64::from(count),
        None => i64::MAX,
    };
    let first = start.max(1);
    let skip = usize::try_from(first - 1).unwrap_or(usize::MAX);
    Ok((skip, usize::try_from(end.saturating_sub(first)).unwrap_or(0)))
}

fn substring(text: &str, start: i32, count: Option<i32>) -> Result<Datum> {
    let (skip, take) = substring_range(start, count)?;
    Ok(Datum::text(slice(text, skip, take)))
}

/// `take` characters after the first `skip`.
fn slice(text: &str, skip: usize, take: usize) -> &str {
    let offset = |text: &str, characters| text.char_indices().nth(characters).map_or(text.len(), |(at, _)| at);
    let rest = &text[offset(text, skip)..];
    &rest[..offset(rest, take)]
}

/// The first n characters; for a negative n all but the last |n|.
fn left(text: &str, n: i32) -> Datum {
    let n = i64::from(n);
    let take = if n >= 0 { n } else { i64::from(count_of(text)) + n };
    Datum::text(slice(text, 0, usize::try_from(take).unwrap_or(0)))
}

fn right(text: &str, n: i32) -> Datum {
    let n = i64::from(n);
    let skip = if n >= 0 { i64::from(count_of(text)) - n } else { -n };
    Datum::text(slice(text, usize::try_from(skip).unwrap_or(0), usize::MAX))
}

fn position(text: &str, part: &str) -> Datum {
    Datum::Int4(text.find(part).map_or(0, |at| count_of(&text[..at]) + 1))
}

fn overlay(args: &[Datum], length: i32) -> Result<Datum> {
    let (original, replacement, start) = (text(args, 0)?, text(args, 1)?, int4(args, 2)?);
    if start <= 0 {
        return Err(negative_length());
    }
    let after = start.checked_add(length).ok_or_else(|| out_of_range("integer"))?;
    let (head, _) = substring_range(start, None)?;
    let (tail, _) = substring_range(after, None)?;
    let result = [slice(original, 0, head), replacement, slice(original, tail, usize::MAX)].concat();
    check_size(result.len())?;
    Ok(Datum::Text(result))
}

fn pad(text: &str, length: i32, fill: &str, on_the_left: bool) -> Result<Datum> {
    let length = usize::try_from(length).unwrap_or(0);
    let present = text.chars().count();
    if present >= length || fill.is_empty() {
        return Ok(Datum::text(slice(text, 0, length)));
    }
    let missing = length - present;
    check_size(text.len().saturating_add(missing.saturating_mul(4)))?;
    let filling = fill.chars().cycle().take(missing);
    Ok(Datum::Text(if on_the_left {
        filling.chain(text.chars()).collect()
    } else {
        text.chars().chain(filling).collect()
    }))
}

fn repeat(text: &str, times: i32) -> Result<Datum> {
    let times = usize::try_from(times).unwrap_or(0);
    check_size(text.len().saturating_mul(times))?;
    Ok(Datum::Text(text.repeat(times)))
}

fn replace(text: &str, from: &str, to: &str) -> Result<Datum> {
    if from.is_empty() {
        return Ok(Datum::text(text));
    }
    if to.len() > from.len() {
        let found = text.matches(from).count();
        check_size(text.len().saturating_add(found.saturating_mul(to.len() - from.len())))?;
    }
    Ok(Datum::Text(text.replace(from, to)))
}

/// Characters of `from` become those at the same place of `to`, or vanish where there is none.
fn translate(text: &str, from: &str, to: &str) -> Result<Datum> {
    check_size(text.len().saturating_mul(4))?;
    let from: Vec<char> = from.chars().collect();
    let to: Vec<char> = to.chars().collect();
    let map = |c| match from.iter().position(|f| *f == c) {
        None => Some(c),
        Some(at) => to.get(at).copied(),
    };
    Ok(Datum::Text(text.chars().filter_map(map).collect()))
}

fn split_part(text: &str, delimiter: &str, field: i32) -> Result<Datum> {
    if field == 0 {
        return Err(SqlError::new(SqlState::InvalidParameterValue, "field position must not be zero"));
    }
    let index = field.unsigned_abs() as usize - 1;
    let part = if delimiter.is_empty() {
        (index == 0).then_some(text)
    } else if field > 0 {
        text.split(delimiter).nth(index)
    } else {
        // From the left first: overlapping delimiters must split as they do for positive fields.
        let fields = text.split(delimiter).count();
        fields.checked_sub(index + 1).and_then(|index| text.split(delimiter).nth(index))
    };
    Ok(Datum::text(part.unwrap_or_default()))
}

fn chr(code: i32) -> Result<Datum> {
    let limit = |message: String| SqlError::new(SqlState::ProgramLimitExceeded, message);
    let code = match u32::try_from(code) {
        Err(_) => return Err(SqlError::new(SqlState::InvalidParameterValue, "character number must be positive")),
        Ok(0) => return Err(limit("null character not permitted".to_string())),
        Ok(code) if code > 0x0010_ffff => return Err(limit(format!("requested character too large for encoding: {code}"))),
        Ok(code) => code,
    };
    match char::from_u32(code) {
        Some(c) => Ok(Datum::text(c)),
        None => Err(limit(format!("requested character not valid for encoding: {code}"))),
    }
}
