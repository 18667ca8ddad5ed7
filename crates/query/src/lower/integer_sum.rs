//! sum and avg of integers, over arrays: what functions' own do row by row, with the same results.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use datafusion::arrow::datatypes::{ArrowPrimitiveType, DataType, Int16Type, Int32Type, Int64Type};
use datafusion::common::Result as DfResult;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility};
use datafusion::scalar::ScalarValue;
use functions::Aggregate;
use types::{Datum, Numeric, Result, SqlError, SqlState, Type};

use super::aggregate::partial;
use crate::arrow::{data_type, to_array, to_scalar};
use crate::error::wrapped;

/// The function over arrays, if `function` is sum or avg of an integer type.
pub(super) fn integer_sum(function: &'static Aggregate) -> Option<Arc<AggregateUDF>> {
    let [Type::Int2 | Type::Int4 | Type::Int8] = function.args else {
        return None;
    };
    let answer = match (function.name, function.ret) {
        ("sum", Type::Int8) => Answer::Int8,
        ("sum", Type::Numeric) => Answer::Numeric,
        ("avg", Type::Numeric) => Answer::Average,
        _ => return None,
    };
    let signature = Signature::any(1, Volatility::Immutable);
    Some(Arc::new(AggregateUDF::new_from_impl(IntegerSum { answer, signature })))
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Answer {
    Int8,
    Numeric,
    Average,
}

impl Answer {
    fn ty(self) -> Type {
        match self {
            Answer::Int8 => Type::Int8,
            Answer::Numeric | Answer::Average => Type::Numeric,
        }
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct IntegerSum {
    answer: Answer,
    signature: Signature,
}

impl AggregateUDFImpl for IntegerSum {
    fn name(&self) -> &str {
        match self.answer {
            Answer::Int8 | Answer::Numeric => "integer_sum",
            Answer::Average => "integer_average",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _args: &[DataType]) -> DfResult<DataType> {
        Ok(data_type(self.answer.ty()))
    }

    fn accumulator(&self, _args: AccumulatorArgs) -> DfResult<Box<dyn Accumulator>> {
        Ok(Box::new(Whole {
            answer: self.answer,
            sum: Sum::default(),
        }))
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, _args: AccumulatorArgs) -> DfResult<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Grouped {
            answer: self.answer,
            sums: vec![],
        }))
    }
}

/// 2^63 values of 2^63 fit in.
#[derive(Clone, Copy, Default, Debug)]
struct Sum {
    sum: i128,
    count: i64,
}

impl Sum {
    fn add(&mut self, value: i64) {
        self.sum += i128::from(value);
        self.count += 1;
    }

    fn answer(self, answer: Answer) -> Result<Datum> {
        if self.count == 0 {
            return Ok(Datum::Null);
        }
        let numeric = || Numeric::from(self.sum);
        Ok(match answer {
            Answer::Int8 => {
                let range = |_| SqlError::new(SqlState::NumericValueOutOfRange, "bigint out of range");
                Datum::Int8(i64::try_from(self.sum).map_err(range)?)
            }
            Answer::Numeric => Datum::Numeric(numeric()),
            Answer::Average => Datum::Numeric(numeric().div(&Numeric::from(self.count))?),
        })
    }
}

/// Calls `f` with the index and value of each value that is not NULL.
fn each(array: &ArrayRef, f: &mut dyn FnMut(usize, i64)) -> DfResult<()> {
    fn of<T: ArrowPrimitiveType>(array: &ArrayRef, f: &mut dyn FnMut(usize, i64))
    where
        T::Native: Into<i64>,
    {
        let array = array.as_primitive::<T>();
        match array.nulls() {
            None => array
                .values()
                .iter()
                .enumerate()
                .for_each(|(index, value)| f(index, (*value).into())),
            Some(nulls) => nulls.valid_indices().for_each(|index| f(index, array.value(index).into())),
        }
    }
    match array.data_type() {
        DataType::Int16 => of::<Int16Type>(array, f),
        DataType::Int32 => of::<Int32Type>(array, f),
        DataType::Int64 => of::<Int64Type>(array, f),
        other => return Err(DataFusionError::Internal(format!("a sum of {other}"))),
    }
    Ok(())
}

fn argument(values: &[ArrayRef]) -> DfResult<&ArrayRef> {
    values
        .first()
        .ok_or_else(|| DataFusionError::Internal("a sum of nothing".to_string()))
}

/// One group of all rows.
#[derive(Debug)]
struct Whole {
    answer: Answer,
    sum: Sum,
}

impl Accumulator for Whole {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        each(argument(values)?, &mut |_, value| self.sum.add(value))
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        self.sum
            .answer(self.answer)
            .and_then(|value| to_scalar(self.answer.ty(), &value))
            .map_err(wrapped)
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }

    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        Err(partial())
    }

    fn merge_batch(&mut self, _states: &[ArrayRef]) -> DfResult<()> {
        Err(partial())
    }
}

struct Grouped {
    answer: Answer,
    sums: Vec<Sum>,
}

impl GroupsAccumulator for Grouped {
    fn update_batch(&mut self, values: &[ArrayRef], groups: &[usize], filter: Option<&BooleanArray>, count: usize) -> DfResult<()> {
        self.sums.resize(count, Sum::default());
        let passes = |index: usize| filter.is_none_or(|filter| filter.is_valid(index) && filter.value(index));
        each(argument(values)?, &mut |index, value| {
            if passes(index) {
                self.sums[groups[index]].add(value);
            }
        })
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> DfResult<ArrayRef> {
        let sums = emit_to.take_needed(&mut self.sums);
        let values = sums
            .into_iter()
            .map(|sum| sum.answer(self.answer))
            .collect::<Result<Vec<_>>>()
            .map_err(wrapped)?;
        to_array(self.answer.ty(), values.iter()).map_err(wrapped)
    }

    fn state(&mut self, _emit_to: EmitTo) -> DfResult<Vec<ArrayRef>> {
        Err(partial())
    }

    fn merge_batch(&mut self, _values: &[ArrayRef], _groups: &[usize], _count: usize) -> DfResult<()> {
        Err(partial())
    }

    fn convert_to_state(&self, _values: &[ArrayRef], _filter: Option<&BooleanArray>) -> DfResult<Vec<ArrayRef>> {
        Err(partial())
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<Sum>()
    }
}
