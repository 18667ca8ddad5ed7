//! Values in PostgreSQL's binary format: what its send functions write and its receive functions read.
//!
//! Numbers are big-endian. Dates and timestamps count from 2000-01-01 on the wire and from 1970 in
//! a [`Datum`]. What [`decode`] reads comes from a client: each length and each number is checked.

use crate::calendar::{
    DATE_INFINITY, DATE_NEG_INFINITY, DAYS_TO_2000, MICROS_PER_DAY, MICROS_TO_2000, TIMESTAMP_INFINITY, TIMESTAMP_NEG_INFINITY,
    is_valid_date, is_valid_timestamp,
};
use crate::text::{self, json};
use crate::{Array, Datum, Interval, Numeric, Result, SqlError, SqlState, Type};

/// jsonb's only format so far.
const JSONB_VERSION: u8 = 1;

/// Appends the value as PostgreSQL's send function of `ty` writes it. NULL has no binary form, and is an error.
pub fn encode(ty: Type, datum: &Datum, out: &mut Vec<u8>) -> Result<()> {
    match datum {
        Datum::Null => return Err(SqlError::internal("a null has no binary form")),
        Datum::Bool(value) => out.push(u8::from(*value)),
        Datum::Int2(value) => out.extend(value.to_be_bytes()),
        Datum::Int4(value) => out.extend(value.to_be_bytes()),
        Datum::Int8(value) => out.extend(value.to_be_bytes()),
        Datum::Float4(value) => out.extend(value.to_be_bytes()),
        Datum::Float8(value) => out.extend(value.to_be_bytes()),
        Datum::Numeric(value) => value.encode(out),
        Datum::Text(value) if ty == Type::Char => out.push(value.bytes().next().unwrap_or(0)),
        Datum::Text(value) => out.extend(value.as_bytes()),
        Datum::Bytea(value) => out.extend(value),
        Datum::Date(days) => out.extend(wire_date(*days).to_be_bytes()),
        Datum::Time(micros) => out.extend(micros.to_be_bytes()),
        Datum::Timestamp(micros) | Datum::Timestamptz(micros) => out.extend(wire_timestamp(*micros).to_be_bytes()),
        Datum::Interval(value) => {
            out.extend(value.micros.to_be_bytes());
            out.extend(value.days.to_be_bytes());
            out.extend(value.months.to_be_bytes());
        }
        Datum::Uuid(value) => out.extend(value),
        Datum::Json(value) => {
            if ty == Type::Jsonb {
                out.push(JSONB_VERSION);
            }
            out.extend(value.as_bytes());
        }
        Datum::Oid(value) => out.extend(value.to_be_bytes()),
        Datum::Array(array) => encode_array(array, out)?,
        Datum::Record(values) => {
            out.extend(length(values.len())?.to_be_bytes());
            for value in values {
                let ty = text::natural_type(value);
                out.extend(ty.oid().to_be_bytes());
                encode_field(ty, value, out)?;
            }
        }
    }
    Ok(())
}

fn wire_date(days: i32) -> i32 {
    match days {
        DATE_INFINITY | DATE_NEG_INFINITY => days,
        _ => days.saturating_sub(DAYS_TO_2000),
    }
}

fn wire_timestamp(micros: i64) -> i64 {
    match micros {
        TIMESTAMP_INFINITY | TIMESTAMP_NEG_INFINITY => micros,
        _ => micros.saturating_sub(MICROS_TO_2000),
    }
}

fn encode_array(array: &Array, out: &mut Vec<u8>) -> Result<()> {
    out.extend(length(array.dims.len())?.to_be_bytes());
    out.extend(i32::from(array.values.iter().any(Datum::is_null)).to_be_bytes());
    out.extend(array.element.oid().to_be_bytes());
    for (length, lower) in &array.dims {
        out.extend(length.to_be_bytes());
        out.extend(lower.to_be_bytes());
    }
    array.values.iter().try_for_each(|value| encode_field(array.element, value, out))
}

/// A value behind its length; NULL is length -1.
fn encode_field(ty: Type, value: &Datum, out: &mut Vec<u8>) -> Result<()> {
    if value.is_null() {
        out.extend((-1i32).to_be_bytes());
        return Ok(());
    }
    let at = out.len();
    out.extend([0; 4]);
    encode(ty, value, out)?;
    let written = length(out.len() - at - 4)?;
    out[at..at + 4].copy_from_slice(&written.to_be_bytes());
    Ok(())
}

fn length(value: usize) -> Result<i32> {
    i32::try_from(value).map_err(|_| SqlError::new(SqlState::ProgramLimitExceeded, "value too large for the binary format"))
}

/// Reads a value as PostgreSQL's receive function of `ty` does. All the bytes must belong to it.
pub fn decode(ty: Type, bytes: &[u8]) -> Result<Datum> {
    let mut reader = Reader { rest: bytes };
    let datum = match ty {
        Type::Bool => Datum::Bool(reader.take::<1>()? != [0]),
        Type::Int2 => Datum::Int2(i16::from_be_bytes(reader.take()?)),
        Type::Int4 => Datum::Int4(reader.i32()?),
        Type::Int8 => Datum::Int8(reader.i64()?),
        Type::Float4 => Datum::Float4(f32::from_be_bytes(reader.take()?)),
        Type::Float8 => Datum::Float8(f64::from_be_bytes(reader.take()?)),
        Type::Numeric => Datum::Numeric(Numeric::decode(&mut reader)?),
        Type::Text | Type::Varchar | Type::Bpchar | Type::Unknown => Datum::Text(reader.text()?.to_string()),
        Type::Name => {
            let name = reader.text()?;
            if name.len() > crate::ident::MAX_IDENTIFIER_BYTES {
                return Err(SqlError::new(SqlState::NameTooLong, "identifier too long").detail(format!(
                    "Identifier must be less than {} characters.",
                    crate::ident::MAX_IDENTIFIER_BYTES + 1
                )));
            }
            Datum::Text(name.to_string())
        }
        Type::Char => Datum::Text(match reader.take::<1>()? {
            [0] => String::new(),
            byte => utf8(&byte)?.to_string(),
        }),
        Type::Bytea => Datum::Bytea(reader.all().to_vec()),
        Type::Date => Datum::Date(read_date(reader.i32()?)?),
        Type::Time => {
            let micros = reader.i64()?;
            if !(0..=MICROS_PER_DAY).contains(&micros) {
                return Err(SqlError::new(SqlState::DatetimeFieldOverflow, "time out of range"));
            }
            Datum::Time(micros)
        }
        Type::Timestamp => Datum::Timestamp(read_timestamp(reader.i64()?)?),
        Type::Timestamptz => Datum::Timestamptz(read_timestamp(reader.i64()?)?),
        Type::Interval => {
            let micros = reader.i64()?;
            let days = reader.i32()?;
            Datum::Interval(Interval {
                months: reader.i32()?,
                days,
                micros,
            })
        }
        Type::Uuid => Datum::Uuid(reader.take()?),
        Type::Json => {
            let text = reader.text()?;
            json::validate(text)?;
            Datum::Json(text.to_string())
        }
        Type::Jsonb => match reader.take::<1>()? {
            [JSONB_VERSION] => Datum::Json(json::canonical(reader.text()?)?),
            [version] => return Err(SqlError::internal(format!("unsupported jsonb version number {version}"))),
        },
        Type::Oid | Type::Regclass | Type::Regtype | Type::Regproc | Type::Regnamespace | Type::Regrole => {
            Datum::Oid(u32::from_be_bytes(reader.take()?))
        }
        Type::Array(element) => Datum::Array(Box::new(decode_array(*element, &mut reader)?)),
        Type::Void => Datum::Text(String::new()),
        Type::Record => {
            return Err(SqlError::new(
                SqlState::FeatureNotSupported,
                "input of anonymous composite types is not implemented",
            ));
        }
        Type::Trigger | Type::Any | Type::AnyElement | Type::AnyArray => {
            return Err(SqlError::new(
                SqlState::FeatureNotSupported,
                format!("cannot accept a value of type {}", ty.catalog_name()),
            ));
        }
    };
    if !reader.rest.is_empty() {
        return Err(malformed("incorrect binary data format"));
    }
    Ok(datum)
}

fn read_date(days: i32) -> Result<i32> {
    if matches!(days, DATE_INFINITY | DATE_NEG_INFINITY) {
        return Ok(days);
    }
    let since_1970 = days.checked_add(DAYS_TO_2000).filter(|days| is_valid_date(i64::from(*days)));
    since_1970.ok_or_else(|| SqlError::new(SqlState::DatetimeFieldOverflow, "date out of range"))
}

fn read_timestamp(micros: i64) -> Result<i64> {
    if matches!(micros, TIMESTAMP_INFINITY | TIMESTAMP_NEG_INFINITY) {
        return Ok(micros);
    }
    let since_1970 = micros.checked_add(MICROS_TO_2000).filter(|micros| is_valid_timestamp(*micros));
    since_1970.ok_or_else(|| SqlError::new(SqlState::DatetimeFieldOverflow, "timestamp out of range"))
}

fn decode_array(element: Type, reader: &mut Reader) -> Result<Array> {
    let dimensions = reader.i32()?;
    let dimensions = usize::try_from(dimensions).map_err(|_| malformed(&format!("invalid number of dimensions: {dimensions}")))?;
    if dimensions > text::MAX_DIMENSIONS {
        return Err(text::too_many_dimensions(dimensions));
    }
    if !matches!(reader.i32()?, 0 | 1) {
        return Err(malformed("invalid array flags"));
    }
    let oid = u32::from_be_bytes(reader.take()?);
    if oid != element.oid() {
        let named = |oid: u32| Type::from_oid(oid).map_or_else(|| "???".to_string(), |ty| ty.to_string());
        return Err(SqlError::new(
            SqlState::DatatypeMismatch,
            format!(
                "binary data has array element type {oid} ({}) instead of expected {} ({})",
                named(oid),
                element.oid(),
                named(element.oid())
            ),
        ));
    }
    let mut dims = Vec::with_capacity(dimensions);
    let mut count = usize::from(dimensions > 0);
    for _ in 0..dimensions {
        let (length, lower) = (reader.i32()?, reader.i32()?);
        let fits = usize::try_from(length)
            .ok()
            .and_then(|length| count.checked_mul(length))
            .filter(|count| *count <= text::MAX_ELEMENTS);
        count = fits.ok_or_else(text::too_large)?;
        if lower.checked_add(length).is_none() {
            return Err(SqlError::new(
                SqlState::ProgramLimitExceeded,
                format!("array lower bound is too large: {lower}"),
            ));
        }
        dims.push((length, lower));
    }
    // Each element has a length at least: a count that the bytes cannot hold is refused before memory is taken for it.
    if count > reader.rest.len() / 4 {
        return Err(insufficient());
    }
    let mut values = Vec::with_capacity(count);
    for _ in 0..count {
        values.push(match reader.i32()? {
            -1 => Datum::Null,
            length => {
                let length = usize::try_from(length).map_err(|_| insufficient())?;
                decode(element, reader.bytes(length)?)?
            }
        });
    }
    if values.is_empty() {
        dims.clear();
    }
    Ok(Array { element, dims, values })
}

/// What is left of a value's bytes.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or_else(insufficient)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.take()?))
    }

    fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_be_bytes(self.take()?))
    }

    fn bytes(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(insufficient)?;
        self.rest = rest;
        Ok(taken)
    }

    fn all(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    fn text(&mut self) -> Result<&'a str> {
        let text = utf8(self.all())?;
        text::check_text(text)?;
        Ok(text)
    }
}

fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|error| {
        // PostgreSQL shows the bytes of the character that is broken, as long as its first byte says it should be.
        let bad = &bytes[error.valid_up_to()..];
        let length = match bad.first() {
            Some(0xc0..=0xdf) => 2,
            Some(0xe0..=0xef) => 3,
            Some(0xf0..=0xf7) => 4,
            _ => 1,
        };
        let shown: Vec<String> = bad.iter().take(length).map(|byte| format!("0x{byte:02x}")).collect();
        SqlError::new(
            SqlState::CharacterNotInRepertoire,
            format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" ")),
        )
    })
}

fn insufficient() -> SqlError {
    SqlError::new(SqlState::ProtocolViolation, "insufficient data left in message")
}

pub(crate) fn malformed(message: &str) -> SqlError {
    SqlError::new(SqlState::InvalidBinaryRepresentation, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NO_TYPMOD;
    use crate::text::TextStyle;

    fn datum(ty: Type, text: &str) -> Datum {
        text::parse(ty, NO_TYPMOD, text, &TextStyle::default()).unwrap()
    }

    #[test]
    fn bytes_are_those_of_postgresqls_send_functions() {
        for (ty, text, bytes) in [
            ("bool", "t", "01"),
            ("int4", "-2", "fffffffe"),
            ("float8", "1.5", "3ff8000000000000"),
            ("date", "2000-01-02", "00000001"),
            ("date", "-infinity", "80000000"),
            ("timestamp", "2000-01-01 00:00:01", "00000000000f4240"),
            ("timestamptz", "infinity", "7fffffffffffffff"),
            ("interval", "1 mon 2 days 00:00:00.000003", "00000000000000030000000200000001"),
            ("numeric", "12345.678", "0003000100000003000109291a7c"),
            ("jsonb", "{\"a\":1}", "017b2261223a20317d"),
            (
                "int4[]",
                "{1,NULL}",
                "00000001000000010000001700000002000000010000000400000001ffffffff",
            ),
            ("char", "a", "61"),
        ] {
            let ty = Type::from_name(ty).unwrap();
            let mut out = Vec::new();
            encode(ty, &datum(ty, text), &mut out).unwrap();
            assert_eq!(hex::encode(&out), bytes, "{text}");
        }
    }

    #[test]
    fn hostile_bytes_are_refused() {
        for (ty, bytes, state) in [
            (Type::Int4, &[0u8, 0, 0][..], SqlState::ProtocolViolation),
            (Type::Int4, &[0, 0, 0, 1, 0], SqlState::InvalidBinaryRepresentation),
            (Type::Text, b"a\xff", SqlState::CharacterNotInRepertoire),
            (Type::Text, b"a\0", SqlState::CharacterNotInRepertoire),
            (Type::Jsonb, b"\x01{", SqlState::InvalidTextRepresentation),
            (Type::Jsonb, b"\x02{}", SqlState::InternalError),
            (Type::Time, &i64::MAX.to_be_bytes(), SqlState::DatetimeFieldOverflow),
            (Type::Timestamp, &(i64::MAX - 1).to_be_bytes(), SqlState::DatetimeFieldOverflow),
            (Type::Date, &(i32::MAX - 1).to_be_bytes(), SqlState::DatetimeFieldOverflow),
            // 2 digits announced, none there.
            (Type::Numeric, &[0, 2, 0, 0, 0, 0, 0, 0], SqlState::ProtocolViolation),
            // A digit of 10000.
            (
                Type::Numeric,
                &[0, 1, 0, 0, 0, 0, 0, 0, 0x27, 0x10],
                SqlState::InvalidBinaryRepresentation,
            ),
            // A sign that is none.
            (Type::Numeric, &[0, 0, 0, 0, 1, 0, 0, 0], SqlState::InvalidBinaryRepresentation),
            (
                Type::Array(&Type::Int4),
                &[0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 23],
                SqlState::ProgramLimitExceeded,
            ),
            (Type::Array(&Type::Int4), &[0xff; 12], SqlState::InvalidBinaryRepresentation),
            (
                Type::Array(&Type::Int4),
                &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 25],
                SqlState::DatatypeMismatch,
            ),
            // 100 million elements announced.
            (
                Type::Array(&Type::Int4),
                &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 23, 5, 0xf5, 0xe1, 0, 0, 0, 0, 1],
                SqlState::ProtocolViolation,
            ),
        ] {
            assert_eq!(decode(ty, bytes).unwrap_err().state(), state, "{ty} {bytes:?}");
        }
    }
}
