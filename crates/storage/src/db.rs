//! An open database: the store and everything in memory that makes it transactional.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::commit::Committer;
use crate::folder::Folder;
use crate::history::History;
use crate::lock::{Locks, TransactionId};
use crate::log::LogState;
use crate::room::Room;
use crate::snapshot::Snapshots;
use crate::store::{self, Space, Store};
use crate::{AppendLog, Bytes, Error, Isolation, StoreKind, Transaction};

/// Log records that nobody waits for are written out after this time: long enough that many share a sync (a busy log needs a
/// hundred a second, whatever is recorded), short enough that a crash loses no more than what just happened.
pub const FLUSH_DELAY: Duration = Duration::from_millis(10);

/// An open data folder. Clones are the same database; it closes with the last of them and of the
/// transactions, scans and logs made from it.
#[derive(Clone)]
pub struct Db {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub store: Box<dyn Store>,
    pub history: History,
    pub snapshots: Snapshots,
    pub locks: Locks,
    pub committer: Committer,
    pub room: Room,
    pub flusher: Arc<Flusher>,
    kind: StoreKind,
    logs: Mutex<HashMap<String, Arc<LogState>>>,
    last_transaction: AtomicU64,
    flusher_thread: Mutex<Option<JoinHandle<()>>>,
    /// Closed after the store: fields are dropped in this order.
    _folder: Folder,
}

/// What goes on inside, for monitoring and tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Commits since the folder was opened; a group of transactions that were written together is one.
    pub commits: u64,
    pub open_snapshots: usize,
    /// Keys of which older versions are kept in memory for open snapshots.
    pub history_keys: usize,
    pub locked_keys: usize,
    pub disk_bytes: u64,
}

impl Db {
    /// Opens the data folder, creating it if it does not exist. Fails if another process has it
    /// open or if it was made with another store.
    pub fn open(dir: &Path, kind: StoreKind) -> Result<Db, Error> {
        let folder = Folder::open(dir, kind)?;
        let store = store::open(&Folder::store_path(dir), kind)?;
        let shared = Arc::new(Shared {
            store,
            history: History::default(),
            snapshots: Snapshots::default(),
            locks: Locks::new(),
            committer: Committer::new(),
            room: Room::new(dir),
            flusher: Arc::default(),
            kind,
            logs: Mutex::default(),
            last_transaction: AtomicU64::new(0),
            flusher_thread: Mutex::default(),
            _folder: folder,
        });
        let (flusher, database) = (shared.flusher.clone(), Arc::downgrade(&shared));
        let thread = std::thread::Builder::new()
            .name("storage-flush".into())
            .spawn(move || flusher.run(&database))
            .map_err(|e| Error::io("start the flush thread", &e))?;
        *shared.flusher_thread.lock() = Some(thread);
        Ok(Db { shared })
    }

    pub fn kind(&self) -> StoreKind {
        self.shared.kind
    }

    pub fn begin(&self, isolation: Isolation) -> Transaction {
        Transaction::begin(&self.shared, isolation)
    }

    /// Opens the log of this name, which exists once it has a record. Names are 1 to 64 bytes.
    pub fn append_log(&self, name: &str) -> Result<AppendLog, Error> {
        let mut logs = self.shared.logs.lock();
        let state = match logs.get(name) {
            Some(state) => state.clone(),
            None => {
                let state = Arc::new(LogState::open(&*self.shared.store, name)?);
                logs.insert(name.to_string(), state.clone());
                state
            }
        };
        Ok(AppendLog::new(self.shared.clone(), state))
    }

    /// Refuses commits that would leave less than this free on the disk, unless all that they add is a little under keys
    /// that do not grow. Deletions and log records are not refused.
    pub fn keep_free(&self, bytes: u64, grows: fn(&[u8]) -> bool) {
        self.shared.room.keep_free(bytes, grows);
    }

    /// Calls `tell` with the cause, once, when a commit fails: from then on the store takes no more writes. One only.
    pub fn on_failure(&self, tell: impl Fn(&str) + Send + Sync + 'static) {
        self.shared.committer.on_failure(Box::new(tell));
    }

    /// Makes every record appended so far durable.
    pub fn flush(&self) -> Result<(), Error> {
        self.shared.committer.flush(&self.shared)
    }

    #[cfg(test)]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub fn stats(&self) -> Result<Stats, Error> {
        Ok(Stats {
            commits: self.shared.snapshots.committed(),
            open_snapshots: self.shared.snapshots.open_count(),
            history_keys: self.shared.history.len(),
            locked_keys: self.shared.locks.len(),
            disk_bytes: self.shared.store.disk_bytes()?,
        })
    }
}

impl Shared {
    pub fn next_transaction(&self) -> TransactionId {
        self.last_transaction.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The value of `key` as of a commit at which the caller has an open snapshot.
    pub fn read_at(&self, key: &[u8], commit: u64) -> Result<Option<Bytes>, Error> {
        if key.is_empty() || key.len() > crate::MAX_KEY_BYTES {
            return Ok(None);
        }
        // The store first: what it has too new, the history had before.
        let newest = self.store.get(Space::Data, key)?;
        if self.history.is_empty() {
            return Ok(newest);
        }
        Ok(self.history.value_at(key, commit).unwrap_or(newest))
    }

    pub fn collect_history(&self) {
        if !self.history.is_empty() {
            self.history.collect(self.snapshots.horizon());
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // A failure was logged where it happened, and whoever waits for a record has a ticket.
        let _ = self.committer.flush(self);
        self.flusher.stop();
        if let Some(thread) = self.flusher_thread.lock().take() {
            // The flush thread itself may have held the last reference.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

/// Writes out log records that nobody waits for.
#[derive(Default)]
pub(crate) struct Flusher {
    state: Mutex<FlusherState>,
    wake: Condvar,
}

#[derive(Default)]
struct FlusherState {
    wanted: bool,
    stopped: bool,
}

impl Flusher {
    /// Something was queued that may have no waiter.
    pub fn wake(&self) {
        let mut state = self.state.lock();
        if !state.wanted {
            state.wanted = true;
            self.wake.notify_one();
        }
    }

    fn stop(&self) {
        self.state.lock().stopped = true;
        self.wake.notify_one();
    }

    fn run(&self, database: &Weak<Shared>) {
        loop {
            let mut state = self.state.lock();
            while !state.wanted && !state.stopped {
                self.wake.wait(&mut state);
            }
            if !state.stopped {
                // Leave time for somebody who waits to take it along.
                self.wake.wait_for(&mut state, FLUSH_DELAY);
            }
            if state.stopped {
                return;
            }
            state.wanted = false;
            drop(state);
            let Some(shared) = database.upgrade() else { return };
            // A failure was logged by the committer and is told to everybody who waits.
            let _ = shared.committer.flush(&shared);
        }
    }
}
