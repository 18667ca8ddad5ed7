//! Functions of dates, times and intervals.

pub(crate) mod arithmetic;
pub(crate) mod clock;
pub(crate) mod interval;
pub(crate) mod make;
pub(crate) mod overlaps;
pub(crate) mod part;
pub(crate) mod trunc;
mod units;

pub use clock::system_clock;
