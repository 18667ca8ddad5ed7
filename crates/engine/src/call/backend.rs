//! A function's way back into SQL.
//!
//! The life of a host call: its text is parsed and bound like any statement, put to the function's gate
//! table by table, then run in the caller's transaction, under a savepoint that a caught error returns to. What it defines
//! the function's next statement finds.

use std::sync::Arc;

use audit::EventType;
use catalog::Table;
use policy::{Administer, Administration, Gate};
use sandbox::{Budget, ExecuteResult, Param, QueryResult};
use types::{Datum, NO_TYPMOD, Notice, Result, Severity, SqlError, SqlState, Type};

use super::Calls;
use super::ddl;
use super::names;
use super::nested::{self, Permits};
use super::params::Ready;
use super::plans::Bound;
use super::storage::FunctionStorage;
use super::unseen;
use crate::authorize;
use crate::cancel::Cancel;
use crate::context::{Actor, SessionShared, StatementContext};
use crate::database::Database;
use crate::parse::{Access, Commented, PolicyStatement, RoleName, Statement, Utility};
use crate::plan::Plan;
use crate::session;
use crate::statement;
use crate::talk::Said;
use crate::transaction::Standing;
use crate::working_catalog::InUse;
use crate::write::Written;

/// A function's way back into SQL: the caller's transaction, the function's gate.
pub(super) struct SqlBackend {
    pub(super) db: Arc<Database>,
    pub(super) session: Arc<SessionShared>,
    pub(super) standing: Standing,
    /// The tables that the statements above are at work on.
    pub(super) in_use: Arc<InUse>,
    pub(super) actor: Actor,
    /// The search path in force; None: the session's.
    pub(super) path: Option<Arc<[String]>>,
    pub(super) gate: Arc<Gate>,
    pub(super) call_id: i64,
    /// What its host calls draw on.
    pub(super) budget: Arc<Budget>,
    /// Ends what it asks when the function's time is up.
    pub(super) cancel: Arc<Cancel>,
    pub(super) storage: FunctionStorage,
}

/// What a host call may do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Query,
    Execute,
}

/// What the arguments of a call may mean in SQL, the likeliest first.
enum Reading {
    AsGiven,
    Json,
    Literals,
}

/// A plan that every function of the chain may run: made by [`SqlBackend::authorize`] only.
struct Authorized {
    bound: Arc<Bound>,
    _permits: Permits,
}

impl sandbox::Backend for SqlBackend {
    fn query(&self, sql: &str, params: Vec<Param<'_>>) -> Result<QueryResult, SqlError> {
        let (columns, written) = self.run(sql, params, Verb::Query)?;
        Ok(QueryResult {
            columns: columns.unwrap_or_default(),
            rows: written.returned,
        })
    }

    fn execute(&self, sql: &str, params: Vec<Param<'_>>) -> Result<ExecuteResult, SqlError> {
        let (columns, written) = self.run(sql, params, Verb::Execute)?;
        let rows = columns.map(|columns| QueryResult {
            columns,
            rows: written.returned,
        });
        Ok(ExecuteResult {
            rows_affected: written.rows,
            rows,
        })
    }

    fn call(&self, name: &str, arguments: Vec<Param<'static>>) -> Result<Datum, SqlError> {
        let name = names::parse(name)?;
        let placeholders: Vec<String> = (1..=arguments.len()).map(|number| format!("${number}")).collect();
        let sql = format!("SELECT {name}({})", placeholders.join(", "));
        // An array of values is an SQL array before it is JSON; what fits no function as the type that it brings along may fit one as a literal does.
        let mut refusal = None;
        for reading in [Reading::AsGiven, Reading::Json, Reading::Literals] {
            let arguments = arguments.iter().cloned();
            let arguments: Vec<Param<'_>> = match reading {
                Reading::AsGiven => arguments.collect(),
                Reading::Json => arguments.map(Param::as_json).collect(),
                Reading::Literals => arguments.map(Param::as_literal).collect::<Result<_>>()?,
            };
            let context = self.context(vec![])?;
            match self.prepare(&sql, &arguments, &context, Verb::Query) {
                Ok(Some(ready)) => return self.call_bound(&name, ready, context),
                Ok(None) => return Err(SqlError::internal("a SELECT ends no transaction")),
                Err(error) if error.state() == SqlState::UndefinedFunction => refusal = refusal.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        Err(refusal.unwrap_or_else(|| SqlError::internal("a call can be read")))
    }

    fn storage(&self) -> Result<&dyn sandbox::Storage, SqlError> {
        self.storage
            .open(self.gate.function())
            .map(|storage| storage as &dyn sandbox::Storage)
    }

    fn log(&self, level: Severity, message: &str) {
        let (level, message) = match self.session.talk.lock().say(message) {
            Said::Heard => (level, message),
            Said::TooMuch => (Severity::Warning, "further messages of this function are not shown"),
            Said::Unheard => return,
        };
        tracing::info!(function = %self.gate.function().name, call = self.call_id, "{message}");
        let mut notice = Notice::notice(message);
        notice.severity = match level {
            Severity::Debug | Severity::Log => Severity::Debug,
            Severity::Info => Severity::Info,
            Severity::Notice => Severity::Notice,
            Severity::Warning => Severity::Warning,
        };
        // Debug messages go to the server's log only, as client_min_messages has it by default.
        if notice.severity != Severity::Debug {
            self.session.notices.lock().push(notice);
        }
    }
}

type Columns = Option<Vec<(String, Type)>>;

impl SqlBackend {
    fn run(&self, sql: &str, params: Vec<Param<'_>>, verb: Verb) -> Result<(Columns, Written)> {
        let context = self.context(vec![])?;
        let Some(ready) = self.prepare(sql, &params, &context, verb)? else {
            return Ok((None, Written::default()));
        };
        if let Plan::Utility(kind) = &ready.bound.plan {
            self.define(kind, verb, &context)?;
            return Ok((None, Written::default()));
        }
        self.run_bound(ready, verb, context)
    }

    fn run_bound(&self, ready: Ready, verb: Verb, mut context: Arc<StatementContext>) -> Result<(Columns, Written)> {
        let bound = &ready.bound;
        // Asked before the locks are taken, and again where something has changed while this waited for them.
        let committed = self.db.catalog();
        let mut authorized = self.authorize(bound, verb, &context)?;
        session::lock_tables(&bound.plan, &context)?;
        if !Arc::ptr_eq(&committed, &self.db.catalog()) {
            authorized = self.authorize(bound, verb, &context)?;
        }
        let cast = |((value, from), to): ((Datum, Type), &Type)| match from == *to {
            true => Ok(value),
            false => functions::cast::cast(&*context, value, from, *to, NO_TYPMOD, false),
        };
        let params = ready
            .params
            .into_iter()
            .zip(&bound.types)
            .map(cast)
            .collect::<Result<Vec<Datum>>>()?;
        let inner = Arc::get_mut(&mut context).ok_or_else(|| SqlError::internal("a statement that has not begun is nobody else's"))?;
        inner.params = params;
        let written = match nested::only_reads(&bound.plan) {
            true => self.carry_out(&authorized, context)?,
            false => {
                let at = context.clone();
                self.undone_on_error(&at, || self.carry_out(&authorized, context))?
            }
        };
        let columns = bound.plan.columns();
        let columns = columns.map(|columns| columns.iter().map(|c| (c.name.clone(), c.ty)).collect());
        Ok((columns, written))
    }

    /// The guest may catch an error: what the statement wrote and defined must be gone by then.
    fn undone_on_error<T>(&self, context: &Arc<StatementContext>, run: impl FnOnce() -> Result<T>) -> Result<T> {
        // What it calls may be this very function, and write to its storage.
        self.storage.forget_usage();
        let mark = context.mark()?;
        match run() {
            Ok(done) => {
                context.release(mark)?;
                Ok(done)
            }
            Err(error) => {
                context.abandon_to(mark)?;
                Err(error)
            }
        }
    }

    /// The one value of `SELECT name(...)`, or an array of them where the function returns a set.
    fn call_bound(&self, name: &str, ready: Ready, context: Arc<StatementContext>) -> Result<Datum> {
        let called = match &ready.bound.plan {
            Plan::Query(query) => query.touched.calls.first().cloned(),
            Plan::Insert(_) | Plan::Update(_) | Plan::Delete(_) | Plan::Call(_) | Plan::Utility(_) => None,
        };
        let Some(called) = called else {
            return Err(SqlError::new(
                SqlState::WrongObjectType,
                format!("heliosdb.call() calls functions that users have created, and {name} is built in"),
            )
            .hint("Use heliosdb.query() with a SELECT."));
        };
        let (_, written) = self.run_bound(ready, Verb::Query, context)?;
        let mut values = written.returned.into_iter().filter_map(|mut row| row.pop());
        if called.returns.is_set() {
            let element = called.returns.ty();
            let values: Vec<Datum> = values.collect();
            let length = i32::try_from(values.len())
                .map_err(|_| SqlError::new(SqlState::ProgramLimitExceeded, "a set is too large for a function"))?;
            let dims = if length == 0 { vec![] } else { vec![(length, 1)] };
            return Ok(Datum::Array(Box::new(types::Array { element, dims, values })));
        }
        Ok(values.next().unwrap_or(Datum::Null))
    }

    fn context(&self, params: Vec<Datum>) -> Result<Arc<StatementContext>> {
        let calls = Calls::under(self.gate.clone(), self.call_id, self.budget.clone());
        let mut context = StatementContext::new(
            self.db.clone(),
            self.session.clone(),
            self.standing.ground()?,
            session::now(),
            self.actor.clone(),
            params,
            calls,
        )
        .along(self.path.clone());
        context.cancel = self.cancel.clone();
        context.in_use = InUse::below(&self.in_use);
        Ok(Arc::new(context))
    }

    /// COMMIT and ROLLBACK: a procedure's, where its CALL stands alone and outside of BEGIN.
    pub(super) fn end_transaction(&self, commit: bool, verb: Verb) -> Result<()> {
        let Some(control) = &self.standing.control else {
            return Err(SqlError::new(
                SqlState::InvalidTransactionTermination,
                "invalid transaction termination",
            ));
        };
        if verb == Verb::Query {
            return Err(only_reads());
        }
        let mut event = self.gate.event(EventType::DatabaseOperation);
        event.resource = Some(if commit { "COMMIT" } else { "ROLLBACK" }.to_string());
        self.gate.record(event)?;
        self.storage.forget_usage();
        control.end(commit)
    }

    /// No function may do these, whatever it holds.
    pub(super) fn refuse_administration(&self, statement: &Statement) -> Result<()> {
        let (action, object) = match statement {
            Statement::Sql(_) => return Ok(()),
            Statement::CreateFunction(create) => (Administration::Function, create.name.clone()),
            Statement::AlterFunction(alter) => (Administration::Function, alter.name.name.clone()),
            Statement::DropFunction(drop) => (
                Administration::Function,
                drop.names.first().map(|name| name.name.clone()).unwrap_or_default(),
            ),
            Statement::CreateAggregate(create) => (Administration::Function, create.name.clone()),
            Statement::CreateTrigger(create) => (Administration::Trigger, create.name.clone()),
            Statement::DropTrigger(drop) => (Administration::Trigger, drop.name.clone()),
            Statement::Do(_) => (Administration::Function, "inline_code_block".to_string()),
            Statement::TestFunction(_) | Statement::ExplainCapabilities(..) => {
                return Err(SqlError::new(
                    SqlState::InsufficientPrivilege,
                    "a function cannot inspect or test functions",
                ));
            }
            Statement::Comment(comment) => match &comment.on {
                Commented::Routine(_, name) => (Administration::Function, name.name.clone()),
                Commented::Table(_) | Commented::View(_) | Commented::Column(..) | Commented::Schema(_) | Commented::Other(_) => {
                    return Ok(());
                }
            },
            Statement::GrantCapability { list, .. } => (Administration::Capability, list.clone()),
            Statement::SecurityPolicy(policy) => (
                Administration::Policy,
                match &**policy {
                    PolicyStatement::Create { name, .. } | PolicyStatement::Alter { name, .. } => name.clone(),
                    PolicyStatement::Drop { names, .. } => names.join(", "),
                },
            ),
            Statement::Access(access) => match &**access {
                Access::Grant(grant) => (Administration::Privilege, grant.target.describe()),
                Access::Membership(membership) => (Administration::Role, membership.describe()),
                Access::OwnerTo { name, .. } => (Administration::Role, name.describe()),
                Access::ReassignOwned { .. } => (Administration::Role, "REASSIGN OWNED".to_string()),
                Access::DropOwned { .. } => (Administration::Role, "DROP OWNED".to_string()),
                Access::DefaultPrivileges => (Administration::Privilege, "ALTER DEFAULT PRIVILEGES".to_string()),
            },
            Statement::Utility(utility) => match &**utility {
                Utility::SetIdentity { role, .. } => (Administration::Identity, role.describe()),
                Utility::CreateRole { name, .. } => (Administration::Role, name.clone()),
                Utility::AlterRole(alter) => (Administration::Role, alter.name.describe().to_string()),
                Utility::DropRole { names, .. } => {
                    let names: Vec<&str> = names.iter().map(RoleName::describe).collect();
                    (Administration::Role, names.join(", "))
                }
                Utility::Begin { .. }
                // Ended before, or refused.
                | Utility::Commit
                | Utility::Rollback
                | Utility::Savepoint(_)
                | Utility::RollbackTo(_)
                | Utility::Release(_)
                | Utility::SetTransaction { .. } => {
                    return Err(SqlError::new(
                        SqlState::InvalidTransactionTermination,
                        "a function cannot begin or end transactions",
                    ));
                }
                // Nothing grants it: what a function learns stays in the database.
                Utility::Listen(_) | Utility::Unlisten(_) | Utility::Notify { .. } => {
                    return Err(SqlError::new(
                        SqlState::InsufficientPrivilege,
                        "a function cannot send or receive notifications",
                    ));
                }
                // Nothing grants this either.
                Utility::TrimAuditLog(_) => {
                    return Err(SqlError::new(
                        SqlState::InsufficientPrivilege,
                        "a function cannot trim the audit log",
                    ));
                }
                Utility::CloseCursor(_) => return Err(SqlError::new(SqlState::FeatureNotSupported, "a function has no cursors")),
                Utility::Prepare { .. } | Utility::Execute { .. } | Utility::Deallocate(_) => {
                    return Err(SqlError::new(
                        SqlState::FeatureNotSupported,
                        "a function cannot prepare statements; those that it runs are kept prepared anyway",
                    ));
                }
                Utility::Set { .. } | Utility::Reset(_) | Utility::ResetAll | Utility::Show(_) | Utility::ShowAll | Utility::DiscardAll => {
                    return Err(SqlError::new(
                        SqlState::FeatureNotSupported,
                        "a function cannot change or show settings; use current_setting()",
                    ));
                }
            },
        };
        match self.gate.check(Administer { action, object }) {
            Err(denied) => Err(denied.into()),
            Ok(_) => Err(SqlError::internal("the gate permits administration to nobody")),
        }
    }

    /// Puts every table and function of the plan to the gate.
    fn authorize(&self, bound: &Arc<Bound>, verb: Verb, context: &StatementContext) -> Result<Authorized> {
        let plan = &bound.plan;
        let Some((touched, target)) = nested::touched(plan) else {
            return Err(SqlError::internal("what is neither a query nor a write was carried out before"));
        };
        if verb == Verb::Query && (target.is_some() || matches!(plan, Plan::Call(_))) {
            return Err(only_reads());
        }
        let permits = nested::permits(&self.gate, touched, target, context)?;
        // What capabilities don't ask about, and SQL does: a schema's USAGE, SELECT on what WHERE looks at, the very overload.
        if let Err(error) = authorize::plan(plan, context) {
            let mut event = self.gate.event(EventType::CapabilityCheck);
            event.resource = Some(describe(plan));
            event.allowed = Some(false);
            event.error = Some(error.message().to_string());
            event.sqlstate = Some(error.state());
            self.gate.record(event)?;
            return Err(error);
        }
        Ok(Authorized {
            bound: bound.clone(),
            _permits: permits,
        })
    }

    /// Runs what is neither a query nor a write: what it defines is part of the caller's transaction.
    fn define(&self, kind: &Statement, verb: Verb, context: &Arc<StatementContext>) -> Result<()> {
        let question = match kind {
            Statement::Sql(sql) => ddl::question(sql, context)?,
            Statement::Comment(comment) => ddl::comment(comment, context),
            Statement::CreateFunction(_)
            | Statement::AlterFunction(_)
            | Statement::DropFunction(_)
            | Statement::Do(_)
            | Statement::CreateAggregate(_)
            | Statement::CreateTrigger(_)
            | Statement::DropTrigger(_)
            | Statement::GrantCapability { .. }
            | Statement::SecurityPolicy(_)
            | Statement::ExplainCapabilities(..)
            | Statement::TestFunction(_)
            | Statement::Access(_)
            | Statement::Utility(_) => return Err(SqlError::internal("administration was refused before")),
        };
        let description = question.describe();
        let _permits = question.ask(&self.gate)?;
        if verb == Verb::Query {
            return Err(only_reads());
        }
        statement::refuse_read_only(context, kind)?;
        let mut event = self.gate.event(EventType::DatabaseOperation);
        // What makes it a row that no policy silences.
        event.capability = Some(audit::DDL.into());
        event.resource = Some(description);
        self.gate.record(event)?;
        self.undone_on_error(context, || statement::define(context, kind).map(drop))
    }

    fn carry_out(&self, authorized: &Authorized, context: Arc<StatementContext>) -> Result<Written> {
        let mut event = self.gate.event(EventType::DatabaseOperation);
        let plan = &authorized.bound.plan;
        event.resource = Some(authorized.bound.resource.clone());
        self.gate.record(event)?;
        let kept = context.clone();
        let written = nested::carry_out(plan, context, |params| self.context(params));
        written.map_err(|error| unseen::without_values(error, plan, &kept))
    }
}

fn only_reads() -> SqlError {
    SqlError::new(SqlState::ReadOnlySqlTransaction, "heliosdb.query() only reads").hint("Use heliosdb.execute() for statements that write.")
}

/// What a DatabaseOperation row says of it.
pub(super) fn describe(plan: &Plan) -> String {
    let name = |table: &Table| format!("{}.{}", table.schema, table.name);
    match plan {
        Plan::Query(query) => {
            let tables: Vec<String> = query.touched.reads.iter().map(|table| name(table)).collect();
            format!("SELECT {}", tables.join(", ")).trim_end().to_string()
        }
        Plan::Insert(insert) => format!("INSERT {}", name(&insert.table)),
        Plan::Update(update) => format!("UPDATE {}", name(&update.table)),
        Plan::Delete(delete) => format!("DELETE {}", name(&delete.table)),
        Plan::Call(call) => format!("CALL {}.{}", call.procedure.schema, call.procedure.name),
        Plan::Utility(_) => "utility".to_string(),
    }
}
