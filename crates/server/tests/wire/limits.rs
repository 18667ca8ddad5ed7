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

/// Whoever was not let in has not logged in, whatever it was that stood in the way.
#[test]
fn a_login_is_on_record_with_its_session_or_as_refused() {
    let (server, _database) = start(|options| options.max_connections = 2);
    let mut first = Client::connect(server.local_addr());
    let refused = |parameters: &[(&str, &str)]| {
        let mut client = Client::raw(server.local_addr());
        client.send(&startup(parameters));
        client.until_closed()
    };
    assert_eq!(
        refused(&[("user", "postgres"), ("database", "nosuch")]),
        ["FATAL 3D000 database \"nosuch\" does not exist"]
    );
    assert_eq!(
        refused(&[("user", "nobody"), ("database", "postgres")]),
        ["FATAL 28000 role \"nobody\" does not exist"]
    );
    let mut second = Client::connect(server.local_addr());
    assert_eq!(refused(WHO), ["FATAL 53300 sorry, too many clients already"]);
    // The first row of a session is its login, and what else it does has the same session_id.
    second.query("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'");
    let rows = first.query(
        "SELECT event_type, user_name, sqlstate, allowed, CASE WHEN session_id IS NOT NULL THEN dense_rank() OVER (ORDER BY session_id) END \
         FROM heliosdb.audit_log ORDER BY id",
    );
    let rows: Vec<&String> = rows.iter().filter(|line| line.starts_with("DataRow")).collect();
    assert_eq!(
        rows,
        [
            "DataRow LoginSucceeded|postgres|NULL|t|1",
            "DataRow LoginFailed|postgres|3D000|f|NULL",
            "DataRow LoginFailed|nobody|28000|f|NULL",
            "DataRow LoginSucceeded|postgres|NULL|t|2",
            "DataRow LoginFailed|postgres|53300|f|NULL",
            "DataRow FunctionCreated|postgres|NULL|NULL|2",
        ]
    );
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

#[test]
fn the_last_places_are_the_superusers() {
    let (server, _database) = start(|options| options.max_connections = 5);
    let mut admin = Client::connect(server.local_addr());
    admin.query("CREATE ROLE mallory LOGIN");
    let _second = Client::login(server.local_addr(), "mallory");
    let mut third = Client::raw(server.local_addr());
    third.send(&startup(&[("user", "mallory"), ("database", "postgres")]));
    let refused = "FATAL 53300 remaining connection slots are reserved for non-replication superuser connections";
    assert_eq!(third.until_closed().last().map(String::as_str), Some(refused));
    let mut fourth = Client::connect(server.local_addr());
    assert_eq!(fourth.query("SELECT 1 AS one")[1], "DataRow 1");
}

#[test]
fn silent_sockets_keep_nobody_out() {
    let (server, _database) = start(|options| options.max_connections = 2);
    let mut silent: Vec<Client> = (0..150).map(|_| Client::raw(server.local_addr())).collect();
    let mut client = Client::connect(server.local_addr());
    assert_eq!(client.query("SELECT 1 AS one")[1], "DataRow 1");
    // The one that has said nothing for longest had to go.
    assert_eq!(silent[0].until_closed(), Vec::<String>::new());
}
