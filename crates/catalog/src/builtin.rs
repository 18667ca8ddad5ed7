//! The objects that every database has.

use policy::Policy;

use crate::privilege::{Acl, AclItem, PUBLIC, Privilege};
use crate::{Change, Role, Schema, SecurityPolicy};

/// The bootstrap superuser, `postgres`.
pub const SUPERUSER_OID: u32 = 10;
/// `heliosdb_auditor`: its members read the audit log.
pub const AUDITOR_OID: u32 = 9010;
pub const PG_CATALOG_OID: u32 = 11;
pub const PUBLIC_SCHEMA_OID: u32 = 2200;
pub const INFORMATION_SCHEMA_OID: u32 = 13_207;
pub const HELIOSDB_OID: u32 = 9000;
/// The predefined policies have this OID and the next two.
const FIRST_POLICY_OID: u32 = 9201;
/// The one database, and its `pg_database.oid`.
pub const DATABASE_OID: u32 = 5;

/// Never stored: no statement alters them.
pub(crate) fn fixed_changes() -> Vec<Change> {
    let schema = |oid, name: &str, comment: Option<&str>| {
        let usage = AclItem {
            grantee: PUBLIC,
            grantor: SUPERUSER_OID,
            privileges: vec![Privilege::Usage],
            grantable: vec![],
        };
        let owner = AclItem {
            grantee: SUPERUSER_OID,
            grantor: SUPERUSER_OID,
            privileges: vec![Privilege::Usage, Privilege::Create],
            grantable: vec![],
        };
        Change::PutSchema(Schema {
            oid,
            name: name.to_string(),
            owner: SUPERUSER_OID,
            acl: Some(Acl(vec![owner, usage])),
            comment: comment.map(str::to_string),
        })
    };
    let mut changes = vec![
        schema(PG_CATALOG_OID, "pg_catalog", Some("system catalog schema")),
        schema(INFORMATION_SCHEMA_OID, "information_schema", None),
        schema(HELIOSDB_OID, "heliosdb", Some("functions, their rights and the audit log")),
    ];
    let policies = Policy::all_predefined().into_iter().zip(FIRST_POLICY_OID..);
    changes.extend(policies.map(|(policy, oid)| {
        Change::PutPolicy(SecurityPolicy {
            oid,
            owner: SUPERUSER_OID,
            policy: policy.clone(),
        })
    }));
    changes
}

/// Stored when a database is created.
pub(crate) fn initial_changes() -> Vec<Change> {
    let superuser = Role {
        superuser: true,
        login: true,
        createrole: true,
        createdb: true,
        replication: true,
        bypass_rls: true,
        ..Role::new(SUPERUSER_OID, "postgres")
    };
    let public = Schema {
        oid: PUBLIC_SCHEMA_OID,
        name: "public".to_string(),
        owner: SUPERUSER_OID,
        acl: Some(Acl(vec![
            AclItem {
                grantee: SUPERUSER_OID,
                grantor: SUPERUSER_OID,
                privileges: vec![Privilege::Usage, Privilege::Create],
                grantable: vec![],
            },
            AclItem {
                grantee: PUBLIC,
                grantor: SUPERUSER_OID,
                privileges: vec![Privilege::Usage],
                grantable: vec![],
            },
        ])),
        comment: Some("standard public schema".to_string()),
    };
    vec![
        Change::PutRole(superuser),
        Change::PutRole(Role::new(AUDITOR_OID, "heliosdb_auditor")),
        Change::PutSchema(public),
    ]
}
