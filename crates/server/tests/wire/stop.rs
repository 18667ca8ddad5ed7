use std::time::{Duration, Instant};

use crate::client::{Client, query, start};

#[test]
fn a_stopping_server_lets_statements_finish_and_tells_the_idle() {
    let (server, _database) = start(|_| ());
    let mut idle = Client::connect(server.local_addr());
    let mut busy = Client::connect(server.local_addr());
    busy.send(&query("SELECT pg_sleep(0.5)"));
    std::thread::sleep(Duration::from_millis(100));
    let stopping = std::thread::spawn(move || server.stop(Duration::from_secs(10)));
    let terminated = "FATAL 57P01 terminating connection due to administrator command";
    assert_eq!(idle.until_closed(), [terminated]);
    let answers = busy.until_closed();
    assert!(answers.contains(&"CommandComplete SELECT 1".to_string()), "{answers:?}");
    assert_eq!(answers.last().unwrap(), terminated);
    assert!(stopping.join().unwrap());
}

#[test]
fn after_the_grace_statements_are_cancelled() {
    let (server, _database) = start(|_| ());
    let mut busy = Client::connect(server.local_addr());
    busy.send(&query("SELECT pg_sleep(60)"));
    std::thread::sleep(Duration::from_millis(100));
    let begun = Instant::now();
    let stopping = std::thread::spawn(move || server.stop(Duration::from_millis(100)));
    let answers = busy.until_closed();
    assert_eq!(
        answers.last().unwrap(),
        "FATAL 57P01 terminating connection due to administrator command"
    );
    assert!(stopping.join().unwrap());
    assert!(begun.elapsed() < Duration::from_secs(5));
}
