//! Keys: what stands for a value where equality or order decides, so that DataFusion's comparison of
//! arrays is PostgreSQL's of values.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BinaryArray, StringArray};
use datafusion::arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::common::Result as DfResult;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use types::Type;

use crate::arrow::{Layout, layout};
use crate::encoding::{interval_key, numeric_key};

/// How a type's values become keys.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Key {
    /// Arrow compares them rightly.
    Same,
    /// -0 is 0, and all NaNs are one.
    Float,
    Numeric,
    Interval,
    /// Without trailing blanks.
    Bpchar,
}

/// None: values of the type are not compared in DataFusion.
pub(crate) fn key(ty: Type) -> Option<Key> {
    Some(match layout(ty) {
        Layout::Bool
        | Layout::Int2
        | Layout::Int4
        | Layout::Int8
        | Layout::Bytea
        | Layout::Date
        | Layout::Time
        | Layout::Timestamp
        | Layout::Timestamptz
        | Layout::Uuid
        | Layout::Oid => Key::Same,
        Layout::Text => {
            if ty == Type::Bpchar {
                Key::Bpchar
            } else {
                Key::Same
            }
        }
        Layout::Float4 | Layout::Float8 => Key::Float,
        Layout::Numeric => Key::Numeric,
        Layout::Interval => Key::Interval,
        Layout::Json | Layout::Encoded => return None,
    })
}

impl Key {
    pub fn of(self, expr: Expr) -> Expr {
        match self {
            Key::Same => expr,
            _ => ScalarUDF::new_from_impl(KeyFunction {
                key: self,
                signature: Signature::any(1, Volatility::Immutable),
            })
            .call(vec![expr]),
        }
    }

    fn array(self, array: &ArrayRef) -> Option<ArrayRef> {
        Some(match self {
            Key::Same => array.clone(),
            Key::Float => match array.data_type() {
                DataType::Float32 => Arc::new(
                    array
                        .as_primitive::<Float32Type>()
                        .unary::<_, Float32Type>(|v| if v.is_nan() { f32::NAN } else { v + 0.0 }),
                ),
                _ => Arc::new(
                    array
                        .as_primitive::<Float64Type>()
                        .unary::<_, Float64Type>(|v| if v.is_nan() { f64::NAN } else { v + 0.0 }),
                ),
            },
            Key::Numeric => Arc::new(
                array
                    .as_any()
                    .downcast_ref::<BinaryArray>()?
                    .iter()
                    .map(|v| v.map(numeric_key))
                    .collect::<BinaryArray>(),
            ),
            Key::Interval => Arc::new(
                array
                    .as_any()
                    .downcast_ref::<BinaryArray>()?
                    .iter()
                    .map(|v| v.map(interval_key))
                    .collect::<BinaryArray>(),
            ),
            Key::Bpchar => {
                let texts = array.as_any().downcast_ref::<StringArray>()?;
                Arc::new(
                    texts
                        .iter()
                        .map(|v| v.map(|text| text.trim_end_matches(' ')))
                        .collect::<StringArray>(),
                )
            }
        })
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct KeyFunction {
    key: Key,
    signature: Signature,
}

impl ScalarUDFImpl for KeyFunction {
    fn name(&self) -> &str {
        "key"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> DfResult<DataType> {
        args.first()
            .cloned()
            .ok_or_else(|| DataFusionError::Internal("key of nothing".to_string()))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let broken = || DataFusionError::Internal("key of another type".to_string());
        match args.args.first().ok_or_else(broken)? {
            ColumnarValue::Array(array) => Ok(ColumnarValue::Array(self.key.array(array).ok_or_else(broken)?)),
            ColumnarValue::Scalar(scalar) => {
                let array = self.key.array(&scalar.to_array()?).ok_or_else(broken)?;
                Ok(ColumnarValue::Scalar(datafusion::scalar::ScalarValue::try_from_array(&array, 0)?))
            }
        }
    }
}
