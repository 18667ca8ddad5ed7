//! `pg_group`: roles that cannot log in, with their members.

use types::Type;

use crate::row::*;
use crate::{Row, SystemContext, SystemTable};

pub const TABLE: SystemTable = SystemTable {
    oid: 12010,
    schema: "pg_catalog",
    name: "pg_group",
    columns: &[("groname", Type::Name), ("grosysid", Type::Oid), ("grolist", OID_ARRAY)],
    rows,
    finders: &[],
};

fn rows(context: &SystemContext) -> Vec<Row> {
    let groups = context.snapshot.roles().filter(|role| !role.login);
    groups
        .map(|group| {
            let members = context.snapshot.roles().filter(|role| role.member_of.contains(&group.oid));
            vec![
                text(&group.name),
                oid(group.oid),
                array(Type::Oid, members.map(|role| oid(role.oid))),
            ]
        })
        .collect()
}
