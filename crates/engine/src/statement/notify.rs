//! `LISTEN`, `UNLISTEN`, `NOTIFY`: done when the transaction commits.

use types::Result;

use super::complete;
use crate::context::StatementContext;
use crate::notify::{Signal, leave};
use crate::session::Outcome;

pub fn listen(context: &StatementContext, channel: &str) -> Result<Outcome> {
    crate::alerts::refuse_to_listen(context, channel)?;
    leave(&context.session.signals, Signal::Listen(channel.to_string()))?;
    Ok(complete("LISTEN"))
}

pub fn unlisten(context: &StatementContext, channel: Option<&str>) -> Result<Outcome> {
    leave(
        &context.session.signals,
        match channel {
            Some(channel) => Signal::Unlisten(channel.to_string()),
            None => Signal::UnlistenAll,
        },
    )?;
    Ok(complete("UNLISTEN"))
}

pub fn notify(context: &StatementContext, channel: &str, payload: &str) -> Result<Outcome> {
    crate::alerts::refuse_to_speak(channel)?;
    leave(&context.session.signals, Signal::notify(channel, payload)?)?;
    Ok(complete("NOTIFY"))
}
