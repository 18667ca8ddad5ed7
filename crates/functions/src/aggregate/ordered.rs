//! Ordered-set aggregates: `percentile_cont`, `percentile_disc`, `mode`.
//!
//! Rows arrive in the order of WITHIN GROUP; each is the direct argument (the fraction), then the value.

use types::Type::*;
use types::{Array as ArrayValue, Datum, Result, SqlError, SqlState, Type};

use super::{Accumulator, Aggregate, size_of_datum};
use crate::Environment;
use crate::limit::check_elements;
use crate::scalar::datetime::interval;
use crate::scalar::math::general;

const FRACTIONS: Type = Array(&Float8);

pub(crate) static AGGREGATES: &[Aggregate] = &[
    Aggregate::new("percentile_cont", &[Float8, Float8], Float8, |args| {
        Box::new(Values::new(args, Answer::Between))
    })
    .ordered_set(),
    Aggregate::new("percentile_cont", &[Float8, Interval], Interval, |args| {
        Box::new(Values::new(args, Answer::Between))
    })
    .ordered_set(),
    Aggregate::new("percentile_cont", &[FRACTIONS, Float8], FRACTIONS, |args| {
        Box::new(Values::new(args, Answer::Between))
    })
    .ordered_set(),
    Aggregate::new("percentile_cont", &[FRACTIONS, Interval], Array(&Interval), |args| {
        Box::new(Values::new(args, Answer::Between))
    })
    .ordered_set(),
    Aggregate::new("percentile_disc", &[Float8, AnyElement], AnyElement, |args| {
        Box::new(Values::new(args, Answer::AtOrAfter))
    })
    .ordered_set(),
    Aggregate::new("percentile_disc", &[FRACTIONS, AnyElement], AnyArray, |args| {
        Box::new(Values::new(args, Answer::AtOrAfter))
    })
    .ordered_set(),
    Aggregate::new("mode", &[AnyElement], AnyElement, |args| {
        Box::new(Values::new(args, Answer::MostFrequent))
    })
    .ordered_set(),
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Answer {
    Between,
    AtOrAfter,
    MostFrequent,
}

#[derive(Debug)]
struct Values {
    answer: Answer,
    element: Type,
    fraction: Datum,
    sorted: Vec<Datum>,
    bytes: usize,
}

impl Values {
    fn new(args: &[Type], answer: Answer) -> Values {
        Values {
            answer,
            element: args.last().copied().unwrap_or(Text),
            fraction: Datum::Null,
            sorted: vec![],
            bytes: 0,
        }
    }

    fn at(&self, fraction: f64) -> Result<Datum> {
        if fraction.is_nan() || !(0.0..=1.0).contains(&fraction) {
            let message = format!("percentile value {} is not between 0 and 1", general(fraction));
            return Err(SqlError::new(SqlState::NumericValueOutOfRange, message));
        }
        let count = self.sorted.len();
        let get = |index: usize| self.sorted.get(index.min(count.saturating_sub(1))).cloned().unwrap_or_default();
        if self.answer == Answer::AtOrAfter {
            let row = (fraction * count as f64).ceil() as usize;
            return Ok(get(row.saturating_sub(1)));
        }
        let position = fraction * (count as f64 - 1.0);
        let (low, high) = (get(position.floor() as usize), get(position.ceil() as usize));
        let share = position - position.floor();
        if share == 0.0 {
            return Ok(low);
        }
        match (&low, &high) {
            (Datum::Float8(low), Datum::Float8(high)) => Ok(Datum::Float8(low + share * (high - low))),
            (Datum::Interval(low), Datum::Interval(high)) => {
                let distance = interval::times(interval::difference(*high, *low)?, share)?;
                interval::sum(distance, *low).map(Datum::Interval)
            }
            _ => Err(SqlError::internal("percentile_cont takes floats or intervals")),
        }
    }

    fn most_frequent(&self) -> Datum {
        let mut best: (usize, Option<&Datum>) = (0, None);
        let mut run: (usize, Option<&Datum>) = (0, None);
        for value in &self.sorted {
            run = match run {
                (length, Some(first)) if types::compare::compare(first, value).is_eq() => (length + 1, Some(first)),
                _ => (1, Some(value)),
            };
            if run.0 > best.0 {
                best = run;
            }
        }
        best.1.cloned().unwrap_or_default()
    }
}

impl Accumulator for Values {
    fn add(&mut self, _: &dyn Environment, args: &[Datum]) -> Result<()> {
        let Some(value) = args.last() else { return Ok(()) };
        if self.sorted.is_empty() && args.len() > 1 {
            self.fraction = args[0].clone();
        }
        self.bytes += size_of_datum(value);
        self.sorted.push(value.clone());
        check_elements(self.sorted.len())
    }

    fn finish(&self, _: &dyn Environment) -> Result<Datum> {
        if self.sorted.is_empty() {
            return Ok(Datum::Null);
        }
        if self.answer == Answer::MostFrequent {
            return Ok(self.most_frequent());
        }
        match &self.fraction {
            Datum::Float8(fraction) => self.at(*fraction),
            Datum::Array(fractions) => {
                let values = fractions.values.iter().map(|fraction| match fraction {
                    Datum::Float8(fraction) => self.at(*fraction),
                    _ => Ok(Datum::Null),
                });
                let values = values.collect::<Result<Vec<Datum>>>()?;
                Ok(Datum::Array(Box::new(ArrayValue {
                    element: self.element,
                    dims: fractions.dims.clone(),
                    values,
                })))
            }
            _ => Ok(Datum::Null),
        }
    }

    fn size(&self) -> usize {
        size_of::<Values>() + self.bytes
    }
}
