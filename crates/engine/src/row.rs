//! Rows as bytes.
//!
//! The life of a row: [`encode`] makes one value of it, stored under the row's key (`crate::table`);
//! a scan decodes the columns that it needs and steps over the others. The byte table is in
//! `docs/storage-format.md`.

use types::{Datum, Interval, Result, SqlError, Type};

/// The first byte of a row.
const FORMAT: u8 = 1;

/// A row's bytes: format, number of columns, a bit per column that is NULL, then the others.
pub fn encode(values: &[Datum], types: impl Iterator<Item = Type>) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(16 + values.len() * 8);
    out.push(FORMAT);
    let count = u16::try_from(values.len()).map_err(|_| SqlError::internal("a row has too many columns"))?;
    out.extend_from_slice(&count.to_le_bytes());
    let nulls = out.len();
    out.resize(nulls + values.len().div_ceil(8), 0);
    for (index, (value, ty)) in values.iter().zip(types).enumerate() {
        match value {
            Datum::Null => out[nulls + index / 8] |= 1 << (index % 8),
            Datum::Bool(value) => out.push(u8::from(*value)),
            Datum::Int2(value) => out.extend_from_slice(&value.to_le_bytes()),
            Datum::Int4(value) | Datum::Date(value) => out.extend_from_slice(&value.to_le_bytes()),
            Datum::Int8(value) | Datum::Time(value) | Datum::Timestamp(value) | Datum::Timestamptz(value) => {
                out.extend_from_slice(&value.to_le_bytes())
            }
            Datum::Float4(value) => out.extend_from_slice(&value.to_le_bytes()),
            Datum::Float8(value) => out.extend_from_slice(&value.to_le_bytes()),
            Datum::Oid(value) => out.extend_from_slice(&value.to_le_bytes()),
            Datum::Uuid(value) => out.extend_from_slice(value),
            Datum::Interval(value) => {
                out.extend_from_slice(&value.months.to_le_bytes());
                out.extend_from_slice(&value.days.to_le_bytes());
                out.extend_from_slice(&value.micros.to_le_bytes());
            }
            Datum::Text(value) | Datum::Json(value) => sized(&mut out, value.as_bytes())?,
            Datum::Bytea(value) => sized(&mut out, value)?,
            Datum::Numeric(value) => sized(&mut out, value.to_string().as_bytes())?,
            Datum::Array(_) | Datum::Record(_) => {
                let mut bytes = vec![];
                types::binary::encode(ty, value, &mut bytes)?;
                sized(&mut out, &bytes)?;
            }
        }
    }
    Ok(out)
}

fn sized(out: &mut Vec<u8>, bytes: &[u8]) -> Result<()> {
    let length = u32::try_from(bytes.len()).map_err(|_| SqlError::new(types::SqlState::ProgramLimitExceeded, "value is too large"))?;
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

/// Decodes the columns in `wanted` (indexes, in the order of the result). A column that was added
/// after the row was written is NULL.
pub fn decode(bytes: &[u8], types: &[Type], wanted: &[usize]) -> Result<Vec<Datum>> {
    let mut result = vec![Datum::Null; wanted.len()];
    let Some(last) = wanted.iter().max() else { return Ok(result) };
    let mut reader = Reader { bytes };
    if reader.array::<1>()? != [FORMAT] {
        return Err(corrupt());
    }
    let stored = usize::from(u16::from_le_bytes(reader.array()?));
    let nulls = reader.take(stored.div_ceil(8))?;
    for (index, ty) in types.iter().enumerate().take(stored.min(last + 1)) {
        if nulls[index / 8] >> (index % 8) & 1 == 1 {
            continue;
        }
        if wanted.contains(&index) {
            let value = reader.value(*ty)?;
            let mut places = wanted
                .iter()
                .enumerate()
                .filter(|(_, column)| **column == index)
                .map(|(place, _)| place);
            let first = places.next();
            for place in places {
                result[place] = value.clone();
            }
            if let Some(first) = first {
                result[first] = value;
            }
        } else {
            reader.skip(*ty)?;
        }
    }
    Ok(result)
}

fn corrupt() -> SqlError {
    SqlError::new(types::SqlState::DataCorrupted, "a stored row is damaged")
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (head, tail) = self.bytes.split_at_checked(length).ok_or_else(corrupt)?;
        self.bytes = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let head = self.take(N)?;
        head.try_into().map_err(|_| corrupt())
    }

    fn sized(&mut self) -> Result<&'a [u8]> {
        let length = u32::from_le_bytes(self.array()?);
        self.take(length as usize)
    }

    fn string(&mut self) -> Result<&'a str> {
        std::str::from_utf8(self.sized()?).map_err(|_| corrupt())
    }

    fn value(&mut self, ty: Type) -> Result<Datum> {
        Ok(match ty {
            Type::Bool => Datum::Bool(self.array::<1>()? != [0]),
            Type::Int2 => Datum::Int2(i16::from_le_bytes(self.array()?)),
            Type::Int4 => Datum::Int4(i32::from_le_bytes(self.array()?)),
            Type::Int8 => Datum::Int8(i64::from_le_bytes(self.array()?)),
            Type::Float4 => Datum::Float4(f32::from_le_bytes(self.array()?)),
            Type::Float8 => Datum::Float8(f64::from_le_bytes(self.array()?)),
            Type::Date => Datum::Date(i32::from_le_bytes(self.array()?)),
            Type::Time => Datum::Time(i64::from_le_bytes(self.array()?)),
            Type::Timestamp => Datum::Timestamp(i64::from_le_bytes(self.array()?)),
            Type::Timestamptz => Datum::Timestamptz(i64::from_le_bytes(self.array()?)),
            Type::Interval => Datum::Interval(Interval {
                months: i32::from_le_bytes(self.array()?),
                days: i32::from_le_bytes(self.array()?),
                micros: i64::from_le_bytes(self.array()?),
            }),
            Type::Uuid => Datum::Uuid(self.array()?),
            Type::Oid | Type::Regclass | Type::Regtype | Type::Regproc | Type::Regnamespace | Type::Regrole => {
                Datum::Oid(u32::from_le_bytes(self.array()?))
            }
            Type::Text | Type::Varchar | Type::Bpchar | Type::Char | Type::Name | Type::Unknown => Datum::text(self.string()?),
            Type::Json | Type::Jsonb => Datum::Json(self.string()?.to_string()),
            Type::Bytea => Datum::Bytea(self.sized()?.to_vec()),
            Type::Numeric => Datum::Numeric(self.string()?.parse().map_err(|_| corrupt())?),
            Type::Array(_) | Type::Record => types::binary::decode(ty, self.sized()?)?,
            Type::Void | Type::Trigger | Type::Any | Type::AnyElement | Type::AnyArray => return Err(corrupt()),
        })
    }

    fn skip(&mut self, ty: Type) -> Result<()> {
        let length = match ty {
            Type::Bool => 1,
            Type::Int2 => 2,
            Type::Int4
            | Type::Float4
            | Type::Date
            | Type::Oid
            | Type::Regclass
            | Type::Regtype
            | Type::Regproc
            | Type::Regnamespace
            | Type::Regrole => 4,
            Type::Int8 | Type::Float8 | Type::Time | Type::Timestamp | Type::Timestamptz => 8,
            Type::Interval | Type::Uuid => 16,
            Type::Text
            | Type::Varchar
            | Type::Bpchar
            | Type::Char
            | Type::Name
            | Type::Unknown
            | Type::Json
            | Type::Jsonb
            | Type::Bytea
            | Type::Numeric
            | Type::Array(_)
            | Type::Record => return self.sized().map(|_| ()),
            Type::Void | Type::Trigger | Type::Any | Type::AnyElement | Type::AnyArray => return Err(corrupt()),
        };
        self.take(length).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_and_columns_can_be_skipped() {
        let types = [Type::Int4, Type::Text, Type::Numeric, Type::Bool, Type::Array(&Type::Int4)];
        let row = vec![
            Datum::Int4(-7),
            Datum::text("héllo"),
            Datum::Null,
            Datum::Bool(true),
            Datum::array(Type::Int4, vec![Datum::Int4(1), Datum::Null]),
        ];
        let bytes = encode(&row, types.iter().copied()).unwrap();
        let back = decode(&bytes, &types, &[0, 1, 2, 3, 4]).unwrap();
        assert_eq!(format!("{back:?}"), format!("{row:?}"));
        let part = decode(&bytes, &types, &[3, 0]).unwrap();
        assert_eq!(format!("{part:?}"), "[Bool(true), Int4(-7)]");
    }

    #[test]
    fn damaged_rows_are_errors() {
        let bytes = encode(&[Datum::text("abc")], [Type::Text].into_iter()).unwrap();
        for cut in 0..bytes.len() {
            assert!(decode(&bytes[..cut], &[Type::Text], &[0]).is_err(), "{cut}");
        }
    }
}
