//! Compiled code, and what of it is kept: what was used last, up to a size in all.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use wasmtime::Engine;

use super::compiled::Compiled;
use super::component;
use super::inspect::Kind;
use super::machine::Machine;
use crate::error::Error;

/// Machine code that is kept in all.
const MAX_BYTES: usize = 256 << 20;
/// Modules and components, whatever their size.
const MAX_MODULES: usize = 1024;

/// The code of a function.
pub enum Code {
    Module(Box<Compiled>),
    Component(Box<component::Compiled>),
}

impl Code {
    /// `name` is the SQL function's.
    pub fn new(kind: Kind, machine: &Machine, binary: &[u8], name: &str) -> Result<Code, Error> {
        Ok(match kind {
            Kind::Module => Code::Module(Box::new(Compiled::new(machine, binary, name)?)),
            Kind::Component => Code::Component(Box::new(component::Compiled::new(machine, binary, name)?)),
        })
    }

    pub fn engine(&self) -> &Engine {
        match self {
            Code::Module(module) => module.module().engine(),
            Code::Component(component) => component.pre.engine(),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Code::Module(module) => module.bytes,
            Code::Component(component) => component.bytes,
        }
    }
}

/// Which code: the module, the export in it, and the machine that it was compiled for.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key {
    digest: [u8; 32],
    export: String,
    stack_bytes: usize,
    pooled: bool,
}

impl Key {
    pub fn new(digest: [u8; 32], export: &str, stack_bytes: usize, pooled: bool) -> Key {
        Key {
            digest,
            export: export.to_string(),
            stack_bytes,
            pooled,
        }
    }
}

#[derive(Default)]
pub struct Cache {
    kept: Mutex<Kept>,
    /// Compiling takes every core; one module at a time leaves the others some.
    compiling: Mutex<()>,
}

#[derive(Default)]
struct Kept {
    modules: HashMap<Key, (Arc<Code>, u64)>,
    uses: u64,
    bytes: usize,
}

impl Cache {
    pub fn get(&self, key: &Key) -> Option<Arc<Code>> {
        let mut kept = self.kept.lock();
        kept.uses += 1;
        let now = kept.uses;
        let (compiled, last_used) = kept.modules.get_mut(key)?;
        *last_used = now;
        Some(compiled.clone())
    }

    pub fn get_or_compile(&self, key: Key, compile: impl FnOnce() -> Result<Code, Error>) -> Result<Arc<Code>, Error> {
        let _compiling = self.compiling.lock();
        if let Some(compiled) = self.get(&key) {
            return Ok(compiled);
        }
        let compiled = Arc::new(compile()?);
        let mut kept = self.kept.lock();
        kept.bytes += compiled.bytes();
        let now = kept.uses;
        kept.modules.insert(key, (compiled.clone(), now));
        while kept.bytes > MAX_BYTES || kept.modules.len() > MAX_MODULES {
            let oldest = kept.modules.iter().min_by_key(|(_, (_, last_used))| *last_used);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { break };
            if let Some((dropped, _)) = kept.modules.remove(&oldest) {
                kept.bytes -= dropped.bytes();
            }
        }
        Ok(compiled)
    }
}
