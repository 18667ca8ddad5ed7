//! A thrown value on its way to the host: its message, its line of the body, its stack.

use boa_engine::{Context, JsError, JsValue, js_string};

use crate::abi::status;
use crate::buffer::{put_text, put_u32};
use crate::host;

/// The path under which the body is compiled; stack entries name it.
pub const BODY_PATH: &str = "body";
/// A stack is for people; this many bytes of it are enough.
const MAX_STACK_BYTES: usize = 4096;
const MAX_MESSAGE_BYTES: usize = 16_384;

/// Writes the whole answer for an error that nobody caught.
pub fn write(error: JsError, out: &mut Vec<u8>, context: &mut Context) {
    out.clear();
    let printed = error.to_string();
    let (line, stack) = read_stack(&printed);
    match error.into_opaque(context) {
        Ok(value) => {
            let host_error = host::original_of(&value, context);
            let message = describe(&value, context);
            out.push(status::EXCEPTION);
            put_u32(out, host_error);
            put_text(out, cut(&message, MAX_MESSAGE_BYTES));
            put_u32(out, line);
            put_text(out, cut(&stack, MAX_STACK_BYTES));
        }
        Err(engine) => write_engine_error(&engine, out),
    }
}

/// An error of the interpreter itself, which no program can catch.
fn write_engine_error(error: &JsError, out: &mut Vec<u8>) {
    use boa_engine::error::EngineError;
    match error.as_engine() {
        Some(EngineError::RuntimeLimit(_)) => out.push(status::STACK),
        _ => {
            out.push(status::PANIC);
            put_text(out, cut(&error.to_string(), MAX_MESSAGE_BYTES));
        }
    }
}

/// The entries of the stack that boa prints under a message: `at f (line 2:5)`, innermost first.
fn read_stack(printed: &str) -> (u32, String) {
    let mut entries: Vec<&str> = Vec::new();
    for line in printed.lines().rev() {
        match line.strip_prefix("    at ") {
            Some(entry) => entries.push(entry),
            None => break,
        }
    }
    let mut line = 0;
    let mut stack = String::new();
    for entry in entries.iter().rev() {
        let entry = entry.replace(&format!("({BODY_PATH}:"), "(line ");
        if line == 0
            && let Some((_, position)) = entry.split_once("(line ")
        {
            line = position.split(':').next().and_then(|digits| digits.parse().ok()).unwrap_or(0);
        }
        if !stack.is_empty() {
            stack.push('\n');
        }
        stack.push_str("at ");
        stack.push_str(&entry);
    }
    (line, stack)
}

/// `TypeError: x is not a function`, or what was thrown if it is no error.
fn describe(value: &JsValue, context: &mut Context) -> String {
    if let Some(text) = value.as_string() {
        return text.to_std_string_lossy();
    }
    if let Some(object) = value.as_object()
        && let Ok(message) = object.get(js_string!("message"), context)
        && let Some(message) = message.as_string()
    {
        let name = object.get(js_string!("name"), context).ok().and_then(|name| name.as_string());
        let name = name.map(|name| name.to_std_string_lossy()).unwrap_or_default();
        let message = message.to_std_string_lossy();
        return match (name.is_empty(), message.is_empty()) {
            (true, _) => message,
            (false, true) => name,
            (false, false) => format!("{name}: {message}"),
        };
    }
    value.display().to_string()
}

pub fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}
