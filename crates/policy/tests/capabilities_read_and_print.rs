//! Capabilities as SQL text: what reads, how it prints, and how errors name what is wrong.

use policy::{Capability, Kind, PolicyError};
use types::{SqlError, SqlState};

fn check(text: &str, canonical: &str) {
    let capability = Capability::parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    assert_eq!(capability.to_string(), canonical, "{text}");
    assert_eq!(Capability::parse(canonical).unwrap(), capability, "{canonical}");
    let json = serde_json::to_string(&capability).unwrap();
    assert_eq!(serde_json::from_str::<Capability>(&json).unwrap(), capability);
}

fn check_error(text: &str, message: &str, state: SqlState, at: usize) {
    let located = Capability::parse(text).expect_err(text);
    assert_eq!(located.at, at, "{text}");
    let error = SqlError::from(located);
    assert_eq!((error.message(), error.state()), (message, state), "{text}");
}

#[test]
fn all_twelve_in_canonical_form() {
    assert_eq!(Kind::ALL.len(), 12);
    for kind in Kind::ALL {
        check(kind.example(), kind.example());
        assert_eq!(Capability::parse(kind.example()).unwrap().kind(), *kind);
    }
}

#[test]
fn the_documents_own_reference() {
    for text in [
        "DATABASE_READ('*')",
        "DATABASE_READ('users')",
        "DATABASE_READ('user_*')",
        "DATABASE_WRITE('audit_log')",
        "DATABASE_EXECUTE",
        "FILE_READ('/tmp/uploads/*')",
        "FILE_WRITE('/var/log/app/*')",
        "NETWORK_ACCESS('api.example.com')",
        "NETWORK_ACCESS('*.example.com')",
        "NETWORK_ACCESS('*')",
        "ENV_ACCESS",
        "TIME_ACCESS",
        "RANDOM_ACCESS",
        "CRYPTO_ACCESS",
        "HTTP_CLIENT",
        "CALL_FUNCTION('helper_function')",
        "CALL_FUNCTION('util_*')",
    ] {
        check(text, text);
    }
}

#[test]
fn keywords_have_no_case_and_names_fold() {
    check("database_read ( 'Users' )", "DATABASE_READ('users')");
    check("Database_Read(/* which */ 'App.USER_*') -- so", "DATABASE_READ('app.user_*')");
    check(r#"DATABASE_READ('"Users"')"#, r#"DATABASE_READ('"Users"')"#);
    check(r#"DATABASE_READ('"users"')"#, "DATABASE_READ('users')");
    check(r#"DATABASE_READ('"a.b".c')"#, r#"DATABASE_READ('"a.b".c')"#);
    check(r#"DATABASE_READ('"*"')"#, r#"DATABASE_READ('"*"')"#);
    check(r#"DATABASE_READ('"A"*"B"')"#, r#"DATABASE_READ('"A"*"B"')"#);
    check(r#"DATABASE_READ('"it''s ""it"""')"#, r#"DATABASE_READ('"it''s ""it"""')"#);
    check("DATABASE_READ('a***b')", "DATABASE_READ('a*b')");
    check("DATABASE_READ('größe')", r#"DATABASE_READ('"größe"')"#);
    check("NETWORK_ACCESS('API.Example.com.:8443')", "NETWORK_ACCESS('api.example.com:8443')");
    check(
        "NETWORK_ACCESS('[2606:4700:0:0::1111]:443')",
        "NETWORK_ACCESS('[2606:4700::1111]:443')",
    );
    check("NETWORK_ACCESS('2606:4700::1111')", "NETWORK_ACCESS('[2606:4700::1111]')");
    check("NETWORK_ACCESS('*:443')", "NETWORK_ACCESS('*:443')");
    check("FILE_READ('/srv/It''s/**')", "FILE_READ('/srv/It''s/**')");
}

#[test]
fn lists() {
    let list = Capability::parse_list("DATABASE_READ('public_*'), TIME_ACCESS, time_access").unwrap();
    assert_eq!(
        list.iter().map(Capability::to_string).collect::<Vec<_>>(),
        ["DATABASE_READ('public_*')", "TIME_ACCESS"]
    );
    for (text, at) in [("", 0), ("TIME_ACCESS,", 12), ("TIME_ACCESS ENV_ACCESS", 12), (", TIME_ACCESS", 0)] {
        let error = Capability::parse_list(text).expect_err(text);
        assert!(matches!(error.error, PolicyError::Syntax { .. }), "{text}");
        assert_eq!(error.at, at, "{text}");
    }
}

#[test]
fn errors_name_what_is_wrong() {
    check_error("FLY", "unrecognized capability \"FLY\"", SqlState::UndefinedObject, 0);
    check_error(
        "  DATABASE_READS('t')",
        "unrecognized capability \"DATABASE_READS\"",
        SqlState::UndefinedObject,
        2,
    );
    check_error(
        "DATABASE_READ",
        "capability DATABASE_READ needs a pattern",
        SqlState::SyntaxError,
        0,
    );
    check_error(
        "TIME_ACCESS('x')",
        "capability TIME_ACCESS takes no pattern",
        SqlState::SyntaxError,
        12,
    );
    check_error("DATABASE_READ()", "syntax error at or near \")\"", SqlState::SyntaxError, 14);
    check_error(
        "DATABASE_READ(users)",
        "syntax error at or near \"users\"",
        SqlState::SyntaxError,
        14,
    );
    check_error(
        "DATABASE_READ('a', 'b')",
        "syntax error at or near \",\"",
        SqlState::SyntaxError,
        17,
    );
    check_error("DATABASE_READ('a'", "syntax error at end of input", SqlState::SyntaxError, 17);
    check_error(
        "TIME_ACCESS; DROP TABLE t",
        "syntax error at or near \";\"",
        SqlState::SyntaxError,
        11,
    );
    check_error(
        "'TIME_ACCESS'",
        "syntax error at or near \"'TIME_ACCESS'\"",
        SqlState::SyntaxError,
        0,
    );
    check_error("", "syntax error at end of input", SqlState::SyntaxError, 0);
}

#[test]
fn bad_patterns_say_why() {
    let bad = |text: &str, why: &str| {
        let error = Capability::parse(text).expect_err(text).error;
        match error {
            PolicyError::BadPattern { why: found, .. } => assert_eq!(found, why, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    };
    let long = "x".repeat(300);
    bad("DATABASE_READ('')", "a name in it is empty");
    bad("DATABASE_READ('app.')", "a name in it is empty");
    bad("DATABASE_READ('\"\"')", "a name in it is empty");
    bad("DATABASE_READ('a.b.c')", "it has more parts than schema and name");
    bad("DATABASE_READ('a b')", "a name with blanks must be in double quotes");
    bad("DATABASE_READ('a, b')", "a name with punctuation must be in double quotes");
    bad("DATABASE_READ('\"a')", "a double quote in it is not closed");
    bad(&format!("DATABASE_READ('{long}')"), "it is longer than 256 bytes");
    bad(
        &format!("DATABASE_READ('{}')", "x".repeat(64)),
        "a name in it is longer than 63 bytes",
    );
    bad("FILE_READ('tmp/x')", "it must be an absolute path");
    bad("FILE_READ('/tmp/../etc/*')", "\".\" and \"..\" are not allowed in it");
    bad("FILE_READ('/tmp//x')", "a part of the path is empty");
    bad("FILE_READ('/tmp/')", "a part of the path is empty");
    bad("FILE_READ('/tmp/a**')", "\"**\" must stand alone between slashes");
    bad("FILE_READ('/tmp/a\nb')", "it contains a control character");
    bad("NETWORK_ACCESS('https://api.example.com')", "it must be a host, not a URL");
    bad("NETWORK_ACCESS('api.example.com/x')", "it must be a host, not a URL");
    bad("NETWORK_ACCESS('user@api.example.com')", "it must be a host, not a URL");
    bad("NETWORK_ACCESS('')", "it is empty");
    bad(
        "NETWORK_ACCESS('api*.example.com')",
        "\"*\" stands alone or as the whole first label, as in *.example.com",
    );
    bad(
        "NETWORK_ACCESS('*example.com')",
        "\"*\" stands alone or as the whole first label, as in *.example.com",
    );
    bad("NETWORK_ACCESS('*.*.com')", "it is not a host name");
    bad("NETWORK_ACCESS('*.10.0.0.1')", "an address has no hosts below it");
    bad("NETWORK_ACCESS('a..b')", "it is not a host name");
    bad("NETWORK_ACCESS('exämple.com')", "it is not a host name");
    bad("NETWORK_ACCESS('127.1')", "it is neither a name nor an address in its usual form");
    bad(
        "NETWORK_ACCESS('0x7f000001')",
        "it is neither a name nor an address in its usual form",
    );
    bad(
        "NETWORK_ACCESS('2130706433')",
        "it is neither a name nor an address in its usual form",
    );
    bad(
        "NETWORK_ACCESS('0177.0.0.1')",
        "it is neither a name nor an address in its usual form",
    );
    bad("NETWORK_ACCESS('a.com:0')", "its port must be a number from 1 to 65535");
    bad("NETWORK_ACCESS('a.com:65536')", "its port must be a number from 1 to 65535");
    bad("NETWORK_ACCESS('a.com:+80')", "its port must be a number from 1 to 65535");
    bad("NETWORK_ACCESS('a.com:')", "its port must be a number from 1 to 65535");
    bad("NETWORK_ACCESS('[::1')", "it is not an IPv6 address");
    bad("NETWORK_ACCESS('[::1]x')", "it is not an IPv6 address");
}

#[test]
fn who_may_grant_what() {
    let superuser = |text: &str| Capability::parse(text).unwrap().is_superuser_only();
    for text in [
        "DATABASE_EXECUTE",
        "FILE_READ('/tmp/x')",
        "FILE_WRITE('/tmp/x')",
        "ENV_ACCESS",
        "NETWORK_ACCESS('*')",
        "NETWORK_ACCESS('*:443')",
        "NETWORK_ACCESS('127.0.0.1:5432')",
        "NETWORK_ACCESS('localhost')",
        "NETWORK_ACCESS('*.localhost')",
        "NETWORK_ACCESS('169.254.169.254')",
        "NETWORK_ACCESS('[fd00::1]')",
        "NETWORK_ACCESS('::ffff:10.0.0.1')",
    ] {
        assert!(superuser(text), "{text}");
    }
    for text in [
        "DATABASE_READ('*')",
        "DATABASE_WRITE('*')",
        "NETWORK_ACCESS('api.example.com')",
        "NETWORK_ACCESS('*.example.com')",
        "NETWORK_ACCESS('1.1.1.1')",
        "TIME_ACCESS",
        "RANDOM_ACCESS",
        "CRYPTO_ACCESS",
        "HTTP_CLIENT",
        "CALL_FUNCTION('*')",
    ] {
        assert!(!superuser(text), "{text}");
    }
}
