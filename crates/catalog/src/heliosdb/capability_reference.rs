//! `heliosdb.capability_reference`: the capabilities there are, how each is written, what it allows and who may grant it.

use policy::{Capability, Kind};
use types::Type;

use crate::row::*;
use crate::{Row, SystemTable};

pub const TABLE: SystemTable = SystemTable {
    oid: 9106,
    schema: "heliosdb",
    name: "capability_reference",
    columns: &[
        ("capability", Type::Text),
        ("example", Type::Text),
        ("takes_pattern", Type::Bool),
        ("superuser_grants_only", Type::Bool),
        ("predefined_policies", TEXT_ARRAY),
        ("allows", Type::Text),
    ],
    rows: |_| Kind::ALL.iter().map(|kind| row(*kind)).collect(),
    finders: &[],
};

fn row(kind: Kind) -> Row {
    let example = Capability::parse(kind.example()).ok();
    let policies = policy::Policy::all_predefined()
        .into_iter()
        .filter(|policy| policy.capabilities.iter().any(|held| held.kind() == kind));
    vec![
        text(kind.name()),
        text(kind.example()),
        boolean(example.as_ref().is_some_and(|capability| capability.pattern().is_some())),
        boolean(example.as_ref().is_some_and(Capability::is_superuser_only)),
        text_array(policies.map(|policy| policy.name.clone())),
        text(allows(kind)),
    ]
}

fn allows(kind: Kind) -> &'static str {
    match kind {
        Kind::DatabaseRead => "heliosdb.query on tables of that name; * matches within one name",
        Kind::DatabaseWrite => "heliosdb.execute of INSERT, UPDATE, DELETE, TRUNCATE on tables of that name; it does not give read",
        Kind::DatabaseExecute => "heliosdb.execute of DDL",
        Kind::FileRead => "heliosdb.fs reads of canonical paths; /dir/* is one folder, /dir/** all below it",
        Kind::FileWrite => "heliosdb.fs writes to canonical paths; it does not give read",
        Kind::NetworkAccess => "connections to that host and port; private addresses only where named literally; * needs a superuser",
        Kind::EnvAccess => "heliosdb.env.get of the operator's list",
        Kind::TimeAccess => "the real clock instead of the transaction's timestamp",
        Kind::RandomAccess => "the system's randomness",
        Kind::CryptoAccess => "heliosdb.crypto",
        Kind::HttpClient => "heliosdb.http, to hosts that NETWORK_ACCESS names",
        Kind::CallFunction => "heliosdb.call of functions of that name",
    }
}
