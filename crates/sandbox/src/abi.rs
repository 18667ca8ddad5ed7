//! The binary interface between the host and a guest interpreter, shared word for word: the guest
//! crates include this very file.
//!
//! A guest exports `_initialize()`, `init()`, `input(n) -> pointer` (a buffer for n bytes that the
//! host fills next), and `load(n)`, `call(n)`, `next(n)`, which read the n bytes of that buffer and
//! answer `pointer << 32 | length` of their own. It imports from module `heliosdb`:
//! `call(op, pointer, length) -> length of the answer`, and `take(pointer)`, which fetches it.
//!
//! Numbers are little-endian. A text is a u32 length and UTF-8. A value is a tag and its payload.
//!
//! | buffer | layout |
//! |---|---|
//! | `load` | name: text, shape of the result, [`kind`]: u8, body: text |
//! | `call` | stack limit in bytes: u32, rows: u32, arguments per row: u32, values |
//! | `call` of a trigger | stack limit in bytes: u32, rows: u32, shape of a row, TG_OP, TG_WHEN, TG_LEVEL, TG_NAME, TG_TABLE_SCHEMA, TG_TABLE_NAME: texts, TG_ARGV: u32 count and texts, then for each row NEW and OLD: an `OBJECT` or `NULL` each |
//! | `next` | rows at most: u32 |
//! | answer | status: u8, then: `OK` of `call` one value per row, of `next` count: u32 and values, |
//! | | of a trigger's `call` for each row `0` and the row to go on with (a record, or `NULL` where NEW was), or `1`: skip this row |
//! | | `EXCEPTION`: host error: u32 (0: none), message, line: u32 (0: none), stack |
//! | | `SYNTAX`: message, line: u32, column: u32 |
//! | | `DEFINITION`, `CONVERSION`: message, hint (empty: none) |
//! | a host function's request | count: u32, values; its answer is one value |
//! | host answer | 0, then what the operation returns; or 1, error: u32, denial: u8, sqlstate, message, detail, hint, capability |

/// How a guest's answer begins.
pub mod status {
    pub const OK: u8 = 0;
    /// Thrown by the guest's program and not caught.
    pub const EXCEPTION: u8 = 1;
    /// The interpreter's own measure of the stack limit.
    pub const STACK: u8 = 2;
    /// The interpreter failed; a text may say why. The host takes every status that it does not know for this one.
    #[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))] // written by guests only
    pub const PANIC: u8 = 3;
    pub const SYNTAX: u8 = 4;
    /// The body does not define what was declared.
    pub const DEFINITION: u8 = 5;
    /// A value of the guest has no SQL value.
    pub const CONVERSION: u8 = 6;
}

/// What a value is. Both directions use the same tags, but the host never sends `JSON`.
pub mod tag {
    pub const NULL: u8 = 0;
    pub const FALSE: u8 = 1;
    pub const TRUE: u8 = 2;
    /// i32.
    pub const INT: u8 = 3;
    /// f64.
    pub const FLOAT: u8 = 4;
    /// i64.
    pub const LONG: u8 = 5;
    /// An integer of any size, as decimal text.
    pub const BIG: u8 = 6;
    pub const TEXT: u8 = 7;
    /// u32 length, bytes.
    pub const BYTES: u8 = 8;
    /// Microseconds since 1970 UTC: i64; its extremes are the infinities.
    pub const TIMESTAMPTZ: u8 = 9;
    /// The same without a zone.
    pub const TIMESTAMP: u8 = 10;
    /// Days since 1970: i32; its extremes are the infinities.
    pub const DATE: u8 = 11;
    /// numeric, as text.
    pub const DECIMAL: u8 = 12;
    /// As text.
    pub const TIME: u8 = 13;
    /// As text.
    pub const INTERVAL: u8 = 14;
    /// As text.
    pub const UUID: u8 = 15;
    /// u32 count, values.
    pub const ARRAY: u8 = 16;
    /// u32 count, (name: text, value)s. From the guest, for a record: u32 count, values.
    pub const OBJECT: u8 = 17;
    /// JSON text.
    pub const JSON: u8 = 18;
}

/// How the guest is to look at a result.
pub mod shape {
    /// By what it is.
    pub const SCALAR: u8 = 0;
    /// As JSON, whatever it is.
    pub const JSON: u8 = 1;
    /// As an SQL array; the shape of its elements follows.
    pub const ARRAY: u8 = 2;
    /// As a row; u32 count and (name: text, shape)s follow.
    pub const RECORD: u8 = 3;
    /// Not at all.
    pub const VOID: u8 = 4;
}

/// How a function is called, and what becomes of its result.
pub mod kind {
    /// One result for each row of arguments.
    pub const SCALAR: u8 = 0;
    /// A set, fetched through `next`.
    pub const SET: u8 = 1;
    /// Sees NEW, OLD and TG_..., and answers with the row to go on with.
    pub const TRIGGER: u8 = 2;
}

/// What a program reaches as `heliosdb.<name>`: operation [`op::FIRST_HOST_FUNCTION`] + index. The
/// host holds a table of the same order with the capability and the function of each.
#[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
pub const HOST_FUNCTIONS: &[&str] = &[
    "call",
    "storage.get",
    "storage.set",
    "storage.delete",
    "storage.keys",
    "storage.increment",
    "env.get",
    "fs.readText",
    "fs.readBytes",
    "fs.writeText",
    "fs.appendText",
    "fs.list",
    "fs.remove",
    "http.fetch",
    "http.get",
    "http.post",
    "crypto.sha256",
    "crypto.sha512",
    "crypto.hmac",
    "crypto.randomBytes",
    "crypto.uuid",
    "crypto.timingSafeEqual",
];

/// What a guest can ask of the host.
pub mod op {
    /// The first of [`super::HOST_FUNCTIONS`].
    #[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
    pub const FIRST_HOST_FUNCTION: u32 = 16;
    /// level: u8 (see [`super::level`]), text. No answer.
    pub const LOG: u32 = 1;
    /// sql: text, count: u32, values. Answers columns: u32, names, rows: u32, values.
    pub const QUERY: u32 = 2;
    /// The same. Answers rows affected: u64, has rows: u8, then as `QUERY`.
    pub const EXECUTE: u32 = 3;
    /// Answers microseconds since 1970: i64.
    pub const CLOCK: u32 = 4;
    /// Answers 32 random bytes.
    pub const RANDOM: u32 = 5;
    /// bytes: u64 that the guest would need if a declared length were filled. Over the limit, the
    /// call ends here. No answer.
    pub const RESERVE: u32 = 6;
}

pub mod level {
    pub const DEBUG: u8 = 0;
    pub const LOG: u8 = 1;
    pub const INFO: u8 = 2;
    pub const WARN: u8 = 3;
    pub const ERROR: u8 = 4;
}
