//! Whole documents written anew: `jsonb_pretty`, `json_strip_nulls`.

use types::Type::*;
use types::{Datum, Result};

use super::scan::{Kind, elements, members};
use crate::Scalar;
use crate::argument::json;
use crate::limit::check_size;

pub(crate) static SCALARS: &[Scalar] = &[
    Scalar::new("jsonb_pretty", &[Jsonb], Text, |_, a| pretty(json(a, 0)?).map(Datum::Text)),
    Scalar::new("json_strip_nulls", &[Json], Json, |_, a| {
        Ok(Datum::Json(strip_nulls(json(a, 0)?, ":", ",")))
    }),
    Scalar::new("jsonb_strip_nulls", &[Jsonb], Jsonb, |_, a| {
        Ok(Datum::Json(strip_nulls(json(a, 0)?, ": ", ", ")))
    }),
];

/// What remains to be written, last first: a stack of our own, since documents nest as deep as they like.
enum Todo<'t> {
    Value(&'t str, usize),
    Members(super::scan::Members<'t>, usize, bool),
    Elements(super::scan::Elements<'t>, usize, bool),
}

fn indent(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("    ", depth));
}

fn pretty(document: &str) -> Result<String> {
    let mut out = String::new();
    let mut todo = vec![Todo::Value(document, 0)];
    while let Some(next) = todo.pop() {
        check_size(out.len())?;
        match next {
            Todo::Value(value, depth) => match Kind::of(value) {
                Kind::Object => {
                    out.push('{');
                    todo.push(Todo::Members(members(value), depth + 1, true));
                }
                Kind::Array => {
                    out.push('[');
                    todo.push(Todo::Elements(elements(value), depth + 1, true));
                }
                Kind::String | Kind::Number | Kind::Boolean | Kind::Null => out.push_str(value),
            },
            Todo::Members(mut rest, depth, first) => match rest.next() {
                None => {
                    indent(&mut out, depth - 1);
                    out.push('}');
                }
                Some((key, value)) => {
                    out.push_str(if first { "" } else { "," });
                    indent(&mut out, depth);
                    out.push_str(key);
                    out.push_str(": ");
                    todo.push(Todo::Members(rest, depth, false));
                    todo.push(Todo::Value(value, depth));
                }
            },
            Todo::Elements(mut rest, depth, first) => match rest.next() {
                None => {
                    indent(&mut out, depth - 1);
                    out.push(']');
                }
                Some(value) => {
                    out.push_str(if first { "" } else { "," });
                    indent(&mut out, depth);
                    todo.push(Todo::Elements(rest, depth, false));
                    todo.push(Todo::Value(value, depth));
                }
            },
        }
    }
    Ok(out)
}

/// Members of objects that are null vanish; elements of arrays stay.
fn strip_nulls(document: &str, colon: &str, comma: &str) -> String {
    let mut out = String::with_capacity(document.len());
    let mut todo = vec![Todo::Value(document, 0)];
    while let Some(next) = todo.pop() {
        match next {
            Todo::Value(value, _) => match Kind::of(value) {
                Kind::Object => {
                    out.push('{');
                    todo.push(Todo::Members(members(value), 0, true));
                }
                Kind::Array => {
                    out.push('[');
                    todo.push(Todo::Elements(elements(value), 0, true));
                }
                Kind::String | Kind::Number | Kind::Boolean | Kind::Null => out.push_str(value.trim()),
            },
            Todo::Members(mut rest, _, first) => match rest.next() {
                None => out.push('}'),
                Some((_, value)) if Kind::of(value) == Kind::Null => todo.push(Todo::Members(rest, 0, first)),
                Some((key, value)) => {
                    out.push_str(if first { "" } else { comma });
                    out.push_str(key);
                    out.push_str(colon);
                    todo.push(Todo::Members(rest, 0, false));
                    todo.push(Todo::Value(value, 0));
                }
            },
            Todo::Elements(mut rest, _, first) => match rest.next() {
                None => out.push(']'),
                Some(value) => {
                    out.push_str(if first { "" } else { comma });
                    todo.push(Todo::Elements(rest, 0, false));
                    todo.push(Todo::Value(value, 0));
                }
            },
        }
    }
    out
}
