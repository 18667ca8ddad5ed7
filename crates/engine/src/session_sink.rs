//! The audit log as one session writes to it: who logged in is told wherever rows are in another's name.

use std::sync::Arc;

use audit::{AuditError, Event, Receipt, Sink};

use crate::audit_log::AuditLog;

pub struct SessionSink {
    pub log: Arc<AuditLog>,
    /// Who logged in.
    pub login: Arc<str>,
}

impl Sink for SessionSink {
    fn record(&self, mut event: Event) -> Result<Receipt, AuditError> {
        tell_login(&mut event, &self.login);
        self.log.record(event)
    }

    fn wait(&self, receipt: Receipt) -> Result<(), AuditError> {
        self.log.wait(receipt)
    }
}

/// Adds who logged in to a row's details, where its `user_name` is somebody else: after SET ROLE and SET SESSION AUTHORIZATION, and in what a
/// SECURITY DEFINER function calls.
pub fn tell_login(event: &mut Event, login: &str) {
    if login.is_empty() || event.user_name.as_deref().is_none_or(|user| user == login) {
        return;
    }
    let details = event.details.get_or_insert_with(|| serde_json::json!({}));
    if let serde_json::Value::Object(fields) = details {
        fields.insert("session_user".to_string(), login.into());
    }
}
