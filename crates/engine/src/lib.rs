//! Sessions: parse, plan, authorize, execute; transactions, tables and calls of users' functions.
//!
//! The life of a statement: its text becomes statements ([`parse`]), a statement becomes a typed plan
//! ([`bind`]) in which every name, type and coercion is decided; a plan that names a row by its primary
//! key takes the point path ([`point`]); [`authorize`] checks what the role may do; queries run in the
//! `query` crate over tables that [`context`] gives it, writes run in [`write`], everything else in
//! [`statement`]. A function that the statement calls runs in its sandbox through [`call`], and comes
//! back for its own SQL through the gate. Nothing here is asynchronous: a session works on its own thread.

mod activity;
mod alerts;
mod audit_archive;
mod audit_blocks;
mod audit_durability;
mod audit_log;
mod audit_retention;
mod audit_scan;
mod authorize;
mod bind;
mod call;
mod cancel;
mod catalog_lock;
mod context;
mod database;
mod forget;
mod function_stats;
mod functions_cache;
mod identity;
mod notify;
mod observed;
mod parse;
mod plan;
mod point;
mod prepared;
mod row;
mod running_calls;
mod search_path;
mod session;
mod session_sink;
mod settings;
mod settings_taken;
mod stack;
mod statement;
mod suggest;
mod system;
mod table;
mod talk;
mod text_io;
mod transaction;
mod trigger;
mod unfinished;
mod violations;
mod working_catalog;
mod write;

pub use alerts::{Alert, AlertHook};
pub use audit_archive::AuditArchive;
pub use audit_durability::AuditDurability;
pub use cancel::Cancel;
pub use catalog::Encryption;
pub use database::{DEFAULT_MIN_FREE_DISK, Database, FunctionOptions, Options, Progress, RoleLogin, StorageOptions};
pub use notify::Notification;
pub use parse::ParsedStatement;
pub use plan::ColumnDesc;
pub use query::{Row, RowIter};
pub use sandbox::TrustedRoots;
pub use session::{ConnectOptions, Outcome, Prepared, RowTag, Session, TransactionStatus};
pub use storage::StoreKind;
pub use text_io::TextIo;
