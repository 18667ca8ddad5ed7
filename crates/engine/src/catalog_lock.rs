//! Who may change what in the catalog, one transaction at a time, to its end.
//!
//! What creates, drops or refers to other objects holds the catalog's own lock. Beside it each object that is changed or dropped has
//! one: REVOKE, GRANT and a function's rights need nothing else, so that a revoke never waits for somebody who is creating a
//! table. Nobody takes a lock before they are found to have the right to what it is for: who may change nothing holds up nobody.
//! Whoever has waited looks again: what was to be changed may have changed.

use catalog::{Change, Snapshot};
use storage::LockMode;
use types::{Result, SqlError, SqlState};

use crate::context::StatementContext;
use crate::session::read_only;

/// What a transaction changes by itself.
#[derive(Clone, Copy, Debug)]
pub enum Lockable {
    Function(u32),
    /// A table's, view's or sequence's descriptor; its rows have locks of their own.
    Relation(u32),
    Schema(u32),
    Role(u32),
    /// That a role is there. Apart from what it is, so that nobody who grants something to a role holds up a change of its memberships.
    Presence(u32),
    Database,
}

impl Lockable {
    fn key(self) -> Vec<u8> {
        let (kind, oid) = match self {
            Lockable::Function(oid) => (b'F', oid),
            Lockable::Relation(oid) => (b'R', oid),
            Lockable::Schema(oid) => (b'S', oid),
            Lockable::Role(oid) => (b'U', oid),
            Lockable::Presence(oid) => (b'P', oid),
            Lockable::Database => (b'D', catalog::DATABASE_OID),
        };
        let mut key = vec![kind];
        key.extend_from_slice(&oid.to_be_bytes());
        key
    }
}

impl StatementContext {
    /// Takes the right to change the catalog at large.
    pub fn lock_catalog(&self) -> Result<()> {
        self.lock_for_change(b"C", LockMode::Exclusive)
    }

    /// Takes the right to change one function.
    pub fn lock_function(&self, oid: u32) -> Result<()> {
        self.lock_object(Lockable::Function(oid))
    }

    /// Takes the right to change one object.
    pub fn lock_object(&self, object: Lockable) -> Result<()> {
        self.lock_for_change(&object.key(), LockMode::Exclusive)
    }

    /// Keeps a role from being dropped, by whoever is about to name it.
    pub fn keep_role(&self, oid: u32) -> Result<()> {
        self.lock_for_change(&Lockable::Presence(oid).key(), LockMode::Shared)
    }

    fn lock_for_change(&self, key: &[u8], mode: LockMode) -> Result<()> {
        if self.read_only {
            return Err(read_only("a change of the catalog"));
        }
        self.lock_row(key, mode)?;
        // Whoever had the lock before has changed what is to be changed now.
        self.working.rebase(&self.db.catalog());
        Ok(())
    }
}

/// A change made of an older descriptor would take back what others have changed since, a REVOKE among it.
pub fn refuse_stale(change: &Change, committed: &Snapshot) -> Result<()> {
    let stale = match change {
        Change::PutTable(table) => committed.table_by_oid(table.oid).is_some_and(|now| now.version >= table.version),
        Change::PutFunction(function) => committed
            .function_by_oid(function.oid)
            .is_some_and(|now| now.version >= function.version),
        Change::PutSchema(_)
        | Change::DropSchema(_)
        | Change::DropTable(_)
        | Change::DropFunction(_)
        | Change::PutRole(_)
        | Change::DropRole(_)
        | Change::PutPolicy(_)
        | Change::DropPolicy(_)
        | Change::PutAuditTrigger(_)
        | Change::DropAuditTrigger(_)
        | Change::PutDatabase(_)
        | Change::OidMark(_) => false,
    };
    match stale {
        false => Ok(()),
        true => Err(SqlError::new(SqlState::TRSerializationFailure, "tuple concurrently updated")),
    }
}
