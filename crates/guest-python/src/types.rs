//! The classes that values are made of, found once; a program that replaces them in their modules
//! changes nothing here.

use std::cell::OnceCell;

use rustpython_vm::builtins::PyTypeRef;
use rustpython_vm::{PyObjectRef, PyResult, VirtualMachine};

pub struct Types {
    pub decimal: PyTypeRef,
    pub date: PyTypeRef,
    pub datetime: PyTypeRef,
    pub time: PyTypeRef,
    pub timedelta: PyTypeRef,
    pub uuid: PyTypeRef,
    pub utc: PyObjectRef,
    pub database_error: PyTypeRef,
    pub capability_error: PyTypeRef,
    /// A dict whose keys are attributes too.
    pub result: PyTypeRef,
}

thread_local! {
    static TYPES: OnceCell<&'static Types> = const { OnceCell::new() };
}

/// Finds them all; once, while the interpreter starts.
pub fn find(vm: &VirtualMachine) -> PyResult<()> {
    let class =
        |module: &'static str, name: &'static str| -> PyResult<PyTypeRef> { vm.import(module, 0)?.get_attr(name, vm)?.try_into_value(vm) };
    let types = Types {
        decimal: class("decimal", "Decimal")?,
        date: class("datetime", "date")?,
        datetime: class("datetime", "datetime")?,
        time: class("datetime", "time")?,
        timedelta: class("datetime", "timedelta")?,
        uuid: class("uuid", "UUID")?,
        utc: vm.import("datetime", 0)?.get_attr("UTC", vm)?,
        database_error: class("heliosdb", "DatabaseError")?,
        capability_error: class("heliosdb", "CapabilityError")?,
        result: class("heliosdb", "_Result")?,
    };
    TYPES.with(|cell| cell.set(Box::leak(Box::new(types))).is_ok());
    Ok(())
}

pub fn types() -> &'static Types {
    TYPES
        .with(|cell| cell.get().copied())
        .expect("the classes are found before anything runs")
}
