//! Operators by symbol and operand types (`oper`, `left_oper`).

use types::{Result, SqlError, SqlState, Type};

use super::pick::{Candidate, Pick, select};
use super::polymorphic::resolve_polymorphic;
use crate::{Operator, Scalar, registry};

/// An operator's function and the exact types that the operands are to be cast to.
#[derive(Clone, Debug)]
pub struct ResolvedOperator {
    pub function: &'static Scalar,
    pub left: Option<Type>,
    pub right: Type,
    pub ret: Type,
}

/// `left` is None for a prefix operator.
pub fn resolve_operator(symbol: &str, left: Option<Type>, right: Type) -> Result<ResolvedOperator> {
    let symbol = if symbol == "!=" { "<>" } else { symbol };
    let operators = registry::operators(symbol);
    let operator = match exact(operators, left, right) {
        Some(found) => found,
        None => chosen(operators, symbol, left, right)?,
    };
    finish(operator, left, right)
}

/// `unknown op known` is taken as `known op known` if there is such an operator.
fn exact(operators: &'static [Operator], left: Option<Type>, right: Type) -> Option<&'static Operator> {
    let (left, right) = match (left, right) {
        (Some(Type::Unknown), known) => (Some(known), known),
        (Some(known), Type::Unknown) => (Some(known), known),
        as_given => as_given,
    };
    operators.iter().find(|operator| operator.left == left && operator.right == right)
}

fn chosen(operators: &'static [Operator], symbol: &str, left: Option<Type>, right: Type) -> Result<&'static Operator> {
    let actual: Vec<Type> = left.into_iter().chain([right]).collect();
    let candidates = operators
        .iter()
        .enumerate()
        .filter(|(_, operator)| operator.left.is_some() == left.is_some());
    let candidates = candidates.map(|(index, operator)| {
        let signature = super::Signature {
            args: operator.left.into_iter().chain([operator.right]).collect(),
            defaults: 0,
            variadic: false,
        };
        Candidate::new(index, &signature, operator.function.family, actual.len())
    });
    let shown = match left {
        Some(left) => format!("{left} {symbol} {right}"),
        None => format!("{symbol} {right}"),
    };
    match select(candidates.flatten().collect(), &actual) {
        Pick::One(index) => Ok(&operators[index]),
        Pick::None => {
            let hint = match left {
                Some(_) => "No operator matches the given name and argument types. You might need to add explicit type casts.",
                None => "No operator matches the given name and argument type. You might need to add an explicit type cast.",
            };
            Err(SqlError::new(SqlState::UndefinedFunction, format!("operator does not exist: {shown}")).hint(hint))
        }
        Pick::Ambiguous => Err(
            SqlError::new(SqlState::AmbiguousFunction, format!("operator is not unique: {shown}"))
                .hint("Could not choose a best candidate operator. You might need to add explicit type casts."),
        ),
    }
}

fn finish(operator: &'static Operator, left: Option<Type>, right: Type) -> Result<ResolvedOperator> {
    let function = operator.function;
    if let Some(text) = super::call::text_twin(function) {
        // `text || anynonarray` converts the other side to text as a cast does.
        return Ok(ResolvedOperator {
            function: text,
            left: left.map(|_| Type::Text),
            right: Type::Text,
            ret: text.ret,
        });
    }
    let declared: Vec<Type> = operator.left.into_iter().chain([operator.right]).collect();
    let actual: Vec<Type> = left.into_iter().chain([right]).collect();
    let (args, ret) = resolve_polymorphic(&declared, function.ret, &actual, function.family)?;
    match args.as_slice() {
        [left, right] => Ok(ResolvedOperator {
            function,
            left: Some(*left),
            right: *right,
            ret,
        }),
        [right] => Ok(ResolvedOperator {
            function,
            left: None,
            right: *right,
            ret,
        }),
        _ => Err(SqlError::internal("an operator has one or two operands")),
    }
}
