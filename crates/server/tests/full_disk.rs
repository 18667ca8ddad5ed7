//! A disk without room: refused in time as an ordinary error; and where a write fails all the same, the server ends.

#[allow(dead_code)] // the other tests use the rest of it
#[path = "wire/client.rs"]
mod client;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use client::Client;

struct Served {
    child: Child,
    addr: SocketAddr,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `before` is what a shell does first.
fn serve(before: &str, data: &Path, flags: &[&str]) -> Served {
    let mut child = Command::new("sh")
        .args(["-c", &format!("{before} exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_parhelion")])
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .args(flags)
        .env_remove("PARHELION_CONFIG")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let addr = line.split(" listening on ").nth(1).and_then(|rest| rest.split(' ').next());
    Served {
        addr: addr.unwrap_or_else(|| panic!("{line:?}")).parse().unwrap(),
        child,
    }
}

const FULL: &str = "ERROR 53100 could not extend the store: No space left on device";

#[test]
fn below_the_reserve_writes_are_refused_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let served = serve("", &data, &[]);
    let mut client = Client::connect(served.addr);
    for sql in [
        "CREATE TABLE t (id integer PRIMARY KEY, v text UNIQUE)",
        "INSERT INTO t VALUES (1, 'one'), (2, 'two')",
        "CREATE FUNCTION reads() RETURNS integer LANGUAGE javascript AS $$ \
         function reads() { return heliosdb.query('SELECT 1 FROM t').rowCount; } $$",
        "CREATE ROLE somebody",
        "GRANT SELECT ON t TO somebody",
    ] {
        let answers = client.query(sql);
        assert!(answers[0].starts_with("CommandComplete"), "{sql}: {answers:?}");
    }
    drop(served);

    // No disk has this much.
    let served = serve("", &data, &["--min-free-disk", "1000000000000000000"]);
    let mut client = Client::connect(served.addr);
    for sql in [
        "INSERT INTO t VALUES (3, 'three')",
        "UPDATE t SET v = 'x' WHERE id = 1",
        "INSERT INTO t VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET v = excluded.v",
    ] {
        assert_eq!(client.query(sql), [FULL, "ReadyForQuery I"], "{sql}");
    }
    // In a block it is the commit that fails, and with it the whole block.
    client.query("BEGIN");
    assert_eq!(
        client.query("INSERT INTO t VALUES (4, 'four')"),
        ["CommandComplete INSERT 0 1", "ReadyForQuery T"]
    );
    assert_eq!(client.query("COMMIT"), [FULL, "ReadyForQuery I"]);
    // Reading, refusing and recording that, taking rights away and making room go on.
    let denied = client.query("SELECT reads()");
    assert!(denied.iter().any(|line| line.starts_with("ERROR 42501")), "{denied:?}");
    let recorded = client.query("SELECT count(*) FROM heliosdb.audit_log WHERE event_type = 'CapabilityCheck' AND allowed = false");
    assert_eq!(recorded[1], "DataRow 1");
    assert_eq!(client.query("REVOKE SELECT ON t FROM somebody")[0], "CommandComplete REVOKE");
    assert_eq!(client.query("DELETE FROM t WHERE id = 1")[0], "CommandComplete DELETE 1");
    assert_eq!(client.query("SELECT v FROM t")[1], "DataRow two");
    assert_eq!(client.query("TRUNCATE t")[0], "CommandComplete TRUNCATE TABLE");
    assert_eq!(client.query("DROP TABLE t")[0], "CommandComplete DROP TABLE");
}

/// No file may grow beyond some size: a write fails as it does on a full disk. Then nobody knows what is on disk, so
/// the server ends, and its next start reads it.
#[test]
fn a_server_whose_store_failed_ends_and_starts_again_with_what_was_committed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    drop(serve("", &data, &[]));
    let mut served = serve("trap '' XFSZ; ulimit -f 131072;", &data, &[]);
    let log = BufReader::new(served.child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut client = Client::connect(served.addr);
    client.query("CREATE TABLE t (id integer PRIMARY KEY, v text)");
    let mut rows = 0;
    let failure = loop {
        let answers = client.query(&format!(
            "INSERT INTO t SELECT {rows} + i, repeat('x', 1000000) FROM generate_series(1, 8) AS i"
        ));
        match answers[0].as_str() {
            "CommandComplete INSERT 0 8" => rows += 8,
            other => break other.to_string(),
        }
        assert!(rows < 1_000, "no write fails");
    };
    assert!(failure.starts_with("ERROR 58030") || failure.starts_with("FATAL"), "{failure}");
    let last = log.filter(|line| line.contains("FATAL")).last();
    assert!(
        last.as_ref().is_some_and(|line| line.contains("takes no more writes until")),
        "{last:?}"
    );
    assert_eq!(served.child.wait().unwrap().code(), Some(1));

    let served = serve("", &data, &[]);
    let mut client = Client::connect(served.addr);
    let found: usize = client.query("SELECT count(*) FROM t")[1]
        .strip_prefix("DataRow ")
        .unwrap()
        .parse()
        .unwrap();
    // The insert that failed may have arrived, wholly or not at all.
    assert!(found == rows || found == rows + 8, "{found} of {rows}");
    let again = format!("INSERT INTO t VALUES ({}, 'more')", rows + 100);
    assert_eq!(client.query(&again)[0], "CommandComplete INSERT 0 1");
}
