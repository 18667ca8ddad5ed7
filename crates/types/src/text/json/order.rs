//! The order of jsonb values (PostgreSQL's `compareJsonbContainers`): containers by their size first,
//! and by their parts only then. Hashes agree with it.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use super::Value;

impl Value {
    /// The order of kinds inside of a container.
    fn rank(&self) -> u8 {
        match self {
            Value::Null => 0,
            Value::String(_) => 1,
            Value::Number(_) => 2,
            Value::Bool(_) => 3,
            Value::Array(_) => 4,
            Value::Object(_) => 5,
        }
    }

    fn compare_nested(&self, other: &Value) -> Ordering {
        match (self, other) {
            (Value::String(a), Value::String(b)) => a.cmp(b),
            (Value::Number(a), Value::Number(b)) => a.cmp(b),
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            (Value::Array(a), Value::Array(b)) => {
                let elements = || a.iter().zip(b).map(|(a, b)| a.compare_nested(b)).find(|order| order.is_ne());
                a.len().cmp(&b.len()).then_with(|| elements().unwrap_or(Ordering::Equal))
            }
            (Value::Object(a), Value::Object(b)) => {
                let member =
                    |((a_key, a), (b_key, b)): (&(String, Value), &(String, Value))| a_key.cmp(b_key).then_with(|| a.compare_nested(b));
                let members = || a.iter().zip(b).map(member).find(|order| order.is_ne());
                a.len().cmp(&b.len()).then_with(|| members().unwrap_or(Ordering::Equal))
            }
            (a, b) => a.rank().cmp(&b.rank()),
        }
    }

    /// PostgreSQL stores a lone scalar as an array of one element: that is its length against arrays.
    fn array_length(&self) -> usize {
        match self {
            Value::Array(elements) => elements.len(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => 1,
        }
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Value) -> Ordering {
        let is_array = |value: &Value| matches!(value, Value::Array(_));
        let is_object = |value: &Value| matches!(value, Value::Object(_));
        match (is_object(self), is_object(other)) {
            (true, false) => return Ordering::Greater,
            (false, true) => return Ordering::Less,
            (true, true) | (false, false) => {}
        }
        if is_array(self) != is_array(other) {
            return self
                .array_length()
                .cmp(&other.array_length())
                .then(is_array(self).cmp(&is_array(other)));
        }
        self.compare_nested(other)
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Value) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.rank().hash(state);
        match self {
            Value::Null => {}
            Value::Bool(value) => value.hash(state),
            Value::Number(value) => value.hash(state),
            Value::String(value) => value.hash(state),
            Value::Array(elements) => elements.hash(state),
            Value::Object(members) => members.hash(state),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::text::json::compare;

    #[test]
    fn the_order_is_postgresqls() {
        // As `ORDER BY` of PostgreSQL 15 returned them.
        let ordered = [
            "[]",
            "null",
            "\"a\"",
            "\"b\"",
            "1",
            "2.5",
            "false",
            "true",
            "[null]",
            "[\"a\"]",
            "[1]",
            "[true]",
            "[[]]",
            "[{}]",
            "[1, 2]",
            "[2, 1]",
            "{}",
            "{\"a\": 1}",
            "{\"a\": [1]}",
            "{\"b\": 0}",
            "{\"a\": 1, \"b\": 2}",
        ];
        for (i, a) in ordered.iter().enumerate() {
            for (j, b) in ordered.iter().enumerate() {
                assert_eq!(compare(a, b), i.cmp(&j), "{a} {b}");
            }
        }
        assert!(compare("{\"a\":1.0}", "{\"a\": 1}").is_eq());
    }
}
