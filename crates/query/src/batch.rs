//! Evaluating an expression over many rows at once, so that a user's function inside it is called
//! with batches of arguments. What a row does not need is still not evaluated for it: each node
//! is given the rows that it is wanted for.

use types::{Datum, Result, SqlError};

use crate::env::Env;
use crate::eval::{Node, any_array, boolean, call, call_user, convert, in_set, is_null, make_array, quantified, truth};
use crate::host::Row;

impl Node {
    /// One value per row.
    pub fn eval_rows(&self, rows: &[Row], env: &Env) -> Result<Vec<Datum>> {
        let all: Vec<usize> = (0..rows.len()).collect();
        self.eval_some(rows, &all, env)
    }

    /// One value per row, where the rows are there as columns: of `count` values each, in the order of the layout.
    pub fn eval_columns(&self, columns: Vec<Vec<Datum>>, count: usize, env: &Env) -> Result<Vec<Datum>> {
        if let Node::UserCall { function, args } = self
            && let Some(args) = args.iter().map(|arg| arg.column(&columns)).collect::<Option<Vec<&[Datum]>>>()
        {
            return call_user(function, count, &args, env);
        }
        let mut rows: Vec<Row> = (0..count).map(|_| Vec::with_capacity(columns.len())).collect();
        for column in columns {
            for (row, value) in rows.iter_mut().zip(column) {
                row.push(value);
            }
        }
        self.eval_rows(&rows, env)
    }

    fn column<'a>(&self, columns: &'a [Vec<Datum>]) -> Option<&'a [Datum]> {
        match self {
            Node::Column(index) => columns.get(*index).map(Vec::as_slice),
            _ => None,
        }
    }

    /// True if a user's function is called here, outside of subqueries.
    pub fn has_user_call(&self) -> bool {
        matches!(self, Node::UserCall { .. }) || self.children().into_iter().any(Node::has_user_call)
    }

    fn children(&self) -> Vec<&Node> {
        match self {
            Node::Const(_) | Node::Param(_) | Node::Column(_) | Node::Outer(_) | Node::Subquery(_) => vec![],
            Node::Compare { left, right, .. } => vec![left, right],
            Node::Call { args, .. } | Node::UserCall { args, .. } => args.iter().collect(),
            Node::Cast { arg, .. } | Node::Not(arg) | Node::IsNull(arg) => vec![arg],
            Node::And(args) | Node::Or(args) | Node::Coalesce(args) | Node::Row(args) => args.iter().collect(),
            Node::Case { branches, otherwise } => branches
                .iter()
                .flat_map(|(condition, value)| [condition, value])
                .chain(otherwise.as_deref())
                .collect(),
            Node::Array { elements, .. } => elements.iter().collect(),
            Node::InList { left, list, .. } => std::iter::once(&**left).chain(list).collect(),
            Node::InSet { left, .. } => vec![left],
            Node::AnyArray { left, array, .. } => vec![left, array],
        }
    }

    /// The values for the rows at these positions, in their order.
    fn eval_some(&self, rows: &[Row], at: &[usize], env: &Env) -> Result<Vec<Datum>> {
        if at.is_empty() {
            return Ok(vec![]);
        }
        if let Node::Column(column) = self {
            // The most frequent argument of a user's function.
            let value = |index: &usize| rows[*index].get(*column).cloned();
            let missing = || SqlError::internal("a column is not in its row");
            return at.iter().map(|index| value(index).ok_or_else(missing)).collect();
        }
        if !self.has_user_call() {
            return at.iter().map(|index| self.eval(&rows[*index], env)).collect();
        }
        match self {
            // They hold no call, so the test above has dealt with them.
            Node::Const(_) | Node::Param(_) | Node::Column(_) | Node::Outer(_) | Node::Subquery(_) => {
                at.iter().map(|index| self.eval(&rows[*index], env)).collect()
            }
            Node::UserCall { function, args } => {
                let columns = args.iter().map(|arg| arg.eval_some(rows, at, env)).collect::<Result<Vec<_>>>()?;
                let columns: Vec<&[Datum]> = columns.iter().map(Vec::as_slice).collect();
                call_user(function, at.len(), &columns, env)
            }
            Node::Call { function, args } => transposed(args, rows, at, env)?
                .iter()
                .map(|args| call(function, args, env))
                .collect(),
            Node::Compare { op, left, right } => {
                let right = right.eval_some(rows, at, env)?;
                let left = left.eval_some(rows, at, env)?;
                let op = crate::eval::Op::Compare(*op);
                left.iter()
                    .zip(&right)
                    .map(|(left, right)| Ok(boolean(op.apply(left, right, env)?)))
                    .collect()
            }
            Node::Cast {
                arg,
                from,
                to,
                typmod,
                explicit,
            } => {
                let values = arg.eval_some(rows, at, env)?;
                values
                    .into_iter()
                    .map(|value| convert(value, *from, *to, *typmod, *explicit, env))
                    .collect()
            }
            Node::And(args) => connective(args, false, rows, at, env),
            Node::Or(args) => connective(args, true, rows, at, env),
            Node::Not(arg) => {
                let values = arg.eval_some(rows, at, env)?;
                values
                    .into_iter()
                    .map(|value| Ok(boolean(truth(value)?.map(|value| !value))))
                    .collect()
            }
            Node::IsNull(arg) => Ok(arg
                .eval_some(rows, at, env)?
                .iter()
                .map(|value| Datum::Bool(is_null(value)))
                .collect()),
            Node::Case { branches, otherwise } => {
                let mut results = Results::new(at);
                for (condition, value) in branches {
                    let truths = condition.eval_some(rows, &results.open, env)?;
                    let mut taken = vec![];
                    for (index, truth_value) in results.open.iter().zip(truths) {
                        if truth(truth_value)? == Some(true) {
                            taken.push(*index);
                        }
                    }
                    let values = value.eval_some(rows, &taken, env)?;
                    results.settle(taken, values);
                }
                if let Some(otherwise) = otherwise {
                    let rest = results.open.clone();
                    let values = otherwise.eval_some(rows, &rest, env)?;
                    results.settle(rest, values);
                }
                Ok(results.values)
            }
            Node::Coalesce(args) => {
                let mut results = Results::new(at);
                for arg in args {
                    let values = arg.eval_some(rows, &results.open, env)?;
                    let found = results.open.iter().copied().zip(values).filter(|(_, value)| !value.is_null());
                    let (taken, values) = found.unzip();
                    results.settle(taken, values);
                }
                Ok(results.values)
            }
            Node::Array { element, nested, elements } => transposed(elements, rows, at, env)?
                .into_iter()
                .map(|values| make_array(*element, *nested, values))
                .collect(),
            Node::Row(fields) => Ok(transposed(fields, rows, at, env)?.into_iter().map(Datum::Record).collect()),
            Node::InList { left, op, list, all } => {
                let left = left.eval_some(rows, at, env)?;
                let lists = transposed(list, rows, at, env)?;
                let each = left.iter().zip(lists);
                each.map(|(left, list)| Ok(boolean(quantified(left, *op, &mut list.into_iter().map(Ok), *all, env)?)))
                    .collect()
            }
            Node::InSet { left, set, null, all } => Ok(left
                .eval_some(rows, at, env)?
                .into_iter()
                .map(|left| in_set(left, set, *null, *all))
                .collect()),
            Node::AnyArray { left, op, array, all } => {
                let left = left.eval_some(rows, at, env)?;
                let arrays = array.eval_some(rows, at, env)?;
                left.iter()
                    .zip(arrays)
                    .map(|(left, array)| any_array(left, *op, array, *all, env))
                    .collect()
            }
        }
    }
}

/// One row of argument values per position.
fn transposed(nodes: &[Node], rows: &[Row], at: &[usize], env: &Env) -> Result<Vec<Row>> {
    let mut out: Vec<Row> = at.iter().map(|_| Vec::with_capacity(nodes.len())).collect();
    for node in nodes {
        for (row, value) in out.iter_mut().zip(node.eval_some(rows, at, env)?) {
            row.push(value);
        }
    }
    Ok(out)
}

/// AND or OR: `decisive` is the value that ends it.
fn connective(args: &[Node], decisive: bool, rows: &[Row], at: &[usize], env: &Env) -> Result<Vec<Datum>> {
    let mut results = Results::new(at);
    let mut nulls = vec![false; rows.len()];
    for arg in args {
        let mut decided = vec![];
        for (index, value) in results.open.iter().zip(arg.eval_some(rows, &results.open, env)?) {
            match truth(value)? {
                Some(value) if value == decisive => decided.push(*index),
                Some(_) => {}
                None => nulls[*index] = true,
            }
        }
        let values = vec![Datum::Bool(decisive); decided.len()];
        results.settle(decided, values);
    }
    let rest = results.open.clone();
    let values = rest.iter().map(|index| boolean((!nulls[*index]).then_some(!decisive))).collect();
    results.settle(rest, values);
    Ok(results.values)
}

/// The values found so far and the rows that still wait for theirs.
struct Results<'a> {
    at: &'a [usize],
    values: Vec<Datum>,
    /// Positions of rows, ascending like `at`.
    open: Vec<usize>,
}

impl Results<'_> {
    fn new(at: &[usize]) -> Results<'_> {
        Results {
            at,
            values: vec![Datum::Null; at.len()],
            open: at.to_vec(),
        }
    }

    /// `rows` are positions out of `open`, ascending.
    fn settle(&mut self, rows: Vec<usize>, values: Vec<Datum>) {
        let mut next = 0;
        for (row, value) in rows.iter().zip(values) {
            while self.at[next] != *row {
                next += 1;
            }
            self.values[next] = value;
        }
        let mut settled = rows.into_iter().peekable();
        self.open.retain(|row| settled.next_if_eq(row).is_none());
    }
}
