//! The audit log at some length: what queries find by its blocks is what its rows say, whatever happens to the blocks.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use audit::block::{Block, Column};
use audit::stored::View;
use audit::{Chain, Event, EventType};
use engine::{ConnectOptions, Database, FunctionOptions, Options, Outcome, Session, StoreKind};
use storage::{Db, Isolation};
use types::SqlState;

/// Two blocks and a part of a third.
const ROWS: u64 = 10_000;
const BLOCK: u64 = audit::block::BLOCK_ROWS;
/// Occurs in the second block only.
const LATE: &str = "late";

/// As few kinds of numbers as make every combination likely.
struct Random(u64);

impl Random {
    fn below(&mut self, count: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % count
    }

    fn sometimes<T>(&mut self, value: T) -> Option<T> {
        (self.below(4) > 0).then_some(value)
    }
}

fn event(number: u64, random: &mut Random) -> Event {
    let kind = EventType::ALL[random.below(EventType::ALL.len() as u64) as usize];
    let function = if number == BLOCK + 100 {
        Some(LATE.into())
    } else {
        let name = format!("f{}", random.below(7));
        random.sometimes(name.into())
    };
    Event {
        function_name: function,
        user_name: Some(format!("u{}", random.below(2)).into()),
        session_id: Some(random.below(5) as i64),
        call_id: Some(number as i64 / 3),
        parent_call_id: None,
        capability: random.sometimes("DATABASE_READ".into()),
        resource: Some(format!("public.t{}", random.below(300))),
        allowed: [None, Some(true), Some(true), Some(false)][random.below(4) as usize],
        error: (random.below(10) == 0).then(|| "no".to_string()),
        sqlstate: (random.below(10) == 0).then_some(SqlState::DivisionByZero),
        duration_us: Some(random.below(1000) as i64).filter(|value| *value > 500),
        fuel_used: Some(random.below(1_000_000_000) as i64),
        memory_bytes: Some(1 << random.below(30)),
        details: random.sometimes(serde_json::json!({"n": number})),
        // Several rows of one time.
        ..Event::at(1_700_000_000_000_000 + (number / 4) as i64 * 1_000_000, kind)
    }
}

/// A data folder with a log of random events.
fn filled(seed: u64) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let db = Db::open(&data, StoreKind::Fjall).unwrap();
    let log = db.append_log("audit").unwrap();
    let (mut chain, mut random) = (Chain::GENESIS, Random(seed));
    let rows = (1..=ROWS)
        .map(|number| chain.append(&event(number, &mut random)).unwrap().bytes)
        .collect();
    log.append(rows).wait().unwrap();
    (folder, data)
}

fn open(data: &Path) -> Arc<Database> {
    Database::open(Options {
        data_dir: data.to_path_buf(),
        store: StoreKind::Fjall,
        progress: Arc::new(|_| {}),
        functions: FunctionOptions::default(),
    })
    .unwrap()
}

fn open_with_blocks(data: &Path) -> Arc<Database> {
    let database = open(data);
    let deadline = Instant::now() + Duration::from_secs(60);
    while database.audit_rows_behind() > 0 {
        assert!(Instant::now() < deadline, "the blocks are not made");
        std::thread::sleep(Duration::from_millis(5));
    }
    database
}

fn connect(database: &Arc<Database>) -> Session {
    let options = ConnectOptions {
        user: "postgres".into(),
        database: "postgres".into(),
        settings: vec![],
        client: None,
        encryption: None,
    };
    database.connect(options).unwrap()
}

/// The rows of the last statement, or `SQLSTATE: message`.
fn run(session: &mut Session, sql: &str) -> Result<Vec<String>, String> {
    let told = |error: types::SqlError| format!("{}: {}", error.state().code(), error.message());
    let mut answer = vec![];
    for statement in session.parse(sql).map_err(told)? {
        let outcome = session.run(&statement).map_err(told)?;
        answer = match outcome {
            Outcome::Rows { rows, .. } => {
                let rows: types::Result<Vec<_>> = rows.collect();
                session.statement_done(rows.as_ref().map(|_| ()));
                rows.map_err(told)?.iter().map(|row| format!("{row:?}")).collect()
            }
            _ => {
                session.statement_done(Ok(()));
                vec![]
            }
        };
        session.finish().map_err(told)?;
    }
    Ok(answer)
}

const COPY: &str = "CREATE TABLE copy (id bigint PRIMARY KEY, timestamp timestamptz, event_type text, function_name text, user_name text,
    session_id bigint, call_id bigint, parent_call_id bigint, capability text, resource text, allowed boolean, error text, sqlstate text,
    duration_us bigint, fuel_used bigint, memory_bytes bigint, details jsonb, prev_hash bytea, hash bytea);
    INSERT INTO copy SELECT * FROM heliosdb.audit_log";

/// Of the log, and of a table with the same rows.
const QUERIES: &[&str] = &[
    // The document's own.
    "SELECT * FROM {} WHERE function_name = 'f3' ORDER BY timestamp DESC, id DESC",
    "SELECT * FROM {} WHERE event_type = 'CapabilityCheck' AND allowed = false ORDER BY timestamp DESC, id DESC LIMIT 100",
    "SELECT * FROM {} WHERE event_type = 'ResourceLimitExceeded' ORDER BY timestamp DESC, id DESC",
    "SELECT function_name, COUNT(*) AS failure_count, MIN(timestamp) AS first_failure, MAX(timestamp) AS last_failure FROM {}
     WHERE event_type = 'ExecutionFailed' GROUP BY function_name ORDER BY failure_count DESC, function_name",
    // Aggregates that count rows with a weight, and such that cannot.
    "SELECT event_type, count(*) FROM {} GROUP BY 1 ORDER BY 1",
    "SELECT count(*) FROM {}",
    "SELECT count(*) FROM {} WHERE timestamp >= '2023-11-14 22:20:00+00' AND timestamp < '2023-11-14 23:00:00+00'",
    "SELECT user_name, allowed, resource, count(*), count(error) FROM {} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    "SELECT allowed, count(*), bool_and(allowed), min(function_name), max(resource) FROM {} GROUP BY 1 ORDER BY 1",
    "SELECT event_type, count(*) FILTER (WHERE allowed = false) FROM {} WHERE function_name <> 'f1' GROUP BY 1 ORDER BY 1",
    "SELECT count(DISTINCT function_name), count(DISTINCT resource), sum(duration_us), avg(memory_bytes) FROM {}",
    "SELECT function_name, count(*), sum(fuel_used) FROM {} WHERE allowed GROUP BY ROLLUP (function_name) ORDER BY 1, 2",
    "SELECT user_name || '!', count(*) FROM {} GROUP BY 1 ORDER BY 1",
    "SELECT count(*) FROM {} WHERE function_name = 'f1' HAVING count(*) > 5",
    "SELECT event_type FROM {} GROUP BY event_type HAVING count(*) > 100 ORDER BY 1",
    // Filters.
    "SELECT count(*) FROM {} WHERE function_name = 'nobody'",
    "SELECT count(*) FROM {} WHERE event_type = 'Nonsense'",
    "SELECT id FROM {} WHERE function_name = 'late'",
    "SELECT count(*) FROM {} WHERE function_name IS NULL AND allowed IS NULL",
    "SELECT count(*) FROM {} WHERE function_name = 'f1' AND function_name = 'f2'",
    "SELECT id, duration_us FROM {} WHERE user_name = 'u1' AND session_id = 3 AND resource = 'public.t7' ORDER BY id",
    "SELECT id, details FROM {} WHERE call_id = 1700 ORDER BY id",
    "SELECT id, error, sqlstate FROM {} WHERE sqlstate = '22012' AND event_type = 'LoginFailed' ORDER BY id",
    "SELECT id FROM {} WHERE id > 4090 AND id < 4100 AND allowed = true ORDER BY id",
    "SELECT id, details FROM {} WHERE id = 4097",
    "SELECT id FROM {} WHERE id > 20000 OR id < 3 ORDER BY id",
    // Orders.
    "SELECT id, timestamp FROM {} ORDER BY id DESC LIMIT 10 OFFSET 5",
    "SELECT timestamp, id, event_type FROM {} ORDER BY timestamp, id LIMIT 7",
    "SELECT id FROM {} ORDER BY id OFFSET 4000 LIMIT 5000",
    "SELECT id FROM {} ORDER BY id DESC, function_name LIMIT 3",
    "SELECT id FROM {} ORDER BY timestamp DESC, id LIMIT 9",
    "SELECT id, timestamp AS at FROM (SELECT timestamp, id FROM {} WHERE allowed = false) AS s ORDER BY at DESC, id DESC LIMIT 20",
    "SELECT timestamp FROM {} WHERE function_name = 'f2' ORDER BY timestamp DESC LIMIT 200",
    "SELECT resource, id FROM {} ORDER BY resource, id LIMIT 20",
    "SELECT id, row_number() OVER (ORDER BY id DESC) FROM {} ORDER BY 1 LIMIT 5",
    // Within larger plans.
    "SELECT c.id, a.n FROM copy AS c JOIN (SELECT function_name, count(*) AS n FROM {} GROUP BY 1) AS a USING (function_name) ORDER BY 1 LIMIT 20",
    "SELECT count(*) FROM {} AS a JOIN copy AS c ON c.id = a.id WHERE a.event_type = 'FileOperation' AND c.allowed",
    "SELECT c.id, (SELECT max(a.id) FROM {} AS a WHERE a.id < c.id AND a.allowed = false) FROM copy AS c WHERE c.id IN (1, 5, 4099) ORDER BY 1",
    "SELECT f, (SELECT count(*) FROM {} WHERE function_name = f) FROM (VALUES ('f1'), ('f2'), ('nobody')) AS v (f)",
    "SELECT event_type, count(*) FROM {} GROUP BY 1 UNION ALL SELECT event_type, count(*) FROM copy GROUP BY 1 ORDER BY 1, 2",
    "WITH newest AS (SELECT * FROM {} ORDER BY timestamp DESC, id DESC LIMIT 50) SELECT count(*), min(id) FROM newest",
];

fn compare(session: &mut Session, what: &str) {
    for query in QUERIES {
        let of_log = run(session, &query.replace("{}", "heliosdb.audit_log"));
        let of_copy = run(session, &query.replace("{}", "copy"));
        assert!(of_copy.is_ok(), "{query}: {of_copy:?}");
        assert_eq!(of_log, of_copy, "{what}: {query}");
    }
}

fn verdict(session: &mut Session) -> String {
    run(session, "SELECT whole, first_bad_id, reason FROM heliosdb.verify_audit_log()")
        .unwrap()
        .remove(0)
}

const WHOLE: &str = "[Bool(true), Null, Null]";

/// Changes the pieces of a block in a folder that is closed: the space data, below `l`, the column's place, the block's number.
fn edit_piece(data: &Path, block: u64, place: u8, edit: impl FnOnce(&mut Option<Vec<u8>>)) {
    let db = Db::open(data, StoreKind::Fjall).unwrap();
    let mut key = vec![b'l', place];
    key.extend_from_slice(&block.to_be_bytes());
    let txn = db.begin(Isolation::ReadCommitted);
    let mut value = txn.get(&key).unwrap().map(|bytes| bytes.to_vec());
    edit(&mut value);
    match value {
        Some(value) => txn.put(key, value).unwrap(),
        None => txn.delete(key).unwrap(),
    }
    txn.commit().unwrap();
}

#[test]
fn queries_find_by_blocks_what_the_rows_say() {
    let (_folder, data) = filled(1);
    let database = open_with_blocks(&data);
    let mut session = connect(&database);
    run(&mut session, COPY).unwrap();
    compare(&mut session, "with blocks");
    assert_eq!(verdict(&mut session), WHOLE);
    drop((session, database));

    // Torn, missing, of another block: while they are made again and afterwards.
    edit_piece(&data, 0, Column::EventType.place(), |piece| *piece = None);
    edit_piece(&data, 0, Column::FunctionName.place(), |piece| piece.as_mut().unwrap()[40] ^= 1);
    edit_piece(&data, 1, Column::Timestamp.place(), |piece| piece.as_mut().unwrap().truncate(100));
    edit_piece(&data, 1, 0, |piece| *piece = None);
    let database = open(&data);
    let mut session = connect(&database);
    compare(&mut session, "damaged");
    drop((session, database));
    let database = open_with_blocks(&data);
    let mut session = connect(&database);
    compare(&mut session, "made again");
    assert_eq!(verdict(&mut session), WHOLE);
}

#[test]
fn a_block_that_hides_a_row_is_found() {
    let (_folder, data) = filled(3);
    drop(open_with_blocks(&data));
    // Somebody makes the first block anew, without the refusals in it, and with everything that makes it one.
    let (mut chain, mut random) = (Chain::GENESIS, Random(3));
    let rows: Vec<Vec<u8>> = (1..=BLOCK)
        .map(|number| {
            let mut event = event(number, &mut random);
            event.allowed = event.allowed.map(|_| true);
            chain.append(&event).unwrap().bytes
        })
        .collect();
    let views: Vec<View> = rows.iter().map(|row| View::decode(row).unwrap()).collect();
    for (place, bytes) in Block::of(1, &views).pieces {
        edit_piece(&data, 0, place, |piece| *piece = Some(bytes));
    }
    let database = open(&data);
    let verdict = verdict(&mut connect(&database));
    assert!(
        verdict.starts_with("[Bool(false), Int8(1), Text(\"the columns that are kept beside this row"),
        "{verdict}"
    );
}

#[test]
fn filters_leave_alone_what_they_are_not_about() {
    let (_folder, data) = filled(4);
    drop(open_with_blocks(&data));
    // The rows of the first block are unreadable: whoever looks at one of them is told.
    {
        let store = fjall::Database::builder(data.join("store")).open().unwrap();
        let log = store.keyspace("log", fjall::KeyspaceCreateOptions::default).unwrap();
        for id in 1..=BLOCK {
            let mut key = b"\x05audit".to_vec();
            key.extend_from_slice(&id.to_be_bytes());
            assert!(log.contains_key(&key).unwrap());
            log.insert(&key, b"nothing").unwrap();
        }
        store.persist(fjall::PersistMode::SyncAll).unwrap();
    }
    let database = open(&data);
    let mut session = connect(&database);
    let mut check = |sql: &str, readable: bool| {
        let answer = run(&mut session, sql);
        match readable {
            true => assert!(!answer.as_ref().unwrap().is_empty(), "{sql}"),
            false => assert_eq!(
                answer.unwrap_err(),
                "XX001: audit log is damaged: the row has format version 110",
                "{sql}"
            ),
        }
    };
    check(
        "SELECT * FROM heliosdb.audit_log WHERE function_name = 'f1' ORDER BY timestamp DESC",
        false,
    );
    check(
        "SELECT * FROM heliosdb.audit_log WHERE function_name = 'late' ORDER BY timestamp DESC",
        true,
    );
    check(
        "SELECT * FROM heliosdb.audit_log WHERE function_name = 'f1' ORDER BY timestamp DESC LIMIT 100",
        true,
    );
    check(
        "SELECT * FROM heliosdb.audit_log WHERE event_type = 'CapabilityCheck' AND allowed = false ORDER BY timestamp DESC LIMIT 30",
        true,
    );
    check("SELECT * FROM heliosdb.audit_log ORDER BY id DESC LIMIT 5000", true);
    check("SELECT * FROM heliosdb.audit_log WHERE timestamp > '2023-11-14 22:40:00+00'", true);
    check("SELECT * FROM heliosdb.audit_log", false);
    // Columns come from blocks without a look at the rows.
    check("SELECT event_type, count(*) FROM heliosdb.audit_log GROUP BY 1", true);
    let verdict = verdict(&mut session);
    assert!(
        verdict.starts_with("[Bool(false), Int8(1), Text(\"the row cannot be read"),
        "{verdict}"
    );
}
