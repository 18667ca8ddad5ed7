//! `Date` that reads what people and PostgreSQL write, as V8 does.
//!
//! The language prescribes one format, `2024-06-01T12:00:00.123Z`, and boa reads that. Here the rest
//! is read when that failed: `2024-06-01 12:00:00.123456+00`, `2024/03/10`, `March 7, 2021 10:00 PM`.
//! `toLocale...String` write the American forms, in UTC, whatever locale is asked for.

use boa_engine::native_function::NativeFunction;
use boa_engine::object::builtins::JsDate;
use boa_engine::object::{FunctionObjectBuilder, JsObject};
use boa_engine::property::PropertyDescriptor;
use boa_engine::{Context, JsArgs, JsNativeError, JsResult, JsString, JsValue, js_string};

const MILLIS_PER_DAY: i64 = 86_400_000;
const MAX_MILLIS: i64 = 8_640_000_000_000_000;
/// Longer texts are no dates.
const MAX_TEXT: usize = 100;

fn construct(new_target: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let intrinsic = context.intrinsics().constructors().date().constructor();
    let Some(new_target) = new_target.as_object() else {
        return intrinsic.call(&JsValue::undefined(), args, context);
    };
    let date = intrinsic.construct(args, Some(&new_target), context)?;
    if let [text] = args
        && let Some(text) = text.as_string()
        && time_of(&date, context)?.is_nan()
        && let Some(millis) = parse(&text)
    {
        return Ok(intrinsic
            .construct(&[JsValue::from(millis as f64)], Some(&new_target), context)?
            .into());
    }
    Ok(date.into())
}

fn parse_function(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let text = args.get_or_undefined(0).to_string(context)?;
    let prescribed = JsDate::parse(text.clone().into(), context)?;
    if prescribed.as_number().is_some_and(f64::is_nan)
        && let Some(millis) = parse(&text)
    {
        return Ok(JsValue::from(millis as f64));
    }
    Ok(prescribed)
}

fn time_of(date: &JsObject, context: &mut Context) -> JsResult<f64> {
    JsDate::from_object(date.clone())?.get_time(context)?.to_number(context)
}

enum Part {
    Number {
        value: i64,
        digits: usize,
    },
    Word(String),
    Sign(char),
    /// Anything else, one character.
    Mark(char),
}

fn parts_of(text: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = |is: fn(char) -> bool| rest.find(|c| !is(c)).unwrap_or(rest.len());
        let taken = match first {
            '0'..='9' => {
                let digits = length(|c| c.is_ascii_digit());
                // A fraction of more digits than a number holds is cut: what is cut is too small to see.
                let value = rest[..digits.min(15)].parse().ok()?;
                parts.push(Part::Number { value, digits });
                digits
            }
            'a'..='z' | 'A'..='Z' => {
                let letters = length(|c| c.is_ascii_alphabetic());
                parts.push(Part::Word(rest[..letters].to_ascii_lowercase()));
                letters
            }
            '+' | '-' => {
                parts.push(Part::Sign(first));
                1
            }
            // What stands in parentheses is a remark.
            '(' => rest.find(')').map_or(rest.len(), |end| end + 1),
            ' ' | ',' | '/' | ':' | '.' => {
                parts.push(Part::Mark(first));
                1
            }
            _ => return None,
        };
        rest = &rest[taken..];
    }
    Some(parts)
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
/// Names of zones, and their hours.
const ZONES: [(&str, i64); 12] = [
    ("z", 0),
    ("ut", 0),
    ("utc", 0),
    ("gmt", 0),
    ("est", -5),
    ("edt", -4),
    ("cst", -6),
    ("cdt", -5),
    ("mst", -7),
    ("mdt", -6),
    ("pst", -8),
    ("pdt", -7),
];

/// Milliseconds since 1970, where the text is a date in one of the forms that are customary.
fn parse(text: &JsString) -> Option<i64> {
    if text.len() > MAX_TEXT {
        return None;
    }
    let text = text.to_std_string().ok()?;
    let parts = parts_of(text.trim())?;
    let mut numbers: Vec<(i64, usize)> = Vec::new();
    let mut month_name = None;
    let mut time: Option<Vec<i64>> = None;
    let mut millis = 0;
    let mut afternoon = None;
    let mut offset_minutes = 0;
    let mut zone = false;
    let mut index = 0;
    while let Some(part) = parts.get(index) {
        index += 1;
        match part {
            Part::Number { value, .. } if time.is_none() && matches!(parts.get(index), Some(Part::Mark(':'))) => {
                let mut fields = vec![*value];
                while let (Some(Part::Mark(':')), Some(Part::Number { value, .. })) = (parts.get(index), parts.get(index + 1)) {
                    fields.push(*value);
                    index += 2;
                }
                if let (Some(Part::Mark('.')), Some(Part::Number { value, digits })) = (parts.get(index), parts.get(index + 1)) {
                    let digits = (*digits).min(15) as u32;
                    millis = match digits {
                        0..3 => value * 10_i64.pow(3 - digits),
                        _ => value / 10_i64.pow(digits - 3),
                    };
                    index += 2;
                }
                time = Some(fields);
            }
            Part::Number { value, digits } => numbers.push((*value, *digits)),
            // After a time or the name of a zone a sign begins an offset; before, it parts numbers.
            Part::Sign(sign) if time.is_some() || zone => {
                let Some(Part::Number { value, digits }) = parts.get(index) else {
                    return None;
                };
                index += 1;
                let mut minutes = if *digits > 2 { value / 100 * 60 + value % 100 } else { value * 60 };
                if let (Some(Part::Mark(':')), Some(Part::Number { value, .. })) = (parts.get(index), parts.get(index + 1)) {
                    minutes += value;
                    index += 2;
                }
                if minutes >= 24 * 60 {
                    return None;
                }
                offset_minutes = if *sign == '-' { -minutes } else { minutes };
                zone = true;
            }
            Part::Sign('-') if !numbers.is_empty() || month_name.is_some() => {}
            Part::Sign(_) => return None,
            Part::Mark(' ' | ',' | '/') => {}
            // `Sept. 5`.
            Part::Mark('.') if month_name.is_some() && numbers.is_empty() => {}
            Part::Mark(_) => return None,
            Part::Word(word) => {
                let short = word.get(..3).unwrap_or(word);
                if word == "t" && !numbers.is_empty() && time.is_none() {
                    continue;
                }
                match word.as_str() {
                    "am" if time.is_some() => afternoon = Some(false),
                    "pm" if time.is_some() => afternoon = Some(true),
                    _ => {
                        if let Some((_, hours)) = ZONES.iter().find(|(name, _)| name == word) {
                            offset_minutes = hours * 60;
                            zone = true;
                        } else if let Some(month) = MONTHS.iter().position(|month| *month == short) {
                            month_name = Some(month as i64 + 1);
                        } else if !WEEKDAYS.contains(&short) {
                            return None;
                        }
                    }
                }
            }
        }
    }
    let (year, month, day) = match (month_name, numbers.as_slice()) {
        (Some(month), [(day, 1 | 2), year]) if *day <= 31 => (full_year(*year), month, *day),
        (Some(month), [year, (day, _)]) => (year.0, month, *day),
        (Some(month), [year @ (_, 3..)]) => (year.0, month, 1),
        (None, [year @ (_, 3..), (month, _), (day, _)]) => (year.0, *month, *day),
        (None, [(month, _), (day, _), year]) => (full_year(*year), *month, *day),
        _ => return None,
    };
    let time = time.unwrap_or_default();
    let (mut hour, minute, second) = match time.as_slice() {
        [] => (0, 0, 0),
        [hour, minute] => (*hour, *minute, 0),
        [hour, minute, second] => (*hour, *minute, *second),
        _ => return None,
    };
    if let Some(afternoon) = afternoon {
        if !(1..=12).contains(&hour) {
            return None;
        }
        hour = hour % 12 + if afternoon { 12 } else { 0 };
    }
    let midnight = hour == 24 && (minute, second, millis) == (0, 0, 0);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || year > 275_760 || (hour > 23 && !midnight) || minute > 59 || second > 59 {
        return None;
    }
    let seconds = (hour * 60 + minute - offset_minutes) * 60 + second;
    let total = days_from_civil(year, month, day) * MILLIS_PER_DAY + seconds * 1000 + millis;
    (-MAX_MILLIS..=MAX_MILLIS).contains(&total).then_some(total)
}

/// Two digits are a year of this century or of the last.
fn full_year((year, digits): (i64, usize)) -> i64 {
    match (digits, year) {
        (1 | 2, 0..50) => year + 2000,
        (1 | 2, _) => year + 1900,
        _ => year,
    }
}

/// Days since 1970 of a day in the Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month, day, hour, minute, second in UTC.
fn fields_of(this: &JsValue, context: &mut Context) -> JsResult<Option<[i64; 6]>> {
    let date = this
        .as_object()
        .and_then(|date| JsDate::from_object(date).ok())
        .ok_or_else(|| JsNativeError::typ().with_message("'this' is not a Date"))?;
    if date.get_time(context)?.to_number(context)?.is_nan() {
        return Ok(None);
    }
    let fields = [
        date.get_utc_full_year(context)?,
        date.get_utc_month(context)?,
        date.get_utc_date(context)?,
        date.get_utc_hours(context)?,
        date.get_utc_minutes(context)?,
        date.get_utc_seconds(context)?,
    ];
    let mut numbers = [0; 6];
    for (number, field) in numbers.iter_mut().zip(fields) {
        *number = field.to_number(context)? as i64;
    }
    numbers[1] += 1;
    Ok(Some(numbers))
}

fn american(this: &JsValue, context: &mut Context, write: fn(String, String) -> String) -> JsResult<JsValue> {
    let Some([year, month, day, hour, minute, second]) = fields_of(this, context)? else {
        return Ok(js_string!("Invalid Date").into());
    };
    let date = format!("{month}/{day}/{year}");
    let half = if hour < 12 { "AM" } else { "PM" };
    let time = format!("{}:{minute:02}:{second:02} {half}", (hour + 11) % 12 + 1);
    Ok(JsString::from(write(date, time)).into())
}

fn to_locale_string(this: &JsValue, _: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    american(this, context, |date, time| format!("{date}, {time}"))
}

fn to_locale_date_string(this: &JsValue, _: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    american(this, context, |date, _| date)
}

fn to_locale_time_string(this: &JsValue, _: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    american(this, context, |_, time| time)
}

/// Puts a constructor of ours in the place of the intrinsic one, with all its properties.
pub fn install(context: &mut Context) -> JsResult<()> {
    let intrinsic: JsObject = context.intrinsics().constructors().date().constructor();
    let prototype = context.intrinsics().constructors().date().prototype();
    let realm = context.realm().clone();
    let constructor: JsObject = FunctionObjectBuilder::new(&realm, NativeFunction::from_fn_ptr(construct))
        .name(js_string!("Date"))
        .length(7)
        .constructor(true)
        .build()
        .into();
    for key in intrinsic.own_property_keys(context)? {
        let descriptor = intrinsic.borrow().properties().get(&key);
        if let Some(descriptor) = descriptor {
            constructor.define_property_or_throw(key, descriptor, context)?;
        }
    }
    let hidden = |value: JsObject| {
        PropertyDescriptor::builder()
            .value(value)
            .writable(true)
            .enumerable(false)
            .configurable(true)
    };
    let function = |name: &str, length: usize, native: NativeFunction| -> JsObject {
        FunctionObjectBuilder::new(&realm, native)
            .name(JsString::from(name))
            .length(length)
            .build()
            .into()
    };
    let parse = function("parse", 1, NativeFunction::from_fn_ptr(parse_function));
    constructor.define_property_or_throw(js_string!("parse"), hidden(parse), context)?;
    for (name, native) in [
        ("toLocaleString", NativeFunction::from_fn_ptr(to_locale_string)),
        ("toLocaleDateString", NativeFunction::from_fn_ptr(to_locale_date_string)),
        ("toLocaleTimeString", NativeFunction::from_fn_ptr(to_locale_time_string)),
    ] {
        prototype.define_property_or_throw(JsString::from(name), hidden(function(name, 0, native)), context)?;
    }
    prototype.define_property_or_throw(js_string!("constructor"), hidden(constructor.clone()), context)?;
    context
        .global_object()
        .define_property_or_throw(js_string!("Date"), hidden(constructor), context)?;
    Ok(())
}
