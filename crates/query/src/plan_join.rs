//! Planning joins: equal keys, what the sides know of each other's rows, and looking rows up by
//! primary key instead of reading them all.

use std::collections::HashSet;
use std::sync::Arc;

use types::Result;

use crate::compare::Comparison;
use crate::eval::Node;
use crate::ir::{ColumnId, Expr, JoinKind, Rel};
use crate::plan::{Condition, Plan, Planned, Planner, add_conditions, compared, renamed};
use crate::walk;

#[derive(Debug)]
pub(crate) struct JoinPlan {
    pub kind: JoinKind,
    pub left: Arc<Plan>,
    pub right: Arc<Plan>,
    pub left_layout: Arc<[ColumnId]>,
    pub right_width: usize,
    /// (over the left row, over the right row); all must be equal.
    pub keys: Box<[(Node, Node)]>,
    /// Over both rows, left first.
    pub rest: Option<Node>,
    /// The right uses the left's columns: it is opened inside of each left row.
    pub lateral: bool,
    /// The right side, to be opened inside of each left row: it reads by primary key then. For
    /// when there are few left rows.
    pub look_up: Option<Arc<Plan>>,
}

impl Planner<'_> {
    pub(crate) fn join(
        &mut self,
        kind: JoinKind,
        left: &Rel,
        right: &Rel,
        on: Option<&Expr>,
        lateral: bool,
        conditions: &[Condition],
    ) -> Result<Planned> {
        // Rows are looked up on the right.
        if kind == JoinKind::Inner && !lateral && !looks_up(right, on) && looks_up(left, on) {
            return self.join(kind, right, left, on, false, conditions);
        }
        let (for_left, for_right) = side_conditions(kind, left, right, on, conditions, lateral);
        let planned_left = self.rel(left, &for_left)?;
        let planned_right = self.rel(right, &for_right)?;
        let left_layout = planned_left.layout;
        let right_layout = planned_right.layout;
        let (mut keys, mut rest) = (vec![], vec![]);
        for part in on.map(walk::conjuncts).unwrap_or_default() {
            match self.join_key(part, &left_layout, &right_layout)? {
                Some(key) if !lateral => keys.push(key),
                _ => rest.push(part.clone()),
            }
        }
        let may_look_up =
            !lateral && matches!(kind, JoinKind::Inner | JoinKind::Left) && looks_up(right, on) && !walk::is_careful_rel(left);
        // A subquery would be planned twice, and one in it four times.
        let may_look_up = may_look_up && !walk::any_rel_expr(right, &|expr| walk::subquery(expr).is_some());
        let look_up = if may_look_up {
            self.look_up(right, on, &for_right, &right_layout)?
        } else {
            None
        };
        let layout: Vec<ColumnId> = left_layout.iter().chain(&right_layout).copied().collect();
        let rest = if rest.is_empty() {
            None
        } else {
            Some(self.node(&Expr::And(rest), &layout)?)
        };
        let plan = JoinPlan {
            kind,
            left: planned_left.plan,
            right: planned_right.plan,
            right_width: right_layout.len(),
            left_layout: left_layout.into(),
            keys: keys.into(),
            rest,
            lateral,
            look_up,
        };
        Ok(Planned {
            plan: Arc::new(Plan::Join(Arc::new(plan))),
            layout,
        })
    }

    fn look_up(&mut self, right: &Rel, on: Option<&Expr>, known: &[Condition], layout: &[ColumnId]) -> Result<Option<Arc<Plan>>> {
        let mut known = known.to_vec();
        if let Some(on) = on {
            add_conditions(on, right, &mut known);
        }
        // A point read is nothing for DataFusion.
        let datafusion = std::mem::replace(&mut self.datafusion, false);
        let planned = self.rel(right, &known);
        self.datafusion = datafusion;
        let planned = planned?;
        Ok((planned.layout == layout).then_some(planned.plan))
    }

    fn join_key(&mut self, part: &Expr, left: &[ColumnId], right: &[ColumnId]) -> Result<Option<(Node, Node)>> {
        let Some((Comparison::Eq, a, b)) = compared(part) else {
            return Ok(None);
        };
        let of = |expr: &Expr, layout: &[ColumnId], other: &[ColumnId]| {
            let columns = walk::columns_of(expr);
            columns.iter().any(|id| layout.contains(id)) && !columns.iter().any(|id| other.contains(id)) && !walk::is_volatile(expr)
        };
        let (on_left, on_right) = match (of(a, left, right) && of(b, right, left), of(b, left, right) && of(a, right, left)) {
            (true, _) => (a, b),
            (_, true) => (b, a),
            _ => return Ok(None),
        };
        Ok(Some((self.node(on_left, left)?, self.node(on_right, right)?)))
    }
}

/// ON says what every column of the primary key of the table in `rel` is equal to.
fn looks_up<'a>(rel: &'a Rel, on: Option<&'a Expr>) -> bool {
    let mut known = vec![];
    if let Some(on) = on {
        add_conditions(on, rel, &mut known);
    }
    reads_by_key(rel, known)
}

fn reads_by_key<'a>(rel: &'a Rel, mut known: Vec<Condition<'a>>) -> bool {
    match rel {
        Rel::Filter { input, predicate } => {
            add_conditions(predicate, input, &mut known);
            reads_by_key(input, known)
        }
        Rel::Project { input, exprs } => reads_by_key(input, renamed(&known, exprs)),
        Rel::Scan { table, columns } => table.primary_key.as_ref().is_some_and(|key| {
            let is_known = |column: &usize| {
                let id = columns.iter().find(|(_, _, index)| index == column).map(|(id, _, _)| *id);
                known
                    .iter()
                    .any(|condition| condition.op == Comparison::Eq && Some(condition.column) == id)
            };
            key.columns.iter().all(is_known)
        }),
        _ => false,
    }
}

/// What is known about the rows of a join's left and right side, from above and from ON.
pub(crate) fn side_conditions<'a>(
    kind: JoinKind,
    left: &Rel,
    right: &Rel,
    on: Option<&'a Expr>,
    conditions: &[Condition<'a>],
    lateral: bool,
) -> (Vec<Condition<'a>>, Vec<Condition<'a>>) {
    let (mut for_left, mut for_right) = (vec![], vec![]);
    // What is true of the result is true of the rows of a side that are not filled up with NULLs.
    if matches!(kind, JoinKind::Inner | JoinKind::Left) {
        for_left.extend_from_slice(conditions);
    }
    if matches!(kind, JoinKind::Inner | JoinKind::Right) {
        for_right.extend_from_slice(conditions);
    }
    if let Some(on) = on {
        if matches!(kind, JoinKind::Inner | JoinKind::Right) {
            add_conditions(on, left, &mut for_left);
        }
        if matches!(kind, JoinKind::Inner | JoinKind::Left) {
            add_conditions(on, right, &mut for_right);
        }
    }
    // The other side's columns are out of sight, unless the join is lateral.
    let hidden = |condition: &Condition, other: &Rel| {
        let made: HashSet<ColumnId> = other.columns().into_iter().map(|(id, _)| id).collect();
        walk::columns_of(condition.value).iter().any(|id| made.contains(id))
    };
    for_left.retain(|condition| !hidden(condition, right));
    for_right.retain(|condition| lateral || !hidden(condition, left));
    (for_left, for_right)
}
