//! What ends a running statement from outside: a cancel request, a timeout, a shutdown, a client that has left.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use types::{Result, SqlError, SqlState};

/// Shared by a session, the statement it runs, and whoever may cancel it.
#[derive(Debug, Default)]
pub struct Cancel {
    requested: AtomicBool,
    terminated: AtomicBool,
    client_lost: AtomicBool,
    deadline: Mutex<Option<Instant>>,
    /// What ends this ends with it.
    outer: Option<Arc<Cancel>>,
}

/// One wait for a row's lock: ends as the statement does, and by `lock_timeout`.
pub struct LockWait<'a> {
    cancel: &'a Cancel,
    timeout_ms: u64,
    since: Instant,
}

impl<'a> LockWait<'a> {
    pub fn new(cancel: &'a Cancel, timeout_ms: u64) -> LockWait<'a> {
        LockWait {
            cancel,
            timeout_ms,
            since: Instant::now(),
        }
    }
}

impl storage::WaitControl for LockWait<'_> {
    fn poll(&self) -> Result<(), SqlError> {
        self.cancel.check()?;
        if self.timeout_ms > 0 && self.since.elapsed() >= Duration::from_millis(self.timeout_ms) {
            return Err(SqlError::new(SqlState::LockNotAvailable, "canceling statement due to lock timeout"));
        }
        Ok(())
    }
}

impl Cancel {
    /// A statement begins: an earlier request is forgotten, the timeout counts from now.
    pub fn start(&self, timeout_ms: u64) {
        self.requested.store(false, Ordering::SeqCst);
        *self.deadline.lock() = (timeout_ms > 0).then(|| Instant::now() + Duration::from_millis(timeout_ms));
    }

    /// The statement has ended: its deadline must not reach the next one.
    pub fn finish(&self) {
        *self.deadline.lock() = None;
    }

    pub fn request(&self) {
        self.requested.store(true, Ordering::SeqCst);
    }

    /// The session is to end.
    pub fn terminate(&self) {
        self.terminated.store(true, Ordering::SeqCst);
    }

    /// Nobody is there any more to whom an answer could go.
    pub fn client_lost(&self) {
        self.client_lost.store(true, Ordering::SeqCst);
    }

    /// For a part of a statement that has less time than the whole: what a function asks of the database.
    pub fn within(outer: Arc<Cancel>, deadline: Instant) -> Cancel {
        Cancel {
            deadline: Mutex::new(Some(deadline)),
            outer: Some(outer),
            ..Cancel::default()
        }
    }

    pub fn check(&self) -> Result<()> {
        if let Some(outer) = &self.outer {
            outer.check()?;
            // The sandbox puts its own words in place of these, which name the function and its limit.
            return match *self.deadline.lock() {
                Some(deadline) if Instant::now() >= deadline => Err(SqlError::new(
                    SqlState::QueryCanceled,
                    "canceling statement because its function's time is up",
                )),
                Some(_) | None => Ok(()),
            };
        }
        if self.terminated.load(Ordering::Relaxed) {
            return Err(SqlError::new(SqlState::AdminShutdown, "terminating connection due to administrator command").fatal());
        }
        if self.client_lost.load(Ordering::Relaxed) {
            return Err(SqlError::new(SqlState::ConnectionFailure, "connection to client lost").fatal());
        }
        if self.requested.load(Ordering::Relaxed) {
            return Err(SqlError::new(SqlState::QueryCanceled, "canceling statement due to user request"));
        }
        // A clock read costs more than the flags: only where there is a deadline at all.
        if let Some(deadline) = *self.deadline.lock()
            && Instant::now() >= deadline
        {
            return Err(SqlError::new(
                SqlState::QueryCanceled,
                "canceling statement due to statement timeout",
            ));
        }
        Ok(())
    }
}

impl storage::WaitControl for Cancel {
    fn poll(&self) -> Result<(), SqlError> {
        self.check()
    }
}

impl sandbox::Cancel for Cancel {
    fn check(&self) -> Result<(), SqlError> {
        Cancel::check(self)
    }
}
