//! Text to statements.
//!
//! The life of a statement's text: it is cut into tokens once; the tokens are divided at the
//! semicolons; each piece is parsed by `sqlparser`, or by our own grammar where the statement is
//! ours (functions, capabilities, policies) or where PostgreSQL's forms are simpler to read
//! directly (transactions, settings, roles). Errors come back as PostgreSQL words them, with the
//! position of the offending token. Nesting is bounded here, before anything recurses over it.

mod access;
mod dialect;
mod function;
#[cfg(test)]
mod hostile;
mod inspect;
mod lexis;
mod nesting;
mod placeholders;
mod policy;
mod precedence;
mod prepared;
mod reserved;
mod source;
mod tokens;
mod trigger;
mod utility;

use std::sync::Arc;

use sqlparser::ast;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Whitespace};
use types::{Result, SqlError, SqlState};

use crate::cancel::Cancel;

pub use access::{Access, GrantPrivileges, Membership, OwnedName, RoleName, Target};
pub use function::{
    AlterAction, AlterFunction, Body, CreateAggregate, CreateFunction, DoBlock, DropFunction, FunctionName, FunctionSetting,
    FunctionSettingValue, Returns, RoutineKind,
};
pub use inspect::{Comment, Commented, Expectation, RelationName, TestFunction};
pub use policy::{DefinitionText, PolicyStatement};
pub use prepared::PrepareText;
pub use source::{Source, byte_offset, position};
pub use trigger::{Action as TriggerAction, CreateTrigger, DropTrigger, Timing as TriggerTiming, check_body as check_trigger_body};
pub use utility::{AlterRole, NewIdentity, RoleOptions, SetValue, TransactionModes, Utility};

/// How deep parentheses, sub-selects, views and prefix operators may nest in one statement.
/// PostgreSQL's bound is its stack (2 MB, about 5,000 levels); a session's stack of 64 MiB holds
/// this with room for the parser, the binder and the query library, each of which recurses over
/// the same tree.
pub const MAX_NESTING: usize = 300;

/// How many operators one chain may have (`1 + 1 + ...`, or `a AND b AND ...` of such chains): the
/// parser makes a left-deep tree of it. The binder walks it in a loop, the query library recurses.
const MAX_CHAIN: usize = 2_000;
const MAX_TOKENS: usize = 200_000;

/// What the parser may recurse: up to three of its levels go into one of ours. It takes some of
/// its own refusals for a wrong guess at what a word means, so it is not left to it to refuse.
const PARSER_RECURSION: usize = 3 * MAX_NESTING;

/// One statement and where it stands in the text that the client sent.
#[derive(Clone, Debug)]
pub struct ParsedStatement {
    pub kind: Statement,
    /// The whole text that the client sent: positions count from its start.
    pub source: Source,
    /// This statement's own text, without the semicolon.
    pub text: Arc<str>,
    /// How many statements the text held.
    pub siblings: usize,
}

#[derive(Clone, Debug)]
pub enum Statement {
    Sql(Arc<ast::Statement>),
    CreateFunction(Arc<CreateFunction>),
    AlterFunction(Arc<AlterFunction>),
    DropFunction(Arc<DropFunction>),
    Do(Arc<DoBlock>),
    CreateAggregate(Arc<CreateAggregate>),
    CreateTrigger(Arc<CreateTrigger>),
    DropTrigger(Arc<DropTrigger>),
    /// The bare `GRANT CAPABILITY c` / `REVOKE CAPABILITY c`: text of the capability list.
    GrantCapability {
        list: String,
        revoke: bool,
    },
    SecurityPolicy(Arc<PolicyStatement>),
    ExplainCapabilities(RoutineKind, Arc<FunctionName>),
    TestFunction(Arc<TestFunction>),
    Comment(Arc<Comment>),
    /// Privileges, memberships, ownership.
    Access(Arc<Access>),
    Utility(Arc<Utility>),
}

/// Where placeholders may be written as `?`: in SQL that comes from a function (`placeholders`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Placeholders {
    Dollar,
    QuestionMarkToo,
}

/// Cuts a text into its statements and parses each of them.
pub fn parse(sql: &str, placeholders: Placeholders) -> Result<Vec<ParsedStatement>> {
    parse_while(sql, placeholders, &Arc::new(Cancel::default()))
}

/// The same as long as nobody cancels it.
pub fn parse_while(sql: &str, placeholders: Placeholders, cancel: &Arc<Cancel>) -> Result<Vec<ParsedStatement>> {
    parse_pieces(sql, placeholders, cancel, |_| Ok(()))
}

/// The one statement of a text, or none; `several` is the error where there are more, which are not looked at.
pub fn parse_single(sql: &str, placeholders: Placeholders, cancel: &Arc<Cancel>, several: &'static str) -> Result<Option<ParsedStatement>> {
    let statements = parse_pieces(sql, placeholders, cancel, |pieces| match pieces {
        0 | 1 => Ok(()),
        _ => Err(SqlError::new(SqlState::SyntaxError, several)),
    });
    statements.map(|mut statements| statements.pop())
}

/// `count` is asked how many statements there may be before the first of them is parsed.
fn parse_pieces(
    sql: &str,
    placeholders: Placeholders,
    cancel: &Arc<Cancel>,
    count: impl FnOnce(usize) -> Result<()>,
) -> Result<Vec<ParsedStatement>> {
    let source = Source::new(sql);
    let tokens = tokenize(&source, placeholders, cancel)?;
    let pieces = pieces(&tokens);
    let siblings = pieces.len();
    count(siblings)?;
    let mut statements = Vec::with_capacity(siblings);
    for piece in pieces {
        cancel.check()?;
        nesting::check(piece)?;
        let piece: Vec<TokenWithSpan> = piece.iter().filter(|token| !is_space(&token.token)).cloned().collect();
        let first = piece[0].span.start;
        let last = piece[piece.len() - 1].span.end;
        let text = Arc::from(&source[byte_offset(&source, first)..byte_offset(&source, last)]);
        let kind = parse_one(piece, &source, cancel)?;
        statements.push(ParsedStatement {
            kind,
            source: source.clone(),
            text,
            siblings,
        });
    }
    Ok(statements)
}

/// A text's statements, each without the semicolon that ends it.
fn pieces(tokens: &[TokenWithSpan]) -> Vec<&[TokenWithSpan]> {
    let mut pieces = vec![];
    let mut rest = tokens;
    while !rest.is_empty() {
        let semicolon = || rest.iter().position(|token| token.token == Token::SemiColon);
        let end = trigger::end_with_body(rest).or_else(semicolon).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        if piece.iter().any(|token| !is_space(&token.token)) {
            pieces.push(piece);
        }
        rest = after.get(1..).unwrap_or_default();
    }
    pieces
}

/// Parses a scalar expression that we stored ourselves: a DEFAULT or a CHECK.
pub fn parse_expression(sql: &str) -> Result<ast::Expr> {
    let source = Source::new(sql);
    let cancel = Arc::new(Cancel::default());
    let tokens = tokenize(&source, Placeholders::Dollar, &cancel)?;
    nesting::check(&tokens)?;
    let dialect = dialect::Postgres::new(tokens.len(), cancel);
    let mut parser = Parser::new(&dialect)
        .with_recursion_limit(PARSER_RECURSION)
        .with_tokens_with_locations(tokens);
    parser.parse_expr().map_err(|error| syntax_error(error, &source, &[]))
}

/// How many parameters a statement asks for: the highest `$n`, or the number of `?`.
pub fn count_placeholders(sql: &str) -> usize {
    let Ok(tokens) = tokenize(&Source::new(sql), Placeholders::QuestionMarkToo, &Cancel::default()) else {
        return 0;
    };
    let numbers = tokens.iter().filter_map(|token| match &token.token {
        Token::Placeholder(name) => name.strip_prefix('$').and_then(|digits| digits.parse().ok()),
        _ => None,
    });
    numbers.max().unwrap_or(0)
}

fn tokenize(source: &Source, placeholders: Placeholders, cancel: &Cancel) -> Result<Vec<TokenWithSpan>> {
    let mut tokens = tokens::tokens(source, cancel).map_err(|stopped| {
        let error = match stopped {
            tokens::Stopped::Refused(error) => return error,
            tokens::Stopped::Unreadable(error) => error,
        };
        let at = position(source, error.location);
        let rest = at.map_or("", |_| &source[byte_offset(source, error.location)..]);
        let kind = error.message.to_ascii_lowercase();
        let what = if kind.contains("double") || kind.contains("delimiter") || kind.contains("delimited") {
            "unterminated quoted identifier"
        } else if kind.contains("comment") {
            "unterminated /* comment"
        } else if kind.contains("dollar") || kind.contains("unterminated dollar") {
            "unterminated dollar-quoted string"
        } else if kind.contains("string") || kind.contains("unterminated") {
            "unterminated quoted string"
        } else {
            "syntax error"
        };
        let error = SqlError::new(SqlState::SyntaxError, format!("{what} at or near \"{}\"", first_line(rest)));
        match at {
            Some(at) => error.position(at),
            None => error,
        }
    })?;
    check_identifiers(source, &tokens)?;
    check_numbers(source, &tokens)?;
    join_strings(&mut tokens);
    let mut tokens = lexis::settle(match placeholders {
        Placeholders::Dollar => tokens,
        Placeholders::QuestionMarkToo => placeholders::number(tokens),
    });
    // `f(a := 1)` is the older spelling of `f(a => 1)`, and SQL has no other use for it.
    for token in &mut tokens {
        if token.token == Token::Assignment {
            token.token = Token::RArrow;
        }
    }
    Ok(tokens)
}

/// `""` names nothing.
fn check_identifiers(source: &Source, tokens: &[TokenWithSpan]) -> Result<()> {
    let empty = |token: &&TokenWithSpan| matches!(&token.token, Token::Word(word) if word.quote_style.is_some() && word.value.is_empty());
    let Some(token) = tokens.iter().find(empty) else {
        return Ok(());
    };
    let error = SqlError::new(SqlState::SyntaxError, "zero-length delimited identifier at or near \"\"\"\"");
    Err(error.position_if_absent(position(source, token.span.start)))
}

/// A number ends before the next word: `12abc` is neither `12` under the name `abc` nor a name.
fn check_numbers(source: &Source, tokens: &[TokenWithSpan]) -> Result<()> {
    let glued = tokens.windows(2).find(|pair| {
        matches!(
            pair,
            [number, word] if matches!(number.token, Token::Number(..))
                && matches!(&word.token, Token::Word(word) if word.quote_style.is_none())
                && number.span.end == word.span.start
        )
    });
    let Some([number, word]) = glued else {
        return Ok(());
    };
    let text = &source[byte_offset(source, number.span.start)..byte_offset(source, word.span.end)];
    let error = SqlError::new(
        SqlState::SyntaxError,
        format!("trailing junk after numeric literal at or near \"{text}\""),
    );
    Err(error.position_if_absent(position(source, number.span.start)))
}

/// String literals that follow each other are one, but only across a line's end; on one line the
/// second is a syntax error, where the parser would take both.
fn join_strings(tokens: &mut Vec<TokenWithSpan>) {
    /// What follows a string.
    enum After {
        Spaces,
        LineEnd,
        /// Between the parts of one string PostgreSQL takes no such comment.
        BlockComment,
    }
    let mut joined: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    // The last string, if only spaces and comments followed it.
    let mut last: Option<(usize, After)> = None;
    for mut token in tokens.drain(..) {
        last = match (&token.token, last.take()) {
            (Token::Whitespace(Whitespace::Newline | Whitespace::SingleLineComment { .. }), Some((index, After::Spaces))) => {
                Some((index, After::LineEnd))
            }
            (Token::Whitespace(Whitespace::MultiLineComment(_)), Some((index, _))) => Some((index, After::BlockComment)),
            (Token::Whitespace(_), last) => last,
            (Token::SingleQuotedString(text), Some((index, After::LineEnd))) => {
                if let Some(TokenWithSpan {
                    token: Token::SingleQuotedString(whole),
                    span,
                }) = joined.get_mut(index)
                {
                    whole.push_str(text);
                    span.end = token.span.end;
                }
                last = Some((index, After::Spaces));
                continue;
            }
            (Token::SingleQuotedString(_), Some(_)) => {
                // No grammar has a lone quote: the parser refuses it, here and no earlier.
                token.token = Token::Char('\'');
                None
            }
            (Token::SingleQuotedString(_), None) => Some((joined.len(), After::Spaces)),
            _ => None,
        };
        joined.push(token);
    }
    *tokens = joined;
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or("").trim_end()
}

fn is_space(token: &Token) -> bool {
    matches!(token, Token::Whitespace(_) | Token::EOF)
}

pub fn too_complex() -> SqlError {
    SqlError::new(SqlState::StatementTooComplex, "stack depth limit exceeded").hint(format!(
        "A statement may nest {MAX_NESTING} levels deep and chain {MAX_CHAIN} operators; write it with fewer."
    ))
}

fn parse_one(piece: Vec<TokenWithSpan>, source: &Source, cancel: &Arc<Cancel>) -> Result<Statement> {
    let dialect = dialect::Postgres::new(piece.len(), cancel.clone());
    let upper = |token: &TokenWithSpan| match &token.token {
        Token::Word(word) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
        _ => String::new(),
    };
    let words: Vec<String> = piece.iter().take(4).map(upper).collect();
    let third_last = piece.iter().rev().nth(2).map(upper).unwrap_or_default();
    let word = |index: usize| words.get(index).map_or("", String::as_str);
    // Kept for the error message: the parser takes the tokens.
    let parser = |piece: &[TokenWithSpan]| {
        let mut tokens = piece.to_vec();
        let end = piece.last().map(|token| token.span.end).unwrap_or(Location::new(1, 1));
        tokens.push(TokenWithSpan::new(Token::EOF, sqlparser::tokenizer::Span::new(end, end)));
        Parser::new(&dialect)
            .with_recursion_limit(PARSER_RECURSION)
            .with_tokens_with_locations(tokens)
    };
    let or_replace = word(1) == "OR" && word(2) == "REPLACE";
    let object = if or_replace { word(3) } else { word(1) };
    let result = match (word(0), object) {
        ("CREATE", "FUNCTION" | "PROCEDURE") => {
            function::create(&mut parser(&piece), source).map(|s| Statement::CreateFunction(Arc::new(s)))
        }
        ("ALTER", "FUNCTION" | "PROCEDURE" | "ROUTINE") => {
            function::alter(&mut parser(&piece), source).map(|s| Statement::AlterFunction(Arc::new(s)))
        }
        ("DROP", "FUNCTION" | "PROCEDURE" | "ROUTINE" | "AGGREGATE") => {
            function::drop(&mut parser(&piece)).map(|s| Statement::DropFunction(Arc::new(s)))
        }
        ("CREATE", "AGGREGATE") => function::create_aggregate(&mut parser(&piece), source).map(|s| Statement::CreateAggregate(Arc::new(s))),
        ("CREATE", "TRIGGER") => trigger::create(&mut parser(&piece), source).map(|s| Statement::CreateTrigger(Arc::new(s))),
        ("DROP", "TRIGGER") => trigger::drop(&mut parser(&piece)).map(|s| Statement::DropTrigger(Arc::new(s))),
        ("DO", _) => function::do_block(&mut parser(&piece)).map(|s| Statement::Do(Arc::new(s))),
        ("GRANT" | "REVOKE", "CAPABILITY") => {
            let from = piece.get(2).map(|token| token.span.start);
            let list = from.map_or("", |from| {
                &source[byte_offset(source, from)..byte_offset(source, piece[piece.len() - 1].span.end)]
            });
            Ok(Statement::GrantCapability {
                list: list.to_string(),
                revoke: word(0) == "REVOKE",
            })
        }
        ("CREATE" | "ALTER" | "DROP", "SECURITY") => {
            policy::parse(&mut parser(&piece), source).map(|s| Statement::SecurityPolicy(Arc::new(s)))
        }
        ("EXPLAIN", "CAPABILITIES") => {
            inspect::explain_capabilities(&mut parser(&piece)).map(|(kind, name)| Statement::ExplainCapabilities(kind, Arc::new(name)))
        }
        ("TEST", "FUNCTION") => inspect::test_function(&mut parser(&piece), source).map(|s| Statement::TestFunction(Arc::new(s))),
        ("COMMENT", "ON") => inspect::comment(&mut parser(&piece)).map(|s| Statement::Comment(Arc::new(s))),
        (first, second) if access::is_ours(first, second, &third_last) => {
            access::parse(&mut parser(&piece)).map(|s| Statement::Access(Arc::new(s)))
        }
        (first, second) if utility::is_ours(first, second) => {
            utility::parse(&mut parser(&piece), source).map(|s| Statement::Utility(Arc::new(s)))
        }
        _ => {
            let mut parser = parser(&piece);
            parser.parse_statement().and_then(|statement| {
                at_end(&mut parser)?;
                reserved::check(&statement)?;
                Ok(Statement::Sql(Arc::new(statement)))
            })
        }
    };
    result.map_err(|error| match cancel.check() {
        Ok(()) => syntax_error(error, source, &piece),
        // The parser gave up because of this.
        Err(cancelled) => cancelled,
    })
}

/// A function's name, perhaps with a schema and argument types, as ALTER FUNCTION has it.
pub fn parse_function_name(text: &str) -> Result<FunctionName> {
    let source = Source::new(text);
    let cancel = Arc::new(Cancel::default());
    let tokens = tokenize(&source, Placeholders::Dollar, &cancel)?;
    let piece: Vec<TokenWithSpan> = tokens.into_iter().filter(|token| !is_space(&token.token)).collect();
    nesting::check(&piece)?;
    let dialect = dialect::Postgres::new(piece.len(), cancel);
    let mut parser = Parser::new(&dialect)
        .with_recursion_limit(PARSER_RECURSION)
        .with_tokens_with_locations(piece.clone());
    let name = function::function_name(&mut parser).and_then(|name| at_end(&mut parser).map(|()| name));
    name.map_err(|error| syntax_error(error, &source, &piece))
}

/// Refuses text after the statement's end.
fn at_end(parser: &mut Parser<'_>) -> std::result::Result<(), ParserError> {
    let next = parser.peek_token();
    match next.token {
        Token::EOF => Ok(()),
        _ => parser.expected("end of statement", next),
    }
}

/// PostgreSQL's words for a parser's error. The parser says "Expected: x, found: y at Line: l, Column: c".
fn syntax_error(error: ParserError, source: &Source, tokens: &[TokenWithSpan]) -> SqlError {
    let message = match error {
        ParserError::RecursionLimitExceeded => return too_complex(),
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
    };
    if let Some((_, own)) = message.split_once(OWN_ERROR) {
        return SqlError::new(SqlState::SyntaxError, own.to_string());
    }
    let location = message.rsplit_once(" at Line: ").and_then(|(_, place)| {
        let (line, column) = place.split_once(", Column: ")?;
        let column = column.trim_end_matches(|c: char| !c.is_ascii_digit());
        Some(Location::new(line.trim().parse().ok()?, column.trim().parse().ok()?))
    });
    let Some(location) = location else {
        return SqlError::new(SqlState::SyntaxError, "syntax error").detail(format!("The parser says: {message}."));
    };
    let found = tokens.iter().find(|token| token.span.start == location);
    match found {
        Some(token) => {
            let end = byte_offset(source, token.span.end);
            let start = byte_offset(source, token.span.start);
            let error = SqlError::new(
                SqlState::SyntaxError,
                format!("syntax error at or near \"{}\"", &source[start..end]),
            );
            match position(source, location) {
                Some(position) => error.position(position),
                None => error,
            }
        }
        None => SqlError::new(SqlState::SyntaxError, "syntax error at end of input").position(source.trim_end().chars().count() + 1),
    }
}

/// Marks a parser error whose text is already ours.
const OWN_ERROR: &str = "\u{1}";

fn own_error<T>(message: impl std::fmt::Display) -> std::result::Result<T, ParserError> {
    Err(ParserError::ParserError(format!("{OWN_ERROR}{message}")))
}

/// The next token if it is this unquoted word, whether the parser knows it as a keyword or not.
fn word(parser: &mut Parser<'_>, expected: &str) -> bool {
    let next = parser.peek_token();
    if let Token::Word(word) = &next.token
        && word.quote_style.is_none()
        && word.value.eq_ignore_ascii_case(expected)
    {
        parser.next_token();
        return true;
    }
    false
}

fn words(parser: &mut Parser<'_>, expected: &[&str]) -> bool {
    let start = parser.index();
    for one in expected {
        if !word(parser, one) {
            while parser.index() > start {
                parser.prev_token();
            }
            return false;
        }
    }
    true
}

fn expect_word(parser: &mut Parser<'_>, expected: &str) -> std::result::Result<(), ParserError> {
    if word(parser, expected) {
        return Ok(());
    }
    let next = parser.peek_token();
    parser.expected(expected, next)
}

/// A literal string, quoted in any of PostgreSQL's ways.
fn string(parser: &mut Parser<'_>) -> std::result::Result<String, ParserError> {
    let next = parser.next_token();
    match next.token {
        Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) | Token::UnicodeStringLiteral(text) => Ok(text),
        Token::DollarQuotedString(quoted) => Ok(quoted.value),
        _ => parser.expected("a string", next),
    }
}

/// Folds an identifier the way PostgreSQL does.
pub fn fold(ident: &ast::Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => types::ident::fold(&ident.value),
    }
}

/// A possibly qualified name: (schema, name).
pub fn object_name(name: &ast::ObjectName) -> Result<(Option<String>, String)> {
    let mut parts = Vec::with_capacity(name.0.len());
    for part in &name.0 {
        match part {
            ast::ObjectNamePart::Identifier(ident) => parts.push(fold(ident)),
            ast::ObjectNamePart::Function(_) => {
                return Err(SqlError::new(SqlState::SyntaxError, "a name is expected here, not a function call"));
            }
        }
    }
    let name = parts
        .pop()
        .ok_or_else(|| SqlError::new(SqlState::SyntaxError, "a name is missing"))?;
    let schema = parts.pop();
    if parts.len() > 1 {
        return Err(SqlError::new(
            SqlState::SyntaxError,
            "improper qualified name (too many dotted names)",
        ));
    }
    match (parts.pop(), schema) {
        (Some(database), schema) if database != crate::database::DATABASE_NAME => {
            let schema = schema.unwrap_or_default();
            Err(SqlError::new(
                SqlState::FeatureNotSupported,
                format!("cross-database references are not implemented: \"{database}.{schema}.{name}\""),
            ))
        }
        (_, schema) => Ok((schema, name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(sql: &str) -> (String, Option<usize>) {
        let error = parse(sql, Placeholders::Dollar).unwrap_err();
        (error.message().to_string(), error.fields().position)
    }

    #[test]
    fn syntax_errors_are_postgres_s() {
        assert_eq!(error("SELEC 1"), ("syntax error at or near \"SELEC\"".into(), Some(1)));
        assert_eq!(error("SELECT 1 FROM"), ("syntax error at end of input".into(), Some(14)));
        assert_eq!(error("SELECT 1; SELECT )"), ("syntax error at or near \")\"".into(), Some(18)));
        assert_eq!(error("SELECT 'abc").0, "unterminated quoted string at or near \"'abc\"");
    }

    #[test]
    fn statements_are_split_at_semicolons_outside_quotes() {
        let statements = parse("SELECT ';'; ;\nSELECT $$;$$ -- ;\n;", Placeholders::Dollar).unwrap();
        assert_eq!(
            statements.iter().map(|s| &*s.text).collect::<Vec<_>>(),
            ["SELECT ';'", "SELECT $$;$$"]
        );
    }

    #[test]
    fn a_triggers_body_keeps_its_semicolons() {
        let texts = |sql: &str| -> Vec<String> {
            let statements = parse(sql, Placeholders::Dollar).unwrap();
            statements.iter().map(|statement| statement.text.to_string()).collect()
        };
        let on = "AFTER INSERT ON heliosdb.audit_log FOR EACH ROW";
        let whole = format!("CREATE TRIGGER t {on} WHEN (NEW.allowed) BEGIN SELECT 1; SELECT CASE WHEN a THEN 1 END; END");
        assert_eq!(texts(&format!("SELECT 1; {whole}; SELECT 2")), ["SELECT 1", &whole, "SELECT 2"]);
        assert_eq!(texts(&whole), [whole.as_str()]);
        // Not ended: all of it.
        let open = format!("create or replace trigger t {on} begin select ';'; select 2");
        assert_eq!(texts(&format!("{open};")), [format!("{open};")]);
        // BEGIN as a name, and as a statement of its own.
        let call = format!("CREATE TRIGGER begin {on} EXECUTE FUNCTION begin()");
        assert_eq!(texts(&format!("{call}; BEGIN; END")), [call.as_str(), "BEGIN", "END"]);
        for (body, near) in [
            ("DELETE FROM t; END", "DELETE"),
            ("END", "END"),
            ("SELECT 1; END; END x", "x"),
            ("SELECT 1 SELECT", "SELECT"),
        ] {
            let (message, _) = error(&format!("CREATE TRIGGER t {on} BEGIN {body}"));
            assert_eq!(message, format!("syntax error at or near \"{near}\""), "{body}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_soon() {
        // On a stack as large as a session's.
        let thread = std::thread::Builder::new().stack_size(64 << 20);
        thread.spawn(read_what_cannot_be_read).unwrap().join().unwrap();
    }

    fn read_what_cannot_be_read() {
        let started = std::time::Instant::now();
        for (open, close) in [
            ("NOT(", ")"),
            ("NOT NOT (", ")"),
            ("CASE WHEN (", ") THEN 1 END"),
            ("CAST(", " AS int)"),
            ("(", ")"),
            ("f(", ")"),
            ("position(", " IN 'a')"),
            ("substring(", " FROM 1)"),
            ("trim(", ")"),
            ("extract(day FROM ", ")"),
            ("overlay(", " PLACING 'a' FROM 1)"),
            ("ceil(", ")"),
            ("ARRAY[", "]"),
            ("(SELECT ", ")"),
            ("EXISTS(SELECT ", ")"),
            ("interval (", ")"),
        ] {
            for deepest in ["1 +", "1 1 1", "1"] {
                let text = format!("SELECT {}{deepest}{}", open.repeat(60), close.repeat(60));
                let result = parse(&text, Placeholders::Dollar);
                assert_eq!(result.is_ok(), deepest == "1", "{text}");
            }
        }
        for from in ["(", "LATERAL (", "f(("] {
            let text = format!("SELECT 1 FROM {}a b c d{}", from.repeat(60), ")".repeat(60));
            assert!(parse(&text, Placeholders::Dollar).is_err(), "{text}");
        }
        let elapsed = started.elapsed();
        assert!(elapsed < std::time::Duration::from_secs(20), "{elapsed:?}");
    }

    #[test]
    fn reserved_words_are_still_what_they_were() {
        for sql in [
            "SELECT NOT true, NOT (a OR b), a IS NOT NULL, a NOT IN (1), NOT EXISTS (SELECT 1)",
            "SELECT CASE WHEN a THEN 1 END, CASE a WHEN 1 THEN 2 ELSE 3 END, CAST(a AS integer), a::integer",
            "SELECT \"not\", \"case\", t.\"cast\" FROM t",
        ] {
            assert!(parse(sql, Placeholders::Dollar).is_ok(), "{sql}");
        }
    }

    #[test]
    fn deep_nesting_is_refused() {
        let deep = format!("SELECT {}1{}", "(".repeat(100_000), ")".repeat(100_000));
        assert_eq!(
            parse(&deep, Placeholders::Dollar).unwrap_err().state(),
            SqlState::StatementTooComplex
        );
        let long = format!("SELECT 1{}", " + 1".repeat(50_000));
        assert_eq!(
            parse(&long, Placeholders::Dollar).unwrap_err().state(),
            SqlState::StatementTooComplex
        );
        for prefix in ["- ", "NOT ", "NOT - ", "1 = NOT "] {
            for count in [1_100, 50_000] {
                let run = format!("SELECT {}1", prefix.repeat(count));
                assert_eq!(
                    parse(&run, Placeholders::Dollar).unwrap_err().state(),
                    SqlState::StatementTooComplex,
                    "{prefix}"
                );
            }
        }
    }

    #[test]
    fn chains_of_two_thousand_operators_are_taken() {
        for (first, next) in [
            ("1", " + 1"),
            ("'a'", " || 'b'"),
            ("true", " AND true"),
            ("x.a = 1", " OR x.a = 1"),
            ("x.a = 1", " OR NOT x.a <= -1"),
            ("1", "::int::int"),
        ] {
            let chain = |count: usize| parse(&format!("SELECT {first}{}", next.repeat(count)), Placeholders::Dollar);
            let fits = if next.starts_with("::") { 1_000 } else { 2_000 };
            chain(fits).unwrap();
            let error = chain(fits + 1).unwrap_err();
            assert_eq!(error.state(), SqlState::StatementTooComplex, "{next}");
        }
    }

    #[test]
    fn an_identifier_has_a_name() {
        assert_eq!(
            error("SELECT 1 AS \"\""),
            ("zero-length delimited identifier at or near \"\"\"\"".into(), Some(13))
        );
    }

    #[test]
    fn a_number_ends_before_a_word() {
        assert_eq!(
            error("SELECT 12abc"),
            ("trailing junk after numeric literal at or near \"12abc\"".into(), Some(8))
        );
        for sql in ["SELECT 12 abc", "SELECT 1e5", "SELECT 1.5 AS a1", "SELECT a1 FROM t2"] {
            parse(sql, Placeholders::Dollar).unwrap();
        }
    }

    #[test]
    fn strings_are_joined_across_lines_only() {
        assert_eq!(error("SELECT 'a' 'b'"), ("syntax error at or near \"'b'\"".into(), Some(12)));
        assert_eq!(error("SELECT 'a' /**/\n'b'"), ("syntax error at or near \"'b'\"".into(), Some(17)));
        assert_eq!(error("SELEC 'a' 'b'"), ("syntax error at or near \"SELEC\"".into(), Some(1)));
        for joined in ["SELECT 'a'\n'b'", "SELECT 'a' -- one\n  'b'"] {
            let statements = parse(joined, Placeholders::Dollar).unwrap();
            let Statement::Sql(statement) = &statements[0].kind else {
                panic!("a query");
            };
            assert_eq!(statement.to_string(), "SELECT 'ab'");
        }
    }
}
