//! Python values from and to the tags of the ABI.
//!
//! | SQL | Python |
//! |---|---|
//! | boolean; smallint, integer, bigint; real, double precision | bool; int; float |
//! | numeric | decimal.Decimal |
//! | text, varchar, char, name | str |
//! | bytea | bytes |
//! | date, timestamp | datetime.date, naive datetime.datetime; the infinities are strings |
//! | timestamptz | datetime.datetime with tzinfo UTC; the infinities are strings |
//! | time | datetime.time; `24:00:00`, which it cannot hold, is a string |
//! | interval | datetime.timedelta where it comes back the same; with months, or with days and hours that it would not keep apart, a string |
//! | uuid | uuid.UUID |
//! | json, jsonb | dict, list, str, int, float, bool, None; Decimal for numbers that a float would change |
//! | arrays | list, nested |

use malachite_bigint::BigInt;
use num_traits::ToPrimitive;
use rustpython_vm::builtins::{PyBaseExceptionRef, PyByteArray, PyBytes, PyDict, PyFloat, PyGenerator, PyInt, PyList, PyStr, PyTuple};
use rustpython_vm::{AsObject, PyObject, PyObjectRef, PyResult, VirtualMachine};

use crate::abi::{shape, tag};
use crate::buffer::{Malformed, Reader, put_text, put_u32};
use crate::json;
use crate::types::types;

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// How a result is to be looked at; see [`crate::abi::shape`].
#[derive(Debug)]
pub enum Shape {
    Scalar,
    Json,
    Array(Box<Shape>),
    Record(Vec<(String, Shape)>),
    Void,
}

impl Shape {
    pub fn read(input: &mut Reader<'_>) -> Result<Shape, Malformed> {
        Ok(match input.u8()? {
            shape::SCALAR => Shape::Scalar,
            shape::JSON => Shape::Json,
            shape::ARRAY => Shape::Array(Box::new(Shape::read(input)?)),
            shape::RECORD => {
                let count = input.u32()?;
                let mut columns = Vec::new();
                for _ in 0..count {
                    let name = input.text()?.to_string();
                    columns.push((name, Shape::read(input)?));
                }
                Shape::Record(columns)
            }
            shape::VOID => Shape::Void,
            _ => return Err(Malformed),
        })
    }
}

/// Why a value cannot leave the guest.
pub enum Unfit {
    /// It has no SQL value: message and hint.
    Value(String, &'static str),
    /// Looking at it ran code that raised.
    Raised(PyBaseExceptionRef),
}

impl From<PyBaseExceptionRef> for Unfit {
    fn from(error: PyBaseExceptionRef) -> Unfit {
        Unfit::Raised(error)
    }
}

impl From<Malformed> for Unfit {
    fn from(_: Malformed) -> Unfit {
        Unfit::Value("the host sent a malformed value".into(), "")
    }
}

/// The exception for a value that the host sent.
pub fn malformed(vm: &VirtualMachine) -> PyBaseExceptionRef {
    vm.new_system_error("the host sent a malformed value")
}

/// Reads one value.
pub fn read(input: &mut Reader<'_>, vm: &VirtualMachine) -> Result<PyObjectRef, Unfit> {
    let context = &vm.ctx;
    Ok(match input.u8()? {
        tag::NULL => context.none(),
        tag::FALSE => context.new_bool(false).into(),
        tag::TRUE => context.new_bool(true).into(),
        tag::INT => context.new_int(input.i32()?).into(),
        tag::LONG => context.new_int(input.i64()?).into(),
        tag::FLOAT => context.new_float(input.f64()?).into(),
        tag::BIG => {
            let integer: BigInt = input.text()?.parse().map_err(|_| Malformed)?;
            context.new_int(integer).into()
        }
        tag::TEXT => context.new_str(input.text()?).into(),
        tag::BYTES => {
            let length = input.u32()? as usize;
            context.new_bytes(input.bytes(length)?.to_vec()).into()
        }
        tag::DECIMAL => types().decimal.as_object().call((input.text()?.to_string(),), vm)?,
        tag::UUID => types().uuid.as_object().call((input.text()?.to_string(),), vm)?,
        tag::TIME => read_time(input.text()?, vm)?,
        tag::INTERVAL => read_interval(input.text()?, vm)?,
        tag::TIMESTAMPTZ => read_instant(input.i64()?, true, vm)?,
        tag::TIMESTAMP => read_instant(input.i64()?, false, vm)?,
        tag::DATE => match input.i32()? {
            i32::MAX => context.new_str("infinity").into(),
            i32::MIN => context.new_str("-infinity").into(),
            days => {
                let (year, month, day) = civil(i64::from(days));
                types().date.as_object().call((year, month, day), vm)?
            }
        },
        tag::ARRAY => {
            let count = input.u32()?;
            let mut elements = Vec::new();
            for _ in 0..count {
                elements.push(read(input, vm)?);
            }
            context.new_list(elements).into()
        }
        tag::OBJECT => {
            let count = input.u32()?;
            let object = context.new_dict();
            for _ in 0..count {
                let key = context.new_str(input.text()?);
                let value = read(input, vm)?;
                object.set_item(&*key, value, vm)?;
            }
            object.into()
        }
        _ => return Err(Malformed.into()),
    })
}

/// Year, month and day of a day counted from 1970.
fn civil(days: i64) -> (i64, i64, i64) {
    // Eras of 400 years that begin on the first of March.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// The inverse of [`civil`].
fn days_of_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn read_instant(micros: i64, zone: bool, vm: &VirtualMachine) -> PyResult {
    match micros {
        i64::MAX => return Ok(vm.ctx.new_str("infinity").into()),
        i64::MIN => return Ok(vm.ctx.new_str("-infinity").into()),
        _ => {}
    }
    let (year, month, day) = civil(micros.div_euclid(MICROS_PER_DAY));
    let rest = micros.rem_euclid(MICROS_PER_DAY);
    let (seconds, micros) = (rest / MICROS_PER_SECOND, rest % MICROS_PER_SECOND);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fields = [year, month, day, hour, minute, second, micros];
    let mut args: Vec<PyObjectRef> = fields.into_iter().map(|field| vm.ctx.new_int(field).into()).collect();
    if zone {
        args.push(types().utc.clone());
    }
    types().datetime.as_object().call(args, vm)
}

fn read_time(text: &str, vm: &VirtualMachine) -> PyResult {
    match clock_micros(text) {
        Some(micros) if micros < MICROS_PER_DAY => {
            let seconds = micros / MICROS_PER_SECOND;
            let class = types().time.as_object();
            class.call((seconds / 3600, seconds / 60 % 60, seconds % 60, micros % MICROS_PER_SECOND), vm)
        }
        _ => Ok(vm.ctx.new_str(text).into()),
    }
}

/// Microseconds of `12:34:56.789`.
fn clock_micros(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let hours: i64 = parts.next()?.parse().ok()?;
    let minutes: i64 = parts.next()?.parse().ok()?;
    let (whole, fraction) = parts.next()?.split_once('.').unwrap_or((text.rsplit(':').next()?, ""));
    let seconds: i64 = whole.parse().ok()?;
    if parts.next().is_some() || fraction.len() > 6 {
        return None;
    }
    let micros: i64 = format!("{fraction:0<6}").parse().ok()?;
    hours
        .checked_mul(3600)?
        .checked_add(minutes * 60 + seconds)?
        .checked_mul(MICROS_PER_SECOND)?
        .checked_add(micros)
}

fn read_interval(text: &str, vm: &VirtualMachine) -> PyResult {
    match days_and_micros(text) {
        Some((days, micros)) => types().timedelta.as_object().call((days, 0, micros), vm),
        None => Ok(vm.ctx.new_str(text).into()),
    }
}

/// `-3 days -04:05:06.789` where a timedelta would come back as the very same.
fn days_and_micros(text: &str) -> Option<(i64, i64)> {
    let (mut days, mut micros) = (0, 0);
    let mut words = text.split(' ').peekable();
    while let Some(word) = words.next() {
        if word.contains(':') {
            let (sign, clock) = match word.strip_prefix('-') {
                Some(clock) => (-1, clock),
                None => (1, word.strip_prefix('+').unwrap_or(word)),
            };
            micros = sign * clock_micros(clock)?;
        } else {
            days = word.parse().ok()?;
            if !matches!(words.next()?, "day" | "days") {
                return None;
            }
        }
    }
    let same_sign = days == 0 || micros == 0 || (days < 0) == (micros < 0);
    (micros.abs() < MICROS_PER_DAY && same_sign && i64::abs(days) < 999_999_999).then_some((days, micros))
}

/// Writes one value as `shape` asks.
pub fn write(value: &PyObject, shape: &Shape, out: &mut Vec<u8>, vm: &VirtualMachine) -> Result<(), Unfit> {
    if vm.is_none(value) {
        out.push(tag::NULL);
        return Ok(());
    }
    match shape {
        Shape::Void => out.push(tag::NULL),
        Shape::Scalar => write_scalar(value, out, vm)?,
        Shape::Json => write_json(value, out, vm)?,
        Shape::Array(element) => match sequence(value) {
            Some(items) => {
                out.push(tag::ARRAY);
                put_u32(out, items.len() as u32);
                for item in items {
                    let nested = !matches!(**element, Shape::Json) && sequence(&item).is_some();
                    write(&item, if nested { shape } else { element }, out, vm)?;
                }
            }
            None => write_scalar(value, out, vm)?,
        },
        Shape::Record(columns) => write_record(value, columns, out, vm)?,
    }
    Ok(())
}

/// What a list or tuple holds now.
fn sequence(value: &PyObject) -> Option<Vec<PyObjectRef>> {
    if let Some(list) = value.downcast_ref::<PyList>() {
        return Some(list.borrow_vec().to_vec());
    }
    value.downcast_ref::<PyTuple>().map(|tuple| tuple.as_slice().to_vec())
}

/// A row: by column name from a dict, by position from a list or tuple.
fn write_record(value: &PyObject, columns: &[(String, Shape)], out: &mut Vec<u8>, vm: &VirtualMachine) -> Result<(), Unfit> {
    if let Some(dict) = value.downcast_ref::<PyDict>() {
        out.push(tag::OBJECT);
        put_u32(out, columns.len() as u32);
        for (name, shape) in columns {
            let field = dict.inner_getitem_opt(name.as_str(), vm)?.ok_or_else(|| {
                Unfit::Value(
                    format!("the returned dict has no key \"{name}\""),
                    "To return NULL in a column, give its key the value None.",
                )
            })?;
            write(&field, shape, out, vm)?;
        }
        return Ok(());
    }
    let Some(fields) = sequence(value) else {
        return write_scalar(value, out, vm);
    };
    if fields.len() != columns.len() {
        return Err(Unfit::Value(
            format!(
                "the returned row has {} values where {} columns are declared",
                fields.len(),
                columns.len()
            ),
            "",
        ));
    }
    out.push(tag::OBJECT);
    put_u32(out, columns.len() as u32);
    for (field, (_, shape)) in fields.iter().zip(columns) {
        write(field, shape, out, vm)?;
    }
    Ok(())
}

/// Writes one value by what it is.
pub fn write_scalar(value: &PyObject, out: &mut Vec<u8>, vm: &VirtualMachine) -> Result<(), Unfit> {
    let types = types();
    if vm.is_none(value) {
        out.push(tag::NULL);
    } else if value.is(&vm.ctx.true_value) {
        out.push(tag::TRUE);
    } else if value.is(&vm.ctx.false_value) {
        out.push(tag::FALSE);
    } else if let Some(integer) = value.downcast_ref::<PyInt>() {
        write_integer(integer.as_bigint(), out);
    } else if let Some(text) = value.downcast_ref::<PyStr>() {
        let text = text.to_str().ok_or_else(|| {
            Unfit::Value(
                "a string holds half of a surrogate pair, which UTF-8 cannot spell".into(),
                "Encode it with errors='replace' and decode it again.",
            )
        })?;
        out.push(tag::TEXT);
        put_text(out, text);
    } else if let Some(float) = value.downcast_ref::<PyFloat>() {
        out.push(tag::FLOAT);
        out.extend_from_slice(&float.to_f64().to_le_bytes());
    } else if let Some(bytes) = value.downcast_ref::<PyBytes>() {
        put_bytes(bytes.as_bytes(), out);
    } else if let Some(bytes) = value.downcast_ref::<PyByteArray>() {
        put_bytes(&bytes.borrow_buf(), out);
    } else if value.class().is(vm.ctx.types.memoryview_type) {
        let bytes = vm.call_method(value, "tobytes", ())?;
        write_scalar(&bytes, out, vm)?;
    } else if value.fast_isinstance(&types.decimal) {
        out.push(tag::DECIMAL);
        put_text(out, &printed(value, vm)?);
    } else if value.fast_isinstance(&types.datetime) {
        write_datetime(value, out, vm)?;
    } else if value.fast_isinstance(&types.date) {
        let days = date_days(value, vm)?;
        out.push(tag::DATE);
        out.extend_from_slice(&(days as i32).to_le_bytes());
    } else if value.fast_isinstance(&types.time) {
        let text = vm.call_method(value, "isoformat", ())?;
        out.push(tag::TIME);
        put_text(out, &printed(&text, vm)?);
    } else if value.fast_isinstance(&types.timedelta) {
        out.push(tag::INTERVAL);
        put_text(out, &interval_text(delta_micros(value, vm)?));
    } else if value.fast_isinstance(&types.uuid) {
        out.push(tag::UUID);
        put_text(out, &printed(value, vm)?);
    } else if value.downcastable::<PyDict>() || value.downcastable::<PyList>() || value.downcastable::<PyTuple>() {
        write_json(value, out, vm)?;
    } else {
        return Err(no_sql_value(value, vm));
    }
    Ok(())
}

fn no_sql_value(value: &PyObject, vm: &VirtualMachine) -> Unfit {
    if value.class().is(vm.ctx.types.coroutine_type) {
        return Unfit::Value(
            "the function returned a coroutine, and asynchronous functions are not supported".into(),
            "Host calls return their results directly; no await is needed.",
        );
    }
    if value.downcastable::<PyGenerator>() {
        return Unfit::Value(
            "a generator has no SQL value".into(),
            "Declare the function RETURNS SETOF or RETURNS TABLE, or return a list.",
        );
    }
    if value.to_callable().is_some() {
        return Unfit::Value("a function has no SQL value".into(), "");
    }
    Unfit::Value(format!("an object of type {} has no SQL value", value.class().name()), "")
}

fn write_integer(integer: &BigInt, out: &mut Vec<u8>) {
    if let Some(small) = integer.to_i32() {
        out.push(tag::INT);
        out.extend_from_slice(&small.to_le_bytes());
    } else if let Some(long) = integer.to_i64() {
        out.push(tag::LONG);
        out.extend_from_slice(&long.to_le_bytes());
    } else {
        out.push(tag::BIG);
        put_text(out, &integer.to_string());
    }
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag::BYTES);
    put_u32(out, bytes.len() as u32);
    out.extend_from_slice(bytes);
}

/// `str(value)`.
pub fn printed(value: &PyObject, vm: &VirtualMachine) -> PyResult<String> {
    Ok(value.str(vm)?.to_string_lossy().into_owned())
}

fn integer_field(value: &PyObject, name: &'static str, vm: &VirtualMachine) -> PyResult<i64> {
    value.get_attr(name, vm)?.try_into_value(vm)
}

fn date_days(value: &PyObject, vm: &VirtualMachine) -> PyResult<i64> {
    let field = |name| integer_field(value, name, vm);
    Ok(days_of_civil(field("year")?, field("month")?, field("day")?))
}

fn delta_micros(value: &PyObject, vm: &VirtualMachine) -> PyResult<i128> {
    let field = |name| integer_field(value, name, vm).map(i128::from);
    Ok((field("days")? * 86_400 + field("seconds")?) * 1_000_000 + field("microseconds")?)
}

fn write_datetime(value: &PyObject, out: &mut Vec<u8>, vm: &VirtualMachine) -> Result<(), Unfit> {
    let field = |name| integer_field(value, name, vm);
    let seconds = (field("hour")? * 60 + field("minute")?) * 60 + field("second")?;
    let local = date_days(value, vm)? * MICROS_PER_DAY + seconds * MICROS_PER_SECOND + field("microsecond")?;
    let offset = vm.call_method(value, "utcoffset", ())?;
    if vm.is_none(&offset) {
        out.push(tag::TIMESTAMP);
        out.extend_from_slice(&local.to_le_bytes());
        return Ok(());
    }
    let offset = delta_micros(&offset, vm)?.to_i64().unwrap_or(0);
    match zoned_text(local, offset) {
        // The zone's own clock is what a date or a timestamp takes from it.
        Some(text) if offset != 0 => {
            out.push(tag::TIME);
            put_text(out, &text);
        }
        _ => {
            out.push(tag::TIMESTAMPTZ);
            out.extend_from_slice(&(local - offset).to_le_bytes());
        }
    }
    Ok(())
}

/// `2024-01-01 00:30:00.000000+02:00:00`, if SQL has such an offset.
fn zoned_text(local: i64, offset: i64) -> Option<String> {
    const LARGEST_OFFSET: i64 = 16 * 3600 * MICROS_PER_SECOND;
    if offset % MICROS_PER_SECOND != 0 || offset.abs() >= LARGEST_OFFSET {
        return None;
    }
    let (year, month, day) = civil(local.div_euclid(MICROS_PER_DAY));
    let clock = |micros: i64| {
        let seconds = micros / MICROS_PER_SECOND;
        format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    };
    let rest = local.rem_euclid(MICROS_PER_DAY);
    let sign = if offset < 0 { '-' } else { '+' };
    Some(format!(
        "{year:04}-{month:02}-{day:02} {}.{:06}{sign}{}",
        clock(rest),
        rest % MICROS_PER_SECOND,
        clock(offset.abs())
    ))
}

/// As PostgreSQL reads it: days, and what is left of one, with the same sign.
pub fn interval_text(micros: i128) -> String {
    let day = i128::from(MICROS_PER_DAY);
    let (days, rest) = (micros / day, micros % day);
    let (sign, rest) = if rest < 0 { ("-", -rest) } else { ("", rest) };
    let seconds = rest / 1_000_000;
    format!(
        "{days} days {sign}{:02}:{:02}:{:02}.{:06}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        rest % 1_000_000
    )
}

fn write_json(value: &PyObject, out: &mut Vec<u8>, vm: &VirtualMachine) -> Result<(), Unfit> {
    let mut text = Vec::new();
    json::write(value, &mut text, vm)?;
    out.push(tag::JSON);
    put_u32(out, text.len() as u32);
    out.extend_from_slice(&text);
    Ok(())
}
