//! Where a table's rows and unique keys are stored.
//!
//! Every key begins with one byte for what it holds ([`Space`]). A row of a table with a primary key
//! stands under the table's OID and the encoded key; of a table without one, under a number handed
//! out when it was inserted. A unique constraint has entries of its own that lead to the row's key.

use std::ops::Bound;

use catalog::{ConstraintKind, Table};
use types::{Datum, Result, Type};

/// What a stored key holds: its first byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Space {
    /// Then an alert's id (i64, big-endian); the value is its row of `heliosdb.alerts`.
    Alert = b'a',
    /// One key: the newest row of the audit log whose triggers have run (u64, big-endian).
    AlertPlace = b'b',
    /// Then a catalog record's own key.
    Catalog = b'c',
    /// Then an index OID (u32, big-endian) and the encoded columns; the value is the row's key.
    Unique = b'i',
    /// One key: where the audit log begins, once rows have been removed from it ([`crate::audit_retention`]).
    AuditAnchor = b'k',
    /// Then a column's place and a block's number (u64, big-endian); the value is a piece of a block ([`audit::block`]).
    AuditColumns = b'l',
    /// One key: how often the data folder has been opened (i64, big-endian).
    Starts = b'n',
    /// Then a function's OID and a key of its own in UTF-8; the value is a JSON text.
    Storage = b's',
    /// Then a table's OID and the encoded primary key or the row's number.
    Row = b't',
    /// Then a function's OID (u32, big-endian); the value is the number of its refused system calls (u32, big-endian).
    Violations = b'v',
}

/// Whether keys of this kind are as many, and their values as long, as users like: rows, their keys, functions'
/// values. What is left under others is rights, names and records of what happened.
pub fn grows(key: &[u8]) -> bool {
    [Space::Row, Space::Unique, Space::Storage]
        .iter()
        .any(|space| key.first() == Some(&(*space as u8)))
}

/// A set of columns whose values occur once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UniqueKey {
    pub name: String,
    pub columns: Vec<usize>,
    /// None: the primary key, which is the row's own key.
    pub index: Option<u32>,
    pub nulls_not_distinct: bool,
}

pub fn unique_keys(table: &Table) -> impl Iterator<Item = UniqueKey> {
    let primary = table.primary_key.iter().map(|key| UniqueKey {
        name: key.name.clone(),
        columns: key.columns.clone(),
        index: None,
        nulls_not_distinct: false,
    });
    let unique = table.constraints.iter().filter_map(|constraint| match &constraint.kind {
        ConstraintKind::Unique {
            index_oid,
            nulls_not_distinct,
        } => Some(UniqueKey {
            name: constraint.name.clone(),
            columns: constraint.columns.clone(),
            index: Some(*index_oid),
            nulls_not_distinct: *nulls_not_distinct,
        }),
        ConstraintKind::Check { .. } | ConstraintKind::ForeignKey { .. } => None,
    });
    primary.chain(unique)
}

pub fn prefix(space: Space, oid: u32) -> Vec<u8> {
    let mut key = Vec::with_capacity(32);
    key.push(space as u8);
    key.extend_from_slice(&oid.to_be_bytes());
    key
}

/// From a key to a key, as storage scans take it.
pub type KeyRange = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// Every key under a prefix.
pub fn range_of(prefix: &[u8]) -> KeyRange {
    let mut end = prefix.to_vec();
    while let Some(last) = end.last_mut() {
        if *last < u8::MAX {
            *last += 1;
            return (Bound::Included(prefix.to_vec()), Bound::Excluded(end));
        }
        end.pop();
    }
    (Bound::Included(prefix.to_vec()), Bound::Unbounded)
}

/// The key of the row with this primary key; `values` are in key order.
pub fn row_key(table: &Table, values: &[Datum]) -> Result<Vec<u8>> {
    let mut key = prefix(Space::Row, table.oid);
    if let Some(primary) = &table.primary_key {
        for (value, index) in values.iter().zip(&primary.columns) {
            encode(value, table.columns[*index].ty, &mut key)?;
        }
    }
    Ok(key)
}

/// The key of a row of a table without a primary key.
pub fn numbered_row_key(table: &Table, number: u64) -> Vec<u8> {
    let mut key = prefix(Space::Row, table.oid);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// The entry of a row in a unique key other than the primary; None where a NULL makes it unlike all others.
pub fn unique_entry(table: &Table, key: &UniqueKey, row: &[Datum]) -> Result<Option<Vec<u8>>> {
    let Some(index) = key.index else { return Ok(None) };
    let mut entry = prefix(Space::Unique, index);
    for column in &key.columns {
        if row[*column].is_null() && !key.nulls_not_distinct {
            return Ok(None);
        }
        encode(&row[*column], table.columns[*column].ty, &mut entry)?;
    }
    Ok(Some(entry))
}

/// Trailing blanks of char(n) mean nothing: they are left out of keys.
pub fn encode(value: &Datum, ty: Type, out: &mut Vec<u8>) -> Result<()> {
    match (ty, value) {
        (Type::Bpchar, Datum::Text(text)) => storage::key::encode(&Datum::text(text.trim_end_matches(' ')), ty, out)?,
        _ => storage::key::encode(value, ty, out)?,
    }
    Ok(())
}
