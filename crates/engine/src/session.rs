//! A session: one client's connection to the database.
//!
//! The life of a statement here: its text is parsed ([`Session::parse`]); a transaction is opened
//! around it unless one is; it is bound to the catalog, its tables are locked against changes of their
//! definition, and what it may do is checked; it runs, and its rows are handed out one by one. When they are
//! consumed the audit rows of the functions it called are durable, and [`Session::finish`] ends the implicit
//! transaction. An error puts an explicit transaction into the failed state, as PostgreSQL does.

mod binding;
mod control;
mod idle;
mod rows;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use catalog::{Change, Encryption, Privilege, Snapshot, TableKind};
use parking_lot::Mutex;
use query::{Host, RowIter};
use storage::{Isolation, LockMode};
use types::{Datum, Notice, Result, SqlError, SqlState, Type};

use crate::activity::Activity;
use crate::audit_durability::Owed;
use crate::call::Calls;
use crate::cancel::Cancel;
use crate::context::{Actor, SessionShared, StatementContext};
use crate::database::Database;
use crate::identity::Identity;
use crate::notify::{Notification, Signal};
use crate::parse::{ParsedStatement, Placeholders, Statement, Utility};
use crate::plan::{ColumnDesc, Plan};
use crate::session_sink::tell_login;
use crate::settings::Settings;
use crate::talk::Talk;
use crate::text_io::TextIo;
use crate::transaction::{Open, ProcedureTransaction};
use crate::unfinished::{Piece, Unfinished};
use crate::write::{self, Stop, Written};
use crate::{authorize, statement};

pub(crate) use self::binding::{bind, bind_in_function};
use self::rows::run_query;
pub(crate) use self::rows::{AuditedRows, written_outcome};

/// The most bytes that one query of a function may give it at once.
pub(crate) const ROW_BYTES_LIMIT: usize = 64 << 20;

/// Who connects. The server has authenticated `user` already.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    pub user: String,
    pub database: String,
    /// Settings from the startup message.
    pub settings: Vec<(String, String)>,
    pub client: Option<SocketAddr>,
    /// What the client's connection is encrypted with.
    pub encryption: Option<Encryption>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TransactionStatus {
    Idle,
    InTransaction,
    Failed,
}

/// What a statement gave.
pub enum Outcome {
    Rows {
        columns: Vec<ColumnDesc>,
        rows: RowIter,
        tag: RowTag,
    },
    Complete {
        tag: String,
    },
    /// The text held no statement.
    Empty,
}

/// The command tag of a statement that returns rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RowTag {
    /// The number of rows follows.
    Counted(&'static str),
    Fixed(&'static str),
}

impl RowTag {
    pub fn text(self, rows: u64) -> String {
        match self {
            RowTag::Counted(word) => format!("{word} {rows}"),
            RowTag::Fixed(word) => word.to_string(),
        }
    }
}

/// A prepared statement: parsed, its parameters typed; its plan is kept while the catalog stays as it is.
pub struct Prepared {
    statement: Option<ParsedStatement>,
    param_types: Vec<Type>,
    columns: Option<Vec<ColumnDesc>>,
    plan: Mutex<Option<CachedPlan>>,
}

struct CachedPlan {
    catalog_version: u64,
    /// As whom it was bound. Rights are looked at in every run; this is so that nothing that depends on the role stays.
    role: u32,
    search_path: Vec<String>,
    plan: Arc<Plan>,
}

impl Prepared {
    /// As the client wrote it.
    pub(crate) fn text(&self) -> &str {
        self.statement.as_ref().map_or("", |statement| &statement.text)
    }

    pub fn param_types(&self) -> &[Type] {
        &self.param_types
    }

    /// The columns of the result; None for a statement that returns no rows.
    pub fn columns(&self) -> Option<&[ColumnDesc]> {
        self.columns.as_deref()
    }

    /// Whether it is a query or a write, and no command.
    pub(crate) fn is_plannable(&self) -> bool {
        match &self.statement {
            Some(statement) => {
                matches!(&statement.kind, Statement::Sql(_))
                    && !matches!(&*self.plan.lock(), Some(cached) if matches!(&*cached.plan, Plan::Utility(_)))
            }
            None => false,
        }
    }

    /// Whether there is no statement in it.
    pub fn is_empty(&self) -> bool {
        self.statement.is_none()
    }
}

/// A function that was created or altered.
#[derive(Clone, Copy)]
pub(crate) struct LastFunction {
    pub oid: u32,
    /// By the open transaction.
    uncommitted: bool,
}

impl LastFunction {
    pub fn now(oid: u32) -> LastFunction {
        LastFunction { oid, uncommitted: true }
    }
}

pub struct Session {
    pub(crate) db: Arc<Database>,
    shared: Arc<SessionShared>,
    secret: i32,
    state: State,
    /// The function that this session created or altered last: what a bare GRANT CAPABILITY means. None once that was undone or has
    /// failed: the capability is not given to an earlier one instead.
    pub(crate) last_function: Option<LastFunction>,
    /// Prepared statements that have a name.
    pub(crate) statements: HashMap<String, Arc<Prepared>>,
    /// A trigger whose body has begun and not ended.
    pub(crate) unfinished: Option<Unfinished>,
}

enum State {
    Idle,
    /// Around one statement, or the statements of one message.
    Implicit(Open),
    /// After BEGIN.
    Explicit(Open),
    /// After BEGIN and an error.
    Failed(Open),
}

impl Session {
    pub(crate) fn new(db: Arc<Database>, options: ConnectOptions, pid: i32, secret: i32, session_id: i64) -> Result<Session> {
        let catalog = db.catalog();
        let role = catalog.role(&options.user).ok_or_else(|| {
            SqlError::new(
                SqlState::InvalidAuthorizationSpecification,
                format!("role \"{}\" does not exist", options.user),
            )
            .fatal()
        })?;
        if !role.login {
            return Err(SqlError::new(
                SqlState::InvalidAuthorizationSpecification,
                format!("role \"{}\" is not permitted to log in", role.name),
            )
            .fatal());
        }
        if options.database != crate::database::DATABASE_NAME {
            return Err(SqlError::new(
                SqlState::InvalidCatalogName,
                format!("database \"{}\" does not exist", options.database),
            )
            .fatal());
        }
        if !catalog.has_database_privilege(role.oid, Privilege::Connect) {
            return Err(SqlError::new(
                SqlState::InsufficientPrivilege,
                format!("permission denied for database \"{}\"", options.database),
            )
            .detail("User does not have CONNECT privilege.")
            .fatal());
        }
        let mut settings = Settings::default();
        settings.become_identity(Identity::login(role), &catalog);
        settings.set_startup("audit_durability", db.audit_durability().name())?;
        for (name, value) in &options.settings {
            crate::settings::check_right(name, role.superuser).map_err(SqlError::fatal)?;
            settings.set_startup(name, value).map_err(SqlError::fatal)?;
        }
        settings.take_changed();
        let shared = Arc::new(SessionShared {
            pid,
            session_id,
            settings: Mutex::new(settings),
            notices: Mutex::new(vec![]),
            talk: Mutex::default(),
            open_calls: Default::default(),
            cancel: Arc::new(Cancel::default()),
            client: options.client,
            encryption: options.encryption,
            plans: Mutex::default(),
            prepared: Mutex::default(),
            activity: Activity::new(role.oid),
            signals: Mutex::default(),
            inbox: Arc::default(),
            owed: Owed::default(),
            at_work: Mutex::default(),
        });
        Ok(Session {
            db,
            shared,
            secret,
            state: State::Idle,
            last_function: None,
            statements: HashMap::new(),
            unfinished: None,
        })
    }

    /// What ends calls of functions that wait for the client longer than their time lasts: to be asked now and then by
    /// whoever watches the sessions, while the client is waited for.
    pub fn overdue_calls(&self) -> Box<dyn Fn() + Send + Sync> {
        let shared = Arc::downgrade(&self.shared);
        Box::new(move || {
            if let Some(shared) = shared.upgrade() {
                shared.open_calls.end_overdue(&shared);
            }
        })
    }

    /// Records in the audit log whose session it is.
    pub fn record_login(&self) -> Result<()> {
        let user = self.identity().authenticated.name;
        self.db.audit.record_login(&user, self.shared.client, self.shared.session_id)
    }

    pub fn pid(&self) -> i32 {
        self.shared.pid
    }

    pub fn secret_key(&self) -> i32 {
        self.secret
    }

    pub fn cancel(&self) -> &Arc<Cancel> {
        &self.shared.cancel
    }

    pub(crate) fn shared(&self) -> &Arc<SessionShared> {
        &self.shared
    }

    /// (name, value) of everything that a client is told at its start.
    pub fn parameter_status(&self) -> Vec<(String, String)> {
        self.shared.settings.lock().reported()
    }

    /// What of it has changed since.
    pub fn changed_parameters(&self) -> Vec<(String, String)> {
        self.shared.settings.lock().take_changed()
    }

    pub(crate) fn identity(&self) -> Identity {
        self.shared.settings.lock().identity().clone()
    }

    /// As whom the next statement runs.
    pub(crate) fn actor(&self) -> Actor {
        self.shared.settings.lock().identity().actor()
    }

    pub fn take_notices(&self) -> Vec<Notice> {
        std::mem::take(&mut *self.shared.notices.lock())
    }

    /// What other sessions' NOTIFY has sent here; a client is told between transactions.
    pub fn take_notifications(&self) -> Vec<Notification> {
        self.shared.inbox.take()
    }

    pub fn is_listening(&self) -> bool {
        self.shared.inbox.is_listening()
    }

    pub(crate) fn notice(&self, notice: Notice) {
        self.shared.notices.lock().push(notice);
    }

    pub fn transaction_status(&self) -> TransactionStatus {
        match self.state {
            State::Idle | State::Implicit(_) => TransactionStatus::Idle,
            State::Explicit(_) => TransactionStatus::InTransaction,
            State::Failed(_) => TransactionStatus::Failed,
        }
    }

    /// Cuts a text into statements. A syntax error anywhere in it is the text's.
    pub fn parse(&mut self, sql: &str) -> Result<Vec<ParsedStatement>> {
        let timeout = self.shared.settings.lock().statement_timeout_ms;
        // What the text holds has its own time.
        self.shared.cancel.start(timeout);
        let result = crate::parse::parse_while(sql, Placeholders::Dollar, &self.shared.cancel);
        self.shared.cancel.finish();
        if result.is_err() {
            self.fail();
        }
        result
    }

    /// Runs one statement without parameters.
    pub fn run(&mut self, statement: &ParsedStatement) -> Result<Outcome> {
        let result = self.run_inner(statement, vec![], None);
        self.settle(result)
    }

    /// Parses and binds a statement for later: 42601 where the text holds more than one.
    pub fn prepare(&mut self, sql: &str, param_types: &[Option<Type>]) -> Result<Arc<Prepared>> {
        let timeout = self.shared.settings.lock().statement_timeout_ms;
        self.shared.cancel.start(timeout);
        let result = self.prepare_inner(sql, param_types);
        self.shared.cancel.finish();
        if result.is_err() {
            self.fail();
        }
        result
    }

    pub(crate) fn prepare_inner(&mut self, sql: &str, param_types: &[Option<Type>]) -> Result<Arc<Prepared>> {
        let mut statements = crate::parse::parse_while(sql, Placeholders::Dollar, &self.shared.cancel)?;
        if statements.len() > 1 {
            return Err(SqlError::new(
                SqlState::SyntaxError,
                "cannot insert multiple commands into a prepared statement",
            ));
        }
        let Some(statement) = statements.pop() else {
            return Ok(Arc::new(Prepared {
                statement: None,
                param_types: vec![],
                columns: None,
                plan: Mutex::new(None),
            }));
        };
        if matches!(self.state, State::Failed(_)) && !allowed_when_failed(&statement.kind) {
            return Err(failed_transaction());
        }
        let (plan, types) = match self.needs_binding(&statement.kind) && !self.collects(&statement) {
            false => (None, param_types.iter().map(|ty| ty.unwrap_or(Type::Text)).collect()),
            true => {
                let open = self.open()?;
                open.txn.refresh_snapshot()?;
                let context = self.context(vec![], Calls::top())?;
                let (plan, types) = bind(&context, &statement, Some(param_types))?;
                (Some((plan, context)), types)
            }
        };
        let (columns, cached) = match plan {
            None => (self.columns_of(&statement.kind), None),
            Some((plan, context)) => {
                let columns = match &plan {
                    Plan::Utility(statement) => statement::columns(statement),
                    other => other.columns().map(<[ColumnDesc]>::to_vec),
                };
                let cached = CachedPlan {
                    catalog_version: context.catalog.version(),
                    role: context.actor.role,
                    search_path: context.search_path.clone(),
                    plan: Arc::new(plan),
                };
                // A plan made in a transaction that changed the catalog may never become true.
                let settled = !self.has_changed_catalog();
                (columns, settled.then_some(cached))
            }
        };
        Ok(Arc::new(Prepared {
            statement: Some(statement),
            param_types: types,
            columns,
            plan: Mutex::new(cached),
        }))
    }

    /// Runs a prepared statement.
    pub fn execute(&mut self, prepared: &Arc<Prepared>, params: Vec<Datum>) -> Result<Outcome> {
        let result = self.execute_within(prepared, params);
        self.settle(result)
    }

    /// The same, as part of another statement.
    pub(crate) fn execute_within(&mut self, prepared: &Arc<Prepared>, params: Vec<Datum>) -> Result<Outcome> {
        match &prepared.statement {
            Some(statement) => self.run_inner(statement, params, Some(prepared)),
            None => Ok(Outcome::Empty),
        }
    }

    /// The result's columns of a statement that is not planned.
    fn columns_of(&self, kind: &Statement) -> Option<Vec<ColumnDesc>> {
        match kind {
            Statement::Utility(utility) => match &**utility {
                Utility::Execute { name, .. } => self.prepared(name).ok()?.columns.clone(),
                _ => statement::columns(kind),
            },
            _ => statement::columns(kind),
        }
    }

    /// What prints and reads values of these types.
    pub fn text_io(&mut self, types: impl IntoIterator<Item = Type>) -> Result<TextIo> {
        if types.into_iter().any(TextIo::needs_catalog) {
            return Ok(TextIo::Catalog(self.context(vec![], Calls::top())?));
        }
        Ok(TextIo::Plain(self.shared.settings.lock().text_style.clone()))
    }

    /// Must be called when a statement's rows have been consumed, or have failed.
    pub fn statement_done(&mut self, result: Result<(), &SqlError>) {
        self.shared.cancel.finish();
        if result.is_err() {
            self.fail();
        }
    }

    /// Ends the implicit transaction: at Sync, and at the end of a simple query.
    pub fn finish(&mut self) -> Result<()> {
        let finished = match std::mem::replace(&mut self.state, State::Idle) {
            State::Implicit(open) => self.commit(open),
            other => {
                self.state = other;
                Ok(())
            }
        };
        self.shared.activity.rest(self.transaction_status());
        let settled = self.settle_audit();
        finished.and(settled)
    }

    /// Returns when every audit row is durable that must be before the client hears how its statements went: to be called
    /// before anything is sent. After an error the client must hear of that instead.
    pub fn settle_audit(&self) -> Result<()> {
        self.shared.owed.pay(&self.db.audit)
    }

    fn settle(&mut self, result: Result<Outcome>) -> Result<Outcome> {
        match &result {
            Ok(Outcome::Rows { .. }) => {}
            Ok(Outcome::Complete { .. } | Outcome::Empty) => self.shared.cancel.finish(),
            Err(_) => {
                self.shared.cancel.finish();
                self.fail();
            }
        }
        result
    }

    /// After an error: an implicit transaction is gone, an explicit one waits for its ROLLBACK.
    fn fail(&mut self) {
        self.unfinished = None;
        self.state = match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle => State::Idle,
            State::Implicit(open) => {
                self.roll_back(open);
                State::Idle
            }
            State::Explicit(open) | State::Failed(open) => {
                // Nothing since the last savepoint can stay: nobody need wait for its locks until the client says ROLLBACK.
                if self.undo_to_newest_savepoint(&open).is_err() {
                    open.txn.rollback();
                }
                State::Failed(open)
            }
        };
    }

    fn needs_binding(&self, statement: &Statement) -> bool {
        match statement {
            Statement::Sql(_) => true,
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
            | Statement::Comment(_)
            | Statement::Access(_)
            | Statement::Utility(_) => false,
        }
    }

    fn run_inner(&mut self, statement: &ParsedStatement, params: Vec<Datum>, prepared: Option<&Arc<Prepared>>) -> Result<Outcome> {
        let transaction_start = self.open_transaction().map(|open| open.timestamp);
        self.shared.activity.begin(&statement.text, transaction_start);
        let whole;
        let statement = match self.collect(statement)? {
            Piece::None => statement,
            Piece::Kept => return Ok(Outcome::Empty),
            Piece::Last(trigger) => {
                whole = trigger;
                &whole
            }
        };
        if let Statement::Utility(utility) = &statement.kind
            && let Some(outcome) = self.transaction_control(utility)
        {
            return outcome;
        }
        if matches!(self.state, State::Failed(_)) {
            return Err(failed_transaction());
        }
        let timeout = self.shared.settings.lock().statement_timeout_ms;
        self.shared.cancel.start(timeout);
        *self.shared.talk.lock() = Talk::default();
        // A session that was terminated while it rested ends here.
        self.shared.cancel.check()?;
        self.open()?;
        if let Statement::Utility(utility) = &statement.kind
            && let Some(outcome) = self.by_name(utility)
        {
            return outcome;
        }
        self.refresh_catalog();
        if !self.needs_binding(&statement.kind) {
            let context = self.context(params, Calls::top())?;
            return statement::execute(self, &context, &statement.kind, statement);
        }
        self.run_bound(statement, params, prepared)
    }

    /// Binds, locks, checks and runs a statement that sqlparser reads.
    fn run_bound(&mut self, statement: &ParsedStatement, params: Vec<Datum>, prepared: Option<&Arc<Prepared>>) -> Result<Outcome> {
        loop {
            self.open()?.txn.refresh_snapshot()?;
            let context = self.context(params.clone(), Calls::top())?;
            let plan = self.plan(&context, statement, prepared)?;
            if let Plan::Utility(kind) = &*plan {
                return statement::execute(self, &context, kind, statement);
            }
            admit(&plan, &context)?;
            // Whoever changed a table while this waited for its lock may have changed the plan's ground.
            if self.visible_catalog().version() != context.catalog.version() {
                continue;
            }
            return self.run_plan(&plan, context, statement.siblings == 1);
        }
    }

    fn plan(&self, context: &Arc<StatementContext>, statement: &ParsedStatement, prepared: Option<&Arc<Prepared>>) -> Result<Arc<Plan>> {
        let Some(prepared) = prepared else {
            // Nobody gives it values: a `$1` in it is an error.
            return Ok(Arc::new(bind(context, statement, None)?.0));
        };
        let changed = self.has_changed_catalog();
        if !changed
            && let Some(cached) = &*prepared.plan.lock()
            && cached.catalog_version == context.catalog.version()
            && cached.role == context.actor.role
            && cached.search_path == context.search_path
        {
            return Ok(cached.plan.clone());
        }
        let known: Vec<Option<Type>> = prepared.param_types.iter().copied().map(Some).collect();
        let (plan, _) = bind(context, statement, Some(&known))?;
        if !ColumnDesc::same_result(plan.columns(), prepared.columns()) && !matches!(plan, Plan::Utility(_)) {
            return Err(SqlError::new(
                SqlState::FeatureNotSupported,
                "cached plan must not change result type",
            ));
        }
        let plan = Arc::new(plan);
        if !changed {
            *prepared.plan.lock() = Some(CachedPlan {
                catalog_version: context.catalog.version(),
                role: context.actor.role,
                search_path: context.search_path.clone(),
                plan: plan.clone(),
            });
        }
        Ok(plan)
    }

    fn run_plan(&mut self, plan: &Arc<Plan>, context: Arc<StatementContext>, alone: bool) -> Result<Outcome> {
        match &**plan {
            Plan::Query(query) => run_query(query, &context),
            Plan::Insert(insert) => {
                let written = self.write(context, |context| write::insert(insert, context))?;
                Ok(written_outcome(written, "INSERT 0", plan.columns()))
            }
            Plan::Update(update) => {
                let written = self.write(context, |context| {
                    lock_point(&update.input, context)?;
                    write::update(update, context)
                })?;
                Ok(written_outcome(written, "UPDATE", plan.columns()))
            }
            Plan::Delete(delete) => {
                let written = self.write(context, |context| {
                    lock_point(&delete.input, context)?;
                    write::delete(delete, context)
                })?;
                Ok(written_outcome(written, "DELETE", plan.columns()))
            }
            Plan::Call(call) => statement::call(self, &context, call, alone),
            Plan::Utility(_) => Err(SqlError::internal("a utility statement is not a plan")),
        }
    }

    /// Runs a writing statement, over again while others change its rows under it (READ COMMITTED).
    fn write(
        &mut self,
        mut context: Arc<StatementContext>,
        run: impl Fn(&Arc<StatementContext>) -> Result<Written, Stop>,
    ) -> Result<Written> {
        let mark = context.mark()?;
        loop {
            match run(&context) {
                Ok(written) => {
                    context.release(mark)?;
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
                    context.undo_to(mark)?;
                    context.txn.refresh_snapshot()?;
                    let params = context.params.clone();
                    context = self.context(params, Calls::top())?;
                }
            }
        }
    }

    /// The open transaction; an implicit one is begun where there is none.
    pub(crate) fn open(&mut self) -> Result<&mut Open> {
        if matches!(self.state, State::Idle) {
            self.state = State::Implicit(self.begin(None, None));
        }
        match &mut self.state {
            State::Implicit(open) | State::Explicit(open) | State::Failed(open) => Ok(open),
            State::Idle => Err(SqlError::internal("a transaction was just begun")),
        }
    }

    fn open_transaction(&self) -> Option<&Open> {
        match &self.state {
            State::Implicit(open) | State::Explicit(open) | State::Failed(open) => Some(open),
            State::Idle => None,
        }
    }

    fn begin(&self, isolation: Option<Isolation>, read_only: Option<bool>) -> Open {
        Open::begin(&self.db, &self.shared, isolation, read_only)
    }

    /// The catalog as this transaction sees it.
    pub(crate) fn visible_catalog(&self) -> Arc<Snapshot> {
        let changed = self.open_transaction().and_then(|open| open.working.changed());
        changed.unwrap_or_else(|| self.db.catalog())
    }

    fn has_changed_catalog(&self) -> bool {
        self.open_transaction().is_some_and(|open| open.working.is_changed())
    }

    /// Puts this transaction's changes onto what others have committed meanwhile.
    fn refresh_catalog(&mut self) {
        if let State::Implicit(open) | State::Explicit(open) = &self.state {
            open.working.rebase(&self.db.catalog());
        }
    }

    pub(crate) fn context(&mut self, params: Vec<Datum>, calls: Calls) -> Result<Arc<StatementContext>> {
        let (db, shared, actor) = (self.db.clone(), self.shared.clone(), self.actor());
        let ground = self.open()?.ground(&db);
        Ok(Arc::new(StatementContext::new(db, shared, ground, now(), actor, params, calls)))
    }

    /// Takes the right to change the catalog: one transaction has it at a time, to its end.
    pub(crate) fn lock_catalog(&mut self) -> Result<()> {
        self.context(vec![], Calls::top())?.lock_catalog()
    }

    /// Takes the right to change one function.
    pub(crate) fn lock_function(&mut self, oid: u32) -> Result<()> {
        self.context(vec![], Calls::top())?.lock_function(oid)
    }

    /// Changes the catalog in this transaction. The catalog must be locked.
    pub(crate) fn change(&mut self, changes: Vec<Change>) -> Result<()> {
        self.context(vec![], Calls::top())?.change(changes)
    }

    fn commit(&mut self, open: Open) -> Result<()> {
        let committed = open.commit(&self.db, &self.shared);
        match (&committed, &mut self.last_function) {
            (Ok(()), Some(last)) => last.uncommitted = false,
            (Ok(()), None) => {}
            (Err(_), _) => self.forget_undone_function(),
        }
        committed
    }

    fn roll_back(&mut self, open: Open) {
        open.roll_back(&self.db, &self.shared);
        self.forget_undone_function();
    }

    /// What was undone may be there no more, and its OID soon somebody else's.
    fn forget_undone_function(&mut self) {
        self.last_function = self.last_function.take().filter(|last| !last.uncommitted);
    }

    /// Hands the implicit transaction to a procedure, which may end it. None inside BEGIN and COMMIT.
    pub(crate) fn lend_transaction(&mut self) -> Option<Arc<ProcedureTransaction>> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Implicit(open) => {
                let lent = ProcedureTransaction::new(self.db.clone(), self.shared.clone(), open);
                Some(Arc::new(lent))
            }
            other => {
                self.state = other;
                None
            }
        }
    }

    /// The transaction as the procedure left it.
    pub(crate) fn take_back(&mut self, lent: &ProcedureTransaction) {
        if let Some(open) = lent.take() {
            self.state = State::Implicit(open);
        }
    }

    /// The session acts as somebody else: from now on, or until the transaction ends.
    pub(crate) fn become_identity(&mut self, identity: Identity, local: bool) -> Result<()> {
        let catalog = self.visible_catalog();
        let before = self.identity();
        let open = self.open()?;
        match local {
            true => {
                open.hidden_identity.get_or_insert(before);
            }
            // What is said for the session takes the place of what was to come back.
            false => open.hidden_identity = None,
        }
        self.shared.settings.lock().become_identity(identity, &catalog);
        Ok(())
    }

    /// SET LOCAL: until the transaction ends.
    pub(crate) fn set_local(&mut self, name: &str, value: &crate::parse::SetValue) -> Result<()> {
        let shared = self.shared.clone();
        let mut settings = shared.settings.lock();
        let before = settings.get(name);
        match value {
            crate::parse::SetValue::Default => settings.reset(name)?,
            crate::parse::SetValue::Text(text) => {
                settings.set(name, text)?;
            }
        }
        drop(settings);
        if let Some(before) = before {
            self.open()?.hidden.push((name.to_string(), before));
        }
        Ok(())
    }

    /// Records an event of this session and returns once it is durable.
    pub(crate) fn audit(&self, mut event: audit::Event) -> Result<()> {
        let actor = self.actor();
        event.user_name = Some(actor.name);
        event.session_id = Some(self.shared.session_id);
        tell_login(&mut event, &actor.login);
        self.db.audit.record_durably(event)
    }

    pub(crate) fn in_explicit_transaction(&self) -> bool {
        matches!(self.state, State::Explicit(_))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let State::Implicit(open) | State::Explicit(open) | State::Failed(open) = std::mem::replace(&mut self.state, State::Idle) {
            open.txn.rollback();
        }
        self.db
            .channels
            .apply(self.shared.pid, &self.shared.inbox, vec![Signal::UnlistenAll]);
        self.db.forget_session(self.shared.pid);
    }
}

/// Whether a plan may run, and then the locks of its tables: who may not read a table holds up nobody who changes it. What was
/// revoked while it waited counts.
pub(crate) fn admit(plan: &Plan, context: &StatementContext) -> Result<()> {
    let committed = context.db.catalog();
    authorize::plan(plan, context)?;
    lock_tables(plan, context)?;
    match Arc::ptr_eq(&committed, &context.db.catalog()) {
        true => Ok(()),
        false => authorize::plan(plan, context),
    }
}

/// Takes the shared locks of every stored table that a plan touches.
pub(crate) fn lock_tables(plan: &Plan, context: &StatementContext) -> Result<()> {
    let (touched, target) = match plan {
        Plan::Query(query) => (&query.touched, None),
        Plan::Insert(insert) => (&insert.touched, Some((&insert.table, "INSERT"))),
        Plan::Update(update) => (&update.touched, Some((&update.table, "UPDATE"))),
        Plan::Delete(delete) => (&delete.touched, Some((&delete.table, "DELETE"))),
        Plan::Call(call) => (&call.touched, None),
        Plan::Utility(_) => return Ok(()),
    };
    if let Some((_, command)) = target
        && context.read_only
    {
        return Err(read_only(command));
    }
    let reads = touched.reads.iter().map(|read| &read.table);
    for table in reads.chain(target.map(|(table, _)| table)) {
        match table.kind {
            TableKind::Table => context.lock_table(table.oid, LockMode::Shared)?,
            TableKind::View { .. } | TableKind::Sequence(_) | TableKind::System(_) => {}
        }
    }
    Ok(())
}

/// READ COMMITTED, and the row is named by its key: locking it before it is read saves starting over.
pub(crate) fn lock_point(input: &query::ir::Rel, context: &Arc<StatementContext>) -> Result<(), Stop> {
    use query::ir::Rel;
    if context.isolation != Isolation::ReadCommitted {
        return Ok(());
    }
    let Rel::Project { input, .. } = input else { return Ok(()) };
    let get = match &**input {
        Rel::Filter { input, .. } => &**input,
        other => other,
    };
    let Rel::PointGet { table, key, .. } = get else { return Ok(()) };
    let host: Arc<dyn Host> = context.clone();
    let values = key
        .iter()
        .map(|expr| query::eval(expr, &[], &[], &host))
        .collect::<Result<Vec<Datum>>>()?;
    if values.iter().any(Datum::is_null) {
        return Ok(());
    }
    let key = crate::table::row_key(table, &values)?;
    context.lock_row(&key, LockMode::Exclusive)?;
    if context.txn.changed_since_snapshot(&key)? {
        context.txn.refresh_snapshot()?;
    }
    Ok(())
}

fn allowed_when_failed(statement: &Statement) -> bool {
    match statement {
        Statement::Utility(utility) => matches!(&**utility, Utility::Commit | Utility::Rollback | Utility::RollbackTo(_)),
        Statement::Sql(_)
        | Statement::CreateFunction(_)
        | Statement::AlterFunction(_)
        | Statement::DropFunction(_)
        | Statement::Do(_)
        | Statement::CreateAggregate(_)
        | Statement::CreateTrigger(_)
        | Statement::DropTrigger(_)
        | Statement::GrantCapability { .. }
        | Statement::ExplainCapabilities(..)
        | Statement::TestFunction(_)
        | Statement::Comment(_)
        | Statement::Access(_)
        | Statement::SecurityPolicy(_) => false,
    }
}

fn failed_transaction() -> SqlError {
    SqlError::new(
        SqlState::InFailedSqlTransaction,
        "current transaction is aborted, commands ignored until end of transaction block",
    )
}

pub(crate) fn read_only(command: &str) -> SqlError {
    SqlError::new(
        SqlState::ReadOnlySqlTransaction,
        format!("cannot execute {command} in a read-only transaction"),
    )
}

/// Microseconds since 1970 UTC.
pub(crate) fn now() -> i64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// A call's number, unique over the life of the database.
pub(crate) fn next_call_id(db: &Database) -> i64 {
    db.next_call.fetch_add(1, Ordering::Relaxed)
}
