//! What a client says after startup: the message kinds, and a strict reading of each one's body.
//!
//! A body arrives complete and within its limit (see [`crate::incoming`]). Reading one never
//! panics, never allocates by a count that the client claims, and accepts nothing but UTF-8 where
//! the protocol has text; what does not fit is an error that leaves the connection usable,
//! because the frame around it was whole.

use types::{Result, SqlError, SqlState};

/// The first byte of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Query,
    Parse,
    Bind,
    Describe,
    Execute,
    Close,
    Sync,
    Flush,
    Terminate,
    FunctionCall,
    CopyData,
    CopyDone,
    CopyFail,
    /// PasswordMessage, SASLInitialResponse and SASLResponse share it.
    Password,
}

impl Kind {
    pub fn from_byte(byte: u8) -> Option<Kind> {
        Some(match byte {
            b'Q' => Kind::Query,
            b'P' => Kind::Parse,
            b'B' => Kind::Bind,
            b'D' => Kind::Describe,
            b'E' => Kind::Execute,
            b'C' => Kind::Close,
            b'S' => Kind::Sync,
            b'H' => Kind::Flush,
            b'X' => Kind::Terminate,
            b'F' => Kind::FunctionCall,
            b'd' => Kind::CopyData,
            b'c' => Kind::CopyDone,
            b'f' => Kind::CopyFail,
            b'p' => Kind::Password,
            _ => return None,
        })
    }

    /// Kinds that carry statements, values or data; the others are a name at most.
    pub fn may_be_long(self) -> bool {
        match self {
            Kind::Query | Kind::Parse | Kind::Bind | Kind::FunctionCall | Kind::CopyData => true,
            Kind::Describe | Kind::Execute | Kind::Close | Kind::Sync | Kind::Flush | Kind::Terminate => false,
            Kind::CopyDone | Kind::CopyFail | Kind::Password => false,
        }
    }

    /// Kinds after whose failure the client has to send Sync before anything else counts.
    pub fn is_extended(self) -> bool {
        match self {
            Kind::Parse | Kind::Bind | Kind::Describe | Kind::Execute | Kind::Close | Kind::Flush => true,
            Kind::Query | Kind::Sync | Kind::Terminate | Kind::FunctionCall => false,
            Kind::CopyData | Kind::CopyDone | Kind::CopyFail | Kind::Password => false,
        }
    }
}

/// A message of the query phase.
#[derive(Debug, PartialEq)]
pub enum Message<'a> {
    Query(&'a str),
    Parse {
        name: &'a str,
        sql: &'a str,
        parameter_types: Vec<u32>,
    },
    Bind(Bind<'a>),
    Describe(Target<'a>),
    /// `max_rows` 0 means all.
    Execute {
        portal: &'a str,
        max_rows: u32,
    },
    Close(Target<'a>),
    Sync,
    Flush,
    Terminate,
    FunctionCall,
    CopyData,
    CopyDone,
    CopyFail,
    Password,
}

/// The prepared statement or portal that Describe and Close name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    Statement(&'a str),
    Portal(&'a str),
}

#[derive(Debug, PartialEq)]
pub struct Bind<'a> {
    pub portal: &'a str,
    pub statement: &'a str,
    pub parameter_formats: Vec<i16>,
    /// None is SQL NULL.
    pub parameters: Vec<Option<&'a [u8]>>,
    pub result_formats: Vec<i16>,
}

impl<'a> Message<'a> {
    pub fn read(kind: Kind, body: &'a [u8]) -> Result<Message<'a>> {
        let mut body = Body(body);
        let message = match kind {
            Kind::Query => Message::Query(body.string()?),
            Kind::Parse => {
                let (name, sql) = (body.string()?, body.string()?);
                let count = body.u16()?;
                let parameter_types = (0..count).map(|_| body.u32()).collect::<Result<_>>()?;
                Message::Parse {
                    name,
                    sql,
                    parameter_types,
                }
            }
            Kind::Bind => Message::Bind(body.bind()?),
            Kind::Describe => Message::Describe(body.target("DESCRIBE")?),
            Kind::Close => Message::Close(body.target("CLOSE")?),
            Kind::Execute => {
                let portal = body.string()?;
                // A negative limit means none, as in PostgreSQL.
                let max_rows = u32::try_from(body.i32()?).unwrap_or(0);
                Message::Execute { portal, max_rows }
            }
            Kind::Sync => Message::Sync,
            Kind::Flush => Message::Flush,
            Kind::Terminate => return Ok(Message::Terminate),
            // Their bodies matter to nobody here: function calls are refused, and outside a COPY
            // its messages are dropped, as the protocol wants.
            Kind::FunctionCall => return Ok(Message::FunctionCall),
            Kind::CopyData => return Ok(Message::CopyData),
            Kind::CopyDone => return Ok(Message::CopyDone),
            Kind::CopyFail => return Ok(Message::CopyFail),
            Kind::Password => return Ok(Message::Password),
        };
        body.end()?;
        Ok(message)
    }
}

/// What is left of a message body.
pub struct Body<'a>(pub &'a [u8]);

impl<'a> Body<'a> {
    /// Bytes up to a NUL, as UTF-8.
    pub fn string(&mut self) -> Result<&'a str> {
        let end = self
            .0
            .iter()
            .position(|b| *b == 0)
            .ok_or_else(|| violation("invalid string in message"))?;
        let (text, rest) = self.0.split_at(end);
        self.0 = rest.get(1..).unwrap_or_default();
        utf8(text)
    }

    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or_else(|| violation("insufficient data left in message"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub fn i32(&mut self) -> Result<i32> {
        self.array().map(i32::from_be_bytes)
    }

    pub fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub fn end(&self) -> Result<()> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(violation("invalid message format"))
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self
            .0
            .split_first_chunk::<N>()
            .ok_or_else(|| violation("insufficient data left in message"))?;
        self.0 = rest;
        Ok(*taken)
    }

    fn target(&mut self, what: &str) -> Result<Target<'a>> {
        match self.array::<1>()? {
            [b'S'] => Ok(Target::Statement(self.string()?)),
            [b'P'] => Ok(Target::Portal(self.string()?)),
            [other] => Err(violation(format!("invalid {what} message subtype {other}"))),
        }
    }

    fn formats(&mut self) -> Result<Vec<i16>> {
        let count = self.u16()?;
        (0..count).map(|_| self.array().map(i16::from_be_bytes)).collect()
    }

    fn bind(&mut self) -> Result<Bind<'a>> {
        let (portal, statement) = (self.string()?, self.string()?);
        let parameter_formats = self.formats()?;
        let count = self.u16()?;
        let parameters = (0..count).map(|_| self.parameter()).collect::<Result<_>>()?;
        let result_formats = self.formats()?;
        Ok(Bind {
            portal,
            statement,
            parameter_formats,
            parameters,
            result_formats,
        })
    }

    fn parameter(&mut self) -> Result<Option<&'a [u8]>> {
        match self.i32()? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length).map_err(|_| violation("insufficient data left in message"))?;
                self.bytes(length).map(Some)
            }
        }
    }
}

/// A message that breaks the protocol: SQLSTATE 08P01.
pub fn violation(message: impl Into<String>) -> SqlError {
    SqlError::new(SqlState::ProtocolViolation, message)
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

    fn check_refused(kind: Kind, body: &[u8], state: SqlState, message: &str) {
        let error = Message::read(kind, body).unwrap_err();
        assert_eq!((error.state(), error.message()), (state, message), "{kind:?} {body:?}");
    }

    #[test]
    fn whole_messages_are_read() {
        assert_eq!(Message::read(Kind::Query, b"SELECT 1\0").unwrap(), Message::Query("SELECT 1"));
        let parse = Message::read(Kind::Parse, b"s\0SELECT $1\0\0\x01\0\0\0\x17").unwrap();
        assert_eq!(
            parse,
            Message::Parse {
                name: "s",
                sql: "SELECT $1",
                parameter_types: vec![23]
            }
        );
        let bind = Message::read(Kind::Bind, b"\0s\0\0\x01\0\x01\0\x02\0\0\0\x01x\xff\xff\xff\xff\0\0").unwrap();
        let parameters = vec![Some(&b"x"[..]), None];
        assert_eq!(
            bind,
            Message::Bind(Bind {
                portal: "",
                statement: "s",
                parameter_formats: vec![1],
                parameters,
                result_formats: vec![]
            })
        );
        assert_eq!(
            Message::read(Kind::Execute, b"\0\0\0\0\x05").unwrap(),
            Message::Execute { portal: "", max_rows: 5 }
        );
        assert_eq!(
            Message::read(Kind::Describe, b"Pp\0").unwrap(),
            Message::Describe(Target::Portal("p"))
        );
    }

    #[test]
    fn claims_beyond_the_body_are_refused() {
        let short = "insufficient data left in message";
        check_refused(Kind::Query, b"SELECT 1", SqlState::ProtocolViolation, "invalid string in message");
        check_refused(
            Kind::Query,
            b"SELECT 1\0more",
            SqlState::ProtocolViolation,
            "invalid message format",
        );
        check_refused(Kind::Parse, b"\0\0", SqlState::ProtocolViolation, short);
        check_refused(Kind::Parse, b"\0\0\xff\xff", SqlState::ProtocolViolation, short);
        check_refused(Kind::Bind, b"\0\0\xff\xff", SqlState::ProtocolViolation, short);
        check_refused(Kind::Bind, b"\0\0\0\0\0\x01\x7f\xff\xff\xff", SqlState::ProtocolViolation, short);
        check_refused(Kind::Bind, b"\0\0\0\0\0\x01\xff\xff\xff\xfe", SqlState::ProtocolViolation, short);
        check_refused(Kind::Describe, b"", SqlState::ProtocolViolation, short);
        check_refused(
            Kind::Describe,
            b"Xs\0",
            SqlState::ProtocolViolation,
            "invalid DESCRIBE message subtype 88",
        );
    }

    #[test]
    fn text_that_is_not_utf8_is_refused() {
        check_refused(
            Kind::Query,
            b"SELECT '\xc3\x28'\0",
            SqlState::CharacterNotInRepertoire,
            "invalid byte sequence for encoding \"UTF8\": 0xc3",
        );
    }

    /// Every prefix of valid messages, with every byte turned over in turn, reads without a panic.
    #[test]
    fn mangled_bodies_never_panic() {
        let samples: [(Kind, &[u8]); 4] = [
            (Kind::Parse, b"s\0SELECT $1\0\0\x01\0\0\0\x17"),
            (Kind::Bind, b"p\0s\0\0\x01\0\x01\0\x02\0\0\0\x01x\xff\xff\xff\xff\0\x01\0\x01"),
            (Kind::Execute, b"p\0\0\0\0\x05"),
            (Kind::Close, b"Ss\0"),
        ];
        for (kind, sample) in samples {
            for cut in 0..=sample.len() {
                for at in 0..cut {
                    for flip in [0x01, 0x80, 0xff] {
                        let mut mangled = sample[..cut].to_vec();
                        mangled[at] ^= flip;
                        let _ = Message::read(kind, &mangled);
                    }
                }
            }
        }
    }
}
