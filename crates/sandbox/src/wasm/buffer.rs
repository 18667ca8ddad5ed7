//! The form for values that are no numbers: they lie in the module's memory, in the encoding of `abi`.
//!
//! The life of a row: the host writes `count: u32, values` into a buffer that it got from the module's `alloc`,
//! and asks for a larger one only when that is too small; it calls the function with the buffer's place and
//! length; and reads the answer, one value, where the function says that it is. The answer need only stay
//! until the module is called again. A set is an array, or as many arrays as the module's `next` gives. The buffer is the host's to keep; docs/wasm-abi.md tells authors all of it.
//!
//! Every place and length that the module names is checked against its memory as it is at that moment.

use std::ops::Range;

use types::{Datum, SqlError, SqlState};
use wasmtime::{Instance, Memory, Store, ValRaw};

use super::compiled::Compiled;
use super::raw::RawFunction;
use super::sandbox::Ended;
use super::trigger::Event;
use crate::abi::tag;
use crate::error::Error;
use crate::host::State;
use crate::instance::{TriggerRow, with_context};
use crate::meter::Stop;
use crate::runtime::Prepared;
use crate::source::Language;
use crate::value::{Malformed, Reader, Returned, put_u32, put_value, returned};

/// An answer that begins with this is an error: the number of the host error that it passes on (u32, 0: none), and a message.
const ERROR: u8 = 255;
/// The least that is asked of `alloc`, so that rows of similar size need one buffer.
const LEAST_BYTES: usize = 1024;

pub struct Buffer {
    memory: Memory,
    allocate: RawFunction,
    request: Vec<u8>,
    /// Where the module keeps a buffer for us, and its length.
    place: u32,
    room: usize,
    /// Asked for further rows of a set.
    next: Option<RawFunction>,
    /// Rows of the set that the module has answered and nobody has read, and where they lie.
    rows: usize,
    unread: Range<usize>,
    /// There are no rows beyond those.
    set_ended: bool,
}

impl Buffer {
    pub fn new(compiled: &Compiled, instance: &Instance, store: &mut Store<State>) -> Option<Buffer> {
        Some(Buffer {
            memory: store.data().memory?,
            allocate: compiled.allocate.as_ref()?.in_instance(instance, &mut *store)?,
            request: Vec::new(),
            place: 0,
            room: 0,
            next: compiled.next.as_ref().and_then(|next| next.in_instance(instance, &mut *store)),
            rows: 0,
            unread: 0..0,
            set_ended: true,
        })
    }

    /// One result for a row.
    pub fn call(
        &mut self,
        store: &mut Store<State>,
        function: &mut RawFunction,
        prepared: &Prepared,
        row: &[&Datum],
    ) -> Result<Datum, Ended> {
        let answer = self.enter(store, function, row)?;
        let bytes = self.bytes(store, &answer);
        let state = store.data();
        refuse_error(bytes, prepared, state)
            .and_then(|()| read(&mut Reader::new(bytes), prepared, state))
            .map_err(Ended::Row)
    }

    /// Starts a set. Without an export `next` the answer is all of it.
    pub fn call_set(
        &mut self,
        store: &mut Store<State>,
        function: &mut RawFunction,
        prepared: &Prepared,
        row: &[Datum],
    ) -> Result<(), Ended> {
        let row: Vec<&Datum> = row.iter().collect();
        let answer = self.enter(store, function, &row)?;
        self.set_ended = self.next.is_none();
        self.open(store, prepared, answer, self.next.is_none())
    }

    /// At most `max` further rows of the set; none at its end.
    pub fn next_rows(&mut self, store: &mut Store<State>, prepared: &Prepared, max: usize) -> Result<Vec<Datum>, Ended> {
        if self.rows == 0 && !self.set_ended {
            let Some(next) = &mut self.next else { return Ok(vec![]) };
            if let Some(argument) = next.arguments().first_mut() {
                *argument = ValRaw::u32(u32::try_from(max).unwrap_or(u32::MAX));
            }
            let answer = next.call(&mut *store).map_err(Ended::Trap)?.get_u64();
            let answer = self.checked(store, answer)?;
            self.open(store, prepared, answer, true)?;
            self.set_ended = self.rows == 0;
        }
        let bytes = self.bytes(store, &self.unread);
        let mut reader = Reader::new(bytes);
        let count = self.rows.min(max);
        let rows: Result<Vec<Datum>, Error> = (0..count).map(|_| read(&mut reader, prepared, store.data())).collect();
        let rows = rows.map_err(Ended::Row)?;
        self.unread.start = self.unread.end - reader.remaining();
        self.rows -= count;
        Ok(rows)
    }

    /// Looks at an answer that says no row, or that begins an array of rows.
    fn open(&mut self, store: &Store<State>, prepared: &Prepared, answer: Range<usize>, rows: bool) -> Result<(), Ended> {
        let bytes = self.bytes(store, &answer);
        refuse_error(bytes, prepared, store.data()).map_err(Ended::Row)?;
        (self.rows, self.unread) = (0, 0..0);
        if !rows || bytes == [tag::NULL] {
            return Ok(());
        }
        let mut reader = Reader::new(bytes);
        let count = match reader.u8() {
            Ok(tag::ARRAY) => reader.count(),
            Ok(_) | Err(Malformed) => Err(Malformed),
        };
        self.rows = count.map_err(|Malformed| Ended::Row(malformed(prepared)))?;
        self.unread = answer.end - reader.remaining()..answer.end;
        Ok(())
    }

    /// Calls a trigger function for one row, or for a statement.
    pub fn call_trigger(
        &mut self,
        store: &mut Store<State>,
        function: &mut RawFunction,
        prepared: &Prepared,
        event: &Event<'_>,
    ) -> Result<TriggerRow, Ended> {
        self.request.clear();
        event.put(&mut self.request, &mut store.data_mut().exchange).map_err(Ended::Row)?;
        let answer = self.enter_with_request(store, function)?;
        let bytes = self.bytes(store, &answer);
        refuse_error(bytes, prepared, store.data())
            .and_then(|()| event.read(bytes, prepared, &store.data().exchange))
            .map_err(Ended::Row)
    }

    /// Calls the function with a row; answers where its answer lies.
    fn enter(&mut self, store: &mut Store<State>, function: &mut RawFunction, row: &[&Datum]) -> Result<Range<usize>, Ended> {
        let request = &mut self.request;
        request.clear();
        put_u32(request, u32::try_from(row.len()).unwrap_or(u32::MAX));
        for value in row {
            put_value(request, value, &mut store.data_mut().exchange).map_err(|error| Ended::Row(Error::Value(error)))?;
        }
        self.enter_with_request(store, function)
    }

    fn enter_with_request(&mut self, store: &mut Store<State>, function: &mut RawFunction) -> Result<Range<usize>, Ended> {
        self.make_room(store)?;
        self.memory
            .write(&mut *store, self.place as usize, &self.request)
            .map_err(|_| outside(store, "its function alloc named a buffer outside its memory"))?;
        // The request is not longer than the room, which is an i32 of the module's.
        let length = u32::try_from(self.request.len()).unwrap_or(u32::MAX);
        if let [pointer, count] = function.arguments() {
            *pointer = ValRaw::u32(self.place);
            *count = ValRaw::u32(length);
        }
        let answer = function.call(&mut *store).map_err(Ended::Trap)?.get_u64();
        self.checked(store, answer)
    }

    /// The place and length of an answer, if they are in the memory.
    fn checked(&self, store: &mut Store<State>, answer: u64) -> Result<Range<usize>, Ended> {
        let (start, length) = ((answer >> 32) as usize, (answer & 0xffff_ffff) as usize);
        let end = start.saturating_add(length);
        if end > self.memory.data_size(&*store) {
            return Err(outside(store, "its answer lies outside its memory"));
        }
        Ok(start..end)
    }

    /// What lies at a place that was checked; a memory never shrinks.
    fn bytes<'a>(&self, store: &'a Store<State>, place: &Range<usize>) -> &'a [u8] {
        self.memory.data(store).get(place.clone()).unwrap_or_default()
    }

    fn make_room(&mut self, store: &mut Store<State>) -> Result<(), Ended> {
        if self.request.len() <= self.room {
            return Ok(());
        }
        let wanted = self.request.len().next_power_of_two().max(LEAST_BYTES);
        let limit = store.data().meter.limits.memory_bytes;
        let Some(bytes) = u32::try_from(wanted).ok().filter(|bytes| u64::from(*bytes) <= limit) else {
            let stop = Stop::Limit(crate::error::Limit::Memory);
            return Err(Ended::Trap(store.data_mut().meter.stop(stop)));
        };
        if let Some(argument) = self.allocate.arguments().first_mut() {
            *argument = ValRaw::u32(bytes);
        }
        let place = self.allocate.call(&mut *store).map_err(Ended::Trap)?.get_u32();
        let end = (place as usize).saturating_add(wanted);
        if end > self.memory.data_size(&*store) {
            return Err(outside(store, "its function alloc named a buffer outside its memory"));
        }
        (self.place, self.room) = (place, wanted);
        Ok(())
    }
}

fn outside(store: &mut Store<State>, what: &'static str) -> Ended {
    Ended::Trap(store.data_mut().meter.stop(Stop::Broken(what)))
}

/// The module's own error, if the answer is one.
fn refuse_error(answer: &[u8], prepared: &Prepared, state: &State) -> Result<(), Error> {
    match answer.split_first() {
        Some((&ERROR, error)) => Err(read_error(&mut Reader::new(error), prepared, state).unwrap_or_else(|Malformed| malformed(prepared))),
        Some(_) | None => Ok(()),
    }
}

fn read(answer: &mut Reader<'_>, prepared: &Prepared, state: &State) -> Result<Datum, Error> {
    let source = prepared.source();
    match returned(answer, prepared.signature(), source.returns, &source.columns, &state.exchange) {
        Ok(value) => Ok(value),
        Err(Returned::Unfit(error)) => Err(Error::Value(error)),
        Err(Returned::Malformed) => Err(malformed(prepared)),
    }
}

fn read_error(error: &mut Reader<'_>, prepared: &Prepared, state: &State) -> Result<Error, Malformed> {
    let original = error.u32()?;
    let message = error.text()?;
    Ok(match state.error(original) {
        Some(error) => Error::Refused(with_context(error, Language::Wasm.name(), prepared, None)),
        None => Error::Guest {
            function: prepared.signature().to_string(),
            language: Language::Wasm.name(),
            message: message.to_string(),
            line: None,
            stack: String::new(),
        },
    })
}

/// The module wrote something that is no value.
pub fn malformed(prepared: &Prepared) -> Error {
    let message = format!(
        "the answer of function {} is not a value of the guest interface",
        prepared.signature()
    );
    Error::Value(SqlError::new(SqlState::ExternalRoutineInvocationException, message).hint("docs/wasm-abi.md describes the encoding."))
}
