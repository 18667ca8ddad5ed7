//! Retention: the oldest rows of the audit log go, by a command that the log itself tells of.
//!
//! The life of a removal: the whole log is verified, because what is removed cannot be afterwards; an `AuditLogTrimmed` row is
//! recorded; an anchor ([`audit::Anchor`]) is stored that says where the log begins now, signed with the key of the data folder. From that
//! moment the older rows are gone for everybody. Then their blocks are removed, and the rows, oldest first; after a crash in
//! between, the next start removes what is left.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use audit::{Anchor, AnchorFault, Event, EventType, SigningKey};
use storage::{AppendLog, Db, Isolation};
use types::{Result, SqlError, SqlState};

use crate::table::Space;

const KEY: [u8; 1] = [Space::AuditAnchor as u8];

/// The file of the data folder that holds the key: its random bytes, for the owner only.
const KEY_FILE: &str = "audit.key";

/// Where the anchor and the key are.
pub struct Retention {
    store: Db,
    folder: PathBuf,
}

/// Who removes rows.
pub struct By {
    pub user_name: Arc<str>,
    pub session_id: i64,
}

impl Retention {
    pub fn new(store: &Db, folder: &Path) -> Retention {
        Retention {
            store: store.clone(),
            folder: folder.to_path_buf(),
        }
    }

    /// None where nothing was ever removed.
    pub fn anchor(&self) -> Result<Option<std::result::Result<Anchor, AnchorFault>>> {
        let Some(bytes) = self.store.begin(Isolation::ReadCommitted).get(&KEY)? else {
            return Ok(None);
        };
        Ok(Some(match Anchor::read(&bytes) {
            Ok(anchor) => match self.key()? {
                Some(key) if key.public_key() == anchor.public_key => Ok(anchor),
                _ => Err(AnchorFault::OtherKey),
            },
            Err(fault) => Err(fault),
        }))
    }

    /// The folder's key; None until it is first needed.
    pub fn key(&self) -> Result<Option<SigningKey>> {
        let path = self.folder.join(KEY_FILE);
        let mut seed = vec![];
        match File::open(&path) {
            Ok(file) => file
                .take(1024)
                .read_to_end(&mut seed)
                .map_err(|error| failed("read", &path, &error))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("read", &path, &error)),
        };
        let key = SigningKey::from_seed(&seed);
        key.map(Some)
            .ok_or_else(|| SqlError::new(SqlState::DataCorrupted, format!("{} is not a key", path.display())))
    }

    fn key_or_make(&self) -> Result<SigningKey> {
        if let Some(key) = self.key()? {
            return Ok(key);
        }
        let mut seed = [0; SigningKey::SEED_BYTES];
        getrandom::fill(&mut seed).map_err(|error| SqlError::internal(format!("no randomness: {error}")))?;
        let (path, new) = (self.folder.join(KEY_FILE), self.folder.join(format!("{KEY_FILE}.new")));
        let write = || -> std::io::Result<()> {
            // One that a crash left was never used.
            match std::fs::remove_file(&new) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
            file.write_all(&seed)?;
            file.sync_all()?;
            std::fs::rename(&new, &path)?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(|error| failed("write", &path, &error))?;
        self.key()?.ok_or_else(|| SqlError::internal("the key just written is not there"))
    }

    /// An anchor that is not stored yet, and the row that tells of it.
    pub fn prepare(&self, first_kept: u64, first_id: u64, removed_hash: audit::Hash, by: &By) -> Result<(Event, Vec<u8>)> {
        let key = self.key_or_make()?;
        let mut event = Event::new(EventType::AuditLogTrimmed);
        let anchor = Anchor {
            first_kept,
            removed_hash,
            removed_rows: first_kept - first_id,
            timestamp: event.timestamp,
            user_name: by.user_name.to_string(),
            public_key: key.public_key(),
        };
        event.user_name = Some(by.user_name.clone());
        event.session_id = Some(by.session_id);
        event.resource = Some(format!("rows {first_id} to {}", first_kept - 1));
        event.details = Some(anchor.details());
        Ok((event, anchor.signed(&key)))
    }

    pub fn store(&self, anchor: Vec<u8>) -> Result<()> {
        let txn = self.store.begin(Isolation::ReadCommitted);
        txn.put(KEY.to_vec(), anchor)?;
        Ok(txn.commit()?)
    }

    /// Removes what lies before the anchor, if that was not done yet.
    pub fn finish(&self, log: &AppendLog) -> Result<()> {
        match self.anchor()? {
            Some(Ok(anchor)) if log.first_id() < anchor.first_kept => {
                log.remove_before(anchor.first_kept)?;
            }
            Some(Err(fault)) => {
                tracing::error!("the audit log's anchor is not believed: {fault}");
            }
            Some(Ok(_)) | None => {}
        }
        Ok(())
    }
}

fn failed(doing: &str, path: &Path, error: &std::io::Error) -> SqlError {
    SqlError::new(SqlState::IoError, format!("could not {doing} file \"{}\": {error}", path.display()))
}
