//! An open transaction, and its end.
//!
//! The life of a transaction: BEGIN, or a statement that stands alone, opens it; catalog changes collect in it
//! as an overlay that only it sees; COMMIT makes its rows durable, then its catalog everybody's, then lets go of
//! its locks. The transaction of a CALL is handed to the procedure ([`ProcedureTransaction`]), which may end it
//! and go on in the next one.

use std::sync::Arc;

use catalog::{Change, Snapshot};
use parking_lot::Mutex;
use storage::{Isolation, Savepoint, Transaction};
use types::{Result, SqlError, SqlState};

use crate::context::SessionShared;
use crate::database::Database;
use crate::session::now;
use crate::settings::Settings;

/// An open transaction.
pub struct Open {
    pub txn: Arc<Transaction>,
    /// Microseconds since 1970 UTC.
    pub timestamp: i64,
    pub read_only: bool,
    /// Catalog changes so far, in order.
    pub changes: Vec<Change>,
    /// The catalog with them.
    pub overlay: Option<Overlay>,
    pub savepoints: Vec<NamedSavepoint>,
    settings_before: Settings,
    /// What SET LOCAL hid, newest last; it comes back when the transaction ends.
    pub hidden: Vec<(String, String)>,
}

/// The committed catalog as it was, and with a transaction's changes.
pub struct Overlay {
    pub base: Arc<Snapshot>,
    pub changed: Arc<Snapshot>,
}

pub struct NamedSavepoint {
    pub name: String,
    pub position: Savepoint,
    pub changes: usize,
    pub signals: usize,
}

impl Open {
    /// Begins a transaction; what is not said is as the session's defaults have it.
    pub fn begin(db: &Database, session: &SessionShared, isolation: Option<Isolation>, read_only: Option<bool>) -> Open {
        let settings = session.settings.lock();
        let default = || settings.get("default_transaction_isolation");
        let isolation = isolation.unwrap_or_else(|| match default().as_deref() {
            Some("serializable") => Isolation::Serializable,
            Some("repeatable read") => Isolation::RepeatableRead,
            _ => Isolation::ReadCommitted,
        });
        let read_only = read_only.unwrap_or_else(|| settings.get("default_transaction_read_only").as_deref() == Some("on"));
        Open {
            txn: Arc::new(db.store.begin(isolation)),
            timestamp: now(),
            read_only,
            changes: vec![],
            overlay: None,
            savepoints: vec![],
            settings_before: settings.clone(),
            hidden: vec![],
        }
    }

    pub fn commit(self, db: &Database, session: &SessionShared) -> Result<()> {
        if let Err(error) = self.txn.commit() {
            let error = SqlError::from(error);
            self.roll_back(db, session);
            return Err(error);
        }
        if !self.changes.is_empty() {
            db.publish(&self.changes);
            for change in &self.changes {
                match change {
                    Change::PutFunction(function) => db.functions.forget_old(function.oid, function.version),
                    Change::DropFunction(oid) => db.functions.forget(*oid),
                    Change::PutSchema(_)
                    | Change::DropSchema(_)
                    | Change::PutTable(_)
                    | Change::DropTable(_)
                    | Change::PutRole(_)
                    | Change::DropRole(_)
                    | Change::PutPolicy(_)
                    | Change::DropPolicy(_)
                    | Change::OidMark(_) => {}
                }
            }
        }
        // Whoever is told of the commit finds all of it done.
        let signals = std::mem::take(&mut *session.signals.lock());
        if !signals.is_empty() {
            db.channels.apply(session.pid, &session.inbox, signals);
        }
        let mut settings = session.settings.lock();
        for (name, value) in self.hidden.iter().rev() {
            settings.set(name, value)?;
        }
        // Locks go with the transaction, after the catalog is everybody's.
        Ok(())
    }

    pub fn roll_back(self, db: &Database, session: &SessionShared) {
        self.txn.rollback();
        session.signals.lock().clear();
        for change in &self.changes {
            if let Change::PutFunction(function) = change {
                db.functions.forget(function.oid);
            }
        }
        // What SET did in the transaction is undone with it.
        let mut settings = session.settings.lock();
        *settings = self.settings_before;
    }

    pub fn find_savepoint(&self, name: &str) -> Result<usize> {
        self.savepoints
            .iter()
            .rposition(|savepoint| savepoint.name == name)
            .ok_or_else(|| SqlError::new(SqlState::SEInvalidSpecification, format!("savepoint \"{name}\" does not exist")))
    }
}

/// The transaction that a procedure works in, and may end.
pub struct ProcedureTransaction {
    db: Arc<Database>,
    session: Arc<SessionShared>,
    /// None only while one ends and the next begins, and once the session has it back.
    open: Mutex<Option<Open>>,
}

/// What the statements of a function work on.
#[derive(Clone)]
pub struct Ground {
    pub txn: Arc<Transaction>,
    pub read_only: bool,
    pub timestamp: i64,
    pub catalog: Arc<Snapshot>,
    /// Whether the catalog holds changes that nobody else sees yet.
    pub private_catalog: bool,
}

impl ProcedureTransaction {
    pub fn new(db: Arc<Database>, session: Arc<SessionShared>, open: Open) -> ProcedureTransaction {
        ProcedureTransaction {
            db,
            session,
            open: Mutex::new(Some(open)),
        }
    }

    pub fn ground(&self) -> Result<Ground> {
        let open = self.open.lock();
        let open = open.as_ref().ok_or_else(over)?;
        Ok(Ground {
            txn: open.txn.clone(),
            read_only: open.read_only,
            timestamp: open.timestamp,
            catalog: match &open.overlay {
                Some(overlay) => overlay.changed.clone(),
                None => self.db.catalog(),
            },
            private_catalog: open.overlay.is_some(),
        })
    }

    /// COMMIT or ROLLBACK, and the next transaction. A commit that fails has rolled back.
    pub fn end(&self, commit: bool) -> Result<()> {
        let mut open = self.open.lock();
        let old = open.take().ok_or_else(over)?;
        let ended = match commit {
            true => old.commit(&self.db, &self.session),
            false => {
                old.roll_back(&self.db, &self.session);
                Ok(())
            }
        };
        *open = Some(Open::begin(&self.db, &self.session, None, None));
        ended
    }

    /// The transaction as the procedure leaves it.
    pub fn take(&self) -> Option<Open> {
        self.open.lock().take()
    }
}

fn over() -> SqlError {
    SqlError::internal("the procedure's transaction is over")
}
