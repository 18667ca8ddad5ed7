//! `json.dumps` for results: it looks at no function that a program could have replaced, and knows the
//! values that SQL knows.

use malachite_bigint::BigInt;
use rustpython_vm::builtins::{PyDict, PyFloat, PyInt, PyList, PyStr, PyTuple};
use rustpython_vm::{AsObject, PyObject, PyObjectRef, PyResult, VirtualMachine};

use crate::types::types;
use crate::value::printed;

/// Writes `value` as JSON.
pub fn write(value: &PyObject, out: &mut Vec<u8>, vm: &VirtualMachine) -> PyResult<()> {
    write_nested(value, out, &mut Vec::new(), vm)
}

fn write_nested(value: &PyObject, out: &mut Vec<u8>, path: &mut Vec<usize>, vm: &VirtualMachine) -> PyResult<()> {
    if vm.is_none(value) {
        out.extend_from_slice(b"null");
    } else if value.is(&vm.ctx.true_value) {
        out.extend_from_slice(b"true");
    } else if value.is(&vm.ctx.false_value) {
        out.extend_from_slice(b"false");
    } else if let Some(text) = value.downcast_ref::<PyStr>() {
        write_string(text, out);
    } else if let Some(integer) = value.downcast_ref::<PyInt>() {
        write_integer(integer.as_bigint(), out);
    } else if let Some(float) = value.downcast_ref::<PyFloat>() {
        write_float(float.to_f64(), out, vm)?;
    } else if let Some(dict) = value.downcast_ref::<PyDict>() {
        enter(value, path, vm)?;
        write_members(dict.items_vec(), out, path, vm)?;
        path.pop();
    } else if let Some(list) = value.downcast_ref::<PyList>() {
        enter(value, path, vm)?;
        let elements = list.borrow_vec().to_vec();
        write_elements(&elements, out, path, vm)?;
        path.pop();
    } else if let Some(tuple) = value.downcast_ref::<PyTuple>() {
        enter(value, path, vm)?;
        write_elements(tuple.as_slice(), out, path, vm)?;
        path.pop();
    } else {
        write_other(value, out, vm)?;
    }
    Ok(())
}

/// What JSON has no form of its own for, but SQL does.
fn write_other(value: &PyObject, out: &mut Vec<u8>, vm: &VirtualMachine) -> PyResult<()> {
    let types = types();
    if value.fast_isinstance(&types.decimal) {
        if !vm.call_method(value, "is_finite", ())?.is_true(vm)? {
            return Err(not_finite(vm));
        }
        out.extend_from_slice(printed(value, vm)?.as_bytes());
        return Ok(());
    }
    let text = if value.fast_isinstance(&types.date) || value.fast_isinstance(&types.time) {
        vm.call_method(value, "isoformat", ())?
    } else if value.fast_isinstance(&types.uuid) || value.fast_isinstance(&types.timedelta) {
        value.str(vm)?.into()
    } else {
        let class = value.class().name().to_string();
        return Err(vm.new_type_error(format!("Object of type {class} is not JSON serializable")));
    };
    match text.downcast_ref::<PyStr>() {
        Some(text) => write_string(text, out),
        None => return Err(vm.new_type_error("isoformat() did not return a string")),
    }
    Ok(())
}

fn enter(value: &PyObject, path: &mut Vec<usize>, vm: &VirtualMachine) -> PyResult<()> {
    let id = value.get_id();
    if path.contains(&id) {
        return Err(vm.new_value_error("Circular reference detected"));
    }
    path.push(id);
    Ok(())
}

fn write_elements(elements: &[PyObjectRef], out: &mut Vec<u8>, path: &mut Vec<usize>, vm: &VirtualMachine) -> PyResult<()> {
    out.push(b'[');
    for (index, element) in elements.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_nested(element, out, path, vm)?;
    }
    out.push(b']');
    Ok(())
}

fn write_members(members: Vec<(PyObjectRef, PyObjectRef)>, out: &mut Vec<u8>, path: &mut Vec<usize>, vm: &VirtualMachine) -> PyResult<()> {
    out.push(b'{');
    for (index, (key, member)) in members.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_key(key, out, vm)?;
        out.push(b':');
        write_nested(member, out, path, vm)?;
    }
    out.push(b'}');
    Ok(())
}

/// Keys that are no strings are written as `json.dumps` does.
fn write_key(key: &PyObject, out: &mut Vec<u8>, vm: &VirtualMachine) -> PyResult<()> {
    if let Some(text) = key.downcast_ref::<PyStr>() {
        write_string(text, out);
        return Ok(());
    }
    let scalar = vm.is_none(key) || key.downcastable::<PyInt>() || key.downcastable::<PyFloat>();
    if !scalar {
        let class = key.class().name().to_string();
        return Err(vm.new_type_error(format!("keys must be str, int, float, bool or None, not {class}")));
    }
    out.push(b'"');
    write_nested(key, out, &mut Vec::new(), vm)?;
    out.push(b'"');
    Ok(())
}

fn write_integer(integer: &BigInt, out: &mut Vec<u8>) {
    out.extend_from_slice(integer.to_string().as_bytes());
}

fn write_float(float: f64, out: &mut Vec<u8>, vm: &VirtualMachine) -> PyResult<()> {
    if !float.is_finite() {
        return Err(not_finite(vm));
    }
    let text = vm.ctx.new_float(float).as_object().repr(vm)?;
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn not_finite(vm: &VirtualMachine) -> rustpython_vm::builtins::PyBaseExceptionRef {
    vm.new_value_error("Out of range float values are not JSON compliant")
}

fn write_string(text: &PyStr, out: &mut Vec<u8>) {
    out.push(b'"');
    for point in text.as_wtf8().code_points() {
        match point.to_char() {
            Some('"') => out.extend_from_slice(b"\\\""),
            Some('\\') => out.extend_from_slice(b"\\\\"),
            Some('\n') => out.extend_from_slice(b"\\n"),
            Some('\r') => out.extend_from_slice(b"\\r"),
            Some('\t') => out.extend_from_slice(b"\\t"),
            Some(control) if control < ' ' => out.extend_from_slice(format!("\\u{:04x}", control as u32).as_bytes()),
            Some(other) => {
                let mut utf8 = [0; 4];
                out.extend_from_slice(other.encode_utf8(&mut utf8).as_bytes());
            }
            // Half of a surrogate pair: no character, but JSON can spell it.
            None => out.extend_from_slice(format!("\\u{:04x}", point.to_u32()).as_bytes()),
        }
    }
    out.push(b'"');
}
