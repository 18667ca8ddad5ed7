//! What a function may do: capabilities, policies, limits, and the gate that every request passes.
//!
//! The life of a request: a guest calls a host function; the host turns the guest's arguments into a typed
//! question ([`ReadTable`], [`Connect`], ...: one per variant of [`Request`]) and hands it to the function's [`Gate`];
//! the gate reads the function's [`Effective`] rights as they are at this moment, and those of every function
//! further up the call chain, and asks for the caller's own SQL privileges; it records the question *with its verdict*; and it
//! returns a [`Permit`] that holds the question, or a [`Denied`] that names what is missing and the statement that would
//! grant it. What has an effect takes a permit as an argument, and only this crate can make one.
//!
//! What is absent on purpose: no storage, no catalog, no clock but the log's, no file or network access. Nothing here trusts a guest, and
//! whatever cannot be decided or recorded is refused.

mod address;
mod capability;
mod decide;
mod definition;
mod denied;
mod error;
mod file;
mod gate;
mod glob;
mod lexer;
mod limits;
mod name;
mod network;
mod permit;
mod policies;
mod request;
mod rights;
mod syscall;

pub use address::is_public;
pub use capability::{Capability, Kind};
pub use definition::Definition;
pub use denied::{Denied, Lacking, Missing};
pub use error::{Located, PolicyError};
pub use file::{CanonicalPath, PathPattern};
pub use gate::{FunctionName, Gate, GateContext, MAX_CALL_DEPTH, Privileges, RightsSource, Soft};
pub use limits::{Language, LimitKey, LimitOverrides, Limits};
pub use name::{NamePattern, ObjectName, is_reserved_schema};
pub use network::{Endpoint, Host, HostPattern};
pub use permit::Permit;
pub use policies::Policy;
pub use request::{
    Administer, Administration, Ask, CallFunction, Connect, DrawRandom, ListFolder, MakeSyscall, ReadClock, ReadFile, ReadTable,
    ReadVariable, Request, RequestKind, ResolveHost, RunDdl, UseCrypto, UseHttp, WriteAction, WriteFile, WriteTable,
};
pub use rights::{Effective, Held, Mode, Revocation, RevokeError, Rights, Source};
pub use syscall::{MAX_VIOLATIONS, Syscall, SyscallSet};
