//! A request that was refused, and what would allow it.

use audit::AuditError;
use types::{SqlError, SqlState};

use crate::{Capability, Effective, FunctionName, Request, Syscall};

/// Why the gate gave no permit. Most of these are exceptions to a guest: see [`Denied::is_catchable`].
#[derive(Clone, Debug)]
pub enum Denied {
    /// The function, or one further up the call chain, lacks a capability.
    Lacking(Box<Lacking>),
    /// No function may do this, whatever it holds.
    Forbidden { subject: String, function: FunctionName },
    /// The caller's own SQL privileges do not allow it.
    Caller(SqlError),
    /// The function, or one further up the call chain, was disabled.
    Disabled { function: FunctionName },
    /// The function, or one further up the call chain, was dropped while it ran, or its rights cannot be read.
    Gone { function: FunctionName },
    /// A WASI call that the policy does not list. The guest's module sees an error number.
    Syscall {
        syscall: Syscall,
        function: FunctionName,
        violations: u32,
    },
    /// The function, or one further up the call chain, has left as many rows in the audit log as one call may.
    TooManyRows { function: FunctionName, limit: u64 },
    /// Something else failed, such as counting a violation.
    Failed(SqlError),
    /// The check could not be recorded.
    Unrecorded(AuditError),
}

#[derive(Clone, Debug)]
pub struct Lacking {
    pub subject: String,
    /// At least one.
    pub missing: Vec<Missing>,
}

/// What one function of the call chain lacks.
#[derive(Clone, Debug)]
pub struct Missing {
    pub function: FunctionName,
    /// None where no capability that can be spelled would allow it.
    pub capability: Option<Capability>,
    /// Its policy, and what it holds of the same kind.
    held: String,
}

/// Capabilities of the same kind that an error lists.
const MAX_LISTED: usize = 5;

impl Missing {
    pub(crate) fn new(function: &FunctionName, rights: &Effective, request: &Request<'_>) -> Missing {
        let held: Vec<String> = match request.capability_kind() {
            Some(kind) => rights.of_kind(kind).take(MAX_LISTED).map(Capability::to_string).collect(),
            None => vec![],
        };
        let kind = request.capability_kind().map_or("such", |kind| kind.name());
        let held = match held.is_empty() {
            true => format!(
                "Function {} has policy {} and holds no {kind} capability.",
                function.name, rights.policy
            ),
            false => format!(
                "Function {} has policy {} and holds {}.",
                function.name,
                rights.policy,
                held.join(", ")
            ),
        };
        Missing {
            function: function.clone(),
            capability: request.needed(),
            held,
        }
    }

    /// It holds a capability for it, from somebody who may not do this themselves.
    pub(crate) fn beyond_grantor(function: &FunctionName, rights: &Effective, request: &Request<'_>) -> Missing {
        let mut missing = Missing::new(function, rights, request);
        missing.held.push_str(" Who granted that has not the privileges for this.");
        missing
    }

    /// The statement that would allow it.
    pub fn grant(&self) -> Option<String> {
        let capability = self.capability.as_ref()?;
        Some(format!("ALTER FUNCTION {} GRANT CAPABILITY {capability};", self.function.reference))
    }
}

impl Denied {
    /// The capability that the innermost function lacks: what a guest's `CapabilityError` names.
    pub fn capability(&self) -> Option<&Capability> {
        match self {
            Denied::Lacking(lacking) => lacking.missing.iter().find_map(|missing| missing.capability.as_ref()),
            Denied::Forbidden { .. }
            | Denied::Caller(_)
            | Denied::Disabled { .. }
            | Denied::Gone { .. }
            | Denied::Syscall { .. }
            | Denied::TooManyRows { .. }
            | Denied::Failed(_)
            | Denied::Unrecorded(_) => None,
        }
    }

    /// Whether the guest may catch it and go on. A disabled function stops, and nothing goes on without its log.
    pub fn is_catchable(&self) -> bool {
        match self {
            Denied::Lacking(_) | Denied::Forbidden { .. } | Denied::Caller(_) | Denied::Syscall { .. } => true,
            Denied::Disabled { .. } | Denied::Gone { .. } | Denied::TooManyRows { .. } | Denied::Failed(_) | Denied::Unrecorded(_) => false,
        }
    }

    pub fn sqlstate(&self) -> SqlState {
        match self {
            Denied::Lacking(_) | Denied::Forbidden { .. } | Denied::Syscall { .. } | Denied::Unrecorded(_) => {
                SqlState::InsufficientPrivilege
            }
            Denied::Caller(error) | Denied::Failed(error) => error.state(),
            Denied::TooManyRows { .. } => SqlState::ProgramLimitExceeded,
            Denied::Disabled { .. } | Denied::Gone { .. } => SqlState::ObjectNotInPrerequisiteState,
        }
    }
}

impl std::fmt::Display for Denied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Denied::Lacking(lacking) => {
                write!(f, "permission denied for {}", lacking.subject)?;
                for (index, missing) in lacking.missing.iter().enumerate() {
                    let separator = if index == 0 { ':' } else { ',' };
                    match &missing.capability {
                        Some(capability) => write!(f, "{separator} function {} lacks capability {capability}", missing.function.name)?,
                        None => write!(f, "{separator} function {} lacks the capability", missing.function.name)?,
                    }
                }
                Ok(())
            }
            Denied::Forbidden { subject, function } => write!(
                f,
                "permission denied for {subject}: function {} cannot hold this right",
                function.name
            ),
            Denied::Caller(error) | Denied::Failed(error) => f.write_str(error.message()),
            Denied::Disabled { function } => write!(f, "function {} is disabled", function.name),
            Denied::Gone { function } => write!(f, "function {} was dropped while it ran", function.name),
            Denied::Syscall {
                syscall,
                function,
                violations: _,
            } => {
                write!(
                    f,
                    "permission denied for system call {syscall}: the policy of function {} does not allow it",
                    function.name
                )
            }
            Denied::TooManyRows { function, limit } => write!(f, "function {} exceeded its limit of {limit} audit rows", function.name),
            Denied::Unrecorded(_) => f.write_str("permission denied: the check could not be recorded in the audit log"),
        }
    }
}

impl std::error::Error for Denied {}

impl From<Denied> for SqlError {
    fn from(denied: Denied) -> SqlError {
        let error = SqlError::new(denied.sqlstate(), denied.to_string());
        match denied {
            Denied::Lacking(lacking) => {
                let details: Vec<&str> = lacking.missing.iter().map(|missing| missing.held.as_str()).collect();
                let grants: Vec<String> = lacking.missing.iter().filter_map(Missing::grant).collect();
                let mut detail = details.join(" ");
                if lacking
                    .missing
                    .iter()
                    .filter_map(|missing| missing.capability.as_ref())
                    .any(Capability::is_superuser_only)
                {
                    detail.push_str(" Only a superuser can grant it.");
                }
                let error = error.detail(detail);
                // A grant to one function is no use while another, whose grant cannot be spelled, stands in the way.
                if grants.len() == lacking.missing.len() {
                    error.hint(grants.join(" "))
                } else {
                    error
                }
            }
            Denied::Forbidden { .. } => {
                error.detail("No function may grant capabilities, change functions, policies or roles, or write to system schemas.")
            }
            Denied::Caller(error) | Denied::Failed(error) => error,
            Denied::TooManyRows { limit, .. } => error.detail(format!("max_audit_rows = {limit}")),
            Denied::Gone { .. } => error.detail("Its rights can no longer be read, so it holds none."),
            Denied::Disabled { function } => error.hint(format!("ALTER FUNCTION {} SET ENABLED = true;", function.reference)),
            Denied::Syscall { violations, .. } => {
                let maximum = crate::MAX_VIOLATIONS;
                error.detail(format!(
                    "This is violation {violations}; a function is disabled at its {maximum}th."
                ))
            }
            Denied::Unrecorded(cause) => error.detail(format!("{cause}.")),
        }
    }
}
