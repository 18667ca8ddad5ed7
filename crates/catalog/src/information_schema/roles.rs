//! `information_schema.enabled_roles`, `applicable_roles`, `administrable_role_authorizations`: whose rights the current user has,
//! and by which memberships.

use types::Type;

use crate::row::*;
use crate::{Row, SystemContext, SystemTable};

pub const ENABLED: SystemTable = SystemTable {
    oid: 13325,
    schema: "information_schema",
    name: "enabled_roles",
    columns: &[("role_name", Type::Name)],
    rows: |context| {
        let roles = context.snapshot.roles().filter(|role| is_enabled(context, role.oid));
        roles.map(|role| vec![text(&role.name)]).collect()
    },
    finders: &[],
};

pub const APPLICABLE: SystemTable = SystemTable {
    oid: 13236,
    schema: "information_schema",
    name: "applicable_roles",
    columns: MEMBERSHIP,
    rows: |context| memberships(context, false),
    finders: &[],
};

pub const ADMINISTRABLE: SystemTable = SystemTable {
    oid: 13241,
    schema: "information_schema",
    name: "administrable_role_authorizations",
    columns: MEMBERSHIP,
    rows: |context| memberships(context, true),
    finders: &[],
};

const MEMBERSHIP: &[(&str, Type)] = &[("grantee", Type::Name), ("role_name", Type::Name), ("is_grantable", Type::Varchar)];

/// Whether the current user has the rights of this role.
pub(super) fn is_enabled(context: &SystemContext, role: u32) -> bool {
    context.snapshot.is_superuser(context.current_user) || context.snapshot.acts_as(context.current_user, role)
}

/// What the roles whose rights the current user has are members of; with the admin option only, or all.
fn memberships(context: &SystemContext, admin_only: bool) -> Vec<Row> {
    let mut rows = vec![];
    for member in context.snapshot.roles().filter(|role| is_enabled(context, role.oid)) {
        for of in &member.member_of {
            let admin = member.admin_of.contains(of);
            if admin || !admin_only {
                rows.push(vec![text(&member.name), text(role_name(context.snapshot, *of)), yes(admin)]);
            }
        }
    }
    rows
}
