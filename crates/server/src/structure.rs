//! Whether a message's body has the structure that it claims.
//!
//! `pgwire` reads the messages, but trusts what it reads: a body that ends early makes it panic,
//! a string without its end is an empty one to it, and bytes that are not UTF-8 become question
//! marks. So a body is walked here first, by lengths alone and without keeping anything; what
//! does not fit is refused in PostgreSQL's words, and the connection lives on, because the frame
//! around it was whole. The tests at the end show each of the three.

use types::{Result, SqlError, SqlState};

use crate::frontend::Kind;

/// Refuses a body that its kind of message cannot have. Bytes left over after the message are
/// the reader's to notice.
pub fn check(kind: Kind, body: &[u8]) -> Result<()> {
    let mut body = Body(body);
    match kind {
        Kind::Query => body.string().map(drop),
        Kind::Parse => {
            body.string()?;
            body.string()?;
            body.list(4)
        }
        Kind::Bind => {
            body.string()?;
            body.string()?;
            body.list(2)?;
            for _ in 0..body.u16()? {
                body.value()?;
            }
            body.list(2)
        }
        Kind::Describe => body.target("DESCRIBE"),
        Kind::Close => body.target("CLOSE"),
        Kind::Execute => {
            body.string()?;
            body.skip(4)
        }
        // Without a body; or nobody here reads it.
        Kind::Sync | Kind::Flush | Kind::Terminate | Kind::FunctionCall => Ok(()),
        Kind::CopyData | Kind::CopyDone | Kind::CopyFail | Kind::Password => Ok(()),
    }
}

/// Refuses a startup packet whose parameters are not pairs of strings up to an empty one.
pub fn check_startup(parameters: &[u8]) -> Result<()> {
    let mut body = Body(parameters);
    loop {
        let name = body.string().map_err(|error| layout(error, "expected terminator as last byte"))?;
        if name.is_empty() {
            return match body.0.is_empty() {
                true => Ok(()),
                false => Err(layout(violation(""), "expected terminator as last byte")),
            };
        }
        body.string()
            .map_err(|error| layout(error, "expected a value for each parameter"))?;
    }
}

/// The mechanism that a SASLInitialResponse chooses. Refuses one that was not offered, and data that is not all there.
pub fn check_sasl_initial(message: &[u8], offered: &[&'static str]) -> Result<&'static str> {
    let mut body = Body(message);
    let name = body.string()?;
    let chosen = offered.iter().copied().find(|mechanism| *mechanism == name);
    let chosen = chosen.ok_or_else(|| violation("client selected an invalid SASL authentication mechanism"))?;
    let length = usize::try_from(body.i32()?).map_err(|_| violation("the SASL response has no data"))?;
    body.skip(length)?;
    Ok(chosen)
}

/// Text that is not UTF-8 keeps its own error.
fn layout(error: SqlError, what: &str) -> SqlError {
    match error.state() {
        SqlState::CharacterNotInRepertoire => error,
        _ => violation(format!("invalid startup packet layout: {what}")),
    }
}

/// What is left of a body.
struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    /// Bytes up to a NUL, as UTF-8.
    fn string(&mut self) -> Result<&'a str> {
        let end = self
            .0
            .iter()
            .position(|b| *b == 0)
            .ok_or_else(|| violation("invalid string in message"))?;
        let (text, rest) = self.0.split_at(end);
        self.0 = rest.get(1..).unwrap_or_default();
        utf8(text)
    }

    fn skip(&mut self, bytes: usize) -> Result<()> {
        self.0 = self.0.get(bytes..).ok_or_else(too_short)?;
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or_else(too_short)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn i32(&mut self) -> Result<i32> {
        self.array().map(i32::from_be_bytes)
    }

    /// A count, and so many elements of `size` bytes.
    fn list(&mut self, size: usize) -> Result<()> {
        let count = usize::from(self.u16()?);
        self.skip(count * size)
    }

    /// A value behind its length; -1 is NULL.
    fn value(&mut self) -> Result<()> {
        match self.i32()? {
            -1 => Ok(()),
            length => self.skip(usize::try_from(length).map_err(|_| too_short())?),
        }
    }

    fn target(&mut self, what: &str) -> Result<()> {
        match self.array::<1>()? {
            [b'S' | b'P'] => self.string().map(drop),
            [other] => Err(violation(format!("invalid {what} message subtype {other}"))),
        }
    }
}

/// A message that breaks the protocol: SQLSTATE 08P01.
pub fn violation(message: impl Into<String>) -> SqlError {
    SqlError::new(SqlState::ProtocolViolation, message)
}

fn too_short() -> SqlError {
    violation("insufficient data left in message")
}

/// The bytes as text, or PostgreSQL's error with the first bytes of the sequence that is none.
pub fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|e| {
        let start = e.valid_up_to();
        let shown: Vec<String> = bytes
            .iter()
            .skip(start)
            .take(e.error_len().unwrap_or(4))
            .map(|b| format!("0x{b:02x}"))
            .collect();
        SqlError::new(
            SqlState::CharacterNotInRepertoire,
            format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" ")),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use pgwire::error::PgWireResult;
    use pgwire::messages::extendedquery::{Bind, Close, Execute, Parse};
    use pgwire::messages::simplequery::Query;
    use pgwire::messages::startup::SASLInitialResponse;
    use pgwire::messages::{DecodeContext, Message, ProtocolVersion};

    /// The outer error is a panic.
    fn read_unchecked<M: Message>(body: &[u8]) -> std::thread::Result<PgWireResult<M>> {
        std::panic::catch_unwind(|| {
            let mut bytes = BytesMut::from(body);
            M::decode_body(&mut bytes, body.len() + 4, &DecodeContext::new(ProtocolVersion::PROTOCOL3_0))
        })
    }

    /// When one of these fails, the library has become strict, and the walk above can shrink.
    #[test]
    fn the_library_alone_panics_on_short_bodies() {
        assert!(read_unchecked::<Parse>(b"\0\0").is_err());
        assert!(read_unchecked::<Parse>(b"\0\0\xff\xff").is_err());
        assert!(read_unchecked::<Bind>(b"").is_err());
        assert!(read_unchecked::<Bind>(b"\0\0\xff\xff").is_err());
        assert!(read_unchecked::<Bind>(b"\0\0\0\0\0\x01\x7f\xff\xff\xff").is_err());
        assert!(read_unchecked::<Execute>(b"\0").is_err());
        assert!(read_unchecked::<Close>(b"").is_err());
        assert!(read_unchecked::<SASLInitialResponse>(b"SCRAM-SHA-256\0\x7f\xff\xff\xffn,,").is_err());
    }

    #[test]
    fn the_library_alone_takes_what_is_no_string_for_one() {
        let query = |body: &[u8]| read_unchecked::<Query>(body).unwrap().unwrap().query;
        assert_eq!(query(b"SELECT 1"), "", "without its end");
        assert_eq!(query(b"SELECT '\xff'\0"), "SELECT '\u{fffd}'");
    }

    #[test]
    fn only_pairs_up_to_a_terminator_start_a_session() {
        let refusal = |body: &[u8]| check_startup(body).unwrap_err().message().to_string();
        check_startup(b"\0").unwrap();
        check_startup(b"user\0ann\0options\0\0\0").unwrap();
        let no_end = "invalid startup packet layout: expected terminator as last byte";
        assert_eq!(refusal(b"user\0ann\0"), no_end);
        assert_eq!(refusal(b"user\0ann\0\0more"), no_end);
        assert_eq!(
            refusal(b"user\0ann"),
            "invalid startup packet layout: expected a value for each parameter"
        );
        assert_eq!(refusal(b"user\0\xff\0\0"), "invalid byte sequence for encoding \"UTF8\": 0xff");
    }
}
