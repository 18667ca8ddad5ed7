//! Equality, order and hash of numerics by value.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::Sign;
use bigdecimal::num_traits::ToPrimitive;

use super::{Numeric, decimal, parts};

impl PartialEq for Numeric {
    fn eq(&self, other: &Numeric) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Numeric {}

impl PartialOrd for Numeric {
    fn partial_cmp(&self, other: &Numeric) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Numeric {
    /// -Infinity, the finite values, Infinity, NaN; NaN equals itself.
    fn cmp(&self, other: &Numeric) -> Ordering {
        match (self, other) {
            (Numeric::Finite(a), Numeric::Finite(b)) => compare_finite(a, b),
            (a, b) => a.rank().cmp(&b.rank()),
        }
    }
}

fn compare_finite(a: &BigDecimal, b: &BigDecimal) -> Ordering {
    let ((a, a_scale), (b, b_scale)) = (parts(a), parts(b));
    if a_scale == b_scale {
        return a.cmp(&b);
    }
    if a.sign() != b.sign() || a.sign() == Sign::NoSign {
        return a.sign().cmp(&b.sign());
    }
    if let (Some(a), Some(b)) = (a.to_i64(), b.to_i64())
        && let Some(order) = compare_small(a.into(), a_scale, b.into(), b_scale)
    {
        return order;
    }
    // The position of the first digit decides before anything large is multiplied out.
    let (a_top, b_top) = (decimal::digits(&a) - a_scale, decimal::digits(&b) - b_scale);
    if a_top != b_top {
        return if a.sign() == Sign::Minus {
            b_top.cmp(&a_top)
        } else {
            a_top.cmp(&b_top)
        };
    }
    let scale = a_scale.max(b_scale);
    decimal::rescale(&a, a_scale, scale).cmp(&decimal::rescale(&b, b_scale, scale))
}

/// None where the common scale is too far for 128 bits.
fn compare_small(a: i128, a_scale: i64, b: i128, b_scale: i64) -> Option<Ordering> {
    let power = 10i128.checked_pow(u32::try_from(a_scale.abs_diff(b_scale)).ok()?)?;
    Some(if a_scale < b_scale {
        a.checked_mul(power)?.cmp(&b)
    } else {
        a.cmp(&b.checked_mul(power)?)
    })
}

impl Numeric {
    fn rank(&self) -> u8 {
        match self {
            Numeric::NegInfinity => 0,
            Numeric::Finite(_) => 1,
            Numeric::Infinity => 2,
            Numeric::NaN => 3,
        }
    }
}

impl Hash for Numeric {
    /// Without trailing zeros after the point, equal values have equal parts.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.rank().hash(state);
        let Numeric::Finite(value) = self else { return };
        let (coefficient, mut scale) = parts(value);
        if let Some(mut small) = coefficient.to_i64() {
            while scale > 0 && small % 10 == 0 {
                small /= 10;
                scale -= 1;
            }
            // 0, 0.0 and 0.00 all end as (0, 0).
            return (small, scale).hash(state);
        }
        match self.trim_scale() {
            Numeric::Finite(trimmed) => {
                let (coefficient, scale) = parts(&trimmed);
                match coefficient.to_i64() {
                    Some(small) => (small, scale).hash(state),
                    None => (coefficient, scale).hash(state),
                }
            }
            Numeric::NegInfinity | Numeric::Infinity | Numeric::NaN => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_do_not_matter() {
        let numeric = |text: &str| text.parse::<Numeric>().unwrap();
        for (a, b) in [
            ("0", "0e-60"),
            ("1", "1.00"),
            ("1e50", "1e50"),
            ("1", &format!("1.{}", "0".repeat(60))),
            ("-2.50", "-2.5"),
        ] {
            assert_eq!(numeric(a), numeric(b));
        }
        for (less, greater) in [
            ("-1e40", "-1e-40"),
            ("1e-60", "1"),
            ("0", "1e-60"),
            ("99999999999999999999.9", "1e20"),
            ("-1.1", "-1"),
        ] {
            assert!(numeric(less) < numeric(greater), "{less} {greater}");
        }
    }
}
