use std::time::{Duration, Instant};

use crate::client::{Client, query, shared_server, startup_packet};

const CANCEL_REQUEST: u32 = 80877102;

fn cancel(pid: i32, secret: i32) {
    let body = [&CANCEL_REQUEST.to_be_bytes()[..], &pid.to_be_bytes(), &secret.to_be_bytes()].concat();
    let mut client = Client::raw(shared_server());
    client.send(&startup_packet(&body));
    assert_eq!(client.until_closed(), [""; 0], "a cancel request has no answer");
}

#[test]
fn a_cancel_request_stops_the_statement_and_nothing_more() {
    let mut client = Client::on_shared();
    let (pid, secret) = client.key;
    client.send(&query("SELECT pg_sleep(30)"));
    let start = Instant::now();
    let waiting = std::thread::spawn(move || (client.until_ready(), client));
    std::thread::sleep(Duration::from_millis(200));
    cancel(pid, secret);
    let (answers, mut client) = waiting.join().unwrap();
    assert_eq!(
        answers[answers.len() - 2..],
        ["ERROR 57014 canceling statement due to user request", "ReadyForQuery I"]
    );
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(client.query("SELECT 1 AS x").len(), 4);
}

#[test]
fn a_wrong_secret_stops_nothing() {
    let mut client = Client::on_shared();
    let (pid, secret) = client.key;
    client.send(&query("SELECT pg_sleep(0.4)"));
    std::thread::sleep(Duration::from_millis(100));
    cancel(pid, secret ^ 1);
    cancel(pid + 1000, secret);
    assert!(client.until_ready().contains(&"CommandComplete SELECT 1".to_string()));
}
