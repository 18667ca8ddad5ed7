//! The audit log at length: how fast it fills, and what its queries take then.
//!
//! `cargo bench --workspace --bench audit_log`, with `ROWS=100000` for another length than 10 million. With `PEER="host=/tmp user=postgres"` the
//! same rows go to a table of that PostgreSQL, with indexes for these queries, and the ratios are printed. The rows are appended
//! as the server does it, chained and in order, but by one writer that waits for nobody; the blocks that queries go by are
//! made when the server opens the folder. One warm-up, then the median of [`ROUNDS`] rounds.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use audit::{Chain, Event, EventType};
use engine::{Database, Options, StoreKind};
use server::{Server, ServerOptions};
use storage::Db;
use tokio_postgres::{Client, NoTls};
use types::SqlState;

const ROUNDS: usize = 5;
const DEFAULT_ROWS: u64 = 10_000_000;
/// Records of one append.
const BATCH: usize = 1000;
const FUNCTIONS: u64 = 40;
/// 2026-01-01, and on average a row every 20 ms from then on: ten million are some two days.
const START: i64 = 1_767_225_600_000_000;

/// What is asked, and the table that it is asked of in PostgreSQL.
const QUERIES: &[(&str, &str)] = &[
    (
        "one function's rows, newest first",
        "SELECT * FROM {} WHERE function_name = 'sensitive_function' ORDER BY timestamp DESC",
    ),
    (
        "one busy function's newest 100",
        "SELECT * FROM {} WHERE function_name = 'function_7' ORDER BY timestamp DESC LIMIT 100",
    ),
    (
        "the newest 100 refusals",
        "SELECT * FROM {} WHERE event_type = 'CapabilityCheck' AND allowed = false ORDER BY timestamp DESC LIMIT 100",
    ),
    (
        "limits that were hit, newest first",
        "SELECT * FROM {} WHERE event_type = 'ResourceLimitExceeded' ORDER BY timestamp DESC",
    ),
    (
        "one minute, all columns",
        "SELECT * FROM {} WHERE timestamp >= '2026-01-01 00:10:00+00' AND timestamp < '2026-01-01 00:11:00+00'",
    ),
    ("the newest 100", "SELECT * FROM {} ORDER BY timestamp DESC LIMIT 100"),
    ("all: rows by event type", "SELECT event_type, count(*) FROM {} GROUP BY 1"),
    (
        "all: failures by function",
        "SELECT function_name, COUNT(*) AS failure_count, MIN(timestamp) AS first_failure, MAX(timestamp) AS last_failure
         FROM {} WHERE event_type = 'ExecutionFailed' GROUP BY function_name ORDER BY failure_count DESC",
    ),
];

fn main() {
    let rows = std::env::var("ROWS")
        .ok()
        .map_or(DEFAULT_ROWS, |text| text.parse().expect("ROWS is a number"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");

    let started = Instant::now();
    fill(&data, rows);
    let filled = started.elapsed().as_secs_f64();
    println!(
        "{rows} rows appended and durable: {filled:.1} s, {:.0} rows/s",
        rows as f64 / filled
    );

    let started = Instant::now();
    let database = Database::open(Options {
        data_dir: data,
        store: StoreKind::Fjall,
        progress: Arc::new(|text| eprintln!("{text}")),
        functions: engine::FunctionOptions::default(),
    })
    .expect("a database");
    let opened = started.elapsed().as_secs_f64();
    while database.audit_rows_behind() > 0 {
        std::thread::sleep(Duration::from_millis(20));
    }
    println!(
        "opened: {opened:.2} s; its blocks made in the background: {:.1} s",
        started.elapsed().as_secs_f64()
    );
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
    let figures = runtime.block_on(async { measure(&connect(&ours).await, "heliosdb.audit_log").await });
    let peer = std::env::var("PEER").ok().map(|peer| {
        runtime.block_on(async {
            let client = connect(&peer).await;
            fill_peer(&client, rows).await;
            let figures = measure(&client, "bench_audit_log").await;
            client.batch_execute("DROP TABLE bench_audit_log").await.expect("no table");
            figures
        })
    });
    println!("{:<44}{:>10}{:>14}{:>14}{:>10}", "ms", "rows", "parhelion", "postgresql", "ratio");
    for (index, (name, _)) in QUERIES.iter().enumerate() {
        let (ours, count) = figures[index];
        match &peer {
            Some(peer) => println!(
                "{name:<44}{count:>10}{ours:>14.2}{:>14.2}{:>10.2}",
                peer[index].0,
                ours / peer[index].0
            ),
            None => println!("{name:<44}{count:>10}{ours:>14.2}{:>14}{:>10}", "-", "-"),
        }
    }
    let verified = Instant::now();
    runtime.block_on(async {
        let row = connect(&ours)
            .await
            .query_one("SELECT whole FROM heliosdb.verify_audit_log()", &[])
            .await;
        assert!(row.expect("a verdict").get::<_, bool>(0), "the log is not whole");
    });
    println!("heliosdb.verify_audit_log(): {:.1} s", verified.elapsed().as_secs_f64());
    server.stop(Duration::from_secs(1));
}

/// The events of calls as they follow each other: started, checked, worked, completed; now and then refused or failed.
struct Calls {
    random: u64,
    call: i64,
    time: i64,
    /// What is left of the current call, the next event last.
    events: Vec<Event>,
}

impl Calls {
    fn new() -> Calls {
        Calls {
            random: 1,
            call: 0,
            time: START,
            events: vec![],
        }
    }

    fn below(&mut self, count: u64) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % count
    }

    fn begin(&mut self) {
        self.call += 1;
        // Once in 50,000 rows.
        let function = match self.below(10_000) {
            0 => "sensitive_function".to_string(),
            _ => format!("function_{}", self.below(FUNCTIONS)),
        };
        let table = self.below(25);
        let bare = Event {
            function_name: Some(function.into()),
            user_name: Some(format!("app_{}", self.call % 8).into()),
            session_id: Some(self.call % 100),
            call_id: Some(self.call),
            ..Event::at(0, EventType::ExecutionStarted)
        };
        let check = |allowed: bool| Event {
            event_type: EventType::CapabilityCheck,
            capability: Some("DATABASE_READ".into()),
            resource: Some(format!("public.table_{table}")),
            allowed: Some(allowed),
            ..bare.clone()
        };
        let failed = |error: &str, state: SqlState| Event {
            event_type: EventType::ExecutionFailed,
            error: Some(error.to_string()),
            sqlstate: Some(state),
            duration_us: Some(900),
            ..bare.clone()
        };
        let mut events = vec![bare.clone()];
        match self.below(1000) {
            0 => events.extend([check(false), failed("permission denied for table", SqlState::InsufficientPrivilege)]),
            1..=5 => events.extend([check(true), failed("division by zero", SqlState::DivisionByZero)]),
            6 if self.call % 10 == 0 => events.extend([
                check(true),
                Event {
                    event_type: EventType::ResourceLimitExceeded,
                    resource: Some("max_cpu_time_ms".into()),
                    ..bare.clone()
                },
                failed("statement used too much CPU time", SqlState::ProgramLimitExceeded),
            ]),
            _ => {
                let duration = 100 + self.below(5000) as i64;
                events.extend([
                    check(true),
                    Event {
                        event_type: EventType::DatabaseOperation,
                        resource: Some(format!("SELECT public.table_{table}")),
                        ..bare.clone()
                    },
                    Event {
                        event_type: EventType::ExecutionCompleted,
                        duration_us: Some(duration),
                        fuel_used: Some(duration * 1000),
                        memory_bytes: Some(2 << 20),
                        ..bare.clone()
                    },
                ]);
            }
        }
        events.reverse();
        self.events = events;
    }
}

impl Iterator for Calls {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        if self.events.is_empty() {
            self.begin();
        }
        self.time += self.below(40_000) as i64;
        self.events.pop().map(|event| Event {
            timestamp: self.time,
            ..event
        })
    }
}

fn fill(data: &std::path::Path, rows: u64) {
    let db = Db::open(data, StoreKind::Fjall).expect("a store");
    let log = db.append_log("audit").expect("a log");
    let mut chain = Chain::GENESIS;
    let mut batch = Vec::with_capacity(BATCH);
    for event in Calls::new().take(usize::try_from(rows).expect("a number of rows")) {
        batch.push(chain.append(&event).expect("a row").bytes);
        if batch.len() == BATCH {
            let _ticket = log.append(std::mem::take(&mut batch));
        }
    }
    log.append(batch).wait().expect("the last rows");
    db.flush().expect("a disk");
}

async fn fill_peer(client: &Client, rows: u64) {
    client
        .batch_execute(
            "DROP TABLE IF EXISTS bench_audit_log;
             CREATE TABLE bench_audit_log (id bigint PRIMARY KEY, timestamp timestamptz, event_type text, function_name text, user_name text,
                 session_id bigint, call_id bigint, parent_call_id bigint, capability text, resource text, allowed boolean, error text,
                 sqlstate text, duration_us bigint, fuel_used bigint, memory_bytes bigint, details jsonb, prev_hash bytea, hash bytea)",
        )
        .await
        .expect("a table");
    let sink = client.copy_in("COPY bench_audit_log FROM STDIN").await.expect("a copy");
    let mut sink = pin!(sink);
    let mut chain = Chain::GENESIS;
    let mut text = String::new();
    for event in Calls::new().take(usize::try_from(rows).expect("a number of rows")) {
        let before = chain.last_hash();
        let sealed = chain.append(&event).expect("a row");
        copy_line(&mut text, sealed.id, &event, &before, &sealed.hash);
        if text.len() > 1 << 20 {
            futures::SinkExt::send(&mut sink, bytes::Bytes::from(std::mem::take(&mut text)))
                .await
                .expect("rows");
        }
    }
    futures::SinkExt::send(&mut sink, bytes::Bytes::from(text)).await.expect("rows");
    sink.finish().await.expect("the last rows");
    client
        .batch_execute(
            "CREATE INDEX ON bench_audit_log (timestamp); CREATE INDEX ON bench_audit_log (function_name, timestamp);
             CREATE INDEX ON bench_audit_log (event_type, allowed, timestamp)",
        )
        .await
        .expect("indexes");
    // By itself: several statements in one message are a transaction.
    client.batch_execute("VACUUM ANALYZE bench_audit_log").await.expect("statistics");
}

fn copy_line(out: &mut String, id: u64, event: &Event, prev_hash: &[u8], hash: &[u8]) {
    use std::fmt::Write;
    const NULL: &str = "\\N";
    let number = |value: Option<i64>| value.map_or(NULL.to_string(), |value| value.to_string());
    let hex = |hash: &[u8]| hash.iter().fold("\\\\x".to_string(), |text, byte| format!("{text}{byte:02x}"));
    let (seconds, micros) = (event.timestamp.div_euclid(1_000_000), event.timestamp.rem_euclid(1_000_000));
    let day = (seconds - START / 1_000_000) / 86_400;
    let of_day = seconds % 86_400;
    let _ = writeln!(
        out,
        "{id}\t2026-01-{:02} {:02}:{:02}:{:02}.{micros:06}+00\t{}\t{}\t{}\t{}\t{}\t{NULL}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{NULL}\t{}\t{}",
        day + 1,
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60,
        event.event_type,
        event.function_name.as_deref().unwrap_or(NULL),
        event.user_name.as_deref().unwrap_or(NULL),
        number(event.session_id),
        number(event.call_id),
        event.capability.as_deref().unwrap_or(NULL),
        event.resource.as_deref().unwrap_or(NULL),
        event.allowed.map_or(NULL.to_string(), |allowed| allowed.to_string()),
        event.error.as_deref().unwrap_or(NULL),
        event.sqlstate.map_or(NULL, |state| state.code()),
        number(event.duration_us),
        number(event.fuel_used),
        number(event.memory_bytes),
        hex(prev_hash),
        hex(hash),
    );
}

async fn connect(config: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(config, NoTls).await.expect("a connection");
    tokio::spawn(connection);
    client
}

/// The median time of each query in milliseconds, and how many rows it gives.
async fn measure(client: &Client, table: &str) -> Vec<(f64, usize)> {
    let mut figures = vec![];
    for (_, query) in QUERIES {
        let query = query.replace("{}", table);
        let (mut times, mut rows) = (vec![], 0);
        for round in 0..=ROUNDS {
            let started = Instant::now();
            rows = client.query(&query, &[]).await.expect("rows").len();
            if round > 0 {
                times.push(started.elapsed().as_secs_f64() * 1e3);
            }
        }
        times.sort_by(f64::total_cmp);
        figures.push((times[times.len() / 2], rows));
    }
    figures
}
