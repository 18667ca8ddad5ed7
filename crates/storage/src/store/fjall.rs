//! fjall: a log-structured merge tree. One keyspace per [`Space`], one journal for both, so a batch
//! over both is atomic and one fdatasync makes it durable.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{Change, ChunkEnd, ChunkLimit, Range, Space, Store};
use crate::{Bytes, Direction, Error};

/// Blocks read from disk are cached in this much memory.
const BLOCK_CACHE_BYTES: u64 = 128 << 20;

/// A memory table is written out at this size. It is fjall's own default; point reads in it cost
/// about as much as reads of a cached block.
const DATA_MEMTABLE_BYTES: u64 = 64 << 20;
const LOG_MEMTABLE_BYTES: u64 = 16 << 20;

/// The journals are replayed when the folder is opened, so their size bounds that time.
const JOURNAL_BYTES: u64 = 256 << 20;

pub(super) struct FjallStore {
    db: Database,
    data: Keyspace,
    log: Keyspace,
}

impl FjallStore {
    pub fn open(folder: &Path) -> Result<FjallStore, Error> {
        let db = Database::builder(folder)
            .cache_size(BLOCK_CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .worker_threads(workers())
            // `sync` decides what is durable; a write that nobody waits for needs no system call.
            .manual_journal_persist(true)
            .open()
            .map_err(|e| store_error("open", &e))?;
        let options = |memtable: u64| {
            KeyspaceCreateOptions::default()
                .max_memtable_size(memtable)
                .manual_journal_persist(true)
        };
        let data = db
            .keyspace("data", || options(DATA_MEMTABLE_BYTES))
            .map_err(|e| store_error("open keyspace data", &e))?;
        let log = db
            .keyspace("log", || options(LOG_MEMTABLE_BYTES))
            .map_err(|e| store_error("open keyspace log", &e))?;
        Ok(FjallStore { db, data, log })
    }

    fn keyspace(&self, space: Space) -> &Keyspace {
        match space {
            Space::Data => &self.data,
            Space::Log => &self.log,
        }
    }
}

/// With two workers and more, fjall 3.1 keeps the first one free for flushes by letting it pass
/// compactions on in a busy loop (`worker_tick`), which would take one of two cores from the queries.
fn workers() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores < 4 { 1 } else { 2 }
}

impl Store for FjallStore {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let value = self.keyspace(space).get(key).map_err(|e| store_error("read", &e))?;
        Ok(value.map(Bytes::from_slice))
    }

    fn scan(
        &self,
        space: Space,
        range: Range<'_>,
        direction: Direction,
        limit: ChunkLimit,
        out: &mut Vec<(Bytes, Bytes)>,
    ) -> Result<ChunkEnd, Error> {
        let mut iter = self.keyspace(space).range::<&[u8], _>(range);
        let mut rows = 0;
        let mut bytes = 0;
        while rows < limit.rows && bytes < limit.bytes {
            let next = match direction {
                Direction::Forward => iter.next(),
                Direction::Backward => iter.next_back(),
            };
            let Some(guard) = next else { return Ok(ChunkEnd::Range) };
            let (key, value) = guard.into_inner().map_err(|e| store_error("read", &e))?;
            rows += 1;
            bytes += key.len() + value.len();
            out.push((Bytes::from_slice(key), Bytes::from_slice(value)));
        }
        Ok(ChunkEnd::Limit)
    }

    fn apply(&self, changes: Vec<Change>) -> Result<(), Error> {
        let mut batch = fjall::OwnedWriteBatch::with_capacity(self.db.clone(), changes.len());
        for Change { space, key, value } in changes {
            match value {
                Some(value) => batch.insert(self.keyspace(space), key.into_slice(), value.into_slice()),
                None => batch.remove(self.keyspace(space), key.into_slice()),
            }
        }
        batch.commit().map_err(|e| store_error("write", &e))
    }

    fn sync(&self) -> Result<(), Error> {
        self.db.persist(PersistMode::SyncData).map_err(|e| store_error("sync", &e))
    }

    fn disk_bytes(&self) -> Result<u64, Error> {
        self.db.disk_space().map_err(|e| store_error("measure", &e))
    }
}

fn store_error(doing: &str, error: &fjall::Error) -> Error {
    Error::Store(format!("{doing}: {error}"))
}
