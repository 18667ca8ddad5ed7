//! `pg_auth_members`: who belongs to which role.

use types::Type;

use crate::builtin::SUPERUSER_OID;
use crate::row::*;
use crate::{Role, Row, SystemContext, SystemTable};

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
                oid(grantor(member, role)),
                boolean(member.admin_of.contains(&role)),
            ]
        })
        .collect()
}

/// What was granted before grantors were kept was the first superuser's to grant.
fn grantor(member: &Role, role: u32) -> u32 {
    let known = member.member_grantors.iter().find(|(of, _)| *of == role);
    known.map_or(SUPERUSER_OID, |(_, grantor)| *grantor)
}
