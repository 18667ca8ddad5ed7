//! The worker that reads the audit log for its triggers.
//!
//! The life of its place in the log: rows are read in order, from the one after the last that is done. What a row's triggers
//! do is committed together with the place after it, so that after a crash the worker goes on where it was: nothing is
//! lost and nothing done twice. Past rows that fire nothing the place is stored now and then; they are looked at again.
//! There is no queue: the log is the queue, and a worker that lags behind takes no memory.
//! The thread exists from the first trigger on, and holds the database only while it works.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use catalog::{AuditTrigger, Snapshot};
use parking_lot::{Condvar, Mutex};
use storage::Isolation;
use types::{Result, SqlError, SqlState};

use super::SESSION_ID;
use super::fire::{Broken, Round};
use crate::activity::Activity;
use crate::audit_durability::Owed;
use crate::cancel::Cancel;
use crate::context::SessionShared;
use crate::database::Database;
use crate::settings::Settings;
use crate::table::Space;
use crate::transaction::Open;

/// How often the end of the log is looked at: an alert comes so much later than its row.
const TICK: Duration = Duration::from_millis(20);
/// Rows that one transaction looks at.
const ROWS_PER_ROUND: u64 = 4096;
/// The place is stored this often while nothing fires.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// How long the worker pauses after an error that is no trigger's, doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A trigger that waits longer for somebody's lock has failed.
const LOCK_TIMEOUT_MS: u64 = 10_000;
/// A session's: functions measure what is left of it.
const STACK_BYTES: usize = 64 << 20;

/// The thread, once there is one, and how it is told things.
#[derive(Default)]
pub struct Worker {
    thread: Mutex<Option<JoinHandle<()>>>,
    control: Arc<Control>,
}

#[derive(Default)]
struct Control {
    state: Mutex<State>,
    changed: Condvar,
    /// Ends a trigger that runs.
    cancel: Arc<Cancel>,
}

#[derive(Default)]
struct State {
    stopping: bool,
    /// The triggers have changed.
    woken: bool,
}

impl Worker {
    /// There are triggers, or there are others.
    pub fn wake(&self, db: &Weak<Database>, pid: impl FnOnce() -> i32) {
        let mut thread = self.thread.lock();
        let mut state = self.control.state.lock();
        if state.stopping {
            return;
        }
        state.woken = true;
        self.control.changed.notify_all();
        drop(state);
        if thread.is_some() {
            return;
        }
        let (db, control, session) = (db.clone(), self.control.clone(), session(pid(), &self.control));
        let started = thread::Builder::new()
            .name("alerts".into())
            .stack_size(STACK_BYTES)
            .spawn(move || run(&db, &control, &session));
        match started {
            Ok(started) => *thread = Some(started),
            // The next change of triggers tries again, and so does the next start.
            Err(error) => tracing::error!(%error, "triggers on the audit log do not run"),
        }
    }

    /// Ends the thread and returns when it has ended. What it has not come to waits for the next start.
    pub fn stop(&self) {
        self.tell_to_stop();
        let thread = self.thread.lock().take();
        // The thread itself may be the last that holds the database.
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != thread::current().id())
            && thread.join().is_err()
        {
            tracing::error!("the worker for alerts had panicked");
        }
    }

    fn tell_to_stop(&self) {
        self.control.state.lock().stopping = true;
        self.control.cancel.terminate();
        self.control.changed.notify_all();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.tell_to_stop();
    }
}

impl Control {
    fn is_stopping(&self) -> bool {
        self.state.lock().stopping
    }

    /// Until something changes, or the time is up where there is one.
    fn wait(&self, time: Option<Duration>) {
        let mut state = self.state.lock();
        if !state.stopping && !state.woken {
            match time {
                Some(time) => drop(self.changed.wait_for(&mut state, time)),
                None => self.changed.wait(&mut state),
            }
        }
        state.woken = false;
    }
}

/// The session that triggers run in.
fn session(pid: i32, control: &Control) -> Arc<SessionShared> {
    let mut settings = Settings::default();
    settings.lock_timeout_ms = LOCK_TIMEOUT_MS;
    Arc::new(SessionShared {
        pid,
        session_id: SESSION_ID,
        settings: Mutex::new(settings),
        notices: Mutex::default(),
        talk: Mutex::default(),
        open_calls: Default::default(),
        cancel: control.cancel.clone(),
        client: None,
        encryption: None,
        plans: Mutex::default(),
        prepared: Mutex::default(),
        activity: Activity::new(catalog::SUPERUSER_OID),
        signals: Mutex::default(),
        inbox: Arc::default(),
        owed: Owed::default(),
        at_work: Mutex::default(),
    })
}

fn run(db: &Weak<Database>, control: &Control, session: &Arc<SessionShared>) {
    let mut place: Option<Place> = None;
    let mut pause = FIRST_PAUSE;
    while !control.is_stopping() {
        let Some(database) = db.upgrade() else { return };
        let step = catch_unwind(AssertUnwindSafe(|| {
            let place = match &mut place {
                Some(place) => place,
                None => place.insert(Place::load(&database)?),
            };
            place.step(&database, session)
        }));
        drop(database);
        // Nobody reads what functions print; their log has it.
        session.notices.lock().clear();
        let next = step.unwrap_or_else(|_| {
            *session.at_work.lock() = None;
            if let Some(place) = &mut place {
                place.breaks = Some(place.at);
            }
            Err(SqlError::internal("the worker for alerts panicked"))
        });
        match next {
            Ok(Next::More) => pause = FIRST_PAUSE,
            Ok(Next::Later) => control.wait(Some(TICK)),
            Ok(Next::Unneeded) => control.wait(None),
            Err(error) if control.is_stopping() => tracing::debug!(%error, "the worker for alerts was stopped"),
            Err(error) => {
                tracing::error!(%error, pause_ms = pause.as_millis(), "triggers on the audit log cannot go on");
                session.signals.lock().clear();
                control.wait(Some(pause));
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// When the worker looks again.
enum Next {
    /// At once.
    More,
    /// The log's end was reached.
    Later,
    /// When there are triggers.
    Unneeded,
}

/// How far the log has been worked off.
struct Place {
    /// The newest row that is done.
    done: u64,
    /// The row at hand.
    at: u64,
    /// The row that made the worker panic, and would again: it is passed over, and what came before it in its round is done anew.
    breaks: Option<u64>,
    stored: u64,
    stored_at: Instant,
    broken: Broken,
}

const KEY: [u8; 1] = [Space::AlertPlace as u8];

/// The first row of the log that triggers may still have to come to; None without triggers.
pub fn first_untold(db: &Database) -> Result<Option<u64>> {
    let catalog = db.catalog();
    let since = catalog
        .audit_triggers()
        .into_iter()
        .filter(|trigger| trigger.enabled)
        .map(|trigger| trigger.since)
        .min();
    let Some(since) = since else { return Ok(None) };
    Ok(Some(Place::load(db)?.done.saturating_add(1).max(since)))
}

impl Place {
    fn load(db: &Database) -> Result<Place> {
        let done = match db.store.begin(Isolation::ReadCommitted).get(&KEY)? {
            None => 0,
            Some(bytes) => <[u8; 8]>::try_from(&*bytes)
                .map(u64::from_be_bytes)
                .map_err(|_| SqlError::new(SqlState::DataCorrupted, "the place of alerts in the audit log is damaged"))?,
        };
        Ok(Place {
            done,
            at: done,
            breaks: None,
            stored: done,
            stored_at: Instant::now(),
            broken: Broken::new(),
        })
    }

    fn step(&mut self, db: &Arc<Database>, session: &Arc<SessionShared>) -> Result<Next> {
        // Before the catalog: a row that this covers finds every trigger that was there when it came.
        let newest = db.audit.last_id();
        let catalog = db.catalog();
        let triggers: Vec<Arc<AuditTrigger>> = catalog
            .audit_triggers()
            .into_iter()
            .filter(|trigger| trigger.enabled)
            .cloned()
            .collect();
        let Some(since) = triggers.iter().map(|trigger| trigger.since).min() else {
            self.store(db)?;
            return Ok(Next::Unneeded);
        };
        self.done = self.done.max(since.saturating_sub(1));
        let last = newest.min(self.done.saturating_add(ROWS_PER_ROUND));
        if last <= self.done {
            if self.stored_at.elapsed() >= SAVE_EVERY {
                self.store(db)?;
            }
            return Ok(Next::Later);
        }
        self.round(db, session, catalog, &triggers, last)?;
        if self.done - self.stored >= ROWS_PER_ROUND {
            self.store(db)?;
        }
        Ok(Next::More)
    }

    /// Works off rows in one transaction, up to `last`.
    fn round(
        &mut self,
        db: &Arc<Database>,
        session: &Arc<SessionShared>,
        catalog: Arc<Snapshot>,
        triggers: &[Arc<AuditTrigger>],
        last: u64,
    ) -> Result<()> {
        let open = Open::begin(db, session, Some(Isolation::ReadCommitted), Some(false));
        let mut round = Round::new(db, session, &open, catalog, triggers, &mut self.broken)?;
        // What retention has removed meanwhile is done, too.
        let mut done = last;
        let mut worked = Ok(());
        self.at = self.done;
        for row in db.audit.rows(self.done + 1, last) {
            let (id, row) = match row {
                Ok(found) => found,
                Err(error) => {
                    worked = Err(error);
                    break;
                }
            };
            // Nobody may silence the alarms by damaging a row of the log, or by taking it out.
            let missing = self.at + 1 < id && db.audit.first_id() <= self.at + 1;
            let broken = match &row {
                _ if missing => Some((self.at + 1, id - 1, SqlState::DataCorrupted)),
                Ok(_) if self.breaks == Some(id) => Some((id, id, SqlState::InternalError)),
                Ok(_) => None,
                Err(error) => Some((id, id, error.state())),
            };
            worked = match (broken, row) {
                // First what came before is committed: these are met again as the first of the next round.
                (Some((first, ..)), _) if first > self.done + 1 => {
                    done = first - 1;
                    break;
                }
                (Some((first, last, state)), _) => {
                    done = last;
                    worked = round.passed_over(first, last, state);
                    break;
                }
                (None, Err(error)) => Err(error),
                (None, Ok(row)) => {
                    self.at = id;
                    match row.event.session_id {
                        // What triggers do fires none.
                        Some(SESSION_ID) => Ok(()),
                        Some(_) | None => round.row(&row),
                    }
                }
            };
            if worked.is_err() {
                break;
            }
            if round.is_full() {
                done = self.at;
                break;
            }
        }
        round.finish();
        let fired = round.has_fired();
        drop(round);
        match (worked, fired) {
            (Ok(()), true) => {
                open.txn.put(KEY.to_vec(), done.to_be_bytes().to_vec())?;
                open.commit(db, session)?;
                (self.stored, self.stored_at) = (done, Instant::now());
            }
            (Ok(()), false) => open.roll_back(db, session),
            (Err(error), _) => {
                open.roll_back(db, session);
                return Err(error);
            }
        }
        self.done = done;
        Ok(())
    }

    fn store(&mut self, db: &Database) -> Result<()> {
        if self.stored != self.done {
            let txn = db.store.begin(Isolation::ReadCommitted);
            txn.put(KEY.to_vec(), self.done.to_be_bytes().to_vec())?;
            txn.commit()?;
            self.stored = self.done;
        }
        self.stored_at = Instant::now();
        Ok(())
    }
}
