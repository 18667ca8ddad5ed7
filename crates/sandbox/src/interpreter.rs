//! An interpreter, linked and ready to be instantiated, and the picture of it that all functions of
//! its language start from.

use std::path::Path;
use std::sync::Arc;

use wasmtime::{Engine, Instance, InstancePre, Linker, Memory, ModuleExport, Store, TypedFunc, UpdateDeadline, Val};

use crate::code::Guest;
use crate::error::Error;
use crate::host::{self, State};
use crate::machine;
use crate::memory::{Creator, Image, starting_from};
use crate::ticker::Ticker;

/// One interpreter under one stack limit: wasmtime fixes that limit for a whole engine.
pub struct Interpreter {
    engine: Engine,
    pre: InstancePre<State>,
    exports: Exports,
}

/// Found once, so that instances need not look names up.
struct Exports {
    memory: ModuleExport,
    input: ModuleExport,
    load: ModuleExport,
    call: ModuleExport,
    next: ModuleExport,
}

/// A guest in its own store.
pub struct Running {
    pub store: Store<State>,
    instance: Instance,
    memory: Memory,
    input: TypedFunc<u32, u32>,
}

/// Which of a guest's entries to call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    Load,
    Call,
    Next,
}

impl Interpreter {
    pub fn new(
        guest: &Guest,
        stack_bytes: usize,
        ticker: &Ticker,
        cache_dir: &Path,
        progress: &dyn Fn(&str),
    ) -> Result<Interpreter, Error> {
        let mut config = machine::config(stack_bytes);
        config.with_host_memory(Arc::new(Creator));
        let engine = Engine::new(&config).map_err(broken)?;
        let module = guest.load(&engine, cache_dir, progress)?;
        let mut linker = Linker::new(&engine);
        host::link(&mut linker).map_err(broken)?;
        host::wasi::link(&mut linker, host::wasi::Guest::Interpreter).map_err(broken)?;
        let pre = linker.instantiate_pre(&module).map_err(broken)?;
        let export = |name: &str| {
            module
                .get_export_index(name)
                .ok_or_else(|| Error::Host(format!("the interpreter does not export {name}")))
        };
        let exports = Exports {
            memory: export("memory")?,
            input: export("input")?,
            load: export("load")?,
            call: export("call")?,
            next: export("next")?,
        };
        ticker.watch(&engine);
        Ok(Interpreter { engine, pre, exports })
    }

    /// The picture of an interpreter that is initialised and has loaded nothing.
    pub fn base_image(&self, module_data: &[(usize, &[u8])], state: State) -> Result<Arc<Image>, Error> {
        let mut store = self.store(state)?;
        let instance = self.pre.instantiate(&mut store).map_err(broken)?;
        let memory = instance
            .get_memory(&mut store, "memory")
            .ok_or_else(|| Error::Host("the interpreter has no memory".into()))?;
        store.data_mut().memory = Some(memory);
        for (offset, bytes) in module_data {
            memory
                .write(&mut store, *offset, bytes)
                .map_err(|_| Error::Host("the interpreter's data lie outside its memory".into()))?;
        }
        let at_rest = mutable_globals(&instance, &mut store);
        let fuel = store.data_mut().meter.enter();
        store.set_fuel(fuel).map_err(broken)?;
        for entry in ["_initialize", "init"] {
            let entry = instance.get_typed_func::<(), ()>(&mut store, entry).map_err(broken)?;
            entry.call(&mut store, ()).map_err(|error| {
                let state = store.data();
                let stderr = String::from_utf8_lossy(&state.stderr);
                let stop = state.meter.stop.as_ref().map(|stop| format!(" ({stop:?})")).unwrap_or_default();
                Error::Host(
                    format!("the interpreter does not start: {error}{stop} {stderr}")
                        .trim_end()
                        .to_string(),
                )
            })?;
        }
        check_at_rest(&at_rest, &mutable_globals(&instance, &mut store))?;
        Image::whole(memory.data(&store)).map_err(|error| Error::Host(format!("no memory for the interpreter's image: {error}")))
    }

    fn store(&self, state: State) -> Result<Store<State>, Error> {
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.meter);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut context| {
            let state = context.data_mut();
            match state.tick() {
                Ok(()) => Ok(UpdateDeadline::Continue(1)),
                Err(stop) => Err(state.meter.stop(stop)),
            }
        });
        Ok(store)
    }

    /// A fresh guest that starts from `image`.
    pub fn instantiate(&self, image: &Arc<Image>, state: State) -> Result<Running, Error> {
        let mut store = self.store(state)?;
        let instance = starting_from(image, || self.pre.instantiate(&mut store)).map_err(broken)?;
        let memory = instance
            .get_module_export(&mut store, &self.exports.memory)
            .and_then(wasmtime::Extern::into_memory)
            .ok_or_else(|| Error::Host("the interpreter has no memory".into()))?;
        store.data_mut().memory = Some(memory);
        let input = function(&instance, &mut store, &self.exports.input)?;
        Ok(Running {
            store,
            instance,
            memory,
            input,
        })
    }

    /// Hands `request` to the guest; its answer is read by `read`.
    pub fn enter<R>(
        &self,
        running: &mut Running,
        entry: Entry,
        request: &[u8],
        read: impl FnOnce(&[u8], &State) -> R,
    ) -> Result<R, wasmtime::Error> {
        let export = match entry {
            Entry::Load => &self.exports.load,
            Entry::Call => &self.exports.call,
            Entry::Next => &self.exports.next,
        };
        let store = &mut running.store;
        let entry: TypedFunc<u32, u64> = function(&running.instance, store, export).map_err(wasmtime::Error::new)?;
        let length = u32::try_from(request.len())?;
        let pointer = running.input.call(&mut *store, length)?;
        running.memory.write(&mut *store, pointer as usize, request)?;
        let answer = entry.call(&mut *store, length)?;
        let (start, length) = ((answer >> 32) as usize, (answer & 0xffff_ffff) as usize);
        let bytes = running.memory.data(&*store).get(start..start.saturating_add(length));
        let state = store.data();
        bytes
            .map(|bytes| read(bytes, state))
            .ok_or_else(|| wasmtime::Error::msg("an answer outside the memory"))
    }

    /// The picture of a guest that is at rest, with what `globals` said of it before it ran.
    pub fn image_of(&self, running: &mut Running, at_rest: &[i64], base: &Image) -> Result<Arc<Image>, Error> {
        check_at_rest(at_rest, &running.globals())?;
        Image::over(base, running.memory.data(&running.store))
            .map_err(|error| Error::Host(format!("no memory for the function's image: {error}")))
    }
}

impl Running {
    /// State outside the memory; see the strip pass.
    pub fn globals(&mut self) -> Vec<i64> {
        mutable_globals(&self.instance, &mut self.store)
    }
}

fn function<P: wasmtime::WasmParams, R: wasmtime::WasmResults>(
    instance: &Instance,
    store: &mut Store<State>,
    export: &ModuleExport,
) -> Result<TypedFunc<P, R>, Error> {
    let function = instance
        .get_module_export(&mut *store, export)
        .and_then(wasmtime::Extern::into_func);
    function
        .ok_or_else(|| Error::Host("the interpreter lacks an entry".into()))?
        .typed(&*store)
        .map_err(broken)
}

/// State outside the memory; the strip pass exported it all.
fn mutable_globals(instance: &Instance, store: &mut Store<State>) -> Vec<i64> {
    (0..)
        .map_while(|number| {
            instance
                .get_global(&mut *store, &format!("__mutable_{number}"))
                .map(|global| global.get(&mut *store))
        })
        .map(|value| match value {
            Val::I32(value) => i64::from(value),
            Val::I64(value) => value,
            _ => i64::MIN,
        })
        .collect()
}

fn check_at_rest(before: &[i64], after: &[i64]) -> Result<(), Error> {
    if before == after {
        Ok(())
    } else {
        Err(Error::Host("the interpreter keeps state outside its memory".into()))
    }
}

fn broken(error: impl std::fmt::Display) -> Error {
    Error::Host(format!("the sandbox does not work: {error}"))
}
