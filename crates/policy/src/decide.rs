//! Whether one function's rights allow one request. This is the whole of what is allowed; the gate adds the call chain, the caller's
//! privileges and the record.

use crate::{
    Administer, CallFunction, Capability, Connect, Effective, ListFolder, MakeSyscall, ReadFile, ReadTable, Request, ResolveHost, RunDdl,
    Syscall, WriteFile, WriteTable, is_reserved_schema,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Allowed,
    /// A capability is missing.
    Lacking,
    /// There is one, and who gave it could not do this.
    Beyond,
    /// No capability would help.
    Forbidden(Ban),
}

/// What no function may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ban {
    /// Raise rights, or touch the log.
    Administration,
    /// Write to the system's own schemas.
    SystemSchema,
    /// A WASI call that the policy does not list.
    Syscall(Syscall),
}

/// `grantor_may` says whether a role could do it itself: it is asked where who gave the capability was no superuser.
pub fn decide(rights: &Effective, request: &Request<'_>, grantor_may: impl Fn(u32) -> bool) -> Decision {
    if let Some(ban) = ban(rights, request) {
        return Decision::Forbidden(ban);
    }
    if needs_none(request) {
        return Decision::Allowed;
    }
    let mut decision = Decision::Lacking;
    for held in rights.capabilities.iter().filter(|held| allows(&held.capability, request)) {
        if held.bounded_by.is_none_or(&grantor_may) {
            return Decision::Allowed;
        }
        decision = Decision::Beyond;
    }
    decision
}

fn ban(rights: &Effective, request: &Request<'_>) -> Option<Ban> {
    let banned = |banned: bool, ban| banned.then_some(ban);
    match request {
        Request::Administer(Administer { action: _, object: _ }) => Some(Ban::Administration),
        Request::WriteTable(WriteTable { table, action: _ }) => banned(is_reserved_schema(&table.schema), Ban::SystemSchema),
        Request::RunDdl(RunDdl {
            schema,
            statement: _,
            name: _,
        }) => banned(schema.as_deref().is_some_and(is_reserved_schema), Ban::SystemSchema),
        Request::MakeSyscall(MakeSyscall(syscall)) => banned(!rights.syscalls.contains(*syscall), Ban::Syscall(*syscall)),
        Request::ReadTable(_)
        | Request::ReadFile(_)
        | Request::WriteFile(_)
        | Request::ListFolder(_)
        | Request::ResolveHost(_)
        | Request::Connect(_)
        | Request::UseHttp(_)
        | Request::ReadVariable(_)
        | Request::ReadClock(_)
        | Request::DrawRandom(_)
        | Request::UseCrypto(_)
        | Request::CallFunction(_) => None,
    }
}

/// A request that is not banned and that no capability is for: a system call that the policy lists.
fn needs_none(request: &Request<'_>) -> bool {
    match request {
        Request::MakeSyscall(_) => true,
        Request::ReadTable(_)
        | Request::WriteTable(_)
        | Request::RunDdl(_)
        | Request::ReadFile(_)
        | Request::WriteFile(_)
        | Request::ListFolder(_)
        | Request::ResolveHost(_)
        | Request::Connect(_)
        | Request::UseHttp(_)
        | Request::ReadVariable(_)
        | Request::ReadClock(_)
        | Request::DrawRandom(_)
        | Request::UseCrypto(_)
        | Request::CallFunction(_)
        | Request::Administer(_) => false,
    }
}

/// Whether this one capability is for this request. Written from the request's side, each with the one capability that it takes.
fn allows(capability: &Capability, request: &Request<'_>) -> bool {
    match request {
        Request::ReadTable(ReadTable(table)) => matches!(capability, Capability::DatabaseRead(pattern) if pattern.matches(table)),
        Request::WriteTable(WriteTable { table, action: _ }) => {
            matches!(capability, Capability::DatabaseWrite(pattern) if pattern.matches(table))
        }
        Request::RunDdl(_) => matches!(capability, Capability::DatabaseExecute),
        Request::ReadFile(ReadFile(path)) => matches!(capability, Capability::FileRead(pattern) if pattern.matches(path)),
        Request::WriteFile(WriteFile(path)) => matches!(capability, Capability::FileWrite(pattern) if pattern.matches(path)),
        Request::ListFolder(ListFolder(folder)) => matches!(capability, Capability::FileRead(pattern) if pattern.covers_entries_of(folder)),
        Request::ResolveHost(ResolveHost(endpoint)) => {
            matches!(capability, Capability::NetworkAccess(pattern) if pattern.matches(endpoint))
        }
        Request::Connect(Connect { endpoint, address }) => {
            matches!(capability, Capability::NetworkAccess(pattern) if pattern.matches_address(endpoint, *address))
        }
        Request::UseHttp(_) => matches!(capability, Capability::HttpClient),
        Request::ReadVariable(_) => matches!(capability, Capability::EnvAccess),
        Request::ReadClock(_) => matches!(capability, Capability::TimeAccess),
        Request::DrawRandom(_) => matches!(capability, Capability::RandomAccess),
        Request::UseCrypto(_) => matches!(capability, Capability::CryptoAccess),
        Request::CallFunction(CallFunction(function)) => {
            matches!(capability, Capability::CallFunction(pattern) if pattern.matches(function))
        }
        Request::Administer(_) | Request::MakeSyscall(_) => false,
    }
}
