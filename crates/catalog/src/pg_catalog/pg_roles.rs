//! `pg_roles`: roles, for everybody.

use types::{Datum, Type};

use super::pg_class::oid_of;
use crate::row::*;
use crate::{Finder, Role, Row, SystemContext, SystemTable};

pub const TABLE: SystemTable = SystemTable {
    oid: 12000,
    schema: "pg_catalog",
    name: "pg_roles",
    columns: &[
        ("rolname", Type::Name),
        ("rolsuper", Type::Bool),
        ("rolinherit", Type::Bool),
        ("rolcreaterole", Type::Bool),
        ("rolcreatedb", Type::Bool),
        ("rolcanlogin", Type::Bool),
        ("rolreplication", Type::Bool),
        ("rolconnlimit", Type::Int4),
        ("rolpassword", Type::Text),
        ("rolvaliduntil", Type::Timestamptz),
        ("rolbypassrls", Type::Bool),
        ("rolconfig", TEXT_ARRAY),
        ("oid", Type::Oid),
    ],
    rows: |context| context.snapshot.roles().map(|role| row(role)).collect(),
    finders: &[
        Finder {
            column: "oid",
            rows: by_oid,
        },
        Finder {
            column: "rolname",
            rows: by_name,
        },
    ],
};

fn by_oid(context: &SystemContext, value: &Datum) -> Vec<Row> {
    oid_of(value)
        .and_then(|oid| context.snapshot.role_by_oid(oid))
        .map(|role| row(role))
        .into_iter()
        .collect()
}

fn by_name(context: &SystemContext, value: &Datum) -> Vec<Row> {
    value
        .as_str()
        .and_then(|name| context.snapshot.role(name))
        .map(|role| row(role))
        .into_iter()
        .collect()
}

fn row(role: &Role) -> Row {
    vec![
        text(&role.name),
        boolean(role.superuser),
        boolean(role.inherit),
        boolean(role.createrole),
        boolean(role.createdb),
        boolean(role.login),
        boolean(role.replication),
        int4(role.connection_limit),
        text("********"),
        role.valid_until.map_or(NULL, Datum::Timestamptz),
        boolean(role.bypass_rls),
        config(role),
        oid(role.oid),
    ]
}

/// `{name=value,...}` of ALTER ROLE ... SET.
pub(super) fn config(role: &Role) -> Datum {
    if role.settings.is_empty() {
        return NULL;
    }
    text_array(role.settings.iter().map(|(name, value)| format!("{name}={value}")))
}
