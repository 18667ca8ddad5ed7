//! Triggers on `heliosdb.audit_log`. That table is made of nothing stored, so its triggers are objects of their own.

use serde::{Deserialize, Serialize};

/// A trigger that fires after a row was added to the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditTrigger {
    pub oid: u32,
    /// Unique among these triggers.
    pub name: String,
    /// The role whose rights it has.
    pub owner: u32,
    /// The schemas in which its names are looked up: those of its creation.
    pub search_path: Vec<String>,
    /// SQL text of WHEN, without the parentheses around it.
    #[serde(default)]
    pub condition: Option<String>,
    pub action: AuditAction,
    pub enabled: bool,
    /// The first row of the log that may fire it.
    pub since: u64,
    #[serde(default)]
    pub comment: Option<String>,
}

/// What it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditAction {
    /// BEGIN ... END: the texts of its SELECT statements, without their semicolons.
    Body(Vec<String>),
    /// EXECUTE FUNCTION: the function's OID and TG_ARGV.
    Function { oid: u32, args: Vec<String> },
}

impl AuditTrigger {
    /// `pg_trigger.tgtype`: FOR EACH ROW, AFTER, INSERT.
    pub const TYPE_BITS: i16 = 1 + 4;

    /// The OID of the function that it executes.
    pub fn function(&self) -> Option<u32> {
        match &self.action {
            AuditAction::Body(_) => None,
            AuditAction::Function { oid, .. } => Some(*oid),
        }
    }

    pub fn args(&self) -> &[String] {
        match &self.action {
            AuditAction::Body(_) => &[],
            AuditAction::Function { args, .. } => args,
        }
    }
}
