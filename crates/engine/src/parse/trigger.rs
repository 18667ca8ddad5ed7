//! `CREATE TRIGGER` and `DROP TRIGGER`. A trigger on the audit log may have a body, `BEGIN SELECT ...; END`, whose semicolons end
//! no statement of the client's.

use catalog::{TriggerEvent, TriggerLevel};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan};
use types::{SqlError, SqlState};

use super::{Source, at_end, byte_offset, expect_word, fold, is_space, own_error, word, words};

type Parsed<T> = std::result::Result<T, ParserError>;

/// Of one body, all its statements.
const MAX_BODY_BYTES: usize = 64 << 10;
const MAX_BODY_STATEMENTS: usize = 100;

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
    pub action: Action,
}

#[derive(Clone, Debug)]
pub enum Action {
    Function {
        name: (Option<String>, String),
        args: Vec<String>,
    },
    /// The texts of the statements between BEGIN and END, without their semicolons. Not ended: the client's text is over
    /// before the body is.
    Body {
        statements: Vec<String>,
        ended: bool,
    },
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

pub fn create(parser: &mut Parser<'_>, source: &Source) -> Parsed<CreateTrigger> {
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
    let action = match word(parser, "BEGIN") {
        true => body(parser, source)?,
        false => call(parser)?,
    };
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
        action,
    })
}

fn call(parser: &mut Parser<'_>) -> Parsed<Action> {
    expect_word(parser, "EXECUTE")?;
    if !word(parser, "FUNCTION") {
        expect_word(parser, "PROCEDURE")?;
    }
    let name = qualified(parser)?;
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
    Ok(Action::Function { name, args })
}

/// After BEGIN.
fn body(parser: &mut Parser<'_>, source: &Source) -> Parsed<Action> {
    let mut statements: Vec<String> = vec![];
    loop {
        while parser.consume_token(&Token::SemiColon) {}
        let next = parser.peek_token();
        let begins = match &next.token {
            Token::EOF => return Ok(Action::Body { statements, ended: false }),
            Token::LParen => true,
            Token::Word(word) if word.quote_style.is_none() => {
                if word.value.eq_ignore_ascii_case("END") && !statements.is_empty() {
                    parser.next_token();
                    return Ok(Action::Body { statements, ended: true });
                }
                ["SELECT", "WITH", "VALUES"]
                    .iter()
                    .any(|first| word.value.eq_ignore_ascii_case(first))
            }
            _ => false,
        };
        if !begins {
            return parser.expected("SELECT or END", next);
        }
        let start = next.span.start;
        parser.parse_query()?;
        let end = parser.get_current_token().span.end;
        statements.push(source[byte_offset(source, start)..byte_offset(source, end)].to_string());
        let next = parser.peek_token();
        if !matches!(next.token, Token::SemiColon | Token::EOF) {
            return parser.expected("; after the statement", next);
        }
    }
}

pub fn check_body(statements: &[String]) -> types::Result<()> {
    let bytes: usize = statements.iter().map(String::len).sum();
    if bytes <= MAX_BODY_BYTES && statements.len() <= MAX_BODY_STATEMENTS {
        return Ok(());
    }
    Err(SqlError::new(
        SqlState::ProgramLimitExceeded,
        format!("the body of a trigger is longer than {MAX_BODY_BYTES} bytes or {MAX_BODY_STATEMENTS} statements"),
    ))
}

/// Where the statement at the beginning of these tokens ends, if it is a trigger with a body: at the semicolon after END, or with
/// the last token where there is none.
pub fn end_with_body(tokens: &[TokenWithSpan]) -> Option<usize> {
    let is = |token: &Token, expected: &str| matches!(token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(expected));
    let mut rest = tokens.iter().enumerate().filter(|(_, token)| !is_space(&token.token));
    for expected in ["CREATE", "TRIGGER"] {
        let mut next = &rest.next()?.1.token;
        if expected == "TRIGGER" && is(next, "OR") {
            next = rest
                .next()
                .filter(|(_, token)| is(&token.token, "REPLACE"))
                .and_then(|_| rest.next())
                .map(|(_, token)| &token.token)?;
        }
        if !is(next, expected) {
            return None;
        }
    }
    let mut depth = 0usize;
    // After these words BEGIN is a name.
    let mut before = "TRIGGER".to_string();
    let mut in_body = false;
    // Whether a statement of the body may begin here.
    let mut fresh = false;
    for (at, token) in rest {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            Token::SemiColon if !in_body => return None,
            Token::Word(_) if fresh && is(&token.token, "END") => {
                let after = tokens.get(at..)?.iter().position(|token| token.token == Token::SemiColon);
                return Some(after.map_or(tokens.len(), |after| at + after));
            }
            _ => {}
        }
        let names = matches!(before.as_str(), "TRIGGER" | "ON" | "." | "OF" | "," | "FUNCTION" | "PROCEDURE");
        let opens = !in_body && depth == 0 && !names && is(&token.token, "BEGIN");
        in_body |= opens;
        fresh = opens || token.token == Token::SemiColon;
        before = token.token.to_string().to_ascii_uppercase();
    }
    in_body.then_some(tokens.len())
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
