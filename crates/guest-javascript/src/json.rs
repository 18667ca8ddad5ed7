//! `JSON.stringify`, with one difference: a BigInt is a JSON number. It does not look at any global
//! that a program could have replaced.

use boa_engine::object::JsObject;
use boa_engine::property::PropertyKey;
use boa_engine::{Context, JsError, JsNativeError, JsResult, JsString, JsValue, js_string};

/// Writes `value` as JSON; false where JSON has nothing for it (undefined, functions, symbols).
pub fn write(value: &JsValue, out: &mut Vec<u8>, context: &mut Context) -> JsResult<bool> {
    write_nested(value, &js_string!(), out, &mut Vec::new(), context)
}

fn write_nested(value: &JsValue, key: &JsString, out: &mut Vec<u8>, path: &mut Vec<JsObject>, context: &mut Context) -> JsResult<bool> {
    if let Some(object) = value.as_object() {
        let to_json = object.get(js_string!("toJSON"), context)?;
        if let Some(to_json) = to_json.as_callable() {
            let replaced = to_json.call(value, &[key.clone().into()], context)?;
            return match replaced.as_object() {
                Some(object) => write_object(&replaced, &object, out, path, context),
                None => write_primitive(&replaced, out, context),
            };
        }
        return write_object(value, &object, out, path, context);
    }
    write_primitive(value, out, context)
}

fn write_primitive(value: &JsValue, out: &mut Vec<u8>, context: &mut Context) -> JsResult<bool> {
    if value.is_null() {
        out.extend_from_slice(b"null");
    } else if let Some(value) = value.as_boolean() {
        out.extend_from_slice(if value { b"true" } else { b"false" });
    } else if let Some(number) = value.as_number() {
        if number.is_finite() {
            let text = value.to_string(context)?.to_std_string_lossy();
            out.extend_from_slice(text.as_bytes());
        } else {
            out.extend_from_slice(b"null");
        }
    } else if let Some(big) = value.as_bigint() {
        out.extend_from_slice(big.to_string_radix(10).as_bytes());
    } else if let Some(text) = value.as_string() {
        write_string(&text, out);
    } else {
        return Ok(false);
    }
    Ok(true)
}

fn write_object(value: &JsValue, object: &JsObject, out: &mut Vec<u8>, path: &mut Vec<JsObject>, context: &mut Context) -> JsResult<bool> {
    if object.is_callable() {
        return Ok(false);
    }
    if path.iter().any(|outer| JsObject::equals(outer, object)) {
        return Err(cyclic());
    }
    if let Some(primitive) = unboxed(value, object, context)? {
        return write_primitive(&primitive, out, context);
    }
    path.push(object.clone());
    if object.is_array() {
        write_array(object, out, path, context)?;
    } else {
        write_members(object, out, path, context)?;
    }
    path.pop();
    Ok(true)
}

/// The primitive inside `new Number(1)`, `new String('a')`, `new Boolean(true)`, `Object(1n)`.
pub fn unboxed(value: &JsValue, object: &JsObject, context: &mut Context) -> JsResult<Option<JsValue>> {
    if object.is::<f64>() {
        return Ok(Some(value.to_number(context)?.into()));
    }
    if object.is::<JsString>() {
        return Ok(Some(value.to_string(context)?.into()));
    }
    if let Some(boolean) = object.downcast_ref::<bool>() {
        return Ok(Some(JsValue::from(*boolean)));
    }
    if let Some(big) = object.downcast_ref::<boa_engine::JsBigInt>() {
        return Ok(Some(JsValue::from(big.clone())));
    }
    Ok(None)
}

fn write_array(object: &JsObject, out: &mut Vec<u8>, path: &mut Vec<JsObject>, context: &mut Context) -> JsResult<()> {
    let length = length_of(object, context)?;
    crate::host::reserve_elements(length);
    out.push(b'[');
    for index in 0..length {
        if index > 0 {
            out.push(b',');
        }
        let element = object.get(index, context)?;
        if !write_nested(&element, &index_name(index), out, path, context)? {
            out.extend_from_slice(b"null");
        }
    }
    out.push(b']');
    Ok(())
}

fn write_members(object: &JsObject, out: &mut Vec<u8>, path: &mut Vec<JsObject>, context: &mut Context) -> JsResult<()> {
    out.push(b'{');
    let mut first = true;
    for key in object.own_property_keys(context)? {
        let name = match &key {
            PropertyKey::String(name) => name.clone(),
            PropertyKey::Index(index) => index_name(u64::from(index.get())),
            PropertyKey::Symbol(_) => continue,
        };
        if !is_enumerable(object, &key, context)? {
            continue;
        }
        let member = object.get(key, context)?;
        let start = out.len();
        if !first {
            out.push(b',');
        }
        write_string(&name, out);
        out.push(b':');
        if write_nested(&member, &name, out, path, context)? {
            first = false;
        } else {
            out.truncate(start);
        }
    }
    out.push(b'}');
    Ok(())
}

fn is_enumerable(object: &JsObject, key: &PropertyKey, context: &mut Context) -> JsResult<bool> {
    let own = object.borrow().properties().get(key);
    match own {
        Some(descriptor) => Ok(descriptor.enumerable() == Some(true)),
        // An exotic object (a proxy, a typed array) that answers for its own keys.
        None => object.has_own_property(key.clone(), context),
    }
}

pub fn length_of(object: &JsObject, context: &mut Context) -> JsResult<u64> {
    object.get(js_string!("length"), context)?.to_length(context)
}

fn index_name(index: u64) -> JsString {
    JsString::from(index.to_string())
}

fn cyclic() -> JsError {
    JsNativeError::typ().with_message("cyclic object value").into()
}

fn write_string(text: &JsString, out: &mut Vec<u8>) {
    out.push(b'"');
    for point in text.code_points() {
        match point.as_char() {
            Some('"') => out.extend_from_slice(b"\\\""),
            Some('\\') => out.extend_from_slice(b"\\\\"),
            Some('\n') => out.extend_from_slice(b"\\n"),
            Some('\r') => out.extend_from_slice(b"\\r"),
            Some('\t') => out.extend_from_slice(b"\\t"),
            Some('\u{8}') => out.extend_from_slice(b"\\b"),
            Some('\u{c}') => out.extend_from_slice(b"\\f"),
            Some(control) if control < ' ' => out.extend_from_slice(format!("\\u{:04x}", control as u32).as_bytes()),
            Some(other) => {
                let mut utf8 = [0; 4];
                out.extend_from_slice(other.encode_utf8(&mut utf8).as_bytes());
            }
            // Half of a surrogate pair: no character, but JSON can spell it.
            None => out.extend_from_slice(format!("\\u{:04x}", point.as_u32()).as_bytes()),
        }
    }
    out.push(b'"');
}
