//! The kinds of things that the log tells.

macro_rules! event_types {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// What happened: the column `event_type`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum EventType {
            $($(#[$doc])* $name,)*
        }

        impl EventType {
            pub const ALL: &[EventType] = &[$(EventType::$name,)*];

            /// As the column shows it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(EventType::$name => stringify!($name),)*
                }
            }

            /// The type with exactly this name.
            pub fn from_name(name: &str) -> Option<EventType> {
                match name {
                    $(stringify!($name) => Some(EventType::$name),)*
                    _ => None,
                }
            }

            /// The byte that stands for it in stored rows. A code is never given a second meaning.
            pub const fn code(self) -> u8 {
                match self {
                    $(EventType::$name => $code,)*
                }
            }

            pub const fn from_code(code: u8) -> Option<EventType> {
                match code {
                    $($code => Some(EventType::$name),)*
                    _ => None,
                }
            }
        }
    };
}

event_types! {
    ExecutionStarted = 1,
    ExecutionCompleted = 2,
    ExecutionFailed = 3,
    /// One question to the gate, with its verdict.
    CapabilityCheck = 4,
    ResourceLimitExceeded = 5,
    DatabaseOperation = 6,
    FileOperation = 7,
    NetworkOperation = 8,
    SyscallAttempt = 9,
    FunctionCreated = 10,
    FunctionAltered = 11,
    FunctionDropped = 12,
    FunctionDisabled = 13,
    FunctionEnabled = 14,
    CapabilityGranted = 15,
    CapabilityRevoked = 16,
    PolicyCreated = 17,
    PolicyAltered = 18,
    PolicyDropped = 19,
    /// A function was given a policy.
    PolicyApplied = 20,
    LoginSucceeded = 21,
    LoginFailed = 22,
    AlertRaised = 23,
    /// Of a trigger on this log.
    TriggerCreated = 24,
    TriggerAltered = 25,
    TriggerDropped = 26,
    /// Old rows of this log were removed.
    AuditLogTrimmed = 27,
}

impl std::fmt::Display for EventType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_are_unique_and_come_back() {
        assert_eq!(EventType::ALL.len(), 27);
        let mut codes = std::collections::BTreeSet::new();
        for &event_type in EventType::ALL {
            assert!(codes.insert(event_type.code()));
            assert_eq!(EventType::from_code(event_type.code()), Some(event_type));
            assert_eq!(EventType::from_name(event_type.name()), Some(event_type));
        }
        assert_eq!(EventType::from_code(0), None);
        assert_eq!(EventType::from_code(28), None);
        assert_eq!(EventType::from_name("capabilitycheck"), None);
    }
}
