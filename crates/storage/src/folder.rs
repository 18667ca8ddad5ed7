//! The data folder: which program, format and store made it, and that one process has it open.

use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::{Error, StoreKind};

const LOCK_FILE: &str = "LOCK";
const FORMAT_FILE: &str = "FORMAT";
const FORMAT_LINE: &str = "parhelion data folder, format 1";

/// A server that was just killed, or a program that it was just starting, may hold the lock for
/// a moment longer.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);
const LOCK_RETRY: Duration = Duration::from_millis(20);

/// An open data folder; the lock lasts as long as this.
pub(crate) struct Folder {
    /// The lock is the operating system's and goes with the process, however that ends.
    _lock: File,
}

impl Folder {
    /// Creates `dir` if need be, locks it, and records or checks its format and store.
    pub fn open(dir: &Path, kind: StoreKind) -> Result<Folder, Error> {
        std::fs::create_dir_all(dir).map_err(|e| Error::io(format!("create folder {}", dir.display()), &e))?;
        let path = dir.join(LOCK_FILE);
        let failed = |e: &std::io::Error| Error::io(format!("lock {}", path.display()), e);
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|e| failed(&e))?;
        let patience = Instant::now() + LOCK_PATIENCE;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < patience => std::thread::sleep(LOCK_RETRY),
                Err(TryLockError::WouldBlock) => return Err(Error::InUse(dir.to_path_buf())),
                Err(TryLockError::Error(e)) => return Err(failed(&e)),
            }
        }
        check_format(dir, kind)?;
        Ok(Folder { _lock: lock })
    }

    /// Where the store keeps its files.
    pub fn store_path(dir: &Path) -> PathBuf {
        dir.join("store")
    }
}

fn check_format(dir: &Path, kind: StoreKind) -> Result<(), Error> {
    let path = dir.join(FORMAT_FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return record_format(dir, kind),
        Err(e) => return Err(Error::io(format!("read {}", path.display()), &e)),
    };
    let unknown = || Error::UnknownFormat {
        folder: dir.to_path_buf(),
        found: text.lines().take(2).collect::<Vec<_>>().join(", "),
    };
    let mut lines = text.lines();
    if lines.next() != Some(FORMAT_LINE) {
        return Err(unknown());
    }
    let recorded = lines
        .next()
        .and_then(|line| line.strip_prefix("store "))
        .and_then(|name| name.parse().ok())
        .ok_or_else(unknown)?;
    if recorded == kind {
        Ok(())
    } else {
        Err(Error::OtherStore {
            folder: dir.to_path_buf(),
            recorded,
            asked: kind,
        })
    }
}

fn record_format(dir: &Path, kind: StoreKind) -> Result<(), Error> {
    if Folder::store_path(dir).exists() {
        return Err(Error::UnknownFormat {
            folder: dir.to_path_buf(),
            found: format!("a store but no {FORMAT_FILE} file"),
        });
    }
    let path = dir.join(FORMAT_FILE);
    let new = dir.join(format!("{FORMAT_FILE}.new"));
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&new)?;
        write!(file, "{FORMAT_LINE}\nstore {kind}\n")?;
        file.sync_all()?;
        std::fs::rename(&new, &path)?;
        File::open(dir)?.sync_all()
    };
    write().map_err(|e| Error::io(format!("write {}", path.display()), &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_opens_once_and_only_with_its_store() {
        let dir = tempfile::tempdir().unwrap();
        let first = Folder::open(dir.path(), StoreKind::Fjall).unwrap();
        assert_eq!(
            Folder::open(dir.path(), StoreKind::Fjall).err(),
            Some(Error::InUse(dir.path().to_path_buf()))
        );
        drop(first);
        let error = Folder::open(dir.path(), StoreKind::Sled).err().unwrap();
        assert!(
            error.to_string().ends_with("was created with store \"fjall\", not \"sled\""),
            "{error}"
        );
        std::fs::write(dir.path().join(FORMAT_FILE), "parhelion data folder, format 2\nstore fjall\n").unwrap();
        assert!(matches!(
            Folder::open(dir.path(), StoreKind::Fjall),
            Err(Error::UnknownFormat { .. })
        ));
    }
}
