//! WHERE and HAVING. A filter of a correlated query that is opened again and again with other
//! outer values keeps its input, hashed by the columns that are compared with them.

use std::collections::HashMap;
use std::sync::Arc;

use types::Result;
use types::compare::Key;

use super::{Source, collect, open as open_plan};
use crate::compare::widened;
use crate::env::Env;
use crate::eval::Node;
use crate::host::Row;
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
    if let Some(indexed) = index {
        match env.cached(indexed.slot) {
            Some(Cached::Index(index)) => return look_up(index, indexed, env),
            Some(Cached::Opened) => {
                let index = Arc::new(build(input, indexed, env)?);
                env.keep(indexed.slot, Cached::Index(index.clone()));
                return look_up(index, indexed, env);
            }
            // Once may be the only time.
            _ => env.keep(indexed.slot, Cached::Opened),
        }
    }
    let batched = predicate.has_user_call();
    Ok(Box::new(Filter {
        input: open_plan(input, env)?,
        predicate: predicate.clone(),
        batched,
        careful: careful || batched,
        kept: vec![],
        env: env.clone(),
    }))
}

struct Filter {
    input: Box<dyn Source>,
    predicate: Arc<Node>,
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
            let ask = if self.careful {
                missing
            } else {
                missing.max(crate::host::BATCH_ROWS / 8)
            };
            let rows = self.input.next(ask)?;
            if rows.is_empty() {
                break;
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
        let key = indexed
            .keys
            .iter()
            .map(|(inner, _)| inner.eval(row, env).map(widened))
            .collect::<Result<Vec<_>>>()?;
        if !key.iter().any(types::Datum::is_null) {
            by_key.entry(Key(key)).or_default().push(index);
        }
    }
    Ok(Index { rows, by_key })
}

fn look_up(index: Arc<Index>, indexed: &Arc<IndexedFilter>, env: &Env) -> Result<Box<dyn Source>> {
    let key = indexed
        .keys
        .iter()
        .map(|(_, outer)| outer.eval(&[], env).map(widened))
        .collect::<Result<Vec<_>>>()?;
    let mut rows = vec![];
    for found in index.by_key.get(&Key(key)).into_iter().flatten() {
        let row = &index.rows[*found];
        if indexed.rest.as_ref().map_or(Ok(Some(true)), |rest| rest.test(row, env))? == Some(true) {
            rows.push(row.clone());
        }
    }
    Ok(Box::new(super::basic::Made::new(rows)))
}
