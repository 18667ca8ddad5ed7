//! Scalar functions, one file per family. A family's file holds slices of entries and the functions behind
//! them; [`families`] is the list of all slices.

use crate::Scalar;

pub(crate) mod arithmetic;
mod boolean;
mod bytea;
pub(crate) mod comparison;
mod format;
mod math;
mod numeric;
pub(crate) mod operators;
mod pattern;
pub(crate) mod regex;
pub(crate) mod string;
mod unicode;

pub(crate) fn families() -> &'static [&'static [Scalar]] {
    &FAMILIES
}

static FAMILIES: [&[Scalar]; 19] = [
    arithmetic::INTEGERS,
    arithmetic::MIXED_INTEGERS,
    arithmetic::SHIFTS,
    arithmetic::FLOATS,
    arithmetic::FLOAT_SIGNS,
    boolean::SCALARS,
    bytea::SCALARS,
    comparison::NATIVE,
    comparison::PLAIN,
    comparison::ZONED,
    format::SCALARS,
    math::SCALARS,
    numeric::SCALARS,
    pattern::LIKES,
    pattern::SCALARS,
    regex::OPERATORS,
    regex::SCALARS,
    string::SCALARS,
    unicode::SCALARS,
];
