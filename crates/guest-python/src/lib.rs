//! rustpython behind the guest ABI: the Python interpreter that runs in every sandbox.
//!
//! The life of an interpreter: `init` builds it, imports the standard library and the host object
//! (`lib/_parhelion.py`), the host keeps a picture of the memory; `load` runs a function's body once, the
//! host keeps a picture of that too; each `call` starts from the second picture and is thrown away.
//! Nothing here is trusted by the host.

#[path = "../../sandbox/src/abi.rs"]
#[allow(dead_code)] // a guest uses its half of it
mod abi;
#[path = "../../guest-javascript/src/buffer.rs"]
mod buffer;
mod exception;
mod frozen;
mod function;
mod host;
mod json;
mod random;
mod types;
mod value;

use std::cell::RefCell;

use rustpython_vm::{Interpreter, Settings, VirtualMachine};

use function::Function;

thread_local! {
    static GUEST: RefCell<Option<Guest>> = const { RefCell::new(None) };
}

struct Guest {
    interpreter: Interpreter,
    function: Option<Function>,
}

/// Free heap that every call starts with, so that ordinary calls never grow the memory.
const HEADROOM_BYTES: usize = 2 << 20;

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.isolated = true;
    settings.ignore_environment = true;
    settings.import_site = false;
    settings.install_signal_handlers = false;
    settings.user_site_directory = false;
    settings.write_bytecode = false;
    settings.allow_external_library = false;
    // A set's order must not depend on where it was made.
    settings.hash_seed = Some(0);
    // Integers are as long as the limits allow.
    settings.int_max_str_digits = 0;
    settings
}

/// Native modules of the library that a function has no use for.
const LEFT_OUT: &[&str] = &["_asyncio", "_socket", "_remote_debugging", "pyexpat", "_elementtree"];

fn start() -> Interpreter {
    let builder = Interpreter::builder(settings());
    let mut modules = rustpython_stdlib::stdlib_module_defs(&builder.ctx);
    modules.retain(|module| !LEFT_OUT.contains(&module.name.as_str()));
    let interpreter = builder.add_native_modules(&modules).add_frozen_modules(frozen::LIBRARY).build();
    interpreter.enter(|vm| {
        let prepared = host::install(vm).and_then(|()| types::find(vm)).and_then(|()| collect(vm, true));
        if let Err(error) = prepared {
            vm.print_exception(&error);
            panic!("the standard library does not load: {}", exception::describe(&error, vm));
        }
        // The machine's stack ends a recursion, by a trap that no program can catch.
        vm.recursion_limit.set(usize::MAX >> 1);
    });
    interpreter
}

/// Collects garbage, and tells the collector not to look at what is left again.
fn collect(vm: &VirtualMachine, freeze: bool) -> rustpython_vm::PyResult<()> {
    let gc = vm.import("gc", 0)?;
    vm.call_method(&gc, "collect", ())?;
    if freeze {
        vm.call_method(&gc, "freeze", ())?;
    }
    Ok(())
}

fn with_guest(run: impl FnOnce(&mut Guest, &[u8], &mut Vec<u8>), length: u32) -> i64 {
    buffer::exchange(length as usize, |input, output| {
        GUEST.with_borrow_mut(|guest| {
            if let Some(guest) = guest.as_mut() {
                run(guest, input, output);
            } else {
                output.push(abi::status::PANIC);
            }
        });
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn init() {
    let interpreter = start();
    // Walk once through the compiler and the codec, so that their caches are part of the picture.
    interpreter.enter(|vm| {
        let mut ignored = Vec::new();
        let warm = function::load(vm, &function::warm_up_request(), &mut ignored);
        drop(warm);
        let _ = collect(vm, true);
    });
    GUEST.set(Some(Guest {
        interpreter,
        function: None,
    }));
    drop(std::hint::black_box(Vec::<u8>::with_capacity(HEADROOM_BYTES)));
}

#[unsafe(no_mangle)]
pub extern "C" fn load(length: u32) -> i64 {
    with_guest(
        |guest, input, output| {
            guest.function = guest.interpreter.enter(|vm| function::load(vm, input, output));
        },
        length,
    )
}

#[unsafe(no_mangle)]
pub extern "C" fn call(length: u32) -> i64 {
    with_guest(
        |guest, input, output| match guest.function.as_mut() {
            Some(function) => guest.interpreter.enter(|vm| function.call(vm, input, output)),
            None => output.push(abi::status::PANIC),
        },
        length,
    )
}

#[unsafe(no_mangle)]
pub extern "C" fn next(length: u32) -> i64 {
    with_guest(
        |guest, input, output| match guest.function.as_mut() {
            Some(function) => guest.interpreter.enter(|vm| function.next(vm, input, output)),
            None => output.push(abi::status::PANIC),
        },
        length,
    )
}

unsafe extern "C" {
    fn __wasm_call_ctors();
}

/// With this export the linker does not wrap every other export in constructors and destructors.
#[unsafe(no_mangle)]
pub extern "C" fn _initialize() {
    // SAFETY: the host calls this once, before anything else.
    unsafe { __wasm_call_ctors() }
}
