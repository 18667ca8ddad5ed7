//! `heliosdb.fs`: files of the server's machine, behind FILE_READ and FILE_WRITE.
//!
//! The life of a file operation: the path is made canonical, symbolic links included, before anything is asked, so that
//! the question is about the file that is meant. What was allowed is then opened from the root, folder by folder, and no
//! step follows a symbolic link: whoever puts one in the way after the check makes the operation fail, not go elsewhere.
//! An error tells nothing about a path before the gate has allowed it: who may reach neither what a path says nor what it leads
//! to is refused what it says, whether that is there or not.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // the one place where guests reach files, each with a permit

use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use audit::EventType;
use policy::{Ask, CanonicalPath, ListFolder, Permit, ReadFile, WriteFile};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fstat, openat, statat, unlinkat};
use rustix::io::Errno;
use types::{Datum, SqlError, SqlState, Type};

use super::arguments::Arguments;
use super::{Answer, Failure, State};

/// What one call reads at most; a function's memory may allow less.
const MAX_READ_BYTES: u64 = 16 << 20;
/// What a file may grow to by a function's writing.
const MAX_FILE_BYTES: u64 = 64 << 20;
/// Linux's PATH_MAX; it also bounds how deep [`resolve`] goes.
const MAX_PATH_BYTES: usize = 4096;
/// Names that one listing gives.
const MAX_NAMES: usize = 10_000;
/// The machine's own: reading and writing there is more than files.
const MACHINE_FOLDERS: &[&str] = &["/proc", "/sys", "/dev"];

pub fn read_text(state: &mut State, mut arguments: Arguments) -> Result<Answer, Failure> {
    let path = path(&mut arguments)?;
    arguments.end()?;
    let bytes = read_file(state, path, "readText")?;
    let text = String::from_utf8(bytes).map_err(|_| {
        SqlError::new(SqlState::CharacterNotInRepertoire, "the file is not UTF-8 text").hint("Use heliosdb.fs.readBytes().")
    })?;
    Ok(Answer::Value(Datum::Text(text)))
}

pub fn read_bytes(state: &mut State, mut arguments: Arguments) -> Result<Answer, Failure> {
    let path = path(&mut arguments)?;
    arguments.end()?;
    let bytes = read_file(state, path, "readBytes")?;
    Ok(Answer::Value(Datum::Bytea(bytes)))
}

pub fn write_text(state: &mut State, mut arguments: Arguments) -> Result<Answer, Failure> {
    write_file(state, &mut arguments, How::Replace)
}

pub fn append_text(state: &mut State, mut arguments: Arguments) -> Result<Answer, Failure> {
    write_file(state, &mut arguments, How::Append)
}

/// The names in a folder, sorted.
pub fn list(state: &mut State, mut arguments: Arguments) -> Result<Answer, Failure> {
    let path = path(&mut arguments)?;
    arguments.end()?;
    let permit = path.ask(state, ListFolder)?;
    let names = operation(state, "list", &permit.asked().0, |_| {
        let names = list_folder(&permit)?;
        let length = names.len() as u64;
        Ok((names, length))
    })?;
    let names = names.into_iter().map(Datum::Text).collect();
    Ok(Answer::Value(Datum::array(Type::Text, names)))
}

pub fn remove(state: &mut State, mut arguments: Arguments) -> Result<Answer, Failure> {
    let path = path(&mut arguments)?;
    arguments.end()?;
    let permit = path.ask(state, WriteFile)?;
    operation(state, "remove", &permit.asked().0, |_| {
        remove_file(&permit)?;
        Ok(((), 0))
    })?;
    Ok(Answer::Value(Datum::Null))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Replace,
    Append,
}

fn read_file(state: &mut State, path: AskedPath, verb: &'static str) -> Result<Vec<u8>, Failure> {
    let permit = path.ask(state, ReadFile)?;
    let most = MAX_READ_BYTES.min(state.meter.limits.memory_bytes);
    operation(state, verb, &permit.asked().0, |check| {
        let bytes = read(&permit, most, check)?;
        let length = bytes.len() as u64;
        Ok((bytes, length))
    })
}

fn write_file(state: &mut State, arguments: &mut Arguments, how: How) -> Result<Answer, Failure> {
    let path = path(arguments)?;
    let text = arguments.text("text to write")?;
    arguments.end()?;
    let verb = match how {
        How::Replace => "writeText",
        How::Append => "appendText",
    };
    let permit = path.ask(state, WriteFile)?;
    operation(state, verb, &permit.asked().0, |_| {
        write(&permit, &text, how)?;
        Ok(((), text.len() as u64))
    })?;
    Ok(Answer::Value(Datum::Null))
}

/// Asked between pieces of a long operation.
type Check<'a> = &'a mut dyn FnMut() -> Result<(), Failure>;

/// Runs one permitted operation with its file counted, and records how it ended.
fn operation<T>(
    state: &mut State,
    verb: &'static str,
    path: &CanonicalPath,
    run: impl FnOnce(Check<'_>) -> Result<(T, u64), Failure>,
) -> Result<T, Failure> {
    let refused = refuse_own(state, path);
    let gate = state.rights()?.gate.clone();
    state.meter.open_file()?;
    let outcome = match refused {
        Ok(()) => run(&mut || Ok(state.meter.check()?)),
        Err(error) => Err(error.into()),
    };
    state.meter.close_file();
    let mut event = gate.event(EventType::FileOperation);
    event.resource = Some(path.to_string());
    let mut details = serde_json::json!({ "operation": verb });
    match &outcome {
        Ok((_, bytes)) => details["bytes"] = (*bytes).into(),
        Err(Failure::Refused { error, .. }) => {
            event.allowed = (error.state() == SqlState::InsufficientPrivilege).then_some(false);
            event.error = Some(error.message().to_string());
            event.sqlstate = Some(error.state());
        }
        Err(Failure::Stop(_)) => event.error = Some("the call was ended".to_string()),
    }
    event.details = Some(details);
    gate.record(event)
        .map_err(|error| Failure::from(policy::Denied::Unrecorded(error)))?;
    Ok(outcome?.0)
}

/// The database's own files and the machine's are nobody's to grant: through them a function could change its own rights, or the log.
fn refuse_own(state: &State, path: &CanonicalPath) -> Result<(), SqlError> {
    let path = Path::new(path.as_str());
    let own = state.rights.as_ref().is_some_and(|rights| {
        let folders = rights.outside.private_folders.iter().map(PathBuf::as_path);
        folders
            .chain(MACHINE_FOLDERS.iter().map(Path::new))
            .any(|folder| path.starts_with(folder))
    });
    match own {
        false => Ok(()),
        true => Err(SqlError::new(
            SqlState::InsufficientPrivilege,
            format!("permission denied for file \"{}\": no function may reach it", shown(path)),
        )
        .detail("The database's own folder, /proc, /sys and /dev cannot be granted.")),
    }
}

/// A path as a function wrote it, and where it leads.
struct AskedPath {
    /// Without `.` and `..`, which no look at the disk has taken away.
    written: CanonicalPath,
    /// Symbolic links followed; or why there is no such path.
    resolved: Result<CanonicalPath, SqlError>,
}

impl AskedPath {
    /// The question is about where the path leads; but where that is, is told only to who may reach what is written.
    fn ask<T: Ask>(self, state: &State, question: impl Fn(CanonicalPath) -> T) -> Result<Permit<T>, Failure> {
        let gate = &state.rights()?.gate;
        if let Ok(resolved) = &self.resolved {
            let resolved = question(resolved.clone());
            if gate.would_allow(&resolved) {
                return Ok(gate.check(resolved)?);
            }
        }
        let written = question(self.written);
        if !gate.would_allow(&written) {
            // No other than the first question may be allowed here: what is written might lead elsewhere.
            return match gate.check(written) {
                Err(denied) => Err(denied.into()),
                Ok(_) => Err(SqlError::new(
                    SqlState::InsufficientPrivilege,
                    "the function's rights changed while it asked for a file",
                )
                .into()),
            };
        }
        Ok(gate.check(question(self.resolved?))?)
    }
}

fn path(arguments: &mut Arguments) -> Result<AskedPath, Failure> {
    let text = arguments.text("a path, which is text")?;
    let refuse = |why: &str| arguments.refuse("the absolute path of a file").detail(why.to_string());
    if !text.starts_with('/') || text.contains('\0') || text.len() > MAX_PATH_BYTES {
        return Err(refuse("It does not start at the root, contains a zero character, or is longer than 4096 bytes.").into());
    }
    let canonical = |path: PathBuf| {
        let path = path.into_os_string().into_string().map_err(|_| refuse("It is not UTF-8."))?;
        CanonicalPath::new(path).map_err(SqlError::from)
    };
    let written = canonical(as_written(Path::new(&text)))?;
    let resolved = resolve(Path::new(&text)).ok_or_else(|| refuse("A part of it cannot be resolved."));
    Ok(AskedPath {
        written,
        resolved: resolved.and_then(canonical),
    })
}

/// `.` and `..` taken away without a look at the disk.
fn as_written(path: &Path) -> PathBuf {
    let mut written = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => written.push(name),
            Component::ParentDir => {
                written.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::CurDir => {}
        }
    }
    written
}

/// The path with its symbolic links followed, as far as it exists; what does not exist yet is taken as it is written, and has no `..` in it.
fn resolve(path: &Path) -> Option<PathBuf> {
    if let Ok(found) = std::fs::canonicalize(path) {
        return Some(found);
    }
    let Some(Component::Normal(name)) = path.components().next_back() else {
        return None;
    };
    Some(resolve(path.parent()?)?.join(name))
}

/// The folder that holds the path, reached without following a symbolic link, and the path's last name.
fn walk(path: &CanonicalPath) -> Result<(OwnedFd, &str), SqlError> {
    let failed = |error| os_error("open", path, error);
    let below = path.as_str().trim_start_matches('/');
    let (folders, name) = below.rsplit_once('/').unwrap_or(("", below));
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut folder = openat(CWD, "/", flags, Mode::empty()).map_err(failed)?;
    for part in folders.split('/').filter(|part| !part.is_empty()) {
        folder = openat(&folder, part, flags, Mode::empty()).map_err(failed)?;
    }
    Ok((folder, name))
}

fn open(path: &CanonicalPath, flags: OFlags) -> Result<OwnedFd, SqlError> {
    let (folder, name) = walk(path)?;
    let name = if name.is_empty() { "." } else { name };
    // Without waiting for the other end of a pipe, and without becoming anybody's terminal.
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    openat(&folder, name, flags, Mode::RUSR | Mode::WUSR).map_err(|error| os_error("open", path, error))
}

/// The size of a regular file; everything else that a path can name is refused.
fn regular(file: &OwnedFd, path: &CanonicalPath, writing: bool) -> Result<u64, SqlError> {
    let stat = fstat(file).map_err(|error| os_error("open", path, error))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(not_a_file(path));
    }
    // Another name of it may lie where this function must not write.
    if writing && stat.st_nlink > 1 {
        let message = format!("\"{path}\" has more than one name, and is not written through any of them");
        return Err(SqlError::new(SqlState::WrongObjectType, message));
    }
    Ok(u64::try_from(stat.st_size).unwrap_or(u64::MAX))
}

fn read(permit: &Permit<ReadFile>, most: u64, check: Check<'_>) -> Result<Vec<u8>, Failure> {
    let path = &permit.asked().0;
    let file = open(path, OFlags::RDONLY)?;
    let too_large = || {
        SqlError::new(
            SqlState::ProgramLimitExceeded,
            format!("file \"{path}\" is larger than the {most} bytes that a function can read"),
        )
    };
    if regular(&file, path, false)? > most {
        return Err(too_large().into());
    }
    let mut bytes = Vec::new();
    let mut piece = vec![0; 256 << 10];
    loop {
        match rustix::io::read(&file, &mut piece) {
            Ok(0) => return Ok(bytes),
            Ok(length) => bytes.extend_from_slice(piece.get(..length).unwrap_or_default()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(os_error("read", path, error).into()),
        }
        // It may grow while it is read.
        if bytes.len() as u64 > most {
            return Err(too_large().into());
        }
        check()?;
    }
}

fn write(permit: &Permit<WriteFile>, text: &str, how: How) -> Result<(), SqlError> {
    let path = &permit.asked().0;
    let flags = match how {
        How::Replace => OFlags::WRONLY | OFlags::CREATE,
        How::Append => OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND,
    };
    let file = open(path, flags)?;
    let before = regular(&file, path, true)?;
    let after = match how {
        How::Replace => text.len() as u64,
        How::Append => before.saturating_add(text.len() as u64),
    };
    if after > MAX_FILE_BYTES {
        return Err(SqlError::new(
            SqlState::ProgramLimitExceeded,
            format!("file \"{path}\" would be larger than the {MAX_FILE_BYTES} bytes that a function can write"),
        ));
    }
    // Only now: what is refused above must not have lost its content.
    if how == How::Replace {
        rustix::fs::ftruncate(&file, 0).map_err(|error| os_error("write", path, error))?;
    }
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match rustix::io::write(&file, rest) {
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(os_error("write", path, error)),
        }
    }
    Ok(())
}

fn list_folder(permit: &Permit<ListFolder>) -> Result<Vec<String>, SqlError> {
    let path = &permit.asked().0;
    let folder = open(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
    let entries = rustix::fs::Dir::new(folder).map_err(|error| os_error("read", path, error))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| os_error("read", path, error))?;
        // A name that is no text could not be asked for either.
        let Ok(name) = entry.file_name().to_str() else { continue };
        if name == "." || name == ".." {
            continue;
        }
        if names.len() == MAX_NAMES {
            return Err(SqlError::new(
                SqlState::ProgramLimitExceeded,
                format!("folder \"{path}\" holds more than the {MAX_NAMES} names that a function can list"),
            ));
        }
        names.push(name.to_string());
    }
    names.sort();
    Ok(names)
}

fn remove_file(permit: &Permit<WriteFile>) -> Result<(), SqlError> {
    let path = &permit.asked().0;
    let (folder, name) = walk(path)?;
    let stat = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(|error| os_error("remove", path, error))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(not_a_file(path));
    }
    unlinkat(&folder, name, AtFlags::empty()).map_err(|error| os_error("remove", path, error))
}

fn not_a_file(path: &CanonicalPath) -> SqlError {
    SqlError::new(SqlState::WrongObjectType, format!("\"{path}\" is not a regular file"))
}

/// In PostgreSQL's words for its own file functions.
fn os_error(verb: &str, path: &CanonicalPath, error: Errno) -> SqlError {
    let state = match error {
        Errno::NOENT => SqlState::UndefinedFile,
        Errno::NOSPC => SqlState::DiskFull,
        _ => SqlState::IoError,
    };
    let why = match error {
        Errno::LOOP | Errno::NOTDIR => "a part of the path is a symbolic link or no folder".to_string(),
        error => std::io::Error::from(error).to_string(),
    };
    SqlError::new(state, format!("could not {verb} file \"{path}\": {why}"))
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().chars().filter(|c| !c.is_control()).take(300).collect()
}
