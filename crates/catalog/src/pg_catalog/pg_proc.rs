//! `pg_proc`: users' functions, the built-in ones that the engine names, and the types' support functions, which drivers
//! look up to tell arrays from other types.

use std::collections::HashSet;

use types::{Datum, Type};

use super::pg_class::{oid_of, schema_oid};
use crate::builtin::{PG_CATALOG_OID, SUPERUSER_OID};
use crate::function::print_path;
use crate::row::*;
use crate::{BuiltinFunction, Finder, Function, Returns, Row, SystemContext, SystemTable};

pub const TABLE: SystemTable = SystemTable {
    oid: 1255,
    schema: "pg_catalog",
    name: "pg_proc",
    columns: &[
        ("oid", Type::Oid),
        ("proname", Type::Name),
        ("pronamespace", Type::Oid),
        ("proowner", Type::Oid),
        ("prolang", Type::Oid),
        ("procost", Type::Float4),
        ("prorows", Type::Float4),
        ("provariadic", Type::Oid),
        ("prosupport", Type::Regproc),
        ("prokind", Type::Char),
        ("prosecdef", Type::Bool),
        ("proleakproof", Type::Bool),
        ("proisstrict", Type::Bool),
        ("proretset", Type::Bool),
        ("provolatile", Type::Char),
        ("proparallel", Type::Char),
        ("pronargs", Type::Int2),
        ("pronargdefaults", Type::Int2),
        ("prorettype", Type::Oid),
        ("proargtypes", OID_ARRAY),
        ("proallargtypes", OID_ARRAY),
        ("proargmodes", CHAR_ARRAY),
        ("proargnames", TEXT_ARRAY),
        ("proargdefaults", Type::Text),
        ("protrftypes", OID_ARRAY),
        ("prosrc", Type::Text),
        ("probin", Type::Text),
        ("prosqlbody", Type::Text),
        ("proconfig", TEXT_ARRAY),
        ("proacl", TEXT_ARRAY),
    ],
    rows,
    finders: &[
        Finder {
            column: "oid",
            rows: by_oid,
        },
        Finder {
            column: "proname",
            rows: by_name,
        },
    ],
};

/// An input, output or handler function: nothing that can be called here, but `pg_type` refers to it.
pub(crate) struct Support {
    pub oid: u32,
    pub name: &'static str,
    returns: u32,
    args: &'static [u32],
    strict: bool,
    volatility: char,
}

/// Source: PostgreSQL 15's `pg_proc`.
#[rustfmt::skip] // a table, one row per line
pub(crate) const SUPPORT: &[Support] = &[
    Support { oid: 3, name: "heap_tableam_handler", returns: 269, args: &[2281], strict: true, volatility: 'v' },
    Support { oid: 31, name: "byteaout", returns: 2275, args: &[17], strict: true, volatility: 'i' },
    Support { oid: 33, name: "charout", returns: 2275, args: &[18], strict: true, volatility: 'i' },
    Support { oid: 34, name: "namein", returns: 19, args: &[2275], strict: true, volatility: 'i' },
    Support { oid: 35, name: "nameout", returns: 2275, args: &[19], strict: true, volatility: 'i' },
    Support { oid: 38, name: "int2in", returns: 21, args: &[2275], strict: true, volatility: 'i' },
    Support { oid: 39, name: "int2out", returns: 2275, args: &[21], strict: true, volatility: 'i' },
    Support { oid: 42, name: "int4in", returns: 23, args: &[2275], strict: true, volatility: 'i' },
    Support { oid: 43, name: "int4out", returns: 2275, args: &[23], strict: true, volatility: 'i' },
    Support { oid: 44, name: "regprocin", returns: 24, args: &[2275], strict: true, volatility: 's' },
    Support { oid: 45, name: "regprocout", returns: 2275, args: &[24], strict: true, volatility: 's' },
    Support { oid: 46, name: "textin", returns: 25, args: &[2275], strict: true, volatility: 'i' },
    Support { oid: 47, name: "textout", returns: 2275, args: &[25], strict: true, volatility: 'i' },
    Support { oid: 109, name: "unknownin", returns: 705, args: &[2275], strict: true, volatility: 'i' },
    Support { oid: 110, name: "unknownout", returns: 2275, args: &[705], strict: true, volatility: 'i' },
    Support { oid: 200, name: "float4in", returns: 700, args: &[2275], strict: true, volatility: 'i' },
    Support { oid: 201, name: "float4out", returns: 2275, args: &[700], strict: true, volatility: 'i' },
    Support { oid: 214, name: "float8in", returns: 701, args: &[2275], strict: true, volatility: 'i' },
    Support { oid: 215, name: "float8out", returns: 2275, args: &[701], strict: true, volatility: 'i' },
    Support { oid: 321, name: "json_in", returns: 114, args: &[2275], strict: true, volatility: 'i' },
    Support { oid: 322, name: "json_out", returns: 2275, args: &[114], strict: true, volatility: 'i' },
    Support { oid: 323, name: "json_recv", returns: 114, args: &[2281], strict: true, volatility: 'i' },
    Support { oid: 324, name: "json_send", returns: 17, args: &[114], strict: true, volatility: 'i' },
    Support { oid: 330, name: "bthandler", returns: 325, args: &[2281], strict: true, volatility: 'v' },
    Support { oid: 460, name: "int8in", returns: 20, args: &[2275], strict: true, volatility: 'i' },
    Support { oid: 461, name: "int8out", returns: 2275, args: &[20], strict: true, volatility: 'i' },
    Support { oid: 750, name: "array_in", returns: 2277, args: &[2275, 26, 23], strict: true, volatility: 's' },
    Support { oid: 751, name: "array_out", returns: 2275, args: &[2277], strict: true, volatility: 's' },
    Support { oid: 1044, name: "bpcharin", returns: 1042, args: &[2275, 26, 23], strict: true, volatility: 'i' },
    Support { oid: 1045, name: "bpcharout", returns: 2275, args: &[1042], strict: true, volatility: 'i' },
    Support { oid: 1046, name: "varcharin", returns: 1043, args: &[2275, 26, 23], strict: true, volatility: 'i' },
    Support { oid: 1047, name: "varcharout", returns: 2275, args: &[1043], strict: true, volatility: 'i' },
    Support { oid: 1084, name: "date_in", returns: 1082, args: &[2275], strict: true, volatility: 's' },
    Support { oid: 1085, name: "date_out", returns: 2275, args: &[1082], strict: true, volatility: 's' },
    Support { oid: 1143, name: "time_in", returns: 1083, args: &[2275, 26, 23], strict: true, volatility: 's' },
    Support { oid: 1144, name: "time_out", returns: 2275, args: &[1083], strict: true, volatility: 'i' },
    Support { oid: 1150, name: "timestamptz_in", returns: 1184, args: &[2275, 26, 23], strict: true, volatility: 's' },
    Support { oid: 1151, name: "timestamptz_out", returns: 2275, args: &[1184], strict: true, volatility: 's' },
    Support { oid: 1160, name: "interval_in", returns: 1186, args: &[2275, 26, 23], strict: true, volatility: 's' },
    Support { oid: 1161, name: "interval_out", returns: 2275, args: &[1186], strict: true, volatility: 's' },
    Support { oid: 1242, name: "boolin", returns: 16, args: &[2275], strict: true, volatility: 'i' },
    Support { oid: 1243, name: "boolout", returns: 2275, args: &[16], strict: true, volatility: 'i' },
    Support { oid: 1244, name: "byteain", returns: 17, args: &[2275], strict: true, volatility: 'i' },
    Support { oid: 1245, name: "charin", returns: 18, args: &[2275], strict: true, volatility: 'i' },
    Support { oid: 1312, name: "timestamp_in", returns: 1114, args: &[2275, 26, 23], strict: true, volatility: 's' },
    Support { oid: 1313, name: "timestamp_out", returns: 2275, args: &[1114], strict: true, volatility: 's' },
    Support { oid: 1701, name: "numeric_in", returns: 1700, args: &[2275, 26, 23], strict: true, volatility: 'i' },
    Support { oid: 1702, name: "numeric_out", returns: 2275, args: &[1700], strict: true, volatility: 'i' },
    Support { oid: 1798, name: "oidin", returns: 26, args: &[2275], strict: true, volatility: 'i' },
    Support { oid: 1799, name: "oidout", returns: 2275, args: &[26], strict: true, volatility: 'i' },
    Support { oid: 2218, name: "regclassin", returns: 2205, args: &[2275], strict: true, volatility: 's' },
    Support { oid: 2219, name: "regclassout", returns: 2275, args: &[2205], strict: true, volatility: 's' },
    Support { oid: 2220, name: "regtypein", returns: 2206, args: &[2275], strict: true, volatility: 's' },
    Support { oid: 2221, name: "regtypeout", returns: 2275, args: &[2206], strict: true, volatility: 's' },
    Support { oid: 2246, name: "fmgr_internal_validator", returns: 2278, args: &[26], strict: true, volatility: 's' },
    Support { oid: 2247, name: "fmgr_c_validator", returns: 2278, args: &[26], strict: true, volatility: 's' },
    Support { oid: 2248, name: "fmgr_sql_validator", returns: 2278, args: &[26], strict: true, volatility: 's' },
    Support { oid: 2290, name: "record_in", returns: 2249, args: &[2275, 26, 23], strict: true, volatility: 's' },
    Support { oid: 2291, name: "record_out", returns: 2275, args: &[2249], strict: true, volatility: 's' },
    Support { oid: 2294, name: "any_in", returns: 2276, args: &[2275], strict: true, volatility: 'i' },
    Support { oid: 2295, name: "any_out", returns: 2275, args: &[2276], strict: true, volatility: 'i' },
    Support { oid: 2296, name: "anyarray_in", returns: 2277, args: &[2275], strict: true, volatility: 'i' },
    Support { oid: 2297, name: "anyarray_out", returns: 2275, args: &[2277], strict: true, volatility: 's' },
    Support { oid: 2298, name: "void_in", returns: 2278, args: &[2275], strict: true, volatility: 'i' },
    Support { oid: 2299, name: "void_out", returns: 2275, args: &[2278], strict: true, volatility: 'i' },
    Support { oid: 2300, name: "trigger_in", returns: 2279, args: &[2275], strict: false, volatility: 'i' },
    Support { oid: 2301, name: "trigger_out", returns: 2275, args: &[2279], strict: true, volatility: 'i' },
    Support { oid: 2312, name: "anyelement_in", returns: 2283, args: &[2275], strict: true, volatility: 'i' },
    Support { oid: 2313, name: "anyelement_out", returns: 2275, args: &[2283], strict: true, volatility: 'i' },
    Support { oid: 2400, name: "array_recv", returns: 2277, args: &[2281, 26, 23], strict: true, volatility: 's' },
    Support { oid: 2401, name: "array_send", returns: 17, args: &[2277], strict: true, volatility: 's' },
    Support { oid: 2402, name: "record_recv", returns: 2249, args: &[2281, 26, 23], strict: true, volatility: 's' },
    Support { oid: 2403, name: "record_send", returns: 17, args: &[2249], strict: true, volatility: 's' },
    Support { oid: 2404, name: "int2recv", returns: 21, args: &[2281], strict: true, volatility: 'i' },
    Support { oid: 2405, name: "int2send", returns: 17, args: &[21], strict: true, volatility: 'i' },
    Support { oid: 2406, name: "int4recv", returns: 23, args: &[2281], strict: true, volatility: 'i' },
    Support { oid: 2407, name: "int4send", returns: 17, args: &[23], strict: true, volatility: 'i' },
    Support { oid: 2408, name: "int8recv", returns: 20, args: &[2281], strict: true, volatility: 'i' },
    Support { oid: 2409, name: "int8send", returns: 17, args: &[20], strict: true, volatility: 'i' },
    Support { oid: 2412, name: "bytearecv", returns: 17, args: &[2281], strict: true, volatility: 'i' },
    Support { oid: 2413, name: "byteasend", returns: 17, args: &[17], strict: true, volatility: 'i' },
    Support { oid: 2414, name: "textrecv", returns: 25, args: &[2281], strict: true, volatility: 's' },
    Support { oid: 2415, name: "textsend", returns: 17, args: &[25], strict: true, volatility: 's' },
    Support { oid: 2416, name: "unknownrecv", returns: 705, args: &[2281], strict: true, volatility: 'i' },
    Support { oid: 2417, name: "unknownsend", returns: 17, args: &[705], strict: true, volatility: 'i' },
    Support { oid: 2418, name: "oidrecv", returns: 26, args: &[2281], strict: true, volatility: 'i' },
    Support { oid: 2419, name: "oidsend", returns: 17, args: &[26], strict: true, volatility: 'i' },
    Support { oid: 2422, name: "namerecv", returns: 19, args: &[2281], strict: true, volatility: 's' },
    Support { oid: 2423, name: "namesend", returns: 17, args: &[19], strict: true, volatility: 's' },
    Support { oid: 2424, name: "float4recv", returns: 700, args: &[2281], strict: true, volatility: 'i' },
    Support { oid: 2425, name: "float4send", returns: 17, args: &[700], strict: true, volatility: 'i' },
    Support { oid: 2426, name: "float8recv", returns: 701, args: &[2281], strict: true, volatility: 'i' },
    Support { oid: 2427, name: "float8send", returns: 17, args: &[701], strict: true, volatility: 'i' },
    Support { oid: 2430, name: "bpcharrecv", returns: 1042, args: &[2281, 26, 23], strict: true, volatility: 's' },
    Support { oid: 2431, name: "bpcharsend", returns: 17, args: &[1042], strict: true, volatility: 's' },
    Support { oid: 2432, name: "varcharrecv", returns: 1043, args: &[2281, 26, 23], strict: true, volatility: 's' },
    Support { oid: 2433, name: "varcharsend", returns: 17, args: &[1043], strict: true, volatility: 's' },
    Support { oid: 2434, name: "charrecv", returns: 18, args: &[2281], strict: true, volatility: 'i' },
    Support { oid: 2435, name: "charsend", returns: 17, args: &[18], strict: true, volatility: 'i' },
    Support { oid: 2436, name: "boolrecv", returns: 16, args: &[2281], strict: true, volatility: 'i' },
    Support { oid: 2437, name: "boolsend", returns: 17, args: &[16], strict: true, volatility: 'i' },
    Support { oid: 2444, name: "regprocrecv", returns: 24, args: &[2281], strict: true, volatility: 'i' },
    Support { oid: 2445, name: "regprocsend", returns: 17, args: &[24], strict: true, volatility: 'i' },
    Support { oid: 2452, name: "regclassrecv", returns: 2205, args: &[2281], strict: true, volatility: 'i' },
    Support { oid: 2453, name: "regclasssend", returns: 17, args: &[2205], strict: true, volatility: 'i' },
    Support { oid: 2454, name: "regtyperecv", returns: 2206, args: &[2281], strict: true, volatility: 'i' },
    Support { oid: 2455, name: "regtypesend", returns: 17, args: &[2206], strict: true, volatility: 'i' },
    Support { oid: 2460, name: "numeric_recv", returns: 1700, args: &[2281, 26, 23], strict: true, volatility: 'i' },
    Support { oid: 2461, name: "numeric_send", returns: 17, args: &[1700], strict: true, volatility: 'i' },
    Support { oid: 2468, name: "date_recv", returns: 1082, args: &[2281], strict: true, volatility: 'i' },
    Support { oid: 2469, name: "date_send", returns: 17, args: &[1082], strict: true, volatility: 'i' },
    Support { oid: 2470, name: "time_recv", returns: 1083, args: &[2281, 26, 23], strict: true, volatility: 'i' },
    Support { oid: 2471, name: "time_send", returns: 17, args: &[1083], strict: true, volatility: 'i' },
    Support { oid: 2474, name: "timestamp_recv", returns: 1114, args: &[2281, 26, 23], strict: true, volatility: 'i' },
    Support { oid: 2475, name: "timestamp_send", returns: 17, args: &[1114], strict: true, volatility: 'i' },
    Support { oid: 2476, name: "timestamptz_recv", returns: 1184, args: &[2281, 26, 23], strict: true, volatility: 'i' },
    Support { oid: 2477, name: "timestamptz_send", returns: 17, args: &[1184], strict: true, volatility: 'i' },
    Support { oid: 2478, name: "interval_recv", returns: 1186, args: &[2281, 26, 23], strict: true, volatility: 'i' },
    Support { oid: 2479, name: "interval_send", returns: 17, args: &[1186], strict: true, volatility: 'i' },
    Support { oid: 2502, name: "anyarray_recv", returns: 2277, args: &[2281], strict: true, volatility: 's' },
    Support { oid: 2503, name: "anyarray_send", returns: 17, args: &[2277], strict: true, volatility: 's' },
    Support { oid: 2903, name: "intervaltypmodin", returns: 23, args: &[1263], strict: true, volatility: 'i' },
    Support { oid: 2904, name: "intervaltypmodout", returns: 2275, args: &[23], strict: true, volatility: 'i' },
    Support { oid: 2905, name: "timestamptypmodin", returns: 23, args: &[1263], strict: true, volatility: 'i' },
    Support { oid: 2906, name: "timestamptypmodout", returns: 2275, args: &[23], strict: true, volatility: 'i' },
    Support { oid: 2907, name: "timestamptztypmodin", returns: 23, args: &[1263], strict: true, volatility: 'i' },
    Support { oid: 2908, name: "timestamptztypmodout", returns: 2275, args: &[23], strict: true, volatility: 'i' },
    Support { oid: 2909, name: "timetypmodin", returns: 23, args: &[1263], strict: true, volatility: 'i' },
    Support { oid: 2910, name: "timetypmodout", returns: 2275, args: &[23], strict: true, volatility: 'i' },
    Support { oid: 2913, name: "bpchartypmodin", returns: 23, args: &[1263], strict: true, volatility: 'i' },
    Support { oid: 2914, name: "bpchartypmodout", returns: 2275, args: &[23], strict: true, volatility: 'i' },
    Support { oid: 2915, name: "varchartypmodin", returns: 23, args: &[1263], strict: true, volatility: 'i' },
    Support { oid: 2916, name: "varchartypmodout", returns: 2275, args: &[23], strict: true, volatility: 'i' },
    Support { oid: 2917, name: "numerictypmodin", returns: 23, args: &[1263], strict: true, volatility: 'i' },
    Support { oid: 2918, name: "numerictypmodout", returns: 2275, args: &[23], strict: true, volatility: 'i' },
    Support { oid: 2952, name: "uuid_in", returns: 2950, args: &[2275], strict: true, volatility: 'i' },
    Support { oid: 2953, name: "uuid_out", returns: 2275, args: &[2950], strict: true, volatility: 'i' },
    Support { oid: 2961, name: "uuid_recv", returns: 2950, args: &[2281], strict: true, volatility: 'i' },
    Support { oid: 2962, name: "uuid_send", returns: 17, args: &[2950], strict: true, volatility: 'i' },
    Support { oid: 3120, name: "void_recv", returns: 2278, args: &[2281], strict: true, volatility: 'i' },
    Support { oid: 3121, name: "void_send", returns: 17, args: &[2278], strict: true, volatility: 'i' },
    Support { oid: 3803, name: "jsonb_send", returns: 17, args: &[3802], strict: true, volatility: 'i' },
    Support { oid: 3804, name: "jsonb_out", returns: 2275, args: &[3802], strict: true, volatility: 'i' },
    Support { oid: 3805, name: "jsonb_recv", returns: 3802, args: &[2281], strict: true, volatility: 'i' },
    Support { oid: 3806, name: "jsonb_in", returns: 3802, args: &[2275], strict: true, volatility: 'i' },
    Support { oid: 3816, name: "array_typanalyze", returns: 16, args: &[2281], strict: true, volatility: 's' },
    Support { oid: 4084, name: "regnamespacein", returns: 4089, args: &[2275], strict: true, volatility: 's' },
    Support { oid: 4085, name: "regnamespaceout", returns: 2275, args: &[4089], strict: true, volatility: 's' },
    Support { oid: 4087, name: "regnamespacerecv", returns: 4089, args: &[2281], strict: true, volatility: 'i' },
    Support { oid: 4088, name: "regnamespacesend", returns: 17, args: &[4089], strict: true, volatility: 'i' },
    Support { oid: 4092, name: "regroleout", returns: 2275, args: &[4096], strict: true, volatility: 's' },
    Support { oid: 4094, name: "regrolerecv", returns: 4096, args: &[2281], strict: true, volatility: 'i' },
    Support { oid: 4095, name: "regrolesend", returns: 17, args: &[4096], strict: true, volatility: 'i' },
    Support { oid: 4098, name: "regrolein", returns: 4096, args: &[2275], strict: true, volatility: 's' },
    Support { oid: 6098, name: "jsonb_subscript_handler", returns: 2281, args: &[2281], strict: true, volatility: 'i' },
    Support { oid: 6179, name: "array_subscript_handler", returns: 2281, args: &[2281], strict: true, volatility: 'i' },
    Support { oid: 6180, name: "raw_array_subscript_handler", returns: 2281, args: &[2281], strict: true, volatility: 'i' },
];

fn rows(context: &SystemContext) -> Vec<Row> {
    let builtin = context.live.builtin_functions();
    let taken: HashSet<u32> = builtin.iter().map(|function| function.oid).collect();
    let support = SUPPORT.iter().filter(|support| !taken.contains(&support.oid)).map(support_row);
    let users = context.snapshot.functions().map(|function| function_row(context, function));
    support.chain(builtin.iter().map(builtin_row)).chain(users).collect()
}

fn by_oid(context: &SystemContext, value: &Datum) -> Vec<Row> {
    let Some(oid) = oid_of(value) else { return vec![] };
    match context.snapshot.function_by_oid(oid) {
        Some(function) => vec![function_row(context, function)],
        None => {
            let builtin = context.live.builtin_functions();
            let found = builtin.iter().find(|function| function.oid == oid).map(builtin_row);
            found
                .or_else(|| SUPPORT.iter().find(|support| support.oid == oid).map(support_row))
                .into_iter()
                .collect()
        }
    }
}

fn by_name(context: &SystemContext, value: &Datum) -> Vec<Row> {
    let Some(name) = value.as_str() else { return vec![] };
    let builtin = context.live.builtin_functions();
    let mut rows: Vec<Row> = builtin.iter().filter(|function| function.name == name).map(builtin_row).collect();
    let taken: HashSet<u32> = builtin.iter().map(|function| function.oid).collect();
    rows.extend(
        SUPPORT
            .iter()
            .filter(|support| support.name == name && !taken.contains(&support.oid))
            .map(support_row),
    );
    for schema in context.snapshot.schemas() {
        rows.extend(
            context
                .snapshot
                .functions_named(&schema.name, name)
                .iter()
                .map(|function| function_row(context, function)),
        );
    }
    rows
}

fn function_row(context: &SystemContext, function: &Function) -> Row {
    let (all_types, modes, names) = arguments(function);
    let defaults: Vec<&str> = function.args.iter().filter_map(|arg| arg.default.as_deref()).collect();
    let set = function.returns.is_set();
    vec![
        oid(function.oid),
        text(&function.name),
        oid(schema_oid(context, &function.schema)),
        oid(function.owner),
        oid(if function.aggregate.is_some() {
            INTERNAL
        } else {
            function.language.oid()
        }),
        Datum::Float4(100.0),
        Datum::Float4(if set { 1000.0 } else { 0.0 }),
        oid(0), // provariadic
        oid(0), // prosupport
        letter(match function.kind() {
            "procedure" => 'p',
            "aggregate" => 'a',
            _ => 'f',
        }),
        boolean(function.security_definer),
        boolean(false), // proleakproof
        boolean(function.strict),
        boolean(set),
        letter(function.volatility.letter()),
        letter('u'), // proparallel
        count(function.args.len()),
        count(defaults.len()),
        oid(function.returns.ty().oid()),
        vector(Type::Oid, function.args.iter().map(|arg| oid(arg.ty.oid()))),
        all_types,
        modes,
        names,
        if defaults.is_empty() { NULL } else { text(defaults.join(", ")) },
        NULL, // protrftypes
        text(if function.aggregate.is_some() {
            "aggregate_dummy"
        } else {
            &function.body
        }),
        NULL, // probin
        NULL, // prosqlbody
        match &function.search_path {
            Some(path) => text_array([format!("search_path={}", print_path(path))]),
            None => NULL,
        },
        acl(context.snapshot, function.acl.as_ref()),
    ]
}

/// proallargtypes, proargmodes, proargnames: the first two only where there is more than input arguments.
fn arguments(function: &Function) -> (Datum, Datum, Datum) {
    let table: &[(String, Type)] = match &function.returns {
        Returns::Table(columns) => columns,
        Returns::Scalar(_) | Returns::SetOf(_) | Returns::Trigger | Returns::Void => &[],
    };
    let inputs = function.args.iter();
    let names: Vec<&str> = inputs
        .clone()
        .map(|arg| arg.name.as_deref().unwrap_or(""))
        .chain(table.iter().map(|(name, _)| name.as_str()))
        .collect();
    let names = if names.iter().all(|name| name.is_empty()) {
        NULL
    } else {
        text_array(names)
    };
    if table.is_empty() {
        return (NULL, NULL, names);
    }
    let types = inputs.clone().map(|arg| arg.ty).chain(table.iter().map(|(_, ty)| *ty));
    let modes = inputs.map(|_| 'i').chain(table.iter().map(|_| 't'));
    (
        array(Type::Oid, types.map(|ty| oid(ty.oid()))),
        array(Type::Char, modes.map(letter)),
        names,
    )
}

fn builtin_row(function: &BuiltinFunction) -> Row {
    let variadic = match function.args.last() {
        Some(last) if function.variadic => last.oid(),
        _ => 0,
    };
    let args: Vec<u32> = function.args.iter().map(|ty| ty.oid()).collect();
    let mut row = internal_row(
        function.oid,
        function.name,
        function.ret.oid(),
        &args,
        function.strict,
        function.volatility,
    );
    row[6] = Datum::Float4(if function.set { 1000.0 } else { 0.0 });
    row[7] = oid(variadic);
    row[9] = letter(function.kind);
    row[13] = boolean(function.set);
    row
}

fn support_row(support: &Support) -> Row {
    internal_row(
        support.oid,
        support.name,
        support.returns,
        support.args,
        support.strict,
        support.volatility,
    )
}

/// The language `internal`.
const INTERNAL: u32 = 12;

/// A function of language `internal`.
fn internal_row(function: u32, name: &str, returns: u32, args: &[u32], strict: bool, volatility: char) -> Row {
    vec![
        oid(function),
        text(name),
        oid(PG_CATALOG_OID),
        oid(SUPERUSER_OID),
        oid(INTERNAL),
        Datum::Float4(1.0),
        Datum::Float4(0.0),
        oid(0),
        oid(0),
        letter('f'),
        boolean(false),
        boolean(false),
        boolean(strict),
        boolean(false),
        letter(volatility),
        letter('s'),
        count(args.len()),
        int2(0),
        oid(returns),
        vector(Type::Oid, args.iter().map(|arg| oid(*arg))),
        NULL,
        NULL,
        NULL,
        NULL,
        NULL,
        text(name),
        NULL,
        NULL,
        NULL,
        NULL,
    ]
}
