//! Who may change nothing holds up nobody: neither while a statement of theirs waits, nor when it was refused, nor when a
//! transaction of theirs rests after a ROLLBACK TO.

mod house;

use house::{Connection, House};

/// What a role without any right says, and what it is told; nothing where that is no error.
const STATEMENTS: &[(&str, &str)] = &[
    ("ALTER FUNCTION victim SET ENABLED = false", "42501"),
    ("ALTER FUNCTION victim SET SECURITY POLICY nope", "42501"),
    ("ALTER FUNCTION victim GRANT CAPABILITY TIME_ACCESS", "42501"),
    ("ALTER FUNCTION victim OWNER TO nobody", "42501"),
    ("ALTER FUNCTION nope SET ENABLED = false", "42883"),
    ("DROP FUNCTION victim", "42501"),
    ("DROP FUNCTION IF EXISTS nope()", ""),
    ("DROP AGGREGATE IF EXISTS nope(int)", ""),
    ("CREATE OR REPLACE FUNCTION app.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "42501"),
    ("CREATE AGGREGATE app.a(int) (sfunc = add, stype = int)", "42501"),
    ("COMMENT ON FUNCTION victim() IS 'x'", "42501"),
    ("COMMENT ON TABLE users IS 'x'", "42501"),
    ("COMMENT ON TABLE nonexistent IS 'x'", "42P01"),
    ("COMMENT ON COLUMN users.id IS 'x'", "42501"),
    ("COMMENT ON SCHEMA app IS 'x'", "42501"),
    ("CREATE SECURITY POLICY nope AS ()", "42501"),
    ("DROP SECURITY POLICY nope", "42501"),
    ("DROP SECURITY POLICY IF EXISTS nope", "42501"),
    ("SELECT * FROM users", "42501"),
    ("EXPLAIN SELECT * FROM users", "42501"),
    ("INSERT INTO users VALUES (2)", "42501"),
    ("UPDATE users SET id = 2", "42501"),
    ("DELETE FROM users WHERE id = 1", "42501"),
    ("TRUNCATE users", "42501"),
    ("SELECT reads()", "42501"),
    ("CREATE TABLE app.t (i int)", "42501"),
    ("CREATE TABLE IF NOT EXISTS app.t (i int)", "42501"),
    ("CREATE VIEW app.v AS SELECT 1", "42501"),
    ("CREATE SCHEMA mine", "42501"),
    ("DROP TABLE users", "42501"),
    ("DROP TABLE nonexistent", "42P01"),
    ("DROP TABLE IF EXISTS nonexistent", ""),
    ("DROP VIEW IF EXISTS nonexistent", ""),
    ("DROP SCHEMA app CASCADE", "42501"),
    ("DROP SCHEMA IF EXISTS nonexistent", ""),
    (
        "CREATE TRIGGER t AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION fires()",
        "42501",
    ),
    ("DROP TRIGGER watch ON users", "42501"),
    ("DROP TRIGGER IF EXISTS nope ON users", ""),
    ("ALTER TABLE users DISABLE TRIGGER ALL", "42501"),
    ("ALTER TABLE users OWNER TO nobody", "42501"),
    ("ALTER TABLE IF EXISTS nonexistent OWNER TO nobody", ""),
    ("GRANT SELECT ON users TO nobody", "42501"),
    ("REVOKE SELECT ON users FROM bob", "42501"),
    // These two warn that nothing was granted.
    ("GRANT EXECUTE ON FUNCTION victim TO bob", ""),
    ("REVOKE EXECUTE ON FUNCTION victim FROM bob", ""),
    ("GRANT bob TO nobody", "42501"),
    ("REVOKE bob FROM nobody", "42501"),
    ("CREATE ROLE another", "42501"),
    ("ALTER ROLE bob NOLOGIN", "42501"),
    ("ALTER ROLE nobody PASSWORD 'x'", "55000"),
    ("DROP ROLE bob", "42501"),
    ("REASSIGN OWNED BY postgres TO nobody", "42501"),
    ("REASSIGN OWNED BY CURRENT_USER TO CURRENT_USER", ""),
    ("DROP OWNED BY CURRENT_USER", ""),
    ("SELECT heliosdb.forget('ada')", "42501"),
];

/// Refused, but said by somebody who may create in that schema, and so may have to wait for who else creates something.
const BY_A_CREATOR: &[(&str, &str)] = &[
    (
        "CREATE OR REPLACE FUNCTION open.theirs() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "42501",
    ),
    ("CREATE OR REPLACE VIEW open.seen AS SELECT 1 AS one", "42501"),
];

/// Everything that may have to wait for one of those.
const WORK: &str = "BEGIN;
    ALTER FUNCTION victim SET ENABLED = true;
    ALTER FUNCTION victim SET SECURITY POLICY MINIMAL;
    CREATE OR REPLACE FUNCTION open.theirs() RETURNS int LANGUAGE sql AS 'SELECT 2';
    CREATE OR REPLACE VIEW open.seen AS SELECT 1 AS one;
    CREATE TABLE work (i int);
    TRUNCATE users;
    ALTER TABLE users DISABLE TRIGGER watch;
    GRANT SELECT ON users TO bob;
    COMMENT ON TABLE users IS 'work';
    COMMENT ON SCHEMA app IS 'work';
    ALTER ROLE bob NOINHERIT;
    REVOKE EXECUTE ON FUNCTION victim FROM bob;
    DROP FUNCTION reads();
    DROP OWNED BY bob;
    DROP ROLE bob";

fn a_house_to_break_into() -> House {
    let house = House::new();
    let root = house.connect();
    for sql in [
        "CREATE ROLE nobody LOGIN",
        "CREATE ROLE bob LOGIN",
        "CREATE SCHEMA app",
        "CREATE SCHEMA open",
        "GRANT USAGE, CREATE ON SCHEMA open TO PUBLIC",
        "CREATE TABLE users (id int PRIMARY KEY)",
        "INSERT INTO users VALUES (1)",
        "CREATE FUNCTION victim() RETURNS int LANGUAGE javascript AS $$ function victim() { return 1; } $$",
        "CREATE FUNCTION add(a int, b int) RETURNS int LANGUAGE sql AS 'SELECT a + b'",
        "CREATE FUNCTION reads() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM public.users'",
        "CREATE FUNCTION open.theirs() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE VIEW open.seen AS SELECT 1 AS one",
        "CREATE FUNCTION fires() RETURNS trigger LANGUAGE javascript AS $$ function fires() { return null; } $$",
        "CREATE TRIGGER watch AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION fires()",
    ] {
        root.ok(sql);
    }
    house
}

/// Who waits this long waits for ever.
const PATIENCE: &str = "SET statement_timeout = '30s'";

fn say(nobody: &Connection<'_>, (sql, expected): (&str, &str)) {
    let told = nobody.run(sql).err().unwrap_or_default();
    assert_eq!(told.split(':').next(), Some(expected), "{sql}\n{told}");
}

#[test]
fn who_may_change_nothing_is_refused_without_waiting() {
    let house = a_house_to_break_into();
    let (root, nobody) = (house.connect(), house.connect_with("user=nobody").unwrap());
    nobody.ok(PATIENCE);
    root.ok(WORK);
    for statement in STATEMENTS {
        say(&nobody, *statement);
    }
    root.ok("COMMIT");
}

#[test]
fn who_may_change_nothing_holds_up_nobody() {
    let house = a_house_to_break_into();
    let (root, nobody) = (house.connect(), house.connect_with("user=nobody").unwrap());
    root.ok(PATIENCE);
    for statement in STATEMENTS.iter().chain(BY_A_CREATOR) {
        nobody.ok("BEGIN");
        nobody.ok("SAVEPOINT s");
        say(&nobody, *statement);
        root.run(WORK).unwrap_or_else(|error| panic!("after {}\n{error}", statement.0));
        root.ok("ROLLBACK");
        nobody.ok("ROLLBACK TO s");
        root.run(WORK)
            .unwrap_or_else(|error| panic!("after ROLLBACK TO of {}\n{error}", statement.0));
        root.ok("ROLLBACK");
        nobody.ok("ROLLBACK");
    }
}

#[test]
fn a_rollback_to_a_savepoint_lets_go_of_what_was_locked_since() {
    let house = a_house_to_break_into();
    let (one, two) = (house.connect(), house.connect());
    two.ok(PATIENCE);
    one.ok("BEGIN");
    one.ok("SELECT * FROM users");
    one.ok("SAVEPOINT s");
    one.ok("UPDATE users SET id = 2 WHERE id = 1");
    one.ok("ALTER FUNCTION victim SET ENABLED = false");
    one.ok("CREATE TABLE work (i int)");
    one.ok("ROLLBACK TO s");
    two.ok("UPDATE users SET id = 3 WHERE id = 1");
    two.ok("ALTER FUNCTION victim SET ENABLED = false");
    two.ok("CREATE TABLE work (i int)");
    // What was held before is held still.
    two.ok("SET statement_timeout = '300ms'");
    assert!(two.run("TRUNCATE users").unwrap_err().starts_with("57014"));
    two.ok(PATIENCE);
    // What was undone can be done again, by this one too.
    one.ok("UPDATE users SET id = 4 WHERE id = 3");
    one.ok("COMMIT");
    two.ok("TRUNCATE users");
    assert_eq!(one.ok("SELECT count(*) FROM users"), "0");
}
