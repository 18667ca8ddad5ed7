//! How long a function takes to answer: `cargo bench --workspace --bench sandbox_latency`.
//!
//! Prints a fresh sandbox's way to its first result of f(x) = x + 1, warm and cold, and the cost of a
//! row in a large batch; beside each, how many times faster that is than loading the function anew,
//! which is what a sandbox without snapshots would do.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use audit::MemorySink;
use policy::{Effective, FunctionName, Gate, GateContext, Limits, Policy, Privileges, Request, Rights, RightsSource, Syscall};
use sandbox::*;
use types::text::TextStyle;
use types::{Datum, Severity, SqlError, Type};

struct Nothing;

impl RightsSource for Nothing {
    fn rights(&self) -> Option<Arc<Effective>> {
        let rights = Rights::default().resolve(Policy::minimal(), policy::Language::JavaScript, true);
        Some(Arc::new(rights))
    }

    fn add_violation(&self, _: Syscall) -> Result<u32, SqlError> {
        Ok(0)
    }
}

impl Privileges for Nothing {
    fn check(&self, _: &Request<'_>) -> Result<(), SqlError> {
        Ok(())
    }

    fn check_caller(&self, _: &Request<'_>) -> Result<(), SqlError> {
        Ok(())
    }

    fn check_as(&self, _: u32, _: &Request<'_>) -> Result<(), SqlError> {
        Ok(())
    }

    fn finds(&self, _: &Request<'_>) -> bool {
        false
    }

    fn is_superuser(&self) -> bool {
        false
    }
}

impl Backend for Nothing {
    fn query(&self, _: &str, _: Vec<Param<'_>>) -> Result<QueryResult, SqlError> {
        Ok(QueryResult {
            columns: vec![],
            rows: vec![],
        })
    }

    fn execute(&self, _: &str, _: Vec<Param<'_>>) -> Result<ExecuteResult, SqlError> {
        Ok(ExecuteResult {
            rows_affected: 0,
            rows: None,
        })
    }

    fn call(&self, name: &str, _: Vec<Param<'static>>) -> Result<Datum, SqlError> {
        Err(SqlError::unsupported(format!("calling {name} in a benchmark")))
    }

    fn storage(&self) -> Result<&dyn Storage, SqlError> {
        Err(SqlError::unsupported("storage in a benchmark"))
    }

    fn log(&self, _: Severity, _: &str) {}
}

impl Cancel for Nothing {
    fn check(&self) -> Result<(), SqlError> {
        Ok(())
    }
}

fn context(world: &Arc<Nothing>, gate: &Arc<Gate>, language: Language) -> CallContext {
    let limits = Limits::default_for(match language {
        Language::JavaScript => policy::Language::JavaScript,
        Language::Python => policy::Language::Python,
        Language::Wasm => policy::Language::Wasm,
    });
    CallContext {
        budget: Budget::new("f()".into(), limits, None),
        gate: gate.clone(),
        backend: world.clone(),
        cancel: world.clone(),
        transaction_timestamp: 0,
        text_style: TextStyle::default(),
    }
}

/// Prints the median and the 99th percentile, in microseconds; answers the median.
fn report(what: &str, mut times: Vec<Duration>, peer: Option<f64>) -> f64 {
    times.sort();
    let micros = |time: Duration| time.as_nanos() as f64 / 1000.0;
    let at = |share: usize| micros(times[(times.len() - 1) * share / 100]);
    let ratio = peer.map_or(String::new(), |peer| format!("   {:>8.1} times faster", peer / at(50)));
    println!("{what:<52} median {:>9.3} us   p99 {:>9.3} us{ratio}", at(50), at(99));
    at(50)
}

/// f(x) = x + 1, and fib(20).
struct Bodies {
    language: Language,
    increment: &'static str,
    fib: &'static str,
}

const BODIES: &[Bodies] = &[
    Bodies {
        language: Language::JavaScript,
        increment: "function f(x) { return x + 1 } //",
        fib: "function f(x) { return x < 2 ? x : f(x - 1) + f(x - 2) }",
    },
    Bodies {
        language: Language::Python,
        increment: "def f(x): return x + 1 #",
        fib: "def f(x): return x if x < 2 else f(x - 1) + f(x - 2)",
    },
];

fn function(language: Language, body: String) -> FunctionSource {
    FunctionSource {
        language,
        name: "f".into(),
        body,
        args: vec![Type::Int4],
        returns: Type::Int4,
        set: false,
        columns: vec![],
    }
}

/// The same function as a module, over numbers and through memory.
fn modules() -> [(&'static str, FunctionSource); 2] {
    let source = |body: &str| function(Language::Wasm, body.into());
    let numbers = r#"(module (func (export "f") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))"#;
    // The argument is a count of four bytes, a tag, and an i32, which is also the answer.
    let memory = r#"(module (memory (export "memory") 1)
      (func (export "alloc") (param i32) (result i32) (i32.const 1024))
      (func (export "f") (param $p i32) (param $n i32) (result i64)
        (i32.store (i32.add (local.get $p) (i32.const 5)) (i32.add (i32.load (i32.add (local.get $p) (i32.const 5))) (i32.const 1)))
        (i64.or (i64.shl (i64.extend_i32_u (i32.add (local.get $p) (i32.const 4))) (i64.const 32)) (i64.const 5))))"#;
    [("numbers", source(numbers)), ("memory", source(memory))]
}

fn run() -> Result<(), Error> {
    let started = Instant::now();
    let runtime = Runtime::start(RuntimeOptions {
        cache_dir: std::env::temp_dir(),
        outside: Arc::default(),
        progress: Arc::new(|told| println!("{told}")),
    })?;
    println!("start: {:.1} ms", started.elapsed().as_secs_f64() * 1e3);
    let world = Arc::new(Nothing);
    let gate = Arc::new(Gate::new(GateContext {
        function: FunctionName::new("f", "f"),
        user: "postgres".into(),
        session_id: 1,
        call_id: 1,
        parent_call_id: None,
        rights: world.clone(),
        privileges: world.clone(),
        sink: Arc::new(MemorySink::new()),
        parent: None,
    }));
    for bodies in BODIES {
        println!("{}", bodies.language.name());
        measure(&runtime, &world, &gate, bodies)?;
    }
    measure_modules(&runtime, &world, &gate)
}

fn measure(runtime: &Runtime, world: &Arc<Nothing>, gate: &Arc<Gate>, bodies: &Bodies) -> Result<(), Error> {
    let context = || context(world, gate, bodies.language);
    let row = vec![vec![Datum::Int4(41)]];
    let started = Instant::now();
    let fib = runtime.prepare(&function(bodies.language, bodies.fib.into()))?;
    println!("interpreter and first function: {:.1} ms", started.elapsed().as_secs_f64() * 1e3);

    let mut times = Vec::new();
    let mut functions = Vec::new();
    for number in 0..200 {
        let source = function(bodies.language, format!("{} {number}", bodies.increment));
        let started = Instant::now();
        functions.push(runtime.prepare(&source)?);
        times.push(started.elapsed());
    }
    let anew = Some(report("CREATE FUNCTION: load and snapshot", times, None));

    let mut times = Vec::new();
    for prepared in &functions {
        let started = Instant::now();
        let mut instance = runtime.instantiate(prepared, context())?;
        black_box(instance.call(&row)?);
        times.push(started.elapsed());
    }
    report("fresh sandbox to first result, cold", times, anew);

    let prepared = &functions[0];
    let (mut first, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..20_000 {
        let started = Instant::now();
        let mut instance = runtime.instantiate(prepared, context())?;
        black_box(instance.call(&row)?);
        first.push(started.elapsed());
        drop(instance);
        whole.push(started.elapsed());
    }
    report("fresh sandbox to first result, warm", first, anew);
    report("the same, with drop and reset", whole, anew);

    let mut instance = runtime.instantiate(prepared, context())?;
    let mut times = Vec::new();
    for _ in 0..20_000 {
        let started = Instant::now();
        black_box(instance.call(&row)?);
        times.push(started.elapsed());
    }
    report("next call in the same sandbox", times, anew);

    let rows: Vec<Vec<Datum>> = (0..100_000).map(|n| vec![Datum::Int4(n)]).collect();
    let mut times = Vec::new();
    for _ in 0..15 {
        let mut instance = runtime.instantiate(prepared, context())?;
        let started = Instant::now();
        black_box(instance.call(&rows)?);
        times.push(started.elapsed() / 100_000);
    }
    report("a row of 100,000 in one call", times, anew);

    let twenty = vec![vec![Datum::Int4(20)]];
    let mut times = Vec::new();
    for _ in 0..20 {
        let mut instance = runtime.instantiate(&fib, context())?;
        let started = Instant::now();
        black_box(instance.call(&twenty)?);
        times.push(started.elapsed());
    }
    report("fib(20)", times, None);
    Ok(())
}

/// The same of plain modules.
fn measure_modules(runtime: &Runtime, world: &Arc<Nothing>, gate: &Arc<Gate>) -> Result<(), Error> {
    let row = vec![vec![Datum::Int4(41)]];
    let rows: Vec<Vec<Datum>> = (0..100_000).map(|n| vec![Datum::Int4(n)]).collect();
    for (form, source) in modules() {
        println!("\nWebAssembly module, {form}");
        let started = Instant::now();
        let prepared = runtime.prepare(&source)?;
        println!("CREATE FUNCTION: {:.2} ms", started.elapsed().as_secs_f64() * 1e3);
        let mut whole = Vec::new();
        for _ in 0..20_000 {
            let started = Instant::now();
            let mut instance = runtime.instantiate(&prepared, context(world, gate, Language::Wasm))?;
            black_box(instance.call(&row)?);
            drop(instance);
            whole.push(started.elapsed());
        }
        report("fresh sandbox, first result, drop", whole, None);
        let mut instance = runtime.instantiate(&prepared, context(world, gate, Language::Wasm))?;
        let mut times = Vec::new();
        for _ in 0..15 {
            let started = Instant::now();
            black_box(instance.call(&rows)?);
            times.push(started.elapsed() / 100_000);
        }
        report("a row of 100,000 in one call", times, None);
    }
    Ok(())
}

fn main() -> Result<(), Error> {
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(run);
    match thread.map(std::thread::JoinHandle::join) {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) | Err(_) => Err(Error::Host("the benchmark's thread failed".into())),
    }
}
