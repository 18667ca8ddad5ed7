//! The interpreters, compiled and ready, and the functions prepared on them.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use policy::Limits;
use types::Type;

use crate::abi::{kind, status};
use crate::budget::Budget;
use crate::code::{self, Guest};
use crate::context::{CallContext, Cancel, Outside};
use crate::error::{Error, Limit};
use crate::host::{Rights, State};
use crate::instance::{self, Interpreted};
use crate::interpreter::{Entry, Interpreter};
use crate::machine::DEFAULT_STACK_BYTES;
use crate::memory::Image;
use crate::meter::Meter;
use crate::sandbox::Instance;
use crate::snapshot::{Place, Snapshots};
use crate::source::{FunctionSource, Language};
use crate::ticker::Ticker;
use crate::value::{Exchange, Malformed, Reader, put_shape, put_text};
use crate::wasm;

pub struct RuntimeOptions {
    /// A folder of ours, for compiled code that this machine's build could not provide.
    pub cache_dir: PathBuf,
    /// Told in words what takes long.
    pub progress: Arc<dyn Fn(&str) + Send + Sync>,
    pub outside: Arc<Outside>,
}

/// One per process.
pub struct Runtime {
    options: RuntimeOptions,
    ticker: Arc<Ticker>,
    javascript: Deferred,
    python: Deferred,
    modules: wasm::Modules,
    snapshots: Snapshots,
}

/// One language's interpreters, which start when they are first asked for: a server whose functions
/// are all in one language neither waits for the other's nor holds it in memory.
struct Deferred {
    guest: &'static Guest,
    language: Language,
    started: Mutex<Option<Arc<Interpreters>>>,
}

/// One language's interpreter, under each stack limit that is in use.
struct Interpreters {
    guest: &'static Guest,
    by_stack: Mutex<HashMap<usize, Arc<Interpreter>>>,
    base: Arc<Image>,
}

/// A function that was loaded once and found good. Cheap to keep: its snapshot, or its compiled code, is
/// dropped when it has not been used for long, and made again at the next call.
pub struct Prepared {
    source: FunctionSource,
    signature: String,
    kind: Kind,
}

enum Kind {
    Interpreted(Arc<Place>),
    Module(wasm::Function),
}

/// Stack limits are rounded up to this, so that policies cannot ask for an engine each.
const STACK_STEP_BYTES: usize = 256 << 10;
/// The largest stack of spec section 4.
const MAX_STACK_BYTES: usize = 8 << 20;

/// Loading a body runs its top level; the language's default limits hold there.
fn load_limits(language: Language) -> Limits {
    Limits::default_for(match language {
        Language::JavaScript => policy::Language::JavaScript,
        Language::Python => policy::Language::Python,
        Language::Wasm => policy::Language::Wasm,
    })
}

impl Runtime {
    pub fn start(options: RuntimeOptions) -> Result<Arc<Runtime>, Error> {
        Ok(Arc::new(Runtime {
            options,
            ticker: Ticker::start()?,
            javascript: Deferred::new(&code::JAVASCRIPT, Language::JavaScript),
            python: Deferred::new(&code::PYTHON, Language::Python),
            modules: wasm::Modules::new(),
            snapshots: Snapshots::default(),
        }))
    }

    /// Loads a function's body: everything that is wrong with it shows now.
    pub fn prepare(&self, source: &FunctionSource) -> Result<Arc<Prepared>, Error> {
        self.prepare_while(source, None)
    }

    /// The same as long as nobody cancels it: a body's top level may run for ever.
    pub fn prepare_while(&self, source: &FunctionSource, cancel: Option<Arc<dyn Cancel>>) -> Result<Arc<Prepared>, Error> {
        let kind = match source.language {
            Language::JavaScript | Language::Python => Kind::Interpreted(Arc::default()),
            Language::Wasm => Kind::Module(self.modules.prepare(source, &self.ticker)?),
        };
        let prepared = Arc::new(Prepared {
            source: source.clone(),
            signature: source.signature(),
            kind,
        });
        match &prepared.kind {
            Kind::Interpreted(place) => drop(self.image(&prepared, place, cancel)?),
            Kind::Module(module) => {
                let limits = load_limits(source.language);
                self.modules.try_start(&prepared, module, limits, &self.ticker, cancel)?;
            }
        }
        Ok(prepared)
    }

    /// A fresh sandbox with the function in it.
    pub fn instantiate(&self, prepared: &Arc<Prepared>, context: CallContext) -> Result<Instance, Error> {
        match &prepared.kind {
            Kind::Interpreted(place) => self.interpret(prepared, place, context).map(Instance::from),
            Kind::Module(module) => {
                let (limits, depth) = (context.budget.limits(), context.gate.depth());
                let meter = Meter::new(context.budget.clone(), 0, 0, Some(context.cancel.clone()));
                let exchange = Exchange::new(context.text_style.clone(), false);
                let rights = Rights::of(context, self.options.outside.clone());
                let mut state = State::new(meter, Some(rights), module.random_stream());
                state.exchange = exchange;
                self.modules
                    .instantiate(prepared, module, state, stack_bytes(&limits), &self.ticker, depth)
                    .map(Instance::from)
            }
        }
    }

    fn interpret(&self, prepared: &Arc<Prepared>, place: &Arc<Place>, context: CallContext) -> Result<Interpreted, Error> {
        let interpreters = self.interpreters(prepared.source.language)?;
        let image = self.image(prepared, place, Some(context.cancel.clone()))?;
        let (limits, depth) = (context.budget.limits(), context.gate.depth());
        let interpreter = interpreters.under(stack_bytes(&limits), &self.ticker, &self.options)?;
        let meter = Meter::new(
            context.budget.clone(),
            interpreters.base.len(),
            image.len(),
            Some(context.cancel.clone()),
        );
        if meter.check_memory().is_err() {
            return Err(prepared.limit(Limit::Memory, limits.memory_bytes));
        }
        let exchange = Exchange::new(context.text_style.clone(), prepared.source().language == Language::JavaScript);
        let mut state = State::new(meter, Some(Rights::of(context, self.options.outside.clone())), 0);
        state.exchange = exchange;
        let running = interpreter.instantiate(&image, state)?;
        Ok(Interpreted::new(prepared.clone(), interpreter, running, self.ticker.clone(), depth))
    }

    fn interpreters(&self, language: Language) -> Result<Arc<Interpreters>, Error> {
        match language {
            Language::JavaScript => self.javascript.get(&self.ticker, &self.options),
            Language::Python => self.python.get(&self.ticker, &self.options),
            Language::Wasm => Err(Error::Unsupported(format!("language {}", language.name()))),
        }
    }

    /// The function's snapshot, made again if it was dropped.
    fn image(&self, prepared: &Prepared, place: &Arc<Place>, cancel: Option<Arc<dyn Cancel>>) -> Result<Arc<Image>, Error> {
        if let Some(image) = self.snapshots.get(place) {
            return Ok(image);
        }
        let interpreters = self.interpreters(prepared.source.language)?;
        let interpreter = interpreters.under(DEFAULT_STACK_BYTES, &self.ticker, &self.options)?;
        let image = load(prepared, &interpreters, &interpreter, &self.ticker, cancel)?;
        self.snapshots.put(place, image.clone());
        Ok(image)
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.ticker.stop();
    }
}

impl Deferred {
    fn new(guest: &'static Guest, language: Language) -> Deferred {
        Deferred {
            guest,
            language,
            started: Mutex::new(None),
        }
    }

    /// Starts them if nobody has; a failure is tried again at the next call.
    fn get(&self, ticker: &Ticker, options: &RuntimeOptions) -> Result<Arc<Interpreters>, Error> {
        let mut started = self.started.lock();
        if let Some(interpreters) = &*started {
            return Ok(interpreters.clone());
        }
        let interpreters = Arc::new(Interpreters::start(self.guest, self.language, ticker, options)?);
        *started = Some(interpreters.clone());
        Ok(interpreters)
    }
}

impl Interpreters {
    fn start(guest: &'static Guest, language: Language, ticker: &Ticker, options: &RuntimeOptions) -> Result<Interpreters, Error> {
        let interpreter = Interpreter::new(guest, DEFAULT_STACK_BYTES, ticker, &options.cache_dir, &*options.progress)?;
        let budget = Budget::new(guest_name(language), load_limits(language), None);
        let state = State::new(Meter::new(budget, 0, 0, None), None, 0);
        let base = interpreter.base_image(&guest.data(), state)?;
        Ok(Interpreters {
            guest,
            by_stack: Mutex::new(HashMap::from([(DEFAULT_STACK_BYTES, Arc::new(interpreter))])),
            base,
        })
    }

    fn under(&self, stack_bytes: usize, ticker: &Ticker, options: &RuntimeOptions) -> Result<Arc<Interpreter>, Error> {
        let mut by_stack = self.by_stack.lock();
        if let Some(interpreter) = by_stack.get(&stack_bytes) {
            return Ok(interpreter.clone());
        }
        let interpreter = Arc::new(Interpreter::new(
            self.guest,
            stack_bytes,
            ticker,
            &options.cache_dir,
            &*options.progress,
        )?);
        by_stack.insert(stack_bytes, interpreter.clone());
        Ok(interpreter)
    }
}

fn guest_name(language: Language) -> String {
    format!("the {} interpreter", language.name())
}

fn stack_bytes(limits: &Limits) -> usize {
    let wanted = usize::try_from(limits.stack_bytes).unwrap_or(MAX_STACK_BYTES);
    wanted.clamp(1, MAX_STACK_BYTES).next_multiple_of(STACK_STEP_BYTES)
}

impl Prepared {
    pub fn source(&self) -> &FunctionSource {
        &self.source
    }

    /// Whether an argument that is NULL keeps it from being called: it takes numbers, say, among which there is no NULL.
    pub fn is_strict(&self) -> bool {
        match &self.kind {
            Kind::Interpreted(_) => false,
            Kind::Module(module) => !self.source.args.is_empty() && module.is_strict(),
        }
    }

    pub(crate) fn signature(&self) -> &str {
        &self.signature
    }

    pub(crate) fn limit(&self, limit: Limit, value: u64) -> Error {
        Error::Limit {
            function: self.signature.clone(),
            limit,
            value,
        }
    }
}

/// Runs the body in a fresh interpreter and takes the picture.
fn load(
    prepared: &Prepared,
    interpreters: &Interpreters,
    interpreter: &Interpreter,
    ticker: &Arc<Ticker>,
    cancel: Option<Arc<dyn Cancel>>,
) -> Result<Arc<Image>, Error> {
    let source = &prepared.source;
    let limits = load_limits(source.language);
    instance::check_stack(limits.stack_bytes, prepared, 1)?;
    let mut request = Vec::new();
    put_text(&mut request, &source.name).map_err(Error::Value)?;
    // A trigger's rows differ from table to table: their shape comes with the call.
    let returns = if source.is_trigger() { Type::Void } else { source.returns };
    put_shape(&mut request, returns, &source.columns).map_err(Error::Value)?;
    request.push(match source.is_trigger() {
        true => kind::TRIGGER,
        false if source.set => kind::SET,
        false => kind::SCALAR,
    });
    put_text(&mut request, &source.body).map_err(Error::Value)?;

    let budget = Budget::new(prepared.signature.clone(), limits, None);
    let meter = Meter::new(budget, interpreters.base.len(), interpreters.base.len(), cancel);
    let mut hasher = std::hash::DefaultHasher::new();
    source.name.hash(&mut hasher);
    let mut running = interpreter.instantiate(&interpreters.base, State::new(meter, None, hasher.finish()))?;
    let at_rest = running.globals();
    let _ticking = ticker.running();
    let fuel = running.store.data_mut().meter.enter();
    running.store.set_fuel(fuel).map_err(instance::metered)?;
    let outcome = interpreter.enter(&mut running, Entry::Load, &request, |answer, _| read_load(answer, prepared));
    let fuel = running.store.get_fuel().map_err(instance::metered)?;
    running.store.data_mut().meter.leave(fuel);
    match outcome {
        Ok(loaded) => loaded?,
        Err(error) => return Err(instance::failure(prepared, running.store.data(), &error)),
    }
    interpreter.image_of(&mut running, &at_rest, &interpreters.base)
}

fn read_load(answer: &[u8], prepared: &Prepared) -> Result<(), Error> {
    let mut reader = Reader::new(answer);
    let outcome = (|| -> Result<Result<(), Error>, Malformed> {
        Ok(match reader.u8()? {
            status::OK => Ok(()),
            status::SYNTAX => Err(Error::Syntax {
                language: prepared.source.language.name(),
                message: reader.text()?.to_string(),
                line: reader.u32()?,
                column: reader.u32()?,
            }),
            status::DEFINITION => {
                let message = reader.text()?.to_string();
                let hint = reader.text()?;
                Err(Error::Definition {
                    message,
                    detail: None,
                    hint: (!hint.is_empty()).then(|| hint.to_string()),
                })
            }
            status => Err(instance::refused(status, &mut reader, prepared, None)?),
        })
    })();
    outcome.unwrap_or_else(|Malformed| Err(instance::malformed(prepared)))
}
