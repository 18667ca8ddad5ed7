//! Trigger functions that are components: the interface `triggers`.

use types::text::TextStyle;
use types::{Datum, NO_TYPMOD, SqlError, SqlState, Type};
use wasmtime::component::Val;

use crate::error::Error;
use crate::host::world::values::{Room, read_value, value};
use crate::instance::TriggerRow;
use crate::runtime::Prepared;
use crate::wasm::trigger::Event;

/// What happened, as the record `event`.
pub fn event(event: &Event<'_>, room: &mut Room) -> Result<Val, SqlError> {
    let names = ["op", "timing", "level", "name", "table-schema", "table-name"];
    let texts = names
        .iter()
        .zip(event.texts())
        .map(|(name, text)| (*name, Val::String(text.to_string())));
    let list = |texts: &mut dyn Iterator<Item = &String>| Val::List(texts.map(|text| Val::String(text.clone())).collect());
    let arguments = list(&mut event.call.args.iter());
    let columns = list(&mut event.call.columns.iter().map(|(name, _)| name));
    let mut row = |row: Option<&[Datum]>| -> Result<Val, SqlError> {
        let Some(row) = row else { return Ok(Val::Option(None)) };
        let values = row.iter().map(|datum| value(datum, room)).collect::<Result<_, _>>()?;
        Ok(Val::Option(Some(Box::new(Val::List(values)))))
    };
    let rows = [("new", row(event.new)?), ("old", row(event.old)?)];
    let fields = texts.chain([("arguments", arguments), ("columns", columns)]).chain(rows);
    Ok(Val::Record(fields.map(|(name, value)| (name.to_string(), value)).collect()))
}

/// What the variant `outcome` says.
pub fn outcome(outcome: Val, event: &Event<'_>, prepared: &Prepared) -> Result<TriggerRow, Error> {
    let Val::Variant(case, payload) = outcome else {
        return Err(violated(prepared, "no outcome"));
    };
    match (case.as_str(), payload.map(|payload| *payload)) {
        ("go-on", None) => Ok(event.unchanged()),
        ("skip", None) => Ok(TriggerRow::Skip),
        ("row", Some(Val::List(values))) => {
            let columns = &event.call.columns;
            if values.len() != columns.len() {
                return Err(violated(
                    prepared,
                    &format!("{} values where the table has {} columns", values.len(), columns.len()),
                ));
            }
            let row = values.iter().zip(columns).map(|(value, (_, ty))| {
                let datum = read_value(value)?;
                fit(datum, *ty)
            });
            let row = row.collect::<Result<_, SqlError>>().map_err(|error| {
                let told = SqlError::new(error.state(), error.message());
                Error::Value(told.detail(format!("This is what function {} returned.", prepared.signature())))
            })?;
            Ok(event.changed(row))
        }
        _ => Err(violated(prepared, "no outcome")),
    }
}

fn violated(prepared: &Prepared, what: &str) -> Error {
    let message = format!("trigger function {} returned {what}", prepared.signature());
    Error::Value(SqlError::new(SqlState::ERIETriggerProtocolViolated, message))
}

/// A value for a column: as it is where the types agree, else as a literal of what it prints would be.
fn fit(datum: Datum, ty: Type) -> Result<Datum, SqlError> {
    let found = match (&datum, ty) {
        (Datum::Null, _) => return Ok(datum),
        (Datum::Bool(_), _) => Type::Bool,
        (Datum::Int2(_), _) => Type::Int2,
        (Datum::Int4(_), _) => Type::Int4,
        (Datum::Int8(_), _) => Type::Int8,
        (Datum::Float4(_), _) => Type::Float4,
        (Datum::Float8(_), _) => Type::Float8,
        (Datum::Numeric(_), _) => Type::Numeric,
        (Datum::Text(_), Type::Text | Type::Varchar | Type::Bpchar) => return Ok(datum),
        (Datum::Text(_), _) => Type::Text,
        (Datum::Bytea(_), _) => Type::Bytea,
        (Datum::Date(_), _) => Type::Date,
        (Datum::Time(_), _) => Type::Time,
        (Datum::Timestamp(_), _) => Type::Timestamp,
        (Datum::Timestamptz(_), _) => Type::Timestamptz,
        (Datum::Interval(_), _) => Type::Interval,
        (Datum::Uuid(_), _) => Type::Uuid,
        (Datum::Json(_), _) => Type::Jsonb,
        (Datum::Oid(_), _) => Type::Oid,
        (Datum::Array(array), _) => array.element.array_of().unwrap_or(Type::Text),
        (Datum::Record(_), _) => Type::Record,
    };
    if found == ty {
        return Ok(datum);
    }
    let mut text = String::new();
    types::text::format(found, &datum, &TextStyle::default(), &mut text);
    types::text::parse(ty, NO_TYPMOD, &text, &TextStyle::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_fits_a_column_as_it_is_or_as_a_literal() {
        let check = |datum: Datum, ty: Type, expected: &str| {
            let found = match fit(datum, ty) {
                Ok(datum) => format!("{datum:?}"),
                Err(error) => error.message().to_string(),
            };
            assert_eq!(found, expected);
        };
        check(Datum::Null, Type::Int4, "Null");
        check(Datum::Int4(1), Type::Int4, "Int4(1)");
        check(Datum::Int4(1), Type::Int8, "Int8(1)");
        check(
            Datum::Int8(1 << 40),
            Type::Int4,
            "value \"1099511627776\" is out of range for type integer",
        );
        check(Datum::text("x"), Type::Varchar, "Text(\"x\")");
        check(Datum::text("7"), Type::Int4, "Int4(7)");
        check(Datum::text("x"), Type::Int4, "invalid input syntax for type integer: \"x\"");
        check(Datum::Float8(1.5), Type::Int4, "invalid input syntax for type integer: \"1.5\"");
        check(Datum::Bool(true), Type::Bool, "Bool(true)");
        check(Datum::Json("{}".into()), Type::Json, "Json(\"{}\")");
        let array = Datum::array(Type::Int4, vec![Datum::Int4(1), Datum::Null]);
        let expected = format!("{:?}", Datum::array(Type::Int8, vec![Datum::Int8(1), Datum::Null]));
        check(array, Type::Array(&Type::Int8), &expected);
    }
}
