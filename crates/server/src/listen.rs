//! The life of a server: an address is bound, connections are accepted and each given a thread,
//! and in the end all of them are asked to finish, then made to.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use types::{SqlError, SqlState};

use crate::connection::{self, End};
use crate::outgoing::Outgoing;
use crate::stream::Stream;
use crate::tls::{Tls, TlsError, TlsOptions};
use crate::watch::{self, Activity, Watched};
use engine::{Database, Session};

/// Statements nest, and planning and running them recurses over that nesting: the engine bounds
/// it to what this holds. Only touched pages cost memory.
pub const THREAD_STACK_BYTES: usize = 64 << 20;
/// Sockets beyond the sessions: clients that are still logging in, and cancel requests, which
/// have to get through when every session is taken.
const EXTRA_CONNECTIONS: usize = 100;
/// Sessions that only superusers get: somebody has to be able to end the others.
const SUPERUSER_RESERVED: usize = 3;
/// Pause after an accept that failed, for want of file descriptors say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long cancelled statements get to stop before their sockets are closed under them.
const CANCEL_GRACE: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
pub struct ServerOptions {
    pub listen: SocketAddr,
    /// Sessions at a time.
    pub max_connections: usize,
    /// The largest statement or parameter set that is accepted from a client.
    pub max_message_bytes: usize,
    /// From connecting to being logged in.
    pub authentication_timeout: Duration,
    /// None: who asks for TLS is told that there is none.
    pub tls: Option<TlsOptions>,
}

impl Default for ServerOptions {
    fn default() -> ServerOptions {
        ServerOptions {
            listen: SocketAddr::from(([127, 0, 0, 1], 5433)),
            max_connections: 100,
            max_message_bytes: 64 << 20,
            authentication_timeout: Duration::from_secs(60),
            tls: None,
        }
    }
}

/// What all connections of a server know.
pub struct Shared {
    pub database: Arc<Database>,
    pub options: ServerOptions,
    pub local_addr: SocketAddr,
    /// Drawn at each start; see [`crate::auth`].
    pub server_secret: [u8; 32],
    pub tls: Option<Tls>,
    draining: AtomicBool,
    stop_accepting: Notify,
    connections: Mutex<HashMap<u64, Place>>,
    one_left: Condvar,
}

/// A connection as the others see it.
struct Place {
    socket: Arc<TcpStream>,
    client: IpAddr,
    /// Logged in: it counts against `max_connections`.
    is_session: bool,
    watched: Option<Watched>,
}

#[derive(Debug)]
pub enum StartError {
    /// Beyond loopback without a password set.
    Unprotected(SocketAddr),
    Bind(SocketAddr, io::Error),
    Random,
    Tls(TlsError),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StartError::Unprotected(addr) => write!(
                f,
                "refusing to listen on {addr}: no password is set, so anybody who reaches that address would be the superuser; \
                 listen on a loopback address first and run: ALTER ROLE postgres PASSWORD '...'"
            ),
            StartError::Bind(addr, error) => write!(f, "could not listen on {addr}: {error}"),
            StartError::Random => f.write_str("the system has no random numbers"),
            StartError::Tls(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// A listening server. Dropping it stops it at once.
pub struct Server {
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(database: Arc<Database>, options: ServerOptions) -> Result<Server, StartError> {
        if !options.listen.ip().is_loopback() && !database.has_any_password() {
            return Err(StartError::Unprotected(options.listen));
        }
        let tls = options.tls.clone().map(Tls::load).transpose().map_err(StartError::Tls)?;
        let bind = |error| StartError::Bind(options.listen, error);
        let listener = std::net::TcpListener::bind(options.listen).map_err(bind)?;
        listener.set_nonblocking(true).map_err(bind)?;
        let local_addr = listener.local_addr().map_err(bind)?;
        let mut server_secret = [0; 32];
        getrandom::fill(&mut server_secret).map_err(|_| StartError::Random)?;
        let shared = Arc::new(Shared {
            database,
            options: options.clone(),
            local_addr,
            server_secret,
            tls,
            draining: AtomicBool::new(false),
            stop_accepting: Notify::new(),
            connections: Mutex::default(),
            one_left: Condvar::new(),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(bind)?;
        let for_acceptor = shared.clone();
        let acceptor = thread::Builder::new()
            .name("accept".into())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = accept(listener, &for_acceptor) => {}
                        () = watch::watch(&for_acceptor) => {}
                    }
                })
            })
            .map_err(bind)?;
        Ok(Server {
            shared,
            acceptor: Some(acceptor),
        })
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.shared.local_addr
    }

    /// Reads the certificate again, for the connections to come. False: there is none.
    pub fn reload_certificate(&self) -> Result<bool, TlsError> {
        match &self.shared.tls {
            None => Ok(false),
            Some(tls) => tls.reload().map(|()| true),
        }
    }

    /// Stops: no new connections, idle ones are told to go, running statements get `grace` to
    /// finish, are then cancelled, and at last cut off. Returns whether all ended in order.
    pub fn stop(mut self, grace: Duration) -> bool {
        self.stop_within(grace)
    }

    fn stop_within(&mut self, grace: Duration) -> bool {
        let Some(acceptor) = self.acceptor.take() else { return true };
        self.shared.draining.store(true, Ordering::SeqCst);
        self.shared.stop_accepting.notify_one();
        if acceptor.join().is_err() {
            tracing::error!("the accepting thread had panicked");
        }
        // The end of input wakes those who wait for a message; whoever runs a statement sees it after.
        self.shared.each_place(|place| drop(place.socket.shutdown(Shutdown::Read)));
        if self.shared.all_left_within(grace) {
            return true;
        }
        self.shared.database.cancel_all();
        if self.shared.all_left_within(CANCEL_GRACE) {
            return true;
        }
        self.shared.each_place(|place| drop(place.socket.shutdown(Shutdown::Both)));
        self.shared.all_left_within(CANCEL_GRACE)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop_within(Duration::ZERO);
    }
}

impl Shared {
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    /// A place among the sessions for a client that has logged in.
    pub fn take_session_place(&self, id: u64, is_superuser: bool) -> Result<(), End> {
        let mut connections = self.connections.lock();
        let taken = connections.values().filter(|place| place.is_session).count();
        let most = self.options.max_connections;
        if taken >= most {
            return Err(End::Refused(too_many()));
        }
        // Where there are hardly more than those, one is left for everybody.
        let reserved = SUPERUSER_RESERVED.min(most.saturating_sub(1));
        if !is_superuser && taken >= most - reserved {
            let message = "remaining connection slots are reserved for non-replication superuser connections";
            return Err(End::Refused(SqlError::new(SqlState::TooManyConnections, message).fatal()));
        }
        match connections.get_mut(&id) {
            Some(place) => place.is_session = true,
            // It was silent for too long, and others wanted in.
            None => return Err(End::Refused(too_many())),
        }
        Ok(())
    }

    /// From now on the client's leaving ends the session's statement. The connection tells the answer when it works.
    pub fn watch_session(&self, id: u64, session: &Session) -> Arc<Activity> {
        let activity = Arc::new(Activity::default());
        if let Some(place) = self.connections.lock().get_mut(&id) {
            place.watched = Some(Watched {
                socket: place.socket.clone(),
                activity: activity.clone(),
                cancel: session.cancel().clone(),
                end_overdue_calls: session.overdue_calls().into(),
            });
        }
        activity
    }

    /// The sessions, by the numbers of their connections.
    pub fn watched(&self) -> Vec<(u64, Watched)> {
        let connections = self.connections.lock();
        connections
            .iter()
            .filter_map(|(id, place)| Some((*id, place.watched.clone()?)))
            .collect()
    }

    fn each_place(&self, mut act: impl FnMut(&Place)) {
        self.connections.lock().values().for_each(&mut act);
    }

    fn all_left_within(&self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        let mut connections = self.connections.lock();
        while !connections.is_empty() {
            if self.one_left.wait_until(&mut connections, deadline).timed_out() {
                return connections.is_empty();
            }
        }
        true
    }

    /// Where all places are taken, the client that has not logged in for longest leaves, of the address that has most of them: a cancel
    /// request and who logs in at once come through, however many sockets somebody holds open.
    fn enter(&self, id: u64, socket: TcpStream, client: IpAddr) {
        let mut connections = self.connections.lock();
        if connections.len() >= self.options.max_connections.saturating_add(EXTRA_CONNECTIONS) {
            let mut waiting: HashMap<IpAddr, (usize, u64)> = HashMap::new();
            for (id, place) in connections.iter().filter(|(_, place)| !place.is_session) {
                let (count, oldest) = waiting.entry(place.client).or_insert((0, *id));
                *count += 1;
                *oldest = (*oldest).min(*id);
            }
            let leaves = waiting
                .into_values()
                .max_by_key(|(count, oldest)| (*count, std::cmp::Reverse(*oldest)));
            if let Some(place) = leaves.and_then(|(_, oldest)| connections.remove(&oldest)) {
                let _ = place.socket.shutdown(Shutdown::Both);
            }
        }
        connections.insert(
            id,
            Place {
                socket: Arc::new(socket),
                client,
                is_session: false,
                watched: None,
            },
        );
    }

    fn leave(&self, id: u64) {
        self.connections.lock().remove(&id);
        self.one_left.notify_all();
    }
}

fn too_many() -> SqlError {
    SqlError::new(SqlState::TooManyConnections, "sorry, too many clients already").fatal()
}

async fn accept(listener: std::net::TcpListener, shared: &Arc<Shared>) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "cannot accept connections"),
    };
    for id in 0.. {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.stop_accepting.notified() => return,
        };
        let started = match accepted {
            Ok((socket, client)) => start_connection(id, socket, client, shared),
            Err(error) => Err(error),
        };
        if let Err(error) = started {
            tracing::warn!(%error, "could not accept a connection");
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }
}

fn start_connection(id: u64, socket: tokio::net::TcpStream, client: SocketAddr, shared: &Arc<Shared>) -> io::Result<()> {
    let socket = socket.into_std()?;
    socket.set_nonblocking(false)?;
    shared.enter(id, socket.try_clone()?, client.ip());
    let for_thread = shared.clone();
    let started = thread::Builder::new()
        .name(format!("connection {id}"))
        .stack_size(THREAD_STACK_BYTES)
        .spawn(move || {
            // Whatever happens to this connection, the server goes on and the place is given back.
            let served = catch_unwind(AssertUnwindSafe(|| match (socket.try_clone(), Stream::new(socket)) {
                (Ok(spare), Ok(stream)) => {
                    let is_encrypted = stream.is_encrypted();
                    let served = catch_unwind(AssertUnwindSafe(|| connection::serve(id, stream, client, &for_thread)));
                    if served.is_err() && !is_encrypted.load(Ordering::SeqCst) {
                        let mut out = Outgoing::default();
                        out.error(&SqlError::internal("internal error, the connection is closed; see the server's log").fatal());
                        let _ = out.flush(&mut &spare);
                    }
                }
                (_, Err(error)) | (Err(error), _) => tracing::warn!(%client, %error, "could not serve a connection"),
            }));
            for_thread.leave(id);
            if served.is_err() {
                tracing::error!(%client, "a connection's thread panicked");
            }
        });
    if started.is_err() {
        shared.leave(id);
    }
    started.map(drop)
}
