-- The tour: a function that nobody reviewed meets a database that does not trust it.
-- Run it with:  cargo run --release -- run udf-examples/tour.sql

\echo == Two tables, one of them nobody's business.

CREATE TABLE users (
    id    integer PRIMARY KEY,
    name  text NOT NULL,
    email text
);
CREATE TABLE salaries (user_id integer PRIMARY KEY, amount numeric(10,2) NOT NULL);
INSERT INTO users VALUES (1, 'Ada', 'ada@example.com'), (2, 'Grace', 'grace@example.com');
INSERT INTO salaries VALUES (1, 5200.00), (2, 6100.50);

\echo == Without any right a function can compute, and nothing else.

CREATE FUNCTION read_only_function(id INTEGER) RETURNS JSON LANGUAGE javascript AS $$
    function read_only_function(id) {
        // Can only perform computations: no database, file or network access.
        return { id: id, processed: true };
    }
$$;
SELECT read_only_function(7);

\echo == A look-up wants to read a table. It is refused, and the refusal says what would allow it.

CREATE FUNCTION user_lookup(user_id INTEGER) RETURNS TEXT LANGUAGE javascript AS $$
    function user_lookup(user_id) {
        const found = heliosdb.query('SELECT name, email FROM users WHERE id = ?', [user_id]);
        if (found.rowCount === 0) { return null; }
        return found.rows[0].name + ' <' + found.rows[0].email + '>';
    }
$$;
-- expect error 42501
SELECT user_lookup(1);

\echo == Granted for that one table, it works.

ALTER FUNCTION user_lookup GRANT CAPABILITY DATABASE_READ('users');
SELECT id, user_lookup(id) FROM users ORDER BY id;

\echo == The grant is for users, not for salaries: replacing the body keeps the rights as they are.

CREATE OR REPLACE FUNCTION user_lookup(user_id INTEGER) RETURNS TEXT LANGUAGE javascript AS $$
    function user_lookup(user_id) {
        return String(heliosdb.query('SELECT amount FROM salaries WHERE user_id = ?', [user_id]).rows[0].amount);
    }
$$;
-- expect error 42501
SELECT user_lookup(1);

\echo == Writing is a right of its own, inside the caller's transaction.

CREATE FUNCTION update_user(user_id INTEGER, new_email TEXT) RETURNS INTEGER LANGUAGE javascript AS $$
    function update_user(user_id, email) {
        if (typeof email !== 'string' || !email.match(/^[^\s@]+@[^\s@]+\.[^\s@]+$/)) {
            throw new Error('Invalid email format');
        }
        return heliosdb.execute('UPDATE users SET email = ? WHERE id = ?', [email, user_id]).rowsAffected;
    }
$$;
ALTER FUNCTION update_user GRANT CAPABILITY DATABASE_WRITE('users');
SELECT update_user(1, 'countess@example.com');
-- expect error 38000
SELECT update_user(1, 'not an address');
BEGIN;
SELECT update_user(2, 'rear.admiral@example.com');
ROLLBACK;
SELECT * FROM users ORDER BY id;

\echo == What never ends is ended: by CPU time, and by memory. No catch block sees it.

CREATE FUNCTION infinite_loop() RETURNS INTEGER LANGUAGE javascript AS $$
    function infinite_loop() {
        try { while (true) { } } catch (caught) { return 1; }
    }
$$;
ALTER FUNCTION infinite_loop SET max_cpu_time_ms = 200;
-- expect error 57014
SELECT infinite_loop();

CREATE FUNCTION memory_bomb() RETURNS INTEGER LANGUAGE javascript AS $$
    function memory_bomb() {
        const huge_array = new Array(100000000);
        return huge_array.length;
    }
$$;
-- expect error 54000
SELECT memory_bomb();

\echo == Everything that was asked for is on record, the denials first. Not even a superuser can change that.

SELECT event_type, function_name, capability, resource, allowed
FROM heliosdb.audit_log
WHERE event_type = 'CapabilityCheck' AND allowed = false
ORDER BY id;

SELECT event_type, function_name, sqlstate, error
FROM heliosdb.audit_log
WHERE event_type = 'ResourceLimitExceeded'
ORDER BY id;

SELECT function_name, COUNT(*) AS failure_count
FROM heliosdb.audit_log
WHERE event_type = 'ExecutionFailed'
GROUP BY function_name
ORDER BY failure_count DESC, function_name;

-- expect error 42501
DELETE FROM heliosdb.audit_log;
