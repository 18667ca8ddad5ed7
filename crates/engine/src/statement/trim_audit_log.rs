//! `ALTER SYSTEM TRIM AUDIT LOG BEFORE 'time'`: the oldest rows of the audit log go.

use std::sync::Arc;

use types::{Datum, Notice, Result, SqlError, SqlState, Type};

use super::complete;
use crate::audit_retention::By;
use crate::context::StatementContext;
use crate::session::{Outcome, Session, TransactionStatus};

pub const COMMAND: &str = "ALTER SYSTEM TRIM AUDIT LOG";

pub fn run(session: &Session, context: &Arc<StatementContext>, before: &str, alone: bool) -> Result<Outcome> {
    crate::system::refuse_in_function(context, "trim the audit log")?;
    if !context.catalog.is_superuser(context.actor.role) {
        return Err(
            SqlError::new(SqlState::InsufficientPrivilege, "permission denied to trim the audit log")
                .detail("Only superusers may remove rows of the audit log."),
        );
    }
    // What is removed does not come back with a ROLLBACK.
    if !alone || session.transaction_status() != TransactionStatus::Idle {
        return Err(SqlError::new(
            SqlState::ActiveSqlTransaction,
            format!("{COMMAND} cannot run inside a transaction block"),
        ));
    }
    let Datum::Timestamptz(before) = types::text::parse(Type::Timestamptz, types::NO_TYPMOD, before, &context.text_style)? else {
        return Err(SqlError::internal("a time is no time"));
    };
    let by = By {
        // SET SESSION AUTHORIZATION hides nobody here.
        user_name: session.identity().authenticated.name.clone(),
        session_id: context.session.session_id,
    };
    let untold = crate::alerts::first_untold(&context.db)?;
    let removed = context.db.audit.trim(before, untold, &by, &context.cancel)?;
    let first = context.db.audit.first_id();
    context.notice(Notice::notice(match removed {
        0 => "no row of the audit log is to be removed".to_string(),
        1 => format!("1 row of the audit log removed, it begins with row {first} now"),
        _ => format!("{removed} rows of the audit log removed, it begins with row {first} now"),
    }));
    Ok(complete("ALTER SYSTEM"))
}
