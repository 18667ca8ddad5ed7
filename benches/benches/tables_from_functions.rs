//! What a function pays for a table: a row read by its key inside a call, and a call that writes a row and commits.
//!
//! `cargo bench --workspace --bench tables_from_functions`. With `PEER="host=/tmp user=postgres"` the same runs on that PostgreSQL, with
//! PL/pgSQL and, where the peer has it, PL/Python with prepared plans. Reads: one call asks [`READS`] times, the fastest of [`ROUNDS`]
//! rounds; a call that asks nothing is subtracted. Writes: the median of [`WRITES`] calls, each its own transaction.

mod common;

use std::time::Instant;

use common::{Served, connect, median, sync_us};
use tokio_postgres::Client;

const ROUNDS: usize = 15;
const READS: i32 = 10_000;
const WRITES: i32 = 2_000;

/// A language, and in it `reads(n)`, which adds up n values found by key, and `writes(n)`, which inserts a row.
struct Language {
    name: &'static str,
    reads: &'static str,
    writes: &'static str,
}

const OURS: &[Language] = &[
    Language {
        name: "javascript",
        reads: "LANGUAGE javascript AS $$
            function reads_javascript(n) {
                let sum = 0;
                for (let i = 0; i < n; i++) sum += heliosdb.query('SELECT v FROM bench_read WHERE id = ?', [i % 1000]).rows[0].v;
                return sum;
            } $$",
        writes: "LANGUAGE javascript AS $$
            function writes_javascript(n) { return heliosdb.execute('INSERT INTO bench_written VALUES (?, ?)', [n, 'a row']).rowsAffected; } $$",
    },
    Language {
        name: "python",
        reads: "LANGUAGE python AS $$
def reads_python(n):
    total = 0
    for i in range(n):
        total += heliosdb.query('SELECT v FROM bench_read WHERE id = ?', [i % 1000])['rows'][0]['v']
    return total $$",
        writes: "LANGUAGE python AS $$
def writes_python(n):
    return heliosdb.execute('INSERT INTO bench_written VALUES (?, ?)', [n, 'a row'])['rowsAffected'] $$",
    },
];

const THEIRS: &[Language] = &[
    Language {
        name: "plpgsql",
        reads: "LANGUAGE plpgsql AS $$
            DECLARE total bigint := 0; found integer;
            BEGIN
                FOR i IN 0 .. n - 1 LOOP
                    SELECT v INTO found FROM bench_read WHERE id = i % 1000;
                    total := total + found;
                END LOOP;
                RETURN total;
            END $$",
        writes: "LANGUAGE plpgsql AS $$ BEGIN INSERT INTO bench_written VALUES (n, 'a row'); RETURN 1; END $$",
    },
    Language {
        name: "plpython3u",
        reads: "LANGUAGE plpython3u AS $$
plan = plpy.prepare('SELECT v FROM bench_read WHERE id = $1', ['integer'])
total = 0
for i in range(n):
    total += plpy.execute(plan, [i % 1000])[0]['v']
return total $$",
        writes: "LANGUAGE plpython3u AS $$
plan = SD.setdefault('plan', plpy.prepare('INSERT INTO bench_written VALUES ($1, $2)', ['integer', 'text']))
return plpy.execute(plan, [n, 'a row']).nrows() $$",
    },
];

struct Costs {
    language: &'static str,
    read_us: f64,
    write_us: f64,
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let served = Served::start();
    let peer = common::peer();
    let ours = runtime.block_on(measure(&served.config, OURS, true));
    let theirs = peer.map(|peer| runtime.block_on(measure(&peer, THEIRS, false))).unwrap_or_default();
    println!("write and fdatasync of one row here: {:.1} us", sync_us(served.folder(), 2_000));
    type Figure = fn(&Costs) -> f64;
    let figures: [(&str, Figure); 2] = [
        ("a row read by key inside a call", |costs| costs.read_us),
        ("a call that writes a row and commits", |costs| costs.write_us),
    ];
    for (name, of) in figures {
        print!("\n{name:<40}");
        theirs.iter().for_each(|other| print!("{:>20}", format!("to {}", other.language)));
        println!();
        for costs in ours.iter().chain(&theirs) {
            print!("{:<26}{:>11.2} us", costs.language, of(costs));
            for other in &theirs {
                print!("{:>20}", format!("{:.2} x", of(costs) / of(other)));
            }
            println!();
        }
    }
}

/// `grants`: functions have no right until they are granted one.
async fn measure(config: &str, languages: &[Language], grants: bool) -> Vec<Costs> {
    let client = connect(config).await;
    let tables = "DROP TABLE IF EXISTS bench_read; DROP TABLE IF EXISTS bench_written;
        CREATE TABLE bench_read (id integer PRIMARY KEY, v integer);
        CREATE TABLE bench_written (id integer PRIMARY KEY, v text);
        INSERT INTO bench_read SELECT i, i FROM generate_series(0, 999) AS g(i);";
    client.batch_execute(tables).await.expect("tables");
    let mut all = vec![];
    for (at, Language { name, reads, writes }) in (0..).zip(languages) {
        if *name == "plpython3u"
            && let Err(error) = client.batch_execute("CREATE EXTENSION IF NOT EXISTS plpython3u").await
        {
            println!("the peer has no plpython3u, which is left out: {error}");
            continue;
        }
        let create = format!(
            "DROP FUNCTION IF EXISTS reads_{name}(integer); DROP FUNCTION IF EXISTS writes_{name}(integer);
             CREATE FUNCTION reads_{name}(n integer) RETURNS bigint {reads};
             CREATE FUNCTION writes_{name}(n integer) RETURNS integer {writes};"
        );
        client.batch_execute(&create).await.expect("functions");
        if grants {
            let grant = format!(
                "ALTER FUNCTION reads_{name} GRANT CAPABILITY DATABASE_READ('bench_read');
                 ALTER FUNCTION writes_{name} GRANT CAPABILITY DATABASE_WRITE('bench_written');"
            );
            client.batch_execute(&grant).await.expect("grants");
        }
        all.push(Costs {
            language: name,
            read_us: read_us(&client, name).await,
            write_us: write_us(&client, name, at * WRITES).await,
        });
    }
    all
}

async fn read_us(client: &Client, name: &str) -> f64 {
    let statement = client.prepare(&format!("SELECT reads_{name}($1)")).await.expect("a statement");
    let (mut asking, mut idle) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..=ROUNDS {
        for (count, fastest) in [(0, &mut idle), (READS, &mut asking)] {
            let started = Instant::now();
            let row = client.query_one(&statement, &[&count]).await.expect("a sum");
            *fastest = fastest.min(started.elapsed().as_secs_f64() * 1e6);
            assert_eq!(row.get::<_, i64>(0), i64::from(count) / 1000 * 499_500);
        }
    }
    (asking - idle) / f64::from(READS)
}

async fn write_us(client: &Client, name: &str, first: i32) -> f64 {
    let statement = client.prepare(&format!("SELECT writes_{name}($1)")).await.expect("a statement");
    let mut times = vec![];
    for id in first..first + WRITES {
        let started = Instant::now();
        client.query_one(&statement, &[&id]).await.expect("a written row");
        times.push(started.elapsed().as_secs_f64() * 1e6);
    }
    median(times)
}
