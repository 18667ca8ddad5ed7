//! Functions that are WebAssembly components: what is accepted, how values cross, what the host is asked, and what a hostile one gets.

#[path = "../common/mod.rs"]
mod common;

mod attacks;
mod host;
mod probe;
mod refused;
mod values;

use std::sync::Arc;

use common::*;
use policy::Limits;
use sandbox::{Error, FunctionSource, Language, Limit, Prepared};
use types::text::TextStyle;
use types::{Datum, NO_TYPMOD, SqlError, SqlState, Type};

fn component(body: &str, args: &[Type], returns: Type) -> FunctionSource {
    FunctionSource {
        language: Language::Wasm,
        ..source(body, args, returns)
    }
}

fn prepare_source(source: &FunctionSource) -> Result<Arc<Prepared>, Error> {
    on_session_thread(|| runtime().prepare(source))
}

fn wasm_limits() -> Limits {
    Limits::default_for(policy::Language::Wasm)
}

fn run_in(world: &Arc<World>, limits: Limits, body: &str, args: &[(Type, Datum)], returns: Type) -> Result<Datum, Error> {
    let types: Vec<Type> = args.iter().map(|(ty, _)| *ty).collect();
    call_source(world, limits, &component(body, &types, returns), args)
}

fn run(body: &str, args: &[(Type, Datum)], returns: Type) -> Result<Datum, Error> {
    run_in(&Arc::default(), wasm_limits(), body, args, returns)
}

#[track_caller]
fn gives(body: &str, args: &[(Type, Datum)], returns: Type, expected: &str) {
    let value = run(body, args, returns).unwrap_or_else(|error| panic!("{}: {error:?}", clip(body)));
    let found = format!("{value:?}");
    assert!(found == expected, "{}: {} instead of {}", clip(body), clip(&found), clip(expected));
}

#[track_caller]
fn fails(body: &str, args: &[(Type, Datum)], returns: Type, state: SqlState, message: &str) -> SqlError {
    let error = match run(body, args, returns) {
        Err(error) => sql_error(error),
        Ok(value) => panic!("{}: {value:?}", clip(body)),
    };
    says(&error, body, state, message);
    error
}

#[track_caller]
fn refused(body: &str, args: &[Type], returns: Type, state: SqlState, message: &str) -> SqlError {
    let error = match prepare_source(&component(body, args, returns)) {
        Err(error) => sql_error(error),
        Ok(_) => panic!("{}: accepted", clip(body)),
    };
    says(&error, body, state, message);
    error
}

#[track_caller]
fn says(error: &SqlError, body: &str, state: SqlState, message: &str) {
    let text = format!("{} {}", error.message(), error.fields().detail.clone().unwrap_or_default());
    assert!(text.contains(message), "{}: {text}", clip(body));
    assert_eq!(error.state(), state, "{}: {text}", clip(body));
}

fn clip(body: &str) -> String {
    body.chars().take(500).collect()
}

#[track_caller]
fn hits(limits: Limits, body: &str, limit: Limit) {
    match run_in(&Arc::default(), limits, body, &[], Type::Int4) {
        Err(Error::Limit { limit: hit, .. }) => assert_eq!(hit, limit, "{}", clip(body)),
        other => panic!("{}: {other:?}", clip(body)),
    }
}

/// A memory, and an allocator that only ever goes up.
const LIBC: &str = r#"
    (memory (export "memory") 2)
    (global $top (mut i32) (i32.const 65536))
    (func $realloc (export "realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
      (local $place i32)
      (local.set $place (i32.and (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1)))
                                 (i32.sub (i32.const 0) (local.get $align))))
      (global.set $top (i32.add (local.get $place) (local.get $size)))
      (if (i32.gt_u (global.get $top) (i32.mul (memory.size) (i32.const 65536)))
        (then (drop (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get $size) (i32.const 16)))))))
      (local.get $place))"#;

/// A component with a function `f` of a type, whose core function is `core`; `more` stands in the core module.
fn with_memory(ty: &str, core: &str, more: &str) -> String {
    format!(
        r#"(component
  (core module $m {LIBC} {more}
    (func (export "f") {core}))
  (core instance $i (instantiate $m))
  (func (export "f") {ty}
    (canon lift (core func $i "f") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#
    )
}

/// One whose values are numbers.
fn plain(ty: &str, core: &str) -> String {
    format!(
        r#"(component
  (core module $m (func (export "f") {core}))
  (core instance $i (instantiate $m))
  (func (export "f") {ty} (canon lift (core func $i "f"))))"#
    )
}

/// Answers a number with itself.
fn echo_number(ty: &str, core: &str) -> String {
    plain(
        &format!("(param \"x\" {ty}) (result {ty})"),
        &format!("(param {core}) (result {core}) (local.get 0)"),
    )
}

/// The same of a string or a list: a place and a length.
fn echo_pair(ty: &str) -> String {
    with_memory(
        &format!("(param \"x\" {ty}) (result {ty})"),
        "(param i32 i32) (result i32)
          (i32.store (i32.const 256) (local.get 0)) (i32.store (i32.const 260) (local.get 1)) (i32.const 256)",
        "",
    )
}

/// The same of an option of either.
fn echo_option(ty: &str, core: &str, store: &str) -> String {
    with_memory(
        &format!("(param \"x\" (option {ty})) (result (option {ty}))"),
        &format!("(param i32 {core}) (result i32) (i32.store8 (i32.const 256) (local.get 0)) {store} (i32.const 256)"),
        "",
    )
}

fn parsed(ty: Type, text: &str) -> Datum {
    types::text::parse(ty, NO_TYPMOD, text, &TextStyle::default()).unwrap()
}

fn int4(value: i32) -> Datum {
    Datum::Int4(value)
}

/// The interface `types`, and its value and error as types of the component.
const TYPES: &str = r#"
  (import "parhelion:function/types" (instance $types
    (type $s (variant (case "null") (case "boolean" bool) (case "smallint" s16) (case "integer" s32) (case "bigint" s64) (case "real" f32)
      (case "double-precision" f64) (case "numeric" string) (case "text" string) (case "bytea" (list u8)) (case "date" string)
      (case "time" string) (case "timestamp" string) (case "timestamptz" string) (case "interval" string) (case "uuid" string)
      (case "jsonb" string)))
    (export "scalar" (type $scalar (eq $s)))
    (type $a (record (field "lengths" (list u32)) (field "elements" (list $scalar))))
    (export "array" (type $array (eq $a)))
    (type $v (variant (case "null") (case "boolean" bool) (case "smallint" s16) (case "integer" s32) (case "bigint" s64) (case "real" f32)
      (case "double-precision" f64) (case "numeric" string) (case "text" string) (case "bytea" (list u8)) (case "date" string)
      (case "time" string) (case "timestamp" string) (case "timestamptz" string) (case "interval" string) (case "uuid" string)
      (case "jsonb" string) (case "array" $array)))
    (export "value" (type $value (eq $v)))
    (type $e (record (field "number" u32) (field "sqlstate" string) (field "message" string) (field "detail" (option string))
      (field "hint" (option string)) (field "capability" (option string))))
    (export "error" (type $error (eq $e)))))
  (alias export $types "value" (type $value))
  (alias export $types "error" (type $error))"#;

/// A component that imports one function `g` of an interface; its function `f` has type `ty` and the core `core`, in which `$g` may be
/// called, over `data`.
fn importing(interface: &str, declared: &str, name: &str, g: &str, ty: &str, core: &str, data: &str) -> String {
    format!(
        r#"(component {TYPES}
  (import "parhelion:function/{interface}" (instance $host {declared}))
  (core module $libc {LIBC} {data})
  (core instance $libc (instantiate $libc))
  (core func $g (canon lower (func $host "{name}") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core module $m
    (import "libc" "memory" (memory 1))
    (import "host" "g" (func $g {g}))
    (func (export "f") {core}))
  (core instance $i (instantiate $m (with "libc" (instance $libc)) (with "host" (instance (export "g" (func $g))))))
  (func (export "f") {ty}
    (canon lift (core func $i "f") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc")))))"#
    )
}

const QUERY: &str = r#"
    (alias outer 1 $value (type $v)) (export "value" (type $value (eq $v)))
    (alias outer 1 $error (type $e)) (export "error" (type $error (eq $e)))
    (type $r (record (field "columns" (list string)) (field "rows" (list (list $value)))))
    (export "rows" (type $rows (eq $r)))
    (export "query" (func (param "sql" string) (param "params" (list $value)) (result (result $rows (error $error)))))"#;

/// Asks a query, and answers with the names of its columns, or with its error as it came: both begin alike.
fn query(sql: &str, params: u32, data: &str) -> String {
    importing(
        "database",
        QUERY,
        "query",
        "(param i32 i32 i32 i32 i32)",
        "(result (result (list string) (error $error)))",
        &format!(
            "(result i32) (call $g (i32.const 1024) (i32.const {}) (i32.const 2048) (i32.const {params}) (i32.const 512)) (i32.const 512)",
            sql.len()
        ),
        &format!("(data (i32.const 1024) \"{sql}\") {data}"),
    )
}

fn texts(texts: &[&str]) -> String {
    format!(
        "{:?}",
        Datum::array(Type::Text, texts.iter().map(|text| Datum::text(*text)).collect())
    )
}
