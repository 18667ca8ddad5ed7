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
        let log = ByHand::open(&data);
        (1..=BLOCK).for_each(|id| log.put(id, b"nothing"));
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

/// A copy of a closed folder.
fn copied(data: &Path) -> (tempfile::TempDir, PathBuf) {
    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let to = to.join(entry.file_name());
            match entry.file_type().unwrap().is_dir() {
                true => copy(&entry.path(), &to),
                false => drop(std::fs::copy(entry.path(), to).unwrap()),
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("data");
    copy(data, &to);
    (folder, to)
}

/// The rows of a closed folder's log, as the store's own library sees them.
struct ByHand {
    store: fjall::Database,
    log: fjall::Keyspace,
}

impl ByHand {
    fn open(data: &Path) -> ByHand {
        let store = fjall::Database::builder(data.join("store")).open().unwrap();
        let log = store.keyspace("log", fjall::KeyspaceCreateOptions::default).unwrap();
        ByHand { store, log }
    }

    fn key(id: u64) -> Vec<u8> {
        [b"\x05audit".as_slice(), &id.to_be_bytes()].concat()
    }

    fn get(&self, id: u64) -> Vec<u8> {
        self.log.get(ByHand::key(id)).unwrap().unwrap().to_vec()
    }

    fn put(&self, id: u64, bytes: &[u8]) {
        self.log.insert(ByHand::key(id), bytes).unwrap();
    }

    fn remove(&self, ids: std::ops::RangeInclusive<u64>) {
        ids.for_each(|id| self.log.remove(ByHand::key(id)).unwrap());
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        self.store.persist(fjall::PersistMode::SyncAll).unwrap();
    }
}

fn offline(data: &Path, head: Option<(u64, audit::Hash)>) -> audit::Verdict {
    engine::AuditArchive::open(data, StoreKind::Fjall).unwrap().verify(head).unwrap()
}

#[test]
fn rows_that_were_edited_by_hand_in_the_files_are_found() {
    let (_folder, data) = filled(6);
    drop(open_with_blocks(&data));
    let head = offline(&data, None).head;
    assert_eq!(head.0, ROWS);

    let check = |edit: &dyn Fn(&ByHand), found: Option<(u64, &str)>, with_head: (u64, &str)| {
        let (_folder, data) = copied(&data);
        edit(&ByHand::open(&data));
        let told = |verdict: audit::Verdict| verdict.first_bad.map(|(id, reason)| (id, reason.to_string()));
        let expected = |(id, words): (u64, &str)| Some((id, words.to_string()));
        assert_eq!(told(offline(&data, None)), found.and_then(expected));
        assert_eq!(told(offline(&data, Some(head))), expected(with_head));
        // The running server says the same.
        let database = open(&data);
        let mut session = connect(&database);
        let online = match found {
            None => WHOLE.to_string(),
            Some((id, words)) => format!("[Bool(false), Int8({id}), Text({words:?})]"),
        };
        assert_eq!(verdict(&mut session), online);
        let hash = hex(&head.1);
        let sql = format!("SELECT first_bad_id, reason FROM heliosdb.verify_audit_log({ROWS}, '\\x{hash}')");
        let (id, words) = with_head;
        assert_eq!(run(&mut session, &sql).unwrap(), [format!("[Int8({id}), Text({words:?})]")]);
    };
    let both = |edit: &dyn Fn(&ByHand), id: u64, words: &str| check(edit, Some((id, words)), (id, words));

    let changed = "the row does not match its hash: it was changed or moved";
    let change = |log: &ByHand| {
        let mut bytes = log.get(5000);
        *bytes.last_mut().unwrap() ^= 1;
        log.put(5000, &bytes);
    };
    both(&change, 5000, changed);
    let remove = |log: &ByHand| log.remove(5000..=5000);
    both(&remove, 5001, "row 5000 is expected here: rows were removed or reordered");
    let reorder = |log: &ByHand| {
        let (first, second) = (log.get(5000), log.get(5001));
        log.put(5000, &second);
        log.put(5001, &first);
    };
    both(&reorder, 5000, changed);
    let behead = |log: &ByHand| log.remove(1..=10);
    both(&behead, 11, "row 1 is expected here: rows were removed or reordered");
    // A tail that takes blocks with it shows by itself, a shorter one against a head that was kept.
    let cut = "the log ends before this row: its tail was removed";
    both(&|log: &ByHand| log.remove(8000..=ROWS), 8000, cut);
    check(&|log: &ByHand| log.remove(9000..=ROWS), None, (9000, cut));
    // So does one that was written anew with all its hashes.
    let forge = |log: &ByHand| {
        let mut chain = Chain::after_stored(9989, &log.get(9989)).unwrap();
        for id in 9990..=ROWS {
            let sealed = chain.append(&Event::at(1_800_000_000_000_000, EventType::LoginSucceeded)).unwrap();
            log.put(id, &sealed.bytes);
        }
    };
    let replaced = "the row is another one than the kept head says: the log was rewritten";
    check(&forge, None, (ROWS, replaced));
}

/// Denials that came while no worker looked, one of them damaged and one taken out: the others still raise their alarms.
#[test]
fn a_damaged_row_does_not_silence_the_triggers() {
    let (_folder, data) = filled(7);
    {
        let database = open(&data);
        let trigger = "CREATE TRIGGER alarm AFTER INSERT ON heliosdb.audit_log FOR EACH ROW WHEN (NEW.allowed = false)
            BEGIN SELECT heliosdb.alert('security', NEW.function_name); END";
        run(&mut connect(&database), trigger).unwrap();
        database.close().unwrap();
    }
    let first = {
        let db = Db::open(&data, StoreKind::Fjall).unwrap();
        let log = db.append_log("audit").unwrap();
        let last = log.last_id();
        let mut chain = Chain::after_stored(last, &log.get(last).unwrap().unwrap()).unwrap();
        let rows = ["a", "damaged", "b", "gone", "c"].map(|function| {
            let mut denied = Event::at(1_900_000_000_000_000, EventType::CapabilityCheck);
            denied.function_name = Some(function.into());
            denied.allowed = Some(false);
            chain.append(&denied).unwrap().bytes
        });
        log.append(rows.to_vec()).wait().unwrap();
        last + 1
    };
    {
        let log = ByHand::open(&data);
        log.put(first + 1, b"no row");
        log.remove(first + 3..=first + 3);
    }
    let database = open(&data);
    let mut session = connect(&database);
    let deadline = Instant::now() + Duration::from_secs(60);
    let raised = loop {
        let raised = run(&mut session, "SELECT message FROM heliosdb.alerts ORDER BY id").unwrap();
        if raised.len() >= 3 {
            break raised;
        }
        assert!(Instant::now() < deadline, "only {raised:?}");
        std::thread::sleep(Duration::from_millis(5));
    };
    assert_eq!(raised, [r#"[Text("a")]"#, r#"[Text("b")]"#, r#"[Text("c")]"#]);
    let told = "SELECT (details ->> 'first_id')::bigint, (details ->> 'last_id')::bigint, sqlstate FROM heliosdb.audit_log
        WHERE event_type = 'ExecutionFailed' AND id > ";
    let told = run(&mut session, &format!("{told}{} ORDER BY id", first + 4)).unwrap();
    let passed = |id: u64| format!(r#"[Int8({id}), Int8({id}), Text("XX001")]"#);
    assert_eq!(told, [passed(first + 1), passed(first + 3)]);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn retention_removes_the_oldest_rows_and_leaves_a_signed_anchor() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, data) = filled(7);
    let before_it_all = offline(&data, None).head;
    let database = open_with_blocks(&data);
    let mut session = connect(&database);
    // Row n is of second n / 4, counted from 22:13:20.
    const TRIM: &str = "ALTER SYSTEM TRIM AUDIT LOG BEFORE '2023-11-14 22:30:30+00'";
    const FIRST: u64 = 4120;
    run(&mut session, "ALTER SYSTEM TRIM AUDIT LOG BEFORE '2023-11-14 22:00:00+00'").unwrap();
    let count = "SELECT count(*), min(id) FROM heliosdb.audit_log";
    assert_eq!(
        run(&mut session, count).unwrap(),
        ["[Int8(10000), Int8(1)]"],
        "nothing is so old, and nothing tells of it"
    );
    run(&mut session, TRIM).unwrap();
    assert_eq!(
        run(&mut session, count).unwrap(),
        [format!("[Int8({}), Int8({FIRST})]", ROWS - FIRST + 2)]
    );
    let told = "SELECT user_name, resource, details ->> 'first_kept_id', details ->> 'removed_rows' FROM heliosdb.audit_log WHERE event_type = 'AuditLogTrimmed' AND id > 10000";
    assert_eq!(
        run(&mut session, told).unwrap(),
        ["[Text(\"postgres\"), Text(\"rows 1 to 4119\"), Text(\"4120\"), Text(\"4119\")]"]
    );
    assert_eq!(verdict(&mut session), WHOLE);
    run(&mut session, COPY).unwrap();
    compare(&mut session, "trimmed");
    // Once more, up to now: the newest row stays.
    drop((session, database));
    let (_second, data_of_second) = copied(&data);
    {
        let database = open(&data_of_second);
        let mut session = connect(&database);
        run(&mut session, "ALTER SYSTEM TRIM AUDIT LOG BEFORE 'infinity'").unwrap();
        let rest = "SELECT id, event_type FROM heliosdb.audit_log ORDER BY id";
        assert_eq!(
            run(&mut session, rest).unwrap(),
            [
                "[Int8(10001), Text(\"AuditLogTrimmed\")]",
                "[Int8(10002), Text(\"AuditLogTrimmed\")]"
            ]
        );
        assert_eq!(verdict(&mut session), WHOLE);
    }

    let key = data.join("audit.key");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    // Heads that were kept before still hold, those that can be looked for.
    assert!(offline(&data, Some(before_it_all)).whole);
    let archive = engine::AuditArchive::open(&data, StoreKind::Fjall).unwrap();
    let anchor = archive.anchor().unwrap().unwrap();
    assert_eq!(
        (anchor.first_kept, anchor.removed_rows, &*anchor.user_name),
        (FIRST, FIRST - 1, "postgres")
    );
    assert!(archive.verify(Some((FIRST - 1, anchor.removed_hash))).unwrap().whole);
    assert!(!archive.verify(Some((FIRST - 1, [0; 32]))).unwrap().whole);
    drop(archive);

    // What a crash in the middle leaves goes at the next start, and is no part of the log before.
    let (_crashed, crashed) = copied(&data);
    {
        let log = ByHand::open(&crashed);
        (4100..FIRST).for_each(|id| log.put(id, b"not removed yet"));
    }
    assert!(offline(&crashed, None).whole);
    let database = open(&crashed);
    assert_eq!(
        run(&mut connect(&database), "SELECT min(id) FROM heliosdb.audit_log").unwrap(),
        ["[Int8(4120)]"]
    );
    drop(database);
    assert!(ByHand::open(&crashed).log.get(ByHand::key(4100)).unwrap().is_none());

    // Without its anchor, with another one, or with more removed than it says, the log is broken.
    let check = |edit: &dyn Fn(&Path), bad: u64, words: &str| {
        let (_folder, data) = copied(&data);
        edit(&data);
        let (id, reason) = offline(&data, None).first_bad.unwrap();
        assert_eq!((id, reason.to_string().as_str()), (bad, words));
        let database = open(&data);
        assert_eq!(
            verdict(&mut connect(&database)),
            format!("[Bool(false), Int8({bad}), Text({words:?})]")
        );
    };
    let edit_anchor = |data: &Path, edit: &dyn Fn(Vec<u8>) -> Option<Vec<u8>>| {
        let db = Db::open(data, StoreKind::Fjall).unwrap();
        let txn = db.begin(Isolation::ReadCommitted);
        match edit(txn.get(b"k").unwrap().unwrap().to_vec()) {
            Some(bytes) => txn.put(b"k".to_vec(), bytes).unwrap(),
            None => txn.delete(b"k".to_vec()).unwrap(),
        }
        txn.commit().unwrap();
    };
    let wrong = "rows before this one were removed, and the anchor that retention leaves is wrong: ";
    check(
        &|data: &Path| edit_anchor(data, &|_| None),
        FIRST,
        "row 1 is expected here: rows were removed or reordered",
    );
    let flip = |mut bytes: Vec<u8>| {
        bytes[8] ^= 1;
        Some(bytes)
    };
    check(
        &|data: &Path| edit_anchor(data, &flip),
        FIRST,
        &format!("{wrong}its signature is wrong"),
    );
    let cut = |bytes: Vec<u8>| Some(bytes[..50].to_vec());
    check(&|data: &Path| edit_anchor(data, &cut), FIRST, &format!("{wrong}it cannot be read"));
    check(
        &|data: &Path| std::fs::write(data.join("audit.key"), [1; 32]).unwrap(),
        FIRST,
        &format!("{wrong}it is signed by another key than this folder's"),
    );
    check(
        &|data: &Path| ByHand::open(data).remove(FIRST..=FIRST + 9),
        FIRST + 10,
        "row 4120 is expected here: rows were removed or reordered",
    );
    // Whoever has the folder's key can sign, and is told from the command by the row that it leaves.
    let sign = |data: &Path| {
        let key = audit::SigningKey::from_seed(&std::fs::read(data.join("audit.key")).unwrap()).unwrap();
        let row = ByHand::open(data).get(4999);
        let forged = audit::Anchor {
            first_kept: 5000,
            removed_hash: View::decode(&row).unwrap().hash,
            removed_rows: 4999,
            timestamp: 0,
            user_name: "postgres".to_string(),
            public_key: key.public_key(),
        };
        edit_anchor(data, &|_| Some(forged.signed(&key)));
    };
    check(&sign, 5000, &format!("{wrong}no AuditLogTrimmed row tells of it"));
}

#[test]
fn a_log_that_is_not_whole_is_not_trimmed() {
    let (_folder, data) = filled(8);
    ByHand::open(&data).put(20, b"nothing");
    let database = open(&data);
    let mut session = connect(&database);
    let refused = run(&mut session, "ALTER SYSTEM TRIM AUDIT LOG BEFORE '2023-11-14 22:30:30+00'").unwrap_err();
    assert_eq!(
        refused,
        "XX001: the audit log is broken at row 20: the row cannot be read: the row has format version 110"
    );
    assert_eq!(
        run(&mut session, "SELECT id FROM heliosdb.audit_log WHERE id = 1").unwrap(),
        ["[Int8(1)]"]
    );
}
