//! The clock: with TIME_ACCESS the real one, without it the transaction's timestamp.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::{Failure, State};
use crate::context::Request;

/// Asking for the time is too frequent to be asked of the gate, and recorded, each time: an answer
/// holds this long, so a revoke acts within it.
const ANSWER_HOLDS: Duration = Duration::from_millis(100);

/// The gate's last answer, and when it was given.
#[derive(Default)]
pub struct Access(Option<(Instant, bool)>);

/// Appends microseconds since 1970.
pub fn clock(state: &mut State, answer: &mut Vec<u8>) -> Result<(), Failure> {
    let micros = micros(state);
    answer.push(0);
    answer.extend_from_slice(&micros.to_le_bytes());
    Ok(())
}

pub fn micros(state: &mut State) -> i64 {
    // While a body is loaded there is no time: what it sees would be kept for ever.
    let Some(rights) = state.rights.as_mut() else { return 0 };
    let allowed = match rights.real_clock.0 {
        Some((asked, allowed)) if asked.elapsed() < ANSWER_HOLDS => allowed,
        _ => {
            let allowed = rights.gate.check(Request::Time).is_ok();
            rights.real_clock.0 = Some((Instant::now(), allowed));
            allowed
        }
    };
    if !allowed {
        return rights.transaction_timestamp;
    }
    let now = clock_gettime(ClockId::Realtime);
    now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1000)
}
