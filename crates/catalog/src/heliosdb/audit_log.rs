//! `heliosdb.audit_log`: its columns. The rows are the audit crate's, read by the engine, which knows the table by its OID.

use types::Type;

use crate::row::*;
use crate::{SystemTable, Table, TableKind};

pub const OID: u32 = 9104;

/// The place of a column that no query can name: how many rows a scanned row stands for. A scan that is asked for it may
/// give rows that are equal in the other columns asked for as one.
pub const AUDIT_LOG_WEIGHT: usize = TABLE.columns.len();

impl Table {
    /// Whether rows may come weighted, and the place of their weight.
    pub fn weight_column(&self) -> Option<usize> {
        self.is_audit_log().then_some(AUDIT_LOG_WEIGHT)
    }

    /// The columns that rows stand in the order of, each alone: rows that are later in one are not earlier in another. None of
    /// them is ever NULL. The first is unique.
    pub fn order_columns(&self) -> &'static [usize] {
        // `id` and `timestamp`.
        if self.is_audit_log() { &[0, 1] } else { &[] }
    }

    fn is_audit_log(&self) -> bool {
        matches!(self.kind, TableKind::System(system) if system.oid == OID)
    }
}

pub const TABLE: SystemTable = SystemTable {
    oid: OID,
    schema: "heliosdb",
    name: "audit_log",
    columns: &[
        ("id", Type::Int8),
        ("timestamp", Type::Timestamptz),
        ("event_type", Type::Text),
        ("function_name", Type::Text),
        ("user_name", Type::Text),
        ("session_id", Type::Int8),
        ("call_id", Type::Int8),
        ("parent_call_id", Type::Int8),
        ("capability", Type::Text),
        ("resource", Type::Text),
        ("allowed", Type::Bool),
        ("error", Type::Text),
        ("sqlstate", Type::Text),
        ("duration_us", Type::Int8),
        ("fuel_used", Type::Int8),
        ("memory_bytes", Type::Int8),
        ("details", Type::Jsonb),
        ("prev_hash", Type::Bytea),
        ("hash", Type::Bytea),
    ],
    rows: none,
    finders: &[],
};
