//! The audit log: the durable [`Sink`], and its rows as `heliosdb.audit_log`.
//!
//! The life of an event here: it is chained to the one before it and queued for the log, both under one
//! lock, so that the order of the hashes is the order of the ids; it becomes durable with the next group
//! commit, outside any user's transaction; whoever must not go on before that waits for its receipt.
//! Times in the log never run backwards, so a filter on `timestamp` or `id` reads only its part of the log.

use std::net::SocketAddr;
use std::ops::Bound;
use std::sync::Arc;

use audit::{AuditError, Chain, Event, EventType, Receipt, Row, Sink};
use parking_lot::Mutex;
use query::{BatchIter, ScanBounds};
use storage::{AppendLog, Db, Ticket};
use types::{Datum, Result, SqlError};

use crate::cancel::Cancel;

pub struct AuditLog {
    log: AppendLog,
    tail: Mutex<Tail>,
}

/// The newest end of the log.
struct Tail {
    chain: Chain,
    timestamp: i64,
    /// Of the newest append: waiting for it waits for all before it.
    ticket: Option<Arc<Ticket>>,
}

impl AuditLog {
    pub fn open(store: &Db) -> Result<Arc<AuditLog>> {
        let log = store.append_log("audit")?;
        let last = log.last_id();
        let mut tail = Tail {
            chain: Chain::GENESIS,
            timestamp: i64::MIN,
            ticket: None,
        };
        if last > 0 {
            let row = read(&log, last)?;
            tail.chain = Chain::after(row.id, row.hash);
            tail.timestamp = row.event.timestamp;
        }
        Ok(Arc::new(AuditLog {
            log,
            tail: Mutex::new(tail),
        }))
    }

    /// Records an event and returns once it is durable.
    pub fn record_durably(&self, event: Event) -> Result<()> {
        let receipt = self.record(event)?;
        Ok(self.wait(receipt)?)
    }

    pub fn record_login(&self, user: &str, client: Option<SocketAddr>, refused: Option<&SqlError>) -> Result<()> {
        let mut event = Event::new(if refused.is_some() {
            EventType::LoginFailed
        } else {
            EventType::LoginSucceeded
        });
        event.user_name = Some(Arc::from(user));
        event.resource = client.map(|address| address.to_string());
        event.allowed = Some(refused.is_none());
        if let Some(error) = refused {
            event.error = Some(error.message().to_string());
            event.sqlstate = Some(error.state());
        }
        self.record_durably(event)
    }

    /// The first id whose time is at or after this one.
    fn first_at(&self, timestamp: i64) -> Result<u64> {
        let (mut low, mut high) = (1, self.log.last_id() + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            match read(&self.log, middle)?.event.timestamp < timestamp {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        Ok(low)
    }
}

impl Sink for AuditLog {
    fn record(&self, mut event: Event) -> Result<Receipt, AuditError> {
        let mut tail = self.tail.lock();
        event.timestamp = event.timestamp.max(tail.timestamp);
        let mut chain = tail.chain;
        let sealed = chain.append(&event)?;
        let ticket = self.log.append(vec![sealed.bytes]);
        if ticket.ids().start != sealed.id {
            return Err(AuditError::Closed);
        }
        tail.chain = chain;
        tail.timestamp = event.timestamp;
        tail.ticket = Some(Arc::new(ticket));
        Ok(Receipt { id: sealed.id })
    }

    fn wait(&self, receipt: Receipt) -> Result<(), AuditError> {
        if self.log.last_id() >= receipt.id {
            return Ok(());
        }
        let ticket = self.tail.lock().ticket.clone().ok_or(AuditError::Closed)?;
        ticket.wait().map_err(AuditError::storage)
    }
}

fn read(log: &AppendLog, id: u64) -> Result<Row> {
    match log.read(id..=id).next() {
        Some(item) => {
            let (id, bytes) = item?;
            Ok(Row::decode(id, &bytes)?)
        }
        None => Err(SqlError::new(
            types::SqlState::DataCorrupted,
            format!("row {id} of the audit log is missing"),
        )),
    }
}

/// The columns that narrow a scan: their places in `heliosdb.audit_log`.
const ID: usize = 0;
const TIMESTAMP: usize = 1;

/// The rows of `heliosdb.audit_log` between the bounds, oldest first.
pub fn scan(audit: &Arc<AuditLog>, columns: &[usize], bounds: &ScanBounds, cancel: Arc<Cancel>) -> Result<BatchIter> {
    let (mut first, mut last) = (1u64, audit.log.last_id());
    for (column, low, high) in bounds {
        match *column {
            ID => {
                if let Bound::Included(value) | Bound::Excluded(value) = low {
                    first = first.max(value.as_i64().map_or(1, |id| u64::try_from(id).unwrap_or(1)));
                }
                if let Bound::Included(value) | Bound::Excluded(value) = high {
                    last = last.min(value.as_i64().map_or(last, |id| u64::try_from(id).unwrap_or(0)));
                }
            }
            TIMESTAMP => {
                if let Bound::Included(Datum::Timestamptz(from)) | Bound::Excluded(Datum::Timestamptz(from)) = low {
                    first = first.max(audit.first_at(*from)?);
                }
                if let Bound::Included(Datum::Timestamptz(to)) | Bound::Excluded(Datum::Timestamptz(to)) = high {
                    last = last.min(audit.first_at(to.saturating_add(1))?.saturating_sub(1));
                }
            }
            _ => {}
        }
    }
    let columns = columns.to_vec();
    let mut rows = if first <= last { Some(audit.log.read(first..=last)) } else { None };
    Ok(Box::new(std::iter::from_fn(move || {
        if let Err(error) = cancel.check() {
            return Some(Err(error));
        }
        let rows = rows.as_mut()?;
        let mut batch = Vec::with_capacity(query::BATCH_ROWS);
        for item in rows.take(query::BATCH_ROWS) {
            let row = item.map_err(SqlError::from).and_then(|(id, bytes)| Ok(Row::decode(id, &bytes)?));
            match row {
                Ok(row) => batch.push(columns.iter().map(|column| value(&row, *column)).collect()),
                Err(error) => return Some(Err(error)),
            }
        }
        (!batch.is_empty()).then_some(Ok(batch))
    })))
}

/// One column of a row, in the order of `heliosdb.audit_log`.
fn value(row: &Row, column: usize) -> Datum {
    let event = &row.event;
    let text = |value: Option<&str>| value.map_or(Datum::Null, Datum::text);
    let number = |value: Option<i64>| value.map_or(Datum::Null, Datum::Int8);
    match column {
        0 => Datum::Int8(i64::try_from(row.id).unwrap_or(i64::MAX)),
        1 => Datum::Timestamptz(event.timestamp),
        2 => Datum::text(event.event_type.name()),
        3 => text(event.function_name.as_deref()),
        4 => text(event.user_name.as_deref()),
        5 => number(event.session_id),
        6 => number(event.call_id),
        7 => number(event.parent_call_id),
        8 => text(event.capability.as_deref()),
        9 => text(event.resource.as_deref()),
        10 => event.allowed.map_or(Datum::Null, Datum::Bool),
        11 => text(event.error.as_deref()),
        12 => text(event.sqlstate.map(|state| state.code())),
        13 => number(event.duration_us),
        14 => number(event.fuel_used),
        15 => number(event.memory_bytes),
        16 => event.details.as_ref().map_or(Datum::Null, |details| {
            let text = details.to_string();
            types::text::parse(types::Type::Jsonb, types::NO_TYPMOD, &text, &types::text::TextStyle::default()).unwrap_or(Datum::Null)
        }),
        17 => Datum::Bytea(row.prev_hash.to_vec()),
        18 => Datum::Bytea(row.hash.to_vec()),
        _ => Datum::Null,
    }
}
