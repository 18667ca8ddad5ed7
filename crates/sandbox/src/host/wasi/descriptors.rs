//! The descriptors of a sandbox: an empty standard input, and two standard outputs whose text becomes
//! messages. No other is ever open, so whatever is asked of one is refused as by any system: EBADF.

use wasmtime::Caller;

use super::{Arguments, Guest, errno, guest_memory, write};
use crate::host::{State, log};
use types::Severity;

const STANDARD_INPUT: u32 = 0;
const STANDARD_OUTPUT: u32 = 1;
const STANDARD_ERROR: u32 = 2;
/// Buffers that one `fd_write` gathers; the caller sees how much was taken and comes again with the rest.
const MAX_VECTORS: u32 = 64;
/// Bytes that one `fd_write` takes.
const MAX_WRITE_BYTES: usize = 8 << 10;
/// What the host keeps of an interpreter's standard error: enough for the reason of a panic.
const MAX_STDERR_BYTES: usize = 1024;
/// WASI's file type of a terminal.
const CHARACTER_DEVICE: u8 = 2;

/// Answers one of the calls whose first argument is a descriptor, or a folder's descriptor.
pub fn answer(caller: &mut Caller<'_, State>, guest: Guest, name: &str, arguments: Arguments<'_>) -> wasmtime::Result<i32> {
    let descriptor = arguments.u32(0);
    if descriptor > STANDARD_ERROR {
        return Ok(errno::BADF);
    }
    match name {
        "fd_write" => fd_write(caller, guest, arguments),
        // The input's end.
        "fd_read" if descriptor == STANDARD_INPUT => write(caller, arguments.u32(3), &[0; 4]),
        "fd_fdstat_get" => {
            let mut stat = [0; 24];
            stat[0] = CHARACTER_DEVICE;
            write(caller, arguments.u32(1), &stat)
        }
        "fd_filestat_get" => {
            let mut stat = [0; 64];
            stat[16] = CHARACTER_DEVICE;
            write(caller, arguments.u32(1), &stat)
        }
        "fd_close" | "fd_sync" | "fd_datasync" | "fd_fdstat_set_flags" | "fd_fdstat_set_rights" => Ok(errno::SUCCESS),
        "fd_seek" | "fd_tell" | "fd_pread" | "fd_pwrite" => Ok(errno::SPIPE),
        "fd_advise" | "fd_allocate" | "fd_filestat_set_size" | "fd_filestat_set_times" => Ok(errno::INVAL),
        // They take folders, sockets and files that may be read.
        _ => Ok(errno::BADF),
    }
}

fn fd_write(caller: &mut Caller<'_, State>, guest: Guest, arguments: Arguments<'_>) -> wasmtime::Result<i32> {
    let descriptor = arguments.u32(0);
    if descriptor == STANDARD_INPUT {
        return Ok(errno::BADF);
    }
    let Some(text) = gather(caller, arguments.u32(1), arguments.u32(2))? else {
        return Ok(errno::FAULT);
    };
    let taken = u32::try_from(text.len()).unwrap_or(0);
    let fault = write(caller, arguments.u32(3), &taken.to_le_bytes())?;
    if fault != errno::SUCCESS {
        return Ok(fault);
    }
    let state = caller.data_mut();
    match guest {
        Guest::Interpreter => {
            let room = MAX_STDERR_BYTES.saturating_sub(state.stderr.len());
            state.stderr.extend(text.into_iter().take(room));
        }
        Guest::Module => {
            let severity = if descriptor == STANDARD_OUTPUT {
                Severity::Notice
            } else {
                Severity::Warning
            };
            let text = String::from_utf8_lossy(&text);
            let text = text.trim_end_matches(['\r', '\n']);
            if !text.is_empty() {
                log::say(state, severity, text);
            }
        }
    }
    Ok(errno::SUCCESS)
}

/// What the vectors point at, up to a limit; None where they point outside the memory.
fn gather(caller: &mut Caller<'_, State>, vectors: u32, count: u32) -> wasmtime::Result<Option<Vec<u8>>> {
    let memory = guest_memory(caller)?;
    let data = memory.data(&*caller);
    let number = |at: usize| -> Option<usize> {
        let bytes = data.get(at..at.saturating_add(4))?;
        bytes.try_into().ok().map(|bytes| u32::from_le_bytes(bytes) as usize)
    };
    let mut gathered = Vec::new();
    for index in 0..count.min(MAX_VECTORS) as usize {
        let at = (vectors as usize).saturating_add(8 * index);
        let (Some(pointer), Some(length)) = (number(at), number(at.saturating_add(4))) else {
            return Ok(None);
        };
        let Some(bytes) = data.get(pointer..pointer.saturating_add(length)) else {
            return Ok(None);
        };
        let room = MAX_WRITE_BYTES - gathered.len();
        gathered.extend(bytes.iter().take(room));
        if gathered.len() == MAX_WRITE_BYTES {
            break;
        }
    }
    Ok(Some(gathered))
}
