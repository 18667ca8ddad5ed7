//! jsonb in keys, in PostgreSQL's order: object > array > boolean > number > string > null; of two
//! arrays or objects, the one with more members is greater.
//!
//! PostgreSQL keeps a lone scalar as an array of one, and compares the number of members before it
//! asks whether it is one. So an empty array at the top sorts before every scalar, and ours does too.

use serde_json::{Map, Number, Value};
use types::Numeric;

use super::{numeric, put_string, take, take_text};
use crate::Error;

const NULL: u8 = 0x00;
const STRING: u8 = 0x01;
const NUMBER: u8 = 0x02;
const FALSE: u8 = 0x03;
const TRUE: u8 = 0x04;
const ARRAY: u8 = 0x10;
const OBJECT: u8 = 0x11;

/// At the top, after the number of members: a lone scalar, or an array.
const LONE: u8 = 0x00;
const LISTED: u8 = 0x01;

/// As serde_json stops reading.
const MAX_DEPTH: usize = 128;

pub(super) fn encode(text: &str, out: &mut Vec<u8>) -> Result<(), Error> {
    let value: Value = serde_json::from_str(text).map_err(|e| Error::NotAKey(format!("jsonb that does not parse ({e})")))?;
    match &value {
        Value::Object(members) => put_object(members, out),
        Value::Array(elements) => {
            put_header(ARRAY, elements.len(), out)?;
            out.push(LISTED);
            elements.iter().try_for_each(|element| put(element, out))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            put_header(ARRAY, 1, out)?;
            out.push(LONE);
            put(&value, out)
        }
    }
}

fn put(value: &Value, out: &mut Vec<u8>) -> Result<(), Error> {
    match value {
        Value::Null => out.push(NULL),
        Value::Bool(false) => out.push(FALSE),
        Value::Bool(true) => out.push(TRUE),
        Value::Number(number) => {
            out.push(NUMBER);
            let value: Numeric = number
                .to_string()
                .parse()
                .map_err(|_| Error::NotAKey(format!("the number {number} in jsonb")))?;
            numeric::encode(&value, out)?;
        }
        Value::String(string) => {
            out.push(STRING);
            put_string(string.as_bytes(), out);
        }
        Value::Array(elements) => {
            put_header(ARRAY, elements.len(), out)?;
            elements.iter().try_for_each(|element| put(element, out))?;
        }
        Value::Object(members) => put_object(members, out)?,
    }
    Ok(())
}

fn put_header(kind: u8, members: usize, out: &mut Vec<u8>) -> Result<(), Error> {
    let members = u32::try_from(members).map_err(|_| Error::NotAKey(format!("jsonb of {members} members")))?;
    out.push(kind);
    out.extend_from_slice(&members.to_be_bytes());
    Ok(())
}

/// PostgreSQL keeps the members in order of their keys' lengths, then bytes, and compares them in
/// that order, but a key with a key by its bytes alone.
fn put_object(members: &Map<String, Value>, out: &mut Vec<u8>) -> Result<(), Error> {
    put_header(OBJECT, members.len(), out)?;
    let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
    sorted.sort_by(|(a, _), (b, _)| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
    for (key, value) in sorted {
        put_string(key.as_bytes(), out);
        put(value, out)?;
    }
    Ok(())
}

/// The value as PostgreSQL prints it.
pub(super) fn decode(input: &mut &[u8]) -> Result<String, Error> {
    let mut text = String::new();
    match take(input)? {
        [ARRAY] => {
            let members = u32::from_be_bytes(take(input)?);
            match (take(input)?, members) {
                ([LISTED], _) => take_elements(members, input, MAX_DEPTH, &mut text)?,
                ([LONE], 1) => take_value(input, MAX_DEPTH, &mut text)?,
                ([other], _) => return Err(Error::corrupt(format!("jsonb form {other:#04x} of {members} members in a key"))),
            }
        }
        [OBJECT] => take_members(input, MAX_DEPTH, &mut text)?,
        [other] => return Err(Error::corrupt(format!("jsonb kind {other:#04x} in a key"))),
    }
    Ok(text)
}

fn take_value(input: &mut &[u8], depth: usize, text: &mut String) -> Result<(), Error> {
    match take(input)? {
        [NULL] => text.push_str("null"),
        [FALSE] => text.push_str("false"),
        [TRUE] => text.push_str("true"),
        [NUMBER] => {
            let value = numeric::decode(input)?;
            let number: Number = value
                .to_string()
                .parse()
                .map_err(|_| Error::corrupt("a number of jsonb in a key"))?;
            text.push_str(&number.to_string());
        }
        [STRING] => text.push_str(&Value::String(take_text(input)?).to_string()),
        [ARRAY] => {
            let members = u32::from_be_bytes(take(input)?);
            take_elements(members, input, deeper(depth)?, text)?;
        }
        [OBJECT] => take_members(input, deeper(depth)?, text)?,
        [other] => return Err(Error::corrupt(format!("jsonb kind {other:#04x} in a key"))),
    }
    Ok(())
}

fn deeper(depth: usize) -> Result<usize, Error> {
    depth.checked_sub(1).ok_or_else(|| Error::corrupt("jsonb nested too deep in a key"))
}

fn take_elements(members: u32, input: &mut &[u8], depth: usize, text: &mut String) -> Result<(), Error> {
    text.push('[');
    for i in 0..members {
        if i > 0 {
            text.push_str(", ");
        }
        take_value(input, depth, text)?;
    }
    text.push(']');
    Ok(())
}

fn take_members(input: &mut &[u8], depth: usize, text: &mut String) -> Result<(), Error> {
    let members = u32::from_be_bytes(take(input)?);
    text.push('{');
    for i in 0..members {
        if i > 0 {
            text.push_str(", ");
        }
        text.push_str(&Value::String(take_text(input)?).to_string());
        text.push_str(": ");
        take_value(input, depth, text)?;
    }
    text.push('}');
    Ok(())
}
