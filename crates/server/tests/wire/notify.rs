//! LISTEN and NOTIFY as clients see them: while they wait, and never inside a transaction.

use crate::client::Client;

fn check_done(answers: Vec<String>, tag: &str) {
    assert_eq!(answers, [format!("CommandComplete {tag}"), "ReadyForQuery I".to_string()]);
}

#[test]
fn a_waiting_client_is_told() {
    let (mut hears, mut says) = (Client::on_shared(), Client::on_shared());
    check_done(hears.query("LISTEN waiting"), "LISTEN");
    check_done(says.query("NOTIFY waiting, 'hello'"), "NOTIFY");
    assert_eq!(hears.next(), format!("Notification {} waiting hello", says.key.0));
    says.query("SELECT pg_notify('waiting', 'again')");
    assert_eq!(hears.next(), format!("Notification {} waiting again", says.key.0));
    // Both sides of it are still in order.
    check_done(hears.query("UNLISTEN waiting"), "UNLISTEN");
    check_done(says.query("NOTIFY waiting, 'nobody'"), "NOTIFY");
    assert_eq!(hears.query("SELECT 1 AS x").len(), 4);
}

#[test]
fn a_transaction_sends_at_its_commit_and_hears_after_it() {
    let (mut hears, mut says) = (Client::on_shared(), Client::on_shared());
    hears.query("LISTEN committed");
    says.query("BEGIN");
    says.query("NOTIFY committed, 'undone'");
    says.query("ROLLBACK");
    says.query(
        "BEGIN; NOTIFY committed, 'a'; SAVEPOINT s; NOTIFY committed, 'b'; ROLLBACK TO s; NOTIFY committed, 'a'; NOTIFY committed, 'c'",
    );
    hears.query("BEGIN");
    says.query("COMMIT");
    // Not within the listener's own transaction.
    assert_eq!(hears.query("SELECT 1 AS x").len(), 4);
    let from = says.key.0;
    let told = hears.query("COMMIT");
    let expect = [
        "CommandComplete COMMIT".to_string(),
        format!("Notification {from} committed a"),
        format!("Notification {from} committed c"),
        "ReadyForQuery I".to_string(),
    ];
    assert_eq!(told, expect);
}

#[test]
fn bad_notifications_are_refused() {
    let mut client = Client::on_shared();
    let long = "x".repeat(8000);
    for (sql, error) in [
        ("SELECT pg_notify('', 'x')".to_string(), "ERROR 22023 channel name cannot be empty"),
        (
            format!("SELECT pg_notify('{}', 'x')", "c".repeat(64)),
            "ERROR 22023 channel name too long",
        ),
        (format!("NOTIFY c, '{long}'"), "ERROR 22023 payload string too long"),
    ] {
        let answers = client.query(&sql);
        assert!(answers.iter().any(|line| line == error), "{answers:?}");
    }
    assert_eq!(client.query("SELECT 1 AS x").len(), 4);
}
