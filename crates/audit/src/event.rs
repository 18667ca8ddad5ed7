//! One thing that happened, before it has a place in the log.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use types::SqlState;

use crate::EventType;

/// Everything that `heliosdb.audit_log` shows of an event except its place in the chain: see [`crate::Row`] for
/// `id`, `prev_hash` and `hash`.
///
/// No parameter values, row contents or secrets go in here, in any column: the log is read by people who may not read
/// the tables. The texts are clipped when they are stored, since a guest chooses some of them: the names of what it asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Microseconds since 1970.
    pub timestamp: i64,
    pub event_type: EventType,
    pub function_name: Option<Arc<str>>,
    pub user_name: Option<Arc<str>>,
    pub session_id: Option<i64>,
    pub call_id: Option<i64>,
    pub parent_call_id: Option<i64>,
    /// Of a check the kind that was asked for (`DATABASE_READ`); of a grant or a revoke the capability as SQL text.
    pub capability: Option<Cow<'static, str>>,
    /// What it was about: `public.users`, `/srv/in/a.csv`, `api.example.com:443`, a policy's name.
    pub resource: Option<String>,
    /// None where nothing was checked.
    pub allowed: Option<bool>,
    pub error: Option<String>,
    pub sqlstate: Option<SqlState>,
    pub duration_us: Option<i64>,
    /// Instructions.
    pub fuel_used: Option<i64>,
    pub memory_bytes: Option<i64>,
    pub details: Option<serde_json::Value>,
}

/// The capability that functions need for DDL.
pub const DDL: &str = "DATABASE_EXECUTE";

impl Event {
    /// An event of this type, now, with every other column NULL.
    pub fn new(event_type: EventType) -> Event {
        Event::at(now_micros(), event_type)
    }

    /// An event of this type at this time (microseconds since 1970), with every other column NULL.
    pub fn at(timestamp: i64, event_type: EventType) -> Event {
        Event {
            timestamp,
            event_type,
            function_name: None,
            user_name: None,
            session_id: None,
            call_id: None,
            parent_call_id: None,
            capability: None,
            resource: None,
            allowed: None,
            error: None,
            sqlstate: None,
            duration_us: None,
            fuel_used: None,
            memory_bytes: None,
            details: None,
        }
    }

    /// Whether `audit_logging: false` silences it, and whether `audit_durability = interval` may lose it in a crash. Denials,
    /// violations, limits, failures, DDL, logins and everything that changes rights are never routine.
    pub fn is_routine(&self) -> bool {
        match self.event_type {
            EventType::ExecutionStarted | EventType::ExecutionCompleted => true,
            // DDL and TRUNCATE, which carry the capability that they take.
            EventType::CapabilityCheck | EventType::DatabaseOperation if self.capability.as_deref() == Some(DDL) => false,
            EventType::CapabilityCheck
            | EventType::DatabaseOperation
            | EventType::FileOperation
            | EventType::NetworkOperation
            | EventType::SyscallAttempt => self.allowed != Some(false),
            EventType::ExecutionFailed
            | EventType::ResourceLimitExceeded
            | EventType::FunctionCreated
            | EventType::FunctionAltered
            | EventType::FunctionDropped
            | EventType::FunctionDisabled
            | EventType::FunctionEnabled
            | EventType::CapabilityGranted
            | EventType::CapabilityRevoked
            | EventType::PolicyCreated
            | EventType::PolicyAltered
            | EventType::PolicyDropped
            | EventType::PolicyApplied
            | EventType::LoginSucceeded
            | EventType::LoginFailed
            | EventType::AlertRaised
            | EventType::TriggerCreated
            | EventType::TriggerAltered
            | EventType::TriggerDropped
            | EventType::AuditLogTrimmed => false,
        }
    }
}

/// The clock of the log: microseconds since 1970. A clock outside the range of a timestamp reads as its nearest end.
pub fn now_micros() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros),
    }
}
