//! PostgreSQL's numeric.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Numeric {
    NegInfinity,
    Finite(bigdecimal::BigDecimal),
    Infinity,
    NaN,
}
