//! When the audit rows of a statement's functions have to be on disk.
//!
//! Rows join the store's queue when they are recorded, in the log's order. Whoever waits for one, and every transaction
//! that commits later, takes the whole queue along in one batch (`storage`, group commit); what nobody waits for is
//! written by the store's flusher 10 ms later. This setting says only who waits. So a committed change is never on disk
//! without the rows of the functions that made it, whatever the setting.
//!
//! Who waits does so as late as can be: what ends in a statement leaves its receipt with the session ([`Owed`]), which pays before anything
//! leaves for the client. A statement that commits has paid with its commit, and calls within a call pay together.

use std::sync::atomic::{AtomicU64, Ordering};

use audit::{Receipt, Sink};
use types::Result;

use crate::audit_log::AuditLog;

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

/// The newest row that has to be durable before the session's client hears anything more; 0 where there is none.
#[derive(Debug, Default)]
pub struct Owed(AtomicU64);

impl Owed {
    pub fn add(&self, receipt: Receipt) {
        self.0.fetch_max(receipt.id, Ordering::AcqRel);
    }

    /// Waits for it. The client has to be told of an error, and not of what cannot be recorded.
    pub fn pay(&self, log: &AuditLog) -> Result<()> {
        match self.0.swap(0, Ordering::AcqRel) {
            0 => Ok(()),
            id => Ok(log.wait(Receipt { id })?),
        }
    }
}
