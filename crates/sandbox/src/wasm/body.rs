//! The forms that a body may have: WebAssembly text, `\x` and hexadecimal digits, or base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use wast::Wat;
use wast::parser::{self, ParseBuffer};

use super::inspect::MAX_MODULE_BYTES;
use crate::error::Error;
use crate::source::Language;

/// Text grows many times over while it is parsed.
const MAX_TEXT_BYTES: usize = 4 << 20;

/// The module in binary form; not yet looked at.
pub fn decode(body: &str) -> Result<Vec<u8>, Error> {
    let body = body.trim();
    if body.is_empty() {
        return Err(refused("the function body is empty", FORMS));
    }
    let module = if let Some(digits) = body.strip_prefix("\\x").or_else(|| body.strip_prefix("\\X")) {
        too_long(digits.len() / 2)?;
        hex::decode(digits).map_err(|error| refused(format!("the body is not hexadecimal: {error}"), FORMS))?
    } else if body.starts_with('(') || body.starts_with(";;") {
        text(body)?
    } else {
        too_long(body.len() / 4 * 3)?;
        let packed: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        STANDARD
            .decode(packed)
            .map_err(|error| refused(format!("the body is no form of a WebAssembly module: not base64: {error}"), FORMS))?
    };
    too_long(module.len())?;
    Ok(module)
}

const FORMS: &str = "Write WebAssembly text in parentheses, \\x and hexadecimal digits, base64, or FILE 'path'.";

fn refused(message: impl Into<String>, hint: &str) -> Error {
    Error::Definition {
        message: message.into(),
        detail: None,
        hint: Some(hint.into()),
    }
}

fn too_long(bytes: usize) -> Result<(), Error> {
    if bytes <= MAX_MODULE_BYTES {
        return Ok(());
    }
    Err(Error::Definition {
        message: "the WebAssembly module is too large".into(),
        detail: Some(format!("It has {bytes} bytes; at most {MAX_MODULE_BYTES} are allowed.")),
        hint: None,
    })
}

fn text(body: &str) -> Result<Vec<u8>, Error> {
    if body.len() > MAX_TEXT_BYTES {
        return Err(refused(
            format!("a body of WebAssembly text has at most {MAX_TEXT_BYTES} bytes"),
            "Give the binary module as base64 or from a file.",
        ));
    }
    let located = |error: wast::Error| {
        let (line, column) = error.span().linecol_in(body);
        Error::Syntax {
            language: Language::Wasm.name(),
            message: error.message(),
            line: u32::try_from(line).unwrap_or(u32::MAX).saturating_add(1),
            column: u32::try_from(column).unwrap_or(u32::MAX).saturating_add(1),
        }
    };
    let buffer = ParseBuffer::new(body).map_err(located)?;
    let mut module = parser::parse::<Wat<'_>>(&buffer).map_err(located)?;
    module.encode().map_err(located)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_comes_in_three_forms() {
        let empty = b"\0asm\x01\0\0\0";
        for body in [
            "(module)",
            " ;; a comment\n(module)",
            "(; a comment ;) (module)",
            "\\x0061736d01000000",
            "AGFzbQEAAAA=",
            "AGFz\n bQEA\tAAA=",
        ] {
            assert_eq!(decode(body).unwrap(), empty, "{body}");
        }
    }

    #[test]
    fn anything_else_is_refused_in_words() {
        let message = |body: &str| types::SqlError::from(decode(body).unwrap_err()).message().to_string();
        assert_eq!(message(" "), "the function body is empty");
        assert_eq!(message("\\x0g"), "the body is not hexadecimal: Invalid character 'g' at position 1");
        assert!(message("function f() {}").starts_with("the body is no form of a WebAssembly module: not base64"));
        assert!(matches!(
            decode("(module\n  (fnc))").unwrap_err(),
            Error::Syntax { line: 2, column: 4, .. }
        ));
        assert!(matches!(
            decode(&format!("({})", ";; x\n".repeat(1 << 20))),
            Err(Error::Definition { .. })
        ));
        let nested = format!("(module (func {} {}))", "(block ".repeat(100_000), ")".repeat(100_000));
        // The text is read without recursion; what it says is refused before anybody compiles it.
        let read = decode(&nested).and_then(|module| super::super::inspect::check(&module));
        assert!(
            matches!(read, Err(Error::Syntax { .. } | Error::Definition { .. })),
            "deep nesting ends in words, not in our stack: {read:?}"
        );
    }
}
