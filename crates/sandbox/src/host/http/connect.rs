//! From a host's name to a connection: the name is looked up, each address is put to the gate, and the connection goes to
//! an address that was allowed, whatever the name means a moment later.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use policy::{Connect, Gate, Host, Permit, ResolveHost};

use super::Trouble;
use crate::meter::Watch;

/// How long a wait goes on before it looks at its end again.
const LOOK: Duration = Duration::from_millis(10);
/// One address gets no longer, so that the next one gets its turn.
const MAX_CONNECT: Duration = Duration::from_secs(10);
/// Of one name.
const MAX_ADDRESSES: usize = 8;
/// Threads that may wait for name servers and handshakes at once, those included whose calls have ended meanwhile.
const MAX_WAITING: usize = 64;
/// Those of one function, in all its calls: others get their turn, whatever it gives up.
const MAX_WAITING_OF_ONE: usize = 16;

/// How many wait, by the function; none is zero.
static WAITING: Mutex<BTreeMap<Arc<str>, usize>> = Mutex::new(BTreeMap::new());

/// How long a request may take.
#[derive(Clone)]
pub struct Patience {
    watch: Watch,
    timeout: Option<(Instant, Duration)>,
}

impl Patience {
    pub fn new(watch: Watch, timeout: Option<Duration>) -> Patience {
        let until = |timeout| Instant::now().checked_add(timeout).map(|until| (until, timeout));
        Patience {
            watch,
            timeout: timeout.and_then(until),
        }
    }

    /// How long it lasts at most.
    fn left(&self) -> Duration {
        let end = self
            .timeout
            .map_or(self.watch.deadline(), |(until, _)| until.min(self.watch.deadline()));
        end.saturating_duration_since(Instant::now())
    }

    pub fn check(&self) -> Result<(), Trouble> {
        if self.watch.is_over() {
            return Err(Trouble::Over);
        }
        match self.timeout {
            Some((until, timeout)) if Instant::now() >= until => Err(Trouble::TimedOut(timeout)),
            Some(_) | None => Ok(()),
        }
    }
}

/// An open connection to an address that the gate has allowed.
pub struct Connection {
    stream: TcpStream,
    permit: Permit<Connect>,
}

impl Connection {
    pub fn address(&self) -> SocketAddr {
        let Connect { endpoint, address } = self.permit.asked();
        SocketAddr::new(*address, endpoint.port)
    }

    pub fn into_stream(self) -> TcpStream {
        self.stream
    }
}

pub fn connect(gate: &Gate, resolve: Permit<ResolveHost>, patience: &Patience) -> Result<Connection, Trouble> {
    let function = &gate.function().reference;
    let addresses = look_up(function, &resolve, patience)?;
    let endpoint = resolve.into_asked().0;
    let mut last = Trouble::Failed("its name has no address".to_string());
    for address in addresses {
        let permit = gate.check(Connect {
            endpoint: endpoint.clone(),
            address,
        })?;
        match open(function, &permit, patience) {
            Ok(stream) => return Ok(Connection { stream, permit }),
            Err(trouble @ Trouble::Failed(_)) => last = trouble,
            Err(trouble) => return Err(trouble),
        }
    }
    Err(last)
}

fn look_up(function: &Arc<str>, permit: &Permit<ResolveHost>, patience: &Patience) -> Result<Vec<IpAddr>, Trouble> {
    let endpoint = &permit.asked().0;
    let name = match &endpoint.host {
        Host::Address(address) => return Ok(vec![*address]),
        Host::Name(name) => name.clone(),
    };
    let port = endpoint.port;
    let found = in_background(function, patience, move || {
        (name.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<SocketAddr>>)
    })?;
    let found = found.map_err(|error| Trouble::Failed(format!("its name cannot be looked up: {error}")))?;
    let mut addresses = Vec::new();
    for address in found {
        let address = address.ip().to_canonical();
        if !addresses.contains(&address) && addresses.len() < MAX_ADDRESSES {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

fn open(function: &Arc<str>, permit: &Permit<Connect>, patience: &Patience) -> Result<TcpStream, Trouble> {
    let Connect { endpoint, address } = permit.asked();
    let address = SocketAddr::new(*address, endpoint.port);
    // The attempt ends with what waits for it.
    let time = patience.left().min(MAX_CONNECT).max(Duration::from_millis(1));
    let opened = in_background(function, patience, move || TcpStream::connect_timeout(&address, time));
    // Whichever of the two noticed first.
    patience.check()?;
    let opened = opened?;
    opened.map_err(|error| Trouble::Failed(format!("no connection: {error}")))
}

/// Runs what cannot be interrupted on a thread of its own, and waits for it no longer than the patience lasts.
fn in_background<T: Send + 'static>(
    function: &Arc<str>,
    patience: &Patience,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Trouble> {
    let waiting = Waiting::one_more(function)?;
    let (sender, receiver) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name("function-network".into()).spawn(move || {
        let _waiting = waiting;
        // Nobody may be there any longer.
        let _ = sender.send(work());
    });
    thread.map_err(|error| Trouble::Failed(format!("no thread to wait on: {error}")))?;
    loop {
        match receiver.recv_timeout(LOOK) {
            Ok(done) => return Ok(done),
            Err(RecvTimeoutError::Timeout) => patience.check()?,
            Err(RecvTimeoutError::Disconnected) => return Err(Trouble::Failed("the thread that waited has ended".to_string())),
        }
    }
}

struct Waiting {
    function: Arc<str>,
}

impl Waiting {
    fn one_more(function: &Arc<str>) -> Result<Waiting, Trouble> {
        let mut waiting = WAITING.lock();
        let own = waiting.get(function).copied().unwrap_or(0);
        if own >= MAX_WAITING_OF_ONE || waiting.values().sum::<usize>() >= MAX_WAITING {
            return Err(Trouble::Failed("too many connections are being opened at once".to_string()));
        }
        waiting.insert(function.clone(), own + 1);
        Ok(Waiting {
            function: function.clone(),
        })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waiting = WAITING.lock();
        if let Some(count) = waiting.get_mut(&self.function) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&self.function);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_function_does_not_take_all_places() {
        let of = |function: &str| Waiting::one_more(&Arc::from(function));
        let greedy: Vec<Waiting> = (0..MAX_WAITING_OF_ONE).map(|_| of("greedy").ok().unwrap()).collect();
        assert!(of("greedy").is_err());
        assert!(of("modest").is_ok(), "another one still gets a place");
        drop(greedy);
        assert!(of("greedy").is_ok());
    }
}
