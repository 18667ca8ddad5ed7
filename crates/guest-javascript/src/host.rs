//! What a program can ask of the host: the object `heliosdb`, `console`, the clock, randomness.

use std::cell::{Cell, RefCell};

use boa_engine::native_function::NativeFunction;
use boa_engine::object::builtins::JsArray;
use boa_engine::object::{IntegrityLevel, JsObject, ObjectInitializer};
use boa_engine::property::{Attribute, PropertyDescriptor, PropertyKey};
use boa_engine::{Context, JsArgs, JsError, JsNativeError, JsResult, JsString, JsValue, Source, js_string};

use crate::abi::{HOST_FUNCTIONS, level, op};
use crate::buffer::{Reader, put_text, put_u32};
use crate::memory;
use crate::value::{self, Shape, Unfit};

#[link(wasm_import_module = "heliosdb")]
unsafe extern "C" {
    #[link_name = "call"]
    fn host_call(op: u32, pointer: *const u8, length: u32) -> u32;
    #[link_name = "take"]
    fn host_take(pointer: *mut u8);
}

/// The classes that a host call throws; kept here, so that a program cannot replace them.
struct Classes {
    capability: JsObject,
    database: JsObject,
}

/// Errors of the host that a program may still be holding: enough for one to be thrown on, uncaught.
const KEPT_ERRORS: usize = 16;

thread_local! {
    static CLASSES: RefCell<Option<Classes>> = const { RefCell::new(None) };
    static THROWN: RefCell<Vec<(JsObject, u32, JsString)>> = const { RefCell::new(Vec::new()) };
    /// The generator behind `Math.random`, once the host has allowed and seeded it.
    static RANDOM: Cell<Option<[u64; 4]>> = const { Cell::new(None) };
}

fn ask(op: u32, request: &[u8]) -> Vec<u8> {
    // SAFETY: the host reads `request` and writes exactly the length that it answered.
    unsafe {
        let length = host_call(op, request.as_ptr(), request.len() as u32) as usize;
        let mut answer = vec![0; length];
        if length > 0 {
            host_take(answer.as_mut_ptr());
        }
        answer
    }
}

pub fn begin_call() {
    THROWN.with_borrow_mut(Vec::clear);
}

/// Microseconds since 1970, as far as this function may know.
pub fn clock_micros() -> i64 {
    let answer = ask(op::CLOCK, &[]);
    let mut reader = Reader(&answer);
    match reader.u8() {
        Ok(0) => reader.i64().unwrap_or(0),
        _ => 0,
    }
}

/// Tells the host what a declared length would cost if it were filled; does not return if it is too much.
pub fn reserve(bytes: u64) {
    ask(op::RESERVE, &bytes.to_le_bytes());
}

/// The same for a length that is about to be walked.
pub fn reserve_elements(count: u64) {
    if count > 65_536 {
        reserve(count.saturating_mul(8));
    }
}

/// Asks, and turns a refusal into an exception.
fn ask_checked(op: u32, request: &[u8], context: &mut Context) -> JsResult<Vec<u8>> {
    let mut answer = ask(op, request);
    match answer.first() {
        Some(0) => {
            answer.remove(0);
            Ok(answer)
        }
        Some(_) => Err(host_error(&answer[1..], context)),
        None => Ok(answer),
    }
}

fn host_error(answer: &[u8], context: &mut Context) -> JsError {
    let mut reader = Reader(answer);
    let fields = (|| {
        Ok::<_, crate::buffer::Malformed>((
            reader.u32()?,
            reader.u8()?,
            reader.text()?,
            reader.text()?,
            reader.text()?,
            reader.text()?,
            reader.text()?,
        ))
    })();
    let Ok((id, denial, sqlstate, message, detail, hint, capability)) = fields else {
        return crate::buffer::Malformed.into();
    };
    let class = CLASSES.with_borrow(|classes| {
        classes
            .as_ref()
            .map(|c| if denial != 0 { c.capability.clone() } else { c.database.clone() })
    });
    let Some(class) = class else {
        return crate::buffer::Malformed.into();
    };
    let text = JsString::from(message);
    let built = class.construct(&[text.clone().into()], None, context).and_then(|error| {
        for (name, field) in [
            ("sqlstate", sqlstate),
            ("detail", detail),
            ("hint", hint),
            ("capability", capability),
        ] {
            if !field.is_empty() {
                error.create_data_property(PropertyKey::from(JsString::from(name)), JsString::from(field), context)?;
            }
        }
        Ok(error)
    });
    match built {
        Ok(error) => {
            THROWN.with_borrow_mut(|thrown| {
                if thrown.len() == KEPT_ERRORS {
                    thrown.remove(0);
                }
                thrown.push((error.clone(), id, text));
            });
            JsError::from_opaque(error.into())
        }
        Err(error) => error,
    }
}

/// The host's own error behind `value`, if the program did not change it on the way; 0: none.
pub fn original_of(value: &JsValue, _context: &mut Context) -> u32 {
    let Some(object) = value.as_object() else { return 0 };
    THROWN.with_borrow(|thrown| {
        let Some((_, id, text)) = thrown.iter().find(|(error, ..)| JsObject::equals(error, &object)) else {
            return 0;
        };
        let message = object.borrow().properties().get(&PropertyKey::from(js_string!("message")));
        let unchanged = message
            .and_then(|message| message.value().and_then(JsValue::as_string))
            .is_some_and(|message| message == *text);
        if unchanged { *id } else { 0 }
    })
}

/// Statement and parameters, as `QUERY` and `EXECUTE` want them.
fn statement(args: &[JsValue], context: &mut Context) -> JsResult<Vec<u8>> {
    let Some(sql) = args.get_or_undefined(0).as_string() else {
        return Err(JsNativeError::typ().with_message("the statement must be a string").into());
    };
    let mut request = Vec::new();
    put_text(
        &mut request,
        &sql.to_std_string()
            .map_err(|_| JsNativeError::typ().with_message("the statement is not well-formed text"))?,
    );
    let params = args.get_or_undefined(1);
    if params.is_null_or_undefined() {
        put_u32(&mut request, 0);
        return Ok(request);
    }
    let Some(params) = params.as_object().filter(|params| params.is_array()) else {
        return Err(JsNativeError::typ().with_message("the parameters must be an array").into());
    };
    let count = crate::json::length_of(&params, context)?.min(u64::from(u16::MAX) + 1);
    put_u32(&mut request, count as u32);
    let shape = Shape::Array(Box::new(Shape::Scalar));
    for index in 0..count {
        let param = params.get(index, context)?;
        let array = param.as_object().is_some_and(|param| param.is_array());
        let written = value::write(&param, if array { &shape } else { &Shape::Scalar }, &mut request, context);
        written.or_else(not_a_value)?;
    }
    Ok(request)
}

fn not_a_value(unfit: Unfit) -> JsResult<()> {
    match unfit {
        Unfit::Thrown(error) => Err(error),
        Unfit::Value(message, _) => Err(JsNativeError::typ().with_message(message).into()),
    }
}

/// Arguments in, a value out: what that means is the host's alone.
fn host_function(index: usize, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    memory::collect_if_due();
    let mut request = Vec::new();
    put_u32(&mut request, args.len() as u32);
    for arg in args {
        value::write(arg, &Shape::Scalar, &mut request, context).or_else(not_a_value)?;
    }
    let answer = ask_checked(op::FIRST_HOST_FUNCTION + index as u32, &request, context)?;
    value::read(&mut Reader(&answer), context)
}

/// `crypto.sha256` of [`HOST_FUNCTIONS`] as a function object named `sha256`, with its family `crypto`; a name without a dot has no family.
fn host_functions(context: &mut Context) -> Vec<(Option<&'static str>, JsString, JsValue)> {
    let realm = context.realm().clone();
    let functions = HOST_FUNCTIONS.iter().enumerate().map(|(index, path)| {
        let (family, name) = match path.split_once('.') {
            Some((family, name)) => (Some(family), name),
            None => (None, *path),
        };
        let name = JsString::from(name);
        let native = NativeFunction::from_copy_closure(move |_, args, context| host_function(index, args, context));
        let function = boa_engine::object::FunctionObjectBuilder::new(&realm, native)
            .name(name.clone())
            .build();
        (family, name, JsValue::from(function))
    });
    functions.collect()
}

/// Reads columns and rows; puts `rows`, `columns` and `rowCount` into `result`.
fn read_rows(reader: &mut Reader<'_>, result: &JsObject, context: &mut Context) -> JsResult<()> {
    let width = reader.u32()?;
    let mut names = Vec::new();
    for _ in 0..width {
        names.push(JsString::from(reader.text()?));
    }
    let count = reader.u32()?;
    let mut rows = Vec::new();
    for _ in 0..count {
        let row = JsObject::with_object_proto(context.intrinsics());
        for name in &names {
            let field = value::read(reader, context)?;
            row.create_data_property(PropertyKey::from(name.clone()), field, context)?;
        }
        rows.push(JsValue::from(row));
    }
    let rows = JsArray::from_iter(rows, context);
    let columns = JsArray::from_iter(names.into_iter().map(JsValue::from), context);
    result.create_data_property(js_string!("rows"), rows, context)?;
    result.create_data_property(js_string!("columns"), columns, context)?;
    result.create_data_property(js_string!("rowCount"), count, context)?;
    Ok(())
}

fn query(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    memory::collect_if_due();
    let request = statement(args, context)?;
    let answer = ask_checked(op::QUERY, &request, context)?;
    let result = JsObject::with_object_proto(context.intrinsics());
    read_rows(&mut Reader(&answer), &result, context)?;
    Ok(result.into())
}

fn execute(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    memory::collect_if_due();
    let request = statement(args, context)?;
    let answer = ask_checked(op::EXECUTE, &request, context)?;
    let mut reader = Reader(&answer);
    let result = JsObject::with_object_proto(context.intrinsics());
    let affected = reader.i64()?;
    result.create_data_property(js_string!("rowsAffected"), affected as f64, context)?;
    if reader.u8()? != 0 {
        read_rows(&mut reader, &result, context)?;
    }
    Ok(result.into())
}

/// A message is for people; longer ones are cut here, before they are copied.
const MAX_LOG_BYTES: usize = 65_536;

fn log(level: u8, args: &[JsValue]) -> JsResult<JsValue> {
    let mut text = String::new();
    for arg in args {
        if !text.is_empty() {
            text.push(' ');
        }
        match arg.as_string() {
            // Cut before it is copied: a message must not cost what its argument does.
            Some(string) => text.push_str(&string.slice(0, string.len().min(MAX_LOG_BYTES)).to_std_string_lossy()),
            None => text.push_str(&arg.display().to_string()),
        }
        if text.len() > MAX_LOG_BYTES {
            break;
        }
    }
    let mut request = vec![level];
    put_text(&mut request, crate::exception::cut(&text, MAX_LOG_BYTES));
    ask(op::LOG, &request);
    Ok(JsValue::undefined())
}

fn log_debug(_: &JsValue, args: &[JsValue], _: &mut Context) -> JsResult<JsValue> {
    log(level::DEBUG, args)
}

fn log_plain(_: &JsValue, args: &[JsValue], _: &mut Context) -> JsResult<JsValue> {
    log(level::LOG, args)
}

fn log_info(_: &JsValue, args: &[JsValue], _: &mut Context) -> JsResult<JsValue> {
    log(level::INFO, args)
}

fn log_warn(_: &JsValue, args: &[JsValue], _: &mut Context) -> JsResult<JsValue> {
    log(level::WARN, args)
}

fn log_error(_: &JsValue, args: &[JsValue], _: &mut Context) -> JsResult<JsValue> {
    log(level::ERROR, args)
}

/// xoshiro256**, seeded by the host when it is first asked for in a call.
fn random(_: &JsValue, _: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let mut state = match RANDOM.get() {
        Some(state) => state,
        None => {
            let answer = ask_checked(op::RANDOM, &[], context)?;
            let mut reader = Reader(&answer);
            let mut seed = [0; 4];
            for word in &mut seed {
                *word = reader.i64()? as u64;
            }
            seed
        }
    };
    let result = state[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
    let shifted = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = state[3].rotate_left(45);
    RANDOM.set(Some(state));
    Ok(JsValue::from((result >> 11) as f64 / (1u64 << 53) as f64))
}

const CLASSES_SOURCE: &str = r"(function () {
    class DatabaseError extends Error {}
    class CapabilityError extends DatabaseError {}
    for (const type of [DatabaseError, CapabilityError]) {
        Object.defineProperty(type.prototype, 'name', { value: type.name, writable: true, configurable: true, enumerable: false });
    }
    return [DatabaseError, CapabilityError];
})()";

/// Puts everything into the realm. The host object is frozen, with all that hangs on it.
pub fn install(context: &mut Context) -> JsResult<()> {
    let classes = context.eval(Source::from_bytes(CLASSES_SOURCE))?;
    let not_found = || JsError::from(JsNativeError::error().with_message("no error classes"));
    let classes = classes.as_object().ok_or_else(not_found)?;
    let database = classes.get(0, context)?.as_object().ok_or_else(not_found)?;
    let capability = classes.get(1, context)?.as_object().ok_or_else(not_found)?;
    context.register_global_property(
        js_string!("DatabaseError"),
        database.clone(),
        Attribute::all() - Attribute::ENUMERABLE,
    )?;
    context.register_global_property(
        js_string!("CapabilityError"),
        capability.clone(),
        Attribute::all() - Attribute::ENUMERABLE,
    )?;
    CLASSES.set(Some(Classes { capability, database }));

    let log = ObjectInitializer::new(context)
        .function(NativeFunction::from_fn_ptr(log_debug), js_string!("debug"), 0)
        .function(NativeFunction::from_fn_ptr(log_info), js_string!("info"), 0)
        .function(NativeFunction::from_fn_ptr(log_warn), js_string!("warn"), 0)
        .function(NativeFunction::from_fn_ptr(log_error), js_string!("error"), 0)
        .build();
    log.set_integrity_level(IntegrityLevel::Frozen, context)?;
    let functions = host_functions(context);
    let mut families: Vec<(&str, JsObject)> = Vec::new();
    for (family, name, function) in &functions {
        let Some(family) = *family else { continue };
        if families.last().is_none_or(|(last, _)| *last != family) {
            families.push((family, JsObject::with_object_proto(context.intrinsics())));
        }
        if let Some((_, object)) = families.last() {
            object.create_data_property_or_throw(PropertyKey::from(name.clone()), function.clone(), context)?;
        }
    }
    let mut heliosdb = ObjectInitializer::new(context);
    heliosdb
        .function(NativeFunction::from_fn_ptr(query), js_string!("query"), 2)
        .function(NativeFunction::from_fn_ptr(execute), js_string!("execute"), 2)
        .property(js_string!("log"), log, Attribute::all());
    for (_, name, function) in functions.iter().filter(|(family, ..)| family.is_none()) {
        heliosdb.property(name.clone(), function.clone(), Attribute::all());
    }
    for (family, object) in &families {
        heliosdb.property(JsString::from(*family), object.clone(), Attribute::all());
    }
    let heliosdb = heliosdb.build();
    for (_, object) in families {
        object.set_integrity_level(IntegrityLevel::Frozen, context)?;
    }
    for (_, _, function) in functions {
        if let Some(function) = function.as_object() {
            function.set_integrity_level(IntegrityLevel::Frozen, context)?;
        }
    }
    heliosdb.set_integrity_level(IntegrityLevel::Frozen, context)?;
    context.register_global_property(js_string!("heliosdb"), heliosdb, Attribute::empty())?;

    let console = ObjectInitializer::new(context)
        .function(NativeFunction::from_fn_ptr(log_plain), js_string!("log"), 0)
        .function(NativeFunction::from_fn_ptr(log_debug), js_string!("debug"), 0)
        .function(NativeFunction::from_fn_ptr(log_info), js_string!("info"), 0)
        .function(NativeFunction::from_fn_ptr(log_warn), js_string!("warn"), 0)
        .function(NativeFunction::from_fn_ptr(log_error), js_string!("error"), 0)
        .build();
    context.register_global_property(js_string!("console"), console, Attribute::all() - Attribute::ENUMERABLE)?;

    let math = context
        .global_object()
        .get(js_string!("Math"), context)?
        .as_object()
        .ok_or_else(not_found)?;
    let realm = context.realm().clone();
    let random = boa_engine::object::FunctionObjectBuilder::new(&realm, NativeFunction::from_fn_ptr(random))
        .name(js_string!("random"))
        .build();
    let hidden = PropertyDescriptor::builder()
        .value(random)
        .writable(true)
        .enumerable(false)
        .configurable(true);
    math.define_property_or_throw(js_string!("random"), hidden, context)?;
    Ok(())
}
