//! `heliosdb.audit_log`: its columns. The rows are the audit crate's, read by the engine, which knows the table by its OID.

use types::Type;

use crate::SystemTable;
use crate::row::*;

pub const OID: u32 = 9104;

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
