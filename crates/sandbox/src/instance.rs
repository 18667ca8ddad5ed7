//! One statement's use of one function: a fresh sandbox, called in batches, then thrown away.

mod trigger;

use std::ops::Range;
use std::sync::Arc;

use types::{Datum, SqlError};
use wasmtime::Trap;

use crate::abi::status;
use crate::context::Usage;
use crate::error::{Error, Limit};
use crate::host::State;
use crate::interpreter::{Entry, Interpreter, Running};
use crate::meter::Stop;
use crate::runtime::Prepared;
use crate::source::Language;
use crate::stack;
use crate::ticker::Ticker;
use crate::value::{Malformed, Reader, Returned, put_u32, put_value, returned};

pub use trigger::{TriggerCall, TriggerRow};
pub(crate) use trigger::{keep_untouched, put_row};

/// Rows that go to the guest at once, unless they are large.
const MAX_BATCH_ROWS: usize = 1024;
/// A batch that is as large as this goes, however few rows it has.
const MAX_BATCH_BYTES: usize = 256 << 10;
/// What the host itself needs of the thread's stack on top of a guest's.
const HOST_STACK_BYTES: usize = 1 << 20;

/// A fresh interpreter with a function in it.
pub struct Interpreted {
    prepared: Arc<Prepared>,
    interpreter: Arc<Interpreter>,
    running: Running,
    ticker: Arc<Ticker>,
    depth: u32,
    request: Vec<u8>,
    /// Why it must not run again: a limit, a trap.
    dead: Option<Error>,
}

impl Interpreted {
    pub(crate) fn new(
        prepared: Arc<Prepared>,
        interpreter: Arc<Interpreter>,
        running: Running,
        ticker: Arc<Ticker>,
        depth: u32,
    ) -> Interpreted {
        Interpreted {
            prepared,
            interpreter,
            running,
            ticker,
            depth,
            request: Vec::new(),
            dead: None,
        }
    }

    /// One result for each of so many rows, whose arguments come column by column, each of that length.
    pub fn call(&mut self, rows: usize, args: &[&[Datum]]) -> Result<Vec<Datum>, Error> {
        let mut results = Vec::with_capacity(rows);
        let mut done = 0;
        while done < rows {
            let count = self.put_batch(done..rows, args)?;
            let prepared = self.prepared.clone();
            self.enter(Entry::Call, |reader, state| {
                let source = prepared.source();
                for _ in 0..count {
                    let result = returned(reader, prepared.signature(), source.returns, &source.columns, &state.exchange);
                    results.push(result.map_err(|refused| unfit(refused, &prepared))?);
                }
                Ok(())
            })?;
            done += count;
        }
        Ok(results)
    }

    /// Starts a set-returning function; [`Interpreted::next_rows`] fetches what it returns.
    pub fn call_set(&mut self, args: &[Datum]) -> Result<(), Error> {
        let columns: Vec<&[Datum]> = args.iter().map(std::slice::from_ref).collect();
        self.put_batch(0..1, &columns)?;
        self.enter(Entry::Call, |_, _| Ok(()))
    }

    /// At most `max` further rows of the set; an empty answer is its end.
    pub fn next_rows(&mut self, max: usize) -> Result<Vec<Datum>, Error> {
        self.request.clear();
        put_u32(&mut self.request, u32::try_from(max).unwrap_or(u32::MAX));
        let prepared = self.prepared.clone();
        let mut rows = Vec::new();
        self.enter(Entry::Next, |reader, state| {
            let source = prepared.source();
            let count = reader.count().map_err(|Malformed| malformed(&prepared))?;
            for _ in 0..count {
                let row = returned(reader, prepared.signature(), source.returns, &source.columns, &state.exchange);
                rows.push(row.map_err(|refused| unfit(refused, &prepared))?);
            }
            Ok(())
        })?;
        Ok(rows)
    }

    pub fn usage(&self) -> Usage {
        self.running.store.data().meter.usage()
    }

    /// Writes a request for the first of these rows; answers how many.
    fn put_batch(&mut self, rows: Range<usize>, args: &[&[Datum]]) -> Result<usize, Error> {
        let source = self.prepared.source();
        if args.len() != source.args.len() {
            return Err(Error::Host(format!(
                "function {} called with {} arguments",
                self.prepared.signature(),
                args.len()
            )));
        }
        let stack = self.running.store.data().meter.limits.stack_bytes;
        let request = &mut self.request;
        request.clear();
        put_u32(request, u32::try_from(stack).unwrap_or(u32::MAX));
        put_u32(request, 0);
        put_u32(request, u32::try_from(source.args.len()).unwrap_or(u32::MAX));
        let mut count: u32 = 0;
        let exchange = &mut self.running.store.data_mut().exchange;
        for row in rows.take(MAX_BATCH_ROWS) {
            for column in args {
                put_value(request, &column[row], exchange).map_err(Error::Value)?;
            }
            count += 1;
            if request.len() >= MAX_BATCH_BYTES {
                break;
            }
        }
        request[4..8].copy_from_slice(&count.to_le_bytes());
        Ok(count as usize)
    }

    fn enter(&mut self, entry: Entry, read: impl FnOnce(&mut Reader<'_>, &State) -> Result<(), Error>) -> Result<(), Error> {
        if let Some(error) = &self.dead {
            return Err(error.clone());
        }
        let limits = self.running.store.data().meter.limits;
        check_stack(limits.stack_bytes, &self.prepared, self.depth)?;
        let ticking = self.ticker.running();
        let fuel = self.running.store.data_mut().meter.enter();
        self.running.store.set_fuel(fuel).map_err(metered)?;
        let prepared = &self.prepared;
        let mut refusal = None;
        let outcome = self.interpreter.enter(&mut self.running, entry, &self.request, |answer, state| {
            let mut reader = Reader::new(answer);
            match reader.u8() {
                Ok(status::OK) => read(&mut reader, state),
                Ok(status) => {
                    refusal = Some((status, answer[1..].to_vec()));
                    Ok(())
                }
                Err(Malformed) => Err(malformed(prepared)),
            }
        });
        let fuel = self.running.store.get_fuel().map_err(metered)?;
        self.running.store.data_mut().meter.leave(fuel);
        drop(ticking);
        match outcome {
            Ok(read) => read?,
            Err(error) => {
                let error = failure(&self.prepared, self.running.store.data(), &error);
                return Err(self.end(error));
            }
        }
        let Some((status, answer)) = refusal else { return Ok(()) };
        let state = self.running.store.data();
        let error =
            refused(status, &mut Reader::new(&answer), &self.prepared, Some(state)).unwrap_or_else(|Malformed| malformed(&self.prepared));
        match status {
            status::EXCEPTION | status::CONVERSION => Err(error),
            _ => Err(self.end(error)),
        }
    }

    /// The sandbox must not run again. What no guest may catch ends the calls above it too.
    fn end(&mut self, error: Error) -> Error {
        self.dead = Some(error.clone());
        self.running.store.data().meter.end_callers(&error);
        error
    }
}

/// The thread must have room for the guest's stack limit, or reaching it would end the process.
pub(crate) fn check_stack(stack_bytes: u64, prepared: &Prepared, depth: u32) -> Result<(), Error> {
    let needed = usize::try_from(stack_bytes).unwrap_or(usize::MAX).saturating_add(HOST_STACK_BYTES);
    if stack::remaining() >= needed {
        return Ok(());
    }
    match depth {
        0 | 1 => Err(Error::Host(format!(
            "a thread of {} bytes of stack cannot run a function",
            stack::remaining()
        ))),
        depth => Err(prepared.limit(Limit::CallDepth, u64::from(depth))),
    }
}

pub(crate) fn malformed(prepared: &Prepared) -> Error {
    Error::Host(format!("function {} broke the guest interface", prepared.signature()))
}

fn unfit(refused: Returned, prepared: &Prepared) -> Error {
    match refused {
        Returned::Malformed => malformed(prepared),
        Returned::Unfit(error) => Error::Value(error),
    }
}

/// What an answer other than `OK` says.
pub(crate) fn refused(status: u8, reader: &mut Reader<'_>, prepared: &Prepared, state: Option<&State>) -> Result<Error, Malformed> {
    let function = || prepared.signature().to_string();
    let language = prepared.source().language.name();
    Ok(match status {
        status::EXCEPTION => {
            let original = reader.u32()?;
            let message = reader.text()?.to_string();
            let line = Some(reader.u32()?).filter(|line| *line != 0);
            let stack = reader.text()?.to_string();
            match state.and_then(|state| state.error(original)) {
                Some(error) => Error::Refused(with_context(error, language, prepared, line)),
                None => Error::Guest {
                    function: function(),
                    language,
                    message,
                    line,
                    stack,
                },
            }
        }
        status::STACK => match state {
            Some(state) => prepared.limit(Limit::Stack, state.meter.limits.stack_bytes),
            None => prepared.limit(Limit::Stack, crate::machine::DEFAULT_STACK_BYTES as u64),
        },
        status::CONVERSION => {
            let message = format!("function {}: {}", prepared.signature(), reader.text()?);
            let error = SqlError::new(types::SqlState::DatatypeMismatch, message);
            let hint = reader.text()?;
            Error::Value(if hint.is_empty() { error } else { error.hint(hint) })
        }
        _ => {
            let message = reader.text().unwrap_or_default();
            Error::Guest {
                function: function(),
                language,
                message: format!("the interpreter failed: {message}"),
                line: None,
                stack: String::new(),
            }
        }
    })
}

/// Where in the function the host call was.
pub(crate) fn with_context(error: SqlError, language: &str, prepared: &Prepared, line: Option<u32>) -> SqlError {
    let mut context = error.fields().context.clone().map(|inner| inner + "\n").unwrap_or_default();
    context.push_str(&format!("{language} function {}", prepared.signature()));
    if let Some(line) = line {
        context.push_str(&format!(", line {line}"));
    }
    error.context(context)
}

pub(crate) fn metered(error: wasmtime::Error) -> Error {
    Error::Host(format!("the sandbox's fuel cannot be counted: {error}"))
}

/// Why a guest ended without an answer.
pub(crate) fn failure(prepared: &Prepared, state: &State, error: &wasmtime::Error) -> Error {
    let limits = state.meter.limits;
    match &state.meter.stop {
        Some(Stop::Limit(limit)) => return state.meter.exceeded(*limit),
        Some(Stop::Cancelled(error)) => return Error::Cancelled(error.clone()),
        Some(Stop::Exited(_)) => return Error::Host(format!("function {}: the interpreter ended itself", prepared.signature())),
        Some(Stop::Broken(what)) => return Error::Host(format!("function {}: {what}", prepared.signature())),
        None => {}
    }
    let stderr = String::from_utf8_lossy(&state.stderr);
    match (error.downcast_ref::<Trap>(), prepared.source().language) {
        (Some(Trap::OutOfFuel), _) => state.meter.exceeded(Limit::Instructions),
        (Some(Trap::StackOverflow), _) => prepared.limit(Limit::Stack, limits.stack_bytes),
        // An interpreter is memory-safe; what runs out of bounds is its own stack in the memory.
        (Some(Trap::MemoryOutOfBounds), Language::JavaScript | Language::Python) => prepared.limit(Limit::Stack, limits.stack_bytes),
        (Some(Trap::UnreachableCodeReached), Language::JavaScript | Language::Python)
            if stderr.contains("memory allocation of") || stderr.contains("capacity overflow") =>
        {
            prepared.limit(Limit::Memory, limits.memory_bytes)
        }
        (Some(trap), _) => Error::Guest {
            function: prepared.signature().to_string(),
            language: prepared.source().language.name(),
            message: format!("the interpreter failed: {trap} {}", stderr.lines().next().unwrap_or_default())
                .trim_end()
                .to_string(),
            line: None,
            stack: String::new(),
        },
        (None, _) => Error::Host(format!("function {}: {error}", prepared.signature())),
    }
}
