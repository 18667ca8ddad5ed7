//! Calls of a module's function with its arguments in place, without a look at their types.
//!
//! # Why the unsafe code is sound
//!
//! `Func::call_unchecked` wants a slice with room for the parameters and for the results, parameters of the
//! function's own types in it, and no references to objects of other stores among them. [`RawExport::of`] makes
//! one only for an export whose parameters and results are numbers (i32, i64, f32, f64), whose bits are valid
//! whatever they are: `ValRaw` is a union of plain bits, written whole, so reading an i32 of a slot that
//! was written as an i64 yields an i32. `slots` is as long as both lists, which [`RawExport::of`] counted, and
//! belongs to the `RawFunction` alone, so no caller can pass a shorter one. The function belongs to the store or wasmtime panics.

#![allow(unsafe_code)]

use wasmtime::{AsContextMut, ExternType, Func, Instance, Module, ModuleExport, ValRaw};

/// An export of a module that takes and gives numbers.
#[derive(Clone)]
pub struct RawExport {
    export: ModuleExport,
    slots: usize,
}

/// That export in an instance, and the place for its arguments and results.
pub struct RawFunction {
    function: Func,
    slots: Box<[ValRaw]>,
}

impl RawExport {
    /// None where the export is no function, or one that takes or gives anything but numbers.
    pub fn of(module: &Module, name: &str) -> Option<RawExport> {
        let ExternType::Func(ty) = module.get_export(name)? else {
            return None;
        };
        if ty.params().chain(ty.results()).any(|ty| !ty.is_num()) {
            return None;
        }
        Some(RawExport {
            export: module.get_export_index(name)?,
            slots: ty.params().len().max(ty.results().len()).max(1),
        })
    }

    /// None where the instance is not one of the module's.
    pub fn in_instance(&self, instance: &Instance, store: impl AsContextMut) -> Option<RawFunction> {
        let function = instance.get_module_export(store, &self.export)?.into_func()?;
        Some(RawFunction {
            function,
            slots: vec![ValRaw::i64(0); self.slots].into_boxed_slice(),
        })
    }
}

impl RawFunction {
    /// The arguments of the next call, from the first on.
    #[inline]
    pub fn arguments(&mut self) -> &mut [ValRaw] {
        &mut self.slots
    }

    /// Calls it with what [`RawFunction::arguments`] holds. Answers the first result; of no meaning where there is none.
    #[inline]
    pub fn call(&mut self, store: impl AsContextMut) -> wasmtime::Result<ValRaw> {
        // SAFETY: see the head of this file.
        unsafe { self.function.call_unchecked(store, &raw mut *self.slots)? };
        Ok(self.slots[0])
    }
}
