//! What a host function answers, before it takes the form that its caller reads: values of the guest ABI for interpreters and
//! modules, values of its interface for a component.

use serde_json::Value;
use types::{Datum, SqlError};

use super::http::Reply;
use crate::abi::tag;
use crate::value::{Exchange, put_text, put_u32, put_value};

pub enum Answer {
    Value(Datum),
    Reply(Box<Reply>),
}

impl Answer {
    /// Appends one value. A reply is `{status, headers, body}`.
    pub fn put(&self, out: &mut Vec<u8>, exchange: &mut Exchange) -> Result<(), SqlError> {
        match self {
            Answer::Value(value) => put_value(out, value, exchange),
            Answer::Reply(reply) => {
                out.push(tag::OBJECT);
                put_u32(out, 3);
                put_text(out, "status")?;
                put_value(out, &Datum::Int4(i32::from(reply.status.as_u16())), exchange)?;
                put_text(out, "headers")?;
                let headers: serde_json::Map<String, Value> =
                    reply.headers().map(|(name, value)| (name.to_string(), value.into())).collect();
                put_value(out, &Datum::Json(Value::Object(headers).to_string()), exchange)?;
                put_text(out, "body")?;
                put_value(out, &reply.body(), exchange)
            }
        }
    }
}
