//! Calls of users' functions, and the functions' way back into SQL.
//!
//! The life of a call: a statement's first row for a function makes a fresh sandbox for it, recorded as
//! ExecutionStarted; further rows of the statement are served by the same sandbox, in batches; when the
//! statement ends, so does the sandbox, recorded with what it used, and the statement waits until the
//! record is durable. What the function asks of the database comes through [`SqlBackend`]: parsed and bound like any
//! statement, then put to the function's gate table by table, then run in the caller's transaction.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use audit::{EventType, Sink};
use catalog::{Function, Privilege, Snapshot, Table};
use parking_lot::Mutex;
use policy::{
    Administer, Administration, CallFunction, Effective, FunctionName, Gate, GateContext, ObjectName, Permit, Policy, Privileges,
    ReadTable, Request, RightsSource, RunDdl, Syscall, WriteAction, WriteTable,
};
use query::{Host, Row};
use sandbox::{CallContext, ExecuteResult, Instance, QueryResult};
use storage::Transaction;
use types::{Datum, NO_TYPMOD, Notice, Result, Severity, SqlError, SqlState, Type};

use crate::context::{Actor, SessionShared, StatementContext};
use crate::database::Database;
use crate::parse::{Placeholders, Statement, Utility};
use crate::plan::Plan;
use crate::session::{self, ROW_BYTES_LIMIT};
use crate::write::{self, Stop, Written};

/// The functions at work for one statement, and the function that the statement was made by, if one did.
pub struct Calls {
    parent: Option<Parent>,
    running: Mutex<HashMap<u32, Arc<Mutex<Running>>>>,
}

#[derive(Clone)]
struct Parent {
    gate: Arc<Gate>,
    call_id: i64,
}

/// One function's sandbox.
struct Running {
    instance: Option<Instance>,
    gate: Arc<Gate>,
    started: Instant,
}

impl Calls {
    /// For a statement that a client sent.
    pub fn top() -> Calls {
        Calls {
            parent: None,
            running: Mutex::new(HashMap::new()),
        }
    }

    /// For another statement at the same place of the call chain.
    pub fn at(other: &Calls) -> Calls {
        Calls {
            parent: other.parent.clone(),
            running: Mutex::new(HashMap::new()),
        }
    }

    fn under(gate: Arc<Gate>, call_id: i64) -> Calls {
        Calls {
            parent: Some(Parent { gate, call_id }),
            running: Mutex::new(HashMap::new()),
        }
    }

    /// How many functions are above this statement.
    pub fn depth(&self) -> u32 {
        self.parent.as_ref().map_or(0, |parent| parent.gate.depth())
    }

    /// Runs a function on a batch of argument rows: one result each.
    pub fn call(&self, context: &StatementContext, function: &Arc<Function>, rows: &[Row]) -> Result<Vec<Datum>> {
        let running = {
            let mut all = self.running.lock();
            match all.get(&function.oid) {
                Some(running) => running.clone(),
                None => {
                    let running = Arc::new(Mutex::new(self.start(context, function)?));
                    all.insert(function.oid, running.clone());
                    running
                }
            }
        };
        let mut running = running.lock();
        let Some(instance) = running.instance.as_mut() else {
            return Err(SqlError::internal("a function that failed is not called again in its statement"));
        };
        match instance.call(rows) {
            Ok(results) => Ok(results),
            Err(error) => {
                running.failed(&error, context)?;
                Err(error.into())
            }
        }
    }

    /// A fresh sandbox for this statement.
    fn start(&self, context: &StatementContext, function: &Arc<Function>) -> Result<Running> {
        let depth = self.depth();
        if depth >= policy::MAX_CALL_DEPTH {
            return Err(SqlError::new(
                SqlState::StatementTooComplex,
                format!("call depth limit of {} exceeded", policy::MAX_CALL_DEPTH),
            ));
        }
        let call_id = session::next_call_id(&context.db);
        let rights = Arc::new(LiveRights {
            db: context.db.clone(),
            function: function.oid,
            private: context.private_catalog.then(|| context.catalog.clone()),
        });
        let actor = match function.security_definer {
            false => context.actor.clone(),
            true => context.acting_as(function.owner)?,
        };
        let gate = Arc::new(Gate::new(GateContext {
            function: FunctionName::new(function.name.as_str(), reference(function, &context.catalog)),
            user: context.actor.name.clone(),
            session_id: context.session.session_id,
            call_id,
            parent_call_id: self.parent.as_ref().map(|parent| parent.call_id),
            rights: rights.clone(),
            privileges: Arc::new(CallerPrivileges {
                catalog: context.catalog.clone(),
                role: actor.role,
            }),
            sink: context.db.audit.clone(),
            parent: self.parent.as_ref().map(|parent| parent.gate.clone()),
        }));
        let effective = gate.rights().map_err(|denied| {
            SqlError::from(denied).hint(format!(
                "ALTER FUNCTION {} SET ENABLED = true;",
                reference(function, &context.catalog)
            ))
        })?;
        let prepared = context.db.functions.prepared(function)?;
        gate.record(gate.event(EventType::ExecutionStarted))?;
        let started = Instant::now();
        let backend = Arc::new(SqlBackend {
            db: context.db.clone(),
            session: context.session.clone(),
            txn: context.txn.clone(),
            read_only: context.read_only,
            transaction_timestamp: context.transaction_timestamp,
            catalog: context.catalog.clone(),
            private_catalog: context.private_catalog,
            actor,
            gate: gate.clone(),
            call_id,
        });
        let runtime = context.db.functions.runtime()?;
        let instance = runtime.instantiate(
            &prepared,
            CallContext {
                limits: effective.limits,
                gate: gate.clone(),
                backend,
                cancel: context.cancel.clone(),
                started,
                transaction_timestamp: context.transaction_timestamp,
            },
        )?;
        Ok(Running {
            instance: Some(instance),
            gate,
            started,
        })
    }

    /// The statement has ended well: its functions are recorded as completed, durably.
    pub fn finish(&self, context: &StatementContext) -> Result<()> {
        let running = std::mem::take(&mut *self.running.lock());
        let mut newest = None;
        for running in running.into_values() {
            let mut running = running.lock();
            running.completed()?;
            newest = newest.max(running.gate.newest());
        }
        if let Some(receipt) = newest {
            context.db.audit.wait(receipt)?;
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
        let mut event = self.gate.event(EventType::ExecutionCompleted);
        self.describe(&instance, &mut event);
        self.gate.record(event)?;
        Ok(())
    }

    /// Records the failure; the sandbox is gone with it.
    fn failed(&mut self, error: &sandbox::Error, context: &StatementContext) -> Result<()> {
        let Some(instance) = self.instance.take() else { return Ok(()) };
        if let sandbox::Error::Limit { limit, value, .. } = error {
            let mut event = self.gate.event(EventType::ResourceLimitExceeded);
            self.describe(&instance, &mut event);
            let sql = SqlError::from(error.clone());
            event.resource = Some(limit.key().to_string());
            event.error = Some(sql.message().to_string());
            event.sqlstate = Some(sql.state());
            event.details = Some(serde_json::json!({ "limit": limit.key(), "value": value }));
            self.gate.record(event)?;
        }
        let mut event = self.gate.event(EventType::ExecutionFailed);
        self.describe(&instance, &mut event);
        let sql = SqlError::from(error.clone());
        // What a guest throws may hold row contents: the log says what kind of error it was, not its text.
        event.error = Some(match error {
            sandbox::Error::Guest { .. } | sandbox::Error::Value(_) | sandbox::Error::Refused(_) => kind_of(error, &sql),
            _ => sql.message().to_string(),
        });
        event.sqlstate = Some(sql.state());
        self.gate.record(event)?;
        if let Some(receipt) = self.gate.newest() {
            context.db.audit.wait(receipt)?;
        }
        Ok(())
    }

    fn describe(&self, instance: &Instance, event: &mut audit::Event) {
        let usage = instance.usage();
        event.duration_us = i64::try_from(self.started.elapsed().as_micros()).ok();
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

/// What follows ALTER FUNCTION for this function: its name, with its types where others share it.
fn reference(function: &Function, catalog: &Snapshot) -> String {
    let quoted = types::ident::quote_ident(&function.name);
    let name = match function.schema.as_str() {
        "public" => quoted.to_string(),
        schema => format!("{}.{}", types::ident::quote_ident(schema), quoted),
    };
    if catalog.functions_named(&function.schema, &function.name).len() < 2 {
        return name;
    }
    let types: Vec<String> = function.args.iter().map(|arg| arg.ty.to_string()).collect();
    format!("{name}({})", types.join(", "))
}

/// A policy by name: a stored one, or a predefined one.
pub fn find_policy(catalog: &Snapshot, name: &str) -> Option<Arc<Policy>> {
    match Policy::predefined(name) {
        Some(policy) => Some(Arc::new(policy.clone())),
        None => catalog.policy(name).map(|stored| Arc::new(stored.policy.clone())),
    }
}

/// The rights of a function as they stand at each check: what others commit meanwhile counts at once.
struct LiveRights {
    db: Arc<Database>,
    function: u32,
    /// The catalog of a transaction that has changed it and not committed yet.
    private: Option<Arc<Snapshot>>,
}

impl RightsSource for LiveRights {
    fn rights(&self) -> Option<Arc<Effective>> {
        let catalog = match &self.private {
            Some(private) => private.clone(),
            None => self.db.catalog(),
        };
        let function = catalog.function_by_oid(self.function)?;
        let policy = find_policy(&catalog, &function.rights.policy)?;
        Some(Arc::new(function.rights.resolve(&policy, language(function), function.enabled)))
    }

    fn add_violation(&self, _syscall: Syscall) -> Result<u32, SqlError> {
        // JavaScript reaches no system call of its own; the interpreter's imports are the host's.
        Err(SqlError::internal("a system call was refused to a language that has none"))
    }
}

fn language(function: &Function) -> policy::Language {
    match function.language {
        catalog::Language::JavaScript | catalog::Language::Sql => policy::Language::JavaScript,
        catalog::Language::Python => policy::Language::Python,
        catalog::Language::Wasm => policy::Language::Wasm,
    }
}

/// The SQL privileges of the role on whose behalf a function acts.
struct CallerPrivileges {
    catalog: Arc<Snapshot>,
    role: u32,
}

impl Privileges for CallerPrivileges {
    fn check(&self, request: &Request<'_>) -> Result<(), SqlError> {
        match request {
            Request::ReadTable(ask) => self.table(&ask.0, Privilege::Select),
            Request::WriteTable(ask) => self.table(
                &ask.table,
                match ask.action {
                    WriteAction::Insert => Privilege::Insert,
                    WriteAction::Update => Privilege::Update,
                    WriteAction::Delete => Privilege::Delete,
                    WriteAction::Truncate => Privilege::Truncate,
                },
            ),
            Request::CallFunction(ask) => {
                let allowed = self
                    .catalog
                    .functions_named(&ask.0.schema, &ask.0.name)
                    .iter()
                    .any(|f| self.catalog.has_function_privilege(self.role, f));
                if allowed { Ok(()) } else { Err(denied("function", &ask.0.name)) }
            }
            Request::RunDdl(ask) => {
                if self.catalog.is_superuser(self.role) {
                    Ok(())
                } else {
                    Err(denied("schema", ask.schema.as_deref().unwrap_or("public")))
                }
            }
            Request::ReadFile(_)
            | Request::WriteFile(_)
            | Request::ListFolder(_)
            | Request::ResolveHost(_)
            | Request::Connect(_)
            | Request::UseHttp(_)
            | Request::ReadVariable(_)
            | Request::ReadClock(_)
            | Request::DrawRandom(_)
            | Request::UseCrypto(_)
            | Request::Administer(_)
            | Request::MakeSyscall(_) => Err(SqlError::internal("no SQL privilege answers this question")),
        }
    }
}

impl CallerPrivileges {
    fn table(&self, name: &ObjectName, privilege: Privilege) -> Result<(), SqlError> {
        let table = self
            .catalog
            .table(&name.schema, &name.name)
            .ok_or_else(|| denied("table", &name.name))?;
        if self.catalog.has_table_privilege(self.role, table, privilege) {
            Ok(())
        } else {
            Err(denied("table", &name.name))
        }
    }
}

fn denied(kind: &str, name: &str) -> SqlError {
    SqlError::new(SqlState::InsufficientPrivilege, format!("permission denied for {kind} {name}"))
}

/// A function's way back into SQL: the caller's transaction, the function's gate.
struct SqlBackend {
    db: Arc<Database>,
    session: Arc<SessionShared>,
    txn: Arc<Transaction>,
    read_only: bool,
    transaction_timestamp: i64,
    catalog: Arc<Snapshot>,
    private_catalog: bool,
    actor: Actor,
    gate: Arc<Gate>,
    call_id: i64,
}

/// What a host call may do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Query,
    Execute,
}

/// A plan that every function of the chain may run: made by [`SqlBackend::authorize`] only.
struct Authorized {
    plan: Plan,
    _reads: Vec<Permit<ReadTable>>,
    _write: Option<Permit<WriteTable>>,
    _calls: Vec<Permit<CallFunction>>,
}

impl sandbox::Backend for SqlBackend {
    fn query(&self, sql: &str, params: Vec<Datum>) -> Result<QueryResult, SqlError> {
        let (columns, written) = self.run(sql, params, Verb::Query)?;
        Ok(QueryResult {
            columns: columns.unwrap_or_default(),
            rows: written.returned,
        })
    }

    fn execute(&self, sql: &str, params: Vec<Datum>) -> Result<ExecuteResult, SqlError> {
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

    fn log(&self, level: Severity, message: &str) {
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
    fn run(&self, sql: &str, params: Vec<Datum>, verb: Verb) -> Result<(Columns, Written)> {
        let mut statements = crate::parse::parse(sql, Placeholders::QuestionMarkToo)?;
        if statements.len() > 1 {
            return Err(SqlError::new(
                SqlState::SyntaxError,
                "a function may run one statement per call, not several",
            ));
        }
        let statement = statements
            .pop()
            .ok_or_else(|| SqlError::new(SqlState::SyntaxError, "there is no statement"))?;
        self.refuse_administration(&statement.kind)?;
        let context = self.context(vec![])?;
        // What is not text has its type already; text takes the type of its place, as a literal would.
        let known: Vec<Option<Type>> = params.iter().map(param_type).collect();
        let (plan, types) = session::bind(&context, &statement, &known)?;
        let placeholders = highest_placeholder(&statement.text);
        if placeholders != params.len() {
            return Err(SqlError::new(
                SqlState::ProtocolViolation,
                format!(
                    "the statement has {placeholders} placeholders but {} parameters were given",
                    params.len()
                ),
            ));
        }
        session::lock_tables(&plan, &context)?;
        let authorized = self.authorize(plan, verb, &context)?;
        let params = params
            .into_iter()
            .zip(&types)
            .zip(&known)
            .map(|((value, ty), known)| functions::cast::cast(&*context, value, known.unwrap_or(Type::Unknown), *ty, NO_TYPMOD, false))
            .collect::<Result<Vec<Datum>>>()?;
        let context = self.context(params)?;
        let savepoint = self.txn.savepoint()?;
        let result = self.carry_out(&authorized, context);
        match result {
            Ok(written) => {
                self.txn.release(savepoint)?;
                let columns = authorized
                    .plan
                    .columns()
                    .map(|columns| columns.iter().map(|c| (c.name.clone(), c.ty)).collect());
                Ok((columns, written))
            }
            Err(error) => {
                // The guest may catch it: what the statement wrote must be gone by then.
                self.txn.rollback_to(savepoint)?;
                Err(error)
            }
        }
    }

    fn context(&self, params: Vec<Datum>) -> Result<Arc<StatementContext>> {
        let calls = Calls::under(self.gate.clone(), self.call_id);
        let mut context = StatementContext::new(
            self.db.clone(),
            self.session.clone(),
            self.txn.clone(),
            self.read_only,
            self.transaction_timestamp,
            session::now(),
            self.catalog.clone(),
            self.actor.clone(),
            params,
            calls,
        );
        context.private_catalog = self.private_catalog;
        Ok(Arc::new(context))
    }

    /// No function may do these, whatever it holds.
    fn refuse_administration(&self, statement: &Statement) -> Result<()> {
        let (action, object) = match statement {
            Statement::Sql(_) => return Ok(()),
            Statement::CreateFunction(create) => (Administration::Function, create.name.clone()),
            Statement::AlterFunction(alter) => (Administration::Function, alter.name.name.clone()),
            Statement::DropFunction(drop) => (
                Administration::Function,
                drop.names.first().map(|name| name.name.clone()).unwrap_or_default(),
            ),
            Statement::GrantCapability { list, .. } => (Administration::Capability, list.clone()),
            Statement::Utility(utility) => match &**utility {
                Utility::CreateRole { name, .. } => (Administration::Role, name.clone()),
                Utility::AlterRole(alter) => (Administration::Role, alter.name.clone()),
                Utility::DropRole { names, .. } => (Administration::Role, names.join(", ")),
                Utility::Begin(_)
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
    fn authorize(&self, plan: Plan, verb: Verb, context: &StatementContext) -> Result<Authorized> {
        let (touched, target) = match &plan {
            Plan::Query(query) => (&query.touched, None),
            Plan::Insert(insert) => (&insert.touched, Some((&insert.table, WriteAction::Insert))),
            Plan::Update(update) => (&update.touched, Some((&update.table, WriteAction::Update))),
            Plan::Delete(delete) => (&delete.touched, Some((&delete.table, WriteAction::Delete))),
            Plan::Utility(statement) => {
                let Statement::Sql(sql) = statement else {
                    return Err(SqlError::internal("administration was refused before"));
                };
                let text = sql.to_string();
                let words: Vec<&str> = text.split_whitespace().take(2).collect();
                let _permit = self.gate.check(RunDdl {
                    statement: words.join(" ").into(),
                    schema: None,
                    name: String::new(),
                })?;
                return Err(SqlError::unsupported(format!("{} inside a function", words.join(" "))));
            }
        };
        if verb == Verb::Query && target.is_some() {
            return Err(SqlError::new(SqlState::ReadOnlySqlTransaction, "heliosdb.query() only reads")
                .hint("Use heliosdb.execute() for statements that write."));
        }
        let mut reads = vec![];
        let mut seen = vec![];
        for table in &touched.reads {
            if !seen.contains(&table.oid) {
                seen.push(table.oid);
                reads.push(self.gate.check(ReadTable(object_name(table, context)))?);
            }
        }
        let write = match target {
            None => None,
            Some((table, action)) => Some(self.gate.check(WriteTable {
                table: object_name(table, context),
                action,
            })?),
        };
        let mut calls = vec![];
        for function in &touched.calls {
            let visible = visible(&function.schema, context);
            calls.push(
                self.gate
                    .check(CallFunction(ObjectName::new(&*function.schema, &*function.name, visible)))?,
            );
        }
        Ok(Authorized {
            plan,
            _reads: reads,
            _write: write,
            _calls: calls,
        })
    }

    fn carry_out(&self, authorized: &Authorized, mut context: Arc<StatementContext>) -> Result<Written> {
        let mut event = self.gate.event(EventType::DatabaseOperation);
        event.resource = Some(describe(&authorized.plan));
        self.gate.record(event)?;
        let savepoint = self.txn.savepoint()?;
        loop {
            let result = match &authorized.plan {
                Plan::Query(query) => collect(query, &context),
                Plan::Insert(insert) => write::insert(insert, &context),
                Plan::Update(update) => session::lock_point(&update.input, &context).and_then(|()| write::update(update, &context)),
                Plan::Delete(delete) => session::lock_point(&delete.input, &context).and_then(|()| write::delete(delete, &context)),
                Plan::Utility(_) => Err(SqlError::internal("a utility statement is not authorized").into()),
            };
            match result {
                Ok(written) => {
                    context.calls.finish(&context)?;
                    return Ok(written);
                }
                Err(Stop::Error(error)) => {
                    context.calls.fail(&context, &error);
                    return Err(error);
                }
                Err(Stop::Restart) => {
                    context.cancel.check()?;
                    context.calls.finish(&context)?;
                    self.txn.rollback_to(savepoint)?;
                    self.txn.refresh_snapshot()?;
                    context = self.context(context.params.clone())?;
                }
            }
        }
    }
}

/// All rows of a query, for a guest: bounded, since the guest's own limit only counts what reaches it.
fn collect(query: &crate::plan::QueryPlan, context: &Arc<StatementContext>) -> Result<Written, Stop> {
    if query.explain {
        return Err(SqlError::unsupported("EXPLAIN inside a function").into());
    }
    let host: Arc<dyn Host> = context.clone();
    let mut written = Written::default();
    let mut bytes = 0usize;
    for row in query::execute(&query.rel, &host)? {
        let row = row?;
        bytes = bytes.saturating_add(row.iter().map(size_of_value).sum());
        if bytes > ROW_BYTES_LIMIT {
            return Err(SqlError::new(
                SqlState::ProgramLimitExceeded,
                format!("the result of a function's query exceeds {ROW_BYTES_LIMIT} bytes"),
            )
            .hint("Fetch fewer rows at a time with LIMIT.")
            .into());
        }
        written.returned.push(row);
    }
    written.rows = written.returned.len() as u64;
    Ok(written)
}

fn size_of_value(value: &Datum) -> usize {
    let outside = match value {
        Datum::Text(text) | Datum::Json(text) => text.len(),
        Datum::Bytea(bytes) => bytes.len(),
        Datum::Array(array) => array.values.iter().map(size_of_value).sum(),
        Datum::Record(fields) => fields.iter().map(size_of_value).sum(),
        _ => 0,
    };
    size_of::<Datum>() + outside
}

fn object_name(table: &Table, context: &StatementContext) -> ObjectName {
    ObjectName::new(&*table.schema, &*table.name, visible(&table.schema, context))
}

/// Whether a bare name in a capability means an object of this schema.
fn visible(schema: &str, context: &StatementContext) -> bool {
    context.search_path.iter().any(|on_path| on_path == schema)
}

fn describe(plan: &Plan) -> String {
    let name = |table: &Table| format!("{}.{}", table.schema, table.name);
    match plan {
        Plan::Query(query) => {
            let tables: Vec<String> = query.touched.reads.iter().map(|table| name(table)).collect();
            format!("SELECT {}", tables.join(", ")).trim_end().to_string()
        }
        Plan::Insert(insert) => format!("INSERT {}", name(&insert.table)),
        Plan::Update(update) => format!("UPDATE {}", name(&update.table)),
        Plan::Delete(delete) => format!("DELETE {}", name(&delete.table)),
        Plan::Utility(_) => "utility".to_string(),
    }
}

/// The type that a guest's value brings with it; None for text and null, which take what their place wants.
fn param_type(value: &Datum) -> Option<Type> {
    match value {
        Datum::Null | Datum::Text(_) => None,
        Datum::Bool(_) => Some(Type::Bool),
        Datum::Int2(_) => Some(Type::Int2),
        Datum::Int4(_) => Some(Type::Int4),
        Datum::Int8(_) => Some(Type::Int8),
        Datum::Float4(_) => Some(Type::Float4),
        Datum::Float8(_) => Some(Type::Float8),
        Datum::Numeric(_) => Some(Type::Numeric),
        Datum::Bytea(_) => Some(Type::Bytea),
        Datum::Date(_) => Some(Type::Date),
        Datum::Time(_) => Some(Type::Time),
        Datum::Timestamp(_) => Some(Type::Timestamp),
        Datum::Timestamptz(_) => Some(Type::Timestamptz),
        Datum::Interval(_) => Some(Type::Interval),
        Datum::Uuid(_) => Some(Type::Uuid),
        Datum::Json(_) => Some(Type::Jsonb),
        Datum::Oid(_) => Some(Type::Oid),
        Datum::Array(array) => array.element.array_of(),
        Datum::Record(_) => Some(Type::Record),
    }
}

/// How many parameters the statement itself asks for.
fn highest_placeholder(sql: &str) -> usize {
    crate::parse::count_placeholders(sql)
}
