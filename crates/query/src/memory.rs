//! How much a statement may keep in memory: rows that a join, a sort or a grouping holds until
//! it is done. A statement that wants more fails; the server and the other sessions live on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{MemoryLimit, MemoryPool, MemoryReservation};
use types::{Datum, Result, SqlError, SqlState};

use crate::host::Row;

/// One statement's share. Some of these must fit in a small machine, and nothing is written to disk.
pub const MAX_STATEMENT_BYTES: usize = 1 << 30;

/// What one statement holds, on all roads and threads.
#[derive(Default, Debug)]
pub(crate) struct Meter {
    used: AtomicUsize,
}

impl Meter {
    fn grow(&self, bytes: usize) -> Result<()> {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > MAX_STATEMENT_BYTES {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
            return Err(exhausted());
        }
        Ok(())
    }

    fn shrink(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

pub(crate) fn exhausted() -> SqlError {
    SqlError::new(SqlState::OutOfMemory, "out of memory")
        .detail(format!("A statement may keep {} MB of rows in memory while it runs.", MAX_STATEMENT_BYTES >> 20))
}

/// Memory in use; given back when dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    meter: Arc<Meter>,
    bytes: usize,
}

impl Reservation {
    pub fn new(meter: Arc<Meter>) -> Reservation {
        Reservation { meter, bytes: 0 }
    }

    pub fn grow(&mut self, bytes: usize) -> Result<()> {
        self.meter.grow(bytes)?;
        self.bytes += bytes;
        Ok(())
    }

    /// Forgets what was in use.
    pub fn clear(&mut self) {
        self.meter.shrink(std::mem::take(&mut self.bytes));
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Rows that are held, and their memory.
pub(crate) struct Kept {
    pub rows: Vec<Row>,
    pub reservation: Reservation,
}

/// Bytes of a row, roughly.
pub(crate) fn row_bytes(row: &[Datum]) -> usize {
    size_of::<Row>() + row.iter().map(datum_bytes).sum::<usize>()
}

fn datum_bytes(datum: &Datum) -> usize {
    size_of::<Datum>()
        + match datum {
            Datum::Text(text) | Datum::Json(text) => text.len(),
            Datum::Bytea(bytes) => bytes.len(),
            Datum::Numeric(_) => 32,
            Datum::Array(array) => array.values.iter().map(datum_bytes).sum(),
            Datum::Record(fields) => fields.iter().map(datum_bytes).sum(),
            Datum::Null
            | Datum::Bool(_)
            | Datum::Int2(_)
            | Datum::Int4(_)
            | Datum::Int8(_)
            | Datum::Float4(_)
            | Datum::Float8(_)
            | Datum::Date(_)
            | Datum::Time(_)
            | Datum::Timestamp(_)
            | Datum::Timestamptz(_)
            | Datum::Interval(_)
            | Datum::Uuid(_)
            | Datum::Oid(_) => 0,
        }
}

/// The same meter, as DataFusion's operators ask it.
#[derive(Debug)]
pub(crate) struct StatementPool(pub Arc<Meter>);

impl std::fmt::Display for StatementPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl MemoryPool for StatementPool {
    fn name(&self) -> &str {
        "statement"
    }

    fn grow(&self, _reservation: &MemoryReservation, additional: usize) {
        self.0.used.fetch_add(additional, Ordering::Relaxed);
    }

    fn shrink(&self, _reservation: &MemoryReservation, shrink: usize) {
        self.0.shrink(shrink);
    }

    fn try_grow(&self, _reservation: &MemoryReservation, additional: usize) -> Result<(), DataFusionError> {
        self.0.grow(additional).map_err(|error| DataFusionError::ResourcesExhausted(error.message().to_string()))
    }

    fn reserved(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(MAX_STATEMENT_BYTES)
    }
}
