//! What one function holds: as the catalog stores it, and resolved against its policy.

use serde::{Deserialize, Serialize};
use types::{SqlError, SqlState};

use crate::{Capability, Kind, Language, LimitKey, LimitOverrides, Limits, Policy, SyscallSet};

/// A function's rights as the catalog stores them: a policy by name, and how the function differs from it. The policy's content
/// stays in the policy, so that a changed policy changes its functions.
///
/// Of the JSON the same holds as of [`Policy`]'s: what this version does not know is an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rights {
    pub policy: String,
    /// Capabilities that were granted to this function.
    #[serde(default)]
    granted: Vec<Capability>,
    /// Capabilities of the policy that were revoked from this function.
    #[serde(default)]
    revoked: Vec<Capability>,
    /// Limits that were set on this function.
    #[serde(default)]
    pub limits: LimitOverrides,
    #[serde(default)]
    pub mode: Mode,
    /// Who granted or chose what, where that was not a superuser.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    grantors: Vec<Grantor>,
    /// Who chose the policy, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    policy_grantor: Option<u32>,
}

/// Whose own SQL privileges bound a capability.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grantor {
    capability: Capability,
    /// The role's OID. None: a superuser has granted what the policy of another holds.
    role: Option<u32>,
}

/// What a missing capability means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    #[default]
    Enforce,
    /// It is recorded as one that would have denied, and allowed within the caller's own rights: to find out what a function needs.
    Record,
}

impl Mode {
    /// `enforce` or `record`.
    pub const fn name(self) -> &'static str {
        match self {
            Mode::Enforce => "enforce",
            Mode::Record => "record",
        }
    }
}

impl Default for Rights {
    /// A new function's: pure computation.
    fn default() -> Rights {
        Rights::of(Policy::minimal())
    }
}

impl Rights {
    /// SET SECURITY POLICY: replaces capabilities, limits and mode.
    pub fn of(policy: &Policy) -> Rights {
        Rights {
            policy: policy.name.clone(),
            granted: Vec::new(),
            revoked: Vec::new(),
            limits: LimitOverrides::default(),
            mode: Mode::Enforce,
            grantors: Vec::new(),
            policy_grantor: None,
        }
    }

    /// The same, chosen by a role whose own privileges bound what the policy holds. None: a superuser.
    pub fn chosen_by(policy: &Policy, role: Option<u32>) -> Rights {
        Rights {
            policy_grantor: role,
            ..Rights::of(policy)
        }
    }

    /// GRANT CAPABILITY by a role whose own privileges bound it from then on; None: by a superuser, whose do not. False where nothing
    /// changes.
    pub fn grant_by(&mut self, capability: Capability, policy: &Policy, role: Option<u32>) -> bool {
        let bounded_by = self
            .held(policy)
            .find(|held| held.capability == capability)
            .map(|held| held.bounded_by);
        match bounded_by {
            // What a superuser gave is not made less, nor is the same said again.
            Some(None) => return false,
            Some(Some(other)) if role == Some(other) => return false,
            Some(Some(_)) => {}
            None => {
                self.grant(capability.clone(), policy);
            }
        }
        self.grantors.retain(|grantor| grantor.capability != capability);
        if role.is_some() || self.policy_grantor.is_some() {
            self.grantors.push(Grantor { capability, role });
        }
        true
    }

    /// GRANT CAPABILITY. False where the function held just this already.
    pub fn grant(&mut self, capability: Capability, policy: &Policy) -> bool {
        if self.held(policy).any(|held| held.capability == capability) {
            return false;
        }
        let revoked = self.revoked.len();
        self.revoked.retain(|revoked| *revoked != capability);
        if self.revoked.len() == revoked {
            self.granted.push(capability);
        }
        true
    }

    /// REVOKE CAPABILITY: takes away every capability that this one covers, so also narrower ones, whether granted or the policy's. An error, and
    /// nothing changed, where that would take nothing away.
    pub fn revoke(&mut self, capability: &Capability, policy: &Policy) -> Result<Revocation, RevokeError> {
        let (removed, kept): (Vec<Held>, Vec<Held>) = self.held(policy).partition(|held| capability.covers(&held.capability));
        let still_held: Vec<Capability> = kept
            .into_iter()
            .map(|held| held.capability)
            .filter(|held| held.overlaps(capability))
            .collect();
        if removed.is_empty() {
            return Err(RevokeError {
                capability: capability.clone(),
                still_held,
            });
        }
        self.granted.retain(|granted| !capability.covers(granted));
        let from_policy = removed
            .iter()
            .filter(|held| held.source == Source::Policy)
            .map(|held| held.capability.clone());
        self.revoked.extend(from_policy);
        self.grantors.retain(|grantor| !capability.covers(&grantor.capability));
        Ok(Revocation {
            removed: removed.into_iter().map(|held| held.capability).collect(),
            still_held,
        })
    }

    /// What the function holds under this policy, which must be the one that it names.
    pub fn held(&self, policy: &Policy) -> impl Iterator<Item = Held> {
        let from_policy = policy.capabilities.iter().filter(|capability| !self.revoked.contains(capability));
        let from_policy: Vec<Held> = from_policy
            .map(|capability| Held {
                capability: capability.clone(),
                source: Source::Policy,
                bounded_by: self.grantor(capability).unwrap_or(self.policy_grantor),
            })
            .collect();
        let granted = self
            .granted
            .iter()
            .filter(|capability| !from_policy.iter().any(|held| held.capability == **capability));
        let granted: Vec<Held> = granted
            .map(|capability| Held {
                capability: capability.clone(),
                source: Source::Grant,
                bounded_by: self.grantor(capability).flatten(),
            })
            .collect();
        from_policy.into_iter().chain(granted)
    }

    fn grantor(&self, capability: &Capability) -> Option<Option<u32>> {
        let grantor = self.grantors.iter().find(|grantor| grantor.capability == *capability)?;
        Some(grantor.role)
    }

    /// The limits under this policy: what the function sets, else what the policy sets, else the language's default.
    pub fn limits(&self, policy: &Policy, language: Language) -> Limits {
        let set = policy.limits.overridden_by(&self.limits);
        Limits::with(|key: LimitKey| set.get(key).or_else(|| key.default(language)))
    }

    /// Everything at once, for the gate. `enabled` is the function's own switch.
    pub fn resolve(&self, policy: &Policy, language: Language, enabled: bool) -> Effective {
        Effective {
            policy: policy.name.clone(),
            capabilities: self.held(policy).collect(),
            limits: self.limits(policy, language),
            syscalls: SyscallSet::default_allowed().with(policy.allowed_syscalls.iter().copied()),
            audit_logging: policy.audit_logging,
            enabled,
            mode: self.mode,
        }
    }
}

/// A function's rights at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The policy's name.
    pub policy: String,
    pub capabilities: Vec<Held>,
    pub limits: Limits,
    pub syscalls: SyscallSet,
    pub audit_logging: bool,
    pub enabled: bool,
    pub mode: Mode,
}

impl Effective {
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Capability> {
        self.capabilities
            .iter()
            .map(|held| &held.capability)
            .filter(move |capability| capability.kind() == kind)
    }
}

/// A capability and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub capability: Capability,
    pub source: Source,
    /// The role whose own SQL privileges bound what it allows, as they are at each check: who gave it, unless that was a superuser.
    pub bounded_by: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Policy,
    Grant,
}

/// What a revoke took away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    pub removed: Vec<Capability>,
    /// Wider or crossing capabilities that the function keeps and that may allow some of the same: worth a notice.
    pub still_held: Vec<Capability>,
}

/// The function holds nothing that the revoked capability covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokeError {
    pub capability: Capability,
    /// What it holds that allows some of the same all the same.
    pub still_held: Vec<Capability>,
}

impl std::fmt::Display for RevokeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "function does not hold capability {}", self.capability)
    }
}

impl std::error::Error for RevokeError {}

impl From<RevokeError> for SqlError {
    fn from(error: RevokeError) -> SqlError {
        let sql = SqlError::new(SqlState::UndefinedObject, error.to_string());
        if error.still_held.is_empty() {
            return sql;
        }
        let held: Vec<String> = error.still_held.iter().map(Capability::to_string).collect();
        sql.detail(format!("It holds {}, which allows some of the same.", held.join(", ")))
            .hint(format!(
                "Revoke that, and grant again what is to stay: REVOKE CAPABILITY {};",
                held.join(", ")
            ))
    }
}
