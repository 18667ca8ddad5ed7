//! Functions that only the catalog or the engine can answer: each goes through
//! [`Environment::catalog_call`](crate::Environment::catalog_call) under its own name.

use types::Type::*;
use types::{Datum, SqlError};

use crate::Scalar;
use crate::set::SetFunction;

const TEXTS: types::Type = Array(&Text);

macro_rules! catalog_calls {
    ($volatility:ident: $($name:literal($($arg:expr),*) -> $ret:expr;)*) => {
        &[$(Scalar::new($name, &[$($arg),*], $ret, |env, a| env.catalog_call($name, a)).$volatility()),*]
    };
}

pub(crate) static CATALOG: &[Scalar] = catalog_calls! { stable:
    "pg_trigger_depth"() -> Int4;
    "txid_current"() -> Int8;
    "txid_current_if_assigned"() -> Int8;
    "pg_postmaster_start_time"() -> Timestamptz;
    "pg_conf_load_time"() -> Timestamptz;
    "acldefault"(Char, Oid) -> TEXTS;
    "col_description"(Oid, Int4) -> Text;
    "getdatabaseencoding"() -> Name;
    "has_any_column_privilege"(Name, Oid, Text) -> Bool;
    "has_any_column_privilege"(Name, Text, Text) -> Bool;
    "has_any_column_privilege"(Oid, Oid, Text) -> Bool;
    "has_any_column_privilege"(Oid, Text) -> Bool;
    "has_any_column_privilege"(Oid, Text, Text) -> Bool;
    "has_any_column_privilege"(Text, Text) -> Bool;
    "has_column_privilege"(Name, Oid, Int2, Text) -> Bool;
    "has_column_privilege"(Name, Oid, Text, Text) -> Bool;
    "has_column_privilege"(Name, Text, Int2, Text) -> Bool;
    "has_column_privilege"(Name, Text, Text, Text) -> Bool;
    "has_column_privilege"(Oid, Int2, Text) -> Bool;
    "has_column_privilege"(Oid, Oid, Int2, Text) -> Bool;
    "has_column_privilege"(Oid, Oid, Text, Text) -> Bool;
    "has_column_privilege"(Oid, Text, Int2, Text) -> Bool;
    "has_column_privilege"(Oid, Text, Text) -> Bool;
    "has_column_privilege"(Oid, Text, Text, Text) -> Bool;
    "has_column_privilege"(Text, Int2, Text) -> Bool;
    "has_column_privilege"(Text, Text, Text) -> Bool;
    "has_database_privilege"(Name, Oid, Text) -> Bool;
    "has_database_privilege"(Name, Text, Text) -> Bool;
    "has_database_privilege"(Oid, Oid, Text) -> Bool;
    "has_database_privilege"(Oid, Text) -> Bool;
    "has_database_privilege"(Oid, Text, Text) -> Bool;
    "has_database_privilege"(Text, Text) -> Bool;
    "has_foreign_data_wrapper_privilege"(Name, Oid, Text) -> Bool;
    "has_foreign_data_wrapper_privilege"(Name, Text, Text) -> Bool;
    "has_foreign_data_wrapper_privilege"(Oid, Oid, Text) -> Bool;
    "has_foreign_data_wrapper_privilege"(Oid, Text) -> Bool;
    "has_foreign_data_wrapper_privilege"(Oid, Text, Text) -> Bool;
    "has_foreign_data_wrapper_privilege"(Text, Text) -> Bool;
    "has_function_privilege"(Name, Oid, Text) -> Bool;
    "has_function_privilege"(Name, Text, Text) -> Bool;
    "has_function_privilege"(Oid, Oid, Text) -> Bool;
    "has_function_privilege"(Oid, Text) -> Bool;
    "has_function_privilege"(Oid, Text, Text) -> Bool;
    "has_function_privilege"(Text, Text) -> Bool;
    "has_language_privilege"(Name, Oid, Text) -> Bool;
    "has_language_privilege"(Name, Text, Text) -> Bool;
    "has_language_privilege"(Oid, Oid, Text) -> Bool;
    "has_language_privilege"(Oid, Text) -> Bool;
    "has_language_privilege"(Oid, Text, Text) -> Bool;
    "has_language_privilege"(Text, Text) -> Bool;
    "has_schema_privilege"(Name, Oid, Text) -> Bool;
    "has_schema_privilege"(Name, Text, Text) -> Bool;
    "has_schema_privilege"(Oid, Oid, Text) -> Bool;
    "has_schema_privilege"(Oid, Text) -> Bool;
    "has_schema_privilege"(Oid, Text, Text) -> Bool;
    "has_schema_privilege"(Text, Text) -> Bool;
    "has_sequence_privilege"(Name, Oid, Text) -> Bool;
    "has_sequence_privilege"(Name, Text, Text) -> Bool;
    "has_sequence_privilege"(Oid, Oid, Text) -> Bool;
    "has_sequence_privilege"(Oid, Text) -> Bool;
    "has_sequence_privilege"(Oid, Text, Text) -> Bool;
    "has_sequence_privilege"(Text, Text) -> Bool;
    "has_server_privilege"(Name, Oid, Text) -> Bool;
    "has_server_privilege"(Name, Text, Text) -> Bool;
    "has_server_privilege"(Oid, Oid, Text) -> Bool;
    "has_server_privilege"(Oid, Text) -> Bool;
    "has_server_privilege"(Oid, Text, Text) -> Bool;
    "has_server_privilege"(Text, Text) -> Bool;
    "has_table_privilege"(Name, Oid, Text) -> Bool;
    "has_table_privilege"(Name, Text, Text) -> Bool;
    "has_table_privilege"(Oid, Oid, Text) -> Bool;
    "has_table_privilege"(Oid, Text) -> Bool;
    "has_table_privilege"(Oid, Text, Text) -> Bool;
    "has_table_privilege"(Text, Text) -> Bool;
    "has_tablespace_privilege"(Name, Oid, Text) -> Bool;
    "has_tablespace_privilege"(Name, Text, Text) -> Bool;
    "has_tablespace_privilege"(Oid, Oid, Text) -> Bool;
    "has_tablespace_privilege"(Oid, Text) -> Bool;
    "has_tablespace_privilege"(Oid, Text, Text) -> Bool;
    "has_tablespace_privilege"(Text, Text) -> Bool;
    "has_type_privilege"(Name, Oid, Text) -> Bool;
    "has_type_privilege"(Name, Text, Text) -> Bool;
    "has_type_privilege"(Oid, Oid, Text) -> Bool;
    "has_type_privilege"(Oid, Text) -> Bool;
    "has_type_privilege"(Oid, Text, Text) -> Bool;
    "has_type_privilege"(Text, Text) -> Bool;
    "obj_description"(Oid) -> Text;
    "obj_description"(Oid, Name) -> Text;
    "pg_char_to_encoding"(Name) -> Int4;
    "pg_client_encoding"() -> Name;
    "pg_collation_is_visible"(Oid) -> Bool;
    "pg_column_is_updatable"(Regclass, Int2, Bool) -> Bool;
    "pg_conversion_is_visible"(Oid) -> Bool;
    "pg_describe_object"(Oid, Oid, Int4) -> Text;
    "pg_encoding_to_char"(Int4) -> Name;
    "pg_function_is_visible"(Oid) -> Bool;
    "pg_get_constraintdef"(Oid) -> Text;
    "pg_get_constraintdef"(Oid, Bool) -> Text;
    "pg_get_expr"(Text, Oid) -> Text;
    "pg_get_expr"(Text, Oid, Bool) -> Text;
    "pg_get_function_arg_default"(Oid, Int4) -> Text;
    "pg_get_function_arguments"(Oid) -> Text;
    "pg_get_function_identity_arguments"(Oid) -> Text;
    "pg_get_function_result"(Oid) -> Text;
    "pg_get_function_sqlbody"(Oid) -> Text;
    "pg_get_functiondef"(Oid) -> Text;
    "pg_get_indexdef"(Oid) -> Text;
    "pg_get_indexdef"(Oid, Int4, Bool) -> Text;
    "pg_get_partition_constraintdef"(Oid) -> Text;
    "pg_get_partkeydef"(Oid) -> Text;
    "pg_get_replica_identity_index"(Regclass) -> Regclass;
    "pg_get_ruledef"(Oid) -> Text;
    "pg_get_ruledef"(Oid, Bool) -> Text;
    "pg_get_serial_sequence"(Text, Text) -> Text;
    "pg_get_statisticsobjdef"(Oid) -> Text;
    "pg_get_statisticsobjdef_columns"(Oid) -> Text;
    "pg_get_statisticsobjdef_expressions"(Oid) -> TEXTS;
    "pg_get_triggerdef"(Oid) -> Text;
    "pg_get_triggerdef"(Oid, Bool) -> Text;
    "pg_get_userbyid"(Oid) -> Name;
    "pg_get_viewdef"(Oid) -> Text;
    "pg_get_viewdef"(Oid, Bool) -> Text;
    "pg_get_viewdef"(Oid, Int4) -> Text;
    "pg_get_viewdef"(Text) -> Text;
    "pg_get_viewdef"(Text, Bool) -> Text;
    "pg_has_role"(Name, Name, Text) -> Bool;
    "pg_has_role"(Name, Oid, Text) -> Bool;
    "pg_has_role"(Name, Text) -> Bool;
    "pg_has_role"(Oid, Name, Text) -> Bool;
    "pg_has_role"(Oid, Oid, Text) -> Bool;
    "pg_has_role"(Oid, Text) -> Bool;
    "pg_index_column_has_property"(Regclass, Int4, Text) -> Bool;
    "pg_index_has_property"(Regclass, Text) -> Bool;
    "pg_indexam_has_property"(Oid, Text) -> Bool;
    "pg_is_other_temp_schema"(Oid) -> Bool;
    "pg_my_temp_schema"() -> Oid;
    "pg_opclass_is_visible"(Oid) -> Bool;
    "pg_operator_is_visible"(Oid) -> Bool;
    "pg_opfamily_is_visible"(Oid) -> Bool;
    "pg_partition_root"(Regclass) -> Regclass;
    "pg_relation_filenode"(Regclass) -> Oid;
    "pg_relation_filepath"(Regclass) -> Text;
    "pg_relation_is_publishable"(Regclass) -> Bool;
    "pg_relation_is_updatable"(Regclass, Bool) -> Int4;
    "pg_stat_get_dead_tuples"(Oid) -> Int8;
    "pg_stat_get_live_tuples"(Oid) -> Int8;
    "pg_stat_get_numscans"(Oid) -> Int8;
    "pg_statistics_obj_is_visible"(Oid) -> Bool;
    "pg_table_is_visible"(Oid) -> Bool;
    "pg_tablespace_location"(Oid) -> Text;
    "pg_ts_config_is_visible"(Oid) -> Bool;
    "pg_ts_dict_is_visible"(Oid) -> Bool;
    "pg_ts_parser_is_visible"(Oid) -> Bool;
    "pg_ts_template_is_visible"(Oid) -> Bool;
    "pg_type_is_visible"(Oid) -> Bool;
    "regclassin"(Text) -> Regclass;
    "regclassout"(Regclass) -> Text;
    "regnamespacein"(Text) -> Regnamespace;
    "regnamespaceout"(Regnamespace) -> Text;
    "regprocin"(Text) -> Regproc;
    "regprocout"(Regproc) -> Text;
    "regrolein"(Text) -> Regrole;
    "regroleout"(Regrole) -> Text;
    "regtypein"(Text) -> Regtype;
    "regtypeout"(Regtype) -> Text;
    "row_security_active"(Oid) -> Bool;
    "row_security_active"(Text) -> Bool;
    "shobj_description"(Oid, Name) -> Text;
    "to_regclass"(Text) -> Regclass;
    "to_regnamespace"(Text) -> Regnamespace;
    "to_regproc"(Text) -> Regproc;
    "to_regprocedure"(Text) -> Regproc;
    "to_regrole"(Text) -> Regrole;
    "to_regtype"(Text) -> Regtype;
};

/// Sequences, locks, other sessions: things that change or wait.
pub(crate) static ENGINE: &[Scalar] = catalog_calls! { volatile:
    "pg_collation_actual_version"(Oid) -> Text;
    "pg_database_collation_actual_version"(Oid) -> Text;
    "pg_database_size"(Name) -> Int8;
    "pg_database_size"(Oid) -> Int8;
    "pg_indexes_size"(Regclass) -> Int8;
    "pg_is_in_recovery"() -> Bool;
    "pg_jit_available"() -> Bool;
    "pg_relation_size"(Regclass) -> Int8;
    "pg_relation_size"(Regclass, Text) -> Int8;
    "pg_sequence_last_value"(Regclass) -> Int8;
    "pg_table_size"(Regclass) -> Int8;
    "pg_tablespace_size"(Name) -> Int8;
    "pg_tablespace_size"(Oid) -> Int8;
    "pg_total_relation_size"(Regclass) -> Int8;
    "nextval"(Regclass) -> Int8;
    "currval"(Regclass) -> Int8;
    "lastval"() -> Int8;
    "setval"(Regclass, Int8) -> Int8;
    "setval"(Regclass, Int8, Bool) -> Int8;
    "pg_cancel_backend"(Int4) -> Bool;
    "pg_terminate_backend"(Int4) -> Bool;
    "pg_terminate_backend"(Int4, Int8) -> Bool;
    "pg_notify"(Text, Text) -> Void;
    "pg_export_snapshot"() -> Text;
    "pg_blocking_pids"(Int4) -> Array(&Int4);
    "pg_safe_snapshot_blocking_pids"(Int4) -> Array(&Int4);
    "pg_reload_conf"() -> Bool;
    "pg_advisory_lock"(Int8) -> Void;
    "pg_advisory_lock"(Int4, Int4) -> Void;
    "pg_advisory_xact_lock"(Int8) -> Void;
    "pg_advisory_xact_lock"(Int4, Int4) -> Void;
    "pg_advisory_lock_shared"(Int8) -> Void;
    "pg_advisory_lock_shared"(Int4, Int4) -> Void;
    "pg_advisory_xact_lock_shared"(Int8) -> Void;
    "pg_advisory_xact_lock_shared"(Int4, Int4) -> Void;
    "pg_try_advisory_lock"(Int8) -> Bool;
    "pg_try_advisory_lock"(Int4, Int4) -> Bool;
    "pg_try_advisory_xact_lock"(Int8) -> Bool;
    "pg_try_advisory_xact_lock"(Int4, Int4) -> Bool;
    "pg_try_advisory_lock_shared"(Int8) -> Bool;
    "pg_try_advisory_lock_shared"(Int4, Int4) -> Bool;
    "pg_try_advisory_xact_lock_shared"(Int8) -> Bool;
    "pg_try_advisory_xact_lock_shared"(Int4, Int4) -> Bool;
    "pg_advisory_unlock"(Int8) -> Bool;
    "pg_advisory_unlock"(Int4, Int4) -> Bool;
    "pg_advisory_unlock_shared"(Int8) -> Bool;
    "pg_advisory_unlock_shared"(Int4, Int4) -> Bool;
    "pg_advisory_unlock_all"() -> Void;
};

/// Functions of schema heliosdb; a call names the schema.
pub(crate) static HELIOSDB: &[Scalar] = &[
    Scalar::new("heliosdb.alert", &[Text, Text], Int8, |env, a| {
        env.catalog_call("heliosdb.alert", a)
    })
    .lax()
    .volatile(),
    Scalar::new("heliosdb.forget", &[Text], Int8, |env, a| env.catalog_call("heliosdb.forget", a)).volatile(),
    Scalar::new("heliosdb.suggest_policy", &[Text], Text, |env, a| {
        env.catalog_call("heliosdb.suggest_policy", a)
    })
    .volatile(),
];

/// The catalog answers these with an array of records.
/// What `heliosdb.verify_audit_log` answers, in one row.
const AUDIT_VERDICT: &[(&str, types::Type)] = &[
    ("whole", Bool),
    ("rows", Int8),
    ("first_bad_id", Int8),
    ("reason", Text),
    ("head_id", Int8),
    ("head_hash", types::Type::Bytea),
];

pub(crate) static SET_FUNCTIONS: &[SetFunction] = &[
    SetFunction::new("verify_audit_log", &[], AUDIT_VERDICT, |env, a| {
        records(env.catalog_call("verify_audit_log", a)?)
    }),
    SetFunction::new("verify_audit_log", &[Int8, types::Type::Bytea], AUDIT_VERDICT, |env, a| {
        records(env.catalog_call("verify_audit_log", a)?)
    }),
    SetFunction::new(
        "aclexplode",
        &[TEXTS],
        &[("grantor", Oid), ("grantee", Oid), ("privilege_type", Text), ("is_grantable", Bool)],
        |env, a| records(env.catalog_call("aclexplode", a)?),
    ),
    SetFunction::new(
        "pg_sequence_parameters",
        &[Oid],
        &[
            ("start_value", Int8),
            ("minimum_value", Int8),
            ("maximum_value", Int8),
            ("increment", Int8),
            ("cycle_option", Bool),
            ("cache_size", Int8),
            ("data_type", Oid),
        ],
        |env, a| records(env.catalog_call("pg_sequence_parameters", a)?),
    ),
    SetFunction::new(
        "pg_get_keywords",
        &[],
        &[
            ("word", Text),
            ("catcode", Char),
            ("barelabel", Bool),
            ("catdesc", Text),
            ("baredesc", Text),
        ],
        |env, a| records(env.catalog_call("pg_get_keywords", a)?),
    ),
    SetFunction::new("pg_partition_ancestors", &[Regclass], &[("relid", Regclass)], |env, a| {
        records(env.catalog_call("pg_partition_ancestors", a)?)
    }),
    SetFunction::new(
        "pg_partition_tree",
        &[Regclass],
        &[("relid", Regclass), ("parentrelid", Regclass), ("isleaf", Bool), ("level", Int4)],
        |_, _| Ok(crate::set::column(vec![])),
    ),
    SetFunction::new("pg_listening_channels", &[], &[("pg_listening_channels", Text)], |env, a| {
        records(env.catalog_call("pg_listening_channels", a)?)
    }),
];

fn records(answer: Datum) -> types::Result<crate::set::Rows> {
    let rows = match answer {
        Datum::Null => vec![],
        Datum::Record(fields) => vec![fields],
        Datum::Array(array) => {
            let row = |value| match value {
                Datum::Record(fields) => Ok(fields),
                other => Ok(vec![other]),
            };
            array.values.into_iter().map(row).collect::<types::Result<_>>()?
        }
        _ => return Err(SqlError::internal("a catalog's set function answers records")),
    };
    Ok(Box::new(rows.into_iter().map(Ok)))
}
