//! One type for several expressions: UNION, CASE, VALUES, ARRAY, GREATEST (`select_common_type`).

use types::{Result, SqlError, SqlState, Type};

use crate::cast::{Context, can_cast};

/// The type that all of `types` are converted to. `context` begins the message: `CASE types
/// integer and boolean cannot be matched`.
pub fn common_type(types: &[Type], context: &str) -> Result<Type> {
    let common = select(types)
        .map_err(|(a, b)| SqlError::new(SqlState::DatatypeMismatch, format!("{context} types {a} and {b} cannot be matched")))?;
    for ty in types {
        if !can_cast(*ty, common, Context::Implicit) {
            let message = format!("{context} could not convert type {ty} to {common}");
            return Err(SqlError::new(SqlState::CannotCoerce, message));
        }
    }
    Ok(common)
}

/// The common type, or None where there is none that all convert to.
pub(super) fn common_type_quietly(types: &[Type]) -> Option<Type> {
    let common = select(types).ok()?;
    types.iter().all(|ty| can_cast(*ty, common, Context::Implicit)).then_some(common)
}

fn select(types: &[Type]) -> Result<Type, (Type, Type)> {
    let mut chosen = types.first().copied().unwrap_or(Type::Unknown);
    for &next in types.iter().skip(1) {
        if next == Type::Unknown || next == chosen {
            continue;
        }
        if chosen == Type::Unknown {
            chosen = next;
        } else if next.category() != chosen.category() {
            return Err((chosen, next));
        } else if !chosen.is_preferred() && can_cast(chosen, next, Context::Implicit) && !can_cast(next, chosen, Context::Implicit) {
            chosen = next;
        }
    }
    // Nothing but untyped literals: they are text.
    Ok(if chosen == Type::Unknown { Type::Text } else { chosen })
}
