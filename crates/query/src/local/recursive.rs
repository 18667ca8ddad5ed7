//! WITH RECURSIVE: round after round, each over the rows of the last, until one gives none. Rows
//! leave as soon as their round is complete, so that a LIMIT can end a recursion without an end.

use std::collections::HashSet;
use std::sync::Arc;

use types::Result;
use types::compare::Key;

use super::basic::Shared;
use super::distinct::key;
use super::{Source, collect, open as open_plan};
use crate::env::Env;
use crate::host::Row;
use crate::plan::RecursivePlan;

pub(super) fn open(plan: Arc<RecursivePlan>, env: &Env) -> Result<Box<dyn Source>> {
    Ok(Box::new(Recursive {
        plan,
        env: env.clone(),
        last: None,
        reading: Shared::new(Arc::default()),
        seen: HashSet::new(),
    }))
}

struct Recursive {
    plan: Arc<RecursivePlan>,
    env: Env,
    /// The last round's rows; None before the first.
    last: Option<Arc<Vec<Row>>>,
    reading: Shared,
    /// Without ALL: every row so far.
    seen: HashSet<Key>,
}

impl Source for Recursive {
    fn next(&mut self, want: usize) -> Result<Vec<Row>> {
        loop {
            let rows = self.reading.next(want)?;
            if !rows.is_empty() {
                return Ok(rows);
            }
            let rows = match &self.last {
                None => collect(open_plan(&self.plan.base, &self.env)?, &self.env)?,
                Some(last) if last.is_empty() => return Ok(vec![]),
                Some(last) => {
                    self.env.host.check_cancelled()?;
                    let env = self.env.with_work_table(&self.plan.name, last.clone());
                    collect(open_plan(&self.plan.recursive, &env)?, &env)?
                }
            };
            let rows = match self.plan.all {
                true => rows,
                false => rows
                    .into_iter()
                    .filter(|row| self.seen.insert(key(row, &self.plan.types)))
                    .collect(),
            };
            let rows = Arc::new(rows);
            self.reading = Shared::new(rows.clone());
            self.last = Some(rows);
        }
    }
}
