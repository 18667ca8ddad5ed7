//! Resource limits: the table of keys, defaults and maxima, and who set what.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::PolicyError;

/// What decides a function's default limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    JavaScript,
    Python,
    Wasm,
    Sql,
}

/// What one call may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub memory_bytes: u64,
    pub cpu_time_ms: u64,
    pub wall_time_ms: u64,
    pub instructions: u64,
    pub stack_bytes: u64,
    /// Open at once.
    pub file_handles: u64,
    /// Open at once.
    pub network_connections: u64,
    /// Of the function, over all sessions; none by default.
    pub concurrent_calls: Option<u64>,
    /// Rows of the audit log, those of the calls below included.
    pub audit_rows: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LimitKey {
    MaxMemoryBytes,
    MaxCpuTimeMs,
    MaxWallTimeMs,
    MaxInstructions,
    MaxStackBytes,
    MaxFileHandles,
    MaxNetworkConnections,
    MaxConcurrentCalls,
    MaxAuditRows,
}

const MIB: u64 = 1024 * 1024;

impl LimitKey {
    pub const ALL: &[LimitKey] = &[
        LimitKey::MaxMemoryBytes,
        LimitKey::MaxCpuTimeMs,
        LimitKey::MaxWallTimeMs,
        LimitKey::MaxInstructions,
        LimitKey::MaxStackBytes,
        LimitKey::MaxFileHandles,
        LimitKey::MaxNetworkConnections,
        LimitKey::MaxConcurrentCalls,
        LimitKey::MaxAuditRows,
    ];

    /// The key of a policy and of ALTER FUNCTION ... SET.
    pub const fn name(self) -> &'static str {
        match self {
            LimitKey::MaxMemoryBytes => "max_memory_bytes",
            LimitKey::MaxCpuTimeMs => "max_cpu_time_ms",
            LimitKey::MaxWallTimeMs => "max_wall_time_ms",
            LimitKey::MaxInstructions => "max_instructions",
            LimitKey::MaxStackBytes => "max_stack_bytes",
            LimitKey::MaxFileHandles => "max_file_handles",
            LimitKey::MaxNetworkConnections => "max_network_connections",
            LimitKey::MaxConcurrentCalls => "max_concurrent_calls",
            LimitKey::MaxAuditRows => "max_audit_rows",
        }
    }

    /// Keys have no case, like every unquoted name.
    pub fn from_name(name: &str) -> Option<LimitKey> {
        LimitKey::ALL.iter().copied().find(|key| key.name().eq_ignore_ascii_case(name))
    }

    /// None: no limit unless one is set.
    pub const fn default(self, language: Language) -> Option<u64> {
        match self {
            LimitKey::MaxMemoryBytes => match language {
                Language::JavaScript | Language::Wasm | Language::Sql => Some(16 * MIB),
                Language::Python => Some(32 * MIB),
            },
            LimitKey::MaxCpuTimeMs => Some(5_000),
            LimitKey::MaxWallTimeMs => Some(10_000),
            LimitKey::MaxInstructions => Some(10_000_000_000),
            LimitKey::MaxStackBytes => Some(2 * MIB),
            LimitKey::MaxFileHandles => Some(10),
            LimitKey::MaxNetworkConnections => Some(5),
            LimitKey::MaxConcurrentCalls => None,
            LimitKey::MaxAuditRows => Some(1_000_000),
        }
    }

    /// None: any number is allowed.
    pub const fn maximum(self) -> Option<u64> {
        match self {
            LimitKey::MaxMemoryBytes => Some(128 * MIB),
            LimitKey::MaxCpuTimeMs => Some(60_000),
            LimitKey::MaxWallTimeMs => Some(120_000),
            LimitKey::MaxInstructions => Some(100_000_000_000),
            LimitKey::MaxStackBytes => Some(8 * MIB),
            LimitKey::MaxFileHandles => Some(100),
            LimitKey::MaxNetworkConnections => Some(50),
            LimitKey::MaxConcurrentCalls => None,
            LimitKey::MaxAuditRows => Some(100_000_000),
        }
    }

    /// A value as somebody wrote it: refused, never clamped, where it is not from one to the maximum.
    pub fn check(self, value: &str) -> Result<u64, PolicyError> {
        let (negative, digits) = match value.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, value.strip_prefix('+').unwrap_or(value)),
        };
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(PolicyError::BadValue {
                key: self.name(),
                expected: "an integer",
            });
        }
        if negative || digits.bytes().all(|byte| byte == b'0') {
            return Err(PolicyError::NotPositive {
                key: self,
                value: value.to_string(),
            });
        }
        // What no u64 holds, and what no bigint column can show, is over any maximum.
        let largest = self.maximum().unwrap_or(i64::MAX.unsigned_abs());
        match digits.parse::<u64>() {
            Ok(value) if value <= largest => Ok(value),
            Ok(_) | Err(_) => Err(PolicyError::OverMaximum {
                key: self,
                value: value.to_string(),
                maximum: largest,
            }),
        }
    }
}

impl std::fmt::Display for LimitKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl Limits {
    pub fn default_for(language: Language) -> Limits {
        Limits::with(|key| key.default(language))
    }

    pub fn get(&self, key: LimitKey) -> Option<u64> {
        match key {
            LimitKey::MaxMemoryBytes => Some(self.memory_bytes),
            LimitKey::MaxCpuTimeMs => Some(self.cpu_time_ms),
            LimitKey::MaxWallTimeMs => Some(self.wall_time_ms),
            LimitKey::MaxInstructions => Some(self.instructions),
            LimitKey::MaxStackBytes => Some(self.stack_bytes),
            LimitKey::MaxFileHandles => Some(self.file_handles),
            LimitKey::MaxNetworkConnections => Some(self.network_connections),
            LimitKey::MaxConcurrentCalls => self.concurrent_calls,
            LimitKey::MaxAuditRows => Some(self.audit_rows),
        }
    }

    /// A key without a value, which no table of ours has but for concurrent calls, means none of it at all.
    pub(crate) fn with(value: impl Fn(LimitKey) -> Option<u64>) -> Limits {
        let some = |key| value(key).unwrap_or(0);
        Limits {
            memory_bytes: some(LimitKey::MaxMemoryBytes),
            cpu_time_ms: some(LimitKey::MaxCpuTimeMs),
            wall_time_ms: some(LimitKey::MaxWallTimeMs),
            instructions: some(LimitKey::MaxInstructions),
            stack_bytes: some(LimitKey::MaxStackBytes),
            file_handles: some(LimitKey::MaxFileHandles),
            network_connections: some(LimitKey::MaxNetworkConnections),
            concurrent_calls: value(LimitKey::MaxConcurrentCalls),
            audit_rows: some(LimitKey::MaxAuditRows),
        }
    }
}

/// The limits that a policy or a function sets; the others are left to whoever comes next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, u64>", into = "BTreeMap<String, u64>")]
pub struct LimitOverrides(BTreeMap<LimitKey, u64>);

impl LimitOverrides {
    /// `key` and `value` as they were written. Setting a key again replaces its value.
    pub fn set(&mut self, key: &str, value: &str) -> Result<LimitKey, PolicyError> {
        let key = LimitKey::from_name(key).ok_or_else(|| PolicyError::UnknownKey(key.to_string()))?;
        self.0.insert(key, key.check(value)?);
        Ok(key)
    }

    /// Back to the default of whoever comes next.
    pub fn reset(&mut self, key: LimitKey) {
        self.0.remove(&key);
    }

    pub fn get(&self, key: LimitKey) -> Option<u64> {
        self.0.get(&key).copied()
    }

    pub fn iter(&self) -> impl Iterator<Item = (LimitKey, u64)> {
        self.0.iter().map(|(key, value)| (*key, *value))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What `over` sets, else what this sets.
    pub fn overridden_by(&self, over: &LimitOverrides) -> LimitOverrides {
        let mut both = self.clone();
        both.0.extend(over.iter());
        both
    }

    pub(crate) fn half_of_maxima() -> LimitOverrides {
        LimitOverrides(LimitKey::ALL.iter().filter_map(|key| Some((*key, key.maximum()? / 2))).collect())
    }
}

impl TryFrom<BTreeMap<String, u64>> for LimitOverrides {
    type Error = PolicyError;

    /// Stored limits are checked like written ones: a damaged catalog must not lift a limit.
    fn try_from(stored: BTreeMap<String, u64>) -> Result<LimitOverrides, PolicyError> {
        let mut limits = LimitOverrides::default();
        for (key, value) in stored {
            limits.set(&key, &value.to_string())?;
        }
        Ok(limits)
    }
}

impl From<LimitOverrides> for BTreeMap<String, u64> {
    fn from(limits: LimitOverrides) -> BTreeMap<String, u64> {
        limits.iter().map(|(key, value)| (key.name().to_string(), value)).collect()
    }
}
