//! A client that leaves while its statement runs takes the statement with it.

use std::time::{Duration, Instant};

use crate::client::{Client, query, start};

/// Until what is asked of the server is so, or 10 seconds have passed.
fn wait_for(mut is_so: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !is_so() && begun.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(20));
    }
    begun.elapsed()
}

#[test]
fn a_long_statement_ends_with_its_client() {
    let (server, database) = start(|_| ());
    let mut client = Client::connect(server.local_addr());
    client.send(&query("SELECT pg_sleep(60)"));
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(database.session_count(), 1);
    drop(client);
    let took = wait_for(|| database.session_count() == 0);
    assert!(took < Duration::from_secs(2), "{took:?}");
}

/// What a pipeline holds beyond the statement does not hide that its client has left.
#[test]
fn unread_messages_keep_no_statement_alive() {
    let (server, database) = start(|_| ());
    let mut client = Client::connect(server.local_addr());
    client.send(&[query("SELECT pg_sleep(60)"), query("SELECT 1")].concat());
    drop(client);
    let took = wait_for(|| database.session_count() == 0);
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn an_endless_function_ends_with_its_client_and_the_log_says_why() {
    let (server, database) = start(|_| ());
    let mut witness = Client::connect(server.local_addr());
    witness.query("CREATE FUNCTION spin() RETURNS integer LANGUAGE javascript AS 'function spin() { while (true) {} }'");
    for limit in [
        "max_instructions = 100000000000",
        "max_cpu_time_ms = 60000",
        "max_wall_time_ms = 60000",
    ] {
        let answers = witness.query(&format!("ALTER FUNCTION spin SET {limit}"));
        assert_eq!(answers[0], "CommandComplete ALTER FUNCTION", "{answers:?}");
    }
    // A first call makes the interpreter ready, so that what is timed below is the loop.
    witness.query("SET statement_timeout = 200");
    let answers = witness.query("SELECT spin()");
    assert!(
        answers.contains(&"ERROR 57014 canceling statement due to statement timeout".to_string()),
        "{answers:?}"
    );
    witness.query("RESET statement_timeout");

    let mut client = Client::connect(server.local_addr());
    client.send(&query("SELECT spin()"));
    std::thread::sleep(Duration::from_millis(100));
    drop(client);
    let took = wait_for(|| database.session_count() == 1);
    assert!(took < Duration::from_secs(2), "{took:?}");
    let log = "SELECT sqlstate, error FROM heliosdb.audit_log WHERE event_type = 'ExecutionFailed' ORDER BY id DESC LIMIT 1";
    assert_eq!(witness.query(log)[1], "DataRow 08006|connection to client lost");
}

/// The refused twin: whoever waits gets the answer, however long it takes.
#[test]
fn a_client_that_waits_is_answered() {
    let (server, _database) = start(|_| ());
    let mut client = Client::connect(server.local_addr());
    let answers = client.query("SELECT pg_sleep(1.2)");
    assert!(answers.contains(&"CommandComplete SELECT 1".to_string()), "{answers:?}");
}
