//! Compiles and runs JavaScript, Python and WebAssembly functions under limits.

mod context;
mod error;
mod runtime;
mod source;

pub use context::{Backend, CallContext, Cancel, ExecuteResult, Gate, Limits, QueryResult, Request, Usage};
pub use error::{Error, Limit};
pub use runtime::{Instance, Prepared, Runtime, RuntimeOptions};
pub use source::{FunctionSource, Language};
