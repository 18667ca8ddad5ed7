//! `avg`, `stddev`, `variance` of floats and numerics, and the regression functions of pairs.

use bigdecimal::BigDecimal;
use types::Type::*;
use types::{Datum, Result};

use super::{Accumulator, Aggregate};
use crate::Environment;
use crate::argument::{float4, float8};
use crate::scalar::arithmetic::overflow;

macro_rules! spreads {
    ($($name:literal $which:ident;)*) => {
        &[$(
            Aggregate::new($name, &[Int2], Numeric, |_| Box::new(Exact::new(Spread::$which))),
            Aggregate::new($name, &[Int4], Numeric, |_| Box::new(Exact::new(Spread::$which))),
            Aggregate::new($name, &[Int8], Numeric, |_| Box::new(Exact::new(Spread::$which))),
            Aggregate::new($name, &[Numeric], Numeric, |_| Box::new(Exact::new(Spread::$which))),
            Aggregate::new($name, &[Float4], Float8, |_| Box::new(Floats::new(OfFloats::Spread(Spread::$which)))),
            Aggregate::new($name, &[Float8], Float8, |_| Box::new(Floats::new(OfFloats::Spread(Spread::$which)))),
        )*]
    };
}

pub(crate) static SPREADS: &[Aggregate] = spreads! {
    "variance" VarSamp;
    "var_samp" VarSamp;
    "var_pop" VarPop;
    "stddev" StddevSamp;
    "stddev_samp" StddevSamp;
    "stddev_pop" StddevPop;
};

pub(crate) static AVERAGES: &[Aggregate] = &[
    Aggregate::new("avg", &[Float4], Float8, |_| Box::new(Floats::new(OfFloats::Average))),
    Aggregate::new("avg", &[Float8], Float8, |_| Box::new(Floats::new(OfFloats::Average))),
];

macro_rules! pairs {
    ($($name:literal $which:ident;)*) => {
        &[$(Aggregate::new($name, &[Float8, Float8], Float8, |_| Box::new(Pairs::new(OfPairs::$which)))),*]
    };
}

pub(crate) static PAIRS: &[Aggregate] = pairs! {
    "corr" Corr;
    "covar_pop" CovarPop;
    "covar_samp" CovarSamp;
    "regr_avgx" AvgX;
    "regr_avgy" AvgY;
    "regr_intercept" Intercept;
    "regr_r2" R2;
    "regr_slope" Slope;
    "regr_sxx" Sxx;
    "regr_sxy" Sxy;
    "regr_syy" Syy;
};

pub(crate) static PAIR_COUNT: &[Aggregate] = &[Aggregate::new("regr_count", &[Float8, Float8], Int8, |_| {
    Box::new(Pairs::new(OfPairs::Count))
})];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Spread {
    VarSamp,
    VarPop,
    StddevSamp,
    StddevPop,
}

impl Spread {
    fn is_sample(self) -> bool {
        matches!(self, Spread::VarSamp | Spread::StddevSamp)
    }

    fn is_root(self) -> bool {
        matches!(self, Spread::StddevSamp | Spread::StddevPop)
    }
}

/// Exact sums of integers and numerics.
#[derive(Debug)]
struct Exact {
    spread: Spread,
    count: i64,
    sum: types::Numeric,
    sum_of_squares: types::Numeric,
}

impl Exact {
    fn new(spread: Spread) -> Exact {
        Exact {
            spread,
            count: 0,
            sum: types::Numeric::zero(),
            sum_of_squares: types::Numeric::zero(),
        }
    }
}

impl Accumulator for Exact {
    fn add(&mut self, _: &dyn Environment, args: &[Datum]) -> Result<()> {
        let value = match (&args[0], args[0].as_i64()) {
            (_, Some(value)) => types::Numeric::from(value),
            (_, None) => crate::argument::numeric(args, 0)?.clone(),
        };
        self.sum_of_squares = self.sum_of_squares.add(&value.mul(&value)?)?;
        self.sum = self.sum.add(&value)?;
        self.count += 1;
        Ok(())
    }

    fn finish(&self, _: &dyn Environment) -> Result<Datum> {
        let least = if self.spread.is_sample() { 1 } else { 0 };
        if self.count <= least {
            return Ok(Datum::Null);
        }
        if !matches!(self.sum, types::Numeric::Finite(_)) {
            return Ok(Datum::Numeric(types::Numeric::NaN));
        }
        let count = types::Numeric::from(self.count);
        let numerator = count.mul(&self.sum_of_squares)?.sub(&self.sum.mul(&self.sum)?)?;
        if numerator <= types::Numeric::zero() {
            return Ok(Datum::Numeric(types::Numeric::zero()));
        }
        let divisor = count.mul(&types::Numeric::from(if self.spread.is_sample() {
            self.count - 1
        } else {
            self.count
        }))?;
        let variance = numerator.div(&divisor)?;
        Ok(Datum::Numeric(if self.spread.is_root() { root(&variance)? } else { variance }))
    }

    fn size(&self) -> usize {
        size_of::<Exact>() + 64
    }
}

/// The square root with as many digits after the point as the number has.
fn root(value: &types::Numeric) -> Result<types::Numeric> {
    let types::Numeric::Finite(value) = value else {
        return value.sqrt();
    };
    let (digits, scale) = value.as_bigint_and_exponent();
    // One digit more than is shown, to round by.
    let wanted = scale.max(0) + 1;
    let shift = u32::try_from(2 * wanted - scale).unwrap_or(0);
    let root = (digits * bigdecimal::num_bigint::BigInt::from(10).pow(shift)).sqrt();
    types::Numeric::Finite(BigDecimal::new(root, wanted)).round((wanted - 1) as i32)
}

#[derive(Clone, Copy, Debug)]
enum OfFloats {
    Average,
    Spread(Spread),
}

/// Youngs and Cramer's algorithm, as PostgreSQL's `float8_accum`.
#[derive(Debug)]
struct Floats {
    answer: OfFloats,
    n: f64,
    sx: f64,
    sxx: f64,
}

impl Floats {
    fn new(answer: OfFloats) -> Floats {
        Floats {
            answer,
            n: 0.0,
            sx: 0.0,
            sxx: 0.0,
        }
    }
}

impl Accumulator for Floats {
    fn add(&mut self, _: &dyn Environment, args: &[Datum]) -> Result<()> {
        let x = match &args[0] {
            Datum::Float4(_) => f64::from(float4(args, 0)?),
            _ => float8(args, 0)?,
        };
        let (old_n, old_sx) = (self.n, self.sx);
        self.n += 1.0;
        self.sx += x;
        if old_n > 0.0 {
            let distance = x * self.n - self.sx;
            self.sxx += distance * distance / (self.n * old_n);
            if self.sx.is_infinite() || self.sxx.is_infinite() {
                if old_sx.is_finite() && x.is_finite() {
                    return Err(overflow());
                }
                self.sxx = f64::NAN;
            }
        } else if !x.is_finite() {
            self.sxx = f64::NAN;
        }
        Ok(())
    }

    fn finish(&self, _: &dyn Environment) -> Result<Datum> {
        let spread = match self.answer {
            OfFloats::Average if self.n == 0.0 => return Ok(Datum::Null),
            OfFloats::Average => return Ok(Datum::Float8(self.sx / self.n)),
            OfFloats::Spread(spread) => spread,
        };
        let divisor = if spread.is_sample() { self.n - 1.0 } else { self.n };
        if divisor <= 0.0 {
            return Ok(Datum::Null);
        }
        let variance = self.sxx / divisor;
        Ok(Datum::Float8(if spread.is_root() { variance.sqrt() } else { variance }))
    }

    fn size(&self) -> usize {
        size_of::<Floats>()
    }
}

#[derive(Clone, Copy, Debug)]
enum OfPairs {
    Corr,
    CovarPop,
    CovarSamp,
    AvgX,
    AvgY,
    Intercept,
    R2,
    Slope,
    Sxx,
    Sxy,
    Syy,
    Count,
}

/// As [`Floats`] over pairs (y, x): `float8_regr_accum`.
#[derive(Debug)]
struct Pairs {
    answer: OfPairs,
    n: f64,
    sx: f64,
    sxx: f64,
    sy: f64,
    syy: f64,
    sxy: f64,
}

impl Pairs {
    fn new(answer: OfPairs) -> Pairs {
        Pairs {
            answer,
            n: 0.0,
            sx: 0.0,
            sxx: 0.0,
            sy: 0.0,
            syy: 0.0,
            sxy: 0.0,
        }
    }
}

impl Accumulator for Pairs {
    fn add(&mut self, _: &dyn Environment, args: &[Datum]) -> Result<()> {
        let (y, x) = (float8(args, 0)?, float8(args, 1)?);
        let (old_n, old_sx, old_sy) = (self.n, self.sx, self.sy);
        self.n += 1.0;
        self.sx += x;
        self.sy += y;
        if old_n > 0.0 {
            let (dx, dy) = (x * self.n - self.sx, y * self.n - self.sy);
            let scale = 1.0 / (self.n * old_n);
            self.sxx += dx * dx * scale;
            self.syy += dy * dy * scale;
            self.sxy += dx * dy * scale;
            let sums = [self.sx, self.sxx, self.sy, self.syy, self.sxy];
            if sums.iter().any(|sum| sum.is_infinite()) {
                if ((self.sx.is_infinite() || self.sxx.is_infinite()) && old_sx.is_finite() && x.is_finite())
                    || ((self.sy.is_infinite() || self.syy.is_infinite()) && old_sy.is_finite() && y.is_finite())
                    || (self.sxy.is_infinite() && old_sx.is_finite() && x.is_finite() && old_sy.is_finite() && y.is_finite())
                {
                    return Err(overflow());
                }
                if self.sxx.is_infinite() {
                    self.sxx = f64::NAN;
                }
                if self.syy.is_infinite() {
                    self.syy = f64::NAN;
                }
                if self.sxy.is_infinite() {
                    self.sxy = f64::NAN;
                }
            }
        } else {
            if !x.is_finite() {
                (self.sxx, self.sxy) = (f64::NAN, f64::NAN);
            }
            if !y.is_finite() {
                (self.syy, self.sxy) = (f64::NAN, f64::NAN);
            }
        }
        Ok(())
    }

    fn finish(&self, _: &dyn Environment) -> Result<Datum> {
        if let OfPairs::Count = self.answer {
            return Ok(Datum::Int8(self.n as i64));
        }
        let defined = self.n >= 1.0;
        let value = match self.answer {
            OfPairs::Count => None,
            OfPairs::CovarSamp => (self.n >= 2.0).then(|| self.sxy / (self.n - 1.0)),
            OfPairs::CovarPop => defined.then(|| self.sxy / self.n),
            OfPairs::AvgX => defined.then(|| self.sx / self.n),
            OfPairs::AvgY => defined.then(|| self.sy / self.n),
            OfPairs::Sxx => defined.then_some(self.sxx),
            OfPairs::Sxy => defined.then_some(self.sxy),
            OfPairs::Syy => defined.then_some(self.syy),
            OfPairs::Corr => (defined && self.sxx != 0.0 && self.syy != 0.0).then(|| self.sxy / (self.sxx * self.syy).sqrt()),
            OfPairs::R2 if !defined || self.sxx == 0.0 => None,
            OfPairs::R2 if self.syy == 0.0 => Some(1.0),
            OfPairs::R2 => Some((self.sxy * self.sxy) / (self.sxx * self.syy)),
            OfPairs::Slope => (defined && self.sxx != 0.0).then(|| self.sxy / self.sxx),
            OfPairs::Intercept => (defined && self.sxx != 0.0).then(|| (self.sy - self.sx * self.sxy / self.sxx) / self.n),
        };
        Ok(value.map_or(Datum::Null, Datum::Float8))
    }

    fn size(&self) -> usize {
        size_of::<Pairs>()
    }
}
