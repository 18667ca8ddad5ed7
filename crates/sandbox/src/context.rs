//! What the engine hands to a call: its limits, its rights, its way back into SQL.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use policy::Gate;
use types::text::TextStyle;
use types::{Datum, Severity, SqlError, Type};

use crate::budget::Budget;
use crate::value::Param;

/// Everything one statement's use of one function may touch.
pub struct CallContext {
    /// Its limits, and what it may still use of them and of its caller's.
    pub budget: Arc<Budget>,
    /// What the function may ask of the host itself. The backend holds it too, for what statements may touch.
    pub gate: Arc<Gate>,
    pub backend: Arc<dyn Backend>,
    pub cancel: Arc<dyn Cancel>,
    /// Microseconds since 1970: what the clock shows to a function without TIME_ACCESS.
    pub transaction_timestamp: i64,
    /// How texts read that a function returns, as literals of the session would.
    pub text_style: TextStyle,
}

/// The way from a function back into SQL; the engine implements it. Each method checks the gate
/// for every table of the statement it was given.
pub trait Backend: Send + Sync {
    fn query(&self, sql: &str, params: Vec<Param<'_>>) -> Result<QueryResult, SqlError>;
    fn execute(&self, sql: &str, params: Vec<Param<'_>>) -> Result<ExecuteResult, SqlError>;
    /// Calls the function of this name that takes these arguments. Asks the gate for CALL_FUNCTION of it.
    fn call(&self, name: &str, arguments: Vec<Param<'static>>) -> Result<Datum, SqlError>;
    /// The function's own key space; an error where it may not have one.
    fn storage(&self) -> Result<&dyn Storage, SqlError>;
    fn log(&self, level: Severity, message: &str);
}

/// A function's own key space. Values are JSON texts. Writes belong to the caller's transaction, and
/// wait for others that wrote the same key.
pub trait Storage: Send + Sync {
    fn get(&self, key: &str) -> Result<Option<String>, SqlError>;
    fn set(&self, key: &str, value: &str) -> Result<(), SqlError>;
    /// Whether there was such a key.
    fn delete(&self, key: &str) -> Result<bool, SqlError>;
    fn keys(&self, prefix: &str) -> Result<Vec<String>, SqlError>;
    /// The number after the addition.
    fn increment(&self, key: &str, by: Increment) -> Result<String, SqlError>;
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Increment {
    Integer(i64),
    /// Finite.
    Float(f64),
}

/// What there is outside of the database that a function may be granted; the operator decides about it.
#[derive(Clone, Debug, Default)]
pub struct Outside {
    /// What `heliosdb.env.get` knows. Never the server's own environment.
    pub environment: BTreeMap<String, String>,
    /// What no grant opens to `heliosdb.fs`: the database's own files. Canonical.
    pub private_folders: Vec<PathBuf>,
    /// Whom `heliosdb.http` believes to be who they say.
    pub trusted_roots: TrustedRoots,
}

/// Certificates of authorities, read when the first HTTPS request wants them. By default there are none.
#[derive(Clone, Default)]
pub struct TrustedRoots {
    load: Option<Arc<LoadRoots>>,
    loaded: Arc<OnceLock<Result<Vec<Vec<u8>>, String>>>,
}

type LoadRoots = dyn Fn() -> Result<Vec<Vec<u8>>, String> + Send + Sync;

impl TrustedRoots {
    /// `load` gives DER, or says why it cannot.
    pub fn new(load: impl Fn() -> Result<Vec<Vec<u8>>, String> + Send + Sync + 'static) -> TrustedRoots {
        TrustedRoots {
            load: Some(Arc::new(load)),
            loaded: Arc::default(),
        }
    }

    pub(crate) fn certificates(&self) -> Result<&[Vec<u8>], &str> {
        let loaded = self.loaded.get_or_init(|| match &self.load {
            Some(load) => load(),
            None => Ok(Vec::new()),
        });
        loaded.as_deref().map_err(String::as_str)
    }
}

impl std::fmt::Debug for TrustedRoots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrustedRoots").finish_non_exhaustive()
    }
}

#[derive(Clone, Debug)]
pub struct QueryResult {
    pub columns: Vec<(String, Type)>,
    pub rows: Vec<Vec<Datum>>,
}

#[derive(Clone, Debug)]
pub struct ExecuteResult {
    pub rows_affected: u64,
    /// What RETURNING returned.
    pub rows: Option<QueryResult>,
}

/// Asked at every tick of the sandbox's clock while a guest runs: an error ends the guest at once.
pub trait Cancel: Send + Sync {
    fn check(&self) -> Result<(), SqlError>;
}

/// What an instance has used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Instructions, in the unit of `max_instructions`.
    pub fuel: u64,
    /// The largest size of the guest's memory.
    pub memory_bytes: u64,
    pub cpu: Duration,
    pub wall: Duration,
}
