//! Character types, bytea and uuid as text.

use crate::{NO_TYPMOD, Result, SqlError, SqlState, Type, ident};

use super::numbers::{invalid, is_space};
use super::style::ByteaOutput;

/// A value of a character type: its length checked, `char(n)` padded.
pub(super) fn parse_text(ty: Type, typmod: i32, text: &str) -> Result<String> {
    check_text(text)?;
    Ok(match ty {
        Type::Varchar => fit(ty, text, typmod)?.to_string(),
        Type::Bpchar if typmod != NO_TYPMOD => pad(fit(ty, text, typmod)?, typmod),
        Type::Name => ident::truncate(text).to_string(),
        Type::Char => text.chars().next().map(String::from).unwrap_or_default(),
        _ => text.to_string(),
    })
}

/// No text holds a zero byte.
pub(crate) fn check_text(text: &str) -> Result<()> {
    if text.as_bytes().contains(&0) {
        return Err(SqlError::new(
            SqlState::CharacterNotInRepertoire,
            "invalid byte sequence for encoding \"UTF8\": 0x00",
        ));
    }
    Ok(())
}

/// The declared length of `varchar(n)` and `char(n)` in characters.
fn declared_length(typmod: i32) -> usize {
    usize::try_from(typmod - 4).unwrap_or(0)
}

/// Blanks beyond the declared length are cut off; anything else there is an error.
fn fit(ty: Type, text: &str, typmod: i32) -> Result<&str> {
    let length = declared_length(typmod);
    // A text of so many bytes has no more characters.
    if typmod == NO_TYPMOD || text.len() <= length {
        return Ok(text);
    }
    let Some((end, _)) = text.char_indices().nth(length) else {
        return Ok(text);
    };
    if text[end..].bytes().any(|b| b != b' ') {
        return Err(SqlError::new(
            SqlState::StringDataRightTruncation,
            format!("value too long for type {}", ty.format(typmod)),
        ));
    }
    Ok(&text[..end])
}

fn pad(text: &str, typmod: i32) -> String {
    let missing = declared_length(typmod).saturating_sub(text.chars().count());
    let mut padded = String::with_capacity(text.len() + missing);
    padded.push_str(text);
    padded.extend(std::iter::repeat_n(' ', missing));
    padded
}

/// `\x` and hexadecimal digits, or bytes with `\\` and `\ooo` escapes.
pub(super) fn parse_bytea(text: &str) -> Result<Vec<u8>> {
    match text.strip_prefix("\\x") {
        Some(digits) => parse_hex(digits),
        None => parse_escaped(text.as_bytes()),
    }
}

fn parse_hex(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let mut rest = text.chars();
    let digit = |c: char| {
        c.to_digit(16)
            .map(|d| d as u8)
            .ok_or_else(|| SqlError::new(SqlState::InvalidParameterValue, format!("invalid hexadecimal digit: \"{c}\"")))
    };
    while let Some(c) = rest.next() {
        // White space is allowed between pairs only.
        if matches!(c, ' ' | '\n' | '\t' | '\r') {
            continue;
        }
        let high = digit(c)?;
        let low = rest
            .next()
            .ok_or_else(|| SqlError::new(SqlState::InvalidParameterValue, "invalid hexadecimal data: odd number of digits"))?;
        bytes.push(high << 4 | digit(low)?);
    }
    Ok(bytes)
}

fn parse_escaped(mut text: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    loop {
        text = match text {
            [] => return Ok(bytes),
            [b'\\', b'\\', rest @ ..] => {
                bytes.push(b'\\');
                rest
            }
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', rest @ ..] => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest
            }
            [b'\\', ..] => {
                return Err(SqlError::new(
                    SqlState::InvalidTextRepresentation,
                    "invalid input syntax for type bytea",
                ));
            }
            [byte, rest @ ..] => {
                bytes.push(*byte);
                rest
            }
        }
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

pub(super) fn write_bytea(bytes: &[u8], style: ByteaOutput, out: &mut String) {
    match style {
        ByteaOutput::Hex => {
            out.reserve(2 + 2 * bytes.len());
            out.push_str("\\x");
            push_hex(bytes, out);
        }
        ByteaOutput::Escape => {
            for &byte in bytes {
                match byte {
                    b'\\' => out.push_str("\\\\"),
                    0x20..=0x7e => out.push(byte as char),
                    _ => out.extend(['\\', octal(byte >> 6), octal(byte >> 3), octal(byte)]),
                }
            }
        }
    }
}

fn octal(bits: u8) -> char {
    (b'0' + (bits & 7)) as char
}

fn push_hex(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        out.push(HEX[usize::from(byte >> 4)] as char);
        out.push(HEX[usize::from(byte & 15)] as char);
    }
}

/// 32 hexadecimal digits, with a hyphen after any four, in braces or not.
pub(super) fn parse_uuid(text: &str) -> Result<[u8; 16]> {
    let inner = match text.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}').ok_or_else(|| invalid(Type::Uuid, text))?,
        None => text,
    };
    read_uuid(inner.as_bytes()).ok_or_else(|| invalid(Type::Uuid, text))
}

fn read_uuid(mut text: &[u8]) -> Option<[u8; 16]> {
    let mut uuid = [0u8; 16];
    for (i, byte) in uuid.iter_mut().enumerate() {
        let (&[high, low], mut rest) = text.split_first_chunk()?;
        *byte = (hex_digit(high)? << 4) | hex_digit(low)?;
        if i % 2 == 1
            && i < 15
            && let [b'-', after @ ..] = rest
        {
            rest = after;
        }
        text = rest;
    }
    text.is_empty().then_some(uuid)
}

fn hex_digit(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).map(|digit| digit as u8)
}

pub(super) fn write_uuid(uuid: &[u8; 16], out: &mut String) {
    for (i, range) in [0..4, 4..6, 6..8, 8..10, 10..16].into_iter().enumerate() {
        if i > 0 {
            out.push('-');
        }
        push_hex(&uuid[range], out);
    }
}

/// Whether a record's or an array's text must quote this field for its white space.
pub(super) fn has_space(text: &str) -> bool {
    text.bytes().any(is_space)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_lengths_count_characters() {
        assert_eq!(parse_text(Type::Varchar, 7, "äöü").unwrap(), "äöü");
        assert_eq!(parse_text(Type::Varchar, 7, "äöü  ").unwrap(), "äöü");
        let error = parse_text(Type::Varchar, 7, "äöüx").unwrap_err();
        assert_eq!(
            (error.state(), error.message()),
            (SqlState::StringDataRightTruncation, "value too long for type character varying(3)")
        );
        assert_eq!(parse_text(Type::Bpchar, 9, "ab").unwrap(), "ab   ");
        assert_eq!(parse_text(Type::Bpchar, NO_TYPMOD, "ab ").unwrap(), "ab ");
        assert_eq!(
            parse_text(Type::Bpchar, 5, "ab").unwrap_err().message(),
            "value too long for type character(1)"
        );
        assert_eq!(parse_text(Type::Name, NO_TYPMOD, &"ä".repeat(40)).unwrap(), "ä".repeat(31));
        assert_eq!(
            parse_text(Type::Text, NO_TYPMOD, "a\0b").unwrap_err().state(),
            SqlState::CharacterNotInRepertoire
        );
    }

    #[test]
    fn bytea_reads_both_forms() {
        for (text, bytes) in [
            ("\\x", &b""[..]),
            ("\\x00fF", b"\x00\xff"),
            ("\\xab cd", b"\xab\xcd"),
            ("abc", b"abc"),
            ("a\\\\b\\000\\377", b"a\\b\x00\xff"),
        ] {
            assert_eq!(parse_bytea(text).unwrap(), bytes);
        }
        for (text, message) in [
            ("\\x1", "invalid hexadecimal data: odd number of digits"),
            ("\\x1g", "invalid hexadecimal digit: \"g\""),
            ("\\1", "invalid input syntax for type bytea"),
            ("\\400", "invalid input syntax for type bytea"),
        ] {
            assert_eq!(parse_bytea(text).unwrap_err().message(), message);
        }
        let mut out = String::new();
        write_bytea(b"a\\\x00\xff", ByteaOutput::Escape, &mut out);
        assert_eq!(out, "a\\\\\\000\\377");
    }

    #[test]
    fn uuids() {
        let expected = [
            0xa0, 0xee, 0xbc, 0x99, 0x9c, 0x0b, 0x4e, 0xf8, 0xbb, 0x6d, 0x6b, 0xb9, 0xbd, 0x38, 0x0a, 0x11,
        ];
        for text in [
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "{A0EEBC999C0B4EF8BB6D6BB9BD380A11}",
            "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11",
        ] {
            assert_eq!(parse_uuid(text).unwrap(), expected);
        }
        let mut out = String::new();
        write_uuid(&expected, &mut out);
        assert_eq!(out, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
        for text in [
            "",
            "a0",
            "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11-",
            " a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "a-0eebc999c0b4ef8bb6d6bb9bd380a11",
        ] {
            assert_eq!(
                parse_uuid(text).unwrap_err().message(),
                format!("invalid input syntax for type uuid: \"{text}\"")
            );
        }
    }
}
