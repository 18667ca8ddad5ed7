//! `heliosdb.fs`: paths are resolved before they are asked for, and what was allowed is what is opened.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // the tests play the rest of the machine

mod common;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use audit::EventType;
use common::*;
use policy::Capability;
use types::{Datum, SqlError, SqlState, Type};

/// A folder with `open/` and `closed/` in it, and a world that holds capabilities for the first.
struct Machine {
    folder: tempfile::TempDir,
    world: Arc<World>,
}

impl Machine {
    fn new(capabilities: &[&str]) -> Machine {
        let folder = tempfile::tempdir().unwrap();
        for name in ["open", "closed"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        std::fs::write(folder.path().join("open/a.txt"), "content of a").unwrap();
        std::fs::write(folder.path().join("closed/secret.txt"), "secret").unwrap();
        let root = folder.path().canonicalize().unwrap();
        let list = capabilities
            .iter()
            .map(|capability| capability.replace("$", root.to_str().unwrap()));
        let list: Vec<String> = list.collect();
        let world = Arc::new(World::default());
        *world.capabilities.lock().unwrap() = match list.is_empty() {
            true => vec![],
            false => Capability::parse_list(&list.join(", ")).unwrap(),
        };
        Machine { folder, world }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    /// The expression's value as JSON text, `$` in it being the folder.
    fn run(&self, expression: &str) -> Result<String, SqlError> {
        let root = self.path("");
        let expression = expression.replace("$", root.to_str().unwrap().trim_end_matches('/'));
        let body = format!("function f() {{ return JSON.stringify({expression}) ?? 'undefined' }}");
        match call_in(&self.world, limits(), &body, &[], Type::Text) {
            Ok(Datum::Text(text)) => Ok(text),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(sql_error(error)),
        }
    }

    #[track_caller]
    fn check(&self, expression: &str, expected: &str) {
        assert_eq!(self.run(expression).unwrap(), expected, "{expression}");
    }

    #[track_caller]
    fn refused(&self, expression: &str, state: SqlState) -> String {
        let error = self.run(expression).unwrap_err();
        assert_eq!(error.state(), state, "{expression}: {}", error.message());
        error.message().replace(self.path("").to_str().unwrap().trim_end_matches('/'), "$")
    }
}

const READ: &str = "FILE_READ('$/open/*')";
const WRITE: &str = "FILE_WRITE('$/open/*')";

#[test]
fn files_are_read_and_listed_where_that_was_granted() {
    let machine = Machine::new(&[READ]);
    std::fs::write(machine.path("open/b.bin"), [0u8, 255]).unwrap();
    machine.check("heliosdb.fs.readText('$/open/a.txt')", "\"content of a\"");
    machine.check("Array.from(heliosdb.fs.readBytes('$/open/b.bin'))", "[0,255]");
    machine.check("heliosdb.fs.list('$/open')", "[\"a.txt\",\"b.bin\"]");
    assert_eq!(
        machine.refused("heliosdb.fs.readText('$/open/b.bin')", SqlState::CharacterNotInRepertoire),
        "the file is not UTF-8 text"
    );
}

#[test]
fn everything_else_is_refused() {
    let machine = Machine::new(&[READ]);
    for expression in [
        "heliosdb.fs.readText('$/closed/secret.txt')",
        "heliosdb.fs.readBytes('$/closed/secret.txt')",
        "heliosdb.fs.readText('$/open/../closed/secret.txt')",
        "heliosdb.fs.readText('$/open/./../../etc/passwd')",
        "heliosdb.fs.readText('/etc/passwd')",
        "heliosdb.fs.list('$/closed')",
        "heliosdb.fs.list('$')",
        "heliosdb.fs.writeText('$/open/a.txt', 'x')",
        "heliosdb.fs.appendText('$/open/a.txt', 'x')",
        "heliosdb.fs.remove('$/open/a.txt')",
    ] {
        machine.refused(expression, SqlState::InsufficientPrivilege);
    }
    assert_eq!(std::fs::read_to_string(machine.path("open/a.txt")).unwrap(), "content of a");
    let error = machine.run("heliosdb.fs.writeText('$/open/a.txt', 'x')").unwrap_err();
    let path = machine.path("open/a.txt");
    assert_eq!(
        error.fields().hint.clone().unwrap(),
        format!("ALTER FUNCTION f GRANT CAPABILITY FILE_WRITE('{}');", path.display())
    );
}

#[test]
fn files_are_written_where_that_was_granted() {
    let machine = Machine::new(&[WRITE]);
    machine.check("heliosdb.fs.writeText('$/open/new.txt', 'one ')", "null");
    machine.check("heliosdb.fs.appendText('$/open/new.txt', 'two')", "null");
    assert_eq!(std::fs::read_to_string(machine.path("open/new.txt")).unwrap(), "one two");
    machine.check("heliosdb.fs.writeText('$/open/new.txt', 'x')", "null");
    assert_eq!(std::fs::read_to_string(machine.path("open/new.txt")).unwrap(), "x");
    machine.check("heliosdb.fs.remove('$/open/new.txt')", "null");
    assert!(!machine.path("open/new.txt").exists());
    machine.refused("heliosdb.fs.readText('$/open/a.txt')", SqlState::InsufficientPrivilege);
    for expression in [
        "heliosdb.fs.writeText('$/closed/new.txt', 'x')",
        "heliosdb.fs.writeText('$/open/../closed/new.txt', 'x')",
        "heliosdb.fs.remove('$/closed/secret.txt')",
    ] {
        machine.refused(expression, SqlState::InsufficientPrivilege);
    }
}

#[test]
fn a_symbolic_link_leads_to_the_question_about_its_target() {
    let machine = Machine::new(&[READ, WRITE]);
    symlink(machine.path("closed/secret.txt"), machine.path("open/link")).unwrap();
    symlink(machine.path("closed"), machine.path("open/folder")).unwrap();
    symlink(machine.path("closed/not-there"), machine.path("open/dangling")).unwrap();
    symlink(machine.path("open/a.txt"), machine.path("closed/to-a")).unwrap();
    let message = machine.refused("heliosdb.fs.readText('$/open/link')", SqlState::InsufficientPrivilege);
    assert!(message.contains("$/closed/secret.txt"), "{message}");
    for expression in [
        "heliosdb.fs.readText('$/open/folder/secret.txt')",
        "heliosdb.fs.writeText('$/open/link', 'x')",
        "heliosdb.fs.writeText('$/open/folder/new', 'x')",
        "heliosdb.fs.remove('$/open/folder/secret.txt')",
    ] {
        machine.refused(expression, SqlState::InsufficientPrivilege);
    }
    machine.check("heliosdb.fs.readText('$/closed/to-a')", "\"content of a\"");
    // A link whose target is not there is a name of its own, and is not followed.
    let message = machine.refused("heliosdb.fs.writeText('$/open/dangling', 'x')", SqlState::IoError);
    assert_eq!(
        message,
        "could not open file \"$/open/dangling\": a part of the path is a symbolic link or no folder"
    );
    assert!(!machine.path("closed/not-there").exists());
    assert_eq!(std::fs::read_to_string(machine.path("closed/secret.txt")).unwrap(), "secret");
}

/// Somebody swaps a folder for a link to the closed one, again and again, while the function reads and writes.
#[test]
fn a_race_between_check_and_use_is_lost_by_the_attacker() {
    let machine = Machine::new(&["FILE_READ('$/open/**')", "FILE_WRITE('$/open/**')"]);
    let (swapped, kept, link) = (machine.path("open/swapped"), machine.path("open/kept"), machine.path("open/link"));
    std::fs::create_dir(&kept).unwrap();
    std::fs::write(kept.join("secret.txt"), "harmless").unwrap();
    symlink(machine.path("closed"), &link).unwrap();
    let done = AtomicBool::new(false);
    let swap = |from: &Path, to: &Path| {
        let _ = std::fs::rename(from, to);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                swap(&kept, &swapped);
                swap(&swapped, &kept);
                swap(&link, &swapped);
                swap(&swapped, &link);
            }
        });
        let body = "(() => { const seen = {}; for (let i = 0; i < 3000; i++) { try { const t = heliosdb.fs.readText('$/open/swapped/secret.txt'); seen[t] = (seen[t] || 0) + 1; } \
            catch (e) { seen[e.sqlstate] = (seen[e.sqlstate] || 0) + 1; } try { heliosdb.fs.writeText('$/open/swapped/written', 'w') } catch (e) {} } return Object.keys(seen) })()";
        let seen = machine.run(body);
        done.store(true, Ordering::SeqCst);
        let seen = seen.unwrap();
        assert!(!seen.contains("\"secret\""), "{seen}");
    });
    assert!(!machine.path("closed/written").exists());
}

#[test]
fn what_is_no_file_is_not_opened() {
    let machine = Machine::new(&["FILE_READ('/**')", "FILE_WRITE('/**')"]);
    let fifo = machine.path("open/pipe");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    assert_eq!(
        machine.refused("heliosdb.fs.readText('$/open/pipe')", SqlState::WrongObjectType),
        "\"$/open/pipe\" is not a regular file"
    );
    machine.refused("heliosdb.fs.writeText('$/open/pipe', 'x')", SqlState::IoError);
    machine.refused("heliosdb.fs.readText('$/open')", SqlState::WrongObjectType);
    machine.refused("heliosdb.fs.remove('$/open')", SqlState::WrongObjectType);
    for path in ["/proc/self/environ", "/proc/self/mem", "/dev/zero", "/sys/kernel/profiling"] {
        let message = machine.refused(&format!("heliosdb.fs.readText('{path}')"), SqlState::InsufficientPrivilege);
        assert!(message.contains("no function may reach it"), "{message}");
        machine.refused(&format!("heliosdb.fs.writeText('{path}', 'x')"), SqlState::InsufficientPrivilege);
    }
    let events = machine.world.log.events();
    let refused = events
        .iter()
        .filter(|event| event.event_type == EventType::FileOperation && event.allowed == Some(false));
    assert_eq!(refused.count(), 8, "each is on record");
}

#[test]
fn a_file_with_another_name_is_not_written() {
    let machine = Machine::new(&[READ, WRITE]);
    std::fs::hard_link(machine.path("closed/secret.txt"), machine.path("open/hard")).unwrap();
    machine.refused("heliosdb.fs.writeText('$/open/hard', 'x')", SqlState::WrongObjectType);
    machine.refused("heliosdb.fs.appendText('$/open/hard', 'x')", SqlState::WrongObjectType);
    assert_eq!(std::fs::read_to_string(machine.path("closed/secret.txt")).unwrap(), "secret");
}

#[test]
fn sizes_are_bounded() {
    let machine = Machine::new(&[READ, WRITE]);
    std::fs::File::create(machine.path("open/large"))
        .unwrap()
        .set_len(17 << 20)
        .unwrap();
    assert_eq!(
        machine.refused("heliosdb.fs.readText('$/open/large')", SqlState::ProgramLimitExceeded),
        "file \"$/open/large\" is larger than the 16777216 bytes that a function can read"
    );
    std::fs::File::create(machine.path("open/full")).unwrap().set_len(64 << 20).unwrap();
    machine.refused("heliosdb.fs.appendText('$/open/full', 'x')", SqlState::ProgramLimitExceeded);
    std::fs::File::create(machine.path("open/fits")).unwrap().set_len(15 << 20).unwrap();
    let error = machine.run("heliosdb.fs.readBytes('$/open/fits').length").unwrap_err();
    assert_eq!(
        error.state(),
        SqlState::ProgramLimitExceeded,
        "a file that does not fit the function's memory"
    );
}

#[test]
fn what_is_not_there_is_told_only_to_those_who_may_know() {
    let machine = Machine::new(&[READ]);
    assert_eq!(
        machine.refused("heliosdb.fs.readText('$/open/none')", SqlState::UndefinedFile),
        "could not open file \"$/open/none\": No such file or directory (os error 2)"
    );
    let there = machine.refused("heliosdb.fs.readText('$/closed/secret.txt')", SqlState::InsufficientPrivilege);
    let not_there = machine.refused("heliosdb.fs.readText('$/closed/no-secret')", SqlState::InsufficientPrivilege);
    assert_eq!(there.replace("secret.txt", "no-secret"), not_there);
}

#[test]
fn a_denial_names_what_was_asked_for_whether_it_is_there_or_not() {
    for capabilities in [&[][..], &[READ]] {
        let machine = Machine::new(capabilities);
        symlink(machine.path("closed"), machine.path("link")).unwrap();
        let denial = |path: &str| machine.refused(&format!("heliosdb.fs.readText('{path}')"), SqlState::InsufficientPrivilege);
        for (asked, named) in [
            ("$/closed/../x", "$/x"),
            ("$/nowhere/../x", "$/x"),
            ("$/link/secret.txt", "$/link/secret.txt"),
            ("$/link/none", "$/link/none"),
            ("/proc/self/cwd/z", "/proc/self/cwd/z"),
            ("$/nowhere/../../x/..", ""),
        ] {
            let message = denial(asked);
            assert!(message.contains(named) && !message.contains("closed"), "{message}");
        }
        let events = machine.world.log.events();
        let denied = events.iter().filter(|event| event.allowed == Some(false));
        assert_eq!(denied.count(), 6, "each of them is on record");
    }
    // Who may reach what is written hears where it leads, and what is wrong with it.
    let machine = Machine::new(&[READ]);
    symlink(machine.path("closed/secret.txt"), machine.path("open/link")).unwrap();
    let message = machine.refused("heliosdb.fs.readText('$/open/link')", SqlState::InsufficientPrivilege);
    assert!(message.contains("$/closed/secret.txt"), "{message}");
    machine.refused("heliosdb.fs.readText('$/nowhere/../open/a.txt')", SqlState::InvalidParameterValue);
    machine.check("heliosdb.fs.readText('$/open/../open/a.txt')", "\"content of a\"");
}

#[test]
fn wrong_paths_are_named() {
    let machine = Machine::new(&[READ]);
    for path in ["'open/a.txt'", "''", "'../x'", "'$/open/a.txt\\0.png'"] {
        assert_eq!(
            machine.refused(&format!("heliosdb.fs.readText({path})"), SqlState::InvalidParameterValue),
            "heliosdb.fs.readText expects the absolute path of a file"
        );
    }
    // Longer than any path, and deeper than our stack.
    assert_eq!(
        machine.refused("heliosdb.fs.readText('/a'.repeat(500000))", SqlState::InvalidParameterValue),
        "heliosdb.fs.readText expects the absolute path of a file"
    );
    assert_eq!(
        machine.refused("heliosdb.fs.readText(5)", SqlState::InvalidParameterValue),
        "heliosdb.fs.readText expects a path, which is text"
    );
}

#[test]
fn operations_are_on_record_with_their_size_and_without_content() {
    let machine = Machine::new(&[READ]);
    machine.run("heliosdb.fs.readText('$/open/a.txt')").unwrap();
    let events = machine.world.log.events();
    let operation = events.iter().find(|event| event.event_type == EventType::FileOperation).unwrap();
    assert_eq!(operation.resource.as_deref(), machine.path("open/a.txt").to_str());
    assert_eq!(operation.details, Some(serde_json::json!({ "operation": "readText", "bytes": 12 })));
    assert!(events.iter().all(|event| !format!("{event:?}").contains("content of a")));
}

/// The data folder: whoever reaches it reaches the audit log and every right.
#[test]
fn the_databases_own_folder_is_nobodys_to_grant() {
    let machine = Machine::new(&["FILE_READ('/**')", "FILE_WRITE('/**')"]);
    let private = private_folder();
    std::fs::create_dir_all(&private).unwrap();
    let _removed = Removed(&private);
    std::fs::write(private.join("FORMAT"), "secret").unwrap();
    symlink(&private, machine.path("open/way-in")).unwrap();
    for expression in [
        format!("heliosdb.fs.readText('{}/FORMAT')", private.display()),
        "heliosdb.fs.readText('$/open/way-in/FORMAT')".to_string(),
        "heliosdb.fs.writeText('$/open/way-in/new', 'x')".to_string(),
        "heliosdb.fs.remove('$/open/way-in/FORMAT')".to_string(),
        "heliosdb.fs.list('$/open/way-in')".to_string(),
    ] {
        let message = machine.refused(&expression, SqlState::InsufficientPrivilege);
        assert!(message.contains("no function may reach it"), "{message}");
    }
    assert_eq!(std::fs::read_to_string(private.join("FORMAT")).unwrap(), "secret");
}

struct Removed<'a>(&'a Path);

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.0);
    }
}
