//! What sandboxed functions may do with SQL, against a reference that is too simple to be wrong: random statements, of which it is
//! known by construction what they read, write and call; random rights; and each statement runs if and only if each of these is covered
//! for each function of the call chain. Both ways: nothing is let through that the reference refuses, and nothing refused that it allows.
//!
//! The draws are the same at each run. `ROUNDS=1000 cargo test -p sql-tests --test authorization` draws more of them.

mod house;

use std::collections::{BTreeMap, BTreeSet};

use house::{Connection, House};

const ROUNDS: u64 = 60;
const STATEMENTS_A_ROUND: usize = 10;
/// Statements come back under other rights: what is kept of them from an earlier time must not matter.
const POOL: usize = 160;

/// A relation or function, by schema and name.
type Object = (&'static str, &'static str);

/// What a statement needs besides computation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    Read(Object),
    Write(Object),
    Call(Object),
}

/// Those that can be written, each of one column `n` and a few rows.
const TABLES: &[Object] = &[
    ("public", "a"),
    ("public", "b"),
    ("public", "c_one"),
    ("public", "c_two"),
    ("app", "a"),
    ("app", "d"),
];

/// Everything that can be read, with what reading it needs.
const SOURCES: &[(Object, &[Object])] = &[
    (("public", "a"), &[]),
    (("public", "b"), &[]),
    (("public", "c_one"), &[]),
    (("public", "c_two"), &[]),
    (("app", "a"), &[]),
    (("app", "d"), &[]),
    // Views: themselves, and what they look at.
    (("public", "v"), &[("public", "a"), ("app", "d")]),
    (("app", "w"), &[("public", "v"), ("public", "a"), ("app", "d"), ("public", "b")]),
    // The system's: of columns of their own.
    (("pg_catalog", "pg_namespace"), &[]),
    (("heliosdb", "functions"), &[]),
];

/// What the statements call, with what that needs of every caller further up.
const CALLS: &[(Object, &[Need])] = &[
    // LANGUAGE sql: no sandbox, so its statements are its caller's.
    (("public", "peek"), &[Need::Read(("public", "c_one"))]),
    // A sandbox that holds what it needs; the chain above has to hold it too.
    (("public", "reader"), &[Need::Read(("public", "b"))]),
    // A function that touches nothing.
    (("app", "nothing"), &[]),
];

const SETUP: &[&str] = &[
    "CREATE SCHEMA app",
    "CREATE TABLE a (n integer)",
    "CREATE TABLE b (n integer)",
    "CREATE TABLE c_one (n integer)",
    "CREATE TABLE c_two (n integer)",
    "CREATE TABLE app.a (n integer)",
    "CREATE TABLE app.d (n integer)",
    "INSERT INTO a VALUES (1), (2)",
    "INSERT INTO b VALUES (2), (3)",
    "INSERT INTO c_one VALUES (1)",
    "INSERT INTO c_two VALUES (2)",
    "INSERT INTO app.a VALUES (4), (1)",
    "INSERT INTO app.d VALUES (2)",
    "CREATE VIEW v AS SELECT a.n FROM a JOIN app.d USING (n)",
    "CREATE VIEW app.w AS SELECT n FROM public.v UNION ALL SELECT n FROM public.b",
    "CREATE FUNCTION peek() RETURNS integer LANGUAGE sql AS 'SELECT max(n) FROM c_one'",
    "CREATE FUNCTION reader() RETURNS integer LANGUAGE javascript AS $$
        function reader() { return heliosdb.query('SELECT max(n) AS n FROM b').rows[0].n; } $$",
    "ALTER FUNCTION reader GRANT CAPABILITY DATABASE_READ('b')",
    "CREATE FUNCTION app.nothing() RETURNS integer LANGUAGE javascript AS 'function nothing() { return 5; }'",
    // What was allowed is undone by the exception; what was refused is not, and must have done nothing.
    "CREATE FUNCTION f(verb text, sql text) RETURNS text LANGUAGE javascript AS $$
        function f(verb, sql) {
            try { heliosdb[verb](sql); } catch (e) { return e.sqlstate + ' ' + e.message; }
            throw new Error('it was allowed');
        } $$",
    "CREATE FUNCTION g(verb text, sql text) RETURNS text LANGUAGE javascript AS $$
        function g(verb, sql) { return heliosdb.call('f', verb, sql); } $$",
];

/// Everything that the statements could have changed.
const TRACES: &str = "SELECT 'a', n FROM a UNION ALL SELECT 'b', n FROM b UNION ALL SELECT 'c_one', n FROM c_one UNION ALL \
     SELECT 'c_two', n FROM c_two UNION ALL SELECT 'app.a', n FROM app.a UNION ALL SELECT 'app.d', n FROM app.d ORDER BY 1, 2";

/// Xorshift: the same numbers at each run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % bound
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// A piece of SQL, and what it needs.
#[derive(Clone, Debug)]
struct Sql {
    text: String,
    needs: BTreeSet<Need>,
}

impl Sql {
    fn new(text: impl Into<String>) -> Sql {
        Sql {
            text: text.into(),
            needs: BTreeSet::new(),
        }
    }

    /// The template's `{}`s, one after the other, are the parts; it needs what they need.
    fn of(template: &str, parts: &[&Sql]) -> Sql {
        let mut pieces = template.split("{}");
        let mut text = pieces.next().unwrap().to_string();
        for (part, piece) in parts.iter().zip(pieces.by_ref()) {
            text.push_str(&part.text);
            text.push_str(piece);
        }
        assert_eq!(pieces.next(), None, "{template}");
        let needs = parts.iter().flat_map(|part| part.needs.iter().copied()).collect();
        Sql { text, needs }
    }

    fn needing(mut self, need: Need) -> Sql {
        self.needs.insert(need);
        self
    }
}

struct Statement {
    verb: &'static str,
    writes: bool,
    sql: Sql,
}

/// A reference to an object, in one of the spellings that mean it.
fn spelled(random: &mut Random, (schema, name): Object, qualified: bool) -> String {
    let mut piece = |text: &str| match random.below(4) {
        0 => format!("\"{text}\""),
        1 => text.to_uppercase(),
        _ => text.to_string(),
    };
    let name = piece(name);
    match qualified {
        true => format!("{}.{name}", piece(schema)),
        false => name,
    }
}

/// Something to stand in FROM: with one column `n`, and rows. `scope` holds the names that WITH has given.
fn source(random: &mut Random, scope: &[&'static str], depth: usize) -> Sql {
    if depth > 0 && random.chance(15) {
        return Sql::of("({})", &[&query(random, scope, depth - 1)]);
    }
    if !scope.is_empty() && random.chance(40) {
        // Whatever table has that name too, it is not read.
        return Sql::new(*random.pick(scope));
    }
    let &(object, below) = random.pick(SOURCES);
    let (schema, name) = object;
    let hidden = schema == "app" || schema == "heliosdb" || scope.contains(&name);
    let qualified = hidden || random.chance(40);
    let name = spelled(random, object, qualified);
    let mut sql = match schema {
        "pg_catalog" | "heliosdb" => Sql::new(format!("(SELECT count(*)::integer AS n FROM {name})")),
        _ => Sql::new(name),
    };
    sql = sql.needing(Need::Read(object));
    below.iter().fold(sql, |sql, object| sql.needing(Need::Read(*object)))
}

/// A query of one column `n` of integers.
fn query(random: &mut Random, scope: &[&'static str], depth: usize) -> Sql {
    let kinds = if depth == 0 { 5 } else { 17 };
    let table = |random: &mut Random| source(random, scope, depth);
    match random.below(kinds) {
        0 => Sql::new("SELECT 1 AS n"),
        1 => Sql::of("SELECT s.n FROM {} s", &[&table(random)]),
        2 => Sql::of("SELECT s.n FROM {} AS s WHERE s.n > 1 AND false", &[&table(random)]),
        3 => Sql::of("SELECT count(*)::integer AS n FROM {} s", &[&table(random)]),
        4 => {
            let join = *random.pick(&["JOIN", "LEFT JOIN", "FULL JOIN", "RIGHT JOIN"]);
            Sql::of(
                &format!("SELECT s.n FROM {{}} s {join} {{}} t ON s.n = t.n"),
                &[&table(random), &table(random)],
            )
        }
        5 => {
            let test = *random.pick(&[
                "EXISTS ({})",
                "NOT EXISTS ({})",
                "s.n IN ({})",
                "s.n NOT IN ({})",
                "s.n = ANY ({})",
                "s.n >= ALL ({})",
            ]);
            let inner = query(random, scope, depth - 1);
            Sql::of(&format!("SELECT s.n FROM {{}} s WHERE {test}"), &[&table(random), &inner])
        }
        6 => {
            let set = *random.pick(&["UNION", "UNION ALL", "INTERSECT", "EXCEPT"]);
            let (one, other) = (query(random, scope, depth - 1), query(random, scope, depth - 1));
            Sql::of(&format!("({{}}) {set} ({{}})"), &[&one, &other])
        }
        // A name that a table has too: within itself it is the table, after it the query.
        7 | 8 => {
            let name = *random.pick(&["a", "b", "c_one", "w1"]);
            let mut inner_scope = scope.to_vec();
            inner_scope.push(name);
            let (with, rest) = (query(random, scope, depth - 1), query(random, &inner_scope, depth - 1));
            Sql::of(&format!("WITH {name} AS ({{}}) SELECT r0.n FROM ({{}}) r0"), &[&with, &rest])
        }
        9 => Sql::of(
            "WITH RECURSIVE r1(n) AS (SELECT s.n FROM {} s UNION SELECT r1.n + 1 FROM r1 WHERE r1.n < 4) SELECT n FROM r1",
            &[&table(random)],
        ),
        10 => Sql::of("SELECT (SELECT max(q.n) FROM ({}) q) AS n", &[&query(random, scope, depth - 1)]),
        11 => {
            let inner = query(random, scope, depth - 1);
            Sql::of(
                "SELECT q.n FROM ({}) q, LATERAL (SELECT s.n + q.n AS m FROM {} s) l",
                &[&inner, &table(random)],
            )
        }
        12 => Sql::of(
            "SELECT count(*)::integer AS n FROM {} s GROUP BY s.n HAVING count(*) > (SELECT count(*) FROM {} h)",
            &[&table(random), &table(random)],
        ),
        13 => Sql::of(
            "SELECT s.n FROM {} s ORDER BY (SELECT max(o.n) FROM {} o), s.n LIMIT 5",
            &[&table(random), &table(random)],
        ),
        14 => Sql::of(
            "SELECT CASE WHEN EXISTS ({}) THEN 1 ELSE 2 END AS n",
            &[&query(random, scope, depth - 1)],
        ),
        15 => Sql::of("SELECT sum(s.n) OVER (ORDER BY s.n)::integer AS n FROM {} s", &[&table(random)]),
        _ => Sql::of(
            "SELECT s.n FROM {} s, {} t WHERE s.n = (SELECT max(u.n) FROM {} u WHERE u.n <= t.n)",
            &[&table(random), &table(random), &table(random)],
        ),
    }
}

/// A call that is certain to be made.
fn call(random: &mut Random) -> Sql {
    let &(object, needs) = random.pick(CALLS);
    let qualified = object.0 == "app" || random.chance(30);
    let name = spelled(random, object, qualified);
    let sql = Sql::new(format!("{name}()")).needing(Need::Call(object));
    needs.iter().fold(sql, |sql, need| sql.needing(*need))
}

fn write(random: &mut Random) -> Sql {
    let target = *random.pick(TABLES);
    let qualified = target.0 == "app" || random.chance(40);
    let table = Sql::new(spelled(random, target, qualified)).needing(Need::Write(target));
    let inner = |random: &mut Random| query(random, &[], 2);
    let mut sql = match random.below(13) {
        0 => Sql::of("INSERT INTO {} VALUES (7), (8)", &[&table]),
        1 => Sql::of("INSERT INTO {} (n) {}", &[&table, &inner(random)]),
        2 => Sql::of("INSERT INTO {} VALUES ((SELECT max(q.n) FROM ({}) q))", &[&table, &inner(random)]),
        3 => Sql::of("INSERT INTO {} VALUES ({})", &[&table, &call(random)]),
        4 => Sql::of("INSERT INTO {} SELECT 9 ON CONFLICT DO NOTHING", &[&table]),
        5 => Sql::of("UPDATE {} SET n = n + 1 WHERE n > 1", &[&table]),
        6 => Sql::of(
            "UPDATE {} AS x SET n = (SELECT min(q.n) FROM ({}) q) WHERE x.n < 3",
            &[&table, &inner(random)],
        ),
        7 => Sql::of(
            "UPDATE {} AS x SET n = s.n FROM {} s WHERE s.n = x.n",
            &[&table, &source(random, &[], 1)],
        ),
        8 => Sql::of("UPDATE {} SET n = 0 WHERE n IN ({})", &[&table, &inner(random)]),
        9 => Sql::of("DELETE FROM {} WHERE n = 1", &[&table]),
        10 => Sql::of("DELETE FROM {} AS x WHERE EXISTS ({})", &[&table, &inner(random)]),
        11 => Sql::of("DELETE FROM {} AS x USING {} s WHERE s.n = x.n", &[&table, &source(random, &[], 1)]),
        _ => Sql::of("INSERT INTO {} WITH w1 AS ({}) SELECT w1.n FROM w1", &[&table, &inner(random)]),
    };
    // What was written, said aloud, is read.
    if random.chance(25) {
        let returning = *random.pick(&[" RETURNING n", " RETURNING *", " RETURNING n + 1 AS m"]);
        // UPDATE ... FROM has two columns of that name.
        if !sql.text.contains(" s WHERE s.n = x.n") {
            sql.text.push_str(returning);
            sql = sql.needing(Need::Read(target));
        }
    }
    sql
}

fn statement(random: &mut Random) -> Statement {
    let verb = *random.pick(&["query", "execute"]);
    match random.below(10) {
        0..5 => Statement {
            verb,
            writes: false,
            sql: query(random, &[], 3),
        },
        5 => Statement {
            verb,
            writes: false,
            sql: Sql::of("SELECT {} AS n", &[&call(random)]),
        },
        6 => Statement {
            verb,
            writes: false,
            sql: Sql::of(
                "SELECT {} + (SELECT count(*) FROM ({}) q) AS n",
                &[&call(random), &query(random, &[], 1)],
            ),
        },
        _ => Statement {
            verb: if random.chance(85) { "execute" } else { "query" },
            writes: true,
            sql: write(random),
        },
    }
}

/// A right, as it is granted, and as the reference understands it.
#[derive(Clone, Debug)]
struct Right {
    kind: &'static str,
    schema: Option<String>,
    name: String,
    text: String,
}

/// `*` is any run of characters: tried at each place.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=text.len()).any(|at| glob(rest, &text[at..])),
        (Some((one, rest)), Some((other, text))) => one == other && glob(rest, text),
        (Some(_), None) | (None, Some(_)) => false,
    }
}

impl Right {
    fn covers(&self, need: Need) -> bool {
        let (kind, (schema, name)) = match need {
            Need::Read(object) => ("DATABASE_READ", object),
            Need::Write(object) => ("DATABASE_WRITE", object),
            Need::Call(object) => ("CALL_FUNCTION", object),
        };
        let system = schema == "pg_catalog" || schema == "heliosdb";
        let in_schema = match &self.schema {
            Some(pattern) if system => pattern == schema,
            Some(pattern) => glob(pattern.as_bytes(), schema.as_bytes()),
            // What an unqualified name finds; or all.
            None => !system && (schema == "public" || self.name == "*"),
        };
        kind == self.kind && in_schema && glob(self.name.as_bytes(), name.as_bytes())
    }
}

/// A name, or a part of it with a star for the rest.
fn widened(random: &mut Random, name: &str) -> String {
    let at = random.below(name.len() + 1);
    match random.below(6) {
        0 => format!("{}*", &name[..at]),
        1 => format!("*{}", &name[at..]),
        2 => "*".into(),
        _ => name.into(),
    }
}

fn right(random: &mut Random, need: Need) -> Right {
    let (kind, (schema, name)) = match need {
        Need::Read(object) => ("DATABASE_READ", object),
        Need::Write(object) => ("DATABASE_WRITE", object),
        Need::Call(object) => ("CALL_FUNCTION", object),
    };
    let name = widened(random, name);
    let schema = match random.below(5) {
        0 | 1 if schema == "public" => None,
        0 => None,
        1 => Some(widened(random, schema)),
        _ => Some(schema.to_string()),
    };
    let spelled = match &schema {
        Some(schema) => format!("{schema}.{name}"),
        None => name.clone(),
    };
    let spelled = if random.chance(20) { spelled.to_uppercase() } else { spelled };
    Right {
        kind,
        schema,
        name,
        text: format!("{kind}('{spelled}')"),
    }
}

fn any_need(random: &mut Random) -> Need {
    match random.below(5) {
        0 | 1 => Need::Read(random.pick(SOURCES).0),
        2 => Need::Write(*random.pick(TABLES)),
        3 => Need::Call(random.pick(CALLS).0),
        _ => Need::Call(("public", "f")),
    }
}

/// Rights as they come, or such as are made for some statements of the pool, sometimes less one.
fn rights(random: &mut Random, pool: &[Statement]) -> Vec<Right> {
    let mut needs: Vec<Need> = vec![];
    for _ in 0..random.below(4) {
        needs.push(any_need(random));
    }
    for _ in 0..random.below(9) {
        needs.extend(random.pick(pool).sql.needs.iter().copied());
    }
    if random.chance(50) {
        needs.push(Need::Call(("public", "f")));
    }
    if !needs.is_empty() && random.chance(60) {
        needs.remove(random.below(needs.len()));
    }
    needs.iter().map(|need| right(random, *need)).collect()
}

fn grant(connection: &Connection<'_>, function: &str, rights: &[Right]) {
    connection.ok(&format!("ALTER FUNCTION {function} SET SECURITY POLICY minimal"));
    if !rights.is_empty() {
        let list: Vec<&str> = rights.iter().map(|right| right.text.as_str()).collect();
        connection.ok(&format!("ALTER FUNCTION {function} GRANT CAPABILITY {}", list.join(", ")));
    }
}

/// What the reference says of a statement of a chain whose functions hold these.
fn expected(statement: &Statement, chain: &[&[Right]]) -> &'static str {
    if statement.writes && statement.verb == "query" {
        return "25006";
    }
    let covered = |need: &Need, rights: &[Right]| rights.iter().any(|right| right.covers(*need));
    match statement
        .sql
        .needs
        .iter()
        .all(|need| chain.iter().all(|rights| covered(need, rights)))
    {
        true => "allowed",
        false => "42501",
    }
}

/// What became of it. Any other error means that the statement says something else than was meant.
fn outcome(answer: &Result<String, String>) -> &'static str {
    match answer {
        Err(error) if error.contains("it was allowed") => "allowed",
        Err(error) if error.starts_with("42501: ") => "42501",
        Ok(text) if text.starts_with("42501 ") => "42501",
        Ok(text) if text.starts_with("25006 ") => "25006",
        Ok(_) | Err(_) => "something else",
    }
}

#[test]
fn a_statement_runs_if_and_only_if_everything_in_it_was_granted() {
    let rounds = std::env::var("ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().expect("ROUNDS is a number"));
    let house = House::new();
    let connection = house.connect();
    SETUP.iter().for_each(|sql| drop(connection.ok(sql)));
    let before = connection.ok(TRACES);

    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let pool: Vec<Statement> = (0..POOL).map(|_| statement(&mut random)).collect();
    let mut seen: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for round in 0..rounds {
        let (own, above) = (rights(&mut random, &pool), rights(&mut random, &pool));
        grant(&connection, "f", &own);
        grant(&connection, "g", &above);
        for _ in 0..STATEMENTS_A_ROUND {
            let statement = random.pick(&pool);
            let chained = random.chance(30);
            let (function, should) = match chained {
                false => ("f", expected(statement, &[&own])),
                true if above.iter().any(|right| right.covers(Need::Call(("public", "f")))) => ("g", expected(statement, &[&own, &above])),
                true => ("g", "42501"),
            };
            let sql = statement.sql.text.replace('\'', "''");
            let answer = connection.run(&format!("SELECT {function}('{}', '{sql}')", statement.verb));
            assert_eq!(
                outcome(&answer),
                should,
                "round {round}, {function}, heliosdb.{}\n{}\nneeds {:?}\nf holds {:?}\ng holds {:?}\n{answer:?}",
                statement.verb,
                statement.sql.text,
                statement.sql.needs,
                own.iter().map(|right| &right.text).collect::<Vec<_>>(),
                above.iter().map(|right| &right.text).collect::<Vec<_>>(),
            );
            *seen.entry((function, should)).or_default() += 1;
        }
        assert_eq!(connection.ok(TRACES), before, "round {round}: a refused statement left something");
    }
    // Both answers are drawn often enough to mean something.
    for (function, should, least) in [
        ("f", "allowed", 8),
        ("f", "42501", 8),
        ("g", "allowed", 1),
        ("g", "42501", 4),
        ("f", "25006", 1),
    ] {
        let count = seen.get(&(function, should)).copied().unwrap_or_default();
        let of = rounds as usize * STATEMENTS_A_ROUND;
        assert!(count * 100 >= least * of, "{function} {should}: {count} of {of}; {seen:?}");
    }
}
