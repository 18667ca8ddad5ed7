//! A change of the catalog and the record that it leaves in storage.
//!
//! A record's key is one byte for the kind of object and the object's OID, big-endian. Its value is JSON: `{"format":1,"object":{...}}`.
//! Fields are only ever added, each with a default, so that every format 1 record stays readable.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{AuditTrigger, DatabaseRecord, Error, Function, Role, Schema, SecurityPolicy, Table};

#[derive(Clone, Debug)]
pub enum Change {
    PutSchema(Schema),
    DropSchema(u32),
    PutTable(Table),
    DropTable(u32),
    PutFunction(Function),
    DropFunction(u32),
    PutRole(Role),
    DropRole(u32),
    PutPolicy(SecurityPolicy),
    DropPolicy(u32),
    PutAuditTrigger(AuditTrigger),
    DropAuditTrigger(u32),
    PutDatabase(DatabaseRecord),
    /// All OIDs below this one count as used. Without it the OID of a dropped object could come back after a restart,
    /// and with it the object's leftover rows or cached code.
    OidMark(u32),
}

/// The first byte of a record's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    OidMark = b'o',
    Schema = b's',
    Table = b't',
    Function = b'f',
    Role = b'r',
    Policy = b'p',
    AuditTrigger = b'a',
    Database = b'd',
}

const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Written<'a, T> {
    format: u32,
    object: &'a T,
}

#[derive(Deserialize)]
struct Read<T> {
    format: u32,
    object: T,
}

impl Change {
    /// The key and the value that storage has after the change; None: the key is deleted.
    pub fn record(&self) -> (Vec<u8>, Option<Vec<u8>>) {
        match self {
            Change::PutSchema(schema) => (key(Kind::Schema, schema.oid), Some(value(schema))),
            Change::DropSchema(oid) => (key(Kind::Schema, *oid), None),
            Change::PutTable(table) => (key(Kind::Table, table.oid), Some(value(table))),
            Change::DropTable(oid) => (key(Kind::Table, *oid), None),
            Change::PutFunction(function) => (key(Kind::Function, function.oid), Some(value(function))),
            Change::DropFunction(oid) => (key(Kind::Function, *oid), None),
            Change::PutRole(role) => (key(Kind::Role, role.oid), Some(value(role))),
            Change::DropRole(oid) => (key(Kind::Role, *oid), None),
            Change::PutPolicy(policy) => (key(Kind::Policy, policy.oid), Some(value(policy))),
            Change::DropPolicy(oid) => (key(Kind::Policy, *oid), None),
            Change::PutAuditTrigger(trigger) => (key(Kind::AuditTrigger, trigger.oid), Some(value(trigger))),
            Change::DropAuditTrigger(oid) => (key(Kind::AuditTrigger, *oid), None),
            Change::PutDatabase(database) => (key(Kind::Database, database.oid), Some(value(database))),
            Change::OidMark(mark) => (key(Kind::OidMark, 0), Some(value(mark))),
        }
    }

    /// The change that a stored record stands for.
    pub fn from_record(record_key: &[u8], record_value: &[u8]) -> Result<Change, Error> {
        let (kind, oid) = parse_key(record_key).ok_or_else(|| Error::BadKey(record_key.to_vec()))?;
        let change = match kind {
            Kind::OidMark => Change::OidMark(read(record_key, record_value)?),
            Kind::Schema => Change::PutSchema(read(record_key, record_value)?),
            Kind::Table => Change::PutTable(read(record_key, record_value)?),
            Kind::Function => Change::PutFunction(read(record_key, record_value)?),
            Kind::Role => Change::PutRole(read(record_key, record_value)?),
            Kind::Policy => Change::PutPolicy(read(record_key, record_value)?),
            Kind::AuditTrigger => Change::PutAuditTrigger(read(record_key, record_value)?),
            Kind::Database => Change::PutDatabase(read(record_key, record_value)?),
        };
        match change.record().0 == record_key {
            true => Ok(change),
            false => Err(Error::BadRecord {
                kind: kind as u8 as char,
                oid,
                reason: "the object inside has another OID".to_string(),
            }),
        }
    }
}

fn key(kind: Kind, oid: u32) -> Vec<u8> {
    let mut key = vec![kind as u8];
    key.extend_from_slice(&oid.to_be_bytes());
    key
}

fn parse_key(key: &[u8]) -> Option<(Kind, u32)> {
    let (first, rest) = key.split_first()?;
    let kinds = [
        Kind::OidMark,
        Kind::Schema,
        Kind::Table,
        Kind::Function,
        Kind::Role,
        Kind::Policy,
        Kind::AuditTrigger,
        Kind::Database,
    ];
    let kind = kinds.into_iter().find(|kind| *kind as u8 == *first)?;
    Some((kind, u32::from_be_bytes(rest.try_into().ok()?)))
}

fn value<T: Serialize>(object: &T) -> Vec<u8> {
    serde_json::to_vec(&Written { format: FORMAT, object }).expect("descriptors are plain data, and system tables are never put")
}

fn read<T: DeserializeOwned>(record_key: &[u8], record_value: &[u8]) -> Result<T, Error> {
    let bad = |reason: String| {
        let (kind, oid) = parse_key(record_key).map_or(('?', 0), |(kind, oid)| (kind as u8 as char, oid));
        Error::BadRecord { kind, oid, reason }
    };
    // The format first: what a newer one holds is not ours to guess.
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let format: Format = serde_json::from_slice(record_value).map_err(|error| bad(error.to_string()))?;
    if format.format != FORMAT {
        return Err(bad(format!("format {} was written by a newer version", format.format)));
    }
    let read: Read<T> = serde_json::from_slice(record_value).map_err(|error| bad(error.to_string()))?;
    debug_assert_eq!(read.format, FORMAT);
    Ok(read.object)
}
