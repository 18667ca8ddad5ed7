//! Messages: `heliosdb.log.*` and `console.*`. No capability, but a budget.

use types::Severity;

use super::{Failure, State};
use crate::abi::level;
use crate::meter::Stop;
use crate::value::Reader;

/// Messages that one statement's use of a function may send.
const MAX_MESSAGES: u32 = 1000;
/// Bytes of them in all.
const MAX_BYTES: usize = 1 << 20;

#[derive(Default)]
pub struct Budget {
    messages: u32,
    bytes: usize,
    exhausted: bool,
}

pub fn log(state: &mut State, request: &mut Reader<'_>) -> Result<(), Failure> {
    let severity = match request.u8()? {
        level::DEBUG => Severity::Debug,
        level::LOG => Severity::Notice,
        level::INFO => Severity::Info,
        level::WARN | level::ERROR => Severity::Warning,
        _ => return Err(Failure::Stop(Stop::Broken("a message of no level"))),
    };
    let text = request.text()?;
    say(state, severity, text);
    Ok(())
}

/// Sends a message as long as the budget lasts. A function that is being created has nobody to talk to.
pub fn say(state: &mut State, severity: Severity, text: &str) {
    let Some(rights) = &state.rights else { return };
    let budget = &mut state.log;
    if budget.exhausted {
        return;
    }
    budget.messages += 1;
    budget.bytes = budget.bytes.saturating_add(text.len());
    if budget.messages > MAX_MESSAGES || budget.bytes > MAX_BYTES {
        budget.exhausted = true;
        rights
            .backend
            .log(Severity::Warning, "further messages of this function are not shown");
        return;
    }
    rights.backend.log(severity, text);
}
