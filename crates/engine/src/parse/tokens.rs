//! Text to tokens, so many at most.
//!
//! The life of a text: the tokenizer is given one part of it after the other and goes on where the last whole token of the
//! part before ended. Between two parts the number of tokens is held against its limit, before millions of them fill the
//! memory, and the statement may be cancelled. A token longer than a part (a literal, a comment) is given whole.

use sqlparser::tokenizer::{Location, TokenWithSpan, Tokenizer, TokenizerError};
use types::Result;

use super::dialect::Postgres;
use super::{MAX_TOKENS, too_complex};
use crate::cancel::Cancel;

/// Bytes that the tokenizer gets at a time.
const PART: usize = 64 << 10;

/// A token that ends so close to a part's end might have gone on after it: the tokenizer looks a few characters ahead.
const MARGIN: usize = 64;

/// What stopped it: the limit or a cancel request, or the tokenizer, with the place in the whole text.
pub(super) enum Stopped {
    Refused(types::SqlError),
    Unreadable(TokenizerError),
}

pub(super) fn tokens(source: &str, cancel: &Cancel) -> Result<Vec<TokenWithSpan>, Stopped> {
    let dialect = Postgres::to_tokenize();
    let mut tokens: Vec<TokenWithSpan> = vec![];
    let mut rest = source;
    let mut start = Location::new(1, 1);
    let mut length = PART;
    while !rest.is_empty() {
        cancel.check().map_err(Stopped::Refused)?;
        let part = &rest[..boundary(rest, length)];
        let last = part.len() == rest.len();
        let first = tokens.len();
        let read = Tokenizer::new(&dialect, part).tokenize_with_location_into_buf(&mut tokens);
        if last {
            read.map_err(|error| {
                Stopped::Unreadable(TokenizerError {
                    location: shifted(error.location, start),
                    ..error
                })
            })?;
        }
        if !last {
            let safe = end_of(&part[..boundary(part, part.len().saturating_sub(MARGIN))]);
            while tokens.len() > first && tokens.last().is_some_and(|token| token.span.end > safe) {
                tokens.pop();
            }
        }
        if tokens.len() > MAX_TOKENS {
            return Err(Stopped::Refused(too_complex()));
        }
        let done = match tokens.get(first..).and_then(<[_]>::last) {
            Some(token) => offset(part, token.span.end),
            None if last => break,
            None if length == PART => {
                length = end_of_long(rest).saturating_add(PART);
                continue;
            }
            // Two readers that disagree about where a token ends: no text is worth finding out.
            None => return Err(Stopped::Refused(too_complex())),
        };
        for token in &mut tokens[first..] {
            token.span.start = shifted(token.span.start, start);
            token.span.end = shifted(token.span.end, start);
        }
        if last {
            break;
        }
        start = tokens.last().map_or(start, |token| token.span.end);
        rest = &rest[done..];
        length = PART;
    }
    Ok(tokens)
}

/// The place in the whole text of a place in the part that begins at `start`.
fn shifted(location: Location, start: Location) -> Location {
    match location.line {
        0 => location,
        1 => Location::new(start.line, start.column + location.column - 1),
        line => Location::new(start.line + line - 1, location.column),
    }
}

/// The last byte up to `length` where a character ends.
fn boundary(text: &str, length: usize) -> usize {
    text.floor_char_boundary(length.min(text.len()))
}

fn end_of(text: &str) -> Location {
    let mut end = Location::new(1, 1);
    for character in text.chars() {
        end = after(end, character);
    }
    end
}

fn offset(text: &str, location: Location) -> usize {
    let mut at = Location::new(1, 1);
    for (offset, character) in text.char_indices() {
        if at >= location {
            return offset;
        }
        at = after(at, character);
    }
    text.len()
}

fn after(at: Location, character: char) -> Location {
    match character {
        '\n' => Location::new(at.line + 1, 1),
        _ => Location::new(at.line, at.column + 1),
    }
}

/// Where a token that fills a whole part ends.
fn end_of_long(text: &str) -> usize {
    let bytes = text.as_bytes();
    let quoted = |open: usize, escapes: bool| {
        let quote = bytes[open];
        let mut at = open + 1;
        while let Some(byte) = bytes.get(at) {
            if *byte == b'\\' && escapes {
                at += 2;
            } else if *byte != quote {
                at += 1;
            } else if bytes.get(at + 1) == Some(&quote) {
                at += 2;
            } else {
                return at + 1;
            }
        }
        text.len()
    };
    match bytes {
        [b'\'' | b'"', ..] => quoted(0, false),
        [b'e' | b'E', b'\'', ..] => quoted(1, true),
        [_, b'\'', ..] => quoted(1, false),
        [b'u' | b'U', b'&', b'\'' | b'"', ..] => quoted(2, false),
        [b'-', b'-', ..] => text.find('\n').unwrap_or(text.len()),
        [b'/', b'*', ..] => {
            let mut depth = 1usize;
            let mut at = 2;
            while let Some(byte) = bytes.get(at) {
                match (byte, bytes.get(at + 1)) {
                    (b'/', Some(b'*')) => (depth, at) = (depth + 1, at + 2),
                    (b'*', Some(b'/')) if depth == 1 => return at + 2,
                    (b'*', Some(b'/')) => (depth, at) = (depth - 1, at + 2),
                    _ => at += 1,
                }
            }
            text.len()
        }
        [b'$', ..] => {
            let tag = text[1..].find('$').map_or(text, |end| &text[..end + 2]);
            match text[tag.len()..].find(tag) {
                Some(end) => tag.len() + end + tag.len(),
                None => text.len(),
            }
        }
        // A name, a number, an operator: it ends with its kind of character.
        _ => {
            let word = |character: char| character.is_alphanumeric() || matches!(character, '_' | '$' | '.');
            let first = text.chars().next().is_some_and(word);
            text.find(|character: char| word(character) != first).unwrap_or(text.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) {
        let whole = Tokenizer::new(&Postgres::to_tokenize(), text).tokenize_with_location();
        match (whole, tokens(text, &Cancel::default())) {
            (Ok(whole), Ok(parts)) => {
                assert_eq!(whole, parts);
                assert!(whole.iter().zip(&parts).all(|(whole, part)| whole.span == part.span));
            }
            (Err(whole), Err(Stopped::Unreadable(parts))) => assert_eq!(whole, parts),
            (whole, _) => panic!("{:?}", whole.map(|tokens| tokens.len())),
        }
    }

    #[test]
    fn parts_give_the_tokens_of_the_whole() {
        let long = "x".repeat(3 * PART);
        for token in [
            format!("'{long}''é\n{long}'"),
            format!("E'{long}\\'{long}''\\\\'"),
            format!("U&'{long}''a'"),
            format!("\"{long}\"\"é\""),
            format!("/*{long}/* */ ' {long}*/"),
            format!("--{long}\n"),
            format!("$$'{long}$a$$"),
            format!("$a$'{long}$$ $a$"),
            format!("$a$'{long}"),
            format!("'{long}"),
            format!("/*{long}"),
            format!("E'{long}\\uzzzz'"),
            long.clone(),
            "1".repeat(2 * PART),
            "+".repeat(2 * PART),
            format!("${}", "1".repeat(2 * PART)),
        ] {
            check(&token);
            check(&format!("{}{token} SELECT 1,\n'a' -- b", "SELECT 1.5e10 \n é, $1;".repeat(3_000)));
        }
    }

    #[test]
    fn more_tokens_than_the_limit_are_not_made() {
        for text in [
            ",".repeat(4_000_000),
            format!("'{}'{}", "x".repeat(1_000_000), " ".repeat(1_000_000)),
        ] {
            assert!(matches!(tokens(&text, &Cancel::default()), Err(Stopped::Refused(_))));
        }
    }

    #[test]
    fn a_cancelled_text_is_read_no_further() {
        let cancel = Cancel::default();
        cancel.request();
        assert!(matches!(tokens("SELECT 1", &cancel), Err(Stopped::Refused(error)) if error.state() == types::SqlState::QueryCanceled));
    }
}
