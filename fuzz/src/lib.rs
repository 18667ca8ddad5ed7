//! What the targets do with their bytes. The parser and the reader of guests' values are taken in as source: built this way they need neither
//! the query library nor the interpreters, which would take an hour to instrument.

#[allow(dead_code, unused_imports, reason = "the engine uses the rest of it")]
#[path = "../../crates/engine/src/parse/mod.rs"]
mod parse;

#[allow(dead_code, reason = "guests and the host's table use the rest of it")]
#[path = "../../crates/sandbox/src/abi.rs"]
mod abi;

#[allow(dead_code, unused_imports, reason = "the sandbox uses the rest of it")]
#[path = "../../crates/sandbox/src/value/mod.rs"]
mod value;

#[path = "../../crates/engine/src/parse/hostile.rs"]
mod statements;

#[path = "../../crates/policy/tests/hostile_bytes/rights.rs"]
mod rights;

#[path = "../../crates/sandbox/src/value/hostile.rs"]
mod guest_values;

pub use guest_values::read as guest_values;
pub use rights::read as rights;

/// Sessions have this much stack, and what recurses is bounded to what it holds.
const STACK_BYTES: usize = 64 << 20;

pub fn statements(bytes: &[u8]) {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        let thread = thread.spawn_scoped(scope, || statements::read(bytes)).expect("a thread");
        if thread.join().is_err() {
            std::process::abort();
        }
    });
}
