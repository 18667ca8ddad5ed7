//! Scalar expressions.

use functions::cast::Context;
use query::ir::Expr;
use sqlparser::ast::{self, CastKind, DateTimeField, Value};
use types::{Datum, NO_TYPMOD, Numeric, Result, SqlError, SqlState, Type};

use super::operator::negate;
use super::{Binder, Place, Scope, cannot_cast, type_names};
use crate::parse::fold;

impl Binder<'_> {
    /// Binds an expression; literals and parameters without a type stay [`Type::Unknown`].
    pub(super) fn expr(&mut self, node: &ast::Expr, scope: &Scope<'_>) -> Result<Expr> {
        let result = self.deeper(|binder| binder.expr_inner(node, scope));
        self.at(node, result)
    }

    /// Binds an expression and converts it to this type by assignment rules.
    pub fn assign(&mut self, node: &ast::Expr, scope: &Scope<'_>, column: &str, ty: Type, typmod: i32) -> Result<Expr> {
        let bound = self.expr(node, scope)?;
        let result = self.assign_bound(bound, column, ty, typmod);
        self.at(node, result)
    }

    pub fn assign_bound(&mut self, bound: Expr, column: &str, ty: Type, typmod: i32) -> Result<Expr> {
        self.coerce(bound, ty, typmod, Context::Assignment, |from| {
            SqlError::new(
                SqlState::DatatypeMismatch,
                format!("column \"{column}\" is of type {ty} but expression is of type {from}"),
            )
            .hint("You will need to rewrite or cast the expression.")
        })
    }

    /// A condition that stands alone: a CHECK or a trigger's WHEN.
    pub fn condition(&mut self, node: &ast::Expr, scope: &Scope<'_>) -> Result<Expr> {
        self.in_place(Place::Check, |binder| {
            let bound = binder.expr(node, scope)?;
            let result = binder.coerce_bool(bound, "CHECK");
            binder.at(node, result)
        })
    }

    pub(super) fn bool_expr(&mut self, node: &ast::Expr, scope: &Scope<'_>, what: &str) -> Result<Expr> {
        let bound = self.expr(node, scope)?;
        let result = self.coerce_bool(bound, what);
        self.at(node, result)
    }

    fn expr_inner(&mut self, node: &ast::Expr, scope: &Scope<'_>) -> Result<Expr> {
        match node {
            ast::Expr::Identifier(ident) => self.column(ident, scope),
            ast::Expr::CompoundIdentifier(parts) => self.compound(parts, scope),
            ast::Expr::QualifiedWildcard(name, _) => {
                let (_, alias) = crate::parse::object_name(name)?;
                self.whole_row(&alias, scope)
                    .ok_or_else(|| SqlError::new(SqlState::UndefinedTable, format!("missing FROM-clause entry for table \"{alias}\"")))
            }
            ast::Expr::Value(value) => self.literal(&value.value),
            ast::Expr::Nested(inner) => self.expr(inner, scope),
            ast::Expr::TypedString(typed) => {
                let (ty, typmod) = type_names::resolve(&typed.data_type)?;
                let text = self.literal(&typed.value.value)?;
                self.explicit_cast(text, ty, typmod)
            }
            ast::Expr::Cast {
                kind: CastKind::Cast | CastKind::DoubleColon,
                expr,
                data_type,
                ..
            } => {
                let (ty, typmod) = type_names::resolve(data_type)?;
                let arg = match &**expr {
                    // ARRAY[]::int[] gives the elements their type.
                    ast::Expr::Array(array) if ty.element().is_some() => self.array(array, scope, ty.element())?,
                    other => self.expr(other, scope)?,
                };
                self.explicit_cast(arg, ty, typmod)
            }
            ast::Expr::UnaryOp { op, expr } => self.unary(op, expr, scope),
            ast::Expr::BinaryOp { .. } => self.chain(node, scope),
            ast::Expr::IsNull(inner) => Ok(Expr::IsNull(Box::new(self.null_test(inner, scope)?))),
            ast::Expr::IsNotNull(inner) => Ok(Expr::Not(Box::new(Expr::IsNull(Box::new(self.null_test(inner, scope)?))))),
            ast::Expr::IsTrue(inner) => self.truth(inner, scope, "IS TRUE", false, false),
            ast::Expr::IsNotTrue(inner) => Ok(negate(self.truth(inner, scope, "IS NOT TRUE", false, false)?)),
            ast::Expr::IsFalse(inner) => Ok(negate(self.truth(inner, scope, "IS FALSE", true, false)?)),
            ast::Expr::IsNotFalse(inner) => self.truth(inner, scope, "IS NOT FALSE", true, false),
            ast::Expr::IsUnknown(inner) => Ok(Expr::IsNull(Box::new(self.bool_expr(inner, scope, "IS UNKNOWN")?))),
            ast::Expr::IsNotUnknown(inner) => Ok(negate(Expr::IsNull(Box::new(self.bool_expr(inner, scope, "IS NOT UNKNOWN")?)))),
            ast::Expr::IsDistinctFrom(left, right) => Ok(negate(self.not_distinct(left, right, scope)?)),
            ast::Expr::IsNotDistinctFrom(left, right) => self.not_distinct(left, right, scope),
            ast::Expr::InList { expr, list, negated } => self.in_list(expr, list, *negated, scope),
            ast::Expr::InSubquery { expr, subquery, negated } => {
                let symbol = if *negated { "<>" } else { "=" };
                let result = self.any_query(expr, symbol, subquery, *negated, scope);
                self.at_operator(expr, node, result)
            }
            ast::Expr::Between { expr, negated, low, high } => self.between(expr, *negated, low, high, scope),
            ast::Expr::Like {
                negated,
                any: false,
                expr,
                pattern,
                escape_char,
            } => self.like(
                expr,
                pattern,
                escape_char.as_ref(),
                if *negated { "!~~" } else { "~~" },
                "like_escape",
                scope,
            ),
            ast::Expr::ILike {
                negated,
                any: false,
                expr,
                pattern,
                escape_char,
            } => self.like(
                expr,
                pattern,
                escape_char.as_ref(),
                if *negated { "!~~*" } else { "~~*" },
                "like_escape",
                scope,
            ),
            ast::Expr::SimilarTo {
                negated,
                expr,
                pattern,
                escape_char,
            } => {
                let left = self.expr(expr, scope)?;
                let pattern = self.expr(pattern, scope)?;
                let mut args = vec![pattern];
                if let Some(escape) = escape_char {
                    args.push(self.literal(&escape.value)?);
                }
                let regex = self.call_builtin("similar_to_escape", args)?;
                self.operator(if *negated { "!~" } else { "~" }, Some(left), regex)
            }
            ast::Expr::AnyOp {
                left, compare_op, right, ..
            } => self.quantified(left, compare_op, right, false, scope),
            ast::Expr::AllOp { left, compare_op, right } => self.quantified(left, compare_op, right, true, scope),
            ast::Expr::AtTimeZone { timestamp, time_zone } => {
                let timestamp = self.expr(timestamp, scope)?;
                let zone = self.expr(time_zone, scope)?;
                self.call_builtin("timezone", vec![zone, timestamp])
            }
            ast::Expr::Extract { field, expr, .. } => {
                let arg = self.expr(expr, scope)?;
                let field = Expr::Const(Datum::text(field_name(field)), Type::Text);
                self.call_builtin("extract", vec![field, arg])
            }
            ast::Expr::Ceil { expr, field } => self.ceil_floor("ceil", expr, field, scope),
            ast::Expr::Floor { expr, field } => self.ceil_floor("floor", expr, field, scope),
            ast::Expr::Position { expr, r#in } => {
                let what = self.expr(expr, scope)?;
                let text = self.expr(r#in, scope)?;
                self.call_builtin("position", vec![text, what])
            }
            ast::Expr::Substring {
                expr,
                substring_from,
                substring_for,
                ..
            } => {
                let mut args = vec![self.expr(expr, scope)?];
                args.push(match substring_from {
                    Some(from) => self.expr(from, scope)?,
                    None => Expr::Const(Datum::Int4(1), Type::Int4),
                });
                if let Some(length) = substring_for {
                    args.push(self.expr(length, scope)?);
                }
                self.call_builtin("substring", args)
            }
            ast::Expr::Trim {
                trim_where,
                trim_what,
                expr,
                trim_characters,
            } => {
                let name = match trim_where {
                    Some(ast::TrimWhereField::Leading) => "ltrim",
                    Some(ast::TrimWhereField::Trailing) => "rtrim",
                    Some(ast::TrimWhereField::Both) | None => "btrim",
                };
                let mut args = vec![self.expr(expr, scope)?];
                let what = trim_what
                    .as_deref()
                    .or_else(|| trim_characters.as_ref().and_then(|list| list.first()));
                if let Some(what) = what {
                    args.push(self.expr(what, scope)?);
                }
                self.call_builtin(name, args)
            }
            ast::Expr::Overlay {
                expr,
                overlay_what,
                overlay_from,
                overlay_for,
            } => {
                let mut args = vec![
                    self.expr(expr, scope)?,
                    self.expr(overlay_what, scope)?,
                    self.expr(overlay_from, scope)?,
                ];
                if let Some(length) = overlay_for {
                    args.push(self.expr(length, scope)?);
                }
                self.call_builtin("overlay", args)
            }
            // One collation exists, the byte order, under these names.
            ast::Expr::Collate { expr, collation } => {
                let (_, name) = crate::parse::object_name(collation)?;
                if !matches!(name.as_str(), "default" | "C" | "POSIX" | "ucs_basic") {
                    return Err(SqlError::new(
                        SqlState::UndefinedObject,
                        format!("collation \"{name}\" for encoding \"UTF8\" does not exist"),
                    ));
                }
                let bound = self.expr(expr, scope)?;
                let ty = bound.ty();
                match ty.element().unwrap_or(ty) {
                    Type::Text | Type::Varchar | Type::Bpchar | Type::Name | Type::Unknown => Ok(bound),
                    _ => Err(SqlError::new(
                        SqlState::DatatypeMismatch,
                        format!("collations are not supported by type {ty}"),
                    )),
                }
            }
            ast::Expr::Function(function) => self.function(function, scope),
            ast::Expr::Case {
                operand,
                conditions,
                else_result,
                ..
            } => self.case(operand.as_deref(), conditions, else_result.as_deref(), scope),
            ast::Expr::Exists { subquery, negated } => {
                let bound = self.query(subquery, Some(scope), false)?;
                let exists = Expr::Exists(Box::new(bound.rel));
                Ok(if *negated { negate(exists) } else { exists })
            }
            ast::Expr::Subquery(subquery) => self.scalar_subquery(subquery, scope),
            ast::Expr::Tuple(items) => {
                let mut bound = vec![];
                for item in items {
                    let item = self.expr(item, scope)?;
                    bound.push(self.unknown_to_text(item)?);
                }
                Ok(Expr::Row(bound, None))
            }
            ast::Expr::Array(array) => self.array(array, scope, None),
            ast::Expr::Interval(interval) => self.interval(interval, scope),
            ast::Expr::CompoundFieldAccess { root, access_chain } => self.access(root, access_chain, scope),
            ast::Expr::IsNormalized { .. }
            | ast::Expr::JsonAccess { .. }
            | ast::Expr::InUnnest { .. }
            | ast::Expr::Like { .. }
            | ast::Expr::ILike { .. }
            | ast::Expr::RLike { .. }
            | ast::Expr::Convert { .. }
            | ast::Expr::Cast { .. }
            | ast::Expr::Prefixed { .. }
            | ast::Expr::GroupingSets(_)
            | ast::Expr::Cube(_)
            | ast::Expr::Rollup(_)
            | ast::Expr::Struct { .. }
            | ast::Expr::Named { .. }
            | ast::Expr::Dictionary(_)
            | ast::Expr::Map(_)
            | ast::Expr::MatchAgainst { .. }
            | ast::Expr::Wildcard(_)
            | ast::Expr::OuterJoin(_)
            | ast::Expr::Prior(_)
            | ast::Expr::Lambda(_)
            | ast::Expr::MemberOf(_) => Err(SqlError::unsupported(format!("the expression {node}"))),
        }
    }

    fn column(&mut self, ident: &ast::Ident, scope: &Scope<'_>) -> Result<Expr> {
        let name = fold(ident);
        if let Some(column) = scope.column(&name)? {
            return Ok(Expr::Column {
                id: column.id,
                ty: column.ty,
            });
        }
        if let Some(row) = self.whole_row(&name, scope) {
            return Ok(row);
        }
        if let Some(parameter) = self.argument(None, &name) {
            return Ok(parameter);
        }
        // PostgreSQL's grammar makes these keywords; the parser leaves them as names.
        if ident.quote_style.is_none()
            && matches!(
                name.as_str(),
                "current_user"
                    | "session_user"
                    | "user"
                    | "current_catalog"
                    | "current_schema"
                    | "current_date"
                    | "current_timestamp"
                    | "localtimestamp"
                    | "current_time"
                    | "localtime"
                    | "current_role"
            )
        {
            return self.keyword_function(&name, vec![]);
        }
        Err(SqlError::new(
            SqlState::UndefinedColumn,
            format!("column \"{name}\" does not exist"),
        ))
    }

    /// CURRENT_USER and the like, which are called without parentheses.
    pub(super) fn keyword_function(&mut self, name: &str, args: Vec<Expr>) -> Result<Expr> {
        match name {
            "user" | "current_role" => self.call_builtin("current_user", args),
            "current_catalog" => self.call_builtin("current_database", args),
            "current_timestamp" => self.call_builtin("now", vec![]),
            "localtimestamp" => {
                let now = self.call_builtin("now", vec![])?;
                self.explicit_cast(now, Type::Timestamp, NO_TYPMOD)
            }
            "current_date" => {
                let now = self.call_builtin("now", vec![])?;
                self.explicit_cast(now, Type::Date, NO_TYPMOD)
            }
            "localtime" | "current_time" => {
                let now = self.call_builtin("now", vec![])?;
                self.explicit_cast(now, Type::Time, NO_TYPMOD)
            }
            other => self.call_builtin(other, args),
        }
    }

    fn compound(&mut self, parts: &[ast::Ident], scope: &Scope<'_>) -> Result<Expr> {
        let names: Vec<String> = parts.iter().map(fold).collect();
        let column = match names.as_slice() {
            [table, column] => scope.qualified(table, column),
            [_, table, column] | [_, _, table, column] => scope.qualified(table, column),
            _ => {
                return Err(SqlError::new(
                    SqlState::SyntaxError,
                    format!("improper qualified name (too many dotted names): {}", names.join(".")),
                ));
            }
        };
        match column {
            Ok(column) => Ok(Expr::Column {
                id: column.id,
                ty: column.ty,
            }),
            Err(error) => {
                if let [function, name] = names.as_slice()
                    && let Some(parameter) = self.argument(Some(function), name)
                {
                    return Ok(parameter);
                }
                // A system column of a table in scope.
                if let [.., table, column] = names.as_slice()
                    && column == "tableoid"
                    && let Some(entry) = scope.table(table)
                    && let Some(table) = &entry.table
                {
                    return Ok(Expr::Const(Datum::Oid(table.oid), Type::Oid));
                }
                Err(error)
            }
        }
    }

    /// The argument of this name, in the body of a function; columns come before it.
    fn argument(&self, function: Option<&str>, name: &str) -> Option<Expr> {
        let arguments = self.function_arguments.as_ref()?;
        if function.is_some_and(|function| function != arguments.function) {
            return None;
        }
        let index = arguments.names.iter().position(|argument| argument.as_deref() == Some(name))?;
        let ty = self.params.get(index).copied().flatten()?;
        Some(Expr::Param { index, ty })
    }

    pub(super) fn literal(&mut self, value: &Value) -> Result<Expr> {
        match value {
            Value::Number(text, _) => number(text),
            Value::SingleQuotedString(text)
            | Value::EscapedStringLiteral(text)
            | Value::UnicodeStringLiteral(text)
            | Value::NationalStringLiteral(text) => {
                no_nul(text)?;
                Ok(Expr::Const(Datum::text(text), Type::Unknown))
            }
            Value::DollarQuotedString(quoted) => {
                no_nul(&quoted.value)?;
                Ok(Expr::Const(Datum::text(&quoted.value), Type::Unknown))
            }
            Value::Boolean(value) => Ok(Expr::Const(Datum::Bool(*value), Type::Bool)),
            Value::Null => Ok(Expr::Const(Datum::Null, Type::Unknown)),
            Value::Placeholder(name) => self.parameter(name),
            other => Err(SqlError::unsupported(format!("the literal {other}"))),
        }
    }

    fn parameter(&mut self, name: &str) -> Result<Expr> {
        // 65535: the protocol counts parameters in 16 bits.
        let number = name
            .strip_prefix('$')
            .and_then(|digits| digits.parse::<usize>().ok())
            .filter(|n| (1..=65_535).contains(n));
        let number = match number {
            Some(number) if number <= self.params.len() || self.more_params => number,
            _ => return Err(SqlError::new(SqlState::UndefinedParameter, format!("there is no parameter {name}"))),
        };
        if self.params.len() < number {
            self.params.resize(number, None);
        }
        let ty = self.params[number - 1].unwrap_or(Type::Unknown);
        Ok(Expr::Param { index: number - 1, ty })
    }

    pub(super) fn explicit_cast(&mut self, arg: Expr, ty: Type, typmod: i32) -> Result<Expr> {
        self.coerce(arg, ty, typmod, Context::Explicit, |from| cannot_cast(from, ty))
    }

    fn scalar_subquery(&mut self, query: &ast::Query, scope: &Scope<'_>) -> Result<Expr> {
        let bound = self.query(query, Some(scope), false)?;
        let [column] = bound.columns.as_slice() else {
            return Err(SqlError::new(SqlState::SyntaxError, "subquery must return only one column"));
        };
        Ok(Expr::Scalar {
            ty: column.ty,
            query: Box::new(bound.rel),
        })
    }

    fn ceil_floor(&mut self, name: &str, expr: &ast::Expr, field: &ast::CeilFloorKind, scope: &Scope<'_>) -> Result<Expr> {
        match field {
            ast::CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) => {
                let arg = self.expr(expr, scope)?;
                self.call_builtin(name, vec![arg])
            }
            _ => Err(SqlError::new(
                SqlState::UndefinedFunction,
                format!("function {name} with a second argument does not exist"),
            )),
        }
    }

    fn case(
        &mut self,
        operand: Option<&ast::Expr>,
        conditions: &[ast::CaseWhen],
        otherwise: Option<&ast::Expr>,
        scope: &Scope<'_>,
    ) -> Result<Expr> {
        let mut whens = vec![];
        let mut values = vec![];
        for when in conditions {
            whens.push(match operand {
                None => self.bool_expr(&when.condition, scope, "CASE/WHEN")?,
                Some(operand) => {
                    let left = self.expr(operand, scope)?;
                    let right = self.expr(&when.condition, scope)?;
                    self.operator("=", Some(left), right)?
                }
            });
            values.push(self.expr(&when.result, scope)?);
        }
        // PostgreSQL looks at ELSE first when it chooses the type.
        let otherwise = otherwise.map(|node| self.expr(node, scope)).transpose()?;
        let all: Vec<Type> = otherwise.iter().map(Expr::ty).chain(values.iter().map(Expr::ty)).collect();
        let ty = functions::resolve::common_type(&all, "CASE")?;
        let values = values
            .into_iter()
            .map(|value| self.coerce_resolved(value, ty))
            .collect::<Result<Vec<_>>>()?;
        let otherwise = otherwise.map(|value| self.coerce_resolved(value, ty)).transpose()?;
        Ok(Expr::Case {
            branches: whens.into_iter().zip(values).collect(),
            otherwise: otherwise.map(Box::new),
            ty,
        })
    }

    fn array(&mut self, array: &ast::Array, scope: &Scope<'_>, element: Option<Type>) -> Result<Expr> {
        let mut elements = vec![];
        for item in &array.elem {
            elements.push(match item {
                ast::Expr::Array(inner) => self.array(inner, scope, element)?,
                other => self.expr(other, scope)?,
            });
        }
        if elements.is_empty() && element.is_none() {
            return Err(
                SqlError::new(SqlState::IndeterminateDatatype, "cannot determine type of empty array")
                    .hint("Explicitly cast to the desired type, for example ARRAY[]::integer[]."),
            );
        }
        let all: Vec<Type> = elements.iter().map(Expr::ty).collect();
        let item = match element {
            Some(element) if !all.iter().any(|ty| ty.element().is_some()) => element,
            Some(element) => element.array_of().ok_or_else(|| cannot_cast(Type::Unknown, element))?,
            None => functions::resolve::common_type(&all, "ARRAY")?,
        };
        let ty = item
            .array_of()
            .ok_or_else(|| SqlError::new(SqlState::UndefinedObject, format!("could not find array type for data type {item}")))?;
        let context = if element.is_some() { Context::Explicit } else { Context::Implicit };
        let elements = elements
            .into_iter()
            .map(|value| self.coerce(value, item, NO_TYPMOD, context, |from| cannot_cast(from, item)))
            .collect::<Result<_>>()?;
        Ok(Expr::Array { elements, ty })
    }

    fn interval(&mut self, interval: &ast::Interval, scope: &Scope<'_>) -> Result<Expr> {
        let value = self.expr(&interval.value, scope)?;
        // The fields say what a bare number counts, and what is kept.
        let typmod = super::special_call::literal_typmod(interval)?;
        self.explicit_cast(value, Type::Interval, typmod)
    }

    /// `(t).a`: the field of a table's whole row.
    fn field(&self, root: &ast::Expr, rest: &[ast::AccessExpr], scope: &Scope<'_>) -> Result<Option<Expr>> {
        let (ast::Expr::Nested(_), ast::Expr::Identifier(row)) = (root, strip(root)) else {
            return Ok(None);
        };
        let Some(ast::AccessExpr::Dot(ast::Expr::Identifier(field))) = rest.first() else {
            return Ok(None);
        };
        let row = fold(row);
        if scope.column(&row)?.is_some() {
            return Ok(None);
        }
        let Some(table) = scope.table(&row) else {
            return Ok(None);
        };
        let name = fold(field);
        let Some(column) = table.columns.iter().find(|column| column.name == name) else {
            let error = match &table.table {
                Some(table) => format!("column \"{name}\" not found in data type {}", table.name),
                None => format!("could not identify column \"{name}\" in record data type"),
            };
            return Err(SqlError::new(SqlState::UndefinedColumn, error));
        };
        Ok(Some(Expr::Column {
            id: column.id,
            ty: column.ty,
        }))
    }

    fn access(&mut self, root: &ast::Expr, chain: &[ast::AccessExpr], scope: &Scope<'_>) -> Result<Expr> {
        // `t.a[1]` comes as root `t` and the chain `.a`, `[1]`.
        let mut parts = match root {
            ast::Expr::Identifier(ident) => vec![ident.clone()],
            _ => vec![],
        };
        let mut rest = chain;
        while let ([ast::AccessExpr::Dot(ast::Expr::Identifier(ident)), tail @ ..], false) = (rest, parts.is_empty()) {
            parts.push(ident.clone());
            rest = tail;
        }
        let mut value = match (parts.len(), self.field(root, rest, scope)?) {
            (_, Some(field)) => {
                rest = &rest[1..];
                field
            }
            (0 | 1, None) => self.expr(root, scope)?,
            (_, None) => self.compound(&parts, scope)?,
        };
        // (lower, upper) each; with a slice among them all are slices, and `[n]` means `[1:n]`.
        let mut subscripts: Vec<(Option<Expr>, Expr)> = vec![];
        let mut sliced = false;
        for access in rest {
            match access {
                ast::AccessExpr::Subscript(ast::Subscript::Index { index }) => {
                    let index = self.expr(index, scope)?;
                    if value.ty() == Type::Jsonb {
                        let name = if index.ty() == Type::Unknown { Type::Text } else { index.ty() };
                        let index = self.coerce_resolved(index, name)?;
                        value = self.operator("->", Some(value), index)?;
                    } else {
                        let index = self.subscript(index)?;
                        subscripts.push((None, index));
                    }
                }
                ast::AccessExpr::Subscript(ast::Subscript::Slice {
                    lower_bound,
                    upper_bound,
                    stride: None,
                }) => {
                    sliced = true;
                    let mut bound = |bound: &Option<ast::Expr>, absent: i32| match bound {
                        Some(bound) => {
                            let bound = self.expr(bound, scope)?;
                            self.subscript(bound)
                        }
                        None => Ok(Expr::Const(Datum::Int4(absent), Type::Int4)),
                    };
                    let lower = bound(lower_bound, i32::MIN)?;
                    subscripts.push((Some(lower), bound(upper_bound, i32::MAX)?));
                }
                ast::AccessExpr::Subscript(ast::Subscript::Slice { .. }) => return Err(SqlError::unsupported("a slice with a stride")),
                ast::AccessExpr::Dot(ast::Expr::Identifier(name)) if value.ty() == Type::Record => {
                    value = self.record_field(value, &fold(name))?;
                }
                ast::AccessExpr::Dot(field) => {
                    return Err(SqlError::new(
                        SqlState::WrongObjectType,
                        format!(
                            "column notation .{field} applied to type {}, which is not a composite type",
                            value.ty()
                        ),
                    ));
                }
            }
        }
        if !subscripts.is_empty() {
            let Some(_) = value.ty().element() else {
                return Err(SqlError::new(
                    SqlState::DatatypeMismatch,
                    format!("cannot subscript type {} because it does not support subscripting", value.ty()),
                ));
            };
            let mut args = vec![value];
            for (lower, upper) in subscripts {
                if sliced {
                    args.push(lower.unwrap_or(Expr::Const(Datum::Int4(1), Type::Int4)));
                }
                args.push(upper);
            }
            value = self.call_builtin(if sliced { "array_slice" } else { "array_subscript" }, args)?;
        }
        Ok(value)
    }

    fn subscript(&mut self, bound: Expr) -> Result<Expr> {
        self.coerce(bound, Type::Int4, NO_TYPMOD, Context::Assignment, |_| {
            SqlError::new(SqlState::DatatypeMismatch, "array subscript must have type integer")
        })
    }
}

pub(super) fn is_bad_literal(state: SqlState) -> bool {
    [
        SqlState::InvalidTextRepresentation,
        SqlState::InvalidDatetimeFormat,
        SqlState::DatetimeFieldOverflow,
    ]
    .contains(&state)
}

/// The expression inside its parentheses.
pub(super) fn strip(node: &ast::Expr) -> &ast::Expr {
    match node {
        ast::Expr::Nested(inner) => strip(inner),
        other => other,
    }
}

fn no_nul(text: &str) -> Result<()> {
    if text.contains('\0') {
        return Err(SqlError::new(
            SqlState::CharacterNotInRepertoire,
            "invalid byte sequence for encoding \"UTF8\": 0x00",
        ));
    }
    Ok(())
}

/// A numeric literal: integer, bigint or numeric, whichever holds it.
pub(super) fn number(text: &str) -> Result<Expr> {
    let digits = text.replace('_', "");
    if let Ok(value) = digits.parse::<i32>() {
        return Ok(Expr::Const(Datum::Int4(value), Type::Int4));
    }
    if let Ok(value) = digits.parse::<i64>() {
        return Ok(Expr::Const(Datum::Int8(value), Type::Int8));
    }
    let value: Numeric = digits.parse().map_err(|_| {
        SqlError::new(
            SqlState::SyntaxError,
            format!("trailing junk after numeric literal at or near \"{text}\""),
        )
    })?;
    Ok(Expr::Const(Datum::Numeric(value), Type::Numeric))
}

fn field_name(field: &DateTimeField) -> String {
    let name = match field {
        DateTimeField::Custom(ident) => ident.value.clone(),
        other => other.to_string(),
    };
    name.trim_matches('\'').to_ascii_lowercase()
}
