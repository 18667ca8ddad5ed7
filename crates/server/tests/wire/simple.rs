use crate::client::Client;

#[test]
fn a_query_is_answered_in_text() {
    let answers = Client::on_shared().query("SELECT 1 AS x");
    assert_eq!(
        answers,
        ["RowDescription x:23:0", "DataRow 1", "CommandComplete SELECT 1", "ReadyForQuery I"]
    );
}

#[test]
fn each_statement_of_a_string_has_its_answer() {
    let answers = Client::on_shared().query("BEGIN; SELECT 1 AS x; ROLLBACK");
    let expect = [
        "CommandComplete BEGIN",
        "RowDescription x:23:0",
        "DataRow 1",
        "CommandComplete SELECT 1",
        "CommandComplete ROLLBACK",
        "ReadyForQuery I",
    ];
    assert_eq!(answers, expect);
}

#[test]
fn an_error_ends_the_string() {
    let mut client = Client::on_shared();
    let answers = client.query("SELECT 1 AS x; SELECT 1/0; SELECT 2");
    let end = ["CommandComplete SELECT 1", "ERROR 22012 division by zero", "ReadyForQuery I"];
    assert_eq!(
        answers
            .iter()
            .filter(|line| !line.starts_with("RowDescription"))
            .skip(1)
            .collect::<Vec<_>>(),
        end.iter().collect::<Vec<_>>()
    );
    assert_eq!(client.query("SELECT 1 AS x").len(), 4);
}

#[test]
fn nothing_is_an_empty_query() {
    for sql in ["", " ", ";", ";;  ;"] {
        assert_eq!(Client::on_shared().query(sql), ["EmptyQueryResponse", "ReadyForQuery I"], "{sql:?}");
    }
}

#[test]
fn ready_for_query_tells_the_transaction_status() {
    let mut client = Client::on_shared();
    assert_eq!(client.query("BEGIN").last().unwrap(), "ReadyForQuery T");
    assert_eq!(client.query("SELECT 1/0").last().unwrap(), "ReadyForQuery E");
    let refused = "ERROR 25P02 current transaction is aborted, commands ignored until end of transaction block";
    assert_eq!(client.query("SELECT 1"), [refused, "ReadyForQuery E"]);
    assert_eq!(client.query("ROLLBACK").last().unwrap(), "ReadyForQuery I");
}

#[test]
fn a_transaction_is_tagged_as_it_was_begun() {
    let mut client = Client::on_shared();
    for (sql, tag) in [("BEGIN", "BEGIN"), ("start transaction read only", "START TRANSACTION")] {
        assert_eq!(client.query(sql), [format!("CommandComplete {tag}"), "ReadyForQuery T".into()]);
        client.query("ROLLBACK");
    }
}

#[test]
fn parameters_have_no_values_here() {
    let answers = Client::on_shared().query("SELECT $1");
    assert_eq!(answers, ["ERROR 42P02 there is no parameter $1", "ReadyForQuery I"]);
}

#[test]
fn a_syntax_error_refuses_the_whole_string() {
    let answers = Client::on_shared().query("SELECT 1; SELEC 1");
    assert_eq!(answers, ["ERROR 42601 syntax error at or near \"SELEC\"", "ReadyForQuery I"]);
}

#[test]
fn notices_come_before_the_tag_and_settings_before_ready() {
    let mut client = Client::on_shared();
    let answers = client.query("DROP TABLE IF EXISTS nope");
    let expect = [
        "NOTICE 00000 table \"nope\" does not exist, skipping",
        "CommandComplete DROP TABLE",
        "ReadyForQuery I",
    ];
    assert_eq!(answers, expect);
    let answers = client.query("SET application_name = 'seen'");
    assert_eq!(
        answers,
        ["CommandComplete SET", "ParameterStatus application_name=seen", "ReadyForQuery I"]
    );
}

#[test]
fn a_large_result_arrives_whole() {
    let answers = Client::on_shared().query("SELECT generate_series(1, 100000)");
    assert_eq!(answers.len(), 100_003);
    assert_eq!(answers[100_000], "DataRow 100000");
    assert_eq!(answers[100_001], "CommandComplete SELECT 100000");
}
