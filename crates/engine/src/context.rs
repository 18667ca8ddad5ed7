//! What one statement works with: its transaction, its catalog, its parameters, its sandboxes.
//!
//! A statement's context is made when it starts and dropped when it ends; threads that the query
//! library uses share it. It answers the plan's questions ([`query::Host`]) and those of the built-in
//! functions ([`Environment`]); calls of users' functions go to `crate::call`.

use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Instant;

use catalog::{Snapshot, Table, TableKind};
use functions::Environment;
use parking_lot::Mutex;
use query::{BatchIter, Host, Row, RowIter, ScanBounds};
use storage::{Direction, Isolation, LockMode, Transaction};
use types::text::TextStyle;
use types::{Datum, Notice, Result, SqlError, SqlState};

use crate::activity::Activity;
use crate::alerts::AtWork;
use crate::audit_durability::Owed;
use crate::call::plans::Plans;
use crate::call::{Calls, OpenCalls};
use crate::cancel::Cancel;
use crate::database::Database;
use crate::notify::{Inbox, Signal};
use crate::search_path;
use crate::session_sink::SessionSink;
use crate::settings::Settings;
use crate::table::{self, Space};
use crate::talk::Talk;
use crate::transaction::Ground;
use crate::working_catalog::{InUse, WorkingCatalog};

/// Who acts, and on whose behalf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The role whose privileges count.
    pub role: u32,
    pub name: Arc<str>,
    /// Who the session is for: who logged in, or whom SET SESSION AUTHORIZATION named.
    pub session_user: Arc<str>,
    /// Who logged in.
    pub login: Arc<str>,
}

/// What all statements of a session share.
pub struct SessionShared {
    pub pid: i32,
    /// Unique over the life of the database; the audit log's `session_id`.
    pub session_id: i64,
    pub settings: Mutex<Settings>,
    pub notices: Mutex<Vec<Notice>>,
    /// The sandboxes of its statements, suspended ones included.
    pub open_calls: OpenCalls,
    /// What the functions of the running statement may still say.
    pub talk: Mutex<Talk>,
    pub cancel: Arc<Cancel>,
    pub client: Option<std::net::SocketAddr>,
    pub encryption: Option<catalog::Encryption>,
    /// Of the statements that its functions run.
    pub plans: Mutex<Plans>,
    /// Its prepared statements that have a name, for `pg_prepared_statements`.
    pub prepared: Mutex<BTreeMap<String, catalog::PreparedStatement>>,
    pub activity: Activity,
    /// What the open transaction will do to channels.
    pub signals: Mutex<Vec<Signal>>,
    pub inbox: Arc<Inbox>,
    /// To be paid before the client hears anything more.
    pub owed: Owed,
    /// The trigger on the audit log that is at work: in the session of these alone.
    pub at_work: Mutex<Option<AtWork>>,
}

/// One statement at work.
pub struct StatementContext {
    pub db: Arc<Database>,
    pub session: Arc<SessionShared>,
    pub cancel: Arc<Cancel>,
    pub txn: Arc<Transaction>,
    pub isolation: Isolation,
    pub read_only: bool,
    /// Microseconds since 1970 UTC.
    pub transaction_timestamp: i64,
    pub statement_timestamp: i64,
    pub started: Instant,
    pub catalog: Arc<Snapshot>,
    /// Whether the catalog holds changes of this transaction that nobody else sees yet.
    pub private_catalog: bool,
    /// What the transaction has changed of the catalog by now.
    pub working: Arc<WorkingCatalog>,
    /// The tables that this statement and those above it work on.
    pub in_use: Arc<InUse>,
    /// Where names without a schema are looked up: what of the path in force exists and the actor may use.
    pub search_path: Vec<String>,
    /// The path in force, where it is that of a function around the statement; None: the session's.
    pub function_path: Option<Arc<[String]>>,
    pub text_style: TextStyle,
    pub actor: Actor,
    pub params: Vec<Datum>,
    /// The sandboxes of this statement, one for each function that it calls.
    pub calls: Calls,
    /// Rows that ON CONFLICT DO UPDATE has already changed.
    conflict_rows: Mutex<HashSet<Vec<u8>>>,
}

impl StatementContext {
    pub fn new(
        db: Arc<Database>,
        session: Arc<SessionShared>,
        ground: Ground,
        statement_timestamp: i64,
        actor: Actor,
        params: Vec<Datum>,
        calls: Calls,
    ) -> StatementContext {
        let (search_path, mut text_style) = {
            let settings = session.settings.lock();
            (
                search_path::effective(&settings.search_path, &actor, &ground.catalog),
                settings.text_style.clone(),
            )
        };
        text_style.now = Some(ground.timestamp);
        StatementContext {
            cancel: session.cancel.clone(),
            isolation: ground.txn.isolation(),
            started: Instant::now(),
            db,
            session,
            txn: ground.txn,
            read_only: ground.read_only,
            transaction_timestamp: ground.timestamp,
            statement_timestamp,
            catalog: ground.catalog,
            private_catalog: ground.private_catalog,
            working: ground.working,
            in_use: Arc::default(),
            search_path,
            function_path: None,
            text_style,
            actor,
            params,
            calls,
            conflict_rows: Mutex::new(HashSet::new()),
        }
    }

    /// What the statement works on.
    pub fn ground(&self) -> Ground {
        Ground {
            txn: self.txn.clone(),
            read_only: self.read_only,
            timestamp: self.transaction_timestamp,
            catalog: self.catalog.clone(),
            private_catalog: self.private_catalog,
            working: self.working.clone(),
        }
    }

    /// The same surroundings for another statement in this one's place.
    pub fn with(&self, actor: Actor, params: Vec<Datum>, calls: Calls) -> StatementContext {
        let mut other = StatementContext::new(
            self.db.clone(),
            self.session.clone(),
            self.ground().now(),
            self.statement_timestamp,
            actor,
            params,
            calls,
        );
        // Rows of the other may still be on their way while this one calls somebody else.
        other.in_use = self.in_use.clone();
        other.along(self.function_path.clone())
    }

    /// The same with another path in force.
    pub fn along(mut self, path: Option<Arc<[String]>>) -> StatementContext {
        if let Some(path) = &path {
            self.search_path = search_path::effective(path, &self.actor, &self.catalog);
        }
        self.function_path = path;
        self
    }

    /// The path in force as it was set: `"$user"` not replaced.
    pub fn path_in_force(&self) -> Vec<String> {
        match &self.function_path {
            Some(path) => path.to_vec(),
            None => self.session.settings.lock().search_path.clone(),
        }
    }

    /// Another role, for what a SECURITY DEFINER function does.
    pub fn acting_as(&self, role: u32) -> Result<Actor> {
        let role = self
            .catalog
            .role_by_oid(role)
            .ok_or_else(|| SqlError::new(SqlState::UndefinedObject, "the owner of the function does not exist"))?;
        Ok(Actor {
            role: role.oid,
            name: Arc::from(role.name.as_str()),
            session_user: self.actor.session_user.clone(),
            login: self.actor.login.clone(),
        })
    }

    /// The audit log, for rows about what this session does.
    pub fn sink(&self) -> Arc<dyn audit::Sink> {
        Arc::new(SessionSink {
            log: self.db.audit.clone(),
            login: self.actor.login.clone(),
        })
    }

    pub fn notice(&self, notice: Notice) {
        self.session.notices.lock().push(notice);
    }

    /// Whether an INSERT ... ON CONFLICT has inserted or updated this row in this statement.
    pub fn is_conflict_row(&self, key: &[u8]) -> bool {
        self.conflict_rows.lock().contains(key)
    }

    /// An INSERT ... ON CONFLICT inserts or updates this row.
    pub fn claim_conflict_row(&self, key: &[u8]) {
        self.conflict_rows.lock().insert(key.to_vec());
    }

    /// Waits for a lock as long as the statement may, and no longer than `lock_timeout`.
    pub fn lock_row(&self, key: &[u8], mode: LockMode) -> Result<()> {
        let timeout_ms = self.session.settings.lock().lock_timeout_ms;
        Ok(self.txn.lock(key, mode, &crate::cancel::LockWait::new(&self.cancel, timeout_ms))?)
    }

    /// Holds a table as it is until the transaction ends: readers and writers share it, a change of its
    /// definition has it alone.
    pub fn lock_table(&self, oid: u32, mode: LockMode) -> Result<()> {
        let mut key = vec![b'T'];
        key.extend_from_slice(&oid.to_be_bytes());
        self.lock_row(&key, mode)?;
        if mode == LockMode::Shared {
            self.in_use.add(oid);
        }
        Ok(())
    }

    fn system_rows(&self, system: &'static catalog::SystemTable, bounds: &ScanBounds) -> Result<Vec<Row>> {
        let mut path = vec!["pg_catalog".to_string()];
        path.extend(self.search_path.iter().filter(|schema| *schema != "pg_catalog").cloned());
        let live = crate::system::LiveServer { context: self };
        let context = catalog::SystemContext {
            snapshot: &self.catalog,
            database: crate::database::DATABASE_NAME,
            current_user: self.actor.role,
            search_path: &path,
            live: &live,
        };
        // An equality on a column that the catalog can look up.
        let equals = bounds.iter().find_map(|(index, low, high)| match (low, high) {
            (Bound::Included(low), Bound::Included(high)) if types::compare::compare(low, high) == std::cmp::Ordering::Equal => {
                let (name, _) = system.columns.get(*index)?;
                system.finder(name).map(|_| (*name, low))
            }
            _ => None,
        });
        Ok(system.scan(&context, equals))
    }
}

impl Environment for StatementContext {
    fn transaction_timestamp(&self) -> i64 {
        self.transaction_timestamp
    }

    fn statement_timestamp(&self) -> i64 {
        // It moves from one statement of a function to the next.
        match self.calls.may_read_clock() {
            Ok(true) => self.statement_timestamp,
            Ok(false) | Err(_) => self.transaction_timestamp,
        }
    }

    fn clock(&self) -> Result<i64> {
        Ok(match self.calls.may_read_clock()? {
            true => functions::system_clock(),
            false => self.transaction_timestamp,
        })
    }

    fn draw_random(&self) -> Result<()> {
        self.calls.draw_random()
    }

    fn seed_random(&self) -> Result<()> {
        self.calls.draw_random()?;
        match self.calls.depth() {
            0 => Ok(()),
            _ => Err(SqlError::new(
                SqlState::InsufficientPrivilege,
                "a function cannot seed its caller's random numbers",
            )),
        }
    }

    fn text_style(&self) -> &TextStyle {
        &self.text_style
    }

    fn setting(&self, name: &str) -> Option<String> {
        match name.to_ascii_lowercase().as_str() {
            "is_superuser" => Some(if self.is_superuser() { "on".into() } else { "off".into() }),
            "search_path" if self.function_path.is_some() => Some(catalog::print_path(&self.path_in_force())),
            "transaction_isolation" => Some(isolation_name(self.isolation).into()),
            "transaction_read_only" => Some(if self.read_only { "on".into() } else { "off".into() }),
            other => self.session.settings.lock().get(other),
        }
    }

    fn set_setting(&self, name: &str, value: &str, local: bool) -> Result<String> {
        if self.calls.depth() > 0 {
            return Err(SqlError::new(SqlState::InsufficientPrivilege, "a function cannot change settings"));
        }
        let _ = local;
        crate::settings::check_right(name, self.is_superuser())?;
        self.session.settings.lock().set(name, value)
    }

    fn current_user(&self) -> &str {
        &self.actor.name
    }

    fn session_user(&self) -> &str {
        &self.actor.session_user
    }

    fn current_database(&self) -> &str {
        crate::database::DATABASE_NAME
    }

    fn current_schemas(&self, implicit: bool) -> Vec<String> {
        let mut schemas = self.search_path.clone();
        if implicit && !schemas.iter().any(|schema| schema == "pg_catalog") {
            schemas.insert(0, "pg_catalog".into());
        }
        schemas
    }

    fn backend_pid(&self) -> i32 {
        self.session.pid
    }

    fn is_superuser(&self) -> bool {
        self.catalog.is_superuser(self.actor.role)
    }

    fn catalog_call(&self, name: &'static str, args: &[Datum]) -> Result<Datum> {
        if let Some(answer) = crate::system::own_call(self, name, args) {
            return answer;
        }
        // Declared, so that clients' queries resolve, and answered by nobody: to the caller it is not there.
        if !catalog::call_names().any(|known| known == name) {
            return Err(SqlError::new(
                SqlState::UndefinedFunction,
                format!("function {name} does not exist"),
            ));
        }
        let mut path = vec!["pg_catalog".to_string()];
        path.extend(self.search_path.iter().filter(|schema| *schema != "pg_catalog").cloned());
        let live = crate::system::LiveServer { context: self };
        let context = catalog::SystemContext {
            snapshot: &self.catalog,
            database: crate::database::DATABASE_NAME,
            current_user: self.actor.role,
            search_path: &path,
            live: &live,
        };
        catalog::call(&context, name, args)
    }

    fn check_cancelled(&self) -> Result<()> {
        self.cancel.check()
    }
}

impl Host for StatementContext {
    fn environment(&self) -> &dyn Environment {
        self
    }

    fn params(&self) -> &[Datum] {
        &self.params
    }

    fn scan(&self, table: &Table, columns: &[usize], bounds: &ScanBounds) -> Result<BatchIter> {
        match &table.kind {
            TableKind::Table => self.scan_rows(table, columns, bounds),
            TableKind::System(system) if system.oid == catalog::heliosdb::AUDIT_LOG_OID => {
                crate::audit_scan::scan(&self.db.audit, columns, bounds, Direction::Forward, self.cancel.clone())
            }
            TableKind::System(system) if system.oid == catalog::heliosdb::ALERTS_OID => {
                crate::alerts::scan(&self.txn, columns, bounds, self.cancel.clone())
            }
            TableKind::System(system) => {
                let rows = self.system_rows(system, bounds)?;
                let columns = columns.to_vec();
                let rows: Vec<Row> = rows
                    .into_iter()
                    .map(|row| columns.iter().map(|index| row[*index].clone()).collect())
                    .collect();
                Ok(batches(rows))
            }
            TableKind::Sequence(_) | TableKind::View { .. } => Err(SqlError::new(
                SqlState::WrongObjectType,
                format!("cannot open relation \"{}\"", table.name),
            )),
        }
    }

    fn scan_backward(&self, table: &Table, columns: &[usize], bounds: &ScanBounds) -> Result<BatchIter> {
        if table.order_columns().is_empty() {
            return Err(SqlError::internal(format!("{} is in no order", table.name)));
        }
        crate::audit_scan::scan(&self.db.audit, columns, bounds, Direction::Backward, self.cancel.clone())
    }

    fn get(&self, table: &Table, key: &[Datum], columns: &[usize]) -> Result<Option<Row>> {
        if key.iter().any(Datum::is_null) {
            return Ok(None);
        }
        let key = table::row_key(table, key)?;
        let Some(bytes) = self.txn.get(&key)? else { return Ok(None) };
        decode_row(table, &key, &bytes, columns).map(Some)
    }

    fn call(&self, function: &Arc<catalog::Function>, rows: usize, args: &[&[Datum]]) -> Result<Vec<Datum>> {
        self.calls.call(self, function, rows, args)
    }

    fn call_set(&self, function: &Arc<catalog::Function>, args: Vec<Datum>) -> Result<RowIter> {
        self.calls.call_set(self, function, &args)
    }

    fn check_cancelled(&self) -> Result<()> {
        self.cancel.check()
    }
}

impl StatementContext {
    fn scan_rows(&self, table: &Table, columns: &[usize], bounds: &ScanBounds) -> Result<BatchIter> {
        let range = key_range(table, bounds)?;
        let mut scan = self.txn.scan(range)?;
        let decoder = RowDecoder::new(table, columns);
        let cancel = self.cancel.clone();
        Ok(Box::new(std::iter::from_fn(move || {
            if let Err(error) = cancel.check() {
                return Some(Err(error));
            }
            let mut batch = Vec::with_capacity(query::BATCH_ROWS);
            for item in scan.by_ref() {
                match item.map_err(SqlError::from).and_then(|(key, bytes)| decoder.decode(&key, &bytes)) {
                    Ok(row) => batch.push(row),
                    Err(error) => return Some(Err(error)),
                }
                if batch.len() >= query::BATCH_ROWS {
                    break;
                }
            }
            (!batch.is_empty()).then_some(Ok(batch))
        })))
    }
}

/// Decodes rows of one table into the columns that a scan asks for.
struct RowDecoder {
    types: Vec<types::Type>,
    /// The stored columns to decode.
    stored: Vec<usize>,
    /// Where the row's key goes in the result, where it is asked for.
    key_at: Option<usize>,
}

impl RowDecoder {
    fn new(table: &Table, columns: &[usize]) -> RowDecoder {
        let key_index = crate::bind::dml::row_key_index(table);
        RowDecoder {
            types: table.columns.iter().map(|column| column.ty).collect(),
            stored: columns.iter().copied().filter(|index| *index != key_index).collect(),
            key_at: columns.iter().position(|index| *index == key_index),
        }
    }

    fn decode(&self, key: &[u8], bytes: &[u8]) -> Result<Row> {
        let mut row = crate::row::decode(bytes, &self.types, &self.stored)?;
        if let Some(at) = self.key_at {
            row.insert(at, Datum::Bytea(key.to_vec()));
        }
        Ok(row)
    }
}

fn decode_row(table: &Table, key: &[u8], bytes: &[u8], columns: &[usize]) -> Result<Row> {
    RowDecoder::new(table, columns).decode(key, bytes)
}

/// The part of a table's rows that the bounds on its first key column leave.
fn key_range(table: &Table, bounds: &ScanBounds) -> Result<table::KeyRange> {
    let all = table::prefix(Space::Row, table.oid);
    let (mut low, mut high) = table::range_of(&all);
    let Some(first) = table.primary_key.as_ref().and_then(|key| key.columns.first()) else {
        return Ok((low, high));
    };
    let ty = table.columns[*first].ty;
    let edge = |value: &Datum| -> Result<Vec<u8>> {
        let mut key = all.clone();
        table::encode(value, ty, &mut key)?;
        Ok(key)
    };
    for (index, from, to) in bounds.iter().filter(|(index, _, _)| index == first) {
        let _ = index;
        // The key has more columns after this one: both edges take in everything under the value.
        if let Bound::Included(value) | Bound::Excluded(value) = from {
            let key = edge(value)?;
            if matches!(&low, Bound::Included(known) if *known < key) {
                low = Bound::Included(key);
            }
        }
        if let Bound::Included(value) | Bound::Excluded(value) = to {
            let (_, end) = table::range_of(&edge(value)?);
            let tighter = match (&high, &end) {
                (Bound::Excluded(known), Bound::Excluded(end)) => end < known,
                (Bound::Unbounded, _) => true,
                _ => false,
            };
            if tighter {
                high = end;
            }
        }
    }
    // Contradicting bounds leave nothing; a store may object to a range that runs backwards.
    if let (Bound::Included(from), Bound::Excluded(to)) = (&low, &high)
        && from >= to
    {
        let nothing = from.clone();
        return Ok((Bound::Included(nothing.clone()), Bound::Excluded(nothing)));
    }
    Ok((low, high))
}

pub fn batches(rows: Vec<Row>) -> BatchIter {
    let mut rows = rows.into_iter();
    Box::new(std::iter::from_fn(move || {
        let batch: Vec<Row> = rows.by_ref().take(query::BATCH_ROWS).collect();
        (!batch.is_empty()).then_some(Ok(batch))
    }))
}

pub fn isolation_name(isolation: Isolation) -> &'static str {
    match isolation {
        Isolation::ReadCommitted => "read committed",
        Isolation::RepeatableRead => "repeatable read",
        Isolation::Serializable => "serializable",
    }
}
