//! `pg_am`: one way to keep tables, one to keep indexes, under the names that clients look for.

use types::Type;

use crate::SystemTable;
use crate::row::*;

pub const TABLE: SystemTable = SystemTable {
    oid: 2601,
    schema: "pg_catalog",
    name: "pg_am",
    columns: &[
        ("oid", Type::Oid),
        ("amname", Type::Name),
        ("amhandler", Type::Regproc),
        ("amtype", Type::Char),
    ],
    rows: |_| {
        vec![
            vec![oid(HEAP), text("heap"), oid(3), letter('t')],
            vec![oid(BTREE), text("btree"), oid(330), letter('i')],
        ]
    },
    finders: &[],
};

pub(crate) const HEAP: u32 = 2;
pub(crate) const BTREE: u32 = 403;
