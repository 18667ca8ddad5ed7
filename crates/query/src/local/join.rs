//! Joins: by hash where there are equal keys, else by nested loops; a lateral right side is opened
//! anew inside of each left row.

use std::collections::HashMap;
use std::sync::Arc;

use types::compare::Key;
use types::{Datum, Result};

use super::{Source, collect, open as open_plan};
use crate::compare::{order, widened};
use crate::env::Env;
use crate::eval::Node;
use crate::host::{BATCH_ROWS, Row};
use crate::ir::JoinKind;
use crate::plan_join::JoinPlan;

/// A look-up costs as much as reading some rows in order.
const FEW_LEFT_ROWS: usize = 1000;

pub(super) fn open(plan: &Arc<JoinPlan>, env: &Env) -> Result<Box<dyn Source>> {
    Ok(Box::new(Join {
        left: open_plan(&plan.left, env)?,
        plan: plan.clone(),
        env: env.clone(),
        right: None,
        rows: vec![].into_iter(),
        looking_up: None,
        current: None,
        unmatched: None,
    }))
}

struct Join {
    plan: Arc<JoinPlan>,
    env: Env,
    left: Box<dyn Source>,
    /// Made when the first left row is there.
    right: Option<Right>,
    rows: std::vec::IntoIter<Row>,
    /// Right rows are looked up for each left row; unknown before the first.
    looking_up: Option<bool>,
    current: Option<Current>,
    /// At the end of a right or full join: the next right row to look at.
    unmatched: Option<usize>,
}

#[derive(Default)]
struct Right {
    rows: Vec<Row>,
    by_key: HashMap<Key, Vec<usize>>,
    matched: Vec<bool>,
}

/// The left row at work and where its candidates stand.
struct Current {
    row: Row,
    candidates: Candidates,
    next: usize,
    found: bool,
}

enum Candidates {
    All,
    Some(Vec<usize>),
    Lateral(Vec<Row>),
}

impl Source for Join {
    fn next(&mut self, want: usize) -> Result<Vec<Row>> {
        self.env.host.check_cancelled()?;
        let plan = self.plan.clone();
        let mut out = vec![];
        let mut looked_at = 0usize;
        while out.len() < want {
            if let Some(next) = self.unmatched {
                let right = self.right.get_or_insert_default();
                if next >= right.rows.len() {
                    break;
                }
                if !right.matched[next] {
                    let mut row = vec![Datum::Null; plan.left_layout.len()];
                    row.extend_from_slice(&right.rows[next]);
                    out.push(row);
                }
                self.unmatched = Some(next + 1);
                continue;
            }
            let Some(current) = &mut self.current else {
                self.current = self.advance(want)?;
                if self.current.is_none() {
                    match plan.kind {
                        JoinKind::Right | JoinKind::Full => self.unmatched = Some(0),
                        JoinKind::Inner | JoinKind::Left => break,
                    }
                }
                continue;
            };
            looked_at += 1;
            if looked_at.is_multiple_of(BATCH_ROWS) {
                self.env.host.check_cancelled()?;
            }
            let right = self.right.get_or_insert_default();
            let (candidate, index) = match &current.candidates {
                Candidates::All => (right.rows.get(current.next), current.next),
                Candidates::Some(found) => match found.get(current.next) {
                    Some(index) => (right.rows.get(*index), *index),
                    None => (None, 0),
                },
                Candidates::Lateral(rows) => (rows.get(current.next), 0),
            };
            current.next += 1;
            let Some(candidate) = candidate else {
                if !current.found && matches!(plan.kind, JoinKind::Left | JoinKind::Full) {
                    let mut row = std::mem::take(&mut current.row);
                    row.resize(plan.left_layout.len() + plan.right_width, Datum::Null);
                    out.push(row);
                }
                self.current = None;
                continue;
            };
            // A scan may give more than what was looked up.
            if self.looking_up == Some(true) && !equal_keys(&plan.keys, &current.row, candidate, &self.env)? {
                continue;
            }
            let mut row = Vec::with_capacity(plan.left_layout.len() + plan.right_width);
            row.extend_from_slice(&current.row);
            row.extend_from_slice(candidate);
            if plan.rest.as_ref().map_or(Ok(Some(true)), |rest| rest.test(&row, &self.env))? == Some(true) {
                current.found = true;
                if let Some(matched) = right.matched.get_mut(index) {
                    *matched = true;
                }
                out.push(row);
            }
        }
        Ok(out)
    }
}

impl Join {
    /// The next left row and its candidates.
    fn advance(&mut self, want: usize) -> Result<Option<Current>> {
        if self.looking_up.is_none() {
            self.looking_up = Some(self.has_few_left_rows()?);
        }
        let row = match self.rows.next() {
            Some(row) => row,
            None => {
                self.rows = self.left.next(want)?.into_iter();
                match self.rows.next() {
                    Some(row) => row,
                    None => {
                        // A right or full join needs its right side even then.
                        if matches!(self.plan.kind, JoinKind::Right | JoinKind::Full) {
                            self.build()?;
                        }
                        return Ok(None);
                    }
                }
            }
        };
        let inside = match &self.plan.look_up {
            Some(plan) if self.looking_up == Some(true) => Some(plan),
            _ => self.plan.lateral.then_some(&self.plan.right),
        };
        let candidates = match inside {
            Some(plan) => {
                let env = self.env.inside(self.plan.left_layout.clone(), row.clone());
                Candidates::Lateral(collect(open_plan(plan, &env)?, &env)?)
            }
            None => {
                self.build()?;
                if self.plan.keys.is_empty() {
                    Candidates::All
                } else {
                    let key = key(self.plan.keys.iter().map(|(left, _)| left), &row, &self.env)?;
                    let found = key.and_then(|key| self.right.as_ref()?.by_key.get(&key).cloned());
                    Candidates::Some(found.unwrap_or_default())
                }
            }
        };
        Ok(Some(Current {
            row,
            candidates,
            next: 0,
            found: false,
        }))
    }

    /// Reads left rows ahead, where few of them mean that right rows are looked up one by one.
    fn has_few_left_rows(&mut self) -> Result<bool> {
        if self.plan.look_up.is_none() {
            return Ok(false);
        }
        let mut rows = vec![];
        while rows.len() <= FEW_LEFT_ROWS {
            let batch = self.left.next(BATCH_ROWS)?;
            if batch.is_empty() {
                self.rows = rows.into_iter();
                return Ok(true);
            }
            rows.extend(batch);
        }
        self.rows = rows.into_iter();
        Ok(false)
    }

    fn build(&mut self) -> Result<()> {
        if self.right.is_some() || self.plan.lateral {
            return Ok(());
        }
        let rows = collect(open_plan(&self.plan.right, &self.env)?, &self.env)?;
        let mut by_key: HashMap<Key, Vec<usize>> = HashMap::new();
        if !self.plan.keys.is_empty() {
            for (index, row) in rows.iter().enumerate() {
                if let Some(key) = key(self.plan.keys.iter().map(|(_, right)| right), row, &self.env)? {
                    by_key.entry(key).or_default().push(index);
                }
            }
        }
        self.right = Some(Right {
            matched: vec![false; rows.len()],
            rows,
            by_key,
        });
        Ok(())
    }
}

fn equal_keys(keys: &[(Node, Node)], left: &[Datum], right: &[Datum], env: &Env) -> Result<bool> {
    for (of_left, of_right) in keys {
        let (left, right) = (of_left.eval(left, env)?, of_right.eval(right, env)?);
        if left.is_null() || right.is_null() || order(&left, &right).is_ne() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// None if a part is NULL: it equals nothing.
fn key<'a>(nodes: impl Iterator<Item = &'a Node>, row: &[Datum], env: &Env) -> Result<Option<Key>> {
    let mut values = vec![];
    for node in nodes {
        let value = node.eval(row, env)?;
        if value.is_null() {
            return Ok(None);
        }
        values.push(widened(value));
    }
    Ok(Some(Key(values)))
}
