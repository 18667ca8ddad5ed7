//! Checked arithmetic on arrays, with PostgreSQL's errors.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use datafusion::arrow::compute::kernels::arity;
use datafusion::arrow::datatypes::{DataType, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type};
use datafusion::arrow::error::ArrowError;
use datafusion::common::Result as DfResult;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use functions::Native;
use types::{SqlError, SqlState};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Operation {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
}

impl Operation {
    pub fn new(native: Native) -> Option<Operation> {
        Some(match native {
            Native::Add => Operation::Add,
            Native::Sub => Operation::Sub,
            Native::Mul => Operation::Mul,
            Native::Div => Operation::Div,
            Native::Rem => Operation::Rem,
            Native::Eq | Native::NotEq | Native::Lt | Native::LtEq | Native::Gt | Native::GtEq => return None,
        })
    }

    /// Both sides have the type of the result, an integer or float type.
    pub fn of(self, left: Expr, right: Expr) -> Expr {
        ScalarUDF::new_from_impl(Arithmetic {
            operation: self,
            signature: Signature::any(2, Volatility::Immutable),
        })
        .call(vec![left, right])
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Arithmetic {
    operation: Operation,
    signature: Signature,
}

impl ScalarUDFImpl for Arithmetic {
    fn name(&self) -> &str {
        match self.operation {
            Operation::Add => "add",
            Operation::Sub => "subtract",
            Operation::Mul => "multiply",
            Operation::Div => "divide",
            Operation::Rem => "remainder",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> DfResult<DataType> {
        args.first()
            .cloned()
            .ok_or_else(|| DataFusionError::Internal("arithmetic on nothing".to_string()))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let scalars = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let count = if scalars { 1 } else { args.number_rows };
        let arrays = args
            .args
            .into_iter()
            .map(|arg| arg.into_array(count))
            .collect::<DfResult<Vec<ArrayRef>>>()?;
        let [left, right] = &arrays[..] else {
            return Err(DataFusionError::Internal("arithmetic on two".to_string()));
        };
        let result: ArrayRef = match left.data_type() {
            DataType::Int16 => Arc::new(integers::<Int16Type>(self.operation, left, right, "smallint out of range")?),
            DataType::Int32 => Arc::new(integers::<Int32Type>(self.operation, left, right, "integer out of range")?),
            DataType::Int64 => Arc::new(integers::<Int64Type>(self.operation, left, right, "bigint out of range")?),
            DataType::Float32 => Arc::new(floats::<Float32Type>(self.operation, left, right)?),
            DataType::Float64 => Arc::new(floats::<Float64Type>(self.operation, left, right)?),
            other => return Err(DataFusionError::Internal(format!("arithmetic on {other}"))),
        };
        if scalars {
            return Ok(ColumnarValue::Scalar(datafusion::scalar::ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

fn error(state: SqlState, message: &str) -> ArrowError {
    ArrowError::ExternalError(Box::new(SqlError::new(state, message)))
}

fn division_by_zero() -> ArrowError {
    error(SqlState::DivisionByZero, "division by zero")
}

/// What the integer types have in common.
trait Integer: Copy + PartialEq + Default {
    fn checked(self, other: Self, operation: Operation) -> Option<Self>;
}

macro_rules! integer {
    ($($ty:ty)*) => {
        $(impl Integer for $ty {
            fn checked(self, other: Self, operation: Operation) -> Option<Self> {
                match operation {
                    Operation::Add => self.checked_add(other),
                    Operation::Sub => self.checked_sub(other),
                    Operation::Mul => self.checked_mul(other),
                    Operation::Div => self.checked_div(other),
                    // The smallest value's remainder by -1 is 0, not out of range.
                    Operation::Rem => Some(self.wrapping_rem(other)),
                }
            }
        })*
    };
}

integer!(i16 i32 i64);

fn integers<T: ArrowPrimitiveType>(operation: Operation, left: &ArrayRef, right: &ArrayRef, range: &str) -> DfResult<PrimitiveArray<T>>
where
    T::Native: Integer,
{
    let divides = matches!(operation, Operation::Div | Operation::Rem);
    let result = arity::try_binary(left.as_primitive::<T>(), right.as_primitive::<T>(), |left, right| {
        if divides && right == T::Native::default() {
            return Err(division_by_zero());
        }
        left.checked(right, operation)
            .ok_or_else(|| error(SqlState::NumericValueOutOfRange, range))
    });
    Ok(result?)
}

fn floats<T: ArrowPrimitiveType>(operation: Operation, left: &ArrayRef, right: &ArrayRef) -> DfResult<PrimitiveArray<T>>
where
    T::Native: Float,
{
    let result = arity::try_binary(left.as_primitive::<T>(), right.as_primitive::<T>(), |left, right| {
        left.checked(right, operation)
    });
    Ok(result?)
}

/// What the float types have in common.
trait Float: Copy {
    fn checked(self, other: Self, operation: Operation) -> Result<Self, ArrowError>;
}

macro_rules! float {
    ($($ty:ty)*) => {
        $(impl Float for $ty {
            fn checked(self, other: Self, operation: Operation) -> Result<Self, ArrowError> {
                let overflow = || error(SqlState::NumericValueOutOfRange, "value out of range: overflow");
                let underflow = || error(SqlState::NumericValueOutOfRange, "value out of range: underflow");
                let result = match operation {
                    Operation::Add => self + other,
                    Operation::Sub => self - other,
                    Operation::Mul => self * other,
                    Operation::Div | Operation::Rem if other == 0.0 && !self.is_nan() => return Err(division_by_zero()),
                    Operation::Div => self / other,
                    Operation::Rem => self % other,
                };
                let infinite_other = operation != Operation::Div && other.is_infinite();
                if result.is_infinite() && !self.is_infinite() && !infinite_other {
                    return Err(overflow());
                }
                let vanished = match operation {
                    Operation::Mul => self != 0.0 && other != 0.0,
                    Operation::Div => self != 0.0 && !other.is_infinite(),
                    Operation::Add | Operation::Sub | Operation::Rem => false,
                };
                if result == 0.0 && vanished {
                    return Err(underflow());
                }
                Ok(result)
            }
        })*
    };
}

float!(f32 f64);
