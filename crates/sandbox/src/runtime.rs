//! The interpreters, compiled and ready, and the functions prepared on them.

use std::path::PathBuf;
use std::sync::Arc;

use types::Datum;

use crate::context::{CallContext, Usage};
use crate::error::Error;
use crate::source::FunctionSource;

pub struct RuntimeOptions {
    /// A folder of ours, for compiled code that this machine's build could not provide.
    pub cache_dir: PathBuf,
    /// Told in words what takes long.
    pub progress: Arc<dyn Fn(&str) + Send + Sync>,
}

/// One per process.
pub struct Runtime {}

/// A function that was loaded once and found good. Cheap to keep: its snapshot is dropped when it
/// has not been used for long, and made again at the next call.
pub struct Prepared {
    source: FunctionSource,
}

/// A fresh sandbox with the function in it: what one statement uses for all its rows.
pub struct Instance {}

impl Runtime {
    pub fn start(_options: RuntimeOptions) -> Result<Arc<Runtime>, Error> {
        Err(Error::Host("the sandbox is not built yet".into()))
    }

    pub fn prepare(&self, _source: &FunctionSource) -> Result<Arc<Prepared>, Error> {
        Err(Error::Host("the sandbox is not built yet".into()))
    }

    pub fn instantiate(&self, _prepared: &Arc<Prepared>, _context: CallContext) -> Result<Instance, Error> {
        Err(Error::Host("the sandbox is not built yet".into()))
    }
}

impl Prepared {
    pub fn source(&self) -> &FunctionSource {
        &self.source
    }
}

impl Instance {
    /// One result for each row of arguments.
    pub fn call(&mut self, _rows: &[Vec<Datum>]) -> Result<Vec<Datum>, Error> {
        Err(Error::Host("the sandbox is not built yet".into()))
    }

    /// Starts a set-returning function; [`Instance::next_rows`] fetches what it returns.
    pub fn call_set(&mut self, _args: &[Datum]) -> Result<(), Error> {
        Err(Error::Host("the sandbox is not built yet".into()))
    }

    /// At most `max` further rows of the set; an empty answer is its end.
    pub fn next_rows(&mut self, _max: usize) -> Result<Vec<Datum>, Error> {
        Err(Error::Host("the sandbox is not built yet".into()))
    }

    pub fn usage(&self) -> Usage {
        Usage::default()
    }
}
