//! What a transaction has written and not committed: the newest value of each key, and older ones
//! for as long as a savepoint or an open scan may want them.

use std::collections::{BTreeMap, BTreeSet};

use crate::store::Range;
use crate::{Bytes, Direction, Error, MAX_TRANSACTION_BYTES};

/// A moment in the life of a transaction. No two events share one: writes and marks both count.
pub(crate) type Position = u64;

/// What one buffered write costs beside its key and value, roughly.
const OVERHEAD_BYTES: usize = 64;

#[derive(Default)]
pub(crate) struct Writes {
    keys: BTreeMap<Bytes, Versions>,
    position: Position,
    /// Moments that somebody may want to see or to go back to: savepoints and open scans.
    marks: BTreeSet<Position>,
    /// The savepoints among the marks, oldest first.
    savepoints: Vec<Position>,
    /// Writes since the oldest savepoint, so that going back costs what is undone.
    journal: Vec<(Position, Bytes)>,
    bytes: usize,
}

struct Versions {
    newest: Version,
    /// Oldest first.
    older: Vec<Version>,
}

struct Version {
    position: Position,
    value: Option<Bytes>,
}

impl Version {
    fn bytes(&self, key: &Bytes) -> usize {
        key.len() + self.value.as_ref().map_or(0, |value| value.len()) + OVERHEAD_BYTES
    }
}

impl Writes {
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Some(None): deleted.
    pub fn get(&self, key: &[u8]) -> Option<&Option<Bytes>> {
        if self.keys.is_empty() {
            return None;
        }
        self.keys.get(key).map(|versions| &versions.newest.value)
    }

    pub fn put(&mut self, key: Bytes, value: Option<Bytes>) -> Result<(), Error> {
        let version = Version {
            position: self.position + 1,
            value,
        };
        let bytes = self.bytes.saturating_add(version.bytes(&key));
        if bytes > MAX_TRANSACTION_BYTES {
            return Err(Error::TransactionTooLarge { bytes });
        }
        self.bytes = bytes;
        self.position += 1;
        if !self.savepoints.is_empty() {
            self.journal.push((self.position, key.clone()));
        }
        match self.keys.get_mut(&*key) {
            None => {
                self.keys.insert(
                    key,
                    Versions {
                        newest: version,
                        older: Vec::new(),
                    },
                );
            }
            Some(versions) => {
                let replaced = std::mem::replace(&mut versions.newest, version);
                versions.older.push(replaced);
                self.bytes -= versions.prune(&key, &self.marks);
            }
        }
        Ok(())
    }

    /// Remembers this moment for a scan; give it back to [`Writes::forget`].
    pub fn mark(&mut self) -> Position {
        self.position += 1;
        self.marks.insert(self.position);
        self.position
    }

    pub fn forget(&mut self, mark: Position) {
        self.marks.remove(&mark);
    }

    pub fn savepoint(&mut self) -> Position {
        let mark = self.mark();
        self.savepoints.push(mark);
        mark
    }

    /// Undoes every write since the savepoint, which stays, and forgets the savepoints after it.
    pub fn rollback_to(&mut self, savepoint: Position) -> Result<(), Error> {
        let place = self.savepoints.binary_search(&savepoint).map_err(|_| Error::NoSuchSavepoint)?;
        for later in self.savepoints.drain(place + 1..) {
            self.marks.remove(&later);
        }
        while let Some((_, key)) = self.journal.pop_if(|(position, _)| *position > savepoint) {
            let Some(versions) = self.keys.get_mut(&*key) else { continue };
            let keep = loop {
                if versions.newest.position < savepoint {
                    break true;
                }
                self.bytes -= versions.newest.bytes(&key);
                match versions.older.pop() {
                    Some(older) => versions.newest = older,
                    None => break false,
                }
            };
            if !keep {
                self.keys.remove(&*key);
            }
        }
        Ok(())
    }

    /// Forgets the savepoint and those after it; their writes stay.
    pub fn release(&mut self, savepoint: Position) -> Result<(), Error> {
        let place = self.savepoints.binary_search(&savepoint).map_err(|_| Error::NoSuchSavepoint)?;
        for released in self.savepoints.drain(place..) {
            self.marks.remove(&released);
        }
        if self.savepoints.is_empty() {
            self.journal.clear();
        }
        Ok(())
    }

    /// Collects into `out` what this transaction had written in `range` at `mark`. Looks at no more
    /// than `limit` keys and returns the first that it left out.
    pub fn overlay(
        &self,
        range: Range<'_>,
        direction: Direction,
        mark: Position,
        limit: usize,
        out: &mut BTreeMap<Bytes, Option<Bytes>>,
    ) -> Option<Bytes> {
        let mut entries = self.keys.range::<[u8], _>(range);
        for _ in 0..limit {
            let next = match direction {
                Direction::Forward => entries.next(),
                Direction::Backward => entries.next_back(),
            };
            let (key, versions) = next?;
            if let Some(value) = versions.at(mark) {
                out.insert(key.clone(), value.clone());
            }
        }
        match direction {
            Direction::Forward => entries.next().map(|(key, _)| key.clone()),
            Direction::Backward => entries.next_back().map(|(key, _)| key.clone()),
        }
    }

    /// The final value of each key, in order of keys.
    pub fn into_newest(self) -> Vec<(Bytes, Option<Bytes>)> {
        self.keys.into_iter().map(|(key, versions)| (key, versions.newest.value)).collect()
    }
}

impl Versions {
    fn at(&self, mark: Position) -> Option<&Option<Bytes>> {
        if self.newest.position < mark {
            return Some(&self.newest.value);
        }
        self.older
            .iter()
            .rev()
            .find(|version| version.position < mark)
            .map(|version| &version.value)
    }

    /// Drops the versions that stand before no mark; how many bytes that frees.
    fn prune(&mut self, key: &Bytes, marks: &BTreeSet<Position>) -> usize {
        let mut freed = 0;
        let mut replaced_at = self.newest.position;
        for i in (0..self.older.len()).rev() {
            let position = self.older[i].position;
            if marks.range(position..replaced_at).next().is_none() {
                freed += self.older.remove(i).bytes(key);
            } else {
                replaced_at = position;
            }
        }
        freed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Bytes {
        Bytes::from(text.as_bytes())
    }

    fn newest(writes: &Writes, key: &str) -> Option<Option<String>> {
        writes
            .get(key.as_bytes())
            .map(|v| v.as_ref().map(|v| String::from_utf8_lossy(v).into_owned()))
    }

    fn put(writes: &mut Writes, key: &str, value: &str) {
        writes.put(bytes(key), Some(bytes(value))).unwrap();
    }

    #[test]
    fn going_back_restores_what_the_savepoint_saw() {
        let mut writes = Writes::default();
        put(&mut writes, "a", "1");
        let outer = writes.savepoint();
        put(&mut writes, "a", "2");
        put(&mut writes, "b", "1");
        let inner = writes.savepoint();
        writes.put(bytes("a"), None).unwrap();
        assert_eq!(newest(&writes, "a"), Some(None));
        writes.rollback_to(inner).unwrap();
        assert_eq!(newest(&writes, "a"), Some(Some("2".into())));
        put(&mut writes, "a", "3");
        writes.rollback_to(outer).unwrap();
        assert_eq!(newest(&writes, "a"), Some(Some("1".into())));
        assert_eq!(newest(&writes, "b"), None);
        assert_eq!(writes.rollback_to(inner), Err(Error::NoSuchSavepoint));
        put(&mut writes, "b", "9");
        writes.rollback_to(outer).unwrap();
        assert_eq!(newest(&writes, "b"), None);
    }

    #[test]
    fn a_mark_does_not_see_later_writes_and_versions_die_with_it() {
        let mut writes = Writes::default();
        put(&mut writes, "a", "1");
        let mark = writes.mark();
        put(&mut writes, "a", "2");
        put(&mut writes, "b", "2");
        let mut seen = BTreeMap::new();
        let everything = (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
        assert_eq!(writes.overlay(everything, Direction::Forward, mark, 10, &mut seen), None);
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), vec![(bytes("a"), Some(bytes("1")))]);
        writes.forget(mark);
        put(&mut writes, "a", "3");
        assert!(writes.keys[&bytes("a")].older.is_empty());
        assert_eq!(writes.bytes, 2 * (2 + OVERHEAD_BYTES));
    }

    #[test]
    fn a_transaction_that_would_not_fit_is_refused_as_memory_is() {
        let mut writes = Writes {
            bytes: MAX_TRANSACTION_BYTES - 2 * (2 + OVERHEAD_BYTES),
            ..Writes::default()
        };
        put(&mut writes, "a", "1");
        put(&mut writes, "b", "1");
        let error = writes.put(bytes("c"), None).unwrap_err();
        assert_eq!(types::SqlError::from(error).state(), types::SqlState::OutOfMemory);
    }
}
