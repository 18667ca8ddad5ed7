//! Alerts, and the triggers on the audit log that raise them.
//!
//! The life of an alert: a row of the audit log is durable; the worker ([`worker`]) reads it, outside of the path of whatever
//! it tells about; a trigger's WHEN holds, and its body or function runs ([`fire`]) with its owner's rights and calls
//! `heliosdb.alert`: that is recorded as AlertRaised, and the alert waits in the transaction ([`raise`]). The commit makes
//! it a row of `heliosdb.alerts` together with the worker's place in the log, so that a row of the log fires once, whatever
//! crashes. Then whoever listens on `heliosdb_alerts` is told, the server's log, and the operator's hook.
//! What triggers do is recorded as well, under a session of its own, and fires nothing.

pub mod body;
mod fire;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use audit::{Event, EventType, Sink};
use catalog::Privilege;
use query::{BatchIter, ScanBounds};
use storage::{Db, Direction, Isolation, Transaction};
use types::text::TextStyle;
use types::{Datum, Result, SqlError, SqlState, Type};

use crate::cancel::Cancel;
use crate::context::StatementContext;
use crate::database::Database;
use crate::notify::Signal;
use crate::table::{self, Space};

pub use self::worker::{Worker, first_untold};

/// Where alerts are told to whoever listens, and nothing else is.
pub const CHANNEL: &str = "heliosdb_alerts";

/// The `session_id` of what triggers on the audit log do: it is nobody's else, before a restart and after it.
pub const SESSION_ID: i64 = 0;

/// Bytes kept of an alert's texts: whoever is the cause of an alert may choose part of them.
const MAX_CATEGORY_BYTES: usize = 256;
const MAX_MESSAGE_BYTES: usize = 8192;
/// A notification's payload.
const MAX_PAYLOAD_BYTES: usize = 7999;

/// Told of every alert that was committed. It must not block.
pub type AlertHook = Arc<dyn Fn(&Alert) + Send + Sync>;

/// A row of `heliosdb.alerts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    pub id: i64,
    /// Microseconds since 1970 UTC.
    pub timestamp: i64,
    pub category: Option<String>,
    pub message: Option<String>,
    /// Whom it is about: the user and the function of the audit log's row. Raised by hand: who did it.
    pub user_name: Option<String>,
    pub function_name: Option<String>,
    /// None: raised by hand.
    pub trigger_name: Option<String>,
    /// The row of the audit log.
    pub audit_id: Option<i64>,
}

/// The trigger at work in a session, and the row of the audit log that fired it.
#[derive(Clone, Debug)]
pub struct AtWork {
    pub trigger_name: String,
    pub audit_id: i64,
    pub user_name: Option<String>,
    pub function_name: Option<String>,
    /// EXECUTE FUNCTION: the alert comes out of that function, not out of a body.
    pub in_function: bool,
}

/// What the database knows of alerts.
pub struct Alerts {
    next_id: AtomicI64,
    hook: Option<AlertHook>,
    pub worker: Worker,
}

impl Alerts {
    pub fn load(store: &Db, hook: Option<AlertHook>) -> Result<Alerts> {
        let txn = store.begin(Isolation::ReadCommitted);
        let last = match txn.scan_in(table::range_of(&[Space::Alert as u8]), Direction::Backward)?.next() {
            None => 0,
            Some(item) => id_of(&item?.0)?,
        };
        Ok(Alerts {
            next_id: AtomicI64::new(last.saturating_add(1)),
            hook,
            worker: Worker::default(),
        })
    }

    /// The alert is committed.
    pub fn committed(&self, alert: &Alert) {
        tracing::warn!(
            id = alert.id,
            category = ?alert.category.as_deref().unwrap_or_default(),
            trigger = alert.trigger_name.as_deref().unwrap_or_default(),
            audit_id = alert.audit_id,
            "alert: {:?}",
            alert.message.as_deref().unwrap_or_default()
        );
        if let Some(hook) = &self.hook {
            hook(alert);
        }
    }
}

impl Alert {
    /// As it is sent to those who are no SQL clients.
    pub fn to_json(&self) -> serde_json::Value {
        let mut timestamp = String::new();
        let at = Datum::Timestamptz(self.timestamp);
        types::text::format(Type::Timestamptz, &at, &TextStyle::default(), &mut timestamp);
        serde_json::json!({
            "id": self.id,
            "timestamp": timestamp,
            "category": self.category,
            "message": self.message,
            "user_name": self.user_name,
            "function_name": self.function_name,
            "trigger_name": self.trigger_name,
            "audit_id": self.audit_id,
        })
    }

    /// As it is told to those who listen: id, category and message. What is too long for a notification stands in the table.
    pub fn payload(&self) -> String {
        let mut message = self.message.as_deref();
        loop {
            let payload = serde_json::json!({ "id": self.id, "category": self.category, "message": message }).to_string();
            match message {
                Some(text) if payload.len() > MAX_PAYLOAD_BYTES => message = Some(clipped(text, text.len() / 2)),
                Some(_) | None => return payload,
            }
        }
    }

    /// The columns of `heliosdb.alerts`.
    fn row(&self) -> Vec<Datum> {
        let text = |value: &Option<String>| value.as_deref().map_or(Datum::Null, Datum::text);
        vec![
            Datum::Int8(self.id),
            Datum::Timestamptz(self.timestamp),
            text(&self.category),
            text(&self.message),
            text(&self.user_name),
            text(&self.function_name),
            text(&self.trigger_name),
            self.audit_id.map_or(Datum::Null, Datum::Int8),
        ]
    }
}

/// `heliosdb.alert(category, message)`: the new alert's id.
pub fn raise(context: &StatementContext, args: &[Datum]) -> Result<Datum> {
    let about = may_raise(context)?;
    if context.read_only {
        return Err(crate::session::read_only("heliosdb.alert()"));
    }
    let text = |at: usize, most: usize| {
        args.get(at)
            .and_then(Datum::as_str)
            .map(|text| clipped(text, most).replace('\0', ""))
    };
    let alert = Alert {
        id: context.db.alerts.next_id.fetch_add(1, Ordering::Relaxed),
        timestamp: crate::session::now(),
        category: text(0, MAX_CATEGORY_BYTES),
        message: text(1, MAX_MESSAGE_BYTES),
        user_name: match &about {
            Some(at_work) => at_work.user_name.clone(),
            None => Some(context.actor.name.to_string()),
        },
        function_name: about.as_ref().and_then(|at_work| at_work.function_name.clone()),
        trigger_name: about.as_ref().map(|at_work| at_work.trigger_name.clone()),
        audit_id: about.as_ref().map(|at_work| at_work.audit_id),
    };
    record(context, &alert)?;
    let types = columns().map(|(_, ty)| *ty);
    context.txn.put(key(alert.id), crate::row::encode(&alert.row(), types)?)?;
    let id = alert.id;
    crate::notify::leave(&context.session.signals, Signal::Alert(Arc::new(alert)))?;
    Ok(Datum::Int8(id))
}

/// Triggers on the audit log raise alerts, and superusers by hand. A function does not, unless it is such a trigger's itself.
fn may_raise(context: &StatementContext) -> Result<Option<AtWork>> {
    let depth = context.calls.depth();
    match &*context.session.at_work.lock() {
        Some(at_work) if depth == u32::from(at_work.in_function) => return Ok(Some(at_work.clone())),
        Some(_) => {}
        None if depth == 0 && context.session.session_id != SESSION_ID && context.catalog.is_superuser(context.actor.role) => {
            return Ok(None);
        }
        None => {}
    }
    let error = SqlError::new(SqlState::InsufficientPrivilege, "permission denied for function heliosdb.alert");
    Err(error.detail("Alerts are raised by triggers on heliosdb.audit_log, and by superusers."))
}

/// The message stays out of the audit log: it may hold anything.
fn record(context: &StatementContext, alert: &Alert) -> Result<()> {
    let mut event = Event::new(EventType::AlertRaised);
    event.user_name = Some(context.actor.name.clone());
    event.session_id = Some(context.session.session_id);
    event.function_name = alert.function_name.as_deref().map(Arc::from);
    event.resource = alert.category.clone();
    event.details = Some(serde_json::json!({
        "alert": alert.id,
        "trigger": alert.trigger_name,
        "audit_id": alert.audit_id,
    }));
    crate::session_sink::tell_login(&mut event, &context.actor.login);
    match alert.trigger_name {
        // Durable with the worker's commit at the latest.
        Some(_) => context.db.audit.record(event).map(|_| ()).map_err(SqlError::from),
        None => context.db.audit.record_durably(event),
    }
}

/// At most so many bytes of a text, whole characters.
fn clipped(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or_default()
}

/// Whether a session hears alerts: its user may read them.
pub fn may_hear(db: &Database, role: u32) -> bool {
    let catalog = db.catalog();
    catalog
        .table_by_oid(catalog::heliosdb::ALERTS_OID)
        .is_some_and(|alerts| catalog.has_table_privilege(role, alerts, Privilege::Select))
}

/// Nobody else speaks on the channel of alerts.
pub fn refuse_to_speak(channel: &str) -> Result<()> {
    if channel != CHANNEL {
        return Ok(());
    }
    let error = SqlError::new(SqlState::InsufficientPrivilege, format!("permission denied for channel {CHANNEL}"));
    Err(error
        .detail("It tells of alerts and of nothing else.")
        .hint("Raise one with heliosdb.alert(category, message)."))
}

/// Who may not read the alerts may not listen to them either.
pub fn refuse_to_listen(context: &StatementContext, channel: &str) -> Result<()> {
    if channel != CHANNEL || may_hear(&context.db, context.session.activity.role()) {
        return Ok(());
    }
    let error = SqlError::new(SqlState::InsufficientPrivilege, format!("permission denied for channel {CHANNEL}"));
    Err(error.detail("Alerts are for superusers and members of heliosdb_auditor."))
}

fn columns() -> impl Iterator<Item = &'static (&'static str, Type)> {
    catalog::heliosdb::ALERTS.columns.iter()
}

fn key(id: i64) -> Vec<u8> {
    let mut key = vec![Space::Alert as u8];
    key.extend_from_slice(&id.to_be_bytes());
    key
}

fn id_of(key: &[u8]) -> Result<i64> {
    let id = key.get(1..).and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
    id.map(i64::from_be_bytes)
        .ok_or_else(|| SqlError::new(SqlState::DataCorrupted, "an alert's key is damaged"))
}

/// The rows of `heliosdb.alerts` that the transaction sees, oldest first.
pub fn scan(txn: &Transaction, wanted: &[usize], bounds: &ScanBounds, cancel: Arc<Cancel>) -> Result<BatchIter> {
    use std::ops::Bound;
    let (mut first, mut last) = (1, i64::MAX);
    for (_, low, high) in bounds.iter().filter(|(column, _, _)| *column == 0) {
        if let Bound::Included(value) | Bound::Excluded(value) = low {
            first = first.max(value.as_i64().unwrap_or(first));
        }
        if let Bound::Included(value) | Bound::Excluded(value) = high {
            last = last.min(value.as_i64().unwrap_or(last));
        }
    }
    if first > last {
        return Ok(Box::new(std::iter::empty()));
    }
    let mut scan = txn.scan((Bound::Included(key(first)), Bound::Included(key(last))))?;
    let types: Vec<Type> = columns().map(|(_, ty)| *ty).collect();
    let wanted = wanted.to_vec();
    Ok(Box::new(std::iter::from_fn(move || {
        if let Err(error) = cancel.check() {
            return Some(Err(error));
        }
        let mut batch = Vec::with_capacity(query::BATCH_ROWS);
        for item in scan.by_ref().take(query::BATCH_ROWS) {
            let row = item
                .map_err(SqlError::from)
                .and_then(|(_, bytes)| crate::row::decode(&bytes, &types, &wanted));
            match row {
                Ok(row) => batch.push(row),
                Err(error) => return Some(Err(error)),
            }
        }
        (!batch.is_empty()).then_some(Ok(batch))
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(message: &str) -> Alert {
        Alert {
            id: 7,
            timestamp: 0,
            category: Some("security".into()),
            message: Some(message.into()),
            user_name: None,
            function_name: Some("f".into()),
            trigger_name: Some("t".into()),
            audit_id: Some(3),
        }
    }

    #[test]
    fn a_payload_fits_a_notification_whatever_the_message() {
        assert_eq!(alert("denied").payload(), r#"{"id":7,"category":"security","message":"denied"}"#);
        // Each of these takes six bytes in JSON, each of those four in UTF-8.
        for character in ["\u{1}", "\u{1F980}", "x"] {
            let payload = alert(&character.repeat(MAX_MESSAGE_BYTES)).payload();
            assert!(payload.len() <= MAX_PAYLOAD_BYTES, "{}", payload.len());
            assert!(serde_json::from_str::<serde_json::Value>(&payload).is_ok());
        }
    }

    #[test]
    fn texts_are_clipped_where_a_character_ends() {
        assert_eq!(clipped("aé", 2), "a");
        assert_eq!(clipped("aé", 3), "aé");
        assert_eq!(clipped("", 3), "");
    }

    #[test]
    fn a_stored_alert_comes_back() {
        let types: Vec<Type> = columns().map(|(_, ty)| *ty).collect();
        let row = alert("denied").row();
        let bytes = crate::row::encode(&row, types.iter().copied()).unwrap();
        let all: Vec<usize> = (0..row.len()).collect();
        assert_eq!(
            format!("{:?}", crate::row::decode(&bytes, &types, &all).unwrap()),
            format!("{row:?}")
        );
        assert_eq!(id_of(&key(i64::MAX)).unwrap(), i64::MAX);
        assert!(id_of(&[Space::Alert as u8, 1]).is_err());
    }
}
