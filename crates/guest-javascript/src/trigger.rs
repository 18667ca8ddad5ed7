//! Trigger functions: NEW, OLD and TG_... are globals while one runs.
//!
//! What it returns says how the row goes on: nothing, as NEW stands then; an object, as that; null or
//! 'SKIP', not at all.

use boa_engine::object::JsObject;
use boa_engine::object::builtins::JsArray;
use boa_engine::property::PropertyKey;
use boa_engine::{Context, JsError, JsResult, JsString, JsValue, js_string};

use crate::abi::tag;
use crate::buffer::Reader;
use crate::function::set_stack_limit;
use crate::value::{self, Shape, Unfit};
use crate::{jobs, memory};

/// The globals that are texts, in the order of the request.
const TEXTS: [&str; 6] = ["TG_OP", "TG_WHEN", "TG_LEVEL", "TG_NAME", "TG_TABLE_SCHEMA", "TG_TABLE_NAME"];

pub fn call(function: &JsObject, context: &mut Context, input: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), Unfit> {
    let stack = input.u32().map_err(JsError::from)?;
    let rows = input.u32().map_err(JsError::from)?;
    let shape = Shape::read(input).map_err(JsError::from)?;
    set_stack_limit(context, stack);
    for name in TEXTS {
        let text = input.text().map_err(JsError::from)?;
        set_global(name, JsValue::from(JsString::from(text)), context)?;
    }
    let count = input.u32().map_err(JsError::from)?;
    let mut args = Vec::new();
    for _ in 0..count {
        args.push(JsValue::from(JsString::from(input.text().map_err(JsError::from)?)));
    }
    let args = JsArray::from_iter(args, context);
    set_global("TG_NARGS", JsValue::from(count), context)?;
    set_global("TG_ARGV", args.into(), context)?;
    for _ in 0..rows {
        memory::collect_if_due();
        let new = value::read(input, context)?;
        let old = value::read(input, context)?;
        let has_new = !new.is_null();
        set_global("NEW", new, context)?;
        set_global("OLD", old, context)?;
        let result = function.call(&JsValue::undefined(), &[], context)?;
        let result = jobs::settle(result, context)?;
        if result.is_null() || result.as_string().is_some_and(|text| text == js_string!("SKIP")) {
            out.push(1);
            continue;
        }
        out.push(0);
        if !has_new {
            out.push(tag::NULL);
            continue;
        }
        let row = match result.is_undefined() {
            true => context.global_object().get(js_string!("NEW"), context)?,
            false => result,
        };
        let Some(object) = row.as_object().filter(|row| !row.is_callable()) else {
            return Err(Unfit::Value(
                "a trigger function must return a row, nothing (to go on with NEW), or null (to skip the row)".into(),
                "",
            ));
        };
        if let Shape::Record(columns) = &shape
            && let Some(name) = unknown_column(&object, columns, context)?
        {
            return Err(Unfit::Value(
                format!(
                    "key \"{}\" found in NEW does not exist as a column in the triggering row",
                    name.to_std_string_lossy()
                ),
                "",
            ));
        }
        value::write(&row, &shape, out, context)?;
    }
    Ok(())
}

/// A property of the row that the table has no column for: a misspelt name, which must not be lost.
fn unknown_column(row: &JsObject, columns: &[(JsString, Shape)], context: &mut Context) -> JsResult<Option<JsString>> {
    if row.is_array() {
        return Ok(None);
    }
    for (position, key) in row.own_property_keys(context)?.into_iter().enumerate() {
        let name = match key {
            PropertyKey::String(name) => name,
            PropertyKey::Index(index) => JsString::from(index.get().to_string()),
            PropertyKey::Symbol(_) => continue,
        };
        // Mostly the columns in their order.
        let expected = columns.get(position).is_some_and(|(column, _)| *column == name);
        if !expected && !columns.iter().any(|(column, _)| *column == name) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn set_global(name: &str, value: JsValue, context: &mut Context) -> JsResult<()> {
    context.global_object().set(JsString::from(name), value, true, context)?;
    Ok(())
}
