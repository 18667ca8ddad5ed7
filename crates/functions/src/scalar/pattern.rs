//! LIKE and ILIKE, and what SIMILAR TO becomes.

use types::Type::*;
use types::{Datum, Result, SqlError, SqlState};

use crate::Scalar;
use crate::argument::{bytea, present, text};
use crate::limit::check_size;
use crate::scalar::string::lower;

/// The entries of one kind of match, for each type on the left.
macro_rules! likes {
    ($($name:literal, $left:ident, $not:literal, $insensitive:literal;)*) => {
        &[$(Scalar::new($name, &[$left, Text], Bool, |_, a| {
            let (value, pattern) = (text(a, 0)?, text(a, 1)?);
            let found = if $insensitive { like(&lower(value), &lower(pattern))? } else { like(value, pattern)? };
            Ok(Datum::Bool(found != $not))
        }),)*]
    };
}

pub(crate) static LIKES: &[Scalar] = likes! {
    "like", Text, false, false;
    "like", Name, false, false;
    "notlike", Text, true, false;
    "notlike", Name, true, false;
    "textlike", Text, false, false;
    "textnlike", Text, true, false;
    "texticlike", Text, false, true;
    "texticnlike", Text, true, true;
    "namelike", Name, false, false;
    "namenlike", Name, true, false;
    "nameiclike", Name, false, true;
    "nameicnlike", Name, true, true;
    "bpcharlike", Bpchar, false, false;
    "bpcharnlike", Bpchar, true, false;
    "bpchariclike", Bpchar, false, true;
    "bpcharicnlike", Bpchar, true, true;
};

pub(crate) static SCALARS: &[Scalar] = &[
    Scalar::new("like", &[Bytea, Bytea], Bool, |_, a| {
        like_bytes(bytea(a, 0)?, bytea(a, 1)?).map(Datum::Bool)
    }),
    Scalar::new("bytealike", &[Bytea, Bytea], Bool, |_, a| {
        like_bytes(bytea(a, 0)?, bytea(a, 1)?).map(Datum::Bool)
    }),
    Scalar::new("notlike", &[Bytea, Bytea], Bool, |_, a| {
        like_bytes(bytea(a, 0)?, bytea(a, 1)?).map(|found| Datum::Bool(!found))
    }),
    Scalar::new("byteanlike", &[Bytea, Bytea], Bool, |_, a| {
        like_bytes(bytea(a, 0)?, bytea(a, 1)?).map(|found| Datum::Bool(!found))
    }),
    Scalar::new("like_escape", &[Text, Text], Text, |_, a| like_escape(text(a, 0)?, text(a, 1)?)),
    Scalar::new("similar_to_escape", &[Text], Text, |_, a| {
        similar_to_regex(text(a, 0)?, Some('\\')).map(Datum::Text)
    }),
    Scalar::new("similar_to_escape", &[Text, Text], Text, |_, a| similar(text(a, 0)?, text(a, 1)?)),
    Scalar::new("similar_escape", &[Text, Text], Text, |_, a| match (present(a, 0), present(a, 1)) {
        (None, _) => Ok(Datum::Null),
        (Some(_), None) => similar_to_regex(text(a, 0)?, Some('\\')).map(Datum::Text),
        (Some(_), Some(_)) => similar(text(a, 0)?, text(a, 1)?),
    })
    .lax(),
];

/// `%` matches anything, `_` one character, `\` makes the next character ordinary.
pub(crate) fn like(value: &str, pattern: &str) -> Result<bool> {
    if value.is_ascii() && pattern.is_ascii() {
        return like_bytes(value.as_bytes(), pattern.as_bytes());
    }
    let value: Vec<char> = value.chars().collect();
    let pattern: Vec<char> = pattern.chars().collect();
    matches(&value, &pattern, '%', '_', '\\')
}

fn like_bytes(value: &[u8], pattern: &[u8]) -> Result<bool> {
    matches(value, pattern, b'%', b'_', b'\\')
}

/// Walks both; after a mismatch the last `%` takes one more. That is enough: an earlier `%` need never
/// take more, because the part after it has already matched as early as it can.
fn matches<T: Copy + PartialEq>(value: &[T], pattern: &[T], any: T, one: T, escape: T) -> Result<bool> {
    let (mut v, mut p) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let matched = match pattern.get(p) {
            Some(&token) if token == any => {
                while pattern.get(p) == Some(&any) {
                    p += 1;
                }
                if p == pattern.len() {
                    return Ok(true);
                }
                refuse_lone_escape(&value[v..], &pattern[p..], any, one, escape)?;
                retry = Some((v, p));
                continue;
            }
            Some(&token) if token == one => v < value.len(),
            Some(&token) if token == escape => {
                p += 1;
                let Some(&literal) = pattern.get(p) else {
                    // As in PostgreSQL, the end of the value hides a wrong end of the pattern.
                    if v < value.len() {
                        return Err(lone_escape());
                    }
                    return Ok(false);
                };
                value.get(v) == Some(&literal)
            }
            Some(&token) => value.get(v) == Some(&token),
            None if v == value.len() => return Ok(true),
            None => false,
        };
        if matched {
            v += 1;
            p += 1;
            continue;
        }
        match retry {
            Some((from, after)) if from < value.len() => {
                retry = Some((from + 1, after));
                v = from + 1;
                p = after;
            }
            _ => return Ok(false),
        }
    }
}

fn lone_escape() -> SqlError {
    SqlError::new(SqlState::InvalidEscapeSequence, "LIKE pattern must not end with escape character")
}

/// After a `%` PostgreSQL looks ahead: past more `%` and `_`, an escape without a character is noticed even where
/// the value is at its end.
fn refuse_lone_escape<T: Copy + PartialEq>(value: &[T], pattern: &[T], any: T, one: T, escape: T) -> Result<()> {
    let wildcards = pattern.iter().take_while(|token| **token == any || **token == one).count();
    let taken = pattern[..wildcards].iter().filter(|token| **token == one).count();
    if taken <= value.len() && pattern[wildcards..] == [escape] {
        Err(lone_escape())
    } else {
        Ok(())
    }
}

fn escape_character(escape: &str) -> Result<Option<char>> {
    let mut chars = escape.chars();
    match (chars.next(), chars.next()) {
        (first, None) => Ok(first),
        _ => {
            Err(SqlError::new(SqlState::InvalidEscapeSequence, "invalid escape string")
                .hint("Escape string must be empty or one character."))
        }
    }
}

/// The pattern with another escape character, or none, as one with a backslash.
fn like_escape(pattern: &str, escape: &str) -> Result<Datum> {
    let escape = escape_character(escape)?;
    check_size(pattern.len().saturating_mul(2))?;
    if escape == Some('\\') {
        return Ok(Datum::text(pattern));
    }
    let mut out = String::with_capacity(pattern.len());
    let mut after_escape = false;
    for c in pattern.chars() {
        if Some(c) == escape && !after_escape {
            out.push('\\');
            after_escape = true;
        } else {
            if c == '\\' && !after_escape {
                out.push('\\');
            }
            out.push(c);
            after_escape = false;
        }
    }
    Ok(Datum::Text(out))
}

fn similar(pattern: &str, escape: &str) -> Result<Datum> {
    similar_to_regex(pattern, escape_character(escape)?).map(Datum::Text)
}

/// SQL's regular expression as an ARE. Escape-double-quotes mark the part that
/// `substring(... similar ...)` returns: it becomes the only capturing group, and what is before it
/// is made to match as little as it can.
pub(crate) fn similar_to_regex(pattern: &str, escape: Option<char>) -> Result<String> {
    check_size(pattern.len().saturating_mul(4))?;
    let mut out = String::from("^(?:");
    let (mut after_escape, mut in_class) = (false, false);
    let mut quotes = 0;
    for c in pattern.chars() {
        if after_escape {
            after_escape = false;
            if c == '"' && !in_class {
                out.push_str(match quotes {
                    0 => "){1,1}?(",
                    1 => "){1,1}(?:",
                    _ => {
                        let message = "SQL regular expression may not contain more than two escape-double-quote separators";
                        return Err(SqlError::new(SqlState::InvalidUseOfEscapeCharacter, message));
                    }
                });
                quotes += 1;
            } else {
                out.push('\\');
                out.push(c);
            }
        } else if Some(c) == escape {
            after_escape = true;
        } else if in_class {
            if c == '\\' {
                out.push('\\');
            }
            out.push(c);
            in_class = c != ']';
        } else {
            match c {
                '[' => {
                    out.push(c);
                    in_class = true;
                }
                '%' => out.push_str(".*"),
                '_' => out.push('.'),
                '(' => out.push_str("(?:"),
                '\\' | '.' | '^' | '$' => {
                    out.push('\\');
                    out.push(c);
                }
                c => out.push(c),
            }
        }
    }
    out.push_str(")$");
    Ok(out)
}
