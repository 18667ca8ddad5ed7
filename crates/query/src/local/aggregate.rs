//! GROUP BY, GROUPING SETS and aggregate functions. [`State`] is also what DataFusion's
//! aggregation calls where it has no function of its own with PostgreSQL's meaning.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use functions::{Accumulator, NativeAggregate};
use types::compare::Key;
use types::{Datum, Result, SqlError};

use super::basic::Late;
use super::sort::{compare_keys, directed, key_of};
use super::{Source, open as open_plan};
use crate::compare::normal;
use crate::env::Env;
use crate::eval::{columns_of, eval_all};
use crate::host::{BATCH_ROWS, Row};
use crate::ir::UserAggregate;
use crate::memory::row_bytes;
use crate::plan::{AggregateNode, AggregatePlan, SortNode, Target};

/// One aggregate call's state for one group: what DISTINCT and ORDER BY need around a function's own.
#[derive(Debug)]
pub(crate) struct State {
    machine: Machine,
    strict: bool,
    ordered_set: bool,
    distinct: Option<HashSet<Key>>,
    /// Its order matters to the result: rows wait for the end.
    sorted: bool,
    /// (what it is sorted by, arguments)
    waiting: Vec<(Row, Row)>,
}

/// What goes from row to row.
#[derive(Debug)]
enum Machine {
    Builtin(Box<dyn Accumulator>),
    User {
        aggregate: Arc<UserAggregate>,
        state: Datum,
        /// A strict transition without a first state begins with the first row's argument.
        begun: bool,
    },
}

impl Machine {
    fn add(&mut self, args: &[Datum], env: &Env) -> Result<()> {
        match self {
            Machine::Builtin(accumulator) => accumulator.add(env.functions(), args),
            Machine::User { aggregate, state, begun } => {
                let strict = aggregate.transition.strict;
                if strict && state.is_null() {
                    if !*begun {
                        *state = args.first().cloned().unwrap_or_default();
                        *begun = true;
                    }
                    // Once NULL, a strict transition leaves it so.
                    return Ok(());
                }
                *begun = true;
                let mut row = Vec::with_capacity(args.len() + 1);
                row.push(std::mem::take(state));
                row.extend_from_slice(args);
                *state = one(env, &aggregate.transition, &row)?;
                Ok(())
            }
        }
    }

    fn finish(&self, env: &Env) -> Result<Datum> {
        match self {
            Machine::Builtin(accumulator) => accumulator.finish(env.functions()),
            Machine::User { aggregate, state, .. } => match &aggregate.finalizer {
                None => Ok(state.clone()),
                Some(finalizer) if finalizer.strict && state.is_null() => Ok(Datum::Null),
                Some(finalizer) => one(env, finalizer, std::slice::from_ref(state)),
            },
        }
    }

    fn size(&self) -> usize {
        match self {
            Machine::Builtin(accumulator) => accumulator.size(),
            Machine::User { .. } => size_of::<Datum>(),
        }
    }
}

fn one(env: &Env, function: &Arc<catalog::Function>, row: &[Datum]) -> Result<Datum> {
    let mut results = env.host.call(function, 1, &columns_of(row))?;
    results.pop().ok_or_else(|| SqlError::internal("a function gave no result"))
}

impl State {
    /// For calls with these keys in their ORDER BY or WITHIN GROUP. `None`: GROUPING has no state.
    pub fn new(target: &Target, order_by: &[SortNode]) -> Option<State> {
        let (function, types, distinct) = match target {
            Target::Builtin { function, types, distinct } => (function, types, distinct),
            Target::User { aggregate, distinct } => {
                return Some(State {
                    machine: Machine::User {
                        aggregate: aggregate.clone(),
                        state: aggregate.initial.clone(),
                        begun: !aggregate.initial.is_null(),
                    },
                    strict: aggregate.transition.strict,
                    ordered_set: false,
                    distinct: distinct.then(HashSet::new),
                    sorted: !order_by.is_empty() || *distinct,
                    waiting: vec![],
                });
            }
            Target::Grouping(_) => return None,
        };
        // PostgreSQL finds distinct arguments by sorting, and so gives them sorted.
        let unordered = matches!(
            function.native,
            Some(NativeAggregate::Count | NativeAggregate::Min | NativeAggregate::Max)
        );
        Some(State {
            machine: Machine::Builtin((function.new)(types)),
            strict: function.strict,
            ordered_set: function.ordered_set,
            distinct: distinct.then(HashSet::new),
            sorted: !order_by.is_empty() || (*distinct && !unordered),
            waiting: vec![],
        })
    }

    /// `keys` are the values of ORDER BY.
    pub fn add(&mut self, mut args: Row, keys: Row, env: &Env) -> Result<()> {
        if self.ordered_set {
            args.extend_from_slice(&keys);
        }
        if self.strict && args.iter().any(Datum::is_null) {
            return Ok(());
        }
        if let Some(seen) = &mut self.distinct
            && !seen.insert(Key(args.clone()))
        {
            return Ok(());
        }
        if self.distinct.is_some() {
            env.account.charge(row_bytes(&args))?;
        }
        if self.sorted {
            env.account.charge(row_bytes(&args) + row_bytes(&keys))?;
            self.waiting.push((keys, args));
            return Ok(());
        }
        self.step(&args, env)
    }

    /// One row into the machine, and what it keeps of it onto the account.
    fn step(&mut self, args: &[Datum], env: &Env) -> Result<()> {
        let before = self.machine.size();
        self.machine.add(args, env)?;
        env.account.charge(self.machine.size().saturating_sub(before))
    }

    pub fn finish(&mut self, order_by: &[SortNode], env: &Env) -> Result<Datum> {
        let mut waiting = std::mem::take(&mut self.waiting);
        if order_by.is_empty() {
            waiting.sort_by(|(_, left), (_, right)| {
                let each = left.iter().zip(right).map(|(left, right)| directed(left, right, false, false));
                each.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
            });
        } else {
            waiting.sort_by(|(left, _), (right, _)| compare_keys(order_by, left, right));
        }
        for (_, args) in waiting {
            self.step(&args, env)?;
        }
        self.machine.finish(env)
    }

    pub fn size(&self) -> usize {
        let rows = self.waiting.len() + self.distinct.as_ref().map_or(0, HashSet::len);
        self.machine.size() + rows * 2 * size_of::<Row>()
    }
}

pub(super) fn open(plan: Arc<AggregatePlan>, env: &Env) -> Result<Box<dyn Source>> {
    let env = env.clone();
    Ok(Late::boxed(move || aggregate(&plan, &env)))
}

struct Group {
    values: Row,
    states: Vec<Option<State>>,
}

/// The groups of one grouping set, in the order of their first rows.
struct Set<'a> {
    plan: &'a AggregatePlan,
    members: Vec<usize>,
    by_key: HashMap<Key, usize>,
    groups: Vec<Group>,
}

fn aggregate(plan: &AggregatePlan, env: &Env) -> Result<Vec<Row>> {
    let members = plan.sets.clone().unwrap_or_else(|| vec![(0..plan.groups.len()).collect()]);
    let mut sets: Vec<Set> = members
        .into_iter()
        .map(|members| Set {
            plan,
            members,
            by_key: HashMap::new(),
            groups: vec![],
        })
        .collect();
    // Without grouping columns there is a group even without rows.
    for set in sets.iter_mut().filter(|set| set.members.is_empty()) {
        set.group(&vec![Datum::Null; plan.groups.len()]);
    }
    let mut input = open_plan(&plan.input, env)?;
    loop {
        let rows = input.next(BATCH_ROWS)?;
        if rows.is_empty() {
            break;
        }
        env.host.check_cancelled()?;
        let groups = columns(plan.groups.iter().map(|(node, _)| node), &rows, env)?;
        let calls = plan
            .calls
            .iter()
            .map(|call| arguments(call, &rows, env))
            .collect::<Result<Vec<_>>>()?;
        let mut calls: Vec<_> = calls.into_iter().map(Vec::into_iter).collect();
        for (row, values) in rows.iter().zip(groups) {
            let weight = plan.weight.and_then(|place| row.get(place)).and_then(Datum::as_i64).unwrap_or(1);
            let added: Vec<Option<(Row, Row)>> = calls.iter_mut().map(|call| call.next().flatten()).collect();
            for set in &mut sets {
                let known = set.groups.len();
                let group = set.group(&values);
                for (state, added) in group.states.iter_mut().zip(&added) {
                    if let (Some(state), Some((args, keys))) = (state, added) {
                        // A row that stands for several is added as often.
                        for _ in 1..weight {
                            state.add(args.clone(), keys.clone(), env)?;
                        }
                        state.add(args.clone(), keys.clone(), env)?;
                    }
                }
                if set.groups.len() > known {
                    env.account.charge(2 * row_bytes(&values) + plan.calls.len() * size_of::<State>())?;
                }
            }
        }
    }
    let mut out = vec![];
    for set in sets {
        let members = set.members;
        for group in set.groups {
            let mut row = group.values;
            for (call, state) in plan.calls.iter().zip(group.states) {
                row.push(match (state, &call.target) {
                    (Some(mut state), _) => state.finish(&call.order_by, env)?,
                    (None, Target::Grouping(groups)) => grouping(groups, &members),
                    (None, Target::Builtin { .. } | Target::User { .. }) => return Err(SqlError::internal("an aggregate without state")),
                });
            }
            out.push(row);
        }
    }
    Ok(out)
}

impl Set<'_> {
    /// The group with these values of all grouping expressions; those that are not in the set are NULL.
    fn group(&mut self, values: &[Datum]) -> &mut Group {
        let key = Key(self
            .members
            .iter()
            .map(|member| normal(values[*member].clone(), self.plan.groups[*member].1))
            .collect());
        let next = self.groups.len();
        let index = *self.by_key.entry(key).or_insert(next);
        if index == next {
            let mut row = vec![Datum::Null; values.len()];
            for member in &self.members {
                row[*member] = values[*member].clone();
            }
            let states = self
                .plan
                .calls
                .iter()
                .map(|call| State::new(&call.target, &call.order_by))
                .collect();
            self.groups.push(Group { values: row, states });
        }
        &mut self.groups[index]
    }
}

/// GROUPING(a, b): a bit for each that is not grouped by, the last argument's lowest.
fn grouping(groups: &[usize], members: &[usize]) -> Datum {
    Datum::Int4(
        groups
            .iter()
            .fold(0, |bits, group| (bits << 1) | i32::from(!members.contains(group))),
    )
}

/// One row of values per input row.
fn columns<'a>(nodes: impl Iterator<Item = &'a crate::eval::Node>, rows: &[Row], env: &Env) -> Result<Vec<Row>> {
    let mut out: Vec<Row> = rows.iter().map(|_| vec![]).collect();
    for node in nodes {
        for (row, value) in out.iter_mut().zip(node.eval_rows(rows, env)?) {
            row.push(value);
        }
    }
    Ok(out)
}

/// Arguments and sort keys for each row that passes FILTER.
fn arguments(call: &AggregateNode, rows: &[Row], env: &Env) -> Result<Vec<Option<(Row, Row)>>> {
    if call.filter.is_none() && call.args.iter().any(crate::eval::Node::has_user_call) {
        let args = columns(call.args.iter(), rows, env)?;
        return args
            .into_iter()
            .zip(rows)
            .map(|(args, row)| Ok(Some((args, key_of(&call.order_by, row, env)?))))
            .collect();
    }
    let each = |row: &Row| {
        if let Some(filter) = &call.filter
            && filter.test(row, env)? != Some(true)
        {
            return Ok(None);
        }
        Ok(Some((eval_all(&call.args, row, env)?, key_of(&call.order_by, row, env)?)))
    };
    rows.iter().map(each).collect()
}
