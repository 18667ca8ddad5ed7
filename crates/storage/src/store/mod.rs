//! The narrow face of an embedded ordered store. Everything that makes it transactional is ours
//! and stands above, so either engine serves.

mod fjall;
mod sled;

use std::ops::Bound;
use std::path::Path;

use crate::{Bytes, Direction, Error};

/// Which embedded engine holds the bytes. Recorded in the data folder when it is created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StoreKind {
    #[default]
    Fjall,
    Sled,
}

impl StoreKind {
    pub const ALL: [StoreKind; 2] = [StoreKind::Fjall, StoreKind::Sled];

    pub fn name(self) -> &'static str {
        match self {
            StoreKind::Fjall => "fjall",
            StoreKind::Sled => "sled",
        }
    }
}

impl std::fmt::Display for StoreKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for StoreKind {
    type Err = String;

    fn from_str(name: &str) -> Result<StoreKind, String> {
        StoreKind::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| format!("unknown store \"{name}\": use fjall or sled"))
    }
}

/// The two key spaces of a store, apart so that log records do not fill the memory table that
/// point reads go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Space {
    /// Transactional keys.
    Data,
    /// Records of append-only logs.
    Log,
}

pub(crate) type Range<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// What one [`Store::scan`] may return at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChunkLimit {
    pub rows: usize,
    pub bytes: usize,
}

/// Whether a scan came to the end of its range or stopped at its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChunkEnd {
    Range,
    Limit,
}

/// One change of a batch: the new value, or None to remove the key.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub space: Space,
    pub key: Bytes,
    pub value: Option<Bytes>,
}

/// An ordered store of byte strings. Readers run at any time beside the one writer.
pub(crate) trait Store: Send + Sync {
    /// The newest applied value.
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, Error>;

    /// Appends entries of `range` to `out`, in `direction`, up to `limit`. The range is not empty
    /// by its bounds. Entries are the newest applied at some moment during the call, each by itself.
    fn scan(
        &self,
        space: Space,
        range: Range<'_>,
        direction: Direction,
        limit: ChunkLimit,
        out: &mut Vec<(Bytes, Bytes)>,
    ) -> Result<ChunkEnd, Error>;

    /// Applies all changes or, if the process or the machine dies before the next [`Store::sync`]
    /// returns, all or none. No key occurs twice. Readers may see the changes one by one.
    fn apply(&self, changes: Vec<Change>) -> Result<(), Error>;

    /// Makes everything applied so far survive a loss of power.
    fn sync(&self) -> Result<(), Error>;

    /// Bytes on disk, as far as the engine knows.
    fn disk_bytes(&self) -> Result<u64, Error>;
}

pub(crate) fn open(folder: &Path, kind: StoreKind) -> Result<Box<dyn Store>, Error> {
    match kind {
        StoreKind::Fjall => Ok(Box::new(fjall::FjallStore::open(folder)?)),
        StoreKind::Sled => Ok(Box::new(sled::SledStore::open(folder)?)),
    }
}
