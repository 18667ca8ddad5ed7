//! Operators that pass rows on: VALUES, a select list, LIMIT.

use std::sync::Arc;

use types::{Datum, Result, SqlError, SqlState};

use super::{Source, open};
use crate::env::Env;
use crate::eval::{Node, eval_all};
use crate::host::Row;
use crate::plan::Plan;

/// Rows that are there already.
pub(crate) struct Made(std::vec::IntoIter<Row>);

impl Made {
    pub fn new(rows: Vec<Row>) -> Made {
        Made(rows.into_iter())
    }
}

impl Source for Made {
    fn next(&mut self, want: usize) -> Result<Vec<Row>> {
        Ok(self.0.by_ref().take(want).collect())
    }
}

/// Rows that others read, too.
pub(super) struct Shared {
    rows: Arc<Vec<Row>>,
    next: usize,
}

impl Shared {
    pub fn new(rows: Arc<Vec<Row>>) -> Shared {
        Shared { rows, next: 0 }
    }

    /// Those from this place on.
    pub fn at(rows: Arc<Vec<Row>>, next: usize) -> Shared {
        Shared { rows, next }
    }
}

impl Source for Shared {
    fn next(&mut self, want: usize) -> Result<Vec<Row>> {
        let end = self.rows.len().min(self.next.saturating_add(want));
        let rows = self.rows[self.next..end].to_vec();
        self.next = end;
        Ok(rows)
    }
}

/// Rows that are made when the first is asked for, all at once.
pub(super) struct Late {
    make: Option<Box<dyn FnOnce() -> Result<Vec<Row>> + Send>>,
    made: Made,
}

impl Late {
    pub fn boxed(make: impl FnOnce() -> Result<Vec<Row>> + Send + 'static) -> Box<dyn Source> {
        Box::new(Late {
            make: Some(Box::new(make)),
            made: Made::new(vec![]),
        })
    }
}

impl Source for Late {
    fn next(&mut self, want: usize) -> Result<Vec<Row>> {
        if let Some(make) = self.make.take() {
            self.made = Made::new(make()?);
        }
        self.made.next(want)
    }
}

pub(super) fn values(rows: Arc<[Box<[Node]>]>, env: &Env) -> Result<Box<dyn Source>> {
    if let [row] = &*rows {
        return Ok(Box::new(Made::new(vec![eval_all(row, &[], env)?])));
    }
    Ok(Box::new(Values {
        rows,
        next: 0,
        env: env.clone(),
    }))
}

struct Values {
    rows: Arc<[Box<[Node]>]>,
    next: usize,
    env: Env,
}

impl Source for Values {
    fn next(&mut self, want: usize) -> Result<Vec<Row>> {
        let end = self.rows.len().min(self.next.saturating_add(want));
        let rows = self.rows[self.next..end].iter().map(|row| eval_all(row, &[], &self.env)).collect();
        self.next = end;
        rows
    }
}

pub(super) fn project(input: Box<dyn Source>, exprs: Arc<[Node]>, env: &Env) -> Box<dyn Source> {
    let batched = exprs.iter().any(Node::has_user_call);
    Box::new(Project {
        input,
        exprs,
        batched,
        env: env.clone(),
    })
}

struct Project {
    input: Box<dyn Source>,
    exprs: Arc<[Node]>,
    /// A user's function is called: column by column.
    batched: bool,
    env: Env,
}

impl Source for Project {
    fn next(&mut self, want: usize) -> Result<Vec<Row>> {
        let rows = self.input.next(want)?;
        if !self.batched {
            return rows.iter().map(|row| eval_all(&self.exprs, row, &self.env)).collect();
        }
        let mut out: Vec<Row> = rows.iter().map(|_| Vec::with_capacity(self.exprs.len())).collect();
        for expr in &*self.exprs {
            for (row, value) in out.iter_mut().zip(expr.eval_rows(&rows, &self.env)?) {
                row.push(value);
            }
        }
        Ok(out)
    }
}

/// OFFSET and LIMIT, where there are any.
pub(crate) fn row_counts(limit: Option<&Node>, offset: Option<&Node>, env: &Env) -> Result<(Option<i64>, Option<i64>)> {
    let count = |node: Option<&Node>, negative: fn() -> SqlError| match node.map_or(Ok(Datum::Null), |node| node.eval(&[], env))? {
        Datum::Null => Ok(None),
        datum => match datum.as_i64() {
            Some(count) if count < 0 => Err(negative()),
            Some(count) => Ok(Some(count)),
            None => Err(SqlError::internal("LIMIT or OFFSET is not an integer")),
        },
    };
    let skip = count(offset, || {
        SqlError::new(SqlState::InvalidRowCountInResultOffsetClause, "OFFSET must not be negative")
    })?;
    let take = count(limit, || {
        SqlError::new(SqlState::InvalidRowCountInLimitClause, "LIMIT must not be negative")
    })?;
    Ok((skip, take))
}

pub(super) fn limit(input: &Arc<Plan>, limit: Option<&Node>, offset: Option<&Node>, env: &Env) -> Result<Box<dyn Source>> {
    let (skip, take) = row_counts(limit, offset, env)?;
    if take == Some(0) {
        return Ok(Box::new(Made::new(vec![])));
    }
    let rows = |count: i64| usize::try_from(count).unwrap_or(usize::MAX);
    Ok(Box::new(Limit {
        input: open(input, env)?,
        skip: skip.map_or(0, rows),
        take: take.map_or(usize::MAX, rows),
    }))
}

struct Limit {
    input: Box<dyn Source>,
    skip: usize,
    take: usize,
}

impl Source for Limit {
    fn next(&mut self, want: usize) -> Result<Vec<Row>> {
        while self.skip > 0 {
            let skipped = self.input.next(self.skip.min(crate::host::BATCH_ROWS))?.len();
            if skipped == 0 {
                self.take = 0;
                self.skip = 0;
            }
            self.skip -= skipped.min(self.skip);
        }
        if self.take == 0 {
            return Ok(vec![]);
        }
        let rows = self.input.next(want.min(self.take))?;
        self.take -= rows.len().min(self.take);
        Ok(rows)
    }
}
