//! Subqueries in expressions. One that needs nothing from around it runs once per execution and
//! its answer is kept, hashed where IN asks it. A correlated one runs for each row, inside of that row.

use std::collections::HashSet;
use std::sync::Arc;

use types::compare::Key;
use types::{Datum, Result, SqlError, SqlState};

use crate::compare::{Comparison, widened};
use crate::env::{Env, Slot};
use crate::eval::{Node, Op, boolean, in_set, quantified};
use crate::host::Row;
use crate::ir::{ColumnId, Rel};
use crate::local::{self, Index};
use crate::plan::{Plan, Planner};
use crate::walk;

#[derive(Debug)]
pub(crate) struct Subquery {
    plan: Arc<Plan>,
    kind: Kind,
    slot: Slot,
    /// Nothing around it matters.
    independent: bool,
    /// The columns of the row around it that it uses, and where they stand in that row.
    uses: Arc<[ColumnId]>,
    positions: Box<[usize]>,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Scalar,
    Exists,
    Any { left: Node, op: Op, all: bool },
}

/// What is computed once per execution.
#[derive(Clone)]
pub(crate) enum Cached {
    Value(Datum),
    Items(Arc<Items>),
    /// This was opened once before.
    Opened,
    Index(Arc<Index>),
    /// All rows of a WITH query that does not depend on what stands around it.
    Rows(Arc<Vec<Row>>),
}

/// The values that an uncorrelated `op ANY (query)` compares with.
pub(crate) struct Items {
    values: Vec<Datum>,
    /// Where equality decides: the same values, without NULLs, and whether there was a NULL.
    set: Option<(HashSet<Key>, bool)>,
}

impl Planner<'_> {
    pub(crate) fn subquery(&mut self, query: &Rel, kind: Kind, layout: &[ColumnId]) -> Result<Node> {
        let free = walk::free_columns(query);
        let found = free
            .iter()
            .filter_map(|id| layout.iter().position(|column| column == id).map(|position| (*id, position)));
        let (uses, positions): (Vec<ColumnId>, Vec<usize>) = found.unzip();
        // What runs for each row, or once for many, is chosen anew.
        let datafusion = std::mem::replace(&mut self.datafusion, true);
        let plan = self.whole(query);
        self.datafusion = datafusion;
        let plan = plan?;
        Ok(Node::Subquery(Box::new(Subquery {
            plan,
            kind,
            slot: Slot::next(),
            independent: walk::is_independent(query),
            uses: uses.into(),
            positions: positions.into(),
        })))
    }
}

impl Subquery {
    pub fn eval(&self, row: &[Datum], env: &Env) -> Result<Datum> {
        match &self.kind {
            Kind::Scalar => self.once(row, env, |env| {
                let mut rows = local::open(&self.plan, env)?;
                let mut first = rows.next(2)?;
                if first.len() == 1 {
                    first.extend(rows.next(1)?);
                }
                if first.len() > 1 {
                    return Err(SqlError::new(
                        SqlState::CardinalityViolation,
                        "more than one row returned by a subquery used as an expression",
                    ));
                }
                Ok(first.pop().and_then(|row| row.into_iter().next()).unwrap_or_default())
            }),
            Kind::Exists => self.once(row, env, |env| Ok(Datum::Bool(!local::open(&self.plan, env)?.next(1)?.is_empty()))),
            Kind::Any { left, op, all } => {
                let left = left.eval(row, env)?;
                if self.independent {
                    let items = self.items(env)?;
                    return match &items.set {
                        Some((set, null)) => Ok(in_set(left, set, *null, *all)),
                        None => Ok(boolean(quantified(
                            &left,
                            *op,
                            &mut items.values.iter().cloned().map(Ok),
                            *all,
                            env,
                        )?)),
                    };
                }
                let env = self.inside(row, env);
                let mut rows = local::Rows::new(local::open(&self.plan, &env)?);
                let mut values = std::iter::from_fn(|| rows.next()).map(first_value);
                Ok(boolean(quantified(&left, *op, &mut values, *all, &env)?))
            }
        }
    }

    fn inside(&self, row: &[Datum], env: &Env) -> Env {
        if self.uses.is_empty() {
            return env.clone();
        }
        let row = self
            .positions
            .iter()
            .map(|position| row.get(*position).cloned().unwrap_or_default())
            .collect();
        env.inside(self.uses.clone(), row)
    }

    fn once(&self, row: &[Datum], env: &Env, run: impl Fn(&Env) -> Result<Datum>) -> Result<Datum> {
        if !self.independent {
            return run(&self.inside(row, env));
        }
        if let Some(Cached::Value(value)) = env.cached(self.slot) {
            return Ok(value);
        }
        let value = run(env)?;
        env.keep(self.slot, Cached::Value(value.clone()));
        Ok(value)
    }

    fn items(&self, env: &Env) -> Result<Arc<Items>> {
        if let Some(Cached::Items(items)) = env.cached(self.slot) {
            return Ok(items);
        }
        let rows = local::Rows::new(local::open(&self.plan, env)?);
        let values = rows.map(first_value).collect::<Result<Vec<Datum>>>()?;
        let hashable = match &self.kind {
            Kind::Any {
                op: Op::Compare(Comparison::Eq),
                all,
                ..
            } => !all,
            Kind::Any {
                op: Op::Compare(Comparison::NotEq),
                all,
                ..
            } => *all,
            _ => false,
        };
        let items = match hashable {
            true => {
                let null = values.iter().any(Datum::is_null);
                let set = values
                    .into_iter()
                    .filter(|value| !value.is_null())
                    .map(|value| Key(vec![widened(value)]))
                    .collect();
                Items {
                    values: vec![],
                    set: Some((set, null)),
                }
            }
            false => Items { values, set: None },
        };
        let items = Arc::new(items);
        env.keep(self.slot, Cached::Items(items.clone()));
        Ok(items)
    }
}

fn first_value(row: Result<Row>) -> Result<Datum> {
    Ok(row?.into_iter().next().unwrap_or_default())
}
