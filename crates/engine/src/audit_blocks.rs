//! The blocks of the audit log ([`audit::block`]): made in the background, stored beside the rows, found by queries.
//!
//! The life of a block: its last row is recorded; [`Blocks::wake`] wakes the thread that makes blocks, which waits until the
//! rows are durable, reads them, and stores the block's pieces in one transaction, outside of any user's. So a block is
//! never ahead of its rows, whatever happens. What is missing after a crash, or does not read as what it should be, is made again
//! at the next start; until then whoever needs it reads the rows. Verifying the log compares every block with its rows.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use audit::block::{self, BLOCK_ROWS, Block, Summary};
use audit::stored::View;
use parking_lot::{Condvar, Mutex, RwLock};
use storage::{AppendLog, Bytes, Db, Direction, Isolation};
use types::{Result, SqlError};

use crate::table::{self, Space};

/// The block that holds a row.
pub fn block_of(id: u64) -> u64 {
    id.saturating_sub(1) / BLOCK_ROWS
}

/// The rows that a block holds.
pub fn ids_of(block: u64) -> RangeInclusive<u64> {
    block * BLOCK_ROWS + 1..=(block + 1) * BLOCK_ROWS
}

pub struct Blocks {
    store: Db,
    log: AppendLog,
    /// The summaries of the blocks that are there.
    index: RwLock<BTreeMap<u64, Arc<Summary>>>,
    /// Blocks that cannot be made, because their rows cannot be read: whoever reads them is told so.
    unmade: Mutex<BTreeSet<u64>>,
    /// Blocks are made and removed by one at a time.
    changing: Mutex<()>,
    signal: Arc<Signal>,
}

impl Blocks {
    /// The blocks of a log that is only compared with them.
    pub fn of(store: &Db, log: &AppendLog) -> Blocks {
        Blocks {
            store: store.clone(),
            log: log.clone(),
            index: RwLock::default(),
            unmade: Mutex::default(),
            changing: Mutex::default(),
            signal: Arc::default(),
        }
    }

    /// Reads the summaries.
    pub fn load(store: &Db, log: &AppendLog) -> Result<Blocks> {
        let blocks = Blocks::of(store, log);
        let txn = store.begin(Isolation::ReadCommitted);
        let mut found = BTreeMap::new();
        let mut gone = vec![];
        for item in txn.scan(table::range_of(&[Space::AuditColumns as u8, 0]))? {
            let (key, value) = item?;
            let Some(block) = number_in(&key) else { continue };
            if block < blocks.whole().start {
                gone.push(block);
            } else if !blocks.is_whole(block) {
                tracing::error!(
                    block,
                    "the audit log has lost rows: SELECT * FROM heliosdb.verify_audit_log() says where"
                );
            } else if let Ok(summary) = Summary::decode(*ids_of(block).start(), &value) {
                found.insert(block, Arc::new(summary));
            }
        }
        drop(txn);
        blocks.delete(gone)?;
        *blocks.index.write() = found;
        Ok(blocks)
    }

    /// Whether there is a block of rows beyond the log's last one: blocks are made of durable rows, so its tail was removed.
    pub fn tell_of_more(&self) -> Result<bool> {
        let txn = self.store.begin(Isolation::ReadCommitted);
        let mut summaries = txn.scan_in(table::range_of(&[Space::AuditColumns as u8, 0]), Direction::Backward)?;
        Ok(match summaries.next() {
            Some(newest) => number_in(&newest?.0).is_some_and(|block| *ids_of(block).end() > self.log.last_id()),
            None => false,
        })
    }

    /// Whether all rows of a block are there.
    fn is_whole(&self, block: u64) -> bool {
        *ids_of(block).start() >= self.log.first_id() && *ids_of(block).end() <= self.log.last_id()
    }

    /// The blocks that could be there: from this one up to, and without, that one.
    fn whole(&self) -> std::ops::Range<u64> {
        let first = (self.log.first_id() - 1).div_ceil(BLOCK_ROWS);
        first..(self.log.last_id() / BLOCK_ROWS).max(first)
    }

    pub fn summary(&self, block: u64) -> Option<Arc<Summary>> {
        self.index.read().get(&block).cloned()
    }

    /// A piece of a block as it is stored.
    pub fn piece(&self, block: u64, place: u8) -> Result<Option<Bytes>> {
        Ok(self.store.begin(Isolation::ReadCommitted).get(&key(place, block))?)
    }

    /// A block that was found damaged: from now on its rows are read, until it has been made again.
    pub fn forget(&self, block: u64) {
        tracing::warn!(block, "a block of the audit log is damaged and will be made again");
        self.index.write().remove(&block);
        self.signal.wake();
    }

    /// Rows that belong to blocks which have not been made yet.
    pub fn rows_behind(&self) -> u64 {
        let whole = self.whole();
        let made = self.index.read().range(whole.clone()).count() as u64;
        (whole.end - whole.start).saturating_sub(made).saturating_mul(BLOCK_ROWS)
    }

    /// Makes what is missing, oldest first, until told to stop.
    fn make_missing(&self, stopped: &dyn Fn() -> bool) -> Result<()> {
        for block in self.whole() {
            if stopped() {
                return Ok(());
            }
            if self.index.read().contains_key(&block) || self.unmade.lock().contains(&block) {
                continue;
            }
            let _changing = self.changing.lock();
            // Retention may have come in between.
            if !self.is_whole(block) {
                continue;
            }
            match self.make(block)? {
                Some(summary) => {
                    self.index.write().insert(block, Arc::new(summary));
                }
                None => {
                    tracing::error!(
                        block,
                        "rows of the audit log cannot be read: SELECT * FROM heliosdb.verify_audit_log() says where"
                    );
                    self.unmade.lock().insert(block);
                }
            }
        }
        Ok(())
    }

    fn make(&self, block: u64) -> Result<Option<Summary>> {
        let first = *ids_of(block).start();
        let Ok(rows) = self
            .log
            .read(ids_of(block))
            .map(|item| item.map(|(_, bytes)| bytes))
            .collect::<std::result::Result<Vec<_>, _>>()
        else {
            return Ok(None);
        };
        let Some(made) = block_from(first, &rows) else { return Ok(None) };
        let Some(summary) = made.pieces.first().and_then(|(_, bytes)| Summary::decode(first, bytes).ok()) else {
            return Ok(None);
        };
        let txn = self.store.begin(Isolation::ReadCommitted);
        for (place, bytes) in made.pieces {
            txn.put(key(place, block), bytes)?;
        }
        txn.commit()?;
        Ok(Some(summary))
    }

    /// Removes the blocks that hold a row before this one, which has gone. Under the lock that makes blocks: none is made of them any more.
    pub fn remove_before(&self, first_kept: u64) -> Result<()> {
        let _changing = self.changing.lock();
        let gone: Vec<u64> = {
            let mut index = self.index.write();
            let kept = index.split_off(&(first_kept.saturating_sub(1)).div_ceil(BLOCK_ROWS));
            std::mem::replace(&mut *index, kept).into_keys().collect()
        };
        self.delete(gone)
    }

    fn delete(&self, blocks: Vec<u64>) -> Result<()> {
        for some in blocks.chunks(256) {
            let txn = self.store.begin(Isolation::ReadCommitted);
            for block in some {
                for place in places() {
                    txn.delete(key(place, *block))?;
                }
            }
            txn.commit()?;
        }
        Ok(())
    }

    /// Whether what is stored for this block, if anything, is what its rows say.
    pub fn agrees(&self, block: u64, rows: &[Bytes]) -> Result<bool> {
        let Some(made) = block_from(*ids_of(block).start(), rows) else {
            return Ok(true);
        };
        let txn = self.store.begin(Isolation::ReadCommitted);
        for (place, bytes) in &made.pieces {
            if txn.get(&key(*place, block))?.is_some_and(|stored| *stored != **bytes) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn block_from(first: u64, rows: &[Bytes]) -> Option<Block> {
    let views: Option<Vec<View>> = rows.iter().map(|bytes| View::decode(bytes).ok()).collect();
    views.map(|views| Block::of(first, &views))
}

fn places() -> impl Iterator<Item = u8> {
    std::iter::once(0).chain(block::Column::ALL.into_iter().map(block::Column::place))
}

fn number_in(key: &[u8]) -> Option<u64> {
    let number = key
        .get(2..)
        .and_then(|bytes| <[u8; 8]>::try_from(bytes).ok())
        .map(u64::from_be_bytes);
    number.filter(|block| *block < u64::MAX / BLOCK_ROWS - 1)
}

/// Column by column, so that reading one column of many blocks reads neighbours.
fn key(place: u8, block: u64) -> Vec<u8> {
    let mut key = vec![Space::AuditColumns as u8, place];
    key.extend_from_slice(&block.to_be_bytes());
    key
}

/// The thread that makes blocks. It ends when this is dropped, after the block that it is at.
pub struct BlockMaker {
    signal: Arc<Signal>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Signal {
    state: Mutex<State>,
    woken: Condvar,
}

#[derive(Default)]
struct State {
    wanted: bool,
    stopped: bool,
}

impl BlockMaker {
    /// Begins with what is missing.
    pub fn start(blocks: &Arc<Blocks>) -> Result<BlockMaker> {
        let signal = blocks.signal.clone();
        signal.wake();
        let (blocks, shared) = (Arc::downgrade(blocks), signal.clone());
        let thread = std::thread::Builder::new()
            .name("audit-blocks".into())
            .spawn(move || shared.run(&blocks))
            .map_err(|error| SqlError::internal(format!("no thread for the audit log's blocks: {error}")))?;
        Ok(BlockMaker {
            signal,
            thread: Some(thread),
        })
    }

    /// A block's last row has been recorded.
    pub fn wake(&self) {
        self.signal.wake();
    }
}

impl Signal {
    fn wake(&self) {
        self.state.lock().wanted = true;
        self.woken.notify_one();
    }

    fn run(&self, blocks: &Weak<Blocks>) {
        loop {
            let mut state = self.state.lock();
            while !state.wanted && !state.stopped {
                self.woken.wait(&mut state);
            }
            if state.stopped {
                return;
            }
            state.wanted = false;
            drop(state);
            let Some(blocks) = blocks.upgrade() else { return };
            let stopped = || self.state.lock().stopped;
            // The rows first; if that fails, nothing more is recorded either.
            let made = blocks
                .store
                .flush()
                .map_err(SqlError::from)
                .and_then(|()| blocks.make_missing(&stopped));
            if let Err(error) = made {
                tracing::error!("blocks of the audit log were not made: {}", error.message());
            }
        }
    }
}

impl Drop for BlockMaker {
    fn drop(&mut self) {
        self.signal.state.lock().stopped = true;
        self.signal.woken.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
