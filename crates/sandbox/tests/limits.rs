//! Each limit ends a call, whatever the guest catches, and names itself and its value.

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use common::*;
use policy::Limits;
use sandbox::{Error, Limit};
use types::{Datum, SqlState, Type};

/// Wraps a body's work in everything that a guest could catch a limit with.
fn caught(work: &str) -> String {
    format!(
        "function f() {{ try {{ {work} }} catch (e) {{ return 'caught ' + e }} finally {{ for (let i = 0; i < 10; i++) {{ try {{ {work} }} catch (e) {{}} }} }} return 'done' }}"
    )
}

#[track_caller]
fn hits(limits: Limits, work: &str, limit: Limit, value: u64) {
    for body in [format!("function f() {{ {work}; return 'done' }}"), caught(work)] {
        let outcome = call_in(&Arc::default(), limits, &body, &[], Type::Text);
        match outcome {
            Err(Error::Limit {
                limit: hit,
                value: reported,
                ..
            }) => assert_eq!((hit, reported), (limit, value), "{body}"),
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[test]
fn an_endless_loop_ends_by_cpu_time() {
    let limits = Limits {
        cpu_time_ms: 100,
        ..limits()
    };
    let started = Instant::now();
    hits(limits, "while (true) {}", Limit::CpuTime, 100);
    assert!(started.elapsed() < Duration::from_secs(3));
    hits(limits, "/^(a+)+$/.test('a'.repeat(40) + 'b')", Limit::CpuTime, 100);
    hits(
        limits,
        "let o = {}; for (;;) o[Math.floor(o.x)] = [1, 2, 3].map(x => x * 2)",
        Limit::CpuTime,
        100,
    );
}

#[test]
fn with_the_default_limits_an_endless_loop_ends_by_cpu_time_and_not_by_instructions() {
    let started = Instant::now();
    // Other tests run beside this one: the wall clock must not be what ends it.
    let patient = Limits {
        wall_time_ms: 120_000,
        ..limits()
    };
    let error = call_in(&Arc::default(), patient, "function f() { while (true) {} }", &[], Type::Int4).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Limit {
                limit: Limit::CpuTime,
                value: 5_000,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(started.elapsed() >= Duration::from_secs(5));
    let error = sql_error(error);
    assert_eq!(
        (error.state(), error.message()),
        (SqlState::QueryCanceled, "function f() exceeded its CPU time limit of 5000 ms")
    );
    assert_eq!(error.fields().detail.as_deref(), Some("max_cpu_time_ms = 5000"));
}

#[test]
fn instructions_run_out() {
    hits(
        Limits {
            instructions: 1_000_000,
            ..limits()
        },
        "for (;;) {}",
        Limit::Instructions,
        1_000_000,
    );
    let error = sql_error(
        call_in(
            &Arc::default(),
            Limits {
                instructions: 1_000_000,
                ..limits()
            },
            "function f() { for (;;) {} }",
            &[],
            Type::Int4,
        )
        .unwrap_err(),
    );
    assert_eq!(
        (error.state(), error.message()),
        (
            SqlState::ProgramLimitExceeded,
            "function f() exceeded its instruction limit of 1000000"
        )
    );
}

#[test]
fn wall_time_counts_while_the_host_works() {
    let limits = Limits {
        wall_time_ms: 200,
        ..limits()
    };
    hits(limits, "for (;;) heliosdb.query('slow')", Limit::WallTime, 200);
    // And CPU time does not.
    let limits = Limits {
        cpu_time_ms: 150,
        ..self::limits()
    };
    let result = call_in(
        &Arc::default(),
        limits,
        "function f() { heliosdb.query('slow'); return 'done' }",
        &[],
        Type::Text,
    )
    .unwrap();
    assert!(matches!(result, Datum::Text(text) if text == "done"));
}

#[test]
fn memory_ends_however_it_is_asked_for() {
    let mib16 = 16 << 20;
    for work in [
        "let a = []; for (;;) a.push({ a: a.length })",
        "let s = 'x'; for (;;) s += s",
        "'x'.repeat(1000000000)",
        "new Array(100000000)",
        "Array(100000000)",
        "new Array(100000000).fill(1)",
        "new (class extends Array {})(100000000)",
        "Reflect.construct(Array, [100000000])",
        "[1].constructor(100000000)",
        "new Uint8Array(100000000)",
        "new ArrayBuffer(1000000000)",
        "JSON.parse('[' + '1,'.repeat(4000000) + '1]')",
        "let m = new Map(); for (let i = 0; ; i++) m.set(i, i)",
        "let b = 1n; for (;;) b = b << 100000n",
        "Array.from({ length: 100000000 })",
    ] {
        hits(limits(), work, Limit::Memory, mib16);
    }
    let error = sql_error(call("function f() { new Array(100000000) }", &[], Type::Int4).unwrap_err());
    assert_eq!(
        (error.state(), error.message()),
        (
            SqlState::ProgramLimitExceeded,
            "function f() exceeded its memory limit of 16777216 bytes"
        )
    );
}

#[test]
fn a_result_or_an_argument_is_bounded_by_memory_too() {
    hits(limits(), "return 'x'.repeat(9000000)", Limit::Memory, 16 << 20);
    hits(limits(), "return heliosdb.query('huge')", Limit::Memory, 16 << 20);
    let argument = (Type::Text, Datum::text("x".repeat(20 << 20)));
    let error = call("function f(x) { return x.length }", &[argument], Type::Int4).unwrap_err();
    assert!(matches!(error, Error::Limit { limit: Limit::Memory, .. }), "{error:?}");
}

#[test]
fn a_memory_limit_below_the_interpreter_is_refused_at_once() {
    let error = call_in(
        &Arc::default(),
        Limits {
            memory_bytes: 1 << 20,
            ..limits()
        },
        "function f() {}",
        &[],
        Type::Int4,
    )
    .unwrap_err();
    assert!(
        matches!(
            error,
            Error::Limit {
                limit: Limit::Memory,
                value: 1_048_576,
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn deep_recursion_ends_by_the_stack_limit() {
    for work in [
        "(function g() { return 1 + g() })()",
        "(function g() { return [2, 1].sort(g) })()",
        "let o = {}; o.toJSON = () => JSON.stringify(o); JSON.stringify(o)",
        "eval('('.repeat(50000) + '1' + ')'.repeat(50000))",
        "new Proxy({}, { get(t, k, r) { return r[k] } }).x",
    ] {
        hits(limits(), work, Limit::Stack, 2 << 20);
    }
    let error = sql_error(call("function f() { return f() }", &[], Type::Int4).unwrap_err());
    assert_eq!(
        (error.state(), error.message()),
        (
            SqlState::StatementTooComplex,
            "function f() exceeded its stack limit of 2097152 bytes"
        )
    );
}

#[test]
fn a_larger_stack_takes_deeper_recursion() {
    let body = "let deepest = 0; function f(n) { return n == 0 ? 0 : 1 + f(n - 1) }";
    let depth = |stack_bytes, n| {
        call_in(
            &Arc::default(),
            Limits {
                stack_bytes,
                memory_bytes: 64 << 20,
                ..limits()
            },
            body,
            &[(Type::Int4, Datum::Int4(n))],
            Type::Int4,
        )
    };
    assert!(matches!(depth(2 << 20, 5_000), Ok(Datum::Int4(5_000))));
    assert!(matches!(
        depth(2 << 20, 20_000),
        Err(Error::Limit {
            limit: Limit::Stack,
            value: 2_097_152,
            ..
        })
    ));
    let outcome = depth(8 << 20, 20_000);
    assert!(matches!(outcome, Ok(Datum::Int4(20_000))), "{outcome:?}");
}

#[test]
fn ordinary_work_stays_far_from_the_limits() {
    for (work, result) in [
        (
            "let a = []; for (let i = 0; i < 20000; i++) a.push({ id: i, name: 'n' + i, v: i * 7919 % 1000 }); a.sort((x, y) => x.v - y.v); return JSON.stringify(a).length",
            715_581,
        ),
        (
            "let s = 0; for (let i = 0; i < 300000; i++) { let o = { a: i, b: [i] }; s += o.b[0] } return s / 1000 | 0",
            44_999_850,
        ),
        ("let s = ''; for (let i = 0; i < 100000; i++) s += 'ab'; return s.length", 200_000),
    ] {
        let outcome = call(&format!("function f() {{ {work} }}"), &[], Type::Int4).unwrap();
        assert!(matches!(outcome, Datum::Int4(n) if n == result), "{work}: {outcome:?}");
    }
}

#[test]
fn a_cancel_request_is_heard_within_a_tenth_of_a_second() {
    let world: Arc<World> = Arc::default();
    let teller = world.clone();
    let (cancelled_at, ended_at) = std::thread::scope(|scope| {
        let canceller = scope.spawn(move || {
            std::thread::sleep(Duration::from_millis(150));
            teller.cancelled.store(true, Ordering::SeqCst);
            Instant::now()
        });
        let error = call_in(&world, limits(), &caught("for (;;) {}"), &[], Type::Text).unwrap_err();
        let ended_at = Instant::now();
        assert!(
            matches!(&error, Error::Cancelled(error) if error.message() == "canceling statement due to user request"),
            "{error:?}"
        );
        (canceller.join().unwrap(), ended_at)
    });
    assert!(
        ended_at - cancelled_at < Duration::from_millis(100),
        "{:?}",
        ended_at - cancelled_at
    );
}

#[test]
fn after_a_limit_the_sandbox_is_gone_and_others_are_well() {
    on_session_thread(|| {
        let prepared = runtime()
            .prepare(&source(
                "let n = 0; function f(x) { n++; while (x) {} return n }",
                &[Type::Bool],
                Type::Int4,
            ))
            .unwrap();
        let limits = Limits {
            cpu_time_ms: 50,
            ..limits()
        };
        let mut stuck = runtime().instantiate(&prepared, context(&Arc::default(), limits)).unwrap();
        let mut other = runtime().instantiate(&prepared, context(&Arc::default(), limits)).unwrap();
        assert!(stuck.call(&[vec![Datum::Bool(false)], vec![Datum::Bool(true)]]).is_err());
        assert!(matches!(
            stuck.call(&[vec![Datum::Bool(false)]]),
            Err(Error::Limit { limit: Limit::CpuTime, .. })
        ));
        drop(stuck);
        assert!(matches!(other.call(&[vec![Datum::Bool(false)]]).unwrap()[..], [Datum::Int4(1)]));
        let mut fresh = runtime().instantiate(&prepared, context(&Arc::default(), limits)).unwrap();
        assert!(matches!(fresh.call(&[vec![Datum::Bool(false)]]).unwrap()[..], [Datum::Int4(1)]));
    });
}

#[test]
fn usage_is_counted() {
    on_session_thread(|| {
        let prepared = runtime()
            .prepare(&source(
                "function f(n) { let s = 0; for (let i = 0; i < n; i++) s += i; return s }",
                &[Type::Int4],
                Type::Int8,
            ))
            .unwrap();
        let mut instance = runtime().instantiate(&prepared, context(&Arc::default(), limits())).unwrap();
        let before = instance.usage();
        assert_eq!((before.fuel, before.cpu), (0, Duration::ZERO));
        instance.call(&[vec![Datum::Int4(200_000)]]).unwrap();
        let after = instance.usage();
        assert!(after.fuel > 200_000, "{after:?}");
        assert!(after.cpu > Duration::ZERO && after.cpu <= after.wall * 2, "{after:?}");
        assert!(after.memory_bytes >= 1 << 20, "{after:?}");
    });
}

#[test]
fn a_body_cannot_run_for_ever_while_it_loads() {
    let error = prepare("let a = []; for (;;) a.push(a.length + 'x'); function f() {}", &[], Type::Int4)
        .err()
        .unwrap();
    assert!(matches!(error, Error::Limit { limit: Limit::Memory, .. }), "{error:?}");
}

#[test]
fn a_thread_without_room_is_an_error_and_not_the_end_of_the_process() {
    let prepared = prepare("function f() { return 1 }", &[], Type::Int4).unwrap();
    let outcome = std::thread::Builder::new()
        .stack_size(1 << 20)
        .spawn(move || {
            let mut instance = runtime().instantiate(&prepared, context(&Arc::default(), limits())).unwrap();
            instance.call(&[vec![]]).err()
        })
        .unwrap()
        .join()
        .unwrap();
    assert!(matches!(outcome, Some(Error::Host(_))), "{outcome:?}");
}
