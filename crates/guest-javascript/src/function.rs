//! The user's function: loading its body, calling it, stepping through the set that it returned.

use std::borrow::Cow;
use std::path::Path;

use boa_engine::ast::operations::{lexically_declared_names, var_declared_names};
use boa_engine::object::JsObject;
use boa_engine::property::PropertyKey;
use boa_engine::{Context, JsError, JsNativeError, JsResult, JsString, JsSymbol, JsValue, Script, Source, js_string};

use crate::abi::{kind, status};
use crate::buffer::{Reader, put_text, put_u32};
use crate::value::{self, Shape, Unfit};
use crate::{exception, host, jobs, json, memory, place, rest, syntax, trigger};

/// One JavaScript call, as the interpreter counts it, against the stack limit. (The machine's stack
/// has a limit of its own: calls through built-ins such as `sort` use that.)
const FRAME_BYTES: u32 = 256;
const STACK_SLOT_BYTES: u32 = 8;

pub struct Function {
    function: JsObject,
    shape: Shape,
    kind: u8,
    rows: Rows,
}

/// What remains of a returned set.
enum Rows {
    None,
    Array { array: JsObject, next: u64, length: u64 },
    Iterator { iterator: JsValue, next: JsObject },
}

/// An answer of `next` that is as large as this goes, however few rows it has.
const MAX_BATCH_BYTES: usize = 256 << 10;

/// Runs the body and finds the function in it. None: `out` says why.
pub fn load(context: &mut Context, input: &[u8], out: &mut Vec<u8>) -> Option<Function> {
    let mut input = Reader(input);
    let request = (|| Ok::<_, crate::buffer::Malformed>((input.text()?, Shape::read(&mut input)?, input.u8()?, input.text()?)))();
    let Ok((name, shape, kind, body)) = request else {
        out.push(status::PANIC);
        put_text(out, "malformed request");
        return None;
    };
    let (declared, text) = match read_body(body, context) {
        Ok(read) => read,
        Err(error) => {
            error.write(out);
            return None;
        }
    };
    place::keep_body(&text);
    set_stack_limit(context, 2 << 20);
    let source = Source::from_bytes(text.as_bytes()).with_path(Path::new(exception::BODY_PATH));
    let run = Script::parse(source, None, context)
        .and_then(|script| script.evaluate(context))
        .map_err(Unfit::from)
        .and_then(|_| jobs::settle(JsValue::undefined(), context));
    match run {
        Ok(_) | Err(Unfit::Value(..)) => {}
        Err(Unfit::Thrown(error)) => {
            exception::write(error, out, context);
            return None;
        }
    }
    match find(name, &declared, kind == kind::SET, context) {
        Ok(function) => {
            out.push(status::OK);
            Some(Function {
                function,
                shape,
                kind,
                rows: Rows::None,
            })
        }
        Err(NotFound::Definition(message, hint)) => {
            out.push(status::DEFINITION);
            put_text(out, &message);
            put_text(out, &hint);
            None
        }
        Err(NotFound::Thrown(error)) => {
            exception::write(error, out, context);
            None
        }
    }
}

enum NotFound {
    Definition(String, String),
    Thrown(JsError),
}

/// Every name that the body declares at its top level, and the text that is to be compiled.
fn read_body<'a>(body: &'a str, context: &mut Context) -> Result<(Vec<String>, Cow<'a, str>), syntax::Error> {
    let script = syntax::parse(body, context.interner_mut())?;
    let mut symbols = lexically_declared_names(&script);
    symbols.extend(var_declared_names(&script));
    let names = symbols
        .into_iter()
        .map(|symbol| context.interner().resolve_expect(symbol).to_string())
        .collect();
    Ok((names, rest::exclude_nested_keys(&script, body, context.interner())?))
}

/// The function of that name. SQL folds names to lower case, so a name that differs in case only is
/// taken when there is no other.
fn find(name: &str, declared: &[String], set: bool, context: &mut Context) -> Result<JsObject, NotFound> {
    let mut spelled: Vec<&String> = declared.iter().filter(|declared| *declared == name).collect();
    if spelled.is_empty() {
        spelled = declared
            .iter()
            .filter(|declared| declared.to_lowercase() == name.to_lowercase())
            .collect();
    }
    let value = match spelled.as_slice() {
        [one] => context.eval(Source::from_bytes(one.as_bytes())),
        [] => context.global_object().get(JsString::from(name), context),
        _ => {
            return Err(NotFound::Definition(
                format!("the body defines more than one function whose name is \"{name}\" but for upper and lower case"),
                String::new(),
            ));
        }
    }
    .map_err(NotFound::Thrown)?;
    if value.is_undefined() {
        let hint = match declared {
            [] => format!("Write it as: function {name}(...) {{ ... }}"),
            names => format!("The body defines: {}.", names.join(", ")),
        };
        return Err(NotFound::Definition(
            format!("the body does not define a function named \"{name}\""),
            hint,
        ));
    }
    let Some(function) = value.as_callable() else {
        return Err(NotFound::Definition(
            format!("\"{name}\" in the body is not a function"),
            String::new(),
        ));
    };
    let prototype = function.prototype();
    let constructors = context.intrinsics().constructors();
    let is = |kind: JsObject| prototype.as_ref().is_some_and(|prototype| JsObject::equals(prototype, &kind));
    if is(constructors.async_generator_function().prototype()) {
        return Err(NotFound::Definition(
            format!("\"{name}\" is an asynchronous generator, and asynchronous generators are not supported"),
            "Host calls return their results directly; a generator needs no await.".into(),
        ));
    }
    if !set && is(constructors.generator_function().prototype()) {
        return Err(NotFound::Definition(
            format!("\"{name}\" is a generator, but the function is not declared to return a set"),
            "Declare it RETURNS SETOF or RETURNS TABLE.".into(),
        ));
    }
    Ok(function)
}

pub fn set_stack_limit(context: &mut Context, bytes: u32) {
    let limits = context.runtime_limits_mut();
    limits.set_recursion_limit((bytes / FRAME_BYTES) as usize);
    limits.set_stack_size_limit((bytes / STACK_SLOT_BYTES) as usize);
}

impl Function {
    /// Calls the function once for each row of the request.
    pub fn call(&mut self, context: &mut Context, input: &[u8], out: &mut Vec<u8>) {
        host::begin_call();
        jobs::begin_call();
        let mut input = Reader(input);
        out.push(status::OK);
        let outcome = match self.kind {
            kind::TRIGGER => trigger::call(&self.function, context, &mut input, out),
            _ => self.call_rows(context, &mut input, out),
        };
        finish(outcome, out, context);
    }

    fn call_rows(&mut self, context: &mut Context, input: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), Unfit> {
        let stack = input.u32().map_err(JsError::from)?;
        let rows = input.u32().map_err(JsError::from)?;
        let arity = input.u32().map_err(JsError::from)?;
        set_stack_limit(context, stack);
        let mut args = Vec::with_capacity(arity as usize);
        for _ in 0..rows {
            args.clear();
            memory::collect_if_due();
            for _ in 0..arity {
                args.push(value::read(input, context)?);
            }
            let result = self.function.call(&JsValue::undefined(), &args, context)?;
            let result = jobs::settle(result, context)?;
            if self.kind == kind::SET {
                self.rows = start_rows(&result, context)?;
            } else {
                value::write(&result, &self.shape, out, context)?;
            }
        }
        Ok(())
    }

    /// Further rows of the set that the last call returned.
    pub fn next(&mut self, context: &mut Context, input: &[u8], out: &mut Vec<u8>) {
        let max = Reader(input).u32().unwrap_or(0);
        out.push(status::OK);
        put_u32(out, 0);
        let outcome = self.next_rows(context, max, out);
        finish(outcome, out, context);
    }

    fn next_rows(&mut self, context: &mut Context, max: u32, out: &mut Vec<u8>) -> Result<(), Unfit> {
        let mut count: u32 = 0;
        while count < max && out.len() < MAX_BATCH_BYTES {
            memory::collect_if_due();
            let Some(row) = self.rows.next(context)? else {
                self.rows = Rows::None;
                break;
            };
            let row = jobs::settle(row, context)?;
            value::write(&row, &self.shape, out, context)?;
            count += 1;
        }
        out[1..5].copy_from_slice(&count.to_le_bytes());
        Ok(())
    }
}

fn start_rows(result: &JsValue, context: &mut Context) -> Result<Rows, Unfit> {
    if result.is_null_or_undefined() {
        return Ok(Rows::None);
    }
    if let Some(object) = result.as_object() {
        if object.is_array() {
            let length = json::length_of(&object, context)?;
            return Ok(Rows::Array {
                array: object,
                next: 0,
                length,
            });
        }
        let method = object.get(PropertyKey::from(JsSymbol::iterator()), context)?;
        if let Some(method) = method.as_callable() {
            let iterator = method.call(result, &[], context)?;
            if let Some(inner) = iterator.as_object()
                && let Some(next) = inner.get(js_string!("next"), context)?.as_callable()
            {
                return Ok(Rows::Iterator { iterator, next });
            }
        }
    }
    Err(Unfit::Value(
        "a set-returning function must return an array, a generator or another iterable".into(),
        "",
    ))
}

impl Rows {
    fn next(&mut self, context: &mut Context) -> JsResult<Option<JsValue>> {
        match self {
            Rows::None => Ok(None),
            Rows::Array { next, length, .. } if *next >= *length => Ok(None),
            Rows::Array { array, next, .. } => {
                let row = array.get(*next, context)?;
                *next += 1;
                Ok(Some(row))
            }
            Rows::Iterator { iterator, next } => {
                let step = next.call(iterator, &[], context)?;
                let Some(step) = step.as_object() else {
                    return Err(JsNativeError::typ().with_message("an iterator's step must be an object").into());
                };
                if step.get(js_string!("done"), context)?.to_boolean() {
                    return Ok(None);
                }
                step.get(js_string!("value"), context).map(Some)
            }
        }
    }
}

fn finish(outcome: Result<(), Unfit>, out: &mut Vec<u8>, context: &mut Context) {
    match outcome {
        Ok(()) => {}
        Err(Unfit::Thrown(error)) => exception::write(error, out, context),
        Err(Unfit::Value(message, hint)) => {
            out.clear();
            out.push(status::CONVERSION);
            put_text(out, &message);
            put_text(out, hint);
        }
    }
}
