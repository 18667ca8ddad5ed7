//! `sum` and `avg`.

use types::Type::*;
use types::{Datum, Result, SqlError};

use super::{Accumulator, Aggregate};
use crate::Environment;
use crate::scalar::arithmetic::{out_of_range, overflow};
use crate::scalar::datetime::interval;

pub(crate) static AGGREGATES: &[Aggregate] = &[
    Aggregate::new("sum", &[Int2], Int8, |_| Box::new(Integers::new(Answer::Int8))),
    Aggregate::new("sum", &[Int4], Int8, |_| Box::new(Integers::new(Answer::Int8))),
    Aggregate::new("sum", &[Int8], Numeric, |_| Box::new(Integers::new(Answer::Numeric))),
    Aggregate::new("sum", &[Float4], Float4, |_| Box::new(Float4Sum(None))),
    Aggregate::new("sum", &[Float8], Float8, |_| Box::new(Float8Sum(None))),
    Aggregate::new("sum", &[Numeric], Numeric, |_| {
        Box::new(Numerics {
            count: 0,
            sum: types::Numeric::zero(),
            average: false,
        })
    }),
    Aggregate::new("sum", &[Interval], Interval, |_| {
        Box::new(Intervals {
            count: 0,
            sum: types::Interval::default(),
            average: false,
        })
    }),
    Aggregate::new("avg", &[Int2], Numeric, |_| Box::new(Integers::new(Answer::Average))),
    Aggregate::new("avg", &[Int4], Numeric, |_| Box::new(Integers::new(Answer::Average))),
    Aggregate::new("avg", &[Int8], Numeric, |_| Box::new(Integers::new(Answer::Average))),
    Aggregate::new("avg", &[Numeric], Numeric, |_| {
        Box::new(Numerics {
            count: 0,
            sum: types::Numeric::zero(),
            average: true,
        })
    }),
    Aggregate::new("avg", &[Interval], Interval, |_| {
        Box::new(Intervals {
            count: 0,
            sum: types::Interval::default(),
            average: true,
        })
    }),
];

#[derive(Clone, Copy, Debug)]
enum Answer {
    Int8,
    Numeric,
    Average,
}

/// 128 bits hold the sum of more 64-bit integers than there can be rows.
#[derive(Debug)]
struct Integers {
    answer: Answer,
    count: i64,
    sum: i128,
}

impl Integers {
    fn new(answer: Answer) -> Integers {
        Integers { answer, count: 0, sum: 0 }
    }
}

impl Accumulator for Integers {
    fn add(&mut self, _: &dyn Environment, args: &[Datum]) -> Result<()> {
        let value = args
            .first()
            .and_then(Datum::as_i64)
            .ok_or_else(|| SqlError::internal("sum of integers got something else"))?;
        self.sum += i128::from(value);
        self.count += 1;
        Ok(())
    }

    fn finish(&self, _: &dyn Environment) -> Result<Datum> {
        if self.count == 0 {
            return Ok(Datum::Null);
        }
        match self.answer {
            Answer::Int8 => i64::try_from(self.sum).map(Datum::Int8).map_err(|_| out_of_range("bigint")),
            Answer::Numeric => Ok(Datum::Numeric(types::Numeric::from(self.sum))),
            Answer::Average => types::Numeric::from(self.sum)
                .div(&types::Numeric::from(self.count))
                .map(Datum::Numeric),
        }
    }

    fn size(&self) -> usize {
        size_of::<Integers>()
    }
}

#[derive(Debug)]
struct Numerics {
    count: i64,
    sum: types::Numeric,
    average: bool,
}

impl Accumulator for Numerics {
    fn add(&mut self, _: &dyn Environment, args: &[Datum]) -> Result<()> {
        self.sum = self.sum.add(crate::argument::numeric(args, 0)?)?;
        self.count += 1;
        Ok(())
    }

    fn finish(&self, _: &dyn Environment) -> Result<Datum> {
        if self.count == 0 {
            return Ok(Datum::Null);
        }
        Ok(Datum::Numeric(if self.average {
            self.sum.div(&types::Numeric::from(self.count))?
        } else {
            self.sum.clone()
        }))
    }

    fn size(&self) -> usize {
        size_of::<Numerics>() + 32
    }
}

#[derive(Debug)]
struct Float4Sum(Option<f32>);

impl Accumulator for Float4Sum {
    fn add(&mut self, _: &dyn Environment, args: &[Datum]) -> Result<()> {
        let value = crate::argument::float4(args, 0)?;
        let Some(old) = self.0 else {
            self.0 = Some(value);
            return Ok(());
        };
        let sum = old + value;
        if sum.is_infinite() && old.is_finite() && value.is_finite() {
            return Err(overflow());
        }
        self.0 = Some(sum);
        Ok(())
    }

    fn finish(&self, _: &dyn Environment) -> Result<Datum> {
        Ok(self.0.map_or(Datum::Null, Datum::Float4))
    }

    fn size(&self) -> usize {
        size_of::<Float4Sum>()
    }
}

#[derive(Debug)]
struct Float8Sum(Option<f64>);

impl Accumulator for Float8Sum {
    fn add(&mut self, _: &dyn Environment, args: &[Datum]) -> Result<()> {
        let value = crate::argument::float8(args, 0)?;
        let Some(old) = self.0 else {
            self.0 = Some(value);
            return Ok(());
        };
        let sum = old + value;
        if sum.is_infinite() && old.is_finite() && value.is_finite() {
            return Err(overflow());
        }
        self.0 = Some(sum);
        Ok(())
    }

    fn finish(&self, _: &dyn Environment) -> Result<Datum> {
        Ok(self.0.map_or(Datum::Null, Datum::Float8))
    }

    fn size(&self) -> usize {
        size_of::<Float8Sum>()
    }
}

#[derive(Debug)]
struct Intervals {
    count: i64,
    sum: types::Interval,
    average: bool,
}

impl Accumulator for Intervals {
    fn add(&mut self, _: &dyn Environment, args: &[Datum]) -> Result<()> {
        self.sum = interval::sum(self.sum, crate::argument::interval(args, 0)?)?;
        self.count += 1;
        Ok(())
    }

    fn finish(&self, _: &dyn Environment) -> Result<Datum> {
        if self.count == 0 {
            return Ok(Datum::Null);
        }
        Ok(Datum::Interval(if self.average {
            interval::divided(self.sum, self.count as f64)?
        } else {
            self.sum
        }))
    }

    fn size(&self) -> usize {
        size_of::<Intervals>()
    }
}
