//! Row locks: shared or exclusive, held by transactions until they end or return to a savepoint, in memory only.
//!
//! The life of a lock: a transaction asks for a key; if nobody stands in the way, it holds it at
//! once. Otherwise it joins the key's queue, and first looks whether the transactions that it would
//! wait for wait, directly or through others, for itself: then one of them has to give up, and it is
//! the one that asked last. A waiter wakes when the lock is handed to it, and now and then to ask its
//! [`WaitControl`] whether it should go on waiting.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};
use types::SqlError;

use crate::{Bytes, Error};

/// How often a waiter asks whether it should go on. A cancel request has 100 ms to take effect.
const POLL_INTERVAL: Duration = Duration::from_millis(25);

/// A waiter looks for a circle again after this many polls. The look when it started to wait finds
/// every circle; this one is there in case that sentence is wrong.
const POLLS_BETWEEN_DEADLOCK_CHECKS: u32 = 40;

const SHARDS: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LockMode {
    Shared,
    Exclusive,
}

impl LockMode {
    /// As PostgreSQL names the locks of rows.
    fn name(self) -> &'static str {
        match self {
            LockMode::Shared => "ShareLock",
            LockMode::Exclusive => "ExclusiveLock",
        }
    }
}

/// What a waiting transaction asks from time to time.
pub trait WaitControl {
    /// Err ends the wait and is passed on: a cancel request, a timeout, a shutdown.
    fn poll(&self) -> Result<(), SqlError>;
}

/// Waits as long as it takes.
impl WaitControl for () {
    fn poll(&self) -> Result<(), SqlError> {
        Ok(())
    }
}

pub(crate) type TransactionId = u64;

pub(crate) struct Locks {
    shards: Box<[Mutex<HashMap<Bytes, Entry>>]>,
    hasher: RandomState,
    /// For which keys each waiting transaction waits (several, if several threads work for it).
    /// Nobody starts to wait without this lock, so whoever holds it sees all edges of the graph of
    /// waits; it is taken before a shard's lock.
    waiting: Mutex<HashMap<TransactionId, Vec<Bytes>>>,
}

struct Entry {
    mode: LockMode,
    /// One holder, or several if shared.
    holder: TransactionId,
    more_holders: Vec<TransactionId>,
    queue: VecDeque<Arc<Waiter>>,
}

struct Waiter {
    transaction: TransactionId,
    mode: LockMode,
    /// Holds the key shared already and wants it alone.
    upgrade: bool,
    granted: Mutex<bool>,
    wake: Condvar,
}

impl Entry {
    fn held_by(holder: TransactionId, mode: LockMode) -> Entry {
        Entry {
            mode,
            holder,
            more_holders: Vec::new(),
            queue: VecDeque::new(),
        }
    }

    fn holds(&self, transaction: TransactionId) -> bool {
        self.holder == transaction || self.more_holders.contains(&transaction)
    }

    fn holders(&self) -> impl Iterator<Item = TransactionId> + '_ {
        std::iter::once(self.holder).chain(self.more_holders.iter().copied())
    }

    fn try_acquire(&mut self, transaction: TransactionId, mode: LockMode) -> bool {
        if self.holds(transaction) {
            match (self.mode, mode) {
                (LockMode::Exclusive, _) | (_, LockMode::Shared) => return true,
                (LockMode::Shared, LockMode::Exclusive) => {
                    let alone = self.more_holders.is_empty();
                    if alone {
                        self.mode = LockMode::Exclusive;
                    }
                    return alone;
                }
            }
        }
        // Those who wait already go first, or a stream of readers would starve a writer.
        if self.mode == LockMode::Shared && mode == LockMode::Shared && self.queue.is_empty() {
            self.more_holders.push(transaction);
            return true;
        }
        false
    }

    /// Removes a holder; false if nobody is left to hold or wait.
    fn release(&mut self, transaction: TransactionId) -> bool {
        if self.holder == transaction {
            match self.more_holders.pop() {
                Some(other) => self.holder = other,
                None => {
                    let Some(next) = self.queue.pop_front() else { return false };
                    self.holder = next.transaction;
                    self.mode = next.mode;
                    next.grant();
                }
            }
        } else {
            self.more_holders.retain(|holder| *holder != transaction);
        }
        self.grant_waiters();
        true
    }

    fn grant_waiters(&mut self) {
        while let Some(next) = self.queue.front() {
            let compatible = if next.upgrade {
                self.more_holders.is_empty() && self.holder == next.transaction
            } else {
                self.mode == LockMode::Shared && next.mode == LockMode::Shared
            };
            if !compatible {
                break;
            }
            if next.upgrade {
                self.mode = LockMode::Exclusive;
            } else {
                self.more_holders.push(next.transaction);
            }
            next.grant();
            self.queue.pop_front();
        }
    }

    fn blockers(&self, waiter: TransactionId) -> Vec<TransactionId> {
        let Some(place) = self.queue.iter().position(|w| w.transaction == waiter) else {
            return Vec::new();
        };
        let mode = self.queue[place].mode;
        let conflicts = |other: LockMode| mode == LockMode::Exclusive || other == LockMode::Exclusive;
        let holders = self.holders().filter(|_| conflicts(self.mode));
        let ahead = self.queue.iter().take(place).filter(|w| conflicts(w.mode)).map(|w| w.transaction);
        holders.chain(ahead).filter(|other| *other != waiter).collect()
    }
}

impl Waiter {
    fn grant(&self) {
        *self.granted.lock() = true;
        self.wake.notify_one();
    }
}

impl Locks {
    pub fn new() -> Locks {
        Locks {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            waiting: Mutex::default(),
        }
    }

    /// Takes the lock if nobody stands in the way. Asking for what is held already succeeds.
    pub fn try_acquire(&self, transaction: TransactionId, key: &Bytes, mode: LockMode) -> bool {
        let mut shard = self.shard(key);
        match shard.get_mut(&**key) {
            Some(entry) => entry.try_acquire(transaction, mode),
            None => {
                shard.insert(key.clone(), Entry::held_by(transaction, mode));
                true
            }
        }
    }

    /// Takes the lock, waiting for it if need be.
    pub fn acquire(&self, transaction: TransactionId, key: &Bytes, mode: LockMode, control: &dyn WaitControl) -> Result<(), Error> {
        if self.try_acquire(transaction, key, mode) {
            return Ok(());
        }
        control.poll().map_err(Error::Interrupted)?;
        let Some(waiter) = self.start_waiting(transaction, key, mode)? else {
            return Ok(());
        };
        let outcome = self.wait(&waiter, key, control);
        self.forget_wait(&mut self.waiting.lock(), transaction, key);
        outcome
    }

    pub fn release(&self, transaction: TransactionId, key: &Bytes) {
        let mut shard = self.shard(key);
        let Some(entry) = shard.get_mut(&**key) else { return };
        if entry.holds(transaction) && !entry.release(transaction) {
            shard.remove(&**key);
            if shard.capacity() > 1024 && shard.len() * 8 < shard.capacity() {
                shard.shrink_to_fit();
            }
        }
    }

    /// Shares a key that was held alone.
    pub fn downgrade(&self, transaction: TransactionId, key: &Bytes) {
        if let Some(entry) = self.shard(key).get_mut(&**key)
            && entry.holder == transaction
            && entry.mode == LockMode::Exclusive
        {
            entry.mode = LockMode::Shared;
            entry.grant_waiters();
        }
    }

    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    fn shard(&self, key: &Bytes) -> MutexGuard<'_, HashMap<Bytes, Entry>> {
        let hash = self.hasher.hash_one(&**key);
        self.shards[(hash as usize) % SHARDS].lock()
    }

    /// Joins the queue unless the lock came free meanwhile (None) or the wait would never end.
    fn start_waiting(&self, transaction: TransactionId, key: &Bytes, mode: LockMode) -> Result<Option<Arc<Waiter>>, Error> {
        let mut waiting = self.waiting.lock();
        let mut shard = self.shard(key);
        let entry = match shard.get_mut(&**key) {
            Some(entry) => entry,
            None => {
                shard.insert(key.clone(), Entry::held_by(transaction, mode));
                return Ok(None);
            }
        };
        if entry.try_acquire(transaction, mode) {
            return Ok(None);
        }
        let upgrade = entry.holds(transaction);
        let waiter = Arc::new(Waiter {
            transaction,
            mode,
            upgrade,
            granted: Mutex::new(false),
            wake: Condvar::new(),
        });
        if upgrade {
            // Nobody in the queue can get the key before this one gives up its share of it.
            entry.queue.push_front(waiter.clone());
        } else {
            entry.queue.push_back(waiter.clone());
        }
        drop(shard);
        waiting.entry(transaction).or_default().push(key.clone());
        if let Some(circle) = self.find_circle(&waiting, transaction) {
            if self.leave_queue(&waiter, key) {
                self.forget_wait(&mut waiting, transaction, key);
                return Err(self.deadlock(&waiting, &circle, mode));
            }
            // The lock was handed over between the two looks, so there was no circle.
            self.forget_wait(&mut waiting, transaction, key);
            return Ok(None);
        }
        Ok(Some(waiter))
    }

    fn wait(&self, waiter: &Arc<Waiter>, key: &Bytes, control: &dyn WaitControl) -> Result<(), Error> {
        let mut polls = 0;
        loop {
            let mut granted = waiter.granted.lock();
            if !*granted {
                waiter.wake.wait_for(&mut granted, POLL_INTERVAL);
            }
            if *granted {
                return Ok(());
            }
            drop(granted);
            let mut verdict = control.poll().map_err(Error::Interrupted);
            polls += 1;
            if verdict.is_ok() && polls % POLLS_BETWEEN_DEADLOCK_CHECKS == 0 {
                let waiting = self.waiting.lock();
                if let Some(circle) = self.find_circle(&waiting, waiter.transaction) {
                    verdict = Err(self.deadlock(&waiting, &circle, waiter.mode));
                }
            }
            // A lock that was granted while we looked is ours, whatever the verdict: take it.
            if verdict.is_err() && self.leave_queue(waiter, key) {
                return verdict;
            }
        }
    }

    /// False if the lock was granted before.
    fn leave_queue(&self, waiter: &Arc<Waiter>, key: &Bytes) -> bool {
        let mut shard = self.shard(key);
        if *waiter.granted.lock() {
            return false;
        }
        if let Some(entry) = shard.get_mut(&**key) {
            entry.queue.retain(|other| !Arc::ptr_eq(other, waiter));
            entry.grant_waiters();
        }
        true
    }

    fn forget_wait(&self, waiting: &mut HashMap<TransactionId, Vec<Bytes>>, transaction: TransactionId, key: &Bytes) {
        if let Some(keys) = waiting.get_mut(&transaction) {
            if let Some(place) = keys.iter().position(|k| k == key) {
                keys.swap_remove(place);
            }
            if keys.is_empty() {
                waiting.remove(&transaction);
            }
        }
    }

    /// A path from `start` over the transactions that each one waits for back to `start`.
    fn find_circle(&self, waiting: &HashMap<TransactionId, Vec<Bytes>>, start: TransactionId) -> Option<Vec<TransactionId>> {
        let mut seen = HashSet::new();
        let mut path = vec![start];
        let mut open = vec![self.waits_for(waiting, start)];
        while let Some(candidates) = open.last_mut() {
            match candidates.pop() {
                Some(next) if next == start => return Some(path),
                Some(next) => {
                    if seen.insert(next) {
                        path.push(next);
                        open.push(self.waits_for(waiting, next));
                    }
                }
                None => {
                    open.pop();
                    path.pop();
                }
            }
        }
        None
    }

    fn waits_for(&self, waiting: &HashMap<TransactionId, Vec<Bytes>>, transaction: TransactionId) -> Vec<TransactionId> {
        let Some(keys) = waiting.get(&transaction) else { return Vec::new() };
        keys.iter()
            .flat_map(|key| {
                self.shard(key)
                    .get(&**key)
                    .map(|entry| entry.blockers(transaction))
                    .unwrap_or_default()
            })
            .collect()
    }

    fn deadlock(&self, waiting: &HashMap<TransactionId, Vec<Bytes>>, circle: &[TransactionId], mode: LockMode) -> Error {
        let mut lines = Vec::new();
        for (i, transaction) in circle.iter().enumerate() {
            let blocker = circle[(i + 1) % circle.len()];
            let mode = if i == 0 { mode } else { self.wanted_mode(waiting, *transaction) };
            lines.push(format!(
                "Transaction {transaction} waits for {} on a row; blocked by transaction {blocker}.",
                mode.name()
            ));
        }
        Error::Deadlock { detail: lines.join("\n") }
    }

    fn wanted_mode(&self, waiting: &HashMap<TransactionId, Vec<Bytes>>, transaction: TransactionId) -> LockMode {
        let keys = waiting.get(&transaction).map_or(&[][..], Vec::as_slice);
        let wanted = keys.iter().find_map(|key| {
            let shard = self.shard(key);
            shard
                .get(&**key)?
                .queue
                .iter()
                .find(|w| w.transaction == transaction)
                .map(|w| w.mode)
        });
        wanted.unwrap_or(LockMode::Exclusive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::SqlState;

    fn key(text: &str) -> Bytes {
        Bytes::from(text.as_bytes())
    }

    struct Impatient;

    impl WaitControl for Impatient {
        fn poll(&self) -> Result<(), SqlError> {
            Err(SqlError::new(SqlState::QueryCanceled, "canceling statement due to user request"))
        }
    }

    #[test]
    fn modes_conflict_as_they_should() {
        let locks = Locks::new();
        let k = key("k");
        assert!(locks.try_acquire(1, &k, LockMode::Shared));
        assert!(locks.try_acquire(2, &k, LockMode::Shared));
        assert!(!locks.try_acquire(3, &k, LockMode::Exclusive));
        assert!(
            !locks.try_acquire(1, &k, LockMode::Exclusive),
            "an upgrade waits for the other holder"
        );
        locks.release(2, &k);
        assert!(locks.try_acquire(1, &k, LockMode::Exclusive));
        assert!(
            locks.try_acquire(1, &k, LockMode::Shared),
            "the weaker lock is held with the stronger"
        );
        assert!(!locks.try_acquire(2, &k, LockMode::Shared));
        locks.release(1, &k);
        assert_eq!(locks.len(), 0);
    }

    #[test]
    fn an_interrupted_waiter_leaves_no_trace() {
        let locks = Locks::new();
        let k = key("k");
        assert!(locks.try_acquire(1, &k, LockMode::Exclusive));
        assert!(matches!(
            locks.acquire(2, &k, LockMode::Shared, &Impatient),
            Err(Error::Interrupted(_))
        ));
        assert!(locks.waiting.lock().is_empty());
        locks.release(1, &k);
        assert_eq!(locks.len(), 0);
    }

    #[test]
    fn waiters_get_the_lock_in_order() {
        let locks = Arc::new(Locks::new());
        let k = key("k");
        assert!(locks.try_acquire(1, &k, LockMode::Exclusive));
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut threads = Vec::new();
        for id in 2..6 {
            threads.push(std::thread::spawn({
                let (locks, order, k) = (locks.clone(), order.clone(), k.clone());
                move || {
                    locks.acquire(id, &k, LockMode::Exclusive, &()).unwrap();
                    order.lock().push(id);
                    locks.release(id, &k);
                }
            }));
            while locks.shard(&key("k")).get(&b"k"[..]).unwrap().queue.len() < (id - 1) as usize {
                std::thread::yield_now();
            }
        }
        locks.release(1, &k);
        threads.into_iter().for_each(|t| t.join().unwrap());
        assert_eq!(*order.lock(), vec![2, 3, 4, 5]);
    }

    #[test]
    fn two_shared_holders_that_both_want_it_alone_are_a_deadlock() {
        let locks = Arc::new(Locks::new());
        let k = key("k");
        assert!(locks.try_acquire(1, &k, LockMode::Shared));
        assert!(locks.try_acquire(2, &k, LockMode::Shared));
        let other = std::thread::spawn({
            let (locks, k) = (locks.clone(), k.clone());
            move || locks.acquire(1, &k, LockMode::Exclusive, &())
        });
        while locks.waiting.lock().is_empty() {
            std::thread::yield_now();
        }
        let error = locks.acquire(2, &k, LockMode::Exclusive, &()).unwrap_err();
        let Error::Deadlock { detail } = error else { panic!("{error:?}") };
        assert_eq!(
            detail,
            "Transaction 2 waits for ExclusiveLock on a row; blocked by transaction 1.\n\
             Transaction 1 waits for ExclusiveLock on a row; blocked by transaction 2."
        );
        locks.release(2, &k);
        other.join().unwrap().unwrap();
    }

    #[test]
    fn a_circle_of_many_is_broken_at_the_last_one() {
        const N: u64 = 5;
        let locks = Arc::new(Locks::new());
        let k = |i: u64| key(&format!("k{}", i % N));
        for i in 0..N {
            assert!(locks.try_acquire(i, &k(i), LockMode::Exclusive));
        }
        let mut threads = Vec::new();
        for i in 0..N - 1 {
            let (locks, mine, wanted) = (locks.clone(), k(i), k(i + 1));
            threads.push(std::thread::spawn(move || {
                locks.acquire(i, &wanted, LockMode::Exclusive, &()).unwrap();
                locks.release(i, &wanted);
                locks.release(i, &mine);
            }));
        }
        while locks.waiting.lock().len() < (N - 1) as usize {
            std::thread::yield_now();
        }
        assert!(matches!(
            locks.acquire(N - 1, &k(N), LockMode::Exclusive, &()),
            Err(Error::Deadlock { .. })
        ));
        locks.release(N - 1, &k(N - 1));
        threads.into_iter().for_each(|t| t.join().unwrap());
        assert_eq!(locks.len(), 0);
    }
}
