//! `CREATE`, `ALTER` and `DROP SECURITY POLICY`.

use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::function::rest;
use super::{Source, at_end, expect_word, fold, position, word, words};

type Parsed<T> = std::result::Result<T, ParserError>;

#[derive(Clone, Debug)]
pub enum PolicyStatement {
    Create {
        or_replace: bool,
        name: String,
        definition: DefinitionText,
    },
    Alter {
        name: String,
        definition: DefinitionText,
    },
    Drop {
        if_exists: bool,
        names: Vec<String>,
    },
}

/// `(key: value, ...)`, not yet read: capabilities have a grammar of their own.
#[derive(Clone, Debug)]
pub struct DefinitionText {
    pub text: String,
    /// Where it begins in the statement's source, in characters from 1.
    pub position: Option<usize>,
}

pub fn parse(parser: &mut Parser<'_>, source: &Source) -> Parsed<PolicyStatement> {
    let create = word(parser, "CREATE");
    let or_replace = create && words(parser, &["OR", "REPLACE"]);
    let alter = !create && word(parser, "ALTER");
    if !create && !alter {
        expect_word(parser, "DROP")?;
    }
    expect_word(parser, "SECURITY")?;
    expect_word(parser, "POLICY")?;
    if create {
        let name = policy_name(parser)?;
        expect_word(parser, "AS")?;
        let definition = definition(parser, source)?;
        return Ok(PolicyStatement::Create {
            or_replace,
            name,
            definition,
        });
    }
    if alter {
        let name = policy_name(parser)?;
        if !word(parser, "SET") {
            expect_word(parser, "AS")?;
        }
        let definition = definition(parser, source)?;
        return Ok(PolicyStatement::Alter { name, definition });
    }
    let if_exists = words(parser, &["IF", "EXISTS"]);
    let mut names = vec![policy_name(parser)?];
    while parser.consume_token(&Token::Comma) {
        names.push(policy_name(parser)?);
    }
    let _ = word(parser, "RESTRICT");
    at_end(parser)?;
    Ok(PolicyStatement::Drop { if_exists, names })
}

/// A name; DEFAULT and the like are keywords to the parser and names here.
pub fn policy_name(parser: &mut Parser<'_>) -> Parsed<String> {
    match parser.peek_token().token {
        Token::Word(word) if word.quote_style.is_none() => {
            parser.next_token();
            Ok(types::ident::fold(&word.value))
        }
        _ => Ok(fold(&parser.parse_identifier()?)),
    }
}

fn definition(parser: &mut Parser<'_>, source: &Source) -> Parsed<DefinitionText> {
    let start = parser.peek_token();
    if start.token != Token::LParen {
        return parser.expected("(", start);
    }
    Ok(DefinitionText {
        position: position(source, start.span.start),
        text: rest(parser, source),
    })
}
