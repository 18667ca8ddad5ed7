//! What was acknowledged survives: kill -9 of a writing process, and a copy of its folder taken in
//! the middle of the writing. Every acknowledged commit and log record is there, and no
//! transaction is there in part. On both stores.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::ops::Bound;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use storage::{Db, Isolation, LockMode, StoreKind};

const WRITERS: u8 = 3;
const KILLS: u64 = 20;
const COPIES: u64 = 6;
const CHILD: &str = "STORAGE_CRASH_CHILD";

/// The keys of a writer: its counter; of each commit two rows; one token, which each commit moves.
const COUNTER: u8 = 0;
const ROWS: [u8; 2] = [1, 2];
const TOKEN: u8 = 3;

fn key(writer: u8, part: u8, n: u64) -> Vec<u8> {
    [&[writer, part][..], &n.to_be_bytes()].concat()
}

/// Long for every 50th commit: sled keeps long values in files of their own, fjall in one record.
fn value(n: u64) -> Vec<u8> {
    let length = if n.is_multiple_of(50) { 200_000 } else { 20 + n as usize % 200 };
    n.to_be_bytes().iter().copied().cycle().take(length).collect()
}

fn number(value: &[u8]) -> u64 {
    u64::from_be_bytes(value[..8].try_into().expect("8 bytes"))
}

/// The writing process: this test binary started again with `CHILD` set. Does nothing in a test run.
#[test]
fn child_process() {
    let Ok(setting) = std::env::var(CHILD) else { return };
    let (kind, folder) = setting.split_once(':').expect("store:folder");
    let db = Db::open(Path::new(folder), kind.parse().expect("a store")).expect("the folder opens");
    let acknowledge = |line: String| {
        let mut out = std::io::stdout().lock();
        // The parent may be gone; then so are we, soon.
        let _ = out.write_all(line.as_bytes());
        let _ = out.flush();
    };
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (db, acknowledge) = (&db, &acknowledge);
            scope.spawn(move || {
                loop {
                    let n = commit_one(db, writer);
                    acknowledge(format!("commit {writer} {n}\n"));
                }
            });
        }
        let log = db.append_log("events").expect("the log opens");
        loop {
            // Two without waiting, then one with: all three are durable after it.
            let first = log.append(vec![record(log.next_id()), record(log.next_id() + 1)]);
            let last = log.append(vec![record(log.next_id())]);
            last.wait().expect("the record is durable");
            acknowledge(format!("record {}\n", first.ids().end.max(last.ids().end) - 1));
        }
    });
}

fn record(id: u64) -> Vec<u8> {
    format!("record number {id}").into_bytes()
}

fn commit_one(db: &Db, writer: u8) -> u64 {
    let transaction = db.begin(Isolation::ReadCommitted);
    let counter = key(writer, COUNTER, 0);
    transaction
        .lock(&counter, LockMode::Exclusive, &())
        .expect("nobody else has the lock");
    let n = transaction.get(&counter).expect("readable").map_or(0, |value| number(&value)) + 1;
    transaction.put(counter, value(n)).expect("put");
    for part in ROWS {
        transaction.put(key(writer, part, n), value(n)).expect("put");
    }
    transaction.put(key(writer, TOKEN, n), value(n)).expect("put");
    transaction.delete(key(writer, TOKEN, n - 1)).expect("delete");
    transaction.commit().expect("commit");
    n
}

/// What the child said is durable.
#[derive(Clone, Default, Debug)]
struct Acknowledged {
    commits: BTreeMap<u8, u64>,
    record: u64,
}

struct Running {
    child: Child,
    said: Arc<Mutex<Acknowledged>>,
    reader: JoinHandle<()>,
}

impl Running {
    fn start(folder: &Path, kind: StoreKind, known: &Acknowledged) -> Running {
        let mut child = Command::new(std::env::current_exe().expect("this binary"))
            .args(["--exact", "child_process", "--nocapture"])
            .env(CHILD, format!("{kind}:{}", folder.display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the child starts");
        let said = Arc::new(Mutex::new(known.clone()));
        let out = child.stdout.take().expect("piped");
        let reader = std::thread::spawn({
            let said = said.clone();
            move || {
                let mut out = BufReader::new(out);
                let mut line = String::new();
                while out.read_line(&mut line).is_ok_and(|n| n > 0) && line.ends_with('\n') {
                    let words: Vec<&str> = line.split_whitespace().collect();
                    let mut said = said.lock().expect("no panic");
                    match words.as_slice() {
                        ["commit", writer, n] => {
                            said.commits.insert(writer.parse().expect("a writer"), n.parse().expect("a number"));
                        }
                        ["record", id] => said.record = id.parse().expect("an id"),
                        _ => {}
                    }
                    drop(said);
                    line.clear();
                }
            }
        });
        Running { child, said, reader }
    }

    fn said(&self) -> Acknowledged {
        self.said.lock().expect("no panic").clone()
    }

    fn wait_for_commits(&mut self, known: &Acknowledged) {
        while self.said().commits.values().sum::<u64>() < known.commits.values().sum::<u64>() + 10 {
            assert_eq!(self.child.try_wait().expect("a child"), None, "the child ended by itself");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Stands still meanwhile, in the middle of whatever it was doing.
    fn frozen(&self, act: impl FnOnce()) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::STOP).expect("told to stop");
        // Returns when the last of its threads stands.
        waitpid(Some(pid), WaitOptions::UNTRACED).expect("stopped");
        act();
        kill_process(pid, Signal::CONT).expect("told to go on");
    }

    /// Ends it without warning; everything it had said.
    fn kill(mut self) -> Acknowledged {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
        self.reader.join().expect("no panic");
        Arc::try_unwrap(self.said)
            .expect("the reader is gone")
            .into_inner()
            .expect("no panic")
    }
}

/// Every acknowledged commit is there, and each commit is there as a whole or not at all.
fn verify(folder: &Path, kind: StoreKind, said: &Acknowledged) {
    let db = Db::open(folder, kind).expect("the folder opens after a crash");
    let transaction = db.begin(Isolation::RepeatableRead);
    for writer in 0..WRITERS {
        let counter = transaction.get(&key(writer, COUNTER, 0)).expect("readable");
        let last = counter.as_ref().map_or(0, |value| number(value));
        let acknowledged = said.commits.get(&writer).copied().unwrap_or(0);
        assert!(
            last >= acknowledged,
            "{kind}: writer {writer} was told that commit {acknowledged} is durable, {last} is the last found"
        );
        assert!(counter.is_none_or(|found| *found == *value(last)), "{kind}: a torn counter");
        let numbers = |part: u8| {
            let range = (Bound::Included(key(writer, part, 0)), Bound::Excluded(key(writer, part + 1, 0)));
            let rows = transaction.scan(range).expect("a scan");
            rows.map(|row| {
                let (found_key, found) = row.expect("readable");
                let n = number(&found_key[2..]);
                assert!(*found == *value(n), "{kind}: a torn row {n}");
                n
            })
            .collect::<Vec<u64>>()
        };
        for part in ROWS {
            assert!(
                numbers(part).into_iter().eq(1..=last),
                "{kind}: writer {writer}: rows {part} are not 1 to {last}"
            );
        }
        let token: Vec<u64> = (last > 0).then_some(last).into_iter().collect();
        assert_eq!(
            numbers(TOKEN),
            token,
            "{kind}: writer {writer}: the token of the last commit, and no other"
        );
    }
    let log = db.append_log("events").expect("the log opens");
    assert!(
        log.last_id() >= said.record,
        "{kind}: record {} was acknowledged, {} is the last found",
        said.record,
        log.last_id()
    );
    let mut expected = 1;
    for found in log.read(..) {
        let (id, bytes) = found.expect("no record is missing");
        assert_eq!((id, &*bytes), (expected, &*record(expected)));
        expected += 1;
    }
    assert_eq!(expected, log.last_id() + 1);
}

fn survives_kills(kind: StoreKind) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut said = Acknowledged::default();
    for round in 0..KILLS {
        let mut running = Running::start(folder.path(), kind, &said);
        running.wait_for_commits(&said);
        std::thread::sleep(Duration::from_millis(round * 37 % 150));
        said = running.kill();
        verify(folder.path(), kind, &said);
    }
}

fn survives_copies(kind: StoreKind) {
    let folder = tempfile::tempdir().expect("a folder");
    let copies = tempfile::tempdir().expect("a folder");
    let mut running = Running::start(folder.path(), kind, &Acknowledged::default());
    for round in 0..COPIES {
        running.wait_for_commits(&running.said());
        std::thread::sleep(Duration::from_millis(round * 23));
        let said = running.said();
        let copy = copies.path().join(round.to_string());
        match kind {
            // Its files only grow while a test runs, so a copy that takes its time must do too.
            StoreKind::Fjall => copy_folder(folder.path(), &copy),
            // It writes new data over old segments of its log, so the copy has to be of one moment, as
            // what a disk holds when the power fails is.
            StoreKind::Sled => running.frozen(|| copy_folder(folder.path(), &copy)),
        }
        verify(&copy, kind, &said);
    }
    let said = running.kill();
    verify(folder.path(), kind, &said);
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("created");
    for entry in std::fs::read_dir(from).expect("readable") {
        let entry = entry.expect("readable");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("known").is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}

#[test]
fn fjall_survives_twenty_kills() {
    survives_kills(StoreKind::Fjall);
}

#[test]
fn sled_survives_twenty_kills() {
    survives_kills(StoreKind::Sled);
}

#[test]
fn a_copy_of_fjall_opens() {
    survives_copies(StoreKind::Fjall);
}

#[test]
fn a_copy_of_sled_opens() {
    survives_copies(StoreKind::Sled);
}
