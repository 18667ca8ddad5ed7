//! The socket of a connection.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// How long a refused client gets to read why, and how much of what it still sends is swallowed.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 64 << 20;

/// A blocking byte stream to one client.
#[derive(Debug)]
pub struct Stream {
    socket: TcpStream,
}

impl Stream {
    pub fn new(socket: TcpStream) -> io::Result<Stream> {
        socket.set_nodelay(true)?;
        Ok(Stream { socket })
    }

    /// Reads fail with `WouldBlock` or `TimedOut` once the deadline has passed; None waits for ever.
    pub fn set_read_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)));
        self.socket.set_read_timeout(left)
    }

    /// Waits for input, or for the client's end of it, no longer than this.
    pub fn wait_for_input(&self, at_most: Duration) -> io::Result<bool> {
        self.socket.set_read_timeout(Some(at_most))?;
        let seen = self.socket.peek(&mut [0]);
        self.socket.set_read_timeout(None)?;
        match seen {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Closes so that the last message arrives: unread input would make the system reset the
    /// connection, and the client would lose the error that it was just sent.
    pub fn close(&mut self) {
        if self.socket.shutdown(Shutdown::Write).is_err() {
            return;
        }
        let deadline = Instant::now() + LINGER;
        let mut swallowed = 0;
        let mut sink = vec![0; 64 << 10];
        while swallowed < LINGER_BYTES && Instant::now() < deadline && self.set_read_deadline(Some(deadline)).is_ok() {
            match self.socket.read(&mut sink) {
                Ok(0) | Err(_) => break,
                Ok(count) => swallowed += count,
            }
        }
    }
}

/// A stream whose reads all end by one moment, however slowly the bytes drip in.
pub struct Timed<'a> {
    pub stream: &'a mut Stream,
    pub deadline: Instant,
}

impl Read for Timed<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if Instant::now() >= self.deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_deadline(Some(self.deadline))?;
        self.stream.read(into)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.stream.write(from)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.socket.read(into)
    }
}

impl Write for Stream {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.socket.write(from)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}
