//! What a guest wrote, before it has a type.

use std::borrow::Cow;

use types::{SqlError, SqlState};

use super::reader::{Malformed, Reader};
use crate::abi::tag;

/// Why a value is refused.
#[derive(Debug)]
pub enum Returned {
    Malformed,
    Unfit(SqlError),
}

impl From<Malformed> for Returned {
    fn from(_: Malformed) -> Returned {
        Returned::Malformed
    }
}

impl From<SqlError> for Returned {
    fn from(error: SqlError) -> Returned {
        Returned::Unfit(error)
    }
}

/// What a guest sent, before it has a type.
#[derive(Clone)]
pub(super) enum Sent<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// Decimal digits of any length.
    Big(Cow<'a, str>),
    /// A decimal number, as text.
    Decimal(Cow<'a, str>),
    Text(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    /// Microseconds since 1970 UTC.
    Instant(i64),
    /// A time of a zone other than UTC, as text with its offset.
    Zoned(Cow<'a, str>),
    /// Microseconds since 1970 without a zone.
    Local(i64),
    /// Days since 1970.
    Day(i32),
    Array(Vec<Sent<'a>>),
    Row(Vec<Sent<'a>>),
    Json(Cow<'a, str>),
}

/// Deeper nesting is no SQL array; and reading it must not exhaust our stack.
const MAX_DEPTH: u32 = 8;
/// Elements of one value, on all its levels: a NULL is one byte in the guest's memory and some forty
/// here, so the guest's memory limit alone does not bound ours.
pub(super) const MAX_ELEMENTS: usize = 4 << 20;

pub(super) fn sent<'a>(input: &mut Reader<'a>) -> Result<Sent<'a>, Returned> {
    let mut room = MAX_ELEMENTS;
    sent_nested(input, 0, &mut room)
}

fn sent_nested<'a>(input: &mut Reader<'a>, depth: u32, room: &mut usize) -> Result<Sent<'a>, Returned> {
    let tag = input.u8()?;
    Ok(match tag {
        tag::NULL => Sent::Null,
        tag::FALSE => Sent::Bool(false),
        tag::TRUE => Sent::Bool(true),
        tag::INT => Sent::Int(i64::from(input.i32()?)),
        tag::LONG => Sent::Int(input.i64()?),
        tag::FLOAT => Sent::Float(input.f64()?),
        tag::BIG => Sent::Big(input.text()?.into()),
        tag::DECIMAL => Sent::Decimal(input.text()?.into()),
        tag::TEXT | tag::INTERVAL | tag::UUID => Sent::Text(input.text()?.into()),
        tag::TIME => match input.text()? {
            // Only what has a day as well holds a blank.
            moment if moment.contains(' ') => Sent::Zoned(moment.into()),
            clock => Sent::Text(clock.into()),
        },
        tag::BYTES => Sent::Bytes(input.bytes()?.into()),
        tag::TIMESTAMPTZ => Sent::Instant(input.i64()?),
        tag::TIMESTAMP => Sent::Local(input.i64()?),
        tag::DATE => Sent::Day(input.i32()?),
        tag::JSON => Sent::Json(input.text()?.into()),
        tag::ARRAY | tag::OBJECT => {
            if depth == MAX_DEPTH {
                let message = format!("an array is nested more than {MAX_DEPTH} levels deep");
                return Err(SqlError::new(SqlState::ProgramLimitExceeded, message)
                    .hint("To pass it as JSON, pass its text, and cast the placeholder to jsonb.")
                    .into());
            }
            let count = input.count()?;
            *room = room.checked_sub(count).ok_or_else(|| {
                SqlError::new(
                    SqlState::ProgramLimitExceeded,
                    format!("a function's value has more than {MAX_ELEMENTS} elements"),
                )
            })?;
            let mut values = Vec::new();
            for _ in 0..count {
                values.push(sent_nested(input, depth + 1, room)?);
            }
            if tag == tag::ARRAY {
                Sent::Array(values)
            } else {
                Sent::Row(values)
            }
        }
        _ => return Err(Returned::Malformed),
    })
}

impl Sent<'_> {
    /// The same, of what lies in no guest's buffer.
    pub(super) fn owned(self) -> Sent<'static> {
        fn own(text: Cow<'_, str>) -> Cow<'static, str> {
            Cow::Owned(text.into_owned())
        }
        match self {
            Sent::Null => Sent::Null,
            Sent::Bool(value) => Sent::Bool(value),
            Sent::Int(value) => Sent::Int(value),
            Sent::Float(value) => Sent::Float(value),
            Sent::Big(text) => Sent::Big(own(text)),
            Sent::Decimal(text) => Sent::Decimal(own(text)),
            Sent::Text(text) => Sent::Text(own(text)),
            Sent::Bytes(bytes) => Sent::Bytes(Cow::Owned(bytes.into_owned())),
            Sent::Instant(micros) => Sent::Instant(micros),
            Sent::Zoned(text) => Sent::Zoned(own(text)),
            Sent::Local(micros) => Sent::Local(micros),
            Sent::Day(days) => Sent::Day(days),
            Sent::Array(values) => Sent::Array(values.into_iter().map(Sent::owned).collect()),
            Sent::Row(values) => Sent::Row(values.into_iter().map(Sent::owned).collect()),
            Sent::Json(text) => Sent::Json(own(text)),
        }
    }
}
