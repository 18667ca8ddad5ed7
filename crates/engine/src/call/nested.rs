//! A statement that a function runs: what it asks of the gates, and its run to the end.

use std::sync::Arc;

use policy::{CallFunction, Gate, ObjectName, Permit, ReadTable, WriteAction, WriteTable};
use query::{Host, Row};
use types::{Datum, Result, SqlError, SqlState};

use crate::authorize;
use crate::bind::{Names, Touched};
use crate::context::StatementContext;
use crate::plan::{Call, Plan, QueryPlan};
use crate::search_path;
use crate::session::{self, ROW_BYTES_LIMIT};
use crate::write::{self, Stop, Written};

/// The table that a plan writes, and how.
type Target<'a> = (&'a Arc<catalog::Table>, WriteAction);

/// What a plan touches, and the table that it writes. None for what is neither a query nor a write.
pub(super) fn touched(plan: &Plan) -> Option<(&Touched, Option<Target<'_>>)> {
    match plan {
        Plan::Query(query) => Some((&query.touched, None)),
        Plan::Insert(insert) => Some((&insert.touched, Some((&insert.table, WriteAction::Insert)))),
        Plan::Update(update) => Some((&update.touched, Some((&update.table, WriteAction::Update)))),
        Plan::Delete(delete) => Some((&delete.touched, Some((&delete.table, WriteAction::Delete)))),
        Plan::Call(call) => Some((&call.touched, None)),
        Plan::Utility(_) => None,
    }
}

/// Every function of the chain allows every table and function of a plan.
pub(super) struct Permits {
    _reads: Vec<Permit<ReadTable>>,
    _write: Option<Permit<WriteTable>>,
    _calls: Vec<Permit<CallFunction>>,
}

/// Puts every table and function of a plan to the gate.
pub(super) fn permits(gate: &Gate, touched: &Touched, target: Option<Target<'_>>, context: &StatementContext) -> Result<Permits> {
    let mut reads = vec![];
    let mut seen = vec![];
    for read in &touched.reads {
        if !seen.contains(&(read.oid, read.role)) {
            seen.push((read.oid, read.role));
            reads.push(gate.check(ReadTable(object_name(read, context).as_role(read.role)))?);
        }
    }
    let write = match target {
        None => None,
        Some((table, action)) => Some(gate.check(WriteTable {
            table: object_name(table, context),
            action,
        })?),
    };
    let mut calls = vec![];
    for function in &touched.calls {
        let visible = search_path::finds_function(names(context), &function.schema, &function.name);
        calls.push(gate.check(CallFunction(ObjectName::new(&*function.schema, &*function.name, visible)))?);
        // A capability for the aggregate is none for the functions that its owner has made it of.
        for part in authorize::parts(&context.catalog, function) {
            let visible = search_path::finds_function(names(context), &part.schema, &part.name);
            let name = ObjectName::new(&*part.schema, &*part.name, visible).as_role(Some(function.owner));
            calls.push(gate.check(CallFunction(name))?);
        }
    }
    Ok(Permits {
        _reads: reads,
        _write: write,
        _calls: calls,
    })
}

/// The functions of what is stored with a table, a CHECK or a trigger's WHEN: whoever writes must be allowed to call them, and each
/// function that the writing statement stands in must be too, as with those of a DEFAULT, which the statement calls itself.
pub fn may_call_stored(touched: &Touched, context: &StatementContext) -> Result<()> {
    authorize::calls(&touched.calls, context)?;
    if let Some(gate) = context.calls.gate() {
        permits(&gate, touched, None, context)?;
    }
    Ok(())
}

pub(super) fn object_name(table: &catalog::Table, context: &StatementContext) -> ObjectName {
    let visible = search_path::finds_table(names(context), &table.schema, &table.name);
    ObjectName::new(&*table.schema, &*table.name, visible)
}

fn names(context: &StatementContext) -> Names<'_> {
    Names {
        snapshot: &context.catalog,
        search_path: &context.search_path,
    }
}

/// Runs a plan that is allowed, to its end: over again while others change its rows under it (READ COMMITTED),
/// in a context that `again` makes.
pub(super) fn carry_out(
    plan: &Plan,
    mut context: Arc<StatementContext>,
    again: impl Fn(Vec<Datum>) -> Result<Arc<StatementContext>>,
) -> Result<Written> {
    let mark = match only_reads(plan) {
        true => None,
        false => Some(context.mark()?),
    };
    loop {
        let result = match plan {
            Plan::Query(query) => collect(query, &context),
            Plan::Insert(insert) => write::insert(insert, &context),
            Plan::Update(update) => session::lock_point(&update.input, &context).and_then(|()| write::update(update, &context)),
            Plan::Delete(delete) => session::lock_point(&delete.input, &context).and_then(|()| write::delete(delete, &context)),
            Plan::Call(call) => run_procedure(call, &context).map_err(Stop::from),
            Plan::Utility(_) => Err(SqlError::internal("a utility statement is not a plan").into()),
        };
        match result {
            Ok(written) => {
                context.calls.finish(&context)?;
                return Ok(written);
            }
            Err(Stop::Error(error)) => {
                context.calls.fail(&context, &error);
                return Err(error);
            }
            Err(Stop::Restart) => {
                context.cancel.check()?;
                context.calls.finish(&context)?;
                if let Some(mark) = mark {
                    context.undo_to(mark)?;
                }
                context.txn.refresh_snapshot()?;
                context = again(context.params.clone())?;
            }
        }
    }
}

/// Whether nothing that it does has to be undone: it writes nothing and calls nobody who might.
pub(super) fn only_reads(plan: &Plan) -> bool {
    match plan {
        Plan::Query(query) => query.touched.calls.is_empty(),
        Plan::Insert(_) | Plan::Update(_) | Plan::Delete(_) | Plan::Call(_) | Plan::Utility(_) => false,
    }
}

/// A CALL inside of a function: the transaction is not the procedure's to end.
fn run_procedure(call: &Call, context: &Arc<StatementContext>) -> Result<Written> {
    let args = arguments(call, context)?;
    context.calls.call_once(context, &call.procedure, &args)?;
    Ok(Written::default())
}

/// The values of a CALL's arguments.
pub fn arguments(call: &Call, context: &Arc<StatementContext>) -> Result<Row> {
    let host: Arc<dyn Host> = context.clone();
    call.args.iter().map(|arg| query::eval(arg, &[], &[], &host)).collect()
}

/// All rows of a query, for a function: bounded, since a guest's own limit only counts what reaches it.
fn collect(query: &QueryPlan, context: &Arc<StatementContext>) -> Result<Written, Stop> {
    if query.explain {
        return Err(SqlError::unsupported("EXPLAIN inside a function").into());
    }
    let host: Arc<dyn Host> = context.clone();
    let mut written = Written::default();
    let mut bytes = 0usize;
    for row in query.execute(&host)? {
        let row = row?;
        bytes = bytes.saturating_add(row.iter().map(query::datum_bytes).sum());
        if bytes > ROW_BYTES_LIMIT {
            return Err(SqlError::new(
                SqlState::ProgramLimitExceeded,
                format!("the result of a function's query exceeds {ROW_BYTES_LIMIT} bytes"),
            )
            .hint("Fetch fewer rows at a time with LIMIT.")
            .into());
        }
        written.returned.push(row);
    }
    written.rows = written.returned.len() as u64;
    Ok(written)
}
