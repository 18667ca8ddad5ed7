//! What an open transaction has changed of the catalog, and the statements that change it.
//!
//! The life of a change: a statement takes the right to change the catalog, or one object of it (`crate::catalog_lock`), looks at
//! the newest state of it ([`StatementContext::renewed`]), and puts its change ([`StatementContext::change`]): into the
//! transaction's writes, and into the [`WorkingCatalog`] that the transaction's statements see from then on. A savepoint
//! that is returned to takes it back; COMMIT makes it everybody's. All statements of a transaction share one, those that
//! its functions run among them.

use std::sync::Arc;

use catalog::{Change, Snapshot, Table};
use parking_lot::Mutex;
use storage::{LockMode, Savepoint};
use types::{Result, SqlError, SqlState};

use crate::call::Calls;
use crate::catalog_lock::Lockable;
use crate::context::StatementContext;
use crate::database::{Database, put_change};

/// The catalog changes of one transaction.
#[derive(Default)]
pub struct WorkingCatalog {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// In order.
    changes: Vec<Change>,
    /// None as long as there are none.
    overlay: Option<Overlay>,
    /// For [`WorkingCatalog::now`].
    newest: Option<Overlay>,
}

/// The committed catalog as it was, and with the transaction's changes.
struct Overlay {
    base: Arc<Snapshot>,
    changed: Arc<Snapshot>,
}

impl WorkingCatalog {
    /// The catalog with the changes, if there are any.
    pub fn changed(&self) -> Option<Arc<Snapshot>> {
        self.state.lock().overlay.as_ref().map(|overlay| overlay.changed.clone())
    }

    pub fn is_changed(&self) -> bool {
        self.state.lock().overlay.is_some()
    }

    /// The catalog as it is at this moment: what others have committed, with the changes. A statement works with the catalog that it
    /// began with; privileges are read here each time, so that a REVOKE counts in the next host call of a function that runs.
    pub fn now(&self, db: &Database) -> Arc<Snapshot> {
        let committed = db.catalog();
        let mut state = self.state.lock();
        if state.changes.is_empty() {
            return committed;
        }
        if let Some(newest) = &state.newest
            && Arc::ptr_eq(&newest.base, &committed)
        {
            return newest.changed.clone();
        }
        let changed = Arc::new(committed.apply(&state.changes));
        state.newest = Some(Overlay {
            base: committed,
            changed: changed.clone(),
        });
        changed
    }

    /// All changes, for the transaction's end.
    pub fn changes(&self) -> Vec<Change> {
        self.state.lock().changes.clone()
    }

    /// Whether this transaction has created or changed the function.
    pub fn has_put_function(&self, oid: u32) -> bool {
        let state = self.state.lock();
        let mut changes = state.changes.iter();
        changes.any(|change| matches!(change, Change::PutFunction(function) if function.oid == oid))
    }

    /// Where [`WorkingCatalog::undo_to`] returns to.
    pub fn mark(&self) -> usize {
        self.state.lock().changes.len()
    }

    pub fn undo_to(&self, mark: usize, committed: &Arc<Snapshot>) {
        let mut state = self.state.lock();
        if state.changes.len() <= mark {
            return;
        }
        state.changes.truncate(mark);
        state.newest = None;
        state.overlay = (!state.changes.is_empty()).then(|| Overlay {
            changed: Arc::new(committed.apply(&state.changes)),
            base: committed.clone(),
        });
    }

    /// Puts the changes onto what others have committed meanwhile.
    pub fn rebase(&self, committed: &Arc<Snapshot>) {
        let mut state = self.state.lock();
        let State { changes, overlay, .. } = &mut *state;
        if let Some(overlay) = overlay
            && !Arc::ptr_eq(&overlay.base, committed)
        {
            overlay.changed = Arc::new(committed.apply(changes));
            overlay.base = committed.clone();
        }
    }

    fn put(&self, committed: Arc<Snapshot>, changes: Vec<Change>) {
        let mut state = self.state.lock();
        state.overlay = Some(match &state.overlay {
            Some(overlay) => Overlay {
                base: overlay.base.clone(),
                changed: Arc::new(overlay.changed.apply(&changes)),
            },
            None => Overlay {
                changed: Arc::new(committed.apply(&changes)),
                base: committed,
            },
        });
        state.changes.extend(changes);
        state.newest = None;
    }
}

/// A point of a transaction that it can return to: its rows and its catalog.
#[derive(Clone, Copy)]
pub struct Mark {
    savepoint: Savepoint,
    changes: usize,
}

/// The tables that statements at work use, this one's and those of the functions' above it: none of them is redefined
/// under their hands.
#[derive(Default)]
pub struct InUse {
    above: Option<Arc<InUse>>,
    tables: Mutex<Vec<u32>>,
}

impl InUse {
    pub fn below(above: &Arc<InUse>) -> Arc<InUse> {
        Arc::new(InUse {
            above: Some(above.clone()),
            tables: Mutex::default(),
        })
    }

    pub fn add(&self, table: u32) {
        let mut tables = self.tables.lock();
        if !tables.contains(&table) {
            tables.push(table);
        }
    }

    fn contains(&self, table: u32) -> bool {
        let mut next = Some(self);
        while let Some(level) = next {
            if level.tables.lock().contains(&table) {
                return true;
            }
            next = level.above.as_deref();
        }
        false
    }
}

impl StatementContext {
    /// The newest catalog, for a statement that has taken the right to change it.
    pub fn newest_catalog(&self) -> Arc<Snapshot> {
        self.working.changed().unwrap_or_else(|| self.db.catalog())
    }

    /// The catalog at this moment: see [`WorkingCatalog::now`].
    pub fn catalog_now(&self) -> Arc<Snapshot> {
        self.working.now(&self.db)
    }

    /// The same statement, with the catalog as it is by now.
    pub fn renewed(&self) -> Arc<StatementContext> {
        let mut renewed = self.with(self.actor.clone(), vec![], Calls::at(&self.calls));
        if !renewed.private_catalog {
            renewed.catalog = self.db.catalog();
        }
        renewed.cancel = self.cancel.clone();
        Arc::new(renewed)
    }

    /// Waits until nobody uses a table, and keeps everybody from it until the transaction ends. 55006 where a statement that
    /// called this one is at work on it.
    pub fn lock_definition(&self, table: &Table, command: &str) -> Result<()> {
        if self.in_use.contains(table.oid) {
            return Err(SqlError::new(
                SqlState::ObjectInUse,
                format!(
                    "cannot {command} \"{}\" because it is being used by active queries in this session",
                    table.name
                ),
            ));
        }
        self.lock_table(table.oid, LockMode::Exclusive)?;
        self.lock_object(Lockable::Relation(table.oid))
    }

    /// Changes the catalog in this transaction. The catalog, or what is changed of it, must be locked.
    pub fn change(&self, changes: Vec<Change>) -> Result<()> {
        let committed = self.db.catalog();
        for change in &changes {
            crate::catalog_lock::refuse_stale(change, &committed)?;
            put_change(&self.txn, change)?;
        }
        self.working.put(committed, changes);
        Ok(())
    }

    /// Records an event of this statement's user and returns once it is durable.
    pub fn audit(&self, mut event: audit::Event) -> Result<()> {
        event.user_name = Some(self.actor.name.clone());
        event.session_id = Some(self.session.session_id);
        crate::session_sink::tell_login(&mut event, &self.actor.login);
        self.db.audit.record_durably(event)
    }

    /// A point to return to.
    pub fn mark(&self) -> Result<Mark> {
        Ok(Mark {
            savepoint: self.txn.savepoint()?,
            changes: self.working.mark(),
        })
    }

    /// Undoes what was written and defined since, to do it over again: the mark stays, and so do the locks, for which nobody waits twice.
    pub fn undo_to(&self, mark: Mark) -> Result<()> {
        self.txn.rollback_to(mark.savepoint)?;
        self.working.undo_to(mark.changes, &self.db.catalog());
        Ok(())
    }

    /// Undoes what was written and defined since, for good: the locks that were taken since go too.
    pub fn abandon_to(&self, mark: Mark) -> Result<()> {
        self.undo_to(mark)?;
        self.txn.unlock_to(mark.savepoint)?;
        self.release(mark)
    }

    /// Keeps what was done since, and forgets the mark.
    pub fn release(&self, mark: Mark) -> Result<()> {
        Ok(self.txn.release(mark.savepoint)?)
    }
}
