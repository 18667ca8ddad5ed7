//! What a function can ask of the host, and how a refusal looks from both sides.

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use common::*;
use policy::Capability;
use sandbox::Error;
use types::{Datum, Severity, SqlState, Type};

fn text(body: &str) -> String {
    text_in(&Arc::default(), body)
}

#[track_caller]
fn text_in(world: &Arc<World>, body: &str) -> String {
    match call_in(world, limits(), body, &[], Type::Text) {
        Ok(Datum::Text(text)) => text,
        other => panic!("{body}: {other:?}"),
    }
}

#[test]
fn a_query_returns_rows_columns_and_their_count() {
    let body = "function f() { const r = heliosdb.query('users'); return JSON.stringify([r.rows, r.columns, r.rowCount]) }";
    assert_eq!(
        text(body),
        r#"[[{"id":1,"name":"user 1"},{"id":2,"name":"user 2"},{"id":3,"name":"user 3"}],["id","name"],3]"#
    );
}

#[test]
fn execute_returns_rows_affected_and_what_returning_returned() {
    assert_eq!(
        text("function f() { return JSON.stringify(heliosdb.execute('insert')) }"),
        r#"{"rowsAffected":2}"#
    );
    assert_eq!(
        text("function f() { return JSON.stringify(heliosdb.execute('returning', [1])) }"),
        r#"{"rowsAffected":1,"rows":[{"id":7}],"columns":["id"],"rowCount":1}"#
    );
}

#[test]
fn parameters_arrive_as_what_they_are() {
    let world: Arc<World> = Arc::default();
    let body = "function f() { heliosdb.execute('insert', [null, undefined, true, 1, 3000000000, 1.5, 9007199254740993n, 'text', new Uint8Array([1, 2]), \
                new Date(5), { a: 1 }, [1, 2], ['a', null], [1, 2.5], -0]); return 'ok' }";
    text_in(&world, body);
    let statements = world.statements.lock().unwrap();
    let params = &statements[0].1;
    let printed: Vec<String> = params.iter().map(|param| format!("{param:?}")).collect();
    assert_eq!(
        printed[..11],
        [
            "Null",
            "Null",
            "Bool(true)",
            "Int4(1)",
            "Int8(3000000000)",
            "Float8(1.5)",
            "Int8(9007199254740993)",
            "Text(\"text\")",
            "Bytea([1, 2])",
            "Timestamptz(5000)",
            "Json(\"{\\\"a\\\":1}\")"
        ]
    );
    for (param, element) in params[11..14].iter().zip([Type::Int8, Type::Text, Type::Float8]) {
        assert!(matches!(param, Datum::Array(array) if array.element == element), "{param:?}");
    }
}

#[test]
fn a_denial_is_catchable_and_names_the_capability() {
    let body = "function f() { try { heliosdb.query('secret') } catch (e) { return [e instanceof CapabilityError, e instanceof DatabaseError, \
                e instanceof Error, e.name, e.capability, e.sqlstate, e.message, e.hint].join('|') } }";
    assert_eq!(
        text(body),
        "true|true|true|CapabilityError|DATABASE_READ('secret')|42501|function f lacks capability DATABASE_READ('secret')|\
         ALTER FUNCTION f GRANT CAPABILITY DATABASE_READ('secret');"
    );
}

#[test]
fn an_uncaught_denial_reaches_the_client_whole() {
    for body in [
        "function f() {\n heliosdb.query('secret')\n}",
        "function f() {\n try { heliosdb.query('secret') } catch (e) { throw e }\n}",
        "function f() {\n try { heliosdb.query('secret') } finally { 1 }\n}",
    ] {
        let error = call(body, &[], Type::Text).unwrap_err();
        assert!(matches!(error, Error::Refused(_)), "{error:?}");
        let error = sql_error(error);
        assert_eq!(error.state(), SqlState::InsufficientPrivilege);
        assert_eq!(
            error.fields().detail.as_deref(),
            Some("The function was created with policy MINIMAL.")
        );
        assert_eq!(
            error.fields().hint.as_deref(),
            Some("ALTER FUNCTION f GRANT CAPABILITY DATABASE_READ('secret');")
        );
        assert_eq!(error.fields().context.as_deref(), Some("JavaScript function f(), line 2"));
    }
}

#[test]
fn a_denial_that_the_guest_changed_is_its_own_exception() {
    for body in [
        "function f() { try { heliosdb.query('secret') } catch (e) { throw new Error('wrapped: ' + e.message) } }",
        "function f() { try { heliosdb.query('secret') } catch (e) { e.message = 'changed'; throw e } }",
        "function f() { const e = new CapabilityError('forged'); e.sqlstate = '00000'; throw e }",
    ] {
        let error = call(body, &[], Type::Text).unwrap_err();
        assert!(matches!(error, Error::Guest { .. }), "{body}: {error:?}");
        assert_eq!(sql_error(error).state(), SqlState::ExternalRoutineException);
    }
}

#[test]
fn an_error_of_sql_keeps_its_sqlstate() {
    let body = "function f() { try { heliosdb.execute('other') } catch (e) { return [e.name, e.sqlstate, e.detail, e instanceof CapabilityError].join('|') } }";
    assert_eq!(text(body), "DatabaseError|23505|Key (id)=(1) already exists.|false");
    let error = sql_error(call("function f() { heliosdb.execute('other') }", &[], Type::Text).unwrap_err());
    assert_eq!(error.state(), SqlState::UniqueViolation);
    let error = sql_error(call("function f() { heliosdb.query('nothing') }", &[], Type::Text).unwrap_err());
    assert_eq!(error.state(), SqlState::UndefinedTable);
}

#[test]
fn the_clock_shows_the_transaction_without_time_access() {
    let body = "function f() { return [Date.now(), new Date().getTime(), typeof Date()].join('|') }";
    assert_eq!(text(body), "1700000000123|1700000000123|string");
    let world = World::holding(Capability::TimeAccess);
    let shown: f64 = text_in(&world, "function f() { return String(Date.now()) }").parse().unwrap();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as f64;
    assert!((shown - now).abs() < 60_000.0, "{shown} {now}");
}

#[test]
fn the_clock_is_on_record_once_and_its_lack_is_not() {
    let body = "function f() { for (let i = 0; i < 10000; i++) Date.now(); return 'done' }";
    let world: Arc<World> = Arc::default();
    text_in(&world, body);
    assert_eq!(world.checks(), []);
    let world = World::holding(Capability::TimeAccess);
    text_in(&world, body);
    assert_eq!(world.checks(), [("TIME_ACCESS".to_string(), true)]);
}

#[test]
fn a_revoke_acts_on_the_next_host_call() {
    on_session_thread(|| {
        let world = World::holding(Capability::TimeAccess);
        let prepared = runtime()
            .prepare(&source("function f() { return Date.now() }", &[], Type::Int8))
            .unwrap();
        let mut instance = runtime().instantiate(&prepared, context(&world, limits())).unwrap();
        let mut shown = || instance.call(&[vec![]]).unwrap()[0].as_i64().unwrap();
        assert!(shown() > TIMESTAMP / 1000 + 1);
        world.capabilities.lock().unwrap().clear();
        assert_eq!(shown(), TIMESTAMP / 1000);
    });
}

#[test]
fn a_disabled_function_stops_at_the_next_host_call_whatever_it_catches() {
    for call in ["Date.now()", "Math.random()"] {
        let world: Arc<World> = Arc::default();
        world.disabled.store(true, Ordering::SeqCst);
        let body = format!("function f() {{ try {{ {call} }} catch (e) {{ return 'caught' }} return 'done' }}");
        let error = sql_error(call_in(&world, limits(), &body, &[], Type::Text).unwrap_err());
        assert_eq!(
            (error.state(), error.message()),
            (SqlState::ObjectNotInPrerequisiteState, "function f is disabled")
        );
    }
}

#[test]
fn what_cannot_be_recorded_does_not_happen() {
    let world = World::holding(Capability::RandomAccess);
    world.log.set_failing(true);
    let error = sql_error(
        call_in(
            &world,
            limits(),
            "function f() { try { Math.random() } catch (e) {} return 'done' }",
            &[],
            Type::Text,
        )
        .unwrap_err(),
    );
    assert_eq!(
        error.message(),
        "permission denied: the check could not be recorded in the audit log"
    );
}

#[test]
fn randomness_is_refused_without_random_access_and_fresh_with_it() {
    let body = "function f() { try { return String(Math.random()) } catch (e) { return e.name + ' ' + e.capability } }";
    assert_eq!(text(body), "CapabilityError RANDOM_ACCESS");
    let error = sql_error(call("function f() { return Math.random() }", &[], Type::Float8).unwrap_err());
    assert_eq!(error.state(), SqlState::InsufficientPrivilege);
    assert_eq!(
        error.message(),
        "permission denied for random numbers: function f lacks capability RANDOM_ACCESS"
    );
    assert_eq!(
        error.fields().hint.as_deref(),
        Some("ALTER FUNCTION f GRANT CAPABILITY RANDOM_ACCESS;")
    );
    let world = World::holding(Capability::RandomAccess);
    let body = "function f() { const r = []; for (let i = 0; i < 1000; i++) r.push(Math.random()); \
                if (r.some(x => !(x >= 0 && x < 1)) || new Set(r).size < 1000) return 'bad'; return String(r[0]) }";
    let (first, second) = (text_in(&world, body), text_in(&world, body));
    assert!(first != "bad" && first != second, "{first} {second}");
    let check = ("RANDOM_ACCESS".to_string(), true);
    assert_eq!(world.checks(), [check.clone(), check], "one check for each sandbox");
}

#[test]
fn messages_arrive_with_their_level() {
    let world: Arc<World> = Arc::default();
    text_in(
        &world,
        "function f() { console.log('a', 1, { b: [2] }); console.warn('w'); heliosdb.log.info('i'); heliosdb.log.debug('d'); heliosdb.log.error('e'); return '' }",
    );
    let messages = world.messages.lock().unwrap();
    let expected = [
        (Severity::Notice, "a 1"),
        (Severity::Warning, "w"),
        (Severity::Info, "i"),
        (Severity::Debug, "d"),
        (Severity::Warning, "e"),
    ];
    assert_eq!(messages.len(), expected.len());
    for ((severity, message), (level, start)) in messages.iter().zip(expected) {
        assert_eq!(*severity, level);
        assert!(message.starts_with(start), "{message}");
    }
}

#[test]
fn a_flood_of_messages_is_cut() {
    let world: Arc<World> = Arc::default();
    text_in(
        &world,
        "function f() { for (let i = 0; i < 100000; i++) console.log('flood'); return '' }",
    );
    let messages = world.messages.lock().unwrap();
    assert_eq!(messages.len(), 1001);
    assert_eq!(messages[1000].1, "further messages of this function are not shown");
    drop(messages);
    let world: Arc<World> = Arc::default();
    text_in(
        &world,
        "function f() { const s = 'x'.repeat(1000).repeat(2000); for (let i = 0; i < 100; i++) console.log(s); return '' }",
    );
    let bytes: usize = world.messages.lock().unwrap().iter().map(|(_, message)| message.len()).sum();
    assert!(bytes <= (1 << 20) + 100, "{bytes}");
}

#[test]
fn the_host_object_cannot_be_replaced_or_changed() {
    let body = "function f() { 'use strict'; const failed = []; \
        for (const attempt of [() => { heliosdb = {} }, () => { heliosdb.query = () => 1 }, () => { delete heliosdb.query }, () => { heliosdb.log.info = 1 }, \
        () => { Object.defineProperty(globalThis, 'heliosdb', { value: 1 }) }, () => { heliosdb.extra = 1 }]) { try { attempt(); failed.push(false) } catch (e) { failed.push(true) } } \
        return failed.join() }";
    assert_eq!(text(body), "true,true,true,true,true,true");
}

#[test]
fn a_polluted_realm_does_not_reach_the_codec() {
    let body = "Object.prototype.toJSON = undefined; Array.prototype.push = () => { throw 1 }; Array.prototype[Symbol.iterator] = null; \
        Object.defineProperty(Object.prototype, 'rows', { set() { throw new Error('setter') } }); Object.prototype.microseconds = 7; \
        JSON.stringify = () => 'stolen'; JSON.parse = null; Date = null; Uint8Array = null; Error = null; CapabilityError = null; \
        String.prototype.toString = () => 'stolen'; Number.prototype.toString = () => 'stolen'; \
        function f() { const r = heliosdb.query('users'); try { heliosdb.query('secret') } catch (e) { return { rows: r.rows, error: e.name } } }";
    let result = call(body, &[], Type::Jsonb).unwrap();
    let Datum::Json(json) = result else { panic!("{result:?}") };
    assert!(json.contains("user 3") && json.contains("CapabilityError"), "{json}");
}

#[test]
fn a_json_argument_cannot_set_a_prototype() {
    let json = (Type::Json, Datum::Json(r#"{"__proto__": {"admin": true}, "a": 1}"#.into()));
    let body = "function f(o) { return [o.admin, Object.prototype.admin, Object.keys(o).join(), Object.getPrototypeOf(o) === Object.prototype].join('|') }";
    let Ok(Datum::Text(text)) = call(body, &[json], Type::Text) else {
        panic!()
    };
    assert_eq!(text, "||__proto__,a|true");
}

#[test]
fn bad_requests_are_exceptions() {
    for body in [
        "function f() { try { heliosdb.query() } catch (e) { return e.name } }",
        "function f() { try { heliosdb.query(1) } catch (e) { return e.name } }",
        "function f() { try { heliosdb.query('users', 'x') } catch (e) { return e.name } }",
        "function f() { try { heliosdb.query('echo', [Symbol()]) } catch (e) { return e.name } }",
        "function f() { try { heliosdb.query('echo', [() => 1]) } catch (e) { return e.name } }",
    ] {
        assert_eq!(text(body), "TypeError", "{body}");
    }
}

#[test]
fn names_of_other_platforms_are_not_there() {
    let body =
        "function f() { return ['require', 'process', 'fetch', 'setTimeout', 'WebAssembly'].filter(name => name in globalThis).join() }";
    assert_eq!(text(body), "");
}
