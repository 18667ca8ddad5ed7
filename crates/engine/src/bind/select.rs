//! Queries: WITH, SELECT, VALUES, set operations, ORDER BY and LIMIT.

use functions::cast::Context;
use query::ir::{AggregateTarget, ColumnId, Expr, JoinKind, Rel, SetOpKind, SortKey};
use sqlparser::ast::{self, GroupByExpr, SelectItem, SetExpr};
use types::{Datum, NO_TYPMOD, Result, SqlError, SqlState, Type};

use super::function::sort_key;
use super::{Binder, Bound, Cte, CteBody, Level, NO_META, Output, Place, Scope};
use crate::parse::{fold, object_name};

/// An item of the select list, stars expanded.
struct Item {
    name: String,
    expr: Expr,
}

impl Binder<'_> {
    /// A whole query. `keep_unknown`: literals without a type stay so (an INSERT's source).
    pub fn query(&mut self, query: &ast::Query, parent: Option<&Scope<'_>>, keep_unknown: bool) -> Result<Bound> {
        self.deeper(|binder| {
            let ctes = binder.ctes.len();
            let result = binder.query_inner(query, parent, keep_unknown);
            binder.ctes.truncate(ctes);
            result
        })
    }

    fn query_inner(&mut self, query: &ast::Query, parent: Option<&Scope<'_>>, keep_unknown: bool) -> Result<Bound> {
        if !query.locks.is_empty() {
            return Err(SqlError::unsupported("SELECT FOR UPDATE/SHARE"));
        }
        if query.for_clause.is_some() || query.settings.is_some() || query.format_clause.is_some() || !query.pipe_operators.is_empty() {
            return Err(SqlError::new(SqlState::SyntaxError, "syntax error in query"));
        }
        if let Some(with) = &query.with {
            for (index, cte) in with.cte_tables.iter().enumerate() {
                let name = fold(&cte.alias.name);
                if with.cte_tables[..index].iter().any(|earlier| fold(&earlier.alias.name) == name) {
                    let error = SqlError::new(
                        SqlState::DuplicateAlias,
                        format!("WITH query name \"{name}\" specified more than once"),
                    );
                    return Err(error.position_if_absent(self.position(cte.alias.name.span)));
                }
                self.cte(cte, with.recursive, parent)?;
            }
        }
        let order_by: &[ast::OrderByExpr] = match &query.order_by {
            None => &[],
            Some(order_by) => match &order_by.kind {
                ast::OrderByKind::Expressions(keys) => keys,
                ast::OrderByKind::All(_) => return Err(SqlError::unsupported("ORDER BY ALL")),
            },
        };
        let mut bound = match &*query.body {
            SetExpr::Select(select) => self.select(select, order_by, parent, keep_unknown)?,
            other => {
                let bound = self.set_expr(other, parent, keep_unknown)?;
                self.order_output(bound, order_by)?
            }
        };
        let (limit, offset) = match &query.limit_clause {
            None => (None, None),
            Some(ast::LimitClause::LimitOffset { limit, offset, limit_by }) if limit_by.is_empty() => {
                (limit.as_ref(), offset.as_ref().map(|o| &o.value))
            }
            Some(ast::LimitClause::OffsetCommaLimit { .. }) => {
                return Err(SqlError::new(SqlState::SyntaxError, "LIMIT #,# syntax is not supported")
                    .hint("Use separate LIMIT and OFFSET clauses."));
            }
            Some(_) => return Err(SqlError::unsupported("LIMIT BY")),
        };
        let fetch = match &query.fetch {
            None => None,
            Some(ast::Fetch {
                with_ties: false,
                percent: false,
                quantity,
            }) => Some(
                quantity
                    .clone()
                    .unwrap_or_else(|| ast::Expr::Value(ast::Value::Number("1".into(), false).into())),
            ),
            Some(_) => return Err(SqlError::unsupported("FETCH FIRST ... WITH TIES or PERCENT")),
        };
        let limit = limit.or(fetch.as_ref());
        if limit.is_some() || offset.is_some() {
            let limit = limit.map(|node| self.row_count(node, "LIMIT")).transpose()?;
            let offset = offset.map(|node| self.row_count(node, "OFFSET")).transpose()?;
            bound.rel = Rel::Limit {
                input: Box::new(bound.rel),
                limit,
                offset,
            };
        }
        Ok(bound)
    }

    fn row_count(&mut self, node: &ast::Expr, what: &str) -> Result<Expr> {
        // LIMIT ALL reaches us as a name.
        if let ast::Expr::Identifier(ident) = node
            && ident.quote_style.is_none()
            && ident.value.eq_ignore_ascii_case("all")
        {
            return Ok(Expr::Const(Datum::Null, Type::Int8));
        }
        self.in_place(Place::Limit, |binder| {
            let expr = binder.expr(node, &Scope::default()).map_err(|error| match error.state() {
                SqlState::UndefinedColumn => SqlError::new(
                    SqlState::InvalidColumnReference,
                    format!("argument of {what} must not contain variables"),
                ),
                _ => error,
            })?;
            let what = what.to_string();
            let result = binder.coerce(expr, Type::Int8, NO_TYPMOD, Context::Assignment, |from| {
                SqlError::new(
                    SqlState::DatatypeMismatch,
                    format!("argument of {what} must be type bigint, not type {from}"),
                )
            });
            binder.at(node, result)
        })
    }

    fn cte(&mut self, cte: &ast::Cte, recursive: bool, parent: Option<&Scope<'_>>) -> Result<()> {
        let name = fold(&cte.alias.name);
        let aliases: Vec<String> = cte.alias.columns.iter().map(|column| fold(&column.name)).collect();
        let before = self.expansions;
        let bound = match (recursive, &*cte.query.body) {
            (
                true,
                SetExpr::SetOperation {
                    op: ast::SetOperator::Union,
                    set_quantifier,
                    left,
                    right,
                },
            ) if mentions(right, &name) => self.recursive_cte(&name, &aliases, left, right, *set_quantifier, parent)?,
            _ => self.query(&cte.query, parent, false)?,
        };
        let columns = self.cte_columns(&name, &bound, &aliases)?;
        self.ctes.push(Cte {
            name,
            columns,
            weight: self.expansions - before + 1,
            body: CteBody::Query(bound.rel),
        });
        Ok(())
    }

    fn cte_columns(&self, name: &str, bound: &Bound, aliases: &[String]) -> Result<Vec<(String, Type, i32)>> {
        if aliases.len() > bound.columns.len() {
            return Err(SqlError::new(
                SqlState::InvalidColumnReference,
                format!(
                    "WITH query \"{name}\" has {} columns available but {} columns specified",
                    bound.columns.len(),
                    aliases.len()
                ),
            ));
        }
        Ok(bound
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| {
                (
                    aliases.get(index).unwrap_or(&column.name).clone(),
                    column.ty,
                    self.meta(column.id).typmod,
                )
            })
            .collect())
    }

    fn recursive_cte(
        &mut self,
        name: &str,
        aliases: &[String],
        left: &SetExpr,
        right: &SetExpr,
        quantifier: ast::SetQuantifier,
        parent: Option<&Scope<'_>>,
    ) -> Result<Bound> {
        let base = self.set_expr(left, parent, false)?;
        let columns = self.cte_columns(name, &base, aliases)?;
        self.ctes.push(Cte {
            name: name.to_string(),
            columns: columns.clone(),
            weight: 0,
            body: CteBody::WorkTable(name.to_string()),
        });
        let recursive = self.set_expr(right, parent, false);
        self.ctes.pop();
        let mut recursive = recursive?;
        if recursive.columns.len() != base.columns.len() {
            return Err(SqlError::new(
                SqlState::SyntaxError,
                "each UNION query must have the same number of columns",
            ));
        }
        for (index, (of_base, of_rest)) in base.columns.iter().zip(&recursive.columns).enumerate() {
            if of_base.ty != of_rest.ty && !functions::cast::can_cast(of_rest.ty, of_base.ty, Context::Implicit) {
                return Err(SqlError::new(
                    SqlState::DatatypeMismatch,
                    format!(
                        "recursive query \"{name}\" column {} has type {} in non-recursive term but type {} overall",
                        index + 1,
                        of_base.ty,
                        of_rest.ty
                    ),
                )
                .hint("Cast the output of the non-recursive term to the correct type."));
            }
        }
        let wanted: Vec<Type> = base.columns.iter().map(|column| column.ty).collect();
        recursive = self.convert_columns(recursive, &wanted)?;
        let outputs: Vec<Output> = base
            .columns
            .iter()
            .zip(&columns)
            .map(|(column, (name, ty, typmod))| Output {
                name: name.clone(),
                id: self.new_column(super::ColumnMeta {
                    typmod: *typmod,
                    ..NO_META
                }),
                ty: if column.ty == *ty { *ty } else { column.ty },
            })
            .collect();
        let rel = Rel::Recursive {
            name: name.to_string(),
            base: Box::new(base.rel),
            recursive: Box::new(recursive.rel),
            all: quantifier == ast::SetQuantifier::All,
            columns: outputs.iter().map(|output| (output.id, output.ty)).collect(),
        };
        Ok(Bound { rel, columns: outputs })
    }

    fn set_expr(&mut self, body: &SetExpr, parent: Option<&Scope<'_>>, keep_unknown: bool) -> Result<Bound> {
        self.deeper(|binder| match body {
            SetExpr::Select(select) => binder.select(select, &[], parent, keep_unknown),
            SetExpr::Query(query) => binder.query(query, parent, keep_unknown),
            SetExpr::Values(values) => binder.values(values, parent, keep_unknown),
            SetExpr::SetOperation {
                left,
                op,
                set_quantifier,
                right,
            } => binder.set_operation(left, *op, *set_quantifier, right, parent),
            SetExpr::Table(table) => {
                let name = table.table_name.clone().unwrap_or_default();
                let sql = match &table.schema_name {
                    Some(schema) => format!("SELECT * FROM {schema}.{name}"),
                    None => format!("SELECT * FROM {name}"),
                };
                binder.stored_query(&sql, parent)
            }
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                Err(SqlError::unsupported("a data-modifying statement in WITH"))
            }
        })
    }

    /// A query whose text we made or stored.
    pub(super) fn stored_query(&mut self, sql: &str, parent: Option<&Scope<'_>>) -> Result<Bound> {
        let statements = crate::parse::parse(sql, crate::parse::Placeholders::Dollar)?;
        match statements.first().map(|statement| &statement.kind) {
            Some(crate::parse::Statement::Sql(statement)) => match &**statement {
                ast::Statement::Query(query) => {
                    // The text's positions are not the client's.
                    let source = std::mem::replace(&mut self.source, std::sync::Arc::from(sql));
                    let ctes = std::mem::take(&mut self.ctes);
                    let bound = self.query(query, parent, false);
                    self.source = source;
                    self.ctes = ctes;
                    bound
                }
                _ => Err(SqlError::internal("a stored query is a SELECT")),
            },
            _ => Err(SqlError::internal("a stored query is a SELECT")),
        }
    }

    pub(super) fn values(&mut self, values: &ast::Values, parent: Option<&Scope<'_>>, keep_unknown: bool) -> Result<Bound> {
        self.levels.push(Level {
            place: Place::Values,
            ..Level::default()
        });
        let rows = self.value_rows(values, parent);
        self.levels.pop();
        let mut rows = rows?;
        let width = rows.first().map_or(0, Vec::len);
        let mut columns = vec![];
        for index in 0..width {
            let all: Vec<Type> = rows.iter().map(|row| row[index].ty()).collect();
            let ty = if keep_unknown && all.iter().all(|ty| *ty == Type::Unknown) {
                Type::Unknown
            } else {
                functions::resolve::common_type(&all, "VALUES")?
            };
            for row in &mut rows {
                let value = std::mem::replace(&mut row[index], Expr::Const(Datum::Null, ty));
                row[index] = self.coerce_resolved(value, ty)?;
            }
            columns.push(Output {
                name: format!("column{}", index + 1),
                id: self.new_column(NO_META),
                ty,
            });
        }
        let rel = Rel::Values {
            columns: columns.iter().map(|column| (column.id, column.ty)).collect(),
            rows,
        };
        Ok(Bound { rel, columns })
    }

    fn value_rows(&mut self, values: &ast::Values, parent: Option<&Scope<'_>>) -> Result<Vec<Vec<Expr>>> {
        let scope = Scope::child(parent);
        let mut rows: Vec<Vec<Expr>> = vec![];
        for row in &values.rows {
            let row = row.content.iter().map(|node| self.expr(node, &scope)).collect::<Result<Vec<_>>>()?;
            if rows.first().is_some_and(|first| first.len() != row.len()) {
                return Err(SqlError::new(SqlState::SyntaxError, "VALUES lists must all be the same length"));
            }
            rows.push(row);
        }
        Ok(rows)
    }

    fn set_operation(
        &mut self,
        left: &SetExpr,
        op: ast::SetOperator,
        quantifier: ast::SetQuantifier,
        right: &SetExpr,
        parent: Option<&Scope<'_>>,
    ) -> Result<Bound> {
        let (kind, word) = match op {
            ast::SetOperator::Union => (SetOpKind::Union, "UNION"),
            ast::SetOperator::Intersect => (SetOpKind::Intersect, "INTERSECT"),
            ast::SetOperator::Except | ast::SetOperator::Minus => (SetOpKind::Except, "EXCEPT"),
        };
        let all = match quantifier {
            ast::SetQuantifier::All => true,
            ast::SetQuantifier::Distinct | ast::SetQuantifier::None => false,
            _ => return Err(SqlError::unsupported("set operations BY NAME")),
        };
        let left = self.set_expr(left, parent, true)?;
        let right = self.set_expr(right, parent, true)?;
        if left.columns.len() != right.columns.len() {
            return Err(SqlError::new(
                SqlState::SyntaxError,
                format!("each {word} query must have the same number of columns"),
            ));
        }
        let wanted = left
            .columns
            .iter()
            .zip(&right.columns)
            .map(|(left, right)| functions::resolve::common_type(&[left.ty, right.ty], word))
            .collect::<Result<Vec<Type>>>()?;
        let left = self.convert_columns(left, &wanted)?;
        let right = self.convert_columns(right, &wanted)?;
        let columns: Vec<Output> = left
            .columns
            .iter()
            .map(|column| Output {
                name: column.name.clone(),
                id: self.new_column(NO_META),
                ty: column.ty,
            })
            .collect();
        let rel = Rel::SetOp {
            kind,
            all,
            left: Box::new(left.rel),
            right: Box::new(right.rel),
            columns: columns.iter().map(|column| (column.id, column.ty)).collect(),
        };
        Ok(Bound { rel, columns })
    }

    /// Converts a query's columns to these types, where they are not already.
    pub(super) fn convert_columns(&mut self, mut bound: Bound, wanted: &[Type]) -> Result<Bound> {
        if bound.columns.iter().zip(wanted).all(|(column, ty)| column.ty == *ty) {
            return Ok(bound);
        }
        // Untyped literals get their type where they stand.
        if let Rel::Project { exprs, .. } = &mut bound.rel {
            for ((id, expr), ty) in exprs.iter_mut().zip(wanted) {
                if expr.ty() == Type::Unknown {
                    let taken = std::mem::replace(expr, Expr::Const(Datum::Null, *ty));
                    *expr = self.coerce_resolved(taken, *ty)?;
                    if let Some(column) = bound.columns.iter_mut().find(|column| column.id == *id) {
                        column.ty = *ty;
                    }
                }
            }
        }
        if let Rel::Values { columns, rows } = &mut bound.rel {
            for (index, ((_, of_values), ty)) in columns.iter_mut().zip(wanted).enumerate() {
                if *of_values == Type::Unknown {
                    for row in rows.iter_mut() {
                        let taken = std::mem::replace(&mut row[index], Expr::Const(Datum::Null, *ty));
                        row[index] = self.coerce_resolved(taken, *ty)?;
                    }
                    *of_values = *ty;
                    bound.columns[index].ty = *ty;
                }
            }
        }
        if bound.columns.iter().zip(wanted).all(|(column, ty)| column.ty == *ty) {
            return Ok(bound);
        }
        let mut exprs = vec![];
        let mut columns = vec![];
        for (column, ty) in bound.columns.iter().zip(wanted) {
            let value = self.coerce_resolved(
                Expr::Column {
                    id: column.id,
                    ty: column.ty,
                },
                *ty,
            )?;
            let id = self.new_column(NO_META);
            exprs.push((id, value));
            columns.push(Output {
                name: column.name.clone(),
                id,
                ty: *ty,
            });
        }
        Ok(Bound {
            rel: Rel::Project {
                input: Box::new(bound.rel),
                exprs,
            },
            columns,
        })
    }

    /// ORDER BY over a set operation or VALUES: by name or number of an output column.
    fn order_output(&mut self, mut bound: Bound, order_by: &[ast::OrderByExpr]) -> Result<Bound> {
        if order_by.is_empty() {
            return Ok(bound);
        }
        let mut keys = vec![];
        for key in order_by {
            let column = match ordinal(&key.expr, bound.columns.len(), "ORDER BY")? {
                Some(index) => &bound.columns[index],
                None => {
                    let name = match &key.expr {
                        ast::Expr::Identifier(ident) => fold(ident),
                        _ => {
                            return Err(
                                SqlError::new(SqlState::FeatureNotSupported, "invalid UNION/INTERSECT/EXCEPT ORDER BY clause")
                                    .detail("Only result column names can be used, not expressions or functions.")
                                    .hint("Add the expression/function to every SELECT, or move the UNION into a FROM clause."),
                            );
                        }
                    };
                    bound
                        .columns
                        .iter()
                        .find(|column| column.name == name)
                        .ok_or_else(|| SqlError::new(SqlState::UndefinedColumn, format!("column \"{name}\" does not exist")))?
                }
            };
            keys.push(sort_key(
                Expr::Column {
                    id: column.id,
                    ty: column.ty,
                },
                &key.options,
            ));
        }
        bound.rel = Rel::Sort {
            input: Box::new(bound.rel),
            keys,
        };
        Ok(bound)
    }

    fn select(
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
            let mut groups: Vec<(ColumnId, Expr)> = groups
                .into_iter()
                .map(|expr| {
                    let meta = self.meta_of(&expr);
                    (self.new_column(meta), expr)
                })
                .collect();
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
                let meta = self.meta_of(&expr);
                let id = self.new_column(meta);
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
            let meta = self.meta_of(&expr);
            let id = self.new_column(meta);
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
        let hidden = exprs.len() > visible;
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
            let exprs = columns
                .iter()
                .map(|column| {
                    (
                        column.id,
                        Expr::Column {
                            id: column.id,
                            ty: column.ty,
                        },
                    )
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

    /// The grouping expressions, each once, and the grouping sets as indexes into them.
    #[allow(clippy::type_complexity)] // two parts of one clause
    fn group_by(&mut self, group_by: &GroupByExpr, items: &[Item], scope: &Scope<'_>) -> Result<(Vec<Expr>, Option<Vec<Vec<usize>>>)> {
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

    fn group_expr(&mut self, node: &ast::Expr, items: &[Item], scope: &Scope<'_>) -> Result<Expr> {
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

struct Sort {
    target: SortTarget,
    descending: bool,
    nulls_first: bool,
}

enum SortTarget {
    Output(usize),
    Expr(Expr),
}

/// Replaces, above an aggregation, what is grouped by; refuses what is not.
struct Grouping<'g> {
    groups: &'g mut Vec<(ColumnId, Expr)>,
    /// The columns below the aggregation.
    inner: &'g [ColumnId],
    scope: &'g Scope<'g>,
    /// Columns that depend on a grouped primary key, under the column itself as placeholder.
    fresh: Vec<(Expr, ColumnId)>,
    plain: bool,
}

impl Grouping<'_> {
    fn replace(&mut self, expr: &mut Expr) -> Result<()> {
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

fn rename(expr: &mut Expr, from: ColumnId, to: ColumnId) {
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
        (Expr::And(left), Expr::And(right)) | (Expr::Or(left), Expr::Or(right)) | (Expr::Row(left), Expr::Row(right)) => {
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

/// `ORDER BY 2`: the 0-based output column that a bare number means.
fn ordinal(node: &ast::Expr, columns: usize, clause: &str) -> Result<Option<usize>> {
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
        ast::Expr::Cast { expr, data_type, .. } => {
            let inner = output_name(expr);
            if inner == "?column?" { cast_name(data_type) } else { inner }
        }
        ast::Expr::TypedString(typed) => cast_name(&typed.data_type),
        ast::Expr::Interval(_) => "interval".into(),
        ast::Expr::Value(value) if matches!(value.value, ast::Value::Boolean(_)) => "bool".into(),
        ast::Expr::Case { else_result, .. } => match else_result.as_deref().map(output_name) {
            Some(name) if name != "?column?" => name,
            _ => "case".into(),
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

fn cast_name(data_type: &ast::DataType) -> String {
    super::type_names::resolve(data_type)
        .map(|(ty, _)| ty.element().unwrap_or(ty).catalog_name())
        .unwrap_or_else(|_| "?column?".into())
}

/// Whether a query body reads from this name: what makes a WITH query recursive.
fn mentions(body: &SetExpr, name: &str) -> bool {
    use std::ops::ControlFlow;
    let flow = ast::visit_relations(body, |relation| {
        let found = relation.0.len() == 1 && matches!(&relation.0[0], ast::ObjectNamePart::Identifier(ident) if fold(ident) == name);
        if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    flow.is_break()
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
