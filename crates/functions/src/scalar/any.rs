//! Functions of values of any type: `greatest`, `least`, `num_nulls`, `pg_typeof`.

use types::Type::*;
use types::{Datum, Result};

use crate::entry::split_types;
use crate::{Environment, Family, Scalar};

pub(crate) static SCALARS: &[Scalar] = &[
    // Expressions of the grammar in PostgreSQL; functions here.
    Scalar::new("greatest", &[AnyElement], AnyElement, |env, a| {
        extreme(env, a, std::cmp::Ordering::Greater)
    })
    .variadic()
    .lax()
    .family(Family::Compatible),
    Scalar::new("least", &[AnyElement], AnyElement, |env, a| {
        extreme(env, a, std::cmp::Ordering::Less)
    })
    .variadic()
    .lax()
    .family(Family::Compatible),
    Scalar::new("num_nulls", &[Any], Int4, |_, a| {
        Ok(Datum::Int4(a.iter().filter(|value| value.is_null()).count() as i32))
    })
    .variadic()
    .lax(),
    Scalar::new("num_nonnulls", &[Any], Int4, |_, a| {
        Ok(Datum::Int4(a.iter().filter(|value| !value.is_null()).count() as i32))
    })
    .variadic()
    .lax(),
    Scalar::new("pg_typeof", &[Any], Regtype, |_, a| {
        let (_, types) = split_types(a);
        Ok(Datum::Oid(types.first().map_or(0, |ty| ty.oid())))
    })
    .lax()
    .stable()
    .typed(),
    Scalar::new("pg_column_size", &[Any], Int4, column_size).stable().typed(),
    Scalar::new("pg_collation_for", &[Any], Text, |_, a| {
        let (_, types) = split_types(a);
        Ok(match types.first() {
            Some(ty) if ty.is_string() => Datum::text("\"default\""),
            _ => Datum::Null,
        })
    })
    .lax()
    .stable()
    .typed(),
];

/// NULLs don't count.
fn extreme(_: &dyn Environment, args: &[Datum], wanted: std::cmp::Ordering) -> Result<Datum> {
    let mut best: Option<&Datum> = None;
    for value in args.iter().filter(|value| !value.is_null()) {
        if best.is_none_or(|best| types::compare::compare(value, best) == wanted) {
            best = Some(value);
        }
    }
    Ok(best.cloned().unwrap_or_default())
}

/// The bytes of the binary form; a variable length has PostgreSQL's header of 4.
fn column_size(_: &dyn Environment, args: &[Datum]) -> Result<Datum> {
    let (values, types) = split_types(args);
    let mut bytes = Vec::new();
    types::binary::encode(types[0], &values[0], &mut bytes)?;
    let header = if types[0].scalar().length < 0 || matches!(types[0], Array(_)) {
        4
    } else {
        0
    };
    Ok(Datum::Int4(i32::try_from(bytes.len() + header).unwrap_or(i32::MAX)))
}
