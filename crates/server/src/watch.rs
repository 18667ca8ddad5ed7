//! Clients that vanish while their statement runs, or leave functions waiting for them.
//!
//! A connection's thread does not look at its socket while it works, so nobody would read what an
//! endless statement is about to answer, and nobody would stop it. The accepting thread looks,
//! once every [`TICK`]: whoever works on the same message as at the tick before is asked about,
//! and if the client has closed its side, the statement is cancelled. A short statement costs two
//! counts in memory, and no system call.

use std::collections::HashMap;
use std::io;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use tokio::time::{MissedTickBehavior, interval};

use crate::listen::Shared;
use engine::Cancel;

/// A vanished client's statement runs on for two of these at most.
const TICK: Duration = Duration::from_millis(250);
/// Whether a connection works: odd while it carries out a message, and another number for each.
#[derive(Debug, Default)]
pub struct Activity(AtomicU64);

impl Activity {
    /// The connection works until the guard is dropped.
    pub fn begin(&self) -> Working<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Working(self)
    }

    /// The number of the message that is being carried out.
    fn message(&self) -> Option<u64> {
        let count = self.0.load(Ordering::Relaxed);
        (count % 2 == 1).then_some(count)
    }
}

pub struct Working<'a>(&'a Activity);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A session as the watch sees it.
#[derive(Clone)]
pub struct Watched {
    pub socket: Arc<TcpStream>,
    pub activity: Arc<Activity>,
    pub cancel: Arc<Cancel>,
    /// Ends calls of functions whose time is over, while the client is waited for.
    pub end_overdue_calls: Arc<dyn Fn() + Send + Sync>,
}

/// Watches the sessions for ever.
pub async fn watch(shared: &Shared) {
    let mut before: HashMap<u64, u64> = HashMap::new();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let mut now = HashMap::new();
        let mut long = vec![];
        for (id, session) in shared.watched() {
            let Some(message) = session.activity.message() else {
                (session.end_overdue_calls)();
                continue;
            };
            now.insert(id, message);
            if before.get(&id) == Some(&message) {
                long.push((message, session));
            }
        }
        before = now;
        if let Err(error) = end_abandoned(&long) {
            tracing::warn!(%error, "could not look for clients that have left");
        }
    }
}

/// Cancels those of the sessions whose clients have closed their side, unread input notwithstanding.
/// PostgreSQL, where it looks at all, takes that for leaving too: a client that only says that it
/// will send no more is not told apart.
fn end_abandoned(long: &[(u64, Watched)]) -> io::Result<()> {
    if long.is_empty() {
        return Ok(());
    }
    let mut poll = Poll::new()?;
    for (at, (_, session)) in long.iter().enumerate() {
        let descriptor = session.socket.as_raw_fd();
        poll.registry()
            .register(&mut SourceFd(&descriptor), Token(at), Interest::READABLE)?;
    }
    let mut events = Events::with_capacity(long.len());
    poll.poll(&mut events, Some(Duration::ZERO))?;
    for event in events.iter().filter(|event| event.is_read_closed()) {
        if let Some((message, session)) = long.get(event.token().0)
            && session.activity.message() == Some(*message)
        {
            session.cancel.client_lost();
        }
    }
    Ok(())
}
