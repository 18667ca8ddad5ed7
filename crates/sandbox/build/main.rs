//! Compiles the guest interpreters: Rust to WebAssembly, WebAssembly to this machine's code.
//!
//! Both results live in `guests` below the target folder, shared by every profile: native code that
//! changes never rebuilds a guest, and a guest is compiled ahead once for each content, wasmtime
//! version, configuration and kind of processor.

// A build script works with files, programs and its environment; the bans are for the crate.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "../src/machine.rs"]
mod machine;
mod strip;

use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};
use wasmtime::Engine;

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

fn main() -> Result<()> {
    // The guests share the interface, and the reading of it.
    for path in ["build", "src/machine.rs", "src/abi.rs", "../guest-javascript/src/buffer.rs"] {
        println!("cargo:rerun-if-changed={path}");
    }
    let guests = target_folder()?.join("guests");
    build_guest("javascript", &guests)?;
    build_guest("python", &guests)
}

/// `crates/guest-<language>` as three files, named to the crate by environment variables: the
/// stripped module, its initial memory, its machine code.
fn build_guest(language: &str, guests: &Path) -> Result<()> {
    let manifest = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).with_file_name(format!("guest-{language}"));
    for path in ["src", "lib", "Cargo.toml", "Cargo.lock", "build.rs"] {
        let path = manifest.join(path);
        // Cargo takes a path that does not exist for one that changed.
        if path.exists() {
            println!("cargo:rerun-if-changed={}", path.display());
        }
    }
    let wasm = compile_to_wasm(&manifest, &guests.join("build"), language)?;
    let stripped = strip::strip(&std::fs::read(wasm)?)?;
    // Named apart: what changes only the data, such as a line of Python's library, compiles nothing anew.
    let digest = |content: &[u8]| hex::encode(&Sha256::digest(content)[..8]);
    let code_digest = digest(&stripped.module);
    let module = guests.join(format!("{language}-{code_digest}.wasm"));
    let memory = guests.join(format!("{language}-{}.memory", digest(&stripped.memory)));
    write_once(&module, &stripped.module)?;
    write_once(&memory, &stripped.memory)?;

    let mut config = machine::config(machine::DEFAULT_STACK_BYTES);
    if std::env::var("HOST")? != std::env::var("TARGET")? {
        config.target(&std::env::var("TARGET")?)?;
    }
    let engine = Engine::new(&config)?;
    let mut hasher = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    let code = guests.join(format!("{language}-{code_digest}-{:016x}.cwasm", hasher.finish()));
    if !code.exists() {
        write_once(&code, &engine.precompile_module(&stripped.module)?)?;
    }
    let name = language.to_uppercase();
    println!("cargo:rustc-env=GUEST_{name}_MODULE={}", module.display());
    println!("cargo:rustc-env=GUEST_{name}_MEMORY={}", memory.display());
    println!("cargo:rustc-env=GUEST_{name}_CODE={}", code.display());
    Ok(())
}

/// What the guest's own cargo may know of this machine. Everything else - flags, profiles, wrappers
/// of the native build - would change the guest or rebuild it for nothing.
const PASSED_ON: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "TMPDIR",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];
const PASSED_ON_BEGINNINGS: &[&str] = &["CARGO_NET_", "CARGO_HTTP_", "CARGO_REGISTRIES_", "CARGO_SOURCE_"];

fn compile_to_wasm(manifest: &Path, target: &Path, language: &str) -> Result<PathBuf> {
    let passed_on = std::env::vars().filter(|(name, _)| {
        PASSED_ON.contains(&name.as_str())
            || PASSED_ON_BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
            || name.to_lowercase().ends_with("_proxy")
    });
    let status = Command::new(std::env::var("CARGO")?)
        // Parts of the Python interpreter ask for a newer compiler than they need.
        .args([
            "build",
            "--release",
            "--locked",
            "--ignore-rust-version",
            "--target",
            "wasm32-wasip1",
            "--target-dir",
        ])
        .arg(target)
        .current_dir(manifest)
        .env_clear()
        .envs(passed_on)
        .status()?;
    if !status.success() {
        return Err(format!("the {language} guest does not compile; `rustup target add wasm32-wasip1` if that is what is missing").into());
    }
    Ok(target.join(format!("wasm32-wasip1/release/guest_{language}.wasm")))
}

/// The target folder: `OUT_DIR` is `build/<package>/out` in the profile's folder in it, with a folder
/// for the target triple between where one was asked for.
fn target_folder() -> Result<PathBuf> {
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let above_profile = out.ancestors().nth(4).ok_or("OUT_DIR is not where cargo puts it")?;
    match above_profile.parent() {
        Some(parent) if above_profile.ends_with(std::env::var("TARGET")?) => Ok(parent.to_path_buf()),
        _ => Ok(above_profile.to_path_buf()),
    }
}

/// Two builds may come here at once: a file is either absent or whole.
fn write_once(path: &Path, content: &[u8]) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    let half = path.with_extension(format!("{}.half", std::process::id()));
    std::fs::write(&half, content)?;
    std::fs::rename(&half, path)?;
    Ok(())
}
