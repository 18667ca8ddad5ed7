//! Concrete types for `anyelement`, `anyarray` and their kin
//! (`check_generic_type_consistency`, `enforce_generic_type_consistency`).

use types::{Result, SqlError, SqlState, Type};

use super::common::common_type_quietly;
use crate::Family;

/// The exact types of the arguments and of the result of a function declared with `declared`
/// and `ret`, called with `actual`.
pub fn resolve_polymorphic(declared: &[Type], ret: Type, actual: &[Type], family: Family) -> Result<(Vec<Type>, Type)> {
    if !declared.iter().any(|ty| is_polymorphic(*ty)) {
        let args = declared.iter().zip(actual).map(|(d, a)| concrete(*d, *a)).collect();
        return Ok((args, ret));
    }
    let element = element(declared, actual, family)?;
    let array = || {
        element.array_of().ok_or_else(|| {
            SqlError::new(
                SqlState::UndefinedObject,
                format!("could not find array type for data type {element}"),
            )
        })
    };
    let mut args = Vec::with_capacity(declared.len());
    for (declared, actual) in declared.iter().zip(actual) {
        args.push(match declared {
            Type::AnyElement => element,
            Type::AnyArray => array()?,
            other => concrete(*other, *actual),
        });
    }
    let ret = match ret {
        Type::AnyElement => element,
        Type::AnyArray => array()?,
        other => other,
    };
    Ok((args, ret))
}

/// Can arguments of these types be what the polymorphic parameters stand for?
pub(super) fn is_consistent(declared: &[Type], actual: &[Type], family: Family) -> bool {
    match family {
        Family::Same | Family::NonArray => same(declared, actual, family).is_ok(),
        Family::Compatible => match compatible(declared, actual) {
            Ok(Some(common)) => !declared.contains(&Type::AnyArray) || common.array_type().is_some(),
            Ok(None) => true,
            Err(_) => false,
        },
    }
}

pub(super) fn is_polymorphic(ty: Type) -> bool {
    matches!(ty, Type::AnyElement | Type::AnyArray)
}

/// `"any"` takes whatever comes; an untyped literal is text then.
fn concrete(declared: Type, actual: Type) -> Type {
    match (declared, actual) {
        (Type::Any, Type::Unknown) => Type::Text,
        (Type::Any, actual) => actual,
        (declared, _) => declared,
    }
}

fn element(declared: &[Type], actual: &[Type], family: Family) -> Result<Type> {
    match family {
        Family::Same | Family::NonArray => same(declared, actual, family)?.ok_or_else(|| {
            SqlError::new(
                SqlState::DatatypeMismatch,
                "could not determine polymorphic type because input has type unknown",
            )
        }),
        Family::Compatible => Ok(compatible(declared, actual)?.unwrap_or(Type::Text)),
    }
}

/// The type that `anyelement` stands for; None when all that is known is unknown.
fn same(declared: &[Type], actual: &[Type], family: Family) -> Result<Option<Type>> {
    let mismatch = |message: &str, a: Type, b: Type| SqlError::new(SqlState::DatatypeMismatch, message).detail(format!("{a} versus {b}"));
    let mut element: Option<Type> = None;
    let mut array: Option<Type> = None;
    for (declared, &actual) in declared.iter().zip(actual) {
        if actual == Type::Unknown {
            continue;
        }
        match declared {
            Type::AnyElement => match element {
                Some(known) if known != actual => {
                    return Err(mismatch("arguments declared \"anyelement\" are not all alike", known, actual));
                }
                _ => element = Some(actual),
            },
            Type::AnyArray => match array {
                Some(known) if known != actual => return Err(mismatch("arguments declared \"anyarray\" are not all alike", known, actual)),
                _ => array = Some(actual),
            },
            _ => {}
        }
    }
    if let Some(array) = array {
        let of_array = array.element().ok_or_else(|| {
            SqlError::new(
                SqlState::DatatypeMismatch,
                format!("argument declared anyarray is not an array but type {array}"),
            )
        })?;
        match element {
            Some(known) if known != of_array => {
                let message = "argument declared anyarray is not consistent with argument declared anyelement";
                return Err(mismatch(message, array, known));
            }
            _ => element = Some(of_array),
        }
    }
    if let (Family::NonArray, Some(Type::Array(_))) = (family, element) {
        return Err(SqlError::new(
            SqlState::DatatypeMismatch,
            "type matched to anynonarray is an array type",
        ));
    }
    Ok(element)
}

/// The common type that `anycompatible` stands for; None when all is unknown.
fn compatible(declared: &[Type], actual: &[Type]) -> Result<Option<Type>> {
    let mut elements = Vec::new();
    for (declared, &actual) in declared.iter().zip(actual) {
        match (declared, actual) {
            (Type::AnyElement | Type::AnyArray, Type::Unknown) => {}
            (Type::AnyElement, actual) => elements.push(actual),
            (Type::AnyArray, actual) => elements.push(actual.element().ok_or_else(|| {
                SqlError::new(
                    SqlState::DatatypeMismatch,
                    format!("argument declared anycompatiblearray is not an array but type {actual}"),
                )
            })?),
            _ => {}
        }
    }
    if elements.is_empty() {
        return Ok(None);
    }
    match common_type_quietly(&elements) {
        Some(common) => Ok(Some(common)),
        None => Err(SqlError::new(
            SqlState::DatatypeMismatch,
            "arguments of anycompatible family cannot be cast to a common type",
        )),
    }
}
