//! `heliosdb.storage`: where a function keeps its own values.
//!
//! The life of a value: it is written into the caller's transaction under [`Space::Storage`], the function's OID and its
//! key, with the key locked like a row; it becomes visible and durable with that transaction's commit, and goes when the
//! function is dropped. No key of another function can be spelled: the OID is the backend's, not the guest's.

use std::sync::Arc;

use parking_lot::Mutex;
use policy::FunctionName;
use sandbox::Increment;
use storage::{Isolation, LockMode, Transaction};
use types::{Result, SqlError, SqlState};

use crate::cancel::{Cancel, LockWait};
use crate::context::SessionShared;
use crate::database::StorageOptions;
use crate::table::{self, Space};
use crate::transaction::Standing;

/// One value, printed. Larger ones belong into a table.
const MAX_VALUE_BYTES: usize = 1 << 20;

pub(super) struct FunctionStorage {
    pub(super) standing: Standing,
    pub(super) session: Arc<SessionShared>,
    pub(super) cancel: Arc<Cancel>,
    pub(super) function: u32,
    /// Its owner's.
    pub(super) consent: bool,
    pub(super) options: StorageOptions,
    /// What the function's keys take, as far as this transaction sees; None until something grows.
    pub(super) usage: Mutex<Option<Usage>>,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Usage {
    bytes: u64,
    keys: u64,
}

/// Removes everything that a function has kept.
pub fn forget(txn: &Transaction, function: u32) -> Result<()> {
    for item in txn.scan(table::range_of(&table::prefix(Space::Storage, function)))? {
        let (key, _) = item?;
        txn.delete(key)?;
    }
    Ok(())
}

impl FunctionStorage {
    /// Refuses a function that may not keep anything.
    pub(super) fn open(&self, function: &FunctionName) -> Result<&FunctionStorage> {
        let refuse = || {
            SqlError::new(
                SqlState::ObjectNotInPrerequisiteState,
                format!("function {} may not use heliosdb.storage", function.name),
            )
        };
        if self.function == super::ANONYMOUS {
            return Err(refuse().detail("The body of a DO is no function that could find its values again."));
        }
        if self.options.requires_consent && !self.consent {
            return Err(refuse()
                .detail("The server's storage_requires_consent is on, and the function's owner has not consented.")
                .hint(format!("ALTER FUNCTION {} SET STORAGE = on;", function.reference)));
        }
        Ok(self)
    }

    fn txn(&self) -> Result<Arc<Transaction>> {
        Ok(self.standing.ground()?.txn)
    }

    fn key(&self, key: &str) -> Vec<u8> {
        let mut full = table::prefix(Space::Storage, self.function);
        full.extend_from_slice(key.as_bytes());
        full
    }

    /// What another call of the same function wrote meanwhile counts again.
    pub(super) fn forget_usage(&self) {
        *self.usage.lock() = None;
    }

    /// Locks the key for a write; answers its newest value.
    fn lock(&self, verb: &str, key: &[u8]) -> Result<Option<String>> {
        let ground = self.standing.ground()?;
        if ground.read_only {
            let message = format!("cannot execute heliosdb.storage.{verb} in a read-only transaction");
            return Err(SqlError::new(SqlState::ReadOnlySqlTransaction, message));
        }
        let timeout_ms = self.session.settings.lock().lock_timeout_ms;
        let txn = ground.txn;
        txn.lock(key, LockMode::Exclusive, &LockWait::new(&self.cancel, timeout_ms))?;
        if txn.isolation() != Isolation::ReadCommitted && txn.changed_since_snapshot(key)? {
            return Err(SqlError::new(
                SqlState::TRSerializationFailure,
                "could not serialize access due to concurrent update",
            ));
        }
        txn.get_latest(key)?.map(|bytes| read(&bytes)).transpose()
    }

    fn put(&self, key: Vec<u8>, before: Option<&str>, value: &str) -> Result<()> {
        if value.len() > MAX_VALUE_BYTES {
            let message = format!(
                "a value of a function's storage is at most {MAX_VALUE_BYTES} bytes of JSON, not {}",
                value.len()
            );
            return Err(SqlError::new(SqlState::ProgramLimitExceeded, message));
        }
        let name = key.len().saturating_sub(table::prefix(Space::Storage, self.function).len());
        self.account(before.map(|before| name + before.len()), name + value.len())?;
        Ok(self.txn()?.put(key, value.as_bytes().to_vec())?)
    }

    /// Refuses what would exceed the quota. Only what grows has to be counted.
    fn account(&self, before: Option<usize>, after: usize) -> Result<()> {
        let mut usage = self.usage.lock();
        let (before, after) = (before.map(|bytes| bytes as u64), after as u64);
        if usage.is_none() && before.is_some_and(|before| after <= before) {
            return Ok(());
        }
        let now = match *usage {
            Some(usage) => usage,
            None => self.count()?,
        };
        let next = Usage {
            bytes: now.bytes.saturating_sub(before.unwrap_or(0)).saturating_add(after),
            keys: now.keys + u64::from(before.is_none()),
        };
        let StorageOptions { max_bytes, max_keys, .. } = self.options;
        let refuse = |what: String| {
            Err(SqlError::new(
                SqlState::ConfigurationLimitExceeded,
                format!("the storage of a function is full: it holds at most {what}"),
            )
            .hint("Delete keys that are no longer needed, or keep the values in a table."))
        };
        if next.bytes > max_bytes && next.bytes > now.bytes {
            return refuse(format!("{max_bytes} bytes"));
        }
        if next.keys > max_keys && next.keys > now.keys {
            return refuse(format!("{max_keys} keys"));
        }
        *usage = Some(next);
        Ok(())
    }

    fn count(&self) -> Result<Usage> {
        let prefix = table::prefix(Space::Storage, self.function);
        let mut usage = Usage::default();
        for item in self.txn()?.scan(table::range_of(&prefix))? {
            let (key, value) = item?;
            usage.bytes += (key.len().saturating_sub(prefix.len()) + value.len()) as u64;
            usage.keys += 1;
        }
        Ok(usage)
    }
}

impl sandbox::Storage for FunctionStorage {
    fn get(&self, key: &str) -> Result<Option<String>> {
        self.txn()?.get(&self.key(key))?.map(|bytes| read(&bytes)).transpose()
    }

    fn set(&self, key: &str, value: &str) -> Result<()> {
        let key = self.key(key);
        let before = self.lock("set", &key)?;
        self.put(key, before.as_deref(), value)
    }

    fn delete(&self, key: &str) -> Result<bool> {
        let key = self.key(key);
        let Some(before) = self.lock("delete", &key)? else {
            return Ok(false);
        };
        let bytes = key.len().saturating_sub(table::prefix(Space::Storage, self.function).len()) + before.len();
        self.txn()?.delete(key)?;
        if let Some(usage) = &mut *self.usage.lock() {
            usage.bytes = usage.bytes.saturating_sub(bytes as u64);
            usage.keys = usage.keys.saturating_sub(1);
        }
        Ok(true)
    }

    fn keys(&self, prefix: &str) -> Result<Vec<String>> {
        let own = table::prefix(Space::Storage, self.function).len();
        let mut keys = vec![];
        for item in self.txn()?.scan(table::range_of(&self.key(prefix)))? {
            self.cancel.check()?;
            let (key, _) = item?;
            keys.push(read(key.get(own..).unwrap_or_default())?);
        }
        Ok(keys)
    }

    fn increment(&self, key: &str, by: Increment) -> Result<String> {
        let full = self.key(key);
        let before = self.lock("increment", &full)?;
        let sum = add(key, before.as_deref().unwrap_or("0"), by)?;
        self.put(full, before.as_deref(), &sum)?;
        Ok(sum)
    }
}

fn read(bytes: &[u8]) -> Result<String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| SqlError::new(SqlState::DataCorrupted, "a value of a function's storage is damaged"))
}

/// JSON numbers: whole ones stay whole.
fn add(key: &str, number: &str, by: Increment) -> Result<String> {
    let out_of_range = || {
        SqlError::new(
            SqlState::NumericValueOutOfRange,
            format!("the number under \"{}\" is out of range", shortened(key)),
        )
    };
    if let (Ok(whole), Increment::Integer(by)) = (number.parse::<i64>(), by) {
        return whole.checked_add(by).map(|sum| sum.to_string()).ok_or_else(out_of_range);
    }
    let before: f64 = number.parse().map_err(|_| {
        SqlError::new(
            SqlState::InvalidParameterValue,
            format!("heliosdb.storage.increment expects a number under \"{}\"", shortened(key)),
        )
    })?;
    let sum = match by {
        Increment::Integer(by) => before + by as f64,
        Increment::Float(by) => before + by,
    };
    if !sum.is_finite() {
        return Err(out_of_range());
    }
    serde_json::to_string(&sum).map_err(|error| SqlError::internal(format!("a number that is no JSON: {error}")))
}

fn shortened(key: &str) -> String {
    key.chars().filter(|c| !c.is_control()).take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_stay_whole() {
        let add = |number, by| add("k", number, by).map_err(|error| error.message().to_string());
        assert_eq!(add("0", Increment::Integer(1)).unwrap(), "1");
        assert_eq!(add("9007199254740993", Increment::Integer(1)).unwrap(), "9007199254740994");
        assert_eq!(add("1", Increment::Float(0.5)).unwrap(), "1.5");
        assert_eq!(add("1.5", Increment::Integer(-2)).unwrap(), "-0.5");
        assert_eq!(
            add("9223372036854775807", Increment::Integer(1)).unwrap_err(),
            "the number under \"k\" is out of range"
        );
        assert_eq!(
            add("1e308", Increment::Float(1e308)).unwrap_err(),
            "the number under \"k\" is out of range"
        );
        for other in ["\"5\"", "null", "[1]", "true"] {
            assert_eq!(
                add(other, Increment::Integer(1)).unwrap_err(),
                "heliosdb.storage.increment expects a number under \"k\""
            );
        }
    }
}
