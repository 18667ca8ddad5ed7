//! Every function of the host's, called by a component in Rust (`probe/`): granted, and refused.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // the tests play the rest of the machine

use std::io::{Read, Write};
use std::net::TcpListener;

use policy::Capability;

use super::*;

fn probe() -> FunctionSource {
    static BODY: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let body = BODY.get_or_init(|| {
        let digits = include_bytes!("probe.wasm").iter().map(|byte| format!("{byte:02x}"));
        format!("\\x{}", digits.collect::<String>())
    });
    component(body, &[Type::Text, Type::Array(&Type::Text)], Type::Text)
}

fn ask(world: &Arc<World>, what: &str, given: &[&str]) -> Result<String, SqlError> {
    let given = Datum::array(Type::Text, given.iter().map(|text| Datum::text(*text)).collect());
    let args = [(Type::Text, Datum::text(what)), (Type::Array(&Type::Text), given)];
    match call_source(world, wasm_limits(), &probe(), &args) {
        Ok(Datum::Text(text)) => Ok(text),
        Ok(other) => panic!("{what}: {other:?}"),
        Err(error) => Err(sql_error(error)),
    }
}

#[track_caller]
fn answers(world: &Arc<World>, what: &str, given: &[&str], expected: &str) {
    match ask(world, what, given) {
        Ok(found) => assert_eq!(found, expected, "{what}"),
        Err(error) => panic!("{what}: {error:?}"),
    }
}

fn holding(list: &str) -> Arc<World> {
    let world = World::default();
    *world.capabilities.lock().unwrap() = Capability::parse_list(list).unwrap();
    Arc::new(world)
}

#[test]
fn every_kind_of_value_goes_to_a_statement_and_comes_back() {
    let expected = "[Value::Null, Value::Boolean(true), Value::Smallint(-2), Value::Integer(3), Value::Bigint(1099511627776), \
        Value::Real(0.5), Value::DoublePrecision(0.1), Value::Numeric(\"1.50\"), Value::Text(\"t\"), Value::Bytea([0, 255]), \
        Value::Date(\"2026-01-31\"), Value::Time(\"01:02:03\"), Value::Timestamp(\"2026-01-31 01:02:03\"), \
        Value::Timestamptz(\"2026-01-31 01:02:03+00\"), Value::Interval(\"1 day\"), \
        Value::Uuid(\"123e4567-e89b-12d3-a456-426614174000\"), Value::Jsonb(\"{\\\"a\\\": 1}\"), \
        Value::Array(Array { lengths: [2, 1], elements: [Scalar::Integer(1), Scalar::Null] })]";
    let world: Arc<World> = Arc::default();
    let found = ask(&world, "query", &["echo"]).unwrap();
    let (_, rows) = found.split_once("] [").unwrap();
    assert_eq!(rows, format!("{expected}]"));
    answers(&world, "call", &["echo"], "Value::Null");
    answers(&world, "execute", &["insert"], "2 None");
    answers(&world, "execute", &["returning"], "1 Some(([\"id\"], [[Value::Bigint(7)]]))");
    let error = ask(&world, "execute", &["again"]).unwrap_err();
    assert_eq!(
        (error.state(), error.fields().detail.as_deref()),
        (SqlState::UniqueViolation, Some("Key (id)=(1) already exists."))
    );
    let error = ask(&world, "nonsense", &[]).unwrap_err();
    assert_eq!(
        (error.state(), error.message()),
        (SqlState::ExternalRoutineException, "there is no nonsense")
    );
}

#[test]
fn storage_is_the_functions_own() {
    let world: Arc<World> = Arc::default();
    answers(&world, "storage.get", &["k"], "None");
    answers(&world, "storage.set", &["k", "{\"a\": 1}"], "()");
    answers(&world, "storage.get", &["k"], "Some(\"{\\\"a\\\":1}\")");
    answers(&world, "storage.increment", &["n", "5"], "\"5\"");
    answers(&world, "storage.keys", &[""], "[\"k\", \"n\"]");
    answers(&world, "storage.delete", &["k"], "true");
    answers(&world, "storage.delete", &["k"], "false");
    assert_eq!(
        ask(&world, "storage.get", &[""]).unwrap_err().state(),
        SqlState::InvalidParameterValue
    );
}

#[test]
fn files_are_reached_by_those_who_may() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let root = root.to_str().unwrap();
    let file = format!("{root}/a.txt");
    let mine = holding(&format!("FILE_READ('{root}/*'), FILE_WRITE('{root}/*')"));
    answers(&mine, "fs.writeText", &[&file, "one"], "()");
    answers(&mine, "fs.appendText", &[&file, " two"], "()");
    answers(&mine, "fs.readText", &[&file], "\"one two\"");
    answers(&mine, "fs.readBytes", &[&file], "[111, 110, 101, 32, 116, 119, 111]");
    answers(&mine, "fs.list", &[root], "[\"a.txt\"]");
    let nobody: Arc<World> = Arc::default();
    for what in ["fs.readText", "fs.readBytes", "fs.writeText", "fs.appendText", "fs.remove"] {
        let error = ask(&nobody, what, &[&file, "x"]).unwrap_err();
        assert_eq!(error.state(), SqlState::InsufficientPrivilege, "{what}: {}", error.message());
    }
    assert_eq!(
        ask(&nobody, "fs.list", &[root]).unwrap_err().state(),
        SqlState::InsufficientPrivilege
    );
    assert_eq!(nobody.checks().len(), 6);
    answers(&mine, "fs.remove", &[&file], "()");
    answers(&mine, "fs.list", &[root], "[]");
}

#[test]
fn hashes_and_randomness_are_for_those_who_may() {
    let world = holding("CRYPTO_ACCESS, RANDOM_ACCESS");
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    answers(&world, "crypto.sha256", &[""], empty);
    assert_eq!(ask(&world, "crypto.sha512", &[""]).unwrap().len(), 128);
    let code = "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8";
    answers(
        &world,
        "crypto.hmac",
        &["sha256", "key", "The quick brown fox jumps over the lazy dog"],
        code,
    );
    answers(&world, "crypto.randomBytes", &["7"], "7");
    answers(&world, "crypto.uuid", &[], "36");
    answers(&world, "crypto.timingSafeEqual", &["a", "a"], "true");
    answers(&world, "crypto.timingSafeEqual", &["a", "b"], "false");
    answers(&world, "seed", &[], "32");
    assert_eq!(
        ask(&world, "crypto.randomBytes", &["4000000000"]).unwrap_err().state(),
        SqlState::InvalidParameterValue
    );
    let nobody: Arc<World> = Arc::default();
    for what in [
        "crypto.sha256",
        "crypto.sha512",
        "crypto.hmac",
        "crypto.randomBytes",
        "crypto.uuid",
        "crypto.timingSafeEqual",
        "seed",
    ] {
        let error = ask(&nobody, what, &["sha256"]).unwrap_err();
        assert_eq!(error.state(), SqlState::InsufficientPrivilege, "{what}: {}", error.message());
    }
}

#[test]
fn a_refusal_can_be_caught_and_messages_have_their_level() {
    let nobody: Arc<World> = Arc::default();
    answers(&nobody, "caught", &[], "42501 Some(\"ENV_ACCESS\") 1");
    answers(&holding("ENV_ACCESS"), "caught", &[], "Some(\"https://api.example.com\")");
    answers(&holding("ENV_ACCESS"), "env.get", &["NOTHING"], "None");
    answers(&nobody, "log", &[], "");
    assert_eq!(
        format!("{:?}", nobody.messages.lock().unwrap()),
        "[(Debug, \"d\"), (Info, \"i\"), (Warning, \"w\"), (Warning, \"e\")]"
    );
    answers(&nobody, "now", &[], &TIMESTAMP.to_string());
}

/// Answers one request with its own head and body, after a byte that is no UTF-8 where the path says so.
fn mirror() -> (u16, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut piece = [0; 4096];
        loop {
            let count = stream.read(&mut piece).unwrap();
            request.extend_from_slice(&piece[..count]);
            let text = String::from_utf8_lossy(&request).to_lowercase();
            let Some((head, _)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length = length.map_or(0, |length| length.parse().unwrap());
            if count == 0 || request.len() >= head.len() + 4 + length {
                break;
            }
        }
        let line = request.split(|byte| *byte == b'\r').next().unwrap().to_vec();
        let at = request.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let mut body = [&line[..], b"|", &request[at + 4..]].concat();
        if line.windows(4).any(|window| window == b"/raw") {
            body.insert(0, 255);
        }
        let head = format!(
            "HTTP/1.1 201 Created\r\nX-Own: a\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(&[head.as_bytes(), &body].concat()).unwrap();
    });
    (port, thread)
}

#[test]
fn requests_are_sent_by_those_who_may() {
    for (path, body, method, expected) in [
        ("/a", "hello", "POST", "Body::Text(\"POST /a HTTP/1.1|hello\")"),
        ("/b", "", "GET", "Body::Text(\"GET /b HTTP/1.1|\")"),
        ("/raw", "", "GET", "Body::Bytes([255, 71, 69, 84,"),
        ("/c", "bytes", "PUT", "Body::Bytes([80, 85, 84, 32, 47, 99,"),
    ] {
        let (port, thread) = mirror();
        let url = format!("http://127.0.0.1:{port}{path}");
        let world = holding(&format!("HTTP_CLIENT, NETWORK_ACCESS('127.0.0.1:{port}')"));
        let found = ask(&world, "http.fetch", &[method, &url, body, "X-Mine:b"]).unwrap();
        thread.join().unwrap();
        assert!(
            found.starts_with("201 [") && found.contains("(\"x-own\", \"a\")") && found.contains(expected),
            "{found}"
        );
    }
    let nobody: Arc<World> = Arc::default();
    let error = ask(&nobody, "http.fetch", &["GET", "http://127.0.0.1:1/", ""]).unwrap_err();
    assert_eq!(error.state(), SqlState::InsufficientPrivilege, "{}", error.message());
    let twice = ask(
        &holding("HTTP_CLIENT"),
        "http.fetch",
        &["GET", "http://127.0.0.1:1/", "", "A:1", "a:2"],
    )
    .unwrap_err();
    assert_eq!(twice.message(), "a request has each header once");
    let framing = ask(&holding("HTTP_CLIENT"), "http.fetch", &["GET", "http://127.0.0.1:1/", "", "Host:x"]).unwrap_err();
    assert_eq!(framing.state(), SqlState::InvalidParameterValue, "{}", framing.message());
}
