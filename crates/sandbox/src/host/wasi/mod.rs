//! WASI preview 1, filtered: the only system calls that a guest can name.
//!
//! The life of a system call: five are every function's to make ([`SyscallSet::default_allowed`]), and what
//! they tell is a matter of capabilities. Any other is put to the gate, which records it; where the
//! function's policy does not list it, the guest gets an error number, and one more violation is counted.
//! A call that passes meets a system with nothing in it: no files, no sockets, no arguments, and the
//! three standard descriptors (`descriptors`). Files are reached through `heliosdb.fs`, never from here.
//!
//! An interpreter's own start, its panics and its hash maps use a few calls that its program has no way to:
//! those are answered without a question.

mod descriptors;
mod signatures;

use policy::{Denied, DrawRandom, MAX_VIOLATIONS, MakeSyscall, Permit, Syscall, SyscallSet};
use wasmtime::{Caller, FuncType, Linker, Val, ValType};

use super::{State, clock, guest_memory, uncatchable};
use crate::meter::Stop;
use signatures::SIGNATURES;

/// The module that a guest imports its system calls from.
pub const MODULE: &str = "wasi_snapshot_preview1";

/// WASI's error numbers, where an answer is none.
mod errno {
    pub const SUCCESS: i32 = 0;
    pub const BADF: i32 = 8;
    pub const FAULT: i32 = 21;
    pub const INVAL: i32 = 28;
    pub const NOTSUP: i32 = 58;
    pub const SPIPE: i32 = 70;
    /// "Capabilities insufficient": the answer to a refused call.
    pub const NOTCAPABLE: i32 = 76;
}

/// Who makes system calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guest {
    /// Our own interpreter, of whose calls the program in it causes some.
    Interpreter,
    /// A user's module.
    Module,
}

/// What an interpreter's runtime calls for itself. (Its C library asks for folders when it first meets a
/// path, and ends the program at any answer but EBADF.)
const OF_INTERPRETERS: &[&str] = &["fd_prestat_get", "fd_write", "sched_yield"];

/// Links every call of WASI preview 1.
pub fn link(linker: &mut Linker<State>, guest: Guest) -> wasmtime::Result<()> {
    let defaults = SyscallSet::default_allowed();
    for (name, parameters) in SIGNATURES {
        let syscall = Syscall::parse(name)?;
        let free = defaults.contains(syscall) || (guest == Guest::Interpreter && OF_INTERPRETERS.contains(name));
        let parameters = parameters.chars().map(|kind| if kind == 'I' { ValType::I64 } else { ValType::I32 });
        let results = (*name != "proc_exit").then_some(ValType::I32);
        let ty = FuncType::new(linker.engine(), parameters, results);
        linker.func_new(MODULE, name, ty, move |mut caller, arguments, results| {
            let arguments = Arguments(arguments);
            let errno = if free || permitted(&mut caller, guest, syscall)? {
                answer(&mut caller, guest, syscall, arguments)?
            } else {
                errno::NOTCAPABLE
            };
            if let Some(result) = results.first_mut() {
                *result = Val::I32(errno);
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// The parameters and the results of a call, as a module must import it; none where there is no such call.
pub fn signature(name: &str) -> Option<(&'static str, bool)> {
    SIGNATURES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, parameters)| (*parameters, name != "proc_exit"))
}

/// Asks the gate. A call that was allowed once is on record; from then on only its right is looked at.
fn permitted(caller: &mut Caller<'_, State>, guest: Guest, syscall: Syscall) -> wasmtime::Result<bool> {
    let state = caller.data_mut();
    let Some(rights) = &state.rights else {
        // A function that is being created. What it may do when it runs is not decided yet, and here is nothing to see;
        // an interpreter's program has no business with the system while it is loaded.
        return Ok(guest == Guest::Module);
    };
    if state.syscalls.contains(syscall) {
        match rights.gate.rights() {
            Ok(rights) if rights.syscalls.contains(syscall) => return Ok(true),
            Ok(_) => {}
            Err(denied) => return Err(state.meter.stop(uncatchable(denied))),
        }
    }
    match rights.gate.check(MakeSyscall(syscall)) {
        Ok(permit) => {
            state.syscalls = state.syscalls.with([permit.asked().0]);
            Ok(true)
        }
        // The one that disables the function also ends it.
        Err(denied @ Denied::Syscall { violations, .. }) if violations >= MAX_VIOLATIONS => Err(state.meter.stop(uncatchable(denied))),
        Err(denied) if denied.is_catchable() => Ok(false),
        Err(denied) => Err(state.meter.stop(uncatchable(denied))),
    }
}

/// What a guest passed. wasmtime has checked number and types against [`SIGNATURES`].
#[derive(Clone, Copy)]
struct Arguments<'a>(&'a [Val]);

impl Arguments<'_> {
    fn u32(self, index: usize) -> u32 {
        self.0.get(index).and_then(Val::i32).unwrap_or(0).cast_unsigned()
    }
}

fn answer(caller: &mut Caller<'_, State>, guest: Guest, syscall: Syscall, arguments: Arguments<'_>) -> wasmtime::Result<i32> {
    let (first, second) = (arguments.u32(0), arguments.u32(1));
    match syscall.name() {
        "clock_time_get" => match clock::micros(caller.data()) {
            Ok(micros) => write(caller, arguments.u32(2), &micros.saturating_mul(1000).to_le_bytes()),
            Err(stop) => Err(caller.data_mut().meter.stop(stop)),
        },
        // The clock that functions see counts microseconds.
        "clock_res_get" => write(caller, second, &1000u64.to_le_bytes()),
        "random_get" => random_get(caller, guest, first, second),
        "environ_sizes_get" | "args_sizes_get" => match write(caller, first, &[0; 4])? {
            errno::SUCCESS => write(caller, second, &[0; 4]),
            fault => Ok(fault),
        },
        "environ_get" | "args_get" | "sched_yield" => Ok(errno::SUCCESS),
        "proc_exit" => Err(caller.data_mut().meter.stop(Stop::Exited(first.cast_signed()))),
        "proc_raise" | "poll_oneoff" => Ok(errno::NOTSUP),
        name => descriptors::answer(caller, guest, name, arguments),
    }
}

fn write(caller: &mut Caller<'_, State>, pointer: u32, bytes: &[u8]) -> wasmtime::Result<i32> {
    let memory = guest_memory(caller)?;
    Ok(if memory.write(caller, pointer as usize, bytes).is_ok() {
        errno::SUCCESS
    } else {
        errno::FAULT
    })
}

/// With RANDOM_ACCESS from the system. Without it, and for an interpreter, whose programs have a host
/// call of their own, a stream that is the same at every call: hash maps want a seed.
fn random_get(caller: &mut Caller<'_, State>, guest: Guest, pointer: u32, length: u32) -> wasmtime::Result<i32> {
    let permit = match (&caller.data().rights, guest) {
        (Some(rights), Guest::Module) => match rights.gate.choose(DrawRandom) {
            Ok(permit) => permit,
            Err(denied) => return Err(caller.data_mut().meter.stop(uncatchable(denied))),
        },
        (None, Guest::Module) | (_, Guest::Interpreter) => None,
    };
    let memory = guest_memory(caller)?;
    let (data, state) = memory.data_and_store_mut(caller);
    let start = pointer as usize;
    let Some(bytes) = data.get_mut(start..start.saturating_add(length as usize)) else {
        return Ok(errno::FAULT);
    };
    match permit {
        Some(permit) => {
            if let Err(error) = draw(&permit, bytes) {
                return Err(state.meter.stop(Stop::Cancelled(error)));
            }
        }
        None => bytes.iter_mut().for_each(|byte| *byte = state.next_of_stream()),
    }
    Ok(errno::SUCCESS)
}

fn draw(_permit: &Permit<DrawRandom>, bytes: &mut [u8]) -> Result<(), types::SqlError> {
    getrandom::fill(bytes).map_err(|error| types::SqlError::internal(format!("the system gives no randomness: {error}")))
}
