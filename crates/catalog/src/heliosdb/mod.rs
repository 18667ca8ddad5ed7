//! The `heliosdb` schema: functions, what they may do, the policies, and the audit log, one file each.

mod audit_log;

pub use audit_log::OID as AUDIT_LOG_OID;

use crate::SystemTable;

pub const TABLES: &[SystemTable] = &[audit_log::TABLE];
