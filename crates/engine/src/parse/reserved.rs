//! The words that PostgreSQL 15 keeps for itself: a table or column may bear such a name in double quotes only, so that a schema
//! written here can be read there.

use sqlparser::ast::{self, Ident, ObjectName, ObjectNamePart};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

/// Names of nothing.
#[rustfmt::skip]
const RESERVED: &[&str] = &[
    "ALL", "ANALYSE", "ANALYZE", "AND", "ANY", "ARRAY", "AS", "ASC", "ASYMMETRIC",
    "BOTH", "CASE", "CAST", "CHECK", "COLLATE", "COLUMN", "CONSTRAINT", "CREATE", "CURRENT_CATALOG",
    "CURRENT_DATE", "CURRENT_ROLE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "CURRENT_USER", "DEFAULT", "DEFERRABLE", "DESC", "DISTINCT",
    "DO", "ELSE", "END", "EXCEPT", "FALSE", "FETCH", "FOR", "FOREIGN", "FROM",
    "GRANT", "GROUP", "HAVING", "IN", "INITIALLY", "INTERSECT", "INTO", "LATERAL", "LEADING",
    "LIMIT", "LOCALTIME", "LOCALTIMESTAMP", "NOT", "NULL", "OFFSET", "ON", "ONLY", "OR",
    "ORDER", "PLACING", "PRIMARY", "REFERENCES", "RETURNING", "SELECT", "SESSION_USER", "SOME", "SYMMETRIC",
    "TABLE", "THEN", "TO", "TRAILING", "TRUE", "UNION", "UNIQUE", "USER", "USING",
    "VARIADIC", "WHEN", "WHERE", "WINDOW", "WITH",
];

/// Names of functions and types only.
#[rustfmt::skip]
const FUNCTIONS_OR_TYPES: &[&str] = &[
    "AUTHORIZATION", "BINARY", "COLLATION", "CONCURRENTLY", "CROSS", "CURRENT_SCHEMA", "FREEZE", "FULL", "ILIKE",
    "INNER", "IS", "ISNULL", "JOIN", "LEFT", "LIKE", "NATURAL", "NOTNULL", "OUTER",
    "OVERLAPS", "RIGHT", "SIMILAR", "TABLESAMPLE", "VERBOSE",
];

/// Reserved words that are expressions, or begin one.
#[rustfmt::skip]
const EXPRESSIONS: &[&str] = &[
    "ARRAY", "CASE", "CAST", "CURRENT_CATALOG", "CURRENT_DATE", "CURRENT_ROLE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "CURRENT_USER",
    "DEFAULT", "FALSE", "LOCALTIME", "LOCALTIMESTAMP", "NOT", "NULL", "SESSION_USER", "TRUE", "USER", "VARIADIC",
];

fn is_one_of(word: &str, list: &[&str]) -> bool {
    list.iter().any(|one| one.eq_ignore_ascii_case(word))
}

/// Whether an unquoted word may name a table, a column or an alias.
fn may_be_a_name(word: &str) -> bool {
    !is_one_of(word, RESERVED) && !is_one_of(word, FUNCTIONS_OR_TYPES)
}

/// Whether the next token is a word that no expression begins with.
pub(super) fn begins_no_expression(parser: &Parser<'_>) -> bool {
    match &parser.peek_token_ref().token {
        Token::Word(word) if word.quote_style.is_none() => is_one_of(&word.value, RESERVED) && !is_one_of(&word.value, EXPRESSIONS),
        _ => false,
    }
}

/// Refuses reserved words as the names of what a statement defines.
pub(super) fn check(statement: &ast::Statement) -> Result<(), ParserError> {
    match statement {
        ast::Statement::CreateTable(create) => {
            first_part(&create.name)?;
            create.columns.iter().try_for_each(|column| name(&column.name))?;
        }
        ast::Statement::CreateView(view) => {
            first_part(&view.name)?;
            view.columns.iter().try_for_each(|column| name(&column.name))?;
        }
        _ => {}
    }
    Ok(())
}

/// What follows a dot may be any word.
fn first_part(object: &ObjectName) -> Result<(), ParserError> {
    match object.0.first() {
        Some(ObjectNamePart::Identifier(ident)) => name(ident),
        _ => Ok(()),
    }
}

fn name(ident: &Ident) -> Result<(), ParserError> {
    match ident.quote_style.is_some() || may_be_a_name(&ident.value) {
        true => Ok(()),
        false => Err(refusal(ident)),
    }
}

/// In the words of the parser's own errors, which hold the place.
fn refusal(ident: &Ident) -> ParserError {
    let start = ident.span.start;
    ParserError::ParserError(format!(
        "Expected: a name, found: {} at Line: {}, Column: {}",
        ident.value, start.line, start.column
    ))
}
