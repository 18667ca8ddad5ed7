//! Whatever a client sends, it gets a clear error and the server lives on.

use crate::client::{Client, message, parse, query, shared_server, startup, startup_packet, sync};

fn check_alive() {
    assert_eq!(Client::on_shared().query("SELECT 1 AS x").len(), 4);
}

#[test]
fn malformed_bodies_leave_the_session_alive() {
    let mut client = Client::on_shared();
    let short = "ERROR 08P01 insufficient data left in message";
    for (body, expect) in [
        (message(b'P', b"\0\0"), short),
        (message(b'P', b"\0\0\xff\xff"), short),
        (message(b'B', b"\0\0\0\0\xff\xff"), short),
        (message(b'B', b"\0\0\0\0\0\x01\x7f\xff\xff\xff"), short),
        (message(b'B', b""), "ERROR 08P01 invalid string in message"),
        (message(b'E', b"\0"), short),
        (message(b'D', b"Z\0"), "ERROR 08P01 invalid DESCRIBE message subtype 90"),
        (message(b'C', b"Z\0"), "ERROR 08P01 invalid CLOSE message subtype 90"),
        (message(b'H', b"more"), "ERROR 08P01 invalid message format"),
    ] {
        assert_eq!(client.ask(&[body, sync()]), [expect, "ReadyForQuery I"]);
    }
    assert_eq!(
        client.ask(&[message(b'Q', b"SELECT 1")]),
        ["ERROR 08P01 invalid string in message", "ReadyForQuery I"]
    );
    assert_eq!(
        client.ask(&[message(b'Q', b"SELECT 1\0x\0")]),
        ["ERROR 08P01 invalid message format", "ReadyForQuery I"]
    );
    assert_eq!(
        client.ask(&[message(b'S', b"x")]),
        ["ERROR 08P01 invalid message format", "ReadyForQuery I"]
    );
    assert_eq!(
        client.ask(&[message(b'F', b"")]),
        ["ERROR 0A000 the function call protocol is not supported", "ReadyForQuery I"]
    );
    let utf8 = "ERROR 22021 invalid byte sequence for encoding \"UTF8\": 0xff";
    assert_eq!(client.ask(&[message(b'Q', b"SELECT '\xff'\0")]), [utf8, "ReadyForQuery I"]);
    // Left-over COPY messages have no answer at all.
    client.send(&[message(b'd', b"data"), message(b'c', b""), message(b'f', b"no\0")].concat());
    assert_eq!(client.query("SELECT 1 AS x").len(), 4);
}

#[test]
fn lost_framing_ends_the_connection_and_nothing_else() {
    for (bytes, expect) in [
        (b"!\0\0\0\x04".to_vec(), "FATAL 08P01 invalid frontend message type 33"),
        (b"\0\0\0\0\0".to_vec(), "FATAL 08P01 invalid frontend message type 0"),
        (b"Q\0\0\0\0".to_vec(), "FATAL 08P01 invalid message length"),
        (b"Q\xff\xff\xff\xff".to_vec(), "FATAL 08P01 invalid message length"),
        (b"S\0\x01\0\0".to_vec(), "FATAL 08P01 invalid message length"),
        (message(b'p', b"secret\0"), "FATAL 08P01 unexpected password message"),
    ] {
        let mut client = Client::on_shared();
        client.send(&bytes);
        assert_eq!(client.until_closed(), [expect], "{bytes:?}");
    }
    check_alive();
}

#[test]
fn an_oversized_message_is_refused_and_the_session_lives() {
    let mut client = Client::on_shared();
    let long = format!("SELECT '{}'", "x".repeat(2 << 20));
    let expect = format!("ERROR 54000 message of {} bytes exceeds the limit of 1048576 bytes", long.len() + 5);
    assert_eq!(client.query(&long), [expect.as_str(), "ReadyForQuery I"]);
    assert!(client.ask(&[parse("", &long, &[]), sync()])[0].starts_with("ERROR 54000 message of 2097"));
    assert_eq!(client.query("SELECT 1 AS x").len(), 4);
}

#[test]
fn a_claimed_length_reserves_nothing() {
    // A thousand connections each claim a message at the limit and send nothing of it.
    let mut clients: Vec<Client> = (0..50).map(|_| Client::on_shared()).collect();
    for client in &mut clients {
        client.send(b"Q\0\x0f\xff\xff");
    }
    check_alive();
}

#[test]
fn broken_startups_are_refused() {
    for (bytes, expect) in [
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "FATAL 08P01 invalid length of startup packet"),
        (b"\0\0\0\x04".to_vec(), "FATAL 08P01 invalid length of startup packet"),
        (b"\xff\xff\xff\xff".to_vec(), "FATAL 08P01 invalid length of startup packet"),
        (b"\0\0\x27\x11".to_vec(), "FATAL 08P01 invalid length of startup packet"),
        (
            startup_packet(&[0, 2, 0, 0]),
            "FATAL 0A000 unsupported frontend protocol 2.0: server supports 3.0 to 3.0",
        ),
        (
            startup_packet(&[0, 3, 0, 0]),
            "FATAL 08P01 invalid startup packet layout: expected terminator as last byte",
        ),
        (
            startup_packet(&[0, 3, 0, 0, 0]),
            "FATAL 28000 no PostgreSQL user name specified in startup packet",
        ),
        (
            startup_packet(b"\0\x03\0\0user\0\xff\0\0"),
            "FATAL 22021 invalid byte sequence for encoding \"UTF8\": 0xff",
        ),
        (
            startup(&[("user", "postgres"), ("replication", "true")]),
            "FATAL 0A000 replication is not supported",
        ),
        (
            startup(&[("user", "postgres"), ("database", "nope")]),
            "FATAL 3D000 database \"nope\" does not exist",
        ),
    ] {
        let mut client = Client::raw(shared_server());
        client.send(&bytes);
        assert_eq!(client.until_closed(), [expect], "{bytes:?}");
    }
    check_alive();
}

#[test]
fn clients_that_vanish_harm_nobody() {
    for bytes in [&b""[..], b"\0", b"\0\0\0\x08", b"\0\0\0\x20\0\x03\0\0user"] {
        let mut client = Client::raw(shared_server());
        client.send(bytes);
    }
    for bytes in [&b"Q"[..], b"Q\0\0\0\x20SELECT", b"P\0\0\0"] {
        let mut client = Client::on_shared();
        client.send(bytes);
        client.end_input();
        assert_eq!(client.until_closed(), [""; 0]);
    }
    let mut client = Client::on_shared();
    client.send(&query("SELECT generate_series(1, 1000000)"));
    drop(client);
    check_alive();
}

#[test]
fn noise_never_kills_the_server() {
    let mut state = 0x9e3779b97f4a7c15u64;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    for round in 0..100 {
        let mut client = if round % 2 == 0 {
            Client::raw(shared_server())
        } else {
            Client::on_shared()
        };
        let kinds = b"QPBDECSHFdcf";
        let mut noise = vec![];
        for _ in 0..20 {
            let body: Vec<u8> = (0..byte() % 40).map(|_| if byte() < 128 { 0 } else { byte() }).collect();
            noise.extend(message(kinds[usize::from(byte()) % kinds.len()], &body));
        }
        client.send(&noise);
        client.end_input();
        let _ = client.until_closed();
    }
    check_alive();
}
