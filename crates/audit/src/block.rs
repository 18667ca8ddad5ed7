//! Blocks: the columns of [`BLOCK_ROWS`] rows kept once more, beside the rows, so that a query reads only the columns
//! and the blocks that it is about.
//!
//! A block is derived data. It is made of rows that are durable already, it can be made again at any time, the same bytes
//! come out, and whoever verifies the log compares them. It consists of a summary, which tells without reading more whether a
//! row of some kind can be in it, and of one piece for each column but `details`, `prev_hash` and `hash`.
//!
//! The bytes of each piece are in `docs/storage-format.md`.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::EventType;
use crate::stored::View;

/// Rows of a block. Block n holds the ids from n * BLOCK_ROWS + 1 on.
pub const BLOCK_ROWS: u64 = 4096;

const VERSION: u8 = 1;
const HEADER_BYTES: usize = 12;

/// More function names than this are not listed in a summary: it is held in memory.
const MAX_LISTED_FUNCTIONS: usize = 256;
const UNLISTED: u16 = u16::MAX;

/// A column of a block: its place in `heliosdb.audit_log`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Column {
    Timestamp = 1,
    EventType = 2,
    FunctionName = 3,
    UserName = 4,
    SessionId = 5,
    CallId = 6,
    ParentCallId = 7,
    Capability = 8,
    Resource = 9,
    Allowed = 10,
    Error = 11,
    Sqlstate = 12,
    DurationUs = 13,
    FuelUsed = 14,
    MemoryBytes = 15,
}

impl Column {
    pub const ALL: [Column; 15] = [
        Column::Timestamp,
        Column::EventType,
        Column::FunctionName,
        Column::UserName,
        Column::SessionId,
        Column::CallId,
        Column::ParentCallId,
        Column::Capability,
        Column::Resource,
        Column::Allowed,
        Column::Error,
        Column::Sqlstate,
        Column::DurationUs,
        Column::FuelUsed,
        Column::MemoryBytes,
    ];

    /// The column at this place of `heliosdb.audit_log`, where blocks have it.
    pub fn at(place: usize) -> Option<Column> {
        Column::ALL.into_iter().find(|column| usize::from(column.place()) == place)
    }

    pub fn place(self) -> u8 {
        self as u8
    }

    /// The column's value in a row.
    pub fn of<'a>(self, row: &View<'a>) -> Value<'a> {
        match self {
            Column::Timestamp => Value::Number(Some(row.timestamp)),
            Column::EventType => Value::Text(Some(row.event_type.name())),
            Column::FunctionName => Value::Text(row.function_name),
            Column::UserName => Value::Text(row.user_name),
            Column::SessionId => Value::Number(row.session_id),
            Column::CallId => Value::Number(row.call_id),
            Column::ParentCallId => Value::Number(row.parent_call_id),
            Column::Capability => Value::Text(row.capability),
            Column::Resource => Value::Text(row.resource),
            Column::Allowed => Value::Number(row.allowed.map(i64::from)),
            Column::Error => Value::Text(row.error),
            Column::Sqlstate => Value::Text(row.sqlstate.map(|state| state.code())),
            Column::DurationUs => Value::Number(row.duration_us),
            Column::FuelUsed => Value::Number(row.fuel_used),
            Column::MemoryBytes => Value::Number(row.memory_bytes),
        }
    }

    fn is_text(self) -> bool {
        match self {
            Column::EventType
            | Column::FunctionName
            | Column::UserName
            | Column::Capability
            | Column::Resource
            | Column::Error
            | Column::Sqlstate => true,
            Column::Timestamp
            | Column::SessionId
            | Column::CallId
            | Column::ParentCallId
            | Column::Allowed
            | Column::DurationUs
            | Column::FuelUsed
            | Column::MemoryBytes => false,
        }
    }
}

/// One value of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    Text(Option<&'a str>),
    Number(Option<i64>),
}

/// The pieces of a block, by the places of their columns; the summary is at 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    pub pieces: Vec<(u8, Vec<u8>)>,
}

impl Block {
    /// The block of these rows, whose ids follow each other from `first_id` on. At most 65,535 rows.
    pub fn of(first_id: u64, rows: &[View]) -> Block {
        let mut pieces = vec![(0, sealed(first_id, 0, rows.len(), summary(rows)))];
        for column in Column::ALL {
            let body = if column.is_text() {
                texts(rows.iter().map(|row| match column.of(row) {
                    Value::Text(text) => text,
                    Value::Number(_) => None,
                }))
            } else {
                let numbers: Vec<Option<i64>> = rows
                    .iter()
                    .map(|row| match column.of(row) {
                        Value::Number(number) => number,
                        Value::Text(_) => None,
                    })
                    .collect();
                self::numbers(&numbers)
            };
            pieces.push((column.place(), sealed(first_id, column.place(), rows.len(), body)));
        }
        Block { pieces }
    }
}

fn sealed(first_id: u64, place: u8, rows: usize, body: Vec<u8>) -> Vec<u8> {
    let rows = u16::try_from(rows).unwrap_or(u16::MAX).to_le_bytes();
    let head = [VERSION, place, rows[0], rows[1]];
    let mut out = Vec::with_capacity(HEADER_BYTES + body.len());
    out.extend_from_slice(&head);
    out.extend_from_slice(&check(first_id, &head, &body));
    out.extend_from_slice(&body);
    out
}

fn check(first_id: u64, head: &[u8], body: &[u8]) -> [u8; 8] {
    let mut sha = Sha256::new();
    sha.update(first_id.to_be_bytes());
    sha.update(head);
    sha.update(body);
    prefix(&sha.finalize())
}

fn prefix(hash: &[u8]) -> [u8; 8] {
    let mut out = [0; 8];
    out.copy_from_slice(&hash[..8]);
    out
}

fn hash_of(function: &str) -> u64 {
    u64::from_le_bytes(prefix(&Sha256::digest(function)))
}

fn bit(event_type: EventType) -> u64 {
    1 << (event_type.code() % 64)
}

fn summary(rows: &[View]) -> Vec<u8> {
    let mut types = [0_u64; 3];
    let mut functions: Vec<&str> = Vec::new();
    let mut last: Option<&str> = None;
    for row in rows {
        let kind = match row.allowed {
            None => 0,
            Some(false) => 1,
            Some(true) => 2,
        };
        types[kind] |= bit(row.event_type);
        if row.function_name != last {
            last = row.function_name;
            functions.extend(last);
        }
    }
    functions.sort_unstable();
    functions.dedup();
    let mut out = Vec::new();
    for set in types {
        out.extend_from_slice(&set.to_le_bytes());
    }
    match u16::try_from(functions.len()) {
        Ok(count) if functions.len() <= MAX_LISTED_FUNCTIONS => {
            out.extend_from_slice(&count.to_le_bytes());
            let mut hashes: Vec<u64> = functions.iter().map(|name| hash_of(name)).collect();
            hashes.sort_unstable();
            hashes.iter().for_each(|hash| out.extend_from_slice(&hash.to_le_bytes()));
        }
        _ => out.extend_from_slice(&UNLISTED.to_le_bytes()),
    }
    out
}

fn texts<'a>(values: impl Iterator<Item = Option<&'a str>>) -> Vec<u8> {
    let mut known: HashMap<&str, u16> = HashMap::new();
    let mut entries = Vec::new();
    // A run of equal texts is looked up once.
    let mut last: Option<(&str, u16)> = None;
    let codes: Vec<u16> = values
        .map(|value| {
            let Some(text) = value else { return 0 };
            match last {
                Some((known, code)) if known == text => code,
                _ => {
                    let next = u16::try_from(known.len() + 1).unwrap_or(u16::MAX);
                    let code = *known.entry(text).or_insert_with(|| {
                        // Stored texts are clipped to far less.
                        entries.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
                        entries.extend_from_slice(text.as_bytes());
                        next
                    });
                    last = Some((text, code));
                    code
                }
            }
        })
        .collect();
    let count = u16::try_from(known.len()).unwrap_or(u16::MAX);
    let mut out = count.to_le_bytes().to_vec();
    out.extend_from_slice(&entries);
    if codes.iter().all(|code| *code == count) && count <= 1 {
        out.push(0);
    } else if count <= u16::from(u8::MAX) {
        out.push(1);
        out.extend(codes.iter().map(|code| *code as u8));
    } else {
        out.push(2);
        codes.iter().for_each(|code| out.extend_from_slice(&code.to_le_bytes()));
    }
    out
}

fn numbers(values: &[Option<i64>]) -> Vec<u8> {
    let present = values.iter().flatten();
    let (Some(low), Some(high)) = (present.clone().min(), present.max()) else {
        return vec![0];
    };
    let mut out = Vec::new();
    if values.iter().all(Option::is_some) {
        out.push(1);
    } else {
        out.push(2);
        for eight in values.chunks(8) {
            out.push(eight.iter().rev().fold(0, |bits, value| (bits << 1) | u8::from(value.is_some())));
        }
    }
    let above = |value: i64| value.wrapping_sub(*low).cast_unsigned();
    let width = (8 - (above(*high).leading_zeros() / 8) as usize).min(8);
    out.extend_from_slice(&low.to_le_bytes());
    out.push(width as u8);
    for value in values {
        out.extend_from_slice(&value.map_or(0, above).to_le_bytes()[..width]);
    }
    out
}

/// Bytes that are not this piece of this block: it has to be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

/// Whether these bytes are what they are taken for, as whoever wrote them meant them. They may still not be what the rows say.
pub fn is_sound(first_id: u64, place: u8, bytes: &[u8]) -> bool {
    open(first_id, place, bytes).is_ok()
}

/// What a summary tells of its block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    types: [u64; 3],
    /// None: too many to list.
    functions: Option<Box<[u64]>>,
}

impl Summary {
    pub fn decode(first_id: u64, bytes: &[u8]) -> Result<Summary, Damaged> {
        let (_, mut body) = open(first_id, 0, bytes)?;
        let mut number = || take::<8>(&mut body);
        let types = [number()?, number()?, number()?].map(u64::from_le_bytes);
        let count = u16::from_le_bytes(take(&mut body)?);
        let functions = if count == UNLISTED {
            None
        } else {
            let hashes: Result<Box<[u64]>, Damaged> = (0..count).map(|_| take(&mut body).map(u64::from_le_bytes)).collect();
            Some(hashes?).filter(|hashes| hashes.is_sorted())
        };
        match body.is_empty() && (functions.is_some() || count == UNLISTED) {
            true => Ok(Summary { types, functions }),
            false => Err(Damaged),
        }
    }

    /// False only if no row of the block has this event type and this `allowed`; None stands for any.
    pub fn may_have(&self, event_type: Option<EventType>, allowed: Option<bool>) -> bool {
        let wanted = event_type.map_or(u64::MAX, bit);
        let [unchecked, denied, allowed_ones] = self.types;
        let found = match allowed {
            None => unchecked | denied | allowed_ones,
            Some(false) => denied,
            Some(true) => allowed_ones,
        };
        found & wanted != 0
    }

    /// False only if no row of the block is about this function.
    pub fn may_have_function(&self, name: &str) -> bool {
        self.functions
            .as_ref()
            .is_none_or(|hashes| hashes.binary_search(&hash_of(name)).is_ok())
    }
}

/// A column of a block, read where it stands.
#[derive(Clone, Debug)]
pub struct Piece<'a> {
    rows: usize,
    form: Form<'a>,
}

#[derive(Clone, Debug)]
enum Form<'a> {
    Texts {
        entries: Vec<&'a str>,
        width: usize,
        codes: &'a [u8],
    },
    Numbers {
        present: Present<'a>,
        low: i64,
        width: usize,
        values: &'a [u8],
    },
}

#[derive(Clone, Copy, Debug)]
enum Present<'a> {
    None,
    All,
    Some(&'a [u8]),
}

impl Present<'_> {
    fn has(self, row: usize) -> bool {
        match self {
            Present::None => false,
            Present::All => true,
            Present::Some(bits) => bits.get(row / 8).is_some_and(|bits| bits & (1 << (row % 8)) != 0),
        }
    }
}

impl<'a> Piece<'a> {
    pub fn decode(first_id: u64, column: Column, bytes: &'a [u8]) -> Result<Piece<'a>, Damaged> {
        let (rows, mut body) = open(first_id, column.place(), bytes)?;
        let form = if column.is_text() {
            let count = u16::from_le_bytes(take(&mut body)?);
            let mut entries = Vec::with_capacity(usize::from(count).min(rows));
            for _ in 0..count {
                let length = usize::from(u16::from_le_bytes(take(&mut body)?));
                let (text, rest) = body.split_at_checked(length).ok_or(Damaged)?;
                entries.push(std::str::from_utf8(text).map_err(|_| Damaged)?);
                body = rest;
            }
            let [width] = take(&mut body)?;
            let width = usize::from(width);
            if width > 2 || body.len() != rows * width || (width == 0 && entries.len() > 1) {
                return Err(Damaged);
            }
            Form::Texts {
                entries,
                width,
                codes: body,
            }
        } else {
            let present = match take(&mut body)? {
                [0] => Present::None,
                [1] => Present::All,
                [2] => {
                    let (bits, rest) = body.split_at_checked(rows.div_ceil(8)).ok_or(Damaged)?;
                    body = rest;
                    Present::Some(bits)
                }
                _ => return Err(Damaged),
            };
            let (low, width) = match present {
                Present::None => (0, 0),
                Present::All | Present::Some(_) => (i64::from_le_bytes(take(&mut body)?), usize::from(take::<1>(&mut body)?[0])),
            };
            if width > 8 || body.len() != rows * width {
                return Err(Damaged);
            }
            Form::Numbers {
                present,
                low,
                width,
                values: body,
            }
        };
        // Every code has its text: reading a value cannot fail from here on.
        if let Form::Texts { entries, width, codes } = &form {
            let highest = match width {
                0 => None,
                1 => codes.iter().max().map(|code| usize::from(*code)),
                _ => pairs(codes).max().map(usize::from),
            };
            if highest.is_some_and(|code| code > entries.len()) {
                return Err(Damaged);
            }
        }
        Ok(Piece { rows, form })
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The value of a row that the block has.
    pub fn value(&self, row: usize) -> Value<'a> {
        match &self.form {
            Form::Texts { entries, .. } => {
                let code = self.code(row).unwrap_or(0);
                Value::Text(code.checked_sub(1).and_then(|index| entries.get(index).copied()))
            }
            Form::Numbers {
                present,
                low,
                width,
                values,
            } => {
                let at = row * width;
                let bytes = values.get(at..at + width).filter(|_| present.has(row) && row < self.rows);
                Value::Number(bytes.map(|bytes| low.wrapping_add(unsigned(bytes).cast_signed())))
            }
        }
    }

    /// How many codes there are, the one of NULL included. None where the numbers are too different to have codes.
    pub fn codes(&self) -> Option<usize> {
        match &self.form {
            Form::Texts { entries, .. } => Some(entries.len() + 1),
            Form::Numbers { width, .. } => match width {
                0 => Some(2),
                1 => Some(2 + usize::from(u8::MAX)),
                _ => None,
            },
        }
    }

    /// The row's code, below [`Piece::codes`]. Rows of one block have the same code if and only if they have the same value.
    pub fn code(&self, row: usize) -> Option<usize> {
        match &self.form {
            Form::Texts { entries, width, codes } => Some(match width {
                0 => entries.len(),
                1 => usize::from(codes.get(row).copied().unwrap_or(0)),
                _ => codes
                    .get(row * 2..row * 2 + 2)
                    .map_or(0, |code| usize::from(u16::from_le_bytes([code[0], code[1]]))),
            }),
            Form::Numbers {
                present, width, values, ..
            } => match width {
                0 | 1 if !present.has(row) => Some(0),
                0 => Some(1),
                1 => Some(1 + values.get(row).map_or(0, |value| usize::from(*value))),
                _ => None,
            },
        }
    }

    /// Of texts: leaves of some rows those with this text.
    pub fn retain_text(&self, rows: &mut Vec<usize>, text: &str) {
        match (&self.form, self.code_of(text)) {
            (Form::Texts { width: 0, .. }, Some(_)) => {}
            (Form::Texts { width: 1, codes, .. }, Some(code)) => {
                let code = u8::try_from(code).ok();
                rows.retain(|row| codes.get(*row).copied() == code);
            }
            (_, Some(code)) => rows.retain(|row| self.code(*row) == Some(code)),
            (_, None) => rows.clear(),
        }
    }

    /// Of texts: the code of this text, if a row has it.
    pub fn code_of(&self, text: &str) -> Option<usize> {
        match &self.form {
            Form::Texts { entries, .. } => entries.iter().position(|entry| *entry == text).map(|index| index + 1),
            Form::Numbers { .. } => None,
        }
    }
}

fn pairs(codes: &[u8]) -> impl Iterator<Item = u16> {
    codes.chunks_exact(2).map(|code| u16::from_le_bytes([code[0], code[1]]))
}

fn unsigned(bytes: &[u8]) -> u64 {
    let mut all = [0; 8];
    all[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(all)
}

/// Rows and body of a piece that is what it is taken for.
fn open(first_id: u64, place: u8, bytes: &[u8]) -> Result<(usize, &[u8]), Damaged> {
    let (head, body) = bytes.split_at_checked(HEADER_BYTES).ok_or(Damaged)?;
    if head[..2] != [VERSION, place] || head[4..] != check(first_id, &head[..4], body) {
        return Err(Damaged);
    }
    Ok((usize::from(u16::from_le_bytes([head[2], head[3]])), body))
}

fn take<const N: usize>(body: &mut &[u8]) -> Result<[u8; N], Damaged> {
    let (array, rest) = body.split_first_chunk::<N>().ok_or(Damaged)?;
    *body = rest;
    Ok(*array)
}
