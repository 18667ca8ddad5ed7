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
}
