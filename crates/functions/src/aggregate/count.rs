//! `count(*)` and `count(x)`.

use types::{Datum, Result, Type};

use super::{Accumulator, Aggregate, NativeAggregate};
use crate::Environment;

pub(crate) static AGGREGATES: &[Aggregate] = &[
    Aggregate::new("count", &[], Type::Int8, |_| Box::new(Count(0))).native(NativeAggregate::CountStar),
    Aggregate::new("count", &[Type::Any], Type::Int8, |_| Box::new(Count(0))).native(NativeAggregate::Count),
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
