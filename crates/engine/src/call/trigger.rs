//! Calls of trigger functions.

use std::sync::Arc;

use catalog::Function;
use sandbox::{TriggerCall, TriggerRow};
use types::{Datum, Result, SqlError};

use super::Calls;
use crate::context::StatementContext;

impl Calls {
    /// Calls a trigger function for one row, or for a statement: then there is neither NEW nor OLD.
    pub fn call_trigger(
        &self,
        context: &StatementContext,
        function: &Arc<Function>,
        call: &TriggerCall,
        new: Option<&[Datum]>,
        old: Option<&[Datum]>,
    ) -> Result<TriggerRow> {
        let running = self.running(context, function)?;
        let mut running = running.lock();
        let Some(instance) = running.instance.as_mut() else {
            return Err(SqlError::internal("a function that failed is not called again in its statement"));
        };
        match instance.call_trigger(call, new, old) {
            Ok(row) => Ok(row),
            Err(error) => {
                running.failed(&error, &context.session)?;
                Err(error.into())
            }
        }
    }
}
