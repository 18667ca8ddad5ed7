//! `CALL`.

use std::sync::Arc;

use catalog::Function;
use query::Row;
use types::Result;

use super::complete;
use crate::call::{Calls, arguments};
use crate::context::StatementContext;
use crate::plan::Call;
use crate::session::{Outcome, Session};

/// `alone`: the statement is all of the client's message.
pub fn run(session: &mut Session, context: &Arc<StatementContext>, call: &Call, alone: bool) -> Result<Outcome> {
    // Functions among the arguments are no procedures: they have ended before the call begins.
    let args = arguments(call, context).inspect_err(|error| context.calls.fail(context, error))?;
    context.calls.finish(context)?;
    run_procedure(session, context, &call.procedure, args, alone)?;
    Ok(complete("CALL"))
}

/// Runs a procedure, or a body of DO: it may end the transaction where the statement stands alone and outside of BEGIN.
pub fn run_procedure(
    session: &mut Session,
    context: &Arc<StatementContext>,
    procedure: &Arc<Function>,
    args: Row,
    alone: bool,
) -> Result<()> {
    let lent = match alone {
        true => session.lend_transaction(),
        false => None,
    };
    let calls = match &lent {
        Some(lent) => Calls::controlling(lent.clone()),
        None => Calls::at(&context.calls),
    };
    let inside = Arc::new(context.with(context.actor.clone(), vec![], calls));
    let result = inside.calls.call_once(&inside, procedure, &args);
    let result = match result {
        Ok(()) => inside.calls.finish(&inside),
        Err(error) => {
            inside.calls.fail(&inside, &error);
            Err(error)
        }
    };
    if let Some(lent) = lent {
        session.take_back(&lent);
    }
    result
}
