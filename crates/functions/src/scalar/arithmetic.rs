//! `+ - * / %`, bits and signs of integers and floats. Numerics: [`super::numeric`].

use types::Type::*;
use types::{Datum, Result, SqlError, SqlState};

use crate::argument::{float4, float8, int2, int4, int8};
use crate::{Native, Scalar};

/// An integer type as arithmetic sees it.
trait Integer: Copy {
    const NAME: &'static str;
    fn take(args: &[Datum], index: usize) -> Result<Self>;
    fn datum(self) -> Datum;
}

macro_rules! integer_types {
    ($($ty:ty, $variant:ident, $name:literal;)*) => {
        $(impl Integer for $ty {
            const NAME: &'static str = $name;

            fn take(args: &[Datum], index: usize) -> Result<$ty> {
                let value = args.get(index).and_then(Datum::as_i64).ok_or_else(|| SqlError::internal("integer expected"))?;
                <$ty>::try_from(value).map_err(|_| out_of_range($name))
            }

            fn datum(self) -> Datum {
                Datum::$variant(self)
            }
        })*
    };
}

integer_types! {
    i16, Int2, "smallint";
    i32, Int4, "integer";
    i64, Int8, "bigint";
}

#[cold]
pub(crate) fn out_of_range(type_name: &str) -> SqlError {
    SqlError::new(SqlState::NumericValueOutOfRange, format!("{type_name} out of range"))
}

#[cold]
pub(crate) fn division_by_zero() -> SqlError {
    SqlError::new(SqlState::DivisionByZero, "division by zero")
}

#[cold]
pub(crate) fn overflow() -> SqlError {
    SqlError::new(SqlState::NumericValueOutOfRange, "value out of range: overflow")
}

#[cold]
pub(crate) fn underflow() -> SqlError {
    SqlError::new(SqlState::NumericValueOutOfRange, "value out of range: underflow")
}

fn checked<T: Integer>(args: &[Datum], operation: fn(T, T) -> Option<T>) -> Result<Datum> {
    operation(T::take(args, 0)?, T::take(args, 1)?)
        .map(T::datum)
        .ok_or_else(|| out_of_range(T::NAME))
}

fn checked_division<T: Integer + Default + PartialEq>(args: &[Datum], operation: fn(T, T) -> Option<T>) -> Result<Datum> {
    if T::take(args, 1)? == T::default() {
        return Err(division_by_zero());
    }
    checked(args, operation)
}

fn checked_sign<T: Integer>(args: &[Datum], operation: fn(T) -> Option<T>) -> Result<Datum> {
    operation(T::take(args, 0)?).map(T::datum).ok_or_else(|| out_of_range(T::NAME))
}

/// The remainder by -1 is 0 even where the quotient overflows.
macro_rules! remainder {
    ($ty:ty, $args:expr) => {
        checked_division::<$ty>($args, |a, b| Some(if b == -1 { 0 } else { a % b }))
    };
}

/// The same operations of each integer type.
macro_rules! same_width {
    ($($ty:ty, $t:ident: $add:literal $sub:literal $mul:literal $div:literal $rem:literal $and:literal $or:literal $xor:literal $not:literal $minus:literal $plus:literal $abs:literal;)*) => {
        &[$(
            Scalar::new($add, &[$t, $t], $t, |_, a| checked::<$ty>(a, <$ty>::checked_add)).native(Native::Add),
            Scalar::new($sub, &[$t, $t], $t, |_, a| checked::<$ty>(a, <$ty>::checked_sub)).native(Native::Sub),
            Scalar::new($mul, &[$t, $t], $t, |_, a| checked::<$ty>(a, <$ty>::checked_mul)).native(Native::Mul),
            Scalar::new($div, &[$t, $t], $t, |_, a| checked_division::<$ty>(a, <$ty>::checked_div)).native(Native::Div),
            Scalar::new($rem, &[$t, $t], $t, |_, a| remainder!($ty, a)),
            Scalar::new("mod", &[$t, $t], $t, |_, a| remainder!($ty, a)),
            Scalar::new($and, &[$t, $t], $t, |_, a| checked::<$ty>(a, |a, b| Some(a & b))),
            Scalar::new($or, &[$t, $t], $t, |_, a| checked::<$ty>(a, |a, b| Some(a | b))),
            Scalar::new($xor, &[$t, $t], $t, |_, a| checked::<$ty>(a, |a, b| Some(a ^ b))),
            Scalar::new($not, &[$t], $t, |_, a| checked_sign::<$ty>(a, |a| Some(!a))),
            Scalar::new($minus, &[$t], $t, |_, a| checked_sign::<$ty>(a, <$ty>::checked_neg)),
            Scalar::new($plus, &[$t], $t, |_, a| checked_sign::<$ty>(a, Some)),
            Scalar::new($abs, &[$t], $t, |_, a| checked_sign::<$ty>(a, <$ty>::checked_abs)),
            Scalar::new("abs", &[$t], $t, |_, a| checked_sign::<$ty>(a, <$ty>::checked_abs)),
        )*]
    };
}

pub(crate) static INTEGERS: &[Scalar] = same_width! {
    i16, Int2: "int2pl" "int2mi" "int2mul" "int2div" "int2mod" "int2and" "int2or" "int2xor" "int2not" "int2um" "int2up" "int2abs";
    i32, Int4: "int4pl" "int4mi" "int4mul" "int4div" "int4mod" "int4and" "int4or" "int4xor" "int4not" "int4um" "int4up" "int4abs";
    i64, Int8: "int8pl" "int8mi" "int8mul" "int8div" "int8mod" "int8and" "int8or" "int8xor" "int8not" "int8um" "int8up" "int8abs";
};

macro_rules! mixed_width {
    ($($l:ident, $r:ident -> $t:ident $ty:ty: $add:literal $sub:literal $mul:literal $div:literal;)*) => {
        &[$(
            Scalar::new($add, &[$l, $r], $t, |_, a| checked::<$ty>(a, <$ty>::checked_add)),
            Scalar::new($sub, &[$l, $r], $t, |_, a| checked::<$ty>(a, <$ty>::checked_sub)),
            Scalar::new($mul, &[$l, $r], $t, |_, a| checked::<$ty>(a, <$ty>::checked_mul)),
            Scalar::new($div, &[$l, $r], $t, |_, a| checked_division::<$ty>(a, <$ty>::checked_div)),
        )*]
    };
}

pub(crate) static MIXED_INTEGERS: &[Scalar] = mixed_width! {
    Int2, Int4 -> Int4 i32: "int24pl" "int24mi" "int24mul" "int24div";
    Int2, Int8 -> Int8 i64: "int28pl" "int28mi" "int28mul" "int28div";
    Int4, Int2 -> Int4 i32: "int42pl" "int42mi" "int42mul" "int42div";
    Int4, Int8 -> Int8 i64: "int48pl" "int48mi" "int48mul" "int48div";
    Int8, Int2 -> Int8 i64: "int82pl" "int82mi" "int82mul" "int82div";
    Int8, Int4 -> Int8 i64: "int84pl" "int84mi" "int84mul" "int84div";
};

/// Shifts count modulo the width, as the processor does and PostgreSQL lets it.
pub(crate) static SHIFTS: &[Scalar] = &[
    Scalar::new("int2shl", &[Int2, Int4], Int2, |_, a| {
        Ok(Datum::Int2(i32::from(int2(a, 0)?).wrapping_shl(int4(a, 1)? as u32) as i16))
    }),
    Scalar::new("int4shl", &[Int4, Int4], Int4, |_, a| {
        Ok(Datum::Int4(int4(a, 0)?.wrapping_shl(int4(a, 1)? as u32)))
    }),
    Scalar::new("int8shl", &[Int8, Int4], Int8, |_, a| {
        Ok(Datum::Int8(int8(a, 0)?.wrapping_shl(int4(a, 1)? as u32)))
    }),
    Scalar::new("int2shr", &[Int2, Int4], Int2, |_, a| {
        Ok(Datum::Int2(i32::from(int2(a, 0)?).wrapping_shr(int4(a, 1)? as u32) as i16))
    }),
    Scalar::new("int4shr", &[Int4, Int4], Int4, |_, a| {
        Ok(Datum::Int4(int4(a, 0)?.wrapping_shr(int4(a, 1)? as u32)))
    }),
    Scalar::new("int8shr", &[Int8, Int4], Int8, |_, a| {
        Ok(Datum::Int8(int8(a, 0)?.wrapping_shr(int4(a, 1)? as u32)))
    }),
];

/// A float type as arithmetic sees it.
trait Float: Copy {
    fn take(args: &[Datum], index: usize) -> Result<Self>;
    fn datum(self) -> Datum;
    fn is_infinite(self) -> bool;
    fn is_nan(self) -> bool;
    fn is_zero(self) -> bool;
}

macro_rules! float_types {
    ($($ty:ident, $variant:ident, $take:expr;)*) => {
        $(impl Float for $ty {
            fn take(args: &[Datum], index: usize) -> Result<$ty> {
                let take: fn(&[Datum], usize) -> Result<$ty> = $take;
                take(args, index)
            }

            fn datum(self) -> Datum {
                Datum::$variant(self)
            }

            fn is_infinite(self) -> bool {
                $ty::is_infinite(self)
            }

            fn is_nan(self) -> bool {
                $ty::is_nan(self)
            }

            fn is_zero(self) -> bool {
                self == 0.0
            }
        })*
    };
}

float_types! {
    f32, Float4, float4;
    f64, Float8, |args, index| match args.get(index) {
        Some(Datum::Float4(value)) => Ok(f64::from(*value)),
        _ => float8(args, index),
    };
}

fn sum<T: Float>(args: &[Datum], operation: fn(T, T) -> T) -> Result<Datum> {
    let (a, b) = (T::take(args, 0)?, T::take(args, 1)?);
    let result = operation(a, b);
    if result.is_infinite() && !a.is_infinite() && !b.is_infinite() {
        return Err(overflow());
    }
    Ok(result.datum())
}

fn product<T: Float>(args: &[Datum], operation: fn(T, T) -> T) -> Result<Datum> {
    let (a, b) = (T::take(args, 0)?, T::take(args, 1)?);
    let result = operation(a, b);
    if result.is_infinite() && !a.is_infinite() && !b.is_infinite() {
        return Err(overflow());
    }
    if result.is_zero() && !a.is_zero() && !b.is_zero() {
        return Err(underflow());
    }
    Ok(result.datum())
}

fn quotient<T: Float>(args: &[Datum], operation: fn(T, T) -> T) -> Result<Datum> {
    let (a, b) = (T::take(args, 0)?, T::take(args, 1)?);
    if b.is_zero() && !a.is_nan() {
        return Err(division_by_zero());
    }
    let result = operation(a, b);
    if result.is_infinite() && !a.is_infinite() {
        return Err(overflow());
    }
    if result.is_zero() && !a.is_zero() && !b.is_infinite() {
        return Err(underflow());
    }
    Ok(result.datum())
}

macro_rules! floats {
    ($($l:ident, $r:ident -> $t:ident $ty:ty: $add:literal $sub:literal $mul:literal $div:literal;)*) => {
        &[$(
            Scalar::new($add, &[$l, $r], $t, |_, a| sum::<$ty>(a, |a, b| a + b)),
            Scalar::new($sub, &[$l, $r], $t, |_, a| sum::<$ty>(a, |a, b| a - b)),
            Scalar::new($mul, &[$l, $r], $t, |_, a| product::<$ty>(a, |a, b| a * b)),
            Scalar::new($div, &[$l, $r], $t, |_, a| quotient::<$ty>(a, |a, b| a / b)),
        )*]
    };
}

pub(crate) static FLOATS: &[Scalar] = floats! {
    Float4, Float4 -> Float4 f32: "float4pl" "float4mi" "float4mul" "float4div";
    Float4, Float8 -> Float8 f64: "float48pl" "float48mi" "float48mul" "float48div";
    Float8, Float4 -> Float8 f64: "float84pl" "float84mi" "float84mul" "float84div";
    Float8, Float8 -> Float8 f64: "float8pl" "float8mi" "float8mul" "float8div";
};

pub(crate) static FLOAT_SIGNS: &[Scalar] = &[
    Scalar::new("float4um", &[Float4], Float4, |_, a| Ok(Datum::Float4(-float4(a, 0)?))),
    Scalar::new("float8um", &[Float8], Float8, |_, a| Ok(Datum::Float8(-float8(a, 0)?))),
    Scalar::new("float4up", &[Float4], Float4, |_, a| Ok(Datum::Float4(float4(a, 0)?))),
    Scalar::new("float8up", &[Float8], Float8, |_, a| Ok(Datum::Float8(float8(a, 0)?))),
    Scalar::new("float4abs", &[Float4], Float4, |_, a| Ok(Datum::Float4(float4(a, 0)?.abs()))),
    Scalar::new("float8abs", &[Float8], Float8, |_, a| Ok(Datum::Float8(float8(a, 0)?.abs()))),
    Scalar::new("abs", &[Float4], Float4, |_, a| Ok(Datum::Float4(float4(a, 0)?.abs()))),
    Scalar::new("abs", &[Float8], Float8, |_, a| Ok(Datum::Float8(float8(a, 0)?.abs()))),
];
