//! Expressions as DataFusion's.
//!
//! What DataFusion computes exactly as PostgreSQL does becomes its own expression: comparisons, AND and OR
//! of what cannot fail, CASE, checked arithmetic. Anything else is one [`RowFunction`] around our
//! evaluator, as large as possible, so that values are converted once.

use std::collections::HashMap;

use datafusion::common::Column;
use datafusion::logical_expr::expr::{Case, Cast, InList};
use datafusion::logical_expr::{BinaryExpr, Expr as DfExpr, Operator};
use types::{Datum, NO_TYPMOD, Result, Type};

use super::Lowering;
use super::arithmetic::Operation;
use super::key::{Key, key};
use super::row_function::RowFunction;
use crate::arrow::{data_type, to_scalar};
use crate::compare::Comparison;
use crate::ir::{ColumnId, Expr};
use crate::plan::compared;
use crate::walk;

/// DataFusion recurses over expressions much more wastefully than we do.
const MAX_EXPR_DEPTH: usize = 40;

/// The columns of a plan, under the names that they have in it.
pub(super) struct Scope(HashMap<ColumnId, Column>);

impl Scope {
    pub fn new<'a>(columns: impl Iterator<Item = Column> + 'a) -> Scope {
        let id = |column: &Column| column.name.strip_prefix('c').and_then(|id| id.parse().ok()).map(ColumnId);
        Scope(columns.filter_map(|column| id(&column).map(|id| (id, column))).collect())
    }

    fn has_columns_of(&self, expr: &Expr) -> bool {
        walk::columns_of(expr).iter().any(|id| self.0.contains_key(id))
    }

    pub fn get(&self, id: ColumnId) -> Option<DfExpr> {
        self.0.get(&id).map(|column| DfExpr::Column(column.clone()))
    }
}

impl Lowering<'_> {
    pub(super) fn expr(&mut self, expr: &Expr, scope: &Scope) -> Result<DfExpr> {
        match self.native(expr, scope, 0)? {
            Some(native) => Ok(native),
            None => self.by_rows(expr, scope),
        }
    }

    /// The conjuncts of a predicate, in an order in which none fails for a row that an earlier one
    /// in the statement has excluded: `x <> 0 AND 1 / x > 0`.
    pub(super) fn conjuncts(&mut self, predicate: &Expr, scope: &Scope) -> Result<Vec<DfExpr>> {
        let mut done: Vec<(&Expr, DfExpr)> = vec![];
        for part in walk::conjuncts(predicate) {
            let mut lowered = self.conjunct(part, scope)?;
            // An equality of two sides is what joins are made by; it stays as it is.
            if !is_infallible(part) && !self.is_join_key(part, scope) {
                let columns = walk::columns_of(part);
                let guards = |guard: &Expr| {
                    let guarded = walk::columns_of(guard);
                    !guarded.is_empty() && guarded.iter().all(|id| columns.contains(id))
                };
                let guards = done
                    .iter()
                    .filter(|(guard, _)| guards(guard))
                    .map(|(_, guard)| guard.clone())
                    .reduce(DfExpr::and);
                if let Some(guard) = guards {
                    lowered = case(vec![(guard, lowered)], Some(literal(Type::Bool, &Datum::Bool(false))?));
                }
            }
            done.push((part, lowered));
        }
        // What cannot fail goes first.
        let (safe, rest): (Vec<_>, Vec<_>) = done.into_iter().partition(|(part, _)| is_infallible(part));
        Ok(safe.into_iter().chain(rest).map(|(_, expr)| expr).collect())
    }

    fn is_join_key(&self, part: &Expr, scope: &Scope) -> bool {
        keyed(part).is_some_and(|(op, left, right, _)| op == Comparison::Eq && scope.has_columns_of(left) && scope.has_columns_of(right))
    }

    /// Both sides of a comparison stay visible, for joins.
    fn conjunct(&mut self, part: &Expr, scope: &Scope) -> Result<DfExpr> {
        match keyed(part) {
            Some((op, left, right, key)) if scope.has_columns_of(left) && scope.has_columns_of(right) && !walk::is_volatile(part) => {
                let (left, right) = (self.widened(left, right, scope)?, self.widened(right, left, scope)?);
                Ok(compare(op, key.of(left), key.of(right)))
            }
            _ => self.expr(part, scope),
        }
    }

    /// `expr`, as a bigint if its `other` side is an integer of another width.
    fn widened(&mut self, expr: &Expr, other: &Expr, scope: &Scope) -> Result<DfExpr> {
        let lowered = self.expr(expr, scope)?;
        Ok(if expr.ty().is_integer() && expr.ty() != other.ty() {
            widen(lowered, expr.ty(), Type::Int8)
        } else {
            lowered
        })
    }

    fn by_rows(&mut self, expr: &Expr, scope: &Scope) -> Result<DfExpr> {
        let mut columns: Vec<(ColumnId, Type)> = vec![];
        collect_columns(expr, &mut |id, ty| {
            if scope.get(id).is_some() && !columns.iter().any(|(known, _)| *known == id) {
                columns.push((id, ty));
            }
        });
        let layout: Vec<ColumnId> = columns.iter().map(|(id, _)| *id).collect();
        let node = self.planner.node(expr, &layout)?;
        let args = columns.into_iter().filter_map(|(id, ty)| Some((scope.get(id)?, ty))).collect();
        Ok(RowFunction::expr(node, args, expr.ty(), walk::is_volatile(expr), self.env.clone()))
    }

    /// None: not in DataFusion's terms, wholly.
    fn native(&mut self, expr: &Expr, scope: &Scope, depth: usize) -> Result<Option<DfExpr>> {
        if depth >= MAX_EXPR_DEPTH {
            return Ok(None);
        }
        let depth = depth + 1;
        macro_rules! native {
            ($expr:expr) => {
                match self.native($expr, scope, depth)? {
                    Some(native) => native,
                    None => return Ok(None),
                }
            };
        }
        Ok(Some(match expr {
            Expr::Const(datum, ty) => literal(*ty, datum)?,
            Expr::Param { index, ty } => literal(*ty, self.env.param(*index)?)?,
            Expr::Column { id, ty } => match scope.get(*id) {
                Some(column) => column,
                None => literal(*ty, self.env.outer(*id)?)?,
            },
            Expr::Call { function, args, ty } => {
                if let Some((op, left, right, key)) = keyed(expr) {
                    let (mut a, mut b) = (native!(left), native!(right));
                    if left.ty() != right.ty() && left.ty().is_integer() {
                        (a, b) = (widen(a, left.ty(), Type::Int8), widen(b, right.ty(), Type::Int8));
                    }
                    return Ok(Some(compare(op, key.of(a), key.of(b))));
                }
                let (Some(operation), [left, right]) = (function.native.and_then(Operation::new), &args[..]) else {
                    return Ok(None);
                };
                if !is_arithmetic(left.ty(), *ty) || !is_arithmetic(right.ty(), *ty) {
                    return Ok(None);
                }
                let (a, b) = (native!(left), native!(right));
                operation.of(widen(a, left.ty(), *ty), widen(b, right.ty(), *ty))
            }
            Expr::Cast { arg, to, typmod, .. } if *typmod == NO_TYPMOD && is_widening(arg.ty(), *to) => {
                let inner = native!(arg);
                widen(inner, arg.ty(), *to)
            }
            Expr::Not(arg) => DfExpr::Not(Box::new(native!(arg))),
            Expr::IsNull(arg) if arg.ty() != Type::Record => DfExpr::IsNull(Box::new(native!(arg))),
            Expr::And(args) | Expr::Or(args) => {
                if args.iter().skip(1).any(|arg| !is_infallible(arg)) {
                    return Ok(None);
                }
                let mut parts = vec![];
                for arg in args {
                    parts.push(native!(arg));
                }
                let op = if matches!(expr, Expr::And(_)) { DfExpr::and } else { DfExpr::or };
                balanced(parts, op).unwrap_or(literal(Type::Bool, &Datum::Bool(matches!(expr, Expr::And(_))))?)
            }
            Expr::Case { branches, otherwise, .. } => {
                let mut lowered = vec![];
                for (condition, value) in branches {
                    lowered.push((native!(condition), native!(value)));
                }
                let otherwise = match otherwise {
                    Some(otherwise) => Some(native!(otherwise)),
                    None => None,
                };
                case(lowered, otherwise)
            }
            Expr::InList { left, op, list, all } => {
                let same = list
                    .iter()
                    .all(|item| item.ty() == left.ty() && matches!(item, Expr::Const(..) | Expr::Param { .. }));
                let wanted = if *all { Comparison::NotEq } else { Comparison::Eq };
                let (Some(key), true) = (
                    key(left.ty()),
                    same && crate::compare::comparison(op, left.ty(), left.ty()) == Some(wanted),
                ) else {
                    return Ok(None);
                };
                // Only plain values may stand in DataFusion's list.
                if key != Key::Same || list.is_empty() {
                    return Ok(None);
                }
                let mut items = vec![];
                for item in list {
                    items.push(native!(item));
                }
                DfExpr::InList(InList::new(Box::new(native!(left)), items, *all))
            }
            Expr::Cast { .. }
            | Expr::IsNull(_)
            | Expr::UserCall { .. }
            | Expr::Coalesce(..)
            | Expr::Array { .. }
            | Expr::Row(..)
            | Expr::AnyArray { .. }
            | Expr::Scalar { .. }
            | Expr::Exists(_)
            | Expr::AnyQuery { .. } => return Ok(None),
        }))
    }
}

/// A comparison that DataFusion may make, and of which keys.
fn keyed(expr: &Expr) -> Option<(Comparison, &Expr, &Expr, Key)> {
    let (op, left, right) = compared(expr)?;
    Some((op, left, right, key(left.ty())?))
}

/// No value of its columns makes it fail.
pub(super) fn is_infallible(expr: &Expr) -> bool {
    match expr {
        Expr::Const(..) | Expr::Param { .. } | Expr::Column { .. } => true,
        Expr::Call { .. } => keyed(expr).is_some_and(|(_, left, right, _)| is_infallible(left) && is_infallible(right)),
        Expr::Cast { arg, to, typmod, .. } => *typmod == NO_TYPMOD && is_widening(arg.ty(), *to) && is_infallible(arg),
        Expr::And(args) | Expr::Or(args) | Expr::Coalesce(args, _) => args.iter().all(is_infallible),
        Expr::Not(arg) | Expr::IsNull(arg) => is_infallible(arg),
        Expr::Case { branches, otherwise, .. } => {
            branches
                .iter()
                .all(|(condition, value)| is_infallible(condition) && is_infallible(value))
                && otherwise.as_deref().is_none_or(is_infallible)
        }
        Expr::InList { left, op, list, .. } => {
            let item = list.first().map_or(left.ty(), Expr::ty);
            crate::compare::comparison(op, left.ty(), item).is_some() && is_infallible(left) && list.iter().all(is_infallible)
        }
        Expr::UserCall { .. }
        | Expr::Array { .. }
        | Expr::Row(..)
        | Expr::AnyArray { .. }
        | Expr::Scalar { .. }
        | Expr::Exists(_)
        | Expr::AnyQuery { .. } => false,
    }
}

/// Arithmetic with this result type may take such an argument after widening it.
fn is_arithmetic(arg: Type, ty: Type) -> bool {
    matches!(ty, Type::Int2 | Type::Int4 | Type::Int8 | Type::Float4 | Type::Float8) && (arg == ty || is_widening(arg, ty))
}

/// Exact for every value.
fn is_widening(from: Type, to: Type) -> bool {
    matches!(
        (from, to),
        (Type::Int2, Type::Int4 | Type::Int8 | Type::Float4 | Type::Float8)
            | (Type::Int4, Type::Int8 | Type::Float8)
            | (Type::Float4, Type::Float8)
            | (Type::Varchar, Type::Text)
    )
}

fn widen(expr: DfExpr, from: Type, to: Type) -> DfExpr {
    if data_type(from) == data_type(to) {
        expr
    } else {
        DfExpr::Cast(Cast::new(Box::new(expr), data_type(to)))
    }
}

pub(super) fn literal(ty: Type, datum: &Datum) -> Result<DfExpr> {
    Ok(DfExpr::Literal(to_scalar(ty, datum)?, None))
}

pub(super) fn case(branches: Vec<(DfExpr, DfExpr)>, otherwise: Option<DfExpr>) -> DfExpr {
    let branches = branches
        .into_iter()
        .map(|(condition, value)| (Box::new(condition), Box::new(value)))
        .collect();
    DfExpr::Case(Case::new(None, branches, otherwise.map(Box::new)))
}

fn compare(op: Comparison, left: DfExpr, right: DfExpr) -> DfExpr {
    let op = match op {
        Comparison::Eq => Operator::Eq,
        Comparison::NotEq => Operator::NotEq,
        Comparison::Lt => Operator::Lt,
        Comparison::LtEq => Operator::LtEq,
        Comparison::Gt => Operator::Gt,
        Comparison::GtEq => Operator::GtEq,
    };
    DfExpr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

/// Joined by `op` as a tree of little depth.
pub(super) fn balanced(mut parts: Vec<DfExpr>, op: fn(DfExpr, DfExpr) -> DfExpr) -> Option<DfExpr> {
    if parts.len() <= 2 {
        return parts.into_iter().reduce(op);
    }
    let right = parts.split_off(parts.len() / 2);
    match (balanced(parts, op), balanced(right, op)) {
        (Some(left), Some(right)) => Some(op(left, right)),
        (left, right) => left.or(right),
    }
}

/// Every column in `expr`, those in its subqueries included.
fn collect_columns(expr: &Expr, f: &mut dyn FnMut(ColumnId, Type)) {
    if let Expr::Column { id, ty } = expr {
        f(*id, *ty);
    }
    walk::children(expr, &mut |child| collect_columns(child, f));
    if let Some(query) = walk::subquery(expr) {
        columns_of_rel(query, f);
    }
}

fn columns_of_rel(rel: &crate::ir::Rel, f: &mut dyn FnMut(ColumnId, Type)) {
    walk::expressions(rel, &mut |expr| collect_columns(expr, f));
    walk::inputs(rel).for_each(|input| columns_of_rel(input, f));
}
