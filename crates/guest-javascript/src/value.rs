//! JavaScript values from and to the tags of the ABI.
//!
//! | SQL | JavaScript |
//! |---|---|
//! | boolean; smallint, integer; real, double precision | boolean; number; number |
//! | bigint | number up to 2^53 - 1 either side of zero, BigInt beyond |
//! | numeric, time, interval, uuid | string |
//! | text, varchar, char, name | string |
//! | bytea | Uint8Array |
//! | date, timestamp, timestamptz | Date (UTC), with a property `microseconds` (0..999) where it is not 0; the infinities are strings |
//! | json, jsonb | the value; integers beyond 2^53 are BigInt |
//! | arrays | Array, nested |

use boa_engine::object::JsObject;
use boa_engine::object::builtins::{AlignedVec, JsArray, JsArrayBuffer, JsDate, JsUint8Array};
use boa_engine::property::{PropertyDescriptor, PropertyKey};
use boa_engine::{Context, JsBigInt, JsError, JsNativeError, JsResult, JsString, JsValue, js_string};

use crate::abi::{shape, tag};
use crate::buffer::{Malformed, Reader, put_text, put_u32};
use crate::{host, json};

/// The largest integer that a number holds exactly, with all below it.
const MAX_SAFE_INTEGER: i64 = (1 << 53) - 1;
/// The range of a Date, in milliseconds either side of 1970.
const MAX_DATE_MILLIS: i64 = 8_640_000_000_000_000;
const MILLIS_PER_DAY: i64 = 86_400_000;

/// How a result is to be looked at; see [`crate::abi::shape`].
#[derive(Debug)]
pub enum Shape {
    Scalar,
    Json,
    Array(Box<Shape>),
    Record(Vec<(JsString, Shape)>),
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
                    let name = JsString::from(input.text()?);
                    columns.push((name, Shape::read(input)?));
                }
                Shape::Record(columns)
            }
            shape::VOID => Shape::Void,
            _ => return Err(Malformed),
        })
    }
}

impl From<Malformed> for JsError {
    fn from(_: Malformed) -> JsError {
        JsNativeError::error().with_message("the host sent a malformed value").into()
    }
}

/// Reads one value.
pub fn read(input: &mut Reader<'_>, context: &mut Context) -> JsResult<JsValue> {
    Ok(match input.u8()? {
        tag::NULL => JsValue::null(),
        tag::FALSE => JsValue::from(false),
        tag::TRUE => JsValue::from(true),
        tag::INT => JsValue::from(input.i32()?),
        tag::FLOAT => JsValue::from(input.f64()?),
        tag::LONG => match input.i64()? {
            value if (-MAX_SAFE_INTEGER..=MAX_SAFE_INTEGER).contains(&value) => JsValue::from(value),
            value => JsValue::from(JsBigInt::new(value)),
        },
        tag::BIG => JsBigInt::from_string_radix(input.text()?, 10).map(JsValue::from).ok_or(Malformed)?,
        tag::TEXT | tag::DECIMAL | tag::TIME | tag::INTERVAL | tag::UUID => JsValue::from(JsString::from(input.text()?)),
        tag::BYTES => {
            let length = input.u32()? as usize;
            let bytes = AlignedVec::from_iter(0, input.bytes(length)?.iter().copied());
            let buffer = JsArrayBuffer::from_byte_block(bytes, context)?;
            JsUint8Array::from_array_buffer(buffer, context)?.into()
        }
        tag::TIMESTAMPTZ | tag::TIMESTAMP => match input.i64()? {
            i64::MAX => JsValue::from(js_string!("infinity")),
            i64::MIN => JsValue::from(js_string!("-infinity")),
            micros => date(micros.div_euclid(1000), micros.rem_euclid(1000), context)?,
        },
        tag::DATE => match input.i32()? {
            i32::MAX => JsValue::from(js_string!("infinity")),
            i32::MIN => JsValue::from(js_string!("-infinity")),
            days => date(i64::from(days) * MILLIS_PER_DAY, 0, context)?,
        },
        tag::ARRAY => {
            let count = input.u32()?;
            let mut elements = Vec::new();
            for _ in 0..count {
                elements.push(read(input, context)?);
            }
            JsArray::from_iter(elements, context).into()
        }
        tag::OBJECT => {
            let count = input.u32()?;
            let object = JsObject::with_object_proto(context.intrinsics());
            for _ in 0..count {
                let key = JsString::from(input.text()?);
                let value = read(input, context)?;
                object.create_data_property(PropertyKey::from(key), value, context)?;
            }
            object.into()
        }
        _ => return Err(Malformed.into()),
    })
}

fn date(millis: i64, micros: i64, context: &mut Context) -> JsResult<JsValue> {
    if !(-MAX_DATE_MILLIS..=MAX_DATE_MILLIS).contains(&millis) {
        return Err(JsNativeError::range()
            .with_message("the timestamp is out of range for a Date")
            .into());
    }
    let constructor = context.intrinsics().constructors().date().constructor();
    let date = constructor.construct(&[JsValue::from(millis as f64)], None, context)?;
    if micros != 0 {
        let hidden = PropertyDescriptor::builder()
            .value(micros as i32)
            .writable(true)
            .enumerable(false)
            .configurable(true);
        date.define_property_or_throw(js_string!("microseconds"), hidden, context)?;
    }
    Ok(date.into())
}

/// Why a value cannot leave the guest.
pub enum Unfit {
    /// It has no SQL value: message and hint.
    Value(String, &'static str),
    /// Looking at it ran code that threw.
    Thrown(JsError),
}

impl From<JsError> for Unfit {
    fn from(error: JsError) -> Unfit {
        Unfit::Thrown(error)
    }
}

/// Writes one value as `shape` asks.
pub fn write(value: &JsValue, shape: &Shape, out: &mut Vec<u8>, context: &mut Context) -> Result<(), Unfit> {
    if value.is_null_or_undefined() {
        out.push(tag::NULL);
        return Ok(());
    }
    match shape {
        Shape::Void => out.push(tag::NULL),
        Shape::Scalar => write_scalar(value, out, context)?,
        Shape::Json => write_json(value, out, context)?,
        Shape::Array(element) => match value.as_object() {
            Some(object) if object.is_array() || is_number_array(&object) => {
                let length = json::length_of(&object, context)?;
                host::reserve_elements(length);
                out.push(tag::ARRAY);
                put_u32(out, length as u32);
                for index in 0..length {
                    let item = object.get(index, context)?;
                    let nested = item.as_object().is_some_and(|item| item.is_array());
                    write(
                        &item,
                        if nested && !matches!(**element, Shape::Json) {
                            shape
                        } else {
                            element
                        },
                        out,
                        context,
                    )?;
                }
            }
            _ => write_scalar(value, out, context)?,
        },
        Shape::Record(columns) => write_record(value, columns, out, context)?,
    }
    Ok(())
}

/// A row: by column name from an object, by position from an array. With a single column a value that
/// is no row stands for that column.
fn write_record(value: &JsValue, columns: &[(JsString, Shape)], out: &mut Vec<u8>, context: &mut Context) -> Result<(), Unfit> {
    let row = value.as_object().filter(|object| !object.is_callable() && !is_one_value(object));
    let Some(row) = row else {
        return match columns {
            [(_, shape)] => {
                out.push(tag::OBJECT);
                put_u32(out, 1);
                write(value, shape, out, context)
            }
            _ => write_scalar(value, out, context),
        };
    };
    let positional = row.is_array();
    if positional {
        let length = json::length_of(&row, context)?;
        if length != columns.len() as u64 {
            return Err(Unfit::Value(
                format!("the returned row has {length} values where {} columns are declared", columns.len()),
                "",
            ));
        }
    }
    out.push(tag::OBJECT);
    put_u32(out, columns.len() as u32);
    for (index, (name, shape)) in columns.iter().enumerate() {
        let key = if positional {
            PropertyKey::from(index as u32)
        } else {
            PropertyKey::from(name.clone())
        };
        let field = row.get(key, context)?;
        write(&field, shape, out, context)?;
    }
    Ok(())
}

/// An object that is one SQL value rather than a row or a document.
fn is_one_value(object: &JsObject) -> bool {
    is_number_array(object)
        || object.is::<f64>()
        || object.is::<bool>()
        || object.is::<JsString>()
        || object.is::<JsBigInt>()
        || JsDate::from_object(object.clone()).is_ok()
        || JsArrayBuffer::from_object(object.clone()).is_ok()
}

/// Writes one value by what it is.
pub fn write_scalar(value: &JsValue, out: &mut Vec<u8>, context: &mut Context) -> Result<(), Unfit> {
    if value.is_null_or_undefined() {
        out.push(tag::NULL);
    } else if let Some(value) = value.as_boolean() {
        out.push(if value { tag::TRUE } else { tag::FALSE });
    } else if let Some(number) = value.as_number() {
        write_number(number, out);
    } else if let Some(text) = value.as_string() {
        write_text(&text, out)?;
    } else if let Some(big) = value.as_bigint() {
        out.push(tag::BIG);
        put_text(out, &big.to_string_radix(10));
    } else if let Some(object) = value.as_object() {
        return write_object(value, &object, out, context);
    } else {
        return Err(Unfit::Value("a symbol has no SQL value".into(), ""));
    }
    Ok(())
}

fn write_number(number: f64, out: &mut Vec<u8>) {
    let integer = number as i32;
    if f64::from(integer) == number && !(integer == 0 && number.is_sign_negative()) {
        out.push(tag::INT);
        out.extend_from_slice(&integer.to_le_bytes());
    } else if number.fract() == 0.0 && number != 0.0 && number.abs() <= MAX_SAFE_INTEGER as f64 {
        out.push(tag::LONG);
        out.extend_from_slice(&(number as i64).to_le_bytes());
    } else {
        out.push(tag::FLOAT);
        out.extend_from_slice(&number.to_le_bytes());
    }
}

fn write_text(text: &JsString, out: &mut Vec<u8>) -> Result<(), Unfit> {
    let text = text.to_std_string().map_err(|_| {
        Unfit::Value(
            "a string holds half of a surrogate pair, which UTF-8 cannot spell".into(),
            "Use String.prototype.toWellFormed to replace it.",
        )
    })?;
    out.push(tag::TEXT);
    put_text(out, &text);
    Ok(())
}

fn write_object(value: &JsValue, object: &JsObject, out: &mut Vec<u8>, context: &mut Context) -> Result<(), Unfit> {
    if value.is_promise() {
        return Err(Unfit::Value("a promise has no SQL value".into(), "Await it."));
    }
    if object.is_callable() {
        return Err(Unfit::Value("a function has no SQL value".into(), ""));
    }
    if let Ok(date) = JsDate::from_object(object.clone()) {
        return write_date(&date, object, out, context);
    }
    if let Ok(bytes) = JsUint8Array::from_object(object.clone()) {
        return put_bytes(&bytes.to_vec(context)?, out);
    }
    if let Ok(buffer) = JsArrayBuffer::from_object(object.clone()) {
        return put_bytes(&buffer.to_vec().unwrap_or_default(), out);
    }
    if let Some(primitive) = json::unboxed(value, object, context)? {
        return write_scalar(&primitive, out, context);
    }
    write_json(value, out, context)
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Unfit> {
    out.push(tag::BYTES);
    put_u32(out, bytes.len() as u32);
    out.extend_from_slice(bytes);
    Ok(())
}

fn write_date(date: &JsDate, object: &JsObject, out: &mut Vec<u8>, context: &mut Context) -> Result<(), Unfit> {
    let millis = date.get_time(context)?.as_number().unwrap_or(f64::NAN);
    if !millis.is_finite() {
        return Err(Unfit::Value("an invalid Date has no SQL value".into(), ""));
    }
    let extra = object.borrow().properties().get(&PropertyKey::from(js_string!("microseconds")));
    let micros = extra.and_then(|extra| extra.value().and_then(JsValue::as_number)).unwrap_or(0.0);
    let micros = if (0.0..1000.0).contains(&micros) { micros as i64 } else { 0 };
    out.push(tag::TIMESTAMPTZ);
    out.extend_from_slice(&(millis as i64 * 1000 + micros).to_le_bytes());
    Ok(())
}

fn write_json(value: &JsValue, out: &mut Vec<u8>, context: &mut Context) -> Result<(), Unfit> {
    let mut text = Vec::new();
    if json::write(value, &mut text, context)? {
        out.push(tag::JSON);
        put_u32(out, text.len() as u32);
        out.extend_from_slice(&text);
    } else {
        out.push(tag::NULL);
    }
    Ok(())
}

/// A typed array of anything but bytes: an SQL array of numbers.
fn is_number_array(object: &JsObject) -> bool {
    object.is::<boa_engine::builtins::typed_array::TypedArray>()
}
