//! One request and its response over a connection that is open already. The library speaks HTTP and TLS; it is given this one
//! connection and has no way to open another, follow a redirect or find a proxy.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use policy::{Permit, UseHttp};
use types::Datum;
use ureq::config::Config;
use ureq::http::{HeaderMap, Method, Request, StatusCode, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, RustlsConnector, Transport};
use ureq::{Agent, Body};

use super::Trouble;
use super::connect::{Connection, Patience};
use super::options::Ask;
use super::url::Url;
use crate::context::TrustedRoots;

const USER_AGENT: &str = concat!("parhelion/", env!("CARGO_PKG_VERSION"));
/// Of a response.
const MAX_HEADER_BYTES: usize = 65_536;
const BUFFER_BYTES: usize = 32 << 10;
/// How long a read or write waits before the request's patience is asked again.
const LOOK: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    /// Names in lower case; the values of one name that comes several times are joined, as HTTP has it.
    pub fn headers(&self) -> impl Iterator<Item = (&str, String)> {
        self.headers.keys().map(|name| {
            let values = self.headers.get_all(name).iter();
            let values: Vec<String> = values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
            (name.as_str(), values.join(", "))
        })
    }

    /// Text where it is UTF-8, bytes where it is not.
    pub fn body(&self) -> Datum {
        match std::str::from_utf8(&self.body) {
            Ok(text) => Datum::text(text),
            Err(_) => Datum::Bytea(self.body.clone()),
        }
    }
}

pub fn exchange(
    _permit: &Permit<UseHttp>,
    connection: Connection,
    url: &Url,
    ask: &Ask,
    roots: &TrustedRoots,
    most: u64,
    patience: &Patience,
) -> Result<Reply, Trouble> {
    let address = connection.address();
    let wire = Wire::new(connection.into_stream(), patience.clone()).map_err(|error| Trouble::Failed(format!("no connection: {error}")))?;
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .user_agent(USER_AGENT)
        .max_response_header_size(MAX_HEADER_BYTES)
        .max_idle_connections(0)
        .tls_config(tls(url, roots)?)
        .build();
    let agent = Agent::with_parts(
        config,
        Given(Mutex::new(Some(wire))).chain(RustlsConnector::default()),
        Pinned(address),
    );
    let mut request = Request::builder().method(ask.method.clone()).uri(url.text());
    if let Some(headers) = request.headers_mut() {
        *headers = ask.headers.clone();
    }
    // Methods that are about a body send one, if an empty one.
    let wants_body = matches!(ask.method, Method::POST | Method::PUT | Method::PATCH);
    let sent = match (&ask.body, wants_body) {
        (Some(body), _) => request.body(body.clone()).map(|request| agent.run(request)),
        (None, true) => request.body(Vec::new()).map(|request| agent.run(request)),
        (None, false) => request.body(()).map(|request| agent.run(request)),
    };
    let response = match sent {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(trouble(&error, patience)),
        Err(error) => return Err(Trouble::Failed(error.to_string())),
    };
    let (parts, body) = response.into_parts();
    Ok(Reply {
        status: parts.status,
        headers: parts.headers,
        body: read_body(body, most, patience)?,
    })
}

fn read_body(body: Body, most: u64, patience: &Patience) -> Result<Vec<u8>, Trouble> {
    let mut reader = body.into_reader();
    let mut read = Vec::new();
    let mut piece = vec![0; BUFFER_BYTES];
    loop {
        patience.check()?;
        match reader.read(&mut piece) {
            Ok(0) => return Ok(read),
            Ok(length) => read.extend_from_slice(piece.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                patience.check()?;
                return Err(Trouble::Failed(format!("the response breaks off: {error}")));
            }
        }
        if read.len() as u64 > most {
            return Err(Trouble::TooLarge(most));
        }
    }
}

/// What the library says, unless it is only that our patience has ended.
fn trouble(error: &ureq::Error, patience: &Patience) -> Trouble {
    match patience.check() {
        Err(trouble) => trouble,
        Ok(()) => Trouble::Failed(error.to_string()),
    }
}

fn tls(url: &Url, roots: &TrustedRoots) -> Result<TlsConfig, Trouble> {
    let certificates: Vec<Certificate<'static>> = match url.is_https() {
        false => vec![],
        true => {
            let roots = roots
                .certificates()
                .map_err(|why| Trouble::Failed(format!("the server's certificate authorities cannot be read: {why}")))?;
            if roots.is_empty() {
                return Err(Trouble::Failed("this server trusts no certificate authority".to_string()));
            }
            roots.iter().map(|der| Certificate::from_der(der).to_owned()).collect()
        }
    };
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(certificates)))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build())
}

/// Hands out the one connection that there is.
struct Given(Mutex<Option<Wire>>);

impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Given")
    }
}

impl Connector for Given {
    type Out = Wire;

    fn connect(&self, _: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<Wire>, ureq::Error> {
        match self.0.lock().take() {
            Some(wire) => Ok(Some(wire)),
            None => Err(ureq::Error::ConnectionFailed),
        }
    }
}

/// Every name is the address that the connection goes to.
#[derive(Debug)]
struct Pinned(SocketAddr);

impl Resolver for Pinned {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut addresses = self.empty();
        addresses.push(self.0);
        Ok(addresses)
    }
}

/// A connection whose reads and writes wait no longer than the request may.
struct Wire {
    stream: TcpStream,
    buffers: LazyBuffers,
    patience: Patience,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wire")
    }
}

impl Wire {
    fn new(stream: TcpStream, patience: Patience) -> io::Result<Wire> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LOOK))?;
        stream.set_write_timeout(Some(LOOK))?;
        Ok(Wire {
            stream,
            buffers: LazyBuffers::new(BUFFER_BYTES, BUFFER_BYTES),
            patience,
        })
    }

    /// Whether the wait goes on after this error.
    fn goes_on(&self, error: &io::Error) -> Result<(), ureq::Error> {
        let waited = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted);
        if !waited {
            return Err(ureq::Error::Io(io::Error::new(error.kind(), error.to_string())));
        }
        self.patience
            .check()
            .map_err(|_| ureq::Error::Io(io::Error::new(ErrorKind::TimedOut, "the request's time is up")))
    }
}

impl Transport for Wire {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        let mut written = 0;
        while written < amount {
            let rest = self.buffers.output().get(written..amount).unwrap_or_default();
            match (&self.stream).write(rest) {
                Ok(0) => return Err(ureq::Error::Io(ErrorKind::WriteZero.into())),
                Ok(length) => written += length,
                Err(error) => self.goes_on(&error)?,
            }
        }
        Ok(())
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        loop {
            let read = (&self.stream).read(self.buffers.input_append_buf());
            match read {
                Ok(length) => {
                    self.buffers.input_appended(length);
                    return Ok(length > 0);
                }
                Err(error) => self.goes_on(&error)?,
            }
        }
    }

    fn is_open(&mut self) -> bool {
        // Never used twice.
        false
    }
}
