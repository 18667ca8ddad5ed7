//! Users' own modules: what is accepted, how they are called, and what a hostile one gets.

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::*;
use policy::{Capability, Limits};
use sandbox::{Error, FunctionSource, Language, Limit, Prepared};
use types::{Array, Datum, SqlError, SqlState, Type};

fn module(body: &str, args: &[Type], returns: Type) -> FunctionSource {
    FunctionSource {
        language: Language::Wasm,
        ..source(body, args, returns)
    }
}

fn prepare_module(body: &str, args: &[Type], returns: Type) -> Result<Arc<Prepared>, Error> {
    let source = module(body, args, returns);
    on_session_thread(|| runtime().prepare(&source))
}

fn wasm_limits() -> Limits {
    Limits::default_for(policy::Language::Wasm)
}

fn run_in(world: &Arc<World>, limits: Limits, body: &str, args: &[(Type, Datum)], returns: Type) -> Result<Datum, Error> {
    on_session_thread(|| {
        let types: Vec<Type> = args.iter().map(|(ty, _)| *ty).collect();
        let prepared = runtime().prepare(&module(body, &types, returns))?;
        let mut instance = runtime().instantiate(&prepared, context(world, limits))?;
        let row = args.iter().map(|(_, value)| value.clone()).collect();
        Ok(instance.call(&[row])?.remove(0))
    })
}

fn run(body: &str, args: &[(Type, Datum)], returns: Type) -> Result<Datum, Error> {
    run_in(&Arc::default(), wasm_limits(), body, args, returns)
}

#[track_caller]
fn gives(body: &str, args: &[(Type, Datum)], returns: Type, expected: &str) {
    let value = run(body, args, returns).unwrap_or_else(|error| panic!("{body}: {error:?}"));
    let found = format!("{value:?}");
    assert!(found == expected, "{body}: {} instead of {}", clip(&found), clip(expected));
}

#[track_caller]
fn refused(body: &str, args: &[Type], returns: Type, state: SqlState, message: &str) -> SqlError {
    let error = match prepare_module(body, args, returns) {
        Err(error) => sql_error(error),
        Ok(_) => panic!("{}: accepted", clip(body)),
    };
    let text = format!("{} {}", error.message(), error.fields().detail.clone().unwrap_or_default());
    assert!(text.contains(message), "{}: {text}", clip(body));
    assert_eq!(error.state(), state, "{}: {text}", clip(body));
    error
}

fn clip(body: &str) -> String {
    body.chars().take(500).collect()
}

#[track_caller]
fn hits(limits: Limits, body: &str, limit: Limit) {
    match run_in(&Arc::default(), limits, body, &[], Type::Int4) {
        Err(Error::Limit { limit: hit, .. }) => assert_eq!(hit, limit, "{body}"),
        other => panic!("{body}: {other:?}"),
    }
}

/// The function's body as the guest's whole program.
fn plain(signature: &str, body: &str) -> String {
    format!("(module (func (export \"f\") {signature} {body}))")
}

/// A module of the buffer form with a bump allocator; `body` is the function's, over `$p` and `$n`.
fn buffered(body: &str) -> String {
    format!(
        r#"(module
  (memory (export "memory") 1 100)
  (global $top (mut i32) (i32.const 4096))
  (func (export "alloc") (param $n i32) (result i32)
    (drop (memory.grow (i32.add (i32.shr_u (local.get $n) (i32.const 16)) (i32.const 1))))
    (global.get $top) (global.set $top (i32.add (global.get $top) (local.get $n))))
  (func (export "f") (param $p i32) (param $n i32) (result i64) {body}))"#
    )
}

/// Answers with the first argument as it came.
const ECHO: &str = "(i64.or (i64.shl (i64.extend_i32_u (i32.add (local.get $p) (i32.const 4))) (i64.const 32))
    (i64.extend_i32_u (i32.sub (local.get $n) (i32.const 4))))";

#[test]
fn numbers_cross_in_registers() {
    let add = plain("(param i32 i32) (result i32)", "(i32.add (local.get 0) (local.get 1))");
    let int4 = |value| (Type::Int4, Datum::Int4(value));
    let int2 = |value| (Type::Int2, Datum::Int2(value));
    gives(&add, &[int4(40), int4(2)], Type::Int4, "Int4(42)");
    gives(&add, &[int4(i32::MAX), int4(1)], Type::Int4, "Int4(-2147483648)");
    gives(&add, &[int2(40), int4(2)], Type::Int2, "Int2(42)");
    let same = |ty: &str| plain(&format!("(param {ty}) (result {ty})"), "(local.get 0)");
    for (wasm, ty, value) in [
        ("i32", Type::Bool, Datum::Bool(true)),
        ("i32", Type::Int2, Datum::Int2(i16::MIN)),
        ("i32", Type::Int4, Datum::Int4(i32::MIN)),
        ("i64", Type::Int8, Datum::Int8(i64::MIN)),
        ("f32", Type::Float4, Datum::Float4(f32::MIN_POSITIVE)),
        ("f64", Type::Float8, Datum::Float8(-0.0)),
        ("f64", Type::Float8, Datum::Float8(f64::NEG_INFINITY)),
        ("i32", Type::Date, Datum::Date(-1)),
        ("i32", Type::Date, Datum::Date(i32::MAX)),
        ("i64", Type::Timestamp, Datum::Timestamp(1)),
        ("i64", Type::Timestamptz, Datum::Timestamptz(i64::MIN)),
    ] {
        let expected = format!("{value:?}");
        gives(&same(wasm), &[(ty, value)], ty, &expected);
    }
    gives(&plain("", ""), &[], Type::Void, "Null");
}

#[test]
fn null_in_is_null_out_where_numbers_have_no_null() {
    let trap = plain("(param i32) (result i32)", "unreachable");
    gives(&trap, &[(Type::Int4, Datum::Null)], Type::Int4, "Null");
}

#[test]
fn a_result_outside_its_type_is_an_error() {
    let constant = |value: i64| plain("(result i32)", &format!("(i32.const {value})"));
    for (returns, value, state, message) in [
        (Type::Int2, 32_768, SqlState::NumericValueOutOfRange, "smallint out of range"),
        (Type::Int2, -32_769, SqlState::NumericValueOutOfRange, "smallint out of range"),
        (Type::Bool, 2, SqlState::NumericValueOutOfRange, "boolean out of range"),
        (Type::Bool, -1, SqlState::NumericValueOutOfRange, "boolean out of range"),
        (Type::Date, 2_145_042_906, SqlState::DatetimeFieldOverflow, "date out of range"),
    ] {
        let error = sql_error(run(&constant(value), &[], returns).unwrap_err());
        assert_eq!((error.state(), error.message()), (state, message));
        assert_eq!(
            error.fields().detail.as_deref(),
            Some(format!("The function returned {value}.").as_str())
        );
    }
}

#[test]
fn every_other_value_crosses_in_memory_and_comes_back_as_it_was() {
    let echo = buffered(ECHO);
    let text = |value: &str| Datum::text(value);
    let array = Datum::array(Type::Int4, vec![Datum::Int4(1), Datum::Null, Datum::Int4(-3)]);
    for (ty, value) in [
        (Type::Text, text("")),
        (Type::Text, text("naïve \u{1F600}")),
        (Type::Bytea, Datum::Bytea(vec![0, 255, 1])),
        (
            Type::Numeric,
            "-0.000000000000000000000000000001234567890123456789"
                .parse()
                .map(Datum::Numeric)
                .unwrap(),
        ),
        (Type::Int8, Datum::Int8(i64::MAX)),
        (Type::Float8, Datum::Float8(0.1)),
        (Type::Bool, Datum::Bool(false)),
        (Type::Uuid, Datum::Uuid([7; 16])),
        (Type::Date, Datum::Date(19_000)),
        (Type::Timestamptz, Datum::Timestamptz(-1)),
        (Type::Array(&Type::Int4), array),
        (Type::Text, Datum::Null),
        (Type::Text, text(&"x".repeat(300_000))),
    ] {
        let expected = format!("{value:?}");
        gives(&echo, &[(ty, value)], ty, &expected);
    }
}

#[test]
fn rows_of_a_statement_share_an_instance_and_statements_do_not() {
    let counter = r#"(module (global $n (mut i32) (i32.const 0))
      (func (export "f") (result i32) (global.set $n (i32.add (global.get $n) (i32.const 1))) (global.get $n)))"#;
    let memory = r#"(module (memory 1)
      (func (export "f") (result i32)
        (i32.store (i32.const 60000) (i32.add (i32.load (i32.const 60000)) (i32.const 1)))
        (i32.load (i32.const 60000))))"#;
    let table = r#"(module (table $t 4 funcref) (elem declare func $x) (func $x)
      (func (export "f") (result i32)
        (if (ref.is_null (table.get $t (i32.const 0))) (then (table.set $t (i32.const 0) (ref.func $x)) (return (i32.const 1))))
        (i32.const 2)))"#;
    for (body, second) in [(counter, 3), (memory, 3), (table, 2)] {
        for _ in 0..3 {
            let values = on_session_thread(|| {
                let prepared = runtime().prepare(&module(body, &[], Type::Int4)).unwrap();
                let mut instance = runtime().instantiate(&prepared, context(&Arc::default(), wasm_limits())).unwrap();
                instance.call(&[vec![], vec![], vec![]]).unwrap()
            });
            assert!(
                matches!(values[..], [Datum::Int4(1), Datum::Int4(_), Datum::Int4(last)] if last == second),
                "{values:?}"
            );
        }
    }
}

#[test]
fn what_is_no_good_module_is_refused_with_its_reason() {
    let invalid = SqlState::InvalidFunctionDefinition;
    let int = Type::Int4;
    refused("(module (func (export \"f\") (result i32)))", &[], int, invalid, "type mismatch");
    refused("(module\n (fun))", &[], int, SqlState::SyntaxError, "");
    refused("\\x0061736d01", &[], int, invalid, "not a valid WebAssembly module");
    refused("\\x0061736d0100000001ff", &[], int, invalid, "At byte");
    refused("not a module", &[], int, invalid, "not base64");
    let missing = refused(
        "(module (func (export \"g\")) (func (export \"h\")))",
        &[],
        int,
        invalid,
        "does not export a function named \"f\"",
    );
    assert_eq!(missing.fields().hint.as_deref(), Some("It exports \"g\", \"h\"."));
    refused("(module (memory (export \"f\") 1))", &[], int, invalid, "is not a function");
    let wrong = refused(
        &plain("(param i64) (result i32)", "(i32.const 1)"),
        &[int],
        int,
        invalid,
        "It is (i64) -> i32",
    );
    assert_eq!(
        wrong.fields().hint.as_deref(),
        Some("f(integer) must be (i32) -> i32, or (i32, i32) -> i64 with its arguments in memory.")
    );
    refused(
        &plain("(param v128) (result i32)", "(i32.const 1)"),
        &[int],
        int,
        invalid,
        "no number",
    );
    refused(
        &plain("(param i32 i32) (result i64)", "(i64.const 1)"),
        &[Type::Text],
        int,
        invalid,
        "a memory named \"memory\"",
    );
    refused(
        "(module (memory (export \"memory\") 1) (func (export \"f\") (param i32 i32) (result i64) (i64.const 1)))",
        &[Type::Text],
        int,
        invalid,
        "a function \"alloc\"",
    );
}

#[test]
fn imports_are_known_functions_of_their_own_type_or_nothing() {
    let invalid = SqlState::InvalidFunctionDefinition;
    let with = |import: &str| format!("(module {import} (func (export \"f\") (result i32) (i32.const 1)))");
    for (import, message) in [
        (
            "(import \"env\" \"abort\" (func))",
            "imports \"env\".\"abort\", which does not exist",
        ),
        (
            "(import \"heliosdb\" \"steal\" (func))",
            "imports \"heliosdb\".\"steal\", which does not exist",
        ),
        (
            "(import \"heliosdb\" \"call\" (func (param i32)))",
            "as (i32), but it is (i32, i32, i32) -> i32",
        ),
        ("(import \"env\" \"memory\" (memory 1))", "which is no function"),
        ("(import \"env\" \"g\" (global i32))", "which is no function"),
        ("(import \"env\" \"t\" (table 1 funcref))", "which is no function"),
        ("(import \"wasi_snapshot_preview1\" \"open\" (func))", "which does not exist"),
        ("(import \"wasi_snapshot_preview1\" \"path_open\" (func))", "but it is"),
        (
            "(import \"wasi_unstable\" \"fd_write\" (func (param i32 i32 i32 i32) (result i32)))",
            "which does not exist",
        ),
    ] {
        refused(&with(import), &[], Type::Int4, invalid, message);
    }
    gives(
        &with("(import \"heliosdb\" \"take\" (func (param i32)))"),
        &[],
        Type::Int4,
        "Int4(1)",
    );
    gives(
        &with("(import \"wasi_snapshot_preview1\" \"path_open\" (func (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))"),
        &[],
        Type::Int4,
        "Int4(1)",
    );
}

#[test]
fn what_would_cost_too_much_to_compile_is_refused_before_it_does() {
    let started = Instant::now();
    let invalid = SqlState::InvalidFunctionDefinition;
    refused(
        "(module (memory 1) (memory 1) (func (export \"f\")))",
        &[],
        Type::Void,
        invalid,
        "multiple memories",
    );
    refused(
        "(module (memory 2049) (func (export \"f\")))",
        &[],
        Type::Void,
        invalid,
        "too many bytes of memory",
    );
    refused(
        "(module (memory i64 1) (func (export \"f\")))",
        &[],
        Type::Void,
        invalid,
        "memory64",
    );
    refused(
        "(module (memory 1 1 shared) (func (export \"f\")))",
        &[],
        Type::Void,
        invalid,
        "threads",
    );
    refused(
        "(module (table 100000 funcref) (func (export \"f\")))",
        &[],
        Type::Void,
        invalid,
        "too many elements of a table",
    );
    let params = "i32 ".repeat(129);
    refused(
        &format!("(module (type (func (param {params}))) (func (export \"f\")))"),
        &[],
        Type::Void,
        invalid,
        "too many parameters",
    );
    let long = format!("(module (func (export \"f\") {}))", "(drop (i32.const 1))".repeat(100_000));
    refused(&long, &[], Type::Void, invalid, "too many bytes of code in a function");
    // A hundred functions of fifty thousand locals each, in seven bytes each.
    let functions = format!(
        "\\x0061736d01000000 0104016000000365 64{} 0abd0564{}",
        "00".repeat(100),
        "0601d086037e0b".repeat(100)
    );
    refused(&functions.replace(' ', ""), &[], Type::Void, invalid, "too many locals");
    // A thousand locals and twenty thousand blocks would make the compiler ask for gigabytes.
    let branches = format!("(func (local {}) {})", "i32 ".repeat(1000), "(block)".repeat(9_000));
    refused(
        &format!("(module {branches} (func (export \"f\")))"),
        &[],
        Type::Void,
        invalid,
        "too many locals times blocks",
    );
    let blocks = format!("(func {})", "(block)".repeat(10_001));
    refused(
        &format!("(module {blocks} (func (export \"f\")))"),
        &[],
        Type::Void,
        invalid,
        "too many blocks in a function",
    );
    let nested = format!("(func {} {})", "block ".repeat(2_001), "end ".repeat(2_001));
    refused(
        &format!("(module {nested} (func (export \"f\")))"),
        &[],
        Type::Void,
        invalid,
        "too many blocks in each other",
    );
    let nothing = "(func)".repeat(50_001);
    refused(
        &format!("(module {nothing} (func (export \"f\")))"),
        &[],
        Type::Void,
        invalid,
        "too many functions",
    );
    let zeroes = format!("\\x0061736d01000000{}", "00".repeat(17 << 20));
    refused(&zeroes, &[], Type::Void, invalid, "too large");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn a_start_that_fails_shows_when_the_function_is_created() {
    let trap = refused(
        "(module (func $s unreachable) (start $s) (func (export \"f\")))",
        &[],
        Type::Void,
        SqlState::ExternalRoutineException,
        "unreachable",
    );
    assert!(trap.fields().context.as_deref().unwrap_or_default().contains("at s"), "{trap:?}");
    refused(
        "(module (func (export \"_initialize\") (loop (br 0))) (func (export \"f\")))",
        &[],
        Type::Void,
        SqlState::QueryCanceled,
        "CPU time",
    );
    let initialized = r#"(module (global $n (mut i32) (i32.const 0))
      (func (export "_initialize") (global.set $n (i32.const 7)))
      (func (export "f") (result i32) (global.get $n)))"#;
    gives(initialized, &[], Type::Int4, "Int4(7)");
}

#[test]
fn traps_are_errors_with_the_functions_that_were_at_work() {
    let int4 = |value| (Type::Int4, Datum::Int4(value));
    let divide = "(module (func $halve (param i32) (result i32) (i32.div_s (i32.const 1) (local.get 0)))
      (func $outer (export \"f\") (param i32) (result i32) (call $halve (local.get 0))))";
    let error = sql_error(run(divide, &[int4(0)], Type::Int4).unwrap_err());
    assert_eq!(
        (error.state(), error.message()),
        (SqlState::ExternalRoutineException, "wasm trap: integer divide by zero")
    );
    let context = error.fields().context.clone().unwrap_or_default();
    assert!(context.starts_with("WebAssembly function f(integer)\nat halve (byte "), "{context}");
    assert!(context.contains("\nat outer (byte "), "{context}");
    for (body, message) in [
        ("unreachable", "wasm trap: wasm `unreachable` instruction executed"),
        ("(i32.trunc_f64_s (f64.const nan))", "wasm trap: invalid conversion to integer"),
    ] {
        let error = sql_error(run(&plain("(result i32)", body), &[], Type::Int4).unwrap_err());
        assert_eq!((error.state(), error.message()), (SqlState::ExternalRoutineException, message));
    }
    let beyond = "(module (memory 1) (func (export \"f\") (result i32) (i32.load (i32.const -1))))";
    let error = sql_error(run(beyond, &[], Type::Int4).unwrap_err());
    assert_eq!(error.message(), "wasm trap: out of bounds memory access");
}

#[test]
fn each_limit_ends_a_module() {
    let loops = plain("(result i32)", "(loop (br 0)) (i32.const 1)");
    let limits = wasm_limits();
    hits(
        Limits {
            cpu_time_ms: 100,
            ..limits
        },
        &loops,
        Limit::CpuTime,
    );
    hits(
        Limits {
            wall_time_ms: 100,
            ..limits
        },
        &loops,
        Limit::WallTime,
    );
    hits(
        Limits {
            instructions: 100_000,
            ..limits
        },
        &loops,
        Limit::Instructions,
    );
    hits(limits, &plain("(result i32)", "(call 0)"), Limit::Stack);
    hits(
        limits,
        "(module (memory 1) (func (export \"f\") (result i32) (memory.grow (i32.const 300))))",
        Limit::Memory,
    );
    hits(
        limits,
        "(module (memory 1) (func (export \"f\") (result i32) (loop (drop (memory.grow (i32.const 1))) (br 0)) (i32.const 1)))",
        Limit::Memory,
    );
    hits(
        limits,
        "(module (memory 1) (func (export \"f\") (result i32) (memory.grow (i32.const -1))))",
        Limit::Memory,
    );
    hits(
        limits,
        "(module (memory 300) (func (export \"f\") (result i32) (i32.const 1)))",
        Limit::Memory,
    );
    hits(
        limits,
        "(module (table 1 funcref) (func (export \"f\") (result i32) (table.grow (ref.null func) (i32.const 70000))))",
        Limit::Memory,
    );
    let fill = "(module (memory 100) (func (export \"f\") (result i32)
      (loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 6553600)) (br 0)) (i32.const 1)))";
    hits(
        Limits {
            cpu_time_ms: 100,
            ..limits
        },
        fill,
        Limit::CpuTime,
    );
    // Under the limit it may grow.
    gives(
        "(module (memory 1) (func (export \"f\") (result i32) (memory.grow (i32.const 10))))",
        &[],
        Type::Int4,
        "Int4(1)",
    );
    // A memory that its creation allows may still be too large for a smaller policy.
    let error = run_in(
        &Arc::default(),
        Limits {
            memory_bytes: 65_536,
            ..limits
        },
        "(module (memory 2) (func (export \"f\") (result i32) (i32.const 1)))",
        &[],
        Type::Int4,
    );
    assert!(
        matches!(
            error,
            Err(Error::Limit {
                limit: Limit::Memory,
                value: 65_536,
                ..
            })
        ),
        "{error:?}"
    );
}

#[test]
fn other_stack_limits_have_machines_of_their_own() {
    let deep = plain(
        "(param i32) (result i32)",
        "(if (result i32) (local.get 0) (then (i32.add (i32.const 1) (call 0 (i32.sub (local.get 0) (i32.const 1))))) (else (i32.const 0)))",
    );
    let at = |stack_bytes, n| {
        let limits = Limits {
            stack_bytes,
            ..wasm_limits()
        };
        run_in(&Arc::default(), limits, &deep, &[(Type::Int4, Datum::Int4(n))], Type::Int4)
    };
    assert!(matches!(at(2 << 20, 10_000), Ok(Datum::Int4(10_000))));
    assert!(matches!(at(2 << 20, 200_000), Err(Error::Limit { limit: Limit::Stack, .. })));
    assert!(matches!(at(8 << 20, 100_000), Ok(Datum::Int4(100_000))));
    assert!(matches!(
        at(256 << 10, 100_000),
        Err(Error::Limit {
            limit: Limit::Stack,
            value: 262_144,
            ..
        })
    ));
}

#[test]
fn more_instances_than_the_pool_has_slots_still_run() {
    on_session_thread(|| {
        let body = "(module (memory 1) (func (export \"f\") (result i32) (i32.const 1)))";
        let prepared = runtime().prepare(&module(body, &[], Type::Int4)).unwrap();
        let mut instances: Vec<_> = (0..300)
            .map(|_| runtime().instantiate(&prepared, context(&Arc::default(), wasm_limits())).unwrap())
            .collect();
        for instance in &mut instances {
            assert!(matches!(instance.call(&[vec![]]).unwrap()[..], [Datum::Int4(1)]));
        }
    });
}

#[test]
fn forged_places_and_lengths_are_refused() {
    let arg = [(Type::Text, Datum::text("hello"))];
    for (answer, message) in [
        ("(i64.const -1)", "its answer lies outside its memory"),
        ("(i64.const 0x7fffffff_00000001)", "its answer lies outside its memory"),
        ("(i64.const 0x00000000_ffffffff)", "its answer lies outside its memory"),
        ("(i64.const 0x0001ffff_00000002)", "its answer lies outside its memory"),
    ] {
        let error = sql_error(run(&buffered(answer), &arg, Type::Text).unwrap_err());
        assert_eq!(error.state(), SqlState::ExternalRoutineException);
        assert!(error.message().ends_with(message), "{error:?}");
    }
    // No value at all, an unknown tag, a length beyond the answer, text that is not UTF-8.
    for (data, length) in [
        ("", 0),
        ("\\20", 1),
        ("\\07\\ff\\ff\\ff\\ff", 5),
        ("\\07\\01\\00\\00\\00\\ff", 6),
        ("\\ff\\01", 2),
    ] {
        let body =
            buffered(&format!("(i64.const {length})")).replace("(global $top", &format!("(data (i32.const 0) \"{data}\") (global $top"));
        let error = sql_error(run(&body, &arg, Type::Text).unwrap_err());
        assert_eq!(error.state(), SqlState::ExternalRoutineInvocationException, "{data}: {error:?}");
    }
    for alloc in ["(i32.const -1)", "(i32.const 65535)", "(i32.const 0x7fffffff)"] {
        let body = format!(
            "(module (memory (export \"memory\") 1) (func (export \"alloc\") (param i32) (result i32) {alloc})
              (func (export \"f\") (param i32 i32) (result i64) unreachable))"
        );
        let error = sql_error(run(&body, &arg, Type::Text).unwrap_err());
        assert!(
            error.message().ends_with("its function alloc named a buffer outside its memory"),
            "{error:?}"
        );
    }
    // An answer of the wrong type.
    let error = sql_error(run(&buffered(ECHO), &arg, Type::Int4).unwrap_err());
    assert_eq!(error.state(), SqlState::DatatypeMismatch);
    // An argument that cannot fit.
    let huge = [(Type::Text, Datum::text("x".repeat(20 << 20)))];
    let error = run(&buffered(ECHO), &huge, Type::Text).unwrap_err();
    assert!(matches!(error, Error::Limit { limit: Limit::Memory, .. }), "{error:?}");
}

#[test]
fn a_module_can_raise_an_error_of_its_own() {
    let body = buffered("(i64.const 14)").replace(
        "(global $top",
        "(data (i32.const 0) \"\\ff\\00\\00\\00\\00\\05\\00\\00\\00no way\") (global $top",
    );
    let error = sql_error(run(&body, &[(Type::Text, Datum::text(""))], Type::Text).unwrap_err());
    assert_eq!((error.state(), error.message()), (SqlState::ExternalRoutineException, "no wa"));
}

/// Makes a host call with the bytes of `request`, and answers what `then` makes of `$n`, the length of the host's answer.
fn host_call(op: u32, request: &str, length: u32, then: &str) -> String {
    format!(
        r#"(module (import "heliosdb" "call" (func $call (param i32 i32 i32) (result i32)))
      (import "heliosdb" "take" (func $take (param i32)))
      (memory (export "memory") 1) (data (i32.const 0) "{request}")
      (func (export "alloc") (param i32) (result i32) (i32.const 8192))
      (func (export "f") (param i32 i32) (result i64) (local $n i32)
        (local.set $n (call $call (i32.const {op}) (i32.const 0) (i32.const {length}))) {then}))"#
    )
}

#[test]
fn a_module_reaches_the_host_as_interpreters_do() {
    let world = Arc::<World>::default();
    // LOG: level 1, "hi".
    let body = host_call(
        1,
        "\\01\\02\\00\\00\\00hi",
        7,
        "(i32.store8 (i32.const 4096) (i32.const 0)) (i64.const 0x1000_00000001)",
    );
    run_in(&world, wasm_limits(), &body, &[], Type::Text).unwrap();
    assert_eq!(
        world
            .messages
            .lock()
            .unwrap()
            .iter()
            .map(|(_, text)| text.as_str())
            .collect::<Vec<_>>(),
        ["hi"]
    );
    // EXECUTE "insert" with no parameters: the answer is 0, rows: u64, 0. It is given back as bytea.
    let wrap = "(i32.store8 (i32.const 4096) (i32.const 8)) (i32.store (i32.const 4097) (local.get $n)) (call $take (i32.const 4101))
      (i64.or (i64.const 0x1000_00000000) (i64.extend_i32_u (i32.add (local.get $n) (i32.const 5))))";
    let body = host_call(3, "\\06\\00\\00\\00insert\\00\\00\\00\\00", 14, wrap);
    let value = run_in(&world, wasm_limits(), &body, &[], Type::Bytea).unwrap();
    assert_eq!(format!("{value:?}"), "Bytea([0, 2, 0, 0, 0, 0, 0, 0, 0, 0])");
    // A refusal that is passed on by its number reaches the client with its code, hint and all.
    let raise = "(call $take (i32.const 4096)) (i32.store (i32.const 4095) (i32.load (i32.const 4097)))
      (i32.store8 (i32.const 4095) (i32.const 255)) (i32.store (i32.const 4096) (i32.const 1)) (i32.store (i32.const 4100) (i32.const 0))
      (i64.const 0xfff_00000009)";
    let body = host_call(2, "\\06\\00\\00\\00secret\\00\\00\\00\\00", 14, raise);
    let error = sql_error(run_in(&world, wasm_limits(), &body, &[], Type::Text).unwrap_err());
    assert_eq!(error.state(), SqlState::InsufficientPrivilege);
    assert_eq!(
        error.fields().hint.as_deref(),
        Some("ALTER FUNCTION f GRANT CAPABILITY DATABASE_READ('secret');")
    );
    // Operations that do not exist, requests outside the memory, answers that do not fit.
    for body in [
        host_call(999, "", 0, "(i64.const 0)"),
        host_call(2, "", 70_000, "(i64.const 0)"),
        host_call(2, "", 3, "(i64.const 0)"),
        host_call(
            3,
            "\\06\\00\\00\\00insert\\00\\00\\00\\00",
            14,
            "(call $take (i32.const 65530)) (i64.const 0)",
        ),
    ] {
        let error = sql_error(run_in(&world, wasm_limits(), &body, &[], Type::Text).unwrap_err());
        assert_eq!(error.state(), SqlState::ExternalRoutineException, "{error:?}");
        assert!(error.message().starts_with("the module broke the guest interface"), "{error:?}");
    }
}

/// Makes a system call of two i32 parameters and answers its error number.
fn syscall(name: &str, params: &str, arguments: &str) -> String {
    format!(
        r#"(module (import "wasi_snapshot_preview1" "{name}" (func $s (param {params}) (result i32)))
      (memory (export "memory") 1) (func (export "f") (result i32) (call $s {arguments})))"#
    )
}

#[test]
fn system_calls_are_refused_and_recorded_unless_they_are_the_default_ones() {
    let world = Arc::<World>::default();
    let open = syscall(
        "path_open",
        "i32 i32 i32 i32 i32 i64 i64 i32 i32",
        "(i32.const 3) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 0)",
    );
    let value = run_in(&world, wasm_limits(), &open, &[], Type::Int4).unwrap();
    assert!(matches!(value, Datum::Int4(76)), "{value:?}");
    let events = world.log.events();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].event_type, audit::EventType::SyscallAttempt);
    assert_eq!((events[0].resource.as_deref(), events[0].allowed), (Some("path_open"), Some(false)));

    let clock = syscall("clock_time_get", "i32 i64 i32", "(i32.const 0) (i64.const 0) (i32.const 8)");
    let clock = clock
        .replace("(call $s", "(drop (call $s")
        .replace("(i32.const 8))))", "(i32.const 8))) (i64.load (i32.const 8))))")
        .replace("(func (export \"f\") (result i32)", "(func (export \"f\") (result i64)");
    let value = run_in(&world, wasm_limits(), &clock, &[], Type::Int8).unwrap();
    assert_eq!(format!("{value:?}"), format!("Int8({})", TIMESTAMP * 1000));
    assert_eq!(world.log.events().len(), 1, "a default call is not a question");
    let holding = World::holding(Capability::TimeAccess);
    let value = run_in(&holding, wasm_limits(), &clock, &[], Type::Int8).unwrap();
    assert!(value.as_i64().unwrap() > TIMESTAMP * 1000 + 1_000_000_000_000_000);
    assert_eq!(holding.checks(), [("TIME_ACCESS".to_string(), true)]);
}

#[test]
fn randomness_is_a_fixed_stream_without_the_capability() {
    let random = syscall("random_get", "i32 i32", "(i32.const 8) (i32.const 8)")
        .replace("(call $s", "(drop (call $s")
        .replace("(i32.const 8))))", "(i32.const 8))) (i64.load (i32.const 8))))")
        .replace("(func (export \"f\") (result i32)", "(func (export \"f\") (result i64)");
    let draw = |world: &Arc<World>| run_in(world, wasm_limits(), &random, &[], Type::Int8).unwrap().as_i64().unwrap();
    let without = Arc::default();
    assert_eq!(draw(&without), draw(&without));
    assert_ne!(draw(&without), 0);
    let holding = World::holding(Capability::RandomAccess);
    assert_ne!(draw(&holding), draw(&holding));
    let outside = syscall("random_get", "i32 i32", "(i32.const 65535) (i32.const -1)");
    gives(&outside, &[], Type::Int4, "Int4(21)");
}

#[test]
fn a_module_that_exits_ends_with_its_code() {
    let exit = r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (memory (export "memory") 1) (func (export "f") (result i32) (call $exit (i32.const 3)) (i32.const 1)))"#;
    let error = sql_error(run(exit, &[], Type::Int4).unwrap_err());
    assert_eq!(
        (error.state(), error.message()),
        (SqlState::ExternalRoutineException, "the module ended itself with exit code 3")
    );
}

#[test]
fn an_array_with_dimensions_crosses() {
    let array = Datum::Array(Box::new(Array {
        element: Type::Text,
        dims: vec![(2, 1), (2, 1)],
        values: ["a", "b", "c", "d"].into_iter().map(Datum::text).collect(),
    }));
    let ty = Type::Array(&Type::Text);
    let expected = format!("{array:?}");
    gives(&buffered(ECHO), &[(ty, array)], ty, &expected);
}
