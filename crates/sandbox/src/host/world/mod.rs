//! The host as a component sees it: the interfaces of docs/parhelion.wit, package `parhelion:function`.
//!
//! The life of a call: wasmtime lifts the arguments out of the component's memory, at most so much at a time; the function here
//! turns them into SQL values and runs the same host function, or the same question of the database, that interpreters and
//! modules reach by number, so the gate, the limits and the audit log are the same; its answer becomes a value of the interface. A
//! refusal is the `error` of a result, which the component may look at, and may answer with: then it reaches the client as it was. A limit
//! ends the component.
//!
//! What a component imports is held against [`WORLD`] when its function is created: a name that is not here, or a type that is another,
//! is refused there.

mod shape;
pub mod values;

use serde_json::{Map, Value};
use types::{Datum, Severity, SqlError, SqlState, Type};
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, Linker, Val};

use self::shape::is_function;
pub use self::shape::{Shape, spell_function};
use self::values::{Room, VALUE, bytes, datum, read_bytes, read_text, text, unexpected, value};
use super::answer::Answer;
use super::arguments::Arguments;
use super::{Failure, State, TABLE, clock, database, enter, lacked, log, random};
use crate::context::QueryResult;
use crate::meter::Stop;
use crate::value::Param;

/// What every interface's name begins with.
pub const PACKAGE: &str = "parhelion:function/";
/// The interface that holds the types and no functions.
const TYPES: &str = "types";

struct Interface {
    name: &'static str,
    /// What no function of it needs, but a component's own may.
    #[cfg_attr(not(test), allow(dead_code))] // read by the test that compares the table with the documented package
    types: &'static [Shape],
    functions: &'static [Function],
}

struct Function {
    name: &'static str,
    parameters: &'static [(&'static str, Shape)],
    result: Option<Shape>,
    /// Whether it may end up in other functions, which then use what this one may.
    lends: bool,
    /// Gives what the result holds where all is well; None where it holds nothing.
    run: fn(&mut State, &[Val]) -> Result<Option<Val>, Failure>,
}

/// A refusal: `number` is the host's own for it, 0 in an error of the component's making.
pub const ERROR: Shape = Shape::Record(
    "error",
    &[
        ("number", Shape::U32),
        ("sqlstate", Shape::Text),
        ("message", Shape::Text),
        ("detail", Shape::Option(&Shape::Text)),
        ("hint", Shape::Option(&Shape::Text)),
        ("capability", Shape::Option(&Shape::Text)),
    ],
);
const ROWS: Shape = Shape::Record(
    "rows",
    &[("columns", Shape::List(&Shape::Text)), ("rows", Shape::List(&Shape::List(&VALUE)))],
);
const EXECUTED: Shape = Shape::Record("executed", &[("rows-affected", Shape::U64), ("returning", Shape::Option(&ROWS))]);
const LEVEL: Shape = Shape::Enum("level", &["debug", "info", "warn", "error"]);
const BYTES: Shape = Shape::List(&Shape::U8);
const BODY: Shape = Shape::Variant("body", &[("text", Some(Shape::Text)), ("bytes", Some(BYTES))]);
const HEADERS: Shape = Shape::List(&Shape::Tuple(&[Shape::Text, Shape::Text]));
const REQUEST: Shape = Shape::Record(
    "request",
    &[
        ("method", Shape::Text),
        ("url", Shape::Text),
        ("headers", HEADERS),
        ("body", Shape::Option(&BODY)),
        ("timeout", Shape::Option(&Shape::U32)),
    ],
);
const RESPONSE: Shape = Shape::Record("response", &[("status", Shape::U16), ("headers", HEADERS), ("body", BODY)]);
const ROW: Shape = Shape::List(&VALUE);
const TEXTS: Shape = Shape::List(&Shape::Text);
/// What a trigger function is called with, and what it answers.
pub const EVENT: Shape = Shape::Record(
    "event",
    &[
        ("op", Shape::Text),
        ("timing", Shape::Text),
        ("level", Shape::Text),
        ("name", Shape::Text),
        ("table-schema", Shape::Text),
        ("table-name", Shape::Text),
        ("arguments", TEXTS),
        ("columns", TEXTS),
        ("new", Shape::Option(&ROW)),
        ("old", Shape::Option(&ROW)),
    ],
);
pub const OUTCOME: Shape = Shape::Variant("outcome", &[("go-on", None), ("skip", None), ("row", Some(ROW))]);
const STATEMENT: &[(&str, Shape)] = &[("sql", Shape::Text), ("params", Shape::List(&VALUE))];

/// `result<ok, error>`.
const fn or_error(ok: &'static Shape) -> Option<Shape> {
    Some(Shape::Result(Some(ok), &ERROR))
}

const NOTHING_OR_ERROR: Option<Shape> = Some(Shape::Result(None, &ERROR));
const TEXT_OR_ERROR: Option<Shape> = or_error(&Shape::Text);

const fn function(
    name: &'static str,
    parameters: &'static [(&'static str, Shape)],
    result: Option<Shape>,
    run: fn(&mut State, &[Val]) -> Result<Option<Val>, Failure>,
) -> Function {
    Function {
        name,
        parameters,
        result,
        lends: false,
        run,
    }
}

const fn lending(function: Function) -> Function {
    Function { lends: true, ..function }
}

/// All that a component may import.
const WORLD: &[Interface] = &[
    Interface {
        name: "database",
        types: &[],
        functions: &[
            lending(function("query", STATEMENT, or_error(&ROWS), query)),
            lending(function("execute", STATEMENT, or_error(&EXECUTED), execute)),
        ],
    },
    Interface {
        name: "call",
        types: &[],
        functions: &[lending(function(
            "call",
            &[("name", Shape::Text), ("arguments", Shape::List(&VALUE))],
            or_error(&VALUE),
            call,
        ))],
    },
    Interface {
        name: "storage",
        types: &[],
        functions: &[
            function(
                "get",
                &[("key", Shape::Text)],
                or_error(&Shape::Option(&Shape::Text)),
                |state, given| texts(state, "storage.get", given).and_then(optional_text),
            ),
            function(
                "set",
                &[("key", Shape::Text), ("value", Shape::Text)],
                NOTHING_OR_ERROR,
                storage_set,
            ),
            function("delete", &[("key", Shape::Text)], or_error(&Shape::Bool), |state, given| {
                texts(state, "storage.delete", given).and_then(boolean)
            }),
            function(
                "keys",
                &[("prefix", Shape::Text)],
                or_error(&Shape::List(&Shape::Text)),
                |state, given| texts(state, "storage.keys", given).and_then(list_of_texts),
            ),
            function(
                "increment",
                &[("key", Shape::Text), ("by", Shape::S64)],
                TEXT_OR_ERROR,
                storage_increment,
            ),
        ],
    },
    Interface {
        name: "env",
        types: &[],
        functions: &[function(
            "get",
            &[("name", Shape::Text)],
            or_error(&Shape::Option(&Shape::Text)),
            |state, given| texts(state, "env.get", given).and_then(optional_text),
        )],
    },
    Interface {
        name: "fs",
        types: &[],
        functions: &[
            function("read-text", &[("path", Shape::Text)], TEXT_OR_ERROR, |state, given| {
                texts(state, "fs.readText", given).and_then(one_text)
            }),
            function("read-bytes", &[("path", Shape::Text)], or_error(&BYTES), |state, given| {
                texts(state, "fs.readBytes", given).and_then(list_of_bytes)
            }),
            function(
                "write-text",
                &[("path", Shape::Text), ("text", Shape::Text)],
                NOTHING_OR_ERROR,
                |state, given| texts(state, "fs.writeText", given).and_then(nothing),
            ),
            function(
                "append-text",
                &[("path", Shape::Text), ("text", Shape::Text)],
                NOTHING_OR_ERROR,
                |state, given| texts(state, "fs.appendText", given).and_then(nothing),
            ),
            function(
                "list-folder",
                &[("path", Shape::Text)],
                or_error(&Shape::List(&Shape::Text)),
                |state, given| texts(state, "fs.list", given).and_then(list_of_texts),
            ),
            function("remove", &[("path", Shape::Text)], NOTHING_OR_ERROR, |state, given| {
                texts(state, "fs.remove", given).and_then(nothing)
            }),
        ],
    },
    Interface {
        name: "http",
        types: &[],
        functions: &[function("fetch", &[("request", REQUEST)], or_error(&RESPONSE), fetch)],
    },
    Interface {
        name: "crypto",
        types: &[],
        functions: &[
            function("sha256", &[("data", BYTES)], TEXT_OR_ERROR, |state, given| {
                all_bytes(state, "crypto.sha256", given).and_then(one_text)
            }),
            function("sha512", &[("data", BYTES)], TEXT_OR_ERROR, |state, given| {
                all_bytes(state, "crypto.sha512", given).and_then(one_text)
            }),
            function(
                "hmac",
                &[("algorithm", Shape::Text), ("key", BYTES), ("data", BYTES)],
                TEXT_OR_ERROR,
                hmac,
            ),
            function("random-bytes", &[("count", Shape::U32)], or_error(&BYTES), random_bytes),
            function("uuid", &[], TEXT_OR_ERROR, |state, _| {
                host_function(state, "crypto.uuid", vec![]).and_then(one_text)
            }),
            function(
                "timing-safe-equal",
                &[("one", BYTES), ("other", BYTES)],
                or_error(&Shape::Bool),
                |state, given| all_bytes(state, "crypto.timingSafeEqual", given).and_then(boolean),
            ),
        ],
    },
    Interface {
        name: "log",
        types: &[],
        functions: &[function("log", &[("level", LEVEL), ("message", Shape::Text)], None, say)],
    },
    Interface {
        name: "clock",
        types: &[],
        functions: &[function("now", &[], Some(Shape::S64), |state, _| {
            Ok(Some(Val::S64(clock::micros(state)?)))
        })],
    },
    Interface {
        name: "random",
        types: &[],
        functions: &[function("seed", &[], or_error(&BYTES), |state, _| {
            let seed = random::draw_seed(state)?;
            Ok(Some(bytes(&seed, &mut Room::default())?))
        })],
    },
    Interface {
        name: "triggers",
        types: &[EVENT, OUTCOME],
        functions: &[],
    },
];

/// Links all of them.
pub fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    for interface in WORLD {
        let mut instance = linker.instance(&format!("{PACKAGE}{}", interface.name))?;
        for function in interface.functions {
            instance.func_new(function.name, move |context, _, given, results| {
                let answer = enter(context, function.lends, |state| function.answer(state, given))?;
                if let (Some(place), Some(answer)) = (results.first_mut(), answer) {
                    *place = answer;
                }
                Ok(())
            })?;
        }
    }
    Ok(())
}

impl Function {
    fn answer(&self, state: &mut State, given: &[Val]) -> Result<Option<Val>, Stop> {
        let outcome = (self.run)(state, given);
        let fails = matches!(self.result, Some(Shape::Result(..)));
        match outcome {
            Ok(answer) if fails => Ok(Some(Val::Result(Ok(answer.map(Box::new))))),
            Ok(answer) => Ok(answer),
            Err(Failure::Refused { error, capability }) if fails => {
                state.may_go_on()?;
                let told = error_record(state, error, capability.as_deref());
                Ok(Some(Val::Result(Err(Some(Box::new(told))))))
            }
            Err(Failure::Refused { error, .. }) => Err(Stop::Cancelled(error)),
            Err(Failure::Stop(stop)) => Err(stop),
        }
    }
}

fn error_record(state: &mut State, error: SqlError, capability: Option<&str>) -> Val {
    let capability = lacked(&error, capability).map(str::to_string);
    let fields = error.fields();
    let optional = |text: Option<String>| Val::Option(text.map(|text| Box::new(Val::String(text))));
    let told = vec![
        ("sqlstate", Val::String(fields.state.code().to_string())),
        ("message", Val::String(fields.message.clone())),
        ("detail", optional(fields.detail.clone())),
        ("hint", optional(fields.hint.clone())),
        ("capability", optional(capability)),
    ];
    let number = ("number", Val::U32(state.keep_error(error)));
    Val::Record(
        std::iter::once(number)
            .chain(told)
            .map(|(name, value)| (name.to_string(), value))
            .collect(),
    )
}

/// What is wrong with what a component imports, in words, and what it may import.
pub fn check_imports(component: &Component) -> Result<(), (String, String)> {
    let engine = component.engine();
    for (name, import) in component.component_type().imports(engine) {
        let shown = printable(name);
        let known = name.strip_prefix(PACKAGE);
        let unknown = || (format!("the component imports \"{shown}\", which does not exist"), importable(name));
        match import.ty {
            ComponentItem::ComponentInstance(instance) => {
                let interface = match known {
                    Some(TYPES) => None,
                    Some(known) => Some(WORLD.iter().find(|interface| interface.name == known).ok_or_else(unknown)?),
                    None => return Err(unknown()),
                };
                for (export, item) in instance.exports(engine) {
                    match item.ty {
                        // Types have no effect of their own: those of functions are compared with ours.
                        ComponentItem::Type(_) => {}
                        ComponentItem::ComponentFunc(found) => {
                            let functions = interface.map_or(&[][..], |interface| interface.functions);
                            check_function(&shown, functions, export, &found)?;
                        }
                        ComponentItem::CoreFunc(_)
                        | ComponentItem::Module(_)
                        | ComponentItem::Component(_)
                        | ComponentItem::ComponentInstance(_)
                        | ComponentItem::Resource(_) => {
                            let export = printable(export);
                            let message = format!("the component imports \"{export}\" of \"{shown}\", which is no function");
                            return Err((message, importable(name)));
                        }
                    }
                }
            }
            // A name for a type of an interface.
            ComponentItem::Type(_) => {}
            ComponentItem::ComponentFunc(_)
            | ComponentItem::CoreFunc(_)
            | ComponentItem::Module(_)
            | ComponentItem::Component(_)
            | ComponentItem::Resource(_) => return Err(unknown()),
        }
    }
    Ok(())
}

fn check_function(interface: &str, functions: &[Function], name: &str, found: &ComponentFunc) -> Result<(), (String, String)> {
    let shown = printable(name);
    let Some(function) = functions.iter().find(|function| function.name == name) else {
        let message = format!("the component imports \"{shown}\" of \"{interface}\", which does not exist");
        let names: Vec<&str> = functions.iter().map(|function| function.name).collect();
        let hint = match names.as_slice() {
            [] => format!("\"{interface}\" has no functions."),
            names => format!("\"{interface}\" has {}.", names.join(", ")),
        };
        return Err((message, hint));
    };
    if is_function(function.parameters, function.result.as_ref(), found) {
        return Ok(());
    }
    let parameters: Vec<String> = function.parameters.iter().map(|(name, shape)| format!("{name}: {shape}")).collect();
    let result = function.result.map_or_else(String::new, |shape| format!(" -> {shape}"));
    Err((
        format!(
            "the component imports \"{shown}\" of \"{interface}\" as {}, but it is ({}){result}",
            spell_function(found),
            parameters.join(", "),
        ),
        "docs/parhelion.wit describes the types.".into(),
    ))
}

fn importable(name: &str) -> String {
    let interfaces: Vec<String> = WORLD.iter().map(|interface| format!("\"{PACKAGE}{}\"", interface.name)).collect();
    let wasi = match name.starts_with("wasi:") {
        true => " Nothing of WASI is there for components: build for wasm32-unknown-unknown.",
        false => "",
    };
    format!("A component may import {}.{wasi}", interfaces.join(", "))
}

/// A component's names end up in terminals.
pub fn printable(name: &str) -> String {
    const MAX_CHARS: usize = 100;
    name.chars().map(|c| if c.is_control() { '?' } else { c }).take(MAX_CHARS).collect()
}

/// Runs the function of [`TABLE`] that has this name.
fn host_function(state: &mut State, name: &str, given: Vec<Datum>) -> Result<Answer, Failure> {
    let function = TABLE.iter().find(|function| function.name == name);
    let function = function.ok_or(Failure::Stop(Stop::Broken("a host function that does not exist")))?;
    state.rights()?;
    (function.run)(state, Arguments::given(function, given)?)
}

/// The same, of a function whose arguments are texts.
fn texts(state: &mut State, name: &str, given: &[Val]) -> Result<Answer, Failure> {
    let given = given
        .iter()
        .map(|text| Ok(Datum::text(read_text(text)?)))
        .collect::<Result<_, Failure>>()?;
    host_function(state, name, given)
}

/// The same, of a function whose arguments are bytes.
fn all_bytes(state: &mut State, name: &str, given: &[Val]) -> Result<Answer, Failure> {
    let given = given
        .iter()
        .map(|bytes| Ok(Datum::Bytea(read_bytes(bytes)?)))
        .collect::<Result<_, Failure>>()?;
    host_function(state, name, given)
}

type Answered = Result<Option<Val>, Failure>;

fn nothing(_: Answer) -> Answered {
    Ok(None)
}

fn one_text(answer: Answer) -> Answered {
    match answer {
        Answer::Value(Datum::Text(answer) | Datum::Json(answer)) => Ok(Some(text(answer, &mut Room::default())?)),
        _ => Err(unexpected()),
    }
}

fn optional_text(answer: Answer) -> Answered {
    match answer {
        Answer::Value(Datum::Null) => Ok(Some(Val::Option(None))),
        answer => Ok(Some(Val::Option(one_text(answer)?.map(Box::new)))),
    }
}

fn boolean(answer: Answer) -> Answered {
    match answer {
        Answer::Value(Datum::Bool(answer)) => Ok(Some(Val::Bool(answer))),
        _ => Err(unexpected()),
    }
}

fn list_of_bytes(answer: Answer) -> Answered {
    match answer {
        Answer::Value(Datum::Bytea(answer)) => Ok(Some(bytes(&answer, &mut Room::default())?)),
        _ => Err(unexpected()),
    }
}

fn list_of_texts(answer: Answer) -> Answered {
    let Answer::Value(Datum::Array(array)) = answer else {
        return Err(unexpected());
    };
    let texts = array.values.into_iter().map(|value| match value {
        Datum::Text(text) => Ok(Val::String(text)),
        _ => Err(unexpected()),
    });
    Ok(Some(Val::List(texts.collect::<Result<_, _>>()?)))
}

/// The SQL text and the parameters of a statement, or the name and the arguments of a function.
fn named(given: &[Val]) -> Result<(&str, Vec<Datum>), Failure> {
    let [name, Val::List(values)] = given else {
        return Err(unexpected());
    };
    Ok((read_text(name)?, values.iter().map(datum).collect::<Result<_, _>>()?))
}

fn query(state: &mut State, given: &[Val]) -> Answered {
    let (sql, params) = named(given)?;
    let result = database::run_query(state, sql, params.into_iter().map(Param::from).collect())?;
    Ok(Some(rows(&result, &mut Room::default())?))
}

fn execute(state: &mut State, given: &[Val]) -> Answered {
    let (sql, params) = named(given)?;
    let result = database::run_execute(state, sql, params.into_iter().map(Param::from).collect())?;
    let returning = match &result.rows {
        Some(returned) => Some(Box::new(rows(returned, &mut Room::default())?)),
        None => None,
    };
    Ok(Some(record([
        ("rows-affected", Val::U64(result.rows_affected)),
        ("returning", Val::Option(returning)),
    ])))
}

fn rows(result: &QueryResult, room: &mut Room) -> Result<Val, SqlError> {
    let columns = result.columns.iter().map(|(name, _)| Val::String(name.clone())).collect();
    let mut rows = Vec::with_capacity(result.rows.len());
    for row in &result.rows {
        if row.len() != result.columns.len() {
            return Err(SqlError::internal("a row is not as wide as its result"));
        }
        room.take(size_of::<Val>())?;
        rows.push(Val::List(row.iter().map(|datum| value(datum, room)).collect::<Result<_, _>>()?));
    }
    Ok(record([("columns", Val::List(columns)), ("rows", Val::List(rows))]))
}

fn record<const N: usize>(fields: [(&str, Val); N]) -> Val {
    Val::Record(fields.map(|(name, value)| (name.to_string(), value)).into())
}

fn call(state: &mut State, given: &[Val]) -> Answered {
    let (name, arguments) = named(given)?;
    let given = std::iter::once(Datum::text(name)).chain(arguments).collect();
    match host_function(state, "call", given)? {
        Answer::Value(answer) => Ok(Some(value(&answer, &mut Room::default())?)),
        Answer::Reply(_) => Err(unexpected()),
    }
}

/// The value is JSON.
fn storage_set(state: &mut State, given: &[Val]) -> Answered {
    let [key, value] = given else { return Err(unexpected()) };
    let value = types::text::parse(Type::Json, types::NO_TYPMOD, read_text(value)?, &types::text::TextStyle::default())?;
    let given = vec![Datum::text(read_text(key)?), value];
    host_function(state, "storage.set", given).and_then(nothing)
}

fn storage_increment(state: &mut State, given: &[Val]) -> Answered {
    let [key, Val::S64(by)] = given else { return Err(unexpected()) };
    let given = vec![Datum::text(read_text(key)?), Datum::Int8(*by)];
    host_function(state, "storage.increment", given).and_then(one_text)
}

fn hmac(state: &mut State, given: &[Val]) -> Answered {
    let [algorithm, key, data] = given else { return Err(unexpected()) };
    let given = vec![
        Datum::text(read_text(algorithm)?),
        Datum::Bytea(read_bytes(key)?),
        Datum::Bytea(read_bytes(data)?),
    ];
    host_function(state, "crypto.hmac", given).and_then(one_text)
}

fn random_bytes(state: &mut State, given: &[Val]) -> Answered {
    let [Val::U32(count)] = given else { return Err(unexpected()) };
    host_function(state, "crypto.randomBytes", vec![Datum::Int8(i64::from(*count))]).and_then(list_of_bytes)
}

fn say(state: &mut State, given: &[Val]) -> Answered {
    let [Val::Enum(level), message] = given else {
        return Err(unexpected());
    };
    let severity = match level.as_str() {
        "debug" => Severity::Debug,
        "info" => Severity::Info,
        "warn" | "error" => Severity::Warning,
        _ => return Err(unexpected()),
    };
    log::say(state, severity, read_text(message)?);
    Ok(None)
}

fn fetch(state: &mut State, given: &[Val]) -> Answered {
    let [Val::Record(fields)] = given else { return Err(unexpected()) };
    let [
        (_, method),
        (_, url),
        (_, Val::List(given)),
        (_, Val::Option(body)),
        (_, Val::Option(timeout)),
    ] = fields.as_slice()
    else {
        return Err(unexpected());
    };
    let mut headers: Map<String, Value> = Map::new();
    for header in given {
        let Val::Tuple(header) = header else { return Err(unexpected()) };
        let [name, value] = header.as_slice() else {
            return Err(unexpected());
        };
        let (name, value) = (read_text(name)?, read_text(value)?);
        if headers.insert(name.to_ascii_lowercase(), value.into()).is_some() {
            let error = SqlError::new(SqlState::InvalidParameterValue, "a request has each header once");
            return Err(error.hint("Join the values with commas.").into());
        }
    }
    let mut options = Map::from_iter([
        ("method".to_string(), Value::from(read_text(method)?)),
        ("headers".into(), headers.into()),
    ]);
    if let Some(timeout) = timeout {
        let Val::U32(timeout) = **timeout else { return Err(unexpected()) };
        options.insert("timeout".into(), timeout.into());
    }
    let body = match body.as_deref() {
        None => Datum::Null,
        Some(Val::Variant(case, Some(content))) => match case.as_str() {
            "text" => Datum::text(read_text(content)?),
            "bytes" => Datum::Bytea(read_bytes(content)?),
            _ => return Err(unexpected()),
        },
        Some(_) => return Err(unexpected()),
    };
    let given = vec![Datum::text(read_text(url)?), body, Datum::Json(Value::Object(options).to_string())];
    let Answer::Reply(reply) = host_function(state, "http.post", given)? else {
        return Err(unexpected());
    };
    let mut room = Room::default();
    let headers = reply
        .headers()
        .map(|(name, value)| Val::Tuple(vec![Val::String(name.to_string()), Val::String(value)]));
    let headers = Val::List(headers.collect());
    let (case, content) = match reply.body() {
        Datum::Text(body) => ("text", text(body, &mut room)?),
        Datum::Bytea(body) => ("bytes", bytes(&body, &mut room)?),
        _ => return Err(unexpected()),
    };
    Ok(Some(record([
        ("status", Val::U16(reply.status.as_u16())),
        ("headers", headers),
        ("body", Val::Variant(case.into(), Some(Box::new(content)))),
    ])))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Named types in the order in which functions need them.
    fn collect(shape: &Shape, named: &mut Vec<Shape>) {
        match shape {
            Shape::List(inner) | Shape::Option(inner) => collect(inner, named),
            Shape::Tuple(shapes) => shapes.iter().for_each(|shape| collect(shape, named)),
            Shape::Result(ok, err) => {
                ok.iter().for_each(|ok| collect(ok, named));
                collect(err, named);
            }
            Shape::Record(_, fields) => fields.iter().for_each(|(_, shape)| collect(shape, named)),
            Shape::Variant(_, cases) => cases
                .iter()
                .filter_map(|(_, shape)| shape.as_ref())
                .for_each(|shape| collect(shape, named)),
            _ => {}
        }
        let name = shape.to_string();
        let is_named = matches!(shape, Shape::Record(..) | Shape::Variant(..) | Shape::Enum(..));
        if is_named && named.iter().all(|known| known.to_string() != name) {
            named.push(*shape);
        }
    }

    fn define(shape: &Shape) -> String {
        match shape {
            Shape::Record(name, fields) => {
                let fields: Vec<String> = fields.iter().map(|(name, shape)| format!("{name}: {shape},\n")).collect();
                format!("record {name} {{\n{}}}\n", fields.concat())
            }
            Shape::Variant(name, cases) => {
                let cases: Vec<String> = cases
                    .iter()
                    .map(|(name, shape)| match shape {
                        Some(shape) => format!("{name}({shape}),\n"),
                        None => format!("{name},\n"),
                    })
                    .collect();
                format!("variant {name} {{\n{}}}\n", cases.concat())
            }
            Shape::Enum(name, names) => {
                let names: Vec<String> = names.iter().map(|name| format!("{name},\n")).collect();
                format!("enum {name} {{\n{}}}\n", names.concat())
            }
            other => panic!("{other} has no definition"),
        }
    }

    #[test]
    fn the_documented_package_is_what_is_linked() {
        let mut shared = Vec::new();
        collect(&VALUE, &mut shared);
        collect(&ERROR, &mut shared);
        let mut wit = format!("package {};\ninterface types {{\n", PACKAGE.trim_end_matches('/'));
        wit.extend(shared.iter().map(define));
        wit.push_str("}\n");
        for interface in WORLD {
            let mut named = Vec::new();
            interface.types.iter().for_each(|shape| collect(shape, &mut named));
            for function in interface.functions {
                function.parameters.iter().for_each(|(_, shape)| collect(shape, &mut named));
                function.result.iter().for_each(|shape| collect(shape, &mut named));
            }
            let is_shared = |shape: &&Shape| shared.iter().any(|known| known.to_string() == shape.to_string());
            wit.push_str(&format!("interface {} {{\n", interface.name));
            let used: Vec<&str> = ["value", "error"]
                .into_iter()
                .filter(|name| named.iter().any(|shape| shape.to_string() == *name))
                .collect();
            if !used.is_empty() {
                wit.push_str(&format!("use types.{{{}}};\n", used.join(", ")));
            }
            wit.extend(named.iter().filter(|shape| !is_shared(shape)).map(define));
            for function in interface.functions {
                let parameters: Vec<String> = function.parameters.iter().map(|(name, shape)| format!("{name}: {shape}")).collect();
                let result = function.result.map_or_else(String::new, |shape| format!(" -> {shape}"));
                wit.push_str(&format!("{}: func({}){result};\n", function.name, parameters.join(", ")));
            }
            wit.push_str("}\n");
        }
        wit.push_str("world host {\n");
        wit.extend(WORLD.iter().map(|interface| format!("import {};\n", interface.name)));
        wit.push_str("}\n");

        let page = include_str!("../../../../../docs/parhelion.wit");
        let lines = page
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with("//"));
        assert_eq!(wit.lines().collect::<Vec<_>>(), lines.collect::<Vec<_>>());
    }
}
