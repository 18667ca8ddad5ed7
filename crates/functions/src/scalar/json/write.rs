//! JSON text from SQL values, and jsonb from parts.

use types::{Array, Datum, Result, SqlError, SqlState};

use crate::entry::{Shape, WRITTEN_MARK};
use crate::limit::check_size;
use crate::{Environment, cast};

/// Arrays and records inside each other, as values of SQL nest.
const MAX_DEPTH: usize = 500;

pub(crate) fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A value as `to_json` writes it: `[1,2]`, `{"f1":1,"f2":"x"}`.
pub(crate) fn value(env: &dyn Environment, datum: &Datum, shape: &Shape, out: &mut String) -> Result<()> {
    nested(env, datum, shape, false, 0, out)
}

/// As [`value`], with a line feed between the elements of an array or the fields of a record.
pub(crate) fn value_in_lines(env: &dyn Environment, datum: &Datum, shape: &Shape, out: &mut String) -> Result<()> {
    nested(env, datum, shape, true, 0, out)
}

fn nested(env: &dyn Environment, datum: &Datum, shape: &Shape, lines: bool, depth: usize, out: &mut String) -> Result<()> {
    if depth > MAX_DEPTH {
        return Err(SqlError::new(SqlState::StatementTooComplex, "stack depth limit exceeded"));
    }
    check_size(out.len())?;
    match datum {
        Datum::Null => out.push_str("null"),
        Datum::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Datum::Json(text) => out.push_str(text),
        Datum::Int2(_) | Datum::Int4(_) | Datum::Int8(_) | Datum::Float4(_) | Datum::Float8(_) | Datum::Numeric(_) => {
            let mut text = String::new();
            cast::print(env, crate::argument::type_of(datum), datum, &mut text)?;
            // NaN and the infinities are no JSON numbers.
            if text.bytes().any(|b| matches!(b, b'N' | b'I')) {
                quote(&text, out)
            } else {
                out.push_str(&text)
            }
        }
        Datum::Timestamp(_) | Datum::Timestamptz(_) => {
            let mut text = String::new();
            cast::print(env, crate::argument::type_of(datum), datum, &mut text)?;
            quote(&iso(&text, matches!(datum, Datum::Timestamptz(_))), out);
        }
        Datum::Array(array) => {
            let element = Shape {
                ty: shape.ty.element().unwrap_or(array.element),
                fields: shape.fields.clone(),
            };
            dimension(env, array, &element, 0, &mut 0, lines, depth, out)?;
        }
        Datum::Record(fields) if let Some(text) = written(fields) => nested(env, text, shape, false, depth + 1, out)?,
        Datum::Record(fields) => {
            out.push('{');
            for (i, field) in fields.iter().enumerate() {
                if i > 0 {
                    out.push_str(if lines { ",\n " } else { "," });
                }
                let unknown;
                let (name, field_shape) = match shape.fields.get(i) {
                    Some((name, shape)) => (name, shape),
                    None => {
                        unknown = (format!("f{}", i + 1), Shape::of(crate::argument::type_of(field)));
                        (&unknown.0, &unknown.1)
                    }
                };
                quote(name, out);
                out.push(':');
                nested(env, field, field_shape, false, depth + 1, out)?;
            }
            out.push('}');
        }
        other => {
            let mut text = String::new();
            cast::print(env, shape.ty, other, &mut text)?;
            quote(&text, out);
        }
    }
    Ok(())
}

/// The JSON, or NULL, of a record that is written already: the last field of one that begins with the mark.
pub(crate) fn written(fields: &[Datum]) -> Option<&Datum> {
    match fields.first() {
        Some(Datum::Text(mark)) if mark == WRITTEN_MARK => fields.last(),
        _ => None,
    }
}

/// ISO 8601 with a T, and minutes in the offset.
fn iso(text: &str, zoned: bool) -> String {
    let mut out = text.replacen(' ', "T", 1);
    if zoned && let Some(at) = out.rfind(['+', '-']).filter(|at| out[*at..].len() == 3 && out.contains('T')) {
        out.insert_str(at + 3, ":00");
    }
    out
}

#[allow(clippy::too_many_arguments)] // a recursion over the dimensions of one array
fn dimension(
    env: &dyn Environment,
    array: &Array,
    element: &Shape,
    level: usize,
    next: &mut usize,
    lines: bool,
    depth: usize,
    out: &mut String,
) -> Result<()> {
    out.push('[');
    let length = array.dims.get(level).map_or(0, |(length, _)| *length);
    for i in 0..length {
        if i > 0 {
            out.push_str(if lines && level == 0 { ",\n " } else { "," });
        }
        if level + 1 < array.dims.len() {
            dimension(env, array, element, level + 1, next, false, depth, out)?;
        } else {
            let value = array.values.get(*next).unwrap_or(&Datum::Null);
            nested(env, value, element, false, depth + 1, out)?;
            *next += 1;
        }
    }
    out.push(']');
    Ok(())
}

/// An object of jsonb, from keys (their text, without quotes) and canonical values. Of equal keys the last counts.
pub(crate) fn jsonb_object(mut members: Vec<(String, String)>) -> String {
    // Stable, so that the last of equal keys stays last.
    members.sort_by(|(a, _), (b, _)| a.len().cmp(&b.len()).then_with(|| a.as_bytes().cmp(b.as_bytes())));
    let mut out = String::from("{");
    for (i, (key, value)) in members.iter().enumerate() {
        if members.get(i + 1).is_some_and(|(next, _)| next == key) {
            continue;
        }
        if out.len() > 1 {
            out.push_str(", ");
        }
        quote(key, &mut out);
        out.push_str(": ");
        out.push_str(value);
    }
    out.push('}');
    out
}

pub(crate) fn jsonb_array<'t>(elements: impl IntoIterator<Item = &'t str>) -> String {
    let mut out = String::from("[");
    for element in elements {
        if out.len() > 1 {
            out.push_str(", ");
        }
        out.push_str(element);
    }
    out.push(']');
    out
}
