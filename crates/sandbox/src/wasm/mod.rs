//! Users' own WebAssembly modules and components: LANGUAGE wasm.
//!
//! The life of a module: its body is brought into binary form (`body`), measured before anything works
//! hard on it (`inspect`), compiled, and held against the declared signature (`signature`), which
//! decides how it is called. The compiled code stays in a cache (`compiled`); a function itself is only
//! the code's digest. The life of a call: a slot of the pool becomes a fresh instance (`machine`),
//! `_initialize` runs, and each row is one call of the export, its arguments in registers (`scalar`) or in
//! the module's memory (`buffer`). A component is measured, compiled and kept in the same way, and called in its own
//! (`component`). What the module asks of the host, and what may end it, is the same
//! as for interpreters.
//!
//! What is absent: nothing of one statement's instance is seen by the next, and no answer of a module is
//! used as an address or a length before it was checked against the memory.

mod body;
mod buffer;
mod cache;
mod compiled;
mod component;
mod failure;
mod inspect;
mod machine;
mod raw;
mod sandbox;
mod scalar;
mod signature;
mod trigger;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use policy::Limits;
use sha2::{Digest, Sha256};

pub use sandbox::Sandbox;

use crate::budget::Budget;
use crate::context::Cancel;
use crate::error::Error;
use crate::host::State;
use crate::machine::DEFAULT_STACK_BYTES;
use crate::meter::Meter;
use crate::runtime::Prepared;
use crate::source::FunctionSource;
use crate::ticker::Ticker;
use cache::{Cache, Code, Key};
use inspect::Kind;
use machine::Machine;
use signature::Signature;

/// A module or a component that was found good.
pub struct Function {
    digest: [u8; 32],
    kind: Kind,
    /// Where its fixed stream of random bytes begins.
    random_stream: u64,
    signature: Signature,
}

impl Function {
    pub fn random_stream(&self) -> u64 {
        self.random_stream
    }

    /// Whether none of its parameters has a place for NULL.
    pub fn is_strict(&self) -> bool {
        match &self.signature {
            Signature::Plain { .. } => true,
            Signature::Buffer => false,
            Signature::Component(signature) => signature.parameters.iter().all(|plan| !plan.nullable),
        }
    }
}

/// What all modules share.
pub struct Modules {
    machines: Mutex<HashMap<(usize, bool), Arc<Machine>>>,
    compiled: Cache,
}

impl Modules {
    pub fn new() -> Modules {
        Modules {
            machines: Mutex::new(HashMap::new()),
            compiled: Cache::default(),
        }
    }

    /// Checks and compiles a body: everything that is wrong with it shows now.
    pub fn prepare(&self, source: &FunctionSource, ticker: &Ticker) -> Result<Function, Error> {
        let module = body::decode(&source.body)?;
        let kind = inspect::check(&module)?;
        let digest: [u8; 32] = Sha256::digest(&module).into();
        let machine = self.machine(DEFAULT_STACK_BYTES, true, ticker)?;
        let key = Key::new(digest, &source.name, DEFAULT_STACK_BYTES, true);
        let compiled = self
            .compiled
            .get_or_compile(key, || Code::new(kind, &machine, &module, &source.name))?;
        let signature = signature::of(source, &compiled)?;
        let name = Sha256::digest(source.name.as_bytes());
        let seed = name.first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        Ok(Function {
            digest,
            kind,
            random_stream: seed,
            signature,
        })
    }

    /// Runs what a module runs at its start, with no host behind it: what fails there fails now.
    pub fn try_start(
        &self,
        prepared: &Arc<Prepared>,
        function: &Function,
        limits: Limits,
        ticker: &Arc<Ticker>,
        cancel: Option<Arc<dyn Cancel>>,
    ) -> Result<(), Error> {
        let budget = Budget::new(prepared.signature().to_string(), limits, None);
        let meter = Meter::new(budget, 0, 0, cancel);
        let state = State::new(meter, None, function.random_stream);
        self.instantiate(prepared, function, state, DEFAULT_STACK_BYTES, ticker, 1)
            .map(drop)
    }

    /// A fresh sandbox with the module in it.
    pub fn instantiate(
        &self,
        prepared: &Arc<Prepared>,
        function: &Function,
        state: State,
        stack_bytes: usize,
        ticker: &Arc<Ticker>,
        depth: u32,
    ) -> Result<Sandbox, Error> {
        crate::instance::check_stack(state.meter.limits.stack_bytes, prepared, depth)?;
        // The pool has so many slots; whoever finds none pays for memory of their own.
        let pooled = stack_bytes == DEFAULT_STACK_BYTES;
        let compiled = self.compiled(prepared, function, stack_bytes, pooled, ticker)?;
        let ticking = ticker.running();
        let started = match Sandbox::start(&compiled, function.signature.clone(), state, prepared) {
            Err(sandbox::Unstarted::PoolIsEmpty(state)) => {
                let compiled = self.compiled(prepared, function, stack_bytes, false, ticker)?;
                Sandbox::start(&compiled, function.signature.clone(), *state, prepared)
            }
            started => started,
        };
        drop(ticking);
        match started {
            Ok(started) => Ok(started.serving(prepared.clone(), ticker.clone(), depth)),
            Err(sandbox::Unstarted::Failed(error)) => Err(error),
            Err(sandbox::Unstarted::PoolIsEmpty(_)) => Err(Error::Host("no room for a WebAssembly module".into())),
        }
    }

    fn compiled(
        &self,
        prepared: &Prepared,
        function: &Function,
        stack_bytes: usize,
        pooled: bool,
        ticker: &Ticker,
    ) -> Result<Arc<Code>, Error> {
        let source = prepared.source();
        let key = Key::new(function.digest, &source.name, stack_bytes, pooled);
        if let Some(compiled) = self.compiled.get(&key) {
            return Ok(compiled);
        }
        let machine = self.machine(stack_bytes, pooled, ticker)?;
        self.compiled.get_or_compile(key, || {
            Code::new(function.kind, &machine, &body::decode(&source.body)?, &source.name)
        })
    }

    fn machine(&self, stack_bytes: usize, pooled: bool, ticker: &Ticker) -> Result<Arc<Machine>, Error> {
        let mut machines = self.machines.lock();
        if let Some(machine) = machines.get(&(stack_bytes, pooled)) {
            return Ok(machine.clone());
        }
        let machine = Arc::new(Machine::new(stack_bytes, pooled)?);
        ticker.watch(machine.engine());
        machines.insert((stack_bytes, pooled), machine.clone());
        Ok(machine)
    }
}
