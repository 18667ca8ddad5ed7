//! What a call may use, and what it has used. A limit that is hit traps; the guest is never asked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use policy::Limits;
use rustix::time::{ClockId, clock_gettime};
use types::SqlError;
use wasmtime::ResourceLimiter;

use crate::context::Cancel;
use crate::error::Limit;

/// wasmtime counts WebAssembly operators; an interpreter spends tens of them on each step of its
/// program. `max_instructions` counts eight operators as one, so that by default an endless loop
/// ends by CPU time (5 s), as it is documented to, and not by instructions after one and a half.
pub const FUEL_PER_INSTRUCTION: u64 = 8;

/// Elements that a guest's table may grow to; they are not in its memory, so its memory's limit does not see them.
pub const MAX_TABLE_ELEMENTS: usize = 65_536;

/// Why the host ended a guest.
#[derive(Clone, Debug)]
pub enum Stop {
    Limit(Limit, u64),
    Cancelled(SqlError),
    /// The guest ended itself with this code.
    Exited(i32),
    /// The guest broke the ABI.
    Broken(&'static str),
}

/// The heap that both interpreters leave free at the end of their `init`: the function's own from the start.
const HEADROOM_BYTES: u64 = 2 << 20;

pub struct Meter {
    pub limits: Limits,
    /// What the interpreter takes by itself: its code's data, its stack, its built-in objects. It is the same for
    /// every function, so it is not charged to one: `max_memory_bytes` means the same in every language.
    at_rest: u64,
    memory_peak: usize,
    cpu_used: Duration,
    cpu_started: Option<Duration>,
    wall_started: Instant,
    cancel: Option<Arc<dyn Cancel>>,
    pub stop: Option<Stop>,
}

impl Meter {
    /// `interpreter` and `memory` are in bytes: the interpreter's memory after its `init`, the memory to begin with.
    pub fn new(limits: Limits, interpreter: usize, memory: usize, wall_started: Instant, cancel: Option<Arc<dyn Cancel>>) -> Meter {
        Meter {
            limits,
            at_rest: (interpreter as u64).saturating_sub(HEADROOM_BYTES),
            memory_peak: memory,
            cpu_used: Duration::ZERO,
            cpu_started: None,
            wall_started,
            cancel,
            stop: None,
        }
    }

    pub fn fuel(&self) -> u64 {
        self.limits.instructions.saturating_mul(FUEL_PER_INSTRUCTION)
    }

    /// The guest begins to run on this thread.
    pub fn enter(&mut self) {
        self.cpu_started = Some(thread_cpu());
    }

    /// The guest no longer runs on this thread.
    pub fn leave(&mut self) {
        self.cpu_used = self.cpu();
        self.cpu_started = None;
    }

    pub fn cpu(&self) -> Duration {
        match self.cpu_started {
            Some(started) => self.cpu_used + thread_cpu().saturating_sub(started),
            None => self.cpu_used,
        }
    }

    pub fn wall(&self) -> Duration {
        self.wall_started.elapsed()
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
        if self.wall() >= Duration::from_millis(self.limits.wall_time_ms) {
            return Err(Stop::Limit(Limit::WallTime, self.limits.wall_time_ms));
        }
        if self.cpu() >= Duration::from_millis(self.limits.cpu_time_ms) {
            return Err(Stop::Limit(Limit::CpuTime, self.limits.cpu_time_ms));
        }
        Ok(())
    }

    /// The guest declares that it would use `bytes` more.
    pub fn reserve(&self, bytes: u64) -> Result<(), Stop> {
        let wanted = bytes.saturating_add(self.memory_peak());
        if wanted > self.limits.memory_bytes {
            Err(Stop::Limit(Limit::Memory, self.limits.memory_bytes))
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
            let limit = self.limits.memory_bytes;
            return Err(self.stop(Stop::Limit(Limit::Memory, limit)));
        }
        self.memory_peak = self.memory_peak.max(desired);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        let limit = self.limits.memory_bytes;
        Err(self.stop(Stop::Limit(Limit::Memory, limit)))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        // Interpreters only make theirs; the strip pass refused all that grow.
        if current > 0 && desired > MAX_TABLE_ELEMENTS {
            let limit = self.limits.memory_bytes;
            return Err(self.stop(Stop::Limit(Limit::Memory, limit)));
        }
        Ok(true)
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        let limit = self.limits.memory_bytes;
        Err(self.stop(Stop::Limit(Limit::Memory, limit)))
    }
}

fn thread_cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.cast_unsigned(), u32::try_from(now.tv_nsec).unwrap_or(0))
}
