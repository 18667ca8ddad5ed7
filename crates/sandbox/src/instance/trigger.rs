//! Calls of trigger functions.

use types::{Datum, Type};

use super::{Interpreted, malformed, unfit};
use crate::abi::tag;
use crate::error::Error;
use crate::interpreter::Entry;
use crate::value::{Exchange, Malformed, Reader, put_shape, put_text, put_u32, put_value, returned};

/// What a trigger function sees besides its rows.
#[derive(Clone, Debug)]
pub struct TriggerCall {
    /// TG_OP: INSERT, UPDATE or DELETE.
    pub op: &'static str,
    /// TG_WHEN: BEFORE or AFTER.
    pub when: &'static str,
    /// TG_LEVEL: ROW or STATEMENT.
    pub level: &'static str,
    pub name: String,
    pub table_schema: String,
    pub table_name: String,
    /// TG_ARGV.
    pub args: Vec<String>,
    /// The table's columns, in the order of its rows.
    pub columns: Vec<(String, Type)>,
}

/// What a trigger function makes of its row.
#[derive(Clone, Debug)]
pub enum TriggerRow {
    /// The row is left out.
    Skip,
    /// The row to go on with; None where there is no NEW.
    GoOn(Option<Vec<Datum>>),
}

impl Interpreted {
    /// Calls a trigger function for one row, or for a statement: then there is neither NEW nor OLD.
    pub fn call_trigger(&mut self, call: &TriggerCall, new: Option<&[Datum]>, old: Option<&[Datum]>) -> Result<TriggerRow, Error> {
        let stack = self.running.store.data().meter.limits.stack_bytes;
        let request = &mut self.request;
        request.clear();
        put_u32(request, u32::try_from(stack).unwrap_or(u32::MAX));
        put_u32(request, 1);
        put_shape(request, Type::Record, &call.columns).map_err(Error::Value)?;
        let words = [call.op, call.when, call.level, &call.name, &call.table_schema, &call.table_name];
        for text in words {
            put_text(request, text).map_err(Error::Value)?;
        }
        put_u32(request, u32::try_from(call.args.len()).unwrap_or(u32::MAX));
        for arg in &call.args {
            put_text(request, arg).map_err(Error::Value)?;
        }
        for row in [new, old] {
            put_row(request, &call.columns, row, &mut self.running.store.data_mut().exchange)?;
        }
        let prepared = self.prepared.clone();
        let mut result = TriggerRow::Skip;
        self.enter(Entry::Call, |reader, state| {
            let skips = reader.u8().map_err(|Malformed| malformed(&prepared))?;
            if skips == 0 {
                result = TriggerRow::GoOn(
                    read_row(reader, call, prepared.signature(), new, &state.exchange).map_err(|refused| unfit(refused, &prepared))?,
                );
            }
            Ok(())
        })?;
        Ok(result)
    }
}

/// Appends a row as an object, or NULL where there is none.
pub(crate) fn put_row(
    request: &mut Vec<u8>,
    columns: &[(String, Type)],
    row: Option<&[Datum]>,
    exchange: &mut Exchange,
) -> Result<(), Error> {
    let Some(row) = row else {
        request.push(tag::NULL);
        return Ok(());
    };
    request.push(tag::OBJECT);
    put_u32(request, u32::try_from(columns.len()).unwrap_or(u32::MAX));
    for ((name, _), value) in columns.iter().zip(row) {
        put_text(request, name).map_err(Error::Value)?;
        put_value(request, value, exchange).map_err(Error::Value)?;
    }
    Ok(())
}

fn read_row(
    reader: &mut Reader<'_>,
    call: &TriggerCall,
    signature: &str,
    new: Option<&[Datum]>,
    exchange: &Exchange,
) -> Result<Option<Vec<Datum>>, crate::value::Returned> {
    let row = returned(reader, signature, Type::Record, &call.columns, exchange)?;
    match (row, new) {
        (_, None) => Ok(None),
        (Datum::Record(mut fields), Some(new)) => {
            keep_untouched(&mut fields, new, exchange);
            Ok(Some(fields))
        }
        _ => Err(Malformed.into()),
    }
}

/// JSON that comes back as the guest saw it stays what it was: to a guest JSON's null is null, as SQL's is, and numbers may be rounded.
pub(crate) fn keep_untouched(fields: &mut [Datum], new: &[Datum], exchange: &Exchange) {
    for (field, new) in fields.iter_mut().zip(new) {
        match (&mut *field, new) {
            (Datum::Null, Datum::Json(text)) if text == "null" => *field = new.clone(),
            (Datum::Json(text), Datum::Json(before)) if text != before && exchange.is_as_seen(text, before) => *field = new.clone(),
            (Datum::Array(array), Datum::Array(before)) if array.dims == before.dims => {
                keep_untouched(&mut array.values, &before.values, exchange);
            }
            _ => {}
        }
    }
}
