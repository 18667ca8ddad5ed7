//! Policies and what functions hold, as the `heliosdb` schema shows them.

use catalog::{Change, Function, SecurityPolicy, system_tables};
use policy::{Capability, Definition, Policy, Rights};
use types::Datum;

use crate::fixture::{ADD, AUDITED, Session};

fn capability(text: &str) -> Capability {
    Capability::parse(text).unwrap()
}

/// `add` holds a policy of its own and a grant.
fn session() -> Session {
    let mut session = Session::new();
    let definition = Definition::parse("(capabilities: [TIME_ACCESS], max_cpu_time_ms: 700, audit_logging: false)").unwrap();
    let policy = Policy::new("reporting", definition).unwrap();
    let mut rights = Rights::of(&policy);
    rights.grant(capability("DATABASE_READ('users')"), &policy);
    rights.limits.set("max_memory_bytes", "1000000").unwrap();
    let add = Function {
        rights,
        forgiven_violations: 4,
        storage_consent: true,
        ..Function::clone(session.snapshot.function_by_oid(ADD).unwrap())
    };
    session.snapshot = session.snapshot.apply(&[
        Change::PutPolicy(SecurityPolicy {
            oid: 16600,
            owner: 10,
            policy,
        }),
        Change::PutFunction(add),
    ]);
    session
}

fn rows(session: &Session, name: &str, columns: &[&str], order: &str) -> Vec<String> {
    let table = system_tables()
        .find(|table| table.schema == "heliosdb" && table.name == name)
        .unwrap();
    let at = |name: &str| table.columns.iter().position(|(column, _)| *column == name).unwrap();
    let print = |value: &Datum| match value {
        Datum::Null => String::new(),
        Datum::Text(value) => value.clone(),
        Datum::Bool(value) => value.to_string(),
        Datum::Array(array) => array.values.iter().filter_map(Datum::as_str).collect::<Vec<_>>().join(" "),
        other => other.as_i64().unwrap().to_string(),
    };
    let mut rows = table.scan(&session.context(), None);
    rows.sort_by_key(|row| print(&row[at(order)]));
    rows.iter()
        .map(|row| columns.iter().map(|name| print(&row[at(name)])).collect::<Vec<_>>().join("|"))
        .collect()
}

#[test]
fn a_function_shows_its_effective_limits() {
    let columns = [
        "function_name",
        "security_policy",
        "enabled",
        "violations",
        "audit_logging",
        "max_memory_bytes",
        "max_cpu_time_ms",
        "max_wall_time_ms",
        "max_concurrent_calls",
        "max_audit_rows",
    ];
    let expected = [
        "add|reporting|true|3|false|1000000|700|10000||1000000",
        "audited|MINIMAL|true|0|true|33554432|5000|10000||1000000",
        "tidy|MINIMAL|true|0|true|16777216|5000|10000||1000000",
    ];
    assert_eq!(rows(&session(), "functions", &columns, "function_name"), expected);
}

#[test]
fn a_function_shows_what_it_holds_and_why() {
    let columns = ["function_name", "capability", "kind", "pattern", "source"];
    let expected = [
        "add|DATABASE_READ('users')|DATABASE_READ|users|grant",
        "add|TIME_ACCESS|TIME_ACCESS||policy",
    ];
    assert_eq!(rows(&session(), "function_capabilities", &columns, "capability"), expected);
}

#[test]
fn policies_show_what_they_set() {
    let columns = [
        "policy_name",
        "predefined",
        "capabilities",
        "audit_logging",
        "max_cpu_time_ms",
        "functions",
    ];
    let shown = rows(&session(), "security_policies", &columns, "oid");
    assert_eq!(shown[0], "reporting|false|TIME_ACCESS|false|700|1");
    assert_eq!(shown[1], "MINIMAL|true||true||2");
    assert_eq!(shown[2], "DEFAULT|true|TIME_ACCESS RANDOM_ACCESS CRYPTO_ACCESS|true||0");
    assert!(shown[3].starts_with("PERMISSIVE|true|TIME_ACCESS") && shown.len() == 4, "{shown:?}");
}

#[test]
fn predefined_policies_have_no_case_and_two_names() {
    let session = session();
    for name in ["minimal", "MINIMAL", "high"] {
        assert_eq!(session.snapshot.policy(name).unwrap().policy.name, "MINIMAL");
    }
    assert_eq!(session.snapshot.policy("reporting").unwrap().oid, 16600);
    assert!(session.snapshot.policy("Reporting").is_none() && session.snapshot.policy("nosuch").is_none());
    assert_eq!(session.snapshot.functions_with_policy("reporting").count(), 1);
}

#[test]
fn a_function_without_its_policy_holds_nothing_and_does_not_run() {
    let session = session();
    let snapshot = session.snapshot.apply(&[Change::DropPolicy(16600)]);
    let effective = snapshot.effective_rights(snapshot.function_by_oid(ADD).unwrap());
    assert!(effective.capabilities.is_empty() && !effective.enabled && effective.policy == "MINIMAL");
    assert!(snapshot.effective_rights(snapshot.function_by_oid(AUDITED).unwrap()).enabled);
}

#[test]
fn rights_are_stored_with_the_function() {
    let session = session();
    let (key, value) = Change::PutFunction(Function::clone(session.snapshot.function_by_oid(ADD).unwrap())).record();
    let text = String::from_utf8(value.clone().unwrap()).unwrap();
    assert!(text.contains(r#""granted":["DATABASE_READ('users')"]"#), "{text}");
    let Change::PutFunction(again) = Change::from_record(&key, &value.unwrap()).unwrap() else {
        panic!("a function")
    };
    assert_eq!(again.rights, session.snapshot.function_by_oid(ADD).unwrap().rights);
}
