//! Functions of arrays.

mod change;
mod part;
mod search;
mod subscript;
mod text;

pub use part::{record_field, unnest_together};

use types::{Array, Result, SqlError, SqlState, Type};

use crate::Scalar;
use crate::limit::check_elements;
use crate::set::SetFunction;

pub(crate) static FAMILIES: [&[Scalar]; 5] = [change::SCALARS, part::SCALARS, search::SCALARS, subscript::SCALARS, text::SCALARS];
pub(crate) static SET_FUNCTIONS: [&[SetFunction]; 2] = [part::SET_FUNCTIONS, text::SET_FUNCTIONS];

fn element_error(message: impl Into<String>) -> SqlError {
    SqlError::new(SqlState::ArrayElementError, message)
}

/// The type of elements, where only a value tells.
fn element_type(known: Option<&Array>, value: &types::Datum) -> Type {
    match (known, crate::argument::type_of(value)) {
        (Some(array), _) => array.element,
        (None, Type::Unknown | Type::Array(_)) => Type::Text,
        (None, ty) => ty,
    }
}

/// How many elements an array of these dimensions has; refused when that is too many.
fn count(dims: &[(i32, i32)]) -> Result<usize> {
    let mut count = 1_usize;
    for (length, lower) in dims {
        lower
            .checked_add(*length)
            .ok_or_else(|| element_error(format!("array lower bound is too large: {lower}")))?;
        count = count.saturating_mul(usize::try_from(*length).unwrap_or(0));
        check_elements(count)?;
    }
    Ok(if dims.is_empty() { 0 } else { count })
}
