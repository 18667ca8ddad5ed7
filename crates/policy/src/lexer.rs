//! The few tokens of capabilities and policy definitions, with SQL's comments and string literals.

use crate::{Located, PolicyError};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A keyword, as it was written.
    Word(String),
    /// A literal `'...'`, its doubled quotes undone.
    Text(String),
    /// Digits with an optional sign, as written.
    Integer(String),
    Symbol(char),
}

/// Tokens and where each begins (a byte offset).
pub struct Lexer {
    tokens: Vec<(Token, usize)>,
    next: usize,
    end: usize,
}

/// Longer texts are refused before they are looked at.
pub const MAX_BYTES: usize = 64 * 1024;

impl Lexer {
    pub fn new(text: &str) -> Result<Lexer, Located> {
        if text.len() > MAX_BYTES {
            return Err(syntax(text, MAX_BYTES));
        }
        let mut tokens = Vec::new();
        let mut rest = Rest { text, at: 0 };
        while rest.skip_blanks()? {
            let at = rest.at;
            let token = rest.token()?;
            tokens.push((token, at));
        }
        Ok(Lexer {
            tokens,
            next: 0,
            end: text.len(),
        })
    }

    pub fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(token, _)| token)
    }

    /// Where the next token begins.
    pub fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |(_, at)| *at)
    }

    pub fn advance(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.next = self.next.saturating_add(1).min(self.tokens.len());
        token
    }

    pub fn accept(&mut self, symbol: char) -> bool {
        let found = self.peek() == Some(&Token::Symbol(symbol));
        if found {
            self.advance();
        }
        found
    }

    pub fn expect(&mut self, symbol: char) -> Result<(), Located> {
        if self.accept(symbol) { Ok(()) } else { Err(self.unexpected()) }
    }

    pub fn expect_end(&self) -> Result<(), Located> {
        if self.peek().is_none() { Ok(()) } else { Err(self.unexpected()) }
    }

    /// A syntax error at the next token.
    pub fn unexpected(&self) -> Located {
        let near = match self.peek() {
            None => String::new(),
            Some(Token::Word(text) | Token::Integer(text)) => text.clone(),
            Some(Token::Text(text)) => format!("'{text}'"),
            Some(Token::Symbol(symbol)) => symbol.to_string(),
        };
        PolicyError::Syntax { near }.at(self.at())
    }
}

struct Rest<'a> {
    text: &'a str,
    at: usize,
}

impl Rest<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or("")
    }

    /// False at the end.
    fn skip_blanks(&mut self) -> Result<bool, Located> {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            let blanks = rest.len() - trimmed.len();
            if trimmed.starts_with("--") {
                let comment = trimmed.find('\n').unwrap_or(trimmed.len());
                self.at += blanks + comment;
            } else if trimmed.starts_with("/*") {
                // SQL's comments nest.
                let length = block_comment(trimmed).ok_or_else(|| syntax(self.text, self.at + blanks))?;
                self.at += blanks + length;
            } else {
                let more = !trimmed.is_empty();
                self.at += blanks;
                return Ok(more);
            }
        }
    }

    fn token(&mut self) -> Result<Token, Located> {
        let rest = self.rest();
        let error = syntax(self.text, self.at);
        let Some(first) = rest.chars().next() else { return Err(error) };
        let run = |from: usize, accept: fn(char) -> bool| rest[from..].find(|c| !accept(c)).map_or(rest.len(), |length| from + length);
        let (token, length) = match first {
            '\'' => {
                let (text, length) = literal(rest).ok_or(error)?;
                (Token::Text(text), length)
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                let length = run(0, |c| c.is_ascii_alphanumeric() || c == '_');
                (Token::Word(rest[..length].to_string()), length)
            }
            '0'..='9' | '-' | '+' => {
                let length = run(1, |c| c.is_ascii_alphanumeric() || c == '.' || c == '_');
                let integer = &rest[..length];
                let digits = integer.trim_start_matches(['-', '+']);
                if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(PolicyError::Syntax { near: integer.to_string() }.at(self.at));
                }
                (Token::Integer(integer.to_string()), length)
            }
            '(' | ')' | '[' | ']' | ',' | ':' => (Token::Symbol(first), 1),
            _ => return Err(error),
        };
        self.at += length;
        Ok(token)
    }
}

/// The text of a literal and its length with its quotes.
fn literal(rest: &str) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut at = 1;
    loop {
        let end = at + rest.get(at..)?.find('\'')?;
        text.push_str(&rest[at..end]);
        if rest.as_bytes().get(end + 1) == Some(&b'\'') {
            text.push('\'');
            at = end + 2;
        } else {
            return Some((text, end + 1));
        }
    }
}

fn block_comment(rest: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(pair) = rest.as_bytes().get(at..at + 2) {
        match pair {
            b"/*" => {
                depth += 1;
                at += 2;
            }
            b"*/" => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => at += 1,
        }
    }
    None
}

fn syntax(text: &str, at: usize) -> Located {
    let near: String = text
        .get(at..)
        .unwrap_or("")
        .chars()
        .take_while(|c| !c.is_whitespace())
        .take(40)
        .collect();
    PolicyError::Syntax { near }.at(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[Token]) {
        let mut lexer = Lexer::new(text).unwrap();
        let mut tokens = Vec::new();
        while let Some(token) = lexer.advance() {
            tokens.push(token);
        }
        assert_eq!(tokens, expected, "{text}");
    }

    #[test]
    fn tokens_come_with_comments_left_out() {
        check("", &[]);
        check(
            " a -- b\n:/* c /* d */ e */12",
            &[Token::Word("a".into()), Token::Symbol(':'), Token::Integer("12".into())],
        );
        check("'it''s'", &[Token::Text("it's".into())]);
        check("''", &[Token::Text(String::new())]);
        check("-5", &[Token::Integer("-5".into())]);
    }

    #[test]
    fn broken_tokens_say_where() {
        for (text, at) in [
            ("a 'b", 2),
            ("a /* b", 2),
            ("12ab", 0),
            ("a ; b", 2),
            ("ü", 0),
            ("1.5", 0),
            ("- ", 0),
            ("a '", 2),
        ] {
            let error = Lexer::new(text).err().unwrap();
            assert_eq!(error.at, at, "{text}");
            assert!(matches!(error.error, PolicyError::Syntax { .. }), "{text}");
        }
        assert!(Lexer::new(&" ".repeat(MAX_BYTES + 1)).is_err());
    }
}
