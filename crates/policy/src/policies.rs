//! Security policies: the three predefined ones and those that are made by SQL.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::{Capability, Definition, HostPattern, LimitOverrides, NamePattern, PolicyError, Syscall};

/// A named set of capabilities and limits. Its JSON is stored in the catalog: fields are only ever added, with a default
/// that holds no right, and a field that this version does not know is an error rather than a restriction that is skipped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    pub name: String,
    #[serde(default)]
    pub capabilities: Vec<Capability>,
    #[serde(default)]
    pub limits: LimitOverrides,
    /// What is allowed beside the default five.
    #[serde(default)]
    pub allowed_syscalls: Vec<Syscall>,
    /// False silences routine rows of the log.
    #[serde(default = "yes")]
    pub audit_logging: bool,
}

fn yes() -> bool {
    true
}

static MINIMAL: LazyLock<Policy> = LazyLock::new(|| predefined("MINIMAL", vec![], LimitOverrides::default()));

static DEFAULT: LazyLock<Policy> = LazyLock::new(|| predefined("DEFAULT", basic(), LimitOverrides::default()));

static PERMISSIVE: LazyLock<Policy> = LazyLock::new(|| {
    let mut capabilities = basic();
    if let (Ok(names), Ok(hosts)) = (NamePattern::parse("*"), HostPattern::parse("*")) {
        capabilities.extend([
            Capability::DatabaseRead(names.clone()),
            Capability::DatabaseWrite(names.clone()),
            Capability::NetworkAccess(hosts),
            Capability::HttpClient,
            Capability::EnvAccess,
            Capability::CallFunction(names),
        ]);
    }
    predefined("PERMISSIVE", capabilities, LimitOverrides::half_of_maxima())
});

fn predefined(name: &str, capabilities: Vec<Capability>, limits: LimitOverrides) -> Policy {
    Policy {
        name: name.to_string(),
        capabilities,
        limits,
        allowed_syscalls: vec![],
        audit_logging: true,
    }
}

fn basic() -> Vec<Capability> {
    vec![Capability::TimeAccess, Capability::RandomAccess, Capability::CryptoAccess]
}

impl Policy {
    /// What a new function holds: nothing.
    pub fn minimal() -> &'static Policy {
        &MINIMAL
    }

    pub fn default_policy() -> &'static Policy {
        &DEFAULT
    }

    pub fn permissive() -> &'static Policy {
        &PERMISSIVE
    }

    /// The predefined policy that the name stands for, in whatever case. The security profiles low, medium and high are aliases: a high
    /// profile leaves the least.
    pub fn predefined(name: &str) -> Option<&'static Policy> {
        match name.to_ascii_lowercase().as_str() {
            "minimal" | "high" => Some(Policy::minimal()),
            "default" | "medium" => Some(Policy::default_policy()),
            "permissive" | "low" => Some(Policy::permissive()),
            _ => None,
        }
    }

    pub fn all_predefined() -> [&'static Policy; 3] {
        [Policy::minimal(), Policy::default_policy(), Policy::permissive()]
    }

    /// CREATE SECURITY POLICY. What the definition leaves out is as in MINIMAL.
    pub fn new(name: impl Into<String>, definition: Definition) -> Result<Policy, PolicyError> {
        let name = name.into();
        if Policy::predefined(&name).is_some() {
            return Err(PolicyError::PredefinedName(name));
        }
        let mut policy = predefined(&name, vec![], LimitOverrides::default());
        policy.alter(definition);
        Ok(policy)
    }

    /// ALTER SECURITY POLICY: replaces what the definition names, key by key, and leaves the rest.
    pub fn alter(&mut self, definition: Definition) {
        let Definition {
            capabilities,
            limits,
            allowed_syscalls,
            audit_logging,
        } = definition;
        if let Some(capabilities) = capabilities {
            self.capabilities = capabilities;
        }
        if let Some(allowed_syscalls) = allowed_syscalls {
            self.allowed_syscalls = allowed_syscalls;
        }
        if let Some(audit_logging) = audit_logging {
            self.audit_logging = audit_logging;
        }
        self.limits = self.limits.overridden_by(&limits);
    }
}
