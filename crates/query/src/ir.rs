//! The typed plan: what the binder makes of a statement and everything after it works on.
//!
//! Names, types, operators, functions and coercions are all decided here; nothing downstream
//! guesses or converts. Every column a plan produces has a [`ColumnId`] that is unique in the
//! statement, so that there are no names left to resolve: a column that a subquery uses but does
//! not produce belongs to the query around it.

use std::sync::Arc;

use types::{Datum, Type};

/// A column of a plan, unique within one statement.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct ColumnId(pub u32);

/// A query of a WITH clause, unique within one statement.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CteId(pub u32);

/// A scalar expression. Its type is final: arguments already have the exact type that the
/// function or operator takes.
#[derive(Clone, Debug)]
pub enum Expr {
    Const(Datum, Type),
    /// `$1` is index 0.
    Param {
        index: usize,
        ty: Type,
    },
    Column {
        id: ColumnId,
        ty: Type,
    },
    /// A built-in function or operator.
    Call {
        function: &'static functions::Scalar,
        args: Vec<Expr>,
        ty: Type,
    },
    /// A user's function, run in a sandbox.
    UserCall {
        function: Arc<catalog::Function>,
        args: Vec<Expr>,
        ty: Type,
    },
    Cast {
        arg: Box<Expr>,
        to: Type,
        typmod: i32,
        explicit: bool,
    },
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    IsNull(Box<Expr>),
    /// `CASE WHEN condition THEN value ... ELSE otherwise END`.
    Case {
        branches: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
        ty: Type,
    },
    Coalesce(Vec<Expr>, Type),
    /// `ARRAY[...]`; `ty` is the array type. Elements that are arrays themselves make a nested array.
    Array {
        elements: Vec<Expr>,
        ty: Type,
    },
    /// `ROW(...)`.
    /// A record, and the names of its fields where it is a table's row: functions that make JSON of it are told them.
    Row(Vec<Expr>, Option<Arc<[String]>>),
    /// `left op ANY (list)` (`IN`), or ALL (`NOT IN` with `<>`). `op` takes (left, item).
    InList {
        left: Box<Expr>,
        op: &'static functions::Scalar,
        list: Vec<Expr>,
        all: bool,
    },
    /// `left op ANY (array)` or ALL.
    AnyArray {
        left: Box<Expr>,
        op: &'static functions::Scalar,
        array: Box<Expr>,
        all: bool,
    },
    /// A subquery of one column and at most one row (more is SQLSTATE 21000).
    Scalar {
        query: Box<Rel>,
        ty: Type,
    },
    Exists(Box<Rel>),
    /// `left op ANY (query)` or ALL; the query has one column.
    AnyQuery {
        left: Box<Expr>,
        op: &'static functions::Scalar,
        query: Box<Rel>,
        all: bool,
    },
}

/// A relation. Output columns and their order: [`Rel::columns`].
#[derive(Clone, Debug)]
pub enum Rel {
    /// One row of no columns: a SELECT without FROM.
    OneRow,
    Values {
        columns: Vec<(ColumnId, Type)>,
        rows: Vec<Vec<Expr>>,
    },
    /// All visible rows of a table or system table. `usize` indexes `table.columns`.
    Scan {
        table: Arc<catalog::Table>,
        columns: Vec<(ColumnId, Type, usize)>,
    },
    /// The row with this primary key, if there is one; `key` has one expression per key column,
    /// already of its type, none of them using a column of this relation.
    PointGet {
        table: Arc<catalog::Table>,
        key: Vec<Expr>,
        columns: Vec<(ColumnId, Type, usize)>,
    },
    /// A set-returning function in FROM. `ordinality` is WITH ORDINALITY's column (bigint, from 1).
    Function {
        call: SetCall,
        columns: Vec<(ColumnId, Type)>,
        ordinality: Option<ColumnId>,
    },
    Filter {
        input: Box<Rel>,
        predicate: Expr,
    },
    /// Produces exactly these columns.
    Project {
        input: Box<Rel>,
        exprs: Vec<(ColumnId, Expr)>,
    },
    /// A set-returning function in a select list: the input's columns and these, PostgreSQL's
    /// way (the longest decides the number of rows, shorter ones give NULL).
    ProjectSet {
        input: Box<Rel>,
        calls: Vec<(ColumnId, Type, SetCall)>,
    },
    /// `on: None` is a cross join. `lateral`: the right side may use the left's columns.
    Join {
        kind: JoinKind,
        left: Box<Rel>,
        right: Box<Rel>,
        on: Option<Expr>,
        lateral: bool,
    },
    /// `sets` are GROUPING SETS as indexes into `groups`; None groups by all of them.
    /// Without groups and sets there is exactly one output row.
    Aggregate {
        input: Box<Rel>,
        groups: Vec<(ColumnId, Expr)>,
        sets: Option<Vec<Vec<usize>>>,
        aggregates: Vec<(ColumnId, AggregateCall)>,
    },
    /// The input's columns and one more per call.
    Window {
        input: Box<Rel>,
        calls: Vec<(ColumnId, WindowCall)>,
    },
    Sort {
        input: Box<Rel>,
        keys: Vec<SortKey>,
    },
    /// `limit` and `offset` are bigint expressions without columns; a NULL limit is none.
    Limit {
        input: Box<Rel>,
        limit: Option<Expr>,
        offset: Option<Expr>,
    },
    /// DISTINCT, or with `on` DISTINCT ON over an input that is sorted by `on` first.
    Distinct {
        input: Box<Rel>,
        on: Option<Vec<Expr>>,
    },
    /// Column i of the result is `columns[i]`, of column i of either side.
    SetOp {
        kind: SetOpKind,
        all: bool,
        left: Box<Rel>,
        right: Box<Rel>,
        columns: Vec<(ColumnId, Type)>,
    },
    /// WITH RECURSIVE: `recursive` reads the last round's rows through [`Rel::WorkTable`] with the same `name`.
    Recursive {
        name: String,
        base: Box<Rel>,
        recursive: Box<Rel>,
        all: bool,
        columns: Vec<(ColumnId, Type)>,
    },
    WorkTable {
        name: String,
        columns: Vec<(ColumnId, Type)>,
    },
    /// WITH: `input` reads these queries through [`Rel::CteScan`], and each query those before it. One is computed as far
    /// as it is read, and its rows are kept: whoever reads it sees the same.
    With {
        queries: Vec<Cte>,
        input: Box<Rel>,
    },
    CteScan {
        cte: CteId,
        name: String,
        columns: Vec<(ColumnId, Type)>,
        /// What it gives does not depend on what stands around its WITH.
        independent: bool,
        /// It reads a user's table.
        reads_table: bool,
    },
}

/// A query of a WITH clause.
#[derive(Clone, Debug)]
pub struct Cte {
    pub id: CteId,
    pub name: String,
    pub query: Rel,
}

/// A call that returns rows.
#[derive(Clone, Debug)]
pub enum SetCall {
    Builtin {
        function: &'static functions::SetFunction,
        args: Vec<Expr>,
    },
    User {
        function: Arc<catalog::Function>,
        args: Vec<Expr>,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetOpKind {
    Union,
    Intersect,
    Except,
}

#[derive(Clone, Debug)]
pub struct SortKey {
    pub expr: Expr,
    pub descending: bool,
    pub nulls_first: bool,
}

#[derive(Clone, Debug)]
pub struct AggregateCall {
    pub function: AggregateTarget,
    pub args: Vec<Expr>,
    pub distinct: bool,
    pub filter: Option<Expr>,
    pub order_by: Vec<SortKey>,
    pub ty: Type,
}

#[derive(Clone, Debug)]
pub enum AggregateTarget {
    Builtin(&'static functions::Aggregate),
    User(Arc<UserAggregate>),
    /// `GROUPING(a, b)`: indexes into the Aggregate's groups.
    Grouping(Vec<usize>),
}

/// An aggregate that a user made of functions.
#[derive(Clone, Debug)]
pub struct UserAggregate {
    /// Takes the state and a row's arguments to the next state.
    pub transition: Arc<catalog::Function>,
    /// Takes the last state to the result; None: the state is the result.
    pub finalizer: Option<Arc<catalog::Function>>,
    /// The first state.
    pub initial: Datum,
}

#[derive(Clone, Debug)]
pub struct WindowCall {
    pub function: WindowTarget,
    pub args: Vec<Expr>,
    pub filter: Option<Expr>,
    pub partition_by: Vec<Expr>,
    pub order_by: Vec<SortKey>,
    /// None: PostgreSQL's default (RANGE UNBOUNDED PRECEDING to CURRENT ROW).
    pub frame: Option<Frame>,
    pub ty: Type,
}

#[derive(Clone, Debug)]
pub enum WindowTarget {
    Aggregate(&'static functions::Aggregate),
    UserAggregate(Arc<UserAggregate>),
    RowNumber,
    Rank,
    DenseRank,
    PercentRank,
    CumeDist,
    Ntile,
    Lag,
    Lead,
    FirstValue,
    LastValue,
    NthValue,
}

#[derive(Clone, Debug)]
pub struct Frame {
    pub unit: FrameUnit,
    pub start: FrameBound,
    pub end: FrameBound,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameUnit {
    Rows,
    Range,
    Groups,
}

#[derive(Clone, Debug)]
pub enum FrameBound {
    UnboundedPreceding,
    Preceding(Box<Expr>),
    CurrentRow,
    Following(Box<Expr>),
    UnboundedFollowing,
}

impl Expr {
    pub fn ty(&self) -> Type {
        match self {
            Expr::Const(_, ty)
            | Expr::Param { ty, .. }
            | Expr::Column { ty, .. }
            | Expr::Call { ty, .. }
            | Expr::UserCall { ty, .. }
            | Expr::Case { ty, .. }
            | Expr::Coalesce(_, ty)
            | Expr::Array { ty, .. }
            | Expr::Scalar { ty, .. } => *ty,
            Expr::Cast { to, .. } => *to,
            Expr::And(_)
            | Expr::Or(_)
            | Expr::Not(_)
            | Expr::IsNull(_)
            | Expr::InList { .. }
            | Expr::AnyArray { .. }
            | Expr::Exists(_)
            | Expr::AnyQuery { .. } => Type::Bool,
            Expr::Row(..) => Type::Record,
        }
    }
}

impl Rel {
    /// The columns that this relation produces, in order.
    pub fn columns(&self) -> Vec<(ColumnId, Type)> {
        match self {
            Rel::OneRow => vec![],
            Rel::Values { columns, .. }
            | Rel::SetOp { columns, .. }
            | Rel::Recursive { columns, .. }
            | Rel::WorkTable { columns, .. }
            | Rel::CteScan { columns, .. } => columns.clone(),
            Rel::Scan { columns, .. } | Rel::PointGet { columns, .. } => columns.iter().map(|(id, ty, _)| (*id, *ty)).collect(),
            Rel::Function { columns, ordinality, .. } => columns.iter().copied().chain(ordinality.map(|id| (id, Type::Int8))).collect(),
            Rel::Filter { input, .. }
            | Rel::Sort { input, .. }
            | Rel::Limit { input, .. }
            | Rel::Distinct { input, .. }
            | Rel::With { input, .. } => input.columns(),
            Rel::Project { exprs, .. } => exprs.iter().map(|(id, expr)| (*id, expr.ty())).collect(),
            Rel::ProjectSet { input, calls } => input
                .columns()
                .into_iter()
                .chain(calls.iter().map(|(id, ty, _)| (*id, *ty)))
                .collect(),
            Rel::Join { left, right, .. } => left.columns().into_iter().chain(right.columns()).collect(),
            Rel::Aggregate { groups, aggregates, .. } => groups
                .iter()
                .map(|(id, expr)| (*id, expr.ty()))
                .chain(aggregates.iter().map(|(id, call)| (*id, call.ty)))
                .collect(),
            Rel::Window { input, calls } => input
                .columns()
                .into_iter()
                .chain(calls.iter().map(|(id, call)| (*id, call.ty)))
                .collect(),
        }
    }
}

/// Both walks over an expression's direct children, shared and mutable, from one list of variants.
macro_rules! expr_children {
    ($self:expr, $f:expr, $iter:ident, $walk_rel:ident) => {
        match $self {
            Expr::Const(..) | Expr::Param { .. } | Expr::Column { .. } => {}
            Expr::Call { args, .. } | Expr::UserCall { args, .. } => args.$iter().for_each($f),
            Expr::And(args) | Expr::Or(args) | Expr::Coalesce(args, _) | Expr::Row(args, _) => args.$iter().for_each($f),
            Expr::Array { elements, .. } => elements.$iter().for_each($f),
            Expr::Cast { arg, .. } | Expr::Not(arg) | Expr::IsNull(arg) => $f(arg),
            Expr::Case { branches, otherwise, .. } => {
                for (condition, value) in branches.$iter() {
                    $f(condition);
                    $f(value);
                }
                if let Some(otherwise) = otherwise {
                    $f(otherwise);
                }
            }
            Expr::InList { left, list, .. } => {
                $f(left);
                list.$iter().for_each($f);
            }
            Expr::AnyArray { left, array, .. } => {
                $f(left);
                $f(array);
            }
            Expr::Scalar { query, .. } | Expr::Exists(query) => query.$walk_rel($f),
            Expr::AnyQuery { left, query, .. } => {
                $f(left);
                query.$walk_rel($f);
            }
        }
    };
}

/// Both walks over the expressions of a relation and of its inputs.
macro_rules! rel_exprs {
    ($self:expr, $f:expr, $iter:ident, $walk:ident) => {
        match $self {
            Rel::OneRow | Rel::Scan { .. } | Rel::WorkTable { .. } | Rel::CteScan { .. } => {}
            Rel::With { queries, input } => {
                for cte in queries.$iter() {
                    cte.query.$walk($f);
                }
                input.$walk($f);
            }
            Rel::Values { rows, .. } => rows.$iter().for_each(|row| row.$iter().for_each(&mut *$f)),
            Rel::PointGet { key, .. } => key.$iter().for_each($f),
            Rel::Function { call, .. } => match call {
                SetCall::Builtin { args, .. } | SetCall::User { args, .. } => args.$iter().for_each($f),
            },
            Rel::Filter { input, predicate } => {
                input.$walk($f);
                $f(predicate);
            }
            Rel::Project { input, exprs } => {
                input.$walk($f);
                exprs.$iter().for_each(|(_, expr)| $f(expr));
            }
            Rel::ProjectSet { input, calls } => {
                input.$walk($f);
                for (_, _, call) in calls.$iter() {
                    match call {
                        SetCall::Builtin { args, .. } | SetCall::User { args, .. } => args.$iter().for_each(&mut *$f),
                    }
                }
            }
            Rel::Join { left, right, on, .. } => {
                left.$walk($f);
                right.$walk($f);
                if let Some(on) = on {
                    $f(on);
                }
            }
            Rel::Aggregate { input, groups, aggregates, .. } => {
                input.$walk($f);
                groups.$iter().for_each(|(_, expr)| $f(expr));
                for (_, call) in aggregates.$iter() {
                    call.args.$iter().for_each(&mut *$f);
                    call.filter.$iter().for_each(&mut *$f);
                    call.order_by.$iter().for_each(|key| rel_exprs!(@key key, $f, $iter));
                }
            }
            Rel::Window { input, calls } => {
                input.$walk($f);
                for (_, call) in calls.$iter() {
                    call.args.$iter().for_each(&mut *$f);
                    call.filter.$iter().for_each(&mut *$f);
                    call.partition_by.$iter().for_each(&mut *$f);
                    call.order_by.$iter().for_each(|key| rel_exprs!(@key key, $f, $iter));
                }
            }
            Rel::Sort { input, keys } => {
                input.$walk($f);
                keys.$iter().for_each(|key| rel_exprs!(@key key, $f, $iter));
            }
            Rel::Limit { input, limit, offset } => {
                input.$walk($f);
                limit.$iter().for_each(&mut *$f);
                offset.$iter().for_each(&mut *$f);
            }
            Rel::Distinct { input, on } => {
                input.$walk($f);
                on.$iter().for_each(|on| on.$iter().for_each(&mut *$f));
            }
            Rel::SetOp { left, right, .. } => {
                left.$walk($f);
                right.$walk($f);
            }
            Rel::Recursive { base, recursive, .. } => {
                base.$walk($f);
                recursive.$walk($f);
            }
        }
    };
    (@key $key:expr, $f:expr, iter) => { $f(&$key.expr) };
    (@key $key:expr, $f:expr, iter_mut) => { $f(&mut $key.expr) };
}

impl Expr {
    /// Calls `f` for each direct child, and for the top expressions of the subqueries inside.
    pub fn for_each_child<'a>(&'a self, f: &mut dyn FnMut(&'a Expr)) {
        expr_children!(self, &mut *f, iter, for_each_expr);
    }

    /// As [`Expr::for_each_child`], to change them.
    pub fn for_each_child_mut(&mut self, f: &mut dyn FnMut(&mut Expr)) {
        expr_children!(self, &mut *f, iter_mut, for_each_expr_mut);
    }
}

impl Rel {
    /// Calls `f` for each top expression of this relation and of all its inputs.
    pub fn for_each_expr<'a>(&'a self, f: &mut dyn FnMut(&'a Expr)) {
        rel_exprs!(self, &mut *f, iter, for_each_expr);
    }

    /// As [`Rel::for_each_expr`], to change them.
    pub fn for_each_expr_mut(&mut self, f: &mut dyn FnMut(&mut Expr)) {
        rel_exprs!(self, &mut *f, iter_mut, for_each_expr_mut);
    }
}
