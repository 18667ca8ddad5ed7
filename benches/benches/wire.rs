//! What a client sees over a socket: the cost of calling a function, of many rows through one, of durable inserts.
//!
//! `cargo bench -p benches --bench wire`. With `PEER="host=/tmp user=postgres"` the same statements run against that
//! PostgreSQL, in turn, and the ratios are printed: its function is PL/pgSQL. One warm-up, then the median of
//! [`ROUNDS`] rounds.

mod common;

use std::time::Instant;

use common::{Served, connect, median, sync_us};

const ROUNDS: usize = 9;
/// Statements a round.
const STATEMENTS: usize = 2_000;
const ROWS: i64 = 100_000;
const WRITERS: usize = 8;
const INSERTS_EACH: usize = 1_500;

struct Figures {
    select_one_us: f64,
    select_function_us: f64,
    /// The same where the statement does not wait for its routine audit rows; NaN where there is no such thing.
    select_function_interval_us: f64,
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
    let served = Served::start();
    let peer = common::peer();
    let javascript = "LANGUAGE javascript AS 'function f(x) { return x + 1 }'";
    let figures = runtime.block_on(measure(&served.config, javascript, Some("SET audit_durability = interval")));
    let plpgsql = "LANGUAGE plpgsql AS 'BEGIN RETURN x + 1; END'";
    let peer = peer.map(|peer| runtime.block_on(measure(&peer, plpgsql, None)));
    println!("{:<44}{:>14}{:>14}{:>10}", "", "parhelion", "postgresql", "ratio");
    // A call is reported as done once its audit rows are on disk: what the disk asks for that, by itself.
    println!(
        "{:<44}{:>14.1}",
        "write and fdatasync of one row here, us",
        sync_us(served.folder(), STATEMENTS)
    );
    let row = |name: &str, unit: &str, of: fn(&Figures) -> f64| {
        let ours = of(&figures);
        match &peer {
            Some(peer) if !of(peer).is_nan() => println!(
                "{:<44}{:>14.1}{:>14.1}{:>10.2}",
                format!("{name}, {unit}"),
                ours,
                of(peer),
                ours / of(peer)
            ),
            Some(_) | None => println!("{:<44}{:>14.1}{:>14}{:>10}", format!("{name}, {unit}"), ours, "-", "-"),
        }
    };
    row("SELECT 1, prepared", "us", |f| f.select_one_us);
    row("SELECT f(1), prepared", "us", |f| f.select_function_us);
    row("SELECT f(1) above SELECT 1", "us", |f| f.select_function_us - f.select_one_us);
    row("same, audit_durability=interval", "us", |f| {
        f.select_function_interval_us - f.select_one_us
    });
    row("point read by primary key, prepared", "us", |f| f.point_read_us);
    row("100,000 rows through f, above id + 1", "ns/row", |f| {
        f.rows_function_ns - f.rows_plain_ns
    });
    row("durable single-row inserts, 8 connections", "1/s", |f| f.inserts_per_second);
}

/// `interval`: what makes a session's calls not wait for their routine audit rows.
async fn measure(config: &str, body: &str, interval: Option<&str>) -> Figures {
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
    let hasty = connect(config).await;
    if let Some(setting) = interval {
        hasty.batch_execute(setting).await.expect("a setting");
    }
    let (mut ones, mut functions, mut points, mut hasty_functions) = (vec![], vec![], vec![], vec![]);
    let hasty_function = hasty.prepare("SELECT f(1)").await.expect("a statement");
    for round in 0..=ROUNDS {
        let statements = [
            (&client, &one, &mut ones),
            (&client, &function, &mut functions),
            (&client, &point, &mut points),
            (&hasty, &hasty_function, &mut hasty_functions),
        ];
        for (client, statement, times) in statements {
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
        select_function_interval_us: interval.map_or(f64::NAN, |_| median(hasty_functions)),
        point_read_us: median(points),
        rows_function_ns: median(through),
        rows_plain_ns: median(plain),
        inserts_per_second,
    }
}
