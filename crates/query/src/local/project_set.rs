//! Functions that return rows, in FROM and in a select list.

use std::sync::Arc;

use types::{Datum, Result, SqlError};

use super::Source;
use super::basic::Made;
use crate::env::Env;
use crate::eval::eval_all;
use crate::host::{Row, RowIter};
use crate::plan::SetNode;

/// The rows of one call. A strict function has none for a NULL argument.
fn call(call: &SetNode, row: &[Datum], env: &Env) -> Result<RowIter> {
    match call {
        SetNode::Builtin { function, args } => {
            let args = eval_all(args, row, env)?;
            if function.strict && args.iter().any(Datum::is_null) {
                return Ok(Box::new(std::iter::empty()));
            }
            (function.run)(env.functions(), &args)
        }
        SetNode::User { function, args } => {
            let args = eval_all(args, row, env)?;
            if function.strict && args.iter().any(Datum::is_null) {
                return Ok(Box::new(std::iter::empty()));
            }
            env.host.call_set(function, args)
        }
    }
}

pub(super) fn function(node: &SetNode, ordinality: bool, width: usize, env: &Env) -> Result<Box<dyn Source>> {
    Ok(Box::new(Function {
        rows: call(node, &[], env)?,
        made: 0,
        ordinality,
        width,
        env: env.clone(),
    }))
}

struct Function {
    rows: RowIter,
    made: i64,
    ordinality: bool,
    width: usize,
    env: Env,
}

impl Source for Function {
    fn next(&mut self, want: usize) -> Result<Vec<Row>> {
        self.env.host.check_cancelled()?;
        let mut out = vec![];
        while out.len() < want {
            let Some(row) = self.rows.next() else { break };
            let mut row = row?;
            if row.len() != self.width {
                return Err(SqlError::internal(format!(
                    "a function gave {} columns instead of {}",
                    row.len(),
                    self.width
                )));
            }
            self.made += 1;
            if self.ordinality {
                row.push(Datum::Int8(self.made));
            }
            out.push(row);
        }
        Ok(out)
    }
}

pub(super) fn open(input: Box<dyn Source>, calls: Arc<[SetNode]>, env: &Env) -> Box<dyn Source> {
    Box::new(ProjectSet {
        input: Ahead {
            input,
            rows: Made::new(vec![]),
        },
        calls,
        current: None,
        env: env.clone(),
    })
}

/// A source read row by row.
struct Ahead {
    input: Box<dyn Source>,
    rows: Made,
}

impl Ahead {
    fn row(&mut self, want: usize) -> Result<Option<Row>> {
        if let Some(row) = self.rows.next(1)?.pop() {
            return Ok(Some(row));
        }
        self.rows = Made::new(self.input.next(want)?);
        Ok(self.rows.next(1)?.pop())
    }
}

struct ProjectSet {
    input: Ahead,
    calls: Arc<[SetNode]>,
    /// The input row at work and the rest of each call's rows; None for one that has ended.
    current: Option<(Row, Vec<Option<RowIter>>)>,
    env: Env,
}

impl Source for ProjectSet {
    fn next(&mut self, want: usize) -> Result<Vec<Row>> {
        self.env.host.check_cancelled()?;
        let mut out = vec![];
        while out.len() < want {
            let Some((row, iterators)) = &mut self.current else {
                let Some(row) = self.input.row(want)? else { break };
                let iterators = self
                    .calls
                    .iter()
                    .map(|node| call(node, &row, &self.env).map(Some))
                    .collect::<Result<_>>()?;
                self.current = Some((row, iterators));
                continue;
            };
            let mut made = row.clone();
            for iterator in iterators.iter_mut() {
                let next = iterator.as_mut().and_then(Iterator::next).transpose()?;
                if next.is_none() {
                    *iterator = None;
                }
                made.push(next.map_or(Datum::Null, single));
            }
            if iterators.iter().all(Option::is_none) {
                self.current = None;
            } else {
                out.push(made);
            }
        }
        Ok(out)
    }
}

/// A row as one value: of several columns, a record.
fn single(mut row: Row) -> Datum {
    match row.len() {
        1 => row.pop().unwrap_or_default(),
        _ => Datum::Record(row),
    }
}
