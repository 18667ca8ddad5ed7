//! sled: a B-link tree over a log. One tree; the first byte of a key is its [`Space`], because sled
//! writes only batches of one tree atomically without locking readers out.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::File;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;

use super::{Change, ChunkEnd, ChunkLimit, Range, Space, Store};
use crate::{Bytes, Direction, Error};

const CACHE_BYTES: u64 = 128 << 20;

/// A folder's modification time comes from a clock that ticks every few milliseconds.
const CLOCK_TICK: Duration = Duration::from_millis(50);

pub(super) struct SledStore {
    db: sled::Db,
    /// sled's log. `flush` hands it to the operating system and stops there (`sync_file_range`, sled
    /// issue 1452), so we sync it.
    file: File,
    /// Values over 128 KiB are files of their own in here, which sled does not sync either.
    blobs: PathBuf,
    synced_blobs: Mutex<SyncedBlobs>,
}

struct SyncedBlobs {
    names: HashSet<OsString>,
    looked_at: SystemTime,
}

impl SledStore {
    pub fn open(folder: &Path) -> Result<SledStore, Error> {
        let db = sled::Config::new()
            .path(folder)
            .mode(sled::Mode::HighThroughput)
            .cache_capacity(CACHE_BYTES)
            // Every commit is flushed by `sync`; a timer would only repeat it.
            .flush_every_ms(None)
            .open()
            .map_err(|e| store_error("open", &e))?;
        let path = folder.join("db");
        let file = File::options()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|e| Error::io(format!("open {}", path.display()), &e))?;
        let synced_blobs = Mutex::new(SyncedBlobs {
            names: HashSet::new(),
            looked_at: SystemTime::UNIX_EPOCH,
        });
        let store = SledStore {
            db,
            file,
            blobs: folder.join("blobs"),
            synced_blobs,
        };
        store.sync()?;
        sync_folder(folder)?;
        Ok(store)
    }

    fn sync_blobs(&self) -> Result<(), Error> {
        let failed = |e: std::io::Error| Error::io(format!("sync {}", self.blobs.display()), &e);
        let mut synced = self.synced_blobs.lock();
        let now = SystemTime::now();
        let changed = match std::fs::metadata(&self.blobs) {
            Ok(metadata) => metadata.modified().map_err(failed)?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(failed(e)),
        };
        if changed + CLOCK_TICK < synced.looked_at {
            return Ok(());
        }
        let mut names = HashSet::new();
        let mut new = false;
        for entry in std::fs::read_dir(&self.blobs).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if !synced.names.contains(&name) {
                match File::open(entry.path()).and_then(|file| file.sync_data()) {
                    Ok(()) => new = true,
                    // sled removes the blobs of replaced values.
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                    Err(e) => return Err(failed(e)),
                }
            }
            names.insert(name);
        }
        if new {
            sync_folder(&self.blobs)?;
        }
        *synced = SyncedBlobs { names, looked_at: now };
        Ok(())
    }
}

impl Store for SledStore {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let value = self.db.get(prefixed(space, key)).map_err(|e| store_error("read", &e))?;
        Ok(value.map(|value| Bytes::from(value.as_ref())))
    }

    fn scan(
        &self,
        space: Space,
        range: Range<'_>,
        direction: Direction,
        limit: ChunkLimit,
        out: &mut Vec<(Bytes, Bytes)>,
    ) -> Result<ChunkEnd, Error> {
        let lower = match range.0 {
            Bound::Included(key) => Bound::Included(prefixed(space, key)),
            Bound::Excluded(key) => Bound::Excluded(prefixed(space, key)),
            Bound::Unbounded => Bound::Included(vec![space_byte(space)]),
        };
        let upper = match range.1 {
            Bound::Included(key) => Bound::Included(prefixed(space, key)),
            Bound::Excluded(key) => Bound::Excluded(prefixed(space, key)),
            Bound::Unbounded => Bound::Excluded(vec![space_byte(space) + 1]),
        };
        let mut iter = self.db.range((lower, upper));
        let mut rows = 0;
        let mut bytes = 0;
        while rows < limit.rows && bytes < limit.bytes {
            let next = match direction {
                Direction::Forward => iter.next(),
                Direction::Backward => iter.next_back(),
            };
            let Some(entry) = next else { return Ok(ChunkEnd::Range) };
            let (key, value) = entry.map_err(|e| store_error("read", &e))?;
            rows += 1;
            bytes += key.len() + value.len();
            let key = key.get(1..).ok_or_else(|| Error::corrupt("a key without its space byte"))?;
            out.push((Bytes::from(key), Bytes::from(value.as_ref())));
        }
        Ok(ChunkEnd::Limit)
    }

    fn apply(&self, changes: Vec<Change>) -> Result<(), Error> {
        let mut batch = sled::Batch::default();
        for Change { space, key, value } in changes {
            let key = prefixed(space, &key);
            match value {
                Some(value) => batch.insert(key, value.as_ref()),
                None => batch.remove(key),
            }
        }
        self.db.apply_batch(batch).map_err(|e| store_error("write", &e))
    }

    fn sync(&self) -> Result<(), Error> {
        self.db.flush().map_err(|e| store_error("flush", &e))?;
        self.sync_blobs()?;
        self.file.sync_data().map_err(|e| Error::io("sync the store's log", &e))
    }

    fn disk_bytes(&self) -> Result<u64, Error> {
        self.db.size_on_disk().map_err(|e| store_error("measure", &e))
    }
}

fn space_byte(space: Space) -> u8 {
    match space {
        Space::Data => 0,
        Space::Log => 1,
    }
}

fn prefixed(space: Space, key: &[u8]) -> Vec<u8> {
    let mut prefixed = Vec::with_capacity(key.len() + 1);
    prefixed.push(space_byte(space));
    prefixed.extend_from_slice(key);
    prefixed
}

fn sync_folder(folder: &Path) -> Result<(), Error> {
    File::open(folder)
        .and_then(|file| file.sync_all())
        .map_err(|e| Error::io(format!("sync folder {}", folder.display()), &e))
}

fn store_error(doing: &str, error: &sled::Error) -> Error {
    Error::Store(format!("{doing}: {error}"))
}
