//! The twelve capabilities, their SQL text, and what each covers.

use serde::{Deserialize, Serialize};

use crate::lexer::{Lexer, Token};
use crate::{HostPattern, Located, NamePattern, PathPattern, PolicyError};

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $name:literal $example:literal,)*) => {
        /// A capability without its pattern.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            pub const ALL: &[Kind] = &[$(Kind::$kind,)*];

            pub const fn name(self) -> &'static str {
                match self {
                    $(Kind::$kind => $name,)*
                }
            }

            /// How one is written.
            pub const fn example(self) -> &'static str {
                match self {
                    $(Kind::$kind => $example,)*
                }
            }
        }
    };
}

kinds! {
    DatabaseRead "DATABASE_READ" "DATABASE_READ('users')",
    DatabaseWrite "DATABASE_WRITE" "DATABASE_WRITE('users')",
    /// DDL.
    DatabaseExecute "DATABASE_EXECUTE" "DATABASE_EXECUTE",
    FileRead "FILE_READ" "FILE_READ('/srv/in/*')",
    FileWrite "FILE_WRITE" "FILE_WRITE('/srv/out/*')",
    NetworkAccess "NETWORK_ACCESS" "NETWORK_ACCESS('api.example.com')",
    EnvAccess "ENV_ACCESS" "ENV_ACCESS",
    TimeAccess "TIME_ACCESS" "TIME_ACCESS",
    RandomAccess "RANDOM_ACCESS" "RANDOM_ACCESS",
    CryptoAccess "CRYPTO_ACCESS" "CRYPTO_ACCESS",
    HttpClient "HTTP_CLIENT" "HTTP_CLIENT",
    CallFunction "CALL_FUNCTION" "CALL_FUNCTION('helper')",
}

impl Kind {
    /// Keywords have no case.
    pub fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.iter().copied().find(|kind| kind.name().eq_ignore_ascii_case(name))
    }

    /// Whether record mode lets a function do this only for a superuser: what reaches out of the database, or past its rights.
    pub fn is_lent_to_superusers_only(self) -> bool {
        match self {
            Kind::DatabaseExecute | Kind::FileRead | Kind::FileWrite | Kind::NetworkAccess | Kind::EnvAccess => true,
            Kind::DatabaseRead
            | Kind::DatabaseWrite
            | Kind::TimeAccess
            | Kind::RandomAccess
            | Kind::CryptoAccess
            | Kind::HttpClient
            | Kind::CallFunction => false,
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// A right that a function may hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Capability {
    DatabaseRead(NamePattern),
    DatabaseWrite(NamePattern),
    DatabaseExecute,
    FileRead(PathPattern),
    FileWrite(PathPattern),
    NetworkAccess(HostPattern),
    EnvAccess,
    TimeAccess,
    RandomAccess,
    CryptoAccess,
    HttpClient,
    CallFunction(NamePattern),
}

impl Capability {
    /// One capability as SQL text: `DATABASE_READ('users')`.
    pub fn parse(text: &str) -> Result<Capability, Located> {
        let mut lexer = Lexer::new(text)?;
        let capability = Capability::read(&mut lexer)?;
        lexer.expect_end()?;
        Ok(capability)
    }

    /// One or more, separated by commas. What is named twice is there once.
    pub fn parse_list(text: &str) -> Result<Vec<Capability>, Located> {
        let mut lexer = Lexer::new(text)?;
        let mut list = Vec::new();
        loop {
            let capability = Capability::read(&mut lexer)?;
            if !list.contains(&capability) {
                list.push(capability);
            }
            if !lexer.accept(',') {
                lexer.expect_end()?;
                return Ok(list);
            }
        }
    }

    /// From a keyword and the text of its pattern, as another parser found them.
    pub fn new(keyword: &str, pattern: Option<&str>) -> Result<Capability, PolicyError> {
        let kind = Kind::from_name(keyword).ok_or_else(|| PolicyError::UnknownCapability(keyword.to_string()))?;
        let bad = |why| PolicyError::BadPattern {
            kind,
            pattern: pattern.unwrap_or("").to_string(),
            why,
        };
        let needed = || pattern.ok_or(PolicyError::MissingPattern(kind));
        let name = || needed().and_then(|pattern| NamePattern::parse(pattern).map_err(bad));
        let path = || needed().and_then(|pattern| PathPattern::parse(pattern).map_err(bad));
        let host = || needed().and_then(|pattern| HostPattern::parse(pattern).map_err(bad));
        let plain = |capability| match pattern {
            None => Ok(capability),
            Some(_) => Err(PolicyError::UnexpectedPattern(kind)),
        };
        match kind {
            Kind::DatabaseRead => name().map(Capability::DatabaseRead),
            Kind::DatabaseWrite => name().map(Capability::DatabaseWrite),
            Kind::DatabaseExecute => plain(Capability::DatabaseExecute),
            Kind::FileRead => path().map(Capability::FileRead),
            Kind::FileWrite => path().map(Capability::FileWrite),
            Kind::NetworkAccess => host().map(Capability::NetworkAccess),
            Kind::EnvAccess => plain(Capability::EnvAccess),
            Kind::TimeAccess => plain(Capability::TimeAccess),
            Kind::RandomAccess => plain(Capability::RandomAccess),
            Kind::CryptoAccess => plain(Capability::CryptoAccess),
            Kind::HttpClient => plain(Capability::HttpClient),
            Kind::CallFunction => name().map(Capability::CallFunction),
        }
    }

    pub(crate) fn read(lexer: &mut Lexer) -> Result<Capability, Located> {
        let at = lexer.at();
        let Some(Token::Word(keyword)) = lexer.peek().cloned() else {
            return Err(lexer.unexpected());
        };
        if Kind::from_name(&keyword).is_none() {
            return Err(PolicyError::UnknownCapability(keyword).at(at));
        }
        lexer.advance();
        let mut pattern = None;
        let mut pattern_at = at;
        if lexer.accept('(') {
            pattern_at = lexer.at();
            let Some(Token::Text(text)) = lexer.peek().cloned() else {
                return Err(lexer.unexpected());
            };
            lexer.advance();
            lexer.expect(')')?;
            pattern = Some(text);
        }
        Capability::new(&keyword, pattern.as_deref()).map_err(|error| error.at(pattern_at))
    }

    pub fn kind(&self) -> Kind {
        match self {
            Capability::DatabaseRead(_) => Kind::DatabaseRead,
            Capability::DatabaseWrite(_) => Kind::DatabaseWrite,
            Capability::DatabaseExecute => Kind::DatabaseExecute,
            Capability::FileRead(_) => Kind::FileRead,
            Capability::FileWrite(_) => Kind::FileWrite,
            Capability::NetworkAccess(_) => Kind::NetworkAccess,
            Capability::EnvAccess => Kind::EnvAccess,
            Capability::TimeAccess => Kind::TimeAccess,
            Capability::RandomAccess => Kind::RandomAccess,
            Capability::CryptoAccess => Kind::CryptoAccess,
            Capability::HttpClient => Kind::HttpClient,
            Capability::CallFunction(_) => Kind::CallFunction,
        }
    }

    /// The pattern in canonical form, for `heliosdb.function_capabilities`.
    pub fn pattern(&self) -> Option<String> {
        match self {
            Capability::DatabaseRead(pattern) | Capability::DatabaseWrite(pattern) | Capability::CallFunction(pattern) => {
                Some(pattern.to_string())
            }
            Capability::FileRead(pattern) | Capability::FileWrite(pattern) => Some(pattern.to_string()),
            Capability::NetworkAccess(pattern) => Some(pattern.to_string()),
            Capability::DatabaseExecute
            | Capability::EnvAccess
            | Capability::TimeAccess
            | Capability::RandomAccess
            | Capability::CryptoAccess
            | Capability::HttpClient => None,
        }
    }

    /// Whether everything that `other` allows, this allows too.
    pub fn covers(&self, other: &Capability) -> bool {
        match self {
            Capability::DatabaseRead(ours) => matches!(other, Capability::DatabaseRead(theirs) if ours.covers(theirs)),
            Capability::DatabaseWrite(ours) => matches!(other, Capability::DatabaseWrite(theirs) if ours.covers(theirs)),
            Capability::FileRead(ours) => matches!(other, Capability::FileRead(theirs) if ours.covers(theirs)),
            Capability::FileWrite(ours) => matches!(other, Capability::FileWrite(theirs) if ours.covers(theirs)),
            Capability::NetworkAccess(ours) => matches!(other, Capability::NetworkAccess(theirs) if ours.covers(theirs)),
            Capability::CallFunction(ours) => matches!(other, Capability::CallFunction(theirs) if ours.covers(theirs)),
            Capability::DatabaseExecute
            | Capability::EnvAccess
            | Capability::TimeAccess
            | Capability::RandomAccess
            | Capability::CryptoAccess
            | Capability::HttpClient => self == other,
        }
    }

    /// Whether something may be allowed by both.
    pub fn overlaps(&self, other: &Capability) -> bool {
        match self {
            Capability::DatabaseRead(ours) => matches!(other, Capability::DatabaseRead(theirs) if ours.overlaps(theirs)),
            Capability::DatabaseWrite(ours) => matches!(other, Capability::DatabaseWrite(theirs) if ours.overlaps(theirs)),
            Capability::FileRead(ours) => matches!(other, Capability::FileRead(theirs) if ours.overlaps(theirs)),
            Capability::FileWrite(ours) => matches!(other, Capability::FileWrite(theirs) if ours.overlaps(theirs)),
            Capability::NetworkAccess(ours) => matches!(other, Capability::NetworkAccess(theirs) if ours.overlaps(theirs)),
            Capability::CallFunction(ours) => matches!(other, Capability::CallFunction(theirs) if ours.overlaps(theirs)),
            Capability::DatabaseExecute
            | Capability::EnvAccess
            | Capability::TimeAccess
            | Capability::RandomAccess
            | Capability::CryptoAccess
            | Capability::HttpClient => self == other,
        }
    }

    /// Whether only a superuser may grant it: what reaches out of the database, or past its rights.
    pub fn is_superuser_only(&self) -> bool {
        match self {
            Capability::DatabaseExecute | Capability::FileRead(_) | Capability::FileWrite(_) | Capability::EnvAccess => true,
            Capability::NetworkAccess(pattern) => pattern.is_any_host() || pattern.is_internal(),
            Capability::DatabaseRead(_)
            | Capability::DatabaseWrite(_)
            | Capability::TimeAccess
            | Capability::RandomAccess
            | Capability::CryptoAccess
            | Capability::HttpClient
            | Capability::CallFunction(_) => false,
        }
    }
}

impl std::fmt::Display for Capability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.pattern() {
            Some(pattern) => write!(f, "{}('{}')", self.kind(), pattern.replace('\'', "''")),
            None => f.write_str(self.kind().name()),
        }
    }
}

impl TryFrom<String> for Capability {
    type Error = PolicyError;

    fn try_from(text: String) -> Result<Capability, PolicyError> {
        Capability::parse(&text).map_err(|located| located.error)
    }
}

impl From<Capability> for String {
    fn from(capability: Capability) -> String {
        capability.to_string()
    }
}
