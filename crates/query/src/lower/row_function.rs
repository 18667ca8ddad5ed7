//! Everything that DataFusion has no kernel for: our own evaluator, over the rows of a batch.

use std::hash::{Hash, Hasher};

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result as DfResult;
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use datafusion::scalar::ScalarValue;
use types::Type;

use crate::arrow::{data_type, to_array, to_columns};
use crate::env::{Env, Slot};
use crate::error::wrapped;
use crate::eval::Node;

/// An expression over some columns. Two are never taken for the same.
pub(super) struct RowFunction {
    id: Slot,
    node: Node,
    args: Vec<Type>,
    ret: Type,
    env: Env,
    signature: Signature,
}

impl RowFunction {
    pub fn expr(node: Node, args: Vec<(Expr, Type)>, ret: Type, volatile: bool, env: Env) -> Expr {
        // Stable, at most: an immutable function may be run while planning, on its constants.
        let volatility = if volatile { Volatility::Volatile } else { Volatility::Stable };
        let signature = match args.len() {
            0 => Signature::nullary(volatility),
            count => Signature::any(count, volatility),
        };
        let (exprs, args) = args.into_iter().unzip();
        ScalarUDF::new_from_impl(RowFunction {
            id: Slot::next(),
            node,
            args,
            ret,
            env,
            signature,
        })
        .call(exprs)
    }
}

impl std::fmt::Debug for RowFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowFunction").field("id", &self.id).finish_non_exhaustive()
    }
}

impl PartialEq for RowFunction {
    fn eq(&self, other: &RowFunction) -> bool {
        self.id == other.id
    }
}

impl Eq for RowFunction {}

impl Hash for RowFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl ScalarUDFImpl for RowFunction {
    fn name(&self) -> &str {
        "row"
    }

    fn schema_name(&self, _args: &[Expr]) -> DfResult<String> {
        Ok(format!("row{:?}", self.id))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _args: &[DataType]) -> DfResult<DataType> {
        Ok(data_type(self.ret))
    }

    /// It may fail, and must not for rows that did not need it.
    fn short_circuits(&self) -> bool {
        false
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let constant = !args.args.is_empty() && args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let constant = constant && self.signature.volatility != Volatility::Volatile;
        let count = if constant { 1 } else { args.number_rows };
        let arrays = args
            .args
            .into_iter()
            .map(|arg| arg.into_array(count))
            .collect::<DfResult<Vec<ArrayRef>>>()?;
        let values = to_columns(&self.args, &arrays)
            .and_then(|columns| self.node.eval_columns(columns, count, &self.env))
            .map_err(wrapped)?;
        let array = to_array(self.ret, values.iter()).map_err(wrapped)?;
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    }
}
