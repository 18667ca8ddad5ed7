//! WASI preview 1 for an interpreter: the few calls that its standard library makes, each answered
//! from what the guest may know. Every other one is refused.

use wasmtime::{Caller, ExternType, Linker, Module, Val};

use super::{State, clock, guest_memory};
use crate::meter::Stop;

const WASI: &str = "wasi_snapshot_preview1";
const SUCCESS: i32 = 0;
const ERRNO_BADF: i32 = 8;
const ERRNO_FAULT: i32 = 21;
/// "Capabilities insufficient": the answer to everything that is not listed.
const ERRNO_NOTCAPABLE: i32 = 76;
/// What the host keeps of an interpreter's standard error: enough for the reason of a panic.
const MAX_STDERR_BYTES: usize = 1024;

fn write(caller: &mut Caller<'_, State>, pointer: u32, bytes: &[u8]) -> wasmtime::Result<i32> {
    let memory = guest_memory(caller)?;
    Ok(if memory.write(caller, pointer as usize, bytes).is_ok() {
        SUCCESS
    } else {
        ERRNO_FAULT
    })
}

fn clock_time_get(mut caller: Caller<'_, State>, _clock: u32, _precision: u64, time: u32) -> wasmtime::Result<i32> {
    match clock::micros(caller.data()) {
        Ok(micros) => write(&mut caller, time, &micros.saturating_mul(1000).to_le_bytes()),
        Err(stop) => Err(caller.data_mut().meter.stop(stop)),
    }
}

/// Hash maps want a seed. Programs have no way to it: `Math.random()` is a host call of its own.
fn random_get(mut caller: Caller<'_, State>, pointer: u32, length: u32) -> wasmtime::Result<i32> {
    let mut bytes = Vec::new();
    for _ in 0..length.min(4096) {
        let state = &mut caller.data_mut().random_stream;
        // splitmix64: a fixed stream, the same at every start.
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bytes.push((mixed >> 56) as u8);
    }
    write(&mut caller, pointer, &bytes)
}

fn environ_sizes_get(mut caller: Caller<'_, State>, count: u32, bytes: u32) -> wasmtime::Result<i32> {
    match write(&mut caller, count, &[0; 4])? {
        SUCCESS => write(&mut caller, bytes, &[0; 4]),
        fault => Ok(fault),
    }
}

/// Panics of the interpreter are written here; everything else is swallowed.
fn fd_write(mut caller: Caller<'_, State>, descriptor: u32, vectors: u32, count: u32, written: u32) -> wasmtime::Result<i32> {
    if !(1..=2).contains(&descriptor) {
        return Ok(ERRNO_BADF);
    }
    let memory = guest_memory(&mut caller)?;
    let mut total = 0u32;
    for index in 0..count.min(64) {
        let at = vectors as usize + 8 * index as usize;
        let (data, state) = memory.data_and_store_mut(&mut caller);
        let Some(vector) = data.get(at..at + 8) else {
            return Ok(ERRNO_FAULT);
        };
        let (pointer, length) = (&vector[..4], &vector[4..]);
        let read = |bytes: &[u8]| bytes.try_into().map(u32::from_le_bytes).unwrap_or(0) as usize;
        let (pointer, length) = (read(pointer), read(length));
        let Some(text) = data.get(pointer..pointer.saturating_add(length)) else {
            return Ok(ERRNO_FAULT);
        };
        let room = MAX_STDERR_BYTES.saturating_sub(state.stderr.len());
        state.stderr.extend_from_slice(&text[..text.len().min(room)]);
        total = total.saturating_add(length as u32);
    }
    write(&mut caller, written, &total.to_le_bytes())
}

const LINKED: &[&str] = &[
    "clock_time_get",
    "random_get",
    "environ_sizes_get",
    "environ_get",
    "fd_write",
    "sched_yield",
    "proc_exit",
];

/// Links WASI, and a refusing stub for every other import of `module`.
pub fn link(linker: &mut Linker<State>, module: &Module) -> wasmtime::Result<()> {
    linker.func_wrap(WASI, "clock_time_get", clock_time_get)?;
    linker.func_wrap(WASI, "random_get", random_get)?;
    linker.func_wrap(WASI, "environ_sizes_get", environ_sizes_get)?;
    linker.func_wrap(WASI, "environ_get", |_: u32, _: u32| SUCCESS)?;
    linker.func_wrap(WASI, "fd_write", fd_write)?;
    linker.func_wrap(WASI, "sched_yield", || SUCCESS)?;
    linker.func_wrap(WASI, "proc_exit", |mut caller: Caller<'_, State>, _: i32| -> wasmtime::Result<()> {
        Err(caller.data_mut().meter.stop(Stop::Broken("the interpreter ended itself")))
    })?;
    for import in module.imports() {
        let ExternType::Func(ty) = import.ty() else { continue };
        if import.module() == WASI && !LINKED.contains(&import.name()) {
            linker.func_new(WASI, import.name(), ty, |_, _, results| {
                if let Some(result) = results.first_mut() {
                    *result = Val::I32(ERRNO_NOTCAPABLE);
                }
                Ok(())
            })?;
        }
    }
    Ok(())
}
