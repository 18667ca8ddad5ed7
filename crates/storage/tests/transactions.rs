//! What transactions promise each other when they really run at the same time, each claim on both
//! stores: anomalies that are and are not possible, locks, group commit, logs, limits.

use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use storage::{Db, Direction, Error, Isolation, LockMode, MAX_KEY_BYTES, StoreKind, Transaction, WaitControl};
use types::{SqlError, SqlState};

fn on_both(check: impl Fn(&Db)) {
    for kind in StoreKind::ALL {
        let folder = tempfile::tempdir().unwrap();
        check(&Db::open(folder.path(), kind).unwrap());
    }
}

fn everything() -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    (Bound::Unbounded, Bound::Unbounded)
}

fn commit(db: &Db, writes: &[(&str, &str)]) {
    let transaction = db.begin(Isolation::ReadCommitted);
    for (key, value) in writes {
        transaction.put(key.as_bytes(), value.as_bytes()).unwrap();
    }
    transaction.commit().unwrap();
}

fn get(transaction: &Transaction, key: &str) -> Option<String> {
    transaction
        .get(key.as_bytes())
        .unwrap()
        .map(|value| String::from_utf8_lossy(&value).into_owned())
}

struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn number(value: Option<storage::Bytes>) -> i64 {
    value.map_or(0, |value| i64::from_be_bytes(value[..].try_into().unwrap()))
}

#[test]
fn a_write_is_seen_by_statements_that_begin_after_its_commit() {
    on_both(|db| {
        commit(db, &[("k", "old")]);
        let committed = db.begin(Isolation::ReadCommitted);
        let repeatable = db.begin(Isolation::RepeatableRead);
        assert_eq!(
            (get(&committed, "k"), get(&repeatable, "k")),
            (Some("old".into()), Some("old".into()))
        );
        commit(db, &[("k", "new")]);
        assert_eq!(get(&committed, "k"), Some("old".into()), "the statement goes on with its snapshot");
        committed.refresh_snapshot().unwrap();
        repeatable.refresh_snapshot().unwrap();
        assert_eq!(
            (get(&committed, "k"), get(&repeatable, "k")),
            (Some("new".into()), Some("old".into()))
        );
        assert!(repeatable.changed_since_snapshot(b"k").unwrap());
        assert!(!committed.changed_since_snapshot(b"k").unwrap());
        assert_eq!(repeatable.get_latest(b"k").unwrap().as_deref(), Some(&b"new"[..]));
        repeatable.put(&b"k"[..], &b"mine"[..]).unwrap();
        assert_eq!(repeatable.commit(), Err(Error::Serialization));
    });
}

#[test]
fn write_skew_is_possible_below_serializable_only() {
    on_both(|db| {
        for (isolation, second) in [
            (Isolation::RepeatableRead, Ok(())),
            (Isolation::Serializable, Err(Error::Serialization)),
        ] {
            commit(db, &[("alice", "on call"), ("bob", "on call")]);
            let (first, other) = (db.begin(isolation), db.begin(isolation));
            for transaction in [&first, &other] {
                assert_eq!(get(transaction, "alice").as_deref(), Some("on call"));
                assert_eq!(get(transaction, "bob").as_deref(), Some("on call"));
            }
            first.put(&b"alice"[..], &b"off"[..]).unwrap();
            other.put(&b"bob"[..], &b"off"[..]).unwrap();
            assert_eq!(first.commit(), Ok(()));
            assert_eq!(other.commit(), second, "{isolation:?}");
        }
    });
}

#[test]
fn a_serializable_transaction_notices_phantoms_in_what_it_scanned_and_nowhere_else() {
    on_both(|db| {
        let scan_to = |high: &str| {
            let transaction = db.begin(Isolation::Serializable);
            let range = (Bound::Included(b"a".to_vec()), Bound::Excluded(high.as_bytes().to_vec()));
            assert_eq!(transaction.scan(range).unwrap().count(), 0);
            transaction.put(&b"result"[..], &b"0"[..]).unwrap();
            transaction
        };
        let (narrow, wide) = (scan_to("b"), scan_to("d"));
        commit(db, &[("c", "phantom")]);
        assert_eq!(narrow.commit(), Ok(()));
        assert_eq!(wide.commit(), Err(Error::Serialization));
        let read_only = db.begin(Isolation::Serializable);
        assert_eq!(get(&read_only, "c").as_deref(), Some("phantom"));
        commit(db, &[("c", "changed")]);
        assert_eq!(read_only.commit(), Ok(()), "a reader alone stands before whoever changed it later");
    });
}

#[test]
fn a_scan_that_stops_early_covers_only_what_it_read() {
    on_both(|db| {
        let rows: Vec<String> = (0..500).map(|i| format!("row {i:03}")).collect();
        commit(db, &rows.iter().map(|row| (row.as_str(), "")).collect::<Vec<_>>());
        for direction in [Direction::Forward, Direction::Backward] {
            for (changed, outcome) in [("row 499", Direction::Backward), ("row 000", Direction::Forward)] {
                let transaction = db.begin(Isolation::Serializable);
                assert_eq!(transaction.scan_in(everything(), direction).unwrap().take(3).count(), 3);
                transaction.put(&b"result"[..], &b""[..]).unwrap();
                commit(db, &[(changed, "changed")]);
                let expected = if outcome == direction { Err(Error::Serialization) } else { Ok(()) };
                // The result of the last round sorts before all rows.
                assert_eq!(transaction.commit(), expected, "{direction:?} {changed}");
            }
        }
    });
}

#[test]
fn a_statement_does_not_meet_the_rows_that_it_writes() {
    on_both(|db| {
        let rows: Vec<String> = (0..3000).map(|i| format!("{i:04}")).collect();
        commit(db, &rows.iter().map(|row| (row.as_str(), "0")).collect::<Vec<_>>());
        let transaction = db.begin(Isolation::ReadCommitted);
        let mut seen = 0;
        for entry in transaction.scan(everything()).unwrap() {
            let (key, value) = entry.unwrap();
            assert_eq!(&*value, b"0");
            transaction.put([&b"9"[..], &*key].concat(), &b"moved"[..]).unwrap();
            transaction.delete(key).unwrap();
            seen += 1;
        }
        assert_eq!(seen, 3000);
        assert_eq!(transaction.scan(everything()).unwrap().count(), 3000);
        transaction.commit().unwrap();
        let after = db.begin(Isolation::ReadCommitted);
        assert!(after.scan(everything()).unwrap().all(|entry| entry.unwrap().0.starts_with(b"9")));
        let backward: Vec<_> = after
            .scan_in(everything(), Direction::Backward)
            .unwrap()
            .map(|e| e.unwrap().0)
            .collect();
        assert!(backward.is_sorted_by(|a, b| a > b) && backward.len() == 3000);
    });
}

#[test]
fn a_scan_merges_more_own_writes_and_old_versions_than_fit_in_a_chunk() {
    const N: u32 = 20_000;
    on_both(|db| {
        let key = |i: u32| i.to_be_bytes().to_vec();
        let first = db.begin(Isolation::ReadCommitted);
        (0..N).step_by(2).for_each(|i| first.put(key(i), &b"old"[..]).unwrap());
        first.commit().unwrap();
        let reader = db.begin(Isolation::RepeatableRead);
        reader.refresh_snapshot().unwrap();
        let changer = db.begin(Isolation::ReadCommitted);
        for i in 0..N {
            if i % 4 == 0 {
                changer.delete(key(i)).unwrap()
            } else {
                changer.put(key(i), &b"new"[..]).unwrap()
            }
        }
        changer.commit().unwrap();
        // Own keys stand so close that they fill a chunk before the store's rows do.
        let between = |i: u32, j: u8| [&key(i)[..], &[j]].concat();
        for i in 0..N {
            if i % 5 == 0 {
                reader.put(key(i), &b"own"[..]).unwrap();
            }
            (0..4).for_each(|j| reader.put(between(i, j), &b"between"[..]).unwrap());
        }
        let expected: Vec<(Vec<u8>, &[u8])> = (0..N)
            .flat_map(|i| {
                let at = match (i % 5, i % 2) {
                    (0, _) => Some((key(i), &b"own"[..])),
                    (_, 0) => Some((key(i), &b"old"[..])),
                    _ => None,
                };
                at.into_iter().chain((0..4).map(move |j| (between(i, j), &b"between"[..])))
            })
            .collect();
        for direction in [Direction::Forward, Direction::Backward] {
            let mut found: Vec<_> = reader
                .scan_in(everything(), direction)
                .unwrap()
                .map(|entry| entry.unwrap())
                .collect();
            if direction == Direction::Backward {
                found.reverse();
            }
            assert!(
                found.iter().map(|(k, v)| (k.to_vec(), &**v)).eq(expected.iter().cloned()),
                "{direction:?}"
            );
        }
        drop(reader);
        assert_eq!(
            db.stats().unwrap().history_keys,
            0,
            "old versions go with the last snapshot that needs them"
        );
    });
}

#[test]
fn money_is_neither_made_nor_lost_and_every_snapshot_adds_up() {
    const ACCOUNTS: u64 = 20;
    const EACH: i64 = 100;
    on_both(|db| {
        let account = |i: u64| [&b"account"[..], &i.to_be_bytes()].concat();
        let setup = db.begin(Isolation::ReadCommitted);
        (0..ACCOUNTS).for_each(|i| setup.put(account(i), EACH.to_be_bytes().to_vec()).unwrap());
        setup.commit().unwrap();
        let (stop, refused, done) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
        let transfer = |isolation: Isolation, from: u64, to: u64| -> Result<(), Error> {
            let transaction = db.begin(isolation);
            transaction.refresh_snapshot()?;
            // READ COMMITTED rests on everybody taking the locks.
            transaction.lock(&account(from), LockMode::Exclusive, &())?;
            transaction.lock(&account(to), LockMode::Exclusive, &())?;
            transaction.refresh_snapshot()?;
            let (a, b) = (number(transaction.get(&account(from))?), number(transaction.get(&account(to))?));
            transaction.put(account(from), (a - 1).to_be_bytes().to_vec())?;
            transaction.put(account(to), (b + 1).to_be_bytes().to_vec())?;
            transaction.commit()
        };
        std::thread::scope(|scope| {
            let _stop = StopOnDrop(&stop);
            for (thread, isolation) in [
                Isolation::ReadCommitted,
                Isolation::ReadCommitted,
                Isolation::RepeatableRead,
                Isolation::Serializable,
            ]
            .into_iter()
            .enumerate()
            {
                let (stop, refused, done) = (&stop, &refused, &done);
                scope.spawn(move || {
                    let mut n = thread as u64;
                    while !stop.load(Ordering::Relaxed) {
                        n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                        let (from, to) = ((n >> 33) % ACCOUNTS, (n >> 40) % ACCOUNTS);
                        if from == to {
                            continue;
                        }
                        match transfer(isolation, from, to) {
                            Ok(()) => done.fetch_add(1, Ordering::Relaxed),
                            Err(Error::Serialization | Error::Deadlock { .. }) => refused.fetch_add(1, Ordering::Relaxed),
                            Err(error) => panic!("{error}"),
                        };
                    }
                });
            }
            let end = Instant::now() + Duration::from_millis(800);
            while Instant::now() < end {
                let reader = db.begin(Isolation::RepeatableRead);
                let by_key: i64 = (0..ACCOUNTS).map(|i| number(reader.get(&account(i)).unwrap())).sum();
                let by_scan: i64 = reader.scan(everything()).unwrap().map(|entry| number(Some(entry.unwrap().1))).sum();
                assert_eq!((by_key, by_scan), (EACH * ACCOUNTS as i64, EACH * ACCOUNTS as i64));
            }
        });
        assert!(done.load(Ordering::Relaxed) > 100, "{done:?} transfers, {refused:?} refused");
        let stats = db.stats().unwrap();
        assert_eq!((stats.open_snapshots, stats.locked_keys), (0, 0));
    });
}

#[test]
fn a_deadlock_ends_with_an_error_for_one_and_success_for_the_other() {
    on_both(|db| {
        let barrier = &std::sync::Barrier::new(2);
        let outcomes: Vec<Result<(), Error>> = std::thread::scope(|scope| {
            let threads: Vec<_> = [(b"a", b"b"), (b"b", b"a")]
                .into_iter()
                .map(|(first, second)| {
                    scope.spawn(move || {
                        let transaction = db.begin(Isolation::ReadCommitted);
                        transaction.lock(first, LockMode::Exclusive, &())?;
                        barrier.wait();
                        transaction.lock(second, LockMode::Exclusive, &())?;
                        transaction.commit()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let deadlocks: Vec<SqlError> = outcomes.iter().filter_map(|o| o.clone().err()).map(SqlError::from).collect();
        assert_eq!(deadlocks.len(), 1, "{outcomes:?}");
        assert_eq!(
            (deadlocks[0].state(), deadlocks[0].message()),
            (SqlState::TRDeadlockDetected, "deadlock detected")
        );
        assert_eq!(db.stats().unwrap().locked_keys, 0);
    });
}

struct CancelAfter(Instant);

impl WaitControl for CancelAfter {
    fn poll(&self) -> Result<(), SqlError> {
        if Instant::now() < self.0 {
            Ok(())
        } else {
            Err(SqlError::new(SqlState::LockNotAvailable, "canceling statement due to lock timeout"))
        }
    }
}

#[test]
fn what_was_locked_since_a_savepoint_is_let_go_and_what_before_is_held_as_it_was() {
    on_both(|db| {
        let one = db.begin(Isolation::ReadCommitted);
        let two = db.begin(Isolation::ReadCommitted);
        let free = |key: &[u8], mode| db.begin(Isolation::ReadCommitted).try_lock(key, mode).unwrap();
        one.lock(b"alone", LockMode::Exclusive, &()).unwrap();
        one.lock(b"shared", LockMode::Shared, &()).unwrap();
        let outer = one.savepoint().unwrap();
        one.lock(b"shared", LockMode::Exclusive, &()).unwrap();
        one.lock(b"alone", LockMode::Shared, &()).unwrap();
        one.lock(b"new", LockMode::Shared, &()).unwrap();
        let inner = one.savepoint().unwrap();
        one.lock(b"new", LockMode::Exclusive, &()).unwrap();
        one.lock(b"newer", LockMode::Exclusive, &()).unwrap();

        one.unlock_to(inner).unwrap();
        assert!(free(b"newer", LockMode::Exclusive));
        assert!(free(b"new", LockMode::Shared) && !free(b"new", LockMode::Exclusive));
        assert!(!free(b"shared", LockMode::Shared));
        // What is released belongs to the savepoint around it.
        one.lock(b"newer", LockMode::Exclusive, &()).unwrap();
        one.release(inner).unwrap();
        assert!(!free(b"newer", LockMode::Shared));

        one.unlock_to(outer).unwrap();
        assert!(free(b"newer", LockMode::Exclusive) && free(b"new", LockMode::Exclusive));
        assert!(!free(b"alone", LockMode::Shared));
        assert!(free(b"shared", LockMode::Shared) && !free(b"shared", LockMode::Exclusive));
        // It stays, as the savepoint does.
        one.lock(b"new", LockMode::Exclusive, &()).unwrap();
        one.unlock_to(outer).unwrap();
        assert!(free(b"new", LockMode::Exclusive));
        one.release(outer).unwrap();
        one.lock(b"new", LockMode::Exclusive, &()).unwrap();
        one.rollback();
        assert!(two.try_lock(b"new", LockMode::Exclusive).unwrap() && two.try_lock(b"shared", LockMode::Exclusive).unwrap());
        assert!(two.unlock_to(outer).is_err(), "somebody else's savepoint");
    });
}

#[test]
fn whoever_waits_to_share_gets_what_is_shared_again() {
    on_both(|db| {
        let one = db.begin(Isolation::ReadCommitted);
        one.lock(b"k", LockMode::Shared, &()).unwrap();
        let savepoint = one.savepoint().unwrap();
        one.lock(b"k", LockMode::Exclusive, &()).unwrap();
        let two = db.begin(Isolation::ReadCommitted);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| two.lock(b"k", LockMode::Shared, &()));
            one.unlock_to(savepoint).unwrap();
            waiting.join().unwrap().unwrap();
        });
    });
}

#[test]
fn a_wait_for_a_lock_ends_when_it_is_cancelled() {
    on_both(|db| {
        let holder = db.begin(Isolation::ReadCommitted);
        holder.lock(b"row", LockMode::Exclusive, &()).unwrap();
        let waiter = db.begin(Isolation::ReadCommitted);
        assert!(!waiter.try_lock(b"row", LockMode::Shared).unwrap());
        let start = Instant::now();
        let error = SqlError::from(
            waiter
                .lock(b"row", LockMode::Shared, &CancelAfter(start + Duration::from_millis(40)))
                .unwrap_err(),
        );
        assert_eq!(error.state(), SqlState::LockNotAvailable);
        assert!((40..500).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
        // The locks of what is undone to be done again stay; those of a transaction go with it.
        let savepoint = waiter.savepoint().unwrap();
        waiter.lock(b"other", LockMode::Exclusive, &()).unwrap();
        waiter.rollback_to(savepoint).unwrap();
        assert!(!holder.try_lock(b"other", LockMode::Exclusive).unwrap());
        drop(waiter);
        assert!(holder.try_lock(b"other", LockMode::Exclusive).unwrap());
        drop(holder);
        assert_eq!(db.stats().unwrap().locked_keys, 0);
    });
}

#[test]
fn whoever_waited_for_a_row_sees_what_was_committed_to_it() {
    on_both(|db| {
        let count = |isolation| {
            let transaction = db.begin(isolation);
            transaction.lock(b"counter", LockMode::Exclusive, &()).unwrap();
            transaction.refresh_snapshot().unwrap();
            let n = number(transaction.get(b"counter").unwrap());
            transaction.put(&b"counter"[..], (n + 1).to_be_bytes().to_vec()).unwrap();
            transaction.commit().unwrap();
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..200).for_each(|_| count(Isolation::ReadCommitted)));
            }
        });
        assert_eq!(number(db.begin(Isolation::ReadCommitted).get(b"counter").unwrap()), 800);
    });
}

#[test]
fn whoever_waited_for_a_lock_finds_done_what_the_commit_did_last() {
    on_both(|db| {
        let done = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let transaction = db.begin(Isolation::ReadCommitted);
                        transaction.lock(b"catalog", LockMode::Exclusive, &()).unwrap();
                        let before = done.load(Ordering::SeqCst);
                        transaction.put(b"catalog", &before.to_be_bytes()).unwrap();
                        // What was looked at under the lock is what is there still: nobody's change is lost.
                        transaction.commit_and(|| done.store(before + 1, Ordering::SeqCst)).unwrap();
                    }
                });
            }
        });
        assert_eq!(done.load(Ordering::SeqCst), 200);
        // Nothing is done for a commit that has failed.
        let ended = db.begin(Isolation::ReadCommitted);
        ended.rollback();
        ended.commit_and(|| done.store(0, Ordering::SeqCst)).unwrap_err();
        assert_eq!(done.load(Ordering::SeqCst), 200);
    });
}

#[test]
fn records_of_a_log_are_numbered_without_gaps_and_found_again() {
    for kind in StoreKind::ALL {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(folder.path(), kind).unwrap();
        let log = db.append_log("audit").unwrap();
        assert_eq!((log.last_id(), log.next_id()), (0, 1));
        std::thread::scope(|scope| {
            for thread in 0..4u8 {
                let log = &log;
                scope.spawn(move || {
                    for i in 0..100u8 {
                        let ticket = log.append(vec![vec![thread, i, 0], vec![thread, i, 1]]);
                        if i % 3 == 0 {
                            ticket.wait().unwrap();
                            assert!(log.last_id() >= ticket.ids().end - 1);
                            let mine: Vec<Vec<u8>> = log.read(ticket.ids()).map(|r| r.unwrap().1.to_vec()).collect();
                            assert_eq!(mine, vec![vec![thread, i, 0], vec![thread, i, 1]]);
                        }
                    }
                });
            }
        });
        db.append_log("other").unwrap().append(vec![vec![9]]).wait().unwrap();
        assert_eq!(log.last_id(), 800, "one wait covers everything before it");
        drop((db, log));
        let db = Db::open(folder.path(), kind).unwrap();
        let log = db.append_log("audit").unwrap();
        assert_eq!(
            log.read(..).map(|r| r.unwrap().0).collect::<Vec<_>>(),
            (1..=800).collect::<Vec<_>>()
        );
        assert_eq!(log.read(5..7).map(|r| r.unwrap().0).collect::<Vec<_>>(), vec![5, 6]);
        assert_eq!(log.read(801..).count(), 0);
        assert_eq!(log.append(vec![vec![0]]).ids(), 801..802);
    }
}

#[test]
fn the_oldest_records_of_a_log_can_be_removed_and_no_others() {
    for kind in StoreKind::ALL {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(folder.path(), kind).unwrap();
        let log = db.append_log("audit").unwrap();
        assert_eq!(log.remove_before(5), Ok(0), "there is nothing yet");
        let records = (0..2000u16).map(|i| i.to_be_bytes().to_vec()).collect();
        log.append(records).wait().unwrap();
        db.append_log("other").unwrap().append(vec![vec![9]; 10]).wait().unwrap();
        let ids = |log: &storage::AppendLog| log.read(..).map(|r| r.unwrap().0).collect::<Vec<_>>();

        let mut begun = log.read(..);
        assert_eq!(begun.next().unwrap().unwrap().0, 1);
        assert_eq!(log.remove_before(1500), Ok(1499));
        assert_eq!(log.remove_before(1500), Ok(0));
        let rest: Vec<u64> = begun.map(|r| r.unwrap().0).collect();
        assert!(
            rest.ends_with(&(1500..=2000).collect::<Vec<_>>()),
            "a reader goes on where the log begins now"
        );
        assert_eq!((log.first_id(), log.last_id(), log.next_id()), (1500, 2000, 2001));
        assert_eq!(ids(&log), (1500..=2000).collect::<Vec<_>>());
        assert_eq!(log.get(1499), Ok(None));
        assert_eq!(&*log.get(1500).unwrap().unwrap(), &1499u16.to_be_bytes());
        assert_eq!(db.append_log("other").unwrap().read(..).count(), 10);

        drop((db, log));
        let db = Db::open(folder.path(), kind).unwrap();
        let log = db.append_log("audit").unwrap();
        assert_eq!(ids(&log), (1500..=2000).collect::<Vec<_>>());
        // The newest one stays, because numbers go on from it.
        assert_eq!(log.remove_before(u64::MAX), Ok(500));
        assert_eq!(ids(&log), vec![2000]);
        assert_eq!(log.append(vec![vec![0]]).ids(), 2001..2002);
    }
}

#[test]
fn a_record_that_nobody_waits_for_is_written_soon() {
    on_both(|db| {
        let log = db.append_log("lazy").unwrap();
        let _ = log.append(vec![vec![1]]);
        let start = Instant::now();
        while log.last_id() == 0 {
            assert!(start.elapsed() < Duration::from_secs(5));
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    for kind in StoreKind::ALL {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(folder.path(), kind).unwrap();
        let _ = db.append_log("last words").unwrap().append(vec![vec![1]]);
        drop(db);
        let db = Db::open(folder.path(), kind).unwrap();
        assert_eq!(db.append_log("last words").unwrap().last_id(), 1, "closing writes what is queued");
    }
}

#[test]
fn commits_of_many_threads_share_their_syncs() {
    on_both(|db| {
        std::thread::scope(|scope| {
            for thread in 0..8u8 {
                scope.spawn(move || {
                    for i in 0..100u8 {
                        let transaction = db.begin(Isolation::ReadCommitted);
                        transaction.put(&[1, thread, i], vec![i]).unwrap();
                        transaction.commit().unwrap();
                        assert_eq!(
                            db.begin(Isolation::ReadCommitted).get(&[1, thread, i]).unwrap().as_deref(),
                            Some(&[i][..])
                        );
                    }
                });
            }
        });
        let commits = db.stats().unwrap().commits;
        assert!((1..=800).contains(&commits), "{commits}");
        assert_eq!(db.begin(Isolation::ReadCommitted).scan(everything()).unwrap().count(), 800);
    });
}

#[test]
fn blind_writes_to_one_key_at_the_same_time_leave_one_of_them() {
    on_both(|db| {
        std::thread::scope(|scope| {
            for thread in 0..8u8 {
                scope.spawn(move || {
                    for i in 0..100u8 {
                        let transaction = db.begin(Isolation::ReadCommitted);
                        transaction.put(&b"x"[..], vec![thread, i]).unwrap();
                        transaction.put(&b"y"[..], vec![thread, i]).unwrap();
                        transaction.commit().unwrap();
                        let reader = db.begin(Isolation::RepeatableRead);
                        assert_eq!(reader.get(b"x").unwrap(), reader.get(b"y").unwrap());
                    }
                });
            }
        });
        assert_eq!(db.stats().unwrap().history_keys, 0);
    });
}

#[test]
fn keys_and_values_have_limits_and_come_back_whole_below_them() {
    for kind in StoreKind::ALL {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(folder.path(), kind).unwrap();
        let transaction = db.begin(Isolation::ReadCommitted);
        let error = SqlError::from(transaction.put(vec![1; MAX_KEY_BYTES + 1], vec![]).unwrap_err());
        assert_eq!(error.state(), SqlState::ProgramLimitExceeded);
        assert!(matches!(transaction.put(vec![], vec![]), Err(Error::NotAKey(_))));
        assert_eq!(transaction.get(&[1; MAX_KEY_BYTES + 1]), Ok(None));
        let big: Vec<u8> = (0..20_000_000u32).map(|i| (i / 7) as u8).collect();
        transaction.put(vec![1; MAX_KEY_BYTES], b"long key").unwrap();
        transaction.put(vec![2], big.clone()).unwrap();
        transaction.put(vec![3], vec![]).unwrap();
        transaction.commit().unwrap();
        drop(transaction);
        drop(db);
        let db = Db::open(folder.path(), kind).unwrap();
        let transaction = db.begin(Isolation::ReadCommitted);
        assert_eq!(transaction.get(&[1; MAX_KEY_BYTES]).unwrap().as_deref(), Some(&b"long key"[..]));
        assert!(transaction.get(&[2]).unwrap().as_deref() == Some(&big[..]), "20 MB come back");
        assert_eq!(transaction.get(&[3]).unwrap().as_deref(), Some(&[][..]));
        assert_eq!(transaction.scan(everything()).unwrap().count(), 3);
    }
}

#[test]
fn a_transaction_that_ended_does_nothing_more() {
    on_both(|db| {
        let transaction = db.begin(Isolation::ReadCommitted);
        let mut scan = transaction.scan(everything()).unwrap();
        transaction.put(&b"k"[..], &b"v"[..]).unwrap();
        transaction.rollback();
        assert_eq!(scan.next(), Some(Err(Error::TransactionEnded)));
        assert_eq!(scan.next(), None);
        assert_eq!(transaction.put(&b"k"[..], &b"v"[..]), Err(Error::TransactionEnded));
        assert_eq!(transaction.lock(b"k", LockMode::Shared, &()), Err(Error::TransactionEnded));
        assert_eq!(transaction.commit(), Err(Error::TransactionEnded));
        let other = db.begin(Isolation::ReadCommitted);
        let savepoint = other.savepoint().unwrap();
        assert_eq!(
            db.begin(Isolation::ReadCommitted).rollback_to(savepoint),
            Err(Error::NoSuchSavepoint)
        );
        assert_eq!(get(&other, "k"), None);
    });
}

#[test]
fn a_folder_belongs_to_one_store_and_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(folder.path(), StoreKind::Sled).unwrap();
    commit(&db, &[("k", "v")]);
    assert_eq!(
        Db::open(folder.path(), StoreKind::Sled).err().map(|e| SqlError::from(e).state()),
        Some(SqlState::LockFileExists)
    );
    drop(db);
    let error = SqlError::from(Db::open(folder.path(), StoreKind::Fjall).err().unwrap());
    assert_eq!(error.fields().hint.as_deref(), Some("Start with --store sled."));
    let db = Db::open(folder.path(), StoreKind::Sled).unwrap();
    assert_eq!(get(&db.begin(Isolation::ReadCommitted), "k").as_deref(), Some("v"));
}
