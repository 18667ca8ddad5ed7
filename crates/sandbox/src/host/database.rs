//! `heliosdb.query` and `heliosdb.execute`. Which tables a statement may touch is decided by the
//! backend, which parses it and asks the gate for each.

use types::{SqlError, SqlState};

use super::{Failure, State};
use crate::context::{ExecuteResult, QueryResult};
use crate::value::{Param, Reader, put_text, put_u32, put_value};

/// As many as PostgreSQL's protocol can carry.
const MAX_PARAMS: usize = 65_535;

pub fn query(state: &mut State, request: &mut Reader<'_>, answer: &mut Vec<u8>) -> Result<(), Failure> {
    let (sql, params) = statement(request, state)?;
    let result = run_query(state, sql, params)?;
    answer.push(0);
    put_rows(state, &result, answer)
}

pub fn execute(state: &mut State, request: &mut Reader<'_>, answer: &mut Vec<u8>) -> Result<(), Failure> {
    let (sql, params) = statement(request, state)?;
    let result = run_execute(state, sql, params)?;
    answer.push(0);
    answer.extend_from_slice(&result.rows_affected.to_le_bytes());
    answer.push(u8::from(result.rows.is_some()));
    match result.rows {
        Some(rows) => put_rows(state, &rows, answer),
        None => Ok(()),
    }
}

pub fn run_query(state: &State, sql: &str, params: Vec<Param<'_>>) -> Result<QueryResult, Failure> {
    check_count(params.len())?;
    Ok(state.rights()?.backend.query(sql, params)?)
}

pub fn run_execute(state: &State, sql: &str, params: Vec<Param<'_>>) -> Result<ExecuteResult, Failure> {
    check_count(params.len())?;
    Ok(state.rights()?.backend.execute(sql, params)?)
}

fn check_count(params: usize) -> Result<(), Failure> {
    if params <= MAX_PARAMS {
        return Ok(());
    }
    let message = format!("a statement takes at most {MAX_PARAMS} parameters");
    Err(SqlError::new(SqlState::TooManyArguments, message).into())
}

fn statement<'a>(request: &mut Reader<'a>, state: &State) -> Result<(&'a str, Vec<Param<'a>>), Failure> {
    let sql = request.text()?;
    let count = request.count()?;
    check_count(count)?;
    let params = (0..count)
        .map(|_| Param::read(request, &state.exchange))
        .collect::<Result<_, _>>()?;
    Ok((sql, params))
}

fn put_rows(state: &mut State, result: &QueryResult, answer: &mut Vec<u8>) -> Result<(), Failure> {
    put_count(answer, result.columns.len())?;
    for (name, _) in &result.columns {
        put_text(answer, name)?;
    }
    put_count(answer, result.rows.len())?;
    for row in &result.rows {
        if row.len() != result.columns.len() {
            return Err(SqlError::internal("a row is not as wide as its result").into());
        }
        for value in row {
            put_value(answer, value, &mut state.exchange)?;
        }
        // A result that cannot fit the guest must not fill the host either.
        if answer.len() as u64 > state.meter.limits.memory_bytes {
            state.meter.reserve(answer.len() as u64)?;
        }
    }
    Ok(())
}

fn put_count(answer: &mut Vec<u8>, count: usize) -> Result<(), Failure> {
    let count = u32::try_from(count).map_err(|_| SqlError::new(SqlState::ProgramLimitExceeded, "a result is too large for a function"))?;
    put_u32(answer, count);
    Ok(())
}
