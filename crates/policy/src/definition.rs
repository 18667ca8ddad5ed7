//! The body of CREATE and ALTER SECURITY POLICY: `(key: value, ...)`.

use crate::lexer::{Lexer, Token};
use crate::{Capability, LimitKey, LimitOverrides, Located, PolicyError, Syscall};

/// The keys that a definition names, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definition {
    pub capabilities: Option<Vec<Capability>>,
    pub limits: LimitOverrides,
    pub allowed_syscalls: Option<Vec<Syscall>>,
    pub audit_logging: Option<bool>,
}

enum Key {
    Capabilities,
    AllowedSyscalls,
    AuditLogging,
    Limit(LimitKey),
}

impl Key {
    fn parse(name: &str) -> Option<Key> {
        match name.to_ascii_lowercase().as_str() {
            "capabilities" => Some(Key::Capabilities),
            "allowed_syscalls" => Some(Key::AllowedSyscalls),
            "audit_logging" => Some(Key::AuditLogging),
            name => LimitKey::from_name(name).map(Key::Limit),
        }
    }
}

impl Definition {
    /// `text` is what stands after AS, its parentheses included, comments and all.
    pub fn parse(text: &str) -> Result<Definition, Located> {
        let mut lexer = Lexer::new(text)?;
        let mut definition = Definition::default();
        lexer.expect('(')?;
        if !lexer.accept(')') {
            loop {
                definition.entry(&mut lexer)?;
                if !lexer.accept(',') {
                    break;
                }
            }
            lexer.expect(')')?;
        }
        lexer.expect_end()?;
        Ok(definition)
    }

    fn entry(&mut self, lexer: &mut Lexer) -> Result<(), Located> {
        let at = lexer.at();
        let Some(Token::Word(name)) = lexer.peek().cloned() else {
            return Err(lexer.unexpected());
        };
        let key = Key::parse(&name).ok_or_else(|| PolicyError::UnknownKey(name.clone()).at(at))?;
        if self.has(&key) {
            return Err(PolicyError::DuplicateKey(name.to_ascii_lowercase()).at(at));
        }
        lexer.advance();
        lexer.expect(':')?;
        match key {
            Key::Capabilities => {
                self.capabilities = Some(list(lexer, "capabilities", "a list of capabilities in brackets", Capability::read)?)
            }
            Key::AllowedSyscalls => {
                self.allowed_syscalls = Some(list(lexer, "allowed_syscalls", "a list of names in brackets and quotes", syscall)?)
            }
            Key::AuditLogging => self.audit_logging = Some(boolean(lexer)?),
            Key::Limit(key) => {
                let at = lexer.at();
                match lexer.advance() {
                    Some(Token::Integer(value)) => self.limits.set(key.name(), &value).map_err(|error| error.at(at))?,
                    Some(Token::Word(_) | Token::Text(_) | Token::Symbol(_)) | None => {
                        return Err(PolicyError::BadValue {
                            key: key.name(),
                            expected: "an integer",
                        }
                        .at(at));
                    }
                };
            }
        }
        Ok(())
    }

    fn has(&self, key: &Key) -> bool {
        match key {
            Key::Capabilities => self.capabilities.is_some(),
            Key::AllowedSyscalls => self.allowed_syscalls.is_some(),
            Key::AuditLogging => self.audit_logging.is_some(),
            Key::Limit(key) => self.limits.get(*key).is_some(),
        }
    }
}

fn list<T: PartialEq>(
    lexer: &mut Lexer,
    key: &'static str,
    expected: &'static str,
    item: impl Fn(&mut Lexer) -> Result<T, Located>,
) -> Result<Vec<T>, Located> {
    if !lexer.accept('[') {
        return Err(PolicyError::BadValue { key, expected }.at(lexer.at()));
    }
    let mut items = Vec::new();
    if lexer.accept(']') {
        return Ok(items);
    }
    loop {
        let item = item(lexer)?;
        if !items.contains(&item) {
            items.push(item);
        }
        if !lexer.accept(',') {
            lexer.expect(']')?;
            return Ok(items);
        }
    }
}

fn syscall(lexer: &mut Lexer) -> Result<Syscall, Located> {
    let at = lexer.at();
    match lexer.peek().cloned() {
        Some(Token::Text(name)) => {
            lexer.advance();
            Syscall::parse(&name).map_err(|error| error.at(at))
        }
        Some(Token::Word(_) | Token::Integer(_) | Token::Symbol(_)) | None => Err(lexer.unexpected()),
    }
}

fn boolean(lexer: &mut Lexer) -> Result<bool, Located> {
    let at = lexer.at();
    match lexer.advance() {
        Some(Token::Word(word)) if word.eq_ignore_ascii_case("true") => Ok(true),
        Some(Token::Word(word)) if word.eq_ignore_ascii_case("false") => Ok(false),
        Some(Token::Word(_) | Token::Text(_) | Token::Integer(_) | Token::Symbol(_)) | None => Err(PolicyError::BadValue {
            key: "audit_logging",
            expected: "true or false",
        }
        .at(at)),
    }
}
