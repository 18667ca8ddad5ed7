//! A thrown value on its way to the host: its message, its line of the body, its stack.

use boa_engine::{Context, JsError, JsValue, js_string};

use crate::abi::status;
use crate::buffer::{put_text, put_u32};
use crate::host;
use crate::place::{self, Place};

/// The path under which the body is compiled; stack entries name it.
pub const BODY_PATH: &str = "body";
/// A stack is for people; this many bytes of it are enough.
const MAX_STACK_BYTES: usize = 4096;
const MAX_MESSAGE_BYTES: usize = 16_384;

/// Writes the whole answer for an error that nobody caught.
pub fn write(error: JsError, out: &mut Vec<u8>, context: &mut Context) {
    out.clear();
    let printed = error.to_string();
    let (line, stack) = read_stack(&printed, context);
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

/// The entries of the stack that boa prints under a message, innermost first: `at f (line 2:5)`.
fn read_stack(printed: &str, context: &mut Context) -> (u32, String) {
    let mut entries: Vec<&str> = Vec::new();
    for line in printed.lines().rev() {
        match line.strip_prefix("    at ") {
            Some(entry) => entries.push(entry),
            None => break,
        }
    }
    let mut line = None;
    let mut lines: Vec<String> = Vec::new();
    for entry in entries.iter().rev() {
        let Some((name, position)) = entry.split_once(&format!(" ({BODY_PATH}:")) else {
            // A built-in that calls another of its name (see `memory`) is one to whoever reads this.
            if lines.last().is_none_or(|last| last != entry) {
                lines.push((*entry).to_owned());
            }
            continue;
        };
        let mut numbers = position.trim_end_matches(')').split(':').map(|digits| digits.parse::<u32>().ok());
        let at = numbers.next().flatten().zip(numbers.next().flatten());
        // Where it was thrown is looked for more closely; callers stand where they call.
        let place = match line {
            None => place::refine(printed, at, name == "<main>", context),
            Some(_) => Place::AsGiven,
        };
        let (exact, shown) = match (place, at) {
            (Place::AsGiven, Some((line, column))) => (line, format!("(line {line}:{column})")),
            (Place::AsGiven, None) => (0, "(line unknown)".to_owned()),
            (Place::Lines(lines), at) => match (lines.as_slice(), at) {
                ([line], _) => (*line, format!("(line {line})")),
                ([], Some((start, _))) => (0, format!("(somewhere from line {start})")),
                ([], None) => (0, "(line unknown)".to_owned()),
                (several, _) => {
                    let several: Vec<String> = several.iter().map(u32::to_string).collect();
                    (0, format!("(line {})", several.join(" or ")))
                }
            },
        };
        line.get_or_insert(exact);
        lines.push(format!("{name} {shown}"));
    }
    let stack: Vec<String> = lines.into_iter().map(|line| format!("at {line}")).collect();
    (line.unwrap_or(0), stack.join("\n"))
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
