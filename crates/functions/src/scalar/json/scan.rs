//! Walking over JSON text that is known to be valid.

use std::borrow::Cow;

use types::{Result, SqlError, SqlState};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Object,
    Array,
    String,
    Number,
    Boolean,
    Null,
}

impl Kind {
    pub(crate) fn of(text: &str) -> Kind {
        match text.trim_start().bytes().next() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Boolean,
            Some(b'n') => Kind::Null,
            _ => Kind::Number,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Object => "object",
            Kind::Array => "array",
            Kind::String => "string",
            Kind::Number => "number",
            Kind::Boolean => "boolean",
            Kind::Null => "null",
        }
    }

    pub(crate) fn is_scalar(self) -> bool {
        !matches!(self, Kind::Object | Kind::Array)
    }
}

/// The end of the string whose opening quote is at `at`: the offset after its closing quote.
fn string_end(text: &[u8], at: usize) -> usize {
    let mut i = at + 1;
    while i < text.len() {
        match text[i] {
            b'"' => return i + 1,
            b'\\' => i += 2,
            _ => i += 1,
        }
    }
    text.len()
}

/// The offset after the value that begins at `at`.
fn value_end(text: &[u8], at: usize) -> usize {
    let mut depth = 0_usize;
    let mut i = at;
    while i < text.len() {
        match text[i] {
            b'"' => i = string_end(text, i),
            b'{' | b'[' => {
                depth += 1;
                i += 1;
            }
            b'}' | b']' => {
                if depth == 0 {
                    return i;
                }
                depth -= 1;
                i += 1;
            }
            b',' if depth == 0 => return i,
            b if depth == 0 && b.is_ascii_whitespace() => return i,
            _ => {
                i += 1;
                if depth == 0 && i < text.len() && matches!(text[i], b',' | b'}' | b']' | b' ' | b'\n' | b'\t' | b'\r') {
                    return i;
                }
                continue;
            }
        }
        if depth == 0 {
            return i;
        }
    }
    text.len()
}

fn skip_blanks(text: &[u8], mut at: usize) -> usize {
    while at < text.len() && text[at].is_ascii_whitespace() {
        at += 1;
    }
    at
}

/// The members of an object: the key's text with its quotes, and the value's text.
#[derive(Clone)]
pub(crate) struct Members<'t> {
    text: &'t str,
    at: usize,
}

pub(crate) fn members(object: &str) -> Members<'_> {
    Members {
        text: object,
        at: skip_blanks(object.as_bytes(), 0) + 1,
    }
}

impl<'t> Iterator for Members<'t> {
    type Item = (&'t str, &'t str);

    fn next(&mut self) -> Option<(&'t str, &'t str)> {
        let bytes = self.text.as_bytes();
        let mut at = skip_blanks(bytes, self.at);
        if bytes.get(at) == Some(&b',') {
            at = skip_blanks(bytes, at + 1);
        }
        if bytes.get(at) != Some(&b'"') {
            return None;
        }
        let key_end = string_end(bytes, at);
        let colon = skip_blanks(bytes, key_end);
        let value = skip_blanks(bytes, colon + 1);
        let end = value_end(bytes, value);
        self.at = end;
        Some((&self.text[at..key_end], &self.text[value..end]))
    }
}

/// The elements of an array.
#[derive(Clone)]
pub(crate) struct Elements<'t> {
    text: &'t str,
    at: usize,
}

pub(crate) fn elements(array: &str) -> Elements<'_> {
    Elements {
        text: array,
        at: skip_blanks(array.as_bytes(), 0) + 1,
    }
}

impl<'t> Iterator for Elements<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let bytes = self.text.as_bytes();
        let mut at = skip_blanks(bytes, self.at);
        if bytes.get(at) == Some(&b',') {
            at = skip_blanks(bytes, at + 1);
        }
        if at >= bytes.len() || bytes[at] == b']' {
            return None;
        }
        let end = value_end(bytes, at);
        self.at = end;
        Some(&self.text[at..end])
    }
}

/// The characters of a JSON string, given with its quotes.
pub(crate) fn unquote(quoted: &str) -> Result<Cow<'_, str>> {
    let inner = quoted.trim();
    let inner = inner.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(inner);
    if !inner.contains('\\') {
        return Ok(Cow::Borrowed(inner));
    }
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner.chars();
    let mut high: Option<u32> = None;
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match rest.next() {
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('u') => {
                let digits: String = rest.by_ref().take(4).collect();
                let code = u32::from_str_radix(&digits, 16).unwrap_or(0xfffd);
                match (high.take(), code) {
                    (None, 0xd800..=0xdbff) => high = Some(code),
                    (Some(high), 0xdc00..=0xdfff) => {
                        let code = 0x10000 + ((high - 0xd800) << 10) + (code - 0xdc00);
                        out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                    }
                    (_, 0) => {
                        return Err(
                            SqlError::new(SqlState::UntranslatableCharacter, "unsupported Unicode escape sequence")
                                .detail("\\u0000 cannot be converted to text."),
                        );
                    }
                    (_, code) => out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)),
                }
            }
            Some(c) => out.push(c),
            None => {}
        }
    }
    Ok(Cow::Owned(out))
}

/// The value of a key; of several equal keys the last counts.
pub(crate) fn member<'t>(object: &'t str, key: &str) -> Result<Option<&'t str>> {
    let mut found = None;
    for (name, value) in members(object) {
        if unquote(name)? == key {
            found = Some(value);
        }
    }
    Ok(found)
}

/// The element with this index; a negative one counts from the end.
pub(crate) fn element(array: &str, index: i64) -> Option<&str> {
    let index = if index < 0 { elements(array).count() as i64 + index } else { index };
    usize::try_from(index).ok().and_then(|index| elements(array).nth(index))
}
