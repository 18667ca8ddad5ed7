//! Connections that are encrypted, and those that ought to be.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use engine::Database;
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use server::tls::{TlsOptions, TlsRequired};
use server::{Server, ServerOptions, StartError};
use sha2::{Digest, Sha256};

use crate::authentication::prove;
use crate::client::{Client, query, start, startup, startup_packet};

const SSL_REQUEST: u32 = 80877103;
const GSSENC_REQUEST: u32 = 80877104;
const CANCEL_REQUEST: u32 = 80877102;

type Encrypted = Client<StreamOwned<ClientConnection, TcpStream>>;

/// An authority, and a folder with a certificate for `localhost` that it signed.
struct Certificates {
    authority: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Certificates {
    fn new() -> Certificates {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let certificates = Certificates { authority, folder };
        certificates.renew();
        certificates
    }

    /// Puts a new certificate with a new key in the place of the old ones; returns it.
    fn renew(&self) -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_string()]).unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        fs::write(self.path("server.crt"), pem("CERTIFICATE", certificate.der())).unwrap();
        fs::write(self.path("server.key"), pem("PRIVATE KEY", &key.serialize_der())).unwrap();
        fs::set_permissions(self.path("server.key"), fs::Permissions::from_mode(0o600)).unwrap();
        certificate.der().clone()
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        Path::join(self.folder.path(), name)
    }

    fn options(&self, required: TlsRequired) -> TlsOptions {
        TlsOptions {
            certificate: self.path("server.crt"),
            key: self.path("server.key"),
            required,
        }
    }

    fn start(&self, required: TlsRequired) -> (Server, Arc<Database>) {
        start(|options| options.tls = Some(self.options(required)))
    }

    /// A client's configuration that trusts this authority alone.
    fn trust(&self, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots
            .add(AsRef::<rcgen::Certificate>::as_ref(&self.authority).der().clone())
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }

    /// A socket that is encrypted and on which nothing else was said.
    fn encrypt(&self, addr: SocketAddr) -> Encrypted {
        encrypt_with(addr, self.trust(rustls::ALL_VERSIONS), "localhost").unwrap()
    }

    /// Logged in as postgres.
    fn connect(&self, addr: SocketAddr) -> Encrypted {
        let mut client = self.encrypt(addr);
        client.send(&startup(&[("user", "postgres"), ("database", "postgres")]));
        assert_eq!(client.until_ready()[0], "AuthenticationOk");
        client
    }
}

fn encrypt_with(addr: SocketAddr, config: Arc<ClientConfig>, name: &'static str) -> std::io::Result<Encrypted> {
    let mut plain = Client::raw(addr);
    plain.send(&startup_packet(&SSL_REQUEST.to_be_bytes()));
    assert_eq!(plain.byte(), b'S');
    let connection = ClientConnection::new(config, ServerName::try_from(name).unwrap()).unwrap();
    let mut socket = StreamOwned::new(connection, plain.socket);
    while socket.conn.is_handshaking() {
        socket.conn.complete_io(&mut socket.sock)?;
    }
    Ok(Client { socket, key: (0, 0) })
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64.encode(der))
}

/// The one row of one column that a query gives.
fn value<S: Read + Write>(client: &mut Client<S>, sql: &str) -> String {
    let answers = client.query(sql);
    let row = answers.iter().find_map(|answer| answer.strip_prefix("DataRow "));
    row.unwrap_or_else(|| panic!("{answers:?}")).to_string()
}

fn wait_for(mut is_so: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while !is_so() {
        if begun.elapsed() > Duration::from_secs(10) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

#[test]
fn a_client_that_asks_for_tls_gets_it_in_each_version() {
    let certificates = Certificates::new();
    let (server, _database) = certificates.start(TlsRequired::Off);
    for (version, name) in [(&rustls::version::TLS13, "TLSv1.3"), (&rustls::version::TLS12, "TLSv1.2")] {
        let config = certificates.trust(&[version]);
        let mut client = encrypt_with(server.local_addr(), config, "localhost").unwrap();
        client.send(&startup(&[("user", "postgres")]));
        assert_eq!(client.until_ready()[0], "AuthenticationOk");
        let own = "SELECT ssl || ' ' || version || ' ' || bits FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        assert_eq!(value(&mut client, own), format!("true {name} 256"));
        // More than a record, and more than the buffers hold, both ways.
        let long = "x".repeat(900_000);
        assert_eq!(value(&mut client, &format!("SELECT length('{long}')")), "900000");
        assert_eq!(value(&mut client, "SELECT length(repeat('y', 9000000))"), "9000000");
        let answers = client.query("SELECT repeat('z', 1000) FROM generate_series(1, 5000)");
        assert_eq!(answers.len(), 5003);
    }
}

/// The refused twin is `encryption_is_declined_and_the_startup_goes_on`: a server without a certificate.
#[test]
fn without_asking_nothing_is_encrypted_and_kerberos_is_never_spoken() {
    let certificates = Certificates::new();
    let (server, _database) = certificates.start(TlsRequired::Off);
    let mut client = Client::connect(server.local_addr());
    assert_eq!(value(&mut client, "SELECT ssl FROM pg_stat_ssl"), "f");
    let mut client = Client::raw(server.local_addr());
    client.send(&startup_packet(&GSSENC_REQUEST.to_be_bytes()));
    assert_eq!(client.byte(), b'N');
    client.send(&startup_packet(&SSL_REQUEST.to_be_bytes()));
    assert_eq!(client.byte(), b'S');
}

#[test]
fn a_client_finds_out_a_server_that_is_another() {
    let certificates = Certificates::new();
    let (server, _database) = certificates.start(TlsRequired::Off);
    let others = Certificates::new().trust(rustls::ALL_VERSIONS);
    let error = encrypt_with(server.local_addr(), others, "localhost").err().unwrap();
    assert!(error.to_string().starts_with("invalid peer certificate"), "{error}");
    let config = certificates.trust(rustls::ALL_VERSIONS);
    let error = encrypt_with(server.local_addr(), config, "db.example.com").err().unwrap();
    assert!(error.to_string().contains("not valid for name"), "{error}");
    // The server lives on.
    certificates.connect(server.local_addr());
}

#[test]
fn what_came_before_the_handshake_is_not_taken_for_encrypted() {
    let certificates = Certificates::new();
    let (server, _database) = certificates.start(TlsRequired::Off);
    let ask = startup_packet(&SSL_REQUEST.to_be_bytes());
    let smuggled = startup(&[("user", "postgres")]);
    let mut client = Client::raw(server.local_addr());
    client.send(&[ask.clone(), smuggled.clone()].concat());
    assert_eq!(
        client.until_closed(),
        ["FATAL 08P01 received unencrypted data after an encryption request"]
    );
    // After the answer it is a handshake that fails: nothing but an alert comes back.
    let mut client = Client::raw(server.local_addr());
    client.send(&ask);
    assert_eq!(client.byte(), b'S');
    client.send(&smuggled);
    let mut rest = vec![];
    let _ = client.socket.read_to_end(&mut rest);
    assert!(rest.is_empty() || rest[0] == 0x15, "{rest:?}");
    // TLS within TLS is not offered, and startups without it come afterwards as before.
    let mut client = certificates.encrypt(server.local_addr());
    client.send(&ask);
    assert_eq!(
        client.until_closed(),
        ["FATAL 08P01 received unencrypted data after an encryption request"]
    );
    certificates.connect(server.local_addr());
}

#[test]
fn broken_handshakes_end_their_connection_and_nothing_else() {
    let certificates = Certificates::new();
    let (server, database) = certificates.start(TlsRequired::Off);
    // Noise; a record of another version; a record that claims more than it may; an alert; an empty record.
    let long: Vec<u8> = [&b"\x16\x03\x01\xff\xff"[..], &[1; 70_000]].concat();
    for noise in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\x16\x02\x00\x00\x05hello",
        &long,
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"\x17\x03\x03\x00\x00",
    ] {
        let mut client = Client::raw(server.local_addr());
        client.send(&startup_packet(&SSL_REQUEST.to_be_bytes()));
        assert_eq!(client.byte(), b'S');
        let _ = client.socket.write_all(noise);
        let mut rest = vec![];
        let _ = client.socket.read_to_end(&mut rest);
        assert!(rest.is_empty() || rest[0] == 0x15, "{noise:?}: {rest:?}");
    }
    // And noise within an encrypted session.
    let mut client = certificates.connect(server.local_addr());
    client
        .socket
        .sock
        .write_all(b"\x17\x03\x03\x00\x20nothing that a key has sealed....")
        .unwrap();
    let mut rest = vec![];
    let _ = client.socket.sock.read_to_end(&mut rest);
    assert!(wait_for(|| database.session_count() == 0));
    certificates.connect(server.local_addr());
}

#[test]
fn a_handshake_that_does_not_go_on_ends_at_the_authentication_timeout() {
    let certificates = Certificates::new();
    let (server, _database) = start(|options| {
        options.tls = Some(certificates.options(TlsRequired::Off));
        options.authentication_timeout = Duration::from_secs(1);
    });
    // Nothing; a part of a record; and bytes that drip, of which each comes in time.
    for (sent, drips) in [
        (&b""[..], false),
        (b"\x16\x03\x01\x02\x00\x01\x00", false),
        (b"\x16\x03\x01\x02\x00", true),
    ] {
        let mut client = Client::raw(server.local_addr());
        client.send(&startup_packet(&SSL_REQUEST.to_be_bytes()));
        assert_eq!(client.byte(), b'S');
        client.send(sent);
        client.socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let begun = Instant::now();
        loop {
            match client.socket.read(&mut [0]) {
                Ok(0) => break,
                Ok(_) => panic!("nothing is said to a client that has not finished its handshake"),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
                Err(_) if drips => drop(client.socket.write_all(b"\x01")),
                Err(_) => {}
            }
            assert!(begun.elapsed() < Duration::from_secs(15), "it stays open");
        }
    }
    // The refused twin of the refusal: whoever is encrypted but does not go on is told why.
    let mut client = certificates.encrypt(server.local_addr());
    assert_eq!(client.until_closed(), ["FATAL 57014 canceling authentication due to timeout"]);
    certificates.connect(server.local_addr());
}

#[test]
fn where_tls_is_required_nobody_is_let_in_without() {
    let certificates = Certificates::new();
    let (server, _database) = certificates.start(TlsRequired::All);
    let refused = "FATAL 28000 no pg_hba.conf entry for host \"127.0.0.1\", user \"postgres\", database \"postgres\", no encryption";
    let mut plain = Client::raw(server.local_addr());
    plain.send(&startup(&[("user", "postgres"), ("database", "postgres")]));
    assert_eq!(plain.until_closed(), [refused]);

    let mut client = certificates.connect(server.local_addr());
    let failed = "SELECT count(*) FROM heliosdb.audit_log WHERE event_type = 'LoginFailed' AND sqlstate = '28000'";
    assert_eq!(value(&mut client, failed), "1");
    // No password is asked for either.
    client.query("ALTER ROLE postgres PASSWORD 'secret'");
    let mut plain = Client::raw(server.local_addr());
    plain.send(&startup(&[("user", "postgres"), ("database", "postgres")]));
    assert_eq!(plain.until_closed(), [refused]);

    // Clients of this machine are not remote; `who_have_to_encrypt` has those that are.
    let (server, _database) = certificates.start(TlsRequired::Remote);
    Client::connect(server.local_addr());
    certificates.connect(server.local_addr());
}

#[test]
fn a_proof_of_the_password_is_bound_to_the_certificate() {
    let certificates = Certificates::new();
    let certificate = certificates.renew();
    let (server, _database) = certificates.start(TlsRequired::Off);
    certificates
        .connect(server.local_addr())
        .query("ALTER ROLE postgres PASSWORD 'secret'");
    let begin = || {
        let mut client = certificates.encrypt(server.local_addr());
        client.send(&startup(&[("user", "postgres"), ("database", "postgres")]));
        assert_eq!(client.next(), "AuthenticationSASL SCRAM-SHA-256-PLUS SCRAM-SHA-256");
        client
    };
    let ours = Sha256::digest(&certificate);
    let (plus, flag) = ("SCRAM-SHA-256-PLUS", "p=tls-server-end-point");
    let answers = prove(&mut begin(), plus, flag, &ours, "secret");
    assert_eq!(answers.last().unwrap(), "ReadyForQuery I", "{answers:?}");
    let answers = prove(&mut begin(), "SCRAM-SHA-256", "n", b"", "secret");
    assert_eq!(answers.last().unwrap(), "ReadyForQuery I", "{answers:?}");

    let others = Sha256::digest(b"the certificate of somebody in between");
    for (mechanism, flag, bound, password, expect) in [
        (
            plus,
            flag,
            &ours[..],
            "Secret",
            "FATAL 28P01 password authentication failed for user \"postgres\"",
        ),
        (plus, flag, &others[..], "secret", "FATAL 28000 SCRAM channel binding check failed"),
        (
            plus,
            "p=tls-unique",
            b"",
            "secret",
            "FATAL 08P01 unsupported SCRAM channel-binding type \"tls-unique\"",
        ),
        (plus, "n", b"", "secret", "FATAL 08P01 malformed SCRAM message"),
        (
            "SCRAM-SHA-256",
            "y",
            b"",
            "secret",
            "FATAL 28000 SCRAM channel binding negotiation error",
        ),
        ("SCRAM-SHA-256", flag, &ours[..], "secret", "FATAL 08P01 malformed SCRAM message"),
    ] {
        let answers = prove(&mut begin(), mechanism, flag, bound, password);
        let error = answers.iter().find(|answer| answer.starts_with("FATAL"));
        assert_eq!(error.map(String::as_str), Some(expect), "{answers:?}");
    }
    // Without TLS there is nothing to bind to, and it is not offered.
    let mut plain = Client::raw(server.local_addr());
    plain.send(&startup(&[("user", "postgres")]));
    assert_eq!(plain.next(), "AuthenticationSASL SCRAM-SHA-256");
    assert_eq!(
        prove(&mut plain, plus, flag, &ours, "secret"),
        ["FATAL 08P01 client selected an invalid SASL authentication mechanism"]
    );
}

#[test]
fn new_connections_are_shown_the_certificate_that_was_read_last() {
    let certificates = Certificates::new();
    let (server, _database) = certificates.start(TlsRequired::Off);
    let shown = |client: &Encrypted| client.socket.conn.peer_certificates().unwrap()[0].clone();
    let mut before = certificates.connect(server.local_addr());
    let renewed = certificates.renew();
    assert_ne!(shown(&certificates.connect(server.local_addr())), renewed);
    assert!(server.reload_certificate().unwrap());
    assert_eq!(shown(&certificates.connect(server.local_addr())), renewed);
    // Whoever was connected stays so.
    assert_eq!(value(&mut before, "SELECT 1"), "1");

    // A bad file changes nothing.
    fs::write(certificates.path("server.crt"), "nonsense").unwrap();
    let error = server.reload_certificate().unwrap_err().to_string();
    assert!(error.ends_with("server.crt\": it holds no certificate"), "{error}");
    assert_eq!(shown(&certificates.connect(server.local_addr())), renewed);
    let renewed_again = certificates.renew();
    fs::set_permissions(certificates.path("server.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let error = server.reload_certificate().unwrap_err().to_string();
    assert!(error.contains("has group or world access"), "{error}");
    assert_eq!(shown(&certificates.connect(server.local_addr())), renewed);
    fs::set_permissions(certificates.path("server.key"), fs::Permissions::from_mode(0o600)).unwrap();
    assert!(server.reload_certificate().unwrap());
    assert_eq!(shown(&certificates.connect(server.local_addr())), renewed_again);
}

#[test]
fn a_server_does_not_start_with_a_certificate_that_it_cannot_use() {
    let certificates = Certificates::new();
    fs::set_permissions(certificates.path("server.key"), fs::Permissions::from_mode(0o640)).unwrap();
    let (_server, database) = start(|_| ());
    let options = ServerOptions {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        tls: Some(certificates.options(TlsRequired::Off)),
        ..Default::default()
    };
    match Server::start(database, options) {
        Err(error @ StartError::Tls(_)) => assert!(error.to_string().contains("has group or world access"), "{error}"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it started"),
    }
}

#[test]
fn statements_are_cancelled_over_tls_and_without() {
    let certificates = Certificates::new();
    let (server, _database) = certificates.start(TlsRequired::All);
    let addr = server.local_addr();
    for encrypted in [true, false] {
        let mut client = certificates.connect(addr);
        let (pid, secret) = client.key;
        client.send(&query("SELECT pg_sleep(60)"));
        let mut witness = certificates.connect(addr);
        let active = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid} AND state = 'active'");
        assert!(wait_for(|| value(&mut witness, &active) == "1"));
        let body = [&CANCEL_REQUEST.to_be_bytes()[..], &pid.to_be_bytes(), &secret.to_be_bytes()].concat();
        // libpq 15 sends it in the clear, whatever its connection is; it tells nothing but the key.
        let answers = if encrypted {
            let mut other = certificates.encrypt(addr);
            other.send(&startup_packet(&body));
            other.until_closed()
        } else {
            let mut other = Client::raw(addr);
            other.send(&startup_packet(&body));
            other.until_closed()
        };
        assert_eq!(answers, [""; 0], "a cancel request has no answer");
        let answers = client.until_ready();
        assert!(
            answers.contains(&"ERROR 57014 canceling statement due to user request".to_string()),
            "{answers:?}"
        );
    }
}

#[test]
fn an_encrypted_client_that_vanishes_takes_its_statement_with_it() {
    let certificates = Certificates::new();
    let (server, database) = certificates.start(TlsRequired::Off);
    for pipeline in ["SELECT pg_sleep(60)", "SELECT pg_sleep(61)"] {
        let mut client = certificates.connect(server.local_addr());
        // With and without messages that wait behind it.
        client.send(&[query(pipeline), query("SELECT 1")].concat());
        assert!(wait_for(|| database.session_count() == 1));
        drop(client);
        assert!(wait_for(|| database.session_count() == 0), "it runs on");
    }
}

#[test]
fn notifications_reach_an_idle_encrypted_session() {
    let certificates = Certificates::new();
    let (server, _database) = certificates.start(TlsRequired::Off);
    let mut listener = certificates.connect(server.local_addr());
    listener.query("LISTEN news");
    let mut speaker = certificates.connect(server.local_addr());
    speaker.query("NOTIFY news, 'one'");
    let heard = listener.next();
    assert!(heard.contains("news") && heard.contains("one"), "{heard}");
    // What is TLS's own wakes nobody up, and what was half sent is waited for.
    listener.socket.conn.refresh_traffic_keys().unwrap();
    listener.socket.flush().unwrap();
    speaker.query("NOTIFY news, 'two'");
    let heard = listener.next();
    assert!(heard.contains("two"), "{heard}");
    assert_eq!(value(&mut listener, "SELECT 7"), "7");
}

#[test]
fn a_stop_is_told_over_tls() {
    let certificates = Certificates::new();
    let (server, _database) = certificates.start(TlsRequired::Off);
    let mut client = certificates.connect(server.local_addr());
    let waiting = std::thread::spawn(move || client.until_closed());
    assert!(server.stop(Duration::from_secs(10)));
    let answers = waiting.join().unwrap();
    assert_eq!(answers, ["FATAL 57P01 terminating connection due to administrator command"]);
}
