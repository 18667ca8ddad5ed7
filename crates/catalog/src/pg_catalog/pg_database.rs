//! `pg_database`: the one there is.

use types::Type;

use crate::builtin::DATABASE_OID;
use crate::row::*;
use crate::{Row, SystemContext, SystemTable};

pub const TABLE: SystemTable = SystemTable {
    oid: 1262,
    schema: "pg_catalog",
    name: "pg_database",
    columns: &[
        ("oid", Type::Oid),
        ("datname", Type::Name),
        ("datdba", Type::Oid),
        ("encoding", Type::Int4),
        ("datlocprovider", Type::Char),
        ("datistemplate", Type::Bool),
        ("datallowconn", Type::Bool),
        ("datconnlimit", Type::Int4),
        ("datfrozenxid", Type::Oid),
        ("datminmxid", Type::Oid),
        ("dattablespace", Type::Oid),
        ("datcollate", Type::Text),
        ("datctype", Type::Text),
        ("daticulocale", Type::Text),
        ("datcollversion", Type::Text),
        ("datacl", TEXT_ARRAY),
    ],
    rows,
    finders: &[],
};

pub(crate) const UTF8: i32 = 6;

fn rows(context: &SystemContext) -> Vec<Row> {
    vec![vec![
        oid(DATABASE_OID),
        text(context.database),
        oid(context.snapshot.database().owner),
        int4(UTF8),
        letter('c'),
        boolean(false), // datistemplate
        boolean(true),  // datallowconn
        int4(-1),       // datconnlimit
        oid(0),         // datfrozenxid
        oid(0),         // datminmxid
        oid(super::pg_tablespace::DEFAULT),
        text("C.UTF-8"),
        text("C.UTF-8"),
        NULL, // daticulocale
        NULL, // datcollversion
        acl(context.snapshot, context.snapshot.database().acl.as_ref()),
    ]]
}
