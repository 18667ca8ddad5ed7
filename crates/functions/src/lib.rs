//! PostgreSQL's built-in functions, operators, casts and aggregates, and the rules that choose
//! among them.
//!
//! The life of a call: the binder has a name (or an operator's symbol) and the types of the
//! arguments. [`resolve`] picks one entry of the [`registry`] by the rules of PostgreSQL's
//! chapter "Type Conversion" and says which exact type each argument has to be cast to; the
//! binder writes these casts into its plan. At run time [`cast::cast`] converts the arguments and the
//! entry's `run` is called with one [`Datum`](types::Datum) per argument, which has the variant that the
//! declared type promises. Strict entries never see NULL: whoever calls checks.
//!
//! What a function may know about the world around it (the time, settings, the catalog) comes
//! through [`Environment`]; there is no other way out of this crate.

mod argument;
mod entry;
mod environment;
mod limit;
mod time;

pub mod aggregate;
pub mod cast;
pub mod registry;
pub mod resolve;
pub mod scalar;
pub mod set;

pub use aggregate::{Accumulator, Aggregate, NativeAggregate};
pub use entry::{Family, Native, Operator, Run, Scalar, Shape, Volatility, WRITTEN_MARK, name_fields, types_argument};
pub use environment::Environment;
pub use scalar::array::{record_field, unnest_together};
pub use scalar::datetime::system_clock;
pub use set::{Rows, SetFunction};
