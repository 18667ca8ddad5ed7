//! `pg_auth_members`: who belongs to which role.

use types::Type;

use crate::builtin::SUPERUSER_OID;
use crate::row::*;
use crate::{Row, SystemContext, SystemTable};

pub const TABLE: SystemTable = SystemTable {
    oid: 1261,
    schema: "pg_catalog",
    name: "pg_auth_members",
    columns: &[
        ("roleid", Type::Oid),
        ("member", Type::Oid),
        ("grantor", Type::Oid),
        ("admin_option", Type::Bool),
    ],
    rows,
    finders: &[],
};

fn rows(context: &SystemContext) -> Vec<Row> {
    let members = context
        .snapshot
        .roles()
        .flat_map(|member| member.member_of.iter().map(move |role| (*role, member)));
    members
        .map(|(role, member)| {
            vec![
                oid(role),
                oid(member.oid),
                oid(SUPERUSER_OID),
                boolean(member.admin_of.contains(&role)),
            ]
        })
        .collect()
}
