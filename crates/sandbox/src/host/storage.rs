//! `heliosdb.storage`: a function's own key space of JSON values. No capability; where it lies, how much fits in it
//! and whether the function may have one is the backend's matter.

use types::{Datum, SqlError, SqlState, Type};

use super::arguments::Arguments;
use super::{Answer, Failure, State};
use crate::context::Increment;

/// Longer keys are a mistake, and a key is part of every stored record.
const MAX_KEY_BYTES: usize = 1024;

pub fn get(state: &mut State, mut arguments: Arguments) -> Result<Answer, Failure> {
    let key = key(&mut arguments)?;
    arguments.end()?;
    let value = state.rights()?.backend.storage()?.get(&key)?;
    Ok(Answer::Value(value.map_or(Datum::Null, Datum::Json)))
}

pub fn set(state: &mut State, mut arguments: Arguments) -> Result<Answer, Failure> {
    let key = key(&mut arguments)?;
    let value = arguments.json()?;
    arguments.end()?;
    state.rights()?.backend.storage()?.set(&key, &value)?;
    // It may have waited for another transaction.
    state.meter.check()?;
    Ok(Answer::Value(Datum::Null))
}

/// Whether there was such a key.
pub fn delete(state: &mut State, mut arguments: Arguments) -> Result<Answer, Failure> {
    let key = key(&mut arguments)?;
    arguments.end()?;
    let existed = state.rights()?.backend.storage()?.delete(&key)?;
    state.meter.check()?;
    Ok(Answer::Value(Datum::Bool(existed)))
}

/// The keys that begin with a text, in the order of their bytes.
pub fn keys(state: &mut State, mut arguments: Arguments) -> Result<Answer, Failure> {
    let prefix = arguments.optional_text("a beginning of keys")?.unwrap_or_default();
    arguments.end()?;
    let keys = state.rights()?.backend.storage()?.keys(&prefix)?;
    let values: Vec<Datum> = keys.into_iter().map(Datum::Text).collect();
    Ok(Answer::Value(Datum::array(Type::Text, values)))
}

/// Adds to a number, which is 0 where there is none, and answers the sum. Of several at once each sees the others'.
pub fn increment(state: &mut State, mut arguments: Arguments) -> Result<Answer, Failure> {
    let key = key(&mut arguments)?;
    let by = match arguments.next()? {
        Datum::Null => Increment::Integer(1),
        Datum::Int4(by) => Increment::Integer(i64::from(by)),
        Datum::Int8(by) => Increment::Integer(by),
        Datum::Float8(by) if by.is_finite() => Increment::Float(by),
        other => return Err(arguments.unfit("a number to add", &other)),
    };
    arguments.end()?;
    let sum = state.rights()?.backend.storage()?.increment(&key, by)?;
    state.meter.check()?;
    Ok(Answer::Value(Datum::Json(sum)))
}

fn key(arguments: &mut Arguments) -> Result<String, Failure> {
    let key = arguments.text("a key, which is text")?;
    if key.is_empty() || key.len() > MAX_KEY_BYTES {
        let message = format!("a key of a function's storage has 1 to {MAX_KEY_BYTES} bytes, not {}", key.len());
        return Err(SqlError::new(SqlState::InvalidParameterValue, message).into());
    }
    Ok(key)
}
