//! Casts: which exist, in which context, and what they do (`pg_cast`, `find_coercion_pathway`).
//!
//! The life of a cast: NULL stays NULL; the value is converted by the [`matrix`]'s function, or by
//! printing it as one type and reading it as the other, or element by element; then the length
//! or precision of the target, if there is one, is applied ([`typmod`]).

mod matrix;
mod typmod;

use types::{Array, Datum, Result, SqlError, SqlState, Type};

use crate::Environment;
pub use matrix::{CATALOG, Row};
pub use typmod::apply_typmod;

/// Where a cast happens: each context allows what those before it allow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Context {
    /// Anywhere in an expression, unasked.
    Implicit,
    /// Into a column of INSERT or UPDATE.
    Assignment,
    /// `CAST(x AS t)`, `x::t`.
    Explicit,
}

/// How a value gets from one type to another.
#[derive(Clone, Copy, Debug)]
enum Path {
    /// The same representation.
    Relabel,
    Function(matrix::Convert),
    /// Print, then read.
    Text,
    /// Element by element.
    Elements(Type, Type),
}

pub fn can_cast(from: Type, to: Type, context: Context) -> bool {
    path(from, to, context).is_some()
}

fn path(from: Type, to: Type, context: Context) -> Option<Path> {
    if from == to || to == Type::Any {
        return Some(Path::Relabel);
    }
    match to {
        Type::AnyElement | Type::AnyArray | Type::Trigger | Type::Unknown => return None,
        _ => {}
    }
    if from == Type::Unknown {
        return Some(Path::Text);
    }
    if let Some(row) = matrix::find(from, to) {
        return (context >= row.context).then_some(match row.convert {
            Some(convert) => Path::Function(convert),
            None if row.by_text => Path::Text,
            None => Path::Relabel,
        });
    }
    if let (Type::Array(from), Type::Array(to)) = (from, to) {
        return path(*from, *to, context).map(|_| Path::Elements(*from, *to));
    }
    let by_text =
        (to.is_string() && context >= Context::Assignment) || (from.is_string() && context == Context::Explicit && to.category() != 'P');
    by_text.then_some(Path::Text)
}

/// Converts a value and applies `typmod`. `explicit` says who asked: an explicit cast to
/// `varchar(3)` cuts, an assignment refuses.
pub fn cast(env: &dyn Environment, datum: Datum, from: Type, to: Type, typmod: i32, explicit: bool) -> Result<Datum> {
    if datum.is_null() {
        return Ok(Datum::Null);
    }
    let path = path(from, to, Context::Explicit)
        .ok_or_else(|| SqlError::new(SqlState::CannotCoerce, format!("cannot cast type {from} to {to}")))?;
    let converted = match (from, to, &datum) {
        // The fields that a literal is declared with say what a bare number in it counts: `interval '3' day`.
        (Type::Unknown, Type::Interval, Datum::Text(text)) => types::text::parse(to, typmod, text, env.text_style())?,
        _ => convert(env, datum, from, to, path)?,
    };
    apply_typmod(converted, to, typmod, explicit)
}

fn convert(env: &dyn Environment, datum: Datum, from: Type, to: Type, path: Path) -> Result<Datum> {
    match path {
        Path::Relabel => Ok(datum),
        Path::Function(convert) => convert(env, datum),
        Path::Text => {
            let mut text = String::new();
            print(env, from, &datum, &mut text)?;
            read(env, to, text)
        }
        Path::Elements(from, to) => {
            let Datum::Array(array) = datum else {
                return Err(SqlError::internal("an array cast takes an array"));
            };
            let path = self::path(from, to, Context::Explicit)
                .ok_or_else(|| SqlError::internal(format!("no cast of elements from {from} to {to}")))?;
            let values = array.values.into_iter().map(|value| match value {
                Datum::Null => Ok(Datum::Null),
                value => convert(env, value, from, to, path),
            });
            Ok(Datum::Array(Box::new(Array {
                element: to,
                dims: array.dims,
                values: values.collect::<Result<_>>()?,
            })))
        }
    }
}

/// A value's text, as output functions print it.
pub fn print(env: &dyn Environment, ty: Type, datum: &Datum, out: &mut String) -> Result<()> {
    match (ty, datum) {
        (_, Datum::Text(text) | Datum::Json(text)) => out.push_str(text),
        (Type::Regclass | Type::Regtype | Type::Regproc | Type::Regnamespace | Type::Regrole, Datum::Oid(_)) => {
            out.push_str(&reg_out(env, ty, datum)?);
        }
        (Type::Array(&Type::Regclass | &Type::Regtype | &Type::Regproc | &Type::Regnamespace | &Type::Regrole), Datum::Array(array)) => {
            let names = array.values.iter().map(|value| match value {
                Datum::Null => Ok(Datum::Null),
                value => reg_out(env, array.element, value).map(Datum::Text),
            });
            let names = Array {
                element: Type::Text,
                dims: array.dims.clone(),
                values: names.collect::<Result<_>>()?,
            };
            types::text::format(Type::Array(&Type::Text), &Datum::Array(Box::new(names)), env.text_style(), out);
        }
        _ => types::text::format(ty, datum, env.text_style(), out),
    }
    Ok(())
}

/// A value from its text, as input functions read it.
pub fn read(env: &dyn Environment, ty: Type, text: String) -> Result<Datum> {
    match ty {
        Type::Text | Type::Varchar | Type::Bpchar | Type::Unknown => Ok(Datum::Text(text)),
        Type::Regclass => env.catalog_call("regclassin", &[Datum::Text(text)]),
        Type::Regproc => env.catalog_call("regprocin", &[Datum::Text(text)]),
        Type::Regnamespace => env.catalog_call("regnamespacein", &[Datum::Text(text)]),
        Type::Regrole => env.catalog_call("regrolein", &[Datum::Text(text)]),
        Type::Regtype => regtype_in(env, &text),
        Type::Array(element @ (&Type::Regclass | &Type::Regtype | &Type::Regproc | &Type::Regnamespace | &Type::Regrole)) => {
            let names = types::text::parse(Type::Array(&Type::Text), types::NO_TYPMOD, &text, env.text_style())?;
            convert(env, names, Type::Array(&Type::Text), ty, Path::Elements(Type::Text, *element))
        }
        _ => types::text::parse(ty, types::NO_TYPMOD, &text, env.text_style()),
    }
}

fn reg_out(env: &dyn Environment, ty: Type, datum: &Datum) -> Result<String> {
    let name = match ty {
        Type::Regclass => "regclassout",
        Type::Regproc => "regprocout",
        Type::Regnamespace => "regnamespaceout",
        Type::Regrole => "regroleout",
        _ => {
            let oid = crate::argument::oid(std::slice::from_ref(datum), 0)?;
            return Ok(match Type::from_oid(oid) {
                Some(ty) => ty.to_string(),
                None if oid == 0 => "-".to_string(),
                None => types::vector_name(oid).map_or_else(|| oid.to_string(), str::to_string),
            });
        }
    };
    match env.catalog_call(name, std::slice::from_ref(datum))? {
        Datum::Text(text) => Ok(text),
        _ => Err(SqlError::internal(format!("{name} answered without text"))),
    }
}

/// Types are known here, so `regtype` needs no catalog: `int4`, `integer`, `"varchar"`,
/// `pg_catalog.int4`, `character varying(10)`, `25`, `-`.
fn regtype_in(_env: &dyn Environment, text: &str) -> Result<Datum> {
    let name = text.trim();
    if name == "-" {
        return Ok(Datum::Oid(0));
    }
    if !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit()) {
        let oid = name.parse().map_err(|_| {
            SqlError::new(
                SqlState::NumericValueOutOfRange,
                format!("value \"{name}\" is out of range for type oid"),
            )
        })?;
        return Ok(Datum::Oid(oid));
    }
    parse_type_name(name)
        .map(|ty| Datum::Oid(ty.oid()))
        .ok_or_else(|| SqlError::new(SqlState::UndefinedObject, format!("type \"{name}\" does not exist")))
}

/// The type of a name as a user writes it; a length or precision is read over.
pub(crate) fn parse_type_name(name: &str) -> Option<Type> {
    let lower = name.to_lowercase();
    let lower = lower.strip_prefix("pg_catalog.").unwrap_or(&lower);
    let mut plain = String::with_capacity(lower.len());
    let mut depth = 0_u32;
    for c in lower.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            // `"char"` is a type of its own, quoted or not at all.
            '"' if lower == "\"char\"" => plain.push('"'),
            '"' => {}
            c if depth == 0 => plain.push(c),
            _ => {}
        }
    }
    let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    match plain.as_str() {
        "char" => Some(Type::Bpchar),
        other => Type::from_name(other),
    }
}
