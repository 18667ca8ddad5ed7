//! Alerts over crashes, and posted to a webhook: the `parhelion` binary as an operator runs it.

#[allow(dead_code)] // the other tests use the rest of it
#[path = "wire/client.rs"]
mod client;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use client::Client;

const SETUP: [&str; 3] = [
    "CREATE TABLE t (n integer)",
    "CREATE FUNCTION reads() RETURNS integer LANGUAGE javascript AS $$ \
     function reads() { return heliosdb.query('SELECT 1 FROM t').rowCount; } $$",
    "CREATE TRIGGER denied AFTER INSERT ON heliosdb.audit_log FOR EACH ROW \
     WHEN (NEW.event_type = 'CapabilityCheck' AND NEW.allowed = false) \
     BEGIN SELECT heliosdb.alert('security', 'denied: ' || NEW.function_name); END",
];

struct Served {
    child: Child,
    addr: SocketAddr,
}

impl Drop for Served {
    /// As a crash does: nothing is written that was not.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(data: &Path, flags: &[&str]) -> Served {
    let mut child = Command::new(env!("CARGO_BIN_EXE_parhelion"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .args(flags)
        .env_remove("PARHELION_ALERT_WEBHOOK")
        .env_remove("PARHELION_CONFIG")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let addr = line.split(" listening on ").nth(1).and_then(|rest| rest.split(' ').next());
    Served {
        child,
        addr: addr.unwrap_or_else(|| panic!("{line:?}")).parse().unwrap(),
    }
}

fn count(client: &mut Client, sql: &str) -> i64 {
    let answers = client.query(sql);
    let row = answers.iter().find_map(|line| line.strip_prefix("DataRow "));
    row.unwrap_or_else(|| panic!("{answers:?}")).parse().unwrap()
}

const DENIALS: &str = "SELECT count(*) FROM heliosdb.audit_log WHERE event_type = 'CapabilityCheck' AND allowed = false";
const ALERTS: &str = "SELECT count(*) FROM heliosdb.alerts";
const WITH_ALERT: &str = "SELECT count(DISTINCT audit_id) FROM heliosdb.alerts";

fn until_each_denial_has_its_alert(client: &mut Client) -> i64 {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let (denials, alerts) = (count(client, DENIALS), count(client, ALERTS));
        if alerts >= denials {
            return alerts;
        }
        assert!(Instant::now() < deadline, "{denials} denials, {alerts} alerts");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whatever row the worker was at when it died: each denial has one alert in the end, and none has two.
#[test]
fn each_row_has_its_alert_once_whatever_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let served = serve(&data, &[]);
    let mut client = Client::connect(served.addr);
    for sql in SETUP {
        client.query(sql);
    }
    drop(served);
    let mut denials = 0;
    for round in 0..4 {
        let served = serve(&data, &[]);
        let mut client = Client::connect(served.addr);
        for _ in 0..10 + 7 * round {
            assert!(client.query("SELECT reads()").iter().any(|line| line.starts_with("ERROR 42501")));
            denials += 1;
        }
        // Killed at once, in the middle of the worker's work.
        drop(served);
    }
    let served = serve(&data, &[]);
    let mut client = Client::connect(served.addr);
    assert_eq!(count(&mut client, DENIALS), denials);
    assert_eq!(until_each_denial_has_its_alert(&mut client), denials);
    assert_eq!(count(&mut client, WITH_ALERT), denials);
    // In the order of the rows.
    let disorder = "SELECT count(*) FROM heliosdb.alerts a, heliosdb.alerts b WHERE a.id < b.id AND a.audit_id > b.audit_id";
    assert_eq!(count(&mut client, disorder), 0);
}

/// A web server that gives these answers one after the other, and tells what it was asked.
fn answering(statuses: &'static [&'static str]) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut statuses = statuses.iter();
        for connection in listener.incoming() {
            let Ok(connection) = connection else { return };
            // Connections may be kept open for the next request.
            let mut reader = BufReader::new(connection);
            while let Some(request) = request(&mut reader) {
                let status = statuses.next().copied().unwrap_or("200 OK");
                let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nLocation: http://127.0.0.1:1/elsewhere\r\n\r\n");
                if sender.send(request).is_err() || reader.get_mut().write_all(answer.as_bytes()).is_err() {
                    break;
                }
            }
        }
    });
    (addr, receiver)
}

fn request(reader: &mut impl BufRead) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| {
        line.to_lowercase()
            .strip_prefix("content-length:")
            .map(|length| length.trim().parse().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some(head + &String::from_utf8(body).unwrap())
}

#[test]
fn alerts_are_posted_and_tried_again() {
    let (webhook, asked) = answering(&["503 Service Unavailable", "302 Found"]);
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://{webhook}/hooks/secret");
    let served = serve(&folder.path().join("data"), &["--alert-webhook", &url]);
    let mut client = Client::connect(served.addr);
    for sql in SETUP {
        client.query(sql);
    }
    client.query("SELECT reads()");
    let patience = Duration::from_secs(30);
    let mut posts = vec![];
    for _ in 0..3 {
        posts.push(asked.recv_timeout(patience).expect("a post"));
    }
    // Refused twice, once by sending it elsewhere: the third time it was taken.
    assert_eq!(posts[0], posts[1]);
    assert_eq!(posts[0], posts[2]);
    let (head, body) = posts[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /hooks/secret HTTP/1.1\r\n"), "{head}");
    assert!(head.to_lowercase().contains("content-type: application/json"), "{head}");
    let alert: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(alert["id"], 1);
    assert_eq!(alert["category"], "security");
    assert_eq!(alert["message"], "denied: reads");
    assert_eq!(alert["function_name"], "reads");
    assert_eq!(alert["trigger_name"], "denied");
    assert_eq!(alert["user_name"], "postgres");
    assert!(alert["audit_id"].is_u64() && alert["timestamp"].is_string(), "{alert}");

    client.query("SELECT heliosdb.alert('drill', 'by hand')");
    let next = asked.recv_timeout(patience).expect("a post");
    assert!(
        next.ends_with(r#""message":"by hand","user_name":"postgres","function_name":null,"trigger_name":null,"audit_id":null}"#),
        "{next}"
    );
}

/// Nobody answers at the webhook: alerts are raised as ever.
#[test]
fn a_webhook_that_is_gone_stops_nothing() {
    let gone = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let served = serve(&folder.path().join("data"), &["--alert-webhook", &format!("http://{gone}/")]);
    let mut client = Client::connect(served.addr);
    for sql in SETUP {
        client.query(sql);
    }
    for _ in 0..5 {
        client.query("SELECT reads()");
    }
    assert_eq!(until_each_denial_has_its_alert(&mut client), 5);
}
