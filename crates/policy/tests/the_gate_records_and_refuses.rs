//! The gate: verdicts, records, the call chain, the caller, and what happens when something is missing.

mod support;

use std::sync::Arc;

use audit::{Event, EventType, MemorySink};
use policy::{
    Administer, Administration, CallFunction, CanonicalPath, Capability, Connect, Denied, DrawRandom, Endpoint, Gate, Host, MakeSyscall,
    Mode, ObjectName, Policy, ReadClock, ReadFile, ReadTable, ReadVariable, ResolveHost, RunDdl, Syscall, UseCrypto, UseHttp, WriteAction,
    WriteFile, WriteTable,
};
use support::{Function, gate_for, gate_of};
use types::{SqlError, SqlState};

fn users() -> ReadTable {
    ReadTable(ObjectName::new("public", "users", true))
}

fn write(schema: &str, table: &str) -> WriteTable {
    WriteTable {
        table: ObjectName::new(schema, table, true),
        action: WriteAction::Update,
    }
}

fn call(capabilities: &str) -> (Arc<Function>, Arc<MemorySink>, Arc<Gate>) {
    let (function, sink) = (Function::holding(capabilities), Arc::new(MemorySink::new()));
    let gate = gate_of("f", &function, &sink, None);
    (function, sink, gate)
}

fn only(sink: &MemorySink) -> Event {
    let events = sink.events();
    assert_eq!(events.len(), 1, "{events:?}");
    events[0].clone()
}

#[test]
fn a_granted_check_is_a_row_and_a_permit() {
    let (_, sink, gate) = call("DATABASE_READ('users')");
    let permit = gate.check(users()).unwrap();
    assert_eq!(permit.asked(), &users());
    let event = only(&sink);
    let expected = Event {
        function_name: Some("f".into()),
        user_name: Some("alice".into()),
        session_id: Some(7),
        call_id: Some(100),
        capability: Some("DATABASE_READ".into()),
        resource: Some("public.users".into()),
        allowed: Some(true),
        ..Event::at(event.timestamp, EventType::CapabilityCheck)
    };
    assert_eq!(event, expected);
    assert_eq!(gate.newest().unwrap().id, 1);
}

#[test]
fn a_refused_check_is_a_row_and_names_the_grant() {
    let (_, sink, gate) = call("DATABASE_READ('orders')");
    let denied = gate.check(users()).unwrap_err();
    assert!(denied.is_catchable());
    assert_eq!(denied.capability().unwrap().to_string(), "DATABASE_READ('users')");
    let error = SqlError::from(denied);
    assert_eq!(error.state(), SqlState::InsufficientPrivilege);
    assert_eq!(
        error.message(),
        "permission denied for table users: function f lacks capability DATABASE_READ('users')"
    );
    assert_eq!(
        error.fields().detail.as_deref(),
        Some("Function f has policy MINIMAL and holds DATABASE_READ('orders').")
    );
    assert_eq!(
        error.fields().hint.as_deref(),
        Some("ALTER FUNCTION f GRANT CAPABILITY DATABASE_READ('users');")
    );
    let event = only(&sink);
    assert_eq!(
        (event.event_type, event.allowed, event.sqlstate),
        (EventType::CapabilityCheck, Some(false), Some(SqlState::InsufficientPrivilege))
    );
    assert_eq!(event.error.as_deref(), Some(error.message()));
    assert_eq!(
        event.details.unwrap().to_string(),
        r#"{"lacking":[{"function":"f","capability":"DATABASE_READ('users')"}]}"#
    );
}

/// The hint of every refusal that has one is a grant after which the same request passes.
#[test]
fn the_hint_allows_just_what_was_refused() {
    fn check<T: policy::Ask + Clone + std::fmt::Debug>(ask: T, hint: &str) {
        let (function, sink, gate) = call("");
        let error = SqlError::from(gate.check(ask.clone()).unwrap_err());
        assert_eq!(
            error.fields().hint.as_deref(),
            Some(format!("ALTER FUNCTION f GRANT CAPABILITY {hint};").as_str())
        );
        assert!(
            error.message().contains(&format!("function f lacks capability {hint}")),
            "{}",
            error.message()
        );
        let needs_superuser = error.fields().detail.as_deref().unwrap().contains("Only a superuser can grant it.");
        assert_eq!(needs_superuser, Capability::parse(hint).unwrap().is_superuser_only());
        function.rights.lock().grant(Capability::parse(hint).unwrap(), Policy::minimal());
        let _permit = gate.check(ask).unwrap();
        assert_eq!(sink.events().len(), 2);
    }
    let endpoint = |host: &str, port| Endpoint {
        host: Host::parse(host).unwrap(),
        port,
    };
    let path = || CanonicalPath::new("/srv/it's/a.csv").unwrap();
    check(users(), "DATABASE_READ('users')");
    check(ReadTable(ObjectName::new("app", "Users", false)), "DATABASE_READ('app.\"Users\"')");
    check(
        ReadTable(ObjectName::new("heliosdb", "alerts", false)),
        "DATABASE_READ('heliosdb.alerts')",
    );
    check(write("public", "users"), "DATABASE_WRITE('users')");
    check(
        RunDdl {
            statement: "CREATE TABLE".into(),
            schema: Some("public".into()),
            name: "t".into(),
        },
        "DATABASE_EXECUTE",
    );
    check(ReadFile(path()), "FILE_READ('/srv/it''s/a.csv')");
    check(WriteFile(path()), "FILE_WRITE('/srv/it''s/a.csv')");
    check(policy::ListFolder(CanonicalPath::new("/srv/in").unwrap()), "FILE_READ('/srv/in/*')");
    check(ResolveHost(endpoint("api.example.com", 443)), "NETWORK_ACCESS('api.example.com')");
    check(
        ResolveHost(endpoint("api.example.com", 8443)),
        "NETWORK_ACCESS('api.example.com:8443')",
    );
    check(
        Connect {
            endpoint: endpoint("a.com", 80),
            address: "1.1.1.1".parse().unwrap(),
        },
        "NETWORK_ACCESS('a.com')",
    );
    check(
        Connect {
            endpoint: endpoint("127.0.0.1", 5432),
            address: "127.0.0.1".parse().unwrap(),
        },
        "NETWORK_ACCESS('127.0.0.1:5432')",
    );
    check(UseHttp(endpoint("a.com", 80)), "HTTP_CLIENT");
    check(ReadVariable("API_KEY".into()), "ENV_ACCESS");
    check(ReadClock, "TIME_ACCESS");
    check(DrawRandom, "RANDOM_ACCESS");
    check(UseCrypto("sha256"), "CRYPTO_ACCESS");
    check(CallFunction(ObjectName::new("public", "helper", true)), "CALL_FUNCTION('helper')");
}

#[test]
fn a_name_that_resolves_inside_is_refused_without_a_hint() {
    let (_, _, gate) = call("NETWORK_ACCESS('*'), NETWORK_ACCESS('a.com')");
    let endpoint = Endpoint {
        host: Host::parse("a.com").unwrap(),
        port: 443,
    };
    let _permit = gate.check(ResolveHost(endpoint.clone())).unwrap();
    let error = SqlError::from(
        gate.check(Connect {
            endpoint,
            address: "169.254.169.254".parse().unwrap(),
        })
        .unwrap_err(),
    );
    assert_eq!(
        error.message(),
        "permission denied for host a.com:443 at the non-public address 169.254.169.254: function f lacks the capability"
    );
    assert_eq!(error.fields().hint, None);
}

#[test]
fn a_revoke_acts_on_the_next_check() {
    let (function, _, gate) = call("DATABASE_READ('users')");
    let _permit = gate.check(users()).unwrap();
    function
        .rights
        .lock()
        .revoke(&Capability::parse("DATABASE_READ('users')").unwrap(), Policy::minimal())
        .unwrap();
    assert!(matches!(gate.check(users()), Err(Denied::Lacking(_))));
}

#[test]
fn a_disabled_or_dropped_function_is_stopped_at_its_next_check() {
    let (function, sink, gate) = call("DATABASE_READ('*'), TIME_ACCESS");
    *function.enabled.lock() = false;
    let denied = gate.check(users()).unwrap_err();
    assert!(!denied.is_catchable());
    let error = SqlError::from(denied);
    assert_eq!(
        (error.state(), error.message()),
        (SqlState::ObjectNotInPrerequisiteState, "function f is disabled")
    );
    assert_eq!(only(&sink).allowed, Some(false));
    assert!(matches!(gate.choose(ReadClock), Err(Denied::Disabled { .. })));
    assert_eq!(sink.events().len(), 2);
    *function.enabled.lock() = true;
    *function.exists.lock() = false;
    let denied = gate.check(users()).unwrap_err();
    assert!(matches!(denied, Denied::Gone { .. }) && !denied.is_catchable());
    assert_eq!(SqlError::from(denied).message(), "function f was dropped while it ran");
}

#[test]
fn the_callers_own_privileges_bound_it() {
    let (_, sink, gate) = call("DATABASE_READ('*'), DATABASE_WRITE('*'), CALL_FUNCTION('*')");
    let denied = gate.check(ReadTable(ObjectName::new("public", "locked", true))).unwrap_err();
    assert!(matches!(denied, Denied::Caller(_)));
    assert_eq!(SqlError::from(denied).message(), "permission denied for table locked");
    assert_eq!(only(&sink).allowed, Some(false));
    assert!(matches!(gate.check(write("public", "locked")), Err(Denied::Caller(_))));
}

#[test]
fn every_function_of_the_chain_must_hold_it() {
    let sink = Arc::new(MemorySink::new());
    let (outer, middle, inner) = (
        Function::holding("DATABASE_READ('orders')"),
        Function::holding("DATABASE_READ('*')"),
        Function::holding("DATABASE_READ('users')"),
    );
    let top = gate_of("outer_f", &outer, &sink, None);
    let between = gate_of("middle_f", &middle, &sink, Some(Arc::clone(&top)));
    let gate = gate_of("inner_f", &inner, &sink, Some(Arc::clone(&between)));
    assert_eq!((top.depth(), between.depth(), gate.depth()), (1, 2, 3));

    let error = SqlError::from(gate.check(users()).unwrap_err());
    assert_eq!(
        error.message(),
        "permission denied for table users: function outer_f lacks capability DATABASE_READ('users')"
    );
    assert_eq!(
        error.fields().hint.as_deref(),
        Some("ALTER FUNCTION outer_f GRANT CAPABILITY DATABASE_READ('users');")
    );
    let event = only(&sink);
    assert_eq!(
        (event.function_name.as_deref(), event.parent_call_id, event.allowed),
        (Some("inner_f"), Some(99), Some(false))
    );

    let error = SqlError::from(gate.check(ReadTable(ObjectName::new("public", "other", true))).unwrap_err());
    assert_eq!(
        error.message(),
        "permission denied for table other: function inner_f lacks capability DATABASE_READ('other'), function outer_f lacks capability DATABASE_READ('other')"
    );
    assert_eq!(
        error.fields().hint.as_deref(),
        Some(
            "ALTER FUNCTION inner_f GRANT CAPABILITY DATABASE_READ('other'); ALTER FUNCTION outer_f GRANT CAPABILITY DATABASE_READ('other');"
        )
    );

    outer
        .rights
        .lock()
        .grant(Capability::parse("DATABASE_READ('users')").unwrap(), Policy::minimal());
    let _permit = gate.check(users()).unwrap();
    // A function that is disabled takes the calls below it along.
    *outer.enabled.lock() = false;
    match gate.check(users()) {
        Err(Denied::Disabled { function }) => assert_eq!(&*function.name, "outer_f"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_raises_rights_or_writes_to_system_schemas_whatever_it_holds() {
    let everything = "DATABASE_READ('*'), DATABASE_WRITE('*'), DATABASE_WRITE('heliosdb.*'), DATABASE_WRITE('pg_catalog.*'), DATABASE_EXECUTE, CALL_FUNCTION('*')";
    for mode in [Mode::Enforce, Mode::Record] {
        let (function, sink, gate) = call(everything);
        function.rights.lock().mode = mode;
        for &action in Administration::ALL {
            let denied = gate
                .check(Administer {
                    action,
                    object: "f".into(),
                })
                .unwrap_err();
            assert!(matches!(denied, Denied::Forbidden { .. }));
            let error = SqlError::from(denied);
            assert_eq!(
                (error.state(), error.fields().hint.clone()),
                (SqlState::InsufficientPrivilege, None)
            );
        }
        for schema in ["heliosdb", "pg_catalog", "information_schema", "pg_toast"] {
            assert!(matches!(gate.check(write(schema, "audit_log")), Err(Denied::Forbidden { .. })));
            let ddl = RunDdl {
                statement: "DROP TABLE".into(),
                schema: Some(schema.into()),
                name: "audit_log".into(),
            };
            assert!(matches!(gate.check(ddl), Err(Denied::Forbidden { .. })));
        }
        assert!(
            sink.events()
                .iter()
                .all(|event| event.event_type == EventType::CapabilityCheck && event.allowed == Some(false))
        );
        assert_eq!(sink.events().len(), Administration::ALL.len() + 8);
    }
}

#[test]
fn what_cannot_be_recorded_is_denied() {
    let (_, sink, gate) = call("DATABASE_READ('users'), TIME_ACCESS");
    sink.set_failing(true);
    let denied = gate.check(users()).unwrap_err();
    assert!(!denied.is_catchable());
    let error = SqlError::from(denied);
    assert_eq!(error.state(), SqlState::InsufficientPrivilege);
    assert_eq!(
        error.message(),
        "permission denied: the check could not be recorded in the audit log"
    );
    assert!(matches!(gate.choose(ReadClock), Err(Denied::Unrecorded(_))));
    assert!(gate.record(gate.event(EventType::ExecutionStarted)).is_err());
    sink.set_failing(false);
    let _permit = gate.check(users()).unwrap();
}

#[test]
fn what_leaves_the_database_waits_for_its_row() {
    let (_, sink, gate) = call("FILE_READ('/srv/*'), FILE_WRITE('/srv/*'), NETWORK_ACCESS('*'), DATABASE_WRITE('*')");
    let path = CanonicalPath::new("/srv/a").unwrap();
    let _permit = gate.check(write("public", "t")).unwrap();
    let _permit = gate.check(ReadFile(path.clone())).unwrap();
    assert_eq!(sink.waited(), 0);
    let _permit = gate.check(WriteFile(path)).unwrap();
    assert_eq!(sink.waited(), 3);
    let _permit = gate
        .check(ResolveHost(Endpoint {
            host: Host::parse("a.com").unwrap(),
            port: 80,
        }))
        .unwrap();
    assert_eq!(sink.waited(), 4);
}

#[test]
fn routine_rows_are_told_from_those_that_everybody_waits_for() {
    let (function, _, gate) = call("DATABASE_READ('users')");
    let _permit = gate.check(users()).unwrap();
    gate.record(gate.event(EventType::ExecutionCompleted)).unwrap();
    assert_eq!((gate.newest().unwrap().id, gate.newest_firm()), (2, None));
    gate.check(write("public", "users")).unwrap_err();
    gate.record(gate.event(EventType::ExecutionCompleted)).unwrap();
    assert_eq!((gate.newest().unwrap().id, gate.newest_firm().unwrap().id), (4, 3));
    gate.record(gate.event(EventType::ResourceLimitExceeded)).unwrap();
    assert_eq!(gate.newest_firm().unwrap().id, 5);
    // What record mode lets pass is no routine either.
    function.rights.lock().mode = Mode::Record;
    let _permit = gate.check(write("public", "users")).unwrap();
    assert_eq!(gate.newest_firm().unwrap().id, 6);
}

#[test]
fn audit_logging_off_silences_routine_rows_only() {
    let policy = Policy {
        name: "quiet".into(),
        audit_logging: false,
        ..Policy::default_policy().clone()
    };
    let (function, sink) = (Function::with(policy), Arc::new(MemorySink::new()));
    let gate = gate_of("f", &function, &sink, None);
    let _permit = gate.check(ReadClock).unwrap();
    for event_type in [EventType::ExecutionStarted, EventType::ExecutionCompleted] {
        gate.record(gate.event(event_type)).unwrap();
    }
    assert!(sink.events().is_empty());
    let _denied = gate.check(users()).unwrap_err();
    let _denied = gate.check(MakeSyscall(Syscall::parse("path_open").unwrap())).unwrap_err();
    gate.record(gate.event(EventType::ResourceLimitExceeded)).unwrap();
    gate.record(gate.event(EventType::ExecutionFailed)).unwrap();
    assert_eq!(sink.events().len(), 4);
    // Nor does a failing log hide behind it.
    sink.set_failing(true);
    assert!(matches!(gate.check(users()), Err(Denied::Unrecorded(_))));
}

#[test]
fn a_refused_syscall_is_a_violation_and_a_listed_one_is_not() {
    let policy = Policy {
        name: "p".into(),
        allowed_syscalls: vec![Syscall::parse("path_open").unwrap()],
        ..Policy::minimal().clone()
    };
    let (function, sink) = (Function::with(policy), Arc::new(MemorySink::new()));
    let gate = gate_of("f", &function, &sink, None);
    for name in [
        "path_open",
        "clock_time_get",
        "random_get",
        "proc_exit",
        "environ_get",
        "environ_sizes_get",
    ] {
        let _permit = gate.check(MakeSyscall(Syscall::parse(name).unwrap())).unwrap();
    }
    for count in 1..=2 {
        match gate.check(MakeSyscall(Syscall::parse("sock_send").unwrap())) {
            Err(Denied::Syscall { violations, .. }) => assert_eq!(violations, count),
            other => panic!("{other:?}"),
        }
    }
    let events = sink.events();
    assert!(events.iter().all(|event| event.event_type == EventType::SyscallAttempt));
    assert_eq!(events.iter().filter(|event| event.allowed == Some(false)).count(), 2);
    assert_eq!(events.last().unwrap().resource.as_deref(), Some("sock_send"));
}

#[test]
fn a_soft_question_is_answered_either_way_and_noted_once() {
    let (function, sink, gate) = call("");
    assert!(gate.choose(ReadClock).unwrap().is_none());
    assert!(gate.choose(DrawRandom).unwrap().is_none());
    assert!(sink.events().is_empty());
    function
        .rights
        .lock()
        .grant(Capability::parse("TIME_ACCESS").unwrap(), Policy::minimal());
    for _ in 0..3 {
        assert!(gate.choose(ReadClock).unwrap().is_some());
    }
    assert!(gate.choose(DrawRandom).unwrap().is_none());
    assert_eq!(only(&sink).capability.as_deref(), Some("TIME_ACCESS"));
    function
        .rights
        .lock()
        .revoke(&Capability::parse("TIME_ACCESS").unwrap(), Policy::minimal())
        .unwrap();
    assert!(gate.choose(ReadClock).unwrap().is_none());
}

#[test]
fn record_mode_allows_within_the_callers_rights_and_notes_what_it_would_deny() {
    let (function, sink, gate) = call("");
    function.rights.lock().mode = Mode::Record;
    let _permit = gate.check(users()).unwrap();
    let event = only(&sink);
    assert_eq!(event.allowed, Some(true));
    assert_eq!(
        event.details.unwrap().to_string(),
        r#"{"would_deny":[{"function":"f","capability":"DATABASE_READ('users')"}]}"#
    );
    assert!(matches!(
        gate.check(ReadTable(ObjectName::new("public", "locked", true))),
        Err(Denied::Caller(_))
    ));
    // SECURITY DEFINER or not: whoever called could not do it themselves.
    assert!(matches!(
        gate.check(ReadTable(ObjectName::new("public", "lent", true))),
        Err(Denied::Caller(_))
    ));
    // What was granted is the owner's to lend, in record mode too.
    function
        .rights
        .lock()
        .grant(Capability::parse("DATABASE_READ('lent')").unwrap(), Policy::minimal());
    let _permit = gate.check(ReadTable(ObjectName::new("public", "lent", true))).unwrap();
    // It is each function's own: one further up that enforces is not overruled.
    let (outer, inner) = (Function::holding(""), Function::holding(""));
    inner.rights.lock().mode = Mode::Record;
    let gate = gate_of("inner_f", &inner, &sink, Some(gate_of("outer_f", &outer, &sink, None)));
    assert!(matches!(gate.check(users()), Err(Denied::Lacking(_))));
}

#[test]
fn record_mode_lets_pass_what_only_superusers_grant_only_where_one_calls() {
    let recording = Function::holding("");
    recording.rights.lock().mode = Mode::Record;
    let sink = Arc::new(MemorySink::new());
    let ddl = || RunDdl {
        statement: "CREATE TABLE".into(),
        schema: Some("public".into()),
        name: "t".into(),
    };
    let gate = gate_for(true, "f", &recording, &sink, None);
    let _permit = gate.check(ddl()).unwrap();
    let _permit = gate.check(ReadVariable("API_KEY".into())).unwrap();
    let gate = gate_for(false, "f", &recording, &sink, None);
    assert!(matches!(gate.check(ddl()), Err(Denied::Lacking(_))));
    assert!(matches!(gate.check(ReadVariable("API_KEY".into())), Err(Denied::Lacking(_))));
    let _permit = gate.check(users()).unwrap();
    // Of a chain the function that records decides by its own caller.
    let inner = gate_for(true, "inner_f", &recording, &sink, Some(gate));
    assert!(matches!(inner.check(ddl()), Err(Denied::Lacking(_))));
}

#[test]
fn the_log_of_a_session_is_one_whole_chain() {
    let (_, sink, gate) = call("TIME_ACCESS");
    for _ in 0..10 {
        let _permit = gate.check(ReadClock).unwrap();
        let _denied = gate.check(users()).unwrap_err();
    }
    let verdict = audit::verify(sink.stored());
    assert!(verdict.whole);
    assert_eq!(verdict.rows, 20);
}
