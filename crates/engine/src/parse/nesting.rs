//! Refuses a statement that would be recursed over too deep, before the parser sees it.
//!
//! The life of a check: the tokens are read once. Brackets and CASE nest; a run of prefix
//! operators nests too, one level each; operators between operands make a chain, whose tree leans
//! to the left. A comma ends a chain, a bracket starts one of its own, and AND and OR, which bind
//! loosest, end the chains between them and make a chain themselves.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};
use types::Result;

use super::{MAX_CHAIN, MAX_NESTING, too_complex};

/// What was counted since the last bracket or comma.
#[derive(Default)]
struct Chain {
    /// AND and OR.
    logical: usize,
    /// The other operators since the last of those.
    operators: usize,
    /// Operators in a row: all but the first are prefix operators.
    run: usize,
    /// NOTs that stand to the right of an operator, since the last AND or OR: each nests.
    nots: usize,
    /// Words in a row: the parser recurses over some, as INTERVAL and IS NULL.
    words: usize,
}

enum Kind {
    Logical,
    Not,
    Operator,
    Word,
    Operand,
}

pub(super) fn check(tokens: &[TokenWithSpan]) -> Result<()> {
    let mut depth = 0usize;
    let mut outer: Vec<Chain> = vec![];
    let mut chain = Chain::default();
    for token in tokens {
        match &token.token {
            Token::Whitespace(_) | Token::EOF => continue,
            Token::LParen | Token::LBracket => {
                depth += 1;
                chain.link(&Kind::Operand);
                outer.push(std::mem::take(&mut chain));
            }
            Token::RParen | Token::RBracket => {
                depth = depth.saturating_sub(1);
                chain = outer.pop().unwrap_or_default();
            }
            Token::Comma => chain = Chain::default(),
            other => {
                match other {
                    Token::Word(word) if word.keyword == Keyword::CASE => depth += 1,
                    Token::Word(word) if word.keyword == Keyword::END => depth = depth.saturating_sub(1),
                    _ => {}
                }
                chain.link(&kind(other));
            }
        }
        if depth > MAX_NESTING || chain.is_too_long() {
            return Err(too_complex());
        }
    }
    Ok(())
}

fn kind(token: &Token) -> Kind {
    match token {
        Token::Word(word) => match word.keyword {
            Keyword::AND | Keyword::OR => Kind::Logical,
            Keyword::NOT => Kind::Not,
            Keyword::IN
            | Keyword::LIKE
            | Keyword::ILIKE
            | Keyword::SIMILAR
            | Keyword::BETWEEN
            | Keyword::COLLATE
            | Keyword::AT
            | Keyword::OPERATOR
            | Keyword::JOIN
            | Keyword::UNION
            | Keyword::EXCEPT
            | Keyword::INTERSECT => Kind::Operator,
            _ => Kind::Word,
        },
        Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::EscapedStringLiteral(_)
        | Token::UnicodeStringLiteral(_)
        | Token::NationalStringLiteral(_)
        | Token::DollarQuotedString(_)
        | Token::Placeholder(_) => Kind::Operand,
        // `a.b` is one operand.
        Token::Period => Kind::Word,
        _ => Kind::Operator,
    }
}

impl Chain {
    fn link(&mut self, kind: &Kind) {
        match kind {
            Kind::Logical => {
                *self = Chain {
                    logical: self.logical + 1,
                    ..Chain::default()
                }
            }
            Kind::Not => {
                self.nots += usize::from(self.run > 0);
                self.run += 1;
                self.words = 0;
            }
            Kind::Operator => {
                self.operators += 1;
                self.run += 1;
                self.words = 0;
            }
            Kind::Word => {
                self.run = 0;
                self.words += 1;
            }
            Kind::Operand => {
                self.run = 0;
                self.words = 0;
            }
        }
    }

    fn is_too_long(&self) -> bool {
        self.logical > MAX_CHAIN
            || self.operators > MAX_CHAIN
            || self.words > MAX_CHAIN
            || self.run > MAX_NESTING
            || self.nots > MAX_NESTING
    }
}
