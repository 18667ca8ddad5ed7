//! Grants, owners, memberships.

use catalog::*;

use crate::fixture::{PEOPLE, READER, Session, WRITERS};

fn with_acl(acl: Acl) -> Session {
    let mut session = Session::new();
    let people = Table {
        acl: Some(acl),
        ..Table::clone(session.snapshot.table_by_oid(PEOPLE).unwrap())
    };
    session.snapshot = session.snapshot.apply(&[Change::PutTable(people)]);
    session
}

fn grant(grantee: u32, privileges: &[Privilege], option: bool) -> Grant<'_> {
    Grant {
        grantee,
        grantor: SUPERUSER_OID,
        privileges,
        option,
    }
}

fn give(acl: &mut Acl, grantee: u32, privileges: &[Privilege], option: bool) {
    acl.grant(SUPERUSER_OID, grant(grantee, privileges, option), &|role, of| role == of)
        .unwrap();
}

fn take(acl: &mut Acl, grantee: u32, privileges: &[Privilege], option: bool) {
    acl.revoke(SUPERUSER_OID, grant(grantee, privileges, option), false, &|role, of| role == of)
        .unwrap();
}

fn may(session: &Session, role: u32, privilege: Privilege) -> bool {
    session
        .snapshot
        .has_table_privilege(role, session.snapshot.table_by_oid(PEOPLE).unwrap(), privilege)
}

#[test]
fn without_grants_a_table_is_its_owners() {
    let session = Session::new();
    assert!(may(&session, SUPERUSER_OID, Privilege::Select));
    assert!(!may(&session, READER, Privilege::Select));
    assert!(!may(&session, 99_999, Privilege::Select));
}

#[test]
fn grants_reach_members_and_public_reaches_all() {
    let mut acl = Acl::default_for(AclKind::Table, SUPERUSER_OID);
    give(&mut acl, WRITERS, &[Privilege::Insert, Privilege::Update], false);
    give(&mut acl, PUBLIC, &[Privilege::Select], false);
    let session = with_acl(acl.clone());
    assert!(may(&session, READER, Privilege::Insert) && may(&session, READER, Privilege::Select));
    assert!(!may(&session, READER, Privilege::Delete));

    take(&mut acl, WRITERS, &[Privilege::Insert], false);
    take(&mut acl, PUBLIC, &[Privilege::Select], false);
    let session = with_acl(acl);
    assert!(!may(&session, READER, Privilege::Insert) && !may(&session, READER, Privilege::Select));
    assert!(may(&session, READER, Privilege::Update));
}

#[test]
fn the_grant_option_is_apart_from_the_privilege() {
    let mut acl = Acl::default_for(AclKind::Table, SUPERUSER_OID);
    give(&mut acl, READER, &[Privilege::Select], true);
    let grantable = |acl: &Acl| {
        let session = with_acl(acl.clone());
        let table = session.snapshot.table_by_oid(PEOPLE).unwrap();
        session
            .snapshot
            .has_privilege(READER, Privilege::Select, true, AclKind::Table, table.owner, table.acl.as_ref())
    };
    assert!(grantable(&acl));
    take(&mut acl, READER, &[Privilege::Select], true);
    assert!(!grantable(&acl));
    assert!(may(&with_acl(acl), READER, Privilege::Select));
}

#[test]
fn membership_goes_through_roles_and_ends_in_circles() {
    let role = |oid, name: &str, member_of: Vec<u32>| {
        Change::PutRole(Role {
            member_of,
            ..Role::new(oid, name)
        })
    };
    let snapshot = Snapshot::bootstrap().apply(&[
        role(20001, "a", vec![20002]),
        role(20002, "b", vec![20003]),
        role(20003, "c", vec![20001]),
    ]);
    assert!(snapshot.is_member(20001, 20003) && snapshot.is_member(20003, 20002) && snapshot.is_member(20001, 20001));
    assert!(!snapshot.is_member(20001, SUPERUSER_OID));
    assert!(!snapshot.is_superuser(20001) && snapshot.owns(SUPERUSER_OID, 20001));
}

#[test]
fn a_role_that_does_not_inherit_is_a_member_without_the_privileges() {
    let role = |oid, name: &str, inherit, member_of: Vec<u32>, admin_of: Vec<u32>| {
        Change::PutRole(Role {
            inherit,
            member_of,
            admin_of,
            ..Role::new(oid, name)
        })
    };
    let snapshot = Snapshot::bootstrap().apply(&[
        role(20001, "a", true, vec![20002], vec![20002]),
        role(20002, "b", false, vec![20003], vec![20003]),
        role(20003, "c", true, vec![AUDITOR_OID], vec![]),
    ]);
    assert!(snapshot.acts_as(20001, 20002) && !snapshot.acts_as(20001, 20003) && !snapshot.acts_as(20002, 20003));
    assert!(snapshot.is_member(20001, 20003) && snapshot.is_trusted(20001));
    // The option reaches members of its holder, and nobody has it on himself.
    assert!(snapshot.is_admin(20001, 20003) && !snapshot.is_admin(20003, 20003) && !snapshot.is_admin(20003, 20002));
}

#[test]
fn functions_are_for_everybody_until_revoked() {
    let session = Session::new();
    let add = session.snapshot.function_by_oid(crate::fixture::ADD).unwrap();
    assert!(session.snapshot.has_function_privilege(READER, add));
    let mut acl = Acl::default_for(AclKind::Function, SUPERUSER_OID);
    take(&mut acl, PUBLIC, &[Privilege::Execute], false);
    let closed = Function {
        acl: Some(acl),
        ..Function::clone(add)
    };
    assert!(!session.snapshot.has_function_privilege(READER, &closed));
    assert!(session.snapshot.has_function_privilege(SUPERUSER_OID, &closed));
}

#[test]
fn nobody_creates_in_system_schemas() {
    let session = Session::new();
    for schema in ["pg_catalog", "information_schema", "heliosdb"] {
        let schema = session.snapshot.schema(schema).unwrap();
        assert!(session.snapshot.has_schema_privilege(READER, schema, Privilege::Usage));
        assert!(!session.snapshot.has_schema_privilege(READER, schema, Privilege::Create));
    }
}
