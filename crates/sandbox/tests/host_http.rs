//! `heliosdb.http` against servers of this machine: what arrives, what is refused, and what ends a wait.

#![allow(clippy::disallowed_types)] // the tests play the other machines

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use audit::EventType;
use common::*;
use policy::{Capability, Limits};
use types::{Datum, SqlError, SqlState, Type};

/// Answers each connection with what `handler` makes of its request, and remembers the requests.
struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(handler: impl Fn(&str, &mut dyn Write) + Send + Sync + 'static) -> Server {
        Server::wrapped(|stream| Some(Box::new(stream)), handler)
    }

    /// `wrap` makes of an accepted connection what is spoken over.
    fn wrapped(
        wrap: impl Fn(TcpStream) -> Option<Box<dyn ReadWrite>> + Send + Sync + 'static,
        handler: impl Fn(&str, &mut dyn Write) + Send + Sync + 'static,
    ) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(vec![]));
        let seen = requests.clone();
        let (wrap, handler) = (Arc::new(wrap), Arc::new(handler));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (seen, wrap, handler) = (seen.clone(), wrap.clone(), handler.clone());
                std::thread::spawn(move || {
                    let Some(mut stream) = wrap(stream) else { return };
                    let Some(request) = read_request(&mut stream) else { return };
                    seen.lock().unwrap().push(request.clone());
                    handler(&request, &mut stream);
                    let _ = stream.flush();
                });
            }
        });
        Server { port, requests }
    }

    /// The same answer to everything.
    fn answering(response: &str) -> Server {
        let response = response.to_string();
        Server::start(move |_, out| {
            let _ = out.write_all(response.as_bytes());
        })
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

trait ReadWrite: Read + Write {}

impl<T: Read + Write> ReadWrite for T {}

/// Head and body; None if the connection ends before.
fn read_request(stream: &mut dyn ReadWrite) -> Option<String> {
    let mut read = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse::<usize>().ok())?
            });
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return None,
            Ok(length) => read.extend_from_slice(&piece[..length]),
        }
    }
}

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-One: 1\r\nX-One: 2\r\n\r\nhello";

/// A world that holds HTTP_CLIENT and access to these hosts.
fn world(hosts: &[String]) -> Arc<World> {
    let world = Arc::new(World::default());
    let mut list = "HTTP_CLIENT".to_string();
    for host in hosts {
        list.push_str(&format!(", NETWORK_ACCESS('{host}')"));
    }
    *world.capabilities.lock().unwrap() = Capability::parse_list(&list).unwrap();
    world
}

fn world_of(server: &Server) -> Arc<World> {
    world(&[format!("127.0.0.1:{}", server.port)])
}

/// The value of the expression as JSON text.
fn run_in(world: &Arc<World>, limits: Limits, expression: &str) -> Result<String, SqlError> {
    let body = format!("function f() {{ return JSON.stringify({expression}) ?? 'undefined' }}");
    match call_in(world, limits, &body, &[], Type::Text) {
        Ok(Datum::Text(text)) => Ok(text),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(sql_error(error)),
    }
}

fn run(world: &Arc<World>, expression: &str) -> Result<String, SqlError> {
    run_in(world, limits(), expression)
}

#[track_caller]
fn refused(world: &Arc<World>, expression: &str, state: SqlState) -> String {
    let error = run(world, expression).unwrap_err();
    assert_eq!(error.state(), state, "{expression}: {}", error.message());
    error.message().to_string()
}

#[test]
fn a_response_has_status_headers_and_body() {
    let server = Server::answering(HELLO);
    let url = server.url();
    let world = world_of(&server);
    assert_eq!(
        run(
            &world,
            &format!("heliosdb.http.get('{url}/a?b=c#d', {{ headers: {{ 'X-Key': 'k' }} }})")
        )
        .unwrap(),
        r#"{"status":200,"headers":{"content-length":"5","x-one":"1, 2"},"body":"hello"}"#
    );
    let request = server.requests().remove(0);
    assert!(request.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{request}");
    let lower = request.to_lowercase();
    assert!(lower.contains(&format!("host: 127.0.0.1:{}", server.port)), "{request}");
    assert!(lower.contains("x-key: k") && lower.contains("user-agent: parhelion/"), "{request}");
}

#[test]
fn bodies_are_sent_as_what_they_are() {
    let server = Server::answering(HELLO);
    let url = server.url();
    let world = world_of(&server);
    for (call, method, content_type, body) in [
        ("post('$', 'text')", "POST", "text/plain; charset=utf-8", "text"),
        ("post('$', { a: [1, 'x'] })", "POST", "application/json", r#"{"a":[1,"x"]}"#),
        ("post('$', new Uint8Array([65, 66]))", "POST", "application/octet-stream", "AB"),
        (
            "post('$', 'x', { headers: { 'content-type': 'text/csv' } })",
            "POST",
            "text/csv",
            "x",
        ),
        ("fetch('$', { method: 'put', body: [1, 2] })", "PUT", "application/json", "[1,2]"),
        (
            "fetch('$', { method: 'PATCH', body: 'y' })",
            "PATCH",
            "text/plain; charset=utf-8",
            "y",
        ),
    ] {
        let call = call.replace('$', &url);
        assert_eq!(run(&world, &format!("heliosdb.http.{call}.status")).unwrap(), "200");
        let request = server.requests.lock().unwrap().pop().unwrap();
        assert!(request.starts_with(&format!("{method} / HTTP/1.1\r\n")), "{request}");
        assert!(
            request.to_lowercase().contains(&format!("content-type: {content_type}\r\n")),
            "{request}"
        );
        assert!(request.ends_with(&format!("\r\n\r\n{body}")), "{request}");
    }
    for call in ["fetch('$')", "fetch('$', { method: 'DELETE' })", "post('$')"] {
        assert_eq!(
            run(&world, &format!("heliosdb.http.{}.status", call.replace('$', &url))).unwrap(),
            "200"
        );
    }
}

#[test]
fn other_statuses_and_bodies_are_no_errors() {
    let server = Server::start(|request, out| {
        let response: &[u8] = match request.split(' ').nth(1).unwrap() {
            "/404" => b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone",
            "/500" => b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",
            "/binary" => b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n\xff\x00\xfe",
            "/chunked" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
            "/until-the-end" => b"HTTP/1.1 200 OK\r\n\r\nabc",
            _ => b"nonsense",
        };
        let _ = out.write_all(response);
    });
    let (url, world) = (server.url(), world_of(&server));
    let get = |path: &str| {
        run(
            &world,
            &format!("(() => {{ const r = heliosdb.http.get('{url}{path}'); return [r.status, r.body] }})()"),
        )
    };
    assert_eq!(get("/404").unwrap(), r#"[404,"gone"]"#);
    assert_eq!(get("/500").unwrap(), r#"[500,""]"#);
    assert_eq!(get("/binary").unwrap(), r#"[200,{"0":255,"1":0,"2":254}]"#);
    assert_eq!(get("/chunked").unwrap(), r#"[200,"abcde"]"#);
    assert_eq!(get("/until-the-end").unwrap(), r#"[200,"abc"]"#);
    let error = get("/nonsense").unwrap_err();
    assert_eq!(error.state(), SqlState::IoError);
    assert!(
        error.message().starts_with(&format!("request to {url} failed: ")),
        "{}",
        error.message()
    );
}

#[test]
fn both_capabilities_are_needed_and_the_port_counts() {
    let server = Server::answering(HELLO);
    let get = format!("heliosdb.http.get('{}').status", server.url());
    let holding = |list: &str| {
        let world = Arc::new(World::default());
        if !list.is_empty() {
            *world.capabilities.lock().unwrap() = Capability::parse_list(list).unwrap();
        }
        world
    };
    let own = format!("127.0.0.1:{}", server.port);
    let message = refused(&holding(""), &get, SqlState::InsufficientPrivilege);
    assert_eq!(
        message,
        format!("permission denied for HTTP to host {own}: function f lacks capability HTTP_CLIENT")
    );
    refused(&holding(&format!("NETWORK_ACCESS('{own}')")), &get, SqlState::InsufficientPrivilege);
    let error = run(&holding("HTTP_CLIENT"), &get).unwrap_err();
    assert_eq!(
        error.fields().hint.clone().unwrap(),
        format!("ALTER FUNCTION f GRANT CAPABILITY NETWORK_ACCESS('{own}');")
    );
    for host in ["127.0.0.1:1", "127.0.0.2", "localhost", "*", "*.0.0.1"] {
        if let Ok(list) = Capability::parse_list(&format!("HTTP_CLIENT, NETWORK_ACCESS('{host}')")) {
            let world = Arc::new(World::default());
            *world.capabilities.lock().unwrap() = list;
            refused(&world, &get, SqlState::InsufficientPrivilege);
        }
    }
    assert_eq!(server.requests().len(), 0, "nothing of it reached the server");
    for host in [own.as_str(), "127.0.0.1"] {
        assert_eq!(run(&world(&[host.to_string()]), &get).unwrap(), "200");
    }
}

#[test]
fn names_of_this_machine_are_reached_only_by_name() {
    let server = Server::answering(HELLO);
    let get = format!("heliosdb.http.get('http://localhost:{}').status", server.port);
    refused(&world(&["*".into()]), &get, SqlState::InsufficientPrivilege);
    refused(&world(&["127.0.0.1".into()]), &get, SqlState::InsufficientPrivilege);
    assert_eq!(run(&world(&["localhost".into()]), &get).unwrap(), "200");

    // Another name that leads here, as /etc/hosts of most machines has one: a grant of the name does not open the address.
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_string();
    let address = std::net::ToSocketAddrs::to_socket_addrs(&(name.as_str(), server.port))
        .ok()
        .and_then(|mut found| found.next());
    if let Some(address) = address.filter(|address| !policy::is_public(address.ip())) {
        let get = format!("heliosdb.http.get('http://{name}:{}')", server.port);
        for host in ["*", name.as_str()] {
            let message = refused(&world(&[host.into()]), &get, SqlState::InsufficientPrivilege);
            assert!(
                message.contains(&format!("at the non-public address {}", address.ip())),
                "{message}"
            );
        }
    }
}

#[test]
fn a_public_pattern_reaches_no_address_that_is_not_public() {
    for url in [
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:127.0.0.1]/",
        "http://192.168.1.1:8080/",
    ] {
        refused(
            &world(&["*".into()]),
            &format!("heliosdb.http.get('{url}')"),
            SqlState::InsufficientPrivilege,
        );
    }
    for url in [
        "http://0x7f.1/",
        "http://2130706433/",
        "http://127.1/",
        "http://user@127.0.0.1/",
        "ftp://example.com/",
    ] {
        refused(
            &world(&["*".into()]),
            &format!("heliosdb.http.get('{url}')"),
            SqlState::InvalidParameterValue,
        );
    }
}

fn redirecting(status: u16, location: &str) -> Server {
    Server::answering(&format!(
        "HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
    ))
}

#[test]
fn a_redirect_is_a_new_question() {
    let target = Server::answering(HELLO);
    let server = redirecting(302, &format!("{}/there", target.url()));
    let get = format!("heliosdb.http.get('{}').body", server.url());
    let message = refused(&world_of(&server), &get, SqlState::InsufficientPrivilege);
    assert!(message.contains(&format!("127.0.0.1:{}", target.port)), "{message}");
    assert_eq!(target.requests().len(), 0, "another port is another place");
    let both = world(&[format!("127.0.0.1:{}", server.port), format!("127.0.0.1:{}", target.port)]);
    assert_eq!(run(&both, &get).unwrap(), "\"hello\"");
    assert!(target.requests()[0].starts_with("GET /there "));

    for location in ["file:///etc/passwd", "http://169.254.169.254/", "//localhost/x", "http://0x7f.1/"] {
        let server = redirecting(301, location);
        assert!(
            run(
                &world(&[format!("127.0.0.1:{}", server.port), "*".into()]),
                &format!("heliosdb.http.get('{}')", server.url())
            )
            .is_err()
        );
    }
}

#[test]
fn redirects_end_and_lose_what_is_not_for_everybody() {
    let server = redirecting(307, "/again");
    let message = refused(
        &world_of(&server),
        &format!("heliosdb.http.get('{}')", server.url()),
        SqlState::IoError,
    );
    assert!(message.ends_with("it redirects more than 10 times"), "{message}");
    assert_eq!(server.requests().len(), 11);

    let target = Server::answering(HELLO);
    let both = |server: &Server| world(&[format!("127.0.0.1:{}", server.port), format!("127.0.0.1:{}", target.port)]);
    let post = |server: &Server| {
        format!(
            "heliosdb.http.post('{}', 'body', {{ headers: {{ Authorization: 'secret', Cookie: 'c', 'X-Own': 'kept' }} }}).status",
            server.url()
        )
    };
    let server = redirecting(307, &target.url());
    assert_eq!(run(&both(&server), &post(&server)).unwrap(), "200");
    let request = target.requests.lock().unwrap().pop().unwrap();
    assert!(request.starts_with("POST / ") && request.ends_with("body"), "{request}");
    assert!(
        !request.contains("secret") && !request.to_lowercase().contains("cookie"),
        "{request}"
    );
    assert!(request.to_lowercase().contains("x-own: kept"), "{request}");

    let server = redirecting(303, &target.url());
    assert_eq!(run(&both(&server), &post(&server)).unwrap(), "200");
    let request = target.requests.lock().unwrap().pop().unwrap();
    assert!(request.starts_with("GET / ") && !request.ends_with("body"), "{request}");
}

/// Accepts, reads, and says nothing.
fn silent() -> Server {
    Server::start(|_, _| std::thread::sleep(Duration::from_secs(30)))
}

fn within(most: Duration, run: impl FnOnce()) {
    let started = Instant::now();
    run();
    assert!(started.elapsed() < most, "{:?}", started.elapsed());
}

#[test]
fn a_wait_ends_with_the_calls_wall_time() {
    let server = silent();
    let limits = Limits {
        wall_time_ms: 200,
        ..limits()
    };
    within(Duration::from_millis(600), || {
        let get = format!(
            "(() => {{ try {{ heliosdb.http.get('{}') }} catch (e) {{}} return 'caught' }})()",
            server.url()
        );
        let error = run_in(&world_of(&server), limits, &get).unwrap_err();
        assert_eq!(error.message(), "function f() exceeded its wall time limit of 200 ms");
    });
}

#[test]
fn a_cancel_request_ends_a_wait_at_once() {
    let server = silent();
    let world = world_of(&server);
    let started = Instant::now();
    let cancelled = std::thread::scope(|scope| {
        let cancel = scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(200));
            world.cancelled.store(true, Ordering::SeqCst);
            Instant::now()
        });
        let get = format!(
            "(() => {{ try {{ heliosdb.http.get('{}') }} catch (e) {{}} return 'caught' }})()",
            server.url()
        );
        let error = run(&world, &get).unwrap_err();
        assert_eq!(error.state(), SqlState::QueryCanceled);
        let ended = Instant::now();
        ended - cancel.join().unwrap()
    });
    assert!(cancelled < Duration::from_millis(100), "{cancelled:?} of {:?}", started.elapsed());
}

#[test]
fn a_timeout_of_the_request_can_be_caught() {
    let server = silent();
    let url = server.url();
    within(Duration::from_secs(2), || {
        let get = format!(
            "(() => {{ try {{ heliosdb.http.get('{url}', {{ timeout: 100 }}) }} catch (e) {{ return e.sqlstate + ' ' + e.message }} }})()"
        );
        assert_eq!(
            run(&world_of(&server), &get).unwrap(),
            format!("\"58030 request to {url} failed: no answer within 100 ms\"")
        );
    });
}

#[test]
fn a_server_that_drips_does_not_hold_a_call() {
    let server = Server::start(|_, out| {
        let _ = out.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
        for _ in 0..1000 {
            if out.write_all(b"x").and_then(|()| out.flush()).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    let limits = Limits {
        wall_time_ms: 300,
        ..limits()
    };
    within(Duration::from_millis(800), || {
        let error = run_in(&world_of(&server), limits, &format!("heliosdb.http.get('{}')", server.url())).unwrap_err();
        assert_eq!(error.message(), "function f() exceeded its wall time limit of 300 ms");
    });
}

#[test]
fn what_a_server_sends_is_bounded() {
    let endless = Server::start(|_, out| {
        let _ = out.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while out.write_all(&[b'x'; 65536]).is_ok() {}
    });
    let message = refused(
        &world_of(&endless),
        &format!("heliosdb.http.get('{}')", endless.url()),
        SqlState::ProgramLimitExceeded,
    );
    assert!(
        message.ends_with("is larger than the 10485760 bytes that a function can take"),
        "{message}"
    );
    let headers = Server::start(|_, out| {
        let _ = out.write_all(b"HTTP/1.1 200 OK\r\n");
        for number in 0..100_000 {
            if write!(out, "X-{number}: {}\r\n", "y".repeat(100)).is_err() {
                return;
            }
        }
    });
    refused(
        &world_of(&headers),
        &format!("heliosdb.http.get('{}')", headers.url()),
        SqlState::IoError,
    );
}

#[test]
fn requests_cannot_be_split_or_redirected_by_headers() {
    let server = Server::answering(HELLO);
    let (url, world) = (server.url(), world_of(&server));
    for headers in [
        r#"{ 'X-A': 'a\r\nHost: internal' }"#,
        r#"{ 'X-A\r\nHost': 'internal' }"#,
        "{ Host: 'internal' }",
        "{ 'Content-Length': 5 }",
        "{ 'Transfer-Encoding': 'chunked' }",
        "{ Connection: 'upgrade' }",
        "{ 'X-A': {} }",
        "{ '': 'a' }",
    ] {
        let message = refused(
            &world,
            &format!("heliosdb.http.get('{url}', {{ headers: {headers} }})"),
            SqlState::InvalidParameterValue,
        );
        assert_eq!(message, "heliosdb.http.get expects headers", "{headers}");
    }
    for (call, message) in [
        ("get('$', 5)", "heliosdb.http.get expects options, which are an object"),
        (
            "get('$', { verb: 'x' })",
            "heliosdb.http.get expects options {method, headers, body, timeout}",
        ),
        (
            "fetch('$', { method: 'CONNECT' })",
            "heliosdb.http.fetch expects one of the methods GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
        ),
        (
            "get('$', { timeout: -1 })",
            "heliosdb.http.get expects a timeout in whole milliseconds",
        ),
        ("get(5)", "heliosdb.http.get expects a URL, which is text"),
        ("get('$/\\n')", "heliosdb.http.get expects an http or https URL"),
        (
            "post('$', 5)",
            "heliosdb.http.post expects a body: text, bytes, an object or an array",
        ),
    ] {
        let call = format!("heliosdb.http.{}", call.replace('$', &url));
        assert_eq!(refused(&world, &call, SqlState::InvalidParameterValue), message);
    }
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn a_request_is_on_record_without_its_secrets() {
    let server = Server::answering(HELLO);
    let world = world_of(&server);
    let url = server.url();
    run(
        &world,
        &format!(
            "heliosdb.http.post('{url}/token-in-path?key=secret', 'private body', {{ headers: {{ Authorization: 'secret' }} }}).status"
        ),
    )
    .unwrap();
    let events = world.log.events();
    let operation = events.iter().find(|event| event.event_type == EventType::NetworkOperation).unwrap();
    assert_eq!(operation.resource.as_deref(), Some(url.as_str()));
    assert!(operation.duration_us.is_some());
    assert_eq!(
        operation.details,
        Some(serde_json::json!({ "method": "POST", "sent_bytes": 12, "status": 200, "received_bytes": 5, "address": "127.0.0.1" }))
    );
    for event in &events {
        let printed = format!("{event:?}");
        assert!(
            !printed.contains("secret") && !printed.contains("token") && !printed.contains("private"),
            "{printed}"
        );
    }
    let asked: Vec<&str> = events.iter().filter_map(|event| event.capability.as_deref()).collect();
    assert_eq!(
        asked,
        ["HTTP_CLIENT", "NETWORK_ACCESS", "NETWORK_ACCESS"],
        "HTTP, the name, the address"
    );
}

#[test]
fn a_closed_port_is_an_error_that_names_the_host() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let world = world(&["127.0.0.1".into()]);
    let message = refused(&world, &format!("heliosdb.http.get('http://127.0.0.1:{port}/')"), SqlState::IoError);
    assert!(
        message.starts_with(&format!(
            "request to http://127.0.0.1:{port} failed: no connection: Connection refused"
        )),
        "{message}"
    );
}

/// A server that speaks TLS with this certificate.
fn secure(certificate: &rcgen::CertifiedKey<rcgen::KeyPair>, response: String) -> Server {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(certificate.signing_key.serialize_der().into());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    Server::wrapped(
        move |stream| {
            let connection = rustls::ServerConnection::new(config.clone()).ok()?;
            Some(Box::new(rustls::StreamOwned::new(connection, stream)))
        },
        move |_, out| {
            let _ = out.write_all(response.as_bytes());
        },
    )
}

#[test]
fn https_believes_whom_the_operator_trusts_and_nobody_else() {
    let server = secure(trusted_certificate(), HELLO.into());
    let world = world(&["localhost".into(), "127.0.0.1".into()]);
    let get = |host: &str, server: &Server| format!("heliosdb.http.get('https://{host}:{}/').body", server.port);
    assert_eq!(run(&world, &get("localhost", &server)).unwrap(), "\"hello\"");
    let message = refused(&world, &get("127.0.0.1", &server), SqlState::IoError);
    assert!(message.contains("certificate"), "the certificate is another name's: {message}");

    let stranger = secure(
        &rcgen::generate_simple_self_signed(vec!["localhost".to_string()]).unwrap(),
        HELLO.into(),
    );
    let message = refused(&world, &get("localhost", &stranger), SqlState::IoError);
    assert!(message.contains("certificate") || message.contains("issuer"), "{message}");
    assert_eq!(stranger.requests().len(), 0);

    // One that answers a handshake with something else.
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = plain.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in plain.incoming().map_while(Result::ok) {
            let _ = stream.write_all(HELLO.as_bytes());
        }
    });
    refused(
        &world,
        &format!("heliosdb.http.get('https://localhost:{port}/')"),
        SqlState::IoError,
    );
}

#[test]
fn a_redirect_does_not_leave_https() {
    let plain = Server::answering(HELLO);
    let elsewhere = format!("HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", plain.url());
    let server = secure(trusted_certificate(), elsewhere);
    let world = world(&["localhost".into(), "127.0.0.1".into()]);
    let message = refused(
        &world,
        &format!("heliosdb.http.get('https://localhost:{}/')", server.port),
        SqlState::IoError,
    );
    assert!(message.ends_with("it redirects from https to http"), "{message}");
    assert_eq!(plain.requests().len(), 0);
}
