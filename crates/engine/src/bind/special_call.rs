//! Calls of built-ins that are not written, or not matched, as other calls are.

use functions::resolve::{NamedSource, Target};
use query::ir::Expr;
use sqlparser::ast;
use types::{Datum, NO_TYPMOD, Result, SqlError, SqlState, Type};

use super::{Binder, Scope};

/// Digits of a second that times have.
const MAX_PRECISION: i32 = 6;

impl Binder<'_> {
    /// A built-in called with named arguments, `make_interval(days => 3)`; what is not given has its default.
    pub(super) fn named_builtin(&mut self, name: &str, args: Vec<Expr>, names: &[Option<String>]) -> Result<Expr> {
        let positional: Vec<Type> = args
            .iter()
            .zip(names)
            .filter(|(_, name)| name.is_none())
            .map(|(arg, _)| arg.ty())
            .collect();
        let named: Vec<(&str, Type)> = args
            .iter()
            .zip(names)
            .filter_map(|(arg, name)| Some((name.as_deref()?, arg.ty())))
            .collect();
        let (resolved, sources) = functions::resolve::resolve_named_call(name, &positional, &named)?;
        let Target::Scalar(function) = resolved.target else {
            return Err(SqlError::internal("only scalar functions have names for their arguments"));
        };
        let mut given: Vec<Option<Expr>> = args.into_iter().map(Some).collect();
        let mut exprs = vec![];
        for (source, ty) in sources.into_iter().zip(&resolved.args) {
            let value = match source {
                NamedSource::Given(index) => given.get_mut(index).and_then(Option::take),
                NamedSource::Default(text) => Some(Expr::Const(Datum::text(text), Type::Unknown)),
            };
            let value = value.ok_or_else(|| SqlError::internal("an argument was given once"))?;
            exprs.push(self.coerce_resolved(value, *ty)?);
        }
        if let Some(types) = resolved.types_argument {
            exprs.push(self.types_argument(types, &exprs));
        }
        Ok(Expr::Call {
            function,
            args: exprs,
            ty: resolved.ret,
        })
    }

    /// `current_timestamp(0)` and the like; None for other calls.
    pub(super) fn clock_with_precision(&mut self, name: &str, args: &[Expr]) -> Result<Option<Expr>> {
        let ty = match name {
            "current_timestamp" => Type::Timestamptz,
            "localtimestamp" => Type::Timestamp,
            "current_time" | "localtime" => Type::Time,
            _ => return Ok(None),
        };
        let [Expr::Const(Datum::Int4(precision), _)] = args else {
            return Err(SqlError::new(
                SqlState::SyntaxError,
                format!("the precision of {name} must be a number"),
            ));
        };
        if *precision < 0 {
            return Err(SqlError::new(
                SqlState::InvalidParameterValue,
                format!("{}({precision}) precision must not be negative", name.to_uppercase()),
            ));
        }
        let value = self.keyword_function(name, vec![])?;
        let typmod = (*precision).min(MAX_PRECISION);
        self.explicit_cast(value, ty, typmod).map(Some)
    }

    /// `(start, end) OVERLAPS (start, length)`.
    pub(super) fn overlaps(&mut self, lefts: &[ast::Expr], rights: &[ast::Expr], scope: &Scope<'_>) -> Result<Expr> {
        for (side, what) in [(lefts, "left"), (rights, "right")] {
            if side.len() != 2 {
                return Err(SqlError::new(
                    SqlState::SyntaxError,
                    format!("wrong number of parameters on {what} side of OVERLAPS expression"),
                ));
            }
        }
        let args = lefts
            .iter()
            .chain(rights)
            .map(|node| self.expr(node, scope))
            .collect::<Result<_>>()?;
        self.call_builtin("overlaps", args)
    }
}

/// The typmod of `interval(3)` or `interval day to second(3)`, as PostgreSQL packs it.
pub(super) fn interval_typmod(fields: Option<&ast::IntervalFields>, precision: Option<u64>) -> Result<i32> {
    use ast::IntervalFields;
    const YEAR: i32 = 1 << 2;
    const MONTH: i32 = 1 << 1;
    const DAY: i32 = 1 << 3;
    const HOUR: i32 = 1 << 10;
    const MINUTE: i32 = 1 << 11;
    const SECOND: i32 = 1 << 12;
    const ALL: i32 = 0x7fff;
    const FULL_PRECISION: i32 = 0xffff;
    let range = match fields {
        None if precision.is_none() => return Ok(NO_TYPMOD),
        None => ALL,
        Some(IntervalFields::Year) => YEAR,
        Some(IntervalFields::Month) => MONTH,
        Some(IntervalFields::Day) => DAY,
        Some(IntervalFields::Hour) => HOUR,
        Some(IntervalFields::Minute) => MINUTE,
        Some(IntervalFields::Second) => SECOND,
        Some(IntervalFields::YearToMonth) => YEAR | MONTH,
        Some(IntervalFields::DayToHour) => DAY | HOUR,
        Some(IntervalFields::DayToMinute) => DAY | HOUR | MINUTE,
        Some(IntervalFields::DayToSecond) => DAY | HOUR | MINUTE | SECOND,
        Some(IntervalFields::HourToMinute) => HOUR | MINUTE,
        Some(IntervalFields::HourToSecond) => HOUR | MINUTE | SECOND,
        Some(IntervalFields::MinuteToSecond) => MINUTE | SECOND,
    };
    let precision = match precision {
        None => FULL_PRECISION,
        Some(digits) => i32::try_from(digits).map_or(MAX_PRECISION, |digits| digits.min(MAX_PRECISION)),
    };
    Ok((range << 16) | precision)
}

/// The typmod of the fields after a literal: `INTERVAL '1 2:03' DAY TO MINUTE`.
pub(super) fn literal_typmod(interval: &ast::Interval) -> Result<i32> {
    use ast::{DateTimeField, IntervalFields};
    let fields = match (&interval.leading_field, &interval.last_field) {
        (None, _) => None,
        (Some(DateTimeField::Year), None) => Some(IntervalFields::Year),
        (Some(DateTimeField::Month), None) => Some(IntervalFields::Month),
        (Some(DateTimeField::Day), None) => Some(IntervalFields::Day),
        (Some(DateTimeField::Hour), None) => Some(IntervalFields::Hour),
        (Some(DateTimeField::Minute), None) => Some(IntervalFields::Minute),
        (Some(DateTimeField::Second), None) => Some(IntervalFields::Second),
        (Some(DateTimeField::Year), Some(DateTimeField::Month)) => Some(IntervalFields::YearToMonth),
        (Some(DateTimeField::Day), Some(DateTimeField::Hour)) => Some(IntervalFields::DayToHour),
        (Some(DateTimeField::Day), Some(DateTimeField::Minute)) => Some(IntervalFields::DayToMinute),
        (Some(DateTimeField::Day), Some(DateTimeField::Second)) => Some(IntervalFields::DayToSecond),
        (Some(DateTimeField::Hour), Some(DateTimeField::Minute)) => Some(IntervalFields::HourToMinute),
        (Some(DateTimeField::Hour), Some(DateTimeField::Second)) => Some(IntervalFields::HourToSecond),
        (Some(DateTimeField::Minute), Some(DateTimeField::Second)) => Some(IntervalFields::MinuteToSecond),
        (Some(first), last) => {
            let shown = last.as_ref().unwrap_or(first);
            return Err(SqlError::new(SqlState::SyntaxError, format!("syntax error at or near \"{shown}\"")));
        }
    };
    // `SECOND(3)` comes as the precision of the leading field.
    interval_typmod(
        fields.as_ref(),
        interval.fractional_seconds_precision.or(interval.leading_precision),
    )
}
