//! Why a module ended without an answer.

use types::{SqlError, SqlState};
use wasmtime::{Trap, WasmBacktrace};

use crate::error::{Error, Limit};
use crate::host::State;
use crate::host::world::printable;
use crate::host::world::values::MAX_HELD_BYTES;
use crate::meter::Stop;
use crate::runtime::Prepared;
use crate::source::Language;

pub fn failure(prepared: &Prepared, state: &State, error: &wasmtime::Error) -> Error {
    let limits = state.meter.limits;
    let guest = |message: String| Error::Guest {
        function: prepared.signature().to_string(),
        language: Language::Wasm.name(),
        message,
        line: None,
        stack: frames(error),
    };
    match &state.meter.stop {
        Some(Stop::Limit(limit)) => return state.meter.exceeded(*limit),
        Some(Stop::Cancelled(error)) => return Error::Cancelled(error.clone()),
        Some(Stop::Exited(code)) => return guest(format!("the module ended itself with exit code {code}")),
        Some(Stop::Broken(what)) => return guest(format!("the module broke the guest interface: {what}")),
        None => {}
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => state.meter.exceeded(Limit::Instructions),
        Some(Trap::StackOverflow) => prepared.limit(Limit::Stack, limits.stack_bytes),
        Some(trap) => guest(trap.to_string()),
        None => Error::Host(format!("function {}: {error}", prepared.signature())),
    }
}

/// The same of a component. What is neither a trap nor our doing is what it handed over: a place outside its memory, a text that is
/// none, a list that is not as long as it says.
pub fn component_failure(prepared: &Prepared, state: &State, error: &wasmtime::Error) -> Error {
    if state.meter.stop.is_some() || error.is::<Trap>() {
        return failure(prepared, state, error);
    }
    let reason = error.chain().last().map(ToString::to_string).unwrap_or_default();
    if reason.contains(TOO_MUCH) {
        let message = format!("function {} hands over more than the server holds at once", prepared.signature());
        let detail = format!("That is {MAX_HELD_BYTES} bytes, as the server holds them: a byte of a list is some thirty.");
        return Error::Value(SqlError::new(SqlState::ProgramLimitExceeded, message).detail(detail));
    }
    let message = format!("function {} handed over what is no value", prepared.signature());
    Error::Value(SqlError::new(SqlState::ExternalRoutineInvocationException, message).detail(format!("{reason}.")))
}

/// How wasmtime says it; its error's type is its own.
const TOO_MUCH: &str = "fuel allocated for hostcalls has been exhausted";

/// Which functions were at work, from the inside out, by the names that the module gives them.
fn frames(error: &wasmtime::Error) -> String {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return String::new();
    };
    let lines = backtrace.frames().iter().map(|frame| {
        let number = frame.func_index();
        let name = frame.func_name().map_or_else(|| format!("function {number}"), printable);
        match frame.module_offset() {
            Some(offset) => format!("at {name} (byte {offset})"),
            None => format!("at {name}"),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}
