//! `pg_*_is_visible`: whether the bare name finds the object. Each is a look-up.

use types::{Datum, Result, Type};

use super::{Answer, oid};
use crate::pg_catalog::pg_proc::SUPPORT;
use crate::{SystemContext, name};

pub(super) const ANSWERS: &[(&str, Answer)] = &[
    ("pg_table_is_visible", table),
    ("pg_function_is_visible", function),
    ("pg_type_is_visible", |_, args| {
        Ok(exists(Type::from_oid(oid("pg_type_is_visible", args, 0)?).is_some()))
    }),
    // Everything of these kinds is PostgreSQL's own, in pg_catalog, which no path leaves out.
    ("pg_collation_is_visible", always),
    ("pg_conversion_is_visible", always),
    ("pg_opclass_is_visible", always),
    ("pg_operator_is_visible", always),
    ("pg_opfamily_is_visible", always),
    ("pg_statistics_obj_is_visible", always),
    ("pg_ts_config_is_visible", always),
    ("pg_ts_dict_is_visible", always),
    ("pg_ts_parser_is_visible", always),
    ("pg_ts_template_is_visible", always),
    // There are no temporary schemas.
    ("pg_is_other_temp_schema", |_, _| Ok(Datum::Bool(false))),
    ("pg_my_temp_schema", |_, _| Ok(Datum::Oid(0))),
];

/// NULL where there is no such object.
fn exists(found: bool) -> Datum {
    if found { Datum::Bool(true) } else { Datum::Null }
}

fn always(_: &SystemContext, _: &[Datum]) -> Result<Datum> {
    Ok(Datum::Bool(true))
}

fn table(context: &SystemContext, args: &[Datum]) -> Result<Datum> {
    let relation = context.snapshot.relation_by_oid(oid("pg_table_is_visible", args, 0)?);
    Ok(relation.map_or(Datum::Null, |relation| Datum::Bool(name::is_visible(context, &relation))))
}

fn function(context: &SystemContext, args: &[Datum]) -> Result<Datum> {
    let wanted = oid("pg_function_is_visible", args, 0)?;
    if let Some(function) = context.snapshot.function_by_oid(wanted) {
        return Ok(Datum::Bool(name::is_function_visible(context, function)));
    }
    let builtin = SUPPORT.iter().any(|support| support.oid == wanted);
    Ok(exists(
        builtin || context.live.builtin_functions().iter().any(|function| function.oid == wanted),
    ))
}
