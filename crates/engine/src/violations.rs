//! Refused system calls of functions, counted for good.
//!
//! The life of a violation: a sandbox refuses a system call; one is added to the function's count, which is stored
//! by itself and outside the caller's transaction, so that it is there whatever the caller does next; when the
//! count has grown by [`policy::MAX_VIOLATIONS`] since the function was last enabled, its rights say that it is disabled.
//! The count only ever grows. SET ENABLED = true forgives: it notes in the function's descriptor how far the count
//! had come, as any other change of the catalog, and a rolled-back forgiveness is none.

use std::collections::HashMap;

use catalog::Function;
use parking_lot::{Mutex, RwLock};
use storage::{Db, Isolation};
use types::{Result, SqlError, SqlState};

use crate::database::Database;
use crate::table::{self, Space};

pub struct Violations {
    totals: RwLock<HashMap<u32, u32>>,
    /// One is counted after the other.
    counting: Mutex<()>,
}

impl Violations {
    pub fn load(store: &Db) -> Result<Violations> {
        let damaged = || SqlError::new(SqlState::DataCorrupted, "a count of violations is damaged");
        let mut totals = HashMap::new();
        let txn = store.begin(Isolation::ReadCommitted);
        for item in txn.scan(table::range_of(&[Space::Violations as u8]))? {
            let (key, value) = item?;
            let oid = key.get(1..).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok()).ok_or_else(damaged)?;
            let count = <[u8; 4]>::try_from(&*value).map_err(|_| damaged())?;
            totals.insert(u32::from_be_bytes(oid), u32::from_be_bytes(count));
        }
        Ok(Violations {
            totals: RwLock::new(totals),
            counting: Mutex::new(()),
        })
    }

    /// The OIDs of all that have ever had one.
    pub fn functions(&self) -> Vec<u32> {
        self.totals.read().keys().copied().collect()
    }

    /// All of a function's, ever.
    pub fn total(&self, function: u32) -> u32 {
        self.totals.read().get(&function).copied().unwrap_or(0)
    }

    /// Those that count against it.
    pub fn since_forgiven(&self, function: &Function) -> u32 {
        self.total(function.oid).saturating_sub(function.forgiven_violations)
    }

    /// Adds one, durably, and answers how many count against the function now.
    pub fn add(&self, db: &Database, function: &Function) -> Result<u32> {
        let _counting = self.counting.lock();
        let total = self.total(function.oid).saturating_add(1);
        let txn = db.store.begin(Isolation::ReadCommitted);
        txn.put(table::prefix(Space::Violations, function.oid), total.to_be_bytes().to_vec())?;
        txn.commit()?;
        self.totals.write().insert(function.oid, total);
        Ok(total.saturating_sub(function.forgiven_violations))
    }
}
