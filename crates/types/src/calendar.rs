//! The proleptic Gregorian calendar over all of PostgreSQL's range, and its constants.
//!
//! chrono's dates end at the year 262143; PostgreSQL's date goes to 5874897. So days are converted
//! here. Years are astronomical: 1 BC is 0.

pub const MICROS_PER_SECOND: i64 = 1_000_000;
pub const MICROS_PER_MINUTE: i64 = 60 * MICROS_PER_SECOND;
pub const MICROS_PER_HOUR: i64 = 60 * MICROS_PER_MINUTE;
pub const MICROS_PER_DAY: i64 = 24 * MICROS_PER_HOUR;
/// PostgreSQL's `DAYS_PER_MONTH`: the month of interval arithmetic.
pub const DAYS_PER_MONTH: i64 = 30;
/// From 1970-01-01 to PostgreSQL's own epoch, 2000-01-01.
pub const DAYS_TO_2000: i32 = 10_957;
pub const MICROS_TO_2000: i64 = DAYS_TO_2000 as i64 * MICROS_PER_DAY;

/// The first day that date and timestamp can hold: 4714-11-24 BC, Julian day 0.
pub const MIN_DATE: i32 = -2_440_588;
/// The last day that date can hold: 5874897-12-31.
pub const MAX_DATE: i32 = 2_145_042_905;
/// The first instant that a timestamp can hold.
pub const MIN_TIMESTAMP: i64 = MIN_DATE as i64 * MICROS_PER_DAY;
/// The last one: the microsecond before infinity. PostgreSQL counts from 2000 and so ends 30 years later, at the end of 294276.
pub const MAX_TIMESTAMP: i64 = i64::MAX - 1;

/// Microseconds of the infinite timestamps.
pub const TIMESTAMP_INFINITY: i64 = i64::MAX;
pub const TIMESTAMP_NEG_INFINITY: i64 = i64::MIN;
/// Days of the infinite dates.
pub const DATE_INFINITY: i32 = i32::MAX;
pub const DATE_NEG_INFINITY: i32 = i32::MIN;

pub fn is_leap_year(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// `month` counts from 1.
pub fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap_year(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date. `month` counts from 1; a day outside the month counts on from it.
pub fn days_from_civil(year: i64, month: u32, day: i64) -> i64 {
    // Years that begin in March end with the leap day (Howard Hinnant, "chrono-compatible low-level date algorithms").
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// (year, month from 1, day from 1) of a day counted from 1970-01-01.
pub fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    } as u32;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// 0 is Sunday.
pub fn day_of_week(days: i64) -> u32 {
    (days + 4).rem_euclid(7) as u32
}

/// From 1.
pub fn day_of_year(days: i64) -> u32 {
    let (year, _, _) = civil_from_days(days);
    (days - days_from_civil(year, 1, 1) + 1) as u32
}

/// A timestamp's day and the microseconds since its midnight.
pub fn split_timestamp(micros: i64) -> (i64, i64) {
    (micros.div_euclid(MICROS_PER_DAY), micros.rem_euclid(MICROS_PER_DAY))
}

pub fn is_valid_timestamp(micros: i64) -> bool {
    (MIN_TIMESTAMP..=MAX_TIMESTAMP).contains(&micros)
}

pub fn is_valid_date(days: i64) -> bool {
    (i64::from(MIN_DATE)..=i64::from(MAX_DATE)).contains(&days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_go_both_ways() {
        for (year, month, day, days) in [
            (1970, 1, 1, 0),
            (2000, 1, 1, 10_957),
            (1969, 12, 31, -1),
            (2024, 2, 29, 19_782),
            (-4713, 11, 24, -2_440_588),
            (5_874_897, 12, 31, 2_145_042_905),
        ] {
            assert_eq!(days_from_civil(year, month, day), days);
            assert_eq!(civil_from_days(days), (year, month, day as u32));
        }
        for days in (-800_000..800_000).step_by(97) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, i64::from(day)), days);
            assert!(day <= days_in_month(year, month));
        }
    }

    #[test]
    fn weekdays() {
        assert_eq!(day_of_week(0), 4);
        assert_eq!(day_of_week(days_from_civil(2024, 1, 7)), 0);
        assert_eq!(day_of_year(days_from_civil(2024, 12, 31)), 366);
    }
}
