//! How many durable commits a second each store makes, beside what the disk allows, and what the
//! hot operations cost. `cargo bench --workspace --bench durable_commits`

use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use storage::{Db, Isolation, LockMode, StoreKind};

const RUN: Duration = Duration::from_secs(2);
const ROWS: u64 = 200_000;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let folder = tempfile::tempdir()?;
    let raw = raw(folder.path())?;
    for kind in StoreKind::ALL {
        let db = Db::open(&folder.path().join(kind.name()), kind)?;
        for threads in [1, 8] {
            commits(&db, kind, threads, raw)?;
        }
        log(&db, kind, raw)?;
        load(&db, kind)?;
        operations(&db, kind)?;
    }
    Ok(())
}

/// Appends to a file and syncs it: the most that one writer without group commit can do.
fn raw(folder: &Path) -> Result<f64, Box<dyn std::error::Error>> {
    let mut file = File::create(folder.join("raw"))?;
    file.set_len(64 << 20)?;
    file.sync_all()?;
    let start = Instant::now();
    let mut count = 0u64;
    while start.elapsed() < RUN {
        file.write_all(&[7; 200])?;
        file.sync_data()?;
        count += 1;
    }
    report("raw fdatasync loop", count, start.elapsed());
    Ok(count as f64 / start.elapsed().as_secs_f64())
}

/// One put per transaction under a row lock, as an INSERT does it.
fn commits(db: &Db, kind: StoreKind, threads: u64, raw: f64) -> Outcome {
    let stop = AtomicBool::new(false);
    let total = AtomicU64::new(0);
    let groups = db.stats()?.commits;
    let start = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (stop, total) = (&stop, &total);
            scope.spawn(move || {
                let mut count = 0u64;
                while !stop.load(Ordering::Relaxed) {
                    let key = [&[threads as u8, thread as u8][..], &count.to_be_bytes()].concat();
                    let transaction = db.begin(Isolation::ReadCommitted);
                    transaction
                        .lock(&key, LockMode::Exclusive, &())
                        .expect("nobody else wants this key");
                    transaction.put(key, vec![7; 100]).expect("the key is fine");
                    transaction.commit().expect("the disk is fine");
                    count += 1;
                }
                total.fetch_add(count, Ordering::Relaxed);
            });
        }
        std::thread::sleep(RUN);
        stop.store(true, Ordering::Relaxed);
    });
    let total = total.load(Ordering::Relaxed);
    let elapsed = start.elapsed();
    report(&format!("{kind}: durable commits, {threads} threads"), total, elapsed);
    ratio(total, elapsed, raw);
    println!(
        "{:56}{:10.1} transactions a sync",
        "",
        total as f64 / (db.stats()?.commits - groups) as f64
    );
    Ok(())
}

fn log(db: &Db, kind: StoreKind, raw: f64) -> Outcome {
    let log = db.append_log("bench")?;
    let start = Instant::now();
    let mut count = 0u64;
    while start.elapsed() < RUN {
        log.append(vec![vec![7; 200]]).wait()?;
        count += 1;
    }
    let elapsed = start.elapsed();
    report(&format!("{kind}: durable log records, 1 thread"), count, elapsed);
    ratio(count, elapsed, raw);
    Ok(())
}

fn row(id: u64) -> Vec<u8> {
    [
        &b"row "[..],
        &(id.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes(),
        &id.to_be_bytes(),
    ]
    .concat()
}

fn load(db: &Db, kind: StoreKind) -> Outcome {
    let start = Instant::now();
    for chunk in 0..ROWS / 1000 {
        let transaction = db.begin(Isolation::ReadCommitted);
        for id in chunk * 1000..(chunk + 1) * 1000 {
            transaction.put(row(id), vec![id as u8; 100])?;
        }
        transaction.commit()?;
    }
    report(&format!("{kind}: load, rows in transactions of 1000"), ROWS, start.elapsed());
    Ok(())
}

fn operations(db: &Db, kind: StoreKind) -> Outcome {
    let mut id = 1;
    let mut next = || {
        id = (id * 7919 + 1) % ROWS;
        row(id)
    };
    measure(&format!("{kind}: begin, get, drop"), 200_000, || {
        let transaction = db.begin(Isolation::ReadCommitted);
        black_box(transaction.get(&next())?);
        Ok(())
    })?;
    let transaction = db.begin(Isolation::ReadCommitted);
    measure(&format!("{kind}: get"), 200_000, || {
        black_box(transaction.get(&next())?);
        Ok(())
    })?;
    measure(&format!("{kind}: get of a missing key"), 200_000, || {
        let mut key = next();
        key.push(0);
        black_box(transaction.get(&key)?);
        Ok(())
    })?;
    drop(transaction);
    measure(&format!("{kind}: begin, drop"), 1_000_000, || {
        black_box(db.begin(Isolation::ReadCommitted));
        Ok(())
    })?;
    let key = row(1);
    measure(&format!("{kind}: begin, lock, drop (unlocks)"), 1_000_000, || {
        db.begin(Isolation::ReadCommitted).lock(&key, LockMode::Exclusive, &())?;
        Ok(())
    })?;
    let transaction = db.begin(Isolation::ReadCommitted);
    let start = Instant::now();
    let (lower, upper) = storage::key::prefix_range(b"row ");
    let rows = transaction.scan((lower, upper))?.try_fold(0u64, |n, entry| entry.map(|_| n + 1))?;
    report(&format!("{kind}: scan, rows"), rows, start.elapsed());
    Ok(())
}

fn measure(what: &str, times: u64, mut act: impl FnMut() -> Outcome) -> Outcome {
    let start = Instant::now();
    for _ in 0..times {
        act()?;
    }
    println!("{what:56}{:10.0} ns", start.elapsed().as_nanos() as f64 / times as f64);
    Ok(())
}

fn ratio(count: u64, time: Duration, raw: f64) {
    println!("{:56}{:10.2} of the raw loop", "", count as f64 / time.as_secs_f64() / raw);
}

fn report(what: &str, count: u64, time: Duration) {
    println!("{what:56}{:10.0} /s", count as f64 / time.as_secs_f64());
}
