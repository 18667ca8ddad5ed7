//! Operators: arithmetic and comparison, chains of them, rows, IN, BETWEEN, LIKE, ANY and ALL.

use query::ir::{Expr, Rel};
use sqlparser::ast::{self, BinaryOperator, Spanned, UnaryOperator, Value};
use types::{Datum, Result, SqlError, SqlState, Type};

use super::expr::{is_bad_literal, number, strip};
use super::{Binder, Scope, cannot_cast};

impl Binder<'_> {
    pub(super) fn unary(&mut self, op: &UnaryOperator, operand: &ast::Expr, scope: &Scope<'_>) -> Result<Expr> {
        let symbol = match op {
            UnaryOperator::Not => return Ok(negate(self.bool_expr(operand, scope, "NOT")?)),
            UnaryOperator::Minus => {
                // -2147483648 is an integer although 2147483648 is not.
                if let Some(text) = literal(operand) {
                    return number(&negative(&text));
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
    pub(super) fn chain(&mut self, node: &ast::Expr, scope: &Scope<'_>) -> Result<Expr> {
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
    pub(super) fn binary(
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
            if symbol == "OVERLAPS" {
                return self.overlaps(lefts, rights, scope);
            }
            return self.row_comparison(lefts, &symbol, rights, scope);
        }
        let left_bound = match bound {
            Some(bound) => bound,
            None => self.expr(left, scope)?,
        };
        let right_bound = self.expr(right, scope)?;
        // Rows that are spelled out are compared field by field, with NULL unknown; stored ones as a whole.
        let (left_bound, right_bound) = match (left_bound, right_bound) {
            (Expr::Row(lefts, _), Expr::Row(rights, _))
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
    pub(super) fn at_operator<T>(&self, left: &ast::Expr, node: &ast::Expr, result: Result<T>) -> Result<T> {
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

    pub(super) fn row_comparison(&mut self, lefts: &[ast::Expr], symbol: &str, rights: &[ast::Expr], scope: &Scope<'_>) -> Result<Expr> {
        if lefts.len() != rights.len() {
            return Err(SqlError::new(SqlState::SyntaxError, "unequal number of entries in row expressions"));
        }
        let mut pairs = vec![];
        for (left, right) in lefts.iter().zip(rights) {
            pairs.push((self.expr(left, scope)?, self.expr(right, scope)?));
        }
        self.row_pairs(pairs, symbol)
    }

    pub(super) fn row_pairs(&mut self, pairs: Vec<(Expr, Expr)>, symbol: &str) -> Result<Expr> {
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

    pub(super) fn null_test(&mut self, inner: &ast::Expr, scope: &Scope<'_>) -> Result<Expr> {
        let bound = self.expr(inner, scope)?;
        self.unknown_to_text(bound)
    }

    /// `COALESCE(inner, default)`: the two-valued tests on booleans.
    pub(super) fn truth(&mut self, inner: &ast::Expr, scope: &Scope<'_>, what: &str, default: bool, _: bool) -> Result<Expr> {
        let bound = self.bool_expr(inner, scope, what)?;
        Ok(Expr::Coalesce(
            vec![bound, Expr::Const(Datum::Bool(default), Type::Bool)],
            Type::Bool,
        ))
    }

    /// NULL-safe equality: the comparison where both are there, else whether both are missing.
    pub(super) fn not_distinct(&mut self, left: &ast::Expr, right: &ast::Expr, scope: &Scope<'_>) -> Result<Expr> {
        let left = self.expr(left, scope)?;
        let right = self.expr(right, scope)?;
        let equal = self.operator("=", Some(left), right)?;
        let Expr::Call { args, .. } = &equal else {
            return Err(SqlError::internal("an operator is a call"));
        };
        let both = Expr::And(args.iter().map(|arg| Expr::IsNull(Box::new(arg.clone()))).collect());
        Ok(Expr::Coalesce(vec![equal, both], Type::Bool))
    }

    pub(super) fn in_list(&mut self, left: &ast::Expr, list: &[ast::Expr], negated: bool, scope: &Scope<'_>) -> Result<Expr> {
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

    pub(super) fn between(
        &mut self,
        expr: &ast::Expr,
        negated: bool,
        low: &ast::Expr,
        high: &ast::Expr,
        scope: &Scope<'_>,
    ) -> Result<Expr> {
        // The parser marks BETWEEN SYMMETRIC so: its bounds may come in either order.
        let (low, symmetric) = match low {
            ast::Expr::Prefixed { value, .. } => (&**value, true),
            other => (other, false),
        };
        let mut orders = vec![(low, high)];
        if symmetric {
            orders.push((high, low));
        }
        let mut ranges = vec![];
        for (low, high) in orders {
            let low = self.between_side(expr, ">=", low, scope)?;
            let high = self.between_side(expr, "<=", high, scope)?;
            ranges.push(Expr::And(vec![low, high]));
        }
        let between = match ranges.len() {
            1 => ranges.remove(0),
            _ => Expr::Or(ranges),
        };
        Ok(if negated { negate(between) } else { between })
    }

    fn between_side(&mut self, expr: &ast::Expr, symbol: &str, bound: &ast::Expr, scope: &Scope<'_>) -> Result<Expr> {
        let left = self.expr(expr, scope)?;
        let right = self.expr(bound, scope)?;
        self.operator(symbol, Some(left), right)
    }

    pub(super) fn like(
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

    pub(super) fn quantified(
        &mut self,
        left: &ast::Expr,
        op: &BinaryOperator,
        right: &ast::Expr,
        all: bool,
        scope: &Scope<'_>,
    ) -> Result<Expr> {
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

    pub(super) fn any_query(&mut self, left: &ast::Expr, symbol: &str, query: &ast::Query, all: bool, scope: &Scope<'_>) -> Result<Expr> {
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
    pub(super) fn compare_rows(&mut self, lefts: &[ast::Expr], symbol: &str, bound: super::Bound, scope: &Scope<'_>) -> Result<Rel> {
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
}

fn flatten(expr: Expr, parts: &mut Vec<Expr>, and: bool) {
    match expr {
        Expr::And(inner) if and => parts.extend(inner),
        Expr::Or(inner) if !and => parts.extend(inner),
        other => parts.push(other),
    }
}

const ROW_COMPARISONS: [&str; 6] = ["=", "<>", "<", "<=", ">", ">="];

/// `ROW(...)` or `(a, b)`, and not a table's name.
fn spelled_row(node: &ast::Expr) -> bool {
    !matches!(strip(node), ast::Expr::Identifier(_) | ast::Expr::CompoundIdentifier(_))
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

pub(super) fn negate(expr: Expr) -> Expr {
    Expr::Not(Box::new(expr))
}

/// The digits of a number, with the signs before it worked out as PostgreSQL's grammar does: `-(-2147483648)` is a literal.
fn literal(node: &ast::Expr) -> Option<String> {
    let mut minus = false;
    let mut node = node;
    loop {
        match node {
            ast::Expr::Nested(inner) => node = inner,
            ast::Expr::UnaryOp {
                op: UnaryOperator::Minus,
                expr,
            } => {
                minus = !minus;
                node = expr;
            }
            ast::Expr::Value(value) => {
                let Value::Number(text, _) = &value.value else { return None };
                return Some(if minus { negative(text) } else { text.clone() });
            }
            _ => return None,
        }
    }
}

fn negative(text: &str) -> String {
    match text.strip_prefix('-') {
        Some(positive) => positive.to_string(),
        None => format!("-{text}"),
    }
}
