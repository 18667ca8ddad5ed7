//! Calls of trigger functions: what happened, in the encoding of `abi`, and the module's answer to it.

use types::{Datum, SqlError, SqlState, Type};

use super::buffer::malformed;
use crate::abi::tag;
use crate::error::Error;
use crate::instance::{TriggerCall, TriggerRow, keep_untouched, put_row};
use crate::runtime::Prepared;
use crate::value::{Exchange, Reader, Returned, put_text, put_u32, returned};

/// One row's turn, or a statement's: then there is neither NEW nor OLD.
pub struct Event<'a> {
    pub call: &'a TriggerCall,
    pub new: Option<&'a [Datum]>,
    pub old: Option<&'a [Datum]>,
}

impl Event<'_> {
    /// TG_OP and what follows it, but for TG_ARGV.
    pub fn texts(&self) -> [&str; 6] {
        let call = self.call;
        [call.op, call.when, call.level, &call.name, &call.table_schema, &call.table_name]
    }

    /// Appends the arguments: NEW, OLD, the texts, TG_ARGV.
    pub fn put(&self, request: &mut Vec<u8>, exchange: &mut Exchange) -> Result<(), Error> {
        let texts = self.texts();
        put_u32(request, count(texts.len() + 3));
        put_row(request, &self.call.columns, self.new, exchange)?;
        put_row(request, &self.call.columns, self.old, exchange)?;
        let put = |request: &mut Vec<u8>, text: &str| {
            request.push(tag::TEXT);
            put_text(request, text).map_err(Error::Value)
        };
        for text in texts {
            put(request, text)?;
        }
        request.push(tag::ARRAY);
        put_u32(request, count(self.call.args.len()));
        for arg in &self.call.args {
            put(request, arg)?;
        }
        Ok(())
    }

    /// NULL skips the row, true goes on with it as it is, a row takes its place.
    pub fn read(&self, answer: &[u8], prepared: &Prepared, exchange: &Exchange) -> Result<TriggerRow, Error> {
        match answer.first() {
            Some(&tag::NULL) => Ok(TriggerRow::Skip),
            Some(&tag::TRUE) => Ok(self.unchanged()),
            Some(&tag::OBJECT) => {
                let row = returned(
                    &mut Reader::new(answer),
                    prepared.signature(),
                    Type::Record,
                    &self.call.columns,
                    exchange,
                );
                match row {
                    Ok(Datum::Record(mut fields)) => {
                        keep_untouched(&mut fields, self.new.unwrap_or_default(), exchange);
                        Ok(self.changed(fields))
                    }
                    Err(Returned::Unfit(error)) => Err(Error::Value(error)),
                    Ok(_) | Err(Returned::Malformed) => Err(malformed(prepared)),
                }
            }
            Some(_) => Err(Error::Value(
                SqlError::new(
                    SqlState::ERIETriggerProtocolViolated,
                    format!("trigger function {} returned neither a row nor NULL", prepared.signature()),
                )
                .hint("NULL skips the row, true goes on with it, a row takes its place."),
            )),
            None => Err(malformed(prepared)),
        }
    }

    pub fn unchanged(&self) -> TriggerRow {
        TriggerRow::GoOn(self.new.map(<[Datum]>::to_vec))
    }

    /// Where there is no NEW, what was made of it has no place to go.
    pub fn changed(&self, row: Vec<Datum>) -> TriggerRow {
        TriggerRow::GoOn(self.new.map(|_| row))
    }
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
