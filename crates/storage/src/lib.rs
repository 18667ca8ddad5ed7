//! An ordered, transactional, multi-version key/value store over an embedded engine, the
//! order-preserving encoding of SQL values as keys, and append-only logs.
//!
//! The life of a row version: [`Transaction::put`] buffers it in memory, invisible to everybody
//! else. [`Transaction::commit`] hands the buffer to the committer, which first saves the values
//! that are about to be replaced in the history (older snapshots go on reading them there), then
//! writes the new ones to the store as one atomic batch and syncs it, together with whatever else
//! waits to be made durable. Only then do new snapshots see it. When a later commit replaces it, it
//! moves into the history, and it dies there with the last snapshot that could still see it. The
//! store itself never holds more than the newest committed value of each key, so nothing has to be
//! vacuumed and nothing of the history survives a restart.
//!
//! What is absent: this crate knows no SQL statements, no tables and no rights. Nothing outside it
//! knows which embedded engine stores the bytes.

mod bytes;
mod commit;
mod db;
mod error;
mod folder;
mod history;
pub mod key;
mod lock;
mod log;
mod reads;
mod room;
mod scan;
mod snapshot;
mod store;
mod transaction;
mod writes;

pub use bytes::Bytes;
pub use db::{Db, FLUSH_DELAY, Stats};
pub use error::Error;
pub use lock::{LockMode, WaitControl};
pub use log::{AppendLog, LogRead, Ticket};
pub use scan::{Direction, Scan};
pub use store::StoreKind;
pub use transaction::{Isolation, Savepoint, Transaction};

/// The longest key. Both engines could hold a little more; a key this long is a mistake anyway
/// (PostgreSQL stops at 2,704 bytes).
pub const MAX_KEY_BYTES: usize = 32 * 1024;

/// The longest value: PostgreSQL's limit for a field.
pub const MAX_VALUE_BYTES: usize = 1 << 30;

/// The most that one transaction may buffer, because it is held in memory until it commits.
pub const MAX_TRANSACTION_BYTES: usize = 1 << 30;
