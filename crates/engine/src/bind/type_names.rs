//! Type names as written to types and typmods.

use sqlparser::ast::{ArrayElemTypeDef, CharacterLength, DataType, ExactNumberInfo, ObjectName, TimezoneInfo};
use types::{NO_TYPMOD, Result, SqlError, SqlState, Type, numeric_typmod};

/// The type and typmod of a type name.
pub fn resolve(data_type: &DataType) -> Result<(Type, i32)> {
    let plain = |ty: Type| Ok((ty, NO_TYPMOD));
    match data_type {
        DataType::Boolean | DataType::Bool => plain(Type::Bool),
        DataType::SmallInt(None) | DataType::Int2(None) => plain(Type::Int2),
        DataType::Int(None) | DataType::Integer(None) | DataType::Int4(None) => plain(Type::Int4),
        DataType::BigInt(None) | DataType::Int8(None) => plain(Type::Int8),
        DataType::Real | DataType::Float4 => plain(Type::Float4),
        DataType::Double(ExactNumberInfo::None) | DataType::DoublePrecision | DataType::Float8 => plain(Type::Float8),
        DataType::Float(ExactNumberInfo::None) => plain(Type::Float8),
        DataType::Float(ExactNumberInfo::Precision(bits)) => match bits {
            1..=24 => plain(Type::Float4),
            25..=53 => plain(Type::Float8),
            0 => Err(SqlError::new(
                SqlState::InvalidParameterValue,
                "precision for type float must be at least 1 bit",
            )),
            _ => Err(SqlError::new(
                SqlState::InvalidParameterValue,
                "precision for type float must be less than 54 bits",
            )),
        },
        DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => numeric(info),
        DataType::Text => plain(Type::Text),
        DataType::Varchar(length) | DataType::CharacterVarying(length) | DataType::CharVarying(length) => {
            Ok((Type::Varchar, char_typmod(length, "varchar", NO_TYPMOD)?))
        }
        DataType::Char(length) | DataType::Character(length) => Ok((Type::Bpchar, char_typmod(length, "char", 1 + 4)?)),
        DataType::Bytea => plain(Type::Bytea),
        DataType::Uuid => plain(Type::Uuid),
        DataType::Date => plain(Type::Date),
        DataType::Time(precision, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => Ok((Type::Time, seconds_typmod(*precision))),
        DataType::Timestamp(precision, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            Ok((Type::Timestamp, seconds_typmod(*precision)))
        }
        DataType::Timestamp(precision, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) => {
            Ok((Type::Timestamptz, seconds_typmod(*precision)))
        }
        DataType::Time(_, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) => Err(SqlError::unsupported("type time with time zone")),
        DataType::Interval { fields, precision } => {
            Ok((Type::Interval, super::special_call::interval_typmod(fields.as_ref(), *precision)?))
        }
        DataType::JSON => plain(Type::Json),
        DataType::JSONB => plain(Type::Jsonb),
        DataType::Regclass => plain(Type::Regclass),
        DataType::Trigger => plain(Type::Trigger),
        DataType::Array(ArrayElemTypeDef::SquareBracket(element, _)) => {
            let (element, typmod) = resolve(element)?;
            let array = element.array_of().ok_or_else(|| {
                SqlError::new(
                    SqlState::UndefinedObject,
                    format!("could not find array type for data type {element}"),
                )
            })?;
            Ok((array, typmod))
        }
        DataType::Custom(name, modifiers) => custom(name, modifiers),
        other => Err(unknown(&other.to_string().to_ascii_lowercase())),
    }
}

/// The integer type behind `serial`, `bigserial` and `smallserial`.
pub fn serial(data_type: &DataType) -> Option<Type> {
    let DataType::Custom(name, _) = data_type else { return None };
    match name.to_string().to_ascii_lowercase().as_str() {
        "serial" | "serial4" => Some(Type::Int4),
        "bigserial" | "serial8" => Some(Type::Int8),
        "smallserial" | "serial2" => Some(Type::Int2),
        _ => None,
    }
}

fn unknown(name: &str) -> SqlError {
    SqlError::new(SqlState::UndefinedObject, format!("type \"{name}\" does not exist"))
}

fn custom(name: &ObjectName, modifiers: &[String]) -> Result<(Type, i32)> {
    let (schema, name) = crate::parse::object_name(name)?;
    if schema.is_some_and(|schema| schema != "pg_catalog") {
        return Err(unknown(&name));
    }
    let ty = Type::from_name(&name).ok_or_else(|| unknown(&name))?;
    let number = |index: usize| modifiers.get(index).and_then(|text| text.trim().parse::<u64>().ok());
    let typmod = match (ty, modifiers.len()) {
        (_, 0) if ty == Type::Bpchar && name != "bpchar" => 1 + 4,
        (_, 0) => NO_TYPMOD,
        (Type::Varchar | Type::Bpchar, 1) => char_typmod(
            &number(0).map(|length| CharacterLength::IntegerLength { length, unit: None }),
            &name,
            NO_TYPMOD,
        )?,
        (Type::Numeric, 1 | 2) => {
            let info = match (number(0), modifiers.get(1).and_then(|text| text.trim().parse::<i64>().ok())) {
                (Some(precision), Some(scale)) => ExactNumberInfo::PrecisionAndScale(precision, scale),
                (Some(precision), None) => ExactNumberInfo::Precision(precision),
                (None, _) => return Err(SqlError::new(SqlState::InvalidParameterValue, "invalid NUMERIC type modifier")),
            };
            numeric(&info)?.1
        }
        (Type::Time | Type::Timestamp | Type::Timestamptz, 1) => seconds_typmod(number(0)),
        _ => {
            return Err(SqlError::new(
                SqlState::SyntaxError,
                format!("type modifier is not allowed for type \"{name}\""),
            ));
        }
    };
    Ok((ty, typmod))
}

fn numeric(info: &ExactNumberInfo) -> Result<(Type, i32)> {
    let (precision, scale) = match info {
        ExactNumberInfo::None => return Ok((Type::Numeric, NO_TYPMOD)),
        ExactNumberInfo::Precision(precision) => (*precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
    };
    if !(1..=1000).contains(&precision) {
        return Err(SqlError::new(
            SqlState::InvalidParameterValue,
            format!("NUMERIC precision {precision} must be between 1 and 1000"),
        ));
    }
    if !(-1000..=1000).contains(&scale) {
        return Err(SqlError::new(
            SqlState::InvalidParameterValue,
            format!("NUMERIC scale {scale} must be between -1000 and 1000"),
        ));
    }
    Ok((Type::Numeric, numeric_typmod(precision as i32, scale as i32)))
}

fn char_typmod(length: &Option<CharacterLength>, name: &str, absent: i32) -> Result<i32> {
    match length {
        None | Some(CharacterLength::Max) => Ok(absent),
        Some(CharacterLength::IntegerLength { length: 0, .. }) => Err(SqlError::new(
            SqlState::InvalidParameterValue,
            format!("length for type {name} must be at least 1"),
        )),
        // 10485760 is PostgreSQL's MaxAttrSize.
        Some(CharacterLength::IntegerLength { length, .. }) if *length > 10_485_760 => Err(SqlError::new(
            SqlState::InvalidParameterValue,
            format!("length for type {name} cannot exceed 10485760"),
        )),
        Some(CharacterLength::IntegerLength { length, .. }) => Ok(*length as i32 + 4),
    }
}

/// Fractional digits of a time type: more than 6 are 6, as PostgreSQL has it.
fn seconds_typmod(precision: Option<u64>) -> i32 {
    precision.map_or(NO_TYPMOD, |digits| digits.min(6) as i32)
}
