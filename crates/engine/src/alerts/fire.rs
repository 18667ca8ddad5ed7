//! Triggers on the audit log at work: which a row fires, and what becomes of those that fail.

use std::collections::HashSet;
use std::sync::Arc;

use audit::{Event, EventType, Sink};
use catalog::{AuditAction, AuditTrigger, Snapshot, Table};
use query::ir::ColumnId;
use query::{Evaluator, Host};
use sandbox::TriggerCall;
use types::{Datum, Result, SqlError, SqlState};

use super::{AtWork, SESSION_ID, body};
use crate::call::Calls;
use crate::context::{Actor, SessionShared, StatementContext};
use crate::database::Database;
use crate::plan::Plan;
use crate::transaction::Open;
use crate::trigger::Condition;
use crate::{audit_log, session};

/// What a trigger may take for one row: as long as any function may run.
const TIMEOUT_MS: u64 = 120_000;
/// After so many firings the work is committed, so that alerts are seen while a long log is worked off.
const FIRINGS_PER_COMMIT: usize = 64;

/// Rows that are worked off in one transaction.
pub struct Round<'a> {
    db: &'a Arc<Database>,
    session: &'a Arc<SessionShared>,
    open: &'a Open,
    catalog: Arc<Snapshot>,
    log: Arc<Table>,
    armed: Vec<Armed>,
    broken: &'a mut Broken,
    fired: usize,
    /// What a function does may hold locks that others wait for: the transaction ends with the row.
    called: bool,
}

/// A trigger, and what its WHEN is evaluated in.
struct Armed {
    trigger: Arc<AuditTrigger>,
    ready: Option<Ready>,
    /// It cannot be made ready in this round.
    broken: bool,
}

/// The triggers that cannot be made ready, by their OIDs: that is told once, until they can again.
pub type Broken = HashSet<u32>;

struct Ready {
    context: Arc<StatementContext>,
    condition: Option<Evaluator>,
}

impl<'a> Round<'a> {
    pub fn new(
        db: &'a Arc<Database>,
        session: &'a Arc<SessionShared>,
        open: &'a Open,
        catalog: Arc<Snapshot>,
        triggers: &[Arc<AuditTrigger>],
        broken: &'a mut Broken,
    ) -> Result<Round<'a>> {
        let log = catalog.table_by_oid(catalog::heliosdb::AUDIT_LOG_OID).cloned();
        let armed = triggers.iter().map(|trigger| Armed {
            trigger: trigger.clone(),
            ready: None,
            broken: false,
        });
        Ok(Round {
            db,
            session,
            open,
            armed: armed.collect(),
            broken,
            log: log.ok_or_else(|| SqlError::internal("there is no audit log"))?,
            catalog,
            fired: 0,
            called: false,
        })
    }

    /// Whether any trigger was fired, successfully or not.
    pub fn has_fired(&self) -> bool {
        self.fired > 0
    }

    pub fn is_full(&self) -> bool {
        self.fired >= FIRINGS_PER_COMMIT || self.called
    }

    /// Fires what the row fires, in the order of the triggers' names. A trigger's failure is recorded and is no error here.
    pub fn row(&mut self, row: &audit::Row) -> Result<()> {
        let values = audit_log::values(row);
        for at in 0..self.armed.len() {
            let Some(trigger) = self.armed.get(at).map(|armed| armed.trigger.clone()) else {
                continue;
            };
            if row.id < trigger.since {
                continue;
            }
            match self.wanted(at, &values) {
                Ok(false) => {}
                Ok(true) => self.fire(&trigger, row, &values)?,
                Err(error) => self.failed(&trigger, row, &error)?,
            }
        }
        Ok(())
    }

    /// Ends what the conditions have called.
    pub fn finish(&mut self) {
        for ready in self.armed.iter_mut().filter_map(|armed| armed.ready.take()) {
            if let Err(error) = ready.context.calls.finish(&ready.context) {
                tracing::error!(%error, "the end of a call could not be recorded");
            }
        }
    }

    /// WHEN.
    fn wanted(&mut self, at: usize, values: &[Datum]) -> Result<bool> {
        let Some(armed) = self.armed.get(at).filter(|armed| !armed.broken) else {
            return Ok(false);
        };
        if armed.ready.is_none() {
            let oid = armed.trigger.oid;
            let ready = self.make_ready(&armed.trigger);
            let Some(armed) = self.armed.get_mut(at) else { return Ok(false) };
            match ready {
                Ok(ready) => {
                    self.broken.remove(&oid);
                    armed.ready = Some(ready);
                }
                Err(error) => {
                    armed.broken = true;
                    return if self.broken.insert(oid) { Err(error) } else { Ok(false) };
                }
            }
        }
        let Some(Ready { context, condition }) = self.armed.get(at).and_then(|armed| armed.ready.as_ref()) else {
            return Ok(false);
        };
        let Some(condition) = condition else { return Ok(true) };
        self.session.cancel.start(TIMEOUT_MS);
        let mut both = values.to_vec();
        both.resize(2 * values.len(), Datum::Null);
        let holds = condition.eval(&both);
        self.session.cancel.finish();
        match holds {
            Ok(holds) => Ok(matches!(holds, Datum::Bool(true))),
            Err(error) => {
                // A sandbox that has failed is not used again.
                context.calls.fail(context, &error);
                if let Some(armed) = self.armed.get_mut(at) {
                    armed.ready = None;
                }
                Err(error)
            }
        }
    }

    fn make_ready(&self, trigger: &AuditTrigger) -> Result<Ready> {
        let context = self.context(trigger)?;
        let condition = match &trigger.condition {
            None => None,
            Some(text) => {
                let condition = Condition::bind(&context, &self.log, text, &context.search_path)?;
                let columns: Vec<ColumnId> = condition.new.iter().chain(&condition.old).copied().collect();
                let host: Arc<dyn Host> = context.clone();
                Some(Evaluator::new(&condition.expr, &columns, &host)?)
            }
        };
        Ok(Ready { context, condition })
    }

    /// A statement of the trigger's: with the rights that its owner has now.
    fn context(&self, trigger: &AuditTrigger) -> Result<Arc<StatementContext>> {
        // Committed: no trigger changes its own owner.
        let catalog = self.db.catalog();
        let gone = || {
            SqlError::new(
                SqlState::UndefinedObject,
                format!("the owner of trigger \"{}\" does not exist", trigger.name),
            )
        };
        let owner = catalog.role_by_oid(trigger.owner).ok_or_else(gone)?;
        if !owner.superuser {
            return Err(SqlError::new(
                SqlState::InsufficientPrivilege,
                format!("the owner of trigger \"{}\" is no superuser any more", trigger.name),
            ));
        }
        let name: Arc<str> = Arc::from(owner.name.as_str());
        let actor = Actor {
            role: owner.oid,
            name: name.clone(),
            session_user: name.clone(),
            login: name,
        };
        self.session.settings.lock().search_path = trigger.search_path.clone();
        Ok(Arc::new(StatementContext::new(
            self.db.clone(),
            self.session.clone(),
            self.open.ground(self.db),
            session::now(),
            actor,
            vec![],
            Calls::top(),
        )))
    }

    /// Runs the trigger; what it did is undone if it fails.
    fn fire(&mut self, trigger: &Arc<AuditTrigger>, row: &audit::Row, values: &[Datum]) -> Result<()> {
        let savepoint = self.open.txn.savepoint()?;
        let signals = self.session.signals.lock().len();
        let changes = self.open.working.mark();
        *self.session.at_work.lock() = Some(AtWork {
            trigger_name: trigger.name.clone(),
            audit_id: i64::try_from(row.id).unwrap_or(i64::MAX),
            user_name: row.event.user_name.as_deref().map(str::to_string),
            function_name: row.event.function_name.as_deref().map(str::to_string),
            in_function: trigger.function().is_some(),
        });
        self.session.cancel.start(TIMEOUT_MS);
        let done = match &trigger.action {
            AuditAction::Body(statements) => statements.iter().try_for_each(|text| self.statement(trigger, text, values)),
            AuditAction::Function { oid, args } => self.function(trigger, *oid, args, values),
        };
        self.session.cancel.finish();
        *self.session.at_work.lock() = None;
        self.fired += 1;
        match done {
            Ok(()) => Ok(self.open.txn.release(savepoint)?),
            Err(error) => {
                self.open.txn.rollback_to(savepoint)?;
                self.open.working.undo_to(changes, &self.db.catalog());
                self.open.txn.unlock_to(savepoint)?;
                self.session.signals.lock().truncate(signals);
                self.failed(trigger, row, &error)
            }
        }
    }

    fn statement(&mut self, trigger: &AuditTrigger, text: &str, values: &[Datum]) -> Result<()> {
        loop {
            self.session.cancel.check()?;
            self.open.txn.refresh_snapshot()?;
            let catalog = self.db.catalog();
            self.open.working.rebase(&catalog);
            let context = self.context(trigger)?;
            let plan = body::bind(&context, &self.log, text, Some(values))?;
            session::admit(&plan, &context)?;
            // Whoever changed a table while this waited for its lock may have changed the plan's ground.
            if self.db.catalog().version() != catalog.version() {
                continue;
            }
            let Plan::Query(query) = &plan else {
                return Err(SqlError::internal("a body holds queries"));
            };
            self.called |= !query.touched.calls.is_empty();
            let host: Arc<dyn Host> = context.clone();
            // The rows themselves are nobody's.
            let ran = query.execute(&host).and_then(|mut rows| rows.try_for_each(|row| row.map(|_| ())));
            return match ran {
                Ok(()) => context.calls.finish(&context),
                Err(error) => {
                    context.calls.fail(&context, &error);
                    Err(error)
                }
            };
        }
    }

    fn function(&mut self, trigger: &AuditTrigger, oid: u32, args: &[String], values: &[Datum]) -> Result<()> {
        self.called = true;
        self.open.txn.refresh_snapshot()?;
        self.open.working.rebase(&self.db.catalog());
        let context = self.context(trigger)?;
        let function = context
            .catalog
            .function_by_oid(oid)
            .ok_or_else(|| SqlError::internal(format!("the function of trigger {} is gone", trigger.name)))?;
        crate::statement::audit_trigger::must_be_superusers(&context, function)?;
        let call = TriggerCall {
            op: "INSERT",
            when: "AFTER",
            level: "ROW",
            name: trigger.name.clone(),
            table_schema: self.log.schema.clone(),
            table_name: self.log.name.clone(),
            args: args.to_vec(),
            columns: self.log.columns.iter().map(|column| (column.name.clone(), column.ty)).collect(),
        };
        match context.calls.call_trigger(&context, function, &call, Some(values), None) {
            Ok(_) => context.calls.finish(&context),
            Err(error) => {
                context.calls.fail(&context, &error);
                Err(error)
            }
        }
    }

    /// Rows of the log that no trigger can be fired for.
    pub fn passed_over(&mut self, first: u64, last: u64, state: SqlState) -> Result<()> {
        self.session.cancel.check()?;
        self.fired += 1;
        tracing::error!(
            first,
            last,
            sqlstate = state.code(),
            "triggers on the audit log pass over rows that cannot be worked off"
        );
        let mut event = Event::new(EventType::ExecutionFailed);
        event.session_id = Some(SESSION_ID);
        event.resource = Some("triggers on heliosdb.audit_log".to_string());
        event.error = Some("rows of the audit log could not be worked off".to_string());
        event.sqlstate = Some(state);
        event.details = Some(serde_json::json!({ "first_id": first, "last_id": last }));
        self.db.audit.record(event)?;
        Ok(())
    }

    /// The operator's log has the error, the audit log its kind: its text may hold what the log must not.
    fn failed(&mut self, trigger: &AuditTrigger, row: &audit::Row, error: &SqlError) -> Result<()> {
        // A server that stops has ended it: the row's turn comes again.
        self.session.cancel.check()?;
        self.fired += 1;
        tracing::warn!(
            trigger = trigger.name,
            audit_id = row.id,
            sqlstate = error.state().code(),
            "a trigger on the audit log failed: {error}"
        );
        let mut event = Event::new(EventType::ExecutionFailed);
        event.session_id = Some(SESSION_ID);
        event.user_name = self.catalog.role_by_oid(trigger.owner).map(|role| Arc::from(role.name.as_str()));
        let function = trigger.function().and_then(|oid| self.catalog.function_by_oid(oid));
        event.function_name = function.map(|function| Arc::from(function.name.as_str()));
        event.resource = Some(format!("trigger {}", trigger.name));
        event.error = Some("a trigger on the audit log failed".to_string());
        event.sqlstate = Some(error.state());
        event.details = Some(serde_json::json!({ "trigger": trigger.name, "audit_id": row.id }));
        self.db.audit.record(event)?;
        Ok(())
    }
}
