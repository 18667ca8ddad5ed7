//! What one statement may keep in memory at a time.
//!
//! DataFusion's operators ask a pool of this size; the local road's charge an account for the rows that they hold:
//! collected inputs, rows of WITH queries, groups, distinct keys, the values of `array_agg` and its kin. What is charged stays so until the
//! execution ends, which is when nearly all of it is let go; an execution inside of a row, and a round of a recursive
//! query, begin anew.

use std::mem::size_of;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use types::{Datum, Result, SqlError, SqlState};

/// 1 GiB: many times what a statement of an application wants, and a small part of a server.
pub const STATEMENT_MEMORY_BYTES: usize = 1 << 30;

#[derive(Debug, Default)]
pub(crate) struct Account {
    used: AtomicUsize,
}

impl Account {
    pub fn charge(&self, bytes: usize) -> Result<()> {
        let used = self.used.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        match used > STATEMENT_MEMORY_BYTES {
            true => Err(exhausted()),
            false => Ok(()),
        }
    }

    pub fn charge_rows<'a>(&self, rows: impl IntoIterator<Item = &'a Vec<Datum>>) -> Result<()> {
        self.charge(rows.into_iter().map(|row| row_bytes(row)).sum())
    }
}

pub(crate) fn exhausted() -> SqlError {
    SqlError::new(SqlState::OutOfMemory, "out of memory").detail(format!(
        "The statement would keep more than {STATEMENT_MEMORY_BYTES} bytes in memory."
    ))
}

/// What a row takes, its vector included.
pub(crate) fn row_bytes(row: &[Datum]) -> usize {
    size_of::<Vec<Datum>>() + row.iter().map(datum_bytes).sum::<usize>()
}

/// What a value takes, in bytes.
pub fn datum_bytes(value: &Datum) -> usize {
    let outside = match value {
        Datum::Text(text) | Datum::Json(text) => text.len(),
        Datum::Bytea(bytes) => bytes.len(),
        Datum::Array(array) => array.values.iter().map(datum_bytes).sum(),
        Datum::Record(fields) => fields.iter().map(datum_bytes).sum(),
        _ => 0,
    };
    size_of::<Datum>() + outside
}

/// DataFusion's surroundings for one execution. Nothing goes to disk: what does not fit is an error.
pub(crate) fn runtime() -> datafusion::error::Result<Arc<RuntimeEnv>> {
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(GreedyMemoryPool::new(STATEMENT_MEMORY_BYTES)))
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
        .build_arc()
}
