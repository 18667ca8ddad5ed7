//! Each limit ends a Python call, whatever it catches, and names itself and its value.

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use common::*;
use policy::Limits;
use sandbox::{Error, Limit};
use types::{Datum, SqlState, Type};

/// Indents `work` by so many levels.
fn indented(work: &str, levels: usize) -> String {
    let margin = "    ".repeat(levels);
    work.lines().map(|line| format!("{margin}{line}\n")).collect()
}

/// Wraps a body's work in everything that Python could catch a limit with.
fn caught(work: &str) -> String {
    format!(
        "import contextlib\ndef work():\n{}\n\
         def f():\n    try:\n        with contextlib.suppress(BaseException):\n            work()\n    except BaseException as e:\n        return 'caught ' + repr(e)\n    \
         finally:\n        for i in range(10):\n            try:\n                work()\n            except:\n                pass\n    return 'done'\n",
        indented(work, 1)
    )
}

#[track_caller]
fn hits(limits: Limits, work: &str, limit: Limit, value: u64) {
    for body in [format!("def f():\n{}\n    return 'done'\n", indented(work, 1)), caught(work)] {
        let outcome = call_python_in(&Arc::default(), limits, &body, &[], Type::Text);
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
        ..python_limits()
    };
    for work in [
        "while True: pass",
        "import re\nre.match(r'(a+)+$', 'a' * 40 + 'b')",
        "for i in iter(int, 1): [x * 2 for x in (1, 2, 3)]",
        "n = 3 ** 100000\nwhile True: n * n",
        "sum(iter(int, 1))",
        "class C:\n    def __del__(self):\n        while True: pass\nC()",
        "max(iter(int, 1))",
    ] {
        let started = Instant::now();
        hits(limits, work, Limit::CpuTime, 100);
        assert!(started.elapsed() < Duration::from_secs(4), "{work}: {:?}", started.elapsed());
    }
}

#[test]
fn instructions_run_out() {
    let limits = Limits {
        instructions: 1_000_000,
        ..python_limits()
    };
    hits(limits, "while True: pass", Limit::Instructions, 1_000_000);
}

#[test]
fn wall_time_counts_while_the_host_works() {
    let limits = Limits {
        wall_time_ms: 200,
        ..python_limits()
    };
    hits(limits, "while True: heliosdb.query('slow')", Limit::WallTime, 200);
}

#[test]
fn memory_ends_however_it_is_asked_for() {
    let mib32 = 32 << 20;
    for work in [
        "a = []\nwhile True: a.append({'a': len(a)})",
        "s = 'x'\nwhile True: s += s",
        "'x' * 1000000000",
        "[0] * 100000000",
        "[0] * 1000000000",
        "bytes(100000000)",
        "bytearray(2000000000)",
        "list(range(100000000))",
        "'%1000000000d' % 1",
        "format(1, '1000000000d')",
        "m = {}\ni = 0\nwhile True:\n    m[i] = str(i)\n    i += 1",
        "b = 1\nwhile True: b <<= 1000000",
        "1 << 10000000000",
        "import itertools\nlist(itertools.repeat('x'))",
        "import json\njson.loads('[' + '1,' * 4000000 + '1]')",
        "def g():\n    while True: yield g()\nkept = list(g())",
        "import decimal\ndecimal.getcontext().prec = 100000000\ndecimal.Decimal(1) / 3",
        "import zlib\nzlib.decompress(zlib.compress(bytes(8000000)) * 1 + b'') * 100",
    ] {
        hits(python_limits(), work, Limit::Memory, mib32);
    }
    let error = sql_error(call_python("def f(): return [0] * 100000000", &[], Type::Int4).unwrap_err());
    assert_eq!(
        (error.state(), error.message()),
        (
            SqlState::ProgramLimitExceeded,
            "function f() exceeded its memory limit of 33554432 bytes"
        )
    );
}

#[test]
fn a_result_or_an_argument_is_bounded_by_memory_too() {
    let error = call_python("def f(): return 'x' * 20000000", &[], Type::Text).unwrap_err();
    assert!(matches!(error, Error::Limit { limit: Limit::Memory, .. }), "{error:?}");
    hits(python_limits(), "return heliosdb.query('huge')", Limit::Memory, 32 << 20);
    let argument = (Type::Text, Datum::text("x".repeat(40 << 20)));
    let error = call_python("def f(x): return len(x)", &[argument], Type::Int4).unwrap_err();
    assert!(matches!(error, Error::Limit { limit: Limit::Memory, .. }), "{error:?}");
}

#[test]
fn a_memory_limit_below_what_every_call_needs_is_refused_at_once() {
    let limits = Limits {
        memory_bytes: 1 << 20,
        ..python_limits()
    };
    let error = call_python_in(&Arc::default(), limits, "def f(): pass", &[], Type::Int4).unwrap_err();
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
        "def g(): return 1 + g()\ng()",
        "def g(x): return sorted([2, 1], key=g)\ng(1)",
        "import sys\nsys.setrecursionlimit(100)\ndef g(): return g()\ng()",
        "class C:\n    def __getattr__(self, name): return getattr(self, name + 'x')\nC().x",
        "class C:\n    def __repr__(self): return repr([self])\nrepr(C())",
        "class C:\n    def __eq__(self, other): return self == other\nC() == C()",
        "class C:\n    def __add__(self, other): return self + other\nC() + C()",
        "a = []\nfor i in range(100000): a = [a]\nrepr(a)",
        "a = []\nfor i in range(100000): a = [a]\nimport json\njson.dumps(a)",
        "a = []\nfor i in range(100000): a = [a]\na == a[0]",
        "def g(): yield from g()\nlist(g())",
        "import functools\n@functools.lru_cache(None)\ndef g(n): return g(n + 1)\ng(0)",
        "import copy\na = []\nfor i in range(100000): a = [a]\ncopy.deepcopy(a)",
    ] {
        hits(python_limits(), work, Limit::Stack, 2 << 20);
    }
    let error = sql_error(call_python("def f(): return f()", &[], Type::Int4).unwrap_err());
    assert_eq!(
        (error.state(), error.message()),
        (
            SqlState::StatementTooComplex,
            "function f() exceeded its stack limit of 2097152 bytes"
        )
    );
    let nested = format!("def f(): return {}1{}", "(".repeat(5000), ")".repeat(5000));
    assert!(call_python(&nested, &[], Type::Int4).is_err());
}

#[test]
fn a_larger_stack_takes_deeper_recursion() {
    let body = "def f(n): return 0 if n == 0 else 1 + f(n - 1)";
    let depth = |stack_bytes, n| {
        let limits = Limits {
            stack_bytes,
            memory_bytes: 64 << 20,
            ..python_limits()
        };
        call_python_in(&Arc::default(), limits, body, &[(Type::Int4, Datum::Int4(n))], Type::Int4)
    };
    assert!(
        matches!(depth(2 << 20, 5_000), Ok(Datum::Int4(5_000))),
        "further than Python's usual limit"
    );
    let deepest = |stack| (1..).map(|step| step * 500).find(|n| depth(stack, *n).is_err()).unwrap();
    let (small, large) = (deepest(2 << 20), deepest(8 << 20));
    // The interpreter's own stack, which lies in its memory, ends the larger one.
    assert!(large > small, "{small} {large}");
    for (stack_bytes, n) in [(2 << 20, small), (8 << 20, large)] {
        match depth(stack_bytes, n) {
            Err(Error::Limit {
                limit: Limit::Stack,
                value,
                ..
            }) => assert_eq!(value, stack_bytes),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn ordinary_work_stays_far_from_the_limits() {
    for (work, result) in [
        (
            "import json\na = [{'id': i, 'name': f'n{i}', 'v': i * 7919 % 1000} for i in range(10000)]\na.sort(key=lambda x: x['v'])\nreturn len(json.dumps(a))",
            406_680,
        ),
        (
            "s = 0\nfor i in range(300000):\n    o = {'a': i, 'b': [i]}\n    s += o['b'][0]\nreturn s // 1000",
            44_999_850,
        ),
        ("s = ''\nfor i in range(100000): s += 'ab'\nreturn len(s)", 200_000),
        ("try:\n    [][1]\nexcept IndexError:\n    return 7", 7),
    ] {
        let body = format!("def f():\n{}", indented(work, 1));
        let outcome = call_python(&body, &[], Type::Int4).unwrap_or_else(|error| panic!("{work}: {error}"));
        assert!(matches!(outcome, Datum::Int4(n) if n == result), "{work}: {outcome:?}");
    }
}

#[test]
fn a_cancel_request_is_heard_within_a_tenth_of_a_second() {
    let world: Arc<World> = Arc::default();
    let teller = world.clone();
    let prepared = prepare_python(&caught("while True: pass"), &[], Type::Text).unwrap();
    let (cancelled_at, ended_at) = std::thread::scope(|scope| {
        let canceller = scope.spawn(move || {
            std::thread::sleep(Duration::from_millis(150));
            teller.cancelled.store(true, Ordering::SeqCst);
            Instant::now()
        });
        let (error, ended_at) = on_session_thread(|| {
            let mut instance = runtime().instantiate(&prepared, context(&world, python_limits())).unwrap();
            (instance.call(&[vec![]]).unwrap_err(), Instant::now())
        });
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
fn a_body_cannot_run_for_ever_while_it_loads() {
    let error = prepare_python("a = []\nwhile True: a.append(str(len(a)))\ndef f(): pass", &[], Type::Int4)
        .err()
        .unwrap();
    assert!(matches!(error, Error::Limit { limit: Limit::Memory, .. }), "{error:?}");
}
