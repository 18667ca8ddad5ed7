//! A parameter of a statement, or an argument of `heliosdb.call`.
//!
//! Most values bring their type along. A text takes the type of its place, as a literal would; so do moments, which are read by their
//! UTC clock where the place has no zone (as they were handed out), and arrays. Only where the place does not say, or says what they
//! cannot be, these have a type by themselves.

use serde_json::Value;
use types::text::TextStyle;
use types::{Datum, NO_TYPMOD, SqlError, SqlState, Type};

use super::decode::{Origin, Reading, array, one_dimension, typed};
use super::exchange::Exchange;
use super::json;
use super::reader::Reader;
use super::sent::{MAX_ELEMENTS, Returned, Sent, sent};

#[derive(Clone)]
pub struct Param<'a>(Kind<'a>);

#[derive(Clone)]
enum Kind<'a> {
    /// A value of its type; texts and NULL are of the type of their place.
    Plain(Datum),
    /// Moments and arrays.
    Open(Sent<'a>),
    /// The same, of an array that came as JSON, and its text.
    Json(String, Sent<'a>),
}

impl From<Datum> for Param<'_> {
    fn from(value: Datum) -> Self {
        Param(Kind::Plain(value))
    }
}

/// Deeper arrays are JSON and nothing else.
const MAX_DIMENSIONS: usize = 6;

impl<'a> Param<'a> {
    pub fn read(input: &mut Reader<'a>, exchange: &Exchange) -> Result<Param<'a>, Returned> {
        let sent = restored(sent(input)?, exchange);
        Ok(Param(match plain(&sent)? {
            Some(value) => Kind::Plain(value),
            None => Kind::Open(sent),
        }))
    }

    pub fn owned(self) -> Param<'static> {
        Param(match self.0 {
            Kind::Plain(value) => Kind::Plain(value),
            Kind::Open(sent) => Kind::Open(sent.owned()),
            Kind::Json(text, sent) => Kind::Json(text, sent.owned()),
        })
    }

    /// As an argument of a function: arrays come as JSON, and may be SQL arrays.
    pub fn argument(self) -> Param<'a> {
        let Param(Kind::Plain(Datum::Json(text))) = self else { return self };
        let parsed = if text.starts_with('[') {
            serde_json::from_str(&text).ok()
        } else {
            None
        };
        Param(match parsed.and_then(|value| of_json(value, 0, &mut { MAX_ELEMENTS })) {
            Some(sent) => Kind::Json(text, sent),
            None => Kind::Plain(Datum::Json(text)),
        })
    }

    /// As the JSON that it came as.
    pub fn as_json(self) -> Param<'a> {
        match self.0 {
            Kind::Json(text, _) => Param(Kind::Plain(Datum::Json(text))),
            _ => self,
        }
    }

    /// As a quoted literal, where it has one.
    pub fn as_literal(self) -> Result<Param<'a>, SqlError> {
        let value = match self.0 {
            Kind::Json(text, sent) => Param::<'_>(Kind::Json(text, sent)).by_itself(None)?,
            other => match Param(other) {
                Param(Kind::Plain(value)) => value,
                open => return Ok(open),
            },
        };
        Ok(Param(Kind::Plain(literal(value))))
    }

    /// The value, if it is of its own type whatever its place.
    pub fn plain(&self) -> Option<&Datum> {
        match &self.0 {
            Kind::Plain(value) => Some(value),
            Kind::Open(_) | Kind::Json(..) => None,
        }
    }

    /// The value in a place of this type, if it can be one.
    pub fn placed(&self, ty: Type, style: &TextStyle) -> Result<Datum, SqlError> {
        let reading = Reading {
            origin: Origin::Parameter,
            style,
            exchange: None,
        };
        match (&self.0, ty) {
            (Kind::Plain(value), _) => Ok(value.clone()),
            (Kind::Json(text, _), Type::Json | Type::Jsonb) => types::text::parse(ty, NO_TYPMOD, text, style),
            (Kind::Open(sent) | Kind::Json(_, sent), _) => typed(sent, ty, &reading),
        }
    }

    /// The value by itself, or in a place that cannot hold it: beside dates a moment is the time that its UTC clock shows, and a
    /// moment otherwise.
    pub fn by_itself(&self, place: Option<Type>) -> Result<Datum, SqlError> {
        let (sent, small) = match &self.0 {
            Kind::Plain(value) => return Ok(value.clone()),
            Kind::Open(sent) => (sent, false),
            Kind::Json(_, sent) => (sent, true),
        };
        let style = TextStyle::default();
        let reading = Reading {
            origin: Origin::Parameter,
            style: &style,
            exchange: None,
        };
        let moment = match place {
            Some(Type::Date | Type::Array(Type::Date)) => Type::Timestamp,
            _ => Type::Timestamptz,
        };
        let Sent::Array(values) = sent else {
            return typed(sent, moment, &reading);
        };
        match common_element(values, moment) {
            Common::Nothing => array(values, Type::Text, &reading),
            Common::Type(Type::Int8) if small && values_fit(values) => array(values, Type::Int4, &reading),
            Common::Type(Type::Jsonb) => {
                let elements = values.iter().map(|value| typed(value, Type::Jsonb, &reading));
                one_dimension(Type::Jsonb, elements.collect::<Result<_, _>>()?)
            }
            Common::Type(element) => array(values, element, &reading),
            Common::Mixed => typed(sent, Type::Jsonb, &reading),
        }
    }
}

/// With the numbers of JSON that the guest only passes on as they were handed to it.
fn restored<'a>(sent: Sent<'a>, exchange: &Exchange) -> Sent<'a> {
    match sent {
        Sent::Json(text) => Sent::Json(exchange.restored(text)),
        Sent::Array(values) if exchange.rounds() => {
            Sent::Array(values.into_iter().map(|value| restored_element(value, exchange)).collect())
        }
        other => other,
    }
}

fn restored_element<'a>(sent: Sent<'a>, exchange: &Exchange) -> Sent<'a> {
    match sent {
        Sent::Float(float) => match exchange.original(float) {
            Some(text) => Sent::Decimal(text.to_string().into()),
            None => Sent::Float(float),
        },
        other => restored(other, exchange),
    }
}

/// None for what takes the type of its place and is no text.
fn plain(sent: &Sent<'_>) -> Result<Option<Datum>, SqlError> {
    let numeric = |text: &str| types::text::parse(Type::Numeric, NO_TYPMOD, text, &TextStyle::default());
    Ok(Some(match sent {
        Sent::Null => Datum::Null,
        Sent::Bool(value) => Datum::Bool(*value),
        Sent::Int(value) => i32::try_from(*value).map_or(Datum::Int8(*value), Datum::Int4),
        Sent::Float(value) => Datum::Float8(*value),
        Sent::Big(text) => match text.parse() {
            Ok(value) => Datum::Int8(value),
            Err(_) => numeric(text)?,
        },
        Sent::Decimal(text) => numeric(text)?,
        Sent::Text(text) => Datum::text(text.as_ref()),
        Sent::Bytes(bytes) => Datum::Bytea(bytes.to_vec()),
        Sent::Local(micros) => Datum::Timestamp(*micros),
        Sent::Day(days) => Datum::Date(*days),
        Sent::Json(text) => Datum::Json(text.to_string()),
        Sent::Instant(_) | Sent::Zoned(_) | Sent::Array(_) => return Ok(None),
        Sent::Row(_) => {
            return Err(SqlError::new(SqlState::DatatypeMismatch, "a row cannot be passed as a parameter"));
        }
    }))
}

/// What the elements of an array share.
#[derive(Clone, Copy, PartialEq)]
enum Common {
    /// There are none, or only NULLs.
    Nothing,
    Type(Type),
    /// Only JSON holds them all.
    Mixed,
}

fn common_element(values: &[Sent<'_>], moment: Type) -> Common {
    let mut common = Common::Nothing;
    for value in values {
        let own = match value {
            Sent::Null => Common::Nothing,
            Sent::Bool(_) => Common::Type(Type::Bool),
            Sent::Int(_) => Common::Type(Type::Int8),
            Sent::Float(_) => Common::Type(Type::Float8),
            Sent::Big(_) | Sent::Decimal(_) => Common::Type(Type::Numeric),
            Sent::Bytes(_) => Common::Type(Type::Bytea),
            Sent::Instant(_) | Sent::Zoned(_) => Common::Type(moment),
            Sent::Local(_) => Common::Type(Type::Timestamp),
            Sent::Day(_) => Common::Type(Type::Date),
            Sent::Json(_) => Common::Type(Type::Jsonb),
            Sent::Text(_) => Common::Type(Type::Text),
            Sent::Row(_) => Common::Mixed,
            Sent::Array(inner) => match common_element(inner, moment) {
                // An array of arrays of objects is JSON throughout.
                Common::Type(Type::Jsonb) => Common::Mixed,
                other => other,
            },
        };
        common = join(common, own);
    }
    common
}

fn join(left: Common, right: Common) -> Common {
    let is_moment = |ty| matches!(ty, Type::Date | Type::Timestamp | Type::Timestamptz);
    let is_number = |ty| matches!(ty, Type::Int8 | Type::Float8 | Type::Numeric);
    match (left, right) {
        (Common::Nothing, other) | (other, Common::Nothing) => other,
        (Common::Type(left), Common::Type(right)) if left == right => Common::Type(left),
        (Common::Type(left), Common::Type(right)) if is_number(left) && is_number(right) => match (left, right) {
            (Type::Numeric, _) | (_, Type::Numeric) => Common::Type(Type::Numeric),
            _ => Common::Type(Type::Float8),
        },
        (Common::Type(left), Common::Type(right)) if is_moment(left) && is_moment(right) => match (left, right) {
            (Type::Timestamptz, _) | (_, Type::Timestamptz) => Common::Type(Type::Timestamptz),
            _ => Common::Type(Type::Timestamp),
        },
        // `infinity` is a text among moments.
        (Common::Type(ty), Common::Type(Type::Text)) | (Common::Type(Type::Text), Common::Type(ty)) if is_moment(ty) => Common::Type(ty),
        _ => Common::Mixed,
    }
}

fn values_fit(values: &[Sent<'_>]) -> bool {
    values.iter().all(|value| match value {
        Sent::Int(value) => i32::try_from(*value).is_ok(),
        Sent::Array(inner) => values_fit(inner),
        _ => true,
    })
}

/// An array that came as JSON, as if its elements had been sent one by one.
fn of_json(value: Value, depth: usize, room: &mut usize) -> Option<Sent<'static>> {
    Some(match value {
        Value::Null => Sent::Null,
        Value::Bool(value) => Sent::Bool(value),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Sent::Int(integer),
            (None, Some(float)) if float.is_finite() && json::is_exact(number.as_str(), float) => Sent::Float(float),
            (None, _) => Sent::Decimal(number.to_string().into()),
        },
        Value::String(text) => Sent::Text(text.into()),
        Value::Array(elements) => {
            if depth == MAX_DIMENSIONS {
                return None;
            }
            *room = room.checked_sub(elements.len())?;
            let elements = elements.into_iter().map(|element| of_json(element, depth + 1, room));
            Sent::Array(elements.collect::<Option<_>>()?)
        }
        Value::Object(_) => Sent::Json(value.to_string().into()),
    })
}

/// Text, whose place says what it is.
fn literal(value: Datum) -> Datum {
    match &value {
        Datum::Bool(value) => Datum::text(value.to_string()),
        Datum::Int4(value) => Datum::text(value.to_string()),
        Datum::Int8(value) => Datum::text(value.to_string()),
        Datum::Float8(value) => Datum::text(value.to_string()),
        Datum::Json(text) => Datum::text(text.clone()),
        Datum::Array(array) => {
            let Some(ty) = array.element.array_of() else { return value };
            let mut text = String::new();
            types::text::format(ty, &value, &TextStyle::default(), &mut text);
            Datum::text(text)
        }
        _ => value,
    }
}
