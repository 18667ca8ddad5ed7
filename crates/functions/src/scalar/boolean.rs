//! Functions of booleans. AND, OR and NOT are part of the plan, not functions.

use types::Datum;
use types::Type::*;

use crate::Scalar;
use crate::argument::boolean;

pub(crate) static SCALARS: &[Scalar] = &[
    Scalar::new("booland_statefunc", &[Bool, Bool], Bool, |_, a| {
        Ok(Datum::Bool(boolean(a, 0)? && boolean(a, 1)?))
    }),
    Scalar::new("boolor_statefunc", &[Bool, Bool], Bool, |_, a| {
        Ok(Datum::Bool(boolean(a, 0)? || boolean(a, 1)?))
    }),
];
