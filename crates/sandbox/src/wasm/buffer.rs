//! The form for values that are no numbers: they lie in the module's memory, in the encoding of `abi`.
//!
//! The life of a row: the host writes `count: u32, values` into a buffer that it got from the module's `alloc`,
//! and asks for a larger one only when that is too small; it calls the function with the buffer's place and
//! length; and reads the answer, one value, where the function says that it is. The answer need only stay
//! until the module is called again. The buffer is the host's to keep; docs/wasm-abi.md tells authors all of it.
//!
//! Every place and length that the module names is checked against its memory as it is at that moment.

use types::{Datum, SqlError, SqlState};
use wasmtime::{Instance, Memory, Store, ValRaw};

use super::compiled::Compiled;
use super::raw::RawFunction;
use super::sandbox::Ended;
use crate::error::Error;
use crate::host::State;
use crate::instance::with_context;
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
}

impl Buffer {
    pub fn new(compiled: &Compiled, instance: &Instance, store: &mut Store<State>) -> Option<Buffer> {
        Some(Buffer {
            memory: store.data().memory?,
            allocate: compiled.allocate.as_ref()?.in_instance(instance, store)?,
            request: Vec::new(),
            place: 0,
            room: 0,
        })
    }

    pub fn call(
        &mut self,
        store: &mut Store<State>,
        function: &mut RawFunction,
        prepared: &Prepared,
        row: &[Datum],
    ) -> Result<Datum, Ended> {
        let request = &mut self.request;
        request.clear();
        put_u32(request, u32::try_from(row.len()).unwrap_or(u32::MAX));
        for value in row {
            put_value(request, value).map_err(|error| Ended::Row(Error::Value(error)))?;
        }
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
        let (start, length) = ((answer >> 32) as usize, (answer & 0xffff_ffff) as usize);
        let Some(bytes) = self.memory.data(&*store).get(start..start.saturating_add(length)) else {
            return Err(outside(store, "its answer lies outside its memory"));
        };
        read(bytes, prepared, store.data()).map_err(Ended::Row)
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

fn read(answer: &[u8], prepared: &Prepared, state: &State) -> Result<Datum, Error> {
    let source = prepared.source();
    if let Some((&ERROR, error)) = answer.split_first() {
        return Err(read_error(&mut Reader::new(error), prepared, state).unwrap_or_else(|Malformed| malformed(prepared)));
    }
    match returned(&mut Reader::new(answer), prepared.signature(), source.returns, &source.columns) {
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
fn malformed(prepared: &Prepared) -> Error {
    let message = format!(
        "the answer of function {} is not a value of the guest interface",
        prepared.signature()
    );
    Error::Value(SqlError::new(SqlState::ExternalRoutineInvocationException, message).hint("docs/wasm-abi.md describes the encoding."))
}
