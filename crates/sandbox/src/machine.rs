//! How wasmtime is configured. The build script includes this file: code compiled ahead must meet
//! the very configuration that it will run under.

use wasmtime::Config;

/// The machine stack of a guest; spec section 4.
pub const DEFAULT_STACK_BYTES: usize = 2 << 20;

/// Interpreters: metered, interruptible, with nothing in the module that they do not need.
pub fn config(stack_bytes: usize) -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .epoch_interruption(true)
        .max_wasm_stack(stack_bytes)
        // Not used, but wasmtime insists that it is not smaller.
        .async_stack_size(stack_bytes.max(DEFAULT_STACK_BYTES))
        .concurrency_support(false)
        .native_unwind_info(false)
        .generate_address_map(false)
        .wasm_backtrace_max_frames(None)
        .wasm_simd(false)
        .wasm_relaxed_simd(false);
    config
}
