//! Scalar functions, one file per family. A family's file holds slices of entries and the functions behind
//! them; [`families`] is the list of all slices.

use crate::Scalar;

pub(crate) mod arithmetic;
mod boolean;
pub(crate) mod comparison;
mod numeric;
pub(crate) mod operators;
mod string;

pub(crate) fn families() -> &'static [&'static [Scalar]] {
    &FAMILIES
}

static FAMILIES: [&[Scalar]; 11] = [
    arithmetic::INTEGERS,
    arithmetic::MIXED_INTEGERS,
    arithmetic::SHIFTS,
    arithmetic::FLOATS,
    arithmetic::FLOAT_SIGNS,
    boolean::SCALARS,
    comparison::NATIVE,
    comparison::PLAIN,
    comparison::ZONED,
    numeric::SCALARS,
    string::SCALARS,
];
