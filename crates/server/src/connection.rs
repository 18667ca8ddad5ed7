//! The life of one connection, on a thread of its own.
//!
//! Bytes arrive ([`crate::incoming`]) and become a hello ([`crate::startup`]): a cancel request
//! does its work and is gone; a startup packet takes the client through authentication
//! ([`crate::auth`]) to a place among the sessions. From then on one message after another is
//! read ([`crate::frontend`]), handed to the simple or the extended protocol
//! ([`simple`](crate::simple), [`extended`](crate::extended)), and answered ([`crate::outgoing`]),
//! until the client leaves, the server stops, or the connection breaks.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use types::{SqlError, SqlState};

use crate::auth;
use crate::extended::Extended;
use crate::frontend::{Kind, Message};
use crate::incoming::{Broken, Frame, Incoming};
use crate::listen::Shared;
use crate::outgoing::Outgoing;
use crate::startup::{self, Hello};
use crate::stream::{LINGER, Stream};
use crate::structure::violation;
use crate::watch::Activity;
use engine::{ConnectOptions, Session, TransactionStatus};

/// How long a notification waits at most for a session that does nothing else.
const LISTEN_TICK: Duration = Duration::from_millis(20);

/// A connection with a session.
pub struct Connection {
    pub stream: Stream,
    pub incoming: Incoming,
    pub out: Outgoing,
    pub session: Session,
    pub extended: Extended,
    /// After an error in the extended protocol, everything up to the next Sync is ignored.
    skip_until_sync: bool,
    activity: Arc<Activity>,
}

/// How a connection ends.
pub enum End {
    /// The client said goodbye, or closed between messages.
    Left,
    Lost(io::Error),
    /// The client is told this, and the connection is closed.
    Refused(SqlError),
}

impl From<Broken> for End {
    fn from(broken: Broken) -> End {
        match broken {
            Broken::Closed => End::Left,
            Broken::Lost(error) => End::Lost(error),
            Broken::Violation(error) => End::Refused(error.fatal()),
        }
    }
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> End {
        End::Lost(error)
    }
}

/// Serves one client from its first byte to its last.
pub fn serve(id: u64, mut stream: Stream, client: SocketAddr, shared: &Arc<Shared>) {
    let mut out = Outgoing::default();
    let end = match open(id, &mut stream, client, shared, &mut out) {
        Ok(None) => End::Left,
        Ok(Some((session, incoming))) => {
            tracing::debug!(client = %client, pid = session.pid(), "session opened");
            let mut connection = Connection {
                activity: shared.watch_session(id, &session),
                stream,
                incoming,
                out,
                session,
                extended: Extended::default(),
                skip_until_sync: false,
            };
            let end = connection.converse(shared);
            let Connection {
                stream: stream_back,
                out: out_back,
                session,
                extended,
                ..
            } = connection;
            // Suspended portals hold what they read from; they go before their session.
            drop(extended);
            drop(session);
            (stream, out) = (stream_back, out_back);
            end
        }
        Err(end) => {
            // Long enough to read why, whatever came before.
            let last = stream.set_deadline(Some(Instant::now() + LINGER));
            last.map_or_else(End::Lost, |()| end)
        }
    };
    match end {
        End::Left => tracing::debug!(client = %client, "connection closed"),
        End::Lost(error) => tracing::debug!(client = %client, %error, "connection lost"),
        End::Refused(error) => {
            tracing::info!(client = %client, sqlstate = error.state().code(), "{}", error.message());
            out.error(&error);
            if out.flush(&mut stream).is_ok() {
                stream.close();
            }
        }
    }
}

/// Everything before the first ReadyForQuery. None: it was a cancel request.
fn open(
    id: u64,
    stream: &mut Stream,
    client: SocketAddr,
    shared: &Arc<Shared>,
    out: &mut Outgoing,
) -> Result<Option<(Session, Incoming)>, End> {
    let deadline = Instant::now() + shared.options.authentication_timeout;
    let mut incoming = Incoming::new(shared.options.max_message_bytes);
    stream.set_deadline(Some(deadline))?;
    let startup = match startup::greet(stream, client, shared.tls.as_ref(), &mut incoming, out).map_err(in_time)? {
        Hello::Cancel { pid, secret } => {
            shared.database.cancel(pid, secret);
            return Ok(None);
        }
        Hello::Start(startup) => startup,
    };
    if shared.is_draining() {
        return Err(End::Refused(
            SqlError::new(SqlState::CannotConnectNow, "the database system is shutting down").fatal(),
        ));
    }
    let circumstances = auth::Circumstances {
        database: &shared.database,
        client,
        loopback: shared.local_addr.ip().is_loopback(),
        server_secret: &shared.server_secret,
        must_encrypt: shared.tls.as_ref().is_some_and(|tls| tls.required().binds(client.ip())),
        encrypted: stream.encryption().is_some(),
        end_point: stream.end_point(),
    };
    let verdict = auth::authenticate(&startup, &circumstances, stream, &mut incoming, out).map_err(in_time);
    let user = startup.user.clone();
    let opened = verdict.and_then(|()| {
        stream.set_deadline(None)?;
        let is_superuser = shared.database.catalog().role(&startup.user).is_none_or(|role| role.superuser);
        shared.take_session_place(id, is_superuser)?;
        let options = ConnectOptions {
            user: startup.user,
            database: startup.database,
            settings: startup.settings,
            client: Some(client),
            encryption: stream.encryption(),
        };
        shared.database.connect(options).map_err(|error| End::Refused(error.fatal()))
    });
    // On record before the client learns it. A success that cannot be recorded is a refusal.
    let recorded = match &opened {
        Ok(session) => session.record_login(),
        Err(End::Refused(error)) => shared.database.record_refused_login(&user, Some(client), error),
        // psql leaves when it is asked for a password that it has not got, and comes back with it.
        Err(End::Left | End::Lost(_)) => Ok(()),
    };
    let session = opened?;
    recorded.map_err(|error| End::Refused(error.fatal()))?;

    out.authentication_ok();
    for (name, value) in session.parameter_status() {
        out.parameter_status(&name, &value);
    }
    out.backend_key_data(session.pid(), session.secret_key());
    Ok(Some((session, incoming)))
}

/// A read that met the deadline is the authentication timeout, not a lost connection.
fn in_time(broken: Broken) -> End {
    match broken {
        Broken::Lost(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
            End::Refused(SqlError::new(SqlState::QueryCanceled, "canceling authentication due to timeout").fatal())
        }
        other => other.into(),
    }
}

impl Connection {
    /// Message after message, from the first ReadyForQuery on.
    fn converse(&mut self, shared: &Shared) -> End {
        let end = match self.ready().and_then(|()| self.rounds(shared)) {
            Ok(end) => end,
            Err(end) => end,
        };
        match (end, self.session.settle_audit()) {
            // What has gathered leaves with the last word.
            (End::Refused(_), Err(error)) => {
                self.out.discard();
                End::Refused(error.fatal())
            }
            (end, Ok(()) | Err(_)) => end,
        }
    }

    fn rounds(&mut self, shared: &Shared) -> Result<End, End> {
        let activity = self.activity.clone();
        loop {
            if shared.is_draining() && !self.incoming.has_more() {
                let message = "terminating connection due to administrator command";
                return Ok(End::Refused(SqlError::new(SqlState::AdminShutdown, message).fatal()));
            }
            if self.session.is_listening() && !self.incoming.has_more() && !self.hear(shared)? {
                continue;
            }
            if !self.incoming.has_more()
                && let Some((limit, error)) = self.session.idle_limit()
                && !self.stream.wait_for_input(limit)?
            {
                return Ok(End::Refused(error));
            }
            let frame = match self.incoming.next(&mut self.stream) {
                // A stopping server wakes the reads of idle connections by ending their input.
                Err(Broken::Closed | Broken::Lost(_)) if shared.is_draining() => continue,
                other => other?,
            };
            let _working = activity.begin();
            let (kind, read) = match frame {
                Frame::Message { kind, body } => (kind, Message::read(kind, body)),
                Frame::TooLong { kind, length } => (kind, Err(too_long(length, shared.options.max_message_bytes))),
            };
            if kind == Kind::Terminate {
                return Ok(End::Left);
            }
            if self.skip_until_sync && kind != Kind::Sync {
                continue;
            }
            let handled = match read {
                Ok(message) => self.handle(message)?,
                Err(_) if kind == Kind::CopyData => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = handled {
                self.fail(kind, error)?;
            }
        }
    }

    /// An idle session that listens: tells its client what comes, until the client says something. False: the
    /// server is stopping.
    fn hear(&mut self, shared: &Shared) -> Result<bool, End> {
        let began = Instant::now();
        loop {
            if self.session.transaction_status() == TransactionStatus::Idle {
                self.report_notifications();
                self.flush()?;
            }
            if self.stream.wait_for_input(LISTEN_TICK)? {
                return Ok(true);
            }
            if shared.is_draining() {
                return Ok(false);
            }
            if let Some((limit, error)) = self.session.idle_limit()
                && began.elapsed() >= limit
            {
                return Err(End::Refused(error));
            }
        }
    }

    /// Between transactions only, as in PostgreSQL.
    fn report_notifications(&mut self) {
        for notification in self.session.take_notifications() {
            self.out.notification(&notification);
        }
    }

    /// Carries a message out. The outer error ends the connection, the inner one is the client's.
    fn handle(&mut self, message: Message) -> Result<types::Result<()>, End> {
        Ok(match message {
            Message::Query(query) => return self.simple_query(&query.query),
            Message::Parse(parse) => self.parse(parse),
            Message::Bind(bind) => self.bind(bind),
            Message::Describe(target) => self.describe(target),
            Message::Execute(execute) => return self.execute(execute),
            Message::Close(target) => self.close(target),
            Message::Flush => {
                self.report_notices();
                self.flush()?;
                Ok(())
            }
            Message::Sync => {
                self.skip_until_sync = false;
                // What reads in an implicit transaction stops before that is committed.
                if self.session.transaction_status() == TransactionStatus::Idle {
                    self.close_portals();
                }
                if let Err(error) = self.session.finish() {
                    self.report(&error)?;
                }
                self.ready()?;
                Ok(())
            }
            Message::FunctionCall => Err(SqlError::unsupported("the function call protocol")),
            // Left over from a COPY that failed: the protocol wants them dropped.
            Message::CopyData | Message::CopyDone | Message::CopyFail => Ok(()),
            Message::Password => return Err(Broken::Violation(violation("unexpected password message")).into()),
            // The loop has dealt with it.
            Message::Terminate => Ok(()),
        })
    }

    /// An error outside of a simple query, which ends its own errors itself.
    fn fail(&mut self, kind: Kind, error: SqlError) -> Result<(), End> {
        self.report(&error)?;
        if kind.is_extended() {
            self.skip_until_sync = true;
            // The client may have asked with Flush, which is skipped, and wait for this before its Sync.
            return self.flush();
        }
        if let Err(error) = self.session.finish() {
            self.report(&error)?;
        }
        self.ready()
    }

    /// Tells the client, and the session whose transaction it spoils.
    pub fn report(&mut self, error: &SqlError) -> Result<(), End> {
        self.session.statement_done(Err(error));
        self.report_notices();
        if error.fields().fatal {
            return Err(End::Refused(error.clone()));
        }
        if error.state() == SqlState::InternalError {
            tracing::error!(pid = self.session.pid(), "{}", error.message());
        }
        self.out.error(error);
        Ok(())
    }

    pub fn report_notices(&mut self) {
        for notice in self.session.take_notices() {
            self.out.notice(&notice);
        }
    }

    /// The end of a cycle: everything gathered leaves, in one write.
    pub fn ready(&mut self) -> Result<(), End> {
        let status = self.session.transaction_status();
        if status == TransactionStatus::Idle {
            self.close_portals();
        }
        self.report_notices();
        for (name, value) in self.session.changed_parameters() {
            self.out.parameter_status(&name, &value);
        }
        if status == TransactionStatus::Idle {
            self.report_notifications();
        }
        self.out.ready_for_query(status);
        self.flush()
    }

    /// Streams what has gathered of a large result.
    pub fn flush_if_full(&mut self) -> Result<(), End> {
        if self.out.is_full() {
            self.flush()?;
        }
        Ok(())
    }

    /// The one way to the client: nothing is told before the audit rows are durable that have to be.
    fn flush(&mut self) -> Result<(), End> {
        if let Err(error) = self.session.settle_audit() {
            self.out.discard();
            return Err(End::Refused(error.fatal()));
        }
        Ok(self.out.flush(&mut self.stream)?)
    }
}

fn too_long(length: usize, limit: usize) -> SqlError {
    SqlError::new(
        SqlState::ProgramLimitExceeded,
        format!("message of {length} bytes exceeds the limit of {limit} bytes"),
    )
    .hint("The server's option --max-message-bytes sets the limit.")
}
