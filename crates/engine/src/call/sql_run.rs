//! The record of a function of LANGUAGE sql, which has no sandbox and no gate of its own.
//!
//! The life of a run: the first row for which a statement calls the function records ExecutionStarted; further rows of the statement
//! belong to the same run, as they belong to the same sandbox elsewhere. Each statement of the body that touches tables is a
//! DatabaseOperation the first time. Functions of LANGUAGE sql that it calls are runs below it and end with it. When the calling statement
//! ends, so does the run: ExecutionCompleted, unless it was ExecutionFailed before.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use audit::{Event, EventType, Receipt, Sink};
use catalog::Function;
use parking_lot::Mutex;
use policy::Gate;
use types::{Result, SqlError, SqlState};

use super::Calls;
use super::sql::Body;
use crate::context::{SessionShared, StatementContext};
use crate::function_stats::{End, Statistics};
use crate::session;

/// Runs by the function's OID.
pub(super) type SqlRuns = Mutex<HashMap<u32, Arc<SqlRun>>>;

pub(super) struct SqlRun {
    pub(super) call_id: i64,
    parent_call_id: Option<i64>,
    function: u32,
    function_name: Arc<str>,
    user: Arc<str>,
    session: Arc<SessionShared>,
    /// Of the function in a sandbox above it, whose rows these are too.
    gate: Option<Arc<Gate>>,
    sink: Arc<dyn Sink>,
    statistics: Arc<Statistics>,
    started: Instant,
    ended: AtomicBool,
    pub(super) body: Mutex<Option<Arc<Body>>>,
    /// Statements of the body that are on record.
    operations: Mutex<HashSet<usize>>,
    pub(super) below: Arc<SqlRuns>,
    newest: AtomicU64,
    newest_firm: AtomicU64,
}

impl SqlRun {
    /// The calling statement's run of a function, begun now if there is none.
    pub(super) fn of(calls: &Calls, context: &StatementContext, function: &Function) -> Result<Arc<SqlRun>> {
        let mut runs = calls.sql.lock();
        if let Some(run) = runs.get(&function.oid)
            && !run.ended.load(Ordering::Acquire)
        {
            return Ok(run.clone());
        }
        let run = Arc::new(SqlRun {
            call_id: session::next_call_id(&context.db),
            parent_call_id: calls.call_id(),
            function: function.oid,
            function_name: Arc::from(function.name.as_str()),
            user: context.actor.name.clone(),
            session: context.session.clone(),
            gate: calls.gate(),
            sink: context.sink(),
            statistics: context.db.statistics.clone(),
            started: Instant::now(),
            ended: AtomicBool::new(false),
            body: Mutex::default(),
            operations: Mutex::default(),
            below: Arc::default(),
            newest: AtomicU64::new(0),
            newest_firm: AtomicU64::new(0),
        });
        run.record(run.event(EventType::ExecutionStarted))?;
        runs.insert(function.oid, run.clone());
        Ok(run)
    }

    /// A statement of the body does this, for the first of the rows or a further one.
    pub(super) fn operates(&self, statement: usize, resource: impl FnOnce() -> String) -> Result<()> {
        if !self.operations.lock().insert(statement) {
            return Ok(());
        }
        let mut event = self.event(EventType::DatabaseOperation);
        event.resource = Some(resource());
        self.record(event)
    }

    /// The statement that called it has ended.
    pub(super) fn complete(&self) -> Result<()> {
        if self.ended.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.complete_below()?;
        self.statistics
            .add(self.function, End::Completed, self.started.elapsed(), &sandbox::Usage::default());
        let mut event = self.event(EventType::ExecutionCompleted);
        event.duration_us = i64::try_from(self.started.elapsed().as_micros()).ok();
        self.record(event)
    }

    pub(super) fn failed(&self, error: &SqlError) -> Result<()> {
        if self.ended.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.complete_below()?;
        self.statistics
            .add(self.function, End::Failed, self.started.elapsed(), &sandbox::Usage::default());
        let mut event = self.event(EventType::ExecutionFailed);
        event.duration_us = i64::try_from(self.started.elapsed().as_micros()).ok();
        // Its text may hold row contents; that of a denial names what was asked for.
        event.error = Some(match error.state() {
            SqlState::InsufficientPrivilege => error.message().to_string(),
            _ => "a statement of the function failed".to_string(),
        });
        event.sqlstate = Some(error.state());
        self.record(event)?;
        if let Some(receipt) = self.newest().0 {
            self.session.owed.add(receipt);
        }
        Ok(())
    }

    /// Functions below it that are not to blame.
    fn complete_below(&self) -> Result<()> {
        let below: Vec<Arc<SqlRun>> = self.below.lock().drain().map(|(_, run)| run).collect();
        for run in below {
            run.complete()?;
            let (newest, newest_firm) = run.newest();
            self.note(newest, newest_firm);
        }
        Ok(())
    }

    /// The newest row of the run and those below it, and the newest that is not routine.
    pub(super) fn newest(&self) -> (Option<Receipt>, Option<Receipt>) {
        let receipt = |newest: &AtomicU64| match newest.load(Ordering::Acquire) {
            0 => None,
            id => Some(Receipt { id }),
        };
        (receipt(&self.newest), receipt(&self.newest_firm))
    }

    fn note(&self, newest: Option<Receipt>, newest_firm: Option<Receipt>) {
        self.newest.fetch_max(newest.map_or(0, |receipt| receipt.id), Ordering::AcqRel);
        self.newest_firm
            .fetch_max(newest_firm.map_or(0, |receipt| receipt.id), Ordering::AcqRel);
    }

    fn event(&self, event_type: EventType) -> Event {
        let mut event = Event::new(event_type);
        event.function_name = Some(self.function_name.clone());
        event.user_name = Some(self.user.clone());
        event.session_id = Some(self.session.session_id);
        event.call_id = Some(self.call_id);
        event.parent_call_id = self.parent_call_id;
        event
    }

    fn record(&self, event: Event) -> Result<()> {
        let routine = event.is_routine();
        let receipt = match &self.gate {
            Some(gate) => gate.record_below(event)?,
            None => self.sink.record(event)?,
        };
        self.note(Some(receipt), (!routine).then_some(receipt));
        Ok(())
    }
}
