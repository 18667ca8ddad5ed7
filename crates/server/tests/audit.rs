//! The audit log, through the binary: what a crash leaves of it, and what never gets into it.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

fn parhelion(arguments: &[&str], data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parhelion"));
    command.args(arguments).arg("--data").arg(data);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn begin(data: &Path, script: &str) -> Child {
    let mut child = parhelion(&["run", "-", "--keep-going"], data).spawn().unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    child
}

fn run(data: &Path, script: &str) -> String {
    let output: Output = begin(data, script).wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}

const WRITES: &str = "
    CREATE TABLE written (n integer PRIMARY KEY);
    CREATE FUNCTION writes(n integer) RETURNS text LANGUAGE javascript AS $$
        function writes(n) { heliosdb.execute('INSERT INTO written VALUES (?)', [n]); return 'acknowledged'; }
    $$;
    ALTER FUNCTION writes GRANT CAPABILITY DATABASE_WRITE('written');
";

/// Of each committed row the log has the start of the call, the permission and the write; and no row was begun twice.
const EACH_HAS_ITS_ROWS: &str = "
    SELECT (SELECT count(*) FROM written) AS written,
        'every row: ' || bool_and(found >= (SELECT count(*) FROM written) AND found <= (SELECT count(*) FROM written) + kills.n) AS checked
    FROM (VALUES (KILLS)) AS kills (n), (
        SELECT count(*) AS found FROM heliosdb.audit_log WHERE function_name = 'writes' AND event_type = 'ExecutionStarted'
        UNION ALL SELECT count(*) FROM heliosdb.audit_log
            WHERE function_name = 'writes' AND event_type = 'CapabilityCheck' AND allowed AND capability = 'DATABASE_WRITE'
        UNION ALL SELECT count(*) FROM heliosdb.audit_log WHERE function_name = 'writes' AND event_type = 'DatabaseOperation'
    ) AS counts GROUP BY kills.n;
    SELECT 'whole: ' || whole AS whole FROM heliosdb.verify_audit_log();
";

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            // The writer may have removed it in the meantime.
            let _ = std::fs::copy(entry.path(), to);
        }
    }
}

fn signal(child: &Child, name: &str) {
    assert!(
        Command::new("kill")
            .args([name, &child.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
}

fn check(data: &Path, kills: usize, acknowledged: usize) {
    let found = run(data, &EACH_HAS_ITS_ROWS.replace("KILLS", &kills.to_string()));
    assert!(found.contains("every row: true"), "{found}");
    assert!(found.contains("whole: true"), "{found}");
    let written = found.lines().find_map(|line| line.split('|').next()?.trim().parse::<usize>().ok());
    assert!(
        written.is_some_and(|written| written >= acknowledged),
        "{acknowledged} acknowledged: {found}"
    );
}

#[test]
fn no_effect_survives_a_crash_without_its_audit_rows() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    run(&data, WRITES);
    let mut acknowledged = 0;
    for (round, calls_until_kill) in [1, 7, 60, 23].into_iter().enumerate() {
        let script: String = (0..2000)
            .map(|call| format!("SELECT writes({});\n", round * 10_000 + call))
            .collect();
        let mut child = parhelion(&["run", "-", "--keep-going"], &data).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let feeder = std::thread::spawn(move || {
            // It is killed before it has read everything.
            let _ = stdin.write_all(script.as_bytes());
        });
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = 0;
        while seen < calls_until_kill {
            let line = lines.next().expect("the script goes on").unwrap();
            seen += usize::from(line.contains("acknowledged"));
        }
        // What a loss of power leaves: the files as they are at some moment of the writing.
        if round == 2 {
            let torn = folder.path().join("torn");
            signal(&child, "-STOP");
            copy(&data, &torn);
            std::fs::set_permissions(&torn, std::fs::metadata(&data).unwrap().permissions()).unwrap();
            signal(&child, "-CONT");
            check(&torn, round + 1, acknowledged + seen);
        }
        child.kill().unwrap();
        acknowledged += seen
            + lines
                .filter(|line| line.as_ref().is_ok_and(|line| line.contains("acknowledged")))
                .count();
        child.wait().unwrap();
        feeder.join().unwrap();
        check(&data, round + 1, acknowledged);
    }
}

/// Values that a function meets; `SECRETn` stands in one place each.
const SECRETS: &str = r#"
CREATE TABLE people (name text PRIMARY KEY, n integer CHECK (n < 100));
INSERT INTO people VALUES ('SECRET01', 1);
CREATE FUNCTION tries(what text, value text) RETURNS text LANGUAGE javascript AS $$
    function tries(what, value) {
        const inBody = 'SECRET02';
        switch (what) {
            case 'parameter': return heliosdb.query('SELECT ?::text AS v', [value]).rows[0].v;
            case 'rows': return heliosdb.query('SELECT name FROM people').rows[0].name;
            case 'insert': heliosdb.execute('INSERT INTO people VALUES (?, 2)', [value]); return value;
            case 'update': heliosdb.execute('UPDATE people SET name = ? WHERE name = ?', [value + 'x', value]); return value;
            case 'duplicate': heliosdb.execute('INSERT INTO people VALUES (?, 3)', ['SECRET01']); return value;
            case 'check': heliosdb.execute('INSERT INTO people VALUES (?, 300)', [value]); return value;
            case 'cast': return heliosdb.query('SELECT CAST(? AS integer) AS v', [value]).rows[0].v;
            case 'literal': return heliosdb.query("SELECT CAST('SECRET03' AS integer) AS v").rows[0].v;
            case 'syntax': return heliosdb.query("SELECT 'SECRET04' FROM FROM").rows[0].v;
            case 'throw': throw new Error('it is ' + value);
            case 'parse': return JSON.parse(value);
            case 'storage': heliosdb.storage.set('k', value); return heliosdb.storage.get('k');
            case 'log': heliosdb.log.info(value); console.log(value); return value;
            case 'file': heliosdb.fs.writeText('FOLDER/written.txt', value); return heliosdb.fs.readText('FOLDER/written.txt');
            case 'http': return heliosdb.http.get('http://127.0.0.1:1/' + value + '?token=' + value, { headers: { Authorization: value } });
            case 'hmac': return heliosdb.crypto.hmac('sha256', value, value) + value;
            case 'call': return heliosdb.call('inner_one', value);
            case 'table': heliosdb.execute("CREATE TABLE made (v text DEFAULT 'SECRET05')"); return value;
        }
    }
$$;
CREATE FUNCTION inner_one(value text) RETURNS text LANGUAGE javascript AS $$ function inner_one(value) { throw new Error(value); } $$;
CREATE FUNCTION wrong_type(value text) RETURNS integer LANGUAGE javascript AS $$ function wrong_type(value) { return value; } $$;
CREATE FUNCTION of_sql(value text) RETURNS text LANGUAGE sql AS $$ SELECT value || CAST(CAST(value AS integer) AS text) $$;
ALTER FUNCTION tries GRANT CAPABILITY DATABASE_READ('people'), DATABASE_WRITE('people'), DATABASE_EXECUTE, CALL_FUNCTION('*'), CRYPTO_ACCESS,
    HTTP_CLIENT, NETWORK_ACCESS('127.0.0.1:1'), FILE_READ('FOLDER/*'), FILE_WRITE('FOLDER/*');
ALTER ROLE postgres PASSWORD 'SECRET06';
SELECT tries('parameter', 'SECRET07');
SELECT tries('rows', 'SECRET08');
SELECT tries('insert', 'SECRET09');
SELECT tries('update', 'SECRET09');
SELECT tries('duplicate', 'SECRET10');
SELECT tries('check', 'SECRET11');
SELECT tries('cast', 'SECRET12');
SELECT tries('literal', 'SECRET13');
SELECT tries('syntax', 'SECRET14');
SELECT tries('throw', 'SECRET15');
SELECT tries('parse', 'SECRET16');
SELECT tries('storage', 'SECRET17');
SELECT tries('log', 'SECRET18');
SELECT tries('file', 'SECRET19');
SELECT tries('http', 'SECRET20');
SELECT tries('hmac', 'SECRET21');
SELECT tries('call', 'SECRET22');
SELECT tries('table', 'SECRET23');
SELECT wrong_type('SECRET24');
SELECT of_sql('SECRET25');
DO LANGUAGE javascript $$ heliosdb.query("SELECT CAST('SECRET26' AS integer)") $$;
SELECT event_type, count(*) FROM heliosdb.audit_log GROUP BY 1 ORDER BY 1;
"#;

#[test]
fn no_value_that_a_function_meets_is_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let files = folder.path().join("files");
    std::fs::create_dir(&files).unwrap();
    let files = files.canonicalize().unwrap();
    let told = run(&data, &SECRETS.replace("FOLDER", files.to_str().unwrap()));
    // The caller sees what it may see; so the functions did meet their values.
    for met in ["07", "01", "09", "12", "15", "17", "19", "21", "22", "24", "25"] {
        assert!(told.contains(&format!("SECRET{met}")), "SECRET{met} was not met: {told}");
    }
    for event in [
        "CapabilityCheck",
        "DatabaseOperation",
        "ExecutionFailed",
        "FileOperation",
        "NetworkOperation",
    ] {
        assert!(told.contains(event), "nothing of {event} happened: {told}");
    }
    let export = parhelion(&["audit", "export"], &data).output().unwrap();
    let log = String::from_utf8(export.stdout).unwrap();
    assert!(log.lines().count() > 50, "{log}");
    for line in log.lines() {
        assert!(!line.contains("SECRET"), "{line}");
    }
    // Nor in other letters: no name or value of the log is made of one.
    assert!(!log.to_ascii_lowercase().contains("secret"), "{log}");
}
