//! `count(*)`, `count(x)`, and the aggregates that keep one value of their input's type: `min`,
//! `max`, `bool_and`, `bit_or`.

use types::Type::*;
use types::{Datum, Result, Type};

use super::{Accumulator, Aggregate, NativeAggregate, size_of_datum};
use crate::Environment;

pub(crate) static COUNTS: &[Aggregate] = &[
    Aggregate::new("count", &[], Int8, |_| Box::new(Count(0))).native(NativeAggregate::CountStar),
    Aggregate::new("count", &[Any], Int8, |_| Box::new(Count(0))).native(NativeAggregate::Count),
];

/// Takes the kept value and the next one, and says which (or what) is kept.
type Choose = fn(Datum, &Datum) -> Datum;

macro_rules! extremes {
    ($($t:expr),*) => {
        &[$(
            Aggregate::new("min", &[$t], $t, |_| Box::new(Kept { choose: smaller, value: Datum::Null })),
            Aggregate::new("max", &[$t], $t, |_| Box::new(Kept { choose: larger, value: Datum::Null })),
        )*]
    };
}

macro_rules! native_extremes {
    ($($t:expr),*) => {
        &[$(
            Aggregate::new("min", &[$t], $t, |_| Box::new(Kept { choose: smaller, value: Datum::Null })).native(NativeAggregate::Min),
            Aggregate::new("max", &[$t], $t, |_| Box::new(Kept { choose: larger, value: Datum::Null })).native(NativeAggregate::Max),
        )*]
    };
}

/// Types whose order is also the query library's.
pub(crate) static NATIVE_EXTREMES: &[Aggregate] = native_extremes!(Int2, Int4, Int8, Text, Date, Time, Timestamp, Timestamptz);

pub(crate) static EXTREMES: &[Aggregate] = extremes!(Float4, Float8, Numeric, Bpchar, Interval, Oid, AnyArray);

macro_rules! bits {
    ($($t:ident),*) => {
        &[$(
            Aggregate::new("bit_and", &[$t], $t, |_| Box::new(Kept { choose: |a, b| bits(a, b, |a, b| a & b), value: Datum::Null })),
            Aggregate::new("bit_or", &[$t], $t, |_| Box::new(Kept { choose: |a, b| bits(a, b, |a, b| a | b), value: Datum::Null })),
            Aggregate::new("bit_xor", &[$t], $t, |_| Box::new(Kept { choose: |a, b| bits(a, b, |a, b| a ^ b), value: Datum::Null })),
        )*]
    };
}

pub(crate) static BITS: &[Aggregate] = bits!(Int2, Int4, Int8);

fn all(_: &[Type]) -> Box<dyn Accumulator> {
    Box::new(Kept {
        choose: |a, b| Datum::Bool(a.as_bool() == Some(true) && b.as_bool() == Some(true)),
        value: Datum::Null,
    })
}

fn any(_: &[Type]) -> Box<dyn Accumulator> {
    Box::new(Kept {
        choose: |a, b| Datum::Bool(a.as_bool() == Some(true) || b.as_bool() == Some(true)),
        value: Datum::Null,
    })
}

pub(crate) static BOOLEANS: &[Aggregate] = &[
    Aggregate::new("bool_and", &[Bool], Bool, all).native(NativeAggregate::BoolAnd),
    Aggregate::new("every", &[Bool], Bool, all).native(NativeAggregate::BoolAnd),
    Aggregate::new("bool_or", &[Bool], Bool, any).native(NativeAggregate::BoolOr),
];

#[derive(Debug)]
struct Count(i64);

impl Accumulator for Count {
    fn add(&mut self, _: &dyn Environment, _: &[Datum]) -> Result<()> {
        self.0 = self.0.saturating_add(1);
        Ok(())
    }

    fn finish(&self, _: &dyn Environment) -> Result<Datum> {
        Ok(Datum::Int8(self.0))
    }

    fn size(&self) -> usize {
        size_of::<Count>()
    }
}

/// The first value is kept as it is; NULL while there is none.
#[derive(Debug)]
struct Kept {
    choose: Choose,
    value: Datum,
}

impl Accumulator for Kept {
    fn add(&mut self, _: &dyn Environment, args: &[Datum]) -> Result<()> {
        let old = std::mem::take(&mut self.value);
        self.value = if old.is_null() {
            args[0].clone()
        } else {
            (self.choose)(old, &args[0])
        };
        Ok(())
    }

    fn finish(&self, _: &dyn Environment) -> Result<Datum> {
        Ok(self.value.clone())
    }

    fn size(&self) -> usize {
        size_of::<Kept>() + size_of_datum(&self.value)
    }
}

/// Of equal values (1.0 and 1.00) the later one is kept, as in PostgreSQL.
fn smaller(kept: Datum, next: &Datum) -> Datum {
    if types::compare::compare(&kept, next).is_lt() {
        kept
    } else {
        next.clone()
    }
}

fn larger(kept: Datum, next: &Datum) -> Datum {
    if types::compare::compare(&kept, next).is_gt() {
        kept
    } else {
        next.clone()
    }
}

fn bits(kept: Datum, next: &Datum, operation: fn(i64, i64) -> i64) -> Datum {
    // Sign extension commutes with and, or and xor: the result fits the type again.
    match (&kept, next) {
        (Datum::Int2(a), Datum::Int2(b)) => Datum::Int2(operation((*a).into(), (*b).into()) as i16),
        (Datum::Int4(a), Datum::Int4(b)) => Datum::Int4(operation((*a).into(), (*b).into()) as i32),
        (Datum::Int8(a), Datum::Int8(b)) => Datum::Int8(operation(*a, *b)),
        _ => kept,
    }
}
