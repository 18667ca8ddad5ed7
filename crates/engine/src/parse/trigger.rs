//! `CREATE TRIGGER` and `DROP TRIGGER`.

use catalog::{TriggerEvent, TriggerLevel};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::{at_end, byte_offset, expect_word, fold, own_error, word, words};

type Parsed<T> = std::result::Result<T, ParserError>;

#[derive(Clone, Debug)]
pub struct CreateTrigger {
    pub or_replace: bool,
    pub name: String,
    pub timing: Timing,
    pub events: Vec<TriggerEvent>,
    /// Of UPDATE OF.
    pub columns: Vec<String>,
    pub table: (Option<String>, String),
    pub level: TriggerLevel,
    /// The text of WHEN's condition.
    pub condition: Option<String>,
    pub function: (Option<String>, String),
    pub args: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timing {
    Before,
    After,
    InsteadOf,
}

#[derive(Clone, Debug)]
pub struct DropTrigger {
    pub if_exists: bool,
    pub name: String,
    pub table: (Option<String>, String),
    pub cascade: bool,
}

pub fn create(parser: &mut Parser<'_>, source: &str) -> Parsed<CreateTrigger> {
    expect_word(parser, "CREATE")?;
    let or_replace = words(parser, &["OR", "REPLACE"]);
    expect_word(parser, "TRIGGER")?;
    let name = fold(&parser.parse_identifier()?);
    let timing = if word(parser, "BEFORE") {
        Timing::Before
    } else if word(parser, "AFTER") {
        Timing::After
    } else if words(parser, &["INSTEAD", "OF"]) {
        Timing::InsteadOf
    } else {
        let next = parser.peek_token();
        return parser.expected("BEFORE, AFTER or INSTEAD OF", next);
    };
    let (mut events, mut columns) = (vec![], vec![]);
    loop {
        let event = event(parser)?;
        if events.contains(&event) {
            return own_error("duplicate trigger events specified");
        }
        events.push(event);
        if event == TriggerEvent::Update && word(parser, "OF") {
            columns.push(fold(&parser.parse_identifier()?));
            while parser.consume_token(&Token::Comma) {
                columns.push(fold(&parser.parse_identifier()?));
            }
        }
        if !word(parser, "OR") {
            break;
        }
    }
    expect_word(parser, "ON")?;
    let table = qualified(parser)?;
    if word(parser, "REFERENCING") {
        return own_error("transition tables are not supported");
    }
    let mut level = TriggerLevel::Statement;
    if word(parser, "FOR") {
        let _ = word(parser, "EACH");
        if word(parser, "ROW") {
            level = TriggerLevel::Row;
        } else {
            expect_word(parser, "STATEMENT")?;
        }
    }
    let mut condition = None;
    if word(parser, "WHEN") {
        parser.expect_token(&Token::LParen)?;
        let start = parser.peek_token().span.start;
        parser.parse_expr()?;
        let end = parser.get_current_token().span.end;
        parser.expect_token(&Token::RParen)?;
        condition = Some(source[byte_offset(source, start)..byte_offset(source, end)].to_string());
    }
    expect_word(parser, "EXECUTE")?;
    if !word(parser, "FUNCTION") {
        expect_word(parser, "PROCEDURE")?;
    }
    let function = qualified(parser)?;
    parser.expect_token(&Token::LParen)?;
    let mut args = vec![];
    if !parser.consume_token(&Token::RParen) {
        loop {
            args.push(argument(parser)?);
            if !parser.consume_token(&Token::Comma) {
                parser.expect_token(&Token::RParen)?;
                break;
            }
        }
    }
    at_end(parser)?;
    Ok(CreateTrigger {
        or_replace,
        name,
        timing,
        events,
        columns,
        table,
        level,
        condition,
        function,
        args,
    })
}

pub fn drop(parser: &mut Parser<'_>) -> Parsed<DropTrigger> {
    expect_word(parser, "DROP")?;
    expect_word(parser, "TRIGGER")?;
    let if_exists = words(parser, &["IF", "EXISTS"]);
    let name = fold(&parser.parse_identifier()?);
    expect_word(parser, "ON")?;
    let table = qualified(parser)?;
    let cascade = word(parser, "CASCADE");
    let _ = word(parser, "RESTRICT");
    at_end(parser)?;
    Ok(DropTrigger {
        if_exists,
        name,
        table,
        cascade,
    })
}

fn event(parser: &mut Parser<'_>) -> Parsed<TriggerEvent> {
    if word(parser, "INSERT") {
        return Ok(TriggerEvent::Insert);
    }
    if word(parser, "UPDATE") {
        return Ok(TriggerEvent::Update);
    }
    if word(parser, "DELETE") {
        return Ok(TriggerEvent::Delete);
    }
    if word(parser, "TRUNCATE") {
        return own_error("TRUNCATE triggers are not supported");
    }
    let next = parser.peek_token();
    parser.expected("INSERT, UPDATE or DELETE", next)
}

/// A literal, which reaches the function as text; a bare word stands for itself.
fn argument(parser: &mut Parser<'_>) -> Parsed<String> {
    let next = parser.next_token();
    match next.token {
        Token::Number(number, _) => Ok(number),
        Token::Minus => match parser.next_token().token {
            Token::Number(number, _) => Ok(format!("-{number}")),
            _ => parser.expected("a literal", next),
        },
        Token::Word(word) => Ok(match word.quote_style {
            Some(_) => word.value,
            None => types::ident::fold(&word.value),
        }),
        Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) | Token::UnicodeStringLiteral(text) => Ok(text),
        Token::DollarQuotedString(quoted) => Ok(quoted.value),
        _ => parser.expected("a literal", next),
    }
}

fn qualified(parser: &mut Parser<'_>) -> Parsed<(Option<String>, String)> {
    let first = fold(&parser.parse_identifier()?);
    if parser.consume_token(&Token::Period) {
        return Ok((Some(first), fold(&parser.parse_identifier()?)));
    }
    Ok((None, first))
}
