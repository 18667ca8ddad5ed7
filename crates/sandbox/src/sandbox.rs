//! A fresh sandbox with a function in it, whatever its language.

use types::Datum;

use crate::context::Usage;
use crate::error::Error;
use crate::instance::{Interpreted, TriggerCall, TriggerRow};
use crate::wasm;

/// One statement's use of one function.
pub struct Instance(Inside);

enum Inside {
    Interpreted(Box<Interpreted>),
    Module(Box<wasm::Sandbox>),
}

impl From<Interpreted> for Instance {
    fn from(interpreted: Interpreted) -> Instance {
        Instance(Inside::Interpreted(Box::new(interpreted)))
    }
}

impl From<wasm::Sandbox> for Instance {
    fn from(module: wasm::Sandbox) -> Instance {
        Instance(Inside::Module(Box::new(module)))
    }
}

impl Instance {
    /// One result for each row of arguments.
    pub fn call(&mut self, rows: &[Vec<Datum>]) -> Result<Vec<Datum>, Error> {
        let width = rows.first().map_or(0, Vec::len);
        if rows.iter().any(|row| row.len() != width) {
            return Err(Error::Host("rows of arguments that are not of one length".into()));
        }
        let columns: Vec<Vec<Datum>> = (0..width).map(|at| rows.iter().map(|row| row[at].clone()).collect()).collect();
        let columns: Vec<&[Datum]> = columns.iter().map(Vec::as_slice).collect();
        self.call_columns(rows.len(), &columns)
    }

    /// One result for each of so many rows, whose arguments come column by column.
    pub fn call_columns(&mut self, rows: usize, args: &[&[Datum]]) -> Result<Vec<Datum>, Error> {
        if args.iter().any(|column| column.len() != rows) {
            return Err(Error::Host("columns of arguments that are not of one length".into()));
        }
        match &mut self.0 {
            Inside::Interpreted(interpreted) => interpreted.call(rows, args),
            Inside::Module(module) => module.call(rows, args),
        }
    }

    /// Starts a set-returning function; [`Instance::next_rows`] fetches what it returns.
    pub fn call_set(&mut self, args: &[Datum]) -> Result<(), Error> {
        match &mut self.0 {
            Inside::Interpreted(interpreted) => interpreted.call_set(args),
            Inside::Module(module) => module.call_set(args),
        }
    }

    /// At most `max` further rows of the set; an empty answer is its end.
    pub fn next_rows(&mut self, max: usize) -> Result<Vec<Datum>, Error> {
        match &mut self.0 {
            Inside::Interpreted(interpreted) => interpreted.next_rows(max),
            Inside::Module(module) => module.next_rows(max),
        }
    }

    /// Calls a trigger function for one row, or for a statement: then there is neither NEW nor OLD.
    pub fn call_trigger(&mut self, call: &TriggerCall, new: Option<&[Datum]>, old: Option<&[Datum]>) -> Result<TriggerRow, Error> {
        match &mut self.0 {
            Inside::Interpreted(interpreted) => interpreted.call_trigger(call, new, old),
            Inside::Module(module) => module.call_trigger(call, new, old),
        }
    }

    pub fn usage(&self) -> Usage {
        match &self.0 {
            Inside::Interpreted(interpreted) => interpreted.usage(),
            Inside::Module(module) => module.usage(),
        }
    }
}
