//! The parts that many views share: who may see an object, and a type's columns.

use types::{Datum, Type, numeric_typmod_parts};

use crate::row::*;
use crate::{AclKind, Function, Privilege, SystemContext, Table};

/// information_schema shows a relation to its owner and to who holds any privilege on it.
pub(super) fn sees(context: &SystemContext, table: &Table) -> bool {
    sees_by(context, table, AclKind::Table.privileges())
        || context.snapshot.has_table_privilege(context.current_user, table, Privilege::Usage)
}

/// Shown to the owner and to who holds one of these privileges.
pub(super) fn sees_by(context: &SystemContext, table: &Table, privileges: &[Privilege]) -> bool {
    let holds = |privilege: &Privilege| context.snapshot.has_table_privilege(context.current_user, table, *privilege);
    context.snapshot.owns(context.current_user, table.owner) || privileges.iter().any(holds)
}

/// Constraints are shown to who can do more than read.
pub(super) fn sees_constraints(context: &SystemContext, table: &Table) -> bool {
    use Privilege::*;
    sees_by(context, table, &[Insert, Update, Delete, Truncate, References, Trigger])
}

pub(super) fn sees_function(context: &SystemContext, function: &Function) -> bool {
    context.snapshot.owns(context.current_user, function.owner) || context.snapshot.has_function_privilege(context.current_user, function)
}

/// Users' tables whose constraints the current user may see.
pub(super) fn constrained_tables<'a>(context: &'a SystemContext) -> impl Iterator<Item = &'a Table> {
    context
        .snapshot
        .user_tables()
        .map(|table| table.as_ref())
        .filter(|table| table.is_table() && sees_constraints(context, table))
}

/// `data_type`: arrays are just ARRAY.
pub(super) fn data_type(ty: Type) -> Datum {
    text(if ty.element().is_some() {
        "ARRAY".to_string()
    } else {
        ty.to_string()
    })
}

pub(super) struct Lengths {
    pub characters: Datum,
    pub octets: Datum,
    pub precision: Datum,
    pub radix: Datum,
    pub scale: Datum,
    pub datetime: Datum,
}

/// Lengths and precisions, as information_schema's `_pg_*` functions work them out.
pub(super) fn lengths(ty: Type, typmod: i32) -> Lengths {
    /// The most that one value holds: 1 GiB, and 4 bytes to a character of UTF-8.
    const MAX_OCTETS: i32 = 1 << 30;
    let opt = |value: Option<i32>| value.map_or(NULL, int4);
    let length = (typmod >= 4).then(|| typmod - 4);
    let (characters, octets) = match ty {
        Type::Varchar | Type::Bpchar => (length, Some(length.map_or(MAX_OCTETS, |length| length.saturating_mul(4)))),
        Type::Text => (None, Some(MAX_OCTETS)),
        _ => (None, None),
    };
    let (precision, radix, scale) = match ty {
        Type::Int2 => (Some(16), Some(2), Some(0)),
        Type::Int4 => (Some(32), Some(2), Some(0)),
        Type::Int8 => (Some(64), Some(2), Some(0)),
        Type::Float4 => (Some(24), Some(2), None),
        Type::Float8 => (Some(53), Some(2), None),
        Type::Numeric if typmod >= 4 => {
            let (precision, scale) = numeric_typmod_parts(typmod);
            (Some(precision), Some(10), Some(scale))
        }
        Type::Numeric => (None, Some(10), None),
        _ => (None, None, None),
    };
    let datetime = match ty {
        Type::Date => Some(0),
        Type::Time | Type::Timestamp | Type::Timestamptz => Some(if typmod < 0 { 6 } else { typmod }),
        Type::Interval if typmod >= 0 && typmod & 0xffff != 0xffff => Some(typmod & 0xffff),
        Type::Interval => Some(6),
        _ => None,
    };
    Lengths {
        characters: opt(characters),
        octets: opt(octets),
        precision: opt(precision),
        radix: opt(radix),
        scale: opt(scale),
        datetime: opt(datetime),
    }
}
