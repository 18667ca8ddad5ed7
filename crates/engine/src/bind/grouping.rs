//! GROUP BY: what is grouped by, and what may stand above it.

use query::ir::{ColumnId, Expr};
use sqlparser::ast::{self, GroupByExpr};
use types::{Result, SqlError, SqlState};

use super::select::{Item, ordinal};
use super::{Binder, Scope};
use crate::parse::fold;

impl Binder<'_> {
    /// The grouping expressions, each once, and the grouping sets as indexes into them.
    #[allow(clippy::type_complexity)] // two parts of one clause
    pub(super) fn group_by(
        &mut self,
        group_by: &GroupByExpr,
        items: &[Item],
        scope: &Scope<'_>,
    ) -> Result<(Vec<Expr>, Option<Vec<Vec<usize>>>)> {
        let GroupByExpr::Expressions(nodes, modifiers) = group_by else {
            return Err(SqlError::unsupported("GROUP BY ALL"));
        };
        if !modifiers.is_empty() {
            return Err(SqlError::new(SqlState::SyntaxError, "syntax error in GROUP BY"));
        }
        let mut groups: Vec<Expr> = vec![];
        // Each item of the clause as its alternatives; the sets are their cross product.
        let mut product: Vec<Vec<Vec<usize>>> = vec![];
        let mut plain = true;
        for node in nodes {
            let alternatives: Vec<Vec<&ast::Expr>> = match node {
                ast::Expr::GroupingSets(sets) => sets.iter().map(|set| set.iter().collect()).collect(),
                ast::Expr::Rollup(parts) => (0..=parts.len()).rev().map(|n| parts[..n].iter().flatten().collect()).collect(),
                ast::Expr::Cube(parts) => {
                    if parts.len() > 12 {
                        return Err(SqlError::new(SqlState::TooManyColumns, "CUBE is limited to 12 elements"));
                    }
                    (0..1usize << parts.len())
                        .rev()
                        .map(|mask| {
                            (0..parts.len())
                                .filter(|i| mask >> (parts.len() - 1 - i) & 1 == 1)
                                .flat_map(|i| &parts[i])
                                .collect()
                        })
                        .collect()
                }
                // GROUP BY () is one group of everything.
                ast::Expr::Tuple(parts) if parts.is_empty() => {
                    plain = false;
                    product.push(vec![vec![]]);
                    continue;
                }
                ast::Expr::Tuple(parts) => vec![parts.iter().collect()],
                other => vec![vec![other]],
            };
            plain &= alternatives.len() == 1 && !matches!(node, ast::Expr::GroupingSets(_) | ast::Expr::Rollup(_) | ast::Expr::Cube(_));
            let mut indexed = vec![];
            for alternative in alternatives {
                let mut set = vec![];
                for node in alternative {
                    let nodes: Vec<&ast::Expr> = match node {
                        ast::Expr::Tuple(parts) => parts.iter().collect(),
                        other => vec![other],
                    };
                    for node in nodes {
                        let expr = self.group_expr(node, items, scope)?;
                        let index = match groups.iter().position(|group| same(group, &expr)) {
                            Some(index) => index,
                            None => {
                                groups.push(expr);
                                groups.len() - 1
                            }
                        };
                        if !set.contains(&index) {
                            set.push(index);
                        }
                    }
                }
                indexed.push(set);
            }
            product.push(indexed);
        }
        if plain {
            return Ok((groups, None));
        }
        let mut sets: Vec<Vec<usize>> = vec![vec![]];
        for alternatives in product {
            let mut next = vec![];
            for set in &sets {
                for alternative in &alternatives {
                    let mut joined = set.clone();
                    joined.extend(alternative.iter().filter(|index| !set.contains(index)));
                    next.push(joined);
                }
            }
            if next.len() > 4096 {
                return Err(SqlError::new(
                    SqlState::StatementTooComplex,
                    "too many grouping sets present (maximum 4096)",
                ));
            }
            sets = next;
        }
        Ok((groups, Some(sets)))
    }

    pub(super) fn group_expr(&mut self, node: &ast::Expr, items: &[Item], scope: &Scope<'_>) -> Result<Expr> {
        if let Some(index) = ordinal(node, items.len(), "GROUP BY")? {
            return Ok(items[index].expr.clone());
        }
        if let ast::Expr::Identifier(ident) = node {
            // An input column first, then an output name.
            let name = fold(ident);
            if scope
                .tables
                .iter()
                .all(|table| table.columns.iter().all(|column| column.name != name || column.merged))
                && let Some(item) = items.iter().find(|item| item.name == name)
            {
                return Ok(item.expr.clone());
            }
        }
        let expr = self.expr(node, scope)?;
        self.unknown_to_text(expr)
    }
}

/// Replaces, above an aggregation, what is grouped by; refuses what is not.
pub(super) struct Grouping<'g> {
    pub(super) groups: &'g mut Vec<(ColumnId, Expr)>,
    /// The columns below the aggregation.
    pub(super) inner: &'g [ColumnId],
    pub(super) scope: &'g Scope<'g>,
    /// Columns that depend on a grouped primary key, under the column itself as placeholder.
    pub(super) fresh: Vec<(Expr, ColumnId)>,
    pub(super) plain: bool,
}

impl Grouping<'_> {
    pub(super) fn replace(&mut self, expr: &mut Expr) -> Result<()> {
        if let Some((id, group)) = self.groups.iter().find(|(_, group)| same(group, expr)) {
            *expr = Expr::Column { id: *id, ty: group.ty() };
            return Ok(());
        }
        if let Expr::Column { id, .. } = expr {
            if !self.inner.contains(id) {
                return Ok(());
            }
            return self.dependent(*id, expr);
        }
        let mut result = Ok(());
        expr.for_each_child_mut(&mut |child| {
            if result.is_ok() {
                result = self.replace(child);
            }
        });
        result
    }

    /// A column of a table whose primary key is grouped by is known to be the same in a group.
    fn dependent(&mut self, id: ColumnId, expr: &Expr) -> Result<()> {
        let entry = self
            .scope
            .tables
            .iter()
            .find(|table| table.columns.iter().any(|column| column.id == id));
        let Some((entry, column)) =
            entry.and_then(|entry| entry.columns.iter().find(|column| column.id == id).map(|column| (entry, column)))
        else {
            return Ok(());
        };
        if self.plain
            && let Some(key) = entry.table.as_ref().and_then(|table| table.primary_key.as_ref())
            && key.columns.iter().all(|index| {
                entry.columns.get(*index).is_some_and(|part| {
                    self.groups
                        .iter()
                        .any(|(_, group)| matches!(group, Expr::Column { id, .. } if *id == part.id))
                })
            })
        {
            if !self.fresh.iter().any(|(_, known)| *known == id) {
                self.fresh.push((expr.clone(), id));
            }
            return Ok(());
        }
        let name = match &entry.alias {
            Some(alias) => format!("{alias}.{}", column.name),
            None => column.name.clone(),
        };
        Err(SqlError::new(
            SqlState::GroupingError,
            format!("column \"{name}\" must appear in the GROUP BY clause or be used in an aggregate function"),
        ))
    }
}

pub(super) fn rename(expr: &mut Expr, from: ColumnId, to: ColumnId) {
    if let Expr::Column { id, .. } = expr
        && *id == from
    {
        *id = to;
    }
    expr.for_each_child_mut(&mut |child| rename(child, from, to));
}

/// Whether two expressions are the same computation.
pub(super) fn same(left: &Expr, right: &Expr) -> bool {
    match (left, right) {
        (Expr::Column { id: left, .. }, Expr::Column { id: right, .. }) => left == right,
        (Expr::Param { index: left, .. }, Expr::Param { index: right, .. }) => left == right,
        (Expr::Const(left, of_left), Expr::Const(right, of_right)) => {
            of_left == of_right
                && left.is_null() == right.is_null()
                && (left.is_null() || types::compare::compare(left, right) == std::cmp::Ordering::Equal)
        }
        (
            Expr::Call {
                function: left,
                args: of_left,
                ..
            },
            Expr::Call {
                function: right,
                args: of_right,
                ..
            },
        ) => std::ptr::eq(*left, *right) && left.volatility != functions::Volatility::Volatile && same_all(of_left, of_right),
        (
            Expr::UserCall {
                function: left,
                args: of_left,
                ..
            },
            Expr::UserCall {
                function: right,
                args: of_right,
                ..
            },
        ) => left.oid == right.oid && same_all(of_left, of_right),
        (
            Expr::Cast {
                arg: left,
                to: a,
                typmod: m,
                ..
            },
            Expr::Cast {
                arg: right,
                to: b,
                typmod: n,
                ..
            },
        ) => a == b && m == n && same(left, right),
        (Expr::And(left), Expr::And(right)) | (Expr::Or(left), Expr::Or(right)) | (Expr::Row(left, _), Expr::Row(right, _)) => {
            same_all(left, right)
        }
        (Expr::Coalesce(left, _), Expr::Coalesce(right, _)) => same_all(left, right),
        (Expr::Not(left), Expr::Not(right)) | (Expr::IsNull(left), Expr::IsNull(right)) => same(left, right),
        (Expr::Array { elements: left, ty: a }, Expr::Array { elements: right, ty: b }) => a == b && same_all(left, right),
        (
            Expr::Case {
                branches: left,
                otherwise: of_left,
                ..
            },
            Expr::Case {
                branches: right,
                otherwise: of_right,
                ..
            },
        ) => {
            left.len() == right.len()
                && left.iter().zip(right).all(|((a, b), (c, d))| same(a, c) && same(b, d))
                && match (of_left, of_right) {
                    (Some(left), Some(right)) => same(left, right),
                    (None, None) => true,
                    _ => false,
                }
        }
        (
            Expr::InList { left, op, list, all },
            Expr::InList {
                left: other,
                op: other_op,
                list: other_list,
                all: other_all,
            },
        ) => std::ptr::eq(*op, *other_op) && all == other_all && same(left, other) && same_all(list, other_list),
        // Subqueries are never taken for each other.
        _ => false,
    }
}

fn same_all(left: &[Expr], right: &[Expr]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
}
