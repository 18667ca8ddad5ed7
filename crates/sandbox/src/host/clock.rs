//! The clock: with TIME_ACCESS the real one, without it the transaction's timestamp.

use policy::{Permit, ReadClock};
use rustix::time::{ClockId, clock_gettime};

use super::{Failure, State, uncatchable};
use crate::meter::Stop;

/// Appends microseconds since 1970.
pub fn clock(state: &State, answer: &mut Vec<u8>) -> Result<(), Failure> {
    let micros = micros(state)?;
    answer.push(0);
    answer.extend_from_slice(&micros.to_le_bytes());
    Ok(())
}

pub fn micros(state: &State) -> Result<i64, Stop> {
    // While a body is loaded there is no time: what it sees would be kept for ever.
    let Some(rights) = &state.rights else { return Ok(0) };
    match rights.gate.choose(ReadClock) {
        Ok(Some(permit)) => Ok(now(&permit)),
        Ok(None) => Ok(rights.transaction_timestamp),
        Err(denied) => Err(uncatchable(denied)),
    }
}

fn now(_permit: &Permit<ReadClock>) -> i64 {
    let now = clock_gettime(ClockId::Realtime);
    now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1000)
}
