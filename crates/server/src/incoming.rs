//! From the socket's bytes to whole messages, each within its limit.
//!
//! Memory follows what has arrived, never what a length field claims. A statement or value
//! beyond `max_message_bytes` is swallowed and reported, so that the session lives on; a length
//! that no message can have ends the connection, because where the next message starts is lost.

use std::io::{self, Read};

use bytes::BytesMut;
use types::SqlError;

use crate::frontend::Kind;
use crate::structure::violation;

/// Messages of a name at most, and everything before authentication: PostgreSQL's own limit.
pub const MAX_SMALL_MESSAGE_BYTES: usize = 10_000;
/// PostgreSQL's largest message. A longer one is taken for noise, not for a statement.
const MAX_SWALLOWED_BYTES: usize = 0x3fff_ffff;
const CHUNK_BYTES: usize = 16 << 10;
/// A buffer that a long message has grown beyond this is given back once that message is done.
const KEPT_BUFFER_BYTES: usize = 256 << 10;

pub struct Incoming {
    buffer: BytesMut,
    chunk: Box<[u8]>,
    max_message_bytes: usize,
}

#[derive(Debug)]
pub enum Frame {
    Message {
        kind: Kind,
        body: BytesMut,
    },
    /// A message over the limit, already swallowed.
    TooLong {
        kind: Kind,
        length: usize,
    },
}

/// Why there is no next message.
#[derive(Debug)]
pub enum Broken {
    /// The client closed the connection between two messages.
    Closed,
    /// The connection failed, or ended within a message.
    Lost(io::Error),
    /// What came cannot be read on; the client gets this and the connection ends.
    Violation(SqlError),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Broken {
        Broken::Lost(error)
    }
}

impl Incoming {
    pub fn new(max_message_bytes: usize) -> Incoming {
        Incoming {
            buffer: BytesMut::new(),
            chunk: vec![0; CHUNK_BYTES].into_boxed_slice(),
            max_message_bytes,
        }
    }

    /// Whether bytes beyond the messages taken so far have already arrived.
    pub fn has_more(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// A startup packet, or what a client may send in its place: a length and that many bytes, no kind.
    pub fn startup_packet(&mut self, from: &mut impl Read) -> Result<BytesMut, Broken> {
        let length = loop {
            match self.buffer.first_chunk::<4>() {
                Some(length) => break usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0),
                None => self.fill(from)?,
            }
        };
        // A length and a protocol version at least.
        if !(8..=MAX_SMALL_MESSAGE_BYTES).contains(&length) {
            return Err(Broken::Violation(violation("invalid length of startup packet")));
        }
        self.await_bytes(from, length)?;
        Ok(self.buffer.split_to(length))
    }

    /// A password or SASL message, whose size is limited because nobody is known yet.
    pub fn password_message(&mut self, from: &mut impl Read) -> Result<BytesMut, Broken> {
        self.await_bytes(from, 5)?;
        match self.header() {
            Some((b'p', length)) if (4..=MAX_SMALL_MESSAGE_BYTES).contains(&length) => {
                self.await_bytes(from, 1 + length)?;
                Ok(self.buffer.split_to(1 + length).split_off(5))
            }
            Some((b'p', _)) => Err(Broken::Violation(violation("invalid message length"))),
            Some((b'X', _)) => Err(Broken::Closed),
            Some((kind, _)) => Err(Broken::Violation(violation(format!(
                "expected password response, got message type {kind}"
            )))),
            None => Err(Broken::Closed),
        }
    }

    /// The next message of the query phase.
    pub fn next(&mut self, from: &mut impl Read) -> Result<Frame, Broken> {
        self.reclaim();
        while self.buffer.is_empty() {
            self.fill(from)?;
        }
        // The kind is checked before waiting for a length that noise would claim.
        let byte = self.buffer.first().copied().unwrap_or_default();
        let Some(kind) = Kind::from_byte(byte) else {
            return Err(Broken::Violation(violation(format!("invalid frontend message type {byte}"))));
        };
        self.await_bytes(from, 5)?;
        let length = self.header().map(|(_, length)| length).unwrap_or_default();
        let limit = if kind.may_be_long() {
            MAX_SWALLOWED_BYTES
        } else {
            MAX_SMALL_MESSAGE_BYTES
        };
        if !(4..=limit).contains(&length) {
            return Err(Broken::Violation(violation("invalid message length")));
        }
        if kind.may_be_long() && length > self.max_message_bytes {
            self.swallow(from, 1 + length)?;
            return Ok(Frame::TooLong { kind, length });
        }
        self.await_bytes(from, 1 + length)?;
        Ok(Frame::Message {
            kind,
            body: self.buffer.split_to(1 + length).split_off(5),
        })
    }

    fn header(&self) -> Option<(u8, usize)> {
        let (kind, rest) = self.buffer.split_first()?;
        let length = i32::from_be_bytes(*rest.first_chunk::<4>()?);
        Some((*kind, usize::try_from(length).unwrap_or(0)))
    }

    fn await_bytes(&mut self, from: &mut impl Read, count: usize) -> Result<(), Broken> {
        while self.buffer.len() < count {
            self.fill(from)?;
        }
        Ok(())
    }

    fn swallow(&mut self, from: &mut impl Read, count: usize) -> Result<(), Broken> {
        let mut left = count;
        loop {
            let here = left.min(self.buffer.len());
            let _ = self.buffer.split_to(here);
            left -= here;
            if left == 0 {
                return Ok(());
            }
            self.buffer.clear();
            self.fill(from)?;
        }
    }

    fn fill(&mut self, from: &mut impl Read) -> Result<(), Broken> {
        let count = loop {
            match from.read(&mut self.chunk) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => break other?,
            }
        };
        if count == 0 {
            return Err(match self.buffer.is_empty() {
                true => Broken::Closed,
                false => Broken::Lost(io::ErrorKind::UnexpectedEof.into()),
            });
        }
        self.buffer.extend_from_slice(self.chunk.get(..count).unwrap_or_default());
        Ok(())
    }

    fn reclaim(&mut self) {
        if self.buffer.is_empty() && self.buffer.capacity() > KEPT_BUFFER_BYTES {
            self.buffer = BytesMut::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out one byte per read, as the worst network would.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
            into[0] = *first;
            self.0 = rest;
            Ok(1)
        }
    }

    fn frames(mut input: impl Read, limit: usize) -> (Vec<String>, String) {
        let mut incoming = Incoming::new(limit);
        let mut seen = vec![];
        loop {
            match incoming.next(&mut input) {
                Ok(Frame::Message { kind, body }) => seen.push(format!("{kind:?} {}", String::from_utf8_lossy(&body))),
                Ok(Frame::TooLong { kind, length }) => seen.push(format!("{kind:?} too long {length}")),
                Err(Broken::Closed) => return (seen, "closed".into()),
                Err(Broken::Lost(e)) => return (seen, e.kind().to_string()),
                Err(Broken::Violation(e)) => return (seen, e.message().into()),
            }
        }
    }

    #[test]
    fn messages_are_cut_at_their_lengths() {
        let input = b"Q\0\0\0\x07ab\0S\0\0\0\x04";
        for (seen, end) in [frames(&input[..], 100), frames(Drip(input), 100)] {
            assert_eq!(seen, ["Query ab\0", "Sync "]);
            assert_eq!(end, "closed");
        }
    }

    #[test]
    fn a_message_over_the_limit_is_swallowed_and_the_next_one_read() {
        let mut input = b"Q\0\0\x27\x10".to_vec();
        input.resize(1 + 10_000, b'x');
        input.extend_from_slice(b"Q\0\0\0\x07ab\0");
        for (seen, end) in [frames(&input[..], 100), frames(Drip(&input), 100)] {
            assert_eq!(seen, ["Query too long 10000", "Query ab\0"]);
            assert_eq!(end, "closed");
        }
    }

    #[test]
    fn lost_framing_ends_the_connection() {
        assert_eq!(frames(&b"Q\0\0\0\x03"[..], 100).1, "invalid message length");
        assert_eq!(frames(&b"Q\xff\xff\xff\xff"[..], 100).1, "invalid message length");
        assert_eq!(frames(&b"Q\x7f\xff\xff\xff"[..], 100).1, "invalid message length");
        assert_eq!(frames(&b"S\0\0\x27\x11"[..], 100).1, "invalid message length");
        assert_eq!(frames(&b"?"[..], 100).1, "invalid frontend message type 63");
        assert_eq!(frames(&b"Q\0\0\0\x07a"[..], 100).1, "unexpected end of file");
    }
}
