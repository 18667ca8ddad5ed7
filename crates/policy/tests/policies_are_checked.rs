//! Policy definitions, limits and what one function makes of its policy.

use policy::{Capability, Definition, Language, LimitKey, LimitOverrides, Limits, Mode, Policy, Rights, Source, Syscall, SyscallSet};
use types::{SqlError, SqlState};

const MIB: u64 = 1024 * 1024;

fn capability(text: &str) -> Capability {
    Capability::parse(text).unwrap()
}

fn texts<'a>(capabilities: impl IntoIterator<Item = &'a Capability>) -> Vec<String> {
    capabilities.into_iter().map(Capability::to_string).collect()
}

#[test]
fn the_documents_own_policy() {
    let text = "(\n  capabilities: [DATABASE_READ('public_*'), TIME_ACCESS],\n  max_memory_bytes: 4194304,  -- 4MB\n  max_cpu_time_ms: 1000,\n  max_wall_time_ms: 2000,\n  \
        audit_logging: true,\n  allowed_syscalls: ['clock_time_get']\n)";
    let policy = Policy::new("strict_read_only", Definition::parse(text).unwrap()).unwrap();
    assert_eq!(texts(&policy.capabilities), ["DATABASE_READ('public_*')", "TIME_ACCESS"]);
    assert_eq!(policy.limits.get(LimitKey::MaxMemoryBytes), Some(4 * MIB));
    assert!(policy.audit_logging);
    let limits = Rights::of(&policy).limits(&policy, Language::Python);
    let default = Limits::default_for(Language::Python);
    assert_eq!(
        limits,
        Limits {
            memory_bytes: 4 * MIB,
            cpu_time_ms: 1000,
            wall_time_ms: 2000,
            ..default
        }
    );
    let json = serde_json::to_string(&policy).unwrap();
    let stored = r#"{"name":"strict_read_only","capabilities":["DATABASE_READ('public_*')","TIME_ACCESS"],"limits":{"max_cpu_time_ms":1000,"max_memory_bytes":4194304,"max_wall_time_ms":2000},"allowed_syscalls":["clock_time_get"],"audit_logging":true}"#;
    assert_eq!(json, stored);
    assert_eq!(serde_json::from_str::<Policy>(stored).unwrap(), policy);
}

#[test]
fn an_empty_definition_is_minimal() {
    let policy = Policy::new("p", Definition::parse(" ( ) ").unwrap()).unwrap();
    assert_eq!(
        policy,
        Policy {
            name: "p".into(),
            ..Policy::minimal().clone()
        }
    );
    let all = Definition::parse("(CAPABILITIES: [], Allowed_Syscalls: [], AUDIT_LOGGING: FALSE)").unwrap();
    assert_eq!(
        (all.capabilities, all.allowed_syscalls, all.audit_logging),
        (Some(vec![]), Some(vec![]), Some(false))
    );
}

#[test]
fn alter_replaces_what_it_names() {
    let mut policy = Policy::new(
        "p",
        Definition::parse("(capabilities: [TIME_ACCESS], max_cpu_time_ms: 1, max_wall_time_ms: 2)").unwrap(),
    )
    .unwrap();
    policy.alter(Definition::parse("(max_cpu_time_ms: 3, audit_logging: false)").unwrap());
    assert_eq!(texts(&policy.capabilities), ["TIME_ACCESS"]);
    assert_eq!(
        (
            policy.limits.get(LimitKey::MaxCpuTimeMs),
            policy.limits.get(LimitKey::MaxWallTimeMs)
        ),
        (Some(3), Some(2))
    );
    assert!(!policy.audit_logging);
    policy.alter(Definition::parse("(capabilities: [])").unwrap());
    assert!(policy.capabilities.is_empty());
}

fn check_error(text: &str, message: &str, state: SqlState, near: &str) {
    let located = Definition::parse(text).expect_err(text);
    assert!(text[located.at..].starts_with(near), "{text}: at {}", located.at);
    let error = SqlError::from(located);
    assert_eq!((error.message(), error.state()), (message, state), "{text}");
}

#[test]
fn every_error_names_its_cause() {
    use SqlState::{InvalidParameterValue as Value, SyntaxError as Syntax, UndefinedObject as Unknown};
    check_error(
        "(max_fun: 1)",
        "unrecognized security policy parameter \"max_fun\"",
        Unknown,
        "max_fun",
    );
    check_error("(capabilities: [FLY])", "unrecognized capability \"FLY\"", Unknown, "FLY");
    check_error("(allowed_syscalls: ['open'])", "unrecognized syscall \"open\"", Unknown, "'open'");
    check_error(
        "(max_cpu_time_ms: 1, MAX_CPU_TIME_MS: 2)",
        "security policy parameter \"max_cpu_time_ms\" specified more than once",
        Syntax,
        "MAX",
    );
    check_error(
        "(capabilities: [], capabilities: [])",
        "security policy parameter \"capabilities\" specified more than once",
        Syntax,
        "capabilities: [])",
    );
    check_error(
        "(audit_logging: true, audit_logging: true)",
        "security policy parameter \"audit_logging\" specified more than once",
        Syntax,
        "audit_logging: true)",
    );
    check_error(
        "(max_cpu_time_ms: 'x')",
        "invalid value for parameter \"max_cpu_time_ms\": an integer is needed",
        Value,
        "'x'",
    );
    check_error(
        "(max_cpu_time_ms: [1])",
        "invalid value for parameter \"max_cpu_time_ms\": an integer is needed",
        Value,
        "[1]",
    );
    check_error(
        "(audit_logging: 1)",
        "invalid value for parameter \"audit_logging\": true or false is needed",
        Value,
        "1",
    );
    check_error(
        "(capabilities: TIME_ACCESS)",
        "invalid value for parameter \"capabilities\": a list of capabilities in brackets is needed",
        Value,
        "TIME",
    );
    check_error("(capabilities: [TIME_ACCESS,])", "syntax error at or near \"]\"", Syntax, "]");
    check_error("(max_cpu_time_ms: 1,)", "syntax error at or near \")\"", Syntax, ")");
    check_error("(max_cpu_time_ms 1)", "syntax error at or near \"1\"", Syntax, "1");
    check_error("(max_cpu_time_ms: 1.5)", "syntax error at or near \"1.5\"", Syntax, "1.5");
    check_error("(max_cpu_time_ms: 1", "syntax error at end of input", Syntax, "");
    check_error("(max_cpu_time_ms: 1) x", "syntax error at or near \"x\"", Syntax, "x");
    check_error("max_cpu_time_ms: 1", "syntax error at or near \"max_cpu_time_ms\"", Syntax, "max");
    check_error("(/* )", "syntax error at or near \"/*\"", Syntax, "/*");
}

#[test]
fn limits_are_refused_never_clamped() {
    use SqlState::InvalidParameterValue;
    for key in LimitKey::ALL {
        let refused = |value: &str, why: &str| {
            let error = SqlError::from(LimitOverrides::default().set(key.name(), value).unwrap_err());
            assert_eq!(
                (error.message(), error.state()),
                (
                    format!("invalid value for parameter \"{key}\": {why}").as_str(),
                    InvalidParameterValue
                )
            );
        };
        refused("0", "0 is not greater than zero");
        refused("-0", "-0 is not greater than zero");
        refused("-1", "-1 is not greater than zero");
        refused("-99999999999999999999999", "-99999999999999999999999 is not greater than zero");
        for bad in ["", "-", "x", "1.5", "1e3", "0x10", "1 ", "16MB"] {
            refused(bad, "an integer is needed");
        }
        let maximum = key.maximum().unwrap_or(9_223_372_036_854_775_807);
        refused(
            &(maximum + 1).to_string(),
            &format!("{} is over the maximum of {maximum}", maximum + 1),
        );
        refused(
            "99999999999999999999999",
            &format!("99999999999999999999999 is over the maximum of {maximum}"),
        );
        let mut limits = LimitOverrides::default();
        for good in ["1", "+1", &maximum.to_string()] {
            assert_eq!(limits.set(&key.name().to_uppercase(), good), Ok(*key));
        }
        assert_eq!(limits.get(*key), Some(maximum));
        limits.reset(*key);
        assert!(limits.is_empty());
    }
}

#[test]
fn stored_limits_are_checked_too() {
    let read = |json: &str| serde_json::from_str::<LimitOverrides>(json);
    assert!(read(r#"{"max_cpu_time_ms": 60000}"#).is_ok());
    assert!(read(r#"{"max_cpu_time_ms": 60001}"#).is_err());
    assert!(read(r#"{"max_cpu_time_ms": 0}"#).is_err());
    assert!(read(r#"{"max_fun": 1}"#).is_err());
}

/// The table of the specification, written a second time.
#[test]
fn defaults_and_maxima_are_those_of_the_table() {
    let table: [(LimitKey, Option<u64>, Option<u64>); 9] = [
        (LimitKey::MaxMemoryBytes, Some(16_777_216), Some(134_217_728)),
        (LimitKey::MaxCpuTimeMs, Some(5_000), Some(60_000)),
        (LimitKey::MaxWallTimeMs, Some(10_000), Some(120_000)),
        (LimitKey::MaxInstructions, Some(10_000_000_000), Some(100_000_000_000)),
        (LimitKey::MaxStackBytes, Some(2_097_152), Some(8_388_608)),
        (LimitKey::MaxFileHandles, Some(10), Some(100)),
        (LimitKey::MaxNetworkConnections, Some(5), Some(50)),
        (LimitKey::MaxConcurrentCalls, None, None),
        (LimitKey::MaxAuditRows, Some(1_000_000), Some(100_000_000)),
    ];
    assert_eq!(table.len(), LimitKey::ALL.len());
    for (key, default, maximum) in table {
        for language in [Language::JavaScript, Language::Wasm, Language::Sql] {
            assert_eq!((key.default(language), key.maximum()), (default, maximum), "{key}");
            assert_eq!(Limits::default_for(language).get(key), default, "{key}");
        }
    }
    let python = Limits::default_for(Language::Python);
    assert_eq!(
        python,
        Limits {
            memory_bytes: 33_554_432,
            ..Limits::default_for(Language::JavaScript)
        }
    );
}

#[test]
fn predefined_policies_and_their_aliases() {
    for (names, canonical) in [
        (["minimal", "HIGH"], "MINIMAL"),
        (["Default", "medium"], "DEFAULT"),
        (["PERMISSIVE", "Low"], "PERMISSIVE"),
    ] {
        for name in names {
            assert_eq!(Policy::predefined(name).unwrap().name, canonical);
            let error = SqlError::from(Policy::new(name, Definition::default()).unwrap_err());
            assert_eq!(error.state(), SqlState::ReservedName);
        }
    }
    assert!(Policy::predefined("strict").is_none());
    let held = Policy::all_predefined().map(|policy| texts(&policy.capabilities).join(" "));
    let permissive = "TIME_ACCESS RANDOM_ACCESS CRYPTO_ACCESS DATABASE_READ('*') DATABASE_WRITE('*') NETWORK_ACCESS('*') HTTP_CLIENT ENV_ACCESS CALL_FUNCTION('*')";
    assert_eq!(held, ["", "TIME_ACCESS RANDOM_ACCESS CRYPTO_ACCESS", permissive]);
    for policy in Policy::all_predefined() {
        assert!(policy.audit_logging && policy.allowed_syscalls.is_empty(), "{}", policy.name);
    }
    for language in [Language::JavaScript, Language::Python, Language::Wasm, Language::Sql] {
        let limits = |policy: &Policy| Rights::of(policy).limits(policy, language);
        assert_eq!(limits(Policy::minimal()), Limits::default_for(language));
        assert_eq!(limits(Policy::default_policy()), Limits::default_for(language));
        let half = Limits {
            memory_bytes: 64 * MIB,
            cpu_time_ms: 30_000,
            wall_time_ms: 60_000,
            instructions: 50_000_000_000,
            stack_bytes: 4 * MIB,
            file_handles: 50,
            network_connections: 25,
            concurrent_calls: None,
            audit_rows: 50_000_000,
        };
        assert_eq!(limits(Policy::permissive()), half);
    }
}

#[test]
fn a_new_function_holds_nothing() {
    let rights = Rights::default();
    let effective = rights.resolve(Policy::minimal(), Language::JavaScript, true);
    assert!(effective.capabilities.is_empty() && effective.audit_logging && effective.enabled);
    assert_eq!((effective.mode, effective.syscalls), (Mode::Enforce, SyscallSet::default_allowed()));
    assert_eq!(
        serde_json::to_string(&rights).unwrap(),
        r#"{"policy":"MINIMAL","granted":[],"revoked":[],"limits":{},"mode":"enforce"}"#
    );
}

#[test]
fn limits_come_from_the_function_then_the_policy_then_the_language() {
    let policy = Policy::new("p", Definition::parse("(max_cpu_time_ms: 1, max_wall_time_ms: 2)").unwrap()).unwrap();
    let mut rights = Rights::of(&policy);
    rights.limits.set("max_cpu_time_ms", "500").unwrap();
    rights.limits.set("max_concurrent_calls", "3").unwrap();
    let limits = rights.limits(&policy, Language::Wasm);
    assert_eq!(
        (
            limits.cpu_time_ms,
            limits.wall_time_ms,
            limits.memory_bytes,
            limits.concurrent_calls
        ),
        (500, 2, 16 * MIB, Some(3))
    );
}

#[test]
fn a_policy_adds_to_the_default_syscalls() {
    let policy = Policy::new(
        "p",
        Definition::parse("(allowed_syscalls: ['path_open', 'path_open', 'random_get'])").unwrap(),
    )
    .unwrap();
    let syscalls = Rights::of(&policy).resolve(&policy, Language::Wasm, true).syscalls;
    let allowed: Vec<&str> = syscalls.iter().map(Syscall::name).collect();
    assert_eq!(
        allowed,
        [
            "clock_time_get",
            "environ_get",
            "environ_sizes_get",
            "path_open",
            "proc_exit",
            "random_get"
        ]
    );
}

fn held(rights: &Rights, policy: &Policy) -> Vec<(String, Source)> {
    rights.held(policy).map(|held| (held.capability.to_string(), held.source)).collect()
}

#[test]
fn grants_add_to_the_policy() {
    let policy = Policy::default_policy();
    let mut rights = Rights::of(policy);
    assert!(rights.grant(capability("DATABASE_READ('users')"), policy));
    assert!(!rights.grant(capability("DATABASE_READ('Users')"), policy));
    assert!(!rights.grant(capability("TIME_ACCESS"), policy));
    let list = held(&rights, policy);
    assert_eq!(list.len(), 4);
    assert_eq!(list[0], ("TIME_ACCESS".into(), Source::Policy));
    assert_eq!(list[3], ("DATABASE_READ('users')".into(), Source::Grant));
    // Another policy replaces them.
    assert!(held(&Rights::of(Policy::minimal()), Policy::minimal()).is_empty());
}

#[test]
fn a_revoke_takes_away_what_it_covers() {
    let policy = Policy::permissive();
    let mut rights = Rights::of(policy);
    rights.grant(capability("DATABASE_READ('users')"), policy);
    rights.grant(capability("DATABASE_READ('app.orders')"), policy);
    let revocation = rights.revoke(&capability("DATABASE_READ('*')"), policy).unwrap();
    assert_eq!(
        texts(&revocation.removed),
        ["DATABASE_READ('*')", "DATABASE_READ('users')", "DATABASE_READ('app.orders')"]
    );
    assert!(revocation.still_held.is_empty());
    assert!(!held(&rights, policy).iter().any(|(text, _)| text.starts_with("DATABASE_READ")));
    // What the policy gave and was revoked stays away when it is stored, and comes back by a grant.
    let stored = serde_json::to_string(&rights).unwrap();
    assert_eq!(serde_json::from_str::<Rights>(&stored).unwrap(), rights);
    assert!(rights.grant(capability("DATABASE_READ('*')"), policy));
    assert!(held(&rights, policy).contains(&("DATABASE_READ('*')".into(), Source::Policy)));
}

#[test]
fn a_revoke_that_leaves_a_wider_right_is_an_error_and_one_that_leaves_a_crossing_one_says_so() {
    let policy = Policy::minimal();
    let mut rights = Rights::of(policy);
    rights.grant(capability("DATABASE_READ('user_*')"), policy);
    let before = rights.clone();
    let error = SqlError::from(rights.revoke(&capability("DATABASE_READ('user_a')"), policy).unwrap_err());
    assert_eq!(rights, before);
    assert_eq!(
        (error.state(), error.message()),
        (
            SqlState::UndefinedObject,
            "function does not hold capability DATABASE_READ('user_a')"
        )
    );
    assert_eq!(
        error.fields().detail.as_deref(),
        Some("It holds DATABASE_READ('user_*'), which allows some of the same.")
    );
    rights.grant(capability("DATABASE_READ('user_a')"), policy);
    let revocation = rights.revoke(&capability("DATABASE_READ('user_a')"), policy).unwrap();
    assert_eq!(
        (texts(&revocation.removed), texts(&revocation.still_held)),
        (vec!["DATABASE_READ('user_a')".into()], vec!["DATABASE_READ('user_*')".into()])
    );
    let error = SqlError::from(rights.revoke(&capability("TIME_ACCESS"), policy).unwrap_err());
    assert_eq!((error.state(), error.fields().detail.clone()), (SqlState::UndefinedObject, None));
}

/// Older and newer catalogs: what is missing holds no right, what is unknown is an error.
#[test]
fn stored_rights_fail_closed() {
    let old: Rights = serde_json::from_str(r#"{"policy":"MINIMAL"}"#).unwrap();
    assert_eq!(old, Rights::default());
    assert!(serde_json::from_str::<Rights>(r#"{"policy":"MINIMAL","denied":["TIME_ACCESS"]}"#).is_err());
    assert!(serde_json::from_str::<Rights>(r#"{"policy":"MINIMAL","granted":["FLY"]}"#).is_err());
    assert!(serde_json::from_str::<Rights>(r#"{"policy":"MINIMAL","mode":"allow"}"#).is_err());
    assert!(serde_json::from_str::<Rights>("{}").is_err());
    let policy: Policy = serde_json::from_str(r#"{"name":"p"}"#).unwrap();
    assert_eq!(
        policy,
        Policy {
            name: "p".into(),
            ..Policy::minimal().clone()
        }
    );
    assert!(serde_json::from_str::<Policy>(r#"{"name":"p","allowed_syscalls":["open"]}"#).is_err());
    assert!(serde_json::from_str::<Policy>(r#"{"name":"p","only_at_night":true}"#).is_err());
}
