//! Scalar functions, one file per family. A family's file holds slices of entries and the functions behind
//! them; [`families`] is the list of all slices.

use crate::Scalar;

pub(crate) mod any;
pub(crate) mod arithmetic;
pub(crate) mod array;
mod boolean;
mod bytea;
pub(crate) mod catalog;
pub(crate) mod comparison;
pub(crate) mod datetime;
mod format;
pub(crate) mod json;
pub(crate) mod math;
mod numeric;
pub(crate) mod operators;
mod pattern;
mod random;
pub(crate) mod regex;
mod session;
pub(crate) mod string;
pub(crate) mod to_char;
mod unicode;

/// All tables of scalar functions.
pub(crate) fn families() -> impl Iterator<Item = &'static Scalar> {
    FAMILIES.iter().chain(&json::FAMILIES).chain(&array::FAMILIES).copied().flatten()
}

static FAMILIES: [&[Scalar]; 33] = [
    any::SCALARS,
    arithmetic::INTEGERS,
    arithmetic::MIXED_INTEGERS,
    arithmetic::SHIFTS,
    arithmetic::FLOATS,
    arithmetic::FLOAT_SIGNS,
    boolean::SCALARS,
    bytea::SCALARS,
    catalog::CATALOG,
    catalog::ENGINE,
    catalog::HELIOSDB,
    comparison::NATIVE,
    comparison::PLAIN,
    comparison::ZONED,
    datetime::arithmetic::SCALARS,
    datetime::clock::SCALARS,
    datetime::interval::SCALARS,
    datetime::make::SCALARS,
    datetime::overlaps::SCALARS,
    datetime::part::SCALARS,
    datetime::trunc::SCALARS,
    format::SCALARS,
    math::SCALARS,
    numeric::SCALARS,
    pattern::LIKES,
    pattern::SCALARS,
    random::SCALARS,
    regex::OPERATORS,
    regex::SCALARS,
    session::SCALARS,
    string::SCALARS,
    to_char::SCALARS,
    unicode::SCALARS,
];
