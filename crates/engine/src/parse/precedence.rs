//! How tight operators bind: the table of PostgreSQL's grammar (`gram.y`), where the parser has another.
//!
//! The life of an operator: [`of_next`] says how tight the one ahead binds, [`prefix`] reads those before an operand (`@ x - 5` is
//! `@ (x - 5)`, but `- x ^ 2` is `(- x) ^ 2`), and [`infix`] looks at the left operand of the others, for comparisons do not chain:
//! `a < b < c` is an error.

use std::cell::Cell;
use std::ops::ControlFlow;

use sqlparser::ast::{self, BinaryOperator, Expr, Ident, TrimWhereField, UnaryOperator};
use sqlparser::dialect::{Dialect, PostgreSqlDialect};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

type Parsed<T> = Result<T, ParserError>;

const OR: u8 = 10;
const AND: u8 = 20;
const NOT: u8 = 30;
const IS: u8 = 40;
/// Above IS: what may stand between BETWEEN and its AND.
const BETWEEN_LOW: u8 = 45;
const COMPARISON: u8 = 50;
const LIKE: u8 = 60;
/// Every operator without a line of its own, before an operand or between two.
const OTHER: u8 = 70;
const PLUS_MINUS: u8 = 80;
const MUL_DIV_MOD: u8 = 90;
const POWER: u8 = 100;
const AT_TIME_ZONE: u8 = 110;
const COLLATE: u8 = 120;
const SIGN: u8 = 125;
const BRACKET: u8 = 130;
const CAST: u8 = 140;
const PERIOD: u8 = 200;

/// What the parser asks for as it reads an operand, where the answer depends on the operator before it.
#[derive(Debug, Default)]
pub(super) struct Operand {
    /// After IS DISTINCT FROM, whose operand the parser reads as a whole expression.
    distinct: Cell<bool>,
    /// After BETWEEN, whose first operand ends at AND and may hold a comparison, and whose second may not.
    between: Cell<bool>,
}

impl Operand {
    /// How tight an operator has to bind to belong to the expression ahead.
    pub fn of_expression(&self) -> u8 {
        if self.distinct.take() { IS } else { 0 }
    }

    /// The same of an operand of BETWEEN.
    pub fn of_between(&self) -> u8 {
        if self.between.take() { BETWEEN_LOW } else { LIKE }
    }
}

/// How tight the next token binds as an operator after an operand; 0: it is none.
pub(super) fn of_next(parser: &Parser<'_>) -> Parsed<u8> {
    let keyword = |n: usize| match &parser.peek_nth_token_ref(n).token {
        Token::Word(word) => word.keyword,
        _ => Keyword::NoKeyword,
    };
    Ok(match &parser.peek_token_ref().token {
        Token::Word(word) => match word.keyword {
            Keyword::OR => OR,
            Keyword::AND => AND,
            Keyword::NOT => match keyword(1) {
                Keyword::IN | Keyword::BETWEEN | Keyword::LIKE | Keyword::ILIKE | Keyword::SIMILAR => LIKE,
                _ => 0,
            },
            Keyword::IS => IS,
            Keyword::IN | Keyword::BETWEEN | Keyword::LIKE | Keyword::ILIKE | Keyword::SIMILAR | Keyword::OVERLAPS => LIKE,
            Keyword::OPERATOR => OTHER,
            Keyword::AT if keyword(1) == Keyword::TIME && keyword(2) == Keyword::ZONE => AT_TIME_ZONE,
            // Not before a column's own COLLATE, and that the library's dialect knows.
            Keyword::COLLATE => PostgreSqlDialect {}
                .get_next_precedence(parser)
                .map_or(Ok(0), |known| known.map(|_| COLLATE))?,
            _ => 0,
        },
        Token::Eq | Token::Lt | Token::LtEq | Token::Neq | Token::Gt | Token::GtEq => COMPARISON,
        Token::Plus | Token::Minus => PLUS_MINUS,
        Token::Mul | Token::Div | Token::Mod => MUL_DIV_MOD,
        Token::Caret => POWER,
        Token::DoubleColon => CAST,
        Token::LBracket => BRACKET,
        Token::Period => PERIOD,
        Token::Tilde
        | Token::TildeAsterisk
        | Token::ExclamationMarkTilde
        | Token::ExclamationMarkTildeAsterisk
        | Token::DoubleTilde
        | Token::DoubleTildeAsterisk
        | Token::ExclamationMarkDoubleTilde
        | Token::ExclamationMarkDoubleTildeAsterisk
        | Token::Pipe
        | Token::StringConcat
        | Token::Ampersand
        | Token::Overlap
        | Token::Sharp
        | Token::ShiftLeft
        | Token::ShiftRight
        | Token::AtSign
        | Token::CaretAt
        | Token::Arrow
        | Token::LongArrow
        | Token::HashArrow
        | Token::HashLongArrow
        | Token::HashMinus
        | Token::AtArrow
        | Token::ArrowAt
        | Token::AtQuestion
        | Token::AtAt
        | Token::Question
        | Token::QuestionAnd
        | Token::QuestionPipe
        | Token::CustomBinaryOperator(_) => OTHER,
        _ => 0,
    })
}

/// Reads an operator before its operand, and TRIM, whose words the parser knows in part.
pub(super) fn prefix(parser: &mut Parser<'_>) -> Option<Parsed<Expr>> {
    let (op, operand) = match &parser.peek_token_ref().token {
        Token::Minus => (UnaryOperator::Minus, SIGN),
        Token::Plus => (UnaryOperator::Plus, SIGN),
        Token::Tilde => (UnaryOperator::BitwiseNot, OTHER),
        Token::AtSign => (UnaryOperator::PGAbs, OTHER),
        Token::PGSquareRoot => (UnaryOperator::PGSquareRoot, OTHER),
        Token::PGCubeRoot => (UnaryOperator::PGCubeRoot, OTHER),
        Token::DoubleExclamationMark => (UnaryOperator::PGPrefixFactorial, OTHER),
        Token::Word(word) => match word.keyword {
            Keyword::NOT => (UnaryOperator::Not, NOT),
            Keyword::TRIM if parser.peek_nth_token_ref(1).token == Token::LParen => return Some(trim(parser)),
            _ => return None,
        },
        _ => return None,
    };
    parser.next_token();
    let operand = parser.parse_subexpr(operand);
    Some(operand.map(|expr| Expr::UnaryOp { op, expr: Box::new(expr) }))
}

/// `TRIM([LEADING | TRAILING | BOTH] [characters] FROM text)`, or with a comma.
fn trim(parser: &mut Parser<'_>) -> Parsed<Expr> {
    parser.next_token();
    parser.expect_token(&Token::LParen)?;
    let side = parser.parse_one_of_keywords(&[Keyword::LEADING, Keyword::TRAILING, Keyword::BOTH]);
    let trim_where = side.map(|side| match side {
        Keyword::LEADING => TrimWhereField::Leading,
        Keyword::TRAILING => TrimWhereField::Trailing,
        _ => TrimWhereField::Both,
    });
    let mut expr = None;
    let mut what = None;
    if !parser.parse_keyword(Keyword::FROM) {
        expr = Some(parser.parse_expr()?);
        if parser.parse_keyword(Keyword::FROM) {
            what = expr.take();
        }
    }
    let expr = match expr {
        Some(expr) => expr,
        None => parser.parse_expr()?,
    };
    let trim_characters = match what.is_none() && parser.consume_token(&Token::Comma) {
        true => Some(vec![parser.parse_expr()?]),
        false => None,
    };
    parser.expect_token(&Token::RParen)?;
    Ok(Expr::Trim {
        expr: Box::new(expr),
        trim_where,
        trim_what: what.map(Box::new),
        trim_characters,
    })
}

/// Looks at an operator and its left operand; None: the parser reads on.
pub(super) fn infix(parser: &mut Parser<'_>, left: &Expr, operand: &Operand, readings: &Cell<usize>) -> Option<Parsed<Expr>> {
    let keyword = |n: usize| match &parser.peek_nth_token_ref(n).token {
        Token::Word(word) => word.keyword,
        _ => Keyword::NoKeyword,
    };
    let level = match of_next(parser) {
        Ok(level) => level,
        Err(error) => return Some(Err(error)),
    };
    if matches!(level, IS | COMPARISON | LIKE) && open_end(left) == Some(level) {
        return Some(parser.expected("the end of the expression", parser.peek_token()));
    }
    if level == COLLATE {
        return Some(collate(parser, left, readings));
    }
    let not = usize::from(keyword(0) == Keyword::NOT);
    if keyword(not) == Keyword::BETWEEN && matches!(keyword(not + 1), Keyword::SYMMETRIC | Keyword::ASYMMETRIC) {
        return Some(between(parser, left, readings));
    }
    if keyword(not) == Keyword::BETWEEN {
        operand.between.set(true);
    }
    if keyword(0) == Keyword::IS {
        let not = usize::from(keyword(1) == Keyword::NOT);
        if keyword(1 + not) == Keyword::DISTINCT && keyword(2 + not) == Keyword::FROM {
            operand.distinct.set(true);
        }
    }
    None
}

/// `x::text COLLATE "C"`, which the parser reads after a name or a literal only.
fn collate(parser: &mut Parser<'_>, left: &Expr, readings: &Cell<usize>) -> Parsed<Expr> {
    let expr = Box::new(copy(left, readings)?);
    parser.next_token();
    Ok(Expr::Collate {
        expr,
        collation: parser.parse_object_name(false)?,
    })
}

/// `x BETWEEN SYMMETRIC a AND b`, as a BETWEEN whose first bound carries the word.
fn between(parser: &mut Parser<'_>, left: &Expr, readings: &Cell<usize>) -> Parsed<Expr> {
    let expr = Box::new(copy(left, readings)?);
    let negated = parser.parse_keyword(Keyword::NOT);
    parser.expect_keyword(Keyword::BETWEEN)?;
    let symmetric = parser.parse_keyword(Keyword::SYMMETRIC) || !parser.parse_keyword(Keyword::ASYMMETRIC);
    let mut low = parser.parse_subexpr(BETWEEN_LOW)?;
    parser.expect_keyword(Keyword::AND)?;
    let high = Box::new(parser.parse_subexpr(LIKE)?);
    if symmetric {
        low = Expr::Prefixed {
            prefix: Ident::new("SYMMETRIC"),
            value: Box::new(low),
        };
    }
    Ok(Expr::Between {
        expr,
        negated,
        low: Box::new(low),
        high,
    })
}

/// The parser lends the left operand: a copy is made, and paid for.
fn copy(left: &Expr, readings: &Cell<usize>) -> Parsed<Expr> {
    let paid = ast::visit_expressions(left, |_| match readings.get().checked_sub(1) {
        Some(rest) => {
            readings.set(rest);
            ControlFlow::Continue(())
        }
        None => ControlFlow::Break(()),
    });
    match paid {
        ControlFlow::Continue(()) => Ok(left.clone()),
        ControlFlow::Break(()) => Err(ParserError::RecursionLimitExceeded),
    }
}

/// The level of an operator that ends in an operand, if its level knows no chains.
fn open_end(expr: &Expr) -> Option<u8> {
    match expr {
        Expr::BinaryOp {
            op:
                BinaryOperator::Eq
                | BinaryOperator::NotEq
                | BinaryOperator::Lt
                | BinaryOperator::LtEq
                | BinaryOperator::Gt
                | BinaryOperator::GtEq,
            ..
        } => Some(COMPARISON),
        Expr::IsDistinctFrom(..) | Expr::IsNotDistinctFrom(..) => Some(IS),
        Expr::Between { .. } | Expr::Like { .. } | Expr::ILike { .. } | Expr::SimilarTo { .. } => Some(LIKE),
        _ => None,
    }
}
