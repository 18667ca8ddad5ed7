//! The name that `heliosdb.call` is given: read as SQL reads it, and written so that it can mean nothing else.

use types::ident::{fold, quote_ident};
use types::{Result, SqlError, SqlState};

/// `name`, `schema.name`, either part in double quotes: quoted where it must be.
pub fn parse(text: &str) -> Result<String> {
    let mut parts = vec![];
    let mut rest = text.trim();
    loop {
        let (part, after) = match rest.strip_prefix('"') {
            Some(quoted) => read_quoted(quoted),
            None => read_plain(rest),
        }
        .ok_or_else(|| invalid(text))?;
        parts.push(quote_ident(&part));
        match after.strip_prefix('.') {
            Some(after) => rest = after,
            None if after.is_empty() && parts.len() <= 2 => return Ok(parts.join(".")),
            None => return Err(invalid(text)),
        }
    }
}

/// Up to the closing quote; two quotes are one of the name.
fn read_quoted(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c != '"' {
            name.push(c);
            continue;
        }
        let after = text.get(at + 1..)?;
        if !after.starts_with('"') {
            return (!name.is_empty()).then_some((name, after));
        }
        name.push('"');
        chars.next();
    }
    None
}

fn read_plain(text: &str) -> Option<(String, &str)> {
    let end = text
        .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'))
        .unwrap_or(text.len());
    let (name, after) = text.split_at(end);
    let first = name.chars().next()?;
    (!first.is_ascii_digit() && first != '$').then(|| (fold(name), after))
}

fn invalid(text: &str) -> SqlError {
    let shown: String = text.chars().filter(|c| !c.is_control()).take(60).collect();
    SqlError::new(SqlState::InvalidName, format!("\"{shown}\" is not the name of a function")).hint("heliosdb.call(name, ...arguments)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_in_sql() {
        for (text, read) in [
            ("f", "f"),
            (" Double_It ", "double_it"),
            ("public.f", "public.f"),
            ("\"Mixed\"", "\"Mixed\""),
            ("\"a\"\"b\".\"c.d\"", "\"a\"\"b\".\"c.d\""),
            ("select", "\"select\""),
        ] {
            assert_eq!(parse(text).unwrap(), read, "{text}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in [
            "",
            "f()",
            "f; DROP TABLE t",
            "a.b.c",
            "f -- x",
            "\"f",
            "\"\"",
            "1f",
            "f.",
            ".f",
            "a b",
            "f\0",
        ] {
            assert_eq!(parse(text).unwrap_err().state(), SqlState::InvalidName, "{text}");
        }
    }
}
