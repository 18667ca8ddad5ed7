//! What can be wrong with a stored catalog.

use types::{SqlError, SqlState};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// A record under a key that no object has.
    BadKey(Vec<u8>),
    /// A record that cannot be read.
    BadRecord { kind: char, oid: u32, reason: String },
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::BadKey(key) => write!(f, "catalog record with the unknown key {key:02x?}"),
            Error::BadRecord { kind, oid, reason } => write!(f, "catalog record {kind:?} {oid} cannot be read: {reason}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for SqlError {
    fn from(error: Error) -> SqlError {
        SqlError::new(SqlState::DataCorrupted, error.to_string())
    }
}
