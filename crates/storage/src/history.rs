//! The values that commits have replaced and some snapshot may still read.
//!
//! The life of an old version: the committer puts it here *before* it writes the new value to the
//! store; readers look into the store first and here second, so whichever moment they hit, the store
//! has the old value or the history does. It goes when no snapshot is older than the commit that
//! replaced it.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{Mutex, RwLock};

use crate::snapshot::CommitNumber;
use crate::store::Range;
use crate::{Bytes, Direction};

/// Keys put in or taken out under one hold of the lock, so that readers are not held up by a
/// transaction of a million rows.
const KEYS_PER_LOCK: usize = 256;

#[derive(Default)]
pub(crate) struct History {
    keys: RwLock<BTreeMap<Bytes, Replaced>>,
    /// The number of keys, readable without the lock: most of the time it is 0.
    len: AtomicUsize,
    /// What was put in, in order of commits, so that it can be taken out again.
    order: Mutex<VecDeque<(CommitNumber, Bytes)>>,
}

/// The replaced values of one key, oldest first: `(commit, value)` was the key's value until `commit`.
struct Replaced {
    first: (CommitNumber, Option<Bytes>),
    later: Vec<(CommitNumber, Option<Bytes>)>,
}

impl Replaced {
    fn newest(&self) -> CommitNumber {
        self.later.last().unwrap_or(&self.first).0
    }

    fn at(&self, snapshot: CommitNumber) -> Option<&Option<Bytes>> {
        if self.first.0 > snapshot {
            return Some(&self.first.1);
        }
        self.later.iter().find(|(commit, _)| *commit > snapshot).map(|(_, value)| value)
    }
}

impl History {
    /// Asked after the store was read: if true, the store's answer stands.
    pub fn is_empty(&self) -> bool {
        self.len.load(Ordering::Acquire) == 0
    }

    pub fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// The value that `key` had at `snapshot`, if the store's value may be newer: Some(None) means
    /// that it had none.
    pub fn value_at(&self, key: &[u8], snapshot: CommitNumber) -> Option<Option<Bytes>> {
        self.keys.read().get(key)?.at(snapshot).cloned()
    }

    /// The newest commit that replaced the key's value, as far as it is remembered.
    pub fn newest_change(&self, key: &[u8]) -> Option<CommitNumber> {
        if self.is_empty() {
            return None;
        }
        self.keys.read().get(key).map(Replaced::newest)
    }

    /// Whether any key of `range` was changed after `snapshot`.
    pub fn changed_in(&self, range: Range<'_>, snapshot: CommitNumber) -> bool {
        !self.is_empty()
            && self
                .keys
                .read()
                .range::<[u8], _>(range)
                .any(|(_, replaced)| replaced.newest() > snapshot)
    }

    /// Collects into `out` what keys of `range` had at `snapshot` where the store may be newer. Looks
    /// at no more than `limit` keys and returns the first that it left out.
    pub fn overlay(
        &self,
        range: Range<'_>,
        direction: Direction,
        snapshot: CommitNumber,
        limit: usize,
        out: &mut BTreeMap<Bytes, Option<Bytes>>,
    ) -> Option<Bytes> {
        let keys = self.keys.read();
        let mut entries = keys.range::<[u8], _>(range);
        for _ in 0..limit {
            let next = match direction {
                Direction::Forward => entries.next(),
                Direction::Backward => entries.next_back(),
            };
            let (key, replaced) = next?;
            if let Some(value) = replaced.at(snapshot) {
                out.insert(key.clone(), value.clone());
            }
        }
        match direction {
            Direction::Forward => entries.next().map(|(key, _)| key.clone()),
            Direction::Backward => entries.next_back().map(|(key, _)| key.clone()),
        }
    }

    /// Remembers what `commit` is about to replace. Commits come in order.
    pub fn publish(&self, commit: CommitNumber, replaced: Vec<(Bytes, Option<Bytes>)>) {
        let mut order = self.order.lock();
        let mut replaced = replaced.into_iter();
        loop {
            let mut keys = self.keys.write();
            for _ in 0..KEYS_PER_LOCK {
                let Some((key, value)) = replaced.next() else {
                    self.len.store(keys.len(), Ordering::Release);
                    return;
                };
                order.push_back((commit, key.clone()));
                match keys.get_mut(&*key) {
                    Some(entry) => entry.later.push((commit, value)),
                    None => {
                        keys.insert(
                            key,
                            Replaced {
                                first: (commit, value),
                                later: Vec::new(),
                            },
                        );
                    }
                }
            }
            self.len.store(keys.len(), Ordering::Release);
        }
    }

    /// Forgets what no snapshot at or after `horizon` can read.
    pub fn collect(&self, horizon: CommitNumber) {
        // Whoever is at it already, or publishing, leaves little behind for the next.
        let Some(mut order) = self.order.try_lock() else { return };
        while order.front().is_some_and(|(commit, _)| *commit <= horizon) {
            let mut keys = self.keys.write();
            for _ in 0..KEYS_PER_LOCK {
                if order.front().is_none_or(|(commit, _)| *commit > horizon) {
                    break;
                }
                let Some((commit, key)) = order.pop_front() else { break };
                let Some(entry) = keys.get_mut(&*key) else { continue };
                debug_assert_eq!(
                    entry.first.0, commit,
                    "versions of a key are collected in the order of their commits"
                );
                if entry.later.is_empty() {
                    keys.remove(&*key);
                } else {
                    entry.first = entry.later.remove(0);
                }
            }
            self.len.store(keys.len(), Ordering::Release);
        }
        if order.capacity() > 4096 && order.len() * 8 < order.capacity() {
            order.shrink_to_fit();
        }
    }
}

/// Whether the bounds leave nothing between them; the stores and `BTreeMap` take that badly.
pub(crate) fn is_empty_range(range: Range<'_>) -> bool {
    match range {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(lower), Bound::Included(upper)) => lower > upper,
        (Bound::Included(lower) | Bound::Excluded(lower), Bound::Included(upper) | Bound::Excluded(upper)) => lower >= upper,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Bytes {
        Bytes::from(text.as_bytes())
    }

    #[test]
    fn each_snapshot_sees_the_value_that_its_commit_left() {
        let history = History::default();
        history.publish(3, vec![(key("a"), None)]);
        history.publish(5, vec![(key("a"), Some(key("three")))]);
        assert_eq!(history.value_at(b"a", 2), Some(None));
        assert_eq!(history.value_at(b"a", 3), Some(Some(key("three"))));
        assert_eq!(history.value_at(b"a", 4), Some(Some(key("three"))));
        assert_eq!(history.value_at(b"a", 5), None);
        assert_eq!(history.newest_change(b"a"), Some(5));
        assert!(history.changed_in((Bound::Unbounded, Bound::Unbounded), 4));
        assert!(!history.changed_in((Bound::Unbounded, Bound::Unbounded), 5));

        history.collect(4);
        assert_eq!(history.value_at(b"a", 4), Some(Some(key("three"))));
        history.collect(5);
        assert!(history.is_empty());
        assert_eq!(history.value_at(b"a", 4), None);
    }
}
