//! JSON's tokens, and PostgreSQL's words for what is wrong with them.

use crate::{Result, SqlError, SqlState};

/// PostgreSQL shows so many bytes of the line before the fault.
const CONTEXT_BYTES: usize = 50;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    ObjectStart,
    ObjectEnd,
    ArrayStart,
    ArrayEnd,
    Comma,
    Colon,
    String,
    Number,
    True,
    False,
    Null,
    End,
}

pub(super) struct Lexer<'a> {
    input: &'a str,
    /// Whether strings are wanted with their escapes resolved, as jsonb does. json checks escapes only.
    unescape: bool,
    pub token: Token,
    start: usize,
    end: usize,
    string: String,
}

impl<'a> Lexer<'a> {
    pub fn new(input: &'a str, unescape: bool) -> Lexer<'a> {
        Lexer {
            input,
            unescape,
            token: Token::End,
            start: 0,
            end: 0,
            string: String::new(),
        }
    }

    /// The current token as it is written.
    pub fn text(&self) -> &'a str {
        &self.input[self.start..self.end]
    }

    /// The current string, resolved; empty where escapes are only checked.
    pub fn take_string(&mut self) -> String {
        std::mem::take(&mut self.string)
    }

    pub fn next(&mut self) -> Result<()> {
        let bytes = self.input.as_bytes();
        let spaces = bytes[self.end..]
            .iter()
            .take_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r'))
            .count();
        self.start = self.end + spaces;
        self.end = self.start + 1;
        self.token = match bytes.get(self.start) {
            None => {
                self.end = self.start;
                Token::End
            }
            Some(b'{') => Token::ObjectStart,
            Some(b'}') => Token::ObjectEnd,
            Some(b'[') => Token::ArrayStart,
            Some(b']') => Token::ArrayEnd,
            Some(b',') => Token::Comma,
            Some(b':') => Token::Colon,
            Some(b'"') => self.string()?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(_) => self.word()?,
        };
        Ok(())
    }

    fn word(&mut self) -> Result<Token> {
        let length = self.word_length(self.start);
        if length == 0 {
            // A character that begins nothing is shown alone.
            self.end = self.start + 1;
            return Err(self.invalid_token());
        }
        self.end = self.start + length;
        match self.text() {
            "true" => Ok(Token::True),
            "false" => Ok(Token::False),
            "null" => Ok(Token::Null),
            _ => Err(self.invalid_token()),
        }
    }

    fn word_length(&self, from: usize) -> usize {
        self.input.as_bytes()[from..]
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_' || **b >= 0x80)
            .count()
    }

    fn number(&mut self) -> Result<Token> {
        let bytes = self.input.as_bytes();
        let digits = |from: usize| {
            bytes
                .get(from..)
                .unwrap_or_default()
                .iter()
                .take_while(|b| b.is_ascii_digit())
                .count()
        };
        let mut at = self.start + usize::from(bytes[self.start] == b'-');
        let mut valid = true;
        // No zero stands before other digits.
        if bytes.get(at) == Some(&b'0') {
            at += 1;
        } else {
            valid &= digits(at) > 0;
            at += digits(at);
        }
        if bytes.get(at) == Some(&b'.') {
            let count = digits(at + 1);
            valid &= count > 0;
            at += 1 + count;
        }
        if let Some(b'e' | b'E') = bytes.get(at) {
            at += 1;
            at += usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
            let count = digits(at);
            valid &= count > 0;
            at += count;
        }
        // Letters and digits right behind it belong to the token, and spoil it.
        let junk = self.word_length(at);
        self.end = at + junk;
        if valid && junk == 0 {
            Ok(Token::Number)
        } else {
            Err(self.invalid_token())
        }
    }

    fn string(&mut self) -> Result<Token> {
        let bytes = self.input.as_bytes();
        self.string.clear();
        let mut at = self.start + 1;
        let mut high = None;
        loop {
            let plain = bytes[at..].iter().take_while(|b| !matches!(b, b'"' | b'\\' | 0..32)).count();
            if plain > 0 {
                self.no_high_surrogate(high, at)?;
            }
            if self.unescape {
                self.string.push_str(&self.input[at..at + plain]);
            }
            at += plain;
            match bytes.get(at) {
                None => {
                    self.end = at;
                    return Err(self.invalid_token());
                }
                Some(b'"') => {
                    self.no_high_surrogate(high, at + 1)?;
                    self.end = at + 1;
                    return Ok(Token::String);
                }
                Some(b'\\') => high = self.escape(&mut at, high)?,
                Some(control) => {
                    self.end = at;
                    return Err(self.error(format!("Character with value 0x{control:02x} must be escaped.")));
                }
            }
        }
    }

    /// The escape at `at`; a high surrogate waits for its other half.
    fn escape(&mut self, at: &mut usize, high: Option<u32>) -> Result<Option<u32>> {
        let bytes = self.input.as_bytes();
        let escaped = match bytes.get(*at + 1) {
            Some(b'u') => return self.unicode_escape(at, high),
            None => {
                self.end = *at + 1;
                return Err(self.invalid_token());
            }
            // A high surrogate that stands alone is reported first.
            Some(_) if high.is_some() && self.unescape => {
                self.no_high_surrogate(high, *at + 2)?;
                return Ok(None);
            }
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(_) => {
                let bad = self.input[*at + 1..].chars().next().unwrap_or('\\');
                self.end = *at + 1 + bad.len_utf8();
                return Err(self.error(format!("Escape sequence \"\\{bad}\" is invalid.")));
            }
        };
        if self.unescape {
            self.string.push(escaped);
        }
        *at += 2;
        Ok(None)
    }

    fn unicode_escape(&mut self, at: &mut usize, high: Option<u32>) -> Result<Option<u32>> {
        let mut code = 0;
        for offset in 2..6 {
            let Some(c) = self.input[*at + offset..].chars().next() else {
                self.end = self.input.len();
                return Err(self.invalid_token());
            };
            let Some(digit) = c.to_digit(16) else {
                self.end = *at + offset + c.len_utf8();
                return Err(self.error("\"\\u\" must be followed by four hexadecimal digits.".to_string()));
            };
            code = code * 16 + digit;
        }
        let last = *at + 5;
        *at += 6;
        if !self.unescape {
            return Ok(None);
        }
        let surrogate_error = |lexer: &mut Self, which: &str| {
            lexer.end = last;
            Err(lexer.error(format!(
                "Unicode {which} surrogate must {}follow a high surrogate.",
                if which == "high" { "not " } else { "" }
            )))
        };
        let code = match (code, high) {
            (0xd800..=0xdbff, Some(_)) => return surrogate_error(self, "high"),
            (0xd800..=0xdbff, None) => return Ok(Some(code)),
            (0xdc00..=0xdfff, Some(high)) => 0x10000 + ((high - 0xd800) << 10) + (code - 0xdc00),
            (0xdc00..=0xdfff, None) | (_, Some(_)) => return surrogate_error(self, "low"),
            (_, None) => code,
        };
        match char::from_u32(code) {
            Some('\0') => {
                self.end = last;
                Err(self.with_context(
                    SqlError::new(SqlState::UntranslatableCharacter, "unsupported Unicode escape sequence")
                        .detail("\\u0000 cannot be converted to text."),
                ))
            }
            Some(c) => {
                self.string.push(c);
                Ok(None)
            }
            None => surrogate_error(self, "low"),
        }
    }

    fn no_high_surrogate(&mut self, high: Option<u32>, at: usize) -> Result<()> {
        if high.is_none() {
            return Ok(());
        }
        self.end = at;
        Err(self.error("Unicode low surrogate must follow a high surrogate.".to_string()))
    }

    /// The current token is not what stands here.
    pub fn expected(&self, what: &str) -> SqlError {
        if self.token == Token::End {
            return self.error("The input string ended unexpectedly.".to_string());
        }
        self.error(format!("Expected {what}, but found \"{}\".", self.text()))
    }

    fn invalid_token(&self) -> SqlError {
        self.error(format!("Token \"{}\" is invalid.", self.text()))
    }

    fn error(&self, detail: String) -> SqlError {
        self.with_context(SqlError::new(SqlState::InvalidTextRepresentation, "invalid input syntax for type json").detail(detail))
    }

    /// Adds the line up to the fault.
    fn with_context(&self, error: SqlError) -> SqlError {
        let before = &self.input[..self.input.floor_char_boundary(self.end)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_number = 1 + before.bytes().filter(|b| *b == b'\n').count();
        let line = &before[line_start..];
        let mut from = line.ceil_char_boundary((line.len() + 1).saturating_sub(CONTEXT_BYTES));
        if from <= 3 {
            from = 0;
        }
        let prefix = if from > 0 { "..." } else { "" };
        let rest = &self.input[before.len()..];
        let suffix = if rest.is_empty() || rest.starts_with(['\n', '\r']) {
            ""
        } else {
            "..."
        };
        error.context(format!("JSON data, line {line_number}: {prefix}{}{suffix}", &line[from..]))
    }
}
