//! How long a session may wait for its client: `idle_session_timeout`, `idle_in_transaction_session_timeout`.

use std::time::Duration;

use types::{SqlError, SqlState};

use crate::session::{Session, TransactionStatus};

impl Session {
    /// How long it may wait for the next message now, and what its client is told when it has waited that long.
    pub fn idle_limit(&self) -> Option<(Duration, SqlError)> {
        let settings = self.shared().settings.lock();
        let (limit, state, what) = match self.transaction_status() {
            TransactionStatus::Idle => (settings.idle_timeout_ms, SqlState::IdleSessionTimeout, "idle-session"),
            TransactionStatus::InTransaction | TransactionStatus::Failed => (
                settings.idle_in_transaction_timeout_ms,
                SqlState::IdleInTransactionSessionTimeout,
                "idle-in-transaction",
            ),
        };
        let error = || SqlError::new(state, format!("terminating connection due to {what} timeout")).fatal();
        (limit > 0).then(|| (Duration::from_millis(limit), error()))
    }
}
