//! `pg_shdescription`: comments on roles and the database.

use types::Type;

use super::{pg_authid, pg_database};
use crate::builtin::DATABASE_OID;
use crate::row::*;
use crate::{Row, SystemContext, SystemTable};

pub const TABLE: SystemTable = SystemTable {
    oid: 2396,
    schema: "pg_catalog",
    name: "pg_shdescription",
    columns: &[("objoid", Type::Oid), ("classoid", Type::Oid), ("description", Type::Text)],
    rows,
    finders: &[],
};

/// The comment on the one database.
pub(crate) const DATABASE: &str = "default administrative connection database";

fn rows(context: &SystemContext) -> Vec<Row> {
    let comment = |object: u32, class: u32, comment: &str| vec![oid(object), oid(class), text(comment)];
    let database = comment(DATABASE_OID, pg_database::TABLE.oid, DATABASE);
    let roles = context
        .snapshot
        .roles()
        .filter_map(|role| Some(comment(role.oid, pg_authid::TABLE.oid, role.comment.as_ref()?)));
    std::iter::once(database).chain(roles).collect()
}
