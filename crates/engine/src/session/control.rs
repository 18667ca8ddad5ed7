//! BEGIN, COMMIT, ROLLBACK, savepoints, and SET TRANSACTION.

use types::{Notice, Result, SqlError, SqlState};

use super::{Outcome, Session, State, failed_transaction};
use crate::parse::Utility;
use crate::transaction::{NamedSavepoint, Open};

impl Session {
    /// BEGIN, COMMIT and their kin; None for other statements.
    pub(super) fn transaction_control(&mut self, utility: &Utility) -> Option<Result<Outcome>> {
        let complete = |tag: &str| Ok(Outcome::Complete { tag: tag.to_string() });
        let outcome = match utility {
            Utility::Begin { modes, tag } => match std::mem::replace(&mut self.state, State::Idle) {
                State::Idle => {
                    self.state = State::Explicit(self.begin(modes.isolation, modes.read_only));
                    complete(tag)
                }
                // BEGIN among the statements of one message makes them all one transaction.
                State::Implicit(open) => {
                    self.state = State::Explicit(open);
                    complete(tag)
                }
                State::Explicit(open) => {
                    self.state = State::Explicit(open);
                    self.notice(Notice::warning(
                        SqlState::ActiveSqlTransaction,
                        "there is already a transaction in progress",
                    ));
                    complete(tag)
                }
                State::Failed(open) => {
                    self.state = State::Failed(open);
                    Err(failed_transaction())
                }
            },
            Utility::Commit => match std::mem::replace(&mut self.state, State::Idle) {
                State::Idle => {
                    self.notice(no_transaction());
                    complete("COMMIT")
                }
                State::Implicit(open) => {
                    self.notice(no_transaction());
                    self.commit(open).and_then(|()| complete("COMMIT"))
                }
                State::Explicit(open) => self.commit(open).and_then(|()| complete("COMMIT")),
                State::Failed(open) => {
                    self.roll_back(open);
                    complete("ROLLBACK")
                }
            },
            Utility::Rollback => match std::mem::replace(&mut self.state, State::Idle) {
                State::Idle => {
                    self.notice(no_transaction());
                    complete("ROLLBACK")
                }
                State::Implicit(open) => {
                    self.notice(no_transaction());
                    self.roll_back(open);
                    complete("ROLLBACK")
                }
                State::Explicit(open) | State::Failed(open) => {
                    self.roll_back(open);
                    complete("ROLLBACK")
                }
            },
            Utility::Savepoint(name) => self.savepoint(name).and_then(|()| complete("SAVEPOINT")),
            Utility::Release(name) => self.release_savepoint(name).and_then(|()| complete("RELEASE")),
            Utility::RollbackTo(name) => self.rollback_to(name).and_then(|()| complete("ROLLBACK")),
            Utility::SetTransaction { .. }
            | Utility::Set { .. }
            | Utility::SetIdentity { .. }
            | Utility::Reset(_)
            | Utility::ResetAll
            | Utility::Show(_)
            | Utility::ShowAll
            | Utility::DiscardAll
            | Utility::Prepare { .. }
            | Utility::Execute { .. }
            | Utility::Deallocate(_)
            | Utility::Listen(_)
            | Utility::Unlisten(_)
            | Utility::CloseCursor(_)
            | Utility::Notify { .. }
            | Utility::TrimAuditLog(_)
            | Utility::CreateRole { .. }
            | Utility::AlterRole(_)
            | Utility::DropRole { .. } => return None,
        };
        Some(outcome)
    }

    pub(super) fn savepoint(&mut self, name: &str) -> Result<()> {
        match &mut self.state {
            State::Failed(_) => Err(failed_transaction()),
            State::Idle | State::Implicit(_) => Err(SqlError::new(
                SqlState::NoActiveSqlTransaction,
                "SAVEPOINT can only be used in transaction blocks",
            )),
            State::Explicit(open) => {
                let position = open.txn.savepoint()?;
                open.savepoints.push(NamedSavepoint {
                    name: name.to_string(),
                    position,
                    changes: open.working.mark(),
                    signals: self.shared.signals.lock().len(),
                    settings: self.shared.settings.lock().clone(),
                    hidden: open.hidden.len(),
                    hidden_identity: open.hidden_identity.clone(),
                });
                Ok(())
            }
        }
    }

    pub(super) fn release_savepoint(&mut self, name: &str) -> Result<()> {
        match &mut self.state {
            State::Failed(_) => Err(failed_transaction()),
            State::Idle | State::Implicit(_) => Err(SqlError::new(
                SqlState::NoActiveSqlTransaction,
                "RELEASE SAVEPOINT can only be used in transaction blocks",
            )),
            State::Explicit(open) => {
                let at = open.find_savepoint(name)?;
                open.txn.release(open.savepoints[at].position)?;
                open.savepoints.truncate(at);
                Ok(())
            }
        }
    }

    /// Undoes rows and catalog changes since a savepoint, and lets go of the locks that were taken since, as PostgreSQL does.
    fn undo_to(&mut self, open: &Open, savepoint: &NamedSavepoint) -> Result<()> {
        open.txn.rollback_to(savepoint.position)?;
        self.forget_undone_function();
        open.working.undo_to(savepoint.changes, &self.db.catalog());
        Ok(open.txn.unlock_to(savepoint.position)?)
    }

    /// The same after an error, before the client says which savepoint it wants: to the newest, or an error where there is none.
    pub(super) fn undo_to_newest_savepoint(&mut self, open: &Open) -> Result<()> {
        match open.savepoints.last() {
            Some(savepoint) => self.undo_to(open, savepoint),
            None => Err(failed_transaction()),
        }
    }

    pub(super) fn rollback_to(&mut self, name: &str) -> Result<()> {
        self.state = match std::mem::replace(&mut self.state, State::Idle) {
            State::Explicit(mut open) | State::Failed(mut open) => {
                let found = open.find_savepoint(name).and_then(|at| {
                    self.undo_to(&open, &open.savepoints[at])?;
                    Ok(at)
                });
                match found {
                    Ok(at) => {
                        open.savepoints.truncate(at + 1);
                        let savepoint = &open.savepoints[at];
                        self.shared.signals.lock().truncate(savepoint.signals);
                        // What SET did since is undone too, SET ROLE above all.
                        self.shared.settings.lock().restore(savepoint.settings.clone());
                        open.hidden.truncate(savepoint.hidden);
                        open.hidden_identity = savepoint.hidden_identity.clone();
                        State::Explicit(open)
                    }
                    Err(error) => {
                        self.state = State::Failed(open);
                        return Err(error);
                    }
                }
            }
            other => {
                self.state = other;
                return Err(SqlError::new(
                    SqlState::NoActiveSqlTransaction,
                    "ROLLBACK TO SAVEPOINT can only be used in transaction blocks",
                ));
            }
        };
        Ok(())
    }

    /// SET TRANSACTION, before the transaction's first query.
    pub(crate) fn set_transaction(&mut self, modes: crate::parse::TransactionModes, session: bool) -> Result<()> {
        if session {
            let mut settings = self.shared.settings.lock();
            if let Some(isolation) = modes.isolation {
                settings.set("default_transaction_isolation", crate::context::isolation_name(isolation))?;
            }
            if let Some(read_only) = modes.read_only {
                settings.set("default_transaction_read_only", if read_only { "on" } else { "off" })?;
            }
            return Ok(());
        }
        let fresh = |isolation, read_only| self.begin(Some(isolation), Some(read_only));
        match &self.state {
            State::Explicit(open) => {
                let isolation = modes.isolation.unwrap_or(open.txn.isolation());
                let read_only = modes.read_only.unwrap_or(open.read_only);
                if isolation != open.txn.isolation() && (open.txn.has_writes() || open.working.is_changed()) {
                    return Err(SqlError::new(
                        SqlState::ActiveSqlTransaction,
                        "SET TRANSACTION ISOLATION LEVEL must be called before any query",
                    ));
                }
                let mut next = if isolation == open.txn.isolation() {
                    None
                } else {
                    Some(fresh(isolation, read_only))
                };
                if let State::Explicit(open) = &mut self.state {
                    match next.take() {
                        None => open.read_only = read_only,
                        Some(next) => open.give_way_to(next),
                    }
                }
                Ok(())
            }
            State::Idle | State::Implicit(_) | State::Failed(_) => {
                self.notice(Notice::warning(
                    SqlState::NoActiveSqlTransaction,
                    "SET TRANSACTION can only be used in transaction blocks",
                ));
                Ok(())
            }
        }
    }
}

pub(super) fn no_transaction() -> Notice {
    Notice::warning(SqlState::NoActiveSqlTransaction, "there is no transaction in progress")
}
