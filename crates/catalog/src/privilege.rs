//! SQL privileges: who may do what with an object, as GRANT and REVOKE keep it.

use serde::{Deserialize, Serialize};

/// The role OID that stands for PUBLIC in an [`AclItem`].
pub const PUBLIC: u32 = 0;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Privilege {
    Insert,
    Select,
    Update,
    Delete,
    Truncate,
    References,
    Trigger,
    Execute,
    Usage,
    Create,
    Connect,
    Temporary,
}

/// What kind of object an [`Acl`] belongs to: decides the privileges there are and the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AclKind {
    Table,
    Sequence,
    Function,
    Schema,
    Database,
}

/// The grants on one object. An object without one has [`Acl::default_for`] its kind and owner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acl(pub Vec<AclItem>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AclItem {
    /// A role's OID or [`PUBLIC`].
    pub grantee: u32,
    pub grantor: u32,
    pub privileges: Vec<Privilege>,
    /// Those of `privileges` that were granted WITH GRANT OPTION.
    #[serde(default)]
    pub grantable: Vec<Privilege>,
}

impl Privilege {
    /// In the order in which PostgreSQL prints them in an aclitem.
    pub const ALL: [Privilege; 12] = [
        Privilege::Insert,
        Privilege::Select,
        Privilege::Update,
        Privilege::Delete,
        Privilege::Truncate,
        Privilege::References,
        Privilege::Trigger,
        Privilege::Execute,
        Privilege::Usage,
        Privilege::Create,
        Privilege::Temporary,
        Privilege::Connect,
    ];

    /// As in an aclitem: `arwdDxt`.
    pub fn letter(self) -> char {
        match self {
            Privilege::Insert => 'a',
            Privilege::Select => 'r',
            Privilege::Update => 'w',
            Privilege::Delete => 'd',
            Privilege::Truncate => 'D',
            Privilege::References => 'x',
            Privilege::Trigger => 't',
            Privilege::Execute => 'X',
            Privilege::Usage => 'U',
            Privilege::Create => 'C',
            Privilege::Connect => 'c',
            Privilege::Temporary => 'T',
        }
    }

    /// As GRANT writes it.
    pub fn sql(self) -> &'static str {
        match self {
            Privilege::Insert => "INSERT",
            Privilege::Select => "SELECT",
            Privilege::Update => "UPDATE",
            Privilege::Delete => "DELETE",
            Privilege::Truncate => "TRUNCATE",
            Privilege::References => "REFERENCES",
            Privilege::Trigger => "TRIGGER",
            Privilege::Execute => "EXECUTE",
            Privilege::Usage => "USAGE",
            Privilege::Create => "CREATE",
            Privilege::Connect => "CONNECT",
            Privilege::Temporary => "TEMPORARY",
        }
    }

    /// Of a name in any case; `TEMP` too.
    pub fn from_name(name: &str) -> Option<Privilege> {
        if name.eq_ignore_ascii_case("temp") {
            return Some(Privilege::Temporary);
        }
        Privilege::ALL
            .into_iter()
            .find(|privilege| name.eq_ignore_ascii_case(privilege.sql()))
    }
}

impl AclKind {
    /// All privileges that exist on this kind of object.
    pub fn privileges(self) -> &'static [Privilege] {
        use Privilege::*;
        match self {
            AclKind::Table => &[Insert, Select, Update, Delete, Truncate, References, Trigger],
            AclKind::Sequence => &[Select, Update, Usage],
            AclKind::Function => &[Execute],
            AclKind::Schema => &[Usage, Create],
            AclKind::Database => &[Create, Temporary, Connect],
        }
    }

    /// What PUBLIC has where nobody granted or revoked anything.
    fn public_default(self) -> &'static [Privilege] {
        use Privilege::*;
        match self {
            AclKind::Table | AclKind::Sequence | AclKind::Schema => &[],
            AclKind::Function => &[Execute],
            AclKind::Database => &[Temporary, Connect],
        }
    }
}

impl Acl {
    pub fn default_for(kind: AclKind, owner: u32) -> Acl {
        let mut items = vec![];
        if !kind.public_default().is_empty() {
            items.push(AclItem {
                grantee: PUBLIC,
                grantor: owner,
                privileges: kind.public_default().to_vec(),
                grantable: vec![],
            });
        }
        items.push(AclItem {
            grantee: owner,
            grantor: owner,
            privileges: kind.privileges().to_vec(),
            grantable: vec![],
        });
        Acl(items)
    }

    /// Whether one of the grantees that `is_grantee` accepts holds the privilege.
    pub fn allows(&self, privilege: Privilege, grantable: bool, is_grantee: impl Fn(u32) -> bool) -> bool {
        self.0.iter().any(|item| {
            let held = if grantable { &item.grantable } else { &item.privileges };
            held.contains(&privilege) && is_grantee(item.grantee)
        })
    }
}
