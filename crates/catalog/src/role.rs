//! Roles, schemas and security policies.

use policy::Policy;
use serde::{Deserialize, Serialize};

use crate::Acl;

#[derive(Clone, Serialize, Deserialize)]
pub struct Role {
    pub oid: u32,
    pub name: String,
    pub superuser: bool,
    pub login: bool,
    pub createrole: bool,
    pub createdb: bool,
    pub inherit: bool,
    pub replication: bool,
    pub bypass_rls: bool,
    /// -1: no limit.
    pub connection_limit: i32,
    /// Microseconds since 1970 UTC.
    #[serde(default)]
    pub valid_until: Option<i64>,
    /// A SCRAM-SHA-256 verifier in PostgreSQL's format, never the password itself.
    #[serde(default)]
    pub password: Option<String>,
    /// OIDs of the roles that this one is a direct member of.
    #[serde(default)]
    pub member_of: Vec<u32>,
    /// Those of `member_of` that were granted WITH ADMIN OPTION.
    #[serde(default)]
    pub admin_of: Vec<u32>,
    /// Who granted each of `member_of`: (role, grantor).
    #[serde(default)]
    pub member_grantors: Vec<(u32, u32)>,
    /// `ALTER ROLE ... SET name = value`.
    #[serde(default)]
    pub settings: Vec<(String, String)>,
    #[serde(default)]
    pub comment: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Schema {
    pub oid: u32,
    pub name: String,
    /// The owner's role OID.
    pub owner: u32,
    #[serde(default)]
    pub acl: Option<Acl>,
    #[serde(default)]
    pub comment: Option<String>,
}

/// The one database, as far as statements can change it. Stored once one has.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DatabaseRecord {
    pub oid: u32,
    pub owner: u32,
    /// None: the default, CONNECT and TEMPORARY for everybody.
    #[serde(default)]
    pub acl: Option<Acl>,
}

/// `CREATE SECURITY POLICY`. The predefined ones are not stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SecurityPolicy {
    pub oid: u32,
    pub owner: u32,
    pub policy: Policy,
}

impl Role {
    /// Makes it a member of `role`; an admin option that it has already stays, and who granted last is the grantor.
    pub fn join(&mut self, role: u32, grantor: u32, admin: bool) {
        if !self.member_of.contains(&role) {
            self.member_of.push(role);
        }
        self.member_grantors.retain(|(of, _)| *of != role);
        self.member_grantors.push((role, grantor));
        if admin && !self.admin_of.contains(&role) {
            self.admin_of.push(role);
        }
    }

    /// Ends its membership in `role`, or only the admin option.
    pub fn leave(&mut self, role: u32, admin_only: bool) {
        self.admin_of.retain(|of| *of != role);
        if !admin_only {
            self.member_of.retain(|of| *of != role);
            self.member_grantors.retain(|(of, _)| *of != role);
        }
    }

    /// A role that may do nothing, not even log in.
    pub fn new(oid: u32, name: impl Into<String>) -> Role {
        Role {
            oid,
            name: name.into(),
            superuser: false,
            login: false,
            createrole: false,
            createdb: false,
            inherit: true,
            replication: false,
            bypass_rls: false,
            connection_limit: -1,
            valid_until: None,
            password: None,
            member_of: vec![],
            admin_of: vec![],
            member_grantors: vec![],
            settings: vec![],
            comment: None,
        }
    }
}

/// Written by hand so that no log ever shows the verifier.
impl std::fmt::Debug for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Role")
            .field("oid", &self.oid)
            .field("name", &self.name)
            .field("superuser", &self.superuser)
            .field("login", &self.login)
            .field("password", &self.password.as_ref().map(|_| "..."))
            .field("member_of", &self.member_of)
            .finish_non_exhaustive()
    }
}
