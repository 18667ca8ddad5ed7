//! Comments: `obj_description` and its relatives.

use types::{Datum, Result};

use super::{Answer, oid, text};
use crate::builtin::DATABASE_OID;
use crate::pg_catalog::{pg_description, pg_shdescription};
use crate::{Row, SystemContext, system_relations};

pub(super) const ANSWERS: &[(&str, Answer)] = &[
    ("obj_description", object),
    ("col_description", column),
    ("shobj_description", shared_object),
];

fn object(context: &SystemContext, args: &[Datum]) -> Result<Datum> {
    let wanted = oid("obj_description", args, 0)?;
    let class = match args.get(1) {
        None => None,
        Some(_) => match catalog_oid(text("obj_description", args, 1)?) {
            Some(class) => Some(class),
            None => return Ok(Datum::Null),
        },
    };
    let rows = pg_description::TABLE.scan(context, Some(("objoid", &Datum::Oid(wanted))));
    let is_wanted = |row: &Row| {
        row[0].as_i64() == Some(i64::from(wanted))
            && class.is_none_or(|class| row[1].as_i64() == Some(i64::from(class)))
            && row[2].as_i64() == Some(0)
    };
    Ok(rows.into_iter().find(is_wanted).map_or(Datum::Null, |mut row| row.swap_remove(3)))
}

fn column(context: &SystemContext, args: &[Datum]) -> Result<Datum> {
    let table = context.snapshot.table_by_oid(oid("col_description", args, 0)?);
    let attnum = args.get(1).and_then(Datum::as_i64);
    let column = table.and_then(|table| table.live_columns().find(|(_, column)| Some(i64::from(column.attnum)) == attnum));
    Ok(column
        .and_then(|(_, column)| column.comment.clone())
        .map_or(Datum::Null, Datum::Text))
}

fn shared_object(context: &SystemContext, args: &[Datum]) -> Result<Datum> {
    let wanted = oid("shobj_description", args, 0)?;
    let comment = match text("shobj_description", args, 1)? {
        "pg_authid" => context.snapshot.role_by_oid(wanted).and_then(|role| role.comment.clone()),
        "pg_database" if wanted == DATABASE_OID => Some(pg_shdescription::DATABASE.to_string()),
        _ => None,
    };
    Ok(comment.map_or(Datum::Null, Datum::Text))
}

fn catalog_oid(name: &str) -> Option<u32> {
    system_relations().table("pg_catalog", name).map(|table| table.oid)
}
