//! What a client sees over a socket: the cost of calling a function, of many rows through one, of durable inserts.
//!
//! `cargo bench -p benches --bench wire`. With `PEER="host=/tmp user=postgres"` the same statements run against that
//! PostgreSQL, in turn, and the ratios are printed: its function is PL/pgSQL. One warm-up, then the median of
//! [`ROUNDS`] rounds.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{Database, Options, StoreKind};
use server::{Server, ServerOptions};
use tokio_postgres::{Client, NoTls};

const ROUNDS: usize = 9;
/// Statements a round.
const STATEMENTS: usize = 2_000;
const ROWS: i64 = 100_000;
const WRITERS: usize = 8;
const INSERTS_EACH: usize = 1_500;

struct Figures {
    select_one_us: f64,
    select_function_us: f64,
    point_read_us: f64,
    rows_function_ns: f64,
    rows_plain_ns: f64,
    inserts_per_second: f64,
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options {
        data_dir: folder.path().join("data"),
        store: StoreKind::Fjall,
        progress: Arc::new(|text| eprintln!("{text}")),
        functions: engine::FunctionOptions::default(),
    };
    let database = Database::open(options).expect("a database");
    let listen = ([127, 0, 0, 1], 0).into();
    let server = Server::start(
        database,
        ServerOptions {
            listen,
            ..ServerOptions::default()
        },
    )
    .expect("a server");
    let ours = format!("host=127.0.0.1 port={} user=postgres dbname=postgres", server.local_addr().port());
    let figures = runtime.block_on(measure(&ours, "LANGUAGE javascript AS 'function f(x) { return x + 1 }'"));
    let peer = std::env::var("PEER")
        .ok()
        .map(|peer| runtime.block_on(measure(&peer, "LANGUAGE plpgsql AS 'BEGIN RETURN x + 1; END'")));
    println!("{:<44}{:>14}{:>14}{:>10}", "", "parhelion", "postgresql", "ratio");
    // A call is reported as done once its audit rows are on disk: what the disk asks for that, by itself.
    println!("{:<44}{:>14.1}", "write and fdatasync of one row here, us", sync_us(folder.path()));
    let row = |name: &str, unit: &str, of: fn(&Figures) -> f64| {
        let ours = of(&figures);
        match &peer {
            Some(peer) => println!(
                "{:<44}{:>14.1}{:>14.1}{:>10.2}",
                format!("{name}, {unit}"),
                ours,
                of(peer),
                ours / of(peer)
            ),
            None => println!("{:<44}{:>14.1}{:>14}{:>10}", format!("{name}, {unit}"), ours, "-", "-"),
        }
    };
    row("SELECT 1, prepared", "us", |f| f.select_one_us);
    row("SELECT f(1), prepared", "us", |f| f.select_function_us);
    row("SELECT f(1) above SELECT 1", "us", |f| f.select_function_us - f.select_one_us);
    row("point read by primary key, prepared", "us", |f| f.point_read_us);
    row("100,000 rows through f, above id + 1", "ns/row", |f| {
        f.rows_function_ns - f.rows_plain_ns
    });
    row("durable single-row inserts, 8 connections", "1/s", |f| f.inserts_per_second);
    server.stop(Duration::from_secs(1));
}

/// The median time of a small write with `fdatasync`, in microseconds, in a file like a store's journal.
fn sync_us(folder: &Path) -> f64 {
    let mut file = File::create(folder.join("raw")).expect("a file");
    file.set_len(64 << 20).expect("a size");
    file.sync_all().expect("a disk");
    let times = (0..STATEMENTS).map(|_| {
        let started = Instant::now();
        file.write_all(&[7; 400]).expect("a write");
        file.sync_data().expect("a disk");
        started.elapsed().as_secs_f64() * 1e6
    });
    median(times.collect())
}

async fn connect(config: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(config, NoTls).await.expect("a connection");
    tokio::spawn(connection);
    client
}

async fn measure(config: &str, body: &str) -> Figures {
    let client = connect(config).await;
    client
        .batch_execute(&format!(
            "DROP TABLE IF EXISTS bench_rows; DROP TABLE IF EXISTS bench_inserts; DROP FUNCTION IF EXISTS f(integer);
             CREATE TABLE bench_rows (id integer PRIMARY KEY, v integer);
             CREATE TABLE bench_inserts (id integer PRIMARY KEY, v text);
             CREATE FUNCTION f(x integer) RETURNS integer {body};
             INSERT INTO bench_rows SELECT i, i FROM generate_series(1, {ROWS}) AS g(i);"
        ))
        .await
        .expect("tables");
    let statement = |sql: &'static str| client.prepare(sql);
    let one = statement("SELECT 1").await.expect("a statement");
    let function = statement("SELECT f(1)").await.expect("a statement");
    let point = statement("SELECT v FROM bench_rows WHERE id = 4711").await.expect("a statement");
    let (mut ones, mut functions, mut points) = (vec![], vec![], vec![]);
    for round in 0..=ROUNDS {
        for (statement, times) in [(&one, &mut ones), (&function, &mut functions), (&point, &mut points)] {
            let started = Instant::now();
            for _ in 0..STATEMENTS {
                client.query(statement, &[]).await.expect("a row");
            }
            if round > 0 {
                times.push(started.elapsed().as_secs_f64() * 1e6 / STATEMENTS as f64);
            }
        }
    }
    let (mut plain, mut through) = (vec![], vec![]);
    for round in 0..=ROUNDS {
        for (sql, times) in [
            ("SELECT sum(id + 1) FROM bench_rows", &mut plain),
            ("SELECT sum(f(id)) FROM bench_rows", &mut through),
        ] {
            let started = Instant::now();
            client.query(sql, &[]).await.expect("a row");
            if round > 0 {
                times.push(started.elapsed().as_secs_f64() * 1e9 / ROWS as f64);
            }
        }
    }
    let mut writers = vec![];
    for _ in 0..WRITERS {
        writers.push(connect(config).await);
    }
    let started = Instant::now();
    let tasks: Vec<_> = writers
        .into_iter()
        .enumerate()
        .map(|(writer, client)| {
            tokio::spawn(async move {
                let insert = client
                    .prepare("INSERT INTO bench_inserts VALUES ($1, 'a row of some bytes')")
                    .await
                    .expect("a statement");
                for number in 0..INSERTS_EACH {
                    let id = i32::try_from(writer * INSERTS_EACH + number).expect("a small number");
                    client.execute(&insert, &[&id]).await.expect("an insert");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a writer");
    }
    let inserts_per_second = (WRITERS * INSERTS_EACH) as f64 / started.elapsed().as_secs_f64();
    Figures {
        select_one_us: median(ones),
        select_function_us: median(functions),
        point_read_us: median(points),
        rows_function_ns: median(through),
        rows_plain_ns: median(plain),
        inserts_per_second,
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
