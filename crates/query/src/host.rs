//! What running a plan needs from the world around it. The engine implements it.

use std::ops::Bound;
use std::sync::Arc;

use types::{Datum, Result};

/// One row of values, in the order of its relation's columns.
pub type Row = Vec<Datum>;

/// The rows of a result, made as they are asked for. The first error is the end of it.
pub type RowIter = Box<dyn Iterator<Item = Result<Row>> + Send>;

/// Batches of rows, as tables give them.
pub type BatchIter = Box<dyn Iterator<Item = Result<Vec<Row>>> + Send>;

/// What is known about the rows that a scan is asked for: for each column (an index into
/// `table.columns`) an interval that it lies in, all of them together. Whoever scans may use it to
/// read less; the rows are checked again. A bound is never NULL and has the column's type.
pub type ScanBounds = Vec<(usize, Bound<Datum>, Bound<Datum>)>;

/// The most rows that go into one call of a user's function or come out of a table at once.
pub const BATCH_ROWS: usize = 1024;

/// The statement's surroundings: tables, parameters, users' functions, cancellation. One is made
/// for each statement and shared with the threads that work on it.
pub trait Host: Send + Sync {
    fn environment(&self) -> &dyn functions::Environment;

    /// The values of `$1`, `$2`, ...
    fn params(&self) -> &[Datum];

    /// All visible rows of a table or system table, in batches of at most [`BATCH_ROWS`], with
    /// these columns (indexes into `table.columns`) in this order.
    fn scan(&self, table: &catalog::Table, columns: &[usize], bounds: &ScanBounds) -> Result<BatchIter>;

    /// The same, last row first. Only asked of tables with [`catalog::Table::order_columns`].
    fn scan_backward(&self, table: &catalog::Table, columns: &[usize], bounds: &ScanBounds) -> Result<BatchIter>;

    /// The visible row with this primary key.
    fn get(&self, table: &catalog::Table, key: &[Datum], columns: &[usize]) -> Result<Option<Row>>;

    /// Runs a user's function on a batch of at most [`BATCH_ROWS`] rows: one result each, in order. `args` are the arguments,
    /// column by column, each with a value for every row. A strict function is never asked about a row with a NULL argument.
    fn call(&self, function: &Arc<catalog::Function>, rows: usize, args: &[&[Datum]]) -> Result<Vec<Datum>>;

    /// Runs a user's function that returns rows.
    fn call_set(&self, function: &Arc<catalog::Function>, args: Vec<Datum>) -> Result<RowIter>;

    /// An error when the statement has been cancelled or has run out of time. Asked between batches.
    fn check_cancelled(&self) -> Result<()>;
}
