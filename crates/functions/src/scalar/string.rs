//! Functions of text, by characters.

use types::Type::*;
use types::{Datum, Result, SqlError, SqlState};

use crate::Scalar;
use crate::argument::{int4, text};
use crate::limit::check_size;

pub(crate) static SCALARS: &[Scalar] = &[
    Scalar::new("textcat", &[Text, Text], Text, |_, a| {
        check_size(text(a, 0)?.len() + text(a, 1)?.len())?;
        Ok(Datum::text([text(a, 0)?, text(a, 1)?].concat()))
    }),
    Scalar::new("lower", &[Text], Text, |_, a| Ok(Datum::text(text(a, 0)?.to_lowercase()))),
    Scalar::new("upper", &[Text], Text, |_, a| Ok(Datum::text(text(a, 0)?.to_uppercase()))),
    Scalar::new("length", &[Text], Int4, |_, a| length(a)),
    Scalar::new("char_length", &[Text], Int4, |_, a| length(a)),
    Scalar::new("character_length", &[Text], Int4, |_, a| length(a)),
    Scalar::new("textlen", &[Text], Int4, |_, a| length(a)),
    Scalar::new("substr", &[Text, Int4], Text, |_, a| substring(text(a, 0)?, int4(a, 1)?, None)),
    Scalar::new("substr", &[Text, Int4, Int4], Text, |_, a| substring(text(a, 0)?, int4(a, 1)?, Some(int4(a, 2)?))),
    Scalar::new("substring", &[Text, Int4], Text, |_, a| substring(text(a, 0)?, int4(a, 1)?, None)),
    Scalar::new("substring", &[Text, Int4, Int4], Text, |_, a| substring(text(a, 0)?, int4(a, 1)?, Some(int4(a, 2)?))),
];

fn length(args: &[Datum]) -> Result<Datum> {
    Ok(Datum::Int4(text(args, 0)?.chars().count() as i32))
}

/// Positions count from 1 and may lie outside the text; only a negative length is an error.
fn substring(text: &str, start: i32, count: Option<i32>) -> Result<Datum> {
    let start = i64::from(start);
    let end = match count {
        Some(count) if count < 0 => return Err(SqlError::new(SqlState::SubstringError, "negative substring length not allowed")),
        Some(count) => start + i64::from(count),
        None => i64::MAX,
    };
    let skip = usize::try_from(start.max(1) - 1).unwrap_or(usize::MAX);
    let take = usize::try_from(end.saturating_sub(start.max(1))).unwrap_or(0);
    Ok(Datum::Text(text.chars().skip(skip).take(take).collect()))
}
