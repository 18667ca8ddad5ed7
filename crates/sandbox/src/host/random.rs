//! Randomness: a seed for `Math.random()`, behind RANDOM_ACCESS.

use types::SqlError;

use super::{Failure, State};
use crate::context::Request;

/// Appends 32 bytes from the system.
pub fn seed(state: &mut State, answer: &mut Vec<u8>) -> Result<(), Failure> {
    let rights = state.rights()?;
    rights.gate.check(Request::Random).map_err(|error| Failure::Refused {
        error,
        capability: Some("RANDOM_ACCESS"),
    })?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| SqlError::internal(format!("the system gives no randomness: {error}")))?;
    answer.push(0);
    answer.extend_from_slice(&seed);
    Ok(())
}
