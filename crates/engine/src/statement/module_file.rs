//! `AS FILE 'path'`: a module's binary or text, read from the server's disk when its function is created.
//!
//! The catalog keeps what was read, not the path: the file may change or go, the function stays what it was.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use types::{Result, SqlError, SqlState};

use crate::context::StatementContext;

/// The largest file that is looked at; the sandbox takes no larger module.
const MAX_FILE_BYTES: u64 = 16 << 20;
/// How a module in binary form begins.
const MAGIC: &[u8] = b"\0asm";

/// The file's content as a body: binary as `\x` and hexadecimal digits, text as it is.
pub fn read(context: &StatementContext, path: &str) -> Result<String> {
    if !context.catalog.is_superuser(context.actor.role) {
        return Err(SqlError::new(
            SqlState::InsufficientPrivilege,
            "must be superuser to create a function from a file on the server",
        )
        .hint("Anyone can give the module in the statement, as base64."));
    }
    if !Path::new(path).is_absolute() {
        return Err(SqlError::new(SqlState::InvalidName, "relative path not allowed for FILE"));
    }
    let failed = |error: std::io::Error| {
        let state = match error.kind() {
            std::io::ErrorKind::NotFound => SqlState::UndefinedFile,
            std::io::ErrorKind::PermissionDenied => SqlState::InsufficientPrivilege,
            _ => SqlState::IoError,
        };
        let reason = error.to_string();
        let reason = reason.split(" (os error").next().unwrap_or_default();
        SqlError::new(state, format!("could not open file \"{path}\" for reading: {reason}"))
    };
    // Opening a pipe would wait for its other end.
    let file = File::options()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(SqlError::new(SqlState::WrongObjectType, format!("\"{path}\" is not a file")));
    }
    let mut content = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > MAX_FILE_BYTES {
        return Err(SqlError::new(
            SqlState::ProgramLimitExceeded,
            format!("file \"{path}\" is too large for a function"),
        )
        .detail(format!("At most {MAX_FILE_BYTES} bytes are allowed.")));
    }
    if content.starts_with(MAGIC) {
        return Ok(format!("\\x{}", hex::encode(content)));
    }
    // What is no module is not repeated in an error: not even a superuser reads files this way.
    match String::from_utf8(content) {
        Ok(text) if text.trim_start().starts_with('(') || text.trim_start().starts_with(";;") => Ok(text),
        Ok(_) | Err(_) => Err(SqlError::new(
            SqlState::InvalidFunctionDefinition,
            format!("file \"{path}\" is not a WebAssembly module"),
        )),
    }
}
