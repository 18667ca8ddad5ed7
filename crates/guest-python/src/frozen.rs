//! The standard library as bytecode; `build.rs` picks its modules.

use rustpython_compiler_core::frozen::FrozenLib;

pub const LIBRARY: &FrozenLib = include!(concat!(env!("OUT_DIR"), "/frozen.rs"));
