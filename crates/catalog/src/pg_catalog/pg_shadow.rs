//! `pg_shadow`: roles that can log in, with their password verifiers, for superusers.

use types::{Datum, Type};

use super::pg_roles::config;
use crate::row::*;
use crate::{Role, Row, SystemContext, SystemTable};

pub const TABLE: SystemTable = SystemTable {
    oid: 12005,
    schema: "pg_catalog",
    name: "pg_shadow",
    columns: &[
        ("usename", Type::Name),
        ("usesysid", Type::Oid),
        ("usecreatedb", Type::Bool),
        ("usesuper", Type::Bool),
        ("userepl", Type::Bool),
        ("usebypassrls", Type::Bool),
        ("passwd", Type::Text),
        ("valuntil", Type::Timestamptz),
        ("useconfig", TEXT_ARRAY),
    ],
    rows,
    finders: &[],
};

fn rows(context: &SystemContext) -> Vec<Row> {
    let logins = context.snapshot.roles().filter(|role| role.login);
    logins.map(|role| row(role, opt_text(role.password.clone()))).collect()
}

pub(super) fn row(role: &Role, password: Datum) -> Row {
    vec![
        text(&role.name),
        oid(role.oid),
        boolean(role.createdb),
        boolean(role.superuser),
        boolean(role.replication),
        boolean(role.bypass_rls),
        password,
        role.valid_until.map_or(NULL, Datum::Timestamptz),
        config(role),
    ]
}
