//! The first packets of a connection: encryption requests, a cancel request, or the startup
//! packet with the user, the database and the settings that the client wants.

use std::io;
use std::net::SocketAddr;

use bytes::{Buf, BytesMut};
use pgwire::messages::cancel::CancelRequest;
use pgwire::messages::startup::{GssEncRequest, SslRequest};
use pgwire::messages::{self, Message, ProtocolVersion};
use types::{Result, SqlError, SqlState};

use crate::frontend::context;
use crate::incoming::{Broken, Incoming};
use crate::outgoing::Outgoing;
use crate::stream::Stream;
use crate::structure::{self, violation};
use crate::tls::Tls;

/// PostgreSQL's NAMEDATALEN less the terminator: longer names are cut, as it cuts them.
const MAX_NAME_BYTES: usize = 63;

#[derive(Debug)]
pub enum Hello {
    Start(Startup),
    Cancel { pid: i32, secret: i32 },
}

#[derive(Debug, Default, PartialEq)]
pub struct Startup {
    pub user: String,
    pub database: String,
    /// Settings by name, those of `options` first, so that a parameter of its own wins.
    pub settings: Vec<(String, String)>,
}

/// Reads up to the startup packet or a cancel request, and answers the encryption requests before it.
pub fn greet(
    stream: &mut Stream,
    client: SocketAddr,
    tls: Option<&Tls>,
    incoming: &mut Incoming,
    out: &mut Outgoing,
) -> Result<Hello, Broken> {
    let (mut ssl_asked, mut gss_asked) = (false, false);
    loop {
        let packet = incoming.startup_packet(stream)?;
        let mut accepted = None;
        let asked = if SslRequest::is_ssl_request_packet(&packet) {
            decode::<SslRequest>(packet).map_err(Broken::Violation)?;
            accepted = tls;
            &mut ssl_asked
        } else if GssEncRequest::is_gss_enc_request_packet(&packet) {
            decode::<GssEncRequest>(packet).map_err(Broken::Violation)?;
            &mut gss_asked
        } else if CancelRequest::is_cancel_request_packet(&packet) {
            return cancel(packet).map_err(Broken::Violation);
        } else {
            return start(packet, out).map(Hello::Start).map_err(Broken::Violation);
        };
        // Each may be asked once, and the client waits for the answer before it goes on: what it sends sooner is not
        // encrypted, and would be taken as if it were (CVE-2021-23214).
        if std::mem::replace(asked, true) || incoming.has_more() {
            return Err(Broken::Violation(violation(
                "received unencrypted data after an encryption request",
            )));
        }
        out.encryption(accepted.is_some());
        out.flush(stream)?;
        if let Some(tls) = accepted {
            encrypt(stream, client, tls)?;
        }
    }
}

/// A client whose handshake fails is told nothing: it would read it as TLS.
fn encrypt(stream: &mut Stream, client: SocketAddr, tls: &Tls) -> Result<(), Broken> {
    stream.encrypt(tls.identity()).map_err(|error| {
        let reason = match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "the handshake took too long".to_string(),
            io::ErrorKind::UnexpectedEof => "the client left".to_string(),
            _ => error.to_string(),
        };
        let message = format!("could not accept SSL connection: {reason}");
        tracing::info!(%client, "{message}");
        Broken::Lost(io::Error::other(message))
    })
}

fn cancel(packet: BytesMut) -> Result<Hello> {
    let request: CancelRequest = decode(packet)?;
    // A key of another length than ours is nobody's.
    let secret = request
        .secret_key
        .as_i32()
        .ok_or_else(|| violation("invalid length of cancel request packet"))?;
    Ok(Hello::Cancel { pid: request.pid, secret })
}

fn start(packet: BytesMut, out: &mut Outgoing) -> Result<Startup> {
    // The length comes first, then the version; both are there, or it is no packet.
    let mut rest = packet.get(4..).unwrap_or_default();
    let (major, minor) = match rest.remaining() {
        0..4 => return Err(violation("invalid length of startup packet")),
        _ => (rest.get_u16(), rest.get_u16()),
    };
    if major != messages::startup::Startup::PG_PROTOCOL_LATEST {
        let message = format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.0");
        return Err(SqlError::new(SqlState::FeatureNotSupported, message));
    }
    structure::check_startup(rest)?;
    let packet: messages::startup::Startup = decode(packet)?;

    let mut startup = Startup::default();
    let mut own = vec![];
    let mut unknown_options = vec![];
    for (name, value) in packet.parameters {
        match name.as_str() {
            "user" => startup.user = cut(&value),
            "database" => startup.database = cut(&value),
            "options" => startup.settings.extend(command_line(&value)?),
            "replication" => match value.as_str() {
                "false" | "off" | "no" | "0" => {}
                _ => return Err(SqlError::unsupported("replication")),
            },
            option if option.starts_with("_pq_.") => unknown_options.push(name),
            _ => own.push((name, value)),
        }
    }
    if startup.user.is_empty() {
        let message = "no PostgreSQL user name specified in startup packet";
        return Err(SqlError::new(SqlState::InvalidAuthorizationSpecification, message));
    }
    if startup.database.is_empty() {
        startup.database = startup.user.clone();
    }
    startup.settings.append(&mut own);
    if minor > 0 || !unknown_options.is_empty() {
        out.negotiate_protocol_version(ProtocolVersion::PROTOCOL3_0, unknown_options);
    }
    Ok(startup)
}

/// Reads a whole packet, its length included. Nothing may be left over.
fn decode<M: Message>(mut packet: BytesMut) -> Result<M> {
    match M::decode(&mut packet, &context()) {
        Ok(Some(message)) if packet.is_empty() => Ok(message),
        Ok(_) => Err(violation("invalid length of startup packet")),
        Err(error) => Err(violation(error.to_string())),
    }
}

fn cut(name: &str) -> String {
    let mut end = name.len().min(MAX_NAME_BYTES);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name[..end].to_string()
}

/// The settings in `options`: `-c name=value`, `-cname=value` and `--name=value`, separated by
/// spaces that a backslash escapes. A dash in a name stands for an underscore.
fn command_line(options: &str) -> Result<Vec<(String, String)>> {
    let mut words = vec![];
    let mut word: Option<String> = None;
    let mut chars = options.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => word.get_or_insert_default().extend(chars.next()),
            c if c.is_ascii_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);

    let mut settings = vec![];
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let assignment = match (word.strip_prefix("--"), word.strip_prefix("-c")) {
            (Some(long), _) => Some(long.to_string()),
            (None, Some("")) => words.next(),
            (None, Some(attached)) => Some(attached.to_string()),
            (None, None) => None,
        };
        let refused = || {
            let message = format!("invalid command-line argument for server process: {word}");
            SqlError::new(SqlState::SyntaxError, message)
        };
        let assignment = assignment.ok_or_else(refused)?;
        let (name, value) = assignment.split_once('=').ok_or_else(refused)?;
        settings.push((name.replace('-', "_"), value.to_string()));
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_start(parameters: &[u8]) -> Result<Startup> {
        let length = u32::try_from(8 + parameters.len()).unwrap().to_be_bytes();
        let packet = [&length[..], &[0, 3, 0, 0], parameters].concat();
        start(BytesMut::from(&packet[..]), &mut Outgoing::default())
    }

    #[test]
    fn parameters_become_settings() {
        let startup = check_start(b"user\0ann\0options\0-c a=1 --b-c=x\\ y\0TimeZone\0UTC\0empty\0\0\0").unwrap();
        assert_eq!((startup.user.as_str(), startup.database.as_str()), ("ann", "ann"));
        let settings = [("a", "1"), ("b_c", "x y"), ("TimeZone", "UTC"), ("empty", "")];
        assert_eq!(startup.settings, settings.map(|(n, v)| (n.to_string(), v.to_string())));
    }

    #[test]
    fn broken_packets_are_refused() {
        let message = |body: &[u8]| check_start(body).unwrap_err().message().to_string();
        assert_eq!(message(b"\0"), "no PostgreSQL user name specified in startup packet");
        assert_eq!(
            message(b"user\0ann"),
            "invalid startup packet layout: expected a value for each parameter"
        );
        assert_eq!(
            message(b"user\0ann\0options\0-x\0\0"),
            "invalid command-line argument for server process: -x"
        );
        assert_eq!(message(b"user\0ann\0replication\0database\0\0"), "replication is not supported");
    }

    #[test]
    fn cancel_requests_name_a_session_and_its_key() {
        let code = 80877102u32.to_be_bytes();
        let whole = [&[0, 0, 0, 16][..], &code, &[0, 0, 0, 7], &[0xff; 4]].concat();
        assert!(matches!(
            cancel(BytesMut::from(&whole[..])).unwrap(),
            Hello::Cancel { pid: 7, secret: -1 }
        ));
        for broken in [
            [&[0, 0, 0, 8][..], &code].concat(),
            [&[0, 0, 0, 12][..], &code, &[0, 0, 0, 7]].concat(),
            [&[0, 0, 0, 20][..], &code, &[0, 0, 0, 7], &[0xff; 8]].concat(),
        ] {
            assert!(cancel(BytesMut::from(&broken[..])).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn long_names_are_cut_at_a_character() {
        assert_eq!(cut(&"é".repeat(40)), "é".repeat(31));
    }
}
