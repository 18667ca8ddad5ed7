//! What is alive, by the allocator's own count, and when garbage is collected.
//!
//! boa counts the boxes of its objects and collects when those have grown enough. It does not see
//! what hangs on them: the elements of an array, the texts in it, a buffer. A thousand rows of ten
//! kilobytes would be a few boxes and ten megabytes of garbage, so every allocation is counted here,
//! and places that run often look at the count: between rows, in host calls, between jobs, and in
//! the built-ins that make large things.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use boa_engine::native_function::NativeFunction;
use boa_engine::object::builtins::JsArray;
use boa_engine::object::{FunctionObjectBuilder, JsObject};
use boa_engine::property::{PropertyDescriptor, PropertyKey};
use boa_engine::string::JsStrVariant;
use boa_engine::{Context, JsArgs, JsNativeError, JsResult, JsString, JsValue, js_string};

/// What may be allocated beyond what was alive after a collection: less than the free heap that a
/// call starts with, so that ordinary garbage does not grow the memory.
const SLACK_BYTES: usize = 1 << 20;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static COLLECT_AT: AtomicUsize = AtomicUsize::new(usize::MAX);

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: the system's allocator, which keeps the contract; counting touches no memory of its own but
// a number. There are no threads, so that two steps are as good as one.
unsafe impl GlobalAlloc for Counting {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        unsafe { System.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        unsafe { System.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        unsafe { System.dealloc(pointer, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[inline(always)]
fn count(more: usize, less: usize) {
    let live = LIVE.load(Ordering::Relaxed);
    LIVE.store(live.wrapping_add(more).wrapping_sub(less), Ordering::Relaxed);
}

/// Collects if enough was allocated since the last time. Everything that a place like this still
/// holds counts as alive: boa finds its roots by the handles that no object of its own holds.
#[inline]
pub fn collect_if_due() {
    if LIVE.load(Ordering::Relaxed) > COLLECT_AT.load(Ordering::Relaxed) {
        collect();
    }
}

#[cold]
#[inline(never)]
pub fn collect() {
    boa_gc::force_collect();
    let live = LIVE.load(Ordering::Relaxed);
    // In proportion to what has to be walked, or a large heap would be walked all the time.
    COLLECT_AT.store(live + SLACK_BYTES.max(live / 4), Ordering::Relaxed);
}

/// Built-ins that make or grow texts, arrays, maps and the like: where a loop inside one call leaves its garbage.
const GROWING: &[(&str, Owner, &[&str])] = &[
    (
        "String",
        Owner::Prototype,
        &[
            "concat",
            "match",
            "normalize",
            "padEnd",
            "padStart",
            "replace",
            "replaceAll",
            "toLowerCase",
            "toUpperCase",
        ],
    ),
    ("RegExp", Owner::Prototype, &["exec"]),
    (
        "Array",
        Owner::Prototype,
        &[
            "concat",
            "fill",
            "filter",
            "flat",
            "flatMap",
            "join",
            "map",
            "slice",
            "splice",
            "toReversed",
            "toSorted",
            "toSpliced",
            "unshift",
            "with",
        ],
    ),
    ("Array", Owner::Constructor, &["from", "of"]),
    ("Map", Owner::Prototype, &["set"]),
    ("Set", Owner::Prototype, &["add"]),
    (
        "Object",
        Owner::Constructor,
        &["assign", "entries", "fromEntries", "groupBy", "keys", "values"],
    ),
    ("JSON", Owner::Constructor, &["parse", "stringify"]),
];

#[derive(Clone, Copy)]
enum Owner {
    /// The global of that name itself.
    Constructor,
    Prototype,
}

/// Puts a look at the count before each of [`GROWING`]; `push`, `split` and
/// `repeat` are done here.
pub fn install(context: &mut Context) -> JsResult<()> {
    for (global, owner, methods) in GROWING {
        let owner = owner_of(global, *owner, context)?;
        for method in *methods {
            let original = method_of(&owner, method, context)?;
            let wrapped = NativeFunction::from_copy_closure_with_captures(
                |this, args, original: &JsObject, context| {
                    collect_if_due();
                    original.call(this, args, context)
                },
                original.clone(),
            );
            replace(&owner, method, &original, wrapped, context)?;
        }
    }
    let array = owner_of("Array", Owner::Prototype, context)?;
    let original = method_of(&array, "push", context)?;
    let wrapped = NativeFunction::from_copy_closure_with_captures(push, original.clone());
    replace(&array, "push", &original, wrapped, context)?;
    let string = owner_of("String", Owner::Prototype, context)?;
    let original = method_of(&string, "split", context)?;
    let wrapped = NativeFunction::from_copy_closure_with_captures(split, original.clone());
    replace(&string, "split", &original, wrapped, context)?;
    let original = method_of(&string, "repeat", context)?;
    replace(&string, "repeat", &original, NativeFunction::from_fn_ptr(repeat), context)
}

fn owner_of(global: &str, owner: Owner, context: &mut Context) -> JsResult<JsObject> {
    let object = context.global_object().get(JsString::from(global), context)?;
    match owner {
        Owner::Constructor => object.to_object(context),
        Owner::Prototype => object.to_object(context)?.get(js_string!("prototype"), context)?.to_object(context),
    }
}

fn method_of(owner: &JsObject, name: &str, context: &mut Context) -> JsResult<JsObject> {
    owner.get(JsString::from(name), context)?.to_object(context)
}

fn replace(owner: &JsObject, name: &str, original: &JsObject, with: NativeFunction, context: &mut Context) -> JsResult<()> {
    let length = original.get(js_string!("length"), context)?.to_length(context)? as usize;
    let realm = context.realm().clone();
    let function = FunctionObjectBuilder::new(&realm, with)
        .name(JsString::from(name))
        .length(length)
        .build();
    let hidden = PropertyDescriptor::builder()
        .value(function)
        .writable(true)
        .enumerable(false)
        .configurable(true);
    owner.define_property_or_throw(PropertyKey::from(JsString::from(name)), hidden, context)?;
    Ok(())
}

fn push(this: &JsValue, args: &[JsValue], original: &JsObject, context: &mut Context) -> JsResult<JsValue> {
    collect_if_due();
    if let Some(object) = this.as_object()
        && let Ok(array) = JsArray::from_object(object)
    {
        return array.push_items(args, context);
    }
    original.call(this, args, context)
}

/// `text.split(separator)` of two strings; boa's own takes microseconds for each piece.
fn split(this: &JsValue, args: &[JsValue], original: &JsObject, context: &mut Context) -> JsResult<JsValue> {
    collect_if_due();
    if let (Some(text), [separator]) = (this.as_string(), args)
        && let Some(separator) = separator.as_string()
        && !separator.is_empty()
    {
        let mut pieces = Vec::new();
        let mut start = 0;
        for found in occurrences(&text, &separator) {
            if found >= start {
                pieces.push(JsValue::from(text.slice(start, found)));
                start = found + separator.len();
            }
        }
        pieces.push(JsValue::from(text.slice(start, text.len())));
        return Ok(JsArray::from_iter(pieces, context).into());
    }
    original.call(this, args, context)
}

/// Where `part` begins in `text`; places may overlap.
fn occurrences(text: &JsString, part: &JsString) -> Vec<usize> {
    fn places<T: PartialEq>(text: &[T], part: &[T]) -> Vec<usize> {
        let windows = text.windows(part.len()).enumerate();
        windows
            .filter(|(_, window)| window.first() == part.first() && *window == part)
            .map(|(place, _)| place)
            .collect()
    }
    match (text.variant(), part.variant()) {
        (JsStrVariant::Latin1(text), JsStrVariant::Latin1(part)) => places(text, part),
        _ => places(&text.to_vec(), &part.to_vec()),
    }
}

/// The longest string that boa makes.
const MAX_STRING_LENGTH: u64 = u32::MAX as u64;

/// `String.prototype.repeat` by doubling; boa's own takes a list with an entry for each repetition.
fn repeat(this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    collect_if_due();
    if this.is_null_or_undefined() {
        return Err(JsNativeError::typ()
            .with_message("cannot convert null or undefined to Object")
            .into());
    }
    let text = this.to_string(context)?;
    let count = args.get_or_undefined(0).to_number(context)?.trunc();
    if count < 0.0 || count.is_infinite() {
        return Err(JsNativeError::range()
            .with_message("the count of repetitions must be a finite number that is not negative")
            .into());
    }
    let length = count * text.len() as f64;
    if length > MAX_STRING_LENGTH as f64 {
        return Err(JsNativeError::range()
            .with_message("the repeated string would be longer than 2^32 - 1")
            .into());
    }
    if length.is_nan() || length == 0.0 {
        return Ok(js_string!().into());
    }
    let mut left = count as u64;
    let mut unit = text;
    let mut repeated = js_string!();
    loop {
        if left & 1 == 1 {
            repeated = JsString::concat(repeated.as_str(), unit.as_str());
        }
        left >>= 1;
        if left == 0 {
            return Ok(repeated.into());
        }
        unit = JsString::concat(unit.as_str(), unit.as_str());
    }
}
