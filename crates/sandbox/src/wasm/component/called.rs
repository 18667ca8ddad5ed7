//! Calls of a component's function.

use std::sync::Arc;

use types::{Datum, SqlError, SqlState};
use wasmtime::Store;
use wasmtime::component::{Func, Instance, Val};

use super::plan::{Plan, Unfit};
use super::signature::{Answer, Signature};
use super::{Compiled, trigger};
use crate::error::Error;
use crate::host::State;
use crate::host::world::values::Room;
use crate::instance::{TriggerRow, with_context};
use crate::runtime::Prepared;
use crate::source::Language;
use crate::wasm::sandbox::Ended;
use crate::wasm::trigger::Event;

/// The function in an instance.
pub struct Called {
    function: Func,
    signature: Arc<Signature>,
    arguments: Vec<Val>,
    /// Rows of a set that nobody has fetched.
    rows: std::vec::IntoIter<Val>,
}

impl Called {
    pub fn new(compiled: &Compiled, signature: Arc<Signature>, instance: &Instance, store: &mut Store<State>) -> Option<Called> {
        Some(Called {
            function: instance.get_func(store, compiled.function)?,
            signature,
            arguments: Vec::new(),
            rows: Vec::new().into_iter(),
        })
    }

    /// One result for a row.
    pub fn call(&mut self, store: &mut Store<State>, prepared: &Prepared, row: &[&Datum]) -> Result<Datum, Ended> {
        let Some(answer) = self.enter(store, prepared, row)? else {
            return Ok(Datum::Null);
        };
        match (&self.signature.answer, answer) {
            (Answer::Value(plan), Some(value)) => lift(plan, value, prepared).map_err(Ended::Row),
            (Answer::Nothing, None) => Ok(Datum::Null),
            _ => Err(Ended::Row(changed(prepared))),
        }
    }

    /// Starts a set, which is all there when the function has returned.
    pub fn call_set(&mut self, store: &mut Store<State>, prepared: &Prepared, row: &[Datum]) -> Result<(), Ended> {
        let row: Vec<&Datum> = row.iter().collect();
        self.rows = match self.enter(store, prepared, &row)? {
            None => Vec::new(),
            Some(Some(Val::List(rows))) => rows,
            Some(_) => return Err(Ended::Row(changed(prepared))),
        }
        .into_iter();
        Ok(())
    }

    /// At most `max` further rows of the set; none at its end.
    pub fn next_rows(&mut self, prepared: &Prepared, max: usize) -> Result<Vec<Datum>, Ended> {
        let signature = self.signature.clone();
        let rows = self.rows.by_ref().take(max).map(|row| match (&signature.answer, row) {
            (Answer::Set(plan), value) => lift(plan, value, prepared),
            (Answer::Table(plans), Val::Tuple(values)) => table_row(plans, values.into_iter(), prepared),
            (Answer::Table(plans), Val::Record(fields)) => table_row(plans, fields.into_iter().map(|(_, value)| value), prepared),
            _ => Err(changed(prepared)),
        });
        rows.collect::<Result<_, _>>().map_err(Ended::Row)
    }

    /// Calls a trigger function for one row, or for a statement.
    pub fn call_trigger(&mut self, store: &mut Store<State>, prepared: &Prepared, event: &Event<'_>) -> Result<TriggerRow, Ended> {
        let happened = trigger::event(event, &mut Room::default()).map_err(|error| Ended::Row(Error::Value(error)))?;
        self.arguments.clear();
        self.arguments.push(happened);
        let answer = self.invoke(store, prepared)?;
        match (&self.signature.answer, answer) {
            (Answer::Outcome, Some(outcome)) => trigger::outcome(outcome, event, prepared).map_err(Ended::Row),
            _ => Err(Ended::Row(changed(prepared))),
        }
    }

    /// What the function answered; None where it was not called, for a NULL that it has no place for.
    fn enter(&mut self, store: &mut Store<State>, prepared: &Prepared, row: &[&Datum]) -> Result<Option<Option<Val>>, Ended> {
        self.arguments.clear();
        let mut room = Room::default();
        for (plan, value) in self.signature.parameters.iter().zip(row) {
            match plan.lower(value, &mut room) {
                Ok(Some(argument)) => self.arguments.push(argument),
                Ok(None) => return Ok(None),
                Err(error) => return Err(Ended::Row(Error::Value(in_call(&error, prepared, "passed to")))),
            }
        }
        self.invoke(store, prepared).map(Some)
    }

    /// Calls it with the arguments that were put; answers what its result holds, if anything.
    fn invoke(&mut self, store: &mut Store<State>, prepared: &Prepared) -> Result<Option<Val>, Ended> {
        let mut results = match self.signature.fails || self.signature.answer.is_something() {
            true => vec![Val::Bool(false)],
            false => vec![],
        };
        self.function
            .call(&mut *store, &self.arguments, &mut results)
            .map_err(Ended::Trap)?;
        let result = results.pop();
        if !self.signature.fails {
            return Ok(result);
        }
        match result {
            Some(Val::Result(Ok(answer))) => Ok(answer.map(|answer| *answer)),
            Some(Val::Result(Err(Some(error)))) => Err(Ended::Row(thrown(*error, prepared, store.data()))),
            _ => Err(Ended::Row(changed(prepared))),
        }
    }
}

fn table_row(plans: &[Plan], values: impl Iterator<Item = Val>, prepared: &Prepared) -> Result<Datum, Error> {
    let fields = plans.iter().zip(values).map(|(plan, value)| lift(plan, value, prepared));
    Ok(Datum::Record(fields.collect::<Result<_, _>>()?))
}

fn lift(plan: &Plan, value: Val, prepared: &Prepared) -> Result<Datum, Error> {
    plan.lift(value).map_err(|unfit| match unfit {
        Unfit::Value(error) => Error::Value(in_call(&error, prepared, "returned by")),
        Unfit::Type => changed(prepared),
    })
}

fn in_call(error: &SqlError, prepared: &Prepared, how: &str) -> SqlError {
    let fields = error.fields();
    let mut told = SqlError::new(error.state(), error.message());
    told = told.detail(match &fields.detail {
        Some(detail) => detail.clone(),
        None => format!("This is a value {how} function {}.", prepared.signature()),
    });
    match &fields.hint {
        Some(hint) => told.hint(hint.clone()),
        None => told,
    }
}

/// The error of a result: text, or a record that may be the host's own.
fn thrown(error: Val, prepared: &Prepared, state: &State) -> Error {
    let (number, message) = match error {
        Val::String(message) => (0, message),
        Val::Record(fields) => {
            let mut fields = fields.into_iter();
            match (fields.next(), fields.nth(1)) {
                (Some((_, Val::U32(number))), Some((_, Val::String(message)))) => (number, message),
                _ => return changed(prepared),
            }
        }
        _ => return changed(prepared),
    };
    match state.error(number) {
        Some(error) => Error::Refused(with_context(error, Language::Wasm.name(), prepared, None)),
        None => Error::Guest {
            function: prepared.signature().to_string(),
            language: Language::Wasm.name(),
            message,
            line: None,
            stack: String::new(),
        },
    }
}

/// The component's type was looked at when it was compiled, so that this does not happen.
fn changed(prepared: &Prepared) -> Error {
    let message = format!("function {} returned what its type does not say", prepared.signature());
    Error::Value(SqlError::new(SqlState::ExternalRoutineInvocationException, message))
}
