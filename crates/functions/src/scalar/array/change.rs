//! New arrays from old: append, concatenate, fill, remove, replace, trim.

use types::Type::*;
use types::{Array as ArrayValue, Datum, Result, SqlError, SqlState};

use super::{count, element_error, element_type};
use crate::argument::{array, int4, present};
use crate::limit::check_elements;
use crate::{Family, Scalar};

const INT4S: types::Type = Array(&Int4);

pub(crate) static SCALARS: &[Scalar] = &[
    Scalar::new("array_append", &[AnyArray, AnyElement], AnyArray, |_, a| append(a))
        .lax()
        .family(Family::Compatible),
    Scalar::new("array_prepend", &[AnyElement, AnyArray], AnyArray, |_, a| prepend(a))
        .lax()
        .family(Family::Compatible),
    Scalar::new("array_cat", &[AnyArray, AnyArray], AnyArray, |_, a| concat(a))
        .lax()
        .family(Family::Compatible),
    Scalar::new("array_fill", &[AnyElement, INT4S], AnyArray, |_, a| fill(a)).lax(),
    Scalar::new("array_fill", &[AnyElement, INT4S, INT4S], AnyArray, |_, a| fill(a)).lax(),
    Scalar::new("array_remove", &[AnyArray, AnyElement], AnyArray, |_, a| remove(a))
        .lax()
        .family(Family::Compatible),
    Scalar::new("array_replace", &[AnyArray, AnyElement, AnyElement], AnyArray, |_, a| replace(a))
        .lax()
        .family(Family::Compatible),
    Scalar::new("trim_array", &[AnyArray, Int4], AnyArray, |_, a| trim(a)),
    Scalar::new("array_larger", &[AnyArray, AnyArray], AnyArray, |_, a| {
        Ok(if types::compare::compare(&a[0], &a[1]).is_gt() {
            a[0].clone()
        } else {
            a[1].clone()
        })
    }),
    Scalar::new("array_smaller", &[AnyArray, AnyArray], AnyArray, |_, a| {
        Ok(if types::compare::compare(&a[0], &a[1]).is_lt() {
            a[0].clone()
        } else {
            a[1].clone()
        })
    }),
];

fn new(element: types::Type, dims: Vec<(i32, i32)>, values: Vec<Datum>) -> Datum {
    Datum::Array(Box::new(ArrayValue { element, dims, values }))
}

/// An array argument, None for NULL.
fn maybe(args: &[Datum], index: usize) -> Result<Option<&ArrayValue>> {
    present(args, index).map(|_| array(args, index)).transpose()
}

fn not_one_dimensional() -> SqlError {
    SqlError::new(SqlState::DataException, "argument must be empty or one-dimensional array")
}

/// Length and lower bound of an array that one element can be added to.
fn one_dimension(array: Option<&ArrayValue>) -> Result<(i32, i32)> {
    match array.map(|array| array.dims.as_slice()) {
        None | Some([]) => Ok((0, 1)),
        Some([dim]) => Ok(*dim),
        Some(_) => Err(not_one_dimensional()),
    }
}

fn append(args: &[Datum]) -> Result<Datum> {
    let old = maybe(args, 0)?;
    let (length, lower) = one_dimension(old)?;
    lower
        .checked_add(length)
        .and_then(|upper| upper.checked_add(1))
        .ok_or_else(|| crate::scalar::arithmetic::out_of_range("integer"))?;
    let mut values = old.map(|array| array.values.clone()).unwrap_or_default();
    values.push(args[1].clone());
    check_elements(values.len())?;
    Ok(new(element_type(old, &args[1]), vec![(length + 1, lower)], values))
}

fn prepend(args: &[Datum]) -> Result<Datum> {
    let old = maybe(args, 1)?;
    let (length, lower) = one_dimension(old)?;
    let mut values = Vec::with_capacity(length as usize + 1);
    values.push(args[0].clone());
    values.extend(old.map(|array| array.values.clone()).unwrap_or_default());
    check_elements(values.len())?;
    Ok(new(element_type(old, &args[0]), vec![(length + 1, lower)], values))
}

fn concat(args: &[Datum]) -> Result<Datum> {
    let (left, right) = match (maybe(args, 0)?, maybe(args, 1)?) {
        (None, None) => return Ok(Datum::Null),
        (Some(_), None) => return Ok(args[0].clone()),
        (None, Some(_)) => return Ok(args[1].clone()),
        (Some(left), Some(right)) => (left, right),
    };
    if left.dims.is_empty() && !right.dims.is_empty() {
        return Ok(args[1].clone());
    }
    if right.dims.is_empty() {
        return Ok(args[0].clone());
    }
    let incompatible = |detail: String| element_error("cannot concatenate incompatible arrays").detail(detail);
    let differing = || incompatible("Arrays with differing element dimensions are not compatible for concatenation.".to_string());
    let (l, r) = (left.dims.len(), right.dims.len());
    let mut dims = left.dims.clone();
    if l == r {
        if left.dims[1..] != right.dims[1..] {
            return Err(differing());
        }
        dims[0].0 = left.dims[0].0.checked_add(right.dims[0].0).ok_or_else(differing)?;
    } else if l == r + 1 {
        if left.dims[1..] != right.dims {
            return Err(differing());
        }
        dims[0].0 += 1;
    } else if r == l + 1 {
        if right.dims[1..] != left.dims {
            return Err(differing());
        }
        dims = right.dims.clone();
        dims[0].0 += 1;
    } else {
        return Err(incompatible(format!(
            "Arrays of {l} and {r} dimensions are not compatible for concatenation."
        )));
    }
    count(&dims)?;
    Ok(new(left.element, dims, left.values.iter().chain(&right.values).cloned().collect()))
}

fn fill(args: &[Datum]) -> Result<Datum> {
    const MAX_DIMENSIONS: usize = 6;
    let null = |message: &str| SqlError::new(SqlState::NullValueNotAllowed, message);
    let (Some(lengths), true) = (maybe(args, 1)?, args.len() < 3 || present(args, 2).is_some()) else {
        return Err(null("dimension array or low bound array cannot be null"));
    };
    let lowers = if args.len() > 2 { maybe(args, 2)? } else { None };
    let numbers = |array: &ArrayValue| -> Result<Vec<i32>> {
        if array.dims.len() > 1 {
            return Err(element_error("wrong number of array subscripts").detail("Dimension array must be one dimensional."));
        }
        array
            .values
            .iter()
            .map(|value| match value {
                Datum::Int4(number) => Ok(*number),
                _ => Err(null("dimension values cannot be null")),
            })
            .collect()
    };
    let lengths = numbers(lengths)?;
    let lowers = match lowers {
        None => vec![1; lengths.len()],
        Some(lowers) => numbers(lowers)?,
    };
    if lengths.len() > MAX_DIMENSIONS {
        let message = format!(
            "number of array dimensions ({}) exceeds the maximum allowed ({MAX_DIMENSIONS})",
            lengths.len()
        );
        return Err(SqlError::new(SqlState::ProgramLimitExceeded, message));
    }
    if lengths.len() != lowers.len() {
        return Err(element_error("wrong number of array subscripts").detail("Low bound array has different size than dimensions array."));
    }
    let element = element_type(None, &args[0]);
    if lengths.iter().any(|length| *length < 0) {
        return Err(SqlError::new(
            SqlState::ProgramLimitExceeded,
            "array size exceeds the maximum allowed",
        ));
    }
    if lengths.is_empty() || lengths.contains(&0) {
        return Ok(new(element, vec![], vec![]));
    }
    let dims: Vec<(i32, i32)> = lengths.into_iter().zip(lowers).collect();
    let count = count(&dims)?;
    if let Datum::Text(text) = &args[0] {
        crate::limit::check_size(text.len().saturating_mul(count))?;
    }
    Ok(new(element, dims, vec![args[0].clone(); count]))
}

/// SQL's IS NOT DISTINCT FROM.
fn same(a: &Datum, b: &Datum) -> bool {
    match (a.is_null(), b.is_null()) {
        (true, true) => true,
        (false, false) => types::compare::compare(a, b).is_eq(),
        _ => false,
    }
}

fn remove(args: &[Datum]) -> Result<Datum> {
    let Some(old) = maybe(args, 0)? else { return Ok(Datum::Null) };
    if old.dims.len() > 1 {
        return Err(SqlError::new(
            SqlState::FeatureNotSupported,
            "removing elements from multidimensional arrays is not supported",
        ));
    }
    let values: Vec<Datum> = old.values.iter().filter(|value| !same(value, &args[1])).cloned().collect();
    let dims = match (old.dims.first(), values.len()) {
        (None, _) | (_, 0) => vec![],
        (Some((_, lower)), length) => vec![(length as i32, *lower)],
    };
    Ok(new(old.element, dims, values))
}

fn replace(args: &[Datum]) -> Result<Datum> {
    let Some(old) = maybe(args, 0)? else { return Ok(Datum::Null) };
    let values = old
        .values
        .iter()
        .map(|value| if same(value, &args[1]) { args[2].clone() } else { value.clone() });
    Ok(new(old.element, old.dims.clone(), values.collect()))
}

/// Without the last n elements of the first dimension.
fn trim(args: &[Datum]) -> Result<Datum> {
    let (old, n) = (array(args, 0)?, int4(args, 1)?);
    let length = old.dims.first().map_or(0, |(length, _)| *length);
    if n < 0 || n > length {
        return Err(element_error(format!("number of elements to trim must be between 0 and {length}")));
    }
    if n == length {
        return Ok(new(old.element, vec![], vec![]));
    }
    let mut dims = old.dims.clone();
    // A trimmed array counts from 1, as a slice does.
    dims.iter_mut().for_each(|dim| dim.1 = 1);
    dims[0].0 -= n;
    let kept = old.values.len() / length as usize * (length - n) as usize;
    Ok(new(old.element, dims, old.values[..kept].to_vec()))
}
