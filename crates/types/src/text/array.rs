//! Arrays as text: `{1,NULL,"a b"}`, `{{1,2},{3,4}}`, `[0:1]={1,2}`.

use crate::{Array, Datum, Result, SqlError, SqlState, Type};

use super::numbers::{is_space, push_i64};
use super::style::TextStyle;

/// PostgreSQL's `MAXDIM`.
pub(crate) const MAX_DIMENSIONS: usize = 6;
/// PostgreSQL's `MaxArraySize`: elements that an array can have.
pub(crate) const MAX_ELEMENTS: usize = 134_217_727;

pub(super) fn parse_array(element: Type, typmod: i32, text: &str, style: &TextStyle) -> Result<Array> {
    let mut reader = Reader {
        whole: text,
        rest: text,
        element,
        typmod,
        style,
        values: Vec::new(),
        lengths: Vec::new(),
        element_depth: None,
        element_error: None,
    };
    let declared = reader.dimensions()?;
    reader.space();
    if !reader.rest.starts_with('{') {
        return Err(reader.malformed(if declared.is_empty() {
            "Array value must start with \"{\" or dimension information."
        } else {
            "Array contents must start with \"{\"."
        }));
    }
    // From here on messages show what follows the dimensions.
    reader.whole = reader.rest;
    reader.level(0)?;
    reader.space();
    if !reader.rest.is_empty() {
        return Err(reader.malformed("Junk after closing right brace."));
    }
    let Reader {
        values,
        lengths,
        element_error,
        ..
    } = reader;
    let lengths: Vec<i32> = lengths.into_iter().map(|length| length as i32).collect();
    if !declared.is_empty() && !declared.iter().map(|(length, _)| *length).eq(lengths.iter().copied()) {
        return Err(malformed(text, "Specified array dimensions do not match array contents."));
    }
    if let Some(error) = element_error {
        return Err(error);
    }
    let dims = if declared.is_empty() {
        lengths.into_iter().map(|length| (length, 1)).collect()
    } else {
        declared
    };
    Ok(Array { element, dims, values })
}

fn malformed(text: &str, detail: &str) -> SqlError {
    SqlError::new(SqlState::InvalidTextRepresentation, format!("malformed array literal: \"{text}\"")).detail(detail)
}

struct Reader<'a> {
    whole: &'a str,
    rest: &'a str,
    element: Type,
    typmod: i32,
    style: &'a TextStyle,
    values: Vec<Datum>,
    /// The length of each dimension, as far as it is known: the first sub-array of a level fixes it.
    lengths: Vec<usize>,
    /// The depth at which elements stand.
    element_depth: Option<usize>,
    /// The first element that its type refused: PostgreSQL reports what is wrong with the array first.
    element_error: Option<SqlError>,
}

impl Reader<'_> {
    fn malformed(&self, detail: &str) -> SqlError {
        malformed(self.whole, detail)
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches(|c: char| c.is_ascii() && is_space(c as u8));
    }

    /// `[1:2][0:4]=`, if there is any.
    fn dimensions(&mut self) -> Result<Vec<(i32, i32)>> {
        let mut dimensions = Vec::new();
        loop {
            self.space();
            let Some(inner) = self.rest.strip_prefix('[') else { break };
            if dimensions.len() >= MAX_DIMENSIONS {
                return Err(too_many_dimensions(dimensions.len() + 1));
            }
            self.rest = inner;
            let first = self.bound("\"[\" must introduce explicitly-specified array dimensions.")?;
            let (lower, upper) = match self.rest.strip_prefix(':') {
                Some(rest) => {
                    self.rest = rest;
                    (first, self.bound("Missing array dimension value.")?)
                }
                None => (1, first),
            };
            self.rest = self
                .rest
                .strip_prefix(']')
                .ok_or_else(|| self.malformed("Missing \"]\" after array dimensions."))?;
            if upper < lower {
                return Err(SqlError::new(
                    SqlState::ArrayElementError,
                    "upper bound cannot be less than lower bound",
                ));
            }
            let length = i64::from(upper) - i64::from(lower) + 1;
            let length = i32::try_from(length)
                .ok()
                .filter(|length| *length as usize <= MAX_ELEMENTS && upper < i32::MAX);
            dimensions.push((length.ok_or_else(too_large)?, lower));
        }
        if !dimensions.is_empty() {
            self.space();
            self.rest = self
                .rest
                .strip_prefix('=')
                .ok_or_else(|| self.malformed("Missing \"=\" after array dimensions."))?;
        }
        Ok(dimensions)
    }

    fn bound(&mut self, missing: &str) -> Result<i32> {
        let end = self
            .rest
            .find(|c: char| !(c.is_ascii_digit() || matches!(c, '-' | '+')))
            .unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at(end);
        if number.is_empty() {
            return Err(self.malformed(missing));
        }
        self.rest = rest;
        number.parse().map_err(|_| too_large())
    }

    /// One pair of braces at a depth, and all that is in it.
    fn level(&mut self, depth: usize) -> Result<()> {
        if depth >= MAX_DIMENSIONS {
            return Err(too_many_dimensions(depth + 1));
        }
        self.rest = &self.rest[1..];
        let mut count = 0;
        self.space();
        if let Some(rest) = self.rest.strip_prefix('}').filter(|_| depth == 0) {
            self.rest = rest;
            return Ok(());
        }
        loop {
            self.space();
            if self.rest.starts_with('{') {
                if self.element_depth == Some(depth) {
                    return Err(self.malformed("Unexpected \"{\" character."));
                }
                self.level(depth + 1)?;
            } else {
                self.element(depth)?;
            }
            count += 1;
            self.space();
            match self.rest.as_bytes().first() {
                Some(b',') => self.rest = &self.rest[1..],
                Some(b'}') => {
                    self.rest = &self.rest[1..];
                    return self.close(depth, count);
                }
                Some(b'{') => return Err(self.malformed("Unexpected \"{\" character.")),
                Some(_) => return Err(self.malformed("Unexpected array element.")),
                None => return Err(self.malformed("Unexpected end of input.")),
            }
        }
    }

    /// Every sub-array of a level has the length of the first.
    fn close(&mut self, depth: usize, count: usize) -> Result<()> {
        while self.lengths.len() <= depth {
            self.lengths.push(usize::MAX);
        }
        if self.lengths[depth] == usize::MAX {
            self.lengths[depth] = count;
        }
        if self.lengths[depth] != count {
            return Err(self.malformed("Multidimensional arrays must have sub-arrays with matching dimensions."));
        }
        Ok(())
    }

    fn element(&mut self, depth: usize) -> Result<()> {
        if self.values.len() >= MAX_ELEMENTS {
            return Err(too_large());
        }
        let mut text = String::new();
        let mut quoted = false;
        // White space at the end of an unquoted element does not belong to it.
        let mut kept = 0;
        let mut chars = self.rest.char_indices();
        let (mut in_quotes, mut closed) = (false, false);
        let end = loop {
            let Some((at, c)) = chars.next() else {
                return Err(self.malformed("Unexpected end of input."));
            };
            let space = c.is_ascii() && is_space(c as u8);
            match c {
                // Behind the closing quote stands nothing more.
                _ if closed && !space && !matches!(c, ',' | '}') => return Err(self.malformed("Unexpected array element.")),
                '\\' => {
                    let Some((_, escaped)) = chars.next() else {
                        return Err(self.malformed("Unexpected end of input."));
                    };
                    text.push(escaped);
                    kept = text.len();
                    quoted = true;
                }
                '"' if in_quotes => (in_quotes, closed) = (false, true),
                '"' => {
                    if quoted || !text.is_empty() {
                        return Err(self.malformed("Unexpected array element."));
                    }
                    (in_quotes, quoted) = (true, true);
                }
                _ if in_quotes => {
                    text.push(c);
                    kept = text.len();
                }
                ',' | '}' => break at,
                '{' => return Err(self.malformed("Unexpected \"{\" character.")),
                _ => {
                    text.push(c);
                    if !space {
                        kept = text.len();
                    }
                }
            }
        };
        if !quoted && kept == 0 {
            let found = if self.rest[end..].starts_with(',') {
                "Unexpected \",\" character."
            } else {
                "Unexpected \"}\" character."
            };
            return Err(self.malformed(found));
        }
        if *self.element_depth.get_or_insert(depth) != depth {
            return Err(self.malformed("Unexpected array element."));
        }
        text.truncate(kept);
        self.rest = &self.rest[end..];
        if !quoted && text.eq_ignore_ascii_case("null") {
            self.values.push(Datum::Null);
        } else if self.element_error.is_none() {
            match super::parse(self.element, self.typmod, &text, self.style) {
                Ok(value) => self.values.push(value),
                Err(error) => self.element_error = Some(error),
            }
        }
        Ok(())
    }
}

pub(crate) fn too_many_dimensions(found: usize) -> SqlError {
    SqlError::new(
        SqlState::ProgramLimitExceeded,
        format!("number of array dimensions ({found}) exceeds the maximum allowed ({MAX_DIMENSIONS})"),
    )
}

pub(crate) fn too_large() -> SqlError {
    SqlError::new(
        SqlState::ProgramLimitExceeded,
        format!("array size exceeds the maximum allowed ({MAX_ELEMENTS})"),
    )
}

pub(super) fn write_array(array: &Array, style: &TextStyle, out: &mut String) {
    if array.values.is_empty() {
        return out.push_str("{}");
    }
    if array.dims.iter().any(|(_, lower)| *lower != 1) {
        for (length, lower) in &array.dims {
            out.push('[');
            push_i64(i64::from(*lower), out);
            out.push(':');
            push_i64(i64::from(*lower) + i64::from(*length) - 1, out);
            out.push(']');
        }
        out.push('=');
    }
    write_level(array, &array.dims, &mut array.values.iter(), style, out);
}

fn write_level<'a>(array: &Array, dims: &[(i32, i32)], values: &mut impl Iterator<Item = &'a Datum>, style: &TextStyle, out: &mut String) {
    let Some(((length, _), inner)) = dims.split_first() else { return };
    out.push('{');
    for i in 0..*length {
        if i > 0 {
            out.push(',');
        }
        if inner.is_empty() {
            match values.next() {
                Some(Datum::Null) | None => out.push_str("NULL"),
                Some(value) => write_element(array.element, value, style, out),
            }
        } else {
            write_level(array, inner, values, style, out);
        }
    }
    out.push('}');
}

fn write_element(element: Type, value: &Datum, style: &TextStyle, out: &mut String) {
    let start = out.len();
    super::format(element, value, style, out);
    let text = &out[start..];
    let special = |b: u8| matches!(b, b'"' | b'\\' | b'{' | b'}' | b',') || is_space(b);
    if !text.is_empty() && !text.bytes().any(special) && !text.eq_ignore_ascii_case("null") {
        return;
    }
    let text = out.split_off(start);
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NO_TYPMOD;

    fn check(element: Type, text: &str, result: &str) {
        let style = TextStyle::default();
        let array = parse_array(element, NO_TYPMOD, text, &style).unwrap_or_else(|e| panic!("{text}: {e} {:?}", e.fields().detail));
        let mut out = String::new();
        write_array(&array, &style, &mut out);
        assert_eq!(out, result);
    }

    #[test]
    fn arrays_read_and_print() {
        for (text, result) in [
            ("{}", "{}"),
            (" { 1 , 2,NULL } ", "{1,2,NULL}"),
            ("{{1,2},{3,4}}", "{{1,2},{3,4}}"),
            ("[0:1]={1,2}", "[0:1]={1,2}"),
            ("[1:2]={1,2}", "{1,2}"),
            ("[-1:0][2:3]={{1,2},{3,4}}", "[-1:0][2:3]={{1,2},{3,4}}"),
        ] {
            check(Type::Int4, text, result);
        }
        for (text, result) in [
            ("{a,\"b c\",\"\",\"NULL\",null}", "{a,\"b c\",\"\",\"NULL\",NULL}"),
            ("{a b , c }", "{\"a b\",c}"),
            ("{\"x\\\"y\",a\\,b}", "{\"x\\\"y\",\"a,b\"}"),
            ("{\\ }", "{\" \"}"),
        ] {
            check(Type::Text, text, result);
        }
    }

    #[test]
    fn what_is_no_array_is_refused() {
        for (text, detail) in [
            ("", "Array value must start with \"{\" or dimension information."),
            ("1,2", "Array value must start with \"{\" or dimension information."),
            ("{1,2", "Unexpected end of input."),
            ("{1,2}x", "Junk after closing right brace."),
            ("{1,,2}", "Unexpected \",\" character."),
            ("{1,}", "Unexpected \"}\" character."),
            ("{{},{}}", "Unexpected \"}\" character."),
            ("{{1},2}", "Unexpected array element."),
            ("{1,{2}}", "Unexpected \"{\" character."),
            ("[1:2]={}", "Specified array dimensions do not match array contents."),
            (
                "{{1,2},{3}}",
                "Multidimensional arrays must have sub-arrays with matching dimensions.",
            ),
            ("[1:3]={1,2}", "Specified array dimensions do not match array contents."),
            ("{\"1\"2}", "Unexpected array element."),
        ] {
            let error = parse_array(Type::Int4, NO_TYPMOD, text, &TextStyle::default()).unwrap_err();
            assert_eq!(error.message(), format!("malformed array literal: \"{text}\""));
            assert_eq!(error.fields().detail.as_deref(), Some(detail), "{text}");
        }
        let error = parse_array(Type::Int4, NO_TYPMOD, "{{{{{{{1}}}}}}}", &TextStyle::default()).unwrap_err();
        assert_eq!(error.message(), "number of array dimensions (7) exceeds the maximum allowed (6)");
        let error = parse_array(Type::Int4, NO_TYPMOD, "{a}", &TextStyle::default()).unwrap_err();
        assert_eq!(error.message(), "invalid input syntax for type integer: \"a\"");
    }
}
