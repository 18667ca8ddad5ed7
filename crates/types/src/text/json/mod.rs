//! JSON: validation as `json` does, the values of `jsonb`, their canonical text and their order.
//!
//! Two consumers share one reader: [`validate`] checks and keeps nothing (a json value is the text
//! that was given), [`parse`] builds a [`Value`] whose text is what jsonb prints.

mod lex;
mod order;
mod value;

use std::cmp::Ordering;

use crate::{Result, SqlError, SqlState};

use lex::{Lexer, Token};
pub use value::{Value, write_string};

/// How deep arrays and objects may nest. PostgreSQL's own bound is its stack (some thousand levels);
/// this one leaves room for recursion over a value on any thread.
pub const MAX_DEPTH: usize = 1000;

/// Refuses text that is no JSON: 22P02 with PostgreSQL's DETAIL and context.
pub fn validate(text: &str) -> Result<()> {
    let mut lexer = Lexer::new(text, false);
    lexer.next()?;
    skip_value(&mut lexer, 0)?;
    expect_end(&lexer)
}

/// Reads a jsonb value: of equal keys the last counts, numbers are numerics, escapes are resolved.
pub fn parse(text: &str) -> Result<Value> {
    let mut lexer = Lexer::new(text, true);
    lexer.next()?;
    let value = read_value(&mut lexer, 0)?;
    expect_end(&lexer)?;
    Ok(value)
}

/// The text that `jsonb` prints for `text`.
pub fn canonical(text: &str) -> Result<String> {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    parse(text)?.write(&mut out);
    Ok(out)
}

/// PostgreSQL's btree order of jsonb. Texts that jsonb refuses come last, in the order of their bytes.
pub fn compare(a: &str, b: &str) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    match (parse(a), parse(b)) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => a.cmp(b),
    }
}

fn expect_end(lexer: &Lexer) -> Result<()> {
    if lexer.token == Token::End {
        Ok(())
    } else {
        Err(lexer.expected("end of input"))
    }
}

fn check_depth(depth: usize) -> Result<()> {
    if depth >= MAX_DEPTH {
        return Err(SqlError::new(SqlState::StatementTooComplex, "stack depth limit exceeded")
            .detail(format!("JSON nests at most {MAX_DEPTH} levels deep.")));
    }
    Ok(())
}

/// Checks the value that begins at the current token and moves behind it.
fn skip_value(lexer: &mut Lexer, depth: usize) -> Result<()> {
    match lexer.token {
        Token::ArrayStart => {
            check_depth(depth)?;
            each_element(lexer, |lexer| skip_value(lexer, depth + 1))
        }
        Token::ObjectStart => {
            check_depth(depth)?;
            each_member(lexer, |lexer, _| skip_value(lexer, depth + 1))
        }
        Token::String | Token::Number | Token::True | Token::False | Token::Null => lexer.next(),
        Token::ArrayEnd | Token::ObjectEnd | Token::Comma | Token::Colon | Token::End => Err(lexer.expected("JSON value")),
    }
}

/// Reads the value that begins at the current token and moves behind it.
fn read_value(lexer: &mut Lexer, depth: usize) -> Result<Value> {
    let value = match lexer.token {
        Token::ArrayStart => {
            check_depth(depth)?;
            let mut elements = Vec::new();
            each_element(lexer, |lexer| {
                elements.push(read_value(lexer, depth + 1)?);
                Ok(())
            })?;
            return Ok(Value::Array(elements));
        }
        Token::ObjectStart => {
            check_depth(depth)?;
            let mut members = Vec::new();
            each_member(lexer, |lexer, key| {
                members.push((key, read_value(lexer, depth + 1)?));
                Ok(())
            })?;
            return Ok(Value::object(members));
        }
        Token::String => Value::String(lexer.take_string()),
        Token::Number => {
            // What follows is looked at before the number's size, as PostgreSQL does.
            let number = lexer.text();
            lexer.next()?;
            return Ok(Value::Number(number.parse()?));
        }
        Token::True => Value::Bool(true),
        Token::False => Value::Bool(false),
        Token::Null => Value::Null,
        Token::ArrayEnd | Token::ObjectEnd | Token::Comma | Token::Colon | Token::End => return Err(lexer.expected("JSON value")),
    };
    lexer.next()?;
    Ok(value)
}

fn each_element(lexer: &mut Lexer, mut element: impl FnMut(&mut Lexer) -> Result<()>) -> Result<()> {
    lexer.next()?;
    if lexer.token == Token::ArrayEnd {
        return lexer.next();
    }
    loop {
        element(lexer)?;
        match lexer.token {
            Token::Comma => lexer.next()?,
            Token::ArrayEnd => return lexer.next(),
            _ => return Err(lexer.expected("\",\" or \"]\"")),
        }
    }
}

fn each_member(lexer: &mut Lexer, mut member: impl FnMut(&mut Lexer, String) -> Result<()>) -> Result<()> {
    lexer.next()?;
    if lexer.token == Token::ObjectEnd {
        return lexer.next();
    }
    let mut first = true;
    loop {
        if lexer.token != Token::String {
            return Err(lexer.expected(if first { "string or \"}\"" } else { "string" }));
        }
        first = false;
        let key = lexer.take_string();
        lexer.next()?;
        if lexer.token != Token::Colon {
            return Err(lexer.expected("\":\""));
        }
        lexer.next()?;
        member(lexer, key)?;
        match lexer.token {
            Token::Comma => lexer.next()?,
            Token::ObjectEnd => return lexer.next(),
            _ => return Err(lexer.expected("\",\" or \"}\"")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jsonb_prints_its_canonical_text() {
        for (text, canonical_text) in [
            (
                " { \"bb\" : 1 , \"a\":[ ] ,\"b\":{}, \"a\" : null } ",
                "{\"a\": null, \"b\": {}, \"bb\": 1}",
            ),
            ("[1.10, -0, 1e5, 1.50e1, -0.0,1E-3]", "[1.10, 0, 100000, 15.0, 0.0, 0.001]"),
            ("\"\\u00e4\\n\\/\\u0001\\ud83d\\ude00\\\"\"", "\"ä\\n/\\u0001😀\\\"\""),
            ("true", "true"),
        ] {
            assert_eq!(canonical(text).unwrap(), canonical_text);
            assert!(validate(text).is_ok());
        }
    }

    #[test]
    fn what_is_no_json_is_refused_as_postgresql_does() {
        for (text, detail, context) in [
            ("x", "Token \"x\" is invalid.", "x"),
            ("{", "The input string ended unexpectedly.", "{"),
            ("", "The input string ended unexpectedly.", ""),
            ("{\"a\":}", "Expected JSON value, but found \"}\".", "{\"a\":}"),
            ("{\"a\" 1}", "Expected \":\", but found \"1\".", "{\"a\" 1..."),
            ("[1,]", "Expected JSON value, but found \"]\".", "[1,]"),
            ("[1 2]", "Expected \",\" or \"]\", but found \"2\".", "[1 2..."),
            ("\"abc", "Token \"\"abc\" is invalid.", "\"abc"),
            ("01", "Token \"01\" is invalid.", "01"),
            ("{\"a\":1,}", "Expected string, but found \"}\".", "{\"a\":1,}"),
            ("\"\\x\"", "Escape sequence \"\\x\" is invalid.", "\"\\x..."),
            ("\"\\u12g4\"", "\"\\u\" must be followed by four hexadecimal digits.", "\"\\u12g..."),
            ("{1:2}", "Expected string or \"}\", but found \"1\".", "{1..."),
            ("\"a\nb\"", "Character with value 0x0a must be escaped.", "\"a"),
            ("1.5.6", "Token \".\" is invalid.", "1.5...."),
            (
                "{\"a\":1 \"b\"}",
                "Expected \",\" or \"}\", but found \"\"b\"\".",
                "{\"a\":1 \"b\"...",
            ),
            ("1 2", "Expected end of input, but found \"2\".", "1 2"),
        ] {
            for error in [validate(text).unwrap_err(), parse(text).unwrap_err()] {
                assert_eq!(
                    (error.state(), error.message()),
                    (SqlState::InvalidTextRepresentation, "invalid input syntax for type json")
                );
                assert_eq!(error.fields().detail.as_deref(), Some(detail), "{text}");
                assert_eq!(error.fields().context, Some(format!("JSON data, line 1: {context}")), "{text}");
            }
        }
    }

    #[test]
    fn json_keeps_what_jsonb_refuses() {
        for text in ["\"\\ud800\"", "\"\\u0000\"", "\"\\udc00\""] {
            assert!(validate(text).is_ok());
            assert!(parse(text).is_err());
        }
        assert_eq!(parse("\"\\u0000\"").unwrap_err().message(), "unsupported Unicode escape sequence");
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(validate(&nested(MAX_DEPTH)).is_ok() && parse(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(validate(&nested(MAX_DEPTH + 1)).unwrap_err().state(), SqlState::StatementTooComplex);
        assert_eq!(parse(&nested(100_000)).unwrap_err().state(), SqlState::StatementTooComplex);
    }
}
