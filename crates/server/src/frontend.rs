//! What a client says after startup: the kinds of messages, and the reading of each one.
//!
//! A body arrives complete and within its limit (see [`crate::incoming`]), is walked once to see
//! that it is whole ([`crate::structure`]), and is then read by `pgwire`, whose types the rest of
//! this crate works with.

use bytes::BytesMut;
use pgwire::messages::extendedquery::{
    Bind, Close, Describe, Execute, MESSAGE_TYPE_BYTE_BIND, MESSAGE_TYPE_BYTE_CLOSE, MESSAGE_TYPE_BYTE_DESCRIBE, MESSAGE_TYPE_BYTE_EXECUTE,
    MESSAGE_TYPE_BYTE_FLUSH, MESSAGE_TYPE_BYTE_PARSE, MESSAGE_TYPE_BYTE_SYNC, Parse, TARGET_TYPE_BYTE_PORTAL,
};
use pgwire::messages::simplequery::{MESSAGE_TYPE_BYTE_QUERY, Query};
use pgwire::messages::startup::MESSAGE_TYPE_BYTE_PASSWORD_MESSAGE_FAMILY;
use pgwire::messages::terminate::MESSAGE_TYPE_BYTE_TERMINATE;
use pgwire::messages::{DecodeContext, ProtocolVersion, copy};
use types::Result;

use crate::structure::{self, violation};

/// FunctionCall, which `pgwire` does not know: PostgreSQL itself calls it obsolete.
const MESSAGE_TYPE_BYTE_FUNCTION_CALL: u8 = b'F';

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
            MESSAGE_TYPE_BYTE_QUERY => Kind::Query,
            MESSAGE_TYPE_BYTE_PARSE => Kind::Parse,
            MESSAGE_TYPE_BYTE_BIND => Kind::Bind,
            MESSAGE_TYPE_BYTE_DESCRIBE => Kind::Describe,
            MESSAGE_TYPE_BYTE_EXECUTE => Kind::Execute,
            MESSAGE_TYPE_BYTE_CLOSE => Kind::Close,
            MESSAGE_TYPE_BYTE_SYNC => Kind::Sync,
            MESSAGE_TYPE_BYTE_FLUSH => Kind::Flush,
            MESSAGE_TYPE_BYTE_TERMINATE => Kind::Terminate,
            MESSAGE_TYPE_BYTE_FUNCTION_CALL => Kind::FunctionCall,
            copy::MESSAGE_TYPE_BYTE_COPY_DATA => Kind::CopyData,
            copy::MESSAGE_TYPE_BYTE_COPY_DONE => Kind::CopyDone,
            copy::MESSAGE_TYPE_BYTE_COPY_FAIL => Kind::CopyFail,
            MESSAGE_TYPE_BYTE_PASSWORD_MESSAGE_FAMILY => Kind::Password,
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

/// A message of the query phase. An empty name in `pgwire`'s types is None.
#[derive(Debug, PartialEq)]
pub enum Message {
    Query(Query),
    Parse(Parse),
    Bind(Bind),
    Describe(Target),
    Execute(Execute),
    Close(Target),
    Sync,
    Flush,
    Terminate,
    FunctionCall,
    CopyData,
    CopyDone,
    CopyFail,
    Password,
}

/// The prepared statement or portal that Describe and Close name; the unnamed one is "".
#[derive(Debug, PartialEq, Eq)]
pub enum Target {
    Statement(String),
    Portal(String),
}

impl Target {
    fn new(target_type: u8, name: Option<String>) -> Target {
        let name = name.unwrap_or_default();
        match target_type {
            TARGET_TYPE_BYTE_PORTAL => Target::Portal(name),
            // The structure allows no other byte than the two.
            _ => Target::Statement(name),
        }
    }
}

impl Message {
    pub fn read(kind: Kind, body: BytesMut) -> Result<Message> {
        structure::check(kind, &body)?;
        Ok(match kind {
            Kind::Query => Message::Query(decode(body)?),
            Kind::Parse => Message::Parse(decode(body)?),
            Kind::Bind => Message::Bind(decode(body)?),
            Kind::Describe => {
                let Describe { target_type, name, .. } = decode(body)?;
                Message::Describe(Target::new(target_type, name))
            }
            Kind::Close => {
                let Close { target_type, name, .. } = decode(body)?;
                Message::Close(Target::new(target_type, name))
            }
            Kind::Execute => Message::Execute(decode(body)?),
            Kind::Sync => decode::<pgwire::messages::extendedquery::Sync>(body).map(|_| Message::Sync)?,
            Kind::Flush => decode::<pgwire::messages::extendedquery::Flush>(body).map(|_| Message::Flush)?,
            Kind::Terminate => Message::Terminate,
            // Their bodies matter to nobody here: function calls are refused, and outside a COPY
            // its messages are dropped, as the protocol wants.
            Kind::FunctionCall => Message::FunctionCall,
            Kind::CopyData => Message::CopyData,
            Kind::CopyDone => Message::CopyDone,
            Kind::CopyFail => Message::CopyFail,
            Kind::Password => Message::Password,
        })
    }
}

/// Reads a body whose structure was checked. Nothing may be left over.
pub fn decode<M: pgwire::messages::Message>(mut body: BytesMut) -> Result<M> {
    // The library counts the length field itself.
    let length = body.len() + 4;
    let message = M::decode_body(&mut body, length, &context()).map_err(|error| violation(error.to_string()))?;
    match body.is_empty() {
        true => Ok(message),
        false => Err(violation("invalid message format")),
    }
}

/// The version we speak; the state of the conversation is ours to know.
pub fn context() -> DecodeContext {
    DecodeContext::new(ProtocolVersion::PROTOCOL3_0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use types::SqlState;

    fn read(kind: Kind, body: &[u8]) -> Result<Message> {
        Message::read(kind, BytesMut::from(body))
    }

    fn check_refused(kind: Kind, body: &[u8], state: SqlState, message: &str) {
        let error = read(kind, body).unwrap_err();
        assert_eq!((error.state(), error.message()), (state, message), "{kind:?} {body:?}");
    }

    #[test]
    fn whole_messages_are_read() {
        assert_eq!(
            read(Kind::Query, b"SELECT 1\0").unwrap(),
            Message::Query(Query::new("SELECT 1".into()))
        );
        let parse = read(Kind::Parse, b"s\0SELECT $1\0\0\x01\0\0\0\x17").unwrap();
        assert_eq!(parse, Message::Parse(Parse::new(Some("s".into()), "SELECT $1".into(), vec![23])));
        let bind = read(Kind::Bind, b"\0s\0\0\x01\0\x01\0\x02\0\0\0\x01x\xff\xff\xff\xff\0\0").unwrap();
        let parameters = vec![Some(Bytes::from_static(b"x")), None];
        assert_eq!(bind, Message::Bind(Bind::new(None, Some("s".into()), vec![1], parameters, vec![])));
        assert_eq!(
            read(Kind::Execute, b"\0\0\0\0\x05").unwrap(),
            Message::Execute(Execute::new(None, 5))
        );
        assert_eq!(
            read(Kind::Describe, b"Pp\0").unwrap(),
            Message::Describe(Target::Portal("p".into()))
        );
        assert_eq!(read(Kind::Close, b"S\0").unwrap(), Message::Close(Target::Statement("".into())));
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
                        let _ = read(kind, &mangled);
                    }
                }
            }
        }
    }
}
