//! What a call may still use, itself and through the calls that it makes.
//!
//! The life of a budget: it begins with the call's limits. Each time the guest is entered it is handed an
//! [`Allowance`]: what is left of its own limits, or of what its caller has left, whichever is less. Before a host
//! call the guest's remaining allowance is laid down here; calls below take theirs out of it and give
//! back what they did not use; after the host call the guest goes on with the rest. So a chain of calls
//! uses no more than the first of them may.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use policy::Limits;
use types::SqlError;

use crate::error::Limit;
use crate::meter::FUEL_PER_INSTRUCTION;

pub struct Budget {
    /// Whose it is: what errors name.
    function: String,
    limits: Limits,
    started: Instant,
    /// The end of its own wall time or of a caller's, whichever is first.
    deadline: Instant,
    parent: Option<Arc<Budget>>,
    /// What is left of its own limits: fuel in wasmtime's unit, CPU time in nanoseconds.
    fuel: AtomicU64,
    cpu: AtomicU64,
    laid_down: Mutex<LaidDown>,
    /// Why a call below ended at once, if one did: then so does this one, whatever its guest catches.
    ended: Mutex<Option<SqlError>>,
    /// The limit of audit rows, once it has been reached: the gate counts them, and knows the limit as it is then.
    rows_spent: OnceLock<u64>,
}

/// What a guest may use until it is left again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    pub fuel: u64,
    pub cpu: Duration,
}

/// What calls below may take while the guest waits in a host call.
#[derive(Default)]
struct LaidDown {
    left: Allowance,
    /// The thread on which the guest waits.
    thread: Option<ThreadId>,
    /// CPU time that calls below have taken of it on other threads: that thread's clock does not show it.
    elsewhere: Duration,
}

impl Budget {
    /// For a call of `function` that starts now, within what the caller's has left.
    pub fn new(function: String, limits: Limits, parent: Option<Arc<Budget>>) -> Arc<Budget> {
        let started = Instant::now();
        let own = started + Duration::from_millis(limits.wall_time_ms);
        Arc::new(Budget {
            function,
            limits,
            started,
            deadline: parent.as_ref().map_or(own, |parent| own.min(parent.deadline)),
            parent,
            fuel: AtomicU64::new(limits.instructions.saturating_mul(FUEL_PER_INSTRUCTION)),
            cpu: AtomicU64::new(limits.cpu_time_ms.saturating_mul(1_000_000)),
            laid_down: Mutex::default(),
            ended: Mutex::default(),
            rows_spent: OnceLock::new(),
        })
    }

    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// When its wall time is over.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(crate) fn wall(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn fuel_used(&self) -> u64 {
        self.limits
            .instructions
            .saturating_mul(FUEL_PER_INSTRUCTION)
            .saturating_sub(self.fuel.load(Ordering::Relaxed))
    }

    pub(crate) fn cpu_used(&self) -> Duration {
        Duration::from_millis(self.limits.cpu_time_ms).saturating_sub(self.own_left().cpu)
    }

    /// What the guest may use now that it is entered.
    pub(crate) fn allowance(&self) -> Allowance {
        let own = self.own_left();
        match &self.parent {
            None => own,
            Some(parent) => {
                let callers = parent.laid_down.lock().left;
                Allowance {
                    fuel: own.fuel.min(callers.fuel),
                    cpu: own.cpu.min(callers.cpu),
                }
            }
        }
    }

    /// The guest was left, on the thread on which it ran, and has used this much, calls below included; so much of the CPU time on other threads.
    pub(crate) fn used(&self, used: Allowance, elsewhere: Duration) {
        let take = |from: &AtomicU64, amount: u64| {
            let left = from.load(Ordering::Relaxed).saturating_sub(amount);
            from.store(left, Ordering::Relaxed);
        };
        take(&self.fuel, used.fuel);
        take(&self.cpu, nanos(used.cpu));
        if let Some(parent) = &self.parent {
            let mut laid_down = parent.laid_down.lock();
            laid_down.left.fuel = laid_down.left.fuel.saturating_sub(used.fuel);
            laid_down.left.cpu = laid_down.left.cpu.saturating_sub(used.cpu);
            let is_here = laid_down.thread == Some(thread::current().id());
            laid_down.elsewhere += if is_here { elsewhere } else { used.cpu };
        }
    }

    /// The guest waits in a host call and has this much left.
    pub(crate) fn lay_down(&self, left: Allowance) {
        *self.laid_down.lock() = LaidDown {
            left,
            thread: Some(thread::current().id()),
            elsewhere: Duration::ZERO,
        };
    }

    /// What calls below have left of it, and the CPU time that they have used on other threads.
    pub(crate) fn take_up(&self) -> (Allowance, Duration) {
        let laid_down = std::mem::take(&mut *self.laid_down.lock());
        (laid_down.left, laid_down.elsewhere)
    }

    /// Whose limit it is that has run out, and what it was: the call's own, or that of a call further up.
    pub(crate) fn exceeded(&self, limit: Limit) -> (String, u64) {
        let callers = self.parent.as_ref().filter(|parent| {
            let laid_down = parent.laid_down.lock().left;
            match limit {
                Limit::Instructions => laid_down.fuel <= self.own_left().fuel,
                Limit::CpuTime => laid_down.cpu <= self.own_left().cpu,
                Limit::WallTime => parent.deadline <= self.deadline,
                Limit::AuditRows => self.rows_spent.get().is_none() && parent.has_spent_rows(),
                Limit::Memory
                | Limit::Stack
                | Limit::CallDepth
                | Limit::FileHandles
                | Limit::NetworkConnections
                | Limit::ConcurrentCalls => false,
            }
        });
        match (callers, limit, self.rows_spent.get()) {
            (Some(parent), _, _) => parent.exceeded(limit),
            (None, Limit::AuditRows, Some(rows)) => (self.function.clone(), *rows),
            (None, _, _) => (self.function.clone(), limit.value(&self.limits)),
        }
    }

    /// The call has left as many rows in the audit log as this, its limit.
    pub(crate) fn spend_rows(&self, limit: u64) {
        let _ = self.rows_spent.set(limit);
    }

    fn has_spent_rows(&self) -> bool {
        self.rows_spent.get().is_some() || self.parent.as_ref().is_some_and(|parent| parent.has_spent_rows())
    }

    pub(crate) fn parent(&self) -> Option<&Arc<Budget>> {
        self.parent.as_ref()
    }

    /// A limit or a cancel request has ended the call: those above it end too.
    pub(crate) fn end_callers(&self, error: &SqlError) {
        if let Some(parent) = &self.parent {
            parent.ended.lock().get_or_insert_with(|| error.clone());
        }
    }

    pub(crate) fn ended(&self) -> Option<SqlError> {
        self.ended.lock().clone()
    }

    fn own_left(&self) -> Allowance {
        Allowance {
            fuel: self.fuel.load(Ordering::Relaxed),
            cpu: Duration::from_nanos(self.cpu.load(Ordering::Relaxed)),
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(instructions: u64, cpu_time_ms: u64) -> Limits {
        Limits {
            instructions,
            cpu_time_ms,
            ..Limits::default_for(policy::Language::JavaScript)
        }
    }

    #[test]
    fn a_chain_uses_no_more_than_its_first_call_may() {
        let outer = Budget::new("f()".into(), limits(1000, 100), None);
        let begun = outer.allowance();
        assert_eq!((begun.fuel, begun.cpu), (8000, Duration::from_millis(100)));
        outer.lay_down(Allowance {
            fuel: 5000,
            cpu: Duration::from_millis(40),
        });
        let inner = Budget::new("g()".into(), limits(1_000_000, 50), Some(outer.clone()));
        let lent = inner.allowance();
        assert_eq!((lent.fuel, lent.cpu), (5000, Duration::from_millis(40)), "the caller's rest");
        let used = Allowance {
            fuel: 4000,
            cpu: Duration::from_millis(30),
        };
        inner.used(used, Duration::from_millis(3));
        assert_eq!(inner.allowance().fuel, 1000);
        assert_eq!(inner.exceeded(Limit::Instructions), ("f()".into(), 1000));
        let (left, elsewhere) = outer.take_up();
        assert_eq!(
            (left.fuel, elsewhere),
            (1000, Duration::from_millis(3)),
            "on this thread but for those"
        );
        assert_eq!(inner.fuel_used(), 4000);
        assert_eq!(inner.cpu_used(), Duration::from_millis(30));
    }

    #[test]
    fn a_small_limit_below_is_its_own() {
        let outer = Budget::new("f()".into(), limits(1000, 100), None);
        outer.lay_down(outer.allowance());
        let inner = Budget::new("g()".into(), limits(10, 5), Some(outer.clone()));
        assert_eq!(inner.allowance().fuel, 80);
        let all = inner.allowance();
        std::thread::scope(|scope| scope.spawn(|| inner.used(all, Duration::ZERO)).join().unwrap());
        assert_eq!(inner.exceeded(Limit::Instructions), ("g()".into(), 10));
        assert_eq!(inner.exceeded(Limit::CpuTime), ("g()".into(), 5));
        let (left, elsewhere) = outer.take_up();
        assert_eq!(
            (left.fuel, elsewhere),
            (7920, Duration::from_millis(5)),
            "all of it on another thread"
        );
    }
}
