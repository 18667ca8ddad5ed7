//! How many calls of each function run now, in all sessions: what `max_concurrent_calls` bounds.
//!
//! A call is a sandbox: one for each statement and function, one for each open set, and another for each nested call. It
//! holds a [`Slot`] from before its first instruction until it has ended, whichever way. Every call is counted, also where no
//! limit is set, so that a limit which is set later sees those that run already.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

#[derive(Default)]
pub struct RunningCalls {
    /// By the function's OID; no entry is zero.
    counts: Mutex<HashMap<u32, u64>>,
}

/// One call's place among those that run.
pub struct Slot {
    calls: Arc<RunningCalls>,
    function: u32,
}

impl RunningCalls {
    /// A place for one more call of the function, unless `most` of them run already.
    pub fn enter(self: &Arc<Self>, function: u32, most: Option<u64>) -> Option<Slot> {
        let mut counts = self.counts.lock();
        let count = counts.entry(function).or_insert(0);
        if most.is_some_and(|most| *count >= most) {
            return None;
        }
        *count += 1;
        Some(Slot {
            calls: self.clone(),
            function,
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut counts = self.calls.counts.lock();
        if let Some(count) = counts.get_mut(&self.function) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.function);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_call_has_ended() {
        let calls = Arc::new(RunningCalls::default());
        let unlimited = calls.enter(1, None).unwrap();
        let second = calls.enter(1, Some(2)).unwrap();
        assert!(calls.enter(1, Some(2)).is_none(), "those that began without a limit count");
        let other = calls.enter(2, Some(1)).unwrap();
        drop(unlimited);
        let third = calls.enter(1, Some(2)).unwrap();
        drop((second, third, other));
        assert!(calls.counts.lock().is_empty());
    }
}
