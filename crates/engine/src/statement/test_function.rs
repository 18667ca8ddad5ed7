//! `TEST FUNCTION`: a call that leaves nothing behind but its audit rows.
//!
//! The life of a test: the value that is expected is worked out; the call runs like `SELECT f(...)`, under a mark that the
//! transaction returns to whatever comes of it, so that rows, the function's storage and what it defined are as before; the
//! audit rows that the call has written meanwhile say what was refused and what it used. What no ROLLBACK undoes (a file, a request
//! over HTTP, a count of refused system calls) is gated as in any call, and stays.

use std::sync::Arc;

use audit::EventType;
use catalog::{Function, Returns};
use policy::Capability;
use query::{Host, Row};
use sqlparser::ast;
use types::{Datum, Result, SqlError, SqlState, Type};

use crate::call::Calls;
use crate::context::StatementContext;
use crate::parse::{Expectation, Placeholders, TestFunction, object_name};
use crate::plan::{ColumnDesc, Plan, QueryPlan};
use crate::session::{self, Outcome, ROW_BYTES_LIMIT, RowTag};
use crate::text_io::TextIo;

/// Refused capabilities that a row lists.
const MAX_LISTED: usize = 20;

pub fn columns() -> Vec<ColumnDesc> {
    [
        ("function", Type::Text),
        ("verdict", Type::Text),
        ("result", Type::Text),
        ("error", Type::Text),
        ("sqlstate", Type::Text),
        ("denied", Type::Text),
        ("fuel_used", Type::Int8),
        ("memory_bytes", Type::Int8),
        ("duration_us", Type::Int8),
    ]
    .into_iter()
    .map(|(name, ty)| ColumnDesc::new(name, ty))
    .collect()
}

/// What is expected, worked out before the call.
enum Expected {
    Nothing,
    Denied(Capability),
    Value(Datum),
}

pub fn run(context: &Arc<StatementContext>, test: &TestFunction) -> Result<Outcome> {
    let (query, function) = bind_call(context, &test.call)?;
    let ty = result_type(&function);
    let mark = context.mark()?;
    let signals = context.session.signals.lock().len();
    let settings = context.session.settings.lock().clone();
    let tested = expected(context, &function, ty, test.expect.as_ref()).map(|expected| {
        let seen_before = context.db.audit.newest_id();
        let result = call(context, &query, &function);
        (expected, seen_before, result)
    });
    // Whatever came of it.
    context.abandon_to(mark)?;
    context.session.signals.lock().truncate(signals);
    *context.session.settings.lock() = settings;
    let (expected, seen_before, result) = tested?;
    if let Err(error) = &result {
        propagate(context, error)?;
    }
    let seen = look_at_log(context, &function, seen_before + 1)?;
    let verdict = judge(context, &function, ty, &expected, &result, &seen)?;
    let (value, error) = match &result {
        Ok(value) => (print(context, ty, value)?, None),
        Err(error) => (Datum::Null, Some(error)),
    };
    let denied: Vec<String> = seen.denied.iter().take(MAX_LISTED).map(Capability::to_string).collect();
    let text = |text: Option<String>| text.map_or(Datum::Null, Datum::Text);
    let number = |number: Option<i64>| number.map_or(Datum::Null, Datum::Int8);
    let row = vec![
        Datum::Text(function.signature()),
        Datum::text(verdict),
        value,
        text(error.map(|error| error.message().to_string())),
        text(error.map(|error| error.state().code().to_string())),
        text((!denied.is_empty()).then(|| denied.join(", "))),
        number(seen.fuel_used),
        number(seen.memory_bytes),
        number(seen.duration_us),
    ];
    Ok(Outcome::Rows {
        columns: columns(),
        rows: Box::new(std::iter::once(Ok(row))),
        tag: RowTag::Fixed("TEST FUNCTION"),
    })
}

/// `SELECT f(...)`, and f.
fn bind_call(context: &Arc<StatementContext>, call: &str) -> Result<(QueryPlan, Arc<Function>)> {
    let query = bind_one(context, call)?;
    let name = called_name(call)?;
    // Functions among its arguments are bound before it.
    let function = query.touched.calls.last().filter(|function| function.name == name).cloned();
    let function = function.ok_or_else(|| {
        SqlError::new(
            SqlState::WrongObjectType,
            format!("TEST FUNCTION tests functions that users have created, and {name} is built in"),
        )
    })?;
    Ok((query, function))
}

/// The plan of `SELECT expression`, which the caller may run.
fn bind_one(context: &Arc<StatementContext>, expression: &str) -> Result<QueryPlan> {
    let statement = crate::parse::parse(&format!("SELECT {expression}"), Placeholders::Dollar)?.pop();
    let statement = statement.ok_or_else(|| SqlError::internal("a SELECT is a statement"))?;
    let (plan, _) = session::bind(context, &statement, None).map_err(SqlError::without_position)?;
    session::admit(&plan, context)?;
    match plan {
        Plan::Query(query) => Ok(query),
        Plan::Insert(_) | Plan::Update(_) | Plan::Delete(_) | Plan::Call(_) | Plan::Utility(_) => {
            Err(SqlError::internal("a SELECT is a query"))
        }
    }
}

fn called_name(call: &str) -> Result<String> {
    match crate::parse::parse_expression(call)? {
        ast::Expr::Function(function) => Ok(object_name(&function.name)?.1),
        _ => Err(SqlError::internal("the parser has seen a call")),
    }
}

/// The type that the result is compared as: of a set an array.
fn result_type(function: &Function) -> Type {
    let ty = function.returns.ty();
    match &function.returns {
        Returns::SetOf(_) | Returns::Table(_) => ty.array_of().unwrap_or(Type::Record),
        Returns::Scalar(_) | Returns::Trigger | Returns::Void => ty,
    }
}

fn expected(context: &Arc<StatementContext>, function: &Function, ty: Type, expect: Option<&Expectation>) -> Result<Expected> {
    match expect {
        None => Ok(Expected::Nothing),
        Some(Expectation::Denied(capability)) => Ok(Expected::Denied(Capability::parse(capability)?)),
        Some(Expectation::Value(_)) if matches!(ty, Type::Record | Type::Void) || function.returns.ty() == Type::Record => Err(
            SqlError::unsupported(format!("EXPECT of a value of a function that returns {}", function.returns.ty())),
        ),
        Some(Expectation::Value(text)) => {
            let query = bind_one(context, &format!("CAST(({text}) AS {ty})"))?;
            let mut rows = collect(context, &query)?;
            match (rows.pop().and_then(|mut row| row.pop()), rows.is_empty()) {
                (Some(value), true) => Ok(Expected::Value(value)),
                _ => Err(SqlError::new(SqlState::CardinalityViolation, "EXPECT takes one value")),
            }
        }
    }
}

/// The result: of a set the array of its values, or of its rows.
fn call(context: &Arc<StatementContext>, query: &QueryPlan, function: &Function) -> Result<Datum> {
    let rows = collect(context, query)?;
    let mut values = rows.into_iter().filter_map(|mut row| row.pop());
    if !function.returns.is_set() {
        return Ok(values.next().unwrap_or(Datum::Null));
    }
    let values: Vec<Datum> = values.collect();
    let length =
        i32::try_from(values.len()).map_err(|_| SqlError::new(SqlState::ProgramLimitExceeded, "the set is too large for a test"))?;
    Ok(Datum::Array(Box::new(types::Array {
        element: function.returns.ty(),
        dims: if length == 0 { vec![] } else { vec![(length, 1)] },
        values,
    })))
}

/// All rows of a query, in sandboxes of its own.
fn collect(context: &Arc<StatementContext>, query: &QueryPlan) -> Result<Vec<Row>> {
    let inside = Arc::new(context.with(context.actor.clone(), vec![], Calls::at(&context.calls)));
    let host: Arc<dyn Host> = inside.clone();
    let rows = query.execute(&host).and_then(|rows| {
        let mut bytes = 0usize;
        rows.map(|row| {
            let row = row?;
            bytes = bytes.saturating_add(row.iter().map(query::datum_bytes).sum());
            if bytes > ROW_BYTES_LIMIT {
                return Err(SqlError::new(
                    SqlState::ProgramLimitExceeded,
                    format!("the result of a tested function exceeds {ROW_BYTES_LIMIT} bytes"),
                ));
            }
            Ok(row)
        })
        .collect::<Result<Vec<Row>>>()
    });
    match rows {
        Ok(rows) => {
            inside.calls.finish(&inside)?;
            Ok(rows)
        }
        Err(error) => {
            inside.calls.fail(&inside, &error);
            Err(error)
        }
    }
}

/// An error that is the session's and no outcome of the call: it was cancelled, or its transaction cannot go on.
fn propagate(context: &StatementContext, error: &SqlError) -> Result<()> {
    context.cancel.check()?;
    match error.state() {
        SqlState::TRSerializationFailure | SqlState::TRDeadlockDetected | SqlState::InternalError => Err(error.clone()),
        _ => Ok(()),
    }
}

/// What the call's audit rows say.
#[derive(Default)]
struct Seen {
    denied: Vec<Capability>,
    fuel_used: Option<i64>,
    memory_bytes: Option<i64>,
    duration_us: Option<i64>,
}

fn look_at_log(context: &StatementContext, function: &Function, first: u64) -> Result<Seen> {
    let mut seen = Seen::default();
    context.db.audit.each_from(first, &context.cancel, |row| {
        if row.session_id != Some(context.session.session_id) {
            return Ok(());
        }
        let event = row.to_event()?;
        match event.event_type {
            EventType::CapabilityCheck if event.allowed == Some(false) => {
                for capability in crate::observed::refused(&event) {
                    if !seen.denied.contains(&capability) && seen.denied.len() < 1_000 {
                        seen.denied.push(capability);
                    }
                }
            }
            EventType::ExecutionCompleted | EventType::ExecutionFailed
                if event.parent_call_id.is_none() && event.function_name.as_deref() == Some(function.name.as_str()) =>
            {
                seen.fuel_used = event.fuel_used;
                seen.memory_bytes = event.memory_bytes;
                seen.duration_us = event.duration_us;
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(seen)
}

/// The verdict; P0004 where the expectation is not met.
fn judge(
    context: &Arc<StatementContext>,
    function: &Function,
    ty: Type,
    expected: &Expected,
    result: &Result<Datum>,
    seen: &Seen,
) -> Result<&'static str> {
    let failed = |message: String| {
        let got = match result {
            Ok(value) => match print(context, ty, value)? {
                Datum::Text(text) => format!("It returned {}.", clipped(&text)),
                _ => "It returned NULL.".to_string(),
            },
            Err(error) => format!("It failed with {}: {}", error.state().code(), error.message()),
        };
        Err(SqlError::new(SqlState::AssertFailure, message).detail(got))
    };
    match expected {
        Expected::Nothing => Ok(if result.is_ok() { "ok" } else { "failed" }),
        Expected::Denied(capability) if seen.denied.iter().any(|denied| denied.overlaps(capability)) => Ok("ok"),
        Expected::Denied(capability) => failed(format!("function {} was not refused capability {capability}", function.name)),
        Expected::Value(wanted) => match result {
            Ok(value) if value.is_null() == wanted.is_null() && types::compare::compare(value, wanted).is_eq() => Ok("ok"),
            Ok(_) | Err(_) => {
                let wanted = match print(context, ty, wanted)? {
                    Datum::Text(text) => clipped(&text),
                    _ => "NULL".to_string(),
                };
                failed(format!("function {} did not return the expected value {wanted}", function.name))
            }
        },
    }
}

/// A value as a client would see it; NULL stays NULL.
fn print(context: &Arc<StatementContext>, ty: Type, value: &Datum) -> Result<Datum> {
    if value.is_null() {
        return Ok(Datum::Null);
    }
    let io = TextIo::Catalog(context.clone());
    let mut text = String::new();
    match (ty, value) {
        // Rows of several columns: one a line.
        (Type::Record, Datum::Array(rows)) => {
            for (index, row) in rows.values.iter().enumerate() {
                if index > 0 {
                    text.push('\n');
                }
                io.print(Type::Record, row, &mut text)?;
            }
        }
        (ty, value) => io.print(ty, value, &mut text)?,
    }
    Ok(Datum::Text(text))
}

fn clipped(text: &str) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_string(),
    }
}
