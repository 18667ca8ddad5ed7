//! `parhelion run FILE`: a script through a session of its own, without a socket, printed as
//! `psql -f` would print it.
//!
//! The life of a run: the text is cut into items ([`split`]); each statement runs as a simple
//! query of its own; its notices, rows, tag or error are printed ([`table`]). The first error
//! ends the run, unless a comment `-- expect error SQLSTATE` announced it: such a script shows
//! refusals, and proves them, because an error that fails to appear ends the run as well.

pub mod split;
pub mod table;

use std::io::{self, Write};

use types::{Result, SqlError, SqlState};

use engine::{Outcome, ParsedStatement, Session};
use split::Item;
use table::Column;

#[derive(Clone, Copy, Debug, Default)]
pub struct RunOptions {
    /// Errors that nobody expected do not end the run; they still count.
    pub keep_going: bool,
}

/// What a script can set with `\set`, by psql's names.
struct Variables {
    /// ECHO = queries: statements are printed before their results.
    echo: bool,
    /// VERBOSITY = verbose: errors show their SQLSTATE.
    verbose: bool,
    /// ON_ERROR_STOP.
    stop: bool,
}

/// Runs a script to its end or its first error; returns how many errors were not expected.
pub fn run(session: &mut Session, source: &str, options: RunOptions, out: &mut dyn Write) -> io::Result<usize> {
    let mut variables = Variables {
        echo: false,
        verbose: false,
        stop: !options.keep_going,
    };
    let mut failures = 0;
    for item in split::items(source) {
        let failed = match item {
            Item::Command { text, line } => command(text, line, options, &mut variables, out)?,
            Item::Statement { text, line, expect } => statement(session, text, line, expect, &variables, out)?,
        };
        out.flush()?;
        failures += usize::from(failed);
        if failed && variables.stop {
            break;
        }
    }
    Ok(failures)
}

/// A backslash command; returns whether it failed.
fn command(text: &str, line: usize, options: RunOptions, variables: &mut Variables, out: &mut dyn Write) -> io::Result<bool> {
    let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim();
    let on = !matches!(rest.split_whitespace().nth(1), Some("off" | "0" | "false" | "none"));
    match (name, rest.split_whitespace().next()) {
        ("echo", _) => writeln!(out, "{}", unquoted(rest))?,
        ("set", Some("ECHO")) => variables.echo = on,
        ("set", Some("ON_ERROR_STOP")) => variables.stop = on && !options.keep_going,
        ("set", Some("VERBOSITY")) => variables.verbose = rest.ends_with("verbose"),
        _ => {
            writeln!(
                out,
                "line {line}: invalid command \\{name}\nHINT:  A script may use \\echo and \\set ECHO, VERBOSITY, ON_ERROR_STOP."
            )?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// psql drops the quotes around an argument.
fn unquoted(text: &str) -> String {
    match text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
        Some(inner) => inner.replace("''", "'"),
        None => text.to_string(),
    }
}

/// One statement; returns whether it ended otherwise than it should.
fn statement(
    session: &mut Session,
    text: &str,
    line: usize,
    expect: Option<&str>,
    variables: &Variables,
    out: &mut dyn Write,
) -> io::Result<bool> {
    if variables.echo {
        writeln!(out, "{text}")?;
    }
    let result = simple_query(session, text);
    for notice in session.take_notices() {
        out.write_all(table::notice(&notice, variables.verbose).as_bytes())?;
    }
    let state = match result {
        Ok(printed) => {
            out.write_all(printed.as_bytes())?;
            None
        }
        Err((printed, error)) => {
            out.write_all(printed.as_bytes())?;
            out.write_all(table::error(&error, text, variables.verbose).as_bytes())?;
            Some(error.state())
        }
    };
    match (expect, state) {
        (None, None) => Ok(false),
        (None, Some(_)) => {
            writeln!(out, "-- line {line}: this error was not expected")?;
            Ok(true)
        }
        (Some(expected), None) => {
            writeln!(out, "-- line {line}: expected error {expected}, but the statement succeeded")?;
            Ok(true)
        }
        (Some(expected), Some(state)) if SqlState::from_code(expected) == Some(state) => Ok(false),
        (Some(expected), Some(state)) => {
            writeln!(out, "-- line {line}: expected error {expected}, not {}", state.code())?;
            Ok(true)
        }
    }
}

/// Runs the text as one simple query. The error comes with what was printed before it.
fn simple_query(session: &mut Session, text: &str) -> Result<String, (String, SqlError)> {
    let mut printed = String::new();
    let result = session.parse(text).and_then(|statements| {
        let last = statements.len();
        for (at, statement) in statements.iter().enumerate() {
            let shown = outcome(session, statement)?;
            session.statement_done(Ok(()));
            if at + 1 == last {
                session.finish()?;
            }
            printed.push_str(&shown);
        }
        Ok(())
    });
    result.map(|()| std::mem::take(&mut printed)).map_err(|error| {
        // The statement's own error is the one to show.
        session.statement_done(Err(&error));
        let _ = session.finish();
        (printed, error)
    })
}

fn outcome(session: &mut Session, statement: &ParsedStatement) -> Result<String> {
    match session.run(statement)? {
        Outcome::Empty => Ok(String::new()),
        Outcome::Complete { tag } => Ok(format!("{tag}\n")),
        Outcome::Rows { columns, rows, tag } => {
            let text_io = session.text_io(columns.iter().map(|column| column.ty))?;
            let mut shown = vec![];
            for row in rows {
                let row = row?;
                let values = columns.iter().zip(&row).map(|(column, datum)| {
                    if datum.is_null() {
                        return Ok(None);
                    }
                    let mut text = String::new();
                    text_io.print_column(column, datum, &mut text)?;
                    Ok(Some(text))
                });
                shown.push(values.collect::<Result<Vec<_>>>()?);
            }
            let columns: Vec<Column> = columns
                .into_iter()
                .map(|column| Column {
                    name: column.name,
                    ty: column.ty,
                })
                .collect();
            let tag = tag.text(shown.len() as u64);
            let mut text = table::table(&columns, &shown);
            // The rows speak for themselves after SELECT and the like; INSERT ... RETURNING also tells what it did.
            if ["INSERT", "UPDATE", "DELETE", "MERGE"].iter().any(|verb| tag.starts_with(verb)) {
                text.push_str(&format!("{tag}\n"));
            }
            Ok(text)
        }
    }
}
