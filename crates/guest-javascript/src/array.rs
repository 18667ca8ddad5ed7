//! `Array` that accounts for declared lengths.
//!
//! boa keeps `new Array(100000000)` sparse, so it would cost nothing and no limit would see it. The
//! contract is that it ends by the memory limit: the constructor tells the host what the array would
//! need if it were filled.

use boa_engine::native_function::NativeFunction;
use boa_engine::object::{FunctionObjectBuilder, JsObject};
use boa_engine::property::PropertyDescriptor;
use boa_engine::{Context, JsResult, JsValue, js_string};

use crate::host;

/// Bytes of one element of a dense array.
const ELEMENT_BYTES: f64 = 8.0;
/// Below this many elements nobody asks the host.
const FREE_ELEMENTS: f64 = 65_536.0;

fn construct(new_target: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    if let [length] = args
        && let Some(length) = length.as_number()
        && length > FREE_ELEMENTS
        && length <= f64::from(u32::MAX)
    {
        host::reserve((length * ELEMENT_BYTES) as u64);
    }
    let intrinsic = context.intrinsics().constructors().array().constructor();
    let new_target = new_target.as_object();
    Ok(intrinsic.construct(args, new_target.as_ref(), context)?.into())
}

/// Puts a constructor of ours in the place of the intrinsic one, with all its properties.
pub fn install(context: &mut Context) -> JsResult<()> {
    let intrinsic: JsObject = context.intrinsics().constructors().array().constructor();
    let prototype = context.intrinsics().constructors().array().prototype();
    let realm = context.realm().clone();
    let constructor: JsObject = FunctionObjectBuilder::new(&realm, NativeFunction::from_fn_ptr(construct))
        .name(js_string!("Array"))
        .length(1)
        .constructor(true)
        .build()
        .into();
    for key in intrinsic.own_property_keys(context)? {
        let descriptor = intrinsic.borrow().properties().get(&key);
        if let Some(descriptor) = descriptor {
            constructor.define_property_or_throw(key, descriptor, context)?;
        }
    }
    let hidden = |value: JsObject| {
        PropertyDescriptor::builder()
            .value(value)
            .writable(true)
            .enumerable(false)
            .configurable(true)
    };
    prototype.define_property_or_throw(js_string!("constructor"), hidden(constructor.clone()), context)?;
    context
        .global_object()
        .define_property_or_throw(js_string!("Array"), hidden(constructor), context)?;
    Ok(())
}
