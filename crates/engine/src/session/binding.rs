//! A statement becomes a plan.

use sqlparser::ast;
use types::{Result, SqlError, Type};

use crate::bind::{Binder, FunctionArguments, Names};
use crate::context::StatementContext;
use crate::parse::{ParsedStatement, Statement};
use crate::plan::{ColumnDesc, Plan, QueryPlan};
use crate::point;

/// Binds one statement; what is not a query or a write stays as it is written. Without `params`, it cannot have any.
pub(crate) fn bind(context: &StatementContext, statement: &ParsedStatement, params: Option<&[Option<Type>]>) -> Result<(Plan, Vec<Type>)> {
    bind_with(context, statement, params.unwrap_or_default(), params.is_some(), None)
}

/// As [`bind`], where the names of a function's arguments mean its parameters, and there are no others.
pub(crate) fn bind_in_function(
    context: &StatementContext,
    statement: &ParsedStatement,
    params: &[Option<Type>],
    arguments: &FunctionArguments,
) -> Result<(Plan, Vec<Type>)> {
    bind_with(context, statement, params, false, Some(arguments))
}

fn bind_with(
    context: &StatementContext,
    statement: &ParsedStatement,
    params: &[Option<Type>],
    more_params: bool,
    arguments: Option<&FunctionArguments>,
) -> Result<(Plan, Vec<Type>)> {
    crate::stack::check()?;
    let Statement::Sql(sql) = &statement.kind else {
        return Ok((Plan::Utility(statement.kind.clone()), vec![]));
    };
    let names = Names {
        snapshot: &context.catalog,
        search_path: &context.search_path,
    };
    let mut binder = Binder::new(names, context, statement.source.clone(), params);
    binder.function_arguments = arguments.cloned();
    if arguments.is_none() && context.calls.depth() == 0 {
        binder = binder.with_long_chains();
    }
    if more_params {
        binder = binder.with_more_params();
    }
    let mut plan = match &**sql {
        ast::Statement::Query(query) => match &*query.body {
            // WITH before a statement that writes: the parser takes both for a query.
            ast::SetExpr::Insert(write) | ast::SetExpr::Update(write) | ast::SetExpr::Delete(write) => {
                if let Some(with) = &query.with {
                    binder.with(with, None)?;
                }
                let mut plan = write_plan(&mut binder, write)?.ok_or_else(|| SqlError::unsupported("this statement after WITH"))?;
                binder.end_with(&mut plan)?;
                plan
            }
            ast::SetExpr::Select(_)
            | ast::SetExpr::Query(_)
            | ast::SetExpr::SetOperation { .. }
            | ast::SetExpr::Values(_)
            | ast::SetExpr::Merge(_)
            | ast::SetExpr::Table(_) => query_plan(&mut binder, query, false)?,
        },
        ast::Statement::Explain {
            statement: inner,
            analyze: false,
            ..
        } => match &**inner {
            ast::Statement::Query(query) => query_plan(&mut binder, query, true)?,
            _ => return Err(SqlError::unsupported("EXPLAIN of this statement")),
        },
        ast::Statement::Call(call) => Plan::Call(binder.call_procedure(call)?),
        other => match write_plan(&mut binder, other)? {
            Some(plan) => plan,
            None => return Ok((Plan::Utility(statement.kind.clone()), vec![])),
        },
    };
    match &mut plan {
        Plan::Query(query) => point::rewrite(&mut query.rel),
        Plan::Insert(insert) => point::rewrite(&mut insert.input),
        Plan::Update(update) => point::rewrite(&mut update.input),
        Plan::Delete(delete) => point::rewrite(&mut delete.input),
        Plan::Call(_) | Plan::Utility(_) => {}
    }
    Ok((plan, binder.param_types()))
}

/// None for what is no INSERT, UPDATE or DELETE.
fn write_plan(binder: &mut Binder<'_>, statement: &ast::Statement) -> Result<Option<Plan>> {
    Ok(Some(match statement {
        ast::Statement::Insert(insert) => Plan::Insert(binder.insert(insert)?),
        ast::Statement::Update(update) => Plan::Update(binder.update(update)?),
        ast::Statement::Delete(delete) => Plan::Delete(binder.delete(delete)?),
        _ => return Ok(None),
    }))
}

fn query_plan(binder: &mut Binder<'_>, query: &ast::Query, explain: bool) -> Result<Plan> {
    let bound = binder.query(query, None, false)?;
    let columns = match explain {
        true => vec![ColumnDesc::new("QUERY PLAN", Type::Text)],
        false => binder.describe(&bound.columns),
    };
    let touched = std::mem::take(&mut binder.touched);
    Ok(Plan::Query(QueryPlan::new(bound.rel, columns, touched, explain)))
}
