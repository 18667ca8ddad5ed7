//! What a scan can do for the operators above it: give its rows in an order, or give equal rows as one with a weight.

use std::collections::HashSet;

use functions::NativeAggregate;

use crate::ir::{AggregateCall, AggregateTarget, ColumnId, Expr, Rel, SortKey};
use crate::walk;

/// The column of a weighed scan that says how many rows a row stands for. It goes no further up than to the aggregation for which it was
/// asked, so one name serves all of them; the binder's ids do not come so far.
pub(crate) const WEIGHT: ColumnId = ColumnId(u32::MAX);

/// Scans are named by the first of all their columns.
#[derive(Default)]
pub(crate) struct Scans {
    /// A scan that was begun on one road must give the same rows on the other: nothing is asked of scans then.
    pub plain: bool,
    backward: HashSet<ColumnId>,
    weighed: HashSet<ColumnId>,
}

impl Scans {
    pub fn plain() -> Scans {
        Scans {
            plain: true,
            ..Scans::default()
        }
    }

    pub fn is_backward(&self, id: ColumnId) -> bool {
        self.backward.contains(&id)
    }

    pub fn is_weighed(&self, id: ColumnId) -> bool {
        self.weighed.contains(&id)
    }

    /// Whether `input` gives its rows in the order of these keys without being sorted, which from now on it does.
    pub fn give_order(&mut self, input: &Rel, keys: &[SortKey]) -> bool {
        let Some(first) = keys.first().filter(|_| !self.plain) else {
            return false;
        };
        let columns: Option<Vec<ColumnId>> = keys
            .iter()
            .map(|key| match &key.expr {
                Expr::Column { id, .. } if key.descending == first.descending => Some(*id),
                _ => None,
            })
            .collect();
        let Some(scan) = columns.and_then(|columns| ordered_scan(input, columns)) else {
            return false;
        };
        if first.descending {
            self.backward.insert(scan);
        }
        true
    }

    /// Asks the scan below an aggregation to weigh its rows, where the aggregation and all in between do the same with equal rows.
    pub fn weigh(&mut self, input: &Rel, groups: &[(ColumnId, Expr)], sets: bool, aggregates: &[(ColumnId, AggregateCall)]) {
        let counts = |call: &AggregateCall| match &call.function {
            AggregateTarget::Builtin(function) => {
                !call.distinct
                    && call.order_by.is_empty()
                    && matches!(
                        function.native,
                        Some(
                            NativeAggregate::CountStar
                                | NativeAggregate::Count
                                | NativeAggregate::Min
                                | NativeAggregate::Max
                                | NativeAggregate::BoolAnd
                                | NativeAggregate::BoolOr
                        )
                    )
                    && !call.args.iter().chain(&call.filter).any(is_seen)
            }
            AggregateTarget::User(_) | AggregateTarget::Grouping(_) => false,
        };
        let groups_alike = !groups.iter().any(|(_, expr)| is_seen(expr));
        if self.plain || sets || !groups_alike || !aggregates.iter().all(|(_, call)| counts(call)) {
            return;
        }
        let mut below = input;
        loop {
            match below {
                Rel::Filter { input, predicate } if !is_seen(predicate) => below = input,
                Rel::Scan { table, columns } if table.weight_column().is_some() => {
                    self.weighed.extend(columns.first().map(|(id, _, _)| *id));
                    return;
                }
                _ => return,
            }
        }
    }
}

/// How often it is evaluated can be seen.
fn is_seen(expr: &Expr) -> bool {
    walk::is_volatile(expr) || walk::has_user_call(expr) || walk::has_subquery(expr)
}

/// The scan that gives its rows in the order of these columns of `rel`.
fn ordered_scan(rel: &Rel, columns: Vec<ColumnId>) -> Option<ColumnId> {
    match rel {
        Rel::Filter { input, .. } => ordered_scan(input, columns),
        Rel::Project { input, exprs } => {
            let below = |id: ColumnId| match exprs.iter().find(|(made, _)| *made == id) {
                Some((_, Expr::Column { id, .. })) => Some(*id),
                _ => None,
            };
            ordered_scan(input, columns.into_iter().map(below).collect::<Option<_>>()?)
        }
        Rel::Scan { table, columns: scanned } => {
            let order = table.order_columns();
            for column in columns {
                let (_, _, place) = scanned.iter().find(|(id, _, _)| *id == column)?;
                match order.iter().position(|known| known == place)? {
                    // Unique: no two rows are left to be put in order.
                    0 => break,
                    _ => continue,
                }
            }
            scanned.first().map(|(id, _, _)| *id)
        }
        _ => None,
    }
}
