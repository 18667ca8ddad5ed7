//! SQL values and types, OIDs, identifiers and `SqlState`.
//!
//! The life of a value: it arrives as text or in PostgreSQL's binary format ([`text`], [`binary`]),
//! is a [`Datum`] beside its [`Type`] while statements work on it, is compared by [`compare`],
//! and leaves as text or binary again. Nothing here does I/O.

mod datum;
mod error;
pub mod numeric;
mod sqlstate;
mod ty;

pub mod binary;
pub mod calendar;
pub mod compare;
pub mod ident;
pub mod keyword;
pub mod text;

pub use datum::{Array, Datum, Interval};
pub use error::{Fields, Notice, Result, Severity, SqlError};
pub use numeric::Numeric;
pub use sqlstate::SqlState;
pub use ty::{NO_TYPMOD, SCALARS, Scalar, Type, VECTOR_TYPMOD, numeric_typmod, numeric_typmod_parts, vector_name, vector_oid};
