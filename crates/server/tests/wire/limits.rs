use std::time::{Duration, Instant};

use crate::client::{Client, query, start, startup};

const WHO: &[(&str, &str)] = &[("user", "postgres"), ("database", "postgres")];

#[test]
fn one_session_too_many_is_refused_until_another_leaves() {
    let (server, _database) = start(|options| options.max_connections = 2);
    let first = Client::connect(server.local_addr());
    let _second = Client::connect(server.local_addr());
    let mut third = Client::raw(server.local_addr());
    third.send(&startup(WHO));
    assert_eq!(third.until_closed(), ["FATAL 53300 sorry, too many clients already"]);
    drop(first);
    std::thread::sleep(Duration::from_millis(200));
    Client::connect(server.local_addr());
}

#[test]
fn a_client_that_does_not_log_in_is_sent_away() {
    let (server, _database) = start(|options| options.authentication_timeout = Duration::from_millis(300));
    let mut silent = Client::raw(server.local_addr());
    let mut dripping = Client::raw(server.local_addr());
    let start = Instant::now();
    for byte in [0, 0, 0, 50, 0, 3] {
        dripping.send(&[byte]);
        std::thread::sleep(Duration::from_millis(20));
    }
    let expect = ["FATAL 57014 canceling authentication due to timeout"];
    assert_eq!(silent.until_closed(), expect);
    assert_eq!(dripping.until_closed(), expect);
    assert!(start.elapsed() < Duration::from_secs(3));
}

/// A result far larger than the server's buffers waits for a client that reads slowly; the
/// others are served meanwhile.
#[test]
fn a_slow_reader_holds_up_nobody() {
    let (server, _database) = start(|_| ());
    let mut slow = Client::connect(server.local_addr());
    slow.send(&query("SELECT generate_series(1, 3000000)"));
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(Client::connect(server.local_addr()).query("SELECT 1 AS x").len(), 4);
    drop(slow);
    assert!(server.stop(Duration::from_secs(10)));
}
