//! What can go wrong with a sandboxed function, by whose fault it is.

use policy::Limits;
use types::{SqlError, SqlState};

use crate::budget::Budget;

/// Whose fault it is that a function could not be prepared or did not end well.
#[derive(Clone, Debug)]
pub enum Error {
    /// The body cannot be compiled. Line and column count from 1, inside the body.
    Syntax {
        language: &'static str,
        message: String,
        line: u32,
        column: u32,
    },
    /// The body compiles but is not a definition of the function that was declared.
    Definition {
        message: String,
        detail: Option<String>,
        hint: Option<String>,
    },
    /// The guest threw, and nobody in the guest caught it.
    Guest {
        function: String,
        language: &'static str,
        message: String,
        line: Option<u32>,
        stack: String,
    },
    /// A limit of the call was hit. The guest cannot catch it.
    Limit { function: String, limit: Limit, value: u64 },
    /// The result, or an argument, does not fit its SQL type.
    Value(SqlError),
    /// A host call failed and the guest let the failure pass: the client gets the original.
    Refused(SqlError),
    /// The statement was cancelled, timed out, or its function was disabled.
    Cancelled(SqlError),
    /// What this version cannot do.
    Unsupported(String),
    /// Our own fault, or the operating system's.
    Host(String),
}

/// The limits of spec section 4 that the sandbox itself enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    Memory,
    CpuTime,
    WallTime,
    Instructions,
    Stack,
    /// Functions that call functions that call functions.
    CallDepth,
    FileHandles,
    NetworkConnections,
    /// Calls of one function at a time, in all sessions. Whoever starts them counts them: see [`Error::too_many_calls`].
    ConcurrentCalls,
    /// What the call and those below it leave in the audit log. The gate counts.
    AuditRows,
}

impl Limit {
    /// The policy key that sets it.
    pub fn key(self) -> &'static str {
        match self {
            Limit::Memory => "max_memory_bytes",
            Limit::CpuTime => "max_cpu_time_ms",
            Limit::WallTime => "max_wall_time_ms",
            Limit::Instructions => "max_instructions",
            Limit::Stack => "max_stack_bytes",
            Limit::CallDepth => "max_call_depth",
            Limit::FileHandles => "max_file_handles",
            Limit::NetworkConnections => "max_network_connections",
            Limit::ConcurrentCalls => "max_concurrent_calls",
            Limit::AuditRows => "max_audit_rows",
        }
    }

    /// What the limits of a call say of it.
    pub(crate) fn value(self, limits: &Limits) -> u64 {
        match self {
            Limit::Memory => limits.memory_bytes,
            Limit::CpuTime => limits.cpu_time_ms,
            Limit::WallTime => limits.wall_time_ms,
            Limit::Instructions => limits.instructions,
            Limit::Stack => limits.stack_bytes,
            Limit::CallDepth => u64::from(policy::MAX_CALL_DEPTH),
            Limit::FileHandles => limits.file_handles,
            Limit::NetworkConnections => limits.network_connections,
            Limit::ConcurrentCalls => limits.concurrent_calls.unwrap_or(u64::MAX),
            Limit::AuditRows => limits.audit_rows,
        }
    }

    fn describe(self, value: u64) -> String {
        match self {
            Limit::Memory => format!("memory limit of {value} bytes"),
            Limit::CpuTime => format!("CPU time limit of {value} ms"),
            Limit::WallTime => format!("wall time limit of {value} ms"),
            Limit::Instructions => format!("instruction limit of {value}"),
            Limit::Stack => format!("stack limit of {value} bytes"),
            Limit::CallDepth => format!("call depth limit of {value}"),
            Limit::FileHandles => format!("limit of {value} open files"),
            Limit::NetworkConnections => format!("limit of {value} open network connections"),
            Limit::ConcurrentCalls => format!("limit of {value} concurrent calls"),
            Limit::AuditRows => format!("limit of {value} audit rows"),
        }
    }

    fn state(self) -> SqlState {
        match self {
            Limit::Memory
            | Limit::Instructions
            | Limit::FileHandles
            | Limit::NetworkConnections
            | Limit::ConcurrentCalls
            | Limit::AuditRows => SqlState::ProgramLimitExceeded,
            Limit::Stack | Limit::CallDepth => SqlState::StatementTooComplex,
            Limit::CpuTime | Limit::WallTime => SqlState::QueryCanceled,
        }
    }
}

impl Error {
    /// As many calls of the function run as its limit allows: this one, whose budget it is, does not begin, and the calls above it end.
    pub fn too_many_calls(budget: &Budget) -> Error {
        let (function, value) = budget.exceeded(Limit::ConcurrentCalls);
        let error = Error::Limit {
            function,
            limit: Limit::ConcurrentCalls,
            value,
        };
        budget.end_callers(&SqlError::from(error.clone()));
        error
    }

    /// The wall time of the call is over, and its guest does not run.
    pub fn out_of_time(budget: &Budget) -> Error {
        let (function, value) = budget.exceeded(Limit::WallTime);
        Error::Limit {
            function,
            limit: Limit::WallTime,
            value,
        }
    }

    /// As many calls are above this one as may be: it does not begin, and those above it end.
    pub fn too_deep(budget: &Budget) -> Error {
        let (function, value) = budget.exceeded(Limit::CallDepth);
        let error = Error::Limit {
            function,
            limit: Limit::CallDepth,
            value,
        };
        budget.end_callers(&SqlError::from(error.clone()));
        error
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(SqlError::from(self.clone()).message())
    }
}

impl std::error::Error for Error {}

impl From<Error> for SqlError {
    fn from(error: Error) -> SqlError {
        match error {
            Error::Syntax {
                language,
                message,
                line,
                column,
            } => SqlError::new(SqlState::SyntaxError, message)
                .detail(format!("The error is at line {line}, column {column} of the function body."))
                .context(format!("{language} function body, line {line}, column {column}")),
            Error::Definition { message, detail, hint } => {
                let mut error = SqlError::new(SqlState::InvalidFunctionDefinition, message);
                if let Some(detail) = detail {
                    error = error.detail(detail);
                }
                if let Some(hint) = hint {
                    error = error.hint(hint);
                }
                error
            }
            Error::Guest {
                function,
                language,
                message,
                line,
                stack,
            } => {
                let mut context = format!("{language} function {function}");
                if let Some(line) = line {
                    context.push_str(&format!(", line {line}"));
                }
                if !stack.is_empty() {
                    context.push('\n');
                    context.push_str(&stack);
                }
                SqlError::new(SqlState::ExternalRoutineException, message).context(context)
            }
            Error::Limit { function, limit, value } => {
                SqlError::new(limit.state(), format!("function {function} exceeded its {}", limit.describe(value)))
                    .detail(format!("{} = {value}", limit.key()))
            }
            Error::Value(error) | Error::Refused(error) | Error::Cancelled(error) => error,
            Error::Unsupported(what) => SqlError::unsupported(what),
            Error::Host(message) => SqlError::internal(message),
        }
    }
}
