//! SELECT: its list, ORDER BY, and how its relations are stacked.

use std::collections::HashMap;

use query::ir::{AggregateTarget, ColumnId, Expr, JoinKind, Rel, SortKey};
use sqlparser::ast::{self, SelectItem, SetExpr};
use types::{Datum, Result, SqlError, SqlState, Type};

use super::after_sort;
use super::grouping::{Grouping, rename, same};
use super::{Binder, Bound, Level, NO_META, Output, Place, Scope};
use crate::parse::{fold, object_name};

/// An item of the select list, stars expanded.
pub(super) struct Item {
    pub(super) name: String,
    pub(super) expr: Expr,
}

impl Binder<'_> {
    pub(super) fn select(
        &mut self,
        select: &ast::Select,
        order_by: &[ast::OrderByExpr],
        parent: Option<&Scope<'_>>,
        keep_unknown: bool,
    ) -> Result<Bound> {
        if select.into.is_some() {
            return Err(SqlError::unsupported("SELECT INTO"));
        }
        if select.top.is_some()
            || select.qualify.is_some()
            || select.prewhere.is_some()
            || !select.lateral_views.is_empty()
            || !select.connect_by.is_empty()
        {
            return Err(SqlError::new(SqlState::SyntaxError, "syntax error in SELECT"));
        }
        self.levels.push(Level {
            named_windows: select.named_window.clone(),
            ..Level::default()
        });
        let result = self.select_inner(select, order_by, parent, keep_unknown);
        self.levels.pop();
        result
    }

    fn select_inner(
        &mut self,
        select: &ast::Select,
        order_by: &[ast::OrderByExpr],
        parent: Option<&Scope<'_>>,
        keep_unknown: bool,
    ) -> Result<Bound> {
        let (mut rel, scope) = self.bind_from(&select.from, parent)?;
        if let Some(selection) = &select.selection {
            let predicate = self.in_place(Place::Where, |binder| binder.bool_expr(selection, &scope, "WHERE"))?;
            rel = Rel::Filter {
                input: Box::new(rel),
                predicate,
            };
        }

        let mut items = self.select_list(&select.projection, &scope, keep_unknown)?;
        let mut having = select
            .having
            .as_ref()
            .map(|having| self.in_place(Place::Having, |binder| binder.bool_expr(having, &scope, "HAVING")))
            .transpose()?;
        let mut sort = self.in_place(Place::OrderBy, |binder| binder.order_by(order_by, &items, &scope))?;

        // GROUP BY.
        let (groups, sets) = self.in_place(Place::GroupBy, |binder| binder.group_by(&select.group_by, &items, &scope))?;
        let level = self.levels.last_mut().expect("select pushed a level");
        let mut aggregates = std::mem::take(&mut level.aggregates);
        let mut windows = std::mem::take(&mut level.windows);
        let mut set_calls = std::mem::take(&mut level.sets);
        if !groups.is_empty() || sets.is_some() || !aggregates.is_empty() || having.is_some() {
            let mut groups: Vec<(ColumnId, Expr)> = groups.into_iter().map(|expr| (self.column_for(&expr), expr)).collect();
            for (_, call) in &mut aggregates {
                if let AggregateTarget::Grouping(indexes) = &mut call.function {
                    for arg in std::mem::take(&mut call.args) {
                        let index = groups.iter().position(|(_, group)| same(group, &arg)).ok_or_else(|| {
                            SqlError::new(
                                SqlState::GroupingError,
                                "arguments to GROUPING must be grouping expressions of the associated query level",
                            )
                        })?;
                        indexes.push(index);
                    }
                }
            }
            let inner: Vec<ColumnId> = scope
                .tables
                .iter()
                .flat_map(|table| table.columns.iter().map(|column| column.id))
                .collect();
            let mut grouping = Grouping {
                groups: &mut groups,
                inner: &inner,
                scope: &scope,
                fresh: vec![],
                plain: sets.is_none(),
            };
            for item in &mut items {
                grouping.replace(&mut item.expr)?;
            }
            if let Some(having) = &mut having {
                grouping.replace(having)?;
            }
            for key in &mut sort {
                if let SortTarget::Expr(expr) = &mut key.target {
                    grouping.replace(expr)?;
                }
            }
            for (_, call) in &mut windows {
                call.args
                    .iter_mut()
                    .chain(&mut call.partition_by)
                    .chain(call.filter.iter_mut())
                    .try_for_each(|expr| grouping.replace(expr))?;
                call.order_by.iter_mut().try_for_each(|key| grouping.replace(&mut key.expr))?;
            }
            for (_, _, call) in &mut set_calls {
                match call {
                    query::ir::SetCall::Builtin { args, .. } | query::ir::SetCall::User { args, .. } => {
                        args.iter_mut().try_for_each(|expr| grouping.replace(expr))?;
                    }
                }
            }
            // Columns that depend on a grouped primary key become groups of their own.
            for (expr, placeholder) in grouping.fresh {
                let id = self.column_for(&expr);
                for target in items.iter_mut().map(|item| &mut item.expr).chain(having.iter_mut()) {
                    rename(target, placeholder, id);
                }
                for key in &mut sort {
                    if let SortTarget::Expr(expr) = &mut key.target {
                        rename(expr, placeholder, id);
                    }
                }
                for (_, call) in &mut windows {
                    call.args
                        .iter_mut()
                        .chain(&mut call.partition_by)
                        .for_each(|expr| rename(expr, placeholder, id));
                    call.order_by.iter_mut().for_each(|key| rename(&mut key.expr, placeholder, id));
                }
                groups.push((id, expr));
            }
            rel = Rel::Aggregate {
                input: Box::new(rel),
                groups,
                sets,
                aggregates,
            };
            if let Some(predicate) = having {
                rel = Rel::Filter {
                    input: Box::new(rel),
                    predicate,
                };
            }
        }
        if !windows.is_empty() {
            rel = Rel::Window {
                input: Box::new(rel),
                calls: windows,
            };
        }
        if !set_calls.is_empty() {
            rel = Rel::ProjectSet {
                input: Box::new(rel),
                calls: set_calls,
            };
        }

        // The select list, and sort keys that it does not hold.
        let mut columns = vec![];
        let mut exprs = vec![];
        for item in items {
            let expr = if keep_unknown {
                item.expr
            } else {
                self.unknown_to_text(item.expr)?
            };
            let id = self.column_for(&expr);
            columns.push(Output {
                name: item.name,
                id,
                ty: expr.ty(),
            });
            exprs.push((id, expr));
        }
        let visible = exprs.len();
        let mut keys = vec![];
        for key in sort {
            let expr = match key.target {
                SortTarget::Output(index) => Expr::Column {
                    id: columns[index].id,
                    ty: columns[index].ty,
                },
                SortTarget::Expr(expr) => {
                    let found = exprs[..visible].iter().find(|(_, item)| same(item, &expr));
                    match found {
                        Some((id, item)) => Expr::Column { id: *id, ty: item.ty() },
                        None if select
                            .distinct
                            .as_ref()
                            .is_some_and(|distinct| matches!(distinct, ast::Distinct::Distinct)) =>
                        {
                            return Err(SqlError::new(
                                SqlState::InvalidColumnReference,
                                "for SELECT DISTINCT, ORDER BY expressions must appear in select list",
                            ));
                        }
                        None => {
                            let id = self.new_column(NO_META);
                            let ty = expr.ty();
                            exprs.push((id, expr));
                            Expr::Column { id, ty }
                        }
                    }
                }
            };
            keys.push(SortKey {
                expr,
                descending: key.descending,
                nulls_first: key.nulls_first,
            });
        }
        let mut distinct_on = None;
        if let Some(ast::Distinct::On(nodes)) = &select.distinct {
            let mut on = vec![];
            for node in nodes {
                let expr = match ordinal(node, visible, "SELECT DISTINCT ON")? {
                    Some(index) => exprs[index].1.clone(),
                    None => self.expr(node, &scope)?,
                };
                let found = exprs.iter().find(|(_, item)| same(item, &expr)).map(|(id, item)| (*id, item.ty()));
                let (id, ty) = match found {
                    Some(found) => found,
                    None => {
                        let id = self.new_column(NO_META);
                        let ty = expr.ty();
                        exprs.push((id, expr));
                        (id, ty)
                    }
                };
                on.push(Expr::Column { id, ty });
            }
            let leading = keys.iter().take(on.len()).all(|key| on.iter().any(|on| same(on, &key.expr)));
            if !leading {
                return Err(SqlError::new(
                    SqlState::InvalidColumnReference,
                    "SELECT DISTINCT ON expressions must match initial ORDER BY expressions",
                ));
            }
            // Rows of one group must stand together; the user's order decides which comes first.
            for expr in &on {
                if !keys.iter().any(|key| same(&key.expr, expr)) {
                    keys.push(SortKey {
                        expr: expr.clone(),
                        descending: false,
                        nulls_first: false,
                    });
                }
            }
            distinct_on = Some(on);
        }
        let late = match select.distinct {
            None | Some(ast::Distinct::All) if !keys.is_empty() => after_sort::postponed(&mut exprs, visible, &keys, &rel),
            _ => HashMap::new(),
        };
        let hidden = exprs.len() > visible || !late.is_empty();
        rel = Rel::Project {
            input: Box::new(rel),
            exprs,
        };
        if matches!(select.distinct, Some(ast::Distinct::Distinct)) {
            rel = Rel::Distinct {
                input: Box::new(rel),
                on: None,
            };
        }
        if !keys.is_empty() {
            rel = Rel::Sort {
                input: Box::new(rel),
                keys,
            };
        }
        if let Some(on) = distinct_on {
            rel = Rel::Distinct {
                input: Box::new(rel),
                on: Some(on),
            };
        }
        if hidden {
            let mut late = late;
            let exprs = columns
                .iter()
                .map(|column| {
                    let made = Expr::Column {
                        id: column.id,
                        ty: column.ty,
                    };
                    (column.id, late.remove(&column.id).unwrap_or(made))
                })
                .collect();
            rel = Rel::Project {
                input: Box::new(rel),
                exprs,
            };
        }
        Ok(Bound { rel, columns })
    }

    fn select_list(&mut self, projection: &[SelectItem], scope: &Scope<'_>, keep_unknown: bool) -> Result<Vec<Item>> {
        let mut items = vec![];
        for item in projection {
            match item {
                SelectItem::UnnamedExpr(node) => {
                    let expr = self.expr(node, scope)?;
                    items.push(Item {
                        name: output_name(node),
                        expr,
                    });
                }
                SelectItem::ExprWithAlias { expr: node, alias } => {
                    let expr = self.expr(node, scope)?;
                    items.push(Item { name: fold(alias), expr });
                }
                SelectItem::Wildcard(_) => {
                    if scope.tables.is_empty() {
                        return Err(SqlError::new(
                            SqlState::SyntaxError,
                            "SELECT * with no tables specified is not valid",
                        ));
                    }
                    for table in &scope.tables {
                        for column in table.columns.iter().filter(|column| !column.merged) {
                            items.push(Item {
                                name: column.name.clone(),
                                expr: Expr::Column {
                                    id: column.id,
                                    ty: column.ty,
                                },
                            });
                        }
                    }
                }
                SelectItem::QualifiedWildcard(ast::SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                    let (_, alias) = object_name(name)?;
                    let table = scope.table(&alias).ok_or_else(|| {
                        SqlError::new(SqlState::UndefinedTable, format!("missing FROM-clause entry for table \"{alias}\""))
                    })?;
                    for column in &table.columns {
                        items.push(Item {
                            name: column.name.clone(),
                            expr: Expr::Column {
                                id: column.id,
                                ty: column.ty,
                            },
                        });
                    }
                }
                SelectItem::QualifiedWildcard(ast::SelectItemQualifiedWildcardKind::Expr(_), _) | SelectItem::ExprWithAliases { .. } => {
                    return Err(SqlError::unsupported(format!("the select item {item}")));
                }
            }
        }
        if !keep_unknown {
            for item in &mut items {
                let taken = std::mem::replace(&mut item.expr, Expr::Const(Datum::Null, Type::Text));
                item.expr = self.unknown_to_text(taken)?;
            }
        }
        Ok(items)
    }

    /// The select list of RETURNING.
    pub(super) fn returning(&mut self, projection: &[SelectItem], scope: &Scope<'_>) -> Result<Vec<(String, Expr)>> {
        self.levels.push(Level {
            place: Place::Returning,
            ..Level::default()
        });
        let items = self.select_list(projection, scope, false);
        self.levels.pop();
        Ok(items?.into_iter().map(|item| (item.name, item.expr)).collect())
    }

    fn order_by(&mut self, order_by: &[ast::OrderByExpr], items: &[Item], scope: &Scope<'_>) -> Result<Vec<Sort>> {
        let mut keys = vec![];
        for key in order_by {
            let options = &key.options;
            let target = match ordinal(&key.expr, items.len(), "ORDER BY")? {
                Some(index) => SortTarget::Output(index),
                None => {
                    // A bare name is an output column first.
                    let output = match &key.expr {
                        ast::Expr::Identifier(ident) => {
                            let name = fold(ident);
                            let mut found = items.iter().enumerate().filter(|(_, item)| item.name == name);
                            match (found.next(), found.next()) {
                                (Some((first, item)), Some((_, other))) if !same(&item.expr, &other.expr) => {
                                    let _ = first;
                                    return Err(SqlError::new(
                                        SqlState::AmbiguousColumn,
                                        format!("ORDER BY \"{name}\" is ambiguous"),
                                    ));
                                }
                                (Some((index, _)), _) => Some(index),
                                (None, _) => None,
                            }
                        }
                        _ => None,
                    };
                    match output {
                        Some(index) => SortTarget::Output(index),
                        None => {
                            let expr = self.expr(&key.expr, scope)?;
                            SortTarget::Expr(self.unknown_to_text(expr)?)
                        }
                    }
                }
            };
            let descending = options.asc == Some(false);
            keys.push(Sort {
                target,
                descending,
                nulls_first: options.nulls_first.unwrap_or(descending),
            });
        }
        Ok(keys)
    }
}

struct Sort {
    target: SortTarget,
    descending: bool,
    nulls_first: bool,
}

enum SortTarget {
    Output(usize),
    Expr(Expr),
}

/// `ORDER BY 2`: the 0-based output column that a bare number means.
pub(super) fn ordinal(node: &ast::Expr, columns: usize, clause: &str) -> Result<Option<usize>> {
    let ast::Expr::Value(value) = node else { return Ok(None) };
    match &value.value {
        ast::Value::Number(text, _) => match text.parse::<usize>() {
            Ok(number) if (1..=columns).contains(&number) => Ok(Some(number - 1)),
            Ok(number) => Err(SqlError::new(
                SqlState::InvalidColumnReference,
                format!("{clause} position {number} is not in select list"),
            )),
            Err(_) => Err(SqlError::new(SqlState::SyntaxError, format!("non-integer constant in {clause}"))),
        },
        ast::Value::SingleQuotedString(_) | ast::Value::Boolean(_) => {
            Err(SqlError::new(SqlState::SyntaxError, format!("non-integer constant in {clause}")))
        }
        _ => Ok(None),
    }
}

/// The name PostgreSQL gives an unnamed output column.
fn output_name(node: &ast::Expr) -> String {
    match node {
        ast::Expr::Identifier(ident) => fold(ident),
        ast::Expr::CompoundIdentifier(parts) => parts.last().map(fold).unwrap_or_default(),
        ast::Expr::Function(call) => object_name(&call.name).map(|(_, name)| name).unwrap_or_default(),
        ast::Expr::Nested(inner) | ast::Expr::Collate { expr: inner, .. } => output_name(inner),
        // The type's name is weaker than a column's or a function's, and the outer type's stronger than the inner's.
        ast::Expr::Cast { expr, data_type, .. } => match names_itself(expr) {
            true => output_name(expr),
            false => cast_name(data_type),
        },
        ast::Expr::TypedString(typed) => cast_name(&typed.data_type),
        ast::Expr::Interval(_) => "interval".into(),
        ast::Expr::Case { else_result, .. } => match else_result.as_deref().filter(|node| names_itself(node)) {
            Some(node) => output_name(node),
            None => "case".into(),
        },
        ast::Expr::Exists { .. } => "exists".into(),
        ast::Expr::Array(_) => "array".into(),
        ast::Expr::Tuple(_) => "row".into(),
        ast::Expr::Extract { .. } => "extract".into(),
        ast::Expr::Position { .. } => "position".into(),
        ast::Expr::Substring { .. } => "substring".into(),
        ast::Expr::Overlay { .. } => "overlay".into(),
        ast::Expr::Ceil { .. } => "ceil".into(),
        ast::Expr::Floor { .. } => "floor".into(),
        ast::Expr::AtTimeZone { .. } => "timezone".into(),
        ast::Expr::Trim { trim_where, .. } => match trim_where {
            Some(ast::TrimWhereField::Leading) => "ltrim".into(),
            Some(ast::TrimWhereField::Trailing) => "rtrim".into(),
            _ => "btrim".into(),
        },
        ast::Expr::CompoundFieldAccess { root, access_chain } => {
            let last = access_chain.iter().rev().find_map(|access| match access {
                ast::AccessExpr::Dot(ast::Expr::Identifier(ident)) => Some(fold(ident)),
                _ => None,
            });
            last.unwrap_or_else(|| output_name(root))
        }
        ast::Expr::BinaryOp {
            op: ast::BinaryOperator::Overlaps,
            ..
        } => "overlaps".into(),
        ast::Expr::Subquery(query) => match &*query.body {
            SetExpr::Select(select) => match select.projection.first() {
                Some(SelectItem::UnnamedExpr(node)) => output_name(node),
                Some(SelectItem::ExprWithAlias { alias, .. }) => fold(alias),
                _ => "?column?".into(),
            },
            _ => "?column?".into(),
        },
        _ => "?column?".into(),
    }
}

/// Whether PostgreSQL prefers an expression's own name to that of the type it is cast to.
fn names_itself(node: &ast::Expr) -> bool {
    match node {
        ast::Expr::Nested(inner) | ast::Expr::Collate { expr: inner, .. } | ast::Expr::Cast { expr: inner, .. } => names_itself(inner),
        ast::Expr::TypedString(_) | ast::Expr::Interval(_) => false,
        ast::Expr::Subquery(_) => true,
        ast::Expr::Case { else_result, .. } => else_result.as_deref().is_some_and(names_itself),
        other => output_name(other) != "?column?",
    }
}

fn cast_name(data_type: &ast::DataType) -> String {
    super::type_names::resolve(data_type)
        .map(|(ty, _)| ty.element().unwrap_or(ty).catalog_name())
        .unwrap_or_else(|_| "?column?".into())
}

/// Kept here because both FROM and USING need it.
pub(super) fn join_kind(operator: &ast::JoinOperator) -> Result<(JoinKind, &ast::JoinConstraint)> {
    Ok(match operator {
        ast::JoinOperator::Join(constraint) | ast::JoinOperator::Inner(constraint) | ast::JoinOperator::CrossJoin(constraint) => {
            (JoinKind::Inner, constraint)
        }
        ast::JoinOperator::Left(constraint) | ast::JoinOperator::LeftOuter(constraint) => (JoinKind::Left, constraint),
        ast::JoinOperator::Right(constraint) | ast::JoinOperator::RightOuter(constraint) => (JoinKind::Right, constraint),
        ast::JoinOperator::FullOuter(constraint) => (JoinKind::Full, constraint),
        _ => return Err(SqlError::new(SqlState::SyntaxError, "syntax error in JOIN")),
    })
}
