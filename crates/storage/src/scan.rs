//! Scans: entries of a range as of a snapshot, merged from the store, the history and the
//! transaction's own writes, chunk by chunk.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::history::is_empty_range;
use crate::snapshot::Snapshot;
use crate::store::{ChunkEnd, ChunkLimit, Space};
use crate::transaction::Inner;
use crate::writes::Position;
use crate::{Bytes, Error};

/// The first chunk is small, because many scans are for a few rows; each later one is four times
/// as big, up to this.
const FIRST_CHUNK_ROWS: usize = 16;
const LAST_CHUNK_ROWS: usize = 1024;
pub(crate) const CHUNK_BYTES: usize = 1 << 20;

/// Keys of the history or of the own writes that are merged at a time.
const MAX_OVERLAY_KEYS: usize = 4096;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    #[default]
    Forward,
    Backward,
}

/// An iterator over (key, value). It may outlive the borrow of its transaction, but not the
/// transaction: after commit or rollback it ends with [`Error::TransactionEnded`].
pub struct Scan {
    transaction: Arc<Inner>,
    snapshot: Arc<Snapshot>,
    mark: Position,
    /// The place in the transaction's reads where this scan reports what it covers.
    reads: Option<usize>,
    /// Where the scan began, for that report.
    start: Bound<Bytes>,
    /// What is still to be read.
    lower: Bound<Bytes>,
    upper: Bound<Bytes>,
    direction: Direction,
    chunk: std::vec::IntoIter<(Bytes, Bytes)>,
    chunk_rows: usize,
    done: bool,
}

impl Scan {
    pub(crate) fn new(
        transaction: Arc<Inner>,
        snapshot: Arc<Snapshot>,
        mark: Position,
        reads: Option<usize>,
        (lower, upper): (Bound<Vec<u8>>, Bound<Vec<u8>>),
        direction: Direction,
    ) -> Scan {
        let (lower, upper) = (lower.map(Bytes::from), upper.map(Bytes::from));
        let start = match direction {
            Direction::Forward => lower.clone(),
            Direction::Backward => upper.clone(),
        };
        let done = is_empty_range((borrow(&lower), borrow(&upper)));
        let chunk = Vec::new().into_iter();
        Scan {
            transaction,
            snapshot,
            mark,
            reads,
            start,
            lower,
            upper,
            direction,
            chunk,
            chunk_rows: FIRST_CHUNK_ROWS,
            done,
        }
    }

    /// Reads the next chunk: first the store, then what it may have too new, then the own writes.
    fn fill(&mut self) -> Result<(), Error> {
        let limit = ChunkLimit {
            rows: self.chunk_rows,
            bytes: CHUNK_BYTES,
        };
        self.chunk_rows = (self.chunk_rows * 4).min(LAST_CHUNK_ROWS);
        let shared = self.transaction.shared();
        let mut entries = Vec::with_capacity(limit.rows.min(64));
        let range = (borrow(&self.lower), borrow(&self.upper));
        let end = shared.store.scan(Space::Data, range, self.direction, limit, &mut entries)?;
        // The end of what this chunk covers; None: all that is left.
        let mut cut: Option<Bound<Bytes>> = match (end, entries.last()) {
            (ChunkEnd::Limit, Some((last, _))) => Some(Bound::Included(last.clone())),
            (ChunkEnd::Limit, None) | (ChunkEnd::Range, _) => None,
        };

        let mut overlay = BTreeMap::new();
        if !shared.history.is_empty() {
            let range = self.until(&cut);
            let left_out = shared.history.overlay(
                borrow_both(&range),
                self.direction,
                self.snapshot.commit,
                MAX_OVERLAY_KEYS,
                &mut overlay,
            );
            cut = left_out.map(Bound::Excluded).or(cut);
        }
        let (covers, own_cut) = self.transaction.with_open(|writes, reads| {
            let mut range = self.until(&cut);
            let left_out = writes.overlay(borrow_both(&range), self.direction, self.mark, MAX_OVERLAY_KEYS, &mut overlay);
            let cut = left_out.map(Bound::Excluded).or(cut);
            range = self.until(&cut);
            if let Some(place) = self.reads {
                let covered = match self.direction {
                    Direction::Forward => (self.start.clone(), range.1.clone()),
                    Direction::Backward => (range.0.clone(), self.start.clone()),
                };
                reads.covered(place, covered);
            }
            (range, cut)
        })?;

        if !overlay.is_empty() {
            entries = merge(entries, overlay, self.direction);
        }
        match own_cut {
            None => self.done = true,
            Some(cut) => {
                if let Bound::Excluded(_) = cut {
                    entries.retain(|(key, _)| std::ops::RangeBounds::<[u8]>::contains(&borrow_both(&covers), &**key));
                }
                let rest = match cut {
                    Bound::Included(key) => Bound::Excluded(key),
                    Bound::Excluded(key) => Bound::Included(key),
                    Bound::Unbounded => Bound::Unbounded,
                };
                match self.direction {
                    Direction::Forward => self.lower = rest,
                    Direction::Backward => self.upper = rest,
                }
                self.done = is_empty_range((borrow(&self.lower), borrow(&self.upper)));
            }
        }
        self.chunk = entries.into_iter();
        Ok(())
    }

    /// What is left to read, up to a cut in the scan's direction.
    fn until(&self, cut: &Option<Bound<Bytes>>) -> (Bound<Bytes>, Bound<Bytes>) {
        match (cut, self.direction) {
            (None, _) => (self.lower.clone(), self.upper.clone()),
            (Some(cut), Direction::Forward) => (self.lower.clone(), cut.clone()),
            (Some(cut), Direction::Backward) => (cut.clone(), self.upper.clone()),
        }
    }
}

impl Iterator for Scan {
    type Item = Result<(Bytes, Bytes), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.chunk.next() {
                return Some(Ok(entry));
            }
            if self.done {
                return None;
            }
            if let Err(error) = self.fill() {
                self.done = true;
                return Some(Err(error));
            }
        }
    }
}

impl Drop for Scan {
    fn drop(&mut self) {
        self.transaction.forget_mark(self.mark);
    }
}

/// Puts the overlay's values over the store's: None removes the key.
fn merge(entries: Vec<(Bytes, Bytes)>, mut overlay: BTreeMap<Bytes, Option<Bytes>>, direction: Direction) -> Vec<(Bytes, Bytes)> {
    for (key, value) in entries {
        overlay.entry(key).or_insert(Some(value));
    }
    let merged = overlay.into_iter().filter_map(|(key, value)| Some((key, value?)));
    match direction {
        Direction::Forward => merged.collect(),
        Direction::Backward => merged.rev().collect(),
    }
}

fn borrow(bound: &Bound<Bytes>) -> Bound<&[u8]> {
    bound.as_ref().map(|key| &**key)
}

fn borrow_both((lower, upper): &(Bound<Bytes>, Bound<Bytes>)) -> (Bound<&[u8]>, Bound<&[u8]>) {
    (borrow(lower), borrow(upper))
}
