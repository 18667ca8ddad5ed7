//! Values as text: PostgreSQL's input and output functions.

pub mod json;
mod style;

use crate::{Datum, Result, SqlError, Type};

pub use style::{ByteaOutput, DateOrder, IntervalStyle, TextStyle, TimeZone};

/// Reads a value as PostgreSQL's input function of `ty` does. `typmod` is [`crate::NO_TYPMOD`] or
/// the declared length, precision or scale, applied as on assignment.
pub fn parse(ty: Type, typmod: i32, text: &str, style: &TextStyle) -> Result<Datum> {
    let _ = (typmod, text, style);
    Err(SqlError::unsupported(format!("input of type {ty}")))
}

/// Appends a value as PostgreSQL's output function of `ty` prints it. NULL appends nothing.
pub fn format(ty: Type, datum: &Datum, style: &TextStyle, out: &mut String) {
    let _ = (ty, datum, style, out);
}
