//! What a session is doing, for whoever asks: a row of `pg_stat_activity`.

use std::sync::Arc;

use catalog::SessionInfo;
use parking_lot::Mutex;

use crate::context::SessionShared;
use crate::session::{TransactionStatus, now};

/// So much of a statement's text is shown, and kept: PostgreSQL's `track_activity_query_size`.
const SHOWN_BYTES: usize = 1024;

/// A session's state, told by the session and read by others. Times are microseconds since 1970 UTC.
pub struct Activity {
    /// The role that logged in.
    role: u32,
    since: i64,
    now: Mutex<Doing>,
}

struct Doing {
    state: &'static str,
    query: Arc<str>,
    transaction_start: Option<i64>,
    query_start: Option<i64>,
    changed: i64,
}

impl Activity {
    pub fn new(role: u32) -> Activity {
        let since = now();
        let doing = Doing {
            state: "idle",
            query: Arc::from(""),
            transaction_start: None,
            query_start: None,
            changed: since,
        };
        Activity {
            role,
            since,
            now: Mutex::new(doing),
        }
    }

    pub fn role(&self) -> u32 {
        self.role
    }

    /// A statement begins, in the transaction that is open or in one of its own.
    pub fn begin(&self, query: &Arc<str>, transaction_start: Option<i64>) {
        let begun = now();
        *self.now.lock() = Doing {
            state: "active",
            query: shown(query),
            transaction_start: transaction_start.or(Some(begun)),
            query_start: Some(begun),
            changed: begun,
        };
    }

    /// The session waits for its client; the last statement stays to be seen.
    pub fn rest(&self, status: TransactionStatus) {
        let mut doing = self.now.lock();
        doing.changed = now();
        doing.state = match status {
            TransactionStatus::Idle => "idle",
            TransactionStatus::InTransaction => "idle in transaction",
            TransactionStatus::Failed => "idle in transaction (aborted)",
        };
        if status == TransactionStatus::Idle {
            doing.transaction_start = None;
        }
    }
}

/// A session as the catalog shows it.
pub fn describe(session: &SessionShared) -> SessionInfo {
    let application_name = session.settings.lock().get("application_name").unwrap_or_default();
    let doing = session.activity.now.lock();
    SessionInfo {
        pid: session.pid,
        user: session.activity.role,
        application_name,
        client_addr: session.client.map(|address| address.ip().to_string()),
        client_port: session.client.map(|address| i32::from(address.port())),
        backend_start: session.activity.since,
        xact_start: doing.transaction_start,
        query_start: doing.query_start,
        state_change: Some(doing.changed),
        state: doing.state,
        query: doing.query.to_string(),
        encryption: session.encryption.clone(),
    }
}

/// A long text is cut rather than kept as long as the session rests.
fn shown(query: &Arc<str>) -> Arc<str> {
    match query.len() <= SHOWN_BYTES {
        true => query.clone(),
        false => Arc::from(&query[..query.floor_char_boundary(SHOWN_BYTES)]),
    }
}
