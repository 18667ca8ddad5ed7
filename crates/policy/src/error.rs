//! What can be wrong with a capability, a policy or a limit as somebody wrote it. Each error names what it is about.

use types::{SqlError, SqlState};

use crate::{Kind, LimitKey};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyError {
    Syntax {
        near: String,
    },
    UnknownCapability(String),
    /// `DATABASE_READ` without its `('...')`.
    MissingPattern(Kind),
    /// `TIME_ACCESS('...')`.
    UnexpectedPattern(Kind),
    BadPattern {
        kind: Kind,
        pattern: String,
        why: &'static str,
    },
    UnknownSyscall(String),
    UnknownKey(String),
    DuplicateKey(String),
    /// The value is of the wrong sort for its key.
    BadValue {
        key: &'static str,
        expected: &'static str,
    },
    NotPositive {
        key: LimitKey,
        value: String,
    },
    OverMaximum {
        key: LimitKey,
        value: String,
        maximum: u64,
    },
    /// The name belongs to a predefined policy or is an alias of one.
    PredefinedName(String),
    /// Neither an absolute, canonical path, nor one that could be made so here.
    NotCanonical {
        path: String,
        why: &'static str,
    },
    NotAHost {
        host: String,
        why: &'static str,
    },
}

/// An error and the byte offset into the parsed text where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    pub error: PolicyError,
    pub at: usize,
}

impl PolicyError {
    pub fn at(self, at: usize) -> Located {
        Located { error: self, at }
    }

    pub fn sqlstate(&self) -> SqlState {
        match self {
            PolicyError::Syntax { .. }
            | PolicyError::MissingPattern(_)
            | PolicyError::UnexpectedPattern(_)
            | PolicyError::DuplicateKey(_) => SqlState::SyntaxError,
            PolicyError::UnknownCapability(_) | PolicyError::UnknownSyscall(_) | PolicyError::UnknownKey(_) => SqlState::UndefinedObject,
            PolicyError::BadPattern { .. }
            | PolicyError::BadValue { .. }
            | PolicyError::NotPositive { .. }
            | PolicyError::OverMaximum { .. }
            | PolicyError::NotCanonical { .. }
            | PolicyError::NotAHost { .. } => SqlState::InvalidParameterValue,
            PolicyError::PredefinedName(_) => SqlState::ReservedName,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            PolicyError::UnknownCapability(_) => {
                let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
                Some(format!("The capabilities are {}.", names.join(", ")))
            }
            PolicyError::MissingPattern(kind) => Some(format!("Write {}.", kind.example())),
            PolicyError::UnexpectedPattern(kind) => Some(format!("Write {} alone.", kind.name())),
            PolicyError::UnknownKey(_) => {
                let names: Vec<&str> = LimitKey::ALL.iter().map(|key| key.name()).collect();
                Some(format!(
                    "The keys are capabilities, allowed_syscalls, audit_logging, {}.",
                    names.join(", ")
                ))
            }
            PolicyError::UnknownSyscall(_) => Some("The names are those of WASI preview 1, such as clock_time_get.".to_string()),
            PolicyError::PredefinedName(_) => Some("Choose another name for the policy.".to_string()),
            PolicyError::Syntax { .. }
            | PolicyError::BadPattern { .. }
            | PolicyError::DuplicateKey(_)
            | PolicyError::BadValue { .. }
            | PolicyError::NotPositive { .. }
            | PolicyError::OverMaximum { .. }
            | PolicyError::NotCanonical { .. }
            | PolicyError::NotAHost { .. } => None,
        }
    }
}

impl std::fmt::Display for PolicyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PolicyError::Syntax { near } if near.is_empty() => f.write_str("syntax error at end of input"),
            PolicyError::Syntax { near } => write!(f, "syntax error at or near \"{near}\""),
            PolicyError::UnknownCapability(name) => write!(f, "unrecognized capability \"{name}\""),
            PolicyError::MissingPattern(kind) => write!(f, "capability {kind} needs a pattern"),
            PolicyError::UnexpectedPattern(kind) => write!(f, "capability {kind} takes no pattern"),
            PolicyError::BadPattern { kind, pattern, why } => write!(f, "invalid pattern \"{pattern}\" for capability {kind}: {why}"),
            PolicyError::UnknownSyscall(name) => write!(f, "unrecognized syscall \"{name}\""),
            PolicyError::UnknownKey(key) => write!(f, "unrecognized security policy parameter \"{key}\""),
            PolicyError::DuplicateKey(key) => write!(f, "security policy parameter \"{key}\" specified more than once"),
            PolicyError::BadValue { key, expected } => write!(f, "invalid value for parameter \"{key}\": {expected} is needed"),
            PolicyError::NotPositive { key, value } => write!(f, "invalid value for parameter \"{key}\": {value} is not greater than zero"),
            PolicyError::OverMaximum { key, value, maximum } => {
                write!(f, "invalid value for parameter \"{key}\": {value} is over the maximum of {maximum}")
            }
            PolicyError::PredefinedName(name) => write!(f, "security policy name \"{name}\" is reserved"),
            PolicyError::NotCanonical { path, why } => write!(f, "invalid path \"{path}\": {why}"),
            PolicyError::NotAHost { host, why } => write!(f, "invalid host \"{host}\": {why}"),
        }
    }
}

impl std::error::Error for PolicyError {}

impl From<PolicyError> for SqlError {
    fn from(error: PolicyError) -> SqlError {
        let sql = SqlError::new(error.sqlstate(), error.to_string());
        match error.hint() {
            Some(hint) => sql.hint(hint),
            None => sql,
        }
    }
}

impl From<Located> for SqlError {
    /// Without a position, which only the caller can work out: it knows where the parsed text began.
    fn from(located: Located) -> SqlError {
        located.error.into()
    }
}
