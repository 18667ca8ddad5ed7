//! The bytes of each event type, written down. A shipped line never changes: an old log must open and verify with every later
//! version. A new event type adds lines. `UPDATE_GOLDEN=1` writes the file anew; read the difference before it is committed.

use std::fmt::Write;

use audit::{Chain, Event, EventType, Row, verify};
use serde_json::json;
use types::SqlState;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/rows.txt");

/// So many types stand before the two rows that are about columns.
const FIRST_TYPES: usize = 23;

/// 2023-11-14 22:13:20 UTC.
const TIME: i64 = 1_700_000_000_000_000;

/// As the event would be filled in where it happens.
fn example(event_type: EventType) -> Event {
    let bare = Event::at(TIME + i64::from(event_type.code()), event_type);
    let of_user = Event {
        user_name: Some("postgres".into()),
        session_id: Some(7),
        ..bare.clone()
    };
    let of_function = Event {
        function_name: Some("user_lookup".into()),
        ..of_user.clone()
    };
    let of_call = Event {
        call_id: Some(1000),
        parent_call_id: Some(999),
        ..of_function.clone()
    };
    match event_type {
        EventType::ExecutionStarted => of_call,
        EventType::ExecutionCompleted => Event {
            duration_us: Some(12),
            fuel_used: Some(10_000_000_000),
            memory_bytes: Some(16 * 1024 * 1024),
            ..of_call
        },
        EventType::ExecutionFailed => Event {
            error: Some("division by zero".into()),
            sqlstate: Some(SqlState::DivisionByZero),
            duration_us: Some(0),
            ..of_call
        },
        EventType::CapabilityCheck => Event {
            capability: Some("DATABASE_READ".into()),
            resource: Some("public.users".into()),
            allowed: Some(true),
            ..of_call
        },
        EventType::ResourceLimitExceeded => Event {
            resource: Some("max_cpu_time_ms".into()),
            details: Some(json!({"limit": 5000})),
            sqlstate: Some(SqlState::ProgramLimitExceeded),
            ..of_call
        },
        EventType::DatabaseOperation => Event {
            resource: Some("SELECT".into()),
            duration_us: Some(127),
            ..of_call
        },
        EventType::FileOperation => Event {
            resource: Some("/srv/in/ä.csv".into()),
            allowed: Some(true),
            ..of_call
        },
        EventType::NetworkOperation => Event {
            resource: Some("api.example.com:443".into()),
            allowed: Some(true),
            duration_us: Some(128),
            ..of_call
        },
        EventType::SyscallAttempt => Event {
            resource: Some("path_open".into()),
            allowed: Some(false),
            ..of_call
        },
        EventType::FunctionCreated
        | EventType::FunctionAltered
        | EventType::FunctionDropped
        | EventType::FunctionDisabled
        | EventType::FunctionEnabled => of_function,
        EventType::CapabilityGranted | EventType::CapabilityRevoked => Event {
            capability: Some("DATABASE_READ('users')".into()),
            ..of_function
        },
        EventType::PolicyCreated | EventType::PolicyAltered | EventType::PolicyDropped => Event {
            resource: Some("strict_read_only".into()),
            ..of_user
        },
        EventType::PolicyApplied => Event {
            resource: Some("MINIMAL".into()),
            ..of_function
        },
        EventType::LoginSucceeded => of_user,
        EventType::LoginFailed => Event {
            user_name: Some("mallory".into()),
            session_id: Some(-1),
            error: Some("password authentication failed for user \"mallory\"".into()),
            sqlstate: Some(SqlState::InvalidPassword),
            ..bare
        },
        EventType::AlertRaised => Event {
            details: Some(json!({"category": "security"})),
            ..bare
        },
        EventType::AuditLogTrimmed => Event {
            resource: Some("rows 1 to 4710".into()),
            details: Some(json!({"first_kept_id": 4711})),
            ..of_user
        },
        EventType::TriggerCreated | EventType::TriggerAltered | EventType::TriggerDropped => Event {
            resource: Some("security_alert".into()),
            details: Some(json!({"enabled": true})),
            ..of_user
        },
    }
}

/// Every column set, every number at an edge of its form.
fn full(event_type: EventType) -> Event {
    Event {
        timestamp: i64::MIN,
        event_type,
        function_name: Some("f".into()),
        user_name: Some("".into()),
        session_id: Some(i64::MAX),
        call_id: Some(i64::MIN),
        parent_call_id: Some(-64),
        capability: Some("TIME_ACCESS".into()),
        resource: Some("r".repeat(200)),
        allowed: Some(false),
        error: Some("é".into()),
        sqlstate: Some(SqlState::InsufficientPrivilege),
        duration_us: Some(63),
        fuel_used: Some(64),
        memory_bytes: Some(8192),
        details: Some(json!({"b": [1, null], "a": "x"})),
    }
}

fn examples() -> Vec<(String, Event)> {
    let example = |&event_type: &EventType| (event_type.to_string(), example(event_type));
    // Types that came later stand after the others, so that no shipped line changes.
    let (first, later) = EventType::ALL.split_at(FIRST_TYPES);
    let mut all: Vec<(String, Event)> = first.iter().map(example).collect();
    all.push(("every column".to_string(), full(EventType::CapabilityCheck)));
    all.push(("no column".to_string(), Event::at(0, EventType::AlertRaised)));
    all.extend(later.iter().map(example));
    all
}

#[test]
fn stored_rows_keep_their_bytes() {
    let mut chain = Chain::GENESIS;
    let mut text = String::new();
    for (name, event) in examples() {
        let sealed = chain.append(&event).unwrap();
        writeln!(text, "{} {name}\n{}", sealed.id, hex::encode(&sealed.bytes)).unwrap();
        assert_eq!(Row::decode(sealed.id, &sealed.bytes).unwrap().event, event, "{name}");
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(GOLDEN, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(GOLDEN).unwrap());
}

#[test]
fn the_written_down_log_reads_and_verifies() {
    let text = std::fs::read_to_string(GOLDEN).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let rows: Vec<(u64, Vec<u8>)> = lines
        .chunks(2)
        .map(|pair| (pair[0].split_once(' ').unwrap().0.parse().unwrap(), hex::decode(pair[1]).unwrap()))
        .collect();
    for ((id, bytes), (name, event)) in rows.iter().zip(examples()) {
        assert_eq!(Row::decode(*id, bytes).unwrap().event, event, "{name}");
    }
    let verdict = verify(rows);
    assert!(verdict.whole, "{verdict:?}");
    assert_eq!(verdict.rows, EventType::ALL.len() as u64 + 2);
}
