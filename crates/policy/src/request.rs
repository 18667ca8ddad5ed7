//! Everything that a function can ask for: one type per question, so that a permit says which question it answers.

use std::borrow::Cow;
use std::net::IpAddr;

use audit::EventType;

use crate::{CanonicalPath, Capability, Endpoint, HostPattern, Kind, NamePattern, ObjectName, PathPattern, Syscall, is_public};

macro_rules! requests {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// One question to the gate.
        #[derive(Clone, Copy, Debug)]
        pub enum Request<'a> {
            $($(#[$doc])* $name(&'a $name),)*
        }

        /// A question without its particulars.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum RequestKind {
            $($name,)*
        }

        impl RequestKind {
            pub const ALL: &[RequestKind] = &[$(RequestKind::$name,)*];

            pub const fn name(self) -> &'static str {
                match self {
                    $(RequestKind::$name => stringify!($name),)*
                }
            }
        }

        impl Request<'_> {
            pub fn kind(&self) -> RequestKind {
                match self {
                    $(Request::$name(_) => RequestKind::$name,)*
                }
            }
        }

        $(
            impl sealed::Sealed for $name {}

            impl Ask for $name {
                fn request(&self) -> Request<'_> {
                    Request::$name(self)
                }
            }
        )*
    };
}

mod sealed {
    pub trait Sealed {}
}

/// What can be put to a gate. Only the types of this file can.
pub trait Ask: sealed::Sealed {
    fn request(&self) -> Request<'_>;
}

requests! {
    ReadTable,
    WriteTable,
    RunDdl,
    ReadFile,
    WriteFile,
    ListFolder,
    ResolveHost,
    Connect,
    UseHttp,
    ReadVariable,
    ReadClock,
    DrawRandom,
    UseCrypto,
    CallFunction,
    Administer,
    MakeSyscall,
}

/// A statement reads a table or view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadTable(pub ObjectName);

/// A statement writes a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteTable {
    pub table: ObjectName,
    pub action: WriteAction,
}

/// Which privilege the caller needs for it. To a capability a write is a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteAction {
    Insert,
    Update,
    Delete,
    Truncate,
}

/// A statement defines, changes or drops something that is no right: a table, an index, a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDdl {
    /// `CREATE TABLE`.
    pub statement: Cow<'static, str>,
    /// The schema that it happens in, or that is itself created or dropped.
    pub schema: Option<String>,
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadFile(pub CanonicalPath);

/// Creates, writes, appends to or removes a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteFile(pub CanonicalPath);

/// Names what lies directly in a folder: allowed where each such file may be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListFolder(pub CanonicalPath);

/// Asked before a name is looked up: the question to a name server already leaves the machine. Asked again for every redirect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolveHost(pub Endpoint);

/// Asked with the address that the name resolved to, and that the connection is then pinned to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    pub endpoint: Endpoint,
    pub address: IpAddr,
}

/// Speaks HTTP to an endpoint, whose connection is a question of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UseHttp(pub Endpoint);

/// Reads a variable of the operator's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadVariable(pub String);

/// Reads the real clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadClock;

/// Draws from the system's random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrawRandom;

/// `sha256`, `hmac` and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UseCrypto(pub &'static str);

/// Calls another user's function, through `heliosdb.call` or in a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallFunction(pub ObjectName);

/// What no function may do, whatever it holds. It is asked all the same, so that the attempt is on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Administer {
    pub action: Administration,
    /// The object's name.
    pub object: String,
}

/// What raises or lowers rights, or the trust in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Administration {
    /// GRANT and REVOKE CAPABILITY.
    Capability,
    /// CREATE, ALTER, DROP FUNCTION and PROCEDURE.
    Function,
    /// CREATE, DROP, ENABLE and DISABLE TRIGGER, and dropping a table with its triggers.
    Trigger,
    /// SECURITY POLICY, and its assignment.
    Policy,
    /// CREATE, ALTER, DROP ROLE, membership, ownership.
    Role,
    /// GRANT and REVOKE of SQL privileges.
    Privilege,
    /// SET ROLE, SET SESSION AUTHORIZATION.
    Identity,
    /// ALTER SYSTEM and settings that only superusers change.
    Server,
    /// Retention and everything else that touches `heliosdb.audit_log`.
    AuditLog,
}

impl Administration {
    pub const ALL: &[Administration] = &[
        Administration::Capability,
        Administration::Function,
        Administration::Trigger,
        Administration::Policy,
        Administration::Role,
        Administration::Privilege,
        Administration::Identity,
        Administration::Server,
        Administration::AuditLog,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Administration::Capability => "granting capabilities",
            Administration::Function => "changing functions",
            Administration::Trigger => "changing triggers",
            Administration::Policy => "changing security policies",
            Administration::Role => "changing roles",
            Administration::Privilege => "granting privileges",
            Administration::Identity => "changing the current user",
            Administration::Server => "changing server settings",
            Administration::AuditLog => "changing the audit log",
        }
    }
}

/// A module calls an import of WASI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MakeSyscall(pub Syscall);

/// A question about a table or function, as it is to one function of a call chain.
pub(crate) enum Seen {
    Read(ReadTable),
    Write(WriteTable),
    Call(CallFunction),
}

impl Seen {
    /// None where the question is about neither a table nor a function.
    pub(crate) fn new(request: &Request<'_>, visible: bool) -> Option<Seen> {
        let object = ObjectName {
            visible,
            ..request.object()?.clone()
        };
        match request {
            Request::ReadTable(_) => Some(Seen::Read(ReadTable(object))),
            Request::WriteTable(WriteTable { table: _, action }) => Some(Seen::Write(WriteTable {
                table: object,
                action: *action,
            })),
            Request::CallFunction(_) => Some(Seen::Call(CallFunction(object))),
            Request::RunDdl(_)
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
            | Request::Administer(_)
            | Request::MakeSyscall(_) => None,
        }
    }

    pub(crate) fn request(&self) -> Request<'_> {
        match self {
            Seen::Read(ask) => Request::ReadTable(ask),
            Seen::Write(ask) => Request::WriteTable(ask),
            Seen::Call(ask) => Request::CallFunction(ask),
        }
    }
}

impl Request<'_> {
    /// The table or function that it is about.
    pub fn object(&self) -> Option<&ObjectName> {
        match self {
            Request::ReadTable(ReadTable(object))
            | Request::WriteTable(WriteTable { table: object, action: _ })
            | Request::CallFunction(CallFunction(object)) => Some(object),
            Request::RunDdl(_)
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
            | Request::Administer(_)
            | Request::MakeSyscall(_) => None,
        }
    }

    /// The kind of capability that it takes; none where no capability would help.
    pub fn capability_kind(&self) -> Option<Kind> {
        match self {
            Request::ReadTable(_) => Some(Kind::DatabaseRead),
            Request::WriteTable(_) => Some(Kind::DatabaseWrite),
            Request::RunDdl(_) => Some(Kind::DatabaseExecute),
            Request::ReadFile(_) | Request::ListFolder(_) => Some(Kind::FileRead),
            Request::WriteFile(_) => Some(Kind::FileWrite),
            Request::ResolveHost(_) | Request::Connect(_) => Some(Kind::NetworkAccess),
            Request::UseHttp(_) => Some(Kind::HttpClient),
            Request::ReadVariable(_) => Some(Kind::EnvAccess),
            Request::ReadClock(_) => Some(Kind::TimeAccess),
            Request::DrawRandom(_) => Some(Kind::RandomAccess),
            Request::UseCrypto(_) => Some(Kind::CryptoAccess),
            Request::CallFunction(_) => Some(Kind::CallFunction),
            Request::Administer(_) | Request::MakeSyscall(_) => None,
        }
    }

    /// The least capability that would allow it; none where there is none, or where it cannot be spelled.
    pub fn needed(&self) -> Option<Capability> {
        match self {
            Request::ReadTable(ReadTable(table)) => Some(Capability::DatabaseRead(table.pattern())),
            Request::WriteTable(WriteTable { table, action: _ }) => Some(Capability::DatabaseWrite(table.pattern())),
            Request::RunDdl(_) => Some(Capability::DatabaseExecute),
            Request::ReadFile(ReadFile(path)) => PathPattern::exact(path).map(Capability::FileRead),
            Request::WriteFile(WriteFile(path)) => PathPattern::exact(path).map(Capability::FileWrite),
            Request::ListFolder(ListFolder(folder)) => PathPattern::entries_of(folder).map(Capability::FileRead),
            Request::ResolveHost(ResolveHost(endpoint)) => Some(Capability::NetworkAccess(HostPattern::exact(endpoint))),
            Request::Connect(Connect { endpoint, address }) => {
                let pattern = HostPattern::exact(endpoint);
                // A public name that resolves to a private address is not a matter of grants.
                pattern
                    .matches_address(endpoint, *address)
                    .then_some(Capability::NetworkAccess(pattern))
            }
            Request::UseHttp(_) => Some(Capability::HttpClient),
            Request::ReadVariable(_) => Some(Capability::EnvAccess),
            Request::ReadClock(_) => Some(Capability::TimeAccess),
            Request::DrawRandom(_) => Some(Capability::RandomAccess),
            Request::UseCrypto(_) => Some(Capability::CryptoAccess),
            Request::CallFunction(CallFunction(function)) => Some(Capability::CallFunction(function.pattern())),
            Request::Administer(_) | Request::MakeSyscall(_) => None,
        }
    }

    /// The column `resource`: what it was about, without anything that may be a secret.
    pub fn resource(&self) -> Option<String> {
        match self {
            Request::ReadTable(ReadTable(object))
            | Request::CallFunction(CallFunction(object))
            | Request::WriteTable(WriteTable { table: object, action: _ }) => Some(object.qualified()),
            Request::RunDdl(ddl) => Some(ddl.describe()),
            Request::ReadFile(ReadFile(path)) | Request::WriteFile(WriteFile(path)) | Request::ListFolder(ListFolder(path)) => {
                Some(path.to_string())
            }
            Request::ResolveHost(ResolveHost(endpoint)) | Request::UseHttp(UseHttp(endpoint)) => Some(endpoint.to_string()),
            Request::Connect(Connect { endpoint, address }) => Some(format!("{endpoint} ({address})")),
            Request::ReadVariable(ReadVariable(name)) => Some(name.clone()),
            Request::ReadClock(_) | Request::DrawRandom(_) => None,
            Request::UseCrypto(UseCrypto(operation)) => Some((*operation).to_string()),
            Request::Administer(Administer { action, object }) if object.is_empty() => Some(action.name().to_string()),
            Request::Administer(Administer { action, object }) => Some(format!("{}: {object}", action.name())),
            Request::MakeSyscall(MakeSyscall(syscall)) => Some(syscall.name().to_string()),
        }
    }

    /// What permission is denied for: "table users".
    pub(crate) fn subject(&self) -> String {
        let short = |object: &ObjectName| if object.visible { object.name.clone() } else { object.qualified() };
        let subject = match self {
            Request::ReadTable(ReadTable(table)) | Request::WriteTable(WriteTable { table, action: _ }) => {
                format!("table {}", short(table))
            }
            Request::RunDdl(ddl) => ddl.describe(),
            Request::ReadFile(ReadFile(path)) | Request::WriteFile(WriteFile(path)) => format!("file \"{path}\""),
            Request::ListFolder(ListFolder(path)) => format!("folder \"{path}\""),
            Request::ResolveHost(ResolveHost(endpoint)) => format!("host {endpoint}"),
            Request::Connect(Connect { endpoint, address }) if is_public(*address) => format!("host {endpoint}"),
            Request::Connect(Connect { endpoint, address }) => format!("host {endpoint} at the non-public address {address}"),
            Request::UseHttp(UseHttp(endpoint)) => format!("HTTP to host {endpoint}"),
            Request::ReadVariable(ReadVariable(name)) => format!("environment variable \"{name}\""),
            Request::ReadClock(_) => "the system clock".to_string(),
            Request::DrawRandom(_) => "random numbers".to_string(),
            Request::UseCrypto(UseCrypto(operation)) => format!("cryptographic operation {operation}"),
            Request::CallFunction(CallFunction(function)) => format!("function {}", short(function)),
            Request::Administer(Administer { action, object: _ }) => format!("{} inside a function", action.name()),
            Request::MakeSyscall(MakeSyscall(syscall)) => format!("system call {syscall}"),
        };
        // Guests choose some of these texts, and they end up in terminals.
        subject.chars().map(|c| if c.is_control() { '?' } else { c }).take(300).collect()
    }

    /// Whether its effect leaves the database, where no rollback reaches it: its row in the log must be durable before it happens.
    pub(crate) fn is_irrevocable(&self) -> bool {
        match self {
            Request::WriteFile(_) | Request::ResolveHost(_) | Request::Connect(_) => true,
            Request::ReadTable(_)
            | Request::WriteTable(_)
            | Request::RunDdl(_)
            | Request::ReadFile(_)
            | Request::ListFolder(_)
            | Request::UseHttp(_)
            | Request::ReadVariable(_)
            | Request::ReadClock(_)
            | Request::DrawRandom(_)
            | Request::UseCrypto(_)
            | Request::CallFunction(_)
            | Request::Administer(_)
            | Request::MakeSyscall(_) => false,
        }
    }

    /// Whether it is DDL, which is on record whatever `audit_logging` says.
    pub(crate) fn is_definition(&self) -> bool {
        self.capability_kind() == Some(Kind::DatabaseExecute)
    }

    /// Whether every function of the call chain must hold the right. System calls are a matter between a module and its own policy; what they reach
    /// asks the chain again.
    pub(crate) fn is_of_the_chain(&self) -> bool {
        self.event_type() == EventType::CapabilityCheck
    }

    pub(crate) fn event_type(&self) -> EventType {
        match self {
            Request::MakeSyscall(_) => EventType::SyscallAttempt,
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
            | Request::Administer(_) => EventType::CapabilityCheck,
        }
    }

    /// Whether SQL's own privileges have a say in it too.
    pub(crate) fn needs_privilege(&self) -> bool {
        match self {
            Request::ReadTable(_) | Request::WriteTable(_) | Request::RunDdl(_) | Request::CallFunction(_) => true,
            Request::ReadFile(_)
            | Request::WriteFile(_)
            | Request::ListFolder(_)
            | Request::ResolveHost(_)
            | Request::Connect(_)
            | Request::UseHttp(_)
            | Request::ReadVariable(_)
            | Request::ReadClock(_)
            | Request::DrawRandom(_)
            | Request::UseCrypto(_)
            | Request::Administer(_)
            | Request::MakeSyscall(_) => false,
        }
    }
}

impl RunDdl {
    /// `CREATE TABLE public.users`.
    pub fn describe(&self) -> String {
        match &self.schema {
            Some(schema) if self.name.is_empty() => format!("{} {}", self.statement, NamePattern::of_name(schema)),
            None if self.name.is_empty() => self.statement.to_string(),
            Some(schema) => format!(
                "{} {}",
                self.statement,
                ObjectName::new(schema.clone(), self.name.clone(), false).qualified()
            ),
            None => format!("{} {}", self.statement, NamePattern::of_name(&self.name)),
        }
    }
}
