use std::io::{Read, Write};
use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac};
use server::{Server, ServerOptions};
use sha2::{Digest, Sha256};

use crate::client::{Client, message, shared_server, start, startup, startup_packet};

fn greeting(addr: SocketAddr, parameters: &[(&str, &str)]) -> Vec<String> {
    let mut client = Client::raw(addr);
    client.send(&startup(parameters));
    client.until_ready()
}

#[test]
fn without_any_password_loopback_is_trusted() {
    let answers = greeting(
        shared_server(),
        &[("user", "postgres"), ("application_name", "t"), ("TimeZone", "UTC")],
    );
    assert_eq!(answers[0], "AuthenticationOk");
    assert!(answers.contains(&"ParameterStatus application_name=t".to_string()), "{answers:?}");
    assert!(answers.contains(&"BackendKeyData".to_string()));
    assert_eq!(answers.last().unwrap(), "ReadyForQuery I");
}

#[test]
fn unknown_roles_are_refused() {
    let answers = greeting(shared_server(), &[("user", "nobody"), ("database", "postgres")]);
    assert_eq!(answers, ["FATAL 28000 role \"nobody\" does not exist", "closed"]);
}

#[test]
fn encryption_is_declined_and_the_startup_goes_on() {
    let mut client = Client::raw(shared_server());
    for code in [80877103u32, 80877104] {
        client.send(&startup_packet(&code.to_be_bytes()));
        assert_eq!(client.byte(), b'N');
    }
    client.send(&startup(&[("user", "postgres")]));
    assert_eq!(client.until_ready()[0], "AuthenticationOk");
}

#[test]
fn newer_protocol_versions_are_negotiated_down() {
    let mut body = (196608u32 + 2).to_be_bytes().to_vec();
    body.extend_from_slice(b"user\0postgres\0_pq_.future\0on\0\0");
    let mut client = Client::raw(shared_server());
    client.send(&startup_packet(&body));
    let answers = client.until_ready();
    assert_eq!(answers[..2], ["NegotiateProtocolVersion 30000 1", "AuthenticationOk"]);
}

#[test]
fn no_address_beyond_loopback_without_a_password() {
    let (_server, database) = start(|_| ());
    let options = ServerOptions {
        listen: SocketAddr::from(([0, 0, 0, 0], 0)),
        ..Default::default()
    };
    let refused = Server::start(database, options).err().unwrap().to_string();
    assert!(
        refused.starts_with("refusing to listen on 0.0.0.0:0: no password is set"),
        "{refused}"
    );
}

fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().into()
}

fn initial(mechanism: &str, client_first: &str) -> Vec<u8> {
    let mut body = format!("{mechanism}\0").into_bytes();
    body.extend_from_slice(&(client_first.len() as u32).to_be_bytes());
    body.extend_from_slice(client_first.as_bytes());
    message(b'p', &body)
}

/// Logs in with a password; returns every answer.
fn log_in(addr: SocketAddr, user: &str, password: &str) -> Vec<String> {
    let mut client = Client::raw(addr);
    client.send(&startup(&[("user", user), ("database", "postgres")]));
    let mut answers = vec![client.next()];
    if answers[0] != "AuthenticationSASL SCRAM-SHA-256" {
        return answers;
    }
    answers.extend(prove(&mut client, "SCRAM-SHA-256", "n", b"", password));
    answers
}

/// The client's side of an exchange with this mechanism, flag, and bytes to bind to; returns every answer.
pub fn prove<S: Read + Write>(client: &mut Client<S>, mechanism: &str, flag: &str, bound: &[u8], password: &str) -> Vec<String> {
    client.send(&initial(mechanism, &format!("{flag},,n=,r=client")));
    let mut answers = vec![client.next()];
    let Some(server_first) = answers[0].strip_prefix("AuthenticationSASLContinue ").map(str::to_string) else {
        return answers;
    };
    let attributes: Vec<&str> = server_first.split(',').collect();
    let salt = BASE64.decode(&attributes[1][2..]).unwrap();
    let mut block = hmac(password.as_bytes(), &[&salt[..], &[0, 0, 0, 1]].concat());
    let mut salted = block;
    for _ in 1..attributes[2][2..].parse::<u32>().unwrap() {
        block = hmac(password.as_bytes(), &block);
        salted.iter_mut().zip(block).for_each(|(s, b)| *s ^= b);
    }
    let client_key = hmac(&salted, b"Client Key");
    let binding = BASE64.encode([format!("{flag},,").as_bytes(), bound].concat());
    let without_proof = format!("c={binding},{}", attributes[0]);
    let signed = format!("n=,r=client,{server_first},{without_proof}");
    let signature = hmac(&Sha256::digest(client_key), signed.as_bytes());
    let proof: Vec<u8> = client_key.iter().zip(signature).map(|(k, s)| k ^ s).collect();
    client.send(&message(b'p', format!("{without_proof},p={}", BASE64.encode(proof)).as_bytes()));
    answers.extend(client.until_ready());
    answers
}

#[test]
fn once_a_password_is_set_nothing_else_lets_anybody_in() {
    let (server, database) = start(|_| ());
    let addr = server.local_addr();
    Client::connect(addr).query("ALTER ROLE postgres PASSWORD 'secret'");
    assert!(database.has_any_password());

    let right = log_in(addr, "postgres", "secret");
    assert!(right[2].starts_with("AuthenticationSASLFinal v="), "{right:?}");
    assert_eq!(
        (right[3].as_str(), right.last().unwrap().as_str()),
        ("AuthenticationOk", "ReadyForQuery I")
    );

    let failed = |user: &str| format!("FATAL 28P01 password authentication failed for user \"{user}\"");
    assert_eq!(log_in(addr, "postgres", "Secret")[2], failed("postgres"));
    assert_eq!(log_in(addr, "postgres", "")[2], failed("postgres"));
    // A role that is not there answers no differently, and with the same salt each time.
    let (one, two) = (log_in(addr, "nobody", "secret"), log_in(addr, "nobody", "secret"));
    assert_eq!(one[2], failed("nobody"));
    let salt = |answers: &[String]| answers[1].split(',').nth(1).unwrap().to_string();
    assert_eq!(salt(&one), salt(&two));
    assert_ne!(salt(&one), salt(&right));
}

#[test]
fn the_first_password_locks_no_superuser_out() {
    let (server, database) = start(|_| ());
    let addr = server.local_addr();
    let mut client = Client::connect(addr);
    client.query("CREATE ROLE ann LOGIN");
    let refused = "ERROR 55000 the first password has to be that of a superuser who can log in";
    assert_eq!(client.query("ALTER ROLE ann PASSWORD 'a'"), [refused, "ReadyForQuery I"]);
    assert!(!database.has_any_password());
    // The door is still open for everybody here.
    Client::connect(addr);

    client.query("ALTER ROLE postgres PASSWORD 'p'");
    client.query("ALTER ROLE ann PASSWORD 'a'");
    for (user, password) in [("postgres", "p"), ("ann", "a")] {
        assert_eq!(log_in(addr, user, password).last().unwrap(), "ReadyForQuery I");
    }
    let last = "ERROR 55000 the last superuser who can log in with a password cannot be without one while other roles have passwords";
    assert_eq!(client.query("ALTER ROLE postgres PASSWORD NULL"), [last, "ReadyForQuery I"]);
    assert_eq!(log_in(addr, "postgres", "p").last().unwrap(), "ReadyForQuery I");
}

#[test]
fn a_malformed_exchange_is_refused() {
    let (server, _database) = start(|_| ());
    Client::connect(server.local_addr()).query("ALTER ROLE postgres PASSWORD 'secret'");
    for (bytes, expect) in [
        (
            initial("SCRAM-SHA-512", "n,,n=,r=x"),
            "FATAL 08P01 client selected an invalid SASL authentication mechanism",
        ),
        (
            initial("SCRAM-SHA-256", "p=tls-unique,,n=,r=x"),
            "FATAL 08P01 channel binding is not supported here",
        ),
        (initial("SCRAM-SHA-256", "nonsense"), "FATAL 08P01 malformed SCRAM message"),
        (
            message(b'p', b"SCRAM-SHA-256\0\x7f\xff\xff\xffn,,"),
            "FATAL 08P01 insufficient data left in message",
        ),
        (
            message(b'p', b"secret\0"),
            "FATAL 08P01 client selected an invalid SASL authentication mechanism",
        ),
        (
            message(b'Q', b"SELECT 1\0"),
            "FATAL 08P01 expected password response, got message type 81",
        ),
        (b"p\x7f\xff\xff\xff".to_vec(), "FATAL 08P01 invalid message length"),
    ] {
        let mut client = Client::raw(server.local_addr());
        client.send(&startup(&[("user", "postgres")]));
        assert_eq!(client.next(), "AuthenticationSASL SCRAM-SHA-256");
        client.send(&bytes);
        assert_eq!(client.until_closed(), [expect], "{bytes:?}");
    }
}
