//! Arithmetic of numerics; the digits are worked out in `types::numeric`.

use types::Type::*;
use types::{Datum, Result};

use crate::Scalar;
use crate::argument::{int4, int8, numeric};

type N = Result<types::Numeric>;

fn one(args: &[Datum], operation: fn(&types::Numeric) -> N) -> Result<Datum> {
    operation(numeric(args, 0)?).map(Datum::Numeric)
}

fn two(args: &[Datum], operation: fn(&types::Numeric, &types::Numeric) -> N) -> Result<Datum> {
    operation(numeric(args, 0)?, numeric(args, 1)?).map(Datum::Numeric)
}

pub(crate) static SCALARS: &[Scalar] = &[
    Scalar::new("numeric_add", &[Numeric, Numeric], Numeric, |_, a| two(a, |a, b| a.add(b))),
    Scalar::new("numeric_sub", &[Numeric, Numeric], Numeric, |_, a| two(a, |a, b| a.sub(b))),
    Scalar::new("numeric_mul", &[Numeric, Numeric], Numeric, |_, a| two(a, |a, b| a.mul(b))),
    Scalar::new("numeric_div", &[Numeric, Numeric], Numeric, |_, a| two(a, |a, b| a.div(b))),
    Scalar::new("numeric_mod", &[Numeric, Numeric], Numeric, |_, a| two(a, |a, b| a.rem(b))),
    Scalar::new("mod", &[Numeric, Numeric], Numeric, |_, a| two(a, |a, b| a.rem(b))),
    Scalar::new("div", &[Numeric, Numeric], Numeric, |_, a| two(a, |a, b| a.div_trunc(b))),
    Scalar::new("numeric_uminus", &[Numeric], Numeric, |_, a| one(a, |a| Ok(a.neg()))),
    Scalar::new("numeric_uplus", &[Numeric], Numeric, |_, a| one(a, |a| Ok(a.clone()))),
    Scalar::new("numeric_abs", &[Numeric], Numeric, |_, a| one(a, |a| Ok(a.abs()))),
    Scalar::new("abs", &[Numeric], Numeric, |_, a| one(a, |a| Ok(a.abs()))),
    Scalar::new("sign", &[Numeric], Numeric, |_, a| one(a, |a| Ok(a.sign()))),
    Scalar::new("round", &[Numeric], Numeric, |_, a| one(a, |a| a.round(0))),
    Scalar::new("round", &[Numeric, Int4], Numeric, |_, a| {
        numeric(a, 0)?.round(int4(a, 1)?).map(Datum::Numeric)
    }),
    Scalar::new("trunc", &[Numeric], Numeric, |_, a| one(a, |a| a.trunc(0))),
    Scalar::new("trunc", &[Numeric, Int4], Numeric, |_, a| {
        numeric(a, 0)?.trunc(int4(a, 1)?).map(Datum::Numeric)
    }),
    Scalar::new("ceil", &[Numeric], Numeric, |_, a| one(a, |a| a.ceil())),
    Scalar::new("ceiling", &[Numeric], Numeric, |_, a| one(a, |a| a.ceil())),
    Scalar::new("floor", &[Numeric], Numeric, |_, a| one(a, |a| a.floor())),
    Scalar::new("sqrt", &[Numeric], Numeric, |_, a| one(a, |a| a.sqrt())),
    Scalar::new("numeric_sqrt", &[Numeric], Numeric, |_, a| one(a, |a| a.sqrt())),
    Scalar::new("power", &[Numeric, Numeric], Numeric, |_, a| two(a, |a, b| a.pow(b))),
    Scalar::new("pow", &[Numeric, Numeric], Numeric, |_, a| two(a, |a, b| a.pow(b))),
    Scalar::new("numeric_power", &[Numeric, Numeric], Numeric, |_, a| two(a, |a, b| a.pow(b))),
    Scalar::new("exp", &[Numeric], Numeric, |_, a| one(a, |a| a.exp())),
    Scalar::new("ln", &[Numeric], Numeric, |_, a| one(a, |a| a.ln())),
    Scalar::new("log", &[Numeric], Numeric, |_, a| one(a, |a| a.log(&10_i64.into()))),
    Scalar::new("log10", &[Numeric], Numeric, |_, a| one(a, |a| a.log(&10_i64.into()))),
    Scalar::new("log", &[Numeric, Numeric], Numeric, |_, a| two(a, |base, a| a.log(base))),
    Scalar::new("gcd", &[Numeric, Numeric], Numeric, |_, a| two(a, |a, b| a.gcd(b))),
    Scalar::new("lcm", &[Numeric, Numeric], Numeric, |_, a| two(a, |a, b| a.lcm(b))),
    Scalar::new("scale", &[Numeric], Int4, |_, a| {
        Ok(numeric(a, 0)?.scale().map_or(Datum::Null, Datum::Int4))
    }),
    Scalar::new("min_scale", &[Numeric], Int4, |_, a| {
        Ok(numeric(a, 0)?.min_scale().map_or(Datum::Null, Datum::Int4))
    }),
    Scalar::new("trim_scale", &[Numeric], Numeric, |_, a| one(a, |a| Ok(a.trim_scale()))),
    Scalar::new("factorial", &[Int8], Numeric, |_, a| {
        types::Numeric::factorial(int8(a, 0)?).map(Datum::Numeric)
    }),
];
