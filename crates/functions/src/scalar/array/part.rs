//! The shape of an array, its elements and slices, and its elements as rows.

use types::Type::*;
use types::{Array as ArrayValue, Datum, Result, SqlError};

use crate::Scalar;
use crate::argument::{array, boolean, int4, json, text};
use crate::set::{Rows, SetFunction, column};

pub(crate) static SCALARS: &[Scalar] = &[
    Scalar::new("array_ndims", &[AnyArray], Int4, |_, a| {
        Ok(match array(a, 0)?.dims.len() {
            0 => Datum::Null,
            n => Datum::Int4(n as i32),
        })
    }),
    Scalar::new("array_dims", &[AnyArray], Text, |_, a| Ok(dims(array(a, 0)?))),
    Scalar::new("array_length", &[AnyArray, Int4], Int4, |_, a| {
        Ok(dimension(a)?.map_or(Datum::Null, |(length, _)| Datum::Int4(length)))
    }),
    Scalar::new("array_lower", &[AnyArray, Int4], Int4, |_, a| {
        Ok(dimension(a)?.map_or(Datum::Null, |(_, lower)| Datum::Int4(lower)))
    }),
    Scalar::new("array_upper", &[AnyArray, Int4], Int4, |_, a| {
        Ok(dimension(a)?.map_or(Datum::Null, |(length, lower)| Datum::Int4(lower.saturating_add(length - 1))))
    }),
    Scalar::new("cardinality", &[AnyArray], Int4, |_, a| {
        Ok(Datum::Int4(array(a, 0)?.values.len() as i32))
    }),
    // What the binder makes of subscripts; a user can't write these names.
    Scalar::new("$element", &[AnyArray, Int4], AnyElement, |_, a| element(a)).variadic(),
    Scalar::new("$element", &[Jsonb, Text], Jsonb, |_, a| json_element(a)).variadic(),
    Scalar::new("$slice", &[AnyArray, Int4], AnyArray, |_, a| slice(a)).variadic(),
];

/// `unnest` of several arrays, with a column for each; where one is shorter, or NULL, NULLs stand for what it lacks.
/// It has no fixed number of arguments and columns, so the binder asks for it and says which they are.
pub fn unnest_together() -> &'static SetFunction {
    static TOGETHER: SetFunction = SetFunction::new("unnest", &[AnyArray], &[("unnest", AnyElement)], |_, a| {
        let mut arrays: Vec<_> = Vec::with_capacity(a.len());
        for (i, argument) in a.iter().enumerate() {
            arrays.push(match argument {
                Datum::Null => vec![].into_iter(),
                _ => array(a, i)?.values.clone().into_iter(),
            });
        }
        let rows = arrays.iter().map(ExactSizeIterator::len).max().unwrap_or(0);
        Ok(Box::new((0..rows).map(move |_| {
            Ok(arrays.iter_mut().map(|values| values.next().unwrap_or_default()).collect())
        })))
    })
    .lax();
    &TOGETHER
}

/// A field of a record, by its place from 0. The binder, which knows the field's type, makes calls of it.
pub fn record_field() -> &'static Scalar {
    static FIELD: Scalar = Scalar::new("record_field", &[Record, Int4], Any, |_, a| match &a[0] {
        Datum::Record(fields) => Ok(usize::try_from(int4(a, 1)?)
            .ok()
            .and_then(|at| fields.get(at))
            .cloned()
            .unwrap_or_default()),
        _ => Err(SqlError::internal("a field of what is no record")),
    });
    &FIELD
}

pub(crate) static SET_FUNCTIONS: &[SetFunction] = &[
    SetFunction::new("unnest", &[AnyArray], &[("unnest", AnyElement)], |_, a| {
        Ok(column(array(a, 0)?.values.clone()))
    }),
    SetFunction::new(
        "generate_subscripts",
        &[AnyArray, Int4],
        &[("generate_subscripts", Int4)],
        |_, a| subscripts(a, false),
    ),
    SetFunction::new(
        "generate_subscripts",
        &[AnyArray, Int4, Bool],
        &[("generate_subscripts", Int4)],
        |_, a| subscripts(a, boolean(a, 2)?),
    ),
    SetFunction::new("_pg_expandarray", &[AnyArray], &[("x", AnyElement), ("n", Int4)], |_, a| {
        let values = array(a, 0)?.values.clone();
        Ok(Box::new(
            values
                .into_iter()
                .enumerate()
                .map(|(i, value)| Ok(vec![value, Datum::Int4(i as i32 + 1)])),
        ))
    }),
];

/// Length and lower bound of the dimension that the second argument numbers from 1.
fn dimension(args: &[Datum]) -> Result<Option<(i32, i32)>> {
    let index = usize::try_from(int4(args, 1)?).ok().and_then(|number| number.checked_sub(1));
    Ok(index.and_then(|index| array(args, 0).ok()?.dims.get(index).copied()))
}

fn dims(array: &ArrayValue) -> Datum {
    if array.dims.is_empty() {
        return Datum::Null;
    }
    let range = |(length, lower): &(i32, i32)| format!("[{lower}:{}]", i64::from(*lower) + i64::from(*length) - 1);
    Datum::Text(array.dims.iter().map(range).collect())
}

/// `a[i][j]`: NULL outside, or with too many or too few subscripts.
fn element(args: &[Datum]) -> Result<Datum> {
    let array = array(args, 0)?;
    if args.len() - 1 != array.dims.len() {
        return Ok(Datum::Null);
    }
    let mut at = 0_usize;
    for (i, (length, lower)) in array.dims.iter().enumerate() {
        let offset = i64::from(int4(args, i + 1)?) - i64::from(*lower);
        if offset < 0 || offset >= i64::from(*length) {
            return Ok(Datum::Null);
        }
        at = at * *length as usize + offset as usize;
    }
    Ok(array.values.get(at).cloned().unwrap_or_default())
}

/// `j['a'][0]`.
fn json_element(args: &[Datum]) -> Result<Datum> {
    use crate::scalar::json::scan::{Kind, element, member};
    let mut at = json(args, 0)?;
    for i in 1..args.len() {
        let step = text(args, i)?;
        let next = match Kind::of(at) {
            Kind::Object => member(at, step)?,
            Kind::Array => step.trim().parse::<i32>().ok().and_then(|index| element(at, index.into())),
            Kind::String | Kind::Number | Kind::Boolean | Kind::Null => None,
        };
        match next {
            Some(value) => at = value,
            None => return Ok(Datum::Null),
        }
    }
    Ok(Datum::Json(at.to_string()))
}

/// `a[l:u][l:u]`: a lower and an upper bound per dimension; an omitted one is i32::MIN or i32::MAX. Slices count
/// from 1; dimensions without bounds stay whole; nothing inside the bounds is the empty array.
fn slice(args: &[Datum]) -> Result<Datum> {
    let array = array(args, 0)?;
    let empty = || {
        Datum::Array(Box::new(ArrayValue {
            element: array.element,
            dims: vec![],
            values: vec![],
        }))
    };
    let bounds = (args.len() - 1) / 2;
    if array.dims.is_empty() || bounds > array.dims.len() {
        return Ok(empty());
    }
    // Per dimension: its length, and the first and the end of what is taken, counted from 0.
    let mut ranges = Vec::with_capacity(array.dims.len());
    for (i, (length, lower)) in array.dims.iter().enumerate() {
        let upper = i64::from(*lower) + i64::from(*length) - 1;
        let (from, to) = if i < bounds {
            (
                i64::from(int4(args, 1 + 2 * i)?).max((*lower).into()),
                i64::from(int4(args, 2 + 2 * i)?).min(upper),
            )
        } else {
            (i64::from(*lower), upper)
        };
        if from > to {
            return Ok(empty());
        }
        let base = i64::from(*lower);
        ranges.push((*length as usize, (from - base) as usize, (to - base) as usize + 1));
    }
    let is_inside = |mut at: usize| {
        ranges.iter().rev().all(|(length, from, to)| {
            let index = at % length;
            at /= length;
            (*from..*to).contains(&index)
        })
    };
    let values = array
        .values
        .iter()
        .enumerate()
        .filter(|(at, _)| is_inside(*at))
        .map(|(_, value)| value.clone())
        .collect();
    let dims = ranges.iter().map(|(_, from, to)| ((to - from) as i32, 1)).collect();
    Ok(Datum::Array(Box::new(ArrayValue {
        element: array.element,
        dims,
        values,
    })))
}

fn subscripts(args: &[Datum], reverse: bool) -> Result<Rows> {
    let Some((length, lower)) = dimension(args)? else {
        return Ok(column(vec![]));
    };
    let row = move |i: i32| Ok(vec![Datum::Int4(lower.wrapping_add(i))]);
    Ok(if reverse {
        Box::new((0..length).rev().map(row))
    } else {
        Box::new((0..length).map(row))
    })
}
