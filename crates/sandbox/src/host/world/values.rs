//! SQL values as values of the host's interface: the variant `value`, and back.

use types::text::TextStyle;
use types::{Array, Datum, NO_TYPMOD, SqlError, SqlState, Type};
use wasmtime::component::Val;

use super::super::Failure;
use super::shape::Shape;
use crate::meter::Stop;

/// An SQL value that is no array. The types that are not listed are handed over as the one that prints like them.
const CASES: &[(&str, Option<Shape>)] = &[
    ("null", None),
    ("boolean", Some(Shape::Bool)),
    ("smallint", Some(Shape::S16)),
    ("integer", Some(Shape::S32)),
    ("bigint", Some(Shape::S64)),
    ("real", Some(Shape::F32)),
    ("double-precision", Some(Shape::F64)),
    ("numeric", Some(Shape::Text)),
    ("text", Some(Shape::Text)),
    ("bytea", Some(Shape::List(&Shape::U8))),
    ("date", Some(Shape::Text)),
    ("time", Some(Shape::Text)),
    ("timestamp", Some(Shape::Text)),
    ("timestamptz", Some(Shape::Text)),
    ("interval", Some(Shape::Text)),
    ("uuid", Some(Shape::Text)),
    ("jsonb", Some(Shape::Text)),
];
const SCALAR: Shape = Shape::Variant("scalar", CASES);
const ARRAY: Shape = Shape::Record(
    "array",
    &[("lengths", Shape::List(&Shape::U32)), ("elements", Shape::List(&SCALAR))],
);
/// The same and an array.
const CASES_AND_ARRAY: &[(&str, Option<Shape>); CASES.len() + 1] = &{
    let mut cases = [("array", Some(ARRAY)); CASES.len() + 1];
    let mut index = 0;
    while index < CASES.len() {
        cases[index] = CASES[index];
        index += 1;
    }
    cases
};
pub const VALUE: Shape = Shape::Variant("value", CASES_AND_ARRAY);

/// What the host holds at once of what it hands to a component, or takes from it. A value of the component model takes many
/// times its own size here: a byte of a list some thirty.
pub const MAX_HELD_BYTES: usize = 128 << 20;
/// Of a value of the variant, besides its text: the variant, the name of its case, and what it holds.
const VALUE_BYTES: usize = 4 * size_of::<Val>();

/// How much more may be handed over in one call.
pub struct Room(usize);

impl Default for Room {
    fn default() -> Room {
        Room(MAX_HELD_BYTES)
    }
}

impl Room {
    pub fn take(&mut self, bytes: usize) -> Result<(), SqlError> {
        match self.0.checked_sub(bytes) {
            Some(left) => {
                self.0 = left;
                Ok(())
            }
            None => Err(SqlError::new(
                SqlState::ProgramLimitExceeded,
                "a value is too large to be handed to a WebAssembly component",
            )
            .detail(format!(
                "At most some {} list elements go at once; a byte of bytea is one.",
                MAX_HELD_BYTES / size_of::<Val>()
            ))),
        }
    }
}

/// A list of bytes.
pub fn bytes(bytes: &[u8], room: &mut Room) -> Result<Val, SqlError> {
    room.take(bytes.len().saturating_mul(size_of::<Val>()))?;
    Ok(Val::List(bytes.iter().map(|byte| Val::U8(*byte)).collect()))
}

pub fn text(text: String, room: &mut Room) -> Result<Val, SqlError> {
    room.take(text.len())?;
    Ok(Val::String(text))
}

/// PostgreSQL's text form.
pub fn printed(ty: Type, datum: &Datum, room: &mut Room) -> Result<Val, SqlError> {
    let mut out = String::new();
    types::text::format(ty, datum, &TextStyle::default(), &mut out);
    text(out, room)
}

/// An SQL value as a `value`.
pub fn value(datum: &Datum, room: &mut Room) -> Result<Val, SqlError> {
    let Datum::Array(array) = datum else {
        return scalar(datum, room);
    };
    room.take(VALUE_BYTES)?;
    let lengths = array
        .dims
        .iter()
        .map(|(length, _)| Val::U32(u32::try_from(*length).unwrap_or(0)))
        .collect();
    let elements = array.values.iter().map(|element| scalar(element, room)).collect::<Result<_, _>>()?;
    let fields = vec![
        ("lengths".to_string(), Val::List(lengths)),
        ("elements".to_string(), Val::List(elements)),
    ];
    Ok(Val::Variant("array".into(), Some(Box::new(Val::Record(fields)))))
}

fn scalar(datum: &Datum, room: &mut Room) -> Result<Val, SqlError> {
    room.take(VALUE_BYTES)?;
    let (case, payload) = match datum {
        Datum::Null => ("null", None),
        Datum::Bool(value) => ("boolean", Some(Val::Bool(*value))),
        Datum::Int2(value) => ("smallint", Some(Val::S16(*value))),
        Datum::Int4(value) => ("integer", Some(Val::S32(*value))),
        Datum::Int8(value) => ("bigint", Some(Val::S64(*value))),
        Datum::Oid(value) => ("bigint", Some(Val::S64(i64::from(*value)))),
        Datum::Float4(value) => ("real", Some(Val::Float32(*value))),
        Datum::Float8(value) => ("double-precision", Some(Val::Float64(*value))),
        Datum::Numeric(_) => ("numeric", Some(printed(Type::Numeric, datum, room)?)),
        Datum::Text(value) => ("text", Some(text(value.clone(), room)?)),
        Datum::Bytea(value) => ("bytea", Some(bytes(value, room)?)),
        Datum::Date(_) => ("date", Some(printed(Type::Date, datum, room)?)),
        Datum::Time(_) => ("time", Some(printed(Type::Time, datum, room)?)),
        Datum::Timestamp(_) => ("timestamp", Some(printed(Type::Timestamp, datum, room)?)),
        Datum::Timestamptz(_) => ("timestamptz", Some(printed(Type::Timestamptz, datum, room)?)),
        Datum::Interval(_) => ("interval", Some(printed(Type::Interval, datum, room)?)),
        Datum::Uuid(_) => ("uuid", Some(printed(Type::Uuid, datum, room)?)),
        Datum::Json(value) => ("jsonb", Some(text(value.clone(), room)?)),
        // No element is an array itself.
        Datum::Record(_) | Datum::Array(_) => ("text", Some(printed(Type::Record, datum, room)?)),
    };
    Ok(Val::Variant(case.into(), payload.map(Box::new)))
}

/// A `value` of a component's as an SQL value.
pub(in crate::host) fn datum(value: &Val) -> Result<Datum, Failure> {
    let Val::Variant(case, payload) = value else {
        return Err(unexpected());
    };
    let Some(payload) = payload.as_deref() else {
        return match case.as_str() {
            "null" => Ok(Datum::Null),
            _ => Err(unexpected()),
        };
    };
    Ok(match (case.as_str(), payload) {
        ("boolean", Val::Bool(value)) => Datum::Bool(*value),
        ("smallint", Val::S16(value)) => Datum::Int2(*value),
        ("integer", Val::S32(value)) => Datum::Int4(*value),
        ("bigint", Val::S64(value)) => Datum::Int8(*value),
        ("real", Val::Float32(value)) => Datum::Float4(*value),
        ("double-precision", Val::Float64(value)) => Datum::Float8(*value),
        ("text", Val::String(text)) if text.contains('\0') => {
            return Err(SqlError::new(SqlState::CharacterNotInRepertoire, "text cannot hold a zero character").into());
        }
        ("text", Val::String(text)) => Datum::text(text.as_str()),
        ("bytea", Val::List(_)) => Datum::Bytea(read_bytes(payload)?),
        ("array", Val::Record(fields)) => array(fields)?,
        (case, Val::String(text)) => {
            let ty = printed_type(case).ok_or_else(unexpected)?;
            types::text::parse(ty, NO_TYPMOD, text, &TextStyle::default())?
        }
        _ => return Err(unexpected()),
    })
}

/// The same for whoever called the component.
pub fn read_value(value: &Val) -> Result<Datum, SqlError> {
    datum(value).map_err(|failure| match failure {
        Failure::Refused { error, .. } => error,
        Failure::Stop(_) => SqlError::internal("a value is not of its declared type"),
    })
}

/// The type of a case that is handed over in its text form.
fn printed_type(case: &str) -> Option<Type> {
    Some(match case {
        "numeric" => Type::Numeric,
        "date" => Type::Date,
        "time" => Type::Time,
        "timestamp" => Type::Timestamp,
        "timestamptz" => Type::Timestamptz,
        "interval" => Type::Interval,
        "uuid" => Type::Uuid,
        "jsonb" => Type::Jsonb,
        _ => return None,
    })
}

/// As many as SQL has.
const MAX_DIMENSIONS: usize = 6;

fn array(fields: &[(String, Val)]) -> Result<Datum, Failure> {
    let [(_, Val::List(lengths)), (_, Val::List(elements))] = fields else {
        return Err(unexpected());
    };
    let unfit = |message: String| SqlError::new(SqlState::ArrayElementError, message);
    if lengths.len() > MAX_DIMENSIONS {
        let message = format!("number of array dimensions ({}) exceeds the maximum allowed (6)", lengths.len());
        return Err(SqlError::new(SqlState::ProgramLimitExceeded, message).into());
    }
    let mut dims = Vec::new();
    let mut expected = Some(usize::from(!lengths.is_empty()));
    for length in lengths {
        let Val::U32(length) = length else {
            return Err(unexpected());
        };
        expected = expected.and_then(|so_far| so_far.checked_mul(usize::try_from(*length).ok()?));
        dims.push((i32::try_from(*length).map_err(|_| unfit("an array is too long".into()))?, 1));
    }
    if expected != Some(elements.len()) {
        let message = format!("an array has {} elements, which is not what its lengths say", elements.len());
        return Err(unfit(message).into());
    }
    let values = elements.iter().map(datum).collect::<Result<Vec<Datum>, _>>()?;
    let mut element = None;
    for value in &values {
        let ty = match value {
            Datum::Null => continue,
            Datum::Bool(_) => Type::Bool,
            Datum::Int2(_) => Type::Int2,
            Datum::Int4(_) => Type::Int4,
            Datum::Int8(_) | Datum::Oid(_) => Type::Int8,
            Datum::Float4(_) => Type::Float4,
            Datum::Float8(_) => Type::Float8,
            Datum::Numeric(_) => Type::Numeric,
            Datum::Text(_) => Type::Text,
            Datum::Bytea(_) => Type::Bytea,
            Datum::Date(_) => Type::Date,
            Datum::Time(_) => Type::Time,
            Datum::Timestamp(_) => Type::Timestamp,
            Datum::Timestamptz(_) => Type::Timestamptz,
            Datum::Interval(_) => Type::Interval,
            Datum::Uuid(_) => Type::Uuid,
            Datum::Json(_) => Type::Jsonb,
            Datum::Array(_) | Datum::Record(_) => return Err(unexpected()),
        };
        match element {
            None => element = Some(ty),
            Some(known) if known == ty => {}
            Some(known) => {
                let message = format!("an array holds both {known} and {ty}");
                return Err(SqlError::new(SqlState::DatatypeMismatch, message).into());
            }
        }
    }
    if values.is_empty() {
        dims.clear();
    }
    let element = element.unwrap_or(Type::Text);
    Ok(Datum::Array(Box::new(Array { element, dims, values })))
}

pub(in crate::host) fn read_bytes(value: &Val) -> Result<Vec<u8>, Failure> {
    let Val::List(bytes) = value else {
        return Err(unexpected());
    };
    let bytes = bytes.iter().map(|byte| match byte {
        Val::U8(byte) => Ok(*byte),
        _ => Err(unexpected()),
    });
    bytes.collect()
}

pub(in crate::host) fn read_text(value: &Val) -> Result<&str, Failure> {
    match value {
        Val::String(text) => Ok(text),
        _ => Err(unexpected()),
    }
}

/// Types were compared when the function was created, so that this does not happen.
pub(in crate::host) fn unexpected() -> Failure {
    Failure::Stop(Stop::Broken("a value is not of its declared type"))
}
