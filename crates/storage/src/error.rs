//! What can go wrong in the store, and what a client is told about it.

use std::path::PathBuf;

use types::{SqlError, SqlState};

use crate::StoreKind;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// A file operation failed.
    Io {
        doing: String,
        cause: String,
    },
    /// The embedded engine refused or failed.
    Store(String),
    /// Stored bytes are not what was written.
    Corrupt(String),
    /// A commit could not be made durable, so what is on disk is unknown: nothing is written any
    /// more until the folder is opened again, which reads what really arrived.
    Failed(String),
    /// Too little room is left on the disk for what the transaction adds; nothing was written.
    DiskFull,
    /// Another process has the folder open.
    InUse(PathBuf),
    /// The folder was made with another store.
    OtherStore {
        folder: PathBuf,
        recorded: StoreKind,
        asked: StoreKind,
    },
    /// The folder is of another program or of a later version.
    UnknownFormat {
        folder: PathBuf,
        found: String,
    },
    /// The transaction has read or would overwrite something that was changed after its snapshot.
    Serialization,
    /// Waiting for the lock would close a circle of waiting transactions.
    Deadlock {
        detail: String,
    },
    /// The caller's [`crate::WaitControl`] ended the wait: cancel, timeout or shutdown.
    Interrupted(SqlError),
    /// The transaction was committed or rolled back before.
    TransactionEnded,
    /// A savepoint of another transaction, or one that was released.
    NoSuchSavepoint,
    KeyTooLong {
        bytes: usize,
    },
    ValueTooLong {
        bytes: usize,
    },
    TransactionTooLarge {
        bytes: usize,
    },
    /// The value cannot be part of a key.
    NotAKey(String),
}

impl Error {
    pub(crate) fn io(doing: impl Into<String>, cause: &std::io::Error) -> Error {
        Error::Io {
            doing: doing.into(),
            cause: cause.to_string(),
        }
    }

    pub(crate) fn corrupt(what: impl Into<String>) -> Error {
        Error::Corrupt(what.into())
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Io { doing, cause } => write!(f, "could not {doing}: {cause}"),
            Error::Store(what) => write!(f, "the store failed: {what}"),
            Error::Corrupt(what) => write!(f, "stored data is corrupt: {what}"),
            Error::Failed(what) => write!(f, "the store takes no more writes after a failed commit: {what}"),
            Error::DiskFull => f.write_str("could not extend the store: No space left on device"),
            Error::InUse(folder) => write!(f, "data folder {} is in use by another process", folder.display()),
            Error::OtherStore { folder, recorded, asked } => {
                write!(
                    f,
                    "data folder {} was created with store \"{recorded}\", not \"{asked}\"",
                    folder.display()
                )
            }
            Error::UnknownFormat { folder, found } => {
                write!(f, "data folder {} has an unknown format: {found}", folder.display())
            }
            Error::Serialization => f.write_str("could not serialize access due to concurrent update"),
            Error::Deadlock { .. } => f.write_str("deadlock detected"),
            Error::Interrupted(error) => f.write_str(error.message()),
            Error::TransactionEnded => f.write_str("the transaction has ended"),
            Error::NoSuchSavepoint => f.write_str("no such savepoint"),
            Error::KeyTooLong { bytes } => write!(f, "key of {bytes} bytes exceeds the maximum of {} bytes", crate::MAX_KEY_BYTES),
            Error::ValueTooLong { bytes } => write!(f, "row of {bytes} bytes exceeds the maximum of {} bytes", crate::MAX_VALUE_BYTES),
            Error::TransactionTooLarge { bytes } => {
                write!(
                    f,
                    "transaction would write {bytes} bytes, which exceeds the maximum of {} bytes",
                    crate::MAX_TRANSACTION_BYTES
                )
            }
            Error::NotAKey(what) => write!(f, "{what} cannot be part of a key"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for SqlError {
    fn from(error: Error) -> SqlError {
        let message = error.to_string();
        match error {
            Error::Io { .. } | Error::Store(_) | Error::Failed(_) => SqlError::new(SqlState::IoError, message),
            Error::Corrupt(_) => SqlError::new(SqlState::DataCorrupted, message),
            Error::DiskFull => SqlError::new(SqlState::DiskFull, message)
                .detail("What is left is kept for the audit log and for deletions (--min-free-disk).")
                .hint("Check free disk space."),
            Error::InUse(_) => {
                SqlError::new(SqlState::LockFileExists, message).hint("Another Parhelion server may be running on this data folder.")
            }
            Error::OtherStore { recorded, .. } => {
                SqlError::new(SqlState::ObjectNotInPrerequisiteState, message).hint(format!("Start with --store {recorded}."))
            }
            Error::UnknownFormat { .. } => SqlError::new(SqlState::ObjectNotInPrerequisiteState, message),
            Error::Serialization => SqlError::new(SqlState::TRSerializationFailure, message),
            Error::Deadlock { detail } => SqlError::new(SqlState::TRDeadlockDetected, message).detail(detail),
            Error::Interrupted(error) => error,
            Error::TransactionEnded | Error::NoSuchSavepoint => SqlError::internal(message),
            Error::KeyTooLong { .. } | Error::ValueTooLong { .. } => SqlError::new(SqlState::ProgramLimitExceeded, message),
            Error::TransactionTooLarge { .. } => SqlError::new(SqlState::OutOfMemory, message).hint("Commit more often."),
            Error::NotAKey(_) => SqlError::new(SqlState::FeatureNotSupported, message),
        }
    }
}
