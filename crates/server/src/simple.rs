//! The simple query protocol: a string of statements, each with its answer in text, then
//! ReadyForQuery. The statements of one string are one transaction unless they say otherwise; an
//! error ends the string.

use types::{Result, SqlError};

use crate::connection::{Connection, End};
use crate::rows::{self, Format, Scratch};
use engine::{ColumnDesc, Outcome, ParsedStatement, RowIter, TransactionStatus};

impl Connection {
    pub fn simple_query(&mut self, sql: &str) -> Result<Result<()>, End> {
        // As in PostgreSQL, a simple query is the end of the unnamed statement and portal.
        self.forget_unnamed();
        if let Err(error) = self.run_string(sql)? {
            self.report(&error)?;
            if let Err(error) = self.session.finish() {
                tracing::warn!(sqlstate = error.state().code(), "{}", error.message());
            }
        }
        self.ready()?;
        Ok(Ok(()))
    }

    fn run_string(&mut self, sql: &str) -> Result<Result<()>, End> {
        let statements = match self.session.parse(sql) {
            Ok(statements) => statements,
            Err(error) => return Ok(Err(error)),
        };
        if statements.is_empty() {
            self.out.empty_query_response();
            return Ok(self.session.finish());
        }
        let last = statements.len() - 1;
        for (at, statement) in statements.iter().enumerate() {
            if let Err(error) = self.run_statement(statement, at == last)? {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }

    fn run_statement(&mut self, statement: &ParsedStatement, last: bool) -> Result<Result<()>, End> {
        let before = self.session.transaction_status();
        let tag = match self.session.run(statement) {
            Ok(Outcome::Rows { columns, mut rows, tag }) => {
                let formats = vec![Format::Text; columns.len()];
                self.out.row_description(&columns, &formats);
                match self.send_rows(&columns, &formats, &mut rows, 0)? {
                    Ok(sent) => Some(tag.text(sent.rows)),
                    Err(error) => return Ok(Err(error)),
                }
            }
            Ok(Outcome::Complete { tag }) => Some(tag),
            Ok(Outcome::Empty) => None,
            Err(error) => return Ok(Err(error)),
        };
        // The tag promises that the work is done: it follows the commit of the last statement.
        self.session.statement_done(Ok(()));
        if last && let Err(error) = self.session.finish() {
            return Ok(Err(error));
        }
        self.after_statement(before);
        self.report_notices();
        match tag {
            Some(tag) => self.out.command_complete(tag),
            None => self.out.empty_query_response(),
        }
        Ok(Ok(()))
    }

    /// Streams up to `max_rows` rows; 0 means all of them.
    pub fn send_rows(
        &mut self,
        columns: &[ColumnDesc],
        formats: &[Format],
        rows: &mut RowIter,
        max_rows: u32,
    ) -> Result<Result<Sent, SqlError>, End> {
        let text_io = match self.session.text_io(columns.iter().map(|column| column.ty)) {
            Ok(text_io) => text_io,
            Err(error) => return Ok(Err(error)),
        };
        let mut scratch = Scratch::default();
        let mut sent = 0;
        while max_rows == 0 || sent < u64::from(max_rows) {
            let row = match rows.next() {
                None => {
                    return Ok(Ok(Sent {
                        rows: sent,
                        finished: true,
                    }));
                }
                Some(Ok(row)) => row,
                Some(Err(error)) => return Ok(Err(error)),
            };
            if let Err(error) = rows::data_row(&mut self.out, &text_io, columns, formats, &row, &mut scratch) {
                return Ok(Err(error));
            }
            sent += 1;
            self.flush_if_full()?;
        }
        // Whether this was the last row shows at the next Execute, as in PostgreSQL.
        Ok(Ok(Sent {
            rows: sent,
            finished: false,
        }))
    }

    /// Portals end with their transaction: a COMMIT or ROLLBACK may have been this statement.
    pub fn after_statement(&mut self, before: TransactionStatus) {
        if before != TransactionStatus::Idle && self.session.transaction_status() == TransactionStatus::Idle {
            self.close_portals();
        }
    }
}

pub struct Sent {
    pub rows: u64,
    /// False if the row limit ended it.
    pub finished: bool,
}
