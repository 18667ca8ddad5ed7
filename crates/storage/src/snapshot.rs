//! Which commits exist and which of them open snapshots stand at.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::db::Shared;

/// Numbers of commits count from 1 at each start; 0 is what was found on disk.
pub(crate) type CommitNumber = u64;

#[derive(Default)]
pub(crate) struct Snapshots {
    /// The newest commit that is durable and visible.
    committed: AtomicU64,
    /// How many open snapshots stand at each commit. New ones are taken under this lock, so that
    /// the horizon never passes one that is about to be taken.
    open: Mutex<BTreeMap<CommitNumber, usize>>,
}

impl Snapshots {
    pub fn committed(&self) -> CommitNumber {
        self.committed.load(Ordering::Acquire)
    }

    /// Makes `commit` visible to snapshots taken from now on.
    pub fn advance(&self, commit: CommitNumber) {
        let _open = self.open.lock();
        self.committed.store(commit, Ordering::Release);
    }

    /// No snapshot, open or yet to be taken, is older than this commit.
    pub fn horizon(&self) -> CommitNumber {
        let open = self.open.lock();
        open.first_key_value().map_or_else(|| self.committed(), |(oldest, _)| *oldest)
    }

    pub fn open_count(&self) -> usize {
        self.open.lock().values().sum()
    }
}

/// A view of the database as of one commit. While it lives, the history keeps what it may read.
pub(crate) struct Snapshot {
    shared: Arc<Shared>,
    pub commit: CommitNumber,
}

impl Snapshot {
    pub fn take(shared: &Arc<Shared>) -> Arc<Snapshot> {
        let mut open = shared.snapshots.open.lock();
        let commit = shared.snapshots.committed();
        *open.entry(commit).or_insert(0) += 1;
        drop(open);
        Arc::new(Snapshot {
            shared: shared.clone(),
            commit,
        })
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        let mut open = self.shared.snapshots.open.lock();
        let mut last_of_oldest = false;
        if let Some(count) = open.get_mut(&self.commit) {
            *count -= 1;
            if *count == 0 {
                last_of_oldest = open.first_key_value().is_some_and(|(oldest, _)| *oldest == self.commit);
                open.remove(&self.commit);
            }
        }
        drop(open);
        if last_of_oldest {
            self.shared.collect_history();
        }
    }
}
