//! Whole queries: WITH, VALUES, set operations, ORDER BY and LIMIT over them.

use functions::cast::Context;
use query::ir::{Expr, Rel, SetOpKind};
use sqlparser::ast::{self, SetExpr};
use types::{Datum, NO_TYPMOD, Result, SqlError, SqlState, Type};

use super::cte_place::with;
use super::function::sort_key;
use super::select::ordinal;
use super::{Binder, Bound, Level, NO_META, Output, Place, Scope};
use crate::parse::fold;

impl Binder<'_> {
    /// A whole query. `keep_unknown`: literals without a type stay so (an INSERT's source).
    pub fn query(&mut self, query: &ast::Query, parent: Option<&Scope<'_>>, keep_unknown: bool) -> Result<Bound> {
        self.deeper(|binder| {
            let ctes = binder.ctes.len();
            let result = binder.query_inner(query, parent, keep_unknown);
            let defined = binder.ctes.split_off(ctes);
            let mut bound = result?;
            if !defined.is_empty() {
                let queries = binder.inlined(defined, &mut [&mut bound.rel], &mut [])?;
                bound.rel = with(queries, bound.rel);
            }
            Ok(bound)
        })
    }

    /// The queries of a WITH clause, in order: each may name those before it.
    pub fn with(&mut self, with: &ast::With, parent: Option<&Scope<'_>>) -> Result<()> {
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
        Ok(())
    }

    pub(super) fn query_inner(&mut self, query: &ast::Query, parent: Option<&Scope<'_>>, keep_unknown: bool) -> Result<Bound> {
        if !query.locks.is_empty() {
            return Err(SqlError::unsupported("SELECT FOR UPDATE/SHARE"));
        }
        if query.for_clause.is_some() || query.settings.is_some() || query.format_clause.is_some() || !query.pipe_operators.is_empty() {
            return Err(SqlError::new(SqlState::SyntaxError, "syntax error in query"));
        }
        if let Some(with) = &query.with {
            self.with(with, parent)?;
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

    pub(super) fn row_count(&mut self, node: &ast::Expr, what: &str) -> Result<Expr> {
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

    pub(super) fn set_expr(&mut self, body: &SetExpr, parent: Option<&Scope<'_>>, keep_unknown: bool) -> Result<Bound> {
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
                    let source = std::mem::replace(&mut self.source, crate::parse::Source::new(sql));
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

    pub(super) fn value_rows(&mut self, values: &ast::Values, parent: Option<&Scope<'_>>) -> Result<Vec<Vec<Expr>>> {
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

    pub(super) fn set_operation(
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
        let mut made = &mut bound.rel;
        while let Rel::With { input, .. } = made {
            made = input;
        }
        if let Rel::Project { exprs, .. } = made {
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
        if let Rel::Values { columns, rows } = made {
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
    pub(super) fn order_output(&mut self, mut bound: Bound, order_by: &[ast::OrderByExpr]) -> Result<Bound> {
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
}
