//! Transactions: reads of a snapshot, buffered writes with savepoints, row locks, commit.

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::commit::{Pending, Replaces, Write};
use crate::db::Shared;
use crate::lock::TransactionId;
use crate::reads::Reads;
use crate::snapshot::Snapshot;
use crate::store::Space;
use crate::writes::{Position, Writes};
use crate::{Bytes, Direction, Error, LockMode, MAX_KEY_BYTES, MAX_VALUE_BYTES, Scan, WaitControl};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Isolation {
    /// Each statement sees what was committed before it began: see [`Transaction::refresh_snapshot`].
    ReadCommitted,
    /// One snapshot from the first read to the end. Committing over a newer version of a key fails.
    RepeatableRead,
    /// As REPEATABLE READ, and a transaction that writes commits only if nothing that it has read
    /// was changed meanwhile: then it might as well have run alone, at the moment of its commit.
    Serializable,
}

/// A moment to go back to. It belongs to one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Savepoint {
    transaction: TransactionId,
    position: Position,
}

/// A transaction. Threads may share it; dropping it rolls it back.
pub struct Transaction {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    shared: Arc<Shared>,
    id: TransactionId,
    isolation: Isolation,
    state: Mutex<State>,
    /// The locks that it holds; None when it has ended.
    held: Mutex<Option<Held>>,
}

#[derive(Default)]
struct Held {
    modes: HashMap<Bytes, LockMode>,
    /// What was taken since the oldest savepoint, and how it was held before.
    journal: Vec<(Bytes, Option<LockMode>)>,
    /// The savepoints, oldest first, and how long the journal was.
    savepoints: Vec<(Position, usize)>,
}

impl Held {
    fn take(&mut self, key: Bytes, mode: LockMode) {
        let before = self.modes.get(&*key).copied();
        if matches!(
            (before, mode),
            (Some(LockMode::Exclusive), _) | (Some(LockMode::Shared), LockMode::Shared)
        ) {
            return;
        }
        if !self.savepoints.is_empty() {
            self.journal.push((key.clone(), before));
        }
        self.modes.insert(key, mode);
    }

    /// Forgets what was taken since the savepoint and the savepoints after it: each key, and what is left of its lock.
    fn return_to(&mut self, savepoint: Position) -> Vec<(Bytes, Option<LockMode>)> {
        let Some(place) = self.savepoints.iter().position(|(position, _)| *position == savepoint) else {
            return vec![];
        };
        self.savepoints.truncate(place + 1);
        let taken = self.journal.split_off(self.savepoints[place].1);
        // The newest first: a key that was taken twice ends as it was before the first time.
        for (key, before) in taken.iter().rev() {
            match before {
                Some(mode) => self.modes.insert(key.clone(), *mode),
                None => self.modes.remove(&**key),
            };
        }
        taken
    }

    fn forget(&mut self, savepoint: Position) {
        if let Some(place) = self.savepoints.iter().position(|(position, _)| *position == savepoint) {
            self.savepoints.truncate(place);
        }
        if self.savepoints.is_empty() {
            self.journal = vec![];
        }
    }
}

struct State {
    ended: bool,
    /// Taken at the first read.
    snapshot: Option<Arc<Snapshot>>,
    writes: Writes,
    reads: Reads,
}

impl Transaction {
    pub(crate) fn begin(shared: &Arc<Shared>, isolation: Isolation) -> Transaction {
        let state = State {
            ended: false,
            snapshot: None,
            writes: Writes::default(),
            reads: Reads::default(),
        };
        let inner = Inner {
            shared: shared.clone(),
            id: shared.next_transaction(),
            isolation,
            state: Mutex::new(state),
            held: Mutex::new(Some(Held::default())),
        };
        Transaction { inner: Arc::new(inner) }
    }

    /// Counts up from 1 at each start of the server.
    pub fn id(&self) -> u64 {
        self.inner.id
    }

    pub fn isolation(&self) -> Isolation {
        self.inner.isolation
    }

    /// The start of a statement: in READ COMMITTED, later reads see what is committed by now. The
    /// other levels keep their snapshot, or take it now if they have none.
    pub fn refresh_snapshot(&self) -> Result<(), Error> {
        let mut state = self.inner.state.lock();
        state.check_open()?;
        self.inner.refresh(&mut state);
        Ok(())
    }

    /// The end of a statement: in READ COMMITTED, nothing old is kept for this transaction until it
    /// reads again. Without effect on open scans and on the other levels.
    pub fn release_snapshot(&self) {
        if self.inner.isolation == Isolation::ReadCommitted {
            let released = self.inner.state.lock().snapshot.take();
            drop(released);
        }
    }

    /// The key's value: what this transaction wrote last, else what its snapshot has.
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let snapshot = {
            let mut state = self.inner.state.lock();
            state.check_open()?;
            let snapshot = self.inner.snapshot(&mut state);
            if let Some(value) = state.writes.get(key) {
                return Ok(value.clone());
            }
            if self.inner.isolation == Isolation::Serializable {
                state.reads.key(key);
            }
            snapshot
        };
        self.inner.shared.read_at(key, snapshot.commit)
    }

    /// The key's value: what this transaction wrote last, else what is committed by now, whatever
    /// the snapshot. For rows that were locked after the snapshot, and for uniqueness checks.
    pub fn get_latest(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        {
            let mut state = self.inner.state.lock();
            state.check_open()?;
            self.inner.snapshot(&mut state);
            if let Some(value) = state.writes.get(key) {
                return Ok(value.clone());
            }
            if self.inner.isolation == Isolation::Serializable {
                state.reads.key(key);
            }
        }
        let newest = Snapshot::take(&self.inner.shared);
        self.inner.shared.read_at(key, newest.commit)
    }

    /// The entries of the range in order of keys, as of the snapshot and of this transaction's own
    /// writes up to now: later writes do not show in it.
    pub fn scan(&self, range: (Bound<Vec<u8>>, Bound<Vec<u8>>)) -> Result<Scan, Error> {
        self.scan_in(range, Direction::Forward)
    }

    pub fn scan_in(&self, range: (Bound<Vec<u8>>, Bound<Vec<u8>>), direction: Direction) -> Result<Scan, Error> {
        let mut state = self.inner.state.lock();
        state.check_open()?;
        let snapshot = self.inner.snapshot(&mut state);
        Ok(self.inner.open_scan(&mut state, snapshot, range, direction))
    }

    /// As [`Transaction::scan`], of what is committed by now.
    pub fn scan_latest(&self, range: (Bound<Vec<u8>>, Bound<Vec<u8>>)) -> Result<Scan, Error> {
        let mut state = self.inner.state.lock();
        state.check_open()?;
        self.inner.snapshot(&mut state);
        let newest = Snapshot::take(&self.inner.shared);
        Ok(self.inner.open_scan(&mut state, newest, range, Direction::Forward))
    }

    pub fn put(&self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Result<(), Error> {
        let value = value.into();
        if value.len() > MAX_VALUE_BYTES {
            return Err(Error::ValueTooLong { bytes: value.len() });
        }
        self.write(key.into(), Some(value))
    }

    /// Deleting what does not exist is no error.
    pub fn delete(&self, key: impl Into<Bytes>) -> Result<(), Error> {
        self.write(key.into(), None)
    }

    fn write(&self, key: Bytes, value: Option<Bytes>) -> Result<(), Error> {
        if key.is_empty() {
            return Err(Error::NotAKey("an empty key".into()));
        }
        if key.len() > MAX_KEY_BYTES {
            return Err(Error::KeyTooLong { bytes: key.len() });
        }
        let mut state = self.inner.state.lock();
        state.check_open()?;
        state.writes.put(key, value)
    }

    /// Locks the key until the transaction ends, waiting for others who hold it. The lock is of the
    /// key, whether or not it has a value. Fails with [`Error::Deadlock`] if the others wait for this
    /// transaction, or with what `control` says when it is asked (at least every 50 ms).
    pub fn lock(&self, key: &[u8], mode: LockMode, control: &dyn WaitControl) -> Result<(), Error> {
        if self.inner.holds(key, mode)? {
            return Ok(());
        }
        let key = Bytes::from(key);
        self.inner.shared.locks.acquire(self.inner.id, &key, mode, control)?;
        self.inner.keep_lock(key, mode)
    }

    /// As [`Transaction::lock`], but false instead of waiting.
    pub fn try_lock(&self, key: &[u8], mode: LockMode) -> Result<bool, Error> {
        if self.inner.holds(key, mode)? {
            return Ok(true);
        }
        let key = Bytes::from(key);
        if !self.inner.shared.locks.try_acquire(self.inner.id, &key, mode) {
            return Ok(false);
        }
        self.inner.keep_lock(key, mode)?;
        Ok(true)
    }

    /// Whether somebody committed a new version of the key after this transaction's snapshot. To be
    /// asked with the key locked: then the answer stays true or false until the lock goes.
    pub fn changed_since_snapshot(&self, key: &[u8]) -> Result<bool, Error> {
        let snapshot = {
            let mut state = self.inner.state.lock();
            state.check_open()?;
            self.inner.snapshot(&mut state)
        };
        // Every change after an open snapshot is in the history.
        Ok(self
            .inner
            .shared
            .history
            .newest_change(key)
            .is_some_and(|commit| commit > snapshot.commit))
    }

    pub fn savepoint(&self) -> Result<Savepoint, Error> {
        let mut state = self.inner.state.lock();
        state.check_open()?;
        let position = state.writes.savepoint();
        if let Some(held) = &mut *self.inner.held.lock() {
            held.savepoints.push((position, held.journal.len()));
        }
        Ok(Savepoint {
            transaction: self.inner.id,
            position,
        })
    }

    /// Undoes the writes since the savepoint, which stays. Locks stay too.
    pub fn rollback_to(&self, savepoint: Savepoint) -> Result<(), Error> {
        self.with_savepoint(savepoint, Writes::rollback_to)
    }

    /// Lets go of the locks that were taken since the savepoint, after [`Transaction::rollback_to`] and whatever else relied on them.
    /// What was held before is held as it was then.
    pub fn unlock_to(&self, savepoint: Savepoint) -> Result<(), Error> {
        if savepoint.transaction != self.inner.id {
            return Err(Error::NoSuchSavepoint);
        }
        let mut held = self.inner.held.lock();
        let held = held.as_mut().ok_or(Error::TransactionEnded)?;
        for (key, before) in held.return_to(savepoint.position).into_iter().rev() {
            match before {
                Some(LockMode::Shared) => self.inner.shared.locks.downgrade(self.inner.id, &key),
                Some(LockMode::Exclusive) => {}
                None => self.inner.shared.locks.release(self.inner.id, &key),
            }
        }
        Ok(())
    }

    /// Forgets the savepoint and those after it, keeping the writes and the locks.
    pub fn release(&self, savepoint: Savepoint) -> Result<(), Error> {
        self.with_savepoint(savepoint, Writes::release)?;
        if let Some(held) = &mut *self.inner.held.lock() {
            held.forget(savepoint.position);
        }
        Ok(())
    }

    fn with_savepoint(&self, savepoint: Savepoint, act: fn(&mut Writes, Position) -> Result<(), Error>) -> Result<(), Error> {
        let mut state = self.inner.state.lock();
        state.check_open()?;
        if savepoint.transaction != self.inner.id {
            return Err(Error::NoSuchSavepoint);
        }
        act(&mut state.writes, savepoint.position)
    }

    /// Whether it has written anything that is not undone.
    pub fn has_writes(&self) -> bool {
        !self.inner.state.lock().writes.is_empty()
    }

    /// Makes the writes durable and visible. On return the locks are gone, whatever the outcome, and
    /// an error means that nothing was written, unless it is [`Error::Failed`].
    pub fn commit(&self) -> Result<(), Error> {
        self.commit_and(|| ())
    }

    /// As [`Transaction::commit`]. What `then` does whoever waits for one of the locks finds done: it runs once the writes are
    /// durable and visible, and before the locks go.
    pub fn commit_and(&self, then: impl FnOnce()) -> Result<(), Error> {
        let (snapshot, writes, reads) = {
            let mut state = self.inner.state.lock();
            state.check_open()?;
            state.ended = true;
            // Held to the end, so that the history keeps what the commit is checked against.
            let snapshot = self.inner.snapshot(&mut state);
            state.snapshot = None;
            (snapshot, std::mem::take(&mut state.writes), std::mem::take(&mut state.reads))
        };
        let outcome = if writes.is_empty() {
            Ok(())
        } else {
            self.inner.write_out(&snapshot, writes, reads)
        };
        if outcome.is_ok() {
            then();
        }
        self.inner.release_locks();
        outcome
    }

    /// Forgets the writes and releases the locks. Without effect after the end.
    pub fn rollback(&self) {
        let discarded = {
            let mut state = self.inner.state.lock();
            state.ended = true;
            (
                state.snapshot.take(),
                std::mem::take(&mut state.writes),
                std::mem::take(&mut state.reads),
            )
        };
        drop(discarded);
        self.inner.release_locks();
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        self.rollback();
    }
}

impl State {
    fn check_open(&self) -> Result<(), Error> {
        if self.ended { Err(Error::TransactionEnded) } else { Ok(()) }
    }
}

impl Inner {
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    fn snapshot(&self, state: &mut State) -> Arc<Snapshot> {
        state.snapshot.get_or_insert_with(|| Snapshot::take(&self.shared)).clone()
    }

    fn refresh(&self, state: &mut State) {
        let current = state.snapshot.as_ref().map(|snapshot| snapshot.commit);
        let stays = match self.isolation {
            Isolation::ReadCommitted => current == Some(self.shared.snapshots.committed()),
            Isolation::RepeatableRead | Isolation::Serializable => current.is_some(),
        };
        if !stays {
            state.snapshot = Some(Snapshot::take(&self.shared));
        }
    }

    fn open_scan(
        self: &Arc<Inner>,
        state: &mut State,
        snapshot: Arc<Snapshot>,
        range: (Bound<Vec<u8>>, Bound<Vec<u8>>),
        direction: Direction,
    ) -> Scan {
        let mark = state.writes.mark();
        let reads = (self.isolation == Isolation::Serializable).then(|| state.reads.scan());
        Scan::new(self.clone(), snapshot, mark, reads, range, direction)
    }

    /// For a scan: looks at the own writes and reports what it covers, unless the transaction ended.
    pub fn with_open<T>(&self, act: impl FnOnce(&Writes, &mut Reads) -> T) -> Result<T, Error> {
        let state = &mut *self.state.lock();
        state.check_open()?;
        Ok(act(&state.writes, &mut state.reads))
    }

    pub fn forget_mark(&self, mark: Position) {
        self.state.lock().writes.forget(mark);
    }

    fn holds(&self, key: &[u8], mode: LockMode) -> Result<bool, Error> {
        let held = self.held.lock();
        let held = held.as_ref().ok_or(Error::TransactionEnded)?;
        Ok(match (held.modes.get(key), mode) {
            (Some(LockMode::Exclusive), _) | (Some(LockMode::Shared), LockMode::Shared) => true,
            (Some(LockMode::Shared), LockMode::Exclusive) | (None, _) => false,
        })
    }

    fn keep_lock(&self, key: Bytes, mode: LockMode) -> Result<(), Error> {
        let mut held = self.held.lock();
        match held.as_mut() {
            Some(held) => {
                held.take(key, mode);
                Ok(())
            }
            // Another thread ended the transaction while this one waited.
            None => {
                self.shared.locks.release(self.id, &key);
                Err(Error::TransactionEnded)
            }
        }
    }

    fn release_locks(&self) {
        let held = self.held.lock().take();
        for key in held.into_iter().flat_map(|held| held.modes.into_keys()) {
            self.shared.locks.release(self.id, &key);
        }
    }

    fn write_out(&self, snapshot: &Snapshot, writes: Writes, reads: Reads) -> Result<(), Error> {
        let mut pending = Vec::with_capacity(writes.len());
        for (key, value) in writes.into_newest() {
            let replaces = self.replaced(&key)?;
            pending.push(Write { key, value, replaces });
        }
        let added = pending.iter().filter_map(|write| {
            let value = write.value.as_ref()?;
            Some((&*write.key, (write.key.len() + value.len()) as u64))
        });
        self.shared.room.admit(added)?;
        self.shared.committer.commit(
            &self.shared,
            Pending {
                first_committer_wins: self.isolation != Isolation::ReadCommitted,
                reads: (self.isolation == Isolation::Serializable).then_some(reads),
                snapshot: snapshot.commit,
                writes: Mutex::new(pending),
                outcome: Mutex::new(None),
            },
        )
    }

    /// Reads what a write will replace, where the lock keeps others from changing it: here, in
    /// this thread, rather than in the leader's, for whom the others wait.
    fn replaced(&self, key: &Bytes) -> Result<Replaces, Error> {
        let locked = self
            .held
            .lock()
            .as_ref()
            .is_some_and(|held| held.modes.get(&**key) == Some(&LockMode::Exclusive));
        if !locked {
            return Ok(Replaces::Unknown);
        }
        let as_of = self.shared.snapshots.committed();
        Ok(Replaces::Known {
            value: self.shared.store.get(Space::Data, key)?,
            as_of,
        })
    }
}
