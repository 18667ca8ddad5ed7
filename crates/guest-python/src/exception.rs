//! An exception on its way to the host: its message, its line of the body, its traceback.

use rustpython_vm::builtins::{PyBaseExceptionRef, PyStr};
use rustpython_vm::{AsObject, PyObjectRef, PyResult, VirtualMachine};

use crate::abi::status;
use crate::buffer::{put_text, put_u32};
use crate::host;

/// The path under which the body is compiled; tracebacks name it.
pub const BODY_PATH: &str = "<function body>";
/// A traceback is for people; this many bytes of it are enough.
const MAX_STACK_BYTES: usize = 4096;
/// Its innermost and outermost entries; a deep recursion's are all alike.
const MAX_ENTRIES: usize = 32;
/// Exceptions that led to one another.
const MAX_CHAIN: usize = 4;
const MAX_MESSAGE_BYTES: usize = 16_384;

/// Writes the whole answer for an exception that nobody caught.
pub fn write(error: &PyBaseExceptionRef, body: &str, out: &mut Vec<u8>, vm: &VirtualMachine) {
    out.clear();
    if error.fast_isinstance(vm.ctx.exceptions.memory_error) {
        host::end_by_memory();
    }
    if error.fast_isinstance(vm.ctx.exceptions.recursion_error) {
        out.push(status::STACK);
        return;
    }
    let host_error = host::original_of(error);
    let entries = entries(error, vm);
    let line = entries
        .iter()
        .rev()
        .find(|entry| entry.path == BODY_PATH)
        .map_or(0, |entry| entry.line);
    let message = describe(error, vm);
    let mut stack = String::new();
    put_chain(error, body, &mut stack, MAX_CHAIN, vm);
    out.push(status::EXCEPTION);
    put_u32(out, host_error);
    put_text(out, cut(&message, MAX_MESSAGE_BYTES));
    put_u32(out, line);
    put_text(out, cut(stack.trim_end(), MAX_STACK_BYTES));
}

/// `ZeroDivisionError: division by zero`.
pub fn describe(error: &PyBaseExceptionRef, vm: &VirtualMachine) -> String {
    let class = error.class();
    let module = class.as_object().get_attr("__module__", vm).ok();
    let module = module.and_then(|module| Some(module.downcast_ref::<PyStr>()?.to_string_lossy().into_owned()));
    let name = match module.as_deref() {
        None | Some("builtins" | "__main__" | "heliosdb") => class.name().to_string(),
        Some(module) => format!("{module}.{}", class.name()),
    };
    match error.as_object().str(vm) {
        Ok(message) if message.is_empty() => name,
        Ok(message) => format!("{name}: {}", message.to_string_lossy()),
        Err(_) => format!("{name}: <exception str() failed>"),
    }
}

/// One entry of a traceback.
struct Entry {
    path: String,
    line: u32,
    function: String,
}

fn entries(error: &PyBaseExceptionRef, vm: &VirtualMachine) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut next = error.traceback().map(PyObjectRef::from);
    while let Some(traceback) = next {
        match entry(&traceback, vm) {
            Ok(entry) => entries.push(entry),
            Err(_) => break,
        }
        next = traceback.get_attr("tb_next", vm).ok().filter(|next| !vm.is_none(next));
        // A traceback that a program made endless.
        if entries.len() > 100_000 {
            break;
        }
    }
    entries
}

fn entry(traceback: &PyObjectRef, vm: &VirtualMachine) -> PyResult<Entry> {
    let text = |value: PyObjectRef| -> PyResult<String> { Ok(value.str(vm)?.to_string_lossy().into_owned()) };
    let code = traceback.get_attr("tb_frame", vm)?.get_attr("f_code", vm)?;
    Ok(Entry {
        path: text(code.get_attr("co_filename", vm)?)?,
        line: traceback.get_attr("tb_lineno", vm)?.try_into_value(vm)?,
        function: text(code.get_attr("co_qualname", vm)?)?,
    })
}

/// As Python prints it, the exception that came first above the one that came of it.
fn put_chain(error: &PyBaseExceptionRef, body: &str, out: &mut String, room: usize, vm: &VirtualMachine) {
    if room > 1 {
        let hidden = error.as_object().get_attr("__suppress_context__", vm);
        let hidden = hidden.and_then(|hidden| hidden.is_true(vm)).unwrap_or(false);
        let earlier = match (error.__cause__(), error.__context__()) {
            (Some(cause), _) => Some((cause, "The above exception was the direct cause of the following exception:")),
            (None, Some(context)) if !hidden => Some((context, "During handling of the above exception, another exception occurred:")),
            (None, _) => None,
        };
        if let Some((earlier, link)) = earlier {
            put_chain(&earlier, body, out, room - 1, vm);
            out.push_str(&format!("{}\n\n{link}\n\n", cut(&describe(&earlier, vm), MAX_STACK_BYTES / 4)));
        }
    }
    let entries = entries(error, vm);
    if entries.is_empty() {
        return;
    }
    out.push_str("Traceback (most recent call last):\n");
    let left_out = entries.len().saturating_sub(MAX_ENTRIES);
    for (index, entry) in entries.iter().enumerate() {
        if left_out > 0 && index == MAX_ENTRIES / 2 {
            out.push_str(&format!("  ... {left_out} more ...\n"));
        }
        if left_out > 0 && (MAX_ENTRIES / 2..MAX_ENTRIES / 2 + left_out).contains(&index) {
            continue;
        }
        if entry.path == BODY_PATH {
            out.push_str(&format!("  line {}, in {}\n", entry.line, entry.function));
            if let Some(source) = body.lines().nth((entry.line as usize).saturating_sub(1)) {
                out.push_str(&format!("    {}\n", cut(source.trim(), 200)));
            }
        } else {
            out.push_str(&format!("  {}, line {}, in {}\n", entry.path, entry.line, entry.function));
        }
    }
}

pub fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}
