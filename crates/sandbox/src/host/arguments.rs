//! What a guest passed to a host function: read once, checked as the function asks for it.

use types::text::TextStyle;
use types::{Datum, SqlError, SqlState, Type};

use super::{Failure, HostFunction};
use crate::value::{Exchange, Param, Reader};

/// The arguments of one call, taken from the front. What is not there is NULL, as in JavaScript.
pub struct Arguments {
    function: &'static HostFunction,
    values: std::vec::IntoIter<Param<'static>>,
    taken: usize,
}

/// As many as a SQL function takes.
const MAX_ARGUMENTS: usize = 100;

impl Arguments {
    pub fn read(function: &'static HostFunction, request: &mut Reader<'_>, exchange: &Exchange) -> Result<Arguments, Failure> {
        let count = request.count()?;
        check_count(function, count)?;
        let values = (0..count).map(|_| Param::read(request, exchange).map(Param::owned));
        Arguments::of(function, values.collect::<Result<_, _>>()?)
    }

    pub fn given(function: &'static HostFunction, values: Vec<Datum>) -> Result<Arguments, Failure> {
        Arguments::of(function, values.into_iter().map(Param::from).collect())
    }

    fn of(function: &'static HostFunction, values: Vec<Param<'static>>) -> Result<Arguments, Failure> {
        check_count(function, values.len())?;
        Ok(Arguments {
            function,
            values: values.into_iter(),
            taken: 0,
        })
    }

    pub fn next(&mut self) -> Result<Datum, SqlError> {
        self.taken += 1;
        self.values.next().map_or(Ok(Datum::Null), |value| value.by_itself(None))
    }

    pub fn text(&mut self, expected: &str) -> Result<String, Failure> {
        match self.next()? {
            Datum::Text(text) => Ok(text),
            other => Err(self.unfit(expected, &other)),
        }
    }

    /// Bytes as they are, or the UTF-8 of a text.
    pub fn bytes(&mut self) -> Result<Vec<u8>, Failure> {
        match self.next()? {
            Datum::Text(text) => Ok(text.into_bytes()),
            Datum::Bytea(bytes) => Ok(bytes),
            other => Err(self.unfit("text or bytes", &other)),
        }
    }

    pub fn integer(&mut self, expected: &str) -> Result<i64, Failure> {
        match self.next()? {
            Datum::Int4(value) => Ok(i64::from(value)),
            Datum::Int8(value) => Ok(value),
            other => Err(self.unfit(expected, &other)),
        }
    }

    /// None where it is left out.
    pub fn optional_text(&mut self, expected: &str) -> Result<Option<String>, Failure> {
        match self.next()? {
            Datum::Null => Ok(None),
            Datum::Text(text) => Ok(Some(text)),
            other => Err(self.unfit(expected, &other)),
        }
    }

    /// A value as JSON text.
    pub fn json(&mut self) -> Result<String, Failure> {
        let value = self.next()?;
        match json(&value) {
            Some(text) => Ok(text),
            None => Err(self.unfit("a value that JSON can hold", &value)),
        }
    }

    /// All that are left.
    pub fn rest(&mut self) -> Vec<Param<'static>> {
        std::mem::take(&mut self.values).collect()
    }

    /// Nothing may be left: an argument that would be ignored is a mistake.
    pub fn end(&mut self) -> Result<(), Failure> {
        if self.values.len() == 0 {
            return Ok(());
        }
        let HostFunction { name, usage, .. } = self.function;
        let given = self.taken + self.values.len();
        let message = format!("heliosdb.{name} takes {} arguments, not {given}", self.taken);
        Err(SqlError::new(SqlState::TooManyArguments, message)
            .hint(format!("heliosdb.{name}{usage}"))
            .into())
    }

    /// The argument that was taken last is not what the function wants.
    pub fn unfit(&self, expected: &str, value: &Datum) -> Failure {
        let what = match value {
            Datum::Null => "missing or null",
            Datum::Bool(_) => "a boolean",
            Datum::Int2(_) | Datum::Int4(_) | Datum::Int8(_) | Datum::Oid(_) | Datum::Numeric(_) => "a whole number",
            Datum::Float4(_) | Datum::Float8(_) => "a number with a fraction",
            Datum::Text(_) => "text",
            Datum::Bytea(_) => "bytes",
            Datum::Date(_) | Datum::Time(_) | Datum::Timestamp(_) | Datum::Timestamptz(_) | Datum::Interval(_) => "a date",
            Datum::Uuid(_) => "a uuid",
            Datum::Json(text) if text.starts_with('[') => "an array",
            Datum::Json(_) | Datum::Record(_) => "an object",
            Datum::Array(_) => "an array",
        };
        self.refuse(expected).detail(format!("Argument {} is {what}.", self.taken)).into()
    }

    /// `heliosdb.crypto.sha256 expects text or bytes`, for the caller to say why.
    pub fn refuse(&self, expected: &str) -> SqlError {
        let HostFunction { name, usage, .. } = self.function;
        SqlError::new(SqlState::InvalidParameterValue, format!("heliosdb.{name} expects {expected}"))
            .hint(format!("heliosdb.{name}{usage}"))
    }
}

fn check_count(function: &HostFunction, count: usize) -> Result<(), Failure> {
    if count <= MAX_ARGUMENTS {
        return Ok(());
    }
    let message = format!("heliosdb.{} takes at most {MAX_ARGUMENTS} arguments", function.name);
    Err(SqlError::new(SqlState::TooManyArguments, message).into())
}

/// None where JSON has no such value. Dates become ISO texts, as JavaScript has it.
fn json(value: &Datum) -> Option<String> {
    let plain = |ty| {
        let mut text = String::new();
        types::text::format(ty, value, &TextStyle::default(), &mut text);
        text
    };
    Some(match value {
        Datum::Null => "null".to_string(),
        Datum::Bool(value) => value.to_string(),
        Datum::Int2(value) => value.to_string(),
        Datum::Int4(value) => value.to_string(),
        Datum::Int8(value) => value.to_string(),
        Datum::Oid(value) => value.to_string(),
        Datum::Float4(_) | Datum::Float8(_) | Datum::Numeric(_) => {
            let number = plain(if matches!(value, Datum::Numeric(_)) {
                Type::Numeric
            } else {
                Type::Float8
            });
            // NaN and the infinities are no numbers to JSON.
            serde_json::from_str::<serde_json::Number>(&number).ok()?.to_string()
        }
        Datum::Text(text) => serde_json::to_string(text).ok()?,
        Datum::Timestamptz(_) => {
            let iso = plain(Type::Timestamptz).replacen(' ', "T", 1).replace("+00", "Z");
            serde_json::to_string(&iso).ok()?
        }
        // A guest wrote it: it may be anything.
        Datum::Json(text) => serde_json::from_str::<serde_json::Value>(text).ok()?.to_string(),
        Datum::Array(array) => json_array(&array.dims, &mut array.values.iter())?,
        Datum::Bytea(_)
        | Datum::Date(_)
        | Datum::Time(_)
        | Datum::Timestamp(_)
        | Datum::Interval(_)
        | Datum::Uuid(_)
        | Datum::Record(_) => return None,
    })
}

fn json_array<'a>(dims: &[(i32, i32)], values: &mut impl Iterator<Item = &'a Datum>) -> Option<String> {
    let Some(((length, _), inner)) = dims.split_first() else {
        return Some("[]".to_string());
    };
    let elements = (0..*length).map(|_| match inner.is_empty() {
        true => values.next().and_then(json),
        false => json_array(inner, values),
    });
    let elements: Vec<String> = elements.collect::<Option<_>>()?;
    Some(format!("[{}]", elements.join(",")))
}
