//! `heliosdb.crypto` and `heliosdb.env`: what they answer, and how they refuse.

mod common;

use std::sync::Arc;

use common::*;
use policy::Capability;
use types::{Datum, SqlState, Type};

fn text_holding(capability: Capability, body: &str) -> String {
    match call_in(&World::holding(capability), limits(), body, &[], Type::Text) {
        Ok(Datum::Text(text)) => text,
        other => panic!("{body}: {other:?}"),
    }
}

/// What the expression is for a function that holds CRYPTO_ACCESS.
#[track_caller]
fn check(expression: &str, expected: &str) {
    let body = format!("function f() {{ return String({expression}) }}");
    assert_eq!(text_holding(Capability::CryptoAccess, &body), expected, "{expression}");
}

#[track_caller]
fn check_refused(expression: &str, message: &str) {
    let body = format!("function f() {{ return String({expression}) }}");
    let error = call_in(&World::holding(Capability::CryptoAccess), limits(), &body, &[], Type::Text).unwrap_err();
    assert_eq!(sql_error(error).message(), message, "{expression}");
}

/// The examples of FIPS 180-2 and RFC 4231.
#[test]
fn digests_are_those_of_the_standards() {
    check(
        "heliosdb.crypto.sha256('abc')",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
    check(
        "heliosdb.crypto.sha256('')",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    );
    check(
        "heliosdb.crypto.sha256(new Uint8Array([97, 98, 99])) === heliosdb.crypto.sha256('abc')",
        "true",
    );
    check(
        "heliosdb.crypto.sha256('\\u00e9') === heliosdb.crypto.sha256(new Uint8Array([0xc3, 0xa9]))",
        "true",
    );
    check(
        "heliosdb.crypto.sha512('abc')",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    );
    check(
        "heliosdb.crypto.hmac('sha256', 'Jefe', 'what do ya want for nothing?')",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    );
    check(
        "heliosdb.crypto.hmac('SHA-512', 'Jefe', 'what do ya want for nothing?')",
        "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
    );
}

#[test]
fn a_long_text_is_hashed_in_pieces() {
    check(
        "heliosdb.crypto.sha256('a'.repeat(1000).repeat(1000).repeat(3)) === heliosdb.crypto.sha256('aaa'.repeat(1000).repeat(1000))",
        "true",
    );
}

#[test]
fn random_bytes_and_uuids_are_fresh() {
    check("heliosdb.crypto.randomBytes(16).length", "16");
    check("heliosdb.crypto.randomBytes(0) instanceof Uint8Array", "true");
    check("heliosdb.crypto.randomBytes(65536).length", "65536");
    check(
        "(() => { const a = heliosdb.crypto.randomBytes(16), b = heliosdb.crypto.randomBytes(16); return a.join() !== b.join() })()",
        "true",
    );
    check(
        "/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(heliosdb.crypto.uuid())",
        "true",
    );
    check("heliosdb.crypto.uuid() !== heliosdb.crypto.uuid()", "true");
}

#[test]
fn secrets_are_compared() {
    check("heliosdb.crypto.timingSafeEqual('abc', 'abc')", "true");
    check("heliosdb.crypto.timingSafeEqual('abc', new Uint8Array([97, 98, 99]))", "true");
    check("heliosdb.crypto.timingSafeEqual('abc', 'abd')", "false");
    check("heliosdb.crypto.timingSafeEqual('abc', 'abcd')", "false");
}

#[test]
fn wrong_arguments_are_named() {
    check_refused("heliosdb.crypto.sha256()", "heliosdb.crypto.sha256 expects text or bytes");
    check_refused("heliosdb.crypto.sha256({ a: 1 })", "heliosdb.crypto.sha256 expects text or bytes");
    check_refused(
        "heliosdb.crypto.sha256('a', 'b')",
        "heliosdb.crypto.sha256 takes 1 arguments, not 2",
    );
    check_refused(
        "heliosdb.crypto.hmac('md5', 'k', 'd')",
        "heliosdb.crypto.hmac expects the algorithm sha256 or sha512",
    );
    check_refused(
        "heliosdb.crypto.hmac(1, 'k', 'd')",
        "heliosdb.crypto.hmac expects the algorithm's name",
    );
    for count in ["-1", "65537", "1.5", "NaN", "2n ** 70n", "'8'"] {
        check_refused(
            &format!("heliosdb.crypto.randomBytes({count})"),
            "heliosdb.crypto.randomBytes expects a number of bytes from 0 to 65536",
        );
    }
    let body = "function f() { heliosdb.crypto.hmac('sha256', 'k', 5) }";
    let error = sql_error(call_in(&World::holding(Capability::CryptoAccess), limits(), body, &[], Type::Text).unwrap_err());
    assert_eq!(error.state(), SqlState::InvalidParameterValue);
    assert_eq!(error.fields().detail.as_deref(), Some("Argument 3 is a whole number."));
    assert_eq!(error.fields().hint.as_deref(), Some("heliosdb.crypto.hmac(algorithm, key, data)"));
    check_refused("heliosdb.crypto.sha256(Symbol())", "TypeError: a symbol has no SQL value");
}

#[test]
fn crypto_is_refused_without_its_capability() {
    for (operation, call) in [
        ("sha256", "sha256('a')"),
        ("sha512", "sha512('a')"),
        ("hmac", "hmac('sha256', 'k', 'd')"),
        ("randomBytes", "randomBytes(1)"),
        ("uuid", "uuid()"),
        ("timingSafeEqual", "timingSafeEqual('a', 'b')"),
    ] {
        let world: Arc<World> = World::holding(Capability::RandomAccess);
        let error = sql_error(
            call_in(
                &world,
                limits(),
                &format!("function f() {{ heliosdb.crypto.{call} }}"),
                &[],
                Type::Text,
            )
            .unwrap_err(),
        );
        assert_eq!(error.state(), SqlState::InsufficientPrivilege);
        assert_eq!(
            error.message(),
            format!("permission denied for cryptographic operation {operation}: function f lacks capability CRYPTO_ACCESS")
        );
        assert_eq!(
            error.fields().hint.as_deref(),
            Some("ALTER FUNCTION f GRANT CAPABILITY CRYPTO_ACCESS;")
        );
        assert_eq!(world.checks(), [("CRYPTO_ACCESS".to_string(), false)]);
    }
}

#[test]
fn each_use_is_on_record() {
    let world = World::holding(Capability::CryptoAccess);
    call_in(
        &world,
        limits(),
        "function f() { heliosdb.crypto.sha256('a'); heliosdb.crypto.uuid() }",
        &[],
        Type::Text,
    )
    .unwrap();
    let resources: Vec<Option<String>> = world.log.events().iter().map(|event| event.resource.clone()).collect();
    assert_eq!(resources, [Some("sha256".to_string()), Some("uuid".to_string())]);
}

#[test]
fn variables_come_from_the_operators_list_alone() {
    let get = |name: &str| {
        let body = format!("function f() {{ return String(heliosdb.env.get('{name}')) }}");
        text_holding(Capability::EnvAccess, &body)
    };
    assert_eq!(get("API_URL"), "https://api.example.com");
    assert_eq!(get("EMPTY"), "");
    assert_eq!(get("api_url"), "null");
    assert!(std::env::var_os("PATH").is_some());
    assert_eq!(get("PATH"), "null", "the server's own environment is not among them");
}

#[test]
fn variables_are_refused_without_env_access() {
    let world: Arc<World> = Arc::default();
    for name in ["API_URL", "PATH"] {
        let body = format!("function f() {{ return heliosdb.env.get('{name}') }}");
        let error = sql_error(call_in(&world, limits(), &body, &[], Type::Text).unwrap_err());
        assert_eq!(
            (error.state(), error.message().to_string()),
            (
                SqlState::InsufficientPrivilege,
                format!("permission denied for environment variable \"{name}\": function f lacks capability ENV_ACCESS")
            )
        );
        assert_eq!(
            error.fields().hint.as_deref(),
            Some("ALTER FUNCTION f GRANT CAPABILITY ENV_ACCESS;")
        );
    }
}

#[test]
fn host_functions_are_not_there_while_a_function_is_created() {
    let error = sql_error(
        prepare("const id = heliosdb.crypto.uuid(); function f() { return id }", &[], Type::Text)
            .err()
            .unwrap(),
    );
    assert_eq!(
        error.message(),
        "DatabaseError: host functions are not available while a function is being created"
    );
}

#[test]
fn families_and_their_functions_are_frozen() {
    let body = "function f() { 'use strict'; const failed = []; \
        for (const attempt of [() => { heliosdb.crypto = {} }, () => { heliosdb.crypto.sha256 = () => 'x' }, () => { delete heliosdb.env.get }, \
        () => { heliosdb.storage.extra = 1 }, () => { heliosdb.crypto.sha256.call = null }, () => { Object.setPrototypeOf(heliosdb.crypto, { a: 1 }) }]) \
        { try { attempt(); failed.push(false) } catch (e) { failed.push(true) } } return failed.join() }";
    let Ok(Datum::Text(text)) = call(body, &[], Type::Text) else {
        panic!()
    };
    assert_eq!(text, "true,true,true,true,true,true");
}
