//! The local road: operators over rows of datums, without DataFusion.
//!
//! A [`Plan`] is opened in an environment and gives a [`Source`]. A source makes rows as they are
//! asked for, and is told how many are wanted, so that a LIMIT above keeps a user's function from
//! running for rows that nobody sees.

mod aggregate;
mod basic;
mod cte;
mod distinct;
mod filter;
mod join;
mod project_set;
mod range_frame;
mod recursive;
mod scan;
mod sort;
mod window;

pub(crate) use aggregate::State;
pub(crate) use basic::{Made, row_counts};
pub(crate) use cte::Kept;
pub(crate) use filter::Index;

use types::Result;

use crate::env::Env;
use crate::host::{BATCH_ROWS, Row};
use crate::plan::Plan;

/// Rows on demand.
pub(crate) trait Source: Send {
    /// Up to `want` (at least 1) more rows; none at the end. Not to be called again after an error.
    fn next(&mut self, want: usize) -> Result<Vec<Row>>;
}

/// Starts a plan in an environment.
pub(crate) fn open(plan: &Plan, env: &Env) -> Result<Box<dyn Source>> {
    Ok(match plan {
        Plan::OneRow => Box::new(basic::Made::new(vec![vec![]])),
        Plan::Values(rows) => basic::values(rows.clone(), env)?,
        Plan::Scan {
            id,
            table,
            columns,
            conditions,
            backward,
        } => match id.and_then(|id| env.take_begun(id)) {
            Some(begun) => begun,
            None => scan::scan(table, columns, conditions, *backward, env)?,
        },
        Plan::PointGet { table, key, columns } => scan::point_get(table, key, columns, env)?,
        Plan::Function { call, ordinality, width } => project_set::function(call, *ordinality, *width, env)?,
        Plan::Filter {
            input,
            predicate,
            index,
            careful,
        } => filter::open(input, predicate, index.as_ref(), *careful, env)?,
        Plan::Project { input, exprs } => basic::project(open(input, env)?, exprs.clone(), env),
        Plan::ProjectSet { input, calls } => project_set::open(open(input, env)?, calls.clone(), env),
        Plan::Join(join) => join::open(join, env)?,
        Plan::Aggregate(plan) => aggregate::open(plan.clone(), env)?,
        Plan::Window { input, calls } => window::open(open(input, env)?, calls.clone(), env),
        Plan::Sort { input, keys } => sort::open(open(input, env)?, keys.clone(), env),
        Plan::Limit { input, limit, offset } => basic::limit(input, limit.as_ref(), offset.as_ref(), env)?,
        Plan::Distinct { input, types } => distinct::distinct(open(input, env)?, types.clone(), env),
        Plan::DistinctOn { input, on } => distinct::distinct_on(open(input, env)?, on.clone(), env),
        Plan::SetOp {
            kind,
            all,
            left,
            right,
            types,
        } => distinct::set_operation(*kind, *all, left, right.clone(), types.clone(), env)?,
        Plan::Recursive(plan) => recursive::open(plan.clone(), env)?,
        Plan::WorkTable { name } => Box::new(basic::Shared::new(env.work_table(name)?)),
        Plan::With { queries, input } => open(input, &cte::with(queries, env))?,
        Plan::CteScan { id, cte } => match id.and_then(|id| env.take_begun(id)) {
            Some(begun) => begun,
            None => cte::scan(env.cte(*cte)?),
        },
        Plan::Frame(frame) => frame.open(env)?,
    })
}

/// The rows of a source one by one. The first error is the end.
pub(crate) struct Rows {
    source: Option<Box<dyn Source>>,
    batch: std::vec::IntoIter<Row>,
}

impl Rows {
    pub fn new(source: Box<dyn Source>) -> Rows {
        Rows {
            source: Some(source),
            batch: vec![].into_iter(),
        }
    }
}

impl Iterator for Rows {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Result<Row>> {
        if let Some(row) = self.batch.next() {
            return Some(Ok(row));
        }
        let batch = match self.source.as_mut()?.next(BATCH_ROWS) {
            Ok(batch) => batch,
            Err(error) => {
                self.source = None;
                return Some(Err(error));
            }
        };
        if batch.is_empty() {
            self.source = None;
            return None;
        }
        self.batch = batch.into_iter();
        self.batch.next().map(Ok)
    }
}

/// All rows of a source.
pub(crate) fn collect(mut source: Box<dyn Source>, env: &Env) -> Result<Vec<Row>> {
    let mut rows = vec![];
    loop {
        let batch = source.next(BATCH_ROWS)?;
        if batch.is_empty() {
            return Ok(rows);
        }
        env.host.check_cancelled()?;
        env.account.charge_rows(&batch)?;
        rows.extend(batch);
    }
}
