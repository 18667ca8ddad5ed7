//! A trigger whose body comes in pieces.
//!
//! psql, and drivers that cut texts at semicolons, send `CREATE TRIGGER ... BEGIN SELECT a; SELECT b; END;` as three
//! statements. The life of such a trigger: its first piece is checked and kept with the session; each SELECT that
//! follows is added to its body, answered as if there had been no statement; END makes the whole of it one CREATE TRIGGER. Any other
//! statement, and any error, ends the waiting: there is no trigger then.

use std::sync::Arc;

use sqlparser::ast;
use types::{Notice, Result, SqlError, SqlState};

use crate::parse::{CreateTrigger, ParsedStatement, Statement, TriggerAction, Utility, check_trigger_body};
use crate::session::Session;

/// What a session keeps of it.
pub struct Unfinished {
    create: CreateTrigger,
}

/// What a statement is to an unfinished trigger.
pub enum Piece {
    /// There is none, or the statement is not about it.
    None,
    /// One more statement of its body.
    Kept,
    /// Its end: the whole.
    Last(ParsedStatement),
}

impl Session {
    /// Keeps the first piece.
    pub(crate) fn begin_trigger(&mut self, create: &CreateTrigger) {
        self.notice(Notice::notice(format!("the body of trigger \"{}\" goes on until END", create.name)));
        self.unfinished = Some(Unfinished { create: create.clone() });
    }

    /// Whether a statement would become part of an unfinished body rather than run.
    pub(crate) fn collects(&self, statement: &ParsedStatement) -> bool {
        self.unfinished.is_some() && is_query(statement)
    }

    pub(crate) fn collect(&mut self, statement: &ParsedStatement) -> Result<Piece> {
        let Some(mut unfinished) = self.unfinished.take() else {
            return Ok(Piece::None);
        };
        if is_end(statement) {
            if let TriggerAction::Body { statements, ended } = &mut unfinished.create.action {
                if statements.is_empty() {
                    return Err(unexpected(&unfinished.create, statement));
                }
                *ended = true;
            }
            return Ok(Piece::Last(ParsedStatement {
                kind: Statement::CreateTrigger(Arc::new(unfinished.create)),
                ..statement.clone()
            }));
        }
        if is_savepoint(statement) {
            // psql sets them by itself around each statement, where it is told to.
            self.unfinished = Some(unfinished);
            return Ok(Piece::None);
        }
        if is_discard(statement) {
            // A pool hands the connection to the next client.
            return Ok(Piece::None);
        }
        if !is_query(statement) {
            return Err(unexpected(&unfinished.create, statement));
        }
        if let TriggerAction::Body { statements, .. } = &mut unfinished.create.action {
            statements.push(statement.text.to_string());
            check_trigger_body(statements)?;
        }
        self.unfinished = Some(unfinished);
        Ok(Piece::Kept)
    }
}

fn is_query(statement: &ParsedStatement) -> bool {
    matches!(&statement.kind, Statement::Sql(sql) if matches!(**sql, ast::Statement::Query(_)))
}

/// END alone: COMMIT, which is the same to a transaction, ends no body.
fn is_end(statement: &ParsedStatement) -> bool {
    matches!(&statement.kind, Statement::Utility(utility) if matches!(**utility, Utility::Commit))
        && statement.text.eq_ignore_ascii_case("end")
}

fn is_savepoint(statement: &ParsedStatement) -> bool {
    matches!(&statement.kind, Statement::Utility(utility) if matches!(**utility, Utility::Savepoint(_) | Utility::Release(_)))
}

fn is_discard(statement: &ParsedStatement) -> bool {
    matches!(&statement.kind, Statement::Utility(utility) if matches!(**utility, Utility::DiscardAll))
}

fn unexpected(create: &CreateTrigger, statement: &ParsedStatement) -> SqlError {
    let word = statement.text.split_whitespace().next().unwrap_or_default();
    SqlError::new(SqlState::SyntaxError, format!("syntax error at or near \"{word}\""))
        .detail(format!(
            "The body of trigger \"{}\" had not ended; the trigger was not created.",
            create.name
        ))
        .hint("After BEGIN come SELECT statements, each with its semicolon, and then END.")
}
