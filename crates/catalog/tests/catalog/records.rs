//! What is stored can be read again, and what cannot be read is an error.

use catalog::{Change, Error, Snapshot};

use crate::fixture::{changes, function};

fn stored(changes: &[Change]) -> Vec<(Vec<u8>, Vec<u8>)> {
    changes
        .iter()
        .map(Change::record)
        .map(|(key, value)| (key, value.expect("a put")))
        .collect()
}

#[test]
fn every_object_survives() {
    for change in Snapshot::bootstrap_changes().into_iter().chain(changes()) {
        let (key, value) = change.record();
        let again = Change::from_record(&key, &value.unwrap()).unwrap();
        assert_eq!(format!("{again:?}"), format!("{change:?}"));
        assert_eq!(again.record(), change.record());
    }
}

#[test]
fn a_stored_catalog_is_the_one_that_was_applied() {
    let all: Vec<Change> = Snapshot::bootstrap_changes().into_iter().chain(changes()).collect();
    let loaded = Snapshot::load(stored(&all)).unwrap();
    let applied = Snapshot::bootstrap().apply(&changes());
    assert_eq!(loaded.next_oid(), applied.next_oid());
    assert_eq!(loaded.user_tables().count(), applied.user_tables().count());
    assert!(loaded.table("public", "people").is_some() && loaded.role("reader").is_some() && loaded.schema("public").is_some());
    assert_eq!(loaded.functions_named("public", "add").len(), 1);
}

/// Format 1 as it is on disk. A change of these bytes needs a new format number and a reader of the old one.
#[test]
fn records_of_format_1_stay_readable() {
    let role = r#"{"format":1,"object":{"oid":16430,"name":"reader","superuser":false,"login":true,"createrole":false,"createdb":false,"inherit":true,"replication":false,"bypass_rls":false,"connection_limit":-1}}"#;
    let schema = r#"{"format":1,"object":{"oid":16500,"name":"app","owner":10}}"#;
    let table = r#"{"format":1,"object":{"oid":16384,"schema":"app","name":"t","owner":10,"kind":"table","columns":[{"name":"id","ty":"int4","typmod":-1,"not_null":true,"attnum":1},{"name":"tags","ty":"_text","typmod":-1,"not_null":false,"attnum":2}],"primary_key":{"oid":16385,"index_oid":16386,"name":"t_pkey","columns":[0]},"version":3}}"#;
    let function = r#"{"format":1,"object":{"oid":16390,"schema":"app","name":"f","owner":10,"language":"sql","args":[],"returns":{"scalar":"int4"},"body":"SELECT 1","volatility":"volatile","strict":false,"security_definer":true,"version":1,"rights":{"policy":"MINIMAL","granted":[],"revoked":[],"limits":{}},"enabled":true}}"#;
    let oids = r#"{"format":1,"object":20000}"#;
    let key = |kind: u8, oid: u32| [&[kind][..], &oid.to_be_bytes()].concat();
    let records = [
        (key(b'r', 16430), role),
        (key(b's', 16500), schema),
        (key(b't', 16384), table),
        (key(b'f', 16390), function),
        (key(b'o', 0), oids),
    ];
    let snapshot = Snapshot::load(records).unwrap();
    assert!(snapshot.role("reader").unwrap().login);
    let table = snapshot.table("app", "t").unwrap();
    assert_eq!(table.columns[1].ty.to_string(), "text[]");
    assert_eq!(table.primary_key.as_ref().unwrap().columns, [0]);
    // Written before tables kept the path of their creation: nothing but pg_catalog is found.
    assert!(table.search_path.is_empty());
    // Nor does a SECURITY DEFINER function follow its caller.
    let function = snapshot.function_by_oid(16390).unwrap();
    assert_eq!(function.own_path(), Some(&[][..]));
    assert_eq!(snapshot.next_oid(), 20000);
}

fn refused(key: &[u8], value: &str) -> Error {
    Change::from_record(key, value.as_bytes()).unwrap_err()
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let key = [b's', 0, 0, 64, 116];
    assert!(matches!(refused(b"?", "{}"), Error::BadKey(_)));
    assert!(matches!(refused(b"", "{}"), Error::BadKey(_)));
    assert!(matches!(refused(&[b's', 0, 0], "{}"), Error::BadKey(_)));
    for value in ["", "{", "{}", r#"{"format":2,"object":{}}"#, r#"{"format":1,"object":{}}"#] {
        assert!(
            matches!(refused(&key, value), Error::BadRecord { kind: 's', oid: 16500, .. }),
            "{value}"
        );
    }
    // An object under another's key.
    assert!(matches!(
        refused(&key, r#"{"format":1,"object":{"oid":5,"name":"app","owner":10}}"#),
        Error::BadRecord { .. }
    ));
    assert!(refused(&key, r#"{"format":2,"object":{}}"#).to_string().contains("newer version"));
}

#[test]
fn a_drop_deletes_the_record() {
    let put = Change::PutFunction(function(16500, "f", vec![], catalog::Returns::Void));
    assert_eq!(Change::DropFunction(16500).record(), (put.record().0, None));
}

#[test]
fn a_verifier_is_stored_and_never_printed() {
    let role = catalog::Role {
        password: Some("SCRAM-SHA-256$4096:secret".to_string()),
        ..catalog::Role::new(16500, "r")
    };
    assert!(!format!("{role:?}").contains("secret"));
    let (key, value) = Change::PutRole(role).record();
    let Change::PutRole(again) = Change::from_record(&key, &value.unwrap()).unwrap() else {
        panic!("a role")
    };
    assert_eq!(again.password.as_deref(), Some("SCRAM-SHA-256$4096:secret"));
}
