//! An open transaction, and its end.
//!
//! The life of a transaction: BEGIN, or a statement that stands alone, opens it; catalog changes collect in its
//! [`WorkingCatalog`], which only it sees; COMMIT makes its rows durable, then its catalog everybody's, then lets go of
//! its locks. The transaction of a CALL is handed to the procedure ([`ProcedureTransaction`]), which may end it
//! and go on in the next one.

use std::sync::Arc;

use catalog::{Change, Snapshot};
use parking_lot::Mutex;
use storage::{Isolation, Savepoint, Transaction};
use types::{Result, SqlError, SqlState};

use crate::context::SessionShared;
use crate::database::Database;
use crate::identity::Identity;
use crate::session::now;
use crate::settings::Settings;
use crate::working_catalog::WorkingCatalog;

/// An open transaction.
pub struct Open {
    pub txn: Arc<Transaction>,
    /// Microseconds since 1970 UTC.
    pub timestamp: i64,
    pub read_only: bool,
    /// Its catalog changes so far; its statements share them.
    pub working: Arc<WorkingCatalog>,
    pub savepoints: Vec<NamedSavepoint>,
    settings_before: Settings,
    /// What SET LOCAL hid, newest last; it comes back when the transaction ends.
    pub hidden: Vec<(String, String)>,
    /// Who the session was before SET LOCAL ROLE.
    pub hidden_identity: Option<Identity>,
}

pub struct NamedSavepoint {
    pub name: String,
    pub position: Savepoint,
    pub changes: usize,
    pub signals: usize,
    pub settings: Settings,
    pub hidden: usize,
    pub hidden_identity: Option<Identity>,
}

impl Open {
    /// Begins a transaction; what is not said is as the session's defaults have it.
    pub fn begin(db: &Arc<Database>, session: &SessionShared, isolation: Option<Isolation>, read_only: Option<bool>) -> Open {
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
            working: Arc::default(),
            savepoints: vec![],
            settings_before: settings.clone(),
            hidden: vec![],
            hidden_identity: None,
        }
    }

    /// Another transaction in this one's place, before it has done anything: what the session was before comes back at its end.
    pub fn give_way_to(&mut self, next: Open) {
        let old = std::mem::replace(self, next);
        self.settings_before = old.settings_before;
        self.hidden = old.hidden;
        self.hidden_identity = old.hidden_identity;
    }

    pub fn commit(self, db: &Database, session: &SessionShared) -> Result<()> {
        let changes = self.working.changes();
        let publish = || {
            // Whoever waits to change the same function starts from this change.
            if !changes.is_empty() {
                db.publish(&changes);
            }
        };
        if let Err(error) = self.txn.commit_and(publish) {
            let error = SqlError::from(error);
            self.roll_back(db, session);
            return Err(error);
        }
        for change in &changes {
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
                | Change::PutAuditTrigger(_)
                | Change::DropAuditTrigger(_)
                | Change::PutDatabase(_)
                | Change::OidMark(_) => {}
            }
        }
        // Whoever is told of the commit finds all of it done.
        let signals = std::mem::take(&mut *session.signals.lock());
        if !signals.is_empty() {
            db.tell_alerts(&signals);
            db.channels.apply(session.pid, &session.inbox, signals);
        }
        let mut settings = session.settings.lock();
        if let Some(identity) = self.hidden_identity {
            settings.become_identity(identity, &db.catalog());
        }
        for (name, value) in self.hidden.iter().rev() {
            settings.set(name, value)?;
        }
        Ok(())
    }

    pub fn roll_back(self, db: &Database, session: &SessionShared) {
        self.txn.rollback();
        session.signals.lock().clear();
        for change in self.working.changes() {
            if let Change::PutFunction(function) = change {
                db.functions.forget(function.oid);
            }
        }
        // What SET did in the transaction is undone with it.
        let mut settings = session.settings.lock();
        settings.restore(self.settings_before);
    }

    /// What the next statement works on.
    pub fn ground(&self, db: &Database) -> Ground {
        let changed = self.working.changed();
        Ground {
            txn: self.txn.clone(),
            read_only: self.read_only,
            timestamp: self.timestamp,
            private_catalog: changed.is_some(),
            catalog: changed.unwrap_or_else(|| db.catalog()),
            working: self.working.clone(),
        }
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
    pub working: Arc<WorkingCatalog>,
}

impl Ground {
    /// The same, with what the transaction has changed of the catalog meanwhile.
    pub fn now(mut self) -> Ground {
        if let Some(changed) = self.working.changed() {
            self.catalog = changed;
            self.private_catalog = true;
        }
        self
    }
}

/// Where a call works: where it began, or where the transaction that its procedure may end stands by now.
#[derive(Clone)]
pub struct Standing {
    pub began: Ground,
    pub control: Option<Arc<ProcedureTransaction>>,
}

impl Standing {
    pub fn ground(&self) -> Result<Ground> {
        match &self.control {
            Some(control) => control.ground(),
            None => Ok(self.began.clone().now()),
        }
    }
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
        Ok(open.ground(&self.db))
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
