//! What a component asks of the host.

use std::fmt::Write;

use policy::Capability;

use super::*;

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
    let binary = include_bytes!("every_import.wasm");
    let body = binary.iter().fold(String::from("\\x"), |mut body, byte| {
        write!(body, "{byte:02x}").unwrap();
        body
    });
    fails(&body, &[], Type::Text, SqlState::ExternalRoutineException, "unreachable");
}
