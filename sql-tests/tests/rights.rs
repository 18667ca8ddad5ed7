//! What a server says about rights can be used as it stands: the HINT of a refusal is run, and the call is allowed; a suggested policy is
//! run, and the function works under it. And what the `.slt` files cannot hold against a text: rows with times in them.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use engine::{Database, FunctionOptions, Options, StoreKind};
use server::{Server, ServerOptions};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// A server on a fresh data folder, and a superuser's connection.
struct House {
    server: Option<Server>,
    runtime: Arc<Runtime>,
    postgres: Connection,
    folder: tempfile::TempDir,
}

struct Connection {
    client: Client,
    runtime: Arc<Runtime>,
}

/// The parts of an error that the tests look at.
#[derive(Debug)]
struct Refused {
    state: String,
    message: String,
    hint: Option<String>,
}

impl House {
    fn new() -> House {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(Options {
            data_dir: folder.path().join("data"),
            store: StoreKind::Fjall,
            progress: Arc::new(|_| {}),
            functions: FunctionOptions {
                environment: [("API_URL".to_string(), "https://api.example.com".to_string())].into(),
                ..FunctionOptions::default()
            },
        })
        .unwrap();
        let options = ServerOptions {
            listen: ([127, 0, 0, 1], 0).into(),
            ..ServerOptions::default()
        };
        let server = Server::start(database, options).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .worker_threads(2)
            .build()
            .unwrap();
        let runtime = Arc::new(runtime);
        House {
            postgres: Connection::new("postgres", server.local_addr().port(), &runtime),
            server: Some(server),
            runtime,
            folder,
        }
    }

    /// Nobody has a password, so whoever is on this machine may be anybody who may log in.
    fn connect(&self, user: &str) -> Connection {
        Connection::new(user, self.server.as_ref().unwrap().local_addr().port(), &self.runtime)
    }

    fn run(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, Refused> {
        self.postgres.run(sql)
    }

    fn ok(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        self.postgres.ok(sql)
    }

    fn value(&self, sql: &str) -> String {
        self.postgres.value(sql)
    }
}

impl Connection {
    fn new(user: &str, port: u16, runtime: &Arc<Runtime>) -> Connection {
        let config = format!("host=127.0.0.1 port={port} user={user} dbname=postgres");
        let client = runtime.block_on(async move {
            let (client, connection) = tokio_postgres::connect(&config, NoTls).await.unwrap();
            tokio::spawn(connection);
            client
        });
        Connection {
            client,
            runtime: runtime.clone(),
        }
    }

    /// The rows of the answer.
    fn run(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, Refused> {
        let messages = self.runtime.block_on(self.client.simple_query(sql)).map_err(|error| {
            let error = error.as_db_error().unwrap_or_else(|| panic!("{sql}: {error}"));
            Refused {
                state: error.code().code().to_string(),
                message: error.message().to_string(),
                hint: error.hint().map(str::to_string),
            }
        })?;
        let rows = messages.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|index| row.get(index).map(str::to_string)).collect()),
            _ => None,
        });
        Ok(rows.collect())
    }

    fn ok(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        self.run(sql)
            .unwrap_or_else(|error| panic!("{sql}\n{}: {}", error.state, error.message))
    }

    fn value(&self, sql: &str) -> String {
        self.ok(sql)[0][0].clone().unwrap()
    }

    /// `SQLSTATE: message`.
    fn refused(&self, sql: &str) -> String {
        match self.run(sql) {
            Ok(rows) => panic!("{sql}\nwas allowed: {rows:?}"),
            Err(error) => format!("{}: {}", error.state, error.message),
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop(Duration::from_secs(1));
        }
    }
}

/// A web server on this machine; its port.
fn web_server() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(mut connection) = connection else { return };
            let mut request = [0; 4096];
            let _ = connection.read(&mut request);
            let _ = connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
        }
    });
    port
}

#[test]
fn every_refusals_hint_is_the_grant_that_allows_it() {
    let house = House::new();
    let folder = house.folder.path().canonicalize().unwrap();
    let folder = folder.to_str().unwrap();
    std::fs::write(format!("{folder}/in.txt"), "text").unwrap();
    let port = web_server();
    house.ok("CREATE TABLE users (id integer PRIMARY KEY)");
    house.ok("CREATE FUNCTION helper() RETURNS integer LANGUAGE javascript AS $$ function helper() { return 1; } $$");
    // Each of the twelve kinds, and what its hints grant.
    let kinds = [
        (
            "DATABASE_READ",
            "heliosdb.query('SELECT * FROM users').rowCount",
            vec!["DATABASE_READ('users')"],
        ),
        (
            "DATABASE_WRITE",
            "heliosdb.execute('INSERT INTO users VALUES (1)').rowsAffected",
            vec!["DATABASE_WRITE('users')"],
        ),
        (
            "DATABASE_EXECUTE",
            "heliosdb.execute('CREATE TABLE made (id integer)').rowsAffected",
            vec!["DATABASE_EXECUTE"],
        ),
        (
            "FILE_READ",
            "heliosdb.fs.readText('FOLDER/in.txt')",
            vec!["FILE_READ('FOLDER/in.txt')"],
        ),
        (
            "FILE_WRITE",
            "heliosdb.fs.writeText('FOLDER/out.txt', 'x')",
            vec!["FILE_WRITE('FOLDER/out.txt')"],
        ),
        (
            "NETWORK_ACCESS",
            "heliosdb.http.get('http://127.0.0.1:PORT/').status",
            vec!["HTTP_CLIENT", "NETWORK_ACCESS('127.0.0.1:PORT')"],
        ),
        ("ENV_ACCESS", "heliosdb.env.get('API_URL')", vec!["ENV_ACCESS"]),
        ("CRYPTO_ACCESS", "heliosdb.crypto.sha256('x')", vec!["CRYPTO_ACCESS"]),
        ("RANDOM_ACCESS", "Math.random()", vec!["RANDOM_ACCESS"]),
        ("CALL_FUNCTION", "heliosdb.call('helper')", vec!["CALL_FUNCTION('helper')"]),
    ];
    for (index, (kind, body, grants)) in kinds.iter().enumerate() {
        let fill = |text: &str| text.replace("FOLDER", folder).replace("PORT", &port.to_string());
        let name = format!("f{index}");
        let body = fill(body);
        house.ok(&format!(
            "CREATE FUNCTION {name}() RETURNS text LANGUAGE javascript AS $$ function {name}() {{ return String({body}); }} $$"
        ));
        let mut expected: Vec<String> = grants.iter().map(|grant| fill(grant)).collect();
        expected.sort();
        let mut granted = vec![];
        let allowed = loop {
            match house.run(&format!("SELECT {name}()")) {
                Ok(rows) => break rows,
                Err(refused) => {
                    assert_eq!(refused.state, "42501", "{kind}: {}", refused.message);
                    let hint = refused.hint.unwrap_or_else(|| panic!("{kind}: {}", refused.message));
                    let grant = hint.strip_prefix(&format!("ALTER FUNCTION {name} GRANT CAPABILITY "));
                    granted.push(
                        grant
                            .and_then(|grant| grant.strip_suffix(';'))
                            .unwrap_or_else(|| panic!("{hint}"))
                            .to_string(),
                    );
                    assert!(granted.len() <= expected.len(), "{kind}: {granted:?}");
                    house.ok(&hint);
                }
            }
        };
        granted.sort();
        assert_eq!(granted, expected, "{kind}");
        assert!(allowed[0][0].is_some(), "{kind}");
    }
    // Without TIME_ACCESS the transaction's time is the answer, and nothing is refused: there is no hint to follow. HTTP_CLIENT is above.
    let named: Vec<&str> = kinds.iter().map(|(kind, _, _)| *kind).collect();
    let all = house.ok("SELECT capability FROM heliosdb.capability_reference");
    for kind in all.iter().filter_map(|row| row[0].as_deref()) {
        assert!(
            named.contains(&kind) || ["HTTP_CLIENT", "TIME_ACCESS"].contains(&kind),
            "{kind} has no case"
        );
    }
    assert_eq!(all.len(), 12);
}

#[test]
fn a_suggested_policy_is_run_as_it_stands() {
    let house = House::new();
    let folder = house.folder.path().canonicalize().unwrap();
    let folder = folder.to_str().unwrap();
    std::fs::create_dir(format!("{folder}/it's")).unwrap();
    std::fs::write(format!("{folder}/it's/in.txt"), "text").unwrap();
    let port = web_server();
    house.ok("CREATE SCHEMA \"My App\"");
    house.ok("CREATE TABLE \"My App\".\"T 1\" (id integer)");
    house.ok("CREATE TABLE users (id integer)");
    house.ok(&format!(
        r#"CREATE FUNCTION "Wide F"() RETURNS text LANGUAGE javascript AS $$
        const name = 'Wide F';
        globalThis[name] = function() {{
            heliosdb.query('SELECT * FROM "My App"."T 1"');
            heliosdb.execute('INSERT INTO users VALUES (1)');
            heliosdb.execute('CREATE TABLE IF NOT EXISTS made (id integer)');
            heliosdb.fs.list("{folder}/it's");
            heliosdb.fs.readText("{folder}/it's/in.txt");
            heliosdb.fs.writeText("{folder}/it's/out.txt", 'x');
            heliosdb.http.get('http://127.0.0.1:{port}/');
            return heliosdb.env.get('API_URL') + Math.random() + heliosdb.crypto.uuid() + Date.now();
        }};
        $$"#
    ));
    assert_eq!(house.run("SELECT \"Wide F\"()").unwrap_err().state, "42501");
    house.ok("ALTER FUNCTION \"Wide F\" SET CAPABILITY MODE record");
    house.ok("SELECT \"Wide F\"()");
    let suggested = house.value("SELECT heliosdb.suggest_policy('\"Wide F\"')");
    for line in [
        "CREATE SECURITY POLICY \"Wide F_policy\" AS (".to_string(),
        "        DATABASE_READ('\"My App\".\"T 1\"'),".to_string(),
        "        DATABASE_WRITE('public.users'),".to_string(),
        "        DATABASE_EXECUTE,".to_string(),
        format!("        FILE_READ('{folder}/it''s/*'),"),
        format!("        FILE_READ('{folder}/it''s/in.txt'),"),
        format!("        FILE_WRITE('{folder}/it''s/out.txt'),"),
        format!("        NETWORK_ACCESS('127.0.0.1:{port}'),"),
        "        ENV_ACCESS,".to_string(),
        "        TIME_ACCESS,".to_string(),
        "        RANDOM_ACCESS,".to_string(),
        "        CRYPTO_ACCESS,".to_string(),
        "        HTTP_CLIENT".to_string(),
    ] {
        assert!(suggested.lines().any(|found| found == line), "{line}\n{suggested}");
    }
    house.ok(&suggested);
    house.ok("ALTER FUNCTION \"Wide F\" SET SECURITY POLICY \"Wide F_policy\"");
    house.ok("SELECT \"Wide F\"()");
    assert_eq!(
        house.value("SELECT capability_mode FROM heliosdb.functions WHERE function_name = 'Wide F'"),
        "enforce"
    );
}

#[test]
fn what_a_test_and_an_explanation_show() {
    let house = House::new();
    house.ok("CREATE TABLE users (id integer PRIMARY KEY)");
    house.ok("CREATE FUNCTION f(a integer) RETURNS integer LANGUAGE javascript AS
        $$ function f(a) { return heliosdb.query('SELECT * FROM users').rowCount + a; } $$");
    let text = |row: &[Option<String>]| -> Vec<String> { row.iter().map(|value| value.clone().unwrap_or("NULL".into())).collect() };
    let refused = text(&house.ok("TEST FUNCTION f(1) EXPECT DENIED DATABASE_READ('users')")[0]);
    assert_eq!(
        refused[..6],
        [
            "f(integer)",
            "ok",
            "NULL",
            "permission denied for table users: function f lacks capability DATABASE_READ('users')",
            "42501",
            "DATABASE_READ('users')"
        ]
    );
    let outcome = text(&house.ok("TEST FUNCTION f(1)")[0]);
    assert_eq!(outcome[1], "failed");
    house.ok("ALTER FUNCTION f GRANT CAPABILITY DATABASE_READ('users')");
    let allowed = text(&house.ok("TEST FUNCTION f(1) EXPECT 1")[0]);
    assert_eq!(allowed[..6], ["f(integer)", "ok", "1", "NULL", "NULL", "NULL"]);
    for number in &allowed[6..9] {
        assert!(number.parse::<i64>().unwrap() > 0, "{allowed:?}");
    }
    house.ok("ALTER FUNCTION f SET CAPABILITY MODE record");
    house.ok("ALTER FUNCTION f REVOKE CAPABILITY DATABASE_READ('users')");
    house.ok("SELECT f(1)");
    let recorded = text(&house.ok("EXPLAIN CAPABILITIES FOR FUNCTION f")[0]);
    assert_eq!(recorded[..5], ["DATABASE_READ", "public.users", "record mode", "t", "public.users"]);
    assert_eq!((recorded[5].as_str(), recorded[7].as_str()), ("1", "0"));
    house.ok("ALTER FUNCTION f SET CAPABILITY MODE enforce");
    house.ok("ALTER FUNCTION f GRANT CAPABILITY DATABASE_READ('users')");
    // Over the extended protocol as well, their columns described before they run.
    house.runtime.block_on(async {
        let test = house.postgres.client.prepare("TEST FUNCTION f(2) EXPECT 2").await.unwrap();
        let names: Vec<&str> = test.columns().iter().map(|column| column.name()).collect();
        let expected = [
            "function",
            "verdict",
            "result",
            "error",
            "sqlstate",
            "denied",
            "fuel_used",
            "memory_bytes",
            "duration_us",
        ];
        assert_eq!(names, expected);
        let rows = house.postgres.client.query(&test, &[]).await.unwrap();
        assert_eq!(rows[0].get::<_, &str>(2), "2");
        let explain = house.postgres.client.prepare("EXPLAIN CAPABILITIES FOR FUNCTION f").await.unwrap();
        let rows = house.postgres.client.query(&explain, &[]).await.unwrap();
        assert_eq!(rows.len(), 1);
        let row = &rows[0];
        assert_eq!(row.get::<_, &str>("capability"), "DATABASE_READ");
        assert_eq!(row.get::<_, &str>("pattern"), "users");
        assert_eq!(row.get::<_, &str>("source"), "grant");
        assert!(row.get::<_, bool>("allowed"));
        assert_eq!(row.get::<_, &str>("reaches"), "public.users");
        assert_eq!(row.get::<_, i64>("used"), 2);
        assert!(row.get::<_, Option<std::time::SystemTime>>("last_used").is_some());
        assert_eq!(row.get::<_, i64>("denied"), 0);
    });
}

#[test]
fn others_than_superusers_are_lent_nothing() {
    let house = House::new();
    house.ok("CREATE ROLE app LOGIN");
    house.ok("CREATE TABLE users (id integer PRIMARY KEY)");
    house.ok("CREATE VIEW names AS SELECT id FROM users");
    let js = |name: &str, body: &str| {
        house.ok(&format!(
            "CREATE FUNCTION {name}(sql text) RETURNS text LANGUAGE javascript AS $$ function {name}(sql) {{ return JSON.stringify({body}); }} $$"
        ))
    };
    js("run", "heliosdb.execute(sql)");
    js("env", "heliosdb.env.get(sql)");
    js("hash", "heliosdb.crypto.sha256(sql).length");
    js("mine", "1");
    house.ok("ALTER FUNCTION mine OWNER TO app");
    let app = house.connect("app");

    // Record mode is a superuser's to set, on one's own functions, too; and lends a caller nothing.
    for mode in ["record", "enforce"] {
        assert_eq!(
            app.refused(&format!("ALTER FUNCTION mine SET CAPABILITY MODE {mode}")),
            "42501: must be superuser to set the capability mode of function mine"
        );
    }
    for function in ["run", "env", "hash"] {
        house.ok(&format!("ALTER FUNCTION {function} SET CAPABILITY MODE record"));
    }
    house.ok("SELECT run('SELECT * FROM users'), env('API_URL'), hash('x')");
    assert_eq!(
        app.refused("SELECT run('SELECT * FROM users')"),
        "42501: permission denied for table users"
    );
    assert_eq!(
        app.refused("SELECT run('DELETE FROM users')"),
        "42501: permission denied for table users"
    );
    assert_eq!(
        app.refused("SELECT run('CREATE TABLE made (id integer)')"),
        "42501: permission denied for CREATE TABLE public.made: function run lacks capability DATABASE_EXECUTE"
    );
    assert_eq!(
        app.refused("SELECT env('API_URL')"),
        "42501: permission denied for environment variable \"API_URL\": function env lacks capability ENV_ACCESS"
    );
    assert_eq!(app.value("SELECT hash('x')"), "64");

    // DDL is within the caller's own rights.
    house.ok("ALTER FUNCTION run SET CAPABILITY MODE enforce");
    house.ok("ALTER FUNCTION run GRANT CAPABILITY DATABASE_EXECUTE, DATABASE_WRITE('*')");
    for (sql, refusal) in [
        ("CREATE TABLE made (id integer)", "42501: permission denied for schema public"),
        ("DROP TABLE users CASCADE", "42501: must be owner of table users"),
        ("DROP VIEW names", "42501: must be owner of view names"),
        ("COMMENT ON TABLE users IS ''mine''", "42501: must be owner of table users"),
        (
            "DROP SCHEMA public CASCADE",
            "42501: permission denied for changing functions inside a function: function run cannot hold this right",
        ),
        ("TRUNCATE users", "42501: permission denied for table users"),
    ] {
        assert_eq!(app.refused(&format!("SELECT run('{sql}')")), refusal, "{sql}");
    }
    let checks = "SELECT DISTINCT resource FROM heliosdb.audit_log WHERE user_name = 'app' AND capability = 'DATABASE_EXECUTE' AND allowed ORDER BY 1";
    assert_eq!(
        house.ok(checks),
        [[Some("TRUNCATE public.users".to_string())]],
        "a refusal by SQL is on record as one"
    );

    // Looking, testing, erasing, commenting.
    let row = &app.ok("EXPLAIN CAPABILITIES FOR FUNCTION run")[0];
    let seen: Vec<Option<&str>> = row.iter().map(Option::as_deref).collect();
    assert_eq!(
        seen,
        [Some("DATABASE_EXECUTE"), None, Some("grant"), Some("f"), None, None, None, None]
    );
    let tested = &app.ok("TEST FUNCTION run('DELETE FROM users')")[0];
    assert_eq!(tested[1].as_deref(), Some("failed"));
    assert_eq!(tested[3].as_deref(), Some("permission denied for table users"));
    assert_eq!(
        app.refused("SELECT heliosdb.suggest_policy('run')"),
        "42501: permission denied for table audit_log"
    );
    assert_eq!(
        app.refused("SELECT heliosdb.forget('x')"),
        "42501: permission denied for function heliosdb.forget"
    );
    assert_eq!(
        app.refused("COMMENT ON FUNCTION run IS 'x'"),
        "42501: must be owner of function run"
    );
    assert_eq!(app.refused("COMMENT ON TABLE users IS 'x'"), "42501: must be owner of table users");
    assert_eq!(
        app.refused("COMMENT ON COLUMN names.id IS 'x'"),
        "42501: must be owner of view names"
    );
    assert_eq!(
        app.refused("COMMENT ON SCHEMA public IS 'x'"),
        "42501: must be owner of schema public"
    );
    app.ok("COMMENT ON FUNCTION mine IS 'mine'");
}
