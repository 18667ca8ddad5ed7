//! Whether a stored log is whole: no row changed, removed, added or moved since it was written.
//!
//! What this cannot see by itself: a tail that was cut off, and a chain that somebody recomputed from some row on to its end. Both show
//! against a head (id and hash) that was kept elsewhere: [`Verifier::finish_at`].

use crate::stored::View;
use crate::{AnchorFault, Chain, DecodeError, Hash};

/// What a walk over the log found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Rows read, those after the first bad one included.
    pub rows: u64,
    pub whole: bool,
    /// The id at which the chain first breaks, and how.
    pub first_bad: Option<(u64, Reason)>,
    /// Id and hash of the last row of the whole part: worth keeping elsewhere.
    pub head: (u64, Hash),
}

/// How the chain breaks at a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The bytes are no row.
    Unreadable(DecodeError),
    /// Rows are missing before this one, or it is out of order.
    Expected { id: u64 },
    /// The row's content does not match its own hash: it was changed, or moved here from another id.
    Changed,
    /// The row does not continue the one before it: that one was replaced.
    Detached,
    /// The log ends before this row, which a kept head says was there.
    Missing,
    /// The log has this row with another hash than the kept head says.
    Replaced,
    /// What is kept of the rows from this one on for queries ([`crate::block`]) is not what the rows say.
    Columns,
    /// What retention left where rows were removed, just before this one, is not to be believed.
    Anchor(AnchorFault),
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Reason::Unreadable(error) => write!(f, "the row cannot be read: {error}"),
            Reason::Expected { id } => write!(f, "row {id} is expected here: rows were removed or reordered"),
            Reason::Changed => f.write_str("the row does not match its hash: it was changed or moved"),
            Reason::Detached => f.write_str("the row does not continue the row before it: that row was replaced"),
            Reason::Missing => f.write_str("the log ends before this row: its tail was removed"),
            Reason::Anchor(fault) => write!(
                f,
                "rows before this one were removed, and the anchor that retention leaves is wrong: {fault}"
            ),
            Reason::Columns => f.write_str(
                "the columns that are kept beside this row and those after it are not theirs: queries may show what never happened",
            ),
            Reason::Replaced => f.write_str("the row is another one than the kept head says: the log was rewritten"),
        }
    }
}

/// Walks a log from its first row. See [`Verifier`] for one that begins elsewhere or whose head is known.
pub fn verify<B: AsRef<[u8]>>(rows: impl IntoIterator<Item = (u64, B)>) -> Verdict {
    let mut verifier = Verifier::after(Chain::GENESIS);
    for (id, bytes) in rows {
        verifier.push(id, bytes.as_ref());
    }
    verifier.finish()
}

/// The walk, row by row.
#[derive(Clone, Debug)]
pub struct Verifier {
    last_id: u64,
    last_hash: Hash,
    rows: u64,
    first_bad: Option<(u64, Reason)>,
}

impl Verifier {
    /// A walk over what comes after this point of the chain, for example after the anchor that retention left.
    pub fn after(chain: Chain) -> Verifier {
        Verifier {
            last_id: chain.last_id(),
            last_hash: chain.last_hash(),
            rows: 0,
            first_bad: None,
        }
    }

    pub fn push(&mut self, id: u64, bytes: &[u8]) {
        self.rows = self.rows.saturating_add(1);
        if self.first_bad.is_some() {
            return;
        }
        match self.check(id, bytes) {
            Ok(hash) => (self.last_id, self.last_hash) = (id, hash),
            Err(reason) => self.first_bad = Some((id, reason)),
        }
    }

    /// Something else was found wrong at this row.
    pub fn fail(&mut self, id: u64, reason: Reason) {
        if self.first_bad.is_none() {
            self.first_bad = Some((id, reason));
        }
    }

    pub fn finish(self) -> Verdict {
        Verdict {
            rows: self.rows,
            whole: self.first_bad.is_none(),
            first_bad: self.first_bad,
            head: (self.last_id, self.last_hash),
        }
    }

    /// The same, for a log that is known to have had this row as its newest one: a shorter log is not whole.
    pub fn finish_at(mut self, head_id: u64, head_hash: Hash) -> Verdict {
        if self.first_bad.is_none() {
            if self.last_id < head_id {
                self.first_bad = Some((self.last_id.saturating_add(1), Reason::Missing));
            } else if self.last_id == head_id && self.last_hash != head_hash {
                self.first_bad = Some((head_id, Reason::Replaced));
            }
        }
        self.finish()
    }

    fn check(&self, id: u64, bytes: &[u8]) -> Result<Hash, Reason> {
        let expected = self.last_id.saturating_add(1);
        if id != expected {
            return Err(Reason::Expected { id: expected });
        }
        let view = View::decode(bytes).map_err(Reason::Unreadable)?;
        if view.expected_hash(id) != view.hash {
            return Err(Reason::Changed);
        }
        if view.prev_hash != self.last_hash {
            return Err(Reason::Detached);
        }
        if view.to_event().is_err() {
            return Err(Reason::Unreadable(DecodeError::Json));
        }
        Ok(view.hash)
    }
}
