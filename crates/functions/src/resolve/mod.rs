//! Which function or operator is meant: PostgreSQL's chapter "Type Conversion" ("Operators",
//! "Functions", "UNION, CASE, and Related Constructs"; in its source `parse_oper.c`,
//! `parse_func.c`, `parse_coerce.c`).
//!
//! The life of a decision: candidates with this name that can take this many arguments; an exact
//! match wins; else [`pick`] drops what no implicit cast reaches and prefers exact types, then
//! preferred types, then guesses for literals of unknown type; at the end [`polymorphic`] puts
//! concrete types in place of `anyelement` and its kin.

mod call;
mod common;
mod operator;
mod pick;
mod polymorphic;

pub use call::{NamedSource, Resolved, Target, resolve_call, resolve_named_call};
pub use common::common_type;
pub use operator::{ResolvedOperator, resolve_operator};
pub use pick::{Pick, Signature, pick};
pub use polymorphic::resolve_polymorphic;

use types::Type;

/// `integer, text`, for messages.
fn list(types: &[Type]) -> String {
    types.iter().map(Type::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
