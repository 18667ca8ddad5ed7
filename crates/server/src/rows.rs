//! Rows on the wire: DataRow messages and bound parameters, in text or binary.

use std::fmt::Write;

use bytes::{Bytes, BytesMut};
use pgwire::messages::data::{FORMAT_CODE_BINARY, FORMAT_CODE_TEXT};
use types::{Datum, Result, SqlError, SqlState, Type};

use crate::outgoing::Outgoing;
use crate::structure::{utf8, violation};
use engine::{ColumnDesc, TextIo};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    Binary,
}

impl Format {
    pub fn code(self) -> i16 {
        match self {
            Format::Text => FORMAT_CODE_TEXT,
            Format::Binary => FORMAT_CODE_BINARY,
        }
    }

    fn from_code(code: i16) -> Result<Format> {
        match code {
            FORMAT_CODE_TEXT => Ok(Format::Text),
            FORMAT_CODE_BINARY => Ok(Format::Binary),
            other => Err(SqlError::new(
                SqlState::InvalidParameterValue,
                format!("unsupported format code: {other}"),
            )),
        }
    }

    /// The protocol's shorthand: no code means text for all, one code counts for all, else one
    /// each. None if there are neither.
    pub fn expand(codes: &[i16], count: usize) -> Result<Option<Vec<Format>>> {
        match codes {
            [] => Ok(Some(vec![Format::Text; count])),
            [code] => Ok(Some(vec![Format::from_code(*code)?; count])),
            codes if codes.len() == count => codes.iter().map(|code| Format::from_code(*code)).collect::<Result<_>>().map(Some),
            _ => Ok(None),
        }
    }
}

/// Where a value is made that cannot be written in its place; reused from row to row.
#[derive(Default)]
pub struct Scratch {
    text: String,
    bytes: Vec<u8>,
}

/// Appends one DataRow.
pub fn data_row(
    out: &mut Outgoing,
    text_io: &TextIo,
    columns: &[ColumnDesc],
    formats: &[Format],
    row: &[Datum],
    scratch: &mut Scratch,
) -> Result<()> {
    if row.len() != columns.len() || formats.len() != columns.len() {
        return Err(SqlError::internal(format!(
            "a row of {} values for {} columns",
            row.len(),
            columns.len()
        )));
    }
    let count = u16::try_from(row.len()).map_err(|_| SqlError::internal("too many columns in a row"))?;
    out.data_row(|body| {
        body.extend_from_slice(&count.to_be_bytes());
        for ((column, format), datum) in columns.iter().zip(formats).zip(row) {
            value(body, text_io, column, *format, datum, scratch)?;
        }
        Ok(())
    })
}

fn value(body: &mut BytesMut, text_io: &TextIo, column: &ColumnDesc, format: Format, datum: &Datum, scratch: &mut Scratch) -> Result<()> {
    if datum.is_null() {
        body.extend_from_slice(&(-1i32).to_be_bytes());
        return Ok(());
    }
    let start = body.len();
    body.extend_from_slice(&[0; 4]);
    match format {
        Format::Text => text_value(body, text_io, column, datum, scratch)?,
        Format::Binary => binary_value(body, column.ty, datum, scratch)?,
    }
    let length = body.len() - start - 4;
    let length = i32::try_from(length).map_err(|_| SqlError::new(SqlState::ProgramLimitExceeded, "value too long for the protocol"))?;
    if let Some(place) = body.get_mut(start..start + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

/// The commonest values go straight into the buffer; the engine prints the others, because time
/// zones, styles and the names behind OIDs are the session's.
fn text_value(body: &mut BytesMut, text_io: &TextIo, column: &ColumnDesc, datum: &Datum, scratch: &mut Scratch) -> Result<()> {
    match (column.ty, datum) {
        (Type::Text | Type::Varchar | Type::Name | Type::Unknown, Datum::Text(text)) => body.extend_from_slice(text.as_bytes()),
        (Type::Bool, Datum::Bool(value)) => body.extend_from_slice(if *value { b"t" } else { b"f" }),
        (Type::Int2, Datum::Int2(value)) => integer(body, i64::from(*value)),
        (Type::Int4, Datum::Int4(value)) => integer(body, i64::from(*value)),
        (Type::Int8, Datum::Int8(value)) => integer(body, *value),
        (_, datum) => {
            scratch.text.clear();
            text_io.print_column(column, datum, &mut scratch.text)?;
            body.extend_from_slice(scratch.text.as_bytes());
        }
    }
    Ok(())
}

fn binary_value(body: &mut BytesMut, ty: Type, datum: &Datum, scratch: &mut Scratch) -> Result<()> {
    match (ty, datum) {
        (Type::Text | Type::Varchar | Type::Name | Type::Unknown, Datum::Text(text)) => body.extend_from_slice(text.as_bytes()),
        (Type::Int2, Datum::Int2(value)) => body.extend_from_slice(&value.to_be_bytes()),
        (Type::Int4, Datum::Int4(value)) => body.extend_from_slice(&value.to_be_bytes()),
        (Type::Int8, Datum::Int8(value)) => body.extend_from_slice(&value.to_be_bytes()),
        (Type::Float8, Datum::Float8(value)) => body.extend_from_slice(&value.to_be_bytes()),
        (ty, datum) => {
            scratch.bytes.clear();
            types::binary::encode(ty, datum, &mut scratch.bytes)?;
            body.extend_from_slice(&scratch.bytes);
        }
    }
    Ok(())
}

fn integer(body: &mut BytesMut, value: i64) {
    // The buffer grows, so writing to it cannot fail.
    let _ = write!(body, "{value}");
}

/// The values of a Bind message, in the types that the statement was prepared with.
pub fn parameters(text_io: &TextIo, types: &[Type], codes: &[i16], values: &[Option<Bytes>]) -> Result<Vec<Datum>> {
    let formats = Format::expand(codes, values.len())?.ok_or_else(|| {
        violation(format!(
            "bind message has {} parameter formats but {} parameters",
            codes.len(),
            values.len()
        ))
    })?;
    let mut datums = Vec::with_capacity(values.len());
    for (at, ((value, format), ty)) in values.iter().zip(formats).zip(types).enumerate() {
        datums.push(match value {
            None => Datum::Null,
            Some(bytes) => parameter(text_io, *ty, format, bytes, at)?,
        });
    }
    Ok(datums)
}

fn parameter(text_io: &TextIo, ty: Type, format: Format, bytes: &[u8], at: usize) -> Result<Datum> {
    match (format, ty) {
        (Format::Text, Type::Text | Type::Varchar | Type::Unknown) => without_nul(utf8(bytes)?).map(Datum::text),
        (Format::Text, ty) => text_io.read(ty, without_nul(utf8(bytes)?)?),
        (Format::Binary, ty) => match types::binary::decode(ty, bytes) {
            Err(error) if error.state() == SqlState::InvalidBinaryRepresentation && error.fields().detail.is_none() => {
                Err(error.detail(format!("It is the value of parameter ${}.", at + 1)))
            }
            other => other,
        },
    }
}

fn without_nul(text: &str) -> Result<&str> {
    match text.contains('\0') {
        false => Ok(text),
        true => Err(SqlError::new(
            SqlState::CharacterNotInRepertoire,
            "invalid byte sequence for encoding \"UTF8\": 0x00",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_codes_expand_as_the_protocol_says() {
        assert_eq!(Format::expand(&[], 2).unwrap(), Some(vec![Format::Text; 2]));
        assert_eq!(Format::expand(&[1], 3).unwrap(), Some(vec![Format::Binary; 3]));
        assert_eq!(Format::expand(&[0, 1], 2).unwrap(), Some(vec![Format::Text, Format::Binary]));
        assert_eq!(Format::expand(&[0, 1], 3).unwrap(), None);
        assert_eq!(Format::expand(&[2], 1).unwrap_err().message(), "unsupported format code: 2");
    }
}
