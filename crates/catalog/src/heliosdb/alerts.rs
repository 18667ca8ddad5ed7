//! `heliosdb.alerts`: its columns. The rows are the engine's.

use types::Type;

use crate::SystemTable;
use crate::row::*;

pub const OID: u32 = 9120;

pub const TABLE: SystemTable = SystemTable {
    oid: OID,
    schema: "heliosdb",
    name: "alerts",
    columns: &[
        ("id", Type::Int8),
        ("timestamp", Type::Timestamptz),
        ("category", Type::Text),
        ("message", Type::Text),
        ("user_name", Type::Text),
        ("function_name", Type::Text),
        ("trigger_name", Type::Text),
        ("audit_id", Type::Int8),
    ],
    rows: none,
    finders: &[],
};
