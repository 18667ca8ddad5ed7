//! `a[i]`, `a[i][j]` and `a[i:j]`, as the binder calls them.

use types::{Array, Datum, Result, Type};

use crate::Scalar;
use crate::argument::{array, int4};

pub(super) static SCALARS: &[Scalar] = &[
    // Strict: a NULL subscript gives NULL.
    Scalar::new("array_subscript", &[Type::AnyArray, Type::Int4], Type::AnyElement, |_, a| {
        Ok(element(array(a, 0)?, a))
    })
    .variadic(),
    Scalar::new("array_slice", &[Type::AnyArray, Type::Int4, Type::Int4], Type::AnyArray, |_, a| {
        slice(a)
    })
    .lax(),
];

/// The element under these subscripts; NULL where there is none, or where they are too few or too many.
fn element(array: &Array, args: &[Datum]) -> Datum {
    let subscripts = &args[1..];
    if subscripts.len() != array.dims.len() {
        return Datum::Null;
    }
    let mut place = 0usize;
    for (subscript, (length, lower)) in subscripts.iter().zip(&array.dims) {
        let Some(subscript) = subscript.as_i64() else { return Datum::Null };
        let (length, at) = (i64::from(*length), subscript - i64::from(*lower));
        if !(0..length).contains(&at) {
            return Datum::Null;
        }
        // Both fit: `at` is below `length`, and their product is below the number of elements.
        place = place * length as usize + at as usize;
    }
    array.values.get(place).cloned().unwrap_or(Datum::Null)
}

/// A slice of a one-dimensional array; an absent bound is the array's own. The result's subscripts begin at 1.
fn slice(args: &[Datum]) -> Result<Datum> {
    if args[0].is_null() {
        return Ok(Datum::Null);
    }
    let source = array(args, 0)?;
    let empty = Datum::Array(Box::new(Array {
        element: source.element,
        dims: vec![],
        values: vec![],
    }));
    let [(length, lower)] = source.dims.as_slice() else {
        return Ok(empty);
    };
    let bound = |index: usize, absent: i64| -> Result<i64> {
        if args[index].is_null() {
            Ok(absent)
        } else {
            Ok(i64::from(int4(args, index)?))
        }
    };
    let (first, last) = (i64::from(*lower), i64::from(*lower) + i64::from(*length) - 1);
    let (from, to) = (bound(1, first)?.max(first), bound(2, last)?.min(last));
    if from > to {
        return Ok(empty);
    }
    let values = source.values[(from - first) as usize..=(to - first) as usize].to_vec();
    Ok(Datum::Array(Box::new(Array::from_values(source.element, values))))
}
