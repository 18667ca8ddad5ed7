//! What the values of one call depend on besides themselves: the session's settings, and the numbers that its guest cannot hold.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::Value;
use types::text::TextStyle;

use super::json;

/// A JavaScript number holds some 16 digits, JSON as many as it likes. One of more digits reaches the guest rounded; and where it comes
/// back as it was handed out it is the number that it was, so that what a function does not touch stays the same.
#[derive(Default)]
pub struct Exchange {
    /// Texts are read as literals of this session.
    pub style: TextStyle,
    rounds: bool,
    /// By the bits of what the guest got. None: it stands for two different numbers.
    rounded: HashMap<u64, Option<Box<str>>>,
    bytes: usize,
}

/// What is remembered of rounded numbers; further ones stay rounded.
const MAX_REMEMBERED_BYTES: usize = 1 << 20;
/// Shorter numbers are what a program may come to by itself: 5 is not 5.00000000000000000001.
const LEAST_DIGITS: usize = 15;

impl Exchange {
    /// `rounds`: the guest has no decimal numbers.
    pub fn new(style: TextStyle, rounds: bool) -> Exchange {
        Exchange {
            style,
            rounds,
            ..Exchange::default()
        }
    }

    pub(super) fn rounds(&self) -> bool {
        self.rounds
    }

    /// Looks at a document on its way to the guest.
    pub(super) fn note(&mut self, document: &Value) {
        let mut exact = vec![];
        let before = self.rounded.len();
        self.note_nested(document, &mut exact);
        if self.rounded.len() > before {
            for (float, text) in exact {
                if let Some(other) = self.rounded.get_mut(&float)
                    && other.as_deref() != Some(text)
                {
                    *other = None;
                }
            }
        }
    }

    fn note_nested<'a>(&mut self, value: &'a Value, exact: &mut Vec<(u64, &'a str)>) {
        match value {
            Value::Number(number) => {
                let text = number.as_str();
                let Ok(float) = text.parse::<f64>() else { return };
                if text.len() <= LEAST_DIGITS || digits(&float.to_string()) < LEAST_DIGITS {
                    return;
                }
                if json::is_exact(text, float) {
                    exact.push((float.to_bits(), text));
                } else {
                    self.remember(float, text);
                }
            }
            Value::Array(elements) => elements.iter().for_each(|element| self.note_nested(element, exact)),
            Value::Object(members) => members.values().for_each(|member| self.note_nested(member, exact)),
            Value::Null | Value::Bool(_) | Value::String(_) => {}
        }
    }

    fn remember(&mut self, float: f64, text: &str) {
        if let Some(known) = self.rounded.get_mut(&float.to_bits()) {
            if known.as_deref() != Some(text) {
                *known = None;
            }
            return;
        }
        let bytes = self.bytes.saturating_add(text.len() + size_of::<(u64, Option<Box<str>>)>());
        if bytes <= MAX_REMEMBERED_BYTES {
            self.bytes = bytes;
            self.rounded.insert(float.to_bits(), Some(text.into()));
        }
    }

    /// Whether `text` is what the guest saw of the document `before`.
    pub fn is_as_seen(&self, text: &str, before: &str) -> bool {
        let value = |text| serde_json::from_str::<Value>(text);
        match (value(text), value(before)) {
            (Ok(value), Ok(before)) => self.same(&value, &before),
            _ => false,
        }
    }

    fn same(&self, value: &Value, before: &Value) -> bool {
        match (value, before) {
            (Value::Number(value), Value::Number(before)) => {
                let whole = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
                let (value, before) = (value.as_str(), before.as_str());
                value == before
                    || match before.parse() {
                        Ok(float) if json::is_exact(before, float) || (self.rounds && !whole(before)) => value.parse() == Ok(float),
                        _ => json::same_number(value, before),
                    }
            }
            (Value::Array(values), Value::Array(before)) => {
                values.len() == before.len() && values.iter().zip(before).all(|(value, before)| self.same(value, before))
            }
            (Value::Object(members), Value::Object(before)) => {
                let is_same = |(name, member): (&String, &Value)| before.get(name).is_some_and(|before| self.same(member, before));
                members.len() == before.len() && members.iter().all(is_same)
            }
            (value, before) => value == before,
        }
    }

    /// The number that was handed out as this one.
    pub(super) fn original(&self, float: f64) -> Option<&str> {
        self.rounded.get(&float.to_bits())?.as_deref()
    }

    /// JSON from the guest, with the numbers that it only passes on as they were.
    pub(super) fn restored<'a>(&self, text: Cow<'a, str>) -> Cow<'a, str> {
        if self.rounded.is_empty() {
            return text;
        }
        let mut out = String::new();
        let mut rest: &str = &text;
        while let Some(at) = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit()) {
            let (before, token) = rest.split_at(at);
            let length = if token.starts_with('"') {
                string_length(token)
            } else {
                token
                    .find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'))
                    .unwrap_or(token.len())
            };
            let (token, after) = token.split_at(length);
            let original = if token.starts_with('"') {
                None
            } else {
                token.parse().ok().and_then(|float| self.original(float))
            };
            out.push_str(before);
            out.push_str(original.unwrap_or(token));
            rest = after;
        }
        out.push_str(rest);
        Cow::Owned(out)
    }
}

/// Of a JSON string at the beginning of a text, with its quotes.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Significant ones.
fn digits(number: &str) -> usize {
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    digits.trim_matches('0').len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sent: &str, returned: &str, expected: &str) {
        let mut exchange = Exchange::new(TextStyle::default(), true);
        exchange.note(&serde_json::from_str(sent).unwrap());
        assert_eq!(exchange.restored(returned.into()), expected);
    }

    #[test]
    fn what_comes_back_as_it_was_handed_out_is_what_it_was() {
        check(
            r#"{"a": 12345678901234567.89, "b": 0.12345678901234567890123}"#,
            r#"{"a":12345678901234568,"b":[-1,0.12345678901234568,"0.12345678901234568"],"c\"0.12345678901234568":2}"#,
            r#"{"a":12345678901234567.89,"b":[-1,0.12345678901234567890123,"0.12345678901234568"],"c\"0.12345678901234568":2}"#,
        );
    }

    #[test]
    fn a_document_is_as_the_guest_saw_it() {
        let seen = |rounds, text, before| Exchange::new(TextStyle::default(), rounds).is_as_seen(text, before);
        for rounds in [false, true] {
            assert!(seen(rounds, r#"{"b":[1.5,null],"a":0.1}"#, r#"{"a": 0.10, "b": [1.50, null]}"#));
            assert!(!seen(rounds, r#"[1]"#, r#"[2]"#));
            assert!(!seen(rounds, r#"{"a":1,"b":2}"#, r#"{"a": 1}"#));
            assert!(!seen(rounds, "12345678901234567890", "12345678901234567891"));
            assert_eq!(seen(rounds, "[1]", "[1.0000000000000000001]"), rounds);
        }
    }

    #[test]
    fn what_a_program_may_come_to_by_itself_stays() {
        check("[5.00000000000000000001, 0.1000000000000000000001]", "[5,0.1]", "[5,0.1]");
        // Two numbers that look the same to it.
        check(
            "[0.12345678901234567890, 0.123456789012345678]",
            "[0.12345678901234568]",
            "[0.12345678901234568]",
        );
        check(
            "[0.12345678901234568, 0.123456789012345678]",
            "[0.12345678901234568]",
            "[0.12345678901234568]",
        );
    }
}
