//! Every host function under every holding -> verdict, written down. Holdings are the predefined policies, each kind of capability alone, all of
//! them, and all but one: so a line says both what is enough and what is needed. A host function or a kind of capability without lines fails the
//! test. `UPDATE_GOLDEN=1` writes the file anew; read the difference before it is committed.

mod house;

use std::collections::BTreeSet;
use std::fmt::Write;

use house::{Connection, House};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/host_functions.txt");

/// Each name below `heliosdb`, and an expression that uses it. What is no part of that object comes last: the language's own ways to the host.
const SAMPLES: &[(&str, &str)] = &[
    ("query", "heliosdb.query('SELECT n FROM t')"),
    ("execute", "heliosdb.execute('INSERT INTO t SELECT 1 WHERE false')"),
    ("call", "heliosdb.call('helper')"),
    ("storage.get", "heliosdb.storage.get('k')"),
    ("storage.set", "heliosdb.storage.set('k', 1)"),
    ("storage.delete", "heliosdb.storage.delete('k')"),
    ("storage.keys", "heliosdb.storage.keys('')"),
    ("storage.increment", "heliosdb.storage.increment('n', 1)"),
    ("env.get", "heliosdb.env.get('X')"),
    ("fs.readText", "heliosdb.fs.readText(path)"),
    ("fs.readBytes", "heliosdb.fs.readBytes(path)"),
    ("fs.writeText", "heliosdb.fs.writeText(path, 'x')"),
    ("fs.appendText", "heliosdb.fs.appendText(path, 'x')"),
    ("fs.list", "heliosdb.fs.list(folder)"),
    ("fs.remove", "heliosdb.fs.remove(path)"),
    ("http.fetch", "heliosdb.http.fetch('http://127.0.0.1:1/', {method: 'GET'})"),
    ("http.get", "heliosdb.http.get('http://127.0.0.1:1/')"),
    ("http.post", "heliosdb.http.post('http://127.0.0.1:1/', 'x')"),
    ("crypto.sha256", "heliosdb.crypto.sha256('x')"),
    ("crypto.sha512", "heliosdb.crypto.sha512('x')"),
    ("crypto.hmac", "heliosdb.crypto.hmac('sha256', 'k', 'x')"),
    ("crypto.randomBytes", "heliosdb.crypto.randomBytes(4)"),
    ("crypto.uuid", "heliosdb.crypto.uuid()"),
    ("crypto.timingSafeEqual", "heliosdb.crypto.timingSafeEqual('a', 'b')"),
    ("log.debug", "heliosdb.log.debug('x')"),
    ("log.info", "heliosdb.log.info('x')"),
    ("log.warn", "heliosdb.log.warn('x')"),
    ("log.error", "heliosdb.log.error('x')"),
    ("execute of DDL", "heliosdb.execute('CREATE TABLE u (n integer)')"),
    ("execute of ALTER FUNCTION", "heliosdb.execute('ALTER FUNCTION f SET STORAGE = on')"),
    ("Date.now", "Date.now()"),
    ("Math.random", "Math.random()"),
];

/// Of each kind of capability what allows the samples: its names are those that `heliosdb.capability_reference` lists.
const WIDE: &[&str] = &[
    "DATABASE_READ('t')",
    "DATABASE_WRITE('t')",
    "DATABASE_EXECUTE",
    "FILE_READ('/**')",
    "FILE_WRITE('/**')",
    "NETWORK_ACCESS('127.0.0.1')",
    "ENV_ACCESS",
    "TIME_ACCESS",
    "RANDOM_ACCESS",
    "CRYPTO_ACCESS",
    "HTTP_CLIENT",
    "CALL_FUNCTION('helper')",
];

const NAMES: &str = "CREATE FUNCTION names() RETURNS text[] LANGUAGE javascript AS $$
    function names() {
        const found = [];
        for (const name of Object.getOwnPropertyNames(heliosdb)) {
            if (typeof heliosdb[name] === 'function') { found.push(name); continue; }
            for (const inner of Object.getOwnPropertyNames(heliosdb[name])) found.push(name + '.' + inner);
        }
        return found;
    } $$";

/// The questions that a sample's call was answered, in their order, and whether it was let through.
fn verdict(connection: &Connection<'_>, sample: usize) -> String {
    let before = connection.ok("SELECT coalesce(max(id), 0) FROM heliosdb.audit_log");
    connection.ok(&format!("SELECT f({sample})"));
    let rows = connection.ok(&format!(
        "SELECT coalesce(capability, 'no capability'), allowed FROM heliosdb.audit_log \
         WHERE id > {before} AND function_name = 'f' AND allowed IS NOT NULL ORDER BY id"
    ));
    let mut asked = vec![];
    let mut verdict = if rows.is_empty() { "free" } else { "granted" };
    for row in rows.lines() {
        let (capability, allowed) = row.rsplit_once(' ').unwrap();
        if allowed == "f" {
            verdict = "refused";
        }
        // One capability may be asked for twice: for a name and for its address, for a folder and what is in it.
        if asked.last() != Some(&capability) {
            asked.push(capability);
        }
    }
    format!("{verdict:<7} {:<25} {}", SAMPLES[sample].0, asked.join(", "))
        .trim_end()
        .to_string()
}

#[test]
fn every_host_function_asks_for_its_capability() {
    let house = House::new();
    let connection = house.connect();
    let folder = tempfile::tempdir().unwrap();
    connection.ok("CREATE TABLE t (n integer)");
    connection.ok("CREATE FUNCTION helper() RETURNS integer LANGUAGE javascript AS 'function helper() { return 1; }'");
    let samples: Vec<String> = SAMPLES.iter().map(|(_, sample)| format!("() => {sample}")).collect();
    connection.ok(&format!(
        "CREATE FUNCTION f(sample integer) RETURNS text LANGUAGE javascript AS $$
            const folder = '{}', path = folder + '/a';
            const samples = [{}];
            function f(sample) {{ try {{ samples[sample](); return 'done'; }} catch (e) {{ return e.name; }} }} $$",
        folder.path().canonicalize().unwrap().display(),
        samples.join(",\n")
    ));

    // Nothing that a function sees is missing from the list, and each kind of capability is held once.
    connection.ok(NAMES);
    let names = connection.ok("SELECT name FROM unnest(names()) AS names(name) ORDER BY name COLLATE \"C\"");
    let listed: BTreeSet<&str> = SAMPLES.iter().map(|(name, _)| *name).collect();
    assert_eq!(listed.len(), SAMPLES.len(), "a name is listed twice");
    for name in names.lines() {
        assert!(listed.contains(name), "heliosdb.{name} has no sample");
    }
    let beyond: Vec<&str> = listed
        .iter()
        .copied()
        .filter(|name| !names.lines().any(|seen| seen == *name))
        .collect();
    assert_eq!(beyond, ["Date.now", "Math.random", "execute of ALTER FUNCTION", "execute of DDL"]);
    let kinds = connection.ok("SELECT DISTINCT capability FROM heliosdb.capability_reference");
    let kinds: BTreeSet<&str> = kinds.lines().map(|line| line.split('(').next().unwrap()).collect();
    let held: BTreeSet<&str> = WIDE.iter().map(|text| text.split('(').next().unwrap()).collect();
    assert_eq!(kinds, held);

    let mut holdings: Vec<(String, &str, Vec<&str>)> = ["MINIMAL", "DEFAULT", "PERMISSIVE"]
        .map(|policy| (format!("policy {policy}"), policy, vec![]))
        .into();
    for capability in WIDE {
        holdings.push((format!("{capability} alone"), "MINIMAL", vec![capability]));
    }
    holdings.push(("all of these".into(), "MINIMAL", WIDE.to_vec()));
    for capability in WIDE {
        let others = WIDE.iter().copied().filter(|other| other != capability).collect();
        holdings.push((format!("all but {capability}"), "MINIMAL", others));
    }

    let mut text = String::new();
    for (name, policy, capabilities) in &holdings {
        connection.ok(&format!("ALTER FUNCTION f SET SECURITY POLICY {policy}"));
        if !capabilities.is_empty() {
            connection.ok(&format!("ALTER FUNCTION f GRANT CAPABILITY {}", capabilities.join(", ")));
        }
        writeln!(text, "{name}").unwrap();
        for sample in 0..SAMPLES.len() {
            writeln!(text, "  {}", verdict(&connection, sample)).unwrap();
            connection.ok("DROP TABLE IF EXISTS u");
        }
    }

    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(std::path::Path::new(GOLDEN).parent().unwrap()).unwrap();
        std::fs::write(GOLDEN, &text).unwrap();
    }
    let golden = std::fs::read_to_string(GOLDEN).unwrap();
    for (line, (found, expected)) in text.lines().zip(golden.lines()).enumerate() {
        assert_eq!(found, expected, "line {} of {GOLDEN}", line + 1);
    }
    assert_eq!(text.lines().count(), golden.lines().count());
}
