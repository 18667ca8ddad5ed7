//! `CREATE`, `ALTER` and `DROP FUNCTION` (and `PROCEDURE`): the statements that are ours.

use sqlparser::ast::{DataType, Ident};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::access::{RoleName, role_name};
use super::policy::policy_name;
use super::utility::setting_name;
use super::{Source, at_end, byte_offset, expect_word, fold, own_error, string, word, words};

type Parsed<T> = std::result::Result<T, ParserError>;

/// A function's name, perhaps qualified, perhaps with argument types.
#[derive(Clone, Debug)]
pub struct FunctionName {
    pub schema: Option<String>,
    pub name: String,
    pub args: Option<Vec<DataType>>,
}

#[derive(Clone, Debug)]
pub struct Argument {
    pub name: Option<String>,
    pub data_type: DataType,
    /// The DEFAULT expression's text.
    pub default: Option<String>,
}

#[derive(Clone, Debug)]
pub enum Returns {
    Scalar(DataType),
    SetOf(DataType),
    Table(Vec<(String, DataType)>),
    Trigger,
    Void,
}

/// What follows AS.
#[derive(Clone, Debug)]
pub enum Body {
    Text(String),
    /// `FILE 'path'`.
    File(String),
}

#[derive(Clone, Debug)]
pub struct CreateFunction {
    pub or_replace: bool,
    pub procedure: bool,
    pub schema: Option<String>,
    pub name: String,
    pub args: Vec<Argument>,
    pub returns: Option<Returns>,
    pub language: Option<String>,
    pub body: Option<Body>,
    /// `i`, `s` or `v`, as `pg_proc.provolatile` has it.
    pub volatility: char,
    pub strict: bool,
    pub security_definer: bool,
    pub purpose: Option<String>,
    pub settings: Vec<FunctionSetting>,
}

/// A setting that is in force while a function runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionSetting {
    pub name: String,
    pub value: FunctionSettingValue,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FunctionSettingValue {
    /// `TO a, 'b'`: a word folded as an identifier, a text as it stands.
    To(Vec<String>),
    /// What it is for whoever says so.
    FromCurrent,
    /// RESET, or TO DEFAULT: none.
    Default,
}

/// What ALTER and DROP say that they mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RoutineKind {
    Function,
    Procedure,
    Aggregate,
    /// Any of them.
    Routine,
}

impl RoutineKind {
    pub fn word(self) -> &'static str {
        match self {
            RoutineKind::Function => "function",
            RoutineKind::Procedure => "procedure",
            RoutineKind::Aggregate => "aggregate",
            RoutineKind::Routine => "routine",
        }
    }
}

#[derive(Clone, Debug)]
pub struct CreateAggregate {
    pub or_replace: bool,
    pub schema: Option<String>,
    pub name: String,
    pub args: Vec<Argument>,
    /// (schema, name) of SFUNC.
    pub transition: Option<(Option<String>, String)>,
    pub state: Option<DataType>,
    pub finalizer: Option<(Option<String>, String)>,
    pub initial: Option<String>,
}

/// `DO`: a body without a name.
#[derive(Clone, Debug)]
pub struct DoBlock {
    pub language: Option<String>,
    pub body: String,
}

#[derive(Clone, Debug)]
pub struct DropFunction {
    pub if_exists: bool,
    pub kind: RoutineKind,
    pub names: Vec<FunctionName>,
    pub cascade: bool,
}

#[derive(Clone, Debug)]
pub struct AlterFunction {
    pub kind: RoutineKind,
    pub name: FunctionName,
    pub actions: Vec<AlterAction>,
}

#[derive(Clone, Debug)]
pub enum AlterAction {
    /// The text of the capability list.
    Grant(String),
    Revoke(String),
    SetPolicy(String),
    SetEnabled(bool),
    /// Consent to `heliosdb.storage`.
    SetStorage(bool),
    /// `SET CAPABILITY MODE record | enforce`.
    SetMode(policy::Mode),
    /// One limit: key and the text of its value.
    SetLimit(String, String),
    /// A setting of the session, for as long as the function runs.
    SetSetting(FunctionSetting),
    /// RESET ALL.
    ResetSettings,
    OwnerTo(RoleName),
    RenameTo(String),
}

pub fn create(parser: &mut Parser<'_>, source: &Source) -> Parsed<CreateFunction> {
    expect_word(parser, "CREATE")?;
    let or_replace = words(parser, &["OR", "REPLACE"]);
    let procedure = word(parser, "PROCEDURE");
    if !procedure {
        expect_word(parser, "FUNCTION")?;
    }
    let (schema, name) = qualified(parser)?;
    let args = arguments(parser, source)?;
    let mut created = CreateFunction {
        or_replace,
        procedure,
        schema,
        name,
        args,
        returns: None,
        language: None,
        body: None,
        volatility: 'v',
        strict: false,
        security_definer: false,
        purpose: None,
        settings: vec![],
    };
    loop {
        let next = parser.peek_token();
        if next.token == Token::EOF {
            return Ok(created);
        }
        if word(parser, "RETURNS") {
            if words(parser, &["NULL", "ON", "NULL", "INPUT"]) {
                created.strict = true;
            } else if procedure || created.returns.is_some() {
                return parser.expected("a function option", next);
            } else {
                created.returns = Some(returns(parser)?);
            }
        } else if word(parser, "LANGUAGE") {
            if created.language.is_some() {
                return own_error("conflicting or redundant options");
            }
            created.language = Some(language_name(parser)?);
        } else if word(parser, "AS") {
            if created.body.is_some() {
                return own_error("conflicting or redundant options");
            }
            created.body = Some(if word(parser, "FILE") {
                Body::File(string(parser)?)
            } else {
                Body::Text(string(parser)?)
            });
        } else if word(parser, "IMMUTABLE") {
            created.volatility = 'i';
        } else if word(parser, "STABLE") {
            created.volatility = 's';
        } else if word(parser, "VOLATILE") {
            created.volatility = 'v';
        } else if word(parser, "STRICT") {
            created.strict = true;
        } else if words(parser, &["CALLED", "ON", "NULL", "INPUT"]) {
            created.strict = false;
        } else if words(parser, &["EXTERNAL", "SECURITY"]) || word(parser, "SECURITY") {
            created.security_definer = word(parser, "DEFINER");
            if !created.security_definer {
                expect_word(parser, "INVOKER")?;
            }
        } else if word(parser, "PURPOSE") {
            created.purpose = Some(string(parser)?);
        } else if word(parser, "SET") {
            let name = setting_name(parser)?;
            created.settings.push(function_setting(parser, name)?);
        } else if word(parser, "PARALLEL") {
            parser.parse_identifier()?;
        } else if word(parser, "COST") || word(parser, "ROWS") {
            parser.next_token();
        } else if word(parser, "LEAKPROOF") {
        } else {
            return parser.expected("a function option", next);
        }
    }
}

pub fn alter(parser: &mut Parser<'_>, source: &Source) -> Parsed<AlterFunction> {
    expect_word(parser, "ALTER")?;
    let kind = routine_kind(parser)?;
    let name = function_name(parser)?;
    let mut actions = vec![];
    loop {
        let next = parser.peek_token();
        if next.token == Token::EOF && !actions.is_empty() {
            return Ok(AlterFunction { kind, name, actions });
        }
        if words(parser, &["GRANT", "CAPABILITY"]) {
            actions.push(AlterAction::Grant(rest(parser, source)));
        } else if words(parser, &["REVOKE", "CAPABILITY"]) {
            actions.push(AlterAction::Revoke(rest(parser, source)));
        } else if words(parser, &["SET", "SECURITY", "POLICY"]) {
            actions.push(AlterAction::SetPolicy(policy_name(parser)?));
        } else if words(parser, &["SET", "CAPABILITY", "MODE"]) {
            let start = parser.peek_token();
            let mode = if word(parser, "RECORD") {
                policy::Mode::Record
            } else if word(parser, "ENFORCE") {
                policy::Mode::Enforce
            } else {
                return parser.expected("RECORD or ENFORCE", start);
            };
            actions.push(AlterAction::SetMode(mode));
        } else if word(parser, "RESET") {
            actions.push(match word(parser, "ALL") {
                true => AlterAction::ResetSettings,
                false => AlterAction::SetSetting(FunctionSetting {
                    name: setting_name(parser)?,
                    value: FunctionSettingValue::Default,
                }),
            });
        } else if word(parser, "SET") {
            let key = setting_name(parser)?;
            if crate::settings::info(&key).is_some() {
                actions.push(AlterAction::SetSetting(function_setting(parser, key)?));
                continue;
            }
            if !parser.consume_token(&Token::Eq) && !word(parser, "TO") {
                let next = parser.peek_token();
                return parser.expected("=", next);
            }
            let start = parser.peek_token();
            let value = match start.token.clone() {
                Token::Word(word) => word.value,
                Token::Number(number, _) => number,
                Token::SingleQuotedString(text) => text,
                Token::Minus => {
                    parser.next_token();
                    match parser.peek_token().token {
                        Token::Number(number, _) => format!("-{number}"),
                        _ => return parser.expected("a value", start),
                    }
                }
                _ => return parser.expected("a value", start),
            };
            parser.next_token();
            let switch = match value.to_ascii_lowercase().as_str() {
                "true" | "on" => Some(true),
                "false" | "off" => Some(false),
                _ => None,
            };
            actions.push(match (key.as_str(), switch) {
                ("enabled", Some(enabled)) => AlterAction::SetEnabled(enabled),
                ("storage", Some(consent)) => AlterAction::SetStorage(consent),
                ("enabled" | "storage", None) => return parser.expected("true or false", start),
                _ => AlterAction::SetLimit(key, value),
            });
        } else if words(parser, &["OWNER", "TO"]) {
            actions.push(AlterAction::OwnerTo(role_name(parser)?));
        } else if words(parser, &["RENAME", "TO"]) {
            actions.push(AlterAction::RenameTo(fold(&parser.parse_identifier()?)));
        } else {
            return parser.expected("GRANT CAPABILITY, REVOKE CAPABILITY or SET", next);
        }
    }
}

/// What follows the name of a setting.
fn function_setting(parser: &mut Parser<'_>, name: String) -> Parsed<FunctionSetting> {
    if words(parser, &["FROM", "CURRENT"]) {
        let value = FunctionSettingValue::FromCurrent;
        return Ok(FunctionSetting { name, value });
    }
    if !parser.consume_token(&Token::Eq) && !word(parser, "TO") {
        let next = parser.peek_token();
        return parser.expected("=, TO or FROM CURRENT", next);
    }
    if word(parser, "DEFAULT") {
        let value = FunctionSettingValue::Default;
        return Ok(FunctionSetting { name, value });
    }
    let mut values = vec![setting_value(parser)?];
    while parser.consume_token(&Token::Comma) {
        values.push(setting_value(parser)?);
    }
    let value = FunctionSettingValue::To(values);
    Ok(FunctionSetting { name, value })
}

fn setting_value(parser: &mut Parser<'_>) -> Parsed<String> {
    let next = parser.peek_token();
    match next.token {
        Token::Word(_) => Ok(fold(&parser.parse_identifier()?)),
        Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_) => string(parser),
        Token::Number(number, _) => {
            parser.next_token();
            Ok(number)
        }
        _ => parser.expected("a value", next),
    }
}

pub fn drop(parser: &mut Parser<'_>) -> Parsed<DropFunction> {
    expect_word(parser, "DROP")?;
    let kind = routine_kind(parser)?;
    let if_exists = words(parser, &["IF", "EXISTS"]);
    let mut names = vec![function_name(parser)?];
    while parser.consume_token(&Token::Comma) {
        names.push(function_name(parser)?);
    }
    let cascade = word(parser, "CASCADE");
    let _ = word(parser, "RESTRICT");
    at_end(parser)?;
    Ok(DropFunction {
        if_exists,
        kind,
        names,
        cascade,
    })
}

pub fn routine_kind(parser: &mut Parser<'_>) -> Parsed<RoutineKind> {
    if word(parser, "PROCEDURE") {
        return Ok(RoutineKind::Procedure);
    }
    if word(parser, "ROUTINE") {
        return Ok(RoutineKind::Routine);
    }
    if word(parser, "AGGREGATE") {
        return Ok(RoutineKind::Aggregate);
    }
    expect_word(parser, "FUNCTION")?;
    Ok(RoutineKind::Function)
}

/// `DO [LANGUAGE name] 'body' [LANGUAGE name]`.
pub fn do_block(parser: &mut Parser<'_>) -> Parsed<DoBlock> {
    expect_word(parser, "DO")?;
    let (mut language, mut body) = (None, None);
    while parser.peek_token().token != Token::EOF {
        if word(parser, "LANGUAGE") {
            if language.is_some() {
                return own_error("conflicting or redundant options");
            }
            language = Some(language_name(parser)?);
        } else if body.is_some() {
            let next = parser.peek_token();
            return parser.expected("end of statement", next);
        } else {
            body = Some(string(parser)?);
        }
    }
    match body {
        Some(body) => Ok(DoBlock { language, body }),
        None => own_error("no inline code specified"),
    }
}

fn language_name(parser: &mut Parser<'_>) -> Parsed<String> {
    match parser.peek_token().token {
        Token::SingleQuotedString(_) => Ok(string(parser)?.to_ascii_lowercase()),
        _ => Ok(fold(&parser.parse_identifier()?)),
    }
}

/// `CREATE AGGREGATE name(type, ...) (SFUNC = f, STYPE = type, FINALFUNC = f, INITCOND = 'text')`.
pub fn create_aggregate(parser: &mut Parser<'_>, source: &Source) -> Parsed<CreateAggregate> {
    expect_word(parser, "CREATE")?;
    let or_replace = words(parser, &["OR", "REPLACE"]);
    expect_word(parser, "AGGREGATE")?;
    let (schema, name) = qualified(parser)?;
    let args = match parser.peek_nth_token(1).token {
        // Of no arguments, like count(*).
        Token::Mul => {
            parser.expect_token(&Token::LParen)?;
            parser.next_token();
            parser.expect_token(&Token::RParen)?;
            vec![]
        }
        _ => arguments(parser, source)?,
    };
    let mut created = CreateAggregate {
        or_replace,
        schema,
        name,
        args,
        transition: None,
        state: None,
        finalizer: None,
        initial: None,
    };
    parser.expect_token(&Token::LParen)?;
    loop {
        let option = fold(&parser.parse_identifier()?);
        let valued = parser.consume_token(&Token::Eq);
        match option.as_str() {
            "sfunc" | "sfunc1" if valued => created.transition = Some(qualified(parser)?),
            "stype" | "stype1" if valued => created.state = Some(parser.parse_data_type()?),
            "finalfunc" if valued => created.finalizer = Some(qualified(parser)?),
            "initcond" | "initcond1" if valued => {
                created.initial = Some(match parser.peek_token().token {
                    Token::Number(number, _) => {
                        parser.next_token();
                        number
                    }
                    _ => string(parser)?,
                });
            }
            // They make it faster, not different.
            "parallel" | "sspace" | "finalfunc_modify" | "combinefunc" | "serialfunc" | "deserialfunc" if valued => {
                parser.next_token();
            }
            other => return own_error(format!("aggregate attribute \"{other}\" is not supported")),
        }
        if !parser.consume_token(&Token::Comma) {
            parser.expect_token(&Token::RParen)?;
            break;
        }
    }
    at_end(parser)?;
    Ok(created)
}

/// The statement's text from here to its end.
/// The text from here to the statement's end.
pub fn rest(parser: &mut Parser<'_>, source: &Source) -> String {
    let start = parser.peek_token().span.start;
    let mut end = start;
    while parser.peek_token().token != Token::EOF {
        end = parser.next_token().span.end;
    }
    source[byte_offset(source, start)..byte_offset(source, end)].to_string()
}

pub fn qualified(parser: &mut Parser<'_>) -> Parsed<(Option<String>, String)> {
    let first = fold(&parser.parse_identifier()?);
    if parser.consume_token(&Token::Period) {
        return Ok((Some(first), fold(&parser.parse_identifier()?)));
    }
    Ok((None, first))
}

/// `name` or `schema.name(type, ...)`.
pub fn function_name(parser: &mut Parser<'_>) -> Parsed<FunctionName> {
    let (schema, name) = qualified(parser)?;
    let mut args = None;
    if parser.consume_token(&Token::LParen) {
        let mut types = vec![];
        if !parser.consume_token(&Token::RParen) {
            loop {
                types.push(named_type(parser)?.1);
                if !parser.consume_token(&Token::Comma) {
                    parser.expect_token(&Token::RParen)?;
                    break;
                }
            }
        }
        args = Some(types);
    }
    Ok(FunctionName { schema, name, args })
}

/// `[name] type`: an argument's name may be left out, and only what follows tells which it is.
fn named_type(parser: &mut Parser<'_>) -> Parsed<(Option<Ident>, DataType)> {
    let _ = word(parser, "IN");
    let start = parser.index();
    // `name type` first: an identifier after which a type still parses.
    if let Ok(name) = parser.parse_identifier()
        && !matches!(
            parser.peek_token().token,
            Token::Comma | Token::RParen | Token::LParen | Token::LBracket | Token::Period | Token::Eq
        )
        && !is_default(parser)
    {
        let multi_word = ["double", "character", "timestamp", "time", "national"]
            .iter()
            .any(|t| name.quote_style.is_none() && name.value.eq_ignore_ascii_case(t))
            && ["precision", "varying", "with", "without"].iter().any(|t| peeks(parser, t));
        if !multi_word {
            return Ok((Some(name), parser.parse_data_type()?));
        }
    }
    while parser.index() > start {
        parser.prev_token();
    }
    Ok((None, parser.parse_data_type()?))
}

fn peeks(parser: &Parser<'_>, expected: &str) -> bool {
    matches!(&parser.peek_token().token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(expected))
}

fn is_default(parser: &Parser<'_>) -> bool {
    peeks(parser, "DEFAULT")
}

fn arguments(parser: &mut Parser<'_>, source: &Source) -> Parsed<Vec<Argument>> {
    parser.expect_token(&Token::LParen)?;
    let mut args = vec![];
    if parser.consume_token(&Token::RParen) {
        return Ok(args);
    }
    loop {
        if peeks(parser, "OUT") || peeks(parser, "INOUT") || peeks(parser, "VARIADIC") {
            return own_error("OUT, INOUT and VARIADIC arguments are not supported; use RETURNS TABLE(...)");
        }
        let (name, data_type) = named_type(parser)?;
        let mut default = None;
        if word(parser, "DEFAULT") || parser.consume_token(&Token::Eq) {
            let start = parser.peek_token().span.start;
            parser.parse_expr()?;
            let end = parser.get_current_token().span.end;
            default = Some(source[byte_offset(source, start)..byte_offset(source, end)].to_string());
        }
        args.push(Argument {
            name: name.as_ref().map(fold),
            data_type,
            default,
        });
        if !parser.consume_token(&Token::Comma) {
            parser.expect_token(&Token::RParen)?;
            return Ok(args);
        }
    }
}

fn returns(parser: &mut Parser<'_>) -> Parsed<Returns> {
    if word(parser, "SETOF") {
        return Ok(Returns::SetOf(parser.parse_data_type()?));
    }
    if word(parser, "TABLE") {
        parser.expect_token(&Token::LParen)?;
        let mut columns = vec![];
        loop {
            let name = fold(&parser.parse_identifier()?);
            columns.push((name, parser.parse_data_type()?));
            if !parser.consume_token(&Token::Comma) {
                parser.expect_token(&Token::RParen)?;
                return Ok(Returns::Table(columns));
            }
        }
    }
    if word(parser, "TRIGGER") {
        return Ok(Returns::Trigger);
    }
    if word(parser, "VOID") {
        return Ok(Returns::Void);
    }
    Ok(Returns::Scalar(parser.parse_data_type()?))
}
