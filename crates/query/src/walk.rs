//! Walking a plan one level at a time: a relation's inputs and its own expressions, an
//! expression's children and its subquery. The analyses below are written with these.

use std::collections::{HashMap, HashSet};

use types::{Result, SqlError, SqlState, Type};

use crate::ir::{AggregateCall, ColumnId, Cte, CteId, Expr, Frame, FrameBound, Rel, SetCall, SortKey};

/// How deeply relations and expressions may nest, counted together: a chain of 2,000 operators
/// at the bottom of some subqueries. Every later pass recurses over the plan, ours and
/// DataFusion's, on stacks of 64 MiB.
pub(crate) const MAX_PLAN_DEPTH: usize = 2_500;

/// The relations that `rel` reads, outer to inner.
pub(crate) fn inputs(rel: &Rel) -> impl Iterator<Item = &Rel> {
    let (first, second): (Option<&Rel>, Option<&Rel>) = match rel {
        Rel::OneRow
        | Rel::Values { .. }
        | Rel::Scan { .. }
        | Rel::PointGet { .. }
        | Rel::Function { .. }
        | Rel::WorkTable { .. }
        | Rel::CteScan { .. } => (None, None),
        Rel::Filter { input, .. }
        | Rel::Project { input, .. }
        | Rel::ProjectSet { input, .. }
        | Rel::Aggregate { input, .. }
        | Rel::Window { input, .. }
        | Rel::Sort { input, .. }
        | Rel::Limit { input, .. }
        | Rel::Distinct { input, .. }
        | Rel::With { input, .. } => (Some(input), None),
        Rel::Join { left, right, .. } | Rel::SetOp { left, right, .. } => (Some(left), Some(right)),
        Rel::Recursive { base, recursive, .. } => (Some(base), Some(recursive)),
    };
    let queries: &[Cte] = match rel {
        Rel::With { queries, .. } => queries,
        _ => &[],
    };
    queries.iter().map(|cte| &cte.query).chain(first).chain(second)
}

/// Calls `f` for each expression that stands in `rel` itself.
pub(crate) fn expressions<'a>(rel: &'a Rel, f: &mut dyn FnMut(&'a Expr)) {
    match rel {
        Rel::OneRow
        | Rel::Scan { .. }
        | Rel::WorkTable { .. }
        | Rel::SetOp { .. }
        | Rel::Recursive { .. }
        | Rel::With { .. }
        | Rel::CteScan { .. } => {}
        Rel::Values { rows, .. } => rows.iter().flatten().for_each(f),
        Rel::PointGet { key, .. } => key.iter().for_each(f),
        Rel::Function { call, .. } => arguments(call).iter().for_each(f),
        Rel::Filter { predicate, .. } => f(predicate),
        Rel::Project { exprs, .. } => exprs.iter().for_each(|(_, expr)| f(expr)),
        Rel::ProjectSet { calls, .. } => calls.iter().flat_map(|(_, _, call)| arguments(call)).for_each(f),
        Rel::Join { on, .. } => on.iter().for_each(f),
        Rel::Aggregate { groups, aggregates, .. } => {
            groups.iter().for_each(|(_, expr)| f(expr));
            for (_, call) in aggregates {
                let AggregateCall {
                    args, filter, order_by, ..
                } = call;
                args.iter().chain(filter).chain(keys(order_by)).for_each(&mut *f);
            }
        }
        Rel::Window { calls, .. } => {
            for (_, call) in calls {
                call.args
                    .iter()
                    .chain(&call.filter)
                    .chain(&call.partition_by)
                    .chain(keys(&call.order_by))
                    .for_each(&mut *f);
                if let Some(Frame { start, end, .. }) = &call.frame {
                    [start, end].into_iter().filter_map(frame_offset).for_each(&mut *f);
                }
            }
        }
        Rel::Sort { keys: sort, .. } => keys(sort).for_each(f),
        Rel::Limit { limit, offset, .. } => limit.iter().chain(offset).for_each(f),
        Rel::Distinct { on, .. } => on.iter().flatten().for_each(f),
    }
}

pub(crate) fn arguments(call: &SetCall) -> &[Expr] {
    match call {
        SetCall::Builtin { args, .. } | SetCall::User { args, .. } => args,
    }
}

fn keys(keys: &[SortKey]) -> impl Iterator<Item = &Expr> {
    keys.iter().map(|key| &key.expr)
}

pub(crate) fn frame_offset(bound: &FrameBound) -> Option<&Expr> {
    match bound {
        FrameBound::Preceding(offset) | FrameBound::Following(offset) => Some(offset),
        FrameBound::UnboundedPreceding | FrameBound::CurrentRow | FrameBound::UnboundedFollowing => None,
    }
}

/// Calls `f` for each direct child of `expr`; what is inside its subquery does not count.
pub(crate) fn children<'a>(expr: &'a Expr, f: &mut dyn FnMut(&'a Expr)) {
    match expr {
        Expr::Const(..) | Expr::Param { .. } | Expr::Column { .. } | Expr::Scalar { .. } | Expr::Exists(_) => {}
        Expr::Call { args, .. } | Expr::UserCall { args, .. } => args.iter().for_each(f),
        Expr::And(args) | Expr::Or(args) | Expr::Coalesce(args, _) | Expr::Row(args, _) => args.iter().for_each(f),
        Expr::Array { elements, .. } => elements.iter().for_each(f),
        Expr::Cast { arg, .. } | Expr::Not(arg) | Expr::IsNull(arg) => f(arg),
        Expr::Case { branches, otherwise, .. } => {
            for (condition, value) in branches {
                f(condition);
                f(value);
            }
            if let Some(otherwise) = otherwise {
                f(otherwise);
            }
        }
        Expr::InList { left, list, .. } => {
            f(left);
            list.iter().for_each(f);
        }
        Expr::AnyArray { left, array, .. } => {
            f(left);
            f(array);
        }
        Expr::AnyQuery { left, .. } => f(left),
    }
}

pub(crate) fn subquery(expr: &Expr) -> Option<&Rel> {
    match expr {
        Expr::Scalar { query, .. } | Expr::Exists(query) | Expr::AnyQuery { query, .. } => Some(query),
        _ => None,
    }
}

/// Refuses a plan that nests too deeply for the passes to come.
pub(crate) fn check_depth(rel: &Rel) -> Result<()> {
    check_rel_depth(rel, 0, &mut Reached::default())
}

/// How deep a walk has come, and how deep the WITH queries are that it has met: reading one is as deep as spelling it out.
#[derive(Default)]
struct Reached {
    deepest: usize,
    ctes: HashMap<CteId, usize>,
}

pub(crate) fn check_expr_depth(expr: &Expr, depth: usize) -> Result<()> {
    check_depth_of(expr, depth, &mut Reached::default())
}

fn check_depth_of(expr: &Expr, depth: usize, reached: &mut Reached) -> Result<()> {
    let depth = deeper(depth)?;
    reached.deepest = reached.deepest.max(depth);
    let mut result = Ok(());
    children(expr, &mut |child| {
        if result.is_ok() {
            result = check_depth_of(child, depth, reached);
        }
    });
    result?;
    subquery(expr).map_or(Ok(()), |query| check_rel_depth(query, depth, reached))
}

fn check_rel_depth(rel: &Rel, depth: usize, reached: &mut Reached) -> Result<()> {
    let below = match rel {
        Rel::CteScan { cte, .. } => reached.ctes.get(cte).copied().unwrap_or(0),
        _ => 0,
    };
    let depth = deeper(depth.saturating_add(below))?;
    reached.deepest = reached.deepest.max(depth);
    let mut result = Ok(());
    expressions(rel, &mut |expr| {
        if result.is_ok() {
            result = check_depth_of(expr, depth, reached);
        }
    });
    result?;
    if let Rel::With { queries, input } = rel {
        for cte in queries {
            let before = std::mem::replace(&mut reached.deepest, depth);
            check_rel_depth(&cte.query, depth, reached)?;
            reached.ctes.insert(cte.id, reached.deepest - depth);
            reached.deepest = reached.deepest.max(before);
        }
        return check_rel_depth(input, depth, reached);
    }
    inputs(rel).try_for_each(|input| check_rel_depth(input, depth, reached))
}

fn deeper(depth: usize) -> Result<usize> {
    if depth >= MAX_PLAN_DEPTH {
        return Err(SqlError::new(SqlState::StatementTooComplex, "stack depth limit exceeded")
            .detail(format!("The statement nests more than {MAX_PLAN_DEPTH} levels deep.")));
    }
    Ok(depth + 1)
}

/// True if `test` holds for `expr` or anything below it, subqueries included.
pub(crate) fn any_expr(expr: &Expr, test: &dyn Fn(&Expr) -> bool) -> bool {
    let mut found = test(expr);
    children(expr, &mut |child| found = found || any_expr(child, test));
    found || subquery(expr).is_some_and(|query| any_rel_expr(query, test))
}

/// True if `test` holds for an expression of `rel` or of anything below it.
pub(crate) fn any_rel_expr(rel: &Rel, test: &dyn Fn(&Expr) -> bool) -> bool {
    let mut found = false;
    expressions(rel, &mut |expr| found = found || any_expr(expr, test));
    found || inputs(rel).any(|input| any_rel_expr(input, test))
}

/// Evaluating it twice may differ or have effects.
pub(crate) fn is_volatile(expr: &Expr) -> bool {
    any_expr(expr, &volatile_here)
}

/// As [`is_volatile`], of a whole relation.
pub fn is_volatile_rel(rel: &Rel) -> bool {
    let volatile_call = |call: &SetCall| match call {
        SetCall::Builtin { .. } => false,
        SetCall::User { function, .. } => function.volatility == catalog::Volatility::Volatile,
    };
    let here = match rel {
        Rel::Function { call, .. } => volatile_call(call),
        Rel::ProjectSet { calls, .. } => calls.iter().any(|(_, _, call)| volatile_call(call)),
        _ => false,
    };
    let mut found = here;
    expressions(rel, &mut |expr| found = found || any_expr(expr, &volatile_here));
    found || inputs(rel).any(is_volatile_rel)
}

/// How often it is evaluated can be seen: it is volatile or calls a user's function.
pub fn is_seen(expr: &Expr) -> bool {
    is_volatile(expr) || any_expr(expr, &|expr| matches!(expr, Expr::UserCall { .. }))
}

/// How many rows of it are made can be seen: something in it is volatile or a user's function.
pub(crate) fn is_careful_rel(rel: &Rel) -> bool {
    is_volatile_rel(rel) || any_rel_expr(rel, &|expr| matches!(expr, Expr::UserCall { .. }))
}

fn volatile_here(expr: &Expr) -> bool {
    match expr {
        Expr::Call { function, .. } => function.volatility == functions::Volatility::Volatile,
        Expr::UserCall { function, .. } => function.volatility == catalog::Volatility::Volatile,
        _ => false,
    }
}

/// True if `expr` runs a user's function, outside of subqueries.
pub(crate) fn has_user_call(expr: &Expr) -> bool {
    let mut found = matches!(expr, Expr::UserCall { .. });
    children(expr, &mut |child| found = found || has_user_call(child));
    found
}

pub(crate) fn has_subquery(expr: &Expr) -> bool {
    let mut found = subquery(expr).is_some();
    children(expr, &mut |child| found = found || has_subquery(child));
    found
}

/// The columns that `expr` uses from around it: those in it that no subquery of it makes.
pub fn columns_of(expr: &Expr) -> Vec<ColumnId> {
    let mut walk = Columns::default();
    walk.expr(expr);
    walk.free()
}

/// The columns that `rel` uses and does not make: what it needs from the query around it.
pub(crate) fn free_columns(rel: &Rel) -> Vec<ColumnId> {
    let mut walk = Columns::default();
    walk.rel(rel);
    walk.free()
}

/// Every column that some expression of `rel` uses, or whose position or presence matters, if
/// these columns of it are wanted. A scan need not read any other.
pub(crate) fn used_columns(rel: &Rel, wanted: &[(ColumnId, Type)]) -> HashSet<ColumnId> {
    let mut walk = Columns::default();
    walk.rel(rel);
    walk.used.extend(wanted.iter().map(|(id, _)| *id));
    walk.used
}

/// As [`used_columns`], for the relations below an expression.
pub(crate) fn columns_used_below(expr: &Expr) -> HashSet<ColumnId> {
    let mut walk = Columns::default();
    walk.expr(expr);
    walk.used
}

/// What `rel` gives is the same whatever stands around it: it uses no outer column and no work
/// table or dependent WITH query but its own.
pub fn is_independent(rel: &Rel) -> bool {
    free_columns(rel).is_empty() && needs_around(rel).is_empty()
}

/// What gives other rows at other times, and is read from outside of where it is defined.
#[derive(PartialEq, Eq, Hash)]
enum Changing<'a> {
    WorkTable(&'a str),
    Cte(CteId),
}

fn needs_around(rel: &Rel) -> HashSet<Changing<'_>> {
    let mut found = HashSet::new();
    match rel {
        Rel::WorkTable { name, .. } => {
            found.insert(Changing::WorkTable(name));
        }
        Rel::CteScan {
            cte, independent: false, ..
        } => {
            found.insert(Changing::Cte(*cte));
        }
        _ => {}
    }
    inputs(rel).for_each(|input| found.extend(needs_around(input)));
    expressions(rel, &mut |expr| needed_below(expr, &mut found));
    match rel {
        Rel::Recursive { name, .. } => {
            found.remove(&Changing::WorkTable(name));
        }
        Rel::With { queries, .. } => queries.iter().for_each(|cte| {
            found.remove(&Changing::Cte(cte.id));
        }),
        _ => {}
    }
    found
}

fn needed_below<'a>(expr: &'a Expr, found: &mut HashSet<Changing<'a>>) {
    children(expr, &mut |child| needed_below(child, found));
    if let Some(query) = subquery(expr) {
        found.extend(needs_around(query));
    }
}

#[derive(Default)]
struct Columns {
    used: HashSet<ColumnId>,
    made: HashSet<ColumnId>,
}

impl Columns {
    fn free(self) -> Vec<ColumnId> {
        let mut free: Vec<ColumnId> = self.used.difference(&self.made).copied().collect();
        free.sort_unstable();
        free
    }

    fn expr(&mut self, expr: &Expr) {
        if let Expr::Column { id, .. } = expr {
            self.used.insert(*id);
        }
        children(expr, &mut |child| self.expr(child));
        if let Some(query) = subquery(expr) {
            self.rel(query);
            self.whole(query);
        }
    }

    /// The positions of `rel`'s columns matter to who reads it.
    fn whole(&mut self, rel: &Rel) {
        self.used.extend(rel.columns().into_iter().map(|(id, _)| id));
    }

    fn rel(&mut self, rel: &Rel) {
        match rel {
            Rel::OneRow => {}
            Rel::With { queries, .. } => queries.iter().for_each(|cte| self.whole(&cte.query)),
            Rel::Values { columns, .. } | Rel::WorkTable { columns, .. } | Rel::CteScan { columns, .. } => {
                self.made.extend(columns.iter().map(|(id, _)| *id))
            }
            Rel::Scan { columns, .. } | Rel::PointGet { columns, .. } => self.made.extend(columns.iter().map(|(id, _, _)| *id)),
            Rel::Function { columns, ordinality, .. } => self.made.extend(columns.iter().map(|(id, _)| *id).chain(*ordinality)),
            Rel::Project { exprs, .. } => self.made.extend(exprs.iter().map(|(id, _)| *id)),
            Rel::ProjectSet { calls, .. } => self.made.extend(calls.iter().map(|(id, _, _)| *id)),
            Rel::Aggregate { groups, aggregates, .. } => {
                self.made
                    .extend(groups.iter().map(|(id, _)| *id).chain(aggregates.iter().map(|(id, _)| *id)));
            }
            Rel::Window { calls, .. } => self.made.extend(calls.iter().map(|(id, _)| *id)),
            Rel::SetOp { left, right, columns, .. } => {
                self.made.extend(columns.iter().map(|(id, _)| *id));
                self.whole(left);
                self.whole(right);
            }
            Rel::Recursive {
                base, recursive, columns, ..
            } => {
                self.made.extend(columns.iter().map(|(id, _)| *id));
                self.whole(base);
                self.whole(recursive);
            }
            Rel::Distinct { input, on: None } => self.whole(input),
            Rel::Distinct { .. } | Rel::Filter { .. } | Rel::Join { .. } | Rel::Sort { .. } | Rel::Limit { .. } => {}
        }
        expressions(rel, &mut |expr| self.expr(expr));
        inputs(rel).for_each(|input| self.rel(input));
    }
}

/// Calls `f` for each relation of `rel`, those of subqueries included. What it puts in a relation's place is not walked.
pub fn for_each_rel_mut(rel: &mut Rel, f: &mut dyn FnMut(&mut Rel)) {
    rel.for_each_expr_mut(&mut |expr| for_each_rel_below(expr, f));
    plain_rels_mut(rel, f);
}

/// As [`for_each_rel_mut`], of the subqueries of an expression.
pub fn for_each_rel_below(expr: &mut Expr, f: &mut dyn FnMut(&mut Rel)) {
    match expr {
        Expr::Scalar { query, .. } | Expr::Exists(query) => for_each_rel_mut(query, f),
        Expr::AnyQuery { left, query, .. } => {
            for_each_rel_below(left, f);
            for_each_rel_mut(query, f);
        }
        other => other.for_each_child_mut(&mut |child| for_each_rel_below(child, f)),
    }
}

/// Calls `f` for each outermost subquery of an expression.
pub fn for_each_subquery(expr: &mut Expr, f: &mut dyn FnMut(&mut Rel)) {
    match expr {
        Expr::Scalar { query, .. } | Expr::Exists(query) => f(query),
        Expr::AnyQuery { left, query, .. } => {
            for_each_subquery(left, f);
            f(query);
        }
        other => other.for_each_child_mut(&mut |child| for_each_subquery(child, f)),
    }
}

fn plain_rels_mut(rel: &mut Rel, f: &mut dyn FnMut(&mut Rel)) {
    crate::push::inputs_mut(rel).into_iter().for_each(|input| plain_rels_mut(input, f));
    f(rel);
}

/// The conjuncts of a predicate, outer AND by outer AND.
pub(crate) fn conjuncts(predicate: &Expr) -> Vec<&Expr> {
    match predicate {
        Expr::And(parts) => parts.iter().flat_map(conjuncts).collect(),
        other => vec![other],
    }
}
