//! Functions of dates, times and intervals.

pub(crate) mod arithmetic;
pub(crate) mod clock;
pub(crate) mod interval;
mod make;
mod overlaps;
pub(crate) mod part;
mod trunc;
mod units;
