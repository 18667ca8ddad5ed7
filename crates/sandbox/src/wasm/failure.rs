//! Why a module ended without an answer.

use wasmtime::{Trap, WasmBacktrace};

use super::compiled::printable;
use crate::error::{Error, Limit};
use crate::host::State;
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
