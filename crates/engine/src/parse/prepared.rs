//! `PREPARE`, `EXECUTE`, `DEALLOCATE`.

use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::function::rest;
use super::{Source, Utility, byte_offset, expect_word, fold, position, word};

type Parsed<T> = std::result::Result<T, ParserError>;

/// The statement that PREPARE names, not yet parsed.
#[derive(Clone, Debug)]
pub struct PrepareText {
    pub text: String,
    /// Where it begins in the whole text, in characters from 1.
    pub position: Option<usize>,
}

/// None where the statement is another one.
pub fn parse(parser: &mut Parser<'_>, source: &Source) -> Parsed<Option<Utility>> {
    if word(parser, "PREPARE") {
        let name = fold(&parser.parse_identifier()?);
        let mut types = vec![];
        if parser.consume_token(&Token::LParen) {
            types = parser.parse_comma_separated(Parser::parse_data_type)?;
            parser.expect_token(&Token::RParen)?;
        }
        expect_word(parser, "AS")?;
        let start = parser.peek_token();
        if start.token == Token::EOF {
            return parser.expected("a statement", start);
        }
        let sql = PrepareText {
            position: position(source, start.span.start),
            text: rest(parser, source),
        };
        return Ok(Some(Utility::Prepare { name, types, sql }));
    }
    if word(parser, "EXECUTE") {
        let name = fold(&parser.parse_identifier()?);
        let mut args = vec![];
        if parser.consume_token(&Token::LParen) {
            loop {
                let start = parser.peek_token().span.start;
                parser.parse_expr()?;
                let end = parser.get_current_token().span.end;
                args.push(source[byte_offset(source, start)..byte_offset(source, end)].to_string());
                if !parser.consume_token(&Token::Comma) {
                    parser.expect_token(&Token::RParen)?;
                    break;
                }
            }
        }
        return Ok(Some(Utility::Execute { name, args }));
    }
    if word(parser, "DEALLOCATE") {
        let _ = word(parser, "PREPARE");
        if word(parser, "ALL") {
            return Ok(Some(Utility::Deallocate(None)));
        }
        return Ok(Some(Utility::Deallocate(Some(fold(&parser.parse_identifier()?)))));
    }
    Ok(None)
}
