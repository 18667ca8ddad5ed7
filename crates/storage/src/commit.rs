//! Group commit: what waits to be made durable is written as one batch with one sync.
//!
//! The life of a commit: a transaction's writes (or a log's records) join the queue and belong to the
//! generation that is being collected. Whoever then wants to wait for them and finds nobody at work
//! becomes the leader: it takes the whole queue, writes it, syncs, and wakes the others of that
//! generation; one of those who came meanwhile leads the next. A lone client so pays for its sync and
//! no thread change, and the busier it gets, the more a sync carries.
//!
//! If writing or syncing fails, nobody knows what is on disk. Then everything that waits fails, and so
//! does everything after it, until the folder is opened again (PostgreSQL panics for the same reason): who opened it
//! is told, once ([`crate::Db::on_failure`]). That the disk is full is noticed before ([`crate::room`]).

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::db::Shared;
use crate::log::LogState;
use crate::reads::Reads;
use crate::snapshot::CommitNumber;
use crate::store::{Change, Space};
use crate::{Bytes, Error};

pub(crate) type Generation = u64;

/// An append that finds this much waiting writes it out itself, so that a flood of records which
/// nobody waits for cannot fill the memory.
const MAX_QUEUED_RECORD_BYTES: usize = 8 << 20;

pub(crate) struct Committer {
    queue: Mutex<Queue>,
    /// Who waits for a generation sleeps here by its parity: those of the next one are not woken
    /// when this one is done.
    done: [Condvar; 2],
    /// Told when a commit fails.
    tell: OnceLock<Tell>,
}

type Tell = Box<dyn Fn(&str) + Send + Sync>;

struct Queue {
    /// What joins now belongs to this generation; all before it are written or being written.
    collecting: Generation,
    /// Generations up to this one are durable.
    done: Generation,
    leading: bool,
    failed: Option<String>,
    work: Work,
}

#[derive(Default)]
struct Work {
    transactions: Vec<Arc<Pending>>,
    records: Vec<Record>,
    record_bytes: usize,
}

impl Work {
    fn is_empty(&self) -> bool {
        self.transactions.is_empty() && self.records.is_empty()
    }
}

/// A transaction that wants to commit.
pub(crate) struct Pending {
    /// Reject if a key that it writes was changed after its snapshot.
    pub first_committer_wins: bool,
    /// Reject if anything of this was changed after its snapshot.
    pub reads: Option<Reads>,
    pub snapshot: CommitNumber,
    pub writes: Mutex<Vec<Write>>,
    pub outcome: Mutex<Option<Result<(), Error>>>,
}

pub(crate) struct Write {
    pub key: Bytes,
    pub value: Option<Bytes>,
    pub replaces: Replaces,
}

/// The value that a write replaces.
pub(crate) enum Replaces {
    /// Read by the transaction itself, when this was the newest commit.
    Known { value: Option<Bytes>, as_of: CommitNumber },
    /// To be read by the leader.
    Unknown,
}

struct Record {
    log: Arc<LogState>,
    id: u64,
    /// None: an old record, to be removed.
    bytes: Option<Vec<u8>>,
}

impl Committer {
    pub fn new() -> Committer {
        let queue = Queue {
            collecting: 1,
            done: 0,
            leading: false,
            failed: None,
            work: Work::default(),
        };
        Committer {
            queue: Mutex::new(queue),
            done: [Condvar::new(), Condvar::new()],
            tell: OnceLock::new(),
        }
    }

    pub fn on_failure(&self, tell: Tell) {
        let _ = self.tell.set(tell);
    }

    /// Commits and returns when that is durable.
    pub fn commit(&self, shared: &Shared, pending: Pending) -> Result<(), Error> {
        let pending = Arc::new(pending);
        let mut queue = self.queue.lock();
        queue.work.transactions.push(pending.clone());
        let generation = queue.collecting;
        self.wait_in(shared, queue, generation)?;
        let outcome = pending.outcome.lock().take();
        outcome.unwrap_or_else(|| Err(Error::Failed("a commit was lost".into())))
    }

    /// Gives the records the next ids of their log and queues them; the first id.
    pub fn append(&self, shared: &Shared, log: &Arc<LogState>, records: Vec<Vec<u8>>) -> (Generation, u64) {
        let mut queue = self.queue.lock();
        let first = log.next.load(Ordering::Relaxed);
        let mut id = first;
        for bytes in records {
            queue.work.record_bytes += bytes.len();
            queue.work.records.push(Record {
                log: log.clone(),
                id,
                bytes: Some(bytes),
            });
            id += 1;
        }
        log.next.store(id, Ordering::Relaxed);
        let generation = queue.collecting;
        if queue.work.record_bytes > MAX_QUEUED_RECORD_BYTES {
            // If this fails, so will the ticket.
            let _ = self.wait_in(shared, queue, generation);
        }
        (generation, first)
    }

    /// Removes old records of a log and returns when that is durable.
    pub fn remove(&self, shared: &Shared, log: &Arc<LogState>, ids: std::ops::Range<u64>) -> Result<(), Error> {
        let mut queue = self.queue.lock();
        queue.work.records.extend(ids.map(|id| Record {
            log: log.clone(),
            id,
            bytes: None,
        }));
        let generation = queue.collecting;
        self.wait_in(shared, queue, generation)
    }

    /// Returns when everything that was queued up to this generation is durable.
    pub fn wait(&self, shared: &Shared, generation: Generation) -> Result<(), Error> {
        self.wait_in(shared, self.queue.lock(), generation)
    }

    /// Fails once a write has failed.
    pub fn check(&self) -> Result<(), Error> {
        match &self.queue.lock().failed {
            Some(cause) => Err(Error::Failed(cause.clone())),
            None => Ok(()),
        }
    }

    /// Writes out what is queued and nobody waits for.
    pub fn flush(&self, shared: &Shared) -> Result<(), Error> {
        let queue = self.queue.lock();
        if queue.work.is_empty() && !queue.leading {
            return queue.failed.as_ref().map_or(Ok(()), |cause| Err(Error::Failed(cause.clone())));
        }
        let generation = if queue.work.is_empty() {
            queue.collecting - 1
        } else {
            queue.collecting
        };
        self.wait_in(shared, queue, generation)
    }

    fn wait_in<'a>(&'a self, shared: &Shared, mut queue: MutexGuard<'a, Queue>, generation: Generation) -> Result<(), Error> {
        loop {
            if queue.done >= generation {
                return Ok(());
            }
            if let Some(cause) = &queue.failed {
                return Err(Error::Failed(cause.clone()));
            }
            if queue.leading {
                self.done[parity(generation)].wait(&mut queue);
                continue;
            }
            queue.leading = true;
            let work = std::mem::take(&mut queue.work);
            let led = queue.collecting;
            queue.collecting += 1;
            drop(queue);

            let mut lead = Lead {
                committer: self,
                generation: led,
                outcome: Err(Error::Failed("a commit was cut short".into())),
            };
            lead.outcome = write(shared, work);
            drop(lead);
            shared.collect_history();
            queue = self.queue.lock();
        }
    }
}

/// Says how a generation ended, even if its leader panics.
struct Lead<'a> {
    committer: &'a Committer,
    generation: Generation,
    outcome: Result<(), Error>,
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let mut queue = self.committer.queue.lock();
        queue.leading = false;
        match &self.outcome {
            Ok(()) => queue.done = self.generation,
            Err(error) => {
                tracing::error!("a commit failed, no more writes until restart: {error}");
                let first = queue.failed.replace(error.to_string()).is_none();
                if let (true, Some(tell)) = (first, self.committer.tell.get()) {
                    tell(&error.to_string());
                }
                self.committer.done[parity(self.generation + 1)].notify_all();
            }
        }
        self.committer.done[parity(self.generation)].notify_all();
        self.committer.done[parity(self.generation + 1)].notify_one();
    }
}

fn parity(generation: Generation) -> usize {
    (generation % 2) as usize
}

/// The leader's work: batches of which none writes a key twice.
fn write(shared: &Shared, work: Work) -> Result<(), Error> {
    let mut records = work.records;
    let mut transactions = work.transactions.as_slice();
    while !transactions.is_empty() || !records.is_empty() {
        let taken = write_batch(shared, transactions, std::mem::take(&mut records))?;
        transactions = &transactions[taken..];
    }
    Ok(())
}

/// Writes the records and as many of the transactions as change different keys, as one commit.
fn write_batch(shared: &Shared, transactions: &[Arc<Pending>], records: Vec<Record>) -> Result<usize, Error> {
    let commit = shared.snapshots.committed() + 1;
    let mut batch = Vec::new();
    let mut logs: Vec<(Arc<LogState>, u64)> = Vec::new();
    for Record { log, id, bytes } in records {
        let appended = bytes.is_some();
        batch.push(Change {
            space: Space::Log,
            key: log.key(id),
            value: bytes.map(Bytes::from),
        });
        if !appended {
            continue;
        }
        match logs.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &log)) {
            Some((_, last)) => *last = id,
            None => logs.push((log, id)),
        }
    }

    let mut taken = 0;
    let mut committed = Vec::new();
    // Only filled if there is a second transaction to compare with.
    let mut written: HashSet<Bytes> = HashSet::new();
    for pending in transactions {
        let mut writes = pending.writes.lock();
        if taken > 0 && !written.is_empty() && writes.iter().any(|write| written.contains(&*write.key)) {
            break;
        }
        taken += 1;
        if is_outdated(shared, pending, &writes) {
            *pending.outcome.lock() = Some(Err(Error::Serialization));
            continue;
        }
        let writes = std::mem::take(&mut *writes);
        if transactions.len() > 1 {
            written.extend(writes.iter().map(|write| write.key.clone()));
        }
        let mut replaced = Vec::with_capacity(writes.len());
        batch.reserve(writes.len());
        for Write { key, value, replaces } in writes {
            replaced.push((key.clone(), replaced_value(shared, &key, replaces)?));
            batch.push(Change {
                space: Space::Data,
                key,
                value,
            });
        }
        shared.history.publish(commit, replaced);
        committed.push(pending);
    }

    if !batch.is_empty() {
        shared.store.apply(batch)?;
        shared.store.sync()?;
    }
    for (log, last) in logs {
        log.durable.store(last, Ordering::Release);
    }
    if !committed.is_empty() {
        shared.snapshots.advance(commit);
    }
    for pending in committed {
        *pending.outcome.lock() = Some(Ok(()));
    }
    Ok(taken)
}

/// Whether a commit after the transaction's snapshot changed what it read or is about to replace.
/// Transactions of the same batch that go before it have published what they replace by now.
fn is_outdated(shared: &Shared, pending: &Pending, writes: &[Write]) -> bool {
    let changed = |key: &[u8]| shared.history.newest_change(key).is_some_and(|commit| commit > pending.snapshot);
    (pending.first_committer_wins && writes.iter().any(|write| changed(&write.key)))
        || pending
            .reads
            .as_ref()
            .is_some_and(|reads| reads.changed_since(&shared.history, pending.snapshot))
}

fn replaced_value(shared: &Shared, key: &Bytes, replaces: Replaces) -> Result<Option<Bytes>, Error> {
    match replaces {
        // The transaction's own snapshot is no newer than `as_of`, so the history still knows every
        // change after it.
        Replaces::Known { value, as_of } if shared.history.newest_change(key).is_none_or(|commit| commit <= as_of) => Ok(value),
        Replaces::Known { .. } | Replaces::Unknown => shared.store.get(Space::Data, key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Snapshot;
    use crate::{Db, StoreKind};

    fn pending(value: &str, replaces: Replaces) -> Arc<Pending> {
        let write = Write {
            key: Bytes::from(b"k"),
            value: Some(Bytes::from(value.as_bytes())),
            replaces,
        };
        Arc::new(Pending {
            first_committer_wins: false,
            reads: None,
            snapshot: 0,
            writes: Mutex::new(vec![write]),
            outcome: Mutex::new(None),
        })
    }

    fn on_both(check: impl Fn(&Arc<Shared>)) {
        for kind in StoreKind::ALL {
            let folder = tempfile::tempdir().unwrap();
            check(Db::open(folder.path(), kind).unwrap().shared());
        }
    }

    #[test]
    fn two_writes_of_one_key_are_two_batches() {
        on_both(|shared| {
            let both = [pending("1", Replaces::Unknown), pending("2", Replaces::Unknown)];
            assert_eq!(write_batch(shared, &both, Vec::new()), Ok(1));
            assert_eq!(write_batch(shared, &both[1..], Vec::new()), Ok(1));
            assert_eq!(shared.store.get(Space::Data, b"k"), Ok(Some(Bytes::from(b"2"))));
        });
    }

    #[test]
    fn a_replaced_value_that_was_read_too_early_is_read_again() {
        on_both(|shared| {
            let before = Snapshot::take(shared);
            let early = Replaces::Known {
                value: None,
                as_of: before.commit,
            };
            assert_eq!(write_batch(shared, &[pending("1", Replaces::Unknown)], Vec::new()), Ok(1));
            let between = Snapshot::take(shared);
            assert_eq!(write_batch(shared, &[pending("2", early)], Vec::new()), Ok(1));
            assert_eq!(shared.read_at(b"k", before.commit), Ok(None));
            assert_eq!(shared.read_at(b"k", between.commit), Ok(Some(Bytes::from(b"1"))));
        });
    }

    #[test]
    fn a_failure_is_told_once() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let committer = Committer::new();
        let list = told.clone();
        committer.on_failure(Box::new(move |cause| list.lock().push(cause.to_string())));
        let end = |outcome: Result<(), Error>| {
            drop(Lead {
                committer: &committer,
                generation: 1,
                outcome,
            })
        };
        end(Ok(()));
        assert_eq!((told.lock().len(), committer.check()), (0, Ok(())));
        end(Err(Error::Store("sync: No space left on device".into())));
        end(Err(Error::Store("write: again".into())));
        assert_eq!(*told.lock(), ["the store failed: sync: No space left on device"]);
        assert!(matches!(committer.check(), Err(Error::Failed(_))));
    }
}
