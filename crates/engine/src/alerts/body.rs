//! The body of a trigger on the audit log: SELECT statements in which NEW is the log's row.

use std::sync::Arc;

use catalog::Table;
use query::ir::{Expr, JoinKind, Rel};
use sqlparser::ast;
use types::{Datum, Result, SqlError, SqlState};

use crate::bind::{Binder, Names, Scope};
use crate::context::StatementContext;
use crate::parse::{Placeholders, Statement};
use crate::plan::{Plan, QueryPlan};

/// Binds one statement. NEW is a relation of one row beside it, as a LATERAL query sees it; None: a row of NULLs.
pub fn bind(context: &StatementContext, log: &Arc<Table>, text: &str, row: Option<&[Datum]>) -> Result<Plan> {
    let mut parsed = crate::parse::parse(text, Placeholders::Dollar)?;
    let (Some(statement), true) = (parsed.pop(), parsed.is_empty()) else {
        return Err(only_select());
    };
    let Statement::Sql(sql) = &statement.kind else {
        return Err(only_select());
    };
    let ast::Statement::Query(query) = &**sql else {
        return Err(only_select());
    };
    let names = Names {
        snapshot: &context.catalog,
        search_path: &context.search_path,
    };
    let mut binder = Binder::new(names, context, statement.source.clone(), &[]);
    let new = binder.row_of(log, "new");
    let columns: Vec<_> = new.columns.iter().map(|column| (column.id, column.ty)).collect();
    let values = columns
        .iter()
        .enumerate()
        .map(|(at, (_, ty))| Expr::Const(row.and_then(|row| row.get(at)).cloned().unwrap_or_default(), *ty))
        .collect();
    let scope = Scope {
        tables: vec![new],
        parent: None,
    };
    // Its place in the text is none in what the client sent.
    let bound = binder.query(query, Some(&scope), false).map_err(SqlError::without_position)?;
    let rel = Rel::Join {
        kind: JoinKind::Inner,
        left: Box::new(Rel::Values {
            columns,
            rows: vec![values],
        }),
        right: Box::new(bound.rel),
        on: None,
        lateral: true,
    };
    Ok(Plan::Query(QueryPlan::new(rel, vec![], std::mem::take(&mut binder.touched), false)))
}

fn only_select() -> SqlError {
    SqlError::new(
        SqlState::FeatureNotSupported,
        "the body of a trigger on heliosdb.audit_log holds SELECT statements only",
    )
}
