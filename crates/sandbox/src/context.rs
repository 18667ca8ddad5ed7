//! What the engine hands to a call: its limits, its rights, its way back into SQL.

use std::sync::Arc;
use std::time::{Duration, Instant};

use policy::{Gate, Limits};
use types::{Datum, Severity, SqlError, Type};

/// Everything one statement's use of one function may touch.
pub struct CallContext {
    pub limits: Limits,
    /// What the function may ask of the host itself. The backend holds it too, for what statements may touch.
    pub gate: Arc<Gate>,
    pub backend: Arc<dyn Backend>,
    pub cancel: Arc<dyn Cancel>,
    /// From when wall time counts.
    pub started: Instant,
    /// Microseconds since 1970: what the clock shows to a function without TIME_ACCESS.
    pub transaction_timestamp: i64,
}

/// The way from a function back into SQL; the engine implements it. Each method checks the gate
/// for every table of the statement it was given.
pub trait Backend: Send + Sync {
    fn query(&self, sql: &str, params: Vec<Datum>) -> Result<QueryResult, SqlError>;
    fn execute(&self, sql: &str, params: Vec<Datum>) -> Result<ExecuteResult, SqlError>;
    fn log(&self, level: Severity, message: &str);
}

#[derive(Clone, Debug)]
pub struct QueryResult {
    pub columns: Vec<(String, Type)>,
    pub rows: Vec<Vec<Datum>>,
}

#[derive(Clone, Debug)]
pub struct ExecuteResult {
    pub rows_affected: u64,
    /// What RETURNING returned.
    pub rows: Option<QueryResult>,
}

/// Asked at every tick of the sandbox's clock while a guest runs: an error ends the guest at once.
pub trait Cancel: Send + Sync {
    fn check(&self) -> Result<(), SqlError>;
}

/// What an instance has used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Instructions, in the unit of `max_instructions`.
    pub fuel: u64,
    /// The largest size of the guest's memory.
    pub memory_bytes: u64,
    pub cpu: Duration,
    pub wall: Duration,
}
