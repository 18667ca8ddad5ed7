//! Room on the disk: what makes the store grow is refused while little is left.
//!
//! A write that meets a full disk is the end of a store until it is opened again (see [`crate::commit`]), so it
//! must not come to that. Before a transaction commits, what it adds is held against the free space of the
//! folder's file system. Below the reserve it is refused as an ordinary error; the reserve is left to the logs,
//! to deletions, and to those keys of which whoever opens the folder says that they do not grow without end.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::Error;

/// A measurement holds this long, or until this much was written after it.
const MEASURED_FOR: Duration = Duration::from_millis(100);
const MEASURED_FOR_BYTES: u64 = 4 << 20;

/// A byte that commits is written to the journal, and once more when its memory table is written out.
const WRITTEN_TIMES: u64 = 2;

/// A transaction that adds more than this grows the store, whatever its keys are.
const SMALL_BYTES: u64 = 1 << 20;

pub(crate) struct Room {
    folder: PathBuf,
    state: Mutex<State>,
}

struct State {
    reserve: u64,
    grows: fn(&[u8]) -> bool,
    measured: Option<Measured>,
    low: bool,
}

struct Measured {
    at: Instant,
    free: u64,
    /// Bytes written since.
    written: u64,
}

impl Room {
    pub fn new(folder: &Path) -> Room {
        Room {
            folder: folder.to_path_buf(),
            state: Mutex::new(State {
                reserve: 0,
                grows: |_| false,
                measured: None,
                low: false,
            }),
        }
    }

    pub fn keep_free(&self, reserve: u64, grows: fn(&[u8]) -> bool) {
        let mut state = self.state.lock();
        state.reserve = reserve;
        state.grows = grows;
    }

    /// Whether what adds these keys, each with the bytes of key and value, may be written now.
    pub fn admit<'k>(&self, added: impl Iterator<Item = (&'k [u8], u64)>) -> Result<(), Error> {
        let mut state = self.state.lock();
        if state.reserve == 0 {
            return Ok(());
        }
        let (mut all, mut growing) = (0, 0);
        for (key, bytes) in added {
            all += bytes;
            if (state.grows)(key) {
                growing += bytes;
            }
        }
        let need = WRITTEN_TIMES * all;
        if growing == 0 && all <= SMALL_BYTES {
            if let Some(measured) = &mut state.measured {
                measured.written += need;
            }
            return Ok(());
        }
        let reserve = state.reserve;
        let fits = |measured: &Measured| measured.free.saturating_sub(measured.written) >= reserve.saturating_add(need);
        let holds = |measured: &Measured| measured.at.elapsed() < MEASURED_FOR && measured.written < MEASURED_FOR_BYTES && fits(measured);
        if !state.measured.as_ref().is_some_and(holds) {
            // A file system that does not tell is taken for one with room.
            let free = free_bytes(&self.folder).unwrap_or(u64::MAX);
            state.measured = Some(Measured {
                at: Instant::now(),
                free,
                written: 0,
            });
        }
        let Some(measured) = &mut state.measured else { return Ok(()) };
        let (free, low) = (measured.free, !fits(measured));
        if !low {
            measured.written += need;
        }
        if low != state.low {
            state.low = low;
            match low {
                true => tracing::warn!(
                    free_bytes = free,
                    reserve_bytes = reserve,
                    "little room on the disk, writes are refused"
                ),
                false => tracing::info!(free_bytes = free, "there is room on the disk again"),
            }
        }
        if low { Err(Error::DiskFull) } else { Ok(()) }
    }
}

fn free_bytes(folder: &Path) -> Option<u64> {
    let measured = rustix::fs::statvfs(folder).ok()?;
    measured.f_bavail.checked_mul(measured.f_frsize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reserve: u64, added: &[(&[u8], u64)], expect: Result<(), Error>) {
        let folder = tempfile::tempdir().unwrap();
        let room = Room::new(folder.path());
        room.keep_free(reserve, |key| key.starts_with(b"t"));
        assert_eq!(room.admit(added.iter().copied()), expect, "{reserve} {added:?}");
    }

    #[test]
    fn what_grows_is_refused_below_the_reserve() {
        let no_disk_has_this_much = u64::MAX / 2;
        check(1, &[(b"t1", 100), (b"c1", 100)], Ok(()));
        check(no_disk_has_this_much, &[(b"t1", 100)], Err(Error::DiskFull));
        check(no_disk_has_this_much, &[(b"c1", 100), (b"t1", 0)], Ok(()));
        check(no_disk_has_this_much, &[(b"c1", SMALL_BYTES + 1)], Err(Error::DiskFull));
        check(no_disk_has_this_much, &[], Ok(()));
        // What does not fit besides the reserve is refused, and without a reserve nothing is.
        check(1, &[(b"t1", u64::MAX / 4)], Err(Error::DiskFull));
        check(0, &[(b"t1", u64::MAX / 4)], Ok(()));
    }

    #[test]
    fn room_that_comes_back_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let room = Room::new(folder.path());
        room.keep_free(u64::MAX / 2, |_| true);
        assert_eq!(room.admit([(&b"k"[..], 1)].into_iter()), Err(Error::DiskFull));
        room.keep_free(1, |_| true);
        assert_eq!(room.admit([(&b"k"[..], 1)].into_iter()), Ok(()));
    }
}
