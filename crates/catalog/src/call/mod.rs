//! PostgreSQL functions that only the catalog can answer. The functions crate declares their types and overloads; the engine
//! passes a call on to [`call`] with the session's context. All of them are strict: a NULL argument makes a NULL.

mod comment;
mod definition;
mod privilege;
mod reg;
mod size;
mod visible;

use std::collections::HashMap;
use std::sync::LazyLock;

use types::{Datum, Result, SqlError};

use crate::SystemContext;

type Answer = fn(&SystemContext, &[Datum]) -> Result<Datum>;

/// The answer of a function with this name; overloads are told apart by their arguments.
pub fn call(context: &SystemContext, name: &str, args: &[Datum]) -> Result<Datum> {
    static ANSWERS: LazyLock<HashMap<&'static str, Answer>> = LazyLock::new(|| families().flatten().copied().collect());
    let answer = ANSWERS
        .get(name)
        .ok_or_else(|| SqlError::internal(format!("the catalog does not answer {name}")))?;
    if args.iter().any(Datum::is_null) {
        return Ok(Datum::Null);
    }
    answer(context, args)
}

/// The names that [`call`] answers.
pub fn call_names() -> impl Iterator<Item = &'static str> {
    families().flatten().map(|(name, _)| *name)
}

fn families() -> impl Iterator<Item = &'static [(&'static str, Answer)]> {
    [
        comment::ANSWERS,
        definition::ANSWERS,
        privilege::ANSWERS,
        reg::ANSWERS,
        size::ANSWERS,
        visible::ANSWERS,
    ]
    .into_iter()
}

/// An argument list that no declared overload has.
fn mismatch(name: &str) -> SqlError {
    SqlError::internal(format!("unexpected arguments of {name}"))
}

/// An OID argument.
fn oid(name: &str, args: &[Datum], index: usize) -> Result<u32> {
    args.get(index)
        .and_then(Datum::as_i64)
        .and_then(|oid| u32::try_from(oid).ok())
        .ok_or_else(|| mismatch(name))
}

fn text<'a>(name: &str, args: &'a [Datum], index: usize) -> Result<&'a str> {
    args.get(index).and_then(Datum::as_str).ok_or_else(|| mismatch(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_answered_twice() {
        let mut names: Vec<&str> = call_names().collect();
        names.sort();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
