//! Users' functions made ready to run: the sandbox's runtime and what it has prepared.
//!
//! A function is prepared once for each version of its descriptor; ALTER and DROP leave the old version
//! behind, which goes when the cache is full or the function is forgotten. A version that was rolled back has the number of the next
//! one, so what is found under a number runs only where it was made of that very source.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use catalog::{Function, Language};
use parking_lot::Mutex;
use sandbox::{FunctionSource, Outside, Prepared, Runtime, RuntimeOptions};
use types::{Result, SqlError, Type};

use crate::cancel::Cancel;
use crate::database::{FunctionOptions, Progress};

/// How many prepared functions are kept; the sandbox keeps fewer snapshots itself.
const KEPT: usize = 4096;

pub struct Functions {
    cache_dir: PathBuf,
    progress: Progress,
    outside: Arc<Outside>,
    runtime: OnceLock<Result<Arc<Runtime>>>,
    prepared: Mutex<HashMap<(u32, u64), Ready>>,
}

/// What runs one version of a function.
#[derive(Clone)]
struct Ready {
    /// The descriptor that was last asked for, where it is in a catalog: as long as it is this very one, so is the source.
    of: Option<Arc<Function>>,
    prepared: Arc<Prepared>,
}

impl Functions {
    /// `data_dir` is the folder that no function may be granted.
    pub fn new(data_dir: &Path, progress: Progress, options: FunctionOptions) -> Functions {
        // Both spellings: a folder that cannot be resolved is refused as it was named.
        let resolved = std::fs::canonicalize(data_dir).ok();
        let private_folders = resolved.into_iter().chain([data_dir.to_path_buf()]).collect();
        Functions {
            cache_dir: data_dir.join("cache"),
            progress,
            outside: Arc::new(Outside {
                environment: options.environment,
                private_folders,
                trusted_roots: options.trusted_roots,
            }),
            runtime: OnceLock::new(),
            prepared: Mutex::new(HashMap::new()),
        }
    }

    /// The runtime, started at its first use.
    pub fn runtime(&self) -> Result<Arc<Runtime>> {
        self.runtime
            .get_or_init(|| {
                let options = RuntimeOptions {
                    cache_dir: self.cache_dir.clone(),
                    progress: self.progress.clone(),
                    outside: self.outside.clone(),
                };
                Runtime::start(options).map_err(SqlError::from)
            })
            .clone()
    }

    /// Compiles and loads a body that is about to be created: its errors show now.
    pub fn prepare_new(&self, function: &Function, cancel: &Arc<Cancel>) -> Result<Arc<Prepared>> {
        let prepared = self.runtime()?.prepare_while(&source(function)?, Some(cancel.clone()))?;
        self.insert(function, None, prepared.clone());
        Ok(prepared)
    }

    /// Loads a body that will be run once and has no name in the catalog.
    pub fn prepare_once(&self, function: &Function, cancel: &Arc<Cancel>) -> Result<Arc<Prepared>> {
        Ok(self.runtime()?.prepare_while(&source(function)?, Some(cancel.clone()))?)
    }

    /// What runs this version of the function.
    pub fn prepared(&self, function: &Arc<Function>, cancel: &Arc<Cancel>) -> Result<Arc<Prepared>> {
        let found = self.prepared.lock().get(&(function.oid, function.version)).cloned();
        if let Some(Ready { of: Some(of), prepared }) = &found
            && Arc::ptr_eq(of, function)
        {
            return Ok(prepared.clone());
        }
        let source = source(function)?;
        let prepared = match found {
            Some(Ready { prepared, .. }) if *prepared.source() == source => prepared,
            Some(_) | None => self.runtime()?.prepare_while(&source, Some(cancel.clone()))?,
        };
        self.insert(function, Some(function.clone()), prepared.clone());
        Ok(prepared)
    }

    /// Drops every version of a function: it was altered or dropped.
    pub fn forget(&self, oid: u32) {
        self.prepared.lock().retain(|(known, _), _| *known != oid);
    }

    /// Drops the versions before this one.
    pub fn forget_old(&self, oid: u32, version: u64) {
        self.prepared.lock().retain(|(known, of), _| *known != oid || *of >= version);
    }

    fn insert(&self, function: &Function, of: Option<Arc<Function>>, prepared: Arc<Prepared>) {
        let mut all = self.prepared.lock();
        if all.len() >= KEPT {
            all.clear();
        }
        all.insert((function.oid, function.version), Ready { of, prepared });
    }
}

fn source(function: &Function) -> Result<FunctionSource> {
    let language = match function.language {
        Language::JavaScript => sandbox::Language::JavaScript,
        Language::Python => sandbox::Language::Python,
        Language::Wasm => sandbox::Language::Wasm,
        Language::Sql => return Err(SqlError::unsupported("LANGUAGE sql")),
    };
    let columns = match &function.returns {
        catalog::Returns::Table(columns) => columns.clone(),
        _ => vec![],
    };
    Ok(FunctionSource {
        language,
        name: function.name.clone(),
        body: function.body.clone(),
        args: function.args.iter().map(|arg| arg.ty).collect(),
        returns: match &function.returns {
            catalog::Returns::Void => Type::Void,
            // A row even where it has one column.
            catalog::Returns::Table(_) => Type::Record,
            other => other.ty(),
        },
        set: function.returns.is_set(),
        columns,
    })
}
