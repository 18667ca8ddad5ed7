//! `interval day to second(3)`: the fields and precision that a declared interval keeps.

use crate::calendar::{MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND};
use crate::{Interval, NO_TYPMOD, Result};

/// Bits of the fields in a typmod's upper half (PostgreSQL's `INTERVAL_MASK`).
pub(super) mod field {
    pub const MONTH: i32 = 1 << 1;
    pub const YEAR: i32 = 1 << 2;
    pub const DAY: i32 = 1 << 3;
    pub const HOUR: i32 = 1 << 10;
    pub const MINUTE: i32 = 1 << 11;
    pub const SECOND: i32 = 1 << 12;
    pub const ALL: i32 = 0x7fff;
}

/// The precision of a typmod that names none.
const FULL_PRECISION: i32 = 0xffff;

/// The declared fields.
pub(super) fn range(typmod: i32) -> i32 {
    if typmod == NO_TYPMOD {
        field::ALL
    } else {
        (typmod >> 16) & field::ALL
    }
}

/// `interval day to second(3)`, as it was declared.
pub fn declared(typmod: i32) -> String {
    const NAMES: [(i32, &str); 6] = [
        (field::YEAR, "year"),
        (field::MONTH, "month"),
        (field::DAY, "day"),
        (field::HOUR, "hour"),
        (field::MINUTE, "minute"),
        (field::SECOND, "second"),
    ];
    let range = range(typmod);
    let mut text = String::from("interval");
    if range != field::ALL {
        let named = || NAMES.iter().filter(|(bit, _)| range & bit != 0).map(|(_, name)| *name);
        if let (Some(first), Some(last)) = (named().next(), named().next_back()) {
            text.push_str(&format!(" {first}"));
            if first != last {
                text.push_str(&format!(" to {last}"));
            }
        }
    }
    match typmod & FULL_PRECISION {
        FULL_PRECISION => {}
        precision => text.push_str(&format!("({precision})")),
    }
    text
}

/// Cuts an interval to its declared fields and rounds it to its declared precision.
pub fn apply_typmod(mut interval: Interval, typmod: i32) -> Result<Interval> {
    if typmod == NO_TYPMOD {
        return Ok(interval);
    }
    // The lowest field named decides: what is smaller goes; what is larger stays.
    let range = range(typmod);
    let lowest = if range == field::ALL || range & field::SECOND != 0 {
        None
    } else if range & field::MINUTE != 0 {
        Some(MICROS_PER_MINUTE)
    } else if range & field::HOUR != 0 {
        Some(MICROS_PER_HOUR)
    } else {
        interval.micros = 0;
        if range & field::DAY == 0 {
            interval.days = 0;
            if range & field::MONTH == 0 {
                interval.months = interval.months / 12 * 12;
            }
        }
        None
    };
    if let Some(unit) = lowest {
        interval.micros = interval.micros / unit * unit;
    }
    let precision = typmod & FULL_PRECISION;
    if precision < 6 {
        let step = MICROS_PER_SECOND / 10i64.pow(precision.unsigned_abs());
        let half = if interval.micros >= 0 { step / 2 } else { -(step / 2) };
        // At the end of the range rounding up would leave it.
        interval.micros = interval.micros.saturating_add(half) / step * step;
    }
    Ok(interval)
}
