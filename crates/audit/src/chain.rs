//! The chain: each row's hash is over the row before it.

use crate::stored::{self, View};
use crate::{AuditError, DecodeError, Event};

pub type Hash = [u8; 32];

/// Gives events their ids and hashes, in order. Copy it, append to the copy, and keep the copy once the bytes are in the log's
/// queue: a row that could not be queued leaves no gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    last_id: u64,
    last_hash: Hash,
}

/// A row ready to be stored under its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    pub id: u64,
    pub hash: Hash,
    pub bytes: Vec<u8>,
}

/// A row of `heliosdb.audit_log`, all its columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub id: u64,
    pub event: Event,
    pub prev_hash: Hash,
    pub hash: Hash,
}

impl Chain {
    /// What comes before the first row.
    pub const GENESIS: Chain = Chain {
        last_id: 0,
        last_hash: [0; 32],
    };

    /// The chain whose newest row has this id and hash.
    pub fn after(last_id: u64, last_hash: Hash) -> Chain {
        Chain { last_id, last_hash }
    }

    /// The chain whose newest row is this stored one.
    pub fn after_stored(last_id: u64, bytes: &[u8]) -> Result<Chain, DecodeError> {
        Ok(Chain {
            last_id,
            last_hash: View::decode(bytes)?.hash,
        })
    }

    pub fn append(&mut self, event: &Event) -> Result<Sealed, AuditError> {
        // The column is a bigint.
        let id = self
            .last_id
            .checked_add(1)
            .filter(|&id| i64::try_from(id).is_ok())
            .ok_or(AuditError::Full)?;
        let (bytes, hash) = stored::encode(id, &self.last_hash, event);
        *self = Chain {
            last_id: id,
            last_hash: hash,
        };
        Ok(Sealed { id, hash, bytes })
    }

    pub fn last_id(&self) -> u64 {
        self.last_id
    }

    pub fn last_hash(&self) -> Hash {
        self.last_hash
    }
}

impl Row {
    pub fn decode(id: u64, bytes: &[u8]) -> Result<Row, DecodeError> {
        let view = View::decode(bytes)?;
        Ok(Row {
            id,
            event: view.to_event()?,
            prev_hash: view.prev_hash,
            hash: view.hash,
        })
    }

    /// All columns under their SQL names; the time in microseconds since 1970, the hashes in hexadecimal.
    pub fn to_json(&self) -> serde_json::Value {
        let event = &self.event;
        let hex = |hash: &Hash| hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        serde_json::json!({
            "id": self.id,
            "timestamp_us": event.timestamp,
            "event_type": event.event_type.name(),
            "function_name": event.function_name.as_deref(),
            "user_name": event.user_name.as_deref(),
            "session_id": event.session_id,
            "call_id": event.call_id,
            "parent_call_id": event.parent_call_id,
            "capability": event.capability.as_deref(),
            "resource": event.resource.as_deref(),
            "allowed": event.allowed,
            "error": event.error.as_deref(),
            "sqlstate": event.sqlstate.map(|state| state.code()),
            "duration_us": event.duration_us,
            "fuel_used": event.fuel_used,
            "memory_bytes": event.memory_bytes,
            "details": event.details,
            "prev_hash": hex(&self.prev_hash),
            "hash": hex(&self.hash),
        })
    }
}
