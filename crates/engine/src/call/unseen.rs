//! Errors of statements that write a table which their function may not read.
//!
//! DATABASE_WRITE lets a function say which rows change, and to what, by expressions over their values; an error in such an
//! expression names the value that it stumbled over. So where the chain of functions may not read the table, the error's
//! SQLSTATE is told and its words are not. What an UPDATE's count of rows tells about its WHERE, it still tells.

use types::{SqlError, SqlState};

use super::nested;
use crate::context::StatementContext;
use crate::plan::{ConflictAction, Plan};

pub(super) fn without_values(error: SqlError, plan: &Plan, context: &StatementContext) -> SqlError {
    let looks_at_rows = match plan {
        Plan::Update(_) | Plan::Delete(_) => true,
        Plan::Insert(insert) => match &insert.on_conflict {
            Some(on_conflict) => matches!(on_conflict.action, ConflictAction::Update { .. }),
            None => false,
        },
        Plan::Query(_) | Plan::Call(_) | Plan::Utility(_) => false,
    };
    let target = nested::touched(plan).and_then(|(_, target)| target);
    match target {
        Some((table, _)) if looks_at_rows && !names_no_value(error.state()) && !context.calls.may_read(context, table) => SqlError::new(
            error.state(),
            format!(
                "a row of table {} that the function may not read made the statement fail",
                table.name
            ),
        ),
        Some(_) | None => error,
    }
}

/// Whether such an error is about the statement, its transaction or the server. Whatever is not here might quote a row.
fn names_no_value(state: SqlState) -> bool {
    let code = state.code();
    // Constraints by name, whose rows stand in the DETAIL; what functions threw; locks, limits, cancel requests, faults.
    let classes = ["08", "23", "25", "27", "38", "40", "53", "54", "55", "57", "58", "F0", "P0", "XX"];
    state == SqlState::InsufficientPrivilege || classes.iter().any(|class| code.starts_with(class))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_quote_a_value_is_not_told() {
        for state in [
            SqlState::InvalidTextRepresentation,
            SqlState::UndefinedTable,
            SqlState::UndefinedObject,
            SqlState::DivisionByZero,
            SqlState::FeatureNotSupported,
        ] {
            assert!(!names_no_value(state), "{}", state.code());
        }
        assert!(names_no_value(SqlState::UniqueViolation) && names_no_value(SqlState::InsufficientPrivilege));
    }
}
