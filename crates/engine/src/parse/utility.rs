//! Statements about the session: transactions, settings, roles. Read directly, in PostgreSQL's forms.

use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;
use storage::Isolation;

use super::access::{RoleName, role_name, role_names};
use super::prepared::{self, PrepareText};
use super::{Source, at_end, expect_word, fold, own_error, string, word, words};

type Parsed<T> = std::result::Result<T, ParserError>;

#[derive(Clone, Debug)]
pub enum Utility {
    Begin {
        modes: TransactionModes,
        /// BEGIN or START TRANSACTION, as it was written: clients are told so.
        tag: &'static str,
    },
    Commit,
    Rollback,
    Savepoint(String),
    RollbackTo(String),
    Release(String),
    SetTransaction {
        modes: TransactionModes,
        session: bool,
    },
    Set {
        name: String,
        value: SetValue,
        local: bool,
    },
    /// SET ROLE, SET SESSION AUTHORIZATION and what takes them back.
    SetIdentity {
        role: NewIdentity,
        local: bool,
        /// RESET: clients are told so.
        reset: bool,
    },
    Reset(String),
    ResetAll,
    Show(String),
    ShowAll,
    DiscardAll,
    Prepare {
        name: String,
        types: Vec<sqlparser::ast::DataType>,
        sql: PrepareText,
    },
    /// The arguments' texts.
    Execute {
        name: String,
        args: Vec<String>,
    },
    /// None: all.
    Deallocate(Option<String>),
    Listen(String),
    /// None: every channel.
    Unlisten(Option<String>),
    /// CLOSE of a cursor; None: of all.
    CloseCursor(Option<String>),
    Notify {
        channel: String,
        payload: String,
    },
    /// The time before which rows go.
    TrimAuditLog(String),
    CreateRole {
        name: String,
        options: RoleOptions,
        if_not_exists: bool,
    },
    AlterRole(AlterRole),
    DropRole {
        names: Vec<RoleName>,
        if_exists: bool,
    },
}

#[derive(Clone, Copy, Debug, Default)]
pub struct TransactionModes {
    pub isolation: Option<Isolation>,
    pub read_only: Option<bool>,
}

#[derive(Clone, Debug)]
pub enum SetValue {
    Default,
    /// The words after `=` or `TO`, joined with commas as PostgreSQL stores a list.
    Text(String),
}

/// Who the session wants to be.
#[derive(Clone, Debug)]
pub enum NewIdentity {
    /// None: NONE.
    Role(Option<String>),
    /// None: DEFAULT, who logged in.
    Session(Option<String>),
}

impl NewIdentity {
    pub fn describe(&self) -> String {
        match self {
            NewIdentity::Role(name) => format!("role {}", name.as_deref().unwrap_or("none")),
            NewIdentity::Session(name) => format!("session authorization {}", name.as_deref().unwrap_or("default")),
        }
    }
}

#[derive(Clone, Debug)]
pub struct AlterRole {
    pub name: RoleName,
    pub options: RoleOptions,
}

#[derive(Clone, Debug, Default)]
pub struct RoleOptions {
    pub superuser: Option<bool>,
    pub login: Option<bool>,
    pub createrole: Option<bool>,
    pub createdb: Option<bool>,
    pub inherit: Option<bool>,
    /// CREATE ROLE ... IN ROLE: what the new role joins.
    pub in_roles: Vec<String>,
    /// ROLE: who joins it.
    pub members: Vec<RoleName>,
    /// ADMIN: who joins it with the admin option.
    pub admins: Vec<RoleName>,
    /// `Some(None)` is PASSWORD NULL.
    pub password: Option<Option<String>>,
}

/// Whether a statement that begins with these two words is read here.
pub fn is_ours(first: &str, second: &str) -> bool {
    match first {
        "BEGIN" | "START" | "COMMIT" | "END" | "ROLLBACK" | "ABORT" | "SAVEPOINT" | "RELEASE" | "SET" | "RESET" | "SHOW" | "DISCARD"
        | "CLOSE" | "LISTEN" | "UNLISTEN" | "NOTIFY" | "PREPARE" | "EXECUTE" | "DEALLOCATE" => true,
        "ALTER" if second == "SYSTEM" => true,
        "CREATE" | "ALTER" | "DROP" => matches!(second, "ROLE" | "USER"),
        _ => false,
    }
}

pub fn parse(parser: &mut Parser<'_>, source: &Source) -> Parsed<Utility> {
    let utility = match prepared::parse(parser, source)? {
        Some(utility) => utility,
        None => parse_inner(parser)?,
    };
    at_end(parser)?;
    Ok(utility)
}

fn parse_inner(parser: &mut Parser<'_>) -> Parsed<Utility> {
    let start = parser.peek_token();
    if word(parser, "BEGIN") {
        let _ = word(parser, "WORK") || word(parser, "TRANSACTION");
        return Ok(Utility::Begin {
            modes: transaction_modes(parser)?,
            tag: "BEGIN",
        });
    }
    if word(parser, "START") {
        expect_word(parser, "TRANSACTION")?;
        return Ok(Utility::Begin {
            modes: transaction_modes(parser)?,
            tag: "START TRANSACTION",
        });
    }
    if word(parser, "COMMIT") || word(parser, "END") {
        let _ = word(parser, "WORK") || word(parser, "TRANSACTION");
        no_chain(parser)?;
        return Ok(Utility::Commit);
    }
    if word(parser, "ROLLBACK") || word(parser, "ABORT") {
        let _ = word(parser, "WORK") || word(parser, "TRANSACTION");
        if word(parser, "TO") {
            let _ = word(parser, "SAVEPOINT");
            return Ok(Utility::RollbackTo(fold(&parser.parse_identifier()?)));
        }
        no_chain(parser)?;
        return Ok(Utility::Rollback);
    }
    if word(parser, "SAVEPOINT") {
        return Ok(Utility::Savepoint(fold(&parser.parse_identifier()?)));
    }
    if word(parser, "RELEASE") {
        let _ = word(parser, "SAVEPOINT");
        return Ok(Utility::Release(fold(&parser.parse_identifier()?)));
    }
    if word(parser, "SET") {
        return set(parser);
    }
    if word(parser, "RESET") {
        if word(parser, "ALL") {
            return Ok(Utility::ResetAll);
        }
        let name = setting_name(parser)?;
        return Ok(match name.as_str() {
            "role" => identity(NewIdentity::Role(None), false, true),
            "session_authorization" => identity(NewIdentity::Session(None), false, true),
            _ => Utility::Reset(name),
        });
    }
    if word(parser, "SHOW") {
        if word(parser, "ALL") {
            return Ok(Utility::ShowAll);
        }
        return Ok(Utility::Show(setting_name(parser)?));
    }
    if word(parser, "DISCARD") {
        expect_word(parser, "ALL")?;
        return Ok(Utility::DiscardAll);
    }
    if word(parser, "CLOSE") {
        if word(parser, "ALL") {
            return Ok(Utility::CloseCursor(None));
        }
        return Ok(Utility::CloseCursor(Some(fold(&parser.parse_identifier()?))));
    }
    if word(parser, "LISTEN") {
        return Ok(Utility::Listen(fold(&parser.parse_identifier()?)));
    }
    if word(parser, "UNLISTEN") {
        if parser.consume_token(&Token::Mul) {
            return Ok(Utility::Unlisten(None));
        }
        return Ok(Utility::Unlisten(Some(fold(&parser.parse_identifier()?))));
    }
    if word(parser, "NOTIFY") {
        let channel = fold(&parser.parse_identifier()?);
        let payload = if parser.consume_token(&Token::Comma) {
            string(parser)?
        } else {
            String::new()
        };
        return Ok(Utility::Notify { channel, payload });
    }
    if word(parser, "CREATE") {
        let user = word(parser, "USER");
        if !user {
            expect_word(parser, "ROLE")?;
        }
        let if_not_exists = words(parser, &["IF", "NOT", "EXISTS"]);
        let name = fold(&parser.parse_identifier()?);
        let mut options = role_options(parser, true)?;
        // CREATE USER is CREATE ROLE with LOGIN.
        options.login = options.login.or(Some(user));
        return Ok(Utility::CreateRole {
            name,
            options,
            if_not_exists,
        });
    }
    if word(parser, "ALTER") {
        if word(parser, "SYSTEM") {
            if !words(parser, &["TRIM", "AUDIT", "LOG"]) {
                return own_error("ALTER SYSTEM is for TRIM AUDIT LOG only: settings are the server's flags, or a session's");
            }
            expect_word(parser, "BEFORE")?;
            return Ok(Utility::TrimAuditLog(string(parser)?));
        }
        if !word(parser, "USER") {
            expect_word(parser, "ROLE")?;
        }
        let name = role_name(parser)?;
        return Ok(Utility::AlterRole(AlterRole {
            name,
            options: role_options(parser, false)?,
        }));
    }
    if word(parser, "DROP") {
        if !word(parser, "USER") {
            expect_word(parser, "ROLE")?;
        }
        let if_exists = words(parser, &["IF", "EXISTS"]);
        let names = role_names(parser)?;
        return Ok(Utility::DropRole { names, if_exists });
    }
    parser.expected("a statement", start)
}

fn no_chain(parser: &mut Parser<'_>) -> Parsed<()> {
    if words(parser, &["AND", "NO", "CHAIN"]) {
        return Ok(());
    }
    if words(parser, &["AND", "CHAIN"]) {
        return own_error("AND CHAIN is not supported");
    }
    Ok(())
}

fn transaction_modes(parser: &mut Parser<'_>) -> Parsed<TransactionModes> {
    let mut modes = TransactionModes::default();
    loop {
        if words(parser, &["ISOLATION", "LEVEL"]) {
            modes.isolation = Some(
                if words(parser, &["READ", "COMMITTED"]) || words(parser, &["READ", "UNCOMMITTED"]) {
                    Isolation::ReadCommitted
                } else if words(parser, &["REPEATABLE", "READ"]) {
                    Isolation::RepeatableRead
                } else {
                    expect_word(parser, "SERIALIZABLE")?;
                    Isolation::Serializable
                },
            );
        } else if words(parser, &["READ", "ONLY"]) {
            modes.read_only = Some(true);
        } else if words(parser, &["READ", "WRITE"]) {
            modes.read_only = Some(false);
        } else if words(parser, &["NOT", "DEFERRABLE"]) || word(parser, "DEFERRABLE") {
            // Deferring is about waiting for a safe snapshot; ours are always safe.
        } else {
            return Ok(modes);
        }
        let _separator = parser.consume_token(&Token::Comma);
    }
}

fn set(parser: &mut Parser<'_>) -> Parsed<Utility> {
    if words(parser, &["SESSION", "CHARACTERISTICS", "AS", "TRANSACTION"]) {
        return Ok(Utility::SetTransaction {
            modes: transaction_modes(parser)?,
            session: true,
        });
    }
    if word(parser, "TRANSACTION") {
        return Ok(Utility::SetTransaction {
            modes: transaction_modes(parser)?,
            session: false,
        });
    }
    let local = word(parser, "LOCAL");
    // SESSION may be the scope, or the first word of SESSION AUTHORIZATION.
    let session = !local && word(parser, "SESSION");
    if (session && word(parser, "AUTHORIZATION")) || words(parser, &["SESSION", "AUTHORIZATION"]) {
        return Ok(identity(NewIdentity::Session(identity_name(parser)?), local, false));
    }
    if word(parser, "ROLE") {
        let _ = parser.consume_token(&Token::Eq) || word(parser, "TO");
        let name = identity_name(parser)?.filter(|name| name != "none");
        return Ok(identity(NewIdentity::Role(name), local, false));
    }
    if words(parser, &["TIME", "ZONE"]) {
        let value = if word(parser, "LOCAL") || word(parser, "DEFAULT") {
            SetValue::Default
        } else {
            SetValue::Text(value(parser)?)
        };
        return Ok(Utility::Set {
            name: "timezone".into(),
            value,
            local,
        });
    }
    if word(parser, "NAMES") {
        return Ok(Utility::Set {
            name: "client_encoding".into(),
            value: SetValue::Text(value(parser)?),
            local,
        });
    }
    let name = setting_name(parser)?;
    if !parser.consume_token(&Token::Eq) && !word(parser, "TO") {
        let next = parser.peek_token();
        return parser.expected("= or TO", next);
    }
    if name == "session_authorization" {
        return Ok(identity(NewIdentity::Session(identity_name(parser)?), local, false));
    }
    if word(parser, "DEFAULT") {
        return Ok(Utility::Set {
            name,
            value: SetValue::Default,
            local,
        });
    }
    // Each is one schema, whatever letters it has.
    let element = |parser: &mut Parser<'_>| match (name == "search_path", &parser.peek_token().token) {
        (true, Token::Word(_)) => Ok(types::ident::quote_ident(&fold(&parser.parse_identifier()?))),
        (true, _) => Ok(types::ident::quote_ident(&value(parser)?)),
        (false, _) => value(parser),
    };
    let mut values = vec![element(parser)?];
    while parser.consume_token(&Token::Comma) {
        values.push(element(parser)?);
    }
    if let Some(modes) = transaction_mode(&name, &values) {
        return Ok(Utility::SetTransaction { modes, session: false });
    }
    Ok(Utility::Set {
        name,
        value: SetValue::Text(values.join(", ")),
        local,
    })
}

/// What `SET transaction_isolation = ...` and `SET transaction_read_only = ...` make of this transaction.
fn transaction_mode(name: &str, values: &[String]) -> Option<TransactionModes> {
    let [value] = values else { return None };
    let isolation = match (name, value.to_ascii_lowercase().as_str()) {
        ("transaction_isolation", "read committed" | "read uncommitted") => Some(Isolation::ReadCommitted),
        ("transaction_isolation", "repeatable read") => Some(Isolation::RepeatableRead),
        ("transaction_isolation", "serializable") => Some(Isolation::Serializable),
        _ => None,
    };
    let read_only = match (name, value.to_ascii_lowercase().as_str()) {
        ("transaction_read_only", "on" | "true" | "yes" | "1") => Some(true),
        ("transaction_read_only", "off" | "false" | "no" | "0") => Some(false),
        _ => None,
    };
    (isolation.is_some() || read_only.is_some()).then_some(TransactionModes { isolation, read_only })
}

fn identity(role: NewIdentity, local: bool, reset: bool) -> Utility {
    Utility::SetIdentity { role, local, reset }
}

/// A role's name, as a word or a string; None: DEFAULT.
fn identity_name(parser: &mut Parser<'_>) -> Parsed<Option<String>> {
    if word(parser, "DEFAULT") {
        return Ok(None);
    }
    match parser.peek_token().token {
        Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_) => Ok(Some(string(parser)?)),
        _ => Ok(Some(fold(&parser.parse_identifier()?))),
    }
}

pub(super) fn setting_name(parser: &mut Parser<'_>) -> Parsed<String> {
    // The two-word names of SHOW and RESET.
    if words(parser, &["TIME", "ZONE"]) {
        return Ok("timezone".into());
    }
    if words(parser, &["TRANSACTION", "ISOLATION", "LEVEL"]) {
        return Ok("transaction_isolation".into());
    }
    if words(parser, &["SESSION", "AUTHORIZATION"]) {
        return Ok("session_authorization".into());
    }
    let mut name = parser.parse_identifier()?.value.to_ascii_lowercase();
    while parser.consume_token(&Token::Period) {
        name.push('.');
        name.push_str(&parser.parse_identifier()?.value.to_ascii_lowercase());
    }
    Ok(name)
}

fn value(parser: &mut Parser<'_>) -> Parsed<String> {
    let next = parser.next_token();
    match next.token {
        Token::Word(word) => Ok(word.value),
        Token::Number(number, _) => Ok(number),
        Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) => Ok(text),
        Token::Plus => value(parser),
        Token::Minus => Ok(format!("-{}", value(parser)?)),
        _ => parser.expected("a value", next),
    }
}

fn role_options(parser: &mut Parser<'_>, new: bool) -> Parsed<RoleOptions> {
    let mut options = RoleOptions::default();
    let _ = word(parser, "WITH");
    loop {
        let next = parser.peek_token();
        if next.token == Token::EOF {
            return Ok(options);
        }
        if word(parser, "SUPERUSER") {
            options.superuser = Some(true);
        } else if word(parser, "NOSUPERUSER") {
            options.superuser = Some(false);
        } else if word(parser, "LOGIN") {
            options.login = Some(true);
        } else if word(parser, "NOLOGIN") {
            options.login = Some(false);
        } else if word(parser, "CREATEROLE") {
            options.createrole = Some(true);
        } else if word(parser, "NOCREATEROLE") {
            options.createrole = Some(false);
        } else if word(parser, "CREATEDB") {
            options.createdb = Some(true);
        } else if word(parser, "NOCREATEDB") {
            options.createdb = Some(false);
        } else if word(parser, "INHERIT") {
            options.inherit = Some(true);
        } else if word(parser, "NOINHERIT") {
            options.inherit = Some(false);
        } else if word(parser, "NOREPLICATION") || word(parser, "NOBYPASSRLS") {
            // What no role does here.
        } else if new && (words(parser, &["IN", "ROLE"]) || words(parser, &["IN", "GROUP"])) {
            options.in_roles = parser.parse_comma_separated(|parser| Ok(fold(&parser.parse_identifier()?)))?;
        } else if new && (word(parser, "ROLE") || word(parser, "USER")) {
            options.members = role_names(parser)?;
        } else if new && word(parser, "ADMIN") {
            options.admins = role_names(parser)?;
        } else if words(parser, &["ENCRYPTED", "PASSWORD"]) || word(parser, "PASSWORD") {
            options.password = Some(if word(parser, "NULL") { None } else { Some(string(parser)?) });
        } else {
            return parser.expected("a role option", next);
        }
    }
}
