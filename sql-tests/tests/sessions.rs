//! Sessions that meet: what one does while a statement of the other is running or waiting. The `.slt` files cannot
//! show it, because their records run one after the other.

mod house;

use std::time::{Duration, Instant};

use house::{Connection, House};

fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// Reads until it is refused; `rounds` is never reached unless nobody refuses.
const READER: &str = "CREATE FUNCTION f(rounds integer) RETURNS integer LANGUAGE javascript AS $$
    function f(rounds) { for (let i = 0; i < rounds; i++) heliosdb.query('SELECT n FROM t'); return rounds; } $$";

#[test]
fn a_revoke_reaches_a_call_that_runs() {
    let house = House::new();
    let (one, two) = (house.connect(), house.connect());
    one.ok("CREATE TABLE t (n integer)");
    one.ok(READER);
    one.ok("ALTER FUNCTION f GRANT CAPABILITY DATABASE_READ('t')");
    one.ok("ALTER FUNCTION f SET max_cpu_time_ms = 60000");
    one.ok("ALTER FUNCTION f SET max_wall_time_ms = 60000");
    assert_eq!(one.ok("SELECT f(3)"), "3");

    let call = one.begin("SELECT f(100000000)");
    pause(500);
    assert!(!call.is_done());
    two.ok("ALTER FUNCTION f REVOKE CAPABILITY DATABASE_READ('t')");
    let refused = call.wait().unwrap_err();
    assert!(
        refused.starts_with("42501: permission denied for table t: function f lacks"),
        "{refused}"
    );
}

#[test]
fn a_drop_reaches_a_transaction_that_has_changed_the_catalog() {
    let house = House::new();
    let (one, two) = (house.connect(), house.connect());
    one.ok("CREATE TABLE t (n integer)");
    one.ok(READER);
    one.ok("ALTER FUNCTION f GRANT CAPABILITY DATABASE_READ('t')");
    one.ok("ALTER FUNCTION f SET max_cpu_time_ms = 60000");
    one.ok("ALTER FUNCTION f SET max_wall_time_ms = 60000");

    one.ok("BEGIN");
    one.ok("SET LOCAL search_path = public");
    // A change that needs no lock which the drop would wait for.
    one.ok("REVOKE UPDATE ON t FROM PUBLIC");
    let call = one.begin("SELECT f(100000000)");
    while two.ok("SELECT count(*) FROM heliosdb.audit_log WHERE event_type = 'ExecutionStarted'") == "0" {
        pause(20);
    }
    two.ok("DROP FUNCTION f");
    let refused = call.wait().unwrap_err();
    assert!(refused.starts_with("55000: function f was dropped while it ran"), "{refused}");
    one.ok("ROLLBACK");

    // One that the transaction itself has made is its own, though nobody else sees it.
    one.ok("BEGIN");
    one.ok(READER);
    one.ok("ALTER FUNCTION f GRANT CAPABILITY DATABASE_READ('t')");
    assert_eq!(one.ok("SELECT f(3)"), "3");
}

#[test]
fn a_revoke_reaches_a_transaction_that_has_changed_the_catalog() {
    let house = House::new();
    let (one, two) = (house.connect(), house.connect());
    one.ok("CREATE TABLE t (n integer)");
    one.ok(READER);
    one.ok("ALTER FUNCTION f GRANT CAPABILITY DATABASE_READ('t')");
    one.ok("ALTER FUNCTION f SET max_cpu_time_ms = 60000");
    one.ok("ALTER FUNCTION f SET max_wall_time_ms = 60000");

    one.ok("BEGIN");
    one.ok("CREATE TABLE elsewhere (n integer)");
    let call = one.begin("SELECT f(100000000)");
    pause(500);
    assert!(!call.is_done());
    let started = Instant::now();
    two.ok("ALTER FUNCTION f REVOKE CAPABILITY DATABASE_READ('t')");
    assert!(started.elapsed() < Duration::from_secs(5), "the revoke waited for the transaction");
    let refused = call.wait().unwrap_err();
    assert!(
        refused.starts_with("42501: permission denied for table t: function f lacks"),
        "{refused}"
    );
    one.ok("ROLLBACK");

    // The switch, too.
    two.ok("ALTER FUNCTION f GRANT CAPABILITY DATABASE_READ('t')");
    one.ok("BEGIN");
    one.ok("CREATE TABLE elsewhere (n integer)");
    let call = one.begin("SELECT f(100000000)");
    pause(500);
    assert!(!call.is_done());
    two.ok("ALTER FUNCTION f SET ENABLED = false");
    let refused = call.wait().unwrap_err();
    assert!(refused.starts_with("55000: function f is disabled"), "{refused}");
    one.ok("ROLLBACK");
    two.ok("ALTER FUNCTION f SET ENABLED = true");

    // What two transactions have changed is all there in the end.
    one.ok("BEGIN");
    one.ok("CREATE TABLE elsewhere (n integer)");
    two.ok("ALTER FUNCTION f SET max_cpu_time_ms = 777");
    one.ok("CREATE TABLE further (n integer)");
    one.ok("COMMIT");
    assert_eq!(
        one.ok("SELECT count(*) FROM pg_class WHERE relname IN ('elsewhere', 'further')"),
        "2"
    );
    assert_eq!(
        two.ok("SELECT max_cpu_time_ms FROM heliosdb.functions WHERE function_name = 'f'"),
        "777"
    );
}

/// The caller's own privilege goes while the function runs, and nobody who is creating a table holds that up.
#[test]
fn a_revoke_of_the_callers_privilege_reaches_a_call_that_runs() {
    let house = House::new();
    let boss = house.connect();
    boss.ok("CREATE TABLE t (n integer)");
    boss.ok("CREATE ROLE ann LOGIN");
    boss.ok("CREATE ROLE team");
    boss.ok("GRANT team TO ann");
    boss.ok("GRANT CREATE ON SCHEMA public TO ann");
    boss.ok(READER);
    boss.ok("ALTER FUNCTION f GRANT CAPABILITY DATABASE_READ('t')");
    boss.ok("ALTER FUNCTION f SET max_cpu_time_ms = 60000");
    boss.ok("ALTER FUNCTION f SET max_wall_time_ms = 60000");
    let ann = house.connect_with("user=ann").unwrap();

    let cases = [
        ("GRANT SELECT ON t TO ann", "REVOKE SELECT ON t FROM ann"),
        ("GRANT SELECT ON t TO team", "REVOKE team FROM ann"),
    ];
    for (grant, revoke) in cases {
        for own_change in [None, Some("CREATE TABLE elsewhere (n integer)")] {
            assert!(ann.run("SELECT f(1)").is_err(), "{grant}");
            boss.ok("GRANT team TO ann");
            boss.ok(grant);
            assert_eq!(ann.ok("SELECT f(3)"), "3");
            ann.ok("BEGIN");
            if let Some(change) = own_change {
                ann.ok(change);
            }
            let call = ann.begin("SELECT f(100000000)");
            pause(500);
            assert!(!call.is_done());
            boss.ok(revoke);
            let refused = call.wait().unwrap_err();
            assert_eq!(refused, "42501: permission denied for table t", "{revoke}");
            ann.ok("ROLLBACK");
        }
    }
}

/// What one transaction grants and another revokes on one table is not lost, whoever commits last.
#[test]
fn two_transactions_do_not_grant_on_one_table_at_once() {
    let house = House::new();
    let (one, two) = (house.connect(), house.connect());
    one.ok("CREATE TABLE t (n integer)");
    one.ok("CREATE ROLE ann");
    one.ok("CREATE ROLE bob");
    one.ok("CREATE FUNCTION tr() RETURNS trigger LANGUAGE javascript AS $$ function tr() { return NEW; } $$");
    one.ok("GRANT SELECT ON t TO ann");

    one.ok("BEGIN");
    one.ok("CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION tr()");
    let revoke = two.begin("REVOKE SELECT ON t FROM ann");
    pause(300);
    assert!(!revoke.is_done());
    one.ok("GRANT SELECT ON t TO bob");
    one.ok("COMMIT");
    revoke.wait().unwrap();
    let acl = "SELECT array_to_string(relacl, ' '), relhastriggers FROM pg_class WHERE relname = 't'";
    assert_eq!(one.ok(acl), "postgres=arwdDxt/postgres bob=r/postgres t");

    // A role that is being dropped is granted nothing.
    one.ok("REVOKE SELECT ON t FROM bob");
    one.ok("BEGIN");
    one.ok("DROP ROLE bob");
    let grant = two.begin("GRANT SELECT ON t TO bob");
    pause(300);
    assert!(!grant.is_done());
    one.ok("COMMIT");
    assert_eq!(grant.wait().unwrap_err(), "42704: role \"bob\" does not exist");

    // And one that is being granted something is not dropped.
    one.ok("BEGIN");
    one.ok("GRANT SELECT ON t TO ann");
    let drop = two.begin("DROP ROLE ann");
    pause(300);
    assert!(!drop.is_done());
    one.ok("COMMIT");
    assert!(drop.wait().unwrap_err().starts_with("2BP01: role \"ann\" cannot be dropped"));
}

/// An open transaction of somebody who may not grant, or who grants what is theirs, does not put off a REVOKE.
#[test]
fn who_may_change_nothing_holds_up_nobody() {
    let house = House::new();
    let boss = house.connect();
    boss.ok("CREATE TABLE t (n integer)");
    boss.ok("CREATE ROLE ann LOGIN");
    boss.ok("CREATE ROLE team");
    boss.ok("GRANT CREATE ON SCHEMA public TO ann");
    let ann = house.connect_with("user=ann").unwrap();
    ann.ok("CREATE TABLE own (n integer)");
    // A wait ends as an error.
    boss.ok("SET lock_timeout = '20s'");
    let held = [
        // Warned about, as ann has the privilege without its option.
        "GRANT SELECT ON t TO ann",
        "REVOKE SELECT ON t FROM ann",
        "GRANT SELECT ON own TO ann",
        "CREATE TABLE more (n integer)",
    ];
    for held in held {
        boss.ok("GRANT SELECT ON t TO ann");
        boss.ok("GRANT team TO ann");
        ann.ok("BEGIN");
        ann.ok(held);
        boss.ok("REVOKE SELECT ON t FROM ann");
        boss.ok("REVOKE team FROM ann");
        assert_eq!(
            ann.run("SELECT n FROM t").unwrap_err(),
            "42501: permission denied for table t",
            "{held}"
        );
        ann.ok("ROLLBACK");
    }
    // What is refused holds nothing, a savepoint or not.
    let refused = [
        "GRANT SELECT ON t TO ann",
        "GRANT team TO ann",
        "CREATE ROLE other",
        "ALTER ROLE team CREATEDB",
        "DROP ROLE team",
        "ALTER TABLE t OWNER TO ann",
        "REASSIGN OWNED BY team TO ann",
        "DROP OWNED BY team",
        "SELECT n FROM t",
    ];
    for refused in refused {
        ann.ok("BEGIN");
        ann.ok("SAVEPOINT here");
        assert!(ann.run(refused).unwrap_err().starts_with("42501: "), "{refused}");
        boss.ok("GRANT SELECT ON t TO team");
        boss.ok("GRANT team TO ann");
        boss.ok("REVOKE team FROM ann");
        boss.ok("REVOKE SELECT ON t FROM team");
        ann.ok("ROLLBACK");
    }
    // A transaction that has failed waits for its ROLLBACK, and nobody for it.
    ann.ok("BEGIN");
    ann.ok("CREATE TABLE more (n integer)");
    assert!(ann.run("SELECT 1 / 0").is_err());
    boss.ok("CREATE TABLE more (n integer)");
    ann.ok("ROLLBACK");
}

/// What the extended protocol keeps prepared is checked for whoever the session is when it runs.
#[test]
fn a_prepared_statement_runs_as_who_the_session_is() {
    let house = House::new();
    let one = house.connect();
    one.ok("CREATE TABLE t (n integer)");
    one.ok("INSERT INTO t VALUES (1)");
    one.ok("CREATE ROLE ann");
    one.ok("CREATE ROLE bob");
    one.ok("GRANT SELECT ON t TO ann");
    one.ok("CREATE FUNCTION f() RETURNS text LANGUAGE javascript AS $$
        function f() { return heliosdb.query('SELECT n::text || current_user AS n FROM t').rows[0].n; } $$");
    one.ok("ALTER FUNCTION f GRANT CAPABILITY DATABASE_READ('t')");
    one.ok("CREATE FUNCTION d() RETURNS text LANGUAGE javascript SECURITY DEFINER AS $$
        function d() { return heliosdb.query('SELECT n::text || current_user AS n FROM t').rows[0].n; } $$");
    one.ok("ALTER FUNCTION d GRANT CAPABILITY DATABASE_READ('t')");
    let (plain, called, definer) = (
        one.prepare("SELECT n::text || current_user FROM t"),
        one.prepare("SELECT f()"),
        one.prepare("SELECT d()"),
    );
    let run = |statement| one.execute(statement);
    let denied = "42501: permission denied for table t";
    for (role, expected) in [
        ("postgres", Ok("1postgres")),
        ("bob", Err(denied)),
        ("ann", Ok("1ann")),
        ("bob", Err(denied)),
        ("postgres", Ok("1postgres")),
    ] {
        one.ok(&format!("SET ROLE {role}"));
        let expected = expected.map(str::to_string).map_err(str::to_string);
        assert_eq!(run(&plain), expected, "{role}");
        assert_eq!(run(&called), expected, "{role}");
        assert_eq!(run(&definer), Ok("1postgres".to_string()), "{role}");
    }
    one.ok("SET ROLE ann");
    one.ok("RESET ROLE");
    one.ok("REVOKE SELECT ON t FROM ann");
    one.ok("SET ROLE ann");
    assert_eq!(run(&plain), Err(denied.to_string()));
    // SECURITY DEFINER goes by its owner's privileges as they are.
    one.ok("RESET ROLE");
    one.ok("GRANT SELECT ON t TO ann");
    one.ok("ALTER FUNCTION d() OWNER TO ann");
    one.ok("SET ROLE bob");
    assert_eq!(run(&definer), Ok("1ann".to_string()));
    one.ok("RESET ROLE");
    one.ok("REVOKE SELECT ON t FROM ann");
    assert_eq!(run(&definer), Err(denied.to_string()));
}

#[test]
fn who_logs_in_stays_within_what_they_are() {
    let house = House::new();
    let boss = house.connect();
    boss.ok("CREATE ROLE ann LOGIN");
    boss.ok("CREATE ROLE bob LOGIN");
    let ann = house.connect_with("user=ann").unwrap();
    assert_eq!(ann.ok("SELECT current_user, session_user"), "ann ann");
    for statement in ["SET SESSION AUTHORIZATION bob", "SET SESSION AUTHORIZATION postgres"] {
        assert_eq!(
            ann.run(statement).unwrap_err(),
            "42501: permission denied to set session authorization"
        );
    }
    assert_eq!(ann.run("SET ROLE bob").unwrap_err(), "42501: permission denied to set role \"bob\"");
    ann.ok("SET SESSION AUTHORIZATION ann");
    ann.ok("RESET SESSION AUTHORIZATION");
    boss.ok("GRANT bob TO ann");
    ann.ok("SET ROLE bob");
    assert_eq!(ann.ok("SELECT current_user, session_user"), "bob ann");

    // CONNECT is for new sessions; superusers need none.
    boss.ok("REVOKE CONNECT ON DATABASE postgres FROM PUBLIC");
    assert_eq!(ann.ok("SELECT current_user"), "bob");
    let refused = house.connect_with("user=ann").err().unwrap();
    assert_eq!(refused, "42501: permission denied for database \"postgres\"");
    house.connect_with("user=postgres").unwrap();
    boss.ok("GRANT CONNECT ON DATABASE postgres TO ann");
    house.connect_with("user=ann").unwrap();
    assert!(house.connect_with("user=bob").is_err());
}

#[test]
fn two_transactions_do_not_alter_one_function_at_once() {
    let house = House::new();
    let (one, two) = (house.connect(), house.connect());
    one.ok("CREATE TABLE t (n integer)");
    one.ok(READER);
    one.ok("BEGIN");
    one.ok("ALTER FUNCTION f GRANT CAPABILITY DATABASE_READ('t')");
    // Its own grant counts at once, nobody else's yet.
    assert_eq!(one.ok("SELECT f(1)"), "1");
    assert!(two.run("SELECT f(1)").unwrap_err().starts_with("42501:"));
    let second = two.begin("ALTER FUNCTION f GRANT CAPABILITY TIME_ACCESS");
    pause(300);
    assert!(!second.is_done(), "the second change waits for the first");
    one.ok("COMMIT");
    second.wait().unwrap();
    assert_eq!(
        one.ok("SELECT capability FROM heliosdb.function_capabilities ORDER BY 1"),
        "DATABASE_READ('t')\nTIME_ACCESS"
    );

    // A waiting change meets the function as it is then: gone.
    one.ok("BEGIN");
    one.ok("DROP FUNCTION f");
    let late = two.begin("ALTER FUNCTION f REVOKE CAPABILITY TIME_ACCESS");
    pause(300);
    assert!(!late.is_done());
    one.ok("COMMIT");
    assert!(late.wait().unwrap_err().starts_with("42883:"));
}

#[test]
fn functions_that_define_tables_at_the_same_time_lose_nothing() {
    const CLIENTS: usize = 4;
    const ROUNDS: usize = 12;
    let house = House::new();
    let one = house.connect();
    // Every third round is undone, by an exception that the function catches or does not.
    one.ok(
        "CREATE FUNCTION make(client integer, round integer) RETURNS text LANGUAGE javascript AS $$
        function make(client, round) {
            const name = `t_${client}_${round}`;
            try {
                heliosdb.execute(`CREATE TABLE ${name} (id integer PRIMARY KEY, n integer UNIQUE)`);
                heliosdb.execute(`INSERT INTO ${name} VALUES (?, ?)`, [client, round]);
                if (round % 3 === 1) heliosdb.execute(`CREATE VIEW ${name} AS SELECT 1 AS one`);
            } catch (error) {
                return error.message;
            }
            if (round % 3 === 2) throw new Error('undone');
            return name;
        }
    $$",
    );
    one.ok("ALTER FUNCTION make GRANT CAPABILITY DATABASE_EXECUTE, DATABASE_WRITE('t_*'), DATABASE_READ('t_*')");
    let clients: Vec<Connection<'_>> = (0..CLIENTS).map(|_| house.connect()).collect();
    std::thread::scope(|scope| {
        for (number, client) in clients.iter().enumerate() {
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let made = client.run(&format!("SELECT make({number}, {round})"));
                    match (round % 3, made) {
                        (0, Ok(name)) => assert_eq!(name, format!("t_{number}_{round}")),
                        (1, Ok(message)) => assert_eq!(message, format!("relation \"t_{number}_{round}\" already exists")),
                        (2, Err(error)) => assert!(error.contains("undone"), "{error}"),
                        (_, other) => panic!("round {round}: {other:?}"),
                    }
                }
            });
        }
    });
    let kept = |sql: &str| one.ok(sql);
    let expected = (CLIENTS * ROUNDS / 3 * 2).to_string();
    assert_eq!(
        kept("SELECT count(*) FROM pg_class WHERE relname LIKE 't\\_%' AND relkind = 'r'"),
        expected
    );
    assert_eq!(
        kept("SELECT count(DISTINCT oid) FROM pg_class WHERE relname LIKE 't\\_%' AND relkind = 'r'"),
        expected
    );
    for client in 0..CLIENTS {
        for round in (0..ROUNDS).filter(|round| round % 3 != 2) {
            assert_eq!(kept(&format!("SELECT id, n FROM t_{client}_{round}")), format!("{client} {round}"));
        }
    }
}

#[test]
fn a_deadlock_ends_one_of_the_two() {
    let house = House::new();
    let (one, two) = (house.connect(), house.connect());
    one.ok("CREATE TABLE t (id integer PRIMARY KEY, n integer)");
    one.ok("INSERT INTO t VALUES (1, 0), (2, 0)");
    one.ok("BEGIN");
    two.ok("BEGIN");
    one.ok("UPDATE t SET n = 1 WHERE id = 1");
    two.ok("UPDATE t SET n = 2 WHERE id = 2");
    let first = one.begin("UPDATE t SET n = 1 WHERE id = 2");
    pause(300);
    assert!(!first.is_done(), "the row is the other's");
    let second = two.begin("UPDATE t SET n = 2 WHERE id = 1");
    // The victim's transaction has failed: its locks go with its ROLLBACK, and the other goes on.
    let started = Instant::now();
    let (first_failed, error) = loop {
        if second.is_done() {
            let error = second.wait().unwrap_err();
            two.ok("ROLLBACK");
            first.wait().unwrap();
            one.ok("COMMIT");
            break (false, error);
        }
        if first.is_done() {
            let error = first.wait().unwrap_err();
            one.ok("ROLLBACK");
            second.wait().unwrap();
            two.ok("COMMIT");
            break (true, error);
        }
        assert!(started.elapsed() < Duration::from_secs(30), "nobody found the deadlock");
        pause(10);
    };
    assert_eq!(error, "40P01: deadlock detected");
    let kept = if first_failed { "2\n2" } else { "1\n1" };
    assert_eq!(one.ok("SELECT n FROM t ORDER BY id"), kept);
}

#[test]
fn a_repeatable_read_does_not_overwrite_what_it_has_not_seen() {
    let house = House::new();
    let (one, two) = (house.connect(), house.connect());
    one.ok("CREATE TABLE t (id integer PRIMARY KEY, n integer)");
    one.ok("INSERT INTO t VALUES (1, 0), (2, 0)");
    one.ok("BEGIN ISOLATION LEVEL REPEATABLE READ");
    assert_eq!(one.ok("SELECT n FROM t WHERE id = 1"), "0");
    two.ok("UPDATE t SET n = 5 WHERE id = 1");
    assert_eq!(
        one.run("UPDATE t SET n = n + 1 WHERE id = 1").unwrap_err(),
        "40001: could not serialize access due to concurrent update"
    );
    one.ok("ROLLBACK");

    // The same while it waits for the other's lock; and a delete.
    one.ok("BEGIN ISOLATION LEVEL REPEATABLE READ");
    assert_eq!(one.ok("SELECT n FROM t WHERE id = 1"), "5");
    two.ok("BEGIN");
    two.ok("DELETE FROM t WHERE id = 1");
    let waiting = one.begin("UPDATE t SET n = n + 1 WHERE id = 1");
    pause(300);
    assert!(!waiting.is_done());
    two.ok("COMMIT");
    // PostgreSQL would say "concurrent delete"; that it was one is not known here.
    assert_eq!(
        waiting.wait().unwrap_err(),
        "40001: could not serialize access due to concurrent update"
    );
    one.ok("ROLLBACK");

    // READ COMMITTED goes on with the new value; a row that nobody else touched is no conflict at all.
    one.ok("BEGIN");
    assert_eq!(one.ok("SELECT n FROM t WHERE id = 2"), "0");
    two.ok("UPDATE t SET n = 5 WHERE id = 2");
    one.ok("UPDATE t SET n = n + 1 WHERE id = 2");
    one.ok("COMMIT");
    assert_eq!(one.ok("SELECT n FROM t WHERE id = 2"), "6");
    one.ok("BEGIN ISOLATION LEVEL REPEATABLE READ");
    assert_eq!(one.ok("SELECT n FROM t WHERE id = 2"), "6");
    two.ok("INSERT INTO t VALUES (3, 0)");
    one.ok("UPDATE t SET n = n + 1");
    one.ok("COMMIT");
    assert_eq!(one.ok("SELECT id, n FROM t ORDER BY id"), "2 7\n3 0");
}

#[test]
fn a_wait_for_a_lock_ends_at_lock_timeout() {
    let house = House::new();
    let (one, two) = (house.connect(), house.connect());
    one.ok("CREATE TABLE t (id integer PRIMARY KEY, n integer)");
    one.ok("INSERT INTO t VALUES (1, 0), (2, 0)");
    two.ok("SET lock_timeout = '200ms'");
    one.ok("BEGIN");
    one.ok("UPDATE t SET n = 1 WHERE id = 1");
    for sql in [
        "UPDATE t SET n = 2 WHERE id = 1",
        "DELETE FROM t WHERE id = 1",
        "DROP TABLE t",
        "TRUNCATE t",
    ] {
        let started = Instant::now();
        assert_eq!(two.run(sql).unwrap_err(), "55P03: canceling statement due to lock timeout", "{sql}");
        assert!(started.elapsed() < Duration::from_secs(5), "{sql}");
    }
    // Others' rows are nobody's wait, and a free lock none at all.
    two.ok("UPDATE t SET n = 2 WHERE id = 2");
    one.ok("COMMIT");
    two.ok("UPDATE t SET n = 2 WHERE id = 1");

    // A change of the catalog waits for another one no longer.
    one.ok("BEGIN");
    one.ok("CREATE TABLE elsewhere (n integer)");
    assert_eq!(
        two.run("CREATE TABLE further (n integer)").unwrap_err(),
        "55P03: canceling statement due to lock timeout"
    );
    one.ok("COMMIT");

    // Without the setting it waits.
    two.ok("RESET lock_timeout");
    one.ok("BEGIN");
    one.ok("UPDATE t SET n = 3 WHERE id = 1");
    let waiting = two.begin("UPDATE t SET n = n + 1 WHERE id = 1");
    pause(500);
    assert!(!waiting.is_done());
    one.ok("COMMIT");
    waiting.wait().unwrap();
    assert_eq!(one.ok("SELECT n FROM t WHERE id = 1"), "4");
}

#[test]
fn no_more_calls_of_a_function_run_at_once_than_its_limit_says() {
    let house = House::new();
    let (one, two) = (house.connect(), house.connect());
    one.ok("CREATE TABLE t (n integer)");
    one.ok(READER);
    one.ok("ALTER FUNCTION f GRANT CAPABILITY DATABASE_READ('t')");
    one.ok("ALTER FUNCTION f SET max_cpu_time_ms = 60000");
    one.ok("ALTER FUNCTION f SET max_wall_time_ms = 60000");
    one.ok("ALTER FUNCTION f SET max_concurrent_calls = 1");

    const REFUSED: &str = "54000: function f(integer) exceeded its limit of 1 concurrent calls";
    let mut call = one.begin("SELECT f(100000000)");
    let deadline = Instant::now() + Duration::from_secs(50);
    let refused = loop {
        match two.run("SELECT f(0)") {
            Err(error) => break error,
            Ok(_) => assert!(Instant::now() < deadline, "two calls ran at once"),
        }
        // The short call may have been the one that ran when the long one came.
        if call.is_done() {
            assert_eq!(call.wait().unwrap_err(), REFUSED);
            call = one.begin("SELECT f(100000000)");
        }
    };
    assert_eq!(refused, REFUSED);
    // A call that began under another limit counts.
    two.ok("ALTER FUNCTION f SET max_concurrent_calls = 2");
    assert_eq!(two.ok("SELECT f(0)"), "0");

    two.ok("ALTER FUNCTION f SET max_concurrent_calls = 1");
    two.ok("ALTER FUNCTION f REVOKE CAPABILITY DATABASE_READ('t')");
    call.wait().unwrap_err();
    assert_eq!(two.ok("SELECT f(0)"), "0");
}

#[test]
fn only_superusers_set_audit_durability() {
    let house = House::new();
    let one = house.connect();
    one.ok("CREATE ROLE ann LOGIN");
    let refused = "42501: permission denied to set parameter \"audit_durability\"";
    let ann = house.connect_with("user=ann").unwrap();
    for sql in [
        "SET audit_durability = interval",
        "RESET audit_durability",
        "SET audit_durability TO DEFAULT",
        "SELECT set_config('audit_durability', 'interval', false)",
    ] {
        assert_eq!(ann.run(sql).unwrap_err(), refused, "{sql}");
    }
    ann.ok("RESET ALL");
    assert_eq!(ann.ok("SHOW audit_durability"), "statement");
    let begun = house.connect_with("user=ann options='-c audit_durability=interval'").err();
    assert_eq!(begun.as_deref(), Some(refused));
    let begun = house.connect_with("user=postgres options='-c audit_durability=interval'").unwrap();
    assert_eq!(begun.ok("SHOW audit_durability"), "interval");
}
