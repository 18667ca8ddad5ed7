//! `pg_db_role_setting`: ALTER ROLE ... SET.

use types::Type;

use super::pg_roles::config;
use crate::row::*;
use crate::{Row, SystemContext, SystemTable};

pub const TABLE: SystemTable = SystemTable {
    oid: 2964,
    schema: "pg_catalog",
    name: "pg_db_role_setting",
    columns: &[("setdatabase", Type::Oid), ("setrole", Type::Oid), ("setconfig", TEXT_ARRAY)],
    rows,
    finders: &[],
};

fn rows(context: &SystemContext) -> Vec<Row> {
    let roles = context.snapshot.roles().filter(|role| !role.settings.is_empty());
    roles.map(|role| vec![oid(0), oid(role.oid), config(role)]).collect()
}
