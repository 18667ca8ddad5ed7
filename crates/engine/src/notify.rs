//! LISTEN and NOTIFY.
//!
//! The life of a notification: NOTIFY or `pg_notify` leaves it with its session until the transaction commits;
//! then it is put into the inbox of every session that listens on its channel; each session's connection takes
//! it from there between two transactions. A rollback forgets it. Nothing of it is stored.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use types::{Result, SqlError, SqlState};

use crate::alerts::{Alert, CHANNEL};

/// PostgreSQL's bounds: names are shorter than NAMEDATALEN, payloads than 8000 bytes.
const MAX_CHANNEL_BYTES: usize = 63;
const MAX_PAYLOAD_BYTES: usize = 7999;
/// What waits for one session at most, each of some 8 KB; PostgreSQL's queue is 8 GB and shared.
const MAX_WAITING: usize = 100_000;
/// What one transaction may leave until its commit.
const MAX_PENDING_BYTES: usize = 64 << 20;
const COUNTED_EVERY: usize = 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    pub channel: String,
    pub payload: String,
    /// The notifying session's.
    pub pid: i32,
}

/// What a transaction does to channels when it commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    Listen(String),
    Unlisten(String),
    UnlistenAll,
    Notify {
        channel: String,
        payload: String,
    },
    /// What the server tells on the channel of alerts.
    Alert(Arc<Alert>),
}

impl Signal {
    fn bytes(&self) -> usize {
        size_of::<Signal>()
            + match self {
                Signal::Listen(channel) | Signal::Unlisten(channel) => channel.len(),
                Signal::UnlistenAll => 0,
                Signal::Notify { channel, payload } => channel.len() + payload.len(),
                Signal::Alert(alert) => {
                    size_of::<Alert>()
                        + [&alert.category, &alert.message]
                            .into_iter()
                            .flatten()
                            .map(String::len)
                            .sum::<usize>()
                }
            }
    }

    /// Checks what the client or a query made up.
    pub fn notify(channel: &str, payload: &str) -> Result<Signal> {
        let refused = |message: &str| Err(SqlError::new(SqlState::InvalidParameterValue, message.to_string()));
        if channel.is_empty() {
            return refused("channel name cannot be empty");
        }
        if channel.len() > MAX_CHANNEL_BYTES {
            return refused("channel name too long");
        }
        if payload.len() > MAX_PAYLOAD_BYTES {
            return refused("payload string too long");
        }
        Ok(Signal::Notify {
            channel: channel.to_string(),
            payload: payload.to_string(),
        })
    }
}

/// Leaves a signal with a session until its transaction commits.
pub fn leave(pending: &Mutex<Vec<Signal>>, signal: Signal) -> Result<()> {
    let mut pending = pending.lock();
    // Counted now and then only: a transaction may leave many.
    if pending.len() % COUNTED_EVERY == COUNTED_EVERY - 1 && pending.iter().map(Signal::bytes).sum::<usize>() > MAX_PENDING_BYTES {
        return Err(
            SqlError::new(SqlState::ProgramLimitExceeded, "too many notifications in one transaction")
                .detail(format!("They would take more than {MAX_PENDING_BYTES} bytes.")),
        );
    }
    pending.push(signal);
    Ok(())
}

/// What a session has been sent and has not read, and where it listens.
#[derive(Default)]
pub struct Inbox {
    waiting: Mutex<VecDeque<Notification>>,
    channels: Mutex<BTreeSet<String>>,
}

impl Inbox {
    pub fn take(&self) -> Vec<Notification> {
        self.waiting.lock().drain(..).collect()
    }

    pub fn channels(&self) -> Vec<String> {
        self.channels.lock().iter().cloned().collect()
    }

    pub fn is_listening(&self) -> bool {
        !self.channels.lock().is_empty()
    }

    fn put(&self, notification: Notification) {
        let mut waiting = self.waiting.lock();
        if waiting.len() >= MAX_WAITING {
            tracing::warn!(
                channel = notification.channel,
                "a session does not read its notifications: one is lost"
            );
            return;
        }
        waiting.push_back(notification);
    }
}

/// Who listens where.
#[derive(Default)]
pub struct Channels {
    listeners: Mutex<BTreeMap<String, BTreeMap<i32, Arc<Inbox>>>>,
}

impl Channels {
    /// A transaction of this session has committed.
    pub fn apply(&self, pid: i32, inbox: &Arc<Inbox>, signals: Vec<Signal>) {
        let mut listeners = self.listeners.lock();
        let mut sent: Vec<(String, String)> = vec![];
        for signal in signals {
            match signal {
                Signal::Listen(channel) => {
                    inbox.channels.lock().insert(channel.clone());
                    listeners.entry(channel).or_default().insert(pid, inbox.clone());
                }
                Signal::Unlisten(channel) => {
                    inbox.channels.lock().remove(&channel);
                    forget(&mut listeners, &channel, pid);
                }
                Signal::UnlistenAll => {
                    for channel in std::mem::take(&mut *inbox.channels.lock()) {
                        forget(&mut listeners, &channel, pid);
                    }
                }
                Signal::Notify { channel, payload } => sent.push((channel, payload)),
                Signal::Alert(alert) => sent.push((CHANNEL.to_string(), alert.payload())),
            }
        }
        // The same message twice in a transaction is one, as in PostgreSQL.
        let mut seen = BTreeSet::new();
        for (channel, payload) in sent {
            if !seen.insert((channel.clone(), payload.clone())) {
                continue;
            }
            for inbox in listeners.get(&channel).into_iter().flat_map(BTreeMap::values) {
                inbox.put(Notification {
                    channel: channel.clone(),
                    payload: payload.clone(),
                    pid,
                });
            }
        }
    }
}

impl Channels {
    /// Ends the listening of sessions that may not hear a channel any more.
    pub fn keep_only(&self, channel: &str, may_hear: impl Fn(i32) -> bool) {
        let mut listeners = self.listeners.lock();
        let Some(sessions) = listeners.get_mut(channel) else { return };
        sessions.retain(|pid, inbox| {
            let stays = may_hear(*pid);
            if !stays {
                inbox.channels.lock().remove(channel);
            }
            stays
        });
        if sessions.is_empty() {
            listeners.remove(channel);
        }
    }
}

fn forget(listeners: &mut BTreeMap<String, BTreeMap<i32, Arc<Inbox>>>, channel: &str, pid: i32) {
    if let Some(sessions) = listeners.get_mut(channel) {
        sessions.remove(&pid);
        if sessions.is_empty() {
            listeners.remove(channel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notify(channel: &str, payload: &str) -> Signal {
        Signal::notify(channel, payload).unwrap()
    }

    #[test]
    fn only_those_who_listen_hear_it_and_only_once() {
        let channels = Channels::default();
        let (one, two) = (Arc::new(Inbox::default()), Arc::new(Inbox::default()));
        channels.apply(1, &one, vec![Signal::Listen("a".into())]);
        channels.apply(
            2,
            &two,
            vec![notify("a", "x"), notify("a", "x"), notify("b", "y"), notify("a", "z")],
        );
        let heard: Vec<String> = one
            .take()
            .into_iter()
            .map(|n| format!("{} {} {}", n.channel, n.payload, n.pid))
            .collect();
        assert_eq!(heard, ["a x 2", "a z 2"]);
        assert!(two.take().is_empty());
        channels.apply(1, &one, vec![Signal::UnlistenAll]);
        channels.apply(2, &two, vec![notify("a", "x")]);
        assert!(one.take().is_empty());
        assert!(channels.listeners.lock().is_empty());
    }

    #[test]
    fn bounds_are_postgres_s() {
        let message = |signal: Result<Signal>| signal.unwrap_err().message().to_string();
        assert_eq!(message(Signal::notify("", "")), "channel name cannot be empty");
        assert_eq!(message(Signal::notify(&"c".repeat(64), "")), "channel name too long");
        assert_eq!(message(Signal::notify("c", &"p".repeat(8000))), "payload string too long");
        assert!(Signal::notify(&"c".repeat(63), &"p".repeat(7999)).is_ok());
    }
}
