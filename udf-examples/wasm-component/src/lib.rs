//! Two functions in one component: a label for an order, and a trigger that tidies orders before they are stored.
//!
//! What crosses is declared in wit/shipping.wit; the code that carries it is made from that. A `?` after a question to the database
//! hands a refusal on, and the client sees it as it was.

wit_bindgen::generate!({ world: "example:shipping/shipping", path: ["../../docs/parhelion.wit", "wit"], generate_all });

use parhelion::function::database::query;
use parhelion::function::types::Value;

struct Shipping;

impl Guest for Shipping {
    fn shipping_label(order_id: i32, tags: Vec<Option<String>>, note: Option<String>) -> Result<String, Error> {
        let found = query("SELECT customer, city FROM orders WHERE id = ?", &[Value::Integer(order_id)])?;
        let Some([Value::Text(customer), Value::Text(city)]) = found.rows.first().map(Vec::as_slice) else {
            return Err(thrown(format!("there is no order {order_id}")));
        };
        let mut label = format!("{customer}, {city}");
        for tag in tags.into_iter().flatten() {
            label.push_str(&format!(" [{tag}]"));
        }
        if let Some(note) = note {
            label.push_str(&format!(" ({note})"));
        }
        Ok(label)
    }

    fn tidy_order(event: Event) -> Result<Outcome, Error> {
        let Some(mut row) = event.new else {
            return Ok(Outcome::GoOn);
        };
        let column = |name: &str| event.columns.iter().position(|column| column == name);
        if let Some(at) = column("city")
            && let Value::Text(city) = &row[at]
        {
            if city.trim().is_empty() {
                return Err(thrown(format!("an order of {} goes nowhere", event.table_name)));
            }
            row[at] = Value::Text(city.trim().to_uppercase());
        }
        Ok(Outcome::Row(row))
    }
}

/// An error of our own, not one of the host's.
fn thrown(message: String) -> Error {
    Error {
        number: 0,
        sqlstate: String::new(),
        message,
        detail: None,
        hint: None,
        capability: None,
    }
}

export!(Shipping);
