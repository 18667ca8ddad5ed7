//! Compiles and runs JavaScript, Python and WebAssembly functions under limits.
//!
//! The life of a function: its body is [`Runtime::prepare`]d once, in an interpreter that is itself a
//! WebAssembly module, and a picture of the interpreter's memory is kept (a user's own module is compiled: `wasm`). The life of a call: for each
//! statement [`Runtime::instantiate`] makes a fresh [`Instance`] over a copy-on-write mapping of that
//! picture; arguments go in and results come out in batches of a binary format (`abi`); every
//! host call goes through the gate and the [`Backend`]; a limit traps; then the instance is thrown
//! away, and with it all that the function left in memory.
//!
//! What is absent: this crate reaches no storage and no catalog, opens no file that a guest names, and
//! trusts nothing that a guest's memory says.

mod abi;
mod budget;
mod code;
mod context;
mod error;
mod host;
mod instance;
mod interpreter;
mod machine;
mod memory;
mod meter;
mod runtime;
mod sandbox;
mod snapshot;
mod source;
mod stack;
mod ticker;
mod value;
mod wasm;

pub use budget::Budget;
pub use context::{Backend, CallContext, Cancel, ExecuteResult, Increment, Outside, QueryResult, Storage, TrustedRoots, Usage};
pub use error::{Error, Limit};
pub use instance::{TriggerCall, TriggerRow};
pub use runtime::{Prepared, Runtime, RuntimeOptions};
pub use sandbox::Instance;
pub use source::{FunctionSource, Language};
pub use value::Param;
