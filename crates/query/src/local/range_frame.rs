//! RANGE BETWEEN offset PRECEDING AND offset FOLLOWING: frames by the distance of values.

use functions::Scalar;
use types::{Datum, Interval, NO_TYPMOD, Result, SqlError, SqlState, Type};

use super::sort::directed;
use crate::env::Env;
use crate::eval::{call, convert};
use crate::plan::SortNode;

/// An edge at the current row's value plus or minus an offset.
pub(super) struct RangeEdge {
    offset: Datum,
    preceding: bool,
    key: Type,
    /// value + offset and value - offset.
    plus: &'static Scalar,
    minus: &'static Scalar,
    /// Of their results; a date and an interval make a timestamp.
    ty: Type,
}

impl RangeEdge {
    pub fn new(key: Type, offset: Datum, offset_ty: Type, preceding: bool) -> Result<RangeEdge> {
        if is_negative(&offset) {
            return Err(SqlError::new(
                SqlState::InvalidPrecedingOrFollowingSize,
                "invalid preceding or following size in window function",
            ));
        }
        let exactly = |symbol| {
            functions::registry::operators(symbol)
                .iter()
                .find(|operator| operator.left == Some(key) && operator.right == offset_ty)
        };
        let (Some(plus), Some(minus)) = (exactly("+"), exactly("-")) else {
            return Err(SqlError::new(
                SqlState::FeatureNotSupported,
                format!("RANGE with offset PRECEDING/FOLLOWING is not supported for column type {key} and offset type {offset_ty}"),
            ));
        };
        Ok(RangeEdge {
            offset,
            preceding,
            key,
            plus: plus.function,
            minus: minus.function,
            ty: plus.function.ret,
        })
    }

    /// The first row of the frame, or with `end` one past its last, among `count` rows whose values
    /// `value` gives in the order of `key`. The current value is not NULL.
    pub fn position<'v>(
        &self,
        count: usize,
        value: impl Fn(usize) -> &'v Datum,
        current: &Datum,
        key: &SortNode,
        end: bool,
        env: &Env,
    ) -> Result<usize> {
        let function = if self.preceding == key.descending { self.plus } else { self.minus };
        // Beyond the type's range is beyond every value.
        let Ok(edge) = call(function, &[current.clone(), self.offset.clone()], env) else {
            return Ok(if self.preceding { 0 } else { count });
        };
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            let value = convert(value(middle).clone(), self.key, self.ty, NO_TYPMOD, false, env)?;
            let ordering = directed(&value, &edge, key.descending, key.nulls_first);
            if ordering.is_lt() || (end && ordering.is_eq()) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }
}

fn is_negative(offset: &Datum) -> bool {
    match offset {
        Datum::Float4(value) => value.is_nan() || *value < 0.0,
        Datum::Float8(value) => value.is_nan() || *value < 0.0,
        Datum::Numeric(value) => *value < types::Numeric::from(0i32),
        Datum::Interval(value) => types::compare::compare(&Datum::Interval(*value), &Datum::Interval(Interval::default())).is_lt(),
        other => other.as_i64().is_some_and(|value| value < 0),
    }
}
