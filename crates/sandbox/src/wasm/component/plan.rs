//! How a value of a SQL type crosses, by the type that the component has for it.
//!
//! | SQL | component |
//! |---|---|
//! | boolean | bool |
//! | smallint, integer, bigint | s16, s32, s64 |
//! | real, double precision | f32, f64 |
//! | oid and its kind | u32 |
//! | bytea | list of u8 |
//! | all others | string: PostgreSQL's text form |
//! | an array | list of these, a list in it for each further dimension |
//!
//! Each may be an option, and so may an array's elements.

use types::text::TextStyle;
use types::{Array, Datum, NO_TYPMOD, SqlError, SqlState, Type};
use wasmtime::component::Val;
use wasmtime::component::types::Type as Found;

use crate::host::world::Shape;
use crate::host::world::values::{Room, bytes, printed, text};

/// The way of one value.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    ty: Type,
    /// NULL has a place: it is an option.
    pub nullable: bool,
    /// Lists in each other, of an array.
    depth: usize,
    nullable_elements: bool,
}

/// As many as SQL has.
const MAX_DIMENSIONS: usize = 6;

/// What a type is in a component; None for pseudo-types.
pub fn shape(ty: Type) -> Option<Shape> {
    Some(match ty {
        Type::Bool => Shape::Bool,
        Type::Int2 => Shape::S16,
        Type::Int4 => Shape::S32,
        Type::Int8 => Shape::S64,
        Type::Float4 => Shape::F32,
        Type::Float8 => Shape::F64,
        Type::Oid | Type::Regclass | Type::Regtype | Type::Regproc | Type::Regnamespace | Type::Regrole => Shape::U32,
        Type::Bytea => Shape::List(&Shape::U8),
        Type::Numeric
        | Type::Text
        | Type::Varchar
        | Type::Bpchar
        | Type::Char
        | Type::Name
        | Type::Date
        | Type::Time
        | Type::Timestamp
        | Type::Timestamptz
        | Type::Interval
        | Type::Uuid
        | Type::Json
        | Type::Jsonb => Shape::Text,
        Type::Array(_) | Type::Void | Type::Record | Type::Trigger | Type::Unknown | Type::Any | Type::AnyElement | Type::AnyArray => {
            return None;
        }
    })
}

/// As a hint says what is expected.
pub fn spelled(ty: Type) -> Option<String> {
    Some(match ty {
        Type::Array(element) => format!("list<{}>", shape(*element)?),
        ty => shape(ty)?.to_string(),
    })
}

impl Plan {
    /// None where the component's type is no place for values of the SQL type.
    pub fn of(ty: Type, found: &Found) -> Option<Plan> {
        let (found, nullable) = match found {
            Found::Option(some) => (&some.ty(), true),
            found => (found, false),
        };
        let (depth, nullable_elements) = match ty {
            Type::Array(element) => dimensions(shape(*element)?, found, 1)?,
            ty if shape(ty)?.is(found) => (0, false),
            _ => return None,
        };
        Some(Plan {
            ty,
            nullable,
            depth,
            nullable_elements,
        })
    }

    /// None: NULL, for which there is no place.
    pub fn lower(&self, value: &Datum, room: &mut Room) -> Result<Option<Val>, SqlError> {
        let lowered = match value {
            Datum::Null if self.nullable => return Ok(Some(Val::Option(None))),
            Datum::Null => return Ok(None),
            Datum::Array(array) => self.lower_array(array, room)?,
            value => lower(self.ty, value, room)?,
        };
        Ok(Some(match self.nullable {
            true => Val::Option(Some(Box::new(lowered))),
            false => lowered,
        }))
    }

    fn lower_array(&self, array: &Array, room: &mut Room) -> Result<Val, SqlError> {
        if array.dims.is_empty() {
            return Ok(Val::List(vec![]));
        }
        if array.dims.len() != self.depth {
            let message = format!(
                "an array of {} dimensions where the component takes {}",
                array.dims.len(),
                self.depth
            );
            return Err(SqlError::new(SqlState::ArrayElementError, message));
        }
        self.lower_level(array.element, &array.dims, &mut array.values.iter(), room)
    }

    fn lower_level<'a>(
        &self,
        element: Type,
        dims: &[(i32, i32)],
        values: &mut impl Iterator<Item = &'a Datum>,
        room: &mut Room,
    ) -> Result<Val, SqlError> {
        let Some(((length, _), inner)) = dims.split_first() else {
            let value = values
                .next()
                .ok_or_else(|| SqlError::internal("an array is shorter than its dimensions say"))?;
            return self.lower_element(element, value, room);
        };
        let length = usize::try_from(*length).unwrap_or(0);
        room.take(length.saturating_mul(size_of::<Val>()))?;
        let level = (0..length).map(|_| self.lower_level(element, inner, values, room));
        Ok(Val::List(level.collect::<Result<_, _>>()?))
    }

    fn lower_element(&self, ty: Type, value: &Datum, room: &mut Room) -> Result<Val, SqlError> {
        match (value, self.nullable_elements) {
            (Datum::Null, true) => Ok(Val::Option(None)),
            (Datum::Null, false) => {
                let message = "null array element not allowed where the component takes a list without options";
                Err(SqlError::new(SqlState::NullValueNotAllowed, message).hint("Its parameter may be a list of options."))
            }
            (value, false) => lower(ty, value, room),
            (value, true) => {
                room.take(size_of::<Val>())?;
                Ok(Val::Option(Some(Box::new(lower(ty, value, room)?))))
            }
        }
    }

    /// What came back, if the SQL type has such a value.
    pub fn lift(&self, value: Val) -> Result<Datum, Unfit> {
        let value = match (value, self.nullable) {
            (Val::Option(None), true) => return Ok(Datum::Null),
            (Val::Option(Some(value)), true) => *value,
            (value, _) => value,
        };
        match (self.ty, value) {
            (Type::Array(element), Val::List(list)) => {
                let mut dims = Vec::new();
                let mut values = Vec::new();
                self.lift_level(*element, list, self.depth, &mut dims, &mut values)?;
                if values.is_empty() {
                    dims.clear();
                }
                let dims = dims.into_iter().map(|length| Ok((i32::try_from(length)?, 1)));
                let dims = dims.collect::<Result<_, std::num::TryFromIntError>>();
                let dims = dims.map_err(|_| SqlError::new(SqlState::ProgramLimitExceeded, "an array is too large"))?;
                let element = *element;
                Ok(Datum::Array(Box::new(Array { element, dims, values })))
            }
            (ty, value) => lift(ty, value),
        }
    }

    /// `dims` are the lengths that are known so far, from the outside in: each list of a level has the same.
    fn lift_level(&self, ty: Type, list: Vec<Val>, depth: usize, dims: &mut Vec<usize>, values: &mut Vec<Datum>) -> Result<(), Unfit> {
        let level = self.depth - depth;
        match dims.get(level) {
            None => dims.push(list.len()),
            Some(length) if *length == list.len() => {}
            Some(_) => {
                let message = "lists of different lengths in a list, which no SQL array can hold";
                return Err(SqlError::new(SqlState::ArrayElementError, message).into());
            }
        }
        for value in list {
            match (value, self.nullable_elements) {
                (Val::List(inner), _) if depth > 1 => self.lift_level(ty, inner, depth - 1, dims, values)?,
                (Val::Option(None), true) => values.push(Datum::Null),
                (Val::Option(Some(value)), true) => values.push(lift(ty, *value)?),
                (value, _) => values.push(lift(ty, value)?),
            }
        }
        Ok(())
    }
}

/// How many lists stand in each other until there are elements, and whether those are options.
fn dimensions(element: Shape, found: &Found, depth: usize) -> Option<(usize, bool)> {
    let Found::List(list) = found else { return None };
    let inner = list.ty();
    if element.is(&inner) {
        return Some((depth, false));
    }
    match &inner {
        Found::Option(some) if element.is(&some.ty()) => Some((depth, true)),
        Found::List(_) if depth < MAX_DIMENSIONS => dimensions(element, &inner, depth + 1),
        _ => None,
    }
}

fn lower(ty: Type, value: &Datum, room: &mut Room) -> Result<Val, SqlError> {
    Ok(match (ty, value) {
        (Type::Bool, Datum::Bool(value)) => Val::Bool(*value),
        (Type::Int2, Datum::Int2(value)) => Val::S16(*value),
        (Type::Int4, Datum::Int4(value)) => Val::S32(*value),
        (Type::Int8, Datum::Int8(value)) => Val::S64(*value),
        (Type::Float4, Datum::Float4(value)) => Val::Float32(*value),
        (Type::Float8, Datum::Float8(value)) => Val::Float64(*value),
        (_, Datum::Oid(value)) => Val::U32(*value),
        (Type::Bytea, Datum::Bytea(value)) => bytes(value, room)?,
        (_, Datum::Text(value) | Datum::Json(value)) => text(value.clone(), room)?,
        (Type::Numeric | Type::Date | Type::Time | Type::Timestamp | Type::Timestamptz | Type::Interval | Type::Uuid, value) => {
            printed(ty, value, room)?
        }
        _ => return Err(SqlError::internal("an argument is not of its declared type")),
    })
}

/// Why a result has no SQL value.
pub enum Unfit {
    Value(SqlError),
    /// It is of another type than it was found to have.
    Type,
}

impl From<SqlError> for Unfit {
    fn from(error: SqlError) -> Unfit {
        Unfit::Value(error)
    }
}

fn lift(ty: Type, value: Val) -> Result<Datum, Unfit> {
    Ok(match (ty, value) {
        (Type::Bool, Val::Bool(value)) => Datum::Bool(value),
        (Type::Int2, Val::S16(value)) => Datum::Int2(value),
        (Type::Int4, Val::S32(value)) => Datum::Int4(value),
        (Type::Int8, Val::S64(value)) => Datum::Int8(value),
        (Type::Float4, Val::Float32(value)) => Datum::Float4(value),
        (Type::Float8, Val::Float64(value)) => Datum::Float8(value),
        (_, Val::U32(value)) => Datum::Oid(value),
        (Type::Bytea, Val::List(list)) => {
            let bytes = list.into_iter().map(|byte| match byte {
                Val::U8(byte) => Ok(byte),
                _ => Err(Unfit::Type),
            });
            Datum::Bytea(bytes.collect::<Result<_, _>>()?)
        }
        (_, Val::String(text)) if text.contains('\0') => {
            let message = "a string with a zero character, which text cannot hold";
            return Err(SqlError::new(SqlState::CharacterNotInRepertoire, message).into());
        }
        (Type::Text | Type::Varchar | Type::Bpchar, Val::String(text)) => Datum::Text(text),
        (ty, Val::String(text)) => types::text::parse(ty, NO_TYPMOD, &text, &TextStyle::default())?,
        _ => return Err(Unfit::Type),
    })
}
