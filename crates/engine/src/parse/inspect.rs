//! `EXPLAIN CAPABILITIES`, `TEST FUNCTION`, `COMMENT ON`.

use sqlparser::ast::Expr;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::function::{FunctionName, RoutineKind, function_name, rest, routine_kind};
use super::{Source, at_end, byte_offset, expect_word, fold, own_error, string, word};

type Parsed<T> = std::result::Result<T, ParserError>;

#[derive(Clone, Debug)]
pub struct TestFunction {
    /// The call's text.
    pub call: String,
    pub expect: Option<Expectation>,
}

/// What a tested call has to do.
#[derive(Clone, Debug)]
pub enum Expectation {
    /// The text of the capability that it is refused.
    Denied(String),
    /// The text of the value that it returns.
    Value(String),
}

#[derive(Clone, Debug)]
pub struct Comment {
    pub on: Commented,
    /// None: the comment goes.
    pub text: Option<String>,
}

/// (schema, name) of a relation.
pub type RelationName = (Option<String>, String);

#[derive(Clone, Debug)]
pub enum Commented {
    Table(RelationName),
    View(RelationName),
    Column(RelationName, String),
    Schema(String),
    Routine(RoutineKind, FunctionName),
    /// A kind of object whose comments nobody keeps.
    Other(String),
}

/// `EXPLAIN CAPABILITIES FOR FUNCTION f[(types)]`.
pub fn explain_capabilities(parser: &mut Parser<'_>) -> Parsed<(RoutineKind, FunctionName)> {
    expect_word(parser, "EXPLAIN")?;
    expect_word(parser, "CAPABILITIES")?;
    expect_word(parser, "FOR")?;
    let kind = routine_kind(parser)?;
    let name = function_name(parser)?;
    at_end(parser)?;
    Ok((kind, name))
}

/// `TEST FUNCTION f(arguments) [EXPECT DENIED capability | EXPECT value]`.
pub fn test_function(parser: &mut Parser<'_>, source: &Source) -> Parsed<TestFunction> {
    expect_word(parser, "TEST")?;
    expect_word(parser, "FUNCTION")?;
    let (call, expr) = expression(parser, source)?;
    if !matches!(expr, Expr::Function(_)) {
        return own_error("TEST FUNCTION takes a call, such as TEST FUNCTION f(1)");
    }
    let expect = if !word(parser, "EXPECT") {
        None
    } else if word(parser, "DENIED") {
        Some(Expectation::Denied(rest(parser, source)))
    } else {
        Some(Expectation::Value(expression(parser, source)?.0))
    };
    at_end(parser)?;
    Ok(TestFunction { call, expect })
}

/// An expression and its text.
fn expression(parser: &mut Parser<'_>, source: &Source) -> Parsed<(String, Expr)> {
    let start = parser.peek_token().span.start;
    let expr = parser.parse_expr()?;
    let end = parser.get_current_token().span.end;
    Ok((source[byte_offset(source, start)..byte_offset(source, end)].to_string(), expr))
}

/// `COMMENT ON kind name IS 'text' | NULL`.
pub fn comment(parser: &mut Parser<'_>) -> Parsed<Comment> {
    expect_word(parser, "COMMENT")?;
    expect_word(parser, "ON")?;
    let start = parser.peek_token();
    let on = if word(parser, "TABLE") {
        Commented::Table(relation(parser)?)
    } else if word(parser, "VIEW") {
        Commented::View(relation(parser)?)
    } else if word(parser, "SCHEMA") {
        Commented::Schema(fold(&parser.parse_identifier()?))
    } else if word(parser, "COLUMN") {
        let mut parts = parts(parser)?;
        match (parts.pop(), parts.pop(), parts.pop()) {
            (Some(column), Some(table), schema) if parts.is_empty() => Commented::Column((schema, table), column),
            (Some(_), Some(_), _) => return own_error("improper qualified name (too many dotted names)"),
            _ => return own_error("column name must be qualified"),
        }
    } else if ["FUNCTION", "PROCEDURE", "ROUTINE", "AGGREGATE"]
        .iter()
        .any(|kind| matches!(&start.token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(kind)))
    {
        let kind = routine_kind(parser)?;
        Commented::Routine(kind, function_name(parser)?)
    } else {
        let kind = parser.parse_identifier()?.value.to_uppercase();
        while !matches!(&parser.peek_token().token, Token::Word(word) if word.value.eq_ignore_ascii_case("IS")) {
            if parser.next_token().token == Token::EOF {
                return parser.expected("IS", start);
            }
        }
        Commented::Other(kind)
    };
    expect_word(parser, "IS")?;
    let text = match word(parser, "NULL") {
        true => None,
        // An empty comment is none.
        false => Some(string(parser)?).filter(|text| !text.is_empty()),
    };
    at_end(parser)?;
    Ok(Comment { on, text })
}

fn relation(parser: &mut Parser<'_>) -> Parsed<RelationName> {
    let mut parts = parts(parser)?;
    match (parts.pop(), parts.pop()) {
        (Some(name), schema) if parts.is_empty() => Ok((schema, name)),
        _ => own_error("improper relation name (too many dotted names)"),
    }
}

fn parts(parser: &mut Parser<'_>) -> Parsed<Vec<String>> {
    let mut parts = vec![fold(&parser.parse_identifier()?)];
    while parser.consume_token(&Token::Period) {
        parts.push(fold(&parser.parse_identifier()?));
    }
    Ok(parts)
}
