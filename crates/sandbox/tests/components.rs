//! Functions that are WebAssembly components: what is accepted, how values cross, what the host is asked, and what a hostile one gets.

mod common;

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::*;
use policy::{Capability, Limits};
use sandbox::{Error, FunctionSource, Language, Limit, Prepared};
use types::text::TextStyle;
use types::{Array, Datum, NO_TYPMOD, SqlError, SqlState, Type};

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

#[test]
fn every_scalar_type_crosses_both_ways_as_it_is() {
    for (ty, interface, core, value) in [
        (Type::Bool, "bool", "i32", Datum::Bool(true)),
        (Type::Bool, "bool", "i32", Datum::Bool(false)),
        (Type::Int2, "s16", "i32", Datum::Int2(i16::MIN)),
        (Type::Int4, "s32", "i32", Datum::Int4(i32::MIN)),
        (Type::Int8, "s64", "i64", Datum::Int8(i64::MIN)),
        (Type::Float4, "f32", "f32", Datum::Float4(f32::MIN_POSITIVE)),
        (Type::Float8, "f64", "f64", Datum::Float8(-0.0)),
        (Type::Float8, "f64", "f64", Datum::Float8(f64::NEG_INFINITY)),
        (Type::Oid, "u32", "i32", Datum::Oid(u32::MAX)),
    ] {
        let expected = format!("{value:?}");
        gives(&echo_number(interface, core), &[(ty, value)], ty, &expected);
    }
    for (ty, text) in [
        (Type::Text, ""),
        (Type::Text, "naïve \u{1F600}"),
        (Type::Varchar, "v"),
        (Type::Bpchar, "b"),
        (Type::Char, "c"),
        (Type::Name, "n"),
        (Type::Numeric, "-0.000000000000000000000000000001234567890123456789"),
        (Type::Numeric, "NaN"),
        (Type::Numeric, "1.500"),
        (Type::Json, "{\"b\": 1.0, \"a\" : 12345678901234567890}"),
        (Type::Jsonb, "{\"a\": 12345678901234567890, \"b\": 1.0}"),
        (Type::Date, "2026-02-28"),
        (Type::Date, "infinity"),
        (Type::Time, "23:59:59.999999"),
        (Type::Timestamp, "0044-03-15 12:00:00 BC"),
        (Type::Timestamptz, "2026-01-31 10:00:00.000001+00"),
        (Type::Interval, "1 year 2 mons -3 days +04:05:06.000007"),
        (Type::Uuid, "123e4567-e89b-12d3-a456-426614174000"),
    ] {
        let value = parsed(ty, text);
        let expected = format!("{value:?}");
        gives(&echo_pair("string"), &[(ty, value)], ty, &expected);
    }
    let bytes = Datum::Bytea(vec![0, 255, 1]);
    let expected = format!("{bytes:?}");
    gives(&echo_pair("(list u8)"), &[(Type::Bytea, bytes)], Type::Bytea, &expected);
    gives(&plain("", ""), &[], Type::Void, "Null");
}

#[test]
fn a_text_in_is_postgresqls_own_form() {
    let echo = echo_pair("string");
    for (ty, text) in [
        (Type::Timestamptz, "2026-01-31 10:00:00+00"),
        (Type::Interval, "1 day 02:00:00"),
        (Type::Numeric, "1.50"),
        (Type::Jsonb, "{\"a\": 1}"),
    ] {
        gives(&echo, &[(ty, parsed(ty, text))], Type::Text, &format!("Text({text:?})"));
    }
}

#[test]
fn null_has_a_place_in_an_option_and_nowhere_else() {
    let number = |ty: &str, core: &str, at: u32| echo_option(ty, core, &format!("({core}.store (i32.const {at}) (local.get 1))"));
    for (ty, body, value) in [
        (Type::Int4, number("s32", "i32", 260), Datum::Int4(-7)),
        (Type::Int8, number("s64", "i64", 264), Datum::Int8(1 << 40)),
        (Type::Float8, number("f64", "f64", 264), Datum::Float8(0.5)),
        (
            Type::Text,
            echo_option(
                "string",
                "i32 i32",
                "(i32.store (i32.const 260) (local.get 1)) (i32.store (i32.const 264) (local.get 2))",
            ),
            Datum::text("there"),
        ),
    ] {
        let expected = format!("{value:?}");
        gives(&body, &[(ty, value)], ty, &expected);
        gives(&body, &[(ty, Datum::Null)], ty, "Null");
    }
    // Without one the function is not called, as if it were declared STRICT.
    let trap = plain("(param \"x\" s32) (result s32)", "(param i32) (result i32) unreachable");
    gives(&trap, &[(Type::Int4, Datum::Null)], Type::Int4, "Null");
    fails(
        &trap,
        &[(Type::Int4, Datum::Int4(1))],
        Type::Int4,
        SqlState::ExternalRoutineException,
        "unreachable",
    );
    let mixed = plain(
        "(param \"x\" (option s32)) (param \"y\" s32) (result s32)",
        "(param i32 i32 i32) (result i32) (local.get 0)",
    );
    gives(
        &mixed,
        &[(Type::Int4, Datum::Null), (Type::Int4, Datum::Int4(1))],
        Type::Int4,
        "Int4(0)",
    );
    gives(
        &mixed,
        &[(Type::Int4, Datum::Int4(1)), (Type::Int4, Datum::Null)],
        Type::Int4,
        "Null",
    );
}

fn int4(value: i32) -> Datum {
    Datum::Int4(value)
}

#[test]
fn arrays_are_lists_and_lists_of_lists() {
    let ints = Type::Array(&Type::Int4);
    let list = echo_pair("(list s32)");
    let flat = Datum::array(Type::Int4, vec![int4(1), int4(-2)]);
    gives(&list, &[(ints, flat.clone())], ints, &format!("{flat:?}"));
    let empty = Datum::array(Type::Int4, vec![]);
    gives(&list, &[(ints, empty.clone())], ints, &format!("{empty:?}"));
    gives(&list, &[(ints, Datum::Null)], ints, "Null");
    let holes = Datum::array(Type::Int4, vec![int4(1), Datum::Null]);
    fails(
        &list,
        &[(ints, holes.clone())],
        ints,
        SqlState::NullValueNotAllowed,
        "null array element not allowed",
    );
    gives(
        &echo_pair("(list (option s32))"),
        &[(ints, holes.clone())],
        ints,
        &format!("{holes:?}"),
    );

    let matrix = Datum::Array(Box::new(Array {
        element: Type::Int4,
        dims: vec![(2, 1), (3, 1)],
        values: (1..=6).map(int4).collect(),
    }));
    gives(
        &echo_pair("(list (list s32))"),
        &[(ints, matrix.clone())],
        ints,
        &format!("{matrix:?}"),
    );
    fails(
        &list,
        &[(ints, matrix)],
        ints,
        SqlState::ArrayElementError,
        "an array of 2 dimensions where the component takes 1",
    );
    fails(
        &echo_pair("(list (list s32))"),
        &[(ints, flat)],
        ints,
        SqlState::ArrayElementError,
        "takes 2",
    );

    let texts = Type::Array(&Type::Text);
    let words = Datum::array(Type::Text, vec![Datum::text("a"), Datum::text(""), Datum::text("\u{1F600}")]);
    gives(&echo_pair("(list string)"), &[(texts, words.clone())], texts, &format!("{words:?}"));
    let days = Type::Array(&Type::Date);
    let dates = Datum::array(Type::Date, vec![Datum::Date(1), Datum::Date(-1)]);
    gives(&echo_pair("(list string)"), &[(days, dates.clone())], days, &format!("{dates:?}"));
    let byteas = Type::Array(&Type::Bytea);
    let bytes = Datum::array(Type::Bytea, vec![Datum::Bytea(vec![1]), Datum::Bytea(vec![])]);
    gives(
        &echo_pair("(list (list u8))"),
        &[(byteas, bytes.clone())],
        byteas,
        &format!("{bytes:?}"),
    );
    let bools = Type::Array(&Type::Bool);
    let flags = Datum::array(Type::Bool, vec![Datum::Bool(true), Datum::Null]);
    gives(
        &echo_pair("(list (option bool))"),
        &[(bools, flags.clone())],
        bools,
        &format!("{flags:?}"),
    );

    // [[1], [1, 2]] of the component's own making.
    let ragged = with_memory(
        "(result (list (list s32)))",
        "(result i32) (i32.const 16)",
        r#"(data (i32.const 16) "\20\00\00\00\02\00\00\00") (data (i32.const 32) "\40\00\00\00\01\00\00\00\40\00\00\00\02\00\00\00")
           (data (i32.const 64) "\01\00\00\00\02\00\00\00")"#,
    );
    fails(&ragged, &[], ints, SqlState::ArrayElementError, "lists of different lengths");
}

#[test]
fn a_result_that_the_type_does_not_have_is_an_error() {
    let constant = |text: &str| {
        with_memory(
            "(result string)",
            "(result i32) (i32.const 16)",
            &format!(
                "(data (i32.const 16) \"\\20\\00\\00\\00\\{:02x}\\00\\00\\00\") (data (i32.const 32) \"{text}\")",
                text.len()
            ),
        )
    };
    gives(
        &constant("12.50"),
        &[],
        Type::Numeric,
        &format!("{:?}", parsed(Type::Numeric, "12.50")),
    );
    for (returns, text, state, message) in [
        (
            Type::Numeric,
            "twelve",
            SqlState::InvalidTextRepresentation,
            "invalid input syntax for type numeric",
        ),
        (Type::Date, "2026-02-30", SqlState::DatetimeFieldOverflow, "out of range"),
        (
            Type::Jsonb,
            "{",
            SqlState::InvalidTextRepresentation,
            "invalid input syntax for type json",
        ),
        (
            Type::Uuid,
            "1",
            SqlState::InvalidTextRepresentation,
            "invalid input syntax for type uuid",
        ),
    ] {
        fails(&constant(text), &[], returns, state, message);
    }
    let zero = with_memory(
        "(result string)",
        "(result i32) (i32.const 16)",
        r#"(data (i32.const 16) "\20\00\00\00\01\00\00\00")"#,
    );
    fails(&zero, &[], Type::Text, SqlState::CharacterNotInRepertoire, "zero character");
}

/// `result<s32, string>` from a core function that answers with a place; the ok is 7, the error "no".
fn fallible(core: &str) -> String {
    with_memory(
        "(param \"x\" s32) (result (result s32 (error string)))",
        &format!("(param i32) (result i32) {core}"),
        r#"(data (i32.const 16) "\00\00\00\00\07\00\00\00") (data (i32.const 32) "\01\00\00\00\30\00\00\00\02\00\00\00") (data (i32.const 48) "no")"#,
    )
}

#[test]
fn the_error_of_a_result_is_thrown_and_the_next_row_goes_on() {
    let choose = fallible("(select (i32.const 16) (i32.const 32) (local.get 0))");
    gives(&choose, &[(Type::Int4, int4(1))], Type::Int4, "Int4(7)");
    let error = fails(
        &choose,
        &[(Type::Int4, int4(0))],
        Type::Int4,
        SqlState::ExternalRoutineException,
        "no",
    );
    assert_eq!(error.fields().context.as_deref(), Some("WebAssembly function f(integer)"));
    on_session_thread(|| {
        let prepared = runtime().prepare(&component(&choose, &[Type::Int4], Type::Int4)).unwrap();
        let mut instance = runtime().instantiate(&prepared, context(&Arc::default(), wasm_limits())).unwrap();
        assert!(instance.call(&[vec![int4(0)]]).is_err());
        assert!(matches!(instance.call(&[vec![int4(1)]]).unwrap()[..], [Datum::Int4(7)]));
    });
    let nothing = with_memory(
        "(result (result (error string)))",
        "(result i32) (i32.const 32)",
        r#"(data (i32.const 32) "\01\00\00\00\30\00\00\00\02\00\00\00") (data (i32.const 48) "no")"#,
    );
    fails(&nothing, &[], Type::Void, SqlState::ExternalRoutineException, "no");
}

#[test]
fn sets_and_tables_are_lists() {
    let rows = |source: &FunctionSource, args: &[Datum], batch: usize| -> Result<Vec<String>, Error> {
        on_session_thread(|| {
            let prepared = runtime().prepare(source)?;
            let mut instance = runtime().instantiate(&prepared, context(&Arc::default(), wasm_limits()))?;
            instance.call_set(args)?;
            let mut all = Vec::new();
            loop {
                let rows = instance.next_rows(batch)?;
                if rows.is_empty() {
                    return Ok(all);
                }
                assert!(rows.len() <= batch);
                all.extend(rows.iter().map(|row| format!("{row:?}")));
            }
        })
    };
    let set = FunctionSource {
        set: true,
        ..component(&echo_pair("(list s32)"), &[Type::Array(&Type::Int4)], Type::Int4)
    };
    let given = Datum::array(Type::Int4, vec![int4(1), int4(2), int4(3)]);
    assert_eq!(rows(&set, &[given], 2).unwrap(), ["Int4(1)", "Int4(2)", "Int4(3)"]);
    assert!(rows(&set, &[Datum::Null], 2).unwrap().is_empty());

    let data = r#"(data (i32.const 16) "\20\00\00\00\02\00\00\00") (data (i32.const 32) "\01\00\00\00\41\00\00\00\02\00\00\00\02\00\00\00\41\00\00\00\00\00\00\00") (data (i32.const 65) "ab")"#;
    let table = |ty: &str| FunctionSource {
        set: true,
        columns: vec![("id".into(), Type::Int4), ("full_name".into(), Type::Text)],
        ..component(
            &with_memory(&format!("(result (list {ty}))"), "(result i32) (i32.const 16)", data),
            &[],
            Type::Record,
        )
    };
    let expected = ["Record([Int4(1), Text(\"ab\")])", "Record([Int4(2), Text(\"\")])"];
    assert_eq!(rows(&table("(tuple s32 string)"), &[], 10).unwrap(), expected);
    let wrong = prepare_source(&table("(tuple s32 s32)")).err().map(sql_error).unwrap();
    assert_eq!(
        wrong
            .fields()
            .hint
            .as_deref()
            .map(|hint| hint.contains("f() must be () -> list<tuple<s32, string>>")),
        Some(true)
    );
}

#[test]
fn the_name_is_the_sql_functions_with_hyphens() {
    let body = plain("(result s32)", "(result i32) (i32.const 1)")
        .replace("(func (export \"f\") (result s32)", "(func (export \"fraud-score\") (result s32)");
    let named = FunctionSource {
        name: "fraud_score".into(),
        ..component(&body, &[], Type::Int4)
    };
    assert!(prepare_source(&named).is_ok());
    let missing = refused(
        &body,
        &[],
        Type::Int4,
        SqlState::InvalidFunctionDefinition,
        "does not export a function named \"f\"",
    );
    assert_eq!(missing.fields().hint.as_deref(), Some("It exports \"fraud-score\"."));
}

#[test]
fn what_is_no_good_component_is_refused_with_its_reason() {
    let invalid = SqlState::InvalidFunctionDefinition;
    let int = Type::Int4;
    let missing = refused(
        "(component)",
        &[],
        int,
        invalid,
        "the component does not export a function named \"f\"",
    );
    assert_eq!(missing.fields().hint.as_deref(), Some("It exports no functions."));
    refused("\\x0061736d0d000100", &[], int, invalid, "does not export a function named \"f\"");
    refused("\\x0061736d0d00010007", &[], int, invalid, "the body is not a valid WebAssembly");
    refused(
        "(component (core module $m (func (export \"f\") (result i32))))",
        &[],
        int,
        invalid,
        "not a valid WebAssembly component",
    );
    let wrong = refused(
        &plain("(param \"x\" s64) (result s32)", "(param i64) (result i32) (i32.const 1)"),
        &[int],
        int,
        invalid,
        "the component's function \"f\" has the wrong signature It is (s64) -> s32.",
    );
    let hint = wrong.fields().hint.clone().unwrap();
    assert!(hint.starts_with("f(integer) must be (s32) -> s32."), "{hint}");
    for (ty, core, args, returns) in [
        ("(result s32)", "(result i32) (i32.const 1)", vec![int], int),
        ("(param \"x\" s32)", "(param i32)", vec![int], int),
        (
            "(param \"x\" s32) (result s32)",
            "(param i32) (result i32) (i32.const 1)",
            vec![int],
            Type::Void,
        ),
        (
            "(param \"x\" u32) (result s32)",
            "(param i32) (result i32) (i32.const 1)",
            vec![int],
            int,
        ),
        (
            "(param \"x\" s32) (result s32)",
            "(param i32) (result i32) (i32.const 1)",
            vec![Type::Text],
            int,
        ),
        (
            "(param \"x\" char) (result s32)",
            "(param i32) (result i32) (i32.const 1)",
            vec![Type::Text],
            int,
        ),
        (
            "(param \"x\" s32) (result s32)",
            "(param i32) (result i32) (i32.const 1)",
            vec![Type::Array(&Type::Int4)],
            int,
        ),
        (
            "(param \"x\" (tuple s32)) (result s32)",
            "(param i32) (result i32) (i32.const 1)",
            vec![int],
            int,
        ),
    ] {
        refused(&plain(ty, core), &args, returns, invalid, "has the wrong signature");
    }
    let deep = "(option ".repeat(40) + "s32" + &")".repeat(40);
    refused(
        &with_memory(&format!("(result {deep})"), "(result i32) (i32.const 16)", ""),
        &[],
        int,
        invalid,
        "has the wrong signature",
    );
    let no_trigger = refused(
        &plain("(result s32)", "(result i32) (i32.const 1)"),
        &[],
        Type::Trigger,
        invalid,
        "has the wrong signature",
    );
    let hint = no_trigger.fields().hint.clone().unwrap();
    assert!(
        hint.starts_with("f() must be (event) -> outcome, of \"parhelion:function/triggers\"."),
        "{hint}"
    );
}

#[test]
fn what_is_not_taken_is_named() {
    let unsupported = SqlState::FeatureNotSupported;
    let with = |part: &str| {
        format!(
            "(component {part} (core module $m (func (export \"f\"))) (core instance $i (instantiate $m)) (func (export \"f\") (canon lift (core func $i \"f\"))))"
        )
    };
    for (part, message) in [
        ("(component)", "another component in it"),
        ("(import \"m\" (core module))", "core module"),
        ("(import \"c\" (component))", "component"),
        ("(type (resource (rep i32)))", "resources"),
        ("(type $r (resource (rep i32))) (core func (canon resource.drop $r))", "resources"),
        ("(import \"r\" (type $r (sub resource))) (type (own $r))", "resources"),
        ("(type (stream u8))", "asynchronous functions"),
        ("(core type (module))", "types of core modules"),
        (
            "(core module $a (memory 1)) (core instance (instantiate $a)) (core instance (instantiate $a))",
            "more than one memory",
        ),
    ] {
        refused(&with(part), &[], Type::Void, unsupported, message);
    }
}

#[test]
fn imports_are_the_hosts_own_or_nothing() {
    let invalid = SqlState::InvalidFunctionDefinition;
    let with = |import: &str| {
        format!(
            "(component {import} (core module $m (func (export \"f\"))) (core instance $i (instantiate $m)) (func (export \"f\") (canon lift (core func $i \"f\"))))"
        )
    };
    for (import, message) in [
        ("(import \"run\" (func))", "imports \"run\", which does not exist"),
        (
            "(import \"wasi:cli/environment@0.2.0\" (instance))",
            "imports \"wasi:cli/environment@0.2.0\", which does not exist",
        ),
        (
            "(import \"parhelion:function/shell\" (instance))",
            "imports \"parhelion:function/shell\", which does not exist",
        ),
        (
            "(import \"parhelion:function/clock\" (instance (export \"set\" (func))))",
            "imports \"set\" of \"parhelion:function/clock\", which does not exist",
        ),
        (
            "(import \"parhelion:function/types\" (instance (export \"query\" (func))))",
            "imports \"query\" of \"parhelion:function/types\", which does not exist",
        ),
        (
            "(import \"parhelion:function/clock\" (instance (export \"now\" (func (result u64)))))",
            "imports \"now\" of \"parhelion:function/clock\" as () -> u64, but it is () -> s64",
        ),
        (
            "(import \"parhelion:function/env\" (instance (export \"get\" (func (param \"name\" string) (result (option string))))))",
            "as (string) -> option<string>, but it is (name: string) -> result<option<string>, error>",
        ),
        (
            "(import \"parhelion:function/clock\" (instance (export \"inner\" (instance))))",
            "which is no function",
        ),
    ] {
        refused(&with(import), &[], Type::Void, invalid, message);
    }
    let wasi = refused(
        &with("(import \"wasi:io/error@0.2.0\" (instance))"),
        &[],
        Type::Void,
        invalid,
        "wasi:io/error@0.2.0",
    );
    assert!(wasi.fields().hint.as_deref().unwrap().contains("build for wasm32-unknown-unknown"));
    gives(
        &with("(import \"parhelion:function/clock\" (instance (export \"now\" (func (result s64)))))"),
        &[],
        Type::Void,
        "Null",
    );
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

#[test]
fn a_query_goes_the_way_of_every_query() {
    let returns = Type::Array(&Type::Text);
    gives(&query("users", 0, ""), &[], returns, &texts(&["id", "name"]));
    let denied = fails(
        &query("secret", 0, ""),
        &[],
        returns,
        SqlState::InsufficientPrivilege,
        "lacks capability DATABASE_READ('secret')",
    );
    assert_eq!(
        denied.fields().hint.as_deref(),
        Some("ALTER FUNCTION f GRANT CAPABILITY DATABASE_READ('secret');")
    );
    assert_eq!(denied.fields().context.as_deref(), Some("WebAssembly function f()"));

    // Values of 24 bytes: a case, and what it holds from byte 8 on.
    let mut values = String::new();
    for (number, value) in [
        "\\00",
        "\\01\\00\\00\\00\\00\\00\\00\\00\\01",
        "\\02\\00\\00\\00\\00\\00\\00\\00\\ff\\ff",
        "\\03\\00\\00\\00\\00\\00\\00\\00\\2a\\00\\00\\00",
        "\\04\\00\\00\\00\\00\\00\\00\\00\\ff\\ff\\ff\\ff\\ff\\ff\\ff\\ff",
        "\\05\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\3f",
        "\\06\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\e0\\3f",
        "\\07\\00\\00\\00\\00\\00\\00\\00\\00\\0c\\00\\00\\03\\00\\00\\00",
        "\\08\\00\\00\\00\\00\\00\\00\\00\\00\\0c\\00\\00\\03\\00\\00\\00",
        "\\09\\00\\00\\00\\00\\00\\00\\00\\00\\0c\\00\\00\\03\\00\\00\\00",
        "\\0a\\00\\00\\00\\00\\00\\00\\00\\10\\0c\\00\\00\\0a\\00\\00\\00",
        "\\10\\00\\00\\00\\00\\00\\00\\00\\00\\0c\\00\\00\\03\\00\\00\\00",
        // The array {42}, whose element lies at 3200.
        "\\11\\00\\00\\00\\00\\00\\00\\00\\20\\0c\\00\\00\\01\\00\\00\\00\\80\\0c\\00\\00\\01\\00\\00\\00",
    ]
    .iter()
    .enumerate()
    {
        write!(values, "(data (i32.const {}) \"{value}\")", 2048 + 24 * number).unwrap();
    }
    values.push_str("(data (i32.const 3072) \"1.5\") (data (i32.const 3088) \"2026-01-31\") (data (i32.const 3104) \"\\01\\00\\00\\00\")");
    values.push_str("(data (i32.const 3200) \"\\03\\00\\00\\00\\00\\00\\00\\00\\2a\\00\\00\\00\")");
    let world: Arc<World> = Arc::default();
    run_in(&world, wasm_limits(), &query("echo", 13, &values), &[], returns).unwrap();
    let statements = world.statements.lock().unwrap();
    let expected = vec![
        Datum::Null,
        Datum::Bool(true),
        Datum::Int2(-1),
        Datum::Int4(42),
        Datum::Int8(-1),
        Datum::Float4(0.5),
        Datum::Float8(0.5),
        parsed(Type::Numeric, "1.5"),
        Datum::text("1.5"),
        Datum::Bytea(b"1.5".to_vec()),
        parsed(Type::Date, "2026-01-31"),
        Datum::Json("1.5".into()),
        Datum::array(Type::Int4, vec![int4(42)]),
    ];
    assert_eq!(format!("{:?}", statements[0]), format!("{:?}", ("echo".to_string(), expected)));
}

#[test]
fn a_parameter_that_is_no_value_is_a_refusal() {
    let returns = Type::Array(&Type::Text);
    let one = |value: &str| {
        query(
            "echo",
            1,
            &format!("(data (i32.const 2048) \"{value}\") (data (i32.const 3072) \"x\\00\")"),
        )
    };
    fails(
        &one("\\0f\\00\\00\\00\\00\\00\\00\\00\\00\\0c\\00\\00\\01\\00\\00\\00"),
        &[],
        returns,
        SqlState::InvalidTextRepresentation,
        "invalid input syntax for type uuid",
    );
    fails(
        &one("\\08\\00\\00\\00\\00\\00\\00\\00\\00\\0c\\00\\00\\02\\00\\00\\00"),
        &[],
        returns,
        SqlState::CharacterNotInRepertoire,
        "zero character",
    );
    // Two lengths of four billion, and no elements.
    fails(
        &query(
            "echo",
            1,
            "(data (i32.const 2048) \"\\11\\00\\00\\00\\00\\00\\00\\00\\00\\0c\\00\\00\\02\\00\\00\\00\") (data (i32.const 3072) \"\\ff\\ff\\ff\\ff\\ff\\ff\\ff\\ff\")",
        ),
        &[],
        returns,
        SqlState::ArrayElementError,
        "an array",
    );
    // A case that the variant does not have ends the component.
    fails(
        &one("\\63"),
        &[],
        returns,
        SqlState::ExternalRoutineInvocationException,
        "discriminant",
    );
}

#[test]
fn host_functions_ask_the_gate_and_leave_the_same_record() {
    let get = importing(
        "env",
        "(alias outer 1 $error (type $e)) (export \"error\" (type $error (eq $e)))
         (export \"get\" (func (param \"name\" string) (result (result (option string) (error $error)))))",
        "get",
        "(param i32 i32 i32)",
        "(result (result (option string) (error $error)))",
        "(result i32) (call $g (i32.const 1024) (i32.const 7) (i32.const 512)) (i32.const 512)",
        "(data (i32.const 1024) \"API_URL\")",
    );
    let javascript = "function f() { return heliosdb.env.get('API_URL') }";
    let capability = || Capability::EnvAccess;
    let both = |world: &dyn Fn() -> Arc<World>| {
        let (ours, theirs) = (world(), world());
        let component = run_in(&ours, wasm_limits(), &get, &[], Type::Text);
        let script = call_in(&theirs, limits(), javascript, &[], Type::Text);
        assert_eq!(ours.checks(), theirs.checks());
        (component, script)
    };
    let (component, script) = both(&|| World::holding(capability()));
    assert_eq!(format!("{:?}", component.unwrap()), format!("{:?}", script.unwrap()));
    let (component, script) = both(&Arc::default);
    let (component, script) = (sql_error(component.unwrap_err()), sql_error(script.unwrap_err()));
    assert_eq!(component.state(), SqlState::InsufficientPrivilege);
    assert_eq!(component.message(), script.message());
    assert_eq!(component.fields().hint, script.fields().hint);
}

#[test]
fn messages_and_the_clock_are_there_without_a_capability() {
    let world: Arc<World> = Arc::default();
    let log = importing(
        "log",
        "(type $l (enum \"debug\" \"info\" \"warn\" \"error\")) (export \"level\" (type $level (eq $l)))
         (export \"log\" (func (param \"level\" $level) (param \"message\" string)))",
        "log",
        "(param i32 i32 i32)",
        "",
        "(call $g (i32.const 2) (i32.const 1024) (i32.const 5))",
        "(data (i32.const 1024) \"hello\")",
    );
    run_in(&world, wasm_limits(), &log, &[], Type::Void).unwrap();
    assert_eq!(format!("{:?}", world.messages.lock().unwrap()), "[(Warning, \"hello\")]");
    let now = importing(
        "clock",
        "(export \"now\" (func (result s64)))",
        "now",
        "(result i64)",
        "(result s64)",
        "(result i64) (call $g)",
        "",
    );
    gives(&now, &[], Type::Int8, &format!("Int8({TIMESTAMP})"));
}

#[test]
fn storage_and_calls_of_others_work() {
    let world: Arc<World> = Arc::default();
    let result = |ok: &str| format!("(result (result {ok} (error $error)))");
    let error = "(alias outer 1 $error (type $e)) (export \"error\" (type $error (eq $e)))";
    let set = importing(
        "storage",
        &format!(
            "{error} (export \"set\" (func (param \"key\" string) (param \"value\" string) {}))",
            result("")
        ),
        "set",
        "(param i32 i32 i32 i32 i32)",
        &result(""),
        "(result i32) (call $g (i32.const 1024) (i32.const 1) (i32.const 1025) (i32.const 7) (i32.const 512)) (i32.const 512)",
        "(data (i32.const 1024) \"k{\\22a\\22:1}\")",
    );
    run_in(&world, wasm_limits(), &set, &[], Type::Void).unwrap();
    assert_eq!(world.stored.lock().unwrap().get("k").map(String::as_str), Some("{\"a\":1}"));
    let bad = set.replace("k{", "k[");
    fails(
        &bad,
        &[],
        Type::Void,
        SqlState::InvalidTextRepresentation,
        "invalid input syntax for type json",
    );
    let keys = importing(
        "storage",
        &format!(
            "{error} (export \"keys\" (func (param \"prefix\" string) {}))",
            result("(list string)")
        ),
        "keys",
        "(param i32 i32 i32)",
        &result("(list string)"),
        "(result i32) (call $g (i32.const 1024) (i32.const 0) (i32.const 512)) (i32.const 512)",
        "",
    );
    let found = run_in(&world, wasm_limits(), &keys, &[], Type::Array(&Type::Text)).unwrap();
    assert_eq!(format!("{found:?}"), texts(&["k"]));

    // heliosdb.call('describe', 42::smallint): the answer is a value, of which the text begins at byte 8 of the ok, itself at 8.
    let call = importing(
        "call",
        &format!(
            "(alias outer 1 $value (type $v)) (export \"value\" (type $value (eq $v))) {error}
             (export \"call\" (func (param \"name\" string) (param \"arguments\" (list $value)) {}))",
            result("$value")
        ),
        "call",
        "(param i32 i32 i32 i32 i32)",
        "(result string)",
        "(result i32) (call $g (i32.const 1024) (i32.const 8) (i32.const 2048) (i32.const 1) (i32.const 512)) (i32.const 528)",
        "(data (i32.const 1024) \"describe\") (data (i32.const 2048) \"\\02\\00\\00\\00\\00\\00\\00\\00\\2a\\00\")",
    );
    let answer = run(&call, &[], Type::Text).unwrap();
    assert!(format!("{answer:?}").contains("Int2(42)"), "{answer:?}");
}

/// What tools make of docs/parhelion.wit: a component of a world that includes all of it, whose functions all trap.
#[test]
fn a_component_that_imports_everything_is_taken() {
    let binary = include_bytes!("components/every_import.wasm");
    let body = binary.iter().fold(String::from("\\x"), |mut body, byte| {
        write!(body, "{byte:02x}").unwrap();
        body
    });
    fails(&body, &[], Type::Text, SqlState::ExternalRoutineException, "unreachable");
}

/// Whatever a component's bytes are, it is refused, or runs and ends, and nothing of it is our fault.
#[test]
fn no_bytes_of_a_component_can_do_harm() {
    let whole = include_bytes!("components/every_import.wasm");
    let mut state = 42u64;
    let mut random = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    let short = Limits {
        instructions: 100_000,
        ..wasm_limits()
    };
    let mut accepted = 0;
    for _ in 0..400 {
        let mut binary = whole.to_vec();
        match random() % 4 {
            0 => binary.truncate(random() % whole.len()),
            1 => {
                let at = random() % whole.len();
                let from = random() % whole.len();
                let piece: Vec<u8> = whole[from..].iter().take(random() % 64).copied().collect();
                binary.splice(at..at, piece);
            }
            _ => {
                for _ in 0..=random() % 3 {
                    let at = random() % whole.len();
                    binary[at] = if random() % 2 == 0 {
                        random() as u8
                    } else {
                        binary[at] ^ (1 << (random() % 8))
                    };
                }
            }
        }
        let body = binary.iter().fold(String::from("\\x"), |mut body, byte| {
            write!(body, "{byte:02x}").unwrap();
            body
        });
        match run_in(&Arc::default(), short, &body, &[], Type::Text) {
            Ok(_) => accepted += 1,
            Err(error) => {
                let error = sql_error(error);
                assert_ne!(error.state(), SqlState::InternalError, "{}: {body}", error.message());
                accepted += usize::from(error.state() == SqlState::ExternalRoutineException);
            }
        }
    }
    // Names and unused types may change: not all that is changed is broken.
    assert!(accepted > 0);
}

#[test]
fn limits_end_a_component_wherever_it_is() {
    let short = Limits {
        cpu_time_ms: 200,
        ..wasm_limits()
    };
    let endless = "(loop (br 0)) unreachable";
    hits(short, &plain("(result s32)", &format!("(result i32) {endless}")), Limit::CpuTime);
    // While the host asks it for memory, and when it is told that its result was taken.
    let allocating = format!(
        r#"(component
  (core module $m (memory (export "memory") 1) (func (export "realloc") (param i32 i32 i32 i32) (result i32) {endless})
    (func (export "f") (param i32 i32) (result i32) (i32.const 1)))
  (core instance $i (instantiate $m))
  (func (export "f") (param "x" string) (result s32)
    (canon lift (core func $i "f") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#
    );
    match run_in(&Arc::default(), short, &allocating, &[(Type::Text, Datum::text("x"))], Type::Int4) {
        Err(Error::Limit { limit: Limit::CpuTime, .. }) => {}
        other => panic!("{other:?}"),
    }
    let returning = format!(
        r#"(component
  (core module $m (func (export "f") (result i32) (i32.const 1)) (func (export "done") (param i32) {endless}))
  (core instance $i (instantiate $m))
  (func (export "f") (result s32) (canon lift (core func $i "f") (post-return (core func $i "done")))))"#
    );
    hits(short, &returning, Limit::CpuTime);
    let few = Limits {
        instructions: 10_000,
        ..wasm_limits()
    };
    hits(few, &plain("(result s32)", &format!("(result i32) {endless}")), Limit::Instructions);
    hits(wasm_limits(), &plain("(result s32)", "(result i32) (call 0)"), Limit::Stack);
    let greedy = with_memory(
        "(result s32)",
        "(result i32) (loop (drop (memory.grow (i32.const 16))) (br 0)) unreachable",
        "",
    );
    hits(wasm_limits(), &greedy, Limit::Memory);
    // A start function runs when the function is created.
    let starting = plain("(result s32)", "(result i32) (i32.const 1))(func $s (loop (br 0))) (start $s");
    let error = prepare_source(&component(&starting, &[], Type::Int4)).err().map(sql_error).unwrap();
    assert_eq!(error.state(), SqlState::QueryCanceled);
}

#[test]
fn forged_values_are_refused() {
    let broken = SqlState::ExternalRoutineInvocationException;
    let answer = |ty: &str, bytes: &str| {
        with_memory(
            &format!("(result {ty})"),
            "(result i32) (i32.const 16)",
            &format!("(data (i32.const 16) \"{bytes}\") (data (i32.const 32) \"\\ff\\fe\")"),
        )
    };
    let ints = Type::Array(&Type::Int4);
    for (body, returns) in [
        // A list of two billion at 16, a string beyond the memory, one that wraps around, one that is no UTF-8.
        (answer("(list s32)", "\\10\\00\\00\\00\\ff\\ff\\ff\\7f"), ints),
        (answer("string", "\\00\\00\\ff\\ff\\08\\00\\00\\00"), Type::Text),
        (answer("string", "\\ff\\ff\\ff\\ff\\ff\\ff\\ff\\ff"), Type::Text),
        (answer("string", "\\20\\00\\00\\00\\02\\00\\00\\00"), Type::Text),
        // A list at an odd place, an option that is neither.
        (answer("(list s32)", "\\11\\00\\00\\00\\01\\00\\00\\00"), ints),
        (answer("(option s32)", "\\07\\00\\00\\00\\01\\00\\00\\00"), Type::Int4),
        (
            answer("(result s32 (error string))", "\\02\\00\\00\\00\\01\\00\\00\\00"),
            Type::Int4,
        ),
    ] {
        fails(&body, &[], returns, broken, "handed over what is no value");
    }
    let place = with_memory("(result string)", "(result i32) (i32.const -4)", "");
    fails(&place, &[], Type::Text, broken, "handed over what is no value");
    // An allocator that answers with a place outside the memory.
    let liar = r#"(component
  (core module $m (memory (export "memory") 1) (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const -8))
    (func (export "f") (param i32 i32) (result i32) (i32.const 1)))
  (core instance $i (instantiate $m))
  (func (export "f") (param "x" string) (result s32)
    (canon lift (core func $i "f") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#;
    fails(
        liar,
        &[(Type::Text, Datum::text("x"))],
        Type::Int4,
        broken,
        "handed over what is no value",
    );
}

/// A thousand lists that are all the same million elements: a few bytes there, gigabytes here.
#[test]
fn a_small_memory_cannot_fill_the_host() {
    let started = Instant::now();
    let body = with_memory(
        "(result (list (list u8)))",
        "(result i32) (local $i i32)
          (loop
            (i32.store (i32.add (i32.const 1024) (i32.mul (local.get $i) (i32.const 8))) (i32.const 0))
            (i32.store (i32.add (i32.const 1028) (i32.mul (local.get $i) (i32.const 8))) (i32.const 100000))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if 0 (i32.lt_u (local.get $i) (i32.const 1000))))
          (i32.store (i32.const 16) (i32.const 1024)) (i32.store (i32.const 20) (i32.const 1000)) (i32.const 16)",
        "",
    );
    let error = fails(
        &body,
        &[],
        Type::Array(&Type::Bytea),
        SqlState::ProgramLimitExceeded,
        "more than the server holds at once",
    );
    assert_eq!(error.message(), "function f() hands over more than the server holds at once");
    // As an argument of the host's.
    let many = query("echo", 100_000_000, "");
    fails(
        &many,
        &[],
        Type::Array(&Type::Text),
        SqlState::ExternalRoutineInvocationException,
        "out of bounds",
    );
    // And the other way: what is handed to a component is bounded too.
    let large = Datum::Bytea(vec![0; 16 << 20]);
    fails(
        &echo_pair("(list u8)"),
        &[(Type::Bytea, large)],
        Type::Bytea,
        SqlState::ProgramLimitExceeded,
        "too large to be handed",
    );
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}

#[test]
fn what_would_cost_too_much_to_compile_is_refused_before_it_does() {
    let invalid = SqlState::InvalidFunctionDefinition;
    let modules: String = (0..17).map(|_| "(core module)").collect();
    refused(&format!("(component {modules})"), &[], Type::Void, invalid, "too many core modules");
    let instances: String = (0..17).map(|_| "(core instance (instantiate $m))").collect();
    refused(
        &format!("(component (core module $m) {instances})"),
        &[],
        Type::Void,
        invalid,
        "too many instances of core modules",
    );
    let types: String = (0..10_001).map(|_| "(type u8)").collect();
    refused(&format!("(component {types})"), &[], Type::Void, invalid, "too many types");
    let long = format!("(component (core module (func {})))", "nop ".repeat(140_000));
    refused(&long, &[], Type::Void, invalid, "too many bytes of code in a function");
    refused(
        "(component (core module (memory 4000)))",
        &[],
        Type::Void,
        invalid,
        "too many bytes of memory at its start",
    );
    // Each type holds the one before twice: a few bytes say a billion fields.
    let mut doubling = String::from("(type $t0 (tuple u8 u8))");
    for level in 1..40 {
        write!(doubling, "(type $t{level} (tuple $t{} $t{}))", level - 1, level - 1).unwrap();
    }
    let started = Instant::now();
    refused(&format!("(component {doubling})"), &[], Type::Void, invalid, "");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    // Types in types in types, five million deep: three bytes each.
    let nested = "420101".repeat(1 << 20);
    let bytes = nested.len() / 2 + 1;
    let mut length = String::new();
    let mut rest = bytes;
    while rest >= 0x80 {
        write!(length, "{:02x}", (rest & 0x7f) | 0x80).unwrap();
        rest >>= 7;
    }
    write!(length, "{rest:02x}").unwrap();
    refused(
        &format!("\\x0061736d0d00010007{length}01{nested}"),
        &[],
        Type::Void,
        invalid,
        "too many types in each other",
    );
}

#[test]
fn statements_do_not_share_an_instance_and_rows_do() {
    let counter = plain(
        "(result s32)",
        "(result i32) (global.set 0 (i32.add (global.get 0) (i32.const 1))) (global.get 0)) (global (mut i32) (i32.const 0)",
    );
    for _ in 0..3 {
        let values = on_session_thread(|| {
            let prepared = runtime().prepare(&component(&counter, &[], Type::Int4)).unwrap();
            let mut instance = runtime().instantiate(&prepared, context(&Arc::default(), wasm_limits())).unwrap();
            instance.call(&[vec![], vec![], vec![]]).unwrap()
        });
        assert!(matches!(values[..], [Datum::Int4(1), Datum::Int4(2), Datum::Int4(3)]), "{values:?}");
    }
}

/// More at once than the pool has slots.
#[test]
fn instances_beyond_the_pool_are_made_all_the_same() {
    on_session_thread(|| {
        let prepared = runtime()
            .prepare(&component(&echo_pair("string"), &[Type::Text], Type::Text))
            .unwrap();
        let mut instances = Vec::new();
        for _ in 0..300 {
            instances.push(runtime().instantiate(&prepared, context(&Arc::default(), wasm_limits())).unwrap());
        }
        for instance in &mut instances {
            assert!(matches!(&instance.call(&[vec![Datum::text("x")]]).unwrap()[..], [Datum::Text(x)] if x == "x"));
        }
    });
}

#[test]
fn a_cancelled_component_ends() {
    let world: Arc<World> = Arc::default();
    world.cancelled.store(true, std::sync::atomic::Ordering::SeqCst);
    let endless = plain("(result s32)", "(result i32) (loop (br 0)) unreachable");
    let error = run_in(&world, wasm_limits(), &endless, &[], Type::Int4).unwrap_err();
    assert!(matches!(error, Error::Cancelled(_)), "{error:?}");
}
