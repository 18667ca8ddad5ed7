//! Sandboxes that wait for a client.
//!
//! A portal that has handed out some of its rows keeps the sandboxes of its functions until the client asks for more, which it need
//! not do. The deadline of a call is asked while its guest runs; who watches the sessions asks here for those that do not.

use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::Mutex;
use types::{Result, SqlError, SqlState};

use super::Running;
use crate::context::SessionShared;

/// Sandboxes that one session may have at a time, those below them not counted: a portal is made with a few bytes.
const MAX_OPEN_CALLS: usize = 128;
/// From so many on, those that have ended are forgotten before another one begins.
const SWEEP_FROM: usize = 16;

/// The sandboxes of a session's statements, and when their time is over.
#[derive(Default)]
pub struct OpenCalls(Mutex<Vec<OpenCall>>);

type OpenCall = (Instant, Weak<Mutex<Running>>);

impl OpenCalls {
    /// Whether there is a place for one more.
    pub(super) fn check(&self) -> Result<()> {
        let mut all = self.0.lock();
        if all.len() >= SWEEP_FROM {
            all.retain(|(_, running)| running.strong_count() > 0);
        }
        match all.len() < MAX_OPEN_CALLS {
            true => Ok(()),
            false => Err(SqlError::new(
                SqlState::ProgramLimitExceeded,
                format!("a session cannot have more than {MAX_OPEN_CALLS} calls of functions open at once"),
            )
            .hint("Close portals whose rows are not wanted any longer.")),
        }
    }

    pub(super) fn add(&self, running: &Arc<Mutex<Running>>) {
        let deadline = running.lock().budget.deadline();
        self.0.lock().push((deadline, Arc::downgrade(running)));
    }

    /// Ends those whose time is over while their guests rest. What runs asks for itself.
    pub fn end_overdue(&self, session: &SessionShared) {
        let now = Instant::now();
        let overdue: Vec<OpenCall> = self.0.lock().extract_if(.., |(deadline, _)| *deadline <= now).collect();
        for (deadline, running) in overdue {
            let Some(running) = running.upgrade() else { continue };
            match running.try_lock() {
                Some(mut running) => running.out_of_time(session),
                None => self.0.lock().push((deadline, Arc::downgrade(&running))),
            }
        }
    }
}
