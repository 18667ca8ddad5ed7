//! One statement's use of one module: a fresh instance, called for each row, then thrown away.

use std::sync::Arc;

use types::Datum;
use wasmtime::{Instance, PoolConcurrencyLimitError, Store, UpdateDeadline, ValRaw};

use super::buffer::Buffer;
use super::cache::Code;
use super::compiled::Compiled;
use super::component::{self, Called};
use super::failure::{component_failure, failure};
use super::raw::RawFunction;
use super::scalar::Scalar;
use super::signature::Signature;
use super::trigger::Event;
use crate::context::Usage;
use crate::error::Error;
use crate::host::State;
use crate::host::world::values::MAX_HELD_BYTES;
use crate::instance::{TriggerCall, TriggerRow, check_stack, metered};
use crate::runtime::Prepared;
use crate::ticker::Ticker;

/// A fresh instance with the function in it.
pub struct Sandbox {
    prepared: Arc<Prepared>,
    ticker: Arc<Ticker>,
    depth: u32,
    store: Store<State>,
    form: Form,
    /// Why it must not run again: a limit, a trap.
    dead: Option<Error>,
}

enum Form {
    Plain {
        function: RawFunction,
        params: Vec<Scalar>,
        result: Option<Scalar>,
    },
    Buffer(RawFunction, Box<Buffer>),
    Component(Called),
}

/// An instance that has run its start and belongs to nobody yet.
pub struct Started {
    store: Store<State>,
    form: Form,
}

/// Why there is no instance.
pub enum Unstarted {
    /// The state is given back for another attempt.
    PoolIsEmpty(Box<State>),
    Failed(Error),
}

impl From<Error> for Unstarted {
    fn from(error: Error) -> Unstarted {
        Unstarted::Failed(error)
    }
}

impl Sandbox {
    /// Instantiates the module and runs what it runs at its start, all under the limits of `state`.
    pub fn start(code: &Code, signature: Signature, state: State, prepared: &Prepared) -> Result<Started, Unstarted> {
        let broken = |error: wasmtime::Error| Error::Host(format!("the sandbox does not work: {error}"));
        let mut store = Store::new(code.engine(), state);
        store.limiter(|state| &mut state.meter);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut context| {
            let state = context.data_mut();
            match state.tick() {
                Ok(()) => Ok(UpdateDeadline::Continue(1)),
                Err(stop) => Err(state.meter.stop(stop)),
            }
        });
        let fuel = store.data_mut().meter.enter();
        store.set_fuel(fuel).map_err(broken)?;
        // What a component hands over in one call, as the host holds it.
        store.set_hostcall_fuel(MAX_HELD_BYTES);
        let outcome = instantiate(code, &mut store);
        let fuel = store.get_fuel().map_err(broken)?;
        store.data_mut().meter.leave(fuel);
        let instance = match outcome {
            Ok(instance) => instance,
            Err(error) if error.is::<PoolConcurrencyLimitError>() => return Err(Unstarted::PoolIsEmpty(Box::new(store.into_data()))),
            Err(error) => {
                return Err(match code {
                    Code::Module(_) => failure(prepared, store.data(), &error),
                    Code::Component(_) => component_failure(prepared, store.data(), &error),
                }
                .into());
            }
        };
        let form = match (instance, signature) {
            (Instantiated::Module(compiled, instance), Signature::Plain { params, result }) => {
                let function = compiled.function.in_instance(&instance, &mut store);
                function.map(|function| Form::Plain { function, params, result })
            }
            (Instantiated::Module(compiled, instance), Signature::Buffer) => {
                let function = compiled.function.in_instance(&instance, &mut store);
                let buffer = Buffer::new(compiled, &instance, &mut store);
                function
                    .zip(buffer)
                    .map(|(function, buffer)| Form::Buffer(function, Box::new(buffer)))
            }
            (Instantiated::Component(compiled, instance), Signature::Component(signature)) => {
                Called::new(compiled, signature, &instance, &mut store).map(Form::Component)
            }
            (Instantiated::Module(..), Signature::Component(_))
            | (Instantiated::Component(..), Signature::Plain { .. } | Signature::Buffer) => None,
        };
        let form = form.ok_or_else(|| Error::Host("an export is gone".into()))?;
        Ok(Started { store, form })
    }

    /// One result for each of so many rows, whose arguments come column by column, each of that length.
    pub fn call(&mut self, rows: usize, args: &[&[Datum]]) -> Result<Vec<Datum>, Error> {
        let mut results = Vec::with_capacity(rows);
        self.entered(|sandbox| sandbox.call_rows(rows, args, &mut results))?;
        Ok(results)
    }

    /// Starts a set-returning function; [`Sandbox::next_rows`] fetches what it returns.
    pub fn call_set(&mut self, args: &[Datum]) -> Result<(), Error> {
        self.entered(|sandbox| match &mut sandbox.form {
            Form::Buffer(function, buffer) => buffer.call_set(&mut sandbox.store, function, &sandbox.prepared, args),
            Form::Component(called) => called.call_set(&mut sandbox.store, &sandbox.prepared, args),
            Form::Plain { .. } => Err(no_set()),
        })
    }

    /// At most `max` further rows of the set; an empty answer is its end.
    pub fn next_rows(&mut self, max: usize) -> Result<Vec<Datum>, Error> {
        self.entered(|sandbox| match &mut sandbox.form {
            Form::Buffer(_, buffer) => buffer.next_rows(&mut sandbox.store, &sandbox.prepared, max),
            Form::Component(called) => called.next_rows(&sandbox.prepared, max),
            Form::Plain { .. } => Err(no_set()),
        })
    }

    /// Calls a trigger function for one row, or for a statement: then there is neither NEW nor OLD.
    pub fn call_trigger(&mut self, call: &TriggerCall, new: Option<&[Datum]>, old: Option<&[Datum]>) -> Result<TriggerRow, Error> {
        let event = Event { call, new, old };
        self.entered(|sandbox| match &mut sandbox.form {
            Form::Buffer(function, buffer) => buffer.call_trigger(&mut sandbox.store, function, &sandbox.prepared, &event),
            Form::Component(called) => called.call_trigger(&mut sandbox.store, &sandbox.prepared, &event),
            Form::Plain { .. } => Err(Ended::Row(Error::Host("a function over numbers is no trigger".into()))),
        })
    }

    /// Runs the module under its limits; one that trapped is not run again.
    fn entered<R>(&mut self, run: impl FnOnce(&mut Sandbox) -> Result<R, Ended>) -> Result<R, Error> {
        if let Some(error) = &self.dead {
            return Err(error.clone());
        }
        check_stack(self.store.data().meter.limits.stack_bytes, &self.prepared, self.depth)?;
        let ticking = self.ticker.running();
        let fuel = self.store.data_mut().meter.enter();
        self.store.set_fuel(fuel).map_err(metered)?;
        let outcome = run(self);
        let fuel = self.store.get_fuel().map_err(metered)?;
        self.store.data_mut().meter.leave(fuel);
        drop(ticking);
        outcome.map_err(|ended| match ended {
            Ended::Row(error) => error,
            Ended::Trap(error) => {
                let error = match &self.form {
                    Form::Plain { .. } | Form::Buffer(..) => failure(&self.prepared, self.store.data(), &error),
                    Form::Component(_) => component_failure(&self.prepared, self.store.data(), &error),
                };
                self.dead = Some(error.clone());
                self.store.data().meter.end_callers(&error);
                error
            }
        })
    }

    fn call_rows(&mut self, rows: usize, args: &[&[Datum]], results: &mut Vec<Datum>) -> Result<(), Ended> {
        let prepared = &self.prepared;
        if args.len() != prepared.source().args.len() {
            return Err(Ended::Row(Error::Host(format!(
                "function {} called with {} arguments",
                prepared.signature(),
                args.len()
            ))));
        }
        match &mut self.form {
            Form::Plain { function, params, result } => {
                let store = &mut self.store;
                // A loop of its own for the commonest results: a value that is put together by cases and moved to its place
                // afterwards costs as much as the call.
                match *result {
                    Some(Scalar::Int4) => plain_rows(function, store, params, rows, args, results, |raw| Ok(Datum::Int4(raw.get_i32()))),
                    Some(Scalar::Int8) => plain_rows(function, store, params, rows, args, results, |raw| Ok(Datum::Int8(raw.get_i64()))),
                    Some(Scalar::Float8) => plain_rows(function, store, params, rows, args, results, |raw| {
                        Ok(Datum::Float8(f64::from_bits(raw.get_f64())))
                    }),
                    Some(scalar) => plain_rows(function, store, params, rows, args, results, |raw| {
                        scalar.lift(raw).map_err(|error| Ended::Row(Error::Value(error)))
                    }),
                    None => plain_rows(function, store, params, rows, args, results, |_| Ok(Datum::Null)),
                }?;
            }
            Form::Buffer(function, buffer) => {
                for row in 0..rows {
                    results.push(buffer.call(&mut self.store, function, prepared, &row_of(args, row))?);
                }
            }
            Form::Component(called) => {
                for row in 0..rows {
                    results.push(called.call(&mut self.store, prepared, &row_of(args, row))?);
                }
            }
        }
        Ok(())
    }

    pub fn usage(&self) -> Usage {
        self.store.data().meter.usage()
    }
}

impl Started {
    pub fn serving(self, prepared: Arc<Prepared>, ticker: Arc<Ticker>, depth: u32) -> Sandbox {
        Sandbox {
            prepared,
            ticker,
            depth,
            store: self.store,
            form: self.form,
            dead: None,
        }
    }
}

/// How a row can fail.
pub enum Ended {
    /// The instance ended; what the host noted says why.
    Trap(wasmtime::Error),
    Row(Error),
}

/// Calls a function over numbers for each row.
fn plain_rows(
    function: &mut RawFunction,
    store: &mut Store<State>,
    params: &[Scalar],
    rows: usize,
    args: &[&[Datum]],
    results: &mut Vec<Datum>,
    lift: impl Fn(ValRaw) -> Result<Datum, Ended>,
) -> Result<(), Ended> {
    'rows: for row in 0..rows {
        for ((slot, param), column) in function.arguments().iter_mut().zip(params).zip(args) {
            let value = &column[row];
            match param.lower(value) {
                Some(raw) => *slot = raw,
                // Numbers have no NULL: the function is not called.
                None if value.is_null() => {
                    results.push(Datum::Null);
                    continue 'rows;
                }
                None => return Err(Ended::Row(Error::Host("an argument is not of its declared type".into()))),
            }
        }
        let raw = function.call(&mut *store).map_err(Ended::Trap)?;
        results.push(lift(raw)?);
    }
    Ok(())
}

fn row_of<'a>(args: &[&'a [Datum]], row: usize) -> Vec<&'a Datum> {
    args.iter().map(|column| &column[row]).collect()
}

fn no_set() -> Ended {
    Ended::Row(Error::Host("a function over numbers returns no set".into()))
}

/// A fresh instance that has run its start.
enum Instantiated<'a> {
    Module(&'a Compiled, Instance),
    Component(&'a component::Compiled, wasmtime::component::Instance),
}

fn instantiate<'a>(code: &'a Code, store: &mut Store<State>) -> wasmtime::Result<Instantiated<'a>> {
    Ok(match code {
        Code::Module(compiled) => Instantiated::Module(compiled, initialize(compiled, store)?),
        Code::Component(compiled) => Instantiated::Component(compiled, compiled.pre.instantiate(store)?),
    })
}

fn initialize(compiled: &Compiled, store: &mut Store<State>) -> wasmtime::Result<Instance> {
    // A start function that calls the host would find no memory yet: it can compute, and no more.
    let instance = compiled.pre.instantiate(&mut *store)?;
    if let Some(memory) = &compiled.memory {
        let memory = instance.get_module_export(&mut *store, memory);
        store.data_mut().memory = memory.and_then(wasmtime::Extern::into_memory);
    }
    if let Some(initialize) = &compiled.initialize
        && let Some(mut initialize) = initialize.in_instance(&instance, &mut *store)
    {
        initialize.call(&mut *store)?;
    }
    Ok(instance)
}
