//! Scalar expressions.

use functions::cast::Context;
use query::ir::{Expr, Rel};
use sqlparser::ast::{self, BinaryOperator, CastKind, DateTimeField, Spanned, UnaryOperator, Value};
use types::{Datum, NO_TYPMOD, Numeric, Result, SqlError, SqlState, Type};

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
            ast::Expr::Between { expr, negated, low, high } => {
                let low = self.between_side(expr, ">=", low, scope)?;
                let high = self.between_side(expr, "<=", high, scope)?;
                let between = Expr::And(vec![low, high]);
                Ok(if *negated { negate(between) } else { between })
            }
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
                self.expr(expr, scope)
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
                Ok(Expr::Row(bound))
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

    /// A table's row as one value.
    fn whole_row(&self, alias: &str, scope: &Scope<'_>) -> Option<Expr> {
        let table = scope.table(alias)?;
        let columns = table.columns.iter().map(|column| Expr::Column {
            id: column.id,
            ty: column.ty,
        });
        Some(Expr::Row(columns.collect()))
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

    fn explicit_cast(&mut self, arg: Expr, ty: Type, typmod: i32) -> Result<Expr> {
        self.coerce(arg, ty, typmod, Context::Explicit, |from| cannot_cast(from, ty))
    }

    fn unary(&mut self, op: &UnaryOperator, operand: &ast::Expr, scope: &Scope<'_>) -> Result<Expr> {
        let symbol = match op {
            UnaryOperator::Not => return Ok(negate(self.bool_expr(operand, scope, "NOT")?)),
            UnaryOperator::Minus => {
                // -2147483648 is an integer although 2147483648 is not.
                if let ast::Expr::Value(value) = operand
                    && let Value::Number(text, _) = &value.value
                {
                    return number(&format!("-{text}"));
                }
                "-"
            }
            UnaryOperator::Plus => "+",
            UnaryOperator::BitwiseNot => "~",
            UnaryOperator::PGAbs => "@",
            UnaryOperator::PGSquareRoot => "|/",
            UnaryOperator::PGCubeRoot => "||/",
            UnaryOperator::AtDashAt
            | UnaryOperator::BangNot
            | UnaryOperator::DoubleAt
            | UnaryOperator::Hash
            | UnaryOperator::PGPostfixFactorial
            | UnaryOperator::PGPrefixFactorial
            | UnaryOperator::QuestionDash
            | UnaryOperator::QuestionPipe => return Err(SqlError::unsupported(format!("the operator {op}"))),
        };
        let arg = self.expr(operand, scope)?;
        self.operator(symbol, None, arg)
    }

    /// A chain of operators, `1 + 1 + ...`: its tree leans to the left, so it is bound from its
    /// first operand on, without recursion.
    fn chain(&mut self, node: &ast::Expr, scope: &Scope<'_>) -> Result<Expr> {
        let mut chain = vec![];
        let mut next = node;
        while let ast::Expr::BinaryOp { left, op, right } = next {
            chain.push((next, left, op, right));
            next = left;
        }
        // The chain is deep where it is evaluated, though not here.
        let levels = if self.long_chains { 0 } else { chain.len() };
        self.deeper_by(levels, |binder| {
            let mut bound = None;
            while let Some((node, left, op, right)) = chain.pop() {
                let result = binder.binary(node, (left, bound.take()), op, right, scope);
                bound = Some(binder.at(node, result)?);
            }
            bound.ok_or_else(|| SqlError::internal("a chain has an operator"))
        })
    }

    /// One operator; its left operand may be bound already.
    fn binary(
        &mut self,
        node: &ast::Expr,
        (left, bound): (&ast::Expr, Option<Expr>),
        op: &BinaryOperator,
        right: &ast::Expr,
        scope: &Scope<'_>,
    ) -> Result<Expr> {
        let logical = match op {
            BinaryOperator::And => Some("AND"),
            BinaryOperator::Or => Some("OR"),
            _ => None,
        };
        if let Some(name) = logical {
            let and = name == "AND";
            let left = match bound {
                Some(bound) => {
                    let result = self.coerce_bool(bound, name);
                    self.at(left, result)?
                }
                None => self.bool_expr(left, scope, name)?,
            };
            let mut parts = vec![];
            flatten(left, &mut parts, and);
            flatten(self.bool_expr(right, scope, name)?, &mut parts, and);
            return Ok(if and { Expr::And(parts) } else { Expr::Or(parts) });
        }
        let symbol = symbol(op)?;
        // (a, b) = (SELECT ...), with the subquery's only row.
        if let (ast::Expr::Tuple(lefts), ast::Expr::Subquery(query)) = (strip(left), strip(right)) {
            let query = self.query(query, Some(scope), false)?;
            let compared = self.compare_rows(lefts, &symbol, query, scope);
            return Ok(Expr::Scalar {
                ty: Type::Bool,
                query: Box::new(self.at_operator(left, node, compared)?),
            });
        }
        // Row comparison: (a, b) = (c, d).
        if let (ast::Expr::Tuple(lefts), ast::Expr::Tuple(rights)) = (strip(left), strip(right)) {
            return self.row_comparison(lefts, &symbol, rights, scope);
        }
        let left_bound = match bound {
            Some(bound) => bound,
            None => self.expr(left, scope)?,
        };
        let right_bound = self.expr(right, scope)?;
        // Rows that are spelled out are compared field by field, with NULL unknown; stored ones as a whole.
        let (left_bound, right_bound) = match (left_bound, right_bound) {
            (Expr::Row(lefts), Expr::Row(rights))
                if spelled_row(left) && spelled_row(right) && lefts.len() == rights.len() && ROW_COMPARISONS.contains(&symbol.as_str()) =>
            {
                return self.row_pairs(lefts.into_iter().zip(rights).collect(), &symbol);
            }
            bound => bound,
        };
        let result = self.operator(&symbol, Some(left_bound), right_bound);
        let result = match (strip(left), strip(right)) {
            // A string that is no value of the other side's type: PostgreSQL points at the string.
            (literal @ ast::Expr::Value(_), _) | (_, literal @ ast::Expr::Value(_)) => {
                result.map_err(|error| match is_bad_literal(error.state()) {
                    true => error.position_if_absent(self.position(literal.span())),
                    false => error,
                })
            }
            _ => result,
        };
        self.at_operator(left, node, result)
    }

    /// PostgreSQL points at the operator; the tree only knows its operands.
    fn at_operator<T>(&self, left: &ast::Expr, node: &ast::Expr, result: Result<T>) -> Result<T> {
        result.map_err(|error| {
            if error.fields().position.is_some() {
                return error;
            }
            let end = crate::parse::byte_offset(&self.source, left.span().end);
            let gap = self.source[end..].find(|c: char| !c.is_whitespace() && c != ')').unwrap_or(0);
            let position = (left.span().end.line > 0).then(|| self.source[..end + gap].chars().count() + 1);
            error.position_if_absent(position.or_else(|| self.position(node.span())))
        })
    }

    /// An operator over bound operands: resolved by PostgreSQL's rules, arguments converted.
    pub(super) fn operator(&mut self, symbol: &str, left: Option<Expr>, right: Expr) -> Result<Expr> {
        let resolved = functions::resolve::resolve_operator(symbol, left.as_ref().map(Expr::ty), right.ty())?;
        let mut args = Vec::with_capacity(2);
        if let (Some(left), Some(ty)) = (left, resolved.left) {
            args.push(self.coerce_resolved(left, ty)?);
        }
        args.push(self.coerce_resolved(right, resolved.right)?);
        Ok(Expr::Call {
            function: resolved.function,
            args,
            ty: resolved.ret,
        })
    }

    fn row_comparison(&mut self, lefts: &[ast::Expr], symbol: &str, rights: &[ast::Expr], scope: &Scope<'_>) -> Result<Expr> {
        if lefts.len() != rights.len() {
            return Err(SqlError::new(SqlState::SyntaxError, "unequal number of entries in row expressions"));
        }
        let mut pairs = vec![];
        for (left, right) in lefts.iter().zip(rights) {
            pairs.push((self.expr(left, scope)?, self.expr(right, scope)?));
        }
        self.row_pairs(pairs, symbol)
    }

    fn row_pairs(&mut self, pairs: Vec<(Expr, Expr)>, symbol: &str) -> Result<Expr> {
        match symbol {
            "=" => {
                let equal = pairs
                    .into_iter()
                    .map(|(left, right)| self.operator("=", Some(left), right))
                    .collect::<Result<_>>()?;
                Ok(Expr::And(equal))
            }
            "<>" => {
                let differ = pairs
                    .into_iter()
                    .map(|(left, right)| self.operator("<>", Some(left), right))
                    .collect::<Result<_>>()?;
                Ok(Expr::Or(differ))
            }
            "<" | "<=" | ">" | ">=" => {
                // (a, b) < (c, d): a < c OR (a = c AND b < d); the last pair decides about equality.
                let strict = &symbol[..1];
                let mut result: Option<Expr> = None;
                let last = pairs.len() - 1;
                for (index, (left, right)) in pairs.into_iter().enumerate().rev() {
                    let this = self.operator(if index == last { symbol } else { strict }, Some(left.clone()), right.clone())?;
                    result = Some(match result {
                        None => this,
                        Some(rest) => {
                            let equal = self.operator("=", Some(left), right)?;
                            Expr::Or(vec![this, Expr::And(vec![equal, rest])])
                        }
                    });
                }
                result.ok_or_else(|| SqlError::new(SqlState::SyntaxError, "cannot compare rows of zero length"))
            }
            other => Err(SqlError::unsupported(format!("the operator {other} between rows"))),
        }
    }

    fn null_test(&mut self, inner: &ast::Expr, scope: &Scope<'_>) -> Result<Expr> {
        let bound = self.expr(inner, scope)?;
        self.unknown_to_text(bound)
    }

    /// `COALESCE(inner, default)`: the two-valued tests on booleans.
    fn truth(&mut self, inner: &ast::Expr, scope: &Scope<'_>, what: &str, default: bool, _: bool) -> Result<Expr> {
        let bound = self.bool_expr(inner, scope, what)?;
        Ok(Expr::Coalesce(
            vec![bound, Expr::Const(Datum::Bool(default), Type::Bool)],
            Type::Bool,
        ))
    }

    /// NULL-safe equality: the comparison where both are there, else whether both are missing.
    fn not_distinct(&mut self, left: &ast::Expr, right: &ast::Expr, scope: &Scope<'_>) -> Result<Expr> {
        let left = self.expr(left, scope)?;
        let right = self.expr(right, scope)?;
        let equal = self.operator("=", Some(left), right)?;
        let Expr::Call { args, .. } = &equal else {
            return Err(SqlError::internal("an operator is a call"));
        };
        let both = Expr::And(args.iter().map(|arg| Expr::IsNull(Box::new(arg.clone()))).collect());
        Ok(Expr::Coalesce(vec![equal, both], Type::Bool))
    }

    fn in_list(&mut self, left: &ast::Expr, list: &[ast::Expr], negated: bool, scope: &Scope<'_>) -> Result<Expr> {
        let symbol = if negated { "<>" } else { "=" };
        if let ast::Expr::Tuple(lefts) = strip(left) {
            let mut rows = vec![];
            for item in list {
                let ast::Expr::Tuple(rights) = strip(item) else {
                    return Err(SqlError::new(SqlState::SyntaxError, "unequal number of entries in row expressions"));
                };
                rows.push(self.row_comparison(lefts, "=", rights, scope)?);
            }
            let found = Expr::Or(rows);
            return Ok(if negated { negate(found) } else { found });
        }
        let left = self.expr(left, scope)?;
        let mut items = vec![];
        for item in list {
            items.push(self.expr(item, scope)?);
        }
        // PostgreSQL gives the whole list one type where there is one.
        let mut all = vec![left.ty()];
        all.extend(items.iter().map(Expr::ty));
        if let Ok(common) = functions::resolve::common_type(&all, "IN") {
            let left = self.coerce_resolved(left, common)?;
            let items = items
                .into_iter()
                .map(|item| self.coerce_resolved(item, common))
                .collect::<Result<Vec<_>>>()?;
            let resolved = functions::resolve::resolve_operator(symbol, Some(common), common)?;
            let ty = resolved.right;
            let left = self.coerce_resolved(left, resolved.left.unwrap_or(ty))?;
            let list = items
                .into_iter()
                .map(|item| self.coerce_resolved(item, ty))
                .collect::<Result<_>>()?;
            return Ok(Expr::InList {
                left: Box::new(left),
                op: resolved.function,
                list,
                all: negated,
            });
        }
        let each = items
            .into_iter()
            .map(|item| self.operator(symbol, Some(left.clone()), item))
            .collect::<Result<Vec<_>>>()?;
        Ok(if negated { Expr::And(each) } else { Expr::Or(each) })
    }

    fn between_side(&mut self, expr: &ast::Expr, symbol: &str, bound: &ast::Expr, scope: &Scope<'_>) -> Result<Expr> {
        let left = self.expr(expr, scope)?;
        let right = self.expr(bound, scope)?;
        self.operator(symbol, Some(left), right)
    }

    fn like(
        &mut self,
        expr: &ast::Expr,
        pattern: &ast::Expr,
        escape: Option<&ast::ValueWithSpan>,
        symbol: &str,
        escaper: &str,
        scope: &Scope<'_>,
    ) -> Result<Expr> {
        let left = self.expr(expr, scope)?;
        let mut pattern = self.expr(pattern, scope)?;
        if let Some(escape) = escape {
            let escape = self.literal(&escape.value)?;
            pattern = self.call_builtin(escaper, vec![pattern, escape])?;
        }
        self.operator(symbol, Some(left), pattern)
    }

    fn quantified(&mut self, left: &ast::Expr, op: &BinaryOperator, right: &ast::Expr, all: bool, scope: &Scope<'_>) -> Result<Expr> {
        let symbol = symbol(op)?;
        if let ast::Expr::Subquery(query) = strip(right) {
            return self.any_query(left, &symbol, query, all, scope);
        }
        let left = self.expr(left, scope)?;
        let array = self.expr(right, scope)?;
        // '{1,2}' takes the left side's type.
        let array = match array.ty() {
            Type::Unknown => {
                let element = if left.ty() == Type::Unknown { Type::Text } else { left.ty() };
                let ty = element.array_of().ok_or_else(|| cannot_cast(Type::Unknown, element))?;
                self.coerce_resolved(array, ty)?
            }
            _ => array,
        };
        let Some(element) = array.ty().element() else {
            return Err(SqlError::new(
                SqlState::WrongObjectType,
                "op ANY/ALL (array) requires array on right side",
            ));
        };
        let resolved = functions::resolve::resolve_operator(&symbol, Some(left.ty()), element)?;
        let left = self.coerce_resolved(left, resolved.left.unwrap_or(element))?;
        let array = match resolved.right {
            ty if ty == element => array,
            ty => {
                let ty = ty.array_of().ok_or_else(|| cannot_cast(element, ty))?;
                self.coerce_resolved(array, ty)?
            }
        };
        Ok(Expr::AnyArray {
            left: Box::new(left),
            op: resolved.function,
            array: Box::new(array),
            all,
        })
    }

    fn any_query(&mut self, left: &ast::Expr, symbol: &str, query: &ast::Query, all: bool, scope: &Scope<'_>) -> Result<Expr> {
        let mut bound = self.query(query, Some(scope), false)?;
        if let ast::Expr::Tuple(lefts) = strip(left) {
            // `TRUE = ANY (SELECT left = right)`, `FALSE <> ALL (...)`: unknown where the comparison is.
            let outer = if all { "<>" } else { "=" };
            let compared = self.compare_rows(lefts, symbol, bound, scope)?;
            return Ok(Expr::AnyQuery {
                left: Box::new(Expr::Const(Datum::Bool(!all), Type::Bool)),
                op: functions::resolve::resolve_operator(outer, Some(Type::Bool), Type::Bool)?.function,
                query: Box::new(compared),
                all,
            });
        }
        let left = self.expr(left, scope)?;
        let [column] = bound.columns.as_slice() else {
            let few = if bound.columns.len() > 1 {
                "subquery has too many columns"
            } else {
                "subquery has too few columns"
            };
            return Err(SqlError::new(SqlState::SyntaxError, few));
        };
        let resolved = functions::resolve::resolve_operator(symbol, Some(left.ty()), column.ty)?;
        if resolved.right != column.ty {
            let id = self.new_column(super::NO_META);
            let cast = self.coerce_resolved(
                Expr::Column {
                    id: column.id,
                    ty: column.ty,
                },
                resolved.right,
            )?;
            bound.rel = Rel::Project {
                input: Box::new(bound.rel),
                exprs: vec![(id, cast)],
            };
        }
        let left = self.coerce_resolved(left, resolved.left.unwrap_or(resolved.right))?;
        Ok(Expr::AnyQuery {
            left: Box::new(left),
            op: resolved.function,
            query: Box::new(bound.rel),
            all,
        })
    }

    /// What comparing `(a, b)` with each of the query's rows gives.
    fn compare_rows(&mut self, lefts: &[ast::Expr], symbol: &str, bound: super::Bound, scope: &Scope<'_>) -> Result<Rel> {
        if lefts.len() != bound.columns.len() {
            let few = if bound.columns.len() > lefts.len() { "many" } else { "few" };
            return Err(SqlError::new(SqlState::SyntaxError, format!("subquery has too {few} columns")));
        }
        let mut pairs = vec![];
        for (left, column) in lefts.iter().zip(&bound.columns) {
            let left = self.expr(left, scope)?;
            let right = Expr::Column {
                id: column.id,
                ty: column.ty,
            };
            pairs.push((left, right));
        }
        let compared = self.row_pairs(pairs, symbol)?;
        Ok(Rel::Project {
            input: Box::new(bound.rel),
            exprs: vec![(self.new_column(super::NO_META), compared)],
        })
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
        match (&value, &interval.leading_field) {
            // INTERVAL '1' DAY: the field is the unit of a bare number.
            (Expr::Const(Datum::Text(text), Type::Unknown), Some(field))
                if interval.last_field.is_none() && text.trim().parse::<f64>().is_ok() =>
            {
                let text = format!("{} {}", text.trim(), field.to_string().to_ascii_lowercase());
                self.explicit_cast(Expr::Const(Datum::Text(text), Type::Unknown), Type::Interval, NO_TYPMOD)
            }
            _ => self.explicit_cast(value, Type::Interval, NO_TYPMOD),
        }
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
        let mut subscripts = vec![];
        for access in rest {
            match access {
                ast::AccessExpr::Subscript(ast::Subscript::Index { index }) => {
                    let index = self.expr(index, scope)?;
                    if value.ty() == Type::Jsonb {
                        let name = if index.ty() == Type::Unknown { Type::Text } else { index.ty() };
                        let index = self.coerce_resolved(index, name)?;
                        value = self.operator("->", Some(value), index)?;
                    } else {
                        subscripts.push(self.coerce(index, Type::Int4, NO_TYPMOD, Context::Assignment, |_| {
                            SqlError::new(SqlState::DatatypeMismatch, "array subscript must have type integer")
                        })?);
                    }
                }
                ast::AccessExpr::Subscript(ast::Subscript::Slice {
                    lower_bound,
                    upper_bound,
                    stride: None,
                }) => {
                    let mut args = vec![value];
                    for bound in [lower_bound, upper_bound] {
                        args.push(match bound {
                            Some(bound) => {
                                let bound = self.expr(bound, scope)?;
                                self.coerce(bound, Type::Int4, NO_TYPMOD, Context::Assignment, |_| {
                                    SqlError::new(SqlState::DatatypeMismatch, "array subscript must have type integer")
                                })?
                            }
                            None => Expr::Const(Datum::Null, Type::Int4),
                        });
                    }
                    value = self.call_builtin("array_slice", args)?;
                }
                ast::AccessExpr::Subscript(ast::Subscript::Slice { .. }) => return Err(SqlError::unsupported("a slice with a stride")),
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
            args.extend(subscripts);
            value = self.call_builtin("array_subscript", args)?;
        }
        Ok(value)
    }
}

pub(super) fn negate(expr: Expr) -> Expr {
    Expr::Not(Box::new(expr))
}

fn flatten(expr: Expr, parts: &mut Vec<Expr>, and: bool) {
    match expr {
        Expr::And(inner) if and => parts.extend(inner),
        Expr::Or(inner) if !and => parts.extend(inner),
        other => parts.push(other),
    }
}

/// The expression inside its parentheses.
const ROW_COMPARISONS: [&str; 6] = ["=", "<>", "<", "<=", ">", ">="];

fn is_bad_literal(state: SqlState) -> bool {
    [
        SqlState::InvalidTextRepresentation,
        SqlState::InvalidDatetimeFormat,
        SqlState::DatetimeFieldOverflow,
    ]
    .contains(&state)
}

/// `ROW(...)` or `(a, b)`, and not a table's name.
fn spelled_row(node: &ast::Expr) -> bool {
    !matches!(strip(node), ast::Expr::Identifier(_) | ast::Expr::CompoundIdentifier(_))
}

fn strip(node: &ast::Expr) -> &ast::Expr {
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
fn number(text: &str) -> Result<Expr> {
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

/// PostgreSQL's name of an operator.
fn symbol(op: &BinaryOperator) -> Result<String> {
    Ok(match op {
        BinaryOperator::NotEq => "<>".to_string(),
        BinaryOperator::PGCustomBinaryOperator(parts) => parts.last().cloned().unwrap_or_default(),
        BinaryOperator::PGBitwiseXor => "#".to_string(),
        BinaryOperator::PGExp => "^".to_string(),
        BinaryOperator::PGOverlap => "&&".to_string(),
        BinaryOperator::And | BinaryOperator::Or => return Err(SqlError::internal("AND and OR are not operators")),
        other => other.to_string(),
    })
}
