//! Calls of users' functions, and the functions' way back into SQL.
//!
//! The life of a call: a statement's first row for a function makes a fresh sandbox for it, recorded as
//! ExecutionStarted; further rows of the statement are served by the same sandbox, in batches; when the
//! statement ends, so does the sandbox, recorded with what it used, and the statement waits until the
//! record is durable (or, with `audit_durability = interval`, until those rows are that are not routine). What the function asks of the database comes through [`SqlBackend`]: parsed and bound like any
//! statement, then put to the function's gate table by table, then run in the caller's transaction.

mod backend;
mod ddl;
mod names;
mod nested;
mod open;
mod params;
pub mod plans;
mod questions;
mod rights;
mod set;
mod sql;
mod sql_run;
mod storage;
mod trigger;
mod unseen;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use audit::EventType;
use catalog::{Function, Language, Returns};
use parking_lot::Mutex;
use policy::{FunctionName, Gate, GateContext, RightsSource};
use sandbox::{Budget, CallContext, Instance, Usage};
use types::{Datum, Result, SqlError, SqlState};

use self::backend::SqlBackend;
use self::rights::{CallerPrivileges, FixedRights, LiveRights, reference};
use self::set::Sets;
use self::sql_run::{SqlRun, SqlRuns};
use self::storage::FunctionStorage;
use crate::audit_durability::AuditDurability;
use crate::cancel::Cancel;
use crate::context::{SessionShared, StatementContext};
use crate::function_stats::{End, Statistics};
use crate::running_calls::Slot;
use crate::search_path;
use crate::session;
use crate::transaction::{ProcedureTransaction, Standing};

pub use self::nested::{arguments, may_call_stored};
pub use self::open::OpenCalls;
pub use self::rights::find_policy;
pub use self::sql::check_body as check_sql_body;
pub use self::storage::forget as forget_storage;

/// The OID of a body that DO runs: it stands in no catalog.
pub const ANONYMOUS: u32 = 0;

/// The functions at work for one statement, and the function that the statement was made by, if one did.
pub struct Calls {
    parent: Option<Parent>,
    running: Mutex<HashMap<u32, Arc<Mutex<Running>>>>,
    /// The sandboxes of set-returning functions: as many of one function as sets of it are open at once.
    sets: Sets,
    /// Functions of LANGUAGE sql that are at work.
    sql: Arc<SqlRuns>,
    /// The function of LANGUAGE sql whose statement this is, since the last function in a sandbox. What its statements call ends with it.
    above: Option<Arc<SqlRun>>,
    /// Whether `sql` is that function's, and outlives this statement.
    lent: bool,
    /// How many of them are above this statement, since the last function in a sandbox.
    sql_depth: u32,
    /// What a procedure may end, where this is its CALL.
    control: Option<Arc<ProcedureTransaction>>,
}

#[derive(Clone)]
struct Parent {
    gate: Arc<Gate>,
    call_id: i64,
    budget: Arc<Budget>,
}

/// One function's sandbox.
struct Running {
    instance: Option<Instance>,
    /// Its place among the function's calls, as long as there is a sandbox.
    slot: Option<Slot>,
    budget: Arc<Budget>,
    /// Why there is no sandbox any longer, where that was no answer to a call.
    ended: Option<sandbox::Error>,
    gate: Arc<Gate>,
    started: Instant,
    function: u32,
    statistics: Arc<Statistics>,
}

impl Calls {
    /// For a statement that a client sent.
    pub fn top() -> Calls {
        Calls::below(None, 0)
    }

    /// For another statement at the same place of the call chain.
    pub fn at(other: &Calls) -> Calls {
        Calls {
            above: other.above.clone(),
            ..Calls::below(other.parent.clone(), other.sql_depth)
        }
    }

    fn under(gate: Arc<Gate>, call_id: i64, budget: Arc<Budget>) -> Calls {
        Calls::below(Some(Parent { gate, call_id, budget }), 0)
    }

    /// For a statement of a function of LANGUAGE sql.
    fn inside(other: &Calls, run: &Arc<SqlRun>) -> Calls {
        Calls {
            sql: run.below.clone(),
            above: Some(run.clone()),
            lent: true,
            ..Calls::below(other.parent.clone(), other.sql_depth + 1)
        }
    }

    fn below(parent: Option<Parent>, sql_depth: u32) -> Calls {
        Calls {
            parent,
            running: Mutex::new(HashMap::new()),
            sets: Sets::default(),
            sql: Arc::default(),
            above: None,
            lent: false,
            sql_depth,
            control: None,
        }
    }

    /// For a CALL that stands alone: the procedure may end the transaction.
    pub fn controlling(control: Arc<ProcedureTransaction>) -> Calls {
        Calls {
            control: Some(control),
            ..Calls::top()
        }
    }

    /// The gate of the function that this statement was made by.
    fn gate(&self) -> Option<Arc<Gate>> {
        self.parent.as_ref().map(|parent| parent.gate.clone())
    }

    /// Of the function that this statement was made by.
    fn call_id(&self) -> Option<i64> {
        match (&self.above, &self.parent) {
            (Some(run), _) => Some(run.call_id),
            (None, Some(parent)) => Some(parent.call_id),
            (None, None) => None,
        }
    }

    /// How many functions are above this statement.
    pub fn depth(&self) -> u32 {
        self.parent.as_ref().map_or(0, |parent| parent.gate.depth())
    }

    /// Runs a function on a batch of rows, whose arguments come column by column: one result each.
    pub fn call(&self, context: &StatementContext, function: &Arc<Function>, rows: usize, args: &[&[Datum]]) -> Result<Vec<Datum>> {
        let mut results = match function.language {
            Language::Sql => self.call_sql(context, function, rows, args)?,
            Language::JavaScript | Language::Python | Language::Wasm => self.call_sandboxed(context, function, rows, args)?,
        };
        if matches!(function.returns, Returns::Void) {
            // As PostgreSQL has it: void is an empty value, not NULL.
            results.fill(Datum::text(""));
        }
        Ok(results)
    }

    /// Runs a procedure.
    pub fn call_once(&self, context: &StatementContext, function: &Arc<Function>, args: &[Datum]) -> Result<()> {
        let columns: Vec<&[Datum]> = args.iter().map(std::slice::from_ref).collect();
        self.call(context, function, 1, &columns).map(drop)
    }

    fn call_sandboxed(&self, context: &StatementContext, function: &Arc<Function>, rows: usize, args: &[&[Datum]]) -> Result<Vec<Datum>> {
        let running = self.running(context, function)?;
        let mut running = running.lock();
        let Some(instance) = running.instance.as_mut() else {
            return Err(running.gone("a function that failed is not called again in its statement"));
        };
        match instance.call_columns(rows, args) {
            Ok(results) => Ok(results),
            Err(error) => {
                running.failed(&error, &context.session)?;
                Err(error.into())
            }
        }
    }

    /// The statement's sandbox of a function.
    fn running(&self, context: &StatementContext, function: &Arc<Function>) -> Result<Arc<Mutex<Running>>> {
        let mut all = self.running.lock();
        if let Some(running) = all.get(&function.oid) {
            return Ok(running.clone());
        }
        let running = self.open(context, function)?;
        all.insert(function.oid, running.clone());
        Ok(running)
    }

    /// A fresh sandbox, which the session knows of where it may have to wait for the client.
    fn open(&self, context: &StatementContext, function: &Arc<Function>) -> Result<Arc<Mutex<Running>>> {
        let is_top = self.parent.is_none();
        if is_top {
            context.session.open_calls.check()?;
        }
        let running = Arc::new(Mutex::new(self.start(context, function)?));
        if is_top {
            context.session.open_calls.add(&running);
        }
        Ok(running)
    }

    /// A fresh sandbox for this statement.
    fn start(&self, context: &StatementContext, function: &Arc<Function>) -> Result<Running> {
        crate::stack::check()?;
        let call_id = session::next_call_id(&context.db);
        let rights: Arc<dyn RightsSource> = match function.oid {
            ANONYMOUS => Arc::new(FixedRights(Arc::new(context.catalog.effective_rights(function)))),
            oid => Arc::new(LiveRights {
                db: context.db.clone(),
                function: oid,
                user: context.actor.name.clone(),
                login: context.actor.login.clone(),
                session_id: context.session.session_id,
                call_id,
                private: context.private_catalog.then(|| context.catalog.clone()),
                own: context.working.has_put_function(oid),
                resolved: Mutex::default(),
            }),
        };
        let actor = match function.security_definer {
            false => context.actor.clone(),
            true => context.acting_as(function.owner)?,
        };
        let path = search_path::within(function, context.function_path.as_ref());
        let standing = Standing {
            began: context.ground(),
            // As PostgreSQL has it: what SET and SECURITY DEFINER put in force does not end in the middle.
            control: self
                .control
                .clone()
                .filter(|_| !function.security_definer && function.search_path.is_none()),
        };
        let gate = Arc::new(Gate::new(GateContext {
            function: FunctionName::new(function.name.as_str(), reference(function, &context.catalog)),
            user: context.actor.name.clone(),
            session_id: context.session.session_id,
            call_id,
            parent_call_id: self.call_id(),
            rights,
            privileges: Arc::new(CallerPrivileges {
                db: context.db.clone(),
                standing: standing.clone(),
                actor: actor.clone(),
                caller: context.actor.role,
                path: path.clone(),
                session: context.session.clone(),
                followed: Mutex::default(),
            }),
            sink: context.sink(),
            parent: self.parent.as_ref().map(|parent| parent.gate.clone()),
        }));
        let effective = gate.rights().map_err(|denied| {
            SqlError::from(denied).hint(format!(
                "ALTER FUNCTION {} SET ENABLED = true;",
                reference(function, &context.catalog)
            ))
        })?;
        let prepared = match function.oid {
            ANONYMOUS => context.db.functions.prepare_once(function, &context.session.cancel)?,
            _ => context.db.functions.prepared(function, &context.session.cancel)?,
        };
        gate.record(gate.event(EventType::ExecutionStarted))?;
        let started = Instant::now();
        let parent = self.parent.as_ref().map(|parent| parent.budget.clone());
        let budget = Budget::new(function.signature(), effective.limits, parent);
        let cancel = Arc::new(Cancel::within(context.session.cancel.clone(), budget.deadline()));
        let storage = FunctionStorage {
            standing: standing.clone(),
            session: context.session.clone(),
            cancel: cancel.clone(),
            function: function.oid,
            consent: function.storage_consent,
            options: context.db.storage_options,
            usage: Mutex::default(),
        };
        let backend = Arc::new(SqlBackend {
            db: context.db.clone(),
            session: context.session.clone(),
            standing,
            in_use: context.in_use.clone(),
            actor,
            path,
            gate: gate.clone(),
            call_id,
            budget: budget.clone(),
            cancel,
            storage,
        });
        let runtime = context.db.functions.runtime()?;
        let slot = context.db.running_calls.enter(function.oid, effective.limits.concurrent_calls);
        let too_many = slot.is_none();
        let mut running = Running {
            instance: None,
            slot,
            budget: budget.clone(),
            ended: None,
            gate: gate.clone(),
            started,
            function: function.oid,
            statistics: context.db.statistics.clone(),
        };
        let refused = if self.depth() >= policy::MAX_CALL_DEPTH {
            Some(sandbox::Error::too_deep(&budget))
        } else if too_many {
            Some(sandbox::Error::too_many_calls(&budget))
        } else {
            None
        };
        if let Some(error) = refused {
            running.record_failure(&error, None, &context.session)?;
            return Err(error.into());
        }
        let instance = runtime.instantiate(
            &prepared,
            CallContext {
                budget,
                gate: gate.clone(),
                backend,
                // Its own time is the budget's matter, which knows whose limit it is.
                cancel: context.session.cancel.clone(),
                transaction_timestamp: context.transaction_timestamp,
                text_style: context.text_style.clone(),
            },
        );
        match instance {
            Ok(instance) => running.instance = Some(instance),
            Err(error) => {
                running.record_failure(&error, None, &context.session)?;
                return Err(error.into());
            }
        }
        Ok(running)
    }

    /// The statement has ended well: its functions are recorded as completed. What `audit_durability` wants on disk before the client
    /// hears of it is from now on owed by the session.
    pub fn finish(&self, context: &StatementContext) -> Result<()> {
        let running = std::mem::take(&mut *self.running.lock());
        let (mut newest, mut newest_firm) = (None, None);
        for running in running.into_values().chain(self.sets.take_all()) {
            let mut running = running.lock();
            running.completed()?;
            newest = newest.max(running.gate.newest());
            newest_firm = newest_firm.max(running.gate.newest_firm());
        }
        if !self.lent {
            let runs: Vec<Arc<SqlRun>> = self.sql.lock().drain().map(|(_, run)| run).collect();
            for run in runs {
                run.complete()?;
                let (of_run, firm_of_run) = run.newest();
                newest = newest.max(of_run);
                newest_firm = newest_firm.max(firm_of_run);
            }
        }
        if newest.is_none() {
            return Ok(());
        }
        let durability = context.session.settings.lock().audit_durability;
        let awaited = match durability {
            AuditDurability::Statement => newest,
            AuditDurability::Interval => newest_firm,
        };
        match awaited {
            Some(receipt) => context.session.owed.add(receipt),
            None => context.db.audit.check()?,
        }
        Ok(())
    }

    /// The statement has failed: a function that is not to blame has completed. The error is reported
    /// in any case, so a log that cannot be written can only be told to the operator.
    pub fn fail(&self, context: &StatementContext, error: &SqlError) {
        if let Err(unrecorded) = self.finish(context) {
            tracing::error!(%error, %unrecorded, "the end of a call could not be recorded");
        }
    }
}

impl Running {
    fn completed(&mut self) -> Result<()> {
        let Some(instance) = self.instance.take() else { return Ok(()) };
        self.count(End::Completed, Some(&instance.usage()));
        let mut event = self.gate.event(EventType::ExecutionCompleted);
        self.describe(Some(&instance.usage()), &mut event);
        self.gate.record(event)?;
        Ok(())
    }

    /// Records the failure; the sandbox is gone with it.
    fn failed(&mut self, error: &sandbox::Error, session: &SessionShared) -> Result<()> {
        let Some(instance) = self.instance.take() else { return Ok(()) };
        let usage = instance.usage();
        drop(instance);
        self.slot = None;
        self.record_failure(error, Some(&usage), session)
    }

    /// Its wall time is over, and no guest runs that would notice.
    fn out_of_time(&mut self, session: &SessionShared) {
        if self.instance.is_none() {
            return;
        }
        let error = sandbox::Error::out_of_time(&self.budget);
        if let Err(unrecorded) = self.failed(&error, session) {
            tracing::error!(%error, %unrecorded, "the end of a call could not be recorded");
        }
        self.ended = Some(error);
    }

    /// Why it cannot be called.
    fn gone(&self, otherwise: &str) -> SqlError {
        match &self.ended {
            Some(error) => error.clone().into(),
            None => SqlError::internal(otherwise),
        }
    }

    fn record_failure(&self, error: &sandbox::Error, usage: Option<&Usage>, session: &SessionShared) -> Result<()> {
        let limit_hit = matches!(error, sandbox::Error::Limit { .. });
        self.count(if limit_hit { End::LimitHit } else { End::Failed }, usage);
        if let sandbox::Error::Limit { limit, value, .. } = error {
            let mut event = self.gate.event(EventType::ResourceLimitExceeded);
            self.describe(usage, &mut event);
            let sql = SqlError::from(error.clone());
            event.resource = Some(limit.key().to_string());
            event.error = Some(sql.message().to_string());
            event.sqlstate = Some(sql.state());
            event.details = Some(serde_json::json!({ "limit": limit.key(), "value": value }));
            self.gate.record(event)?;
        }
        let mut event = self.gate.event(EventType::ExecutionFailed);
        self.describe(usage, &mut event);
        let sql = SqlError::from(error.clone());
        // What a guest throws may hold row contents: the log says what kind of error it was, not its text.
        event.error = Some(match error {
            sandbox::Error::Guest { .. } | sandbox::Error::Value(_) | sandbox::Error::Refused(_) => kind_of(error, &sql),
            _ => sql.message().to_string(),
        });
        event.sqlstate = Some(sql.state());
        self.gate.record(event)?;
        if let Some(receipt) = self.gate.newest() {
            session.owed.add(receipt);
        }
        Ok(())
    }

    fn count(&self, end: End, usage: Option<&Usage>) {
        self.statistics
            .add(self.function, end, self.started.elapsed(), &usage.copied().unwrap_or_default());
    }

    fn describe(&self, usage: Option<&Usage>, event: &mut audit::Event) {
        event.duration_us = i64::try_from(self.started.elapsed().as_micros()).ok();
        let Some(usage) = usage else { return };
        event.fuel_used = i64::try_from(usage.fuel).ok();
        event.memory_bytes = i64::try_from(usage.memory_bytes).ok();
    }
}

fn kind_of(error: &sandbox::Error, sql: &SqlError) -> String {
    match error {
        sandbox::Error::Guest { .. } => "the function threw an exception".to_string(),
        sandbox::Error::Value(_) => "a value does not fit its SQL type".to_string(),
        // Denials name what was asked for, which the log shows anyway.
        _ if sql.state() == SqlState::InsufficientPrivilege => sql.message().to_string(),
        _ => "a statement of the function failed".to_string(),
    }
}
