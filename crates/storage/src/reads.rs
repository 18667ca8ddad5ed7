//! What a SERIALIZABLE transaction has read, so that its commit can check that nobody changed it.

use std::collections::HashSet;
use std::ops::Bound;

use crate::Bytes;
use crate::history::{History, is_empty_range};
use crate::snapshot::CommitNumber;

/// Above so many keys, the range that spans them is remembered instead: it may refuse a commit for
/// a key that was never read, it never lets one pass.
const MAX_KEYS: usize = 65_536;

type OwnedRange = (Bound<Bytes>, Bound<Bytes>);

#[derive(Default)]
pub(crate) struct Reads {
    keys: HashSet<Bytes>,
    /// One per scan: what it has covered so far.
    ranges: Vec<Option<OwnedRange>>,
    span: Option<OwnedRange>,
}

impl Reads {
    pub fn key(&mut self, key: &[u8]) {
        if self.keys.len() >= MAX_KEYS {
            self.spread();
        }
        if !self.keys.contains(key) {
            self.keys.insert(Bytes::from(key));
        }
    }

    /// A place for a scan to report what it covers.
    pub fn scan(&mut self) -> usize {
        self.ranges.push(None);
        self.ranges.len() - 1
    }

    /// Replaces what the scan has covered by a wider range.
    pub fn covered(&mut self, scan: usize, range: OwnedRange) {
        if let Some(place) = self.ranges.get_mut(scan) {
            *place = Some(range);
        }
    }

    pub fn changed_since(&self, history: &History, snapshot: CommitNumber) -> bool {
        if history.is_empty() {
            return false;
        }
        self.keys
            .iter()
            .any(|key| history.newest_change(key).is_some_and(|commit| commit > snapshot))
            || self.ranges.iter().flatten().chain(&self.span).any(|(lower, upper)| {
                let range = (lower.as_ref().map(|key| &**key), upper.as_ref().map(|key| &**key));
                !is_empty_range(range) && history.changed_in(range, snapshot)
            })
    }

    fn spread(&mut self) {
        let mut lower = self.keys.iter().min().cloned();
        let mut upper = self.keys.iter().max().cloned();
        if let Some((Bound::Included(low), Bound::Included(high))) = self.span.take() {
            lower = lower.map(|key| key.min(low));
            upper = upper.map(|key| key.max(high));
        }
        self.span = lower.zip(upper).map(|(low, high)| (Bound::Included(low), Bound::Included(high)));
        self.keys.clear();
    }
}
