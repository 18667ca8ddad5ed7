//! WHERE and HAVING. A filter of a correlated query that is opened again and again with other
//! outer values keeps its input, hashed by the columns that are compared with them.

use std::collections::HashMap;
use std::sync::Arc;

use types::compare::Key;
use types::{Datum, Result};

use super::basic::Made;
use super::{Source, collect, open as open_plan};
use crate::compare::widened;
use crate::env::Env;
use crate::eval::Node;
use crate::host::{BATCH_ROWS, Row};
use crate::plan::{IndexedFilter, Plan};
use crate::subquery::Cached;

/// Rows by the values of some expressions over them; none where one is NULL.
pub(crate) struct Index {
    rows: Vec<Row>,
    by_key: HashMap<Key, Vec<usize>>,
}

pub(super) fn open(
    input: &Arc<Plan>,
    predicate: &Arc<Node>,
    index: Option<&Arc<IndexedFilter>>,
    careful: bool,
    env: &Env,
) -> Result<Box<dyn Source>> {
    let batched = predicate.has_user_call();
    let filter = |input| Filter {
        input,
        predicate: predicate.clone(),
        keys: None,
        batched,
        careful: careful || batched,
        kept: vec![],
        env: env.clone(),
    };
    let Some(indexed) = index else {
        return Ok(Box::new(filter(open_plan(input, env)?)));
    };
    let index = match env.cached(indexed.slot) {
        Some(Cached::Index(index)) => index,
        Some(Cached::Opened) => {
            let index = Arc::new(build(input, indexed, env)?);
            env.keep(indexed.slot, Cached::Index(index.clone()));
            index
        }
        // Once may be the only time.
        _ => {
            env.keep(indexed.slot, Cached::Opened);
            let keys = Some((indexed.clone(), outer_key(indexed, env)?));
            return Ok(Box::new(Filter {
                keys,
                ..filter(open_plan(input, env)?)
            }));
        }
    };
    let found = index.by_key.get(&outer_key(indexed, env)?).into_iter().flatten();
    let rows = found.map(|found| index.rows[*found].clone()).collect();
    Ok(Box::new(filter(Box::new(Made::new(rows)))))
}

struct Filter {
    input: Box<dyn Source>,
    predicate: Arc<Node>,
    /// What the index's keys have to be equal to, where there is no index yet.
    keys: Option<(Arc<IndexedFilter>, Key)>,
    batched: bool,
    /// Rows must not be made that are not needed.
    careful: bool,
    /// Rows that passed beyond those that were wanted.
    kept: Vec<Row>,
    env: Env,
}

impl Source for Filter {
    fn next(&mut self, want: usize) -> Result<Vec<Row>> {
        let mut out = std::mem::take(&mut self.kept);
        while out.len() < want {
            // Asking for no more rows than are missing keeps functions, here or below, from running
            // for rows behind the last that passes. Without any, big batches are quicker.
            let missing = want - out.len();
            let ask = if self.careful { missing } else { missing.max(BATCH_ROWS / 8) };
            let mut rows = self.input.next(ask)?;
            if rows.is_empty() {
                break;
            }
            if let Some((indexed, key)) = &self.keys {
                let mut equal = vec![];
                for row in rows {
                    if inner_key(indexed, &row, &self.env)?.as_ref() == Some(key) {
                        equal.push(row);
                    }
                }
                rows = equal;
            }
            if self.batched {
                let verdicts = self.predicate.eval_rows(&rows, &self.env)?;
                out.extend(
                    rows.into_iter()
                        .zip(verdicts)
                        .filter(|(_, verdict)| verdict.as_bool() == Some(true))
                        .map(|(row, _)| row),
                );
            } else {
                for row in rows {
                    if self.predicate.test(&row, &self.env)? == Some(true) {
                        out.push(row);
                    }
                }
            }
        }
        if out.len() > want {
            self.kept = out.split_off(want);
        }
        Ok(out)
    }
}

fn build(input: &Arc<Plan>, indexed: &IndexedFilter, env: &Env) -> Result<Index> {
    let rows = collect(open_plan(input, env)?, env)?;
    let mut by_key: HashMap<Key, Vec<usize>> = HashMap::new();
    for (index, row) in rows.iter().enumerate() {
        if let Some(key) = inner_key(indexed, row, env)? {
            by_key.entry(key).or_default().push(index);
        }
    }
    Ok(Index { rows, by_key })
}

/// None if a part of it is NULL, which equals nothing.
fn inner_key(indexed: &IndexedFilter, row: &[Datum], env: &Env) -> Result<Option<Key>> {
    let key = indexed
        .keys
        .iter()
        .map(|(inner, _)| inner.eval(row, env).map(widened))
        .collect::<Result<Vec<_>>>()?;
    Ok((!key.iter().any(Datum::is_null)).then_some(Key(key)))
}

fn outer_key(indexed: &IndexedFilter, env: &Env) -> Result<Key> {
    indexed
        .keys
        .iter()
        .map(|(_, outer)| outer.eval(&[], env).map(widened))
        .collect::<Result<Vec<_>>>()
        .map(Key)
}
