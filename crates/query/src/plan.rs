//! The executable plan: relations whose expressions are [`Node`]s over rows of known layout.
//!
//! The life of a relation here: [`Planner::rel`] decides its road, drops the columns that nobody
//! uses, finds what a scan can be told about its rows, and splits join conditions into equal keys and
//! the rest. The result is immutable and may be opened many times, each time in another
//! environment: that is how a correlated subquery runs for each outer row.

use std::collections::HashSet;
use std::sync::Arc;

use catalog::Table;
use functions::{Aggregate, SetFunction};
use types::{Result, Type};

use crate::compare::{Comparison, comparison};
use crate::env::Slot;
use crate::eval::Node;
use crate::frame::Frame;
use crate::ir::{
    self, AggregateCall, AggregateTarget, ColumnId, CteId, Expr, FrameBound, FrameUnit, Rel, SetCall, SetOpKind, SortKey, UserAggregate,
    WindowCall, WindowTarget,
};
use crate::plan_join::JoinPlan;
use crate::plan_scan::{Scans, WEIGHT};
use crate::{road, walk};

#[derive(Debug)]
pub(crate) enum Plan {
    OneRow,
    Values(Arc<[Box<[Node]>]>),
    Scan {
        /// The first of all the scan's columns names it.
        id: Option<ColumnId>,
        table: Arc<Table>,
        columns: Box<[usize]>,
        conditions: Box<[ScanCondition]>,
        /// The last row first.
        backward: bool,
    },
    PointGet {
        table: Arc<Table>,
        key: Box<[Node]>,
        columns: Box<[usize]>,
    },
    Function {
        call: SetNode,
        ordinality: bool,
        width: usize,
    },
    Filter {
        input: Arc<Plan>,
        predicate: Arc<Node>,
        index: Option<Arc<IndexedFilter>>,
        careful: bool,
    },
    Project {
        input: Arc<Plan>,
        exprs: Arc<[Node]>,
    },
    ProjectSet {
        input: Arc<Plan>,
        calls: Arc<[SetNode]>,
    },
    Join(Arc<JoinPlan>),
    Aggregate(Arc<AggregatePlan>),
    Window {
        input: Arc<Plan>,
        calls: Arc<[WindowNode]>,
    },
    Sort {
        input: Arc<Plan>,
        keys: Arc<[SortNode]>,
    },
    Limit {
        input: Arc<Plan>,
        limit: Option<Node>,
        offset: Option<Node>,
    },
    Distinct {
        input: Arc<Plan>,
        types: Arc<[Type]>,
    },
    DistinctOn {
        input: Arc<Plan>,
        on: Arc<[(Node, Type)]>,
    },
    SetOp {
        kind: SetOpKind,
        all: bool,
        left: Arc<Plan>,
        right: Arc<Plan>,
        types: Arc<[Type]>,
    },
    Recursive(Arc<RecursivePlan>),
    WorkTable {
        name: String,
    },
    With {
        queries: Arc<[Arc<CtePlan>]>,
        input: Arc<Plan>,
    },
    CteScan {
        /// The first of its columns names it, as of a scan.
        id: Option<ColumnId>,
        cte: CteId,
    },
    /// What DataFusion runs.
    Frame(Frame),
}

/// `column op value`, for whoever scans.
#[derive(Debug)]
pub(crate) struct ScanCondition {
    /// An index into `table.columns`.
    pub column: usize,
    pub ty: Type,
    pub op: Comparison,
    pub value: Node,
}

/// A filter of a correlated query that compares columns with outer ones by equality: opened a second
/// time, it hashes its input by these columns and from then on looks rows up. The predicate beside it
/// is the rest.
#[derive(Debug)]
pub(crate) struct IndexedFilter {
    pub slot: Slot,
    /// (over the input's row, over outer columns).
    pub keys: Box<[(Node, Node)]>,
}

#[derive(Debug)]
pub(crate) enum SetNode {
    Builtin {
        function: &'static SetFunction,
        args: Box<[Node]>,
    },
    User {
        function: Arc<catalog::Function>,
        args: Box<[Node]>,
    },
}

#[derive(Debug)]
pub(crate) struct AggregatePlan {
    pub input: Arc<Plan>,
    pub groups: Box<[(Node, Type)]>,
    pub sets: Option<Vec<Vec<usize>>>,
    pub calls: Arc<[AggregateNode]>,
    /// The place, in the input's rows, of how many rows each of them stands for.
    pub weight: Option<usize>,
}

#[derive(Debug)]
pub(crate) struct AggregateNode {
    pub target: Target,
    pub args: Box<[Node]>,
    pub filter: Option<Node>,
    pub order_by: Arc<[SortNode]>,
}

/// The part of an aggregate call that its state needs.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    Builtin {
        function: &'static Aggregate,
        types: Arc<[Type]>,
        distinct: bool,
    },
    User {
        aggregate: Arc<UserAggregate>,
        distinct: bool,
    },
    Grouping(Vec<usize>),
}

#[derive(Debug)]
pub(crate) struct SortNode {
    pub node: Node,
    pub ty: Type,
    pub descending: bool,
    pub nulls_first: bool,
}

#[derive(Debug)]
pub(crate) struct WindowNode {
    pub target: WindowTarget,
    pub args: Box<[Node]>,
    pub types: Arc<[Type]>,
    pub filter: Option<Node>,
    pub partition_by: Box<[(Node, Type)]>,
    pub order_by: Arc<[SortNode]>,
    pub frame: FrameNode,
}

#[derive(Debug)]
pub(crate) struct FrameNode {
    pub unit: FrameUnit,
    pub start: Edge,
    pub end: Edge,
}

#[derive(Debug)]
pub(crate) enum Edge {
    UnboundedPreceding,
    Preceding(Node, Type),
    CurrentRow,
    Following(Node, Type),
    UnboundedFollowing,
}

#[derive(Debug)]
pub(crate) struct RecursivePlan {
    pub name: String,
    pub base: Arc<Plan>,
    pub recursive: Arc<Plan>,
    pub all: bool,
    pub types: Arc<[Type]>,
}

#[derive(Debug)]
pub(crate) struct CtePlan {
    pub id: CteId,
    pub plan: Arc<Plan>,
    pub slot: Slot,
    /// Nothing around it matters.
    pub independent: bool,
}

/// A plan and the columns of its rows.
pub(crate) struct Planned {
    pub plan: Arc<Plan>,
    pub layout: Vec<ColumnId>,
}

/// Something that is true of every row that matters further up: `column op value`.
#[derive(Clone, Copy)]
pub(crate) struct Condition<'a> {
    pub column: ColumnId,
    pub op: Comparison,
    pub value: &'a Expr,
}

pub(crate) struct Planner<'a> {
    /// Columns that nothing uses are not read.
    used: HashSet<ColumnId>,
    environment: &'a dyn functions::Environment,
    /// Whether anything may take that road.
    pub datafusion: bool,
    /// The scans that read backwards or weigh their rows, by their first columns.
    pub scans: Scans,
}

impl<'a> Planner<'a> {
    pub fn new(used: HashSet<ColumnId>, environment: &'a dyn functions::Environment) -> Planner<'a> {
        Planner {
            used,
            environment,
            datafusion: true,
            scans: Scans::default(),
        }
    }

    /// Everything on the local road.
    pub fn without_datafusion(used: HashSet<ColumnId>, environment: &'a dyn functions::Environment) -> Planner<'a> {
        Planner {
            used,
            environment,
            datafusion: false,
            scans: Scans::plain(),
        }
    }

    pub fn environment(&self) -> &'a dyn functions::Environment {
        self.environment
    }

    /// The plan of `rel` on the road that suits it.
    pub fn rel(&mut self, rel: &Rel, conditions: &[Condition]) -> Result<Planned> {
        let road = if self.datafusion { road::choose(rel) } else { road::Road::Local };
        // What runs again and again for outer rows keeps more on the local road, in its indexes.
        let road = match road {
            road::Road::DataFusion | road::Road::Split { .. } if !walk::is_independent(rel) => road::Road::Local,
            road => road,
        };
        match road {
            road::Road::DataFusion => {
                let frame = self.frame(rel)?;
                let layout = frame.layout();
                Ok(Planned {
                    plan: Arc::new(Plan::Frame(frame)),
                    layout,
                })
            }
            road::Road::Split { above, below } => {
                let below = self.rel(&below, conditions)?;
                let predicate = self.node(&above, &below.layout)?;
                Ok(Planned {
                    plan: Arc::new(Plan::Filter {
                        input: below.plan,
                        predicate: Arc::new(predicate),
                        index: None,
                        careful: false,
                    }),
                    layout: below.layout,
                })
            }
            road::Road::Local => self.local(rel, conditions),
        }
    }

    /// The plan of `rel` with its top operator run by us.
    pub fn local(&mut self, rel: &Rel, conditions: &[Condition]) -> Result<Planned> {
        let all = |columns: &[(ColumnId, Type)]| columns.iter().map(|(id, _)| *id).collect::<Vec<_>>();
        let (plan, layout) = match rel {
            Rel::OneRow => (Plan::OneRow, vec![]),
            Rel::Values { columns, rows } => (
                Plan::Values(rows.iter().map(|row| self.nodes(row, &[])).collect::<Result<_>>()?),
                all(columns),
            ),
            Rel::Scan { table, columns } => self.scan(table, columns, conditions)?,
            Rel::PointGet { table, key, columns } => {
                let columns = self.kept(columns);
                let layout = columns.iter().map(|(id, _, _)| *id).collect();
                let columns = columns.iter().map(|(_, _, index)| *index).collect();
                (
                    Plan::PointGet {
                        table: table.clone(),
                        key: self.nodes(key, &[])?,
                        columns,
                    },
                    layout,
                )
            }
            Rel::Function { call, columns, ordinality } => {
                let call = self.set_call(call, &[])?;
                (
                    Plan::Function {
                        call,
                        ordinality: ordinality.is_some(),
                        width: columns.len(),
                    },
                    all(&rel.columns()),
                )
            }
            Rel::Filter { input, predicate } => return self.filter(input, predicate, conditions),
            Rel::Project { input, exprs } => {
                let below = renamed(conditions, exprs);
                let input = self.rel(input, &below)?;
                let kept: Vec<&(ColumnId, Expr)> = exprs
                    .iter()
                    .filter(|(id, expr)| self.used.contains(id) || walk::is_volatile(expr))
                    .collect();
                let nodes = kept.iter().map(|(_, expr)| self.node(expr, &input.layout)).collect::<Result<_>>()?;
                let layout = kept.iter().map(|(id, _)| *id).collect();
                (
                    Plan::Project {
                        input: input.plan,
                        exprs: nodes,
                    },
                    layout,
                )
            }
            Rel::ProjectSet { input, calls } => {
                let input = self.rel(input, conditions)?;
                let nodes = calls
                    .iter()
                    .map(|(_, _, call)| self.set_call(call, &input.layout))
                    .collect::<Result<_>>()?;
                let layout = input.layout.iter().copied().chain(calls.iter().map(|(id, _, _)| *id)).collect();
                (
                    Plan::ProjectSet {
                        input: input.plan,
                        calls: nodes,
                    },
                    layout,
                )
            }
            Rel::Join {
                kind,
                left,
                right,
                on,
                lateral,
            } => return self.join(*kind, left, right, on.as_ref(), *lateral, conditions),
            Rel::Aggregate {
                input,
                groups,
                sets,
                aggregates,
            } => {
                self.scans.weigh(input, groups, sets.is_some(), aggregates);
                let input = self.rel(input, &[])?;
                let calls = aggregates
                    .iter()
                    .map(|(_, call)| self.aggregate_call(call, &input.layout))
                    .collect::<Result<Vec<_>>>()?;
                let nodes = groups
                    .iter()
                    .map(|(_, expr)| Ok((self.node(expr, &input.layout)?, expr.ty())))
                    .collect::<Result<_>>()?;
                let plan = AggregatePlan {
                    input: input.plan,
                    groups: nodes,
                    sets: sets.clone(),
                    calls: calls.into(),
                    weight: input.layout.iter().position(|id| *id == WEIGHT),
                };
                (Plan::Aggregate(Arc::new(plan)), all(&rel.columns()))
            }
            Rel::Window { input, calls } => {
                let input = self.rel(input, &[])?;
                let nodes = calls
                    .iter()
                    .map(|(_, call)| self.window_call(call, &input.layout))
                    .collect::<Result<_>>()?;
                let layout = input.layout.iter().copied().chain(calls.iter().map(|(id, _)| *id)).collect();
                (
                    Plan::Window {
                        input: input.plan,
                        calls: nodes,
                    },
                    layout,
                )
            }
            Rel::Sort { input, keys } => {
                if self.scans.give_order(input, keys) {
                    return self.rel(input, conditions);
                }
                let input = self.rel(input, conditions)?;
                (
                    Plan::Sort {
                        keys: self.sort_keys(keys, &input.layout)?,
                        input: input.plan,
                    },
                    input.layout,
                )
            }
            Rel::Limit { input, limit, offset } => {
                let input = self.rel(input, &[])?;
                let limit = limit.as_ref().map(|expr| self.node(expr, &[])).transpose()?;
                let offset = offset.as_ref().map(|expr| self.node(expr, &[])).transpose()?;
                (
                    Plan::Limit {
                        input: input.plan,
                        limit,
                        offset,
                    },
                    input.layout,
                )
            }
            Rel::Distinct { input, on: None } => {
                let types = input.columns().into_iter().map(|(_, ty)| ty).collect();
                let input = self.rel(input, conditions)?;
                (Plan::Distinct { input: input.plan, types }, input.layout)
            }
            Rel::Distinct { input, on: Some(on) } => {
                let input = self.rel(input, &[])?;
                let on = on
                    .iter()
                    .map(|expr| Ok((self.node(expr, &input.layout)?, expr.ty())))
                    .collect::<Result<_>>()?;
                (Plan::DistinctOn { input: input.plan, on }, input.layout)
            }
            Rel::SetOp {
                kind,
                all: keep,
                left,
                right,
                columns,
            } => {
                let (left, right) = (self.whole(left)?, self.whole(right)?);
                let types = columns.iter().map(|(_, ty)| *ty).collect();
                (
                    Plan::SetOp {
                        kind: *kind,
                        all: *keep,
                        left,
                        right,
                        types,
                    },
                    all(columns),
                )
            }
            Rel::Recursive {
                name,
                base,
                recursive,
                all: keep,
                columns,
            } => {
                let (base, recursive) = (self.whole(base)?, self.whole(recursive)?);
                let types = columns.iter().map(|(_, ty)| *ty).collect();
                (
                    Plan::Recursive(Arc::new(RecursivePlan {
                        name: name.clone(),
                        base,
                        recursive,
                        all: *keep,
                        types,
                    })),
                    all(columns),
                )
            }
            Rel::With { queries, input } => {
                // What runs once for many is chosen anew, and so is what reads it.
                let datafusion = std::mem::replace(&mut self.datafusion, true);
                let plain = std::mem::replace(&mut self.scans.plain, false);
                let planned = self.with(queries, input, conditions);
                self.datafusion = datafusion;
                self.scans.plain = plain;
                return planned;
            }
            Rel::CteScan { cte, columns, .. } => (
                Plan::CteScan {
                    id: columns.first().map(|(id, _)| *id),
                    cte: *cte,
                },
                all(columns),
            ),
            Rel::WorkTable { name, columns } => (Plan::WorkTable { name: name.clone() }, all(columns)),
        };
        Ok(Planned {
            plan: Arc::new(plan),
            layout,
        })
    }

    fn with(&mut self, queries: &[ir::Cte], input: &Rel, conditions: &[Condition]) -> Result<Planned> {
        let plan = |planner: &mut Self, cte: &ir::Cte| {
            Ok(Arc::new(CtePlan {
                id: cte.id,
                plan: planner.whole(&cte.query)?,
                slot: Slot::next(),
                independent: walk::is_independent(&cte.query),
            }))
        };
        let queries = queries.iter().map(|cte| plan(self, cte)).collect::<Result<_>>()?;
        let input = self.rel(input, conditions)?;
        Ok(Planned {
            plan: Arc::new(Plan::With {
                queries,
                input: input.plan,
            }),
            layout: input.layout,
        })
    }

    /// A plan whose rows have exactly `rel`'s columns.
    pub fn whole(&mut self, rel: &Rel) -> Result<Arc<Plan>> {
        self.exactly(rel, &rel.columns())
    }

    /// A plan whose rows have exactly these columns of `rel`.
    pub fn exactly(&mut self, rel: &Rel, columns: &[(ColumnId, Type)]) -> Result<Arc<Plan>> {
        let planned = self.rel(rel, &[])?;
        if planned.layout.iter().eq(columns.iter().map(|(id, _)| id)) {
            return Ok(planned.plan);
        }
        let column = |(id, ty): &(ColumnId, Type)| self.node(&Expr::Column { id: *id, ty: *ty }, &planned.layout);
        let exprs: Result<Arc<[Node]>> = columns.iter().map(column).collect();
        Ok(Arc::new(Plan::Project {
            input: planned.plan,
            exprs: exprs?,
        }))
    }

    /// Those of `rel`'s columns that something uses.
    pub fn used_of(&self, rel: &Rel) -> Vec<(ColumnId, Type)> {
        rel.columns().into_iter().filter(|(id, _)| self.used.contains(id)).collect()
    }

    fn kept<'c>(&self, columns: &'c [(ColumnId, Type, usize)]) -> Vec<&'c (ColumnId, Type, usize)> {
        columns.iter().filter(|(id, _, _)| self.used.contains(id)).collect()
    }

    fn scan(&mut self, table: &Arc<Table>, columns: &[(ColumnId, Type, usize)], conditions: &[Condition]) -> Result<(Plan, Vec<ColumnId>)> {
        let mut known = vec![];
        for condition in conditions {
            if let Some((_, ty, index)) = columns.iter().find(|(id, _, _)| *id == condition.column) {
                known.push(ScanCondition {
                    column: *index,
                    ty: *ty,
                    op: condition.op,
                    value: self.node(condition.value, &[])?,
                });
            }
        }
        let id = columns.first().map(|(id, _, _)| *id);
        let kept = self.kept(columns);
        let weight = id.filter(|id| self.scans.is_weighed(*id)).and_then(|_| table.weight_column());
        let layout = kept.iter().map(|(id, _, _)| *id).chain(weight.map(|_| WEIGHT)).collect();
        let columns = kept.iter().map(|(_, _, index)| *index).chain(weight).collect();
        Ok((
            Plan::Scan {
                id,
                table: table.clone(),
                columns,
                conditions: known.into(),
                backward: id.is_some_and(|id| self.scans.is_backward(id)),
            },
            layout,
        ))
    }

    fn filter(&mut self, input: &Rel, predicate: &Expr, conditions: &[Condition]) -> Result<Planned> {
        let mut known = conditions.to_vec();
        add_conditions(predicate, input, &mut known);
        let indexed = is_indexed(input, predicate);
        if indexed {
            // What is kept for other outer rows must not depend on this one.
            known.retain(|condition| walk::columns_of(condition.value).is_empty());
        }
        let below = self.rel(input, &known)?;
        let (mut keys, mut rest) = (vec![], vec![]);
        for part in walk::conjuncts(predicate) {
            match outer_key(part, &|id| below.layout.contains(&id)) {
                Some((inner, outer)) if indexed => keys.push((self.node(inner, &below.layout)?, self.node(outer, &below.layout)?)),
                _ => rest.push(part),
            }
        }
        let index = (!keys.is_empty()).then(|| {
            Arc::new(IndexedFilter {
                slot: Slot::next(),
                keys: keys.into(),
            })
        });
        let rest = rest
            .into_iter()
            .map(|part| self.node(part, &below.layout))
            .collect::<Result<Box<[Node]>>>()?;
        let predicate = Arc::new(Node::And(rest));
        let careful = walk::is_careful_rel(input);
        Ok(Planned {
            plan: Arc::new(Plan::Filter {
                input: below.plan,
                predicate,
                index,
                careful,
            }),
            layout: below.layout,
        })
    }

    fn set_call(&mut self, call: &SetCall, layout: &[ColumnId]) -> Result<SetNode> {
        Ok(match call {
            SetCall::Builtin { function, args } => SetNode::Builtin {
                function,
                args: self.nodes(args, layout)?,
            },
            SetCall::User { function, args } => SetNode::User {
                function: function.clone(),
                args: self.nodes(args, layout)?,
            },
        })
    }

    pub fn aggregate_call(&mut self, call: &AggregateCall, layout: &[ColumnId]) -> Result<AggregateNode> {
        let target = match &call.function {
            AggregateTarget::Builtin(function) => {
                let sorted = call.order_by.iter().filter(|_| function.ordered_set).map(|key| key.expr.ty());
                let types = call.args.iter().map(Expr::ty).chain(sorted).collect();
                Target::Builtin {
                    function,
                    types,
                    distinct: call.distinct,
                }
            }
            AggregateTarget::User(aggregate) => Target::User {
                aggregate: aggregate.clone(),
                distinct: call.distinct,
            },
            AggregateTarget::Grouping(groups) => Target::Grouping(groups.clone()),
        };
        Ok(AggregateNode {
            target,
            args: self.nodes(&call.args, layout)?,
            filter: call.filter.as_ref().map(|filter| self.node(filter, layout)).transpose()?,
            order_by: self.sort_keys(&call.order_by, layout)?,
        })
    }

    fn window_call(&mut self, call: &WindowCall, layout: &[ColumnId]) -> Result<WindowNode> {
        let frame = match &call.frame {
            None => FrameNode {
                unit: FrameUnit::Range,
                start: Edge::UnboundedPreceding,
                end: Edge::CurrentRow,
            },
            Some(ir::Frame { unit, start, end }) => FrameNode {
                unit: *unit,
                start: self.edge(start)?,
                end: self.edge(end)?,
            },
        };
        Ok(WindowNode {
            target: call.function.clone(),
            args: self.nodes(&call.args, layout)?,
            types: call.args.iter().map(Expr::ty).collect(),
            filter: call.filter.as_ref().map(|filter| self.node(filter, layout)).transpose()?,
            partition_by: call
                .partition_by
                .iter()
                .map(|expr| Ok((self.node(expr, layout)?, expr.ty())))
                .collect::<Result<_>>()?,
            order_by: self.sort_keys(&call.order_by, layout)?,
            frame,
        })
    }

    fn edge(&mut self, bound: &FrameBound) -> Result<Edge> {
        Ok(match bound {
            FrameBound::UnboundedPreceding => Edge::UnboundedPreceding,
            FrameBound::Preceding(offset) => Edge::Preceding(self.node(offset, &[])?, offset.ty()),
            FrameBound::CurrentRow => Edge::CurrentRow,
            FrameBound::Following(offset) => Edge::Following(self.node(offset, &[])?, offset.ty()),
            FrameBound::UnboundedFollowing => Edge::UnboundedFollowing,
        })
    }

    pub fn sort_keys(&mut self, keys: &[SortKey], layout: &[ColumnId]) -> Result<Arc<[SortNode]>> {
        let key = |key: &SortKey| {
            Ok(SortNode {
                node: self.node(&key.expr, layout)?,
                ty: key.expr.ty(),
                descending: key.descending,
                nulls_first: key.nulls_first,
            })
        };
        keys.iter().map(key).collect()
    }
}

/// The comparison that `part` is, of values that may be compared as datums.
pub(crate) fn compared(part: &Expr) -> Option<(Comparison, &Expr, &Expr)> {
    match part {
        Expr::Call { function, args, .. } => match &args[..] {
            [left, right] => comparison(function, left.ty(), right.ty()).map(|op| (op, left, right)),
            _ => None,
        },
        _ => None,
    }
}

/// Adds the conjuncts of `predicate` that compare a column of `input` with something that does
/// not depend on `input`'s rows and is cheap and safe to compute before them.
pub(crate) fn add_conditions<'a>(predicate: &'a Expr, input: &Rel, known: &mut Vec<Condition<'a>>) {
    let made: HashSet<ColumnId> = input.columns().into_iter().map(|(id, _)| id).collect();
    let fixed = |expr: &Expr| {
        !walk::columns_of(expr).iter().any(|id| made.contains(id))
            && !walk::has_subquery(expr)
            && !walk::has_user_call(expr)
            && !walk::is_volatile(expr)
    };
    for part in walk::conjuncts(predicate) {
        match compared(part) {
            Some((op, Expr::Column { id, .. }, value)) if made.contains(id) && fixed(value) => {
                known.push(Condition { column: *id, op, value })
            }
            Some((op, value, Expr::Column { id, .. })) if made.contains(id) && fixed(value) => {
                known.push(Condition {
                    column: *id,
                    op: op.flipped(),
                    value,
                });
            }
            _ => {}
        }
    }
}

/// The conditions in terms of the columns below a projection.
pub(crate) fn renamed<'a>(conditions: &[Condition<'a>], exprs: &[(ColumnId, Expr)]) -> Vec<Condition<'a>> {
    let below = |condition: &Condition<'a>| match exprs.iter().find(|(id, _)| *id == condition.column) {
        Some((_, Expr::Column { id, .. })) => Some(Condition { column: *id, ..*condition }),
        _ => None,
    };
    conditions.iter().filter_map(below).collect()
}

/// A filter that is worth an index if it is opened again: it compares with outer columns, and its
/// input is the same each time and cannot be read by them.
fn is_indexed(input: &Rel, predicate: &Expr) -> bool {
    let made: HashSet<ColumnId> = input.columns().into_iter().map(|(id, _)| id).collect();
    walk::conjuncts(predicate)
        .into_iter()
        .any(|part| outer_key(part, &|id| made.contains(&id)).is_some())
        && walk::is_independent(input)
        && !walk::is_volatile_rel(input)
        && !reads_by_primary_key(input, predicate)
}

/// (inner, outer) of `inner = outer`.
fn outer_key<'e>(part: &'e Expr, is_inner: &dyn Fn(ColumnId) -> bool) -> Option<(&'e Expr, &'e Expr)> {
    let (Comparison::Eq, left, right) = compared(part)? else {
        return None;
    };
    let side = |expr: &Expr, inner: bool| {
        let columns = walk::columns_of(expr);
        !columns.is_empty() && columns.into_iter().all(|id| is_inner(id) == inner) && !walk::has_subquery(expr) && !walk::is_volatile(expr)
    };
    if side(left, true) && side(right, false) {
        return Some((left, right));
    }
    (side(right, true) && side(left, false)).then_some((right, left))
}

/// An equality with the first column of a scanned table's primary key: the scan itself finds the rows.
fn reads_by_primary_key(input: &Rel, predicate: &Expr) -> bool {
    let Rel::Scan { table, columns } = input else { return false };
    let Some(first) = table.primary_key.as_ref().and_then(|key| key.columns.first()) else {
        return false;
    };
    let Some((id, _, _)) = columns.iter().find(|(_, _, index)| index == first) else {
        return false;
    };
    let mut known = vec![];
    add_conditions(predicate, input, &mut known);
    known
        .iter()
        .any(|condition| condition.op == Comparison::Eq && condition.column == *id)
}
