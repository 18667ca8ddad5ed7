//! The interpreters' machine code.
//!
//! The build script compiled them ahead for the machine that it ran on, and the code is part of this
//! very program. A machine with another processor cannot run it; there the first start compiles them
//! and keeps the result in the cache folder.

#![allow(unsafe_code)]

use std::hash::{Hash, Hasher};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::OnceLock;

use sha2::{Digest, Sha256};
use wasmtime::{Engine, Module};

use crate::error::Error;
use crate::memory::memory_file;

/// A guest interpreter as the build script left it.
pub struct Guest {
    language: &'static str,
    /// The module without its data.
    module: &'static [u8],
    /// (offset: u32, length: u32, bytes), repeated: its data.
    memory: &'static [u8],
    code: &'static [u8],
    file: OnceLock<Option<OwnedFd>>,
}

pub static JAVASCRIPT: Guest = Guest {
    language: "JavaScript",
    module: include_bytes!(env!("GUEST_JAVASCRIPT_MODULE")),
    memory: include_bytes!(env!("GUEST_JAVASCRIPT_MEMORY")),
    code: include_bytes!(env!("GUEST_JAVASCRIPT_CODE")),
    file: OnceLock::new(),
};

pub static PYTHON: Guest = Guest {
    language: "Python",
    module: include_bytes!(env!("GUEST_PYTHON_MODULE")),
    memory: include_bytes!(env!("GUEST_PYTHON_MEMORY")),
    code: include_bytes!(env!("GUEST_PYTHON_CODE")),
    file: OnceLock::new(),
};

impl Guest {
    /// The interpreter for `engine`.
    pub fn load(&self, engine: &Engine, cache_dir: &Path, progress: &dyn Fn(&str)) -> Result<Module, Error> {
        match self.load_built_in(engine) {
            Ok(module) => Ok(module),
            Err(_) => self.load_cached(engine, cache_dir, progress),
        }
    }

    /// The code that is part of this program, mapped from a memory file: each stack limit has an engine of
    /// its own, and they share its tens of megabytes.
    fn load_built_in(&self, engine: &Engine) -> wasmtime::Result<Module> {
        let file = self.file.get_or_init(|| memory_file(&[self.code]).ok());
        if let Some(file) = file
            && let Ok(file) = file.try_clone()
        {
            #[allow(clippy::disallowed_types)] // it is memory
            let file = std::fs::File::from(file);
            // SAFETY: as below, and the file is sealed: nobody can change it while it is mapped.
            if let Ok(module) = unsafe { Module::deserialize_open_file(engine, file) } {
                return Ok(module);
            }
        }
        // SAFETY: the code is what our build script got from `precompile_module`, and nobody can have
        // changed it without changing this program. wasmtime checks version, configuration and processor.
        unsafe { Module::deserialize(engine, self.code) }
    }

    fn load_cached(&self, engine: &Engine, cache_dir: &Path, progress: &dyn Fn(&str)) -> Result<Module, Error> {
        let mut hasher = std::hash::DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let digest = hex::encode(&Sha256::digest(self.module)[..8]);
        let path = cache_dir.join(format!("{}-{digest}-{:016x}.cwasm", self.language.to_lowercase(), hasher.finish()));
        if let Some(code) = read_checked(&path) {
            // SAFETY: the file lies in a folder of ours and its content is what we wrote there: its
            // digest says so. (Who can write to that folder can replace the whole database.)
            if let Ok(module) = unsafe { Module::deserialize(engine, &code) } {
                return Ok(module);
            }
        }
        progress(&format!(
            "compiling the {} interpreter for this processor, once; this takes a minute or less",
            self.language
        ));
        let code = engine
            .precompile_module(self.module)
            .map_err(|error| Error::Host(format!("{} does not compile: {error}", self.language)))?;
        if let Err(error) = write_checked(&path, &code) {
            progress(&format!(
                "{} could not be written, the next start compiles again: {error}",
                path.display()
            ));
        }
        // SAFETY: the code came from `precompile_module` a moment ago.
        unsafe { Module::deserialize(engine, &code) }.map_err(|error| Error::Host(format!("compiled code does not load: {error}")))
    }

    /// What the module's data segments would have written: (offset, bytes).
    pub fn data(&self) -> Vec<(usize, &'static [u8])> {
        let mut segments = Vec::new();
        let mut rest = self.memory;
        while let Some((offset, tail)) = rest.split_first_chunk::<4>() {
            let Some((length, tail)) = tail.split_first_chunk::<4>() else {
                break;
            };
            let Some((bytes, tail)) = tail.split_at_checked(u32::from_le_bytes(*length) as usize) else {
                break;
            };
            segments.push((u32::from_le_bytes(*offset) as usize, bytes));
            rest = tail;
        }
        segments
    }
}

#[allow(clippy::disallowed_methods)] // the cache of compiled code; a guest never sees it
fn read_checked(path: &Path) -> Option<Vec<u8>> {
    let mut content = std::fs::read(path).ok()?;
    let code = content.split_off(content.len().min(32));
    (Sha256::digest(&code).as_slice() == content).then_some(code)
}

#[allow(clippy::disallowed_methods)] // the cache of compiled code; a guest never sees it
fn write_checked(path: &Path, code: &[u8]) -> std::io::Result<()> {
    let half = path.with_extension(format!("{}.half", std::process::id()));
    std::fs::write(&half, [Sha256::digest(code).as_slice(), code].concat())?;
    std::fs::rename(&half, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_that_was_built_in_runs_on_the_machine_that_built_it() {
        let engine = Engine::new(&crate::machine::config(1 << 20)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for guest in [&JAVASCRIPT, &PYTHON] {
            guest.load(&engine, folder.path(), &|told| panic!("{told}")).unwrap();
        }
    }

    #[test]
    fn another_processor_s_code_is_compiled_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let told = std::cell::Cell::new(0);
        let guest = Guest {
            language: "Tiny",
            module: b"\0asm\x01\0\0\0",
            memory: b"",
            code: b"not code",
            file: OnceLock::new(),
        };
        let engine = Engine::new(&crate::machine::config(1 << 20)).unwrap();
        let progress = |_: &str| told.set(told.get() + 1);
        guest.load(&engine, folder.path(), &progress).unwrap();
        assert_eq!(told.get(), 1);
        guest.load(&engine, folder.path(), &progress).unwrap();
        assert_eq!(told.get(), 1, "the second start finds it");
        let file = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
        #[allow(clippy::disallowed_methods)] // a test plays the disk that rots
        let mut content = std::fs::read(&file).unwrap();
        *content.last_mut().unwrap() ^= 1;
        #[allow(clippy::disallowed_methods)]
        std::fs::write(&file, content).unwrap();
        guest.load(&engine, folder.path(), &progress).unwrap();
        assert_eq!(told.get(), 2, "a damaged file is not run");
    }
}
