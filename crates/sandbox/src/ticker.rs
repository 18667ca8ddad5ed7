//! The sandbox's clock: while any guest runs, every engine's epoch advances at each tick, and at the
//! next loop or call of the guest its deadlines are checked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use wasmtime::EngineWeak;

use crate::error::Error;

/// How late a deadline or a cancel request may be noticed.
pub const TICK: Duration = Duration::from_millis(5);
/// After so many ticks without a guest the thread sleeps until one comes.
const IDLE_TICKS: u32 = 200;

pub struct Ticker {
    engines: Mutex<Vec<EngineWeak>>,
    running: AtomicUsize,
    asleep: AtomicBool,
    stopped: AtomicBool,
    bed: Mutex<()>,
    alarm: Condvar,
}

impl Ticker {
    pub fn start() -> Result<Arc<Ticker>, Error> {
        let ticker = Arc::new(Ticker {
            engines: Mutex::new(Vec::new()),
            running: AtomicUsize::new(0),
            asleep: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            bed: Mutex::new(()),
            alarm: Condvar::new(),
        });
        let clock = ticker.clone();
        std::thread::Builder::new()
            .name("sandbox-clock".into())
            .spawn(move || clock.tick())
            .map_err(|error| Error::Host(format!("the sandbox's clock does not start: {error}")))?;
        Ok(ticker)
    }

    pub fn watch(&self, engine: &wasmtime::Engine) {
        self.engines.lock().push(engine.weak());
    }

    /// Keeps the clock going while a guest runs.
    pub fn running(self: &Arc<Self>) -> Running {
        self.running.fetch_add(1, Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) {
            let _bed = self.bed.lock();
            self.alarm.notify_one();
        }
        Running(self.clone())
    }

    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        let _bed = self.bed.lock();
        self.alarm.notify_one();
    }

    fn tick(&self) {
        let mut idle = 0;
        while !self.stopped.load(Ordering::SeqCst) {
            std::thread::sleep(TICK);
            if self.running.load(Ordering::SeqCst) > 0 {
                idle = 0;
                self.engines
                    .lock()
                    .iter()
                    .filter_map(EngineWeak::upgrade)
                    .for_each(|engine| engine.increment_epoch());
                continue;
            }
            idle += 1;
            if idle > IDLE_TICKS {
                self.sleep();
                idle = 0;
            }
        }
    }

    /// A guest that starts after `asleep` is set finds it set and rings; one that started before is
    /// seen by the check.
    fn sleep(&self) {
        let mut bed = self.bed.lock();
        self.asleep.store(true, Ordering::SeqCst);
        if self.running.load(Ordering::SeqCst) == 0 && !self.stopped.load(Ordering::SeqCst) {
            self.alarm.wait(&mut bed);
        }
        self.asleep.store(false, Ordering::SeqCst);
    }
}

pub struct Running(Arc<Ticker>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}
