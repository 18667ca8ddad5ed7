//! Rights that are taken away while calls use them: what REVOKE, SET ENABLED = false, CREATE OR REPLACE and DROP FUNCTION promise once
//! they are reported as done. The order of the audit log's rows is what is looked at, never a clock.

mod house;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use house::{Connection, House};

/// How many calls run while the rights change.
const CALLS: usize = 3;

/// Asks again and again, and goes on asking after the first refusal: answers how often it was let through after that.
const ASKS: &str = "CREATE FUNCTION f(kind text) RETURNS integer LANGUAGE javascript AS $$
    const asks = {
        read: () => heliosdb.query('SELECT n FROM t'),
        write: () => heliosdb.execute('INSERT INTO t SELECT 1 WHERE false'),
        call: () => heliosdb.call('helper'),
        crypto: () => heliosdb.crypto.sha256('x'),
        env: () => heliosdb.env.get('X'),
    };
    function f(kind) {
        let refused = 0, after = 0;
        while (refused < 25) {
            try { asks[kind](); if (refused > 0) after++; } catch (e) { refused++; }
        }
        return after;
    } $$";

fn endless(connection: &Connection<'_>, function: &str) {
    for limit in ["max_cpu_time_ms", "max_wall_time_ms"] {
        connection.ok(&format!("ALTER FUNCTION {function} SET {limit} = 60000"));
    }
    connection.ok(&format!("ALTER FUNCTION {function} SET max_instructions = 100000000000"));
}

/// Waits until each of so many calls of the function has begun and, where it asks for something, been let through.
fn until_running(connection: &Connection<'_>, function: &str, calls: usize, asks: bool, since: i64) {
    let (event, allowed) = match asks {
        true => ("CapabilityCheck", "AND allowed"),
        false => ("ExecutionStarted", ""),
    };
    let sql = format!(
        "SELECT count(DISTINCT call_id) FROM heliosdb.audit_log WHERE id > {since} AND function_name = '{function}' AND event_type = '{event}' {allowed}"
    );
    while connection.ok(&sql).parse::<usize>().unwrap() < calls {
        thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn newest(connection: &Connection<'_>) -> i64 {
    connection.ok("SELECT max(id) FROM heliosdb.audit_log").parse().unwrap()
}

/// A row that is written after everything that was reported as done before: its number.
fn mark(connection: &Connection<'_>) -> i64 {
    connection.ok("CREATE OR REPLACE SECURITY POLICY mark AS ()");
    newest(connection)
}

/// After the mark each call had one question on its way at most: whatever came after that was refused.
fn check_nothing_was_let_through(connection: &Connection<'_>, mark: i64) {
    let late = format!(
        "SELECT call_id, count(*) FROM heliosdb.audit_log WHERE id > {mark} AND function_name = 'f' AND event_type = 'CapabilityCheck' \
         AND allowed GROUP BY call_id HAVING count(*) > 1"
    );
    assert_eq!(connection.ok(&late), "", "calls that were let through more than once after it");
    // The one that was on its way is the call's first row: nothing is let through after a refusal.
    let again = format!(
        "SELECT a.call_id FROM heliosdb.audit_log a JOIN heliosdb.audit_log r ON a.call_id = r.call_id AND r.id < a.id \
         WHERE a.id > {mark} AND a.function_name = 'f' AND a.event_type = 'CapabilityCheck' AND a.allowed \
         AND r.id > {mark} AND r.event_type = 'CapabilityCheck' AND NOT r.allowed"
    );
    assert_eq!(connection.ok(&again), "", "calls that were let through after they had been refused");
}

#[test]
fn after_a_revoke_nothing_of_that_kind_is_let_through_in_any_running_call() {
    let house = House::new();
    let owner = house.connect();
    owner.ok("CREATE TABLE t (n integer)");
    owner.ok("CREATE FUNCTION helper() RETURNS integer LANGUAGE javascript AS 'function helper() { return 1; }'");
    owner.ok(ASKS);
    endless(&owner, "f");
    let callers: Vec<Connection<'_>> = (0..CALLS).map(|_| house.connect()).collect();
    for (kind, capability, wider) in [
        ("read", "DATABASE_READ('t')", Some("DATABASE_READ('*')")),
        ("write", "DATABASE_WRITE('t')", None),
        ("call", "CALL_FUNCTION('helper')", None),
        ("crypto", "CRYPTO_ACCESS", None),
        ("env", "ENV_ACCESS", None),
    ] {
        owner.ok(&format!("ALTER FUNCTION f GRANT CAPABILITY {capability}"));
        let since = newest(&owner);
        let calls: Vec<_> = callers.iter().map(|caller| caller.begin(&format!("SELECT f('{kind}')"))).collect();
        until_running(&owner, "f", CALLS, true, since);
        // What is granted beside it is no reason to go on, unless it covers the same: then the calls do not notice.
        if let Some(wider) = wider {
            owner.ok(&format!("ALTER FUNCTION f GRANT CAPABILITY {wider}"));
            owner.ok(&format!("ALTER FUNCTION f REVOKE CAPABILITY {capability}"));
            let since = mark(&owner);
            until_running(&owner, "f", CALLS, true, since);
            assert!(calls.iter().all(|call| !call.is_done()), "{kind}: what {wider} covers was refused");
            owner.ok(&format!("ALTER FUNCTION f REVOKE CAPABILITY {wider}"));
        } else {
            owner.ok(&format!("ALTER FUNCTION f REVOKE CAPABILITY {capability}"));
        }
        let mark = mark(&owner);
        for call in calls {
            assert_eq!(call.wait().as_deref(), Ok("0"), "{kind}: let through after a refusal");
        }
        check_nothing_was_let_through(&owner, mark);
        // The refused twin: granted again, it works again.
        assert_eq!(owner.ok(&format!("SELECT f('{kind}')")), "0");
    }
}

#[test]
fn a_revoke_from_the_function_above_reaches_the_call_below() {
    let house = House::new();
    let owner = house.connect();
    owner.ok("CREATE TABLE t (n integer)");
    owner.ok(ASKS);
    owner.ok("CREATE FUNCTION g() RETURNS integer LANGUAGE javascript AS $$ function g() { return heliosdb.call('f', 'read'); } $$");
    endless(&owner, "f");
    endless(&owner, "g");
    owner.ok("ALTER FUNCTION f GRANT CAPABILITY DATABASE_READ('t')");
    owner.ok("ALTER FUNCTION g GRANT CAPABILITY DATABASE_READ('t'), CALL_FUNCTION('f')");
    let caller = house.connect();
    let since = newest(&owner);
    let call = caller.begin("SELECT g()");
    until_running(&owner, "f", 1, true, since);
    owner.ok("ALTER FUNCTION g REVOKE CAPABILITY DATABASE_READ('t')");
    let mark = mark(&owner);
    assert_eq!(call.wait().as_deref(), Ok("0"));
    check_nothing_was_let_through(&owner, mark);
    assert_eq!(
        owner.ok("SELECT DISTINCT error FROM heliosdb.audit_log WHERE function_name = 'f' AND NOT allowed"),
        "permission denied for table t: function g lacks capability DATABASE_READ('t')"
    );
}

#[test]
fn a_disabled_function_ends_wherever_it_is() {
    let house = House::new();
    let owner = house.connect();
    owner.ok("CREATE TABLE t (n integer)");
    owner.ok(ASKS);
    owner.ok("ALTER FUNCTION f GRANT CAPABILITY DATABASE_READ('t')");
    owner.ok("CREATE FUNCTION spin() RETURNS integer LANGUAGE javascript AS 'function spin() { while (true) {} }'");
    owner.ok("CREATE FUNCTION below() RETURNS integer LANGUAGE javascript AS 'function below() { while (true) {} }'");
    owner.ok("CREATE FUNCTION above() RETURNS integer LANGUAGE javascript AS $$ function above() { return heliosdb.call('below'); } $$");
    owner.ok("ALTER FUNCTION above GRANT CAPABILITY CALL_FUNCTION('below')");
    owner.ok("CREATE FUNCTION catches() RETURNS integer LANGUAGE javascript AS $$
        function catches() { for (;;) { try { heliosdb.call('below'); } catch (e) {} } } $$");
    owner.ok("ALTER FUNCTION catches GRANT CAPABILITY CALL_FUNCTION('below')");
    for function in ["f", "spin", "below", "above", "catches"] {
        endless(&owner, function);
    }
    let callers: Vec<Connection<'_>> = (0..CALLS).map(|_| house.connect()).collect();
    // Asking, computing, waiting for what it called, and called itself by one that catches everything.
    for (call, inner, disabled) in [
        ("f('read')", "f", "f"),
        ("spin()", "spin", "spin"),
        ("above()", "below", "above"),
        ("above()", "below", "below"),
        ("catches()", "below", "below"),
    ] {
        let since = newest(&owner);
        let calls: Vec<_> = callers.iter().map(|caller| caller.begin(&format!("SELECT {call}"))).collect();
        until_running(&owner, inner, CALLS, inner == "f", since);
        owner.ok(&format!("ALTER FUNCTION {disabled} SET ENABLED = false"));
        let mark = mark(&owner);
        let refused = format!("55000: function {disabled} is disabled");
        for call in calls {
            assert_eq!(call.wait(), Err(refused.clone()));
        }
        check_nothing_was_let_through(&owner, mark);
        let completed = format!(
            "SELECT count(*) FROM heliosdb.audit_log WHERE id > {mark} AND function_name = '{disabled}' AND event_type = 'ExecutionCompleted'"
        );
        assert_eq!(owner.ok(&completed), "0");
        let ended = format!(
            "SELECT count(*) FROM heliosdb.audit_log WHERE id > {since} AND function_name = '{inner}' AND event_type = 'ExecutionFailed'"
        );
        assert_eq!(owner.ok(&ended), CALLS.to_string());
        // Nothing new begins, and the sessions are as before.
        let again = if disabled == "f" {
            "f('read')".to_string()
        } else {
            format!("{disabled}()")
        };
        assert_eq!(callers[0].run(&format!("SELECT {again}")), Err(refused));
        assert_eq!(callers[1].ok("SELECT 1"), "1");
        owner.ok(&format!("ALTER FUNCTION {disabled} SET ENABLED = true"));
    }
}

#[test]
fn a_replaced_function_is_one_version_to_each_statement() {
    const VERSIONS: u32 = 15;
    let replace = |version: u32| {
        format!(
            "CREATE OR REPLACE FUNCTION f(row integer) RETURNS integer LANGUAGE javascript AS \
             $$ function f(row) {{ heliosdb.query('SELECT n FROM t'); return {version}; }} $$"
        )
    };
    let house = House::new();
    let owner = house.connect();
    owner.ok("CREATE TABLE t (n integer)");
    owner.ok(&replace(0));
    owner.ok("ALTER FUNCTION f GRANT CAPABILITY DATABASE_READ('t')");
    let (reported, done) = (AtomicU32::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..CALLS {
            scope.spawn(|| {
                let caller = house.connect();
                let mut last = 0;
                while !done.load(Ordering::SeqCst) || last < VERSIONS {
                    let least = reported.load(Ordering::SeqCst).max(last);
                    let versions =
                        caller.ok("SELECT min(v), max(v), count(*) FROM (SELECT f(i) AS v FROM generate_series(1, 50) AS g(i)) AS s");
                    let versions: Vec<u32> = versions.split(' ').map(|number| number.parse().unwrap()).collect();
                    assert_eq!((versions[0], versions[2]), (versions[1], 50), "two versions in one statement");
                    assert!(versions[0] >= least, "version {} after {least} was reported", versions[0]);
                    last = versions[0];
                }
            });
        }
        for version in 1..=VERSIONS {
            owner.ok(&replace(version));
            reported.store(version, Ordering::SeqCst);
        }
        done.store(true, Ordering::SeqCst);
    });
    // Its grant was kept all the time, and nobody was refused.
    assert_eq!(
        owner.ok("SELECT count(*) FROM heliosdb.audit_log WHERE function_name = 'f' AND NOT allowed"),
        "0"
    );
}

#[test]
fn a_dropped_function_ends_and_leaves_no_right_to_the_next_of_its_name() {
    let house = House::new();
    let owner = house.connect();
    owner.ok("CREATE TABLE t (n integer)");
    owner.ok(ASKS);
    endless(&owner, "f");
    owner.ok("ALTER FUNCTION f GRANT CAPABILITY DATABASE_READ('t')");
    let callers: Vec<Connection<'_>> = (0..CALLS).map(|_| house.connect()).collect();
    let since = newest(&owner);
    let calls: Vec<_> = callers.iter().map(|caller| caller.begin("SELECT f('read')")).collect();
    until_running(&owner, "f", CALLS, true, since);
    owner.ok("DROP FUNCTION f");
    let mark = mark(&owner);
    // Another one of that name, while those calls may still be running: it is not theirs, nor are its rights.
    owner.ok(ASKS);
    for call in calls {
        let error = call.wait().unwrap_err();
        assert!(error.starts_with("55000: function f "), "{error}");
    }
    check_nothing_was_let_through(&owner, mark);
    assert_eq!(owner.ok("SELECT count(*) FROM heliosdb.function_capabilities"), "0");
    assert_eq!(owner.ok("SELECT f('read')"), "0");
    let let_through = format!(
        "SELECT count(*) FROM heliosdb.audit_log WHERE id > {mark} AND function_name = 'f' AND call_id IN \
        (SELECT call_id FROM heliosdb.audit_log WHERE id > {mark} AND event_type = 'ExecutionStarted') AND allowed"
    );
    assert_eq!(owner.ok(&let_through), "0");
}

#[test]
fn grants_and_revokes_at_once_all_take_place() {
    let house = House::new();
    let owner = house.connect();
    owner.ok(ASKS);
    thread::scope(|scope| {
        for table in 0..4 {
            let house = &house;
            scope.spawn(move || {
                let connection = house.connect();
                for round in 0..6 {
                    connection.ok(&format!("ALTER FUNCTION f GRANT CAPABILITY DATABASE_READ('t{table}')"));
                    if round < 5 {
                        connection.ok(&format!("ALTER FUNCTION f REVOKE CAPABILITY DATABASE_READ('t{table}')"));
                    }
                }
            });
        }
    });
    let held = owner.ok("SELECT capability FROM heliosdb.function_capabilities ORDER BY 1");
    let each: Vec<String> = (0..4).map(|table| format!("DATABASE_READ('t{table}')")).collect();
    assert_eq!(held, each.join("\n"));
    let recorded = "SELECT count(*) FILTER (WHERE event_type = 'CapabilityGranted'), count(*) FILTER (WHERE event_type = 'CapabilityRevoked') \
                    FROM heliosdb.audit_log WHERE function_name = 'f'";
    assert_eq!(owner.ok(recorded), "24 20");
}
