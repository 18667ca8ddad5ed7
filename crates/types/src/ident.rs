//! Identifiers and literals in SQL text.

use crate::keyword::{self, Category};

/// Bytes that an identifier keeps: PostgreSQL's `NAMEDATALEN - 1`.
pub const MAX_IDENTIFIER_BYTES: usize = 63;

/// An unquoted identifier as PostgreSQL stores it: ASCII letters in lower case, cut to 63 bytes.
pub fn fold(name: &str) -> String {
    truncate(name).to_ascii_lowercase()
}

/// A quoted identifier as PostgreSQL stores it: cut to 63 bytes, between characters.
pub fn truncate(name: &str) -> &str {
    &name[..name.floor_char_boundary(MAX_IDENTIFIER_BYTES)]
}

/// The identifier as it must stand in SQL text: quoted where it has to be.
pub fn quote_ident(name: &str) -> String {
    if is_plain(name) {
        return name.to_string();
    }
    let mut quoted = String::with_capacity(name.len() + 2);
    quoted.push('"');
    for c in name.chars() {
        if c == '"' {
            quoted.push('"');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

/// Whether the name means itself without quotes.
fn is_plain(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_');
    first
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && match keyword::category(name) {
            None | Some(Category::Unreserved) => true,
            Some(Category::ColumnName | Category::TypeOrFunctionName | Category::Reserved) => false,
        }
}

/// The text as a SQL string literal; with an `E` in front where it holds a backslash.
pub fn quote_literal(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 3);
    if text.contains('\\') {
        quoted.push('E');
    }
    quoted.push('\'');
    for c in text.chars() {
        if matches!(c, '\'' | '\\') {
            quoted.push(c);
        }
        quoted.push(c);
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyword::KEYWORDS;

    #[test]
    fn names_are_quoted_where_they_must_be() {
        for (name, quoted) in [
            ("users", "users"),
            ("_a1", "_a1"),
            ("Users", "\"Users\""),
            ("1a", "\"1a\""),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("a\"b", "\"a\"\"b\""),
            ("select", "\"select\""),
            ("integer", "\"integer\""),
            ("left", "\"left\""),
            ("name", "name"),
            ("ä", "\"ä\""),
            ("a$", "\"a$\""),
        ] {
            assert_eq!(quote_ident(name), quoted);
        }
    }

    #[test]
    fn literals() {
        assert_eq!(quote_literal("it's"), "'it''s'");
        assert_eq!(quote_literal("a\\b"), "E'a\\\\b'");
    }

    #[test]
    fn folding_cuts_between_characters() {
        assert_eq!(fold("FooBÄR"), "foobÄr");
        assert_eq!(fold(&"ä".repeat(40)), "ä".repeat(31));
        assert_eq!(fold(&"X".repeat(70)).len(), 63);
    }

    #[test]
    fn the_keywords_are_sorted() {
        assert!(KEYWORDS.is_sorted_by(|a, b| a.0 < b.0));
    }
}
