//! `heliosdb.env`: variables of the operator's list, behind ENV_ACCESS. The server's own environment is not
//! among them.

use policy::{Permit, ReadVariable};
use types::Datum;

use super::arguments::Arguments;
use super::{Answer, Failure, State};
use crate::context::Outside;

/// The variable's value, or NULL where the operator lists none of that name.
pub fn get(state: &mut State, mut arguments: Arguments) -> Result<Answer, Failure> {
    let name = arguments.text("a variable's name")?;
    arguments.end()?;
    let rights = state.rights()?;
    let permit = rights.gate.check(ReadVariable(name))?;
    let value = look_up(&permit, &rights.outside).map_or(Datum::Null, Datum::text);
    Ok(Answer::Value(value))
}

fn look_up<'a>(permit: &Permit<ReadVariable>, outside: &'a Outside) -> Option<&'a str> {
    outside.environment.get(&permit.asked().0).map(String::as_str)
}
