//! Reading tables: all rows, or one by primary key.

use std::ops::Bound;

use catalog::Table;
use types::{Datum, Result, Type};

use super::Source;
use super::basic::Made;
use crate::compare::Comparison;
use crate::env::Env;
use crate::eval::{Node, eval_all};
use crate::host::{BatchIter, Row, ScanBounds};
use crate::plan::ScanCondition;

pub(super) fn scan(table: &Table, columns: &[usize], conditions: &[ScanCondition], backward: bool, env: &Env) -> Result<Box<dyn Source>> {
    let bounds = bounds(conditions, env);
    let batches = match backward {
        false => env.host.scan(table, columns, &bounds)?,
        true => env.host.scan_backward(table, columns, &bounds)?,
    };
    Ok(Box::new(Scan {
        batches,
        rest: vec![].into_iter(),
        env: env.clone(),
    }))
}

/// What the conditions say about columns. One whose value cannot be computed says nothing: the
/// predicate that it comes from reports the error if a row gets there.
pub(crate) fn bounds(conditions: &[ScanCondition], env: &Env) -> ScanBounds {
    let bound = |condition: &ScanCondition| {
        let value = condition.value.eval(&[], env).ok().and_then(|value| of_type(value, condition.ty))?;
        let (low, high) = match condition.op {
            Comparison::Eq => (Bound::Included(value.clone()), Bound::Included(value)),
            Comparison::NotEq => return None,
            Comparison::Lt => (Bound::Unbounded, Bound::Excluded(value)),
            Comparison::LtEq => (Bound::Unbounded, Bound::Included(value)),
            Comparison::Gt => (Bound::Excluded(value), Bound::Unbounded),
            Comparison::GtEq => (Bound::Included(value), Bound::Unbounded),
        };
        Some((condition.column, low, high))
    };
    conditions.iter().filter_map(bound).collect()
}

/// The same value in the column's type; integers compare across widths.
fn of_type(value: Datum, ty: Type) -> Option<Datum> {
    match (value, ty) {
        (Datum::Null, _) => None,
        (value @ (Datum::Int2(_) | Datum::Int4(_) | Datum::Int8(_)), Type::Int2) => i16::try_from(value.as_i64()?).ok().map(Datum::Int2),
        (value @ (Datum::Int2(_) | Datum::Int4(_) | Datum::Int8(_)), Type::Int4) => i32::try_from(value.as_i64()?).ok().map(Datum::Int4),
        (value @ (Datum::Int2(_) | Datum::Int4(_) | Datum::Int8(_)), Type::Int8) => value.as_i64().map(Datum::Int8),
        (value, _) => Some(value),
    }
}

struct Scan {
    batches: BatchIter,
    rest: std::vec::IntoIter<Row>,
    env: Env,
}

impl Source for Scan {
    fn next(&mut self, want: usize) -> Result<Vec<Row>> {
        loop {
            if self.rest.len() > 0 {
                return Ok(self.rest.by_ref().take(want).collect());
            }
            self.env.host.check_cancelled()?;
            match self.batches.next() {
                None => return Ok(vec![]),
                Some(batch) => {
                    let batch = batch?;
                    if batch.len() <= want && !batch.is_empty() {
                        return Ok(batch);
                    }
                    self.rest = batch.into_iter();
                }
            }
        }
    }
}

pub(super) fn point_get(table: &Table, key: &[Node], columns: &[usize], env: &Env) -> Result<Box<dyn Source>> {
    let key = eval_all(key, &[], env)?;
    let row = if key.iter().any(Datum::is_null) {
        None
    } else {
        env.host.get(table, &key, columns)?
    };
    Ok(Box::new(Made::new(row.into_iter().collect())))
}
