//! Arrays from text and to text.

use types::Type::*;
use types::{Datum, Result};

use crate::argument::{array, present, text};
use crate::limit::{check_elements, check_size};
use crate::set::{Rows, SetFunction, column};
use crate::{Environment, Scalar, cast};

const TEXTS: types::Type = Array(&Text);

pub(crate) static SCALARS: &[Scalar] = &[
    Scalar::new("array_to_string", &[AnyArray, Text], Text, array_to_string).stable(),
    Scalar::new("array_to_string", &[AnyArray, Text, Text], Text, array_to_string)
        .lax()
        .stable(),
    Scalar::new("string_to_array", &[Text, Text], TEXTS, |_, a| {
        Ok(pieces(a)?.map_or(Datum::Null, |pieces| Datum::array(Text, pieces)))
    })
    .lax(),
    Scalar::new("string_to_array", &[Text, Text, Text], TEXTS, |_, a| {
        Ok(pieces(a)?.map_or(Datum::Null, |pieces| Datum::array(Text, pieces)))
    })
    .lax(),
];

pub(crate) static SET_FUNCTIONS: &[SetFunction] = &[
    SetFunction::new("string_to_table", &[Text, Text], &[("string_to_table", Text)], |_, a| table(a)).lax(),
    SetFunction::new("string_to_table", &[Text, Text, Text], &[("string_to_table", Text)], |_, a| {
        table(a)
    })
    .lax(),
];

/// All elements in a row, whatever the dimensions; NULLs are left out unless there is a text for them.
fn array_to_string(env: &dyn Environment, args: &[Datum]) -> Result<Datum> {
    if present(args, 0).is_none() || present(args, 1).is_none() {
        return Ok(Datum::Null);
    }
    let (array, delimiter) = (array(args, 0)?, text(args, 1)?);
    let null = present(args, 2).and_then(Datum::as_str);
    let mut out = String::new();
    let mut first = true;
    for value in &array.values {
        if value.is_null() && null.is_none() {
            continue;
        }
        if !first {
            out.push_str(delimiter);
        }
        first = false;
        match (value, null) {
            (Datum::Null, Some(null)) => out.push_str(null),
            (value, _) => cast::print(env, array.element, value, &mut out)?,
        }
        check_size(out.len())?;
    }
    Ok(Datum::Text(out))
}

/// Without a delimiter, single characters; with an empty one, the whole; of empty text, nothing.
fn pieces(args: &[Datum]) -> Result<Option<Vec<Datum>>> {
    if present(args, 0).is_none() {
        return Ok(None);
    }
    let whole = text(args, 0)?;
    let null = present(args, 2).and_then(Datum::as_str);
    let piece = |piece: &str| if Some(piece) == null { Datum::Null } else { Datum::text(piece) };
    if whole.is_empty() {
        return Ok(Some(vec![]));
    }
    let mut buffer = [0; 4];
    let pieces: Vec<Datum> = match present(args, 1) {
        None => whole.chars().map(|c| piece(c.encode_utf8(&mut buffer))).collect(),
        Some(_) if text(args, 1)?.is_empty() => vec![piece(whole)],
        Some(_) => whole.split(text(args, 1)?).map(piece).collect(),
    };
    check_elements(pieces.len())?;
    Ok(Some(pieces))
}

fn table(args: &[Datum]) -> Result<Rows> {
    Ok(column(pieces(args)?.unwrap_or_default()))
}
