//! PostgreSQL's dialect of the parser, with a bound on how often it may read a text.
//!
//! The life of a word: the parser guesses what it begins, reads on, and where that fails guesses again. Where both guesses
//! read the same brackets, and these hold brackets of which that is true again, the work doubles at every level: forty bytes
//! of `NOT(NOT(...` kept a thread busy for minutes, and nothing could cancel it. So PostgreSQL's reserved words are
//! no names here, an argument is read once, and the readings are counted.

use std::any::TypeId;
use std::cell::Cell;
use std::sync::Arc;

use sqlparser::ast::{DataType, Expr, TypedString};
use sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use crate::cancel::Cancel;

use super::precedence::{self, Operand};
use super::reserved;

/// How many operands may be begun while a statement is parsed, for each of its tokens. Ordinary statements stay below one:
/// few places are read twice.
const READINGS_OF_A_TOKEN: usize = 50;

/// Readings between two looks at whether the statement was cancelled.
const READINGS_BETWEEN_LOOKS: usize = 1024;

/// The dialect for one statement.
#[derive(Debug)]
pub(super) struct Postgres {
    inner: PostgreSqlDialect,
    /// How many operands may still be begun.
    readings: Cell<usize>,
    cancel: Arc<Cancel>,
    /// How loose an operator may be in the operand that comes next: see [`super::precedence`].
    operand: Operand,
}

impl Postgres {
    pub fn new(tokens: usize, cancel: Arc<Cancel>) -> Postgres {
        Postgres {
            inner: PostgreSqlDialect {},
            readings: Cell::new(tokens.saturating_mul(READINGS_OF_A_TOKEN)),
            cancel,
            operand: Operand::default(),
        }
    }

    /// For the tokenizer alone: it parses nothing.
    pub fn to_tokenize() -> Postgres {
        Postgres::new(0, Arc::default())
    }
}

/// What the wrapped dialect says of itself; the parser's defaults are its, too.
macro_rules! as_inner {
    ($($name:ident),* $(,)?) => {
        $(fn $name(&self) -> bool {
            self.inner.$name()
        })*
    };
}

impl Dialect for Postgres {
    fn dialect(&self) -> TypeId {
        self.inner.dialect()
    }

    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        match self.readings.get().checked_sub(1) {
            Some(left) => {
                let cancelled = left % READINGS_BETWEEN_LOOKS == 0 && self.cancel.check().is_err();
                // It takes an error for a wrong guess and tries another: none may succeed.
                self.readings.set(if cancelled { 0 } else { left });
            }
            None => return Some(Err(ParserError::RecursionLimitExceeded)),
        }
        if let Some(interval) = interval_with_precision(parser) {
            return Some(Ok(interval));
        }
        if reserved::begins_no_expression(parser) {
            return Some(parser.expected("an expression", parser.peek_token()));
        }
        precedence::prefix(parser)
    }

    fn parse_infix(&self, parser: &mut Parser, left: &Expr, _precedence: u8) -> Option<Result<Expr, ParserError>> {
        precedence::infix(parser, left, &self.operand, &self.readings)
    }

    /// Reserved, so no alias without AS: `INSERT INTO t SELECT 1 ON CONFLICT DO NOTHING`.
    fn is_column_alias(&self, keyword: &Keyword, parser: &mut Parser) -> bool {
        *keyword != Keyword::ON && self.inner.is_column_alias(keyword, parser)
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        matches!(keyword, Keyword::NOT | Keyword::CASE | Keyword::CAST) || self.inner.is_reserved_for_identifier(keyword)
    }

    /// `f(expression => value)` is nobody's SQL, and looking for it reads every argument twice: `f(f(f(1)))` eight times.
    fn supports_named_fn_args_with_expr_name(&self) -> bool {
        false
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        self.inner.identifier_quote_style(identifier)
    }

    fn is_delimited_identifier_start(&self, c: char) -> bool {
        self.inner.is_delimited_identifier_start(c)
    }

    fn is_identifier_start(&self, c: char) -> bool {
        self.inner.is_identifier_start(c)
    }

    fn is_identifier_part(&self, c: char) -> bool {
        self.inner.is_identifier_part(c)
    }

    /// [`super::lexis`] joins them.
    fn is_custom_operator_part(&self, _c: char) -> bool {
        false
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        Some(precedence::of_next(parser))
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        match precedence {
            Precedence::Between => self.operand.of_between(),
            other => self.inner.prec_value(other),
        }
    }

    fn prec_unknown(&self) -> u8 {
        self.operand.of_expression()
    }

    as_inner! {
        supports_unicode_string_literal,
        supports_filter_during_aggregation,
        supports_group_by_expr,
        allow_extract_custom,
        allow_extract_single_quotes,
        supports_create_index_with_clause,
        supports_explain_with_utility_options,
        supports_listen_notify,
        supports_bitwise_shift_operators,
        supports_comment_on,
        supports_load_extension,
        supports_named_fn_args_with_colon_operator,
        supports_empty_projections,
        supports_nested_comments,
        supports_string_escape_constant,
        supports_numeric_literal_underscores,
        supports_array_typedef_with_brackets,
        supports_geometric_types,
        supports_set_names,
        supports_alter_column_type_using,
        supports_interval_options,
        supports_insert_table_alias,
        supports_create_table_like_parenthesized,
        supports_select_wildcard_with_alias,
        supports_comma_separated_trim,
        supports_xml_expressions,
        supports_comment_optimizer_hint,
    }
}
/// `INTERVAL(3) '1.2345 s'`, whose precision the parser would lose.
fn interval_with_precision(parser: &mut Parser) -> Option<Expr> {
    let [word, open, precision, close, text] = parser.peek_tokens();
    let (Token::Word(word), Token::LParen, Token::Number(digits, false), Token::RParen, Token::SingleQuotedString(_)) =
        (word, open, precision, close, text)
    else {
        return None;
    };
    if word.keyword != Keyword::INTERVAL || word.quote_style.is_some() {
        return None;
    }
    let precision = digits.parse().ok()?;
    for _ in 0..4 {
        parser.advance_token();
    }
    let value = parser.parse_value().ok()?;
    Some(Expr::TypedString(TypedString {
        data_type: DataType::Interval {
            fields: None,
            precision: Some(precision),
        },
        value,
        uses_odbc_syntax: false,
    }))
}
