//! The audit log: the durable [`Sink`], and its rows as `heliosdb.audit_log`.
//!
//! The life of an event here: it is chained to the one before it and queued for the log, both under one
//! lock, so that the order of the hashes is the order of the ids; it becomes durable with the next group
//! commit, outside any user's transaction; whoever must not go on before that waits for its receipt.
//! Times in the log never run backwards, so a filter on `timestamp` or `id` reads only its part of the log. How it is read is in
//! [`crate::audit_scan`]; the blocks that make that fast are in [`crate::audit_blocks`].

use std::net::SocketAddr;
use std::ops::RangeBounds;
use std::path::Path;
use std::sync::Arc;

use audit::block::BLOCK_ROWS;
use audit::stored::View;
use audit::{Anchor, AnchorFault, AuditError, Chain, Event, EventType, Hash, Reason, Receipt, Row, Sink, Verdict, Verifier};
use parking_lot::Mutex;
use storage::{AppendLog, Bytes, Db, LogRead, Ticket};
use types::{Datum, Result, SqlError};

use crate::audit_blocks::{BlockMaker, Blocks, block_of};
use crate::audit_retention::{By, Retention};
use crate::cancel::Cancel;
use crate::context::StatementContext;

pub struct AuditLog {
    /// None where the log is only read. Dropped first: it ends a thread.
    maker: Option<BlockMaker>,
    pub(crate) blocks: Arc<Blocks>,
    retention: Retention,
    /// Rows are removed by one at a time.
    trimming: Mutex<()>,
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
    pub fn open(store: &Db, folder: &Path) -> Result<Arc<AuditLog>> {
        let log = store.append_log("audit")?;
        let retention = Retention::new(store, folder);
        retention.finish(&log)?;
        let last = log.last_id();
        let mut tail = Tail {
            chain: Chain::GENESIS,
            timestamp: i64::MIN,
            ticket: None,
        };
        if last > 0 {
            let bytes = log.get(last)?.ok_or_else(|| missing(last))?;
            let row = Row::decode(last, &bytes)?;
            tail.chain = Chain::after(row.id, row.hash);
            tail.timestamp = row.event.timestamp;
        }
        let blocks = Arc::new(Blocks::load(store, &log)?);
        Ok(Arc::new(AuditLog {
            maker: Some(BlockMaker::start(&blocks)?),
            blocks,
            retention,
            trimming: Mutex::new(()),
            log,
            tail: Mutex::new(tail),
        }))
    }

    /// The log for reading only: nothing of it is looked at yet.
    pub fn to_read(store: &Db, folder: &Path) -> Result<Arc<AuditLog>> {
        let log = store.append_log("audit")?;
        Ok(Arc::new(AuditLog {
            maker: None,
            blocks: Arc::new(Blocks::of(store, &log)),
            retention: Retention::new(store, folder),
            trimming: Mutex::new(()),
            log,
            tail: Mutex::new(Tail {
                chain: Chain::GENESIS,
                timestamp: i64::MIN,
                ticket: None,
            }),
        }))
    }

    /// Records an event and returns once it is durable.
    pub fn record_durably(&self, event: Event) -> Result<()> {
        let receipt = self.record(event)?;
        Ok(self.wait(receipt)?)
    }

    /// Fails if the log can no longer be written: for those who do not wait for their rows.
    pub fn check(&self) -> Result<()> {
        Ok(self.log.check()?)
    }

    /// Every row that is recorded by now is durable, and so can be read.
    pub fn settle(&self) -> Result<()> {
        let ticket = self.tail.lock().ticket.clone();
        match ticket {
            Some(ticket) => Ok(ticket.wait()?),
            None => Ok(()),
        }
    }

    /// A session is there: other rows tell who it is by its `session_id` alone.
    pub fn record_login(&self, user: &str, client: Option<SocketAddr>, session_id: i64) -> Result<()> {
        let mut event = Event::new(EventType::LoginSucceeded);
        event.user_name = Some(Arc::from(user));
        event.session_id = Some(session_id);
        event.resource = client.map(|address| address.to_string());
        event.allowed = Some(true);
        self.record_durably(event)
    }

    pub fn record_refused_login(&self, user: &str, client: Option<SocketAddr>, error: &SqlError) -> Result<()> {
        let mut event = Event::new(EventType::LoginFailed);
        event.user_name = Some(Arc::from(user));
        event.resource = client.map(|address| address.to_string());
        event.allowed = Some(false);
        event.error = Some(error.message().to_string());
        event.sqlstate = Some(error.state());
        self.record_durably(event)
    }

    /// Walks the whole log and its blocks; with the id and hash of a row that was its newest once, also whether that is still there.
    pub fn verify(&self, head: Option<(u64, Hash)>, cancel: &Cancel) -> Result<Verdict> {
        let _trimming = self.trimming.lock();
        self.walk(head, cancel)
    }

    fn walk(&self, head: Option<(u64, Hash)>, cancel: &Cancel) -> Result<Verdict> {
        self.settle()?;
        let anchor = self.retention.anchor()?;
        let (mut verifier, first) = match &anchor {
            Some(Ok(anchor)) => (Verifier::after(anchor.chain()), anchor.first_kept),
            Some(Err(_)) | None => (Verifier::after(Chain::GENESIS), 1),
        };
        if let Some(Err(fault)) = &anchor {
            verifier.fail(self.log.first_id(), Reason::Anchor(*fault));
        }
        // Of an anchor a row tells, and of a head that was the last removed row the anchor.
        let mut untold = None;
        if let Some(Ok(anchor)) = &anchor {
            untold = Some(anchor.details());
            if head.is_some_and(|(id, hash)| id + 1 == anchor.first_kept && hash != anchor.removed_hash) {
                verifier.fail(anchor.first_kept - 1, Reason::Replaced);
            }
        }
        let mut at_head = None;
        // The rows of the block that the walk is in.
        let mut block: Vec<Bytes> = vec![];
        for item in self.log.read_with_gaps(first..) {
            let (id, bytes) = item?;
            verifier.push(id, &bytes);
            if untold.is_some()
                && let Ok(view) = View::decode(&bytes)
                && view.event_type == EventType::AuditLogTrimmed
                && view.to_event().is_ok_and(|event| event.details == untold)
            {
                untold = None;
            }
            if head.is_some_and(|(head_id, _)| head_id == id) {
                at_head = Some(verifier.clone());
            }
            if id % BLOCK_ROWS == 1 {
                block.clear();
            }
            block.push(bytes);
            if id.is_multiple_of(BLOCK_ROWS) {
                if block.len() as u64 == BLOCK_ROWS && !self.blocks.agrees(block_of(id), &block)? {
                    verifier.fail(id - BLOCK_ROWS + 1, Reason::Columns);
                }
                block.clear();
                cancel.check()?;
            }
        }
        if untold.is_some() {
            verifier.fail(first, Reason::Anchor(AnchorFault::Untold));
        }
        if self.blocks.tell_of_more()? {
            verifier.fail(self.log.last_id() + 1, Reason::Missing);
        }
        match head {
            None => Ok(verifier.finish()),
            Some((id, hash)) => {
                let kept = at_head.unwrap_or_else(|| verifier.clone()).finish_at(id, hash);
                Ok(if kept.whole { verifier.finish() } else { kept })
            }
        }
    }

    /// Removes the rows from before this time, but never the newest one, nor any from `untold` on; answers how many.
    pub fn trim(&self, before: i64, untold: Option<u64>, by: &By, cancel: &Cancel) -> Result<u64> {
        let _trimming = self.trimming.lock();
        self.settle()?;
        let first_id = self.first_id();
        let first_kept = self.first_at(before)?.min(self.last_id()).min(untold.unwrap_or(u64::MAX));
        if first_kept <= first_id {
            return Ok(0);
        }
        // What goes cannot be looked at again.
        if let Some((bad, reason)) = self.walk(None, cancel)?.first_bad {
            return Err(SqlError::new(
                types::SqlState::DataCorrupted,
                format!("the audit log is broken at row {bad}: {reason}"),
            )
            .detail("No rows are removed from a log that is not whole."));
        }
        let last_removed = self.log.get(first_kept - 1)?.ok_or_else(|| missing(first_kept - 1))?;
        let removed_hash = View::decode(&last_removed)?.hash;
        let (event, anchor) = self.retention.prepare(first_kept, first_id, removed_hash, by)?;
        self.record_durably(event)?;
        self.retention.store(anchor)?;
        // The rows first: while they are there, their blocks would be made anew.
        let removed = self.log.remove_before(first_kept)?;
        self.blocks.remove_before(first_kept)?;
        Ok(removed)
    }

    /// What retention left; None where it never removed anything, or what is there is not to be believed.
    pub fn anchor(&self) -> Result<Option<Anchor>> {
        Ok(self.retention.anchor()?.and_then(std::result::Result::ok))
    }

    /// Writes every row as one line of JSON with its hash and the hash of the row before it, oldest first.
    pub fn export(&self, out: &mut dyn std::io::Write) -> Result<u64> {
        let failed = |error: std::io::Error| SqlError::new(types::SqlState::IoError, format!("could not write the export: {error}"));
        let mut count = 0;
        for item in self.log.read(1..) {
            let (id, bytes) = item?;
            let mut line = Row::decode(id, &bytes)?.to_json().to_string();
            line.push('\n');
            out.write_all(line.as_bytes()).map_err(failed)?;
            count += 1;
        }
        out.flush().map_err(failed)?;
        Ok(count)
    }

    /// The id of the newest row, durable or about to be.
    pub fn newest_id(&self) -> u64 {
        self.tail.lock().chain.last_id()
    }

    /// Shows the rows from this id on, oldest first, each where it is stored: all that are recorded by now, those too that nobody
    /// has waited for yet.
    pub fn each_from(&self, first: u64, cancel: &Cancel, mut show: impl FnMut(&View<'_>) -> Result<()>) -> Result<()> {
        self.settle()?;
        for item in self.log.read(first.max(1)..) {
            let (id, bytes) = item?;
            if id % 1024 == 0 {
                cancel.check()?;
            }
            show(&View::decode(&bytes)?)?;
        }
        Ok(())
    }

    /// The id that the next row will get, if nobody else records before.
    pub fn next_id(&self) -> u64 {
        self.log.next_id()
    }

    /// Durable rows with their ids, oldest first. Ids that are missing are passed over, and what does not decode is an error of its own.
    pub fn rows(&self, first: u64, last: u64) -> impl Iterator<Item = Result<(u64, Result<Row>)>> {
        self.log.read_with_gaps(first..=last).map(|item| {
            let (id, bytes) = item?;
            Ok((id, Row::decode(id, &bytes).map_err(SqlError::from)))
        })
    }

    /// The oldest row that is kept.
    pub fn first_id(&self) -> u64 {
        self.log.first_id()
    }

    /// The newest row that is durable; 0 if there is none.
    pub fn last_id(&self) -> u64 {
        self.log.last_id()
    }

    pub fn get(&self, id: u64) -> Result<Option<Bytes>> {
        Ok(self.log.get(id)?)
    }

    pub fn read(&self, ids: impl RangeBounds<u64>) -> LogRead {
        self.log.read(ids)
    }

    /// The first id whose time is at or after this one.
    pub fn first_at(&self, timestamp: i64) -> Result<u64> {
        let (mut low, mut high) = (self.first_id(), self.last_id() + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            let earlier = match self.log.get(middle)? {
                Some(bytes) => audit::stored::peek_timestamp(&bytes)? < timestamp,
                // Removed by retention in the meantime.
                None if middle < self.first_id() => true,
                None => return Err(missing(middle)),
            };
            match earlier {
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
        if let Some(maker) = &self.maker
            && sealed.id.is_multiple_of(BLOCK_ROWS)
        {
            maker.wake();
        }
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

pub fn missing(id: u64) -> SqlError {
    SqlError::new(types::SqlState::DataCorrupted, format!("row {id} of the audit log is missing"))
}

/// `heliosdb.verify_audit_log()`, for those who may read the log.
pub fn verify_for(context: &StatementContext, args: &[Datum]) -> Result<Datum> {
    crate::system::refuse_in_function(context, "verify the audit log")?;
    must_read(context)?;
    let head = match args {
        [Datum::Int8(id), Datum::Bytea(hash)] => Some((
            u64::try_from(*id).map_err(|_| not_a_head())?,
            Hash::try_from(hash.as_slice()).map_err(|_| not_a_head())?,
        )),
        _ => None,
    };
    let verdict = context.db.audit.verify(head, &context.cancel)?;
    let number = |value: u64| Datum::Int8(i64::try_from(value).unwrap_or(i64::MAX));
    Ok(Datum::Record(vec![
        Datum::Bool(verdict.whole),
        number(verdict.rows),
        verdict.first_bad.map_or(Datum::Null, |(id, _)| number(id)),
        verdict.first_bad.map_or(Datum::Null, |(_, reason)| Datum::text(reason.to_string())),
        number(verdict.head.0),
        Datum::Bytea(verdict.head.1.to_vec()),
    ]))
}

/// Whether the statement's role may read the log.
pub fn may_read(context: &StatementContext) -> bool {
    context.catalog_now().acts_as(context.actor.role, catalog::AUDITOR_OID)
}

pub fn must_read(context: &StatementContext) -> Result<()> {
    match may_read(context) {
        true => Ok(()),
        false => Err(SqlError::new(
            types::SqlState::InsufficientPrivilege,
            "permission denied for table audit_log",
        )),
    }
}

fn not_a_head() -> SqlError {
    SqlError::new(
        types::SqlState::InvalidParameterValue,
        "a head of the audit log is an id and a hash of 32 bytes",
    )
}

/// A row as `heliosdb.audit_log` shows it.
pub fn values(row: &Row) -> Vec<Datum> {
    (0..COLUMNS).map(|column| value(row, column)).collect()
}

const COLUMNS: usize = 19;

/// One column of a row, in the order of `heliosdb.audit_log`.
pub fn value(row: &Row, column: usize) -> Datum {
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
