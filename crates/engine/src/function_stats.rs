//! What each function has used since the server started: the rows of `heliosdb.function_stats`.

use std::collections::HashMap;
use std::time::Duration;

use catalog::FunctionStats;
use parking_lot::Mutex;
use sandbox::Usage;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Completed,
    Failed,
    LimitHit,
}

/// By the function's OID. A dropped function's numbers stay, and no other function gets its OID.
#[derive(Default)]
pub struct Statistics {
    functions: Mutex<HashMap<u32, FunctionStats>>,
}

impl Statistics {
    pub fn add(&self, function: u32, end: End, duration: Duration, usage: &Usage) {
        let duration = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let mut functions = self.functions.lock();
        let stats = functions.entry(function).or_default();
        stats.calls = stats.calls.saturating_add(1);
        match end {
            End::Completed => {}
            End::Failed => stats.failures = stats.failures.saturating_add(1),
            End::LimitHit => {
                stats.failures = stats.failures.saturating_add(1);
                stats.limits_hit = stats.limits_hit.saturating_add(1);
            }
        }
        stats.total_duration_us = stats.total_duration_us.saturating_add(duration);
        stats.max_duration_us = stats.max_duration_us.max(duration);
        stats.total_fuel = stats.total_fuel.saturating_add(usage.fuel);
        stats.max_memory_bytes = stats.max_memory_bytes.max(usage.memory_bytes);
        stats.last_call = Some(audit::now_micros());
    }

    pub fn of(&self, function: u32) -> FunctionStats {
        self.functions.lock().get(&function).copied().unwrap_or_default()
    }
}
