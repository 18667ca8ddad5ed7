//! Lowering a relation to DataFusion's logical plan, and running it.
//!
//! Columns are named by their ids (`c17`), all values of parameters and outer columns are literals,
//! and every expression has its final type, so that DataFusion has nothing to resolve and nothing to
//! convert. An operator that it has not, or not with PostgreSQL's meaning, is a table to it
//! ([`leaf`]), whose rows the local road makes.

mod aggregate;
mod arithmetic;
mod expr;
mod integer_sum;
mod key;
mod leaf;
mod row_function;

pub(crate) use key::key;

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::NullEquality;
use datafusion::datasource::provider_as_source;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::expr::Sort as SortExpr;
use datafusion::logical_expr::{
    Aggregate, Expr as DfExpr, Filter, Join, JoinConstraint, JoinType, Limit, LogicalPlan, Projection, Sort, TableScanBuilder,
};
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;
use types::{Datum, Result, SqlError, Type};

use self::expr::{Scope, balanced, literal};
use self::key::Key;
use self::leaf::Leaf;
use crate::arrow::{column_name, to_rows};
use crate::env::Env;
use crate::error::{known, sql_error};
use crate::host::Row;
use crate::ir::{ColumnId, Expr, JoinKind, Rel};
use crate::local::{self, Source};
use crate::plan::{Condition, Planner, add_conditions, renamed};
use crate::plan_join::side_conditions;
use crate::{road, session, walk};

/// Starts a relation in DataFusion; its rows have these columns of it.
pub(crate) fn open(rel: &Rel, columns: &[(ColumnId, Type)], env: &Env) -> Result<Box<dyn Source>> {
    match start(rel, columns, env) {
        Ok(source) => Ok(source),
        Err(Refusal::Ours(error)) => Err(error),
        // A plan that it does not take is ours to run. It has not begun, so nothing happens twice.
        Err(Refusal::DataFusion(error)) => {
            tracing::warn!(%error, "DataFusion refused a plan");
            let plan = Planner::without_datafusion(walk::used_columns(rel, columns), env.functions()).exactly(rel, columns)?;
            local::open(&plan, env)
        }
    }
}

/// Why a plan was not started.
pub(super) enum Refusal {
    Ours(SqlError),
    DataFusion(DataFusionError),
}

impl From<SqlError> for Refusal {
    fn from(error: SqlError) -> Refusal {
        Refusal::Ours(error)
    }
}

impl From<DataFusionError> for Refusal {
    fn from(error: DataFusionError) -> Refusal {
        match known(&error) {
            Some(error) => Refusal::Ours(error),
            None => Refusal::DataFusion(error),
        }
    }
}

fn start(rel: &Rel, columns: &[(ColumnId, Type)], env: &Env) -> Result<Box<dyn Source>, Refusal> {
    let state = session::state();
    let host = &*env.host;
    let mut lowering = Lowering {
        env,
        planner: Planner::new(walk::used_columns(rel, columns), env.functions()),
    };
    lowering.planner.scans.plain = true;
    let plan = lowering.rel(rel, &[])?;
    let plan = exactly(plan, columns)?;
    let plan = state.optimize(&plan)?;
    let physical = session::block_on(state.query_planner().create_physical_plan(&plan, state), host)??;
    let context = TaskContext::from(state).with_runtime(crate::memory::runtime()?);
    let stream = execute_stream(physical, Arc::new(context))?;
    let types = columns.iter().map(|(_, ty)| *ty).collect();
    Ok(Box::new(Frame {
        stream,
        types,
        rest: vec![].into_iter(),
        env: env.clone(),
    }))
}

/// A plan's rows on their way out of DataFusion.
struct Frame {
    stream: SendableRecordBatchStream,
    types: Vec<Type>,
    rest: std::vec::IntoIter<Row>,
    env: Env,
}

impl Source for Frame {
    fn next(&mut self, want: usize) -> Result<Vec<Row>> {
        while self.rest.len() == 0 {
            let Some(batch) = session::block_on(self.stream.next(), &*self.env.host)? else {
                return Ok(vec![]);
            };
            let batch = batch.map_err(sql_error)?;
            self.rest = to_rows(&self.types, batch.columns(), batch.num_rows())?.into_iter();
        }
        Ok(self.rest.by_ref().take(want).collect())
    }
}

/// Exactly these columns of a plan, in this order.
fn exactly(plan: LogicalPlan, columns: &[(ColumnId, Type)]) -> Result<LogicalPlan, Refusal> {
    let scope = scope(&plan);
    let exprs = columns
        .iter()
        .map(|(id, _)| column(&scope, *id).map(|expr| expr.alias(column_name(*id))))
        .collect::<Result<Vec<_>>>()?;
    Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(plan))?))
}

fn scope(plan: &LogicalPlan) -> Scope {
    Scope::new(plan.schema().columns().into_iter())
}

fn column(scope: &Scope, id: ColumnId) -> Result<DfExpr> {
    scope
        .get(id)
        .ok_or_else(|| SqlError::internal(format!("column {} is not in scope", id.0)))
}

pub(super) struct Lowering<'a> {
    env: &'a Env,
    planner: Planner<'a>,
}

impl Lowering<'_> {
    /// `rel` with at least those of its columns that something uses.
    fn rel(&mut self, rel: &Rel, conditions: &[Condition]) -> Result<LogicalPlan, Refusal> {
        if !road::is_lowered(rel) {
            return self.leaf(rel, conditions);
        }
        match rel {
            Rel::Filter { input, predicate } => {
                let mut known = conditions.to_vec();
                add_conditions(predicate, input, &mut known);
                let plan = self.rel(input, &known)?;
                let parts = self.conjuncts(predicate, &scope(&plan))?;
                Ok(match balanced(parts, DfExpr::and) {
                    Some(predicate) => LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(plan))?),
                    None => plan,
                })
            }
            Rel::Project { input, exprs } => {
                let plan = self.rel(input, &renamed(conditions, exprs))?;
                let scope = scope(&plan);
                let exprs = exprs
                    .iter()
                    .map(|(id, expr)| Ok(self.expr(expr, &scope)?.alias(column_name(*id))))
                    .collect::<Result<Vec<_>>>()?;
                Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(plan))?))
            }
            Rel::Join { kind, left, right, on, .. } => self.join(*kind, left, right, on.as_ref(), conditions),
            Rel::Aggregate {
                input, groups, aggregates, ..
            } => {
                let plan = self.rel(input, &[])?;
                let scope = scope(&plan);
                let mut calls = vec![];
                for (id, call) in aggregates {
                    calls.push(self.aggregate_call(call, &scope)?.alias(column_name(*id)));
                }
                let groups = groups
                    .iter()
                    .map(|(id, expr)| Ok((*id, expr.ty(), self.expr(expr, &scope)?)))
                    .collect::<Result<Vec<_>>>()?;
                self.grouped(plan, groups, calls, &rel.columns())
            }
            Rel::Distinct { input, .. } => {
                let plan = self.rel(input, conditions)?;
                let scope = scope(&plan);
                let columns = input.columns();
                let groups = columns
                    .iter()
                    .map(|(id, ty)| Ok((*id, *ty, column(&scope, *id)?)))
                    .collect::<Result<Vec<_>>>()?;
                self.grouped(plan, groups, vec![], &columns)
            }
            Rel::Sort { input, keys } => {
                let plan = self.rel(input, conditions)?;
                let scope = scope(&plan);
                let mut exprs = vec![];
                for sort in keys {
                    let key = key(sort.expr.ty()).ok_or_else(|| SqlError::internal("a sort key without order"))?;
                    exprs.push(SortExpr::new(
                        key.of(self.expr(&sort.expr, &scope)?),
                        !sort.descending,
                        sort.nulls_first,
                    ));
                }
                Ok(LogicalPlan::Sort(Sort {
                    expr: exprs,
                    input: Arc::new(plan),
                    fetch: None,
                }))
            }
            Rel::Limit { input, limit, offset } => {
                let plan = self.rel(input, &[])?;
                let limit = limit.as_ref().map(|expr| self.planner.node(expr, &[])).transpose()?;
                let offset = offset.as_ref().map(|expr| self.planner.node(expr, &[])).transpose()?;
                let (skip, take) = local::row_counts(limit.as_ref(), offset.as_ref(), self.env)?;
                let count = |count: Option<i64>| {
                    count
                        .map(|count| literal(Type::Int8, &Datum::Int8(count)).map(Box::new))
                        .transpose()
                };
                Ok(LogicalPlan::Limit(Limit {
                    skip: count(skip)?,
                    fetch: count(take)?,
                    input: Arc::new(plan),
                }))
            }
            Rel::OneRow
            | Rel::Values { .. }
            | Rel::Scan { .. }
            | Rel::PointGet { .. }
            | Rel::Function { .. }
            | Rel::ProjectSet { .. }
            | Rel::Window { .. }
            | Rel::SetOp { .. }
            | Rel::Recursive { .. }
            | Rel::WorkTable { .. }
            | Rel::With { .. }
            | Rel::CteScan { .. } => self.leaf(rel, conditions),
        }
    }

    fn leaf(&mut self, rel: &Rel, conditions: &[Condition]) -> Result<LogicalPlan, Refusal> {
        let planned = self.planner.local(rel, conditions)?;
        let types: HashMap<ColumnId, Type> = rel.columns().into_iter().collect();
        let columns = planned.layout.iter().filter_map(|id| types.get(id).map(|ty| (*id, *ty))).collect();
        let source = provider_as_source(Arc::new(Leaf::new(planned.plan, columns, self.env.clone())));
        Ok(LogicalPlan::TableScan(TableScanBuilder::new("t", source).build()?))
    }

    fn join(
        &mut self,
        kind: JoinKind,
        left: &Rel,
        right: &Rel,
        on: Option<&Expr>,
        conditions: &[Condition],
    ) -> Result<LogicalPlan, Refusal> {
        let (for_left, for_right) = side_conditions(kind, left, right, on, conditions, false);
        let left = self.rel(left, &for_left)?;
        let right = self.rel(right, &for_right)?;
        let scope = Scope::new(left.schema().columns().into_iter().chain(right.schema().columns()));
        let on = match on {
            Some(on) => balanced(self.conjuncts(on, &scope)?, DfExpr::and),
            None => None,
        };
        let kind = match kind {
            JoinKind::Inner => JoinType::Inner,
            JoinKind::Left => JoinType::Left,
            JoinKind::Right => JoinType::Right,
            JoinKind::Full => JoinType::Full,
        };
        let (left, right) = (Arc::new(left), Arc::new(right));
        let nulls = NullEquality::NullEqualsNothing;
        Ok(LogicalPlan::Join(Join::try_new(
            left,
            right,
            vec![],
            on,
            kind,
            JoinConstraint::On,
            nulls,
            false,
        )?))
    }

    /// Groups by the keys of `groups` and shows the first value of each.
    fn grouped(
        &mut self,
        plan: LogicalPlan,
        groups: Vec<(ColumnId, Type, DfExpr)>,
        calls: Vec<DfExpr>,
        columns: &[(ColumnId, Type)],
    ) -> Result<LogicalPlan, Refusal> {
        let mut keys = vec![];
        let mut shown = vec![];
        for (id, ty, expr) in groups {
            match key(ty).ok_or_else(|| SqlError::internal("a group without equality"))? {
                Key::Same => keys.push(expr.alias(column_name(id))),
                key => {
                    keys.push(key.of(expr.clone()).alias(format!("k{}", id.0)));
                    shown.push(self.first(expr, ty).alias(column_name(id)));
                }
            }
        }
        shown.extend(calls);
        exactly(LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(plan), keys, shown)?), columns)
    }
}
