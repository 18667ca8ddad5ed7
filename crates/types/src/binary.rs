//! Values in PostgreSQL's binary format.

use crate::{Datum, Result, SqlError, Type};

/// Appends the value as PostgreSQL's send function of `ty` writes it. NULL has no binary form.
pub fn encode(ty: Type, datum: &Datum, out: &mut Vec<u8>) -> Result<()> {
    let _ = (datum, out);
    Err(SqlError::unsupported(format!("binary output of type {ty}")))
}

/// Reads a value as PostgreSQL's receive function of `ty` does.
pub fn decode(ty: Type, bytes: &[u8]) -> Result<Datum> {
    let _ = bytes;
    Err(SqlError::unsupported(format!("binary input of type {ty}")))
}
