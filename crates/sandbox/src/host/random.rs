//! Randomness: a seed for `Math.random()`, behind RANDOM_ACCESS.

use policy::{DrawRandom, Permit};
use types::SqlError;

use super::{Failure, State};

/// Appends 32 bytes from the system. The guest's generator goes on from there, so this is asked and
/// recorded once in a sandbox.
pub fn seed(state: &State, answer: &mut Vec<u8>) -> Result<(), Failure> {
    let seed = draw_seed(state)?;
    answer.push(0);
    answer.extend_from_slice(&seed);
    Ok(())
}

pub fn draw_seed(state: &State) -> Result<[u8; 32], Failure> {
    let permit = state.rights()?.gate.check(DrawRandom)?;
    Ok(draw(&permit)?)
}

fn draw(_permit: &Permit<DrawRandom>) -> Result<[u8; 32], SqlError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| SqlError::internal(format!("the system gives no randomness: {error}")))?;
    Ok(seed)
}
