//! What CREATE FUNCTION refuses.

use std::fmt::Write;
use std::time::{Duration, Instant};

use super::*;

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
    // Section by section, each is few.
    let aliases: String = (0..10_001).map(|_| "(alias outer 0 $t (type))").collect();
    refused(
        &format!("(component (type $t u8) {aliases})"),
        &[],
        Type::Void,
        invalid,
        "too many aliases",
    );
    let lifted: String = (0..1_001).map(|_| "(func (canon lift (core func $i \"g\")))").collect();
    refused(
        &format!("(component (core module $m (func (export \"g\"))) (core instance $i (instantiate $m)) {lifted})"),
        &[],
        Type::Void,
        invalid,
        "too many lifted and lowered functions",
    );
    let empty: String = (0..30_000).map(|_| "(type (func))").collect();
    refused(
        &format!("(component (core module {empty}) (core module {empty}))"),
        &[],
        Type::Void,
        invalid,
        "too many types",
    );
    for (open, close) in [
        ("(component ", ")"),
        ("(type (instance ", "))"),
        ("(type (component ", "))"),
        ("(core module ", ")"),
        ("(type (option ", "))"),
    ] {
        let nested = format!("(component {} {})", open.repeat(100_000), close.repeat(100_000));
        assert!(prepare_source(&component(&nested, &[], Type::Void)).is_err());
    }
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
