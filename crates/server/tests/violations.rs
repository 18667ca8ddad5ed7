//! A refused system call is counted for good: neither a rollback nor a restart takes it back.

use std::io::Write;
use std::process::{Command, Stdio};

fn run(folder: &std::path::Path, script: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_parhelion"))
        .args(["run", "-", "--data"])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

const COUNT: &str = "SELECT enabled, violations FROM heliosdb.functions WHERE function_name = 'opens';";

#[test]
fn violations_survive_rollback_and_restart_until_they_disable_the_function() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let create = r#"CREATE FUNCTION opens() RETURNS integer LANGUAGE wasm AS $$
      (module
        (import "wasi_snapshot_preview1" "sock_accept" (func $accept (param i32 i32 i32) (result i32)))
        (func (export "opens") (result i32) (call $accept (i32.const 3) (i32.const 0) (i32.const 0))))
    $$;"#;
    let first = run(
        &data,
        &format!("{create} BEGIN; SELECT opens(); SELECT opens(); SELECT opens(); ROLLBACK; {COUNT}"),
    );
    assert!(first.contains(" t       |          3\n"), "{first}");
    let second = run(
        &data,
        &format!("{COUNT} SELECT opens();\n-- expect error 42501\nSELECT opens();\n-- expect error 55000\nSELECT opens(); {COUNT}"),
    );
    assert!(second.contains(" t       |          3\n"), "{second}");
    assert!(second.contains(" f       |          5\n"), "{second}");
    let third = run(
        &data,
        &format!("-- expect error 55000\nSELECT opens(); ALTER FUNCTION opens SET ENABLED = true; {COUNT} SELECT opens(); {COUNT}"),
    );
    assert!(third.contains(" t       |          0\n"), "{third}");
    assert!(third.contains(" t       |          1\n"), "{third}");
}
