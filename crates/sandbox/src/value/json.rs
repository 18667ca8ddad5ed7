//! A parameter as JSON, where its place is of type json or jsonb.

use types::text::TextStyle;
use types::{Datum, Type};

use super::sent::Sent;

/// None where JSON has no such value. Dates become ISO texts, as JavaScript and Python have it.
pub(super) fn text(sent: &Sent<'_>) -> Option<String> {
    Some(match sent {
        Sent::Null => "null".to_string(),
        Sent::Bool(value) => value.to_string(),
        Sent::Int(value) => value.to_string(),
        Sent::Float(value) => {
            let number = printed(Type::Float8, &Datum::Float8(*value));
            // NaN and the infinities are no numbers to JSON.
            serde_json::from_str::<serde_json::Number>(&number).ok()?.to_string()
        }
        Sent::Big(text) | Sent::Decimal(text) => {
            let number = types::text::parse(Type::Numeric, types::NO_TYPMOD, text, &TextStyle::default()).ok()?;
            let number = printed(Type::Numeric, &number);
            serde_json::from_str::<serde_json::Number>(&number).ok()?.to_string()
        }
        Sent::Text(text) => quoted(text)?,
        Sent::Instant(micros) => {
            let iso = printed(Type::Timestamptz, &Datum::Timestamptz(*micros));
            quoted(&iso.replacen(' ', "T", 1).replace("+00", "Z"))?
        }
        Sent::Zoned(text) => quoted(&text.replacen(' ', "T", 1))?,
        Sent::Local(micros) => quoted(&printed(Type::Timestamp, &Datum::Timestamp(*micros)).replacen(' ', "T", 1))?,
        Sent::Day(days) => quoted(&printed(Type::Date, &Datum::Date(*days)))?,
        Sent::Array(values) => {
            let elements: Vec<String> = values.iter().map(text).collect::<Option<_>>()?;
            format!("[{}]", elements.join(","))
        }
        Sent::Json(text) => text.to_string(),
        Sent::Bytes(_) | Sent::Row(_) => return None,
    })
}

/// Whether the shortest text of a float says the same number as this text: the number survives there and back.
pub(super) fn is_exact(text: &str, float: f64) -> bool {
    // So many digits survive in any case.
    if text.len() <= 15 && !text.contains(['e', 'E']) {
        return true;
    }
    same_number(text, &printed(Type::Float8, &Datum::Float8(float)))
}

pub(super) fn same_number(left: &str, right: &str) -> bool {
    match (left.parse::<types::Numeric>(), right.parse::<types::Numeric>()) {
        (Ok(left), Ok(right)) => left == right,
        _ => false,
    }
}

fn quoted(text: &str) -> Option<String> {
    serde_json::to_string(text).ok()
}

fn printed(ty: Type, datum: &Datum) -> String {
    let mut text = String::new();
    types::text::format(ty, datum, &TextStyle::default(), &mut text);
    text
}
