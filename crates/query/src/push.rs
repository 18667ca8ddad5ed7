//! Moving the parts of WHERE and ON down to the relations that they are about, so that joins find
//! their conditions and scans their bounds. What counts its evaluations stays where it was written.

use crate::ir::{Expr, JoinKind, Rel};
use crate::walk;

/// `rel` with its filters moved, if there are any to move.
pub(crate) fn pushed(rel: &Rel) -> Option<Rel> {
    if !any_to_push(rel) {
        return None;
    }
    let mut rel = rel.clone();
    push(&mut rel);
    Some(rel)
}

fn any_to_push(rel: &Rel) -> bool {
    let here = match rel {
        Rel::Filter { input, .. } => matches!(**input, Rel::Join { .. }),
        Rel::Join { on, .. } => on.is_some(),
        _ => false,
    };
    let mut found = here;
    walk::expressions(rel, &mut |expr| found = found || any_below(expr));
    found || walk::inputs(rel).any(any_to_push)
}

fn any_below(expr: &Expr) -> bool {
    let mut found = walk::subquery(expr).is_some_and(any_to_push);
    walk::children(expr, &mut |child| found = found || any_below(child));
    found
}

fn push(rel: &mut Rel) {
    push_down(rel);
    rel.for_each_expr_mut(&mut push_subqueries);
}

fn push_subqueries(expr: &mut Expr) {
    match expr {
        Expr::Scalar { query, .. } | Expr::Exists(query) => push(query),
        Expr::AnyQuery { left, query, .. } => {
            push_subqueries(left);
            push(query);
        }
        other => other.for_each_child_mut(&mut push_subqueries),
    }
}

/// The filters and joins of `rel` and its inputs; not of subqueries.
fn push_down(rel: &mut Rel) {
    match std::mem::replace(rel, Rel::OneRow) {
        Rel::Filter { input, predicate } => {
            let mut input = *input;
            let kept = add(&mut input, parts(predicate));
            push_down(&mut input);
            *rel = filtered(input, kept);
        }
        Rel::Join {
            kind,
            mut left,
            mut right,
            on,
            lateral,
        } => {
            let on = on.map(parts).unwrap_or_default();
            // A side that is filled up with NULLs may lose rows to ON, the other may not.
            let to_left = matches!(kind, JoinKind::Inner | JoinKind::Right);
            let to_right = matches!(kind, JoinKind::Inner | JoinKind::Left) && !lateral;
            let kept = distribute(on, (&mut left, to_left), (&mut right, to_right));
            push_down(&mut left);
            push_down(&mut right);
            *rel = Rel::Join {
                kind,
                left,
                right,
                on: joined(kept),
                lateral,
            };
        }
        mut other => {
            for input in inputs_mut(&mut other) {
                push_down(input);
            }
            *rel = other;
        }
    }
}

/// Adds what it can of `parts` to `rel`; the rest comes back.
fn add(rel: &mut Rel, parts: Vec<Expr>) -> Vec<Expr> {
    match rel {
        Rel::Join {
            kind,
            left,
            right,
            on,
            lateral,
        } => {
            let to_left = matches!(kind, JoinKind::Inner | JoinKind::Left);
            let to_right = matches!(kind, JoinKind::Inner | JoinKind::Right) && !*lateral;
            let kept = distribute(parts, (left, to_left), (right, to_right));
            if *kind != JoinKind::Inner {
                return kept;
            }
            let (moved, kept): (Vec<Expr>, Vec<Expr>) = kept.into_iter().partition(may_move);
            let mut all = on.take().map(self::parts).unwrap_or_default();
            all.extend(moved);
            *on = joined(all);
            kept
        }
        _ => parts,
    }
}

/// Gives each side the parts that use columns of that side only; the rest comes back.
fn distribute(parts: Vec<Expr>, left: (&mut Box<Rel>, bool), right: (&mut Box<Rel>, bool)) -> Vec<Expr> {
    let mut kept = vec![];
    let (mut for_left, mut for_right) = (vec![], vec![]);
    let (left_columns, right_columns) = (left.0.columns(), right.0.columns());
    for part in parts {
        let columns = walk::columns_of(&part);
        let uses = |made: &[(crate::ir::ColumnId, types::Type)]| columns.iter().any(|id| made.iter().any(|(other, _)| other == id));
        match (may_move(&part), uses(&left_columns), uses(&right_columns)) {
            (true, true, false) if left.1 => for_left.push(part),
            (true, false, true) if right.1 => for_right.push(part),
            _ => kept.push(part),
        }
    }
    for (side, parts) in [(left.0, for_left), (right.0, for_right)] {
        if !parts.is_empty() {
            let mut input = std::mem::replace(&mut **side, Rel::OneRow);
            let rest = add(&mut input, parts);
            **side = filtered(input, rest);
        }
    }
    kept
}

/// How often it is evaluated cannot be seen.
fn may_move(part: &Expr) -> bool {
    !walk::is_volatile(part) && !walk::has_subquery(part) && !walk::has_user_call(part)
}

fn parts(predicate: Expr) -> Vec<Expr> {
    match predicate {
        Expr::And(parts) => parts.into_iter().flat_map(self::parts).collect(),
        other => vec![other],
    }
}

fn joined(mut parts: Vec<Expr>) -> Option<Expr> {
    match parts.len() {
        0 | 1 => parts.pop(),
        _ => Some(Expr::And(parts)),
    }
}

fn filtered(input: Rel, parts: Vec<Expr>) -> Rel {
    match (input, joined(parts)) {
        (input, None) => input,
        // Two filters are one; the inner was written first.
        (Rel::Filter { input, predicate: inner }, Some(outer)) => {
            let mut all = self::parts(inner);
            all.extend(self::parts(outer));
            Rel::Filter {
                input,
                predicate: Expr::And(all),
            }
        }
        (input, Some(predicate)) => Rel::Filter {
            input: Box::new(input),
            predicate,
        },
    }
}

pub(crate) fn inputs_mut(rel: &mut Rel) -> Vec<&mut Rel> {
    match rel {
        Rel::OneRow
        | Rel::Values { .. }
        | Rel::Scan { .. }
        | Rel::PointGet { .. }
        | Rel::Function { .. }
        | Rel::WorkTable { .. }
        | Rel::CteScan { .. } => vec![],
        Rel::Filter { input, .. }
        | Rel::Project { input, .. }
        | Rel::ProjectSet { input, .. }
        | Rel::Aggregate { input, .. }
        | Rel::Window { input, .. }
        | Rel::Sort { input, .. }
        | Rel::Limit { input, .. }
        | Rel::Distinct { input, .. } => vec![input],
        Rel::Join { left, right, .. } | Rel::SetOp { left, right, .. } => vec![left, right],
        Rel::Recursive { base, recursive, .. } => vec![base, recursive],
        Rel::With { queries, input } => queries.iter_mut().map(|cte| &mut cte.query).chain([&mut **input]).collect(),
    }
}
