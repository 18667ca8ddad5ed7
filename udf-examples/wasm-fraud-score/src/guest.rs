//! The guest's half of docs/wasm-abi.md, as much of it as this example needs, without an allocator.

use core::arch::wasm32;
use core::cell::UnsafeCell;

mod tag {
    pub const NULL: u8 = 0;
    pub const INT: u8 = 3;
    pub const FLOAT: u8 = 4;
    pub const LONG: u8 = 5;
    pub const TEXT: u8 = 7;
    pub const JSON: u8 = 18;
    pub const ERROR: u8 = 255;
}

/// Operation QUERY of `heliosdb.call`.
const QUERY: u32 = 2;
const PAGE_BYTES: u32 = 65_536;

#[link(wasm_import_module = "heliosdb")]
unsafe extern "C" {
    /// Asks the host; answers the length of its answer.
    fn call(op: u32, pointer: *const u8, length: u32) -> u32;
    /// Fetches that answer.
    fn take(pointer: *mut u8);
}

/// The host asks for a buffer of its own, seldom: fresh pages each time.
#[unsafe(no_mangle)]
pub extern "C" fn alloc(bytes: u32) -> u32 {
    let pages = bytes.div_ceil(PAGE_BYTES);
    let before = wasm32::memory_grow::<0>(pages as usize);
    before as u32 * PAGE_BYTES
}

#[derive(Clone, Copy)]
pub enum Value<'a> {
    Null,
    Long(i64),
    Float(f64),
    Text(&'a str),
}

impl Value<'_> {
    /// As a number; 0 where it is none.
    pub fn number(self) -> f64 {
        match self {
            Value::Long(value) => value as f64,
            Value::Float(value) => value,
            Value::Null | Value::Text(_) => 0.0,
        }
    }
}

/// Why there is no answer.
pub enum Error {
    /// The host refused, and its error, by this number, is passed on.
    Host(u32),
    Own(&'static str),
}

const MALFORMED: Error = Error::Own("the host's bytes are not what docs/wasm-abi.md says");

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let (head, tail) = self.0.split_at_checked(count).ok_or(MALFORMED)?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        self.bytes(N)?.try_into().map_err(|_| MALFORMED)
    }

    fn u32(&mut self) -> Result<u32, Error> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn text(&mut self) -> Result<&'a str, Error> {
        let length = self.u32()? as usize;
        core::str::from_utf8(self.bytes(length)?).map_err(|_| MALFORMED)
    }

    fn value(&mut self) -> Result<Value<'a>, Error> {
        let [tag] = self.array()?;
        Ok(match tag {
            tag::NULL => Value::Null,
            tag::INT => Value::Long(i32::from_le_bytes(self.array()?).into()),
            tag::LONG => Value::Long(i64::from_le_bytes(self.array()?)),
            tag::FLOAT => Value::Float(f64::from_le_bytes(self.array()?)),
            tag::TEXT => Value::Text(self.text()?),
            _ => return Err(MALFORMED),
        })
    }

    fn values<const N: usize>(&mut self) -> Result<[Value<'a>; N], Error> {
        let mut values = [Value::Null; N];
        for value in &mut values {
            *value = self.value()?;
        }
        Ok(values)
    }
}

/// A buffer that is written from its beginning.
pub struct Answer {
    bytes: [u8; 4096],
    length: usize,
}

impl Answer {
    const fn new() -> Answer {
        Answer { bytes: [0; 4096], length: 0 }
    }

    fn put(&mut self, bytes: &[u8]) {
        // What does not fit is left out, which the host refuses as malformed.
        if let Some(room) = self.bytes.get_mut(self.length..self.length + bytes.len()) {
            room.copy_from_slice(bytes);
            self.length += bytes.len();
        }
    }

    fn put_text(&mut self, text: &str) {
        self.put(&(text.len() as u32).to_le_bytes());
        self.put(text.as_bytes());
    }

    fn put_value(&mut self, value: Value<'_>) {
        match value {
            Value::Null => self.put(&[tag::NULL]),
            Value::Long(value) => {
                self.put(&[tag::LONG]);
                self.put(&value.to_le_bytes());
            }
            Value::Float(value) => {
                self.put(&[tag::FLOAT]);
                self.put(&value.to_le_bytes());
            }
            Value::Text(text) => {
                self.put(&[tag::TEXT]);
                self.put_text(text);
            }
        }
    }

    pub fn null(&mut self) {
        self.put_value(Value::Null);
    }

    /// A JSON value, whose text `write` appends.
    pub fn json(&mut self, write: impl FnOnce(&mut Answer)) {
        self.put(&[tag::JSON, 0, 0, 0, 0]);
        let start = self.length;
        write(self);
        let length = ((self.length - start) as u32).to_le_bytes();
        if let Some(place) = self.bytes.get_mut(start - 4..start) {
            place.copy_from_slice(&length);
        }
    }

    pub fn push(&mut self, text: &str) {
        self.put(text.as_bytes());
    }

    /// A number from 0 to 1, rounded to two digits.
    pub fn hundredths(&mut self, number: f64) {
        let hundredths = (number * 100.0 + 0.5) as u32;
        let digit = |value: u32| b'0' + (value % 10) as u8;
        self.put(&[digit(hundredths / 100), b'.', digit(hundredths / 10), digit(hundredths)]);
    }

    fn error(&mut self, error: Error) {
        self.length = 0;
        let (host, message) = match error {
            Error::Host(number) => (number, ""),
            Error::Own(message) => (0, message),
        };
        self.put(&[tag::ERROR]);
        self.put(&host.to_le_bytes());
        self.put_text(message);
    }
}

/// A module runs on one thread, one call at a time.
struct Static(UnsafeCell<Answer>);

// SAFETY: there are no threads in a sandbox.
unsafe impl Sync for Static {}

static ANSWER: Static = Static(UnsafeCell::new(Answer::new()));

/// Hands the arguments to `function` and its answer, or its error, to the host.
pub fn serve(pointer: u32, length: u32, function: impl FnOnce(&[u8], &mut Answer) -> Result<(), Error>) -> u64 {
    // SAFETY: the host wrote `length` bytes there, and nobody else calls this meanwhile.
    let (arguments, answer) = unsafe { (core::slice::from_raw_parts(pointer as *const u8, length as usize), &mut *ANSWER.0.get()) };
    answer.length = 0;
    if let Err(error) = function(arguments, answer) {
        answer.error(error);
    }
    (answer.bytes.as_ptr() as u64) << 32 | answer.length as u64
}

/// The N arguments of a call.
pub fn values<const N: usize>(arguments: &[u8]) -> Result<[Value<'_>; N], Error> {
    let mut reader = Reader(arguments);
    if reader.u32()? as usize != N {
        return Err(Error::Own("called with another number of arguments"));
    }
    reader.values()
}

/// What a query found.
pub struct Found<'a>(&'a [u8]);

impl<'a> Found<'a> {
    /// The N values of its only row.
    pub fn row<const N: usize>(&self) -> Result<[Value<'a>; N], Error> {
        let mut reader = Reader(self.0);
        let columns = reader.u32()? as usize;
        for _ in 0..columns {
            reader.text()?;
        }
        if columns != N || reader.u32()? != 1 {
            return Err(Error::Own("the query did not find one row"));
        }
        reader.values()
    }
}

/// `heliosdb.query`: the host's answer, or its refusal.
pub fn query<'a>(sql: &str, parameters: &[Value<'_>], room: &'a mut [u8]) -> Result<Found<'a>, Error> {
    let mut request = Answer::new();
    request.put_text(sql);
    request.put(&(parameters.len() as u32).to_le_bytes());
    for parameter in parameters {
        request.put_value(*parameter);
    }
    // SAFETY: the request lies where we say; the answer is fetched only if it fits.
    let length = unsafe { call(QUERY, request.bytes.as_ptr(), request.length as u32) } as usize;
    let answer = room.get_mut(..length).ok_or(Error::Own("the host's answer is too long"))?;
    // SAFETY: `answer` has room for `length` bytes.
    unsafe { take(answer.as_mut_ptr()) };
    match answer.split_first() {
        Some((0, rows)) => Ok(Found(rows)),
        Some((_, error)) => Err(Error::Host(Reader(error).u32()?)),
        None => Err(MALFORMED),
    }
}
