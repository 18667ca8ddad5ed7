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
use crate::memory::{Kept, Reservation, row_bytes};
use crate::plan::RecursivePlan;

pub(super) fn open(plan: Arc<RecursivePlan>, env: &Env) -> Result<Box<dyn Source>> {
    Ok(Box::new(Recursive {
        plan,
        env: env.clone(),
        last: None,
        reading: Shared::new(Arc::default()),
        seen: HashSet::new(), remembered: env.reservation(), held: env.reservation() }))
}

struct Recursive {
    plan: Arc<RecursivePlan>,
    env: Env,
    /// The last round's rows; None before the first.
    last: Option<Arc<Vec<Row>>>,
    reading: Shared,
    /// Without ALL: every row so far.
    seen: HashSet<Key>,
    remembered: Reservation,
    /// The last round's.
    held: Reservation,
}

impl Source for Recursive {
    fn next(&mut self, want: usize) -> Result<Vec<Row>> {
        loop {
            let rows = self.reading.next(want)?;
            if !rows.is_empty() {
                return Ok(rows);
            }
            let kept = match &self.last {
                None => collect(open_plan(&self.plan.base, &self.env)?, &self.env)?,
                Some(last) if last.is_empty() => return Ok(vec![]),
                Some(last) => {
                    self.env.host.check_cancelled()?;
                    let env = self.env.with_work_table(&self.plan.name, last.clone());
                    collect(open_plan(&self.plan.recursive, &env)?, &env)?
                }
            };
            let Kept { mut rows, reservation } = kept;
            if !self.plan.all {
                let mut new = vec![];
                for row in rows {
                    let key = key(&row, &self.plan.types);
                    self.remembered.grow(row_bytes(&key.0))?;
                    if self.seen.insert(key) {
                        new.push(row);
                    }
                }
                rows = new;
            }
            self.held = reservation;
            let rows = Arc::new(rows);
            self.reading = Shared::new(rows.clone());
            self.last = Some(rows);
        }
    }
}
