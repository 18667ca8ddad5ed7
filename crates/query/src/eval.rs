//! The row evaluator: expressions over one row of values.
//!
//! An [`Expr`] becomes a [`Node`] once, with its columns found in the row's layout, and is then
//! evaluated for each row. AND, OR, CASE and COALESCE evaluate no more than they need, from left
//! to right, as PostgreSQL does. A column that the layout does not have belongs to a query around
//! this one and is looked up in the environment.

use std::collections::HashSet;
use std::sync::Arc;

use functions::{Scalar, Volatility};
use types::compare::Key;
use types::{Array, Datum, NO_TYPMOD, Result, SqlError, SqlState, Type};

use crate::compare::{Comparison, comparison, order, widened};
use crate::env::Env;
use crate::host::Host;
use crate::ir::{ColumnId, Expr};
use crate::plan::Planner;
use crate::subquery::{Kind, Subquery};
use crate::walk;

/// From this many constants on, IN looks its left side up in a set.
const HASHED_LIST: usize = 8;

/// Evaluates `expr` over one row whose columns are `columns`.
pub fn eval(expr: &Expr, columns: &[ColumnId], row: &[Datum], host: &Arc<dyn Host>) -> Result<Datum> {
    Evaluator::new(expr, columns, host)?.eval(row)
}

/// An expression made ready to be evaluated over many rows of one layout.
pub struct Evaluator {
    node: Node,
    env: Env,
}

impl Evaluator {
    pub fn new(expr: &Expr, columns: &[ColumnId], host: &Arc<dyn Host>) -> Result<Evaluator> {
        walk::check_expr_depth(expr, 0)?;
        // Only what a subquery reads depends on it.
        let used = if walk::has_subquery(expr) {
            walk::columns_used_below(expr)
        } else {
            HashSet::new()
        };
        let env = Env::new(host.clone());
        let node = Planner::new(used, host.environment()).node(expr, columns)?;
        Ok(Evaluator { node, env })
    }

    pub fn eval(&self, row: &[Datum]) -> Result<Datum> {
        self.node.eval(row, &self.env)
    }

    /// One result per row; users' functions are called with batches of rows.
    pub fn eval_rows(&self, rows: &[Vec<Datum>]) -> Result<Vec<Datum>> {
        self.node.eval_rows(rows, &self.env)
    }
}

/// An expression whose columns are positions in a row.
#[derive(Debug)]
pub(crate) enum Node {
    Const(Datum),
    Param(usize),
    Column(usize),
    Outer(ColumnId),
    Compare {
        op: Comparison,
        left: Box<Node>,
        right: Box<Node>,
    },
    Call {
        function: &'static Scalar,
        args: Box<[Node]>,
    },
    UserCall {
        function: Arc<catalog::Function>,
        args: Box<[Node]>,
    },
    Cast {
        arg: Box<Node>,
        from: Type,
        to: Type,
        typmod: i32,
        explicit: bool,
    },
    And(Box<[Node]>),
    Or(Box<[Node]>),
    Not(Box<Node>),
    IsNull(Box<Node>),
    Case {
        branches: Box<[(Node, Node)]>,
        otherwise: Option<Box<Node>>,
    },
    Coalesce(Box<[Node]>),
    Array {
        element: Type,
        nested: bool,
        elements: Box<[Node]>,
    },
    Row(Box<[Node]>),
    InList {
        left: Box<Node>,
        op: Op,
        list: Box<[Node]>,
        all: bool,
    },
    /// `=` ANY or `<>` ALL of constants; `null` if there was a NULL among them.
    InSet {
        left: Box<Node>,
        set: HashSet<Key>,
        null: bool,
        all: bool,
    },
    AnyArray {
        left: Box<Node>,
        op: Op,
        array: Box<Node>,
        all: bool,
    },
    Subquery(Box<Subquery>),
}

/// An operator between two values.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Compare(Comparison),
    Function(&'static Scalar),
}

impl Op {
    pub fn new(function: &'static Scalar, left: Type, right: Type) -> Op {
        match comparison(function, left, right) {
            Some(op) => Op::Compare(op),
            None => Op::Function(function),
        }
    }

    /// None for NULL.
    pub fn apply(self, left: &Datum, right: &Datum, env: &Env) -> Result<Option<bool>> {
        match self {
            Op::Compare(_) if left.is_null() || right.is_null() => Ok(None),
            Op::Compare(op) => Ok(Some(op.holds(order(left, right)))),
            Op::Function(function) => truth(call(function, &[left.clone(), right.clone()], env)?),
        }
    }

    fn is_strict(self) -> bool {
        match self {
            Op::Compare(_) => true,
            Op::Function(function) => function.strict,
        }
    }
}

impl Planner<'_> {
    /// `expr` over rows with these columns.
    pub fn node(&mut self, expr: &Expr, layout: &[ColumnId]) -> Result<Node> {
        Ok(match expr {
            Expr::Const(datum, _) => Node::Const(datum.clone()),
            Expr::Param { index, .. } => Node::Param(*index),
            Expr::Column { id, .. } => match layout.iter().position(|column| column == id) {
                Some(index) => Node::Column(index),
                None => Node::Outer(*id),
            },
            Expr::Call { function, args, .. } => self.call(function, args, layout)?,
            Expr::UserCall { function, args, .. } => Node::UserCall {
                function: function.clone(),
                args: self.nodes(args, layout)?,
            },
            Expr::Cast { arg, to, typmod, explicit } => self.cast(arg, *to, *typmod, *explicit, layout)?,
            Expr::And(args) => Node::And(self.nodes(args, layout)?),
            Expr::Or(args) => Node::Or(self.nodes(args, layout)?),
            Expr::Not(arg) => Node::Not(self.boxed(arg, layout)?),
            Expr::IsNull(arg) => Node::IsNull(self.boxed(arg, layout)?),
            Expr::Case { branches, otherwise, .. } => {
                let branch = |(condition, value): &(Expr, Expr)| Ok((self.node(condition, layout)?, self.node(value, layout)?));
                let branches = branches.iter().map(branch).collect::<Result<_>>()?;
                Node::Case {
                    branches,
                    otherwise: otherwise.as_ref().map(|expr| self.boxed(expr, layout)).transpose()?,
                }
            }
            Expr::Coalesce(args, _) => Node::Coalesce(self.nodes(args, layout)?),
            Expr::Array { elements, ty } => Node::Array {
                element: ty.element().ok_or_else(|| SqlError::internal("ARRAY[] without an array type"))?,
                nested: elements.iter().any(|element| matches!(element.ty(), Type::Array(_))),
                elements: self.nodes(elements, layout)?,
            },
            Expr::Row(fields, _) => Node::Row(self.nodes(fields, layout)?),
            Expr::InList { left, op, list, all } => self.in_list(left, op, list, *all, layout)?,
            Expr::AnyArray { left, op, array, all } => {
                let element = array.ty().element().unwrap_or(Type::Unknown);
                Node::AnyArray {
                    op: Op::new(op, left.ty(), element),
                    left: self.boxed(left, layout)?,
                    array: self.boxed(array, layout)?,
                    all: *all,
                }
            }
            Expr::Scalar { query, .. } => self.subquery(query, Kind::Scalar, layout)?,
            Expr::Exists(query) => self.subquery(query, Kind::Exists, layout)?,
            Expr::AnyQuery { left, op, query, all } => {
                let item = query.columns().first().map_or(Type::Unknown, |(_, ty)| *ty);
                let kind = Kind::Any {
                    op: Op::new(op, left.ty(), item),
                    left: self.node(left, layout)?,
                    all: *all,
                };
                self.subquery(query, kind, layout)?
            }
        })
    }

    pub fn nodes(&mut self, exprs: &[Expr], layout: &[ColumnId]) -> Result<Box<[Node]>> {
        exprs.iter().map(|expr| self.node(expr, layout)).collect()
    }

    fn boxed(&mut self, expr: &Expr, layout: &[ColumnId]) -> Result<Box<Node>> {
        Ok(Box::new(self.node(expr, layout)?))
    }

    fn call(&mut self, function: &'static Scalar, args: &[Expr], layout: &[ColumnId]) -> Result<Node> {
        if let [left, right] = args
            && let Some(op) = comparison(function, left.ty(), right.ty())
        {
            return Ok(Node::Compare {
                op,
                left: self.boxed(left, layout)?,
                right: self.boxed(right, layout)?,
            });
        }
        let nodes = self.nodes(args, layout)?;
        let constants: Option<Vec<Datum>> = nodes.iter().map(constant).collect();
        // An immutable call on constants is made once. If it fails, it fails again when, and if,
        // a row needs it.
        if function.volatility == Volatility::Immutable
            && let Some(args) = constants
            && let Ok(value) = run(function, &args, self.environment())
        {
            return Ok(Node::Const(value));
        }
        Ok(Node::Call { function, args: nodes })
    }

    fn cast(&mut self, arg: &Expr, to: Type, typmod: i32, explicit: bool, layout: &[ColumnId]) -> Result<Node> {
        let from = arg.ty();
        let node = self.node(arg, layout)?;
        if from == to && typmod == NO_TYPMOD {
            return Ok(node);
        }
        Ok(Node::Cast {
            arg: Box::new(node),
            from,
            to,
            typmod,
            explicit,
        })
    }

    fn in_list(&mut self, left: &Expr, op: &'static Scalar, list: &[Expr], all: bool, layout: &[ColumnId]) -> Result<Node> {
        let item = list.first().map_or(Type::Unknown, Expr::ty);
        let op = Op::new(op, left.ty(), item);
        let left = self.boxed(left, layout)?;
        let list = self.nodes(list, layout)?;
        let hashable = match op {
            Op::Compare(Comparison::Eq) => !all,
            Op::Compare(Comparison::NotEq) => all,
            Op::Compare(Comparison::Lt | Comparison::LtEq | Comparison::Gt | Comparison::GtEq) | Op::Function(_) => false,
        };
        if hashable && list.len() >= HASHED_LIST && list.iter().all(|item| matches!(item, Node::Const(_))) {
            let items: Vec<Datum> = list.iter().filter_map(constant).collect();
            let null = items.iter().any(Datum::is_null);
            let set = items
                .into_iter()
                .filter(|item| !item.is_null())
                .map(|item| Key(vec![widened(item)]))
                .collect();
            return Ok(Node::InSet { left, set, null, all });
        }
        Ok(Node::InList { left, op, list, all })
    }
}

fn constant(node: &Node) -> Option<Datum> {
    match node {
        Node::Const(datum) => Some(datum.clone()),
        _ => None,
    }
}

impl Node {
    pub fn eval(&self, row: &[Datum], env: &Env) -> Result<Datum> {
        match self {
            Node::Const(_) | Node::Param(_) | Node::Column(_) | Node::Outer(_) => Ok(self.borrowed(row, env)?.cloned().unwrap_or_default()),
            Node::Compare { op, left, right } => {
                let (left_value, right_value);
                let left = match left.borrowed(row, env)? {
                    Some(datum) => datum,
                    None => {
                        left_value = left.eval(row, env)?;
                        &left_value
                    }
                };
                let right = match right.borrowed(row, env)? {
                    Some(datum) => datum,
                    None => {
                        right_value = right.eval(row, env)?;
                        &right_value
                    }
                };
                Ok(boolean(Op::Compare(*op).apply(left, right, env)?))
            }
            Node::Call { function, args } => match &**args {
                [] => call(function, &[], env),
                [a] => call(function, &[a.eval(row, env)?], env),
                [a, b] => call(function, &[a.eval(row, env)?, b.eval(row, env)?], env),
                args => call(function, &eval_all(args, row, env)?, env),
            },
            Node::UserCall { function, args } => {
                let args = eval_all(args, row, env)?;
                Ok(call_user(function, 1, &columns_of(&args), env)?.pop().unwrap_or_default())
            }
            Node::Cast {
                arg,
                from,
                to,
                typmod,
                explicit,
            } => convert(arg.eval(row, env)?, *from, *to, *typmod, *explicit, env),
            Node::And(args) => {
                let mut result = Some(true);
                for arg in args {
                    match arg.test(row, env)? {
                        Some(false) => return Ok(Datum::Bool(false)),
                        Some(true) => {}
                        None => result = None,
                    }
                }
                Ok(boolean(result))
            }
            Node::Or(args) => {
                let mut result = Some(false);
                for arg in args {
                    match arg.test(row, env)? {
                        Some(true) => return Ok(Datum::Bool(true)),
                        Some(false) => {}
                        None => result = None,
                    }
                }
                Ok(boolean(result))
            }
            Node::Not(arg) => Ok(boolean(arg.test(row, env)?.map(|value| !value))),
            Node::IsNull(arg) => Ok(Datum::Bool(match arg.borrowed(row, env)? {
                Some(datum) => is_null(datum),
                None => is_null(&arg.eval(row, env)?),
            })),
            Node::Case { branches, otherwise } => {
                for (condition, value) in branches {
                    if condition.test(row, env)? == Some(true) {
                        return value.eval(row, env);
                    }
                }
                otherwise.as_ref().map_or(Ok(Datum::Null), |node| node.eval(row, env))
            }
            Node::Coalesce(args) => {
                for arg in args {
                    let value = arg.eval(row, env)?;
                    if !value.is_null() {
                        return Ok(value);
                    }
                }
                Ok(Datum::Null)
            }
            Node::Array { element, nested, elements } => make_array(*element, *nested, eval_all(elements, row, env)?),
            Node::Row(fields) => Ok(Datum::Record(eval_all(fields, row, env)?)),
            Node::InList { left, op, list, all } => {
                let left = left.eval(row, env)?;
                let mut items = list.iter().map(|item| item.eval(row, env));
                Ok(boolean(quantified(&left, *op, &mut items, *all, env)?))
            }
            Node::InSet { left, set, null, all } => Ok(in_set(left.eval(row, env)?, set, *null, *all)),
            Node::AnyArray { left, op, array, all } => {
                let left = left.eval(row, env)?;
                any_array(&left, *op, array.eval(row, env)?, *all, env)
            }
            Node::Subquery(subquery) => subquery.eval(row, env),
        }
    }

    /// The value of a node that is one already.
    fn borrowed<'a>(&'a self, row: &'a [Datum], env: &'a Env) -> Result<Option<&'a Datum>> {
        match self {
            Node::Const(datum) => Ok(Some(datum)),
            Node::Column(index) => match row.get(*index) {
                Some(datum) => Ok(Some(datum)),
                None => Err(SqlError::internal("a row is shorter than its layout")),
            },
            Node::Param(index) => env.param(*index).map(Some),
            Node::Outer(id) => env.outer(*id).map(Some),
            _ => Ok(None),
        }
    }

    /// The truth of a condition; None for NULL.
    pub fn test(&self, row: &[Datum], env: &Env) -> Result<Option<bool>> {
        truth(self.eval(row, env)?)
    }
}

pub(crate) fn eval_all(nodes: &[Node], row: &[Datum], env: &Env) -> Result<Vec<Datum>> {
    nodes.iter().map(|node| node.eval(row, env)).collect()
}

pub(crate) fn boolean(value: Option<bool>) -> Datum {
    value.map_or(Datum::Null, Datum::Bool)
}

pub(crate) fn truth(datum: Datum) -> Result<Option<bool>> {
    match datum {
        Datum::Bool(value) => Ok(Some(value)),
        Datum::Null => Ok(None),
        _ => Err(SqlError::internal("a condition is not a boolean")),
    }
}

/// A row is NULL if all of its fields are.
pub(crate) fn is_null(datum: &Datum) -> bool {
    match datum {
        Datum::Null => true,
        Datum::Record(fields) => fields.iter().all(Datum::is_null),
        _ => false,
    }
}

pub(crate) fn call(function: &'static Scalar, args: &[Datum], env: &Env) -> Result<Datum> {
    run(function, args, env.functions())
}

fn run(function: &'static Scalar, args: &[Datum], environment: &dyn functions::Environment) -> Result<Datum> {
    if function.strict && args.iter().any(Datum::is_null) {
        return Ok(Datum::Null);
    }
    (function.run)(environment, args)
}

/// One row as columns of one value.
pub(crate) fn columns_of(row: &[Datum]) -> Vec<&[Datum]> {
    row.iter().map(std::slice::from_ref).collect()
}

/// One result for each of so many rows, whose arguments come column by column; in batches that the host takes.
pub(crate) fn call_user(function: &Arc<catalog::Function>, rows: usize, args: &[&[Datum]], env: &Env) -> Result<Vec<Datum>> {
    let any_null = || args.iter().any(|column| column.iter().any(Datum::is_null));
    if !function.strict || !any_null() {
        return call_batches(function, rows, args, env);
    }
    let wanted: Vec<bool> = (0..rows).map(|row| !args.iter().any(|column| column[row].is_null())).collect();
    let of_wanted = |column: &&[Datum]| -> Vec<Datum> {
        let values = column.iter().zip(&wanted);
        values.filter(|(_, wanted)| **wanted).map(|(value, _)| value.clone()).collect()
    };
    let columns: Vec<Vec<Datum>> = args.iter().map(of_wanted).collect();
    let args: Vec<&[Datum]> = columns.iter().map(Vec::as_slice).collect();
    let count = wanted.iter().filter(|wanted| **wanted).count();
    let mut results = call_batches(function, count, &args, env)?.into_iter();
    Ok(wanted
        .into_iter()
        .map(|wanted| if wanted { results.next().unwrap_or_default() } else { Datum::Null })
        .collect())
}

fn call_batches(function: &Arc<catalog::Function>, rows: usize, args: &[&[Datum]], env: &Env) -> Result<Vec<Datum>> {
    let mut results = vec![];
    while results.len() < rows {
        let batch = results.len()..rows.min(results.len() + crate::host::BATCH_ROWS);
        let args: Vec<&[Datum]> = args.iter().map(|column| &column[batch.clone()]).collect();
        let answers = env.host.call(function, batch.len(), &args)?;
        if answers.len() != batch.len() {
            return Err(SqlError::internal(format!(
                "function {} gave {} results for {} rows",
                function.name,
                answers.len(),
                batch.len()
            )));
        }
        // Most often there is one batch.
        match results.is_empty() {
            true => results = answers,
            false => results.extend(answers),
        }
    }
    Ok(results)
}

pub(crate) fn convert(datum: Datum, from: Type, to: Type, typmod: i32, explicit: bool, env: &Env) -> Result<Datum> {
    if datum.is_null() {
        return Ok(Datum::Null);
    }
    functions::cast::cast(env.functions(), datum, from, to, typmod, explicit)
}

/// `left op ANY (items)` or ALL; stops at the first item that decides.
pub(crate) fn quantified(
    left: &Datum,
    op: Op,
    items: &mut dyn Iterator<Item = Result<Datum>>,
    all: bool,
    env: &Env,
) -> Result<Option<bool>> {
    let mut result = Some(all);
    for item in items {
        match op.apply(left, &item?, env)? {
            Some(value) if value != all => return Ok(Some(value)),
            Some(_) => {}
            None => result = None,
        }
    }
    Ok(result)
}

pub(crate) fn in_set(left: Datum, set: &HashSet<Key>, null: bool, all: bool) -> Datum {
    if left.is_null() {
        return if set.is_empty() && !null { Datum::Bool(all) } else { Datum::Null };
    }
    match set.contains(&Key(vec![widened(left)])) {
        true => Datum::Bool(!all),
        false if null => Datum::Null,
        false => Datum::Bool(all),
    }
}

pub(crate) fn any_array(left: &Datum, op: Op, array: Datum, all: bool, env: &Env) -> Result<Datum> {
    let array = match array {
        Datum::Array(array) => array,
        Datum::Null => return Ok(Datum::Null),
        _ => return Err(SqlError::internal("ANY or ALL of something that is not an array")),
    };
    if !array.values.is_empty() && left.is_null() && op.is_strict() {
        return Ok(Datum::Null);
    }
    Ok(boolean(quantified(left, op, &mut array.values.into_iter().map(Ok), all, env)?))
}

/// `ARRAY[...]`: of values, or of arrays of one shape, which become one of a dimension more.
pub(crate) fn make_array(element: Type, nested: bool, values: Vec<Datum>) -> Result<Datum> {
    if !nested {
        return Ok(Datum::array(element, values));
    }
    let mismatch = || {
        SqlError::new(
            SqlState::ArrayElementError,
            "multidimensional arrays must have array expressions with matching dimensions",
        )
    };
    let mut shape: Option<Vec<(i32, i32)>> = None;
    let mut parts = 0i32;
    let mut flat = vec![];
    let mut skipped = false;
    for value in values {
        match value {
            // PostgreSQL leaves empty and NULL arrays out, unless others are there to not match.
            Datum::Null => skipped = true,
            Datum::Array(array) if array.dims.is_empty() => skipped = true,
            Datum::Array(array) => {
                if shape.as_ref().is_some_and(|shape| *shape != array.dims) {
                    return Err(mismatch());
                }
                shape = Some(array.dims);
                parts += 1;
                flat.extend(array.values);
            }
            _ => return Err(SqlError::internal("a nested array's element is not an array")),
        }
    }
    match shape {
        None => Ok(Datum::array(element, vec![])),
        Some(_) if skipped => Err(mismatch()),
        Some(shape) => {
            let dims = std::iter::once((parts, 1)).chain(shape).collect();
            Ok(Datum::Array(Box::new(Array {
                element,
                dims,
                values: flat,
            })))
        }
    }
}
