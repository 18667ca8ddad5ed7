//! Whose privileges bound what a function holds: who gave it, unless that was a superuser.

use policy::{Capability, Definition, Policy, Rights};

const MALLORY: Option<u32> = Some(20000);
const BOB: Option<u32> = Some(20001);
const SUPERUSER: Option<u32> = None;

fn capability(text: &str) -> Capability {
    Capability::parse(text).unwrap()
}

fn check(rights: &Rights, policy: &Policy, expected: &[(&str, Option<u32>)]) {
    let held: Vec<(String, Option<u32>)> = rights
        .held(policy)
        .map(|held| (held.capability.to_string(), held.bounded_by))
        .collect();
    let expected: Vec<(String, Option<u32>)> = expected.iter().map(|(text, role)| (text.to_string(), *role)).collect();
    assert_eq!(held, expected);
    // As it comes back from the catalog.
    let stored = serde_json::to_string(rights).unwrap();
    assert_eq!(serde_json::from_str::<Rights>(&stored).unwrap(), *rights, "{stored}");
}

#[test]
fn a_grant_is_bounded_by_who_gave_it() {
    let minimal = Policy::minimal();
    let a = "DATABASE_READ('a')";
    let mut rights = Rights::default();
    assert!(rights.grant_by(capability(a), minimal, MALLORY));
    assert!(!rights.grant_by(capability(a), minimal, MALLORY));
    check(&rights, minimal, &[(a, MALLORY)]);
    // Who comes later takes it over, a superuser for good.
    assert!(rights.grant_by(capability(a), minimal, BOB));
    check(&rights, minimal, &[(a, BOB)]);
    assert!(rights.grant_by(capability(a), minimal, SUPERUSER));
    assert!(!rights.grant_by(capability(a), minimal, MALLORY));
    check(&rights, minimal, &[(a, SUPERUSER)]);
    // A revoke ends that.
    rights.revoke(&capability("DATABASE_READ('*')"), minimal).unwrap();
    check(&rights, minimal, &[]);
    assert!(rights.grant_by(capability(a), minimal, MALLORY));
    check(&rights, minimal, &[(a, MALLORY)]);
}

#[test]
fn a_policy_is_bounded_by_who_chose_it() {
    let definition = Definition::parse("(capabilities: [DATABASE_READ('a'), DATABASE_READ('b')])").unwrap();
    let policy = &Policy::new("p", definition).unwrap();
    let (a, b) = ("DATABASE_READ('a')", "DATABASE_READ('b')");
    check(&Rights::chosen_by(policy, SUPERUSER), policy, &[(a, SUPERUSER), (b, SUPERUSER)]);
    let mut rights = Rights::chosen_by(policy, MALLORY);
    check(&rights, policy, &[(a, MALLORY), (b, MALLORY)]);
    assert!(rights.grant_by(capability(b), policy, SUPERUSER));
    check(&rights, policy, &[(a, MALLORY), (b, SUPERUSER)]);
    rights.revoke(&capability(b), policy).unwrap();
    check(&rights, policy, &[(a, MALLORY)]);
    assert!(rights.grant_by(capability(b), policy, BOB));
    check(&rights, policy, &[(a, MALLORY), (b, BOB)]);
}

#[test]
fn what_superusers_give_is_stored_as_ever() {
    let mut rights = Rights::default();
    rights.grant_by(capability("TIME_ACCESS"), Policy::minimal(), SUPERUSER);
    assert!(!serde_json::to_string(&rights).unwrap().contains("grantor"));
}
