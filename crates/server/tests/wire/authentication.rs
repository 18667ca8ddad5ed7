use std::net::SocketAddr;

use server::{Server, ServerOptions};

use crate::client::{Client, shared_server, start, startup, startup_packet};

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
