//! The order of values: PostgreSQL's btree order within each type, and hashes that agree with it.
//!
//! Text goes by bytes (the C collation). A `char(n)` compares as it is stored; who compares values
//! of different lengths strips their blanks first.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use crate::calendar::{DAYS_PER_MONTH, MICROS_PER_DAY};
use crate::text::json;
use crate::{Array, Datum, Interval};

/// The order of two values of one type; NULLs last. Values of different types have an order too,
/// but no meaning should be given to it.
pub fn compare(a: &Datum, b: &Datum) -> Ordering {
    match (a, b) {
        (Datum::Int4(a), Datum::Int4(b)) => a.cmp(b),
        (Datum::Int8(a), Datum::Int8(b)) => a.cmp(b),
        (Datum::Text(a), Datum::Text(b)) => a.cmp(b),
        (Datum::Bool(a), Datum::Bool(b)) => a.cmp(b),
        (Datum::Int2(a), Datum::Int2(b)) => a.cmp(b),
        (Datum::Float4(a), Datum::Float4(b)) => compare_floats(f64::from(*a), f64::from(*b)),
        (Datum::Float8(a), Datum::Float8(b)) => compare_floats(*a, *b),
        (Datum::Numeric(a), Datum::Numeric(b)) => a.cmp(b),
        (Datum::Bytea(a), Datum::Bytea(b)) => a.cmp(b),
        (Datum::Date(a), Datum::Date(b)) => a.cmp(b),
        (Datum::Time(a), Datum::Time(b)) => a.cmp(b),
        (Datum::Timestamp(a), Datum::Timestamp(b)) => a.cmp(b),
        (Datum::Timestamptz(a), Datum::Timestamptz(b)) => a.cmp(b),
        (Datum::Interval(a), Datum::Interval(b)) => length(a).cmp(&length(b)),
        (Datum::Uuid(a), Datum::Uuid(b)) => a.cmp(b),
        (Datum::Json(a), Datum::Json(b)) => json::compare(a, b),
        (Datum::Oid(a), Datum::Oid(b)) => a.cmp(b),
        (Datum::Array(a), Datum::Array(b)) => compare_arrays(a, b),
        (Datum::Record(a), Datum::Record(b)) => compare_rows(a, b),
        (a, b) => rank(a).cmp(&rank(b)),
    }
}

/// A number per variant; NULL's is the greatest.
fn rank(datum: &Datum) -> u8 {
    match datum {
        Datum::Bool(_) => 0,
        Datum::Int2(_) => 1,
        Datum::Int4(_) => 2,
        Datum::Int8(_) => 3,
        Datum::Float4(_) => 4,
        Datum::Float8(_) => 5,
        Datum::Numeric(_) => 6,
        Datum::Text(_) => 7,
        Datum::Bytea(_) => 8,
        Datum::Date(_) => 9,
        Datum::Time(_) => 10,
        Datum::Timestamp(_) => 11,
        Datum::Timestamptz(_) => 12,
        Datum::Interval(_) => 13,
        Datum::Uuid(_) => 14,
        Datum::Json(_) => 15,
        Datum::Oid(_) => 16,
        Datum::Array(_) => 17,
        Datum::Record(_) => 18,
        Datum::Null => u8::MAX,
    }
}

/// NaN equals itself and is greater than all; -0 equals 0.
fn compare_floats(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// An interval's length with months of 30 days and days of 24 hours.
fn length(interval: &Interval) -> i128 {
    let days = i64::from(interval.months) * DAYS_PER_MONTH + i64::from(interval.days);
    i128::from(days) * i128::from(MICROS_PER_DAY) + i128::from(interval.micros)
}

/// By elements, then by their number, then by shape.
fn compare_arrays(a: &Array, b: &Array) -> Ordering {
    let elements = || compare_all(&a.values, &b.values);
    let lengths = |array: &Array| array.dims.iter().map(|(length, _)| *length).collect::<Vec<_>>();
    let bounds = |array: &Array| array.dims.iter().map(|(_, lower)| *lower).collect::<Vec<_>>();
    elements()
        .then_with(|| a.values.len().cmp(&b.values.len()))
        .then_with(|| a.dims.len().cmp(&b.dims.len()))
        .then_with(|| lengths(a).cmp(&lengths(b)))
        .then_with(|| bounds(a).cmp(&bounds(b)))
}

/// By columns, then by their number.
fn compare_rows(a: &[Datum], b: &[Datum]) -> Ordering {
    compare_all(a, b).then_with(|| a.len().cmp(&b.len()))
}

/// Up to the end of the shorter one.
fn compare_all(a: &[Datum], b: &[Datum]) -> Ordering {
    a.iter()
        .zip(b)
        .map(|(a, b)| compare(a, b))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// Equal values (by [`compare`]) hash equal.
pub fn hash<H: Hasher>(datum: &Datum, state: &mut H) {
    rank(datum).hash(state);
    match datum {
        Datum::Null => {}
        Datum::Bool(value) => value.hash(state),
        Datum::Int2(value) => value.hash(state),
        Datum::Int4(value) => value.hash(state),
        Datum::Int8(value) => value.hash(state),
        Datum::Float4(value) => hash_float(f64::from(*value), state),
        Datum::Float8(value) => hash_float(*value, state),
        Datum::Numeric(value) => value.hash(state),
        Datum::Text(value) => value.hash(state),
        Datum::Bytea(value) => value.hash(state),
        Datum::Date(value) => value.hash(state),
        Datum::Time(value) | Datum::Timestamp(value) | Datum::Timestamptz(value) => value.hash(state),
        Datum::Interval(value) => length(value).hash(state),
        Datum::Uuid(value) => value.hash(state),
        Datum::Json(value) => match json::parse(value) {
            Ok(value) => value.hash(state),
            Err(_) => value.hash(state),
        },
        Datum::Oid(value) => value.hash(state),
        Datum::Array(array) => {
            array.dims.hash(state);
            array.values.iter().for_each(|value| hash(value, state));
        }
        Datum::Record(values) => {
            values.len().hash(state);
            values.iter().for_each(|value| hash(value, state));
        }
    }
}

fn hash_float<H: Hasher>(value: f64, state: &mut H) {
    let canonical = if value.is_nan() {
        f64::NAN
    } else if value == 0.0 {
        0.0
    } else {
        value
    };
    canonical.to_bits().hash(state);
}

/// A row of values as a key of a map: equality, order and hash are SQL's, with NULLs equal (as grouping and DISTINCT take them).
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
        compare_rows(&self.0, &other.0)
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.iter().for_each(|datum| hash(datum, state));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{TextStyle, parse};
    use crate::{NO_TYPMOD, Type};
    use std::collections::HashMap;

    /// Each value is less than the next.
    fn ascending(ty: &str, values: &[&str]) {
        let ty = Type::from_name(ty).unwrap();
        let read = |text: &&str| parse(ty, NO_TYPMOD, text, &TextStyle::default()).unwrap();
        let data: Vec<Datum> = values.iter().map(read).chain([Datum::Null]).collect();
        for (i, a) in data.iter().enumerate() {
            for (j, b) in data.iter().enumerate() {
                assert_eq!(compare(a, b), i.cmp(&j), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn orders_are_postgresqls() {
        ascending("float8", &["-inf", "-1", "0", "5e-324", "1", "inf", "nan"]);
        ascending("numeric", &["-inf", "-1", "0.00", "0.01", "1", "inf", "nan"]);
        ascending("text", &["", "A", "B", "a", "ab", "ä"]);
        ascending(
            "interval",
            &[
                "-1 day", "0", "23:59:59", "1 day", "29 days", "1 mon", "31 days", "1 year", "366 days",
            ],
        );
        ascending("date", &["-infinity", "0044-03-15 BC", "1970-01-01", "infinity"]);
        ascending("int4[]", &["{}", "{1}", "{1,2}", "{{1,2}}", "{1,3}", "{2}", "{NULL}"]);
        ascending("bytea", &["", "a", "\\xff"]);
    }

    #[test]
    fn keys_group_equal_values() {
        let key = |ty: Type, text: &str| Key(vec![parse(ty, NO_TYPMOD, text, &TextStyle::default()).unwrap(), Datum::Null]);
        let mut groups = HashMap::new();
        for (ty, text) in [
            (Type::Numeric, "1"),
            (Type::Numeric, "1.000"),
            (Type::Numeric, "100000000000000000000"),
            (Type::Numeric, "100000000000000000000.00"),
            (Type::Float8, "0"),
            (Type::Float8, "-0"),
            (Type::Interval, "1 mon"),
            (Type::Interval, "30 days"),
            (Type::Interval, "720:00"),
            (Type::Jsonb, "{\"a\": 1}"),
            (Type::Jsonb, "{\"a\": 1.0}"),
            (Type::Float4, "nan"),
            (Type::Float4, "nan"),
        ] {
            *groups.entry(key(ty, text)).or_insert(0) += 1;
        }
        let mut counts: Vec<i32> = groups.into_values().collect();
        counts.sort();
        assert_eq!(counts, [2, 2, 2, 2, 2, 3]);
    }
}
