//! A runtime for the tests of one file, a backend that answers from a table, a gate that can be told.

#![allow(dead_code)] // each test file uses its part

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use audit::MemorySink;
use policy::{Capability, Effective, FunctionName, Gate, GateContext, Limits, Policy, Privileges, Request, Rights, RightsSource, Syscall};
use sandbox::*;
use types::text::{TextStyle, format, parse};
use types::{Datum, NO_TYPMOD, Severity, SqlError, SqlState, Type};

pub fn runtime() -> &'static Arc<Runtime> {
    static RUNTIME: OnceLock<Arc<Runtime>> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let options = RuntimeOptions {
            cache_dir: std::env::temp_dir(),
            progress: Arc::new(|_| ()),
            outside: Arc::new(outside()),
        };
        Runtime::start(options).unwrap()
    })
}

/// What the operator of the tests lists.
fn outside() -> Outside {
    Outside {
        environment: BTreeMap::from([
            ("API_URL".into(), "https://api.example.com".into()),
            ("EMPTY".into(), String::new()),
        ]),
        private_folders: vec![private_folder()],
        trusted_roots: TrustedRoots::new(|| Ok(vec![trusted_certificate().cert.der().to_vec()])),
    }
}

/// What plays the data folder.
pub fn private_folder() -> PathBuf {
    let name = format!("parhelion-private-{}", std::process::id());
    std::env::temp_dir().canonicalize().unwrap().join(name)
}

/// The certificate of a server `localhost` that the operator of the tests trusts.
pub fn trusted_certificate() -> &'static rcgen::CertifiedKey<rcgen::KeyPair> {
    static CERTIFICATE: OnceLock<rcgen::CertifiedKey<rcgen::KeyPair>> = OnceLock::new();
    CERTIFICATE.get_or_init(|| rcgen::generate_simple_self_signed(vec!["localhost".to_string()]).unwrap())
}

/// Functions run on threads with a large stack, as sessions have.
pub fn on_session_thread<R: Send>(run: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(64 << 20).spawn_scoped(scope, run).unwrap();
        match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

pub const TIMESTAMP: i64 = 1_700_000_000_123_456;

/// The world around a function.
#[derive(Default)]
pub struct World {
    pub capabilities: Mutex<Vec<Capability>>,
    pub disabled: AtomicBool,
    pub log: Arc<MemorySink>,
    pub cancelled: AtomicBool,
    pub messages: Mutex<Vec<(Severity, String)>>,
    pub statements: Mutex<Vec<(String, Vec<Datum>)>>,
    pub calls: Mutex<Vec<(String, Vec<Datum>)>>,
    pub stored: Mutex<BTreeMap<String, String>>,
}

impl World {
    pub fn holding(capability: Capability) -> Arc<World> {
        Arc::new(World {
            capabilities: Mutex::new(vec![capability]),
            ..World::default()
        })
    }

    /// Checks on record: capability, allowed.
    pub fn checks(&self) -> Vec<(String, bool)> {
        let events = self.log.events();
        events
            .iter()
            .map(|event| {
                (
                    event.capability.as_deref().unwrap_or_default().to_string(),
                    event.allowed == Some(true),
                )
            })
            .collect()
    }

    pub fn gate(self: &Arc<World>) -> Arc<Gate> {
        Arc::new(Gate::new(GateContext {
            function: FunctionName::new("f", "f"),
            user: "postgres".into(),
            session_id: 1,
            call_id: 1,
            parent_call_id: None,
            rights: self.clone(),
            privileges: self.clone(),
            sink: self.log.clone(),
            parent: None,
        }))
    }
}

impl RightsSource for World {
    fn rights(&self) -> Option<Arc<Effective>> {
        let mut rights = Rights::default();
        for capability in self.capabilities.lock().unwrap().iter() {
            rights.grant(capability.clone(), Policy::minimal());
        }
        Some(Arc::new(rights.resolve(
            Policy::minimal(),
            policy::Language::JavaScript,
            !self.disabled.load(Ordering::SeqCst),
        )))
    }

    fn add_violation(&self, _: Syscall) -> Result<u32, SqlError> {
        Ok(1)
    }
}

impl Privileges for World {
    fn check(&self, _: &Request<'_>) -> Result<(), SqlError> {
        Ok(())
    }

    fn check_caller(&self, _: &Request<'_>) -> Result<(), SqlError> {
        Ok(())
    }

    fn check_as(&self, _: u32, _: &Request<'_>) -> Result<(), SqlError> {
        Ok(())
    }

    fn finds(&self, request: &Request<'_>) -> bool {
        request.object().is_some_and(|object| object.visible)
    }

    fn is_superuser(&self) -> bool {
        false
    }
}

pub fn denied(capability: &str) -> SqlError {
    SqlError::new(SqlState::InsufficientPrivilege, format!("function f lacks capability {capability}"))
        .detail("The function was created with policy MINIMAL.")
        .hint(format!("ALTER FUNCTION f GRANT CAPABILITY {capability};"))
}

/// Each as what it is where no place says otherwise.
fn by_themselves(params: &[Param<'_>]) -> Result<Vec<Datum>, SqlError> {
    params.iter().map(|param| param.by_itself(None)).collect()
}

impl Backend for World {
    fn query(&self, sql: &str, params: Vec<Param<'_>>) -> Result<QueryResult, SqlError> {
        let params = by_themselves(&params)?;
        self.statements.lock().unwrap().push((sql.to_string(), params.clone()));
        match sql {
            "echo" => Ok(QueryResult {
                columns: (0..params.len()).map(|number| (format!("c{number}"), Type::Text)).collect(),
                rows: vec![params],
            }),
            "users" => Ok(QueryResult {
                columns: vec![("id".into(), Type::Int4), ("name".into(), Type::Text)],
                rows: (1..=3).map(|id| vec![Datum::Int4(id), Datum::text(format!("user {id}"))]).collect(),
            }),
            "secret" => Err(denied("DATABASE_READ('secret')")),
            "slow" => {
                std::thread::sleep(Duration::from_millis(300));
                Ok(QueryResult {
                    columns: vec![],
                    rows: vec![],
                })
            }
            "huge" => Ok(QueryResult {
                columns: vec![("t".into(), Type::Text)],
                rows: (0..40).map(|_| vec![Datum::text("x".repeat(1 << 20))]).collect(),
            }),
            _ => Err(SqlError::new(
                SqlState::UndefinedTable,
                format!("relation \"{sql}\" does not exist"),
            )),
        }
    }

    fn execute(&self, sql: &str, params: Vec<Param<'_>>) -> Result<ExecuteResult, SqlError> {
        let params = by_themselves(&params)?;
        self.statements.lock().unwrap().push((sql.to_string(), params));
        match sql {
            "insert" => Ok(ExecuteResult {
                rows_affected: 2,
                rows: None,
            }),
            "returning" => Ok(ExecuteResult {
                rows_affected: 1,
                rows: Some(QueryResult {
                    columns: vec![("id".into(), Type::Int8)],
                    rows: vec![vec![Datum::Int8(7)]],
                }),
            }),
            _ => Err(SqlError::new(
                SqlState::UniqueViolation,
                "duplicate key value violates unique constraint \"t_pkey\"",
            )
            .detail("Key (id)=(1) already exists.")),
        }
    }

    /// `describe` answers what it was called with; `callee` is another function under the caller's budget.
    fn call(&self, name: &str, arguments: Vec<Param<'static>>) -> Result<Datum, SqlError> {
        let arguments = by_themselves(&arguments)?;
        self.calls.lock().unwrap().push((name.to_string(), arguments.clone()));
        match name {
            "describe" => Ok(Datum::text(format!("{arguments:?}"))),
            "echo" => Ok(arguments[0].clone()),
            _ => Err(SqlError::new(
                SqlState::UndefinedFunction,
                format!("function {name} does not exist"),
            )),
        }
    }

    fn storage(&self) -> Result<&dyn Storage, SqlError> {
        Ok(self)
    }

    fn log(&self, level: Severity, message: &str) {
        self.messages.lock().unwrap().push((level, message.to_string()));
    }
}

impl Storage for World {
    fn get(&self, key: &str) -> Result<Option<String>, SqlError> {
        Ok(self.stored.lock().unwrap().get(key).cloned())
    }

    fn set(&self, key: &str, value: &str) -> Result<(), SqlError> {
        self.stored.lock().unwrap().insert(key.into(), value.into());
        Ok(())
    }

    fn delete(&self, key: &str) -> Result<bool, SqlError> {
        Ok(self.stored.lock().unwrap().remove(key).is_some())
    }

    fn keys(&self, prefix: &str) -> Result<Vec<String>, SqlError> {
        let stored = self.stored.lock().unwrap();
        Ok(stored.keys().filter(|key| key.starts_with(prefix)).cloned().collect())
    }

    fn increment(&self, key: &str, by: Increment) -> Result<String, SqlError> {
        let mut stored = self.stored.lock().unwrap();
        let before: f64 = stored.get(key).map_or(0.0, |value| value.parse().unwrap());
        let sum = match by {
            Increment::Integer(by) => before + by as f64,
            Increment::Float(by) => before + by,
        };
        stored.insert(key.into(), sum.to_string());
        Ok(sum.to_string())
    }
}

impl Cancel for World {
    fn check(&self) -> Result<(), SqlError> {
        if self.cancelled.load(Ordering::SeqCst) {
            return Err(SqlError::new(SqlState::QueryCanceled, "canceling statement due to user request"));
        }
        Ok(())
    }
}

pub fn limits() -> Limits {
    Limits::default_for(policy::Language::JavaScript)
}

pub fn context(world: &Arc<World>, limits: Limits) -> CallContext {
    CallContext {
        budget: Budget::new("f()".into(), limits, None),
        gate: world.gate(),
        backend: world.clone(),
        cancel: world.clone(),
        transaction_timestamp: TIMESTAMP,
        text_style: TextStyle::default(),
    }
}

pub fn source(body: &str, args: &[Type], returns: Type) -> FunctionSource {
    FunctionSource {
        language: Language::JavaScript,
        name: "f".into(),
        body: body.into(),
        args: args.to_vec(),
        returns,
        set: false,
        columns: vec![],
    }
}

pub fn prepare(body: &str, args: &[Type], returns: Type) -> Result<Arc<Prepared>, Error> {
    on_session_thread(|| runtime().prepare(&source(body, args, returns)))
}

/// Calls `f` once in a world of its own, under given limits.
pub fn call_in(world: &Arc<World>, limits: Limits, body: &str, args: &[(Type, Datum)], returns: Type) -> Result<Datum, Error> {
    let types: Vec<Type> = args.iter().map(|(ty, _)| *ty).collect();
    call_source(world, limits, &source(body, &types, returns), args)
}

pub fn call_source(world: &Arc<World>, limits: Limits, source: &FunctionSource, args: &[(Type, Datum)]) -> Result<Datum, Error> {
    on_session_thread(|| {
        let prepared = runtime().prepare(source)?;
        let mut instance = runtime().instantiate(&prepared, context(world, limits))?;
        let row = args.iter().map(|(_, value)| value.clone()).collect();
        Ok(instance.call(&[row])?.remove(0))
    })
}

pub fn call(body: &str, args: &[(Type, Datum)], returns: Type) -> Result<Datum, Error> {
    call_in(&Arc::default(), limits(), body, args, returns)
}

pub fn sql_error(error: Error) -> SqlError {
    SqlError::from(error)
}

pub fn python_limits() -> Limits {
    Limits::default_for(policy::Language::Python)
}

pub fn python_source(body: &str, args: &[Type], returns: Type) -> FunctionSource {
    FunctionSource {
        language: Language::Python,
        ..source(body, args, returns)
    }
}

pub fn prepare_python(body: &str, args: &[Type], returns: Type) -> Result<Arc<Prepared>, Error> {
    on_session_thread(|| runtime().prepare(&python_source(body, args, returns)))
}

/// Calls the Python function `f` once in a world of its own, under given limits.
pub fn call_python_in(world: &Arc<World>, limits: Limits, body: &str, args: &[(Type, Datum)], returns: Type) -> Result<Datum, Error> {
    let types: Vec<Type> = args.iter().map(|(ty, _)| *ty).collect();
    call_source(world, limits, &python_source(body, &types, returns), args)
}

pub fn call_python(body: &str, args: &[(Type, Datum)], returns: Type) -> Result<Datum, Error> {
    call_python_in(&Arc::default(), python_limits(), body, args, returns)
}

/// A value from the text that PostgreSQL prints.
pub fn value(ty: Type, text: &str) -> Datum {
    parse(ty, NO_TYPMOD, text, &TextStyle::default()).unwrap_or_else(|error| panic!("{ty} {text}: {error}"))
}

/// A value as PostgreSQL prints it.
pub fn printed(ty: Type, datum: &Datum) -> String {
    let mut text = String::new();
    format(ty, datum, &TextStyle::default(), &mut text);
    text
}
