//! `heliosdb.forget('subject')`: erases what functions have kept about somebody.
//!
//! The life of an erasure: every value of every function's storage is looked at; those whose key names the subject, or whose
//! value holds it, are locked like rows and looked at again; a row of the audit log says how many there are, and never
//! whom they are about; then they are deleted, in the caller's transaction.

use std::collections::BTreeSet;

use audit::{Event, EventType};
use serde_json::Value;
use storage::{Isolation, LockMode};
use types::{Datum, Result, SqlError, SqlState};

use crate::context::StatementContext;
use crate::table::{self, Space};

/// What ends a component of a key. Dots, dashes, underscores and `@` are parts of names and addresses.
const SEPARATORS: [char; 6] = [':', '/', '|', '#', ',', ';'];
/// As long as a key of a function's storage may be.
const MAX_SUBJECT_BYTES: usize = 1024;

/// Answers how many values it has erased.
pub fn forget(context: &StatementContext, args: &[Datum]) -> Result<Datum> {
    use functions::Environment;
    crate::system::refuse_in_function(context, "erase what functions have kept")?;
    if !context.is_superuser() {
        return Err(
            SqlError::new(SqlState::InsufficientPrivilege, "permission denied for function heliosdb.forget")
                .detail("Only a superuser erases what other roles' functions have kept."),
        );
    }
    if context.read_only {
        return Err(crate::session::read_only("heliosdb.forget"));
    }
    let Some(subject) = args.first().and_then(Datum::as_str) else {
        return Ok(Datum::Null);
    };
    if subject.trim().is_empty() || subject.len() > MAX_SUBJECT_BYTES {
        return Err(SqlError::new(
            SqlState::InvalidParameterValue,
            format!("a subject to forget has 1 to {MAX_SUBJECT_BYTES} bytes and is not blank"),
        ));
    }
    let keys = find(context, subject)?;
    let mut event = Event::new(EventType::DatabaseOperation);
    event.resource = Some("heliosdb.forget".to_string());
    event.details = Some(serde_json::json!({ "erased": keys.len(), "functions": functions_of(context, &keys) }));
    context.audit(event)?;
    let erased = i64::try_from(keys.len()).unwrap_or(i64::MAX);
    for key in keys {
        context.txn.delete(key)?;
    }
    Ok(Datum::Int8(erased))
}

/// The keys to erase, locked.
fn find(context: &StatementContext, subject: &str) -> Result<Vec<Vec<u8>>> {
    if context.isolation == Isolation::ReadCommitted {
        context.txn.refresh_snapshot()?;
    }
    let mut keys = vec![];
    for item in context.txn.scan(table::range_of(&[Space::Storage as u8]))? {
        context.cancel.check()?;
        let (key, value) = item?;
        if !is_about(&key, &value, subject) {
            continue;
        }
        context.lock_row(&key, LockMode::Exclusive)?;
        if context.isolation != Isolation::ReadCommitted && context.txn.changed_since_snapshot(&key)? {
            return Err(SqlError::new(
                SqlState::TRSerializationFailure,
                "could not serialize access due to concurrent update",
            ));
        }
        // Another transaction may have changed it before the lock.
        if let Some(value) = context.txn.get_latest(&key)?
            && is_about(&key, &value, subject)
        {
            keys.push(key.to_vec());
        }
    }
    Ok(keys)
}

fn functions_of(context: &StatementContext, keys: &[Vec<u8>]) -> BTreeSet<String> {
    let oid = |key: &Vec<u8>| {
        key.get(1..5)
            .and_then(|bytes| <[u8; 4]>::try_from(bytes).ok())
            .map(u32::from_be_bytes)
    };
    let oids: BTreeSet<u32> = keys.iter().filter_map(oid).collect();
    let functions = oids.into_iter().filter_map(|oid| context.catalog.function_by_oid(oid));
    functions.map(|function| function.signature()).collect()
}

/// Whether a stored value is about the subject. What cannot be read as UTF-8 or JSON counts if the subject's text occurs in it.
fn is_about(key: &[u8], value: &[u8], subject: &str) -> bool {
    let own = key.get(5..).unwrap_or_default();
    let in_key = match std::str::from_utf8(own) {
        Ok(key) => names(key, subject),
        Err(_) => occurs(own, subject.as_bytes()),
    };
    in_key
        || match serde_json::from_slice::<Value>(value) {
            Ok(value) => holds(&value, subject),
            Err(_) => occurs(value, subject.as_bytes()),
        }
}

/// Whether the subject is the whole key, or one or more whole components of it.
fn names(key: &str, subject: &str) -> bool {
    let ends = |c: Option<char>| c.is_none_or(|c| SEPARATORS.contains(&c) || c.is_whitespace());
    key.char_indices().any(|(at, _)| {
        let (before, rest) = key.split_at(at);
        rest.strip_prefix(subject)
            .is_some_and(|after| ends(before.chars().next_back()) && ends(after.chars().next()))
    })
}

/// Whether a string in the JSON, or a member's name, is the subject.
fn holds(value: &Value, subject: &str) -> bool {
    match value {
        Value::String(text) => text == subject,
        Value::Array(items) => items.iter().any(|item| holds(item, subject)),
        Value::Object(members) => members.iter().any(|(name, member)| name == subject || holds(member, subject)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn occurs(bytes: &[u8], subject: &[u8]) -> bool {
    bytes.windows(subject.len()).any(|window| window == subject)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_whole_components() {
        for key in [
            "ada@example.com",
            "user:ada@example.com",
            "user:ada@example.com:visits",
            "a/ada@example.com/b",
            "x ada@example.com",
            "ada@example.com,bob",
        ] {
            assert!(names(key, "ada@example.com"), "{key}");
        }
        for key in [
            "",
            "user:ada",
            "xada@example.com",
            "ada@example.com.au",
            "ada@example.comm",
            "user-ada@example.com",
        ] {
            assert!(!names(key, "ada@example.com"), "{key}");
        }
        assert!(names("xa:a:a", "a:a"));
        assert!(names("ключ:Ада", "Ада"));
        assert!(!names("42.5", "42"));
    }

    #[test]
    fn a_value_holds_strings_and_names() {
        let holds = |text: &str| is_about(b"s0000k", text.as_bytes(), "42");
        for text in [
            r#""42""#,
            r#"["x","42"]"#,
            r#"{"a":[{"id":"42"}]}"#,
            r#"{"42":1}"#,
            r#""\u0034\u0032""#,
            "{\"42\" broken",
        ] {
            assert!(holds(text), "{text}");
        }
        for text in ["42", r#""421""#, r#"{"a":42}"#, r#"["x42"]"#, "null", "true"] {
            assert!(!holds(text), "{text}");
        }
    }
}
