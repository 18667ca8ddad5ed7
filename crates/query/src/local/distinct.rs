//! DISTINCT, DISTINCT ON, and UNION, INTERSECT and EXCEPT with and without ALL.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use types::compare::Key;
use types::{Datum, Result, Type};

use super::{Rows, Source, open};
use crate::compare::normal;
use crate::env::Env;
use crate::eval::Node;
use crate::host::Row;
use crate::ir::SetOpKind;
use crate::memory::row_bytes;
use crate::plan::Plan;

/// The key that equal rows share.
pub(super) fn key(row: &[Datum], types: &[Type]) -> Key {
    Key(row.iter().zip(types).map(|(value, ty)| normal(value.clone(), *ty)).collect())
}

/// Passes rows on that `keep` accepts.
struct Pick<F> {
    input: Box<dyn Source>,
    keep: F,
}

impl<F: FnMut(&Row) -> Result<bool> + Send> Source for Pick<F> {
    fn next(&mut self, want: usize) -> Result<Vec<Row>> {
        let mut out = vec![];
        while out.is_empty() {
            let rows = self.input.next(want)?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                if (self.keep)(&row)? {
                    out.push(row);
                }
            }
        }
        Ok(out)
    }
}

pub(super) fn distinct(input: Box<dyn Source>, types: Arc<[Type]>, env: &Env) -> Box<dyn Source> {
    let account = env.account.clone();
    let mut seen: HashSet<Key> = HashSet::new();
    Box::new(Pick {
        input,
        keep: move |row: &Row| {
            let new = seen.insert(key(row, &types));
            if new {
                account.charge(row_bytes(row))?;
            }
            Ok(new)
        },
    })
}

pub(super) fn distinct_on(input: Box<dyn Source>, on: Arc<[(Node, Type)]>, env: &Env) -> Box<dyn Source> {
    let env = env.clone();
    let mut last: Option<Key> = None;
    let keep = move |row: &Row| {
        let key = Key(on
            .iter()
            .map(|(node, ty)| Ok(normal(node.eval(row, &env)?, *ty)))
            .collect::<Result<_>>()?);
        let new = last.as_ref() != Some(&key);
        last = Some(key);
        Ok(new)
    };
    Box::new(Pick { input, keep })
}

/// One source after the other.
struct Append {
    current: Box<dyn Source>,
    then: Option<Arc<Plan>>,
    env: Env,
}

impl Source for Append {
    fn next(&mut self, want: usize) -> Result<Vec<Row>> {
        loop {
            let rows = self.current.next(want)?;
            if !rows.is_empty() {
                return Ok(rows);
            }
            match self.then.take() {
                Some(plan) => self.current = open(&plan, &self.env)?,
                None => return Ok(rows),
            }
        }
    }
}

pub(super) fn set_operation(
    kind: SetOpKind,
    all: bool,
    left: &Plan,
    right: Arc<Plan>,
    types: Arc<[Type]>,
    env: &Env,
) -> Result<Box<dyn Source>> {
    let left = open(left, env)?;
    match kind {
        SetOpKind::Union => {
            let both: Box<dyn Source> = Box::new(Append {
                current: left,
                then: Some(right),
                env: env.clone(),
            });
            Ok(if all { both } else { distinct(both, types, env) })
        }
        SetOpKind::Intersect | SetOpKind::Except => {
            let env = env.clone();
            // How often each row still stands on the right; made when the first left row comes.
            let mut counts: Option<HashMap<Key, usize>> = None;
            let mut seen: HashSet<Key> = HashSet::new();
            let keep = move |row: &Row| {
                let counts = match &mut counts {
                    Some(counts) => counts,
                    None => counts.insert(count(&right, &types, &env)?),
                };
                let key = key(row, &types);
                let found = match counts.get_mut(&key) {
                    Some(0) | None => false,
                    Some(left) if all => {
                        *left -= 1;
                        true
                    }
                    Some(_) => true,
                };
                Ok(found == (kind == SetOpKind::Intersect) && (all || seen.insert(key)))
            };
            Ok(Box::new(Pick { input: left, keep }))
        }
    }
}

fn count(plan: &Plan, types: &[Type], env: &Env) -> Result<HashMap<Key, usize>> {
    let mut counts = HashMap::new();
    for row in Rows::new(open(plan, env)?) {
        *counts.entry(key(&row?, types)).or_default() += 1;
    }
    Ok(counts)
}
