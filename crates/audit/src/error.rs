//! What can go wrong with an event: it cannot be recorded, or stored bytes are not one.

use std::sync::Arc;

use types::{SqlError, SqlState};

/// An event was not recorded. Whoever asked for it must not go on with what it describes.
#[derive(Clone, Debug)]
pub enum AuditError {
    /// The log's storage refused.
    Storage(Arc<dyn std::error::Error + Send + Sync>),
    /// Ids are used up: they are a bigint.
    Full,
    /// The server is stopping.
    Closed,
}

impl AuditError {
    pub fn storage(error: impl std::error::Error + Send + Sync + 'static) -> AuditError {
        AuditError::Storage(Arc::new(error))
    }
}

impl std::fmt::Display for AuditError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            AuditError::Storage(error) => write!(f, "could not write to the audit log: {error}"),
            AuditError::Full => f.write_str("could not write to the audit log: its ids are used up"),
            AuditError::Closed => f.write_str("could not write to the audit log: it is closed"),
        }
    }
}

impl std::error::Error for AuditError {}

impl From<AuditError> for SqlError {
    fn from(error: AuditError) -> SqlError {
        SqlError::new(SqlState::IoError, error.to_string()).detail("An operation that cannot be audited is not carried out.")
    }
}

/// Stored bytes that are not a row of this log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes end inside the named field.
    Short(&'static str),
    /// Bytes after the last field.
    Trailing(usize),
    Version(u8),
    EventType(u8),
    /// A flag that this version does not know.
    Flags(u16),
    /// A number that is not in its one shortest form, or too big.
    Number(&'static str),
    /// Text that is not UTF-8.
    Text(&'static str),
    SqlState([u8; 5]),
    Json,
}

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DecodeError::Short(field) => write!(f, "the row ends inside {field}"),
            DecodeError::Trailing(count) => write!(f, "{count} bytes follow the row"),
            DecodeError::Version(version) => write!(f, "the row has format version {version}"),
            DecodeError::EventType(code) => write!(f, "the row has event type {code}"),
            DecodeError::Flags(flags) => write!(f, "the row has flags {flags:#06x}"),
            DecodeError::Number(field) => write!(f, "{field} is not a number in canonical form"),
            DecodeError::Text(field) => write!(f, "{field} is not UTF-8"),
            DecodeError::SqlState(code) => write!(f, "\"{}\" is not an SQLSTATE", code.escape_ascii()),
            DecodeError::Json => f.write_str("details are not JSON"),
        }
    }
}

impl std::error::Error for DecodeError {}

impl From<DecodeError> for SqlError {
    fn from(error: DecodeError) -> SqlError {
        SqlError::new(SqlState::DataCorrupted, format!("audit log is damaged: {error}"))
    }
}
