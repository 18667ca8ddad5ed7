//! The audit log of a data folder that no server has open: to check it, or to take it elsewhere.

use std::path::Path;
use std::sync::Arc;

use audit::{Anchor, Hash, Verdict};
use storage::{Db, StoreKind};
use types::Result;

use crate::audit_log::AuditLog;
use crate::cancel::Cancel;

pub struct AuditArchive {
    log: Arc<AuditLog>,
    // Holds the folder's lock while the log is read.
    _store: Db,
}

impl AuditArchive {
    /// Fails where a server has the folder open.
    pub fn open(folder: &Path, store: StoreKind) -> Result<AuditArchive> {
        let store = Db::open(folder, store)?;
        // The log's own start, not its newest row: a row that cannot be read is for `verify` to find.
        let log = AuditLog::to_read(&store, folder)?;
        Ok(AuditArchive { log, _store: store })
    }

    /// Whether no row was changed, removed, added or moved; with a head that was kept elsewhere, also whether the
    /// log still holds it.
    pub fn verify(&self, head: Option<(u64, Hash)>) -> Result<Verdict> {
        self.log.verify(head, &Cancel::default())
    }

    /// What retention left, if it ever removed rows: signed with the key of this folder, as `verify` found.
    pub fn anchor(&self) -> Result<Option<Anchor>> {
        self.log.anchor()
    }

    /// One line of JSON a row; answers how many.
    pub fn export(&self, out: &mut dyn std::io::Write) -> Result<u64> {
        self.log.export(out)
    }
}
