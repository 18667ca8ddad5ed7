//! When the audit rows of a statement's functions have to be on disk.
//!
//! Rows join the store's queue when they are recorded, in the log's order. Whoever waits for one, and every transaction
//! that commits later, takes the whole queue along in one batch (`storage`, group commit); what nobody waits for is
//! written by the store's flusher 10 ms later. This setting says only who waits. So a committed change is never on disk
//! without the rows of the functions that made it, whatever the setting.

/// The setting `audit_durability`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuditDurability {
    /// A statement is reported as done when every row of its functions is durable.
    #[default]
    Statement,
    /// It waits only for rows that are not routine (denials, violations, limits, failures); the others follow within
    /// [`storage::FLUSH_DELAY`] and the time of a write.
    Interval,
}

impl AuditDurability {
    pub const NAMES: &'static [&'static str] = &["statement", "interval"];

    pub fn from_name(name: &str) -> Option<AuditDurability> {
        match name {
            "statement" => Some(AuditDurability::Statement),
            "interval" => Some(AuditDurability::Interval),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            AuditDurability::Statement => "statement",
            AuditDurability::Interval => "interval",
        }
    }
}
