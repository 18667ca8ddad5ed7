//! What the audit log is made of: event types, stored bytes, the hash chain, and the [`Sink`].
//!
//! The life of an event: someone fills an [`Event`] in, verdict included, and hands it to a
//! [`Sink`]; the sink's [`Chain`] gives it the next id and a hash over the row before it and its own
//! bytes ([`stored`] has the byte table); the bytes are appended to a log outside the user's
//! transaction, and the [`Receipt`] can be waited for until they are durable. Later a reader takes the
//! bytes apart again ([`stored::View`]), and [`verify`] walks the chain and says where it breaks.
//!
//! An event that cannot be recorded is an error here and a denial at the gate. This crate does no I/O and
//! knows of no storage: the durable sink belongs to the engine.

mod anchor;
pub mod block;
mod chain;
mod error;
mod event;
mod event_type;
mod sink;
pub mod stored;
mod verify;

pub use anchor::{Anchor, AnchorFault, PublicKey, SigningKey};
pub use chain::{Chain, Hash, Row, Sealed};
pub use error::{AuditError, DecodeError};
pub use event::{DDL, Event, now_micros};
pub use event_type::EventType;
pub use sink::{MemorySink, Receipt, Sink};
pub use verify::{Reason, Verdict, Verifier, verify};
