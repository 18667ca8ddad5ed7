//! ORDER BY.

use std::cmp::Ordering;
use std::sync::Arc;

use types::{Datum, Result};

use super::basic::Late;
use super::{Source, collect};
use crate::compare::normal;
use crate::env::Env;
use crate::host::Row;
use crate::plan::SortNode;

pub(super) fn open(input: Box<dyn Source>, keys: Arc<[SortNode]>, env: &Env) -> Box<dyn Source> {
    let env = env.clone();
    Late::boxed(move || {
        let rows = collect(input, &env)?;
        let mut keyed = rows
            .into_iter()
            .map(|row| Ok((key_of(&keys, &row, &env)?, row)))
            .collect::<Result<Vec<_>>>()?;
        keyed.sort_by(|(left, _), (right, _)| compare_keys(&keys, left, right));
        Ok(keyed.into_iter().map(|(_, row)| row).collect())
    })
}

/// The values that a row is sorted by.
pub(crate) fn key_of(keys: &[SortNode], row: &[Datum], env: &Env) -> Result<Row> {
    keys.iter().map(|key| Ok(normal(key.node.eval(row, env)?, key.ty))).collect()
}

pub(crate) fn compare_keys(keys: &[SortNode], left: &[Datum], right: &[Datum]) -> Ordering {
    let each = keys
        .iter()
        .zip(left.iter().zip(right))
        .map(|(key, (left, right))| directed(left, right, key.descending, key.nulls_first));
    each.fold(Ordering::Equal, Ordering::then)
}

pub(crate) fn directed(left: &Datum, right: &Datum, descending: bool, nulls_first: bool) -> Ordering {
    match (left.is_null(), right.is_null()) {
        (true, true) => Ordering::Equal,
        (true, false) => {
            if nulls_first {
                Ordering::Less
            } else {
                Ordering::Greater
            }
        }
        (false, true) => {
            if nulls_first {
                Ordering::Greater
            } else {
                Ordering::Less
            }
        }
        (false, false) => {
            let ordering = types::compare::compare(left, right);
            if descending { ordering.reverse() } else { ordering }
        }
    }
}
