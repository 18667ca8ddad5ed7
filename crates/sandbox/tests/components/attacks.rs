//! Components that try: each ends with an error of its own.

use std::fmt::Write;
use std::time::{Duration, Instant};

use super::*;

/// Whatever a component's bytes are, it is refused, or runs and ends, and nothing of it is our fault.
#[test]
fn no_bytes_of_a_component_can_do_harm() {
    let whole = include_bytes!("every_import.wasm");
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
