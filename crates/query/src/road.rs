//! Which road a relation takes. DataFusion pays off where many rows are joined, grouped, sorted or
//! made distinct; everything that only passes rows on is quicker without it.

use catalog::TableKind;
use types::Type;

use crate::ir::{AggregateTarget, Expr, Rel};
use crate::{lower, walk};

pub(crate) enum Road {
    Local,
    DataFusion,
    /// A filter in two: what calls users' functions stays with us, above the rest.
    Split {
        above: Expr,
        below: Box<Rel>,
    },
}

/// DataFusion recurses over plans much more wastefully than we do.
const MAX_DATAFUSION_DEPTH: usize = 100;

pub(crate) fn choose(rel: &Rel) -> Road {
    if !is_lowered(rel) || !is_heavy(rel) || depth(rel) > MAX_DATAFUSION_DEPTH {
        return Road::Local;
    }
    match rel {
        // How often such a function runs is visible: only for the rows that are asked for.
        Rel::Project { exprs, .. } if exprs.iter().any(|(_, expr)| is_ours(expr)) => Road::Local,
        Rel::Filter { input, predicate } => split(input, predicate),
        // Counting rows is nothing that DataFusion does better.
        Rel::Limit { input, .. } => match choose(input) {
            Road::DataFusion => Road::DataFusion,
            Road::Local | Road::Split { .. } => Road::Local,
        },
        _ => Road::DataFusion,
    }
}

fn split(input: &Rel, predicate: &Expr) -> Road {
    let (ours, rest): (Vec<&Expr>, Vec<&Expr>) = walk::conjuncts(predicate).into_iter().partition(|part| is_ours(part));
    if ours.is_empty() {
        return Road::DataFusion;
    }
    if rest.is_empty() {
        return Road::Local;
    }
    let all = |parts: Vec<&Expr>| Expr::And(parts.into_iter().cloned().collect());
    Road::Split {
        above: all(ours),
        below: Box::new(Rel::Filter {
            input: Box::new(input.clone()),
            predicate: all(rest),
        }),
    }
}

/// Expressions that run row by row anyway, and whose number of evaluations matters.
fn is_ours(expr: &Expr) -> bool {
    walk::has_user_call(expr) || walk::has_subquery(expr) || walk::is_volatile(expr)
}

/// Operators that have a counterpart in DataFusion with PostgreSQL's meaning, over values that it
/// can compare.
pub(crate) fn is_lowered(rel: &Rel) -> bool {
    let compares = |ty: Type| lower::key(ty).is_some();
    match rel {
        Rel::Filter { .. } | Rel::Project { .. } | Rel::Limit { .. } => true,
        Rel::Sort { keys, .. } => keys.iter().all(|key| compares(key.expr.ty())),
        Rel::Join { lateral, .. } => !lateral,
        Rel::Aggregate {
            groups, sets, aggregates, ..
        } => {
            let ours = aggregates
                .iter()
                .any(|(_, call)| matches!(call.function, AggregateTarget::Grouping(_) | AggregateTarget::User(_)));
            let empty = groups.is_empty() && aggregates.is_empty();
            sets.is_none() && !ours && !empty && groups.iter().all(|(_, expr)| compares(expr.ty()))
        }
        Rel::Distinct { input, on } => {
            on.is_none() && !input.columns().is_empty() && input.columns().into_iter().all(|(_, ty)| compares(ty))
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
        | Rel::CteScan { .. } => false,
    }
}

/// There is an operator over a user's table that has to see many rows to give one, and everything
/// above it is DataFusion's, too.
fn is_heavy(rel: &Rel) -> bool {
    weigh(rel).heavy
}

/// There is a user's table to read.
pub fn reads_table(rel: &Rel) -> bool {
    weigh(rel).reads_table
}

struct Weight {
    reads_table: bool,
    heavy: bool,
}

fn weigh(rel: &Rel) -> Weight {
    // What a WITH query reads is weighed where it is read.
    if let Rel::With { input, .. } = rel {
        return Weight {
            heavy: false,
            ..weigh(input)
        };
    }
    let below = walk::inputs(rel).map(weigh).fold(
        Weight {
            reads_table: false,
            heavy: false,
        },
        |all, one| Weight {
            reads_table: all.reads_table || one.reads_table,
            heavy: all.heavy || one.heavy,
        },
    );
    let reads_table = below.reads_table
        || match rel {
            Rel::Scan { table, .. } => matches!(table.kind, TableKind::Table),
            Rel::CteScan { reads_table, .. } => *reads_table,
            _ => false,
        };
    let works = matches!(
        rel,
        Rel::Join { .. } | Rel::Aggregate { .. } | Rel::Sort { .. } | Rel::Distinct { .. }
    );
    // Below an operator of ours another choice is made.
    Weight {
        reads_table,
        heavy: is_lowered(rel) && (below.heavy || (works && reads_table)),
    }
}

fn depth(rel: &Rel) -> usize {
    1 + walk::inputs(rel).map(depth).max().unwrap_or(0)
}
