//! The four interval styles (PostgreSQL's `EncodeInterval`).

use crate::Interval;
use crate::calendar::{MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND};
use crate::text::datetime::write_fraction;
use crate::text::numbers::{push_i64, push_two, push_u64};
use crate::text::style::IntervalStyle;

pub(in crate::text) fn write_interval(interval: &Interval, style: IntervalStyle, out: &mut String) {
    let parts = Parts::of(interval);
    match style {
        IntervalStyle::Postgres => write_postgres(&parts, out),
        IntervalStyle::PostgresVerbose => write_verbose(&parts, out),
        IntervalStyle::SqlStandard => write_sql(&parts, out),
        IntervalStyle::Iso8601 => write_iso(&parts, out),
    }
}

/// Each part has its own sign; those of the time have the same.
struct Parts {
    years: i64,
    months: i64,
    days: i64,
    hours: i64,
    minutes: i64,
    seconds: i64,
    micros: i64,
}

impl Parts {
    fn of(interval: &Interval) -> Parts {
        Parts {
            years: i64::from(interval.months) / 12,
            months: i64::from(interval.months) % 12,
            days: interval.days.into(),
            hours: interval.micros / MICROS_PER_HOUR,
            minutes: interval.micros / MICROS_PER_MINUTE % 60,
            seconds: interval.micros / MICROS_PER_SECOND % 60,
            micros: interval.micros % MICROS_PER_SECOND,
        }
    }

    fn all(&self) -> [i64; 7] {
        [
            self.years,
            self.months,
            self.days,
            self.hours,
            self.minutes,
            self.seconds,
            self.micros,
        ]
    }

    fn has_time(&self) -> bool {
        self.hours != 0 || self.minutes != 0 || self.seconds != 0 || self.micros != 0
    }

    fn time_is_negative(&self) -> bool {
        self.hours < 0 || self.minutes < 0 || self.seconds < 0 || self.micros < 0
    }

    /// `04:05.6`, without signs, the minutes always with two digits.
    fn write_minutes_and_seconds(&self, out: &mut String) {
        push_two(self.minutes.unsigned_abs(), out);
        out.push(':');
        push_two(self.seconds.unsigned_abs(), out);
        write_fraction(self.micros.unsigned_abs(), out);
    }
}

/// `1 year -2 mons +3 days 04:05:06`: a positive part after a negative one shows its sign.
fn write_postgres(parts: &Parts, out: &mut String) {
    let (mut first, mut after_negative) = (true, false);
    for (value, unit) in [(parts.years, "year"), (parts.months, "mon"), (parts.days, "day")] {
        if value == 0 {
            continue;
        }
        if !first {
            out.push(' ');
        }
        if after_negative && value > 0 {
            out.push('+');
        }
        push_i64(value, out);
        out.push(' ');
        out.push_str(unit);
        if value != 1 {
            out.push('s');
        }
        after_negative = value < 0;
        first = false;
    }
    if !first && !parts.has_time() {
        return;
    }
    if !first {
        out.push(' ');
    }
    if parts.time_is_negative() {
        out.push('-');
    } else if after_negative {
        out.push('+');
    }
    push_two(parts.hours.unsigned_abs(), out);
    out.push(':');
    parts.write_minutes_and_seconds(out);
}

/// `@ 1 year 2 mons -3 days ago`: the first part's sign is that of the whole.
fn write_verbose(parts: &Parts, out: &mut String) {
    out.push('@');
    let (mut first, mut negative) = (true, false);
    let units = [
        (parts.years, "year"),
        (parts.months, "mon"),
        (parts.days, "day"),
        (parts.hours, "hour"),
        (parts.minutes, "min"),
    ];
    for (value, unit) in units.into_iter().filter(|(value, _)| *value != 0) {
        if first {
            negative = value < 0;
        }
        let value = if negative { -value } else { value };
        out.push(' ');
        push_i64(value, out);
        out.push(' ');
        out.push_str(unit);
        if value != 1 {
            out.push('s');
        }
        first = false;
    }
    if parts.seconds != 0 || parts.micros != 0 {
        let below_zero = parts.seconds < 0 || parts.micros < 0;
        out.push(' ');
        if first {
            negative = below_zero;
        } else if below_zero != negative {
            out.push('-');
        }
        push_u64(parts.seconds.unsigned_abs(), out);
        write_fraction(parts.micros.unsigned_abs(), out);
        let one = parts.seconds.unsigned_abs() == 1 && parts.micros == 0;
        out.push_str(if one { " sec" } else { " secs" });
        first = false;
    }
    if first {
        out.push_str(" 0");
    }
    if negative {
        out.push_str(" ago");
    }
}

/// `1-2`, `3 4:05:06`, or with all signs where SQL's two kinds or two signs are mixed: `+1-2 -3 +4:05:06`.
fn write_sql(parts: &Parts, out: &mut String) {
    let negative = parts.all().iter().any(|part| *part < 0);
    let positive = parts.all().iter().any(|part| *part > 0);
    let has_year_month = parts.years != 0 || parts.months != 0;
    let has_day_time = parts.days != 0 || parts.has_time();
    if !negative && !positive {
        return out.push('0');
    }
    let sign = |below_zero: bool| if below_zero { '-' } else { '+' };
    if negative && positive || has_year_month && has_day_time {
        out.push(sign(parts.years < 0 || parts.months < 0));
        write_year_month(parts, out);
        out.extend([' ', sign(parts.days < 0)]);
        push_u64(parts.days.unsigned_abs(), out);
        out.extend([' ', sign(parts.time_is_negative())]);
        return write_time(parts, out);
    }
    if negative {
        out.push('-');
    }
    if has_year_month {
        return write_year_month(parts, out);
    }
    if parts.days != 0 {
        push_u64(parts.days.unsigned_abs(), out);
        out.push(' ');
    }
    write_time(parts, out);
}

fn write_year_month(parts: &Parts, out: &mut String) {
    push_u64(parts.years.unsigned_abs(), out);
    out.push('-');
    push_u64(parts.months.unsigned_abs(), out);
}

fn write_time(parts: &Parts, out: &mut String) {
    push_u64(parts.hours.unsigned_abs(), out);
    out.push(':');
    parts.write_minutes_and_seconds(out);
}

/// `P1Y2M3DT4H5M6.7S`.
fn write_iso(parts: &Parts, out: &mut String) {
    if parts.all().iter().all(|part| *part == 0) {
        return out.push_str("PT0S");
    }
    let part = |value: i64, unit: char, out: &mut String| {
        if value != 0 {
            push_i64(value, out);
            out.push(unit);
        }
    };
    out.push('P');
    part(parts.years, 'Y', out);
    part(parts.months, 'M', out);
    part(parts.days, 'D', out);
    if parts.has_time() {
        out.push('T');
    }
    part(parts.hours, 'H', out);
    part(parts.minutes, 'M', out);
    if parts.seconds != 0 || parts.micros != 0 {
        if parts.seconds < 0 || parts.micros < 0 {
            out.push('-');
        }
        push_u64(parts.seconds.unsigned_abs(), out);
        write_fraction(parts.micros.unsigned_abs(), out);
        out.push('S');
    }
}
