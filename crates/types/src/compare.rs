//! The order of values.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use crate::Datum;

/// PostgreSQL's btree order within one type; NULLs last.
pub fn compare(a: &Datum, b: &Datum) -> Ordering {
    let _ = (a, b);
    Ordering::Equal
}

/// Equal values (by [`compare`]) hash equal.
pub fn hash<H: Hasher>(datum: &Datum, state: &mut H) {
    let _ = (datum, state);
}

/// A row of values as a key of a map: equality, order and hash are SQL's.
#[derive(Clone, Debug, Default)]
pub struct Key(pub Vec<Datum>);

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Key) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Key) -> Ordering {
        for (a, b) in self.0.iter().zip(&other.0) {
            let order = compare(a, b);
            if order != Ordering::Equal {
                return order;
            }
        }
        self.0.len().cmp(&other.0.len())
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for datum in &self.0 {
            hash(datum, state);
        }
    }
}
