//! The wire protocol, authentication, configuration, and the `parhelion` binary.
//!
//! The life of a server is in [`listen`], the life of a connection in [`connection`]. SQL has no
//! meaning here: statements go to the engine's session as text and come back as outcomes. The
//! protocol's messages are `pgwire`'s ([`frontend`], [`outgoing`]); what surrounds them is ours:
//! the framing with its limits, a check of each body before the library reads it, and one buffer,
//! so that the answers of a pipeline leave in one write. Blocking sockets, one thread a
//! connection: the engine blocks its thread in any case, and a slow client then holds up nobody
//! but itself. Statements whose clients have left are ended by [`watch`].

pub mod auth;
pub mod config;
pub mod connection;
pub mod extended;
pub mod frontend;
pub mod incoming;
pub mod listen;
pub mod log_line;
pub mod outgoing;
pub mod roots;
pub mod rows;
pub mod scram;
pub mod script;
pub mod simple;
pub mod startup;
pub mod stream;
pub mod structure;
pub mod tls;
pub mod watch;
pub mod webhook;

pub use listen::{Server, ServerOptions, StartError};
