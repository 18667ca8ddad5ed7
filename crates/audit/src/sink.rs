//! Where events go.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::{AuditError, Chain, Event, Row};

/// A log that events are appended to, outside any user's transaction.
pub trait Sink: Send + Sync {
    /// Takes the event into the log's order. An error means that it is not in the log and that what it describes must not happen.
    fn record(&self, event: Event) -> Result<Receipt, AuditError>;

    /// Returns once this event, and every one recorded before it, would survive a power cut.
    fn wait(&self, receipt: Receipt) -> Result<(), AuditError>;
}

/// The place of a recorded event in its log. Later receipts are greater; waiting for one waits for all before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Receipt {
    pub id: u64,
}

/// A log in memory, for tests: chained and stored like the real one, and able to fail.
#[derive(Debug, Default)]
pub struct MemorySink {
    failing: AtomicBool,
    log: Mutex<Log>,
}

#[derive(Debug)]
struct Log {
    chain: Chain,
    rows: Vec<(u64, Vec<u8>)>,
    waited: u64,
}

impl Default for Log {
    fn default() -> Log {
        Log {
            chain: Chain::GENESIS,
            rows: Vec::new(),
            waited: 0,
        }
    }
}

impl MemorySink {
    pub fn new() -> MemorySink {
        MemorySink::default()
    }

    /// From now on nothing can be recorded, or it can again.
    pub fn set_failing(&self, failing: bool) {
        self.failing.store(failing, Ordering::SeqCst);
    }

    /// The stored rows.
    pub fn stored(&self) -> Vec<(u64, Vec<u8>)> {
        self.log.lock().rows.clone()
    }

    /// The events, as they read back from the stored bytes.
    pub fn events(&self) -> Vec<Event> {
        self.stored()
            .iter()
            .filter_map(|(id, bytes)| Row::decode(*id, bytes).ok())
            .map(|row| row.event)
            .collect()
    }

    /// The greatest id that anybody waited for.
    pub fn waited(&self) -> u64 {
        self.log.lock().waited
    }

    pub fn clear(&self) {
        *self.log.lock() = Log::default();
    }
}

impl Sink for MemorySink {
    fn record(&self, event: Event) -> Result<Receipt, AuditError> {
        if self.failing.load(Ordering::SeqCst) {
            return Err(AuditError::Closed);
        }
        let mut log = self.log.lock();
        let sealed = log.chain.append(&event)?;
        log.rows.push((sealed.id, sealed.bytes));
        Ok(Receipt { id: sealed.id })
    }

    fn wait(&self, receipt: Receipt) -> Result<(), AuditError> {
        if self.failing.load(Ordering::SeqCst) {
            return Err(AuditError::Closed);
        }
        let mut log = self.log.lock();
        log.waited = log.waited.max(receipt.id);
        Ok(())
    }
}
