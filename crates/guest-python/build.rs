//! Collects the standard library that functions get, and sets the size of the guest's own stack.

use std::path::{Path, PathBuf};

/// Modules and packages taken from Python's own library as they are. What is not listed cannot be
/// imported; what a function must not have (`os`, `socket`, `subprocess`, ...) is either a file of ours
/// in `lib` or absent.
const MODULES: &[&str] = &[
    "__future__",
    "_collections_abc",
    "_py_warnings",
    "_pydecimal",
    "_strptime",
    "_weakrefset",
    "abc",
    "annotationlib",
    "ast",
    "base64",
    "bisect",
    "calendar",
    "codecs",
    "collections",
    "contextlib",
    "contextvars",
    "copy",
    "copyreg",
    "csv",
    "dataclasses",
    "datetime",
    "decimal",
    "difflib",
    "encodings/__init__",
    "encodings/aliases",
    "encodings/ascii",
    "encodings/latin_1",
    "encodings/utf_8",
    "encodings/utf_8_sig",
    "encodings/utf_16",
    "encodings/utf_16_be",
    "encodings/utf_16_le",
    "encodings/utf_32",
    "encodings/utf_32_be",
    "encodings/utf_32_le",
    "encodings/cp1252",
    "encodings/iso8859_15",
    "encodings/_win_cp_codecs",
    "enum",
    "fractions",
    "functools",
    "hashlib",
    "heapq",
    "hmac",
    "io",
    "json",
    "keyword",
    "locale",
    "numbers",
    "operator",
    "random",
    "re",
    "reprlib",
    "secrets",
    "statistics",
    "string",
    "struct",
    "textwrap",
    "types",
    "typing",
    "uuid",
    "warnings",
    "weakref",
];

/// The guest's own stack, in its linear memory. It must be larger than what the host's limit on the
/// machine stack (8 MiB at most) can be spent on, or running out of it would look like anything.
const STACK_BYTES: u32 = 4 << 20;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=lib");
    println!("cargo:rustc-link-arg=-zstack-size={STACK_BYTES}");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let target = out.join("lib");
    let _ = std::fs::remove_dir_all(&target);
    let library = Path::new(rustpython_pylib::LIB_PATH);
    for module in MODULES {
        let package = library.join(module);
        if package.is_dir() {
            copy_folder(&package, &target.join(module));
        } else {
            copy(&package.with_extension("py"), &target.join(module).with_extension("py"));
        }
    }
    copy_folder(Path::new("lib"), &target);
    // The macro looks for the folder beside the file that names it.
    let frozen = "rustpython_derive::py_freeze!(dir = \"lib\", crate_name = \"rustpython_compiler_core\")\n";
    std::fs::write(out.join("frozen.rs"), frozen).expect("OUT_DIR is writable");
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let path = entry.expect("a folder can be listed").path();
        let name = path.file_name().expect("an entry has a name");
        if path.extension().is_some_and(|extension| extension == "py") {
            copy(&path, &to.join(name));
        }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().expect("a file has a folder")).expect("OUT_DIR is writable");
    std::fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
}
