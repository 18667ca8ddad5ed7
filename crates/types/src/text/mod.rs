//! Values as text: PostgreSQL's input and output functions.
//!
//! One file per family of types. [`parse`] and [`format`] stand for all of them.

mod abbreviations;
mod array;
mod datetime;
mod float;
mod interval;
pub mod json;
pub(crate) mod numbers;
mod record;
mod strings;
mod style;
mod zone;

use crate::{Datum, Result, SqlError, SqlState, Type};

pub(crate) use array::{MAX_DIMENSIONS, MAX_ELEMENTS, too_large, too_many_dimensions};
pub use datetime::{round_time, round_timestamp};
pub use interval::apply_typmod as apply_interval_typmod;
pub(crate) use interval::declared as declared_interval;
pub(crate) use record::natural_type;
pub(crate) use strings::check_text;
pub use style::{ByteaOutput, DateOrder, IntervalStyle, TextStyle};
pub use zone::TimeZone;

/// Reads a value as PostgreSQL's input function of `ty` does. `typmod` is [`crate::NO_TYPMOD`] or
/// the declared length, precision or scale, applied as on assignment: text that is too long is an error.
///
/// The `reg*` types read OIDs only (regtype: built-in names too); other names need the catalog.
pub fn parse(ty: Type, typmod: i32, text: &str, style: &TextStyle) -> Result<Datum> {
    Ok(match ty {
        Type::Bool => Datum::Bool(numbers::parse_bool(text)?),
        Type::Int2 => Datum::Int2(numbers::parse_integer(ty, text)?),
        Type::Int4 => Datum::Int4(numbers::parse_integer(ty, text)?),
        Type::Int8 => Datum::Int8(numbers::parse_integer(ty, text)?),
        Type::Float4 => Datum::Float4(float::parse_f32(text)?),
        Type::Float8 => Datum::Float8(float::parse_f64(text)?),
        Type::Numeric => Datum::Numeric(text.parse::<crate::Numeric>()?.apply_typmod(typmod)?),
        Type::Text | Type::Varchar | Type::Bpchar | Type::Char | Type::Name | Type::Unknown => {
            Datum::Text(strings::parse_text(ty, typmod, text)?)
        }
        Type::Bytea => Datum::Bytea(strings::parse_bytea(text)?),
        Type::Date => Datum::Date(datetime::parse_date(text, style)?),
        Type::Time => Datum::Time(datetime::parse_time(text, typmod, style)?),
        Type::Timestamp => Datum::Timestamp(datetime::parse_timestamp(text, typmod, style)?),
        Type::Timestamptz => Datum::Timestamptz(datetime::parse_timestamptz(text, typmod, style)?),
        Type::Interval => Datum::Interval(interval::parse_interval(text, typmod, style)?),
        Type::Uuid => Datum::Uuid(strings::parse_uuid(text)?),
        Type::Json => {
            check_text(text)?;
            json::validate(text)?;
            Datum::Json(text.to_string())
        }
        Type::Jsonb => Datum::Json(json::canonical(text)?),
        Type::Oid => Datum::Oid(numbers::parse_oid(text)?),
        Type::Regclass | Type::Regtype | Type::Regproc | Type::Regnamespace | Type::Regrole => Datum::Oid(parse_reg(ty, text)?),
        Type::Array(element) => Datum::Array(Box::new(array::parse_array(*element, typmod, text, style)?)),
        Type::Record => {
            return Err(SqlError::new(
                SqlState::FeatureNotSupported,
                "input of anonymous composite types is not implemented",
            ));
        }
        Type::Void => Datum::Text(String::new()),
        Type::Trigger | Type::Any | Type::AnyElement | Type::AnyArray => {
            return Err(SqlError::new(
                SqlState::FeatureNotSupported,
                format!("cannot accept a value of type {}", ty.catalog_name()),
            ));
        }
    })
}

/// An OID, or `-` for none; of a regtype also a built-in type's name.
fn parse_reg(ty: Type, text: &str) -> Result<u32> {
    if text == "-" {
        return Ok(0);
    }
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return numbers::parse_oid(text);
    }
    if ty == Type::Regtype {
        let known = Type::from_name(text.trim().trim_start_matches("pg_catalog.").to_ascii_lowercase().as_str());
        return known
            .map(Type::oid)
            .ok_or_else(|| SqlError::new(SqlState::UndefinedObject, format!("type \"{text}\" does not exist")));
    }
    Err(numbers::invalid(ty, text))
}

/// Appends a value as PostgreSQL's output function of `ty` prints it. NULL appends nothing.
///
/// The `reg*` types print OIDs (regtype: built-in names); other names need the catalog.
pub fn format(ty: Type, datum: &Datum, style: &TextStyle, out: &mut String) {
    match datum {
        Datum::Null => {}
        Datum::Bool(value) => out.push(if *value { 't' } else { 'f' }),
        Datum::Int2(value) => numbers::push_i64(i64::from(*value), out),
        Datum::Int4(value) => numbers::push_i64(i64::from(*value), out),
        Datum::Int8(value) => numbers::push_i64(*value, out),
        Datum::Float4(value) => float::write_f32(*value, style.extra_float_digits, out),
        Datum::Float8(value) => float::write_f64(*value, style.extra_float_digits, out),
        Datum::Numeric(value) => value.write(out),
        Datum::Text(value) | Datum::Json(value) => out.push_str(value),
        Datum::Bytea(value) => strings::write_bytea(value, style.bytea_output, out),
        Datum::Date(days) => datetime::write_date(*days, out),
        Datum::Time(micros) => datetime::write_time(*micros, out),
        Datum::Timestamp(micros) => datetime::write_timestamp(*micros, out),
        Datum::Timestamptz(micros) => datetime::write_timestamptz(*micros, style, out),
        Datum::Interval(value) => interval::write_interval(value, style.interval_style, out),
        Datum::Uuid(value) => strings::write_uuid(value, out),
        Datum::Oid(oid) => match (ty, Type::from_oid(*oid)) {
            (Type::Regtype, Some(known)) => out.push_str(&known.to_string()),
            (Type::Regclass | Type::Regtype | Type::Regproc | Type::Regnamespace | Type::Regrole, _) if *oid == 0 => out.push('-'),
            _ => numbers::push_u64(u64::from(*oid), out),
        },
        Datum::Array(value) => array::write_array(value, style, out),
        Datum::Record(values) => record::write_record(values, style, out),
    }
}
