//! Quoting, `concat` and `format`: text made from values of any type.

use types::Type::*;
use types::{Datum, Result, SqlError, SqlState, Type};

use crate::argument::{boolean, present, text};
use crate::entry::split_types;
use crate::limit::check_size;
use crate::{Environment, Scalar, cast};

pub(crate) static SCALARS: &[Scalar] = &[
    Scalar::new("concat", &[Any], Text, |env, a| {
        let (values, types) = split_types(a);
        joined(env, "", values, &types)
    })
    .variadic()
    .lax()
    .stable()
    .typed(),
    Scalar::new("concat_ws", &[Text, Any], Text, concat_ws)
        .variadic()
        .lax()
        .stable()
        .typed(),
    Scalar::new("format", &[Text], Text, format).lax().stable().typed(),
    Scalar::new("format", &[Text, Any], Text, format).variadic().lax().stable().typed(),
    Scalar::new("textanycat", &[Text, AnyElement], Text, |env, a| any_cat(env, a))
        .stable()
        .family(crate::Family::NonArray),
    Scalar::new("anytextcat", &[AnyElement, Text], Text, |env, a| any_cat(env, a))
        .stable()
        .family(crate::Family::NonArray),
    Scalar::new("quote_ident", &[Text], Text, |_, a| {
        Ok(Datum::text(types::ident::quote_ident(text(a, 0)?)))
    }),
    Scalar::new("quote_literal", &[Text], Text, |_, a| Ok(Datum::text(quote_literal(text(a, 0)?)))),
    Scalar::new("quote_literal", &[AnyElement], Text, |env, a| {
        Ok(Datum::text(quote_literal(&printed(env, &a[0])?)))
    })
    .stable(),
    Scalar::new("quote_nullable", &[Text], Text, |env, a| quote_nullable(env, a)).lax(),
    Scalar::new("quote_nullable", &[AnyElement], Text, |env, a| quote_nullable(env, a))
        .lax()
        .stable(),
    Scalar::new("parse_ident", &[Text], Array(&Text), |_, a| parse_ident(text(a, 0)?, true)),
    Scalar::new("parse_ident", &[Text, Bool], Array(&Text), |_, a| {
        parse_ident(text(a, 0)?, boolean(a, 1)?)
    }),
];

fn printed(env: &dyn Environment, datum: &Datum) -> Result<String> {
    let mut out = String::new();
    cast::print(env, crate::argument::type_of(datum), datum, &mut out)?;
    Ok(out)
}

/// Reached only around the resolver, which puts `textcat` over a cast in its place.
fn any_cat(env: &dyn Environment, args: &[Datum]) -> Result<Datum> {
    let mut out = String::new();
    for arg in args {
        let text = cast::cast(env, arg.clone(), crate::argument::type_of(arg), Text, types::NO_TYPMOD, true)?;
        out.push_str(text.as_str().unwrap_or_default());
    }
    check_size(out.len())?;
    Ok(Datum::Text(out))
}

fn joined(env: &dyn Environment, separator: &str, values: &[Datum], types: &[Type]) -> Result<Datum> {
    let mut out = String::new();
    let mut first = true;
    for (value, ty) in values.iter().zip(types).filter(|(value, _)| !value.is_null()) {
        if !first {
            out.push_str(separator);
        }
        first = false;
        cast::print(env, *ty, value, &mut out)?;
        check_size(out.len())?;
    }
    Ok(Datum::Text(out))
}

fn concat_ws(env: &dyn Environment, args: &[Datum]) -> Result<Datum> {
    let (values, types) = split_types(args);
    match present(values, 0) {
        None => Ok(Datum::Null),
        Some(_) => joined(env, text(values, 0)?, &values[1..], &types[1..]),
    }
}

pub(crate) fn quote_literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

fn quote_nullable(env: &dyn Environment, args: &[Datum]) -> Result<Datum> {
    Ok(Datum::Text(match present(args, 0) {
        None => "NULL".to_string(),
        Some(value) => quote_literal(&printed(env, value)?),
    }))
}

fn invalid(message: impl Into<String>) -> SqlError {
    SqlError::new(SqlState::InvalidParameterValue, message)
}

/// One `%...` of a format: `%[position$][flags][width]type`.
#[derive(Default)]
struct Directive {
    position: Option<usize>,
    left: bool,
    width: Option<Width>,
    kind: char,
}

enum Width {
    Columns(i32),
    /// `*` or `*n$`: an argument says.
    Argument(Option<usize>),
}

fn format(env: &dyn Environment, args: &[Datum]) -> Result<Datum> {
    let (values, types) = split_types(args);
    if present(values, 0).is_none() {
        return Ok(Datum::Null);
    }
    let mut out = String::new();
    let mut rest = text(values, 0)?.chars();
    let mut next = 1;
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        if rest.as_str().starts_with('%') {
            rest.next();
            out.push('%');
            continue;
        }
        let directive = Directive::parse(&mut rest)?;
        let width = match directive.width {
            None => 0,
            Some(Width::Columns(columns)) => columns,
            Some(Width::Argument(position)) => {
                let index = position.unwrap_or(next);
                next = index + 1;
                argument_width(values.get(index).ok_or_else(too_few)?)?
            }
        };
        let index = directive.position.unwrap_or(next);
        next = index + 1;
        let value = values.get(index).ok_or_else(too_few)?;
        let mut piece = String::new();
        let value_is_null = value.is_null();
        if !value_is_null {
            cast::print(env, types[index], value, &mut piece)?;
        }
        let piece = match directive.kind {
            's' => piece,
            'I' if value_is_null => {
                return Err(SqlError::new(
                    SqlState::NullValueNotAllowed,
                    "null values cannot be formatted as an SQL identifier",
                ));
            }
            'I' => types::ident::quote_ident(&piece),
            'L' if value_is_null => "NULL".to_string(),
            'L' => quote_literal(&piece),
            other => {
                return Err(invalid(format!("unrecognized format() type specifier \"{other}\"")).hint("For a single \"%\" use \"%%\"."));
            }
        };
        append_padded(&mut out, &piece, width, directive.left)?;
        check_size(out.len())?;
    }
    Ok(Datum::Text(out))
}

fn too_few() -> SqlError {
    invalid("too few arguments for format()")
}

fn argument_width(value: &Datum) -> Result<i32> {
    match value {
        Datum::Null => Ok(0),
        value => match value.as_i64().or_else(|| value.as_str().and_then(|text| text.trim().parse().ok())) {
            Some(width) => i32::try_from(width).map_err(|_| crate::scalar::arithmetic::out_of_range("integer")),
            None => Err(invalid("format() width argument must be an integer")),
        },
    }
}

fn append_padded(out: &mut String, piece: &str, width: i32, left: bool) -> Result<()> {
    let left = left || width < 0;
    let wanted = width.unsigned_abs() as usize;
    let missing = wanted.saturating_sub(piece.chars().count());
    check_size(out.len().saturating_add(missing))?;
    if !left {
        out.extend(std::iter::repeat_n(' ', missing));
    }
    out.push_str(piece);
    if left {
        out.extend(std::iter::repeat_n(' ', missing));
    }
    Ok(())
}

impl Directive {
    fn parse(rest: &mut std::str::Chars) -> Result<Directive> {
        let mut directive = Directive::default();
        if let Some(number) = digits(rest)? {
            if peek(rest)? == '$' {
                rest.next();
                directive.position = Some(argument_position(number)?);
            } else {
                directive.width = Some(Width::Columns(number));
            }
        }
        if directive.width.is_none() {
            while peek(rest)? == '-' {
                rest.next();
                directive.left = true;
            }
            if peek(rest)? == '*' {
                rest.next();
                let position = match digits(rest)? {
                    None => None,
                    Some(number) => {
                        if peek(rest)? != '$' {
                            return Err(invalid("width argument position must be ended by \"$\""));
                        }
                        rest.next();
                        Some(argument_position(number)?)
                    }
                };
                directive.width = Some(Width::Argument(position));
            } else if let Some(number) = digits(rest)? {
                directive.width = Some(Width::Columns(number));
            }
        }
        directive.kind = peek(rest)?;
        rest.next();
        Ok(directive)
    }
}

fn peek(rest: &std::str::Chars) -> Result<char> {
    rest.clone()
        .next()
        .ok_or_else(|| invalid("unterminated format() type specifier").hint("For a single \"%\" use \"%%\"."))
}

fn digits(rest: &mut std::str::Chars) -> Result<Option<i32>> {
    let mut number: Option<i32> = None;
    while let Some(digit) = rest.clone().next().and_then(|c| c.to_digit(10)) {
        rest.next();
        let grown = number.unwrap_or(0).checked_mul(10).and_then(|n| n.checked_add(digit as i32));
        number = Some(grown.ok_or_else(|| SqlError::new(SqlState::NumericValueOutOfRange, "number is out of range"))?);
    }
    if number.is_some() {
        peek(rest)?;
    }
    Ok(number)
}

fn argument_position(number: i32) -> Result<usize> {
    match usize::try_from(number) {
        Ok(0) | Err(_) => Err(invalid("format specifies argument 0, but arguments are numbered from 1")),
        Ok(position) => Ok(position),
    }
}

/// The parts of a qualified name: unquoted ones in lower case.
fn parse_ident(text: &str, strict: bool) -> Result<Datum> {
    let failed = || invalid(format!("string is not a valid identifier: \"{text}\""));
    let mut parts = Vec::new();
    let mut rest = text.trim_start();
    loop {
        let part;
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut name = String::new();
            let mut chars = quoted.char_indices().peekable();
            let end = loop {
                match chars.next() {
                    None => return Err(failed().detail("String has unclosed double quotes.")),
                    Some((_, '"')) if chars.next_if(|(_, c)| *c == '"').is_some() => name.push('"'),
                    Some((at, '"')) => break at,
                    Some((_, c)) => name.push(c),
                }
            };
            if name.is_empty() {
                return Err(failed().detail("Quoted identifier must not be empty."));
            }
            part = name;
            rest = &quoted[end + 1..];
        } else {
            let starts = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
            if !rest.starts_with(starts) {
                return Err(match rest.chars().next() {
                    Some('.') => failed().detail("No valid identifier before \".\"."),
                    _ if parts.is_empty() => failed(),
                    _ => failed().detail("No valid identifier after \".\"."),
                });
            }
            let end = rest
                .find(|c: char| !starts(c) && !c.is_ascii_digit() && c != '$')
                .unwrap_or(rest.len());
            part = crate::scalar::string::lower(&rest[..end]);
            rest = &rest[end..];
        }
        parts.push(Datum::Text(part));
        rest = rest.trim_start();
        match rest.strip_prefix('.') {
            Some(after) => rest = after.trim_start(),
            None if rest.is_empty() || !strict => break,
            None => return Err(failed()),
        }
    }
    Ok(Datum::array(Text, parts))
}
