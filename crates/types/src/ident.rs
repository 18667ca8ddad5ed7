//! Identifiers and literals in SQL text.

/// Bytes that an identifier keeps: PostgreSQL's `NAMEDATALEN - 1`.
pub const MAX_IDENTIFIER_BYTES: usize = 63;

/// An unquoted identifier as PostgreSQL stores it: lower case, cut to 63 bytes.
pub fn fold(name: &str) -> String {
    truncate(&name.to_lowercase()).to_string()
}

/// A quoted identifier as PostgreSQL stores it: cut to 63 bytes at a character's edge.
pub fn truncate(name: &str) -> &str {
    &name[..name.floor_char_boundary(MAX_IDENTIFIER_BYTES)]
}

/// The identifier as it must stand in SQL text: quoted where it has to be.
pub fn quote_ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The text as a SQL string literal.
pub fn quote_literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if text.contains('\\') {
        format!(" E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}
