//! Aggregation: DataFusion's functions where they mean the same, else ours behind its interface.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result as DfResult;
use datafusion::error::DataFusionError;
use datafusion::functions_aggregate::bool_and_or::{bool_and_udaf, bool_or_udaf};
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::functions_aggregate::min_max::{max_udaf, min_udaf};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Expr, Signature, Volatility};
use datafusion::scalar::ScalarValue;
use functions::NativeAggregate;
use types::Type;

use super::Lowering;
use super::expr::Scope;
use super::integer_sum::integer_sum;
use crate::arrow::{Column, Layout, data_type, layout, to_scalar};
use crate::compare::normal;
use crate::env::{Env, Slot};
use crate::error::wrapped;
use crate::ir::{AggregateCall, AggregateTarget};
use crate::local::State;
use crate::plan::{SortNode, Target};

impl Lowering<'_> {
    pub(super) fn aggregate_call(&mut self, call: &AggregateCall, scope: &Scope) -> types::Result<Expr> {
        let mut args = call
            .args
            .iter()
            .map(|arg| self.expr(arg, scope))
            .collect::<types::Result<Vec<_>>>()?;
        let filter = call.filter.as_ref().map(|filter| self.expr(filter, scope)).transpose()?;
        if let Some(filter) = &filter {
            // DataFusion computes arguments for the rows that FILTER leaves out, too.
            for (arg, ir) in args.iter_mut().zip(&call.args) {
                if !super::expr::is_infallible(ir) {
                    *arg = super::expr::case(vec![(filter.clone(), arg.clone())], None);
                }
            }
        }
        if let Some(udaf) = same_in_datafusion(call) {
            if args.is_empty() {
                args.push(Expr::Literal(ScalarValue::Int64(Some(1)), None));
            }
            return Ok(Expr::AggregateFunction(AggregateFunction::new_udf(
                udaf,
                args,
                false,
                filter.map(Box::new),
                vec![],
                None,
            )));
        }
        let nodes = self.planner.aggregate_call(call, &[])?;
        for key in &call.order_by {
            args.push(self.expr(&key.expr, scope)?);
        }
        let types: Vec<Type> = call
            .args
            .iter()
            .map(|arg| arg.ty())
            .chain(call.order_by.iter().map(|key| key.expr.ty()))
            .collect();
        if args.is_empty() {
            // Something has to say how many rows there are.
            args.push(Expr::Literal(ScalarValue::Boolean(None), None));
        }
        let function = RowAggregate {
            signature: Signature::any(args.len(), Volatility::Immutable),
            shared: Arc::new(Shared {
                id: Slot::next(),
                target: nodes.target,
                order_by: nodes.order_by,
                arguments: call.args.len(),
                types,
                ret: call.ty,
                env: self.env.clone(),
            }),
        };
        let udaf = Arc::new(AggregateUDF::new_from_impl(function));
        Ok(Expr::AggregateFunction(AggregateFunction::new_udf(
            udaf,
            args,
            false,
            filter.map(Box::new),
            vec![],
            None,
        )))
    }

    /// The first value of each group: what is shown for a group that was made by a key.
    pub(super) fn first(&self, expr: Expr, ty: Type) -> Expr {
        let udaf = Arc::new(AggregateUDF::new_from_impl(First {
            ty: data_type(ty),
            signature: Signature::any(1, Volatility::Immutable),
        }));
        Expr::AggregateFunction(AggregateFunction::new_udf(udaf, vec![expr], false, None, vec![], None))
    }
}

/// DataFusion's function, if it gives PostgreSQL's results for this call.
fn same_in_datafusion(call: &AggregateCall) -> Option<Arc<AggregateUDF>> {
    let AggregateTarget::Builtin(function) = &call.function else {
        return None;
    };
    if call.distinct || !call.order_by.is_empty() {
        return None;
    }
    let ordered = call.args.first().is_some_and(|arg| {
        matches!(
            layout(arg.ty()),
            Layout::Int2 | Layout::Int4 | Layout::Int8 | Layout::Date | Layout::Time | Layout::Timestamp | Layout::Timestamptz
        ) || matches!(arg.ty(), Type::Text | Type::Varchar | Type::Name)
    });
    if let Some(sum) = integer_sum(function) {
        return Some(sum);
    }
    match function.native? {
        NativeAggregate::CountStar if call.args.is_empty() => Some(count_udaf()),
        NativeAggregate::Count if call.args.len() == 1 => Some(count_udaf()),
        NativeAggregate::Min if ordered => Some(min_udaf()),
        NativeAggregate::Max if ordered => Some(max_udaf()),
        NativeAggregate::BoolAnd => Some(bool_and_udaf()),
        NativeAggregate::BoolOr => Some(bool_or_udaf()),
        NativeAggregate::CountStar | NativeAggregate::Count | NativeAggregate::Min | NativeAggregate::Max => None,
    }
}

/// An aggregate of ours: arguments, then the values of ORDER BY.
#[derive(Debug)]
struct RowAggregate {
    shared: Arc<Shared>,
    signature: Signature,
}

struct Shared {
    id: Slot,
    target: Target,
    order_by: Arc<[SortNode]>,
    /// How many of `types` are arguments.
    arguments: usize,
    types: Vec<Type>,
    ret: Type,
    env: Env,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("target", &self.target).finish_non_exhaustive()
    }
}

impl PartialEq for RowAggregate {
    fn eq(&self, other: &RowAggregate) -> bool {
        self.shared.id == other.shared.id
    }
}

impl Eq for RowAggregate {}

impl Hash for RowAggregate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.shared.id.hash(state);
    }
}

impl AggregateUDFImpl for RowAggregate {
    fn name(&self) -> &str {
        "row_aggregate"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _args: &[DataType]) -> DfResult<DataType> {
        Ok(data_type(self.shared.ret))
    }

    fn accumulator(&self, _args: AccumulatorArgs) -> DfResult<Box<dyn Accumulator>> {
        let broken = || DataFusionError::Internal("an aggregate without state".to_string());
        let state = State::new(&self.shared.target, &self.shared.order_by).ok_or_else(broken)?;
        Ok(Box::new(RowAccumulator {
            shared: self.shared.clone(),
            state: Mutex::new(state),
        }))
    }
}

#[derive(Debug)]
struct RowAccumulator {
    shared: Arc<Shared>,
    /// Functions' states are Send but not Sync, which DataFusion wants; nobody else locks it.
    state: Mutex<State>,
}

impl Accumulator for RowAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        let count = values.first().map_or(0, |array| array.len());
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Shared { types, arguments, env, .. } = &*self.shared;
        let columns = types
            .iter()
            .zip(values)
            .map(|(ty, array)| Column::new(*ty, array))
            .collect::<types::Result<Vec<_>>>()
            .map_err(wrapped)?;
        for index in 0..count {
            let (args, keys) = columns.split_at(*arguments);
            let args = args
                .iter()
                .map(|column| column.get(index))
                .collect::<types::Result<_>>()
                .map_err(wrapped)?;
            let keys = keys
                .iter()
                .zip(&types[*arguments..])
                .map(|(column, ty)| Ok(normal(column.get(index)?, *ty)));
            let keys = keys.collect::<types::Result<_>>().map_err(wrapped)?;
            state.add(args, keys, env).map_err(wrapped)?;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let value = state.finish(&self.shared.order_by, &self.shared.env).map_err(wrapped)?;
        to_scalar(self.shared.ret, &value).map_err(wrapped)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.state.lock().unwrap_or_else(PoisonError::into_inner).size()
    }

    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        Err(partial())
    }

    fn merge_batch(&mut self, _states: &[ArrayRef]) -> DfResult<()> {
        Err(partial())
    }
}

/// One partition is all there is, so that no two states of a group ever meet.
pub(super) fn partial() -> DataFusionError {
    DataFusionError::Internal("an aggregation in two steps".to_string())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct First {
    ty: DataType,
    signature: Signature,
}

impl AggregateUDFImpl for First {
    fn name(&self) -> &str {
        "first"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _args: &[DataType]) -> DfResult<DataType> {
        Ok(self.ty.clone())
    }

    fn accumulator(&self, _args: AccumulatorArgs) -> DfResult<Box<dyn Accumulator>> {
        Ok(Box::new(FirstValue {
            ty: self.ty.clone(),
            value: None,
        }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> DfResult<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format!("{}[first]", args.name), self.ty.clone(), true))])
    }
}

#[derive(Debug)]
struct FirstValue {
    ty: DataType,
    value: Option<ScalarValue>,
}

impl Accumulator for FirstValue {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        if self.value.is_none()
            && let Some(array) = values.first()
            && !array.is_empty()
        {
            self.value = Some(ScalarValue::try_from_array(array, 0)?);
        }
        Ok(())
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        self.value.clone().map_or_else(|| ScalarValue::try_from(&self.ty), Ok)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.value.as_ref().map_or(0, ScalarValue::size)
    }

    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> DfResult<()> {
        self.update_batch(states)
    }
}
