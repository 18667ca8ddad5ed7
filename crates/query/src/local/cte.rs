//! WITH queries. One is computed as far as somebody reads it, and what has come is kept for the others who do, so that it
//! gives everybody the same rows and its functions run once.

use std::sync::{Arc, Mutex, PoisonError};

use types::{Result, SqlError};

use super::basic::Shared;
use super::{Source, open};
use crate::env::Env;
use crate::host::{BATCH_ROWS, Row};
use crate::plan::CtePlan;
use crate::session;
use crate::subquery::Cached;

/// The environment of what stands after WITH.
pub(super) fn with(queries: &[Arc<CtePlan>], env: &Env) -> Env {
    queries.iter().fold(env.clone(), |env, plan| {
        let progress = match env.cached(plan.slot) {
            Some(Cached::Rows(rows)) => Progress::Done(rows),
            _ => Progress::New,
        };
        let kept = Kept {
            plan: plan.clone(),
            env: env.clone(),
            progress: Mutex::new(progress),
        };
        env.with_cte(plan.id, Arc::new(kept))
    })
}

/// The rows of a WITH query.
pub(crate) struct Kept {
    plan: Arc<CtePlan>,
    env: Env,
    progress: Mutex<Progress>,
}

enum Progress {
    New,
    Begun { source: Box<dyn Source>, rows: Vec<Row> },
    Done(Arc<Vec<Row>>),
    Failed(SqlError),
}

pub(super) fn scan(kept: Arc<Kept>) -> Box<dyn Source> {
    Box::new(Scan { kept, next: 0, all: None })
}

struct Scan {
    kept: Arc<Kept>,
    /// How many rows were given out.
    next: usize,
    /// When all are there.
    all: Option<Shared>,
}

impl Source for Scan {
    fn next(&mut self, want: usize) -> Result<Vec<Row>> {
        if let Some(all) = &mut self.all {
            return all.next(want);
        }
        match self.kept.read(self.next, want)? {
            Part::Rows(rows) => {
                self.next += rows.len();
                Ok(rows)
            }
            Part::Complete(rows) => self.all.insert(Shared::at(rows, self.next)).next(want),
        }
    }
}

enum Part {
    Rows(Vec<Row>),
    Complete(Arc<Vec<Row>>),
}

impl Kept {
    /// Up to `want` rows from this one on.
    fn read(&self, from: usize, want: usize) -> Result<Part> {
        // Somebody else may be at it.
        let mut progress = session::waiting(|| self.progress.lock().unwrap_or_else(PoisonError::into_inner));
        loop {
            let more = match &mut *progress {
                Progress::Failed(error) => return Err(error.clone()),
                Progress::Done(rows) => return Ok(Part::Complete(rows.clone())),
                Progress::Begun { rows, .. } if rows.len() > from => {
                    let end = rows.len().min(from.saturating_add(want));
                    return Ok(Part::Rows(rows[from..end].to_vec()));
                }
                Progress::Begun { source, .. } => self.more(&mut **source, want),
                Progress::New => match open(&self.plan.plan, &self.env) {
                    Ok(source) => {
                        *progress = Progress::Begun { source, rows: vec![] };
                        continue;
                    }
                    Err(error) => Err(error),
                },
            };
            match more {
                Ok(more) if !more.is_empty() => {
                    if let Progress::Begun { rows, .. } = &mut *progress {
                        rows.extend(more);
                    }
                }
                Ok(_) => {
                    let rows = match &mut *progress {
                        Progress::Begun { rows, .. } => Arc::new(std::mem::take(rows)),
                        Progress::New | Progress::Done(_) | Progress::Failed(_) => Arc::default(),
                    };
                    if self.plan.independent {
                        self.env.keep(self.plan.slot, Cached::Rows(rows.clone()));
                    }
                    *progress = Progress::Done(rows);
                }
                Err(error) => *progress = Progress::Failed(error),
            }
        }
    }

    fn more(&self, source: &mut dyn Source, want: usize) -> Result<Vec<Row>> {
        self.env.host.check_cancelled()?;
        let rows = source.next(want.clamp(1, BATCH_ROWS))?;
        self.env.account.charge_rows(&rows)?;
        Ok(rows)
    }
}
