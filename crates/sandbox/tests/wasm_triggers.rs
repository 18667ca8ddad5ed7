//! Trigger functions that are WebAssembly: what they are called with, byte by byte and field by field, and what their answers do.

mod common;

use std::sync::Arc;

use common::*;
use policy::Limits;
use sandbox::{Error, FunctionSource, Language, TriggerCall, TriggerRow};
use types::{Datum, SqlState, Type};

fn trigger(body: &str) -> FunctionSource {
    FunctionSource {
        language: Language::Wasm,
        ..source(body, &[], Type::Trigger)
    }
}

fn event(columns: &[(&str, Type)]) -> TriggerCall {
    TriggerCall {
        op: "UPDATE",
        when: "BEFORE",
        level: "ROW",
        name: "t_name".into(),
        table_schema: "public".into(),
        table_name: "users".into(),
        args: vec!["a".into(), String::new()],
        columns: columns.iter().map(|(name, ty)| ((*name).to_string(), *ty)).collect(),
    }
}

fn fire(body: &str, columns: &[(&str, Type)], new: Option<&[Datum]>, old: Option<&[Datum]>) -> Result<TriggerRow, Error> {
    on_session_thread(|| {
        let prepared = runtime().prepare(&trigger(body))?;
        let limits = Limits::default_for(policy::Language::Wasm);
        let mut instance = runtime().instantiate(&prepared, context(&Arc::default(), limits))?;
        instance.call_trigger(&event(columns), new, old)
    })
}

const USERS: &[(&str, Type)] = &[("id", Type::Int4), ("name", Type::Text)];

/// A module whose answer is bytes at 16; its arguments are put at 4105.
fn module(answer: &str, body: &str) -> String {
    format!(
        r#"(module (memory (export "memory") 2) (data (i32.const 16) "{answer}")
  (func (export "alloc") (param i32) (result i32) (i32.const 4105))
  (func (export "f") (param $p i32) (param $n i32) (result i64) {body}))"#
    )
}

/// The same where the answer has so many bytes.
fn answering(answer: &str, bytes: u32) -> String {
    module(
        answer,
        &format!("(i64.or (i64.shl (i64.const 16) (i64.const 32)) (i64.const {bytes}))"),
    )
}

#[test]
fn a_module_gets_new_old_and_the_texts_as_nine_values() {
    // Throws what it got: an error's header is put before the arguments.
    let thrower = module(
        "",
        "(i32.store8 (i32.const 4096) (i32.const 255)) (i32.store (i32.const 4097) (i32.const 0)) (i32.store (i32.const 4101) (local.get $n))
         (i64.or (i64.shl (i64.const 4096) (i64.const 32)) (i64.extend_i32_u (i32.add (local.get $n) (i32.const 9))))",
    );
    let new = [Datum::Int4(7), Datum::Null];
    let Err(Error::Guest { message, .. }) = fire(&thrower, USERS, Some(&new), None) else {
        panic!("it did not throw");
    };
    let mut expected = String::from("\u{9}\0\0\0");
    expected.push_str("\u{11}\u{2}\0\0\0\u{2}\0\0\0id\u{3}\u{7}\0\0\0\u{4}\0\0\0name\0");
    expected.push('\0');
    for text in ["UPDATE", "BEFORE", "ROW", "t_name", "public", "users"] {
        expected.push('\u{7}');
        expected.push(char::from(text.len() as u8));
        expected.push_str("\0\0\0");
        expected.push_str(text);
    }
    expected.push_str("\u{10}\u{2}\0\0\0\u{7}\u{1}\0\0\0a\u{7}\0\0\0\0");
    assert_eq!(message, expected);
}

#[test]
fn a_modules_answer_skips_keeps_or_changes_the_row() {
    let new = [Datum::Int4(1), Datum::text("x")];
    let row = answering("\\11\\02\\00\\00\\00\\03\\07\\00\\00\\00\\07\\02\\00\\00\\00ab", 17);
    let check = |body: &str, new: Option<&[Datum]>, expected: &str| {
        assert_eq!(
            format!("{:?}", fire(body, USERS, new, Some(&[Datum::Int4(0), Datum::Null])).unwrap()),
            expected
        );
    };
    check(&answering("\\00", 1), Some(&new), "Skip");
    check(&answering("\\02", 1), Some(&new), "GoOn(Some([Int4(1), Text(\"x\")]))");
    check(&row, Some(&new), "GoOn(Some([Int4(7), Text(\"ab\")]))");
    // Of a deleted row there is no NEW to change.
    check(&row, None, "GoOn(None)");
    check(&answering("\\02", 1), None, "GoOn(None)");
    check(&answering("\\00", 1), None, "Skip");
}

#[test]
fn a_modules_answer_that_is_no_row_of_the_table_is_an_error() {
    let new = [Datum::Int4(1), Datum::text("x")];
    for (answer, bytes, state) in [
        // Too few, too many, of the wrong type, cut short, no row at all, nothing.
        (
            "\\11\\01\\00\\00\\00\\03\\07\\00\\00\\00",
            10,
            SqlState::ExternalRoutineInvocationException,
        ),
        ("\\11\\03\\00\\00\\00\\00\\00\\00", 8, SqlState::ExternalRoutineInvocationException),
        ("\\11\\02\\00\\00\\00\\01\\00", 7, SqlState::DatatypeMismatch),
        ("\\11\\02\\00\\00\\00\\03\\07", 7, SqlState::ExternalRoutineInvocationException),
        ("\\11\\ff\\ff\\ff\\ff", 5, SqlState::ExternalRoutineInvocationException),
        ("\\03\\07\\00\\00\\00", 5, SqlState::ERIETriggerProtocolViolated),
        ("\\01", 1, SqlState::ERIETriggerProtocolViolated),
        ("", 0, SqlState::ExternalRoutineInvocationException),
    ] {
        let error = sql_error(fire(&answering(answer, bytes), USERS, Some(&new), None).unwrap_err());
        assert_eq!(error.state(), state, "{answer}: {}", error.message());
    }
    let beyond = module("", "(i64.const -1)");
    let error = sql_error(fire(&beyond, USERS, Some(&new), None).unwrap_err());
    assert_eq!(error.state(), SqlState::ExternalRoutineException);
}

#[test]
fn a_module_over_numbers_is_no_trigger() {
    let error = runtime_error("(module (func (export \"f\") (result i32) (i32.const 1)))");
    assert_eq!(error.state(), SqlState::InvalidFunctionDefinition);
    assert_eq!(
        error.fields().hint.as_deref(),
        Some("f() must be (i32, i32) -> i64, its arguments in memory.")
    );
}

fn runtime_error(body: &str) -> types::SqlError {
    let source = trigger(body);
    on_session_thread(|| runtime().prepare(&source)).err().map(sql_error).unwrap()
}

/// A component whose core function gets the place of an `event` and answers with that of an `outcome`.
fn component(body: &str) -> String {
    format!(
        r#"(component
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
    (export "value" (type $value (eq $v)))))
  (alias export $types "value" (type $value))
  (import "parhelion:function/triggers" (instance $triggers
    (alias outer 1 $value (type $v)) (export "value" (type $value (eq $v)))
    (type $e (record (field "op" string) (field "timing" string) (field "level" string) (field "name" string)
      (field "table-schema" string) (field "table-name" string) (field "arguments" (list string)) (field "columns" (list string))
      (field "new" (option (list $value))) (field "old" (option (list $value)))))
    (export "event" (type $event (eq $e)))
    (type $o (variant (case "go-on") (case "skip") (case "row" (list $value))))
    (export "outcome" (type $outcome (eq $o)))))
  (alias export $triggers "event" (type $event))
  (alias export $triggers "outcome" (type $outcome))
  (core module $m
    (memory (export "memory") 4)
    (global $top (mut i32) (i32.const 65536))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $place i32)
      (local.set $place (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
      (global.set $top (i32.add (local.get $place) (local.get 3)))
      (local.get $place))
    (func (export "f") (param $e i32) (result i32) {body} (i32.const 256)))
  (core instance $i (instantiate $m))
  (func (export "f") (param "event" $event) (result $outcome)
    (canon lift (core func $i "f") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#
    )
}

/// Answers with the row whose option lies so far in the event.
fn answer_row(at: u32) -> String {
    component(&format!(
        "(i32.store8 (i32.const 256) (i32.const 2)) (i32.store (i32.const 260) (i32.load offset={} (local.get $e)))
         (i32.store (i32.const 264) (i32.load offset={} (local.get $e)))",
        at + 4,
        at + 8
    ))
}

#[test]
fn a_components_outcome_skips_keeps_or_changes_the_row() {
    let new = [Datum::Int4(1), Datum::text("new")];
    let old = [Datum::Int4(2), Datum::Null];
    let check = |body: &str, new: Option<&[Datum]>, old: Option<&[Datum]>, expected: &str| {
        assert_eq!(format!("{:?}", fire(body, USERS, new, old).unwrap()), expected);
    };
    let (go_on, skip) = (component(""), component("(i32.store8 (i32.const 256) (i32.const 1))"));
    check(&go_on, Some(&new), None, "GoOn(Some([Int4(1), Text(\"new\")]))");
    check(&go_on, None, Some(&old), "GoOn(None)");
    check(&skip, Some(&new), None, "Skip");
    check(&answer_row(64), Some(&new), Some(&old), "GoOn(Some([Int4(1), Text(\"new\")]))");
    check(&answer_row(76), Some(&new), Some(&old), "GoOn(Some([Int4(2), Null]))");
    // No NEW: no row to answer with, and none is taken.
    let error = sql_error(fire(&answer_row(64), USERS, None, Some(&old)).unwrap_err());
    assert_eq!(error.state(), SqlState::ERIETriggerProtocolViolated);
    assert_eq!(
        error.message(),
        "trigger function f() returned 0 values where the table has 2 columns"
    );
}

#[test]
fn every_type_of_a_row_comes_back_from_a_component() {
    let columns = [
        ("a", Type::Bool),
        ("b", Type::Int2),
        ("c", Type::Int8),
        ("d", Type::Float8),
        ("e", Type::Numeric),
        ("f", Type::Bytea),
        ("g", Type::Date),
        ("h", Type::Timestamptz),
        ("i", Type::Interval),
        ("j", Type::Uuid),
        ("k", Type::Jsonb),
        ("l", Type::Array(&Type::Int4)),
        ("m", Type::Varchar),
    ];
    let parse = |ty: Type, text: &str| types::text::parse(ty, types::NO_TYPMOD, text, &types::text::TextStyle::default()).unwrap();
    let row = [
        Datum::Bool(true),
        Datum::Int2(-1),
        Datum::Int8(1 << 40),
        Datum::Float8(0.1),
        parse(Type::Numeric, "1.50"),
        Datum::Bytea(vec![0, 255]),
        Datum::Date(-1),
        Datum::Timestamptz(1),
        parse(Type::Interval, "1 mon -2 days 03:00:00"),
        Datum::Uuid([9; 16]),
        parse(Type::Jsonb, "{\"a\": [1, null]}"),
        Datum::array(Type::Int4, vec![Datum::Int4(1), Datum::Null]),
        Datum::text("v"),
    ];
    let TriggerRow::GoOn(Some(back)) = fire(&answer_row(64), &columns, Some(&row), None).unwrap() else {
        panic!("no row came back");
    };
    assert_eq!(format!("{back:?}"), format!("{row:?}"));
}
