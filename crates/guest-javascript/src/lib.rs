//! boa_engine behind the guest ABI: the JavaScript interpreter that runs in every sandbox.
//!
//! The life of an interpreter: `init` builds the realm and the host object, the host keeps a picture
//! of the memory; `load` runs a function's body once, the host keeps a picture of that too; each
//! `call` starts from the second picture and is thrown away. Nothing here is trusted by the host.

#[path = "../../sandbox/src/abi.rs"]
#[allow(dead_code)] // a guest uses its half of it
mod abi;
mod array;
mod buffer;
mod date;
mod exception;
mod function;
mod host;
mod jobs;
mod json;
mod memory;
mod place;
mod rest;
mod syntax;
mod trigger;
mod value;

use std::cell::RefCell;
use std::rc::Rc;

use boa_engine::builtins::promise::{OperationType, Promise};
use boa_engine::context::time::JsInstant;
use boa_engine::context::{Clock, ContextBuilder, HostHooks};
use boa_engine::object::JsObject;
use boa_engine::realm::Realm;
use boa_engine::{Context, JsResult, JsString, Script, Source};

use function::Function;

thread_local! {
    static GUEST: RefCell<Option<Guest>> = const { RefCell::new(None) };
}

struct Guest {
    context: Context,
    function: Option<Function>,
}

/// Shows what the host lets the function see.
struct HostClock;

impl Clock for HostClock {
    fn now(&self) -> JsInstant {
        JsInstant::new(0, 0)
    }

    fn system_time_millis(&self) -> i64 {
        host::clock_micros().div_euclid(1000)
    }
}

struct Hooks;

/// As boa's own default.
const MAX_BUFFER_BYTES: u64 = 1_610_612_736;

impl HostHooks for Hooks {
    /// UTC everywhere: a function's answer must not depend on where the server stands.
    fn local_timezone_offset_seconds(&self, _unix_time_seconds: i64) -> i32 {
        0
    }

    fn promise_rejection_tracker(&self, promise: &JsObject<Promise>, operation: OperationType, _: &mut Context) {
        jobs::track(promise.clone().upcast(), operation);
    }

    /// Asked by `eval`, `new Function` and their like.
    fn ensure_can_compile_strings(
        &self,
        _: Realm,
        parameters: &[JsString],
        body: &JsString,
        _: bool,
        context: &mut Context,
    ) -> JsResult<()> {
        rest::refuse_in_made_code(parameters, body, context)
    }

    /// Asked before a buffer is made.
    fn max_buffer_size(&self, _: &mut Context) -> u64 {
        memory::collect_if_due();
        MAX_BUFFER_BYTES
    }
}

/// Free heap that every call starts with, so that ordinary calls never grow the memory.
const HEADROOM_BYTES: usize = 2 << 20;

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
    let mut context = ContextBuilder::new()
        .clock(Rc::new(HostClock))
        .host_hooks(Rc::new(Hooks))
        .job_executor(Rc::new(jobs::Queue))
        .build()
        .expect("the default realm is sound");
    host::install(&mut context).expect("a fresh realm takes the host object");
    array::install(&mut context).expect("a fresh realm takes the array constructor");
    date::install(&mut context).expect("a fresh realm takes the date constructor");
    memory::install(&mut context).expect("a fresh realm takes the built-ins that collect");
    // Walk once through the compiler and the codec, so that their caches are part of the picture.
    let warm = Script::parse(Source::from_bytes("(function(){let f=(x)=>x+1;return f(1)})()"), None, &mut context);
    if let Ok(script) = warm {
        let _ = script.evaluate(&mut context);
    }
    GUEST.set(Some(Guest { context, function: None }));
    drop(std::hint::black_box(Vec::<u8>::with_capacity(HEADROOM_BYTES)));
    memory::collect();
}

#[unsafe(no_mangle)]
pub extern "C" fn load(length: u32) -> i64 {
    with_guest(
        |guest, input, output| {
            guest.function = function::load(&mut guest.context, input, output);
            memory::collect();
        },
        length,
    )
}

#[unsafe(no_mangle)]
pub extern "C" fn call(length: u32) -> i64 {
    with_guest(
        |guest, input, output| match guest.function.as_mut() {
            Some(function) => function.call(&mut guest.context, input, output),
            None => output.push(abi::status::PANIC),
        },
        length,
    )
}

#[unsafe(no_mangle)]
pub extern "C" fn next(length: u32) -> i64 {
    with_guest(
        |guest, input, output| match guest.function.as_mut() {
            Some(function) => function.next(&mut guest.context, input, output),
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
