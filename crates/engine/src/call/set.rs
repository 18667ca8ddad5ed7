//! Functions that return sets.
//!
//! The life of a set: a sandbox of the function that is not busy, or a fresh one, is called once; the rows
//! come from it in batches as they are asked for, small ones first, so that a LIMIT does not pay for rows
//! that nobody wants; when the set has ended, or is not wanted any longer, the sandbox serves the
//! statement's next set. What the guest has not handed over yet stays in the guest.

use std::collections::HashMap;
use std::sync::Arc;

use catalog::Function;
use parking_lot::Mutex;
use query::{Row, RowIter};
use types::{Datum, Result, SqlError, SqlState};

use super::{Calls, Running};
use crate::cancel::Cancel;
use crate::context::{SessionShared, StatementContext};

/// The first batch that is fetched; each further one is four times as large, up to [`query::BATCH_ROWS`].
const FIRST_BATCH_ROWS: usize = 16;

/// How many sets of users' functions one statement may have open at once: each has a sandbox of its own.
const MAX_OPEN_SETS: usize = 100;

type SharedRunning = Arc<Mutex<Running>>;

/// The sandboxes of a statement's set-returning functions.
#[derive(Default)]
pub(super) struct Sets {
    all: Mutex<Vec<SharedRunning>>,
    /// Those that no open set uses, by the function's OID.
    idle: Arc<Mutex<HashMap<u32, Vec<SharedRunning>>>>,
}

impl Sets {
    /// Every sandbox, for the statement's end; sets that are still open give no more rows.
    pub fn take_all(&self) -> Vec<SharedRunning> {
        self.idle.lock().clear();
        std::mem::take(&mut *self.all.lock())
    }
}

impl Calls {
    /// Calls a set-returning function; its rows are made as they are asked for.
    pub fn call_set(&self, context: &StatementContext, function: &Arc<Function>, args: &[Datum]) -> Result<RowIter> {
        if function.language == catalog::Language::Sql {
            return self.call_sql_set(context, function, args);
        }
        let idle = self.sets.idle.lock().get_mut(&function.oid).and_then(Vec::pop);
        let running = match idle {
            Some(running) => running,
            None => {
                if self.sets.all.lock().len() >= MAX_OPEN_SETS {
                    return Err(SqlError::new(
                        SqlState::ProgramLimitExceeded,
                        format!("a statement cannot have more than {MAX_OPEN_SETS} set-returning functions open at once"),
                    ));
                }
                let running = self.open(context, function)?;
                self.sets.all.lock().push(running.clone());
                running
            }
        };
        {
            let mut running = running.lock();
            let Some(instance) = running.instance.as_mut() else {
                return Err(running.gone("the sandbox of a set is gone before the set began"));
            };
            if let Err(error) = instance.call_set(args) {
                running.failed(&error, &context.session)?;
                return Err(error.into());
            }
        }
        Ok(Box::new(SetRows {
            function: function.clone(),
            running: Some(running),
            idle: self.sets.idle.clone(),
            session: context.session.clone(),
            cancel: context.cancel.clone(),
            batch: vec![].into_iter(),
            next_batch: FIRST_BATCH_ROWS,
        }))
    }
}

/// An open set.
struct SetRows {
    function: Arc<Function>,
    /// None once the set has ended.
    running: Option<SharedRunning>,
    idle: Arc<Mutex<HashMap<u32, Vec<SharedRunning>>>>,
    session: Arc<SessionShared>,
    cancel: Arc<Cancel>,
    batch: std::vec::IntoIter<Datum>,
    next_batch: usize,
}

impl SetRows {
    fn fetch(&mut self) -> Result<()> {
        self.cancel.check()?;
        let Some(shared) = &self.running else { return Ok(()) };
        let mut running = shared.lock();
        let Some(instance) = running.instance.as_mut() else {
            // The statement is over, or its time.
            let ended = running.ended.clone();
            drop(running);
            self.running = None;
            return ended.map_or(Ok(()), |error| Err(error.into()));
        };
        let fetched = instance.next_rows(self.next_batch);
        self.next_batch = self.next_batch.saturating_mul(4).min(query::BATCH_ROWS);
        match fetched {
            Ok(rows) => {
                let ended = rows.is_empty();
                drop(running);
                self.batch = rows.into_iter();
                if ended {
                    self.give_back();
                }
                Ok(())
            }
            Err(error) => {
                let recorded = running.failed(&error, &self.session);
                drop(running);
                self.running = None;
                recorded?;
                Err(error.into())
            }
        }
    }

    fn give_back(&mut self) {
        if let Some(running) = self.running.take() {
            self.idle.lock().entry(self.function.oid).or_default().push(running);
        }
    }
}

impl Iterator for SetRows {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Result<Row>> {
        loop {
            if let Some(value) = self.batch.next() {
                return Some(Ok(row(&self.function, value)));
            }
            self.running.as_ref()?;
            if let Err(error) = self.fetch() {
                self.running = None;
                return Some(Err(error));
            }
        }
    }
}

impl Drop for SetRows {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// What the guest gave for one row, as the row's columns.
fn row(function: &Function, value: Datum) -> Row {
    match (&function.returns, value) {
        (catalog::Returns::Table(_), Datum::Record(fields)) => fields,
        // A row that is null as a whole.
        (catalog::Returns::Table(columns), _) => vec![Datum::Null; columns.len()],
        (_, value) => vec![value],
    }
}
