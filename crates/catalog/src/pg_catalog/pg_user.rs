//! `pg_user`: roles that can log in, as old clients ask for them.

use types::Type;

use super::pg_shadow;
use crate::row::*;
use crate::{Row, SystemContext, SystemTable};

pub const TABLE: SystemTable = SystemTable {
    oid: 12014,
    schema: "pg_catalog",
    name: "pg_user",
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
    logins.map(|role| pg_shadow::row(role, text("********"))).collect()
}
