//! Interleaved transactions behave as a simple model says: snapshots, own writes, savepoints, scans
//! that stay open, conflicts at commit. On both stores.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use storage::{Db, Direction, Error, Isolation, LockMode, Savepoint, Scan, StoreKind, Transaction};

const SLOTS: usize = 4;
/// More than the first two chunks of a scan.
const KEYS: u8 = 100;

type Values = BTreeMap<u8, u8>;

#[derive(Clone, Debug)]
enum Op {
    Begin(usize, Isolation),
    Refresh(usize),
    ReleaseSnapshot(usize),
    Get(usize, u8),
    GetLatest(usize, u8),
    Changed(usize, u8),
    Put(usize, u8, u8),
    PutMany(usize, u8, u8),
    Delete(usize, u8),
    Lock(usize, u8, LockMode),
    Scan(usize, u8, u8, Direction),
    OpenScan(usize, u8, u8, Direction),
    ReadOn(usize, usize),
    Savepoint(usize),
    RollbackTo(usize, usize),
    Release(usize, usize),
    Commit(usize),
    Rollback(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let slot = 0..SLOTS;
    let key = 0..KEYS;
    let isolation = prop_oneof![
        Just(Isolation::ReadCommitted),
        Just(Isolation::RepeatableRead),
        Just(Isolation::Serializable)
    ];
    let direction = prop_oneof![Just(Direction::Forward), Just(Direction::Backward)];
    let mode = prop_oneof![Just(LockMode::Shared), Just(LockMode::Exclusive)];
    prop_oneof![
        6 => (slot.clone(), isolation).prop_map(|(s, i)| Op::Begin(s, i)),
        2 => slot.clone().prop_map(Op::Refresh),
        1 => slot.clone().prop_map(Op::ReleaseSnapshot),
        6 => (slot.clone(), key.clone()).prop_map(|(s, k)| Op::Get(s, k)),
        1 => (slot.clone(), key.clone()).prop_map(|(s, k)| Op::GetLatest(s, k)),
        2 => (slot.clone(), key.clone()).prop_map(|(s, k)| Op::Changed(s, k)),
        8 => (slot.clone(), key.clone(), any::<u8>()).prop_map(|(s, k, v)| Op::Put(s, k, v)),
        2 => (slot.clone(), key.clone(), key.clone()).prop_map(|(s, a, b)| Op::PutMany(s, a, b)),
        4 => (slot.clone(), key.clone()).prop_map(|(s, k)| Op::Delete(s, k)),
        2 => (slot.clone(), key.clone(), mode).prop_map(|(s, k, m)| Op::Lock(s, k, m)),
        3 => (slot.clone(), key.clone(), key.clone(), direction.clone()).prop_map(|(s, a, b, d)| Op::Scan(s, a, b, d)),
        3 => (slot.clone(), key.clone(), key, direction).prop_map(|(s, a, b, d)| Op::OpenScan(s, a, b, d)),
        4 => (slot.clone(), 1..40usize).prop_map(|(s, n)| Op::ReadOn(s, n)),
        2 => slot.clone().prop_map(Op::Savepoint),
        2 => (slot.clone(), 0..4usize).prop_map(|(s, n)| Op::RollbackTo(s, n)),
        1 => (slot.clone(), 0..4usize).prop_map(|(s, n)| Op::Release(s, n)),
        6 => slot.clone().prop_map(Op::Commit),
        1 => slot.prop_map(Op::Rollback),
    ]
}

/// What was committed, in order: the whole database after each commit, and the keys it wrote.
struct Model {
    commits: Vec<(Values, BTreeSet<u8>)>,
}

impl Model {
    fn newest(&self) -> usize {
        self.commits.len() - 1
    }

    fn changed(&self, snapshot: usize, key: u8) -> bool {
        self.commits[snapshot + 1..].iter().any(|(_, written)| written.contains(&key))
    }
}

struct Slot {
    real: Transaction,
    isolation: Isolation,
    snapshot: Option<usize>,
    writes: BTreeMap<u8, Option<u8>>,
    savepoints: Vec<(Savepoint, BTreeMap<u8, Option<u8>>)>,
    reads: BTreeSet<u8>,
    locks: BTreeMap<u8, LockMode>,
    scan: Option<(Scan, std::vec::IntoIter<(u8, u8)>)>,
}

impl Slot {
    fn snapshot(&mut self, model: &Model) -> usize {
        *self.snapshot.get_or_insert(model.newest())
    }

    fn view(&mut self, model: &Model) -> Values {
        let mut values = model.commits[self.snapshot(model)].0.clone();
        for (key, value) in &self.writes {
            match value {
                Some(value) => values.insert(*key, *value),
                None => values.remove(key),
            };
        }
        values
    }

    fn expected_scan(&mut self, model: &Model, low: u8, high: u8, direction: Direction) -> Vec<(u8, u8)> {
        let mut entries: Vec<(u8, u8)> = self.view(model).into_iter().filter(|(key, _)| (low..high).contains(key)).collect();
        if direction == Direction::Backward {
            entries.reverse();
        }
        entries
    }

    fn open_scan(&self, prefix: u64, low: u8, high: u8, direction: Direction) -> Scan {
        self.real
            .scan_in((Bound::Included(key(prefix, low)), Bound::Excluded(key(prefix, high))), direction)
            .unwrap()
    }
}

fn key(prefix: u64, key: u8) -> Vec<u8> {
    [&prefix.to_be_bytes()[..], &[key]].concat()
}

fn entry(entry: Result<(storage::Bytes, storage::Bytes), Error>) -> (u8, u8) {
    let (key, value) = entry.unwrap();
    (*key.last().unwrap(), value[0])
}

/// One database serves all cases; each has its own prefix.
fn database(kind: StoreKind) -> &'static Db {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    static FJALL: OnceLock<Db> = OnceLock::new();
    static SLED: OnceLock<Db> = OnceLock::new();
    let cell = match kind {
        StoreKind::Fjall => &FJALL,
        StoreKind::Sled => &SLED,
    };
    cell.get_or_init(|| Db::open(&FOLDER.get_or_init(|| tempfile::tempdir().unwrap()).path().join(kind.name()), kind).unwrap())
}

fn check(kind: StoreKind, ops: Vec<Op>) {
    static PREFIX: AtomicU64 = AtomicU64::new(0);
    let prefix = PREFIX.fetch_add(1, Ordering::Relaxed);
    let db = database(kind);
    let seed = db.begin(Isolation::ReadCommitted);
    let mut values = Values::new();
    for k in (0..KEYS).step_by(2) {
        seed.put(key(prefix, k), vec![k]).unwrap();
        values.insert(k, k);
    }
    seed.commit().unwrap();
    let mut model = Model {
        commits: vec![(values, BTreeSet::new())],
    };
    let mut slots: [Option<Slot>; SLOTS] = Default::default();
    for op in ops {
        run(db, prefix, &mut model, &mut slots, op);
    }
    slots.iter_mut().for_each(|slot| *slot = None);
    let last = db.begin(Isolation::ReadCommitted);
    let (low, high) = storage::key::prefix_range(&prefix.to_be_bytes());
    let found: Vec<(u8, u8)> = last.scan((low, high)).unwrap().map(entry).collect();
    assert_eq!(found, model.commits[model.newest()].0.clone().into_iter().collect::<Vec<_>>());
    last.commit().unwrap();
    drop(last);
    let stats = db.stats().unwrap();
    assert_eq!(
        (stats.history_keys, stats.open_snapshots, stats.locked_keys),
        (0, 0, 0),
        "nothing is left behind"
    );
}

fn run(db: &Db, prefix: u64, model: &mut Model, slots: &mut [Option<Slot>; SLOTS], op: Op) {
    match op {
        Op::Begin(s, isolation) => {
            slots[s] = Some(Slot {
                real: db.begin(isolation),
                isolation,
                snapshot: None,
                writes: BTreeMap::new(),
                savepoints: Vec::new(),
                reads: BTreeSet::new(),
                locks: BTreeMap::new(),
                scan: None,
            });
        }
        Op::Refresh(s) => {
            let Some(slot) = &mut slots[s] else { return };
            slot.real.refresh_snapshot().unwrap();
            if slot.isolation == Isolation::ReadCommitted {
                slot.snapshot = None;
            }
            slot.snapshot(model);
        }
        Op::ReleaseSnapshot(s) => {
            let Some(slot) = &mut slots[s] else { return };
            slot.real.release_snapshot();
            if slot.isolation == Isolation::ReadCommitted {
                slot.snapshot = None;
            }
        }
        Op::Get(s, k) => {
            let Some(slot) = &mut slots[s] else { return };
            let expected = slot.view(model).get(&k).copied();
            if !slot.writes.contains_key(&k) {
                slot.reads.insert(k);
            }
            assert_eq!(slot.real.get(&key(prefix, k)).unwrap().map(|v| v[0]), expected, "get {k}");
        }
        Op::GetLatest(s, k) => {
            let Some(slot) = &mut slots[s] else { return };
            let newest = model.commits[model.newest()].0.get(&k).copied();
            let expected = slot.writes.get(&k).copied().unwrap_or(newest);
            slot.snapshot(model);
            if !slot.writes.contains_key(&k) {
                slot.reads.insert(k);
            }
            assert_eq!(
                slot.real.get_latest(&key(prefix, k)).unwrap().map(|v| v[0]),
                expected,
                "get latest {k}"
            );
        }
        Op::Changed(s, k) => {
            let Some(slot) = &mut slots[s] else { return };
            let snapshot = slot.snapshot(model);
            assert_eq!(
                slot.real.changed_since_snapshot(&key(prefix, k)).unwrap(),
                model.changed(snapshot, k),
                "changed {k}"
            );
        }
        Op::Put(s, k, v) => {
            let Some(slot) = &mut slots[s] else { return };
            slot.real.put(key(prefix, k), vec![v]).unwrap();
            slot.writes.insert(k, Some(v));
        }
        Op::PutMany(s, a, b) => {
            let Some(slot) = &mut slots[s] else { return };
            for k in a.min(b)..a.max(b) {
                slot.real.put(key(prefix, k), vec![b]).unwrap();
                slot.writes.insert(k, Some(b));
            }
        }
        Op::Delete(s, k) => {
            let Some(slot) = &mut slots[s] else { return };
            slot.real.delete(key(prefix, k)).unwrap();
            slot.writes.insert(k, None);
        }
        Op::Lock(s, k, mode) => {
            let free = slots.iter().enumerate().all(|(other, slot)| {
                let held = slot.as_ref().and_then(|slot| slot.locks.get(&k));
                other == s || held.is_none_or(|held| *held == LockMode::Shared && mode == LockMode::Shared)
            });
            let Some(slot) = &mut slots[s] else { return };
            let stronger = slot.locks.get(&k) == Some(&LockMode::Exclusive);
            assert_eq!(slot.real.try_lock(&key(prefix, k), mode).unwrap(), free || stronger, "lock {k}");
            if free && !stronger {
                let held = slot.locks.entry(k).or_insert(mode);
                if mode == LockMode::Exclusive {
                    *held = mode;
                }
            }
        }
        Op::Scan(s, low, high, direction) => {
            let Some(slot) = &mut slots[s] else { return };
            let expected = slot.expected_scan(model, low, high, direction);
            slot.reads.extend(low..high.max(low));
            let found: Vec<(u8, u8)> = slot.open_scan(prefix, low, high, direction).map(entry).collect();
            assert_eq!(found, expected, "scan {low}..{high} {direction:?}");
        }
        Op::OpenScan(s, low, high, direction) => {
            let Some(slot) = &mut slots[s] else { return };
            // What a half-read scan covers depends on its chunks; SERIALIZABLE is checked by whole ones.
            if slot.isolation != Isolation::Serializable {
                let expected = slot.expected_scan(model, low, high, direction);
                slot.scan = Some((slot.open_scan(prefix, low, high, direction), expected.into_iter()));
            }
        }
        Op::ReadOn(s, n) => {
            let Some(Slot {
                scan: Some((scan, expected)),
                ..
            }) = &mut slots[s]
            else {
                return;
            };
            let found: Vec<(u8, u8)> = scan.take(n).map(entry).collect();
            assert_eq!(found, expected.take(n).collect::<Vec<_>>(), "the rest of a scan");
        }
        Op::Savepoint(s) => {
            let Some(slot) = &mut slots[s] else { return };
            slot.savepoints.push((slot.real.savepoint().unwrap(), slot.writes.clone()));
        }
        Op::RollbackTo(s, n) => {
            let Some(slot) = &mut slots[s] else { return };
            let Some((savepoint, writes)) = slot.savepoints.get(n) else {
                return;
            };
            slot.real.rollback_to(*savepoint).unwrap();
            slot.writes = writes.clone();
            slot.savepoints.truncate(n + 1);
            // An open scan may have seen what is undone; what it shows after that is not defined.
            slot.scan = None;
        }
        Op::Release(s, n) => {
            let Some(slot) = &mut slots[s] else { return };
            let Some((savepoint, _)) = slot.savepoints.get(n) else { return };
            slot.real.release(*savepoint).unwrap();
            slot.savepoints.truncate(n);
        }
        Op::Commit(s) => {
            let Some(mut slot) = slots[s].take() else { return };
            let snapshot = slot.snapshot(model);
            let overwrites = slot.writes.keys().any(|k| model.changed(snapshot, *k));
            let read_changed = slot.reads.iter().any(|k| model.changed(snapshot, *k));
            let refused = !slot.writes.is_empty()
                && match slot.isolation {
                    Isolation::ReadCommitted => false,
                    Isolation::RepeatableRead => overwrites,
                    Isolation::Serializable => overwrites || read_changed,
                };
            let outcome = slot.real.commit();
            assert_eq!(
                outcome,
                if refused { Err(Error::Serialization) } else { Ok(()) },
                "commit in {:?}",
                slot.isolation
            );
            assert_eq!(slot.real.get(&key(prefix, 0)), Err(Error::TransactionEnded));
            if !refused && !slot.writes.is_empty() {
                let mut values = model.commits[model.newest()].0.clone();
                for (key, value) in &slot.writes {
                    match value {
                        Some(value) => values.insert(*key, *value),
                        None => values.remove(key),
                    };
                }
                model.commits.push((values, slot.writes.keys().copied().collect()));
            }
        }
        Op::Rollback(s) => {
            let Some(slot) = slots[s].take() else { return };
            slot.real.rollback();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fjall_behaves_as_the_model(ops in prop::collection::vec(op(), 1..120)) {
        check(StoreKind::Fjall, ops);
    }

    #[test]
    fn sled_behaves_as_the_model(ops in prop::collection::vec(op(), 1..120)) {
        check(StoreKind::Sled, ops);
    }
}
