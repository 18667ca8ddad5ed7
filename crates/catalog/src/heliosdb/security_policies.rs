//! `heliosdb.security_policies`: the predefined policies and those of CREATE SECURITY POLICY. A limit that is NULL is the
//! function's language's default.

use types::Type;

use super::overrides;
use crate::row::*;
use crate::{FIRST_USER_OID, Row, SecurityPolicy, SystemContext, SystemTable};

pub const TABLE: SystemTable = SystemTable {
    oid: 9103,
    schema: "heliosdb",
    name: "security_policies",
    columns: &[
        ("oid", Type::Oid),
        ("policy_name", Type::Text),
        ("owner", Type::Name),
        ("predefined", Type::Bool),
        ("capabilities", TEXT_ARRAY),
        ("allowed_syscalls", TEXT_ARRAY),
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
        ("functions", Type::Int8),
    ],
    rows: |context| context.snapshot.policies().map(|policy| row(context, policy)).collect(),
    finders: &[],
};

fn row(context: &SystemContext, stored: &SecurityPolicy) -> Row {
    let policy = &stored.policy;
    let mut row = vec![
        oid(stored.oid),
        text(&policy.name),
        text(role_name(context.snapshot, stored.owner)),
        boolean(stored.oid < FIRST_USER_OID),
        text_array(policy.capabilities.iter().map(ToString::to_string)),
        text_array(policy.allowed_syscalls.iter().map(ToString::to_string)),
        boolean(policy.audit_logging),
    ];
    row.extend(overrides(&policy.limits));
    row.push(int8(
        i64::try_from(context.snapshot.functions_with_policy(&policy.name).count()).unwrap_or(i64::MAX),
    ));
    row
}
