//! What a call may use, and what it has used. A limit that is hit traps; the guest is never asked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use policy::Limits;
use rustix::time::{ClockId, clock_gettime};
use types::SqlError;
use wasmtime::ResourceLimiter;

use crate::budget::{Allowance, Budget};
use crate::context::{Cancel, Usage};
use crate::error::{Error, Limit};

/// wasmtime counts WebAssembly operators; an interpreter spends tens of them on each step of its
/// program. `max_instructions` counts eight operators as one, so that by default an endless loop
/// ends by CPU time (5 s), as it is documented to, and not by instructions after one and a half.
pub const FUEL_PER_INSTRUCTION: u64 = 8;

/// Elements that a guest's table may grow to; they are not in its memory, so its memory's limit does not see them.
pub const MAX_TABLE_ELEMENTS: usize = 65_536;

/// Why the host ended a guest.
#[derive(Clone, Debug)]
pub enum Stop {
    Limit(Limit),
    Cancelled(SqlError),
    /// The guest ended itself with this code.
    Exited(i32),
    /// The guest broke the ABI.
    Broken(&'static str),
}

/// Reading a thread's CPU time is a system call of some 400 ns, reading the clock is none. A thread uses no more CPU time than passes,
/// so within this time of the last reading the clock is asked instead, and says at most as much too much.
const CPU_UNREAD: Duration = Duration::from_millis(1);

/// The heap that both interpreters leave free at the end of their `init`: the function's own from the start.
const HEADROOM_BYTES: u64 = 2 << 20;

pub struct Meter {
    pub limits: Limits,
    /// What the interpreter takes by itself: its code's data, its stack, its built-in objects. It is the same for
    /// every function, so it is not charged to one: `max_memory_bytes` means the same in every language.
    at_rest: u64,
    pub budget: Arc<Budget>,
    memory_peak: usize,
    /// What the guest may use until it is left.
    allowance: Allowance,
    entered: Option<Entered>,
    cancel: Option<Arc<dyn Cancel>>,
    /// Open now.
    files: u64,
    connections: u64,
    pub stop: Option<Stop>,
}

/// The guest's stay on this thread.
struct Entered {
    /// The thread's CPU time when it began.
    cpu: Duration,
    /// What it had used of that when it was last read, and when that was.
    used: Duration,
    read: Instant,
    /// CPU time of calls below that ran on other threads.
    elsewhere: Duration,
}

impl Entered {
    fn now() -> Entered {
        Entered {
            cpu: thread_cpu(),
            used: Duration::ZERO,
            read: Instant::now(),
            elsewhere: Duration::ZERO,
        }
    }

    /// The CPU time since then.
    fn used(&mut self, now: Instant) -> Duration {
        self.used = thread_cpu().saturating_sub(self.cpu);
        self.read = now;
        self.used + self.elsewhere
    }

    /// No less than that, and no more than [`CPU_UNREAD`] above it.
    fn used_at_most(&mut self, now: Instant) -> Duration {
        let unread = now.saturating_duration_since(self.read);
        match unread > CPU_UNREAD {
            true => self.used(now),
            false => self.used + unread + self.elsewhere,
        }
    }
}

impl Meter {
    /// `interpreter` and `memory` are in bytes: the interpreter's memory after its `init`, the memory to begin with.
    pub fn new(budget: Arc<Budget>, interpreter: usize, memory: usize, cancel: Option<Arc<dyn Cancel>>) -> Meter {
        Meter {
            limits: budget.limits(),
            budget,
            at_rest: (interpreter as u64).saturating_sub(HEADROOM_BYTES),
            memory_peak: memory,
            allowance: Allowance::default(),
            entered: None,
            cancel,
            files: 0,
            connections: 0,
            stop: None,
        }
    }

    /// The guest begins to run on this thread; answers the fuel that it gets.
    pub fn enter(&mut self) -> u64 {
        self.allowance = self.budget.allowance();
        self.entered = Some(Entered::now());
        self.allowance.fuel
    }

    /// The guest no longer runs on this thread and has this much fuel left.
    pub fn leave(&mut self, fuel: u64) {
        let (cpu, elsewhere) = match self.entered.take() {
            Some(mut entered) => (entered.used(Instant::now()), entered.elsewhere),
            None => (Duration::ZERO, Duration::ZERO),
        };
        let fuel = self.allowance.fuel.saturating_sub(fuel);
        self.budget.used(Allowance { fuel, cpu }, elsewhere);
    }

    /// A host call begins that may call functions; `fuel` is what the guest has left.
    pub fn lend(&mut self, fuel: u64) {
        let used = self.entered.as_mut().map(|entered| entered.used_at_most(Instant::now()));
        let cpu = self.allowance.cpu.saturating_sub(used.unwrap_or_default());
        self.budget.lay_down(Allowance { fuel, cpu });
    }

    /// It has ended; answers the fuel with which the guest goes on.
    pub fn take_back(&mut self) -> u64 {
        let (left, elsewhere) = self.budget.take_up();
        if let Some(entered) = &mut self.entered {
            entered.elsewhere += elsewhere;
        }
        left.fuel
    }

    /// The most memory that was the function's own, in bytes.
    pub fn memory_peak(&self) -> u64 {
        self.own(self.memory_peak)
    }

    fn own(&self, memory: usize) -> u64 {
        (memory as u64).saturating_sub(self.at_rest)
    }

    /// Whether the memory that the guest begins with is within its limit.
    pub fn check_memory(&self) -> Result<(), Stop> {
        self.reserve(0)
    }

    /// Asked at each tick, and after each host call.
    pub fn check(&mut self) -> Result<(), Stop> {
        if let Some(cancel) = &self.cancel {
            cancel.check().map_err(Stop::Cancelled)?;
        }
        let now = Instant::now();
        if now >= self.budget.deadline() {
            return Err(Stop::Limit(Limit::WallTime));
        }
        let Some(entered) = &mut self.entered else { return Ok(()) };
        match entered.used_at_most(now) >= self.allowance.cpu && entered.used(now) >= self.allowance.cpu {
            true => Err(Stop::Limit(Limit::CpuTime)),
            false => Ok(()),
        }
    }

    /// A file is about to be open.
    pub fn open_file(&mut self) -> Result<(), Stop> {
        if self.files >= self.limits.file_handles {
            return Err(Stop::Limit(Limit::FileHandles));
        }
        self.files += 1;
        Ok(())
    }

    pub fn close_file(&mut self) {
        self.files = self.files.saturating_sub(1);
    }

    /// A network connection is about to be open.
    pub fn open_connection(&mut self) -> Result<(), Stop> {
        if self.connections >= self.limits.network_connections {
            return Err(Stop::Limit(Limit::NetworkConnections));
        }
        self.connections += 1;
        Ok(())
    }

    pub fn close_connection(&mut self) {
        self.connections = self.connections.saturating_sub(1);
    }

    /// The error that says which limit was hit, and whose it is.
    pub fn exceeded(&self, limit: Limit) -> Error {
        let (function, value) = self.budget.exceeded(limit);
        Error::Limit { function, limit, value }
    }

    /// What no guest may catch ends the calls above this one too.
    pub fn end_callers(&self, error: &Error) {
        if matches!(error, Error::Limit { .. } | Error::Cancelled(_)) {
            self.budget.end_callers(&SqlError::from(error.clone()));
        }
    }

    pub fn usage(&self) -> Usage {
        Usage {
            fuel: self.budget.fuel_used() / FUEL_PER_INSTRUCTION,
            memory_bytes: self.memory_peak(),
            cpu: self.budget.cpu_used(),
            wall: self.budget.wall(),
        }
    }

    /// What ends a wait in a host call, for a thread that does the waiting.
    pub fn watch(&self) -> Watch {
        Watch {
            cancel: self.cancel.clone(),
            deadline: self.budget.deadline(),
        }
    }

    /// The guest declares that it would use `bytes` more.
    pub fn reserve(&self, bytes: u64) -> Result<(), Stop> {
        let wanted = bytes.saturating_add(self.memory_peak());
        if wanted > self.limits.memory_bytes {
            Err(Stop::Limit(Limit::Memory))
        } else {
            Ok(())
        }
    }

    /// Notes why, and gives wasmtime an error that ends the guest.
    pub fn stop(&mut self, stop: Stop) -> wasmtime::Error {
        self.stop = Some(stop);
        wasmtime::Error::msg("stopped by the host")
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        if self.own(desired) > self.limits.memory_bytes {
            return Err(self.stop(Stop::Limit(Limit::Memory)));
        }
        self.memory_peak = self.memory_peak.max(desired);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(self.stop(Stop::Limit(Limit::Memory)))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        // Interpreters only make theirs; the strip pass refused all that grow.
        if current > 0 && desired > MAX_TABLE_ELEMENTS {
            return Err(self.stop(Stop::Limit(Limit::Memory)));
        }
        Ok(true)
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(self.stop(Stop::Limit(Limit::Memory)))
    }
}

/// Whether a wait may go on. Why not, the meter says.
#[derive(Clone)]
pub struct Watch {
    cancel: Option<Arc<dyn Cancel>>,
    deadline: Instant,
}

impl Watch {
    /// When the call's time is over.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    pub fn is_over(&self) -> bool {
        Instant::now() >= self.deadline || self.cancel.as_ref().is_some_and(|cancel| cancel.check().is_err())
    }
}

fn thread_cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.cast_unsigned(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A host function closes what it opens before it answers, so no guest can hold two: the counter is shown here by itself.
    #[test]
    fn no_more_is_open_at_once_than_the_limits_say() {
        let limits = Limits {
            file_handles: 1,
            network_connections: 2,
            ..Limits::default_for(policy::Language::JavaScript)
        };
        let mut meter = Meter::new(Budget::new("f()".into(), limits, None), 0, 0, None);
        let refused = |outcome: Result<(), Stop>, meter: &Meter| match outcome {
            Err(Stop::Limit(limit)) => meter.exceeded(limit).to_string(),
            other => panic!("{other:?}"),
        };
        meter.open_file().unwrap();
        let second = meter.open_file();
        assert_eq!(refused(second, &meter), "function f() exceeded its limit of 1 open files");
        meter.close_file();
        meter.open_file().unwrap();

        meter.open_connection().unwrap();
        meter.open_connection().unwrap();
        let third = meter.open_connection();
        assert_eq!(
            refused(third, &meter),
            "function f() exceeded its limit of 2 open network connections"
        );
        meter.close_connection();
        meter.open_connection().unwrap();
    }
}
