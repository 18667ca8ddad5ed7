//! The point path: statements that name a row by its primary key.
//!
//! A filter over a scan that gives every key column a value becomes [`Rel::PointGet`]: one look-up,
//! no query library. What the filter says beyond the key stays a filter above it.

use query::ir::{Expr, Rel};
use types::Type;

/// Rewrites, everywhere in a plan, scans by primary key to look-ups.
pub fn rewrite(rel: &mut Rel) {
    match rel {
        Rel::Filter { input, predicate } => {
            if let Some(get) = point_get(input, predicate) {
                *rel = get;
                return;
            }
            rewrite(input);
        }
        Rel::Project { input, .. }
        | Rel::ProjectSet { input, .. }
        | Rel::Aggregate { input, .. }
        | Rel::Window { input, .. }
        | Rel::Sort { input, .. }
        | Rel::Limit { input, .. }
        | Rel::Distinct { input, .. } => rewrite(input),
        Rel::Join { left, right, .. } | Rel::SetOp { left, right, .. } => {
            rewrite(left);
            rewrite(right);
        }
        Rel::Recursive { base, recursive, .. } => {
            rewrite(base);
            rewrite(recursive);
        }
        Rel::With { queries, input } => {
            queries.iter_mut().for_each(|cte| rewrite(&mut cte.query));
            rewrite(input);
        }
        Rel::OneRow
        | Rel::Values { .. }
        | Rel::Scan { .. }
        | Rel::PointGet { .. }
        | Rel::Function { .. }
        | Rel::WorkTable { .. }
        | Rel::CteScan { .. } => {}
    }
}

fn point_get(input: &Rel, predicate: &Expr) -> Option<Rel> {
    let Rel::Scan { table, columns } = input else { return None };
    let key_columns = &table.primary_key.as_ref()?.columns;
    let mut conditions: Vec<Expr> = match predicate {
        Expr::And(parts) => parts.clone(),
        other => vec![other.clone()],
    };
    let mut key = vec![];
    for index in key_columns {
        let (id, ty, _) = columns.iter().find(|(_, _, column)| column == index)?;
        let place = conditions.iter().position(|condition| key_value(condition, *id, *ty).is_some())?;
        key.push(key_value(&conditions.remove(place), *id, *ty)?);
    }
    let get = Rel::PointGet {
        table: table.clone(),
        key,
        columns: columns.clone(),
    };
    Some(match conditions.len() {
        0 => get,
        1 => Rel::Filter {
            input: Box::new(get),
            predicate: conditions.remove(0),
        },
        _ => Rel::Filter {
            input: Box::new(get),
            predicate: Expr::And(conditions),
        },
    })
}

/// The value that `column = value` (or the other way round) gives the column, in the column's type.
fn key_value(condition: &Expr, id: query::ir::ColumnId, ty: Type) -> Option<Expr> {
    let Expr::Call { function, args, .. } = condition else {
        return None;
    };
    if function.native != Some(functions::Native::Eq) && !is_equality(function) {
        return None;
    }
    let [left, right] = args.as_slice() else { return None };
    let value = match (is_column(left, id), is_column(right, id)) {
        (true, false) => right,
        (false, true) => left,
        _ => return None,
    };
    if !is_fixed(value) {
        return None;
    }
    match (value.ty(), ty) {
        (from, to) if from == to => Some(value.clone()),
        // Widening loses nothing; narrowing could, and is left to the filter.
        (Type::Int2, Type::Int4 | Type::Int8) | (Type::Int4, Type::Int8) => Some(Expr::Cast {
            arg: Box::new(value.clone()),
            to: ty,
            typmod: types::NO_TYPMOD,
            explicit: false,
        }),
        (Type::Text | Type::Varchar, Type::Text | Type::Varchar) => Some(value.clone()),
        _ => None,
    }
}

fn is_equality(function: &'static functions::Scalar) -> bool {
    functions::registry::operators("=")
        .iter()
        .any(|operator| std::ptr::eq(operator.function, function))
}

/// The column itself, or a varchar column seen as text.
fn is_column(expr: &Expr, column: query::ir::ColumnId) -> bool {
    match expr {
        Expr::Column { id, .. } => *id == column,
        Expr::Cast {
            arg,
            to: Type::Text,
            typmod: types::NO_TYPMOD,
            ..
        } => {
            matches!(&**arg, Expr::Column { id, ty: Type::Varchar } if *id == column)
        }
        _ => false,
    }
}

/// No columns, no subqueries, and the same value for the whole statement.
fn is_fixed(expr: &Expr) -> bool {
    let mut fixed = match expr {
        Expr::Column { .. } | Expr::Scalar { .. } | Expr::Exists(_) | Expr::AnyQuery { .. } | Expr::UserCall { .. } => false,
        Expr::Call { function, .. } => function.volatility != functions::Volatility::Volatile,
        _ => true,
    };
    expr.for_each_child(&mut |child| fixed &= is_fixed(child));
    fixed
}
