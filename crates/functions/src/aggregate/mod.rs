//! Aggregate functions. The life of a group: `new` with the exact argument types, `add` once per
//! row that passes FILTER, `finish` once or (for a moving window) many times.

use std::fmt::Debug;

use types::{Datum, Result, Type};

use crate::{Environment, Family};

mod collect;
mod count;
mod ordered;
mod statistics;
mod sum;

/// An aggregate function.
#[derive(Debug)]
pub struct Aggregate {
    pub name: &'static str,
    /// Empty for `count(*)`. May be polymorphic. For ordered-set aggregates the direct arguments come
    /// first, then the types of WITHIN GROUP (ORDER BY ...).
    pub args: &'static [Type],
    pub ret: Type,
    /// Rows with a NULL argument are not added: whoever calls `add` skips them.
    pub strict: bool,
    /// Takes WITHIN GROUP (ORDER BY ...): rows are added in that order, direct arguments included
    /// in each row.
    pub ordered_set: bool,
    pub new: fn(&[Type]) -> Box<dyn Accumulator>,
    pub native: Option<NativeAggregate>,
    /// As [`crate::Scalar::family`].
    pub family: Family,
}

/// An aggregate of the query library that means exactly the same for these argument types.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NativeAggregate {
    CountStar,
    Count,
    Min,
    Max,
    BoolAnd,
    BoolOr,
}

/// The state of one group.
pub trait Accumulator: Send + Debug {
    fn add(&mut self, env: &dyn Environment, args: &[Datum]) -> Result<()>;
    fn finish(&self, env: &dyn Environment) -> Result<Datum>;
    /// Bytes held, roughly.
    fn size(&self) -> usize;
}

pub(crate) fn families() -> &'static [&'static [Aggregate]] {
    &FAMILIES
}

static FAMILIES: [&[Aggregate]; 12] = [
    collect::AGGREGATES,
    count::BITS,
    count::BOOLEANS,
    count::COUNTS,
    count::EXTREMES,
    count::NATIVE_EXTREMES,
    ordered::AGGREGATES,
    statistics::AVERAGES,
    statistics::PAIRS,
    statistics::PAIR_COUNT,
    statistics::SPREADS,
    sum::AGGREGATES,
];

impl Aggregate {
    pub(crate) const fn new(name: &'static str, args: &'static [Type], ret: Type, new: fn(&[Type]) -> Box<dyn Accumulator>) -> Aggregate {
        Aggregate {
            name,
            args,
            ret,
            strict: true,
            ordered_set: false,
            new,
            native: None,
            family: Family::Same,
        }
    }

    pub(crate) const fn lax(mut self) -> Aggregate {
        self.strict = false;
        self
    }

    /// Of `anynonarray` instead of `anyelement`.
    pub(crate) const fn non_array(mut self) -> Aggregate {
        self.family = Family::NonArray;
        self
    }

    pub(crate) const fn ordered_set(mut self) -> Aggregate {
        self.ordered_set = true;
        self
    }

    pub(crate) const fn native(mut self, native: NativeAggregate) -> Aggregate {
        self.native = Some(native);
        self
    }
}

/// Bytes that a value holds, roughly.
pub(crate) fn size_of_datum(datum: &Datum) -> usize {
    size_of::<Datum>()
        + match datum {
            Datum::Text(text) | Datum::Json(text) => text.len(),
            Datum::Bytea(bytes) => bytes.len(),
            Datum::Numeric(_) => 32,
            Datum::Array(array) => array.values.iter().map(size_of_datum).sum(),
            Datum::Record(fields) => fields.iter().map(size_of_datum).sum(),
            _ => 0,
        }
}
