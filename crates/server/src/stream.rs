//! The socket of a connection, and the encryption on it once a client has asked for that.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustls::ServerConnection;

use crate::tls::{Identity, cipher};

/// How long a refused client gets to read why, and how much of what it still sends is swallowed.
pub const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 64 << 20;

/// A blocking byte stream to one client.
pub struct Stream {
    socket: Socket,
    tls: Option<Box<Tls>>,
    is_encrypted: Arc<AtomicBool>,
}

impl Stream {
    pub fn new(socket: TcpStream) -> io::Result<Stream> {
        socket.set_nodelay(true)?;
        let socket = Socket { socket, deadline: None };
        Ok(Stream {
            socket,
            tls: None,
            is_encrypted: Arc::default(),
        })
    }

    /// Reads and writes fail with `WouldBlock` or `TimedOut` once the deadline has passed, however slowly the bytes
    /// drip; None waits for ever.
    pub fn set_deadline(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        self.socket.deadline = deadline;
        self.socket.socket.set_read_timeout(None)?;
        self.socket.socket.set_write_timeout(None)
    }

    /// The handshake of a client that has been told to begin it. After an error nothing can be said to the client.
    pub fn encrypt(&mut self, identity: Arc<Identity>) -> io::Result<()> {
        self.is_encrypted.store(true, Ordering::SeqCst);
        let connection = identity.accept().map_err(io::Error::other)?;
        let mut tls = Tls { connection, identity };
        while tls.connection.is_handshaking() {
            if tls.receive(&mut self.socket)? == 0 && tls.connection.is_handshaking() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        tls.send(&mut self.socket)?;
        self.tls = Some(Box::new(tls));
        Ok(())
    }

    /// Set from the first byte of a handshake on: what is written past this stream would only break it.
    pub fn is_encrypted(&self) -> Arc<AtomicBool> {
        self.is_encrypted.clone()
    }

    pub fn encryption(&self) -> Option<engine::Encryption> {
        self.tls.as_ref().map(|tls| cipher::describe(&tls.connection))
    }

    /// What a password's proof can be bound to.
    pub fn end_point(&self) -> Option<Vec<u8>> {
        self.tls.as_ref()?.identity.end_point().map(<[u8]>::to_vec)
    }

    /// Waits for input, or for the client's end of it, no longer than this.
    pub fn wait_for_input(&mut self, at_most: Duration) -> io::Result<bool> {
        if self.tls.as_mut().is_some_and(|tls| tls.has_input()) {
            return Ok(true);
        }
        let socket = &mut self.socket.socket;
        socket.set_read_timeout(Some(at_most))?;
        let seen = match &mut self.tls {
            None => socket.peek(&mut [0]).map(|_| true),
            // What has arrived may be a part of a record, or a record that is not for us.
            Some(tls) => tls.receive(socket).map(|_| tls.has_input()),
        };
        self.socket.socket.set_read_timeout(None)?;
        match seen {
            Err(error) if is_wait(&error) => Ok(false),
            other => other,
        }
    }

    /// Closes so that the last message arrives: unread input would make the system reset the
    /// connection, and the client would lose the error that it was just sent.
    pub fn close(&mut self) {
        let deadline = Instant::now() + LINGER;
        if self.set_deadline(Some(deadline)).is_err() {
            return;
        }
        if let Some(tls) = &mut self.tls {
            tls.connection.send_close_notify();
            if tls.send(&mut self.socket).is_err() {
                return;
            }
        }
        if self.socket.socket.shutdown(Shutdown::Write).is_err() {
            return;
        }
        let mut swallowed = 0;
        let mut sink = vec![0; 64 << 10];
        while swallowed < LINGER_BYTES {
            match self.socket.read(&mut sink) {
                Ok(0) | Err(_) => break,
                Ok(count) => swallowed += count,
            }
        }
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.socket.read(into),
            Some(tls) => tls.read(&mut self.socket, into),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.socket.write(from),
            Some(tls) => tls.write(&mut self.socket, from),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            None => self.socket.flush(),
            Some(tls) => tls.send(&mut self.socket),
        }
    }
}

/// The bytes as they are on the wire. Each single read and write ends by the deadline.
struct Socket {
    socket: TcpStream,
    deadline: Option<Instant>,
}

impl Socket {
    /// None where there is no deadline.
    fn time_left(&self) -> io::Result<Option<Duration>> {
        let Some(deadline) = self.deadline else { return Ok(None) };
        match deadline.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => Ok(Some(left.max(Duration::from_millis(1)))),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if let left @ Some(_) = self.time_left()? {
                self.socket.set_read_timeout(left)?;
            }
            match self.socket.read(into) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }
}

impl Write for Socket {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        if let left @ Some(_) = self.time_left()? {
            self.socket.set_write_timeout(left)?;
        }
        self.socket.write(from)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

fn is_wait(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted)
}

/// The encryption of a stream.
struct Tls {
    connection: ServerConnection,
    /// With which it began; a reload changes that of later connections only.
    identity: Arc<Identity>,
}

impl Tls {
    fn read(&mut self, socket: &mut Socket, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.connection.reader().read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.receive(socket)?,
                // Closed without TLS's goodbye. Messages carry their lengths, so nothing passes for whole that was cut off.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                done => return done,
            };
        }
    }

    fn write(&mut self, socket: &mut Socket, from: &[u8]) -> io::Result<usize> {
        let taken = self.connection.writer().write(from)?;
        self.send(socket)?;
        Ok(taken)
    }

    /// One read off the socket; what it completes is decrypted, and answered where TLS itself wants an answer. 0 at
    /// the end of input.
    fn receive(&mut self, socket: &mut (impl Read + Write)) -> io::Result<usize> {
        let count = self.connection.read_tls(socket)?;
        let processed = self.connection.process_new_packets();
        // Of an error the client is told by an alert, if it can be.
        let sent = self.send(socket);
        processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        sent?;
        Ok(count)
    }

    fn send(&mut self, socket: &mut impl Write) -> io::Result<()> {
        while self.connection.wants_write() {
            self.connection.write_tls(socket)?;
        }
        Ok(())
    }

    /// Whether a read would return at once: with bytes, or with the end of input.
    fn has_input(&mut self) -> bool {
        let seen = self.connection.reader().into_first_chunk();
        !matches!(seen, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}
