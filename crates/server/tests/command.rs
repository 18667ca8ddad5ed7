//! The `parhelion` command as a user or a script runs it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend;

fn parhelion() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parhelion"));
    for variable in ["PARHELION_DATA", "PARHELION_LISTEN", "PARHELION_CONFIG", "PARHELION_LOG"] {
        command.env_remove(variable);
    }
    command
}

fn run(script: &str, flags: &[&str]) -> Output {
    let mut child = parhelion()
        .args(["run", "-"])
        .args(flags)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn check_run(script: &str, flags: &[&str], stdout: &str, code: i32) {
    let output = run(script, flags);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        stdout,
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(code));
}

#[test]
fn a_script_prints_what_psql_prints() {
    check_run(
        "\\set ECHO queries\n\\echo a story\n-- skipped\nSELECT 1 AS x;\nDROP TABLE IF EXISTS nope;\n\\set ECHO none\nSELECT repeat('x', 3) AS r;",
        &[],
        "a story\nSELECT 1 AS x;\n x \n---\n 1\n(1 row)\n\nDROP TABLE IF EXISTS nope;\n\
         NOTICE:  table \"nope\" does not exist, skipping\nDROP TABLE\n  r  \n-----\n xxx\n(1 row)\n\n",
        0,
    );
}

#[test]
fn what_a_function_says_is_one_line_of_the_log() {
    let script = "DO LANGUAGE javascript $$ console.log('x\\n2026-01-01T00:00:00Z  WARN engine: forged\\u001b[2J') $$;";
    let output = run(script, &["--log", "info"]);
    let log = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("forged")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].contains(" INFO "), "{log}");
    assert!(
        lines[0].contains("x\\n2026-01-01T00:00:00Z  WARN engine: forged\\u{1b}[2J"),
        "{log}"
    );
    // The client gets it as it was said.
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains("x\n2026-01-01T00:00:00Z  WARN engine: forged\u{1b}[2J"), "{shown}");
}

#[test]
fn the_first_error_ends_the_script_unless_told_otherwise() {
    let script = "SELECT 1/0;\nSELECT 1 AS x;";
    let error = "ERROR:  division by zero\n-- line 1: this error was not expected\n";
    check_run(script, &[], error, 1);
    check_run(script, &["--keep-going"], &format!("{error} x \n---\n 1\n(1 row)\n\n"), 1);
    let syntax = "ERROR:  syntax error at or near \"SELEC\"\nLINE 1: SELEC 1;\n        ^\n-- line 2: this error was not expected\n";
    check_run("\nSELEC 1;", &[], syntax, 1);
}

#[test]
fn announced_errors_are_demanded() {
    check_run("-- expect error 22012\nSELECT 1/0;", &[], "ERROR:  division by zero\n", 0);
    check_run(
        "\\set VERBOSITY verbose\n-- expect error 22012\nSELECT 1/0;",
        &[],
        "ERROR:  22012: division by zero\n",
        0,
    );
    let other = "ERROR:  division by zero\n-- line 2: expected error 42501, not 22012\n";
    check_run("-- expect error 42501\nSELECT 1/0;", &[], other, 1);
    let none = " x \n---\n 1\n(1 row)\n\n-- line 2: expected error 42501, but the statement succeeded\n";
    check_run("-- expect error 42501\nSELECT 1 AS x;", &[], none, 1);
}

#[test]
fn mistakes_of_the_caller_are_named() {
    let check = |args: &[&str], expect: &str| {
        let output = parhelion().args(args).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(stderr.contains(expect), "{args:?}: {stderr}");
        assert!(!output.status.success());
    };
    check(&["run", "/nowhere.sql"], "could not read /nowhere.sql");
    check(&["serve", "--max-connections", "0"], "max_connections must be at least 1");
    check(&["serve", "--store", "paper"], "invalid value 'paper'");
    check(&["serve", "--config", "/nowhere.toml"], "could not read /nowhere.toml");
    check(&["serve", "--tls-required"], "tls_required needs tls_cert and tls_key");
    check(&["serve", "--tls-required", "some"], "invalid value 'some'");
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    check(
        &["serve", "--data", data.to_str().unwrap(), "--listen", "0.0.0.0:0"],
        "refusing to listen on 0.0.0.0:0: no password is set",
    );
}

#[test]
fn version_and_help_are_there() {
    let version = parhelion().arg("--version").output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&version.stdout),
        concat!("parhelion ", env!("CARGO_PKG_VERSION"), "\n")
    );
    let help = parhelion().args(["serve", "--help"]).output().unwrap();
    assert!(String::from_utf8_lossy(&help.stdout).contains("--listen <ADDR>"));
}

/// A served data folder, and the address in the one line that it prints.
struct Served {
    child: Child,
    addr: String,
}

fn serve(data: &Path) -> Served {
    serve_with(data, &[])
}

fn serve_with(data: &Path, flags: &[&str]) -> Served {
    let mut child = parhelion()
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .args(flags)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let start = concat!("parhelion ", env!("CARGO_PKG_VERSION"), " listening on ");
    let addr = line
        .strip_prefix(start)
        .and_then(|rest| rest.split(' ').next())
        .unwrap_or_else(|| panic!("{line:?}"))
        .to_string();
    assert!(line.ends_with(&format!("(data in {})\n", data.display())), "{line:?}");
    Served { child, addr }
}

fn signal(child: &Child, name: &str) {
    assert!(
        Command::new("kill")
            .args([name, &child.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
}

fn exit(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < deadline, "it does not stop");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn both_signals_stop_it_in_order() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["-TERM", "-INT"] {
        let mut served = serve(&folder.path().join("data"));
        assert!(std::net::TcpStream::connect(&served.addr).is_ok());
        signal(&served.child, name);
        assert_eq!(exit(&mut served.child).code(), Some(0), "{name}");
    }
}

#[test]
fn a_hangup_reads_the_certificate_again() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("server.crt"), folder.path().join("server.key"));
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_string()]).unwrap();
    let pem = |label: &str, der: &[u8]| {
        let body = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
    };
    std::fs::write(&certificate, pem("CERTIFICATE", made.cert.der())).unwrap();
    std::fs::write(&key, pem("PRIVATE KEY", &made.signing_key.serialize_der())).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut child = parhelion()
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(folder.path().join("data"))
        .arg("--tls-cert")
        .arg(&certificate)
        .arg("--tls-key")
        .arg(&key)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let addr = line.split(" listening on ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();

    signal(&child, "-HUP");
    assert!(log.any(|line| line.contains("the certificate was read again")));
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    signal(&child, "-HUP");
    let refusal = log.find(|line| line.contains("the certificate was not read again")).unwrap();
    assert!(
        refusal.contains("the old one stays") && refusal.contains("has group or world access"),
        "{refusal}"
    );
    // TLS is still to be had.
    let mut socket = std::net::TcpStream::connect(addr).unwrap();
    socket.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).unwrap();
    let mut answer = [0];
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"S");
    drop(socket);
    signal(&child, "-TERM");
    assert_eq!(exit(&mut child).code(), Some(0));
    // The same file stops a start.
    let again = parhelion()
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(folder.path().join("data"))
        .arg("--tls-cert")
        .arg(&certificate)
        .arg("--tls-key")
        .arg(&key)
        .output()
        .unwrap();
    assert!(!again.status.success());
    assert!(String::from_utf8_lossy(&again.stderr).contains("has group or world access"));
}

#[test]
fn the_data_folder_is_private_and_served_once() {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("deep/data");
    let mut served = serve(&data);
    assert_eq!(std::fs::metadata(&data).unwrap().mode() & 0o777, 0o700);
    let second = parhelion()
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(&data)
        .output()
        .unwrap();
    assert!(!second.status.success());
    signal(&served.child, "-TERM");
    exit(&mut served.child);
}

#[test]
fn what_was_committed_is_there_after_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let flags = ["--data", data.to_str().unwrap()];
    assert!(
        run("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1);", &flags)
            .status
            .success()
    );
    let mut served = serve(&data);
    signal(&served.child, "-KILL");
    exit(&mut served.child);
    check_run("SELECT id FROM t;", &flags, " id \n----\n  1\n(1 row)\n\n", 0);
}

/// A connection that speaks just enough of the protocol to send statements and see how they end.
struct Connection(TcpStream);

impl Connection {
    fn open(addr: &str) -> Connection {
        let mut message = bytes::BytesMut::new();
        frontend::startup_message([("user", "postgres"), ("database", "postgres")], &mut message).unwrap();
        let mut connection = Connection(TcpStream::connect(addr).unwrap());
        connection.ask(&message);
        connection
    }

    /// How it ended: OK, or the error's fields.
    fn run(&mut self, sql: &str) -> Result<(), String> {
        let mut message = bytes::BytesMut::new();
        frontend::query(sql, &mut message).unwrap();
        match self.ask(&message) {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }

    /// Runs a statement and sees it complete without the Sync that would commit it.
    fn complete(&mut self, sql: &str) -> Result<(), String> {
        let mut message = bytes::BytesMut::new();
        frontend::parse("", sql, [], &mut message).unwrap();
        let bound = frontend::bind("", "", [], [(); 0], |(), _| Ok(IsNull::Yes), [], &mut message);
        assert!(bound.is_ok());
        frontend::execute("", 0, &mut message).unwrap();
        frontend::flush(&mut message);
        self.0.write_all(&message).unwrap();
        match self.read_until(b'C') {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }

    /// Sends a message and reads until the server waits for the next; the error among the answers.
    fn ask(&mut self, message: &[u8]) -> Option<String> {
        self.0.write_all(message).unwrap();
        self.read_until(b'Z')
    }

    fn read_until(&mut self, last: u8) -> Option<String> {
        let mut error = None;
        loop {
            let mut head = [0; 5];
            self.0.read_exact(&mut head).unwrap();
            let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize - 4;
            let mut body = vec![0; length];
            self.0.read_exact(&mut body).unwrap();
            match head[0] {
                b'E' => error = Some(String::from_utf8_lossy(&body).into_owned()),
                kind if kind == last => return error,
                _ => {}
            }
        }
    }
}

const KEEPS: &str = "CREATE TABLE secrets (id int PRIMARY KEY);
    CREATE FUNCTION peek() RETURNS text LANGUAGE javascript AS $$
        function peek() { try { heliosdb.query('SELECT id FROM secrets'); return 'read'; } catch (denied) { return 'refused'; } } $$;
    CREATE FUNCTION keep(n int) RETURNS int LANGUAGE javascript AS $$
        function keep(n) { return heliosdb.execute('INSERT INTO secrets VALUES (?)', [n]).rowsAffected; } $$;
    ALTER FUNCTION keep GRANT CAPABILITY DATABASE_WRITE('secrets');";

/// The rows about functions in a log that nobody serves: type and verdict.
fn events_of_functions(data: &Path) -> Vec<String> {
    let export = parhelion().args(["audit", "export", "--data"]).arg(data).output().unwrap();
    let lines = String::from_utf8(export.stdout).unwrap();
    lines
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|row| !row["function_name"].is_null())
        .map(|row| format!("{} {}", row["event_type"].as_str().unwrap(), row["allowed"]))
        .collect()
}

/// What a client has heard of is in the log, though the transaction that it was part of is not there.
#[test]
fn a_call_that_was_seen_to_complete_is_on_record_after_kill_9_without_its_commit() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let flags = ["--data", data.to_str().unwrap()];
    assert!(run(KEEPS, &flags).status.success());
    let before = events_of_functions(&data).len();
    let mut served = serve(&data);
    let mut connection = Connection::open(&served.addr);
    connection.complete("SELECT keep(1)").unwrap();
    signal(&served.child, "-KILL");
    exit(&mut served.child);
    let rows = events_of_functions(&data);
    assert_eq!(
        rows[before..],
        [
            "ExecutionStarted null",
            "CapabilityCheck true",
            "DatabaseOperation null",
            "ExecutionCompleted null"
        ],
        "{rows:?}"
    );
    check_run("SELECT id FROM secrets;", &flags, " id \n----\n(0 rows)\n\n", 0);
}

/// With `audit_durability = interval`, too, what is not routine is on disk when the client is told, and so are all rows about a committed change.
#[test]
fn a_denial_is_there_after_kill_9_whatever_audit_durability_says() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let exported = || events_of_functions(&data);
    assert!(run(KEEPS, &["--data", data.to_str().unwrap()]).status.success());
    let before = exported().len();

    // The function catches its denial, so the statement ends well.
    let mut served = serve_with(&data, &["--audit-durability", "interval"]);
    let mut connection = Connection::open(&served.addr);
    connection.run("SELECT peek()").unwrap();
    signal(&served.child, "-KILL");
    exit(&mut served.child);
    let rows = exported();
    assert_eq!(
        rows[before..before + 2],
        ["ExecutionStarted null", "CapabilityCheck false"],
        "{rows:?}"
    );

    let before = rows.len();
    let mut served = serve_with(&data, &["--audit-durability", "interval"]);
    let mut connection = Connection::open(&served.addr);
    connection.run("SELECT keep(1)").unwrap();
    signal(&served.child, "-KILL");
    exit(&mut served.child);
    let rows = exported();
    assert_eq!(
        rows[before..],
        [
            "ExecutionStarted null",
            "CapabilityCheck true",
            "DatabaseOperation null",
            "ExecutionCompleted null"
        ],
        "{rows:?}"
    );
    check_run(
        "SELECT id FROM secrets;",
        &["--data", data.to_str().unwrap()],
        " id \n----\n  1\n(1 row)\n\n",
        0,
    );
}

#[test]
fn the_audit_log_is_checked_and_exported_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    check_run(
        "CREATE SECURITY POLICY p AS (); DROP SECURITY POLICY p;",
        &["--data", data],
        "CREATE SECURITY POLICY\nDROP SECURITY POLICY\n",
        0,
    );
    let audit = |arguments: &[&str]| parhelion().arg("audit").args(arguments).output().unwrap();

    let whole = audit(&["verify", "--data", data]);
    let printed = String::from_utf8(whole.stdout).unwrap();
    let head = printed
        .strip_prefix("the audit log is whole: 2 rows\nhead ")
        .expect(&printed)
        .trim();
    assert_eq!(whole.status.code(), Some(0));
    assert_eq!(audit(&["verify", "--data", data, "--head", head]).status.code(), Some(0));

    // A head that the log does not reach: its tail is gone.
    let later = head.replacen("2:", "3:", 1);
    let cut = audit(&["verify", "--data", data, "--head", &later]);
    let printed = String::from_utf8(cut.stdout).unwrap();
    assert!(
        printed.starts_with("the audit log is broken at row 3: the log ends before this row"),
        "{printed}"
    );
    assert_eq!(cut.status.code(), Some(1));
    // A head with another hash: the log was written anew.
    let other = format!("2:{}", "0".repeat(64));
    let replaced = audit(&["verify", "--data", data, "--head", &other]);
    let printed = String::from_utf8(replaced.stdout).unwrap();
    assert!(
        printed.starts_with("the audit log is broken at row 2: the row is another one"),
        "{printed}"
    );

    let export = audit(&["export", "--data", data]);
    let lines: Vec<serde_json::Value> = String::from_utf8(export.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["event_type"], "PolicyCreated");
    assert_eq!(lines[1]["prev_hash"], lines[0]["hash"]);
    assert_eq!(head, format!("2:{}", lines[1]["hash"].as_str().unwrap()));

    // What is no data folder is not made one, and found whole.
    let nothing = folder.path().join("nothing");
    assert_eq!(audit(&["verify", "--data", nothing.to_str().unwrap()]).status.code(), Some(1));
    assert!(!nothing.exists());
}
