//! Rows as text: `(1,"a b",)`.

use crate::{Datum, Type};

use super::strings::has_space;
use super::style::TextStyle;

pub(super) fn write_record(values: &[Datum], style: &TextStyle, out: &mut String) {
    out.push('(');
    for (i, value) in values.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        if !value.is_null() {
            write_field(value, style, out);
        }
    }
    out.push(')');
}

fn write_field(value: &Datum, style: &TextStyle, out: &mut String) {
    let start = out.len();
    super::format(natural_type(value), value, style, out);
    let text = &out[start..];
    if !text.is_empty() && !text.contains(['"', '\\', '(', ')', ',']) && !has_space(text) {
        return;
    }
    let text = out.split_off(start);
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push(c);
        }
        out.push(c);
    }
    out.push('"');
}

/// A type that a value can have. Types that share a variant print alike, but for the `reg*` types' names.
pub(crate) fn natural_type(value: &Datum) -> Type {
    match value {
        Datum::Null => Type::Unknown,
        Datum::Bool(_) => Type::Bool,
        Datum::Int2(_) => Type::Int2,
        Datum::Int4(_) => Type::Int4,
        Datum::Int8(_) => Type::Int8,
        Datum::Float4(_) => Type::Float4,
        Datum::Float8(_) => Type::Float8,
        Datum::Numeric(_) => Type::Numeric,
        Datum::Text(_) => Type::Text,
        Datum::Bytea(_) => Type::Bytea,
        Datum::Date(_) => Type::Date,
        Datum::Time(_) => Type::Time,
        Datum::Timestamp(_) => Type::Timestamp,
        Datum::Timestamptz(_) => Type::Timestamptz,
        Datum::Interval(_) => Type::Interval,
        Datum::Uuid(_) => Type::Uuid,
        Datum::Json(_) => Type::Json,
        Datum::Oid(_) => Type::Oid,
        Datum::Array(array) => array.element.array_of().unwrap_or(Type::Unknown),
        Datum::Record(_) => Type::Record,
    }
}
