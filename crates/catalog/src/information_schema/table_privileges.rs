//! `information_schema.table_privileges`: grants on tables and views, with what the owner holds by default; and
//! `role_table_grants`: those of them that roles of the current user's gave or got.

use types::Type;

use crate::row::*;
use crate::{Acl, AclKind, PUBLIC, Privilege, Row, SystemContext, SystemTable, Table};

pub const TABLE: SystemTable = SystemTable {
    oid: 13416,
    schema: "information_schema",
    name: "table_privileges",
    columns: COLUMNS,
    rows: |context| rows(context, true),
    finders: &[],
};

pub const OF_ROLES: SystemTable = SystemTable {
    oid: 13421,
    schema: "information_schema",
    name: "role_table_grants",
    columns: COLUMNS,
    rows: |context| rows(context, false),
    finders: &[],
};

const COLUMNS: &[(&str, Type)] = &[
    ("grantor", Type::Name),
    ("grantee", Type::Name),
    ("table_catalog", Type::Name),
    ("table_schema", Type::Name),
    ("table_name", Type::Name),
    ("privilege_type", Type::Varchar),
    ("is_grantable", Type::Varchar),
    ("with_hierarchy", Type::Varchar),
];

fn rows(context: &SystemContext, to_public: bool) -> Vec<Row> {
    let relations = context.snapshot.tables().filter(|table| matches!(table.relkind(), 'r' | 'v'));
    relations.flat_map(|table| of_table(context, table, to_public)).collect()
}

/// `to_public`: what everybody was granted, too, whoever gave it.
fn of_table(context: &SystemContext, table: &Table, to_public: bool) -> Vec<Row> {
    let default = Acl::default_for(AclKind::Table, table.owner);
    let mut rows = vec![];
    for item in &table.acl.as_ref().unwrap_or(&default).0 {
        // A grant is shown to who gave and who got it.
        let mine = |role: u32| super::roles::is_enabled(context, role);
        let to_everybody = item.grantee == PUBLIC;
        if !((to_everybody && to_public) || (!to_everybody && mine(item.grantee)) || mine(item.grantor)) {
            continue;
        }
        let grantee = if item.grantee == PUBLIC {
            "PUBLIC".to_string()
        } else {
            role_name(context.snapshot, item.grantee)
        };
        for privilege in Privilege::ALL.into_iter().filter(|privilege| item.privileges.contains(privilege)) {
            rows.push(vec![
                text(role_name(context.snapshot, item.grantor)),
                text(&grantee),
                text(context.database),
                text(&table.schema),
                text(&table.name),
                text(privilege.sql()),
                yes(item.grantee == table.owner || item.grantable.contains(&privilege)),
                yes(privilege == Privilege::Select),
            ]);
        }
    }
    rows
}
