//! `heliosdb.functions`: users' functions, whether they may run, and under which limits. A limit that is NULL does not exist.

use policy::MAX_VIOLATIONS;
use types::{Datum, Type};

use super::limits;
use crate::row::*;
use crate::{Finder, Function, Row, SystemContext, SystemTable, describe};

pub const TABLE: SystemTable = SystemTable {
    oid: 9101,
    schema: "heliosdb",
    name: "functions",
    columns: &[
        ("oid", Type::Oid),
        ("schema_name", Type::Name),
        ("function_name", Type::Name),
        ("arguments", Type::Text),
        ("result", Type::Text),
        ("kind", Type::Text),
        ("language", Type::Text),
        ("owner", Type::Name),
        ("security_policy", Type::Text),
        ("security_definer", Type::Bool),
        ("enabled", Type::Bool),
        ("violations", Type::Int8),
        ("audit_logging", Type::Bool),
        ("max_memory_bytes", Type::Int8),
        ("max_cpu_time_ms", Type::Int8),
        ("max_wall_time_ms", Type::Int8),
        ("max_instructions", Type::Int8),
        ("max_stack_bytes", Type::Int8),
        ("max_file_handles", Type::Int8),
        ("max_network_connections", Type::Int8),
        ("max_concurrent_calls", Type::Int8),
        ("max_audit_rows", Type::Int8),
        ("purpose", Type::Text),
        ("capability_mode", Type::Text),
    ],
    rows: |context| context.snapshot.functions().map(|function| row(context, function)).collect(),
    finders: &[Finder {
        column: "function_name",
        rows: by_name,
    }],
};

fn by_name(context: &SystemContext, value: &Datum) -> Vec<Row> {
    super::functions_named(context, value)
        .iter()
        .map(|function| row(context, function))
        .collect()
}

fn row(context: &SystemContext, function: &Function) -> Row {
    let effective = context.snapshot.effective_rights(function);
    let violations = context.live.violations(function.oid).saturating_sub(function.forgiven_violations);
    let mut row = vec![
        oid(function.oid),
        text(&function.schema),
        text(&function.name),
        text(describe::arguments(function, false)),
        opt_text(describe::result(function)),
        text(function.kind()),
        text(function.language.name()),
        text(role_name(context.snapshot, function.owner)),
        text(&effective.policy),
        boolean(function.security_definer),
        boolean(effective.enabled && violations < MAX_VIOLATIONS),
        int8(i64::from(violations)),
        boolean(effective.audit_logging),
    ];
    row.extend(limits(|key| effective.limits.get(key)));
    row.push(opt_text(function.purpose.clone()));
    row.push(text(effective.mode.name()));
    row
}
