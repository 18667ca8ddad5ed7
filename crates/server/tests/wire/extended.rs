use crate::client::{Client, bind, close, describe, execute, flush, parse, query, start, sync};

#[test]
fn parse_bind_describe_execute() {
    let answers = Client::on_shared().ask(&[
        parse("s", "SELECT $1::int4 AS x", &[]),
        describe('S', "s"),
        bind("", "s", &[], &[Some(b"42")], &[]),
        describe('P', ""),
        execute("", 0),
        sync(),
    ]);
    let expect = [
        "ParseComplete",
        "ParameterDescription [23]",
        "RowDescription x:23:0",
        "BindComplete",
        "RowDescription x:23:0",
        "DataRow 42",
        "CommandComplete SELECT 1",
        "ReadyForQuery I",
    ];
    assert_eq!(answers, expect);
}

#[test]
fn binary_goes_in_and_out() {
    let answers = Client::on_shared().ask(&[
        parse("", "SELECT $1::int4 AS x", &[23]),
        bind("", "", &[1], &[Some(&7i32.to_be_bytes())], &[1]),
        describe('P', ""),
        execute("", 0),
        sync(),
    ]);
    let expect = [
        "ParseComplete",
        "BindComplete",
        "RowDescription x:23:1",
        "DataRow [00, 00, 00, 07]",
        "CommandComplete SELECT 1",
        "ReadyForQuery I",
    ];
    assert_eq!(answers, expect);
}

#[test]
fn null_goes_in_and_out() {
    let answers = Client::on_shared().ask(&[
        parse("", "SELECT $1::text AS x", &[]),
        bind("", "", &[], &[None], &[]),
        execute("", 0),
        sync(),
    ]);
    assert_eq!(
        answers,
        [
            "ParseComplete",
            "BindComplete",
            "DataRow NULL",
            "CommandComplete SELECT 1",
            "ReadyForQuery I"
        ]
    );
}

#[test]
fn a_named_statement_is_used_again_until_it_is_closed() {
    let mut client = Client::on_shared();
    client.ask(&[parse("s", "SELECT $1::text AS x", &[]), sync()]);
    for value in ["a", "b"] {
        let answers = client.ask(&[bind("", "s", &[], &[Some(value.as_bytes())], &[]), execute("", 0), sync()]);
        assert_eq!(answers[1], format!("DataRow {value}"));
    }
    let again = client.ask(&[parse("s", "SELECT 1", &[]), sync()]);
    assert_eq!(again, ["ERROR 42P05 prepared statement \"s\" already exists", "ReadyForQuery I"]);
    assert_eq!(
        client.ask(&[close('S', "s"), close('S', "s"), sync()]),
        ["CloseComplete", "CloseComplete", "ReadyForQuery I"]
    );
    let gone = client.ask(&[bind("", "s", &[], &[], &[]), sync()]);
    assert_eq!(gone, ["ERROR 26000 prepared statement \"s\" does not exist", "ReadyForQuery I"]);
}

#[test]
fn a_simple_query_ends_the_unnamed_statement() {
    let mut client = Client::on_shared();
    client.ask(&[parse("", "SELECT 1 AS x", &[]), sync()]);
    client.query("SELECT 1");
    let gone = client.ask(&[bind("", "", &[], &[], &[]), sync()]);
    assert_eq!(gone, ["ERROR 26000 unnamed prepared statement does not exist", "ReadyForQuery I"]);
}

#[test]
fn a_portal_hands_out_its_rows_in_parts() {
    let answers = Client::on_shared().ask(&[
        parse("", "SELECT generate_series(1, 5)", &[]),
        bind("p", "", &[], &[], &[]),
        execute("p", 2),
        execute("p", 2),
        execute("p", 2),
        execute("p", 2),
        sync(),
    ]);
    let expect = [
        "ParseComplete",
        "BindComplete",
        "DataRow 1",
        "DataRow 2",
        "PortalSuspended",
        "DataRow 3",
        "DataRow 4",
        "PortalSuspended",
        "DataRow 5",
        "CommandComplete SELECT 1",
        "CommandComplete SELECT 0",
        "ReadyForQuery I",
    ];
    assert_eq!(answers, expect);
}

#[test]
fn portals_live_as_long_as_their_transaction() {
    let mut client = Client::on_shared();
    client.query("BEGIN");
    let open = [
        parse("", "SELECT generate_series(1, 5)", &[]),
        bind("p", "", &[], &[], &[]),
        execute("p", 1),
        sync(),
    ];
    assert_eq!(
        client.ask(&open),
        ["ParseComplete", "BindComplete", "DataRow 1", "PortalSuspended", "ReadyForQuery T"]
    );
    assert_eq!(
        client.ask(&[execute("p", 1), sync()]),
        ["DataRow 2", "PortalSuspended", "ReadyForQuery T"]
    );
    let again = client.ask(&[parse("", "SELECT 1", &[]), bind("p", "", &[], &[], &[]), sync()]);
    assert_eq!(
        again,
        ["ParseComplete", "ERROR 42P03 cursor \"p\" already exists", "ReadyForQuery E"]
    );
    client.query("ROLLBACK");
    assert_eq!(
        client.ask(&[execute("p", 1), sync()]),
        ["ERROR 34000 portal \"p\" does not exist", "ReadyForQuery I"]
    );
}

#[test]
fn portals_outside_a_transaction_end_at_sync() {
    let mut client = Client::on_shared();
    client.ask(&[
        parse("", "SELECT generate_series(1, 5)", &[]),
        bind("p", "", &[], &[], &[]),
        execute("p", 1),
        sync(),
    ]);
    assert_eq!(
        client.ask(&[execute("p", 1), sync()]),
        ["ERROR 34000 portal \"p\" does not exist", "ReadyForQuery I"]
    );
}

#[test]
fn a_statement_without_rows_runs_once() {
    let answers = Client::on_shared().ask(&[
        parse("", "SET application_name = 'x'", &[]),
        bind("p", "", &[], &[], &[]),
        describe('P', "p"),
        execute("p", 0),
        execute("p", 0),
        sync(),
    ]);
    let expect = [
        "ParseComplete",
        "BindComplete",
        "NoData",
        "CommandComplete SET",
        "ERROR 55000 portal \"p\" cannot be run",
    ];
    assert_eq!(answers[..5], expect);
}

#[test]
fn an_empty_statement_has_an_answer_of_its_own() {
    let answers = Client::on_shared().ask(&[
        parse("", "", &[]),
        bind("", "", &[], &[], &[]),
        describe('P', ""),
        execute("", 0),
        sync(),
    ]);
    assert_eq!(
        answers,
        ["ParseComplete", "BindComplete", "NoData", "EmptyQueryResponse", "ReadyForQuery I"]
    );
}

#[test]
fn after_an_error_all_is_skipped_up_to_sync() {
    let mut client = Client::on_shared();
    let answers = client.ask(&[
        parse("", "SELECT 1/0", &[]),
        bind("", "", &[], &[], &[]),
        execute("", 0),
        parse("skipped", "SELECT 1", &[]),
        query("SELECT 1"),
        describe('S', "skipped"),
        sync(),
    ]);
    // The division may be found out when it is parsed.
    assert_eq!(answers[answers.len() - 2..], ["ERROR 22012 division by zero", "ReadyForQuery I"]);
    assert!(answers.len() <= 4, "{answers:?}");
    let answers = client.ask(&[describe('S', "skipped"), sync()]);
    assert_eq!(
        answers,
        ["ERROR 26000 prepared statement \"skipped\" does not exist", "ReadyForQuery I"]
    );
}

#[test]
fn a_pipeline_of_several_syncs_is_answered_in_order() {
    let mut client = Client::on_shared();
    let one = |n: &str| {
        [
            parse("", "SELECT $1::text AS x", &[]),
            bind("", "", &[], &[Some(n.as_bytes())], &[]),
            execute("", 0),
            sync(),
        ]
        .concat()
    };
    let bad = [parse("", "SELECT 1/0", &[]), bind("", "", &[], &[], &[]), execute("", 0), sync()].concat();
    client.send(&[one("a"), bad, one("b")].concat());
    assert_eq!(client.until_ready()[2], "DataRow a");
    assert!(client.until_ready().contains(&"ERROR 22012 division by zero".to_string()));
    assert_eq!(client.until_ready()[2], "DataRow b");
}

#[test]
fn flush_sends_what_there_is_without_ending_the_pipeline() {
    let mut client = Client::on_shared();
    client.send(&[parse("", "SELECT 1 AS x", &[]), flush()].concat());
    assert_eq!(client.next(), "ParseComplete");
    client.send(&[bind("", "", &[], &[], &[]), execute("", 0), flush()].concat());
    assert_eq!(
        [client.next(), client.next(), client.next()],
        ["BindComplete", "DataRow 1", "CommandComplete SELECT 1"]
    );
    assert_eq!(client.ask(&[sync()]), ["ReadyForQuery I"]);
}

#[test]
fn counts_and_formats_of_a_bind_have_to_fit() {
    let mut client = Client::on_shared();
    client.ask(&[parse("s", "SELECT $1::int4 AS x", &[]), sync()]);
    let mut refused = |message: Vec<u8>| client.ask(&[message, sync()])[0].clone();
    let x: Option<&[u8]> = Some(b"1");
    let supplies = "ERROR 08P01 bind message supplies 2 parameters, but prepared statement \"s\" requires 1";
    assert_eq!(refused(bind("", "s", &[], &[x, x], &[])), supplies);
    assert_eq!(
        refused(bind("", "s", &[0, 0], &[x], &[])),
        "ERROR 08P01 bind message has 2 parameter formats but 1 parameters"
    );
    assert_eq!(
        refused(bind("", "s", &[], &[x], &[0, 0])),
        "ERROR 08P01 bind message has 2 result formats but query has 1 columns"
    );
    assert_eq!(refused(bind("", "s", &[2], &[x], &[])), "ERROR 22023 unsupported format code: 2");
    assert_eq!(
        refused(bind("", "s", &[], &[Some(b"1x")], &[])),
        "ERROR 22P02 invalid input syntax for type integer: \"1x\""
    );
    let utf8 = "ERROR 22021 invalid byte sequence for encoding \"UTF8\": 0xff";
    assert_eq!(refused(bind("", "s", &[], &[Some(b"\xff")], &[])), utf8);
    assert_eq!(
        refused(parse("", "SELECT 1", &[4_000_000])),
        "ERROR 42704 type with OID 4000000 does not exist"
    );
    assert_eq!(
        refused(parse("", "SELECT 1; SELECT 2", &[])),
        "ERROR 42601 cannot insert multiple commands into a prepared statement"
    );
}

/// Drivers that prepare with Flush read the answer, an error too, before they send Sync.
#[test]
fn an_error_does_not_wait_for_sync() {
    let mut client = Client::on_shared();
    for refused in [
        [parse("", "SELECT * FROM nope", &[]), describe('S', ""), flush()].concat(),
        [bind("", "nope", &[], &[], &[]), flush()].concat(),
        [describe('P', "nope"), flush()].concat(),
        execute("nope", 0),
    ] {
        client.send(&refused);
        let error = client.next();
        assert!(error.starts_with("ERROR "), "{error}");
        client.send(&[flush(), sync()].concat());
        assert_eq!(client.next(), "ReadyForQuery I");
    }
    let answers = client.ask(&[parse("", "SELECT 1 AS x", &[]), sync()]);
    assert_eq!(answers, ["ParseComplete", "ReadyForQuery I"]);
}

/// Drivers read an int2vector by its type, as text without braces.
#[test]
fn a_vector_of_a_system_table_has_its_type() {
    let mut client = Client::on_shared();
    client.query("CREATE TABLE with_vector (a integer, b integer, PRIMARY KEY (b, a))");
    let sql = "SELECT indkey, indkey::smallint[] AS plain, indclass FROM pg_index WHERE indrelid = 'with_vector'::regclass";
    let answers = client.query(sql);
    assert_eq!(answers[0], "RowDescription indkey:22:0 plain:1005:0 indclass:30:0");
    assert_eq!(answers[1], "DataRow 2 1|[0:1]={2,1}|1978 1978");
}

#[test]
fn who_says_nothing_for_too_long_is_told_and_left() {
    for (settings, expect) in [
        (
            "SET idle_session_timeout = 50",
            "FATAL 57P05 terminating connection due to idle-session timeout",
        ),
        (
            "SET idle_in_transaction_session_timeout = 50; BEGIN",
            "FATAL 25P03 terminating connection due to idle-in-transaction timeout",
        ),
        (
            "LISTEN x; SET idle_session_timeout = 50",
            "FATAL 57P05 terminating connection due to idle-session timeout",
        ),
    ] {
        let mut client = Client::on_shared();
        client.query(settings);
        assert_eq!(client.until_closed(), [expect], "{settings}");
    }
    // The twin: neither counts while the other applies, nor while a statement runs.
    let mut client = Client::on_shared();
    client.query("SET idle_in_transaction_session_timeout = 1");
    let answers = client.query("SELECT pg_sleep(0.05)");
    assert_eq!(answers.last().map(String::as_str), Some("ReadyForQuery I"));
    assert_eq!(client.query("SELECT 1")[1], "DataRow 1");
}

#[test]
fn a_suspended_portal_keeps_a_functions_sandbox_no_longer_than_its_time_lasts() {
    let (server, _database) = start(|_| ());
    let mut other = Client::connect(server.local_addr());
    let mut client = Client::connect(server.local_addr());
    for sql in [
        "CREATE FUNCTION gen() RETURNS SETOF integer LANGUAGE javascript AS $$ function* gen() { for (let i = 1; i <= 100000; i++) yield i; } $$",
        "ALTER FUNCTION gen SET max_concurrent_calls = 2",
        "ALTER FUNCTION gen SET max_wall_time_ms = 2000",
        "BEGIN",
    ] {
        client.query(sql);
    }
    let mut messages = vec![parse("", "SELECT * FROM gen()", &[])];
    for portal in ["a", "b"] {
        messages.push(bind(portal, "", &[], &[], &[]));
        messages.push(execute(portal, 1));
    }
    messages.push(sync());
    assert_eq!(
        client.ask(&messages).iter().filter(|answer| *answer == "PortalSuspended").count(),
        2
    );
    // Its client says nothing more, and the others get their turn.
    let limit = "ERROR 54000 function gen() exceeded its limit of 2 concurrent calls";
    let began = std::time::Instant::now();
    loop {
        let answers = other.query("SELECT count(*) FROM (SELECT * FROM gen() LIMIT 1) AS one");
        if answers.iter().any(|answer| answer == "DataRow 1") {
            break;
        }
        assert!(answers.iter().any(|answer| answer == limit), "{answers:?}");
        assert!(began.elapsed() < std::time::Duration::from_secs(30));
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    // Rows that were made before are there; then it hears why there are no more.
    let answers = client.ask(&[execute("a", 0), sync()]);
    let last = answers.get(answers.len() - 2).map(String::as_str);
    assert_eq!(last, Some("ERROR 57014 function gen() exceeded its wall time limit of 2000 ms"));
}
