//! Looking for elements: `array_position`, `@>`, `<@`, `&&`.

use std::collections::HashSet;

use types::Type::*;
use types::compare::Key;
use types::{Array as ArrayValue, Datum, Result, SqlError, SqlState};

use crate::argument::{array, int4, present};
use crate::{Family, Scalar};

pub(crate) static SCALARS: &[Scalar] = &[
    Scalar::new("array_position", &[AnyArray, AnyElement], Int4, |_, a| position(a))
        .lax()
        .family(Family::Compatible),
    Scalar::new("array_position", &[AnyArray, AnyElement, Int4], Int4, |_, a| position(a))
        .lax()
        .family(Family::Compatible),
    Scalar::new("array_positions", &[AnyArray, AnyElement], Array(&Int4), |_, a| positions(a))
        .lax()
        .family(Family::Compatible),
    Scalar::new("arraycontains", &[AnyArray, AnyArray], Bool, |_, a| {
        Ok(Datum::Bool(contains(array(a, 0)?, array(a, 1)?)))
    }),
    Scalar::new("arraycontained", &[AnyArray, AnyArray], Bool, |_, a| {
        Ok(Datum::Bool(contains(array(a, 1)?, array(a, 0)?)))
    }),
    Scalar::new("arrayoverlap", &[AnyArray, AnyArray], Bool, |_, a| {
        let known = keys(array(a, 0)?);
        Ok(Datum::Bool(
            array(a, 1)?
                .values
                .iter()
                .any(|value| !value.is_null() && known.contains(&Key(vec![value.clone()]))),
        ))
    }),
];

fn keys(array: &ArrayValue) -> HashSet<Key> {
    array
        .values
        .iter()
        .filter(|value| !value.is_null())
        .map(|value| Key(vec![value.clone()]))
        .collect()
}

/// Each element of `part`, a NULL excepted, which nothing contains, is somewhere in `whole`.
fn contains(whole: &ArrayValue, part: &ArrayValue) -> bool {
    let known = keys(whole);
    part.values
        .iter()
        .all(|value| !value.is_null() && known.contains(&Key(vec![value.clone()])))
}

fn is_same(a: &Datum, b: &Datum) -> bool {
    match (a.is_null(), b.is_null()) {
        (true, true) => true,
        (false, false) => types::compare::compare(a, b).is_eq(),
        _ => false,
    }
}

fn searchable(args: &[Datum]) -> Result<Option<(&ArrayValue, i32)>> {
    if present(args, 0).is_none() {
        return Ok(None);
    }
    let array = array(args, 0)?;
    match array.dims.as_slice() {
        [] => Ok(None),
        [(_, lower)] => Ok(Some((array, *lower))),
        _ => Err(SqlError::new(
            SqlState::FeatureNotSupported,
            "searching for elements in multidimensional arrays is not supported",
        )),
    }
}

fn position(args: &[Datum]) -> Result<Datum> {
    if args.len() > 2 && present(args, 0).is_some() && present(args, 2).is_none() {
        return Err(SqlError::new(SqlState::NullValueNotAllowed, "initial position must not be null"));
    }
    let Some((array, lower)) = searchable(args)? else {
        return Ok(Datum::Null);
    };
    let start = if args.len() > 2 {
        i64::from(int4(args, 2)?)
    } else {
        i64::from(lower)
    };
    let skip = usize::try_from(start - i64::from(lower)).unwrap_or(0);
    let found = array
        .values
        .iter()
        .enumerate()
        .skip(skip)
        .find(|(_, value)| is_same(value, &args[1]));
    Ok(found.map_or(Datum::Null, |(i, _)| Datum::Int4(lower.wrapping_add(i as i32))))
}

fn positions(args: &[Datum]) -> Result<Datum> {
    if present(args, 0).is_none() {
        return Ok(Datum::Null);
    }
    let Some((array, lower)) = searchable(args)? else {
        return Ok(Datum::array(Int4, vec![]));
    };
    let found = array.values.iter().enumerate().filter(|(_, value)| is_same(value, &args[1]));
    Ok(Datum::array(
        Int4,
        found.map(|(i, _)| Datum::Int4(lower.wrapping_add(i as i32))).collect(),
    ))
}
