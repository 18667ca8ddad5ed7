//! Triggers on the audit log as clients make them, in one piece or in several, and the alerts as they are told.

use std::time::{Duration, Instant};

use crate::client::{Client, bind, describe, execute, parse, start, sync};

const FIRST: &str = "CREATE TRIGGER denied AFTER INSERT ON heliosdb.audit_log FOR EACH ROW \
    WHEN (NEW.event_type = 'CapabilityCheck' AND NEW.allowed = false) \
    BEGIN SELECT heliosdb.alert('security', 'denied: ' || NEW.function_name)";
const READS: &str = "CREATE FUNCTION reads() RETURNS integer LANGUAGE javascript AS $$ \
    function reads() { return heliosdb.query('SELECT 1 FROM t').rowCount; } $$";
const SHOW: &str = "SELECT pg_get_triggerdef(oid) FROM pg_trigger";
const NOTICE: &str = "NOTICE 00000 the body of trigger \"denied\" goes on until END";

fn tag(answers: &[String]) -> Option<&str> {
    answers.iter().find_map(|line| line.strip_prefix("CommandComplete "))
}

fn error(answers: &[String]) -> Option<&str> {
    answers.iter().find_map(|line| line.strip_prefix("ERROR "))
}

/// What psql and others send for a text with semicolons in it: one statement after the other.
#[test]
fn a_body_may_come_in_pieces() {
    let (server, _database) = start(|_| ());
    let mut client = Client::connect(server.local_addr());
    let kept = ["EmptyQueryResponse", "ReadyForQuery I"];
    assert_eq!(client.query(&format!("{FIRST};")), [NOTICE, kept[0], kept[1]]);
    assert_eq!(client.query("SELECT heliosdb.alert('second', NEW.resource);"), kept);
    // Nobody else notices.
    let mut other = Client::connect(server.local_addr());
    assert_eq!(tag(&other.query(SHOW)), Some("SELECT 0"));
    assert_eq!(
        other.query("END"),
        [
            "WARNING 25P01 there is no transaction in progress",
            "CommandComplete COMMIT",
            "ReadyForQuery I"
        ]
    );
    assert_eq!(client.query("end;"), ["CommandComplete CREATE TRIGGER", "ReadyForQuery I"]);
    assert_eq!(tag(&other.query(SHOW)), Some("SELECT 1"));

    // It is over: END ends a transaction again, also where the trigger was made in one.
    assert_eq!(
        tag(&client.query("DROP TRIGGER denied ON heliosdb.audit_log")),
        Some("DROP TRIGGER")
    );
    client.query("BEGIN");
    assert_eq!(client.query(FIRST).last().map(String::as_str), Some("ReadyForQuery T"));
    // As psql does around statements with ON_ERROR_ROLLBACK.
    assert_eq!(tag(&client.query("SAVEPOINT s")), Some("SAVEPOINT"));
    assert_eq!(client.query("END"), ["CommandComplete CREATE TRIGGER", "ReadyForQuery T"]);
    assert_eq!(client.query("END"), ["CommandComplete COMMIT", "ReadyForQuery I"]);
    assert_eq!(tag(&other.query(SHOW)), Some("SELECT 1"));
}

#[test]
fn anything_else_ends_an_unfinished_body() {
    let (server, _database) = start(|_| ());
    let mut client = Client::connect(server.local_addr());
    let begun = |client: &mut Client| assert_eq!(client.query(FIRST).first().map(String::as_str), Some(NOTICE));
    for (statement, refused) in [
        ("DROP TABLE t", "42601 syntax error at or near \"DROP\""),
        ("COMMIT", "42601 syntax error at or near \"COMMIT\""),
        ("BEGIN", "42601 syntax error at or near \"BEGIN\""),
        ("SELEC", "42601 syntax error at or near \"SELEC\""),
        (FIRST, "42601 syntax error at or near \"CREATE\""),
        ("SELECT NEW.nothing; END", "42703 column new.nothing does not exist"),
    ] {
        begun(&mut client);
        let answers = client.query(statement);
        assert_eq!(error(&answers), Some(refused), "{answers:?}");
        assert_eq!(answers.last().map(String::as_str), Some("ReadyForQuery I"));
        // And is forgotten.
        assert_eq!(tag(&client.query("SELECT 1 AS x")), Some("SELECT 1"));
        assert_eq!(tag(&client.query(SHOW)), Some("SELECT 0"));
    }
    // What is wrong with the first piece shows at once, and nothing waits.
    let answers = client.query(&FIRST.replace("NEW.function_name", "NEW.nothing"));
    assert_eq!(error(&answers), Some("42703 column new.nothing does not exist"), "{answers:?}");
    assert_eq!(tag(&client.query("SELECT 1 AS x")), Some("SELECT 1"));
    // A pool's reset is no mistake of anybody's.
    begun(&mut client);
    assert_eq!(tag(&client.query("DISCARD ALL")), Some("DISCARD ALL"));
    assert_eq!(tag(&client.query("SELECT 1 AS x")), Some("SELECT 1"));
    // It is bounded.
    begun(&mut client);
    let long = format!("SELECT '{}'", "x".repeat(70_000));
    assert_eq!(
        error(&client.query(&long)),
        Some("54000 the body of a trigger is longer than 65536 bytes or 100 statements")
    );
    // An unfinished one is nobody's who comes next on a connection, and none of a client's that leaves.
    begun(&mut client);
    drop(client);
    let mut client = Client::connect(server.local_addr());
    assert_eq!(tag(&client.query(SHOW)), Some("SELECT 0"));
}

/// A driver of the extended protocol sends the whole, or what it has cut.
#[test]
fn the_extended_protocol_takes_both() {
    let (server, _database) = start(|_| ());
    let mut client = Client::connect(server.local_addr());
    let run = |client: &mut Client, sql: &str| {
        client.ask(&[
            parse("", sql, &[]),
            bind("", "", &[], &[], &[]),
            describe('P', ""),
            execute("", 0),
            sync(),
        ])
    };
    let whole = run(&mut client, &format!("{FIRST}; END;"));
    assert_eq!(
        whole,
        [
            "ParseComplete",
            "BindComplete",
            "NoData",
            "CommandComplete CREATE TRIGGER",
            "ReadyForQuery I"
        ]
    );
    client.query("DROP TRIGGER denied ON heliosdb.audit_log");

    let pieces = client.ask(
        &[FIRST, "SELECT heliosdb.alert('second', NEW.resource)", "END"]
            .iter()
            .flat_map(|sql| [parse("", sql, &[]), bind("", "", &[], &[], &[]), describe('P', ""), execute("", 0)])
            .chain([sync()])
            .collect::<Vec<_>>(),
    );
    let piece = |end: &'static str| ["ParseComplete", "BindComplete", "NoData", end];
    let mut expect: Vec<&str> = vec![];
    expect.extend(["ParseComplete", "BindComplete", "NoData", NOTICE, "EmptyQueryResponse"]);
    expect.extend(piece("EmptyQueryResponse"));
    expect.extend(piece("CommandComplete CREATE TRIGGER"));
    expect.push("ReadyForQuery I");
    assert_eq!(pieces, expect);
    assert_eq!(tag(&client.query(SHOW)), Some("SELECT 1"));
}

#[test]
fn a_waiting_client_is_told_of_an_alert() {
    let (server, _database) = start(|_| ());
    let (mut hears, mut acts) = (Client::connect(server.local_addr()), Client::connect(server.local_addr()));
    assert_eq!(tag(&hears.query("LISTEN heliosdb_alerts")), Some("LISTEN"));
    acts.query("CREATE TABLE t (n integer)");
    acts.query(READS);
    assert_eq!(tag(&acts.query(&format!("{FIRST}; END;"))), Some("CREATE TRIGGER"));
    for id in 1..=3 {
        assert!(error(&acts.query("SELECT reads()")).is_some());
        let told = hears.next();
        assert!(
            told.ends_with(&format!(
                r#" heliosdb_alerts {{"id":{id},"category":"security","message":"denied: reads"}}"#
            )),
            "{told}"
        );
    }
    // Those of a superuser's own, at the commit.
    acts.query("BEGIN; SELECT heliosdb.alert('drill', 'now')");
    acts.query("COMMIT");
    let told = hears.next();
    assert!(told.ends_with(r#"{"id":4,"category":"drill","message":"now"}"#), "{told}");
    // A rolled-back one is none: the next that comes is another.
    acts.query("BEGIN; SELECT heliosdb.alert('drill', 'undone'); ROLLBACK");
    acts.query("SELECT heliosdb.alert('drill', 'last')");
    let told = hears.next();
    assert!(told.ends_with(r#""message":"last"}"#), "{told}");
}

/// Whoever may not read the alerts does not hear them, and nobody says what only the server says.
#[test]
fn alerts_are_for_superusers_and_auditors() {
    let (server, _database) = start(|_| ());
    let mut root = Client::connect(server.local_addr());
    root.query("CREATE ROLE plain LOGIN");
    root.query("CREATE ROLE boss LOGIN SUPERUSER");
    let mut plain = Client::login(server.local_addr(), "plain");
    for (sql, refused) in [
        ("LISTEN heliosdb_alerts", "42501 permission denied for channel heliosdb_alerts"),
        (
            "NOTIFY heliosdb_alerts, 'all is well'",
            "42501 permission denied for channel heliosdb_alerts",
        ),
        (
            "SELECT pg_notify('heliosdb_alerts', 'all is well')",
            "42501 permission denied for channel heliosdb_alerts",
        ),
        (
            "SELECT heliosdb.alert('false', 'alarm')",
            "42501 permission denied for function heliosdb.alert",
        ),
        ("SELECT * FROM heliosdb.alerts", "42501 permission denied for table alerts"),
        (
            "CREATE TRIGGER t AFTER INSERT ON heliosdb.audit_log FOR EACH ROW BEGIN SELECT 1; END",
            "42501 permission denied to create trigger on heliosdb.audit_log",
        ),
        (
            "DROP TRIGGER t ON heliosdb.audit_log",
            "42501 permission denied to drop trigger on heliosdb.audit_log",
        ),
        (
            "ALTER TABLE heliosdb.audit_log DISABLE TRIGGER ALL",
            "42501 permission denied to alter trigger on heliosdb.audit_log",
        ),
    ] {
        assert_eq!(error(&plain.query(sql)), Some(refused), "{sql}");
    }
    for sql in ["NOTIFY heliosdb_alerts, 'x'", "SELECT pg_notify('heliosdb_alerts', 'x')"] {
        assert_eq!(error(&root.query(sql)), Some("42501 permission denied for channel heliosdb_alerts"));
    }

    // One who was a superuser hears no more from then on.
    let mut boss = Client::login(server.local_addr(), "boss");
    assert_eq!(tag(&boss.query("LISTEN heliosdb_alerts")), Some("LISTEN"));
    root.query("SELECT heliosdb.alert('drill', 'before')");
    assert!(boss.next().contains("before"));
    root.query("ALTER ROLE boss NOSUPERUSER");
    root.query("SELECT heliosdb.alert('drill', 'after')");
    assert_eq!(boss.query("SELECT 1 AS x").len(), 4);
    assert_eq!(tag(&boss.query("SELECT * FROM pg_listening_channels()")), Some("SELECT 0"));
}

/// A trigger has its owner's rights: with them it loses its own.
#[test]
fn a_trigger_ends_with_its_owners_rights() {
    let (server, _database) = start(|_| ());
    let mut root = Client::connect(server.local_addr());
    root.query("CREATE ROLE boss LOGIN SUPERUSER");
    let mut boss = Client::login(server.local_addr(), "boss");
    let trigger = "CREATE TRIGGER policies AFTER INSERT ON heliosdb.audit_log FOR EACH ROW \
        WHEN (NEW.event_type = 'PolicyCreated') BEGIN SELECT heliosdb.alert('policy', NEW.resource); END";
    assert_eq!(tag(&boss.query(trigger)), Some("CREATE TRIGGER"));
    assert_eq!(
        error(&root.query("DROP ROLE boss")),
        Some("2BP01 role \"boss\" cannot be dropped because some objects depend on it")
    );
    root.query("ALTER ROLE boss NOSUPERUSER");
    root.query("CREATE SECURITY POLICY p AS ()");
    let failed = "SELECT count(*) FROM heliosdb.audit_log WHERE resource = 'trigger policies' AND sqlstate = '42501'";
    let deadline = Instant::now() + Duration::from_secs(20);
    while !root.query(failed).contains(&"DataRow 1".to_string()) {
        assert!(Instant::now() < deadline, "the failure is not recorded");
        std::thread::sleep(Duration::from_millis(20));
    }
    let alerts = "SELECT count(*) FROM heliosdb.alerts";
    assert!(root.query(alerts).contains(&"DataRow 0".to_string()));
    // It is told once, not for each row that might have fired it.
    for name in ["q", "r", "s"] {
        root.query(&format!("CREATE SECURITY POLICY {name} AS ()"));
    }
    // The alert of another trigger shows that those rows are done.
    root.query(&trigger.replace("TRIGGER policies", "TRIGGER other"));
    root.query("CREATE SECURITY POLICY last AS ()");
    while !root.query(alerts).contains(&"DataRow 1".to_string()) {
        assert!(Instant::now() < deadline, "no alert");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(root.query(failed).contains(&"DataRow 1".to_string()), "{:?}", root.query(failed));
}
