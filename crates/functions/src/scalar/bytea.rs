//! Functions of bytes: encodings, digests, single bits.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use sha2::Digest;
use types::Type::*;
use types::{Datum, Result, SqlError, SqlState};

use crate::Scalar;
use crate::argument::{bytea, int4, int8, text};
use crate::limit::check_size;
use crate::scalar::arithmetic::out_of_range;
use crate::scalar::string::{negative_length, substring_range};

pub(crate) static SCALARS: &[Scalar] = &[
    Scalar::new("byteacat", &[Bytea, Bytea], Bytea, |_, a| {
        check_size(bytea(a, 0)?.len() + bytea(a, 1)?.len())?;
        Ok(Datum::Bytea([bytea(a, 0)?, bytea(a, 1)?].concat()))
    }),
    Scalar::new("length", &[Bytea], Int4, |_, a| Ok(Datum::Int4(bytea(a, 0)?.len() as i32))),
    Scalar::new("encode", &[Bytea, Text], Text, |_, a| encode(bytea(a, 0)?, text(a, 1)?)),
    Scalar::new("decode", &[Text, Text], Bytea, |_, a| decode(text(a, 0)?, text(a, 1)?)),
    Scalar::new("md5", &[Text], Text, |_, a| {
        Ok(Datum::text(format!("{:x}", md5::compute(text(a, 0)?))))
    }),
    Scalar::new("md5", &[Bytea], Text, |_, a| {
        Ok(Datum::text(format!("{:x}", md5::compute(bytea(a, 0)?))))
    }),
    Scalar::new("sha224", &[Bytea], Bytea, |_, a| {
        Ok(Datum::Bytea(sha2::Sha224::digest(bytea(a, 0)?).to_vec()))
    }),
    Scalar::new("sha256", &[Bytea], Bytea, |_, a| {
        Ok(Datum::Bytea(sha2::Sha256::digest(bytea(a, 0)?).to_vec()))
    }),
    Scalar::new("sha384", &[Bytea], Bytea, |_, a| {
        Ok(Datum::Bytea(sha2::Sha384::digest(bytea(a, 0)?).to_vec()))
    }),
    Scalar::new("sha512", &[Bytea], Bytea, |_, a| {
        Ok(Datum::Bytea(sha2::Sha512::digest(bytea(a, 0)?).to_vec()))
    }),
    Scalar::new("substr", &[Bytea, Int4], Bytea, |_, a| substring(a, None)),
    Scalar::new("substr", &[Bytea, Int4, Int4], Bytea, |_, a| substring(a, Some(int4(a, 2)?))),
    Scalar::new("substring", &[Bytea, Int4], Bytea, |_, a| substring(a, None)),
    Scalar::new("substring", &[Bytea, Int4, Int4], Bytea, |_, a| substring(a, Some(int4(a, 2)?))),
    Scalar::new("overlay", &[Bytea, Bytea, Int4], Bytea, |_, a| {
        overlay(a, bytea(a, 1)?.len() as i32)
    }),
    Scalar::new("overlay", &[Bytea, Bytea, Int4, Int4], Bytea, |_, a| overlay(a, int4(a, 3)?)),
    Scalar::new("position", &[Bytea, Bytea], Int4, |_, a| Ok(position(bytea(a, 0)?, bytea(a, 1)?))),
    Scalar::new("btrim", &[Bytea, Bytea], Bytea, |_, a| trim(a, true, true)),
    Scalar::new("ltrim", &[Bytea, Bytea], Bytea, |_, a| trim(a, true, false)),
    Scalar::new("rtrim", &[Bytea, Bytea], Bytea, |_, a| trim(a, false, true)),
    Scalar::new("bit_count", &[Bytea], Int8, |_, a| {
        Ok(Datum::Int8(bytea(a, 0)?.iter().map(|b| i64::from(b.count_ones())).sum()))
    }),
    Scalar::new("get_byte", &[Bytea, Int4], Int4, |_, a| {
        let index = index(bytea(a, 0)?.len() as i64, int4(a, 1)?.into())?;
        Ok(Datum::Int4(bytea(a, 0)?[index].into()))
    }),
    Scalar::new("set_byte", &[Bytea, Int4, Int4], Bytea, |_, a| {
        let mut bytes = bytea(a, 0)?.to_vec();
        let index = index(bytes.len() as i64, int4(a, 1)?.into())?;
        bytes[index] = int4(a, 2)? as u8; // the low byte, as PostgreSQL takes it
        Ok(Datum::Bytea(bytes))
    }),
    Scalar::new("get_bit", &[Bytea, Int8], Int4, |_, a| {
        let bytes = bytea(a, 0)?;
        let bit = index(bytes.len() as i64 * 8, int8(a, 1)?)?;
        Ok(Datum::Int4((bytes[bit / 8] >> (bit % 8) & 1).into()))
    }),
    Scalar::new("set_bit", &[Bytea, Int8, Int4], Bytea, set_bit),
    Scalar::new("convert_from", &[Bytea, Name], Text, |_, a| convert_from(bytea(a, 0)?, text(a, 1)?)).stable(),
    Scalar::new("convert_to", &[Text, Name], Bytea, |_, a| convert_to(text(a, 0)?, text(a, 1)?)).stable(),
];

fn set_bit(_: &dyn crate::Environment, a: &[Datum]) -> Result<Datum> {
    let mut bytes = bytea(a, 0)?.to_vec();
    let bit = index(bytes.len() as i64 * 8, int8(a, 1)?)?;
    let mask = 1 << (bit % 8);
    match int4(a, 2)? {
        0 => bytes[bit / 8] &= !mask,
        1 => bytes[bit / 8] |= mask,
        _ => return Err(SqlError::new(SqlState::InvalidParameterValue, "new bit must be 0 or 1")),
    }
    Ok(Datum::Bytea(bytes))
}

fn index(length: i64, index: i64) -> Result<usize> {
    usize::try_from(index).ok().filter(|_| index < length).ok_or_else(|| {
        let message = format!("index {index} out of valid range, 0..{}", length - 1);
        SqlError::new(SqlState::ArrayElementError, message)
    })
}

fn substring(args: &[Datum], count: Option<i32>) -> Result<Datum> {
    let bytes = bytea(args, 0)?;
    let (skip, take) = substring_range(int4(args, 1)?, count)?;
    let rest = bytes.get(skip..).unwrap_or_default();
    Ok(Datum::Bytea(rest[..take.min(rest.len())].to_vec()))
}

fn overlay(args: &[Datum], length: i32) -> Result<Datum> {
    let (original, replacement, start) = (bytea(args, 0)?, bytea(args, 1)?, int4(args, 2)?);
    if start <= 0 {
        return Err(negative_length());
    }
    let after = start.checked_add(length).ok_or_else(|| out_of_range("integer"))?;
    let (head, _) = substring_range(start, None)?;
    let (tail, _) = substring_range(after, None)?;
    let result = [
        &original[..head.min(original.len())],
        replacement,
        original.get(tail..).unwrap_or_default(),
    ]
    .concat();
    check_size(result.len())?;
    Ok(Datum::Bytea(result))
}

fn position(bytes: &[u8], part: &[u8]) -> Datum {
    if part.is_empty() {
        return Datum::Int4(1);
    }
    Datum::Int4(
        bytes
            .windows(part.len())
            .position(|window| window == part)
            .map_or(0, |at| at as i32 + 1),
    )
}

fn trim(args: &[Datum], left: bool, right: bool) -> Result<Datum> {
    let (mut bytes, set) = (bytea(args, 0)?, bytea(args, 1)?);
    while let [first, rest @ ..] = bytes
        && left
        && set.contains(first)
    {
        bytes = rest;
    }
    while let [rest @ .., last] = bytes
        && right
        && set.contains(last)
    {
        bytes = rest;
    }
    Ok(Datum::Bytea(bytes.to_vec()))
}

fn unknown_encoding(name: &str) -> SqlError {
    SqlError::new(SqlState::InvalidParameterValue, format!("unrecognized encoding: \"{name}\""))
}

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);
/// Characters of a line that `encode(..., 'base64')` writes (RFC 2045).
const BASE64_LINE: usize = 76;

fn encode(bytes: &[u8], format: &str) -> Result<Datum> {
    check_size(bytes.len().saturating_mul(4))?;
    match format.to_ascii_lowercase().as_str() {
        "hex" => Ok(Datum::Text(hex::encode(bytes))),
        "base64" => {
            let plain = BASE64.encode(bytes);
            let mut out = String::with_capacity(plain.len() + plain.len() / BASE64_LINE);
            for (i, c) in plain.chars().enumerate() {
                if i > 0 && i % BASE64_LINE == 0 {
                    out.push('\n');
                }
                out.push(c);
            }
            Ok(Datum::Text(out))
        }
        "escape" => {
            let mut out = String::with_capacity(bytes.len());
            for byte in bytes {
                match byte {
                    0 | 0x80.. => out.push_str(&format!("\\{byte:03o}")),
                    b'\\' => out.push_str("\\\\"),
                    byte => out.push(char::from(*byte)),
                }
            }
            Ok(Datum::Text(out))
        }
        _ => Err(unknown_encoding(format)),
    }
}

fn decode(text: &str, format: &str) -> Result<Datum> {
    let invalid = |message: String| SqlError::new(SqlState::InvalidParameterValue, message);
    match format.to_ascii_lowercase().as_str() {
        "hex" => {
            let digits: Vec<char> = text.chars().filter(|c| !matches!(c, ' ' | '\n' | '\t' | '\r')).collect();
            if let Some(bad) = digits.iter().find(|c| !c.is_ascii_hexdigit()) {
                return Err(invalid(format!("invalid hexadecimal digit: \"{bad}\"")));
            }
            let digits: String = digits.into_iter().collect();
            hex::decode(digits)
                .map(Datum::Bytea)
                .map_err(|_| invalid("invalid hexadecimal data: odd number of digits".to_string()))
        }
        "base64" => {
            let symbols: String = text.chars().filter(|c| !matches!(c, ' ' | '\n' | '\t' | '\r')).collect();
            let bad = |c: &char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '='));
            if let Some(bad) = symbols.chars().find(bad) {
                return Err(invalid(format!("invalid symbol \"{bad}\" found while decoding base64 sequence")));
            }
            BASE64.decode(symbols).map(Datum::Bytea).map_err(|_| {
                invalid("invalid base64 end sequence".to_string())
                    .hint("Input data is missing padding, is truncated, or is otherwise corrupted.")
            })
        }
        "escape" => decode_escape(text.as_bytes()).map(Datum::Bytea),
        _ => Err(unknown_encoding(format)),
    }
}

fn decode_escape(text: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match rest {
            [b'\\', after @ ..] => {
                out.push(b'\\');
                rest = after;
            }
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            _ => {
                return Err(SqlError::new(
                    SqlState::InvalidTextRepresentation,
                    "invalid input syntax for type bytea",
                ));
            }
        }
    }
    Ok(out)
}

/// The character sets that we convert from and to.
enum Charset {
    Utf8,
    Latin1,
}

fn charset(name: &str, role: &str) -> Result<Charset> {
    let plain: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_ascii_lowercase();
    match plain.as_str() {
        "utf8" | "unicode" => Ok(Charset::Utf8),
        "latin1" | "iso88591" => Ok(Charset::Latin1),
        _ => Err(SqlError::new(
            SqlState::InvalidParameterValue,
            format!("invalid {role} encoding name \"{name}\""),
        )),
    }
}

fn convert_from(bytes: &[u8], name: &str) -> Result<Datum> {
    let text = match charset(name, "source")? {
        Charset::Utf8 => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_string(),
            Err(error) => {
                let from = error.valid_up_to();
                let bad: Vec<String> = bytes[from..]
                    .iter()
                    .take(error.error_len().unwrap_or(1).max(1))
                    .map(|b| format!("0x{b:02x}"))
                    .collect();
                let message = format!("invalid byte sequence for encoding \"UTF8\": {}", bad.join(" "));
                return Err(SqlError::new(SqlState::CharacterNotInRepertoire, message));
            }
        },
        Charset::Latin1 => bytes.iter().map(|b| char::from(*b)).collect(),
    };
    if text.contains('\0') {
        return Err(SqlError::new(
            SqlState::CharacterNotInRepertoire,
            "invalid byte sequence for encoding \"UTF8\": 0x00",
        ));
    }
    Ok(Datum::Text(text))
}

fn convert_to(text: &str, name: &str) -> Result<Datum> {
    match charset(name, "destination")? {
        Charset::Utf8 => Ok(Datum::Bytea(text.as_bytes().to_vec())),
        Charset::Latin1 => text
            .chars()
            .map(|c| {
                u8::try_from(u32::from(c)).map_err(|_| {
                    let mut buffer = [0; 4];
                    let bytes: Vec<String> = c.encode_utf8(&mut buffer).bytes().map(|b| format!("0x{b:02x}")).collect();
                    let message = format!(
                        "character with byte sequence {} in encoding \"UTF8\" has no equivalent in encoding \"LATIN1\"",
                        bytes.join(" ")
                    );
                    SqlError::new(SqlState::UntranslatableCharacter, message)
                })
            })
            .collect::<Result<_>>()
            .map(Datum::Bytea),
    }
}
