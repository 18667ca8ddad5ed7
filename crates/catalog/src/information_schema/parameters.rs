//! `information_schema.parameters`: arguments of functions, and the columns of those that return tables.

use types::Type;

use super::access::{self, data_type};
use super::routines::specific_name;
use crate::row::*;
use crate::{Function, Returns, Row, SystemContext, SystemTable};

pub const TABLE: SystemTable = SystemTable {
    oid: 13334,
    schema: "information_schema",
    name: "parameters",
    columns: &[
        ("specific_catalog", Type::Name),
        ("specific_schema", Type::Name),
        ("specific_name", Type::Name),
        ("ordinal_position", Type::Int4),
        ("parameter_mode", Type::Varchar),
        ("is_result", Type::Varchar),
        ("as_locator", Type::Varchar),
        ("parameter_name", Type::Name),
        ("data_type", Type::Varchar),
        ("character_maximum_length", Type::Int4),
        ("character_octet_length", Type::Int4),
        ("character_set_catalog", Type::Name),
        ("character_set_schema", Type::Name),
        ("character_set_name", Type::Name),
        ("collation_catalog", Type::Name),
        ("collation_schema", Type::Name),
        ("collation_name", Type::Name),
        ("numeric_precision", Type::Int4),
        ("numeric_precision_radix", Type::Int4),
        ("numeric_scale", Type::Int4),
        ("datetime_precision", Type::Int4),
        ("interval_type", Type::Varchar),
        ("interval_precision", Type::Int4),
        ("udt_catalog", Type::Name),
        ("udt_schema", Type::Name),
        ("udt_name", Type::Name),
        ("scope_catalog", Type::Name),
        ("scope_schema", Type::Name),
        ("scope_name", Type::Name),
        ("maximum_cardinality", Type::Int4),
        ("dtd_identifier", Type::Name),
        ("parameter_default", Type::Varchar),
    ],
    rows: |context| {
        let functions = context
            .snapshot
            .functions()
            .filter(|function| access::sees_function(context, function));
        functions.flat_map(|function| of_function(context, function)).collect()
    },
    finders: &[],
};

fn of_function(context: &SystemContext, function: &Function) -> Vec<Row> {
    let inputs = function
        .args
        .iter()
        .map(|arg| ("IN", arg.name.as_deref(), arg.ty, arg.default.as_deref()));
    let outputs: &[(String, Type)] = match &function.returns {
        Returns::Table(columns) => columns,
        Returns::Scalar(_) | Returns::SetOf(_) | Returns::Trigger | Returns::Void => &[],
    };
    let outputs = outputs.iter().map(|(name, ty)| ("OUT", Some(name.as_str()), *ty, None));
    let rows = inputs.chain(outputs).zip(1i32..).map(|((mode, name, ty, default), position)| {
        let mut row = vec![
            text(context.database),
            text(&function.schema),
            text(specific_name(function)),
            int4(position),
        ];
        row.extend([text(mode), yes(false), yes(false), opt_text(name), data_type(ty)]);
        row.extend((0..14).map(|_| NULL)); // lengths, character set, collation, precisions
        row.extend([text(context.database), text("pg_catalog"), text(ty.catalog_name())]);
        row.extend((0..4).map(|_| NULL)); // scope_*, maximum_cardinality
        row.extend([text(position.to_string()), opt_text(default)]);
        row
    });
    rows.collect()
}
