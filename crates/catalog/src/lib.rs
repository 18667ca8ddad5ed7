//! Descriptors of schemas, tables, functions, roles and policies, and the system tables made from them.
//!
//! The life of a table: the engine makes a [`Table`] from CREATE TABLE, wraps it in a [`Change`], and writes the change's
//! record in the transaction's batch. When that commits, [`Snapshot::apply`] makes the next catalog from the last one, which
//! sessions that still read it keep. A statement looks the table up in its snapshot by name or OID; a client sees it in
//! `pg_class` and in what [`call()`] answers, both made from the same descriptor when somebody asks. DROP TABLE is a change too.
//!
//! Nothing here does I/O, parses SQL or decides what a function may do; expressions and bodies are text.

mod audit_trigger;
mod builtin;
mod call;
mod change;
mod describe;
mod error;
mod function;
mod grant;
pub mod heliosdb;
pub mod information_schema;
mod name;
pub mod pg_catalog;
mod privilege;
mod role;
mod row;
mod snapshot;
mod stored_type;
mod system;
mod table;
mod trigger;

pub use audit_trigger::{AuditAction, AuditTrigger};
pub use builtin::{AUDITOR_OID, DATABASE_OID, HELIOSDB_OID, INFORMATION_SCHEMA_OID, PG_CATALOG_OID, PUBLIC_SCHEMA_OID, SUPERUSER_OID};
pub use call::{call, call_names};
pub use change::Change;
pub use error::Error;
pub use function::{Aggregate, Argument, Function, Language, Returns, Volatility, print_path};
pub use grant::{ActsAs, Grant, GrantError};
pub use privilege::{Acl, AclItem, AclKind, PUBLIC, Privilege};
pub use role::{DatabaseRecord, Role, Schema, SecurityPolicy};
pub use snapshot::{FIRST_USER_OID, Relation, Snapshot};
pub use system::{
    BuiltinFunction, Encryption, Finder, FunctionStats, Live, Offline, PreparedStatement, Row, SessionInfo, Setting, SystemContext,
    SystemRelations, SystemTable, system_relations, system_tables,
};
pub use table::{
    Column, Constraint, ConstraintKind, ForeignKeyAction, Generated, Index, IndexKey, IndexTarget, Key, Sequence, Table, TableKind,
};
pub use trigger::{Trigger, TriggerEvent, TriggerLevel, TriggerTiming};
