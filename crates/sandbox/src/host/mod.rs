//! What a guest can ask of the host. The table of [`dispatch`] is all of it.
//!
//! The life of a host call: the guest hands over a buffer, the operation reads it, asks the gate where
//! a right is needed, does its work, and leaves an answer that the guest fetches. A refusal is an
//! answer too: the guest throws it, and may catch it. A limit ends the guest instead.

mod clock;
mod database;
mod log;
mod random;
pub mod wasi;

use std::sync::Arc;

use policy::{Denied, Gate, SyscallSet};
use types::{SqlError, SqlState};
use wasmtime::{Caller, Linker, Memory};

use crate::abi::op;
use crate::context::{Backend, CallContext};
use crate::meter::{Meter, Stop};
use crate::value::{Malformed, Reader, Returned, put_text, put_u32};

/// The host's side of one instance.
pub struct State {
    pub meter: Meter,
    pub memory: Option<Memory>,
    /// What the guest fetches next.
    answer: Vec<u8>,
    /// None while a body is being loaded: then nothing of the host is there.
    pub rights: Option<Rights>,
    /// Errors that the guest was told of, by number from 1: the newest few.
    errors: Vec<(u32, SqlError)>,
    last_error: u32,
    log: log::Budget,
    /// The beginning of what the interpreter itself wrote to its standard error.
    pub stderr: Vec<u8>,
    random_stream: u64,
    /// System calls beyond the default ones that were allowed in this sandbox, and are on record.
    syscalls: SyscallSet,
}

/// What one call may reach.
pub struct Rights {
    pub gate: Arc<Gate>,
    pub backend: Arc<dyn Backend>,
    pub transaction_timestamp: i64,
}

impl Rights {
    pub fn of(context: CallContext) -> Rights {
        Rights {
            gate: context.gate,
            backend: context.backend,
            transaction_timestamp: context.transaction_timestamp,
        }
    }
}

/// Errors kept for a guest that lets one pass.
const KEPT_ERRORS: usize = 32;

/// How a host operation can fail.
enum Failure {
    /// The guest gets an exception.
    Refused { error: SqlError, capability: Option<String> },
    /// The guest ends.
    Stop(Stop),
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Failure {
        Failure::Stop(stop)
    }
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Failure {
        match error.state() {
            // The statement is over, or we are: nothing that a guest may decide about.
            SqlState::QueryCanceled
            | SqlState::AdminShutdown
            | SqlState::CrashShutdown
            | SqlState::InternalError
            | SqlState::DataCorrupted
            | SqlState::IndexCorrupted => Failure::Stop(Stop::Cancelled(error)),
            _ => Failure::Refused { error, capability: None },
        }
    }
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Failure {
        if !denied.is_catchable() {
            return Failure::Stop(uncatchable(denied));
        }
        let capability = denied.capability().map(ToString::to_string);
        Failure::Refused {
            error: denied.into(),
            capability,
        }
    }
}

/// A denial after which nothing goes on.
fn uncatchable(denied: Denied) -> Stop {
    Stop::Cancelled(denied.into())
}

impl From<Malformed> for Failure {
    fn from(_: Malformed) -> Failure {
        Failure::Stop(Stop::Broken("a host call's request is malformed"))
    }
}

impl From<Returned> for Failure {
    fn from(returned: Returned) -> Failure {
        match returned {
            Returned::Malformed => Malformed.into(),
            Returned::Unfit(error) => error.into(),
        }
    }
}

impl State {
    pub fn new(meter: Meter, rights: Option<Rights>, random_stream: u64) -> State {
        State {
            meter,
            memory: None,
            answer: Vec::new(),
            rights,
            errors: Vec::new(),
            last_error: 0,
            log: log::Budget::default(),
            stderr: Vec::new(),
            random_stream,
            syscalls: std::iter::empty().collect(),
        }
    }

    /// Asked at each tick of the clock: the limits, and whether the function may still run.
    pub fn tick(&mut self) -> Result<(), Stop> {
        self.meter.check()?;
        let mut gate = self.rights.as_ref().map(|rights| &rights.gate);
        while let Some(checked) = gate {
            checked.rights().map_err(uncatchable)?;
            gate = checked.parent();
        }
        Ok(())
    }

    /// The next byte of a fixed stream (splitmix64), which a function without RANDOM_ACCESS gets.
    fn next_of_stream(&mut self) -> u8 {
        self.random_stream = self.random_stream.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random_stream ^ (self.random_stream >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed.to_be_bytes()[0]
    }

    /// The error that the guest was told under this number.
    pub fn error(&self, number: u32) -> Option<SqlError> {
        self.errors
            .iter()
            .find(|(known, _)| *known == number)
            .map(|(_, error)| error.clone())
    }

    fn rights(&self) -> Result<&Rights, Failure> {
        self.rights.as_ref().ok_or_else(|| {
            SqlError::new(
                SqlState::ObjectNotInPrerequisiteState,
                "host functions are not available while a function is being created",
            )
            .hint("Move the call into the function.")
            .into()
        })
    }

    fn dispatch(&mut self, op: u32, request: &[u8]) -> Result<(), Stop> {
        let mut answer = std::mem::take(&mut self.answer);
        answer.clear();
        let mut request = Reader::new(request);
        let outcome = match op {
            op::LOG => log::log(self, &mut request),
            op::QUERY => database::query(self, &mut request, &mut answer),
            op::EXECUTE => database::execute(self, &mut request, &mut answer),
            op::CLOCK => clock::clock(self, &mut answer),
            op::RANDOM => random::seed(self, &mut answer),
            op::RESERVE => reserve(self, &mut request),
            _ => Err(Failure::Stop(Stop::Broken("a host call that does not exist"))),
        };
        match outcome {
            Ok(()) => {}
            Err(Failure::Stop(stop)) => return Err(stop),
            Err(Failure::Refused { error, capability }) => {
                answer.clear();
                self.put_error(error, capability.as_deref(), &mut answer)
                    .map_err(|_| Stop::Broken("an error is too large"))?;
            }
        }
        self.answer = answer;
        Ok(())
    }

    fn put_error(&mut self, error: SqlError, capability: Option<&str>, answer: &mut Vec<u8>) -> Result<(), SqlError> {
        self.last_error += 1;
        let fields = error.fields();
        answer.push(1);
        put_u32(answer, self.last_error);
        // Every denial names what would allow it.
        let denied = capability.is_some() || fields.state == SqlState::InsufficientPrivilege;
        answer.push(u8::from(denied));
        let capability = capability
            .or_else(|| fields.hint.as_deref().and_then(named_capability))
            .unwrap_or_default();
        for text in [
            fields.state.code(),
            &fields.message,
            fields.detail.as_deref().unwrap_or_default(),
            fields.hint.as_deref().unwrap_or_default(),
            capability,
        ] {
            put_text(answer, text)?;
        }
        if self.errors.len() == KEPT_ERRORS {
            self.errors.remove(0);
        }
        self.errors.push((self.last_error, error));
        Ok(())
    }
}

/// `DATABASE_READ('users')` of `... GRANT CAPABILITY DATABASE_READ('users');`.
fn named_capability(hint: &str) -> Option<&str> {
    let (_, rest) = hint.split_once("GRANT CAPABILITY ")?;
    let first = rest.split_once("; ALTER FUNCTION ").map_or(rest, |(first, _)| first);
    Some(first.trim_end_matches(';'))
}

fn reserve(state: &mut State, request: &mut Reader<'_>) -> Result<(), Failure> {
    let bytes = request.u64()?;
    Ok(state.meter.reserve(bytes)?)
}

/// The parameters and the result of a function of import module `heliosdb`; none where there is no such function.
pub fn signature(name: &str) -> Option<(&'static str, bool)> {
    match name {
        "call" => Some(("iii", true)),
        "take" => Some(("i", false)),
        _ => None,
    }
}

/// Links the two functions of import module `heliosdb`.
pub fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "heliosdb",
        "call",
        |mut caller: Caller<'_, State>, op: u32, pointer: u32, length: u32| -> wasmtime::Result<u32> {
            let request = guest_bytes(&mut caller, pointer, length)?;
            let state = caller.data_mut();
            let outcome = state.dispatch(op, &request).and_then(|()| match op {
                // Time may have passed.
                op::QUERY | op::EXECUTE => state.meter.check(),
                _ => Ok(()),
            });
            if let Err(stop) = outcome {
                return Err(state.meter.stop(stop));
            }
            match u32::try_from(state.answer.len()) {
                Ok(length) => Ok(length),
                Err(_) => {
                    let limit = state.meter.limits.memory_bytes;
                    Err(state.meter.stop(Stop::Limit(crate::error::Limit::Memory, limit)))
                }
            }
        },
    )?;
    linker.func_wrap(
        "heliosdb",
        "take",
        |mut caller: Caller<'_, State>, pointer: u32| -> wasmtime::Result<()> {
            let answer = std::mem::take(&mut caller.data_mut().answer);
            let memory = guest_memory(&mut caller)?;
            let outcome = memory.write(&mut caller, pointer as usize, &answer);
            let state = caller.data_mut();
            state.answer = answer;
            state.answer.clear();
            outcome.map_err(|_| state.meter.stop(Stop::Broken("an answer outside the memory")))
        },
    )?;
    Ok(())
}

fn guest_memory(caller: &mut Caller<'_, State>) -> wasmtime::Result<Memory> {
    match caller.data().memory {
        Some(memory) => Ok(memory),
        None => Err(caller.data_mut().meter.stop(Stop::Broken("a host call before there is a memory"))),
    }
}

/// A copy of what the guest points at.
fn guest_bytes(caller: &mut Caller<'_, State>, pointer: u32, length: u32) -> wasmtime::Result<Vec<u8>> {
    let memory = guest_memory(caller)?;
    let start = pointer as usize;
    let bytes = memory
        .data(&caller)
        .get(start..start.saturating_add(length as usize))
        .map(<[u8]>::to_vec);
    bytes.ok_or_else(|| caller.data_mut().meter.stop(Stop::Broken("a request outside the memory")))
}
