//! A function is called: rows in, results out, exceptions with message and place, nothing kept.

mod common;

use std::sync::Arc;

use common::*;
use sandbox::Error;
use types::{Datum, SqlState, Type};

fn int(value: i32) -> (Type, Datum) {
    (Type::Int4, Datum::Int4(value))
}

#[test]
fn a_function_is_found_however_it_is_written() {
    for body in [
        "function f(x) { return x + 1 }",
        "const f = x => x + 1",
        "let f = function (x) { return x + 1 }",
        "var f = function g(x) { return x + 1 }",
        "function helper(x) { return x + 1 }\nfunction f(x) { return helper(x) }",
        "f = x => x + 1",
        // SQL folds names to lower case.
        "function F(x) { return x + 1 }",
    ] {
        let result = call(body, &[int(41)], Type::Int4).unwrap();
        assert!(matches!(result, Datum::Int4(42)), "{body}: {result:?}");
    }
}

#[test]
fn rows_of_a_batch_share_a_sandbox_and_statements_do_not() {
    on_session_thread(|| {
        let prepared = runtime()
            .prepare(&source("let n = 0; function f(x) { n += x; return n }", &[Type::Int4], Type::Int4))
            .unwrap();
        for _ in 0..3 {
            let mut instance = runtime().instantiate(&prepared, context(&Arc::default(), limits())).unwrap();
            let rows: Vec<Vec<Datum>> = (1..=3000).map(|n| vec![Datum::Int4(n)]).collect();
            let results = instance.call(&rows).unwrap();
            assert_eq!(results.len(), 3000);
            assert!(matches!(results[0], Datum::Int4(1)));
            assert!(matches!(results[2999], Datum::Int4(4_501_500)));
        }
    });
}

#[test]
fn instances_live_side_by_side_and_on_any_thread() {
    let prepared = prepare("let n = 0; function f(x) { n += x; return n }", &[Type::Int4], Type::Int4).unwrap();
    let instances: Vec<_> = (0..8)
        .map(|_| on_session_thread(|| runtime().instantiate(&prepared, context(&Arc::default(), limits())).unwrap()))
        .collect();
    std::thread::scope(|scope| {
        for (number, mut instance) in instances.into_iter().enumerate() {
            let run = move || {
                for round in 1..=20 {
                    let result = instance.call(&[vec![Datum::Int4(number as i32)]]).unwrap().remove(0);
                    assert!(matches!(result, Datum::Int4(n) if n == round * number as i32));
                }
            };
            std::thread::Builder::new().stack_size(64 << 20).spawn_scoped(scope, run).unwrap();
        }
    });
}

#[test]
fn a_syntax_error_has_line_and_column() {
    let error = prepare("function f(x) {\n  return x +* 1\n}", &[Type::Int4], Type::Int4)
        .err()
        .unwrap();
    let Error::Syntax { line, column, message, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!((*line, *column), (2, 13), "{message}");
    let error = sql_error(error);
    assert_eq!(error.state(), SqlState::SyntaxError);
    assert_eq!(
        error.fields().context.as_deref(),
        Some("JavaScript function body, line 2, column 13")
    );

    let error = prepare("function f(x) {\n  return x + 1\n", &[Type::Int4], Type::Int4)
        .err()
        .unwrap();
    let Error::Syntax { message, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(message, "unexpected end of the function body");

    let error = prepare("let a = 1; let a = 2; function f(x) {}", &[], Type::Int4).err().unwrap();
    assert!(matches!(error, Error::Syntax { line: 1, .. }), "{error:?}");
}

#[test]
fn a_body_without_the_function_is_refused() {
    for (body, message, hint) in [
        (
            "",
            "the body does not define a function named \"f\"",
            Some("Write it as: function f(...) { ... }"),
        ),
        (
            "function g() {}",
            "the body does not define a function named \"f\"",
            Some("The body defines: g."),
        ),
        ("const f = 1", "\"f\" in the body is not a function", None),
        (
            "async function* f() {}",
            "\"f\" is an asynchronous generator, and asynchronous generators are not supported",
            Some("Host calls return their results directly; a generator needs no await."),
        ),
        (
            "function* f() {}",
            "\"f\" is a generator, but the function is not declared to return a set",
            Some("Declare it RETURNS SETOF or RETURNS TABLE."),
        ),
    ] {
        let error = sql_error(prepare(body, &[], Type::Int4).err().unwrap());
        assert_eq!(
            (error.state(), error.message()),
            (SqlState::InvalidFunctionDefinition, message),
            "{body}"
        );
        assert_eq!(error.fields().hint.as_deref(), hint, "{body}");
    }
}

#[test]
fn a_body_that_throws_while_it_loads_is_refused() {
    let error = sql_error(prepare("function f() {}\nundefinedName.x", &[], Type::Int4).err().unwrap());
    assert_eq!(error.state(), SqlState::ExternalRoutineException);
    assert_eq!(error.message(), "ReferenceError: undefinedName is not defined");
    let error = sql_error(prepare("heliosdb.query('users'); function f() {}", &[], Type::Int4).err().unwrap());
    assert!(
        error
            .message()
            .contains("host functions are not available while a function is being created"),
        "{error:?}"
    );
}

#[test]
fn an_exception_reaches_the_client_with_message_line_and_stack() {
    let body = "function inner(x) {\n  throw new Error('boom ' + x)\n}\nfunction f(x) {\n  return inner(x)\n}";
    let error = sql_error(call(body, &[int(3)], Type::Int4).unwrap_err());
    assert_eq!(
        (error.state(), error.message()),
        (SqlState::ExternalRoutineException, "Error: boom 3")
    );
    let context = error.fields().context.clone().unwrap();
    let lines: Vec<&str> = context.lines().collect();
    assert_eq!(lines[0], "JavaScript function f(integer), line 2", "{context}");
    assert!(lines[1].starts_with("at inner (line 2:"), "{context}");
    assert!(lines[2].starts_with("at f (line 5:"), "{context}");
}

#[test]
fn whatever_is_thrown_has_a_message() {
    for (body, message) in [
        ("function f() { throw 'just text' }", "just text"),
        ("function f() { throw 42 }", "42"),
        ("function f() { throw null }", "null"),
        (
            "function f() { null.x }",
            "TypeError: cannot convert 'null' or 'undefined' to object",
        ),
        (
            "class Bad extends Error { get name() { return 'Bad' } }\nfunction f() { throw new Bad('x') }",
            "Bad: x",
        ),
        ("function f() { throw { message: 'an object' } }", "an object"),
        (
            "function f() { throw { get message() { throw 1 } } }",
            "{\n    message: Getter & Setter\n}",
        ),
    ] {
        let error = sql_error(call(body, &[], Type::Int4).unwrap_err());
        assert_eq!(error.message(), message, "{body}");
    }
}

#[test]
fn sets_are_fetched_in_pieces() {
    on_session_thread(|| {
        for body in [
            "function* f(n) { for (let i = 0; i < n; i++) yield i }",
            "function f(n) { return Array.from({ length: n }, (_, i) => i) }",
            "function f(n) { return new Set(Array(n).keys()) }",
        ] {
            let mut declared = source(body, &[Type::Int4], Type::Int8);
            declared.set = true;
            let prepared = runtime().prepare(&declared).unwrap();
            let mut instance = runtime().instantiate(&prepared, context(&Arc::default(), limits())).unwrap();
            instance.call_set(&[Datum::Int4(25)]).unwrap();
            let mut rows = Vec::new();
            loop {
                let piece = instance.next_rows(10).unwrap();
                if piece.is_empty() {
                    break;
                }
                assert!(piece.len() <= 10);
                rows.extend(piece);
            }
            let numbers: Vec<i64> = rows.iter().map(|row| row.as_i64().unwrap()).collect();
            assert_eq!(numbers, (0..25).collect::<Vec<_>>(), "{body}");
        }
    });
}

#[test]
fn an_endless_set_is_cut_by_whoever_reads_it() {
    on_session_thread(|| {
        let mut declared = source(
            "function* f() { let i = 0; for (;;) yield { name: 'n' + i, id: i++ } }",
            &[],
            Type::Record,
        );
        declared.set = true;
        declared.columns = vec![("id".into(), Type::Int4), ("name".into(), Type::Text)];
        let prepared = runtime().prepare(&declared).unwrap();
        let mut instance = runtime().instantiate(&prepared, context(&Arc::default(), limits())).unwrap();
        instance.call_set(&[]).unwrap();
        let rows = instance.next_rows(2).unwrap();
        let Datum::Record(second) = &rows[1] else { panic!("{rows:?}") };
        assert!(
            matches!(&second[..], [Datum::Int4(1), Datum::Text(name)] if name == "n1"),
            "{second:?}"
        );
    });
}

#[test]
fn a_snapshot_that_was_dropped_is_made_again() {
    on_session_thread(|| {
        let first = runtime().prepare(&source("function f() { return 1 }", &[], Type::Int4)).unwrap();
        // More functions than snapshots are kept.
        let others: Vec<_> = (0..600)
            .map(|n| {
                runtime()
                    .prepare(&source(&format!("function f() {{ return {n} }}"), &[], Type::Int4))
                    .unwrap()
            })
            .collect();
        for prepared in [&first, &others[0], &others[599]] {
            let mut instance = runtime().instantiate(prepared, context(&Arc::default(), limits())).unwrap();
            instance.call(&[vec![]]).unwrap();
        }
    });
}
