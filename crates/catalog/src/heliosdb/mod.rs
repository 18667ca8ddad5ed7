//! The `heliosdb` schema: functions, what they may do, the policies, the audit log and its alerts, one file each.

mod alerts;
mod audit_log;
mod capability_reference;
mod function_capabilities;
mod function_stats;
mod functions;
mod security_policies;

pub use alerts::{OID as ALERTS_OID, TABLE as ALERTS};
pub use audit_log::{AUDIT_LOG_WEIGHT, OID as AUDIT_LOG_OID};

use std::sync::Arc;

use policy::{LimitKey, LimitOverrides};
use types::Datum;

use crate::row::NULL;
use crate::{Function, SystemContext, SystemTable};

pub const TABLES: &[SystemTable] = &[
    alerts::TABLE,
    audit_log::TABLE,
    capability_reference::TABLE,
    function_capabilities::TABLE,
    function_stats::TABLE,
    functions::TABLE,
    security_policies::TABLE,
];

/// The columns of limits, in the order of [`LimitKey::ALL`].
fn limits(get: impl Fn(LimitKey) -> Option<u64>) -> impl Iterator<Item = Datum> {
    LimitKey::ALL
        .iter()
        .map(move |key| get(*key).map_or(NULL, |value| Datum::Int8(i64::try_from(value).unwrap_or(i64::MAX))))
}

fn overrides(limits_set: &LimitOverrides) -> impl Iterator<Item = Datum> {
    limits(|key| limits_set.get(key))
}

/// Users' functions of a name in any schema.
fn functions_named(context: &SystemContext, name: &Datum) -> Vec<Arc<Function>> {
    let Some(name) = name.as_str() else { return vec![] };
    context
        .snapshot
        .schemas()
        .flat_map(|schema| context.snapshot.functions_named(&schema.name, name))
        .cloned()
        .collect()
}
