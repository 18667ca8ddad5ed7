//! A function's way back into SQL.
//!
//! The life of a host call: its text is parsed and bound like any statement, put to the function's gate
//! table by table, then run in the caller's transaction, under a savepoint that a caught error returns to.

use std::sync::Arc;

use audit::EventType;
use catalog::Table;
use policy::{Administer, Administration, Gate, RunDdl};
use sandbox::{ExecuteResult, QueryResult};
use types::{Datum, NO_TYPMOD, Notice, Result, Severity, SqlError, SqlState, Type};

use super::Calls;
use super::nested::{self, Permits};
use crate::context::{Actor, SessionShared, StatementContext};
use crate::database::Database;
use crate::parse::{Placeholders, PolicyStatement, Statement, Utility};
use crate::plan::Plan;
use crate::session;
use crate::transaction::{Ground, ProcedureTransaction};
use crate::write::Written;

/// A function's way back into SQL: the caller's transaction, the function's gate.
pub(super) struct SqlBackend {
    pub(super) db: Arc<Database>,
    pub(super) session: Arc<SessionShared>,
    /// Where the call began.
    pub(super) ground: Ground,
    /// What a procedure may end; then this says where it stands.
    pub(super) control: Option<Arc<ProcedureTransaction>>,
    pub(super) actor: Actor,
    pub(super) gate: Arc<Gate>,
    pub(super) call_id: i64,
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
    _permits: Permits,
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
        if let Some(commit) = transaction_end(&statement.kind) {
            self.end_transaction(commit, verb)?;
            return Ok((None, Written::default()));
        }
        self.refuse_administration(&statement.kind)?;
        let context = self.context(vec![])?;
        // What is not text has its type already; text takes the type of its place, as a literal would.
        let known: Vec<Option<Type>> = params.iter().map(param_type).collect();
        let (plan, types) = session::bind(&context, &statement, Some(&known))?;
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
        let txn = context.txn.clone();
        let savepoint = txn.savepoint()?;
        let result = self.carry_out(&authorized, context);
        match result {
            Ok(written) => {
                txn.release(savepoint)?;
                let columns = authorized
                    .plan
                    .columns()
                    .map(|columns| columns.iter().map(|c| (c.name.clone(), c.ty)).collect());
                Ok((columns, written))
            }
            Err(error) => {
                // The guest may catch it: what the statement wrote must be gone by then.
                txn.rollback_to(savepoint)?;
                Err(error)
            }
        }
    }

    fn context(&self, params: Vec<Datum>) -> Result<Arc<StatementContext>> {
        let calls = Calls::under(self.gate.clone(), self.call_id);
        let ground = self.ground()?;
        let mut context = StatementContext::new(
            self.db.clone(),
            self.session.clone(),
            ground.txn,
            ground.read_only,
            ground.timestamp,
            session::now(),
            ground.catalog,
            self.actor.clone(),
            params,
            calls,
        );
        context.private_catalog = ground.private_catalog;
        Ok(Arc::new(context))
    }

    /// The transaction that the function's next statement runs in.
    fn ground(&self) -> Result<Ground> {
        match &self.control {
            Some(control) => control.ground(),
            None => Ok(self.ground.clone()),
        }
    }

    /// COMMIT and ROLLBACK: a procedure's, where its CALL stands alone and outside of BEGIN.
    fn end_transaction(&self, commit: bool, verb: Verb) -> Result<()> {
        let Some(control) = &self.control else {
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
        control.end(commit)
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
            Statement::Do(_) => (Administration::Function, "inline_code_block".to_string()),
            Statement::GrantCapability { list, .. } => (Administration::Capability, list.clone()),
            Statement::SecurityPolicy(policy) => (
                Administration::Policy,
                match &**policy {
                    PolicyStatement::Create { name, .. } | PolicyStatement::Alter { name, .. } => name.clone(),
                    PolicyStatement::Drop { names, .. } => names.join(", "),
                },
            ),
            Statement::Utility(utility) => match &**utility {
                Utility::CreateRole { name, .. } => (Administration::Role, name.clone()),
                Utility::AlterRole(alter) => (Administration::Role, alter.name.clone()),
                Utility::DropRole { names, .. } => (Administration::Role, names.join(", ")),
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
        let Some((touched, target)) = nested::touched(&plan) else {
            return Err(self.refuse_utility(&plan));
        };
        if verb == Verb::Query && (target.is_some() || matches!(plan, Plan::Call(_))) {
            return Err(only_reads());
        }
        let permits = nested::permits(&self.gate, touched, target, context)?;
        Ok(Authorized { plan, _permits: permits })
    }

    /// What is neither a query nor a write.
    fn refuse_utility(&self, plan: &Plan) -> SqlError {
        let Plan::Utility(Statement::Sql(sql)) = plan else {
            return SqlError::internal("administration was refused before");
        };
        let text = sql.to_string();
        let words: Vec<&str> = text.split_whitespace().take(2).collect();
        let asked = self.gate.check(RunDdl {
            statement: words.join(" ").into(),
            schema: None,
            name: String::new(),
        });
        match asked {
            Err(denied) => denied.into(),
            Ok(_permit) => SqlError::unsupported(format!("{} inside a function", words.join(" "))),
        }
    }

    fn carry_out(&self, authorized: &Authorized, context: Arc<StatementContext>) -> Result<Written> {
        let mut event = self.gate.event(EventType::DatabaseOperation);
        event.resource = Some(describe(&authorized.plan));
        self.gate.record(event)?;
        nested::carry_out(&authorized.plan, context, |params| self.context(params))
    }
}

/// Whether a statement commits (true) or rolls back.
fn transaction_end(statement: &Statement) -> Option<bool> {
    let Statement::Utility(utility) = statement else { return None };
    match **utility {
        Utility::Commit => Some(true),
        Utility::Rollback => Some(false),
        _ => None,
    }
}

fn only_reads() -> SqlError {
    SqlError::new(SqlState::ReadOnlySqlTransaction, "heliosdb.query() only reads").hint("Use heliosdb.execute() for statements that write.")
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
        Plan::Call(call) => format!("CALL {}.{}", call.procedure.schema, call.procedure.name),
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
