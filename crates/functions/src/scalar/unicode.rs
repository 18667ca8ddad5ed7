//! Unicode normal forms and escapes.

use types::Type::*;
use types::{Datum, Result, SqlError, SqlState};
use unicode_normalization::UnicodeNormalization;

use crate::Scalar;
use crate::argument::text;
use crate::limit::check_size;

pub(crate) static SCALARS: &[Scalar] = &[
    Scalar::new("normalize", &[Text], Text, |_, a| normalize(text(a, 0)?, "NFC").map(Datum::Text)),
    Scalar::new("normalize", &[Text, Text], Text, |_, a| {
        normalize(text(a, 0)?, text(a, 1)?).map(Datum::Text)
    }),
    Scalar::new("is_normalized", &[Text], Bool, |_, a| {
        Ok(Datum::Bool(normalize(text(a, 0)?, "NFC")? == text(a, 0)?))
    }),
    Scalar::new("is_normalized", &[Text, Text], Bool, |_, a| {
        Ok(Datum::Bool(normalize(text(a, 0)?, text(a, 1)?)? == text(a, 0)?))
    }),
    Scalar::new("unistr", &[Text], Text, |_, a| unistr(text(a, 0)?)),
];

fn normalize(text: &str, form: &str) -> Result<String> {
    // One character decomposes into at most 18 (NFKD).
    check_size(text.len())?;
    match form.to_ascii_uppercase().as_str() {
        "NFC" => Ok(text.nfc().collect()),
        "NFD" => Ok(text.nfd().collect()),
        "NFKC" => Ok(text.nfkc().collect()),
        "NFKD" => Ok(text.nfkd().collect()),
        _ => Err(SqlError::new(
            SqlState::InvalidParameterValue,
            format!("invalid normalization form: {form}"),
        )),
    }
}

/// `\XXXX`, `\+XXXXXX`, `\uXXXX`, `\UXXXXXXXX` become characters, `\\` a backslash.
fn unistr(text: &str) -> Result<Datum> {
    let invalid = || {
        SqlError::new(SqlState::SyntaxError, "invalid Unicode escape")
            .hint("Unicode escapes must be \\XXXX, \\+XXXXXX, \\uXXXX, or \\UXXXXXXXX.")
    };
    let pair = || SqlError::new(SqlState::SyntaxError, "invalid Unicode surrogate pair");
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut high: Option<u32> = None;
    while let Some(c) = rest.chars().next() {
        if c != '\\' || rest.starts_with("\\\\") {
            if high.is_some() {
                return Err(pair());
            }
            out.push(c);
            rest = &rest[if c == '\\' { 2 } else { c.len_utf8() }..];
            continue;
        }
        let after = &rest[1..];
        let (skip, digits) = match after.as_bytes().first() {
            Some(b'u') => (1, 4),
            Some(b'U') => (1, 8),
            Some(b'+') => (1, 6),
            _ => (0, 4),
        };
        let number = after
            .get(skip..skip + digits)
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
            .ok_or_else(invalid)?;
        let code = u32::from_str_radix(number, 16).map_err(|_| invalid())?;
        rest = &after[skip + digits..];
        let code = match (high.take(), code) {
            (None, 0xd800..=0xdbff) => {
                high = Some(code);
                continue;
            }
            (Some(high), 0xdc00..=0xdfff) => 0x10000 + ((high - 0xd800) << 10) + (code - 0xdc00),
            (Some(_), _) | (None, 0xdc00..=0xdfff) => return Err(pair()),
            (None, code) => code,
        };
        match char::from_u32(code) {
            Some(c) if c != '\0' => out.push(c),
            _ => return Err(SqlError::new(SqlState::SyntaxError, "invalid Unicode code point")),
        }
    }
    if high.is_some() {
        return Err(pair());
    }
    Ok(Datum::Text(out))
}
