//! The database: one data folder, its catalog, its audit log, its sessions.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use catalog::{Change, Snapshot, Table};
use parking_lot::{Mutex, RwLock};
use sandbox::TrustedRoots;
use storage::{Db, Isolation, StoreKind};
use types::{Result, SqlError, SqlState};

use crate::alerts::{self, AlertHook, Alerts};
use crate::audit_durability::AuditDurability;
use crate::audit_log::AuditLog;
use crate::context::SessionShared;
use crate::functions_cache::Functions;
use crate::notify::{Channels, Signal};
use crate::running_calls::RunningCalls;
use crate::session::{ConnectOptions, Session};
use crate::table::{self, Space};
use crate::violations::Violations;

/// The one database of a data folder.
pub const DATABASE_NAME: &str = "postgres";

/// Told in words what takes long.
pub type Progress = Arc<dyn Fn(&str) + Send + Sync>;

pub struct Options {
    pub data_dir: PathBuf,
    pub store: StoreKind,
    pub progress: Progress,
    pub functions: FunctionOptions,
}

/// What the operator lets functions have beyond the database.
#[derive(Clone, Debug, Default)]
pub struct FunctionOptions {
    /// What `heliosdb.env.get` finds, for functions that hold ENV_ACCESS. The server's own environment is never asked.
    pub environment: BTreeMap<String, String>,
    pub storage: StorageOptions,
    /// The certificate authorities that `heliosdb.http` trusts.
    pub trusted_roots: TrustedRoots,
}

/// What `heliosdb.storage` allows to each function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorageOptions {
    /// Only functions with `ALTER FUNCTION f SET STORAGE = on` may use it.
    pub requires_consent: bool,
    /// Of a function's keys and values together.
    pub max_bytes: u64,
    pub max_keys: u64,
}

impl Default for StorageOptions {
    fn default() -> StorageOptions {
        StorageOptions {
            requires_consent: false,
            max_bytes: 16 << 20,
            max_keys: 10_000,
        }
    }
}

/// What is kept free on the disk for the audit log and for deletions. As much as the store takes to write out its memory tables
/// and merge what they become, which it does with what was committed before.
pub const DEFAULT_MIN_FREE_DISK: u64 = 256 << 20;

pub struct Database {
    pub(crate) store: Db,
    catalog: RwLock<Arc<Snapshot>>,
    pub(crate) audit: Arc<AuditLog>,
    pub(crate) functions: Functions,
    pub(crate) violations: Violations,
    pub(crate) statistics: Arc<crate::function_stats::Statistics>,
    pub(crate) running_calls: Arc<RunningCalls>,
    pub(crate) storage_options: StorageOptions,
    /// Whether sessions begin with `audit_durability = interval`.
    audit_interval: AtomicBool,
    pub(crate) channels: Channels,
    pub(crate) alerts: Alerts,
    this: Weak<Database>,
    sessions: Mutex<HashMap<i32, SessionHandle>>,
    next_pid: AtomicI32,
    next_session: AtomicI64,
    pub(crate) next_call: AtomicI64,
    /// The next number of a row, per table without a primary key.
    row_numbers: Mutex<HashMap<u32, Arc<AtomicU64>>>,
}

/// How the rest of the server reaches a session.
struct SessionHandle {
    secret: i32,
    shared: Arc<SessionShared>,
}

/// What the server needs to know of a role to let somebody in.
#[derive(Clone, Debug)]
pub struct RoleLogin {
    /// A SCRAM-SHA-256 verifier in PostgreSQL's format.
    pub password: Option<String>,
    pub login: bool,
}

impl Database {
    /// Opens a data folder, and makes it a database where it is empty.
    pub fn open(options: Options) -> Result<Arc<Database>> {
        Database::open_with_alerts(options, None)
    }

    /// The same; the hook is told of every alert, those included that the last run had not come to.
    pub fn open_with_alerts(options: Options, hook: Option<AlertHook>) -> Result<Arc<Database>> {
        let store = Db::open(&options.data_dir, options.store)?;
        store.keep_free(DEFAULT_MIN_FREE_DISK, table::grows);
        let catalog = load_catalog(&store)?;
        let audit = AuditLog::open(&store, &options.data_dir)?;
        let storage_options = options.functions.storage;
        let functions = Functions::new(&options.data_dir, options.progress, options.functions);
        let violations = Violations::load(&store)?;
        // A function that was rolled back may have left some.
        violations.functions().into_iter().for_each(|oid| catalog.reserve_oid(oid));
        let alerts = Alerts::load(&store, hook)?;
        let first = numbers_of_this_start(&store)?;
        let has_triggers = catalog.has_audit_triggers();
        let database = Arc::new_cyclic(|this: &Weak<Database>| Database {
            this: this.clone(),
            alerts,
            store,
            catalog: RwLock::new(Arc::new(catalog)),
            audit,
            functions,
            violations,
            statistics: Arc::default(),
            running_calls: Arc::default(),
            storage_options,
            audit_interval: AtomicBool::new(false),
            channels: Channels::default(),
            sessions: Mutex::new(HashMap::new()),
            next_pid: AtomicI32::new(1),
            next_session: AtomicI64::new(first),
            next_call: AtomicI64::new(first),
            row_numbers: Mutex::new(HashMap::new()),
        });
        if has_triggers {
            database.wake_alerts();
        }
        Ok(database)
    }

    /// Makes the interpreters ready now rather than at the first call.
    pub fn warm_up(&self) -> Result<()> {
        self.functions.runtime().map(|_| ())
    }

    /// Writes are refused that would leave less than this on the disk: see [`DEFAULT_MIN_FREE_DISK`]. 0: none are.
    pub fn set_min_free_disk(&self, bytes: u64) {
        self.store.keep_free(bytes, table::grows);
    }

    /// Calls `tell` with the cause when a write has failed, so that the store takes no more until it is opened again.
    pub fn on_store_failure(&self, tell: impl Fn(&str) + Send + Sync + 'static) {
        self.store.on_failure(tell);
    }

    /// What sessions that begin from now on have as `audit_durability`.
    pub fn set_audit_durability(&self, durability: AuditDurability) {
        self.audit_interval
            .store(durability == AuditDurability::Interval, Ordering::Relaxed);
    }

    pub(crate) fn audit_durability(&self) -> AuditDurability {
        match self.audit_interval.load(Ordering::Relaxed) {
            true => AuditDurability::Interval,
            false => AuditDurability::Statement,
        }
    }

    pub fn catalog(&self) -> Arc<Snapshot> {
        self.catalog.read().clone()
    }

    /// Makes committed changes everybody's catalog. Called by the transaction that holds the catalog's lock.
    pub(crate) fn publish(&self, changes: &[Change]) {
        let mut catalog = self.catalog.write();
        let next = catalog.apply(changes);
        *catalog = Arc::new(next);
        drop(catalog);
        if changes.iter().any(|change| matches!(change, Change::PutAuditTrigger(_))) {
            self.wake_alerts();
        }
    }

    fn wake_alerts(&self) {
        let pid = || self.next_pid.fetch_add(1, Ordering::Relaxed);
        self.alerts.worker.wake(&self.this, pid);
    }

    /// A transaction has committed: of its signals, the alerts. Whoever may not read them any more does not hear them.
    pub(crate) fn tell_alerts(&self, signals: &[Signal]) {
        let mut alerts = signals
            .iter()
            .filter_map(|signal| match signal {
                Signal::Alert(alert) => Some(alert),
                Signal::Listen(_) | Signal::Unlisten(_) | Signal::UnlistenAll | Signal::Notify { .. } => None,
            })
            .peekable();
        if alerts.peek().is_some() {
            let role = |pid: i32| self.sessions.lock().get(&pid).map(|session| session.shared.activity.role());
            self.channels
                .keep_only(alerts::CHANNEL, |pid| role(pid).is_some_and(|role| alerts::may_hear(self, role)));
        }
        alerts.for_each(|alert| self.alerts.committed(alert));
    }

    /// A session for a user whom the server has let in.
    pub fn connect(self: &Arc<Self>, options: ConnectOptions) -> Result<Session> {
        let pid = self.next_pid.fetch_add(1, Ordering::Relaxed);
        let mut secret = [0u8; 4];
        getrandom::fill(&mut secret).map_err(|error| SqlError::internal(format!("no randomness: {error}")))?;
        let secret = i32::from_le_bytes(secret);
        let session_id = self.next_session.fetch_add(1, Ordering::Relaxed);
        let session = Session::new(self.clone(), options, pid, secret, session_id)?;
        self.sessions.lock().insert(
            pid,
            SessionHandle {
                secret,
                shared: session.shared().clone(),
            },
        );
        Ok(session)
    }

    pub(crate) fn forget_session(&self, pid: i32) {
        self.sessions.lock().remove(&pid);
    }

    /// A cancel request: nothing happens unless the secret is right.
    pub fn cancel(&self, pid: i32, secret: i32) {
        if let Some(session) = self.sessions.lock().get(&pid)
            && session.secret == secret
        {
            session.shared.cancel.request();
        }
    }

    /// `pg_cancel_backend` and `pg_terminate_backend`; false where there is no such session.
    pub(crate) fn signal(&self, pid: i32, terminate: bool) -> bool {
        match self.sessions.lock().get(&pid) {
            Some(session) if terminate => session.shared.cancel.terminate(),
            Some(session) => session.shared.cancel.request(),
            None => return false,
        }
        true
    }

    /// Ends every statement that still runs: the last step of a shutdown.
    pub fn cancel_all(&self) {
        for session in self.sessions.lock().values() {
            session.shared.cancel.terminate();
        }
    }

    /// The sessions that are there, in the order in which they came.
    pub(crate) fn sessions(&self) -> Vec<Arc<SessionShared>> {
        let mut sessions: Vec<_> = self.sessions.lock().values().map(|session| session.shared.clone()).collect();
        sessions.sort_unstable_by_key(|session| session.pid);
        sessions
    }

    pub fn session_count(&self) -> usize {
        self.sessions.lock().len()
    }

    pub fn role_login(&self, user: &str) -> Option<RoleLogin> {
        let catalog = self.catalog();
        let role = catalog.role(user)?;
        Some(RoleLogin {
            password: role.password.clone(),
            login: role.login,
        })
    }

    /// Whether anybody has a password: until then the server is open to this machine and closed to others.
    pub fn has_any_password(&self) -> bool {
        self.catalog().roles().any(|role| role.password.is_some())
    }

    /// Records in the audit log that somebody was not let in; [`Session::record_login`] records that somebody was.
    pub fn record_refused_login(&self, user: &str, client: Option<std::net::SocketAddr>, error: &SqlError) -> Result<()> {
        self.audit.record_refused_login(user, client, error)
    }

    /// Rows of the audit log that queries cannot yet find by the blocks that are made of them in the background.
    pub fn audit_rows_behind(&self) -> u64 {
        self.audit.blocks.rows_behind()
    }

    /// Ends what works by itself and writes out what is in memory, before the process ends.
    pub fn close(&self) -> Result<()> {
        self.alerts.worker.stop();
        self.store.flush()?;
        Ok(())
    }

    /// A number for a new row of a table without a primary key. After a restart the numbers go on
    /// after the highest one that is stored.
    pub(crate) fn next_row_number(&self, table: &Table) -> Result<u64> {
        let counter = {
            let mut counters = self.row_numbers.lock();
            match counters.get(&table.oid) {
                Some(counter) => counter.clone(),
                None => {
                    let counter = Arc::new(AtomicU64::new(self.last_row_number(table)? + 1));
                    counters.insert(table.oid, counter.clone());
                    counter
                }
            }
        };
        Ok(counter.fetch_add(1, Ordering::Relaxed))
    }

    fn last_row_number(&self, table: &Table) -> Result<u64> {
        let prefix = table::prefix(Space::Row, table.oid);
        let txn = self.store.begin(Isolation::ReadCommitted);
        let mut scan = txn.scan_in(table::range_of(&prefix), storage::Direction::Backward)?;
        let Some(last) = scan.next() else { return Ok(0) };
        let (key, _) = last?;
        let number = key.get(prefix.len()..).and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
        number
            .map(u64::from_be_bytes)
            .ok_or_else(|| SqlError::new(SqlState::DataCorrupted, "a row's key is damaged"))
    }
}

/// How many sessions or calls one start of the server may number.
const NUMBERS_PER_START: i64 = 1_000_000_000;

/// The first number of a session or a call of this start: each start has a range of its own, so that numbers in
/// the audit log are unique over the life of the data folder.
fn numbers_of_this_start(store: &Db) -> Result<i64> {
    let key = [Space::Starts as u8];
    let txn = store.begin(Isolation::ReadCommitted);
    let stored = match txn.get(&key)? {
        None => 0,
        Some(bytes) => {
            let bytes =
                <[u8; 8]>::try_from(&*bytes).map_err(|_| SqlError::new(SqlState::DataCorrupted, "the count of starts is damaged"))?;
            i64::from_be_bytes(bytes)
        }
    };
    txn.put(key.to_vec(), (stored + 1).to_be_bytes().to_vec())?;
    txn.commit()?;
    stored
        .checked_mul(NUMBERS_PER_START)
        .map(|first| first + 1)
        .ok_or_else(|| SqlError::internal("starts are used up"))
}

/// Reads the stored catalog; a new folder gets the first one.
fn load_catalog(store: &Db) -> Result<Snapshot> {
    let txn = store.begin(Isolation::ReadCommitted);
    let mut records = vec![];
    for item in txn.scan(table::range_of(&[Space::Catalog as u8]))? {
        let (key, value) = item?;
        records.push((key[1..].to_vec(), value.to_vec()));
    }
    if records.is_empty() {
        let changes = Snapshot::bootstrap_changes();
        for change in &changes {
            put_change(&txn, change)?;
        }
        txn.commit()?;
        return Ok(Snapshot::bootstrap());
    }
    Snapshot::load(records).map_err(|error| SqlError::new(SqlState::DataCorrupted, format!("the stored catalog cannot be read: {error}")))
}

/// Writes a change's record in a transaction.
pub(crate) fn put_change(txn: &storage::Transaction, change: &Change) -> Result<()> {
    let (key, value) = change.record();
    let mut full = vec![Space::Catalog as u8];
    full.extend_from_slice(&key);
    match value {
        Some(value) => txn.put(full, value)?,
        None => txn.delete(full)?,
    }
    Ok(())
}
