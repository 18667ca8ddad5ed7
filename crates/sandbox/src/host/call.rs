//! `heliosdb.call`: another function by name, as `SELECT name(arguments)` would call it. CALL_FUNCTION of that name is
//! asked for by the backend, which knows what the name means.

use super::arguments::Arguments;
use super::{Answer, Failure, State};
use crate::value::Param;

pub fn call(state: &mut State, mut arguments: Arguments) -> Result<Answer, Failure> {
    let name = arguments.text("a function's name")?;
    let given = arguments.rest().into_iter().map(Param::argument).collect();
    let result = state.rights()?.backend.call(&name, given)?;
    Ok(Answer::Value(result))
}
