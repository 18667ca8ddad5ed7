//! What a statement answers: rows that come as they are asked for, and what calls left to record when they end.

use std::sync::Arc;

use query::{Host, RowIter};
use types::{Datum, Result};

use super::{Outcome, RowTag};
use crate::context::StatementContext;
use crate::plan::{ColumnDesc, QueryPlan};
use crate::write::Written;

pub(super) fn run_query(plan: &QueryPlan, context: &Arc<StatementContext>) -> Result<Outcome> {
    let host: Arc<dyn Host> = context.clone();
    if plan.explain {
        let lines = query::explain(&plan.rel, &host)?;
        let rows: RowIter = Box::new(lines.into_iter().map(|line| Ok(vec![Datum::Text(line)])));
        return Ok(Outcome::Rows {
            columns: plan.columns.clone(),
            rows,
            tag: RowTag::Fixed("EXPLAIN"),
        });
    }
    let rows = plan.execute(&host).inspect_err(|error| context.calls.fail(context, error))?;
    let rows: RowIter = match plan.touched.calls.is_empty() {
        true => rows,
        false => Box::new(AuditedRows::new(rows, context.clone())),
    };
    Ok(Outcome::Rows {
        columns: plan.columns.clone(),
        rows,
        tag: RowTag::Counted("SELECT"),
    })
}

/// Rows of a statement that called functions: at their end the calls are recorded, durably.
pub(crate) struct AuditedRows {
    rows: RowIter,
    context: Arc<StatementContext>,
    ended: bool,
}

impl AuditedRows {
    pub(crate) fn new(rows: RowIter, context: Arc<StatementContext>) -> AuditedRows {
        AuditedRows {
            rows,
            context,
            ended: false,
        }
    }
}

impl Iterator for AuditedRows {
    type Item = Result<query::Row>;

    fn next(&mut self) -> Option<Result<query::Row>> {
        if self.ended {
            return None;
        }
        match self.rows.next() {
            Some(Ok(row)) => Some(Ok(row)),
            Some(Err(error)) => {
                self.ended = true;
                self.context.calls.fail(&self.context, &error);
                Some(Err(error))
            }
            None => {
                self.ended = true;
                self.context.calls.finish(&self.context).err().map(Err)
            }
        }
    }
}

impl Drop for AuditedRows {
    fn drop(&mut self) {
        if !self.ended {
            // The client did not want the rest: what ran, ran.
            if let Err(error) = self.context.calls.finish(&self.context) {
                tracing::error!(%error, "the end of a call could not be recorded");
            }
        }
    }
}

pub(crate) fn written_outcome(written: Written, tag: &'static str, columns: Option<&[ColumnDesc]>) -> Outcome {
    match columns {
        None => Outcome::Complete {
            tag: format!("{tag} {}", written.rows),
        },
        Some(columns) => Outcome::Rows {
            columns: columns.to_vec(),
            rows: Box::new(written.returned.into_iter().map(Ok)),
            tag: RowTag::Counted(tag),
        },
    }
}
