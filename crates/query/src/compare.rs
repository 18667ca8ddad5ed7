//! Which built-in functions are the comparisons of a type, so that they can be made without
//! calling the function, by hashing, or by DataFusion.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::LazyLock;

use functions::Scalar;
use types::{Datum, Type};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Comparison {
    Eq,
    NotEq,
    Lt,
    LtEq,
    Gt,
    GtEq,
}

impl Comparison {
    pub fn holds(self, ordering: Ordering) -> bool {
        match self {
            Comparison::Eq => ordering.is_eq(),
            Comparison::NotEq => ordering.is_ne(),
            Comparison::Lt => ordering.is_lt(),
            Comparison::LtEq => ordering.is_le(),
            Comparison::Gt => ordering.is_gt(),
            Comparison::GtEq => ordering.is_ge(),
        }
    }

    /// The comparison with its sides exchanged.
    pub fn flipped(self) -> Comparison {
        match self {
            Comparison::Eq => Comparison::Eq,
            Comparison::NotEq => Comparison::NotEq,
            Comparison::Lt => Comparison::Gt,
            Comparison::LtEq => Comparison::GtEq,
            Comparison::Gt => Comparison::Lt,
            Comparison::GtEq => Comparison::LtEq,
        }
    }
}

/// By the address of the operator's function.
static COMPARISONS: LazyLock<HashMap<usize, Comparison>> = LazyLock::new(|| {
    let mut map = HashMap::new();
    for (symbol, comparison) in [
        ("=", Comparison::Eq),
        ("<>", Comparison::NotEq),
        ("<", Comparison::Lt),
        ("<=", Comparison::LtEq),
        (">", Comparison::Gt),
        (">=", Comparison::GtEq),
    ] {
        for operator in functions::registry::operators(symbol) {
            map.insert(address(operator.function), comparison);
        }
    }
    map
});

fn address(function: &'static Scalar) -> usize {
    std::ptr::from_ref(function) as usize
}

/// The comparison that `function` is for arguments of these types, where it is one that
/// [`types::compare::compare`] makes.
pub(crate) fn comparison(function: &'static Scalar, left: Type, right: Type) -> Option<Comparison> {
    if !comparable(left, right) {
        return None;
    }
    COMPARISONS.get(&address(function)).copied()
}

/// Values of these types compare as their datums do. Not so `bpchar`, whose trailing blanks do
/// not count, json, which does not compare, and pseudo-types.
fn comparable(left: Type, right: Type) -> bool {
    (left.is_integer() && right.is_integer()) || (kind(left).is_some() && kind(left) == kind(right))
}

fn kind(ty: Type) -> Option<u8> {
    Some(match ty {
        Type::Bool => 0,
        Type::Int2 => 1,
        Type::Int4 => 2,
        Type::Int8 => 3,
        Type::Float4 => 4,
        Type::Float8 => 5,
        Type::Numeric => 6,
        Type::Text | Type::Varchar | Type::Char | Type::Name => 7,
        Type::Bytea => 8,
        Type::Date => 9,
        Type::Time => 10,
        Type::Timestamp => 11,
        Type::Timestamptz => 12,
        Type::Interval => 13,
        Type::Uuid => 14,
        Type::Oid | Type::Regclass | Type::Regtype | Type::Regproc | Type::Regnamespace | Type::Regrole => 15,
        Type::Jsonb => 16,
        Type::Bpchar
        | Type::Json
        | Type::Array(_)
        | Type::Record
        | Type::Void
        | Type::Trigger
        | Type::Unknown
        | Type::Any
        | Type::AnyElement
        | Type::AnyArray => return None,
    })
}

/// The ordering of two values that are not NULL and of types that [`comparison`] accepts.
pub(crate) fn order(left: &Datum, right: &Datum) -> Ordering {
    match (left, right) {
        (Datum::Int4(left), Datum::Int4(right)) => left.cmp(right),
        (Datum::Int8(left), Datum::Int8(right)) => left.cmp(right),
        (Datum::Int2(_) | Datum::Int4(_) | Datum::Int8(_), Datum::Int2(_) | Datum::Int4(_) | Datum::Int8(_)) => {
            left.as_i64().cmp(&right.as_i64())
        }
        _ => types::compare::compare(left, right),
    }
}

/// The value that stands for `datum` where equality decides: values that are equal in `ty` have
/// equal ones of these by [`types::compare`], integers of every width among them.
pub(crate) fn normal(datum: Datum, ty: Type) -> Datum {
    match (datum, ty) {
        (Datum::Text(mut text), Type::Bpchar) => {
            text.truncate(text.trim_end_matches(' ').len());
            Datum::Text(text)
        }
        (datum, _) => datum,
    }
}

/// As [`normal`], for keys whose sides may be integers of different widths.
pub(crate) fn widened(datum: Datum) -> Datum {
    match datum {
        Datum::Int2(value) => Datum::Int8(i64::from(value)),
        Datum::Int4(value) => Datum::Int8(i64::from(value)),
        other => other,
    }
}
