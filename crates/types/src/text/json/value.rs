//! A jsonb value and its text.

use crate::Numeric;

/// A JSON value as jsonb holds it.
#[derive(Clone, Debug)]
pub enum Value {
    Null,
    Bool(bool),
    Number(Numeric),
    String(String),
    Array(Vec<Value>),
    /// Sorted as jsonb stores keys, shorter ones first; each key once. See [`Value::object`].
    Object(Vec<(String, Value)>),
}

impl Value {
    /// An object of these members; of equal keys the last counts.
    pub fn object(mut members: Vec<(String, Value)>) -> Value {
        members.sort_by(|(a, _), (b, _)| key_order(a, b));
        // The sort is stable, so the last of equal keys comes last: it takes the place of the one before.
        members.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                std::mem::swap(later, earlier);
            }
            same
        });
        Value::Object(members)
    }

    /// The member of an object.
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Object(members) => members
                .binary_search_by(|(name, _)| key_order(name, key))
                .ok()
                .map(|at| &members[at].1),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
        }
    }

    /// Appends the text that jsonb prints.
    pub fn write(&self, out: &mut String) {
        match self {
            Value::Null => out.push_str("null"),
            Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Value::Number(value) => value.write(out),
            Value::String(value) => write_string(value, out),
            Value::Array(elements) => {
                out.push('[');
                for (i, element) in elements.iter().enumerate() {
                    if i > 0 {
                        out.push_str(", ");
                    }
                    element.write(out);
                }
                out.push(']');
            }
            Value::Object(members) => {
                out.push('{');
                for (i, (key, value)) in members.iter().enumerate() {
                    if i > 0 {
                        out.push_str(", ");
                    }
                    write_string(key, out);
                    out.push_str(": ");
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::new();
        self.write(&mut text);
        f.write_str(&text)
    }
}

/// jsonb stores keys by length, then by bytes.
fn key_order(a: &str, b: &str) -> std::cmp::Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// Appends a JSON string, quoted and escaped as PostgreSQL's `escape_json` does.
pub fn write_string(text: &str, out: &mut String) {
    out.push('"');
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            0x08 => "\\b",
            0x0c => "\\f",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..32 => "",
            _ => continue,
        };
        out.push_str(&text[plain..at]);
        plain = at + 1;
        if escape.is_empty() {
            out.push_str("\\u00");
            out.push(char::from(b'0' + (byte >> 4)));
            out.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
        } else {
            out.push_str(escape);
        }
    }
    out.push_str(&text[plain..]);
    out.push('"');
}
