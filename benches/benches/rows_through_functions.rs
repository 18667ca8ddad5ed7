//! What a row costs that goes through a function in SQL: f(x) = x + 1 over 100,000 rows, in each language.
//!
//! `cargo bench --workspace --bench rows_through_functions`. Printed is the time of `sum(f(x))` above that of `sum(x)` in nanoseconds a
//! row, with rows out of `generate_series` and out of a table. With `PEER="host=/tmp user=postgres"` the same runs on that PostgreSQL, with
//! PL/pgSQL and, where the peer has it, PL/Python. The statements take turns: one warm-up, then the fastest of
//! [`ROUNDS`] rounds, to which whatever else the machine does has added least.

mod common;

use std::time::Instant;

use common::{Served, connect};
use tokio_postgres::Client;

const ROUNDS: usize = 40;
const ROWS: i64 = 100_000;
/// What the rows add up to.
const PLAIN: i64 = ROWS * (ROWS + 1) / 2;

/// A language, its name here, and f in it.
struct Body {
    name: &'static str,
    definition: &'static str,
}

const OURS: &[Body] = &[
    Body {
        name: "javascript",
        definition: "LANGUAGE javascript AS 'function f_javascript(x) { return x + 1 }'",
    },
    Body {
        name: "python",
        definition: "LANGUAGE python AS 'def f_python(x): return x + 1'",
    },
    Body {
        name: "wasm",
        definition: r#"LANGUAGE wasm AS '(module (func (export "f_wasm") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))'"#,
    },
];

const THEIRS: &[Body] = &[
    Body {
        name: "plpgsql",
        definition: "LANGUAGE plpgsql AS 'BEGIN RETURN x + 1; END'",
    },
    Body {
        name: "plpython3u",
        definition: "LANGUAGE plpython3u AS 'return x + 1'",
    },
];

/// Where the rows come from.
const SOURCES: [(&str, &str); 2] = [
    ("generate_series", "generate_series(1, 100000) AS t(x)"),
    ("a table", "bench_rows AS t"),
];

/// For each language, the cost above the plain sum in nanoseconds a row, by source.
type Costs = Vec<(&'static str, [f64; SOURCES.len()])>;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let served = Served::start();
    let peer = common::peer();
    let ours = runtime.block_on(measure("parhelion", &served.config, OURS));
    let theirs = peer
        .map(|peer| runtime.block_on(measure("postgresql", &peer, THEIRS)))
        .unwrap_or_default();
    for (source, (name, _)) in SOURCES.iter().enumerate() {
        print!("\n{:<16}{:>18}", format!("from {name}"), "above sum(x)");
        theirs.iter().for_each(|(language, _)| print!("{:>20}", format!("to {language}")));
        println!();
        for (language, costs) in ours.iter().chain(&theirs) {
            print!("{language:<16}{:>11.0} ns/row", costs[source]);
            for (_, other) in &theirs {
                print!("{:>20}", format!("{:.2} x", costs[source] / other[source]));
            }
            println!();
        }
    }
}

async fn measure(server: &str, config: &str, bodies: &[Body]) -> Costs {
    let client = connect(config).await;
    let rows = format!(
        "DROP TABLE IF EXISTS bench_rows; CREATE TABLE bench_rows (x integer PRIMARY KEY);
         INSERT INTO bench_rows SELECT i FROM generate_series(1, {ROWS}) AS g(i);"
    );
    client.batch_execute(&rows).await.expect("a table");
    let mut present = vec![];
    for Body { name, definition } in bodies {
        let create = format!(
            "DROP FUNCTION IF EXISTS f_{name}(integer);
             CREATE FUNCTION f_{name}(x integer) RETURNS integer {definition}"
        );
        if *name == "plpython3u"
            && let Err(error) = client.batch_execute("CREATE EXTENSION IF NOT EXISTS plpython3u").await
        {
            println!("{server} has no plpython3u, which is left out: {error}");
            continue;
        }
        client.batch_execute(&create).await.expect("a function");
        present.push(*name);
    }
    let mut costs: Costs = present.iter().map(|name| (*name, [0.0; SOURCES.len()])).collect();
    for (source, (name, from)) in SOURCES.iter().enumerate() {
        let plain = format!("SELECT sum(x) FROM {from}");
        let through: Vec<String> = present.iter().map(|name| format!("SELECT sum(f_{name}(x)) FROM {from}")).collect();
        let mut base = f64::INFINITY;
        let mut fastest = vec![f64::INFINITY; present.len()];
        for round in 0..=ROUNDS {
            let time = ns_a_row(&client, &plain, PLAIN).await;
            if round > 0 {
                base = base.min(time);
            }
            for (fastest, sql) in fastest.iter_mut().zip(&through) {
                let time = ns_a_row(&client, sql, PLAIN + ROWS).await;
                if round > 0 {
                    *fastest = fastest.min(time);
                }
            }
        }
        println!("{server}, {name}: sum(x) is {base:.0} ns/row");
        for ((_, costs), fastest) in costs.iter_mut().zip(fastest) {
            costs[source] = fastest - base;
        }
    }
    costs
}

async fn ns_a_row(client: &Client, sql: &str, sum: i64) -> f64 {
    let started = Instant::now();
    let row = client.query_one(sql, &[]).await.expect("a row");
    let elapsed = started.elapsed();
    assert_eq!(row.get::<_, i64>(0), sum, "{sql}");
    elapsed.as_secs_f64() * 1e9 / ROWS as f64
}
