//! Look-ups after changes.

use catalog::{Change, FIRST_USER_OID, Relation, Returns, Snapshot, Table, TableKind};
use types::Type;

use crate::fixture::{Session, argument, function, table, *};

#[test]
fn a_new_database_has_its_schemas_and_roles() {
    let snapshot = Snapshot::bootstrap();
    for schema in ["public", "pg_catalog", "information_schema", "heliosdb"] {
        assert!(snapshot.schema(schema).is_some(), "{schema}");
    }
    assert!(snapshot.role("postgres").unwrap().superuser);
    assert!(!snapshot.role("heliosdb_auditor").unwrap().login);
    assert_eq!(snapshot.next_oid(), FIRST_USER_OID);
    assert_eq!(snapshot.table("pg_catalog", "pg_class").unwrap().oid, 1259);
}

#[test]
fn an_older_snapshot_does_not_change() {
    let before = Snapshot::bootstrap();
    let after = before.apply(&[Change::PutTable(table(16384, "t", TableKind::Table, vec![]))]);
    assert!(before.table("public", "t").is_none() && after.table("public", "t").is_some());
    assert!(after.version() > before.version());
    let dropped = after.apply(&[Change::DropTable(16384)]);
    assert!(dropped.table("public", "t").is_none() && dropped.table_by_oid(16384).is_none());
    // A dropped object's OID is not given again.
    assert_eq!(dropped.next_oid(), 16385);
}

#[test]
fn a_renamed_table_leaves_no_name_behind() {
    let session = Session::new();
    let people = session.snapshot.table("public", "people").unwrap();
    let renamed = Table {
        name: "persons".to_string(),
        primary_key: None,
        constraints: vec![],
        ..Table::clone(people)
    };
    let after = session.snapshot.apply(&[Change::PutTable(renamed)]);
    assert!(after.table("public", "people").is_none());
    assert_eq!(after.table("public", "persons").unwrap().oid, PEOPLE);
    assert!(after.relation("public", "people_pkey").is_none() && after.relation_by_oid(PEOPLE_PKEY).is_none());
    assert!(after.table_of_constraint(16391).is_none());
    assert!(after.relation("public", "people_lower_name").is_some());
}

#[test]
fn indexes_share_names_with_tables() {
    let session = Session::new();
    assert!(session.snapshot.table("public", "people_pkey").is_none());
    match session.snapshot.relation("public", "people_pkey") {
        Some(Relation::Index(table, PEOPLE_PKEY)) => assert_eq!(table.oid, PEOPLE),
        other => panic!("{other:?}"),
    }
    assert_eq!(session.snapshot.table_of_constraint(16393).unwrap().oid, PEOPLE);
}

#[test]
fn the_path_decides_between_overloads() {
    let other = |oid, args| catalog::Function {
        schema: "app".to_string(),
        ..function(oid, "add", args, Returns::Void)
    };
    let same = vec![argument("a", Type::Int4, None), argument("b", Type::Int4, None)];
    let session = Session::new();
    let snapshot = session.snapshot.apply(&[
        Change::PutFunction(other(16500, same)),
        Change::PutFunction(other(16501, vec![argument("a", Type::Text, None)])),
    ]);
    let oids = |path: &[&str]| -> Vec<u32> {
        snapshot
            .functions_on_path(path, "add")
            .iter()
            .map(|function| function.oid)
            .collect()
    };
    assert_eq!(oids(&["public", "app"]), [ADD, 16501]);
    assert_eq!(oids(&["app", "public"]), [16500, 16501]);
    assert_eq!(oids(&["public"]), [ADD]);
    assert_eq!(oids(&[]), [] as [u32; 0]);
    assert_eq!(snapshot.function("app", "add", &[Type::Text]).unwrap().oid, 16501);
    let dropped = snapshot.apply(&[Change::DropFunction(16501)]);
    assert_eq!(dropped.functions_named("app", "add").len(), 1);
    assert!(
        dropped
            .apply(&[Change::DropFunction(16500)])
            .functions_named("app", "add")
            .is_empty()
    );
}

#[test]
fn an_oid_mark_outlives_what_was_dropped() {
    let snapshot = Snapshot::bootstrap().apply(&[Change::OidMark(30_000)]);
    assert_eq!(snapshot.next_oid(), 30_000);
    assert_eq!(snapshot.apply(&[Change::OidMark(5)]).next_oid(), 30_000);
}

/// Ten thousand CREATE TABLEs one by one: seconds if a change copied the catalog.
#[test]
fn changes_do_not_copy_the_catalog() {
    let mut snapshot = Snapshot::bootstrap();
    let start = std::time::Instant::now();
    for oid in 0..10_000 {
        snapshot = snapshot.apply(&[Change::PutTable(table(
            FIRST_USER_OID + oid,
            &format!("t{oid}"),
            TableKind::Table,
            vec![],
        ))]);
    }
    let elapsed = start.elapsed();
    println!("10,000 changes one by one: {elapsed:?}");
    assert_eq!(snapshot.user_tables().count(), 10_000);
    assert!(elapsed.as_secs() < 10, "{elapsed:?}");
}
