//! Append-only logs of records, numbered from 1 without gaps.
//!
//! The life of a record: [`AppendLog::append`] gives it its number and queues it; the next group
//! commit makes it durable together with everything else that waits, and [`Ticket::wait`] says so.
//! Numbers are given in the order of the queue and batches are atomic, so whatever happens, what is
//! found after a crash is 1, 2, 3 and so on up to at least the last one that anybody was told is
//! durable. There is no way to change or remove a record.

use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::commit::Generation;
use crate::db::Shared;
use crate::scan::CHUNK_BYTES;
use crate::store::{ChunkEnd, ChunkLimit, Space, Store};
use crate::{Bytes, Direction, Error};

/// A log's name stands in the key of each of its records, after a byte for its length.
const MAX_NAME_BYTES: usize = 64;

const READ_ROWS: usize = 512;

/// A log, opened by [`crate::Db::append_log`]. Clones are the same log.
#[derive(Clone)]
pub struct AppendLog {
    shared: Arc<Shared>,
    state: Arc<LogState>,
}

pub(crate) struct LogState {
    prefix: Vec<u8>,
    /// The id of the next record; changed only under the committer's lock.
    pub next: AtomicU64,
    /// Every record up to this id is durable.
    pub durable: AtomicU64,
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
            next: AtomicU64::new(1),
            durable: AtomicU64::new(0),
        };
        if let Some(last) = state.edge(store, Direction::Backward)? {
            let first = state.edge(store, Direction::Forward)?;
            if first != Some(1) {
                return Err(Error::corrupt(format!("log \"{name}\" begins at record {first:?}")));
            }
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

    /// The last durable record; 0 if there is none.
    pub fn last_id(&self) -> u64 {
        self.state.durable.load(Ordering::Acquire)
    }

    /// The id that the next record will get, if nobody else appends before.
    pub fn next_id(&self) -> u64 {
        self.state.next.load(Ordering::Acquire)
    }

    /// The durable records of the range, in order. Records that become durable later are not
    /// part of it.
    pub fn read(&self, ids: impl RangeBounds<u64>) -> LogRead {
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
    chunk: std::vec::IntoIter<(u64, Bytes)>,
}

impl LogRead {
    fn fill(&mut self) -> Result<(), Error> {
        let state = &self.log.state;
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
        for (key, bytes) in found {
            let id = state.id(&key)?;
            if id != self.next {
                return Err(Error::corrupt(format!("log record {} is missing", self.next)));
            }
            records.push((id, bytes));
            self.next += 1;
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
        self.chunk.next().map(Ok)
    }
}
