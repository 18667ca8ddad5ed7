//! The bytes of a stored row.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 1 | format version: 1 |
//! | 1 | 32 | `prev_hash`: the hash of the row before, zeros before the first |
//! | 33 | 32 | `hash`: SHA-256 over `prev_hash`, the id (8 bytes, big-endian), the version byte, the payload |
//! | 65 | 1 | payload begins: event type, [`EventType::code`] |
//! | 66 | 2 | flags, little-endian, see below |
//! | 68 | 8 | `timestamp`: microseconds since 1970, little-endian, signed |
//! | 76 | - | the fields whose flag is set, in the order of the flags, without gaps; nothing after them |
//!
//! | flag | field | form |
//! |---|---|---|
//! | 0x0001 | `function_name` | text |
//! | 0x0002 | `user_name` | text |
//! | 0x0004 | `session_id` | number |
//! | 0x0008 | `call_id` | number |
//! | 0x0010 | `parent_call_id` | number |
//! | 0x0020 | `capability` | text |
//! | 0x0040 | `resource` | text |
//! | 0x0080 | `allowed` is not NULL | no bytes |
//! | 0x0100 | `error` | text |
//! | 0x0200 | `sqlstate` | 5 bytes of ASCII |
//! | 0x0400 | `duration_us` | number |
//! | 0x0800 | `fuel_used` | number |
//! | 0x1000 | `memory_bytes` | number |
//! | 0x2000 | `details` | text: JSON |
//! | 0x4000 | `allowed` is true | no bytes |
//! | 0x8000 | none: must be 0 | |
//!
//! *Number*: the signed value folded to unsigned (0, -1, 1, -2, ... become 0, 1, 2, 3, ...), seven bits a byte, low bits first, the
//! high bit set on all bytes but the last, in the shortest form. *Text*: its length in bytes as an unsigned
//! number of that form, then UTF-8 without zero characters.
//!
//! The id is the row's key in the log and not repeated here; it is under the hash, so that a row moved to another id shows. The timestamp
//! stands at a fixed place so that a scan by time takes no row apart that it does not want ([`peek_timestamp`]).

use std::borrow::Cow;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use types::SqlState;

use crate::{DecodeError, Event, EventType, Hash};

pub const VERSION: u8 = 1;

const HASH_AT: usize = 33;
const PAYLOAD_AT: usize = 65;
const TIMESTAMP_AT: usize = 68;
const FIELDS_AT: usize = 76;

/// Bytes kept of a name (function, user) or a capability. Identifiers have 63, a qualified one with its quotes less than 260.
pub const MAX_NAME_BYTES: usize = 300;
/// Bytes kept of `resource` and `error`: guests choose them, and the log must not become their storage.
pub const MAX_TEXT_BYTES: usize = 1024;
/// Bytes of JSON kept as `details`; more is replaced by a note of its size.
pub const MAX_DETAILS_BYTES: usize = 8192;

const FUNCTION_NAME: u16 = 0x0001;
const USER_NAME: u16 = 0x0002;
const SESSION_ID: u16 = 0x0004;
const CALL_ID: u16 = 0x0008;
const PARENT_CALL_ID: u16 = 0x0010;
const CAPABILITY: u16 = 0x0020;
const RESOURCE: u16 = 0x0040;
const CHECKED: u16 = 0x0080;
const ERROR: u16 = 0x0100;
const SQLSTATE: u16 = 0x0200;
const DURATION: u16 = 0x0400;
const FUEL: u16 = 0x0800;
const MEMORY: u16 = 0x1000;
const DETAILS: u16 = 0x2000;
const ALLOWED: u16 = 0x4000;
const UNKNOWN: u16 = 0x8000;

/// The row's bytes and its hash.
pub fn encode(id: u64, prev_hash: &Hash, event: &Event) -> (Vec<u8>, Hash) {
    let mut out = Vec::with_capacity(192);
    out.push(VERSION);
    out.extend_from_slice(prev_hash);
    out.extend_from_slice(&[0; 32]);
    payload(event, &mut out);
    let hash = chain_hash(prev_hash, id, VERSION, &out[PAYLOAD_AT..]);
    out[HASH_AT..PAYLOAD_AT].copy_from_slice(&hash);
    (out, hash)
}

/// The time of a stored row, without taking the rest apart.
pub fn peek_timestamp(bytes: &[u8]) -> Result<i64, DecodeError> {
    match bytes.first() {
        None => Err(DecodeError::Short("version")),
        Some(&VERSION) => {
            let field = bytes.get(TIMESTAMP_AT..FIELDS_AT).and_then(|field| field.try_into().ok());
            field.map(i64::from_le_bytes).ok_or(DecodeError::Short("timestamp"))
        }
        Some(&version) => Err(DecodeError::Version(version)),
    }
}

/// A stored row, its texts still where they were stored. Reading a column copies nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View<'a> {
    pub prev_hash: Hash,
    pub hash: Hash,
    pub timestamp: i64,
    pub event_type: EventType,
    pub function_name: Option<&'a str>,
    pub user_name: Option<&'a str>,
    pub session_id: Option<i64>,
    pub call_id: Option<i64>,
    pub parent_call_id: Option<i64>,
    pub capability: Option<&'a str>,
    pub resource: Option<&'a str>,
    pub allowed: Option<bool>,
    pub error: Option<&'a str>,
    pub sqlstate: Option<SqlState>,
    pub duration_us: Option<i64>,
    pub fuel_used: Option<i64>,
    pub memory_bytes: Option<i64>,
    /// JSON text, not yet parsed.
    pub details: Option<&'a str>,
    payload: &'a [u8],
}

impl<'a> View<'a> {
    /// Takes hostile bytes: a file may have been edited by hand.
    pub fn decode(bytes: &'a [u8]) -> Result<View<'a>, DecodeError> {
        let mut reader = Reader(bytes);
        let version = reader.array::<1>("version")?[0];
        if version != VERSION {
            return Err(DecodeError::Version(version));
        }
        let prev_hash = reader.array("prev_hash")?;
        let hash = reader.array("hash")?;
        let payload = reader.0;
        let code = reader.array::<1>("event_type")?[0];
        let event_type = EventType::from_code(code).ok_or(DecodeError::EventType(code))?;
        let flags = u16::from_le_bytes(reader.array("flags")?);
        if flags & UNKNOWN != 0 || flags & (CHECKED | ALLOWED) == ALLOWED {
            return Err(DecodeError::Flags(flags));
        }
        let has = |flag: u16| flags & flag != 0;
        let view = View {
            prev_hash,
            hash,
            event_type,
            timestamp: i64::from_le_bytes(reader.array("timestamp")?),
            function_name: reader.text_if(has(FUNCTION_NAME), "function_name")?,
            user_name: reader.text_if(has(USER_NAME), "user_name")?,
            session_id: reader.number_if(has(SESSION_ID), "session_id")?,
            call_id: reader.number_if(has(CALL_ID), "call_id")?,
            parent_call_id: reader.number_if(has(PARENT_CALL_ID), "parent_call_id")?,
            capability: reader.text_if(has(CAPABILITY), "capability")?,
            resource: reader.text_if(has(RESOURCE), "resource")?,
            allowed: has(CHECKED).then(|| has(ALLOWED)),
            error: reader.text_if(has(ERROR), "error")?,
            sqlstate: if has(SQLSTATE) {
                Some(sqlstate(reader.array("sqlstate")?)?)
            } else {
                None
            },
            duration_us: reader.number_if(has(DURATION), "duration_us")?,
            fuel_used: reader.number_if(has(FUEL), "fuel_used")?,
            memory_bytes: reader.number_if(has(MEMORY), "memory_bytes")?,
            details: reader.text_if(has(DETAILS), "details")?,
            payload,
        };
        if reader.0.is_empty() {
            Ok(view)
        } else {
            Err(DecodeError::Trailing(reader.0.len()))
        }
    }

    /// The hash that a row with this id and content must have.
    pub fn expected_hash(&self, id: u64) -> Hash {
        chain_hash(&self.prev_hash, id, VERSION, self.payload)
    }

    pub fn to_event(&self) -> Result<Event, DecodeError> {
        let details = match self.details {
            Some(text) => Some(serde_json::from_str(text).map_err(|_| DecodeError::Json)?),
            None => None,
        };
        Ok(Event {
            timestamp: self.timestamp,
            event_type: self.event_type,
            function_name: self.function_name.map(Arc::from),
            user_name: self.user_name.map(Arc::from),
            session_id: self.session_id,
            call_id: self.call_id,
            parent_call_id: self.parent_call_id,
            capability: self.capability.map(|text| Cow::Owned(text.to_string())),
            resource: self.resource.map(str::to_string),
            allowed: self.allowed,
            error: self.error.map(str::to_string),
            sqlstate: self.sqlstate,
            duration_us: self.duration_us,
            fuel_used: self.fuel_used,
            memory_bytes: self.memory_bytes,
            details,
        })
    }
}

fn chain_hash(prev_hash: &Hash, id: u64, version: u8, payload: &[u8]) -> Hash {
    let mut sha = Sha256::new();
    sha.update(prev_hash);
    sha.update(id.to_be_bytes());
    sha.update([version]);
    sha.update(payload);
    sha.finalize().into()
}

fn payload(event: &Event, out: &mut Vec<u8>) {
    let mut flags = 0;
    let mut flag = |present: bool, bit: u16| flags |= if present { bit } else { 0 };
    flag(event.function_name.is_some(), FUNCTION_NAME);
    flag(event.user_name.is_some(), USER_NAME);
    flag(event.session_id.is_some(), SESSION_ID);
    flag(event.call_id.is_some(), CALL_ID);
    flag(event.parent_call_id.is_some(), PARENT_CALL_ID);
    flag(event.capability.is_some(), CAPABILITY);
    flag(event.resource.is_some(), RESOURCE);
    flag(event.allowed.is_some(), CHECKED);
    flag(event.error.is_some(), ERROR);
    flag(event.sqlstate.is_some(), SQLSTATE);
    flag(event.duration_us.is_some(), DURATION);
    flag(event.fuel_used.is_some(), FUEL);
    flag(event.memory_bytes.is_some(), MEMORY);
    flag(event.details.is_some(), DETAILS);
    flag(event.allowed == Some(true), ALLOWED);

    out.push(event.event_type.code());
    out.extend_from_slice(&flags.to_le_bytes());
    out.extend_from_slice(&event.timestamp.to_le_bytes());
    put_text(event.function_name.as_deref(), MAX_NAME_BYTES, out);
    put_text(event.user_name.as_deref(), MAX_NAME_BYTES, out);
    put_number(event.session_id, out);
    put_number(event.call_id, out);
    put_number(event.parent_call_id, out);
    put_text(event.capability.as_deref(), MAX_TEXT_BYTES, out);
    put_text(event.resource.as_deref(), MAX_TEXT_BYTES, out);
    put_text(event.error.as_deref(), MAX_TEXT_BYTES, out);
    if let Some(state) = event.sqlstate {
        out.extend_from_slice(state.code().as_bytes());
    }
    put_number(event.duration_us, out);
    put_number(event.fuel_used, out);
    put_number(event.memory_bytes, out);
    if let Some(details) = &event.details {
        let json = details.to_string();
        if json.len() <= MAX_DETAILS_BYTES {
            put_text(Some(&json), MAX_DETAILS_BYTES, out);
        } else {
            put_text(Some(&format!("{{\"truncated_bytes\": {}}}", json.len())), MAX_DETAILS_BYTES, out);
        }
    }
}

fn put_number(value: Option<i64>, out: &mut Vec<u8>) {
    if let Some(value) = value {
        // Folded so that small negative numbers stay short.
        put_unsigned(((value << 1) ^ (value >> 63)).cast_unsigned(), out);
    }
}

fn put_unsigned(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_text(text: Option<&str>, max_bytes: usize, out: &mut Vec<u8>) {
    let Some(text) = text else { return };
    let text = clip(text, max_bytes);
    put_unsigned(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

/// At most `max_bytes`, the cut shown by an ellipsis, and no zero characters: SQL text has none.
fn clip(text: &str, max_bytes: usize) -> Cow<'_, str> {
    const ELLIPSIS: &str = "…";
    let clipped = if text.len() <= max_bytes {
        Cow::Borrowed(text)
    } else {
        let end = text.floor_char_boundary(max_bytes.saturating_sub(ELLIPSIS.len()));
        Cow::Owned(format!("{}{ELLIPSIS}", &text[..end]))
    };
    if clipped.contains('\0') {
        Cow::Owned(clipped.replace('\0', "?"))
    } else {
        clipped
    }
}

fn sqlstate(code: [u8; 5]) -> Result<SqlState, DecodeError> {
    std::str::from_utf8(&code)
        .ok()
        .and_then(SqlState::from_code)
        .ok_or(DecodeError::SqlState(code))
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let (array, rest) = self.0.split_first_chunk::<N>().ok_or(DecodeError::Short(field))?;
        self.0 = rest;
        Ok(*array)
    }

    fn unsigned(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array(field)?;
            let bits = u64::from(byte & 0x7f);
            if (shift == 63 && bits > 1) || (byte == 0 && shift > 0) {
                return Err(DecodeError::Number(field));
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::Number(field))
    }

    fn number_if(&mut self, present: bool, field: &'static str) -> Result<Option<i64>, DecodeError> {
        if !present {
            return Ok(None);
        }
        let folded = self.unsigned(field)?;
        Ok(Some((folded >> 1).cast_signed() ^ -((folded & 1).cast_signed())))
    }

    fn text_if(&mut self, present: bool, field: &'static str) -> Result<Option<&'a str>, DecodeError> {
        if !present {
            return Ok(None);
        }
        let length = usize::try_from(self.unsigned(field)?).map_err(|_| DecodeError::Number(field))?;
        let (text, rest) = self.0.split_at_checked(length).ok_or(DecodeError::Short(field))?;
        let text = std::str::from_utf8(text).map_err(|_| DecodeError::Text(field))?;
        if text.contains('\0') {
            return Err(DecodeError::Text(field));
        }
        self.0 = rest;
        Ok(Some(text))
    }
}
