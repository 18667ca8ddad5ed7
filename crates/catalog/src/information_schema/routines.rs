//! `information_schema.routines`: users' functions and procedures.

use types::Type;

use super::access::{self, data_type};
use crate::row::*;
use crate::{Function, Language, Row, SystemContext, SystemTable, Volatility};

pub const TABLE: SystemTable = SystemTable {
    oid: 13377,
    schema: "information_schema",
    name: "routines",
    columns: &[
        ("specific_catalog", Type::Name),
        ("specific_schema", Type::Name),
        ("specific_name", Type::Name),
        ("routine_catalog", Type::Name),
        ("routine_schema", Type::Name),
        ("routine_name", Type::Name),
        ("routine_type", Type::Varchar),
        ("module_catalog", Type::Name),
        ("module_schema", Type::Name),
        ("module_name", Type::Name),
        ("udt_catalog", Type::Name),
        ("udt_schema", Type::Name),
        ("udt_name", Type::Name),
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
        ("type_udt_catalog", Type::Name),
        ("type_udt_schema", Type::Name),
        ("type_udt_name", Type::Name),
        ("scope_catalog", Type::Name),
        ("scope_schema", Type::Name),
        ("scope_name", Type::Name),
        ("maximum_cardinality", Type::Int4),
        ("dtd_identifier", Type::Name),
        ("routine_body", Type::Varchar),
        ("routine_definition", Type::Varchar),
        ("external_name", Type::Varchar),
        ("external_language", Type::Varchar),
        ("parameter_style", Type::Varchar),
        ("is_deterministic", Type::Varchar),
        ("sql_data_access", Type::Varchar),
        ("is_null_call", Type::Varchar),
        ("sql_path", Type::Varchar),
        ("schema_level_routine", Type::Varchar),
        ("max_dynamic_result_sets", Type::Int4),
        ("is_user_defined_cast", Type::Varchar),
        ("is_implicitly_invocable", Type::Varchar),
        ("security_type", Type::Varchar),
        ("to_sql_specific_catalog", Type::Name),
        ("to_sql_specific_schema", Type::Name),
        ("to_sql_specific_name", Type::Name),
        ("as_locator", Type::Varchar),
        ("created", Type::Timestamptz),
        ("last_altered", Type::Timestamptz),
        ("new_savepoint_level", Type::Varchar),
        ("is_udt_dependent", Type::Varchar),
        ("result_cast_from_data_type", Type::Varchar),
        ("result_cast_as_locator", Type::Varchar),
        ("result_cast_char_max_length", Type::Int4),
        ("result_cast_char_octet_length", Type::Int4),
        ("result_cast_char_set_catalog", Type::Name),
        ("result_cast_char_set_schema", Type::Name),
        ("result_cast_char_set_name", Type::Name),
        ("result_cast_collation_catalog", Type::Name),
        ("result_cast_collation_schema", Type::Name),
        ("result_cast_collation_name", Type::Name),
        ("result_cast_numeric_precision", Type::Int4),
        ("result_cast_numeric_precision_radix", Type::Int4),
        ("result_cast_numeric_scale", Type::Int4),
        ("result_cast_datetime_precision", Type::Int4),
        ("result_cast_interval_type", Type::Varchar),
        ("result_cast_interval_precision", Type::Int4),
        ("result_cast_type_udt_catalog", Type::Name),
        ("result_cast_type_udt_schema", Type::Name),
        ("result_cast_type_udt_name", Type::Name),
        ("result_cast_scope_catalog", Type::Name),
        ("result_cast_scope_schema", Type::Name),
        ("result_cast_scope_name", Type::Name),
        ("result_cast_maximum_cardinality", Type::Int4),
        ("result_cast_dtd_identifier", Type::Name),
    ],
    rows: |context| {
        let functions = context
            .snapshot
            .functions()
            .filter(|function| function.aggregate.is_none() && access::sees_function(context, function));
        functions.map(|function| row(context, function)).collect()
    },
    finders: &[],
};

fn row(context: &SystemContext, function: &Function) -> Row {
    let is_sql = function.language == Language::Sql;
    let is_owner = context.snapshot.owns(context.current_user, function.owner);
    let database = || text(context.database);
    let of_function = |value| if function.is_procedure { NULL } else { value };
    let mut row = vec![database(), text(&function.schema), text(specific_name(function))];
    row.extend([database(), text(&function.schema), text(&function.name)]);
    row.push(text(if function.is_procedure { "PROCEDURE" } else { "FUNCTION" }));
    row.extend((0..6).map(|_| NULL)); // module_*, udt_*
    row.push(of_function(data_type(function.returns.ty())));
    row.extend((0..14).map(|_| NULL)); // lengths, character set, collation, precisions
    row.extend([
        of_function(database()),
        of_function(text("pg_catalog")),
        of_function(text(function.returns.ty().catalog_name())),
    ]);
    row.extend((0..4).map(|_| NULL)); // scope_*, maximum_cardinality
    row.push(of_function(text("0"))); // dtd_identifier
    row.push(text(if is_sql { "SQL" } else { "EXTERNAL" }));
    row.push(if is_owner { text(&function.body) } else { NULL });
    row.push(NULL); // external_name
    row.push(text(function.language.name().to_uppercase()));
    row.push(text("GENERAL"));
    row.push(yes(function.volatility == Volatility::Immutable));
    row.push(text("MODIFIES"));
    row.push(of_function(yes(function.strict)));
    row.push(NULL); // sql_path
    row.push(yes(true)); // schema_level_routine
    row.push(int4(0)); // max_dynamic_result_sets
    row.extend([NULL, NULL]); // is_user_defined_cast, is_implicitly_invocable
    row.push(text(if function.security_definer { "DEFINER" } else { "INVOKER" }));
    row.extend([NULL, NULL, NULL]); // to_sql_specific_*
    row.push(yes(false)); // as_locator
    row.extend([NULL, NULL, NULL]); // created, last_altered, new_savepoint_level
    row.push(yes(false)); // is_udt_dependent
    row.extend((0..24).map(|_| NULL)); // result_cast_*
    row
}

/// A name of which there is one only: overloads differ in the OID.
pub(super) fn specific_name(function: &Function) -> String {
    format!("{}_{}", function.name, function.oid)
}
