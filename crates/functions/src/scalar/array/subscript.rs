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
    // Strict, too. A bound that is not written comes as the least or the greatest integer.
    Scalar::new("array_slice", &[Type::AnyArray, Type::Int4], Type::AnyArray, |_, a| slice(a)).variadic(),
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

/// A slice: a lower and an upper bound for each dimension. Dimensions without bounds are taken whole; the result's subscripts begin at 1.
fn slice(args: &[Datum]) -> Result<Datum> {
    let source = array(args, 0)?;
    let empty = || {
        Datum::Array(Box::new(Array {
            element: source.element,
            dims: vec![],
            values: vec![],
        }))
    };
    let given = (args.len() - 1) / 2;
    if given > source.dims.len() {
        return Ok(empty());
    }
    // The first place of each dimension, and how many.
    let mut ranges = Vec::with_capacity(source.dims.len());
    for (index, (length, lower)) in source.dims.iter().enumerate() {
        let (first, last) = (i64::from(*lower), i64::from(*lower) + i64::from(*length) - 1);
        let (from, to) = match index < given {
            true => (
                i64::from(int4(args, 1 + 2 * index)?).max(first),
                i64::from(int4(args, 2 + 2 * index)?).min(last),
            ),
            false => (first, last),
        };
        if from > to {
            return Ok(empty());
        }
        ranges.push(((from - first) as usize, (to - from + 1) as usize));
    }
    // The runs of elements that are kept of the dimensions so far; then of one more.
    let mut places = vec![0_usize];
    for ((length, _), (from, count)) in source.dims.iter().zip(&ranges) {
        let inner = |place: usize| (0..*count).map(move |at| place * *length as usize + from + at);
        places = places.into_iter().flat_map(inner).collect();
    }
    let values = places.iter().filter_map(|place| source.values.get(*place).cloned()).collect();
    let dims = ranges.iter().map(|(_, count)| (*count as i32, 1)).collect();
    Ok(match source.dims.is_empty() {
        true => empty(),
        false => Datum::Array(Box::new(Array {
            element: source.element,
            dims,
            values,
        })),
    })
}
