//! The first packets of a connection: encryption requests, a cancel request, or the startup
//! packet with the user, the database and the settings that the client wants.

use std::io::{Read, Write};

use types::{Result, SqlError, SqlState};

use crate::frontend::{Body, violation};
use crate::incoming::{Broken, Incoming};
use crate::outgoing::Outgoing;

const SSL_REQUEST: u32 = 80877103;
const GSSENC_REQUEST: u32 = 80877104;
const CANCEL_REQUEST: u32 = 80877102;
/// Version 3.0, the one we speak, as the protocol writes it.
const PROTOCOL_3_0: u32 = 3 << 16;
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
    /// Settings in the order given, those of `options` first, so that a parameter of its own wins.
    pub settings: Vec<(String, String)>,
}

/// Reads up to the startup packet or a cancel request, and answers the encryption requests before it.
pub fn greet(stream: &mut (impl Read + Write), incoming: &mut Incoming, out: &mut Outgoing) -> Result<Hello, Broken> {
    let (mut ssl_asked, mut gss_asked) = (false, false);
    loop {
        let packet = incoming.startup_packet(stream)?;
        let mut body = Body(&packet);
        let asked = match body.u32().map_err(Broken::Violation)? {
            SSL_REQUEST => &mut ssl_asked,
            GSSENC_REQUEST => &mut gss_asked,
            CANCEL_REQUEST => return cancel(body).map_err(Broken::Violation),
            version => return start(version, body, out).map(Hello::Start).map_err(Broken::Violation),
        };
        // Each may be asked once, and the client waits for the answer before it goes on.
        if std::mem::replace(asked, true) || incoming.has_more() {
            return Err(Broken::Violation(violation(
                "received unencrypted data after an encryption request",
            )));
        }
        out.encryption_refused();
        out.flush(stream)?;
    }
}

fn cancel(mut body: Body<'_>) -> Result<Hello> {
    let (pid, secret) = (body.i32()?, body.i32()?);
    body.end()?;
    Ok(Hello::Cancel { pid, secret })
}

fn start(version: u32, mut body: Body<'_>, out: &mut Outgoing) -> Result<Startup> {
    let (major, minor) = (version >> 16, version & 0xffff);
    if major != 3 {
        let message = format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.0");
        return Err(SqlError::new(SqlState::FeatureNotSupported, message));
    }
    let mut startup = Startup::default();
    let mut own = vec![];
    let mut unknown_options = vec![];
    loop {
        let name = body.string().map_err(|error| layout(error, "expected terminator as last byte"))?;
        if name.is_empty() {
            break;
        }
        let value = body
            .string()
            .map_err(|error| layout(error, "expected a value for each parameter"))?;
        match name {
            "user" => startup.user = cut(value),
            "database" => startup.database = cut(value),
            "options" => startup.settings.extend(command_line(value)?),
            "replication" => match value {
                "false" | "off" | "no" | "0" => {}
                _ => return Err(SqlError::unsupported("replication")),
            },
            name if name.starts_with("_pq_.") => unknown_options.push(name.to_string()),
            name => own.push((name.to_string(), value.to_string())),
        }
    }
    if body.end().is_err() {
        return Err(violation("invalid startup packet layout: expected terminator as last byte"));
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
        out.negotiate_protocol_version(PROTOCOL_3_0, &unknown_options);
    }
    Ok(startup)
}

/// Text that is not UTF-8 keeps its own error.
fn layout(error: SqlError, what: &str) -> SqlError {
    match error.state() {
        SqlState::CharacterNotInRepertoire => error,
        _ => violation(format!("invalid startup packet layout: {what}")),
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

    fn check_start(body: &[u8]) -> Result<Startup> {
        start(PROTOCOL_3_0, Body(body), &mut Outgoing::default())
    }

    #[test]
    fn parameters_become_settings() {
        let startup = check_start(b"user\0ann\0options\0-c a=1 --b-c=x\\ y\0TimeZone\0UTC\0\0").unwrap();
        assert_eq!((startup.user.as_str(), startup.database.as_str()), ("ann", "ann"));
        let settings = [("a", "1"), ("b_c", "x y"), ("TimeZone", "UTC")].map(|(n, v)| (n.to_string(), v.to_string()));
        assert_eq!(startup.settings, settings);
    }

    #[test]
    fn broken_packets_are_refused() {
        let message = |body: &[u8]| check_start(body).unwrap_err().message().to_string();
        assert_eq!(message(b"\0"), "no PostgreSQL user name specified in startup packet");
        assert_eq!(
            message(b"user\0ann\0"),
            "invalid startup packet layout: expected terminator as last byte"
        );
        assert_eq!(
            message(b"user\0ann"),
            "invalid startup packet layout: expected a value for each parameter"
        );
        assert_eq!(
            message(b"user\0ann\0\0more"),
            "invalid startup packet layout: expected terminator as last byte"
        );
        assert_eq!(message(b"user\0\xff\0\0"), "invalid byte sequence for encoding \"UTF8\": 0xff");
        assert_eq!(
            message(b"user\0ann\0options\0-x\0\0"),
            "invalid command-line argument for server process: -x"
        );
        assert_eq!(message(b"user\0ann\0replication\0database\0\0"), "replication is not supported");
    }

    #[test]
    fn long_names_are_cut_at_a_character() {
        assert_eq!(cut(&"é".repeat(40)), "é".repeat(31));
    }
}
