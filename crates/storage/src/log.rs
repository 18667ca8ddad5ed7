//! Append-only logs of records, numbered from 1 without gaps.
//!
//! The life of a record: [`AppendLog::append`] gives it its number and queues it; the next group
//! commit makes it durable together with everything else that waits, and [`Ticket::wait`] says so.
//! Numbers are given in the order of the queue and batches are atomic, so whatever happens, what is
//! found after a crash is 1, 2, 3 and so on up to at least the last one that anybody was told is
//! durable. There is no way to change a record, and one to remove some: the oldest ones, up to some
//! number ([`AppendLog::remove_before`]).

use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::commit::Generation;
use crate::db::Shared;
use crate::scan::CHUNK_BYTES;
use crate::store::{ChunkEnd, ChunkLimit, Space, Store};
use crate::{Bytes, Direction, Error};

/// A log's name stands in the key of each of its records, after a byte for its length.
const MAX_NAME_BYTES: usize = 64;

const READ_ROWS: usize = 512;

/// So many records are removed by one commit.
const REMOVED_ROWS: u64 = 16_384;

/// A log, opened by [`crate::Db::append_log`]. Clones are the same log.
#[derive(Clone)]
pub struct AppendLog {
    shared: Arc<Shared>,
    state: Arc<LogState>,
}

pub(crate) struct LogState {
    prefix: Vec<u8>,
    /// The id of the first record that is kept; raised before any record is removed.
    pub first: AtomicU64,
    /// The id of the next record; changed only under the committer's lock.
    pub next: AtomicU64,
    /// Every record up to this id is durable.
    pub durable: AtomicU64,
    /// Records are removed by one at a time.
    removing: Mutex<()>,
}

impl LogState {
    pub fn open(store: &dyn Store, name: &str) -> Result<LogState, Error> {
        let length = u8::try_from(name.len())
            .ok()
            .filter(|length| (1..=MAX_NAME_BYTES).contains(&usize::from(*length)));
        let length = length.ok_or_else(|| Error::NotAKey(format!("a log name of {} bytes", name.len())))?;
        let mut prefix = vec![length];
        prefix.extend_from_slice(name.as_bytes());
        let state = LogState {
            prefix,
            first: AtomicU64::new(1),
            next: AtomicU64::new(1),
            durable: AtomicU64::new(0),
            removing: Mutex::new(()),
        };
        if let Some(last) = state.edge(store, Direction::Backward)? {
            let first = state.edge(store, Direction::Forward)?.unwrap_or(1);
            state.first.store(first, Ordering::Relaxed);
            state.next.store(last + 1, Ordering::Relaxed);
            state.durable.store(last, Ordering::Relaxed);
        }
        Ok(state)
    }

    pub fn key(&self, id: u64) -> Bytes {
        Bytes::from([self.prefix.as_slice(), &id.to_be_bytes()].concat())
    }

    fn id(&self, key: &[u8]) -> Result<u64, Error> {
        let id = key.strip_prefix(self.prefix.as_slice()).and_then(|id| <[u8; 8]>::try_from(id).ok());
        id.map(u64::from_be_bytes).ok_or_else(|| Error::corrupt("the key of a log record"))
    }

    fn edge(&self, store: &dyn Store, direction: Direction) -> Result<Option<u64>, Error> {
        let (lower, upper) = (self.key(0), self.key(u64::MAX));
        let mut found = Vec::new();
        let limit = ChunkLimit {
            rows: 1,
            bytes: usize::MAX,
        };
        store.scan(
            Space::Log,
            (Bound::Included(&lower), Bound::Included(&upper)),
            direction,
            limit,
            &mut found,
        )?;
        found.first().map(|(key, _)| self.id(key)).transpose()
    }
}

impl AppendLog {
    pub(crate) fn new(shared: Arc<Shared>, state: Arc<LogState>) -> AppendLog {
        AppendLog { shared, state }
    }

    /// Numbers the records and queues them, without waiting: they are durable when the ticket's
    /// [`Ticket::wait`] says so, or some milliseconds later if nobody asks.
    pub fn append(&self, records: Vec<Vec<u8>>) -> Ticket {
        let count = records.len() as u64;
        let (generation, first) = self.shared.committer.append(&self.shared, &self.state, records);
        if count > 0 {
            self.shared.flusher.wake();
        }
        Ticket {
            shared: self.shared.clone(),
            generation,
            first,
            count,
        }
    }

    /// Fails if a record could not be written, and so none after it will be: for those who do not wait.
    pub fn check(&self) -> Result<(), Error> {
        self.shared.committer.check()
    }

    /// The first record that is kept: 1 until some are removed.
    pub fn first_id(&self) -> u64 {
        self.state.first.load(Ordering::Acquire)
    }

    /// The last durable record; 0 if there is none.
    pub fn last_id(&self) -> u64 {
        self.state.durable.load(Ordering::Acquire)
    }

    /// The id that the next record will get, if nobody else appends before.
    pub fn next_id(&self) -> u64 {
        self.state.next.load(Ordering::Acquire)
    }

    /// One durable record; None if it is not there.
    pub fn get(&self, id: u64) -> Result<Option<Bytes>, Error> {
        if id < self.first_id() || id > self.last_id() {
            return Ok(None);
        }
        self.shared.store.get(Space::Log, &self.state.key(id))
    }

    /// Removes the records before this one for good; answers how many. The newest durable record stays whatever is asked, because
    /// numbers go on from it. Readers skip what is being removed. The oldest go first, so that a crash
    /// leaves a log that begins somewhere before `first_kept` and has no gaps.
    pub fn remove_before(&self, first_kept: u64) -> Result<u64, Error> {
        let _removing = self.state.removing.lock();
        let (first, first_kept) = (self.first_id(), first_kept.min(self.last_id()));
        if first_kept <= first {
            return Ok(0);
        }
        self.state.first.store(first_kept, Ordering::Release);
        let mut next = first;
        while next < first_kept {
            let end = first_kept.min(next.saturating_add(REMOVED_ROWS));
            self.shared.committer.remove(&self.shared, &self.state, next..end)?;
            next = end;
        }
        Ok(first_kept - first)
    }

    /// The durable records of the range, in order. Records that become durable later are not
    /// part of it.
    pub fn read(&self, ids: impl RangeBounds<u64>) -> LogRead {
        self.read_some(ids, false)
    }

    /// The same, but a record that is missing is passed over instead of being an error: for whoever looks for such places.
    pub fn read_with_gaps(&self, ids: impl RangeBounds<u64>) -> LogRead {
        self.read_some(ids, true)
    }

    fn read_some(&self, ids: impl RangeBounds<u64>, gaps: bool) -> LogRead {
        let next = match ids.start_bound() {
            Bound::Included(first) => *first,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 1,
        };
        let last = match ids.end_bound() {
            Bound::Included(last) => *last,
            Bound::Excluded(after) => after.saturating_sub(1),
            Bound::Unbounded => u64::MAX,
        };
        LogRead {
            log: self.clone(),
            next: next.max(1),
            last: last.min(self.last_id()),
            gaps,
            chunk: Vec::new().into_iter(),
        }
    }
}

/// Records on their way to disk.
#[must_use = "a record is durable only when wait says so"]
pub struct Ticket {
    shared: Arc<Shared>,
    generation: Generation,
    first: u64,
    count: u64,
}

impl Ticket {
    /// The ids of the records, in the order in which they were given.
    pub fn ids(&self) -> std::ops::Range<u64> {
        self.first..self.first + self.count
    }

    /// Returns when the records, and all before them, are durable.
    pub fn wait(&self) -> Result<(), Error> {
        if self.count == 0 {
            return Ok(());
        }
        self.shared.committer.wait(&self.shared, self.generation)
    }
}

/// An iterator over the records of a log.
pub struct LogRead {
    log: AppendLog,
    next: u64,
    last: u64,
    /// Whether records may be missing.
    gaps: bool,
    chunk: std::vec::IntoIter<(u64, Bytes)>,
}

impl LogRead {
    fn fill(&mut self) -> Result<(), Error> {
        let state = &self.log.state;
        self.next = self.next.max(self.log.first_id());
        if self.next > self.last {
            return Ok(());
        }
        let (lower, upper) = (state.key(self.next), state.key(self.last));
        let range = (Bound::Included(&*lower), Bound::Included(&*upper));
        let limit = ChunkLimit {
            rows: READ_ROWS,
            bytes: CHUNK_BYTES,
        };
        let mut found = Vec::new();
        let end = self
            .log
            .shared
            .store
            .scan(Space::Log, range, Direction::Forward, limit, &mut found)?;
        let mut records = Vec::with_capacity(found.len());
        // Looked at after reading: what was missed because it was being removed lies before it.
        let first = self.log.first_id();
        self.next = self.next.max(first);
        for (key, bytes) in found {
            let id = state.id(&key)?;
            if id < first {
                continue;
            }
            if self.gaps {
                self.next = id;
            }
            if id != self.next {
                return Err(Error::corrupt(format!("log record {} is missing", self.next)));
            }
            records.push((id, bytes));
            self.next += 1;
        }
        if end == ChunkEnd::Range && self.gaps {
            self.next = self.last.saturating_add(1);
        }
        if end == ChunkEnd::Range && self.next <= self.last {
            return Err(Error::corrupt(format!("log record {} is missing", self.next)));
        }
        self.chunk = records.into_iter();
        Ok(())
    }
}

impl Iterator for LogRead {
    type Item = Result<(u64, Bytes), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.chunk.next() {
                return Some(Ok(record));
            }
            if self.next > self.last {
                return None;
            }
            if let Err(error) = self.fill() {
                self.last = 0;
                return Some(Err(error));
            }
        }
    }
}
